"""Tests of whole documents: what they say, that they compile, and that nothing unchecked is printed."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import derive
from derive.derivation import Derivation, differentiate
from derive.document import number, page, render, save
from derive.entries import entries, products_bound, samples
from derive.errors import LayerError, LimitError, ProofError
from derive.layers.conv import Conv2d
from derive.pdf import compile_pdf, tex_program
from derive.remarks import remarks

DERIVE = Path(derive.__file__).parent

CASES = {
    "notes": ((1, 1, 2), {}, (1, 1, 3, 3)),
    "stride": ((3, 8, 3), {"stride": 2, "padding": 1}, (1, 3, 8, 8)),
    "everything": (
        (2, 4, (3, 2)),
        {"stride": (2, 3), "padding": ((1, 0), (0, 2)), "groups": 2, "dilation": (1, 2)},
        (2, 2, 6, 9),
    ),
    "unbatched": ((1, 2, 1), {"bias": False}, (1, 4, 4)),
    "large": ((64, 128, 3), {"padding": 1, "stride": 2}, (16, 64, 224, 224)),
}


def case(title: str, wrt: str = "all") -> dict[str, Derivation]:
    arguments, options, shape = CASES[title]
    return differentiate(Conv2d(*arguments, **options), shape, wrt)


def flat(text: str) -> str:
    return " ".join(text.split())


NOTES_INPUT = {
    "X11": "G11*F11",
    "X12": "G11*F12+G12*F11",
    "X13": "G12*F12",
    "X21": "G11*F21+G21*F11",
    "X22": "G11*F22+G12*F21+G21*F12+G22*F11",
    "X23": "G12*F22+G22*F12",
    "X31": "G21*F21",
    "X32": "G21*F22+G22*F21",
    "X33": "G22*F22",
}
NOTES_WEIGHT = {
    "F11": "X11*G11+X12*G12+X21*G21+X22*G22",
    "F12": "X12*G11+X13*G12+X22*G21+X23*G22",
    "F21": "X21*G11+X22*G12+X31*G21+X32*G22",
    "F22": "X22*G11+X23*G12+X32*G21+X33*G22",
}
LONG = {"X": "input", "F": "weight", "G": "grad_output"}
SHORT = {"X": "X", "F": "W", "G": "G"}


def spelled(notes: str, letters: dict[str, str], entry: str) -> str:
    """A formula of the course notes (1-based, two axes) with our letters and 0-based, full-rank indices."""

    def one(match: re.Match[str]) -> str:
        return entry % (letters[match[1]], int(match[2]) - 1, int(match[3]) - 1)

    return re.sub(r"([XFG])(\d)(\d)", one, notes)


@pytest.mark.parametrize(("notes", "wrt"), [(NOTES_INPUT, "input"), (NOTES_WEIGHT, "weight")])
def test_small_layers_show_every_entry_as_the_course_notes_do(notes: dict[str, str], wrt: str) -> None:
    plain = flat(render(case("notes", wrt), "text"))
    source = render(case("notes", wrt), "latex", "standalone")
    for entry, products in notes.items():
        right = spelled(products, LONG, "%s[0,0,%d,%d]").replace("+", " + ")
        assert f"grad_{spelled(entry, LONG, '%s[0,0,%d,%d]')} = {right}" in plain
        left = r"\mathrm{d}" + spelled(entry, SHORT, "%s_{0,0,%d,%d}")
        shown = spelled(products, SHORT, "%s_{0,0,%d,%d}").replace("*", r"\,").replace("+", " + ")
        assert f"{left} &= {shown}" in source
    assert "elided" not in plain


def test_a_wrong_entry_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    good = render(case("notes", "weight"), "text")
    element = Derivation.element
    monkeypatch.setattr(Derivation, "element", lambda self, index: -element(self, index))
    assert render(case("notes", "weight"), "text") != good
    assert "= -input[0,0,0,0]*grad_output[0,0,0,0]" in render(case("notes", "weight"), "text")
    with pytest.raises(ProofError, match="transpose"):
        render(case("notes", "input"), "text")


def equals(text: str) -> int:
    """The '=' of a text document that stand between two sides: not ':=', not inside a bracket or a call."""
    bare = re.sub(r"\[[^\[\]]*(\[[^\[\]]*\][^\[\]]*)*\]", "[]", text)
    return len(re.findall(r"(?<!:)(?<= )=(?= )", bare))


@pytest.mark.parametrize("title", ["notes", "stride", "everything", "unbatched"])
def test_every_equality_belongs_to_a_step_or_an_entry(title: str) -> None:
    derivations = case(title)
    steps = sum(len(d.steps) for d in derivations.values())
    rows = sum(len(entries(d).rows) for d in derivations.values())
    document = flat(render(derivations, "text"))
    assert equals(document) == steps + rows
    assert equals(document + " 1 = 2") == steps + rows + 1


def test_equality_signs_are_made_in_two_places_only() -> None:
    makers = []
    for file in DERIVE.rglob("*.py"):
        for function in ast.walk(ast.parse(file.read_text())):
            if isinstance(function, ast.FunctionDef):
                used = [n for n in ast.walk(function) if isinstance(n, ast.Attribute) and n.attr == "EQUAL"]
                makers += [(file.name, function.name)] * bool(used)
    assert sorted(makers) == [("document.py", "checked"), ("document.py", "expanded")]


class Doctored:
    """A derivation with some of its parts replaced."""

    def __init__(self, real: Derivation, **parts: Any) -> None:
        self._real, self._parts = real, parts

    def __getattr__(self, name: str) -> Any:
        return self._parts[name] if name in self._parts else getattr(self._real, name)


def test_a_line_without_a_label_is_not_printed() -> None:
    real = case("notes", "input")["input"]
    steps = (*real.steps[:3], replace(real.steps[3], label=""), *real.steps[4:])
    for format in ("text", "latex", "md", "html"):
        with pytest.raises(ProofError, match="no judge has checked"):
            render({"input": Doctored(real, steps=steps)}, format)  # type: ignore[dict-item]


def test_a_chain_with_a_gap_is_not_printed() -> None:
    real = case("notes", "input")["input"]
    gap = (*real.steps[:2], *real.steps[3:])
    with pytest.raises(ProofError, match="chain"):
        render({"input": Doctored(real, steps=gap)}, "text")  # type: ignore[dict-item]
    with pytest.raises(ProofError, match="chain"):
        render({"input": Doctored(real, steps=real.steps[1:])}, "text")  # type: ignore[dict-item]


def test_a_changed_sign_in_a_line_changes_the_document() -> None:
    real = case("notes", "input")["input"]
    last = real.steps[-1]
    wrong = replace(last.rhs, terms=(replace(last.rhs.terms[0], coefficient=-last.rhs.terms[0].coefficient),))
    for format in ("text", "latex", "md", "html"):
        doctored = Doctored(real, steps=(*real.steps[:-1], replace(last, rhs=wrong)))
        assert render({"input": doctored}, format) != render({"input": real}, format)  # type: ignore[dict-item]


@pytest.mark.parametrize("title", list(CASES))
def test_documents_are_deterministic_and_large_ones_say_what_they_elide(title: str) -> None:
    first, second = (render(case(title, "input"), "text") for _ in range(2))
    assert first == second
    found = entries(case(title, "input")["input"])
    assert ("elided" in first) == bool(found.elided)
    if found.elided:
        assert f"… {found.elided:,} further entries elided" in flat(first)
        assert {"corner", "edge", "interior"} <= {row.place for row in found.rows}


def test_a_huge_sum_is_counted_not_expanded() -> None:
    bias = case("large", "bias")["bias"]
    assert products_bound(bias) == 16 * 112 * 112
    assert "… 128 entries elided, each a sum of up to 200,704 products" in flat(
        render({"bias": bias}, "text")
    )


def test_the_bound_counts_an_equation_as_pinning_one_index() -> None:
    assert products_bound(case("large", "input")["input"]) == 128 * 3 * 3
    for title in ("notes", "stride", "everything", "unbatched"):
        for derivation in case(title).values():
            most = max(len(row.terms) for row in entries(derivation).rows)
            assert most <= products_bound(derivation)


def test_samples_are_different_and_inside() -> None:
    for shape in ((1, 1, 1, 1), (2, 3, 4, 5), (1, 1, 2, 1)):
        chosen = [index for _, index in samples(shape, 2)]
        assert len(set(chosen)) == len(chosen)
        assert all(0 <= i < n for index in chosen for i, n in zip(index, shape, strict=True))
    assert samples((4,), 0) == [("first", (0,)), ("last", (3,))]


def test_page_one_answers_the_two_questions_and_points_at_real_steps() -> None:
    for title in ("notes", "stride", "everything", "unbatched"):
        derivations = case(title)
        numbered = number(derivations)
        document = flat(render(derivations, "text"))
        answers = document[document.index("Why is the kernel flipped?") : document.index("The layer ─")]
        assert "What if the stride is not 1?" in answers
        cited = {int(n) for n in re.findall(r"\((\d+)\)", answers)}
        assert cited and cited <= {int(n) for item in numbered.values() for n in item.numbers}
    strided = flat(render(case("stride", "input"), "text"))
    assert "On axis h and axis w the stride leaves over padding alone." in strided
    dropped = flat(render(differentiate(Conv2d(1, 2, 3, stride=2), (1, 1, 6, 5), "input"), "text"))
    assert (
        "The last input rows or columns, 1 on axis h, are reached by no window, and are not drop" in dropped
    )
    assert "1 zero between neighbours on axis h" in strided


def test_the_cited_steps_are_the_ones_meant() -> None:
    numbered = number(case("stride"))
    here = numbered["input"]
    by_number = dict(zip(here.numbers, here.derivation.steps, strict=True))
    assert by_number[here.first("reindex")].rule == "reindex"
    assert "spread" in str(by_number[here.introduces("spread")].rhs)
    assert "output" not in str(by_number[here.local()].rhs).replace("grad_output", "")
    assert len(remarks(numbered)) == 2


ODD: list[tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ((1, 1, 1), {"stride": 3, "padding": 1}, (1, 1, 1, 1)),
    ((1, 1, 1), {"bias": False}, (1, 1, 1)),
    ((2, 2, 1), {"groups": 2}, (2, 1, 5)),
    ((1, 1, (1, 3)), {}, (1, 1, 1, 3)),
    ((1, 1, 2), {"padding": 3}, (1, 1, 1, 1)),
    ((1, 1, 2), {"stride": 5}, (1, 1, 9, 9)),
]


@pytest.mark.parametrize(("arguments", "options", "shape"), ODD)
@pytest.mark.parametrize("format", ["text", "latex", "md", "html"])
def test_degenerate_sizes_are_printed_in_full(
    arguments: tuple[Any, ...], options: dict[str, Any], shape: tuple[int, ...], format: str
) -> None:
    every = differentiate(Conv2d(*arguments, **options), shape)
    for derivations in (every, *({wrt: d} for wrt, d in every.items())):
        assert "()" not in render(derivations, format)


@pytest.mark.parametrize("wrt", ["weight", "bias"])
def test_the_questions_are_answered_without_grad_input_too(wrt: str) -> None:
    assert "the flip belongs to the gradient by the input" in flat(render(case("stride", wrt), "text"))


@pytest.mark.parametrize("title", ["notes", "everything", "unbatched"])
@pytest.mark.parametrize("style", ["fragment", "standalone"])
def test_latex_is_balanced(title: str, style: str) -> None:
    source = render(case(title), "latex", style)
    bare = re.sub(r"\\[{}\\]", "", source)
    assert bare.count("{") == bare.count("}")
    assert sorted(re.findall(r"\\begin\{(\w+\*?)", source)) == sorted(re.findall(r"\\end\{(\w+\*?)", source))
    assert source.isascii()
    assert (r"\documentclass" in source) == (style == "standalone")


def compiled(source: str, folder: Path) -> str:
    """The log of pdflatex; fails where there is no PDF."""
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex on PATH: the LaTeX is not compiled here")
    (folder / "document.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    log = (folder / "document.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    return log


@pytest.mark.parametrize("title", ["notes", "stride", "everything", "unbatched"])
def test_standalone_latex_compiles_without_overfull_boxes(title: str, tmp_path: Path) -> None:
    log = compiled(render(case(title), "latex", "standalone"), tmp_path)
    assert "Overfull" not in log
    assert "LaTeX Warning" not in log


def test_the_overfull_test_can_fail(tmp_path: Path) -> None:
    wide = render(case("notes", "bias"), "latex", "standalone").replace(
        r"\end{document}", "$$" + "+".join(["X_{0,0}"] * 60) + r"$$\end{document}"
    )
    assert "Overfull" in compiled(wide, tmp_path)


@pytest.mark.parametrize("title", ["notes", "stride", "everything"])
def test_a_fragment_fits_an_ordinary_article(title: str, tmp_path: Path) -> None:
    """It needs amsmath alone, stays inside the margins of article at 10 pt, and breaks over pages."""
    body = render(case(title), "latex", "fragment")
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    assert "Overfull" not in compiled(head + body + "\\end{document}\n", tmp_path)


def test_html_is_one_well_formed_file_without_script() -> None:
    source = render(case("everything"), "html")
    assert source.startswith("<!DOCTYPE html>")
    for word in ("<script", "http:", "https:", "src=", "@import", "url("):
        assert word not in source
    body = source[source.index("<body>") : source.index("</body>") + 7].replace("&emsp;", " ")
    assert len(list(ElementTree.fromstring(body).iter("math"))) > 50


def test_markdown_pairs_its_dollars() -> None:
    source = render(case("notes"), "md")
    assert source.startswith("# Gradients of `Conv2d(1, 1, 2)`")
    assert source.count("$$") % 2 == 0
    for line in source.replace("$$", "").splitlines():
        assert len(re.findall(r"(?<!\\)\$", line)) % 2 == 0
    assert r"\parbox" not in source and r"\tag" not in source


@pytest.mark.parametrize(
    ("suffix", "start"),
    [(".tex", b"\\documentclass"), (".md", b"# "), (".txt", b"Gradients"), (".html", b"<!DOCTYPE")],
)
def test_save_writes_by_suffix(suffix: str, start: bytes, tmp_path: Path) -> None:
    target = tmp_path / f"derivation{suffix}"
    case("notes", "bias")["bias"].save(target)
    assert target.read_bytes().startswith(start)
    assert [p.name for p in tmp_path.iterdir()] == [target.name]


def test_save_pdf_is_the_same_file_twice(tmp_path: Path) -> None:
    if tex_program() is None:
        pytest.skip("no TeX on PATH: no PDF is made here")
    for name in ("a.pdf", "b.pdf"):
        save(case("notes", "bias"), tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_without_tex_a_pdf_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LimitError, match="no TeX") as caught:
        save(case("notes", "bias"), tmp_path / "a.pdf")
    assert caught.value.exit_code == 3 and "texlive" in caught.value.mend
    assert list(tmp_path.iterdir()) == []


def test_latex_that_tex_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    if tex_program() is None:
        pytest.skip("no TeX on PATH")
    with pytest.raises(LimitError, match="refused") as caught:
        compile_pdf("\\documentclass{article}\\begin{document}\\nosuchmacro\\end{document}\n")
    assert "Undefined control sequence" in caught.value.got


@pytest.mark.parametrize("where", ["missing/x.md", "folder.md"])
def test_an_unwritable_place_is_a_clear_error(where: str, tmp_path: Path) -> None:
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(LimitError, match="cannot write") as caught:
        save(case("notes", "bias"), tmp_path / where)
    assert caught.value.exit_code == 3
    assert [p.name for p in tmp_path.iterdir()] == ["folder.md"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "x.txt"
    target.write_text("old")
    real = case("notes", "input")["input"]
    unchecked = Doctored(real, steps=tuple(replace(s, label="") for s in real.steps))
    with pytest.raises(ProofError):
        save({"input": unchecked}, target)  # type: ignore[dict-item]
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("arguments", [("rtf", "fragment"), ("latex", "poster")])
def test_unknown_formats_are_refused(arguments: tuple[str, str]) -> None:
    with pytest.raises(LayerError, match="unknown format"):
        render(case("notes", "bias"), *arguments)


def test_unknown_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="unknown kind of file"):
        save(case("notes", "bias"), tmp_path / "x.docx")
    with pytest.raises(LayerError, match="nothing to print"):
        page({})


def test_text_keeps_to_a_hundred_columns() -> None:
    for title in ("notes", "stride", "everything"):
        assert max(map(len, render(case(title), "text").splitlines())) <= 100


def test_no_sizes_are_missing_from_the_legend() -> None:
    document = flat(render(case("everything"), "text"))
    assert "s_h, s_w := 2, 3 (stride)" in document
    assert "r_h, r_w := " in document
    assert json.dumps(list(case("everything")["input"].sizes))  # every size is a plain name
