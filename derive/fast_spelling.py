"""Owns how a fast form is written, and which forms there are for a layer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from derive.errors import LayerError
from derive.fast_fold import FoldedForm, foldings, listed
from derive.fast_form import FastForm
from derive.layers.base import Layer
from derive.notation.symbols import AXES
from derive.toom import CHOSEN, transform

ONE = r"F\((\d{1,3}),(\d{1,3})\)"
WRITTEN = "F(2,3), F(2,3)xF(4,3) for two axes, or F(4,3)xF(3,3) and F(2,3)x3 for 9 taps of one axis"


def fast(layer: Layer, input_shape: Sequence[int], form: str) -> FastForm:
    """The fast form of a layer: 'F(2,3)' on every axis, or one an axis, 'F(2,3)xF(4,3)'.

    Where there is one axis, 'F(4,3)xF(3,3)' folds its 9 taps into rows of 3, and 'F(2,3)x3' does with the
    columns of a row as terms. Raises LayerError where the form is none, no points were chosen for it, or it
    does not fit the layer.
    """
    if not re.fullmatch(rf"{ONE}( ?x ?({ONE}|\d{{1,3}}))*", form):
        raise LayerError("no such form", where="--fast", expected=WRITTEN, got=form)
    named = [transform(int(m), int(r)) for m, r in re.findall(ONE, form)]
    numbers = [int(n) for n in re.findall(r"x ?(\d+)", form)]
    at, (rank, taps) = tuple(input_shape), _kernel(layer, input_shape)
    if rank == 1 and len(named) + len(numbers) == 2:
        return FoldedForm(layer, at, tuple(named), numbers[0] if numbers else named[1].r)
    if numbers:
        many = f"a transform for each of {rank} axes, F(m,r)"
        raise LayerError(
            "no fast form", where=repr(layer), expected=listed(taps) if rank == 1 else many, got=form
        )
    return FastForm(layer, at, tuple(named * rank if len(named) == 1 else named))


def usual(layer: Layer, input_shape: Sequence[int]) -> list[FastForm]:
    """The forms whose points were chosen for the layer's taps: one for all axes, fewest products first.

    Of one axis also those of it folded.
    """
    at, (rank, taps) = tuple(input_shape), _kernel(layer, input_shape)
    found = [fast(layer, at, f"F({m},{r})") for m, r in sorted(CHOSEN) if r == taps and m > 1]
    if rank == 1:
        found += [FoldedForm(layer, at, *folding) for folding in foldings(taps)]
    if not found:
        known = {r for m, r in CHOSEN if m > 1} | {t for t in range(2, 100) if rank == 1 and any(foldings(t))}
        raise LayerError(
            "no fast form was chosen for this kernel",
            where=repr(layer),
            expected=f"{', '.join(map(str, sorted(known)))} taps on each axis",
            got=str(taps),
        )
    return found


def of_operands(forms: Sequence[FastForm], operands: Sequence[str]) -> list[FastForm]:
    """The forms that say something of one of the operands; LayerError where none does."""
    found = [form for form in forms if set(form.operands) & set(operands)]
    if not found:
        raise forms[0].refused(operands[0])
    return found


def _kernel(layer: Layer, input_shape: Sequence[int]) -> tuple[int, int]:
    """How many axes have taps, and how many the first one has."""
    sizes = layer.sizes(tuple(input_shape))
    found = [sizes[f"k_{t}"] for t in AXES if f"k_{t}" in sizes]
    return len(found), found[0] if found else 0
