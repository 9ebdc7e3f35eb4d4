"""Owns the museum: plain-loop convolution gradients with one recurring mistake each, to name a user's bug.

Never the truth that a function is judged by (that comes from the claims); only a wrong result is looked
up here. Works on object arrays of symbols and on integers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Rule:
    """How gradients are formed from output row o, tap a: the right way, and the knobs that break it."""

    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]
    groups: int
    flip: tuple[bool, ...]
    exchanged: bool = True
    last_image: bool = False
    overwrite: bool = False


def gradients(arrays: Arrays, rule: Rule) -> Arrays:
    """grad_input, grad_weight and grad_bias by nested loops under a rule; object arrays."""
    g, x, w = (arrays[n] for n in ("grad_output", "input", "weight"))
    filters, per = w.shape[:2]
    found = {"input": _zeros(x.shape), "weight": _zeros(w.shape), "bias": _zeros((filters,))}
    images = range(g.shape[0] - 1, g.shape[0]) if rule.last_image else range(g.shape[0])
    for n, k, *o in product(images, *map(range, g.shape[1:])):
        found["bias"][k] = found["bias"][k] + g[(n, k, *o)]
        first = k // (filters // rule.groups) * per
        for c, *a in product(range(per), *map(range, w.shape[2:])):
            spot = tuple(s * i + d * j - p for s, i, d, j, p in zip(
                rule.stride, o, rule.dilation, a, rule.before, strict=True))  # fmt: skip
            if not all(0 <= i < size for i, size in zip(spot, x.shape[2:], strict=True)):
                continue
            tap = tuple(
                size - 1 - j if f else j for j, size, f in zip(a, w.shape[2:], rule.flip, strict=True)
            )
            here = (k, c, *tap) if rule.exchanged else (c, k, *tap)
            place = (n, first + c, *spot)
            new_x, new_w = g[(n, k, *o)] * w[here], g[(n, k, *o)] * x[place]
            found["input"][place] = new_x if rule.overwrite else found["input"][place] + new_x
            found["weight"][here] = new_w if rule.overwrite else found["weight"][here] + new_w
    return found


def _zeros(shape: tuple[int, ...]) -> NDArray[Any]:
    found = np.empty(shape, object)
    found.fill(0)
    return found


def mutants(right: Rule, paddings: Sequence[tuple[int, int]], square: bool) -> Iterator[tuple[str, Rule]]:
    """Named mistakes as rules; `square`: as many filters as channels."""
    rank, before = len(right.stride), right.before
    ones = (1,) * rank
    yield "kernel not flipped", replace(right, flip=(True,) * rank)
    for axis in range(rank) if rank > 1 else ():
        flip = tuple(i == axis for i in range(rank))
        yield "kernel flipped on one axis only", replace(right, flip=flip)
    if square and right.groups == 1:
        yield "channel axes not exchanged", replace(right, exchanged=False)
        yield (
            "channel axes not exchanged and kernel not flipped",
            replace(right, exchanged=False, flip=(True,) * rank),
        )
    yield "stride dropped", replace(right, stride=ones)
    yield "stride and dilation swapped", replace(right, stride=right.dilation, dilation=right.stride)
    yield "dilation dropped", replace(right, dilation=ones)
    yield "padding ignored", replace(right, before=(0,) * rank)
    yield "padding off by one (too much)", replace(right, before=tuple(b + 1 for b in before))
    yield "padding off by one (too little)", replace(right, before=tuple(b - 1 for b in before))
    yield "padding on the wrong side", replace(right, before=tuple(a for _, a in paddings))
    yield "only the last image of the batch", replace(right, last_image=True)
    yield "overlapping windows overwritten instead of summed", replace(right, overwrite=True)


def reshaped(right: Arrays, arrays: Arrays, numbers: Mapping[str, Any]) -> Iterator[tuple[str, Arrays]]:
    """Wrong results that are made from the right ones."""
    g = arrays["grad_output"]
    images, places = g.shape[0], g[0, 0].size
    for scale, title in (
        (images, "averaged over the batch"),
        (images * places, "averaged over batch and places"),
    ):
        if scale > 1:
            yield title, {key: divided(value, scale) for key, value in right.items()}
    left = numbers["leftovers"]
    if any(left):
        cut: Any = (
            ...,
            *(slice(0, size - r) for size, r in zip(right["input"].shape[2:], left, strict=True)),
        )
        yield "leftover rows of a non-divisible stride dropped", {"input": right["input"][cut]}
        zeroed = _zeros(right["input"].shape)
        zeroed[cut] = right["input"][cut]
        yield "leftover rows of a non-divisible stride dropped", {"input": zeroed}
    axes = tuple(range(g.ndim))
    others = (axes[0], *axes[2:])
    for count in range(1, len(others)):
        for keep in combinations(others, count):
            spots: Any = tuple(slice(None) if i in keep or i == 1 else 0 for i in axes)
            part = g[spots]
            over = tuple(i for i, axis in enumerate(sorted({*keep, 1})) if axis != 1)
            yield "bias gradient summed over the wrong axes", {"bias": part.sum(axis=over)}
    spatial = g[0].sum(axis=tuple(range(1, g.ndim - 1)))
    yield "bias gradient summed over the wrong axes", {"bias": spatial}
    if g.shape[0] == g.shape[1]:
        yield (
            "bias gradient summed over the wrong axes",
            {"bias": g.sum(axis=tuple(i for i in axes if i != 0))},
        )


def divided(array: NDArray[Any], scale: int) -> NDArray[Any]:
    return _zeros(array.shape) + array / scale


Same = Callable[[NDArray[Any], NDArray[Any]], bool]


def named_bugs(
    key: str, got: NDArray[Any], arrays: Arrays, numbers: Mapping[str, Any], same: Same
) -> list[str]:
    """Names of the known mistakes that give exactly this result for gradient `key`."""
    square = arrays["weight"].shape[0] == arrays["weight"].shape[1]
    rank, before = len(numbers["strides"]), tuple(b for b, _ in numbers["paddings"])
    rule = Rule(numbers["strides"], numbers["dilations"], before, numbers["groups"], (False,) * rank)
    right = gradients(arrays, rule)
    found: dict[str, None] = {}
    for title, mutant in mutants(rule, numbers["paddings"], square):
        wrong = gradients(arrays, mutant)[key]
        if same(wrong, got) and not same(wrong, right[key]):
            found[title] = None
    for title, values in reshaped(right, arrays, numbers):
        if key in values and same(values[key], got) and not same(values[key], right[key]):
            found[title] = None
    return list(found)
