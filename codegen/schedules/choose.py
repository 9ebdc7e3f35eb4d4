"""Owns the choice among schedules: the one whose counted cycles are least; ties go to the first."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.schedules import flat, lanes
from codegen.schedules.flat import Flat
from codegen.schedules.lanes import Lanes
from codegen.schedules.nest import Nest, Target


def schedule(nest: Nest, target: Target) -> Flat | Lanes | None:
    """The cheapest schedule by the model; None where no tile takes a tabled index."""
    return min(possible(nest, target), key=lambda s: s.cost(), default=None)


def possible(nest: Nest, target: Target) -> Iterator[Flat | Lanes]:
    tabled = {n for a in nest.factors for n in a.tables}
    if not tabled & set(nest.free):
        for image, line in _free_lines(nest):
            yield from flat.candidates(nest, target, image, line)
        for image in range(len(nest.factors)):
            yield from flat.candidates(nest, target, image, "")
    for line in nest.bound:
        if line not in tabled and all(a.slope(line) == 1 for a in nest.factors):
            yield from lanes.candidates(nest, target, line)


def _free_lines(nest: Nest) -> Iterator[tuple[int, str]]:
    """Free indices of the result that are contiguous in one factor and absent from the other."""
    for line in nest.free:
        slopes = [a.slope(line) if line not in a.tables else 2 for a in nest.factors]
        added = all(a.slope(line) in (0, 1) for a in nest.added)
        if nest.out.slope(line) and added and sorted(slopes) in ([1], [0, 1]):
            yield slopes.index(1), line
