"""Owns direct convolution: which tiles of CHAN and FLAT are worth a look, for one contraction or phases.

Phases of a stride share image and result: planned together the image is copied once, and where all phases of
the last axis are there, whole lines are stored.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from heapq import nsmallest
from operator import itemgetter

from codegen.schedules import direct_chan, direct_flat
from codegen.schedules.direct_chan import Chan
from codegen.schedules.direct_flat import Flat
from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction

HANDFUL = 3
"""Tiles of each kind that are handed over; blocks added up in registers are a kind of their own."""
NEAR = 1.5
"""Times the least cost beyond which a tile is not worth a look."""


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """The best tiles by the model, the best one first; none for gradients by the weight."""
    yield from plans_of_phases((contraction,), target)


def plans_of_phases(contractions: Sequence[Contraction], target: Target) -> Iterator[Plan]:
    """The same for contractions that share all but places, taps and where those begin."""
    together = tuple(contractions)
    if not together or not _fits(together):
        return
    kinds: dict[tuple[type, bool], list[tuple[float, Plan]]] = defaultdict(list)
    every: list[Chan | Flat] = [*direct_chan.plans(together, target), *direct_flat.plans(together, target)]
    for plan in every:
        kinds[type(plan), plan.held].append((plan.cost(), plan))
    best = [found for kind in kinds.values() for found in nsmallest(HANDFUL, kind, key=itemgetter(0))]
    best.sort(key=itemgetter(0))
    yield from (plan for cost, plan in best if cost <= NEAR * best[0][0])


def _fits(contractions: tuple[Contraction, ...]) -> bool:
    """Whether one plan can be made of contractions: a result with places, one image, one weight."""

    def shared(c: Contraction) -> tuple[object, ...]:
        counts = (c.batch, c.groups, c.outs, c.ins, len(c.axes))
        steps = tuple(tuple(sorted(o.steps.items())) for o in (c.out, c.image, c.weight))
        image = (c.image.buffer, c.image.base, *((a.image, a.image_step) for a in c.axes))
        return (*counts, *steps, image, c.out.buffer, c.weight.buffer, repr(c.bias), repr(c.after))

    first = shared(contractions[0])
    return all(c.result == "out" and c.axes and shared(c) == first for c in contractions)
