"""Owns the estimate of rounding: the mean square error of sums in blocks and of Winograd's, by kinds of data.

An operation errs in proportion to what it gives: its mean square error is taken as one unit times the mean
square of its result, and the errors of different operations as independent. A value is a sum of products
g d of a tap and an entry; entries are independent, of given mean and variance, so the mean square of every
partial sum is exact. Errors of one result are told over the mean square of that result.

    sum over n terms of a quantity with mean square M and mean m:   n (M - m m) + n n m m
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from math import pi, sqrt

from derive.toom import Matrix, Transform

Levels = tuple[int, ...]
"""How a sum is cut: terms of a block, blocks of a group, and so on."""
Row = tuple[float, ...]
Table = tuple[Row, ...]
"""Coefficients of the products of a tap (row) and an entry (column) along one axis."""


@dataclass(frozen=True)
class Spread:
    """How numbers are distributed: mean, variance, and the share of zeros, whose products err nothing."""

    mean: float
    variance: float
    zeros: float = 0.0

    @property
    def square(self) -> float:
        return self.mean**2 + self.variance


NORMAL = Spread(0.0, 1.0)
HALF = Spread(1 / sqrt(2 * pi), 0.5 - 1 / (2 * pi), 0.5)
"""What a ReLU leaves of normal numbers."""
UNIFORM = Spread(0.5, 1 / 12)
Kind = tuple[Spread, Spread]
KINDS: tuple[Kind, ...] = ((NORMAL, NORMAL), (NORMAL, HALF), (UNIFORM, UNIFORM))
"""Of taps and of entries; heavy tails have the normal kind's mean squares."""


@dataclass(frozen=True)
class Moments:
    """Mean and mean square of a quantity that is added up."""

    mean: float
    square: float

    def summed(self, sizes: Sizes) -> float:
        """The mean squares of sums of so many terms, together."""
        return (self.square - self.mean**2) * sizes.terms + self.mean**2 * sizes.squares


@dataclass(frozen=True)
class Sizes:
    """Terms of sums that are rounded: of all of them added up, and their squares added up."""

    terms: int = 0
    squares: int = 0

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.terms + other.terms, self.squares + other.squares)

    def __mul__(self, times: int) -> Sizes:
        return Sizes(self.terms * times, self.squares * times)

    @staticmethod
    def of(*sizes: int) -> Sizes:
        return Sizes(sum(sizes), sum(n * n for n in sizes))

    @staticmethod
    def chain(terms: int, unit: int) -> Sizes:
        """Units added one after another, the last cut off; the first is rounded where it is a product."""
        whole, rest = divmod(terms, unit)
        found = Sizes(whole * (whole + 1) // 2 * unit, whole * (whole + 1) * (2 * whole + 1) // 6 * unit**2)
        first = Sizes.of(unit if unit > 1 and whole else 0, terms if rest and not whole else 0)
        found += Sizes.of(terms if rest else 0)
        return Sizes(found.terms - first.terms, found.squares - first.squares)


@lru_cache(maxsize=1024)
def of_sum(terms: int, levels: Levels, kind: Kind) -> float:
    """The error of a sum of products, cut as in `partial_sums`."""
    taps, entries = kind
    one = Moments(taps.mean * entries.mean, taps.square * entries.square)
    chains, further = partial_sums(terms, *levels)
    found = (1 - entries.zeros) * one.summed(chains) + one.summed(further)
    return found / one.summed(Sizes.of(terms))


def partial_sums(terms: int, *levels: int) -> tuple[Sizes, Sizes]:
    """The sums in blocks of levels[0] terms; those in groups of levels[1] blocks, and so on, all together.

    What a group begins with is not added to anything.
    """
    found, unit = list[Sizes](), 1
    for level in (*levels, terms):
        size = min(unit * level, terms)
        whole, rest = divmod(terms, size)
        found.append(Sizes.chain(size, unit) * whole + Sizes.chain(rest, unit))
        unit = size
    return found[0], sum(found[1:], start=Sizes())


@lru_cache(maxsize=256)
def of_winograd(over: tuple[Transform, Transform], terms: int, levels: Levels, kind: Kind) -> float:
    """The error of outputs of nested transforms whose sums over channels are cut as in `partial_sums`.

    Errors of tiles and taps, of sums, and of the way back, each with its weight in the outputs.
    """
    down, along = over
    outputs = list(product(range(down.m), range(along.m)))
    chains, further = partial_sums(terms, *levels)
    total = 0.0
    for k, j in product(range(down.n), range(along.n)):
        tables = _table(down, k), _table(along, j)
        one = _moments(tables, kind)
        sums = one.summed(chains + further) + terms * _transformed(over, (k, j), kind)
        weight = sum(float(down.a[y][k] * along.a[x][j]) ** 2 for y, x in outputs)
        total += weight * sums
    total += sum(_back(over, output, terms, kind) for output in outputs)
    size = sum(_of_outputs(over, o, kind).summed(Sizes.of(terms)) for o in outputs)
    return total / size


def _real(matrix: Matrix) -> Table:
    return tuple(tuple(map(float, row)) for row in matrix)


def _table(over: Transform, k: int) -> Table:
    """Product k: a sum of taps times a sum of entries."""
    return tuple(tuple(float(g * b) for b in over.b[k]) for g in over.g[k])


def _moments(tables: tuple[Table, Table], kind: Kind) -> Moments:
    """Of a sum of products whose coefficients are those of rows times those of columns, in one channel."""
    taps, entries = kind
    square = 0.0
    for g, d in product((False, True), repeat=2):
        weight = (taps.mean**2 if g else taps.variance) * (entries.mean**2 if d else entries.variance)
        square += weight * _gathered(tables[0], g, d) * _gathered(tables[1], g, d)
    mean = taps.mean * entries.mean
    for table in tables:
        mean *= sum(map(sum, table))
    return Moments(mean, square)


def _gathered(table: Table, taps: bool, entries: bool) -> float:
    """The sum of squares of the coefficients, those of all taps, entries, or both added up before."""
    if entries:
        table = tuple((sum(row),) for row in table)
    if taps:
        table = (tuple(sum(column) for column in zip(*table, strict=True)),)
    return sum(value * value for row in table for value in row)


def _transformed(over: tuple[Transform, Transform], at: tuple[int, int], kind: Kind) -> float:
    """The error of one channel's product that comes from its transformed taps and its transformed entries."""
    taps, entries = kind
    g, b = ([_real(m)[k] for m, k in zip(both, at, strict=True)] for both in _sides(over))
    return _nested(g, taps) * _square(b, entries) + _square(g, taps) * _nested(b, entries)


def _sides(over: tuple[Transform, Transform]) -> tuple[list[Matrix], list[Matrix]]:
    return [t.g for t in over], [t.b for t in over]


def _square(rows: Sequence[Row], of: Spread) -> float:
    """The mean square of a combination of independent numbers, coefficients those of two rows multiplied."""
    squares, sums = 1.0, 1.0
    for row in rows:
        squares *= sum(v * v for v in row)
        sums *= sum(row)
    return of.variance * squares + of.mean**2 * sums**2


def _nested(rows: Sequence[Row], of: Spread) -> float:
    """The error of such a combination, rows first: each sum of two or more terms is rounded."""
    down, along = rows
    inner = sum(_square((part, (1.0,)), of) for part in _parts(down))
    weight = sum(v * v for v in along)
    return weight * inner + sum(_square((down, part), of) for part in _parts(along))


def _parts(row: Row) -> Iterator[Row]:
    """The partial sums of a combination that are rounded."""
    seen = [i for i, value in enumerate(row) if value]
    for count in range(2, len(seen) + 1):
        yield tuple(v if i in seen[:count] else 0.0 for i, v in enumerate(row))


def _back(over: tuple[Transform, Transform], output: tuple[int, int], terms: int, kind: Kind) -> float:
    """The error of the additions that give one output, rows first."""
    down, along = over
    y, x = output
    rows, columns = _real(down.a), _real(along.a)
    total = 0.0
    for j in range(along.n):
        for part in _parts(rows[y]):
            one = _moments((_combined(down, part), _table(along, j)), kind)
            total += columns[x][j] ** 2 * one.summed(Sizes.of(terms))
    whole = _combined(down, rows[y])
    for part in _parts(columns[x]):
        total += _moments((whole, _combined(along, part)), kind).summed(Sizes.of(terms))
    return total


def _combined(over: Transform, weights: Row) -> Table:
    """The coefficients of a combination of products."""
    tables = [_table(over, k) for k in range(over.n)]
    rows, columns = len(tables[0]), len(tables[0][0])
    return tuple(
        tuple(sum(w * t[a][b] for w, t in zip(weights, tables, strict=True)) for b in range(columns))
        for a in range(rows)
    )


def _of_outputs(over: tuple[Transform, Transform], output: tuple[int, int], kind: Kind) -> Moments:
    down, along = over
    rows, columns = _real(down.a), _real(along.a)
    return _moments((_combined(down, rows[output[0]]), _combined(along, columns[output[1]])), kind)
