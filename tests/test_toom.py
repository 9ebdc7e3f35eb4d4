"""Matrices of fast correlations: the identity of every form that is used, and changed ones refused."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import pytest
from winograd_matrices import Transform as Peer

from derive import toom
from derive.errors import LayerError, ProofError
from derive.toom import (
    CHOSEN,
    Matrix,
    Transform,
    at_points,
    for_any_points,
    identity,
    transform,
)
from derive.toom_nested import Nested, _kronecker, nested, nested_identity

FORMS = sorted(CHOSEN)


def applied(matrix: Matrix, vector: list[Fraction]) -> list[Fraction]:
    return [sum((a * b for a, b in zip(row, vector, strict=True)), Fraction(0)) for row in matrix]


@pytest.mark.parametrize(("m", "r"), FORMS)
def test_the_chosen_forms_correlate(m: int, r: int) -> None:
    """Every coefficient, and the definition on drawn rationals."""
    by = transform(m, r)
    assert identity(by.a, by.g, by.b, by.name) == m * r * (m + r - 1)
    draw = random.Random(f"{m} {r}")
    taps, entries = ([Fraction(draw.randint(-99, 99), 7) for _ in range(n)] for n in (r, by.n))
    met = [x * y for x, y in zip(applied(by.g, taps), applied(by.b, entries), strict=True)]
    plain = [sum(taps[a] * entries[i + a] for a in range(r)) for i in range(m)]
    assert applied(by.a, met) == plain


def changed(matrix: Matrix, i: int, j: int) -> Matrix:
    rows = [list(row) for row in matrix]
    rows[i][j] += Fraction(1, 1024)
    return tuple(map(tuple, rows))


@pytest.mark.parametrize(("m", "r"), [(2, 3), (3, 2), (4, 3)])
def test_one_changed_entry_is_refused(m: int, r: int) -> None:
    """Sabotage: each entry of each matrix in turn."""
    by = transform(m, r)
    parts = {"a": by.a, "g": by.g, "b": by.b}
    tried = 0
    for name, matrix in parts.items():
        for i, row in enumerate(matrix):
            for j in range(len(row)):
                with pytest.raises(ProofError, match="do not correlate"):
                    identity(**(parts | {name: changed(matrix, i, j)}), where="changed")
                tried += 1
    assert tried == by.n * (m + r + by.n)


def test_matrices_that_do_not_fit_are_refused() -> None:
    by = transform(2, 3)
    for a, g, b in ((by.a[:1], by.g, by.b), (by.a, by.g[1:], by.b), (by.a, by.g, by.b[1:]), (by.a, (), by.b)):
        with pytest.raises(ProofError, match="do not fit"):
            identity(a, g, b, "cut")


@pytest.mark.parametrize(
    ("points", "scales"),
    [
        (("0", "1", "1"), ()),
        (("0", "1"), ()),
        (("0", "1", "-1", "2"), ()),
        (("0", "1", "-1"), ("1", "1", "1")),
        (("0", "1", "-1"), ("1", "0", "1", "1")),
    ],
)
def test_points_and_scales_that_do_not_fit(points: tuple[str, ...], scales: tuple[str, ...]) -> None:
    with pytest.raises(LayerError) as refusal:
        Transform(2, 3, tuple(map(Fraction, points)), tuple(map(Fraction, scales)))
    assert refusal.value.expected and refusal.value.got


@pytest.mark.parametrize(("m", "r"), [(0, 3), (2, 0), (20, 3), (-1, 2)])
def test_sizes_that_are_none(m: int, r: int) -> None:
    with pytest.raises(LayerError):
        transform(m, r)


def test_a_form_without_chosen_points() -> None:
    with pytest.raises(LayerError) as refusal:
        transform(7, 3)
    assert "F(4,3)" in refusal.value.expected and "at_points" in refusal.value.mend
    assert at_points(7, 3, tuple(map(Fraction, range(8)))).n == 9


def test_scales_move_numbers_between_the_two_transforms() -> None:
    by = transform(4, 3)
    scales = tuple(Fraction(k + 1, 3) for k in range(by.n))
    moved = replace(by, scales=scales).check()
    plain = replace(by, scales=()).check()
    assert moved.a == plain.a
    for k, scale in enumerate(scales):
        assert moved.b[k] == tuple(scale * v for v in plain.b[k])
        assert moved.g[k] == tuple(v / scale for v in plain.g[k])


def test_g_divides_by_positive_numbers() -> None:
    for m, r in FORMS:
        assert all(row[0] >= 0 for row in transform(m, r).g)


@pytest.mark.parametrize(("m", "r"), [(2, 3), (4, 3), (3, 4), (6, 3)])
def test_the_same_as_another_construction(m: int, r: int) -> None:
    """`winograd_matrices` multiplies polynomials with its own code; its scales are 1."""
    plain = replace(transform(m, r), scales=())
    peer = Peer(m, r, plain.points)
    assert (plain.a, plain.g, plain.b) == (peer.a, peer.g, peer.b)


@pytest.mark.parametrize(("m", "r"), [(1, 2), (2, 2), (2, 3), (3, 2)])
def test_the_identity_with_symbols_for_points(m: int, r: int) -> None:
    assert for_any_points(m, r) == m * r * (m + r - 1)


def test_a_wrong_construction_fails_with_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the polynomial that vanishes at the other points with its first coefficient doubled."""
    right = toom.numerator
    monkeypatch.setattr(toom, "numerator", lambda p, k: (2 * right(p, k)[0], *right(p, k)[1:]))
    with pytest.raises(ProofError):
        for_any_points(2, 2)
    with pytest.raises(ProofError):
        transform(2, 3)


def test_nested_forms() -> None:
    """Every coefficient of the whole sum, for different forms on two axes and the same on three."""
    two = nested(transform(2, 3), transform(4, 3))
    assert two.name == "F(2,3) x F(4,3)"
    nested(*[transform(2, 2)] * 3)
    with pytest.raises(LayerError):
        nested()


def test_a_changed_nested_form_is_refused() -> None:
    """Sabotage: entries of the Kronecker products, and an axis whose sizes are said wrongly."""
    one = transform(2, 3)
    a, g, b = (_kronecker([m, m]) for m in (one.a, one.g, one.b))
    sizes = ((2, 3, 4), (2, 3, 4))
    assert nested_identity(a, g, b, sizes, "whole") == (2 * 3 * 4) ** 2
    for wrong in ((changed(a, 3, 7), g, b), (a, changed(g, 5, 2), b), (a, g, changed(b, 15, 0))):
        with pytest.raises(ProofError, match="nested"):
            nested_identity(*wrong, sizes, "changed")
    turned = Nested((one, replace(one, points=(Fraction(0), Fraction(1), Fraction(2)))))
    assert turned.check() is turned
