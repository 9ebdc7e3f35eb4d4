"""An activation at the end of a layer: one kernel for inference, the same values, validated as one claim."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from evaluate import Evaluator

from codegen import build
from codegen.errors import BuildError
from codegen.fused import _Fused, around
from codegen.graph import GraphKernel
from codegen.loops import Call, calls
from codegen.lower import ranked
from codegen.produce import claims_of
from codegen.schedules.nest import Target
from derive import Conv2d, Graph, ReLU, Sequential
from derive.errors import LayerError
from derive.spelling import parse_layer

X = (1, 3, 8, 9)


def operands(kernel: GraphKernel, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    given = (t for t in kernel.plan.tensors.values() if t.kind != "node")
    return {t.name: rng.standard_normal(t.shape).astype(kernel.dtype) for t in given}


@pytest.mark.parametrize("then", ["ReLU()", "LeakyReLU(0.25)", "Sigmoid()", "GELU()", "Hardtanh(-0.5, 2.0)"])
@pytest.mark.parametrize("first", ["Conv2d(3, 4, 3, padding=1)", "Conv2d(3, 5, 1, bias=False)"])
def test_a_fused_pass_is_the_two_layers_one_after_the_other(first: str, then: str) -> None:
    graph = Sequential(parse_layer(first), parse_layer(then))
    fused, apart = build(graph, X, wrt=(), dtype="float64"), build(graph, X, dtype="float64")
    given = operands(fused)
    assert list(fused.kernels) == ["1"]
    assert list(apart.kernels) == ["0", "1"]
    difference = np.abs(fused.forward(given) - apart.forward(given))
    assert difference.max() <= 64 * np.finfo(np.float64).eps
    record = json.loads(fused.proof)["1"]
    assert record["layer"] == f"{parse_layer(first)!r} then {parse_layer(then)!r}"
    assert record["certificate_sha256"].count(",") == 1


def test_the_claim_is_the_function_of_both_sides() -> None:
    layer = _Fused(Conv2d(2, 2, 2), ReLU())
    claim = claims_of(layer, (1, 2, 3, 3), ["output"])["output"]
    assert str(claim.left).startswith("activated[")
    assert str(claim.right).partition(" := ")[2].startswith("relu(correlated[")
    plain = claims_of(Conv2d(2, 2, 2), (1, 2, 3, 3), ["output"])["output"]
    again = around(plain, "relu")
    assert [d.tensor.name for d in again.setting.definitions][-2:] == ["activated", "correlated"]
    assert isinstance(Evaluator(plain, {}), Evaluator)
    assert layer.parameters() == {}
    assert _Fused(Conv2d(2, 2, 2), parse_layer("LeakyReLU(0.5)")).parameters() == {
        "negative_slope": Fraction(1, 2)
    }


def test_what_is_read_elsewhere_stays_a_node_of_its_own() -> None:
    nodes = {
        "a": (Conv2d(3, 3, 3, padding=1), "x"),
        "r": (ReLU(), "a"),
        "s": (parse_layer("Add()"), "a", "r"),
    }
    kernel = build(Graph(inputs=("x",), nodes=nodes, outputs=("s",)), {"x": X}, wrt=())
    assert list(kernel.kernels) == ["a", "r", "s"]
    outputs = Graph(inputs=("x",), nodes={n: nodes[n] for n in "ar"}, outputs=("a", "r"))
    assert list(build(outputs, {"x": X}, wrt=()).kernels) == ["a", "r"]


def test_a_pass_with_gradients_keeps_the_sums() -> None:
    kernel = build(Sequential(Conv2d(3, 4, 3), ReLU()), X)
    assert list(kernel.kernels) == ["0", "1"]
    assert set(kernel.backward(np.ones((1, 4, 6, 7), np.float32), operands(kernel))) == {
        "input",
        "0.weight",
        "0.bias",
    }


def test_saved_tensors_of_a_fused_pass_have_no_sums() -> None:
    kernel = build(Sequential(Conv2d(3, 4, 3), ReLU()), X, wrt=())
    saved = kernel.saved()
    kernel.forward(operands(kernel), saved=saved)
    assert (saved["1"] >= 0).all()
    with pytest.raises(LayerError, match="no such tensor"):
        saved["0"]


def test_another_function_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel of another activation than the claim's does not pass validation."""
    from codegen import lower

    right = lower.ranked

    def wrong(*given: Any) -> Any:
        claim = given[1]
        other = around_other(claim)
        return right(given[0], other, *given[2:])

    def around_other(claim: Any) -> Any:
        from dataclasses import replace

        (term,) = claim.right.body.terms
        (factor,) = term.factors
        changed = replace(term, factors=(replace(factor, function="sigmoid"),))
        return replace(claim, right=replace(claim.right, body=replace(claim.right.body, terms=(changed,))))

    monkeypatch.setattr(lower, "ranked", wrong)
    with pytest.raises(BuildError):
        build(Sequential(Conv2d(3, 4, 3), ReLU()), (1, 3, 7, 6), wrt=())


def test_the_function_is_applied_in_the_kernel_of_the_sums() -> None:
    layer = _Fused(Conv2d(3, 4, 3), ReLU())
    claim = claims_of(layer, X, ["output"])["output"]
    kernel = ranked("output", claim, Target(16, 28, 32))[0].kernel
    used = {c.operation for c in calls(kernel.body) if isinstance(c, Call)}
    assert used & {"v_fn_relu", "e_fn_relu"}
    assert used & {"v_fma", "e_fma"}
