"""Owns the values that a definition gives: NumPy over its own index forms, in the arithmetic of the data.

Nothing of a kernel, a closed form or a lookup table enters. Whole numbers wrap modulo 2^64; float64 data
are summed by NumPy in an order of its own, so they are exact only where every sum of magnitudes is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.relation import Family, Relation
from derive.expr import Read
from derive.index import Form

Array = NDArray[Any]


def evaluate(relation: Relation, data: Mapping[str, Array]) -> Array:
    """The whole result tensor, of the relation's shape and the data's dtype.

    Args:
        data: by operand name an array of that tensor's entries (any shape with as many in row-major order).
    """
    dtype = np.result_type(np.bool_, *data.values()) if data else np.dtype(np.float64)
    out = np.zeros(relation.shape, dtype)
    for family in relation.families:
        for values in _fixed_values(family):
            _add_slice(out, family, values, data, dtype)
    return out


def _spans(family: Family) -> list[frozenset[str]]:
    reads = (family.result, *(f.index for f in family.factors))
    return [f.names for read in reads for f in read] + [c.names for c in family.conditions]


def _fixed_values(family: Family) -> Iterator[dict[str, int]]:
    """Values of the names that must be fixed so that every form and condition keeps one free name."""
    fixed: list[str] = []
    for span in _spans(family):
        free = sorted(span - set(fixed), key=lambda n: (family.extents[n], n))
        fixed += free[: max(0, len(free) - 1)]
    for values in product(*(range(family.extents[n]) for n in fixed)):
        yield dict(zip(fixed, values, strict=True))


def _admitted(family: Family, values: Mapping[str, int]) -> dict[str, Array] | None:
    """For every free name the values that its conditions let through; None where a fixed condition fails."""
    free = {n: np.arange(e) for n, e in family.extents.items() if n not in values}
    for condition in family.conditions:
        name = next(iter(condition.names - set(values)), None)
        if name is None:
            if not condition.holds(values):
                return None
        else:
            free[name] = free[name][condition.holds({**values, name: free[name]})]
    return free


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
    seen = frozenset().union(*(f.names for f in family.factors))
    for name in free.keys() - seen:
        arguments += [np.ones(len(free[name]), dtype), [letters[name]]]
    axes = [_axis(form, values, free) for form in family.result]
    kept = [letters[n] for n, _ in axes if n is not None]
    blas = bool(np.issubdtype(dtype, np.floating)) and dtype != np.longdouble
    part = np.einsum(*arguments, kept, optimize=blas)
    spots = [spot for _, spot in axes]
    if len(set(kept)) != len(kept) or any(len(np.unique(s)) != len(s) for s in spots):
        raise BuildError(
            "a definition meets an entry of its result twice", where=", ".join(map(str, family.result))
        )
    shape = [len(s) for s in spots]
    scale = family.coefficient
    if scale.denominator != 1:
        raise BuildError("a definition with a fraction has no whole value", where=str(scale))
    whole = scale.numerator % 2**64 if dtype == np.uint64 else scale.numerator
    out[np.ix_(*spots)] += part.reshape(shape) * dtype.type(whole)


def _axis(form: Form, values: Mapping[str, int], free: Mapping[str, Array]) -> tuple[str | None, Array]:
    """The free name of a form, if any, and the positions that it takes."""
    name = next(iter(form.names - set(values)), None)
    if name is None:
        return None, np.array([int(form.evaluate(values))])
    return name, np.asarray(form.evaluate({**values, name: free[name]}))


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
    part = array.reshape(shape)[np.ix_(*(spot for _, spot in axes))]
    kept = [len(spot) if name is not None else 0 for name, spot in axes]
    numbers = [letters[name] for name, _ in axes if name is not None]
    return [np.ascontiguousarray(part).reshape([k for k in kept if k]), numbers]
