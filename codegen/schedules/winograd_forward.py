"""WINOGRAD: tiles of outputs from fewer products, with transforms before and after; lanes are channels.

    out tile = A [ sum over c of (G w G^T) * (B image tile B^T) ] A^T        A, B, G of `derive.toom`

Taps are transformed once (a part that packs), bands of tile rows one after another: their tiles transformed,
for each block of outputs all products as matrix products (tiles by channels by outputs), and the way back
while those are near. Where all tiles of all images make one band and taps are many, these are transformed
in steps: some channels of a block of outputs at a time, right before they are used, so that transformed taps
never leave the second cache. The gradient by the input is the same with taps that run backwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from codegen.loops import Assign, Buffer, Call, Do, If, Loop, Part, Place, Pointer, Statement
from codegen.schedules.nest import Target, mark
from codegen.schedules.planned import PACKED, Room, Scratch
from codegen.schedules.problem import Axis, Contraction
from codegen.schedules.winograd_cost import (
    MIDDLE,
    NEAR,
    again,
    of_back,
    of_filter,
    of_products,
    of_tiles,
    spilled,
    streamed,
)
from codegen.schedules.winograd_filter import Filter
from codegen.schedules.winograd_output import Back, by_weight
from codegen.schedules.winograd_product import Levels, Side, Tile
from codegen.schedules.winograd_tiles import Cut, Tiles
from derive.index import Form, Zero, name
from derive.toom import Transform


@dataclass(frozen=True)
class Winograd:
    """A plan for a contraction with result "out" on two axes.

    Attributes:
        over: the transforms of rows and columns.
        band: tile rows of a band.
        rows, vectors: of the register tile.
        steps: in which a block's taps are transformed and used; 0 where all are transformed ahead.
        images: of the batch whose tiles are transformed together, 1 or all.
    """

    contraction: Contraction
    target: Target
    over: tuple[Transform, Transform]
    band: int
    rows: int
    vectors: int
    levels: Levels
    accuracy: str = "strict"
    steps: int = 0
    images: int = 1

    @cached_property
    def filter(self) -> Filter:
        c = self.contraction
        down, along = c.axes
        taps = ((down.taps, down.tap_step), (along.taps, along.tap_step))
        matrices = (self.over[0].g, self.over[1].g)
        ins = c.ins // max(1, self.steps)
        size = (taps, matrices, self.vectors, self.target.lanes)
        return Filter(c.weight, c.groups, c.outs, ins, *size, self.steps)

    @cached_property
    def tiles(self) -> Tiles:
        c = self.contraction
        rows, columns = (cut(a, t) for a, t in zip(c.axes, self.over, strict=True))
        return Tiles(
            "image", c.image, "c", c.ins, c.batch, c.groups, rows, columns, self.band, self.target.lanes,
            images=self.images,
        )  # fmt: skip

    @cached_property
    def back(self) -> Back:
        c = self.contraction
        matrices = (self.over[0].a, self.over[1].a)
        orders = (by_weight(self.over[0]), by_weight(self.over[1]))
        size = (c.axes[0].out, c.axes[1].out)
        tiles = self.tiles.columns.tiles
        return Back(
            c.out,
            c.bias,
            c.after,
            matrices,
            orders,
            tiles,
            size,
            self.band,
            self.vectors,
            self.target.lanes,
            self.target.registers,
            self.images,
        )

    @property
    def order(self) -> tuple[object, ...]:
        """What the order of additions, and so every bit of the result, depends on."""
        return self.over, self.levels

    @property
    def bands(self) -> int:
        """Whole bands; what is left over is a band of its own."""
        return self.tiles.rows.tiles // self.band

    @property
    def once(self) -> bool:
        """Whether there is one band whose tiles are transformed ahead; threads share what is inside it."""
        c = self.contraction
        alone = c.batch == self.images and c.groups == 1 and self.band == self.tiles.rows.tiles
        return alone and (self.target.threads > 1 or self.steps > 0)

    @property
    def fits(self) -> bool:
        """Whether tensors lie as the parts need them, and a band's outputs fill a vector."""
        c, columns = self.contraction, self.contraction.axes[1]
        size = self.levels.block * self.levels.group
        even = self.steps <= 1 or c.ins % (self.steps * size) == 0
        shortest = min(self.back.rows(start, count) for start, count, _ in self.cuts) * columns.out
        bias = c.bias is None or c.bias.step("k") == 1
        lines = columns.out_step == 1 and c.axes[0].out_step == columns.out
        stepped = self.steps == 0 or (self.once and even)
        laid = self.tiles.fits and self.filter.fits and lines and bias
        together = self.images == 1 or self.once
        return stepped and together and laid and shortest >= self.target.lanes

    @property
    def cuts(self) -> list[tuple[int, int, int]]:
        """Bands of one kind: first tile row, tile rows of each, how many; the last rows may be cut off."""
        tall, step = self.tiles.rows.tiles, self.over[0].m
        whole = min(self.bands, self.contraction.axes[0].out // (step * self.band))
        found = [(0, self.band, whole)] if whole else []
        return found + [
            (start, min(self.band, tall - start), 1) for start in range(whole * self.band, tall, self.band)
        ]

    def cost(self) -> float:
        """Cycles of all stages; where threads share the bands, as if each had as many."""
        c, element, lanes = self.contraction, self.target.element, self.target.lanes
        taps, columns = self.filter, self.tiles.columns
        total = of_tiles(self.tiles, element) + c.outs // lanes * of_back(self.back, self.tiles.rows.tiles)
        uneven = 0.0
        for _, count, times in self.cuts:
            tiles = self.images * count * columns.tiles
            products = of_products(self.rows, self.levels, taps, tiles, element) / self.images
            total += times * taps.blocks * products
            turns, threads = taps.blocks if self.once else times, self.target.threads
            uneven += -(-turns // threads) * threads * count * times / turns
        total *= uneven / self.tiles.rows.tiles
        bands = c.batch // self.images * sum(times for _, _, times in self.cuts)
        band = self.tiles.products * self.tiles.plane + self.back.products * self.back.plane
        waits = streamed(taps, bands, element) + bands * c.groups * spilled(taps, band, element)
        waits += again(self.tiles, self.back, taps.blocks, element) if self.once else 0.0
        return c.batch * c.groups * total + waits + PACKED * of_filter(taps, element)

    def note(self) -> str:
        names = "x".join(f"F({t.m},{t.r})" for t in self.over)
        tile = f"tile of {self.rows} by {self.vectors} vectors"
        taps = f", taps of {self.filter.ins} channels at a time" if self.steps else ""
        band = f"bands of {self.band} tile rows" + (f" of {self.images} images" if self.images > 1 else "")
        return f"WINOGRAD {names}: {band}, {tile}, {self.levels.note()}{taps}"

    def scratch(self) -> tuple[Scratch, ...]:
        found = (*self.filter.scratch(), *self.tiles.scratch(), *self.back.scratch())
        together = {"image_tiles"} if self.once else set[str]()
        return tuple(replace(s, own=s.own and s.name not in together) for s in found)

    def statements(self, room: Room) -> tuple[Statement, ...]:
        parts = [self.filter.part(room), *self.tiles.whole(room)]
        if self.once:
            return *parts, *self._apart(room, parts[0].name if self.steps else "")
        for number, (start, count, times) in enumerate(self.cuts):
            parts.append(self._part(room, number, start, count, times))
        return tuple(parts)

    def _apart(self, room: Room, packing: str) -> Iterator[Part]:
        """The only band: threads share blocks of channels, then blocks of outputs, whole or in steps."""
        zero = Place("g", Form())
        ahead, body = self.tiles.block(room, Form(), self.band)
        body = (mark(room.mark()), zero, *ahead, *self._images(body))
        yield Part(room.part("image"), "block", self.tiles.blocks, body)
        rows = self.back.rows(0, self.band)
        inner = (zero, *self.back.constants(), *self._block(room, Form(), self.band, rows))
        body = (mark(room.mark()), *inner)
        blocks = self.filter.blocks
        yield Part(room.part("outputs"), "block", blocks, body, steps=self.steps, ahead=packing)

    def _images(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The same for every image of the only band."""
        if self.images > 1:
            return (Loop("n", 0, self.images, 1, body),)
        return (Place("n", Form()), *body) if self.once else body

    def _part(self, room: Room, number: int, start: int, count: int, times: int) -> Part:
        """The bands of one kind; the batch inside."""
        c = self.contraction
        first = name("band") * self.band + start
        back = self.back
        block = tuple(self._block(room, first, count, back.rows(start, count)))
        inner: tuple[Statement, ...] = (
            mark(room.mark()),
            *self.tiles.statements(room, first, count),
            Loop("block", 0, self.filter.blocks, 1, block),
        )
        inner = (*back.constants(), *inner)
        for index, extent in (("g", c.groups), ("n", c.batch)):
            inner = (Loop(index, 0, extent, 1, inner),) if extent > 1 else (Place(index, Form()), *inner)
        return Part(room.part(f"band_{number}"), "band", times, inner)

    def _block(self, room: Room, first: Form, count: int, rows: int) -> Iterator[Statement]:
        """One block of outputs of a band, or a step of it: its products, then each vector's way back."""
        sums, lines = room.scratch["sums"], room.scratch["lines"]
        yield Place("at_taps", self.filter.at(name("g"), name("block")))
        yield Place("k", name("block") * self.filter.wide)
        if self.adds:
            yield If((Zero(name("step")),), tuple(self._nothing(sums)))
        yield Loop("product", 0, self.filter.products, 1, tuple(self._products(room, count)))
        vectors = range(self.vectors)
        back = tuple(s for v in vectors for s in self.back.statements(sums, lines, v, first, count, rows))
        back = self._images(back)
        yield from (If((Zero(name("step") - (self.steps - 1)),), back),) if self.adds else back

    @property
    def adds(self) -> bool:
        """Whether a block's sums go on from one step to the next."""
        return self.steps > 1

    def _nothing(self, sums: Buffer) -> Iterator[Statement]:
        """The sums of a block before its first step."""
        store = Do(Call("v_store", (Pointer(sums, name("z")), "nothing")))
        yield Assign("nothing", Call("v_zero"))
        yield Loop("z", 0, self.back.products * self.back.plane, self.target.lanes, (store,))

    def _products(self, room: Room, count: int) -> Iterator[Statement]:
        """One product of all tiles of a band: whole register tiles and a smaller one."""
        tiles = self.images * count * self.tiles.columns.tiles
        whole, rest = divmod(tiles, self.rows)
        if whole:
            body = self._tile(room, self.rows, name("tile"), tiles > self.rows)
            yield Loop("tile", 0, whole * self.rows, self.rows, body)
        if rest:
            yield from self._tile(room, rest, Form.of(whole * self.rows), False)

    def _tile(self, room: Room, rows: int, tile: Form, asks: bool) -> tuple[Statement, ...]:
        """A register tile; it may ask for the next product's taps in advance, where these are few."""
        of, taps, back = self.tiles, self.filter, self.back
        spot = name("product") * of.plane + tile * of.apart
        spot += name("step") * taps.ins if self.adds else 0
        each = Side(room.scratch["image_tiles"], spot, of.apart, 1)
        at = name("at_taps") + name("product") * taps.plane
        line = Side(room.scratch["taps"], at, 0, taps.wide)
        out = Side(room.scratch["sums"], name("product") * back.plane + tile * back.apart, back.apart)
        size = (rows, self.vectors, self.target.lanes)
        ahead = taps.plane if asks and self.steps and taps.plane * self.target.element <= NEAR else 0
        far = self.once and of.products * of.plane * self.target.element > MIDDLE
        later = rows * of.apart if far and rows == self.rows else 0
        guard = self.levels.guard(self.target)
        return Tile(
            *size, each, line, out, taps.ins, self.levels, self.adds, ahead, later, guard
        ).statements()


def cut(axis: Axis, over: Transform) -> Cut:
    return Cut(over.b, over.m, axis.pad, axis.image, axis.image_step, -(-axis.out // over.m))
