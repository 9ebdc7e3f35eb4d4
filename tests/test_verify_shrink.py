"""Owns the search for a smaller failure: what may be lowered, what must stay, and where it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from layer_peers import plain_forward
from layer_text import Case as Told
from test_verify_layers import signed

from derive.errors import LayerError
from derive.spelling import parse_layer
from derive.verification import verify
from derive.verify_run import Case
from derive.verify_shrink import lowered

Function = Callable[..., Any]


def doubled(text: str, shape: tuple[int, ...], *numbers: str) -> Function:
    """Twice the layer's output, whatever layer and shape it is called at; takes the given numbers."""
    told = Told(text, shape)

    def forward(**given: Any) -> Any:
        named = {name: given.pop(name) for name in numbers}
        arguments = {**told.arguments, **named}
        if "other" in given and "other_shape" in arguments:
            arguments["other_shape"] = given["other"].shape
        for key, axis in (("in_features", 1), ("out_features", 0)):
            if key in arguments:
                arguments[key] = given["weight"].shape[axis]
        words = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        return 2 * plain_forward(Told(f"{told.kind}({words})", given["input"].shape), given)

    return signed(forward, [*told.operands, *numbers])


SMALLEST: dict[tuple[str, tuple[int, ...], tuple[str, ...]], str] = {
    ("Linear(4, 3)", (2, 3, 4), ()): "Linear(1, 1) at (1, 1, 1)",
    ("PixelShuffle(3)", (2, 9, 2, 2), ("upscale_factor",)): "PixelShuffle(1) at (1, 1, 1, 1)",
    ("PixelShuffle(3)", (2, 9, 2, 2), ()): "PixelShuffle(3) at (1, 9, 1, 1)",
    ("PixelUnshuffle(2)", (1, 2, 4, 6), ("downscale_factor",)): "PixelUnshuffle(1) at (1, 1, 1, 1)",
    ("Downsample((2, 3))", (2, 2, 5, 5), ("factor",)): "Downsample(1) at (1, 1, 1, 1)",
    ("Downsample((2, 3))", (2, 2, 5, 5), ()): "Downsample((2, 3)) at (1, 1, 1, 1)",
    ("UpsampleZeros(4, output_padding=3)", (1, 2, 3), ("factor", "output_padding")):
        "UpsampleZeros(1) at (1, 1, 1)",
    ("Upsample(scale_factor=2.5)", (1, 2, 4), ("scale_factor",)): "Upsample(scale_factor=1.0) at (1, 1, 1)",
    ("Upsample(size=(4, 5), mode='bilinear', align_corners=True)", (1, 1, 2, 3), ("size", "align_corners")):
        "Upsample(size=1, mode='bilinear') at (1, 1, 1, 1)",
    ("AdaptiveAvgPool2d((2, 3))", (2, 2, 4, 5), ("output_size",)): "AdaptiveAvgPool2d(1) at (1, 1, 1, 1)",
    ("ReflectionPad1d((2, 1))", (2, 1, 5), ("padding",)): "ReflectionPad1d(0) at (1, 1, 1)",
    ("ZeroPad2d((-1, 2, 1, -2))", (1, 1, 4, 4), ("padding",)): "ZeroPad2d(0) at (1, 1, 1, 1)",
    ("Concat(dim=1, other_shape=(2, 4, 3))", (2, 2, 3), ()): "Concat(other_shape=(1, 4, 1)) at (1, 1, 1)",
    ("Flatten(1, 2)", (2, 3, 2), ()): "at (1, 1, 1)",
    ("Add()", (3, 2), ()): "Add() at (1, 1)",
}  # fmt: skip


@pytest.mark.parametrize(("text", "shape", "numbers"), SMALLEST, ids=lambda v: str(v))
def test_the_smallest_failure(text: str, shape: tuple[int, ...], numbers: tuple[str, ...]) -> None:
    layer = parse_layer(text)
    found = verify(doubled(text, shape, *numbers), layer, shape)
    small = next(line for line in found.report.splitlines() if line.startswith("smallest failing shape"))
    assert small.endswith(SMALLEST[text, shape, numbers]), small
    assert "equals the right answer with this known bug: output doubled" in found.report


LARGE = [
    ("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (3, 4, 6, 5)),
    ("AvgPool2d((4, 3), stride=3, padding=1, ceil_mode=True, divisor_override=5)", (2, 3, 9, 8)),
    ("ConvTranspose1d(4, 2, 3, stride=3, padding=1, output_padding=1, groups=2)", (2, 4, 5)),
    ("Upsample(scale_factor=(2.5, 3), mode='bilinear', align_corners=True)", (2, 2, 3, 4)),
    ("Concat(dim=-1, other_shape=(3, 4, 6))", (3, 4, 5)),
]


@pytest.mark.parametrize(("text", "shape"), LARGE, ids=lambda v: str(v))
def test_every_case_tried_fits_and_differs(text: str, shape: tuple[int, ...]) -> None:
    """And arguments that the function does not see are left alone."""
    layer: Any = parse_layer(text)
    case = Case.of(layer, shape, "backward")
    every = frozenset(case.numbers)
    tried = list(lowered(case, every))
    assert len(tried) > 5 and all(c != case for c in tried)
    assert all(c.layer.operands(c.shape) for c in tried)
    hidden = list(lowered(case, frozenset()))
    for name in ("stride", "padding", "groups", "scale_factor", "output_padding", "ceil_mode"):
        if hasattr(layer, name):
            assert all(getattr(c.layer, name) == getattr(layer, name) for c in hidden)
            if name != "groups" or "Conv" in text:
                assert any(getattr(c.layer, name) != getattr(layer, name) for c in tried), name


def test_a_failure_that_needs_its_size_stays() -> None:
    """Wrong at the entry beyond the second window only: nothing smaller fails."""

    def backward(dout: Any, x: Any) -> Any:
        found = np.repeat(dout, 2, 2)
        found = np.concatenate([found, x[:, :, found.shape[2] :] * 0], 2)
        if x.shape[2] >= 5:
            found[:, :, 4] = dout[:, :, 0]
        return found / 2

    found = verify(backward, parse_layer("AvgPool1d(2)"), (2, 2, 7))
    assert "AvgPool1d(2) at (1, 1, 5)" in found.report, found.report


def test_a_shape_that_does_not_fit_is_the_users_mistake() -> None:
    with pytest.raises(LayerError):
        Case.of(parse_layer("AvgPool1d(2)"), (1, 1, 1), "forward")
