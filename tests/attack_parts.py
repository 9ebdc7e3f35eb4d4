"""Owns what the tests of attacks share: layers that are wrong on purpose, false claims, forged arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mutants import mutant_claim
from numpy.typing import NDArray

from codegen.reference import evaluate
from codegen.relation import relation_of
from derive.certify import discharge, settled
from derive.claim import Argument, Certificate, Claim, Fact, Step
from derive.expr import Definition, Expr, Factor, Read, substitute
from derive.index import name
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.layers.conv import Conv2d
from derive.oracle import Oracle
from derive.search import search
from derive.statements.convolution import Axis, Statement
from derive.steps import Context, replay
from derive.strategy import argue

Array = NDArray[Any]
TAGS = ("h", "w")


def searching() -> Oracle:
    """An oracle that looks for any certificate there is: what cannot be argued with it has none."""
    return Oracle({}, search)


# ---- layers whose definition and closed forms are wrong in one and the same way -------------------


class SwappedPadding(Axis):
    """An axis whose padding before and after are exchanged wherever a statement asks for them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        before, after = self.before, self.after
        object.__setattr__(self, "before", after)
        object.__setattr__(self, "after", before)

    def facts(self) -> tuple[Fact, ...]:
        return Axis(self.tag, self.zeros).facts()


class _Mirrored(Conv2d):
    """Padding exchanged in the definition and in every closed form, all from one wrong index map.

    Its name keeps it out of the registry.
    """

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        full = cls.chosen(choices)
        return Statement(tuple(map(SwappedPadding, TAGS)), full["bias"], full["batched"]).claims()


class _Turned(Conv2d):
    """A forward pass that turns the kernel round, with the true gradients of that forward pass."""

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        return {key: _turned(claim) for key, claim in Conv2d.claims(**choices).items()}


def _turned(claim: Claim) -> Claim:
    """Every read of the weight at k - 1 - a; the gradient by the weight read from its other end."""
    definitions = tuple(_with_factors(d, _flip) for d in claim.setting.definitions)
    right = claim.right if claim.target.name == "weight" else _with_factors(claim.right, _flip)
    if claim.target.name == "weight":
        back = {f"a_{t}": name(f"k_{t}") - 1 - name(f"a_{t}") for t in TAGS}
        right = replace(right, body=Expr(tuple(substitute(t, back) for t in right.body.terms)))
    return replace(claim, setting=replace(claim.setting, definitions=definitions), right=right)


def _with_factors(definition: Definition, change: Callable[[Factor], Factor]) -> Definition:
    terms = (replace(t, factors=tuple(map(change, t.factors))) for t in definition.body.terms)
    return replace(definition, body=Expr(tuple(terms)))


def _flip(factor: Factor) -> Factor:
    if not isinstance(factor, Read) or factor.tensor.name != "weight":
        return factor
    turned = (name(f"k_{t}") - 1 - f for t, f in zip(TAGS, factor.index[3:], strict=True))
    return Read(factor.tensor, (*factor.index[:3], *turned))


def values(layer: Layer, shape: tuple[int, ...], key: str, data: dict[str, Array]) -> Array:
    """What the definition in a layer's claim gives, by loops over its own indices, row-major."""
    claim = claim_at(type(layer).claims(**layer.choices(shape))[key], layer.sizes(shape))
    return evaluate(relation_of(claim), data).reshape(-1)


# ---- false claims, and arguments forged for them --------------------------------------------------


def with_facts(claim: Claim, *facts: Fact) -> Claim:
    """The claim under further hypotheses."""
    return replace(claim, setting=replace(claim.setting, facts=(*claim.setting.facts, *facts)))


def with_right(claim: Claim, *terms: Any) -> Claim:
    """The claim with another right side."""
    return replace(claim, right=replace(claim.right, body=Expr(terms)))


def contradiction(facts: tuple[Fact, ...]) -> Certificate:
    """N - 1 >= 0 and -N >= 0 added are -1 >= 0, which shows anything."""
    numbers = [facts.index(Fact(name("N") - 1)), facts.index(Fact(-name("N")))]
    return Certificate(tuple(("1", (i,)) for i in numbers))


def proved_from_nothing(kind: type[Statement]) -> Argument:
    """A false claim under hypotheses that contradict each other, every side condition certified from them.

    The closed form's conditions are exchanged for the other side's by one step of `guard`.
    """
    claim = with_facts(mutant_claim(kind), Fact(-name("N")))
    argument = argue(claim, searching())
    left, right = argument.left_steps[-1].after, argument.right_steps[-1].after
    context = Context(claim.setting, claim.indices)
    arguments: dict[str, Any] = {"term": 0, "conditions": left.terms[0].conditions}
    after, needed = replay(context, right, "guard", arguments)
    shown = tuple(contradiction(o.facts) for o in needed if not settled(o))
    discharge(needed, shown, "the forged step")
    step = Step("guard", arguments, shown, after)
    return replace(argument, right_steps=(*argument.right_steps, step))
