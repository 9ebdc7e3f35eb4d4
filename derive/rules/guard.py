"""Proposes: [a][b] f = [b] f, where b implies a; and a bracket in other words, where an equation allows."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Sum
from derive.index import ONE, Within, Zero
from derive.rules import Proposal
from derive.steps import Context

REDUNDANT = "the equation already keeps the index inside: the bracket is redundant"
IMPLIED = "the index never leaves the bracket: it is redundant"
INSIDE = "the equation has a solution only where the summed index can take it"
ONLY = "the summed index takes one value"
MIRRORED = "the bracket read from its other end"
RESTATED = "the equation restates the bracket for the entry itself"


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """All range conditions dropped at once, then one at a time; then one restated by an equation."""
    for t, term in enumerate(expr.terms):
        ranges = [c for c in term.conditions if isinstance(c, Within)]
        if not ranges:
            continue
        equations = [c for c in term.conditions if isinstance(c, Zero)]
        for dropped in [ranges, *([c] for c in ranges if len(ranges) > 1)]:
            met = any(c.form.names & e.names for c in dropped for e in equations)
            reason = REDUNDANT if met else IMPLIED
            kept = tuple(c for c in term.conditions if c not in dropped)
            yield Proposal("guard", {"term": t, "conditions": kept}, reason)
        for before, after, why in (*_restated(term), *_mirrored(ranges)):
            conditions = tuple(after if c == before else c for c in term.conditions)
            yield Proposal("guard", {"term": t, "conditions": conditions}, why)


def widen(context: Context, expr: Expr) -> Iterator[Proposal]:
    """[v = e] f = [v = e][0 <= e < extent of v] f: what an elimination of v needs and the sum implies."""
    for t, term in enumerate(expr.terms):
        for index in term.indices:
            for condition in term.conditions:
                slope = condition.form.coefficient(index.name) if isinstance(condition, Zero) else None
                if slope not in (ONE, -ONE):
                    continue
                point = index.form - condition.form if slope == ONE else index.form + condition.form
                inside = Within(point, index.extent)
                if inside not in term.conditions:
                    conditions = (*term.conditions, inside)
                    yield Proposal("guard", {"term": t, "conditions": conditions}, INSIDE)


def pin(context: Context, expr: Expr) -> Iterator[Proposal]:
    """f(v) = [v = 0] f(v) for a summed index of extent 1, so that it can be eliminated."""
    for t, term in enumerate(expr.terms):
        for index in term.indices:
            only = Zero(index.form)
            if index.extent == ONE and only not in term.conditions:
                yield Proposal("guard", {"term": t, "conditions": (*term.conditions, only)}, ONLY)


def _mirrored(ranges: list[Within]) -> Iterator[tuple[Within, Within, str]]:
    """[0 <= f < h] = [0 <= h-1-f < h], where that is the shorter way to say it."""
    for condition in ranges:
        turned = condition.high - 1 - condition.form
        if len(turned.terms) < len(condition.form.terms):
            yield condition, Within(turned, condition.high), MIRRORED


def _restated(term: Sum) -> Iterator[tuple[Within, Within, str]]:
    """Range conditions with an equation added to or taken from their form, where fewer sums occur in them."""
    equations = [c for c in term.conditions if isinstance(c, Zero)]
    for condition in term.conditions:
        if not isinstance(condition, Within) or not condition.form.names & term.bound:
            continue
        for equation in equations:
            for form in (condition.form + equation.form, condition.form - equation.form):
                if len(form.names & term.bound) < len(condition.form.names & term.bound):
                    yield condition, Within(form, condition.high), RESTATED
