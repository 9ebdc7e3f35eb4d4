"""The all-sizes document of a class: its equations are the theorem's numbered steps; formats, letters."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from test_document import Doctored, compiled

import derive
from derive.between_proof import numbers as between_numbers
from derive.between_proof import page as between_page
from derive.between_proof import part_blocks
from derive.claim import Argument
from derive.document import printed
from derive.equations import Line, Numbers, lines, runs
from derive.errors import LayerError, ProofError
from derive.expr import Expr
from derive.layers import registry
from derive.layers.base import Layer
from derive.legend import size_meaning
from derive.notation.symbols import TENSORS
from derive.notation.tree import Display, Displays, Page, Relation
from derive.spelling import parse_layer
from derive.symbolic import SymbolicDerivation, derivations, numbers, operands
from derive.symbolic_document import Whole, page, section
from derive.theorems import LABEL, proved_between, theorems

LONG = ("CircularPad3d", "ReflectionPad3d", "ReplicationPad3d")
CLASSES = [pytest.param(k, marks=[pytest.mark.sweep] * (t in LONG), id=t) for t, k in registry().items()]


@cache
def whole(kind: type[Layer]) -> dict[str, SymbolicDerivation]:
    return derivations(kind, {})


@cache
def document(kind: type[Layer]) -> Page:
    return page(whole(kind))


def shown_numbers(found: Page) -> list[str]:
    """The numbers of a page's equations in order, those printed together one by one."""
    rows = [row for b in found.blocks if isinstance(b, Displays) for row in b.rows]
    out: list[str] = []
    for number in (link.number for row in rows for link in row.links if link.number):
        first, _, last = number.partition(" to ")
        out += map(str, range(int(first), int(last or first) + 1))
    return out


def wrong_number(argument: Argument, found: Numbers, chain: tuple[Line, ...]) -> str:
    """The first step that is not in the equation that its number says, or ""."""
    first = found.last - len(chain) + 1
    normal = argument.left_steps[-1].after if argument.left_steps else argument.claim.left
    starts = (argument.claim.right.body, *(s.after for s in argument.right_steps))
    ends = [s.after for s in argument.left_steps]
    if {*found.left, *found.right} != {*range(first, found.last)}:
        return "an equation without a step"
    for place, (number, end) in enumerate(zip(found.left, ends, strict=True)):
        again = place + 1 < len(ends) and found.left[place + 1] == number
        if not (again or chain[number - first].rhs == end):
            return f"left step {place + 1}, ({number})"
    for place, number in enumerate(found.right):
        line, again = chain[number - first], place > 0 and found.right[place - 1] == number
        after = normal if place + 1 == len(found.right) else starts[place + 1]
        more = place + 1 < len(found.right) and found.right[place + 1] == number
        if not ((again or line.rhs == starts[place]) and (more or line.lhs == after)):
            return f"right step {place + 1}, ({number})"
    return ""


@pytest.mark.parametrize("kind", CLASSES)
def test_every_step_is_in_the_equation_of_its_number(kind: type[Layer]) -> None:
    found = numbers(kind, {})
    assert list(found) == list(theorems(kind, kind.chosen({})))
    for key, derivation in whole(kind).items():
        argument = derivation.theorem.argument
        assert (len(found[key].left), len(found[key].right)) == (
            len(argument.left_steps),
            len(argument.right_steps),
        )
        assert not wrong_number(argument, found[key], derivation.steps)
        assert derivation.numbers == found[key]
    last = max(n.last for n in found.values())
    assert shown_numbers(document(kind)) == [str(n) for n in range(1, last + 1)]


def test_a_number_moved_by_one_is_seen() -> None:
    for derivation in whole(derive.Conv2d).values():
        argument, found = derivation.theorem.argument, derivation.numbers
        for side in ("left", "right"):
            for place, number in enumerate(getattr(found, side)):
                moved = list(getattr(found, side))
                moved[place] = number - 1 if number > found.last - len(derivation.steps) + 1 else number + 1
                wrong = replace(found, **{side: tuple(moved)})
                assert wrong_number(argument, wrong, derivation.steps), (side, place)


@pytest.mark.parametrize("title", ["strided-convolution", "softmax-cross-entropy", "nearest-adjoint"])
def test_numbers_of_theorems_between_layers(title: str) -> None:
    found, proved = between_numbers(title), proved_between(title)
    for part, at in found.items():
        argument = proved[part].argument
        assert not wrong_number(argument, at, lines(argument, argument.claim, lambda e: e, lambda f: f))
    last = max(n.last for n in found.values())
    assert shown_numbers(between_page(title)) == [str(n) for n in range(1, last + 1)]
    assert part_blocks("x", proved[next(iter(found))], 0)


def test_runs_are_the_chain() -> None:
    """Each run begins where the one before ended, and together they hold every step once."""
    for derivation in whole(derive.BatchNorm2d).values():
        argument = derivation.theorem.argument
        found, reached = runs(argument), argument.claim.left
        for run in found:
            assert run.sides[0] == reached
            reached = run.sides[1]
        assert reached == argument.claim.right.body or not argument.right_steps
        steps = [s for r in found if not r.backwards for s in r.steps]
        back = [s for r in reversed(found) if r.backwards for s in r.steps]
        assert (tuple(steps), tuple(back)) == (argument.left_steps, argument.right_steps)


# ---- what stands in the document ------------------------------------------------------------------


@pytest.mark.parametrize("kind", CLASSES)
def test_the_document_says_everything(kind: type[Layer]) -> None:
    shared = Whole(tuple(whole(kind).values()))
    text = printed(document(kind), "text")
    flat = " ".join(text.split())
    assert LABEL in flat and "Hypotheses:" in flat and "Sizes:" in flat
    for key, value in kind.chosen({}).items():
        assert f"{key} = {value}" in flat
    for size in shared.sizes:
        assert size_meaning(size, shared.sizes, shared.family, shared.staged), size
    defined = [d.tensor.name for c in shared.claims for d in c.setting.definitions]
    assert {*shared.inputs, *defined} <= TENSORS.keys()
    for name in (*defined, *(c.right.tensor.name for c in shared.claims)):
        shown = "L" if name == "loss" else name
        assert re.search(rf"^ +{shown}(\[[^\]]*\])? := ", text, re.MULTILINE), name
    assert max(map(len, text.splitlines())) <= 100
    assert not re.search(r"\b(None|ZERO|Form\(|Name\()", text)


def test_what_a_user_may_wonder_about_is_said() -> None:
    unbatched = printed(page(derivations(derive.Conv2d, {"batched": False}, "bias")), "text")
    assert "Unseen axis: N is proved for every value" in unbatched
    assert "Unseen axis" not in printed(document(derive.Conv2d), "text")
    resampled = " ".join(printed(document(derive.Upsample), "text").split())
    assert "Band: [0 ≤ u_w*o_w - v_w*i_w + t_w < w_w] is where an entry of the input counts" in resampled
    pooled = " ".join(printed(document(derive.AvgPool2d), "text").split())
    assert "Constants: share; the theorems hold whatever they are" in pooled and "Band" not in pooled
    selected = " ".join(printed(document(derive.MaxPool2d), "text").split())
    assert "at ties the first is taken" in selected and "the entries of pick may have any entries" in selected
    powers = " ".join(printed(document(derive.LPPool1d), "text").split())
    assert "p is norm_type, any number." in powers
    leaky = " ".join(printed(document(derive.LeakyReLU), "text").split())
    assert "leaky_relu(x) is leaky_relu with any negative_slope." in leaky


def test_every_format() -> None:
    found = whole(derive.Conv2d)["input"]
    assert "s_h*o_h" in found.to_text() and r"s_{h}" in found.to_latex()
    assert found.to_html().startswith("<!DOCTYPE html>") and "<msub>" in found.to_html()
    assert found.to_markdown().startswith("# The derivatives of `Conv2d` for all sizes")
    assert set(found._repr_mimebundle_()) == {"text/latex", "text/html", "text/plain"}


CHOSEN = ["Conv2d", "MaxPool2d", "BatchNorm2d", "ConvTranspose1d", "CrossEntropyLoss", "ReplicationPad2d"]


@pytest.mark.parametrize("title", CHOSEN)
def test_pages_keep_their_width(title: str, tmp_path: Path) -> None:
    log = compiled(printed(document(registry()[title]), "latex", "standalone"), tmp_path)
    assert "Overfull" not in log and "LaTeX Warning" not in log


def test_the_only_equalities_are_the_steps() -> None:
    """Besides definitions, a page without functions has one EQUAL for each printed line of its chains."""
    for block in document(derive.Conv2d).blocks:
        if not isinstance(block, Displays):
            continue
        for row in block.rows:
            for link in row.links:
                assert bool(link.number) == (link.relation is Relation.EQUAL)


def test_a_line_without_a_label_or_with_a_gap_is_not_printed() -> None:
    real = whole(derive.Conv2d)["input"]
    unproved = (*real.steps[:3], replace(real.steps[3], label=""), *real.steps[4:])
    with pytest.raises(ProofError, match="no judge has checked"):
        section(Doctored(real, steps=unproved))  # type: ignore[arg-type]
    first = real.steps[2]
    other = replace(first, rhs=Expr((*first.rhs.terms, *first.rhs.terms)))
    with pytest.raises(ProofError, match="gap"):
        section(Doctored(real, steps=(*real.steps[:2], other, *real.steps[3:])))  # type: ignore[arg-type]
    with pytest.raises(ProofError, match="gap"):
        section(Doctored(real, steps=real.steps[1:]))  # type: ignore[arg-type]


def test_the_chain_is_shown_from_the_left_side_to_the_closed_form() -> None:
    blocks = section(whole(derive.Linear)["input"])
    chain = [b for b in blocks if isinstance(b, Displays)][-1].rows
    assert len(chain) == 1 and isinstance(chain[0], Display)
    first = whole(derive.Linear)["output"].numbers.last + 1
    assert chain[0].links[0].number == str(first)
    assert chain[0].links[-1].number == str(whole(derive.Linear)["input"].numbers.last)


# ---- Python ---------------------------------------------------------------------------------------


def test_a_class_is_differentiated_for_all_sizes(tmp_path: Path) -> None:
    found = derive.differentiate(derive.Conv2d)
    assert list(found) == ["input", "weight", "bias"]
    assert list(derive.differentiate(derive.Conv2d, bias=False)) == ["input", "weight"]
    assert list(derive.differentiate(derive.Conv2d, wrt=["output", "bias"])) == ["output", "bias"]
    own = derive.differentiate(derive.parse_layer("Conv2d(1, 2, 3, bias=False, padding_mode=circular)"))
    assert list(own) == ["input", "weight"]
    assert own["input"].choices == {"bias": False, "batched": True, "padding_mode": "circular"}
    assert repr(found["bias"]).startswith("<Derivation of grad_bias for bias of Conv2d(bias=True")
    found["bias"].save(tmp_path / "bias.md")
    text = (tmp_path / "bias.md").read_text()
    assert "grad_bias" in text and "grad_weight" not in text
    assert f"({found['bias'].numbers.last})" in found["bias"].to_text()


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"padding_mode": "mirror"}, "no such discrete choice"),
        ({"wrt": "wieght"}, "no such claim"),
        ({"wrt": "bias", "bias": False}, "no such claim"),
        ({"input_shape": (1, 1, 3, 3)}, "a class is derived for all sizes"),
    ],
)
def test_wrong_questions_about_a_class(words: dict[str, object], match: str) -> None:
    with pytest.raises(LayerError, match=match):
        derive.differentiate(derive.Conv2d, **words)  # type: ignore[call-overload]


def test_a_derivation_for_all_sizes_is_put_at_a_size() -> None:
    layer, shape = derive.parse_layer("Conv2d(1, 2, 3, stride=2)"), (1, 1, 6, 5)
    for wrt, general in derive.differentiate(derive.Conv2d).items():
        special = derive.differentiate(layer, shape)[wrt]
        assert general.at(layer, shape).steps == special.steps
        assert general.at(layer, shape).to_text() == special.to_text()
        for other in ("Conv1d(1, 2, 3)", "Conv2d(1, 2, 3, bias=False)"):
            with pytest.raises(LayerError, match="not an instance"):
                general.at(derive.parse_layer(other), shape if "2d" in other else (1, 1, 6))
        with pytest.raises(LayerError, match="kernel larger"):
            general.at(layer, (1, 1, 2, 2))
    with pytest.raises(LayerError, match="not an instance"):
        derive.differentiate(derive.Conv2d, wrt="output")["output"].at(layer, shape)


def test_choices_go_with_a_class() -> None:
    with pytest.raises(LayerError, match="go with a class"):
        derive.differentiate(derive.Conv2d(1, 1, 2), (1, 1, 3, 3), bias=False)
    with pytest.raises(LayerError, match="given shapes"):
        derive.differentiate(derive.Sequential(derive.Conv2d(1, 1, 2)))


@pytest.mark.parametrize("kind", list(registry().values()), ids=list(registry()))
def test_the_operands_are_those_of_the_layers(kind: type[Layer]) -> None:
    for text, shape in kind.examples:
        layer = parse_layer(text)
        wanted = [o.name for o in layer.operands(shape) if o.differentiable]
        if len(wanted) < 30 and kind.__name__ not in LONG:
            assert sorted(operands(kind, layer.choices(shape))) == sorted(wanted)
