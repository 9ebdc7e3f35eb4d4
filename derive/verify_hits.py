"""Owns how the museum's wrong results are formed: a layer as triples (output entry, weight, input entry).

Every layer that is linear in its input is output[o] += weight * input[i] over such triples, the weight a
number or an entry of the weight tensor; its gradients are sums over the same triples. A mistake in the
triples is a mistake in all three. Works on object arrays of symbols and of exact numbers alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]
Place = tuple[int, ...]
Hit = tuple[Place, Place | Fraction, Place]
"""Output entry; entry of the weight, or a number; input entry."""
Wrong = tuple[str, NDArray[Any]]
"""The name of a mistake, and the result that it gives."""
Spots = Iterator[tuple[Place, Fraction, Place]]
"""A map of places: output place, weight, input place."""
ONE = Fraction(1)


def zeros(shape: Sequence[int]) -> NDArray[Any]:
    found = np.empty(tuple(shape), object)
    found.fill(0)
    return found


def places(shape: Iterable[int]) -> Iterator[Place]:
    return product(*map(range, shape))


def gathered(
    key: str, hits: Iterable[Hit], arrays: Arrays, shape: Sequence[int], overwrite: bool = False
) -> NDArray[Any]:
    """One result ("output", "input" or "weight") from its triples; `overwrite` keeps the last term only."""
    found = zeros(shape)
    for far, weight, near in hits:
        factor = arrays["weight"][weight] if isinstance(weight, tuple) and key != "weight" else weight
        if key == "output":
            at, term = far, factor * arrays["input"][near]
        elif key == "input":
            at, term = near, factor * arrays["grad_output"][far]
        elif isinstance(weight, tuple):
            at, term = weight, arrays["grad_output"][far] * arrays["input"][near]
        else:
            continue
        found[at] = term if overwrite else found[at] + term
    return found


def planes(arrays: Arrays, spots: Iterable[tuple[Place, Fraction, Place]]) -> Iterator[Hit]:
    """The triples of a map of places, on every image and channel."""
    kept = list(spots)
    for lead in places(arrays["input"].shape[:2]):
        yield from (((*lead, *o), weight, (*lead, *i)) for o, weight, i in kept)


def inside(spot: Place, shape: Sequence[int]) -> bool:
    return all(0 <= i < n for i, n in zip(spot, shape, strict=True))


def dropped(title: str, right: NDArray[Any], cuts: Sequence[int]) -> Iterator[Wrong]:
    """A right result without the last `cuts` rows of its last axes: left away, and left zero."""
    if not any(cuts):
        return
    lengths = right.shape[right.ndim - len(cuts) :]
    kept: Any = (..., *(slice(0, n - cut) for n, cut in zip(lengths, cuts, strict=True)))
    yield title, right[kept]
    filled = zeros(right.shape)
    filled[kept] = right[kept]
    yield title, filled


def divided(array: NDArray[Any], by: int) -> NDArray[Any]:
    found: NDArray[Any] = array * Fraction(1, by)
    return found


def lengths_of(arrays: Arrays) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Spatial lengths of input and output."""
    return arrays["input"].shape[2:], arrays["grad_output"].shape[2:]


def mapped(
    key: str, spots: Spots, arrays: Arrays, right: NDArray[Any], overwrite: bool = False
) -> NDArray[Any]:
    """One result of a map of places."""
    return gathered(key, planes(arrays, spots), arrays, right.shape, overwrite)


def singly(outs: Sequence[int], lengths: Sequence[int], source: Callable[[int, int], int]) -> Spots:
    """Each output entry reads one input entry, where there is one: `source` of (axis, place)."""
    for o in places(outs):
        spot = tuple(source(axis, y) for axis, y in enumerate(o))
        if inside(spot, lengths):
            yield o, ONE, spot
