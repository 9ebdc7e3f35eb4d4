"""Compiled graphs: the kernels of the nodes together, against PyTorch and against the printed pass."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from graph_cases import CASES
from test_graph_proof import composed, drawn, evaluator

from codegen import build
from codegen.graph import GraphKernel
from derive import Sequential, parse_layer
from derive.errors import LayerError
from derive.graph_numbers import places_taken
from derive.layers import registry
from derive.numbers_reals import Reals

LAYERS = registry()
BUILT = [
    pytest.param(name, marks=[pytest.mark.sweep] * (name in ("branches", "soft", "twice"))) for name in CASES
]
"""Building takes seconds a layer: three of the graphs only in the full sweep."""

KERNELS: dict[tuple[str, str], GraphKernel] = {}


def kernel(name: str, dtype: str = "float64") -> GraphKernel:
    """Built once a session."""
    if (name, dtype) not in KERNELS:
        case = CASES[name]
        KERNELS[name, dtype] = build(parse_layer(case.text), case.shapes, dtype=dtype)
    return KERNELS[name, dtype]


def values_of(made: GraphKernel, seed: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tensors and the derivative of the loss by each output, in the kernel's dtype."""
    rng = np.random.default_rng(seed)
    tensors = {
        n: v.astype(made.dtype) if v.dtype.kind == "f" else v for n, v in drawn(made.plan, rng).items()
    }
    outputs = made.plan.graph.outputs
    return tensors, {n: rng.normal(size=made.plan.shape(n)).astype(made.dtype) for n in outputs}


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.sweep)])
@pytest.mark.parametrize("name", BUILT)
def test_kernels_compute_the_printed_pass(name: str, dtype: str) -> None:
    """Within the bound that is derived for a computation of the definitions in this dtype."""
    made, case = kernel(name, dtype), CASES[name]
    tensors, seeds = values_of(made)
    saved = made.saved()
    made.forward(tensors, saved=saved)
    found = made.backward(seeds, saved=saved)
    part, numbers = composed(case), Reals(dtype)
    judge = evaluator(part, numbers)
    given = tensors | {title: seeds[o] for o, title in part.plan.cotangents().items()}
    exact = judge.at(given | places_taken(part, judge, given))
    for node in part.plan.placed:
        value = exact.tensor(part.tensor(node.name).name)
        assert np.all(np.abs(saved[node.name].reshape(-1) - value.value) <= numbers.error(value)), node.name
    assert list(found) == [t for t in made.plan.tensors if t in part.plan.wanted]
    for wrt, gradient in found.items():
        value = exact.tensor(part.gradients[wrt].name)
        assert gradient.shape == made.plan.shape(wrt) and gradient.dtype == dtype
        assert np.all(np.abs(gradient.reshape(-1) - value.value) <= numbers.error(value)), wrt


@pytest.mark.parametrize("name", BUILT)
def test_kernels_agree_with_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    made, case = kernel(name), CASES[name]
    tensors, seeds = values_of(made)
    theirs = {n: torch.tensor(v, requires_grad=v.dtype.kind == "f") for n, v in tensors.items()}
    outputs = case.run(theirs)
    sum((outputs[n] * torch.tensor(v)).sum() for n, v in seeds.items()).backward()
    saved = made.saved()
    given = made.forward(tensors, saved=saved)
    found = made.backward(seeds, saved=saved)
    part, numbers = composed(case), Reals("float64")
    judge = evaluator(part, numbers)
    every = tensors | {title: seeds[o] for o, title in part.plan.cotangents().items()}
    exact = judge.at(every | places_taken(part, judge, every))
    for node, output in (given if isinstance(given, dict) else {made.graph.outputs[0]: given}).items():
        most = 2 * numbers.error(exact.tensor(part.tensor(node).name))  # each of the two may be off by it
        assert np.all(np.abs(output - outputs[node].detach().numpy()).reshape(-1) <= most), node
    for wrt, gradient in found.items():
        most = 2 * numbers.error(exact.tensor(part.gradients[wrt].name))
        assert np.all(np.abs(gradient - theirs[wrt].grad.numpy()).reshape(-1) <= most), wrt


def test_a_scalar_loss_needs_no_gradient() -> None:
    made = kernel("cnn")
    tensors, _ = values_of(made)
    saved = made.saved()
    loss = made.forward(tensors, saved=saved)
    assert loss.shape == () and loss == saved["5"]
    one = made.backward(saved=saved)
    twice = made.backward(np.full((), 2.0), saved=saved)
    assert np.array_equal(saved["4"].shape, (2, 3))
    for wrt in one:
        assert np.array_equal(2 * one[wrt], twice[wrt]), wrt


def test_nothing_is_kept_between_calls() -> None:
    """Two passes at once, each with its own saved tensors, and one without any: the same gradients."""
    made = kernel("residual")
    (first, seed), (second, _) = values_of(made, 1), values_of(made, 2)
    wanted = made.backward(seed["s"], first)
    one, other = made.saved(), made.saved()
    made.forward(first, saved=one)
    made.forward(second, saved=other)
    for wrt, gradient in made.backward(seed["s"], saved=one).items():
        assert np.array_equal(gradient, wanted[wrt])
    assert not np.array_equal(made.backward(seed["s"], saved=other)["a.weight"], wanted["a.weight"])
    assert made.forward(x=first["x"], **{k: v for k, v in first.items() if k != "x"}).shape == (1, 2, 3, 2)


def test_fan_out_is_summed() -> None:
    """Sabotage: a backward pass that overwrites what came back before is seen by the comparison above."""
    made = kernel("residual")
    tensors, seeds = values_of(made)
    saved = made.saved()
    made.forward(tensors, saved=saved)
    right = made.backward(seeds, saved=saved)["x"]
    through_layer = made.kernels["a"].backward(
        seeds["s"], **{o: saved[t] for o, t in made.plan.placed[0].reads.items()}
    )["input"]
    assert np.array_equal(right, seeds["s"] + through_layer)
    assert not np.array_equal(right, through_layer) and not np.array_equal(right, seeds["s"])


def test_training_gives_new_statistics() -> None:
    made = build(Sequential(LAYERS["BatchNorm1d"](3)), (4, 3), dtype="float64", training=True)
    tensors, seeds = values_of(made)
    tensors["0.running_var"] = np.abs(tensors["0.running_var"])
    before = {n: v.copy() for n, v in tensors.items()}
    saved = made.saved()
    made.forward(tensors, saved=saved)
    assert all(np.array_equal(tensors[n], before[n]) for n in tensors), "mutates nothing"
    mean = 0.9 * before["0.running_mean"] + 0.1 * before["input"].mean(0)
    assert set(saved.updates) == {"0.running_mean", "0.running_var"}
    assert np.abs(saved.updates["0.running_mean"] - mean).max() <= 8 * np.finfo(float).eps * 4
    assert made.backward(seeds, saved=saved)["0.bias"].shape == (3,)


def test_equal_layers_share_a_kernel_and_gradients_can_be_chosen() -> None:
    graph = parse_layer("Graph('x', {'a': (ReLU(), 'x'), 'b': (ReLU(), 'a'), 'c': (Add(), 'b', 'x')}, 'c')")
    made = build(graph, (2, 3), wrt="a")
    assert made.wrt == ("a",) and made.kernels["a"].wrt == () and made.kernels["b"].wrt == ("input",)
    assert made.kernels["c"].wrt == ("input",)
    whole = build(graph, (2, 3))
    assert whole.kernels["a"] is whole.kernels["b"]
    assert json.loads(whole.proof).keys() == {"a", "b", "c"}
    x = np.array([[1, -1, 2], [0, 3, -2]], np.float32)
    assert np.array_equal(
        made.backward(np.ones((2, 3), np.float32), {"x": x})["a"], (x > 0).astype(np.float32)
    )


def test_calls_refused() -> None:
    made = kernel("residual")
    tensors, seeds = values_of(made)
    saved, other = made.saved(), kernel("cnn").saved()
    refused: list[tuple[Any, str]] = [
        (lambda: made.forward({**tensors, "w": tensors["x"]}), "no such tensor"),
        (lambda: made.forward(tensors["x"]), "without its name"),
        (lambda: made.backward(seeds["s"], tensors["x"]), "without its name"),
        (lambda: made.forward({n: v for n, v in tensors.items() if n != "a.bias"}), "a.bias"),
        (lambda: made.forward({**tensors, "x": tensors["x"][:, :1]}), "wrong shape"),
        (lambda: made.forward({**tensors, "x": tensors["x"].astype(np.float32)}), "astype"),
        (lambda: made.forward(tensors, saved=other), "another kernel"),
        (lambda: made.backward(seeds["s"], saved=saved), "nothing saved"),
        (lambda: made.backward(seeds["s"], tensors, saved=saved), "twice"),
        (lambda: made.backward(None, tensors), "grad_output"),
        (lambda: made.backward({"q": seeds["s"]}, tensors), "no such output"),
        (lambda: made.backward(seeds["s"][:, :1], tensors), "grad_output"),
        (lambda: saved["q"], "no such tensor"),
        (lambda: build(parse_layer(CASES["residual"].text), (1, 2, 3, 3), wrt="q"), "no such gradient"),
        (lambda: build(parse_layer(CASES["residual"].text), (1, 2, 3, 3), dtype="int8"), "dtype"),
    ]
    for call, words in refused:
        with pytest.raises(LayerError, match=words):
            call()
