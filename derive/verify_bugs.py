"""Owns the museum's mistakes in layers with weights: convolutions both ways, weighted pooling, Linear."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.layers.base import Layer
from derive.verify_hits import Arrays, Hit, Place, Wrong, dropped, gathered, inside, places, zeros


@dataclass(frozen=True)
class Rule:
    """How output row o and tap a meet in an input entry: the right way, and the knobs that break it."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    groups: int
    flip: tuple[bool, ...]
    exchanged: bool = True
    last_image: bool = False
    overwrite: bool = False
    grouping: str = "blocks"
    columns: str = "all"

    def spot(self, o: Sequence[int], a: Sequence[int]) -> Place:
        axes = zip(self.stride, o, self.dilation, a, self.before, strict=True)
        return tuple(s * i + d * j - p for s, i, d, j, p in axes)

    def tap(self, a: Sequence[int], kernel: Sequence[int]) -> Place:
        axes = zip(a, kernel, self.flip, strict=True)
        return tuple(size - 1 - j if f else j for j, size, f in axes)

    def group(self, k: int, filters: int) -> int:
        """The group that a filter belongs to."""
        if self.grouping == "first inputs":
            return 0
        return k % self.groups if self.grouping == "modulo" else k // (filters // self.groups)

    def filter(self, k: int, filters: int) -> int:
        """The filter whose weights are read."""
        return k % (filters // self.groups) if self.grouping == "first weights" else k

    def seen(self, o: Sequence[int], far: Sequence[int], spot: Place, near: Sequence[int]) -> bool:
        """Whether a loop reaches an entry: not where columns run up to the number of rows."""
        beyond = {"outputs": o[-1] >= far[0], "inputs": spot[-1] >= near[0]}
        return inside(spot, near) and not beyond.get(self.columns, False)


def windows(rule: Rule, far: Sequence[int], weight: Sequence[int], near: Sequence[int]) -> Iterator[Hit]:
    """The triples of a convolution from a tensor of shape `near` to one of shape `far`."""
    per = weight[1]
    images = range(far[0] - 1 if rule.last_image else 0, far[0])
    for n in images:
        for k, *o in places(far[1:]):
            first = rule.group(k, far[1]) * per
            for c, *a in places((per, *weight[2:])):
                spot, tap = rule.spot(o, a), rule.tap(a, weight[2:])
                used = rule.filter(k, far[1])
                here = (used, c, *tap) if rule.exchanged else (c, used, *tap)
                if rule.seen(o, far[2:], spot, near[2:]) and inside(here, weight):
                    yield (n, k, *o), here, (n, first + c, *spot)


def mutants(right: Rule, after: tuple[int, ...], square: bool, turned: str) -> Iterator[tuple[str, Rule]]:
    """Named mistakes as rules. `turned` is what a wrongly flipped kernel is called; `square`: as many
    filters as channels."""
    rank, before, ones = len(right.stride), right.before, (1,) * len(right.stride)
    yield f"kernel {turned}", replace(right, flip=(True,) * rank)
    for axis in range(rank) if rank > 1 else ():
        flip = tuple(i == axis for i in range(rank))
        yield "kernel flipped on one axis only", replace(right, flip=flip)
    if square and right.groups == 1:
        both = replace(right, exchanged=False, flip=(True,) * rank)
        words = "not exchanged" if turned == "not flipped" else "exchanged"
        yield f"channel axes {words}", replace(right, exchanged=False)
        yield f"channel axes {words} and kernel {turned}", both
    yield "stride dropped", replace(right, stride=ones)
    yield "stride and dilation swapped", replace(right, stride=right.dilation, dilation=right.stride)
    yield "stride swapped between the axes", replace(right, stride=right.stride[::-1])
    yield "dilation dropped", replace(right, dilation=ones)
    yield "padding ignored", replace(right, before=(0,) * rank)
    yield "padding off by one (too much)", replace(right, before=tuple(b + 1 for b in before))
    yield "padding off by one (too little)", replace(right, before=tuple(b - 1 for b in before))
    yield "padding on the wrong side", replace(right, before=after)
    yield "only the last image of the batch", replace(right, last_image=True)
    yield "overlapping windows overwritten instead of summed", replace(right, overwrite=True)
    if rank > 1:
        yield "columns bounded by the row extent", replace(right, columns="outputs")
        yield "columns bounded by the row extent", replace(right, columns="inputs")
    if right.groups > 1:
        yield "the first group's weights in every group", replace(right, grouping="first weights")
        yield "the first group's inputs in every group", replace(right, grouping="first inputs")
        yield "filter k put into group k modulo groups", replace(right, grouping="modulo")


def only_last(hits: Iterable[Hit]) -> Iterator[Hit]:
    """The triples of the last window alone that meets an entry of the input: what a window stores stays."""
    kept, last = list(hits), dict[Place, Place]()
    for far, _, near in kept:
        last[near] = max(last.get(near, far[2:]), far[2:])
    return (hit for hit in kept if hit[0][2:] == last[hit[2]])


def _rule(layer: Any, rank: int) -> tuple[Rule, tuple[int, ...]]:
    """The right rule of a convolution or pool, and its padding after."""
    before, after = zip(*layer.paddings, strict=True)
    dilation = getattr(layer, "dilations", (1,) * rank)
    return Rule(layer.strides, dilation, before, getattr(layer, "groups", 1), (False,) * rank), after


def convolution(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in the output or a gradient of a convolution."""
    g, x, w = (arrays[n] for n in ("grad_output", "input", "weight"))
    rule, after = _rule(layer, x.ndim - 2)
    if key == "bias":
        yield from _bias_sums(g)
        return
    added = arrays["bias"].reshape(1, -1, *(1,) * (x.ndim - 2)) if "bias" in arrays and key == "output" else 0
    turned = "flipped (not a cross-correlation)" if key == "output" else "not flipped"
    mistakes = mutants(rule, after, w.shape[0] == w.shape[1], turned)
    for title, wrong in (("padding_mode ignored: zeros", rule), *mistakes):
        hits = windows(wrong, g.shape, w.shape, x.shape)
        yield title, gathered(key, hits, arrays, right.shape, wrong.overwrite) + added
    if key == "output":
        yield "bias forgotten", right - added
    if key == "input":
        hits = only_last(windows(rule, g.shape, w.shape, x.shape))
        yield "overlapping windows overwritten instead of summed", gathered(key, hits, arrays, right.shape)
        pads: Sequence[tuple[int, int]] = getattr(layer, "paddings", ())
        axes = zip(x.shape[2:], pads, g.shape[2:], w.shape[2:], rule.stride, rule.dilation, strict=True)
        left = [n + b + a - d * (k - 1) - 1 - s * (o - 1) for n, (b, a), o, k, s, d in axes]
        yield from dropped("leftover rows of a non-divisible stride dropped", right, left)


def _bias_sums(g: NDArray[Any]) -> Iterator[Wrong]:
    """grad_output summed over other axes than batch and places."""
    title = "bias gradient summed over the wrong axes"
    axes = tuple(range(g.ndim))
    others = (axes[0], *axes[2:])
    for count in range(1, len(others)):
        for keep in combinations(others, count):
            spots: Any = tuple(slice(None) if i in keep or i == 1 else 0 for i in axes)
            over = tuple(i for i, axis in enumerate(sorted({*keep, 1})) if axis != 1)
            yield title, g[spots].sum(axis=over)
    yield title, g[0].sum(axis=tuple(range(1, g.ndim - 1)))
    if g.shape[0] == g.shape[1]:
        yield title, g.sum(axis=tuple(i for i in axes if i != 0))


def transposed(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in a transposed convolution: the triples of the convolution from its output to its input."""
    g, x, w = (arrays[n] for n in ("grad_output", "input", "weight"))
    if key == "bias":
        yield from _bias_sums(g)
        return
    numbers: Sequence[Mapping[str, int]] = getattr(layer, "numbers", ())
    stride, dilation, before, after, more = (tuple(n[letter] for n in numbers) for letter in "sdpqr")
    rule = Rule(stride, dilation, before, getattr(layer, "groups", 1), (False,) * len(stride))
    added = arrays["bias"].reshape(1, -1, *(1,) * (x.ndim - 2)) if "bias" in arrays and key == "output" else 0
    swapped = {"grad_output": x, "input": g, "weight": w}
    result = {"output": "input", "input": "output", "weight": "weight"}[key]
    for title, wrong in mutants(rule, after, w.shape[0] == w.shape[1], "flipped"):
        hits = windows(wrong, x.shape, w.shape, g.shape)
        yield title, gathered(result, hits, swapped, right.shape, wrong.overwrite) + added
    ignored = "output_padding ignored"
    if key == "output":
        yield "bias forgotten", right - added
        yield from dropped(ignored, right, more)
        yield from ((ignored, part + added) for _, part in dropped(ignored, right - added, more))
    elif any(more):
        kept: Any = (..., *(slice(0, n - r) for n, r in zip(g.shape[2:], more, strict=True)))
        hits = windows(rule, x.shape, w.shape, g[kept].shape)
        yield ignored, gathered(result, hits, swapped, right.shape)


def weighted_pool(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in a pool whose learned weight all channels share."""
    g, x, w = (arrays[n] for n in ("grad_output", "input", "weight"))
    rule, after = _rule(layer, x.ndim - 2)
    turned = "flipped (not a cross-correlation)" if key == "output" else "not flipped"
    kernel = tuple(w.shape)
    stepped = ("stride taken as kernel_size", replace(rule, stride=kernel))
    for title, wrong in (*mutants(rule, after, False, turned), stepped):
        hits = _pooled(wrong, g.shape, w.shape, x.shape)
        yield title, gathered(key, hits, arrays, right.shape, wrong.overwrite)
    if key == "weight":
        for channel in range(x.shape[1]):
            hits = (h for h in _pooled(rule, g.shape, w.shape, x.shape) if h[0][1] == channel)
            yield "weight gradient of one channel only", gathered(key, hits, arrays, right.shape)


def _pooled(rule: Rule, far: Sequence[int], kernel: Sequence[int], near: Sequence[int]) -> Iterator[Hit]:
    for n, c, *o in places(far):
        for a in places(kernel):
            spot = rule.spot(o, a)
            if inside(spot, near[2:]) and not (rule.last_image and n < far[0] - 1):
                yield (n, c, *o), rule.tap(a, kernel), (n, c, *spot)


def fully_connected(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in output = input weight^T + bias and its gradients."""
    g, x, w = (arrays[n] for n in ("grad_output", "input", "weight"))
    turned, lead = w.swapaxes(0, 1), tuple(range(g.ndim - 1))
    added = arrays.get("bias", zeros(()))
    if key == "weight":
        wrong = np.tensordot(x, g, (lead, lead))
        yield "weight gradient transposed", wrong
        yield "only the last row of the batch", g[-1:].T @ x[-1:] if g.ndim == 2 else wrong
    elif key == "bias":
        yield "bias gradient summed over the wrong axes", g.sum(axis=-1)
        yield "bias gradient not summed over the batch", g
        yield "only the last row of the batch", g[-1]
    elif key == "output":
        yield "bias forgotten", right - added
        if w.shape[0] == w.shape[1]:
            yield "weight not transposed", np.tensordot(x, w, (-1, 0)) + added
    elif w.shape[0] == w.shape[1]:
        yield "weight transposed", np.tensordot(g, turned, (-1, 0))


def joined(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in joining two tensors along an axis."""
    x, other, g, dim = arrays["input"], arrays["other"], arrays["grad_output"], getattr(layer, "dim", 1)
    if key == "output":
        yield "the two inputs exchanged", np.concatenate([other, x], dim)
        return
    at = other.shape[dim] if key == "input" else 0
    length = right.shape[dim]
    part: Any = [slice(None)] * g.ndim
    part[dim] = slice(at, at + length)
    yield "the two inputs exchanged", g[tuple(part)]
