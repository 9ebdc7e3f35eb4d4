"""Owns what direct plans share: blocks of the sum, tiles along a dimension, loops of taps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod

from codegen.loops import Assign, Call, Limit, Loop, Place, Statement
from codegen.schedules import peers
from codegen.schedules.direct_lines import Group, Line
from codegen.schedules.direct_words import add, around, zero
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.turns import parted
from derive.index import Form, Within, name

LINK = 144
"""Products of one block at most, where it is more than one channel: peers' 16 channels of 3 by 3 taps."""
LATENCY = 4.0
"""Cycles of a product; fewer accumulators than it hides leave units idle."""
ADDED = 0.25
"""Cycles to begin a sum of a block and to add it to its total, both in registers."""


@dataclass(frozen=True)
class Blocks:
    """A sum in blocks that are added up apart, which rounds less than one long sum.

    Attributes:
        ins: channels in all; `size`: those of a block.
        taps: their numbers along each axis where a block is one tap of all channels; none elsewhere.
    """

    ins: int
    size: int
    taps: tuple[int, ...] = ()

    @property
    def count(self) -> int:
        return prod(self.taps) if self.taps else -(-self.ins // self.size)

    @property
    def note(self) -> str:
        each = "one tap" if self.taps else f"{self.size} channels"
        return f", sums of {each} at a time" if self.count > 1 else ""

    def head(self) -> tuple[Statement, ...]:
        """What belongs to the current block, whose number is `part`."""
        if self.taps:
            return parted("part", [(f"t_{i}", count) for i, count in enumerate(self.taps)])
        last = Limit("c_last", name("c_first") + self.size, 1, 0, True, self.ins)
        return (Place("c_first", name("part") * self.size), last)


def blocks_of(contractions: Sequence[Contraction], element: int) -> Blocks:
    """The largest blocks of channels whose rounding is no more than that of peers.

    Of a forward pass from as many channels as peers block, `peers` knows how they cut its sums. Else they add
    up sums over channels by taps, or sums over taps by channels (single ones, where there are few); where no
    block of channels rounds as little as the better of the two, that one is taken.
    """
    taps, ins = max(c.taps for c in contractions), contractions[0].ins
    if ins >= peers.CHANNELS and all(peers.forward(c) for c in contractions):
        for size in range(min(ins, LINK // taps), 0, -1):
            if all(peers.keeps(c, element, (size * c.taps,)) for c in contractions):
                return Blocks(ins, -(-ins // -(-ins // size)))
    counts = {tuple(a.taps for a in c.axes) for c in contractions}
    best = min((taps, ins), (ins, taps), key=lambda cut: _rounding(*cut)[1])
    for size in range(min(ins, max(1, LINK // taps)), 0, -1):
        found = _rounding(size * taps, -(-ins // size))
        if all(one <= other for one, other in zip(found, _rounding(*best), strict=True)):
            return Blocks(ins, -(-ins // -(-ins // size)))
    (each,) = counts if len(counts) == 1 else ((),)
    return Blocks(ins, ins, each) if each else Blocks(ins, 1)


def _rounding(products: int, blocks: int) -> tuple[float, float]:
    """How much sums of products in blocks err: of products of either sign, and of positive ones.

    An addition errs in proportion to what it gives: the root of the number of products in it, or that number.
    What is told are squares, but for a factor that cuts of one sum have in common.
    """
    return products + blocks, products**2 + products * (blocks**2 - 1)


def not_first(blocks: Blocks) -> Within:
    """Whether the current block, whose number is `part`, has one before it."""
    return Within(name("part") - 1, Form.of(blocks.count - 1))


def not_last(blocks: Blocks) -> Within:
    """Whether the current block has one behind it."""
    return Within(name("part"), Form.of(blocks.count - 1))


def pieces(extent: int, size: int) -> list[tuple[int, int, int]]:
    """(first, stop, width) of the whole tiles along a dimension and of what is left."""
    whole = extent // size * size
    found = [(0, whole, size)] if whole else []
    return found + ([(whole, extent, extent - whole)] if extent > whole else [])


def fits(target: Target, sums: int, others: int) -> bool:
    """Whether the registers hold so many sums beside other vectors and what is broadcast."""
    return sums <= target.accumulators and sums + others + 1 <= target.registers


def totalled(blocks: Blocks, sums: Sequence[str], inner: tuple[Statement, ...]) -> Loop:
    """All blocks one after another, each sum added to its total, which stays in a register."""
    begun = (zero(y) for y in sums)
    added = (add(total(y), y) for y in sums)
    return Loop("part", 0, blocks.count, 1, (*blocks.head(), *begun, *inner, *added))


def total(value: str) -> str:
    """The name of what a sum is added to."""
    return f"total_{value}"


Inner = Callable[[Form, Form, Form], tuple[Statement, ...]]
"""What is done for one tap: offsets in the image, weight and packed weight."""


def _offsets(group: Group) -> tuple[Form, Form, Form]:
    """Elements from tap 0 to the current one."""

    def along(kind: str) -> Form:
        steps = (name(f"t_{i}") * getattr(t, kind) for i, t in enumerate(group.taps))
        return sum(steps, start=Form.of(getattr(group, kind)))

    return along("image"), along("weight"), along("packed")


def _summed_taps(line: Line, inner: Inner) -> tuple[Statement, ...]:
    """Every tap of a line, in loops, group by group.

    Taps written out one after another would share places of the image, which gcc keeps in registers that the
    accumulators need: a tile of 28 sums then spills most of them.
    """
    found: tuple[Statement, ...] = ()
    for group in line.groups:
        body = inner(*_offsets(group))
        for i, tap in reversed(list(enumerate(group.taps))):
            body = around(f"t_{i}", 0, tap.count, 1, body)
        found += body
    return found


def summed(blocks: Blocks, line: Line, begin: tuple[Statement, ...], inner: Inner) -> tuple[Statement, ...]:
    """The sum of the current block, or of all there is; `begin` says where a channel c begins."""
    if blocks.taps:
        return (Loop("c", 0, blocks.ins, 1, (*begin, *inner(*_offsets(Group(line.taps))))),)
    body = (*begin, *_summed_taps(line, inner))
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
