"""Proposes: c f + d f = (c + d) f."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from derive.equality import same_term
from derive.expr import Expr
from derive.rules import Proposal
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """The first two like terms, in order."""
    _ = context
    for t, term in enumerate(expr.terms):
        for o in range(t + 1, len(expr.terms)):
            other = expr.terms[o]
            if len(other.factors) == len(term.factors) and same_term(
                term, replace(other, coefficient=term.coefficient)
            ):
                whole = term.coefficient + other.coefficient
                reason = "like terms added" if whole else "the two terms cancel"
                yield Proposal("collect", {"term": t, "other": o}, reason)
