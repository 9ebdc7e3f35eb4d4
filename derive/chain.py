"""Owns how a long chain stays readable: which equations share a line, and which terms of a sum are written.

Nothing is left out silently: every equation has its number on some line, and terms not written are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from derive.expr import Expr
from derive.notation.build import Builder
from derive.notation.tree import Elided, Inline, Node, Plus

if TYPE_CHECKING:
    from derive.equations import Line

MOST_TERMS = 4
"""Terms of a sum that a line writes out; of a longer sum those that the step has changed come first."""

MOST_LINES = 20
"""Equations of a chain that are all written out; in a longer one, steps repeated elsewhere are joined."""


def joined(lines: Sequence[Line]) -> list[tuple[int, int]]:
    """Which equations share a line, as (start, end): in a long chain, steps of which one came before.

    Every equation is in exactly one part.
    """
    if len(lines) <= MOST_LINES:
        return [(i, i + 1) for i in range(len(lines))]
    parts: list[tuple[int, int]] = []
    met: set[str] = set()
    running = False
    for place, line in enumerate(lines):
        repeated = _kind(line) in met
        if repeated and running:
            parts[-1] = (parts[-1][0], place + 1)
        else:
            parts.append((place, place + 1))
        running = repeated
        met.add(_kind(line))
    return parts


def _kind(line: Line) -> str:
    """What a step does, without the letters of a change of variable."""
    if line.rule != "reindex":
        return line.reason
    _, colon, what = line.reason.rpartition(": ")
    return f"change of variable{colon}{what}" if colon else "change of variable"


def reason(lines: Sequence[Line], builder: Builder) -> Inline:
    """The reason of one equation; of several, how many they are and what each kind of step was."""
    if len(lines) == 1:
        return builder.words(lines[0].reason)
    kinds = ", ".join(dict.fromkeys(map(_kind, lines)))
    return builder.words(f"{len(lines)} equations in one line, steps as above on other terms: {kinds}")


def right_side(before: Expr, after: Expr, builder: Builder) -> Node:
    """A right side; of a long sum the first terms that the step changed, and how many there are besides."""
    if len(after.terms) <= MOST_TERMS:
        return builder.expr(after)
    left, changed = Counter(before.terms), []
    for term in after.terms:
        left[term] -= 1
        if left[term] < 0:
            changed.append(term)
    body = builder.expr(Expr(tuple(changed[:MOST_TERMS])))
    terms = list(body.terms) if isinstance(body, Plus) else [(False, body)] * bool(changed)
    if len(changed) > MOST_TERMS:
        terms.append((False, Elided(len(changed) - MOST_TERMS)))
    if kept := len(after.terms) - len(changed):
        terms.append((False, Elided(kept, "terms as before")))
    return Plus(tuple(terms))
