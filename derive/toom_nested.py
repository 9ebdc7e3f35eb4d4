"""Owns fast correlations on several axes at once: one transform inside another, every coefficient computed.

Lemma: where each axis has the identity of `derive.toom`, so has the sum over the numbers of all axes, for its
coefficients are the products of the axes' coefficients. `nested_identity` does not use the lemma.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from derive.errors import LayerError, ProofError
from derive.toom import Matrix, Transform


@dataclass(frozen=True)
class Nested:
    """Fast correlations nested on several axes: F(m1, r1) x F(m2, r2), first axis first.

    Y = A1 [(G1 g G2^T) * (B1 d B2^T)] A2^T; the coefficient of a product is the product of the axes' ones.
    """

    axes: tuple[Transform, ...]

    @property
    def name(self) -> str:
        return " x ".join(axis.name for axis in self.axes)

    def check(self) -> Nested:
        """This form, after every coefficient of the nested sum was computed from matrices of all axes."""
        a, g, b = (_kronecker([getattr(axis, part) for axis in self.axes]) for part in "agb")
        nested_identity(a, g, b, tuple((t.m, t.r, t.n) for t in self.axes), self.name)
        return self


def nested(*axes: Transform) -> Nested:
    """The axes nested, checked as a whole."""
    if not axes:
        raise LayerError("no axis to nest", where="nested", expected="at least one Transform", got="none")
    return Nested(axes).check()


def nested_identity(
    a: Matrix, g: Matrix, b: Matrix, sizes: Sequence[tuple[int, int, int]], where: str
) -> int:
    """As `identity`, for matrices over pairs (triples, ...) of indices; `sizes` are (m, r, n) by axis.

    A column pattern is zero almost everywhere, so rows are added up as sparse vectors.
    """
    ms, rs, ns = ([s[i] for s in sizes] for i in range(3))
    count = 0
    for (i, at), (tap, by) in product(enumerate(_places(ms)), enumerate(_places(rs))):
        found = [Fraction(0)] * len(b[0])
        for k, row in enumerate(b):
            if weight := a[i][k] * g[k][tap]:
                found = [f + weight * v if v else f for f, v in zip(found, row, strict=True)]
        there = tuple(x + y for x, y in zip(at, by, strict=True))
        for place, value in zip(_places(ns), found, strict=True):
            count += 1
            if value != int(place == there):
                raise ProofError(
                    "the nested matrices do not correlate",
                    where=f"{where}: g{list(by)} d{list(place)} in output {list(at)}",
                    expected=str(int(place == there)),
                    got=str(value),
                )
    return count


def _places(extents: Sequence[int]) -> Iterable[tuple[int, ...]]:
    return product(*map(range, extents))


def _kronecker(factors: Sequence[Matrix]) -> Matrix:
    """The Kronecker product, first factor outermost."""
    whole: Matrix = ((Fraction(1),),)
    for factor in factors:
        whole = tuple(tuple(x * y for x in left for y in right) for left in whole for right in factor)
    return whole
