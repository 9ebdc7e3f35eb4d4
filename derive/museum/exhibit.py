"""Owns what an exhibit of the museum is: a bug that recurs, as edits of a right claim."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from derive.claim import Claim
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.spelling import parse_layer

Sizes = Mapping[str, int]
Edit = Callable[[Claim, Sizes], Claim]
"""A claim made wrong; the sizes are those of the layer at the shape, for edits that need a number."""
Tables = Callable[[Layer, Sequence[int]], Mapping[str, tuple[Fraction, ...]]]


@dataclass(frozen=True)
class Exhibit:
    """A bug that recurs in the field.

    Attributes:
        key: the bug's name in code and tests, shared with `derive.museum.functions`.
        name: the words in which a verdict names it.
        says: what is wrong, in one sentence.
        result: what comes out wrong: "output", or the operand whose gradient does.
        layer, shape: where the bug is live (text of the layer, shape of its input).
        closed: the wrong right side; None where no claim says this bug.
        defined: the wrong definition of the layer; None where the bug is in the backward pass alone.
        tables: wrong constants of the layer, where these are what is wrong.
        loops: edits of the generated loops that make the same bug (names of `codegen.museum.LOOPS`).
        sources: where it was met in public, as owner/repository#number.
    """

    key: str
    name: str
    says: str
    result: str
    layer: str
    shape: tuple[int, ...]
    closed: Edit | None = None
    defined: Edit | None = None
    tables: Tables | None = None
    loops: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    @cached_property
    def parsed(self) -> Layer:
        found = parse_layer(self.layer)
        assert isinstance(found, Layer)
        return found

    @property
    def sizes(self) -> dict[str, int]:
        return self.parsed.sizes(self.shape)

    def right(self, layer: Layer | None = None, shape: Sequence[int] | None = None) -> Claim:
        """The right claim over symbolic sizes, of this layer or of another of its class."""
        own, at = layer or self.parsed, self.shape if shape is None else tuple(shape)
        return claims_of(type(own), own.choices(at))[self.result]

    def wrong(self, kind: str) -> Claim:
        """The claim over symbolic sizes with the right side ("closed") or the definition ("defined") wrong.

        Raises KeyError where the exhibit has no such edit.
        """
        return self.edit(kind)(self.right(), self.sizes)

    def edit(self, kind: str) -> Edit:
        found = {"closed": self.closed, "defined": self.defined}[kind]
        if found is None:
            raise KeyError(f"{self.key} has no {kind} mutant")
        return found

    def at(self, claim: Claim) -> Claim:
        """A claim of this exhibit at its live shape."""
        return claim_at(claim, self.sizes)

    def constants(self, layer: Layer, shape: Sequence[int]) -> Mapping[str, tuple[Fraction, ...]]:
        """The layer's tables, wrong where these are what is wrong."""
        return layer.tables(shape) if self.tables is None else self.tables(layer, shape)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Which mutants there are: "closed", "defined", "tables"."""
        named: dict[str, Any] = {"closed": self.closed, "defined": self.defined, "tables": self.tables}
        return tuple(kind for kind, edit in named.items() if edit is not None)
