"""Owns the loops of one term: its summed indices in order, each with the conditions that are its ends."""

from __future__ import annotations

from dataclasses import dataclass

from codegen.algebra import slope
from codegen.pieces import clippable
from codegen.schedules.nest import Term
from derive.index import Condition, Within


@dataclass(frozen=True)
class Step:
    """One loop over a summed index, with the conditions that are its ends."""

    index: str
    extent: int
    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class Plan:
    """A term with its loops in order: `steps` inside the free loops, `tests` left to an `If`."""

    number: int
    term: Term
    steps: tuple[Step, ...]
    tests: tuple[Condition, ...]

    @staticmethod
    def of(number: int, term: Term) -> Plan:
        order, left, steps = list(term.bound), list(term.conditions), []
        for position in reversed(range(len(order))):
            later = set(order[position + 1 :])
            own = tuple(c for c in left if clippable(c, order[position]) and not c.names & later)
            left = [c for c in left if c not in own]
            steps.append(Step(order[position], term.bound[order[position]], own))
        return Plan(number, term, tuple(reversed(steps)), tuple(left))

    @property
    def turns(self) -> float:
        """How often the innermost statement runs for one entry, by the width of the conditions."""
        turns = 1.0
        for step in self.steps:
            wide = float(step.extent)
            for condition in step.conditions:
                by = abs(slope(condition.form, step.index))
                high = condition.high.constant if isinstance(condition, Within) else 1
                wide = min(wide, max(1.0, (high or step.extent) / by))
            turns *= wide
        return turns


def limit_names(plan: Plan, step: Step, upper: bool) -> tuple[str, ...]:
    """A name for each condition's end; the last one is the loop's."""
    word = "to" if upper else "from"
    count = len(step.conditions)
    return tuple(
        f"{step.index}_{word}_{plan.number}" + ("" if i == count - 1 else f"_{i}") for i in range(count)
    )
