"""Owns the check of real numbers for kernels with functions: within the bound that the equation allows.

The value is the definition's, reverse differentiated in long double; the bound is that of the closed form's
computation in the kernel's dtype (`derive.numbers_reals`), with the functions' measured errors, and the long
double's own error is added. Operands are drawn where the functions are defined.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from codegen.artefact import Artefact
from codegen.draws import Array, Draw, Drawn, drawn, evaluator_of
from codegen.errors import BuildError
from codegen.real import shares
from codegen.record import Check
from codegen.rig import Rig
from codegen.tables import rounded
from codegen.trace import entry_text
from derive.claim import Claim
from derive.evaluate import Values
from derive.numbers_reals import Reals

Long: Any = np.longdouble


@dataclass(frozen=True)
class Bounds:
    """What every entry is and how far a computation in a dtype may be from it; arrays of long doubles."""

    exact: Array
    error: Array

    @property
    def usable(self) -> Array:
        """Entries with a finite value and a finite bound."""
        return np.asarray(np.isfinite(self.exact) & np.isfinite(self.error))


def bounds_of(
    artefact: Artefact, claim: Claim, inputs: Mapping[str, Array], dtype: str, ulps: Mapping[str, float]
) -> Bounds:
    """The definition's values at inputs, and the error that the closed form's computation may have."""
    exact = sides(artefact, claim, inputs, Reals("longdouble"))
    stated = sides(artefact, claim, inputs, Reals(dtype, ulps))
    wide, narrow = Reals("longdouble"), Reals(dtype, ulps)
    left, right = exact.left(claim), stated.right(claim)
    return Bounds(left.value, narrow.error(right) + 2 * wide.error(left))


def sides(artefact: Artefact, claim: Claim, inputs: Mapping[str, Array], numbers: Reals) -> Values:
    return evaluator_of(artefact, claim, numbers).at(inputs)


def normal(rng: np.random.Generator, dtype: Any) -> Draw:
    """Normal random numbers."""
    return lambda name, count: rng.standard_normal(count).astype(dtype)


def between(rng: np.random.Generator, dtype: Any) -> Draw:
    """Numbers between 0 and 1, where logarithms, roots and entropies are defined."""
    return lambda name, count: rng.uniform(0.02, 0.98, count).astype(dtype)


DRAWS: tuple[tuple[str, Callable[[np.random.Generator, Any], Draw]], ...] = (
    ("normal random", normal),
    ("random in (0, 1)", between),
)
"""What operands are drawn from; the first at which every entry has a value and a bound is taken."""


def check_bounded(
    artefact: Artefact, rig: Rig, rng: np.random.Generator, ulps: Mapping[str, float] | None = None
) -> Check:
    """The shipped binary on real operands, every entry within its bound of the definition.

    Args:
        ulps: measured bounds of functions by name, in units in the last place.

    Raises BuildError naming the entry furthest beyond its bound.
    """
    dtype = rig.dtype.name
    said, given, bounds = _with_values(artefact, rig, rng, ulps or {})
    rig.poison()
    result = rig.run(given.elements).copy()
    rig.repeat(given.elements, result)
    found = result.astype(Long)
    usable = bounds.usable
    with np.errstate(all="ignore"):
        error = np.abs(found - bounds.exact)
        ratio = np.where(usable, shares(error, bounds.error), 0)
    worst = int(np.argmax(ratio)) if len(ratio) else 0
    if len(ratio) and ratio[worst] > 1:
        raise BuildError(
            f"kernel {rig.kernel} is further from its equation than rounding explains",
            where=entry_text(rig.claim.target, worst),
            expected=f"{bounds.exact[worst]:.9g} within {float(bounds.error[worst]):.3g}",
            got=f"{found[worst]:.9g}, {float(ratio[worst]):.3g} times that bound away",
        )
    return Check(
        rig.kernel,
        "bounded",
        f"on {said} {dtype} operands {int(usable.sum())} of {len(found)} entries are within the running "
        "error bound of the closed form of the definition's value in long double; run again on the workspace "
        "that a run on other operands left, the result is the same to the bit",
        "deterministic for these operands; says nothing of others",
        {
            "entries": int(usable.sum()),
            "worst_fraction_of_bound": float(ratio[worst]) if len(ratio) else 0.0,
            "largest_bound": float(bounds.error[usable].max()) if usable.any() else 0.0,
        },
    )


def _with_values(
    artefact: Artefact, rig: Rig, rng: np.random.Generator, ulps: Mapping[str, float]
) -> tuple[str, Drawn, Bounds]:
    """Operands at which the most entries have values, and the bounds there."""
    best: tuple[str, Drawn, Bounds] | None = None
    for said, make in DRAWS:
        draw = make(rng, rig.dtype)

        def constants(values: tuple[Fraction, ...]) -> Array:
            return np.array([rounded(v, rig.dtype.name) for v in values], rig.dtype)

        given = drawn(artefact, rig.kernel, Reals(rig.dtype.name, ulps), draw, constants, rng)
        bounds = bounds_of(artefact, rig.claim, given.values.inputs, rig.dtype.name, ulps)
        if best is None or bounds.usable.sum() > best[2].usable.sum():
            best = said, given, bounds
        if bounds.usable.all():
            break
    assert best is not None
    return best
