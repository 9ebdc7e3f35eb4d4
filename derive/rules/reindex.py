"""Proposes: sum over v of f(v) = sum over v' of f(v(v')): a flip undone, or a bracket's own range."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Read
from derive.index import ONE, Within, name
from derive.rules import Proposal, fresh_names
from derive.steps import Context, sizes_of


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """v' := the place where v, reversed, reads an input: the change of variable that undoes a flip."""
    for t, term in enumerate(expr.terms):
        for factor in term.factors:
            if not isinstance(factor, Read):
                continue
            for place, extent in zip(factor.index, factor.tensor.shape, strict=True):
                for index in term.indices:
                    if place.coefficient(index.name) != -ONE:
                        continue
                    wanted = "a" + index.name[1:]
                    (new,) = fresh_names([wanted], context.taken(term))
                    arguments = {
                        "term": t,
                        "index": index.name,
                        "new": new,
                        "extent": extent,
                        "forward": place.substitute({index.name: name(new)}),
                        "backward": place,
                    }
                    yield Proposal(
                        "reindex", arguments, f"change of variable {new} := {place}: undo the flip"
                    )


def narrow(context: Context, expr: Expr) -> Iterator[Proposal]:
    """v' := v + c, where the bracket [0 <= v + c < h] leaves h values of v."""
    sizes = sizes_of(context.setting)
    for t, term in enumerate(expr.terms):
        for condition in term.conditions:
            if not isinstance(condition, Within) or not condition.high.names <= sizes:
                continue
            for index in term.indices:
                shift = condition.form - index.form
                if condition.form.coefficient(index.name) != ONE or not shift.names <= sizes:
                    continue
                (new,) = fresh_names([index.name], context.taken(term))
                arguments = {
                    "term": t,
                    "index": index.name,
                    "new": new,
                    "extent": condition.high,
                    "forward": name(new) - shift,
                    "backward": condition.form,
                }
                reason = f"change of variable {new} := {condition.form}: the bracket's own range"
                yield Proposal("reindex", arguments, reason)
