"""Owns sizes at which a theorem between layers is tried: drawn so that its hypotheses hold."""

from __future__ import annotations

import random

from derive.claim import Claim, Fact
from derive.index import Form
from derive.steps import sizes_of

TRIES = 20_000


def sizes_at(claim: Claim, draw: random.Random, most: int = 3) -> dict[str, int]:
    """A value for every size: lengths up to `most` or a little more, the rest from 0, equations solved."""
    facts = claim.setting.facts
    names = sorted(sizes_of(claim.setting))
    equations = [f for f in facts if f.equal]
    low = {n: 1 if Fact(Form(((("",), 0),)) + _name(n) - 1) in facts else 0 for n in names}
    for _ in range(TRIES):
        values = {n: draw.randint(low[n], max(low[n], most if low[n] else 2)) for n in names}
        for equation in equations:
            solve(equation.form, values)
        if all(f.holds(values) for f in facts):
            return values
    raise AssertionError(f"no sizes found for {claim.name}: {[str(f) for f in facts]}")


def solve(form: Form, values: dict[str, int]) -> None:
    """Give the input's length, which occurs in the equation alone, the value that makes the form 0."""
    for monomial, coefficient in form.terms:
        if len(monomial) == 1 and abs(coefficient) == 1 and monomial[0] in free_lengths(form):
            rest = form.evaluate(values | {monomial[0]: 0})
            values[monomial[0]] = -coefficient * rest
            return
    raise AssertionError(f"no length to solve {form} = 0 for")


def free_lengths(form: Form) -> list[str]:
    """Names that occur in one term of the form, which they make up."""
    return [n for n in form.names if sum(n in m for m, _ in form.terms) == 1 and (n,) in dict(form.terms)]


def _name(text: str) -> Form:
    return Form((((text,), 1),))
