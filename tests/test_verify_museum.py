"""Known bugs of layers other than convolutions, as people write them: refuted, shrunk and named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import plain_layers as plain
import pytest

from derive.spelling import parse_layer
from derive.verification import verify

Function = Callable[..., Any]


def zeros(shape: tuple[int, ...]) -> Any:
    return plain.zeros(shape, np.empty(0, object))


def two(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


def pool_backward(bug: str, buffer: Function = zeros) -> Function:
    """A mean pool's gradient, window by window, as people write it."""

    def backward(dout: Any, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
        (kh, kw), (sh, sw), (ph, pw) = two(kernel_size), two(stride), two(padding)
        if bug == "stride":
            sh, sw = kh, kw
        if bug == "swapped":
            sh, sw = sw, sh
        height, width = x.shape[2:]
        found = buffer((*x.shape[:2], height + 2 * ph, width + 2 * pw))
        for r in range(dout.shape[2]):
            for c in range(dout.shape[3]):
                rows, columns = slice(r * sh, r * sh + kh), slice(c * sw, c * sw + kw)
                tall = min(r * sh + kh, height + ph) - max(r * sh, ph)
                wide = min(c * sw + kw, width + pw) - max(c * sw, pw)
                divisor = {"divisor": 1, "inside": tall * wide}.get(bug, kh * kw)
                share = dout[:, :, r, c, None, None] / divisor
                if bug == "overwritten":
                    found[:, :, rows, columns] = share
                elif found[:, :, rows, columns].size:
                    found[:, :, rows, columns] += share
        found = found[:, :, ph : ph + height, pw : pw + width]
        if bug == "leftover":
            return found[:, :, : (dout.shape[2] - 1) * sh + kh, : (dout.shape[3] - 1) * sw + kw]
        return found

    return backward


POOL = parse_layer("AvgPool2d((3, 2), stride=(2, 1), padding=1)")
POOL_BUGS = {
    "divisor": "divisor forgotten",
    "inside": "divisor counts only entries inside the input",
    "overwritten": "overlapping windows overwritten instead of summed",
    "stride": "stride taken as kernel_size",
    "swapped": "stride swapped between the axes",
}


def named(found: Any, bug: str) -> None:
    """The report is short, gives both terms at a smaller shape, and names the bug."""
    lines = found.report.splitlines()
    assert found.label == "REFUTED" and len(lines) < 20, found.report
    said = "equals the right answer with this known bug: "
    assert said in found.report and bug in found.report.partition(said)[2]
    assert any(("got" in line or "has shape" in line) and "expected" in line for line in lines)


@pytest.mark.parametrize("buffer", [zeros, np.zeros], ids=["symbols", "numbers"])
@pytest.mark.parametrize("bug", POOL_BUGS)
def test_bugs_of_mean_pooling(bug: str, buffer: Function) -> None:
    named(verify(pool_backward(bug, buffer), POOL, (2, 1, 5, 4)), POOL_BUGS[bug])


def test_right_mean_pools() -> None:
    assert verify(pool_backward(""), POOL, (2, 1, 5, 4)).label.startswith("THIS SIZE")
    found = verify(pool_backward("", np.zeros), POOL, (2, 1, 5, 4))
    assert found.ok and found.label.startswith("CHECKED, miss probability <= 2^-")
    assert "6 m/2^e, m whole in" in found.report
    uncounted = parse_layer("AvgPool2d(3, stride=2, padding=1, count_include_pad=False)")
    assert verify(pool_backward("inside"), uncounted, (1, 1, 5, 5)).ok
    named(verify(pool_backward(""), uncounted, (1, 1, 5, 5)), "divisor is always the size of the kernel")


def test_leftover_rows_of_a_pool() -> None:
    found = verify(pool_backward("leftover"), parse_layer("AvgPool2d(2)"), (1, 2, 5, 7))
    named(found, "leftover rows of a non-divisible stride dropped")
    assert "smallest failing shape found" in found.report and "at (1, 1, " in found.report


def test_the_smallest_failing_pool() -> None:
    """A forgotten divisor shows as soon as the window has more than one place."""
    report = verify(pool_backward("divisor"), POOL, (2, 1, 5, 4)).report
    assert "smallest failing shape found" in report
    assert "AvgPool2d(2, stride=1, padding=1) at (1, 1, 1, 1)\n" in report, report


def test_a_wrong_shape_is_named_by_its_values_too() -> None:
    """Numbers of the shape that dropped rows leave, but other numbers: no known bug."""
    layer = parse_layer("AvgPool2d(2)")
    found = verify(pool_backward("leftover", np.zeros), layer, (1, 2, 5, 7))
    named(found, "leftover rows of a non-divisible stride dropped")

    def other(dout: Any, x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
        return pool_backward("leftover", np.zeros)(dout, x, kernel_size, stride, padding) * 3

    found = verify(other, layer, (1, 2, 5, 7))
    assert "has shape" in found.report and "leftover" not in found.report, found.report


def ranges(shape: Iterable[int]) -> Iterable[tuple[int, ...]]:
    return plain.places(tuple(shape))


def scatter(places: Function, overwrite: bool = False) -> Function:
    """A gradient that sends every grad_output entry to the input places that `places(o)` gives."""

    def backward(dout: Any, x: Any) -> Any:
        found = zeros(x.shape)
        for n, c, *o in ranges(dout.shape):
            for *i, weight in places(o, x.shape[2:], dout.shape[2:]):
                if all(0 <= v < length for v, length in zip(i, x.shape[2:], strict=True)):
                    old = 0 if overwrite else found[(n, c, *i)]
                    found[(n, c, *i)] = old + dout[(n, c, *o)] * weight
        return found

    return backward


def spread(image: Any, step: tuple[int, ...], lengths: tuple[int, ...]) -> Any:
    found = zeros((*image.shape[:2], *lengths))
    for n, c, *i in ranges(image.shape):
        found[(n, c, *(s * v for s, v in zip(step, i, strict=True)))] = image[(n, c, *i)]
    return found


def repeat(dout: Any, x: Any, factor: Any) -> Any:
    return dout.repeat(factor, 2).repeat(factor, 3)[:, :, : x.shape[2], : x.shape[3]]


def blocks(dout: Any, factor: Any) -> Any:
    found = dout[:, :, ::factor, ::factor].copy()
    for n, c, y, x in ranges(found.shape):
        found[n, c, y, x] = dout[n, c, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor].sum()
    return found


def averaged(dout: Any, scale_factor: Any) -> Any:
    return blocks(dout, int(scale_factor)) / int(scale_factor) ** 2


def first_only(dout: Any, scale_factor: Any) -> Any:
    return dout[:, :, :: int(scale_factor), :: int(scale_factor)]


def mirrored(border: int) -> Function:
    """ReflectionPad1d's gradient with the mirror `border` places beyond the border entry."""

    def places(o: Any, lengths: Any, _: Any) -> Any:
        i, n = o[0] - 2, lengths[0]
        return [(-i - border if i < 0 else 2 * (n - 1) + border - i if i >= n else i, 1)]

    return scatter(places)


def halves(o: Any, lengths: Any, _: Any) -> Any:
    """Two places for each entry, corners aligned: every other place lies half way between two entries."""
    low, part = o[0] // 2, o[0] % 2 / 2
    return [(low, 1 - part), (min(low + 1, lengths[0] - 1), part)]


def turned(dout: Any, x: Any, w: Any, stride: Any) -> Any:
    """ConvTranspose1d's gradients with the kernel turned round."""
    dx, dw = zeros(x.shape), zeros(w.shape)
    for n, c, i in ranges(x.shape):
        for k, a in ranges(w.shape[1:]):
            b = w.shape[2] - 1 - a
            dx[n, c, i] += dout[n, k, i * stride + a] * w[c, k, b]
            dw[c, k, b] += dout[n, k, i * stride + a] * x[n, c, i]
    return dx, dw


def transposed_forward(bug: str) -> Function:
    def forward(x: Any, w: Any, b: Any, stride: Any, padding: Any, output_padding: Any) -> Any:
        extra = 0 if bug == "output_padding" else output_padding
        length = (x.shape[2] - 1) * stride + w.shape[2] + extra
        found = zeros((x.shape[0], w.shape[1], length))
        for n, c, i in ranges(x.shape):
            for k, a in ranges(w.shape[1:]):
                spot = i * stride + (w.shape[2] - 1 - a if bug == "flipped" else a)
                term = w[c, k, a] * x[n, c, i]
                found[n, k, spot] = term if bug == "overwritten" else found[n, k, spot] + term
        found = found[:, :, padding : length - padding]
        return found if bug == "bias" else found + b[:, None]

    return forward


BUGS: dict[str, tuple[Function, str, tuple[int, ...], str]] = {
    "downsample: repeated": (repeat, "Downsample(2)", (1, 1, 4, 5), "repeated instead of spread with zeros"),
    "downsample: leftover": (
        lambda dout, factor: spread(dout, (factor,), (factor * (dout.shape[2] - 1) + 1,)),
        "Downsample(3)", (1, 2, 6), "leftover rows dropped",
    ),
    "downsample: swapped": (
        scatter(lambda o, n, m: [(3 * o[0], 2 * o[1], 1)]),
        "Downsample((2, 3))", (1, 1, 7, 7), "factor swapped between the axes",
    ),
    "zeros: block sum": (blocks, "UpsampleZeros(2, output_padding=1)", (1, 2, 2, 3), "sum over the block"),
    "zeros: output_padding": (
        lambda x, factor: spread(x, (factor,), ((x.shape[2] - 1) * factor + 1,)),
        "UpsampleZeros(3, output_padding=2)", (1, 1, 4), "output_padding ignored",
    ),
    "zeros: swapped": (
        scatter(lambda o, n, m: [(o[0] // 3, o[1] // 2, 1)] if not (o[0] % 3 or o[1] % 2) else []),
        "UpsampleZeros((2, 3))", (1, 1, 3, 2), "factor swapped between the axes",
    ),
    "nearest: one": (first_only, "Upsample(scale_factor=3)", (1, 1, 2, 2), "one entry instead of the sum"),
    "nearest: mean": (averaged, "Upsample(scale_factor=2)", (1, 2, 2, 2), "mean instead of the sum"),
    "linear: overwritten": (
        scatter(halves, overwrite=True),
        "Upsample(size=5, mode=linear, align_corners=True)", (1, 1, 3), "overwritten",
    ),
    "linear: corners": (
        scatter(halves), "Upsample(size=5, mode=linear)", (1, 1, 3), "align_corners the other way",
    ),
    "reflect: border twice": (mirrored(1), "ReflectionPad1d(2)", (2, 1, 4), "with the border twice"),
    "reflect: cropped": (
        lambda dout, x: dout[:, :, 2:-1], "ReflectionPad1d((2, 1))", (1, 1, 4), "as if padded with zeros",
    ),
    "pad: sides": (
        lambda dout, x: dout[:, :, 2:-1], "ZeroPad1d((1, 2))", (1, 1, 4), "sides exchanged",
    ),
    "pad: axes": (
        lambda dout, x: dout[:, :, 1:-1, 2:-2], "ZeroPad2d((1, 1, 2, 2))", (1, 1, 3, 3), "axes exchanged",
    ),
    "transposed: turned": (
        turned, "ConvTranspose1d(2, 2, 3, stride=2, bias=False)", (1, 2, 3), "kernel flipped",
    ),
    "transposed: flipped": (
        transposed_forward("flipped"), "ConvTranspose1d(2, 1, 3, stride=2)", (1, 2, 3), "kernel flipped",
    ),
    "transposed: output_padding": (
        transposed_forward("output_padding"),
        "ConvTranspose1d(1, 2, 3, stride=2, padding=1, output_padding=1)", (1, 1, 3), "output_padding",
    ),
    "transposed: overwritten": (
        transposed_forward("overwritten"), "ConvTranspose1d(1, 1, 3, stride=2)", (1, 1, 3), "overwritten",
    ),
    "transposed: bias": (transposed_forward("bias"), "ConvTranspose1d(1, 2, 2)", (1, 1, 3), "bias forgotten"),
    "linear: turned weight": (
        lambda dout, x: {"dw": x.T @ dout}, "Linear(3, 2)", (2, 3), "weight gradient transposed",
    ),
    "linear: averaged": (
        lambda dout, x: {"dw": dout.T @ x / len(x)}, "Linear(3, 2)", (4, 3), "averaged over the batch",
    ),
    "linear: bias": (lambda x, w, b: x @ w.T, "Linear(3, 2)", (2, 3), "bias forgotten"),
    "shuffle: offsets": (
        lambda x: x.reshape(1, 2, 2, 2, 3, 2).transpose(0, 1, 4, 3, 5, 2).reshape(1, 2, 6, 4),
        "PixelShuffle(2)", (1, 8, 3, 2), "the two offsets exchanged",
    ),
    "shuffle: depth to space": (
        lambda x: x.reshape(1, 2, 2, 2, 3, 2).transpose(0, 3, 4, 1, 5, 2).reshape(1, 2, 6, 4),
        "PixelShuffle(2)", (1, 8, 3, 2), "depth to space",
    ),
    "flatten: columns": (
        lambda x: np.stack([row.ravel(order="F") for row in x]), "Flatten()", (2, 2, 3), "column-major order",
    ),
    "concat: exchanged": (
        lambda dout, x, y: (dout[:, y.shape[1] :], dout[:, : y.shape[1]]),
        "Concat(other_shape=(1, 3, 2))", (1, 2, 2), "the two inputs exchanged",
    ),
    "weighted: one channel": (
        lambda dout, x, w: {"dw": np.array([[(dout[:, 0] * x[:, 0, a : a + 2]).sum()] for a in (0, 1)])},
        "WeightedPool2d((2, 1), stride=1)", (1, 2, 3, 3), "weight gradient of one channel only",
    ),
    "convolution: flipped forward": (
        lambda x, w: x[:, :, :-1] * w[0, 0, 1] + x[:, :, 1:] * w[0, 0, 0],
        "Conv1d(1, 1, 2, bias=False)", (1, 1, 4), "not a cross-correlation",
    ),
    "convolution: zeros for a wrapped border": (
        lambda x, w: (np.pad(x, ((0, 0), (0, 0), (1, 0))) * w[0, 0, 0])[:, :, :-1] + x * w[0, 0, 1],
        "Conv1d(1, 1, 2, padding=((1, 0),), padding_mode=circular, bias=False)", (1, 1, 4), "ignored: zeros",
    ),
    "weighted: turned": (
        lambda x, w: x[..., :-1] * w[0, 1] + x[..., 1:] * w[0, 0],
        "WeightedPool2d((1, 2), stride=1)", (1, 2, 2, 3), "kernel flipped",
    ),
    "pool: window not moved": (
        lambda x, kernel_size: x[:, :, :: kernel_size, :: kernel_size] / kernel_size**2,
        "AvgPool2d(2)", (1, 1, 4, 4), "one entry of the window only",
    ),
    "adaptive: divisor": (
        scatter(lambda o, n, m: [(i, 1) for i in range(o[0] * n[0] // m[0], -(-(o[0] + 1) * n[0] // m[0]))]),
        "AdaptiveAvgPool1d(3)", (1, 1, 5), "divisor forgotten",
    ),
    "doubled": (lambda dout: {"dx": 2 * dout, "dy": dout}, "Add()", (2, 2), "gradient doubled"),
}  # fmt: skip


@pytest.mark.parametrize("bug", BUGS)
def test_the_museum(bug: str) -> None:
    function, text, shape, name = BUGS[bug]
    named(verify(function, parse_layer(text), shape), name)
