"""Owns what is asked of ISL: exact sets of whole numbers, once the names that are multiplied have numbers.

ISL knows affine forms only, so of every product of names all but one get numbers (strides and dilations,
most of the time), each from a small range; over all other names its answer is exact and without bound.
Optional, and never trusted; that the numbers are a choice is why its agreement is an opinion and no proof.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any

from derive.certify import Obligation
from derive.claim import Fact
from derive.index import Form
from derive.opinions_answer import Answer, installed

VALUES = range(-1, 5)
"""The numbers that a fixed name gets; those at which the facts cannot hold are left out."""
MOST_FIXED, MOST_NAMES, MOST_OPERATIONS = 4, 24, 20_000_000


def package() -> str:
    """Name and version, for the reader; LimitError where it is not installed."""
    from importlib.metadata import version

    installed("islpy", "islpy")
    return f"isl (islpy {version('islpy')})"


def reach(places: int) -> str:
    """How far its agreement with obligations reaches."""
    span = f"names that are multiplied have numbers from {VALUES[0]} to {VALUES[-1]}"
    return f"{span}, {places} combinations at which the facts hold; every other name is any whole number"


def refute(obligation: Obligation) -> Answer:
    """Whether there are whole numbers at which the facts hold and the goal does not, some names fixed."""
    isl = installed("islpy", "islpy")
    chosen = fixed(obligation)
    if chosen is None:
        return Answer(False, f"more than {MOST_FIXED} names would need numbers")
    context = isl.Context()
    context.set_max_operations(MOST_OPERATIONS)
    places = 0
    try:
        for values in _choices(obligation.facts, chosen):
            facts = _Affine(isl, context, obligation, values)
            places += facts.hold()
            if (point := facts.where(Fact(-obligation.goal - 1))) is not None:
                return Answer(False, "a point", {**point, **values})
    except isl.Error as fault:
        return Answer(False, f"ISL gave up: {str(fault).partition(' in /')[0]}")
    if not places:
        return Answer(False, "the facts hold at none of the numbers tried")
    said = f"at {places} values of {', '.join(chosen)}" if chosen else "no name fixed"
    return Answer(True, said, places=places)


def fixed(obligation: Obligation) -> tuple[str, ...] | None:
    """The fewest names whose numbers make every form affine, sizes before indices; None if too many."""
    forms = [f.form for f in obligation.facts] + [obligation.goal]
    products = {m for f in forms for m, _ in f.terms if len(m) > 1}
    names = sorted({n for m in products for n in m})
    if len(names) > MOST_NAMES:
        return None
    bounded = {n for f in obligation.facts if not f.equal for n in f.form.names if f.form == _positive(n)}
    for count in range(min(MOST_FIXED, len(names)) + 1):
        covers = [
            c for c in combinations(names, count) if all(sum(n not in c for n in m) <= 1 for m in products)
        ]
        if covers:
            return max(covers, key=lambda c: len(bounded & set(c)))
    return None


def _positive(size: str) -> Form:
    return Form((((), -1), ((size,), 1)))


def _choices(facts: Sequence[Fact], chosen: Sequence[str]) -> Iterator[dict[str, int]]:
    """Numbers for the chosen names at which the facts about them alone hold."""
    alone = [f for f in facts if f.form.names <= set(chosen)]
    for numbers in product(VALUES, repeat=len(chosen)):
        values = dict(zip(chosen, numbers, strict=True))
        if all(f.holds(values) for f in alone):
            yield values


class _Affine:
    """The facts of an obligation at numbers of the fixed names, as a set of ISL."""

    def __init__(self, isl: Any, context: Any, obligation: Obligation, values: Mapping[str, int]) -> None:
        self.isl = isl
        self.values = {n: Form.of(v) for n, v in values.items()}
        forms = [f.form for f in obligation.facts] + [obligation.goal]
        self.names = sorted(frozenset[str]().union(*(f.names for f in forms)) - values.keys())
        space = isl.Space.create_from_names(context, set=self.names)
        self.space = isl.LocalSpace.from_space(space)
        self.points = isl.BasicSet.universe(space).add_constraints(map(self._constraint, obligation.facts))

    def hold(self) -> bool:
        return not self.points.is_empty()

    def where(self, more: Fact) -> dict[str, int] | None:
        """A point at which the facts and one more hold, or None where there is none."""
        found = self.points.add_constraint(self._constraint(more))
        if found.is_empty():
            return None
        point, kind = found.sample_point(), self.isl.dim_type.set
        return {n: point.get_coordinate_val(kind, i).to_python() for i, n in enumerate(self.names)}

    def _constraint(self, fact: Fact) -> Any:
        """The fact, affine by now, as a constraint on the names; 1 stands for the constant."""
        terms = fact.form.substitute(self.values).terms
        numbers = {m[0] if m else 1: c for m, c in terms}
        make = self.isl.Constraint.eq_from_names if fact.equal else self.isl.Constraint.ineq_from_names
        return make(self.space, numbers)
