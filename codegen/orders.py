"""Owns the weak orders of the entries of a window, ties and NaN included, and what a selection makes of each.

A selection that compares and copies depends on nothing but the order of its window's entries: which are
equal, which are larger, which are NaN. All weak orders of n entries with any of them NaN are
2 * Fubini(n), 14,174,522 for n = 9, so a window of that size is checked on every input there is, up to
order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError

Array = NDArray[Any]
Ranks = NDArray[np.int8]
"""(orders, entries): the rank of each entry from 0, equal ranks for ties; NAN for one that is NaN."""

NAN = -1
MOST = 9
"""Entries of a window up to which all weak orders are listed; there are as many levels of values."""
VIEWS = 3
"""Ways of giving an order its values (see `floats`)."""
MARKS = 2**22
"""Bits of a float32 NaN that are free to tell NaNs apart."""
Selection = Callable[[Array], tuple[Array, Array]]
"""(windows, entries) floats -> the value taken and its place in the window, each (windows,)."""


def fubini(n: int) -> int:
    """The number of weak orders of n values.

    >>> [fubini(n) for n in range(5)]
    [1, 1, 3, 13, 75]
    """
    return 1 if n == 0 else sum(comb(n, k) * fubini(n - k) for k in range(1, n + 1))


def count_of_orders(n: int) -> int:
    """The number of weak orders of n values any of which may be NaN.

    >>> count_of_orders(9)
    14174522
    """
    return sum(comb(n, k) * fubini(n - k) for k in range(n + 1))


def weak_orders(n: int) -> Iterator[Ranks]:
    """All weak orders of n values, in chunks; those of n - 1 are held meanwhile (4 MB for n = 9)."""
    if n == 0:
        yield np.zeros((1, 0), np.int8)
        return
    shorter = np.concatenate(list(weak_orders(n - 1)))
    levels = shorter.max(axis=1, initial=-1) + 1
    for k in np.unique(levels).tolist():
        yield from _longer(shorter[levels == k], k)


def _longer(rows: Ranks, levels: int) -> Iterator[Ranks]:
    """One value more: equal to one of the levels, or on a new level below, between or above them."""
    for level in range(levels):
        yield np.column_stack([rows, np.full(len(rows), level, np.int8)])
    for level in range(levels + 1):
        lifted = (rows + (rows >= level)).astype(np.int8)
        yield np.column_stack([lifted, np.full(len(rows), level, np.int8)])


def all_orders(n: int) -> Iterator[Ranks]:
    """All weak orders of n values, any of them NaN, in chunks; those without NaN first."""
    yield from weak_orders(n)
    for missing in range(1, n + 1):
        ranks = np.concatenate(list(weak_orders(n - missing)))
        for spots in combinations(range(n), missing):
            found = np.full((len(ranks), n), NAN, np.int8)
            found[:, [i for i in range(n) if i not in spots]] = ranks
            yield found


def orders_of_some(n: int, some: int, places: Iterable[tuple[int, ...]] | None = None) -> Iterator[Ranks]:
    """All orders of every `some` of n entries, any of them NaN; the other entries lie below, one rank.

    `places`, where given, are the entries that are so ordered, instead of every choice of `some`.
    """
    few = np.concatenate(list(all_orders(some)))
    for spots in combinations(range(n), some) if places is None else places:
        found = np.zeros((len(few), n), np.int8)
        found[:, list(spots)] = np.where(few == NAN, NAN, few + 1)
        yield found


def count_of_some(n: int, some: int) -> int:
    return comb(n, some) * count_of_orders(some)


def neighbours(n: int, most: int) -> tuple[tuple[int, int], ...]:
    """At most so many pairs of an entry and the next, spread evenly, the ends among them."""
    starts = np.unique(np.linspace(0, n - 2, min(n - 1, most)).astype(int))
    return tuple((int(i), int(i) + 1) for i in starts)


def floats(ranks: Ranks, dtype: Any, views: Any = 0) -> Array:
    """Floats in the given order; zeros of both signs where zeros are equal, every NaN with bits of its own.

    So the bits of a value that was taken tell which of several zeros or NaNs it is.

    Args:
        views: for all rows or each, which of VIEWS says the values of the ranks: 0 has its largest rank at
            zero, 1 its smallest, 2 reaches from minus to plus infinity.
    """
    levels, n = _levels(np.dtype(dtype).name), ranks.shape[1]
    top = ranks.max(axis=1, initial=0)
    rows = np.broadcast_to(np.asarray(views), (len(ranks),))
    found: Array = levels[rows[:, None], top[:, None], ranks]
    found[(found == 0) & (np.arange(n) % 2 == 1)] = -0.0
    bits = found.view(f"u{found.itemsize}")
    marks = np.broadcast_to((np.arange(1, n + 1) % MARKS).astype(bits.dtype), bits.shape)
    missing = ranks == NAN
    bits[missing] |= marks[missing]
    return found


@cache
def _levels(dtype: str) -> Array:
    """[view, largest rank, rank] -> value, and NaN for the rank NAN, which is the last place."""
    info = np.finfo(dtype)
    above = [float(info.smallest_subnormal), float(info.tiny), 1.0, 1.0 + float(info.eps), 2.0, 3.0, 1e9]
    found = np.full((VIEWS, MOST, MOST + 1), np.nan, dtype)
    for top in range(MOST):
        rising = [0.0, *above, float(info.max)][: top + 1]
        if top >= 3:
            rising[-1] = np.inf
        found[1, top, : top + 1] = rising
        found[0, top, : top + 1] = [0.0 - x for x in reversed(rising)]
        below = [-x for x in reversed(above)][: max(0, (top + 1) // 2 - 1)]
        middle = [-np.inf, *below, 0.0, *above, np.inf]
        found[2, top, : top + 1] = middle[:1] if top == 0 else [*middle[:top], np.inf]
    return found


def taken(values: Array, first: str) -> Array:
    """The place that each row's selection takes, by the definition: the first largest or smallest entry.

    An entry is taken where it is beyond the best so far, or NaN, or the first; so a NaN wins, and the last.
    """
    place, best = np.zeros(len(values), np.int64), values[:, 0].copy()
    for tap in range(1, values.shape[1]):
        x = values[:, tap]
        beyond = x > best if first == "largest" else x < best
        better = beyond | np.isnan(x)
        best[better], place[better] = x[better], tap
    return place


def check_orders(run: Selection, n: int, first: str, dtype: str = "float64") -> int:
    """Runs a selection on every weak order of n entries, seen in one of the VIEWS; the number of orders.

    Args:
        run: gives for rows of n floats the value taken and its place.
        first: "largest" or "smallest".

    Raises:
        BuildError: the first window on which it is not the definition's.
        ValueError: n beyond MOST.
    """
    if not 1 <= n <= MOST:
        raise ValueError(f"all orders of {n} entries: from 1 to {MOST}")
    seen = 0
    for ranks in all_orders(n):
        values = floats(ranks, dtype, (seen + np.arange(len(ranks))) % VIEWS)
        place = taken(values, first)
        best, found = run(values)
        exact = values[np.arange(len(values)), place]
        wrong = np.flatnonzero((found != place) | ~same_bits(np.asarray(best), exact))
        if wrong.size:
            row = int(wrong[0])
            raise BuildError(
                "a selection takes another entry than its definition",
                where=f"window {values[row].tolist()}",
                expected=f"{exact[row]} at {place[row]}",
                got=f"{best[row]} at {found[row]}",
            )
        seen += len(ranks)
    return seen


def same_bits(found: Array, exact: Array) -> Array:
    """Where two arrays of one float dtype are equal bit for bit."""
    bits = f"u{exact.dtype.itemsize}"
    return np.asarray(np.ascontiguousarray(found, exact.dtype).view(bits) == exact.view(bits))
