"""Other people's functions of linear layers: right ones pass, wrong ones are refuted, bugs are named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import plain_layers as plain
import pytest
from command import backflip
from layer_peers import plain_forward
from layer_text import NONLINEAR, SIGNATURES, Case
from test_verify_museum import pool_backward

from derive.errors import LayerError
from derive.layers import registry
from derive.spelling import parse_layer
from derive.verification import verify

Function = Callable[..., Any]
LINEAR = [name for name in SIGNATURES if name not in NONLINEAR]
EXAMPLES = [
    Case(text, shape)
    for name, kind in registry().items()
    if name in LINEAR
    for text, shape in kind.examples
    if prod(shape) <= 60
]
ODD = [
    Case("AvgPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True)", (1, 1, 4, 5)),
    Case("Upsample(scale_factor=(1.5, 2.3), mode='bilinear')", (1, 1, 2, 3)),
    Case("Upsample(scale_factor=0.29, mode='linear', recompute_scale_factor=True)", (1, 1, 20)),
    Case("ConvTranspose1d(2, 2, 3, output_padding=1, dilation=2, groups=2)", (2, 3)),
    Case("Conv1d(1, 2, 2, padding=((1, 3),), padding_mode='reflect')", (1, 1, 4)),
    Case("Linear(2, 3)", (2, 1, 2, 2)),
]


def signed(function: Function, names: Iterable[str]) -> Function:
    """The function with parameters of the given names, which is what `verify` looks at."""
    kind = inspect.Parameter.KEYWORD_ONLY
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore
    return function


def forward_of(case: Case) -> Function:
    return signed(lambda **given: plain_forward(case, given), case.operands)


def backward_of(case: Case) -> Function:
    """Gradients by unit steps of the plain loops."""

    def backward(grad_output: Any, **operands: Any) -> dict[str, Any]:
        def forward(given: dict[str, Any]) -> Any:
            return plain_forward(case, given)

        return {name: plain.step_gradient(forward, name, grad_output, operands) for name in operands}

    return signed(backward, ["grad_output", *case.operands])


@pytest.mark.parametrize("case", [*EXAMPLES, *ODD], ids=str)
def test_a_right_forward_and_backward_pass_is_exhaustive(case: Case) -> None:
    layer = parse_layer(case.text)
    entries = {o.name: prod(o.shape) for o in layer.operands(case.shape)}
    found = verify(forward_of(case), layer, case.shape)
    assert found.ok and found.label == f"THIS SIZE, {entries['output']:,} identities, exhaustive"
    back = verify(backward_of(case), layer, case.shape)
    cells = sum(entries[name] for name in case.operands)
    assert back.ok and back.label == f"THIS SIZE, {cells:,} identities, exhaustive", back.report
    assert f"covered: {', '.join(case.operands)}" in back.report


@pytest.mark.parametrize("case", [next(c for c in EXAMPLES if c.kind == k) for k in LINEAR], ids=str)
def test_one_wrong_term_in_any_result_is_refuted(case: Case) -> None:
    layer = parse_layer(case.text)

    def spoilt(**given: Any) -> Any:
        found = plain_forward(case, given)
        found[(-1,) * found.ndim] += given["input"][(0,) * given["input"].ndim]
        return found

    found = verify(signed(spoilt, case.operands), layer, case.shape)
    assert found.label == "REFUTED" and "REFUTED as forward pass" in found.report
    right = backward_of(case)
    for name in case.operands:

        def wrong(name: str = name, **given: Any) -> Any:
            grads = right(**given)
            first = given["grad_output"][(0,) * given["grad_output"].ndim]
            grads[name][(-1,) * grads[name].ndim] -= first * first
            return grads

        found = verify(signed(wrong, ["grad_output", *case.operands]), layer, case.shape)
        assert found.label == "REFUTED" and f"grad_{name}[" in found.report, found.report
        assert "REFUTED as backward pass" in found.report and "got" in found.report


def test_cs231n_caches() -> None:
    def max_free_pool(dout: Any, cache: Any) -> Any:
        x, param = cache
        return pool_backward("")(dout, x, (param["pool_height"], param["pool_width"]), param["stride"], 0)

    def affine_backward(dout: Any, cache: Any) -> Any:
        x, w, _ = cache
        return dout @ w, dout.T @ x, dout.sum(0)

    assert verify(max_free_pool, parse_layer("AvgPool2d((2, 3), stride=2)"), (1, 1, 5, 6)).ok
    found = verify(affine_backward, parse_layer("Linear(3, 2)"), (4, 3))
    assert found.ok and "covered: input, weight, bias" in found.report


def test_the_same_name_means_what_the_layer_has() -> None:
    """A kernel is a weight in a convolution and a size in a pool; b is a bias or the other operand."""

    def conv(x: Any, kernel: Any, b: Any) -> Any:
        return np.stack([x[:, 0, :-1] * kernel[0, 0, 0] + x[:, 0, 1:] * kernel[0, 0, 1] + b[0]], 1)

    def pool(x: Any, kernel: Any) -> Any:
        return x[:, :, : 2 * (x.shape[2] // 2)].reshape(1, 1, -1, kernel).sum(3) / kernel

    assert verify(conv, parse_layer("Conv1d(1, 1, 2)"), (1, 1, 4)).ok
    assert verify(pool, parse_layer("AvgPool1d(2)"), (1, 1, 5)).ok
    assert verify(lambda a, b: a + b, parse_layer("Add()"), (2, 3)).ok
    assert verify(lambda dout, input_shape: dout.reshape(input_shape), parse_layer("Flatten()"), (2, 3, 1)).ok


def test_thirds_by_division_are_exact_and_by_multiplication_neither() -> None:
    layer = parse_layer("AvgPool1d(3)")

    def divided(dout: Any, x: Any) -> Any:
        found = np.zeros(x.shape)
        found += np.repeat(dout, 3, 2)
        return found / 3

    found = verify(divided, layer, (1, 1, 6))
    assert found.ok and "2^-" in found.label and "3 m/2^e" in found.report

    def multiplied(dout: Any) -> Any:
        return np.repeat(dout, 3, 2) * (1 / 3)

    rounded = verify(multiplied, layer, (1, 1, 6))
    assert not rounded.ok and rounded.label == "NOT CHECKED"
    assert "coefficients are the right ones rounded" in rounded.report

    def off(dout: Any) -> Any:
        return np.repeat(dout, 3, 2) * 0.3333

    assert verify(off, layer, (1, 1, 6)).label == "REFUTED"


THEIRS = """
def pool(x):
    return (x[..., ::2] + x[..., 1::2]) / 2

def doubled(dout):
    return dout
"""


def test_forward_and_backward_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    words = "AvgPool1d(2)", "--input", "1,2,4"
    right = backflip("verify", "theirs:pool", *words, cwd=tmp_path)
    assert right.code == 0 and "THIS SIZE, 4 identities, exhaustive" in right.out, right.err
    wrong = backflip("verify", "theirs:doubled", *words, cwd=tmp_path)
    assert wrong.code == 1 and "grad_input has shape (1, 2, 2), expected (1, 2, 4)" in wrong.out
    other = backflip("verify", "theirs:doubled", "Add()", "--input", "2,3", cwd=tmp_path)
    assert other.code == 0 and "not returned, not covered: other" in other.out


def test_pytorch_itself_is_checked() -> None:
    """A function that refuses symbols and computes in float64: whole numbers show that it is right."""
    torch = pytest.importorskip("torch")

    def forward(x: Any) -> Any:
        return torch.nn.functional.interpolate(torch.tensor(x), scale_factor=2, mode="bilinear").numpy()

    def backward(dout: Any, x: Any, w: Any) -> Any:
        given, kernel = torch.tensor(x, requires_grad=True), torch.tensor(w, requires_grad=True)
        output = torch.nn.functional.conv_transpose2d(given, kernel, stride=2, padding=1)
        return torch.autograd.grad(output, (given, kernel), torch.tensor(dout))

    found = verify(forward, parse_layer("Upsample(scale_factor=2, mode=bilinear)"), (1, 1, 3, 2))
    assert found.ok and found.label.startswith("CHECKED, miss probability <= 2^-"), found.report
    layer = parse_layer("ConvTranspose2d(2, 3, 3, stride=2, padding=1, bias=False)")
    assert verify(backward, layer, (1, 2, 3, 3)).label.startswith("CHECKED")
    corners = parse_layer("Upsample(scale_factor=2, mode=bilinear, align_corners=True)")
    assert "align_corners the other way" in verify(forward, corners, (1, 1, 3, 2)).report


def test_what_does_not_fit_is_said() -> None:
    pool = parse_layer("AvgPool2d(2)")
    for function, words in (
        (lambda dout, x, dilation: x, "parameter not understood"),
        (lambda dout, x, w: x, "parameter not understood"),
        (lambda kernel_size: kernel_size, "no parameter for an operand"),
        (lambda x: None, "no output returned"),
        (lambda dout: {"nothing": dout}, "no gradient returned"),
    ):
        with pytest.raises(LayerError, match=words) as caught:
            verify(function, pool, (1, 1, 4, 4))
        assert caught.value.where and caught.value.expected and caught.value.got
    with pytest.raises(LayerError):
        verify(lambda x: x, pool, (1, 1, 1, 1))
