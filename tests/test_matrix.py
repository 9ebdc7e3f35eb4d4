"""Tests of the matrix of a layer: against plain loops and the course notes; that a wrong one is refused."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy
from command import backflip
from kinds import linear_layers
from layer_peers import plain_forward
from layer_text import Case
from test_document import compiled, flat
from test_layer_documents import EXAMPLES, Shape, titled

import derive
from derive.derivation import Derivation, differentiate
from derive.document import render
from derive.errors import LayerError, LimitError, ProofError
from derive.matrix import MOST_PRINTED, MatrixForm, _linear, matrix_form
from derive.spelling import parse_layer

SMALL = [
    ("AdaptiveAvgPool1d(2)", (1, 1, 5)),
    ("Add()", (3,)),
    ("AvgPool1d(3, stride=2, padding=1, ceil_mode=True)", (2, 1, 6)),
    ("Bias(2)", (1, 2, 2)),
    ("CircularPad2d((1, 2, 0, 1))", (1, 1, 3, 4)),
    ("Concat(-1, other_shape=(2, 1))", (2, 3)),
    ("Conv1d(2, 2, 3, stride=2, padding=1, padding_mode=reflect)", (2, 2, 5)),
    ("Conv2d(2, 2, 2, stride=(2, 1), padding=1, groups=2)", (2, 3, 2)),
    ("ConvTranspose1d(2, 4, 2, stride=3, padding=1, output_padding=2, groups=2)", (1, 2, 3)),
    ("Downsample((2, 3))", (1, 2, 4, 5)),
    ("Flatten(0, 1)", (2, 3, 2)),
    ("Linear(3, 2)", (2, 3)),
    ("PixelShuffle(2)", (1, 4, 1, 2)),
    ("PixelUnshuffle(2)", (1, 1, 4, 2)),
    ("Upsample(size=(3, 5), mode=bilinear)", (1, 1, 2, 3)),
    ("Upsample(scale_factor=(1.5, 0.5))", (1, 1, 4, 4)),
    ("UpsampleZeros(2, output_padding=1)", (2, 1, 4)),
    ("WeightedPool2d(2, stride=1)", (1, 1, 3, 3)),
    ("ZeroPad2d((-1, 1, 0, -1))", (2, 3, 4)),
]
TINY = SMALL[0], ("Conv2d(1, 1, 2)", (1, 1, 3, 3)), ("Linear(3, 2)", (2, 3))


def form(case: tuple[str, Shape]) -> MatrixForm:
    return matrix_form(parse_layer(case[0]), case[1])


def small_enough(case: tuple[str, Shape]) -> bool:
    shapes = {o.name: np.prod(o.shape) for o in parse_layer(case[0]).operands(case[1])}
    return bool(shapes["input"] * shapes["output"] <= 2_000)


def test_every_layer_of_the_registry_is_met() -> None:
    met = {read[0].split("(")[0].removesuffix("1d").removesuffix("2d") for read in SMALL}
    every = {
        re.sub(r"\dd$", "", n)
        for n, k in linear_layers().items()
        if k.__module__.startswith("derive.layers.")
    }
    pads = {"ReflectionPad", "ReplicationPad"}
    assert every - met <= pads and all(any(c[0].startswith(p) for c in EXAMPLES) for p in pads)


def fractions(shape: Shape, draw: random.Random) -> Any:
    values = [Fraction(draw.randint(-9, 9), draw.randint(1, 4)) for _ in range(int(np.prod(shape)))]
    return np.array(values, object).reshape(shape)


REST = [c for c in EXAMPLES if small_enough(c) and c not in SMALL]
CASES = [*SMALL, *(pytest.param(c, marks=pytest.mark.sweep) for c in REST)]


@pytest.mark.parametrize("case", CASES, ids=lambda c: titled(c))
def test_the_matrix_times_the_input_is_the_layer_in_plain_loops(case: tuple[str, Shape]) -> None:
    """On random Fractions for every operand; M, the constants and the transpose are put in numbers."""
    found, draw = form(case), random.Random(5)
    shapes = {o.name: o.shape for o in found.layer.operands(found.input_shape)}
    given = {n: fractions(s, draw) for n, s in shapes.items() if n not in ("output", "grad_output")}
    expected = plain_forward(Case(*case), given).reshape(-1)
    numbers = {
        sympy.IndexedBase(name)[index]: sympy.Rational(value.numerator, value.denominator)
        for name, values in given.items()
        if name != "input"
        for index, value in np.ndenumerate(values)
    }
    image = [sympy.Rational(v.numerator, v.denominator) for v in given["input"].reshape(-1)]
    matrix = found.matrix.xreplace(numbers)
    total = matrix * sympy.Matrix(image) + sympy.Matrix([c.xreplace(numbers) for c in found.constant])
    assert [Fraction(int(v.p), int(v.q)) for v in total] == list(expected)
    assert found.transpose == found.matrix.T


def seed(title: str) -> dict[str, Any]:
    file = Path(__file__).parent / "data" / "seed_examples.json"
    return next(c for c in json.loads(file.read_text())["cases"] if c["id"] == title)


def test_the_columns_of_the_course_notes() -> None:
    notes = seed("conv1d-full-notes")
    found = form(("Conv1d(1, 1, 2, padding=full, bias=False)", (1, 1, 5)))
    names = {f"weight[0, 0, {i}]": letter for i, letter in enumerate(notes["weight"])} | {"0": "0"}
    columns = {
        letter: [names[str(found.matrix[r, c])] for r in range(6)] for c, letter in enumerate(notes["input"])
    }
    assert columns == notes["columns"]
    drawn = found.to_text()
    for letter in notes["weight"]:
        place = notes["weight"].index(letter)
        assert drawn.count(f"weight[0,0,{place}]") == 5
    assert "last first: the flipped kernel" in flat(drawn)


def test_no_flip_is_told_where_there_is_none() -> None:
    for layer, shape in (("Conv1d(1, 1, 1)", (1, 1, 3)), ("Conv2d(1, 1, 2)", (1, 1, 3, 3))):
        assert "flipped" not in form((layer, shape)).to_text()
    assert "im2col" not in form(SMALL[0]).to_text()


def test_a_gradient_with_a_wrong_entry_has_no_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    element = Derivation.element

    def wrong(self: Derivation, index: Any) -> sympy.Expr:
        return element(self, index) * (2 if tuple(index) == (0, 0, 1, 1) else 1)

    monkeypatch.setattr(Derivation, "element", wrong)
    with pytest.raises(ProofError, match=r"transpose[\s\S]*input\[0, 0, 1, 1\]"):
        form(TINY[1])


def test_another_table_on_one_side_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Derivation.element

    def other(self: Derivation, index: Any) -> sympy.Expr:
        with monkeypatch.context() as patch:
            patch.setattr(
                type(self.layer), "tables", lambda *_: {"share_w": (Fraction(1, 4), Fraction(1, 2))}
            )
            return real(self, index)

    monkeypatch.setattr(Derivation, "element", other)
    with pytest.raises(ProofError, match="transpose"):
        form(TINY[0])


def test_a_matrix_cannot_be_made_without_its_transpose() -> None:
    found = form(TINY[2])
    changed = found.matrix.as_mutable()
    changed[1, 2] += 1
    with pytest.raises(ProofError, match=r"output\[0, 1\], input\[0, 2\]"):
        replace(found, matrix=sympy.ImmutableDenseMatrix(changed))


@pytest.mark.parametrize("wrong", ["x[0]*x[1]", "x[0]**2", "sin(x[0])", "x[0]*w[0] + x[1]/x[0]"])
def test_a_layer_that_is_not_linear_is_refused(wrong: str) -> None:
    names = {"x": sympy.IndexedBase("input"), "w": sympy.IndexedBase("weight")}
    with pytest.raises(LayerError, match="not linear"):
        _linear(sympy.sympify(wrong, locals=names), "input", parse_layer("Add()"))


def test_linear_and_constant_terms_are_told_apart() -> None:
    x, w, b = (sympy.IndexedBase(n) for n in ("input", "weight", "bias"))
    parts, rest = _linear(2 * x[0] * (w[0] + w[1]) - x[1] + b[0], "input", parse_layer("Add()"))
    assert parts == {(0,): 2 * w[0] + 2 * w[1], (1,): sympy.S.NegativeOne} and rest == b[0]


@pytest.mark.parametrize("case", TINY, ids=titled)
def test_every_format_has_every_label(case: tuple[str, Shape]) -> None:
    found = form(case)
    plain, web, page = found.to_text(), found.to_markdown(), found.to_html()
    for index in found.columns:
        assert f"input[{','.join(map(str, index))}]" in plain
        assert f"X_{{{','.join(map(str, index))}}}" in web
    for index in found.rows:
        assert f"output[{','.join(map(str, index))}]" in plain
        assert f"Y_{{{','.join(map(str, index))}}}" in found.to_latex()
    assert page.count("<td>") == len(found.rows) * len(found.columns)
    assert f"all {len(found.rows) * len(found.columns)} entries" in flat(plain)
    assert max(map(len, plain.splitlines())) <= 100
    assert set(found._repr_mimebundle_()) == {"text/latex", "text/html", "text/plain"}


def test_latex_of_a_wide_matrix_is_parted_and_fits(tmp_path: Path) -> None:
    found = form(("Conv1d(1, 1, 2)", (1, 1, 20)))
    source = found.to_latex()
    assert source.count(r"\begin{array}") > 1
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    assert "Overfull" not in compiled(head + source + "\\end{document}\n", tmp_path)
    assert "Overfull" not in compiled(found.to_latex("standalone"), tmp_path)


def test_large_matrices_are_refused_with_a_way_out() -> None:
    found = matrix_form(derive.Conv2d(1, 1, 2), (1, 1, 6, 6))
    assert found.matrix.shape == (25, 36) and prod_of(found) > MOST_PRINTED
    with pytest.raises(LimitError, match="too large to print") as caught:
        found.to_text()
    assert "matrix_form" in caught.value.mend and caught.value.exit_code == 3
    assert list(found._repr_mimebundle_()) == ["text/plain"]
    with pytest.raises(LimitError, match="matrix too large"):
        matrix_form(derive.Conv2d(1, 1, 2), (1, 1, 30, 30))


def prod_of(found: MatrixForm) -> int:
    return len(found.rows) * len(found.columns)


def test_it_is_a_section_of_small_documents_only() -> None:
    small = render(differentiate(derive.Conv2d(1, 1, 2), (1, 1, 3, 3)), "text")
    assert "The layer as a matrix" in small and "w0  w1   0  w2  w3   0   0   0   0" in small
    weight = render(differentiate(derive.Conv2d(1, 1, 2), (1, 1, 3, 3), "weight"), "text")
    large = render(differentiate(derive.Conv2d(1, 1, 2), (1, 1, 5, 5), "input"), "text")
    assert "as a matrix" not in weight and "as a matrix" not in large


def test_the_command_prints_and_writes_it(tmp_path: Path) -> None:
    layer = ("derive", "Conv1d(1, 1, 2, padding=full)", "--input", "1,1,5", "--matrix")
    said = backflip(*layer, cwd=tmp_path)
    assert said.code == 0 and "weight[0,0,0]  weight[0,0,1]" in said.out and not said.err
    said = backflip(*layer, "-o", "m.tex", cwd=tmp_path)
    assert said.code == 0 and "6 x 5 entries compared exactly" in said.err and not said.out
    assert r"\documentclass" in (tmp_path / "m.tex").read_text()
    said = backflip(*layer, "--wrt", "weight", cwd=tmp_path)
    assert said.code == 2 and "--matrix is about the input" in said.err
    said = backflip("derive", "Conv2d(1, 1, 2)", "--input", "1,1,9,9", "--matrix", cwd=tmp_path)
    assert said.code == 3 and "matrix too large to print" in said.err and "Traceback" not in said.err
