"""Owns the run of a shipped binary whose text has rational constants: on whole numbers, within its roundings.

At every entry the result must round to the exact whole number, and be no further from it than the text's own
roundings can take it. That is computed by the same text on magnitudes (elem_bound.h), not chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.numeric import DIGITS, compare, degree
from codegen.real import shares
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import entries
from codegen.rig import Rig
from codegen.trace import entry_text

Array = NDArray[Any]
BOUND = "BF_ELEMENT_BOUND"
DENSE_DRAWS, SPARSE = 4, (1.0, 1.0, 0.25, 0.25, 0.0625, 0.0625)
"""Draws with as many entries as the bound allows; terms of an entry, on average, in the draws with few."""
LARGEST, MOST_EXACT = 2**20, 2**50
MOST_HALVINGS = 40
FEW_AFTER_DENSE = 2
"""Sparse patterns that are computed after the dense one where two threads compute, to about the same end."""
ROUGHEST = 84
"""How far results on normal random operands may be off in the L2 norm, in units of the dtype (84 * 2^-23 is
1e-5) times the norm of their terms' sums of magnitudes."""


def bound_element(dtype: str) -> tuple[str, ...]:
    """The definitions of the variant that computes the bound for a dtype."""
    return (BOUND, f"BF_DIGITS={DIGITS[dtype]}")


@dataclass(frozen=True)
class Pattern:
    """Operands of a draw: which entries are drawn, how large, and how far every result may then be off.

    Attributes:
        masks: by operand 1 at the entries that are drawn and 0 at the others.
        full: whether all are.
        extreme: whether entries are drawn as large as they may be, else uniformly.
    """

    masks: dict[str, Array]
    magnitude: int
    error: Array
    full: bool
    extreme: bool

    def draw(self, rng: np.random.Generator) -> dict[str, Array]:
        top = self.magnitude
        if self.extreme:
            return {n: m * top * rng.choice((-1.0, 1.0), m.size) for n, m in self.masks.items()}
        return {n: m * rng.integers(-top, top + 1, m.size) for n, m in self.masks.items()}


@dataclass
class Worst:
    """What the draws came to: the largest part of a bound that was used, and the errors in the L2 norm."""

    fraction: float = 0.0
    relative_l2: float = 0.0
    relative_l2_bound: float = 0.0

    def note(self, fraction: float, off: Array, error: Array, exact: Array) -> None:
        self.fraction = max(self.fraction, fraction)
        size = float(np.linalg.norm(exact))
        if size:
            self.relative_l2 = max(self.relative_l2, float(np.linalg.norm(off)) / size)
            self.relative_l2_bound = max(self.relative_l2_bound, float(np.linalg.norm(error)) / size)


def check_rounded(rig: Rig, bound: Rig, rng: np.random.Generator, beside: Rig | None = None) -> Check:
    """The shipped binary on whole numbers: each result rounds to the exact one and is within its bound.

    Args:
        bound: of the variant with `bound_element`, of dtype complex128: (size, error).
        beside: one more of a copy of that module, where bounds are to be computed side by side.

    Raises:
        BuildError: an entry that does not; or a text so inaccurate that no whole number can be told.
    """
    dense, *few = _patterns(rig, [bound, beside] if beside else [bound], rng)
    worst, several = Worst(), Worst()
    for number, pattern in enumerate([dense] * DENSE_DRAWS + few, start=1):
        data = pattern.draw(rng)
        if number % 2:
            rig.poison()
        found = rig.run(data).astype(np.float64)
        exact = evaluate(rig.relation, data).reshape(-1)
        fraction = _within(rig, found, exact, pattern.error, f"whole numbers, draw {number}")
        (several if pattern is dense else worst).note(fraction, found - exact, pattern.error, exact)
    return _said(rig, dense, several, worst, _roughness(rig, rng))


def _patterns(rig: Rig, bounds: Sequence[Rig], rng: np.random.Generator) -> list[Pattern]:
    """The dense pattern, which the first rig computes, and one of each of `SPARSE`, dealt out to all."""
    densities = [_density(rig, terms) for terms in SPARSE]
    numbers = rng.spawn(1 + len(densities))
    alone = len(densities) if len(bounds) == 1 else FEW_AFTER_DENSE

    def first() -> list[Pattern]:
        _check_homogeneous(bounds[0])
        dense = _pattern(rig, bounds[0], numbers[0], 1.0, extreme=False)
        return [dense, *sparse(bounds[0], range(alone))]

    def sparse(bound: Rig, of: range) -> list[Pattern]:
        return [_pattern(rig, bound, numbers[1 + i], densities[i], extreme=True) for i in of]

    with ThreadPoolExecutor(1) as beside:
        rest = beside.submit(sparse, bounds[-1], range(alone, len(densities)))
        return [*first(), *rest.result()]


def _check_homogeneous(bound: Rig) -> None:
    """Raises BuildError where a text rounds even when all operands are 0: its own constants cancel."""
    error = _errors(bound, {t.name: np.zeros(entries(t)) for t in bound.inputs}, 0)
    lost = np.flatnonzero(error)
    if lost.size:
        raise BuildError(
            f"kernel {bound.kernel} rounds where every operand is 0",
            where=f"{entry_text(bound.claim.target, int(lost[0]))} ({lost.size} of {error.size} entries)",
            expected="0, with nothing that could round",
            got=f"constants of its own that cancel, off by up to {error.max():.3g}",
        )


def _roughness(rig: Rig, rng: np.random.Generator) -> float:
    """The L2 error on normal random operands by the norm of the terms; BuildError beyond ROUGHEST units."""
    data = {t.name: rng.standard_normal(entries(t)).astype(rig.dtype) for t in rig.inputs}
    wide = {n: a.astype(np.float64) for n, a in data.items()}
    exact = evaluate(rig.relation, wide).reshape(-1)
    size = float(np.linalg.norm(evaluate(rig.relation, {n: np.abs(a) for n, a in wide.items()})))
    most = ROUGHEST * float(np.finfo(rig.dtype).eps)
    found = float(np.linalg.norm(rig.run(data) - exact)) / size if size else 0.0
    if not found <= most:
        raise BuildError(
            f"kernel {rig.kernel} loses too many digits",
            where="normal random operands",
            expected=f"an L2 error of at most {most:.3g} of the norm of the terms",
            got=f"{found:.3g}",
        )
    return found


def _said(rig: Rig, dense: Pattern, several: Worst, few: Worst, rough: float) -> Check:
    most = ROUGHEST * float(np.finfo(rig.dtype).eps)
    top, power = dense.magnitude, degree(rig.relation)
    chance = f"({power}/{2 * top + 1})^{DENSE_DRAWS}" if dense.full else "that of the runs over the field"
    return Check(
        rig.kernel,
        "rational",
        f"on {DENSE_DRAWS + len(SPARSE)} random draws of whole numbers, {DENSE_DRAWS} in -{top}..{top}"
        f"{'' if dense.full else ' of some entries'} and {len(SPARSE)} of few entries, every result of the "
        f"shipped {rig.dtype.name} binary rounds to the exact whole number and is within the error that this "
        "text's own roundings can make, computed by the same text on magnitudes; draws alternate between "
        f"poisoned and left-over workspace; on normal random operands its L2 error is {rough:.2g} of the "
        f"norm of the terms, of {most:.2g} that are let through",
        f"if the binary computes one polynomial of degree {power} in the operands, each operation rounded "
        f"once, a wrong one whose coefficients are whole numbers passes with probability at most {chance}; a "
        "wrong constant passes where it moves no result of these draws by more than twice the bound",
        {
            "draws": DENSE_DRAWS + len(SPARSE),
            "magnitude": top,
            "worst_fraction_of_bound": max(several.fraction, few.fraction),
            "l2_of_normals": rough,
            "relative_l2": several.relative_l2,
            "relative_l2_bound": several.relative_l2_bound,
            "relative_l2_of_few": few.relative_l2,
            "relative_l2_bound_of_few": few.relative_l2_bound,
        },
    )


def _within(rig: Rig, found: Array, exact: Array, error: Array, where: str) -> float:
    """The largest error as a fraction of its bound; BuildError where one is beyond it or rounds elsewhere."""
    ratio = shares(np.abs(found - exact), error)
    worst = int(np.argmax(ratio))
    if ratio[worst] > 1:
        raise BuildError(
            f"kernel {rig.kernel} does not compute its equation",
            where=f"{entry_text(rig.claim.target, worst)} ({where}; {int((ratio > 1).sum())} of {exact.size} "
            "entries are beyond the error that the text's roundings can make)",
            expected=f"{exact[worst]:.9g} within {error[worst]:.3g}",
            got=f"{found[worst]:.9g}, {float(ratio[worst]):.3g} times that away",
        )
    compare(rig, np.rint(found), exact, f"{where}, rounded to whole numbers")
    return float(ratio[worst])


def _density(rig: Rig, terms: float) -> float:
    """The part of each operand's entries that leaves an entry so many terms on average."""
    power, most = max(degree(rig.relation), 1), max(int(terms_of(rig.relation).max(initial=1)), 1)
    return float(min(1.0, (terms / most) ** (1 / power)))


def _pattern(rig: Rig, bound: Rig, rng: np.random.Generator, density: float, extreme: bool) -> Pattern:
    """Operands of about that density, fewer where the bound of the smallest whole numbers is 1/2 or more."""
    full = density >= 1
    for _ in range(MOST_HALVINGS):
        masks = {t.name: _mask(entries(t), density, rng) for t in rig.inputs}
        error = _errors(bound, masks, 1)
        if error.max(initial=0) < 0.5:
            top = 1 if extreme else _largest(rig, float(error.max(initial=0)))
            while top > 1 and not (larger := _errors(bound, masks, top)).max(initial=0) < 0.5:
                top //= 2
            return Pattern(masks, top, larger if top > 1 else error, full, extreme)
        density, full = density / 2, False
    raise BuildError(
        f"kernel {rig.kernel} is too inaccurate to be checked on whole numbers",
        where="the error that its own roundings can make",
        expected="below 1/2 on operands of 0, 1 and -1",
        got=f"{error.max(initial=0):.3g} where almost all are 0",
    )


def _largest(rig: Rig, single: float) -> int:
    """How large operands may be for a bound below 1/2, going by the bound of 1 and -1."""
    power, most = max(degree(rig.relation), 1), int(terms_of(rig.relation).max(initial=1))
    room = min(float(LARGEST), (MOST_EXACT / most) ** (1 / power))
    return max(1, int(min(room, (0.45 / single) ** (1 / power)) if single else room))


def _mask(count: int, density: float, rng: np.random.Generator) -> Array:
    """1 at about that part of the entries, and at one of them at least; else 0."""
    mask = (rng.random(count) < density).astype(np.float64)
    mask[rng.integers(0, count)] = 1
    return mask


def _errors(bound: Rig, masks: dict[str, Array], magnitude: int) -> Array:
    """How far every result may be off where the operands' entries are no larger than that.

    Raises BuildError where an entry has no bound.
    """
    bound.poison()
    found: Array = bound.run({n: (magnitude * m).astype(np.complex128) for n, m in masks.items()})
    lost = np.flatnonzero(~np.isfinite(found))
    if lost.size:
        raise BuildError(
            f"kernel {bound.kernel} does not compute its equation",
            where=f"{entry_text(bound.claim.target, int(lost[0]))} ({lost.size} of {found.size} entries)",
            expected="a bound of its rounding",
            got="none: it depends on memory that was never written, or on an operation that has no bound",
        )
    return found.imag.copy()
