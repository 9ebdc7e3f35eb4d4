"""Owns the museum's NumPy passes of convolutions, as course assignments write them, with a bug to choose.

Arrays are (batch, channels, rows, columns) of any dtype, objects too. Without a bug each is right, strides,
dilations, groups and unequal padding included where its parameters have them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from derive.museum.functions_shared import Array, Function, Kept, Pair, borders, pairs, planes

Spot = tuple[slice, slice]


def taps(kernel: Sequence[int], dilation: Pair, corner: Pair) -> Spot:
    """The rows and columns of a window, so many of each, `dilation` apart, from `corner` on."""
    (kh, kw), (dh, dw), (top, left) = kernel, dilation, corner
    return slice(top, top + dh * (kh - 1) + 1, dh), slice(left, left + dw * (kw - 1) + 1, dw)


def conv_backward(bug: str = "") -> Function:
    """All gradients window by window: what a window read gets the pixel's gradient times the weight.

    `bug` is "stride" or "swapped" (of the input's gradient), "weight stride", "columns", "overwritten",
    "groups", "average", "bias", "tail", "side", or "kept"; "" is right.
    """
    kept = Kept()

    def conv_backward(
        dout: Array, x: Array, w: Array, b: Any, stride: Any, pad: Any, dilation: Any, groups: int
    ) -> dict[str, Array]:
        step, spread, border, kernel = pairs(stride), pairs(dilation), borders(pad), (w.shape[2], w.shape[3])
        if bug == "side":
            border = (border[0][::-1], border[1][::-1])
        padded = np.pad(x, planes(*border))
        grad_padded, grad_w = np.zeros_like(padded), kept.like(w) if bug == "kept" else np.zeros_like(w)
        per, filters = w.shape[1], w.shape[0] // groups
        columns = dout.shape[2] if bug == "columns" else dout.shape[3]
        for group in range(groups):
            channels = slice(group * per, (group + 1) * per)
            own = slice(group * filters, (group + 1) * filters)
            into = slice(0, per) if bug == "groups" else channels
            for row, column in np.ndindex(dout.shape[2], columns):
                corner = (row * step[0], column * step[1])
                pixel = dout[:, own, row, column, None, None, None]
                spots = {
                    "stride": taps(kernel, spread, (row, column)),
                    "swapped": taps(kernel, step, (row * spread[0], column * spread[1])),
                }
                sent = (np.s_[:], into, *spots.get(bug, taps(kernel, spread, corner)))
                if bug == "overwritten":
                    grad_padded[sent] = (pixel * w[own]).sum(1)
                else:
                    grad_padded[sent] += (pixel * w[own]).sum(1)
                read = taps(kernel, spread, (row, column) if bug == "weight stride" else corner)
                grad_w[own] += (pixel * padded[(np.s_[:], channels, *read)][:, None]).sum(0)
        grad_x = cropped(grad_padded, x, border)
        if bug == "tail":
            reach = [s * (o - 1) + d * (k - 1) + 1 for s, o, d, k in axes(step, dout, spread, kernel)]
            grad_x = without_tail(grad_x, reach, border)
        over = (1, 2, 3) if bug == "bias" else (0, 2, 3)
        grad_w = grad_w / x.shape[0] if bug == "average" else grad_w
        return {"dx": grad_x, "dw": grad_w, "db": dout.sum(axis=over)}

    return conv_backward


def axes(step: Pair, dout: Array, spread: Pair, kernel: Pair) -> Any:
    """Stride, output length, dilation and kernel of each axis."""
    return zip(step, dout.shape[2:], spread, kernel, strict=True)


def cropped(padded: Array, x: Array, border: tuple[Pair, Pair]) -> Array:
    """The part of a padded array that is the input."""
    (top, _), (left, _) = border
    return padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]


def without_tail(grad_x: Array, reach: list[int], border: tuple[Pair, Pair]) -> Array:
    """The rows that a buffer has which ends with the last window: padding cropped, put into zeros."""
    found = np.zeros_like(grad_x)
    rows, columns = (length - before - after for length, (before, after) in zip(reach, border, strict=True))
    found[:, :, :rows, :columns] = grad_x[:, :, :rows, :columns]
    return found


def conv_input_gradient(bug: str = "") -> Function:
    """The input's gradient as a full correlation: zeros between, a border, the kernel turned round.

    `bug` is "noflip", "oneflip", "channels", "dilation" or "padding"; "" is right.
    """

    def conv_input_gradient(dout: Array, x: Array, w: Array, stride: Any, pad: Any, dilation: Any) -> Array:
        (sh, sw), (dh, dw), border = pairs(stride), pairs(dilation), borders(pad)
        if bug == "dilation":
            dh, dw = 1, 1
        (n, k, rows, columns), (high, wide) = dout.shape, x.shape[2:]
        stuffed = np.zeros((n, k, sh * (rows - 1) + 1, sw * (columns - 1) + 1), dout.dtype)
        stuffed[:, :, ::sh, ::sw] = dout
        widths = []
        for length, d, taken, before, have in (
            (high, dh, w.shape[2], border[0][0], stuffed.shape[2]),
            (wide, dw, w.shape[3], border[1][0], stuffed.shape[3]),
        ):
            first = d * (taken - 1) - before - (1 if bug == "padding" else 0)
            widths.append((first, length + d * (taken - 1) - have - first))
        bordered = np.pad(stuffed, planes(*widths))
        kernel = w if bug == "channels" else w.swapaxes(0, 1)
        if bug != "noflip":
            kernel = kernel[:, :, :, ::-1] if bug == "oneflip" else kernel[:, :, ::-1, ::-1]
        grad_x = np.zeros_like(x)
        for i, j, f in np.ndindex(w.shape[2], w.shape[3], k):
            part = bordered[:, f, None, i * dh : i * dh + high, j * dw : j * dw + wide]
            grad_x += part * kernel[:, f, i, j, None, None]
        return grad_x

    return conv_input_gradient


def conv_forward(bug: str = "") -> Function:
    """The output tap by tap; `bug` "flipped" convolves in the strict sense."""

    def conv_forward(x: Array, w: Array, b: Array, stride: Any, pad: Any, dilation: Any) -> Array:
        (sh, sw), (dh, dw), padded = pairs(stride), pairs(dilation), np.pad(x, planes(*borders(pad)))
        rows = (padded.shape[2] - dh * (w.shape[2] - 1) - 1) // sh + 1
        columns = (padded.shape[3] - dw * (w.shape[3] - 1) - 1) // sw + 1
        kernel = w[:, :, ::-1, ::-1] if bug == "flipped" else w
        out = np.zeros((x.shape[0], w.shape[0], rows, columns), x.dtype)
        for c, i, j in np.ndindex(*w.shape[1:]):
            part = padded[:, c, i * dh :: sh, j * dw :: sw][:, None, :rows, :columns]
            out += part * kernel[:, c, i, j, None, None]
        return out + b[:, None, None]

    return conv_forward


def conv_transpose_forward(bug: str = "") -> Function:
    """Every input entry adds itself times the weight; `bug` "flipped" turns the weight round."""

    def conv_transpose_forward(
        x: Array, w: Array, b: Array, stride: Any, padding: Any, output_padding: Any, dilation: Any
    ) -> Array:
        step, spread, border, more = pairs(stride), pairs(dilation), borders(padding), pairs(output_padding)
        kernel, sizes = (w.shape[2], w.shape[3]), zip(x.shape[2:], pairs(stride), strict=True)
        full = [s * (n - 1) + 1 for n, s in sizes]
        full = [n + d * (k - 1) + m for n, d, k, m in zip(full, spread, kernel, more, strict=True)]
        out = np.zeros((x.shape[0], w.shape[1], *full), x.dtype)
        weight = w[:, :, ::-1, ::-1] if bug == "flipped" else w
        for row, column in np.ndindex(*x.shape[2:]):
            spot = taps(kernel, spread, (row * step[0], column * step[1]))
            out[(np.s_[:], np.s_[:], *spot)] += (x[:, :, row, column, None, None, None] * weight).sum(1)
        (top, bottom), (left, right) = border
        return out[:, :, top : full[0] - bottom, left : full[1] - right] + b[:, None, None]

    return conv_transpose_forward


def conv_transpose_backward(bug: str = "") -> Function:
    """The input's gradient, windows of grad_output; `bug` "output_padding" cuts off what that has added."""

    def conv_transpose_backward(
        dout: Array, x: Array, w: Array, stride: Any, padding: Any, output_padding: Any, dilation: Any
    ) -> dict[str, Array]:
        (sh, sw), (dh, dw), (more, wider) = pairs(stride), pairs(dilation), pairs(output_padding)
        if bug == "output_padding":
            dout = dout[:, :, : dout.shape[2] - more, : dout.shape[3] - wider]
        padded = np.pad(dout, planes(*borders(padding)))
        grad_x = np.zeros_like(x)
        for k, i, j in np.ndindex(*w.shape[1:]):
            spot = taps(x.shape[2:], (sh, sw), (i * dh, j * dw))
            grad_x += padded[(np.s_[:], k, None, *spot)] * w[:, k, i, j, None, None]
        return {"dx": grad_x}

    return conv_transpose_backward
