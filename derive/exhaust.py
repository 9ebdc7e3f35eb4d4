"""Owns the exhaustive judge: both sides of a claim at given sizes as sorted monomial codes.

An entry of a gradient of a multilinear layer is an integer polynomial, that is, a multiset of
monomials. Both sides of the claim itself are unrolled to sums of products of input entries, every
monomial with the entry it belongs to becomes one int64 code, and two sorted arrays are equal exactly
when all entries are equal as polynomials. Nothing is sampled and nothing is factorised.

Work is cut into chunks: an entry of the target belongs to exactly one block of index values, and where
blocks of entries are still too large, a monomial belongs to exactly one block of the coordinates of a
tensor that every term reads once. The blocks partition each side, so the sides are equal exactly when
they are equal in every chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod

import numpy as np

from derive.claim import Claim, Setting
from derive.errors import LimitError, ProofError
from derive.exhaust_claim import check_claim
from derive.exhaust_codes import Encoding, Slot
from derive.exhaust_plan import Chunk, Plan, Side, plan, plan_equation
from derive.exhaust_rows import Array, check_reads, sizes
from derive.expr import Expr, Tensor
from derive.index import Form, Index
from derive.layers.base import flat_index

SECONDS_PER_TERM = 2.5e-9
MAX_TERMS = 8_000_000_000
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Difference:
    """The first entry (row-major, as the user counts) at which the sides differ, and both sides there."""

    entry: tuple[int, ...]
    tensor: str
    left: str
    right: str

    def __str__(self) -> str:
        where = f"{self.tensor}[{', '.join(map(str, self.entry))}]"
        return f"first wrong entry {where}: definition gives {self.left}; closed form gives {self.right}"


@dataclass(frozen=True)
class Comparison:
    """`identities` entries compared, by `terms` monomials on both sides together."""

    ok: bool
    identities: int
    terms: int
    difference: Difference | None = None


def compare(claim: Claim, progress: Progress | None = None, max_terms: int = MAX_TERMS) -> Comparison:
    """Whether the claim (at given sizes) holds at every entry of its target.

    Raises ProofError where the claim is ill-formed (a read outside its tensor anywhere, a right side of
    another shape, definitions in circles) and LimitError above `max_terms` monomials.
    """
    check_claim(claim)
    return run(plan(claim), progress, max_terms)


def estimate(claim: Claim) -> tuple[int, float]:
    """Monomials of both sides together (exact), and seconds that comparing them takes (rough)."""
    terms = plan(claim).terms
    return terms, terms * SECONDS_PER_TERM


def compare_expressions(
    setting: Setting,
    free: tuple[Index, ...],
    left: Expr,
    right: Expr,
    shown: Tensor,
    max_terms: int = MAX_TERMS,
) -> Comparison:
    """The same for two expressions in a setting, at every value of `free`: one line of a derivation."""
    for side in (left, right):
        for term in side.terms:
            check_reads(str(side), free, term)
    return run(plan_equation(setting, free, left, right, shown), None, max_terms)


def run(work: Plan, progress: Progress | None = None, max_terms: int = MAX_TERMS) -> Comparison:
    """Carry out a plan; `progress(chunks done, chunks)` is called after each chunk."""
    refuse_large(work.terms, max_terms)
    return finish(work, run_chunks(work, work.chunks, progress))


def refuse_large(terms: int, max_terms: int) -> None:
    """Raise LimitError above `max_terms` monomials."""
    if terms > max_terms:
        raise LimitError(
            "too many monomials to compare",
            expected=f"at most {max_terms:,}",
            got=f"{terms:,}, about {terms * SECONDS_PER_TERM:,.0f} s on one core",
            mend="use a smaller shape, or prove --all-sizes, or max_terms of derive.networks.prove_many",
        )


@dataclass(frozen=True)
class Tally:
    """What comparing some chunks gave: monomials seen on both sides, and the first unequal chunk."""

    terms: int
    failed: Chunk | None = None


def run_chunks(work: Plan, chunks: Sequence[Chunk], progress: Progress | None = None) -> Tally:
    """Compare both sides of a plan in the given chunks, up to the first in which they differ."""
    terms = 0
    for number, chunk in enumerate(chunks, 1):
        encoding = work.layout.within(chunk)
        left, right = (collect(side, chunk, encoding) for side in (work.left, work.right))
        terms += len(left.codes) + len(right.codes)
        if not equal(left, right):
            return Tally(terms, chunk)
        if progress is not None:
            progress(number, len(chunks))
    return Tally(terms)


def finish(work: Plan, found: Tally) -> Comparison:
    """The comparison that the tally of all chunks of a plan is; ProofError where monomials were left out."""
    identities = prod(sizes(work.shown))
    if found.failed is not None:
        return Comparison(False, identities, work.terms, _first_difference(work, found.failed))
    if found.terms != work.terms:
        raise ProofError(
            "the chunks do not hold all monomials",
            where=work.shown.name,
            expected=f"{work.terms:,} monomials on both sides",
            got=f"{found.terms:,}",
            mend="report this as a bug of backflip",
        )
    return Comparison(True, identities, work.terms)


@dataclass(frozen=True)
class Bag:
    """Sorted codes with a coefficient each (or one for all, as an array of length 1)."""

    codes: Array
    coefficients: Array

    def normal(self) -> Bag:
        """Every code once, its coefficients added, zeros dropped."""
        codes, starts = np.unique(self.codes, return_index=True)
        if not len(codes):
            return Bag(codes, codes)
        each = np.broadcast_to(self.coefficients, self.codes.shape)
        if int(np.abs(self.coefficients).max()) * len(each) >= 2**62:
            raise LimitError("coefficients would not fit 62 bits", where="exhaustive comparison")
        totals = np.add.reduceat(each, starts)
        return Bag(codes[totals != 0], totals[totals != 0])


def collect(side: Side, chunk: Chunk, encoding: Encoding) -> Bag:
    """All monomials of a side in one chunk; ProofError for a code that is none of the encoding's."""
    bag = _bag(side, chunk, encoding)
    if len(bag.codes) and not 0 <= bag.codes[0] <= bag.codes[-1] < encoding.size:
        raise ProofError("a monomial lies outside its chunk", where=str(chunk), mend="report this as a bug")
    return bag


def _bag(side: Side, chunk: Chunk, encoding: Encoding) -> Bag:
    found = [(encoding.codes(rows), coefficient) for rows, coefficient in side.rows(chunk)]
    if not found:
        return Bag(np.zeros(0, np.int64), np.ones(1, np.int64))
    codes = found[0][0] if len(found) == 1 else np.concatenate([c for c, _ in found])
    if len({coefficient for _, coefficient in found}) == 1:
        if not bool((codes[1:] >= codes[:-1]).all()):
            codes.sort()
        return Bag(codes, np.array([found[0][1]], np.int64))
    each = np.concatenate([np.full(len(c), k, np.int64) for c, k in found])
    order = np.argsort(codes, kind="stable")
    return Bag(codes[order], each[order])


def equal(left: Bag, right: Bag) -> bool:
    """Whether two bags are the same polynomials."""
    if np.array_equal(left.codes, right.codes) and np.array_equal(left.coefficients, right.coefficients):
        return True
    a, b = left.normal(), right.normal()
    return np.array_equal(a.codes, b.codes) and np.array_equal(a.coefficients, b.coefficients)


def _excess(left: Bag, right: Bag) -> Array:
    """Codes whose coefficients differ."""
    a, b = left.normal(), right.normal()
    codes = np.concatenate([a.codes, b.codes])
    order = np.argsort(codes, kind="stable")
    return Bag(codes[order], np.concatenate([a.coefficients, -b.coefficients])[order]).normal().codes


def _first_difference(work: Plan, failed: Chunk) -> Difference:
    shape = tuple(int(i.extent.evaluate({})) for i in work.left.free)
    numbers = []
    for chunk in (c for c in work.chunks if c.entries == failed.entries):
        encoding = work.layout.within(chunk)
        wrong = _excess(*(collect(side, chunk, encoding) for side in (work.left, work.right)))
        if len(wrong):
            digits = tuple(encoding.entries(wrong, axis) for axis in range(len(shape)))
            numbers.append(int(np.ravel_multi_index(digits, shape).min()) if shape else 0)
    index = tuple(int(v) for v in np.unravel_index(min(numbers), shape)) if shape else ()
    only = Chunk(tuple((i, v, v + 1) for i, v in zip(work.left.free, index, strict=True)))
    encoding = work.layout.within(only)
    sides = [collect(side, only, encoding).normal() for side in (work.left, work.right)]
    wrong = _excess(*sides)
    left, right = (polynomial_text(work, encoding, side, wrong) for side in sides)
    return Difference(as_user(work.shown, index), work.shown.name, left, right)


def as_user(tensor: Tensor, index: Sequence[int]) -> tuple[int, ...]:
    """An internal index as the user counts; a tensor without layout is shown as it is."""
    seen = flat_index(tensor, [Form.of(v) for v in index]) if tensor.layout else [Form.of(v) for v in index]
    return tuple(int(f.evaluate({})) for f in seen)


def polynomial_text(work: Plan, encoding: Encoding, side: Bag, wrong: Array, most: int = 6) -> str:
    """The polynomial, or where it is long the terms that differ and a count."""
    chosen = (
        np.flatnonzero(np.isin(side.codes, wrong)) if len(side.codes) > most else np.arange(len(side.codes))
    )
    texts = [
        _monomial_text(work, encoding.decode(int(side.codes[i])), int(side.coefficients[i]))
        for i in chosen[:most]
    ]
    body = " + ".join(texts) or "0"
    if len(side.codes) <= most:
        return body
    head = f"{len(side.codes)} terms, of which {len(chosen)} differ"
    return f"{head}: {body}" + (" + ..." if len(chosen) > most else "")


def _monomial_text(work: Plan, reads: Mapping[Slot, tuple[int, ...]], coefficient: int) -> str:
    factors = []
    for slot, index in reads.items():
        user = as_user(work.tensors[slot[0]], index)
        factors.append(f"{slot[0]}[{', '.join(map(str, user))}]")
    body = "*".join(sorted(factors)) or "1"
    return body if coefficient == work.scale else f"{Fraction(coefficient, work.scale)}*{body}"
