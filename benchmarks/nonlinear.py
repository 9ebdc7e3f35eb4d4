"""Times backflip's kernels of non-linear layers against plain vectorised NumPy and PyTorch; one thread.

    python -m benchmarks.nonlinear [--json FILE] [--samples N] [--dtype float32] [--only TEXT]

Implementations take turns within one process; minimum and median of the samples are shown in microseconds,
and how many times NumPy's minimum each takes. The gradient is the one by the input. All results are checked
against NumPy in float64 before they are timed. PyTorch is left out where it is not installed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.im2col import Row, measure, worst
from benchmarks.linear import command
from codegen import build
from derive.layers.base import Layer
from derive.spelling import parse_layer

Array = NDArray[Any]
Given = dict[str, Array]
ROUNDING = {"float32": 2e-5, "float64": 1e-12}
"""Relative to the largest entry; what the benchmark itself refuses to time. The tests hold derived bounds."""


@dataclass(frozen=True)
class Plain:
    """A layer in NumPy and in PyTorch: forward of the operands, and the gradient by the input."""

    text: str
    shape: tuple[int, ...]
    forward: Callable[[Given], Array]
    backward: Callable[[Given], Array]
    torch: Callable[[Any, dict[str, Any]], Any]


def normal_part(x: Array) -> tuple[Array, Array]:
    """Phi and phi of the normal distribution, by the error function of SciPy."""
    from scipy.special import erf

    half = x.dtype.type(0.5)
    phi = np.exp(x * x * -half) * x.dtype.type(1 / np.sqrt(2 * np.pi))
    return half * (1 + erf(x * x.dtype.type(np.sqrt(0.5)))), phi


def gelu(d: Given) -> Array:
    return d["input"] * normal_part(d["input"])[0]


def gelu_back(d: Given) -> Array:
    share, density = normal_part(d["input"])
    return np.asarray(d["grad_output"] * (share + d["input"] * density))


def softmax(d: Given) -> Array:
    e = np.exp(d["input"] - d["input"].max(1, keepdims=True))
    return np.asarray(e / e.sum(1, keepdims=True))


def softmax_back(d: Given) -> Array:
    p, g = softmax(d), d["grad_output"]
    return np.asarray(p * (g - (p * g).sum(1, keepdims=True)))


def cross_entropy(d: Given) -> Array:
    x = d["input"] - d["input"].max(1, keepdims=True)
    taken = x[np.arange(len(x)), d["target"]]
    return np.asarray((np.log(np.exp(x).sum(1)) - taken).mean())


def cross_entropy_back(d: Given) -> Array:
    p = softmax(d)
    p[np.arange(len(p)), d["target"]] -= 1
    return np.asarray(p * (d["grad_output"] * p.dtype.type(1 / len(p))))


def normalised(d: Given) -> tuple[Array, Array]:
    x = d["input"]
    centred = x - x.mean((0, 2, 3), keepdims=True)
    variance = (centred * centred).mean((0, 2, 3), keepdims=True)
    steady = 1 / np.sqrt(variance + x.dtype.type(1e-5))
    return centred * steady, steady


def batch_norm(d: Given) -> Array:
    return np.asarray(normalised(d)[0] * d["weight"][:, None, None] + d["bias"][:, None, None])


def batch_norm_back(d: Given) -> Array:
    y, steady = normalised(d)
    g = d["grad_output"] * d["weight"][:, None, None]
    along = (0, 2, 3)
    mean, slope = g.mean(along, keepdims=True), (g * y).mean(along, keepdims=True)
    return np.asarray((g - mean - y * slope) * steady)


def max_pool(k: int, s: int) -> tuple[Callable[[Given], Array], Callable[[Given], Array]]:
    """The largest of the taps, each a strided view; the gradient to the first tap that is the largest."""

    def taps(length: int) -> Iterator[tuple[slice, slice]]:
        for i in range(k):
            for j in range(k):
                yield slice(i, i + s * (length - 1) + 1, s), slice(j, j + s * (length - 1) + 1, s)

    def forward(d: Given) -> Array:
        x, length = d["input"], (d["input"].shape[-1] - k) // s + 1
        return np.asarray(np.maximum.reduce([x[:, :, rows, columns] for rows, columns in taps(length)]))

    def backward(d: Given) -> Array:
        x, g = d["input"], d["grad_output"]
        best, total = forward(d), np.zeros_like(x)
        left = np.ones(g.shape, bool)
        for rows, columns in taps(g.shape[-1]):
            here = left & (x[:, :, rows, columns] == best)
            total[:, :, rows, columns] += np.where(here, g, 0)
            left &= ~here
        return total

    return forward, backward


def torch_functions() -> Any:
    import torch

    return torch.nn.functional


MAPS = (8, 32, 28, 28)
CASES = (
    Plain(
        "ReLU()",
        MAPS,
        lambda d: np.maximum(d["input"], 0),
        lambda d: d["grad_output"] * (d["input"] > 0),
        lambda f, t: f.relu(t["input"]),
    ),
    Plain("GELU()", MAPS, gelu, gelu_back, lambda f, t: f.gelu(t["input"])),
    Plain("Softmax(1)", (256, 1000), softmax, softmax_back, lambda f, t: f.softmax(t["input"], 1)),
    Plain(
        "CrossEntropyLoss()",
        (256, 1000),
        cross_entropy,
        cross_entropy_back,
        lambda f, t: f.cross_entropy(t["input"], t["target"]),
    ),
    Plain(
        "BatchNorm2d(32, training=True)",
        MAPS,
        batch_norm,
        batch_norm_back,
        lambda f, t: f.batch_norm(t["input"], None, None, t["weight"], t["bias"], training=True),
    ),
    Plain(
        "MaxPool2d(3, stride=2)",
        (4, 32, 57, 57),
        *max_pool(3, 2),
        lambda f, t: f.max_pool2d(t["input"], 3, 2),
    ),
    Plain("MaxPool2d(2)", (4, 32, 56, 56), *max_pool(2, 2), lambda f, t: f.max_pool2d(t["input"], 2)),
)


def drawn(layer: Layer, shape: tuple[int, ...], dtype: str) -> Given:
    rng = np.random.default_rng(1)
    return {
        o.name: rng.integers(0, shape[1], o.shape)
        if o.dtype == "int64"
        else (rng.normal(size=o.shape) ** (2 if o.name.endswith("var") else 1)).astype(dtype)
        for o in layer.operands(shape)
    }


def first(result: Any) -> Array:
    return np.asarray(result[0] if isinstance(result, tuple) else result)


def contestants(case: Plain, dtype: str) -> dict[str, dict[str, Callable[[], Any]]]:
    """By operation and implementation a call without arguments."""
    layer = parse_layer(case.text)
    assert isinstance(layer, Layer)
    kernel = build(layer, case.shape, dtype=dtype, wrt="input")
    d = drawn(layer, case.shape, dtype)
    given = {n: a for n, a in d.items() if n not in ("output", "grad_output") and n[:4] != "new_"}
    out, outs = np.empty_like(d["output"]), {"input": np.empty_like(d["input"])}
    found: dict[str, dict[str, Callable[[], Any]]] = {
        "forward": {
            "backflip": lambda: first(kernel.forward(**given, out=out)),
            "numpy": lambda: case.forward(d),
        },
        "gradient": {
            "backflip": lambda: kernel.backward(d["grad_output"], **given, out=outs)["input"],
            "numpy": lambda: case.backward(d),
        },
    }
    if find_spec("torch") is not None:
        _add_torch(case, d, found)
    return found


def _add_torch(case: Plain, d: Given, found: dict[str, dict[str, Callable[[], Any]]]) -> None:
    """PyTorch's calls; its gradient is timed without its forward pass, as what it saved is kept."""
    import torch

    torch.set_num_threads(1)
    tensors = {n: torch.tensor(a) for n, a in d.items()}
    x = tensors["input"].requires_grad_(True)
    output = case.torch(torch_functions(), tensors)

    def forward() -> Any:
        with torch.no_grad():
            return case.torch(torch_functions(), tensors).numpy()

    def backward() -> Any:
        return torch.autograd.grad(output, x, tensors["grad_output"], retain_graph=True)[0].numpy()

    found["forward"]["torch"], found["gradient"]["torch"] = forward, backward


def rows(case: Plain, dtype: str, samples: int) -> Iterator[tuple[Row, float]]:
    """Every implementation with how many times NumPy's least time it takes."""
    exact = drawn(parse_layer(case.text), case.shape, dtype)
    wide = {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in exact.items()}
    for operation, calls in contestants(case, dtype).items():
        reference = (case.forward if operation == "forward" else case.backward)(wide)
        errors = {name: worst(call(), reference) for name, call in calls.items()}
        if (far := max(errors.values())) > ROUNDING[dtype]:
            raise SystemExit(f"{case.text}: {operation} is off by {far:.1e} of its largest entry")
        times = measure(calls, samples)
        for name, listed in times.items():
            middle = sorted(listed)[samples // 2]
            row = Row(case.text, case.shape, operation, name, min(listed), middle, errors[name])
            yield row, min(listed) / min(times["numpy"])


if __name__ == "__main__":
    command("benchmarks.nonlinear", __doc__, CASES, rows)
