"""Owns the calls after the first: what somebody's function keeps from one call to the next.

A gradient buffer that is not zeroed gives the right result once. So a function is called again on the same
operands, and on others, and both results must be the right ones. An object is asked the same of one instance,
after `zero_grad` where it has such a method (`verify_call.CLEARS`); it must not raise there either.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import BackflipError
from derive.verify_call import Arrays, Subject
from derive.verify_numbers import exact_bits
from derive.verify_poly import Poly
from derive.verify_real import Judge, compared, operands
from derive.verify_results import results
from derive.verify_run import USER_FAULTS, Case, Outcome, as_array, failed, titled

HELD = "gradient added to what the buffer held"
MOST_SYMBOLIC = 20_000
"""Monomials up to which later calls are made on symbols too."""
FEW_BITS = 6
"""Operands are whole numbers below 2^FEW_BITS, so that three results added up are exact."""
ALIKE = 1e-9
"""Of numbers with functions applied: what a sum of two results may be off by, as a part of the largest."""
SAME = "a second call on the same operands"
OTHER = "a third call, on other operands"
Found = dict[str, Any]


class _NotSo(Exception):
    """The function does not run so, or its first result is wrong: what the first call shows is said."""


class _Raises(_NotSo):
    """The same, with what the function raised."""


def repeated(tried: Subject, case: Case) -> Outcome | None:
    """What goes wrong in later calls only; None where nothing does.

    Where the first call is wrong as well, a buffer that each call adds to is told, and nothing else.
    """
    if case.real:
        return _attempt(_on_reals, tried, case)
    if case.monomials <= MOST_SYMBOLIC and (found := _attempt(_on_symbols, tried, case)) is not None:
        return found
    return _attempt(_on_numbers, tried, case)


def _attempt(how: Callable[[Subject, Case], Outcome | None], tried: Subject, case: Case) -> Outcome | None:
    try:
        return how(tried, case)
    except _NotSo:
        return None


def _called(
    run: Callable[[Arrays, Mapping[str, Any]], Any], tried: Subject, case: Case, arrays: Arrays
) -> Found:
    """Copies of the results of one call, for a buffer that is handed out may change in the next."""
    copies = {name: array.copy() for name, array in arrays.items()}
    try:
        found = results(run(copies, case.numbers), case.wanted, tried.name)
    except BackflipError:
        raise
    except USER_FAULTS as raised:
        raise _Raises(f"{type(raised).__name__}: {str(raised)[:120]}") from None
    return {key: np.asarray(value).copy() for key, value in found.items()}


def _thrice(
    tried: Subject, case: Case, here: Arrays, there: Arrays, right: Callable[[Found], bool]
) -> tuple[Found, ...] | Outcome:
    """Three calls, twice on the same operands, then on others; an object may not raise after a right one."""
    run = _started(tried)
    found = [_called(run, tried, case, here)]
    for said, arrays in ((SAME, here), (OTHER, there)):
        try:
            found.append(_called(run, tried, case, arrays))
        except _Raises as raised:
            if tried.session is None or not right(found[0]):
                raise
            _called(_started(tried), tried, case, arrays)
            return Outcome(False, "REFUTED", (), fault=f"{said} raised {raised}", later=True)
    return tuple(found)


def _started(tried: Subject) -> Callable[[Arrays, Mapping[str, Any]], Any]:
    return tried.session() if tried.session is not None else tried.run


def _on_symbols(tried: Subject, case: Case) -> Outcome | None:
    """Two calls on the same symbols."""
    arrays, run, refusals = case.symbols(), _started(tried), Poly.refusals
    one, two = (_called(run, tried, case, arrays) for _ in range(2))
    if Poly.refusals != refusals:
        raise _NotSo
    for key, value in two.items():
        first, second = _polynomials(one, key), _polynomials(two, key)
        right = case.polynomials(key)
        if not len(first) == len(second) == len(right) or value.shape != case.wanted[key]:
            raise _NotSo
        wrong = [i for i, (got, want) in enumerate(zip(second, right, strict=True)) if not _fits(got, want)]
        held = all((b - a).same(want) for a, b, want in zip(first, second, right, strict=True))
        if not wrong:
            continue
        if not held and not all(map(_fits, first, right)):
            raise _NotSo
        at = wrong[0]
        where = ", ".join(str(int(i)) for i in np.unravel_index(at, value.shape))
        two_sides = second[at], right[at]
        texts = [a.text(case.symbol_text, b) for a, b in (two_sides, two_sides[::-1])]
        fault = f"{titled(key)}[{where}]: {SAME}: got {texts[0]}, expected {texts[1]}"
        return _later(failed(two, key, value, as_array(right, value.shape), arrays, fault), held)
    return None


def _polynomials(found: Found, key: str) -> list[Poly]:
    entries = [Poly.of(entry) for entry in np.asarray(found.get(key, ()), object).ravel()]
    if any(entry is None for entry in entries):
        raise _NotSo
    return [entry for entry in entries if entry is not None]


def _fits(got: Poly, wanted: Poly) -> bool:
    return got.same(wanted) or got.rounds(wanted)


def _later(outcome: Outcome, held: bool) -> Outcome:
    """The outcome as one of a later call; `held`: each call adds the right result to the one before."""
    return replace(outcome, later=True, named=(HELD,) if held else ())


def _on_numbers(tried: Subject, case: Case) -> Outcome | None:
    """Three calls on small whole numbers: the same operands twice, then others; results are whole too."""
    bits = max(exact_bits(case, 24) - 2, 0) or exact_bits(case, 53) - 2
    if bits < 1:
        return None
    here, there = (_whole(case, min(bits, FEW_BITS)) for _ in range(2))

    def fits(found: Found) -> bool:
        rights = {key: case.values(key, here) for key in found}
        return all(_near(_numbers(found, key, right.shape), right) for key, right in rights.items())

    called = _thrice(tried, case, here, there, fits)
    if isinstance(called, Outcome):
        return called
    one, two, three = called
    for said, arrays, before, found in ((SAME, here, one, two), (OTHER, there, two, three)):
        for key in found:
            right, first = case.values(key, arrays), case.values(key, here)
            got, old = _numbers(found, key, right.shape), _numbers(before, key, right.shape)
            if _near(got, right):
                continue
            held = _near(got - old, right)
            if not held and not (
                _near(_numbers(one, key, right.shape), first)
                and _near(_numbers(_called(_started(tried), tried, case, arrays), key, right.shape), right)
            ):
                raise _NotSo
            at = tuple(int(i) for i in np.unravel_index(int(np.argmax(abs(got - right))), got.shape))
            texts = f"got {got[at]:.17g}, expected {right[at]} at whole numbers"
            fault = f"{titled(key)}{list(at)}: {said}: {texts}"
            return _later(failed(found, key, got, right, arrays, fault), held)
    return None


def _near(got: NDArray[np.float64], right: NDArray[Any]) -> bool:
    """Whether rounding to the nearest whole number gives the right results."""
    return bool((abs(got - right.astype(np.float64)) < 0.5).all())


def _whole(case: Case, bits: int) -> Arrays:
    draw = np.random.default_rng(random.SystemRandom().getrandbits(64))
    return {
        name: draw.integers(-(2**bits), 2**bits, shape).astype(np.float64)
        * (case.scale if name in case.scaled else 1)
        for name, shape in case.shapes.items()
    }


def _numbers(found: Found, key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """One result as numbers of the right shape."""
    try:
        value = np.asarray(found[key]).astype(np.float64)
    except (KeyError, TypeError, ValueError):
        raise _NotSo from None
    if value.shape != shape:
        raise _NotSo
    return value


def _on_reals(tried: Subject, case: Case) -> Outcome | None:
    """Three calls on numbers apart from each other, within the derived bound."""
    judge = Judge(case.layer, case.shape)
    here, there = (operands(case.layer, case.shape, "apart", tried.takes_grad) for _ in range(2))

    def fits(found: Found) -> bool:
        return not any(compared(judge, key, "", v, here, case.wanted[key]) for key, v in found.items())

    called = _thrice(tried, case, here, there, fits)
    if isinstance(called, Outcome):
        return called
    one, two, three = called
    for said, arrays, before, found in ((SAME, here, one, two), (OTHER, there, two, three)):
        for key, value in found.items():
            fault = compared(judge, key, titled(key), value, arrays, case.wanted[key])
            if fault is None or fault.got is None or fault.right is None or fault.near:
                continue
            got, old = (_numbers(f, key, fault.right.shape) for f in (found, before))
            held = bool(np.allclose(got - old, fault.right, rtol=0, atol=ALIKE * np.abs(fault.right).max()))
            fresh = {**one, **_called(_started(tried), tried, case, arrays)}
            pairs = ((here, one[key]), (arrays, fresh[key]))
            if not held and any(compared(judge, key, "", v, a, case.wanted[key]) for a, v in pairs):
                raise _NotSo
            text = fault.text.replace(": got", f": {said}: got", 1)
            return _later(failed(found, key, fault.got, fault.right, arrays, text), held)
    return None
