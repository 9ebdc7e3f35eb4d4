"""Owns the plan of an exhaustive comparison: both sides as flat terms, the code, and the chunks.

No NumPy here: what is planned is carried out in `exhaust.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from math import lcm
from typing import TypeVar

from derive.claim import Claim, Setting
from derive.errors import LimitError
from derive.exhaust_codes import CODE_LIMIT, ENTRY, Encoding, Range, Rows, Signature, Slot, signature_of
from derive.exhaust_rows import sizes
from derive.expr import Expr, Read, Sum, Tensor
from derive.flatten import flatten
from derive.index import Condition, Form, Index, Within

CHUNK = 1_000_000
"""Monomials of one side held at a time: 8 MB of codes, a few such arrays at the peak."""
MOST_CHUNKS = 200_000
"""Chunks that one equation may be cut into; each costs about a millisecond besides its monomials."""
Key = TypeVar("Key")


@dataclass(frozen=True)
class Side:
    """One side of an equation as flat terms with integer coefficients (both sides share the scale)."""

    free: tuple[Index, ...]
    terms: tuple[Sum, ...]

    def rows(self, chunk: Chunk) -> Iterator[tuple[Rows, int]]:
        """The index values of each term in a chunk, and its coefficient."""
        whole = self.whole if chunk == WHOLE else None
        for number, term in enumerate(self.terms):
            own = Rows(self.free, term, chunk.conditions(term)) if whole is None else whole[number]
            yield own, int(term.coefficient)

    @cached_property
    def whole(self) -> list[Rows]:
        """The index values of each term, all of them."""
        return [Rows(self.free, term) for term in self.terms]


@dataclass(frozen=True)
class Chunk:
    """Ranges of free indices and ranges of one tensor's coordinates: (name or axis, low, high)."""

    entries: tuple[tuple[Index, int, int], ...] = ()
    tensor: str = ""
    axes: tuple[tuple[int, int, int], ...] = ()

    def conditions(self, term: Sum) -> list[Condition]:
        found: list[Condition] = [Within(i.form - low, Form.of(high - low)) for i, low, high in self.entries]
        if self.axes:
            (read,) = (f for f in term.factors if isinstance(f, Read) and f.tensor.name == self.tensor)
            found += [Within(read.index[axis] - low, Form.of(high - low)) for axis, low, high in self.axes]
        return found


WHOLE = Chunk()


@dataclass(frozen=True)
class Layout:
    """The digits of a code, most significant first, and how long each axis is."""

    free: tuple[Index, ...]
    order: tuple[tuple[Slot, int], ...]
    shapes: Mapping[Slot, tuple[int, ...]]
    signatures: tuple[Signature, ...]

    def within(self, chunk: Chunk) -> Encoding:
        """The codes of the monomials of one chunk; LimitError where they would not fit 62 bits."""
        return self._encoding(chunk).checked()

    def parts(self) -> int:
        """Blocks it takes for the codes of each to fit: a block half as long needs a digit half as large.

        The last axis that is cut may not divide evenly; twice as many blocks allow for it.
        """
        size = self._encoding(WHOLE).size
        return 1 if size < CODE_LIMIT else 2 * -(-size // (CODE_LIMIT - 1))

    def _encoding(self, chunk: Chunk) -> Encoding:
        names = [i.name for i in self.free]
        cut = {(ENTRY, names.index(i.name)): (low, high) for i, low, high in chunk.entries}
        cut |= {((chunk.tensor, 0), axis): (low, high) for axis, low, high in chunk.axes}
        ranges: dict[Slot, tuple[Range, ...]] = {
            slot: tuple(cut.get((slot, axis), (0, extent)) for axis, extent in enumerate(shape))
            for slot, shape in self.shapes.items()
        }
        return Encoding.build(self.order, ranges, self.signatures)


@dataclass(frozen=True)
class Plan:
    """Everything that comparing an equation needs: sides, codes, chunks and the number of monomials."""

    left: Side
    right: Side
    tensors: Mapping[str, Tensor]
    shown: Tensor
    layout: Layout
    terms: int
    scale: int
    chunks: tuple[Chunk, ...]


def plan(claim: Claim) -> Plan:
    """The plan for a whole claim at given sizes."""
    shown = replace(claim.target, name=claim.right.tensor.name)
    return plan_equation(claim.setting, claim.indices, claim.left, claim.right.body, shown)


def plan_equation(setting: Setting, free: tuple[Index, ...], left: Expr, right: Expr, shown: Tensor) -> Plan:
    """The plan for left = right at every value of `free`; `shown` names the entries in messages."""
    flat = [flatten(left, setting), flatten(right, setting)]
    scale = lcm(*(t.coefficient.denominator for side in flat for t in side))
    sides = [Side(free, tuple(_scaled(t, scale) for t in side)) for side in flat]
    tensors = {t.name: t for t in setting.inputs}
    counts = [[rows.count for rows in side.whole] for side in sides]
    layout = _layout(sides, counts, {name: sizes(t) for name, t in tensors.items()})
    chunks = _chunks(sides, max(map(sum, counts)), tensors, layout)
    return Plan(sides[0], sides[1], tensors, shown, layout, sum(map(sum, counts)), scale, chunks)


MOST_COEFFICIENT = 2**40
"""Magnitude that a coefficient, made whole, may have: sums of them are added in 64 bits."""


def _scaled(term: Sum, scale: int) -> Sum:
    if abs(term.coefficient * scale) >= MOST_COEFFICIENT:
        raise LimitError(
            "coefficient too large to compare exactly", where=str(term), got=str(term.coefficient)
        )
    return Sum(term.indices, term.conditions, term.factors, term.coefficient * scale)


def _layout(
    sides: Sequence[Side], counts: Sequence[Sequence[int]], shapes: dict[str, tuple[int, ...]]
) -> Layout:
    """Digits in the order that makes the left side's largest term ascend as it is enumerated."""
    copies: Counter[str] = Counter()
    for side in sides:
        for term in side.terms:
            copies |= Counter(f.tensor.name for f in term.factors if isinstance(f, Read))
    slots: dict[Slot, tuple[int, ...]] = {ENTRY: tuple(int(i.extent.evaluate({})) for i in sides[0].free)}
    slots |= {(name, j): shapes[name] for name, number in copies.items() for j in range(number)}
    ranked = sorted(zip(counts[0], range(len(counts[0])), strict=True))
    order: list[tuple[Slot, int]] = []
    if ranked:
        rows = sides[0].whole[ranked[-1][1]]
        order = [((title, 0), axis) for title, axis in rows.digit_order() if copies[title] <= 1]
    rest = [(slot, axis) for slot, shape in slots.items() for axis in range(len(shape))]
    signatures = [signature_of(_reads(term)) for side in sides for term in side.terms]
    known = set(order)
    digits = (*order, *(d for d in rest if d not in known))
    return Layout(sides[0].free, digits, slots, tuple(dict.fromkeys(signatures)))


def _reads(term: Sum) -> list[str]:
    return [f.tensor.name for f in term.factors if isinstance(f, Read)]


def _chunks(
    sides: Sequence[Side], rows: int, tensors: Mapping[str, Tensor], layout: Layout
) -> tuple[Chunk, ...]:
    """Blocks of entries, then of one tensor's coordinates, until a chunk holds about CHUNK monomials.

    Where codes of the whole would not fit, as many blocks as it takes for those of a block to fit.
    """
    parts = max(-(-rows // CHUNK), layout.parts())
    if parts > MOST_CHUNKS:
        raise LimitError(
            "too large to compare entry by entry",
            expected=f"at most {MOST_CHUNKS:,} chunks of about {CHUNK:,} monomials",
            got=f"{parts:,}",
            mend="use a smaller batch, image or channel count, or prove --all-sizes",
        )
    entries, parts = _blocks([(i, int(i.extent.evaluate({}))) for i in sides[0].free], parts)
    once = [name for name in tensors if all(_reads(t).count(name) == 1 for side in sides for t in side.terms)]
    if parts == 1 or not once:
        return tuple(Chunk(block) for block in product(*entries))
    axes, _ = _blocks(list(enumerate(sizes(tensors[once[-1]]))), parts)
    return tuple(Chunk(block, once[-1], spots) for block in product(*entries) for spots in product(*axes))


def _blocks(axes: Sequence[tuple[Key, int]], parts: int) -> tuple[list[list[tuple[Key, int, int]]], int]:
    """Each axis cut into ranges, first axes first; the number of parts still wanted after that."""
    found = []
    for key, extent in axes:
        if parts > 1 and extent > 1:
            cuts = min(extent, parts)
            found.append([(key, extent * i // cuts, extent * (i + 1) // cuts) for i in range(cuts)])
            parts = -(-parts // cuts)
    return found, parts
