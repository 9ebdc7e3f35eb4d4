"""Owns the order in which rules are tried: both sides of a claim are taken to one normal form, separately.

Untrusted: the argument that comes out is believed only after `proof.theorem` has replayed it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

from derive.check import upkeep
from derive.claim import Argument, Claim, Step
from derive.equality import same
from derive.errors import ProofError
from derive.expr import Apply, Expr, Read, Sum
from derive.oracle import Oracle
from derive.rules import Proposal, cancel, chain, collect, delta, guard, reindex, shear, unfold
from derive.steps import Context, replay, sizes_of

Rule = Callable[[Context, Expr], Iterable[Proposal]]

SIDES: Mapping[str, tuple[Rule, ...]] = {
    "definition side": (
        chain.propose,
        unfold.propose,
        delta.propose,
        guard.propose,
        guard.widen,
        guard.pin,
        reindex.narrow,
        shear.propose,
        cancel.propose,
        collect.propose,
    ),
    "closed-form side": (
        unfold.propose,
        delta.propose,
        guard.propose,
        guard.widen,
        guard.pin,
        reindex.propose,
        reindex.narrow,
        shear.propose,
        cancel.propose,
        collect.propose,
    ),
}

LAST: tuple[tuple[Rule, ...], ...] = ((), (reindex.propose,))
"""What the definition side may end with: one after the other is tried until the two sides meet."""

MOST_STEPS = 600


def argue(claim: Claim, oracle: Oracle) -> Argument:
    """An argument for the claim; raises ProofError where a certificate is missing."""
    context = Context(claim.setting, claim.indices)
    kept = oracle.certificates(upkeep(claim))
    if kept is None:
        raise ProofError(
            "a read cannot be shown inside its tensor, or the shapes of the two sides differ",
            where=claim.name,
            expected="a certificate for each obligation",
            got=missing(claim, oracle),
        )
    for whole, last in product(dict.fromkeys((shared(claim), frozenset())), LAST):
        right, end = normalise(context, claim.right.body, rules("closed-form side", whole), oracle)
        left, normal = normalise(context, claim.left, (*rules("definition side", whole), *last), oracle)
        if same(normal, end):
            break
    return Argument(claim, left, right, kept, witness(context, normal))


def shared(claim: Claim) -> frozenset[str]:
    """What is defined before the output and read by the closed form, where a function is applied anywhere.

    Both sides are better kept in terms of it: unfolded, a few centred entries become hundreds of products.
    """
    definitions = claim.setting.definitions
    names = [d.tensor.name for d in definitions]
    if "output" not in names or not any(_applies(d.body) for d in definitions):
        return frozenset()
    place = names.index("output")
    readers = (claim.right, *definitions[place + 1 :])
    found = {f.tensor.name for d in readers for t in d.body.terms for f in t.factors if isinstance(f, Read)}
    return frozenset(names[:place]) & found


def _applies(expr: Expr) -> bool:
    return any(isinstance(f, Apply) for t in expr.terms for f in t.factors)


def rules(side: str, kept: frozenset[str]) -> tuple[Rule, ...]:
    """The rules of a side, the named tensors kept as they are."""
    own = unfold.keeping(kept) if kept else unfold.propose
    return tuple(own if rule is unfold.propose else rule for rule in SIDES[side])


def normalise(
    context: Context, start: Expr, rules: tuple[Rule, ...], oracle: Oracle
) -> tuple[tuple[Step, ...], Expr]:
    """Steps from `start` until no rule applies, and where they end; earlier rules go first."""
    steps: list[Step] = []
    refused: dict[tuple[Any, ...], Sum] = {}
    current = start
    while taken := _next(context, current, rules, oracle, refused):
        steps += taken
        current = steps[-1].after
        if len(steps) > MOST_STEPS:
            raise ProofError(
                "no normal form reached", where=str(start), expected=f"at most {MOST_STEPS} steps"
            )
    return tuple(steps), current


def _next(
    context: Context,
    current: Expr,
    rules: tuple[Rule, ...],
    oracle: Oracle,
    refused: dict[tuple[Any, ...], Sum],
) -> tuple[Step, ...]:
    """The first proposal that can be certified; what was refused of a term is not tried again."""
    for proposal in _proposals(context, current, rules):
        term = current.terms[proposal.arguments["term"]]
        rest = tuple(v for k, v in proposal.arguments.items() if k != "term")
        key = (id(term), proposal.rule, rest, proposal.then is None)
        if key in refused:
            continue
        if steps := _taken(context, current, proposal, oracle):
            return steps
        refused[key] = term
    return ()


def _taken(context: Context, current: Expr, proposal: Proposal, oracle: Oracle) -> tuple[Step, ...]:
    """The steps of a proposal and of what follows it at once; none where a certificate is missing."""
    after, needed = replay(context, current, proposal.rule, proposal.arguments)
    certificates = oracle.certificates(needed)
    if certificates is None:
        return ()
    step = Step(proposal.rule, proposal.arguments, certificates, after, proposal.reason)
    if proposal.then is None:
        return (step,)
    following = _taken(context, after, proposal.then, oracle)
    return (step, *following) if following else ()


def _proposals(context: Context, current: Expr, rules: tuple[Rule, ...]) -> Iterator[Proposal]:
    for rule in rules:
        yield from rule(context, current)


def missing(claim: Claim, oracle: Oracle) -> str:
    """The first obligation of well-formedness without a certificate, in words."""
    open_ones = (o for o in upkeep(claim) if oracle.certificates([o]) is None)
    return next((f"not shown: {o.about} ({o.goal} >= 0)" for o in open_ones), "")


def witness(context: Context, normal: Expr) -> dict[str, int]:
    """Sizes and indices at which the hypotheses hold and the first guard is open: lengths 1, the rest 0.

    A size is a length where a hypothesis about it alone fails at 0. A layer of one pixel, one tap and one
    channel satisfies what convolutions ask; a claim that needs another witness fails the check.
    """
    alone = [f for f in context.setting.facts if len(f.form.names) == 1]
    lengths = {size for f in alone for size in f.form.names if not f.holds({size: 0})}
    indices = [*context.free, *(i for t in normal.terms[:1] for i in t.indices)]
    return {n: int(n in lengths) for n in sizes_of(context.setting)} | {i.name: 0 for i in indices}
