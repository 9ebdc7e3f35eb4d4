"""PICKED: a sum of what an indicator chooses along a contiguous row, lane by lane, lanes added at the end.

out[n] = sum over c of [code[n] = c] x[n, c]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from codegen.loops import Assign, Call, Do, Loop, Pointer, Statement
from codegen.schedules.chosen import Applied
from codegen.schedules.clip import CHOSEN, Clip
from codegen.schedules.nest import Access, Ending, Target, Term, mark


@dataclass(frozen=True)
class Picked:
    """One term whose only summed index is `line`, at least one vector long."""

    out: Access
    free: Mapping[str, int]
    term: Term
    target: Target
    line: str

    @property
    def extent(self) -> int:
        return self.term.bound[self.line]

    @property
    def whole(self) -> int:
        return self.extent // self.target.lanes * self.target.lanes

    def cost(self) -> float:
        """Cycles of the whole sum."""
        turns = self.whole // self.target.lanes + self.extent - self.whole
        entries = 1
        for extent in self.free.values():
            entries *= extent
        return entries * (turns * (2.0 + CHOSEN * len(self.term.choices)) + 12.0)

    def note(self) -> str:
        return f"PICKED: vectors of {self.target.lanes} along {self.line}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        bare = replace(self.term, bound={})
        clip = Clip(
            self.out, {**self.free, self.line: self.extent}, (bare,), self.target, self.line, Ending(True)
        )
        depth = len(clip.order)
        levels: list[list[Statement]] = [[] for _ in range(depth)]
        inner = self.inner(clip, "v", self.target.lanes, levels)
        body: list[Statement] = [
            mark(next(numbers)),
            Assign("v_total", Call("v_zero")),
            Loop(self.line, 0, self.whole, self.target.lanes, inner),
            Assign("e_total", Call("v_sum", ("v_total",))),
        ]
        if self.whole < self.extent:
            rest = self.inner(clip, "e", 1, levels)
            body.append(Loop(self.line, self.whole, self.extent, 1, rest))
        body.append(Do(Call("e_store", (Pointer(self.out.buffer, self.out.at), "e_total"))))
        done: tuple[Statement, ...] = tuple(body)
        for level in reversed(range(1, depth)):
            index = clip.order[level - 1]
            done = (Loop(index, 0, self.free[index], 1, (*levels[level], *done)),)
        return (*levels[0], *done)

    def inner(self, clip: Clip, kind: str, count: int, outer: list[list[Statement]]) -> tuple[Statement, ...]:
        """One step along the line; what is known outside goes to the levels of the outer loops."""
        own: list[list[Statement]] = [[] for _ in range(len(outer) + 1)]
        Applied(clip, kind, count).products(clip.plans[0], own, False)
        for level, statements in enumerate(own[:-1]):
            outer[level] += [s for s in statements if s not in outer[level]]
        return tuple(own[-1])


def picked(out: Access, free: Mapping[str, int], term: Term, target: Target) -> Picked | None:
    """The schedule, where a term is such a sum."""
    if not term.choices or term.conditions or len(term.bound) != 1:
        return None
    (line, extent) = next(iter(term.bound.items()))
    along = all(a.slope(line) in (0, 1) for a in term.factors)
    if not along or any(c.code.slope(line) for c in term.choices) or extent < target.lanes:
        return None
    return Picked(out, free, term, target, line)
