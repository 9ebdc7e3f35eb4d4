"""LANES: a vector is consecutive terms of the sum; its lanes are added at the end.

    s[i, j] = sum over bound, lane by lane, of a[i] * b[j]        tile: values of one index of each factor

Unused lanes at the end of a line are exact zeros in both factors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from math import prod

from codegen.loops import Assign, Call, Loop, Place, Statement
from codegen.schedules.nest import Access, Block, Nest, Target, Writer, blocks, mark, place, summed
from derive.index import Form

CHAINS = 4
"""Sums side by side, as many as an addition takes cycles."""


@dataclass(frozen=True)
class Lanes:
    """A tile: `left` values of index `i` of the first factor, `right` values of index `j` of the second."""

    nest: Nest
    target: Target
    line: str
    i: str
    j: str
    left: int
    right: int

    def index_blocks(self, index: str, width: int) -> list[Block]:
        tabled = any(index in a.tables for a in self.nest.factors)
        return blocks(index, self.nest.free.get(index, 1), width, tabled)

    def cost(self) -> float:
        """Cycles of the whole contraction by port pressure, the sums over lanes included."""
        total, bodies = 0.0, 0
        for a, b in product(self.index_blocks(self.i, self.left), self.index_blocks(self.j, self.right)):
            steps = (a.stop - a.start) // a.width * ((b.stop - b.start) // b.width)
            loads = a.width + (b.width if len(self.nest.factors) == 2 else 0)
            total += steps * (max(a.width * b.width / 2, loads / 2, 4.0) + 1.0)
            bodies += 1
        outer = prod(e for n, e in self.nest.free.items() if n not in (self.i, self.j))
        vectors = -(-self.nest.bound[self.line] // self.target.lanes)
        vectors *= prod(e for n, e in self.nest.bound.items() if n != self.line)
        return total * (1 + 0.01 * bodies) * outer * vectors + 8 * prod(self.nest.free.values())

    def note(self) -> str:
        tile = ", ".join(f"{w} values of {n}" for n, w in ((self.i, self.left), (self.j, self.right)) if n)
        return f"LANES tile: vectors of {self.target.lanes} along {self.line}{', ' + tile if tile else ''}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        body: tuple[Statement, ...] = ()
        for a in self.index_blocks(self.i, self.left):
            inner: tuple[Statement, ...] = ()
            for b in self.index_blocks(self.j, self.right):
                inner += b.around(self.cell(a, b, next(numbers)))
            body += a.around(inner)
        outer = {n: e for n, e in self.nest.free.items() if n not in (self.i, self.j)}
        return summed(outer, body)

    def cell(self, a: Block, b: Block, number: int) -> tuple[Statement, ...]:
        writer, single = Writer("v", self.target.lanes), Writer("e", 1)
        spots = list(product(range(a.width), range(b.width)))
        body: list[Statement] = [mark(number)]
        body += [writer.zero(_s(*s)) for s in spots]
        body += self.reduction(writer, a, b)
        into, at = place(self.nest.out, "out")
        body.append(into)
        for i, j in spots:
            body.append(Assign("total", Call("v_sum", (_s(i, j),))))
            for extra in self.nest.added:
                step, from_b = place(extra, "b")
                body += [step, single.splat("more", extra.buffer, from_b + self.shift(extra, a, b, i, j))]
                body.append(single.fma("total", "more"))
            body.append(
                single.store(self.nest.out.buffer, at + self.shift(self.nest.out, a, b, i, j), "total", 1)
            )
        return tuple(body)

    def shift(self, access: Access, a: Block, b: Block, i: int, j: int) -> int:
        total = 0
        for block, by in ((a, i), (b, j)):
            total += access.moved(block.index, block.start if block.fixed else None, by) if block.index else 0
        return total

    def reduction(self, writer: Writer, a: Block, b: Block) -> tuple[Statement, ...]:
        extent, lanes = self.nest.bound[self.line], self.target.lanes
        whole = extent // lanes * lanes
        body: tuple[Statement, ...] = ()
        first = extent // (lanes * self.chains) * lanes * self.chains if self.chains > 1 else 0
        if first:
            body += self.chained(writer, first)
        if whole > first:
            body += (Loop(self.line, first, whole, lanes, self.terms(writer, a, b, lanes)),)
        if left := extent - whole:
            body += (Place(self.line, Form.of(whole)), *self.terms(writer, a, b, left))
        return summed({n: e for n, e in self.nest.bound.items() if n != self.line}, body)

    @property
    def chains(self) -> int:
        """Sums side by side where one factor is summed to one result, so that none waits for another."""
        plain = self.left == self.right == len(self.nest.factors) == len(self.nest.bound) == 1
        return CHAINS if plain and self.nest.bound[self.line] >= CHAINS * self.target.lanes else 1

    def chained(self, writer: Writer, whole: int) -> tuple[Statement, ...]:
        """The first `whole` terms of the line, a vector for each chain a turn, and the chains added."""
        image, step = self.nest.factors[0], self.target.lanes
        names = [_s(0, 0), *(f"{_s(0, 0)}_{k}" for k in range(1, self.chains))]
        body: list[Statement] = []
        for k, total in enumerate(names):
            body.append(writer.load(f"a_{k}", image.buffer, image.at + k * step, step))
            body.append(writer.fma(total, f"a_{k}"))
        loop = Loop(self.line, 0, whole, step * self.chains, tuple(body))
        ends = (writer.fma(names[0], other) for other in names[1:])
        return (*map(writer.zero, names[1:]), loop, *ends)

    def terms(self, writer: Writer, a: Block, b: Block, count: int) -> tuple[Statement, ...]:
        """One vector of terms into every accumulator of the tile."""
        body: list[Statement] = []
        first = self.nest.factors[0]
        step, at_a = place(first, "a")
        body.append(step)
        for i in range(a.width):
            body.append(writer.load(f"a_{i}", first.buffer, at_a + self.shift(first, a, b, i, 0), count))
        if len(self.nest.factors) == 1:
            return (*body, *(writer.fma(_s(i, 0), f"a_{i}") for i in range(a.width)))
        second = self.nest.factors[1]
        step, at_b = place(second, "b")
        body.append(step)
        for j in range(b.width):
            body.append(writer.load("b_0", second.buffer, at_b + self.shift(second, a, b, 0, j), count))
            body += [writer.fma(_s(i, j), f"a_{i}", "b_0") for i in range(a.width)]
        return tuple(body)


def _s(i: int, j: int) -> str:
    return f"s_{i}_{j}"


def candidates(nest: Nest, target: Target, line: str) -> Iterator[Lanes]:
    """Every tile that fits the registers; a tabled index must be in the tile."""
    first, second = nest.factors[0], nest.factors[-1]
    two = len(nest.factors) == 2
    left = [n for n in nest.free if first.meets(n) and not (two and second.meets(n))]
    right = [n for n in nest.free if two and second.meets(n) and not first.meets(n)]
    tabled = {n for a in nest.factors for n in a.tables if n in nest.free}
    for i, j in product([*left, ""], [*right, ""]):
        if tabled <= {i, j}:
            for a, b in product(_counts(nest, i), _counts(nest, j)):
                if a * b <= target.accumulators and a * b + a + 1 <= target.registers:
                    yield Lanes(nest, target, line, i, j, a, b)


def _counts(nest: Nest, index: str) -> range:
    return range(1, min(nest.free.get(index, 1), 12) + 1)
