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
from derive.exhaust_codes import Encoding
from derive.exhaust_plan import Chunk, Plan, Side, plan, plan_equation
from derive.exhaust_rows import Array, check_reads, reads_of, sizes
from derive.expr import Apply, Expr, Partial, Sum, Tensor
from derive.index import Form, Index
from derive.layers.base import flat_index
from derive.steps import is_name

SECONDS_PER_TERM = 10e-9
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


def check_claim(claim: Claim) -> None:
    """Refuse what no comparison of entries could see; raises ProofError naming the place."""
    known = {t.name: t for t in claim.setting.inputs}
    if failed := [f for f in claim.setting.facts if not f.holds({})]:
        raise ProofError("a hypothesis does not hold at these sizes", where=claim.name, got=str(failed[0]))
    _check_names(claim)
    for definition in (*claim.setting.definitions, claim.right):
        where = f"definition of {definition.tensor.name}"
        if definition.tensor.name in known:
            raise ProofError("a tensor is defined twice", where=where)
        if tuple(i.extent for i in definition.indices) != definition.tensor.shape:
            raise ProofError("indices do not cover the tensor", where=where, got=str(definition))
        for term in definition.body.terms:
            _check_known(where, term, known)
            check_reads(where, definition.indices, term)
        if definition is not claim.right:
            known[definition.tensor.name] = definition.tensor
    _check_statement(claim, known)


def _check_names(claim: Claim) -> None:
    """Names are letters, digits, _ and ': what else a code could take for something of its own."""
    definitions = (*claim.setting.definitions, claim.right)
    tensors = [t.name for t in (*claim.setting.inputs, *(d.tensor for d in definitions))]
    bound = [i.name for d in definitions for t in d.body.terms for i in t.indices]
    bound += [i.name for d in definitions for i in d.indices]
    if odd := [n for n in (*tensors, *bound) if not is_name(n)]:
        raise ProofError("not a name", where=claim.name, got=repr(odd[0]))


def _check_known(where: str, term: Sum, known: Mapping[str, Tensor]) -> None:
    for factor in term.factors:
        for read in reads_of(factor):
            if known.get(read.tensor.name) != read.tensor:
                raise ProofError(
                    "read of a tensor that is not defined before",
                    where=where,
                    expected=", ".join(known),
                    got=str(read),
                )


def _check_statement(claim: Claim, known: Mapping[str, Tensor]) -> None:
    """The left side speaks of the target's own entry, and the right side has the target's shape."""
    if sizes(claim.right.tensor) != sizes(claim.target):
        raise ProofError(
            "the right side has another shape",
            where=claim.name,
            expected=f"{sizes(claim.target)}, the shape of {claim.target.name}",
            got=str(sizes(claim.right.tensor)),
        )
    own = tuple(Form() if i.extent == Form.of(1) else i.form for i in claim.indices)
    for term in claim.left.terms:
        _check_known("the left side", term, known)
        check_reads("the left side", claim.indices, term)
    plain = [t for t in claim.left.terms if t == Sum((), (), t.factors) and len(t.factors) == 1]
    factors = [f for t in plain for f in t.factors]
    spoken = [f.wrt if isinstance(f, Partial) else f for f in factors if not isinstance(f, Apply)]
    if len(claim.left.terms) != 1 or not any(r.tensor == claim.target and r.index == own for r in spoken):
        raise ProofError(
            "the left side is not about the target", where=claim.name, expected=str(claim.target)
        )


def run(work: Plan, progress: Progress | None = None, max_terms: int = MAX_TERMS) -> Comparison:
    """Carry out a plan; `progress(chunks done, chunks)` is called after each chunk."""
    if work.terms > max_terms:
        raise LimitError(
            "too many monomials to compare",
            expected=f"at most {max_terms:,}",
            got=f"{work.terms:,}, about {work.terms * SECONDS_PER_TERM:,.0f} s",
            mend="use a smaller shape, or the theorem for all sizes",
        )
    identities = prod(sizes(work.shown))
    for number, chunk in enumerate(work.chunks, 1):
        left, right = (collect(side, chunk, work.encoding) for side in (work.left, work.right))
        if not equal(left, right):
            return Comparison(False, identities, work.terms, _first_difference(work, chunk))
        if progress is not None:
            progress(number, len(work.chunks))
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
    """All monomials of a side in one chunk."""
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
        wrong = _excess(*(collect(side, chunk, work.encoding) for side in (work.left, work.right)))
        if len(wrong):
            digits = tuple(work.encoding.entries(wrong, axis) for axis in range(len(shape)))
            numbers.append(int(np.ravel_multi_index(digits, shape).min()) if shape else 0)
    index = tuple(int(v) for v in np.unravel_index(min(numbers), shape)) if shape else ()
    only = Chunk(tuple((i, v, v + 1) for i, v in zip(work.left.free, index, strict=True)))
    sides = [collect(side, only, work.encoding).normal() for side in (work.left, work.right)]
    wrong = _excess(*sides)
    left, right = (polynomial_text(work, side, wrong) for side in sides)
    return Difference(as_user(work.shown, index), work.shown.name, left, right)


def as_user(tensor: Tensor, index: Sequence[int]) -> tuple[int, ...]:
    """An internal index as the user counts; a tensor without layout is shown as it is."""
    seen = flat_index(tensor, [Form.of(v) for v in index]) if tensor.layout else [Form.of(v) for v in index]
    return tuple(int(f.evaluate({})) for f in seen)


def polynomial_text(work: Plan, side: Bag, wrong: Array, most: int = 6) -> str:
    """The polynomial, or where it is long the terms that differ and a count."""
    chosen = (
        np.flatnonzero(np.isin(side.codes, wrong)) if len(side.codes) > most else np.arange(len(side.codes))
    )
    texts = [_monomial_text(work, int(side.codes[i]), int(side.coefficients[i])) for i in chosen[:most]]
    body = " + ".join(texts) or "0"
    if len(side.codes) <= most:
        return body
    head = f"{len(side.codes)} terms, of which {len(chosen)} differ"
    return f"{head}: {body}" + (" + ..." if len(chosen) > most else "")


def _monomial_text(work: Plan, code: int, coefficient: int) -> str:
    factors = []
    for slot, index in work.encoding.decode(code).items():
        user = as_user(work.tensors[slot[0]], index)
        factors.append(f"{slot[0]}[{', '.join(map(str, user))}]")
    body = "*".join(sorted(factors)) or "1"
    return body if coefficient == work.scale else f"{Fraction(coefficient, work.scale)}*{body}"
