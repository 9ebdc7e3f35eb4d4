"""Owns the comparison of a claim axis by axis: the same two sides, multiplied out only where axes touch.

A flat term (see `flatten`) is a sum over index values of one monomial each. Indices that no condition, no
coordinate of the entry and no coordinate of a read couples are independent, so the coordinates fall into
blocks, and how often a (entry, monomial) occurs is a product: one number from each block, which counts the
index values of that block that lead to its coordinates. Each side is then a product of short vectors.

Lemma. Let a1*a2*...*am and b1*b2*...*bm be products of integer vectors over the same independent blocks,
(a1*...*am)[x1, ..., xm] = a1[x1]*...*am[xm]. Where no factor is zero, write each factor as a number times
a primitive vector (entries without a common divisor, the first one that is not 0 positive). The products
are equal at every (x1, ..., xm) exactly when the primitive vectors are equal block by block and the numbers
have equal products.

Proof. If these are equal, so are the products. Conversely choose y with a1[y1]*...*am[ym] not 0; then no
bj[yj] is 0 either. With all blocks but one held at y the equality says that ai and bi are the same vector
up to a rational factor, and two primitive vectors that are proportional are equal. What is left of the
equality at y is that of the numbers.  A product with a zero factor is 0, and equal only to such.

So the verdict is that of `exhaust.compare`, and its label says that it was reached through the lemma. Terms
that differ in one block are added there (a sum over cases, padding modes for one); what then is not one
product a side is refused, never guessed at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import prod

import numpy as np

from derive.claim import Claim
from derive.errors import LimitError, ProofError
from derive.exhaust import Comparison, compare
from derive.exhaust_claim import check_claim
from derive.exhaust_codes import CODE_LIMIT, Rows
from derive.exhaust_rows import Array, sizes
from derive.expr import Apply, Expr, Read, Sum
from derive.flatten import flatten
from derive.index import Form

Digit = tuple[str, int]
"""One coordinate: (tensor name, axis); of the entry the name is ""."""
Shapes = dict[str, tuple[int, ...]]

MOST_ROWS = 4_000_000
"""Index values that one block may have."""
EXHAUSTIVE = 10**13
"""Monomials up to which a refuted claim's first wrong entry is looked for; it stands in an early chunk."""


@dataclass(frozen=True)
class Factorised:
    """A verdict, and what was enumerated for it: blocks on both sides and their index values."""

    found: Comparison
    blocks: int
    rows: int


@dataclass(frozen=True)
class Vector:
    """Counts by code, ascending, none 0: one block of a product."""

    codes: Array
    counts: Array

    def same(self, other: Vector) -> bool:
        return np.array_equal(self.codes, other.codes) and np.array_equal(self.counts, other.counts)


@dataclass(frozen=True)
class Product:
    """A number times one primitive vector a block; no vector is zero."""

    number: Fraction
    vectors: tuple[Vector, ...]


def compare_factorised(claim: Claim) -> Factorised:
    """Whether the claim (at given sizes) holds at every entry of its target, decided axis by axis.

    Raises ProofError where the claim is ill-formed (as `exhaust.compare` does) and LimitError, with the
    reason, where it does not fall into axes: functions of entries, a tensor read twice in one term, terms
    that are no single product together, blocks of more than MOST_ROWS index values. A claim that is found
    wrong is compared exhaustively as well, which names its first wrong entry.
    """
    if any(isinstance(f, Apply) for e in _bodies(claim) for t in e.terms for f in t.factors):
        raise _refusal(claim, "functions of entries are no products of entries")
    check_claim(claim)
    shapes = {t.name: sizes(t) for t in claim.setting.inputs} | {"": sizes(claim.target)}
    flat = [flatten(e, claim.setting) for e in (claim.left, claim.right.body)]
    ok, blocks, rows = True, 0, 0
    for signature in dict.fromkeys(_signature(claim, t) for side in flat for t in side):
        own = [[t for t in side if _signature(claim, t) == signature] for side in flat]
        tables = [[(Rows(claim.indices, t), t) for t in side] for side in own]
        parts = joined(p for side in tables for r, t in side for p in split(r, t))
        left, right = (_side(claim, side, parts, shapes) for side in tables)
        ok = ok and _same(left, right)
        blocks += len(parts)
        rows += sum(sum(r.lengths) for side in tables for r, _ in side)
    found = Comparison(True, prod(shapes[""]), rows) if ok else _refuted(claim, rows)
    return Factorised(found, blocks, rows)


def _refuted(claim: Claim, rows: int) -> Comparison:
    """The comparison of a claim whose products differ, with its first wrong entry where that can be found."""
    try:
        found = compare(claim, max_terms=EXHAUSTIVE)
    except LimitError:
        return Comparison(False, prod(sizes(claim.target)), rows)
    if found.ok:
        raise ProofError(
            "axis by axis the sides differ, entry by entry they do not",
            where=claim.name,
            mend="report this as a bug of backflip",
        )
    return found


def _bodies(claim: Claim) -> list[Expr]:
    return [*(d.body for d in claim.setting.definitions), claim.right.body]


def _refusal(claim: Claim, reason: str) -> LimitError:
    return LimitError(
        "the claim does not fall into axes",
        where=claim.name,
        got=reason,
        mend="prove it without factorisation",
    )


def _signature(claim: Claim, term: Sum) -> frozenset[str]:
    """The tensors that a term reads; monomials of different tensors are never equal."""
    tally = Counter(f.tensor.name for f in term.factors if isinstance(f, Read))
    if twice := [title for title, count in tally.items() if count > 1]:
        raise _refusal(claim, f"{twice[0]} is read twice in one term")
    return frozenset(tally)


def coordinates(rows: Rows) -> dict[Digit, Form]:
    """Every coordinate of the entry and of the reads, as a form in the indices."""
    slots = (("", rows.entry), *rows.reads)
    return {(title, axis): form for title, index in slots for axis, form in enumerate(index)}


def split(rows: Rows, term: Sum) -> list[frozenset[Digit]]:
    """The blocks of coordinates of one term: those of each component of its indices, and the fixed ones.

    Raises ProofError where a condition or a coordinate names indices of two components: then they would
    not be independent.
    """
    forms = coordinates(rows)
    groups = [frozenset(i.name for i in members) for members in rows.groups]
    for names in (*(c.names for c in term.conditions), *(f.names for f in forms.values())):
        if sum(bool(names & group) for group in groups) > 1:
            raise ProofError("axes share an index", where=str(term), got=", ".join(sorted(names)))
    parts = [frozenset(d for d, f in forms.items() if f.names & group) for group in groups]
    return [*(p for p in parts if p), *(frozenset({d}) for d, f in forms.items() if not f.names)]


def joined(parts: Iterable[frozenset[Digit]]) -> list[frozenset[Digit]]:
    """The finest blocks that every given block lies in."""
    found: list[frozenset[Digit]] = []
    for part in parts:
        touching = [p for p in found if p & part]
        found = [p for p in found if not p & part] + [part.union(*touching)]
    return found


def _side(
    claim: Claim,
    terms: Sequence[tuple[Rows, Sum]],
    parts: Sequence[frozenset[Digit]],
    shapes: Shapes,
) -> Product | None:
    """One side as a product over the blocks; None for 0."""
    products = [_product(claim, rows, term.coefficient, parts, shapes) for rows, term in terms]
    left = added([p for p in products if p is not None])
    if len(left) > 1:
        raise _refusal(claim, f"{len(left)} products of axes that no common factor joins")
    return left[0] if left else None


def _product(
    claim: Claim, rows: Rows, coefficient: Fraction, parts: Sequence[frozenset[Digit]], shapes: Shapes
) -> Product | None:
    """A term as a product: in each block, how many index values lead to its coordinates."""
    if not rows.count or not coefficient:
        return None
    forms = coordinates(rows)
    groups = [frozenset(i.name for i in members) for members in rows.groups]
    spoken = frozenset[str]().union(*(f.names for f in forms.values()))
    idle = prod(n for n, members in zip(rows.lengths, groups, strict=True) if not members & spoken)
    number, vectors = coefficient * idle, []
    for part in parts:
        names = frozenset[str]().union(*(forms[d].names for d in part))
        own = [g for g, members in enumerate(groups) if members & names]
        if prod(rows.lengths[g] for g in own) > MOST_ROWS:
            raise _refusal(claim, f"a block has more than {MOST_ROWS:,} index values")
        codes = _codes(rows, own, _code(claim, sorted(part), forms, shapes))
        found = primitive(codes, np.ones(len(codes), np.int64))
        assert found is not None
        number *= found[0]
        vectors.append(found[1])
    return Product(number, tuple(vectors))


def _codes(rows: Rows, groups: Sequence[int], form: Form) -> Array:
    """The form at every combination of the index values of some components; it names no other index."""
    start = np.array([sum(c for m, c in form.terms if not m)], np.int64)
    return reduce(lambda total, g: np.add.outer(rows.part(g, form), total).ravel(), groups, start)


def _code(claim: Claim, digits: Sequence[Digit], forms: dict[Digit, Form], shapes: Shapes) -> Form:
    """The coordinates of a block as one number, mixed radix."""
    extents = [shapes[title][axis] for title, axis in digits]
    if prod(extents) >= CODE_LIMIT:
        raise _refusal(claim, "the coordinates of a block do not fit 62 bits")
    weights = [prod(extents[i + 1 :]) for i in range(len(extents))]
    return Form.collect((m, c * w) for d, w in zip(digits, weights, strict=True) for m, c in forms[d].terms)


def primitive(codes: Array, counts: Array) -> tuple[int, Vector] | None:
    """A vector as a number times a primitive one; None where it is zero."""
    order = np.argsort(codes, kind="stable")
    ascending = codes[order]
    starts = np.flatnonzero(np.concatenate(([True], ascending[1:] != ascending[:-1])))
    totals = np.add.reduceat(counts[order], starts)
    kept = totals != 0
    if not kept.any():
        return None
    divisor = int(np.gcd.reduce(totals[kept])) * (1 if totals[kept][0] > 0 else -1)
    return divisor, Vector(ascending[starts][kept], totals[kept] // divisor)


def added(products: Sequence[Product]) -> list[Product]:
    """The same sum, products that differ in one block at most added, block after block."""
    left, before = list(products), 0
    while len(left) != before:
        before = len(left)
        for at in range(max(1, len(left[0].vectors) if left else 0)):
            left = _along(left, at)
    return left


def _along(products: Sequence[Product], at: int) -> list[Product]:
    """The same sum, products that differ in the block `at` alone added."""
    found: list[Product] = []
    for new in products:
        place = next((i for i, old in enumerate(found) if {at}.issuperset(differing(old, new))), None)
        if place is None:
            found.append(new)
        else:
            found[place : place + 1] = _sum(found[place], new)
    return found


def differing(first: Product, other: Product) -> list[int]:
    """The blocks in which two products are not the same."""
    pairs = zip(first.vectors, other.vectors, strict=True)
    return [at for at, (a, b) in enumerate(pairs) if not a.same(b)]


def _sum(first: Product, other: Product) -> list[Product]:
    """Two products that differ in at most one block, added: one product, or none where that is 0."""
    if not (places := differing(first, other)):
        number = first.number + other.number
        return [Product(number, first.vectors)] if number else []
    (at,) = places
    scale = Fraction(1, first.number.denominator * other.number.denominator)
    pair = [(int(p.number / scale), p.vectors[at]) for p in (first, other)]
    if max(abs(n) * int(np.abs(v.counts).max()) for n, v in pair) >= CODE_LIMIT:
        raise LimitError("coefficients would not fit 62 bits", where="comparison by axes")
    found = primitive(
        np.concatenate([v.codes for _, v in pair]), np.concatenate([n * v.counts for n, v in pair])
    )
    if found is None:
        return []
    return [Product(found[0] * scale, (*first.vectors[:at], found[1], *first.vectors[at + 1 :]))]


def _same(left: Product | None, right: Product | None) -> bool:
    """Equality of the two products, by the lemma."""
    if left is None or right is None:
        return left is right
    return left.number == right.number and all(map(Vector.same, left.vectors, right.vectors))
