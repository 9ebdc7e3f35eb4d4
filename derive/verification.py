"""Owns the verdict on somebody's NumPy function: run on exact symbols, or on exact small integers.

On object arrays of symbols every entry of every returned array is compared as a polynomial: exhaustive.
Where a function refuses objects (a float buffer, BLAS, astype), it is run on random small integers whose
sums are exact in its arithmetic, and the probability of missing a wrong polynomial is stated. The results of
a non-linear layer are compared on numbers, within a derived bound of rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from derive.errors import BackflipError, LayerError
from derive.layers.base import Layer
from derive.verify_again import repeated
from derive.verify_call import Subject, subject
from derive.verify_numbers import run_case, terms_of
from derive.verify_real import known
from derive.verify_run import FORWARD, NOT_CHECKED, Case, Outcome
from derive.verify_shrink import shrink
from derive.verify_watch import Watch

BESIDE = ("output", "both")
"""What an object's forward need not return, for its backward to be judged."""


@dataclass(frozen=True)
class VerifyResult:
    """What was found: `label` is the strongest statement earned, `report` at most 20 lines for the reader."""

    ok: bool
    label: str
    report: str

    def __bool__(self) -> bool:
        return self.ok


def verify(function: Any, layer: Layer, input_shape: Sequence[int]) -> VerifyResult:
    """Judge somebody's NumPy-style function at one shape: a backward pass, or a forward pass.

    Args:
        function: a function with parameters named like grad_output|dout|dLdZ, input|x|A, weight|w|filters,
            bias|b, other, target|y, mask, and the layer's numbers (stride, padding|pad, kernel_size, ...)
            where it takes them; it returns a dict by names, a tuple (grad_input, grad_weight, grad_bias), or
            one array. One without a gradient among its parameters is judged as a forward pass; of a loss it
            may return the value, the gradients by a gradient of 1, or a tuple of them. Or a
            course-style object (or its class) with forward(A), backward(dLdZ), W, b, dLdW, dLdb; what its
            forward returns is judged too.
        layer: the layer it should compute (PyTorch's definition).
        input_shape: the user's input shape.

    Returns label "THIS SIZE, n identities, exhaustive" where every entry was compared as a polynomial;
    "CHECKED, miss probability <= 2^-k" where integers were compared, under the assumption that is printed;
    "TESTED, n entries" for a non-linear layer, where runs on numbers agreed within the derived bound of
    float64 rounding (the domain and what was found at ties are printed);
    "REFUTED" with the smallest failing shape found, the first wrong entry with both terms, and the known
    bug it equals, also where only a later call goes wrong; "NOT CHECKED" where the result is rounded, so
    that neither can be said.
    Operands that the function overwrites are named, whatever the label.
    Raises LayerError where the layer, the shape or the function's parameters do not fit.
    """
    if not isinstance(layer, Layer):
        raise LayerError(
            "not a layer", where="verify", expected="a layer such as Conv2d(3, 8, 3)", got=repr(layer)[:60],
            mend="derive.parse_layer(text)",
        )  # fmt: skip
    shape = tuple(input_shape)
    layer.operands(shape)
    known(layer, shape)
    watch = Watch()
    tried = watch.over(subject(function, layer, shape))
    case = Case.of(layer, shape, tried.kind)
    outcome = repeated(tried, case) or run_case(tried, case)
    if outcome.label == NOT_CHECKED:
        said = [f"{tried.name}: {NOT_CHECKED}: {outcome.fault}", *outcome.notes]
        found = VerifyResult(False, NOT_CHECKED, "\n".join(said))
    else:
        found = _passed(tried, case, outcome) if outcome.ok else _refuted(tried, case, outcome)
    return replace(found, report="\n".join([found.report, *watch.lines()]))


def _passed(tried: Subject, case: Case, outcome: Outcome) -> VerifyResult:
    lines = [f"{tried.name}: {outcome.label}", f"covered: {', '.join(outcome.covered)}"]
    missing = [key for key in case.wanted if key not in outcome.covered and (key, tried.kind) != BESIDE]
    if missing:
        lines.append(f"not returned, not covered: {', '.join(missing)}")
    return VerifyResult(True, outcome.label, "\n".join([*lines, *outcome.notes]))


def _refuted(tried: Subject, case: Case, outcome: Outcome) -> VerifyResult:
    """The report on a wrong function: where it fails first, how small it still fails, what it is."""
    what = "forward" if outcome.key in FORWARD or tried.kind == "forward" else "backward"
    lines = [
        f"{tried.name}: REFUTED as {what} pass of {case.layer!r} at {case.shape}",
        f"  {outcome.fault}",
    ]
    try:
        found = shrink(tried, case, outcome)
    except BackflipError as fault:
        return VerifyResult(False, "REFUTED", "\n".join([*lines, f"  (could not shrink: {fault.what})"]))
    small, last = found.case, found.outcome
    if small != case:
        lines.append(f"smallest failing shape found ({found.tries} tried): {small.layer!r} at {small.shape}")
        terms = None if last.later else terms_of(tried, small, last)
        lines.append(f"  {terms or last.fault}")
    if case.real:
        lines += [f"  {note}" for note in last.notes]
    names = last.bugs(small)
    if case.countable:
        here = outcome.bugs(case)
        names = [name for name in here if name in names] or here
    if names:
        lines.append(f"equals the right answer with this known bug: {'; '.join(names[:3])}")
    notes = () if case.real else outcome.notes
    return VerifyResult(False, "REFUTED", "\n".join([*lines, *notes][:18]))
