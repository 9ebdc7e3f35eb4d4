"""Proposes: d T[e]/d X[u] = sum over the occurrences of X in the definition of T."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Partial, entry_of
from derive.rules import Proposal, names_for
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    for t, term in enumerate(expr.terms):
        for f, factor in enumerate(term.factors):
            if isinstance(factor, Partial):
                title = factor.of.tensor
                reason = _reason(context, factor)
                fresh = names_for(context, term, title.name)
                yield Proposal("chain", {"term": t, "factor": f, "fresh": fresh}, reason)


def _reason(context: Context, factor: Partial) -> str:
    """Whether the tensor reads the entry itself, or through what it is defined from."""
    title, wrt = factor.of.tensor, factor.wrt.tensor
    definition = context.setting.definition(title.name)
    reads = (
        [e.tensor for t in definition.body.terms for f in t.factors if (e := entry_of(f)) is not None]
        if definition
        else []
    )
    if title.shape and wrt in reads:
        return f"local derivative: {title.name} changes only where it reads that entry of {wrt.name}"
    return f"chain rule: every entry of what defines {title.name} contributes"
