"""Owns exact symbols that a NumPy function can compute with: polynomials with rational coefficients.

An object array of these runs through slices, sums, dot, tensordot, pad and plain loops. What would need a
number (a comparison, float(), a truth value) is refused, so that no branch can depend on a value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import isfinite
from numbers import Integral, Rational
from typing import NoReturn

Monomial = tuple[int, ...]
"""Symbol numbers in ascending order; () is the constant."""


class SymbolUse(TypeError):
    """The user's function did with a symbol what only a number can do."""


class Poly:
    """An immutable polynomial in numbered symbols, with +, -, * and division by numbers."""

    __slots__ = ("terms",)
    refusals = 0
    """How often any symbol has been used as a number; a function may swallow the error, but not this."""

    def __init__(self, terms: Mapping[Monomial, Fraction | int]) -> None:
        self.terms = {m: c for m, c in terms.items() if c}

    @staticmethod
    def symbol(number: int) -> Poly:
        return Poly({(number,): 1})

    @staticmethod
    def of(value: object) -> Poly | None:
        """A Poly, or a finite number (a float is the fraction that it holds); None for anything else."""
        if isinstance(value, Poly):
            return value
        if isinstance(value, Integral):
            return Poly({(): int(value)})
        if isinstance(value, Rational):
            return Poly({(): Fraction(int(value.numerator), int(value.denominator))})
        if isinstance(value, float) and isfinite(value):
            return Poly({(): Fraction(value)})
        return None

    def __add__(self, other: object) -> Poly:
        right = Poly.of(other)
        if right is None:
            return NotImplemented
        total = dict(self.terms)
        for monomial, coefficient in right.terms.items():
            total[monomial] = total.get(monomial, 0) + coefficient
        return Poly(total)

    __radd__ = __add__

    def __neg__(self) -> Poly:
        return Poly({m: -c for m, c in self.terms.items()})

    def __pos__(self) -> Poly:
        return self

    def __sub__(self, other: object) -> Poly:
        right = Poly.of(other)
        return NotImplemented if right is None else self + -right

    def __rsub__(self, other: object) -> Poly:
        return -self + other

    def __mul__(self, other: object) -> Poly:
        right = Poly.of(other)
        if right is None:
            return NotImplemented
        total: dict[Monomial, Fraction | int] = {}
        for m, c in self.terms.items():
            for n, k in right.terms.items():
                key = tuple(sorted(m + n))
                total[key] = total.get(key, 0) + c * k
        return Poly(total)

    __rmul__ = __mul__

    def __truediv__(self, other: object) -> Poly:
        right = Poly.of(other)
        if right is None or set(right.terms) != {()}:
            raise SymbolUse("division by something other than a whole number")
        return Poly({m: Fraction(c) / right.terms[()] for m, c in self.terms.items()})

    def __pow__(self, power: object) -> Poly:
        if not isinstance(power, Integral) or power < 0:
            raise SymbolUse("a power that is not a whole number")
        result = Poly({(): 1})
        for _ in range(int(power)):
            result = result * self
        return result

    def conjugate(self) -> Poly:
        return self

    def copy(self) -> Poly:
        return self

    def _refuse(self, *_: object) -> NoReturn:
        Poly.refusals += 1
        raise SymbolUse("a value of an operand was compared or turned into a plain number")

    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = __index__ = __abs__ = _refuse

    def __eq__(self, other: object) -> bool:
        self._refuse()

    __hash__ = None  # type: ignore[assignment]

    def same(self, other: Poly) -> bool:
        return self.terms == other.terms

    def rounds(self, right: Poly) -> bool:
        """Whether this is the other polynomial with coefficients that floating point has rounded."""
        keys = {*self.terms, *right.terms}
        pairs = [(Fraction(self.terms.get(k, 0)), Fraction(right.terms.get(k, 0))) for k in keys]
        near = all(abs(mine - theirs) * 2**40 <= max(Fraction(1), abs(theirs)) for mine, theirs in pairs)
        return near and any(mine != theirs and mine.denominator > 1 for mine, theirs in pairs)

    def text(self, symbol: Callable[[int], str], other: Poly | None = None, most: int = 4) -> str:
        """Readable, at most `most` terms; the first are those that `other` does not have."""
        known: Mapping[Monomial, Fraction | int] = {} if other is None else other.terms
        shown = []
        for monomial, c in sorted(self.terms.items(), key=lambda t: (known.get(t[0]) == t[1], t[0]))[:most]:
            body = "*".join(map(symbol, monomial)) or "1"
            shown.append(body if c == 1 else f"{c}*{body}")
        rest = len(self.terms) - most
        return (" + ".join(shown) or "0") + (f" + ... ({rest} more)" if rest > 0 else "")

    def __repr__(self) -> str:
        return f"Poly({self.terms!r})"
