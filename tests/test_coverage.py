"""The coverage table: every row is proved as it is made, and what is not proved says so with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from derive import coverage as table
from derive import coverage_given
from derive.between import theorems_between
from derive.between.base import Between
from derive.claim import Claim
from derive.coverage import coverage, coverage_json, coverage_lines
from derive.coverage_row import BETWEEN, GIVEN, LAYER, OPEN, SIZE, Row
from derive.coverage_text import bases, classes
from derive.errors import LayerError
from derive.expr import Expr
from derive.layers import registry
from derive.layers.pooling import AvgPool1d
from derive.steps import sizes_of
from derive.theorems import LABEL

FEW = ("AvgPool1d", "ConvTranspose1d", "MaxPool1d", "MaxUnpool1d", "NLLLoss", "ReLU", "Upsample")
THEOREMS = ("adaptive-mean-pooling", "mean-pooling-inside", "upsample-gradient")


class _Broken(AvgPool1d):
    """Mean pooling whose second choice claims twice its gradient."""

    tags: ClassVar[tuple[str, ...]] = ("w",)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        found = super().claims(**choices)
        return found if cls.chosen(choices)["batched"] else found | {"input": twice(found["input"])}


def twice(claim: Claim) -> Claim:
    body = Expr(tuple(replace(t, coefficient=t.coefficient * 2) for t in claim.right.body.terms))
    return replace(claim, right=replace(claim.right, body=body))


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[Row]:
    """The table of a few classes and theorems."""
    layers = {title: registry()[title] for title in FEW}
    between = {name: theorems_between()[name] for name in THEOREMS}
    monkeypatch.setattr(table, "registry", lambda: layers)
    monkeypatch.setattr(table, "theorems_between", lambda: between)
    calls: list[tuple[str, int, int]] = []
    rows = coverage(lambda *call: calls.append(call))
    assert calls == [("proving for all sizes", i, 10) for i in range(10)]
    return rows


def test_every_class_and_theorem_has_a_proved_row(few: list[Row]) -> None:
    proved = {(r.part, r.title) for r in few if r.label == LABEL}
    assert proved == {*((LAYER, t) for t in FEW), *((BETWEEN, t) for t in THEOREMS)}
    for row in few:
        assert row.ok and (row.part == GIVEN) == (row.label == SIZE)
        if row.part == LAYER:
            claims = registry()[row.title].claims()
            assert row.theorems == sum(len(registry()[row.title].claims(**c)) for c in row.proved)
            assert row.choices == len(row.proved)
            assert row.of == len(list(registry()[row.title].variants())) >= row.choices and row.steps > 0
            assert set().union(*(sizes_of(c.setting) for c in claims.values())) <= set(row.sizes)


def test_what_was_asked_for_is_symbolic(few: list[Row]) -> None:
    """output_padding, the overhang of ceil_mode, the number of classes: sizes of the theorems, with words."""
    rows = {r.title: r for r in few}
    assert rows["ConvTranspose1d"].meanings["r_w"].startswith("output_padding")
    assert "hangs over" in rows["AvgPool1d"].meanings["q_w"]
    assert rows["NLLLoss"].meanings["C"] == "classes"
    lines = coverage_lines(few)
    assert "  r in ConvTranspose1d: output_padding, places more at the end" in lines
    assert "  C in NLLLoss: classes" in lines


def test_what_is_given_at_a_size_is_named(few: list[Row]) -> None:
    given = {r.title: r.reason for r in few if r.label == SIZE}
    assert "mean-pooling-inside" in given["AvgPool1d: share"]
    assert "linear-upsampling-corners" in given["Upsample: table"]
    assert "at ties the first" in given["MaxPool1d: pick"]
    assert "entries with equal indices are added" in given["MaxUnpool1d: spot"]
    assert {"Upsample: t, u, v, w", "NLLLoss: chosen", "Graph, Sequential"} <= given.keys()
    assert "2^62" in given["a proof at a size, exhaustive"]


def test_the_theorems_that_reasons_name_exist() -> None:
    named = {name for *_, names in coverage_given.VALUES.values() for name in names}
    assert named and named <= theorems_between().keys()
    kinds = {stem for title in registry() if (stem := title.rstrip("123d")) in coverage_given.VALUES}
    assert kinds == coverage_given.VALUES.keys()


@pytest.mark.parametrize("title", registry())
def test_every_table_is_described(title: str) -> None:
    """A new table by place makes this fail, until somebody says what it holds."""
    rows = list(coverage_given.given_rows(title, registry()[title]))
    assert all(r.label == SIZE and r.reason for r in rows)
    assert not any("constants by place" in r.reason for r in rows)


def test_another_table_is_refused() -> None:
    with pytest.raises(LayerError, match="another table"):
        list(coverage_given.given_rows("LPPool1d", AvgPool1d))


# ---- sabotage ---------------------------------------------------------------------------------------


def damaged(
    monkeypatch: pytest.MonkeyPatch, layers: Mapping[str, Any], between: Mapping[str, Between]
) -> list[Row]:
    monkeypatch.setattr(table, "registry", lambda: layers)
    monkeypatch.setattr(table, "theorems_between", lambda: between)
    return coverage()


def test_a_damaged_claim_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = damaged(monkeypatch, {"Broken": _Broken, "ReLU": registry()["ReLU"]}, {})
    broken, relu = rows[:2]
    assert broken.label == OPEN and not broken.ok and relu.label == LABEL
    assert "do not meet" in broken.reason and "batched False" in broken.reason
    assert broken.choices == 2, "the usual choice, and the share by counts"
    lines = coverage_lines(rows)
    assert any(line.startswith("  Broken: ") and "do not meet" in line for line in lines[lines.index(OPEN) :])
    assert lines[-1].endswith("; 1 not proved") and not any("Broken  " in line for line in lines)


def test_a_damaged_theorem_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    import derive.between
    from derive import theorems as kept

    true = theorems_between()["upsample-gradient"]
    false = Between(true.name, true.says, lambda tags: {"input": twice(true.parts(tags)["input"])})
    monkeypatch.setattr(kept, "theorem_between", lambda name: false)
    monkeypatch.setattr(kept, "_BETWEEN", {})
    (row, *_) = damaged(monkeypatch, {}, {true.name: false})
    assert row.label == OPEN and "do not meet" in row.reason
    assert derive.between.theorems_between()[true.name].says == true.says


# ---- what is printed -----------------------------------------------------------------------------------


def test_lines_and_json(few: list[Row]) -> None:
    lines = coverage_lines(few)
    assert lines[lines.index(OPEN) + 1].startswith("  nothing")
    (row,) = (line for line in lines if line.startswith("  ConvTranspose1d"))
    assert " ".join(row.split()) == "ConvTranspose1d 3 of 4 11 80 36 N groups C K W W_out d k p q r s"
    total = sum(r.theorems for r in few)
    assert f"{total:,} theorems" in lines[-1] and lines[-1].endswith("; 0 not proved")
    data = json.loads(coverage_json(few))
    assert [r["title"] for r in data] == [r.title for r in few]
    relu = next(r for r in data if r["title"] == "ReLU")
    assert len(relu["proved"]) == relu["choices"] == 5 and relu["label"] == LABEL


def test_names_said_once() -> None:
    assert classes(["Conv1d", "Conv2d", "ConvTranspose1d", "Linear"]) == "Conv1d 2d, ConvTranspose1d, Linear"
    assert bases(["N", "H", "W", "H_out", "k_h", "k_w"]) == ["N", "H", "W", "H_out", "k"]


@pytest.mark.parametrize("title", registry())
def test_the_default_takes_every_choice_or_leaves_it_to_fewer_axes(title: str) -> None:
    kind = registry()[title]
    taken = list(table.combinations(kind))
    assert taken[0] == kind.chosen({}) and len(taken) == len({tuple(c.items()) for c in taken})
    if title.endswith("3d"):
        assert len(taken) == 1 and f"{title[:-2]}2d" in registry()
        return
    every = list(table.combinations(kind, full=True))
    assert all(c in every for c in taken)
    assert all({c[key] for c in taken} == {c[key] for c in every} for key in kind.discrete)


@pytest.mark.sweep
def test_the_whole_table() -> None:
    rows = coverage()
    proved = {r.title for r in rows if r.label == LABEL}
    assert proved == {*registry(), *theorems_between()} and all(r.ok for r in rows)
