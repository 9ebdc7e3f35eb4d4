"""Scripts that must not pass: false claims, damaged arguments, forged text, files that are no scripts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from between_mutants import mutants as between_mutants
from mutants import Statement
from rocq_cases import (
    FALSE,
    convolution,
    exported,
    followed,
    mutant,
    one,
    put_in,
    rejected,
    rocq,
    states,
)

from derive.claim import Argument, Certificate
from derive.expr import Expr
from derive.theorems import proved_between

# ---- false claims ---------------------------------------------------------------------------------------

BY_DEFAULT = ("NoFlip", "DilationLost", "StrideDropped", "WeightPadForgotten", "BiasWithoutBatch")


def sampled(kinds: list[type[Statement]]) -> list[object]:
    marks = [pytest.mark.sweep]
    return [pytest.param(k, marks=marks * (k.__name__ not in BY_DEFAULT), id=k.__name__) for k in kinds]


@rocq
@pytest.mark.parametrize("wrong", ["input", "weight", "bias"])
def test_what_is_changed_below_is_accepted_unchanged(wrong: str, tmp_path: Path) -> None:
    argument = convolution(wrong)
    assert rejected(tmp_path, one(argument)) == ""
    assert states(tmp_path, argument.claim, argument)


@rocq
@pytest.mark.parametrize("kind", sampled(FALSE))
def test_a_false_claim_is_rejected(kind: type[Statement], tmp_path: Path) -> None:
    """With the lemmas of the true claim, and with the same steps taken from the false one."""
    argument = convolution(kind.wrong)
    text = put_in(one(argument), argument.claim, mutant(kind))
    assert text != one(argument)
    # a sum over C for one over K is accepted as long as the theorem itself puts K there
    assert rejected(tmp_path, text) or not states(tmp_path, mutant(kind), argument)
    if again := exported(followed(mutant(kind), argument)):
        assert rejected(tmp_path, again)


def test_the_exporter_still_writes_some_false_claims() -> None:
    """So that the test above is about Rocq, not about the exporter alone."""
    written = [k.__name__ for k in FALSE if exported(followed(mutant(k), convolution(k.wrong)))]
    assert {"NoFlip", "Doubled", "WeightPadForgotten"} <= set(written)


@cache
def false_between() -> list[tuple[str, Argument, str]]:
    """(what was changed, the true argument, its script with false definitions) of two theorems."""
    found = []
    for theorem, part in (("downsample-gradient", "1 axis"), ("adjoint", "1 axis")):
        proved = proved_between(theorem)
        key = part if part in proved else next(iter(proved))
        argument = proved[key].argument
        for said, claim in between_mutants(argument.claim):
            found.append((f"{theorem}: {said}", argument, put_in(one(argument), argument.claim, claim)))
    return found


@rocq
@pytest.mark.parametrize("place", [0, 3, -1])
def test_a_false_theorem_between_layers_is_rejected(place: int, tmp_path: Path) -> None:
    said, _, text = false_between()[place]
    assert rejected(tmp_path, text), said


@rocq
@pytest.mark.sweep
def test_every_false_theorem_between_layers_is_rejected(tmp_path: Path) -> None:
    assert len(false_between()) > 10
    for said, argument, text in false_between():
        assert rejected(tmp_path, one(argument)) == ""
        assert rejected(tmp_path, text), said


# ---- damaged arguments ------------------------------------------------------------------------------------


def with_certificate(argument: Argument, place: int, certificate: Certificate) -> Argument:
    """The closed-form side with another first certificate of a step."""
    steps = argument.right_steps
    step = replace(steps[place], certificates=(certificate, *steps[place].certificates[1:]))
    return replace(argument, right_steps=(*steps[:place], step, *steps[place + 1 :]))


def certified(argument: Argument) -> tuple[int, Certificate]:
    """The first step of the closed-form side that has certificates, and the first of them."""
    place = next(n for n, step in enumerate(argument.right_steps) if step.certificates)
    return place, argument.right_steps[place].certificates[0]


def other_weight(argument: Argument) -> Argument:
    place, certificate = certified(argument)
    (weight, numbers), *rest = certificate.products
    products = (("2" if weight != "2" else "3", numbers), *rest)
    return with_certificate(argument, place, replace(certificate, products=products))


def other_fact(argument: Argument) -> Argument:
    place, certificate = certified(argument)
    goal, (weight, _), *rest = certificate.products
    return with_certificate(argument, place, replace(certificate, products=(goal, (weight, (0,)), *rest)))


def condition_dropped(argument: Argument) -> Argument:
    """A step's result without one of its conditions; the steps after it go on from there."""
    place = next(n for n, s in enumerate(argument.left_steps) if s.after.terms[0].conditions)
    step = argument.left_steps[place]
    (term,) = step.after.terms
    changed = replace(step, after=Expr((replace(term, conditions=()),)))
    steps = argument.left_steps
    return replace(argument, left_steps=(*steps[:place], changed, *steps[place + 1 :]))


@rocq
@pytest.mark.parametrize("damage", [other_weight, other_fact, condition_dropped])
def test_a_damaged_argument_is_rejected(damage: Callable[[Argument], Argument], tmp_path: Path) -> None:
    argument = convolution("weight")
    damaged = damage(argument)
    assert damaged != argument
    text = exported(damaged)
    if not text:
        # the exporter finds it: the same damage in the text of the true argument
        text = re.sub(r"\[\(.*? =\? 0\)( && [^\]]*)?\] ", "", one(argument), count=1)
        assert text != one(argument)
    assert rejected(tmp_path, text)


def left_out(text: str) -> str:
    return re.sub(r"etransitivity; \[exact left_2\|\]\.\n", "", text, count=1)


def swapped(text: str) -> str:
    return (
        text.replace("exact left_2|", "exact left_0|")
        .replace("exact left_3|", "exact left_2|")
        .replace("exact left_0|", "exact left_3|")
    )


def other_change_of_variable(text: str) -> str:
    """The inverse of a change of variable one further on."""
    found = re.search(r"^  _ _ \(fun (\S+) => .*?\) \(fun (\S+) => (.*)\)\)\.$", text, re.MULTILINE)
    assert found
    return text[: found.end(3)] + " + 1" + text[found.end(3) :]


@rocq
@pytest.mark.parametrize("damage", [left_out, swapped, other_change_of_variable])
def test_a_damaged_chain_is_rejected(damage: Callable[[str], str], tmp_path: Path) -> None:
    text = one(convolution("input"))
    assert damage(text) != text
    assert rejected(tmp_path, damage(text))
