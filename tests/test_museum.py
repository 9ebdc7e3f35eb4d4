"""The museum: every exhibit is live, and killed by the core, by the judge at its size, and by `verify`."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from layer_peers import plain_forward
from layer_text import Case

from derive.exhaust import compare
from derive.index import name
from derive.judge import applies
from derive.museum import Exhibit, exhibits
from derive.museum.as_function import as_function
from derive.museum.edits import RIGHT, both, direct, on, sized, without
from derive.museum.verdicts import found, refused, refuted
from derive.oracle import Oracle
from derive.search import search
from derive.verification import verify

BY_KEY = {e.key: e for e in exhibits()}
CLOSED = [e for e in exhibits() if e.closed is not None]
DEFINED = [e for e in exhibits() if e.defined is not None]
EDITED = [(e, kind) for e in exhibits() for kind in e.kinds if kind != "tables"]
ASKED = [(e, "closed" if e.closed is not None else "tables") for e in exhibits() if e.closed or e.tables]
LISTED = (
    *("conv-dx-stride-dropped", "conv-dw-stride-dropped", "conv-dx-stride-dilation-swapped"),
    *("conv-dx-not-flipped", "conv-dx-flipped-one-axis", "conv-dx-channels-not-swapped"),
    *("conv-dx-tail-dropped", "conv-dx-dilation-dropped", "conv-dx-padding-off-by-one"),
    *("conv-dx-columns-by-rows", "conv-dx-overwritten", "conv-dx-groups-mixed", "conv-dw-not-zeroed"),
    *("conv-dw-batch-averaged", "conv-same-wrong-side", "conv-bias-wrong-axes", "conv-forward-flipped"),
    *("transposed-output-padding-missing", "transposed-kernel-flipped", "pool-width-two"),
    *("avgpool-ceil-divisor", "avgpool-include-pad", "avgpool-overwritten", "avgpool-tail-dropped"),
    *("maxpool-overwritten", "maxpool-every-tie", "maxpool-padding-zero-wins", "adaptive-equal-windows"),
    *("nearest-mean", "linear-corners", "reflect-border-twice", "shuffle-depth-to-space"),
    *("dense-weight-transposed", "softmax-diagonal", "cross-entropy-p-minus-y"),
    *("batchnorm-statistics-constant", "dropout-scale-forgotten", "relu-gates-gradient"),
    *("mse-batch-averaged-twice",),
)
"""The bugs that are known to recur; each has to be on show."""


SMALLEST = ("shuffle-depth-to-space", "dense-weight-transposed")
"""Exhibits that are shown at the smallest shape at which they fail."""


def named(pair: Any) -> str:
    return f"{pair[0].key}-{pair[1]}"


# ---- what is on show ---------------------------------------------------------------------------------


def test_every_listed_bug_is_on_show_once() -> None:
    assert sorted(LISTED) == sorted(e.key for e in exhibits())
    assert len(LISTED) == len(set(LISTED)) >= 25


def test_every_kind_has_its_number() -> None:
    assert len(CLOSED) >= 30
    assert len(DEFINED) >= 20
    assert sum(bool(e.loops) for e in exhibits()) >= 5
    assert sum(e.tables is not None for e in exhibits()) >= 1
    assert sum(bool(e.sources) for e in exhibits()) >= 20


def test_what_has_no_claim_is_in_the_loops_or_a_function() -> None:
    from derive.museum.functions import FUNCTIONS

    bare = [e for e in exhibits() if not e.kinds]
    assert bare and all(e.loops or e.key in FUNCTIONS for e in bare)


# ---- the core, and the judge at the size ----------------------------------------------------------------


@pytest.mark.parametrize("pair", EDITED, ids=named)
def test_no_theorem_for_all_sizes(pair: tuple[Exhibit, str]) -> None:
    exhibit, kind = pair
    assert refused(exhibit.wrong(kind))


@pytest.mark.parametrize("pair", EDITED, ids=named)
def test_live_and_refuted_at_the_size_with_both_terms(pair: tuple[Exhibit, str]) -> None:
    exhibit, kind = pair
    found = refuted(exhibit.at(exhibit.wrong(kind)), exhibit.parsed)
    assert found is not None and found.left and found.right and found.left != found.right
    assert str(found).startswith(f"first wrong entry {exhibit.right().right.tensor.name}[")


@pytest.mark.parametrize("exhibit", exhibits(), ids=lambda e: e.key)
def test_the_right_claim_holds(exhibit: Exhibit) -> None:
    assert refused(exhibit.right()) == ""
    assert refuted(exhibit.at(exhibit.right()), exhibit.parsed) is None


SEARCHED = ("conv-dx-tail-dropped", "conv-dx-overwritten", "conv-same-wrong-side", "avgpool-ceil-divisor")


@pytest.mark.parametrize("key", [*SEARCHED, *(pytest.param(e.key, marks=pytest.mark.sweep) for e in CLOSED)])
def test_it_is_not_for_want_of_certificates(key: str) -> None:
    """With certificates searched for what it needs, the claim is refused all the same."""
    assert refused(BY_KEY[key].wrong("closed"), Oracle({}, search))


# ---- verify -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pair", ASKED, ids=named)
def test_verify_names_it_shrinks_it_and_prints_both_terms(pair: tuple[Exhibit, str]) -> None:
    exhibit, kind = pair
    result = verify(as_function(exhibit, kind), exhibit.parsed, exhibit.shape)
    assert result.label == "REFUTED" and not result
    assert exhibit.name in result.report, result.report
    assert " got " in result.report and ", expected " in result.report
    assert ("smallest failing shape" in result.report) is (exhibit.key not in SMALLEST)


@pytest.mark.parametrize("key", ["conv-dx-stride-dropped", "conv-dx-not-flipped", "nearest-mean"])
def test_the_smallest_failing_shape_is_in_the_report(key: str) -> None:
    exhibit = BY_KEY[key]
    result, small = verify(as_function(exhibit), exhibit.parsed, exhibit.shape), found(exhibit)
    assert f"{small.layer!r} at {small.shape}" in result.report and small.fault in result.report
    assert exhibit.name in small.names and np.prod(small.shape) < np.prod(exhibit.shape)


@pytest.mark.parametrize("exhibit", DEFINED, ids=lambda e: e.key)
def test_verify_refutes_the_wrong_forward_pass(exhibit: Exhibit) -> None:
    result = verify(as_function(exhibit, "defined"), exhibit.parsed, exhibit.shape)
    assert result.label == "REFUTED" and "output" in result.report


@pytest.mark.parametrize("exhibit", exhibits(), ids=lambda e: e.key)
def test_verify_accepts_the_right_claim_as_a_function(exhibit: Exhibit) -> None:
    result = verify(as_function(exhibit, "right"), exhibit.parsed, exhibit.shape)
    assert result.ok, result.report


# ---- definitions against plain loops ------------------------------------------------------------------


def plain_output(case: Case, given: dict[str, Any]) -> list[Fraction]:
    """The output by nested loops, of a linear layer or of dropout."""
    if case.kind != "Dropout":
        return [Fraction(v) for v in np.asarray(plain_forward(case, given)).reshape(-1)]
    kept = 1 - Fraction(str(case.arguments["p"]))
    pairs = zip(given["input"].reshape(-1), given["mask"].reshape(-1), strict=True)
    return [Fraction(x * m) / kept for x, m in pairs]


@pytest.mark.parametrize("exhibit", DEFINED, ids=lambda e: e.key)
def test_plain_loops_kill_the_wrong_definition(exhibit: Exhibit) -> None:
    case, draw = Case(exhibit.layer, exhibit.shape), random.Random(3)
    given = {}
    for operand in exhibit.parsed.operands(exhibit.shape):
        if operand.name not in ("output", "grad_output"):
            values = [1 if operand.name == "mask" else draw.randint(1, 99) for _ in range(1000)]
            given[operand.name] = np.resize(np.array(values, object), operand.shape)
    numbers = {n: v for n, v in _numbers(exhibit).items() if n not in given}
    wrong = as_function(exhibit, "defined")(**given, **numbers)["output"]
    right = as_function(replace(exhibit, result="output"), "right")(**given, **numbers)["output"]
    wanted = plain_output(case, given)
    assert right.reshape(-1).tolist() == wanted, "the right definition agrees"
    assert wrong.reshape(-1).tolist() != wanted, "the wrong one does not"


def _numbers(exhibit: Exhibit) -> dict[str, Any]:
    from derive.verify_names import passed

    return passed(exhibit.parsed, exhibit.shape)


ALIKE = ("conv-dx-stride-dilation-swapped", "conv-dx-dilation-dropped", "conv-same-wrong-side")


@pytest.mark.parametrize("key", ALIKE)
def test_wrong_alike_on_both_sides_is_a_theorem_that_plain_loops_alone_refuse(key: str) -> None:
    """Why definitions are held against plain loops: the true gradient of a wrong definition is proved."""
    exhibit = BY_KEY[key]
    alike = both(exhibit.edit("defined"), direct())(exhibit.right(), exhibit.sizes)
    assert refused(alike) == "" and refuted(exhibit.at(alike), exhibit.parsed) is None
    test_plain_loops_kill_the_wrong_definition(exhibit)


# ---- sabotage: what is not wrong is not killed ------------------------------------------------------------


@pytest.mark.parametrize("key", ["conv-dx-stride-dropped", "avgpool-overwritten", "reflect-border-twice"])
def test_a_right_claim_passed_off_as_a_mutant_is_not_killed(key: str) -> None:
    impostor = replace(BY_KEY[key], closed=direct())
    assert impostor.wrong("closed") != impostor.right(), "it is written otherwise"
    assert refused(impostor.wrong("closed")) == ""
    assert refuted(impostor.at(impostor.wrong("closed")), impostor.parsed) is None
    with pytest.raises(ValueError, match="is not live"):
        found(impostor)


def test_the_test_of_liveness_fails_on_an_impostor() -> None:
    impostor = replace(BY_KEY["conv-dx-not-flipped"], closed=direct())
    with pytest.raises(AssertionError):
        test_live_and_refuted_at_the_size_with_both_terms((impostor, "closed"))
    with pytest.raises(AssertionError):
        test_no_theorem_for_all_sizes((impostor, "closed"))


def test_a_bug_shown_where_it_is_not_live_is_noticed() -> None:
    """Stride dropped at stride 1: a wrong claim for all sizes, and right at this one."""
    blind = replace(BY_KEY["conv-dx-stride-dropped"], layer="Conv2d(1, 1, 3)", shape=(1, 1, 4, 4))
    assert refused(blind.wrong("closed"))
    assert refuted(blind.at(blind.wrong("closed")), blind.parsed) is None
    with pytest.raises(ValueError, match="is not live"):
        found(blind)


def test_another_bug_has_another_name() -> None:
    moved = replace(BY_KEY["conv-dx-stride-dropped"], closed=BY_KEY["conv-dx-not-flipped"].closed)
    assert moved.name not in found(moved).names


# ---- edits --------------------------------------------------------------------------------------------


def test_the_straight_closed_form_is_right_for_every_linear_layer_on_show() -> None:
    kinds = {type(e.parsed): e for e in exhibits() if e.result == "input" and not applies(e.at(e.right()))}
    straight = [e for e in kinds.values() if len(e.right().setting.definitions) > 1]
    assert len(straight) >= 8
    for exhibit in straight:
        claim = exhibit.at(direct()(exhibit.right(), exhibit.sizes))
        assert compare(claim).ok, exhibit.key


@pytest.mark.parametrize(
    "edit",
    [on("no such helper"), on(RIGHT, without("no such tensor"))],
    ids=["no definition", "no factor"],
)
def test_an_edit_that_finds_nothing_says_so(edit: Any) -> None:
    exhibit = BY_KEY["conv-dx-stride-dropped"]
    with pytest.raises(KeyError):
        edit(exhibit.right(), exhibit.sizes)


def test_a_kind_that_an_exhibit_has_not_is_refused() -> None:
    with pytest.raises(KeyError, match="no defined mutant"):
        BY_KEY["conv-dx-not-flipped"].wrong("defined")


def test_sizes_change_at_once_and_shapes_stay() -> None:
    exhibit = BY_KEY["conv-dx-stride-dilation-swapped"]
    swapped = on("output", sized({"s_h": name("d_h"), "d_h": name("s_h")}))(exhibit.right(), exhibit.sizes)
    output = swapped.setting.definition("output")
    assert output is not None and "a_h*s_h + d_h*o_h" in str(output)
    assert output.tensor == exhibit.right().setting.definition("output").tensor  # type: ignore[union-attr]


def test_a_function_that_reads_outside_raises_as_numpy_does() -> None:
    exhibit = BY_KEY["dense-weight-transposed"]
    arrays = {
        n: np.ones(s)
        for n, s in (("grad_output", (1, 3)), ("input", (1, 2)), ("weight", (3, 2)), ("bias", 3))
    }
    with pytest.raises(IndexError):
        as_function(exhibit)(**arrays, **_numbers(exhibit) | {"out_features": 3})
