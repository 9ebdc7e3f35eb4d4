"""CLIP: loops over just the values that conditions let through; right for every expression.

    for f: from, to = ends that the conditions on q have at f;  for q in range(from, to): total += product

A factor is read, and multiplied to those known before it, at the loop where its last index is known; the
innermost statement is one e_fma. Where no condition names the line (a free index along the result), the
same body runs on vectors of consecutive values of it; what is left of the line runs on single elements, or
(where whole vectors must be read) on a last vector that does some entries again.
A condition on free indices alone is tested (`If`) where nothing else is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from codegen.algebra import Ranges, span
from codegen.loops import Limit, Loop, Place, Statement
from codegen.pieces import ends
from codegen.schedules.body import Body
from codegen.schedules.chosen import Applied, Selecting
from codegen.schedules.nest import SUM, Access, Ending, Target, Term
from codegen.schedules.steps import Plan, Step, limit_names
from derive.index import Form

STRIDED = 1.5
"""Cycles for each lane of a strided load or store."""
CHOSEN = 4.0
"""Cycles for a comparison and the copies that follow from it."""
APPLIED = 8.0
"""Cycles for a function, as far as the choice of a line depends on it."""


@dataclass(frozen=True)
class Clip:
    """The loops of one box; `line` is the free index along which vectors run ("" for elements alone)."""

    out: Access
    free: Mapping[str, int]
    terms: tuple[Term, ...]
    target: Target
    line: str
    ending: Ending = SUM

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(Plan.of(i, t) for i, t in enumerate(self.terms))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The free indices, outermost first, the line last."""
        return (*(f for f in self.free if f != self.line), *((self.line,) if self.line else ()))

    def cost(self) -> float:
        """Cycles of the whole box, loop by loop."""
        lanes = self.target.lanes if self.line else 1
        vectors = float(prod(e for f, e in self.free.items() if f != self.line))
        if self.line:
            whole, left = divmod(self.free[self.line], lanes)
            ends = self.parts or (self.ending.curved and whole)
            rest = bool(left) if ends else left * self._each(1) / self._each(lanes)
            vectors *= whole + rest
        return vectors * self._each(lanes)

    @property
    def parts(self) -> bool:
        """Whether the line's end can be the first lanes of one more vector: nothing is read at a step."""
        return all(a.slope(self.line) in (0, 1) for t in self.terms for a in t.factors)

    def _each(self, lanes: int) -> float:
        """Cycles for one vector (or element) of the result."""
        strided = STRIDED * lanes if lanes > 1 else 1.0
        total = 1.0 + (1.0 if self.out.slope(self.line) == 1 else strided)
        for plan in self.plans:
            reads = sum(strided if a.slope(self.line) not in (0, 1) else 0.5 for a in plan.term.factors)
            loops = 4.0 * len(plan.steps) + 6.0 * sum(len(s.conditions) for s in plan.steps)
            chosen = len(plan.term.choices) * CHOSEN + APPLIED * sum(
                1 for a in plan.term.factors if a.function
            )
            total += loops + len(plan.tests) + plan.turns * (reads + 1.0 + chosen)
        return total + (APPLIED if self.ending.after else 0.0)

    def note(self) -> str:
        how = f"vectors of {self.target.lanes} along {self.line}" if self.line else "single elements"
        return f"CLIP: {how}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        """The box's loops."""
        before: list[list[Statement]] = [[] for _ in range(len(self.order) + 1)]
        for plan in self.plans:
            for level, limit in self._limits(plan):
                if level <= len(self.order):
                    before[level].append(limit)
        if not self.line:
            single = self.body("e", 1).statements(next(numbers), before)
            return self._nested(single, before)
        extent, lanes = self.free[self.line], self.target.lanes
        whole = extent // lanes * lanes
        inner: tuple[Statement, ...] = ()
        if whole:
            inner += self._line("v", 0, whole, lanes, next(numbers), before)
        if whole < extent and self.parts:
            inner += self._line("v", whole, extent, extent - whole, next(numbers), before)
        elif whole and whole < extent and self.ending.curved:
            inner += self._line("v", extent - lanes, extent, lanes, next(numbers), before)
        elif whole < extent:
            inner += self._line("e", whole, extent, 1, next(numbers), before)
        return self._nested(inner, before[:-1])

    def body(self, kind: str, count: int) -> Body:
        """The innermost body that the box asks for."""
        if self.ending.first:
            return Selecting(self, kind, count)
        plain = not self.ending.curved and all(t.plain for t in self.terms)
        return Body(self, kind, count) if plain else Applied(self, kind, count)

    def _line(
        self, kind: str, start: int, stop: int, step: int, number: int, before: list[list[Statement]]
    ) -> tuple[Statement, ...]:
        own = [*before[:-1], list(before[-1])]
        body = self.body(kind, step).statements(number, own)
        inside = (*own[-1], *body)
        if stop - start == step:
            return (Place(self.line, Form.of(start)), *inside)
        return (Loop(self.line, start, stop, step, inside),)

    def _nested(
        self, body: tuple[Statement, ...], before: Sequence[Sequence[Statement]]
    ) -> tuple[Statement, ...]:
        """The body inside the free loops, each level's statements first."""
        for level in reversed(range(1, len(before))):
            index = self.order[level - 1]
            body = (Loop(index, 0, self.free[index], 1, (*before[level], *body)),)
        return (*before[0], *body)

    def _limits(self, plan: Plan) -> Iterator[tuple[int, Limit]]:
        """The ends of a term's loops, each with the level at which all it names is known."""
        for step in plan.steps:
            for upper in (False, True):
                names = limit_names(plan, step, upper)
                for i, condition in enumerate(step.conditions):
                    form, divisor, _ = ends(condition, step.index)[upper]
                    known = self.level(plan, form.names)
                    last = i == len(step.conditions) - 1
                    level = max(known, *self._levels(plan, step)) if last else known
                    yield level, self._limit(plan, names, i, form, divisor, upper, step.extent)

    def _levels(self, plan: Plan, step: Step) -> tuple[int, ...]:
        return tuple(self.level(plan, c.names - {step.index}) for c in step.conditions)

    def _limit(
        self,
        plan: Plan,
        names: Sequence[str],
        number: int,
        form: Form,
        divisor: int,
        upper: bool,
        extent: int,
    ) -> Limit:
        low, high = span(form, {**self.free, **plan.term.bound})
        lift = max(0, -(low // divisor))
        last = number == len(names) - 1
        passes = high // divisor > extent if upper else low // divisor < 0
        edge = (extent if upper else 0) if last and (passes or len(names) > 1) else None
        others = tuple(names[:-1]) if last else ()
        return Limit(names[number], form, divisor, lift if divisor > 1 else 0, upper, edge, others)

    def level(self, plan: Plan, names: frozenset[str]) -> int:
        """The number of loops, free ones first, after which all the names are known."""
        order = (*self.order, *(s.index for s in plan.steps))
        return max((order.index(n) + 1 for n in names if n in order), default=0)


def clipped(out: Access, free: Ranges, terms: Sequence[Term], target: Target, ending: Ending = SUM) -> Clip:
    """The cheapest line by the model; elements alone where none is worth it."""
    lines = [f for f in free if out.slope(f) and not any(f in c.names for t in terms for c in t.conditions)]
    found = {line: Clip(out, free, tuple(terms), target, line, ending) for line in (*lines, "")}
    plain = [f for f in lines if found[f].parts or free[f] >= target.lanes]
    return min((found[line] for line in (*plain, "")), key=Clip.cost)
