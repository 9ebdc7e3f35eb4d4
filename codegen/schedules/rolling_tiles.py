"""Owns the tiles of ROLLING: products of a few rows of one vector of results, or of gradients of a weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from codegen.loops import Assign, Call, Do, Loop, Place, Pointer, Statement
from codegen.schedules.nest import mark
from codegen.schedules.planned import Room
from codegen.schedules.problem import Axis, Contraction, Operand
from codegen.schedules.rolling_lines import Block, Line, blocks
from codegen.schedules.values import Values
from derive.index import Form, name

FLAT = Axis(1, 1, 1, 1, 1, 0, 0, 0, 0)
"""The axis of rows that a line alone has."""


def axes_of(problem: Contraction) -> tuple[Axis, Axis]:
    """Rows and line of a contraction."""
    row, line = (FLAT, *problem.axes)[-2:]
    return row, line


def at(operand: Operand) -> Form:
    """Where an operand begins in a turn."""
    return operand.base + name("group") * operand.step("g") + name("image") * operand.step("n")


@dataclass(frozen=True)
class Tiles:
    """The tiles of phases that lie side by side (or of one).

    Attributes:
        by_line: whether the products of one row of taps are added up before they join the others.
    """

    rows: int
    lanes: int
    pair: tuple[Contraction, ...]
    room: Room
    values: Values
    by_line: bool = False

    @property
    def width(self) -> int:
        """Results in a line of all phases."""
        return sum(axes_of(p)[1].out for p in self.pair)

    def statements(self) -> tuple[Statement, ...]:
        rows = blocks([axes_of(p)[0] for p in self.pair], self.rows, 1)
        self.prepare()
        body: tuple[Statement, ...] = ()
        for row in rows:
            inner: tuple[Statement, ...] = ()
            for line in blocks([axes_of(p)[1] for p in self.pair], self.lanes):
                values = self.values.innermost()
                self.tile(values, line, row)
                inner += around(line, "line", tuple(values.levels[-1]))
            body += around(row, "row", inner)
        return inside(self.values, body, self.pair[0].batch)

    def prepare(self) -> None:
        """What all tiles use: weights, what sums begin with, parameters of a function."""
        for problem in self.pair:
            self.begun(self.values, problem)
            for a, t in product(*(range(x.taps) for x in axes_of(problem))):
                self.weight(self.values, problem, a, t)
            for pointer in problem.after.parameters if problem.after is not None else ():
                self.values("v_splat", pointer)
        self.values("v_zero")

    def weight(self, values: Values, problem: Contraction, a: int, t: int) -> str:
        row, along = axes_of(problem)
        step = weight_at(problem) + (a * row.tap_step + t * along.tap_step)
        return values("v_splat", Pointer(problem.weight.buffer, step))

    def tile(self, values: Values, line: Block, row: Block) -> None:
        """One tile: every row of the image that it reads, and all that is added to from it."""
        values.levels[-1].append(mark(self.room.mark()))
        sums = {(p, r): self.begun(values, c) for p, c in enumerate(self.pair) for r in range(row.count)}
        for problem in self.pair:
            taps = tuple(t for p in self.pair for t in taps_of(axes_of(p)[1]))
            axis = axes_of(problem)[1]
            lines = Line(line, "line", axis.stride, taps, axis.image, self.lanes)
            self.added(values, lines, row, problem, sums)
        for r in range(row.count):
            self.stored(values, line, row, r, [sums[p, r] for p in range(len(self.pair))])

    def begun(self, values: Values, problem: Contraction) -> str:
        """What a sum begins with: zero, or the bias."""
        if problem.bias is None:
            return values("v_zero")
        step = problem.bias.base + name("group") * problem.bias.step("g")
        return values("v_splat", Pointer(problem.bias.buffer, step))

    def added(
        self,
        values: Values,
        line: Line,
        row: Block,
        problem: Contraction,
        sums: dict[tuple[int, int], str],
    ) -> None:
        """All products of a phase, in the order of the rows that they read."""
        axis, along = axes_of(problem)
        phase, nil = self.pair.index(problem), values("v_zero")
        cells = product(range(row.count), range(axis.taps))
        for offset in sorted({axis.stride * r + axis.dilation * a for r, a in cells}):
            for r in range(row.count):
                tap, rest = divmod(offset - axis.stride * r, axis.dilation)
                if rest or not 0 <= tap < axis.taps or not reads(axis, row, r, tap):
                    continue
                here = row.form("row") * axis.stride + (offset - axis.pad)
                start = at(problem.image) + here * axis.image_step
                total = nil if self.by_line else sums[phase, r]
                for t, place in enumerate(taps_of(along)):
                    x = line.vector(values, problem.image.buffer, start, place)
                    if x:
                        w = self.weight(values, problem, tap, t)
                        total = values("v_fma", total, w, x)
                joined = self.by_line and sums[phase, r] != nil
                sums[phase, r] = values("v_add", sums[phase, r], total) if joined else total

    def stored(self, values: Values, line: Block, row: Block, r: int, found: Sequence[str]) -> None:
        """One vector of results, or two woven."""
        problem = self.pair[0]
        axis, along = axes_of(problem)
        if problem.after is not None:
            given = [values("v_splat", p) for p in problem.after.parameters]
            found = [values(f"v_fn_{problem.after.name}", x, *given) for x in found]
        place = at(problem.out) + (row.form("row") + r) * axis.out_step + line.form("line") * along.out_step
        lanes, buffer = self.lanes, problem.out.buffer
        if len(found) == 1 and along.out_step != 1:
            call = Call("v_store_strided", (Pointer(buffer, place), found[0], line.count, along.out_step))
            values.levels[-1].append(Do(call))
            return
        used = line.count if len(found) == 1 else min(2 * line.count, self.width - 2 * line.start)
        if line.times > 1:
            used = len(found) * lanes
        shown = found if len(found) == 1 else [values("v_zip_low", *found)]
        if used > lanes:
            shown = [*shown, values("v_zip_high", *found)]
        for number, x in enumerate(shown):
            pointer, count = Pointer(buffer, place + number * lanes), min(used - number * lanes, lanes)
            part = Call("v_store_part", (pointer, x, count))
            values.levels[-1].append(Do(Call("v_store", (pointer, x)) if count == lanes else part))


@dataclass(frozen=True)
class Sums:
    """The gradient by the weight: a vector of sums for every tap."""

    rows: int
    lanes: int
    problem: Contraction
    room: Room
    values: Values

    def statements(self) -> tuple[Statement, ...]:
        row, along = axes_of(self.problem)
        names = [[f"s_{a}_{t}" for t in range(along.taps)] for a in range(row.taps)]
        self.values("v_zero")
        body: tuple[Statement, ...] = ()
        for block in blocks([row], self.rows, 1):
            inner: tuple[Statement, ...] = ()
            for line in blocks([along], self.lanes):
                values = self.values.innermost()
                self.tile(values, line, block, names)
                inner += around(line, "line", tuple(values.levels[-1]))
            body += around(block, "row", inner)
        zeros = tuple(Assign(s, Call("v_zero")) for row_names in names for s in row_names)
        return (*zeros, *inside(self.values, body, self.problem.batch), *self.ends(names))

    def tile(self, values: Values, line: Block, row: Block, names: Sequence[Sequence[str]]) -> None:
        """One tile, row of the image by row, so that few vectors are needed at a time."""
        problem, body = self.problem, values.levels[-1]
        axis, along = axes_of(problem)
        body.append(mark(self.room.mark()))
        lines = Line(line, "line", along.stride, taps_of(along), along.image, self.lanes)
        cells = list(product(range(row.count), range(axis.taps)))
        for offset in sorted({axis.stride * r + axis.dilation * a for r, a in cells}):
            for r, tap in cells:
                if axis.stride * r + axis.dilation * tap != offset or not reads(axis, row, r, tap):
                    continue
                place = at(problem.out) + (row.form("row") + r) * axis.out_step + line.form("line")
                y = lines.load(values, Pointer(problem.out.buffer, place), line.count)
                here = row.form("row") * axis.stride + (offset - axis.pad)
                start = at(problem.image) + here * axis.image_step
                for t, far in enumerate(taps_of(along)):
                    x = lines.vector(values, problem.image.buffer, start, far)
                    if x:
                        body.append(Assign(names[tap][t], Call("v_fma", (names[tap][t], y, x))))

    def ends(self, names: Sequence[Sequence[str]]) -> Iterator[Statement]:
        """Sums across lanes, stored."""
        row, along = axes_of(self.problem)
        for a, line in enumerate(names):
            for t, total in enumerate(line):
                step = a * row.tap_step + t * along.tap_step
                yield Assign("total", Call("v_sum", (total,)))
                pointer = Pointer(self.problem.weight.buffer, weight_at(self.problem) + step)
                yield Do(Call("e_store", (pointer, "total")))


def weight_at(problem: Contraction) -> Form:
    return problem.weight.base + name("group") * problem.weight.step("g")


def taps_of(axis: Axis) -> tuple[int, ...]:
    """The place that each tap reads for result 0."""
    return tuple(axis.dilation * t - axis.pad for t in range(axis.taps))


def reads(axis: Axis, row: Block, r: int, tap: int) -> bool:
    """Whether a tap of a row lies inside the image; in a loop all do."""
    place = axis.stride * (row.start + r) + axis.dilation * tap - axis.pad
    return row.start + r < axis.out and (row.times > 1 or 0 <= place < axis.image)


def around(block: Block, index: str, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """A body in the loop of a block; at one place its index has no name."""
    return body if block.times == 1 else (Loop(index, block.start, block.stop, block.count, body),)


def inside(values: Values, body: tuple[Statement, ...], batch: int) -> tuple[Statement, ...]:
    """The body for every image of the batch, what is known before in front."""
    body = (*values.levels[2], *body)
    loop: Statement = Loop("image", 0, batch, 1, body)
    return (
        *values.levels[0],
        *values.levels[1],
        *((Place("image", Form()), *body) if batch == 1 else (loop,)),
    )
