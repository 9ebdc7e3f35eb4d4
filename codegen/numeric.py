"""Owns the checks by value: small whole numbers and numbers modulo 2^64."""

from __future__ import annotations

from math import isqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.factorise import factorised
from codegen.record import Check
from codegen.reference import evaluate
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
    limit = 2 ** DIGITS[dtype]
    counts = {1: 0, 2: 0}
    for family in factorised(relation):
        counts[len(family.tensors) - 1] += int(family.expected().max(initial=0))
    linear, square = counts[1], counts[2]
    bound = (
        (isqrt(linear**2 + 4 * square * limit) - linear) // (2 * square)
        if square
        else limit // max(1, linear)
    )
    if bound < 1:
        raise LimitError("too many terms for exact small numbers", got=f"{square + linear} terms in {dtype}")
    return min(bound, 2**20)


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
    chance = "33 * 2^-64" if degree(rig.relation) > 1 else "2^-64"
    return Check(
        rig.kernel,
        "uint64",
        f"the text over numbers modulo 2^64 agrees with the definition on {draws} random draws, "
        "the first from poison",
        f"a draw misses a difference of degree {degree(rig.relation)} that has an odd coefficient "
        f"with probability at most {chance}",
        {"draws": draws, "entries": entries(rig.relation.result)},
    )


def compare(rig: Rig, found: Array, exact: Array, where: str) -> None:
    """Raises BuildError naming the first entry where the two differ (NaN differs from everything)."""
    wrong = np.flatnonzero(~(found.reshape(-1) == exact.reshape(-1)))
    if wrong.size:
        first = int(wrong[0])
        entry = entry_text(rig.relation.result, first)
        raise BuildError(
            f"kernel {rig.kernel} does not compute its equation",
            where=f"{entry} ({where}; {wrong.size} of {exact.size} entries differ)",
            expected=str(exact.reshape(-1)[first]),
            got=str(found.reshape(-1)[first]),
        )
