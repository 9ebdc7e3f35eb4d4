"""Functions, softmax, losses and statistics as plain nested loops, from PyTorch's documentation.

No backflip code is used. Arrays hold numbers of `taped`, which know their rounding errors and derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import taped as t
from numpy.typing import NDArray
from plain_layers import places

Array = NDArray[Any]
Ints = Sequence[int]
Loss = tuple[Array, Array]
"""Losses of single samples, and the weight that each has in a mean."""


def empty(shape: Ints) -> Array:
    return np.empty(tuple(shape), object)


def each(function: Callable[[Any], Any], *arrays: Array) -> Array:
    """The function of every entry."""
    found = empty(arrays[0].shape)
    for where in places(found.shape):
        found[tuple(where)] = function(*(a[tuple(where)] for a in arrays))
    return found


def decimal(value: float | int | Fraction) -> Fraction:
    """The number that is written."""
    return Fraction(str(value))


# Functions of one entry.


def relu(x: Any) -> Any:
    return x if x.value > 0 else t.taped(0)


def leaky_relu(x: Any, slope: Fraction) -> Any:
    return x if x.value > 0 else t.constant_of(slope) * x


def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), with the derivative y (1 - y)."""
    return t.applied(x, t.sigmoid_ball, lambda _, y: (t.ONE + -y) * y)


def softplus(x: Any, beta: Fraction, threshold: Fraction) -> Any:
    """log(1 + exp(beta x)) / beta, and x where beta x is above the threshold."""
    scaled = t.constant_of(beta) * x
    return x if scaled.value > t.taped(threshold).value else t.log1p(t.exp(scaled)) / t.constant_of(beta)


def gelu(x: Any) -> Any:
    """x Phi(x), Phi(x) = (1 + erf(x / sqrt 2)) / 2."""
    half = t.constant_of(Fraction(1, 2))
    return x * half * (1 + t.erf(x * t.sqrt(half)))


def gelu_tanh(x: Any) -> Any:
    """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))."""
    inner = t.root_two_over_pi() * (x + t.constant_of(Fraction("0.044715")) * x * x * x)
    return x * t.constant_of(Fraction(1, 2)) * (1 + t.tanh(inner))


def silu(x: Any) -> Any:
    return x * sigmoid(x)


def elu(x: Any, alpha: Fraction) -> Any:
    return x if x.value > 0 else t.constant_of(alpha) * (t.exp(x) - 1)


def hardtanh(x: Any, low: Fraction, high: Fraction) -> Any:
    """The nearer end outside of low < x < high, where it is constant; the ends count as outside."""
    if x.value <= t.taped(low).value:
        return t.constant_of(low)
    return t.constant_of(high) if x.value >= t.taped(high).value else x


# Along an axis.


def lines(array: Array, dim: int) -> Iterable[list[tuple[int, ...]]]:
    """The places of every line along an axis."""
    dim %= array.ndim
    for where in places([1 if i == dim else n for i, n in enumerate(array.shape)]):
        yield [(*where[:dim], c, *where[dim + 1 :]) for c in range(array.shape[dim])]


def top(numbers: Iterable[Any]) -> Any:
    """The largest value, as a number that nothing depends on."""
    return t.taped(t.Ball(max(n.value for n in numbers)))


def softmax(image: Array, dim: int) -> Array:
    """exp(x_c - shift) / sum_c exp(x_c - shift)."""
    output = empty(image.shape)
    for line in lines(image, dim):
        shift = top(image[w] for w in line)
        powers = [t.exp(image[w] - shift) for w in line]
        for w, power in zip(line, powers, strict=True):
            output[w] = power / t.total(powers)
    return output


def log_softmax(image: Array, dim: int) -> Array:
    """(x_c - shift) - log sum_c exp(x_c - shift), with the derivative [i = c] - exp(output_c)."""
    output = empty(image.shape)
    for line in lines(image, dim):
        entries = [image[w] for w in line]
        shift = top(entries)
        log_sum = t.log(t.total(t.exp(x - shift) for x in entries))
        values = [(x - shift - log_sum).ball for x in entries]
        for w, value, own in zip(line, values, entries, strict=True):
            shares = [(x, -t.exp_ball(v)) for x, v in zip(entries, values, strict=True)]
            output[w] = t.Taped(value, ((own, t.ONE), *shares))
    return output


# Losses.


def samples(logits: Array) -> Iterable[tuple[int, ...]]:
    """The places of the samples: every axis but that of the classes."""
    return (tuple(w) for w in places(logits.shape[:1] * (logits.ndim > 1) + logits.shape[2:]))


def at_class(logits: Array, where: Sequence[int], c: int) -> Any:
    return logits[(c,)] if logits.ndim == 1 else logits[(where[0], c, *where[1:])]


def sample_shape(logits: Array) -> tuple[int, ...]:
    return () if logits.ndim == 1 else (logits.shape[0], *logits.shape[2:])


def class_count(logits: Array) -> int:
    return int(logits.shape[0 if logits.ndim == 1 else 1])


def negative_log_likelihood(
    log_shares: Array, target: Array, weight: Array | None, ignore: int, smoothing: Fraction = Fraction(0)
) -> Loss:
    """-(1 - e) w[y] x[y] - e/C sum_c w[c] x[c] for target y, nothing where y is `ignore`; w[y] in a mean."""
    count = class_count(log_shares)
    losses, weights = empty(sample_shape(log_shares)), empty(sample_shape(log_shares))
    one = [t.taped(1)] * count if weight is None else weight
    for where in samples(log_shares):
        y = int(target[where])
        losses[where], weights[where] = t.taped(0), t.taped(0)
        if y == ignore:
            continue
        own = -(one[y] * at_class(log_shares, where, y))
        spread = -t.total(one[c] * at_class(log_shares, where, c) for c in range(count))
        weights[where] = one[y]
        losses[where] = t.constant_of(1 - smoothing) * own if smoothing else own
        if smoothing:
            losses[where] = losses[where] + t.constant_of(smoothing / count) * spread
    return losses, weights


def expected_log_likelihood(
    log_shares: Array, target: Array, weight: Array | None, smoothing: Fraction
) -> Loss:
    """-sum_c w[c] ((1 - e) y[c] + e/C) x[c] for target shares y; every sample counts 1 in a mean."""
    count = class_count(log_shares)
    losses, weights = empty(sample_shape(log_shares)), empty(sample_shape(log_shares))
    for where in samples(log_shares):
        terms = []
        for c in range(count):
            y = at_class(target, where, c)
            if smoothing:
                y = t.constant_of(1 - smoothing) * y + t.constant_of(smoothing / count)
            term = y * at_class(log_shares, where, c)
            terms.append(term if weight is None else weight[c] * term)
        losses[where], weights[where] = -t.total(terms), t.taped(1)
    return losses, weights


def binary_cross_entropy(x: Any, y: Any) -> Any:
    """-(y max(log x, -100) + (1 - y) max(log(1 - x), -100))."""
    return -(y * above(t.log(x), -100) + (1 - y) * above(t.log1p(-x), -100))


def above(x: Any, least: int) -> Any:
    return x if x.value > least else t.taped(least)


def log_sigmoid(x: Any) -> Any:
    """min(x, 0) - log(1 + exp(-|x|)), with the derivative 1 - sigmoid(x)."""
    low = t.Ball(min(x.value, t.Real(0)), x.ball.radius if x.value < 0 else 0.0)

    def value(x: Any) -> Any:
        size = x if x.value < 0 else -x
        return low + -t.log1p_ball(t.exp_ball(size))

    return t.applied(x, value, lambda x, _: t.ONE + -t.sigmoid_ball(x))


def binary_cross_entropy_with_logits(x: Any, y: Any, pos_weight: Any) -> Any:
    """(1 - y) x - (1 + (w - 1) y) log sigmoid(x), the same as -(w y log s + (1 - y) log(1 - s))."""
    share = t.taped(1) if pos_weight is None else 1 + (pos_weight - 1) * y
    return (1 - y) * x - share * log_sigmoid(x)


def squared_error(x: Any, y: Any) -> Any:
    return (x - y) * (x - y)


def reduced(losses: Array, weights: Array, reduction: str) -> Array:
    """'none', 'sum' or 'mean' of the samples' losses."""
    if reduction == "none":
        return losses
    flat = losses.reshape(-1).tolist()
    found = t.total(flat)
    if reduction == "mean":
        found = found / t.total(weights.reshape(-1).tolist())
    return np.array(found, object)


def unweighted(losses: Array) -> Array:
    return each(lambda _: t.taped(1), losses)


# Statistics.


def batch_norm(
    image: Array,
    weight: Array | None,
    bias: Array | None,
    eps: Fraction,
    mean: Array | None,
    var: Array | None,
) -> tuple[Array, Array, Array]:
    """(x - mean) / sqrt(var + eps) * weight + bias a channel; mean and var (over n) of the image where None.

    Arranged as PyTorch's kernel has it, x * scale + (bias - mean * scale), whose rounding errors are larger.
    Returns the output, and mean and var over n - 1 of the image (0 where n is 1).
    """
    channels, output = image.shape[1], empty(image.shape)
    means, spreads = empty((channels,)), empty((channels,))
    for c in range(channels):
        spots = [w for w in places(image.shape) if w[1] == c]
        count = len(spots)
        mu = t.total(image[tuple(w)] for w in spots) / count
        squares = t.total((image[tuple(w)] - mu) * (image[tuple(w)] - mu) for w in spots)
        means[c], spreads[c] = mu, squares / max(count - 1, 1)
        centre = mu if mean is None else mean[c]
        spread = squares / count if var is None else var[c]
        scale = 1 / t.sqrt(spread + t.constant_of(eps))
        scale = scale if weight is None else scale * weight[c]
        start = -(centre * scale) if bias is None else bias[c] - centre * scale
        for w in spots:
            output[tuple(w)] = image[tuple(w)] * scale + start
    return output, means, spreads


def blended(old: Array, new: Array, momentum: Fraction) -> Array:
    """(1 - momentum) * old + momentum * new."""
    keep, take = t.constant_of(1 - momentum), t.constant_of(momentum)
    return each(lambda a, b: keep * a + take * b, old, new)


def dropout(image: Array, mask: Array, p: Fraction) -> Array:
    """input * mask / (1 - p); nothing is left where p is 1."""
    if p == 1:
        return each(lambda x, m: x * m * 0, image, mask)
    return each(lambda x, m: x * m * t.constant_of(1 / (1 - p)), image, mask)
