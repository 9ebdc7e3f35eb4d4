"""Fast forms of one axis folded into rows: what they claim, entry by entry; their pages; what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from command import backflip

from codegen.schedules.winograd_lines import _transforms
from derive import Conv1d, Conv2d, ConvTranspose1d
from derive.errors import LayerError, ProofError
from derive.expr import Read
from derive.fast_claim import entry_named
from derive.fast_document import page
from derive.fast_fold import Folded, FoldedForm, folding, foldings
from derive.fast_form import FastForm
from derive.fast_spelling import fast, of_operands, usual
from derive.index import Form, Index, name
from derive.judge_fast import judge_fast
from derive.layers.base import Layer
from derive.meaning import Meaning
from derive.toom import transform
from derive.writing import printed

OPERANDS = ("output", "input")
TAPS = (4, 6, 8, 9, 10, 12, 15)

SMALL: dict[str, tuple[Conv1d, tuple[int, ...], str]] = {
    "rows of two, columns transformed": (Conv1d(2, 4, 4, padding=1, groups=2), (2, 2, 6), "F(2,2)xF(2,2)"),
    "rows of two, columns as terms": (Conv1d(2, 4, 4, padding=1, groups=2), (2, 2, 6), "F(2,2)x2"),
    "padding beyond the kernel": (Conv1d(1, 1, 6, padding=((7, 0),), bias=False), (1, 3), "F(2,2)x3"),
    "a tile larger than the output": (Conv1d(1, 2, 6), (1, 1, 8), "F(4,3)xF(2,2)"),
}

NINE = Conv1d(1, 1, 9, padding=4), (1, 1, 40)


# ---- what a form claims --------------------------------------------------------------------------


def entries(form: FastForm, operand: str) -> dict[tuple[int, ...], Any]:
    """The form's entries at the places that its left side names, expanded with SymPy."""
    claim, found = form.claim(operand), dict[tuple[int, ...], Any]()
    means, indices = Meaning(claim.setting, tables=form.tables(operand)), claim.right.indices
    for values in product(*(range(int(i.extent.evaluate({}))) for i in indices)):
        at = dict(zip([i.name for i in indices], values, strict=True))
        place = tuple(int(f.evaluate(at)) for f in entry_named(claim).index)
        assert place not in found
        if place[-1] < int(form.own(operand).target.shape[-1].evaluate({})):
            found[place] = sympy.expand(means.expr(claim.right.body, at))
    return found


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("title", SMALL)
def test_every_entry_is_the_layers(title: str, operand: str) -> None:
    """Expanded over all tiles, with the numbers of the tables; against the layer's proved closed form."""
    form = fast(*SMALL[title])
    own, found = form.own(operand), entries(form, operand)
    means, names = Meaning(own.setting), [i.name for i in own.right.indices]
    assert set(found) == set(product(*(range(int(f.evaluate({}))) for f in own.target.shape)))
    for place, entry in found.items():
        values = dict(zip(names, place, strict=True))
        assert sympy.expand(means.expr(own.right.body, values) - entry) == 0


@pytest.mark.parametrize("taps", TAPS)
def test_every_folding_over_the_field(taps: int) -> None:
    """Each listed form of so many taps, at a length that is no multiple of any tile."""
    layer, shape = Conv1d(6, 4, taps, padding=((3, taps + 2),), groups=2), (3, 6, 61)
    for forms, pitch in foldings(taps):
        form = FoldedForm(layer, shape, forms, pitch)
        lengths = [judge_fast(form, operand, 1).entries for operand in OPERANDS]
        assert lengths == [67, 61]
        assert all(a.out % a.step for a in (form.axes(o)[0] for o in OPERANDS))


def test_what_is_compiled_is_listed() -> None:
    """The foldings are those that kernels of one axis have, with the same numbers; unfolded ones too."""
    some = 0
    for taps in range(1, 40):
        compiled = list(_transforms(taps))
        folded = [((r, c) if c else (r,), pitch) for r, c, pitch in compiled if pitch > 1]
        assert list(foldings(taps)) == folded
        some += len(folded)
        if compiled:
            listed = [(f.forms, getattr(f, "pitch", 1)) for f in usual(Conv1d(1, 1, taps), (1, 60))]
            plain = [((r,), 1) for r, _, pitch in compiled if pitch == 1]
            assert set(folded) | set(plain) <= set(listed)
    assert some >= 20


def test_a_tile_of_another_size_is_a_form_too() -> None:
    """What is not listed may be asked for: four columns, or rows of three outputs."""
    for taps, form in ((12, "F(2,3)x4"), (16, "F(2,4)xF(4,4)"), (4, "F(3,2) x F(2,2)"), (10, "F(2,2)x5")):
        assert judge_fast(fast(Conv1d(1, 1, taps), (1, 1, 47), form), "output").entries == 48 - taps


# ---- sabotage ------------------------------------------------------------------------------------


def refuted(form: str, match: str = "not the layer") -> None:
    for operand in OPERANDS:
        with pytest.raises(ProofError, match=match):
            judge_fast(fast(*NINE, form), operand)


@pytest.mark.parametrize("form", ["F(4,3)xF(3,3)", "F(2,3)x3"])
@pytest.mark.parametrize(
    ("letter", "row", "column"), [("a", 1, 3), ("a", 2, 1), ("e", 2, 1), ("e", 1, 3), ("a", 3, -1)]
)
def test_the_judge_sees_a_wrong_folding(
    form: str, letter: str, row: int, column: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taps or entries with row and column exchanged, columns backwards, or another pitch."""
    own = Folded.place

    def wrong(self: Folded, title: str, rows: int, columns: int) -> Any:
        indices, right = own(self, title, rows, columns)
        other = row * name(f"{letter}_p") + column * name(f"{letter}_s") + (2 if column < 0 else 0)
        return indices, other if title == letter else right

    monkeypatch.setattr(Folded, "place", wrong)
    refuted(form)


@pytest.mark.parametrize("form", ["F(4,3)xF(3,3)", "F(2,3)x3"])
def test_the_judge_sees_wrong_numbers_and_zeros(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = fast(*NINE, form)
    tables, axes = right.tables("output"), right.axes("output")
    for title, numbers in tables.items():
        wrong = tables | {title: (*numbers[:4], numbers[4] + Fraction(1, 8), *numbers[5:])}
        with monkeypatch.context() as patched:
            patched.setattr(FoldedForm, "tables", lambda self, name, wrong=wrong: wrong)
            refuted(form)
    shifted = (replace(axes[0], before=3), *axes[1:])
    monkeypatch.setattr(FoldedForm, "axes", lambda self, name: shifted)
    refuted(form)


def test_the_judge_sees_places_that_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    places = Folded.places
    monkeypatch.setattr(
        Folded, "places", lambda self: tuple(p.substitute({"o_s": Form.of(0)}) for p in places(self))
    )
    refuted("F(4,3)xF(3,3)", "each entry once")


def test_a_folding_that_is_none() -> None:
    """The printed equation: other taps, other entries, one tap twice, or a reach that is too short."""
    right = folding(transform(4, 3), 3)
    assert (right.count, right.label) == (12 * 9 * 20, "THIS SIZE, 2,160 identities, exhaustive")
    tap, entry = right.left.factors
    assert isinstance(tap, Read) and isinstance(entry, Read)
    flipped = tap.mapped(lambda f: f.substitute({"a_s": 2 - name("a_s")}))
    far = entry.mapped(lambda f: f.substitute({"o_p": 2 * name("o_p")}))
    for factors in ((flipped, entry), (tap, far), (tap, tap)):
        with pytest.raises(ProofError, match="not the correlation"):
            replace(right, left=replace(right.left, factors=factors))
    with pytest.raises(ProofError, match="not the correlation"):
        replace(right, entries=19)
    with pytest.raises(ProofError, match="not the correlation"):
        replace(right, left=replace(right.left, indices=(*right.left.indices, Index("b", Form.of(2)))))


# ---- the page ------------------------------------------------------------------------------------


def test_the_document() -> None:
    layer, shape = Conv1d(2, 2, 9, padding=4), (1, 2, 31)
    text = " ".join(fast(layer, shape, "F(4,3)xF(3,3)").to_text().split())
    for said in (
        "9 taps folded into rows of 3, 4 rows a tile",
        "A tile of 4 rows reads 5 columns of each of 6 rows: those from 3 on are the first ones of the next",
        "= Σ_{a<9} g[a]*d[3*o_p + o_s + a] (8) every coefficient is the same whole number: "
        "THIS SIZE, 2,160 identities, exhaustive",
        "31 entries of the output in 3 tiles of 12; the last one hangs over by 5",
        "Tile j reads 20 entries from 12 j - 4 on",
        "The entry of output at place 3*o_p + o_s + 12*j_p is the last of these",
        "weight[2*g + k,c,8 - 3*a_p - a_s]",
        "30 for a tile and a pair of channels instead of 108, 3.60 times fewer",
        "That an axis may be folded is checked at this size alone",
    ):
        assert said in text, said
    terms = fast(layer, shape, "F(2,3)x3")
    said = " ".join(terms.to_text().split())
    assert "Columns are not transformed: the taps of a row are further terms" in said
    assert "fast_entries[n,2*g + c,o_s + a_s,j_p,x_p]" in said
    assert "36 for a tile and a pair of channels instead of 54, 1.50 times fewer" in said
    assert said.count("Theorem.") == terms.to_html().count("Theorem.") == 2 and "grad_weight" not in said
    assert "G^{(p)}" in terms.to_latex() and terms.to_markdown()


def test_products_are_counted_as_the_claim_has_them() -> None:
    """A tile's products in the claim itself, of one channel, and the definition's terms of its places."""
    for taps, spelled, expected in (
        (9, "F(4,3)xF(3,3)", (108, 30)),
        (9, "F(2,3)x3", (54, 36)),
        (10, "F(2,5)x2", (40, 24)),
    ):
        form = fast(Conv1d(1, 1, taps), (1, 1, 30), spelled)
        claim = form.claim("output")
        (met,) = (d for d in claim.setting.definitions if d.tensor.name == "fast_products")
        (term,) = met.body.terms
        free = [i for i in met.indices if i.name != "j_p"]
        here = np.prod([int(i.extent.evaluate({})) for i in (*free, *term.indices)])
        places = np.prod([int(i.extent.evaluate({})) for i in claim.right.indices if i.name[0] == "o"])
        assert form.products("output") == expected == (places * form.sizes["k_w"], here)


def test_all_forms_of_a_kernel() -> None:
    forms = usual(*NINE)
    assert [f.name for f in forms] == ["F(2,3) x 3", "F(2,3) x F(3,3)", "F(4,3) x 3", "F(4,3) x F(3,3)"]
    text = printed(page(forms), "text")
    assert text.count("Theorem.") == 8 and text.count("folded into rows of 3") == 2
    numbers = [f"({n})" in text for n in range(1, 2 + 4 + 3 + 2 + 2)]
    assert numbers == [True] * 11 + [False]
    both = [f.name for f in usual(Conv1d(1, 1, 4), (1, 1, 20))]
    assert both[:2] == ["F(2,4)", "F(3,4)"] and both[-1] == "F(4,2) x F(2,2)"


def test_forms_of_the_weights_gradient_alone() -> None:
    """Of four taps those that are not folded; of nine there is none."""
    forms = of_operands(usual(Conv1d(1, 1, 4), (1, 1, 20)), ("weight",))
    assert [f.name for f in forms] == ["F(2,4)", "F(3,4)", "F(4,4)", "F(5,4)"]
    assert "folded" not in printed(page(forms, ("weight",)), "text")
    with pytest.raises(LayerError, match="no fast form of this gradient"):
        of_operands(usual(*NINE), ("weight",))


# ---- refusals and the command --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "form", "said"),
    [
        (Conv1d(1, 1, 9), (1, 40), "F(4,3)xF(2,2)", "D at least 2: F(2,3)x3, F(2,3)xF(3,3), F"),
        (Conv1d(1, 1, 8), (1, 40), "F(2,2)xF(3,4)", "F(m,r)xF(D,D) or F(m,r)xD"),
        (Conv1d(1, 1, 9), (1, 40), "F(2,3)x4", "r times D = 9"),
        (Conv1d(1, 1, 3), (1, 40), "F(2,3)x1", "D at least 2"),
        (Conv1d(1, 1, 9), (1, 40), "F(2,3)x3x1", "r times D = 9"),
        (Conv1d(1, 1, 9), (1, 40), "F(4,3)", "or it folded: F(m,r)xF(D,D) or F(m,r)xD"),
        (Conv1d(1, 1, 9), (1, 40), "F(2,3)xF(3,3)xF(1,1)", "or it folded"),
        (Conv1d(1, 1, 9, stride=2), (1, 40), "F(2,3)x3", "stride 1 and dilation 1"),
        (Conv1d(1, 1, 9, padding=2, padding_mode="circular"), (1, 40), "F(2,3)x3", "zeros as padding"),
        (ConvTranspose1d(1, 1, 9), (1, 40), "F(2,3)x3", "a convolution"),
        (Conv2d(1, 1, 3), (1, 9, 9), "F(2,3)x3", "a transform for each of 2 axes"),
        (Conv1d(1, 1, 9), (1, 40), "3xF(2,3)", "F(2,3)x3"),
    ],
)  # fmt: skip
def test_what_is_no_folded_form(layer: Layer, shape: tuple[int, ...], form: str, said: str) -> None:
    with pytest.raises(LayerError) as refusal:
        fast(layer, shape, form)
    assert said in refusal.value.expected


def test_a_folded_form_of_two_axes_is_none() -> None:
    with pytest.raises(LayerError, match="one axis, for it is folded"):
        FoldedForm(Conv2d(1, 1, 9), (1, 20, 20), (transform(2, 3),), 3)


def test_the_weights_gradient_is_refused() -> None:
    form = fast(*NINE, "F(2,3)x3")
    for asked in (form.axes, form.claim, form.tables):
        with pytest.raises(LayerError, match="no fast form of this gradient"):
            asked("weight")
    with pytest.raises(LayerError, match="no fast form of this gradient"):
        _ = form.backward


def test_the_command(tmp_path: Path) -> None:
    layer: Sequence[str] = ("derive", "Conv1d(1, 1, 9, padding=4)", "--input", "1,1,29", "--fast")
    said = backflip(*layer, "F(2,3)x3", "--wrt", "output", cwd=tmp_path)
    assert said.code == 0 and "folded into rows of 3" in said.out and "grad_input" not in said.out
    kept = backflip(*layer, "all", "-o", "forms.html", cwd=tmp_path)
    assert (
        kept.code == 0 and "F(4,3) x F(3,3)" in kept.err and "<math" in (tmp_path / "forms.html").read_text()
    )
    for wrong in (("all", "--wrt", "weight"), ("F(4,3)xF(2,2)",)):
        refused = backflip(*layer, *wrong, cwd=tmp_path)
        assert refused.code == 2 and "error: " in refused.err and "Traceback" not in refused.err
        assert not refused.out


def test_the_help_says_what_works(tmp_path: Path) -> None:
    """Forms that the help names, on the layers that it names them for."""
    said = " ".join(backflip("derive", "--help", cwd=tmp_path).out.split())
    assert '--fast "F(4,3)xF(3,3)"' in said
    told = said.split("One axis may be folded: 9 taps by ")[1].split(".")[0]
    for form in told.split(", or by "):
        assert isinstance(fast(*NINE, form), FoldedForm)
