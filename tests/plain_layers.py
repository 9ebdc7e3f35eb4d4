"""Every linear layer as plain nested loops, written from PyTorch's documentation; no backflip code is used.

Arrays are channels first with a batch, of any rank and of any number type (Fraction objects too). No
vector operation is used but indexing by one tuple, so that a reader checks a layer against its formula.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import product
from math import floor, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Ints = Sequence[int]
Pairs = Sequence[tuple[int, int]]
Weights = list[list[tuple[int, Any]]]
"""For every output place of one axis: the input places it reads, each with its weight."""


def places(shape: Ints) -> Iterable[tuple[int, ...]]:
    return product(*(range(n) for n in shape))


def zeros(shape: Ints, like: Array) -> Array:
    return np.full(tuple(shape), 0, like.dtype)


def padded(image: Array, where: Sequence[int], n: int, c: int, mode: str) -> Any:
    """The entry at a place that may lie outside the image, as the padding mode says."""
    inside = []
    for i, length in zip(where, image.shape[2:], strict=True):
        if mode == "zeros":
            if not 0 <= i < length:
                return 0
        elif mode == "reflect":
            i = -i if i < 0 else 2 * (length - 1) - i if i >= length else i
        elif mode == "replicate":
            i = 0 if i < 0 else length - 1 if i >= length else i
        elif mode == "circular":
            i = i + length if i < 0 else i - length if i >= length else i
        assert 0 <= i < length, "a padding wider than the image allows"
        inside.append(i)
    return image[(n, c, *inside)]


def conv(
    image: Array, weight: Array, bias: Array | None, stride: Ints, padding: Pairs, dilation: Ints,
    groups: int = 1, mode: str = "zeros",
) -> Array:  # fmt: skip
    """output[n,k,o] = bias[k] + sum over c, a of weight[k,c,a] image[n,c, stride*o + dilation*a - before]."""
    filters, per_group, *taps = weight.shape
    axes = zip(image.shape[2:], padding, dilation, taps, stride, strict=True)
    lengths = [(n + p + q - d * (k - 1) - 1) // s + 1 for n, (p, q), d, k, s in axes]
    output = zeros((image.shape[0], filters, *lengths), image)
    for n, k, *o in places(output.shape):
        first = k // (filters // groups) * per_group
        total: Any = 0 if bias is None else bias[k]
        for c, *a in places((per_group, *taps)):
            spot = [
                s * y + d * t - p for s, y, d, t, (p, _) in zip(stride, o, dilation, a, padding, strict=True)
            ]
            total = total + weight[(k, c, *a)] * padded(image, spot, n, first + c, mode)
        output[(n, k, *o)] = total
    return output


def conv_transpose(
    image: Array, weight: Array, bias: Array | None, stride: Ints, padding: Pairs, output_padding: Ints,
    groups: int, dilation: Ints,
) -> Array:  # fmt: skip
    """Every entry image[n,c,i] adds weight[c,k,a] times itself at place stride*i + dilation*a - padding."""
    channels, per_group, *taps = weight.shape
    axes = zip(image.shape[2:], stride, padding, dilation, taps, output_padding, strict=True)
    lengths = [(n - 1) * s - p - q + d * (k - 1) + e + 1 for n, s, (p, q), d, k, e in axes]
    output = zeros((image.shape[0], per_group * groups, *lengths), image)
    for n, c, *i in places(image.shape):
        first = c // (channels // groups) * per_group
        for k, *a in places((per_group, *taps)):
            spot = [
                s * x + d * t - p for s, x, d, t, (p, _) in zip(stride, i, dilation, a, padding, strict=True)
            ]
            if all(0 <= y < length for y, length in zip(spot, lengths, strict=True)):
                entry = (n, first + k, *spot)
                output[entry] = output[entry] + weight[(c, k, *a)] * image[(n, c, *i)]
    for n, k, *o in places(output.shape):
        output[(n, k, *o)] = output[(n, k, *o)] + (0 if bias is None else bias[k])
    return output


def mean_pool(
    image: Array, kernel: Ints, stride: Ints, padding: Pairs, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Array:  # fmt: skip
    """The sum of each window over the divisor; with ceil_mode no window starts in the padding after."""
    windows: list[list[tuple[int, int, int]]] = []
    for n, k, s, (p, q) in zip(image.shape[2:], kernel, stride, padding, strict=True):
        length = (n + p + q - k + (s - 1 if ceil_mode else 0)) // s + 1
        if ceil_mode and (length - 1) * s >= n + p:
            length -= 1
        starts = [s * o - p for o in range(length)]
        # first and last entry inside the image, and the entries that count: the padding, never beyond it
        windows.append([(max(b, 0), min(b + k, n), min(b + k, n + q) - b) for b in starts])
    output = zeros((*image.shape[:2], *(len(w) for w in windows)), image)
    for n, c, *o in places(output.shape):
        chosen = [w[y] for w, y in zip(windows, o, strict=True)]
        total: Any = 0
        for spot in product(*(range(low, high) for low, high, _ in chosen)):
            total = total + image[(n, c, *spot)]
        entries = prod(count if count_include_pad else high - low for low, high, count in chosen)
        output[(n, c, *o)] = total * Fraction(1, divisor or entries)
    return output


def weighted_pool(image: Array, weight: Array, stride: Ints, padding: Pairs) -> Array:
    """Every channel correlated with the one weight."""
    axes = zip(image.shape[2:], padding, weight.shape, stride, strict=True)
    lengths = [(n + p + q - k) // s + 1 for n, (p, q), k, s in axes]
    output = zeros((*image.shape[:2], *lengths), image)
    for n, c, *o in places(output.shape):
        total: Any = 0
        for a in places(weight.shape):
            spot = [s * y + t - p for s, y, t, (p, _) in zip(stride, o, a, padding, strict=True)]
            total = total + weight[tuple(a)] * padded(image, spot, n, c, "zeros")
        output[(n, c, *o)] = total
    return output


def adaptive_mean_pool(image: Array, size: Sequence[int | None]) -> Array:
    """Place o is the mean of the entries from floor(o*n/m) up to ceil((o+1)*n/m), n in and m out."""
    lengths = [n if m is None else m for n, m in zip(image.shape[2:], size, strict=True)]
    output = zeros((*image.shape[:2], *lengths), image)
    for n, c, *o in places(output.shape):
        axes = zip(o, image.shape[2:], lengths, strict=True)
        window = [range(y * i // m, -((-(y + 1) * i) // m)) for y, i, m in axes]
        total: Any = 0
        for spot in product(*window):
            total = total + image[(n, c, *spot)]
        output[(n, c, *o)] = total * Fraction(1, prod(map(len, window)))
    return output


def downsample(image: Array, factor: Ints) -> Array:
    """Every factor-th entry, the first one kept."""
    lengths = [(n - 1) // f + 1 for n, f in zip(image.shape[2:], factor, strict=True)]
    output = zeros((*image.shape[:2], *lengths), image)
    for n, c, *o in places(output.shape):
        output[(n, c, *o)] = image[(n, c, *(f * y for f, y in zip(factor, o, strict=True)))]
    return output


def upsample_zeros(image: Array, factor: Ints, output_padding: Ints) -> Array:
    """factor - 1 zeros between neighbours, and output_padding zeros at the end."""
    axes = zip(image.shape[2:], factor, output_padding, strict=True)
    output = zeros((*image.shape[:2], *(f * (n - 1) + 1 + e for n, f, e in axes)), image)
    for n, c, *i in places(image.shape):
        output[(n, c, *(f * x for f, x in zip(factor, i, strict=True)))] = image[(n, c, *i)]
    return output


def axis_weights(
    n: int, size: int | None, scale: float | None, recompute: bool, corners: bool, nearest: bool
) -> Weights:
    """What one axis of a resampling reads: PyTorch's positions in exact arithmetic.

    A scale is the decimal that is written, and the length is the whole part of its double product with n.
    The step between positions is n / m, or 1 / scale where a scale is given and not recomputed.
    Interpolation copies where the length does not change.
    """
    m = size if size is not None else floor(n * float(scale or 0))
    step = Fraction(n, m) if scale is None or recompute else 1 / Fraction(str(scale))
    if nearest:
        return [[(min(floor(o * step), n - 1), Fraction(1))] for o in range(m)]
    if m == n:
        return [[(o, Fraction(1))] for o in range(m)]
    rows: Weights = []
    for o in range(m):
        if corners:
            spot = Fraction(n - 1, m - 1) * o if m > 1 else Fraction(0)
        else:
            spot = max((o + Fraction(1, 2)) * step - Fraction(1, 2), Fraction(0))
        low = min(floor(spot), n - 1)
        high, share = min(low + 1, n - 1), min(spot - low, Fraction(1))
        rows.append([(low, 1 - share), (high, share)])
    return rows


def resize(image: Array, axes: Sequence[Weights]) -> Array:
    """The product of the axes' weights, times the entries read."""
    output = zeros((*image.shape[:2], *map(len, axes)), image)
    for n, c, *o in places(output.shape):
        total: Any = 0
        for chosen in product(*(w[y] for w, y in zip(axes, o, strict=True))):
            weight = prod((w for _, w in chosen), start=Fraction(1))
            total = total + image[(n, c, *(i for i, _ in chosen))] * weight
        output[(n, c, *o)] = total
    return output


def pad(image: Array, padding: Pairs, mode: str) -> Array:
    """The image with (before, after) entries more an axis; negative zero padding crops."""
    lengths = [n + p + q for n, (p, q) in zip(image.shape[2:], padding, strict=True)]
    output = zeros((*image.shape[:2], *lengths), image)
    for n, c, *e in places(output.shape):
        output[(n, c, *e)] = padded(image, [y - p for y, (p, _) in zip(e, padding, strict=True)], n, c, mode)
    return output


def pixel_shuffle(image: Array, r: int) -> Array:
    """output[..., c, r*y + i, r*x + j] = image[..., c*r*r + i*r + j, y, x]."""
    *lead, channels, height, width = image.shape
    output = zeros((*lead, channels // (r * r), height * r, width * r), image)
    for *before, c, y, x in places(output.shape):
        output[(*before, c, y, x)] = image[(*before, c * r * r + y % r * r + x % r, y // r, x // r)]
    return output


def pixel_unshuffle(image: Array, r: int) -> Array:
    """output[..., c*r*r + i*r + j, y, x] = image[..., c, r*y + i, r*x + j]."""
    *lead, channels, height, width = image.shape
    output = zeros((*lead, channels * r * r, height // r, width // r), image)
    for *before, c, y, x in places(image.shape):
        output[(*before, c * r * r + y % r * r + x % r, y // r, x // r)] = image[(*before, c, y, x)]
    return output


def linear(image: Array, weight: Array, bias: Array | None) -> Array:
    """output[..., k] = bias[k] + sum_c weight[k, c] * image[..., c]."""
    output = zeros((*image.shape[:-1], weight.shape[0]), image)
    for *lead, k in places(output.shape):
        total: Any = 0 if bias is None else bias[k]
        for c in range(weight.shape[1]):
            total = total + weight[k, c] * image[(*lead, c)]
        output[(*lead, k)] = total
    return output


def flatten(image: Array, first: int, last: int) -> Array:
    """Axes first to last (both included) as one, in row-major order."""
    shape = image.shape
    first, last = first % len(shape), last % len(shape)
    merged = shape[first : last + 1]
    output = zeros((*shape[:first], prod(merged), *shape[last + 1 :]), image)
    for where in places(shape):
        flat = 0
        for i, n in zip(where[first : last + 1], merged, strict=True):
            flat = flat * n + i
        output[(*where[:first], flat, *where[last + 1 :])] = image[tuple(where)]
    return output


def add_bias(image: Array, bias: Array) -> Array:
    """output[n, c, ...] = input[n, c, ...] + bias[c]."""
    output = zeros(image.shape, image)
    for where in places(image.shape):
        output[tuple(where)] = image[tuple(where)] + bias[where[1]]
    return output


def add(one: Array, two: Array) -> Array:
    assert one.shape == two.shape
    output = zeros(one.shape, one)
    for where in places(one.shape):
        output[tuple(where)] = one[tuple(where)] + two[tuple(where)]
    return output


def concat(one: Array, two: Array, dim: int) -> Array:
    """The second after the first along axis `dim`."""
    dim %= one.ndim
    shape = [n + (two.shape[i] if i == dim else 0) for i, n in enumerate(one.shape)]
    output = zeros(shape, one)
    for where in places(shape):
        beyond = where[dim] - one.shape[dim]
        other = (*where[:dim], beyond, *where[dim + 1 :])
        output[tuple(where)] = one[tuple(where)] if beyond < 0 else two[other]
    return output


def step_gradient(
    forward: Callable[[dict[str, Array]], Array], name: str, grad_output: Array, operands: dict[str, Array]
) -> Array:
    """d sum(grad_output * forward)/d operand by unit steps: exact, the layer being affine in each operand."""

    def loss(changed: Array) -> Any:
        output, total = forward({**operands, name: changed}), 0
        for where in places(output.shape):
            total = total + grad_output[tuple(where)] * output[tuple(where)]
        return total

    base = operands[name]
    found, start = zeros(base.shape, base), loss(base)
    for where in places(base.shape):
        stepped = base.copy()
        stepped[tuple(where)] = stepped[tuple(where)] + 1
        found[tuple(where)] = loss(stepped) - start
    return found
