"""Owns the check of real numbers: computed values within the bound that rounding allows, and no further."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.factorise import factorised
from codegen.record import Check
from codegen.reference import evaluate
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
    """Whether every |computed - exact| <= gamma_n * sum |terms| of that entry, n its number of terms.

    gamma_n = n u / (1 - n u), u half the machine epsilon. Holds for every order of summation, with or
    without fused operations (N. J. Higham, Accuracy and Stability of Numerical Algorithms, section 3.1);
    2 n least positive numbers are added for underflow. The reference is summed in float64 for float32 and
    in long double for float64, and its own gamma_n is added.

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
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where(error == 0, 0, error / bound)
    ratio = np.where(np.isnan(ratio), np.inf, ratio)
    worst = int(np.argmax(ratio))
    return RealCheck(
        ok=bool((ratio <= 1).all()),
        worst_error=float(error.max()),
        worst_ratio=float(ratio[worst]),
        entry=entry_text(relation.result, worst),
        terms=int(terms.max()),
    )


def _bounds(relation: Relation, data: Mapping[str, Array], dtype: Any, wide: Any) -> tuple[Array, Array]:
    """For every entry its number of terms and the largest error that rounding explains."""
    terms = np.zeros(entries(relation.result), np.int64)
    for family in factorised(relation):
        terms += family.expected()
    magnitude = evaluate(relation, {n: np.abs(a) for n, a in data.items()}).reshape(-1)
    narrow_n, wide_n = (terms * (wide(np.finfo(d).eps) / 2) for d in (dtype, wide))
    if narrow_n.max() >= 1:
        raise LimitError("too many terms for an error bound", got=f"{terms.max()} terms in {dtype}")
    own, reference = narrow_n / (1 - narrow_n), wide_n / (1 - wide_n)
    least = wide(np.finfo(dtype).smallest_subnormal)
    return terms, (own + reference) * magnitude * (1 + 2 * reference) + 2 * terms * least


def check_reals(rig: Rig, rng: np.random.Generator) -> Check:
    """The shipped binary on normal random numbers, within the bound of `check_real`."""
    data = {t.name: rng.standard_normal(shape_of(t)).astype(rig.dtype) for t in rig.inputs}
    rig.poison()
    found = check_real(rig.claim, data, rig.run(data))
    if not found.ok:
        raise BuildError(
            f"kernel {rig.kernel} is less accurate than any order of summation can be",
            where=found.entry,
            expected="error within gamma_n * sum |terms|",
            got=f"{found.worst_ratio:.3g} times that",
        )
    return Check(
        rig.kernel,
        "real",
        f"on normal random {rig.dtype.name} operands every entry is within gamma_n * sum |terms| of the "
        f"exact value, n its number of terms (at most {found.terms})",
        "deterministic for these operands; says nothing of others",
        {
            "worst_error": found.worst_error,
            "worst_fraction_of_bound": found.worst_ratio,
            "terms": found.terms,
        },
    )
