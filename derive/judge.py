"""Owns the verdict on a claim at one size: which judges sit, and the label that is earned.

For polynomials: sorted monomial codes of the claim's two sides at every entry; SymPy's own `diff` of the
expanded loss against `meaning`; the closed form executed on symbol numbers. Judges share no code beyond the
language. The label is earned by the first alone; the other two must not disagree. For claims with functions:
both sides over a large prime field with unknown functions (`judge_field`, which earns the label), and SymPy's
`diff` of the composed loss (`judge_opaque`). Where entries are selected: plain maxima (`judge_selection`).
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod

import sympy

from derive.claim import Claim
from derive.errors import ProofError
from derive.exhaust import Comparison, Difference, Progress, as_user, compare
from derive.exhaust_codes import Rows, read_table
from derive.exhaust_plan import plan
from derive.exhaust_rows import sizes
from derive.expr import Apply, Partial, Read, single
from derive.flatten import flatten, same
from derive.index import Form
from derive.layers.base import Layer
from derive.meaning import Meaning, ScalarMeaning

WHOLE = 1500
"""A loss of at most this many monomials is differentiated whole, for every entry."""
SAMPLE_MONOMIALS = 500
"""Monomials that the sampled entries of one claim may have together (about 0.2 s of SymPy)."""

MOST_EACH = 20_000
"""Index values of an entry's sum above which SymPy expands none (some seconds an entry)."""

PER_ENTRY = 64
"""Monomials of one sampled entry that SymPy differentiates."""
Monomial = tuple[Fraction, tuple[tuple[str, tuple[int, ...]], ...]]


@dataclass(frozen=True)
class SizeVerdict:
    """What the judges found for one claim at one size.

    Attributes:
        label: "THIS SIZE, n identities, exhaustive", "CHECKED, miss probability <= 2^-k", or "REFUTED".
        identities: entries compared; terms: monomials of both sides together (0 for claims with functions).
        power: k of the miss probability; 0 where nothing can be missed.
        lines: what was checked, one judge a line, for the reader.
    """

    ok: bool
    label: str
    identities: int
    terms: int
    lines: tuple[str, ...]
    difference: Difference | None = None
    power: int = 0


def judge_at_size(
    claim: Claim,
    layer: Layer | None = None,
    at: Mapping[str, int] | None = None,
    *,
    key: str = "",
    shape: Sequence[int] = (),
    progress: Progress | None = None,
    seed: int | None = None,
    found: Comparison | None = None,
    second_opinions: bool = True,
) -> SizeVerdict:
    """All judges on a claim at given sizes (of `claim_at`).

    Args:
        layer, key, shape: where given, gradient `key` of the layer at this input shape is also executed
            as an array program (convolutions).
            Its tables, parameters and codes are used by the judges that need numbers.
        seed: of what is drawn; None draws one from the operating system and reports it.
        found: what comparing this claim exhaustively gave, where that was done before (polynomials only).
        second_opinions: False leaves out the judges that earn no label of a polynomial claim.

    Raises ProofError for an ill-formed claim, LimitError where the work is too large.
    """
    _ = at
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    if applies(claim):
        return judge_functions(claim, layer, tuple(shape), seed)
    found = compare(claim, progress) if found is None else found
    lines = [f"{found.identities:,} entries compared exhaustively, {found.terms:,} monomials on both sides"]
    if not found.ok:
        return SizeVerdict(False, "REFUTED", found.identities, found.terms, tuple(lines), found.difference)
    draw = random.Random(seed)
    lines.append(judge_with_sympy(claim, found, draw, seed) if second_opinions else NOT_ASKED)
    if second_opinions and layer is not None and shape:
        lines += judge_with_program(claim, layer, key, tuple(shape), draw)
        lines += judge_selected(claim, layer, tuple(shape), seed)
    label = f"THIS SIZE, {found.identities:,} identities, exhaustive"
    return SizeVerdict(True, label, found.identities, found.terms, tuple(lines))


NOT_ASKED = "second opinions (SymPy, array program, plain maxima): not asked"
FACTORISED = "THIS SIZE, exhaustive modulo factorisation"
LEMMA = (
    "lemma: products of integer vectors over independent blocks of axes are equal exactly when "
    "their primitive vectors are equal block by block and their numbers have equal products"
)


def judge_by_axes(claim: Claim) -> SizeVerdict:
    """The verdict on a claim at given sizes by the factorised comparison alone; raises as it does."""
    from derive.exhaust_factorised import compare_factorised

    by_axes = compare_factorised(claim)
    found = by_axes.found
    lines = (
        f"{found.identities:,} entries compared as products of {by_axes.blocks} independent blocks of axes, "
        f"{by_axes.rows:,} index values on both sides",
        *(() if found.ok or found.difference else ("REFUTED: the products differ; no entry was looked for",)),
    )
    label = FACTORISED if found.ok else "REFUTED"
    return SizeVerdict(found.ok, label, found.identities, by_axes.rows, lines, found.difference)


def applies(claim: Claim) -> bool:
    """Whether a function of an entry occurs in the claim: then its sides are no polynomials in the inputs."""
    bodies = [*(d.body for d in claim.setting.definitions), claim.right.body]
    return any(isinstance(f, Apply) for b in bodies for t in b.terms for f in t.factors)


def judge_functions(claim: Claim, layer: Layer | None, shape: tuple[int, ...], seed: int) -> SizeVerdict:
    """The verdict on a claim that applies functions to entries."""
    from derive.judge_field import judge_with_field
    from derive.judge_opaque import judge_opaque
    from derive.numbers_field import generator

    own = layer if shape else None
    found = judge_with_field(claim, generator(seed), own.parameters() if own is not None else None)
    label = f"CHECKED, miss probability <= 2^-{found.power}"
    lines = [
        f"{found.entries:,} entries compared over GF(2^61 - 1) with unknown functions, {label}, seed {seed}"
    ]
    if found.difference is not None:
        return SizeVerdict(False, "REFUTED", found.entries, 0, tuple(lines), found.difference)
    tables = own.tables(shape) if own is not None else None
    lines.append(judge_opaque(claim, random.Random(seed), seed, tables))
    if own is not None:
        lines += judge_selected(claim, own, shape, seed)
    return SizeVerdict(True, label, found.entries, 0, tuple(lines), power=found.power)


def judge_selected(claim: Claim, layer: Layer, shape: tuple[int, ...], seed: int) -> tuple[str, ...]:
    """Plain maxima against the closed form, where the layer selects entries; ProofError on difference."""
    codes = layer.codes(shape)
    if not any(code.first for code in codes.values()):
        return ()
    from derive.judge_selection import judge_selection
    from derive.numbers_field import generator

    return judge_selection(claim, codes, generator(seed), seed)


def judge_with_sympy(claim: Claim, found: Comparison, draw: random.Random, seed: int) -> str:
    """SymPy's diff of the expanded loss against `meaning` of the right side; a line on what was compared.

    Small losses whole and at every entry; of large ones the monomials that contain the entry, at corner,
    edge, interior and random entries. Raises ProofError where the two differ.
    """
    shape = sizes(claim.target)
    means = ScalarMeaning(claim.setting)
    factor = _only_partial(claim)
    loss = _Loss(claim, factor, means) if factor is not None else None
    whole = found.terms <= 2 * WHOLE
    each = max(1, found.terms // 2 // max(1, found.identities))
    values_each = sum(prod(int(i.extent.evaluate({})) for i in t.indices) for t in claim.right.body.terms)
    if not whole and values_each > MOST_EACH:
        return f"SymPy: no entry expanded, each is a sum over {values_each:,} index values"
    cells = (
        list(product(*map(range, shape)))
        if whole
        else sample(shape, max(4, min(16, SAMPLE_MONOMIALS // each)), draw)
    )
    monomials = 0
    for cell in cells:
        values = {i.name: v for i, v in zip(claim.indices, cell, strict=True)}
        right = means.expr(claim.right.body, values)
        monomials += len(sympy.Add.make_args(right))
        if loss is not None and loss.partly_agrees(cell, right, draw):
            continue
        left = loss.derivative(cell) if loss is not None else means.expr(claim.left, values)
        if left != right and sympy.expand(left - right) != 0:
            raise ProofError(
                "the judges disagree",
                where=f"{claim.right.tensor.name}{list(as_user(claim.target, cell))}",
                expected=f"SymPy: {_short(left)}",
                got=f"closed form: {_short(right)}",
                mend="report this as a bug of backflip",
            )
    what = "SymPy diff of the expanded loss" if loss is not None else "SymPy expansion of the definition"
    drawn = "all entries" if whole else f"corner, edge, interior and random entries, seed {seed}"
    limit = f", of more than {PER_ENTRY} an entry a random {PER_ENTRY}" if not whole else ""
    return f"{what}: {len(cells):,} entries ({drawn}), {monomials:,} monomials{limit} agree"


def _only_partial(claim: Claim) -> Partial | None:
    """The derivative that the left side is, where it is just one."""
    factors = [f for term in claim.left.terms for f in term.factors]
    return factors[0] if len(factors) == 1 and isinstance(factors[0], Partial) else None


def _short(expr: sympy.Expr) -> str:
    text = str(expr)
    return text if len(text) < 300 else text[:300] + " ..."


class _Loss:
    """The loss as far as one entry of the target occurs in it, expanded, for SymPy to differentiate."""

    def __init__(self, claim: Claim, factor: Partial, means: Meaning) -> None:
        self.target, self.means = factor.wrt.tensor, means
        self.tensors = {t.name: t for t in claim.setting.inputs} | {self.target.name: self.target}
        self.terms = flatten(single(factor.of), claim.setting, frozenset({self.target.name}))

    def derivative(self, cell: tuple[int, ...]) -> sympy.Expr:
        """d loss / d target[cell] by SymPy's diff of the monomials that contain it; the others give 0."""
        symbol = self.means.symbol(self.target, cell)
        return sympy.Add(*map(self.build, self.monomials(cell))).diff(symbol)

    def partly_agrees(self, cell: tuple[int, ...], right: sympy.Expr, draw: random.Random) -> bool:
        """As many monomials on both sides, and a random PER_ENTRY of them, differentiated, are in right."""
        found = list(self.monomials(cell))
        stated = set(sympy.Add.make_args(right))
        if len(found) <= PER_ENTRY or len(found) != len(stated):
            return False
        part = sympy.Add(*map(self.build, draw.sample(found, PER_ENTRY)))
        return stated.issuperset(sympy.Add.make_args(part.diff(self.means.symbol(self.target, cell))))

    def build(self, monomial: Monomial) -> sympy.Expr:
        scale, reads = monomial
        number = sympy.Rational(scale.numerator, scale.denominator)
        return sympy.Mul(number, *(self.means.entry(self.tensors[t], at) for t, at in reads))

    def monomials(self, cell: tuple[int, ...]) -> Iterator[Monomial]:
        """Each monomial with the entry in it once, found where its first read of the target is the entry."""
        own = (self.target.name, cell)
        for term in self.terms:
            for position, read in enumerate(term.factors):
                if not isinstance(read, Read) or read.tensor.name != self.target.name:
                    continue
                rows = Rows((), term, same(read.index, tuple(Form.of(v) for v in cell)))
                for reads in read_table(rows):
                    if own not in reads[:position]:
                        yield term.coefficient, reads


def sample(shape: Sequence[int], number: int, draw: random.Random) -> list[tuple[int, ...]]:
    """A corner, an edge and an interior entry first, then the other corner and random entries."""
    corner, far = tuple(0 for _ in shape), tuple(n - 1 for n in shape)
    interior = tuple(n // 2 for n in shape)
    edge = (*interior[:-1], 0)
    found = dict.fromkeys([corner, edge, interior])
    random_entries = (tuple(draw.randrange(n) for n in shape) for _ in range(8 * number))
    for cell in (next(random_entries), far, *random_entries):
        if len(found) >= number:
            break
        found[cell] = None
    return list(found)


def judge_with_program(
    claim: Claim, layer: Layer, key: str, shape: tuple[int, ...], draw: random.Random
) -> list[str]:
    """The array program of the layer against the monomials of the right side; ProofError on difference."""
    from derive.program import compare_program

    program = layer.array_program(key, shape)
    if program is None:
        return []
    entries, monomials, whole = compare_program(program, plan(claim), draw)
    drawn = "all entries" if whole else "sampled entries"
    what = "array program (zero-insert, pad, flip, windows)"
    return [f"{what}: {entries:,} entries ({drawn}), {monomials:,} monomials agree"]
