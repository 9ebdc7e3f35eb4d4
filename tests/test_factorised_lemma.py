"""The lemma of the comparison axis by axis: normal forms of products of vectors, and their sums."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np

from derive.exhaust_factorised import Product, added, primitive

VECTORS = [v for v in product((-2, -1, 0, 1, 2), repeat=2) if any(v)]


def normal(number: int, *vectors: tuple[int, ...]) -> object:
    total, found = number, []
    for vector in vectors:
        content, own = primitive(np.arange(len(vector)), np.array(vector)) or (0, None)
        assert own is not None and content * own.counts[0] == next(v for v in vector if v)
        total *= content
        found.append((tuple(own.codes.tolist()), tuple(own.counts.tolist())))
    return total, tuple(found)


def test_lemma_on_all_small_products() -> None:
    """Products of two vectors of length 2 and a number: equal exactly when their normal forms are."""
    meaning: dict[tuple[int, ...], object] = {}
    for number, a, b in product((-2, -1, 1, 2, 3), VECTORS, VECTORS):
        values = tuple(number * x * y for x in a for y in b)
        assert meaning.setdefault(values, normal(number, a, b)) == normal(number, a, b)
    assert len(set(meaning.values())) == len(meaning) > 100


def test_sums_of_products_are_added_only_where_that_is_exact() -> None:
    """Any terms sum to what they were; the cases of each axis, multiplied out, come together again."""
    draw = random.Random(5)
    for number in range(300):
        if cases := number % 2:
            grid = product(*(draw.choices(VECTORS, k=draw.randint(1, 3)) for _ in range(3)))
            terms = [multiplied(1, list(chosen)) for chosen in grid]
        else:
            chosen = [draw.choices(VECTORS[:3], k=3) for _ in range(draw.randint(1, 4))]
            terms = [multiplied(draw.choice((-1, 1, 2)), vectors) for vectors in chosen]
        draw.shuffle(terms)
        found = added(terms)
        assert np.array_equal(dense(found), sum(dense([p]) for p in terms))
        assert len(found) <= 1 or not cases


def multiplied(number: int, vectors: list[tuple[int, ...]]) -> Product:
    """A product as the comparison keeps it."""
    parts = [primitive(np.arange(2), np.array(v)) for v in vectors]
    assert all(parts)
    found = [part for part in parts if part is not None]
    return Product(Fraction(number * prod(n for n, _ in found)), tuple(v for _, v in found))


def dense(products: list[Product]) -> np.ndarray:
    total = np.zeros((2, 2, 2), object)
    for p in products:
        parts = [np.zeros(2, object) for _ in p.vectors]
        for part, vector in zip(parts, p.vectors, strict=True):
            part[vector.codes] = vector.counts
        total = total + p.number * np.multiply.outer(np.multiply.outer(parts[0], parts[1]), parts[2])
    return total
