"""Owns second opinions: what Z3 and ISL say of the obligations that certificates have already settled.

Nobody needs a solver to believe a theorem: `certify.py` expands one polynomial. A solver that shares no line
with it is asked the same all the same, obligation by obligation, and an answer that is not a plain yes is
reported: "unknown" is no agreement, and a counterexample counts only after it was evaluated here.

>>> from derive.index import name
>>> square = Obligation((Fact(name("s") - 1),), name("s") * name("s") - 1, "a square is not 0")
>>> print(opinion(square, "z3"))
z3 agrees: s*s - 1 >= 0 (every size symbolic)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from derive import opinions_isl, opinions_z3
from derive.certify import Obligation, settled
from derive.check import upkeep
from derive.claim import Argument, Fact
from derive.errors import LayerError
from derive.expr import Expr
from derive.opinions_answer import Answer
from derive.opinions_open import open_lines
from derive.oracle import pattern
from derive.steps import Context, replay

AGREES, UNKNOWN, CONTRADICTS = "agrees", "unknown", "CONTRADICTS"


class Solver(Protocol):
    """What a module that asks a solver offers: who it is, what an agreement covers, and the question."""

    def package(self) -> str: ...
    def reach(self, places: int) -> str: ...
    def refute(self, obligation: Obligation) -> Answer: ...


SOLVERS: Mapping[str, Solver] = {"z3": opinions_z3, "isl": opinions_isl}


@dataclass(frozen=True)
class Opinion:
    """What a solver says of one obligation.

    Attributes:
        solver: "z3" or "isl".
        verdict: AGREES, UNKNOWN or CONTRADICTS.
        said: how far an agreement reaches, or why there is none.
        model: where the facts hold and the goal does not, for CONTRADICTS; evaluated before it is believed.
        places: at how many values of the names that had to be fixed the facts hold (1 where none had to be).
    """

    solver: str
    verdict: str
    obligation: Obligation
    said: str
    model: Mapping[str, int]
    places: int = 0

    def __str__(self) -> str:
        shown = f"{self.solver} {self.verdict}: {self.obligation.goal} >= 0"
        about = f", for: {self.obligation.about}" if self.verdict != AGREES else ""
        return f"{shown} ({self.said}){about}"


@dataclass(frozen=True)
class Opinions:
    """What solvers say of arguments: `ok` where every obligation has every solver's agreement."""

    ok: bool
    contradicted: bool
    lines: tuple[str, ...]


def opinion(obligation: Obligation, solver: str) -> Opinion:
    """One solver on one obligation; LayerError for another solver, LimitError where it is not installed."""
    answer = _solver(solver).refute(obligation)
    point = answer.point
    if point is None:
        verdict = AGREES if answer.none else UNKNOWN
        return Opinion(solver, verdict, obligation, answer.said, {}, answer.places)
    if refuted_at(obligation, point):
        where = ", ".join(f"{n}={v}" for n, v in sorted(point.items()))
        return Opinion(solver, CONTRADICTS, obligation, f"fails at {where}", point)
    return Opinion(solver, UNKNOWN, obligation, "its counterexample is none when evaluated", {})


def refuted_at(obligation: Obligation, point: Mapping[str, int]) -> bool:
    """Whether the facts hold and the goal does not at whole numbers, by plain evaluation."""
    named = obligation.goal.names.union(*(f.form.names for f in obligation.facts))
    if not named <= point.keys():
        return False
    return all(f.holds(point) for f in obligation.facts) and not Fact(obligation.goal).holds(point)


def obligations(argument: Argument) -> list[Obligation]:
    """All that has to be shown for an argument and is not settled by a look, in the checker's order.

    Raises ProofError where a step is not one of its rule.
    """
    claim = argument.claim
    context = Context(claim.setting, claim.indices)
    found = upkeep(claim)
    for start, steps in ((claim.left, argument.left_steps), (claim.right.body, argument.right_steps)):
        current: Expr = start
        for step in steps:
            current, needed = replay(context, current, step.rule, step.arguments)
            found += needed
    return [o for o in found if not settled(o)]


def distinct(found: Iterable[Obligation]) -> dict[str, Obligation]:
    """Obligations that differ in more than names and unrelated facts, by the key of their pattern.

    Unrelated facts are left out, which asks for more: to agree with the one is to agree with the other.
    """
    once: dict[str, Obligation] = {}
    for obligation in found:
        shape = pattern(obligation)
        facts = tuple(obligation.facts[i] for i in shape.kept)
        once.setdefault(shape.key, replace(obligation, facts=facts))
    return once


def opinions_of(arguments: Mapping[str, Argument], which: Sequence[str]) -> Opinions:
    """The named solvers ("z3", "isl") on every distinct obligation of the arguments, and Z3 on their terms.

    Raises LayerError on another solver's name, LimitError where one is not installed, ProofError where an
    argument cannot be replayed.
    """
    for solver in which:
        _solver(solver).package()
    found = [o for argument in arguments.values() for o in obligations(argument)]
    asked = distinct(found)
    lines: list[str] = []
    verdicts: set[str] = set()
    for solver in dict.fromkeys(which):
        opinions = [opinion(o, solver) for o in asked.values()]
        verdicts |= {o.verdict for o in opinions}
        lines += _said(solver, opinions, len(found))
    if "z3" in which:
        every_term, more = open_lines(arguments)
        lines += more
        verdicts |= set() if every_term else {UNKNOWN}
    return Opinions(verdicts <= {AGREES}, CONTRADICTS in verdicts, tuple(lines))


def opinions_of_text(text: str, where: str, which: Sequence[str]) -> Opinions:
    """The same for a certificate file's text; LayerError where it is not a certificate file."""
    from derive.certificate import load

    return opinions_of(load(text, where)[2], which)


def _said(solver: str, opinions: Sequence[Opinion], total: int) -> list[str]:
    if not opinions:
        return [f"{_solver(solver).package()}: nothing to ask, every obligation is a fact word for word"]
    agreed = [o for o in opinions if o.verdict == AGREES]
    reach = _solver(solver).reach(sum(o.places for o in agreed))
    count = f"{len(agreed)} of {len(opinions)} distinct obligations ({total} in all)"
    head = f"{_solver(solver).package()}: agrees with {count}; {reach}"
    return [head, *(f"  {o}" for o in opinions if o.verdict != AGREES)]


def _solver(title: str) -> Solver:
    if title not in SOLVERS:
        raise LayerError("no such solver", where="--opinion", expected=" or ".join(SOLVERS), got=repr(title))
    return SOLVERS[title]
