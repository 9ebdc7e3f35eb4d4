"""Proposes: d T[e]/d X[u] = sum over the occurrences of X in the definition of T."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Partial
from derive.rules import Proposal, names_for
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    for t, term in enumerate(expr.terms):
        for f, factor in enumerate(term.factors):
            if isinstance(factor, Partial):
                title = factor.of.tensor
                reason = (
                    f"chain rule: every entry of what defines {title.name} contributes"
                    if not title.shape
                    else f"local derivative: {title.name} changes only where it reads that entry of "
                    f"{factor.wrt.tensor.name}"
                )
                fresh = names_for(context, term, title.name)
                yield Proposal("chain", {"term": t, "factor": f, "fresh": fresh}, reason)
