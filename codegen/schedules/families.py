"""Owns the list of specialised schedules: every plan that one of them has for a contraction."""

from __future__ import annotations

from collections.abc import Iterator

from codegen.schedules import direct, filter, pointwise, rolling, winograd, winograd_lines
from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction

TIERS = ("strict", "balanced", "relaxed")
"""From the least rounding to the most."""
FAMILIES = (direct.plans, pointwise.plans, winograd.plans, winograd_lines.plans, filter.plans, rolling.plans)
TOGETHER = (direct.plans_of_phases, rolling.plans_of_phases)
"""Families that take several contractions of one result at once."""


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """The plans for one contraction that keep the promise of the target's tier."""
    for family in FAMILIES:
        yield from (p for p in family(contraction, target) if keeps(p, target))


def plans_of_phases(contractions: tuple[Contraction, ...], target: Target) -> Iterator[Plan]:
    """The plans that compute several contractions of one result together."""
    for family in TOGETHER:
        yield from (p for p in family(contractions, target) if keeps(p, target))


def keeps(plan: Plan, target: Target) -> bool:
    return TIERS.index(plan.accuracy) <= TIERS.index(target.accuracy)
