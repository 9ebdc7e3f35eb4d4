"""Owns which Winograd plans a contraction has: transforms by the promise of a tier, bands, register tiles.

What a tier promises is measured over kinds of data against peers (tests/test_winograd_accuracy.py):
F(2,3) with short sums is below the best peer's error where an estimate says so (`peers`), that is where peers
add up all taps of many channels, not where they add them up tap by tap; F(2,3) with F(4,3) below that of
channels_last, where sums are long enough for that to be large; F(4,3) within its factors. For the gradient by
the weight F(3,2) is below the best peer's where very many places are summed, and F(3,4) within the factors of
the last tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from codegen.schedules import peers
from codegen.schedules.nest import Target
from codegen.schedules.peers import DOUBLE
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd_forward import Winograd
from codegen.schedules.winograd_gradient import Gradient
from codegen.schedules.winograd_product import Levels
from derive.toom import Transform, transform

TAPS = 3
TIERS = ("strict", "balanced", "relaxed")
BLOCK = 8
"""Terms of a sum that are added one to another."""
BEST = 2
"""Plans that are handed over for each choice of transforms."""
MOST_SCRATCH = 768 * 2**10
"""Bytes of a band's tiles and sums, so that they stay in the second cache."""
MOST_WHOLE = 2 * 2**20
"""Bytes of all tiles and sums where threads share outputs, not bands."""
MOST_BATCH = 20 * 2**20
"""The same of all images of a batch together."""
MOST_STEPPED = 512 * 2**10
"""Bytes of the taps of a step, so that they stay in the second cache beside tiles."""
LEAST_STEPPED = 700 * 2**10
"""Bytes of all transformed taps above which they are worth transforming in steps."""
MOST_TILES = 8 * 2**20
"""Bytes of all tiles that are transformed ahead of all turns."""
BALANCED_INS, BALANCED_SIZE = 48, 20_000
"""Channels, and channels times places, from which channels_last rounds more than F(2,3) with F(4,3)."""
STRICT_PLACES = 3136
"""Places of all images from which peers' gradients by the weight round more than F(3,2)."""

Over = tuple[Transform, Transform]


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """For each choice of transforms the cheapest few plans; none where the tensors do not fit."""
    if len(contraction.axes) != 2 or (contraction.after is not None and contraction.result == "weight"):
        return
    if any(a.stride != 1 or a.dilation != 1 or a.taps != TAPS for a in contraction.axes):
        return
    forward = contraction.result == "out"
    for accuracy, over in _forward(contraction, target.element) if forward else _gradient(contraction):
        if TIERS.index(accuracy) <= TIERS.index(target.accuracy):
            yield from _best(_outputs if forward else _taps, contraction, target, over, accuracy)


def _best(
    candidates: Callable[..., Iterator[Winograd | Gradient]],
    contraction: Contraction,
    target: Target,
    over: Over,
    accuracy: str,
) -> Iterator[Plan]:
    """The cheapest plans; for several threads those that add in the order of the cheapest ones for one."""
    one = replace(target, threads=1)
    alone = (p for p in candidates(contraction, one, over, accuracy) if p.fits)
    chosen = list(islice(_different(sorted(alone, key=lambda p: p.cost())), BEST))
    if target.threads == 1:
        yield from chosen
        return
    shared = [p for p in candidates(contraction, target, over, accuracy) if p.fits]
    for order in dict.fromkeys(p.order for p in chosen):
        same = [p for p in shared if p.order == order]
        if same:
            yield min(same, key=lambda p: p.cost())


def _different(found: list[Winograd | Gradient]) -> Iterator[Winograd | Gradient]:
    """Of those with steps one for each number of vectors, which the model does not tell apart well."""
    seen = set[int]()
    for plan in found:
        steps = plan.steps if isinstance(plan, Winograd) else 0
        if not steps or plan.vectors not in seen:
            yield plan
        seen |= {plan.vectors} if steps else set()


def _forward(contraction: Contraction, element: int) -> Iterator[tuple[str, Over]]:
    """Transforms of rows and columns with the tier whose promise they keep, by the bytes of an element."""
    two, four = transform(2, TAPS), transform(4, TAPS)
    long = contraction.ins >= BALANCED_INS and contraction.ins * contraction.places >= BALANCED_SIZE
    for over in ((two, two), (two, four), (four, two), (four, four)):
        levels = levels_of(contraction.ins, "strict")
        if (over == (two, two) or element == DOUBLE) and any(
            peers.keeps_fast(contraction, element, over, v.cut) for v in levels
        ):
            yield "strict", over
        else:
            yield "balanced" if long and over[0] != over[1] else "relaxed", over


def _gradient(contraction: Contraction) -> Iterator[tuple[str, Over]]:
    two, four = transform(TAPS, 2), transform(TAPS, 4)
    long = contraction.batch * contraction.places >= STRICT_PLACES
    yield "strict" if long else "relaxed", (two, two)
    yield "relaxed", (four, four)


def _outputs(contraction: Contraction, target: Target, over: Over, accuracy: str) -> Iterator[Winograd]:
    """For each band, number of vectors and kind of sum the register tile that wastes least."""
    terms, lanes = contraction.ins, target.lanes
    tall, wide = (-(-a.out // t.m) for a, t in zip(contraction.axes, over, strict=True))
    size = over[0].n * over[1].n * wide * (terms + 2 * lanes) * target.element
    batch = contraction.batch
    most = MOST_WHOLE if batch == 1 else MOST_BATCH
    whole = {(tall, batch)} if contraction.groups == 1 and size * tall * batch <= most else set()
    for band, images in sorted({*((b, 1) for b in _bands(tall, size)), *whole}):
        for vectors in (v for v in (2, 1) if contraction.outs % (v * lanes) == 0):
            for levels in levels_of(terms, accuracy):
                if accuracy == "strict" and not peers.keeps_fast(
                    contraction, target.element, over, levels.cut
                ):
                    continue
                if rows := rows_of(vectors, levels, images * band * wide, terms, target):
                    plan = Winograd(contraction, target, over, band, rows, vectors, levels, accuracy)
                    plan = replace(plan, images=images)
                    near = images == 1 and (size * band <= MOST_SCRATCH or band == 1)
                    if target.threads > 1 or near:
                        yield plan
                    if (band, images) in whole:
                        yield from _stepped(plan)


def _stepped(plan: Winograd) -> Iterator[Winograd]:
    """The plan with taps transformed in the longest steps that fit, where it is worth it."""
    element, size = plan.target.element, plan.levels.block * plan.levels.group
    if plan.filter.count * element > LEAST_STEPPED:
        made = (replace(plan, steps=steps) for steps in range(1, plan.contraction.ins // size + 1))
        yield from islice((p for p in made if p.fits and p.filter.piece * element <= MOST_STEPPED), 1)


def _taps(contraction: Contraction, target: Target, over: Over, accuracy: str) -> Iterator[Gradient]:
    """The same with channels for tiles; one band lets turns be short, several want all outputs in a turn."""
    outs, lanes = contraction.outs, target.lanes
    tall, wide = (-(-a.out // t.r) for a, t in zip(contraction.axes, over, strict=True))
    size = over[0].n * over[1].n * wide * (contraction.ins + outs) * target.element
    batch = contraction.batch
    whole = {(tall, 1)} if size * tall <= MOST_TILES else set[tuple[int, int]]()
    whole |= {(tall, batch)} if contraction.groups == 1 and size * tall * batch <= MOST_BATCH else set()
    for band, images in sorted({*((b, 1) for b in _bands(tall, size)), *whole}):
        once = images == batch and contraction.groups == 1 and band == tall
        for vectors in (v for v in (2, 1) if outs % (v * lanes) == 0):
            step = vectors * lanes
            spans = {step, 2 * step} if once else {outs // min(target.threads, outs // step)}
            for span in sorted(s for s in spans if outs % s == 0 and s % step == 0):
                terms = images * band * wide
                for levels in levels_of(terms, accuracy, bands=True):
                    if rows := rows_of(vectors, levels, contraction.ins, terms, target):
                        how = (over, band, span, rows, vectors, levels, accuracy, images)
                        yield Gradient(contraction, target, *how)


def _bands(tall: int, size: int) -> Iterator[int]:
    """Tile rows of a band, those that divide all and the first few; `size` is the bytes of one tile row."""
    for band in range(1, tall + 1):
        if band == 1 or (size * band <= MOST_SCRATCH and (band <= 4 or tall % band == 0)):
            yield band


def rows_of(vectors: int, levels: Levels, count: int, terms: int, target: Target) -> int:
    """Rows of the register tile for so many rows in all; 0 where none fits."""

    def cycles(rows: int) -> float:
        whole, rest = divmod(count, rows)
        left = levels.cycles(rest, vectors, terms) if rest else 0.0
        return whole * levels.cycles(rows, vectors, terms) + left

    fitting = (r for r in range(2, 15) if levels.fits(r, vectors, target))
    return min(fitting, key=cycles, default=0)


def levels_of(terms: int, accuracy: str, bands: bool = False) -> Iterator[Levels]:
    """How sums of so many terms are cut: short chains on three levels, the last one over bands too."""
    group = min(12, -(-terms // BLOCK)) if bands else 4 if terms <= 20 * BLOCK else 8
    yield Levels(BLOCK, group, True)
    yield Levels(BLOCK, 1 if accuracy == "strict" else 2, False)
