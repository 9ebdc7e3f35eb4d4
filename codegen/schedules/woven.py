"""WOVEN: every product of an entry written out, along a line whose entries lie one or two elements apart.

    out[2 i + r] = sum over t of w[t, r] * x[i + t]          two entries of a step woven into whole vectors
    out[i] = sum over t of x[2 i + t]                        two taps from the two vectors that hold both

Pooling and resampling: few products for each entry, and neighbours that share what is read. A factor that
lies further apart along the line (a table of weights) is read once for all rows of a block of the line. Of a
product of three or more factors what does not change along an inner sum is multiplied after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count, product
from math import prod

from codegen.loops import Loop, Place, Statement
from codegen.schedules.nest import SUM, Access, Ending, Target, Term
from codegen.schedules.values import Values, cycles, size
from codegen.schedules.woven_lanes import Block, blocks
from codegen.schedules.woven_step import Step, parted
from derive.index import Form

MOST_PRODUCTS = 64
"""Products of one step that are written out."""
MOST_STATEMENTS = 400


@dataclass(frozen=True)
class Woven:
    """The loops of one box; `line` is the index along vectors, `pair` ("" or of two values) in its step.

    `places` are the terms at each value of the pair. Their conditions name the line and summed indices; a
    block of the line in which some are not met is written by itself, and lanes that do not meet them read
    nothing. Without a line ("") all is written in single elements. `rows` is an index whose values are all
    written out in one step, so that they share what they read.
    """

    out: Access
    free: Mapping[str, int]
    places: tuple[tuple[Term, ...], ...]
    target: Target
    line: str
    pair: str
    ending: Ending = SUM
    rows: str = ""

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """The terms of all places."""
        return tuple(t for terms in self.places for t in terms)

    @property
    def lanes(self) -> int:
        return self.target.lanes if self.line else 1

    @cached_property
    def reads(self) -> tuple[Access, ...]:
        return tuple(a for t in self.terms for a in (*t.factors, *(c.code for c in t.choices)))

    @property
    def long(self) -> bool:
        """Whether products are of so many factors that sums inside them are summed first."""
        return any(len(t.factors) > 2 for t in self.terms)

    @property
    def coded(self) -> bool:
        """Whether choices by codes are made in vectors."""
        return bool(self.line) and not self.ending.first and any(t.choices for t in self.terms)

    @cached_property
    def far(self) -> tuple[Access, ...]:
        """What lies further apart than two elements along the line."""
        return tuple(a for a in self.reads if a.slope(self.line) not in (0, 1, 2))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """The free indices, outermost first; the line last but for rows that share what lies far apart."""
        others = [f for f in self.free if f not in (self.line, self.pair, self.rows)]
        if not self.line:
            return tuple(others)
        same = [f for f in others if not any(f in a.at.names for a in self.far)]
        if not self.far or not same:
            return (*others, self.line)
        row = max(same, key=lambda f: self.free[f])
        return (*(f for f in others if f != row), self.line, row)

    @cached_property
    def twins(self) -> Mapping[tuple[str, Form, int], tuple[int, bool]]:
        """By buffer, form and number of an address two apart: where its vectors begin, whether it is odd."""
        wanted: dict[tuple[str, Form], set[int]] = {}
        for term, values in (
            (t, v) for k, ts in enumerate(self.places) for t in ts for v in self.values(t, k)
        ):
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

    @cached_property
    def near(self) -> frozenset[Form]:
        """What moves along in the codes of choices, where several of a step differ by numbers alone."""
        found: dict[Form, set[int]] = {}
        for place, terms in enumerate(self.places):
            for term, choice in ((t, c) for t in terms for c in t.choices):
                for values in self.values(term, place):
                    at, number = parted(choice.value.substitute(values))
                    found.setdefault(at, set()).add(number)
        return frozenset(at for at, numbers in found.items() if at.names and len(numbers) > 1)

    def values(self, term: Term, place: int) -> Iterator[dict[str, Form]]:
        """Every value of what a term is written out over, its summed indices, at a place of the pair."""
        fixed = {self.pair: Form.of(place)} if self.pair else {}
        names = {**term.bound, **({self.rows: self.free[self.rows]} if self.rows else {})}
        for numbers in product(*map(range, names.values())):
            yield {**fixed, **dict(zip(names, map(Form.of, numbers), strict=True))}

    def cost(self) -> float:
        """Cycles of the box by what is written."""
        return cycles(self.statements(count(1)), self.lanes)

    def note(self) -> str:
        further = [f"{self.pair} woven"] if self.pair else []
        further += [f"{self.rows} side by side"] if self.rows else []
        how = f"vectors of {self.lanes} along {self.line}" if self.line else "single elements"
        return ", ".join((f"WOVEN: {how}", *further))

    def statements(self, numbers: Iterator[int]) -> tuple[Statement, ...]:
        """The box's loops."""
        first = next(numbers)
        values = Values(self.order, prefix=f"{'v' if self.line else 'e'}{first}_")
        if not self.line:
            Step(self, values, Block(0, 1, 1, True)).written(first)
            return self.around(values, 0, len(self.order), ())
        depth = self.order.index(self.line)
        inner: tuple[Statement, ...] = ()
        for block in self.blocks:
            values = values.inside(depth)
            body = self.block(values, block, next(numbers) if inner else first)
            if block.looped(self.lanes):
                inner += (Loop(self.line, block.start, block.stop, self.lanes, body),)
            else:
                inner += (Place(self.line, Form.of(block.start)), *body)
        return self.around(values, 0, depth, inner)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The line in vectors.

        None where lanes here and there meet a condition, or where some do and what is read along the line is
        far apart, or nothing is, so that no factor is zero in the others.
        """
        if not self.line:
            return (Block(0, 1, 1, not any(t.conditions for t in self.terms)),)
        found = blocks(self.terms, self.line, self.free[self.line], self.lanes, bool(self.far))
        if found is None or all(b.plain for b in found):
            return found or ()
        held = self.ending.first or all(
            any(a.slope(self.line) for a in t.factors) for t in self.terms if t.conditions
        )
        return () if self.far or not held else found

    def block(self, values: Values, block: Block, number: int) -> tuple[Statement, ...]:
        """One step along the line with the rows inside."""
        Step(self, values, block).written(number)
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
    if not terms or target.lanes < 2 or any(t.conditions for t in terms):
        return None
    found = []
    for line in free:
        for pair in ("", *(p for p in free if p != line and free[p] == 2)):
            places = (tuple(terms),) * (2 if pair else 1)
            made = woven_at(out, free, places, target, line, pair, ending)
            found += [made, *with_rows(made)] if made is not None else []
    if not ending.first and not any(t.choices for t in terms):
        single = woven_at(out, free, (tuple(terms),), target, "", "", ending)
        found += [single] if single is not None else []
    return min(found, key=Woven.cost, default=None)


def with_rows(made: Woven) -> Iterator[Woven]:
    """The same with a short index written out, where rows share codes or what lies far apart on the line."""
    shared = made.free if made.far or made.coded else ()
    for rows in (f for f in shared if f not in (made.line, made.pair) and made.free[f] == 2):
        wide = replace(made, rows=rows)
        if size(wide.statements(count(1))) <= MOST_STATEMENTS:
            yield wide


def woven_at(
    out: Access,
    free: Mapping[str, int],
    places: tuple[tuple[Term, ...], ...],
    target: Target,
    line: str,
    pair: str,
    ending: Ending = SUM,
) -> Woven | None:
    """The schedule along a line with a pair; None where it does not fit."""
    terms = [t for at in places for t in at]
    if ending.after is not None or target.lanes < 2 or not all(map(_fits, terms)):
        return None
    if ending.first and not all(places):
        return None
    made = Woven(out, free, places, target, line, pair, ending)
    if not _lies(made) or not made.blocks:
        return None
    return made if size(made.statements(count(1))) <= MOST_STATEMENTS else None


def _fits(term: Term) -> bool:
    plain = not term.minus and len(term.choices) < 2
    straight = not any(a.function or a.tables for a in term.factors)
    return plain and straight and prod(term.bound.values()) * max(len(term.factors), 1) <= MOST_PRODUCTS


def _lies(made: Woven) -> bool:
    """Whether what is stored lies along the line, one entry or one pair after another."""
    if not made.line:
        return all(not t.conditions for t in made.terms)
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
