"""Owns which plans of `winograd_line` a contraction has: foldings of its axis, transforms, bands, tiles.

What a tier promises is a matter of the estimate (`peers`): the first has what rounds no more than each peer's
sums, the second no more than one chain of all terms, the last what keeps well within its factor. F(2,3) over
rows of three places whose taps are terms is among the first where peers add up all taps of many channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from codegen.schedules import peers
from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd import (
    BALANCED_INS,
    BALANCED_SIZE,
    BEST,
    MOST_SCRATCH,
    TIERS,
    levels_of,
    rows_of,
)
from codegen.schedules.winograd_line import Line
from codegen.schedules.winograd_product import Levels
from derive.toom import CHOSEN, Transform, transform

PITCHES = (1, 2, 3)
OUTPUTS = (2, 4)
"""Rows of a tile's outputs."""
STRICT, RELAXED = 0.93, 2.9
"""Times a peer's root mean square error by the estimate that the first and the last tier have; they promise 1
and 3.5. One transform over long sums was found to err up to 1.06 times what `peers` allows for."""
BANDS = (4, 6, 8, 12, 16, 24, 32, 48, 64)
"""Tiles of a band that are tried, beside all of them."""

Over = tuple[Transform, Transform | None, int]
"""Transforms of rows and columns, and the places of a row."""


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """For each choice of transforms the cheapest few plans; none where the tensors do not fit."""
    if len(contraction.axes) != 1 or contraction.result != "out":
        return
    (axis,) = contraction.axes
    if axis.stride != 1 or axis.dilation != 1:
        return
    for over in _transforms(axis.taps):
        alone = (p for p in _lines(contraction, replace(target, threads=1), over) if p.fits)
        chosen = list(islice(sorted(alone, key=lambda p: p.cost()), BEST))
        if target.threads == 1:
            yield from chosen
            continue
        shared = [p for p in _lines(contraction, target, over) if p.fits]
        for order in dict.fromkeys((p.order, p.accuracy) for p in chosen):
            yield min((p for p in shared if (p.order, p.accuracy) == order), key=lambda p: p.cost())


def _transforms(taps: int) -> Iterator[Over]:
    """The foldings of so many taps, each with its columns transformed and not."""
    for pitch in PITCHES:
        rows, rest = divmod(taps, pitch)
        for m in (m for m in OUTPUTS if not rest and rows > 1 and (m, rows) in CHOSEN):
            yield transform(m, rows), None, pitch
            if pitch > 1:
                yield transform(m, rows), transform(pitch, pitch), pitch


def _lines(contraction: Contraction, target: Target, over: Over) -> Iterator[Line]:
    """For each band, number of vectors and kind of sum the register tile that wastes least."""
    rows, columns, pitch = over
    terms = contraction.ins * (1 if columns else pitch)
    size = rows.n * (columns.n if columns else 2 * pitch - 1) * (contraction.ins + 2 * target.lanes)
    tiles = -(-contraction.axes[0].out // (rows.m * pitch))
    fitting = {b for b in BANDS if b < tiles and b * size * target.element <= MOST_SCRATCH}
    whole = {tiles} if tiles * size * target.element <= MOST_SCRATCH else set[int]()
    sums = dict.fromkeys(v for tier in ("strict", "relaxed") for v in levels_of(terms, tier))
    tiers = {v: _tier(contraction, target, over, v) for v in sums}
    kept = [(v, a) for v, a in tiers.items() if a and TIERS.index(a) <= TIERS.index(target.accuracy)]
    for band in sorted(fitting | whole):
        for vectors in (v for v in (2, 1) if contraction.outs % (v * target.lanes) == 0):
            for levels, accuracy in kept:
                if height := rows_of(vectors, levels, band, terms, target):
                    yield Line(contraction, target, *over, band, height, vectors, levels, accuracy)


def _tier(contraction: Contraction, target: Target, over: Over, levels: Levels) -> str:
    """The strictest tier whose promise sums that are cut so keep; "" for none."""
    c, (rows, columns, pitch) = contraction, over
    both, joined = (rows, columns or transform(1, 1)), 1 if columns else pitch
    long = c.ins >= BALANCED_INS and c.ins * c.places >= BALANCED_SIZE
    if peers.keeps_fast(c, target.element, both, levels.cut, joined, STRICT):
        return "strict"
    if long and peers.keeps_chain(c, both, levels.cut, joined):
        return "balanced"
    return "relaxed" if peers.keeps_fast(c, target.element, both, levels.cut, joined, RELAXED) else ""
