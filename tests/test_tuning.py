"""The choice among candidate kernels: the model's order without timing, the quickest of the timed with it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from codegen import build, compile, tuning
from codegen.contraction import contractions
from codegen.loops import Kernel, Loop
from codegen.lower import by_nests, ranked
from codegen.options import SWITCH
from codegen.produce import Request, claims_of, module_source
from codegen.schedules.nest import Target
from codegen.specialised import Candidate
from codegen.tuning import choose
from derive.spelling import parse_layer

LAYER, SHAPE = parse_layer("Conv1d(3, 4, 3, padding=1)"), (1, 3, 40)
ISA = compile.ISAS["portable"]


def candidate() -> Candidate:
    claim = claims_of(LAYER, SHAPE, ["output"])["output"]
    return ranked("output", claim, Target(ISA.lanes("float32"), ISA.accumulators, ISA.registers))[0]


def slower(kernel: Kernel, times: int) -> Kernel:
    """The same kernel with its statements done again and again."""
    return replace(kernel, body=(Loop("again", 0, times, 1, kernel.body),), notes=("again and again",))


def test_without_timing_the_first_by_the_model_is_taken() -> None:
    good = candidate()
    first = Candidate(slower(good.kernel, 200), 1.0)
    (choice,) = choose({"output": [first, good]}, ISA, "float32", tune=False)
    assert choice.kernel is first.kernel
    assert [t.seconds for t in choice.tried] == [None, None]
    assert choice.said.startswith("output: the least of 2 by the model")


@pytest.mark.parametrize("order", [0, 1])
def test_the_quickest_of_the_timed_is_taken_whatever_the_model_says(order: int) -> None:
    good = candidate()
    pair = [Candidate(slower(good.kernel, 200), good.cost), good]
    (choice,) = choose({"output": pair[::-1] if order else pair}, ISA, "float32", tune=True)
    assert choice.kernel is good.kernel
    quick, slow = choice.tried
    assert quick.seconds is not None
    assert slow.seconds is not None
    assert slow.seconds > 5 * quick.seconds
    assert slow.note == "again and again"
    assert "the quickest when built" in choice.said


def test_what_the_model_finds_far_too_slow_is_not_timed() -> None:
    good = candidate()
    far = Candidate(slower(good.kernel, 2), good.cost * (tuning.WORTH_A_TRY + 1))
    (choice,) = choose({"output": [good, far]}, ISA, "float32", tune=True)
    assert choice.kernel is good.kernel
    assert all(t.seconds is None for t in choice.tried)


def test_a_tuned_build_is_right_and_says_what_it_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, shape = parse_layer("Conv2d(8, 16, 3, padding=1)"), (1, 8, 12, 12)
    monkeypatch.setenv(SWITCH, "1")
    kernel = build(layer, shape, tune=True, dtype="float64")
    rng = np.random.default_rng(1)
    x, w, b = (rng.integers(-4, 5, s).astype(np.float64) for s in (shape, (16, 8, 3, 3), (16,)))
    plain = build(layer, shape, tune=False, dtype="float64")
    assert (kernel.forward(x, w, b) == plain.forward(x, w, b)).all()
    found = json.loads(kernel.proof)["candidates"]
    assert set(found) == {"output", "grad_input", "grad_weight", "grad_bias"}
    timed = [c for c in found.values() if c[0]["seconds"] is not None]
    for tried in timed:
        assert sorted(t["seconds"] for t in tried) == [t["seconds"] for t in tried]
    assert kernel.source.count("# chosen ") == len([c for c in found.values() if len(c) > 1])


def test_the_environment_forbids_timing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> list[float]:
        raise AssertionError("timed")

    monkeypatch.setattr(tuning, "timed", refuse)
    monkeypatch.setenv(SWITCH, "0")
    build(LAYER, (1, 3, 41), tune=True)


def test_texts_without_timing_are_the_same_every_time() -> None:
    request = Request(LAYER, SHAPE, "float32", ("output", "input", "weight", "bias"), "fast", ISA)
    assert module_source(request)[0] == module_source(request)[0]


@pytest.mark.parametrize(
    "text", ["Conv2d(8, 8, 3, padding=1)", "Conv2d(8, 8, 3, stride=2)", "Conv2d(8, 8, 1)"]
)
def test_the_kernel_by_nests_costs_at_least_its_products(text: str) -> None:
    layer, shape = parse_layer(text), (1, 8, 20, 20)
    target = Target(16, 28, 32)
    for key, claim in claims_of(layer, shape, ["output", "input", "weight"]).items():
        helpers = {d.tensor.name: d for d in claim.setting.definitions}
        products = sum(p.products for p in contractions(key, claim, helpers))
        assert by_nests(key, claim, target).cost >= products / (2 * target.lanes)
