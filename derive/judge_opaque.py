"""Owns SymPy's judgement of claims with functions: the loss composed whole, differentiated, compared.

A function stays an undefined SymPy function whose derivative is the table's, so SymPy applies its own chain,
product and quotient rules to one expression; an inverse is a quotient. Both sides of an entry are rational
in the functions' values: each value is replaced by an indeterminate and the numerator of the difference
expanded. Where that is too long, indeterminates and entries are whole numbers drawn at random and the
difference is one rational number. Nothing is simplified and nothing is rounded.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from itertools import product
from math import prod
from typing import Any

import sympy

from derive.claim import Claim
from derive.errors import ProofError
from derive.exhaust import as_user
from derive.exhaust_rows import sizes
from derive.expr import Definition, Partial
from derive.functions import DERIVATIVE, IDENTITY, INVERSE
from derive.meaning import ScalarMeaning

MOST_PRODUCTS = 400
"""Products that the definitions may have together for SymPy to compose the loss (some seconds)."""
MOST_OPERATIONS = 120
"""Operations of a difference whose numerator is expanded; longer ones are evaluated at whole numbers."""
LARGEST = 2**62
"""Whole numbers are drawn below this."""


@cache
def opaque(name: str) -> Any:
    """The SymPy function of that name, which knows its derivative from the table and nothing else."""

    def fdiff(self: Any, argindex: int = 1) -> sympy.Expr:
        x = self.args[0]
        terms = DERIVATIVE.get(name)
        if terms is None or argindex != 1:
            raise ProofError("no derivative of this function is known", where=name)
        return sympy.Add(
            *(
                sympy.Mul(sympy.Rational(c.numerator, c.denominator), *(applied(n, x) for n in names))
                for c, names in terms
            )
        )

    return type(name, (sympy.Function,), {"fdiff": fdiff, "nargs": 1})


def applied(name: str, x: sympy.Expr) -> sympy.Expr:
    """A function at an expression: an inverse is a quotient, the others are opaque."""
    if name == IDENTITY:
        return x
    return 1 / x if name == INVERSE else opaque(name)(x)


class OpaqueMeaning(ScalarMeaning):
    """The meaning in which functions are known by their derivatives alone."""

    def applied(self, function: str, argument: sympy.Expr) -> sympy.Expr:
        return applied(function, argument)


def judge_opaque(
    claim: Claim, draw: random.Random, seed: int, tables: Mapping[str, Any] | None = None
) -> str:
    """SymPy's derivative of the whole loss against the closed form, at every entry; a line on what was done.

    Raises ProofError naming the entry at which the two differ. Large claims are left to the other judges.
    """
    if (count := products(claim)) > MOST_PRODUCTS:
        return f"SymPy: no loss composed, its definitions are {count:,} products at this size"
    means = OpaqueMeaning(claim.setting, tables=tables)
    expanded, drawn = 0, 0
    for cell in product(*map(range, sizes(claim.target))):
        values = {i.name: v for i, v in zip(claim.indices, cell, strict=True)}
        left, right = means.expr(claim.left, values), means.expr(claim.right.body, values)
        exactly = sympy.count_ops(left - right) <= MOST_OPERATIONS
        expanded, drawn = expanded + exactly, drawn + (not exactly)
        if not (same_form if exactly else same_at_numbers)(left, right, draw):
            raise ProofError(
                "the judges disagree",
                where=f"{claim.right.tensor.name}{list(as_user(claim.target, cell))}",
                expected=f"SymPy: {str(left)[:300]}",
                got=f"closed form: {str(right)[:300]}",
                mend="report this as a bug of backflip",
            )
    what = "SymPy diff of the composed loss" if _derived(claim) else "SymPy composition of the definition"
    ways = {"as rational functions": expanded, f"at random whole numbers, seed {seed}": drawn}
    how = [f"{number:,} {said}" for said, number in ways.items() if number]
    result = f"{expanded + drawn:,} entries agree ({', '.join(how)})"
    return f"{what}, functions known by their derivatives alone: {result}"


def same_form(left: sympy.Expr, right: sympy.Expr, draw: random.Random) -> bool:
    """Whether two expressions are one rational function of the entries and the functions' values."""
    _ = draw
    names: dict[sympy.Expr, sympy.Expr] = {}
    numerator, _ = sympy.fraction(sympy.together(plain(left - right, names, lambda: sympy.Dummy())))
    return bool(sympy.expand(numerator) == 0)


def same_at_numbers(left: sympy.Expr, right: sympy.Expr, draw: random.Random) -> bool:
    """Whether two expressions have one value where entries and functions' values are random whole numbers."""
    names: dict[sympy.Expr, sympy.Expr] = {}

    def number() -> sympy.Expr:
        return sympy.Integer(draw.randrange(1, LARGEST))

    difference = plain(left - right, names, number)
    symbols = sorted(difference.free_symbols, key=str)
    return bool(difference.xreplace({s: number() for s in symbols}) == 0)


def plain(expr: sympy.Expr, names: dict[sympy.Expr, sympy.Expr], fresh: Any) -> sympy.Expr:
    """The expression with every value of a function replaced by one `fresh` thing of its own."""
    found = sorted(expr.atoms(sympy.Function), key=lambda f: (-sympy.count_ops(f), str(f)))
    for value in found:
        names.setdefault(value, fresh())
    for value in found:
        expr = expr.xreplace({value: names[value]})
    return expr


def products(claim: Claim) -> int:
    """How many products all definitions and the closed form are at this size."""

    def one(definition: Definition) -> int:
        cells = prod(int(i.extent.evaluate({})) for i in definition.indices)
        each = (prod(int(i.extent.evaluate({})) for i in t.indices) for t in definition.body.terms)
        return cells * sum(each)

    return sum(map(one, (*claim.setting.definitions, claim.right)))


def _derived(claim: Claim) -> bool:
    return any(isinstance(f, Partial) for t in claim.left.terms for f in t.factors)
