"""Owns the museum's NumPy passes of resampling, padding, dense layers, activations and losses."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from derive.museum.functions_shared import Array, Function, number


def nearest_backward(bug: str = "") -> Function:
    """Nearest upsampling's gradient: blocks added up; `bug` "mean" averages them."""

    def nearest_backward(dout: Array, x: Array) -> Array:
        (n, c, high, wide), (rows, columns) = x.shape, dout.shape[2:]
        blocks = dout.reshape(n, c, high, rows // high, wide, columns // wide)
        total: Array = blocks.sum(axis=(3, 5))
        return total / ((rows // high) * (columns // wide)) if bug == "mean" else total

    return nearest_backward


def positions(n: int, m: int, corners: bool) -> list[tuple[int, int, Fraction]]:
    """For each of m places on an axis of n: its two neighbours, and the weight of the second."""
    found = []
    for o in range(m):
        if corners:
            at = Fraction(o * (n - 1), m - 1) if m > 1 else Fraction(0)
        else:
            at = max(Fraction(2 * o + 1, 2) * Fraction(n, m) - Fraction(1, 2), Fraction(0))
        low = min(floor(at), n - 1)
        found.append((low, min(low + 1, n - 1), min(at - low, Fraction(1))))
    return found


def bilinear_backward(bug: str = "") -> Function:
    """Bilinear upsampling's gradient, four entries a place; `bug` "corners" takes the other convention."""

    def bilinear_backward(dout: Array, x: Array, align_corners: bool) -> Array:
        corners = bool(align_corners) != (bug == "corners")
        grad_x = np.zeros_like(x)
        rows, columns = (positions(n, m, corners) for n, m in zip(x.shape[2:], dout.shape[2:], strict=True))
        for r, (top, bottom, down) in enumerate(rows):
            for c, (left, right, over) in enumerate(columns):
                for i, tall in ((top, 1 - down), (bottom, down)):
                    for j, wide in ((left, 1 - over), (right, over)):
                        grad_x[:, :, i, j] += dout[:, :, r, c] * number(tall * wide, x)
        return grad_x

    return bilinear_backward


def reflect_pad_backward(bug: str = "") -> Function:
    """Reflection padding's gradient: border entries to those they show; `bug` "twice" shows the edge."""

    def reflect_pad_backward(dout: Array, x: Array, pad_width: Any) -> Array:
        grad_x, more = np.zeros_like(x), 1 if bug == "twice" else 0
        for place in np.ndindex(*dout.shape[2:]):
            at = []
            for e, (before, _), n in zip(place, pad_width[2:], x.shape[2:], strict=True):
                i = e - before
                at.append(-i - more if i < 0 else 2 * (n - 1) + more - i if i >= n else i)
            grad_x[(np.s_[:], np.s_[:], *at)] += dout[(np.s_[:], np.s_[:], *place)]
        return grad_x

    return reflect_pad_backward


def pixel_shuffle_backward(bug: str = "") -> Function:
    """Places back to channels; `bug` "offsets" numbers a channel by (row, column, channel)."""

    def pixel_shuffle_backward(dout: Array, upscale_factor: int) -> Array:
        (n, c, rows, columns), r = dout.shape, upscale_factor
        split = dout.reshape(n, c, rows // r, r, columns // r, r)
        order = (0, 3, 5, 1, 2, 4) if bug == "offsets" else (0, 1, 3, 5, 2, 4)
        return split.transpose(order).reshape(n, c * r**2, rows // r, columns // r)

    return pixel_shuffle_backward


def dense_backward(bug: str = "") -> Function:
    """All gradients of x @ w.T + b; `bug` "transposed" multiplies by w.T in the backward pass too."""

    def dense_backward(dout: Array, x: Array, w: Array, b: Array) -> tuple[Array, Array, Array]:
        return dout @ (w.T if bug == "transposed" else w), dout.T @ x, dout.sum(axis=0)

    return dense_backward


def softmax(x: Array) -> Array:
    """Over the second axis, the largest entry taken off."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))


def softmax_backward(bug: str = "") -> Function:
    """p (g - sum of g p); `bug` "diagonal" is g p (1 - p)."""

    def softmax_backward(dout: Array, x: Array) -> Array:
        p = softmax(x)
        across = dout * p if bug == "diagonal" else (dout * p).sum(axis=1, keepdims=True)
        return np.asarray(p * (dout - across))

    return softmax_backward


def cross_entropy_gradient(bug: str = "") -> Function:
    """The logits' gradient of the mean cross entropy with portions y: (sum of y) p - y; `bug` "p - y"."""

    def cross_entropy_gradient(x: Array, y: Array) -> dict[str, Array]:
        total: Any = 1 if bug == "p - y" else y.sum(axis=1, keepdims=True)
        return {"dx": (total * softmax(x) - y) / x.shape[0]}

    return cross_entropy_gradient


def batchnorm_backward(bug: str = "") -> Function:
    """Batch normalisation's gradients in training; `bug` "constant" takes mean and variance as constants."""

    def batchnorm_backward(dout: Array, x: Array, gamma: Array, eps: float) -> tuple[Array, Array, Array]:
        over = (0, *range(2, x.ndim))
        along = (1, -1, *(1,) * (x.ndim - 2))
        centred = x - x.mean(axis=over, keepdims=True)
        inverse = 1 / np.sqrt((centred**2).mean(axis=over, keepdims=True) + eps)
        normal, sent = centred * inverse, dout * gamma.reshape(along)
        pull = sent.mean(axis=over, keepdims=True) + normal * (sent * normal).mean(axis=over, keepdims=True)
        grad_x = inverse * (sent if bug == "constant" else sent - pull)
        return grad_x, (dout * normal).sum(axis=over), dout.sum(axis=over)

    return batchnorm_backward


def dropout_backward(bug: str = "") -> Function:
    """The mask and its scale; `bug` "scale" leaves the scale out."""

    def dropout_backward(dout: Array, mask: Array, p: float) -> Array:
        return dout * mask if bug == "scale" else dout * mask / (1 - p)

    return dropout_backward


def relu_backward(bug: str = "") -> Function:
    """grad_output where the input is positive; `bug` "gradient" tests grad_output instead."""

    def relu_backward(dout: Array, x: Array) -> Array:
        return dout * ((dout if bug == "gradient" else x) > 0)

    return relu_backward


def mse_gradient(bug: str = "") -> Function:
    """The gradient of the mean of squares; `bug` "twice" divides by the batch size once more."""

    def mse_gradient(x: Array, y: Array) -> dict[str, Array]:
        found = 2 * (x - y) / x.size
        return {"dx": found / x.shape[0] if bug == "twice" else found}

    return mse_gradient
