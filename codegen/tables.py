"""Owns the constants of a layer: exact rationals, rounded once to a dtype, and what a proof says of them.

A table is an operand of the generated kernel like any other, so every check of a kernel holds for every
table; its values are the layer's own and never the caller's. Numerator and denominator go to the dtype in
one correct rounding (nearest, ties to even): a float32 is not reached by way of a float64.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from math import ldexp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError

Values = Sequence[Fraction]
MOST_SHOWN = 64
"""Entries of a table that a proof record writes out."""

MOST_NAMED = 8
"""Numbers that the head of a text writes out."""

FORMATS = {"float32": (24, -126, 127), "float64": (53, -1022, 1023)}
"""Digits, least and greatest exponent of the leading digit."""


def rounded(value: Fraction, dtype: str) -> float:
    """The number of the dtype that is nearest to the value, ties to the even one.

    >>> rounded(Fraction(1, 3), "float32") == float(np.float32(1 / 3))
    True
    >>> rounded(1 + Fraction(1, 2**24) + Fraction(1, 2**60), "float32") == 1 + 2**-23
    True

    Raises BuildError where it is too large for the dtype.
    """
    digits, least, greatest = FORMATS[dtype]
    if value.denominator == 1 and abs(value.numerator) <= 2**digits:
        return float(value.numerator)
    size = abs(value)
    exponent = size.numerator.bit_length() - size.denominator.bit_length()
    exponent -= size < Fraction(2) ** exponent
    step = max(exponent, least) - digits + 1
    steps = round(value / Fraction(2) ** step)
    if abs(steps) * Fraction(2) ** step >= Fraction(2) ** (greatest + 1):
        raise BuildError("a constant is too large", where=dtype, got=str(value))
    return ldexp(steps, step)


def arrays(tables: Mapping[str, Values], dtype: str) -> dict[str, NDArray[Any]]:
    """Every table as a flat read-only array of the dtype."""
    found: dict[str, NDArray[Any]] = {}
    for name, values in tables.items():
        found[name] = np.array(_each(values, lambda v: rounded(v, dtype)), dtype)
        found[name].flags.writeable = False
    return found


def _each(values: Values, function: Callable[[Fraction], Any]) -> list[Any]:
    """The function of every value, computed once for each object: most entries are one and the same zero."""
    known = {id(v): v for v in values}
    done = {key: function(v) for key, v in known.items()}
    return [done[id(v)] for v in values]


def digest(values: Values) -> str:
    """sha256 of the exact values as "n/d" lines."""
    return hashlib.sha256("\n".join(_each(values, text)).encode()).hexdigest()


def text(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def shown(values: Values) -> str:
    """A few values in full, many by their digest."""
    few = ", ".join(map(str, values))
    return few if len(values) <= MOST_NAMED else f"{len(values)} rationals, sha256 {digest(values)}"


def described(tables: Mapping[str, Values]) -> dict[str, Any]:
    """What a proof record says of the tables: short ones in full, long ones by count and digest."""
    return {
        name: [text(v) for v in values]
        if len(values) <= MOST_SHOWN
        else {"count": len(values), "sha256": digest(values)}
        for name, values in tables.items()
    }
