"""Owns the register tile of a matrix product: named accumulators, rows broadcast, columns in vectors.

    y[i, j] += sum over the depth of spread[i] * lined[j]          i: rows, j: vectors of columns

Addresses are forms over the names of loops; a tile writes its own innermost loops. Whoever uses a tile starts
it (`zero`), adds products to it as often as wanted (`products`), and takes the vectors `y(i, j)` from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from codegen.loops import Assign, Buffer, Call, Loop, Place, Pointer, Statement
from codegen.schedules.nest import Target
from derive.index import Form, name


@dataclass(frozen=True)
class Spread:
    """The factor that is broadcast: row i is the element at `at` + shifts[i]."""

    buffer: Buffer
    at: Form
    shifts: tuple[int, ...]

    @staticmethod
    def of(buffer: Buffer, at: Form, step: int, rows: int) -> Spread:
        return Spread(buffer, at, tuple(step * i for i in range(rows)))


@dataclass(frozen=True)
class Lined:
    """The factor in vectors: vector j lies at `at` + shifts[j], of which `counts[j]` lanes are loaded."""

    buffer: Buffer
    at: Form
    shifts: tuple[int, ...]
    counts: tuple[int, ...]

    @staticmethod
    def of(buffer: Buffer, at: Form, vectors: int, lanes: int, last: int = 0) -> Lined:
        """Consecutive vectors, the last one of `last` elements where that is not 0."""
        counts = (lanes,) * (vectors - 1) + (last or lanes,)
        return Lined(buffer, at, tuple(lanes * j for j in range(vectors)), counts)


NARROW = 16
"""Bytes of vectors for which no fused multiplication is relied on."""
WIDEST = 6
"""Most vectors across a tile."""

Range = tuple[str, int | str, int | str]
"""A loop of the depth: its name, start and stop."""


@dataclass(frozen=True)
class Tile:
    """rows x vectors accumulators; `prefix` keeps the names of two tiles of one function apart."""

    rows: int
    vectors: int
    lanes: int
    prefix: str = ""

    def y(self, i: int, j: int) -> str:
        """The accumulator of row i and vector j."""
        return f"{self.prefix}y_{i}_{j}"

    def x(self, j: int) -> str:
        return f"{self.prefix}x_{j}"

    @property
    def cells(self) -> list[tuple[int, int]]:
        return list(product(range(self.rows), range(self.vectors)))

    def zero(self) -> tuple[Statement, ...]:
        return tuple(Assign(self.y(i, j), Call("v_zero")) for i, j in self.cells)

    def products(self, spread: Spread, lined: Lined, depth: Sequence[Range]) -> tuple[Statement, ...]:
        """The loops of the depth, outermost first, with the multiplications inside."""
        body = self.step(spread, lined)
        for loop, start, stop in reversed(depth):
            body = (Loop(loop, start, stop, 1, body),)
        return body

    def step(self, spread: Spread, lined: Lined) -> tuple[Statement, ...]:
        """One turn of the depth: each vector loaded once, each row broadcast once."""
        of_rows, of_columns = f"{self.prefix}at_rows", f"{self.prefix}at_columns"
        body: list[Statement] = [Place(of_rows, spread.at), Place(of_columns, lined.at)]
        for j in range(self.vectors):
            pointer = Pointer(lined.buffer, name(of_columns) + lined.shifts[j])
            body += [Assign(self.x(j), loaded(pointer, lined.counts[j], self.lanes))]
            body += [Assign(self.x(j), Call("v_held", (self.x(j),)))]
        for i in range(self.rows):
            one = f"{self.prefix}one"
            body.append(
                Assign(one, Call("v_splat", (Pointer(spread.buffer, name(of_rows) + spread.shifts[i]),)))
            )
            for j in range(self.vectors):
                cell = self.y(i, j)
                body.append(Assign(cell, Call("v_fma", (cell, one, self.x(j)))))
        return tuple(body)


def loaded(pointer: Pointer, count: int, lanes: int) -> Call:
    """The load of a vector's first `count` lanes."""
    return Call("v_load", (pointer,)) if count == lanes else Call("v_load_part", (pointer, count))


def stored(pointer: Pointer, value: str, count: int, lanes: int) -> Call:
    """The store of a vector's first `count` lanes."""
    if count == lanes:
        return Call("v_store", (pointer, value))
    return Call("v_store_part", (pointer, value, count))


def most_rows(target: Target, wide: int) -> int:
    """Rows of the tile that fills the registers, so many vectors across.

    Beside the accumulators there are the vectors of a turn, what is broadcast, and, where a product is not
    fused with its addition, such products.
    """
    spare = 1 if target.lanes * target.element > NARROW else 3
    return max(1, min(target.accumulators, target.registers - spare - wide) // wide)


def shapes(target: Target, vectors: int) -> list[tuple[int, int]]:
    """(rows, vectors) of the tiles that fill the registers, for a result of so many vectors across."""
    return [(most_rows(target, wide), wide) for wide in range(1, min(vectors, WIDEST) + 1)]
