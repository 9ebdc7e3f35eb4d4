"""Owns exact rational numbers for the evaluator: no rounding, and only functions that stay rational."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import ProofError

Array = NDArray[Any]
Ints = NDArray[np.int64]


def _power(x: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1:
        raise ProofError("a power that is not rational", where="power", got=str(exponent))
    return x**exponent.numerator


FUNCTIONS: Mapping[str, Callable[..., Fraction]] = {
    "recip": lambda x: 1 / x,
    "relu": lambda x: max(x, Fraction(0)),
    "relu_prime": lambda x: Fraction(x > 0),
    "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
    "leaky_relu_prime": lambda x, slope: Fraction(1) if x > 0 else slope,
    "hardtanh": lambda x, low, high: min(max(x, low), high),
    "hardtanh_prime": lambda x, low, high: Fraction(low < x < high),
    "power": _power,
    "power_prime": lambda x, p: p * _power(x, p - 1),
}
"""The functions that take rationals to rationals."""


class Rationals:
    """Arrays of `Fraction`; slow, for small cases where nothing may be rounded."""

    def given(self, array: Any) -> Array:
        return np.array([Fraction(v) for v in np.asarray(array).reshape(-1).tolist()], object)

    def constants(self, values: Sequence[Fraction]) -> Array:
        return np.array(list(values), object)

    def ones(self, entries: int) -> Array:
        return np.array([Fraction(1)] * entries, object)

    def zeros(self, entries: int) -> Array:
        return np.array([Fraction(0)] * entries, object)

    def plain(self, array: Array) -> Array:
        return array

    def take(self, array: Array, places: Ints) -> Array:
        return array[places]

    def multiply(self, a: Array, b: Array) -> Array:
        return np.asarray(a * b)

    def scale(self, a: Array, factor: Fraction) -> Array:
        return np.asarray(a * factor)

    def plus(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

    def apply(self, function: str, x: Array, parameters: Sequence[Fraction]) -> Array:
        """One of FUNCTIONS; ProofError for another, or where it has no value."""
        if function not in FUNCTIONS:
            raise ProofError("not a rational function", where=function, expected=", ".join(FUNCTIONS))
        try:
            return np.array([FUNCTIONS[function](v, *parameters) for v in x], object)
        except ZeroDivisionError:
            raise ProofError("division by zero", where=function) from None

    def add(self, total: Array, places: Ints, values: Array) -> None:
        np.add.at(total, places, values)

    def settle(self, total: Array, stored: bool) -> Array:
        return total

    def order(self, array: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Comparable keys (float64 of ranks), and no NaN."""
        ranks = {v: float(i) for i, v in enumerate(sorted(set(array.tolist())))}
        return np.array([ranks[v] for v in array], np.float64), np.zeros(len(array), bool)
