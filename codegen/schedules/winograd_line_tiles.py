"""Owns the transform of a line's tiles: lanes are channels, a line is rows of a few places each.

A place is pitch * row + column, so a tile of rows reads columns 0 .. 2 * pitch - 2 of each of its rows: those
beyond the pitch are the next row's first ones. A band of places is turned so that channels lie in lanes, with
zeros outside the line; P goes down the rows, Q along the columns. Where columns are not transformed they lie
beside the channels, so that taps along them are more terms of the same sums.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.loops import Assign, Call, Do, If, Loop, Place, Pointer, Statement
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Operand
from codegen.schedules.winograd_apply import Applied, Matrix, declared
from codegen.schedules.winograd_cost import SECOND, TURN, applied
from derive.index import Form, Within, name

FAR = 2**20
"""More places than a line of a kernel has."""


@dataclass(frozen=True)
class LineTiles:
    """A tensor on one axis, cut into tiles that begin `step` rows apart.

    Attributes:
        title: of its buffers.
        down: what is applied to the rows of a tile.
        along: what is applied to the columns; None leaves them as they are.
        columns: that a row's tile reads.
        pad: places before the line that the first tile reads, of any sign.
        extent: places of the line.
        tiles: in all; `band` of them at a time.
    """

    title: str
    operand: Operand
    channels: int
    down: Matrix
    along: Matrix | None
    columns: int
    pitch: int
    step: int
    pad: int
    extent: int
    tiles: int
    band: int
    lanes: int

    @property
    def blocks(self) -> int:
        return self.channels // self.lanes

    @property
    def apart(self) -> int:
        """Elements from one tile to the next in the result: no power of two."""
        return self.channels * (1 if self.along else self.columns) + 16

    @property
    def plane(self) -> int:
        """Elements from one number of the columns to the next in the result."""
        return self.band * self.apart + 16 if self.along else self.channels

    @property
    def level(self) -> int:
        """Elements from one number of the rows to the next in the result."""
        return len(self.along) * self.plane if self.along else self.band * self.apart + 16

    @property
    def count(self) -> int:
        """Elements of the result."""
        return len(self.down) * self.level

    def reach(self, tiles: int) -> int:
        """Places that so many tiles read."""
        rows = self.step * (tiles - 1) + len(self.down[0])
        return self.pitch * (rows - 1) + self.columns

    @property
    def turns(self) -> int:
        """Vectors of places that a band is turned in."""
        return -(-self.reach(self.band) // self.lanes)

    def scratch(self) -> Iterator[Scratch]:
        """The turned band, half transformed rows of a tile, and the result."""
        yield Scratch(f"{self.title}_turned", (self.turns + 2) * self.lanes**2, own=True)
        if self.along:
            yield Scratch(f"{self.title}_half", len(self.down) * self.columns * self.lanes, own=True)
        yield Scratch(f"{self.title}_tiles", self.count, own=True)

    def cost(self, element: int) -> float:
        """Cycles for all bands of one batch and group: turning, both transforms, what is stored."""
        bands = -(-self.tiles // self.band)
        turned = bands * self.turns * self.lanes * (TURN + 0.5)
        each = self.columns * applied(self.down) + 4.0
        products = len(self.down) * self.columns
        if self.along:
            each += len(self.down) * applied(self.along)
            products = len(self.down) * len(self.along)
        # What is stored is read again by the products.
        stored = products * self.lanes * element / SECOND
        return self.blocks * (turned + self.tiles * (each + stored))

    def statements(self, room: Room, first: Form, tiles: int) -> Iterator[Statement]:
        """All blocks of channels of one band, so many tiles from the first on; n and g are set."""
        down, along = Applied("d"), Applied("a")
        row = (*self._down(room, down), *(self._along(room, along) if self.along else ()))
        of = self.operand
        at = name("n") * of.step("n") + name("g") * of.step("g") + name("block") * (of.step("c") * self.lanes)
        band = Loop("p", 0, -(-self.reach(tiles) // self.lanes), 1, tuple(self._turned(room, first)))
        body = (Place("origin", Form.of(of.base) + at), band, Loop("row", 0, tiles, 1, row))
        yield from declared(down.constants | along.constants)
        yield Loop("block", 0, self.blocks, 1, body)

    def _turned(self, room: Room, first: Form) -> Iterator[Statement]:
        """A vector of places: turned, zeros outside the line, at its ends the first or last ones there are.

        Those lie where they belong, in part beside this vector: room before and after a band is for that.
        """
        lanes, turned = self.lanes, room.scratch[f"{self.title}_turned"]
        place, last = name("place"), self.extent - self.lanes
        at = (name("p") + 1) * lanes**2

        def turn(origin: Form) -> Statement:
            into = Pointer(turned, at + (origin - place) * lanes)
            image = Pointer(self.operand.buffer, name("origin") + origin)
            return Do(Call("v_transpose", (into, image, lanes, self.operand.step("c"))))

        store = Do(Call("v_store", (Pointer(turned, at + name("z") * lanes), "nothing")))
        zeros = (Assign("nothing", Call("v_zero")), Loop("z", 0, lanes, 1, (store,)))
        yield Place("place", first * (self.step * self.pitch) + name("p") * lanes - self.pad)
        yield If((Within(place, Form.of(last + 1)),), (turn(place),))
        for beyond, end in ((-1 - place, Form()), (place - last - 1, Form.of(last))):
            yield If((Within(beyond, Form.of(FAR)),), zeros)
            yield If((Within(beyond, Form.of(lanes - 1)),), (turn(end),))

    def _down(self, room: Room, work: Applied) -> Iterator[Statement]:
        """The rows of P applied to each column of one tile."""
        lanes = self.lanes
        yield Place("from_row", name("row") * (self.step * self.pitch * lanes) + lanes**2)
        yield Place("to", name("row") * self.apart + name("block") * lanes)
        at = name("from_row") + name("column") * lanes
        sources = [f"x_{i}" for i in range(len(self.down[0]))]
        turned = room.scratch[f"{self.title}_turned"]
        body: list[Statement] = [
            Assign(s, Call("v_load", (Pointer(turned, at + i * (self.pitch * lanes)),)))
            for i, s in enumerate(sources)
        ]
        results = work.apply(self.down, sources)
        body += work.body
        for x, result in enumerate(results):
            if self.along:
                half = name("column") * lanes + x * self.columns * lanes
                to = Pointer(room.scratch[f"{self.title}_half"], half)
            else:
                side = name("to") + name("column") * self.plane + x * self.level
                to = Pointer(room.scratch[f"{self.title}_tiles"], side)
            body.append(Do(Call("v_store", (to, result))))
        yield Loop("column", 0, self.columns, 1, tuple(body))

    def _along(self, room: Room, work: Applied) -> Iterator[Statement]:
        """The rows of Q applied to each half transformed row of one tile."""
        assert self.along is not None
        half, tiles = (room.scratch[f"{self.title}_{b}"] for b in ("half", "tiles"))
        at = name("half_row") * (self.columns * self.lanes)
        sources = [f"h_{i}" for i in range(self.columns)]
        loads = [
            Assign(s, Call("v_load", (Pointer(half, at + i * self.lanes),))) for i, s in enumerate(sources)
        ]
        results = work.apply(self.along, sources)
        to = name("to") + name("half_row") * self.level
        stores = [
            Do(Call("v_store", (Pointer(tiles, to + y * self.plane), r))) for y, r in enumerate(results)
        ]
        yield Loop("half_row", 0, len(self.down), 1, (*loads, *work.body, *stores))
