"""Owns the plain enumeration of a sum's index values, one by one, conditions tested as early as can be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from derive.index import Condition, Index, Zero

Values = Mapping[str, int]


def assignments(
    indices: Sequence[Index], conditions: Sequence[Condition], values: Values
) -> Iterator[Values]:
    """Every value of the indices at which all conditions hold, extending `values`.

    A condition is tested as soon as its names have values; [k*v + rest = 0] with v alone open leaves v at
    most one value, which is tried instead of the whole range.
    """
    open_names = {i.name for i in indices}
    if not all(c.holds(values) for c in conditions if not c.names & open_names):
        return
    if not indices:
        yield values
        return
    pending = [c for c in conditions if c.names & open_names]
    index, choices = _next(indices, pending, open_names, values)
    rest = [i for i in indices if i is not index]
    for value in choices:
        yield from assignments(rest, pending, {**values, index.name: value})


def _next(
    indices: Sequence[Index], conditions: Sequence[Condition], open_names: set[str], values: Values
) -> tuple[Index, Sequence[int]]:
    for index in indices:
        extent = int(index.extent.evaluate({}))
        for condition in conditions:
            if isinstance(condition, Zero) and condition.names & open_names == {index.name}:
                factor = condition.form.coefficient(index.name)
                constant = None if factor is None else factor.constant
                if constant:
                    rest = condition.form.evaluate({**values, index.name: 0})
                    value, remainder = divmod(-rest, constant)
                    return index, [value] if remainder == 0 and 0 <= value < extent else []
    return indices[0], range(int(indices[0].extent.evaluate({})))
