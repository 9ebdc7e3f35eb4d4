"""Theorems of fast convolution with other numbers, proved when asked for; and what must not be proved."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from derive.api import check_file
from derive.between import theorem_between, theorems_between
from derive.between.fast import MORE, Filter, Forward, asked
from derive.claim import Claim, Fact
from derive.errors import LayerError, ProofError
from derive.exhaust import compare
from derive.index import Form
from derive.instance import claim_at
from derive.oracle import stored_oracle
from derive.proof import Theorem, theorem
from derive.strategy import argue, grown
from derive.theorems import between_certificate, proved_between
from derive.toom import transform

SIZES = {"N": 1, "groups": 1, "C": 1, "K": 2, "W": 7, "p_w": 2, "q_w": 1}


def proved(claim: Claim) -> Theorem:
    return theorem(argue(claim, stored_oracle()))


@pytest.mark.parametrize(
    "name",
    [
        name if name in ("toom-cook-F(4,3)", "toom-cook-gradient-F(3,3)")
        else pytest.param(name, marks=pytest.mark.sweep)
        for name in MORE
    ],
)  # fmt: skip
def test_forms_with_other_numbers(name: str) -> None:
    """Argued from the stored certificates and checked; on one axis, as further axes repeat it."""
    claims = theorem_between(name).claims(1)
    assert len(claims) == MORE[name][1]
    for claim in claims.values():
        assert proved(claim).claim == claim


@pytest.mark.sweep
@pytest.mark.parametrize("name", MORE)
def test_their_certificates_check(name: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "theorem.json"
    file.write_text(between_certificate(name))
    report = check_file(file)
    assert report.ok and len(report.lines) >= len(proved_between(name))


def test_names() -> None:
    assert not set(MORE) & set(theorems_between())
    assert asked("toom-cook-F(9,3)") is None
    with pytest.raises(LayerError) as refusal:
        theorem_between("toom-cook-F(4,4)")
    assert "toom-cook-F(4,3)" in refusal.value.expected and "toom-cook-F(" in refusal.value.mend


@pytest.mark.parametrize(("m", "tiles"), [(2, 4), (4, 2)])
def test_every_entry_at_a_size(m: int, tiles: int) -> None:
    """Both sides unrolled; an output beyond the tiles is of no part."""
    for part, claim in theorem_between(f"toom-cook-F({m},3)").claims(1).items():
        found = compare(claim_at(claim, SIZES | {"W_out": 8, "T_w": tiles}))
        assert found.ok and found.identities == 2 * tiles, part


def without(claim: Claim, name: str) -> Claim:
    """The claim without a term of a helper's definition."""
    definitions = tuple(
        replace(d, body=replace(d.body, terms=d.body.terms[1:])) if d.tensor.name == name else d
        for d in claim.setting.definitions
    )
    return replace(claim, setting=replace(claim.setting, definitions=definitions))


@pytest.mark.parametrize(
    ("name", "part", "helper"),
    [
        ("toom-cook-F(2,3)", "output 0", "mix_1"),
        ("toom-cook-F(2,3)", "output 1", "entry_2"),
        ("toom-cook-gradient-F(3,2)", "tap 2", "mix_2"),
    ],
)
def test_a_transform_that_lacks_a_term_is_refused(name: str, part: str, helper: str) -> None:
    """Sabotage: false at a size, and not proved."""
    claim = without(theorem_between(name).claims(1)[part], helper)
    assert not compare(claim_at(claim, SIZES | {"W_out": 8, "T_w": 4})).ok
    with pytest.raises(ProofError):
        proved(claim)


@pytest.mark.parametrize("kind", [Forward, Filter])
def test_matrices_of_other_points_mixed_are_refused(kind: type[Forward] | type[Filter]) -> None:
    """Sabotage: A of one set of points with G and B of another."""
    first, second = (2, 3) if kind is Forward else (3, 2)
    by = transform(first, second)
    other = replace(by, points=tuple(2 * p for p in by.points))
    wrong = replace(by)
    wrong.__dict__["a"] = other.a
    from derive.between.base import equation, gradient

    make = equation if kind is Forward else gradient
    _, setting, left, right = list(kind(("w",), 2, 3).parts(wrong))[1]
    with pytest.raises(ProofError):
        proved(make("mixed", setting, left, right))  # type: ignore[arg-type, operator]
    _, setting, left, right = list(kind(("w",), 2, 3).parts(by))[1]
    assert proved(make("right", setting, left, right))  # type: ignore[arg-type, operator]


# ---- the witness that came with them -------------------------------------------------------------


def size(name: str) -> Form:
    return Form((((name,), 1),))


def test_a_witness_grows_until_the_facts_hold() -> None:
    facts = [Fact(size("W") - size("V") - 2, equal=True), Fact(size("V") - 2 * size("T"))]
    start = {"W": 1, "V": 1, "T": 1, "i": 0}
    found = grown(start, ("W", "V", "T"), facts)
    assert all(f.holds(found) for f in facts) and found["i"] == 0 and start["V"] == 1


def test_hypotheses_that_contradict_each_other_have_no_witness() -> None:
    """Sabotage: sizes are then left as they were, and a witness with any size smaller is refused."""
    start = {"T": 1, "V": 1}
    facts = [Fact(size("V") - 2 * size("T")), Fact(size("T") - size("V"))]
    assert grown(start, ("T", "V"), [*facts, Fact(size("T") - 1)]) == start
    argument = argue(theorem_between("toom-cook-F(2,3)").claims(1)["output 0"], stored_oracle())
    for name in ("W", "W_out", "T_w"):
        smaller = argument.witness | {name: argument.witness[name] - 1}
        with pytest.raises(ProofError, match="witness"):
            theorem(replace(argument, witness=smaller))
    assert theorem(argument)


def test_a_tile_has_as_many_outputs_as_its_matrix_has_rows() -> None:
    for m, r in ((2, 3), (4, 3)):
        assert len(list(Forward(("w",), m, r).parts(transform(m, r)))) == m
    assert [v for v in transform(2, 3).a[0] if v] == [Fraction(1)] * 3
