"""FILTER: the gradient by the weight, with taps and input channels as accumulators.

    dw[k, c, t] = sum over places of  out[k, place] * image[c, stride * place + dilation * t - pad]

A vector is consecutive channels k: out is laid out anew once, by places; entries of the image are broadcast.
So no sum runs across lanes, and a stride costs nothing. Where channels c fill vectors better and the stride
is 1, image and out change places, and k here means c. Sums go through blocks of places to a second level
in memory, which bounds their error and keeps what is read near. A turn is a group of vectors k and a few
channels c for the whole batch: shared out over threads, every entry is added up in one order.
Blocks are as long as they may be for errors no larger than peers' (`peers`); many are added up in groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import prod

from codegen.loops import Assign, Buffer, Call, Do, Loop, Part, Place, Pointer, Statement
from codegen.schedules import filter_copies, filter_store, peers
from codegen.schedules.filter_lines import Level, Lines, Outs
from codegen.schedules.filter_tiles import Body, Cut, Tile, cut_places, tiles
from codegen.schedules.nest import Target, Writer, mark
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Axis, Contraction, Operand
from codegen.schedules.turns import parted
from derive.index import Form, name

SUMS, TOTALS = "sums", "totals"
NEAR = 24 * 1024
"""Bytes of a block of out that is read again for each channel c: half of a first-level cache."""
SUMMED = 16 * 1024
"""Bytes of sums that a turn adds to again and again."""
LONGEST = 64
"""Places that are added up one after another before their sum joins the others; twice that of many blocks."""
SECOND, FAR = 2**20, 48
"""Bytes of a second-level cache; bytes in a cycle from behind it that products do not hide."""
FARTHEST, MEMORY = 28 * 2**20, 8
"""The same of the last cache."""
LINE = 64
"""Bytes of a line of the caches."""
PICK = 2.5
"""Cycles to copy one place that a stride does not leave out, its line fetched."""
JOIN = 4.0
"""Cycles to add a vector of sums to the totals and to clear it."""
MOST_PLANS = 4
"""How many are handed over."""
MOST_TAPS = 1024
"""Accumulators of all bodies together, so that a text stays small."""


@dataclass(frozen=True)
class Filter:
    """One way: `vectors` of channels k and `ins` channels c in a turn.

    Attributes:
        names: what the problem calls those channels, "kc" or, mirrored, "ck".
    """

    lines: Lines
    vectors: int
    ins: int
    tile: Tile
    names: str = "kc"

    @property
    def accuracy(self) -> str:
        return "strict"

    @property
    def problem(self) -> Contraction:
        return self.lines.problem

    @cached_property
    def cut(self) -> Cut:
        element = self.lines.target.element
        width = self.vectors * self.lines.lanes * element
        longest = LONGEST if self.problem.batch * self.problem.places <= LONGEST**2 else 2 * LONGEST
        cuts = (cut_places(self.lines.levels, n) for n in range(min(NEAR // width, longest), 0, -1))
        return next(c for c in cuts if c.places == 1 or peers.keeps(self.problem, element, c.cut))

    def note(self) -> str:
        vector, single = self.names[0], self.names[1]
        bodies = len(self.tile.groups)
        return (
            f"FILTER tile: {self.vectors} vectors of {self.lines.lanes} channels {vector}, "
            f"{self.tile.ins} channels {single}, {len(self.lines.taps)} taps in {bodies} bodies; "
            f"blocks of {self.cut.places} places, turns of {self.ins} channels {single}"
            f"{', places that are read copied' if self.lines.picked else ''}"
        )

    def scratch(self) -> tuple[Scratch, ...]:
        lines, p = self.lines, self.problem
        lanes = lines.lanes
        turned = p.batch * p.groups * lines.blocks * lanes * lines.places
        sums = (self.ins * len(lines.taps) + lanes - 1) * self.vectors * lanes
        found = [
            Scratch(filter_copies.TURNED, turned, copied=True),
            Scratch(SUMS, sums, own=True),
            Scratch(filter_copies.BLOCK, lanes * lanes, own=True),
        ]
        if self.cut.group:
            found.append(Scratch(TOTALS, sums, own=True))
        if not lines.copied:
            return tuple(found)
        return (*found, Scratch(filter_copies.LINES, p.batch * p.groups * p.ins * lines.plane, copied=True))

    def statements(self, room: Room) -> tuple[Statement, ...]:
        found: list[Statement] = list(filter_copies.copies(self.lines, room, self.vectors))
        for i, outs in enumerate(self.lines.outs(self.vectors)):
            for j, (first, count, ins, tile) in enumerate(self._ins(outs.vectors)):
                found.append(self._part(room, outs, (first, count, ins), tile, f"sum{i}{j}"))
        return tuple(found)

    def _ins(self, vectors: int) -> Iterator[tuple[int, int, int, Tile]]:
        """Channels c: the first, how many turns, how many channels in each, their tile."""
        whole, rest = divmod(self.problem.ins, self.ins)
        for first, count, ins in ((0, whole, self.ins), (whole * self.ins, 1, rest)):
            if count and ins:
                yield first, count, ins, self._tile(vectors, ins)

    def _tile(self, vectors: int, ins: int) -> Tile:
        if (vectors, ins) == (self.vectors, self.ins):
            return self.tile
        found = best_tile(self.lines, vectors, ins)
        assert found is not None
        return found

    def _part(self, room: Room, outs: Outs, chunk: tuple[int, int, int], tile: Tile, title: str) -> Part:
        """Turns over groups, groups of vectors k and a `chunk` of channels c (first, turns, each)."""
        (first, count, ins), lines, p = chunk, self.lines, self.problem
        counts = {"g": p.groups, "b": outs.count, "p": count}
        at_k, at_c = name("b") * outs.vectors + outs.first, name("p") * ins + first
        image = name("g") * lines.kind("g") + at_c * lines.kind("c") + lines.first
        whole = TOTALS if self.cut.group else SUMS
        weight = at_k * (lines.lanes * p.weight.step("k")) + at_c * p.weight.step("c") + p.weight.base
        body = (
            mark(room.mark()),
            *parted("turn", [*counts.items()]),
            Place("at_image", image),
            Place("at_turned", lines.start(outs, name("g"), Form(), name("b"))),
            Place("at_out", name("g") * p.weight.step("g") + weight),
            *self._sums(room, outs, ins, tile),
            *filter_store.stored(lines, outs, ins, room.scratch[whole], room.scratch[filter_copies.BLOCK]),
        )
        return Part(room.part(title), "turn", prod(counts.values()), body)

    def _sums(self, room: Room, outs: Outs, ins: int, tile: Tile) -> tuple[Statement, ...]:
        """All sums of a turn, block by block."""
        lines, cut, lanes = self.lines, self.cut, self.lines.lanes
        sums, row = room.scratch[SUMS], outs.vectors * lanes
        image = room.scratch[filter_copies.LINES] if lines.copied else self.problem.image.buffer
        inner = (Level("row", cut.blocked.extent, cut.blocked.image, cut.blocked.place), *cut.within)
        rows: int | str = cut.rows if cut.even else "rows"
        turned = room.scratch[filter_copies.TURNED]
        work = Body(lines, tile, inner, rows, image, turned, sums, not cut.single)
        entries = len(lines.taps) * row
        places = (
            Place("at_x", name("at_image") + cut.image() + name("c") * lines.kind("c")),
            Place("at_g", name("at_turned") + cut.place() * row),
            Place("at_s", name("c") * entries),
        )
        body = (
            *places,
            *self._asked(image, tile),
            *work.statements([mark(room.mark()) for _ in tile.groups]),
        )
        work_of_block = (Loop("c", 0, ins, tile.ins, body),)
        if cut.single:
            return cut.around(work_of_block, (), ())
        if not cut.group:
            return (*cleared(sums, ins * entries, lanes), *cut.around(work_of_block, (), ()))
        totals = room.scratch[TOTALS]
        before = cleared(sums, ins * entries, lanes)
        after = joined(totals, sums, ins * entries, lanes)
        return (*cleared(totals, ins * entries, lanes), *cut.around(work_of_block, before, after))

    def _asked(self, image: Buffer, tile: Tile) -> tuple[Statement, ...]:
        """A block of the next tile's channels asked for in advance: runs too short to be foreseen."""
        lines = self.lines
        if not lines.picked:
            return ()
        later = name("at_x") + (name("i") + tile.ins) * lines.kind("c") + name("j")
        ask = Do(Call("e_prefetch", (Pointer(image, later),)))
        line = LINE // lines.target.element
        return (Loop("i", 0, tile.ins, 1, (Loop("j", 0, self.cut.places, line, (ask,)),)),)

    def cost(self) -> float:
        """Cycles by the model: tiles, their sums, what is copied and turned round, what is stored."""
        lines, p = self.lines, self.problem
        total = 0.0
        for outs in lines.outs(self.vectors):
            for _, count, ins, tile in self._ins(outs.vectors):
                places = p.batch * p.places * tile.cycles(lines.target)
                sums = 0 if self.cut.single else 1.2 * tile.accumulators
                blocks = self.cut.count * (sums + 20.0 * len(tile.groups))
                blocks += self.cut.groups * JOIN * tile.accumulators
                stored = filter_store.cost(lines, ins, outs.vectors)
                turns = p.groups * outs.count * count
                total += turns * (ins // tile.ins * (places + blocks) + stored + 30)
        return total + self._copying()

    def _copying(self) -> float:
        """Copies, and what every turn reads again from behind the second cache."""
        lines, p = self.lines, self.problem
        vectors = p.batch * p.groups * lines.blocks * lines.places
        planes = p.batch * p.groups * p.ins * (lines.plane // lines.lanes)
        again = vectors * -(-p.ins // self.ins) + planes * -(-lines.blocks // self.vectors)
        width = lines.lanes * lines.target.element
        size = (vectors + planes) * width
        far = again * width / (FAR if size <= FARTHEST else MEMORY) if size > SECOND else 0.0
        copy = PICK * lines.lanes if lines.picked else 4.0 if lines.copied else 0.0
        return 8.0 * vectors + copy * planes + far


def cleared(sums: Buffer, count: int, lanes: int) -> tuple[Statement, ...]:
    writer = Writer("v", lanes)
    nil = writer.store(sums, name("i"), "nil", lanes)
    return (writer.zero("nil"), Loop("i", 0, count, lanes, (nil,)))


def joined(totals: Buffer, sums: Buffer, count: int, lanes: int) -> tuple[Statement, ...]:
    """The sums of a group added to the totals."""
    writer = Writer("v", lanes)
    body = (
        writer.load("before", totals, name("i"), lanes),
        writer.load("value", sums, name("i"), lanes),
        Assign("value", Call("v_add", ("before", "value"))),
        writer.store(totals, name("i"), "value", lanes),
    )
    return (Loop("i", 0, count, lanes, body),)


def best_tile(lines: Lines, vectors: int, ins: int) -> Tile | None:
    """The tile of the fewest cycles for so many vectors and channels c in a turn."""
    found = tiles(vectors, ins, len(lines.taps), lines.target)
    return min(found, key=lambda t: t.cycles(lines.target) / t.ins + 0.01 * len(t.groups), default=None)


def plans(problem: Contraction, target: Target) -> Iterator[Filter]:
    """The cheapest plans for a gradient by the weight; none where places are no single line."""
    if problem.result != "weight" or not problem.axes or problem.taps > MOST_TAPS:
        return
    sides = [(problem, "kc"), *((p, "ck") for p in mirrored(problem))]
    found = [plan for p, names in sides if _lined(p) for plan in _plans(p, target, names)]
    yield from sorted(found, key=Filter.cost)[:MOST_PLANS]


def _plans(problem: Contraction, target: Target, names: str) -> Iterator[Filter]:
    """Every number of vectors in a turn, with few channels c and with twice as many."""
    picks = problem.pointwise and any(a.stride > 1 for a in problem.axes)
    ways = [Lines(problem, target, picked) for picked in ((False, True) if picks else (False,))]
    for lines, vectors in product(ways, range(1, min(4, ways[0].blocks) + 1)):
        width = vectors * lines.lanes * target.element * len(lines.taps)
        for ins in sorted({_chunk(problem.ins, SUMMED * by // width) for by in (1, 2)}):
            tile = best_tile(lines, vectors, ins)
            if tile is not None and len(lines.taps) * vectors <= MOST_TAPS:
                yield Filter(lines, vectors, ins, tile, names)


def mirrored(problem: Contraction) -> Iterator[Contraction]:
    """The same sums with image and out in each other's place, where the stride is 1: vectors of channels c.

    With u = q + d * t - p and t' = T - 1 - t, out is read at q = u + d * t' - (d * (T - 1) - p).
    """
    if any(a.stride != 1 for a in problem.axes):
        return
    axes = []
    for a in problem.axes:
        pad = a.dilation * (a.taps - 1) - a.pad
        axes.append(Axis(a.image, a.taps, a.out, 1, a.dilation, pad, a.image_step, -a.tap_step, a.out_step))
    last = sum(a.tap_step * (a.taps - 1) for a in problem.axes)
    yield replace(
        problem,
        outs=problem.ins,
        ins=problem.outs,
        axes=tuple(axes),
        out=_renamed(problem.image, 0),
        image=_renamed(problem.out, 0),
        weight=_renamed(problem.weight, last),
    )


def _renamed(operand: Operand, further: int) -> Operand:
    """The operand with channels k and c called by each other's name, its base moved."""
    names = {"k": "c", "c": "k"}
    steps = {names.get(kind, kind): step for kind, step in operand.steps.items()}
    return Operand(operand.buffer, operand.base + further, steps)


def _chunk(ins: int, most: int) -> int:
    """How many channels c a turn has: at most so many, a divisor of all unless those are far fewer."""
    most = max(min(ins, most), 1)
    whole = max(i for i in range(1, most + 1) if ins % i == 0)
    return whole if whole * 2 > most else most


def _lined(problem: Contraction) -> bool:
    """Whether the places of out are one line of neighbours."""
    step = 1
    for axis in reversed(problem.axes):
        if axis.out > 1 and axis.out_step != step:
            return False
        step *= axis.out
    return problem.bias is None and problem.after is None
