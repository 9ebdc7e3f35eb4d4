"""Slips of the course notes: each one's claim is false and its correction true, by computation."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from codegen.gallery import FOLDER
from derive.between import theorems_between
from derive.layers import registry
from derive.slip_cases import Found
from derive.slips import SLIPS, Slip, section, slips_page, written

BY_NAME = {slip.says: slip for slip in SLIPS}


@pytest.mark.parametrize("says", BY_NAME)
def test_the_claim_is_false_and_the_correction_true(says: str) -> None:
    found = BY_NAME[says].find()
    assert found.truth and found.claimed and found.claimed != found.truth and found.differing
    assert found.mended == found.truth


@pytest.mark.parametrize("says", BY_NAME)
def test_the_page_names_an_entry_that_differs(says: str) -> None:
    slip = BY_NAME[says]
    found, text = slip.find(), section(1, slip)
    entry = found.differing[0]
    assert found.claimed.get(entry) != found.truth.get(entry)
    assert f"`{entry}`: the notes' formula gives **{written(found.claimed, entry)}**" in text
    assert f"the layer has **{written(found.truth, entry)}**" in text


@pytest.mark.parametrize("says", BY_NAME)
def test_what_proves_the_correction_exists(says: str) -> None:
    """A theorem between layers, or a claim of a layer class."""
    for proof in BY_NAME[says].proved:
        layer, colon, claim = proof.partition(": ")
        if colon:
            assert claim in {c.name for c in registry()[layer].claims().values()}
        else:
            assert proof in theorems_between()


def test_every_slip_of_the_notes_is_here(seed_examples: dict[str, Any]) -> None:
    said = [slip["says"] for slip in seed_examples["slips"]]
    assert sorted(BY_NAME) == sorted(said)


def test_a_slip_that_holds_would_be_seen() -> None:
    """The comparison itself: a claim that agrees with the layer has no entry that differs."""
    found = SLIPS[3].find()
    assert Found(found.at, found.truth, found.truth, found.mended).differing == []
    fine = Slip("fine", "", "", (), lambda: replace(found, claimed=found.truth))
    with pytest.raises(ValueError):
        section(1, fine)


def test_truth_is_the_layers_own() -> None:
    """The values of the notes' 3x3 and 2x2 example, counted by hand for one entry of each kind."""
    by_entry = BY_NAME["I_(x+u, y+u) in the 2-D convolution"].find()
    assert by_entry.truth["output[1, 0]"] == 4 * 1 + 5 * 2 + 7 * 3 + 8 * 4
    back = BY_NAME["y + u = i as the second index condition"].find()
    assert back.truth["grad_input[1, 1]"] == 10 * 4 + 11 * 3 + 12 * 2 + 13 * 1


def test_the_softmax_of_the_notes_in_floats() -> None:
    """An independent look, in floating point, at what both softmax slips are compared with."""
    found = BY_NAME["softmax denominator sum_{i=1}^{k} e^{z_k}"].find()
    logits = (0.23, 0.89, 0.45, 0.12)
    for i, z in enumerate(logits):
        right = math.exp(z) / sum(map(math.exp, logits))
        assert abs(float(found.truth[f"output[{i}]"]) - right) < 0.0006
        assert abs(float(found.claimed[f"output[{i}]"]) - math.exp(z - 0.12) / 4) < 0.0006
    assert (
        "(0.197, 0.381, 0.245, 0.176)"
        in BY_NAME["softmax of (0.23, 0.89, 0.45, 0.12) is (0.05, 0.7, 0.2, 0.05)"].holds
    )
    assert [float(v) for v in found.truth.values()] == [0.197, 0.381, 0.245, 0.176]


def test_the_notes_step_climbs_and_the_right_one_descends() -> None:
    found = BY_NAME["w_new = w_old - eta * dy/dw"].find()
    after = "loss after the step"
    assert found.truth[after] < 9 < found.claimed[after] and found.truth["w_new"] == Fraction(29, 10)


def test_values_are_written_as_decimals_where_they_are_short() -> None:
    values = {"a": 3, "b": Fraction(29, 10), "c": Fraction(1, 3), "d": Fraction(-1, 4)}
    assert [written(values, e) for e in "abcde"] == ["3", "2.9", "1/3", "-0.25", "no such entry"]


def test_the_written_page() -> None:
    page = slips_page()
    assert (FOLDER / "slips.md").read_text(encoding="utf-8") == page, "run: python -m codegen.gallery"
    assert all(said in page for said in BY_NAME) and page.count("\n## ") == len(SLIPS)
