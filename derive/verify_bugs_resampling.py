"""Owns the museum's mistakes in resampling: downsampling, zero-insertion, nearest and linear Upsample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import floor, prod
from typing import Any

from numpy.typing import NDArray

from derive.verify_hits import (
    ONE,
    Arrays,
    Place,
    Spots,
    Wrong,
    dropped,
    inside,
    lengths_of,
    mapped,
    places,
    singly,
)

Axis = list[list[tuple[int, Fraction]]]
"""For each output place of an axis the input places that it reads, with their weights."""


def _per_axis(value: Any, rank: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * rank


def downsampled(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in keeping every factor-th entry."""
    lengths, outs = lengths_of(arrays)
    factor = _per_axis(layer.factor, len(outs))
    moves: list[tuple[str, Callable[[int, int], int]]] = [
        ("factor swapped between the axes", lambda a, y: factor[::-1][a] * y),
        ("factor ignored", lambda a, y: y),
        ("last entry of each block instead of the first", lambda a, y: factor[a] * y + factor[a] - 1),
        ("off by one", lambda a, y: factor[a] * y + 1),
    ]
    for title, source in moves:
        yield title, mapped(key, singly(outs, lengths, source), arrays, right)
    if key == "input":
        left = [n - 1 - f * (o - 1) for n, o, f in zip(lengths, outs, factor, strict=True)]
        yield from dropped("leftover rows dropped", right, left)
        repeated = ((tuple(j // f for j, f in zip(i, factor, strict=True)), ONE, i) for i in places(lengths))
        kept = (hit for hit in repeated if inside(hit[0], outs))
        yield "gradient repeated instead of spread with zeros", mapped(key, kept, arrays, right)


def inserted(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in zero-insertion."""
    lengths, outs = lengths_of(arrays)
    factor, more = (_per_axis(v, len(outs)) for v in (layer.factor, layer.output_padding))

    def spread(step: Sequence[int], shift: int = 0) -> Spots:
        for i in places(lengths):
            o = tuple(f * j + shift for f, j in zip(step, i, strict=True))
            if inside(o, outs):
                yield o, ONE, i

    yield "factor swapped between the axes", mapped(key, spread(factor[::-1]), arrays, right)
    yield "factor ignored", mapped(key, spread((1,) * len(factor)), arrays, right)
    yield "off by one", mapped(key, spread(factor, 1), arrays, right)
    blocks = singly(outs, lengths, lambda a, y: y // factor[a])
    gradient = "sum over the block instead of one entry"
    title = "entries repeated instead of zeros" if key == "output" else gradient
    yield title, mapped(key, blocks, arrays, right)
    if key == "output":
        yield from dropped("output_padding ignored", right, more)


def resampled(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in nearest and linear resampling, and in their adjoints."""
    shape = (*arrays["input"].shape[:2], *arrays["input"].shape[2:])
    axes = [(n, out, scale) for _, n, out, scale in layer.axes(shape)]
    if layer.mode == "nearest":
        yield from _nearest(key, axes, arrays, right)
    else:
        yield from _linear(key, layer, axes, arrays, right)
    if key == "input":
        back = [_rows(out, n, Fraction(out, n), layer.mode, bool(layer.align_corners)) for n, out, _ in axes]
        spots = ((o, weight, i) for i, weight, o in _separable(back))
        yield "resampled back instead of the adjoint", mapped(key, spots, arrays, right)


def _nearest(
    key: str, axes: Sequence[tuple[int, int, Fraction]], arrays: Arrays, right: NDArray[Any]
) -> Iterator[Wrong]:
    lengths, outs = lengths_of(arrays)
    swapped = [scale for _, _, scale in reversed(axes)]

    def source(axis: int, y: int) -> int:
        return min(floor(y * axes[axis][2]), lengths[axis] - 1)

    def middle(axis: int, y: int) -> int:
        return min(floor((y + Fraction(1, 2)) * axes[axis][2]), lengths[axis] - 1)

    moves: list[tuple[str, Callable[[int, int], int]]] = [
        ("factor swapped between the axes", lambda a, y: min(floor(y * swapped[a]), lengths[a] - 1)),
        ("middles instead of first entries", middle),
        ("tiled instead of repeated", lambda a, y: y % lengths[a]),
    ]
    for title, move in moves:
        yield title, mapped(key, singly(outs, lengths, move), arrays, right)
    if key == "input":
        yield "one entry instead of the sum", mapped(key, _firsts(outs, lengths, source), arrays, right)
        spots = singly(outs, lengths, source)
        yield "one entry instead of the sum (the last)", mapped(key, spots, arrays, right, overwrite=True)
        counts: dict[Place, int] = {}
        for _, _, i in singly(outs, lengths, source):
            counts[i] = counts.get(i, 0) + 1
        mean = ((o, Fraction(1, counts[i]), i) for o, _, i in singly(outs, lengths, source))
        yield "mean instead of the sum", mapped(key, mean, arrays, right)


def _firsts(outs: Sequence[int], lengths: Sequence[int], source: Callable[[int, int], int]) -> Spots:
    """The first output entry alone of those that read the same input entry."""
    seen: set[Place] = set()
    for o, weight, i in singly(outs, lengths, source):
        if i not in seen:
            seen.add(i)
            yield o, weight, i


def _rows(n: int, out: int, scale: Fraction, mode: str, corners: bool, half: bool = True) -> Axis:
    """What each output place of one axis reads."""
    if mode == "nearest":
        return [[(min(floor(o * scale), n - 1), ONE)] for o in range(out)]
    rows: Axis = []
    for o in range(out):
        if corners:
            spot = Fraction(o * (n - 1), out - 1) if out > 1 else Fraction(0)
        else:
            spot = max((o + Fraction(1, 2)) * scale - Fraction(1, 2), Fraction(0)) if half else o * scale
        low = min(floor(spot), n - 1)
        part = min(spot - low, ONE)
        rows.append([(low, 1 - part), (min(low + 1, n - 1), part)])
    return rows


def _separable(axes: Sequence[Axis]) -> Spots:
    """The product of the axes' weights."""
    for o in places(tuple(map(len, axes))):
        rows = [axis[y] for axis, y in zip(axes, o, strict=True)]
        for chosen in places(tuple(map(len, rows))):
            picked = [row[j] for row, j in zip(rows, chosen, strict=True)]
            yield o, prod((w for _, w in picked), start=ONE), tuple(i for i, _ in picked)


def _linear(
    key: str, layer: Any, axes: Sequence[tuple[int, int, Fraction]], arrays: Arrays, right: NDArray[Any]
) -> Iterator[Wrong]:
    corners = bool(layer.align_corners)
    variants = [
        ("align_corners the other way", [_rows(*a, "linear", not corners) for a in axes]),
        ("half a place forgotten", [_rows(*a, "linear", False, half=False) for a in axes]),
        ("nearest instead of interpolated", [_rows(*a, "nearest", False) for a in axes]),
        ("weights of the two neighbours swapped", [_turned(_rows(*a, "linear", corners)) for a in axes]),
    ]
    for title, rows in variants:
        yield title, mapped(key, _separable(rows), arrays, right)
    if key == "input":
        spots = _separable([_rows(*a, "linear", corners) for a in axes])
        yield "overwritten instead of summed", mapped(key, spots, arrays, right, overwrite=True)


def _turned(rows: Axis) -> Axis:
    return [[(i, w) for (i, _), (_, w) in zip(row, reversed(row), strict=True)] for row in rows]
