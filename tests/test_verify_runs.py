"""Runs of their own: operands overwritten, targets ignored, variances about eps; mistakes they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from test_verify_museum import named

from derive.spelling import parse_layer
from derive.verification import verify
from derive.verify_draws import drawn

Function = Callable[..., Any]
Array = Any
OVERWRITES = "overwrites its operands: "


def linear_backward(x: Array, w: Array, dout: Array) -> Any:
    found = dout @ w, dout.T @ x, dout.sum(0)
    x[...] = 0
    return found


def linear_on_numbers(x: Array, w: Array, dout: Array) -> Any:
    return linear_backward(x, w, np.array(dout, np.float64))


def relu_backward(dout: Array, x: Array) -> Array:
    dout[x <= 0] = 0
    return dout


def sigmoid_backward(dout: Array, x: Array) -> Array:
    s = 1 / (1 + np.exp(-x))
    x[...] = 0
    return dout * s * (1 - s)


class InPlace:
    """A course-style activation that clears what it was given."""

    def forward(self, A: Array) -> Array:
        self.A = A.copy()
        A[...] = 0
        return np.tanh(self.A)

    def backward(self, dLdZ: Array) -> Array:
        return dLdZ * (1 - np.tanh(self.A) ** 2)


@pytest.mark.parametrize(
    ("target", "text", "shape", "names"),
    [
        (linear_backward, "Linear(3, 2)", (2, 3), "input"),
        (linear_on_numbers, "Linear(3, 2)", (2, 3), "input"),
        (relu_backward, "ReLU()", (2, 3), "grad_output"),
        (sigmoid_backward, "Sigmoid()", (2, 3), "input"),
        (InPlace(), "Tanh()", (2, 3), "input"),
    ],
)
def test_overwritten_operands_are_named(target: Any, text: str, shape: tuple[int, ...], names: str) -> None:
    """Right results, so the verdict stands: they are compared at the operands as they were."""
    found = verify(target, parse_layer(text), shape)
    assert found.ok and f"{OVERWRITES}{names} " in found.report, found.report


def test_overwritten_operands_of_a_wrong_function_are_named() -> None:
    def cleared(dout: Array, x: Array) -> Array:
        x[...] = 0
        return dout * (x > 0)

    found = verify(cleared, parse_layer("ReLU()"), (2, 3))
    assert found.label == "REFUTED" and f"{OVERWRITES}input " in found.report, found.report
    assert len(found.report.splitlines()) < 20


def test_a_function_that_leaves_its_operands_alone() -> None:
    clean = verify(
        lambda dout, x, w: (dout @ w, dout.T @ x, dout.sum(0)), parse_layer("Linear(3, 2)"), (2, 3)
    )
    assert clean.ok and OVERWRITES not in clean.report


def probabilities(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cross_entropy(bug: str) -> Function:
    """The gradient of the mean over the targets that are not ignored."""

    def backward(x: Array, y: Array, dout: Array, ignore_index: int) -> Array:
        counted = y != ignore_index
        found = probabilities(x) - (y[:, None] == np.arange(x.shape[1]))
        if bug != "kept":
            found[~counted] = 0
        return dout * found / {"N": len(x), "NC": counted.sum() * x.shape[1]}.get(bug, counted.sum())

    return backward


IGNORE = {"CrossEntropyLoss()": "-100", "CrossEntropyLoss(ignore_index=1)": "1"}


@pytest.mark.parametrize("text", IGNORE)
def test_ignored_targets(text: str) -> None:
    """A run with ignored targets has its own line; who does not handle them is refuted there."""
    layer, said = parse_layer(text), f"with ignored targets (ignore_index={IGNORE[text]})"
    right = verify(cross_entropy(""), layer, (4, 3))
    assert right.ok and f"{said} it agrees too" in right.report, right.report
    for bug in ("kept", "N"):
        wrong = verify(cross_entropy(bug), layer, (4, 3))
        assert wrong.label == "REFUTED" and f"{said}: grad_input" in wrong.report, wrong.report
        title = {"kept": "not left out", "N": "counted in the mean"}[bug]
        named(wrong, f"ignored targets {title}")
    named(verify(cross_entropy("NC"), layer, (4, 3)), "divided by N*C, the classes too")


def test_no_target_was_ignored() -> None:
    """A function that cannot take the default ignore_index is judged on classes, and the report says so."""

    def textbook(x: Array, y: Array) -> Array:
        found = probabilities(x)
        found[np.arange(len(x)), y] -= 1
        return found / len(x)

    found = verify(textbook, parse_layer("CrossEntropyLoss()"), (4, 3))
    assert found.ok and "no target was ignored in what agreed" in found.report, found.report
    assert verify(textbook, parse_layer("CrossEntropyLoss(ignore_index=-1)"), (4, 3)).label == "REFUTED"
    single = verify(textbook, parse_layer("CrossEntropyLoss()"), (1, 3))
    assert single.ok and "no target was ignored (ignore_index=-100)" in single.report, single.report


def test_nll_with_ignored_targets() -> None:
    """Two-dimensional targets, with weights of the classes."""

    def backward(x: Array, y: Array, dout: Array, class_weight: Array, bug: bool = False) -> Array:
        hit = y[:, None] == np.arange(x.shape[1])[:, None]
        shares = hit * class_weight[:, None]
        return -dout * shares / shares.sum()

    text = "NLLLoss(weighted=True, ignore_index=0)"
    found = verify(backward, parse_layer(text), (2, 3, 2))
    assert found.label == "REFUTED" and "with ignored targets (ignore_index=0): " in found.report


def norm_backward(bug: str) -> Function:
    """Batch normalisation in training; with a bug or without."""

    def backward(dout: Array, x: Array, gamma: Array, eps: float) -> Any:
        over, along = (0, 2, 3), (1, -1, 1, 1)
        var = x.var(over, keepdims=True)
        inverse = 1 / (np.sqrt(var) + eps) if bug == "outside" else 1 / np.sqrt(var + eps)
        normal = (x - x.mean(over, keepdims=True)) * inverse
        pull = dout - dout.mean(over, keepdims=True) - normal * (dout * normal).mean(over, keepdims=True)
        both = (dout * normal).sum(over), dout.sum(over)
        return (gamma.reshape(along) * inverse * pull, *(both[::-1] if bug == "swapped" else both))

    return backward


@pytest.mark.parametrize("eps", ["1e-5", "1e-3", "1e-8"])
def test_eps_outside_of_the_root(eps: str) -> None:
    """Variances of about eps tell what rounding to float32 would explain at others."""
    layer = parse_layer(f"BatchNorm2d(2, eps={eps}, training=True)")
    named(verify(norm_backward("outside"), layer, (3, 2, 2, 2)), "eps added outside of the root")
    right = verify(norm_backward(""), layer, (3, 2, 2, 2))
    assert right.ok and "variances of about eps" in right.report, right.report


def test_eps_outside_of_the_root_forward() -> None:
    def forward(x: Array, gamma: Array, beta: Array, eps: float) -> Array:
        return gamma * (x - x.mean(0)) / (np.sqrt(x.var(0)) + eps) + beta

    named(
        verify(forward, parse_layer("BatchNorm1d(2, training=True)"), (4, 2)),
        "eps added outside of the root",
    )


def test_single_precision_of_a_norm_is_not_checked() -> None:
    def single(dout: Array, x: Array, gamma: Array, eps: float) -> Any:
        return tuple(a.astype(np.float32) for a in norm_backward("")(dout, x, gamma, eps))

    found = verify(single, parse_layer("BatchNorm2d(2, training=True)"), (3, 2, 2, 2))
    assert found.label == "NOT CHECKED" and "float32" in found.report, found.report


def test_swapped_gradients_of_a_norm() -> None:
    layer = parse_layer("BatchNorm2d(2, training=True)")
    named(verify(norm_backward("swapped"), layer, (3, 2, 2, 2)), "weight and bias gradients swapped")


@pytest.mark.parametrize(("text", "log"), [("Softmax(1)", False), ("LogSoftmax(-1)", True)])
def test_softmax_backward_over_the_wrong_axis(text: str, log: bool) -> None:
    def backward(dout: Array, x: Array) -> Array:
        p = probabilities(x)
        return dout - p * dout.sum(0) if log else p * (dout - (dout * p).sum(0))

    named(verify(backward, parse_layer(text), (3, 4)), "backward of the softmax summed over the wrong axis")


def test_drawn_targets_and_variances() -> None:
    """Some targets are ignored and some are not; ordinary ones never; a fine variance is about eps."""
    draw = np.random.default_rng(1)
    layer, norm = parse_layer("NLLLoss(ignore_index=2)"), parse_layer("BatchNorm1d(2, training=True)")
    for _ in range(20):
        ignored = drawn(layer, (4, 3), "ignored", draw)["target"] == 2
        assert ignored.any() and not ignored.all()
        assert (drawn(layer, (4, 3), "apart", draw)["target"] != 2).all()
        variance = drawn(norm, (50, 2), "fine", draw)["input"].var(0)
        assert (variance > 1e-6).all() and (variance < 1e-4).all()
