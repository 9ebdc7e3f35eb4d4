"""Other people's functions of non-linear layers: right ones are TESTED, known bugs are refuted and named."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import backflip
from layer_text import Case
from nonlinear_torch import torch_call, torch_tensors
from test_verify_museum import named

from derive.errors import LayerError
from derive.layers import registry
from derive.spelling import parse_layer
from derive.verification import verify
from derive.verify_draws import HOW, drawn
from derive.verify_real import Judge

Function = Callable[..., Any]
Array = Any
CASES = [
    Case(text, shape)
    for name, kind in registry().items()
    for text, shape in kind.examples
    if name != "Activation" and Judge(parse_layer(text), shape).real
]


def by_torch(case: Case, change: Callable[[str, Array], Array], forward: bool = False) -> Function:
    """PyTorch's pass with parameters by backflip's names; `change` is what is done to each result."""
    layer = parse_layer(case.text)
    operands = layer.operands(case.shape)
    names = [o.name for o in operands if o.name != "output" and not o.name.startswith("new_")]
    names = [n for n in names if not (forward and n == "grad_output")]
    wanted = {o.name for o in operands if o.differentiable}

    def run(**given: Any) -> Any:
        sent = given.pop("grad_output", None)
        tensors = torch_tensors(case, given)
        results = torch_call(case, tensors)
        output = results["output"]
        if sent is None:
            places = {"indices": results["indices"].numpy()} if case.arguments.get("return_indices") else {}
            return {"output": change("output", output.detach().numpy())} | places
        output.backward(torch.from_numpy(np.asarray(sent)))
        return {n: change(n, tensors[n].grad.numpy()) for n in tensors if n in wanted}

    kinds = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature([inspect.Parameter(n, kinds) for n in names])  # type: ignore[attr-defined]
    return run


def as_it_is(name: str, value: Array) -> Array:
    return value


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pytorch_passes(case: Case) -> None:
    """Both passes of every non-linear layer, on numbers in its domain."""
    layer = parse_layer(case.text)
    for forward in (False, True):
        found = verify(by_torch(case, as_it_is, forward), layer, case.shape)
        assert found.ok and found.label.startswith("TESTED, "), found.report
        assert "not covered" not in found.report or (forward and not layer.output_shape(case.shape))
        for line in layer.assumptions():
            assert f"assumed: {line}" in found.report
        assert len(found.report.splitlines()) < 20


@pytest.mark.parametrize("case", {case.kind: case for case in CASES}.values(), ids=str)
def test_a_small_change_is_refuted(case: Case) -> None:
    """Sabotage: an entry off by a thousandth of the largest, a result doubled."""

    def moved(name: str, value: Array) -> Array:
        found = np.array(value)
        found.reshape(-1)[-1] += 1e-3 * max(1.0, float(np.abs(found).max()))
        return found

    for forward in (False, True):
        found = verify(by_torch(case, moved, forward), parse_layer(case.text), case.shape)
        assert not found.ok and found.label == "REFUTED", found.report
        assert "got " in found.report and "expected " in found.report
        doubled = verify(by_torch(case, lambda n, v: 2 * v, forward), parse_layer(case.text), case.shape)
        assert "doubled" in doubled.report, doubled.report


@pytest.mark.parametrize("text", ["Tanh()", "Softmax(1)", "GELU()", "LPPool2d(2, 2)"])
def test_single_precision_is_not_checked(text: str) -> None:
    case = Case(text, (1, 2, 4, 4))
    found = verify(by_torch(case, lambda n, v: v.astype(np.float32)), parse_layer(text), case.shape)
    assert not found.ok and found.label == "NOT CHECKED" and "float32" in found.report


def batch_norm_backward(dout: Array, x: Array, gamma: Array, eps: float) -> Any:
    over = (0, 2, 3)
    inverse = 1 / np.sqrt(x.var(over, keepdims=True) + eps)
    normal = (x - x.mean(over, keepdims=True)) * inverse
    return dout * gamma.reshape(1, -1, 1, 1) * inverse, (dout * normal).sum(over), dout.sum(over)


def test_statistics_taken_as_constants() -> None:
    named(
        verify(batch_norm_backward, parse_layer("BatchNorm2d(2, training=True)"), (3, 2, 2, 2)),
        "mean and variance taken as constants",
    )


def one_hot(y: Array, x: Array) -> Array:
    return np.eye(x.shape[1])[y]


def probabilities(x: Array) -> Array:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_loss(x: Array, y: Array) -> Any:
    """CS231n's: the value and the gradient at once, no gradient of the output among the parameters."""
    p = probabilities(x)
    picked = p[np.arange(len(x)), y]
    return -np.log(picked).mean(), (p - one_hot(y, x)) / len(x)


SMALL: dict[str, tuple[Function, str, tuple[int, ...], str]] = {
    "sigmoid of the input": (lambda dout, x: dout * x * (1 - x), "Sigmoid()", (2, 3), "the input taken for"),
    "tanh forgotten": (lambda dout, x: dout, "Tanh()", (2, 3), "the derivative forgotten"),
    "relu itself": (lambda dout, x: dout * np.maximum(x, 0), "ReLU()", (2, 3), "in place of its derivative"),
    "no grad": (lambda dout, x: (x > 0) * 1.0, "ReLU()", (2, 3), "grad_output forgotten"),
    "diagonal": (
        lambda dout, x: dout * probabilities(x) * (1 - probabilities(x)),
        "Softmax(1)",
        (3, 4),
        "the diagonal of the Jacobian alone",
    ),
    "other axis": (lambda x: probabilities(x.T).T, "Softmax(1)", (3, 3), "softmax over the wrong axis"),
    "batch": (
        lambda logits, labels: probabilities(logits) - one_hot(labels, logits),
        "CrossEntropyLoss()",
        (4, 3),
        "not divided by the batch size",
    ),
    "sum": (lambda x, y: ((x - y) ** 2).sum(), "MSELoss()", (2, 3), "the sum in place of the mean"),
    "scale": (lambda dout, mask: dout * mask, "Dropout(0.25, training=True)", (2, 3), ""),
    "unbiased": (
        lambda x, gamma, beta, eps: gamma * (x - x.mean(0)) / np.sqrt(x.var(0, ddof=1) + eps) + beta,
        "BatchNorm1d(2, training=True)",
        (4, 2),
        "variance divided by n - 1",
    ),
    "mean pool": (
        lambda x: x.reshape(*x.shape[:2], 2, 2).mean(3),
        "MaxPool1d(2)",
        (2, 1, 4),
        "the mean in place of the selected entry",
    ),
}


@pytest.mark.parametrize("title", SMALL)
def test_small_functions_with_a_bug(title: str) -> None:
    function, text, shape, bug = SMALL[title]
    found = verify(function, parse_layer(text), shape)
    assert not found.ok and found.label == "REFUTED"
    if bug:
        named(found, bug)


class Criterion:
    """A course-style loss: forward(A, Y), and backward without an argument."""

    def forward(self, A: Array, Y: Array) -> float:
        self.A, self.Y = A, Y
        return float(((A - Y) ** 2).mean())

    def backward(self) -> Array:
        return 2 * (self.A - self.Y) / self.A.size


class Hyperbolic:
    """A course-style activation."""

    def forward(self, Z: Array) -> Array:
        self.A = np.tanh(Z)
        return self.A

    def backward(self, dLdA: Array) -> Array:
        return dLdA * (1 - self.A**2)


@pytest.mark.parametrize(
    ("target", "text", "shape", "covered"),
    [
        (softmax_loss, "CrossEntropyLoss()", (5, 4), "output, input"),
        (Criterion, "MSELoss()", (3, 2), "output, input"),
        (Hyperbolic(), "Tanh()", (2, 3), "output, input"),
        (lambda dout, cache: dout * (cache > 0), "ReLU()", (2, 3), "input"),
        (lambda logits, y: softmax_loss(logits, y)[0], "CrossEntropyLoss()", (5, 4), "output"),
    ],
    ids=["loss and gradient", "criterion", "activation", "cache", "loss alone"],
)
def test_right_functions_as_people_write_them(
    target: Any, text: str, shape: tuple[int, ...], covered: str
) -> None:
    found = verify(target, parse_layer(text), shape)
    assert found.ok and f"covered: {covered}\n" in found.report, found.report


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda dout, x, y: {"dx": dout * y, "dy": dout * x}, "Mul()"),
        (lambda dout, mask: dout * mask / 0.75, "Dropout(0.25, training=True)"),
        (lambda dout: dout, "Dropout(0.25)"),
        (lambda dout: dout, "Identity()"),
    ],
)
def test_layers_whose_results_are_polynomials(function: Function, text: str) -> None:
    """They are compared as polynomials, like those of linear layers."""
    found = verify(function, parse_layer(text), (2, 3))
    assert found.label.startswith("THIS SIZE, ") and "exhaustive" in found.label, found.report


def test_an_unstable_formula_is_said() -> None:
    """exp overflows where the shift is forgotten: right on moderate numbers, and the report says the rest."""

    def naive(x: Array) -> Array:
        e = np.exp(x)
        return e / e.sum(1, keepdims=True)

    found = verify(naive, parse_layer("Softmax(1)"), (3, 4))
    assert found.ok and "not stable: at inputs of about 10^4" in found.report
    assert "not stable" not in verify(probabilities, parse_layer("Softmax(1)"), (3, 4)).report


def test_what_cannot_be_judged_is_refused() -> None:
    with pytest.raises(LayerError, match="f is not known"):
        verify(lambda dout, x: dout, parse_layer("Activation()"), (2, 3))
    raised = verify(lambda dout, x: dout / [], parse_layer("ReLU()"), (2, 3))
    assert raised.label == "REFUTED" and "the function raised" in raised.report
    shaped = verify(lambda dout, x: dout.sum(0), parse_layer("ReLU()"), (2, 3))
    assert shaped.label == "REFUTED" and "has shape" in shaped.report


@pytest.mark.parametrize("how", HOW)
def test_operands_are_in_the_domain(how: str) -> None:
    """Numbers of BCE between 0 and 1, probabilities that add up to 1, places each once in a plane."""
    draw = np.random.default_rng(1)
    for _ in range(20):
        given = drawn(parse_layer("BCELoss()"), (3, 4), how, draw)
        assert ((given["input"] > 0) & (given["input"] < 1)).all()
        shares = drawn(parse_layer("CrossEntropyLoss(target='probabilities')"), (3, 4), how, draw)["target"]
        assert (how == "loose" or (shares.sum(1) == 1).all()) and (shares >= 0).all()
        places = drawn(parse_layer("MaxUnpool2d(2)"), (2, 2, 2, 2), how, draw)["indices"].reshape(4, -1)
        assert all(len(set(row)) == 4 and max(row) < 16 for row in places.tolist())
        apart = drawn(parse_layer("MaxPool2d(2)"), (2, 2, 4, 4), "apart", draw)["input"]
        assert len(set(apart.reshape(-1).tolist())) == apart.size


THEIRS = """
import numpy as np


def loss(x, y):
    e = np.exp(x - x.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    return -np.log(p[np.arange(len(x)), y]).mean()


def pool(dout, x):
    found = np.zeros(x.shape)
    for n, c, i in np.ndindex(dout.shape):
        found[n, c, i + x[n, c, i : i + 2].argmax()] = dout[n, c, i]
    return found
"""


def test_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    right = backflip("verify", "theirs:loss", "CrossEntropyLoss()", "--input", "4,3", cwd=tmp_path)
    assert right.code == 0 and "loss: TESTED, " in right.out and "not covered: input" in right.out, right.err
    wrong = backflip("verify", "theirs:pool", "MaxPool1d(2, stride=1)", "--input", "1,2,6", cwd=tmp_path)
    assert wrong.code == 1 and "overlapping windows overwritten instead of summed" in wrong.out
    assert "MaxPool1d(2, stride=1) at (1, 1, 3)" in wrong.out
