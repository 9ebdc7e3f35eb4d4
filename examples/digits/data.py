"""Owns the digits: scikit-learn's 1,797 real handwritten ones, their fixed split, and batches of one size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
TESTED = 360
"""Images kept for the test; the other 1,437 are trained on."""

SPLIT_SEED = 0


@dataclass(frozen=True)
class Images:
    """Pictures (count, 1, 8, 8) with grey values from 0 to 1, and what is written on them, int64 (count,).

    `places` are their places in scikit-learn's data set.
    """

    pictures: Array
    digits: Array
    places: Array

    def __len__(self) -> int:
        return len(self.digits)


def load(dtype: str) -> tuple[Images, Images]:
    """The training and the test images; the split is one permutation drawn with SPLIT_SEED."""
    from sklearn.datasets import load_digits

    found = load_digits()
    pictures = (found.images[:, None] / 16).astype(dtype)  # sixteenths: exact in float32 too
    digits = found.target.astype(np.int64)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(digits))
    training, test = (Images(pictures[p], digits[p], p) for p in (order[TESTED:], order[:TESTED]))
    return training, test


def shuffled(count: int, size: int, rng: np.random.Generator) -> Iterator[Array]:
    """One epoch: places of `size` images each, in random order; the rest of the division is left out."""
    order = rng.permutation(count)
    yield from order[: count - count % size].reshape(-1, size)


def in_order(count: int, size: int) -> Iterator[Array]:
    """All places in order, `size` at a time; the last batch is filled up with its last place."""
    for begin in range(0, count, size):
        yield np.minimum(np.arange(begin, begin + size), count - 1)
