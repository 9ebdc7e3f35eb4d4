"""Owns boxes whose line is left whole: along it edges are lanes that read nothing, not boxes of their own.

Along the line (the index whose entries lie one after another) a summed index has the same values, or values
that move along, at all places but those near the ends, where some are missing. The index is written as its
first value plus a place among those; what is missing stays as a condition on the line, which a schedule
decides lane by lane when it writes a block of the line. A line of which every second entry has another
pattern becomes pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from codegen.algebra import Ranges
from codegen.pieces import Axis, Box, Pair, boxes, inside, pairs
from codegen.schedules.nest import Access, Ending, Term
from derive.index import Condition, Form, Within, name

MOST_VALUES = 2**12
"""Values of a line that are looked at one by one."""


@dataclass(frozen=True)
class Lined:
    """A box with its line, its pair ("" where entries are alike), and the terms at each place of the pair.

    Conditions that are left name the line, and summed indices of their term.
    """

    box: Box
    line: str
    pair: str
    places: tuple[tuple[Term, ...], ...]


def lined(
    out: Access, free: Ranges, terms: Sequence[Term], ending: Ending, line: str
) -> tuple[list[Lined], list[Box]] | None:
    """Boxes with the whole line in them, and boxes of a last entry that is no pair; both cover the result.

    None where the terms have no such pattern.
    """
    if not any(line in c.names for t in terms for c in t.conditions) or free[line] > MOST_VALUES:
        return None
    known = [(t, tuple(p for p in pairs(t, free) if p.free == line)) for t in terms]
    if not all(_held(c.names, line, own) for t, own in known for c in t.conditions):
        return None
    step = Axis(line, free[line], known).step
    if step > 2 or free[line] < 2 * step:
        return None
    cuts = [_cut(out, free, known, ending, line, step, place) for place in range(step)]
    joined = _joined([c for c in cuts if c is not None], line, inside(line) if step == 2 else "")
    if joined is None or None in cuts:
        return None
    return joined, _last(out, free, terms, ending, line) if free[line] % step else []


def _held(names: frozenset[str], line: str, own: Sequence[Pair]) -> bool:
    """Whether a condition is on the line alone, or on an index whose range the line decides, or not on it."""
    return line not in names or len(names) == 1 or any(p.bound in names for p in own)


def _cut(
    out: Access,
    free: Ranges,
    known: Sequence[tuple[Term, tuple[Pair, ...]]],
    ending: Ending,
    line: str,
    step: int,
    place: int,
) -> list[Box] | None:
    """The boxes of one place of each step."""
    pair, count = inside(line), free[line] // step
    at = [_patterned(t, own, line, step, place, count) for t, own in known]
    if None in at:
        return None
    ranges = {**{f: (count if f == line else e) for f, e in free.items()}, **({pair: 2} if step == 2 else {})}
    moved = {line: name(line) * step + (name(pair) if step == 2 else 0)}
    alive = [t for t in at if t is not None and _alive(t, line, count)]
    return boxes(out.at_values(moved), ranges, alive, ending.at_values(moved), line)


def _last(out: Access, free: Ranges, terms: Sequence[Term], ending: Ending, line: str) -> list[Box]:
    """The boxes of the line's last entry."""
    at = {line: Form.of(free[line] - 1)}
    here = [
        replace(t.at_values(at), conditions=tuple(c.mapped(lambda f: f.substitute(at)) for c in t.conditions))
        for t in terms
    ]
    rest = {f: e for f, e in free.items() if f != line}
    return boxes(out.at_values(at), rest, here, ending.at_values(at))


def _joined(cuts: Sequence[Sequence[Box]], line: str, pair: str) -> list[Lined] | None:
    """The boxes of all places of a pair made one, where they are cut alike."""
    found = []
    if len({len(cut) for cut in cuts}) > 1:
        return None
    for same in zip(*cuts, strict=True):
        first = same[0]
        if any((b.out, b.free) != (first.out, first.free) for b in same):
            return None
        for term in (t for b in same for t in b.terms):
            if any(not c.names <= {line, *term.bound} for c in term.conditions):
                return None
        found.append(Lined(first, line, pair, tuple(b.terms for b in same)))
    return found


def _put(conditions: Iterable[Condition], values: Mapping[str, Form]) -> list[Condition]:
    """Conditions with values put in for indices."""
    return [c.mapped(lambda f: f.substitute(values)) for c in conditions]


def _patterned(term: Term, own: Sequence[Pair], line: str, step: int, place: int, count: int) -> Term | None:
    """A term at one place of each step along the line, summed indices from the first value there."""
    at = name(line) * step + place
    values: dict[str, Form] = {line: at}
    bound, kept = dict(term.bound), _put(term.conditions, {line: at})
    for pair in own:
        found = _pattern([pair.interval({line: step * j + place}) for j in range(count)], pair.pace * step)
        if found is None:
            return None
        first, by, width = found
        value = name(line) * by + first + (name(pair.bound) if width > 1 else 0)
        values[pair.bound] = value
        kept = [*_put(kept, {pair.bound: value}), Within(value, Form.of(pair.extent))]
        if width > 1:
            bound[pair.bound] = width
        else:
            del bound[pair.bound]
    return replace(term.at_values(values), bound=bound, conditions=tuple(dict.fromkeys(kept)))


def _pattern(listed: Sequence[tuple[int, int]], pace: Fraction) -> tuple[int, int, int] | None:
    """First value, values from one step to the next, and width, such that every interval is a part of it."""
    widest = max(high - low for low, high in listed)
    if not widest:
        return 0, 0, 1
    middle = [j for j, (low, high) in enumerate(listed) if high - low == widest]
    at = middle[len(middle) // 2]
    for by in dict.fromkeys((Fraction(), pace)):
        first = listed[at][0] - by * at
        parts = (
            low == high or (first + by * j <= low and high <= first + by * j + widest)
            for j, (low, high) in enumerate(listed)
        )
        if by.denominator == 1 and all(parts):
            return int(first), int(by), widest
    return None


def _alive(term: Term, line: str, count: int) -> bool:
    """Whether a term adds anything anywhere on the line, as far as conditions on the line alone say."""
    own = [c for c in term.conditions if c.names <= {line}]
    return any(all(c.holds({line: j}) for c in own) for j in range(count))
