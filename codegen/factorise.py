"""Owns the tables by which a product of two operand entries is looked up as a term of the definition.

A family of terms is a relation between entries of the result and of its factors. Names that occur
together in a form or a condition make a `Component`; the relation is the product of its components
(e.g. for a convolution: n; g; k; c; {o_h, a_h}; {o_w, a_w}), and each is small enough to list by brute
force. Within a component the pair of keys (the two factors; or the factor and the result, for
one-factor terms) names the term: `Component` refuses a relation where it would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError, Untraceable
from codegen.relation import Family, Relation, number, pinned, shape_of
from derive.errors import LimitError
from derive.expr import Tensor
from derive.index import Condition, Form, Within

Ints = NDArray[np.int64]
MAX_TUPLES = 20_000_000
"""Most index values that one component may have."""


@dataclass(frozen=True, eq=False)
class Component:
    """The part of a family that one connected set of names decides, as a list of tuples.

    Attributes:
        axes: for the result and then each factor, the axes of that tensor that belong here.
        places: one row a tuple; for each tensor its coordinates on those axes as one mixed-radix number.
        radices: for each tensor the number of such coordinates.
        ordinal: one a tuple: its number among the tuples with the same place in the result.
        counts: for each place of the result, its number of tuples.
    """

    axes: tuple[tuple[int, ...], ...]
    places: Ints
    radices: tuple[int, ...]

    @cached_property
    def counts(self) -> Ints:
        return np.bincount(self.places[:, 0], minlength=self.radices[0]).astype(np.int64)

    @cached_property
    def ordinal(self) -> Ints:
        order = np.argsort(self.places[:, 0], kind="stable")
        starts = np.cumsum(self.counts) - self.counts
        found = np.empty(len(order), np.int64)
        found[order] = np.arange(len(order)) - starts[self.places[order, 0]]
        return found

    @property
    def depth(self) -> int:
        """Largest number of tuples at one place of the result."""
        return int(self.counts.max(initial=0))


@dataclass(frozen=True, eq=False)
class Factorised:
    """A family as the product of its components; `rank` numbers the terms of one result entry."""

    family: Family
    tensors: tuple[Tensor, ...]
    components: tuple[Component, ...]

    @cached_property
    def strides(self) -> tuple[int, ...]:
        """The rank of a term is the sum of its ordinals times these."""
        depths = [c.depth for c in self.components]
        return tuple(prod(depths[i + 1 :]) for i in range(len(depths)))

    @property
    def ranks(self) -> int:
        return prod(c.depth for c in self.components)

    def place(self, component: Component, role: int) -> Ints:
        """For every entry of the tensor in that role (0 the result), its place in the component."""
        return flat_places(shape_of(self.tensors[role]), component.axes[role])

    def spread(self, component: Component, role: int, values: NDArray[Any]) -> NDArray[Any]:
        """One value for each place of a tensor in a component, as an array that broadcasts to the tensor."""
        shape = shape_of(self.tensors[role])
        return values.reshape([n if axis in component.axes[role] else 1 for axis, n in enumerate(shape)])

    def offsets(self, component: Component) -> Ints:
        """What each place of the result adds to the row-major number of the result's entry."""
        shape = shape_of(self.tensors[0])
        total = np.zeros(1, np.int64)
        for axis in component.axes[0]:
            steps = np.arange(shape[axis]) * prod(shape[axis + 1 :])
            total = (total[:, None] + steps).reshape(-1)
        return total

    def expected(self) -> Ints:
        """For every entry of the result its number of terms."""
        total = np.ones(shape_of(self.tensors[0]), np.int64)
        for component in self.components:
            total *= self.spread(component, 0, component.counts)
        return total.reshape(-1)

    def has(self, result: int, rank: int) -> bool:
        """Whether the result's entry has a term of that rank (entries near an edge have fewer)."""
        found = True
        for component, stride in zip(self.components, self.strides, strict=True):
            ordinal = rank // stride % max(1, component.depth)
            found &= ordinal < component.counts[self.place(component, 0)[result]]
        return bool(found)

    def term(self, result: int, rank: int) -> tuple[tuple[int, ...], ...]:
        """The factors' entries (as flat indices would be, but unravelled) of one term of one result entry."""
        found = [[0] * len(t.shape) for t in self.tensors]
        for component, stride in zip(self.components, self.strides, strict=True):
            place = int(self.place(component, 0)[result])
            ordinal = rank // stride % component.depth
            row = np.flatnonzero((component.places[:, 0] == place) & (component.ordinal == ordinal))[0]
            for role, tensor in enumerate(self.tensors):
                axes = component.axes[role]
                radix = tuple(shape_of(tensor)[a] for a in axes)
                for axis, value in zip(
                    axes, np.unravel_index(component.places[row, role], radix), strict=True
                ):
                    found[role][axis] = int(value)
        return tuple(tuple(f) for f in found[1:])

    def term_with(self, result: int, role: int, entry: int) -> tuple[tuple[int, ...], ...] | None:
        """The factors' entries of that result entry's term with `entry` as factor `role`, if any."""
        rank = 0
        for component, stride in zip(self.components, self.strides, strict=True):
            wanted = int(self.place(component, 0)[result]), int(self.place(component, role)[entry])
            rows = np.flatnonzero(
                (component.places[:, 0] == wanted[0]) & (component.places[:, role] == wanted[1])
            )
            if not len(rows):
                return None
            rank += int(component.ordinal[rows[0]]) * stride
        return self.term(result, rank)


def factorised(relation: Relation) -> tuple[Factorised, ...]:
    """Every family of the relation by components; raises BuildError where terms are not told apart."""
    found = []
    for family in map(pinned, relation.families):
        tensors = (relation.result, *(f.tensor for f in family.factors))
        reads = (family.result, *(f.index for f in family.factors))
        parts = tuple(_component(family, names, tensors, reads) for names in connected(family))
        fixed = _constant_axes(tensors, reads)
        found.append(Factorised(family, tensors, (*parts, *fixed)))
    return tuple(found)


def connected(family: Family) -> list[frozenset[str]]:
    """The names of a family, parted so that no form and no condition spans two parts."""
    parts = [frozenset({i.name}) for i in family.indices]
    spans = [f.names for read in (family.result, *(f.index for f in family.factors)) for f in read]
    for span in spans + [c.names for c in family.conditions]:
        touched = [p for p in parts if p & span]
        if len(touched) > 1:
            parts = [p for p in parts if not p & span] + [frozenset().union(*touched)]
    return parts


def _component(
    family: Family, names: frozenset[str], tensors: tuple[Tensor, ...], reads: tuple[tuple[Form, ...], ...]
) -> Component:
    """One part listed over its names."""
    values, count = listed(family, names)
    axes, places, radices = [], [], []
    for tensor, read in zip(tensors, reads, strict=True):
        here = tuple(i for i, f in enumerate(read) if f.names & names)
        radix = tuple(shape_of(tensor)[a] for a in here)
        spots = [np.broadcast_to(read[a].evaluate(values), count) for a in here]
        for spot, extent in zip(spots, radix, strict=True):
            if spot.size and (spot.min() < 0 or spot.max() >= extent):
                raise BuildError(
                    "the definition reads outside a tensor", where=f"{tensor} in {family.result}"
                )
        place = np.ravel_multi_index(spots, radix) if here else np.zeros(count, np.int64)
        axes.append(here)
        places.append(place)
        radices.append(prod(radix))
    return _checked(Component(tuple(axes), np.stack(places, axis=1), tuple(radices)), names)


def listed(family: Family, names: frozenset[str]) -> tuple[dict[str, Ints], int]:
    """The values of the names that the conditions admit, and how many there are: one name after another.

    Every value so far is repeated for the values of the next name between the least and the greatest that
    the conditions on it can admit; then the conditions themselves are evaluated.
    """
    values: dict[str, Ints] = {}
    count = 1
    for name, extent in ((n, e) for n, e in family.extents.items() if n in names):
        known = {*values, name}
        held = [c for c in family.conditions if name in c.names and c.names <= known]
        low, high = np.zeros(count, np.int64), np.full(count, extent, np.int64)
        for condition in held:
            first, last = _reach(condition, name, values, extent)
            low, high = np.maximum(low, first), np.minimum(high, last + 1)
        room = np.maximum(high - low, 0)
        if (total := int(room.sum())) > MAX_TUPLES:
            raise LimitError(
                "the definition does not fall apart far enough to be listed",
                where=", ".join(sorted(names)),
                expected=f"at most {MAX_TUPLES} index values",
                got=str(total),
            )
        row = np.repeat(np.arange(count), room)
        values = {n: v[row] for n, v in values.items()}
        values[name] = low[row] + np.arange(total) - (np.cumsum(room) - room)[row]
        admitted = np.ones(total, bool)
        for condition in held:
            admitted &= condition.holds(values)
        values, count = {n: v[admitted] for n, v in values.items()}, int(admitted.sum())
    return values, count


def _reach(condition: Condition, name: str, values: Mapping[str, Ints], extent: int) -> tuple[Any, Any]:
    """Least and greatest value of a name that a condition can admit beside the others; all, if not affine."""
    factor = condition.form.coefficient(name)
    width = condition.high.constant if isinstance(condition, Within) else 1
    if factor is None or not factor.constant or width is None:
        return 0, extent - 1
    rest = condition.form.substitute({name: Form()}).evaluate(values)
    ends = (-rest, width - 1 - rest)
    one, two = ends if factor.constant > 0 else (-ends[1], -ends[0])
    return -(-one // abs(factor.constant)), two // abs(factor.constant)


def _constant_axes(tensors: tuple[Tensor, ...], reads: tuple[tuple[Form, ...], ...]) -> tuple[Component, ...]:
    """The axes read at a constant, as one component of one tuple (none where their extents are all 1)."""
    axes = tuple(tuple(i for i, f in enumerate(read) if not f.names) for read in reads)
    radix = [tuple(shape_of(t)[a] for a in here) for t, here in zip(tensors, axes, strict=True)]
    if all(prod(r) == 1 for r in radix):
        return ()
    spots = [tuple(number(read[a]) for a in here) for read, here in zip(reads, axes, strict=True)]
    places = [int(np.ravel_multi_index(s, r)) if s else 0 for s, r in zip(spots, radix, strict=True)]
    return (Component(axes, np.array([places], np.int64), tuple(prod(r) for r in radix)),)


def _checked(component: Component, names: frozenset[str]) -> Component:
    """Refuses where the keys (both factors, or one factor and the result) do not name one term."""
    keys = component.places[:, 1:] if component.places.shape[1] > 2 else component.places
    if len(np.unique(keys, axis=0)) != len(keys):
        raise Untraceable(
            "the trace cannot tell this definition's terms apart",
            where=f"indices {', '.join(sorted(names))}",
            expected="a product of two entries in at most one term",
            got="the same factors in two terms",
        )
    return component


@lru_cache(maxsize=64)
def flat_places(shape: tuple[int, ...], axes: tuple[int, ...]) -> Ints:
    """For every entry in row-major order, its coordinates on `axes` as one mixed-radix number."""
    total = np.zeros(shape, np.int64)
    for axis in axes:
        ramp = np.arange(shape[axis]).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        total = total * shape[axis] + ramp
    flat = total.reshape(-1)
    flat.flags.writeable = False
    return flat
