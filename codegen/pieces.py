"""Owns the cutting of a result into boxes on which conditions are decided and inner sums have fixed ranges.

A condition on one free index f alone holds on some values of f; a condition that joins f with one summed
index q, [0 <= a*f + b*q + c < w], leaves q a range that moves along with f. Both are listed for every
value of f, and the values are gathered into runs start, start + step, ...: on a run the same terms are
alive and every range stays or moves by a whole number a step, the least at which all do (the stride of a
transposed convolution). Values in no long run stay dynamic: their conditions are left to `schedules/clip.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import lcm, prod

from codegen.algebra import Ranges, decided, slope
from codegen.schedules.nest import SUM, Access, Ending, Term
from derive.index import Condition, Form, Within, name

MOST_STEPS = 8
"""Largest step of a run."""
MOST_RUNS = 12
"""Runs an axis may be cut into before short ones are left dynamic."""
MOST_BOXES = 64
LONG = 4
MOST_VALUES = 2**16
"""Values of an index that are looked at one by one."""

Interval = tuple[int, int]
Signature = tuple[tuple[Interval, ...] | None, ...]


@dataclass(frozen=True, order=True)
class Run:
    """`width` values at each of start, start + step, ..., `count` of them; `fixed` where they are alike."""

    start: int
    step: int
    count: int
    fixed: bool = True
    width: int = 1

    def form(self, index: str) -> Form:
        """The value as a form in the number of the step, which keeps the index's name, and a place in it."""
        inner = name(inside(index)) if self.width > 1 else Form()
        return Form.of(self.start) + (name(index) * self.step if self.count > 1 else 0) + inner

    def ranges(self, index: str) -> dict[str, int]:
        """The indices that the form names."""
        return {n: e for n, e in ((index, self.count), (inside(index), self.width)) if e > 1}

    def values(self) -> Iterator[int]:
        for place in range(self.start, self.start + self.step * self.count, self.step):
            yield from range(place, place + self.width)


def inside(index: str) -> str:
    """The name of the place within a step."""
    return f"{index}_in"


@dataclass(frozen=True)
class Pair:
    """A summed index whose conditions name at most one free index, and nothing else (`free` "": none)."""

    bound: str
    free: str
    extent: int
    conditions: tuple[Condition, ...]

    @property
    def pace(self) -> Fraction:
        """Values of the summed index from one value of the free one to the next."""
        return next(iter(self.paces), Fraction())

    @property
    def paces(self) -> set[Fraction]:
        """What the conditions say of it, those that do not move left out."""
        ratios = {-Fraction(slope(c.form, self.free), slope(c.form, self.bound)) for c in self.conditions}
        return ratios - {Fraction()}

    def interval(self, at: Mapping[str, int]) -> Interval:
        """First and one past the last value that the conditions allow; (0, 0) where there is none."""
        low, high = 0, self.extent
        for condition in self.conditions:
            for form, divisor, upper in ends(condition, self.bound):
                value = form.evaluate(at) // divisor
                low, high = (low, min(high, value)) if upper else (max(low, value), high)
        return (low, high) if low < high else (0, 0)


def ends(condition: Condition, index: str) -> tuple[tuple[Form, int, bool], tuple[Form, int, bool]]:
    """The values of `index` that a condition lets through: floor(form / divisor) from below, then above."""
    by = slope(condition.form, index)
    rest = condition.form.substitute({index: Form()})
    width = condition.high if isinstance(condition, Within) else Form.of(1)
    if by > 0:
        return (by - 1 - rest, by, False), (width - rest + (by - 1), by, True)
    return (rest - width - by, -by, False), (rest - by, -by, True)


def clippable(condition: Condition, index: str) -> bool:
    """Whether a condition can be an end of a loop over the index."""
    factor = condition.form.coefficient(index)
    held = isinstance(condition, Within) and index in condition.high.names
    return not held and factor is not None and factor.constant not in (None, 0)


def pairs(term: Term, free: Ranges) -> tuple[Pair, ...]:
    """The summed indices of a term whose range one free index decides, at a small enough step."""
    found = []
    for bound, extent in term.bound.items():
        own = tuple(c for c in term.conditions if bound in c.names)
        others = frozenset().union(*(c.names for c in own)) - {bound}
        plain = others <= set(free) and len(others) <= 1 and all(clippable(c, bound) for c in own)
        if own and plain:
            pair = Pair(bound, next(iter(others), ""), extent, own)
            if len(pair.paces) <= 1 and pair.pace.denominator <= MOST_STEPS:
                found.append(pair)
    return tuple(found)


def _alive(term: Term, at: Mapping[str, int]) -> bool:
    return all(c.holds(at) for c in term.conditions if c.names <= at.keys())


@dataclass(frozen=True)
class Axis:
    """One free index and what the terms say of it."""

    index: str
    extent: int
    terms: Sequence[tuple[Term, tuple[Pair, ...]]]

    @property
    def step(self) -> int:
        found = lcm(*(p.pace.denominator for _, ps in self.terms for p in ps))
        return found if found <= min(MOST_STEPS, self.extent) else 1

    def signature(self, value: int) -> Signature:
        """For every term the ranges of its summed indices at a value; None where the term is not alive."""
        at, found = {self.index: value}, list[tuple[Interval, ...] | None]()
        for term, own in self.terms:
            ranges = tuple(p.interval(at) for p in own)
            dead = not _alive(term, at) or any(low == high for low, high in ranges)
            found.append(None if dead else ranges)
        return tuple(found)

    def runs(self) -> list[Run]:
        """All runs, each as long as it can be."""
        listed = [self.signature(v) for v in range(self.extent)]
        found = []
        for phase in range(self.step):
            start, way = phase, None
            for value in range(phase, self.extent, self.step):
                after = value + self.step
                moves = self._moves(listed[value], listed[after]) if after < self.extent else None
                if moves is None or way not in (None, moves):
                    found.append(Run(start, self.step, (value - start) // self.step + 1))
                    start, way = after, None
                else:
                    way = moves
        return _widened(sorted(found), listed)

    def _moves(self, one: Signature, two: Signature) -> tuple[int, ...] | None:
        """By how much each range moves from one value to the next: by its pace, or not at all."""
        found: list[int] = []
        for (_, own), before, after in zip(self.terms, one, two, strict=True):
            if before is None or after is None:
                if before is not after:
                    return None
                continue
            for pair, (low, high), (start, stop) in zip(own, before, after, strict=True):
                if start - low != stop - high or start - low not in (0, pair.pace * self.step):
                    return None
                found.append(start - low)
        return tuple(found)

    @property
    def concerned(self) -> bool:
        return any(p for _, ps in self.terms for p in ps) or any(
            c.names == {self.index} for t, _ in self.terms for c in t.conditions
        )

    def cut(self, effort: int) -> list[Run]:
        """Runs that cover the axis: 0 whole and dynamic, 1 long ones and dynamic rests, 2 all of them."""
        if not (self.concerned and effort) or self.extent > MOST_VALUES:
            return [Run(0, 1, self.extent, not self.concerned)]
        found = self.runs()
        if effort > 1 and len(found) <= MOST_RUNS:
            return found
        long = [r for r in sorted(found, key=lambda r: -r.count)[:MOST_RUNS] if r.count >= LONG]
        covered = {v for r in long for v in r.values()}
        return sorted([*long, *_rests([v for v in range(self.extent) if v not in covered])])


def _widened(runs: Sequence[Run], listed: Sequence[Signature]) -> list[Run]:
    """Runs side by side that leave the same ranges made one: entries that are the same sum."""
    found: list[Run] = []
    for run in sorted(runs, key=lambda r: (r.count, r.start)):
        last = found[-1] if found and run.count > 1 and run.step > 1 else None
        if last and last.count == run.count and last.start + last.width == run.start:
            same = listed[last.start] == listed[run.start]
            found[-1:] = [replace(last, width=last.width + 1)] if same else [last, run]
        else:
            found.append(run)
    return sorted(found)


def _rests(values: Sequence[int]) -> Iterator[Run]:
    start = 0
    for i, value in enumerate(values):
        if i + 1 == len(values) or values[i + 1] != value + 1:
            yield Run(values[start], 1, i + 1 - start, False)
            start = i + 1


@dataclass(frozen=True)
class Box:
    """One part of the result: its own ranges, and what is left of the terms there."""

    out: Access
    free: dict[str, int]
    terms: tuple[Term, ...]
    ending: Ending = SUM

    @property
    def accesses(self) -> tuple[Access, ...]:
        """Everything that is read or stored."""
        codes = (self.ending.codes,) if self.ending.codes is not None else ()
        read = (a for t in self.terms for a in (*t.factors, *(c.code for c in t.choices)))
        return (self.out, *codes, *read)

    def without(self, index: str) -> Box:
        """The box with an index at 0, which another one takes over."""
        gone = {index: Form()}
        terms = tuple(t.at_values(gone) for t in self.terms)
        return Box(self.out.at_values(gone), self.free, terms, self.ending.at_values(gone))


def boxes(
    out: Access, free: Ranges, terms: Sequence[Term], ending: Ending = SUM, whole: str = ""
) -> list[Box]:
    """Boxes that cover the result, each entry once; the index `whole` is not cut."""
    if not any(t.conditions for t in terms):
        return [Box(out, dict(free), tuple(terms), ending)]
    known = [(t, pairs(t, free)) for t in terms]
    axes = [
        Axis(f, n, [(t, tuple(p for p in ps if p.free == f)) for t, ps in known]) for f, n in free.items()
    ]
    efforts = [0 if axis.index == whole else 2 for axis in axes]
    cuts = [axis.cut(effort) for axis, effort in zip(axes, efforts, strict=True)]
    while prod(map(len, cuts)) > MOST_BOXES:
        worst = max(range(len(axes)), key=lambda i: (len(cuts[i]), -i))
        efforts[worst] -= 1
        cuts[worst] = axes[worst].cut(efforts[worst])
    found = []
    for runs in product(*cuts):
        chosen = dict(zip(free, runs, strict=True))
        values = {f: r.form(f) for f, r in chosen.items()}
        ranges = {n: e for f, r in chosen.items() for n, e in r.ranges(f).items()}
        placed = (_placed(t, ps, chosen, values, ranges) for t, ps in known)
        kept = tuple(t for t in placed if t is not None)
        found.append(Box(out.at_values(values), ranges, kept, ending.at_values(values)))
    return found


def _placed(
    term: Term, own: Sequence[Pair], chosen: Mapping[str, Run], values: Mapping[str, Form], ranges: Ranges
) -> Term | None:
    """The term inside a box; None where it adds nothing there."""
    fixed = {f: r.start for f, r in chosen.items() if r.fixed}
    if not all(c.holds(fixed) for c in term.conditions if c.names <= fixed.keys() and len(c.names) <= 1):
        return None
    gone = {c for c in term.conditions if c.names <= fixed.keys() and len(c.names) <= 1}
    moved, bound = dict(values), dict(term.bound)
    settled = [(p, p.interval(fixed)) for p in own if not p.free or p.free in fixed]
    if any(low == high for _, (low, high) in settled):
        return None
    for pair, (low, high) in settled:
        run = chosen.get(pair.free)
        after = {pair.free: run.start + run.step} if run is not None and run.count > 1 else None
        pace = pair.interval(after)[0] - low if after else 0
        value = Form.of(low) + (name(pair.free) * pace if pace else 0)
        del bound[pair.bound]
        if high - low > 1:
            bound[pair.bound] = high - low
            value = value + name(pair.bound)
        moved[pair.bound] = value
        gone |= set(pair.conditions)
    left = [c.mapped(lambda f: f.substitute(moved)) for c in term.conditions if c not in gone]
    verdicts = [decided(c, {**ranges, **bound}) for c in left]
    if False in verdicts:
        return None
    kept = tuple(c for c, verdict in zip(left, verdicts, strict=True) if verdict is None)
    if term.choices:  # the first of equal entries is taken, so that the order matters
        bound = {n: bound[n] for n in term.bound if n in bound}
    return replace(term.at_values(moved), bound=bound, conditions=kept)
