"""Owns the transform of a tensor's tiles: lanes are channels, to[x, y][tile][channel] = P tile Q^T.

A band of rows is turned so that channels lie in lanes (`v_transpose`), the rows of P are applied down its
columns, the rows of Q along what that gave; columns outside the tensor are zeros written once, rows outside
it are zeros in the turned band. Narrow tensors are turned whole by a part of their own, since a row is
shorter than a vector there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, If, Loop, Part, Place, Pointer, Statement
from codegen.schedules.nest import mark
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Operand
from codegen.schedules.winograd_apply import Applied, Matrix, declared
from derive.index import Form, Within, name

FAR = 2**20
"""More rows than a tensor of a kernel has."""


@dataclass(frozen=True)
class Cut:
    """One axis cut into overlapping tiles: tile t reads places step * t - pad + i, i < reads.

    Attributes:
        matrix: what is applied to a tile, n rows of `reads` entries.
        extent: places of the tensor; outside them it is zero.
        unit: elements from one place to the next.
        tiles: in all.
    """

    matrix: Matrix
    step: int
    pad: int
    extent: int
    unit: int
    tiles: int

    @property
    def reads(self) -> int:
        return len(self.matrix[0])

    @property
    def n(self) -> int:
        return len(self.matrix)

    def places(self, tiles: int) -> int:
        """Places that so many tiles read."""
        return self.step * (tiles - 1) + self.reads


@dataclass(frozen=True)
class Tiles:
    """A tensor whose bands of tile rows are transformed.

    Attributes:
        title: of its buffers.
        kind: of index that the lanes are, "c" or "k"; `channels` of them, a multiple of `lanes`.
        band: tile rows of a band.
        share, shares: the number of the share of all channels that is taken, and how many there are.
        images: of the batch, whose tiles of a band lie one image after another in the result.
    """

    title: str
    operand: Operand
    kind: str
    channels: int
    batch: int
    groups: int
    rows: Cut
    columns: Cut
    band: int
    lanes: int
    share: str = ""
    shares: int = 1
    images: int = 1

    @property
    def narrow(self) -> bool:
        """Whether the tensor is turned whole, ahead."""
        return self.columns.extent < self.lanes

    @property
    def blocks(self) -> int:
        return self.channels // self.lanes

    @property
    def apart(self) -> int:
        """Elements from one tile to the next in the result: no power of two."""
        return self.channels + 16

    @property
    def image(self) -> int:
        """Elements of the result that belong to one product and image."""
        return self.band * self.columns.tiles * self.apart

    @property
    def plane(self) -> int:
        """Elements of the result that belong to one product."""
        return self.images * self.image + 16

    @property
    def products(self) -> int:
        return self.rows.n * self.columns.n

    @property
    def reach(self) -> int:
        """Rows of a turned band, or of the whole turned tensor."""
        return self.rows.places(self.rows.tiles if self.narrow else self.band)

    @property
    def line(self) -> int:
        """Places of a row after the first transform, zeros beside it included."""
        return self.columns.places(self.columns.tiles)

    @property
    def inside(self) -> tuple[int, int]:
        """First and last but one column of the tensor that any tile reads."""
        return max(0, -self.columns.pad), min(self.columns.extent, self.line - self.columns.pad)

    @property
    def fits(self) -> bool:
        """Whether the tensor lies as this schedule needs it."""
        rows, columns = self.rows, self.columns
        return (
            self.channels % self.lanes == 0
            and columns.unit == 1
            and (rows.extent == 1 or rows.unit == columns.extent)
            and rows.extent * columns.extent >= self.lanes
            and self.inside[0] < self.inside[1]
        )

    def scratch(self) -> Iterator[Scratch]:
        """The turned band or tensor, the half transformed rows, and the result."""
        turned = self.reach * self.columns.extent * self.lanes
        planes = self.batch * self.groups * self.shares * self.blocks
        if self.narrow:
            yield Scratch(f"{self.title}_turned", turned * planes)
        else:
            yield Scratch(f"{self.title}_turned", turned, own=True)
        yield Scratch(f"{self.title}_half", self.rows.n * self.line * self.lanes, own=True)
        yield Scratch(f"{self.title}_tiles", self.products * self.plane, own=True)

    def whole(self, room: Room) -> Iterator[Part]:
        """The part that turns a narrow tensor."""
        if not self.narrow:
            return
        size = self.reach * self.columns.extent * self.lanes
        inner: tuple[Statement, ...] = (
            mark(room.mark()),
            Place("to", self._plane * size),
            Place("origin", self._origin()),
            *self._run(room.scratch[f"{self.title}_turned"], name("to"), name("origin")),
        )
        for index, count in (("g", self.groups), ("n", self.batch)):
            inner = (Loop(index, 0, count, 1, inner),)
        yield Part(room.part(f"turn_{self.title}"), "block", self.shares * self.blocks, inner)

    @property
    def _plane(self) -> Form:
        """The number of a block of channels in the turned tensor, shares apart."""
        return (name("n") * self.groups + name("g")) * (self.shares * self.blocks) + name("block")

    def _origin(self) -> Form:
        """Where a block of channels of a batch and group begins in the tensor."""
        of = self.operand
        steps = {"n": of.step("n"), "g": of.step("g"), "block": of.step(self.kind) * self.lanes}
        return Form.of(of.base) + sum((name(i) * s for i, s in steps.items()), Form())

    @property
    def _shared(self) -> Form:
        """Channels of the tensor before those of this share."""
        return name(self.share) * self.channels if self.share else Form()

    def _run(self, turned: Buffer, to: Form, origin: Form) -> Iterator[Statement]:
        """All rows as one run of places, zeros before and after it."""
        first = max(0, -self.rows.pad)
        last = min(self.rows.extent, self.reach - self.rows.pad)
        width = self.columns.extent
        start = (first + self.rows.pad) * width
        stop = (last + self.rows.pad) * width
        yield from self._zeros(turned, to, 0, start)
        yield from self._turned(turned, to + start * self.lanes, origin + first * width, stop - start)
        yield from self._zeros(turned, to, stop, self.reach * width)

    def _zeros(self, to: Buffer, at: Form, start: int, stop: int) -> Iterator[Statement]:
        """Vectors of zeros at places start .. stop - 1."""
        if start < stop:
            store = Do(Call("v_store", (Pointer(to, at + name("z") * self.lanes), "nothing")))
            yield Assign("nothing", Call("v_zero"))
            yield Loop("z", start, stop, 1, (store,))

    def _turned(self, to: Buffer, at: Form, origin: Form, count: int) -> Iterator[Statement]:
        """A run of places of a block of channels, place by place; the last vectors may overlap."""
        lanes, step = self.lanes, self.operand.step(self.kind)

        def turn(place: Form | int) -> Statement:
            into, of = Pointer(to, at + place * lanes), Pointer(self.operand.buffer, origin + place)
            return Do(Call("v_transpose", (into, of, lanes, step)))

        if count >= 2 * lanes:
            yield Loop("p", 0, count // lanes * lanes, lanes, (turn(name("p")),))
        elif count >= lanes:
            yield turn(Form())
        if count % lanes:
            yield turn(Form.of(count - lanes))

    def margins(self, room: Room) -> Iterator[Statement]:
        """The zeros beside the half transformed rows, which nothing else writes."""
        half = room.scratch[f"{self.title}_half"]
        first, last = self.inside
        for start, stop in ((0, first + self.columns.pad), (last + self.columns.pad, self.line)):
            for x in range(self.rows.n):
                yield from self._zeros(half, Form.of(x * self.line * self.lanes), start, stop)

    def statements(self, room: Room, start: Form, count: int) -> tuple[Statement, ...]:
        """All blocks of channels of one band; n and g are set.

        Args:
            start: the band's first tile row.
            count: tile rows of this band, at most `band`.
        """
        ahead, body = self.block(room, start, count)
        return *ahead, Loop("block", 0, self.blocks, 1, body)

    def block(
        self, room: Room, start: Form, count: int
    ) -> tuple[tuple[Statement, ...], tuple[Statement, ...]]:
        """What comes ahead, and one block of channels, whose number is `block`."""
        down, along = Applied("d"), Applied("a")
        inner = (
            *self._band(room, start, count),
            Loop("row", 0, count, 1, (*self._down(room, down, start), *self._along(room, along))),
        )
        known = declared(down.constants | along.constants)
        return (*known, *self.margins(room)), (
            Place("origin", self._origin() + self._shared * self.operand.step(self.kind)),
            *inner,
        )

    def _band(self, room: Room, start: Form, count: int) -> Iterator[Statement]:
        """The rows of a band turned."""
        if self.narrow:
            return
        turned, width = room.scratch[f"{self.title}_turned"], self.columns.extent
        at, line = name("r") * (width * self.lanes), name("line")
        high = Form.of(self.rows.extent)
        body: list[Statement] = [Place("line", start * self.rows.step + name("r") - self.rows.pad)]
        moved = self._turned(turned, at, name("origin") + line * self.rows.unit, width)
        body.append(If((Within(line, high),), tuple(moved)))
        for beyond in (-1 - line, line - high):
            zeros = tuple(self._zeros(turned, at, 0, width))
            body.append(If((Within(beyond, Form.of(FAR)),), zeros))
        yield Loop("r", 0, self.rows.places(count), 1, tuple(body))

    def _down(self, room: Room, work: Applied, start: Form) -> Iterator[Statement]:
        """The rows of P applied to each column of one tile row."""
        turned, half = (room.scratch[f"{self.title}_{b}"] for b in ("turned", "half"))
        width, lanes = self.columns.extent * self.lanes, self.lanes
        row = name("row") * self.rows.step
        if self.narrow:
            plane = self._plane + (name(self.share) * self.blocks if self.share else Form())
            row = plane * self.reach + row + start * self.rows.step
        yield Place("from_row", row * width)
        first, last = self.inside
        at = name("from_row") + name("column") * lanes
        sources = [f"x_{i}" for i in range(self.rows.reads)]
        loads = [Assign(s, Call("v_load", (Pointer(turned, at + i * width),))) for i, s in enumerate(sources)]
        results = work.apply(self.rows.matrix, sources)
        to = (name("column") + self.columns.pad) * lanes
        stores = [
            Do(Call("v_store", (Pointer(half, to + x * self.line * lanes), r))) for x, r in enumerate(results)
        ]
        yield Loop("column", first, last, 1, (*loads, *work.body, *stores))

    def _along(self, room: Room, work: Applied) -> Iterator[Statement]:
        """The rows of Q applied to each tile of each half transformed row."""
        half, tiles = (room.scratch[f"{self.title}_{b}"] for b in ("half", "tiles"))
        columns, lanes = self.columns, self.lanes
        at = (name("half_row") * self.line + name("tile") * columns.step) * lanes
        sources = [f"x_{i}" for i in range(columns.reads)]
        loads = [
            Assign(s, Call("v_load", (Pointer(half, name("at") + i * lanes),))) for i, s in enumerate(sources)
        ]
        results = work.apply(columns.matrix, sources)
        to = (name("row") * columns.tiles + name("tile")) * self.apart + name("block") * lanes
        to += name("n") * self.image if self.images > 1 else 0
        into = Place("to", name("half_row") * (columns.n * self.plane) + to)
        stores = [
            Do(Call("v_store", (Pointer(tiles, name("to") + y * self.plane), r)))
            for y, r in enumerate(results)
        ]
        body = (Place("at", at), into, *loads, *work.body, *stores)
        yield Loop("half_row", 0, self.rows.n, 1, (Loop("tile", 0, columns.tiles, 1, body),))
