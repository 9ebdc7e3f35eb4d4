"""Owns the picture of an expression for SymPy users: unevaluated Sum and Piecewise; no judge uses it."""

from __future__ import annotations

from typing import Any

import sympy

from derive.claim import Claim
from derive.expr import Apply, Expr, Factor, Read, Sum
from derive.functions_formulas import formula
from derive.index import Condition, Form, Zero
from derive.layers.base import flat_index


def to_sympy(expr: Expr) -> sympy.Expr:
    """A picture of an expression for SymPy users: unevaluated Sum over Piecewise, sizes kept.

    Conditions are Eq and And inside Piecewise, never KroneckerDelta: SymPy solves sums over deltas over
    the rationals, so `.doit()` would be wrong for strides. A derivative is an unevaluated Derivative of a
    function of the input arrays. The picture is for reading and for expansion at numbers; proofs do not
    use it.
    """
    return sympy.Add(*(_term_picture(t) for t in expr.terms))


def equation(claim: Claim, left: Expr, right: Expr) -> sympy.Basic:
    """Eq(left, right), unevaluated; both are expressions in the claim's setting."""
    _ = claim
    return sympy.Eq(to_sympy(left), to_sympy(right), evaluate=False)


def number(form: Form) -> sympy.Expr:
    """An integer form over integer Symbols."""
    return sympy.Add(*(sympy.Mul(c, *(sympy.Symbol(n, integer=True) for n in m)) for m, c in form.terms))


def _term_picture(term: Sum) -> sympy.Expr:
    scale = sympy.Rational(term.coefficient.numerator, term.coefficient.denominator)
    body = sympy.Mul(*(_factor_picture(f) for f in term.factors))
    if term.conditions:
        body = sympy.Piecewise((body, sympy.And(*map(_condition_picture, term.conditions))), (0, True))
    limits = [(sympy.Symbol(i.name, integer=True), 0, number(i.extent) - 1) for i in term.indices]
    return sympy.Mul(scale, sympy.Sum(body, *limits) if limits else body)


def _condition_picture(condition: Condition) -> Any:
    form = number(condition.form)
    if isinstance(condition, Zero):
        return sympy.Eq(form, 0)
    return sympy.And(form >= 0, form < number(condition.high))


def _factor_picture(factor: Factor) -> sympy.Expr:
    if isinstance(factor, Read):
        return _read_picture(factor)
    if isinstance(factor, Apply):
        return formula(factor.function, _read_picture(factor.of))
    of, wrt = factor.of, _read_picture(factor.wrt)
    label = sympy.Symbol(factor.wrt.tensor.name)
    function = sympy.Function(of.tensor.name)(*map(number, of.index), label)
    return sympy.Derivative(function, wrt, evaluate=False)


def _read_picture(read: Read) -> sympy.Expr:
    index = flat_index(read.tensor, read.index) if read.tensor.layout else read.index
    base = read.tensor.name
    return sympy.IndexedBase(base)[tuple(map(number, index))] if index else sympy.Symbol(base)
