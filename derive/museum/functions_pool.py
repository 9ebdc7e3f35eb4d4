"""Owns the museum's NumPy passes of pooling, as course assignments write them, with a bug to choose."""

from __future__ import annotations

from typing import Any

import numpy as np

from derive.museum.functions_shared import Array, Function, pairs, planes


def avg_pool_backward(bug: str = "") -> Function:
    """A mean pool's gradient, window by window.

    `bug` is "width" (windows two wide), "kernel" (every divisor the size of the kernel), "overwritten" or
    "tail" (the buffer ends with the last window); "" is right.
    """

    def avg_pool_backward(
        dout: Array, x: Array, kernel_size: Any, stride: Any, padding: Any, count_include_pad: bool
    ) -> Array:
        (kh, kw), (sh, sw), (ph, pw) = pairs(kernel_size), pairs(stride), pairs(padding)
        high, wide = x.shape[2:]
        kw = 2 if bug == "width" else kw
        reach = (sh * (dout.shape[2] - 1) + kh - 2 * ph, sw * (dout.shape[3] - 1) + kw - 2 * pw)
        last = reach if bug == "tail" else (high, wide)
        grad_x = np.zeros_like(x)
        for row, column in np.ndindex(*dout.shape[2:]):
            top, left = row * sh - ph, column * sw - pw
            bottom, right = min(top + kh, high + ph), min(left + kw, wide + pw)
            size = (bottom - top) * (right - left)
            if not count_include_pad:
                size = (min(bottom, high) - max(top, 0)) * (min(right, wide) - max(left, 0))
            if bug == "kernel":
                size = kh * kw
            part = np.s_[
                :, :, max(top, 0) : min(bottom, high, last[0]), max(left, 0) : min(right, wide, last[1])
            ]
            share = dout[:, :, row, column, None, None] / size
            if bug == "overwritten":
                grad_x[part] = share
            else:
                grad_x[part] += share
        return grad_x

    return avg_pool_backward


def max_pool_backward(bug: str = "") -> Function:
    """A max pool's gradient, window by window, to the first largest entry of each.

    `bug` is "overwritten", or "every": a mask of all entries equal to the largest.
    """

    def max_pool_backward(dout: Array, x: Array, kernel_size: Any, stride: Any, padding: Any) -> Array:
        (kh, kw), (sh, sw), (ph, pw) = pairs(kernel_size), pairs(stride), pairs(padding)
        padded = np.pad(x, planes((ph, ph), (pw, pw)), constant_values=-np.inf)
        grad_padded = np.zeros_like(padded)
        for row, column in np.ndindex(*dout.shape[2:]):
            part = np.s_[:, :, row * sh : row * sh + kh, column * sw : column * sw + kw]
            window, sent = padded[part], dout[:, :, row, column, None, None]
            mask = window == window.max(axis=(2, 3), keepdims=True)
            if bug != "every":
                flat = window.reshape(*window.shape[:2], -1)
                first = flat.argmax(axis=-1)[..., None] == np.arange(flat.shape[-1])
                mask = first.reshape(window.shape)
            if bug == "overwritten":
                grad_padded[part] = np.where(mask, sent, grad_padded[part])
            else:
                grad_padded[part] += mask * sent
        return grad_padded[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]]

    return max_pool_backward


def max_pool_forward(bug: str = "") -> Function:
    """Each window's largest entry; `bug` "zeros" pads with zeros."""

    def max_pool_forward(x: Array, kernel_size: Any, stride: Any, padding: Any) -> Array:
        (kh, kw), (sh, sw), (ph, pw) = pairs(kernel_size), pairs(stride), pairs(padding)
        border = 0.0 if bug == "zeros" else -np.inf
        padded = np.pad(x, planes((ph, ph), (pw, pw)), constant_values=border)
        rows, columns = (padded.shape[2] - kh) // sh + 1, (padded.shape[3] - kw) // sw + 1
        out = np.empty((*x.shape[:2], rows, columns), x.dtype)
        for row, column in np.ndindex(rows, columns):
            part = padded[:, :, row * sh : row * sh + kh, column * sw : column * sw + kw]
            out[:, :, row, column] = part.max(axis=(2, 3))
        return out

    return max_pool_forward


def adaptive_pool_backward(bug: str = "") -> Function:
    """The gradient of means over windows of unequal lengths; `bug` "equal" gives all the same length."""

    def adaptive_pool_backward(dout: Array, x: Array) -> Array:
        grad_x = np.zeros_like(x)
        for place in np.ndindex(*dout.shape[2:]):
            part: list[slice] = []
            for o, n, m in zip(place, x.shape[2:], dout.shape[2:], strict=True):
                step = max(n // m, 1)
                begin, end = (
                    (o * step, (o + 1) * step) if bug == "equal" else (o * n // m, -(-(o + 1) * n // m))
                )
                part.append(slice(begin, end))
            window = grad_x[(np.s_[:], np.s_[:], *part)]
            window += dout[:, :, place[0], place[1], None, None] / max(1, window.shape[2] * window.shape[3])
        return grad_x

    return adaptive_pool_backward
