"""CLIP: loops over just the values that conditions let through; right for every expression.

    for f: from, to = ends that the conditions on q have at f;  for q in range(from, to): total += product

A factor is read, and multiplied to those known before it, at the loop where its last index is known; the
innermost statement is one e_fma. Where no condition names the line (a free index along the result), the
same body runs on vectors of consecutive values of it; what is left of the line runs on single elements.
A condition on free indices alone is tested (`If`) where nothing else is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

from codegen.algebra import Ranges, span
from codegen.loops import Assign, Call, Do, If, Limit, Loop, Place, Pointer, Statement
from codegen.pieces import ends
from codegen.schedules.nest import Access, Target, Term, mark
from codegen.schedules.steps import Plan, Step, limit_names
from derive.index import Form

STRIDED = 1.5
"""Cycles for each lane of a strided load or store."""


@dataclass(frozen=True)
class Clip:
    """The loops of one box; `line` is the free index along which vectors run ("" for elements alone)."""

    out: Access
    free: Mapping[str, int]
    terms: tuple[Term, ...]
    target: Target
    line: str

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
            rest = bool(left) if self.parts else left * self._each(1) / self._each(lanes)
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
            total += loops + len(plan.tests) + plan.turns * (reads + 1.0)
        return total

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
            single = _Body(self, "e", 1).statements(next(numbers), before)
            return self._nested(single, before)
        extent, lanes = self.free[self.line], self.target.lanes
        whole = extent // lanes * lanes
        inner: tuple[Statement, ...] = ()
        if whole:
            inner += self._line("v", 0, whole, lanes, next(numbers), before)
        if whole < extent and self.parts:
            inner += self._line("v", whole, extent, extent - whole, next(numbers), before)
        elif whole < extent:
            inner += self._line("e", whole, extent, 1, next(numbers), before)
        return self._nested(inner, before[:-1])

    def _line(
        self, kind: str, start: int, stop: int, step: int, number: int, before: list[list[Statement]]
    ) -> tuple[Statement, ...]:
        own = [*before[:-1], list(before[-1])]
        body = _Body(self, kind, step).statements(number, own)
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
        return max((order.index(n) + 1 for n in names), default=0)


@dataclass(frozen=True)
class _Body:
    """The innermost free body of a box in one kind of value: "v" vectors along the line, "e" elements.

    `count` is how many lanes of a vector are entries of the result.
    """

    clip: Clip
    kind: str
    count: int

    def statements(self, number: int, before: list[list[Statement]]) -> tuple[Statement, ...]:
        """The body; what is known in outer free loops is put into `before`."""
        total = f"{self.kind}_total"
        body: list[Statement] = [mark(number)]
        plans = self.clip.plans
        if not plans or not self.starts(plans[0]):
            body.append(Assign(total, Call(f"{self.kind}_zero")))
        for position, plan in enumerate(plans):
            body += self.term(plan, before, position == 0 and self.starts(plan))
        body.append(self.store(total))
        return tuple(body)

    def starts(self, plan: Plan) -> bool:
        """Whether a term is one entry, so that the total starts with it."""
        return len(plan.term.factors) == 1 and not plan.steps and not plan.tests

    def term(self, plan: Plan, before: list[list[Statement]], first: bool) -> tuple[Statement, ...]:
        depth = len(self.clip.order)
        levels: list[list[Statement]] = [[] for _ in range(depth + len(plan.steps) + 1)]
        for level, limit in self.clip._limits(plan):
            if level > depth:
                levels[level].append(limit)
        self.products(plan, levels, first)
        for level in range(depth + bool(plan.steps)):
            before[level] += [s for s in levels[level] if s not in before[level]]
        body: tuple[Statement, ...] = () if plan.steps else tuple(levels[depth])
        for position in reversed(range(len(plan.steps))):
            step = plan.steps[position]
            start, stop = (
                (limit_names(plan, step, upper)[-1] if step.conditions else edge)
                for upper, edge in ((False, 0), (True, step.extent))
            )
            body = (Loop(step.index, start, stop, 1, (*levels[depth + position + 1], *body)),)
        return (If(plan.tests, body),) if plan.tests else body

    def products(self, plan: Plan, levels: list[list[Statement]], first: bool) -> None:
        """Each factor read and multiplied where it is known; the last product goes into the total."""
        innermost, total = len(levels) - 1, f"{self.kind}_total"
        known = [(self.known(plan, a, innermost), i, a) for i, a in enumerate(plan.term.factors)]
        chain = ""
        for position, (level, i, access) in enumerate(sorted(known, key=lambda k: k[:2])):
            value = f"{self.kind}_{plan.number}_{i}"
            if first:
                levels[innermost].append(self.load(total, access))
                return
            levels[level].append(self.load(value, access))
            if position == len(known) - 1:
                words = (total, chain, value) if chain else (total, value)
                call = Call(f"{self.kind}_{'fma' if chain else 'add'}", words)
                levels[innermost].append(Assign(total, call))
            elif chain:
                partial, zero = f"{self.kind}_{plan.number}_p{position}", f"{self.kind}_nought"
                levels[level] += [
                    Assign(zero, Call(f"{self.kind}_zero")),
                    Assign(partial, Call(f"{self.kind}_fma", (zero, chain, value))),
                ]
                chain = partial
            else:
                chain = value

    def known(self, plan: Plan, access: Access, innermost: int) -> int:
        """The level at which a factor may be read; one that conditions keep in bounds waits for them."""
        if plan.tests or not access.sure:
            return innermost
        return self.clip.level(plan, access.at.names)

    def load(self, value: str, access: Access) -> Statement:
        pointer = Pointer(access.buffer, access.at)
        if self.kind == "e":
            return Assign(value, Call("e_load", (pointer,)))
        by = access.slope(self.clip.line)
        if by == 0:
            return Assign(value, Call("v_splat", (pointer,)))
        if by == 1 and self.count < self.clip.target.lanes:
            return Assign(value, Call("v_load_part", (pointer, self.count)))
        if by == 1:
            return Assign(value, Call("v_load", (pointer,)))
        return Assign(value, Call("v_load_strided", (pointer, by)))

    def store(self, total: str) -> Statement:
        pointer = Pointer(self.clip.out.buffer, self.clip.out.at)
        by = self.clip.out.slope(self.clip.line)
        if self.kind == "v" and by != 1:
            return Do(Call("v_store_strided", (pointer, total, self.count, by)))
        if self.kind == "v" and self.count < self.clip.target.lanes:
            return Do(Call("v_store_part", (pointer, total, self.count)))
        return Do(Call(f"{self.kind}_store", (pointer, total)))


def clipped(out: Access, free: Ranges, terms: Sequence[Term], target: Target) -> Clip:
    """The cheapest line by the model; elements alone where none is worth it."""
    lines = [f for f in free if out.slope(f) and not any(f in c.names for t in terms for c in t.conditions)]
    plain = [f for f in lines if Clip(out, free, tuple(terms), target, f).parts or free[f] >= target.lanes]
    return min((Clip(out, free, tuple(terms), target, line) for line in (*plain, "")), key=Clip.cost)
