"""Owns the museum of non-linear layers: recurring mistakes as results on numbers, and which one a result is.

Many mistakes are the right result of another layer (a stride forgotten, the other axis, another reduction) or
of other operands (a derivative taken at the output); those are evaluated from the definitions like any right
result. The rest is formed here. A result is named where it is a mistake's result up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import BackflipError
from derive.layers.base import Layer
from derive.verify_bugs_selecting import selected
from derive.verify_hits import Arrays, Wrong
from derive.verify_real import Judge, other_results

AS_GOOD_AS = 1e-9
"""Two results whose difference is this part of the largest entry are taken for the same mistake."""

CHANGES: tuple[tuple[str, Callable[[Any], dict[str, Any] | None]], ...] = (
    ("stride taken as kernel_size", lambda o: {"stride": o.kernel} if hasattr(o, "strides") else None),
    ("stride taken as 1", lambda o: {"stride": 1} if hasattr(o, "strides") else None),
    (
        "stride swapped between the axes",
        lambda o: {"stride": o.strides[::-1]} if hasattr(o, "strides") else None,
    ),
    ("dilation dropped", lambda o: {"dilation": 1} if hasattr(o, "dilations") else None),
    ("softmax over the wrong axis", lambda o: {"dim": 0 if o.dim else 1} if hasattr(o, "dim") else None),
    ("the mean in place of the sum", lambda o: {"reduction": "mean"} if hasattr(o, "reduction") else None),
    ("the sum in place of the mean", lambda o: {"reduction": "sum"} if hasattr(o, "reduction") else None),
    (
        "label smoothing forgotten",
        lambda o: {"label_smoothing": 0.0} if hasattr(o, "label_smoothing") else None,
    ),
    ("eps forgotten", lambda o: {"eps": 1e-30} if hasattr(o, "eps") else None),
    (
        "running statistics in place of the batch's",
        lambda o: {"training": False} if hasattr(o, "eps") else None,
    ),
    (
        "the batch's statistics in place of the running ones",
        lambda o: {"training": True} if hasattr(o, "eps") else None,
    ),
)
"""Another layer whose right result the mistake gives: its arguments, or None where the layer has no such."""


def real_bugs(
    layer: Layer, shape: tuple[int, ...], key: str, got: NDArray[Any], right: NDArray[Any], arrays: Arrays
) -> list[str]:
    """Names of the known mistakes that give this result for `key` at these operands, up to rounding."""
    found: dict[str, None] = {}
    if key == "indices":
        return []
    with np.errstate(all="ignore"):
        for title, wrong in _mistakes(layer, shape, key, right, arrays):
            result = np.asarray(wrong, np.float64)
            if title not in found and _same(result, got) and not _same(result, right):
                found[title] = None
    return list(found)


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    if one.shape != other.shape:
        return False
    scale = float(np.abs(other[np.isfinite(other)]).max(initial=0.0))
    return bool(np.allclose(one, other, rtol=0, atol=AS_GOOD_AS * scale, equal_nan=True))


def _mistakes(
    layer: Layer, shape: tuple[int, ...], key: str, right: NDArray[Any], arrays: Arrays
) -> Iterator[Wrong]:
    own = Judge(layer, shape)
    family = type(layer).__name__
    if "Pool" in family and "LP" not in family and "Unpool" not in family:
        yield from selected(key, layer, arrays, right)
    for title, change in CHANGES:
        changes = change(layer)
        other = other_results(layer, shape, **changes) if changes is not None else None
        if other is not None and other.layer != layer:
            yield from _right_of(title, other, key, arrays, right)
    if key != "output":
        yield from _of_gradient(own, key, right, arrays)
    if family.startswith("BatchNorm"):
        yield from _normalised(layer, key, arrays)
        exchanged = {"weight": "bias", "bias": "weight"}.get(key)
        if exchanged in arrays:
            yield from _right_of("weight and bias gradients swapped", own, exchanged, arrays, right)
    if family in ("CrossEntropyLoss", "NLLLoss"):
        yield from _over_classes(layer, key, arrays, right)
    if family in ("Softmax", "LogSoftmax"):
        yield from _soft(own, layer, key, arrays, right)
    yield "sign turned", -right
    yield f"{'output' if key == 'output' else 'gradient'} doubled", 2 * right
    if "mask" in arrays:
        yield "the scale 1/(1 - p) forgotten", right * (1 - float(getattr(layer, "p", 0.0)))


def _right_of(title: str, judge: Judge, key: str, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """The right result of another layer, or at other operands, where the shapes fit."""
    try:
        yield title, judge.values(key, arrays, right.shape).value
    except (BackflipError, ValueError):
        return


def _of_gradient(own: Judge, key: str, right: NDArray[Any], arrays: Arrays) -> Iterator[Wrong]:
    """Mistakes in any layer's gradient."""
    g, x = arrays["grad_output"], arrays["input"]
    ones = {**arrays, "grad_output": np.ones_like(g)}
    yield from _right_of("grad_output forgotten", own, key, ones, right)
    if g.shape == right.shape:
        yield "grad_output passed on: the derivative forgotten", g
        gates = {**arrays, "input": g}
        yield from _right_of("the sign of grad_output tested in place of the input's", own, key, gates, right)
        y = np.asarray(own.values("output", arrays, g.shape).value, np.float64)
        yield "the function in place of its derivative", g * y
        derived = {"Sigmoid": x * (1 - x), "Tanh": 1 - x**2}.get(type(own.layer).__name__)
        if derived is not None:
            yield "the input taken for the output in the derivative", g * derived
        at_output = {**arrays, "input": y}
        yield from _right_of("derivative taken at the output, not at the input", own, key, at_output, right)
    if "target" in {f.name for f in fields(own.layer)} or "reduction" in {f.name for f in fields(own.layer)}:
        yield "divided by the batch size once more", right / max(1, x.shape[0] if x.ndim else 1)
        yield "not divided by the batch size", right * max(1, x.shape[0] if x.ndim else 1)
        yield "divided by the number of entries once more", right / max(1, x.size)


def _soft(own: Judge, layer: Any, key: str, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """A Jacobian taken for its diagonal: what the sum over the classes adds is lost."""
    if key == "output":
        return
    y = np.asarray(own.values("output", arrays, right.shape).value, np.float64)
    g = arrays["grad_output"]
    log = type(layer).__name__ == "LogSoftmax"
    p = np.exp(y) if log else y
    yield "the diagonal of the Jacobian alone", g * (1 - p) if log else g * p * (1 - p)
    for axis in {*range(y.ndim)} - {int(layer.dim) % y.ndim}:
        total = (g if log else g * y).sum(axis=axis, keepdims=True)
        yield "backward of the softmax summed over the wrong axis", g - p * total if log else y * (g - total)


def _over_classes(layer: Any, key: str, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """A mean over the wrong number of targets; ignored ones not left out of a plain gradient."""
    x, target = arrays["input"], arrays["target"]
    if layer.reduction != "mean":
        return
    yield "divided by N*C, the classes too", right / x.shape[int(x.ndim > 1)]
    if key == "input" and target.dtype.kind == "f":
        yield "p - y: the sum of the target taken for 1", right + _unweighed(layer, arrays)
    if target.dtype.kind == "i" and target.size:
        counted = np.count_nonzero(target != layer.ignore_index)
        yield "ignored targets counted in the mean", right * counted / target.size
        if key == "input" and type(layer).__name__ == "CrossEntropyLoss":
            axis = int(x.ndim > 1)
            p = np.exp(x - x.max(axis=axis, keepdims=True))
            hit = np.moveaxis(target[..., None] == np.arange(x.shape[axis]), -1, axis)
            plain = arrays["grad_output"] * (p / p.sum(axis=axis, keepdims=True) - hit)
            for divisor in (target.size, max(1, counted)):
                yield "ignored targets not left out", plain / divisor


def _unweighed(layer: Any, arrays: Arrays) -> NDArray[Any]:
    """(1 - sum of y) p over the number of targets, with y weighted by class and smoothed."""
    x, target, axis = arrays["input"], arrays["target"], int(arrays["input"].ndim > 1)
    part = float(layer.label_smoothing)
    along = (-1, *(1,) * (x.ndim - axis - 1))
    y = (1 - part) * target + part / x.shape[axis]
    y = y * arrays["class_weight"].reshape(along) if "class_weight" in arrays else y
    p = np.exp(x - x.max(axis=axis, keepdims=True))
    lost = (1 - y.sum(axis=axis, keepdims=True)) * p / p.sum(axis=axis, keepdims=True)
    return np.asarray(arrays["grad_output"] * lost * x.shape[axis] / x.size)


def _normalised(layer: Any, key: str, arrays: Arrays) -> Iterator[Wrong]:
    """Batch normalisation in training with statistics taken as constants, or the other variance."""
    x, g = arrays["input"], arrays["grad_output"]
    over = (0, *range(2, x.ndim))
    count = x.shape[0] * prod(x.shape[2:])
    along = (1, -1, *(1,) * (x.ndim - 2))
    weight = arrays["weight"].reshape(along) if "weight" in arrays else 1.0
    bias = arrays["bias"].reshape(along) if "bias" in arrays else 0.0
    centred = x - x.mean(axis=over, keepdims=True)
    spread = (centred**2).sum(axis=over, keepdims=True)
    inverse = 1 / np.sqrt(spread / count + float(layer.eps))
    if key == "output":
        if count > 1:
            wide = 1 / np.sqrt(spread / (count - 1) + float(layer.eps))
            yield "variance divided by n - 1", centred * wide * weight + bias
        yield (
            "eps added outside of the root",
            centred / (np.sqrt(spread / count) + float(layer.eps)) * weight + bias,
        )
        yield "not centred", x * inverse * weight + bias
    outside = 1 / (np.sqrt(spread / count) + float(layer.eps))
    if key == "weight":
        yield "eps added outside of the root", (g * centred * outside).sum(axis=over)
    if key == "input":
        normal = centred * outside
        pull = g - g.mean(axis=over, keepdims=True) - normal * (g * normal).mean(axis=over, keepdims=True)
        yield "eps added outside of the root", weight * outside * pull
        yield "mean and variance taken as constants", g * weight * inverse
        centred_back = g - g.mean(axis=over, keepdims=True)
        yield "variance taken as constant", weight * inverse * centred_back
        pulled = (g * centred).sum(axis=over, keepdims=True) * inverse**2 / count
        yield "mean taken as constant", weight * inverse * (g - centred * pulled)
    if key == "weight":
        yield "input in place of the normalised input", (g * x).sum(axis=over)
        yield "not summed over the batch", (g * centred * inverse)[0].sum(axis=tuple(range(1, x.ndim - 1)))
