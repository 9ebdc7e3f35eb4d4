"""Owns random expressions of the index language at sizes, as claims that a kernel can be lowered from."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.algebra import span
from derive.claim import Claim, Setting
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import Condition, Form, Index, Within, Zero, name

Ranges = dict[str, int]


def random_form(rng: random.Random, names: list[str], most: int = 3) -> Form:
    """An affine form over one or two of the names."""
    total = Form.of(rng.randint(-3, 3))
    for n in rng.sample(names, min(len(names), rng.choice([1, 1, 2]))):
        total = total + name(n) * rng.choice([-most, -2, -1, 1, 1, 1, 2, most])
    return total


def random_read(
    rng: random.Random, title: str, names: list[str], ranges: Ranges
) -> tuple[Read, list[Condition]]:
    """A read whose tensor just fits, or is smaller with brackets that keep the read inside."""
    index, shape, held = [], [], []
    for _ in range(rng.randint(0, 3)):
        form = random_form(rng, names)
        low, high = span(form, ranges)
        if rng.random() < 0.4 and high > low:
            low, high = sorted(rng.sample(range(low, high + 1), 2))
            held.append(Within(form - low, Form.of(high - low + 1)))
        index.append(form - low)
        shape.append(Form.of(high - low + 1))
    return Read(Tensor(title, tuple(shape)), tuple(index)), held


def random_condition(rng: random.Random, names: list[str]) -> Condition:
    form = random_form(rng, names)
    return Zero(form) if rng.random() < 0.2 else Within(form, Form.of(rng.randint(1, 6)))


def random_claim(seed: int) -> Claim:
    """Up to three terms of up to four factors, under brackets on free and summed indices."""
    rng = random.Random(seed)
    free = {n: rng.randint(2, 9) for n in ("f", "g", "h")[: rng.randint(1, 3)]}
    if rng.random() < 0.5:
        free[list(free)[-1]] = rng.randint(17, 40)
    terms, inputs = [], []
    for number in range(rng.randint(1, 3)):
        bound = {f"{n}_{number}": rng.randint(2, 6) for n in ("p", "q", "r")[: rng.randint(0, 3)]}
        names, ranges = [*free, *bound], {**free, **bound}
        conditions = [random_condition(rng, names) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]
        factors = []
        for i in range(rng.randint(1, 4)):
            read, held = random_read(rng, f"data_{number}_{i}", names, ranges)
            factors.append(read)
            conditions += held
        inputs += [f.tensor for f in factors]
        indices = tuple(Index(n, Form.of(e)) for n, e in bound.items())
        terms.append(Sum(indices, tuple(conditions), tuple(factors)))
    where = tuple(Index(n, Form.of(e)) for n, e in free.items())
    right = Definition(Tensor("result", tuple(i.extent for i in where)), where, Expr(tuple(terms)))
    return Claim("random", Setting((), tuple(inputs), ()), Expr(()), right, right.tensor)


def flat(claim: Claim, arrays: dict[str, dict[tuple[int, ...], int]], dtype: Any) -> dict[str, NDArray[Any]]:
    """The drawn inputs as flat arrays."""
    found = {}
    for tensor in claim.setting.inputs:
        places = product(*(range(f.constant or 0) for f in tensor.shape))
        found[tensor.name] = np.array([arrays[tensor.name][i] for i in places], dtype)
    return found
