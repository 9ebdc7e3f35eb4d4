"""Other people's backward passes: right ones pass with the label they earn, each known bug is named."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from derive.errors import LayerError
from derive.layers.conv import Conv1d, Conv2d
from derive.verification import verify
from derive.verify_poly import Poly, SymbolUse

LAYER, SHAPE = Conv2d(2, 3, 3, stride=2, padding=1), (2, 2, 7, 6)
Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]


def exact_zeros(shape: tuple[int, ...]) -> np.ndarray:
    found = np.empty(shape, object)
    found.fill(0)
    return found


def pairs(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else tuple(value)


def borders(pad: Any) -> Any:
    return tuple(pairs(p) for p in pairs(pad))


def backward(
    dout: np.ndarray,
    x: np.ndarray,
    w: np.ndarray,
    stride: Any,
    pad: Any,
    dilation: Any,
    zeros: Callable,
    bug: str = "",
) -> Arrays:
    """A NumPy backward pass in the usual style (window by window), with a bug to choose."""
    (sh, sw), (dh, dw_), border = pairs(stride), pairs(dilation), borders(pad)
    if bug == "swapped":
        (sh, sw), (dh, dw_) = (dh, dw_), (sh, sw)
    padded = np.pad(x, ((0, 0), (0, 0), *border))
    grad_padded, grad_weight = zeros(padded.shape), zeros(w.shape)
    turned = {"noflip": w[:, :, ::-1, ::-1], "oneflip": w[:, :, :, ::-1], "channels": w.swapaxes(0, 1)}.get(
        bug, w
    )
    for row in range(dout.shape[2]):
        for column in range(dout.shape[3]):
            top, left = (row, column) if bug == "stride" else (row * sh, column * sw)
            tall, wide = dh * (w.shape[2] - 1) + 1, dw_ * (w.shape[3] - 1) + 1
            window = (slice(None), slice(None), slice(top, top + tall, dh), slice(left, left + wide, dw_))
            pixel = dout[:, :, row, column]
            grad_padded[window] += np.tensordot(pixel, turned, (1, 0))
            grad_weight += np.tensordot(pixel, padded[window], (0, 0))
    (top, _), (left, _) = border
    if bug == "padding":
        top, left = top - 1, left - 1
    grad_input = grad_padded[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    grad_bias = dout.sum(axis=(0, 2, 3))
    if bug == "average":
        grad_weight = grad_weight / x.shape[0]
    if bug == "bias":
        grad_bias = dout.sum(axis=(0, 2))[:, 0]
    return grad_input, grad_weight, grad_bias


def subject(zeros: Callable = exact_zeros, bug: str = "") -> Callable[..., Arrays]:
    def conv_backward(dout: Any, x: Any, w: Any, b: Any, stride: Any, pad: Any, dilation: Any) -> Arrays:
        return backward(dout, x, w, stride, pad, dilation, zeros, bug)

    return conv_backward


def test_right_function_on_symbols_is_exhaustive() -> None:
    found = verify(subject(), LAYER, SHAPE)
    entries = 2 * 2 * 7 * 6 + 3 * 2 * 9 + 3
    assert found and found.label == f"THIS SIZE, {entries:,} identities, exhaustive"
    assert "covered: input, weight, bias" in found.report
    assert verify(subject(), Conv2d(2, 2, (2, 3), stride=(1, 2), padding=(1, 0), dilation=2), (1, 2, 6, 7)).ok


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_function_with_a_float_buffer_is_checked(dtype: str) -> None:
    found = verify(subject(lambda shape: np.zeros(shape, dtype)), LAYER, SHAPE)
    assert found.ok and found.label.startswith("CHECKED, miss probability <= 2^-")
    assert int(found.label.rpartition("-")[2]) >= 60
    assert "degree at most 2" in found.report and "symbols were refused" in found.report


BUGS = {
    "noflip": "kernel not flipped",
    "oneflip": "kernel flipped on one axis only",
    "stride": "stride dropped",
    "swapped": "stride and dilation swapped",
    "average": "averaged over the batch",
    "bias": "bias gradient summed over the wrong axes",
    "padding": "padding off by one",
}


@pytest.mark.parametrize("zeros", [exact_zeros, np.zeros], ids=["symbols", "numbers"])
@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_refuted_shrunk_and_named(bug: str, zeros: Callable) -> None:
    found = verify(subject(zeros, bug), LAYER, SHAPE)
    assert not found.ok and found.label == "REFUTED"
    lines = found.report.splitlines()
    assert len(lines) < 20 and "smallest failing shape found" in found.report
    assert any("got" in line and "expected" in line and "grad_output[" in line for line in lines)
    assert BUGS[bug] in lines[-1] or BUGS[bug] in lines[-2], found.report


def test_channel_axes_are_named_where_they_fit() -> None:
    found = verify(subject(bug="channels"), Conv2d(2, 2, 2), (1, 2, 4, 4))
    assert not found.ok and "channel axes not exchanged" in found.report


def test_smallest_failing_shape_of_a_missing_flip() -> None:
    found = verify(subject(bug="noflip"), LAYER, SHAPE)
    assert "Conv2d(1, 1, 2, padding=1) at (1, 1, 1, 1)" in found.report
    assert "got grad_output[0, 0, 0, 0]*weight[0, 0, 0, 0]" in found.report


def test_leftover_rows_dropped_is_named() -> None:
    def grads(dout: Any, x: Any, w: Any, stride: Any) -> Any:
        grad_input = backward(dout, x, w, stride, 0, 1, exact_zeros)[0]
        return {"dx": grad_input[:, :, : (dout.shape[2] - 1) * stride + w.shape[2]]}

    found = verify(grads, Conv2d(1, 1, 2, stride=2), (1, 1, 5, 4))
    assert not found.ok and "leftover rows" in found.report and "shape" in found.report


def test_partial_cover_is_said() -> None:
    def grad_weight(dout: Any, x: Any, w: Any) -> Any:
        return backward(dout, x, w, 1, 0, 1, exact_zeros)[1]

    found = verify(grad_weight, Conv2d(1, 2, 2), (1, 1, 3, 3))
    assert found.ok and found.label == "THIS SIZE, 8 identities, exhaustive"
    assert "not covered: input, bias" in found.report


class CourseConv2d:
    """The style of course assignments: state in attributes, forward(A), backward(dLdZ)."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> None:
        self.W = np.zeros((out_channels, in_channels, kernel_size, kernel_size))
        self.b = np.zeros(out_channels)
        self.dLdW = self.dLdb = None
        self.stride = stride

    def forward(self, A: np.ndarray) -> None:
        self.A = A

    def backward(self, dLdZ: np.ndarray) -> np.ndarray:
        found, self.dLdW, self.dLdb = backward(dLdZ, self.A, self.W, self.stride, 0, 1, exact_zeros)
        return found


@pytest.mark.parametrize("made", [CourseConv2d, CourseConv2d(2, 3, 2, stride=2)], ids=["class", "object"])
def test_course_style(made: Any) -> None:
    found = verify(made, Conv2d(2, 3, 2, stride=2), (1, 2, 5, 4))
    assert found.ok and "exhaustive" in found.label and "input, weight, bias" in found.report


def test_cs231n_cache() -> None:
    def conv_backward_naive(dout: Any, cache: Any) -> Any:
        x, w, _, parameters = cache
        return backward(dout, x, w, parameters["stride"], parameters["pad"], 1, exact_zeros)

    assert verify(conv_backward_naive, Conv2d(2, 2, 3, stride=2, padding=1), (1, 2, 5, 5)).ok
    assert not verify(conv_backward_naive, Conv2d(2, 2, 2, dilation=2), (1, 2, 5, 5)).ok


def test_unbatched_and_grouped() -> None:
    def grads(grad_output: Any, input: Any, weight: Any, groups: Any) -> Any:
        per, filters = input.shape[0] // groups, weight.shape[0] // groups
        found = [
            backward(
                grad_output[None, g * filters : (g + 1) * filters], input[None, g * per : (g + 1) * per],
                weight[g * filters : (g + 1) * filters], 1, 0, 1, exact_zeros,
            )
            for g in range(groups)
        ]  # fmt: skip
        return [np.concatenate([f[0][0] for f in found]), np.concatenate([f[1] for f in found])]

    assert verify(grads, Conv2d(4, 2, 2, groups=2, bias=False), (4, 3, 4)).ok


def test_faults_of_the_function_are_reported_not_raised() -> None:
    def broken(dout: Any, x: Any, w: Any) -> Any:
        raise ValueError("boom")

    def misshapen(dout: Any, x: Any, w: Any) -> Any:
        return x[:, :, 1:], w, dout.sum((0, 2, 3))

    def text(dout: Any, x: Any, w: Any) -> Any:
        return {"dx": np.full(x.shape, "a")}

    for function, words in ((broken, "raised ValueError: boom"), (misshapen, "has shape"), (text, "dtype")):
        found = verify(function, Conv2d(1, 1, 2), (1, 1, 3, 3))
        assert not found.ok and words in found.report and "Traceback" not in found.report


def test_what_cannot_be_called_is_the_users_mistake() -> None:
    def strange(dout: Any, unheard_of: Any) -> None: ...

    def nothing(dout: Any, x: Any) -> None: ...

    for wrong in (strange, nothing, 3):
        with pytest.raises(LayerError):
            verify(wrong, Conv2d(1, 1, 2), (1, 1, 3, 3))
    with pytest.raises(LayerError):
        verify(subject(), LAYER, (1, 5, 7, 6))


def test_function_that_changes_its_arguments_is_judged_on_its_result() -> None:
    def grads(dout: Any, x: Any, w: Any) -> Any:
        found = backward(dout.copy(), x.copy(), w.copy(), 1, 0, 1, exact_zeros)
        x[...] = dout[...] = w[...] = 0
        return found

    assert verify(grads, Conv2d(1, 1, (2, 1)), (1, 1, 3, 3)).ok


def test_dependence_on_a_value_is_refused_by_the_symbols() -> None:
    one = Poly.symbol(1)
    for use in (lambda: one > 0, lambda: one == one, lambda: float(one), lambda: bool(one), lambda: 1 / one):
        with pytest.raises(TypeError):
            use()
    with pytest.raises(SymbolUse):
        one / one
    assert ((one + 2) * (one - 2) - one * one).terms == {(): -4}
    assert (sum([one, one]) / 4).text(str) == "1/2*1"


def test_one_wrong_term_among_many_is_refuted() -> None:
    def last(dout: Any, x: Any, w: Any) -> Any:
        dx, dw, db = backward(dout, x, w, 1, 0, 1, np.zeros)
        dw[-1, -1, -1, -1] += dout[0, 0, 0, 0] * x[0, 0, 0, 0]
        return dx, dw, db

    found = verify(last, Conv2d(1, 1, 2), (1, 1, 3, 3))
    assert not found.ok and "grad_weight" in found.report


@pytest.mark.parametrize("number", [2, 0.5, np.int64(3), np.float64(0.25), Fraction(1, 3)])
def test_arrays_and_symbols_meet_in_either_order(number: Any) -> None:
    """One symbol with an array of symbols, or of numbers, as in dout[:, k, i, j] * w[k, c, a, b]."""
    one, two = Poly.symbol(1), Poly.symbol(2)
    symbols = np.array([one, two], object)
    for left, right in ((symbols, two), (two, symbols)):
        assert [p.text(str) for p in left * right] == ["1*2", "2*2"]
        assert [p.text(str) for p in left + right] == ["1 + 2", "2*2"]
    assert [p.text(str) for p in symbols - two] == ["1 + -1*2", "0"]
    assert [p.text(str) for p in two - symbols] == ["-1*1 + 2", "0"]
    for product in (np.array([3.0, 0.5]) * one, one * np.array([3.0, 0.5])):
        assert [p.text(str) for p in product] == ["3*1", "1/2*1"]
    assert (number * one).same(one * number) and Poly.of(number).same((number + one) - one)


def test_a_batch_at_a_time_is_run_on_symbols() -> None:
    def backward(dout: Any, x: Any, w: Any) -> Any:
        dx, dw = x * 0, w * 0
        for i, a in np.ndindex(dout.shape[2], w.shape[2]):
            dx[:, 0, i + a] = dx[:, 0, i + a] + dout[:, 0, i] * w[0, 0, a]
            dw[0, 0, a] = dw[0, 0, a] + (dout[:, 0, i] * x[:, 0, i + a]).sum()
        return {"dx": dx, "dw": dw}

    assert verify(backward, Conv1d(1, 1, 2, bias=False), (3, 1, 4)).label.startswith("THIS SIZE")


def test_long_sums_begin_with_what_the_other_side_lacks() -> None:
    """Both sides of a report are cut, and must not be cut to the same words."""
    symbols = [Poly({(n,): 1}) for n in range(9)]
    got, wanted = sum(symbols[:8]), sum([*symbols[:7], symbols[8]])
    assert got.text(str, wanted) == "7 + 0 + 1 + 2 + ... (4 more)"
    assert wanted.text(str, got) == "8 + 0 + 1 + 2 + ... (4 more)"
    assert got.text(str) == "0 + 1 + 2 + 3 + ... (4 more)"
    assert (got + got).text(str, got).startswith("2*0 + ")
