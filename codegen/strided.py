"""Owns families whose brackets only keep indices inside tensors: one matrix product over strided views.

Where a factor is read at an affine place of the family's names, the factor padded with zeros and seen with
one axis for each name is a strided view; a term whose read is outside is 0 by the padding. Where the result
is added to at such a place, it is padded as well, and what falls into the padding is cut off. The terms are
the family's own, all of them in one product of two matrices (in an order of BLAS's choice: exact where every
sum of magnitudes is).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from codegen.relation import Family, shape_of
from derive.index import Condition, Form, Within

Array = NDArray[Any]
Named = tuple[Array, tuple[str, ...]]
"""An array and the names of its axes."""
CELLS = 2**25
"""Most entries that a factor may have with one axis for each of its names."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A tensor at affine places of a family's names, padded so that it has all of them.

    Attributes:
        shape: of the tensor.
        room: padding before and after each axis.
        start: row-major place in the padded tensor where every name is 0.
        steps: by name what it adds to the place; in order of the axes, of one axis the longest name last.
    """

    shape: tuple[int, ...]
    room: tuple[tuple[int, int], ...]
    start: int
    steps: Mapping[str, int]

    @property
    def padded(self) -> tuple[int, ...]:
        return tuple(n + sum(r) for n, r in zip(self.shape, self.room, strict=True))

    @property
    def inside(self) -> tuple[slice, ...]:
        """The tensor in the padded one."""
        return tuple(slice(r[0], r[0] + n) for n, r in zip(self.shape, self.room, strict=True))

    def view(self, padded: Array, extents: Mapping[str, int], names: Sequence[str], start: int = 0) -> Array:
        """The padded tensor with an axis for each of the names, from a place on; shares its memory."""
        flat = padded.reshape(-1)[self.start + start :]
        strides = tuple(self.steps[n] * padded.itemsize for n in names)
        return as_strided(flat, tuple(extents[n] for n in names), strides)


@dataclass(frozen=True, eq=False)
class Strided:
    """A family ready for products.

    Attributes:
        factors: one or two.
        single: names of the result that its view cannot have as axes, for two places would be one.
        times: the coefficient times the values of the names that neither a factor nor the result has.
    """

    extents: Mapping[str, int]
    factors: tuple[Placed, ...]
    result: Placed
    single: tuple[str, ...]
    times: int

    def add(self, out: Array, data: Sequence[Array]) -> None:
        """Adds the family's terms to the result, for its factors' entries in one floating dtype."""
        named = [self._factor(place, array) for place, array in zip(self.factors, data, strict=True)]
        total, names = summed(named, self.result.steps)
        if self.times != 1:
            total = total * out.dtype.type(self.times)
        padded = np.zeros(self.result.padded, out.dtype) if any(map(any, self.result.room)) else out
        axes = [n for n in self.result.steps if n not in names]
        total = total.reshape(total.shape + (1,) * len(axes))
        for part, left, start in self._slices(total, (*names, *axes)):
            self.result.view(padded, self.extents, left, start)[...] += part
        if padded is not out:
            out += padded[self.result.inside]

    def _factor(self, placed: Placed, array: Array) -> Named:
        """A factor with one axis for each of its names, the one to run along in memory last."""
        names = tuple(placed.steps)
        padded = array.reshape(placed.shape)
        if any(map(any, placed.room)):
            padded = np.pad(padded, placed.room)
        return placed.view(np.ascontiguousarray(padded), self.extents, names), names

    def _slices(self, total: Array, names: tuple[str, ...]) -> Iterator[tuple[Array, list[str], int]]:
        """The parts of a sum by the values of the single names, the names left, where each part starts."""
        left = [n for n in names if n not in self.single]
        order = [names.index(n) for n in (*self.single, *left)]
        moved = total.transpose(order)
        for values in product(*(range(self.extents[n]) for n in self.single)):
            spot = tuple(v if length > 1 else 0 for v, length in zip(values, moved.shape, strict=False))
            start = sum(self.result.steps[n] * v for n, v in zip(self.single, values, strict=True))
            yield moved[spot], left, start


def summed(named: Sequence[Named], kept: Collection[str]) -> Named:
    """The product of one or two arrays summed over every name that is not kept."""
    own = []
    for number, (array, names) in enumerate(named):
        other = {n for i, (_, ns) in enumerate(named) if i != number for n in ns}
        alone = [n for n in names if n not in kept and n not in other]
        spots = tuple(names.index(n) for n in alone)
        own.append((array.sum(axis=spots) if spots else array, tuple(n for n in names if n not in alone)))
    if len(own) == 1:
        return own[0]
    (a, a_names), (b, b_names) = own
    both = [n for n in (a_names if a.size > b.size else b_names) if n in a_names and n in b_names]
    batch, inner = [n for n in both if n in kept], [n for n in both if n not in kept]
    left, right = [n for n in a_names if n not in both], [n for n in b_names if n not in both]
    found = matrix(own[0], batch, left, inner) @ matrix(own[1], batch, right, inner).swapaxes(1, 2)
    order = (*batch, *left, *right)
    extents = dict(zip(a_names, a.shape, strict=True)) | dict(zip(b_names, b.shape, strict=True))
    return found.reshape([extents[n] for n in order]), order


def matrix(named: Named, batch: Sequence[str], outer: Sequence[str], inner: Sequence[str]) -> Array:
    """An array as (batch, outer, inner), copied with the axis that moves least in memory as the last one."""
    array, names = named
    lengths = dict(zip(names, array.shape, strict=True))
    rows, columns = (prod(lengths[n] for n in group) for group in (outer, inner))
    last = min((n for n in (*outer, *inner)), key=lambda n: (lengths[n] == 1, -names.index(n)), default="")
    groups = (outer, inner) if last in inner else (inner, outer)
    moved = array.transpose([names.index(n) for n in (*batch, *groups[0], *groups[1])])
    whole = np.ascontiguousarray(moved).reshape(-1, *((rows, columns) if last in inner else (columns, rows)))
    return whole if last in inner else whole.swapaxes(1, 2)


@lru_cache(maxsize=256)
def strided(family: Family, shape: tuple[int, ...]) -> Strided | None:
    """The family for products over views, or None where its brackets or places are of another kind.

    Args:
        shape: of the result.
    """
    extents = family.extents
    places = [(shape, family.result), *((shape_of(f.tensor), f.index) for f in family.factors)]
    if len(places) not in (2, 3) or family.coefficient.denominator != 1 or not all(extents.values()):
        return None
    guards = {
        (form, extent) for extents, index in places for form, extent in zip(index, extents, strict=True)
    }
    if not all(_guard(c) in guards for c in family.conditions):
        return None
    guarded = {_guard(c) for c in family.conditions}
    placed = [_placed(sizes, index, extents, guarded) for sizes, index in places]
    if any(p is None for p in placed):
        return None
    result, *factors = (p for p in placed if p is not None)
    single = _single(family.result, extents)
    if single is None or any(prod(extents[n] for n in p.steps) > CELLS for p in factors):
        return None
    named = {n for p in (result, *factors) for n in p.steps}
    times = family.coefficient.numerator * prod(e for n, e in extents.items() if n not in named)
    return Strided(extents, tuple(factors), result, single, times)


def _guard(condition: Condition) -> tuple[Form, int | None] | None:
    """The place and the extent that a bracket keeps it in; None for an equation."""
    return (condition.form, condition.high.constant) if isinstance(condition, Within) else None


def _placed(
    shape: tuple[int, ...],
    index: tuple[Form, ...],
    extents: Mapping[str, int],
    guarded: Collection[tuple[Form, int | None] | None],
) -> Placed | None:
    """A tensor at an index; None where that is not affine, or may be outside with no bracket against it."""
    rooms, starts, moves = [], [], []
    for form, extent in zip(index, shape, strict=True):
        along = {n: _slope(form, n) for n in sorted(form.names, key=lambda n: (extents[n], n))}
        if not all(along.values()):
            return None
        start = int(form.evaluate(dict.fromkeys(form.names, 0)))
        ends = [start + sum(f(0, c * (extents[n] - 1)) for n, c in along.items()) for f in (min, max)]
        room = max(0, -ends[0]), max(0, ends[1] - extent + 1)
        if any(room) and (form, extent) not in guarded:
            return None
        rooms.append(room)
        starts.append(start + room[0])
        moves.append(along)
    padded = [n + sum(r) for n, r in zip(shape, rooms, strict=True)]
    if prod(padded) > CELLS:
        return None
    steps: dict[str, int] = {}
    for axis, along in enumerate(moves):
        for n, c in along.items():
            steps[n] = steps.pop(n, 0) + c * prod(padded[axis + 1 :])
    first = sum(start * prod(padded[axis + 1 :]) for axis, start in enumerate(starts))
    return Placed(shape, tuple(rooms), first, steps)


def _slope(form: Form, index: str) -> int:
    """What one more of an index adds to a form; 0 where it is no number."""
    slope = form.coefficient(index)
    return (slope.constant or 0) if slope is not None else 0


def _single(index: tuple[Form, ...], extents: Mapping[str, int]) -> tuple[str, ...] | None:
    """All names but the longest of each axis; None where a name moves along two axes of the result."""
    names = [n for form in index for n in sorted(form.names, key=lambda n: (extents[n], n))[:-1]]
    every = [n for form in index for n in form.names]
    return tuple(names) if len(set(every)) == len(every) else None
