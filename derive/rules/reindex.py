"""Proposes: sum over v of f(v) = sum over v' of f(v(v')), where a kernel is read at size - 1 - v."""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Read
from derive.index import ONE, name
from derive.rules import Proposal, fresh_names
from derive.steps import Context


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
