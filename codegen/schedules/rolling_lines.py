"""Owns the lines of ROLLING: blocks of an axis, and vectors of the image with zeros where it ends.

A block at the edge has one place; where it is, is known when it is written, so that what lies outside the
image is left out of sums (rows) or read as zero lanes (places of a line). Blocks between them form one loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from codegen.loops import Buffer, Pointer
from codegen.schedules.problem import Axis
from codegen.schedules.values import Values
from derive.index import Form, name


@dataclass(frozen=True)
class Block:
    """`count` values of an axis from `start` on, or, if `times` is above 1, of that many blocks in a row."""

    start: int
    count: int
    times: int = 1

    def form(self, index: str) -> Form:
        """The first value: a number, or the loop's index."""
        return Form.of(self.start) if self.times == 1 else name(index)

    @property
    def stop(self) -> int:
        return self.start + self.count * self.times


def blocks(axes: Sequence[Axis], width: int, least: int = 0) -> list[Block]:
    """The values of axes with one image, in blocks; those that may read outside the image alone.

    `least` is the width of blocks at the start that do, where it need not be the whole one.
    """
    extent = max(a.out for a in axes)
    first = max(-(-max(a.pad, 0) // a.stride) for a in axes)
    last = min(extent, *(a.out for a in axes), *((_most(a) // a.stride) + 1 for a in axes))
    found: list[Block] = []
    start = 0
    while start < min(first, extent):
        found.append(Block(start, min(least or width, extent - start)))
        start = found[-1].stop
    if (times := (last - start) // width) > 0:
        found.append(Block(start, width, times))
        start = found[-1].stop
    while start < extent:
        found.append(Block(start, min(width, extent - start)))
        start = found[-1].stop
    return found


def _most(axis: Axis) -> int:
    """The largest stride * q at which no tap reads beyond the image's end."""
    return axis.image - 1 + axis.pad - axis.dilation * (axis.taps - 1)


@dataclass(frozen=True)
class Line:
    """One block along the line as vectors see it: what lanes of which vectors of the image are inside.

    Attributes:
        taps: of each phase of the axis, for every tap the place that it reads at place 0.
        extent: of the image.
    """

    block: Block
    index: str
    stride: int
    taps: tuple[int, ...]
    extent: int
    lanes: int

    @cached_property
    def twins(self) -> dict[int, tuple[int, bool]]:
        """By tap of a line of stride 2 where its two vectors begin, and whether it is their odd half."""
        found: dict[int, tuple[int, bool]] = {}
        for tap in sorted(set(self.taps)):
            if tap not in found:
                found[tap] = tap, False
                if tap + 1 in self.taps:
                    found[tap + 1] = tap, True
        return found

    def vector(self, values: Values, buffer: Buffer, row: Form, tap: int) -> str:
        """The entries that a tap reads, zero outside the image; "" where all of them are."""
        if self.stride == 1:
            x = self.piece(values, buffer, row, tap, self.block.count)
            return x and values("v_held", x)
        if self.stride > 2:
            at = self.block.form(self.index) * self.stride + row + tap
            return values("v_load_strided", Pointer(buffer, at), self.stride)
        start, odd = self.twins[tap]
        both = start + 1 in self.twins
        if not both and self.block.times > 1:
            at = self.block.form(self.index) * 2 + row + tap
            return values("v_load_strided", Pointer(buffer, at), 2)
        needed = 2 * self.block.count - (not both)
        first = self.piece(values, buffer, row, start, min(needed, self.lanes))
        second = self.piece(values, buffer, row, start + self.lanes, needed - self.lanes)
        if not first and not second:
            return ""
        first, second = first or values("v_zero"), second or values("v_zero")
        return values("v_odd" if odd else "v_even", first, second)

    def piece(self, values: Values, buffer: Buffer, row: Form, offset: int, count: int) -> str:
        """`count` places of the image from stride * (start of the block) + offset on."""
        at = self.block.form(self.index) * self.stride + row + offset
        if self.block.times > 1:
            return self.load(values, Pointer(buffer, at), count) if count > 0 else ""
        first = self.block.start * self.stride + offset
        low, high = max(0, -first), min(count, self.extent - first)
        if high <= low:
            return ""
        if low:
            return values("v_load_span", Pointer(buffer, at + low), low, high - low)
        return self.load(values, Pointer(buffer, at), high)

    def load(self, values: Values, pointer: Pointer, count: int) -> str:
        return values("v_load", pointer) if count == self.lanes else values("v_load_part", pointer, count)
