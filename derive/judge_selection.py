"""Owns the judge of selection: that a chosen entry is the largest, and that the choice has derivative zero.

A theorem about max pooling takes the indicator of the chosen entries as it is, locally constant. Here the
definition is the plain maximum of each window, no indicator: where a window's entries are distinct whole
numbers, the difference quotient of the maximum with step 1/2 is exact (numbers are counted in halves, so that
everything is a whole number), and contracted with grad_output it must be the closed form. At ties, with NaN
and with infinities, the chosen places must be those of the loop that PyTorch runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations
from math import factorial, prod

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim
from derive.errors import ProofError
from derive.evaluate import Evaluator, Values
from derive.evaluate_places import flat_places, index_values, indicator_axes, tap_places
from derive.exhaust import as_user
from derive.exhaust_rows import sizes
from derive.expr import Read, Sum, Tensor
from derive.index import Index
from derive.layers.codes import Code
from derive.numbers_field import PRIME, Field
from derive.numbers_reals import Reals

Ints = NDArray[np.int64]
MOST_ORDERS = 120
"""Orders of one window that are all tried; a larger window gets every (largest, second largest) pair."""
MOST_QUOTIENTS = 4_000_000
"""Products of entries, windows and taps for which every entry is moved; else a sample of them."""
MOST_TAPS = 2_000_000
"""Taps of all windows in all orders together (about 5 s); beyond, fewer orders are tried, at least two."""
MOST_LOOPED = 300
"""Windows of one draw that are looped over; of more a random part."""
TIES = 24
"""Draws of entries with ties, NaN and infinities."""


@dataclass(frozen=True)
class Windows:
    """Each window's taps in order: the input's flat places, the code of each, -1 where there is no tap."""

    source: Tensor
    places: Ints
    codes: Ints

    @property
    def present(self) -> NDArray[np.bool_]:
        return self.places >= 0

    def best(self, x: Ints, smallest: bool) -> Ints:
        """The plain maximum (minimum) of each window; one row of x after another."""
        sign = -1 if smallest else 1
        taken = np.where(self.present, sign * x[..., self.places], np.iinfo(np.int64).min)
        return np.asarray(sign * taken.max(axis=-1))

    def looped(self, x: NDArray[np.float64], smallest: bool, windows: Ints) -> Ints:
        """The codes that a loop over the taps of some windows ends with, written as PyTorch writes it."""
        found = np.full(len(windows), -1, np.int64)
        for row, window in enumerate(windows):
            best, taps = 0.0, np.flatnonzero(self.present[window])
            for place, code in zip(self.places[window, taps], self.codes[window, taps], strict=True):
                value = x[place]
                better = value < best if smallest else value > best
                if found[row] < 0 or better or np.isnan(value):
                    best, found[row] = value, code
        return found


def judge_selection(
    claim: Claim, codes: Mapping[str, Code], rng: np.random.Generator, seed: int
) -> tuple[str, ...]:
    """Lines on what was found for a claim whose indicators are chosen from the values; ProofError if wrong.

    Args:
        claim: at sizes; its setting's output is the sum of indicator times entry.
        codes: of `Layer.codes`; indicators whose codes the user gives are left aside.
    """
    lines = []
    for title, code in codes.items():
        if code.first:
            windows = windows_of(claim, title, code)
            evaluator = Evaluator(claim.setting, Field(), codes=codes)
            lines.append(_moved(claim, evaluator, windows, code, rng, seed))
            lines.append(_tied(claim, codes, title, windows, rng, seed))
    return tuple(lines)


def windows_of(claim: Claim, title: str, code: Code) -> Windows:
    """The windows of the definition that chooses by an indicator, in the order of its codes."""
    for definition in claim.setting.definitions:
        for term in definition.body.terms:
            reads = [f for f in term.factors if isinstance(f, Read)]
            marks = [r for r in reads if r.tensor.name == title]
            if len(marks) == 1 and len(reads) == 2:
                (mark,), (entry,) = marks, [r for r in reads if r.tensor.name != title]
                return _listed(definition.indices, term, mark, entry, code)
    raise ProofError("no definition chooses by this indicator", where=title)


def _listed(free: Sequence[Index], term: Sum, mark: Read, entry: Read, code: Code) -> Windows:
    shape = sizes(mark.tensor)
    lead = [shape[axis] for axis in code.lead]
    taps = prod(shape) // prod(lead)
    places, values = (np.full((prod(lead), taps), -1, np.int64) for _ in range(2))
    for columns, rows in index_values(term, free):
        axes = indicator_axes(mark.index, columns, rows)
        window = np.ravel_multi_index([axes[f"x{a}"] for a in code.lead], lead)
        tap = tap_places(code, shape, axes, rows)
        places[window, tap] = flat_places(entry.index, sizes(entry.tensor), columns, rows, str(entry))
        values[window, tap] = code.value.evaluate(axes)
    return Windows(entry.tensor, places, values)


def orders(taps: int) -> Iterator[tuple[int, ...]]:
    """Ranks of a window's entries: every order, or every choice of the largest and the second largest."""
    if factorial(taps) <= MOST_ORDERS:
        yield from permutations(range(taps))
        return
    for first, second in permutations(range(taps), 2):
        rest = iter(range(taps - 2))
        yield tuple(taps - 1 if t == first else taps - 2 if t == second else next(rest) for t in range(taps))


def _moved(
    claim: Claim, evaluator: Evaluator, windows: Windows, code: Code, rng: np.random.Generator, seed: int
) -> str:
    """The closed form against plain maxima or their exact difference quotients, an order after another."""
    entries, smallest = prod(sizes(windows.source)), code.first == "smallest"
    widest = int(windows.present.sum(axis=1).argmax())
    own = windows.places[widest][windows.present[widest]]
    derived = claim.target.name == windows.source.name
    moved = np.arange(entries if derived else len(windows.places))
    if derived and entries * windows.places.size > MOST_QUOTIENTS:
        moved = rng.choice(entries, 8, replace=False)
    most, tried = max(2, MOST_TAPS // windows.places.size), 0
    for order in islice(orders(len(own)), most):
        x = 2 * rng.permutation(entries)
        x[own] = np.sort(x[own])[list(order)]
        grad = rng.integers(1, 1000, len(windows.places))
        expected = windows.best(x, smallest)
        if derived:
            raised = x + (np.arange(entries) == moved[:, None])
            expected = (windows.best(raised, smallest) - expected) @ grad
        _compare(claim, evaluator.at({windows.source.name: x, "grad_output": grad}), moved, expected)
        tried += 1
    what = "exact difference quotients of plain maxima" if derived else "plain maxima"
    return (
        f"selection: {len(moved):,} entries against {what}, {_orders_text(len(own), tried)}, the other "
        f"entries in random order, seed {seed}"
    )


def _orders_text(taps: int, tried: int) -> str:
    pairs = f"a window of {taps} with every entry largest before every other"
    full = factorial(taps) if factorial(taps) <= MOST_ORDERS else taps * (taps - 1)
    if tried < full:
        return f"{tried} of the {full} orders tried of a window of {taps}"
    return f"all {tried} orders without ties of a window of {taps}" if tried == factorial(taps) else pairs


def _compare(claim: Claim, values: Values, places: Ints, expected: Ints) -> None:
    """The closed form at some entries against whole numbers; ProofError at the first that differs."""
    found = values.right(claim)[places]
    wrong = np.flatnonzero(found != np.mod(expected, PRIME).astype(np.uint64))
    if len(wrong):
        spot, got = int(places[wrong[0]]), int(found[wrong[0]])
        cell = tuple(int(i) for i in np.unravel_index(spot, sizes(claim.target)))
        raise ProofError(
            "the closed form is not what the plain maximum gives",
            where=f"{claim.right.tensor.name}{list(as_user(claim.target, cell))}",
            expected=str(int(expected[wrong[0]])),
            got=str(got if got < PRIME // 2 else got - PRIME),
        )


def _tied(
    claim: Claim,
    codes: Mapping[str, Code],
    title: str,
    windows: Windows,
    rng: np.random.Generator,
    seed: int,
) -> str:
    """The chosen places against the plain loop, with ties, NaN and infinities."""
    code, entries = codes[title], prod(sizes(windows.source))
    evaluator = Evaluator(claim.setting, Reals(), codes=codes)
    tensor = next(t for t in claim.setting.inputs if t.name == title)
    draws = TIES if windows.places.size * TIES <= MOST_TAPS else 2
    for draw in range(draws):
        x = rng.integers(0, 3, entries).astype(np.float64)
        if draw % 2:
            x[rng.random(entries) < 0.2] = np.nan
            x[rng.random(entries) < 0.2] = np.inf
            x[rng.random(entries) < 0.3] = -np.inf
        some = np.arange(len(windows.places))
        some = some if len(some) <= MOST_LOOPED else rng.choice(some, MOST_LOOPED, replace=False)
        chosen = evaluator.at({windows.source.name: x}).code(tensor)[some]
        expected = windows.looped(x, code.first == "smallest", some)
        if not np.array_equal(chosen, expected):
            wrong = int(np.flatnonzero(chosen != expected)[0])
            raise ProofError(
                "another entry is chosen at ties",
                where=f"window {some[wrong]} of {x[windows.places[some[wrong]]].tolist()}",
                expected=f"code {expected[wrong]}",
                got=f"code {chosen[wrong]}",
            )
    count = min(len(windows.places), MOST_LOOPED)
    return (
        f"selection: places as the plain loop's at {count} windows in {draws} draws with ties, NaN and "
        f"infinities, seed {seed}"
    )
