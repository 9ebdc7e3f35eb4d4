"""Winograd on one axis: exact on whole numbers, any folding, edges and tails, and wrong matrices are seen."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from winograd_parts import artefact_of, contraction_of, kernel_of, wrong

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.lower import kernel_name
from codegen.run import run
from codegen.schedules import peers
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd_line import Line
from codegen.schedules.winograd_lines import plans
from codegen.schedules.winograd_product import Levels
from codegen.validate import validate
from derive.layers.conv import Conv1d
from derive.toom import Transform, transform

Array = np.ndarray[Any, Any]
SMALL = Target(2, 12, 16)
SHORT = (Levels(2, 2, True), Levels(3, 1, False), Levels(8, 8, True))
FOLDINGS = {
    3: ((2, 3, 1), (4, 3, 1)),
    4: ((2, 2, 2), (4, 4, 1)),
    5: ((2, 5, 1),),
    6: ((2, 3, 2), (4, 2, 3)),
    9: ((2, 3, 3), (4, 3, 3)),
}
"""By taps: outputs and taps of the transform of rows, and the places of a row."""


def line(
    form: tuple[Transform, Transform | None, int], band: int, levels: Levels, lanes: int, c: Contraction
) -> Line:
    tiles = -(-c.axes[0].out // (form[0].m * form[2]))
    vectors = 2 if c.outs % (2 * lanes) == 0 else 1
    made = (
        Line(c, replace(SMALL, lanes=lanes), *form, min(b, tiles), 3, vectors, levels)
        for b in range(band, band + 9)
    )
    return next(plan for plan in made if plan.fits)


def exact(layer: Conv1d, data: dict[str, Array]) -> dict[str, Array]:
    """The output and the gradient by the input, tap by tap."""
    x, w, g = data["input"], data["weight"], data["grad_output"]
    ((before, after),) = layer.paddings
    padded = np.zeros((*x.shape[:2], before + x.shape[2] + after), x.dtype)
    padded[:, :, before : before + x.shape[2]] = x
    y, back = np.zeros_like(g), np.zeros_like(padded)
    per_out, per_in = w.shape[0] // layer.groups, w.shape[1]
    for k in range(w.shape[0]):
        c = slice(k // per_out * per_in, (k // per_out + 1) * per_in)
        for t in range(w.shape[2]):
            places = slice(t, t + g.shape[2])
            y[:, k] += (padded[:, c, places] * w[k, :, t][None, :, None]).sum(1)
            back[:, c, places] += g[:, k][:, None] * w[k, :, t][None, :, None]
        y[:, k] += data["bias"][k] if layer.bias else 0
    return {"output": y.reshape(-1), "input": back[:, :, before : before + x.shape[2]].reshape(-1)}


def operands(layer: Conv1d, shape: tuple[int, ...], seed: int) -> dict[str, Array]:
    rng = random.Random(seed)
    out = shape[2] + sum(layer.paddings[0]) - layer.kernel[0] + 1
    shapes = {
        "input": shape,
        "weight": (layer.out_channels, layer.in_channels // layer.groups, *layer.kernel),
        "grad_output": (shape[0], layer.out_channels, out),
        "bias": (layer.out_channels,),
    }
    return {
        n: np.array([rng.randint(-99, 99) for _ in range(int(np.prod(s)))], object).reshape(s)
        for n, s in shapes.items()
    }


LAYERS = (
    (Conv1d(2, 4, 9, padding=4), (1, 2, 41)),
    (Conv1d(4, 6, 9, padding=((1, 8),), bias=False), (2, 4, 30)),
    (Conv1d(4, 4, 3, padding=1, groups=2), (2, 4, 19)),
    (Conv1d(4, 2, 6, padding=3), (1, 4, 26)),
    (Conv1d(2, 4, 5), (1, 2, 23)),
    (Conv1d(8, 4, 4, padding=2), (1, 8, 20)),
    (Conv1d(4, 8, 3, padding=1), (2, 4, 29)),
)


def agree(layer: Conv1d, shape: tuple[int, ...], seed: int) -> None:
    rng = random.Random(seed)
    data = operands(layer, shape, seed)
    wanted = exact(layer, data)
    m, r, pitch = rng.choice(FOLDINGS[layer.kernel[0]])
    columns = rng.choice((None, transform(pitch, pitch))) if pitch > 1 else None
    form = transform(m, r), columns, pitch
    for key in wanted:
        lanes = 4 if layer.in_channels % 4 == 0 == layer.out_channels % 4 and layer.groups == 1 else 2
        make: Any = partial(line, form, rng.choice((2, 3, 9)), rng.choice(SHORT), lanes)
        found = run(kernel_of(layer, shape, key, make), data, lanes, Fraction(0))
        assert (found == wanted[key]).all(), (layer, shape, key, seed, form)


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_loops_equal_plain_numpy_exactly(number: int) -> None:
    agree(*LAYERS[number], number)


@pytest.mark.sweep
@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_loops_equal_plain_numpy_exactly_in_many_ways(number: int) -> None:
    for seed in range(100, 130):
        agree(*LAYERS[number], seed)


@pytest.mark.parametrize(("matrix", "row", "column"), [("a", 1, 2), ("b", 2, 1), ("g", 4, 2)])
def test_a_matrix_that_is_off_by_a_little_gives_another_result(matrix: str, row: int, column: int) -> None:
    layer, shape = LAYERS[0]
    data = operands(layer, shape, 5)
    wanted = exact(layer, data)["output"]
    three = transform(3, 3)
    for columns in (three, wrong(three, matrix, row, column)):
        make: Any = partial(line, (transform(2, 3), columns, 3), 3, SHORT[0], 2)
        found = run(kernel_of(layer, shape, "output", make), data, 2, Fraction(0))
        assert (found == wanted).all() == (columns is three)


WIDE = Target(16, 28, 32, accuracy="relaxed")
DEEP = Conv1d(64, 64, 9, padding=4)


def tiers(layer: Conv1d, shape: tuple[int, ...], key: str, target: Target = WIDE) -> dict[str, str]:
    """Plans by what they say of transforms, and their tier."""
    found = plans(contraction_of(layer, shape, key), target)
    return {p.note().split(":")[0].removeprefix("WINOGRAD LINE "): p.accuracy for p in found}


def test_plans_are_of_the_tier_that_is_asked_for() -> None:
    terms = "3 taps of a row as terms"
    wanted = {
        f"F(2,3), {terms}": "strict",
        f"F(4,3), {terms}": "balanced",
        "F(2,3)xF(3,3)": "balanced",
        "F(4,3)xF(3,3)": "relaxed",
    }
    for key in ("output", "input"):
        assert tiers(DEEP, (1, 64, 2000), key) == wanted
    strict = replace(WIDE, accuracy="strict")
    assert tiers(DEEP, (1, 64, 2000), "output", strict) == {f"F(2,3), {terms}": "strict"}
    short = tiers(DEEP, (1, 64, 200), "output")
    assert short["F(2,3)xF(3,3)"] == short[f"F(4,3), {terms}"] == "relaxed"


def test_the_first_tier_would_have_others_without_the_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "keeps_fast", lambda *_: True)
    assert set(tiers(DEEP, (1, 64, 2000), "output").values()) == {"strict"}


@pytest.mark.parametrize(
    "layer",
    [
        Conv1d(16, 16, 9, stride=2),
        Conv1d(16, 16, 9, dilation=2),
        Conv1d(16, 16, 7),
        Conv1d(3, 5, 9),
    ],
)
def test_there_is_no_plan_for_what_does_not_fit(layer: Conv1d) -> None:
    shape = (1, layer.in_channels, 400)
    assert not tiers(layer, shape, "output")


def test_sums_are_added_in_one_order_for_any_number_of_threads() -> None:
    contraction, orders = contraction_of(DEEP, (1, 64, 2000), "output"), []
    for threads in (1, 2):
        made = [p for p in plans(contraction, replace(WIDE, threads=threads)) if isinstance(p, Line)]
        orders.append(list(dict.fromkeys(p.order for p in made)))
    assert len(orders[0]) == 4 and orders[0] == orders[1]


LAYER, SHAPE = Conv1d(4, 8, 9, padding=4), (1, 4, 53)
MAKERS: dict[str, Any] = {
    "output": partial(line, (transform(2, 3), transform(3, 3), 3), 2, Levels(2, 2, True), 4),
    "input": partial(line, (transform(2, 3), None, 3), 3, Levels(2, 1, False), 4),
}


def artefact(folder: Path, key: str, *edits: tuple[str, str]) -> Artefact:
    return artefact_of(folder, LAYER, SHAPE, {key: MAKERS[key]}, replace(SMALL, lanes=4), edits=edits)


def validated(folder: Path, key: str) -> None:
    record = validate(artefact(folder, key))
    assert {"rational", "field"} <= {c.method for c in record.checks if c.kernel == kernel_name(key)}


def test_a_compiled_text_passes_validation_by_its_class(tmp_path: Path) -> None:
    validated(tmp_path, "output")


@pytest.mark.sweep
def test_a_compiled_gradient_passes_validation_by_its_class(tmp_path: Path) -> None:
    validated(tmp_path, "input")


def test_a_text_with_another_constant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="output"):
        validate(artefact(tmp_path, "output", ("v_fma(h_3, plus_245_256", "v_fma(h_3, minus_35_64")))
