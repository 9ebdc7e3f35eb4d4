"""Owns the printed lines of a fast correlation's identity: each formula with the polynomial that it is.

A line exists only where the polynomials of its two sides, computed from the numbers that are printed, have
the same coefficients. `document.checked` prints it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import ClassVar

from derive.errors import ProofError
from derive.expr import Expr, Read, Sum
from derive.index import Index
from derive.notation.build import Builder, rational
from derive.notation.tree import Group, Name, Node, Number, Plus, Product
from derive.toom import Transform

Combination = Mapping[str, Fraction]
"""Names with numbers: the sum of the products."""


@dataclass(frozen=True)
class Met:
    """A number times a combination of taps times a combination of entries."""

    scale: Fraction
    taps: Combination
    entries: Combination

    def polynomial(self) -> dict[tuple[str, str], Fraction]:
        """What each product of a tap and an entry is multiplied by."""
        pairs = product(self.taps.items(), self.entries.items())
        return {(tap, entry): self.scale * one * other for (tap, one), (entry, other) in pairs}

    def node(self) -> tuple[bool, Node]:
        """(is negative, the product without its sign)."""
        taps, entries = written(self.taps), written(self.entries)
        factors: list[Node] = [Group(f) if isinstance(f, Plus) else f for f in (taps, entries)]
        size = abs(self.scale)
        lead = (rational(size),) if size != 1 else ()
        return self.scale < 0, Product((*lead, *factors))


def written(combination: Combination) -> Node:
    """A combination as a formula, terms with 0 left out."""
    terms = []
    for name, value in combination.items():
        if value:
            one = Name(name)
            node: Node = one if abs(value) == 1 else Product((rational(abs(value)), one))
            terms.append((value < 0, node))
    if len(terms) == 1 and not terms[0][0]:
        return terms[0][1]
    return Plus(tuple(terms)) if terms else Number("0")


@dataclass(frozen=True)
class Formula:
    """A sum of products of taps and entries."""

    terms: tuple[Met, ...]

    def polynomial(self) -> dict[tuple[str, str], Fraction]:
        """What each product of a tap and an entry is multiplied by, where that is not 0."""
        total: dict[tuple[str, str], Fraction] = {}
        for term in self.terms:
            for key, value in term.polynomial().items():
                total[key] = total.get(key, Fraction(0)) + value
        return {key: value for key, value in total.items() if value}

    def node(self) -> Node:
        nodes = tuple(t.node() for t in self.terms if t.scale)
        return nodes[0][1] if len(nodes) == 1 and not nodes[0][0] else Plus(nodes)


@dataclass(frozen=True)
class Identity:
    """Two formulas that are the same polynomial; ProofError where one of `count` coefficients differs."""

    left: Formula
    right: Formula
    count: int

    rule: ClassVar[str] = "identity"

    def __post_init__(self) -> None:
        one, other = self.left.polynomial(), self.right.polynomial()
        for key in sorted({*one, *other}):
            if one.get(key, 0) != other.get(key, 0):
                raise ProofError(
                    "two formulas of a fast correlation are different polynomials",
                    where=" ".join(key),
                    expected=str(one.get(key, 0)),
                    got=str(other.get(key, 0)),
                )

    @property
    def label(self) -> str:
        return f"THIS SIZE, {self.count:,} identities, exhaustive"

    @property
    def reason(self) -> str:
        return f"every coefficient is the same rational number: {self.label}"

    @property
    def lhs(self) -> Node:
        return self.left.node()

    @property
    def rhs(self) -> Node:
        return self.right.node()


def identity_of(by: Transform, output: int) -> Identity:
    """That an output of a transform is the correlation's: a coefficient for each tap and each entry."""
    return Identity(products(by, output), correlation(by, output), by.r * by.n)


def products(by: Transform, output: int) -> Formula:
    """Output i from the products of the transformed: row i of A with rows of G and B."""
    used = [k for k in range(by.n) if by.a[output][k]]
    return Formula(tuple(Met(by.a[output][k], _named("g", by.g[k]), _named("d", by.b[k])) for k in used))


def correlation(by: Transform, output: int) -> Formula:
    """Output i by the definition: the sum of g_a d_(i + a)."""
    one = Fraction(1)
    return Formula(tuple(Met(one, {f"g_{a}": one}, {f"d_{output + a}": one}) for a in range(by.r)))


def _named(letter: str, row: Sequence[Fraction]) -> dict[str, Fraction]:
    return {f"{letter}_{place}": value for place, value in enumerate(row) if value}


@dataclass(frozen=True)
class Folding:
    """Two sums of a tap times an entry of a line that are the same polynomial in each of the outputs.

    Raises ProofError where one of `count` coefficients differs.

    Attributes:
        left, right: sums of products of two reads, a tap's and an entry's.
        outputs: the indices that both name.
        taps, entries: how many there are of each.
    """

    left: Sum
    right: Sum
    outputs: tuple[Index, ...]
    taps: int
    entries: int

    rule: ClassVar[str] = "identity"

    def __post_init__(self) -> None:
        for at in _values(self.outputs):
            one, other = _met(self.left, at), _met(self.right, at)
            for tap, entry in sorted(one.keys() | other.keys()):
                if one[tap, entry] != other[tap, entry] or not self.inside(tap, entry):
                    raise ProofError(
                        "the folded sum is not the correlation",
                        where=f"g[{tap}] d[{entry}] at {at}",
                        expected=f"{other[tap, entry]}, of {self.taps} taps and {self.entries} entries",
                        got=str(one[tap, entry]),
                    )

    def inside(self, tap: int, entry: int) -> bool:
        return 0 <= tap < self.taps and 0 <= entry < self.entries

    @property
    def count(self) -> int:
        return len(list(_values(self.outputs))) * self.taps * self.entries

    @property
    def label(self) -> str:
        return f"THIS SIZE, {self.count:,} identities, exhaustive"

    @property
    def reason(self) -> str:
        return f"every coefficient is the same whole number: {self.label}"

    @property
    def lhs(self) -> Node:
        return Builder().expr(Expr((self.left,)))

    @property
    def rhs(self) -> Node:
        return Builder().expr(Expr((self.right,)))


def _values(indices: Sequence[Index]) -> Iterator[dict[str, int]]:
    """Every choice of values of some indices."""
    names = [i.name for i in indices]
    for values in product(*(range(int(i.extent.evaluate({}))) for i in indices)):
        yield dict(zip(names, values, strict=True))


def _met(term: Sum, at: Mapping[str, int]) -> Counter[tuple[int, int]]:
    """How often each tap meets each entry in one output."""
    taps, entries = (f.index[0] for f in term.factors if isinstance(f, Read))
    found = [{**at, **inner} for inner in _values(term.indices)]
    return Counter((int(taps.evaluate(v)), int(entries.evaluate(v))) for v in found)
