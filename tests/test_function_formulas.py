"""The formulas of the functions: exact derivatives piece by piece, PyTorch's values, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import mpmath
import pytest
import sympy
import torch

from derive import functions_formulas
from derive.errors import ProofError
from derive.functions import DERIVATIVE, PARAMETERS
from derive.functions_field import Tower
from derive.functions_formulas import (
    DOMAIN,
    EVERYWHERE,
    FORMULAS,
    KINKS,
    LABEL,
    Piece,
    derivative_label,
    formula,
    pieces,
)

X = sympy.Symbol("x", real=True)
VALUES = {
    "negative_slope": Fraction(1, 100),
    "beta": Fraction(3, 2),
    "threshold": Fraction(20),
    "alpha": Fraction(7, 5),
    "min_val": Fraction(-1, 2),
    "max_val": Fraction(5, 4),
    "norm_type": Fraction(3),
}


def test_every_function_has_a_formula_and_every_derivative_is_one() -> None:
    assert set(PARAMETERS) | {"id"} == set(FORMULAS)
    for terms in DERIVATIVE.values():
        assert {name for _, names in terms for name in names} <= set(FORMULAS)


@pytest.mark.parametrize("name", DERIVATIVE)
def test_the_table_is_the_derivative_of_the_formula(name: str) -> None:
    assert derivative_label(name) == LABEL


@pytest.mark.parametrize("name", DERIVATIVE)
def test_a_wrong_derivative_is_refused(name: str) -> None:
    right = DERIVATIVE[name]
    negated = tuple((-c, names) for c, names in right)
    doubled = ((2 * right[0][0], right[0][1]), *right[1:])
    more = (*right, (Fraction(1, 10**9), ()))
    for wrong in (negated, doubled, more):
        with pytest.raises(ProofError, match="not the derivative"):
            derivative_label(name, wrong)


@pytest.mark.parametrize("name", [n for n in FORMULAS if n.endswith("_prime") and n != "f_prime"])
def test_a_formula_with_a_slip_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One piece of f' off by a part in 10^12, each piece in turn."""
    whole = FORMULAS[name]
    for place in (n for n, p in enumerate(pieces(name, X)) if p.derived):

        def slipped(x: object, *, at: int = place, **own: object) -> tuple[Piece, ...]:
            found = list(whole(x, **own))
            found[at] = replace(found[at], value=found[at].value + sympy.Rational(1, 10**12))
            return tuple(found)

        monkeypatch.setitem(functions_formulas.FORMULAS, name, slipped)  # type: ignore[arg-type]
        with pytest.raises(ProofError, match="not the derivative"):
            derivative_label(name.removesuffix("_prime"))


def test_pieces_of_one_name_on_other_parts_of_the_line_do_not_fit() -> None:
    """Hardtanh' is 0 above max_val and below min_val: not 0 wherever relu is above and below 0."""
    wrong = ((Fraction(1), ("relu_prime",)), (Fraction(2), ("hardtanh_prime",)))
    with pytest.raises(ProofError, match="do not fit"):
        derivative_label("relu", wrong)


def test_what_the_field_does_not_know_is_refused() -> None:
    with pytest.raises(ProofError, match="does not know"):
        Tower(X, (sympy.sin(X),)).element(sympy.sin(X))
    with pytest.raises(ProofError, match="exponent depends on x"):
        tower = Tower(X, (X**X,))
        tower.derivative(tower.element(X**X))
    with pytest.raises(ProofError, match="no formula"):
        formula("sine", X)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (sympy.sqrt(X) * sympy.sqrt(X), X, True),
        (1 / (1 + sympy.exp(-X)), sympy.exp(X) / (1 + sympy.exp(X)), True),
        (1 / (1 + sympy.exp(-X)), sympy.exp(X) / (2 + sympy.exp(X)), False),
        (sympy.exp(-3 * X) * sympy.exp(X) ** 2, sympy.exp(-X), True),
        (X ** (sympy.Symbol("p") - 1) * X, X ** sympy.Symbol("p"), True),
        (sympy.sqrt(2) * sympy.sqrt(2), sympy.Integer(2), True),
        (sympy.sqrt(2), sympy.sqrt(3), False),
    ],
)
def test_comparison_in_the_field(left: sympy.Expr, right: sympy.Expr, same: bool) -> None:
    tower = Tower(X, (left, right))
    assert tower.equal(tower.element(left), tower.element(right)) is same


SPOTS = [Fraction(n, 7) for n in (-40, -11, -7, -3, -1, 1, 2, 5, 9, 12, 50, 170)]


def inside(name: str, spot: Fraction) -> bool:
    base = name.removesuffix("_prime")
    if "clamped" in name or name == "bce_weight":
        return 0 < spot < 1
    return base not in DOMAIN or spot > 0


def at(expression: sympy.Expr, spot: Fraction) -> mpmath.mpf:
    with mpmath.workdps(60):
        return mpmath.mpmathify(
            sympy.N(expression.subs(X, sympy.Rational(spot.numerator, spot.denominator)), 50)
        )


@pytest.mark.parametrize("name", [n for n in DERIVATIVE if n != "f"])
def test_the_field_agrees_with_a_difference_quotient(name: str) -> None:
    """An independent look: central differences in 50 digits, bounded by their own error.

    With steps h and h/2 the error h^2 f'''/6 falls by 4; what is left after extrapolating is h^4 times the
    fifth derivative, below 1e-60 here, and the cancellation loses 15 of the 50 digits.
    """
    own = formula(name, X, VALUES)
    slope = sympy.Add(
        *(sympy.Mul(c.numerator, sympy.Rational(1, c.denominator), *(formula(g, X, VALUES) for g in names))
          for c, names in DERIVATIVE[name])
    )  # fmt: skip
    for spot in (s for s in SPOTS if inside(name, s)):
        h = Fraction(1, 10**15)

        def quotient(step: Fraction, spot: Fraction = spot) -> mpmath.mpf:
            return (
                (at(own, spot + step) - at(own, spot - step))
                / mpmath.mpf(2 * step.numerator)
                * step.denominator
            )

        with mpmath.workdps(60):
            found = (4 * quotient(h / 2) - quotient(h)) / 3
            scale = max(1, abs(at(own, spot)), abs(at(slope, spot)))
            assert abs(found - at(slope, spot)) <= scale * mpmath.mpf(10) ** -30, spot


TORCH: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "exp": torch.exp,
    "log": torch.log,
    "recip": torch.reciprocal,
    "rsqrt": torch.rsqrt,
    "relu": torch.relu,
    "leaky_relu": lambda x: torch.nn.functional.leaky_relu(x, 0.01),
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "softplus": lambda x: torch.nn.functional.softplus(x, 1.5, 20.0),
    "gelu": torch.nn.functional.gelu,
    "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    "silu": torch.nn.functional.silu,
    "elu": lambda x: torch.nn.functional.elu(x, 1.4),
    "hardtanh": lambda x: torch.nn.functional.hardtanh(x, -0.5, 1.25),
    "power": lambda x: x**3,
    "root": lambda x: x ** (1 / 3),
    "log_sigmoid": torch.nn.functional.logsigmoid,
}


@pytest.mark.parametrize("name", TORCH)
def test_values_and_gradients_are_those_of_pytorch(name: str) -> None:
    """float64; PyTorch's results are taken to be within 64 roundings of values and gradients up to 2^12."""
    spots = [
        s
        for s in [*SPOTS, Fraction(0), Fraction(-1, 2), Fraction(5, 4)]
        if inside(name, s) and (s or name not in DOMAIN)
    ]
    x = torch.tensor([float(s) for s in spots], dtype=torch.float64, requires_grad=True)
    y = TORCH[name](x)
    (slope,) = torch.autograd.grad(y.sum(), x)
    terms = DERIVATIVE[name]
    for spot, value, gradient in zip(spots, y.tolist(), slope.tolist(), strict=True):
        point = sympy.Rational(*float(spot).as_integer_ratio())
        mine = sympy.N(formula(name, point, VALUES), 30)
        parts = [
            sympy.Rational(c.numerator, c.denominator) * sympy.Mul(*(formula(g, point, VALUES) for g in gs))
            for c, gs in terms
        ]
        scale = 1 + abs(float(point)) + abs(value) + abs(gradient)
        assert abs(float(mine - sympy.Float(value, 30))) <= 64 * 2.0**-53 * scale, spot
        assert (
            abs(float(sympy.N(sympy.Add(*parts), 30) - sympy.Float(gradient, 30))) <= 64 * 2.0**-53 * scale
        ), spot


def test_what_holds_at_a_kink_is_what_the_formula_gives() -> None:
    assert formula("relu_prime", 0) == 0 and "0" in KINKS["relu"]
    assert formula("leaky_relu_prime", 0, VALUES) == sympy.Rational(1, 100)
    assert formula("elu_prime", 0, VALUES) == sympy.Rational(7, 5)
    assert [formula("hardtanh_prime", v, VALUES) for v in (Fraction(-1, 2), 0, Fraction(5, 4))] == [0, 1, 0]
    jump = formula("softplus", 20 / sympy.Rational(3, 2), VALUES) - sympy.Rational(40, 3)
    assert sympy.N(jump - sympy.log(1 + sympy.exp(-20)) / sympy.Rational(3, 2), 20) < 1e-18
    bent = {n for n in DERIVATIVE if len(pieces(n, X)) > 1 and n != "log_rest_clamped"}
    assert set(KINKS) == bent | {"root"}


def test_pieces_that_are_not_derived_are_the_bounded_ones() -> None:
    every = {n: [p for p in pieces(n, X) if not p.derived] for n in FORMULAS}
    assert {n for n, found in every.items() if found} == {
        "log_clamped",
        "log_rest_clamped",
        "bce_weight",
        "root_prime",
    }
    assert formula("root_prime", 0, VALUES) == 0
    assert formula("bce_weight", 0) == 10**12 and formula("log_clamped", 0).subs({}) == -100
    assert all(p.where == EVERYWHERE for p in pieces("gelu", X))
