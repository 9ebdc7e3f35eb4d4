"""Wrong backward passes that look right on symbols or on large whole numbers; right ones that look odd."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from test_verify import LAYER, SHAPE, Arrays, backward, exact_zeros

from derive.errors import LayerError
from derive.verification import verify

Pass = Callable[..., Arrays]


def plain(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    """Right, with float buffers: symbols are refused."""
    return backward(dout, x, w, stride, pad, dilation, np.zeros)


def on_symbols(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    return backward(dout, x, w, stride, pad, dilation, exact_zeros)


def changed(change: Callable[[Arrays], Arrays], base: Pass = plain) -> Pass:
    """A backward pass whose result is changed at the end."""

    def altered(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
        return change(base(dout, x, w, stride, pad, dilation))

    return altered


def first(function: Callable[[Any], Any]) -> Callable[[Arrays], Arrays]:
    return lambda found: (function(found[0]), *found[1:])


def clipped(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    return plain(np.clip(dout, -1000, 1000), x, w, stride, pad, dilation)


def half(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    return plain(dout, x.astype(np.float16).astype(np.float64), w, stride, pad, dilation)


def by_dtype(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    found = on_symbols(dout, x, w, stride, pad, dilation)
    return found if x.dtype == object else (2 * found[0], *found[1:])


def swallowing(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
    with suppress(TypeError):
        dout = dout * (dout > 0)
    return on_symbols(dout, x, w, stride, pad, dilation)


class Remembering:
    """Right once, then always the same answer."""

    def __init__(self) -> None:
        self.answers: dict[Any, Arrays] = {}

    def __call__(self, dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
        key = x.dtype.kind, x.shape
        return self.answers.setdefault(key, on_symbols(dout, x, w, stride, pad, dilation))


def constant(found: Arrays) -> Arrays:
    grad = found[1].copy()
    grad[0, 0, 0, 0] += 1e-12
    return found[0], grad, found[2]


WRONG = {
    "integer buffer": changed(first(lambda g: g.astype(int))),
    "rounded": changed(first(np.round)),
    "floor": changed(first(lambda g: g // 1)),
    "small gradients cut": changed(first(lambda g: np.where(abs(g) < 1e-3, 0, g))),
    "a small constant": changed(constant),
    "clipped": clipped,
    "half precision": half,
    "32-bit integers": changed(first(lambda g: g.astype(np.int32))),
    "branch on the dtype": by_dtype,
    "a comparison that swallows the refusal": swallowing,
    "remembers": Remembering(),
}


@pytest.mark.parametrize("function", WRONG.values(), ids=WRONG)
def test_refuted(function: Pass) -> None:
    found = verify(function, LAYER, SHAPE)
    assert not found.ok and found.label == "REFUTED", found.report


def test_the_undisguised_are_right() -> None:
    assert verify(plain, LAYER, SHAPE).label.startswith("CHECKED")
    assert verify(on_symbols, LAYER, SHAPE).label.startswith("THIS SIZE")


def test_a_constant_is_told_as_a_constant() -> None:
    def shifted(found: Arrays) -> Arrays:
        return found[0], found[1] + 0.001, found[2]

    assert "got 0.001" in verify(changed(shifted), LAYER, SHAPE).report


def test_rounded_results_are_neither_proved_nor_refuted() -> None:
    """There and back by a Fourier transform: right, and nowhere exact."""

    def there_and_back(grad: Any) -> Any:
        return np.fft.irfft(np.fft.rfft(grad.ravel()), grad.size).reshape(grad.shape)

    thirds = changed(first(lambda grad: grad * (1 / 3) * 3), on_symbols)
    assert verify(thirds, LAYER, SHAPE).label == "NOT CHECKED"
    found = verify(changed(first(there_and_back)), LAYER, SHAPE)
    assert found.label == "NOT CHECKED" and not found.ok and "rounding" in found.report


def test_symbols_added_at_places_of_a_float_buffer() -> None:
    """np.add.at raises a SystemError then, with NumPy's own error pending."""

    def scattered(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
        spots = np.arange(2)
        np.add.at(np.zeros(x.shape), (0, 0, spots, spots), dout[0, 0, spots, spots])
        return plain(dout, x, w, stride, pad, dilation)

    assert verify(scattered, LAYER, SHAPE).label.startswith("CHECKED")


@pytest.mark.parametrize("leave", [lambda: sys.exit(0), lambda: next(iter(()))], ids=["exit", "stop"])
def test_leaving_is_no_proof(leave: Callable[[], Any]) -> None:
    def left(dout: Any, x: Any, w: Any) -> Any:
        return leave()

    assert verify(left, LAYER, SHAPE).label == "REFUTED"


def test_contradictory_results_are_the_users_mistake() -> None:
    def both(dout: Any, x: Any, w: Any, stride: Any, pad: Any, dilation: Any) -> dict[str, Any]:
        found = plain(dout, x, w, stride, pad, dilation)
        return {"dx": found[0], "dw": found[1], "grad_w": 2 * found[1]}

    with pytest.raises(LayerError, match="two results"):
        verify(both, LAYER, SHAPE)


def test_nothing_to_pass_operands_to() -> None:
    with pytest.raises(LayerError, match="no parameter"):
        verify(lambda *everything, **named: None, LAYER, SHAPE)
    with pytest.raises(LayerError, match="not a layer"):
        verify(plain, "Conv2d(1, 1, 1)", (1, 1, 1, 1))  # type: ignore[arg-type]
