"""Calls after the first: a buffer that is kept is refuted and named; what is cleared in between is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from derive.spelling import parse_layer
from derive.verification import VerifyResult, verify

Array = Any
HELD = "equals the right answer with this known bug: gradient added to what the buffer held"
LAYER, SHAPE = parse_layer("Linear(3, 2)"), (4, 3)


def kept(dtype: Any) -> Callable[..., Any]:
    """The weight's gradient in a buffer that the first call makes."""
    held: dict[tuple[int, ...], Array] = {}

    def backward(dout: Array, x: Array) -> dict[str, Array]:
        shape = (dout.shape[1], x.shape[1])
        buffer = held.setdefault(shape, np.zeros(shape, dtype))
        buffer += dout.T @ x
        return {"dw": buffer}

    return backward


def is_named(found: VerifyResult) -> None:
    lines = found.report.splitlines()
    assert found.label == "REFUTED" and HELD in lines, found.report
    assert "Linear(1, 1) at (1, 1)" in found.report or "Linear(3, 2) at (1, 3)" in found.report
    assert ": a second call on the same operands: got " in lines[3] and ", expected " in lines[3]


def test_a_buffer_of_objects_shows_both_terms() -> None:
    found = verify(kept(object), LAYER, SHAPE)
    is_named(found)
    assert "got 2*grad_output[0, 0]*input[0, 0], expected grad_output[0, 0]*input[0, 0]" in found.report


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_buffer_of_floats_is_refuted_on_whole_numbers(dtype: str) -> None:
    found = verify(kept(dtype), LAYER, SHAPE)
    is_named(found)
    assert "at whole numbers" in found.report


def test_a_function_that_was_called_before_is_named_too() -> None:
    """The buffer holds something from the beginning: no call is right, each adds the right gradient."""
    function = kept("float64")
    verify(function, LAYER, SHAPE)
    assert HELD in verify(function, LAYER, SHAPE).report


class Dense:
    """A course-style layer whose gradients are added up."""

    def __init__(self) -> None:
        self.W, self.b = np.zeros((2, 3)), np.zeros(2)
        self.dLdW: Array = 0
        self.dLdb: Array = 0

    def forward(self, A: Array) -> Array:
        self.A = A
        return A @ self.W.T + self.b

    def backward(self, dLdZ: Array) -> Array:
        self.dLdW = self.dLdW + dLdZ.T @ self.A
        self.dLdb = dLdZ.sum(0)
        return dLdZ @ self.W


class Cleared(Dense):
    """Adding up is its convention: it is told when to begin again."""

    def zero_grad(self) -> None:
        self.dLdW = 0


class Stale(Dense):
    """The input of the first call is kept."""

    def forward(self, A: Array) -> Array:
        self.A = getattr(self, "A", A)
        return A @ self.W.T + self.b

    def backward(self, dLdZ: Array) -> Array:
        self.dLdW = 0
        return super().backward(dLdZ)


@pytest.mark.parametrize("target", [Dense, Dense()], ids=["class", "object"])
def test_an_object_that_adds_up_is_refuted(target: Any) -> None:
    is_named(verify(target, LAYER, SHAPE))


def test_an_object_that_is_cleared_is_right() -> None:
    assert verify(Cleared(), LAYER, SHAPE).label == "THIS SIZE, 28 identities, exhaustive"


def test_an_object_that_keeps_its_first_input_is_refuted() -> None:
    """Right on fresh instances, and on the same operands again; wrong on others."""
    found = verify(Stale(), LAYER, SHAPE)
    assert found.label == "REFUTED" and ": a third call, on other operands: got " in found.report
    assert "known bug" not in found.report


def test_a_layer_with_functions_is_called_again_too() -> None:
    held: list[Array] = []

    def backward(dout: Array, x: Array) -> Array:
        if not held or held[0].shape != x.shape:
            held[:] = [np.zeros(x.shape)]
        held[0] += dout * (1 - np.tanh(x) ** 2)
        return held[0]

    found = verify(backward, parse_layer("Tanh()"), (2, 3))
    assert found.label == "REFUTED" and HELD in found.report, found.report
    assert verify(lambda dout, x: dout * (1 - np.tanh(x) ** 2), parse_layer("Tanh()"), (2, 3)).ok
