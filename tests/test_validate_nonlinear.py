"""Validation of kernels with functions and selections: what passes is labelled, planted bugs are refused."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from curved_kernels import Edits, artefact

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.bounded import bounds_of, check_bounded
from codegen.draws import any_codes, drawn
from codegen.errors import BuildError
from codegen.field import ELEMENT, check_field, functions_of
from codegen.record import ValidationRecord
from codegen.relation import relation_of
from codegen.rig import KeptRig, Rig
from codegen.selection import check_selection
from codegen.validate import products, validate
from derive.index import name
from derive.layers.codes import Code
from derive.numbers_field import Field

SOFTMAX = ("Softmax(1)", (2, 3))
POOL = ("MaxPool1d(2, stride=1)", (1, 1, 5))


def over_field(art: Artefact, kernel: str) -> None:
    rig = Rig(art, kernel, art.load_variant((ELEMENT,)), np.uint64)
    check_field(art, rig, np.random.default_rng(1))


def shipped(art: Artefact, kernel: str) -> Rig:
    return Rig(art, kernel, art.load_variant((SHIPPED_ELEMENT[art.dtype],)), art.dtype)


def selects(art: Artefact, kernel: str) -> None:
    """The shipped binary's values and the codes that it keeps, on all orders."""
    assert art.layer is not None
    codes, rig = art.layer.codes(art.shape), shipped(art, kernel)
    for operand in art.kept[kernel]:
        check_selection(KeptRig(art, kernel, rig.module, rig.dtype, operand), codes)
    check_selection(rig, codes)


# ---- what passes --------------------------------------------------------------------------------------

METHODS = {
    ("Softmax(1)", (2, 3)): {"output": {"field", "bounded", "functions"}},
    ("CrossEntropyLoss(weighted=True)", (3, 4)): {"grad_input": {"field", "bounded", "functions"}},
    ("MaxPool2d(2, stride=1, padding=1)", (1, 1, 3, 3)): {
        "output": {"field", "bounded", "selection"},
        "indices": {"selection"},
        "grad_input": {"field", "bounded"},
    },
    ("BatchNorm1d(2, training=True)", (3, 2)): {
        "grad_input": {"field", "bounded", "functions"},
        "grad_bias": {"field", "integers"},
    },
    ("LeakyReLU(0.2)", (37,)): {"output": {"field", "bounded", "functions"}},
}


@pytest.mark.parametrize(("text", "shape"), METHODS)
def test_kernels_are_validated_by_their_class(text: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    record = validate(artefact(text, shape, tmp_path), "fast", seed=3)
    for kernel, methods in METHODS[text, shape].items():
        assert {c.method for c in record.checks if c.kernel == kernel} == methods
    assert ValidationRecord.from_json(record.to_json()) == record
    (found,) = (c for c in record.of("field") if c.kernel == next(iter(METHODS[text, shape])))
    assert "modulo 2^61 - 1" in found.claim and "at most 2^-" in found.bound
    for check in record.of("bounded"):
        assert check.facts["worst_fraction_of_bound"] <= 1 and check.facts["entries"] > 0


def test_the_exact_level_compares_branches_too(tmp_path: Path) -> None:
    record = validate(artefact(*SOFTMAX, tmp_path, dtype="float64"), "exact", seed=3)
    assert {c.kernel for c in record.of("marks")} == {"output", "grad_input"}
    assert not record.of("trace") and not record.of("uint64")


NINE = 14_174_522
"""Weak orders of nine entries, any of them NaN."""


@pytest.mark.parametrize("dtype", ["float32", pytest.param("float64", marks=pytest.mark.sweep)])
@pytest.mark.parametrize("text", ["MaxPool2d(3)", pytest.param("MinPool2d(3)", marks=pytest.mark.sweep)])
def test_every_weak_order_of_three_by_three_is_shown(text: str, dtype: str, tmp_path: Path) -> None:
    """All orders of nine entries with ties and NaN go through the shipped binary, values and places."""
    art = artefact(text, (1, 1, 144, 144), tmp_path, dtype=dtype)
    assert art.layer is not None
    codes, rig = art.layer.codes(art.shape), shipped(art, "output")
    for one in (rig, KeptRig(art, "output", rig.module, rig.dtype, "indices")):
        check = check_selection(one, codes, "exact")
        assert check is not None and check.facts["orders of 9"] >= NINE
        assert f"all weak orders of 9 entries ({NINE:,})" in check.claim


def test_layers_that_are_products_keep_their_checks(tmp_path: Path) -> None:
    art = artefact("Linear(3, 2)", (2, 3), tmp_path)
    assert set(products(art)) == set(art.equations)
    record = validate(art, "fast", seed=3)
    assert record.of("trace") and not record.of("field") and not record.of("bounded")


# ---- what is refused ----------------------------------------------------------------------------------

LAST = r"body:(\w+) = ([ev])_larger\((\w+), (\w+), (\w+)\)"
"""A comparison; with its replacement below an entry that is equal to the best is taken too."""
AS_LARGE = r"\1 = \2_choose(\2_larger(\3, \4, \5), \2_larger(\3, \4, \5), \2_same(\4, \5))"
DECLARED = "    E e_zero()\\n    E e_same(E, E)\\n    V v_same(V, V)"
STORE = r"^( +)[ev]_store\w*\({0} .*$"

FIELD_BUGS: dict[str, tuple[tuple[str, tuple[int, ...]], str, Edits]] = {
    "sign of a stage": (SOFTMAX, "output", ((r"_sub\(", "_add("),)),
    "another function": (SOFTMAX, "output", (("_fn_exp", "_fn_tanh"),)),
    "another function of a stage": (SOFTMAX, "output", (("_fn_recip", "_fn_rsqrt"),)),
    "an entry not summed": (SOFTMAX, "output", ((r"body:1:= e_add\((\w+), \w+\)", r"= e_add(\1, \1)"),)),
    "a stage never written": (SOFTMAX, "output", (("body:1:" + STORE.format("totals"), r"\1pass"),)),
    "an entry never written": (SOFTMAX, "output", (("body:1:" + STORE.format("out"), r"\1pass"),)),
    "the entry beside": (SOFTMAX, "output", ((r"body:1:\(input \+ ", "(input + 1 + "),)),
    "the smallest entry": (POOL, "output", (("_larger", "_smaller"),)),
    "a window that reads its neighbour": (POOL, "output", ((r"\(input \+ ", "(input + 1 + "),)),
    "every entry of the window": (
        POOL,
        "grad_input",
        ((r"body:= ([ev])_same\((\w+), \w+\)$", r"= \1_same(\2, \2)"),),
    ),
}


@pytest.mark.parametrize("bug", FIELD_BUGS)
def test_a_planted_bug_is_refused_over_the_field(bug: str, tmp_path: Path) -> None:
    layer, kernel, edits = FIELD_BUGS[bug]
    art = artefact(*layer, tmp_path, edits)
    with pytest.raises(BuildError, match=f"kernel {kernel} does not compute its equation"):
        over_field(art, kernel)


def test_the_same_texts_without_a_bug_pass(tmp_path: Path) -> None:
    for number, layer in enumerate((SOFTMAX, POOL)):
        work = tmp_path / str(number)
        work.mkdir()
        art = artefact(*layer, work)
        for kernel in art.equations:
            over_field(art, kernel)
            check_bounded(art, shipped(art, kernel), np.random.default_rng(2))


def test_the_last_largest_entry_is_refused_by_its_code_alone(tmp_path: Path) -> None:
    art = artefact(*POOL, tmp_path, ((LAST, AS_LARGE), ("1:^    E e_zero\\(\\)$", DECLARED)))
    over_field(art, "output")
    with pytest.raises(BuildError, match="does not take the first largest entry"):
        selects(art, "output")


def test_codes_of_other_places_are_refused(tmp_path: Path) -> None:
    art = artefact(*POOL, tmp_path, ((r"body:_index\((?!-1)", "_index(1 + "),))
    over_field(art, "output")
    with pytest.raises(BuildError, match="indices does not take"):
        selects(art, "output")


def test_a_constant_that_is_off_is_refused_by_both(tmp_path: Path) -> None:
    art = artefact("LeakyReLU(0.2)", (40,), tmp_path)
    own = art.constants["output"]
    (title, (slope,)) = next(iter(own.items()))
    wrong = replace(art, constants={**art.constants, "output": {title: (slope * (1 + Fraction(1, 10**6)),)}})
    over_field(art, "output")
    with pytest.raises(BuildError):
        over_field(wrong, "output")
    check_bounded(art, shipped(art, "output"), np.random.default_rng(3))
    with pytest.raises(BuildError, match="further from its equation than rounding explains"):
        check_bounded(wrong, shipped(wrong, "output"), np.random.default_rng(3))


def test_a_binary_less_accurate_than_its_functions_is_refused(tmp_path: Path) -> None:
    """The bound with functions said to be exact: their own rounding is then too much."""
    art = artefact("Sigmoid()", (400,), tmp_path)
    check_bounded(art, shipped(art, "output"), np.random.default_rng(3))
    with pytest.raises(BuildError, match="further from its equation"):
        check_bounded(art, shipped(art, "output"), np.random.default_rng(3), {"sigmoid": 0.1})


# ---- operands -----------------------------------------------------------------------------------------


def test_codes_are_drawn_among_the_places_that_an_indicator_has() -> None:
    code = Code("indices", (0, 1), 2 * name("x1") + name("x2"))
    found = any_codes((40, 3, 2), code, np.random.default_rng(0))
    for column in range(3):
        assert set(found[:, column].tolist()) == {-1, 2 * column, 2 * column + 1}


def test_a_gradient_by_given_codes_is_given_any_of_them(tmp_path: Path) -> None:
    art, field = artefact(*POOL, tmp_path), Field()

    def ones(title: str, count: int) -> np.ndarray:
        return np.arange(count, dtype=np.uint64)

    rng = np.random.default_rng(4)
    first = drawn(art, "grad_input", field, ones, field.constants, rng)
    assert first.elements["indices"].tolist() == [1, 2, 3, 4]
    again = (drawn(art, "grad_input", field, ones, field.constants, rng, False) for _ in range(9))
    others = {tuple(g.elements["indices"].tolist()) for g in again}
    assert len(others) > 1


def test_bounds_know_where_there_is_no_value(tmp_path: Path) -> None:
    art = artefact("BCELoss(reduction='none')", (4,), tmp_path)
    claim = art.equations["output"]
    inputs = {"input": np.array([0.5, 2.0, -1.0, 0.25]), "target": np.ones(4)}
    assert bounds_of(art, claim, inputs, "float64", {}).usable.tolist() == [True, False, False, True]
    assert functions_of(claim) == ["log_clamped", "log_rest_clamped"]


def test_terms_without_the_operand_do_not_matter_to_a_relation(tmp_path: Path) -> None:
    """BatchNorm's gradient by its bias is a sum of grad_output alone; by its weight it applies a function."""
    art = artefact("BatchNorm1d(2)", (3, 2), tmp_path)
    bias = relation_of(art.equations["grad_bias"])
    assert [t.name for t in bias.operands] == ["grad_output"] and len(bias.families) == 1
    with pytest.raises(BuildError, match="cannot read"):
        relation_of(art.equations["grad_weight"])
