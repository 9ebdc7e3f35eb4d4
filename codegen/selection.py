"""Owns the check of a kernel that selects: the shipped binary itself on every order of its windows' entries.

The source is filled so that windows which share no entry each see an order of their own; all windows of
the result are compared, those between see what their neighbours leave them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.errors import BuildError
from codegen.orders import (
    MOST,
    VIEWS,
    Ranks,
    all_orders,
    count_of_orders,
    count_of_some,
    floats,
    neighbours,
    orders_of_some,
    same_bits,
    taken,
)
from codegen.record import Check
from codegen.relation import entries
from codegen.rig import Rig
from codegen.windows import Windows, windows_of
from derive.expr import Read
from derive.layers.codes import Code

Array = NDArray[Any]
BUDGET = {"fast": 2e6, "exact": 6e8}
"""Window entries compared, by level; a run of the binary counts as at least CALL of them."""
CALL = 2e4
ALL = "all weak orders"
FEW = 48
"""Pairs of neighbours that are shown where a window has so many entries that not all pairs can be."""
GRADIENTS = 1000
"""Gradients of windows are whole numbers below it: their sums are exact in float32."""


@dataclass
class Stream:
    """The orders that windows of n entries are shown, over and over; `shown` counts them.

    Each pass gives an order values of another view (`codegen.orders.floats`); `passes` of them are wanted.
    """

    n: int
    title: str
    total: int
    make: Callable[[], Iterator[Ranks]]
    passes: int = VIEWS
    shown: int = 0
    _rest: Ranks = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    _source: Iterator[Ranks] = field(default_factory=lambda: iter(()))

    def take(self, count: int, dtype: Any) -> Array:
        """The next orders as (count, n) floats."""
        parts: list[Ranks] = [np.zeros((0, self.n), np.int8)]
        missing = count
        while missing:
            if not len(self._rest):
                self._rest = next(self._source, self._rest)
            if not len(self._rest):
                self._source = self.make()
                continue
            parts.append(self._rest[:missing])
            self._rest = self._rest[missing:]
            missing -= len(parts[-1])
        whole = np.concatenate(parts)
        number = self.shown + np.arange(count)
        self.shown += count
        return floats(whole, dtype, (number % self.total + number // self.total) % VIEWS)

    @property
    def wanted(self) -> int:
        return self.total * self.passes

    @property
    def done(self) -> bool:
        return self.shown >= self.wanted


def streams(n: int) -> Iterator[Stream]:
    """What windows of n entries may be shown, the most thorough first."""
    if n <= MOST:
        passes = 1 if n == MOST else VIEWS
        yield Stream(n, ALL, count_of_orders(n), partial(all_orders, n), passes)
    for some, word in ((3, "three"), (2, "two")):
        if some < n:
            title = f"all orders of every {word}"
            yield Stream(n, title, count_of_some(n, some), partial(orders_of_some, n, some))
    for most in (n, FEW):
        if n > MOST:
            pairs = neighbours(n, most)
            title = f"all orders of {len(pairs):,} pairs of neighbours"
            total = len(pairs) * count_of_orders(2)
            yield Stream(n, title, total, partial(orders_of_some, n, 2, pairs))


def disjoint(windows: Windows) -> list[Array]:
    """Sets of windows that share no entry, every window in one: every so many places of each axis.

    Windows are boxes, so those that lie apart along one axis lie apart. Raises BuildError where they are not.
    """
    numbers = np.arange(len(windows.entries)).reshape(windows.shape)
    steps = []
    for axis in range(len(windows.shape)):
        line = np.moveaxis(numbers, axis, 0).reshape(windows.shape[axis], -1)[:, 0]
        steps.append(next(m for m in range(1, len(line) + 1) if _apart(windows, line, m)))
    found = []
    for start in product(*map(range, steps)):
        chosen = numbers[tuple(slice(b, None, m) for b, m in zip(start, steps, strict=True))].reshape(-1)
        if not _apart(windows, chosen, 1):
            raise BuildError("the windows of a selection are no boxes", where=windows.source)
        found.append(chosen)
    return found


def _apart(windows: Windows, numbers: Array, step: int) -> bool:
    """Whether of these windows those that are a multiple of step apart share no entry."""
    for start in range(step):
        seen = np.bincount(windows.entries[numbers[start::step]].reshape(-1), minlength=windows.absent + 1)
        if (seen[: windows.absent] > 1).any():
            return False
    return True


def check_selection(
    rig: Rig,
    codes: Mapping[str, Code],
    level: str = "fast",
    data: Mapping[str, Array] | None = None,
    rng: np.random.Generator | None = None,
) -> Check | None:
    """The shipped binary's selection against its definition, bit for bit.

    Args:
        rig: of a kernel that gives the selected entries, their codes (a kernel called as the code's operand),
            or the gradient of what it selects from.
        codes: of the layer at the shape; those with `first` are checked.
        level: "fast" or "exact"; how many orders are shown (BUDGET).
        data: further operands of the kernel, flat.
        rng: of what stands between the windows, and of how that is turned; fresh where None.

    Returns:
        What was established, or None where the kernel selects nothing: no code is computed, or the codes are
        an operand.

    Raises:
        BuildError: an entry of the result that is not the definition's.
    """
    chosen = [(name, code) for name, code in codes.items() if code.first]
    if not chosen or any(t.name == c.operand for t in rig.operands for _, c in chosen):
        return None
    (name, code), *_ = chosen
    windows, drawn = windows_of(rig.claim.setting, name, code), rng or np.random.default_rng()
    return Selecting(rig, windows, code, dict(data or {}), drawn).check(level)


@dataclass(frozen=True, eq=False)
class Selecting:
    """One kernel, its windows, and what it has to make of them."""

    rig: Rig
    windows: Windows
    code: Code
    data: dict[str, Array]
    rng: np.random.Generator

    @property
    def kind(self) -> str:
        """ "codes", "values" or "gradient": what the kernel's result is."""
        if self.rig.kernel == self.code.operand:
            return "codes"
        term = self.rig.claim.left.terms[0]
        return "values" if isinstance(term.factors[0], Read) else "gradient"

    def check(self, level: str) -> Check:
        sets = disjoint(self.windows)
        shown = self._plan(sets, BUDGET[level])
        calls = 0
        while calls < len(sets) or not all(s.done for s in shown.values()):
            self._run(sets[calls % len(sets)], shown)
            calls += 1
        facts = {"runs": calls, "windows": len(self.windows.entries)}
        facts |= {f"orders of {n}": s.shown for n, s in sorted(shown.items())}
        return Check(self.rig.kernel, "selection", self._claim(shown), self._bound(shown), facts)

    def _claim(self, shown: Mapping[int, Stream]) -> str:
        listed = "; ".join(f"{s.title} of {n} entries ({s.total:,})" for n, s in sorted(shown.items()))
        return (
            f"the shipped {self.rig.dtype.name} binary takes the {self._word} of every window, bit for bit, "
            f"with ties, both zeros, infinities and NaN: {listed}, each at one window of the result at least"
        )

    def _bound(self, shown: Mapping[int, Stream]) -> str:
        whole = all(s.title == ALL for s in shown.values())
        return (
            "deterministic, for a kernel that compares and copies, in the same way at each of its windows"
            + (
                ""
                if whole
                else "; where not all orders are shown, what needs more entries to go wrong is not"
            )
        )

    @property
    def _word(self) -> str:
        return f"first {self.code.first} entry (the last NaN, where there is one)"

    def _plan(self, sets: Sequence[Array], budget: float) -> dict[int, Stream]:
        """For each number of entries the most thorough stream that the budget allows, or the least one."""
        counts = self.windows.counts
        once = max(float(self.windows.entries.size), CALL)
        found = {}
        for n in np.unique(counts).tolist():
            each = sum(int((counts[s] == n).sum()) for s in sets) / len(sets)
            choices = list(streams(n))
            fits = [s for s in choices if s.wanted / each * once <= budget]
            found[n] = fits[0] if fits else choices[-1]
        return found

    def _run(self, chosen: Array, shown: Mapping[int, Stream]) -> None:
        """One run: an order for each of the chosen windows, a random one at all entries between."""
        dtype, windows = self.rig.dtype, self.windows
        source = np.append(np.roll(self._between, self.rng.integers(windows.absent)), dtype.type(np.nan))
        for n, stream in shown.items():
            some = chosen[windows.counts[chosen] == n]
            source[windows.entries[some, :n]] = stream.take(len(some), dtype)
        exact = self._definition(source)
        found, wanted = self.rig.run({**self.data, windows.source: source[:-1], **exact[1]}), exact[0]
        same = same_bits(found, wanted) if self.kind == "values" else found == wanted
        wrong = np.flatnonzero(~same.reshape(-1))
        if wrong.size:
            self._refuse(int(wrong[0]), found, wanted, source)

    def _definition(self, source: Array) -> tuple[Array, dict[str, Array]]:
        """What the kernel must give for this source, and its further operands."""
        place = self._places(source)
        rows = np.arange(len(place))
        spots = self.windows.entries[rows, place]
        if self.kind == "values":
            return source[spots], {}
        if self.kind == "codes":
            return self.windows.values[rows, place].astype(self.rig.dtype), {}
        grads = (np.arange(len(place)) * 7919 % GRADIENTS + 1).astype(self.rig.dtype)
        sums = np.bincount(spots, grads, self.windows.absent).astype(self.rig.dtype)
        others = [t for t in self.rig.operands if t.name != self.windows.source and t.name not in self.data]
        return sums, {t.name: grads for t in others if entries(t) == len(grads)}

    def _places(self, source: Array) -> Array:
        place = np.zeros(len(self.windows.entries), np.int64)
        for rows, spots in self._alike:
            place[rows] = taken(source[spots], self.code.first)
        return place

    @cached_property
    def _between(self) -> Array:
        """Random values for the entries that no window is shown."""
        ranks = self.rng.integers(-1, MOST, (1, self.windows.absent))
        return floats(ranks.astype(np.int8), self.rig.dtype).reshape(-1)

    @cached_property
    def _alike(self) -> list[tuple[Array, Array]]:
        """Windows of equally many entries: which, and their entries."""
        found = []
        for n in np.unique(self.windows.counts).tolist():
            rows = np.flatnonzero(self.windows.counts == n)
            found.append((rows, self.windows.entries[rows, :n]))
        return found

    def _refuse(self, at: int, found: Array, wanted: Array, source: Array) -> None:
        seen = ""
        if self.kind != "gradient":
            row = self.windows.entries[at]
            seen = f", a window that sees {source[row[row < self.windows.absent]].tolist()}"
        raise BuildError(
            f"kernel {self.rig.kernel} does not take the {self._word}",
            where=f"entry {at} of the flat result{seen}",
            expected=f"{wanted.reshape(-1)[at]}",
            got=f"{found.reshape(-1)[at]}",
        )
