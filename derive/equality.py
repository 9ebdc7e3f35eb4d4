"""Equality of normal forms: up to order and the names of summed indices, nothing else. Trusted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from math import factorial, prod

from derive.certify import refuse
from derive.expr import Expr, Factor, Sum, substitute
from derive.index import Condition, Form, Index

MOST_RENAMINGS = 50_000
"""Bijections of summed indices that comparing two terms may try."""


def same(left: Expr, right: Expr) -> bool:
    """Equal up to the order of terms, conditions and factors, and the names of summed indices."""
    if len(left.terms) != len(right.terms):
        return False
    unused = list(right.terms)
    for term in left.terms:
        match = next((t for t in unused if same_term(term, t)), None)
        if match is None:
            return False
        unused.remove(match)
    return True


def same_term(left: Sum, right: Sum) -> bool:
    return same_renaming(left, right) is not None


def same_renaming(left: Sum, right: Sum) -> dict[str, Form] | None:
    """The renaming of right's summed indices to left's under which the terms are equal, or None."""
    shapes = (len(left.conditions), len(left.factors), left.coefficient)
    if shapes != (len(right.conditions), len(right.factors), right.coefficient):
        return None
    if left.bound & (right.names - right.bound) or right.bound & (left.names - left.bound):
        return None
    wanted = _parts(left)
    renamings = _renamings(left.indices, right.indices)
    return next((r for r in renamings if _parts(substitute(right, r)) == wanted), None)


def _parts(term: Sum) -> tuple[list[Condition], list[Factor]]:
    return sorted(term.conditions, key=str), sorted(term.factors, key=str)


def _renamings(left: tuple[Index, ...], right: tuple[Index, ...]) -> Iterator[dict[str, Form]]:
    """Every bijection of summed indices that respects extents, as a renaming of right's to left's."""
    extents_of = [i.extent for i in left]
    extents = sorted(set(extents_of))
    if sorted(i.extent for i in left) != sorted(i.extent for i in right):
        return
    if prod(factorial(extents_of.count(e)) for e in extents) > MOST_RENAMINGS:
        raise refuse("too many summed indices of one extent", "equality of normal forms")
    groups = [([i for i in left if i.extent == e], [i for i in right if i.extent == e]) for e in extents]
    for choice in product(*(permutations(mine) for mine, _ in groups)):
        pairs = [
            (theirs.name, mine.form)
            for chosen, (_, others) in zip(choice, groups, strict=True)
            for mine, theirs in zip(chosen, others, strict=True)
        ]
        yield dict(pairs)
