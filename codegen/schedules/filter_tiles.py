"""Owns the tile of a gradient by the weight: which accumulators a body has, and its statements.

y[c, t][v] += image[c, place + tap t] * out[place][v]      v: vectors of channels k; no sums across lanes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isqrt, prod

from codegen.loops import Assign, Buffer, Call, Limit, Loop, Place, Pointer, Statement
from codegen.schedules.filter_lines import Level, Lines
from codegen.schedules.nest import LOAD, Target, Writer
from derive.index import Form, name

TURN = 0.7
"""Cycles that a turn of a loop of places costs beside its arithmetic."""
SPLAT = 0.03
"""Cycles of an entry that is broadcast by itself."""
WIDEST = 64
"""Bytes of an AVX-512 vector."""
MANY = 16
"""Blocks from which they are added up in groups."""
LATENCY = 4.0
"""Cycles from a product to the next one into the same accumulator."""


@dataclass(frozen=True)
class Tile:
    """Accumulators of `ins` channels c, a group of taps, and `vectors` of channels k.

    Attributes:
        groups: numbers of taps, each group a body of its own.
    """

    vectors: int
    ins: int
    groups: tuple[range, ...]

    def cycles(self, target: Target) -> float:
        """Of one place, for all taps and the channels c of a tile."""
        return sum(self._body(self.ins * len(g), target) for g in self.groups)

    def _body(self, rows: int, target: Target) -> float:
        """Two products a cycle, or loads; AVX-512 broadcasts an entry read once as it multiplies."""
        folded = self.vectors == 1 and target.lanes * target.element == WIDEST
        turn = max(rows * self.vectors / 2 + TURN, LOAD * (rows + self.vectors))
        return max(turn + (0 if folded else SPLAT * rows), LATENCY)

    @property
    def accumulators(self) -> int:
        """Over all bodies."""
        return self.ins * sum(map(len, self.groups)) * self.vectors


def tiles(vectors: int, ins: int, taps: int, target: Target) -> Iterator[Tile]:
    """Every tile of so many vectors whose channels divide `ins` and which the registers hold."""
    spare = 1 if vectors > 1 else 0
    most = min(target.accumulators, target.registers - vectors - spare - 1) // vectors
    for count in range(1, taps + 1):
        widest = -(-taps // count)
        for width in range(1, ins + 1):
            if ins % width == 0 and width * widest <= most:
                yield Tile(vectors, width, tuple(cut(taps, count)))


def cut(extent: int, count: int) -> Iterator[range]:
    """A range cut into so many pieces of nearly one length."""
    for i in range(count):
        if extent * i // count < extent * (i + 1) // count:
            yield range(extent * i // count, extent * (i + 1) // count)


@dataclass(frozen=True)
class Body:
    """The statements of one tile over one block of places.

    Attributes:
        inner: the loops over places inside the block; the first runs over `rows` of its values, or up to the
            limit "rows" where the last block is shorter.
        image, turned, sums: what is read, and where sums are added up.
        adding: whether sums of earlier blocks are there.
    """

    lines: Lines
    tile: Tile
    inner: tuple[Level, ...]
    rows: int | str
    image: Buffer
    turned: Buffer
    sums: Buffer
    adding: bool

    def statements(self, marks: Sequence[Statement]) -> tuple[Statement, ...]:
        """All groups of taps; at_x, at_g and at_s are the addresses of the first place, vector and sum."""
        found: list[Statement] = []
        for number, group in zip(marks, self.tile.groups, strict=True):
            found += (number, *self._group(group))
        return tuple(found)

    def spots(self, group: range) -> list[tuple[int, int, int]]:
        """Number of a row in its body, its channel and its tap."""
        pairs = [(c, t) for c in range(self.tile.ins) for t in group]
        return [(i, c, t) for i, (c, t) in enumerate(pairs)]

    def _group(self, group: range) -> Iterator[Statement]:
        lanes, vectors = self.lines.lanes, range(self.tile.vectors)
        writer = Writer("v", lanes)
        for i, _, _ in self.spots(group):
            yield from (writer.zero(f"y_{i}_{v}") for v in vectors)
        yield from self._places(group)
        for i, c, t in self.spots(group):
            for v in vectors:
                spot = (c * len(self.lines.taps) + t) * len(vectors) * lanes + v * lanes
                at, value = name("at_s") + spot, f"y_{i}_{v}"
                if self.adding:
                    yield writer.load("before", self.sums, at, lanes)
                    yield Assign(value, Call("v_add", ("before", value)))
                yield writer.store(self.sums, at, value, lanes)

    def _places(self, group: range) -> tuple[Statement, ...]:
        """The loops over the places of a block around the products of one turn."""
        x, g = name("at_x"), name("at_g")
        width = self.tile.vectors * self.lines.lanes
        for level in self.inner:
            x, g = x + name(level.name) * level.image, g + name(level.name) * (level.place * width)
        body = (Place("x_at", x), Place("g_at", g), *self._products(group))
        for level in reversed(self.inner):
            stop = self.rows if level is self.inner[0] else level.extent
            body = (Loop(level.name, 0, stop, 1, body),)
        return body

    def _products(self, group: range) -> Iterator[Statement]:
        """One place into every accumulator."""
        lanes, vectors, writer = self.lines.lanes, range(self.tile.vectors), Writer("v", self.lines.lanes)
        for v in vectors:
            yield writer.load(f"g_{v}", self.turned, name("g_at") + v * lanes, lanes)
            yield Assign(f"g_{v}", Call("v_held", (f"g_{v}",)))
        for i, c, t in self.spots(group):
            at = name("x_at") + (c * self.lines.kind("c") + self.lines.taps[t][0])
            yield Assign("each", Call("v_splat", (Pointer(self.image, at),)))
            if len(vectors) > 1:
                yield Assign("each", Call("v_held", ("each",)))
            yield from (writer.fma(f"y_{i}_{v}", "each", f"g_{v}") for v in vectors)


@dataclass(frozen=True)
class Cut:
    """Places in blocks: levels outside, the level cut into blocks of `rows`, and the levels inside them.

    Attributes:
        group: blocks along the level that are added up before their sum joins the total; 0 where all are.
    """

    outer: tuple[Level, ...]
    blocked: Level
    rows: int
    within: tuple[Level, ...]
    group: int = 0

    @property
    def places(self) -> int:
        return self.rows * prod(level.extent for level in self.within)

    @property
    def single(self) -> bool:
        return self.rows == self.blocked.extent and not self.outer

    @property
    def count(self) -> int:
        """Blocks in all."""
        return prod(level.extent for level in self.outer) * -(-self.blocked.extent // self.rows)

    @property
    def groups(self) -> int:
        """Groups in all; 0 where there are none."""
        if not self.group:
            return 0
        return prod(level.extent for level in self.outer) * -(
            -self.blocked.extent // (self.rows * self.group)
        )

    @property
    def cut(self) -> tuple[int, ...]:
        """Terms of a block, and blocks of a group."""
        return (self.places, self.group) if self.group else (self.places,)

    @property
    def even(self) -> bool:
        return self.blocked.extent % self.rows == 0

    def around(
        self, body: tuple[Statement, ...], before: tuple[Statement, ...], after: tuple[Statement, ...]
    ) -> tuple[Statement, ...]:
        """The loops over blocks around what is done with each, before and after each group of blocks."""
        extent = self.blocked.extent
        if not self.even:
            left = Form.of(extent) - name("from_row")
            body = (Limit("rows", left, 1, 0, True, self.rows), *body)
        if self.group:
            size = self.rows * self.group
            first = Place("first_row", name("from_group"))
            last = Limit("last_row", name("from_group") + size, 1, 0, True, extent)
            blocks = Loop("from_row", "first_row", "last_row", self.rows, body)
            body = (Loop("from_group", 0, extent, size, (*before, first, last, blocks, *after)),)
        else:
            body = (Loop("from_row", 0, extent, self.rows, body),)
        for level in reversed(self.outer):
            body = (Loop(level.name, 0, level.extent, 1, body),)
        return body

    def image(self) -> Form:
        """Elements of the image from its first place to those of the block at hand."""
        outer = (name(level.name) * level.image for level in self.outer)
        return sum(outer, name("from_row") * self.blocked.image)

    def place(self) -> Form:
        """Places from the first to those of the block at hand."""
        outer = (name(level.name) * level.place for level in self.outer)
        return sum(outer, name("from_row") * self.blocked.place)


def cut_places(levels: tuple[Level, ...], most: int) -> Cut:
    """Blocks of at most so many places, of nearly one length, outer loops left outside."""
    inside = 1
    for number in reversed(range(len(levels))):
        level = levels[number]
        if inside * level.extent > most or number == 0:
            rows = min(max(most // inside, 1), level.extent)
            rows = -(-level.extent // -(-level.extent // rows))
            return grouped(Cut(levels[:number], level, rows, levels[number + 1 :]))
        inside *= level.extent
    raise AssertionError("levels are never empty")


def grouped(cut: Cut) -> Cut:
    """Many blocks in groups, about as many groups as blocks in each."""
    if cut.count < MANY:
        return cut
    along = -(-cut.blocked.extent // cut.rows)
    group = min(along, isqrt(cut.count))
    return replace(cut, group=-(-along // -(-along // group)))
