"""Owns which entries of a gradient a document writes out, and how many it elides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING

from derive.expr import Expr, Factor, Partial, Sum, entry_of
from derive.index import Zero
from derive.notation.build import Monic, monomials
from derive.staged import applies, stages, tensors

if TYPE_CHECKING:
    import sympy

    from derive.derivation import Derivation

MOST_WRITTEN = 120
"""Products that a document writes for one gradient, all its entries together."""

MOST_IN_ONE = 16
"""Products written of one entry of a large gradient."""

MOST_EXPANDED = 4096
"""Products that an entry may have for it to be expanded at all; three such entries are expanded at most."""


MOST_CHOSEN = 1024
"""The same for a layer that chooses entries, whose indicators have many indices."""


@dataclass(frozen=True)
class Row:
    """One entry written out: where it lies, its index, its products in order."""

    place: str
    index: tuple[int, ...]
    terms: tuple[Monic, ...]


@dataclass(frozen=True)
class Entries:
    """The rows to write; `elided` entries are not written; `bound` products in an entry at most.

    `kept` are the defined tensors whose entries stand for themselves in the rows.
    """

    rows: tuple[Row, ...]
    elided: int
    bound: int
    most: int
    kept: frozenset[str] = frozenset()

    @property
    def standing(self) -> tuple[str, ...]:
        """Those of `kept` that occur in the rows."""
        factors = [f for row in self.rows for _, product_ in row.terms for f in product_]
        names = (f[0] if f[0] in self.kept else str(f[1][0]) if f[1] else "" for f in factors)
        return tuple(dict.fromkeys(n for n in names if n in self.kept))


def entries(derivation: Derivation) -> Entries:
    """Every entry of a small gradient; corner, edge and interior entries of a large one.

    Where functions are applied, the stages that they stand on are kept; where that is still too long, all
    definitions are.
    """
    first, *more = _choices(derivation)
    if more and staged_bound(derivation, first) > MOST_WRITTEN:
        return _chosen(derivation, more[-1])
    found = _chosen(derivation, first)
    return _chosen(derivation, more[-1]) if found.elided and more else found


def _choices(derivation: Derivation) -> list[frozenset[str]]:
    """What may be kept: nothing for a polynomial; else the stages of functions, then every definition."""
    claim = derivation.claim
    if not applies(claim):
        return [frozenset()]
    own = stages(claim, derivation.layer.tables(derivation.input_shape))
    every = frozenset(d.tensor.name for d in claim.setting.definitions)
    return [own] if own == every else [own, every]


def _chosen(derivation: Derivation, kept: frozenset[str]) -> Entries:
    shape = derivation.shape
    bound = staged_bound(derivation, kept) if applies(derivation.claim) else products_bound(derivation)
    count = prod(shape)
    most = MOST_CHOSEN if derivation.layer.codes(derivation.input_shape) else MOST_EXPANDED
    if bound > most:
        return Entries((), count, bound, 0, kept)
    every = _all(derivation, kept) if count <= MOST_WRITTEN else None
    if every is not None:
        return Entries(every, 0, bound, MOST_WRITTEN, kept)
    places = samples(shape, _spatial(derivation))[: max(3, 3 * MOST_EXPANDED // (4 * max(1, bound)))]
    rows = tuple(_row(derivation, place, index, kept) for place, index in places)
    return Entries(rows, count - len(rows), bound, MOST_IN_ONE, kept)


def _all(derivation: Derivation, kept: frozenset[str]) -> tuple[Row, ...] | None:
    """Every entry, or None as soon as there is too much to write."""
    rows: list[Row] = []
    written = 0
    for index in product(*map(range, derivation.shape)):
        rows.append(_row(derivation, "", index, kept))
        written += max(1, len(rows[-1].terms))
        if written > MOST_WRITTEN:
            return None
    return tuple(rows)


def _row(derivation: Derivation, place: str, index: tuple[int, ...], kept: frozenset[str]) -> Row:
    if applies(derivation.claim):
        return Row(place, index, tuple(monomials(derivation.staged_element(index, kept))))
    return Row(place, index, tuple(monomials(_flat(derivation.element(index)))))


def _flat(value: sympy.Expr) -> sympy.Expr:
    """Multiplied out, where a sum is a factor of a product."""
    terms = value.args if value.is_Add else (value,)
    return value.expand() if any(f.is_Add for t in terms if t.is_Mul for f in t.args) else value


def staged_bound(derivation: Derivation, kept: frozenset[str]) -> int:
    """No entry has more products than its sums have terms, where all but `kept` is expanded."""

    def bound(expr: Expr) -> int:
        return sum(_values(t) * prod(opened(n) for f in t.factors for n in _names(f)) for t in expr.terms)

    def opened(name: str) -> int:
        found = derivation.claim.setting.definition(name)
        return 1 if found is None or name in kept else bound(found.body)

    return bound(derivation.claim.right.body)


def _names(factor: Factor) -> list[str]:
    entry = entry_of(factor)
    return [] if entry is None else [entry.tensor.name]


def products_bound(derivation: Derivation) -> int:
    """No entry has more products than the shortest sum over inputs in its derivation has terms."""
    known = {t.name for t in derivation.claim.setting.inputs}
    plain = [s.rhs for s in derivation.steps if reads(s.rhs) <= known and not _derives(s.rhs)]
    return min((_size(e) for e in plain), default=_size(derivation.claim.right.body))


def _size(expr: Expr) -> int:
    return sum(_values(term) for term in expr.terms)


def _values(term: Sum) -> int:
    """At most so many values of the indices meet the conditions.

    An equation pins an index that no other equation contains to one value for given other indices.
    """
    equations = [c for c in term.conditions if isinstance(c, Zero)]
    free = {i.name: int(i.extent.evaluate({})) for i in term.indices}
    for equation in equations:
        own = [n for n in free if sum(n in e.names for e in equations) == 1 and _pins(equation, n)]
        if own:
            del free[max(own, key=lambda n: free[n])]
    return prod(free.values())


def _pins(equation: Zero, name: str) -> bool:
    """Whether the equation is linear in the name, with a number other than 0 as its factor."""
    factor = equation.form.coefficient(name)
    return factor is not None and bool(factor.constant)


def reads(expr: Expr) -> frozenset[str]:
    """The names of the tensors that an expression reads."""
    return tensors(expr)


def _derives(expr: Expr) -> bool:
    return any(isinstance(f, Partial) for t in expr.terms for f in t.factors)


def _spatial(derivation: Derivation) -> int:
    """How many of the gradient's axes are places: their indices carry an axis's tag (i_h, a_w)."""
    return sum("_" in i.name for i in derivation.claim.indices)


def samples(shape: Sequence[int], spatial: int) -> list[tuple[str, tuple[int, ...]]]:
    """First corner, edge, interior and last corner, all different, in order of index.

    `spatial` is how many of the last axes are places; on the other axes the first and the last are taken.
    """
    if not spatial:
        ends = [("first", (0,) * len(shape)), ("last", tuple(n - 1 for n in shape))]
        return _distinct(ends)
    lead, places = tuple(shape[:-spatial]), tuple(shape[-spatial:])
    first, last = (0,) * len(lead), tuple(n - 1 for n in lead)
    middle = tuple(n // 2 for n in places)
    chosen = [
        ("corner", (*first, *(0 for _ in places))),
        ("edge", (*first, 0, *middle[1:])) if spatial > 1 else ("end", (*first, 0)),
        ("interior", (*first, *middle)),
        ("opposite corner", (*last, *(n - 1 for n in places))),
    ]
    return _distinct(chosen)


def _distinct(chosen: list[tuple[str, tuple[int, ...]]]) -> list[tuple[str, tuple[int, ...]]]:
    kept: dict[tuple[int, ...], str] = {}
    for place, index in chosen:
        kept.setdefault(index, place)
    return [(place, index) for index, place in kept.items()]
