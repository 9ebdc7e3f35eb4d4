"""Tests of the documents of every layer: what they show, that their answers are true, that TeX sets them."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from test_document import Doctored, compiled, equals, flat

from derive.chain import MOST_LINES, MOST_TERMS, joined, right_side
from derive.derivation import Derivation, differentiate
from derive.document import number, page, printed, render, section, statement
from derive.entries import entries
from derive.equations import Line, living
from derive.errors import ProofError
from derive.expr import Expr, Read, Sum, Tensor
from derive.family import FORMS, family, family_of, given, helper_definitions
from derive.index import Form, Index, Within, name
from derive.layers import registry
from derive.legend import size_meaning, tables_shown
from derive.legend_nonlinear import applied_functions, internal
from derive.notation import latex, text
from derive.notation.build import Builder
from derive.notation.symbols import symbol
from derive.notation.tree import Elided, Page, Plus
from derive.remarks import remarks
from derive.remarks_layers import _held, windows
from derive.spelling import parse_layer

Shape = tuple[int, ...]
EXAMPLES: list[tuple[str, Shape]] = [
    example
    for kind in registry().values()
    if kind.__module__.startswith("derive.layers.")
    for example in kind.examples
]
MORE: list[tuple[str, Shape]] = [
    ("AvgPool2d(2, stride=3)", (1, 1, 6, 7)),
    ("AvgPool1d(2)", (1, 1, 7)),
    ("ConvTranspose1d(1, 1, 2, stride=3, output_padding=2, bias=False)", (1, 1, 3)),
    ("ConvTranspose1d(1, 1, 2, stride=2, padding=1, output_padding=1)", (1, 1, 3)),
    ("Conv1d(1, 1, 3, stride=2, padding=1, padding_mode=replicate)", (1, 1, 6)),
    ("Conv1d(1, 1, 1, padding=1, padding_mode=replicate)", (1, 1, 2)),
    ("WeightedPool2d(1)", (1, 1, 2, 2)),
    ("Upsample(size=(2, 2))", (1, 1, 5, 5)),
    ("UpsampleZeros(1)", (1, 1, 3)),
    ("Downsample(1)", (1, 1, 3)),
    ("Downsample(2)", (1, 1, 4)),
    ("ZeroPad1d(0)", (1, 1, 3)),
    ("CircularPad2d((1, 0, 0, 0))", (1, 1, 3, 3)),
    ("Linear(1, 1)", (1,)),
    ("AdaptiveAvgPool1d(5)", (1, 1, 3)),
    ("Upsample(size=1, mode=linear)", (1, 1, 1)),
]
FEW: list[tuple[str, Shape]] = [
    ("AdaptiveAvgPool2d((2, 3))", (1, 1, 3, 4)),
    ("Add()", (3,)),
    ("AvgPool2d((3, 2), stride=2, padding=(1, 0), count_include_pad=False)", (1, 2, 5, 4)),
    ("Bias(3)", (2, 3)),
    ("Concat(-1, other_shape=(2, 1))", (2, 3)),
    ("Conv1d(2, 3, 3, stride=2, padding=1, padding_mode=circular)", (2, 2, 7)),
    ("ConvTranspose1d(2, 4, 2, stride=3, padding=1, output_padding=2, groups=2)", (2, 2, 4)),
    ("Downsample((2, 3))", (1, 2, 4, 5)),
    ("Flatten(0, 1)", (2, 3, 2)),
    ("Linear(3, 2)", (2, 3)),
    ("PixelShuffle(2)", (1, 4, 2, 2)),
    ("ReflectionPad2d((1, 2, 0, 1))", (1, 1, 3, 4)),
    ("ReplicationPad1d((1, 2))", (1, 1, 4)),
    ("Upsample(size=(3, 5), mode=bilinear)", (1, 1, 2, 3)),
    ("UpsampleZeros((3, 2), output_padding=(2, 0))", (1, 2, 2, 3)),
    ("WeightedPool2d(2)", (1, 1, 4, 4)),
    ("ZeroPad2d((-1, 1, 0, -1))", (2, 3, 4)),
    ("Activation()", (2, 3)),
    ("AdaptiveMaxPool2d((2, 3))", (1, 1, 3, 4)),
    ("BCELoss()", (2, 3)),
    ("BatchNorm1d(2, training=True)", (3, 2)),
    ("CrossEntropyLoss(weighted=True)", (1, 3, 2)),
    ("Dropout(0.25, training=True)", (2, 3)),
    ("GELU()", (2, 3)),
    ("Identity()", (2, 3)),
    ("LPPool1d(1.5, 3, stride=2, ceil_mode=True)", (2, 1, 6)),
    ("MaxPool2d(2, stride=1)", (1, 1, 3, 3)),
    ("MaxUnpool1d(2)", (1, 1, 3)),
    ("Mul()", (2, 3)),
    ("Softmax(1)", (2, 3)),
]
LONG = ("Conv2d(1, 1, 3, padding=1, padding_mode=reflect)", (1, 1, 4, 3))


def titled(case: tuple[str, Shape]) -> str:
    return f"{case[0]} at {','.join(map(str, case[1]))}"


def chosen(*few: tuple[str, Shape]) -> Any:
    """The parameter `case`: the given ones in every run, all other examples in the sweep."""
    rest = [c for c in dict.fromkeys([*EXAMPLES, *MORE]) if c not in few]
    marked = [pytest.param(c, marks=pytest.mark.sweep) for c in rest]
    return pytest.mark.parametrize(
        "case", [*few, *marked], ids=lambda c: titled(c) if isinstance(c, tuple) else None
    )


@cache
def derived(case: tuple[str, Shape]) -> dict[str, Derivation]:
    return differentiate(parse_layer(case[0]), case[1])


@cache
def shown(case: tuple[str, Shape]) -> dict[str, Derivation]:
    """What a document derives: the gradients asked for, and that shifts drop out."""
    some = next(iter(derived(case).values()))
    return {**derived(case), **internal(some)}


@cache
def document(case: tuple[str, Shape]) -> Page:
    return page(derived(case))


@cache
def plain(case: tuple[str, Shape]) -> str:
    return printed(document(case), "text")


def test_the_few_meet_every_family() -> None:
    def families(cases: list[tuple[str, Shape]]) -> set[str]:
        return {family_of(parse_layer(layer), shape) for layer, shape in cases}

    assert families(FEW) == families(EXAMPLES) >= {*FORMS.values(), "transposed"}


@chosen(*FEW)
def test_every_format_shows_every_number_and_the_label(case: tuple[str, Shape]) -> None:
    numbers = [n for wrt in number(shown(case)).values() for n in wrt.numbers]
    label = next(iter(derived(case).values())).label
    for format in ("text", "latex", "md", "html"):
        source = printed(document(case), format)
        assert label in source
        assert shown_numbers(source, format) == [int(n) for n in numbers]
        assert "()" not in re.sub(
            r"(output|target|Activation|shape is) ?\(\)", "", source.replace(case[0], "")
        )


def shown_numbers(source: str, format: str) -> list[int]:
    """The numbers of the equations as the document gives them, (3 to 5) for three."""
    pattern = {
        "text": r"^ {10}\((\d+)(?: to (\d+))?\) ",
        "latex": r"\\tag\{(\d+)(?: to (\d+))?\}",
        "md": r"\\qquad \\text\{\((\d+)(?: to (\d+))?\)\}",
        "html": r'class="number">\((\d+)(?: to (\d+))?\)<',
    }[format]
    found = re.findall(pattern, source, re.M)
    return [n for first, last in found for n in range(int(first), int(last or first) + 1)]


def test_a_missing_number_would_be_seen() -> None:
    source = plain(FEW[0])
    gone = re.sub(r"^ {10}\(3\) .*\n", "", source, flags=re.M)
    assert shown_numbers(gone, "text") != shown_numbers(source, "text")


@chosen(*FEW)
def test_text_is_narrow_and_every_equality_is_a_step_or_an_entry(case: tuple[str, Shape]) -> None:
    assert max(map(len, plain(case).splitlines())) <= 100
    links = sum(len(joined(d.steps)) for d in shown(case).values())
    rows = sum(len(entries(d).rows) for d in derived(case).values())
    slopes = len(applied_functions(list(derived(case).values()))[1])
    supposed = sum(equals(said) for said in parse_layer(case[0]).assumptions())
    assert equals(flat(plain(case))) == links + rows + slopes + supposed


@chosen(*FEW, *(c for c in MORE if "1, 1, 1, padding" not in c[0]))
def test_cited_equations_are_printed_on_their_own(case: tuple[str, Shape]) -> None:
    answers = remarks(number(derived(case)))
    cited = {int(n) for said in answers for n in re.findall(r"\((\d+)\)", text.inline(said))}
    alone = {int(n) for n in re.findall(r"^ {10}\((\d+)\) ", plain(case), re.M)}
    assert cited <= alone
    assert bool(cited) == bool(answers)


@pytest.mark.parametrize(
    "case", [c for c in EXAMPLES if re.match(r"Add|Concat|Flatten|Pixel|Bias", c[0])], ids=titled
)
def test_nothing_is_asked_of_layers_that_move_or_add(case: tuple[str, Shape]) -> None:
    assert "first\n" not in plain(case) and "kernel" not in plain(case)


def test_only_layers_with_a_kernel_speak_of_one() -> None:
    for case in FEW:
        operands = {o.name for o in parse_layer(case[0]).operands(case[1])}
        if "weight" not in operands or case[0].startswith("Linear"):
            assert "kernel" not in plain(case), case


@chosen(*FEW)
def test_letters_of_a_layer_are_different(case: tuple[str, Shape]) -> None:
    for derivation in derived(case).values():
        setting = derivation.general.setting
        names = [t.name for t in setting.inputs] + [d.tensor.name for d in setting.definitions]
        names.append(derivation.general.right.tensor.name)
        letters = [latex.letter(n) for n in dict.fromkeys(names)]
        assert len(set(letters)) == len(letters), names
        assert all(symbol(n).meaning for n in names)


@chosen(*FEW)
def test_every_size_has_a_meaning(case: tuple[str, Shape]) -> None:
    some = next(iter(derived(case).values()))
    for size in some.sizes:
        assert size_meaning(size, some.sizes, family(some)), size


@chosen(*FEW)
def test_output_reads_what_is_given_and_helpers_are_the_rest(case: tuple[str, Shape]) -> None:
    for derivation in derived(case).values():
        own, helpers = given(derivation.claim), helper_definitions(derivation.claim)
        assert {d.tensor.name for d in own} >= {"output", "loss"}
        assert set(own) | set(helpers) == set(derivation.claim.setting.definitions)
        assert not {d.tensor.name for d in helpers} & {"output", "loss", "padded_h", "shifted", "mean"}


def test_padding_stages_belong_to_the_layer() -> None:
    head, _, rest = plain(LONG).partition("The gradient by input")
    assert "padded_h[0,0,e_h,i_w] :=" in head and "padded_input[0,0,e_h,e_w] :=" in head
    assert "padded_h[0,0,e_h,i_w] :=" not in rest
    assert "padded_input[n" in statement(derived(LONG)["weight"].general)


COUNTED = [c for c in [*EXAMPLES, *MORE] if re.match(r"\w*Pool|Upsample\(|\w*Pad", c[0]) and "3d" not in c[0]]


@pytest.mark.parametrize("case", COUNTED, ids=titled)
def test_how_often_an_entry_is_read_is_what_its_gradient_says(case: tuple[str, Shape]) -> None:
    """The numbers in the answers (windows, copies, places) against the entries of the derivation."""
    here = number(derived(case))["input"]
    if any(t.startswith("table") for t in parse_layer(case[0]).tables(case[1])):
        return
    padding = here.family == "padding"
    if padding and len(here.derivation.general.right.body.terms) == 1:
        return
    counts = [_held(here, t) if padding else windows(here, t) for t in here.tags]
    lead = len(here.derivation.shape) - len(counts)
    for index in product(*map(range, here.derivation.shape)):
        expected = 1
        for place, many in zip(index[lead:], counts, strict=True):
            expected *= many[place]
        value = here.derivation.element(index)
        copies = sum(abs(c) for c in value.as_coefficients_dict().values()) if padding else len(value.args)
        terms = 0 if value == 0 else copies if padding else max(1, len(value.args) if value.is_Add else 1)
        assert terms == expected, index


def test_an_answer_changes_with_the_sizes() -> None:
    apart = flat(plain(("AvgPool2d(2, stride=3)", (1, 1, 6, 7))))
    assert "no input entry lies in more than one window" in apart
    assert "(2 places on axis h and 3 places on axis w) are not dropped" in apart
    close = flat(plain(("AvgPool2d(2, stride=1)", (1, 1, 3, 3))))
    assert "in up to 4 windows" in close and "no window" not in close
    assert "one over the 4 places of a window" in close and "one over divisor_override" not in close
    third = flat(plain(("AvgPool2d(2, divisor_override=3)", (2, 4, 4))))
    assert "share := 1/3, one over divisor_override." in third


def test_leftover_rows_of_a_repeated_padding_are_not_said_to_have_no_gradient() -> None:
    """Their entry may stand elsewhere in the padding, or inside."""
    said = flat(plain(("Conv1d(1, 1, 3, stride=2, padding=1, padding_mode=replicate)", (1, 1, 6))))
    assert "The last rows or columns of the padded input, 1 on axis w, are reached by no window." in said
    assert "their gradient is 0" not in said


def test_output_padding_beyond_every_tap_holds_the_bias_alone() -> None:
    bare = derived(("ConvTranspose1d(1, 1, 2, stride=3, output_padding=2, bias=False)", (1, 1, 3)))
    assert "2 places on axis w, are reached by no input entry and hold 0." in flat(render(bare, "text"))
    cut = flat(plain(("ConvTranspose1d(1, 1, 2, stride=2, padding=1, output_padding=1)", (1, 1, 3))))
    assert "lets the output end 1 place later" in cut and "no input entry" not in cut


def test_tables_are_shown_with_their_values() -> None:
    case = ("AvgPool2d((3, 2), stride=2, padding=(1, 0), count_include_pad=False)", (1, 2, 5, 4))
    assert "share_h := (1/2, 1/3, 1/2)\n" in plain(case)
    assert "  table_h │   0    1\n" in plain(("Upsample(size=(3, 5), mode=bilinear)", (1, 1, 2, 3)))
    assert "1/3*grad_output" in plain(("AvgPool2d(2, divisor_override=3)", (2, 4, 4)))
    assert "-1/2*grad_output" in plain(("AvgPool2d((2, 1), divisor_override=-2)", (1, 2, 2)))
    assert "share := -1/2" in plain(("AvgPool2d((2, 1), divisor_override=-2)", (1, 2, 2)))


def test_long_tables_are_cut_and_counted() -> None:
    layer, shape = parse_layer("Upsample(scale_factor=2, mode=linear)"), (1, 1, 20)
    claim = layer.claims(**layer.choices(shape))["output"].mapped(lambda f: f.substitute(
        {n: Form.of(v) for n, v in layer.sizes(shape).items()}
    ))  # fmt: skip
    shown = tables_shown(layer.tables(shape), claim.setting.inputs)
    said = "\n".join(map(text.block, shown))
    assert "… 28 further rows and 8 further columns of table_w not written." in said
    many = flat(render(differentiate(parse_layer("AvgPool1d(2, ceil_mode=True)"), (1, 1, 29)), "text"))
    assert "(1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, 1/2, … (3 further values))" in many


def test_a_long_chain_is_joined_and_nothing_is_lost() -> None:
    for derivation in derived(LONG).values():
        parts = joined(derivation.steps)
        assert [i for a, b in parts for i in range(a, b)] == list(range(len(derivation.steps)))
        assert (len(derivation.steps) > MOST_LINES) == any(b - a > 1 for a, b in parts)
    assert len(plain(LONG).splitlines()) < 700
    assert "26 equations in one line, steps as above on other terms: definition of flipped" in flat(
        plain(LONG)
    )


def test_a_joined_equation_without_a_label_is_not_printed() -> None:
    real = derived(LONG)["input"]
    inside = next(a + 1 for a, b in joined(real.steps) if b - a > 2)
    steps = tuple(replace(s, label="") if i == inside else s for i, s in enumerate(real.steps))
    item = number({"input": Doctored(real, steps=steps)})["input"]  # type: ignore[dict-item]
    with pytest.raises(ProofError, match="no judge has checked"):
        section(item)


def read(place: int) -> Sum:
    return Sum((), (), (Read(Tensor("input", (Form.of(9),), ((0,),)), (Form.of(place),)),))


def test_a_long_sum_shows_what_changed_and_counts_the_rest() -> None:
    before = Expr(tuple(map(read, range(8))))
    after = Expr((read(8), *before.terms[1:], read(1)))
    node = right_side(before, after, Builder())
    assert text.written(node) == "input[8] + input[1] + … (7 terms as before)"
    whole = right_side(Expr(()), before, Builder())
    assert isinstance(whole, Plus) and whole.terms[-1] == (False, Elided(8 - MOST_TERMS))
    short = Expr(before.terms[:MOST_TERMS])
    assert "…" not in text.written(right_side(short, short, Builder()))


def test_terms_with_an_empty_bracket_are_left_out_and_others_kept() -> None:
    index = Index("e", Form.of(3))
    dead = replace(read(0), indices=(index,), conditions=(Within(name("e"), Form.of(0)),))
    alive = replace(dead, conditions=(Within(name("e"), Form.of(1)),))
    open_ = replace(dead, conditions=(Within(name("e"), name("q_h")),))
    assert living(Expr((dead, alive, open_))) == Expr((alive, open_))
    assert "< 0]" not in plain(("CircularPad2d((1, 0, 0, 0))", (1, 1, 3, 3)))


def test_the_kernel_is_said_to_be_flipped_only_where_it_is_read() -> None:
    def reasons(case: tuple[str, Shape]) -> list[str]:
        lines: tuple[Line, ...] = derived(case)["input"].steps
        return [s.reason for s in lines if "flipped" in s.reason and s.rule == "reindex"]

    assert len(reasons(LONG)) == 1
    for padding in ("ReflectionPad2d((1, 2, 0, 1))", "ReplicationPad2d((1, 2, 0, 1))"):
        assert not reasons((padding, (1, 1, 3, 4)))


GOLDEN = {
    "avgpool1d": ("AvgPool1d(2, stride=1)", (1, 1, 3)),
    "upsample_linear": ("Upsample(size=3, mode=linear, align_corners=True)", (1, 1, 2)),
}
"""Whole documents as text, in tests/data; read again before they are replaced."""


@pytest.mark.parametrize("title", list(GOLDEN))
def test_two_documents_as_they_stand(title: str) -> None:
    stored = Path(__file__).parent / "data" / f"document_{title}.txt"
    assert plain(GOLDEN[title]) == stored.read_text()


@chosen(*FEW[:8])
def test_latex_of_every_layer_fits_the_page(case: tuple[str, Shape], tmp_path: Path) -> None:
    log = compiled(printed(document(case), "latex", "standalone"), tmp_path)
    assert "Overfull" not in log and "LaTeX Warning" not in log
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    source = head + printed(document(case), "latex", "fragment") + "\\end{document}\n"
    assert "Overfull" not in compiled(source, tmp_path)


ARITY = {"munderover": 3, "msubsup": 3, "msub": 2, "msup": 2, "mfrac": 2, "mover": 2}


@chosen(*FEW)
def test_html_of_every_layer_is_well_formed(case: tuple[str, Shape]) -> None:
    source = printed(document(case), "html")
    body = source[source.index("<body>") : source.index("</body>") + 7].replace("&emsp;", " ")
    for element in ElementTree.fromstring(body).iter():
        if element.tag in ARITY:
            assert len(element) == ARITY[element.tag], ElementTree.tostring(element)
    assert "script" not in source and "http" not in source
