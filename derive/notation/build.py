"""Owns the passage from the index language, and from expanded entries, to typeset nodes.

Internal axes become the user's here (group and channel one index, hidden axes of extent 1 gone), and here the
order of terms is decided: it follows indices and sizes, never a container's or SymPy's order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from derive.expr import Apply, Definition, Expr, Factor, Partial, Read, Sum, Tensor
from derive.index import ONE, Condition, Form, Index, Monomial, Within, Zero
from derive.layers.base import flat_index
from derive.notation.expanded import Monic, entry, monomials, polynomial, rational
from derive.notation.functions import applied, multiplied
from derive.notation.symbols import TABLES, TENSORS
from derive.notation.tree import (
    Array,
    Bracket,
    Derivative,
    Entry,
    Group,
    Inline,
    Limit,
    Name,
    Node,
    Number,
    Plus,
    Product,
    Sign,
    Span,
    Total,
)

__all__ = ["Builder", "Monic", "entry", "merged", "monomials", "parsed", "polynomial", "rational"]

INDEX_ORDER = "ngkcozeiyxabj"
"""Letters of indices in the order in which a form's terms are written."""


@dataclass(frozen=True)
class Builder:
    """Language -> nodes; `sizes` are the names that are sizes (written before indices in a product)."""

    sizes: Collection[str] = ()

    def form(self, form: Form) -> Node:
        """A form, common factors taken out: d_h*b_h - d_h*k_h + d_h is d_h (b_h - k_h + 1)."""
        return _plus(self._terms(form))

    def _terms(self, form: Form) -> list[Term]:
        shared = self._shared(form)
        if shared is None:
            return [(self._monomial(m, abs(c)), c < 0, self._rank(m)) for m, c in form.terms]
        inside = Form.collect((_without(m, shared), c) for m, c in form.terms if shared in m)
        outside = Form.collect((m, c) for m, c in form.terms if shared not in m)
        lead, sign = min(inside.terms, key=lambda t: self._rank(t[0]))
        body = self.form(-inside if sign < 0 else inside)
        factored = (Product((Name(shared), Group(body))), sign < 0, self._rank((*lead, shared)))
        return [factored, *self._terms(outside)]

    def _shared(self, form: Form) -> str | None:
        """The size that most terms have as a factor, where that is two or more."""
        counts = {n: sum(n in m for m, _ in form.terms) for n in sorted(form.names) if n in self.sizes}
        best = max(counts, key=lambda n: counts[n], default=None)
        return best if best is not None and counts[best] > 1 else None

    def _rank(self, monomial: Monomial) -> tuple[Any, ...]:
        """Terms in indices first (in the order of their letters), then sizes, then the constant."""
        letters = [n for n in monomial if n not in self.sizes]
        place = min((_letter(n) for n in letters), default=(len(INDEX_ORDER) + 1, ""))
        return (not letters, not monomial, place, monomial)

    def _monomial(self, monomial: Monomial, coefficient: int) -> Node:
        ordered = sorted(monomial, key=lambda n: (n not in self.sizes, n))
        factors: list[Node] = [Name(n) for n in ordered]
        if coefficient != 1 or not factors:
            factors.insert(0, Number(str(coefficient)))
        return factors[0] if len(factors) == 1 else Product(tuple(factors))

    def condition(self, condition: Condition) -> Bracket:
        """[0 <= form < high]; [form = 0] with its negative terms on the other side."""
        match condition:
            case Within(form, high):
                return Bracket((Number("0"), self.form(form), self.form(high)), ("<=", "<"))
            case Zero(form):
                return Bracket(self.sides(form), ("==",))
        raise TypeError(f"{type(condition).__name__} is not a condition: add it in derive/notation/build.py")

    def sides(self, form: Form) -> tuple[Node, Node]:
        """Two sides whose difference is the form, up to sign; each term stands where it is positive."""
        terms = self._terms(form)
        left, right = ([(n, False, r) for n, minus, r in terms if minus is side] for side in (False, True))
        if (_constant(left), len(left)) > (_constant(right), len(right)):
            left, right = right, left
        return _plus(left), _plus(right)

    def read(self, read: Read) -> Entry:
        seen = flat_index(unhidden(read.tensor), read.index)
        return Entry(read.tensor.name, tuple(map(self.form, seen)))

    def factor(self, factor: Factor) -> Node:
        match factor:
            case Read():
                return self.read(factor)
            case Apply(function, of):
                return applied(function, self.read(of))
            case Partial(of, wrt):
                return Derivative(self.read(of), self.read(wrt))
        raise TypeError(f"{type(factor).__name__} is not a factor: add it in derive/notation/build.py")

    def total(self, indices: Sequence[Index]) -> Total:
        limits = ((Name(i.name), Limit(self.form(i.extent), self.form(i.extent - 1))) for i in indices)
        return Total(tuple(limits))

    def term(self, term: Sum) -> tuple[bool, Node]:
        """(is negative, node)."""
        scale = abs(term.coefficient)
        factors: list[Node] = [Number(str(scale))] if scale != 1 else []
        factors += [self.total(term.indices)] if term.indices else []
        factors += [self.condition(c) for c in term.conditions]
        factors += self.product(term.factors)
        if not term.factors and (scale == 1 or term.indices):
            factors.append(Number("1"))
        return term.coefficient < 0, factors[0] if len(factors) == 1 else Product(tuple(factors))

    def product(self, given: Sequence[Factor]) -> list[Node]:
        """Constants, then entries and functions of them, then derivatives."""
        ordered = sorted(given, key=lambda f: (isinstance(f, Partial), not _constant_entry(f)))
        entries = [self.named(f) for f in ordered if not isinstance(f, Partial)]
        return [*multiplied(entries), *(self.factor(f) for f in ordered if isinstance(f, Partial))]

    def named(self, factor: Read | Apply) -> tuple[str, Node]:
        """A function with its argument; an entry has none."""
        if isinstance(factor, Apply):
            return factor.function, self.read(factor.of)
        return "", self.read(factor)

    def expr(self, expr: Expr) -> Node:
        """Terms without a sum first, so that no sum sign seems to reach over them."""
        if not expr.terms:
            return Number("0")
        ordered = sorted(expr.terms, key=lambda t: bool(t.indices))
        terms = tuple(self.term(t) for t in ordered)
        return terms[0][1] if len(terms) == 1 and not terms[0][0] else Plus(terms)

    def left(self, definition: Definition) -> Entry:
        """The defined entry; an index of extent 1 is written 0 where the body does not name it."""
        named = frozenset().union(*(t.names - t.bound for t in definition.body.terms))
        pairs = zip(definition.indices, definition.left.index, strict=True)
        return self.read(Read(definition.tensor, tuple(i.form if i.name in named else f for i, f in pairs)))

    def words(self, text: str) -> Inline:
        """Running text in which tensors and equations of an index become formulas.

        >>> Builder({"k_h"}).words("put a_h = -b_h + k_h - 1 here")[1:4]
        (Name(text='a_h'), ' ', Sign(text=':='))
        """
        out: list[Span] = []
        for part in re.split(rf"({_NAME} :?= {_FORM}|{_TENSOR})", text):
            put = re.fullmatch(rf"({_NAME}) :?= ({_FORM})", part)
            if put:
                out += [Name(put[1]), " ", Sign(":="), " ", self.form(parsed(put[2]))]
            else:
                out.append(Array(part) if part in TENSORS and part != "loss" else part)
        return merged(out)


_TENSOR = (
    r"(?<=of )[a-z_]+\b|(?<=: )[a-z_]+\b|(?<=defines )(?!output)[a-z_]+\b|^[a-z_]+(?= times its inverse)"
)
"""Where the name of a tensor stands in a reason."""

_NAME = r"\b[A-Za-z]\w*'*"
_TERM = r"[\w']+(?:\*[\w']+)*"
_FORM = rf"-?{_TERM}(?: [+-] {_TERM})*"


def unhidden(tensor: Tensor) -> Tensor:
    """The tensor with every hidden axis that may be longer than 1 seen as an axis of its own.

    Over symbolic sizes the batch axis of an unbatched layer is as long as the size says; a sum over it whose
    index stood nowhere else would be read as a multiple.
    """
    used = {axis for group in tensor.layout for axis in group}
    hidden = (((axis,), extent) for axis, extent in enumerate(tensor.shape) if axis not in used)
    return replace(tensor, layout=tuple(sorted((*tensor.layout, *(g for g, e in hidden if e != ONE)))))


def parsed(text: str) -> Form:
    """A form from its text, as `str(form)` writes it.

    >>> str(parsed("-2*b_h + k_h - 1"))
    '-2*b_h + k_h - 1'
    """
    terms = []
    for sign, term in re.findall(rf"(-?) ?({_TERM})", text.replace("+ ", "")):
        factors = term.split("*")
        scale = prod(int(f) for f in factors if f.isdigit())
        terms.append((tuple(sorted(f for f in factors if not f.isdigit())), -scale if sign else scale))
    return Form.collect(terms)


def merged(parts: Sequence[Span]) -> Inline:
    """Neighbouring strings joined."""
    out: list[Span] = []
    for part in parts:
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        else:
            out.append(part)
    return tuple(out)


Term = tuple[Node, bool, Any]
"""A term without its sign, whether the sign is a minus, and its place among the terms."""


def _constant_entry(factor: Factor) -> bool:
    """Whether a factor is an entry of a table of given constants."""
    return isinstance(factor, Read) and factor.tensor.name in TABLES


def _constant(terms: Sequence[Term]) -> bool:
    """Whether no term contains an index."""
    return all(rank[0] for _, _, rank in terms)


def _rank(term: Term) -> Any:
    return term[2]


def _plus(terms: Sequence[Term]) -> Node:
    """Terms by rank, the first positive one in front."""
    if not terms:
        return Number("0")
    ordered = sorted(terms, key=_rank)
    front = next((t for t in ordered if not t[1]), ordered[0])
    ordered = [front, *(t for t in ordered if t is not front)]
    if len(ordered) == 1 and not ordered[0][1]:
        return ordered[0][0]
    return Plus(tuple((minus, node) for node, minus, _ in ordered))


def _letter(name: str) -> tuple[int, str]:
    place = INDEX_ORDER.find(name[:1])
    return (place if place >= 0 else len(INDEX_ORDER), name)


def _without(monomial: Monomial, name: str) -> Monomial:
    position = monomial.index(name)
    return monomial[:position] + monomial[position + 1 :]
