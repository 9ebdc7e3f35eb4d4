"""Owns the order in which rules are tried: both sides of a claim are taken to one normal form, separately.

Untrusted: the argument that comes out is believed only after `proof.theorem` has replayed it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

from derive.certify import known
from derive.check import upkeep
from derive.claim import Argument, Claim, Fact, Step
from derive.equality import same
from derive.errors import ProofError
from derive.expr import Apply, Expr, Read, Sum
from derive.functions import INVERSE
from derive.oracle import Oracle
from derive.rules import Proposal, cancel, chain, collect, delta, divide, guard, reindex, shear, unfold
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
        divide.propose,
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
        divide.propose,
        cancel.propose,
        collect.propose,
    ),
}

LAST: tuple[tuple[Rule, ...], ...] = ((), (reindex.propose,))
"""What the definition side may end with: one after the other is tried until the two sides meet."""

MOST_STEPS = 600
MOST_ENDS = 256
"""Choices of first and last index values that are tried as a witness."""
MOST_GROWN = 32
"""Facts that sizes of a witness are made larger for."""


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
    kept_whole = dict.fromkeys((shared(claim), frozenset()))
    for early, whole, last in product(_inverses_first(claim), kept_whole, LAST):
        right, end = normalise(context, claim.right.body, rules("closed-form side", whole, early), oracle)
        opened = rules("definition side", whole, early)
        left, normal = normalise(context, claim.left, (*opened, *last), oracle)
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


def _inverses_first(claim: Claim) -> tuple[bool, ...]:
    """Whether inverses are cancelled before entries are unfolded; as a second choice, where it can matter.

    It can where what is inverted is a sum of entries that have a definition of their own.
    """
    setting = claim.setting
    bodies = [d.body for d in (*setting.definitions, claim.right)]
    factors = [f for b in bodies for t in b.terms for f in t.factors]
    inverted = {f.of.tensor.name for f in factors if isinstance(f, Apply) and f.function == INVERSE}
    summed = [t for d in setting.definitions if d.tensor.name in inverted for t in d.body.terms]
    read = {f.tensor.name for t in summed for f in t.factors if isinstance(f, Read)}
    return (False, True) if any(setting.definition(name) for name in read) else (False,)


def rules(side: str, kept: frozenset[str], early: bool = False) -> tuple[Rule, ...]:
    """The rules of a side, the named tensors kept as they are; `early` cancels before it unfolds."""
    own = unfold.keeping(kept) if kept else unfold.propose
    found = tuple(own if rule is unfold.propose else rule for rule in SIDES[side])
    return (cancel.propose, *found) if early else found


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
    """Sizes and indices at which the hypotheses hold and the first guard is open: lengths 1, other sizes 0.

    A size is a length where a hypothesis about it alone fails at 0. A layer of one pixel, one tap and one
    channel satisfies what convolutions ask. Indices are 0, or the last of their range where the guard is
    open only there; a claim that needs another witness fails the check.
    """
    alone = [f for f in context.setting.facts if len(f.form.names) == 1]
    lengths = {size for f in alone for size in f.form.names if not f.holds({size: 0})}
    sizes = {n: int(n in lengths) for n in sizes_of(context.setting)}
    term = normal.terms[0] if normal.terms else Sum((), (), ())
    indices = (*context.free, *term.indices)
    facts = known(context.setting, indices, term.conditions)
    zeros = sizes | {i.name: 0 for i in indices}
    last = {i.name: int(i.extent.evaluate(sizes)) - 1 for i in indices}
    moved = [n for n in last if last[n] > 0 and any(n in f.form.names for f in facts if not f.holds(zeros))]
    for chosen in islice(product((False, True), repeat=len(moved)), MOST_ENDS):
        found = zeros | {n: last[n] for n, end in zip(moved, chosen, strict=True) if end}
        if all(f.holds(found) for f in facts):
            return found
    return grown(zeros, sizes, facts)


def grown(start: Mapping[str, int], sizes: Collection[str], facts: Sequence[Fact]) -> dict[str, int]:
    """The values with sizes made larger until the facts hold, one that fails after another; or as given."""
    values = dict(start)
    for _ in range(MOST_GROWN):
        wrong = next((f for f in facts if not f.holds(values)), None)
        if wrong is None:
            return values
        short = -int(wrong.form.evaluate(values))
        steps = {n: wrong.form.evaluate({**values, n: values[n] + 1}) for n in sorted(sizes)}
        slopes = {n: int(value) + short for n, value in steps.items()}
        helps = [n for n, slope in slopes.items() if slope * short > 0]
        if not helps:
            break
        values[helps[0]] += -(-short // slopes[helps[0]])
    return dict(start)
