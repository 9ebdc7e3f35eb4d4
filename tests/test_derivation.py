"""Derivations at sizes: each line means the same on both sides, the chain is connected, entries are right."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import pairwise, product

import pytest
import sympy
from evaluate import Evaluator, draw

from derive.derivation import Derivation, differentiate
from derive.errors import LayerError, ProofError
from derive.layers.conv import Conv2d
from derive.theorems import LABEL

CASES = (
    (Conv2d(1, 1, 2), (1, 1, 3, 3)),
    (Conv2d(2, 4, (2, 3), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2), (2, 2, 4, 3)),
    (Conv2d(1, 2, 2, stride=3, dilation=2, bias=False), (1, 7, 5)),
)


@pytest.mark.parametrize(("layer", "shape"), CASES, ids=[repr(c[0]) for c in CASES])
def test_both_sides_of_every_line_have_the_same_value(layer: Conv2d, shape: tuple[int, ...]) -> None:
    for derivation in differentiate(layer, shape).values():
        values = Evaluator(derivation.claim, draw(derivation.claim, random.Random(3)))
        previous = None
        values.claim = with_closed_form(derivation)
        for line in derivation.steps:
            assert line.label == LABEL and line.reason
            assert previous is None or line.lhs == previous
            assert values.entries(line.lhs) == values.entries(line.rhs), line.reason
            previous = line.rhs


def with_closed_form(derivation: Derivation):  # type: ignore[no-untyped-def]
    """The claim with grad_* itself among the definitions, so that the last line can be read."""
    claim = derivation.claim
    setting = replace(claim.setting, definitions=(*claim.setting.definitions, claim.right))
    return replace(claim, setting=setting)


def test_general_lines_are_connected() -> None:
    for derivation in differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3)).values():
        lines = derivation.general_steps
        assert all(a.rhs == b.lhs for a, b in pairwise(lines))
        assert lines[0].lhs == derivation.general.left


def test_hypotheses_are_checked_at_the_sizes() -> None:
    good = differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3))["input"]
    with pytest.raises(ProofError, match="hypotheses"):
        replace(good, sizes={**good.sizes, "r_h": 5})


def test_a_theorem_about_another_operand_is_refused() -> None:
    good = differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3))
    with pytest.raises(ProofError, match="another operand"):
        replace(good["weight"], theorem=good["input"].theorem)


def test_operands_are_named() -> None:
    with pytest.raises(LayerError, match="operand"):
        differentiate(Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3), "bias")
    assert list(differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3), "weight")) == ["weight"]


def test_no_such_entry() -> None:
    derivation = differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3))["input"]
    for index in ((0, 0, 3, 0), (0, 0, 0), (0, 0, -1, 0), (0, 0, 1.0, 0)):
        with pytest.raises(LayerError, match="no such entry"):
            derivation.element(index)  # type: ignore[arg-type]


def seed(cases: dict, title: str) -> dict:  # type: ignore[type-arg]
    return next(c for c in cases["cases"] if c["id"] == title)


def test_the_notes_example_term_for_term(seed_examples: dict) -> None:  # type: ignore[type-arg]
    """conv-symbols-3x3-2x2: every gradient entry as the course notes write it (1-based there)."""
    case = seed(seed_examples, "conv-symbols-3x3-2x2")
    derivations = differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3))
    letters = {"X": "input", "F": "weight", "G": "grad_output"}
    bases = {short: sympy.IndexedBase(long) for short, long in letters.items()}
    places = {f"{s}{r + 1}{c + 1}": bases[s][0, 0, r, c] for s, r, c in product(letters, range(3), range(3))}
    for operand, table in (("weight", case["grad_weight"]), ("input", case["grad_input"])):
        for entry, text in table.items():
            row, column = int(entry[1]) - 1, int(entry[2]) - 1
            expected = sympy.sympify(text, locals=places)
            assert derivations[operand].element((0, 0, row, column)) == expected


def test_the_chapter_four_example(seed_examples: dict) -> None:  # type: ignore[type-arg]
    """conv-symbols-ch4: x1..x9, w1..w4, counted along rows."""
    case = seed(seed_examples, "conv-symbols-ch4")
    derivations = differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3))
    names = (("x", "input", 3), ("w", "weight", 2), ("g", "grad_output", 2))
    places = {
        f"{s}{i + 1}": sympy.IndexedBase(long)[0, 0, i // width, i % width]
        for s, long, width in names
        for i in range(width * width)
    }
    for operand, table, width in (("input", case["grad_input"], 3), ("weight", case["grad_weight"], 2)):
        for entry, text in table.items():
            at = int(entry[1:]) - 1
            assert derivations[operand].element((0, 0, at // width, at % width)) == sympy.sympify(
                text, locals=places
            )


def test_multichannel_theorem() -> None:
    """multichannel: channel c of grad_input sums over all filters, each reversed on both axes."""
    layer, shape = Conv2d(2, 3, 2), (1, 2, 3, 3)
    derivations = differentiate(layer, shape)
    g, w, x = map(sympy.IndexedBase, ("grad_output", "weight", "input"))

    def padded(k: int, i: int, j: int) -> sympy.Expr:
        return g[0, k, i - 1, j - 1] if 1 <= i <= 2 and 1 <= j <= 2 else sympy.S(0)

    for c, i, j in product(range(2), range(3), range(3)):
        by_hand = sum(
            padded(k, i + a, j + b) * w[k, c, 1 - a, 1 - b]
            for k, a, b in product(range(3), range(2), range(2))
        )
        assert sympy.expand(derivations["input"].element((0, c, i, j)) - by_hand) == 0
    for k, c, a, b in product(range(3), range(2), range(2), range(2)):
        by_hand = sum(x[0, c, a + i, b + j] * g[0, k, i, j] for i, j in product(range(2), range(2)))
        assert sympy.expand(derivations["weight"].element((k, c, a, b)) - by_hand) == 0


def test_seed_file_is_data(seed_examples: dict) -> None:  # type: ignore[type-arg]
    assert json.dumps(seed_examples) and len(seed_examples["cases"]) > 10
