"""Owns sums over several indices that are done one index after another: first along columns, then along rows.

    sum_{a, b} u[i, a] v[j, b] x[a, b]  =  sum_b v[j, b] (sum_a u[i, a] x[a, b])

An identity of sums: what does not name an index stands outside of its sum. A factor that names no summed
index at all, the share of a mean, stands in front of a long one. The inner sums are an array in
the workspace, of few rows at a time where stages share an index (`codegen.fusing`).
"""

from __future__ import annotations

from dataclasses import replace

from codegen.algebra import ranges_of
from codegen.curved import Curved
from codegen.facts import Facts
from codegen.loops import Kernel
from codegen.opening import Helpers, beneath
from codegen.schedules.nest import Target, Term
from codegen.schedules.steps import Plan
from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import Index

LEAST = 3.0
"""Products of an entry, from which on a sum is worth two passes."""
MANY = 32.0
"""The same for a factor in front of the whole sum, which is then multiplied once."""
INNER = "inner_sum"


def in_stages(title: str, claim: Claim, target: Target, facts: Facts) -> list[tuple[Kernel, float]]:
    """The kernel of a sum that separates, one index after another, and its cycles; none where it does not."""
    two = separated(claim, {d.tensor.name: d for d in claim.setting.definitions})
    if two is None:
        return []
    kernel, cost = Curved(title, two, target, facts).costed()
    if kernel.constants:
        return []
    return [(replace(kernel, equation=f"{claim.left} = {claim.right}", definitions=()), cost)]


def separated(claim: Claim, helpers: Helpers) -> Claim | None:
    """The claim with its sum in two stages; None where it does not separate, or that is not worth it."""
    terms = claim.right.body.terms
    term = terms[0] if len(terms) == 1 else None
    if term is None or len(term.indices) < 2 or beneath(claim.right.body, helpers) or term.coefficient != 1:
        return None
    turns = Plan.of(0, Term(ranges_of(term.indices), term.conditions, ())).turns
    stages = [_inner(claim, term, index) for index in term.indices if turns >= LEAST]
    stages += [_bare(claim, term)] if turns >= MANY else []
    stage = next((s for s in stages if s is not None), None)
    if stage is None:
        return None
    setting = replace(claim.setting, definitions=(*claim.setting.definitions, stage))
    body = Expr((_outer(term, stage),))
    return replace(claim, setting=setting, right=replace(claim.right, body=body))


def _bare(claim: Claim, term: Sum) -> Definition | None:
    """The whole sum without the factors that no summed index changes."""
    named = tuple(f for f in term.factors if f.names & term.bound)
    if not 0 < len(named) < len(term.factors):
        return None
    tensor = Tensor(INNER, claim.right.tensor.shape)
    body = Expr((Sum(term.indices, term.conditions, named),))
    return Definition(tensor, claim.right.indices, body, "the sum alone")


def _inner(claim: Claim, term: Sum, index: Index) -> Definition | None:
    """The sum over one index that is not the last of any longer read, of all that names it."""
    named = tuple(f for f in term.factors if index.name in f.names)
    conditions = tuple(c for c in term.conditions if index.name in c.names)
    reads = [f for f in named if isinstance(f, Read)]
    if len(reads) != len(named) or len(named) < 2 or len(named) == len(term.factors):
        return None
    if any(index.name in r.index[-1].names for r in reads if len(r.index) > 2):
        return None
    used = frozenset().union(*(f.names for f in named), *(c.names for c in conditions))
    free = [i for i in (*claim.right.indices, *term.indices) if i.name in used and i != index]
    tensor = Tensor(INNER, tuple(i.extent for i in free))
    body = Expr((Sum((index,), conditions, named),))
    return Definition(tensor, tuple(free), body, f"the sum over {index.name}")


def _outer(term: Sum, stage: Definition) -> Sum:
    """What is left to do with the inner sums."""
    (inner,) = stage.body.terms
    factors = tuple(f for f in term.factors if f not in inner.factors)
    conditions = tuple(c for c in term.conditions if c not in inner.conditions)
    return Sum(tuple(i for i in term.indices if i not in inner.indices), conditions, (*factors, stage.left))
