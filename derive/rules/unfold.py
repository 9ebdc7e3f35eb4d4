"""Proposes: T[e] = the body of the definition of T at e."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Read
from derive.rules import Proposal, names_for
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    for t, term in enumerate(expr.terms):
        for f, factor in enumerate(term.factors):
            definition = isinstance(factor, Read) and context.setting.definition(factor.tensor.name)
            if definition:
                fresh = names_for(context, term, definition.tensor.name)
                arguments = {"term": t, "factor": f, "fresh": fresh}
                yield Proposal(
                    "unfold", arguments, f"definition of {definition.tensor.name} ({definition.role})"
                )
