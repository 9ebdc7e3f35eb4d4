"""Winograd schedules as loops: exact on whole numbers, small in text, and wrong matrices are seen."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import pytest
from conv_reference import operands, reference
from winograd_parts import Maker, artefact_of, contraction_of, kernel_of, wrong

from codegen.errors import BuildError
from codegen.loops import Assign, Part, statements
from codegen.lower import kernel_name
from codegen.run import ELEMENTWISE, run
from codegen.schedules import winograd_filter
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd import plans
from codegen.schedules.winograd_apply import Applied, Matrix, constant
from codegen.schedules.winograd_forward import Winograd
from codegen.schedules.winograd_gradient import Gradient
from codegen.schedules.winograd_product import Levels
from codegen.validate import validate
from derive.layers.conv import Conv2d
from derive.toom import Transform, transform

SHORT = (Levels(2, 2, True), Levels(3, 1, False), Levels(8, 8, True))
SMALL = Target(2, 12, 16)
WIDE = Target(16, 28, 32, 4, accuracy="relaxed")
OVER = (transform(2, 3), transform(4, 3))


def forward(
    over: tuple[Transform, Transform], band: int, levels: Levels, lanes: int, contraction: Contraction
) -> Winograd:
    target = replace(SMALL, lanes=lanes)
    tall = -(-contraction.axes[0].out // over[0].m)
    target = replace(target, threads=2) if band > tall else target
    vectors = 2 if contraction.outs % (2 * lanes) == 0 else 1
    plan = Winograd(contraction, target, over, min(band, tall), 3, vectors, levels)
    return replace(plan, images=contraction.batch) if band > tall and contraction.groups == 1 else plan


def gradient(
    over: tuple[Transform, Transform], band: int, levels: Levels, lanes: int, contraction: Contraction
) -> Gradient:
    tall = -(-contraction.axes[0].out // over[0].r)
    span = lanes if band > 2 else contraction.outs
    target = replace(SMALL, lanes=lanes)
    plan = Gradient(contraction, target, over, min(band, tall), span, 3, 1, levels)
    return replace(plan, images=contraction.batch) if band > tall and contraction.groups == 1 else plan


def maker(key: str, rng: random.Random, lanes: int) -> Maker:
    rows, columns = rng.choice((2, 4)), rng.choice((2, 4))
    band, levels = rng.choice((2, 3, 9)), rng.choice(SHORT)
    if key == "weight":
        return partial(gradient, (transform(3, rows), transform(3, columns)), band, levels, lanes)
    return partial(forward, (transform(rows, 3), transform(columns, 3)), band, levels, lanes)


LAYERS = (
    (Conv2d(2, 4, 3, padding=1), (1, 2, 7, 9)),
    (Conv2d(4, 6, 3, padding=((0, 2), (2, 1)), bias=False), (2, 4, 6, 5)),
    (Conv2d(4, 4, 3, padding=2, groups=2), (2, 4, 5, 6)),
    (Conv2d(2, 2, 3), (1, 2, 9, 6)),
    (Conv2d(2, 4, 3, padding=1), (1, 2, 8, 2)),
    (Conv2d(4, 8, 3, padding=1), (1, 4, 8, 3)),
)


def agree(layer: Conv2d, shape: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    data = operands(layer, shape, seed, object, 99)
    exact = reference(layer, data)
    for key in ("output", "input", "weight"):
        lanes = 4 if layer.in_channels % 4 == 0 and layer.groups == 1 and layer.out_channels % 4 == 0 else 2
        kernel = kernel_of(layer, shape, key, maker(key, rng, lanes))
        found = run(kernel, data, lanes, Fraction(0))
        assert (found == exact[key]).all(), (layer, shape, key, seed)


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_loops_equal_plain_numpy_exactly(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if number % 2:
        monkeypatch.setattr(winograd_filter, "FAR", 1)
    agree(*LAYERS[number], number)


@pytest.mark.sweep
@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_loops_equal_plain_numpy_exactly_in_many_ways(number: int) -> None:
    for seed in range(100, 130):
        agree(*LAYERS[number], seed)


@pytest.mark.parametrize(("matrix", "row", "column"), [("a", 1, 2), ("b", 2, 1), ("g", 0, 0), ("g", 3, 2)])
def test_a_matrix_that_is_off_by_a_little_gives_another_result(matrix: str, row: int, column: int) -> None:
    layer, shape = LAYERS[0]
    data = operands(layer, shape, 5, object, 99)
    exact = reference(layer, data)
    for m, right in ((2, True), (2, False), (4, False)):
        over = transform(m, 3) if right else wrong(transform(m, 3), matrix, row, column)
        make = partial(forward, (transform(m, 3), over), 2, SHORT[0], 2)
        found = run(kernel_of(layer, shape, "output", make), data, 2, Fraction(0))
        assert (found == exact["output"]).all() == right


MATRICES = [getattr(t, n) for t in (*OVER, transform(3, 2), transform(3, 4)) for n in "abg"]


@pytest.mark.parametrize("matrix", MATRICES)
def test_a_matrix_is_applied_exactly(matrix: Matrix) -> None:
    rng = random.Random(3)
    values = {f"x{i}": Fraction(rng.randint(-99, 99), 7) for i in range(len(matrix[0]))}
    wanted = [sum(c * values[f"x{i}"] for i, c in enumerate(row)) for row in matrix]
    work = Applied("d")
    found = work.apply(matrix, list(values))
    values |= {constant(c): c for c in work.constants}
    for statement in work.body:
        assert isinstance(statement, Assign)
        operation = statement.value.operation[2:]
        given = [values[str(a)] for a in statement.value.arguments]
        value = given[0] + given[1] * given[2] if operation == "fma" else None
        value = sum(given) if operation == "add" else value
        values[statement.name] = ELEMENTWISE[operation](*given) if value is None else value
    assert [values[n] for n in found] == wanted
    assert len(work.body) < sum(2 * sum(map(bool, row)) - 1 for row in matrix)


def test_plans_are_of_the_tier_that_is_asked_for() -> None:
    layer, shape = Conv2d(64, 64, 3, padding=1), (1, 64, 28, 28)
    for accuracy, names in (("strict", {"F(2,3)xF(2,3)"}), ("relaxed", {"F(2,3)xF(4,3)", "F(4,3)xF(4,3)"})):
        for key in ("output", "input"):
            found = list(plans(contraction_of(layer, shape, key), replace(WIDE, accuracy=accuracy)))
            assert names <= {p.note().split()[1].rstrip(":") for p in found}
            assert accuracy == "relaxed" or {p.accuracy for p in found} == {"strict"}
    double = replace(WIDE, lanes=8, element=8, accuracy="strict")
    names = {p.note().split()[1].rstrip(":") for p in plans(contraction_of(layer, shape, "output"), double)}
    assert names == {"F(2,3)xF(2,3)", "F(2,3)xF(4,3)", "F(4,3)xF(2,3)"}
    few = contraction_of(layer, shape, "weight")
    assert not list(plans(few, replace(WIDE, accuracy="strict")))
    many = contraction_of(layer, (4, 64, 28, 28), "weight")
    assert {p.accuracy for p in plans(many, replace(WIDE, accuracy="strict"))} == {"strict"}


@pytest.mark.parametrize(
    "layer",
    [Conv2d(16, 16, 3, stride=2), Conv2d(16, 16, 3, dilation=2), Conv2d(16, 16, 5), Conv2d(3, 16, 3)],
)
def test_there_is_no_plan_for_what_does_not_fit(layer: Conv2d) -> None:
    shape = (1, layer.in_channels, 32, 32)
    for key in ("output", "weight"):
        assert not list(plans(contraction_of(layer, shape, key), WIDE))


def test_texts_are_small() -> None:
    layer, shape = Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56)
    for key in ("output", "weight"):
        contraction = contraction_of(layer, shape, key)
        for plan in plans(contraction, WIDE):
            kernel = kernel_of(layer, shape, key, lambda _, plan=plan: plan)
            for part in (s for s in kernel.body if isinstance(s, Part)):
                assert sum(1 for _ in statements(part.body)) < 2500, plan.note()


@pytest.mark.parametrize("key", ["output", "weight"])
@pytest.mark.parametrize("places", [14, 28])
def test_sums_are_added_in_one_order_for_any_number_of_threads(key: str, places: int) -> None:
    contraction = contraction_of(Conv2d(128, 128, 3, padding=1), (1, 128, places, places), key)
    orders = []
    for threads in (1, 2):
        found = plans(contraction, replace(WIDE, threads=threads))
        made = [p for p in found if isinstance(p, Winograd | Gradient)]
        orders.append(list(dict.fromkeys(p.order for p in made)))
        assert all(p.turns >= threads for p in made if isinstance(p, Gradient))
        assert all(p.once or threads == 1 or p.cuts[0][2] > 1 for p in made if isinstance(p, Winograd))
    assert len(made) > 1 and orders[0] == orders[1]


SHAPE = (1, 4, 6, 9)
LAYER = Conv2d(4, 8, 3, padding=1)
MAKERS: dict[str, Maker] = {
    "output": partial(forward, (OVER[1], OVER[0]), 2, Levels(2, 2, True), 4),
    "input": partial(forward, (OVER[0], OVER[1]), 3, Levels(2, 1, False), 4),
    "weight": partial(gradient, (transform(3, 2), transform(3, 4)), 2, Levels(2, 2, True), 4),
}


def validated(folder: Path, *keys: str) -> None:
    makers = {key: MAKERS[key] for key in keys}
    record = validate(artefact_of(folder, LAYER, SHAPE, makers, replace(SMALL, lanes=4)))
    checked = {(c.kernel, c.method) for c in record.checks}
    assert {(kernel_name(k), m) for k in keys for m in ("rational", "field")} <= checked


def test_a_compiled_text_passes_validation_by_its_class(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As does one that asks for taps in advance."""
    validated(tmp_path / "near", "output")
    monkeypatch.setattr(winograd_filter, "FAR", 1)
    validated(tmp_path / "far", "output")
    near, far = (next(tmp_path.glob(f"{n}/*.pyx")).read_text() for n in ("near", "far"))
    assert "e_prefetch(" in far
    assert "e_prefetch(" not in near.partition("bf_pack_output")[2]


@pytest.mark.sweep
def test_compiled_gradients_pass_validation_by_their_class(tmp_path: Path) -> None:
    validated(tmp_path, "input", "weight")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param("v_fma(x_3, minus_9_4, x_1)", "v_fma(x_3, minus_3_4, x_1)"),
        pytest.param("a0 = v_sub(", "a0 = v_add(", marks=pytest.mark.sweep),
    ],
)
def test_a_text_with_another_constant_or_sign_is_refused(tmp_path: Path, old: str, new: str) -> None:
    made = artefact_of(
        tmp_path, LAYER, SHAPE, {"output": MAKERS["output"]}, replace(SMALL, lanes=4), edits=((old, new),)
    )
    with pytest.raises(BuildError, match="output"):
        validate(made)
