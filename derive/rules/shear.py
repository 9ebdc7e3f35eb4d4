"""Proposes: sum over v of [0 <= v + e < h] f(v) = sum over v' < h of f(v' - e), where e holds other indices.

The bracket becomes the range of the new index. Where the old range is not implied then, it is first written
as a bracket of its own: the two ranges change places.
"""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Sum
from derive.index import ONE, Form, Index, Within, name
from derive.rules import Proposal, fresh_names
from derive.steps import Context, sizes_of

RANGE = "the range of the summed index written as a bracket"


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """v' := v + e of the bracket, or e - v."""
    sizes = sizes_of(context.setting)
    for t, term in enumerate(expr.terms):
        for condition in term.conditions:
            if not isinstance(condition, Within) or not condition.high.names <= sizes:
                continue
            for index in term.indices:
                if condition.form.coefficient(index.name) in (ONE, -ONE):
                    change = _change(context, term, t, index, condition)
                    yield change
                    if _before(condition.high, index.extent):
                        kept = (*term.conditions, Within(index.form, index.extent))
                        yield Proposal("guard", {"term": t, "conditions": kept}, RANGE, change)


def _change(context: Context, term: Sum, t: int, index: Index, bracket: Within) -> Proposal:
    form = bracket.form
    (new,) = fresh_names([index.name], context.taken(term))
    rest = form.substitute({index.name: Form()})
    forward = name(new) - rest if form.coefficient(index.name) == ONE else rest - name(new)
    arguments = {
        "term": t,
        "index": index.name,
        "new": new,
        "extent": bracket.high,
        "forward": forward,
        "backward": form,
    }
    reason = f"change of variable {new} := {form}: the bracket's own range"
    return Proposal("reindex", arguments, reason)


def _before(one: Form, other: Form) -> bool:
    """A fixed order of ranges, so that two brackets do not change places for ever: k comes before H."""
    return str(one) > str(other)
