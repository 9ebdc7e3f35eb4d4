"""Nothing that is claimed is empty: hypotheses can be met, and no term of a claim or proof is dead text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import prod
from typing import Any

import pytest

from derive import opinions_open
from derive.between import theorems_between
from derive.between.base import RANKS
from derive.claim import Claim, Fact, Setting
from derive.index import Condition, Form, Within, Zero, name
from derive.layers import registry
from derive.opinions import opinions_of
from derive.opinions_answer import Answer
from derive.opinions_open import Opening, Term, holds_at, opened, openings, stated_terms, terms
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.steps import sizes_of
from derive.strategy import argue
from derive.theorems import proved_between, theorems


def value(form: Form, at: Mapping[str, int]) -> int:
    """The form's value, written here once more."""
    return sum(c * prod(at[n] for n in m) for m, c in form.terms)


def open_at(term: Term, at: Mapping[str, int]) -> bool:
    """Hypotheses, ranges and guard at whole numbers, read off the term itself."""
    ranges = [Within(i.form, i.extent) for i in (*term.free, *term.body.indices)]
    checks = [value(f.form, at) == 0 if f.equal else value(f.form, at) >= 0 for f in term.setting.facts]
    for c in (*ranges, *term.body.conditions):
        v = value(c.form, at)
        checks.append(v == 0 if isinstance(c, Zero) else 0 <= v < value(c.high, at))
    return all(checks)


def least(setting: Setting, size: str) -> int:
    """The smallest of -3 to 3 that the facts about one size alone leave it, or 0 where they leave more."""
    alone = [f for f in setting.facts if f.form.names == {size}]
    return next(v for v in range(-3, 4) if v >= 0 and all(f.holds({size: v}) for f in alone))


def all_open(found: Iterable[Term]) -> int:
    """Every term is open where it says so, no size at its least; how many distinct ones there were."""
    everywhere: list[Opening] = openings(found)
    for opening in everywhere:
        assert opening.point is not None and not opening.small, str(opening)
        assert open_at(opening.term, opening.point), str(opening)
        setting = opening.term.setting
        assert all(opening.point[s] > least(setting, s) for s in sizes_of(setting)), str(opening)
    return len(everywhere)


def claims_of_classes() -> list[tuple[str, Claim]]:
    return [
        (f"{title} {key}", claim)
        for title, kind in registry().items()
        for key, claim in kind.claims(**next(kind.variants())).items()
    ]


# ---- what backflip claims ----------------------------------------------------------------------


def test_every_term_of_every_claim_is_open() -> None:
    """Of every class, usual choices: each term of each definition, stride, dilation, kernel 2 or more, ..."""
    found = [t for _, claim in claims_of_classes() for t in stated_terms(claim)]
    assert all_open(found) >= 300


def test_every_term_between_layers_is_open() -> None:
    claims = [c for b in theorems_between().values() for rank in RANKS for c in b.claims(rank).values()]
    assert all_open(t for claim in claims for t in stated_terms(claim)) >= 200


@pytest.mark.parametrize("rank", [1, 2])
def test_every_term_of_a_normal_form_is_open(rank: int) -> None:
    """Where the two sides of a claim meet: 1-D and 2-D classes and theorems between layers."""
    found: list[Term] = []
    for title, kind in registry().items():
        if title.endswith(f"{rank}d"):
            for proved in theorems(kind, next(kind.variants())).values():
                found += terms(proved.argument)
    for between in theorems_between().values():
        for claim in between.claims(rank).values():
            found += terms(theorem(argue(claim, stored_oracle())).argument)
    normal = [t for t in found if t.where.startswith("normal form")]
    assert len(normal) >= 60 and all_open(normal) >= 20


@pytest.mark.sweep
@pytest.mark.parametrize("title", registry())
def test_every_term_of_every_choice_is_open(title: str) -> None:
    kind = registry()[title]
    for choices in kind.variants():
        assert all_open(t for p in theorems(kind, choices).values() for t in terms(p.argument)) >= 1


@pytest.mark.sweep
@pytest.mark.parametrize("title", theorems_between())
def test_every_term_of_every_theorem_between_layers_is_open(title: str) -> None:
    assert all_open(t for p in proved_between(title).values() for t in terms(p.argument)) >= 1


# ---- sabotage ----------------------------------------------------------------------------------


def convolution() -> Claim:
    return registry()["Conv1d"].claims()["input"]


def with_condition(claim: Claim, condition: Condition, *, title: str = "output") -> Claim:
    """The claim with one more condition on the first term of a definition."""
    changed = []
    for d in claim.setting.definitions:
        term = d.body.terms[0]
        more = replace(term, conditions=(*term.conditions, condition))
        body = d.body.with_term(0, (more,))
        changed.append(replace(d, body=body) if d.tensor.name == title else d)
    return replace(claim, setting=replace(claim.setting, definitions=tuple(changed)))


def not_open(claim: Claim) -> dict[str, Opening]:
    return {o.term.where: o for o in openings(stated_terms(claim)) if o.point is None or o.small}


def test_contradictory_hypotheses_are_found() -> None:
    claim = convolution()
    for wrong in (Fact(-name("N")), Fact(name("s_w") - 3, equal=True), Fact(Form.of(-1))):
        facts = (*claim.setting.facts, wrong)
        if wrong.equal:  # the stride is 3 and 4 goes into it
            facts = (*facts, Fact(name("s_w") - 4 * name("N"), equal=True))
        dead = not_open(replace(claim, setting=replace(claim.setting, facts=facts)))
        assert "hypotheses" in dead and dead["hypotheses"].point is None
        assert "no sizes and indices open it" in str(dead["hypotheses"])


def test_a_guard_that_nothing_satisfies_is_found() -> None:
    """An entry behind the input's end, and an output place that no stride reaches."""
    w, o, s = name("W"), name("o_w"), name("s_w")
    assert not not_open(convolution())
    for never in (Within(w + o, w), Zero(s * o + 1), Within(o * s, Form.of(0))):
        dead = not_open(with_condition(convolution(), never))
        assert list(dead) == ["output, term 1"] and dead["output, term 1"].point is None
        assert str(never) in str(dead["output, term 1"])


def test_a_guard_for_degenerate_sizes_only_is_found() -> None:
    narrow = not_open(with_condition(convolution(), Zero(name("p_w") + name("d_w") - 1)))
    assert [o.small for o in narrow.values()] == [("d_w", "p_w")]
    assert "only with d_w, p_w at the smallest value" in str(narrow["output, term 1"])


def test_an_assignment_is_evaluated_before_it_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    term = stated_terms(convolution())[1]
    point = opened(term).point
    assert point is not None and holds_at(term, point)
    for n in point:
        moved = {**point, n: -1}
        assert holds_at(term, moved) == open_at(term, moved)
    assert not holds_at(term, {**point, "o_w": point["W_out"]})

    def lie(facts: Any) -> Answer:
        return Answer(False, "a model", dict.fromkeys({n for f in facts for n in f.form.names}, 1))

    monkeypatch.setattr(opinions_open, "_somewhere", lie)
    assert opened(term).point is None and "not known to be open" in opened(term).said


def test_a_dead_term_of_a_certificate_is_no_agreement() -> None:
    """As `check FILE --opinion z3` sees it: every obligation holds, and yet something is wrong."""
    claim = registry()["Conv1d"].claims()["output"]
    argument = argue(claim, stored_oracle())
    assert opinions_of({"output": argument}, ["z3"]).ok
    empty = replace(claim, setting=replace(claim.setting, facts=(*claim.setting.facts, Fact(-name("N")))))
    found = opinions_of({"output": replace(argument, claim=empty)}, ["z3"])
    assert not found.ok and not found.contradicted
    assert any("hypotheses: no sizes and indices open it" in line for line in found.lines)
