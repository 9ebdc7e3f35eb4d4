"""Fast forms of layers: what they claim, entry by entry, against the layer; their document and command."""

from __future__ import annotations

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy
from command import backflip

from derive import Conv1d, Conv2d, Conv3d, ConvTranspose2d, ReLU
from derive.errors import LayerError, ProofError
from derive.fast_document import page
from derive.fast_form import OPERANDS, FastForm
from derive.fast_spelling import fast, usual
from derive.identity import Formula, Identity, Met, correlation, identity_of, products
from derive.judge_fast import judge_fast
from derive.layers.base import Layer
from derive.meaning import Meaning
from derive.toom import transform
from derive.writing import printed

SMALL: dict[str, tuple[Layer, tuple[int, ...], str]] = {
    "one left over": (Conv1d(2, 4, 3, padding=1, groups=2), (2, 2, 5), "F(2,3)"),
    "padding beyond the kernel": (Conv1d(1, 2, 2, padding=3, bias=False), (1, 1, 4), "F(3,2)"),
    "a tile larger than the output": (Conv1d(1, 1, 3), (1, 4), "F(4,3)"),
    "two axes": (Conv2d(1, 1, (2, 3), padding=((1, 0), (0, 2))), (1, 1, 3, 4), "F(2,2)xF(2,3)"),
}

LARGE: dict[str, tuple[Layer, tuple[int, ...], str]] = {
    "the usual layer": (Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56), "F(2,3)"),
    "different axes, each with a rest": (
        Conv2d(8, 4, 3, padding=1, groups=2), (3, 8, 13, 15), "F(2,3)xF(4,3)"),
    "five taps": (Conv2d(3, 2, 5, padding=2, bias=False), (3, 9, 12), "F(2,5)"),
    "three axes": (Conv3d(2, 2, 3, padding=1), (1, 2, 4, 5, 6), "F(2,3)"),
    "one axis": (Conv1d(4, 4, 5, padding="full"), (2, 4, 17), "F(4,5)"),
}  # fmt: skip


def entry(form: FastForm, operand: str, place: tuple[int, ...]) -> Any:
    """The form's entry at a place of the layer's own tensor, expanded with SymPy."""
    claim, axes = form.claim(operand), form.axes(operand)
    lead = len(place) - len(axes)
    spots = place[lead:]
    if operand != "weight":
        tiles = tuple(p // a.step for p, a in zip(spots, axes, strict=True))
        spots = (*tiles, *(p % a.step for p, a in zip(spots, axes, strict=True)))
    values = dict(zip([i.name for i in claim.right.indices], (*place[:lead], *spots), strict=True))
    return sympy.expand(Meaning(claim.setting, tables=form.tables(operand)).expr(claim.right.body, values))


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("title", SMALL)
def test_every_entry_is_the_layers(title: str, operand: str) -> None:
    """Expanded over all tiles, with the numbers of the tables; against the layer's proved closed form."""
    form = fast(*SMALL[title])
    own = form.own(operand)
    means = Meaning(own.setting)
    shape = [int(f.evaluate({})) for f in own.target.shape]
    for place in _places(shape):
        values = {i.name: v for i, v in zip(own.right.indices, place, strict=True)}
        assert sympy.expand(means.expr(own.right.body, values) - entry(form, operand, place)) == 0


def _places(shape: list[int]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for extent in shape:
        found = [(*p, i) for p in found for i in range(extent)]
    return found


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("title", LARGE)
def test_every_entry_over_the_field(title: str, operand: str) -> None:
    form = fast(*LARGE[title])
    lengths = [int(f.evaluate({})) for f in form.own(operand).target.shape[3:]]
    assert judge_fast(form, operand, 1).entries == len(_places(lengths))


@pytest.mark.parametrize("operand", OPERANDS)
@pytest.mark.parametrize("part", ["taps", "front", "back"])
def test_the_judge_sees_a_wrong_table(part: str, operand: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: one number of one table is changed."""
    form = fast(Conv1d(1, 1, 3, padding=1), (1, 1, 9), "F(2,3)")
    right = form.tables(operand)
    numbers = right[f"{part}_w"]
    wrong = right | {f"{part}_w": (*numbers[:5], numbers[5] + Fraction(1, 8), *numbers[6:])}
    monkeypatch.setattr(FastForm, "tables", lambda self, name: wrong)
    with pytest.raises(ProofError, match="not the layer"):
        judge_fast(form, operand)


def test_the_judge_sees_a_tile_that_reads_too_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the zeros before are forgotten."""
    from dataclasses import replace

    form = fast(Conv1d(1, 1, 3, padding=1), (1, 1, 9), "F(2,3)")
    axes = tuple(replace(a, before=0) for a in form.axes("output"))
    monkeypatch.setattr(FastForm, "axes", lambda self, name: axes)
    with pytest.raises(ProofError, match="not the layer"):
        judge_fast(form, "output")


# ---- the printed identity ------------------------------------------------------------------------


def test_a_line_with_a_wrong_coefficient_is_none() -> None:
    by = transform(2, 3)
    right = correlation(by, 0)
    assert identity_of(by, 0).label == "THIS SIZE, 12 identities, exhaustive"
    with pytest.raises(ProofError, match="different polynomials"):
        Identity(products(by, 1), right, 12)
    first, *rest = right.terms
    doubled = Formula((Met(first.scale * 2, first.taps, first.entries), *rest))
    with pytest.raises(ProofError, match="different polynomials"):
        Identity(products(by, 0), doubled, 12)


def test_the_document() -> None:
    """Matrices, numbered identities, tiles; each operand once; the same words in every format."""
    form = fast(Conv2d(2, 2, 3, padding=1), (1, 2, 7, 8), "F(2,3)xF(4,3)")
    text = form.to_text()
    for said in (
        "Points: 0, 3/4, -3/4, 3/2, -3/2, and infinity",
        "7 entries of the output in 4 tiles of 2; the last one hangs over by 1",
        "8 entries of the output in 2 tiles of 4; none hangs over",
        "24 for a tile and a pair of channels instead of 72, 3.00 times fewer",
        "= g_0*d_1 + g_1*d_2 + g_2*d_3",
        "THIS SIZE, 12 identities, exhaustive",
        "CHECKED, miss probability <= 2^-60, seed 0",
    ):
        assert said in " ".join(text.split())
    count = 2 + 4 + 3 + 3
    assert [f"({n})" in text for n in range(1, count + 2)] == [True] * count + [False]
    assert text.count("Theorem.") == form.to_html().count("Theorem.") == 3
    assert r"\begin{array}" in form.to_latex() and form.to_markdown()


def test_a_document_of_one_operand_and_several_forms() -> None:
    forms = usual(Conv1d(1, 1, 3), (1, 1, 9))
    assert [f.nested.name for f in forms] == ["F(2,3)", "F(3,3)", "F(4,3)", "F(5,3)", "F(6,3)"]
    text = printed(page(forms, ("output",)), "text")
    assert text.count("Theorem.") == len(forms) and "grad_weight" not in text


@pytest.mark.tex
@pytest.mark.parametrize("folded", ["", "F(4,3)xF(3,3)", "F(2,3)x3"])
def test_the_latex_fits_its_page(folded: str, tmp_path: Path) -> None:
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex on PATH: the LaTeX is not compiled here")
    plain = Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56), "F(4,3)"
    form = fast(Conv1d(64, 64, 9, padding=4), (1, 64, 997), folded) if folded else fast(*plain)
    (tmp_path / "t.tex").write_text(form.to_latex("standalone"))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    log = (tmp_path / "t.log").read_text(errors="replace")
    assert done.returncode == 0 and "Overfull" not in log, log[-1500:]


# ---- refusals and the command --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layer", "shape", "form", "said"),
    [
        (Conv1d(1, 1, 3, stride=2), (1, 9), "F(2,3)", "2 and 1 on axis w"),
        (Conv1d(1, 1, 3, dilation=2), (1, 9), "F(2,3)", "1 and 2 on axis w"),
        (Conv1d(1, 1, 3), (1, 9), "F(2,5)", "F(2,5)"),
        (Conv1d(1, 1, 3, padding=1, padding_mode="reflect"), (1, 9), "F(2,3)", "reflect"),
        (Conv2d(1, 1, 3), (1, 9, 9), "F(2,3)xF(2,3)xF(2,3)", "F(2,3) x F(2,3) x F(2,3)"),
        (ConvTranspose2d(1, 1, 3), (1, 9, 9), "F(2,3)", "ConvTranspose2d"),
        (ReLU(), (1, 9), "F(2,3)", "ReLU"),
        (Conv1d(1, 1, 3), (1, 9), "winograd", "winograd"),
        (Conv1d(1, 1, 3), (1, 9), "F(7,3)", "F(7,3)"),
    ],
)
def test_what_has_no_fast_form(layer: Layer, shape: tuple[int, ...], form: str, said: str) -> None:
    with pytest.raises(LayerError) as refusal:
        fast(layer, shape, form)
    assert said in refusal.value.got


def test_a_kernel_without_chosen_forms() -> None:
    with pytest.raises(LayerError, match="no fast form was chosen"):
        usual(Conv1d(1, 1, 7), (1, 9))


def test_the_command(tmp_path: Path) -> None:
    layer = ("derive", "Conv1d(1, 1, 3)", "--input", "1,1,9", "--fast")
    said = backflip(*layer, "F(2,3)", "--wrt", "output", cwd=tmp_path)
    assert said.code == 0 and "y_1" in said.out and "grad_weight" not in said.out
    kept = backflip(*layer, "all", "-o", "forms.html", cwd=tmp_path)
    assert kept.code == 0 and "F(6,3)" in kept.err and "<math" in (tmp_path / "forms.html").read_text()
    for wrong in (
        ("F(2,3)", "--matrix"),
        ("F(2,3)", "--wrt", "bias"),
        ("F(9,3)",),
        ("F(2,3)", "--all-sizes"),
    ):
        refused = backflip(*layer, *wrong, cwd=tmp_path)
        assert refused.code == 2 and "error: " in refused.err and "Traceback" not in refused.err
    everywhere = backflip("derive", "Conv1d", "--fast", "F(2,3)", cwd=tmp_path)
    assert everywhere.code == 2 and "--input" in everywhere.err
