"""Owns what is asked of Z3: nonlinear whole numbers, every size symbolic. Optional, and never trusted.

Z3 need not decide such a question, and its nonlinear part has had soundness bugs; that it refutes the
negation of an obligation is an opinion beside the certificate, not a proof. Its effort is bounded by a count
of its own steps and not by a clock, so that the answer is the same on a slow machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from derive.certify import Obligation
from derive.claim import Fact
from derive.index import Form
from derive.opinions_answer import Answer, installed

EFFORT = 30_000_000
"""Z3's own count of steps for one question; what claims need takes less than a thirtieth of it."""


def package() -> str:
    """Name and version, for the reader; LimitError where it is not installed."""
    return f"z3 {_z3().get_version_string()}"


def reach(places: int) -> str:
    """How far its agreement with obligations reaches."""
    return "their negations are unsatisfiable with every size symbolic"


def refute(obligation: Obligation) -> Answer:
    """Whether there are whole numbers at which the facts hold and the goal does not."""
    return point((*obligation.facts, Fact(-obligation.goal - 1)))


def point(facts: Sequence[Fact], effort: int = EFFORT) -> Answer:
    """Whole numbers for every name at which all facts hold, or that there are none, or that it gave up."""
    z3 = _z3()
    solver = z3.Solver(ctx=_context())
    solver.set("rlimit", effort)
    names = sorted(frozenset[str]().union(*(f.form.names for f in facts)))
    values = {n: z3.Int(n, solver.ctx) for n in names}
    for fact in facts:
        value = _value(fact.form, values, solver.ctx)
        solver.add(value == 0 if fact.equal else value >= 0)
    found = solver.check()
    if found == z3.unsat:
        return Answer(True, "every size symbolic", places=1)
    if found == z3.sat:
        model = solver.model()
        at = {n: model.eval(v, model_completion=True).as_long() for n, v in values.items()}
        return Answer(False, "a model", at)
    return Answer(False, f"Z3 gave up: {solver.reason_unknown()}")


def _value(form: Form, values: dict[str, Any], context: Any) -> Any:
    z3 = _z3()
    total: Any = z3.IntVal(0, context)
    for monomial, coefficient in form.terms:
        product: Any = z3.IntVal(coefficient, context)
        for n in monomial:
            product = product * values[n]
        total = total + product
    return total


@cache
def _context() -> Any:
    """A context of our own, so that nobody else's settings matter; a new one for each question is slow."""
    return _z3().Context()


def _z3() -> Any:
    return installed("z3", "z3-solver")
