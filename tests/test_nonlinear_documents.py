"""Documents of layers that apply functions, choose entries, normalise or measure a loss."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import sympy
from test_document import Doctored, compiled, flat
from test_layer_documents import EXAMPLES, derived, document, plain, shown

from derive.between_proof import page as theorem_page
from derive.document import printed
from derive.entries import entries, staged_bound
from derive.errors import ProofError
from derive.expr import Apply, Read, Sum, Tensor
from derive.family import family_of
from derive.functions_formulas import formula, pieces
from derive.index import Form
from derive.layers import registry
from derive.legend_nonlinear import FILLED, internal
from derive.meaning import Meaning
from derive.notation import text
from derive.notation.build import Builder
from derive.numbered import Numbered
from derive.remarks import remarks
from derive.spelling import parse_layer
from derive.staged import constants, stages

Shape = tuple[int, ...]
Case = tuple[str, Shape]
FAMILIES = {"activation", "copying", "entrywise", "softmax", "loss", "normalisation"}
FAMILIES |= {"selection", "unpooling", "powers"}
NONLINEAR = [c for c in EXAMPLES if family_of(parse_layer(c[0]), c[1]) in FAMILIES]


def said(case: Case) -> str:
    return flat(plain(case))


def test_every_family_has_an_example() -> None:
    assert {family_of(parse_layer(layer), shape) for layer, shape in NONLINEAR} == FAMILIES


# ---- domain, indicators, shifts -------------------------------------------------------------------


@pytest.mark.parametrize("case", NONLINEAR, ids=lambda c: f"{c[0]} at {','.join(map(str, c[1]))}")
def test_the_domain_stands_beside_the_label(case: Case) -> None:
    layer, document_ = parse_layer(case[0]), said(case)
    head = document_[: document_.index("Assumed:")]
    for assumption in layer.assumptions():
        assert flat(assumption) in head
        assert assumption in next(iter(derived(case).values())).assumptions
    assert ("Domain:" in head) or not layer.assumptions()


def test_an_indicator_is_said_in_words_and_in_a_bracket() -> None:
    pool = said(("MaxPool2d(2, stride=1)", (1, 1, 3, 3)))
    assert "indices is computed from the values: the place of the first largest entry of each window" in pool
    assert "v := 3*o_h + o_w + 3*a_h + a_w — the number of the place in its plane, row by row" in pool
    assert "pick[0,0,o_h,o_w,a_h,a_w] := [indices[0,0,o_h,o_w] = v]" in pool
    small = said(("MinPool2d(2, stride=1)", (1, 1, 3, 3)))
    assert "the place of the first smallest entry" in small and "smallest entry alone?" in small
    entropy = said(("CrossEntropyLoss()", (2, 3)))
    assert "chosen[n,c] := [target[n] = c]" in entropy and "target is given." in entropy
    assert {c.first for k in registry().values() for e in k.examples
            for c in parse_layer(e[0]).codes(e[1]).values()} == set(FILLED)  # fmt: skip


def test_the_bracket_of_an_indicator_is_its_code() -> None:
    """The printed number of a place, for every window and tap, against the places of the input."""
    case = ("MaxPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True)", (1, 2, 4, 5))
    written = next(s for s in plain(case).splitlines() if s.startswith("  v := "))[7:].split("—")[0]
    for o_h in range(2):
        for o_w in range(3):
            for a_h in range(3):
                for a_w in range(2):
                    at = {"o_h": o_h, "o_w": o_w, "a_h": a_h, "a_w": a_w}
                    assert eval(written, {}, at) == (2 * o_h + a_h - 1) * 5 + 2 * o_w + a_w


@pytest.mark.parametrize("case", [("Softmax(1)", (2, 3)), ("CrossEntropyLoss()", (2, 3))])
def test_a_shift_drops_out_by_a_chain_of_its_own(case: Case) -> None:
    some = next(iter(derived(case).values()))
    (shift,) = internal(some).values()
    assert shift.wrt == "shift" and not shift.claim.right.body.terms and shift.steps
    document_ = said(case)
    assert "grad_shift" in document_ and "the two terms cancel" in document_
    assert "Kernels put the largest entry of each row of input there" in document_
    assert list(shown(case)) == ["input", "shift"]


def test_only_layers_with_a_shift_have_that_section() -> None:
    assert "grad_shift" not in said(("NLLLoss()", (2, 3))) and not internal(
        derived(("ReLU()", (2, 3)))["input"]
    )


def test_new_statistics_are_part_of_the_layer() -> None:
    training = said(("BatchNorm2d(2, training=True)", (2, 2, 2, 2)))
    assert "new_running_var[c] := kept*running_var[c] + unbiased*variance[c]" in training
    assert "unbiased := 4/35" in training and "count := Σ_{n<2, l_0<2, l_1<2} 1" in training
    assert "new_running" not in said(("BatchNorm2d(3, affine=False)", (1, 3, 2, 2)))


# ---- entries --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case",
    [
        ("Softmax(1)", (2, 3)),
        ("LogSoftmax(0)", (3, 2)),
        ("CrossEntropyLoss(weighted=True)", (1, 3, 2)),
        ("BatchNorm1d(2, training=True)", (3, 2)),
        ("LPPool1d(2, 3, stride=2)", (1, 1, 5)),
        ("BCEWithLogitsLoss()", (2, 3)),
        ("GELU()", (2, 3)),
    ],
)
def test_entries_with_stages_as_symbols_have_the_value_of_the_gradient(case: Case) -> None:
    """The stages put back by their definitions, against the entry in which nothing was kept, at one point."""
    for derivation in derived(case).values():
        layer, claim = derivation.layer, derivation.claim
        tables = constants(layer, claim, derivation.input_shape)
        kept = stages(claim, tables)
        means = Meaning(claim.setting, tables=tables, parameters=layer.parameters())
        last = tuple(n - 1 for n in derivation.shape)
        put: dict[sympy.Expr, sympy.Expr] = {}
        short = derivation.staged_element(last, kept)
        for symbol in symbols(short):
            title = str(getattr(getattr(symbol, "base", None), "label", symbol))
            definition = claim.setting.definition(title) if title in kept else None
            if definition is not None:
                inner = tuple(int(i) for i in getattr(symbol, "indices", ()))
                put[symbol] = means.entry(definition.tensor, inner)
        functions = {
            f: formula(f.func.__name__, f.args[0], layer.parameters()) for f in short.atoms(sympy.Function)
        }
        long = short.xreplace(functions).xreplace(put)
        whole = derivation.element(last)
        spots = sorted(symbols(long) | symbols(whole), key=str)
        at = {s: sympy.Rational(3 + 2 * n, 401) for n, s in enumerate(spots)}
        difference = sympy.N(long.xreplace(at) - whole.xreplace(at), 40)
        assert abs(difference) < sympy.Float(10) ** -30, (derivation.wrt, difference)
        wrong = sympy.N((2 * long).xreplace(at) - whole.xreplace(at), 40)
        assert abs(wrong) > sympy.Float(10) ** -30


def symbols(expression: sympy.Expr) -> set[sympy.Expr]:
    """The entries in an expression; a symbol is one of a scalar, unless it only names indexed entries."""
    entries_ = expression.atoms(sympy.Indexed)
    labels = {e.base.label for e in entries_}
    return entries_ | (expression.atoms(sympy.Symbol) - labels)


def test_entries_say_what_stands_for_itself() -> None:
    assert "Entries of probability stand for themselves." in said(("Softmax(1)", (2, 3)))
    assert "stand for themselves" not in said(("ReLU()", (2, 3)))
    assert (
        "grad_input[0,0] = probability[0,0]*grad_output[0,0] - probability[0,0]^2*grad_output[0,0]"
        in said(("Softmax(1)", (2, 3)))
    )


def test_no_entry_has_more_products_than_the_bound() -> None:
    for case in NONLINEAR:
        for derivation in derived(case).values():
            found = entries(derivation)
            most = max((len(row.terms) for row in found.rows), default=0)
            assert most <= max(found.bound, staged_bound(derivation, found.kept)), case


def test_a_large_row_keeps_more_as_symbols() -> None:
    """150 classes: an expanded entry would have 151 products, so the expectation stays a symbol too."""
    found = entries(derived(("Softmax(1)", (2, 150)))["input"])
    assert {"probability", "expected"} <= found.kept and all(len(row.terms) == 2 for row in found.rows)
    assert found.elided == 300 - len(found.rows)


# ---- answers --------------------------------------------------------------------------------------


def answers(case: Case) -> list[str]:
    count, numbered = 0, {}
    for wrt, derivation in shown(case).items():
        length = len(derivation.steps)
        numbered[wrt] = Numbered(derivation, tuple(str(count + i + 1) for i in range(length)))
        count += length
    return [text.inline(answer) for answer in remarks(numbered)]


def cited(answer: str) -> list[int]:
    return [int(n) for n in re.findall(r"\((\d+)\)", answer)]


@pytest.mark.parametrize("case", NONLINEAR, ids=lambda c: f"{c[0]} at {','.join(map(str, c[1]))}")
def test_answers_cite_steps_that_are_there(case: Case) -> None:
    """Where a helper is said to be collected, one of the cited steps has it on its right side."""
    steps = [s for d in shown(case).values() for s in d.steps]
    for answer in answers(case):
        assert all(0 < n <= len(steps) for n in cited(answer))
        reached = " ".join(str(steps[n - 1].rhs) for n in cited(answer))
        for name in ("whole", "slope_grad", "mean_grad", "handed"):
            if re.search(rf"\b{name}\b", answer) and has_step(case, name):
                assert f"{name}[" in reached, answer


def has_step(case: Case, name: str) -> bool:
    return any(f"{name}[" in str(s.rhs) for d in shown(case).values() for s in d.steps)


def test_the_sum_of_the_target_is_said_rightly() -> None:
    assert "It is 1 for a class index, and 0 for a target that is ignored." in said(
        ("CrossEntropyLoss()", (2, 3))
    )
    weighted = said(("CrossEntropyLoss(weighted=True)", (1, 3, 2)))
    assert "With class weights it is the sum of the weighted target." in weighted
    free = said(("CrossEntropyLoss(target='probabilities', reduction='none')", (3,)))
    assert "Probabilities that do not sum to 1 are taken as they are." in free


def test_mean_and_variance_are_answered_by_mode() -> None:
    (training,) = answers(("BatchNorm1d(2, training=True)", (3, 2)))
    assert "Yes: in training both are computed from the batch" in training
    steps = derived(("BatchNorm1d(2, training=True)", (3, 2)))["input"].steps
    reached = " ".join(str(steps[n - 1].rhs) for n in cited(training))
    assert "slope_grad[" in reached and "mean_grad[" in reached
    (given,) = answers(("BatchNorm1d(2)", (2, 2, 3)))
    assert "Not here: they are given" in given


def test_windows_are_counted_with_their_dilation() -> None:
    apart = said(("MaxPool2d(2, dilation=(1, 2), return_indices=True)", (2, 4, 5)))
    assert "Here they do, on axis w: an entry lies in up to 2 windows" in apart
    assert "Here they do not" in said(("MaxPool1d(2)", (1, 1, 5)))


# ---- the theorem of softmax and cross entropy -----------------------------------------------------


def test_the_theorem_says_where_the_sum_being_one_is_used() -> None:
    source = flat(printed(theorem_page("softmax-cross-entropy"), "text"))
    (place,) = re.findall(r"Equation \((\d+)\) is where the target's sum being 1 is used", source)
    reason = source[source.index(f"({place}) ") :][:60]
    assert reason.startswith(f"({place}) all_portions times its inverse is 1")
    assert source.count("all_portions times its inverse is 1") == 1
    assert "C: classes" in source and "input channels" not in source


@pytest.mark.parametrize("style", ["standalone"])
def test_the_theorem_compiles_without_overfull_boxes(style: str, tmp_path: Path) -> None:
    log = compiled(printed(theorem_page("softmax-cross-entropy"), "latex", style), tmp_path)
    assert "Overfull" not in log and "LaTeX Warning" not in log


# ---- whole pages ----------------------------------------------------------------------------------

GOLDEN = {
    "softmax": ("Softmax(0)", (2,)),
    "maxpool1d": ("MaxPool1d(2, stride=1)", (1, 1, 3)),
    "leaky_relu": ("LeakyReLU(0.25)", (2,)),
}
"""Whole documents as text, in tests/data; read again before they are replaced."""


@pytest.mark.parametrize("title", list(GOLDEN))
def test_documents_as_they_stand(title: str) -> None:
    stored = Path(__file__).parent / "data" / f"document_{title}.txt"
    assert plain(GOLDEN[title]) == stored.read_text(encoding="utf-8")


PAGES = [
    ("GELU('tanh')", (4,)),
    ("Softmax(1)", (1, 2, 2, 2)),
    ("BCELoss(weighted=True, reduction='sum')", (3,)),
    ("BatchNorm1d(2, training=True)", (3, 2)),
    ("MaxPool2d(2, stride=1)", (1, 1, 3, 3)),
    ("LPPool2d(2, 2, stride=1)", (1, 1, 3, 3)),
    ("CrossEntropyLoss(reduction='sum', label_smoothing=0.1)", (2, 3)),
]


@pytest.mark.parametrize(
    "case",
    [*PAGES, *(pytest.param(c, marks=pytest.mark.sweep) for c in NONLINEAR if c not in PAGES)],
    ids=lambda c: f"{c[0]} at {','.join(map(str, c[1]))}",
)
def test_latex_fits_the_page_and_an_ordinary_article(case: Case, tmp_path: Path) -> None:
    log = compiled(printed(document(case), "latex", "standalone"), tmp_path)
    assert "Overfull" not in log and "LaTeX Warning" not in log
    head = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n"
    body = printed(document(case), "latex", "fragment")
    assert "Overfull" not in compiled(head + body + "\\end{document}\n", tmp_path)


def test_a_changed_function_in_a_line_changes_the_document() -> None:
    real = derived(("Sigmoid()", (2, 3)))["input"]
    at = next(
        i
        for i, s in enumerate(real.steps)
        if any(isinstance(f, Apply) for t in s.rhs.terms for f in t.factors)
    )
    line = real.steps[at]

    def changed(term: Sum) -> Sum:
        return replace(
            term,
            factors=tuple(Apply("tanh_prime", f.of) if isinstance(f, Apply) else f for f in term.factors),
        )

    wrong = replace(line, rhs=replace(line.rhs, terms=tuple(map(changed, line.rhs.terms))))
    steps = (*real.steps[:at], wrong, *real.steps[at + 1 :])
    with pytest.raises(ProofError, match="chain has a gap"):
        printed(document_of(Doctored(real, steps=steps)), "text")


def document_of(derivation: Doctored) -> object:
    from derive.document import page

    return page({"input": derivation})  # type: ignore[dict-item]


def test_a_read_and_a_function_of_it_are_different_factors() -> None:
    entry = Read(Tensor("input", (Form.of(2),), ((0,),)), (Form.of(1),))
    nodes = {text.written(Builder().factor(f)) for f in (entry, Apply("exp", entry), Apply("f_prime", entry))}
    assert nodes == {"input[1]", "exp(input[1])", "f'(input[1])"}
    assert len(pieces("relu", sympy.Symbol("x"))) == 2
