"""GEMM: a matrix product in register tiles, panel by panel of columns, block by block of the depth.

A turn of the main part is one panel and one chunk of rows: for each block of the depth all tiles of the chunk
are computed, and what a block gives is added to what the blocks before gave. A factor that is not contiguous
along the columns, or would lie badly in the cache, is first laid out in panels (`gemm_pack`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod

from codegen.loops import Limit, Loop, Part, Place, Statement
from codegen.schedules.gemm_cost import cycles
from codegen.schedules.gemm_pack import Panel, flat, strides, turned
from codegen.schedules.gemm_problem import Product, Run, at
from codegen.schedules.gemm_store import Chunk, Finish
from codegen.schedules.gemm_tile import Lined, Range, Spread, Tile, most_rows
from codegen.schedules.nest import Target
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.turns import decoded, only
from derive.index import Form, name

LAYOUTS = ("direct", "panel", "whole")
"""Of the factor in vectors: read as it is, laid out by each turn for itself, or all of it beforehand."""


@dataclass(frozen=True)
class Gemm:
    """One way to compute a matrix product.

    Attributes:
        rows, vectors: of a tile.
        layout: one of LAYOUTS.
        depth_block: turns of the depth between two additions to the result.
        chunk_rows: rows of a turn; a turn of layout "panel" has all of them.
        accuracy: the tier whose promise it keeps.
    """

    product: Product
    target: Target
    rows: int
    vectors: int
    layout: str
    depth_block: int
    chunk_rows: int
    accuracy: str = "strict"

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @property
    def width(self) -> int:
        return self.vectors * self.lanes

    @property
    def turned(self) -> bool:
        """Whether results are gathered in rows of their own and transposed into place."""
        return self.product.columns.into != 1

    @cached_property
    def panels(self) -> tuple[tuple[int, int, int], ...]:
        """(first panel, number, columns used) of the whole panels and of the rest."""
        whole, rest = divmod(self.product.columns.extent, self.width)
        found = ((0, whole, self.width),) if whole else ()
        return found + (((whole, 1, rest),) if rest else ())

    @cached_property
    def chunks(self) -> tuple[tuple[int, int, int], ...]:
        """(first chunk, number, values of the slowest row run) of the whole chunks and of the rest."""
        size = self.chunk_values
        whole, rest = divmod(self.product.rows[0].extent, size)
        found = ((0, whole, size),) if whole else ()
        return found + (((whole, 1, rest),) if rest else ())

    @property
    def chunk_values(self) -> int:
        slow, *fast = self.product.rows
        size = max(1, self.chunk_rows // (fast[0].extent if fast else 1))
        return min(size, slow.extent)

    @property
    def chunk_height(self) -> int:
        return self.chunk_values * (self.product.rows[1].extent if len(self.product.rows) > 1 else 1)

    @property
    def panel_count(self) -> int:
        return sum(n for _, n, _ in self.panels)

    @property
    def chunk_count(self) -> int:
        return sum(n for _, n, _ in self.chunks)

    @cached_property
    def blocked(self) -> tuple[int, int, int]:
        """(number of the depth run that is cut, its values in a block, blocks)."""
        inner = 1
        for number in range(len(self.product.depth) - 1, -1, -1):
            run = self.product.depth[number]
            if inner * run.extent > self.depth_block or number == 0:
                blocks = -(-run.extent * inner // self.depth_block)
                size = -(-run.extent // blocks)
                return number, size, -(-run.extent // size)
            inner *= run.extent
        raise AssertionError("a depth has at least one run")

    @property
    def rounds(self) -> int:
        """How often a result is added to."""
        number, _, blocks = self.blocked
        return blocks * prod(r.extent for r in self.product.depth[:number])

    @property
    def order(self) -> tuple[object, ...]:
        return self.product, self.blocked

    @property
    def block_bytes(self) -> int:
        """Of the factor in vectors, between two additions to the result."""
        return -(-self.product.length // self.rounds) * self.width * self.target.element

    @property
    def packed_outer(self) -> tuple[Run, ...]:
        """The outer indices on which the factor in vectors depends."""
        return tuple(r for r in self.product.outer if r.right)

    @property
    def shape(self) -> tuple[int, int]:
        """Of the tile."""
        return self.rows, self.vectors

    @property
    def turns(self) -> int:
        """Of the main part, which threads share."""
        chunks = 1 if self.layout == "panel" else self.chunk_count
        return self.product.times * self.panel_count * chunks

    @property
    def panel_size(self) -> int:
        return self.product.length * self.width

    def scratch(self) -> tuple[Scratch, ...]:
        lanes, found = self.lanes, []
        if self.layout == "panel":
            found.append(Scratch("panel", self.panel_size, copied=True, own=True))
        if self.layout == "whole":
            count = prod(r.extent for r in self.packed_outer) * self.panel_count * self.panel_size
            found.append(Scratch("panels", count, copied=True, packed=self.product.right.weight))
        if self.layout != "direct" and turned(self.product, lanes) and self.product.columns.extent % lanes:
            weight = self.layout == "whole" and self.product.right.weight
            found.append(Scratch("square", lanes * (lanes + 1), copied=True, own=not weight, packed=weight))
        if self.turned:
            found.append(Scratch("sums", (self.chunk_height + lanes) * self.width, own=True))
            found.append(Scratch("turned", lanes * lanes, own=True))
        return tuple(found)

    def note(self) -> str:
        depth = f", depth in {self.rounds} blocks" if self.rounds > 1 else ""
        how = {"panel": ", panels laid out turn by turn", "whole": ", panels laid out beforehand"}
        placed = how.get(self.layout, "") + (", transposed into place" if self.turned else "")
        return f"GEMM tile: {self.rows} rows by {self.vectors} vectors of {self.lanes}{depth}{placed}"

    def cost(self) -> float:
        return cycles(self)

    def statements(self, room: Room) -> tuple[Statement, ...]:
        parts: tuple[Statement, ...] = ()
        if self.layout == "whole":
            parts += (self.packing(room),)
        return (*parts, self.main(room))

    def packing(self, room: Room) -> Part:
        """All panels laid out; a turn is one of them."""
        decode, spots = decoded("turn", [*((r.name, r.extent) for r in self.packed_outer), self.panel_run])
        number = flat((*self.packed_outer, Run("panel", self.panel_count)), spots)
        body: tuple[Statement, ...] = ()
        for first, count, used in self.panels:
            panel = self.panel(room, "panels", number * self.panel_size, spots["panel"], used)
            body += only(spots["panel"], first, count, self.panel_count, panel.statements(spots))
        times = self.panel_count * prod(r.extent for r in self.packed_outer)
        kind = "pack" if self.product.right.weight else "panels"
        return Part(room.part(kind), "turn", times, (*decode, *body))

    @property
    def panel_run(self) -> tuple[str, int]:
        return "panel", self.panel_count

    def panel(self, room: Room, buffer: str, base: Form, panel: Form, used: int) -> Panel:
        first = panel * self.width
        square = room.scratch.get("square")
        return Panel(self.product, self.lanes, room.scratch[buffer], base, self.width, first, used, square)

    def main(self, room: Room) -> Part:
        inner = [] if self.layout == "panel" else [("chunk", self.chunk_count)]
        order = [*((r.name, r.extent) for r in self.product.outer), self.panel_run, *inner]
        decode, spots = decoded("turn", order)
        body: tuple[Statement, ...] = ()
        for first, count, used in self.panels:
            body += only(spots["panel"], first, count, self.panel_count, self.across(room, spots, used))
        return Part(room.part("product"), "turn", self.turns, (*decode, *body))

    def across(self, room: Room, spots: dict[str, Form], used: int) -> tuple[Statement, ...]:
        """One panel: laid out if that is to be done here, then the chunk, or all of them."""
        body: tuple[Statement, ...] = ()
        if self.layout == "panel":
            body += self.panel(room, "panel", Form(), spots["panel"], used).statements(spots)
        inside = spots if "chunk" in spots else {**spots, "chunk": name("chunk")}
        work: tuple[Statement, ...] = ()
        for first, count, values in self.chunks:
            done = self.chunk(room, inside, used, values)
            work += only(inside["chunk"], first, count, self.chunk_count, done)
        if "chunk" in spots:
            return body + work
        if self.chunk_count == 1:
            return (*body, Place("chunk", Form()), *work)
        return (*body, Loop("chunk", 0, self.chunk_count, 1, work))

    def chunk(self, room: Room, spots: dict[str, Form], used: int, values: int) -> tuple[Statement, ...]:
        """A chunk of rows: all blocks of the depth, each added to the ones before; then put into place."""
        number, _, blocks = self.blocked
        outer = self.product.depth[:number]
        where = {**spots, **{r.name: name(r.name) for r in outer}, "block": name("block")}
        turn = flat((*outer, Run("block", blocks)), where)
        finish = Finish(self.product, self.lanes, self.width, used, self.rounds, turn)
        chunk = Chunk(self.product, self.lanes, self.width, used, values, self.chunk_values, finish)
        body = self.tiles(room, where, chunk)
        cut = Loop("block", 0, blocks, 1, body)
        body = (cut,) if blocks > 1 else (Place("block", Form()), *body)
        for run in reversed(outer):
            body = (Loop(run.name, 0, run.extent, 1, body),)
        return (*body, *chunk.placed(room, spots)) if self.turned else body

    def tiles(self, room: Room, where: dict[str, Form], chunk: Chunk) -> tuple[Statement, ...]:
        """All tiles of a chunk for one block of the depth."""
        limit, depth, turns = self.turns_of_block(where)
        body: tuple[Statement, ...] = ()
        across = -(-chunk.used // self.lanes)
        for start, stop_row, rows in self.split(chunk.height, across):
            tile = Tile(rows, across, self.lanes)
            inside = {**where, **turns, **chunk.rows(where, start, stop_row, rows)}
            spread = Spread.of(self.product.left.buffer, self.left(inside), chunk.fast.left, rows)
            one = chunk.finish.start(tile, chunk.fast, inside)
            one += tile.products(spread, self.lined(room, inside, across, chunk.used), depth)
            one += chunk.finish.statements(tile, chunk.into(room, inside, self.turned), chunk.fast, inside)
            if stop_row - start > rows:
                one = (Loop("row", start, stop_row, rows, one),)
            else:
                one = (Place("row", Form.of(start)), *one)
            body += one
        if chunk.slow is not None:
            body = (Loop("line", 0, chunk.values, 1, body),)
        return (*limit, *body)

    def turns_of_block(
        self, where: dict[str, Form]
    ) -> tuple[tuple[Statement, ...], list[Range], dict[str, Form]]:
        """The loops of a block of the depth, what must stand before them, and the values of its indices."""
        number, size, _ = self.blocked
        cut, *inner = self.product.depth[number:]
        turns = {cut.name: where["block"] * size + name(cut.name)} | {r.name: name(r.name) for r in inner}
        ranges: list[Range] = [(r.name, 0, r.extent) for r in inner]
        if cut.extent % size == 0:
            return (), [(cut.name, 0, size), *ranges], turns
        left = Form.of(cut.extent) - where["block"] * size
        return (Limit("stop", left, 1, 0, True, size),), [(cut.name, 0, "stop"), *ranges], turns

    def split(self, height: int, across: int) -> Iterator[tuple[int, int, int]]:
        """(start, stop, rows of a tile) of the tiles of a line: as equal as they can be."""
        most = self.rows if across == self.vectors else most_rows(self.target, across)
        tiles = -(-height // most)
        small, larger = divmod(height, tiles)
        if larger:
            yield 0, larger * (small + 1), small + 1
        yield larger * (small + 1), height, small

    def lines_of(self, values: int) -> tuple[int, int]:
        """The lines of a chunk with so many values of the slowest index, and the rows of each."""
        return (values, self.product.rows[1].extent) if len(self.product.rows) > 1 else (1, values)

    def left(self, inside: dict[str, Form]) -> Form:
        product = self.product
        runs = (*product.outer, *product.rows, *product.depth)
        return at(product.left.base, inside, {r.name: r.left for r in runs})

    def lined(self, room: Room, inside: dict[str, Form], across: int, used: int) -> Lined:
        """The vectors of a turn of the depth, where the layout has them."""
        product, lanes = self.product, self.lanes
        last = used - (across - 1) * lanes
        if self.layout == "direct":
            runs = {r.name: r.right for r in (*product.outer, *product.depth, product.columns)}
            values = {**inside, product.columns.name: inside["panel"] * self.width}
            return Lined.of(product.right.buffer, at(product.right.base, values, runs), across, lanes, last)
        turn = sum((inside[n] * s for n, s in strides(product.depth).items()), Form()) * self.width
        if self.layout == "panel":
            return Lined.of(room.scratch["panel"], turn, across, lanes)
        number = flat((*self.packed_outer, Run("panel", self.panel_count)), inside)
        return Lined.of(room.scratch["panels"], number * self.panel_size + turn, across, lanes)
