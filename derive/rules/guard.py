"""Proposes: [a][b] f = [b] f, where b implies a under the hypotheses."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr
from derive.index import Within, Zero
from derive.rules import Proposal
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """All range conditions dropped at once, then one at a time, where an equation is there to imply them."""
    for t, term in enumerate(expr.terms):
        ranges = [c for c in term.conditions if isinstance(c, Within)]
        if not ranges or not any(isinstance(c, Zero) for c in term.conditions):
            continue
        for dropped in [ranges, *([c] for c in ranges if len(ranges) > 1)]:
            kept = tuple(c for c in term.conditions if c not in dropped)
            reason = "the equation already keeps the index inside: the bracket is redundant"
            yield Proposal("guard", {"term": t, "conditions": kept}, reason)
