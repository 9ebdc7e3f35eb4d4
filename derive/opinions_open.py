"""Owns the search for dead text: every term of an argument's expressions is open somewhere, or is named.

A guard that no sizes and indices satisfy makes its term 0, and a theorem with such terms says less than it
seems to. Z3 proposes an assignment for every term of every definition and of the normal form; it counts only
after hypotheses, index ranges and guard were evaluated there. It is asked for one at which no size has the
smallest value that the hypotheses about it alone leave: kernel, stride and dilation 2 or more, padding and
leftover 1 or more, all at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from derive.certify import Obligation, known
from derive.claim import Argument, Claim, Fact, Setting
from derive.expr import Expr, Sum
from derive.index import Index, name
from derive.opinions_answer import Answer
from derive.opinions_z3 import package, point
from derive.oracle import pattern
from derive.steps import sizes_of

NOTHING = Sum((), (), ())
UNSURE = "not known to be open anywhere"


@dataclass(frozen=True)
class Term:
    """One term of an expression that stands in a setting, under its free indices; `where` names it."""

    where: str
    setting: Setting
    free: tuple[Index, ...]
    body: Sum

    @property
    def indices(self) -> tuple[Index, ...]:
        return (*self.free, *self.body.indices)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What an assignment has to satisfy: hypotheses, index ranges, guard."""
        return known(self.setting, self.indices, self.body.conditions)


@dataclass(frozen=True)
class Opening:
    """Where a term is open: the assignment, or None with the reason; `small` are sizes at their smallest."""

    term: Term
    point: Mapping[str, int] | None
    small: tuple[str, ...] = ()
    said: str = ""

    def __str__(self) -> str:
        if self.point is None:
            return f"{self.term.where}: {self.said}: {self.term.body}"
        return f"{self.term.where}: open only with {', '.join(self.small)} at the smallest value"


def terms(argument: Argument) -> list[Term]:
    """Every term of an argument's definitions, right side and normal form; first the hypotheses alone."""
    claim = argument.claim
    normal = argument.left_steps[-1].after if argument.left_steps else claim.left
    return [*stated_terms(claim), *_terms("normal form", claim.setting, claim.indices, normal)]


def stated_terms(claim: Claim) -> list[Term]:
    """Those that stand in the claim itself."""
    setting = claim.setting
    found = [Term("hypotheses", setting, (), NOTHING)]
    for definition in (*setting.definitions, claim.right):
        found += _terms(definition.tensor.name, setting, definition.indices, definition.body)
    return found


def _terms(where: str, setting: Setting, free: tuple[Index, ...], expr: Expr) -> list[Term]:
    return [Term(f"{where}, term {i}", setting, free, t) for i, t in enumerate(expr.terms, start=1)]


def smallest(setting: Setting) -> dict[str, int]:
    """Each size's degenerate value: 1 where a fact about it alone fails at 0, and 0 otherwise."""
    alone = [f for f in setting.facts if len(f.form.names) == 1]
    lengths = {n for f in alone for n in f.form.names if not f.holds({n: 0})}
    return {size: int(size in lengths) for size in sorted(sizes_of(setting))}


def holds_at(term: Term, values: Mapping[str, int]) -> bool:
    """Whether hypotheses, index ranges and guard hold at an assignment, by plain evaluation."""
    return (
        all(type(v) is int for v in values.values())
        and all(f.holds(values) for f in term.setting.facts)
        and all(0 <= values[i.name] < i.extent.evaluate(values) for i in term.indices)
        and all(bool(c.holds(values)) for c in term.body.conditions)
    )


def opened(term: Term) -> Opening:
    """An assignment at which the term is open, as few sizes at their smallest as can be; verified."""
    low = smallest(term.setting)
    answer = _generous(term.facts, [Fact(name(size) - value - 1) for size, value in low.items()])
    if answer.point is None:
        return Opening(term, None, said="no sizes and indices open it" if answer.none else UNSURE)
    values = {**dict.fromkeys((*low, *(i.name for i in term.indices)), 0), **answer.point}
    if not holds_at(term, values):
        return Opening(term, None, said=UNSURE)
    return Opening(term, values, tuple(size for size, value in low.items() if values[size] <= value))


def _generous(facts: tuple[Fact, ...], wishes: Sequence[Fact]) -> Answer:
    """A point of the facts at which all wishes hold, or else as many as can be added one after the other."""
    best = _point((*facts, *wishes))
    if best.point is None:
        best = _point(facts)
        for wish in wishes if best.point is not None else ():
            more = _point((*facts, wish))
            if more.point is not None:
                facts, best = (*facts, wish), more
    return best


def _point(facts: tuple[Fact, ...]) -> Answer:
    """A point of all facts, made of one for each group of facts that share names (an axis, mostly)."""
    if not all(f.holds({}) for f in facts if not f.form.names):
        return Answer(True, "a fact without names does not hold")
    values: dict[str, int] = {}
    for n in dict.fromkeys(n for f in facts for m, _ in f.form.terms for n in m):
        if n in values:
            continue
        group = pattern(Obligation(facts, name(n), ""))
        answer = _somewhere(group.obligation.facts)
        if answer.point is None:
            return answer
        values |= {long: answer.point[short] for long, short in group.names.items()}
    return Answer(False, "a model for each group", values)


@cache
def _somewhere(facts: tuple[Fact, ...]) -> Answer:
    """The answer for a group whose names are numbered: axes and layers alike share it."""
    return point(facts)


def openings(found: Iterable[Term]) -> list[Opening]:
    """Those of distinct terms; a term whose facts are those of another is not asked for twice."""
    once = {(frozenset(t.facts), sizes_of(t.setting)): t for t in found}
    return [opened(t) for t in once.values()]


def open_lines(arguments: Mapping[str, Argument]) -> tuple[bool, list[str]]:
    """Whether every term of the arguments is open somewhere, and what is said of that."""
    asked = [t for argument in arguments.values() for t in terms(argument)]
    found = openings(asked)
    dead = [o for o in found if o.point is None]
    narrow = [o for o in found if o.point is not None and o.small]
    head = f"{package()}: hypotheses and guards hold somewhere for {len(found) - len(dead)} of {len(found)}"
    line = f"{head} distinct guards ({len(asked)} in all), each at an assignment evaluated here"
    none_small = "" if dead or narrow else ", no size at its smallest"
    return not dead, [line + none_small, *(f"  {o}" for o in (*dead, *narrow))]
