"""Times backflip's kernels against im2col with NumPy's BLAS, and PyTorch where it is installed; one thread.

    python -m benchmarks.im2col [--json FILE] [--samples N] [--dtype float32]

Implementations take turns within one process; minimum and median of the samples are shown in microseconds.
Each result is checked against float64 before it is timed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import build
from derive.layers.conv import Conv2d

SINGLE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Array = NDArray[Any]
SHAPES = (
    (Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28)),
    (Conv2d(6, 16, 5), (1, 6, 14, 14)),
    (Conv2d(3, 16, 3, padding=1), (1, 3, 32, 32)),
    (Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56)),
    (Conv2d(3, 64, 7, stride=2, padding=3), (1, 3, 224, 224)),
)


@dataclass(frozen=True)
class Row:
    """One implementation of one operation: microseconds a call, and its largest relative error."""

    layer: str
    shape: tuple[int, ...]
    operation: str
    implementation: str
    least: float
    median: float
    error: float


def im2col(layer: Conv2d, x: Array) -> Array:
    """Patches as a matrix (batch, channels * taps, places)."""
    (top, bottom), (left, right) = layer.paddings
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    (kh, kw), (sh, sw), (dh, dw) = layer.kernel, layer.strides, layer.dilations
    reach = (dh * (kh - 1) + 1, dw * (kw - 1) + 1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, reach, (2, 3))
    picked = windows[:, :, ::sh, ::sw, ::dh, ::dw]
    return picked.transpose(0, 1, 4, 5, 2, 3).reshape(x.shape[0], x.shape[1] * kh * kw, -1)


def im2col_forward(layer: Conv2d, x: Array, w: Array, b: Array, shape: tuple[int, ...]) -> Array:
    result = w.reshape(w.shape[0], -1) @ im2col(layer, x)
    result += b[:, None]
    return result.reshape(shape)


def im2col_backward(layer: Conv2d, x: Array, w: Array, g: Array) -> dict[str, Array]:
    flat = g.reshape(*g.shape[:2], -1)
    weight = np.einsum("nkp,ncp->kc", flat, im2col(layer, x), optimize=True).reshape(w.shape)
    patches = (w.reshape(w.shape[0], -1).T @ flat).reshape(
        x.shape[0], x.shape[1], *layer.kernel, *g.shape[2:]
    )
    (top, bottom), (left, right) = layer.paddings
    total = np.zeros((*x.shape[:2], x.shape[2] + top + bottom, x.shape[3] + left + right), x.dtype)
    (sh, sw), (dh, dw) = layer.strides, layer.dilations
    for i in range(layer.kernel[0]):
        for j in range(layer.kernel[1]):
            rows = slice(i * dh, i * dh + sh * g.shape[2], sh)
            columns = slice(j * dw, j * dw + sw * g.shape[3], sw)
            total[:, :, rows, columns][:, :, : g.shape[2], : g.shape[3]] += patches[:, :, i, j]
    inner = total[:, :, top : top + x.shape[2], left : left + x.shape[3]]
    return {"input": inner, "weight": weight, "bias": flat.sum((0, 2))}


def contestants(layer: Conv2d, shape: tuple[int, ...], dtype: str) -> dict[str, dict[str, Callable[[], Any]]]:
    """By operation and implementation a call without arguments."""
    rng = np.random.default_rng(1)
    d = {o.name: rng.normal(size=o.shape).astype(dtype) for o in layer.operands(shape)}
    x, w, b, g = (d[n] for n in ("input", "weight", "bias", "grad_output"))
    kernel = build(layer, shape, dtype=dtype)
    alone = {n: build(layer, shape, dtype=dtype, wrt=n) for n in ("input", "weight")}
    out = np.empty_like(d["output"])
    found: dict[str, dict[str, Callable[[], Any]]] = {
        "forward": {
            "backflip": lambda: kernel.forward(x, w, b, out=out),
            "im2col": lambda: im2col_forward(layer, x, w, b, out.shape),
        },
        "all gradients": {
            "backflip": lambda: list(kernel.backward(g, input=x, weight=w).values()),
            "im2col": lambda: list(im2col_backward(layer, x, w, g).values()),
        },
        "grad input": {"backflip": lambda: alone["input"].backward(g, input=x, weight=w)["input"]},
        "grad weight": {"backflip": lambda: alone["weight"].backward(g, input=x, weight=w)["weight"]},
    }
    for operation, call in torch_calls(layer, x, w, b, g).items():
        found[operation]["torch"] = call
    return found


def torch_calls(layer: Conv2d, x: Array, w: Array, b: Array, g: Array) -> dict[str, Callable[[], Any]]:
    try:
        import torch
    except ImportError:
        return {}
    torch.set_num_threads(1)
    (top, bottom), (left, right) = layer.paddings
    if (top, left) != (bottom, right):
        return {}
    tx, tw, tb, tg = (torch.from_numpy(a) for a in (x, w, b, g))
    options = (layer.strides, (top, left), layer.dilations)

    def backward(mask: tuple[bool, bool, bool]) -> list[Array]:
        found = torch.ops.aten.convolution_backward(
            tg, tx, tw, [w.shape[0]], *options, False, [0, 0], layer.groups, list(mask)
        )
        return [t.numpy() for t in found if t is not None]

    return {
        "forward": lambda: torch.conv2d(tx, tw, tb, *options, layer.groups).numpy(),
        "all gradients": lambda: backward((True, True, True)),
        "grad input": lambda: backward((True, False, False))[0],
        "grad weight": lambda: backward((False, True, False))[0],
    }


def measure(calls: dict[str, Callable[[], Any]], samples: int) -> dict[str, list[float]]:
    """Microseconds a call, samples of at least a millisecond, implementations taking turns."""
    repeats = {}
    for name, call in calls.items():
        call()
        start = time.perf_counter()
        call()
        repeats[name] = max(1, int(1e-3 / max(time.perf_counter() - start, 1e-7)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(samples):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(repeats[name]):
                call()
            times[name].append((time.perf_counter() - start) / repeats[name] * 1e6)
    return times


def worst(found: Any, exact: Any) -> float:
    """Largest error relative to the largest entry, over one array or a list of them."""
    pairs = zip(found, exact, strict=True) if isinstance(found, list) else [(found, exact)]
    return max(float(np.abs(a - e).max() / max(np.abs(e).max(), 1e-300)) for a, e in pairs)


def rows(layer: Conv2d, shape: tuple[int, ...], dtype: str, samples: int) -> list[Row]:
    exact = contestants(layer, shape, "float64")
    found = []
    for operation, calls in contestants(layer, shape, dtype).items():
        reference = exact[operation].get("im2col", exact[operation]["backflip"])()
        errors = {name: worst(call(), reference) for name, call in calls.items()}
        for name, times in measure(calls, samples).items():
            least, median = min(times), statistics.median(times)
            found.append(Row(repr(layer), shape, operation, name, least, median, errors[name]))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="also write the rows there")
    parser.add_argument("--samples", type=int, default=20)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    options = parser.parse_args()
    if any(os.environ.get(key) != value for key, value in SINGLE.items()):
        command = [sys.executable, "-m", "benchmarks.im2col", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, **SINGLE})
    everything: list[Row] = []
    print(f"{'layer':<42}{'operation':<15}{'by':<10}{'min us':>10}{'median us':>11}{'error':>10}")
    for layer, shape in SHAPES:
        for row in rows(layer, shape, options.dtype, options.samples):
            everything.append(row)
            print(
                f"{row.layer:<42}{row.operation:<15}{row.implementation:<10}"
                f"{row.least:>10.1f}{row.median:>11.1f}{row.error:>10.1e}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps([asdict(r) for r in everything], indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
