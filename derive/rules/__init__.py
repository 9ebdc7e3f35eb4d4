"""Owns the proposals: each file looks at an expression and suggests arguments for one rule of `check.py`.

Nothing here is trusted. A proposal is (arguments, reason); the checker recomputes the step from the
arguments and asks for certificates, so a wrong proposal is refused, never believed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from derive.expr import Sum
from derive.steps import Context


@dataclass(frozen=True)
class Proposal:
    """A rule, its arguments, and what is said to the reader; `then` follows at once, or neither is taken."""

    rule: str
    arguments: Mapping[str, Any]
    reason: str
    then: Proposal | None = None


def fresh_names(wanted: Collection[str], taken: Collection[str]) -> tuple[str, ...]:
    """Each wanted name, primed until nobody else uses it.

    >>> fresh_names(["n", "k"], {"n", "i"})
    ("n'", 'k')
    """
    used, chosen = set(taken), []
    for name in wanted:
        while name in used:
            name += "'"
        used.add(name)
        chosen.append(name)
    return tuple(chosen)


def names_for(context: Context, term: Sum, tensor: str) -> tuple[tuple[str, ...], ...]:
    """Fresh names for the indices that unfolding `tensor` brings in, one tuple a term of its body."""
    definition = context.setting.definition(tensor)
    if definition is None:
        return ()
    taken = context.taken(term)
    return tuple(fresh_names([i.name for i in body.indices], taken) for body in definition.body.terms)
