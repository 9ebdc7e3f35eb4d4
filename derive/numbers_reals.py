"""Owns real numbers with a running bound of what float32 or float64 may make of the same computation.

A computation in floating point has error sources of three kinds: a sum of products is rounded, a function is
not exact, and errors of what came before are passed on. `Bounded` follows all three beside the value itself,
which is computed in long double.

**Sums of products.** Between two stored tensors a value is a polynomial in stored entries: N products of at
most D factors, M the sum of the products' magnitudes. However the kernel orders the operations, multiplied
out or not, fused or not, each product meets at most N - 1 additions and D - 1 multiplications, so the
rounding is at most gamma_q M, q = N + D - 2, gamma_q = q u / (1 - q u), u half the machine epsilon (N. J.
Higham, Accuracy and Stability of Numerical Algorithms, sections 3.1 and 3.4). Errors e of the factors change
a product by at most (|a| + e_a)(|b| + e_b) - |a||b|, and M is taken at |a| + e_a. A product that underflows
adds the least positive number. Stored are the tensors that a function is applied to and the sums.

**Functions.** f of a stored entry x with error e: the largest |f(y) - f(x)| over |y - x| <= e, found at the
points between which f is monotone, and the function's own error, `ulps` units in the last place of a result
(of the summands, where two cancel at a zero of f). A parameter is rounded once: the change that makes in f is
added.

**Constants** that the format does not hold are rounded once (relative error u) and are factors like others.

Bounds are computed in float64; what that rounds is covered by `MARGIN`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive import numbers_functions as functions
from derive.errors import LimitError
from derive.numbers_system import in_line

Long: Any = np.longdouble
Array = NDArray[Any]
Ints = NDArray[np.int64]
ULPS: Mapping[str, float] = {"float32": 1.5, "float64": 2.0, "longdouble": functions.ULPS}
"""Units in the last place that a function may be off, where no measured bound is given."""


MARGIN = 1 + 2.0**-30
"""A bound is a few hundred roundings in float64 at most from what it should be, each of 2^-53."""
TINY = 2.0**-1074


@dataclass(frozen=True)
class Bounded:
    """Values with what their computation is made of; all arrays flat, the value of long doubles.

    Attributes:
        value: the true value; the other arrays are float64.
        passed: bound of the error that comes from errors of stored entries, functions and constants.
        size: the sum of magnitudes of the products that the value is, stored entries taken with their errors.
        terms: how many products there are.
        degree: factors of a product, at most; one number for the array.
    """

    value: Array
    passed: Array
    size: Array
    terms: Array
    degree: int

    def __len__(self) -> int:
        return len(self.value)


class Reals:
    """Long doubles with the bound of a computation in `dtype`.

    Args:
        dtype: "float32", "float64", or "longdouble" for the error of the values here.
        ulps: of single functions, by name; the rest are taken from ULPS.
    """

    def __init__(self, dtype: str = "float64", ulps: Mapping[str, float] | None = None) -> None:
        self.dtype = np.dtype(dtype)
        self.usual = ULPS["longdouble" if self.dtype == np.dtype(np.longdouble) else self.dtype.name]
        self.ulps = dict(ulps or {})
        self.unit = float(np.finfo(self.dtype).eps) / 2
        self.least = max(float(np.finfo(self.dtype).smallest_subnormal), TINY)

    # ---- making ------------------------------------------------------------------------------------

    def given(self, array: Any) -> Bounded:
        """Entries without error: they are what the kernel is given."""
        return self._exact(np.asarray(array).astype(Long).reshape(-1))

    def ones(self, entries: int) -> Bounded:
        return self._exact(np.ones(entries, Long))

    def zeros(self, entries: int) -> Bounded:
        return Bounded(np.zeros(entries, Long), np.zeros(entries), np.zeros(entries), np.zeros(entries), 1)

    def _exact(self, value: Array) -> Bounded:
        size = np.abs(value).astype(np.float64)
        return Bounded(value, np.zeros_like(size), size, np.ones_like(size), 1)

    def constants(self, values: Sequence[Fraction]) -> Bounded:
        """Rationals, each rounded once where the format does not hold it."""
        value = np.array([long(v) for v in values], Long)
        size = np.abs(value).astype(np.float64)
        passed = size * self.unit * np.array([not self.holds(v) for v in values], bool)
        return Bounded(value, passed, size + passed, np.ones_like(size), 1)

    def holds(self, value: Fraction) -> bool:
        """Whether the format has the rational."""
        return value.denominator & (value.denominator - 1) == 0 and abs(value.numerator) < 1 / self.unit

    # ---- operations --------------------------------------------------------------------------------

    def take(self, array: Bounded, places: Ints) -> Bounded:
        value, passed, size, terms = array.value, array.passed, array.size, array.terms
        return Bounded(value[places], passed[places], size[places], terms[places], array.degree)

    def multiply(self, a: Bounded, b: Bounded) -> Bounded:
        with np.errstate(all="ignore"):
            one, two = magnitude(a.value), magnitude(b.value)
            passed = one * b.passed + two * a.passed + a.passed * b.passed + self.least
            return Bounded(a.value * b.value, passed, a.size * b.size, a.terms * b.terms, a.degree + b.degree)

    def scale(self, a: Bounded, factor: Fraction) -> Bounded:
        if abs(factor) == 1:
            return a if factor == 1 else replace(a, value=-a.value)
        return self.multiply(a, self.take(self.constants([factor]), np.zeros(len(a), np.int64)))

    def plus(self, a: Bounded, b: Bounded) -> Bounded:
        with np.errstate(all="ignore"):
            return Bounded(
                a.value + b.value,
                a.passed + b.passed,
                a.size + b.size,
                a.terms + b.terms,
                max(a.degree, b.degree),
            )

    def apply(self, function: str, x: Bounded, parameters: Sequence[Fraction]) -> Bounded:
        """A function with its own error, the spread over the argument's, and its parameters' rounding."""
        exact = [long(p) for p in parameters]
        result = functions.value(function, x.value, exact)
        with np.errstate(all="ignore"):
            passed = functions.spread(function, x.value, self.error(x), exact).astype(np.float64)
            if not all(map(self.holds, parameters)):
                rounded = [Long(self.dtype.type(float(p))) for p in parameters]
                change = magnitude(functions.value(function, x.value, rounded) - result)
                passed = passed + np.where(np.isnan(result), 0, change)
            ulp = self.ulps.get(function, self.usual) * 2 * self.unit
            own = magnitude(result) + passed + functions.CANCELS.get(function, 0.0)
            passed = passed + ulp * own + self.least
            return self._stored(result, passed)

    def add(self, total: Bounded, places: Ints, values: Bounded) -> None:
        line = in_line(places)
        with np.errstate(all="ignore"):
            for title in ("value", "passed", "size", "terms"):
                whole, part = getattr(total, title), getattr(values, title)
                if line is None:
                    np.add.at(whole, places, part)
                else:
                    whole[line] += part
        object.__setattr__(total, "degree", max(total.degree, values.degree))

    def settle(self, total: Bounded, stored: bool) -> Bounded:
        """A stored value is rounded: what is computed from it sees one number with an error."""
        return self._stored(total.value, self.error(total)) if stored else total

    def _stored(self, value: Array, error: Array) -> Bounded:
        return Bounded(value, error, magnitude(value) + error, np.ones_like(error), 1)

    # ---- results -----------------------------------------------------------------------------------

    def error(self, array: Bounded) -> Array:
        """The bound: what was passed on and the rounding of the products and their sum."""
        most = np.maximum(array.terms + array.degree - 2, 0) * self.unit
        if len(most) and most.max() >= 0.5:
            raise LimitError(
                "too many terms for an error bound", got=f"{array.terms.max():.3g} terms in {self.dtype}"
            )
        with np.errstate(all="ignore"):
            rounding = np.where(most > 0, most / (1 - most) * array.size, 0)
        return np.asarray((array.passed + rounding) * MARGIN)

    def plain(self, array: Bounded) -> Array:
        return array.value

    def order(self, array: Bounded) -> tuple[Array, NDArray[np.bool_]]:
        """Comparable keys, and which entries are NaN."""
        return np.where(np.isnan(array.value), -np.inf, array.value), np.isnan(array.value)


def magnitude(value: Array) -> Array:
    """|value| in float64, infinite where it is too large for that."""
    with np.errstate(over="ignore"):
        return np.abs(value).astype(np.float64)


def long(value: Fraction) -> Any:
    """A rational as a long double, correct to an ulp."""
    return Long(value.numerator) / Long(value.denominator)
