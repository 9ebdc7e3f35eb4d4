"""Owns fast convolutions carried out in NumPy with a kernel's roundings, and their error against float64.

A transform is applied row by row; rows that differ in signs alone share an even and an odd sum, and columns
of A likewise, as a kernel does. Every product and sum is rounded to float32: separately, or together where
`fused`. Channels are added in blocks, the blocks in blocks, and those one after another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from derive.toom import Matrix, Transform
from derive.toom_nested import Nested

Array = Any
"""An ndarray."""

BLOCKS = (8, 8)
"""Channels that are added up in registers, and such blocks that are added before the last level."""


@dataclass(frozen=True)
class Rounding:
    """How an accumulated product is rounded: at once (`fused`), or the product and then the sum."""

    fused: bool = True

    def into(self, total: Array, weight: Array, value: Array) -> Array:
        """total + weight * value in float32."""
        if self.fused:
            return (total + np.multiply(weight, value, dtype=np.float64)).astype(np.float32)
        return total + np.multiply(weight, value, dtype=np.float32)

    def scaled(self, total: Array, weight: Fraction, value: Array) -> Array:
        """total + weight * value; a weight of 1 or -1 is not multiplied by."""
        if abs(weight) == 1:
            return total + value if weight > 0 else total - value
        return self.into(total, np.float32(float(weight)), value)

    def combined(self, weights: Sequence[Fraction], values: Sequence[Array]) -> Array:
        """The sum of weights times values, one that needs no product first, the others in order."""
        total: Array = None
        pairs = [(w, v) for w, v in zip(weights, values, strict=True) if w]
        first = next((i for i, (w, _) in enumerate(pairs) if w == 1), 0)
        for weight, value in (*pairs[first : first + 1], *pairs[:first], *pairs[first + 1 :]):
            if total is None:
                total = value if weight == 1 else np.float32(float(weight)) * value
            else:
                total = self.scaled(total, weight, value)
        return total


def by_rows(matrix: Matrix, values: Array, how: Rounding) -> Array:
    """matrix @ values along the first axis; two rows that differ in signs alone: sum and difference."""
    found: dict[int, Array] = {}
    for i, row in enumerate(matrix):
        if i in found:
            continue
        twin = next((j for j in range(i + 1, len(matrix)) if _twins(row, matrix[j])), None)
        if twin is None:
            found[i] = how.combined(row, values)
            continue
        same = [v if v == w else Fraction(0) for v, w in zip(row, matrix[twin], strict=True)]
        other = [v if v != w else Fraction(0) for v, w in zip(row, matrix[twin], strict=True)]
        scale = next((v for v in other if abs(v) == 1), next(v for v in reversed(other) if v))
        even, odd = how.combined(same, values), how.combined([v / scale for v in other], values)
        found[i], found[twin] = how.scaled(even, scale, odd), how.scaled(even, -scale, odd)
    return np.stack([np.broadcast_to(found[i], values.shape[1:]) for i in range(len(matrix))])


def by_columns(matrix: Matrix, values: Array, how: Rounding) -> Array:
    """matrix @ values along the first axis; values whose columns differ in signs alone: sum, difference."""
    columns = list(zip(*matrix, strict=True))
    rows: list[list[Fraction]] = [[] for _ in matrix]
    terms: list[Array] = []
    done: set[int] = set()
    for k, column in enumerate(columns):
        if k in done:
            continue
        twin = next(
            (j for j in range(k + 1, len(columns)) if j not in done and _twins(column, columns[j])), None
        )
        if twin is None:
            pairs = [(values[k], [True] * len(rows))]
        else:
            done.add(twin)
            even = [v == w for v, w in zip(column, columns[twin], strict=True)]
            pairs = [(values[k] + values[twin], even), (values[k] - values[twin], [not e for e in even])]
        for value, taken in pairs:
            terms.append(value)
            for row, v, used in zip(rows, column, taken, strict=True):
                row.append(v if used else Fraction(0))
    return np.stack([np.broadcast_to(how.combined(row, terms), values.shape[1:]) for row in rows])


def _twins(left: Sequence[Fraction], right: Sequence[Fraction]) -> bool:
    """Whether two rows differ in signs alone, and in some sign but not in all."""
    alike = [v == w for v, w in zip(left, right, strict=True) if v or w]
    return all(abs(v) == abs(w) for v, w in zip(left, right, strict=True)) and any(alike) and not all(alike)


Step = Callable[[Matrix, Array, Rounding], Array]


def on_axes(matrices: Sequence[Matrix], values: Array, how: Rounding, step: Step) -> Array:
    """One matrix an axis, on the first axes of the values, the last of them first."""
    for axis in reversed(range(len(matrices))):
        values = np.moveaxis(step(matrices[axis], np.moveaxis(values, axis, 0), how), 0, axis)
    return values


def summed(u: Array, v: Array, how: Rounding, blocks: tuple[int, int] = BLOCKS) -> Array:
    """The sum over channels of u[..., c, k] v[..., c, t]: in blocks, blocks of blocks, one after another."""
    inner, outer = blocks
    whole = middle = block = np.zeros((), np.float32)
    channels = u.shape[-2]
    for c in range(channels):
        block = how.into(block, u[..., c, :, None], v[..., c, None, :])
        if (c + 1) % inner == 0 or c + 1 == channels:
            middle, block = middle + block, np.zeros((), np.float32)
        if (c + 1) % (inner * outer) == 0 or c + 1 == channels:
            whole, middle = whole + middle, np.zeros((), np.float32)
    return whole


def fast(
    form: Nested, filters: Array, tiles: Array, how: Rounding, blocks: tuple[int, int] = BLOCKS
) -> Array:
    """The outputs (m1, m2, K, T) of filters (r1, r2, C, K) and tiles (n1, n2, C, T), float32."""
    u = on_axes([t.g for t in form.axes], filters, how, by_rows)
    v = on_axes([t.b for t in form.axes], tiles, how, by_rows)
    return on_axes([t.a for t in form.axes], summed(u, v, how, blocks), how, by_columns)


def direct(
    form: Nested, filters: Array, tiles: Array, how: Rounding, blocks: tuple[int, int] = BLOCKS
) -> Array:
    """The same outputs by the definition, taps innermost, rounded alike, to compare a fast form with."""
    first, second = form.axes
    out = np.zeros((first.m, second.m, filters.shape[3], tiles.shape[3]), np.float32)
    for i in range(first.m):
        for j in range(second.m):
            window = tiles[i : i + first.r, j : j + second.r]
            u, v = (np.moveaxis(x, 2, 0).reshape(-1, x.shape[3]) for x in (filters, window))
            out[i, j] = summed(u, v, how, (blocks[0] * first.r * second.r, blocks[1]))
    return out


def exact(form: Nested, filters: Array, tiles: Array) -> Array:
    """The same outputs in float64, by the definition."""
    first, second = form.axes
    wide, taps = tiles.astype(np.float64), filters.astype(np.float64)
    rows = []
    for i in range(first.m):
        windows = (wide[i : i + first.r, j : j + second.r] for j in range(second.m))
        rows.append(np.stack([np.einsum("abck,abct->kt", taps, w, optimize=True) for w in windows]))
    return np.stack(rows)


KINDS: dict[str, Callable[[np.random.Generator, tuple[int, ...]], Array]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "ReLU-like": lambda rng, shape: np.maximum(rng.standard_normal(shape), 0),
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, shape),
    "all-positive": lambda rng, shape: rng.random(shape),
}
"""The entries of a tile by kind of data; filters are normal under ReLU-like entries, else of that kind."""


def drawn(
    form: Nested, kind: str, channels: int, seed: int, outputs: int = 4, tiles: int = 64
) -> tuple[Array, Array]:
    """Filters (r1, r2, C, K) and tiles (n1, n2, C, T) of a kind, float32."""
    rng = np.random.default_rng(seed)
    first, second = form.axes
    entries = KINDS[kind](rng, (first.n, second.n, channels, tiles))
    taps = KINDS["normal" if kind == "ReLU-like" else kind](rng, (first.r, second.r, channels, outputs))
    return taps.astype(np.float32), entries.astype(np.float32)


@dataclass(frozen=True)
class Error:
    """The error against float64, relative to the root mean square of the exact outputs."""

    max: float
    rms: float


def error(found: Array, right: Array) -> Error:
    off, size = np.abs(found.astype(np.float64) - right), float(np.sqrt(np.mean(right**2)))
    return Error(float(off.max()) / size, float(np.sqrt(np.mean(off**2))) / size)


def measured(
    form: Nested, kind: str, channels: int = 64, seed: int = 0, fused: bool = True, plain: bool = False,
    outputs: int = 4, tiles: int = 64, blocks: tuple[int, int] = BLOCKS,
) -> Error:  # fmt: skip
    """The error of a form of two axes (of the definition where `plain`) on data of a kind."""
    taps, entries = drawn(form, kind, channels, seed, outputs, tiles)
    way = direct if plain else fast
    return error(way(form, taps, entries, Rounding(fused), blocks), exact(form, taps, entries))


def squared(one: Transform) -> Nested:
    """The form with the same transform on both axes."""
    return Nested((one, one))
