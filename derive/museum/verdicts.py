"""Owns what kills an exhibit: the core at all sizes, the judges at the live shape, `verify` on a function."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from derive.claim import Claim
from derive.errors import ProofError
from derive.evaluate import Evaluator
from derive.exhaust import Difference, as_user, compare
from derive.exhaust_rows import sizes
from derive.instance import claim_at
from derive.judge import applies
from derive.judge_field import judge_with_field
from derive.layers.base import Layer
from derive.museum.as_function import as_function
from derive.museum.exhibit import Exhibit
from derive.numbers_field import generator
from derive.numbers_reals import Reals
from derive.oracle import Oracle, stored_oracle
from derive.proof import theorem
from derive.strategy import argue
from derive.verify_call import subject
from derive.verify_names import passed
from derive.verify_numbers import run_case
from derive.verify_run import Case
from derive.verify_shrink import lowered, shrink

FIELD_SEED = 1


@dataclass(frozen=True)
class Found:
    """Where a wrong function fails first at the smallest failing shape, with both terms, and what it is.

    Attributes:
        layer, shape: the smallest failing ones that were found.
        fault: the first wrong entry, what the function gives there and what is right.
        names: the known bugs that give exactly this result.
    """

    layer: Layer
    shape: tuple[int, ...]
    fault: str
    names: tuple[str, ...]


def refused(claim: Claim, oracle: Oracle | None = None) -> str:
    """Why the trusted core has no theorem of a claim over symbolic sizes; "" where it has one."""
    try:
        theorem(argue(claim, oracle or stored_oracle()))
    except ProofError as said:
        return f"{said.what}: {said.got}" if said.got.startswith("not shown") else said.what
    return ""


def refuted(claim: Claim, layer: Layer) -> Difference | None:
    """The first entry at which a claim at sizes does not hold, with both sides; None where it holds.

    Exhaustive for polynomials; over a prime field with unknown functions, and a fixed seed, for the others.
    """
    if applies(claim):
        return judge_with_field(claim, generator(FIELD_SEED), layer.parameters()).difference
    return compare(claim).difference


def found(exhibit: Exhibit) -> Found:
    """What `verify` finds of an exhibit's function; for a layer with functions, the same without chance.

    Raises ValueError where the function is not refuted: the exhibit is not live.
    """
    kind = "closed" if exhibit.closed is not None else "tables"
    tried = subject(as_function(exhibit, kind), exhibit.parsed, exhibit.shape)
    case = Case.of(exhibit.parsed, exhibit.shape, tried.kind)
    outcome = run_case(tried, case)
    if outcome.ok:
        raise ValueError(f"{exhibit.key} is not live: {outcome.label}")
    if case.real:
        return _without_chance(exhibit, tuple(outcome.bugs(case)))
    small = shrink(tried, case, outcome)
    here, there = outcome.bugs(case), small.outcome.bugs(small.case)
    names = tuple(n for n in here if n in there) or tuple(here)
    return Found(small.case.layer, small.case.shape, small.outcome.fault, names)


def _without_chance(exhibit: Exhibit, names: tuple[str, ...]) -> Found:
    """The smallest shape at which the two sides differ as formulas, and both at small given numbers."""
    case = Case.of(exhibit.parsed, exhibit.shape, "backward")
    varies = frozenset(passed(case.layer, case.shape))
    smaller: Case | None = case
    while smaller is not None:
        case = smaller
        candidates = (c for c in lowered(case, varies) if c.layer.own_choices() == case.layer.own_choices())
        smaller = next((c for c in candidates if _differs(exhibit, c)), None)
    return Found(case.layer, case.shape, _at_numbers(exhibit, case), names)


def _wrong_at(exhibit: Exhibit, case: Case) -> Claim:
    at = case.layer.sizes(case.shape)
    return claim_at(exhibit.edit("closed")(exhibit.right(case.layer, case.shape), at), at)


def _differs(exhibit: Exhibit, case: Case) -> bool:
    return refuted(_wrong_at(exhibit, case), case.layer) is not None


def _at_numbers(exhibit: Exhibit, case: Case) -> str:
    """The first entry at which the sides differ at small whole numbers, both with five digits."""
    claim, layer = _wrong_at(exhibit, case), case.layer
    evaluator = Evaluator(
        claim.setting,
        Reals("float64"),
        tables=layer.tables(case.shape),
        parameters=layer.parameters(),
        codes=layer.codes(case.shape),
        shifts=layer.shifts(case.shape),
    )
    arrays = {
        name: np.array(
            [(7 * i + 3 * axis + 2) % 5 - 2 + (i == 0) * 4 for i in range(int(np.prod(shape)))], float
        )
        for axis, (name, shape) in enumerate(case.shapes.items())
    }
    arrays["grad_output"] = -arrays["grad_output"]
    values = evaluator.at(arrays)
    sides = [np.asarray(evaluator.numbers.plain(v), float) for v in (values.left(claim), values.right(claim))]
    flat = int(np.flatnonzero(np.abs(sides[0] - sides[1]) > 1e-9)[0])
    index = tuple(int(v) for v in np.unravel_index(flat, sizes(claim.target)))
    entry = ", ".join(map(str, as_user(claim.target, index)))
    given = "; ".join(f"{name} = {' '.join(f'{v:g}' for v in a)}" for name, a in arrays.items())
    both = f"got {sides[1][flat]:.5g}, expected {sides[0][flat]:.5g}"
    return f"{claim.right.tensor.name}[{entry}]: {both} at {given}"
