"""Owns the codes of monomials: each monomial of a flat term, with the entry it belongs to, as one int64.

A term (see `flatten`) is a sum over indices under conditions of a product of input reads. Indices that
no condition and no read couples vary independently, so the codes of a term are an outer sum of one
short array a component.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

import numpy as np

from derive.errors import LimitError
from derive.exhaust_rows import Array, components, enumerate_component, possible
from derive.expr import Read, Sum
from derive.index import Condition, Form, Index, Monomial

Slot = tuple[str, int]
Range = tuple[int, int]
"""Coordinates low <= v < high."""
ENTRY: Slot = ("", 0)
CODE_LIMIT = 2**62


Signature = frozenset[Slot]
"""The slots that a term's monomials fill, the entry's left aside."""


@dataclass(frozen=True)
class Digits:
    """Entry and monomial of one signature as one int64: mixed-radix digits, one for each axis.

    Slot ("", 0) is the entry of the claim; slot (T, j) is the j-th read of input T. `weights[slot][axis]`
    is the value of one step on that axis. A digit is the coordinate less the first of its `ranges` and its
    radix is the length of that range, so distinct (entry, monomial) within the ranges have distinct codes
    below `scale`; of several reads of one tensor the larger address comes first, so a monomial is a multiset.
    """

    weights: Mapping[Slot, tuple[int, ...]]
    ranges: Mapping[Slot, tuple[Range, ...]]
    scale: int

    @staticmethod
    def build(order: Sequence[tuple[Slot, int]], ranges: Mapping[Slot, tuple[Range, ...]]) -> Digits:
        """Digits in the given order, most significant first."""
        scale = 1
        weights = {slot: [0] * len(own) for slot, own in ranges.items()}
        for slot, axis in reversed(order):
            low, high = ranges[slot][axis]
            weights[slot][axis] = scale
            scale *= high - low
        return Digits({slot: tuple(w) for slot, w in weights.items()}, ranges, scale)

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
        pairs: list[tuple[Monomial, int]] = []
        for slot, index in slots:
            for f, w, (low, _) in zip(index, self.weights[slot], self.ranges[slot], strict=True):
                pairs += [((), -low * w), *((m, c * w) for m, c in f.terms)]
        return Form.collect(pairs)

    def _multiset(self, title: str, indices: Sequence[tuple[Form, ...]], rows: Rows) -> Array:
        """Several reads of one tensor: addresses in descending order into slots 0, 1, ..."""
        steps = [self.weights[(title, j)][-1] if self.weights[(title, j)] else 0 for j in range(len(indices))]
        unit = max(steps[0], 1)
        address = [rows.outer(self._form([((title, 0), i)])) // unit for i in indices]
        ranked = -np.sort(-np.stack(address), axis=0)
        return np.asarray(sum(row * step for row, step in zip(ranked, steps, strict=True)), np.int64)

    def decode(self, code: int) -> dict[Slot, tuple[int, ...]]:
        """The reads of one monomial: slot -> internal index."""
        return {
            slot: tuple(
                low + code // w % (high - low)
                for w, (low, high) in zip(self.weights[slot], ranges, strict=True)
            )
            for slot, ranges in self.ranges.items()
            if slot != ENTRY
        }


@dataclass(frozen=True)
class Encoding:
    """The codes of all signatures: code of the digits + the signature's number * base.

    Monomials of two signatures are never equal, and never have the same code.
    """

    digits: Mapping[Signature, Digits]
    base: int

    @staticmethod
    def build(
        order: Sequence[tuple[Slot, int]],
        ranges: Mapping[Slot, tuple[Range, ...]],
        signatures: Sequence[Signature],
    ) -> Encoding:
        """Digits in the given order, most significant first, for each signature."""
        found = {}
        for signature in dict.fromkeys(signatures):
            own = {slot: span for slot, span in ranges.items() if slot == ENTRY or slot in signature}
            found[signature] = Digits.build([d for d in order if d[0] in own], own)
        return Encoding(found, max((d.scale for d in found.values()), default=1))

    @property
    def size(self) -> int:
        """Every code is below it."""
        return self.base * max(1, len(self.digits))

    def checked(self) -> Encoding:
        """Itself; raises LimitError where a code could reach 2^62: an error, never an overflow."""
        if self.size >= CODE_LIMIT:
            raise LimitError(
                "too large to compare entry by entry",
                expected="codes of entry and factors that fit 62 bits",
                got=f"{self.size.bit_length()} bits",
                mend="use a smaller batch, image or channel count, or prove --all-sizes",
            )
        return self

    def codes(self, rows: Rows) -> Array:
        """The codes of all monomials of a term."""
        signature = signature_of(title for title, _ in rows.reads)
        codes = self.digits[signature].codes(rows)
        number = list(self.digits).index(signature)
        return codes + number * self.base if number else codes

    def entries(self, codes: Array, axis: int) -> Array:
        """The coordinate on one axis of the entry that each code belongs to."""
        found = np.zeros(len(codes), np.int64)
        numbers, inner = np.divmod(codes, self.base)
        for number, digits in enumerate(self.digits.values()):
            own = numbers == number
            low, high = digits.ranges[ENTRY][axis]
            found[own] = low + inner[own] // digits.weights[ENTRY][axis] % (high - low)
        return found

    def decode(self, code: int) -> dict[Slot, tuple[int, ...]]:
        """The reads of one monomial: slot -> internal index."""
        number, inner = divmod(code, self.base)
        return list(self.digits.values())[number].decode(inner)


def signature_of(titles: Iterable[str]) -> Signature:
    """The slots that reads of these tensors fill."""
    return frozenset((t, j) for t, count in Counter(titles).items() for j in range(count))


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
        parts = [self.part(number, form) for number in range(len(self.spaces))]
        if ordered:
            parts = [np.sort(part) for part in parts]
            parts.sort(key=lambda p: int(p[0] - p[-1]) if len(p) else 0)
        start = np.array([sum(c for m, c in form.terms if not m)], np.int64)
        return reduce(lambda total, part: np.add.outer(part, total).ravel(), reversed(parts), start)

    def part(self, number: int, form: Form) -> Array:
        """What one component gives to the form, at each of its index values."""
        space = self.spaces[number]
        own = Form(tuple((m, c) for m, c in form.terms if space.keys() & set(m)))
        return np.broadcast_to(np.asarray(own.evaluate(space), np.int64), (self.lengths[number],))

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
