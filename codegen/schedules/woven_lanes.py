"""Owns blocks of a line: which lanes of a vector meet the conditions that a term has on its place there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from codegen.schedules.nest import Term


@dataclass(frozen=True)
class Block:
    """Vectors of a line from one place to another, `count` lanes of each used.

    Attributes:
        plain: whether every lane of theirs meets every condition; only such are more than one vector.
    """

    start: int
    stop: int
    count: int
    plain: bool

    def looped(self, lanes: int) -> bool:
        return self.plain and self.count == lanes


@dataclass(frozen=True)
class Lanes:
    """The lanes of a block that meet the conditions of a term: `count` from `first` on."""

    first: int
    count: int


def lanes_of(term: Term, values: Mapping[str, int], line: str, start: int, count: int) -> Lanes | None:
    """Which of `count` lanes from a place of the line on meet a term's conditions at values of its sums.

    None where they are not one after another.
    """
    met = [lane for lane in range(count) if _holds(term, {**values, line: start + lane})]
    if not met:
        return Lanes(0, 0)
    return Lanes(met[0], len(met)) if met[-1] - met[0] + 1 == len(met) else None


def _holds(term: Term, at: Mapping[str, int]) -> bool:
    return all(c.holds(at) for c in term.conditions)


def listed(term: Term) -> Iterator[dict[str, int]]:
    """Every value of a term's summed indices."""
    for numbers in product(*map(range, term.bound.values())):
        yield dict(zip(term.bound, numbers, strict=True))


def blocks(
    terms: Sequence[Term], line: str, extent: int, lanes: int, whole: bool
) -> tuple[Block, ...] | None:
    """A line in vectors: those that meet all conditions side by side as one block, others by themselves.

    Args:
        whole: whether a last vector begins so early that all its lanes are used.

    None where the lanes that meet a condition are not one after another.
    """
    found: list[Block] = []
    for start in range(0, extent, lanes):
        count = min(lanes, extent - start)
        if whole and count < lanes:
            start, count = extent - lanes, lanes
        held = [lanes_of(t, v, line, start, count) for t in terms if t.conditions for v in listed(t)]
        if any(h is None for h in held):
            return None
        plain = all(h == Lanes(0, count) for h in held)
        last = found[-1] if found else None
        if plain and count == lanes and last and last.plain and last.stop == start:
            found[-1] = Block(last.start, start + count, count, True)
        else:
            found.append(Block(start, start + count, count, plain))
    return tuple(found)
