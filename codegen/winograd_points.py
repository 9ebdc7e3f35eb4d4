"""Owns the search for interpolation points by measured error, its table, and the error of a form at a shape.

    python -m codegen.winograd_points                           the table as it is stored
    python -m codegen.winograd_points --search                  searched anew; --write stores it
    python -m codegen.winograd_points --measure "F(2,3)xF(4,3)" --channels 64

A set of points is tried as F(m, r) on two axes by `winograd_emulated`, on every kind of data and with
products rounded apart and together. An amplification computed from the matrices leaves out what cannot be
near the best; the order among the rest is the measured one. The points that are used stand in `derive.toom`;
a test compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from math import exp, gcd, log
from pathlib import Path
from typing import Any

import numpy as np

from codegen.winograd_emulated import KINDS, Error, measured, squared
from derive.errors import LayerError
from derive.toom import Transform, at_points, difference, numerator, powers, transform
from derive.toom_nested import Nested, nested

TABLE = Path(__file__).with_name("winograd_table.json")

SEARCHED = (
    (2, 2), (2, 3), (3, 2), (3, 3), (2, 4), (4, 2), (4, 3), (3, 4), (2, 5), (5, 2), (4, 4), (3, 5), (5, 3),
    (6, 3), (3, 6), (4, 5), (5, 4),
)  # fmt: skip
"""The forms in the table: forward and input gradient of 3 and 5 taps, and their filter gradients."""

VALUES = tuple(
    sorted(
        Fraction(p, q) for q in range(1, 9) for p in range(1, 9) if gcd(p, q) == 1 and q <= 4 * p <= 16 * q
    )
)
"""Sizes of points that are tried: quotients of numbers up to 8, between 1/4 and 4."""

TRIED = 240
"""Sets of points of a form that are measured at all, the least amplification first."""

FINAL = 16
"""Sets that are measured on all kinds of data."""

KEPT = 10
"""Sets of a form in the table."""

SEEDS = (1, 2, 3, 4, 5, 6)

NEAR = 1.05
"""Dyadic points are taken where their error is within this of the best: A and B are then exact in float32."""

Points = tuple[Fraction, ...]


def candidates(n: int) -> Iterator[Points]:
    """Sets of n - 1 finite points: 0 and pairs of opposite ones, with one or two points alone where n is odd.

    A reflection of all points changes signs of matrices alone, so one of the two is enough.
    """
    zero = Fraction(0)
    if n == 3:
        yield from ((zero, a) for a in VALUES)
        yield from ((a, -b) for a in VALUES for b in VALUES if a <= b)
    elif n == 4:
        yield from ((zero, a, -b) for a in VALUES for b in VALUES if a <= b)
    elif n == 5:
        yield from ((zero, a, -a, c) for a in VALUES for c in VALUES if a != c)
        yield from (
            (zero, a, -b, c) for a in VALUES for b in VALUES for c in VALUES if a < c and b not in (a, c)
        )
    else:
        for sizes in combinations(VALUES, (n - 2) // 2):
            paired = (zero, *(s for a in sizes for s in (a, -a)))
            yield from [paired] if n % 2 == 0 else ((*paired, c) for c in VALUES if c not in sizes)


def amplification(m: int, r: int, points: Sequence[Fraction]) -> float:
    """How much larger the products of F(m, r) are than what they add up to: root mean square over outputs."""
    finite, n = [float(p) for p in points], m + r - 1
    total = 0.0
    for k in range(n):
        a = sum(float(v) ** 2 for v in powers(finite, k, m))
        g = sum(float(v) ** 2 for v in powers(finite, k, r)) / float(difference(finite, k)) ** 2
        total += a * g * sum(float(v) ** 2 for v in numerator(finite, k))
    return float((total / (m * r)) ** 0.5)


@dataclass(frozen=True)
class Tried:
    """A set of points and what was measured: (fused or apart, kind of data) -> error."""

    points: Points
    errors: Mapping[tuple[bool, str], Error]

    @property
    def score(self) -> float:
        """The geometric mean of largest errors and their root mean squares, over kinds and roundings."""
        return exp(sum(log(e.rms) + log(e.max) for e in self.errors.values()) / (2 * len(self.errors)))

    @property
    def dyadic(self) -> bool:
        return all(p.denominator & (p.denominator - 1) == 0 for p in self.points)

    @property
    def text(self) -> str:
        return " ".join(map(str, self.points))


def tried(form: Nested, points: Points, channels: int = 64, plain: bool = False) -> Tried:
    """The error of a form on every kind of data in both roundings: largest and mean square over SEEDS."""
    found: dict[tuple[bool, str], Error] = {}
    for fused in (True, False):
        for kind in KINDS:
            each = [measured(form, kind, channels, seed, fused, plain) for seed in SEEDS]
            rms = float(np.sqrt(np.mean([e.rms**2 for e in each])))
            found[fused, kind] = Error(max(e.max for e in each), rms)
    return Tried(points, found)


def search(m: int, r: int) -> list[Tried]:
    """The best sets of points for F(m, r) x F(m, r), best first; KEPT of them at most."""
    likely = sorted(candidates(m + r - 1), key=lambda p: (amplification(m, r, p), p))[:TRIED]
    first = {p: measured(squared(at_points(m, r, p)), "normal", 32, SEEDS[0]).rms for p in likely}
    final = sorted(likely, key=lambda p: (first[p], p))[:FINAL]
    return sorted((tried(squared(at_points(m, r, p)), p) for p in final), key=lambda t: t.score)[:KEPT]


def preferred(best: Sequence[Tried]) -> Tried:
    """The set that is used: the first dyadic one where it is within NEAR of the best, else the best."""
    near = (t for t in best if t.dyadic and t.score <= NEAR * best[0].score)
    return next(near, best[0])


def entry(m: int, r: int) -> dict[str, Any]:
    """A form's row of the table: chosen points, errors of the best sets, those of the definition."""
    best = search(m, r)
    plain = tried(squared(at_points(m, r, best[0].points)), (), plain=True)
    return {
        "chosen": preferred(best).text,
        "definition": shown(plain),
        "best": {t.text: shown(t) for t in best},
    }


def shown(one: Tried) -> dict[str, str]:
    """Errors as they are stored: 'score', and for each kind of data max and rms, fused then apart."""
    found = {"score": f"{one.score:.3g}"}
    for kind in KINDS:
        pairs = [one.errors[fused, kind] for fused in (True, False)]
        found[kind] = ", ".join(f"{e.max:.3g} {e.rms:.3g}" for e in pairs)
    return found


def stored() -> dict[str, Any]:
    """The table."""
    found: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return found


def form_named(text: str) -> Nested:
    """'F(4,3)' as that form on two axes, 'F(2,3)xF(4,3)' as the two; LayerError for anything else."""
    axes = re.findall(r"F\((\d+),(\d+)\)", text)
    if not re.fullmatch(r"F\(\d+,\d+\)(xF\(\d+,\d+\))?", text):
        raise LayerError("no such form", where="--measure", expected="F(4,3) or F(2,3)xF(4,3)", got=text)
    found = [transform(int(m), int(r)) for m, r in axes]
    return nested(*(found * 2)[:2])


def report(
    form: Nested, channels: int, seeds: Sequence[int] = SEEDS, outputs: int = 4
) -> dict[str, dict[str, Error]]:
    """Errors against float64 of a form, and of the definition summed in the same blocks, by kind of data.

    `channels` are those that are added up: of the input, of grad_output, or for a filter gradient the tiles.
    """
    found: dict[str, dict[str, Error]] = {}
    for name, plain in ((form.name, False), ("definition", True)):
        found[name] = {}
        for kind in KINDS:
            each = [measured(form, kind, channels, seed, True, plain, outputs) for seed in seeds]
            rms = float(np.sqrt(np.mean([e.rms**2 for e in each])))
            found[name][kind] = Error(max(e.max for e in each), rms)
    return found


def report_lines(form: Nested, channels: int) -> list[str]:
    """The report as text."""
    lines = [
        f"{form.name}, {channels} channels: error against float64 relative to the outputs' rms, max / rms"
    ]
    for name, kinds in report(form, channels).items():
        said = "; ".join(f"{kind} {e.max:.2g} / {e.rms:.2g}" for kind, e in kinds.items())
        lines.append(f"  {name}: {said}")
    return lines


def table_lines(table: Mapping[str, Any]) -> list[str]:
    """The table for a reader: a line a set of points, the chosen one marked."""
    lines = [
        "score: geometric mean of the largest errors and their rms; then both on normal data, products fused"
    ]
    for name, row in table.items():
        lines.append(f"{name}: the definition itself {row['definition']['score']}")
        for points, errors in row["best"].items():
            mark = "*" if points == row["chosen"] else " "
            lines.append(f"  {mark} {points}: {errors['score']}; {errors['normal'].split(',')[0]}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    import argparse

    parser = argparse.ArgumentParser(prog="python -m codegen.winograd_points", description=__doc__)
    parser.add_argument("--search", action="store_true", help="search anew instead of reading the table")
    parser.add_argument("--write", action="store_true", help="with --search: store the table")
    parser.add_argument("--measure", metavar="FORM", help="the error of one form")
    parser.add_argument("--channels", type=int, default=64)
    asked = parser.parse_args(arguments)
    if asked.measure:
        print("\n".join(report_lines(form_named(asked.measure), asked.channels)))
        return
    table = {f"F({m},{r})": entry(m, r) for m, r in SEARCHED} if asked.search else stored()
    if asked.search and asked.write:
        TABLE.write_text(json.dumps(table, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
    print("\n".join(table_lines(table)))


def chosen_in(table: Mapping[str, Any]) -> dict[tuple[int, int], Transform]:
    """The transforms with the table's chosen points."""
    found = {}
    for name, row in table.items():
        m, r = map(int, re.findall(r"\d+", name))
        found[m, r] = at_points(m, r, tuple(map(Fraction, row["chosen"].split())))
    return found


if __name__ == "__main__":
    main()
