"""Proposes: 1/T[e] * (the body of T at e) = 1."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from derive.expr import Apply, Expr, Sum, substitute
from derive.functions import INVERSE
from derive.index import name
from derive.rules import Proposal
from derive.steps import Context

MOST_TRIED = 200
"""Ways to read summed indices of a term as those of the body that are tried."""


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """Where the factors and sums of what is inverted stand beside the inverse."""
    for t, term in enumerate(expr.terms):
        for f, factor in enumerate(term.factors):
            if not isinstance(factor, Apply) or factor.function != INVERSE:
                continue
            definition = context.setting.definition(factor.of.tensor.name)
            if definition is None or len(definition.body.terms) != 1:
                continue
            for spare, indices in _readings(context, term, factor):
                arguments = {"term": t, "factor": f, "spare": spare, "indices": indices}
                reason = f"{factor.of.tensor.name} times its inverse is 1"
                yield Proposal("cancel", arguments, reason)


def _readings(
    context: Context, term: Sum, inverse: Apply
) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Places of the body's factors, and names of its summed indices, in the term."""
    (body,) = context.bodies(inverse.of)
    free = [i for i in term.indices if i.name not in inverse.names]
    values = context.values(inverse.of)
    candidates = [[i for i in free if i.extent == b.extent] for b in body.indices]
    for count, chosen in enumerate(product(*candidates)):
        if count >= MOST_TRIED or body.conditions:
            return
        if len(set(chosen)) < len(chosen):
            continue
        renaming = {b.name: name(i.name) for b, i in zip(body.indices, chosen, strict=True)}
        wanted = substitute(body, {**values, **renaming}).factors
        left = list(enumerate(term.factors))
        spare: list[int] = []
        for factor in wanted:
            place = next((j for j, other in left if other == factor and j not in spare), None)
            if place is None:
                break
            spare.append(place)
        names = {i.name for i in chosen}
        rest = [f for j, f in left if j not in spare and f != inverse]
        if len(spare) == len(wanted) and not any(names & set(o.names) for o in (*rest, *term.conditions)):
            yield tuple(spare), tuple(i.name for i in chosen)
