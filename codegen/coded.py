"""Owns whole numbers as operands: int64 codes as a user gives and gets them, as elements to a kernel.

A kernel compares codes as elements, so every code must be exact in the kernel's dtype. The conversion from
int64 is a copy, and the only one that a call makes (in the workspace where `codegen.fast` makes it); floating
operands are never copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from codegen.algebra import span
from codegen.operands import Array, viewed, wrong_shape
from derive.errors import LayerError, LimitError
from derive.layers.base import Layer, claims_of, user_shape
from derive.layers.codes import Code

EXACT = {"float32": 2**24, "float64": 2**53}
"""Whole numbers up to this are exact."""

NO_CODE = -1
"""What an ignored place is compared as: the value of nothing."""


@dataclass(frozen=True)
class Coded:
    """An operand of codes: `low` to `high` are the values that name something, `ignored` names nothing."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    low: int
    high: int
    ignored: int | None
    computed: bool

    def taken(self, value: Any, title: str = "") -> Array:
        """The codes as elements. Raises LayerError, which names the first code out of range."""
        title = title or self.name
        array = value if type(value) is np.ndarray else viewed(title, value)
        if array.dtype != np.int64:
            mend = f"{title}.astype(np.int64)"
            if title == "target" and array.dtype.kind == "f":
                mend += " where these are class numbers; build(..., target=shape) takes probabilities"
            raise LayerError("wrong dtype", where=title, expected="int64", got=str(array.dtype), mend=mend)
        if array.shape != self.shape:
            raise wrong_shape(title, self.shape, array)
        if self.ignored is None and self._inside(array):
            return self._elements(array)
        outside = (array < self.low) | (array > self.high)
        if self.ignored is not None:
            outside &= array != self.ignored
        if outside.any():
            spot = tuple(map(int, np.argwhere(outside)[0]))
            also = "" if self.ignored is None else f", or {self.ignored}, which is ignored"
            raise LayerError(
                "out of range",
                where=f"{title}{list(spot)}" if spot else title,
                expected=f"{self.low} to {self.high}{also}",
                got=f"{int(array[spot])} ({int(outside.sum())} of {array.size} out of range)",
            )
        kept = array if self.ignored is None else np.where(array == self.ignored, NO_CODE, array)
        return np.ascontiguousarray(kept, self.dtype)

    def _inside(self, array: Array) -> bool:
        """Whether all codes are in range, in one pass: as numbers without sign negative ones are large."""
        return self.low == 0 and int(array.view(np.uint64).max(initial=0)) <= self.high

    def _elements(self, array: Array) -> Array:
        """Codes in range as elements, by way of shorter numbers where they fit: those convert faster."""
        short = array.astype(np.int32) if self.high <= np.iinfo(np.int32).max else array
        return np.ascontiguousarray(short, self.dtype)

    @property
    def limits(self) -> tuple[int, int, int, int]:
        """Least and greatest value, the ignored one and what it is instead; twice the least where none is."""
        none = (self.low, self.low)
        return (self.low, self.high, *(none if self.ignored is None else (self.ignored, NO_CODE)))

    @property
    def count(self) -> int:
        return prod(self.shape)

    def given(self, elements: Array) -> Array:
        """The codes that a kernel left, as int64."""
        return elements.astype(np.int64).reshape(self.shape)


def coded(layer: Layer, shape: Sequence[int], dtype: str) -> dict[str, Coded]:
    """The operands of codes by name. Raises LimitError where the dtype does not hold them all."""
    sizes = layer.sizes(shape)
    inputs = claims_of(type(layer), layer.choices(shape))["output"].setting.inputs
    tensors = {t.name: t for t in inputs}
    found = {}
    for indicator, code in layer.codes(shape).items():
        tensor = tensors[indicator]
        extents = {f"x{k}": int(f.evaluate(sizes)) for k, f in enumerate(tensor.shape)}
        low, high = _reach(code, extents)
        if high > EXACT[dtype]:
            raise LimitError(
                f"codes that {dtype} does not hold",
                where=code.operand,
                expected=f"whole numbers up to {EXACT[dtype]:,}",
                got=f"{high:,}",
                mend="dtype='float64', or a smaller plane",
            )
        ignored = getattr(layer, "ignore_index", None) if not code.first else None
        user = user_shape(tensor, sizes, code.lead)
        found[code.operand] = Coded(code.operand, user, np.dtype(dtype), low, high, ignored, bool(code.first))
    return found


def _reach(code: Code, extents: Mapping[str, int]) -> tuple[int, int]:
    """Least and greatest value; computed ones name a place in a plane, so none is negative."""
    low, high = span(code.value, extents)
    return (max(low, 0), high) if code.first else (low, high)
