"""FLAT: a vector is consecutive places of the result; the other factor is broadcast.

    y[k, r, p] = sum over bound of w[k] * x[r, p]        tile: channels k, rows r, vectors p

The same body with single elements instead of vectors is the schedule that needs no contiguous index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from codegen.loops import Place, Statement
from codegen.schedules.nest import (
    LOAD,
    NO_INDEX,
    Access,
    Block,
    Nest,
    Target,
    Writer,
    blocks,
    mark,
    place,
    summed,
)
from derive.index import Form

UNALIGNED = 1.25
"""Loads that one takes of a vector which may lie across two cache lines."""
STRIDED = 1.5
"""Cycles for each lane of a strided store."""
NEAR = 16
"""Elements of a cache line."""


@dataclass(frozen=True)
class Flat:
    """A tile: vectors along `line`, `rows` values of `row`, `channels` values of `channel`.

    Attributes:
        line: the free index that is contiguous in out and image ("" for single elements).
        image: the number of the factor that has `line`; the other one is broadcast.
    """

    nest: Nest
    target: Target
    image: int
    line: str
    row: str
    channel: str
    vectors: int
    rows: int
    channels: int

    @property
    def lanes(self) -> int:
        return self.target.lanes if self.line else 1

    def y(self, k: int, r: int, p: int) -> str:
        return f"{self.prefix}y_{k}_{r}_{p}"

    def x(self, r: int, p: int) -> str:
        return f"{self.prefix}x_{r}_{p}"

    @property
    def prefix(self) -> str:
        """What tells single elements from vectors, whose names must differ where a kernel has both."""
        return "" if self.line else "one_"

    @property
    def single(self) -> str:
        """The name of a value that is broadcast."""
        return "each" if self.line else "one"

    @property
    def store(self) -> float:
        """Cycles for one store: each lane apart along a strided line, a cache line for each far element."""
        if self.line:
            return 1.0 if self.nest.out.slope(self.line) == 1 else STRIDED * self.lanes
        near = self.nest.out.slope(self.row or self.channel or ([*self.nest.free] or [""])[-1]) <= NEAR
        return 1.0 if near else 2.0

    def line_blocks(self) -> list[tuple[Block, tuple[int, ...]]]:
        """Blocks along the line with the lanes used of each of their vectors."""
        if not self.line:
            return [(NO_INDEX, (1,))]
        extent, lanes = self.nest.free[self.line], self.lanes
        step = lanes * self.vectors
        whole = extent // step * step
        found = [(Block(self.line, 0, whole, step), (lanes,) * self.vectors)] if whole else []
        if left := extent - whole:
            parts = (lanes,) * (left // lanes) + ((left % lanes,) if left % lanes else ())
            found.append((Block(self.line, whole, extent, left), parts))
        return found

    def channel_blocks(self) -> list[Block]:
        return blocks(self.channel, self.nest.free.get(self.channel, 1), self.channels)

    def row_blocks(self) -> list[Block]:
        return blocks(self.row, self.nest.free.get(self.row, 1), self.rows)

    def cost(self) -> float:
        """Cycles of the whole contraction by port pressure."""
        total, bodies, stores = 0.0, 0, 0.0
        turns = prod(self.nest.bound.values())
        for (line, parts), channel, row in product(
            self.line_blocks(), self.channel_blocks(), self.row_blocks()
        ):
            accumulators = len(parts) * channel.width * row.width
            loads = UNALIGNED * len(parts) * row.width + channel.width
            steps = 1
            for block in (line, channel, row):
                steps *= (block.stop - block.start) // block.width
            total += steps * (max(accumulators / 2, LOAD * loads, 4.0) + 1.0)
            stores += steps * accumulators * self.store
            bodies += 1
        outer = prod(e for n, e in self.nest.free.items() if n not in (self.line, self.row, self.channel))
        return outer * (total * (1 + 0.01 * bodies) * turns + stores)

    def note(self) -> str:
        tile = f"{self.vectors} vectors of {self.lanes} along {self.line}" if self.line else "single elements"
        rows = f", {self.rows} values of {self.row}" if self.row else ""
        channels = f", {self.channels} values of {self.channel}" if self.channel else ""
        return f"FLAT tile: {tile}{rows}{channels}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        tiled = {self.line, self.row, self.channel}
        body: tuple[Statement, ...] = ()
        for row in self.row_blocks():
            inner: tuple[Statement, ...] = ()
            for channel in self.channel_blocks():
                cells: tuple[Statement, ...] = ()
                for line, parts in self.line_blocks():
                    cells += line.around(self.cell(row, channel, parts, next(numbers)))
                inner += channel.around(cells)
            body += row.around(inner)
        outer = {n: e for n, e in self.nest.free.items() if n not in tiled}
        return summed(outer, body)

    def cell(self, row: Block, channel: Block, parts: tuple[int, ...], number: int) -> tuple[Statement, ...]:
        """One tile: zero, sum, add, store; a copy is loaded and stored, so that -0 stays -0."""
        writer = Writer("v" if self.line else "e", self.lanes)
        spots = list(product(range(channel.width), range(row.width), range(len(parts))))
        body: list[Statement] = [mark(number)]
        if self.nest.copies:
            body += self.copied(writer, row, parts)
        else:
            body += [writer.zero(self.y(*s)) for s in spots]
            body += self.reduction(writer, row, channel, parts)
        for extra in self.nest.added:
            body += self.extra(writer, extra, spots, parts)
        into, at = place(self.nest.out, "out")
        body.append(into)
        for k, r, p in spots:
            shift = self.shift(self.nest.out, k, r, p)
            body += writer.spread(self.nest.out, at + shift, self.y(k, r, p), parts[p], self.line)
        return tuple(body)

    def copied(self, writer: Writer, row: Block, parts: tuple[int, ...]) -> tuple[Statement, ...]:
        """The one entry that each result is."""
        (image,) = self.nest.factors
        step, at = place(image, "x")
        places = product(range(row.width), range(len(parts)))
        loads = (
            writer.load(self.y(0, r, p), image.buffer, at + self.shift(image, 0, r, p), parts[p])
            for r, p in places
        )
        return (step, *loads)

    def shift(self, access: Access, k: int, r: int, p: int) -> int:
        steps = ((self.channel, k), (self.row, r), (self.line, p * self.lanes))
        return sum(access.slope(index) * by for index, by in steps)

    def reduction(
        self, writer: Writer, row: Block, channel: Block, parts: tuple[int, ...]
    ) -> tuple[Statement, ...]:
        """The sum over the bound indices; a tabled one is written out value by value."""
        tabled = next((n for a in self.nest.factors for n in a.tables if n in self.nest.bound), "")
        plain = {n: e for n, e in self.nest.bound.items() if n != tabled}
        body: list[Statement] = [Place(tabled, Form())] if tabled else []
        image = self.nest.factors[self.image]
        other = self.nest.factors[1 - self.image] if len(self.nest.factors) == 2 else None
        step, at_x = place(image, "x")
        body.append(step)
        if other is not None:
            step, at_w = place(other, "w")
            body.append(step)
        for tap in range(self.nest.bound.get(tabled, 1)):
            from_x = at_x + (image.moved(tabled, 0, tap) if tabled else 0)
            for r, p in product(range(row.width), range(len(parts))):
                count = self.lanes if image.buffer.copied else parts[p]
                body.append(
                    writer.load(self.x(r, p), image.buffer, from_x + self.shift(image, 0, r, p), count)
                )
            for k in range(channel.width):
                if other is not None:
                    from_w = (
                        at_w + self.shift(other, k, 0, 0) + (other.moved(tabled, 0, tap) if tabled else 0)
                    )
                    body.append(writer.splat(self.single, other.buffer, from_w))
                for r, p in product(range(row.width), range(len(parts))):
                    factors = (self.x(r, p),) if other is None else (self.single, self.x(r, p))
                    body.append(writer.fma(self.y(k, r, p), *factors))
        return summed(plain, tuple(body))

    def extra(
        self, writer: Writer, access: Access, spots: list[tuple[int, int, int]], parts: tuple[int, ...]
    ) -> list[Statement]:
        """One more entry added to each result: the bias."""
        step, at = place(access, "b")
        body: list[Statement] = [step]
        for k, r, p in spots:
            shift = self.shift(access, k, r, p)
            if self.line and access.meets(self.line):
                body.append(writer.load(self.single, access.buffer, at + shift, parts[p]))
            elif (r, p) == (0, 0) or access.meets(self.row):
                body.append(writer.splat(self.single, access.buffer, at + shift))
            body.append(writer.fma(self.y(k, r, p), self.single))
        return body


def candidates(nest: Nest, target: Target, image: int, line: str) -> Iterator[Flat]:
    """Every tile that fits the registers, for a given line."""
    own = nest.factors[image]
    other = nest.factors[1 - image] if len(nest.factors) == 2 else None
    lanes = target.lanes if line else 1
    rows = [n for n in nest.free if n != line and own.meets(n) and (other is None or not other.meets(n))]
    channels = [
        n for n in nest.free if n != line and other is not None and other.meets(n) and not own.meets(n)
    ]
    vectors = -(-nest.free[line] // lanes) if line else 1
    for row in [*rows, ""]:
        for channel in [*channels, ""]:
            for v, r, k in product(
                range(1, min(vectors, 8) + 1), *(_counts(nest, n) for n in (row, channel))
            ):
                if v * r * k <= target.accumulators and v * r * (k + 1) + 1 <= target.registers:
                    yield Flat(nest, target, image, line, row, channel, v, r, k)


def _counts(nest: Nest, index: str) -> range:
    return range(1, min(nest.free.get(index, 1), 12) + 1)
