"""Owns the run of a shipped binary with the constants that it ships with (interpolation, shares of windows).

A layer's tables are operands of the kernel, so the other checks hold for tables of any values; this one is of
the values: each constant is the number of the dtype nearest to its rational, and the binary, given these very
arrays and whole numbers scaled by the common denominator, gives the definition's value with exact rationals
within what rounding the constants and the sums allows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from math import lcm, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.numeric import DIGITS, compare, degree
from codegen.real import shares
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import Family, Relation, entries
from codegen.rig import Rig
from codegen.tables import Values, arrays
from codegen.trace import entry_text

Array = NDArray[Any]
Long: Any = np.longdouble
DRAWS = 2
LARGEST, MOST_EXACT = 10**6 - 1, 2**53


def check_tables(artefact: Artefact, rig: Rig, rng: np.random.Generator) -> Iterator[Check]:
    """The check of a kernel that reads tables of its layer; none where it reads none.

    Raises BuildError naming the constant that is rounded wrongly, or the entry that is beyond its bound.
    """
    layer = artefact.layer
    read = {t.name for t in rig.relation.operands}
    tables = {n: v for n, v in (layer.tables(artefact.shape) if layer else {}).items() if n in read}
    if not tables:
        return
    given = arrays(tables, rig.dtype.name)
    for name, values in tables.items():
        check_nearest(name, values, given[name])
    yield _run(rig, Exact.of(rig.relation, tables), given, rng)


def check_nearest(name: str, values: Values, given: Array) -> None:
    """Raises BuildError where an entry is not the number of its dtype nearest to the rational."""
    different = {(id(v), x): (i, v) for i, (v, x) in enumerate(zip(values, given.tolist(), strict=True))}
    for (_, x), (place, value) in different.items():
        entry = given.dtype.type(x)
        beside = (np.nextafter(entry, given.dtype.type(side)) for side in (-np.inf, np.inf))
        if any(abs(Fraction(float(n)) - value) < abs(Fraction(x) - value) for n in beside if np.isfinite(n)):
            raise BuildError(
                f"a constant of {name} is not the nearest number of {given.dtype}",
                where=f"{name}, entry {place}",
                expected=str(value),
                got=repr(x),
            )


@dataclass(frozen=True)
class Exact:
    """The definition with the tables of a layer, in whole numbers where they are small enough.

    Attributes:
        tables: by name a table's values times its own denominator, in float64; or, where whole numbers would
            be too large, its values in long double.
        own: by table its denominator; 1 in long double.
    """

    relation: Relation
    tables: Mapping[str, Array]
    own: Mapping[str, int]

    @staticmethod
    def of(relation: Relation, tables: Mapping[str, Values]) -> Exact:
        own = {n: lcm(*{v.denominator for v in values}) for n, values in tables.items()}
        if prod(own.values()) <= MOST_EXACT:
            found = Exact(relation, {n: _each(v, own[n]) for n, v in tables.items()}, own)
            if found.magnitudes.max(initial=0) <= MOST_EXACT:
                return found
        return Exact(relation, {n: _wide(v) for n, v in tables.items()}, dict.fromkeys(own, 1))

    @cached_property
    def magnitudes(self) -> Array:
        """`denominator` times the sum of the terms' magnitudes where every other operand is 1 or -1."""
        ones = {t.name: np.ones(entries(t)) for t in self.relation.operands if t.name not in self.own}
        return self.values(ones, absolute=True)

    @cached_property
    def denominator(self) -> int:
        """Common to the products of tables in all families."""
        return lcm(*(self._reached(family) for family in self.relation.families))

    @property
    def linear(self) -> bool:
        """Whether every term has one factor that is no entry of a table."""
        families = self.relation.families
        return all(sum(f.tensor.name not in self.own for f in family.factors) == 1 for family in families)

    @cached_property
    def noise(self) -> float:
        """The relative size of one rounding here: none of whole numbers."""
        return float(np.finfo(Long).eps) if any(a.dtype == Long for a in self.tables.values()) else 0.0

    def _reached(self, family: Family) -> int:
        return prod(self.own.get(f.tensor.name, 1) for f in family.factors)

    def values(self, data: Mapping[str, Array], absolute: bool = False) -> Array:
        """`denominator` times the definition at whole numbers, or times the sum of the terms' magnitudes."""
        given = {n: np.abs(a) if absolute else a for n, a in {**data, **self.tables}.items()}
        total = np.zeros(entries(self.relation.result), Long if self.noise else np.float64)
        for family in self.relation.families:
            part = evaluate(replace(self.relation, families=(family,)), given).reshape(-1)
            total += part * (self.denominator // self._reached(family))
        return total

    @cached_property
    def roundings(self) -> Array:
        """By entry how many factors 1 + e its computation has at most: sums, products, constants."""
        families = self.relation.families
        constants = max(sum(f.tensor.name in self.own for f in family.factors) for family in families)
        return terms_of(self.relation) + (max(2, degree(self.relation)) - 2 + constants)


def _each(values: Values, denominator: int) -> Array:
    """The values times the denominator; most of a table's entries are one and the same object."""
    known = {key: float(v * denominator) for key, v in {id(v): v for v in values}.items()}
    return np.array([known[id(v)] for v in values])


def _wide(values: Values) -> Array:
    """The values in long double: a double and what it leaves."""
    high = np.array([float(v) for v in values], Long)
    return np.asarray(high + np.array([float(v - Fraction(float(v))) for v in values], Long))


def _run(rig: Rig, exact: Exact, given: Mapping[str, Array], rng: np.random.Generator) -> Check:
    """Entries are a number or its negative, so that the sum of magnitudes is the same in every draw."""
    drawn = {t.name: entries(t) for t in rig.inputs if t.name not in given}
    magnitudes = exact.magnitudes
    fits = not exact.noise and exact.linear and exact.denominator <= 2 ** DIGITS[rig.dtype.name]
    scale = exact.denominator if fits else 1
    units = exact.roundings * (float(np.finfo(rig.dtype).eps) / 2)
    wide: Any = np.float64 if fits else Long
    own = 0.0 if fits else float(np.finfo(Long).eps)
    share = wide(scale) / exact.denominator
    single = (units / (1 - units) + exact.roundings * own) * magnitudes * share
    top = _top(rig, exact, scale, single, magnitudes)
    bound = single * top + exact.roundings * np.finfo(rig.dtype).smallest_subnormal
    rounds, worst = bool(fits and bound.max(initial=0) < 0.5), 0.0
    for draw in range(DRAWS):
        data = {n: top * rng.choice((-1.0, 1.0), count) for n, count in drawn.items()}
        values = exact.values(data)
        if draw == 0:
            rig.poison()
        found = rig.run({**given, **{n: a * scale for n, a in data.items()}}).astype(wide)
        worst = max(worst, _within(rig, found, values * share, bound, draw))
        if rounds:
            compare(rig, np.rint(found), values, f"multiples of {scale}, draw {draw + 1}, rounded")
    return _said(rig, exact, scale * top, worst, rounds)


def _top(rig: Rig, exact: Exact, scale: int, single: Array, magnitudes: Array) -> int:
    """The magnitude of the numbers drawn: bounds stay below 1/2 where they can, all sums exact."""
    most, size = float(single.max(initial=0)), float(magnitudes.max(initial=1))
    room = (2 ** DIGITS[rig.dtype.name] / scale, 0.45 / most if most else LARGEST, MOST_EXACT / size, LARGEST)
    return max(1, int(min(room))) if exact.linear else 1


def _within(rig: Rig, found: Array, exact: Array, bound: Array, draw: int) -> float:
    ratio = shares(np.abs(found - exact), bound)
    worst = int(np.argmax(ratio))
    if ratio[worst] > 1:
        raise BuildError(
            f"kernel {rig.kernel} is further from its equation than rounding explains",
            where=f"{entry_text(rig.claim.target, worst)} (with the layer's constants, draw {draw + 1})",
            expected=f"{float(exact[worst]):.9g} within {float(bound[worst]):.3g}",
            got=f"{float(found[worst]):.9g}, {float(ratio[worst]):.3g} times that away",
        )
    return float(ratio[worst])


def _said(rig: Rig, exact: Exact, size: int, worst: float, rounds: bool) -> Check:
    names, most = ", ".join(exact.own), int(exact.roundings.max(initial=0))
    rounded = ", and rounds to the exact whole number" if rounds else ""
    return Check(
        rig.kernel,
        "rational",
        f"every constant of {names} is the number of {rig.dtype.name} nearest to its rational; with these "
        f"arrays, on {DRAWS} draws of {size} with random signs, the first from poison, every result of the "
        "shipped binary is within gamma_q * sum |terms| of the definition's with exact rationals, q at most "
        f"{most}{rounded}",
        "deterministic for these operands; a wrong constant passes where it moves no result by more than "
        "twice the bound",
        {"draws": DRAWS, "magnitude": size, "whole": rounds, "worst_fraction_of_bound": worst},
    )
