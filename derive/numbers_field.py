"""Owns the numbers modulo the prime 2^61 - 1, where the functions of the language are unknown functions.

Addition, multiplication and inverses are those of the field, exact and without order; every function but
`recip` and `id` is a mixing function of its argument that has no identity in common with the real one. What
two computations agree on here rests on the ring operations, on inverses and on equal functions of equal
arguments, never on what exp or tanh is. `Field` mixes by a fixed rule that C code repeats bit for bit;
`RandomField` draws the value of every function at every new argument, so that misses have a bound.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.functions import INVERSE, NUMBER
from derive.numbers_system import in_line

PRIME = 2**61 - 1
"""The modulus (a Mersenne prime): products of two numbers are reduced with shifts."""
FEW = 256
"""Elements up to which inverses are powers."""
Elements = NDArray[np.uint64]
_P, _LOW31, _LOW30 = np.uint64(PRIME), np.uint64(2**31 - 1), np.uint64(2**30 - 1)


def reduced(x: Elements) -> Elements:
    """x modulo the prime, for any uint64."""
    folded = (x >> np.uint64(61)) + (x & _P)
    return np.asarray(np.where(folded >= _P, folded - _P, folded), np.uint64)


def times(a: Elements, b: Elements) -> Elements:
    """The products, a and b below the prime.

    With a = a1 2^31 + a0 and b likewise, a b = a1 b1 2^62 + m 2^31 + a0 b0, m = a1 b0 + a0 b1 < 2^62; 2^62 is
    2, and m 2^31 is (m >> 30) + (m mod 2^30) 2^31, so that the sum below stays under 2^64.
    """
    a1, a0, b1, b0 = a >> np.uint64(31), a & _LOW31, b >> np.uint64(31), b & _LOW31
    middle = a1 * b0 + a0 * b1
    high = (middle >> np.uint64(30)) + ((middle & _LOW30) << np.uint64(31))
    return reduced(a1 * b1 * np.uint64(2) + high + a0 * b0)


def inverse(x: Elements) -> Elements:
    """The inverses, and 0 for 0: of many through those of the products of pairs, 1/a = b/(a b)."""
    if len(x) <= FEW:
        return _power(x)
    filled = np.where(x == 0, np.uint64(1), x)
    first, second = filled[: len(x) // 2], filled[len(x) // 2 : len(x) // 2 * 2]
    both = inverse(np.concatenate([times(first, second), filled[len(x) // 2 * 2 :]]))
    pairs, rest = both[: len(first)], both[len(first) :]
    found = np.concatenate([times(pairs, second), times(pairs, first), rest])
    return np.where(x == 0, np.uint64(0), found)


def _power(x: Elements) -> Elements:
    """x^(p-2)."""
    result, square, left = np.ones_like(x), x, PRIME - 2
    while left:
        if left & 1:
            result = times(result, square)
        square = times(square, square)
        left >>= 1
    return result


def residue(value: Fraction) -> int:
    """The field's element for a rational; ValueError where its denominator is a multiple of p."""
    return value.numerator * pow(value.denominator, -1, PRIME) % PRIME


def mixed(z: Elements) -> Elements:
    """The finaliser of splitmix64, on uint64."""
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)), np.uint64)


def generator(seed: int) -> np.random.Generator:
    """The source of random elements that a seed names."""
    return np.random.default_rng(seed)


class Field:
    """Numbers modulo 2^61 - 1 as uint64 arrays, each below the prime."""

    def given(self, array: Any) -> Elements:
        """Whole numbers of any sign, or an object array of rationals, as elements; flat."""
        flat = np.asarray(array).reshape(-1)
        if flat.dtype == object:
            return np.array([residue(Fraction(v)) for v in flat], np.uint64)
        if flat.dtype == np.uint64:
            return reduced(flat)
        if not np.issubdtype(flat.dtype, np.integer):
            return np.array([residue(Fraction(float(v))) for v in flat], np.uint64)
        return np.asarray(np.mod(flat.astype(np.int64), PRIME), np.uint64)

    def constants(self, values: Sequence[Fraction]) -> Elements:
        return np.array([residue(v) for v in values], np.uint64)

    def plain(self, array: Elements) -> Any:
        return array

    def take(self, array: Elements, places: NDArray[np.int64]) -> Elements:
        return array[places]

    def multiply(self, a: Elements, b: Elements) -> Elements:
        return times(a, b)

    def scale(self, a: Elements, factor: Fraction) -> Elements:
        return a if factor == 1 else times(a, np.full_like(a, residue(factor)))

    def plus(self, a: Elements, b: Elements) -> Elements:
        return reduced(a + b)

    def apply(self, function: str, x: Elements, parameters: Sequence[Fraction]) -> Elements:
        """One function of the table, entry by entry."""
        return inverse(x) if function == INVERSE else self.unknown(function, x, parameters)

    def unknown(self, function: str, x: Elements, parameters: Sequence[Fraction]) -> Elements:
        key = mixed(np.array([NUMBER[function]], np.uint64))
        found = mixed(x ^ key)
        for parameter in parameters:
            found = mixed(found ^ np.uint64(residue(parameter)))
        return found % _P

    def ones(self, entries: int) -> Elements:
        return np.ones(entries, np.uint64)

    def zeros(self, entries: int) -> Elements:
        return np.zeros(entries, np.uint64)

    def add(self, total: Elements, places: NDArray[np.int64], values: Elements) -> None:
        """total[places] += values, places repeated or not.

        Halves of 31 and 30 bits are summed apart in float64, exact for fewer than 2^22 values at a time.
        """
        if (line := in_line(places)) is not None:
            total[line] = reduced(total[line] + values)
            return
        for start in range(0, len(values), 2**21):
            part, spots = values[start : start + 2**21], places[start : start + 2**21]
            first, count = int(spots.min()), int(spots.max() - spots.min()) + 1
            halves = (part & _LOW31, part >> np.uint64(31))
            low, high = (np.bincount(spots - first, h.astype(np.float64), count) for h in halves)
            lifted = times(reduced(high.astype(np.uint64)), np.full(count, 2**31, np.uint64))
            whole = reduced(lifted + reduced(low.astype(np.uint64)))
            total[first : first + count] = reduced(total[first : first + count] + whole)

    def settle(self, total: Elements, stored: bool) -> Elements:
        return total

    def order(self, array: Elements) -> tuple[Any, NDArray[np.bool_]]:
        """Comparable keys, and which entries are NaN (none); the order is that of the whole numbers."""
        return array, np.zeros(len(array), bool)


class RandomField(Field):
    """The same with functions drawn at random: each new argument gets an independent uniform value.

    Args:
        rng: where the values come from; equal arguments of equal functions and parameters get equal values
            for as long as this object lives.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.known: dict[tuple[str, tuple[Fraction, ...]], tuple[Elements, Elements]] = {}

    def random(self, entries: int) -> Elements:
        """Uniform elements."""
        return self.rng.integers(0, PRIME, entries, np.uint64)

    def unknown(self, function: str, x: Elements, parameters: Sequence[Fraction]) -> Elements:
        key, none = (function, tuple(parameters)), np.zeros(0, np.uint64)
        known, values = self.known.get(key, (none, none))
        arguments = np.unique(x)
        fresh = arguments[~np.isin(arguments, known, assume_unique=True)]
        if len(fresh):
            known, values = np.concatenate([known, fresh]), np.concatenate([values, self.random(len(fresh))])
            order = np.argsort(known, kind="stable")
            known, values = known[order], values[order]
            self.known[key] = known, values
        return np.asarray(values[np.searchsorted(known, x)], np.uint64)

    @property
    def arguments(self) -> int:
        """How many values of functions were drawn so far."""
        return sum(len(known) for known, _ in self.known.values())
