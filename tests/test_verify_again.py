"""Calls after the first: a buffer that is kept is refuted and named; what is cleared in between is right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from derive.spelling import parse_layer
from derive.verification import VerifyResult, verify
from derive.verify_run import Case

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


def test_symbols_of_another_shape_are_not_called_entries_of_this_one() -> None:
    """While a function is made small it may hold what earlier shapes gave it."""
    one, other = (Case.of(LAYER, shape, "backward") for shape in ((4, 3), (1, 3)))
    for case in (one, other):
        mine = [entry.text(case.symbol_text) for entry in case.symbols()["input"].ravel()]
        assert mine == [f"input[{i}, {j}]" for i, j in np.ndindex(case.shape)]
    for array in one.symbols().values():
        assert {entry.text(other.symbol_text) for entry in array.ravel()} == {"a symbol of another run"}


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


@pytest.mark.parametrize("name", ["zero_gradient", "cleargrads", "clear_grad", "reset_gradients", "zeroGrad"])
def test_it_may_be_cleared_by_other_names(name: str) -> None:
    other = type("Other", (Dense,), {name: Cleared.zero_grad})
    assert verify(other, LAYER, SHAPE).label == "THIS SIZE, 28 identities, exhaustive"


def test_a_method_that_clears_something_else_does_not_count() -> None:
    is_named(verify(type("Other", (Dense,), {"zero_gradients_of": Cleared.zero_grad}), LAYER, SHAPE))


class Once(Cleared):
    """It refuses to be run again."""

    def forward(self, A: Array) -> Array:
        if hasattr(self, "A"):
            raise RuntimeError("a second time")
        return super().forward(A)


@pytest.mark.parametrize(("text", "shape"), [("Linear(3, 2)", (4, 3)), ("Tanh()", (2, 3))])
def test_an_object_that_raises_when_it_is_run_again_is_refuted(text: str, shape: tuple[int, ...]) -> None:
    class Bent(Once):
        def forward(self, A: Array) -> Array:
            super().forward(np.zeros((0, 3)))
            self.A = np.tanh(A)
            return self.A

        def backward(self, dLdZ: Array) -> Array:
            return dLdZ * (1 - self.A**2)

    found = verify(Once() if text.startswith("Linear") else Bent(), parse_layer(text), shape)
    assert found.label == "REFUTED", found.report
    assert "a second call on the same operands raised RuntimeError: a second time" in found.report
    assert "smallest failing shape found" in found.report


def test_what_is_wrong_at_once_is_said_before_it() -> None:
    class Doubled(Once):
        def backward(self, dLdZ: Array) -> Array:
            return 2 * super().backward(dLdZ)

    found = verify(Doubled(), LAYER, SHAPE)
    assert found.label == "REFUTED" and "second call" not in found.report
    assert "gradient doubled" in found.report


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
