"""Owns the laying out of a factor in panels: turn by turn of the depth the vectors of one panel of columns.

    packed[panel][d][j] = right[d, panel * width + j]

Whole vectors are copied where columns are neighbours, blocks of lanes x lanes are transposed where the depth
is; what is left over at the ends is read again from further back, or element by element.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.gemm_problem import Product, Run, at
from codegen.schedules.gemm_tile import loaded
from derive.index import Form, name


@dataclass(frozen=True)
class Panel:
    """Columns `first` .. first + used - 1 of a factor, into `width` elements for each turn of the depth."""

    product: Product
    lanes: int
    buffer: Buffer
    base: Form
    width: int
    first: Form
    used: int
    square: Buffer | None = None
    """lanes * (lanes + 1) elements for blocks that are narrower than a vector."""

    @property
    def turned(self) -> bool:
        """Whether blocks are transposed."""
        return turned(self.product, self.lanes)

    def statements(self, outer: Mapping[str, Form]) -> tuple[Statement, ...]:
        """The panel filled for given values of the outer indices."""
        *slow, fast = self.product.depth
        spots = {r.name: name(f"pack_{r.name}") for r in slow}
        body = self.blocks(fast, spots, outer) if self.turned else self.lines(fast, spots, outer)
        for run in reversed(slow):
            body = (Loop(f"pack_{run.name}", 0, run.extent, 1, body),)
        return body

    def source(self, outer: Mapping[str, Form], spots: Mapping[str, Form], column: Form) -> Form:
        product = self.product
        runs = (*product.outer, *product.depth, product.columns)
        values = {**outer, **spots, product.columns.name: column}
        return at(product.right.base, values, {r.name: r.right for r in runs})

    def target(self, spots: Mapping[str, Form]) -> Form:
        return self.base + flat(self.product.depth, spots) * self.width

    def lines(self, fast: Run, spots: dict[str, Form], outer: Mapping[str, Form]) -> tuple[Statement, ...]:
        """Turn by turn of the depth, the columns as vectors; ends overlap, or are single elements."""
        inside = {**spots, fast.name: name(f"pack_{fast.name}")}
        body: list[Statement] = [
            Place("pack_from", self.source(outer, inside, self.first)),
            Place("pack_to", self.target(inside)),
        ]
        step = self.product.columns.right
        whole = self.used // self.lanes * self.lanes
        for start in range(0, whole, self.lanes):
            body += self.moved(start, self.lanes)
        if self.used > whole and step == 1:
            body += self.moved(whole, self.used - whole)
        elif self.used > whole:
            body += [s for j in range(whole, self.used) for s in self.single(j)]
        return (Loop(f"pack_{fast.name}", 0, fast.extent, 1, tuple(body)),)

    def moved(self, start: int, count: int) -> list[Statement]:
        """A vector of columns; beyond `count` of them zeros."""
        step = self.product.columns.right
        pointer = Pointer(self.product.right.buffer, name("pack_from") + start * step)
        load = loaded(pointer, count, self.lanes) if step == 1 else Call("v_load_strided", (pointer, step))
        into = Pointer(self.buffer, name("pack_to") + start)
        return [Assign("pack_v", load), Do(Call("v_store", (into, "pack_v")))]

    def single(self, column: int) -> list[Statement]:
        pointer = Pointer(self.product.right.buffer, name("pack_from") + column * self.product.columns.right)
        into = Pointer(self.buffer, name("pack_to") + column)
        return [Assign("pack_e", Call("e_load", (pointer,))), Do(Call("e_store", (into, "pack_e")))]

    def blocks(self, fast: Run, spots: dict[str, Form], outer: Mapping[str, Form]) -> tuple[Statement, ...]:
        """Blocks of lanes turns by lanes columns; the last turns are read again from further back."""
        lanes, whole = self.lanes, fast.extent // self.lanes * self.lanes
        turn = f"pack_{fast.name}"
        found: tuple[Statement, ...] = (
            Loop(turn, 0, whole, lanes, self.block(spots, outer, fast, name(turn))),
        )
        if fast.extent > whole:
            found += self.block(spots, outer, fast, Form.of(fast.extent - lanes))
        return found

    def block(
        self, spots: dict[str, Form], outer: Mapping[str, Form], fast: Run, turn: Form
    ) -> tuple[Statement, ...]:
        inside = {**spots, fast.name: turn}
        lanes, step = self.lanes, self.product.columns.right
        body: list[Statement] = [
            Place("pack_from", self.source(outer, inside, self.first)),
            Place("pack_to", self.target(inside)),
        ]
        origin, into = name("pack_from"), name("pack_to")
        for start in range(0, self.used - lanes + 1, lanes):
            pointers = (
                Pointer(self.buffer, into + start),
                Pointer(self.product.right.buffer, origin + start * step),
            )
            body.append(Do(Call("v_transpose", (*pointers, self.width, step))))
        if left := self.used % lanes:
            body += self.narrow(origin, into, left)
        return tuple(body)

    def narrow(self, origin: Form, into: Form, left: int) -> Iterator[Statement]:
        """The last columns, fewer than a vector: a block that ends with them, its last lanes first."""
        assert self.square is not None
        lanes, step, square = self.lanes, self.product.columns.right, self.square
        last = self.used - left
        pointer = Pointer(self.product.right.buffer, origin + (self.used - lanes) * step)
        yield Do(Call("v_transpose", (Pointer(square, Form()), pointer, lanes, step)))
        for i in range(lanes):
            yield Assign("pack_v", Call("v_load", (Pointer(square, Form.of(i * lanes + lanes - left)),)))
            yield Do(Call("v_store", (Pointer(self.buffer, into + (i * self.width + last)), "pack_v")))


def turned(product: Product, lanes: int) -> bool:
    """Whether panels are made of transposed blocks: the depth is contiguous, and there is a whole block."""
    fast, columns = product.depth[-1], product.columns
    return columns.right != 1 and fast.right == 1 and min(fast.extent, columns.extent) >= lanes


def flat(depth: tuple[Run, ...], spots: Mapping[str, Form]) -> Form:
    """The number of a turn of the depth."""
    total = Form()
    for run in depth:
        total = total * run.extent + spots.get(run.name, Form())
    return total


def strides(depth: tuple[Run, ...]) -> dict[str, int]:
    """Turns of the depth from one value of each run to the next."""
    found, size = {}, 1
    for run in reversed(depth):
        found[run.name] = size
        size *= run.extent
    return found
