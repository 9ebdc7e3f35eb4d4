"""ROLLING: depthwise, one channel after another, each row of the image read once for a few rows of results.

    out[g, r, q] = sum over a, t of weight[g, a, t] * image[g, s r + d a - p, s q + d t - p]

A tile is a few rows of one vector: what lies outside the image is not copied to a padded place but left out
(rows) or masked (lanes), at stride 2 two vectors are parted into even and odd places. Two phases of a strided
gradient that lie side by side are computed together and woven. For the gradient by the weight every tap has a
vector of sums of its own, added across lanes once at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from codegen.loops import Part, Statement
from codegen.schedules.nest import Target
from codegen.schedules.peers import DOUBLE
from codegen.schedules.planned import Room, Scratch
from codegen.schedules.problem import Contraction
from codegen.schedules.rolling_tiles import Sums, Tiles, axes_of
from codegen.schedules.values import Values, cycles, size

ORDER = ("group", "image", "row", "line")
"""The loops, outermost first."""
MOST_TAPS = 49
MOST_STATEMENTS = 3000


@dataclass(frozen=True)
class Rolling:
    """The depthwise phases of one result, at most `rows` rows a tile."""

    phases: tuple[Contraction, ...]
    target: Target
    rows: int

    accuracy = "strict"

    @property
    def first(self) -> Contraction:
        return self.phases[0]

    @property
    def lanes(self) -> int:
        return self.target.lanes

    def note(self) -> str:
        return f"ROLLING: vectors of {self.lanes} along the line, {self.rows} rows"

    def scratch(self) -> tuple[Scratch, ...]:
        return ()

    @cached_property
    def pairs(self) -> tuple[tuple[Contraction, ...], ...]:
        """Phases side by side in memory together, all others alone."""
        left = sorted(self.phases, key=lambda p: p.out.base)
        found: list[tuple[Contraction, ...]] = []
        for problem in left:
            last = found[-1] if found else ()
            twin = len(last) == 1 and axes_of(problem)[1].out_step == 2
            if twin and last[0].out.base + 1 == problem.out.base:
                found[-1] = (*last, problem)
            else:
                found.append((problem,))
        return tuple(found)

    def cost(self) -> float:
        """Cycles by what is written: two operations at once, as loads go beside sums."""
        room = Room({}, iter(range(10**6)))
        return 0.7 * sum(cycles(self.turn(room, pair), self.lanes) for pair in self.pairs) * self.first.groups

    def statements(self, room: Room) -> tuple[Statement, ...]:
        """One part: the turns are the groups."""
        body = tuple(s for pair in self.pairs for s in self.turn(room, pair))
        return (Part(room.part("rolling"), "group", self.first.groups, body),)

    def turn(self, room: Room, pair: tuple[Contraction, ...]) -> tuple[Statement, ...]:
        """All results of one group and of phases side by side; peers add up doubles in short sums."""
        values = Values(ORDER)
        if pair[0].result == "weight":
            return Sums(self.rows, self.lanes, pair[0], room, values).statements()
        by_line = self.target.element == DOUBLE
        return Tiles(self.rows, self.lanes, pair, room, values, by_line).statements()


def plans(problem: Contraction, target: Target) -> Iterator[Rolling]:
    """The plans for a depthwise contraction of one or two axes."""
    yield from plans_of_phases((problem,), target)


def plans_of_phases(problems: tuple[Contraction, ...], target: Target) -> Iterator[Rolling]:
    """The plans for all phases of a depthwise gradient."""
    if not all(_fits(p, target) for p in problems):
        return
    plan = Rolling(problems, target, 4 if target.registers > 16 else 2)
    if size(plan.statements(Room({}, iter(range(10**6))))) <= MOST_STATEMENTS:
        yield plan


def _fits(problem: Contraction, target: Target) -> bool:
    if not problem.ins == problem.outs == 1 or not 1 <= len(problem.axes) <= 2 or target.lanes < 2:
        return False
    row, line = axes_of(problem)
    near = line.image_step == 1 and (
        line.out_step in (1, 2) if problem.result == "out" else line.out_step == 1
    )
    strided = line.stride <= 2 or (line.inside and line.out % target.lanes == 0)
    few = problem.taps <= (MOST_TAPS if problem.result == "out" else target.accumulators)
    return near and strided and few and row.stride >= 1
