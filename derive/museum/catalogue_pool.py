"""Owns the museum's exhibits of pooling, resampling, padding layers and pixel shuffles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from derive.expr import Read, Sum
from derive.index import Condition, Form, Within, name
from derive.layers.base import Layer
from derive.museum.catalogue_conv import AXES, kept_rows, last_window, size
from derive.museum.edits import (
    RIGHT,
    Change,
    Place,
    direct,
    on,
    only,
    placed,
    scaled,
    without,
)
from derive.museum.exhibit import Exhibit, Sizes

TWO_WIDE = only(Within(size("a", "w"), Form.of(2)))


def whole_window(sizes: Sizes) -> Fraction:
    return Fraction(1, sizes["k_h"] * sizes["k_w"])


WHOLE_KERNEL: tuple[Change, ...] = (without("share_h", "share_w"), scaled(whole_window))
"""Every window divided by the size of the kernel."""


def equal_windows(place: Place) -> tuple[Sum, ...]:
    """Windows of H // H_out entries one beside the other, each divided by that number."""
    lengths = {t: place.sizes[t.upper()] // place.sizes[f"{t.upper()}_out"] for t in AXES}
    band: tuple[Condition, ...] = tuple(
        Within(size("i", t) - size("o", t) * lengths[t], Form.of(lengths[t])) for t in AXES
    )
    factors = tuple(f for f in place.term.factors if isinstance(f, Read) and "share" not in f.tensor.name)
    share = Fraction(1, lengths["h"] * lengths["w"])
    return (replace(place.term, conditions=band, factors=factors, coefficient=share),)


def per_block(sizes: Sizes) -> Fraction:
    return Fraction(sizes["H"] * sizes["W"], sizes["H_out"] * sizes["W_out"])


def border_twice(place: Place, index: tuple[Form, ...]) -> tuple[Form, ...]:
    """The reflected place one further in, so that the border entry is shown again."""
    spot, e = index[-1], name("e_w")
    if spot == e - name("p_w"):
        return index
    moved = spot - 1 if spot == name("p_w") - e else spot + 1
    return (*index[:-1], moved)


def corners(layer: Layer, shape: Sequence[int]) -> Mapping[str, tuple[Fraction, ...]]:
    """The interpolation weights of the other convention."""
    if getattr(layer, "align_corners", None) is None:
        return layer.tables(shape)
    changes: dict[str, Any] = {"align_corners": not getattr(layer, "align_corners", False)}
    return replace(layer, **changes).tables(shape)


def offsets_first(_: Place, index: tuple[Form, ...]) -> tuple[Form, ...]:
    """input[n, c, a, b, y, x] read at (n, a, b, c, y, x), which is inside where C = r."""
    n, c, a, b, *spot = index
    return (n, a, b, c, *spot)


def offsets_first_back(_: Place, index: tuple[Form, ...]) -> tuple[Form, ...]:
    """What entry (n, c, a, b, y, x) is then handed: the gradient at channel b, offsets c and a."""
    n, c, y, a, x, b = index
    return (n, b, y, c, x, a)


MEANS = (
    Exhibit(
        "pool-width-two",
        "pool width taken as 2",
        "windows are taken to be two wide, as in the first network that was tried",
        "input",
        "AvgPool2d(3)",
        (1, 1, 3, 3),
        direct(TWO_WIDE),
        on("output", TWO_WIDE),
    ),
    Exhibit(
        "avgpool-ceil-divisor",
        "divisor is always the size of the kernel",
        "a last window that hangs over the end is divided by the size of the kernel",
        "input",
        "AvgPool2d(2, ceil_mode=True)",
        (1, 1, 3, 3),
        on("shared_grad", *WHOLE_KERNEL),
        on("output", *WHOLE_KERNEL),
        sources=(
            "microsoft/onnxruntime#16203",
            "onnx/onnx#4958",
            "pytorch/pytorch#198119",
            "tracel-ai/burn#5604",
        ),
    ),
    Exhibit(
        "avgpool-include-pad",
        "divisor is always the size of the kernel",
        "count_include_pad=False is not heeded: windows at the border are divided by the size of the kernel",
        "input",
        "AvgPool2d(2, padding=1, count_include_pad=False)",
        (1, 1, 2, 2),
        on("shared_grad", *WHOLE_KERNEL),
        on("output", *WHOLE_KERNEL),
        sources=("VeriSilicon/TIM-VX#423", "apache/tvm#1144"),
    ),
    Exhibit(
        "avgpool-overwritten",
        "overlapping windows overwritten instead of summed",
        "each window stores its share of the gradient, so that the last one stays",
        "input",
        "AvgPool2d(2, stride=1)",
        (1, 1, 3, 3),
        direct(last_window()),
        loops=("overwritten",),
    ),
    Exhibit(
        "avgpool-tail-dropped",
        "leftover rows of a non-divisible stride dropped",
        "the rows that the stride leaves over get no gradient, although padding lets windows reach them",
        "input",
        "AvgPool2d(3, stride=2, padding=1)",
        (1, 1, 4, 4),
        direct(kept_rows()),
    ),
    Exhibit(
        "adaptive-equal-windows",
        "windows all of one length",
        "windows of floor(H / H_out) entries stand for those of unequal lengths",
        "input",
        "AdaptiveAvgPool2d(2)",
        (1, 1, 3, 3),
        on(RIGHT, equal_windows),
        on("output", equal_windows),
        sources=("flagos-ai/FlagGems#4915", "pytorch/TensorRT#2611"),
    ),
)

SELECTIONS = (
    Exhibit(
        "maxpool-overwritten",
        "overlapping windows overwritten instead of summed",
        "an entry that several windows take keeps the gradient of the last one",
        "input",
        "MaxPool2d(2, stride=1)",
        (1, 1, 3, 3),
        loops=("overwritten",),
        sources=("devitocodes/joey#5", "FluxML/Flux.jl#1197"),
    ),
    Exhibit(
        "maxpool-every-tie",
        "the gradient to every entry equal to the selected one",
        "every entry equal to the largest gets the gradient, where PyTorch hands it to the first",
        "input",
        "MaxPool2d(2)",
        (1, 1, 2, 2),
        sources=("Theano/Theano#5248",),
    ),
    Exhibit(
        "maxpool-padding-zero-wins",
        "zeros of the padding compared with the entries",
        "padding counts as entries of 0, which are larger than negative ones",
        "output",
        "MaxPool2d(2, padding=1)",
        (1, 1, 2, 2),
        loops=("zero_wins",),
        sources=("distdl/distdl#195", "zylo117/Yet-Another-EfficientDet-Pytorch#352"),
    ),
)

MAPS = (
    Exhibit(
        "nearest-mean",
        "mean instead of the sum",
        "the gradient of a repeated entry is the mean of its copies' gradients, not their sum",
        "input",
        "Upsample(scale_factor=2)",
        (1, 1, 2, 2),
        on(RIGHT, scaled(per_block)),
    ),
    Exhibit(
        "linear-corners",
        "align_corners the other way",
        "the interpolation weights are those of align_corners=True",
        "input",
        "Upsample(scale_factor=2, mode=bilinear, align_corners=False)",
        (1, 1, 2, 2),
        tables=corners,
        sources=("tenstorrent/tt-metal#27001",),
    ),
    Exhibit(
        "reflect-border-twice",
        "reflected with the border twice",
        "the border entry is repeated (NumPy's 'symmetric') where it should be the axis of the reflection",
        "input",
        "ReflectionPad1d(1)",
        (1, 1, 3),
        direct(placed("input", border_twice)),
        on("output", placed("input", border_twice)),
        sources=("plenoptic-org/plenoptic#154",),
    ),
    Exhibit(
        "shuffle-depth-to-space",
        "offsets before channels (depth to space)",
        "a channel's number is read as (offset, offset, channel), as ONNX's default order is",
        "input",
        "PixelShuffle(2)",
        (1, 8, 1, 1),
        on(RIGHT, placed("grad_output", offsets_first_back)),
        on("output", placed("input", offsets_first)),
        sources=("PINTO0309/onnx2tf#91", "microsoft/onnxscript#2891", "llvm/torch-mlir#4351"),
    ),
)

EXHIBITS = (*MEANS, *SELECTIONS, *MAPS)
