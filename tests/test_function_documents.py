"""What documents print of functions: formulas with their values, derivatives with their label, or nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy
from test_document import flat
from test_layer_documents import EXAMPLES, document, plain

from derive import functions_formulas
from derive.document import checked, printed
from derive.errors import ProofError
from derive.explain import explain
from derive.family import family_of
from derive.functions import DERIVATIVE
from derive.functions_formulas import LABEL, Piece, formula
from derive.functions_shown import shown as formula_node
from derive.functions_shown import slopes
from derive.legend_nonlinear import Slope
from derive.notation.build import Builder
from derive.notation.tree import (
    Cases,
    Compared,
    Function,
    Group,
    Name,
    Node,
    Number,
    Over,
    Plus,
    Power,
    Product,
    Root,
)
from derive.spelling import parse_layer

Case = tuple[str, tuple[int, ...]]
ACTIVATIONS = [c for c in EXAMPLES if family_of(parse_layer(c[0]), c[1]) == "activation"]
VALUES = {
    "negative_slope": Fraction(1, 100),
    "beta": Fraction(3, 2),
    "threshold": Fraction(5),
    "alpha": Fraction(7, 5),
    "min_val": Fraction(-1, 2),
    "max_val": Fraction(5, 4),
    "norm_type": Fraction(3),
}


def value(node: Node, x: sympy.Expr) -> sympy.Expr:
    """The meaning of the node of a formula; an independent reading of the tree."""
    match node:
        case Number(digits):
            return sympy.Rational(digits)
        case Name(letter):
            return {"x": x, "pi": sympy.pi}[letter]
        case Plus(terms):
            return sympy.Add(*(-value(t, x) if minus else value(t, x) for minus, t in terms))
        case Product(factors):
            return sympy.Mul(*(value(f, x) for f in factors))
        case Over(top, bottom):
            return value(top, x) / value(bottom, x)
        case Power(base, exponent):
            return value(base, x) ** value(exponent, x)
        case Root(body) | Group(body):
            return value(body, x) ** (sympy.Rational(1, 2) if isinstance(node, Root) else 1)
        case Function(name, argument):
            return {"exp": sympy.exp, "log": sympy.log, "tanh": sympy.tanh, "erf": sympy.erf}[name](
                value(argument, x)
            )
        case Cases(rows):
            return next(value(v, x) for v, c in rows if c is None or holds(c, x))
    raise AssertionError(node)


def holds(condition: Compared, x: sympy.Expr) -> bool:
    left, right = value(condition.left, x), value(condition.right, x)
    signs = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
    signs["=="] = left == right
    return bool(signs[condition.sign])


@pytest.mark.parametrize("name", [n for n in functions_formulas.FORMULAS if not n.startswith("f")])
def test_a_printed_formula_has_the_value_of_the_formula(name: str) -> None:
    node = formula_node(name, VALUES)
    for spot in (Fraction(n, 4) for n in (-9, -2, -1, 1, 2, 3, 5, 13)):
        point = sympy.Rational(spot.numerator, spot.denominator)
        if (name in functions_formulas.DOMAIN or name.startswith(("root", "power"))) and not 0 < spot < 1:
            continue
        difference = value(node, point) - formula(name, point, VALUES)
        assert abs(sympy.N(difference, 40)) < sympy.Float(10) ** -30


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "hardtanh", "softplus"])
def test_a_printed_formula_is_pytorchs_at_its_edges(name: str) -> None:
    for edge in (0, Fraction(-1, 2), Fraction(5, 4), Fraction(10, 3)):
        point = sympy.Rational(edge)
        for function in (name, f"{name}_prime"):
            assert value(formula_node(function, VALUES), point) == formula(function, point, VALUES)


def test_a_slope_is_printed_only_with_its_label() -> None:
    (good,) = slopes(["gelu"], {})
    assert good.label == LABEL and checked(good, Builder(), "").relation.value == "="
    with pytest.raises(ProofError, match="no judge has checked"):
        checked(replace(good, label=""), Builder(), "")


def test_a_wrong_formula_of_a_derivative_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = functions_formulas.FORMULAS["silu_prime"]

    def wrong(x: object) -> tuple[Piece, ...]:
        (only,) = whole(x)
        return (replace(only, value=-only.value),)

    monkeypatch.setitem(functions_formulas.FORMULAS, "silu_prime", wrong)  # type: ignore[arg-type]
    with pytest.raises(ProofError, match="not the derivative"):
        printed(document.__wrapped__(("SiLU()", (2, 3))), "text")


@pytest.mark.parametrize("case", ACTIVATIONS)
def test_an_activation_shows_its_formula_and_its_derivative(case: Case) -> None:
    document_ = flat(plain(case))
    assert "times " in document_ and "entry by entry" in document_
    if case[0] == "Activation()":
        assert "f(x) stands for any differentiable function, f'(x) for its derivative." in document_
        assert LABEL not in document_ and "grad_output[0,0]*f'(input[0,0])" in document_
    else:
        assert document_.count(LABEL) == 1 and "or a derivative of a printed formula" in document_


def test_where_a_slope_is_pytorchs_choice_it_says_so() -> None:
    found = {s.where for s in slopes(["log_clamped", "sigmoid"], {})}
    assert found == {"", " where x(1 - x) is at least 1e-12 (elsewhere PyTorch's choice)"}
    assert "where x(1 - x) is at least 1e-12 (elsewhere PyTorch's choice)" in flat(
        plain(("BCELoss()", (2, 3)))
    )


def test_the_label_is_explained() -> None:
    assert "cross-multiplying" in explain(LABEL)


def test_every_function_that_a_layer_applies_is_known_to_the_documents() -> None:
    for name in DERIVATIVE:
        if name != "f":
            assert slopes([name], VALUES) or name in ("exp", "log", "recip", "rsqrt", "power", "root")
    assert all(isinstance(s, Slope) for s in slopes(list(DERIVATIVE), VALUES))
