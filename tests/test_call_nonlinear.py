"""Kernels of non-linear layers as they are called: modes, codes, scalars, several results, and refusals."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from field_elements import lowered

from codegen import build
from codegen.bounded import bounds_of
from codegen.call import Kernel
from codegen.coded import coded
from codegen.errors import BuildError
from codegen.lower import kernel_name
from codegen.schedules.nest import Target
from codegen.selection import streams
from derive.errors import LayerError, LimitError
from derive.layers.base import Layer
from derive.spelling import parse_layer

functional = torch.nn.functional
BUILT: dict[Any, Kernel] = {}


def built(text: str, shape: tuple[int, ...], **options: Any) -> Kernel:
    """A kernel, compiled once for all tests of the file."""
    key = (text, shape, tuple(sorted(options.items())))
    if key not in BUILT:
        BUILT[key] = build(layer_of(text), shape, **options)
    return BUILT[key]


def layer_of(text: str) -> Layer:
    layer = parse_layer(text)
    assert isinstance(layer, Layer)
    return layer


def close(kernel: Kernel, key: str, inputs: dict[str, Any], found: Any) -> bool:
    """Whether every entry is within the running error bound of its equation."""
    _, artefact = lowered(kernel.layer, kernel.input_shape, Target(4, 12, 16))
    given = {n: np.asarray(a).reshape(-1) for n, a in inputs.items()}
    bounds = bounds_of(artefact, artefact.equations[kernel_name(key)], given, kernel.dtype, {})
    assert bounds.usable.all()
    return bool((np.abs(np.asarray(found).reshape(-1) - bounds.exact) <= bounds.error).all())


def same(found: Any, wanted: Any) -> bool:
    """Equal bit for bit but for the payload of NaN."""
    a, b = np.asarray(found), np.asarray(wanted)
    return a.shape == b.shape and bool(
        np.where(a == b, np.signbit(a) == np.signbit(b), (a != a) & (b != b)).all()
    )


# ---------------------------------------------------------------- selection

POOL, PLANE = "MaxPool2d(3, stride=2, padding=1, return_indices=True)", (2, 3, 9, 21)
VALUES = np.array([0.0, -0.0, 1.0, -1.0, np.nan, np.inf, -np.inf, 2.0], np.float32)


@pytest.mark.parametrize("most", [1, 2, 4, 8])
def test_max_pooling_is_pytorch_bit_for_bit_with_ties_and_nan(most: int) -> None:
    kernel, rng = built(POOL, PLANE), np.random.default_rng(most)
    x = rng.choice(VALUES[:most], PLANE)
    tensor = torch.tensor(x, requires_grad=True)
    wanted, places = functional.max_pool2d(tensor, 3, 2, 1, return_indices=True)
    grad = rng.choice(VALUES, wanted.shape)
    wanted.backward(torch.tensor(grad))
    output, indices = kernel.forward(x)
    assert same(output, wanted.detach()) and indices.dtype == np.int64
    assert indices.shape == output.shape and (indices == places.numpy()).all()
    again, saved = kernel.backward(grad, input=x), kernel.backward(grad, saved=indices)
    assert same(again["input"], tensor.grad) and same(saved["input"], again["input"])


def test_saved_indices_and_not_the_input_decide() -> None:
    kernel = built(POOL, PLANE)
    x, grad = np.zeros(PLANE, np.float32), np.ones((2, 3, 5, 11), np.float32)
    _, indices = kernel.forward(x)
    moved = indices.copy()
    moved[0, 0, 1, 1] += 1
    one, two = (kernel.backward(grad, saved=i)["input"] for i in (indices, moved))
    at = int(indices[0, 0, 1, 1])
    changed = np.flatnonzero((one != two)[0, 0])
    assert list(changed) == [at, at + 1] and not (one != two)[0, 1:].any()


def test_pooling_uses_a_given_workspace_and_out() -> None:
    kernel = built(POOL, PLANE)
    x = np.random.default_rng(0).standard_normal(PLANE).astype(np.float32)
    workspace = np.full(kernel.workspace_bytes + 3, 255, np.uint8)
    out = np.empty((2, 3, 5, 11), np.float32)
    first, indices = kernel.forward(x, out=out, workspace=workspace)
    assert first is out and (indices == kernel.forward(x)[1]).all()
    grad = np.ones_like(out)
    found = kernel.backward(grad, input=x, workspace=workspace)["input"]
    assert (found == kernel.backward(grad, saved=indices)["input"]).all()


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (lambda i: i.astype(np.int32), "wrong dtype", "saved"),
        (lambda i: i[:1], "wrong shape", "saved"),
        (lambda i: i - 10**6, "out of range", "saved[0, 0, 0, 0]"),
        (lambda i: "codes", "not an array", "saved"),
    ],
)
def test_saved_indices_that_do_not_fit(change: Any, what: str, where: str) -> None:
    kernel = built(POOL, PLANE)
    indices = kernel.forward(np.zeros(PLANE, np.float32))[1]
    with pytest.raises(LayerError, match=what) as refused:
        kernel.backward(np.ones((2, 3, 5, 11), np.float32), saved=change(indices))
    assert refused.value.where == where


def test_computed_codes_are_no_operand() -> None:
    kernel = built(POOL, PLANE)
    x = np.zeros(PLANE, np.float32)
    with pytest.raises(LayerError, match="no such operand"):
        kernel.forward(x, indices=np.zeros((2, 3, 5, 11), np.int64))


def test_a_stream_of_orders_takes_them_as_they_come() -> None:
    stream, one = next(streams(4)), next(streams(4))
    wanted = np.concatenate([one.take(1, np.float32) for _ in range(stream.wanted)])
    assert same(np.concatenate([stream.take(n, np.float32) for n in (3, 0, stream.wanted - 3)]), wanted)
    assert stream.done and stream.shown == stream.wanted


def test_a_plane_beyond_what_float32_counts_is_refused() -> None:
    layer = layer_of("AdaptiveMaxPool2d(1)")
    with pytest.raises(LimitError, match="float32") as refused:
        build(layer, (1, 1, 4097, 4097))
    assert "float64" in refused.value.mend
    assert coded(layer, (1, 1, 4096, 4096), "float32")["indices"].high == 2**24 - 1
    assert coded(layer, (1, 1, 4097, 4097), "float64")["indices"].high == 4097**2 - 1


# ---------------------------------------------------------------- losses

LOSS, LOGITS = "CrossEntropyLoss()", (6, 40)


@pytest.fixture
def target() -> Any:
    return np.array([0, 39, -100, 5, 5, 12])


@pytest.mark.parametrize("size", [1.0, 1e4])
def test_cross_entropy_of_extreme_logits(size: float, target: Any) -> None:
    kernel = built(LOSS, LOGITS, dtype="float64")
    x = np.random.default_rng(1).standard_normal(LOGITS) * size
    tensor = torch.tensor(x, requires_grad=True)
    wanted = functional.cross_entropy(tensor, torch.tensor(target))
    wanted.backward()
    found, grad = kernel.forward(x, target=target), kernel.backward(input=x, target=target)["input"]
    assert found.shape == () and np.isfinite(found) and np.isfinite(grad).all()
    codes = np.where(target == -100, -1, target)
    inputs = {"input": x, "target": codes, "grad_output": np.ones(())}
    assert close(kernel, "output", inputs, found) and close(kernel, "input", inputs, grad)
    assert close(kernel, "output", inputs, wanted.detach()) and close(kernel, "input", inputs, tensor.grad)
    assert not close(kernel, "output", inputs, found * (1 + 1e-9))


def test_grad_output_is_one_only_for_scalars(target: Any) -> None:
    kernel = built(LOSS, LOGITS, dtype="float64")
    x = np.random.default_rng(2).standard_normal(LOGITS)
    one = kernel.backward(input=x, target=target)["input"]
    assert (kernel.backward(np.array(2.0), input=x, target=target)["input"] == 2 * one).all()
    with pytest.raises(LayerError, match="missing operand") as refused:
        built("GELU()", (3, 50), dtype="float64").backward(input=np.zeros((3, 50)))
    assert refused.value.where == "grad_output"


@pytest.mark.parametrize(
    ("change", "what", "where"),
    [
        (lambda t: t.astype(np.int32), "wrong dtype", "target"),
        (lambda t: t[:, None], "wrong shape", "target"),
        (lambda t: t + 1, "out of range", "target[1]"),
        (lambda t: t - 1, "out of range", "target[0]"),
        (lambda t: None, "missing operand", "target"),
    ],
)
def test_targets_that_do_not_fit(change: Any, what: str, where: str, target: Any) -> None:
    kernel, x = built(LOSS, LOGITS, dtype="float64"), np.zeros(LOGITS)
    for call in (kernel.forward, lambda i, **k: kernel.backward(input=i, **k)):
        with pytest.raises(LayerError, match=what) as refused:
            call(x, target=change(target))
        assert refused.value.where == where


def test_an_out_of_range_target_is_told_with_what_is_allowed(target: Any) -> None:
    with pytest.raises(LayerError) as refused:
        built(LOSS, LOGITS, dtype="float64").forward(np.zeros(LOGITS), target=target + 1)
    assert refused.value.expected == "0 to 39, or -100, which is ignored"
    assert refused.value.got == "40 (2 of 6 out of range)"


def test_all_targets_ignored_is_nan_as_in_pytorch(target: Any) -> None:
    kernel, x = built(LOSS, LOGITS, dtype="float64"), np.zeros(LOGITS)
    ignored = np.full_like(target, -100)
    wanted = functional.cross_entropy(torch.tensor(x), torch.tensor(ignored))
    assert np.isnan(kernel.forward(x, target=ignored)) and np.isnan(wanted.item())


def test_a_target_of_the_inputs_shape_is_one_of_probabilities() -> None:
    shape = (2, 3)
    kernel = build(layer_of("CrossEntropyLoss(reduction='sum')"), shape, dtype="float64", target=shape)
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal(shape), rng.dirichlet([1.0, 1.0, 1.0], 2)
    found, grad = kernel.forward(x, target=y), kernel.backward(input=x, target=y)["input"]
    inputs = {"input": x, "target": y, "grad_output": np.ones(())}
    assert close(kernel, "output", inputs, found) and close(kernel, "input", inputs, grad)
    p = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    assert close(kernel, "input", inputs, y.sum(axis=1, keepdims=True) * p - y)


def test_cross_entropy_of_sure_and_right_probabilities_does_not_cancel() -> None:
    kernel = built("BCELoss(reduction='none')", (4,))
    x, y = np.array([1 - 2**-24, 0.9999, 1.0, 0.75], np.float32), np.ones(4, np.float32)
    wanted = functional.binary_cross_entropy(torch.tensor(x), torch.tensor(y), reduction="none").numpy()
    assert np.allclose(kernel.forward(x, target=y), wanted, rtol=1e-6, atol=0)
    assert (kernel.forward(1 - x, target=1 - y) == kernel.forward(x, target=y)).all()


# ---------------------------------------------------------------- modes and further operands


def test_batch_norm_in_training_returns_new_statistics_and_changes_nothing() -> None:
    shape = (3, 2, 4, 5)
    kernel = built("BatchNorm2d(2)", shape, dtype="float64", training=True)
    rng = np.random.default_rng(4)
    given = {o.name: rng.uniform(0.5, 2, o.shape) for o in kernel.layer.operands(shape) if o.name != "output"}
    names = ("input", "weight", "bias", "running_mean", "running_var")
    operands = {n: given[n] for n in names}
    before = {n: a.copy() for n, a in operands.items()}
    results = kernel.forward(**operands)
    assert isinstance(results, tuple) and [r.shape for r in results] == [shape, (2,), (2,)]
    assert all((operands[n] == before[n]).all() for n in names)
    for key, found in zip(("output", "new_running_mean", "new_running_var"), results, strict=True):
        assert close(kernel, key, operands, found)
    grads = kernel.backward(given["grad_output"], input=operands["input"], weight=operands["weight"])
    assert list(grads) == ["input", "weight", "bias"]
    for key, found in grads.items():
        assert close(kernel, key, given, found)


def test_evaluation_is_another_kernel() -> None:
    shape = (3, 2, 4, 5)
    kernel = built("BatchNorm2d(2, affine=False)", shape, dtype="float64")
    x = np.random.default_rng(5).standard_normal(shape)
    found = kernel.forward(x, running_mean=np.zeros(2), running_var=np.ones(2))
    inputs = {"input": x, "running_mean": np.zeros(2), "running_var": np.ones(2)}
    assert isinstance(found, np.ndarray) and close(kernel, "output", inputs, found)


def test_dropout_takes_its_mask() -> None:
    shape = (4, 30)
    kernel = built("Dropout(0.75)", shape, training=True)
    rng = np.random.default_rng(6)
    x, mask = rng.standard_normal(shape).astype(np.float32), rng.integers(0, 2, shape).astype(np.float32)
    assert (kernel.forward(x, mask=mask) == 4 * x * mask).all()
    assert (kernel.backward(x, mask=mask)["input"] == 4 * x * mask).all()
    with pytest.raises(LayerError, match="missing operand") as refused:
        kernel.forward(x)
    assert refused.value.where == "mask"


def test_an_activation_agrees_within_its_bound() -> None:
    kernel = built("GELU()", (3, 50), dtype="float64")
    rng = np.random.default_rng(7)
    x, g = rng.standard_normal((3, 50)) * 3, rng.standard_normal((3, 50))
    inputs = {"input": x, "grad_output": g}
    assert close(kernel, "output", inputs, kernel.forward(x))
    grad = kernel.backward(g, input=x)["input"]
    assert close(kernel, "input", inputs, grad) and not close(kernel, "input", inputs, grad + 1e-9)


def test_the_unknown_function_is_refused_with_the_mend() -> None:
    with pytest.raises(BuildError, match="cannot be compiled") as refused:
        build(layer_of("Activation()"), (2, 3))
    assert "GELU()" in refused.value.mend


# ---------------------------------------------------------------- record and cache


def test_the_record_says_functions_numbers_and_assumptions() -> None:
    kernel = built(LOSS, LOGITS, dtype="float64")
    proof = json.loads(kernel.proof)
    assert proof["functions"]["output"] == ["exp", "log", "recip"]
    assert proof["assumptions"] == list(kernel.layer.assumptions())
    for said in kernel.layer.assumptions():
        assert f"assumed: {said}"[:60] in kernel.source


def test_a_second_build_comes_from_the_cache_with_its_numbers() -> None:
    shape = (3, 7)
    layer = layer_of("MSELoss()")
    first, second = (build(layer, shape, dtype="float64") for _ in range(2))
    assert second.cached
    proof = json.loads(second.proof)
    assert Fraction(proof["constants"]["grad_input"]["constants"][0]) == Fraction(2, 21)
    x, y = np.arange(21.0).reshape(shape), np.ones(shape)
    for kernel in (first, second):
        assert kernel.forward(x, target=y) == ((x - y) ** 2).sum() * (1 / 21)
