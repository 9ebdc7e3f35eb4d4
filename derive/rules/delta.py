"""Proposes: sum over v of [v = e] f(v) = f(e)."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr
from derive.index import ONE, Zero
from derive.rules import Proposal
from derive.steps import Context


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """Deltas that pin a summed index to a form, the indices that came last first."""
    for t, term in enumerate(expr.terms):
        for index in reversed(term.indices):
            for c, condition in enumerate(term.conditions):
                if isinstance(condition, Zero) and condition.form.coefficient(index.name) in (ONE, -ONE):
                    arguments = {"term": t, "index": index.name, "condition": c}
                    yield Proposal(
                        "delta", arguments, "delta elimination: one value of the summed index remains"
                    )
