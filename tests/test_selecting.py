"""Owns the tests of pooling by selection, unpooling and power pooling: values, codes, conventions.

Both sides of the claims are computed by the evaluator on exact numbers, with the codes that the layer
describes, and compared with plain loops written here from the definition; codes, ties, NaN and infinities
with PyTorch.
"""

from __future__ import annotations

import random
from dataclasses import fields
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from derive.claim import Claim
from derive.evaluate import Evaluator
from derive.instance import claim_at
from derive.layers import registry
from derive.layers.base import Layer
from derive.numbers_exact import Rationals
from derive.numbers_reals import Reals
from derive.spelling import parse_layer

Array = NDArray[Any]
MINE = ("MaxPool", "MinPool", "AdaptiveMaxPool", "MaxUnpool", "LPPool")
EXAMPLES = [case for name, kind in registry().items() if name[:-2] in MINE for case in kind.examples]
POOLS = [
    *(case for case in EXAMPLES if "Unpool" not in case[0] and "LP" not in case[0]),
    ("MaxPool1d(3, stride=1, padding=1, dilation=2)", (1, 2, 6)),
    ("MaxPool1d(4, stride=3, ceil_mode=True)", (1, 1, 8)),
    ("MaxPool2d(3, stride=2, padding=1)", (1, 2, 6, 5)),
    ("MaxPool2d(3, stride=1, padding=((1, 0), (0, 1)))", (1, 1, 4, 4)),
    ("MaxPool2d((2, 3), stride=(3, 1), dilation=(2, 1))", (1, 5, 5)),
    ("MinPool2d(3, stride=2, padding=1, ceil_mode=True)", (2, 1, 4, 4)),
    ("MaxPool3d((1, 2, 2), stride=1, padding=(0, 1, 0))", (1, 1, 2, 2, 3)),
    ("AdaptiveMaxPool2d((3, 5))", (1, 1, 4, 3)),
    ("AdaptiveMaxPool1d(4)", (2, 7)),
]
IDS = [f"{text} at {shape}" for text, shape in POOLS]


def held(layer: Any, shape: tuple[int, ...]) -> list[list[list[int]]]:
    """For each axis and each of its windows the places inside the input, in order."""
    rank, found = len(layer.tags), []
    given = getattr(layer, "output_size", None)
    for axis, n in enumerate(shape[-rank:]):
        if type(layer).__name__.startswith("Adaptive"):
            asked = given[axis] if isinstance(given, tuple) else given
            m = n if asked is None else asked
            found.append([list(range(o * n // m, -(-(o + 1) * n // m))) for o in range(m)])
            continue
        k, s, d, (p, q) = layer.kernel[axis], layer.strides[axis], layer.dilations[axis], layer.paddings[axis]
        windows: list[list[int]] = []
        while True:
            begin = s * len(windows) - p
            last = begin + d * (k - 1)
            if last >= n + q and not (layer.ceil_mode and last - n - q < s and begin < n):
                break
            windows.append([i for i in range(begin, last + 1, d) if 0 <= i < n])
        found.append(windows)
    return found


def chosen(layer: Any, x: Array) -> Array:
    """The flat place that each window takes: the first best, of NaN the last."""
    rank = len(layer.tags)
    windows, sides, smallest = held(layer, x.shape), x.shape[-rank:], type(layer).__name__.startswith("Min")
    planes = x.reshape(-1, *sides)
    found = np.zeros((len(planes), *map(len, windows)), np.int64)
    for plane, *o in product(range(len(planes)), *(range(len(w)) for w in windows)):
        best = None
        for spot in product(*(w[i] for w, i in zip(windows, o, strict=True))):
            v = planes[(plane, *spot)]
            if best is None or v != v or (v < best if smallest else v > best):
                best, found[(plane, *o)] = v, np.ravel_multi_index(spot, sides)
    return found.reshape(*x.shape[:-rank], *map(len, windows))


def taken(x: Array, places: Array, rank: int) -> Array:
    """Entries of each plane at flat places."""
    planes = x.reshape(prod(x.shape[:-rank]), -1)
    return np.take_along_axis(planes, places.reshape(len(planes), -1), 1).reshape(places.shape)


def sent_back(grad: Array, places: Array, shape: tuple[int, ...], rank: int) -> Array:
    """Each plane's gradients added up at flat places."""
    total = np.zeros((prod(shape[:-rank]), prod(shape[-rank:])), grad.dtype)
    rows = np.arange(len(total))[:, None]
    np.add.at(total, (rows, places.reshape(len(total), -1)), grad.reshape(len(total), -1))
    return total.reshape(shape)


def evaluator(layer: Layer, shape: tuple[int, ...], key: str, numbers: Any) -> tuple[Evaluator, Claim]:
    claim = claim_at(layer.claims(**layer.choices(shape))[key], layer.sizes(shape))
    named = {"tables": layer.tables(shape), "parameters": layer.parameters(), "codes": layer.codes(shape)}
    return Evaluator(claim.setting, numbers, **named), claim


def both_sides(
    layer: Layer, shape: tuple[int, ...], key: str, given: dict[str, Array]
) -> tuple[Array, Array]:
    """The two sides of a claim at exact numbers."""
    judge, claim = evaluator(layer, shape, key, Rationals())
    values = judge.at(given)
    return np.asarray(values.left(claim)), np.asarray(values.right(claim))


def whole(text: str, shape: tuple[int, ...], high: int = 4) -> Array:
    """Whole numbers with many ties."""
    draw = random.Random(f"{text}{shape}")
    return np.array([draw.randint(-high, high) for _ in range(prod(shape))], np.int64).reshape(shape)


# ---------------------------------------------------------------- claims against loops, codes against PyTorch


@pytest.mark.parametrize(("text", "shape"), POOLS, ids=IDS)
def test_both_sides_are_the_loops(text: str, shape: tuple[int, ...]) -> None:
    """With computed codes, ties among the entries."""
    layer: Any = parse_layer(text)
    x, rank = whole(text, shape), len(layer.tags)
    places = chosen(layer, x)
    assert layer.output_shape(shape) == places.shape
    grad = whole(text + "g", places.shape, 9)
    given = {"input": x, "grad_output": grad}
    wanted = {"output": taken(x, places, rank), "input": sent_back(grad, places, shape, rank)}
    for key, right in wanted.items():
        for side in both_sides(layer, shape, key, given):
            assert list(side) == list(right.reshape(-1)), key


SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1.0)


def special(shape: tuple[int, ...], seed: int) -> Array:
    return np.random.default_rng(seed).choice(SPECIAL, shape)


@pytest.mark.parametrize(("text", "shape"), [case for case in POOLS if "((" not in case[0]])
def test_codes_are_the_indices_of_pytorch(text: str, shape: tuple[int, ...]) -> None:
    """Ties, NaN, both infinities and both zeros, on 20 inputs."""
    layer: Any = parse_layer(text)
    sign = -1.0 if text.startswith("Min") else 1.0
    given = {f.name: getattr(layer, f.name) for f in fields(layer)} | {"return_indices": True}
    peer = getattr(torch.nn, type(layer).__name__.replace("MinPool", "MaxPool"))(**given)
    judge, _ = evaluator(layer, shape, "output", Reals())
    for seed in range(20):
        x = special(shape, seed)
        values, places = peer(torch.from_numpy(sign * x))
        got = judge.at({"input": x})
        codes = got.code(judge.tensors["pick"]).reshape(places.shape)
        assert np.array_equal(codes, places.numpy())
        assert np.array_equal(chosen(layer, x), codes), "the loops of this file"
        output = judge.values("output", {"input": x}).astype(np.float64).reshape(values.shape)
        assert np.array_equal(output, sign * values.numpy(), equal_nan=True)


UNPOOLS = [
    *(case for case in EXAMPLES if "Unpool" in case[0]),
    ("MaxUnpool2d(2, stride=1)", (1, 1, 2, 3)),
    ("MaxUnpool2d(3, stride=2, padding=1, output_size=(1, 2, 4, 6))", (1, 2, 2, 3)),
]


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize(("text", "shape"), UNPOOLS)
def test_unpooling(text: str, shape: tuple[int, ...], distinct: bool) -> None:
    """Against PyTorch where places differ; where they are equal, entries are added."""
    layer: Any = parse_layer(text)
    rank, out = len(layer.tags), layer.output_shape(shape)
    draw, size, planes = np.random.default_rng(3), prod(out[-rank:]), prod(shape[:-rank])
    each = prod(shape[-rank:])
    rows = [draw.permutation(size)[:each] if distinct else draw.integers(0, 2, each) for _ in range(planes)]
    indices, x, grad = np.array(rows).reshape(shape), whole(text, shape), whole(text + "g", out, 9)
    given = {"input": x, "indices": indices, "grad_output": grad}
    wanted = {"output": sent_back(x, indices, out, rank), "input": taken(grad, indices, rank)}
    for key, right in wanted.items():
        for side in both_sides(layer, shape, key, given):
            assert list(side) == list(right.reshape(-1)), key
    if distinct:
        peer = getattr(torch.nn, type(layer).__name__)(
            layer.kernel, layer.strides, tuple(p for p, _ in layer.paddings)
        )
        leaf = torch.from_numpy(x).double().requires_grad_()
        there = peer(leaf, torch.from_numpy(indices), output_size=list(out[-rank:]))
        there.backward(torch.from_numpy(grad).double())
        assert np.array_equal(there.detach().numpy(), wanted["output"])
        assert leaf.grad is not None and np.array_equal(leaf.grad.numpy(), wanted["input"])


LPS = [
    *(case for case in EXAMPLES if "LP" in case[0]),
    ("LPPool2d(1, 2)", (1, 1, 4, 4)),
    ("LPPool2d(0.5, (2, 3), stride=1, ceil_mode=True)", (1, 2, 3, 4)),
    ("LPPool1d(-2, 3, stride=2, ceil_mode=True)", (1, 1, 6)),
    ("LPPool3d(4, (2, 1, 2), ceil_mode=True, stride=(1, 2, 3))", (1, 1, 2, 4, 5)),
]


ROUNDINGS = {"power": 3, "power_prime": 3, "root": 3, "root_prime": 7}
"""Units in the last place (2u each, u = 2^-53) of PyTorch's formula where the evaluator has one function.

Its pow is within 2. Its sum of powers is divided by a count and multiplied by the kernel's size: two
roundings more, 2u of each power, so power takes 3. Its root is pow with the exponent 1/p rounded: a relative
change of u |ln(total)| / p < 2u for the numbers here, so root takes 3. The root's derivative is
(1/p) total^(1/p - 1): the exponent is off by u at most, |ln(total)| < 4.9, so 5u; two roundings for the
factor, two more for the product and the quotient by which the gradient passes: 9u, so root_prime takes 7. The
power's derivative is multiplied by p: one rounding, so power_prime takes 3. What is left of the last unit
pays for the long doubles here.
"""


@pytest.mark.parametrize(("text", "shape"), LPS)
def test_power_pooling(text: str, shape: tuple[int, ...]) -> None:
    """Both sides agree with PyTorch within the bound that the evaluator derives for its formula."""
    draw = np.random.default_rng(5)
    x = torch.from_numpy(draw.uniform(0.5, 2.0, shape)).requires_grad_()
    output = eval(f"torch.nn.{text}")(x)
    grad = torch.from_numpy(draw.uniform(-1.0, 1.0, output.shape))
    output.backward(grad)
    assert x.grad is not None
    given = {"input": x.detach().numpy(), "grad_output": grad.numpy()}
    for key, there in (("output", output.detach().numpy()), ("input", x.grad.numpy())):
        judge, claim = evaluator(parse_layer(text), shape, key, Reals("float64", ROUNDINGS))
        values = judge.at(given)
        for side in (values.left(claim), values.right(claim)):
            off = np.abs(side.value - there.reshape(-1).astype(np.longdouble))
            assert (off <= judge.numbers.error(side)).all(), key
            assert judge.numbers.error(side).max() < 1e-13 * np.abs(side.value).max(), "a bound of nothing"


def test_a_hanging_window_is_scaled_as_in_pytorch() -> None:
    """The quirk: 2 of 3 places inside count as 3, so ones give sqrt(3) there and not sqrt(2)."""
    layer = parse_layer("LPPool1d(2, 3, stride=2, ceil_mode=True)")
    assert layer.tables((1, 1, 6)) == {"scale_w": (1, 1, Fraction(3, 2))}
    assert layer.tables((1, 1, 5)) == {"scale_w": (1, 1)}


def test_the_seed_case_of_overlapping_windows() -> None:
    """y2 is the largest of windows 1 and 2, y7 of window 3, y9 of window 4: y2 gets g1 + g2."""
    x = np.array([[[[1, 9, 2], [3, 4, 5], [8, 6, 7]]]])
    grad = np.array([[[[1, 10], [100, 1000]]]])
    layer = parse_layer("MaxPool2d(2, stride=1)")
    given = {"input": x, "grad_output": grad}
    left, right = both_sides(layer, (1, 1, 3, 3), "input", given)
    assert list(left) == list(right) == [0, 11, 0, 0, 0, 0, 100, 0, 1000]
