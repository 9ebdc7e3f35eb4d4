"""The comparison axis by axis: its split of the axes, its verdicts against the full comparison."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import prod

import numpy as np
import pytest
from between_mutants import mutants
from mutants import MUTANTS, mutant_claim
from shapes import random_case

import derive.exhaust_codes as codes
import derive.exhaust_factorised as factorised
from derive import prove
from derive.claim import Claim, Setting
from derive.errors import LimitError, ProofError
from derive.exhaust import Comparison, compare, compare_expressions
from derive.exhaust_codes import Rows, read_table
from derive.exhaust_factorised import (
    Product,
    compare_factorised,
    coordinates,
    joined,
    split,
)
from derive.exhaust_rows import sizes
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.flatten import flatten
from derive.index import Form, Index, Within, name
from derive.instance import claim_at
from derive.judge import FACTORISED, applies, judge_by_axes
from derive.layers import registry
from derive.layers.conv import Conv2d
from derive.layers.elementwise import ReLU
from derive.spelling import parse_layer

HARD, HARD_SHAPE = Conv2d(4, 6, (3, 2), stride=(2, 3), padding=((2, 0), (1, 3)), dilation=(2, 1), groups=2), (
    2, 4, 8, 7,
)  # fmt: skip
SHAPES = (
    (HARD, HARD_SHAPE),
    (Conv2d(2, 3, 3, stride=3, dilation=2, padding=1), (2, 2, 9, 10)),
    (Conv2d(3, 2, 2, padding=1), (2, 3, 4, 3)),
)


def at(layer: Conv2d, shape: tuple[int, ...]) -> dict[str, Claim]:
    sizes_there = layer.sizes(shape)
    return {k: claim_at(c, sizes_there) for k, c in layer.claims(**layer.choices(shape)).items()}


def verdict(claim: Claim, judge: object) -> object:
    """True, or the difference, or what the refusal of an ill-formed claim says."""
    try:
        found = judge(claim)
    except ProofError as refusal:
        return refusal.what
    found = found if isinstance(found, Comparison) else found.found
    return found.ok or found.difference


def small_claims() -> Iterator[tuple[str, Claim]]:
    """Every polynomial claim of every example of the registry."""
    for kind in registry().values():
        for text, shape in kind.examples:
            layer = parse_layer(text)
            there = layer.sizes(shape)
            for key, claim in kind.claims(**layer.choices(shape)).items():
                if not applies(claim):
                    yield f"{text} at {shape}: {key}", claim_at(claim, there)


# The split of the axes.


@pytest.mark.parametrize("key", ["output", "input", "weight", "bias"])
def test_blocks_multiply_to_exactly_the_monomials(key: str) -> None:
    """The product of the blocks, written out, is the enumerated multiset of (entry, monomial)."""
    claim = at(Conv2d(2, 2, 2, stride=2, padding=1, groups=2), (2, 2, 4, 3))[key]
    shapes = {t.name: sizes(t) for t in claim.setting.inputs} | {"": sizes(claim.target)}
    for term in (t for e in (claim.left, claim.right.body) for t in flatten(e, claim.setting)):
        rows = Rows(claim.indices, term)
        parts = joined(split(rows, term))
        assert sorted(d for part in parts for d in part) == sorted(coordinates(rows))
        whole = factorised._product(claim, rows, term.coefficient, parts, shapes)
        assert whole is not None and len(whole.vectors) == len(parts) > 3
        assert written_out(whole, parts, shapes) == enumerated(rows)


def written_out(whole: Product, parts: list[frozenset[codes.Slot]], shapes: factorised.Shapes) -> Counter:
    found: Counter = Counter()
    tables = [list(zip(v.codes.tolist(), v.counts.tolist(), strict=True)) for v in whole.vectors]
    for chosen in product(*tables):
        place = {}
        for part, (code, _) in zip(parts, chosen, strict=True):
            digits = sorted(part)
            values = np.unravel_index(code, [shapes[t][axis] for t, axis in digits])
            place |= {d: int(v) for d, v in zip(digits, values, strict=True)}
        found[frozenset(place.items())] += int(whole.number) * prod(count for _, count in chosen)
    return found


def enumerated(rows: Rows) -> Counter:
    entries = list(zip(*(rows.outer(f).tolist() for f in rows.entry), strict=True))
    found: Counter = Counter()
    for entry, reads in zip(entries, read_table(rows), strict=True):
        slots = (("", entry), *reads)
        found[frozenset(((t, axis), v) for t, index in slots for axis, v in enumerate(index))] += 1
    return found


def test_axes_that_share_an_index_are_not_split() -> None:
    """Sabotage: components that were cut apart are found out, not believed."""
    claim = at(*SHAPES[2])["input"]
    for side in (claim.left, claim.right.body):
        (term,) = flatten(side, claim.setting)
        rows = Rows(claim.indices, term)
        assert split(rows, term)
        rows.groups = [[index] for members in rows.groups for index in members]
        with pytest.raises(ProofError, match="axes share an index"):
            split(rows, term)


def test_a_condition_across_axes_joins_them() -> None:
    claim = at(Conv2d(1, 2, 2), (1, 1, 4, 4))["input"]
    (term,) = claim.right.body.terms
    across = Within(name("i_h") - name("i_w") + 3, Form.of(7))
    same = replace(claim, right=replace(claim.right, body=Expr((replace(term, conditions=(across,)),))))
    assert compare(same).ok and compare_factorised(same).found.ok
    assert compare_factorised(same).blocks < compare_factorised(claim).blocks
    less = replace(term, conditions=(Within(name("i_h") - name("i_w") + 2, Form.of(7)),))
    wrong = replace(claim, right=replace(claim.right, body=Expr((less,))))
    assert verdict(wrong, compare) == verdict(wrong, compare_factorised) is not True


# Verdicts.


def test_registry_is_decided_or_refused_by_name() -> None:
    refused, decided = [], 0
    for text, claim in small_claims():
        try:
            assert compare_factorised(claim).found.ok, text
            decided += 1
        except LimitError as refusal:
            assert "read twice" in refusal.got
            refused.append(text.split("(")[0])
    assert set(refused) == {"L2Penalty", "MSELoss"} and len(refused) == 2
    assert decided > 150


@pytest.mark.parametrize("seed", range(12))
def test_random_shapes_agree_with_the_full_comparison(seed: int) -> None:
    draw = random.Random(seed)
    for claim in at(*random_case(draw, 5)).values():
        assert verdict(claim, compare_factorised) is True
    layer, shape = random_case(draw, 5)
    there = layer.sizes(shape)
    for kind in MUTANTS:
        claim = mutant_claim(kind, bias=layer.bias or kind.wrong == "bias", batched=len(shape) == 4)
        named = {s: there[s] for s in there}
        try:
            wrong = claim_at(claim, named)
        except ProofError:
            continue
        assert verdict(wrong, compare) == verdict(wrong, compare_factorised), (kind.__name__, layer, shape)


@pytest.mark.parametrize("kind", MUTANTS, ids=lambda kind: kind.__name__)
def test_mutant_is_refuted_as_by_the_full_comparison(kind: type) -> None:
    verdicts = []
    for layer, shape in SHAPES:
        claim = claim_at(mutant_claim(kind), layer.sizes(shape))
        verdicts.append(verdict(claim, compare_factorised))
        assert verdicts[-1] == verdict(claim, compare)
    assert any(v is not True for v in verdicts)


def changed_claims() -> list[tuple[str, Claim]]:
    return [(f"{text}; {said}", wrong) for text, claim in small_claims() for said, wrong in mutants(claim)]


def check_changed(cases: list[tuple[str, Claim]]) -> tuple[int, int]:
    """The verdicts agree wherever one is given; how many were refuted, how many refused."""
    refuted = refused = 0
    for text, claim in cases:
        try:
            found = verdict(claim, compare_factorised)
        except LimitError:
            refused += 1
            continue
        assert found == verdict(claim, compare), text
        refuted += found is not True
    return refuted, refused


def test_changed_claims_of_the_registry_get_the_same_verdict() -> None:
    cases = random.Random(2).sample(changed_claims(), 90)
    refuted, refused = check_changed(cases)
    assert refuted > 45 and refused < 20


@pytest.mark.sweep
def test_every_changed_claim_gets_the_same_verdict() -> None:
    cases = changed_claims()
    refuted, refused = check_changed(cases)
    assert refuted > len(cases) // 2 and refused < len(cases) // 5


def test_sabotaged_comparison_accepts_what_the_full_one_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers and the vectors of the normal form are both needed: without either a mutant passes."""
    layer, shape = SHAPES[0]
    doubled, unflipped = (
        claim_at(mutant_claim(next(k for k in MUTANTS if k.__name__ == kind)), layer.sizes(shape))
        for kind in ("Doubled", "NoFlip")
    )
    assert (
        verdict(doubled, compare_factorised) is not True
        and verdict(unflipped, compare_factorised) is not True
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            factorised, "_same", lambda a, b: all(map(factorised.Vector.same, a.vectors, b.vectors))
        )
        assert verdict(doubled, compare_factorised) is True
    with monkeypatch.context() as patch:
        patch.setattr(factorised, "_same", lambda a, b: a.number == b.number)
        assert verdict(unflipped, compare_factorised) is True


def test_judges_that_disagree_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(factorised, "_same", lambda a, b: False)
    with pytest.raises(ProofError, match="entry by entry they do not"):
        compare_factorised(at(*SHAPES[2])["input"])


def test_a_refuted_claim_too_large_to_search_names_no_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claim_at(mutant_claim(MUTANTS[0]), HARD.sizes(HARD_SHAPE))
    monkeypatch.setattr(factorised, "EXHAUSTIVE", 10)
    found = judge_by_axes(claim)
    assert not found.ok and found.label == "REFUTED" and found.difference is None
    assert found.lines[-1].startswith("REFUTED: the products differ")


# What is refused, and what is said.


def test_what_is_no_single_product_is_refused() -> None:
    """x[i]*y[j] on a band: each side is a sum of two products with no common factor."""
    x, y = (Tensor(title, (Form.of(4),), ((0,),)) for title in ("x", "y"))
    i, j = Index("i", Form.of(4)), Index("j", Form.of(4))
    reads = (Read(x, (i.form,)), Read(y, (j.form,)))
    terms = [Sum((), (Within(i.form - a, Form.of(2)), Within(j.form - a, Form.of(2))), reads) for a in (0, 2)]
    target = Tensor("m", (Form.of(4),) * 2)
    both = Expr(tuple(terms))
    assert compare_expressions(Setting((), (x, y), ()), (i, j), both, both, target).ok
    entry = Definition(target, (i, j), both)
    left = Expr((Sum((), (), (Read(target, (i.form, j.form)),)),))
    right = replace(entry, tensor=replace(target, name="n"))
    claim = Claim("band", Setting((), (x, y), (entry,)), left, right, target)
    assert compare(claim).ok
    with pytest.raises(LimitError, match="2 products of axes that no common factor joins"):
        compare_factorised(claim)


def test_functions_and_large_blocks_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitError, match="functions of entries"):
        prove(ReLU(), (2, 3), factorised=True)
    monkeypatch.setattr(factorised, "MOST_ROWS", 5)
    with pytest.raises(LimitError, match="more than 5 index values"):
        compare_factorised(at(HARD, HARD_SHAPE)["input"])


def test_label_says_modulo_factorisation_and_states_the_lemma() -> None:
    found = prove(Conv2d(64, 128, 3, stride=2, padding=1), (1, 64, 56, 56), factorised=True)
    assert found.ok and found.label == FACTORISED == "THIS SIZE, exhaustive modulo factorisation"
    assert found.identities == 128 * 28 * 28 + 64 * 56 * 56 + 128 * 64 * 9 + 128
    assert sum("lemma: products of integer vectors" in line for line in found.report) == 1
    assert sum("entries compared as products of" in line for line in found.report) == 4
    refuted = judge_by_axes(claim_at(mutant_claim(MUTANTS[0]), HARD.sizes(HARD_SHAPE)))
    assert not refuted.ok and refuted.label == "REFUTED" and refuted.difference is not None
