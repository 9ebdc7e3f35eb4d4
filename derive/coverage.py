"""Owns the table of what is proved for all sizes, what at a size only, and what is not, each with its reason.

Nothing is listed that was not proved just now: a row of a layer holds what `theorems` returned, and what it
raised is the reason of a row that is not proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from derive.between import theorems_between
from derive.claim import Argument
from derive.coverage_given import each_choice, given_rows, size_rows
from derive.coverage_row import BETWEEN, LAYER, OPEN, Row
from derive.coverage_text import coverage_json, coverage_lines
from derive.domain import domain
from derive.errors import BackflipError
from derive.family import family_of_class
from derive.layers import registry
from derive.layers.base import Layer
from derive.legend import size_meaning
from derive.notation.symbols import split
from derive.proof import Theorem
from derive.steps import sizes_of
from derive.theorems import LABEL, proved_between, theorems

__all__ = ["Row", "coverage", "coverage_json", "coverage_lines"]

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def coverage(progress: Progress | None = None, full: bool = False) -> list[Row]:
    """Prove every class of the registry and every theorem between layers, now; one row each.

    Args:
        progress: called as the proofs go on.
        full: every combination of discrete choices; else the usual one, and each other choice alone, which of
            a class on three axes (up to 27 cases a theorem) is left to the same class on one and two.

    A theorem that is refused makes its row OPEN, with the refusal as reason; nothing is raised for it.
    """
    layers, between = registry(), theorems_between()
    rows: list[Row] = []
    total = len(layers) + len(between)
    for title, kind in layers.items():
        _tell(progress, len(rows), total)
        rows.append(layer_row(title, kind, full))
    for title in between:
        _tell(progress, len(rows), total)
        rows.append(between_row(title))
    given = (row for title, kind in layers.items() for row in given_rows(title, kind))
    return [*rows, *given, *size_rows()]


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress("proving for all sizes", done, total)


# ---- theorems --------------------------------------------------------------------------------------


def combinations(kind: type[Layer], full: bool = False) -> Iterator[dict[str, Any]]:
    """The discrete choices to prove: all combinations, or the few that `coverage` says."""
    if full:
        yield from kind.variants()
    elif kind.__name__.endswith("3d"):
        yield kind.chosen({})
    else:
        yield from each_choice(kind)


def layer_row(title: str, kind: type[Layer], full: bool = False) -> Row:
    """The class's theorems for every combination asked for."""
    proved: list[Theorem] = []
    done: list[dict[str, Any]] = []
    try:
        for choices in combinations(kind, full):
            proved += theorems(kind, choices).values()
            done.append(choices)
        there = len(list(kind.variants()))
    except BackflipError as refused:
        said = "; ".join(f"{key} {value}" for key, value in choices.items())
        return Row(LAYER, title, OPEN, f"{refused} ({said})".strip(), choices=len(done), proved=tuple(done))
    row = _proved(LAYER, title, proved, len(done), there, tuple(done))
    family = family_of_class(kind, kind.chosen({}))
    return replace(row, meanings={s: size_meaning(s, row.sizes, family) for s in row.sizes})


def between_row(title: str) -> Row:
    """A theorem between layers, its parts on one, two and three axes."""
    try:
        proved = list(proved_between(title).values())
    except BackflipError as refused:
        return Row(BETWEEN, title, OPEN, str(refused))
    return _proved(BETWEEN, title, proved, 1, 1, ())


def _proved(
    part: str, title: str, proved: list[Theorem], choices: int, of: int, done: tuple[dict[str, Any], ...]
) -> Row:
    counts = [counted(t.argument) for t in proved]
    steps, certificates = (sum(c[i] for c in counts) for i in (0, 1))
    sizes = frozenset[str]().union(*(sizes_of(t.claim.setting) for t in proved))
    needs = "; ".join(domain([t.claim for t in proved]))
    ordered = tuple(sorted(sizes, key=_place))
    return Row(part, title, LABEL, needs, choices, of, len(proved), steps, certificates, ordered, proved=done)


def _place(size: str) -> tuple[int, str]:
    """Batch, groups and channels first, then lengths, then what moves a window."""
    base, below, _ = split(size)
    first = ("N", "groups", "C", "M", "K")
    if base in first and not below:
        return first.index(base), ""
    return (6 if below == "out" else 5 if base.isupper() else 7), size


def counted(argument: Argument) -> tuple[int, int]:
    """How many steps an argument has, and how many certificates."""
    steps = (*argument.left_steps, *argument.right_steps)
    return len(steps), len(argument.upkeep) + sum(len(s.certificates) for s in steps)
