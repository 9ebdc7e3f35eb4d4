"""Owns how the factors of a gradient by the weight lie in memory, as its tiles address them.

The image is read as it is, or from a copy with its zeros around it, or, for one tap with a stride, from a
copy of the places that are read; out is laid out anew so that a vector holds one place of consecutive
channels k. Places (n, q) are levels of loops with one step in each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod

from codegen.schedules.nest import Target
from codegen.schedules.problem import Axis, Contraction
from derive.index import Form

PAGE = 4096
"""Bytes after which addresses fall on the same lines of the first cache."""


@dataclass(frozen=True)
class Level:
    """One loop over places: its name and extent, elements to the next in the image, places to the next."""

    name: str
    extent: int
    image: int
    place: int


@dataclass(frozen=True)
class Move:
    """How an axis of the image is copied: place stride * i + base to place i + before, first <= i < stop.

    Attributes:
        extent: places of the copy.
    """

    first: int
    stop: int
    stride: int
    base: int
    before: int
    extent: int


@dataclass(frozen=True)
class Outs:
    """Consecutive groups of vectors of channels k: `count` groups of `vectors`, the first at `first`.

    Attributes:
        last: lanes used of a group's last vector.
    """

    first: int
    count: int
    vectors: int
    last: int

    def used(self, vector: int, lanes: int) -> int:
        """Lanes used of a vector of a group."""
        return self.last if vector == self.vectors - 1 else lanes


@dataclass(frozen=True)
class Lines:
    """Addresses of a contraction whose result is the weight.

    Attributes:
        picked: whether the image is copied without the places that a stride leaves out.
    """

    problem: Contraction
    target: Target
    picked: bool = False

    @property
    def lanes(self) -> int:
        return self.target.lanes

    @cached_property
    def copied(self) -> bool:
        """Whether the image is copied first, between zeros where tiles read these."""
        return self.picked or not all(a.inside for a in self.problem.axes)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """How each axis of the image is copied."""
        if self.picked:
            return tuple(Move(0, a.out, a.stride, -a.pad, 0, a.out) for a in self.problem.axes)
        return tuple(Move(*reach(a), 1, 0, a.pad, a.padded) for a in self.problem.axes)

    @cached_property
    def plane(self) -> int:
        """Elements from one copied plane to the next; a vector may be stored across a plane's last row."""
        rows = prod(m.extent for m in self.moves)
        count = (-(-rows // self.lanes) + 1) * self.lanes
        return count + self.lanes * (count * self.target.element % PAGE == 0)

    def step(self, number: int) -> int:
        """Elements from one place of the image to the next along an axis, in what the tiles read."""
        axes = self.problem.axes
        return prod(m.extent for m in self.moves[number + 1 :]) if self.copied else axes[number].image_step

    def kind(self, kind: str) -> int:
        """Elements from one batch entry, group or channel of the image to the next in what tiles read."""
        p = self.problem
        if not self.copied:
            return p.image.step(kind)
        return self.plane * {"n": p.groups * p.ins, "g": p.ins, "c": 1}[kind]

    @cached_property
    def first(self) -> int:
        """The address of the first place that tiles read."""
        if self.copied:
            return 0
        return self.problem.image.base - sum(a.pad * a.image_step for a in self.problem.axes)

    @cached_property
    def taps(self) -> tuple[tuple[int, int], ...]:
        """Of each tap its steps in the image and in the weight, by the latter in order."""
        axes = list(enumerate(self.problem.axes))
        found = []
        for tap in product(*(range(a.taps) for _, a in axes)):
            image = sum(a.dilation * t * self.step(i) for (i, a), t in zip(axes, tap, strict=True))
            found.append((sum(a.tap_step * t for (_, a), t in zip(axes, tap, strict=True)), image))
        return tuple((image, weight) for weight, image in sorted(found))

    @property
    def places(self) -> int:
        """Places of a batch entry in the layout of out, the last vector's rest included."""
        return -(-self.problem.places // self.lanes) * self.lanes

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        """The loops over places, outermost first."""
        axes = self.problem.axes
        found = [Level("n", self.problem.batch, self.kind("n"), self.places)]
        for number, axis in enumerate(axes):
            inner = prod(a.out for a in axes[number + 1 :])
            stride = 1 if self.picked else axis.stride
            found.append(Level(f"q_{number}", axis.out, stride * self.step(number), inner))
        return tuple(level for level in found if level.extent > 1) or (found[-1],)

    @property
    def blocks(self) -> int:
        """Vectors that hold the channels k of a group."""
        return -(-self.problem.outs // self.lanes)

    def outs(self, vectors: int) -> Iterator[Outs]:
        """The channels k as groups of vectors, the rest, and the group whose last vector is not full."""
        whole, rest = divmod(self.blocks, vectors)
        last = self.problem.outs - (self.blocks - 1) * self.lanes
        apart = last < self.lanes and not rest
        if whole - apart:
            yield Outs(0, whole - apart, vectors, self.lanes)
        if rest or apart:
            width = rest or vectors
            yield Outs(self.blocks - width, 1, width, last)

    def start(self, outs: Outs, group: Form, n: Form, block: Form) -> Form:
        """The address, in the layout of out, of a batch entry's first place for a group of vectors."""
        whole = self.problem.batch * self.places * self.lanes
        inner = n * (self.places * outs.vectors * self.lanes)
        return (group * self.blocks + outs.first + block * outs.vectors) * whole + inner


def reach(axis: Axis) -> tuple[int, int]:
    """The first place of the image that is copied along an axis and the end of those."""
    return max(0, -axis.pad), min(axis.image, axis.padded - axis.pad)
