"""Owns the right results that functions are judged by, over many cases, as polynomials and as numbers."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
import pytest
from layer_cases import BY_HAND, CASES
from layer_peers import plain_forward
from layer_text import Case as Told

from derive.errors import LimitError
from derive.spelling import parse_layer
from derive.verify_museum import named_bugs
from derive.verify_poly import Poly
from derive.verify_run import Case, as_array

MOST = 700
"""Monomials of a case that is taken."""


def cases() -> list[Told]:
    """A tenth of all cases and the corner cases, small ones."""
    chosen = dict.fromkeys([*BY_HAND, *CASES[::10]])
    return [c for c in chosen if Case.of(parse_layer(c.text), c.shape, "both").monomials <= MOST]


def evaluated(case: Case, entry: Poly, arrays: dict[str, Any]) -> Fraction:
    """A polynomial at operands, monomial by monomial."""
    flat = np.concatenate([arrays[name].ravel() for name in case.shapes]).tolist()
    first = min(case.offsets.values())
    return sum(
        (
            Fraction(c) * prod(Fraction(flat[s - first]) for s in symbols)
            for symbols, c in entry.terms.items()
        ),
        Fraction(),
    )


@pytest.mark.parametrize("told", cases(), ids=str)
def test_numbers_are_the_polynomials_at_them(told: Told) -> None:
    case = Case.of(parse_layer(told.text), told.shape, "both")
    draw = np.random.default_rng(3)
    arrays = {
        name: draw.integers(-9, 9, shape).astype(float) * (case.scale if name in case.scaled else 1)
        for name, shape in case.shapes.items()
    }
    halved = {name: array / 2 for name, array in arrays.items()}
    for key, right in case.truths.items():
        entries = case.polynomials(key)
        whole, shifted = case.values(key, arrays).ravel(), case.values(key, arrays, shift=1).ravel()
        for entry, value, half in zip(entries, whole.tolist(), shifted.tolist(), strict=True):
            assert evaluated(case, entry, arrays) == value
            assert evaluated(case, entry, halved) * 2**right.degree == half
            assert len(entry.terms) <= case.terms_each()
            assert sum(abs(Fraction(c)) for c in entry.terms.values()) <= case.terms_each()
            assert abs(value) <= np.max(case.values(key, arrays, magnitude=True))


@pytest.mark.parametrize("told", cases(), ids=str)
def test_a_right_result_equals_no_known_bug(told: Told) -> None:
    """And the museum has something to show at every shape, or nothing, but never an error."""
    case = Case.of(parse_layer(told.text), told.shape, "both")
    arrays = case.symbols()
    for key, shape in case.wanted.items():
        right = as_array(case.polynomials(key), shape)
        assert named_bugs(case.layer, case.shape, key, right, right, arrays) == []
        seen = named_bugs(case.layer, case.shape, key, right * 2, right, arrays)
        nothing = all(not entry.terms for entry in right.ravel())
        assert nothing or any("doubled" in title for title in seen)


@pytest.mark.parametrize("told", BY_HAND, ids=str)
def test_the_truth_of_the_output_is_the_plain_loops(told: Told) -> None:
    case = Case.of(parse_layer(told.text), told.shape, "forward")
    symbols = case.symbols()
    wanted = plain_forward(told, {name: symbols[name] for name in told.operands})
    found = [Poly.of(entry) for entry in wanted.ravel()]
    assert all(a is not None and a.same(b) for a, b in zip(found, case.polynomials("output"), strict=True))


def test_large_numbers_are_exact_too() -> None:
    """Past 64 bits the sums are taken in Python's whole numbers."""
    case = Case.of(parse_layer("Conv1d(1, 1, 2, bias=False)"), (1, 1, 3), "forward")
    big = {name: np.full(shape, 2.0**40) for name, shape in case.shapes.items()}
    assert case.values("output", big).ravel().tolist() == [2**81, 2**81]


def test_too_many_monomials_are_refused() -> None:
    case = Case.of(parse_layer("Conv2d(64, 64, 3)"), (1, 64, 56, 56), "forward")
    with pytest.raises(LimitError, match="too large to compare"):
        _ = case.monomials
