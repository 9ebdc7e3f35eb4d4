"""Owns the check of real numbers: computed values within the bound that rounding allows, and no further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.numeric import degree
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import Relation, entries, relation_of, shape_of
from codegen.rig import Rig
from codegen.trace import entry_text
from derive.claim import Claim
from derive.errors import LimitError

Array = NDArray[Any]


@dataclass(frozen=True)
class RealCheck:
    """Computed values against the definition.

    Attributes:
        ok: every entry is within its bound.
        worst_error: largest absolute error.
        worst_ratio: largest error as a fraction of its bound, at `entry`.
        terms: largest number of terms of an entry.
    """

    ok: bool
    worst_error: float
    worst_ratio: float
    entry: str
    terms: int


def check_real(claim: Claim, operands: Mapping[str, Array], computed: Array) -> RealCheck:
    """Whether every |computed - exact| <= gamma_q * sum |terms| of that entry; q = n for up to two factors.

    An entry is a sum of n terms, each a product of at most m factors, and q = n + max(m, 2) - 2.
    gamma_q = q u / (1 - q u), u half the machine epsilon. Each term is rounded at most m - 1 times while it
    is multiplied, in whatever order, at whatever loop (a partial product that several terms share is rounded
    once for each factor in it), and at most n - 1 times while it is added: at most n + m - 2 factors 1 + e,
    |e| <= u, for every order of summation, with or without fused operations (N. J. Higham, Accuracy and
    Stability of Numerical Algorithms, sections 3.1 and 3.4). Underflow adds at most half the least positive
    number to each of the m - 1 products of a term, which the m - 2 factors that follow can enlarge: 2 n
    (m - 1) A^(m-2) of them are allowed, A the greatest magnitude of an operand entry, at least 1. The
    reference is summed in float64 for float32 and in long double for float64, and its own gamma_q is added.

    Args:
        claim: at sizes.
        operands: by name ("input", "weight", ...), any shape, entries row-major, dtype of `computed`.
        computed: the kernel's result, float32 or float64.

    Raises:
        BuildError: an operand with the wrong number of entries.
        LimitError: so many terms that gamma_n means nothing.
    """
    relation = relation_of(claim)
    wide: Any = np.float64 if computed.dtype == np.float32 else np.longdouble
    data = {t.name: np.asarray(operands[t.name]).astype(wide) for t in relation.operands}
    for tensor in relation.operands:
        if data[tensor.name].size != entries(tensor):
            raise BuildError(
                "an operand has the wrong number of entries",
                where=tensor.name,
                expected=str(shape_of(tensor)),
                got=str(data[tensor.name].shape),
            )
    exact = evaluate(relation, data).reshape(-1)
    terms, bound = _bounds(relation, data, computed.dtype, wide)
    error = np.abs(computed.reshape(-1).astype(wide) - exact)
    ratio = shares(error, bound)
    worst = int(np.argmax(ratio))
    return RealCheck(
        ok=bool((ratio <= 1).all()),
        worst_error=float(error.max()),
        worst_ratio=float(ratio[worst]),
        entry=entry_text(relation.result, worst),
        terms=int(terms.max()),
    )


def shares(error: Array, bound: Array) -> Array:
    """Each error as a fraction of its bound: 0 of nothing, infinite where either is no number."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(error == 0, 0, error / bound)
    return np.where(np.isnan(ratio), np.inf, ratio)


def _bounds(relation: Relation, data: Mapping[str, Array], dtype: Any, wide: Any) -> tuple[Array, Array]:
    """For every entry its number of terms and the largest error that rounding explains."""
    terms, power = terms_of(relation), max(2, degree(relation))
    roundings = terms + (power - 2)
    magnitude = evaluate(relation, {n: np.abs(a) for n, a in data.items()}).reshape(-1)
    narrow_n, wide_n = (roundings * (wide(np.finfo(d).eps) / 2) for d in (dtype, wide))
    if narrow_n.max() >= 1:
        raise LimitError("too many terms for an error bound", got=f"{terms.max()} terms in {dtype}")
    own, reference = narrow_n / (1 - narrow_n), wide_n / (1 - wide_n)
    least = wide(np.finfo(dtype).smallest_subnormal)
    largest = max((float(np.abs(a).max(initial=1)) for a in data.values()), default=1.0)
    under = 2 * terms * (power - 1) * wide(largest) ** (power - 2) * least
    return terms, (own + reference) * magnitude * (1 + 2 * reference) + under


def check_reals(rig: Rig, rng: np.random.Generator) -> Check:
    """The shipped binary on normal random numbers, within the bound of `check_real`."""
    data = {t.name: rng.standard_normal(shape_of(t)).astype(rig.dtype) for t in rig.inputs}
    rig.poison()
    found = check_real(rig.claim, data, rig.run(data))
    if not found.ok:
        raise BuildError(
            f"kernel {rig.kernel} is less accurate than any order of summation can be",
            where=found.entry,
            expected="error within gamma_q * sum |terms|",
            got=f"{found.worst_ratio:.3g} times that",
        )
    return Check(
        rig.kernel,
        "real",
        f"on normal random {rig.dtype.name} operands every entry is within gamma_q * sum |terms| of the "
        f"exact value, q its number of terms (at most {found.terms})"
        + (f" and {power - 2} more" if (power := degree(rig.relation)) > 2 else ""),
        "deterministic for these operands; says nothing of others",
        {
            "worst_error": found.worst_error,
            "worst_fraction_of_bound": found.worst_ratio,
            "terms": found.terms,
        },
    )
