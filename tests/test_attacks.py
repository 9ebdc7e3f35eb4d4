"""Attacks on the proofs: each is carried out, shown to change something, and refused in stated words.

Those on what is meant and printed are in test_attacks_meaning.py, on verdicts in test_attacks_verdicts.py,
on kernels in test_attacks_compiled.py; TRUST.md lists all sixteen with the test of each.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from types import FrameType
from typing import Any

import numpy as np
import plain_layers as plain
import pytest
from attack_parts import _Mirrored, proved_from_nothing, searching, values, with_facts
from mutants import Doubled, LeftoverRowsZero, StrideDropped, TermTwice, mutant_claim
from test_check import wrong_somewhere

from derive import exhaust_plan, prove
from derive.api import check_file
from derive.certificate import dump
from derive.check import check
from derive.checker import Refused, check_text
from derive.claim import Claim, Fact
from derive.errors import ProofError
from derive.exhaust import compare
from derive.exhaust_factorised import compare_factorised
from derive.expr import Expr, Sum
from derive.index import Form, name
from derive.instance import claim_at
from derive.judge import judge_at_size
from derive.layers.conv import Conv2d
from derive.proof import theorem
from derive.steps import Context, replay
from derive.strategy import argue

SAME_WRONG_SIDE = _Mirrored(1, 2, 2, padding=((1, 0), (0, 1))), (1, 1, 3, 3)
PAIRS = ((1, 0), (0, 1))


@pytest.fixture
def any_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proved may use any certificate that can be found; nothing of it is kept for other tests."""
    monkeypatch.setattr("derive.theorems.stored_oracle", searching)
    monkeypatch.setattr("derive.theorems._PROVED", {})


# ---- both sides built alike ------------------------------------------------------------------------


def test_both_sides_built_alike(any_certificate: None) -> None:
    """One wrong index map under definition and closed forms: the theorem holds, of another layer.

    The array program, which has only the layer's arguments, disagrees; so do plain loops.
    """
    layer, shape = SAME_WRONG_SIDE
    assert prove(_Mirrored).label == "ALL SIZES (certificate)"
    assert prove(layer, shape, factorised=True).ok
    claim = claim_at(_Mirrored.claims()["input"], layer.sizes(shape))
    assert compare(claim).ok
    with pytest.raises(ProofError, match=r"array program disagrees.*\n.*grad_input\[0, 0, 0, 0\]"):
        prove(layer, shape)
    image, weight = np.arange(1, 10).reshape(1, 1, 3, 3), np.arange(1, 9).reshape(2, 1, 2, 2)
    bias = np.array([1, 2])
    looped = plain.conv(image, weight, bias, (1, 1), PAIRS, (1, 1)).reshape(-1)
    given = {"input": image, "weight": weight, "bias": bias}
    assert not np.array_equal(values(layer, shape, "output", given), looped)
    right = Conv2d(1, 2, 2, padding=PAIRS)
    assert np.array_equal(values(right, shape, "output", given), looped) and prove(right, shape).ok


def test_an_evaluator_that_is_wrong_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison's own unrolling forgets coefficients, on both sides alike: SymPy disagrees."""
    layer, shape = Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3)
    claim = claim_at(mutant_claim(Doubled, bias=False), layer.sizes(shape))
    assert judge_at_size(claim).label == "REFUTED"
    whole = exhaust_plan.flatten

    def careless(*given: Any) -> tuple[Sum, ...]:
        return tuple(replace(t, coefficient=Fraction(1)) for t in whole(*given))

    monkeypatch.setattr(exhaust_plan, "flatten", careless)
    assert compare(claim).ok
    with pytest.raises(ProofError, match=r"judges disagree.*\n.*\n.*SymPy: .*\n.*closed form: 2\*"):
        judge_at_size(claim)


def functions_called(work: Callable[[], Any]) -> set[tuple[str, str]]:
    """The functions of derive/ that a piece of work calls, as (file, name)."""
    seen: set[tuple[str, str]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        file = frame.f_code.co_filename
        if event == "call" and "/derive/" in file:
            seen.add((file.rpartition("/derive/")[2], frame.f_code.co_qualname))

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return seen


def test_the_references_share_no_code_with_what_they_judge() -> None:
    """Array program and plain loops against the language: nothing but the reading of arguments is common."""
    layer, shape = Conv2d(2, 2, 2, stride=2, padding=PAIRS), (1, 2, 5, 4)

    def by_statement() -> None:
        claim = claim_at(Conv2d.claims()["input"], layer.sizes(shape))
        compare(claim)

    def by_program() -> None:
        found = layer.array_program("input", shape)
        assert found is not None
        found.pairs(np.arange(40))

    def by_loops() -> None:
        image, weight = np.ones((1, 2, 5, 4)), np.ones((2, 2, 2, 2))
        plain.conv(image, weight, None, (2, 2), PAIRS, (1, 1))

    stated, executed = functions_called(by_statement), functions_called(by_program)
    assert {file for file, _ in executed} >= {"program.py"} and len(stated) > 40
    common = stated & executed - {("index.py", "Form.evaluate")}  # of the gradient's shape
    assert {file for file, _ in common} <= {"layers/conv.py", "layers/shapes.py", "layers/base.py"}, common
    assert not functions_called(by_loops)


# ---- vacuous hypotheses ----------------------------------------------------------------------------


def test_vacuous_hypotheses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypotheses that contradict each other certify every side condition of a false claim.

    What refuses it is the witness: no whole numbers satisfy them. Without that question it would pass.
    """
    assert wrong_somewhere(mutant_claim(LeftoverRowsZero))
    argument = proved_from_nothing(LeftoverRowsZero)
    with pytest.raises(ProofError, match=r"hypotheses or guard fail at the witness[^$]*expected: -N >= 0"):
        theorem(argument)
    text = dump("Conv2d", {"bias": True, "batched": True}, {"input": argument})
    with pytest.raises(Refused, match="at the witness"):
        check_text(text)
    monkeypatch.setattr("derive.check._not_vacuous", lambda *_: None)
    check(argument)
    with pytest.raises(ProofError, match="hypotheses do not hold at these sizes"):
        claim_at(argument.claim, Conv2d(1, 1, 2).sizes((1, 1, 3, 3)))


def test_hypotheses_that_leave_the_wrong_cases_out(tmp_path: Any) -> None:
    """A false claim is true where nothing is left over; as a theorem of Conv2d it is not taken."""
    claim = mutant_claim(LeftoverRowsZero)
    narrow = with_facts(claim, *(Fact(name(r), equal=True) for r in ("r_h", "r_w")))
    proved = theorem(argue(narrow, searching()))
    file = tmp_path / "narrow.json"
    file.write_text(dump("Conv2d", {"bias": True, "batched": True}, {"input": proved.argument}))
    assert check_text(file.read_text()).theorems
    said = check_file(file)
    assert not said.ok and "theorems are missing" in said.lines[0]
    whole = {k: theorem(argue(c, searching())).argument for k, c in Conv2d.claims().items()}
    file.write_text(dump("Conv2d", {"bias": True, "batched": True}, {**whole, "input": proved.argument}))
    said = check_file(file)
    assert not said.ok and "this is not the theorem of that title" in said.lines[0]


# ---- dropped conditions ----------------------------------------------------------------------------


def without_conditions(claim: Claim, title: str) -> Claim:
    """The claim with the brackets of one definition left out."""
    changed = [
        replace(d, body=Expr(tuple(replace(t, conditions=()) for t in d.body.terms)))
        if d.tensor.name == title else d
        for d in claim.setting.definitions
    ]  # fmt: skip
    return replace(claim, setting=replace(claim.setting, definitions=tuple(changed)))


def test_dropped_conditions() -> None:
    """Brackets left out of a helper: of zero-insertion a false sum, of padding a read outside its tensor."""
    right, layer, shape = Conv2d.claims()["input"], Conv2d(1, 1, 2, stride=2), (1, 1, 5, 4)
    spread = without_conditions(right, "spread")
    assert wrong_somewhere(spread)
    with pytest.raises(ProofError, match="the two sides do not meet"):
        theorem(argue(spread, searching()))
    found = judge_at_size(claim_at(spread, layer.sizes(shape)))
    assert found.label == "REFUTED" and "first wrong entry grad_input[0, 0, 0, 0]" in str(found.difference)
    bordered = without_conditions(right, "bordered")
    assert wrong_somewhere(bordered)
    with pytest.raises(ProofError, match=r"cannot be shown inside its tensor[^$]*not shown: spread"):
        argue(bordered, searching())
    with pytest.raises(ProofError, match="outside"):
        compare(claim_at(bordered, layer.sizes(shape)))


def test_conditions_dropped_where_a_tensor_is_read() -> None:
    """Both checkers ask for themselves whether each read is inside; the strategy's word is not taken."""
    right = Conv2d.claims()["input"]
    argument, bordered = argue(right, searching()), without_conditions(right, "bordered")
    check(argument)
    for upkeep in (argument.upkeep, argument.upkeep * 2):
        false = replace(argument, claim=bordered, upkeep=upkeep)
        with pytest.raises(
            ProofError, match=r"(wrong number of certificates|does not show it)[^$]*reads and shapes"
        ):
            check(false)
        text = dump("Conv2d", {"bias": True, "batched": True}, {"input": false})
        with pytest.raises(Refused, match=r"4 certificates where 8 are needed|no such facts"):
            check_text(text)


def test_conditions_dropped_in_the_proof() -> None:
    """The step that should leave a bracket leaves none, without a certificate or with another one's."""
    argument = argue(Conv2d.claims()["input"], searching())
    place, step = next((i, s) for i, s in enumerate(argument.right_steps) if s.rule == "guard")
    bare = {**step.arguments, "conditions": ()}
    for certificates in ((), step.certificates, step.certificates * 2):
        context = Context(argument.claim.setting, argument.claim.indices)
        before = argument.right_steps[place - 1].after
        after, _ = replay(context, before, "guard", bare)
        forged = replace(step, arguments=bare, after=after, certificates=certificates)
        steps = (*argument.right_steps[:place], forged, *argument.right_steps[place + 1 :])
        with pytest.raises(
            ProofError, match=r"(wrong number of certificates|does not show it)[^$]*\(guard\)"
        ):
            check(replace(argument, right_steps=steps))


# ---- multiplicities --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Doubled, TermTwice])
def test_multiplicities(kind: type) -> None:
    """The same monomials, twice as often: as sets the sides agree, as polynomials they do not."""
    claim = mutant_claim(kind)
    with pytest.raises(ProofError, match="the two sides do not meet"):
        theorem(argue(claim, searching()))
    at = claim_at(claim, Conv2d(1, 1, 2).sizes((1, 1, 3, 3)))
    found = compare(at)
    assert not found.ok and found.difference is not None
    left, right = found.difference.left, found.difference.right
    assert left and right == f"2*{left}"
    assert not compare_factorised(at).found.ok


# ---- stride 1 only ---------------------------------------------------------------------------------


def test_stride_1_only() -> None:
    """A closed form that is right at stride 1: its proof there is no proof for a stride that is a symbol."""
    claim = mutant_claim(StrideDropped)
    ones = {"s_h": Form.of(1), "s_w": Form.of(1)}
    special = claim.mapped(lambda form: form.substitute(ones))
    proved = theorem(argue(special, searching()))
    with pytest.raises(ProofError, match="step is not what its rule gives"):
        theorem(replace(proved.argument, claim=claim))
    with pytest.raises(ProofError, match="the two sides do not meet"):
        theorem(argue(claim, searching()))
    for stride, label in ((1, "THIS SIZE, 16 identities, exhaustive"), (2, "REFUTED")):
        layer = Conv2d(1, 1, 2, stride=stride)
        assert judge_at_size(claim_at(claim, layer.sizes((1, 1, 4, 4)))).label == label
