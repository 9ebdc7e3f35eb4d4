"""Owns the museum's mistakes in pooling by selection: which entry is taken, and what it is handed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.verify_hits import Arrays, Wrong

Place = tuple[int, ...]
Window = list[tuple[Place, bool]]
"""Places of a window in order, and whether each is inside the input."""


def windows(layer: Any, lengths: Sequence[int], outs: Sequence[int]) -> Iterator[tuple[Place, Window]]:
    """Every window of a plane with its places."""
    for o in product(*map(range, outs)):
        if hasattr(layer, "strides"):
            begins = [s * i - p for s, i, (p, _) in zip(layer.strides, o, layer.paddings, strict=True)]
            axes = [
                [b + d * a for a in range(k)]
                for b, d, k in zip(begins, layer.dilations, layer.kernel, strict=True)
            ]
        else:
            pairs = zip(o, lengths, outs, strict=True)
            axes = [list(range(i * n // m, -(-(i + 1) * n // m))) for i, n, m in pairs]
        spots = list(product(*axes))
        yield o, [(s, all(0 <= i < n for i, n in zip(s, lengths, strict=True))) for s in spots]


def selected(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in the output or the gradient of a pool that takes the largest (smallest) entries."""
    rank = len(layer.tags)
    sign = -1.0 if getattr(layer, "first", "largest") == "smallest" else 1.0
    x, g = sign * arrays["input"], arrays["grad_output"]
    lengths, outs = x.shape[x.ndim - rank :], g.shape[g.ndim - rank :]
    if key == "output":
        yield (
            "the largest in place of the smallest" if sign < 0 else "the smallest in place of the largest",
            (sign * _taken(layer, -x, lengths, outs, -np.inf) * -1),
        )
        yield "zeros of the padding compared with the entries", sign * _taken(layer, x, lengths, outs, 0.0)
        yield "the mean in place of the selected entry", sign * _means(layer, x, lengths, outs)
        if hasattr(layer, "kernel"):
            for narrow in _narrow(layer):
                yield "pool width taken as 2", sign * _taken(narrow, x, lengths, outs, -np.inf)
        return
    for title, how in (
        ("overlapping windows overwritten instead of summed", "overwritten"),
        ("the gradient to every entry equal to the selected one", "every"),
        ("the last of equal entries in place of the first", "last"),
        ("the gradient to every entry of the window", "window"),
        ("the gradient shared out among the entries of the window", "shared"),
        ("zeros of the padding compared with the entries", "padding"),
        ("1 in place of grad_output at the selected entries", "marked"),
    ):
        yield title, _sent(layer, x, g, lengths, outs, how)
    if hasattr(layer, "kernel"):
        for narrow in _narrow(layer):
            yield "pool width taken as 2", _sent(narrow, x, g, lengths, outs, "")


def _narrow(layer: Any) -> Iterator[Any]:
    """The windows of a pool with two columns each, and with two entries along every axis."""
    for kernel in ((*layer.kernel[:-1], 2), (2,) * len(layer.kernel)):
        yield SimpleNamespace(
            kernel=kernel, strides=layer.strides, paddings=layer.paddings, dilations=layer.dilations
        )


def _planes(array: NDArray[Any], rank: int) -> NDArray[Any]:
    return array.reshape(-1, *array.shape[array.ndim - rank :])


def _in_all(place: Place) -> Any:
    """The index of one place in every plane."""
    return (slice(None), *place)


def _taken(
    layer: Any, x: NDArray[Any], lengths: Sequence[int], outs: Sequence[int], border: float
) -> NDArray[Any]:
    """The largest entry of each window, the border counted with a value of its own."""
    planes = _planes(x, len(lengths))
    found = np.empty((len(planes), *outs))
    for o, window in windows(layer, lengths, outs):
        values = [planes[_in_all(s)] if held else np.full(len(planes), border) for s, held in window]
        found[_in_all(o)] = np.max(values, axis=0)
    return found.reshape(*x.shape[: x.ndim - len(lengths)], *outs)


def _means(layer: Any, x: NDArray[Any], lengths: Sequence[int], outs: Sequence[int]) -> NDArray[Any]:
    planes = _planes(x, len(lengths))
    found = np.empty((len(planes), *outs))
    for o, window in windows(layer, lengths, outs):
        values = [planes[_in_all(s)] for s, held in window if held]
        found[_in_all(o)] = np.mean(values, axis=0)
    return found.reshape(*x.shape[: x.ndim - len(lengths)], *outs)


def _sent(
    layer: Any, x: NDArray[Any], g: NDArray[Any], lengths: Sequence[int], outs: Sequence[int], how: str
) -> NDArray[Any]:
    """The gradient sent back by one of the mistakes."""
    planes, grads = _planes(x, len(lengths)), _planes(g, len(outs))
    found = np.zeros((len(planes), *lengths))
    for plane in range(prod(x.shape[: x.ndim - len(lengths)])):
        for o, window in windows(layer, lengths, outs):
            for spot, share in _shares(planes[plane], window, how):
                value = share * (1.0 if how == "marked" else grads[(plane, *o)])
                at = (plane, *spot)
                found[at] = value if how == "overwritten" else found[at] + value
    return found.reshape(x.shape)


def _shares(plane: NDArray[Any], window: Window, how: str) -> list[tuple[Place, float]]:
    """Which entries of a window get which part of its gradient."""
    held = [spot for spot, inside in window if inside]
    if not held:
        return []
    values = [float(plane[spot]) for spot in held]
    best = max(values)
    if how == "padding":
        bordered = [float(plane[spot]) if inside else 0.0 for spot, inside in window]
        spot, inside = window[int(np.argmax(bordered))]
        return [(spot, 1.0)] if inside else []
    if how in ("every", "window", "shared"):
        chosen = [s for s, v in zip(held, values, strict=True) if how != "every" or v == best]
        return [(s, 1.0 / len(chosen) if how == "shared" else 1.0) for s in chosen]
    places = [s for s, v in zip(held, values, strict=True) if v == best]
    return [(places[-1 if how == "last" else 0], 1.0)]
