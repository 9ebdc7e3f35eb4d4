"""Owns what the museum's NumPy functions share: layer numbers as pairs, buffers, and their names."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]
Pair = tuple[int, int]


def pairs(value: Any) -> Pair:
    """A number for both axes, or one each."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def borders(pad: Any) -> tuple[Pair, Pair]:
    """Padding (before, after) of both axes, from one number, one an axis, or pairs."""
    rows, columns = (pad, pad) if isinstance(pad, int) else pad
    return pairs(rows), pairs(columns)


def planes(*spatial: Pair) -> tuple[Pair, ...]:
    """np.pad's widths of an image with batch and channels."""
    return ((0, 0), (0, 0), *spatial)


def number(value: Fraction, like: Array) -> Any:
    """A constant in the arithmetic of an array: exact beside objects, rounded to its dtype otherwise."""
    return value if like.dtype == object else like.dtype.type(float(value))


class Kept:
    """A buffer that lives from one call to the next, as an attribute of a layer does."""

    def __init__(self) -> None:
        self.array: Array | None = None

    def like(self, array: Array) -> Array:
        """The buffer as it is; a new one of zeros where shape or dtype changed."""
        old = self.array
        if old is None or old.shape != array.shape or old.dtype != array.dtype:
            self.array = np.zeros_like(array)
        assert self.array is not None
        return self.array
