"""Owns the list of specialised schedules: every plan that one of them has for a contraction."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec

from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction

TIERS = ("strict", "balanced", "relaxed")
"""From the least rounding to the most."""
NAMES = ("direct", "pointwise", "winograd", "filter", "rolling")


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """The plans for one contraction that keep the promise of the target's tier."""
    for name in NAMES:
        if find_spec(f"codegen.schedules.{name}") is not None:
            family = import_module(f"codegen.schedules.{name}")
            yield from (p for p in family.plans(contraction, target) if keeps(p, target))


def plans_of_phases(contractions: tuple[Contraction, ...], target: Target) -> Iterator[Plan]:
    """The plans that compute several contractions of one result together."""
    for name in NAMES:
        if find_spec(f"codegen.schedules.{name}") is not None:
            family = import_module(f"codegen.schedules.{name}")
            if hasattr(family, "plans_of_phases"):
                yield from (p for p in family.plans_of_phases(contractions, target) if keeps(p, target))


def keeps(plan: Plan, target: Target) -> bool:
    return TIERS.index(plan.accuracy) <= TIERS.index(target.accuracy)
