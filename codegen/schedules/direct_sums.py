"""Owns what direct plans share: blocks of the sum over channels, tiles along a dimension, loops of taps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codegen.loops import Assign, Call, Loop, Statement
from codegen.schedules.direct_lines import Line
from codegen.schedules.direct_words import around
from codegen.schedules.problem import Contraction
from derive.index import Form, name

CHAIN = 160
"""Products that one accumulator takes at most without a rest between."""
LINK = 80
"""Products of one block where there are more."""
LATENCY = 4.0
"""Cycles of a product; fewer accumulators than it hides leave units idle."""


@dataclass(frozen=True)
class Blocks:
    """The channels c in blocks: sums of blocks are added up apart, which rounds less than one long sum."""

    ins: int
    size: int

    @property
    def count(self) -> int:
        return -(-self.ins // self.size)


def blocks_of(contractions: Sequence[Contraction]) -> Blocks:
    taps, ins = max(c.taps for c in contractions), contractions[0].ins
    if taps * ins <= CHAIN:
        return Blocks(ins, ins)
    count = -(-ins // max(1, LINK // taps))
    return Blocks(ins, -(-ins // count))


def pieces(extent: int, size: int) -> list[tuple[int, int, int]]:
    """(first, stop, width) of the whole tiles along a dimension and of what is left."""
    whole = extent // size * size
    found = [(0, whole, size)] if whole else []
    return found + ([(whole, extent, extent - whole)] if extent > whole else [])


Inner = Callable[[Form, Form, Form], tuple[Statement, ...]]
"""What is done for one tap: offsets in the image, weight and packed weight."""


def summed_taps(line: Line, inner: Inner) -> tuple[Statement, ...]:
    """Every tap of a line, in loops.

    Taps written out one after another would share places of the image, which gcc keeps in registers that the
    accumulators need: a tile of 28 sums then spills most of them.
    """
    sums = (
        sum((name(f"t_{i}") * getattr(t, kind) for i, t in enumerate(line.taps)), start=Form())
        for kind in ("image", "weight", "packed")
    )
    body = inner(*sums)
    for i, tap in reversed(list(enumerate(line.taps))):
        body = around(f"t_{i}", 0, tap.count, 1, body)
    return body


def channels(blocks: Blocks, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The loop over the channels of the current block, whose number is `part`."""
    if blocks.count == 1:
        return (Loop("c", 0, blocks.ins, 1, body),)
    return (Loop("c", "c_first", "c_last", 1, body),)


def applied(contraction: Contraction, value: str) -> tuple[Statement, ...]:
    """The function of a whole sum."""
    after = contraction.after
    if after is None:
        return ()
    given = [f"parameter_{i}" for i in range(len(after.parameters))]
    loads = (Assign(g, Call("v_splat", (p,))) for g, p in zip(given, after.parameters, strict=True))
    return (*loads, Assign(value, Call(f"v_fn_{after.name}", (value, *given))))
