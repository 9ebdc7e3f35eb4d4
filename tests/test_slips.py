"""Slips of the course notes: each one's claim is false and its correction true, by computation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codegen.gallery import FOLDER
from derive.between import theorems_between
from derive.layers import registry
from derive.slip_cases import Found
from derive.slips import LATER, SLIPS, Slip, section, slips_page

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
    given, true = found.claimed.get(entry), found.truth.get(entry)
    assert given != true
    assert f"`{entry}`: the notes' formula gives **{'no such entry' if given is None else given}**" in text
    assert f"the layer has **{'no such entry' if true is None else true}**" in text


@pytest.mark.parametrize("says", BY_NAME)
def test_what_proves_the_correction_exists(says: str) -> None:
    """A theorem between layers, or a claim of a layer class."""
    for proof in BY_NAME[says].proved:
        layer, colon, claim = proof.partition(": ")
        if colon:
            assert claim in {c.name for c in registry()[layer].claims().values()}
        else:
            assert proof in theorems_between()


def test_every_slip_of_the_notes_is_here_or_left_for_later(seed_examples: dict[str, Any]) -> None:
    said = [slip["says"] for slip in seed_examples["slips"]]
    assert sorted([*BY_NAME, *LATER]) == sorted(said)


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


def test_the_written_page() -> None:
    page = slips_page()
    assert (FOLDER / "slips.md").read_text(encoding="utf-8") == page, "run: python -m codegen.gallery"
    assert all(said in page for said in (*BY_NAME, *LATER)) and page.count("\n## ") == len(SLIPS) + 1
