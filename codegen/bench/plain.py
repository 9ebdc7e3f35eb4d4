"""Owns the layers in plain NumPy, of any dtype: a peer, and in a wider dtype the reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

import numpy as np

from codegen.bench.task import Array, Geometry, NotOffered, Task

Operands = Mapping[str, Array]
WIDER = {"float32": np.float64, "float64": np.longdouble}


def reference(task: Task, operands: Operands) -> list[Array]:
    """What the operation gives in the next wider dtype, the result first. Raises NotOffered as `called`."""
    wide = {n: a if a.dtype.kind == "i" else a.astype(WIDER[task.dtype]) for n, a in operands.items()}
    return called(task, wide)()


def called(task: Task, operands: Operands) -> Callable[[], list[Array]]:
    """A call that computes the operation. Raises NotOffered on a layer that is not written out here."""
    d = dict(operands)
    if task.kind == "linear":
        return _linear(task, d)
    if task.kind == "cross entropy":
        return lambda: _cross_entropy(task, d)
    if task.kind == "resampling":
        return _resampling(task, d)
    g = task.geometry()
    table = {
        "convolution": (_conv_forward, _conv_input, _conv_weight),
        "transposed convolution": (_turned_forward, _turned_input, _turned_weight),
        "max pooling": (_max_forward, _max_input, _max_input),
        "mean pooling": (_mean_forward, _mean_input, _mean_input),
    }
    chosen = table[task.kind][("forward", "grad input", "grad weight").index(task.operation)]
    shapes = {o.name: o.shape for o in task.layer.operands(task.shape)}
    return lambda: [chosen(g, d, shapes)]


Shapes = Mapping[str, tuple[int, ...]]


# ---- windows ------------------------------------------------------------------------------------------


def padded(x: Array, g: Geometry, value: float = 0) -> Array:
    if not any(g.padding):
        return x
    return np.pad(x, ((0, 0), (0, 0), *((p, p) for p in g.padding)), constant_values=value)


def taps(g: Geometry, lengths: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """Each tap of the window, and where in the padded input it lies for the outputs."""
    for tap in product(*map(range, g.kernel)):
        begins = [t * d for t, d in zip(tap, g.dilation, strict=True)]
        spans = zip(begins, g.stride, lengths, strict=True)
        yield tap, (..., *(slice(b, b + s * (n - 1) + 1, s) for b, s, n in spans))


def patches(x: Array, g: Geometry, lengths: tuple[int, ...]) -> Array:
    """(batch, groups, channels of a group * taps, outputs)."""
    n, c = x.shape[:2]
    columns = np.empty((n, c, prod(g.kernel), *lengths), x.dtype)
    wide = padded(x, g)
    for at, (_, where) in enumerate(taps(g, lengths)):
        columns[:, :, at] = wide[where]
    return columns.reshape(n, g.groups, c // g.groups * prod(g.kernel), prod(lengths))


def scattered(columns: Array, g: Geometry, shape: tuple[int, ...], lengths: tuple[int, ...]) -> Array:
    """The adjoint of `patches`: every column added where it came from."""
    inner = zip(shape[2:], g.padding, strict=True)
    total = np.zeros((*shape[:2], *(n + 2 * p for n, p in inner)), columns.dtype)
    parts = columns.reshape(*shape[:2], prod(g.kernel), *lengths)
    for at, (_, where) in enumerate(taps(g, lengths)):
        total[where] += parts[:, :, at]
    own: Any = (..., *(slice(p, p + n) for n, p in zip(shape[2:], g.padding, strict=True)))
    return np.ascontiguousarray(total[own])


def _weights(w: Array, g: Geometry) -> Array:
    return w.reshape(g.groups, w.shape[0] // g.groups, -1)


def _biased(y: Array, d: Operands) -> Array:
    if "bias" in d:
        y += d["bias"].reshape(-1, *(1,) * (y.ndim - 2))
    return y


def _conv_forward(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    shape = shapes["output"]
    found = _weights(d["weight"], g) @ patches(d["input"], g, shape[2:])
    return _biased(found.reshape(shape), d)


def _conv_input(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    y = d["grad_output"]
    flat = y.reshape(y.shape[0], g.groups, y.shape[1] // g.groups, -1)
    columns = _weights(d["weight"], g).transpose(0, 2, 1) @ flat
    return scattered(columns, g, shapes["input"], y.shape[2:])


def _conv_weight(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    return _filter(d["grad_output"], d["input"], g).reshape(shapes["weight"])


def _filter(narrow: Array, wide: Array, g: Geometry) -> Array:
    """Sum over batch and places of narrow times the patches of wide."""
    flat = narrow.reshape(narrow.shape[0], g.groups, narrow.shape[1] // g.groups, -1)
    columns = patches(wide, g, narrow.shape[2:])
    return np.asarray((flat @ columns.transpose(0, 1, 3, 2)).sum(0))


def _turned_forward(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    """A transposed convolution is the gradient of a convolution by its input."""
    turned = {"grad_output": d["input"], "weight": d["weight"]}
    return _biased(_conv_input(g, turned, {"input": shapes["output"]}), d)


def _turned_input(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    turned = {"input": d["grad_output"], "weight": d["weight"]}
    return _conv_forward(g, turned, {"output": shapes["input"]})


def _turned_weight(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    return _filter(d["input"], d["grad_output"], g).reshape(shapes["weight"])


# ---- pooling ------------------------------------------------------------------------------------------


def _max_forward(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    wide = padded(d["input"], g, -np.inf)
    found = np.full(shapes["output"], -np.inf, wide.dtype)
    for _, where in taps(g, shapes["output"][2:]):
        np.maximum(found, wide[where], out=found)
    return found


def _max_input(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    best, wide = _max_forward(g, d, shapes), padded(d["input"], g, -np.inf)
    left = np.ones(best.shape, bool)
    columns = np.zeros((*best.shape[:2], prod(g.kernel), *best.shape[2:]), best.dtype)
    for at, (_, where) in enumerate(taps(g, best.shape[2:])):
        here = left & (wide[where] == best)
        np.copyto(columns[:, :, at], d["grad_output"], where=here)
        left &= ~here
    return scattered(columns, g, d["input"].shape, best.shape[2:])


def taken(task: Task, operands: Operands) -> Array:
    """For every window of max pooling the flat place in its plane of the first largest entry, int64."""
    g, x = task.geometry(), operands["input"]
    lengths = task.layer.output_shape(task.shape)[2:]
    places = np.arange(prod(x.shape[2:]), dtype=np.int64).reshape(1, 1, *x.shape[2:])
    wide, listed = padded(x, g, -np.inf), padded(places, g, 0)
    values = np.stack([wide[where] for _, where in taps(g, lengths)])
    where = np.concatenate([listed[where] for _, where in taps(g, lengths)])[:, 0]
    first = values.argmax(0)
    return np.take_along_axis(where.reshape(len(where), -1), first.reshape(-1, prod(lengths)), 0).reshape(
        first.shape
    )


def _mean_forward(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    wide = padded(d["input"], g)
    total = np.zeros(shapes["output"], wide.dtype)
    for _, where in taps(g, shapes["output"][2:]):
        total += wide[where]
    return np.asarray(total * total.dtype.type(1 / prod(g.kernel)))


def _mean_input(g: Geometry, d: Operands, shapes: Shapes) -> Array:
    y = d["grad_output"]
    each = y * y.dtype.type(1 / prod(g.kernel))
    columns = np.broadcast_to(each[:, :, None], (*y.shape[:2], prod(g.kernel), *y.shape[2:]))
    return scattered(columns, g, shapes["input"], y.shape[2:])


# ---- the rest -----------------------------------------------------------------------------------------


def _linear(task: Task, d: Operands) -> Callable[[], list[Array]]:
    if task.operation == "forward":
        return lambda: [d["input"] @ d["weight"].T + d.get("bias", 0)]
    if task.operation == "grad input":
        return lambda: [d["grad_output"] @ d["weight"]]
    return lambda: [d["grad_output"].reshape(-1, d["grad_output"].shape[-1]).T
                    @ d["input"].reshape(-1, d["input"].shape[-1])]  # fmt: skip


def _cross_entropy(task: Task, d: Operands) -> list[Array]:
    layer = task.layer
    if repr(layer) != "CrossEntropyLoss()" or len(task.shape) != 2:
        raise NotOffered("cross entropy other than the mean over rows of class indices")
    x = d["input"] - d["input"].max(1, keepdims=True)
    rows = np.arange(len(x))
    e = np.exp(x)
    total = e.sum(1, keepdims=True)
    loss = (np.log(total[:, 0]) - x[rows, d["target"]]).mean()
    e /= total
    e[rows, d["target"]] -= 1
    return [np.asarray(loss), np.asarray(e * e.dtype.type(1 / len(x)))]


def _resampling(task: Task, d: Operands) -> Callable[[], list[Array]]:
    """By a matrix an axis: its rows are output places, its columns input places."""
    maps = [matrix.astype(d["input"].dtype) for matrix in matrices(task)]
    name = "input" if task.operation == "forward" else "grad_output"

    def call() -> list[Array]:
        found = d[name]
        for axis, matrix in enumerate(maps, 2):
            turned = matrix if task.operation == "forward" else matrix.T
            found = np.moveaxis(np.tensordot(turned, found, (1, axis)), 0, axis)
        return [np.ascontiguousarray(found)]

    return call


def matrices(task: Task) -> list[Array]:
    """The resampling of each spatial axis as a matrix, by PyTorch's documented source places."""
    layer, found = task.layer, []
    mode, corners = getattr(layer, "mode", ""), getattr(layer, "align_corners", None)
    if mode not in ("nearest", "linear", "bilinear", "trilinear") or corners:
        raise NotOffered("resampling with corners aligned")
    for length, out in zip(task.shape[2:], task.layer.output_shape(task.shape)[2:], strict=True):
        if out % length:
            raise NotOffered("resampling by other than a whole factor")
        scale, matrix = length / out, np.zeros((out, length))
        for o in range(out):
            if mode == "nearest":
                matrix[o, int(o * scale)] = 1
                continue
            at = max((o + 0.5) * scale - 0.5, 0)
            low = int(at)
            matrix[o, low] += 1 - (at - low)
            matrix[o, min(low + 1, length - 1)] += at - low
        found.append(matrix)
    return found
