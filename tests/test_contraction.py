"""A right side read as contractions computes what the claim says, entry by entry, in whole numbers."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from contraction_values import complete, whole
from evaluate import Evaluator, draw

from codegen import joined, specialised
from codegen.contraction import contractions
from codegen.loops import Kernel, Part
from codegen.produce import claims_of
from codegen.run import run
from codegen.schedules.nest import Target
from codegen.stage import zeros
from codegen.targets.cython.parts import buffers, packed_count, packs_weight
from derive.spelling import parse_layer

CASES = [
    ("Conv2d(4, 6, 3, stride=2, padding=1, groups=2)", (2, 4, 5, 6), 4),
    ("Conv2d(2, 3, (3, 2), stride=(3, 2), padding=(2, 1), dilation=(2, 3))", (1, 2, 8, 9), 6),
    ("Conv2d(2, 2, 3, stride=4, padding=1, dilation=2)", (1, 2, 10, 7), 4),
    ("Conv2d(2, 2, 2, stride=3)", (1, 2, 9, 8), 4),
    ("Conv2d(2, 3, 1)", (2, 2, 3, 4), 1),
    ("Conv2d(2, 3, 1, stride=2)", (1, 2, 5, 5), 1),
    ("Conv2d(3, 3, 3, padding=1, groups=3)", (3, 4, 5), 1),
    ("Conv2d(1, 2, 4)", (1, 1, 4, 4), 1),
    ("Conv2d(1, 1, 2, padding=((1, 0), (0, 2)))", (2, 1, 3, 1), 1),
    ("Conv1d(2, 3, 3, stride=2, padding=2)", (2, 2, 7), 2),
    ("Conv3d(2, 2, 2, stride=(1, 2, 1), padding=1)", (1, 2, 2, 3, 3), 2),
    ("ConvTranspose2d(2, 3, 4, stride=2, padding=1)", (1, 2, 3, 4), 1),
    ("ConvTranspose1d(4, 2, 3, stride=3, groups=2, output_padding=1)", (2, 4, 3), 1),
    ("ConvTranspose2d(4, 6, (2, 1), stride=(3, 2), groups=2)", (2, 4, 2, 3), 1),
    ("ConvTranspose1d(2, 3, 2, stride=2, dilation=2, padding=1)", (2, 2, 4), 1),
    ("Linear(3, 4)", (2, 5, 3), 1),
    ("Linear(3, 1, bias=False)", (3,), 1),
]


@pytest.mark.parametrize(("text", "shape", "phases"), CASES)
def test_contractions_compute_the_right_side(text: str, shape: tuple[int, ...], phases: int) -> None:
    layer = parse_layer(text)
    keys = ["output", *(o.name for o in layer.operands(shape) if o.differentiable and o.name != "bias")]
    for key, claim in claims_of(layer, shape, keys).items():
        helpers = {d.tensor.name: d for d in claim.setting.definitions}
        problems = contractions(key, claim, helpers)
        strided = key == ("output" if "Transpose" in text else "input")
        if not (strided and "Transpose" in text):
            assert len(problems) == (phases if strided else 1), (key, len(problems))
        arrays = draw(claim, random.Random(1))
        flat = {n: np.array([v for _, v in sorted(a.items())]) for n, a in arrays.items()}
        expected = [v for _, v in sorted(Evaluator(claim, arrays).right().items())]
        names = {i.name for i in claim.indices}
        assert len(names) == len(claim.right.indices)
        assert complete(problems, flat).tolist() == expected, key


@pytest.mark.parametrize(
    ("text", "shape", "key"),
    [
        ("Conv1d(2, 3, 3, padding=1, padding_mode='reflect')", (1, 2, 7), "output"),
        ("AvgPool2d(2)", (1, 2, 4, 4), "output"),
        ("Conv1d(2, 3, 3)", (1, 2, 7), "bias"),
        ("Upsample(scale_factor=2)", (1, 2, 4, 4), "output"),
    ],
)
def test_other_right_sides_are_no_contraction(text: str, shape: tuple[int, ...], key: str) -> None:
    claim = claims_of(parse_layer(text), shape, [key])[key]
    assert contractions(key, claim, {d.tensor.name: d for d in claim.setting.definitions}) == ()


def test_a_relation_that_is_not_that_of_the_right_side_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claims_of(parse_layer("Conv1d(2, 3, 3, padding=1)"), (1, 2, 7), ["output"])["output"]
    helpers = {d.tensor.name: d for d in claim.setting.definitions}
    assert contractions("output", claim, helpers)
    right = joined._first
    monkeypatch.setattr(joined, "_first", lambda *a: (right(*a) or 0) + 1)
    assert contractions("output", claim, helpers) == ()
    monkeypatch.setattr(joined, "_first", right)
    monkeypatch.setattr(joined, "_normal", lambda *a: (2, 1))
    assert contractions("output", claim, helpers) == ()


def test_the_evaluator_of_contractions_sees_a_wrong_one() -> None:
    claim = claims_of(parse_layer("Conv1d(2, 3, 3, padding=1)"), (1, 2, 7), ["output"])["output"]
    (problem,) = contractions("output", claim, {d.tensor.name: d for d in claim.setting.definitions})
    arrays = draw(claim, random.Random(2))
    flat = {n: np.array([v for _, v in sorted(a.items())]) for n, a in arrays.items()}
    good = whole((problem,), flat).tolist()
    (axis,) = problem.axes
    for wrong in (replace(axis, pad=2), replace(axis, taps=2), replace(axis, tap_step=-1, pad=1)):
        moved = replace(
            problem, axes=(wrong,), weight=replace(problem.weight, base=2 if wrong.tap_step < 0 else 0)
        )
        assert whole((moved,), flat).tolist() != good


BARE = ("ConvTranspose2d(4, 6, (2, 1), stride=(3, 2), groups=2)", (2, 4, 2, 3))
"""Most of its results have no tap."""


@pytest.mark.parametrize("lanes", [4, 16])
def test_results_without_taps_are_the_bias(lanes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = claims_of(parse_layer(BARE[0]), BARE[1], ["output"])["output"]
    helpers = {d.tensor.name: d for d in claim.setting.definitions}
    problems = contractions("output", claim, helpers)
    arrays = draw(claim, random.Random(3))
    flat = {n: [v for _, v in sorted(a.items())] for n, a in arrays.items()}

    def wrong() -> list[int]:
        found = specialised.candidates("output", "output", claim, helpers, Target(lanes, 12, 16))
        expected = complete(problems, flat).tolist()
        return [sum(a != b for a, b in zip(run(c.kernel, flat, lanes), expected, strict=True)) for c in found]

    assert len(wrong()) > 1 and not any(wrong())
    monkeypatch.setattr(specialised, "begun", lambda problem, n: zeros(problem.out.buffer, n))
    assert all(wrong())


def reads_both(kernel: Kernel) -> bool:
    """Whether a part reads the weight as it is in a kernel whose parts are given a packed one."""
    parts = [s for s in kernel.body if isinstance(s, Part) and not packs_weight(s)]
    return packed_count(kernel) > 0 and any("weight" in buffers((p,)) for p in parts)


def test_phases_that_pack_and_phases_that_do_not_are_not_mixed(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, shape = parse_layer("Conv2d(8, 16, 3, stride=2, padding=1)"), (1, 8, 15, 16)
    claim = claims_of(layer, shape, ("input",))["input"]
    helpers, target = {d.tensor.name: d for d in claim.setting.definitions}, Target(8, 12, 16)
    found = specialised.candidates("grad_input", "input", claim, helpers, target)
    assert len(found) > 1 and not any(reads_both(c.kernel) for c in found)
    cheapest, turns = specialised._cheapest, count()
    monkeypatch.setattr(specialised, "_cheapest", lambda p, t, packs: cheapest(p, t, next(turns) % 2 == 0))
    found = specialised.candidates("grad_input", "input", claim, helpers, target)
    assert any(reads_both(c.kernel) for c in found)
