"""Owns what is written before any sum: helper arrays (zeros everywhere, entries copied in), bare results.

A delta that a free index carries, [z - s*o = 0], is solved by running over o and storing at z = s*o;
a condition [0 <= f < h] on one index clips that index's loop when the text is generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from codegen.algebra import Ranges, ranges_of, settle, slope, span
from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.problem import Contraction
from derive.expr import Definition, Read, Sum, Tensor, substitute
from derive.index import Form, Within, Zero, name


def extents(tensor: Tensor) -> tuple[int, ...]:
    """The tensor's shape at sizes."""
    return tuple(int(f.evaluate({})) for f in tensor.shape)


def address(shape: tuple[int, ...], index: tuple[Form, ...]) -> Form:
    """Row-major element address of an entry."""
    total = Form()
    for size, form in zip(shape, index, strict=True):
        total = total * size + form
    return total


@dataclass(frozen=True)
class Layout:
    """Where the entries of a helper array lie: row-major, the last axis dealt out to `phases` rows.

    Entry x of a row is element x // phases of row x % phases, so that every phases-th entry is
    contiguous; `slack` elements follow the last row, so that a whole vector may be read at its end.
    """

    shape: tuple[int, ...]
    phases: int = 1
    slack: int = 0

    @property
    def pitch(self) -> int:
        return -(-self.shape[-1] // self.phases)

    @property
    def row(self) -> int:
        return self.phases * self.pitch

    @property
    def count(self) -> int:
        return prod(self.shape[:-1]) * self.row + self.slack

    def line(self, index: tuple[Form, ...]) -> Form:
        """The address where the row of an entry begins."""
        return address(self.shape[:-1], index[:-1]) * self.row

    def within(self, position: int) -> int:
        """The place of entry number `position` inside its row."""
        return position % self.phases * self.pitch + position // self.phases


def solved(definition: Definition, term: Sum) -> tuple[Sum | None, tuple[Form, ...]] | None:
    """The term and the entry it is stored at, deltas on free indices solved; None where that fails.

    It fails where a delta has no free index with unit coefficient, where two values of the loop
    indices would meet in one entry, or where a condition joins two indices. A term that turns out to
    be zero everywhere comes back as None in the pair.
    """
    entry = definition.left.index
    while deltas := [c for c in term.conditions if isinstance(c, Zero)]:
        free = [n for f in entry for n in f.names if f == name(n) and n in deltas[0].names]
        found = next((n for n in free if abs(slope(deltas[0].form, n)) == 1), None)
        if found is None:
            return None
        sign = slope(deltas[0].form, found)
        value = (deltas[0].form - sign * name(found)) * -sign
        size = next(i.extent for i in definition.indices if i.name == found)
        kept = (*(c for c in term.conditions if c != deltas[0]), Within(value, size))
        term = substitute(Sum(term.indices, kept, term.factors, term.coefficient), {found: value})
        entry = tuple(f.substitute({found: value}) for f in entry)
    settled = settle(term, ranges_of(definition.indices))
    if settled is None:
        return None, entry
    names = [n for f in entry for n in f.names]
    single = all(len(f.names) <= 1 for f in entry) and len(set(names)) == len(names)
    bound = {i.name for i in settled.indices}
    if not single or not bound <= set(names) or any(len(c.names) != 1 for c in settled.conditions):
        return None
    return settled, entry


def clipped(term: Sum, ranges: Ranges, index: str) -> tuple[int, int]:
    """First and one past the last value of an index that the conditions on it allow."""
    own = [c for c in term.conditions if c.names == {index}]
    hits = [v for v in range(ranges[index]) if all(c.holds({index: v}) for c in own)]
    return (hits[0], hits[-1] + 1) if hits else (0, 0)


def filled(
    definition: Definition, term: Sum | None, buffer: Buffer, source: Buffer, layout: Layout, lanes: int
) -> tuple[Statement, ...] | None:
    """Statements that write every element of a helper array from the one tensor its term reads.

    None where `solved` fails or the term is more than a copy.
    """
    head = zeros(buffer, lanes)
    found = solved(definition, term) if term is not None else None
    if term is None or (found is not None and found[0] is None):
        return head
    if found is None or found[0] is None or term.coefficient != 1 or len(term.factors) != 1:
        return None
    term, entry = found[0], found[1]
    ranges = {**ranges_of(definition.indices), **ranges_of(term.indices)}
    read = term.factors[0]
    assert isinstance(read, Read)
    copy = _Copy(layout, entry, buffer, source, address(extents(read.tensor), read.index), lanes)
    body = copy.row(clipped(term, ranges, copy.last) if copy.last else (0, 1))
    for index in reversed([n for f in entry[:-1] for n in f.names]):
        start, stop = clipped(term, ranges, index)
        body = (Loop(index, start, stop, 1, body),) if body and stop > start else ()
    return head + body


@dataclass(frozen=True)
class _Copy:
    """The copy of one row: where it goes, where it comes from."""

    layout: Layout
    entry: tuple[Form, ...]
    buffer: Buffer
    source: Buffer
    origin: Form
    lanes: int

    @property
    def last(self) -> str:
        """The index that runs along the row; empty where the row is one entry."""
        return next(iter(self.entry[-1].names), "")

    def row(self, bounds: tuple[int, int]) -> tuple[Statement, ...]:
        start, stop = bounds
        place, index = self.entry[-1], self.last
        if stop <= start:
            return ()
        line = self.layout.line(self.entry)
        if not index:
            return _element(
                self.buffer, line + self.layout.within(place.constant or 0), self.source, self.origin
            )
        if self.layout.phases > 1:
            return self._dealt(start, stop, line)
        if slope(place, index) == 1 == slope(self.origin, index):
            return self._vectors(start, stop, line + place)
        body = _element(self.buffer, line + place, self.source, self.origin)
        return (Loop(index, start, stop, 1, body),)

    def _vectors(self, start: int, stop: int, target: Form) -> tuple[Statement, ...]:
        index, whole = self.last, (stop - start) // self.lanes
        middle = start + whole * self.lanes
        into, out_of = Pointer(self.buffer, target), Pointer(self.source, self.origin)
        body: tuple[Statement, ...] = ()
        if whole:
            moved = (Assign("line", Call("v_load", (out_of,))), Do(Call("v_store", (into, "line"))))
            body += (Loop(index, start, middle, self.lanes, moved),)
        if left := stop - middle:
            body += (
                Place(index, Form.of(middle)),
                Assign("line", Call("v_load_part", (out_of, left))),
                Do(Call("v_store_part", (into, "line", left))),
            )
        return body

    def _dealt(self, start: int, stop: int, line: Form) -> tuple[Statement, ...]:
        """A row dealt out to its phases; the entry's place must be the index plus a constant."""
        index, place, phases = self.last, self.entry[-1], self.layout.phases
        shift = (place - name(index)).constant
        assert shift is not None
        body: tuple[Statement, ...] = ()
        for phase in range(phases):
            low, high = (-(-(edge + shift - phase) // phases) for edge in (start, stop))
            target = line + phase * self.layout.pitch + name("t")
            origin = self.origin.substitute({index: name("t") * phases + (phase - shift)})
            if high > low:
                body += (Loop("t", low, high, 1, _element(self.buffer, target, self.source, origin)),)
        return body


def _element(into: Buffer, target: Form, source: Buffer, origin: Form) -> tuple[Statement, ...]:
    return (
        Assign("one", Call("e_load", (Pointer(source, origin),))),
        Do(Call("e_store", (Pointer(into, target), "one"))),
    )


def zeros(buffer: Buffer, lanes: int) -> tuple[Statement, ...]:
    """Every element of a buffer set to zero."""
    whole = buffer.count // lanes * lanes
    body: tuple[Statement, ...] = (Assign("line", Call("v_zero")),)
    if whole:
        store = Do(Call("v_store", (Pointer(buffer, name("t")), "line")))
        body += (Loop("t", 0, whole, lanes, (store,)),)
    if left := buffer.count - whole:
        body += (Do(Call("v_store_part", (Pointer(buffer, Form.of(whole)), "line", left))),)
    return body


def begun(problem: Contraction, lanes: int) -> tuple[Statement, ...]:
    """The result before anything is summed up: zeros, or the bias of its channel everywhere.

    Args:
        problem: any of those that compute parts of it.
    """
    result, bias = getattr(problem, problem.result).buffer, problem.bias
    if bias is None or problem.result == "weight":
        return zeros(result, lanes)
    counts = {"n": problem.batch, "g": problem.groups, "k": problem.outs}
    plane = result.count // prod(counts.values())
    whole, held = plane // lanes * lanes, {i: c for i, c in counts.items() if c > 1}
    row = sum((problem.out.step(i) * name(i) for i in held), Form())
    entry = sum((bias.step(i) * name(i) for i in held if i != "n"), Form.of(bias.base))
    body: tuple[Statement, ...] = (Assign("line", Call("v_splat", (Pointer(bias.buffer, entry),))),)
    if whole:
        store = Do(Call("v_store", (Pointer(result, row + name("t")), "line")))
        body += (Loop("t", 0, whole, lanes, (store,)),)
    if whole < plane:
        body += (Do(Call("v_store_part", (Pointer(result, row + whole), "line", plane - whole))),)
    for index in reversed(held):
        body = (Loop(index, 0, counts[index], 1, body),)
    return body


def inside(read: Read, ranges: Ranges) -> bool:
    """Whether an entry lies in its tensor for all values of the indices, whatever the conditions."""
    spans = (span(f, ranges) for f in read.index)
    return all(low >= 0 and high < n for (low, high), n in zip(spans, extents(read.tensor), strict=True))
