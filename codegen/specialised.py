"""Owns kernels made of specialised schedules: plans for contractions, their scratch, their parts in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import count

from codegen.contraction import contractions
from codegen.facts import linear
from codegen.loops import Buffer, Comment, Kernel, Part, Pointer, Statement
from codegen.opening import Helpers, beneath
from codegen.schedules.families import plans, plans_of_phases
from codegen.schedules.nest import Function, Target
from codegen.schedules.planned import Plan, Room, order_of
from codegen.schedules.problem import Contraction
from codegen.stage import begun
from derive.claim import Claim
from derive.expr import Apply
from derive.functions import PARAMETERS
from derive.index import Form

LINE = 16
"""Elements that scratch is aligned to; the workspace itself begins at a cache line."""
SHARED_FROM = 2_000_000
"""Products below which a kernel stays on one thread: starting another costs more than it saves."""
CONSTANTS = "constants"
"""The operand that holds the parameters of functions."""
MOST_WORKSPACE = 2**28
"""Elements of workspace beyond which a plan is not taken."""


@dataclass(frozen=True)
class Candidate:
    """A kernel, the cycles that the model expects of it, and what decides the order of its additions."""

    kernel: Kernel
    cost: float
    order: tuple[object, ...] = ()


def candidates(name: str, key: str, claim: Claim, helpers: Helpers, target: Target) -> list[Candidate]:
    """Kernels of a right side that is a contraction, cheapest first by the model; none where it is not."""
    problems = contractions(key, claim, helpers)
    if not problems:
        return []
    return _ranked(name, claim, helpers, target, problems)


def applied(
    name: str, claim: Claim, helpers: Helpers, target: Target, parameters: Mapping[str, Fraction]
) -> list[Candidate]:
    """Kernels of a right side that is a function of each entry of a contraction, cheapest first."""
    term = claim.right.body.terms[0]
    factor = term.factors[0] if len(term.factors) == 1 == len(claim.right.body.terms) else None
    if not isinstance(factor, Apply) or factor.of.tensor.name not in helpers or term.coefficient != 1:
        return []
    inner = helpers[factor.of.tensor.name]
    if term.indices or term.conditions or inner.indices != claim.right.indices:
        return []
    before = replace(claim, right=inner, left=inner.body)
    if not linear(before):
        return []
    values = tuple(parameters[p] for p in PARAMETERS[factor.function])
    held = Buffer(CONSTANTS, len(values))
    places = tuple(Pointer(held, Form.of(i)) for i in range(len(values)))
    after = Function(factor.function, places)
    problems = tuple(replace(p, after=after) for p in contractions("output", before, helpers))
    if not problems or _computed(problems) < problems[0].out.buffer.count:
        return []
    found = _ranked(name, claim, helpers, target, problems)
    if not values:
        return found
    return [
        replace(
            c,
            kernel=replace(c.kernel, operands=(*c.kernel.operands, held), constants={CONSTANTS: values}),
        )
        for c in found
    ]


def _ranked(
    name: str, claim: Claim, helpers: Helpers, target: Target, problems: tuple[Contraction, ...]
) -> list[Candidate]:
    """The kernels of all choices of plans, cheapest first by the model."""
    found = [
        Candidate(
            _kernel(name, claim, helpers, target, problems, chosen),
            sum(p.cost() for p in chosen),
            tuple(order_of(p) for p in chosen),
        )
        for chosen in _choices(problems, target)
    ]
    fitting = [c for c in found if c.kernel.workspace <= MOST_WORKSPACE]
    return sorted(fitting, key=lambda c: c.cost)


def _choices(problems: tuple[Contraction, ...], target: Target) -> Iterator[tuple[Plan, ...]]:
    """Plans that together compute everything: one for all phases, or the cheapest of each."""
    if len(problems) == 1:
        yield from ((plan,) for plan in plans(problems[0], target))
        return
    yield from ((plan,) for plan in plans_of_phases(problems, target))
    for packs in (False, True):
        each = [_cheapest(p, target, packs) for p in problems]
        if all(each):
            yield tuple(plan for plan in each if plan is not None)


def _cheapest(problem: Contraction, target: Target, packs: bool) -> Plan | None:
    """The cheapest plan that packs its weight, whole, or that does not: all parts are given the same."""
    every = ((p, [s for s in p.scratch() if s.packed]) for p in plans(problem, target))
    found = (p for p, held in every if bool(held) == packs and not any(s.turn for s in held))
    return min(found, key=lambda plan: plan.cost(), default=None)


def _kernel(
    name: str,
    claim: Claim,
    helpers: Helpers,
    target: Target,
    problems: tuple[Contraction, ...],
    chosen: tuple[Plan, ...],
) -> Kernel:
    result = getattr(problems[0], problems[0].result).buffer
    scratch = _laid_out(chosen, target)
    numbers = count(1)
    body: list[Statement] = []
    if _computed(problems) < result.count:
        body += begun(problems[0], target.lanes)
    for number, plan in enumerate(chosen):
        room = Room(scratch[number], numbers, f"{number}_" if len(chosen) > 1 else "")
        body += [Comment(plan.note()), *plan.statements(room)]
    products = sum(p.products for p in problems)
    small = products < SHARED_FROM
    body = [replace(s, shared=False) if isinstance(s, Part) and small else s for s in body]
    mentioned = beneath(claim.right.body, helpers)
    return Kernel(
        name,
        result,
        _operands(claim, problems),
        tuple(b for held in scratch for b in held.values()),
        tuple(body),
        f"{claim.left} = {claim.right}",
        tuple(str(d) for d in claim.setting.definitions if d.tensor.name in mentioned),
        tuple(dict.fromkeys(plan.note() for plan in chosen)),
        threads=1 if small else target.threads,
    )


def _computed(problems: Sequence[Contraction]) -> int:
    """Entries of the result that some contraction computes."""
    if problems[0].result == "weight":
        return sum(p.groups * p.outs * p.ins * p.taps for p in problems)
    return sum(p.batch * p.groups * p.outs * p.places for p in problems)


def _operands(claim: Claim, problems: Sequence[Contraction]) -> tuple[Buffer, ...]:
    """grad_output first, the others in the order of the setting."""
    first = problems[0]
    held = {o.buffer.name: o.buffer for o in (first.out, first.image, first.weight, first.bias) if o}
    names = [t.name for t in claim.setting.inputs if t.name in held]
    return tuple(held[n] for n in sorted(names, key=lambda n: n != "grad_output"))


def _laid_out(chosen: tuple[Plan, ...], target: Target) -> list[Mapping[str, Buffer]]:
    """The scratch of every plan: what holds packed weights first, then the rest, each at a cache line.

    Scratch of one plan that no other reads is used again by the next; packed weights are not.
    """
    packed_end = 0
    found: list[dict[str, Buffer]] = [{} for _ in chosen]
    for number, plan in enumerate(chosen):
        for s in (s for s in plan.scratch() if s.packed):
            title = f"{s.name}_{number}" if len(chosen) > 1 else s.name
            found[number][s.name] = Buffer(title, s.count, packed_end, s.copied, s.own, True, s.turn)
            packed_end += _line(s.turn * target.threads or s.count)
    for number, plan in enumerate(chosen):
        end = packed_end
        for s in (s for s in plan.scratch() if not s.packed):
            title = f"{s.name}_{number}" if len(chosen) > 1 else s.name
            size = _line(s.count)
            found[number][s.name] = Buffer(title, size if s.own else s.count, end, s.copied, s.own)
            end += size * (target.threads if s.own else 1)
    return list(found)


def _line(elements: int) -> int:
    return -(-elements // LINE) * LINE
