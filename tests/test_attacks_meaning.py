"""Attacks on what is meant: wrong definitions, captured names, pages that say something else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import plain_layers as plain
import pytest
from attack_parts import _Mirrored, _Turned, searching, values, with_right
from latex_parser_terms import Alphabet, Unreadable
from test_check import wrong_somewhere
from test_latex_roundtrip_pages import of_layer

from derive import differentiate, prove
from derive.certificate import dump
from derive.checker import Refused, check_text
from derive.claim import Argument, Claim
from derive.document import render
from derive.errors import ProofError
from derive.exhaust import compare
from derive.expr import Tensor, substitute
from derive.index import Index, name
from derive.instance import claim_at
from derive.layers.conv import Conv2d
from derive.proof import theorem
from derive.rocq.names import Names
from derive.strategy import argue
from derive.verification import verify

PAIRS = ((1, 0), (0, 1))
SAME_WRONG_SIDE = _Mirrored(1, 2, 2, padding=PAIRS), (1, 1, 3, 3)


@pytest.fixture
def any_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is proved may use any certificate that can be found; nothing of it is kept for other tests."""
    monkeypatch.setattr("derive.theorems.stored_oracle", searching)
    monkeypatch.setattr("derive.theorems._PROVED", {})


# ---- wrong forward definition ----------------------------------------------------------------------


def test_wrong_forward_definition(any_certificate: None) -> None:
    """A forward pass with the kernel turned round, and its true gradients: the theorems hold, all of them.

    No theorem about a gradient can see it. Plain loops do, and `verify` of a right forward pass does.
    """
    layer, right, shape = _Turned(1, 2, 2), Conv2d(1, 2, 2), (1, 1, 3, 4)
    assert prove(_Turned).ok and prove(layer, shape, factorised=True).ok
    image, weight = np.arange(12).reshape(1, 1, 3, 4), np.arange(8).reshape(2, 1, 2, 2)
    given = {"input": image, "weight": weight, "bias": np.zeros(2, int)}
    looped = plain.conv(image, weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1)).reshape(-1)
    assert np.array_equal(values(right, shape, "output", given), looped)
    assert not np.array_equal(values(layer, shape, "output", given), looped)

    def forward(x: Any, w: Any, b: Any) -> Any:
        return plain.conv(x, w, b, (1, 1), ((0, 0), (0, 0)), (1, 1))

    assert verify(forward, right, shape).ok
    found = verify(forward, layer, shape)
    assert not found.ok and "REFUTED as forward pass" in found.report


def test_wrong_forward_definition_against_pytorch() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    layer, shape = SAME_WRONG_SIDE
    image, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.arange(8.0).reshape(2, 1, 2, 2)
    around = torch.nn.functional.pad(torch.tensor(image), (*PAIRS[1], *PAIRS[0]))
    expected = torch.nn.functional.conv2d(around, torch.tensor(weight)).numpy().reshape(-1)
    given = {"input": image, "weight": weight, "bias": np.zeros(2)}
    assert np.array_equal(values(Conv2d(1, 2, 2, padding=PAIRS), shape, "output", given), expected)
    assert not np.array_equal(values(layer, shape, "output", given), expected)


# ---- name capture ----------------------------------------------------------------------------------


def renamed(claim: Claim, old: str, new: str) -> Claim:
    """The claim whose right side sums over `new` where it summed over `old`."""
    (term,) = claim.right.body.terms
    moved = substitute(term, {old: name(new)})
    indices = tuple(Index(new, i.extent) if i.name == old else i for i in term.indices)
    return with_right(claim, replace(moved, indices=indices))


def test_name_capture() -> None:
    """A sum over an index that is called as a free one, or as a size, says something else: none is taken."""
    claim, sizes = Conv2d.claims()["input"], Conv2d(1, 1, 2).sizes((1, 1, 3, 3))
    for captured in ("i_h", "s_h"):
        false = renamed(claim, "b_h", captured)
        assert wrong_somewhere(false), captured
        with pytest.raises(ProofError, match="captured index name"):
            theorem(argue(false, searching()))
        text = dump("Conv2d", {"bias": True, "batched": True}, {"input": forged(claim, false)})
        with pytest.raises(Refused, match="captured"):
            check_text(text)
    with pytest.raises(ProofError, match=r"captured|bound twice|outside"):
        compare(claim_at(renamed(claim, "b_h", "i_h"), sizes))
    fresh = renamed(claim, "b_h", "b_new")
    assert not wrong_somewhere(fresh) and theorem(argue(fresh, searching())).claim == fresh


def forged(claim: Claim, false: Claim) -> Argument:
    """The proof of a claim with another claim put in its place."""
    return replace(argue(claim, searching()), claim=false)


@pytest.mark.parametrize("odd", ["a*b", "i_h] + X[0", "N >= 1; N", "x\u0301", "9", ""])
def test_names_that_are_more_than_names(odd: str) -> None:
    """What could be read as more than a name where it is printed or stored is refused as a name."""
    with pytest.raises(ProofError, match=r"malformed term[^$]*names of indices"):
        theorem(forged(Conv2d.claims()["input"], renamed(Conv2d.claims()["input"], "b_h", odd)))


def test_names_that_other_readers_take_for_their_own() -> None:
    """Rocq's words and our lemmas' names are spelled apart; two tensors of one letter are not printed."""
    names = Names(frozenset({"in", "Z", "d_loss", "loss"}), frozenset())
    spelled = [names.tensor(n) for n in ("in", "Z", "d_loss", "loss", "equation_1")]
    assert spelled == ["in'_", "Z'_", "d_loss'_", "loss", "equation_1'_"]
    assert names.variable("Z") != names.tensor("Z") and names.variable("forall") == "forall'_"
    with pytest.raises(Unreadable, match="one letter"):
        Alphabet.of([Tensor("norm", (), ()), Tensor("other", (), ())])


# ---- detached LaTeX --------------------------------------------------------------------------------


FORGED = (
    ("1 - b_{h}", "b_{h}"),
    ("z_{h} = o_{h}", r"z_{h} = 2\,o_{h}"),
    (r"[0 \le e_{h} < 3]\,", ""),
    (r"\sum_{b_{w}=0}^{1}", r"\sum_{b_{w}=0}^{2}"),
    ("W_{0,0,a_{h},a_{w}}", "W_{0,0,a_{w},a_{h}}"),
    (r"\mathrm{d}X_{n", r"\mathrm{d}W_{n"),
)
"""A kernel not flipped, a stride of 2, a lost bracket, a sum one longer, axes exchanged, another gradient."""


def test_detached_latex() -> None:
    """One displayed formula changed by hand; what stands in sentences is not read back.

    A parser that shares no code with the printers reads the page; it must say what was proved.
    """
    found = differentiate(Conv2d(1, 1, 2, padding=PAIRS, bias=False), (1, 1, 3, 3))
    page = render(found, "latex", "fragment")
    assert of_layer(found).page(page) is None
    text, displayed, rest = page.partition(r"\begin{align*}")
    for old, new in FORGED:
        assert old in rest
        with pytest.raises((AssertionError, Unreadable)):
            of_layer(found).page(text + displayed + rest.replace(old, new, 1))


def test_latex_of_another_theorem(any_certificate: None) -> None:
    """The page of a wrong layer that gives itself out for Conv2d; a derivation of another operand."""
    shape = (1, 1, 3, 3)
    right = differentiate(Conv2d(1, 1, 2, padding=PAIRS, bias=False), shape)
    wrong = differentiate(_Mirrored(1, 1, 2, padding=PAIRS, bias=False), shape)
    page = render(wrong, "latex", "fragment").replace("_Mirrored", "Conv2d")
    assert of_layer(wrong).page(page) is None
    with pytest.raises(AssertionError, match="not a definition"):
        of_layer(right).page(page)
    with pytest.raises(ProofError, match="a theorem about another operand"):
        replace(right["input"], theorem=right["weight"].theorem)
    with pytest.raises(ProofError, match="hypotheses do not hold"):
        replace(right["input"], sizes={**right["input"].sizes, "H": 7})
