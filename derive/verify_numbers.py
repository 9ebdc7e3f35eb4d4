"""Owns the run on exact small integers, for a function that refuses symbols, and what that run may claim.

Operands are independent uniform whole numbers in [-M, M). If an entry of the result is a polynomial of
total degree at most 2 in the operands and not the right one, the difference is a polynomial that is not
zero, and it vanishes at such a point with probability at most 2/(2M) = 1/M (Schwartz, Zippel). M is chosen
so that an entry's terms and all their partial sums are whole numbers that the arithmetic holds exactly.
"""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np

from derive.errors import BackflipError
from derive.verify_call import Arrays, Subject
from derive.verify_run import (
    OPERANDS,
    USER_FAULTS,
    Case,
    Outcome,
    Refusal,
    call,
    failed,
    run_symbols,
    shape_fault,
)

MAX_SYMBOLIC = 300_000
"""Monomials up to which a function is run on symbols (a few seconds of Python arithmetic)."""
MANTISSAS = ((53, "float64"), (24, "float32"))
WANTED_BITS = 60
MAX_PROBES = 400


def run_case(tried: Subject, case: Case) -> Outcome:
    """Symbols where the size and the function allow it, else integers."""
    if sum(map(len, case.truth.values())) > MAX_SYMBOLIC:
        found = run_numbers(tried, case)
        return replace(
            found, notes=(*found.notes, f"symbols not tried: more than {MAX_SYMBOLIC:,} monomials")
        )
    try:
        return run_symbols(tried, case)
    except Refusal as reason:
        found = run_numbers(tried, case)
        return replace(found, notes=(*found.notes, f"symbols were refused ({reason})"))


def run_numbers(tried: Subject, case: Case) -> Outcome:
    """Random whole numbers exact in float64; where that fails, ones that are exact in float32 too."""
    last = None
    for mantissa, arithmetic in MANTISSAS:
        bits = (mantissa - 1 - case.terms_each().bit_length()) // 2
        if bits < 2:
            break
        trials = -(-WANTED_BITS // bits)
        outcome = _trials(tried, case, bits, trials)
        final = outcome.ok or outcome.got is None or outcome.got.shape != case.shapes[outcome.key]
        if final:
            note = f"{trials} runs on whole numbers in [-2^{bits}, 2^{bits}), exact in {arithmetic}"
            assumed = "assumes: each entry is a polynomial of degree at most 2 in the operands"
            return replace(outcome, notes=(note, assumed) if outcome.ok else ())
        last = outcome
    if last is None:
        return Outcome(
            False, "NOT CHECKED", (), case.keys, fault="entries have too many terms for exact arithmetic"
        )
    return last


def _trials(tried: Subject, case: Case, bits: int, trials: int) -> Outcome:
    draw = np.random.default_rng(random.SystemRandom().getrandbits(64))
    covered: tuple[str, ...] = ()
    for _ in range(trials):
        arrays: Arrays = {
            name: draw.integers(-(2**bits), 2**bits, shape).astype(np.float64)
            for name, shape in case.shapes.items()
        }
        try:
            found = call(tried, case, arrays)
        except BackflipError:
            raise
        except USER_FAULTS as fault:
            text = f"the function raised {type(fault).__name__}: {str(fault)[:120]}"
            return Outcome(False, "REFUTED", (), case.keys, fault=text)
        covered = tuple(found)
        for key, value in found.items():
            wrong = _compare(case, found, key, value, arrays)
            if wrong is not None:
                return wrong
    return Outcome(True, f"CHECKED, miss probability <= 2^-{bits * trials}", covered, case.keys)


def _compare(case: Case, found: dict[str, object], key: str, value: object, arrays: Arrays) -> Outcome | None:
    got = np.asarray(value)
    if got.dtype.kind not in "fiu":
        return failed(case, found, key, got, arrays, f"grad_{key} has dtype {got.dtype}, expected numbers")
    if got.shape != case.shapes[key]:
        return shape_fault(case, found, key, got, arrays)
    right = case.values(key, arrays)
    if np.array_equal(got.astype(np.float64), right.astype(np.float64)):
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(got != right)), got.shape))
    texts = f"got {got[index]:.17g}, expected {int(right[index])}"
    fault = f"grad_{key}{list(index)}: {texts} at random whole numbers"
    return failed(case, found, key, got.astype(np.float64), arrays, fault)


def terms_of(tried: Subject, case: Case, outcome: Outcome) -> str | None:
    """The first wrong entry with its terms, found by running on unit vectors (a bilinear map is what it
    does on pairs of them); None where symbols have told the terms already, or there are too many pairs."""
    key, got = outcome.key, outcome.got
    if got is None or got.dtype == object or got.shape != case.shapes.get(key):
        return None
    sizes = [prod(case.shapes[name]) for name in OPERANDS[key]]
    if prod(sizes) > MAX_PROBES:
        return None
    right = case.values(key, dict(outcome.arrays)).ravel()
    entry = int(np.argmax(got.ravel() != right))
    terms = []
    for addresses in product(*map(range, sizes)):
        arrays = {name: np.zeros(shape) for name, shape in case.shapes.items()}
        for name, address in zip(OPERANDS[key], addresses, strict=True):
            arrays[name].ravel()[address] = 1.0
        try:
            value = float(np.asarray(call(tried, case, arrays)[key]).ravel()[entry])
        except USER_FAULTS:
            return None
        if value:
            names = [
                case.symbol_text(case.offsets[n] + a) for n, a in zip(OPERANDS[key], addresses, strict=True)
            ]
            terms.append(("" if value == 1 else f"{value:g}*") + "*".join(names))
    index = ", ".join(str(int(i)) for i in np.unravel_index(entry, got.shape))
    expected = case.polynomials(key)[entry].text(case.symbol_text)
    shown = " + ".join(terms[:5]) + (f" + ... ({len(terms) - 5} more)" if len(terms) > 5 else "") or "0"
    return None if shown == expected else f"grad_{key}[{index}]: got {shown}, expected {expected}"
