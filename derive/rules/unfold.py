"""Proposes: T[e] = the body of the definition of T at e."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from derive.expr import Expr, Read
from derive.rules import Proposal, names_for
from derive.steps import Context


def keeping(kept: frozenset[str]) -> Callable[[Context, Expr], Iterator[Proposal]]:
    """The same without the named tensors, which both sides keep as they are.

    One whose summed index occurs nowhere else in its term is unfolded: its sum may be known.
    """

    def proposals(context: Context, expr: Expr) -> Iterator[Proposal]:
        for proposal in propose(context, expr):
            term = expr.terms[proposal.arguments["term"]]
            place = proposal.arguments["factor"]
            read = term.factors[place]
            own = read.names & term.bound
            others = [f.names for j, f in enumerate(term.factors) if j != place]
            lonely = own and not own & frozenset().union(*others, *(c.names for c in term.conditions))
            if lonely or not (isinstance(read, Read) and read.tensor.name in kept):
                yield proposal

    return proposals


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """Every read of a defined tensor."""
    for t, term in enumerate(expr.terms):
        for f, factor in enumerate(term.factors):
            definition = isinstance(factor, Read) and context.setting.definition(factor.tensor.name)
            if definition:
                fresh = names_for(context, term, definition.tensor.name)
                arguments = {"term": t, "factor": f, "fresh": fresh}
                yield Proposal(
                    "unfold", arguments, f"definition of {definition.tensor.name} ({definition.role})"
                )
