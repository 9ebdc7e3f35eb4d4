"""Owns index values for the evaluator: which a term has, where reads land, which place is chosen first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import ProofError
from derive.exhaust_rows import components, enumerate_component, possible
from derive.expr import Sum
from derive.index import Form, Index
from derive.layers.codes import Code

Ints = NDArray[np.int64]
Columns = dict[str, Ints]
CHUNK = 2**19
"""Index values of a sum held at a time."""


def index_values(term: Sum, free: Sequence[Index]) -> Iterator[tuple[Columns, int]]:
    """The values of free and summed indices at which a term's conditions hold: columns and their length."""
    indices = (*free, *term.indices)
    if not possible(str(term), term.conditions, {i.name for i in indices}):
        return
    spaces = []
    for members in components(indices, (c.names for c in term.conditions)):
        named = {i.name for i in members}
        space = enumerate_component(members, [c for c in term.conditions if c.names & named])
        spaces.append((space, len(next(iter(space.values())))))
    total = prod(length for _, length in spaces)
    for start in range(0, total, CHUNK):
        rank = np.arange(start, min(total, start + CHUNK))
        rows, columns = len(rank), Columns()
        for space, length in reversed(spaces):
            rank, own = np.divmod(rank, length)
            columns |= {n: v[own] for n, v in space.items()}
        yield columns, rows


def flat_places(
    index: Sequence[Form], shape: Sequence[int], columns: Mapping[str, Any], rows: int, where: str = ""
) -> Ints:
    """Row-major places of an index in a shape at each row; ProofError where it is outside."""
    flat = np.zeros(rows, np.int64)
    for form, extent in zip(index, shape, strict=True):
        value = np.asarray(form.evaluate(columns), np.int64)
        if rows and (value.min() < 0 or value.max() >= extent):
            raise ProofError("read outside its tensor", where=where, expected=f"0 <= {form} < {extent}")
        flat = flat * extent + value
    return flat


def indicator_axes(index: Sequence[Form], columns: Columns, rows: int) -> Columns:
    """The language axes x0, x1, ... of an indicator's entry at each row."""
    return {f"x{i}": np.broadcast_to(f.evaluate(columns), (rows,)) for i, f in enumerate(index)}


def lead_places(code: Code, shape: Sequence[int], axes: Columns, rows: int) -> Ints:
    """Flat places in the array of codes of an indicator of this shape."""
    flat = np.zeros(rows, np.int64)
    for axis in code.lead:
        flat = flat * shape[axis] + axes[f"x{axis}"]
    return flat


def tap_places(code: Code, shape: Sequence[int], axes: Columns, rows: int) -> Ints:
    """Row-major ranks over the indicator's axes that its codes do not have: the order of comparison."""
    flat = np.zeros(rows, np.int64)
    for axis in range(len(shape)):
        if axis not in code.lead:
            flat = flat * shape[axis] + axes[f"x{axis}"]
    return flat


def by_place(places: Ints) -> Ints:
    """The order of rows by their places (0 or more); told apart by counting where there is room for all."""
    most = int(places.max(initial=-1)) + 1
    if most <= 4 * len(places):
        row = np.full(most, -1, np.int64)
        row[places] = np.arange(len(places))
        order = row[row >= 0]
        if len(order) == len(places):
            return order
    return np.argsort(places, kind="stable")


def first_of(
    leads: int, lead: Ints, tap: Ints, value: Ints, key: Any, nan: NDArray[np.bool_], smallest: bool
) -> Ints:
    """For each lead the value at the first tap whose key is largest (smallest), -1 where it has no tap.

    A loop over the taps in order that takes an entry where it is larger than the best so far, or NaN, or
    nothing was taken yet, ends at the last NaN where there is one, else at the first largest entry.
    """
    codes = np.full(leads, -1, np.int64)
    order = by_place(lead * (int(np.ptp(tap)) + 1) + tap - tap.min()) if len(lead) else lead
    lead, value, key, nan = lead[order], value[order], key[order], nan[order]
    starts = np.flatnonzero(np.r_[True, lead[1:] != lead[:-1]]) if len(lead) else np.zeros(0, np.int64)
    if not len(starts):
        return codes
    group = np.repeat(np.arange(len(starts)), np.diff(np.r_[starts, len(lead)]))
    extreme = np.minimum if smallest else np.maximum
    best = extreme.reduceat(key, starts)
    place = np.arange(len(lead))
    first = np.minimum.reduceat(np.where(key == best[group], place, len(lead)), starts)
    last_nan = np.maximum.reduceat(np.where(nan, place, -1), starts)
    chosen = np.where(last_nan >= 0, last_nan, np.minimum(first, len(lead) - 1))
    codes[lead[starts]] = value[chosen]
    return codes
