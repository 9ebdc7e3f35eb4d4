"""Owns the runs of somebody's function of a non-linear layer, and what they allow to say.

A result as near as `verify_real.py` wants it is TESTED; one further off that float32 rounding would explain
is NOT CHECKED; anything else is REFUTED. Which entry is taken at ties, and the derivative at a bend, are
conventions outside the domain of the theorems: there a run says whether the function follows PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from derive.errors import BackflipError
from derive.verify_call import Subject
from derive.verify_draws import has_eps, ignores
from derive.verify_hits import Arrays
from derive.verify_real import Fault, Judge, compared, operands, shown, steep
from derive.verify_run import NOT_CHECKED, USER_FAULTS, Case, Outcome, call, titled

RUNS, FEW, MANY = 6, 2, 20_000
"""Runs without ties, where every mistake in which entry is taken needs its chance; fewer on MANY entries."""


def run_real(tried: Subject, case: Case) -> Outcome:
    """Runs on numbers apart from each other, then on ones with ties and zeros, then on large ones.

    A result that rounding to float32 would explain may be told from it by another of the runs.
    """
    takes_grad, cells = tried.takes_grad, 0
    judge, runs = Judge(case.layer, case.shape), FEW if case.entries > MANY else RUNS
    covered: tuple[str, ...] = ()
    doubtful: Outcome | None = None
    fine = has_eps(case.layer)
    for how in (*("fine",) * fine, *("apart",) * runs):
        arrays = operands(case.layer, case.shape, how, takes_grad)
        found, faults = _trial(tried, case, judge, arrays)
        if faults:
            doubtful = _failed(faults[0], found)
            if not faults[0].near:
                return doubtful
        covered, cells = tuple(found), cells + sum(np.size(value) for value in found.values())
    if doubtful is not None:
        return doubtful
    said = "every entry within the derived bound of float64, or 2^-47 of the largest"
    notes = [f"{runs} runs without ties: {said}", *(f"assumed: {a}" for a in case.layer.assumptions())]
    notes += ["a run with variances of about eps among them agrees too"] * fine
    ignored = _ignored(tried, case, judge, takes_grad)
    if isinstance(ignored, Outcome):
        return ignored
    notes += ignored
    edges = operands(case.layer, case.shape, "edges", takes_grad)
    found, faults = _trial(tried, case, judge, edges)
    if faults and not (judge.bends() and found):
        return _failed(faults[0], found)
    notes += _conventions(case, faults) if judge.bends() else []
    notes += _without_numbers(tried, case, judge, takes_grad)
    notes += _large(tried, case, judge, takes_grad)
    return Outcome(True, f"TESTED, {cells:,} entries", covered, tuple(notes))


def _trial(
    tried: Subject, case: Case, judge: Judge, arrays: Arrays
) -> tuple[Mapping[str, Any], tuple[Fault, ...]]:
    """What the function gives, and what is wrong with it."""
    try:
        found = call(tried, case, arrays)
    except BackflipError:
        raise
    except USER_FAULTS as raised:
        text = f"the function raised {type(raised).__name__}: {str(raised)[:120]}"
        return {}, (Fault("", text, arrays),)
    pairs = (
        (key, compared(judge, key, titled(key), v, arrays, case.wanted[key])) for key, v in found.items()
    )
    faults = [fault for _, fault in pairs if fault is not None]
    return found, tuple(sorted(faults, key=lambda fault: fault.near))


def _failed(fault: Fault, found: Mapping[str, Any]) -> Outcome:
    if fault.near:
        text = f"{fault.text}: no more than rounding to float32 would explain, but more than float64 does"
        return Outcome(False, NOT_CHECKED, tuple(found), (), text, fault.key)
    arrays = fault.arrays if fault.got is not None else {}
    return Outcome(
        False,
        "REFUTED",
        tuple(found),
        tuple(shown(fault)),
        fault.text,
        fault.key,
        arrays,
        fault.got,
        fault.right,
    )


def _conventions(case: Case, faults: tuple[Fault, ...]) -> list[str]:
    """What is said about ties and bends."""
    if not faults:
        return ["with ties and zeros it agrees too"]
    text = faults[0].text
    names = _failed(faults[0], {}).bugs(case)
    known = [f"  that is: {'; '.join(names[:2])}"] if names else []
    return [f"with ties or zeros, outside the domain, it does not do as PyTorch: {text}", *known]


def _ignored(tried: Subject, case: Case, judge: Judge, takes_grad: bool) -> list[str] | Outcome:
    """A run in which targets are ignored: what is said, or what is wrong.

    A function that raises there, and was not told of ignore_index, is said to be judged without.
    """
    layer = case.layer
    if not hasattr(layer, "ignore_index"):
        return []
    title = f"ignore_index={layer.ignore_index}"
    if not ignores(layer, case.shape):
        return [f"no target was ignored ({title})"] if layer.codes(case.shape) else []
    arrays = operands(layer, case.shape, "ignored", takes_grad)
    found, faults = _trial(tried, case, judge, arrays)
    if not faults:
        return [f"with ignored targets ({title}) it agrees too"]
    told = "ignore_index" in tried.varies or layer.ignore_index != type(layer).ignore_index
    if not found and not told:
        return [f"no target was ignored in what agreed: with {title}, {faults[0].text}"]
    failed = _failed(faults[0], found)
    return replace(failed, fault=f"with ignored targets ({title}): {failed.fault}")


def _without_numbers(tried: Subject, case: Case, judge: Judge, takes_grad: bool) -> list[str]:
    """Which entry is taken where some are NaN, for a layer that compares them."""
    if not any(code.first for code in case.layer.codes(case.shape).values()):
        return []
    arrays = operands(case.layer, case.shape, "nan", takes_grad)
    _, faults = _trial(tried, case, judge, arrays)
    if not faults:
        return ["with NaN it agrees too"]
    return [f"with NaN it does not do as PyTorch: {faults[0].text}"]


def _large(tried: Subject, case: Case, judge: Judge, takes_grad: bool) -> list[str]:
    """A warning where large inputs overflow or lose all digits."""
    if not steep(judge):
        return []
    arrays = operands(case.layer, case.shape, "large", takes_grad)
    with np.errstate(all="ignore"):
        _, faults = _trial(tried, case, judge, arrays)
    return [f"not stable: at inputs of about 10^4, {faults[0].text}"] if faults else []
