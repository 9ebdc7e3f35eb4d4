"""Owns the passage from one sum of terms to loops: cut into boxes, each by the schedule that costs least."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import count
from math import prod

from codegen.edges import lined
from codegen.loops import Comment, Loop, Statement
from codegen.pieces import Box, boxes
from codegen.schedules.choose import schedule
from codegen.schedules.clip import Clip, clipped
from codegen.schedules.flat import Flat
from codegen.schedules.lanes import Lanes
from codegen.schedules.nest import SUM, Access, Ending, Nest, Target, Term
from codegen.schedules.picked import Picked, picked
from codegen.schedules.values import size
from codegen.schedules.woven import Woven, with_rows, woven, woven_at
from codegen.stage import zeros

SMALL_BOX = 8
"""A box with less than this part of the largest one's work is not tiled."""
SHORT = 100
"""Statements that such a box may be written out in."""

FEW = 16
"""Products of an entry, up to which boxes are done one after another for each value of an outer index."""
LEAST = 512
"""Entries that such a value has at least."""


Schedule = Flat | Lanes | Clip | Picked | Woven

EDGES = 2.0
"""How many times the cycles of boxes a line left whole may take: edges across lines wait for memory."""


@dataclass(frozen=True)
class Planned:
    """A schedule for each box; all are done for each of `turns` values of an index `shared` ("": once)."""

    found: tuple[Schedule, ...]
    shared: str
    turns: int

    @cached_property
    def cost(self) -> float:
        """Cycles of all."""
        return self.turns * sum(best.cost() for best in self.found)

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        """The boxes' loops."""
        inner: tuple[Statement, ...] = ()
        for best in self.found:
            inner += (Comment(best.note()), *best.statements(numbers))
        return (Loop(self.shared, 0, self.turns, 1, inner),) if self.shared else inner


@dataclass(frozen=True)
class Scheduler:
    """The loops of sums for one kernel; `numbers` are those of its branch marks."""

    target: Target
    numbers: Iterator[int]
    costs: list[float] = field(default_factory=list)
    """Cycles of what was scheduled so far."""

    def scheduled(
        self, out: Access, free: Mapping[str, int], terms: Sequence[Term], ending: Ending = SUM
    ) -> tuple[tuple[Statement, ...], tuple[str, ...]]:
        """The loops of out = sum of terms, box by box, and what was chosen."""
        cut = boxes(out, free, terms, ending)
        body: tuple[Statement, ...] = ()
        notes = [f"{len(cut)} boxes"] if len(cut) > 1 else []
        whole = out.at.names <= free.keys()
        if whole and ending.after is None and mostly_empty(cut):
            cut = [box for box in cut if box.terms]
            body += zeros(out.buffer, self.target.lanes)
        plan = self.planned(out, free, terms, cut)
        for line in (f for f in free if not body and out.slope(f) == 1):
            other = self.lined(out, free, terms, ending, line)
            if other is not None and other.cost < plan.cost * EDGES:
                plan, notes = other, [f"{len(other.found)} boxes"] if len(other.found) > 1 else []
        self.costs.append(plan.cost)
        notes += [best.note() for best in plan.found]
        return body + plan.statements(self.numbers), tuple(dict.fromkeys(notes))

    def planned(
        self, out: Access, free: Mapping[str, int], terms: Sequence[Term], cut: Sequence[Box]
    ) -> Planned:
        """The best schedule of each box."""
        most = max(map(_work, cut), default=0)
        shared = outermost(out, free, terms, cut)
        found = []
        for box in cut:
            found.append(self.best(_without(box, shared), _work(box) * SMALL_BOX >= most))
        return Planned(tuple(found), shared, free[shared] if shared else 1)

    def lined(
        self, out: Access, free: Mapping[str, int], terms: Sequence[Term], ending: Ending, line: str
    ) -> Planned | None:
        """The same with a line left whole, in vectors along it; None where that does not fit."""
        cut = lined(out, free, terms, ending, line)
        if cut is None:
            return None
        shared = outermost(out, free, terms, [*(c.box for c in cut[0]), *cut[1]])
        found: list[Schedule] = []
        for c in cut[0]:
            box = _without(c.box, shared)
            made = woven_at(box.out, box.free, c.places, self.target, c.line, c.pair, box.ending)
            if made is None:
                return None
            found.append(min((made, *(with_rows(made) if made.coded else ())), key=Woven.cost))
        found += [self.best(_without(box, shared), True) for box in cut[1]]
        return Planned(tuple(found), shared, free[shared] if shared else 1)

    def best(self, box: Box, tiled: bool) -> Schedule:
        """The cheapest schedule of a box; a box with little to do gets no tile, whose text is long."""
        small = collapsed(box) if box.ending.curved else box
        clip = clipped(small.out, small.free, small.terms, self.target, small.ending)
        summed = box.ending.after is None and not box.ending.first
        found = nest(box.out, box.free, box.terms) if tiled and summed else None
        tile: Flat | Lanes | Picked | None = None
        if found is not None:
            tile = schedule(found.collapsed(), self.target)
        elif summed and len(box.terms) == 1:
            tile = picked(box.out, box.free, box.terms[0], self.target)
        thin = collapsed(box)
        wove = woven(thin.out, thin.free, thin.terms, self.target, thin.ending)
        if wove is not None and not tiled and size(wove.statements(count(1))) > SHORT:
            wove = None
        known: list[Schedule] = [s for s in (tile, wove) if s is not None]
        return min((*known, clip), key=lambda s: s.cost())


def _without(box: Box, shared: str) -> Box:
    """A box inside a loop over one of its indices."""
    return replace(box, free={f: e for f, e in box.free.items() if f != shared})


def outermost(out: Access, free: Mapping[str, int], terms: Sequence[Term], cut: Sequence[Box]) -> str:
    """An index whose values take all boxes in turn, so that what one leaves is there for the next; or "".

    It is worth it where few products are summed: such a box does little with what it reads.
    """
    few = all(prod(t.bound.values()) <= FEW for box in cut for t in box.terms)
    if len(cut) < 2 or not few:
        return ""
    named = frozenset().union(*(c.names for t in terms for c in t.conditions))
    size = prod(free.values())
    plain = [f for f in free if f not in named and size // free[f] >= LEAST and len(free) > 1]
    return max(plain, key=out.slope, default="")


def mostly_empty(cut: Sequence[Box]) -> bool:
    """Whether so much of the result is zero that all of it is better filled with zeros first."""
    size = sum(prod(box.free.values()) for box in cut)
    return len(cut) > 1 and sum(prod(box.free.values()) for box in cut if not box.terms) * 4 > size


def nest(out: Access, free: Mapping[str, int], terms: Sequence[Term]) -> Nest | None:
    """One term as the contraction, the others as entries added to it; None where they do not fit that."""
    if not terms or any(t.conditions or not t.plain for t in terms):
        return None
    order = sorted(terms, key=lambda t: (len(t.factors), len(t.bound)), reverse=True)
    main, rest = order[0], order[1:]
    if len(main.factors) > 2 or any(t.bound or len(t.factors) != 1 for t in rest):
        return None
    return Nest(out, free, main.bound, main.factors, tuple(t.factors[0] for t in rest))


def _work(box: Box) -> int:
    """Products of a box, as far as its ranges tell."""
    return prod(box.free.values()) * max((prod(t.bound.values()) for t in box.terms), default=1)


def collapsed(box: Box) -> Box:
    """Free indices that run as one long line everywhere in a box made one."""
    for slow in box.free:
        for fast in box.free:
            if slow != fast and _one_line(box, slow, fast):
                free = {n: e * (box.free[slow] if n == fast else 1) for n, e in box.free.items() if n != slow}
                return collapsed(replace(box, free=free).without(slow))
    return box


def _one_line(box: Box, slow: str, fast: str) -> bool:
    pair = {slow, fast}
    if any(c.names & pair for t in box.terms for c in t.conditions):
        return False
    forms = [f for a in box.accesses for f in (a.at,)] + [c.value for t in box.terms for c in t.choices]
    slopes = ((f.coefficient(slow), f.coefficient(fast)) for f in forms)
    return all(s is not None and f is not None and s == f * box.free[fast] for s, f in slopes)
