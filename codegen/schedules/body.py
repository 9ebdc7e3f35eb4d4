"""Owns the innermost body of CLIP: the products of one entry of the result, or of a vector of entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codegen.loops import Assign, Call, Do, If, Loop, Pointer, Statement
from codegen.schedules.nest import Access, mark
from codegen.schedules.steps import Plan, limit_names

if TYPE_CHECKING:
    from codegen.schedules.clip import Clip


@dataclass(frozen=True)
class Body:
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
