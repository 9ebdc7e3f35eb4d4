"""Owns the checks by value: small whole numbers and numbers modulo 2^64."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import Relation, entries
from codegen.rig import Rig
from codegen.trace import entry_text
from derive.errors import LimitError

Array = NDArray[Any]
DIGITS = {"float32": 24, "float64": 53}
DRAWS = 10


def degree(relation: Relation) -> int:
    return max((len(f.factors) for f in relation.families), default=0)


def small_bound(relation: Relation, dtype: str) -> int:
    """The largest B such that, for operands in -B..B, every sum of magnitudes of terms is exact in the dtype.

    Raises LimitError where even -1..1 is too much.
    """
    limit, most = 2 ** DIGITS[dtype], 2**20
    counts: dict[int, int] = {}
    for family in relation.families:
        power = len(family.factors)
        terms = int(terms_of(Relation(relation.result, (family,))).max(initial=0))
        counts[power] = counts.get(power, 0) + terms * abs(family.coefficient.numerator)
    if sum(counts.values()) > limit:
        raise LimitError(
            "too many terms for exact small numbers", got=f"{sum(counts.values())} terms in {dtype}"
        )
    low, high = 1, most + 1
    while high - low > 1:
        middle = (low + high) // 2
        exact = sum(n * middle**power for power, n in counts.items()) <= limit
        low, high = (middle, high) if exact else (low, middle)
    return low


def missed(degree: int, bits: int = 64) -> Fraction:
    """The chance, times 2^bits, that a difference of that degree vanishes modulo 2^bits at random operands.

    The difference D is linear in the entries of each of `degree` operands and has an odd coefficient;
    entries are independent and uniform modulo 2^bits. Claim: P(2^k divides D) <= c_d(k) / 2^k with
    c_1(k) = 1 and c_d(k) = 1 + (c_{d-1}(1) + ... + c_{d-1}(k)) / 2, that is
    c_d(k) = sum over r < d of binomial(k + r - 1, r) / 2^r.

    Degree 1: a sum of entries with an odd coefficient is itself uniform. Degree d: D is the sum of
    x_i * D_i over the entries x_i of one operand, D_i of degree d-1 in the others, one of them, D_1, with an
    odd coefficient. Let 2^v be the greatest power (up to 2^k) that divides every D_i. Given the D_i, D is
    2^v times a uniform number, so 2^k divides it with probability 2^(v-k); and P(v >= j) <= P(2^j divides
    D_1) <= c_{d-1}(j) / 2^j. Hence P(2^k divides D) <= E 2^(v-k) = 2^-k + sum over j = 1..k of
    P(v >= j) (2^(j-k) - 2^(j-1-k)) <= 2^-k (1 + sum over j of c_{d-1}(j) / 2). Degree 0 (a constant) is
    never missed.

    >>> [str(missed(d)) for d in (1, 2, 3)]
    ['1', '33', '553']
    """
    return sum((Fraction(comb(bits + r - 1, r), 2**r) for r in range(degree)), Fraction())


def check_integers(rig: Rig, rng: np.random.Generator, draws: int = DRAWS) -> Check:
    """The shipped binary on whole numbers so small that no rounding can happen, bit for bit.

    Every other run starts from poison; the others find the workspace as the run before left it.
    """
    dtype = rig.dtype.name
    bound = small_bound(rig.relation, dtype)
    for draw in range(draws):
        data = {t.name: rng.integers(-bound, bound + 1, entries(t)).astype(np.float64) for t in rig.inputs}
        if draw % 2 == 0:
            rig.poison()
        found = rig.run(data)
        compare(
            rig, found.astype(np.float64), evaluate(rig.relation, data), f"whole numbers, draw {draw + 1}"
        )
    wide, power = 2 * bound + 1, degree(rig.relation)
    return Check(
        rig.kernel,
        "integers",
        f"the shipped {dtype} binary is bit-exact on {draws} random draws of whole numbers in "
        f"-{bound}..{bound}, where every sum of magnitudes is exact; draws alternate between poisoned "
        "and left-over workspace",
        f"if the binary computes one polynomial of degree {power} in the operands, without rounding, "
        f"a wrong one passes with probability at most ({power}/{wide})^{draws}, or ^{draws // 2} where "
        "only one state of the workspace shows it",
        {"draws": draws, "magnitude": bound, "entries": entries(rig.relation.result)},
    )


def check_uint64(rig: Rig, rng: np.random.Generator, draws: int = 2) -> Check:
    """The same text over whole numbers modulo 2^64, where nothing is ever rounded."""
    for draw in range(draws):
        data = {t.name: rng.integers(0, 2**64, entries(t), np.uint64) for t in rig.inputs}
        if draw == 0:
            rig.poison()
        found = rig.run(data)
        compare(rig, found, evaluate(rig.relation, data), f"numbers modulo 2^64, draw {draw + 1}")
    power = degree(rig.relation)
    chance = f"{float(missed(power)):.6g} * 2^-64" if power > 1 else "2^-64"
    return Check(
        rig.kernel,
        "uint64",
        f"the text over numbers modulo 2^64 agrees with the definition on {draws} random draws, "
        "the first from poison",
        f"a draw misses a difference of degree {power} that has an odd coefficient "
        f"{'and is linear in each operand ' if power > 1 else ''}with probability at most {chance}",
        {"draws": draws, "entries": entries(rig.relation.result)},
    )


def compare(rig: Rig, found: Array, exact: Array, where: str) -> None:
    """Raises BuildError naming the first entry where the two differ (NaN differs from everything)."""
    wrong = np.flatnonzero(~(found.reshape(-1) == exact.reshape(-1)))
    if wrong.size:
        first = int(wrong[0])
        entry = entry_text(rig.claim.target, first)
        raise BuildError(
            f"kernel {rig.kernel} does not compute its equation",
            where=f"{entry} ({where}; {wrong.size} of {exact.size} entries differ)",
            expected=str(exact.reshape(-1)[first]),
            got=str(found.reshape(-1)[first]),
        )
