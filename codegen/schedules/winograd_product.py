"""Owns the register tile of a matrix product whose long sums are taken in blocks of blocks.

    out[i][j] = sum over s of each[i, s] * line[s, j]      i: rows, j: vectors, all in named registers

A block of terms is summed from nothing, the sums of a group of blocks in a second set of registers, those of
groups in memory: the error of a sum grows with the longest chain of additions, which is then short on each of
the three levels. Without a second set a group is one chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.nest import LOAD, Target
from derive.index import Form, name


@dataclass(frozen=True)
class Side:
    """One operand of the product: at + row * i + term * s."""

    buffer: Buffer
    at: Form
    row: int
    term: int = 0


@dataclass(frozen=True)
class Levels:
    """How a sum is cut: terms of a block, blocks of a group, whether groups have registers of their own."""

    block: int
    group: int
    held: bool

    @property
    def cut(self) -> tuple[int, ...]:
        """Terms of a chain, and chains of a group that is added up before it joins others in memory."""
        return (self.block, self.group) if self.held else (self.block * self.group,)

    def note(self) -> str:
        held = f", {self.group} blocks in registers" if self.held else f", {self.group} to a chain"
        return f"sums in blocks of {self.block}{held}"

    def registers(self, rows: int, vectors: int) -> int:
        return rows * vectors * (2 if self.held else 1) + vectors + 1

    def guard(self, target: Target) -> str:
        """What gcc has to be told of a tile with one set of sums, so that it finds registers for them."""
        return "" if self.held else "v_kept" if target.registers > 16 else "e_apart"

    def fits(self, rows: int, vectors: int, target: Target) -> bool:
        """Whether a tile has its registers, and without a second set some for constants beside it."""
        spare = 0 if self.held else 4
        few = rows * vectors <= target.accumulators
        return few and self.registers(rows, vectors) + spare <= target.registers

    def cycles(self, rows: int, vectors: int, terms: int) -> float:
        """Cycles of one tile: products, two a cycle, or loads, and the sums of blocks and groups."""
        spots = rows * vectors
        groups = -(-terms // (self.block * self.group))
        work = terms * max(spots / 2, LOAD * (rows + vectors), 4.0)
        return work + (groups * spots if groups > 1 else spots) + 8.0


@dataclass(frozen=True)
class Tile:
    """A tile of rows by vectors; `each` is broadcast, `line` loaded, `out` stored, or added to (`adds`).

    Attributes:
        ahead: where not 0, what lies so many elements after each line is asked for in advance.
        later: the same for the entries of each row.
        guard: "v_kept" where an entry keeps its register until the last product by it, so that sums stay in
            theirs; "e_apart" where what is set outside leaves its registers to the sums.
    """

    rows: int
    vectors: int
    lanes: int
    each: Side
    line: Side
    out: Side
    terms: int
    levels: Levels
    adds: bool = False
    ahead: int = 0
    later: int = 0
    guard: str = ""

    @property
    def spots(self) -> list[tuple[int, int]]:
        return list(product(range(self.rows), range(self.vectors)))

    def statements(self) -> tuple[Statement, ...]:
        """The whole sum; groups in memory where there are more than one."""
        size = self.levels.block * self.levels.group
        whole, rest = divmod(self.terms, size)
        several = self.adds or whole + bool(rest) > 1
        body: list[Statement] = [
            Place("at_each", self.each.at),
            Place("at_line", self.line.at),
            Place("at_sum", self.out.at),
        ]
        if several and not self.adds:
            body.append(Assign("none", Call("v_zero")))
            body += [Do(Call("v_store", (self._spot(*s), "none"))) for s in self.spots]
        if whole:
            group = tuple(self._group(size, name("group") * size, several))
            body.append(Loop("group", 0, whole, 1, group))
        if rest:
            body += self._group(rest, Form.of(whole * size), several)
        return tuple(body)

    def _spot(self, i: int, j: int) -> Pointer:
        return Pointer(self.out.buffer, name("at_sum") + i * self.out.row + j * self.lanes)

    def _group(self, terms: int, start: Form, several: bool) -> Iterator[Statement]:
        """One group: its blocks, then its sums stored or added to what is in memory."""
        whole, rest = divmod(terms, self.levels.block)
        if self.guard == "e_apart":
            yield Do(Call("e_apart"))
        for s in self.spots:
            yield Assign(self._total(*s), Call("v_zero"))
        yield Place("each_term", name("at_each") + start * self.each.term)
        yield Place("line_term", name("at_line") + start * self.line.term)
        if whole:
            moved = name("term") * self.levels.block
            body = tuple(self._block(self.levels.block, moved))
            yield Loop("term", 0, whole, 1, body)
        if rest:
            yield from self._block(rest, Form.of(whole * self.levels.block))
        for s in self.spots:
            if several:
                yield Assign("before", Call("v_load", (self._spot(*s),)))
                yield Assign(self._total(*s), Call("v_add", ("before", self._total(*s))))
            yield Do(Call("v_store", (self._spot(*s), self._total(*s))))

    def _total(self, i: int, j: int) -> str:
        return f"s_{i}_{j}" if self.levels.held else f"y_{i}_{j}"

    def _block(self, terms: int, start: Form) -> Iterator[Statement]:
        """Some terms written out; a block begins with a product alone where it has a sum of its own."""
        yield Place("each_at", name("each_term") + start * self.each.term)
        yield Place("line_at", name("line_term") + start * self.line.term)
        for i in range(self.rows if self.later else 0):
            at = name("each_at") + (i * self.each.row + self.later)
            yield Do(Call("e_prefetch", (Pointer(self.each.buffer, at),)))
        for s in range(terms):
            for j in range(self.vectors):
                at = name("line_at") + (s * self.line.term + j * self.lanes)
                yield Assign(f"w_{j}", Call("v_load", (Pointer(self.line.buffer, at),)))
                yield Assign(f"w_{j}", Call("v_held", (f"w_{j}",)))
                if self.ahead:
                    yield Do(Call("e_prefetch", (Pointer(self.line.buffer, at + self.ahead),)))
            for i in range(self.rows):
                at = name("each_at") + (s * self.each.term + i * self.each.row)
                yield Assign("entry", Call("v_splat", (Pointer(self.each.buffer, at),)))
                for j in range(self.vectors):
                    first = self.levels.held and s == 0
                    y = f"y_{i}_{j}"
                    yield Assign(
                        y,
                        Call("v_mul", ("entry", f"w_{j}"))
                        if first
                        else Call("v_fma", (y, "entry", f"w_{j}")),
                    )
                if self.guard == "v_kept":
                    yield Do(Call("v_kept", ("entry",)))
        if self.levels.held:
            for i, j in self.spots:
                yield Assign(f"s_{i}_{j}", Call("v_add", (f"s_{i}_{j}", f"y_{i}_{j}")))
