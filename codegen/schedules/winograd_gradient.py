"""WINOGRAD for the gradient by the weight: taps as outputs, tiles of the output's gradient as taps.

    taps = A [ sum over tiles of (G o G^T) * (B image tile B^T) ] A^T       F(3, s): s by s places to a tile

Both tensors are cut into tiles and transformed, the products of all tiles are one matrix product for each of
the transform's products (channels by tiles by outputs), and taps come back for a block of outputs at a time.
Turns are blocks of outputs, never tiles: each entry is one sum in one order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from math import inf

from codegen.loops import Assign, Call, Do, Loop, Part, Place, Pointer, Statement
from codegen.schedules.nest import Target, mark
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd_cost import FARTHEST, MEMORY, SECOND, THIRD, all_of, of_back, of_tiles
from codegen.schedules.winograd_output import Back, by_weight
from codegen.schedules.winograd_product import Levels, Side, Tile
from codegen.schedules.winograd_tiles import Cut, Tiles
from derive.index import Form, name
from derive.toom import Transform

WAITED = 0.2
"""Share of the time to move tiles and sums that products do not hide (timed on six layers)."""
NEAR = 1280 * 2**10
"""Bytes of tiles and sums of a band that are read from the second cache for the most part."""
SPEEDS = (
    (NEAR, SECOND / WAITED),
    (12 * 2**20, THIRD / WAITED),
    (FARTHEST, 27.0),
    (inf, MEMORY),
)
"""Bytes a cycle at which tiles and sums of so many bytes are waited for (512@7, batches of 8)."""


@dataclass(frozen=True)
class Gradient:
    """A plan for a contraction with result "weight" on two axes.

    Attributes:
        over: F(taps, s) of rows and columns.
        band: tile rows of a band.
        span: outputs of a turn.
        rows, vectors: of the register tile.
        images: of the batch whose tiles are terms of one sum.
    """

    contraction: Contraction
    target: Target
    over: tuple[Transform, Transform]
    band: int
    span: int
    rows: int
    vectors: int
    levels: Levels
    accuracy: str = "strict"
    images: int = 1

    @cached_property
    def image(self) -> Tiles:
        c = self.contraction
        rows, columns = (
            Cut(t.b, t.r, a.pad, a.image, a.image_step, -(-a.out // t.r))
            for a, t in zip(c.axes, self.over, strict=True)
        )
        counts = (c.ins, c.batch, c.groups)
        cuts = (rows, columns, self.band)
        return Tiles("image", c.image, "c", *counts, *cuts, self.lanes, images=self.images)

    @cached_property
    def change(self) -> Tiles:
        """The tiles of the output's gradient, of the outputs of a turn."""
        c = self.contraction
        rows, columns = (
            Cut(t.g, t.r, 0, a.out, a.out_step, -(-a.out // t.r))
            for a, t in zip(c.axes, self.over, strict=True)
        )
        counts = (self.span, c.batch, c.groups)
        cuts = (rows, columns, self.band)
        return Tiles("change", c.out, "k", *counts, *cuts, self.lanes, "turn_of", self.turns, self.images)

    @cached_property
    def back(self) -> Back:
        """Taps: a channel of the image is a row of tiles with one tile."""
        c, (down, along) = self.contraction, self.over
        orders = (by_weight(down), by_weight(along))
        size = (c.ins * down.m, along.m)
        vectors = self.span // self.lanes
        return Back(
            c.weight,
            None,
            None,
            (down.a, along.a),
            orders,
            1,
            size,
            c.ins,
            vectors,
            self.lanes,
            self.target.registers,
        )

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @property
    def order(self) -> tuple[object, ...]:
        """What the order of additions, and so every bit of the result, depends on."""
        return self.over, self.levels, self.band, self.images

    @property
    def turns(self) -> int:
        return self.contraction.outs // self.span

    @property
    def once(self) -> bool:
        """Whether there is one band, whose image tiles serve all turns."""
        c = self.contraction
        return c.batch == self.images and c.groups == 1 and self.band == self.image.rows.tiles

    @property
    def fits(self) -> bool:
        """Whether tensors lie as the parts need them."""
        c, (down, along) = self.contraction, self.contraction.axes
        even = c.outs % self.span == 0 and self.span % (self.vectors * self.lanes) == 0
        taps = along.tap_step == 1 and down.tap_step == along.taps
        taps = taps and c.weight.step("c") == down.taps * along.taps and c.ins * c.taps >= self.lanes
        together = self.images == 1 or self.once
        return even and taps and together and self.image.fits and self.change.fits

    @property
    def cuts(self) -> list[tuple[int, int, int]]:
        """Bands of one kind: first tile row, tile rows of each, how many."""
        whole, rest = divmod(self.image.rows.tiles, self.band)
        return [(0, self.band, whole)] + ([(whole * self.band, rest, 1)] if rest else [])

    def cost(self) -> float:
        """Cycles of all stages; where threads share the turns, as if each had as many."""
        c, element = self.contraction, self.target.element
        times = 1 if self.once else self.turns
        total = times * of_tiles(self.image, element) + self.turns * of_tiles(self.change, element)
        blocks = self.turns * (self.span // (self.vectors * self.lanes))
        for _, count, many in self.cuts:
            terms = self.images * count * self.image.columns.tiles
            total += many * blocks * self.image.products * self._sweep(terms) / self.images
        total = c.batch * total + self.turns * self._moved()
        uneven = -(-self.turns // self.target.threads) * self.target.threads / self.turns
        return uneven * c.groups * (total + c.outs // self.lanes * of_back(self.back, c.ins))

    def _moved(self) -> float:
        """Cycles that one turn waits for tiles and sums, by the cache that they stay in."""
        element = self.target.element
        bands = self.contraction.batch // self.images * sum(many for _, _, many in self.cuts)
        sums = self.back.products * self.back.plane * element
        tiles = self.image.products * (self.image.plane + self.change.plane) * element
        near = sums + tiles <= NEAR
        moved = bands * tiles * (1 if near else 2) + (2 * bands + 1) * sums
        waits = moved / next(speed for most, speed in SPEEDS if sums + tiles <= most)
        return waits + (all_of(self.image, element) if self.images > 1 else 0.0)

    def _sweep(self, terms: int) -> float:
        """Cycles of one product of all channels with one block of outputs."""
        whole, rest = divmod(self.contraction.ins, self.rows)
        cycles = whole * self.levels.cycles(self.rows, self.vectors, terms)
        return cycles + (self.levels.cycles(rest, self.vectors, terms) if rest else 0.0)

    def note(self) -> str:
        names = "x".join(f"F({t.m},{t.r})" for t in self.over)
        tile = f"tile of {self.rows} by {self.vectors} vectors"
        of = f" of {self.images} images" if self.images > 1 else ""
        return (
            f"WINOGRAD {names} with taps as outputs: bands of {self.band} tile rows{of}, {self.span} outputs "
            f"a turn, {tile}, {self.levels.note()}"
        )

    def scratch(self) -> tuple[Scratch, ...]:
        found = (*self.image.scratch(), *self.change.scratch(), *self.back.scratch())
        shared = {"image_tiles"} if self.once else set[str]()
        return tuple(Scratch(s.name, s.count, s.copied, s.own and s.name not in shared) for s in found)

    def statements(self, room: Room) -> tuple[Statement, ...]:
        parts = [*self.image.whole(room), *self.change.whole(room)]
        if self.once:
            ahead, body = self.image.block(room, Form(), self.band)
            body = (mark(room.mark()), Place("g", Form()), *ahead, *self._images(body))
            parts.append(Part(room.part("image"), "block", self.image.blocks, body))
        return *parts, Part(room.part("taps"), "turn_of", self.turns, tuple(self._turn(room)))

    def _images(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The same for every image of the only band."""
        return (Loop("n", 0, self.images, 1, body),) if self.images > 1 else (Place("n", Form()), *body)

    def _turn(self, room: Room) -> Iterator[Statement]:
        """The outputs of one turn, group after group."""
        c = self.contraction
        sums, lines = room.scratch["sums"], room.scratch["lines"]
        body: list[Statement] = [mark(room.mark())]
        if not self.once:
            body += self._nothing(room)
        inner: list[Statement] = []
        for start, count, many in self.cuts:
            first = Form.of(start) + (name("band") * self.band if many > 1 else 0)
            band = tuple(self._band(room, first, count))
            inner += [Loop("band", 0, many, 1, band)] if many > 1 else band
        body += [Loop("n", 0, c.batch, 1, tuple(inner))] if c.batch > self.images else inner
        for vector in range(self.span // self.lanes):
            body += self.back.statements(sums, lines, vector, Form(), c.ins, c.ins * self.over[0].m)
        yield Place("k", name("turn_of") * self.span)
        yield Place("n", Form())
        yield from self.back.constants()
        if c.groups > 1:
            yield Loop("g", 0, c.groups, 1, tuple(body))
        else:
            yield Place("g", Form())
            yield from body

    def _nothing(self, room: Room) -> Iterator[Statement]:
        """The sums of a turn before the first band."""
        count = self.back.products * self.back.plane
        store = Do(Call("v_store", (Pointer(room.scratch["sums"], name("z")), "nothing")))
        yield Assign("nothing", Call("v_zero"))
        yield Loop("z", 0, count, self.lanes, (store,))

    def _band(self, room: Room, first: Form, count: int) -> Iterator[Statement]:
        """Both tensors' tiles of a band and all of its products."""
        if not self.once:
            yield from self.image.statements(room, first, count)
        ahead, body = self.change.block(room, first, count)
        block = (Loop("block", 0, self.change.blocks, 1, body),)
        yield from (*ahead, *(self._images(block) if self.images > 1 else block))
        whole, rest = divmod(self.contraction.ins, self.rows)
        terms, wide = self.images * count * self.image.columns.tiles, self.vectors * self.lanes
        inner: list[Statement] = []
        if whole:
            tile = self._tile(room, self.rows, name("channel"), terms)
            inner.append(Loop("channel", 0, whole * self.rows, self.rows, tile))
        if rest:
            inner += self._tile(room, rest, Form.of(whole * self.rows), terms)
        yield Loop("product", 0, self.image.products, 1, (Loop("wide", 0, self.span, wide, tuple(inner)),))

    def _tile(self, room: Room, rows: int, channel: Form, terms: int) -> tuple[Statement, ...]:
        image, change, back = self.image, self.change, self.back
        product, wide = name("product"), name("wide")
        each = Side(room.scratch["image_tiles"], product * image.plane + channel, 1, image.apart)
        line = Side(room.scratch["change_tiles"], product * change.plane + wide, 0, change.apart)
        out = Side(room.scratch["sums"], product * back.plane + channel * back.apart + wide, back.apart)
        size = (rows, self.vectors, self.lanes)
        guard = self.levels.guard(self.target)
        return Tile(*size, each, line, out, terms, self.levels, not self.once, guard=guard).statements()
