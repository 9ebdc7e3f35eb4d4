"""Owns the cases of theorems whose tables are definitions: sizes, drawn operands, both sides in PyTorch.

Windows and factors are chosen so that every weight is a multiple of a power of 1/2: float64 rounds nothing,
and the rational values of our definitions are compared with PyTorch's for equality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from between_torch import F, Sizes, Tensors, grad, torch

from derive import AvgPool2d

Side = Callable[[Tensors], Any]


def pool_sizes(layer: AvgPool2d, shape: tuple[int, ...]) -> dict[str, int]:
    """The layer's sizes; what hangs over the padding is told apart from it."""
    sizes = layer.sizes(shape)
    for tag, (_, after) in zip(layer.tags, layer.paddings, strict=True):
        sizes |= {f"e_{tag}": sizes[f"q_{tag}"] - after, f"q_{tag}": after}
    return sizes


class Pooled:
    """Mean pooling in PyTorch, and what its divisors are."""

    def __init__(self, layer: AvgPool2d, shape: tuple[int, ...]) -> None:
        self.layer, self.sizes = layer, pool_sizes(layer, shape)
        self.before: Any = tuple(before for before, _ in layer.paddings)
        self.include = layer.count_include_pad

    def mean(self, x: Any) -> Any:
        own = self.layer
        return F.avg_pool2d(x, own.kernel, own.strides, self.before, own.ceil_mode, self.include)

    def of_region(self, z: Any, divisor: int | None = None) -> Any:
        """The same windows over what is counted: the input, or the input with its padding."""
        own, before = self.layer, (0, 0) if self.include else self.before
        return F.avg_pool2d(z, own.kernel, own.strides, before, own.ceil_mode, False, divisor)

    def ones(self) -> Any:
        x = torch.ones((1, 1, self.sizes["H"], self.sizes["W"]), dtype=torch.float64)
        return F.pad(x, (self.before[1],) * 2 + (self.before[0],) * 2, value=1.0) if self.include else x

    def total(self, t: Tensors) -> Any:
        region = torch.zeros((2, 2, *self.ones().shape[2:]), dtype=torch.float64)
        return grad(self.of_region, region, t["grad_output"]).sum((2, 3))

    def parts(self) -> dict[str, Side]:
        return {
            "output": lambda t: self.mean(t["input"]),
            "input": lambda t: grad(self.mean, t["input"], t["grad_output"]),
            "count": lambda t: self.of_region(self.ones(), 1)[0, 0],
            "never 0": lambda t: (self.of_region(self.ones(), 1)[0, 0] >= 1).double(),
            "shares": lambda t: self.of_region(self.ones())[0, 0],
            "total": self.total,
            "whole windows": lambda t: self.of_region(self.ones(), 1)[0, 0],
        }


class Interpolated:
    """Linear upsampling in PyTorch by whole factors, on both axes or on the first alone."""

    def __init__(self, corners: bool, lengths: tuple[int, int], factors: tuple[int, int]) -> None:
        self.corners, self.lengths, self.factors = corners, lengths, factors
        (h, w), (s, f) = lengths, factors
        self.outs = (s * (h - 1) + 1, f * (w - 1) + 1) if corners else (s * h, f * w)
        self.sizes = {"N": 2, "C": 2, "H": h, "W": w, "s_h": s, "s_w": f}
        if not corners:
            self.sizes |= {f"m_{t}": n // 2 for t, n in zip("hw", factors, strict=True)}
            self.sizes |= {f"b_{t}": 1 - n % 2 for t, n in zip("hw", factors, strict=True)}

    def resize(self, x: Any, outs: tuple[int, int]) -> Any:
        return F.interpolate(x, size=outs, mode="bilinear", align_corners=self.corners)

    def both(self, x: Any) -> Any:
        return self.resize(x, self.outs)

    def first(self, x: Any) -> Any:
        return self.resize(x, (self.outs[0], self.lengths[1]))

    def ones(self, t: Tensors) -> Any:
        """Where step and phase name an output place, what PyTorch makes of a constant 1."""
        h, s = self.lengths[0], self.factors[0]
        off = s if self.corners else s - s // 2
        long = torch.zeros((h + 1) * s, dtype=torch.float64)
        image = torch.ones((1, 1, *self.lengths), dtype=torch.float64)
        long[off : off + self.outs[0]] = self.first(image)[0, 0, :, 0]
        return long.reshape(h + 1, s)

    def parts(self) -> dict[str, Side]:
        return {
            "output": lambda t: self.both(t["input"]),
            "input": lambda t: grad(self.both, t["input"], t["grad_output"]),
            "neighbours": lambda t: self.first(t["input"]),
            "folded": lambda t: grad(self.first, t["input"], t["given"]),
            "sum 1": self.ones,
        }


KERNEL = (2, 4)


def shares(t: Tensors) -> Any:
    return t["share_h"][:, None] * t["share_w"][None]


def windows_met(t: Tensors) -> Any:
    """How many entries PyTorch's adaptive windows read, by the gradient of each output entry."""
    x = torch.ones((1, 1, 6, 8), dtype=torch.float64, requires_grad=True)
    y = F.adaptive_avg_pool2d(x, (3, 2))[0, 0]
    found = [
        int((torch.autograd.grad(y[i, j], x, retain_graph=True)[0] != 0).sum()) for i, j in np.ndindex(3, 2)
    ]
    return torch.tensor(found, dtype=torch.float64).reshape(3, 2)


def chosen(t: Tensors) -> Any:
    """pick of max pooling: 1 at the entry of each adaptive window that PyTorch takes."""
    _, places = F.adaptive_max_pool2d(t["input"], (3, 2), return_indices=True)
    return F.one_hot(places, 48).double().unflatten(-1, (6, 8))


ADAPTIVE = {"N": 2, "C": 2, "H_out": 3, "W_out": 2, "k_h": KERNEL[0], "k_w": KERNEL[1]}
SCALE = KERNEL[0] * KERNEL[1]
MEAN: dict[str, tuple[Side, Side]] = {
    "output": (
        lambda t: F.adaptive_avg_pool2d(t["input"], (3, 2)) * SCALE * shares(t),
        lambda t: F.avg_pool2d(t["input"], KERNEL, divisor_override=1) * shares(t)),
    "input": (
        lambda t: grad(
            lambda x: F.adaptive_avg_pool2d(x, (3, 2)) * SCALE * shares(t), t["input"], t["grad_output"]),
        lambda t: F.interpolate(t["grad_output"] * shares(t), scale_factor=KERNEL, mode="nearest")),
    "count": (windows_met, lambda t: torch.full((3, 2), float(SCALE), dtype=torch.float64)),
}  # fmt: skip
SELECTION: dict[str, tuple[Side, Side]] = {
    "output": (
        lambda t: F.adaptive_max_pool2d(t["input"], (3, 2)), lambda t: F.max_pool2d(t["input"], KERNEL)),
    "input": (
        lambda t: grad(lambda x: F.adaptive_max_pool2d(x, (3, 2)), t["input"], t["grad_output"]),
        lambda t: grad(lambda x: F.max_pool2d(x, KERNEL), t["input"], t["grad_output"])),
}  # fmt: skip

INSIDE = Pooled(AvgPool2d((4, 2), stride=2, padding=(2, 1), count_include_pad=False), (2, 2, 6, 4))
OVER = Pooled(AvgPool2d((4, 2), stride=(4, 2), padding=(1, 0), ceil_mode=True), (2, 2, 8, 5))
WHOLE = Pooled(AvgPool2d((4, 2), stride=(3, 2), padding=(2, 1)), (2, 2, 7, 4))
CENTRES = Interpolated(False, (3, 2), (2, 4))
CORNERS = Interpolated(True, (3, 2), (2, 4))


def _cases() -> Mapping[tuple[str, str], tuple[Sizes, tuple[Side, ...]]]:
    found: dict[tuple[str, str], tuple[Sizes, tuple[Side, ...]]] = {}
    for title, own in (("mean-pooling-inside", INSIDE), ("mean-pooling-padded", OVER)):
        for part, side in own.parts().items():
            if part != "whole windows":
                found[title, part] = own.sizes, (side,)
    found["mean-pooling-padded", "whole windows"] = WHOLE.sizes, (WHOLE.parts()["whole windows"],)
    for title, image in (("linear-upsampling", CENTRES), ("linear-upsampling-corners", CORNERS)):
        found |= {(title, part): (image.sizes, (side,)) for part, side in image.parts().items()}
    for title, both in (("adaptive-mean-pooling", MEAN), ("adaptive-selection", SELECTION)):
        found |= {(title, part): (ADAPTIVE, sides) for part, sides in both.items()}
    return found


DEFINED = _cases()
"""(theorem, part) -> sizes, and its sides in PyTorch, which all give the same."""
