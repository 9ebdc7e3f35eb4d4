"""Owns the values that a definition gives: NumPy over its own index forms, in the arithmetic of the data.

Nothing of a kernel, a closed form or a lookup table enters. Whole numbers wrap modulo 2^64; float64 data
are summed by NumPy in an order of its own, so they are exact only where every sum of magnitudes is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.relation import Family, Relation, pinned
from codegen.strided import strided
from derive.expr import Read
from derive.index import Form

Array = NDArray[Any]
_pinned = lru_cache(maxsize=256)(pinned)
BLAS = (np.float32, np.float64)
"""Types whose products of matrices are quick."""
MASK_CELLS = 2**24
"""Most values of two names that a condition is listed for; beyond, one name is taken value by value."""


def evaluate(relation: Relation, data: Mapping[str, Array]) -> Array:
    """The whole result tensor, of the relation's shape and the data's dtype.

    Args:
        data: by operand name an array of that tensor's entries (any shape with as many in row-major order).
    """
    dtype = np.result_type(np.bool_, *data.values()) if data else np.dtype(np.float64)
    out = np.zeros(relation.shape, dtype)
    for family in map(_pinned, relation.families):
        whole = strided(family, relation.shape) if dtype in BLAS else None
        if whole is not None:
            whole.add(out, [data[f.tensor.name] for f in family.factors])
            continue
        for values in _fixed_values(family):
            _add_slice(out, family, values, data, dtype)
    return out


def terms_of(relation: Relation) -> NDArray[np.int64]:
    """For every entry of the result its number of terms, exact below 2^53."""
    bare = tuple(replace(f, factors=(), coefficient=Fraction(1)) for f in relation.families)
    return evaluate(Relation(relation.result, bare), {}).reshape(-1).astype(np.int64)


def term_count(family: Family) -> int:
    """The number of terms of a family, or a bound on it where conditions join very many values."""
    family = pinned(family)
    parts = [frozenset({i.name}) for i in family.indices]
    for condition in family.conditions:
        touched = [p for p in parts if p & condition.names]
        parts = [p for p in parts if not p & condition.names] + [frozenset().union(*touched)]
    total = 1
    for part in parts:
        extents = {n: e for n, e in family.extents.items() if n in part}
        held = [c for c in family.conditions if c.names & part]
        if not held or prod(extents.values()) > MASK_CELLS:
            total *= prod(extents.values())
            continue
        grid = dict(zip(extents, np.ix_(*(np.arange(e) for e in extents.values())), strict=True))
        admitted = np.ones(tuple(extents.values()), bool)
        for condition in held:
            admitted &= condition.holds(grid)
        total *= int(admitted.sum())
    return total


def _fixed_values(family: Family) -> Iterator[dict[str, int]]:
    """Values of the names that must be fixed so that forms keep one free name and conditions at most two."""
    fixed: set[str] = set()
    size = family.extents
    reads = (family.result, *(f.index for f in family.factors))
    for span in [f.names for read in reads for f in read]:
        fixed |= set(sorted(span - fixed, key=lambda n: (size[n], n))[:-1])
    for condition in family.conditions:
        left = sorted(condition.names - fixed, key=lambda n: (size[n], n))
        while len(left) > 2 or prod(size[n] for n in left) > MASK_CELLS:
            fixed.add(left.pop(0))
    names = sorted(fixed)
    for values in product(*(range(size[n]) for n in names)):
        yield dict(zip(names, values, strict=True))


def _admitted(family: Family, values: Mapping[str, int]) -> dict[str, Array] | None:
    """For every free name the values that its conditions let through; None where a fixed condition fails."""
    free = {n: np.arange(e) for n, e in family.extents.items() if n not in values}
    for condition in family.conditions:
        left = condition.names - set(values)
        if not left and not condition.holds(values):
            return None
        if len(left) == 1:
            (name,) = left
            free[name] = free[name][condition.holds({**values, name: free[name]})]
    return free


def _masks(
    family: Family,
    values: Mapping[str, int],
    free: Mapping[str, Array],
    letters: Mapping[str, int],
    dtype: Any,
) -> list[Any]:
    """For every condition that joins two free names, the array of its truth values as 0 and 1."""
    found: list[Any] = []
    for condition in family.conditions:
        left = sorted(condition.names - set(values))
        if len(left) == 2:
            one, two = left
            grid = {one: free[one][:, None], two: free[two][None, :]}
            found += [condition.holds({**values, **grid}).astype(dtype), [letters[one], letters[two]]]
    return found


def _add_slice(
    out: Array, family: Family, values: Mapping[str, int], data: Mapping[str, Array], dtype: Any
) -> None:
    """Adds what the family gives at the fixed values: one strided product, summed over the other names."""
    free = _admitted(family, values)
    if free is None or not all(v.size for v in free.values()):
        return
    letters = {n: i for i, n in enumerate(free)}
    arguments: list[Any] = []
    for factor in family.factors:
        arguments += _factor_slice(factor, data[factor.tensor.name], values, free, letters)
    arguments += _masks(family, values, free, letters, dtype)
    met = {number for numbers in arguments[1::2] for number in numbers}
    axes = [_axis(form, values, free) for form in family.result]
    kept = [letters[n] for n, _ in axes if n is not None]
    alone = [n for n in free if letters[n] not in met]
    for name in alone:
        if letters[name] in kept:
            arguments += [np.ones(len(free[name]), dtype), [letters[name]]]
    spots = [spot for _, spot in axes]
    if len(set(kept)) != len(kept) or any(len(np.unique(s)) != len(s) for s in spots):
        raise BuildError(
            "a definition meets an entry of its result twice", where=", ".join(map(str, family.result))
        )
    if any(s.min() < 0 or s.max() >= extent for s, extent in zip(spots, out.shape, strict=True)):
        raise BuildError(
            "a definition gives an entry outside its result", where=", ".join(map(str, family.result))
        )
    scale = family.coefficient
    if scale.denominator != 1:
        raise BuildError("a definition with a fraction has no whole value", where=str(scale))
    times = scale.numerator * prod(len(free[n]) for n in alone if letters[n] not in kept)
    part = _summed(arguments, kept, dtype) if arguments else np.ones((), dtype)
    whole = times % 2**64 if dtype == np.uint64 else times
    if whole != 1:
        part = part * dtype.type(whole)
    out[_chosen(spots)] += part.reshape([len(s) for s in spots])


def _summed(arguments: Sequence[Any], kept: Sequence[int], dtype: Any) -> Array:
    """einsum; pair by pair where BLAS takes pairs, or where there are so many operands that it pays."""
    blas = bool(np.issubdtype(dtype, np.floating)) and dtype != np.longdouble
    pairwise = "greedy" if len(arguments) > 4 or blas else False
    return np.asarray(np.einsum(*arguments, kept, optimize=pairwise))


def _axis(form: Form, values: Mapping[str, int], free: Mapping[str, Array]) -> tuple[str | None, Array]:
    """The free name of a form, if any, and the positions that it takes."""
    name = next(iter(form.names - set(values)), None)
    if name is None:
        return None, np.array([int(form.evaluate(values))])
    return name, np.asarray(form.evaluate({**values, name: free[name]}))


def _chosen(spots: Sequence[Array]) -> Any:
    """The positions on each axis as an index: slices where all axes have evenly spaced ones."""
    steps = [int(s[1] - s[0]) if len(s) > 1 else 1 for s in spots]
    if all(d > 0 and (np.diff(s) == d).all() for s, d in zip(spots, steps, strict=True)):
        return tuple(slice(int(s[0]), int(s[-1]) + 1, d) for s, d in zip(spots, steps, strict=True))
    return np.ix_(*spots)


def _factor_slice(
    factor: Read,
    array: Array,
    values: Mapping[str, int],
    free: Mapping[str, Array],
    letters: Mapping[str, int],
) -> list[Any]:
    """A factor restricted to the positions it is read at, with einsum's axis numbers."""
    shape = tuple(int(f.evaluate({})) for f in factor.tensor.shape)
    axes = [_axis(form, values, free) for form in factor.index]
    for (_, spot), extent in zip(axes, shape, strict=True):
        if spot.min() < 0 or spot.max() >= extent:
            raise BuildError("the definition reads outside a tensor", where=str(factor))
    part = array.reshape(shape)[_chosen([spot for _, spot in axes])]
    kept = [len(spot) if name is not None else 0 for name, spot in axes]
    numbers = [letters[name] for name, _ in axes if name is not None]
    return [np.ascontiguousarray(part).reshape([k for k in kept if k]), numbers]
