"""Owns what is measured: one operation of a layer at a shape, its operands, its useful work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.conv import Conv1d, Conv2d, Conv3d
from derive.layers.linear import Linear
from derive.layers.losses import CrossEntropyLoss
from derive.layers.maxpool import MaxPool1d, MaxPool2d, MaxPool3d, MinPool1d, MinPool2d, MinPool3d
from derive.layers.pooling import AvgPool1d, AvgPool2d, AvgPool3d
from derive.layers.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from derive.layers.upsampling import Upsample

Array = NDArray[Any]
OPERATIONS = ("forward", "grad input", "grad weight", "forward and gradient")
ALIGNED = 64
"""Bytes that every operand's address is a multiple of, as the peers' own arrays are."""

KINDS: Mapping[str, tuple[type[Layer], ...]] = {
    "convolution": (Conv1d, Conv2d, Conv3d),
    "transposed convolution": (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d),
    "max pooling": (MaxPool1d, MaxPool2d, MaxPool3d),
    "mean pooling": (AvgPool1d, AvgPool2d, AvgPool3d),
    "resampling": (Upsample,),
    "linear": (Linear,),
    "cross entropy": (CrossEntropyLoss,),
}
NOT_THESE = (MinPool1d, MinPool2d, MinPool3d)


class NotOffered(Exception):
    """An implementation does not have what is asked of it; the text says why."""


@dataclass(frozen=True)
class Geometry:
    """What the implementations need of a layer that slides a window; one entry a spatial axis."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1
    extra: tuple[int, ...] = ()


def kind_of(layer: Layer) -> str:
    """The family of a layer, a key of KINDS. Raises LayerError on a layer that no peer is asked for."""
    for title, classes in KINDS.items():
        if isinstance(layer, classes) and not isinstance(layer, NOT_THESE):
            return title
    listed = ", ".join(c.__name__ for classes in KINDS.values() for c in classes)
    raise LayerError("no peer is known for this layer", where=repr(layer), expected=listed)


@dataclass(frozen=True)
class Task:
    """One operation to measure.

    Attributes:
        layer, shape, dtype: what a kernel is built for; dtype "float32" or "float64".
        operation: one of OPERATIONS.
        threads: that every implementation may use.
        scale: every drawn operand is multiplied by it (1e-20 makes float32 products denormal).
    """

    layer: Layer
    shape: tuple[int, ...]
    dtype: str = "float32"
    operation: str = "forward"
    threads: int = 1
    scale: float = 1.0

    @property
    def kind(self) -> str:
        """The family of the layer, a key of KINDS. Raises LayerError as `kind_of`."""
        return kind_of(self.layer)

    @property
    def wrt(self) -> str | None:
        """The operand whose gradient is measured; None where none is measured alone."""
        return {"grad input": "input", "grad weight": "weight"}.get(self.operation)

    def geometry(self) -> Geometry:
        """The window. Raises NotOffered on padding that is not of zeros, or differs before and after."""
        layer: Any = self.layer
        if getattr(layer, "padding_mode", "zeros") != "zeros" or getattr(layer, "ceil_mode", False):
            raise NotOffered("padding or windows of a mode that is not compared")
        sizes, tags = layer.sizes(self.shape), layer.tags
        before, after = (tuple(sizes.get(f"{p}_{t}", 0) for t in tags) for p in "pq")
        extra: tuple[int, ...] = ()
        if self.kind == "transposed convolution":
            before, extra = _each(layer.padding, len(tags)), _each(layer.output_padding, len(tags))
        elif before != after:
            raise NotOffered("padding that differs before and after")
        kernel, stride = (tuple(sizes[f"{p}_{t}"] for t in tags) for p in "ks")
        dilation = _each(getattr(layer, "dilation", 1), len(tags))
        return Geometry(kernel, stride, before, dilation, getattr(layer, "groups", 1), extra)


def _each(given: Any, rank: int) -> tuple[int, ...]:
    pair = (given,) * rank if isinstance(given, int) else tuple(given)
    if not all(isinstance(p, int) for p in pair):
        raise NotOffered("padding that differs before and after")
    return pair


def operations(layer: Layer, shape: tuple[int, ...]) -> tuple[str, ...]:
    """The operations that a layer has. Raises LayerError as `kind_of`."""
    if kind_of(layer) == "cross entropy":
        return ("forward and gradient",)
    weighted = any(o.name == "weight" for o in layer.operands(shape))
    return OPERATIONS[:3] if weighted else OPERATIONS[:2]


def drawn(task: Task) -> dict[str, Array]:
    """The operands by name, standard normal times `scale` (seed 1); classes where whole numbers are asked.

    Shapes are those of `layer.operands`; all arrays begin at multiples of 64 bytes.
    """
    rng = np.random.default_rng(1)
    found = {}
    for operand in task.layer.operands(task.shape):
        if operand.name == "output":
            continue
        if operand.dtype == "int64":
            found[operand.name] = rng.integers(0, task.shape[1], operand.shape)
        else:
            values = rng.standard_normal(operand.shape)
            found[operand.name] = aligned(operand.shape, task.dtype)
            found[operand.name][...] = values * task.scale if operand.shape else 1
    return found


def aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """An array of zeros whose first entry lies at a multiple of ALIGNED bytes."""
    count, size = prod(shape), np.dtype(dtype).itemsize
    raw = np.zeros(count * size + ALIGNED, np.uint8)
    start = -raw.ctypes.data % ALIGNED
    return raw[start : start + count * size].view(dtype).reshape(shape)


def work(task: Task) -> tuple[int, int]:
    """Useful floating-point operations (2 a product of the definition) and bytes of operands and result.

    A layer without products (pooling, resampling) has 0 operations here: its measure is bytes.
    """
    shapes = {o.name: o.shape for o in task.layer.operands(task.shape)}
    size = np.dtype(task.dtype).itemsize
    read = {"forward": ("input", "weight", "output"), "grad input": ("grad_output", "weight", "input")}
    names = read.get(task.operation, ("input", "grad_output", "weight"))
    moved = sum(prod(shapes[n]) for n in names if n in shapes) * size
    if task.kind in ("convolution", "transposed convolution"):
        narrow = "output" if task.kind == "convolution" else "input"
        channels = shapes["weight"][0]
        return 2 * prod(shapes[narrow]) * prod(shapes["weight"]) // channels, moved
    if task.kind == "linear":
        return 2 * prod(shapes["input"]) * shapes["weight"][0], moved
    return 0, moved
