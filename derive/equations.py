"""Owns how an argument becomes the equations of one chain: which steps make an equation, and its reason.

The chain runs from the claim's left side through the steps of the definition side to the normal form, and
from there through the steps of the closed-form side, read backwards, to the closed form. An equation is a
run of checked steps of one rule with one reason; over symbolic sizes and at given ones the runs are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from derive.claim import Argument, Claim, Step
from derive.expr import Expr, Read, single
from derive.index import ONE, Condition, Form, Within
from derive.theorems import LABEL

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Line:
    """One checked equality of a derivation: lhs = rhs, why, by which rule, with which label."""

    lhs: Expr
    rhs: Expr
    reason: str
    rule: str
    label: str
    claim: Claim

    def to_sympy(self) -> sympy.Basic:
        """Eq(lhs, rhs), unevaluated, both sides as SymPy sums; see `derive.meaning.to_sympy`."""
        from derive.meaning import equation

        return equation(self.claim, self.lhs, self.rhs)


@dataclass(frozen=True)
class Run:
    """Consecutive steps of one side that make one equation; `first` is the place of the first on its side.

    `backwards` runs are steps of the closed-form side: the equation leads from their result to their start.
    """

    before: Expr
    after: Expr
    steps: tuple[Step, ...]
    first: int
    backwards: bool

    @property
    def sides(self) -> tuple[Expr, Expr]:
        """The two sides of the equation, as printed."""
        return (self.after, self.before) if self.backwards else (self.before, self.after)


@dataclass(frozen=True)
class Numbers:
    """The number of the equation that each step of an argument is in, and how many equations there are.

    `left` has one number for each of `Argument.left_steps`, `right` for each of `Argument.right_steps`; the
    last equation of a chain is the closed form by its name, which is a definition and no step.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    last: int


Rewrite = Callable[[Expr], Expr]
Instantiate = Callable[[Form], Form]

FLIPPED = "the kernel is read backwards (flipped)"
NARROWED = "the bracket's own range"


def lines(argument: Argument, claim: Claim, rewrite: Rewrite, instantiate: Instantiate) -> tuple[Line, ...]:
    """The argument as one chain; equations of which `rewrite` leaves both sides the same are left out."""
    body: list[Line] = []
    for run in runs(argument):
        lhs, rhs = map(rewrite, run.sides)
        if lhs != rhs:
            body.append(Line(lhs, rhs, _reason(run, instantiate), run.steps[0].rule, LABEL, claim))
    if body:
        named = f"closed form: {claim.right.role}"
        body.append(Line(body[-1].rhs, single(claim.right.left), named, "definition", LABEL, claim))
    return tuple(body)


def runs(argument: Argument) -> tuple[Run, ...]:
    """The runs of an argument in the order of the chain."""
    forward = _merged(argument.claim.left, argument.left_steps, False)
    normal = forward[-1].after if forward else argument.claim.left
    backward = _merged(argument.claim.right.body, argument.right_steps, True)
    if backward:
        # the two normal forms are the same up to names and order, which the checker has compared
        backward[-1] = replace(backward[-1], after=normal)
    return (*forward, *reversed(backward))


def numbers(argument: Argument, before: int = 0) -> Numbers:
    """The numbers of the equations that the steps are in, where a document has printed `before` equations.

    A step that leaves its expression as it is has no equation of its own; it has its neighbour's number.
    """
    count = before
    left, right = [0] * len(argument.left_steps), [0] * len(argument.right_steps)
    for run in runs(argument):
        count += run.before != run.after
        end = run.first + len(run.steps)
        (right if run.backwards else left)[run.first : end] = [max(count, before + 1)] * len(run.steps)
    return Numbers(tuple(left), tuple(right), count + (count > before))


def living(expr: Expr) -> Expr:
    """The expression without terms that have a bracket [0 <= form < 0]: they are 0."""
    return Expr(tuple(t for t in expr.terms if not any(map(_empty, t.conditions))))


def _empty(condition: Condition) -> bool:
    """Whether no number can meet the condition."""
    high = condition.high.constant if isinstance(condition, Within) else None
    return high is not None and high <= 0


def _merged(start: Expr, steps: Sequence[Step], backwards: bool) -> list[Run]:
    """Runs of one rule with one reason as one equation."""
    found: list[Run] = []
    befores = (start, *(s.after for s in steps[:-1]))
    pairs = zip(befores, steps, strict=False)
    for _, group in groupby(pairs, key=lambda pair: (pair[1].rule, _kind(*pair))):
        members = tuple(group)
        done = sum(len(run.steps) for run in found)
        inside = tuple(step for _, step in members)
        found.append(Run(members[0][0], inside[-1].after, inside, done, backwards))
    return found


def _kind(before: Expr, step: Step) -> str:
    """The reason of a step; of a change of variable what it does, in words."""
    if step.rule != "reindex":
        return step.reason
    if step.reason.endswith(NARROWED):
        return NARROWED
    index = step.arguments["index"]
    if step.arguments["backward"].coefficient(index) != -ONE:
        return ""
    factors = before.terms[step.arguments["term"]].factors
    kernels = [f for f in factors if isinstance(f, Read) and f.tensor.name == "weight" and index in f.names]
    return FLIPPED if kernels else "read in the other direction"


def _backwards(run: Run) -> str:
    """What is said of a run that is read from its result to its start, where its own words would mislead."""
    if run.steps[0].rule == "delta":
        return "one value written as a sum with a delta"
    if run.steps[0].rule != "guard":
        return run.steps[0].reason
    more = _brackets(run.before) - _brackets(run.after)
    if more > 0:
        return "the brackets that the equation implies are written out"
    return "brackets that the others imply are left out" if more < 0 else "brackets in another form"


def _brackets(expr: Expr) -> int:
    return sum(len(term.conditions) for term in expr.terms)


def _reason(run: Run, instantiate: Instantiate) -> str:
    """What is said of a run; a change of variable is spelled out with the sizes in it."""
    steps = run.steps
    if steps[0].rule != "reindex":
        return _backwards(run) if run.backwards else steps[0].reason
    real = [s for s in steps if instantiate(s.arguments["extent"]) != ONE] or list(steps)
    changes = dict.fromkeys(f"{s.arguments['new']} = {instantiate(s.arguments['backward'])}" for s in real)
    kind = _kind(run.before, steps[0])
    return f"change of variable {', '.join(changes)}" + (f": {kind}" if kind else "")
