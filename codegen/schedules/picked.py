"""PICKED: a sum of what an indicator chooses along a contiguous row, lane by lane, lanes added at the end.

out[n] = sum over c of [code[n] = c] x[n, c]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from codegen.algebra import slope
from codegen.loops import Assign, Call, Do, Loop, Pointer, Statement
from codegen.schedules.chosen import Applied
from codegen.schedules.clip import CHOSEN, Clip
from codegen.schedules.nest import Access, Ending, Target, Term, mark
from derive.index import Form, name

CHAINS = 4
"""Sums side by side, as many as an addition takes cycles."""


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
        return entries * (turns * (1.0 + CHOSEN / 2 * len(self.term.choices)) + 12.0)

    def note(self) -> str:
        return f"PICKED: vectors of {self.target.lanes} along {self.line}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        bare = replace(self.term, bound={})
        clip = Clip(
            self.out, {**self.free, self.line: self.extent}, (bare,), self.target, self.line, Ending(True)
        )
        depth = len(clip.order)
        levels: list[list[Statement]] = [[] for _ in range(depth)]
        wide = self.target.lanes * CHAINS
        first = self.extent // wide * wide
        body: list[Statement] = [mark(next(numbers)), Assign("v_total", Call("v_zero"))]
        if first:
            body += self.chained(clip, first, levels)
        if first < self.whole:
            inner = self.inner(clip, "v", self.target.lanes, levels)
            body.append(Loop(self.line, first, self.whole, self.target.lanes, inner))
        body.append(Assign("e_total", Call("v_sum", ("v_total",))))
        if self.whole < self.extent:
            rest = self.inner(clip, "e", 1, levels)
            body.append(Loop(self.line, self.whole, self.extent, 1, rest))
        body.append(Do(Call("e_store", (Pointer(self.out.buffer, self.out.at), "e_total"))))
        done: tuple[Statement, ...] = tuple(body)
        for level in reversed(range(1, depth)):
            index = clip.order[level - 1]
            done = (Loop(index, 0, self.free[index], 1, (*levels[level], *done)),)
        return (*levels[0], *done)

    def chained(self, clip: Clip, stop: int, levels: list[list[Statement]]) -> list[Statement]:
        """The sum up to a place in sums side by side, so that none waits for the one before."""
        step, inner = self.target.lanes, list[Statement]()
        for k in range(CHAINS):
            moved = replace(
                clip, terms=tuple(t.at_values({self.line: name(self.line) + k * step}) for t in clip.terms)
            )
            for statement in self.moved_on(self.inner(moved, "v", step, levels), k):
                inner.append(_renamed(statement, "v_total", f"v_total_{k}"))
        levels[0] += self.distances
        totals = [f"v_total_{k}" for k in range(CHAINS)]
        zeros = [Assign(t, Call("v_zero")) for t in totals]
        ends = [Assign("v_total", Call("v_add", ("v_total", t))) for t in totals]
        return [*zeros, Loop(self.line, 0, stop, step * CHAINS, tuple(inner)), *ends]

    @property
    def distances(self) -> list[Statement]:
        """How far from the first of the sums side by side each of them is, by choice."""
        found: list[Statement] = []
        for number, choice in enumerate(self.term.choices):
            by = slope(choice.value, self.line) * self.target.lanes
            found += [
                Assign(f"v_on{number}_{k}", Call("v_index", (Form.of(by * k), 0))) for k in range(CHAINS)
            ]
        return found

    def moved_on(self, statements: Iterable[Statement], k: int) -> Iterator[Statement]:
        """A step of the k-th sum: codes less where the first one is are compared with how far on it is.

        So a place is made a vector once for all sums; codes and places are whole numbers, and their
        differences exact.
        """
        number = 0
        for statement in statements:
            if not isinstance(statement, Assign) or statement.value.operation not in ("v_index", "v_same"):
                yield statement
            elif statement.value.operation == "v_same":
                left = f"v_left{number}"
                if k == 0:
                    yield Assign(left, Call("v_sub", statement.value.arguments))
                yield Assign(statement.name, Call("v_same", (left, f"v_on{number}_{k}")))
                number += 1
            elif k == 0:
                yield statement

    def inner(self, clip: Clip, kind: str, count: int, outer: list[list[Statement]]) -> tuple[Statement, ...]:
        """One step along the line; what is known outside goes to the levels of the outer loops."""
        own: list[list[Statement]] = [[] for _ in range(len(outer) + 1)]
        Applied(clip, kind, count).products(clip.plans[0], own, False)
        for level, statements in enumerate(own[:-1]):
            outer[level] += [s for s in statements if s not in outer[level]]
        return tuple(own[-1])


def _renamed(statement: Statement, old: str, new: str) -> Statement:
    """A statement with a value under another name."""
    if not isinstance(statement, Assign):
        return statement
    arguments = tuple(new if a == old else a for a in statement.value.arguments)
    title = new if statement.name == old else statement.name
    return Assign(title, Call(statement.value.operation, arguments))


def picked(out: Access, free: Mapping[str, int], term: Term, target: Target) -> Picked | None:
    """The schedule, where a term is such a sum."""
    if not term.choices or term.conditions or len(term.bound) != 1:
        return None
    (line, extent) = next(iter(term.bound.items()))
    along = all(a.slope(line) in (0, 1) for a in term.factors)
    if not along or any(c.code.slope(line) for c in term.choices) or extent < target.lanes:
        return None
    return Picked(out, free, term, target, line)
