"""Owns the choice of what stays an array and what is opened: a right side with its helpers, as terms.

A helper kept is an array in the workspace, filled before the contraction reads it; a helper opened is its
definition put in place of its reads, which may leave conditions, terms and factors behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from codegen.algebra import Book, ranges_of, slope
from codegen.pieces import pairs
from codegen.schedules.nest import Term
from codegen.schedules.steps import Plan
from derive.expr import Definition, Expr, Read
from derive.index import Zero

Helpers = Mapping[str, Definition]

FEW = 32
"""Products of an entry, up to which a padded copy of what they read may cost more than they do."""


def expression(right: Definition, helpers: Helpers) -> Expr:
    """The right side with its helpers kept as arrays, or opened where that is better and possible.

    It is better where a helper inserts zeros, which would be multiplied for nothing, or where all that
    happens is that entries are moved and added. It is possible where every condition left decides a range.
    """
    kept = book(helpers).expression(right, guards=False)
    moves = all(len(t.factors) == 1 and not t.indices for t in kept.terms)
    if not any(_opens(helpers[n], moves) for n in beneath(kept, helpers)):
        return kept
    opened = book(helpers).expression(right, guards=True)
    return opened if _ranged(opened, right) else kept


def bare(right: Definition, helpers: Helpers) -> Expr | None:
    """The right side with no array of a helper, where its sums are of few products.

    None where some helper stays, or none was there, or a condition is left that decides no range.
    """
    if not beneath(book(helpers).expression(right, guards=False), helpers):
        return None
    opened = book(helpers).expression(right, guards=True)
    terms = (Term(ranges_of(t.indices), t.conditions, ()) for t in opened.terms)
    few = all(Plan.of(0, t).turns <= FEW for t in terms)
    return opened if few and not beneath(opened, helpers) and _ranged(opened, right) else None


def _ranged(opened: Expr, right: Definition) -> bool:
    """Whether every condition on several indices is one on the range of a summed index."""
    free = ranges_of(right.indices)
    for term in opened.terms:
        held = {p.bound for p in pairs(Term(ranges_of(term.indices), term.conditions, ()), free)}
        if any(len(c.names) > 1 and not c.names & held for c in term.conditions):
            return False
    return True


def book(helpers: Helpers, *keep: str) -> Book:
    """What may be unfolded: a helper that is a contraction is computed once, never for each read."""
    sums = (n for n, d in helpers.items() if any(t.indices and len(t.factors) > 1 for t in d.body.terms))
    return Book(helpers, frozenset({*keep, *sums}))


def beneath(expr: Expr, helpers: Helpers) -> set[str]:
    """The helpers that an expression reads, directly or through others."""
    found: set[str] = set()
    pending = [expr]
    while pending:
        reads = {f.tensor.name for t in pending.pop().terms for f in t.factors if isinstance(f, Read)}
        fresh = (reads & set(helpers)) - found
        found |= fresh
        pending += [helpers[n].body for n in fresh]
    return found


def _opens(helper: Definition, moves: bool) -> bool:
    """Whether an array of this helper would hold inserted zeros, or be one stage of only moving entries."""
    inserted = any(
        isinstance(c, Zero) and any(abs(slope(c.form, i.name)) > 1 for i in t.indices)
        for t in helper.body.terms
        for c in t.conditions
    )
    return inserted or (moves and len(helper.body.terms) > 1)
