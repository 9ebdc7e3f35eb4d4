"""The theorems of every layer for all sizes: they hold for every choice, and damaged ones are refused."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from derive.claim import Claim
from derive.domain import functions
from derive.errors import BackflipError, ProofError
from derive.exhaust import compare
from derive.expr import Apply, Definition, Expr, Read, Sum
from derive.index import Within, Zero
from derive.instance import claim_at
from derive.judge_field import judge_with_field
from derive.layers import registry
from derive.layers.base import Layer
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.spelling import parse_layer
from derive.strategy import argue
from derive.theorems import theorems

HEAVY = ("Conv3d", "ReflectionPad3d", "ReplicationPad3d", "CircularPad3d")
"""Layers whose padding modes make up to 27 cases: several seconds a choice."""


def variants(heavy: bool) -> list[tuple[str, dict[str, Any]]]:
    return [
        (title, choices)
        for title, kind in registry().items()
        for choices in kind.variants()
        if heavy == (title in HEAVY and choices.get("padding_mode") != "zeros")
    ]


def named(case: tuple[str, dict[str, Any]]) -> str:
    return f"{case[0]}-" + "-".join(str(v) for v in case[1].values())


@pytest.mark.parametrize("title", registry())
def test_every_choice_is_proved_for_all_sizes(title: str) -> None:
    """Each choice has its theorems, one for the output and one for each differentiable operand."""
    mine = [choices for name, choices in variants(heavy=False) if name == title]
    if title in HEAVY:
        mine += [choices for name, choices in variants(heavy=True) if name == title][:1]
    assert mine
    for choices in mine:
        proved = theorems(registry()[title], choices)
        assert set(proved) == set(registry()[title].claims(**choices)) >= {"output", "input"}


@pytest.mark.sweep
@pytest.mark.parametrize("case", variants(heavy=True), ids=named)
def test_every_padding_of_three_axes_is_proved(case: tuple[str, dict[str, Any]]) -> None:
    assert "input" in theorems(registry()[case[0]], case[1])


# ---------------------------------------------------------------- damaged claims


def damaged_terms(term: Sum) -> Iterator[Sum]:
    """The term with an index moved, another function, a condition moved or dropped, or twice itself."""
    for i, factor in enumerate(term.factors):
        if isinstance(factor, Apply):
            for other in {"exp", "recip"} if factor.function != "exp" else {"log"}:
                changed = replace(factor, function=other)
                yield replace(term, factors=(*term.factors[:i], changed, *term.factors[i + 1 :]))
        if isinstance(factor, Read):
            for axis in range(len(factor.index)):
                index = tuple(f + 1 if j == axis else f for j, f in enumerate(factor.index))
                moved = replace(factor, index=index)
                yield replace(term, factors=(*term.factors[:i], moved, *term.factors[i + 1 :]))
    for i, condition in enumerate(term.conditions):
        rest = term.conditions[:i], term.conditions[i + 1 :]
        yield replace(term, conditions=(*rest[0], *rest[1]))
        if isinstance(condition, Zero):
            yield replace(term, conditions=(*rest[0], Zero(condition.form + 1), *rest[1]))
        if isinstance(condition, Within):
            yield replace(term, conditions=(*rest[0], Within(condition.form - 1, condition.high), *rest[1]))
            yield replace(term, conditions=(*rest[0], Within(condition.form, condition.high - 1), *rest[1]))
    yield replace(term, coefficient=term.coefficient * 2)


def damaged(definition: Definition) -> Iterator[Definition]:
    terms = definition.body.terms
    for i, term in enumerate(terms):
        for wrong in damaged_terms(term):
            yield replace(definition, body=Expr((*terms[:i], wrong, *terms[i + 1 :])))
        yield replace(definition, body=Expr((*terms[:i], *terms[i + 1 :])))
        yield replace(definition, body=Expr((*terms, term)))


def wrong_claims(claim: Claim) -> Iterator[Claim]:
    """The claim with its right side or one of its helpers damaged; the layer itself is left as it is."""
    for right in damaged(claim.right):
        yield replace(claim, right=right)
    given = next(i for i, d in enumerate(claim.setting.definitions) if d.tensor.name == "loss")
    for i, helper in enumerate(claim.setting.definitions):
        if i > given:
            for wrong in damaged(helper):
                definitions = (*claim.setting.definitions[:i], wrong, *claim.setting.definitions[i + 1 :])
                yield replace(claim, setting=replace(claim.setting, definitions=definitions))


def is_wrong_at(claim: Claim, sizes: dict[str, int]) -> bool:
    """Whether an independent judge refutes the claim at these sizes, or finds it ill-formed."""
    try:
        at = claim_at(claim, sizes)
        if functions([claim]):
            return judge_with_field(at, np.random.default_rng(7)).difference is not None
        return not compare(at).ok
    except ProofError:
        return True


def is_refused(claim: Claim) -> bool:
    try:
        theorem(argue(claim, stored_oracle()))
    except BackflipError:
        return True
    return False


CASES = [(text, shape) for kind in registry().values() for text, shape in kind.examples]


@pytest.mark.parametrize(("text", "shape"), CASES, ids=[f"{t} at {s}" for t, s in CASES])
def test_a_damaged_claim_is_refused(text: str, shape: tuple[int, ...]) -> None:
    """Whatever is false at this size has no proof for all sizes."""
    layer: Layer = parse_layer(text)
    rng, live = random.Random(f"{text}{shape}"), 0
    sizes = layer.sizes(shape)
    most = 2 if type(layer).__name__ in HEAVY[1:] else 6
    for claim in layer.claims(**layer.choices(shape)).values():
        wrong = list(wrong_claims(claim))
        for mutant in rng.sample(wrong, min(most, len(wrong))):
            if is_wrong_at(mutant, sizes):
                live += 1
                assert is_refused(mutant), f"proved although false at {sizes}: {mutant.right}"
    assert live >= 2, "no live mutant: nothing was tested"
