"""Owns the codes of monomials: each monomial of a flat term, with the entry it belongs to, as one int64.

A term (see `flatten`) is a sum over indices under conditions of a product of input reads. Indices that
no condition and no read couples vary independently, so the codes of a term are an outer sum of one
short array a component.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from derive.errors import LimitError
from derive.exhaust_rows import Array, components, enumerate_component, possible
from derive.expr import Read, Sum
from derive.index import Condition, Form, Index

Slot = tuple[str, int]
ENTRY: Slot = ("", 0)
CODE_LIMIT = 2**62


@dataclass(frozen=True)
class Encoding:
    """How an entry and a monomial become one int64: mixed-radix digits, one for each axis.

    Slot ("", 0) is the entry of the claim; slot (T, j) is the j-th read of input T. `weights[slot][axis]`
    is the value of one step on that axis, `flags[slot]` is added where the slot is in use. The radix of
    a digit is the axis's extent, so distinct (entry, monomial) have distinct codes; of several reads of
    one tensor the larger address comes first, so a monomial is a multiset.
    """

    weights: Mapping[Slot, tuple[int, ...]]
    flags: Mapping[Slot, int]
    shapes: Mapping[Slot, tuple[int, ...]]

    @staticmethod
    def build(order: Sequence[tuple[Slot, int]], shapes: Mapping[Slot, tuple[int, ...]]) -> Encoding:
        """Digits in the given order, most significant first; flags above all.

        Raises LimitError where the product of the radices reaches 2^62: an error, never an overflow.
        """
        scale = 1
        weights = {slot: [0] * len(shape) for slot, shape in shapes.items()}
        for slot, axis in reversed(order):
            weights[slot][axis] = scale
            scale *= shapes[slot][axis]
        flags = {ENTRY: 0}
        for slot in shapes:
            if slot != ENTRY:
                flags[slot], scale = scale, scale * 2
        if scale >= CODE_LIMIT:
            raise LimitError(
                "too large to compare entry by entry",
                expected="codes of entry and factors that fit 62 bits",
                got=f"{scale.bit_length()} bits",
                mend="use a smaller batch, image or channel count, or prove --all-sizes",
            )
        return Encoding({slot: tuple(w) for slot, w in weights.items()}, flags, shapes)

    def digit(self, codes: Array, slot: Slot, axis: int) -> Array:
        """The coordinate on one axis of a slot, of every code."""
        return codes // self.weights[slot][axis] % self.shapes[slot][axis]

    def decode(self, code: int) -> dict[Slot, tuple[int, ...]]:
        """The reads of one monomial: slot -> internal index."""
        return {
            slot: tuple(code // w % n for w, n in zip(self.weights[slot], shape, strict=True))
            for slot, shape in self.shapes.items()
            if slot != ENTRY and code // self.flags[slot] % 2
        }

    def codes(self, rows: Rows) -> Array:
        """The codes of all monomials of a term, in outer-product order (often already ascending)."""
        tally = Counter(title for title, _ in rows.reads)
        plain = [((title, 0), index) for title, index in rows.reads if tally[title] == 1]
        code = self._form([(ENTRY, rows.entry), *plain])
        repeated = [title for title in tally if tally[title] > 1]
        if not repeated:
            return rows.outer(code, ordered=True)
        total = rows.outer(code)
        for title in repeated:
            total = total + self._multiset(
                title, [index for name, index in rows.reads if name == title], rows
            )
        return total

    def _form(self, slots: Sequence[tuple[Slot, tuple[Form, ...]]]) -> Form:
        pieces = [f * w for slot, index in slots for w, f in zip(self.weights[slot], index, strict=True)]
        return sum(pieces, Form.of(sum(self.flags[slot] for slot, _ in slots)))

    def _multiset(self, title: str, indices: Sequence[tuple[Form, ...]], rows: Rows) -> Array:
        """Several reads of one tensor: addresses in descending order into slots 0, 1, ..."""
        unit = self.weights[(title, 0)][-1] if self.weights[(title, 0)] else 1
        address = [
            rows.outer(self._form([((title, 0), i)]) - self.flags[(title, 0)]) // unit for i in indices
        ]
        ranked = -np.sort(-np.stack(address), axis=0)
        steps = [self.weights[(title, j)][-1] if self.weights[(title, j)] else 1 for j in range(len(indices))]
        flags: Array = np.array(sum(self.flags[(title, j)] for j in range(len(indices))), np.int64)
        for row, step in zip(ranked, steps, strict=True):
            flags = flags + row * step
        return flags


class Rows:
    """The index values of one flat term under extra conditions, as components; see the file's head.

    Attributes:
        entry: the free indices as forms; reads: (tensor name, index) of each factor.
        count: number of monomials, multiplicities included.
    """

    def __init__(self, free: Sequence[Index], term: Sum, extra: Sequence[Condition] = ()) -> None:
        self.entry = tuple(i.form for i in free)
        self.reads = [(f.tensor.name, f.index) for f in term.factors if isinstance(f, Read)]
        bounds = (*term.conditions, *extra)
        coupled = [c.names for c in bounds] + [f.names for _, index in self.reads for f in index]
        self.groups = components((*free, *term.indices), coupled)
        self.spaces = []
        for members in self.groups:
            named = {i.name for i in members}
            self.spaces.append(enumerate_component(members, [c for c in bounds if c.names & named]))
        self.lengths = [len(next(iter(space.values()))) for space in self.spaces]
        if not possible("a flat term", bounds, {i.name for i in (*free, *term.indices)}):
            self.spaces.append({})
            self.lengths.append(0)
        self.count = prod(self.lengths)

    def outer(self, form: Form, ordered: bool = False) -> Array:
        """The form at every index value; `ordered` may permute the rows (to make them ascend)."""
        parts = []
        for space, length in zip(self.spaces, self.lengths, strict=True):
            own = Form(tuple((m, c) for m, c in form.terms if space.keys() & set(m)))
            values = np.broadcast_to(np.asarray(own.evaluate(space), np.int64), (length,))
            parts.append(np.sort(values) if ordered else values)
        if ordered:
            parts.sort(key=lambda p: int(p[0] - p[-1]) if len(p) else 0)
        start = np.array([sum(c for m, c in form.terms if not m)], np.int64)
        return reduce(lambda total, part: np.add.outer(total, part).ravel(), parts, start)

    def digit_order(self) -> list[tuple[str, int]]:
        """(tensor name or "", axis) of every read axis, grouped by the component that it runs with."""
        slots = [("", self.entry), *self.reads]
        found: dict[tuple[str, int], None] = {}
        for members in self.groups:
            named = {i.name for i in members}
            for title, index in slots:
                found |= {(title, axis): None for axis, form in enumerate(index) if form.names & named}
        return list(found)


def read_table(rows: Rows) -> list[tuple[tuple[str, tuple[int, ...]], ...]]:
    """Each monomial's reads as (tensor name, internal index), in the order of the factors."""
    columns = []
    for title, index in rows.reads:
        axes = [rows.outer(form).tolist() for form in index]
        columns.append(
            [(title, at) for at in zip(*axes, strict=True)] if axes else [(title, ())] * rows.count
        )
    return list(zip(*columns, strict=True)) if columns else [()] * rows.count
