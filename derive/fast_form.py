"""Owns the fast form of a convolution layer at its sizes: a transform for each axis."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from derive.claim import Claim
from derive.errors import LayerError
from derive.family import family_of
from derive.fast_claim import PARTS, Axis, Written
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.notation.symbols import AXES
from derive.notation.tree import Page
from derive.toom import CHOSEN, Transform, transform
from derive.toom_nested import Nested
from derive.writing import Shown

OPERANDS = ("output", "input", "weight")


@dataclass(frozen=True, repr=False)
class FastForm(Shown):
    """A convolution layer at an input shape with a transform F(m, r) on each of its axes.

    Raises LayerError for a layer that is no convolution with zero padding, stride 1 and dilation 1, and for
    a form that does not fit its axes or kernel.
    """

    layer: Layer
    input_shape: tuple[int, ...]
    forms: tuple[Transform, ...]

    def __post_init__(self) -> None:
        wrong = next(_unfit(self.layer, self.input_shape, self.forms), None)
        if wrong is not None:
            raise LayerError("no fast form", where=repr(self.layer), expected=wrong[0], got=wrong[1])
        _ = self.nested

    def __repr__(self) -> str:
        return f"<FastForm {self.nested.name} of {self.layer!r} at {','.join(map(str, self.input_shape))}>"

    @cached_property
    def nested(self) -> Nested:
        """The transforms of the output, every nested coefficient checked."""
        return Nested(self.forms).check()

    @cached_property
    def backward(self) -> Nested:
        """The transforms of the filter gradient: F(r, m) for F(m, r)."""
        return Nested(tuple(transform(t.r, t.m) for t in self.forms)).check()

    @cached_property
    def sizes(self) -> Mapping[str, int]:
        return self.layer.sizes(self.input_shape)

    @property
    def tags(self) -> tuple[str, ...]:
        return AXES[-len(self.forms) :]

    def axes(self, operand: str) -> tuple[Axis, ...]:
        """The axes as the form of that operand sees them."""
        found = []
        own = self.backward.axes if operand == "weight" else self.forms
        for tag, by, form in zip(self.tags, own, self.forms, strict=True):
            length, out = self.sizes[tag.upper()], self.sizes[f"{tag.upper()}_out"]
            before = self.sizes[f"p_{tag}"]
            if operand == "input":
                length, out, before = out, length, form.r - 1 - before
            found.append(Axis(tag, by, length, out, before, form.m))
        return tuple(found)

    def tables(self, operand: str) -> dict[str, tuple[Fraction, ...]]:
        """The numbers of each table that the operand's claim reads."""
        return {a.table(p).name: a.numbers(p) for a in self.axes(operand) for p in PARTS}

    def own(self, operand: str, sizes: Mapping[str, int] | None = None) -> Claim:
        """The layer's own claim of that operand, at its sizes or at others."""
        claims = type(self.layer).claims(**self.layer.choices(self.input_shape))
        return claim_at(claims[operand], self.sizes if sizes is None else sizes)

    def claim(self, operand: str, sizes: Mapping[str, int] | None = None) -> Claim:
        """What the form says of the output, or of the gradient by the input or the weight.

        Its tables are inputs of the setting: the claim holds for the numbers of `tables`. Where a tile hangs
        over, it is about the places that there are.
        """
        return Written(self.own(operand, sizes), self.axes(operand), operand).claim()

    def _page(self) -> Page:
        from derive.fast_document import page

        return page([self])


def _unfit(layer: Layer, shape: Sequence[int], forms: Sequence[Transform]) -> Iterator[tuple[str, str]]:
    """What does not fit: (expected, got)."""
    if family_of(layer, tuple(shape)) != "convolution":
        yield "a convolution", type(layer).__name__
    if layer.choices(tuple(shape)).get("padding_mode", "zeros") != "zeros":
        yield "zeros as padding", str(layer.choices(tuple(shape))["padding_mode"])
    sizes = layer.sizes(tuple(shape))
    tags = [t for t in AXES if f"k_{t}" in sizes]
    if len(tags) != len(forms):
        yield f"a transform for each of {len(tags)} axes", " x ".join(t.name for t in forms)
    for tag, form in zip(tags, forms, strict=False):
        if (sizes[f"s_{tag}"], sizes[f"d_{tag}"]) != (1, 1):
            yield "stride 1 and dilation 1", f"{sizes[f's_{tag}']} and {sizes[f'd_{tag}']} on axis {tag}"
        if sizes[f"k_{tag}"] != form.r:
            yield f"F(m,{sizes[f'k_{tag}']}) on axis {tag}, which has as many taps", form.name


def fast(layer: Layer, input_shape: Sequence[int], form: str) -> FastForm:
    """The fast form of a layer: 'F(2,3)' on every axis, or one an axis, 'F(2,3)xF(4,3)'.

    Raises LayerError where the form is none, no points were chosen for it, or it does not fit the layer.
    """
    if not re.fullmatch(r"F\(\d+,\d+\)( ?x ?F\(\d+,\d+\))*", form):
        raise LayerError("no such form", where="--fast", expected="F(2,3), or F(2,3)xF(4,3)", got=form)
    named = [transform(int(m), int(r)) for m, r in re.findall(r"F\((\d+),(\d+)\)", form)]
    sizes = layer.sizes(tuple(input_shape))
    rank = sum(f"k_{t}" in sizes for t in AXES)
    return FastForm(layer, tuple(input_shape), tuple(named * rank if len(named) == 1 else named))


def usual(layer: Layer, input_shape: Sequence[int]) -> list[FastForm]:
    """The forms whose points were chosen for the layer's taps, fewest products first, one for all axes."""
    sizes = layer.sizes(tuple(input_shape))
    taps = next((v for k, v in sizes.items() if k.startswith("k_")), 0)
    found = [fast(layer, input_shape, f"F({m},{r})") for m, r in sorted(CHOSEN) if r == taps and m > 1]
    if not found:
        raise LayerError(
            "no fast form was chosen for this kernel",
            where=repr(layer),
            expected=f"{', '.join(sorted({str(r) for _, r in CHOSEN}))} taps on each axis",
            got=str(taps),
        )
    return found
