"""Pooling by selection, unpooling and power pooling as plain nested loops, from PyTorch's documentation.

No backflip code is used. What only chooses takes numbers of any kind, NaN among them. A number is better than
the best so far where it is larger, or no number at all (so the last of those stays).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import taped as t
from plain_layers import places
from plain_nonlinear import Array, Ints, empty


def larger(x: Any, best: Any) -> bool:
    return bool(x > best) or is_nan(x)


def smaller(x: Any, best: Any) -> bool:
    return bool(x < best) or is_nan(x)


def is_nan(x: Any) -> bool:
    value = getattr(x, "value", x)
    return bool(value != value)


def chosen(
    image: Array, windows: Sequence[Sequence[Ints]], better: Callable[[Any, Any], bool]
) -> tuple[Array, Array]:
    """For every window (a list of places an axis) the best entry, the first at ties, and its flat place."""
    sides = image.shape[2:]
    shape = (*image.shape[:2], *map(len, windows))
    output, indices = empty(shape), np.zeros(shape, np.int64)
    for n, c, *o in places(shape):
        best: Any = None
        for spot in product(*(w[y] for w, y in zip(windows, o, strict=True))):
            x = image[(n, c, *spot)]
            if best is None or better(x, best):
                best, flat = x, int(np.ravel_multi_index(spot, sides))
        assert best is not None, "a window without entries"
        output[(n, c, *o)], indices[(n, c, *o)] = best, flat
    return output, indices


def sliding(n: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> list[list[int]]:
    """The places inside the image of every window of one axis; with ceil_mode none begins beyond."""
    count = (n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (count - 1) * s >= n + p:
        count -= 1
    return [[i for a in range(k) if 0 <= (i := s * o + d * a - p) < n] for o in range(count)]


def adapted(n: int, m: int) -> list[list[int]]:
    """Window o of m takes the entries from floor(o*n/m) up to ceil((o+1)*n/m)."""
    return [list(range(o * n // m, -((-(o + 1) * n) // m))) for o in range(m)]


def unpool(image: Array, indices: Array, sides: Ints) -> Array:
    """Every entry at the flat place of its plane that `indices` says, 0 elsewhere."""
    output = empty((*image.shape[:2], *sides))
    for where in places(output.shape):
        output[tuple(where)] = t.taped(0)
    for n, c, *o in places(image.shape):
        spot = np.unravel_index(int(indices[(n, c, *o)]), tuple(sides))
        output[(n, c, *map(int, spot))] = image[(n, c, *o)]
    return output


def lp_pool(image: Array, p: Fraction, kernel: Ints, stride: Ints, ceil_mode: bool) -> Array:
    """(sum over the window of x^p)^(1/p); what hangs over the end counts as an average entry."""
    axes = list(zip(image.shape[2:], kernel, stride, strict=True))
    windows = [sliding(n, k, s, 0, 1, ceil_mode) for n, k, s in axes]
    output = empty((*image.shape[:2], *map(len, windows)))
    for n, c, *o in places(output.shape):
        spots = list(product(*(w[y] for w, y in zip(windows, o, strict=True))))
        found = t.total(t.power(image[(n, c, *spot)], p) for spot in spots)
        if len(spots) != prod(kernel):
            found = found * t.constant_of(Fraction(prod(kernel), len(spots)))
        output[(n, c, *o)] = t.power(found, 1 / p)
    return output
