"""WINOGRAD LINE: one axis folded into rows of a few places, so that nested transforms serve its many taps.

    y[D p + s] = sum over a, b of w[D a + b] x[D (p + a) + s + b]        0 <= s, b < D

is a correlation of rows p with taps a, whose terms are correlations of s with b. F(m, r) goes over the rows;
the D by D taps of the columns are transformed by F(D, D), or stay D terms of the same sums. Taps are
transformed once (a part that packs), bands of tiles one after another, as in `winograd_forward`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property

from codegen.loops import Loop, Part, Place, Statement
from codegen.schedules.nest import Target, mark
from codegen.schedules.planned import PACKED, Room, Scratch
from codegen.schedules.problem import Axis, Contraction
from codegen.schedules.winograd_apply import Matrix
from codegen.schedules.winograd_cost import of_back, of_filter, of_products, spilled, streamed
from codegen.schedules.winograd_filter import Filter
from codegen.schedules.winograd_line_tiles import LineTiles
from codegen.schedules.winograd_output import Back, by_weight
from codegen.schedules.winograd_product import Levels, Side, Tile
from derive.index import Form, name
from derive.toom import Transform


@dataclass(frozen=True)
class LineFilter(Filter):
    """Taps whose columns are not transformed: each is another channel of the same product."""

    @property
    def plane(self) -> int:
        return self.ins * self.wide


@dataclass(frozen=True)
class Line:
    """A plan for a contraction with result "out" on one axis.

    Attributes:
        over: the transform of rows.
        columns: F(D, D), or None where taps of the columns are terms.
        pitch: D, places of a row; the axis has D times as many taps as `over`.
        band: tiles of a band.
        rows, vectors: of the register tile.
    """

    contraction: Contraction
    target: Target
    over: Transform
    columns: Transform | None
    pitch: int
    band: int
    rows: int
    vectors: int
    levels: Levels
    accuracy: str = "strict"

    @property
    def axis(self) -> Axis:
        return self.contraction.axes[0]

    @property
    def joined(self) -> int:
        """Terms that the columns' taps make of a channel."""
        return 1 if self.columns else self.pitch

    @property
    def sides(self) -> int:
        """Products of the columns."""
        return self.columns.n if self.columns else self.pitch

    @cached_property
    def filter(self) -> Filter:
        c, step = self.contraction, self.axis.tap_step
        taps = ((self.over.r, self.pitch * step), (self.pitch, step))
        matrices = (self.over.g, self.columns.g if self.columns else unit(self.pitch))
        kind = Filter if self.columns else LineFilter
        return kind(c.weight, c.groups, c.outs, c.ins, taps, matrices, self.vectors, self.target.lanes)

    @cached_property
    def tiles(self) -> LineTiles:
        c, step = self.contraction, self.over.m
        count = -(-self.axis.out // (step * self.pitch))
        along = self.columns.b if self.columns else None
        return LineTiles(
            "image", c.image, c.ins, self.over.b, along, 2 * self.pitch - 1, self.pitch, step,
            self.axis.pad, self.axis.image, count, self.band, self.target.lanes,
        )  # fmt: skip

    @cached_property
    def back(self) -> Back:
        c = self.contraction
        along = self.columns.a if self.columns else unit(self.pitch)
        orders = by_weight(self.over), by_weight(self.columns) if self.columns else tuple(range(self.pitch))
        size = (-(-self.axis.out // self.pitch), self.pitch)
        return Back(
            c.out, c.bias, c.after, (self.over.a, along), orders, 1, size, self.band,
            self.vectors, self.target.lanes, self.target.registers,
        )  # fmt: skip

    @property
    def order(self) -> tuple[object, ...]:
        """What the order of additions, and so every bit of the result, depends on."""
        return self.over, self.columns, self.pitch, self.levels

    @cached_property
    def cuts(self) -> list[tuple[int, int, int]]:
        """Bands of one kind: first tile, tiles of each, how many; the last places may be cut off."""
        tiles, band = self.tiles.tiles, self.band
        whole = self.axis.out // (self.over.m * self.pitch * band)
        found = [(0, band, whole)] if whole else []
        return found + [(s, min(band, tiles - s), 1) for s in range(whole * band, tiles, band)]

    def outputs(self, start: int, count: int) -> int:
        """Places of the result in so many tiles from one on."""
        size = self.over.m * self.pitch
        return min(count * size, self.axis.out - start * size)

    @property
    def fits(self) -> bool:
        """Whether tensors lie as the parts need them, and every band's places fill a vector."""
        c, axis, lanes = self.contraction, self.axis, self.target.lanes
        return (
            c.ins % lanes == 0
            and self.filter.fits
            and axis.out_step == axis.image_step == 1
            and (c.bias is None or c.bias.step("k") == 1)
            and axis.image >= lanes
            and min(self.outputs(start, count) for start, count, _ in self.cuts) >= lanes
        )

    def cost(self) -> float:
        """Cycles of all stages; where threads share the bands, as if each had as many."""
        c, element, lanes = self.contraction, self.target.element, self.target.lanes
        taps, tiles = self.filter, self.tiles.tiles
        total = self.tiles.cost(element) + c.outs // lanes * of_back(self.back, tiles)
        terms, uneven = replace(taps, ins=taps.ins * self.joined), 0.0
        for _, count, times in self.cuts:
            total += times * taps.blocks * of_products(self.rows, self.levels, terms, count, element)
            uneven += -(-times // self.target.threads) * self.target.threads * count
        total *= uneven / tiles
        bands = c.batch * sum(times for _, _, times in self.cuts)
        band = self.tiles.count + self.back.products * self.back.plane
        waits = streamed(taps, bands, element) + bands * c.groups * spilled(taps, band, element)
        return c.batch * c.groups * total + waits + PACKED * of_filter(taps, element)

    def note(self) -> str:
        columns = f"x{self.columns.name}" if self.columns else f", {self.pitch} taps of a row as terms"
        columns = "" if self.pitch == 1 else columns
        tile = f"tile of {self.rows} by {self.vectors} vectors"
        name = f"WINOGRAD LINE {self.over.name}{columns}"
        return f"{name}: bands of {self.band} tiles, {tile}, {self.levels.note()}"

    def scratch(self) -> tuple[Scratch, ...]:
        return *self.filter.scratch(), *self.tiles.scratch(), *self.back.scratch()

    def statements(self, room: Room) -> tuple[Statement, ...]:
        parts = [self.filter.part(room)]
        for number, cut in enumerate(self.cuts):
            parts.append(self._part(room, number, *cut))
        return tuple(parts)

    def _part(self, room: Room, number: int, start: int, count: int, times: int) -> Part:
        """The bands of one kind; the batch inside."""
        c = self.contraction
        first = Form.of(start) + (name("band") * self.band if times > 1 else 0)
        block = tuple(self._block(room, first, count, self.outputs(start, count)))
        inner: tuple[Statement, ...] = (
            mark(room.mark()),
            *self.tiles.statements(room, first, count),
            Loop("block", 0, self.filter.blocks, 1, block),
        )
        inner = (*self.back.constants(), *inner)
        for index, extent in (("g", c.groups), ("n", c.batch)):
            inner = (Loop(index, 0, extent, 1, inner),) if extent > 1 else (Place(index, Form()), *inner)
        return Part(room.part(f"band_{number}"), "band", times, inner)

    def _block(self, room: Room, first: Form, count: int, places: int) -> Iterator[Statement]:
        """One block of outputs of a band: its products, then each vector's way back."""
        yield Place("at_taps", self.filter.at(name("g"), name("block")))
        yield Place("k", name("block") * self.filter.wide)
        side = Loop("side", 0, self.sides, 1, tuple(self._products(room, count)))
        yield Loop("product", 0, self.over.n, 1, (side,))
        for vector in range(self.vectors):
            yield from self.back.places(
                room.scratch["sums"], room.scratch["lines"], vector, first, count, places
            )

    def _products(self, room: Room, count: int) -> Iterator[Statement]:
        """One product of all tiles of a band: whole register tiles and a smaller one."""
        whole, rest = divmod(count, self.rows)
        if whole:
            yield Loop("tile", 0, whole * self.rows, self.rows, self._tile(room, self.rows, name("tile")))
        if rest:
            yield from self._tile(room, rest, Form.of(whole * self.rows))

    def _tile(self, room: Room, rows: int, tile: Form) -> tuple[Statement, ...]:
        of, taps, back = self.tiles, self.filter, self.back
        product, side = name("product"), name("side")
        number = product * self.sides + side
        at = product * of.level + side * of.plane + tile * of.apart
        each = Side(room.scratch["image_tiles"], at, of.apart, 1)
        # Taps of the columns that are terms follow one another: `side` moves the image alone.
        taps_at = name("at_taps") + (number if self.columns else product * self.pitch) * taps.plane
        line = Side(room.scratch["taps"], taps_at, 0, taps.wide)
        out = Side(room.scratch["sums"], number * back.plane + tile * back.apart, back.apart)
        size = (rows, self.vectors, self.target.lanes)
        guard, terms = self.levels.guard(self.target), self.joined * self.contraction.ins
        return Tile(*size, each, line, out, terms, self.levels, guard=guard).statements()


def unit(size: int) -> Matrix:
    """The matrix that changes nothing."""
    return tuple(tuple(Fraction(int(i == j)) for j in range(size)) for i in range(size))
