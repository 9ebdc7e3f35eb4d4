"""Second opinions: Z3 and ISL agree with every certificate, and contradict whatever has none."""

from __future__ import annotations

import json
import random
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from math import prod

import pytest
from stored import stored

from derive import opinions_isl, opinions_z3
from derive.between import theorems_between
from derive.certificate import digest
from derive.certify import Obligation, certified, settled
from derive.claim import Argument, Fact
from derive.errors import LayerError, LimitError, ProofError
from derive.index import Form, name
from derive.layers import registry
from derive.layers.conv import Conv2d
from derive.opinions import (
    AGREES,
    CONTRADICTS,
    UNKNOWN,
    distinct,
    obligations,
    opinion,
    opinions_of,
    opinions_of_text,
)
from derive.opinions_answer import Answer
from derive.search import search
from derive.theorems import certificate_text, proved_between, theorems

SOLVERS = ("z3", "isl")
BEYOND = "no certificate of degree 2"
USUAL = {"bias": True, "batched": True}


def arguments_of(title: str) -> dict[str, Argument]:
    kind = registry()[title]
    return {key: t.argument for key, t in theorems(kind, next(kind.variants())).items()}


def value(form: Form, at: Mapping[str, int]) -> int:
    """The form's value, written here once more."""
    return sum(c * prod(at[n] for n in m) for m, c in form.terms)


def is_counterexample(obligation: Obligation, at: Mapping[str, int]) -> bool:
    held = all(value(f.form, at) == 0 if f.equal else value(f.form, at) >= 0 for f in obligation.facts)
    return held and value(obligation.goal, at) < 0


# ---- the obligations of backflip ---------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_solver_agrees_with_every_stored_certificate(solver: str) -> None:
    """The store is what all claims of all layers and between layers need: no unknown among them."""
    for obligation, certificate in stored().values():
        assert certified(obligation, certificate)
        said = opinion(obligation, solver)
        assert said.verdict == AGREES and said.places >= 1, str(said)


@pytest.mark.parametrize("title", ["Conv2d", "AvgPool1d", "ReflectionPad2d", "Upsample", "BatchNorm1d"])
def test_the_obligations_of_an_argument_are_those_that_it_certifies(title: str) -> None:
    """One for each certificate, in order, and each is one of the store's: so the test above was about it."""
    known = stored()
    for argument in arguments_of(title).values():
        steps = (*argument.left_steps, *argument.right_steps)
        certificates = [*argument.upkeep, *(c for s in steps for c in s.certificates)]
        asked = obligations(argument)
        assert len(asked) == len(certificates)
        assert all(certified(o, c) for o, c in zip(asked, certificates, strict=True))
        assert distinct(asked).keys() <= known.keys()


@pytest.mark.sweep
@pytest.mark.parametrize("title", registry())
def test_solvers_agree_with_every_choice_of_a_class(title: str) -> None:
    kind = registry()[title]
    arguments = {
        f"{key} {choices}": t.argument
        for choices in kind.variants()
        for key, t in theorems(kind, choices).items()
    }
    found = opinions_of(arguments, SOLVERS)
    assert found.ok, "\n".join(found.lines)


@pytest.mark.sweep
@pytest.mark.parametrize("title", theorems_between())
def test_solvers_agree_with_every_theorem_between_layers(title: str) -> None:
    found = opinions_of({part: t.argument for part, t in proved_between(title).items()}, SOLVERS)
    assert found.ok, "\n".join(found.lines)


# ---- sabotage ----------------------------------------------------------------------------------


def damaged(every: bool = True) -> list[Obligation]:
    """Stored obligations with 1 more asked for, or without one of their facts (one of the certificate's)."""
    found = []
    for obligation, certificate in stored().values():
        found.append(replace(obligation, goal=obligation.goal - 1))
        used = {i for _, numbers in certificate.products for i in numbers}
        used |= {i for i, _ in certificate.multiples}
        for i in range(len(obligation.facts)):
            if every or i in used:
                rest = (*obligation.facts[:i], *obligation.facts[i + 1 :])
                found.append(replace(obligation, facts=rest))
    return [o for o in distinct(found).values() if not settled(o)]


def agree_on_damage(cases: list[Obligation]) -> Counter[str]:
    """Three ways to the same answer: a certificate is found, or both solvers have a counterexample.

    BEYOND counts what solvers find no fault with although no certificate of degree 2 is found.
    """
    seen: Counter[str] = Counter()
    for obligation in cases:
        said = [opinion(obligation, solver) for solver in SOLVERS]
        verdicts = {one.verdict for one in said}
        if search(obligation) is not None:
            assert verdicts == {AGREES}, "; ".join(map(str, said))
            seen[AGREES] += 1
        elif CONTRADICTS in verdicts:
            assert verdicts == {CONTRADICTS}, "; ".join(map(str, said))
            assert all(is_counterexample(obligation, one.model) for one in said)
            seen[CONTRADICTS] += 1
        else:
            seen[BEYOND] += 1
    return seen


def test_solvers_contradict_damaged_obligations() -> None:
    """With a counterexample that holds when evaluated; where damage did no harm a certificate is found."""
    seen = agree_on_damage(random.Random(5).sample(damaged(every=False), 40))
    assert min(seen[AGREES], seen[CONTRADICTS]) >= 5 and seen[BEYOND] <= 1, seen


@pytest.mark.sweep
def test_solvers_and_search_agree_on_every_damaged_obligation() -> None:
    """Some thousands; one or two need whole numbers as whole (s o < s p gives s o <= s (p - 1))."""
    seen = agree_on_damage(damaged())
    assert seen[CONTRADICTS] > 600 and seen[BEYOND] <= 5, seen


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_stride_that_may_be_zero_is_noticed(solver: str) -> None:
    s, o, h = name("s"), name("o"), name("h")
    below = Obligation((Fact(s - 1), Fact(o), Fact(h - 1 - s * o)), h - 1 - o, "o < h")
    assert opinion(below, solver).verdict == AGREES
    free = replace(below, facts=below.facts[1:])
    said = opinion(free, solver)
    assert said.verdict == CONTRADICTS and is_counterexample(free, said.model)
    assert "fails at" in str(said) and "o < h" in str(said)


def test_an_argument_without_a_hypothesis_is_contradicted() -> None:
    """The same steps in a setting where the dilation may be negative: some obligation is false there."""
    argument = arguments_of("Conv2d")["input"]
    claim = argument.claim
    facts = tuple(f for f in claim.setting.facts if f.form != name("d_h") - 1)
    assert len(facts) == len(claim.setting.facts) - 1
    weaker = replace(argument, claim=replace(claim, setting=replace(claim.setting, facts=facts)))
    found = opinions_of({"input": weaker}, SOLVERS)
    assert not found.ok and found.contradicted
    assert sum("CONTRADICTS" in line and "d_h=" in line for line in found.lines) >= 2


def test_a_counterexample_that_is_none_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    s = name("s")
    for wrong in ({"s": 1}, {"s": -1}, {}):
        monkeypatch.setattr(opinions_z3, "refute", lambda _, at=wrong: Answer(False, "a model", at))
        said = opinion(Obligation((Fact(s),), s, "s >= 0"), "z3")
        assert said.verdict == UNKNOWN and not said.model


# ---- not knowing -------------------------------------------------------------------------------


def test_unknown_is_no_agreement(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"input": arguments_of("Conv2d")["input"]}
    monkeypatch.setattr(opinions_isl, "MOST_OPERATIONS", 100)
    found = opinions_of(arguments, ["isl"])
    assert not found.ok and not found.contradicted
    assert "agrees with 0 of" in found.lines[0] and all("ISL gave up" in line for line in found.lines[1:])
    short = opinions_z3.point([Fact(name("x") * name("x") * name("y") - name("y") - 12345)], 10)
    assert not short.none and short.point is None and "gave up" in short.said


def test_isl_says_where_it_was_not_asked() -> None:
    x, y = name("x"), name("y")
    far = Obligation((Fact(x - 1), Fact(y - 100)), x * y, "far away")
    assert opinion(far, "isl").verdict == AGREES  # x gets numbers, y is any number
    farther = Obligation((Fact(x - 100), Fact(y - 100)), x * y, "farther away")
    assert opinion(farther, "isl").verdict == UNKNOWN and opinion(farther, "z3").verdict == AGREES
    many = [name(f"x{i}") * name(f"y{i}") for i in range(opinions_isl.MOST_FIXED + 1)]
    wide = Obligation(tuple(Fact(f) for f in many), sum(many, Form()), "many products")
    assert opinion(wide, "isl").verdict == UNKNOWN


def test_isl_fixes_sizes_before_indices() -> None:
    s, o = name("s"), name("o")
    both = Obligation((Fact(o), Fact(s - 1)), s * o, "a product")
    assert opinions_isl.fixed(both) == ("s",)
    assert opinions_isl.fixed(Obligation((), s * s + o, "a square")) == ("s",)
    assert opinions_isl.fixed(Obligation((Fact(o),), o, "affine")) == ()


# ---- as they are asked for ---------------------------------------------------------------------


def test_opinions_of_a_certificate_file() -> None:
    text = certificate_text(Conv2d, USUAL)
    found = opinions_of_text(text, "file", SOLVERS)
    assert found.ok and not found.contradicted
    z3, isl, terms = found.lines
    assert z3.startswith("z3 ") and "every size symbolic" in z3
    assert isl.startswith("isl ") and "combinations at which the facts hold" in isl
    assert "hypotheses and guards hold somewhere" in terms and "no size at its smallest" in terms
    assert len(opinions_of_text(text, "file", ["isl"]).lines) == 1


def test_what_is_no_certificate_has_no_opinions() -> None:
    data = json.loads(certificate_text(Conv2d, USUAL))
    data["body"]["theorems"]["input"]["definition side"][1]["arguments"]["term"] = 77
    forged = json.dumps({"digest": digest(data["body"]), "body": data["body"]})
    with pytest.raises(ProofError):
        opinions_of_text(forged, "file", SOLVERS)
    with pytest.raises(LayerError):
        opinions_of_text("{}", "file", SOLVERS)


def test_nothing_to_ask_is_said() -> None:
    found = opinions_of({"input": arguments_of("ReLU")["input"]}, SOLVERS)
    assert found.ok and "nothing to ask" in found.lines[0]


@pytest.mark.parametrize(("solver", "module"), [("z3", "z3"), ("isl", "islpy")])
def test_a_solver_that_is_not_installed(solver: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(LimitError, match="pip install") as refusal:
        opinions_of({}, [solver])
    assert refusal.value.exit_code == 3


def test_no_such_solver() -> None:
    with pytest.raises(LayerError, match="z3 or isl"):
        opinions_of({}, ["cvc5"])
