"""Owns the windows of a layer that selects: which entries each sees, in which order, and their codes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.relation import number, shape_of, unfold
from derive.claim import Setting
from derive.expr import Read, Sum
from derive.layers.codes import Code

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Windows:
    """Every window of one layer at one shape.

    Attributes:
        source: the tensor that is selected from.
        entries: (windows, taps) flat places in the source, in the order of the taps; `absent` where a window
            has fewer taps (they stand at the end).
        values: (windows, taps) the code of each tap, -1 where there is none.
        counts: (windows,) number of taps.
        absent: the number of entries of the source.
        shape: of the array of codes; windows are in its row-major order.
    """

    source: str
    entries: Integers
    values: Integers
    counts: Integers
    absent: int
    shape: tuple[int, ...]


def windows_of(setting: Setting, indicator: str, code: Code) -> Windows:
    """The windows that the layer's definition gives an indicator, read off its conditions.

    Raises BuildError where the definitions do not multiply the indicator by one entry of an operand.
    """
    term, pick, source = _selection(setting, indicator)
    grid = _admitted(term)
    places = [_at(form, grid) for form in pick.index]
    shape = shape_of(pick.tensor)
    lead = tuple(shape[a] for a in code.lead)
    rest = [a for a in range(len(shape)) if a not in code.lead]
    window = _flat([places[a] for a in code.lead], lead)
    tap = _flat([places[a] for a in rest], tuple(shape[a] for a in rest))
    entry = _flat([_at(form, grid) for form in source.index], shape_of(source.tensor))
    value = _at(code.value, {f"x{axis}": place for axis, place in enumerate(places)})
    order = np.lexsort((tap, window))
    absent = int(np.prod(shape_of(source.tensor)))
    return _packed(source.tensor.name, window[order], entry[order], value[order], absent, lead)


def _selection(setting: Setting, indicator: str) -> tuple[Sum, Read, Read]:
    """The term of the definitions in which the indicator stands beside one read, both opened to operands."""
    for definition in setting.definitions:
        for body in definition.body.terms:
            if not any(isinstance(f, Read) and f.tensor.name == indicator for f in body.factors):
                continue
            for term in unfold(body, setting):
                reads = [f for f in term.factors if isinstance(f, Read)]
                picks = [r for r in reads if r.tensor.name == indicator]
                others = [r for r in reads if r.tensor.name != indicator]
                if len(reads) == len(term.factors) == 2 and len(picks) == 1:
                    whole = Sum(definition.indices + term.indices, term.conditions, term.factors)
                    return whole, picks[0], others[0]
    raise BuildError("no definition selects by this indicator", where=indicator)


def _admitted(term: Sum) -> dict[str, Integers]:
    """All values of the term's indices that its conditions admit, as flat arrays by name."""
    extents = [number(i.extent) for i in term.indices]
    grid: dict[str, Integers] = {}
    for index, axis in zip(term.indices, np.indices(extents, dtype=np.int64, sparse=True), strict=True):
        grid[index.name] = axis
    kept = np.ones(extents, bool)
    for condition in term.conditions:
        kept &= np.broadcast_to(np.asarray(condition.holds(grid)), kept.shape)
    spots = np.nonzero(kept)
    return {i.name: spot for i, spot in zip(term.indices, spots, strict=True)}


def _at(form: Any, grid: Mapping[str, Any]) -> Integers:
    """A form at every kept place."""
    size = len(next(iter(grid.values())))
    return np.broadcast_to(np.asarray(form.evaluate(grid), np.int64), (size,))


def _flat(places: list[Integers], shape: tuple[int, ...]) -> Integers:
    """Row-major places of an array of this shape; one place where it has no axis."""
    if not shape:
        raise BuildError("a window needs an axis for its place and one for its taps", where="codes")
    return np.asarray(np.ravel_multi_index(places, shape), np.int64)


def _packed(
    source: str, window: Integers, entry: Integers, value: Integers, absent: int, lead: tuple[int, ...]
) -> Windows:
    """Rows of equal length out of taps that are sorted by window."""
    total = int(np.prod(lead))
    counts = np.bincount(window, minlength=total).astype(np.int64)
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    column = np.arange(len(window)) - starts[window]
    entries = np.full((total, int(counts.max(initial=1))), absent, np.int64)
    values = np.full_like(entries, -1)
    entries[window, column], values[window, column] = entry, value
    return Windows(source, entries, values, counts, absent, lead)
