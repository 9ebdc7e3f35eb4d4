"""Times backflip's kernels of the linear layers against plain vectorised NumPy; one thread, one process.

    python -m benchmarks.linear [--json FILE] [--samples N] [--dtype float32] [--only TEXT]

Implementations take turns within one process; minimum and median of the samples are shown in microseconds,
and how many times NumPy's minimum backflip's is. Both results are checked against float64 before they are
timed. PyTorch, where it is installed, is what both are also checked against by the tests, not here.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.im2col import SINGLE, Row, measure, worst
from codegen import build
from derive.spelling import parse_layer

Array = NDArray[Any]
Given = dict[str, Array]
ROUNDING = {"float32": 1e-5, "float64": 1e-13}
"""Relative to the largest entry; what the benchmark itself refuses to time. The tests hold derived bounds."""


@dataclass(frozen=True)
class Plain:
    """A layer in NumPy: `forward` of the operands, and `backward` giving all gradients in operand order."""

    text: str
    shape: tuple[int, ...]
    forward: Callable[[Given], Array]
    backward: Callable[[Given], list[Array]]


def mean_pool(k: int, s: int, p: int) -> tuple[Callable[[Given], Array], Callable[[Given], list[Array]]]:
    def taps(length: int) -> Iterator[tuple[slice, slice]]:
        for i in range(k):
            for j in range(k):
                yield slice(i, i + s * (length - 1) + 1, s), slice(j, j + s * (length - 1) + 1, s)

    def forward(d: Given) -> Array:
        x, length = d["input"], d["output"].shape[-1]
        x = np.pad(x, ((0, 0), (0, 0), (p, p), (p, p))) if p else x
        total = np.zeros_like(d["output"])
        for rows, columns in taps(length):
            total += x[:, :, rows, columns]
        total *= total.dtype.type(1 / k**2)
        return total

    def backward(d: Given) -> list[Array]:
        x, g = d["input"], d["grad_output"]
        each = g * g.dtype.type(1 / k**2)
        total = np.zeros((*x.shape[:2], x.shape[2] + 2 * p, x.shape[3] + 2 * p), x.dtype)
        for rows, columns in taps(g.shape[-1]):
            total[:, :, rows, columns] += each
        return [np.ascontiguousarray(total[:, :, p : p + x.shape[2], p : p + x.shape[3]])]

    return forward, backward


def weights(length: int, dtype: Any) -> tuple[Array, Array, Array]:
    """For every place of a doubled axis the two entries it lies between and the weight of the second."""
    at = np.maximum((np.arange(2 * length) + 0.5) / 2 - 0.5, 0)
    low = at.astype(np.intp)
    return low, np.minimum(low + 1, length - 1), (at - low).astype(dtype)


def bilinear(d: Given) -> Array:
    x = d["input"]
    low, high, w = weights(x.shape[2], x.dtype)
    rows = x[:, :, low] * (1 - w)[:, None] + x[:, :, high] * w[:, None]
    low, high, w = weights(x.shape[3], x.dtype)
    return np.asarray(rows[..., low] * (1 - w) + rows[..., high] * w)


def bilinear_back(d: Given) -> list[Array]:
    maps = []
    for length in d["input"].shape[2:]:
        low, high, w = weights(length, d["input"].dtype)
        whole = np.zeros((2 * length, length), d["input"].dtype)
        np.add.at(whole, (np.arange(2 * length), low), 1 - w)
        np.add.at(whole, (np.arange(2 * length), high), w)
        maps.append(whole)
    return [maps[0].T @ d["grad_output"] @ maps[1]]


def nearest(d: Given) -> Array:
    return np.asarray(np.repeat(np.repeat(d["input"], 2, 2), 2, 3))


def nearest_back(d: Given) -> list[Array]:
    g = d["grad_output"]
    return [g[:, :, ::2, ::2] + g[:, :, ::2, 1::2] + g[:, :, 1::2, ::2] + g[:, :, 1::2, 1::2]]


def mirrored(p: int) -> tuple[Callable[[Given], Array], Callable[[Given], list[Array]]]:
    def forward(d: Given) -> Array:
        return np.pad(d["input"], ((0, 0), (0, 0), (p, p), (p, p)), "reflect")

    def backward(d: Given) -> list[Array]:
        g, (high, wide) = d["grad_output"], d["input"].shape[2:]
        rows = g[:, :, p : p + high].copy()
        rows[:, :, 1 : p + 1] += g[:, :, :p][:, :, ::-1]
        rows[:, :, high - 1 - p : high - 1] += g[:, :, p + high :][:, :, ::-1]
        total = rows[..., p : p + wide].copy()
        total[..., 1 : p + 1] += rows[..., :p][..., ::-1]
        total[..., wide - 1 - p : wide - 1] += rows[..., p + wide :][..., ::-1]
        return [total]

    return forward, backward


def transposed(k: int, s: int, p: int) -> tuple[Callable[[Given], Array], Callable[[Given], list[Array]]]:
    """Columns by one matrix product, added at every s-th place; the gradients by windows of grad_output."""

    def forward(d: Given) -> Array:
        x, w, y = d["input"], d["weight"], d["output"]
        (n, c, high, wide), outs = x.shape, w.shape[1]
        columns = (w.reshape(c, -1).T @ x.reshape(n, c, -1)).reshape(n, outs, k, k, high, wide)
        total = np.zeros((n, outs, y.shape[2] + 2 * p, y.shape[3] + 2 * p), x.dtype)
        for i in range(k):
            for j in range(k):
                total[:, :, i : i + s * high : s, j : j + s * wide : s] += columns[:, :, i, j]
        return np.asarray(total[:, :, p : p + y.shape[2], p : p + y.shape[3]] + d["bias"][:, None, None])

    def backward(d: Given) -> list[Array]:
        x, w, g = d["input"], d["weight"], d["grad_output"]
        padded = np.pad(g, ((0, 0), (0, 0), (p, p), (p, p)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), (2, 3))[:, :, ::s, ::s]
        patches = windows.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], -1, x.shape[2] * x.shape[3])
        grad_x = (w.reshape(w.shape[0], -1) @ patches).reshape(x.shape)
        flat = x.reshape(*x.shape[:2], -1)
        grad_w = np.einsum("ncp,nqp->cq", flat, patches, optimize=True).reshape(w.shape)
        return [grad_x, grad_w, g.sum((0, 2, 3))]

    return forward, backward


def shuffle(d: Given) -> Array:
    n, c, high, wide = d["input"].shape
    split = d["input"].reshape(n, c // 4, 2, 2, high, wide).transpose(0, 1, 4, 2, 5, 3)
    return split.reshape(n, c // 4, 2 * high, 2 * wide)


def shuffle_back(d: Given) -> list[Array]:
    n, c, high, wide = d["input"].shape
    split = d["grad_output"].reshape(n, c // 4, high, 2, wide, 2).transpose(0, 1, 3, 5, 2, 4)
    return [split.reshape(d["input"].shape)]


def zeros_between(d: Given) -> Array:
    total = np.zeros_like(d["output"])
    total[:, :, ::2, ::2] = d["input"]
    return total


def adaptive(d: Given) -> Array:
    n, c, high, wide = d["input"].shape
    return np.asarray(d["input"].reshape(n, c, 7, high // 7, 7, wide // 7).mean((3, 5)))


def adaptive_back(d: Given) -> list[Array]:
    g, by = d["grad_output"], d["input"].shape[-1] // 7
    return [np.repeat(np.repeat(g * g.dtype.type(1 / by**2), by, 2), by, 3)]


IMAGE = (1, 64, 56, 56)
CASES = (
    Plain("AvgPool2d(2)", (1, 64, 112, 112), *mean_pool(2, 2, 0)),
    Plain("AvgPool2d(3, stride=2, padding=1)", (1, 64, 112, 112), *mean_pool(3, 2, 1)),
    Plain("AdaptiveAvgPool2d(7)", IMAGE, adaptive, adaptive_back),
    Plain("Upsample(scale_factor=2)", IMAGE, nearest, nearest_back),
    Plain("Upsample(scale_factor=2, mode='bilinear')", IMAGE, bilinear, bilinear_back),
    Plain("ReflectionPad2d(3)", IMAGE, *mirrored(3)),
    Plain("ConvTranspose2d(32, 32, 4, stride=2, padding=1)", (1, 32, 28, 28), *transposed(4, 2, 1)),
    Plain("ConvTranspose2d(64, 32, 2, stride=2)", (1, 64, 28, 28), *transposed(2, 2, 0)),
    Plain("UpsampleZeros(2)", IMAGE, zeros_between, lambda d: [d["grad_output"][:, :, ::2, ::2].copy()]),
    Plain("PixelShuffle(2)", IMAGE, shuffle, shuffle_back),
    Plain(
        "Concat()",
        IMAGE,
        lambda d: np.concatenate([d["input"], d["other"]], 1),
        lambda d: [d["grad_output"][:, :64].copy(), d["grad_output"][:, 64:].copy()],
    ),
    Plain(
        "Linear(512, 512)",
        (32, 512),
        lambda d: np.asarray(d["input"] @ d["weight"].T + d["bias"]),
        lambda d: [
            d["grad_output"] @ d["weight"],
            d["grad_output"].T @ d["input"],
            d["grad_output"].sum(0),
        ],
    ),
)


def contestants(case: Plain, dtype: str) -> dict[str, dict[str, Callable[[], Any]]]:
    """By operation and implementation a call without arguments."""
    layer, rng = parse_layer(case.text), np.random.default_rng(1)
    d = {o.name: rng.normal(size=o.shape).astype(dtype) for o in layer.operands(case.shape)}
    kernel = build(layer, case.shape, dtype=dtype)
    given = {n: a for n, a in d.items() if n not in ("output", "grad_output")}
    out, outs = np.empty_like(d["output"]), {w: np.empty_like(d[w]) for w in kernel.wrt}
    return {
        "forward": {
            "backflip": lambda: kernel.forward(**given, out=out),
            "numpy": lambda: case.forward(d),
        },
        "gradients": {
            "backflip": lambda: list(kernel.backward(d["grad_output"], **given, out=outs).values()),
            "numpy": lambda: case.backward(d),
        },
    }


def rows(case: Plain, dtype: str, samples: int) -> Iterator[tuple[Row, float]]:
    """Every implementation with how many times NumPy's least time it takes."""
    exact = contestants(case, "float64")
    for operation, calls in contestants(case, dtype).items():
        reference = exact[operation]["numpy"]()
        errors = {name: worst(call(), reference) for name, call in calls.items()}
        if (far := max(errors.values())) > ROUNDING[dtype]:
            raise SystemExit(f"{case.text}: {operation} is off by {far:.1e} of its largest entry")
        times = measure(calls, samples)
        for name, listed in times.items():
            row = Row(
                case.text,
                case.shape,
                operation,
                name,
                min(listed),
                sorted(listed)[samples // 2],
                errors[name],
            )
            yield row, min(listed) / min(times["numpy"])


Rows = Callable[[Any, str, int], Iterator[tuple[Row, float]]]
"""Of a case, a dtype and a number of samples: every implementation with its times over NumPy's."""


def command(module: str, about: str, cases: Sequence[Any], rows: Rows) -> None:
    """The command of a module that times cases: its options, its table, its file of rows."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows there")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--only", default="", help="layers whose text holds this")
    options = parser.parse_args()
    if any(os.environ.get(key) != value for key, value in SINGLE.items()):
        command = [sys.executable, "-m", module, *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **SINGLE})
    everything: list[Row] = []
    print(f"{'layer':<50}{'operation':<11}{'by':<10}{'min us':>10}{'median us':>11}{'times':>7}{'error':>10}")
    for case in cases:
        if options.only not in case.text:
            continue
        for row, times in rows(case, options.dtype, options.samples):
            everything.append(row)
            print(
                f"{row.layer:<50}{row.operation:<11}{row.implementation:<10}"
                f"{row.least:>10.1f}{row.median:>11.1f}{times:>7.2f}{row.error:>10.1e}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in everything], indent=1), encoding="utf-8")


if __name__ == "__main__":
    command("benchmarks.linear", __doc__, CASES, rows)
