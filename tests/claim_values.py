"""A small NumPy evaluator of claims at sizes: any expression, on floats, whole numbers or Fractions.

A sum is evaluated on the whole grid of its free and bound indices; conditions mask the grid, factors are
looked up in their tensors. It shares no code with the judges, and the validator's own is a third one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum
from derive.index import Index

Array = NDArray[Any]
MOST = 4_000_000
"""Largest grid: a case that needs more is too large for this evaluator."""


def inputs(claim: Claim, given: Mapping[str, Array]) -> dict[str, Array]:
    """The claim's input tensors in their internal shapes (user arrays are the same entries, row-major)."""
    return {t.name: given[t.name].reshape(shape(t.shape)) for t in claim.setting.inputs if t.name in given}


def shape(forms: Any) -> tuple[int, ...]:
    return tuple(f.constant for f in forms)


class Values:
    """The tensors of one claim at given inputs; defined ones are computed where first read."""

    def __init__(self, claim: Claim, given: Mapping[str, Array]) -> None:
        self.claim = claim
        self.known = inputs(claim, given)
        self.dtype = np.result_type(*self.known.values())

    def right(self) -> Array:
        """The right side's entries, in the internal shape of the target."""
        return self.defined(self.claim.right)

    def defined(self, definition: Definition) -> Array:
        return self.entries(definition.body, definition.indices)

    def tensor(self, name: str) -> Array:
        if name not in self.known:
            definition = self.claim.setting.definition(name)
            assert definition is not None, f"{name} is neither given nor defined"
            self.known[name] = self.defined(definition)
        return self.known[name]

    def entries(self, body: Expr, free: tuple[Index, ...]) -> Array:
        total = np.zeros(shape(i.extent for i in free), self.dtype)
        for term in body.terms:
            total = total + self.term(term, free)
        return total

    def term(self, term: Sum, free: tuple[Index, ...]) -> Array:
        """coefficient * sum over the bound indices of the product, where every condition holds."""
        indices = (*free, *term.indices)
        extents = shape(i.extent for i in indices)
        assert np.prod(extents, dtype=np.int64) <= MOST, f"{extents}: too large a grid"
        axes = np.ix_(*(np.arange(n) for n in extents)) if extents else ()
        at = {i.name: axis for i, axis in zip(indices, axes, strict=True)}
        mask = np.ones(extents, bool)
        for condition in term.conditions:
            mask = mask & condition.holds(at)
        kept = np.nonzero(mask)
        here = {i.name: positions for i, positions in zip(indices, kept, strict=True)}
        product = np.ones(len(kept[0]) if kept else int(mask), self.dtype)
        for factor in term.factors:
            assert isinstance(factor, Read), "a right side holds no derivative"
            product = product * self.read(factor, here, len(product))
        found = np.zeros(shape(i.extent for i in free), self.dtype)
        np.add.at(found, kept[: len(free)], product)
        return found * self.scale(term.coefficient)

    def scale(self, coefficient: Fraction) -> Any:
        return coefficient if self.dtype == object else self.dtype.type(coefficient)

    def read(self, read: Read, here: Mapping[str, Array], count: int) -> Array:
        tensor, spots = self.tensor(read.tensor.name), []
        for form, extent in zip(read.index, tensor.shape, strict=True):
            spot = np.broadcast_to(np.asarray(form.evaluate(here)), (count,))
            assert not count or (spot.min() >= 0 and spot.max() < extent), f"{read} outside {tensor.shape}"
            spots.append(spot)
        return tensor[tuple(spots)]
