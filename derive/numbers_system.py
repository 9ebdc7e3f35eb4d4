"""Owns what a number system offers the evaluator: arrays of its own kind, flat, and operations on them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


class Numbers(Protocol):
    """A number system; `Field`, `RandomField`, `Reals` and `Rationals` are the ones there are."""

    def given(self, array: Any) -> Any:
        """Entries of an input."""

    def constants(self, values: Sequence[Fraction]) -> Any:
        """Rationals."""

    def ones(self, entries: int) -> Any: ...

    def zeros(self, entries: int) -> Any:
        """A new array for `add`."""

    def plain(self, array: Any) -> Any:
        """The entries as a NumPy array."""

    def take(self, array: Any, places: Ints) -> Any: ...

    def multiply(self, a: Any, b: Any) -> Any: ...

    def scale(self, a: Any, factor: Fraction) -> Any: ...

    def plus(self, a: Any, b: Any) -> Any: ...

    def apply(self, function: str, x: Any, parameters: Sequence[Fraction]) -> Any:
        """A function of `derive.functions`, entry by entry."""

    def add(self, total: Any, places: Ints, values: Any) -> None:
        """total[places] += values in place, places repeated or not."""

    def settle(self, total: Any, stored: bool) -> Any:
        """A finished sum; `stored` where later stages see it as one number."""

    def order(self, array: Any) -> tuple[Any, NDArray[np.bool_]]:
        """Comparable keys, and which entries are NaN."""


def in_line(places: Ints) -> slice | None:
    """The places as a slice where each is one more than the one before it; else None."""
    first, count = (int(places[0]), len(places)) if len(places) else (0, 0)
    if count and places[-1] == first + count - 1 and bool((np.diff(places) == 1).all()):
        return slice(first, first + count)
    return None
