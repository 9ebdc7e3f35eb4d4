"""Owns how the coverage table is printed, and its JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from derive.coverage_row import BETWEEN, LAYER, OPEN, SIZE, Row
from derive.legend import size_meaning
from derive.notation.symbols import split
from derive.theorems import LABEL


def coverage_lines(rows: Sequence[Row]) -> list[str]:
    """The table for a reader."""
    lines = [f"Layers: {LABEL}; every number a symbol, each axis its own"]
    lines += _table([r for r in rows if r.part == LAYER and r.ok], "choices")
    lines += [
        "",
        "Letters that mean something else than N batch, C and K channels, H length, k kernel, s stride,",
    ]
    lines += ["d dilation, p and q zeros before and after, r what the stride leaves over:"]
    lines += [f"  {line}" for line in letters(rows)]
    lines += ["", f"Between layers: {LABEL}; on one, two and three axes"]
    lines += _table([r for r in rows if r.part == BETWEEN and r.ok], "")
    lines += ["", f"{SIZE}: what theorems take as given with any values, and what is proved at shapes alone"]
    lines += [f"  {line}" for line in _grouped(_parts(r) for r in rows if r.label == SIZE)]
    missing = [f"  {r.title}: {r.reason}" for r in rows if not r.ok]
    nothing = ["  nothing of the registry, and none of the theorems between layers"]
    return [*lines, "", OPEN, *(missing or nothing), "", summary(rows)]


def _table(rows: Sequence[Row], choices: str) -> list[str]:
    wide = max((len(r.title) for r in rows), default=0)
    head = f"  {'':{wide}}  {choices:>9}  theorems  steps  certificates  for all"
    return [head, *(_proved_line(r, wide) for r in rows)]


def _proved_line(row: Row, wide: int) -> str:
    of = f"{row.choices} of {row.of}" if row.part == LAYER else ""
    numbers = f"{row.theorems:8}  {row.steps:5}  {row.certificates:12}"
    return f"  {row.title:{wide}}  {of:>9}  {numbers}  {' '.join(bases(row.sizes))}"


def _parts(row: Row) -> tuple[str, str, str]:
    title, _, what = row.title.partition(": ")
    return what, title, row.reason


def letters(rows: Sequence[Row]) -> list[str]:
    """Sizes whose meaning is not the usual one, each with the classes where it is so."""
    usual = {size_meaning(size, {size}) for row in rows for size in row.sizes}
    said = [
        (base, row.title, meaning)
        for row in rows
        for base, meaning in {split(s)[0]: m for s, m in row.meanings.items()}.items()
        if meaning not in usual and (base.islower() or meaning == "classes") and base != "groups"
    ]
    return _grouped(said)


def _grouped(pairs: Iterable[tuple[str, str, str]]) -> list[str]:
    """(what, class, said) with what is said of several classes said once: "q in AvgPool1d 2d: ..."."""
    found: dict[tuple[str, str], list[str]] = {}
    for what, title, said in pairs:
        found.setdefault((what, said), []).append(title)
    return [
        f"{what} in {classes(titles)}: {said}" if what else f"{classes(titles)}: {said}"
        for (what, said), titles in found.items()
    ]


def classes(titles: Sequence[str]) -> str:
    """Names of classes, those that differ in their number of axes alone said once.

    >>> classes(["AvgPool1d", "AvgPool2d", "Linear"])
    'AvgPool1d 2d, Linear'
    """
    out: list[str] = []
    stem = ""
    for title in titles:
        own = title[:-2] if title[-2:] in ("1d", "2d", "3d") else ""
        if own and own == stem:
            out[-1] += f" {title[-2:]}"
        else:
            out.append(title)
        stem = own
    return ", ".join(out)


def bases(sizes: Iterable[str]) -> list[str]:
    """Names of sizes, those of the axes said once: k_h, k_w are k; H, W are H where there are both."""
    found: dict[str, None] = {}
    for size in sizes:
        base, below, _ = split(size)
        found[size if below == "out" or base.isupper() else base] = None
    return list(found)


def summary(rows: Sequence[Row]) -> str:
    """How much was proved."""
    proved = [r for r in rows if r.label == LABEL]
    counts = (sum(getattr(r, key) for r in proved) for key in ("theorems", "steps", "certificates"))
    theorems_, steps, certificates = counts
    missing = sum(not r.ok for r in rows)
    return (
        f"{len(proved)} rows proved for all sizes: {theorems_:,} theorems, {steps:,} steps, "
        f"{certificates:,} certificates verified; {missing} not proved"
    )


def coverage_json(rows: Sequence[Row]) -> str:
    """The rows with every field, each proved combination of choices among them."""
    return json.dumps([asdict(r) for r in rows], indent=1, ensure_ascii=False)
