"""What does not fit the quick way of a call: it goes to the method, to the same result or the same error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fast_parts import FORWARD, LAYER, SHAPE, Array, Slow, counting, drawn, fixed

from codegen import build
from codegen.call import Kernel
from derive.errors import LayerError
from derive.layers.conv import Conv2d


@pytest.fixture(scope="module")
def kernel() -> Kernel:
    found = build(LAYER, SHAPE)
    assert isinstance(found, Kernel)
    return found


@pytest.fixture
def counted(kernel: Kernel) -> Slow:
    return counting(kernel)


@pytest.fixture
def d() -> dict[str, Array]:
    return drawn()


def askew(a: Array) -> Array:
    return np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)


def warning(a: Array) -> Array:
    """Of the same shape and layout, but NumPy warns of writing to it."""
    found: Array = np.broadcast_arrays(a[0], np.zeros((1,) * a.ndim))[0]
    assert found.shape == a.shape and found.flags.c_contiguous
    return found


class Sub(np.ndarray):  # type: ignore[type-arg]
    """An exact copy of NumPy's array, by another name."""


MISFITS: dict[str, Callable[[Array], Any]] = {
    "another dtype": lambda a: a.astype(np.float64),
    "the other byte order": lambda a: a.astype(">f4"),
    "whole numbers": lambda a: a.astype(np.int32),
    "another shape": lambda a: np.zeros((*a.shape, 1), np.float32),
    "as many elements": lambda a: a.reshape(-1, 1),
    "one element": lambda a: a.reshape(-1)[0],
    "no axis": lambda a: np.zeros((), np.float32),
    "gaps": lambda a: np.repeat(a, 2, -1)[..., ::2],
    "backwards": lambda a: a[::-1] if a.shape[0] > 1 else a[..., ::-1],
    "columns first": lambda a: np.asfortranarray(np.zeros((2, 3, 4, 5), np.float32)),
    "repeated": lambda a: np.broadcast_to(a.reshape(-1)[0], a.shape),
    "not aligned": askew,
    "one that warns": lambda a: warning(a) if a.shape[0] == 1 else askew(a),
    "a subclass": lambda a: a.view(Sub),
    "masked": lambda a: np.ma.masked_array(a, a > 0),
    "a list": lambda a: a.tolist(),
    "a buffer": lambda a: memoryview(a),
    "nothing": lambda a: None,
    "a number": lambda a: 1.0,
    "a string": lambda a: "input",
    "an object with a shape": lambda a: type("Fake", (), {"shape": a.shape, "dtype": a.dtype})(),
}


def outcome(call: Callable[[], Any]) -> tuple[Any, ...]:
    """What a call gives: the bytes of its results, or its error word for word."""
    try:
        found = call()
    except Exception as fault:
        return type(fault), str(fault)
    arrays = found if isinstance(found, dict) else {"": found}
    return tuple((n, a.shape, a.dtype.str, a.tobytes()) for n, a in arrays.items())


@pytest.mark.parametrize("what", MISFITS)
@pytest.mark.parametrize("name", [*FORWARD, "grad_output", "out"])
def test_what_does_not_fit_goes_the_slow_way(
    counted: Slow, d: dict[str, Array], what: str, name: str
) -> None:
    """To the same result or the same error, word for word, as if there were no other way."""
    y = np.zeros((1, 2, 3, 3), np.float32)
    wrong = MISFITS[what](np.zeros(SHAPE, np.float32) if name == "out" else d[name])
    given = {n: wrong if n == name else d[n] for n in ("input", "weight")}
    if name in ("grad_output", "out"):
        g, out = (wrong, {}) if name == "grad_output" else (d["grad_output"], {"input": wrong})
        calls = [lambda k=k: k(g, **given, out=out) for k in (counted.backward, _plain(counted, "backward"))]
    else:
        given["bias"] = wrong if name == "bias" else d["bias"]
        calls = [lambda k=k: k(**given, out=y) for k in (counted.forward, _plain(counted, "forward"))]
    quick, slow = (outcome(call) for call in calls)
    assert quick == slow and counted.calls == 1, quick


def _plain(kernel: Kernel, name: str) -> Any:
    return getattr(Kernel, name).__get__(kernel)


CALLS: dict[str, Callable[[Any, dict[str, Array]], Any]] = {
    "no operand": lambda k, d: k.forward(),
    "too many": lambda k, d: k.forward(d["input"], d["weight"], d["bias"], d["bias"]),
    "twice": lambda k, d: k.forward(d["input"], d["weight"], d["bias"], input=d["input"]),
    "a name it lacks": lambda k, d: k.forward(d["input"], d["weight"], d["bias"], mask=d["input"]),
    "the output as operand": lambda k, d: k.forward(d["input"], d["weight"], d["bias"], output=d["input"]),
    "an unfit workspace": lambda k, d: k.forward(
        d["input"], d["weight"], d["bias"], workspace=fixed(np.zeros(4000, np.float32))
    ),
    "an output not to be written": lambda k, d: k.forward(
        d["input"], d["weight"], d["bias"], out=fixed(np.zeros((1, 2, 3, 3), np.float32))
    ),
    "an output twice": lambda k, d: k.backward(
        d["grad_output"], input=d["input"], weight=d["weight"], out={"weight": d["weight"]}
    ),
    "out that is no dict": lambda k, d: k.backward(
        d["grad_output"], input=d["input"], weight=d["weight"], out=d["input"]
    ),
    "out of no gradient": lambda k, d: k.backward(
        d["grad_output"], input=d["input"], weight=d["weight"], out={"outputs": d["input"]}
    ),
    "out with a key that raises": lambda k, d: k.backward(
        d["grad_output"], input=d["input"], weight=d["weight"], out={Raising(): d["input"]}
    ),
    "packed where no weight goes": lambda k, d: k.forward(
        k.pack_weights(d["weight"]), d["weight"], d["bias"]
    ),
    "packed by another": lambda k, d: k.forward(
        d["input"], build(LAYER, SHAPE, wrt="bias").pack_weights(d["weight"]), d["bias"]
    ),
}


class Raising:
    """A key that hashes as "input" does, and cannot be compared."""

    def __hash__(self) -> int:
        return hash("input")

    def __eq__(self, other: object) -> bool:
        raise OverflowError("compared")


def test_a_workspace_too_small_is_refused() -> None:
    kernel = build(Conv2d(1, 2, 2, padding=1), SHAPE)
    assert isinstance(kernel, Kernel) and kernel.workspace_bytes > 0
    given = np.ones((1, 2, 5, 5), np.float32), np.ones(SHAPE, np.float32), np.ones((2, 1, 2, 2), np.float32)

    def called() -> Any:
        small = np.zeros((0, 1), np.uint8)
        return kernel.backward(given[0], input=given[1], weight=given[2], workspace=small)

    quick = outcome(called)
    vars(kernel).pop("backward")
    assert quick == outcome(called) and quick[0] is LayerError


@pytest.mark.parametrize("what", CALLS)
def test_calls_that_are_refused(counted: Slow, d: dict[str, Array], what: str) -> None:
    before = {n: a.tobytes() for n, a in d.items()}
    quick = outcome(lambda: CALLS[what](counted, d))
    vars(counted).pop("forward"), vars(counted).pop("backward")
    assert quick == outcome(lambda: CALLS[what](counted, d)) and isinstance(quick[0], type), quick
    assert {n: a.tobytes() for n, a in d.items()} == before
    if what == "out with a key that raises":
        assert quick[0] is OverflowError
