"""Owns the run on exact small integers, for a function that refuses symbols, and what that run may claim.

Operands are independent uniform whole numbers in [-M, M), times the common denominator of the layer's
constants. If an entry of the result is a polynomial of total degree at most 2 in the operands and not the
right one, the difference is a polynomial that is not zero, and it vanishes at such a point with
probability at most 2/(2M) = 1/M (Schwartz, Zippel). M is chosen so that an entry's terms and all their
partial sums are whole numbers that the arithmetic holds exactly.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import BackflipError
from derive.verify_call import Arrays, Subject
from derive.verify_run import (
    NOT_CHECKED,
    USER_FAULTS,
    Case,
    Outcome,
    Refusal,
    Rounded,
    call,
    failed,
    run_symbols,
    shape_fault,
    titled,
)
from derive.verify_trials import run_real

MAX_SYMBOLIC = 300_000
"""Monomials up to which a function is run on symbols (a few seconds of Python arithmetic)."""
MANTISSAS = ((53, "float64"), (24, "float32"))
WANTED_BITS = 60
SHIFT = 7
"""Every other run divides the operands by 2^SHIFT: truncation to whole numbers must not go unseen."""
MAX_PROBES = 400


def run_case(tried: Subject, case: Case) -> Outcome:
    """Symbols where the size and the function allow it, then numbers as well; else numbers alone.

    A layer whose results are no polynomials is run on numbers, within bounds.
    """
    if case.real:
        return run_real(tried, case)
    if case.monomials > MAX_SYMBOLIC:
        found = run_numbers(tried, case)
        note = f"symbols not tried: more than {MAX_SYMBOLIC:,} monomials"
        return replace(found, notes=(*found.notes, note))
    try:
        found = run_symbols(tried, case)
    except Rounded as reason:
        found = run_numbers(tried, case)
        if found.ok:
            return Outcome(False, NOT_CHECKED, (), ("on whole numbers it agrees in float64",), str(reason))
        return replace(found, notes=(*found.notes, str(reason)))
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
    """b such that whole numbers in [-2^b, 2^b), times the scale, keep every partial sum of an entry exact.

    A sum of products of two is below terms * scale * 2^(2b), a single operand among them 2^SHIFT as large.
    """
    free = mantissa - 1 - case.terms_each().bit_length() - (case.scale - 1).bit_length()
    return min(free // 2, free - SHIFT)


def rounding_explains(case: Case, outcome: Outcome) -> bool:
    """Whether the result found wrong is as near as single precision of the largest sum of |terms|."""
    got = outcome.got
    if got is None or got.dtype.kind not in "fiu" or got.shape != case.wanted.get(outcome.key):
        return False
    right = case.values(outcome.key, outcome.arrays, outcome.shift).astype(np.float64)
    sums = case.values(outcome.key, outcome.arrays, outcome.shift, magnitude=True).astype(np.float64)
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
            times = f"{case.scale:,} " if case.scale > 1 else ""
            span = f"{times}m/2^e, m whole in [-2^{bits}, 2^{bits}), e = 0 or {SHIFT}"
            note = f"{trials} runs on {span}: exact in {arithmetic}"
            assumed = "assumes: each entry is a polynomial of degree at most 2 in the operands, not rounded"
            return replace(outcome, notes=(note, assumed, *notes))
        if not rounding_explains(case, outcome):
            return outcome
        notes = (f"numbers exact in {arithmetic} come out rounded",)
    fault = outcome.fault if outcome else "entries have too many terms for exact arithmetic"
    told = ("differs by no more than rounding would explain; exact agreement could not be tested", *notes)
    return Outcome(False, NOT_CHECKED, (), told if outcome else (), fault)


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
            * (case.scale if name in case.scaled else 1)
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
            return Outcome(False, "REFUTED", (), fault=text)
        covered = tuple(found)
        for key, value in found.items():
            wrong = _compare(case, found, key, value, whole, shift)
            if wrong is not None:
                return wrong
    return Outcome(True, f"CHECKED, miss probability <= 2^-{bits * trials}", covered)


def _as_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """An object array of plain numbers as float64; anything else as it is."""
    plain = array.dtype == object and all(isinstance(x, (int, float)) for x in array.ravel())
    return array.astype(np.float64) if plain else array


def _compare(
    case: Case, found: dict[str, object], key: str, value: object, whole: Arrays, shift: int
) -> Outcome | None:
    """Exact comparison with the right result at whole / 2^shift."""
    got = np.asarray(value)
    right = case.values(key, whole, shift)
    if np.ma.isMaskedArray(value):
        return failed(found, key, got, right, whole, f"{titled(key)} is a masked array")
    got = _as_numbers(got)
    if got.dtype.kind not in "fiu":
        fault = f"{titled(key)} has dtype {got.dtype}, expected numbers"
        return failed(found, key, got, right, whole, fault)
    scale = shift * case.truths[key].degree
    seen = np.ldexp(got.astype(np.float64), scale)
    if got.shape != case.wanted[key]:
        zero = not any(array.any() for array in whole.values())
        return None if zero else shape_fault(case, found, key, seen, whole, shift)
    wanted = right.astype(np.float64)
    if np.array_equal(seen, wanted):
        return None
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(seen != wanted)), got.shape))
    texts = f"got {got[index]:.17g}, expected {math.ldexp(float(wanted[index]), -scale):.17g}"
    kind = "fractions m/2^7" if shift else "whole numbers"
    fault = f"{titled(key)}{list(index)}: {texts} at random {kind}"
    return failed(found, key, seen, right, whole, fault, shift)


def _entry_at(tried: Subject, case: Case, key: str, entry: int, arrays: Arrays) -> float | None:
    """One entry of one result at given operands; None where the function fails there or gives no number."""
    try:
        value = float(np.asarray(call(tried, case, arrays)[key]).ravel()[entry])
    except USER_FAULTS:
        return None
    return value if math.isfinite(value) else None


def _probes(case: Case, key: str) -> Iterator[tuple[tuple[str, int], ...]]:
    """Sets of operand entries that an entry's monomials may consist of, one list of operands at a time."""
    lists = dict.fromkeys(tuple(sorted(part.operands)) for part in case.truths[key].parts)
    for names in lists:
        for addresses in product(*(range(prod(case.shapes[name])) for name in names)):
            yield tuple(zip(names, addresses, strict=True))


def _units(case: Case, spots: tuple[tuple[str, int], ...]) -> Arrays:
    """Zeros, with a one at each of the spots."""
    arrays = {name: np.zeros(shape) for name, shape in case.shapes.items()}
    for name, address in spots:
        arrays[name].ravel()[address] = 1.0
    return arrays


def terms_of(tried: Subject, case: Case, outcome: Outcome) -> str | None:
    """The first wrong entry with its terms, found by running on unit vectors (a bilinear map is what it
    does on pairs of them); None where symbols have told the terms already, or there are too many pairs."""
    key, got, right = outcome.key, outcome.got, outcome.right
    if case.real or got is None or right is None or got.dtype == object or got.shape != case.wanted.get(key):
        return None
    lists = {part.operands for part in case.truths[key].parts}
    pairs = sum(prod(prod(case.shapes[name]) for name in names) for names in lists)
    if pairs > MAX_PROBES:
        return None
    entry = int(np.argmax(got.ravel() != right.astype(np.float64).ravel()))
    base = _entry_at(tried, case, key, entry, _units(case, ()))
    if base is None:
        return None
    terms = [f"{base:g}"] if base else []
    for spots in _probes(case, key):
        value = _entry_at(tried, case, key, entry, _units(case, spots))
        if value is None:
            return None
        if value := value - base:
            names = [case.symbol_text(case.offsets[n] + a) for n, a in spots]
            terms.append(("" if value == 1 else f"{value:g}*") + "*".join(names))
    index = ", ".join(str(int(i)) for i in np.unravel_index(entry, got.shape))
    expected = case.polynomials(key)[entry].text(case.symbol_text)
    shown = " + ".join(terms[:5]) + (f" + ... ({len(terms) - 5} more)" if len(terms) > 5 else "") or "0"
    return None if shown == expected else f"{titled(key)}[{index}]: got {shown}, expected {expected}"
