"""Owns what becomes of a tile of a matrix product: added to earlier blocks, bias, function, and its place.

Where columns are neighbours in the result a tile is stored as it is. Where they are not, the tiles of a chunk
are kept as rows of a scratch, and then transposed into place a block of lanes x lanes at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, If, Loop, Place, Pointer, Statement
from codegen.schedules.gemm_problem import Product, Run, at
from codegen.schedules.gemm_tile import Tile, loaded, stored
from codegen.schedules.planned import Room
from derive.index import Form, Within, Zero, name


@dataclass(frozen=True)
class Into:
    """Where a tile goes: its first element, the step from row to row, the lanes of each vector."""

    buffer: Buffer
    at: Form
    step: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Finish:
    """What is done with the sums of a block of the depth.

    Attributes:
        width: elements of a whole panel; `used` of them are columns of this one.
        rounds: blocks of the depth, outer indices of the depth included.
        number: which of them it is.
    """

    product: Product
    lanes: int
    width: int
    used: int
    rounds: int
    number: Form

    def statements(
        self, tile: Tile, into: Into, fast: Run, inside: Mapping[str, Form]
    ) -> tuple[Statement, ...]:
        """Earlier sums added, at the last block the bias and the function, then the stores."""
        body: list[Statement] = [Place("at_into", into.at)]
        if self.rounds > 1:
            earlier = tuple(self.earlier(tile, into))
            body.append(If((Within(self.number - 1, Form.of(self.rounds)),), earlier))
        if ending := tuple(self.ending(tile, fast, inside)):
            last = Zero(self.number - (self.rounds - 1))
            body += [If((last,), ending)] if self.rounds > 1 else ending
        for i, j in tile.cells:
            pointer = Pointer(into.buffer, name("at_into") + (into.step * i + self.lanes * j))
            body.append(Do(stored(pointer, tile.y(i, j), into.counts[j], self.lanes)))
        return tuple(body)

    def earlier(self, tile: Tile, into: Into) -> Iterator[Statement]:
        for i, j in tile.cells:
            pointer = Pointer(into.buffer, name("at_into") + (into.step * i + self.lanes * j))
            yield Assign("earlier", loaded(pointer, into.counts[j], self.lanes))
            yield Assign(tile.y(i, j), Call("v_add", (tile.y(i, j), "earlier")))

    def ending(self, tile: Tile, fast: Run, inside: Mapping[str, Form]) -> Iterator[Statement]:
        product = self.product
        if product.bias is not None and self.rounds > 1:
            yield self.bias_place(inside)
            for i, j in tile.cells:
                yield Assign("added", self.bias_of(tile, fast, i, j))
                yield Assign(tile.y(i, j), Call("v_add", (tile.y(i, j), "added")))
        if product.after is not None:
            names = [f"parameter_{n}" for n in range(len(product.after.parameters))]
            for title, pointer in zip(names, product.after.parameters, strict=True):
                yield Assign(title, Call("v_splat", (pointer,)))
            for i, j in tile.cells:
                yield Assign(tile.y(i, j), Call(f"v_fn_{product.after.name}", (tile.y(i, j), *names)))

    def start(self, tile: Tile, fast: Run, inside: Mapping[str, Form]) -> tuple[Statement, ...]:
        """What the sums begin with: the bias where there is one block, else zero."""
        if self.product.bias is None or self.rounds > 1:
            return tile.zero()
        given = (Assign(tile.y(i, j), self.bias_of(tile, fast, i, j)) for i, j in tile.cells)
        return (self.bias_place(inside), *given)

    def bias_place(self, inside: Mapping[str, Form]) -> Statement:
        bias = self.product.bias
        assert bias is not None
        values = {**inside, self.product.columns.name: inside["panel"] * self.width}
        return Place("at_bias", at(bias.base, values, bias.steps))

    def bias_of(self, tile: Tile, fast: Run, i: int, j: int) -> Call:
        """The bias of a cell; a row or a column of cells has the same."""
        bias = self.product.bias
        assert bias is not None
        across, down = bias.step(self.product.columns.name), bias.step(fast.name)
        pointer = Pointer(bias.buffer, name("at_bias") + (down * i + across * self.lanes * j))
        if not across:
            return Call("v_splat", (pointer,))
        last = self.used - (tile.vectors - 1) * self.lanes
        return loaded(pointer, last if j == tile.vectors - 1 else self.lanes, self.lanes)


@dataclass(frozen=True)
class Chunk:
    """Some values of the slowest index of the rows, for one panel.

    Attributes:
        width: elements of a whole panel; `used` of them are columns of this one.
        values: of the slowest index in this chunk, of `step` in a whole one.
    """

    product: Product
    lanes: int
    width: int
    used: int
    values: int
    step: int
    finish: Finish

    @property
    def slow(self) -> Run | None:
        return self.product.rows[0] if len(self.product.rows) > 1 else None

    @property
    def fast(self) -> Run:
        return self.product.rows[-1]

    @property
    def height(self) -> int:
        """Rows of a line."""
        return self.fast.extent if self.slow else self.values

    def rows(self, where: Mapping[str, Form], start: int, stop: int, rows: int) -> dict[str, Form]:
        """The row indices' values at a tile."""
        row = name("row") if stop - start > rows else Form.of(start)
        return self.spots(where, name("line"), row)

    def spots(self, where: Mapping[str, Form], line: Form, row: Form) -> dict[str, Form]:
        first = where["chunk"] * self.step
        if self.slow is None:
            return {self.fast.name: first + row, "line": Form(), "row": row}
        return {self.slow.name: first + line, self.fast.name: row, "line": line, "row": row}

    def into(self, room: Room, inside: Mapping[str, Form], turned: bool) -> Into:
        across = -(-self.used // self.lanes)
        if turned:
            first = (inside["line"] * self.height + inside["row"]) * self.width
            return Into(room.scratch["sums"], first, self.width, (self.lanes,) * across)
        last = self.used - (across - 1) * self.lanes
        counts = (self.lanes,) * (across - 1) + (last,)
        return Into(self.product.into.buffer, self.address(inside), self.fast.into, counts)

    def address(self, inside: Mapping[str, Form]) -> Form:
        """Of the first column of the panel in the result."""
        product = self.product
        runs = (*product.outer, *product.rows, product.columns)
        values = {**inside, product.columns.name: inside["panel"] * self.width}
        return at(product.into.base, values, {r.name: r.into for r in runs})

    def placed(self, room: Room, spots: Mapping[str, Form]) -> tuple[Statement, ...]:
        """The rows of the scratch transposed into the result."""
        lines, height = self.values if self.slow else 1, self.height
        if self.slow is not None and self.slow.into == height * self.fast.into:
            lines, height = 1, lines * height
        whole = height // self.lanes * self.lanes
        body: tuple[Statement, ...] = ()
        if whole:
            block = tuple(self.block(room, spots, height, name("row"), self.lanes))
            body += (Loop("row", 0, whole, self.lanes, block),)
        if height > whole:
            body += tuple(self.block(room, spots, height, Form.of(whole), height - whole))
        if self.slow is None:
            return body
        return (Loop("line", 0, lines, 1, body),) if lines > 1 else (Place("line", Form()), *body)

    def block(
        self, room: Room, spots: Mapping[str, Form], height: int, row: Form, count: int
    ) -> Iterator[Statement]:
        """`count` rows of every vector of the panel."""
        lanes, step, across = self.lanes, self.fast.into, self.product.columns.into
        sums, turned = room.scratch["sums"], room.scratch["turned"]
        inside = {**spots, **self.spots(spots, name("line"), row)}
        yield Place("at_into", self.address(inside))
        yield Place("at_sums", (inside["line"] * height + row) * self.width)
        for first in range(0, self.used, lanes):
            columns = min(lanes, self.used - first)
            origin = Pointer(sums, name("at_sums") + first)
            if step == 1 and columns == count == lanes:
                target = Pointer(self.product.into.buffer, name("at_into") + first * across)
                yield Do(Call("v_transpose", (target, origin, across, self.width)))
                continue
            yield Do(Call("v_transpose", (Pointer(turned, Form()), origin, lanes, self.width)))
            for j in range(columns):
                yield Assign("moved", Call("v_load", (Pointer(turned, Form.of(j * lanes)),)))
                pointer = Pointer(self.product.into.buffer, name("at_into") + (first + j) * across)
                if step == 1:
                    yield Do(stored(pointer, "moved", count, lanes))
                else:
                    yield Do(Call("v_store_strided", (pointer, "moved", count, step)))
