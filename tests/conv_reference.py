"""Conv2d forward and gradients by shifted slices, on any element type; shares no code with the packages."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import LayerError
from derive.layers.conv import Conv2d

Array = NDArray[Any]
KEYS = ("output", "input", "weight", "bias")


def reference(layer: Conv2d, d: dict[str, Array]) -> dict[str, Array]:
    """By claim key the exact result; `d` holds batched or unbatched operands."""
    batched = d["input"].ndim == 4
    x, g = (d[n] if batched else d[n][None] for n in ("input", "grad_output"))
    w = d["weight"]
    (top, bottom), (left, right) = layer.paddings
    (sh, sw), (dh, dw) = layer.strides, layer.dilations
    high, wide = x.shape[2:]
    padded = np.zeros((*x.shape[:2], high + top + bottom, wide + left + right), x.dtype)
    padded[:, :, top : top + high, left : left + wide] = x
    grad, grad_weight, y = np.zeros_like(padded), np.zeros_like(w), np.zeros_like(g)
    per_out, per_in = w.shape[0] // layer.groups, w.shape[1]
    for k in range(w.shape[0]):
        c = slice(k // per_out * per_in, (k // per_out + 1) * per_in)
        for i in range(w.shape[2]):
            for j in range(w.shape[3]):
                rows = slice(i * dh, i * dh + sh * (g.shape[2] - 1) + 1, sh)
                columns = slice(j * dw, j * dw + sw * (g.shape[3] - 1) + 1, sw)
                y[:, k] += (padded[:, c, rows, columns] * w[k, :, i, j][None, :, None, None]).sum(1)
                grad_weight[k, :, i, j] += (padded[:, c, rows, columns] * g[:, k][:, None]).sum((0, 2, 3))
                grad[:, c, rows, columns] += g[:, k][:, None] * w[k, :, i, j][None, :, None, None]
        if layer.bias:
            y[:, k] += d["bias"][k]
    grad_input = grad[:, :, top : top + high, left : left + wide]
    found = {"output": y, "input": grad_input, "weight": grad_weight, "bias": g.sum((0, 2, 3))}
    return {k: v.reshape(-1) for k, v in found.items()}


def random_layer(rng: random.Random, width: int = 12) -> tuple[Conv2d, tuple[int, ...]]:
    """A layer with anything in it: groups, strides over kernels, dilation, lopsided padding, no batch."""

    def pair(low: int, high: int) -> tuple[int, int]:
        return rng.randint(low, high), rng.randint(low, high)

    while True:
        groups = rng.choice([1, 1, 2, 3])
        channels, outs = groups * rng.randint(1, 3), groups * rng.randint(1, 3)
        try:
            layer = Conv2d(
                channels,
                outs,
                pair(1, 4),
                stride=pair(1, 3),
                padding=(pair(0, 4), pair(0, 4)),
                dilation=pair(1, 2),
                groups=groups,
                bias=rng.random() < 0.7,
            )
            shape = (channels, rng.randint(1, 9), rng.randint(1, width))
            shape = shape if rng.random() < 0.2 else (rng.randint(1, 2), *shape)
            layer.operands(shape)
            return layer, shape
        except LayerError:
            continue


def operands(layer: Conv2d, shape: tuple[int, ...], seed: int, dtype: Any, most: int = 4) -> dict[str, Array]:
    """Small whole numbers, so that float results are exact."""
    rng = np.random.default_rng(seed)
    return {
        o.name: rng.integers(-most, most + 1, o.shape).astype(dtype)
        for o in layer.operands(shape)
        if o.name != "output"
    }
