"""The matrices of Winograd's fast correlations, from interpolation points, over the rationals.

They are Toom and Cook's: two polynomials are multiplied by values at points and interpolation, and the
transpose of that correlates. Nothing is copied from a table. y = A^T[(G g) (B^T d)] for m outputs and r taps
from n = m + r - 1 points, the last one at infinity; here A and B stand for their transposes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import lcm

Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True)
class Transform:
    """F(m, r): m outputs of a correlation with r taps; `points` are m + r - 2 different numbers.

    Attributes:
        changed: entries of a matrix put in another's place, by (name of the matrix, row, column).
    """

    m: int
    r: int
    points: tuple[Fraction, ...] = ()
    changed: Mapping[tuple[str, int, int], Fraction] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return self.m + self.r - 1

    def scale(self, k: int) -> Fraction:
        """What row k of B is multiplied by, and row k of G divided by: the product of differences."""
        product = Fraction(1)
        for other in self.points[:k] + self.points[k + 1 :] if k < self.n - 1 else ():
            product *= self.points[k] - other
        return product

    def powers(self, k: int, count: int) -> tuple[Fraction, ...]:
        """The values of 1, x, x^2, ... at point k; at infinity the leading coefficient of each."""
        if k == self.n - 1:
            return tuple(Fraction(int(power == count - 1)) for power in range(count))
        return tuple(self.points[k] ** power for power in range(count))

    @cached_property
    def a(self) -> Matrix:
        """m rows, n columns."""
        return self._edited("A", tuple(zip(*(self.powers(k, self.m) for k in range(self.n)), strict=True)))

    @cached_property
    def g(self) -> Matrix:
        """n rows, r columns."""
        rows = ([p / self.scale(k) for p in self.powers(k, self.r)] for k in range(self.n))
        return self._edited("G", tuple(map(tuple, rows)))

    @cached_property
    def b(self) -> Matrix:
        """n rows, n columns: row k is the product of (x - p) over the other points p, by powers of x."""
        rows = []
        for k in range(self.n):
            roots = self.points[:k] + self.points[k + 1 :] if k < self.n - 1 else self.points
            coefficients = [Fraction(1)]
            for root in roots:
                shifted, kept = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
                coefficients = [s - root * c for s, c in zip(shifted, kept, strict=True)]
            rows.append(tuple(coefficients + [Fraction(0)] * (self.n - len(coefficients))))
        return self._edited("B", tuple(rows))

    def _edited(self, name: str, rows: Matrix) -> Matrix:
        return tuple(
            tuple(self.changed.get((name, i, j), value) for j, value in enumerate(row))
            for i, row in enumerate(rows)
        )

    @property
    def grade(self) -> int:
        """The common denominator of G; A and B are whole where the points are."""
        return lcm(*(v.denominator for row in Transform(self.m, self.r, self.points).g for v in row))


WHOLE = Transform(1, 1)
F23 = Transform(2, 3, tuple(map(Fraction, (0, 1, -1))))
F43 = Transform(4, 3, tuple(map(Fraction, (0, 1, -1, 2, -2))))
