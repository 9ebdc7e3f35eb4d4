"""Owns contractions as the specialised schedules see them: three tensors over few named kinds of index.

    out[n, g, k, q]  =  sum over c, t of  image[n, g, c, stride * q + dilation * t - pad] * weight[g, k, c, t]
    weight[g, k, c, t] = sum over n, q of  image[n, g, c, stride * q + dilation * t - pad] * out[n, g, k, q]

n: batch, g: group, k: channel of out, c: channel of the image, q: places of out, t: taps; q and t have one
number for each axis. Outside its extents the image is zero. Which of the tensors is computed says
`Contraction.result`. Forward passes, gradients by the input (flipped taps are a negative step), phases of
strided ones, and gradients by the weight have this form; what has not stays with the schedules for nests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

from codegen.loops import Buffer
from codegen.schedules.nest import Function


@dataclass(frozen=True)
class Axis:
    """One axis of places: image place = stride * q + dilation * t - pad, zero outside 0 .. image - 1.

    Attributes:
        out, taps, image: numbers of q, t, and of the image's places.
        stride, dilation: at least 1; `pad` has any sign.
        out_step, tap_step, image_step: elements from one to the next in the buffers; a tap's may be negative.
    """

    out: int
    taps: int
    image: int
    stride: int
    dilation: int
    pad: int
    out_step: int
    tap_step: int
    image_step: int

    @property
    def reach(self) -> int:
        """Places that one result reads, from first to last."""
        return self.dilation * (self.taps - 1) + 1

    @property
    def padded(self) -> int:
        """Places of a line that holds every place read, zeros included; its place 0 is -pad of the image."""
        return self.stride * (self.out - 1) + self.reach

    @property
    def inside(self) -> bool:
        """Whether no result reads outside the image."""
        return self.pad <= 0 and self.padded - self.pad <= self.image


@dataclass(frozen=True)
class Operand:
    """Where a tensor lies: base + sum of step * value over its indices (axes have steps of their own)."""

    buffer: Buffer
    base: int
    steps: Mapping[str, int] = field(default_factory=dict)
    """By kind of index: "n", "g", "k", "c"; a kind that the tensor lacks is absent or 0."""

    def step(self, kind: str) -> int:
        return self.steps.get(kind, 0)


@dataclass(frozen=True)
class Contraction:
    """One contraction; the module's docstring has the equation.

    Attributes:
        batch, groups, outs, ins: numbers of n, g, k, c.
        result: "out" or "weight", the tensor that is computed.
        bias: an entry by (g, k) added to each entry of out.
        after: a function of the whole sum, applied before it is stored.
    """

    batch: int
    groups: int
    outs: int
    ins: int
    axes: tuple[Axis, ...]
    out: Operand
    image: Operand
    weight: Operand
    result: str = "out"
    bias: Operand | None = None
    after: Function | None = None

    @property
    def places(self) -> int:
        return prod(a.out for a in self.axes)

    @property
    def taps(self) -> int:
        return prod(a.taps for a in self.axes)

    @property
    def products(self) -> int:
        """Multiplications, those by zeros outside the image included."""
        return self.batch * self.groups * self.outs * self.ins * self.places * self.taps

    @property
    def pointwise(self) -> bool:
        """Whether it is a matrix product: one tap everywhere, nothing outside the image."""
        return self.taps == 1 and all(a.inside for a in self.axes)
