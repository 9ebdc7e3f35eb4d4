"""The document of a backward pass: its order, its numbers, what it refuses to print, and that it typesets."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import sympy
from graph_cases import CASES
from test_document import compiled

from derive import differentiate, parse_layer
from derive.document import printed, save_page
from derive.errors import LayerError, LimitError, ProofError
from derive.expr import Expr
from derive.graph_derivation import GraphDerivation, Pass
from derive.graph_document import page
from derive.notation.tree import Relation


@cache
def derivations(name: str) -> dict[str, GraphDerivation]:
    return differentiate(parse_layer(CASES[name].text), CASES[name].shapes)


def text(name: str) -> str:
    return printed(page(derivations(name)), "text")


@pytest.mark.parametrize("name", CASES)
def test_the_pass_runs_backwards(name: str) -> None:
    """Each gradient is printed once, after every gradient that it stands on."""
    whole = next(iter(derivations(name).values())).whole
    composed = whole.composed
    given = set(composed.plan.cotangents().values())
    known: set[str] = set()
    for wrt in whole.order:
        for use in composed.uses.get(wrt, ()):
            needed = composed.gradients[use.node.name].name
            assert needed in given | known, f"{wrt} stands on {needed}"
        known.add(composed.gradients[wrt].name)
    assert set(composed.plan.wanted) <= set(whole.order)
    shown = re.findall(r"^(\d+)\. The gradient by (\S+)$", text(name), re.M)
    assert shown == [(str(i), composed.tensor(w).name) for i, w in enumerate(whole.order, 1)]


@pytest.mark.parametrize("name", CASES)
def test_every_use_has_its_theorem(name: str) -> None:
    composed = next(iter(derivations(name).values())).whole.composed
    shown = " ".join(text(name).split())
    for uses in composed.uses.values():
        for use in uses:
            layer = repr(use.node.layer)
            assert f"Node {use.node.name}, the theorem of {layer} by its {use.operand}" in shown


def test_the_refresher_reads_as_the_notes_have_it() -> None:
    found = derivations("refresher")
    worked = found["x"].with_numbers({"x": [-2], "y": [5], "z": [-4]})
    shown = printed(page({**found, "x": worked}), "text")
    for line in (
        "q[0] := x[0] + y[0]",
        "f[0] := q[0]*z[0]",
        "∂L/∂q[0] = grad_q[0]",
        "grad_q[0] := grad_output[0]*z[0]",
        "grad_z[0] := grad_output[0]*q[0]",
        "grad_x[0] = grad_output[0]*z[0]",
        "grad_z[0] = grad_output[0]*x[0] + grad_output[0]*y[0]",
        *("q[0] = 3", "f[0] = -12", "grad_q[0] = -4", "grad_z[0] = 3", "grad_x[0] = -4", "grad_y[0] = -4"),
    ):
        assert line in shown, line


def test_steps_are_labelled_equations() -> None:
    steps = derivations("residual")["x"].steps
    assert [step.claim.target.name for step in steps] == ["a", "x"]
    last = steps[-1]
    assert "chain rule, a term for each of its 2 uses" in last.reason
    assert last.label.startswith(
        "ALL SIZES (certificate) for each layer; composed: CHECKED, miss probability"
    )
    assert isinstance(last.to_sympy(), sympy.Eq)
    assert derivations("residual")["a.weight"].shape == (2, 2, 3, 3)


def test_an_entry_is_a_sympy_expression() -> None:
    """Sum over the windows that read the entry, plus what the skip connection sends back."""
    found = derivations("residual")["x"].element((0, 1, 0, 0))
    weight, seed = sympy.IndexedBase("a.weight"), sympy.IndexedBase("grad_output")
    wanted = seed[0, 1, 0, 0] + sum(
        weight[k, 1, 1 - h, 1 - w] * seed[0, k, h, w] for k in (0, 1) for h in (0, 1) for w in (0, 1)
    )
    assert sympy.expand(found - wanted) == 0
    with pytest.raises(LayerError, match="no such entry"):
        derivations("residual")["x"].element((0, 1, 0, 2))


def test_one_gradient_shows_what_leads_to_it() -> None:
    shown = derivations("cnn")["4.weight"].to_text()
    assert "The gradient by 4.weight" in shown and "The gradient by 4.output" in shown
    assert "The gradient by 0.weight" not in shown


def test_a_damaged_pass_is_not_printed() -> None:
    part = derivations("residual")["x"].whole.composed
    spoiled = tuple(
        replace(d, body=Expr(d.body.terms[1:])) if d.tensor.name == "grad_x" else d
        for d in part.setting.definitions
    )
    damaged = Pass(replace(part, setting=replace(part.setting, definitions=spoiled)), ["x"])
    with pytest.raises(ProofError, match="not the derivative of the composed loss"):
        page({"x": GraphDerivation(damaged, "x")})


def test_a_line_without_a_label_is_not_printed() -> None:
    class Unlabelled(Pass):
        label = ""

    whole = Unlabelled(derivations("residual")["x"].whole.composed, ["x"])
    with pytest.raises(ProofError, match="no judge has checked"):
        page({"x": GraphDerivation(whole, "x")})


def test_a_pass_too_large_to_check_is_not_printed() -> None:
    found = differentiate(parse_layer("Sequential(Conv2d(64, 64, 3), ReLU())"), (8, 64, 56, 56))
    with pytest.raises(LimitError, match="too large to evaluate"):
        found["input"].to_text()


def test_equalities_are_labelled_lines_entries_or_slopes() -> None:
    """Every '=' of the page is a numbered line, an expanded entry, or a checked derivative of a formula."""
    found = page(derivations("cnn"))
    links = [
        (display, link)
        for block in found.blocks
        for display in getattr(block, "rows", ())
        for link in getattr(display, "links", ())
        if link.relation is Relation.EQUAL
    ]
    numbered = [link for _, link in links if link.number]
    assert len(numbered) == len(derivations("cnn")["input"].whole.order)
    others = [link for _, link in links if not link.number]
    assert all("DERIVATIVE (differential field)" in "".join(map(str, link.reason)) for link in others)


@pytest.mark.parametrize("name", ["refresher", "branches", "shared", "cnn"])
def test_latex_compiles_without_overfull_boxes(name: str, tmp_path: Path) -> None:
    log = compiled(printed(page(derivations(name)), "latex", "standalone"), tmp_path)
    assert "Overfull" not in log and "LaTeX Warning" not in log


@pytest.mark.parametrize("name", ["branches", "cnn"])
def test_a_fragment_fits_an_ordinary_article(name: str, tmp_path: Path) -> None:
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    body = printed(page(derivations(name)), "latex")
    assert "Overfull" not in compiled(head + body + "\\end{document}\n", tmp_path)


@pytest.mark.parametrize("name", CASES)
def test_html_is_well_formed(name: str) -> None:
    source = printed(page(derivations(name)), "html")
    body = source[source.index("<body>") : source.index("</body>") + 7].replace("&emsp;", " ")
    assert len(list(ElementTree.fromstring(body).iter("math"))) > 10
    assert "<script" not in source


@pytest.mark.parametrize("suffix", [".tex", ".md", ".txt", ".html"])
def test_saved_by_suffix(suffix: str, tmp_path: Path) -> None:
    derivation: Any = derivations("refresher")["z"]
    derivation.save(tmp_path / f"pass{suffix}")
    assert "grad_output" in (tmp_path / f"pass{suffix}").read_text() or suffix in (".tex", ".html", ".md")
    save_page(page(derivations("refresher")), tmp_path / f"whole{suffix}")
    assert set(derivation._repr_mimebundle_()) == {"text/plain", "text/html", "text/latex"}


def test_the_graph_is_named_in_words_too() -> None:
    shown = " ".join(text("shared").split())
    assert "b: Conv2d(2, 2, (1, 3), padding=(0, 1)) of t, with the weights of a" in shown
