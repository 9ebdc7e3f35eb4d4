"""Owns the fast form of a convolution layer at its sizes: a transform for each axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from derive.claim import Claim
from derive.errors import LayerError
from derive.family import family_of
from derive.fast_claim import PARTS, Axis, Written
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.notation.symbols import AXES
from derive.notation.tree import Page
from derive.toom import Transform, transform
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
        wrong = next(self.unfit(), None)
        if wrong is not None:
            raise LayerError("no fast form", where=repr(self.layer), expected=wrong[0], got=wrong[1])
        _ = self.nested

    def __repr__(self) -> str:
        return f"<FastForm {self.name} of {self.layer!r} at {','.join(map(str, self.input_shape))}>"

    @property
    def name(self) -> str:
        return self.nested.name

    @property
    def operands(self) -> tuple[str, ...]:
        """What the form says something of."""
        return OPERANDS

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
        """The spatial axes of the layer."""
        return tuple(t for t in AXES if f"k_{t}" in self.sizes)

    def axes(self, operand: str) -> tuple[Axis, ...]:
        """The axes as the form of that operand sees them; LayerError where it says nothing of it."""
        found = []
        own = self.backward.axes if operand == "weight" else self.forms
        for tag, by, form in zip(self.tags, own, self.forms, strict=True):
            found.append(Axis(tag, by, *self.lengths(tag, operand), form.m))
        return tuple(found)

    def lengths(self, tag: str, operand: str) -> tuple[int, int, int]:
        """Of an axis: of the image that is read, of the entries that tiles cover, and the zeros before."""
        length, out = self.sizes[tag.upper()], self.sizes[f"{tag.upper()}_out"]
        before = self.sizes[f"p_{tag}"]
        if operand == "input":
            return out, length, self.sizes[f"k_{tag}"] - 1 - before
        return length, out, before

    def products(self, operand: str) -> tuple[int, int]:
        """Products of a tile and a pair of channels: by the definition, and here."""
        own = [a.by for a in self.axes(operand)]
        return prod(by.m * by.r for by in own), prod(by.n for by in own)

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

    def refused(self, operand: str) -> LayerError:
        """What is raised where the form says nothing of an operand."""
        return LayerError(
            "no fast form of this gradient",
            where=f"{self.name} of {self.layer!r}, --wrt {operand}",
            expected=", ".join(self.operands),
            got=operand,
            mend="leave out --wrt; forms that are not folded have it",
        )

    def unfit(self) -> Iterator[tuple[str, str]]:
        """What does not fit: (expected, got)."""
        yield from self.no_convolution()
        taps = [self.sizes[f"k_{tag}"] for tag in self.tags]
        folded = f", or it folded: {folds(taps[0])}" if len(taps) == 1 else ""
        if len(taps) != len(self.forms):
            yield f"a transform for each of {len(taps)} axes{folded}", self.name
        for tag, own, form in zip(self.tags, taps, self.forms, strict=False):
            if own != form.r:
                yield f"F(m,{own}) on axis {tag}, which has as many taps{folded}", form.name

    def no_convolution(self) -> Iterator[tuple[str, str]]:
        """Why the layer is none that has a fast form."""
        if family_of(self.layer, self.input_shape) != "convolution":
            yield "a convolution", type(self.layer).__name__
        mode = self.layer.choices(self.input_shape).get("padding_mode", "zeros")
        if mode != "zeros":
            yield "zeros as padding", str(mode)
        for tag in self.tags:
            stride, dilation = (self.sizes[f"{letter}_{tag}"] for letter in "sd")
            if (stride, dilation) != (1, 1):
                yield "stride 1 and dilation 1", f"{stride} and {dilation} on axis {tag}"

    def _page(self) -> Page:
        from derive.fast_document import page

        return page([self])


def folds(taps: int) -> str:
    """How a form of a folded axis is written."""
    return f"F(m,r)xF(D,D) or F(m,r)xD with r times D = {taps}, D at least 2"
