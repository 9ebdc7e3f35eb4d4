"""Owns the transform of the taps: U[g][block of k][product][c][k of the block] = G w G^T, lanes are k.

Taps lie as PyTorch lays them, all of a (k, c) side by side: for each c one or a few blocks of lanes by lanes
are turned so that k lies in lanes. In steps it is U[block of k][step][product][c of the step][k of the block]
and each piece may be transformed when it is needed, into one room that stays in the second cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from codegen.loops import Assign, Call, Do, Loop, Part, Place, Pointer, Statement
from codegen.schedules.nest import mark
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Operand
from codegen.schedules.winograd_apply import Applied, Matrix, apart, declared
from derive.index import Form, name

FAR, AHEAD = 2**18, 6
"""Elements of a weight that leaves the second cache, and how many channels c in advance it is asked for."""


@dataclass(frozen=True)
class Filter:
    """The taps transformed, `vectors` of k to a block.

    Attributes:
        ins: channels of all, or of one of the `steps` where these are not 0.
        taps: numbers of taps and steps from one to the next, rows first.
    """

    weight: Operand
    groups: int
    outs: int
    ins: int
    taps: tuple[tuple[int, int], tuple[int, int]]
    matrices: tuple[Matrix, Matrix]
    vectors: int
    lanes: int
    steps: int = 0

    @property
    def wide(self) -> int:
        """Outputs of a block."""
        return self.vectors * self.lanes

    @property
    def blocks(self) -> int:
        return self.outs // self.wide

    @property
    def products(self) -> int:
        return len(self.matrices[0]) * len(self.matrices[1])

    @property
    def plane(self) -> int:
        """Elements that belong to one product and block; no power of two."""
        return self.ins * self.wide + 16

    @property
    def piece(self) -> int:
        """Elements of a block, or of one step of it."""
        return self.products * self.plane

    @property
    def pieces(self) -> int:
        return self.groups * self.blocks * max(1, self.steps)

    @property
    def count(self) -> int:
        return self.pieces * self.piece

    @property
    def size(self) -> int:
        return self.taps[0][0] * self.taps[1][0]

    @property
    def first(self) -> int:
        """Elements from the first tap to the one that lies first in memory."""
        return sum(min(0, (count - 1) * step) for count, step in self.taps)

    @property
    def runs(self) -> bool:
        """Whether the taps of a k and several c are one run, of which whole blocks can be turned."""
        return self.weight.step("c") == self.size and self.ins % self.lanes == 0

    @property
    def fits(self) -> bool:
        """Whether a (k, c)'s taps lie side by side, and what a turned block reads beyond them exists."""
        spots = {self.spot(a, b) for a in range(self.taps[0][0]) for b in range(self.taps[1][0])}
        even = spots == set(range(self.size)) and self.outs % self.wide == 0
        return even and (self.size >= self.lanes or self.ins * self.size >= self.lanes)

    def spot(self, a: int, b: int) -> int:
        """Where a tap lies among the taps of its (k, c)."""
        return a * self.taps[0][1] + b * self.taps[1][1] - self.first

    def at(self, g: Form, block: Form) -> Form:
        """Where a block, or a step of it, begins in the transformed taps."""
        if self.steps:
            before = (block - name("first")) * self.steps + name("step") - name("start")
            return before * self.piece
        return (g * self.blocks + block) * self.piece

    def scratch(self) -> Iterator[Scratch]:
        yield Scratch("taps", self.count, packed=True, turn=self.piece if self.steps else 0)
        rows = self.lanes * self.size if self.runs else max(self.size, 2 * self.lanes)
        yield Scratch("tap_lanes", rows * self.lanes, own=True)

    def part(self, room: Room) -> Part:
        """All of it, a turn for each block of outputs."""
        inner: tuple[Statement, ...] = (
            mark(room.mark()),
            *self._channels(room),
        )
        inner = (Loop("g", 0, self.groups, 1, inner),) if self.groups > 1 else (Place("g", Form()), *inner)
        return Part(room.part("pack_taps"), "block", self.blocks, inner, steps=self.steps)

    def _channels(self, room: Room) -> Iterator[Statement]:
        """One vector of k after another: the rows of two would meet in the same places of the first cache."""
        work = Applied("d")
        self._transformed(room, work, Form())
        yield from declared(work.constants)
        if self.runs:
            run = Loop("c", 0, self.ins, self.lanes, tuple(self._run(room)))
            yield Loop("vector", 0, self.vectors, 1, (run,))
            return
        body: list[Statement] = []
        rest = 0 if self.size >= self.lanes else 1
        if self.ins - rest:
            body.append(Loop("c", 0, self.ins - rest, 1, tuple(self._channel(room, 0))))
        if rest:
            body += [Place("c", Form.of(self.ins - 1)), *self._channel(room, self.lanes - self.size)]
        yield Loop("vector", 0, self.vectors, 1, tuple(body))

    def _from(self) -> Place:
        """Where the taps of a c and vector of k begin."""
        of = self.weight
        k = name("block") * self.wide + name("vector") * self.lanes
        at = Form.of(of.base + self.first) + k * of.step("k")
        at += name("step") * (self.ins * of.step("c")) if self.steps else 0
        return Place("from_taps", at + name("g") * of.step("g") + name("c") * of.step("c"))

    def _to(self, c: Form) -> Place:
        """Where a c and vector of k begin in what is transformed."""
        lane = c * self.wide + name("vector") * self.lanes
        return Place("to_taps", self.at(name("g"), name("block")) + lane)

    def _run(self, room: Room) -> Iterator[Statement]:
        """As many c as lanes and a vector of k: all of their taps turned, then each c transformed."""
        of, lanes = self.weight, self.lanes
        into = Pointer(room.scratch["tap_lanes"], name("p") * lanes)
        origin = Pointer(of.buffer, name("from_taps") + name("p"))
        turned = Do(Call("v_transpose", (into, origin, lanes, of.step("k"))))
        yield self._from()
        yield Loop("p", 0, lanes * self.size, lanes, (turned, *self._asked(name("p"))))
        work = Applied("d")
        self._transformed(room, work, name("of_lanes"))
        places = (Place("of_lanes", name("along") * (self.size * lanes)), self._to(name("c") + name("along")))
        yield Loop("along", 0, lanes, 1, (*places, *work.body))

    def _channel(self, room: Room, back: int) -> Iterator[Statement]:
        """One c and vector of k; where `back`, turned blocks begin that much early, not to read too far."""
        of, lanes = self.weight, self.lanes
        yield self._from()
        starts = [*range(0, self.size - lanes, lanes), self.size - lanes] if self.size >= lanes else [-back]
        for start in starts:
            into = Pointer(room.scratch["tap_lanes"], Form.of((start + back) * lanes))
            origin = Pointer(of.buffer, name("from_taps") + start)
            yield Do(Call("v_transpose", (into, origin, lanes, of.step("k"))))
        yield from self._asked(Form())
        yield self._to(name("c"))
        work = Applied("d")
        self._transformed(room, work, Form.of(back * lanes))
        yield from work.body

    def _asked(self, place: Form) -> Iterator[Statement]:
        """What a later c reads asked for in advance, where that is far away."""
        of = self.weight
        if self.pieces * self.wide * self.ins * self.size < FAR:
            return
        for i in range(self.lanes):
            later = name("from_taps") + place + (AHEAD * of.step("c") + i * of.step("k"))
            yield Do(Call("e_prefetch", (Pointer(of.buffer, later),)))

    def _transformed(self, room: Room, work: Applied, turned: Form) -> None:
        """All products' taps, columns down first; a few rows at a time, so that they fit into registers."""
        (tall, _), (wide, _) = self.taps
        for rows in apart(self.matrices[0]):
            half = list[list[str]]()
            for b in range(wide):
                sources = []
                for a in range(tall):
                    at = turned + self.spot(a, b) * self.lanes
                    work.body.append(
                        Assign(f"g_{a}_{b}", Call("v_load", (Pointer(room.scratch["tap_lanes"], at),)))
                    )
                    sources.append(f"g_{a}_{b}")
                half.append(work.apply(tuple(self.matrices[0][x] for x in rows), sources))
            for i, x in enumerate(rows):
                for y, value in enumerate(work.apply(self.matrices[1], [h[i] for h in half])):
                    number = x * len(self.matrices[1]) + y
                    into = Pointer(room.scratch["taps"], name("to_taps") + number * self.plane)
                    work.body.append(Do(Call("v_store", (into, value))))
