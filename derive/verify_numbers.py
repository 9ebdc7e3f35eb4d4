"""Owns the run on exact small integers, for a function that refuses symbols, and what that run may claim.

Operands are independent uniform whole numbers in [-M, M). If an entry of the result is a polynomial of
total degree at most 2 in the operands and not the right one, the difference is a polynomial that is not
zero, and it vanishes at such a point with probability at most 2/(2M) = 1/M (Schwartz, Zippel). M is chosen
so that an entry's terms and all their partial sums are whole numbers that the arithmetic holds exactly.
"""

from __future__ import annotations

import math
import random
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
SHIFT = 7
"""Every other run divides the operands by 2^SHIFT: truncation to whole numbers must not go unseen."""
NOT_CHECKED = "NOT CHECKED"
MAX_PROBES = 400


def run_case(tried: Subject, case: Case) -> Outcome:
    """Symbols where the size and the function allow it, then numbers as well; else numbers alone."""
    if sum(map(len, case.truth.values())) > MAX_SYMBOLIC:
        found = run_numbers(tried, case)
        note = f"symbols not tried: more than {MAX_SYMBOLIC:,} monomials"
        return replace(found, notes=(*found.notes, note))
    try:
        found = run_symbols(tried, case)
    except Refusal as reason:
        found = run_numbers(tried, case)
        return replace(found, notes=(*found.notes, f"symbols were refused ({reason})"))
    return _also_numbers(tried, case, found) if found.ok else found


def _also_numbers(tried: Subject, case: Case, found: Outcome) -> Outcome:
    """What is right on symbols must be right on numbers too: a branch on dtypes, a stored result."""
    bits = exact_bits(case, 53)
    seen = _trials(tried, case, bits, 4) if bits >= 2 else found
    if seen.ok:
        return replace(found, notes=(*found.notes, "4 runs on float64 numbers agree") if bits >= 2 else ())
    if rounding_explains(case, seen):
        return replace(found, notes=(*found.notes, "on numbers it agrees up to rounding, not exactly"))
    return replace(seen, notes=("right on symbols, wrong on float64 numbers",))


def exact_bits(case: Case, mantissa: int) -> int:
    """b such that whole numbers in [-2^b, 2^b) keep every partial sum of an entry exact."""
    return (mantissa - 1 - case.terms_each().bit_length()) // 2


def rounding_explains(case: Case, outcome: Outcome) -> bool:
    """Whether the result found wrong is as near as single precision of the largest sum of |terms|."""
    got = outcome.got
    if got is None or got.dtype.kind not in "fiu" or got.shape != case.shapes.get(outcome.key):
        return False
    right = case.values(outcome.key, dict(outcome.arrays)).astype(np.float64)
    sums = case.values(outcome.key, {name: np.abs(a) for name, a in outcome.arrays.items()})
    bound = (case.terms_each() + 2) * 2.0**-23 * float(sums.max(initial=0))
    return bool((np.abs(got.astype(np.float64) - right) <= bound).all())


def run_numbers(tried: Subject, case: Case) -> Outcome:
    """Random numbers exact in float64; where those show rounding alone, ones exact in float32 too."""
    notes: tuple[str, ...] = ()
    outcome = None
    for mantissa, arithmetic in MANTISSAS:
        bits = exact_bits(case, mantissa)
        if bits < 2:
            break
        trials = -(-WANTED_BITS // bits)
        outcome = _trials(tried, case, bits, trials)
        if outcome.ok:
            span = f"m/2^e, m whole in [-2^{bits}, 2^{bits}), e = 0 or {SHIFT}"
            note = f"{trials} runs on {span}: exact in {arithmetic}"
            assumed = "assumes: each entry is a polynomial of degree at most 2 in the operands, not rounded"
            return replace(outcome, notes=(note, assumed, *notes))
        if not rounding_explains(case, outcome):
            return outcome
        notes = (f"numbers exact in {arithmetic} come out rounded",)
    fault = outcome.fault if outcome else "entries have too many terms for exact arithmetic"
    told = ("differs by no more than rounding would explain; exact agreement could not be tested", *notes)
    return Outcome(False, NOT_CHECKED, (), case.keys, told if outcome else (), fault)


def _trials(tried: Subject, case: Case, bits: int, trials: int) -> Outcome:
    """Runs on fresh numbers: whole ones, and in every other run the same divided by a power of two.

    Two runs come before that, on zeros and on tiny numbers, where what is added, or cut off, cannot hide
    in the rounding of large sums.
    """
    draw = np.random.default_rng(random.SystemRandom().getrandbits(64))
    covered: tuple[str, ...] = ()
    for run in range(-2, trials):
        span = {-2: 0, -1: 2}.get(run, 2**bits)
        whole: Arrays = {
            name: draw.integers(-span, max(span, 1), shape).astype(np.float64)
            for name, shape in case.shapes.items()
        }
        shift = SHIFT * (run % 2)
        arrays = {name: np.ldexp(array, -shift) for name, array in whole.items()}
        try:
            found = call(tried, case, arrays)
        except BackflipError:
            raise
        except USER_FAULTS as fault:
            text = f"the function raised {type(fault).__name__}: {str(fault)[:120]}"
            return Outcome(False, "REFUTED", (), case.keys, fault=text)
        covered = tuple(found)
        for key, value in found.items():
            wrong = _compare(case, found, key, value, whole, shift)
            if wrong is not None:
                return wrong
    return Outcome(True, f"CHECKED, miss probability <= 2^-{bits * trials}", covered, case.keys)


def _as_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """An object array of plain numbers as float64; anything else as it is."""
    plain = array.dtype == object and all(isinstance(x, (int, float)) for x in array.ravel())
    return array.astype(np.float64) if plain else array


def _compare(
    case: Case, found: dict[str, object], key: str, value: object, whole: Arrays, shift: int
) -> Outcome | None:
    """Exact comparison with the right gradient at whole / 2^shift; a failure is told in whole numbers."""
    if np.ma.isMaskedArray(value):
        return failed(case, found, key, np.asarray(value), whole, f"grad_{key} is a masked array")
    got = _as_numbers(np.asarray(value))
    if got.dtype.kind not in "fiu":
        return failed(case, found, key, got, whole, f"grad_{key} has dtype {got.dtype}, expected numbers")
    if got.shape != case.shapes[key]:
        return shape_fault(case, found, key, got, whole)
    right = case.values(key, whole).astype(np.float64)
    scale = shift * len(OPERANDS[key])
    seen = np.ldexp(got.astype(np.float64), scale)
    if np.array_equal(seen, right):
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(seen != right)), got.shape))
    texts = f"got {got[index]:.17g}, expected {math.ldexp(float(right[index]), -scale):.17g}"
    kind = "fractions m/2^7" if shift else "whole numbers"
    return failed(case, found, key, seen, whole, f"grad_{key}{list(index)}: {texts} at random {kind}")


def _entry_at(tried: Subject, case: Case, key: str, entry: int, arrays: Arrays) -> float | None:
    """One entry of one gradient at given operands; None where the function fails there or gives no number."""
    try:
        value = float(np.asarray(call(tried, case, arrays)[key]).ravel()[entry])
    except USER_FAULTS:
        return None
    return value if math.isfinite(value) else None


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
    base = _entry_at(tried, case, key, entry, {n: np.zeros(shape) for n, shape in case.shapes.items()})
    if base is None:
        return None
    terms = [f"{base:g}"] if base else []
    for addresses in product(*map(range, sizes)):
        arrays = {name: np.zeros(shape) for name, shape in case.shapes.items()}
        for name, address in zip(OPERANDS[key], addresses, strict=True):
            arrays[name].ravel()[address] = 1.0
        value = _entry_at(tried, case, key, entry, arrays)
        if value is None:
            return None
        if value := value - base:
            names = [
                case.symbol_text(case.offsets[n] + a) for n, a in zip(OPERANDS[key], addresses, strict=True)
            ]
            terms.append(("" if value == 1 else f"{value:g}*") + "*".join(names))
    index = ", ".join(str(int(i)) for i in np.unravel_index(entry, got.shape))
    expected = case.polynomials(key)[entry].text(case.symbol_text)
    shown = " + ".join(terms[:5]) + (f" + ... ({len(terms) - 5} more)" if len(terms) > 5 else "") or "0"
    return None if shown == expected else f"grad_{key}[{index}]: got {shown}, expected {expected}"
