"""Owns the relation that joins the places of three tensors along one axis, read off forms and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

import numpy as np
from numpy.typing import NDArray

from derive.index import Condition, Form, Zero, name

Forms = tuple[Form, Form, Form]
"""The index forms of out, image and weight."""
MOST_PAIRS = 2**22
"""Values of the indices of one axis that are looked at one by one."""
BOUNDED = "_"
"""An index beside those of the claim: the value of a condition's form."""


@dataclass(frozen=True)
class Relation:
    """x = stride * o + dilation * t - pad, with the numbers of o, t and x."""

    stride: int
    dilation: int
    pad: int
    out: int
    taps: int
    image: int


def relation_of(
    forms: Forms, sizes: tuple[int, int, int], conditions: Sequence[Condition], ranges: dict[str, int]
) -> Relation | None:
    """What joins the places of out, image and weight along an axis; None where no relation does.

    Args:
        forms: the index forms of the three.
        sizes: the tensors' extents.
        conditions: those of the product on the names of the forms.
        ranges: of these names.
    """
    out, image, weight = forms
    by = _normal(out, image, weight, [c.form for c in conditions if _pins(c)])
    pad = _first(out, image, weight, conditions, ranges, by) if by is not None else None
    if by is None or pad is None:
        return None
    relation = Relation(*by, pad, sizes[0], sizes[2], sizes[1])
    return relation if _agrees(relation, (out, image, weight), conditions, ranges) else None


def _pins(condition: Condition) -> bool:
    """Whether a condition is an equation."""
    return isinstance(condition, Zero) or condition.high.constant == 1


def _normal(out: Form, image: Form, weight: Form, deltas: list[Form]) -> tuple[int, int] | None:
    """The stride and dilation with which image - stride * out - dilation * weight names nothing."""
    forms = (image, out, weight)
    names = sorted(set().union(*(f.names for f in forms)))
    usual = (1, -1, -1)
    if len(deltas) == 1 and all(len(f.names) <= 1 for f in forms):
        joined = [_joined(deltas[0], f) for f in forms]
        turn = 1 if any(f * w > 0 for f, w in zip(joined, usual, strict=True)) else -1
        factors = [f or turn * w for f, w in zip(joined, usual, strict=True)]
    elif len(names) == 2:
        u, v = ([_slope(f, n) for f in forms] for n in names)
        factors = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]]
    elif len(names) == 1:
        (u,) = ([_slope(f, n) for f in forms] for n in names)
        factors = _one_name(u)
    else:
        factors = list(usual) if not names else []
    common = gcd(*factors) if factors else 0
    if not common:
        return None
    sign = common if factors[0] > 0 else -common
    one, stride, dilation = (f // sign for f in factors)
    return (-stride, -dilation) if one == 1 and stride < 0 and dilation < 0 else None


def _joined(delta: Form, form: Form) -> int:
    """What an equation of indices says of a tensor's place that is one of them, or its mirror image."""
    name = next(iter(form.names), "")
    return _slope(delta, name) * _slope(form, name)


def _one_name(u: list[int]) -> list[int]:
    """Factors for one name: of the two forms that name it by each other's slope, of the third 1."""
    held = [i for i, slope in enumerate(u) if slope]
    if len(held) != 2:
        return []
    i, j = held
    factors = [1, -1, -1]
    factors[i], factors[j] = u[j], -u[i]
    wanted = 1 if i == 0 else -1
    if (factors[i] > 0) != (wanted > 0):
        factors[i], factors[j] = -factors[i], -factors[j]
    return factors


def _slope(form: Form, name: str) -> int:
    factor = form.coefficient(name) if name else None
    return factor.constant or 0 if factor is not None and factor.constant is not None else 0


def _values(conditions: Sequence[Condition], ranges: dict[str, int]) -> dict[str, NDArray[np.int64]] | None:
    """All values of indices at which conditions hold, as columns; one that is bounded is not tried."""
    given = _bounded(conditions, ranges)
    tried = (
        ranges if given is None else {n: r for n, r in ranges.items() if n != given[0]} | {BOUNDED: given[2]}
    )
    names, count = sorted(tried), prod(tried.values())
    if count > MOST_PAIRS:
        return None
    grid = np.indices([tried[n] for n in names]).reshape(len(names), count).astype(np.int64)
    at = dict(zip(names, grid, strict=True))
    keep = np.ones(count, bool)
    if given is not None:
        at[given[0]] = np.broadcast_to(np.asarray(given[1].evaluate(at), np.int64), count)
        keep &= (at[given[0]] >= 0) & (at[given[0]] < ranges[given[0]])
    for condition in conditions:
        value = condition.form.evaluate(at)
        if isinstance(condition, Zero):
            keep &= value == 0
        else:
            keep &= (value >= 0) & (value < condition.high.evaluate(at))
    return {n: column[keep] for n, column in at.items() if n != BOUNDED}


def _bounded(conditions: Sequence[Condition], ranges: dict[str, int]) -> tuple[str, Form, int] | None:
    """An index of which a condition leaves fewer values than its range, were the others known.

    Those values as a form of the others and of `BOUNDED`, which runs below the number that comes last.
    """
    best = None
    for condition in conditions:
        high = 1 if isinstance(condition, Zero) else condition.high.constant
        for index in sorted(ranges):
            slope = _slope(condition.form, index)
            if high and abs(slope) == 1 and high * (best[3] if best else 1) < ranges[index]:
                best = (
                    index,
                    name(index) - slope * (condition.form - name(BOUNDED)),
                    high,
                    ranges[index] // high,
                )
    return best[:3] if best else None


def _first(
    out: Form,
    image: Form,
    weight: Form,
    conditions: Sequence[Condition],
    ranges: dict[str, int],
    by: tuple[int, int],
) -> int | None:
    """The pad, from one value of the indices at which the conditions hold."""
    at = _values(conditions, ranges)
    if at is None or any(not len(column) for column in at.values()):
        return None
    first = {n: int(column[0]) for n, column in at.items()}
    return int((by[0] * out + by[1] * weight - image).evaluate(first))


def _agrees(
    relation: Relation,
    forms: Forms,
    conditions: Sequence[Condition],
    ranges: dict[str, int],
) -> bool:
    """Whether the products of the right side along an axis are those of the relation, each once."""
    at = _values(conditions, ranges)
    if at is None or relation.out * relation.taps > MOST_PAIRS:
        return False
    count = len(next(iter(at.values()))) if at else 1
    out, image, weight = (np.broadcast_to(np.asarray(f.evaluate(at)), count) for f in forms)
    o, t = (i.reshape(-1) for i in np.indices((relation.out, relation.taps)))
    x = relation.stride * o + relation.dilation * t - relation.pad
    inside = (x >= 0) & (x < relation.image)
    there = np.stack([o[inside], x[inside], t[inside]])
    here = np.stack([out, image, weight])
    if here.shape != there.shape:
        return False
    return bool((_sorted(here) == _sorted(there)).all())


def _sorted(
    columns: NDArray[np.int64],
) -> NDArray[np.int64]:
    ordered: NDArray[np.int64] = columns[:, np.lexsort(columns)]
    return ordered
