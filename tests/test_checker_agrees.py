"""Two checkers written apart agree: on random changes of certificates, and rule by rule on random steps."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from forged import accepted, body_of, core_accepts, mutated, one_of, sealed
from test_core_fuzz import Draw

from derive import checker
from derive.certificate import bare, encode
from derive.certify import settled
from derive.claim import Argument, Claim, Step
from derive.errors import ProofError
from derive.expr import Definition, Expr, Tensor, single
from derive.layers import registry
from derive.steps import Context, replay
from derive.theorems import certificate_text

CHANGED = ("Conv1d", "AvgPool1d", "Softmax", "ReflectionPad1d")


def compared(title: str, seed: int, count: int) -> Counter[tuple[bool, bool]]:
    """How often mutations were (accepted, of another claim); core and checker agree on each."""
    kind, rng, seen = registry()[title], random.Random(seed), Counter[tuple[bool, bool]]()
    text = certificate_text(kind, kind.chosen({}))
    for _ in range(count):
        body = one_of(text, rng.choice(list(body_of(text)["theorems"])))
        forged, where = mutated(body, rng)
        verdict = accepted(sealed(forged))
        assert core_accepts(sealed(forged)) == verdict, f"core and checker differ at {where}"
        claims = [[bare(t["claim"]) for t in b["theorems"].values()] for b in (body, forged) if verdict]
        seen[verdict, bool(claims) and claims[0] != claims[1]] += 1
    return seen


@pytest.mark.parametrize("title", CHANGED)
def test_core_and_checker_agree_on_mutations(title: str) -> None:
    seen = compared(title, 7, 60)
    assert seen[False, False] > 30


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("title", [*CHANGED, "BatchNorm1d", "Conv2d", "CrossEntropyLoss", "MaxPool2d"])
def test_core_and_checker_agree_on_many_mutations(title: str, seed: int) -> None:
    seen = compared(title, seed, 400)
    assert seen[False, False] > 200 and seen[True, False] + seen[True, True]


def core_step(context: Context, expr: Expr, rule: str, given: dict[str, Any]) -> tuple[Expr, Any] | None:
    """The core's sum after a step, and each open goal with its facts; None where it refuses."""
    try:
        after, needed = replay(context, expr, rule, given)
    except ProofError:
        return None
    facts = [(str(o.goal), [(str(f.form), f.equal) for f in o.facts]) for o in needed if not settled(o)]
    return after, facts


def checker_step(claim: checker.Claim, terms: Any, rule: str, given: Any) -> tuple[Any, Any] | None:
    """The same of the checker."""
    try:
        after, needed = checker.replay(claim, terms, rule, given)
    except (checker.Refused, ValueError, ZeroDivisionError):
        return None
    return after, [(goal, known.facts) for known, goal in needed]


def rule_by_rule(seed: int, counts: Counter[tuple[str, bool]]) -> None:
    checker.WORK.set(0)
    draw = Draw(seed)
    setting, free = draw.setting(), draw.indices(2)
    context, expr = Context(setting, free), draw.expr(setting, free)
    tensor = Tensor("closed", tuple(i.extent for i in free))
    claim = Claim("random", setting, single(), Definition(tensor, free, expr), tensor)
    for _ in range(12):
        if not expr.terms or len(expr.terms) > 12:
            return
        rule, given = draw.arguments(context, expr)
        expected = core_step(context, expr, rule, given)
        after = expr if expected is None else expected[0]
        data = encode(Argument(claim, (Step(rule, given, (), expr), Step(rule, {}, (), after)), (), ()))
        before, behind = data["definition side"]
        got = checker_step(checker.Claim(data["claim"]), before["after"], rule, before["arguments"])
        assert got == (None if expected is None else (behind["after"], expected[1])), (
            f"{seed}: {rule} {given}"
        )
        counts[rule, got is not None] += 1
        expr = after


def test_every_rule_gives_what_the_core_gives() -> None:
    """Random settings, sums and arguments: refused by both, or the same sum and the same to show."""
    counts = Counter[tuple[str, bool]]()
    for seed in range(250):
        rule_by_rule(seed, counts)
    for rule in (*checker.RULES, "collect"):
        assert counts[rule, True] >= 3 and (counts[rule, False] >= 3 or rule == "guard"), counts


def term(index: str, entry: list[str], *where: list[str], coefficient: str = "1") -> dict[str, Any]:
    factors = [["x", entry]]
    return {"sum": [[index, "n"]], "where": list(where), "coefficient": coefficient, "factors": factors}


def test_equality_compares_everything_but_names_and_order() -> None:
    plain = term("i", ["i", "i"])
    assert checker.same([plain], [term("j", ["j", "j"])])
    for other in (
        term("i", ["i", "i"], ["i - 1", "n"]),
        term("i", ["i", "i"], coefficient="2"),
        term("i", ["i", "j"]),
        {**plain, "sum": [["i", "m"]]},
        {**plain, "sum": [["i", "n"], ["j", "n"]]},
        {**plain, "factors": plain["factors"] * 2},
    ):
        assert not checker.same([plain], [other]) and not checker.same([other], [plain])
    assert not checker.same([plain], [plain, plain]) and not checker.same([plain, plain], [plain])
    assert not checker.same([term("i", ["j", "i"])], [term("j", ["j", "j"])])
    assert not checker.same([term("i", ["i"], ["i - 1"])], [term("i", ["i"], ["i - 2"])])
    two = [term("i", ["i"]), term("i", ["i"], ["i - 1"])]
    assert checker.same(two, two[::-1]) and not checker.same(two, [two[0], two[0]])
