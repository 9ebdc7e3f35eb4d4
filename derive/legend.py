"""Owns how a document introduces its symbols: letters, sizes, and the hypotheses about sizes, in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from derive.claim import Fact
from derive.index import Form, name
from derive.notation.build import Builder
from derive.notation.symbols import TENSORS, size_meaning
from derive.notation.tree import Bracket, Called, Inline, Name, Number, Sign, Span

CONVENTIONS = " Indices count from 0; a bracket is 1 where its condition holds and 0 elsewhere."


def letters(tensors: Sequence[str]) -> Inline:
    """Each tensor's letter and meaning."""
    out: list[Span] = []
    for tensor in dict.fromkeys(tensors):
        out += [Called(tensor), f": {TENSORS[tensor].meaning if tensor in TENSORS else tensor}", "; "]
    return (*out[:-1], ".")


def channels(sizes: Collection[str], builder: Builder) -> Inline:
    """How a group and a channel in it make one index."""
    if "groups" not in sizes:
        return ()
    both = builder.form(name("C") * name("g") + name("c"))
    return (" Channel ", both, " is channel ", Name("c"), " of group ", Name("g"), ".")


def sizes_listed(sizes: Mapping[str, int]) -> Inline:
    """Each size with its value, sizes of one meaning together: s_h, s_w := 2, 1 (stride)."""
    groups: dict[str, list[str]] = {}
    for size in sizes:
        groups.setdefault(size_meaning(size) or size, []).append(size)
    out: list[Span] = []
    for meaning, members in groups.items():
        values = _listed([Number(str(sizes[m])) for m in members])
        out += [*_names(members), " ", Sign(":="), " ", *values]
        out += ["; " if meaning in members else f" ({meaning}); "]
    return (*out[:-1], str(out[-1]).removesuffix("; "))


def _names(sizes: Sequence[str]) -> list[Span]:
    return _listed([Name(size) for size in sizes])


def _listed(items: Sequence[Span]) -> list[Span]:
    """The items with commas between them."""
    out: list[Span] = []
    for item in items:
        out += [item, ", "]
    return out[:-1]


def hypotheses(facts: Sequence[Fact], builder: Builder) -> Inline:
    """Facts in words and brackets; the sizes with a lower bound of their own are listed together."""
    bounds: dict[int, list[str]] = {}
    others: list[Fact] = []
    for fact in facts:
        names = [m for m, c in fact.form.terms if len(m) == 1 and c == 1]
        low = -dict(fact.form.terms).get((), 0)
        if not fact.equal and len(names) == 1 and len(fact.form.terms) == 1 + (low != 0):
            bounds.setdefault(low, []).append(names[0][0])
        else:
            others.append(fact)
    out: list[Span] = []
    for low, sizes in sorted(bounds.items(), reverse=True):
        out += [*_names(sizes), f" at least {low}", "; "]
    for fact in others:
        out += [_fact(fact, builder), "; "]
    return tuple(out[:-1])


def _fact(fact: Fact, builder: Builder) -> Bracket:
    """[one = other], [small < large] or [small <= large], every term where it is positive."""
    if fact.equal:
        return Bracket(builder.sides(fact.form), ("==",))
    strict = dict(fact.form.terms).get((), 0) == -1
    form = fact.form + 1 if strict else fact.form
    more = Form(tuple((m, c) for m, c in form.terms if c > 0))
    return Bracket((builder.form(more - form), builder.form(more)), ("<" if strict else "<=",))
