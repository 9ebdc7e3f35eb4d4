"""Owns the matrices of Toom and Cook's fast correlation, made from points, and the check of their identity.

m outputs of a correlation with r taps, y[i] = sum_a g[a] d[i + a], take m r products; they can be had from
n = m + r - 1 products of a sum of taps with a sum of entries: y = A [(G g) * (B d)], * entry by entry. Row k
of G is the polynomial of the taps at the k-th point, row k of B holds the coefficients of the polynomial that
vanishes at the other points, and A adds up; the last point is at infinity, where a polynomial's value is its
leading coefficient. Nothing is copied from a table: `identity` looks at every coefficient.

Why it holds for any different points x_k: a polynomial of degree below n is x^p = sum over k of x_k^p L_k(x),
Lagrange's interpolation, plus M(x), the product of all (x - x_k), where p = n - 1. Row k of B over N_k is
L_k and the last row is M; A[i][k] G[k][a] is x_k^(i + a) over N_k. So the coefficient of x^j on both sides,
with p = i + a, is the coefficient of g[a] d[j] in output i: 1 where j = i + a, else 0.

Sources: A. L. Toom (1963), S. A. Cook (1966), S. Winograd, Arithmetic Complexity of Computations (1980), the
transposition of a product of polynomials; A. Lavin and S. Gray (2016) for its use in convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

from derive.errors import LayerError, ProofError

Matrix = tuple[tuple[Fraction, ...], ...]

LARGEST = 16
"""Products of one axis, m + r - 1, that a transform may have: beyond, float32 has no digit left."""

CHOSEN: Mapping[tuple[int, int], str] = {
    (1, 1): "",
    (2, 2): "5/8 -5/8",
    (2, 3): "0 1 -1",
    (3, 2): "0 1 -1",
    (3, 3): "0 5/8 -7/8 7/4",
    (2, 4): "0 5/8 -1 5/3",
    (4, 2): "0 5/8 -1 7/4",
    (4, 3): "0 3/4 -3/4 3/2 -3/2",
    (3, 4): "0 5/8 -5/8 7/4 -7/4",
    (2, 5): "0 5/7 -5/7 3/2 -3/2",
    (5, 2): "0 3/4 -3/4 3/2 -3/2",
    (4, 4): "0 3/5 -3/5 8/7 -8/7 8/3",
    (3, 5): "0 7/8 -7/8 2 -2 3/8",
    (5, 3): "0 7/8 -7/8 2 -2 3/8",
    (6, 3): "0 1/2 -1/2 1 -1 2 -2",
    (3, 6): "0 1/2 -1/2 1 -1 2 -2",
    (4, 5): "0 1/2 -1/2 1 -1 2 -2",
    (5, 4): "0 1/2 -1/2 1 -1 2 -2",
}
"""(m, r) -> the finite points that a search by measured error found; the point at infinity comes last."""


@dataclass(frozen=True)
class Transform:
    """F(m, r): m outputs of a correlation with r taps from n = m + r - 1 products.

    Attributes:
        m: outputs of a tile, at least 1.
        r: taps, at least 1.
        points: the n - 1 finite points, all different.
        scales: n numbers, none of them 0: row k of B is multiplied by the k-th and row k of G divided by it.
            The product of the two does not change, so the identity holds for any; () says 1 for each.

    Raises LayerError where m, r, the number of points or of scales do not fit, or two points are the same.
    """

    m: int
    r: int
    points: tuple[Fraction, ...]
    scales: tuple[Fraction, ...] = ()

    def __post_init__(self) -> None:
        _sized(self.m, self.r)
        if len(self.points) != self.n - 1 or len(set(self.points)) != len(self.points):
            raise LayerError(
                "points that do not interpolate",
                where=f"the points of {self.name}",
                expected=f"{self.n - 1} different numbers; the point at infinity is not one of them",
                got=", ".join(map(str, self.points)) or "none",
            )
        if self.scales and (len(self.scales) != self.n or not all(self.scales)):
            raise LayerError(
                "scales that do not fit",
                where=f"the scales of {self.name}",
                expected=f"{self.n} numbers, none of them 0",
                got=", ".join(map(str, self.scales)),
            )

    @property
    def n(self) -> int:
        """Products, and entries of a tile."""
        return self.m + self.r - 1

    @property
    def name(self) -> str:
        return f"F({self.m},{self.r})"

    @cached_property
    def a(self) -> Matrix:
        """m rows, n columns: the transform of the products."""
        return tuple(zip(*(powers(self.points, k, self.m) for k in range(self.n)), strict=True))

    @cached_property
    def g(self) -> Matrix:
        """n rows, r columns: the transform of the taps."""
        rows = range(self.n)
        return tuple(
            tuple(
                value / (difference(self.points, k) * self._scale(k))
                for value in powers(self.points, k, self.r)
            )
            for k in rows
        )

    @cached_property
    def b(self) -> Matrix:
        """n rows, n columns: the transform of the entries."""
        rows = range(self.n)
        return tuple(tuple(c * self._scale(k) for c in numerator(self.points, k)) for k in rows)

    def _scale(self, k: int) -> Fraction:
        return self.scales[k] if self.scales else Fraction(1)

    def check(self) -> Transform:
        """This transform, after the identity was computed; ProofError where a coefficient is wrong."""
        identity(self.a, self.g, self.b, self.name)
        return self


def transform(m: int, r: int) -> Transform:
    """F(m, r) with the chosen points, its identity checked.

    >>> [[str(v) for v in row] for row in transform(2, 3).b]
    [['1', '0', '-1', '0'], ['0', '1', '1', '0'], ['0', '-1', '1', '0'], ['0', '-1', '0', '1']]

    Raises LayerError where no points were chosen for this form.
    """
    _sized(m, r)
    if (m, r) not in CHOSEN:
        raise LayerError(
            "no points were chosen for this form",
            where=f"transform({m}, {r})",
            expected=", ".join(f"F({i},{j})" for i, j in CHOSEN),
            got=f"F({m},{r})",
            mend="at_points(m, r, points) takes any",
        )
    return at_points(m, r, tuple(map(Fraction, CHOSEN[m, r].split())))


def at_points(m: int, r: int, points: Sequence[Fraction]) -> Transform:
    """F(m, r) at these points, scaled by signs so that G divides by positive numbers; checked."""
    finite = tuple(points)
    Transform(m, r, finite)
    signs = tuple(Fraction(-1 if difference(finite, k) < 0 else 1) for k in range(len(finite) + 1))
    return Transform(m, r, finite, signs).check()


def powers(points: Sequence[Any], k: int, count: int) -> tuple[Any, ...]:
    """1, x, x^2, ... at the k-th point; at infinity, the last one, the leading coefficient of each."""
    if k == len(points):
        return tuple(Fraction(int(power == count - 1)) for power in range(count))
    return tuple(points[k] ** power if power else Fraction(1) for power in range(count))


def difference(points: Sequence[Any], k: int) -> Any:
    """The product of the k-th point's differences from the others: what `numerator` is at that point."""
    product_ = Fraction(1)
    for other in (p for j, p in enumerate(points) if j != k and k < len(points)):
        product_ *= points[k] - other
    return product_


def numerator(points: Sequence[Any], k: int) -> tuple[Any, ...]:
    """Coefficients of the product of (x - p) over the other points p, as many as there are points and one."""
    coefficients: list[Any] = [Fraction(1)]
    for root in (p for j, p in enumerate(points) if j != k):
        shifted, kept = [Fraction(0), *coefficients], [*coefficients, Fraction(0)]
        coefficients = [s - root * c for s, c in zip(shifted, kept, strict=True)]
    return (*coefficients, *[Fraction(0)] * (len(points) + 1 - len(coefficients)))


def coefficients(
    a: Sequence[Sequence[Any]], g: Sequence[Sequence[Any]], b: Sequence[Sequence[Any]]
) -> Iterator[Any]:
    """(i, tap, j, what g[tap] d[j] has in output i of A [(G g) * (B d)]), all of them."""
    for i, tap, j in product(range(len(a)), range(len(g[0])), range(len(b[0]))):
        yield i, tap, j, sum((a[i][k] * g[k][tap] * b[k][j] for k in range(len(b))), Fraction(0))


def identity(a: Matrix, g: Matrix, b: Matrix, where: str) -> int:
    """How many coefficients of A [(G g) * (B d)] were computed, each of which is that of the correlation.

    Raises ProofError at the first that is not: output i has g[tap] d[j] once where j = i + tap, else never.
    """
    _fitting(a, g, b, where)
    count = 0
    for i, tap, j, found in coefficients(a, g, b):
        count += 1
        if found != int(j == i + tap):
            raise ProofError(
                "the matrices do not correlate",
                where=f"{where}: g[{tap}] d[{j}] in output {i}",
                expected=str(int(j == i + tap)),
                got=str(found),
            )
    return count


def for_any_points(m: int, r: int) -> int:
    """The identity of F(m, r) with symbols for the points: how many coefficients were computed.

    SymPy cancels the rational functions; that the points are different is what their denominators suppose.
    Raises ProofError where a coefficient is not what it must be.
    """
    import sympy

    n = _sized(m, r)
    points = sympy.symbols(f"x:{n - 1}")
    a = list(zip(*(powers(points, k, m) for k in range(n)), strict=True))
    g = [[v / difference(points, k) for v in powers(points, k, r)] for k in range(n)]
    b = [numerator(points, k) for k in range(n)]
    count = 0
    for i, tap, j, found in coefficients(a, g, b):
        count += 1
        if sympy.cancel(found - int(j == i + tap)) != 0:
            raise ProofError(
                "the matrices do not correlate at all points", where=f"F({m},{r}): g[{tap}] d[{j}], {i}"
            )
    return count


def _fitting(a: Matrix, g: Matrix, b: Matrix, where: str) -> None:
    """ProofError where the three matrices are not m x n, n x r and n x n with n = m + r - 1."""
    m, n, r = len(a), len(b), len(g[0]) if g else 0
    shapes = [(len(x), {len(row) for row in x}) for x in (a, g, b)]
    if shapes != [(m, {n}), (n, {r}), (n, {n})] or n != m + r - 1:
        raise ProofError(
            "matrices that do not fit",
            where=where,
            expected="A m x n, G n x r, B n x n with n = m + r - 1",
            got=", ".join(f"{rows} x {sorted(widths)}" for rows, widths in shapes),
        )


def _sized(m: int, r: int) -> int:
    """m + r - 1."""
    if not (isinstance(m, int) and isinstance(r, int) and m >= 1 and r >= 1 and m + r - 1 <= LARGEST):
        raise LayerError(
            "no such fast correlation",
            where="F(m, r)",
            expected=f"m and r at least 1, m + r - 1 at most {LARGEST}",
            got=f"F({m},{r})",
        )
    return m + r - 1
