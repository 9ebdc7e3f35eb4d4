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
from derive.layers.base import Layer
from derive.verify_call import Subject
from derive.verify_draws import has_eps, ignores, portions
from derive.verify_hits import Arrays
from derive.verify_real import Fault, Judge, compared, operands, shown, steep
from derive.verify_run import NOT_CHECKED, USER_FAULTS, Case, Outcome, call, titled

RUNS, FEW, MANY = 6, 2, 20_000
"""Runs without ties, where every mistake in which entry is taken needs its chance; fewer on MANY entries."""
TIES, SMALL = 8, 200
"""Runs with ties at up to SMALL entries, where one run may have none; else one."""


def run_real(tried: Subject, case: Case) -> Outcome:
    """Runs on numbers apart from each other, then on ones with ties and zeros, then on large ones."""
    judge, takes_grad = Judge(case.layer, case.shape), tried.takes_grad
    begun = _apart(tried, case, judge)
    if not begun.ok:
        return begun
    notes = [*begun.notes]
    for told in (_ignored, _tied):
        found = told(tried, case, judge)
        if isinstance(found, Outcome):
            return found
        notes += found
    notes += _without_numbers(tried, case, judge, takes_grad)
    notes += _large(tried, case, judge, takes_grad)
    return replace(begun, notes=tuple(notes))


def _apart(tried: Subject, case: Case, judge: Judge) -> Outcome:
    """Runs without ties; a result that float32 would explain may be told from it by another of the runs."""
    runs, cells = FEW if case.entries > MANY else RUNS, 0
    covered: tuple[str, ...] = ()
    doubtful: Outcome | None = None
    fine, loose = has_eps(case.layer), portions(case.layer, case.shape)
    for how in (*("fine",) * fine, *("apart",) * runs, *("loose",) * loose):
        arrays = operands(case.layer, case.shape, how, tried.takes_grad)
        found, faults = _trial(tried, case, judge, arrays)
        if faults:
            doubtful = _failed(faults[0], found)
            if not faults[0].near:
                said = "with targets that do not add up to 1: " if how == "loose" else ""
                return replace(doubtful, fault=f"{said}{doubtful.fault}")
        covered, cells = tuple(found), cells + sum(np.size(value) for value in found.values())
    if doubtful is not None:
        return doubtful
    said = "every entry within the derived bound of float64, or 2^-47 of the largest"
    notes = [f"{runs} runs without ties: {said}", *(f"assumed: {a}" for a in case.layer.assumptions())]
    notes += ["a run with variances of about eps among them agrees too"] * fine
    notes += ["a run with targets that do not add up to 1 agrees too"] * loose
    return Outcome(True, f"TESTED, {cells:,} entries", covered, tuple(notes))


def _tied(tried: Subject, case: Case, judge: Judge) -> list[str] | Outcome:
    """Runs with ties and zeros: what is said, or what no convention explains."""
    faults: tuple[Fault, ...] = ()
    for _ in range(TIES if case.entries <= SMALL and selects(case.layer, case.shape) else 1):
        edges = operands(case.layer, case.shape, "edges", tried.takes_grad)
        found, faults = _trial(tried, case, judge, edges)
        if faults and not (judge.bends() and found):
            return _failed(faults[0], found)
        unfair = [
            fault
            for given in faults
            if (fault := unshared(case, given) or misplaced(case, judge, given)) is not None
        ]
        if unfair:
            return _failed(unfair[0], found)
        if faults:
            break
    return _conventions(case, faults) if judge.bends() else []


def selects(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether entries are compared, and one of each window is taken."""
    return any(code.first for code in layer.codes(shape).values())


def unshared(case: Case, fault: Fault) -> Fault | None:
    """The fault as one that no convention at ties explains; None where one may.

    Whichever of several largest entries is taken, and also where its gradient is shared out among them (any
    element of the generalised gradient), what a plane's windows hand back adds up to their grad_output.
    """
    if fault.key != "input" or fault.got is None or not selects(case.layer, case.shape):
        return None
    rank = len(getattr(case.layer, "tags", ()))
    over = tuple(range(fault.got.ndim - rank, fault.got.ndim))
    got, wanted = fault.got.sum(over), fault.arrays["grad_output"].sum(over)
    if fault.got.shape != case.shape or (abs(got - wanted) < 0.5).all():
        return None
    at = np.unravel_index(int(np.argmax(abs(got - wanted))), got.shape)
    told = f"a plane's entries add up to {got[at]:.17g}, those of grad_output to {wanted[at]:.17g}"
    return replace(fault, text=f"{fault.text} with ties; {told}: no choice among equal entries", near=False)


def misplaced(case: Case, judge: Judge, fault: Fault) -> Fault | None:
    """The fault as a gradient at an entry that is the largest of no window; None where none was found.

    Inputs at ties are whole: an entry that is largest somewhere, raised by a half, is the only largest there.
    """
    if (
        fault.key != "input"
        or fault.got is None
        or fault.right is None
        or not selects(case.layer, case.shape)
    ):
        return None
    if fault.got.shape != case.shape:
        return None
    ones = np.ones_like(fault.arrays["grad_output"])
    for at in zip(*np.nonzero((fault.got != 0) & (fault.right == 0)), strict=True):
        raised = fault.arrays["input"].astype(np.float64)
        raised[at] += 0.5
        arrays = {**fault.arrays, "input": raised, "grad_output": ones}
        if judge.values("input", arrays, case.shape).value[at] == 0:
            where = f"grad_input{[int(i) for i in at]}: got {fault.got[at]:.17g}, expected 0 with ties"
            return replace(fault, text=f"{where}; it is the largest entry of no window", near=False)
    return None


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


def _ignored(tried: Subject, case: Case, judge: Judge) -> list[str] | Outcome:
    """A run in which targets are ignored: what is said, or what is wrong.

    A function that raises there, and was not told of ignore_index, is said to be judged without.
    """
    layer = case.layer
    if not hasattr(layer, "ignore_index"):
        return []
    title = f"ignore_index={layer.ignore_index}"
    if not ignores(layer, case.shape):
        return [f"no target was ignored ({title})"] if layer.codes(case.shape) else []
    arrays = operands(layer, case.shape, "ignored", tried.takes_grad)
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
    if not selects(case.layer, case.shape):
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
