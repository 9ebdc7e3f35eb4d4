"""WOVEN: every product of an entry written out, along a line whose entries lie one or two elements apart.

    out[2 i + r] = sum over t of w[t, r] * x[i + t]          two entries of a step woven into whole vectors
    out[i] = sum over t of x[2 i + t]                        two taps from the two vectors that hold both

Pooling and resampling: few products for each entry, and neighbours that share what is read. A factor that
lies further apart along the line (a table of weights) is read once for all rows of a block of the line. Of a
product of three or more factors what does not change along an inner sum is multiplied after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from codegen.loops import Loop, Place, Statement
from codegen.schedules.nest import SUM, Access, Ending, Target, Term
from codegen.schedules.values import Values, cycles, size
from codegen.schedules.woven_step import Step, parted
from derive.index import Form

MOST_PRODUCTS = 64
"""Products of one step that are written out."""
MOST_STATEMENTS = 400


@dataclass(frozen=True)
class Woven:
    """The loops of one box; `line` is the index along vectors, `pair` ("" or of two values) in its step."""

    out: Access
    free: Mapping[str, int]
    terms: tuple[Term, ...]
    target: Target
    line: str
    pair: str
    ending: Ending = SUM

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @cached_property
    def reads(self) -> tuple[Access, ...]:
        return tuple(a for t in self.terms for a in (*t.factors, *(c.code for c in t.choices)))

    @property
    def long(self) -> bool:
        """Whether products are of so many factors that sums inside them are summed first."""
        return any(len(t.factors) > 2 for t in self.terms)

    @cached_property
    def far(self) -> tuple[Access, ...]:
        """What lies further apart than two elements along the line."""
        return tuple(a for a in self.reads if a.slope(self.line) not in (0, 1, 2))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The free indices, outermost first; the line last but for rows that share what lies far apart."""
        others = [f for f in self.free if f not in (self.line, self.pair)]
        same = [f for f in others if not any(f in a.at.names for a in self.far)]
        if not self.far or not same:
            return (*others, self.line)
        row = max(same, key=lambda f: self.free[f])
        return (*(f for f in others if f != row), self.line, row)

    @cached_property
    def twins(self) -> Mapping[tuple[str, Form, int], tuple[int, bool]]:
        """By buffer, form and number of an address two apart: where its vectors begin, whether it is odd."""
        wanted: dict[tuple[str, Form], set[int]] = {}
        for term, values in ((t, v) for t in self.terms for v in self.values(t)):
            for access in (*term.factors, *(c.code for c in term.choices)):
                if access.slope(self.line) == 2:
                    at, number = parted(access.at.substitute(values))
                    wanted.setdefault((access.buffer.name, at), set()).add(number)
        found: dict[tuple[str, Form, int], tuple[int, bool]] = {}
        for (title, at), numbers in wanted.items():
            for number in sorted(numbers):
                if (title, at, number) not in found:
                    found[title, at, number] = number, False
                    if number + 1 in numbers:
                        found[title, at, number + 1] = number, True
        return found

    def values(self, term: Term) -> Iterator[dict[str, Form]]:
        """Every value of what a term is written out over: its summed indices, and the pair."""
        names = {**term.bound, **({self.pair: 2} if self.pair else {})}
        for numbers in product(*map(range, names.values())):
            yield dict(zip(names, map(Form.of, numbers), strict=True))

    def cost(self) -> float:
        """Cycles of the box by what is written."""
        return cycles(self.statements(iter(range(9))), self.lanes)

    def note(self) -> str:
        pairs = f", {self.pair} woven" if self.pair else ""
        return f"WOVEN: vectors of {self.lanes} along {self.line}{pairs}"

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        """The box's loops."""
        extent, depth = self.free[self.line], self.order.index(self.line)
        whole = extent // self.lanes * self.lanes
        first = next(numbers)
        values = Values(self.order, prefix=f"v{first}_")
        inner: tuple[Statement, ...] = ()
        if whole:
            values = values.inside(depth)
            body = self.block(values, self.lanes, first)
            inner += (Loop(self.line, 0, whole, self.lanes, body),)
        if whole < extent:
            values = values.inside(depth)
            start = extent - self.lanes if self.far else whole
            body = self.block(values, extent - start, next(numbers) if whole else first)
            inner += (Place(self.line, Form.of(start)), *body)
        return self.around(values, 0, depth, inner)

    def block(self, values: Values, count: int, number: int) -> tuple[Statement, ...]:
        """One step along the line, `count` lanes of it used, with the rows inside."""
        Step(self, values, count).written(number)
        depth = self.order.index(self.line) + 1
        inner = tuple(values.levels[-1])
        if depth == len(self.order):
            return inner
        row = self.order[depth]
        return (*values.levels[depth], Loop(row, 0, self.free[row], 1, inner))

    def around(
        self, values: Values, first: int, depth: int, body: tuple[Statement, ...]
    ) -> tuple[Statement, ...]:
        """A body inside the outer loops, what is known in each in front."""
        for level in reversed(range(first + 1, depth + 1)):
            index = self.order[level - 1]
            body = (Loop(index, 0, self.free[index], 1, (*values.levels[level], *body)),)
        return (*values.levels[first], *body)


def woven(
    out: Access, free: Mapping[str, int], terms: Sequence[Term], target: Target, ending: Ending = SUM
) -> Woven | None:
    """The cheapest such schedule of a box; None where it does not fit."""
    if not terms or target.lanes < 2 or ending.after is not None or not all(map(_fits, terms)):
        return None
    found = []
    for line in free:
        for pair in ("", *(p for p in free if p != line and free[p] == 2)):
            made = Woven(out, free, tuple(terms), target, line, pair, ending)
            if _lies(made):
                found.append(made)
    sized = [
        (w.cost(), k) for k, w in enumerate(found) if size(w.statements(iter(range(9)))) <= MOST_STATEMENTS
    ]
    return found[min(sized)[1]] if sized else None


def _fits(term: Term) -> bool:
    plain = not term.conditions and not term.minus and len(term.choices) < 2
    straight = not any(a.function or a.tables for a in term.factors)
    return plain and straight and prod(term.bound.values()) * max(len(term.factors), 1) <= MOST_PRODUCTS


def _lies(made: Woven) -> bool:
    """Whether what is stored lies along the line, one entry or one pair after another."""
    codes = made.ending.codes
    stored = (made.out, *((codes,) if codes is not None else ()))
    wanted = (2, 1) if made.pair else (1, 0)
    if any((a.slope(made.line), a.slope(made.pair)) != wanted for a in stored):
        return False
    if made.ending.first and (
        made.pair or any(len(t.factors) != 1 or len(t.choices) != 1 for t in made.terms)
    ):
        return False
    return len(made.far) == 0 or made.free[made.line] >= made.lanes
