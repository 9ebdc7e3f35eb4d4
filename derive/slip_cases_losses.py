"""Owns the examples of the slips about softmax and the descent step: the notes' formulas beside the layers.

Exponentials are irrational: their values are compared to the third decimal, rounded from 40 digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from derive.derivation import differentiate
from derive.errors import ProofError
from derive.layers.base import Layer
from derive.layers.linear import Linear
from derive.layers.pairwise import MSELoss
from derive.layers.softmax import Softmax
from derive.slip_cases import Found, Values

LOGITS = tuple(Fraction(n, 100) for n in (23, 89, 45, 12))
"""The notes' own example."""

STATED = tuple(Fraction(n, 100) for n in (5, 70, 20, 5))
DIGITS = 40


def rounded(value: Any) -> Fraction:
    """To the third decimal; ProofError where 40 digits do not settle which way."""
    import sympy

    scaled = sympy.N(value, DIGITS) * 1000
    below = int(sympy.floor(scaled))
    rest = scaled - below
    if abs(rest - sympy.Rational(1, 2)) < sympy.Rational(1, 10**20):
        raise ProofError("a value too near to the middle to be rounded", where=str(value))
    return Fraction(below + int(bool(rest > sympy.Rational(1, 2))), 1000)


def _exact(value: Fraction) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator)


def _layer(layer: Layer, values: tuple[Fraction, ...]) -> Values:
    """The layer's output, by its definition, at an input of one axis."""
    built = layer.to_sympy((len(values),)).output
    return {f"output[{i}]": rounded(_put(built[i], {"input": values})) for i in range(len(values))}


def _put(expression: Any, known: Mapping[str, tuple[Fraction, ...]]) -> Any:
    """An expression with numbers for the entries of tensors, which are counted by their last index."""
    import sympy

    entries = sympy.sympify(expression).atoms(sympy.Indexed)
    return expression.xreplace({e: _exact(known[str(e.base.label)][int(e.indices[-1])]) for e in entries})


def _softmax(denominator: str) -> Values:
    """e^z_i over a denominator: "sum" of all exponentials, or "last": k times the last one."""
    import sympy

    raised = [sympy.exp(_exact(z)) for z in LOGITS]
    below = sympy.Add(*raised) if denominator == "sum" else len(raised) * raised[-1]
    return {f"output[{i}]": rounded(power / below) for i, power in enumerate(raised)}


AT = "Softmax(-1) at (0.23, 0.89, 0.45, 0.12), to the third decimal"


def softmax_numbers() -> Found:
    stated = {f"output[{i}]": value for i, value in enumerate(STATED)}
    return Found(AT, _layer(Softmax(-1), LOGITS), stated, _softmax("sum"))


def softmax_denominator() -> Found:
    at = f"{AT}; the sum over i of e^(z_k) is k e^(z_k), here 4 e^0.12"
    return Found(at, _layer(Softmax(-1), LOGITS), _softmax("last"), _softmax("sum"))


def descent() -> Found:
    """One step for y = w x with the loss (y - t)^2."""
    weight, entry, target, rate = Fraction(2), Fraction(3), Fraction(9), Fraction(1, 20)
    output = weight * entry
    into = _entry(MSELoss(reduction="sum"), "input", input=output, target=target, grad_output=Fraction(1))
    slope = _entry(Linear(1, 1, bias=False), "weight", input=entry, weight=weight, grad_output=into)

    def stepped(direction: Fraction) -> Values:
        new = weight - rate * direction
        return {"w_new": new, "loss after the step": (new * entry - target) ** 2}

    return Found(
        "y = w x by Linear(1, 1), loss (y - t)^2 by MSELoss, w = 2, x = 3, t = 9, eta = 0.05; the loss is "
        f"{(output - target) ** 2} before the step",
        stepped(slope),
        stepped(entry),
        stepped(2 * (output - target) * entry),
    )


def _entry(layer: Layer, wrt: str, **known: Fraction) -> Fraction:
    """The one entry of a gradient at input (1, 1), by its proved closed form."""
    import sympy

    value = sympy.sympify(differentiate(layer, (1, 1), wrt)[wrt].element((0, 0)))
    names = {s: str(getattr(s, "base", s)) for s in value.atoms(sympy.Indexed, sympy.Symbol)}
    found = value.xreplace({s: _exact(known[n]) for s, n in names.items() if n in known})
    return Fraction(int(found.p), int(found.q))
