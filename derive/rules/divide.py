"""Proposes: a size divided out of a bracket.

[0 <= m f + m - 1 < m h + m - 1] = [0 <= f < h], and [0 <= m f + v < m] = [f = 0] for 0 <= v < m: the quotient
is 0 where only a remainder is left.
"""

from __future__ import annotations

from collections.abc import Iterator

from derive.expr import Expr, Sum
from derive.index import Condition, Form, Within, Zero, name
from derive.rules import Proposal
from derive.steps import Context, sizes_of

FACTOR = "a common factor divided out of the bracket"
REMAINDER = "the bracket holds only a remainder: the quotient is 0"


def propose(context: Context, expr: Expr) -> Iterator[Proposal]:
    """One bracket of one term replaced, by a factor that is a size."""
    sizes = sizes_of(context.setting)
    for t, term in enumerate(expr.terms):
        for bracket in term.conditions:
            if not isinstance(bracket, Within):
                continue
            for factor in sorted(bracket.high.names & bracket.form.names & sizes):
                for new, reason in _read(context, term, bracket, factor):
                    kept = tuple(c for c in term.conditions if c != bracket)
                    yield Proposal("guard", {"term": t, "conditions": (*kept, new)}, reason)


def divided(form: Form, factor: str) -> tuple[Form, Form]:
    """(f, rest), where form = factor f + rest and no term of the rest has the factor.

    >>> m, i = name("m"), name("i")
    >>> print(*divided(m * i - m + i - 1, "m"), sep="; ")
    i - 1; i - 1
    """
    inside = [(m.index(factor), m, c) for m, c in form.terms if factor in m]
    rest = Form.collect((m, c) for m, c in form.terms if factor not in m)
    return Form.collect((m[:i] + m[i + 1 :], c) for i, m, c in inside), rest


def _read(context: Context, term: Sum, bracket: Within, factor: str) -> Iterator[tuple[Condition, str]]:
    """The bracket with the factor divided out, in the ways that the forms allow."""
    less = name(factor) - 1
    form, left = divided(bracket.form - less, factor)
    high, over = divided(bracket.high - less, factor)
    if not left.terms and not over.terms:
        yield Within(form, high), FACTOR
    quotient, rest = divided(bracket.form, factor)
    remainders = [i.form for i in (*context.free, *term.indices) if i.extent == name(factor)]
    if bracket.high == name(factor) and quotient.terms and rest in remainders:
        yield Zero(quotient), REMAINDER
