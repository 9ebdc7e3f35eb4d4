"""Owns what is read off the rows: ratios to the best peer, geometric means, losses and their reasons."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.kernels.cases import APART
from codegen.bench.shown import best_peer, ratio

Row = dict[str, Any]
TIERS = ("strict", "balanced", "relaxed")


@dataclass(frozen=True)
class Mean:
    """A geometric mean of ratios, over how many rows, how many of them below 1."""

    value: float
    rows: int
    lost: int

    @classmethod
    def of(cls, ratios: Iterable[float]) -> Mean | None:
        listed = list(ratios)
        if not listed:
            return None
        value = math.exp(math.fsum(map(math.log, listed)) / len(listed))
        return cls(value, len(listed), sum(r < 1 for r in listed))

    def __str__(self) -> str:
        lost = f", {self.lost} below 1" if self.lost else ""
        return f"{self.value:.2f}× ({self.rows} row{'s' * (self.rows > 1)}{lost})"


def tier_ratio(row: Row, tier: str, packed: bool = False) -> float | None:
    """The ratio of a tier's kernel, of that with packed weights where there is one and it is asked for."""
    entry = row["entries"].get(f"backflip {tier}", {})
    name = str(entry.get("same", f"backflip {tier}"))
    found = ratio(row, f"{name} packed") if packed else None
    return ratio(row, name) if found is None else found


def chosen(rows: Iterable[Row], *, threads: int = 1, batch: int = 1, mode: str = "warm") -> Iterator[Row]:
    for row in rows:
        if (row["threads"], row["batch"], row["mode"]) == (threads, batch, mode):
            yield row


def passes(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """The rows that means are taken over, by pass; what is not forward alone counts as gradient."""
    found: dict[str, list[Row]] = {"forward": [], "gradients": []}
    for row in rows:
        if row["class"] not in APART:
            found["forward" if row["operation"] == "forward" else "gradients"].append(row)
    return found


def mean(rows: Iterable[Row], tier: str, packed: bool) -> Mean | None:
    return Mean.of(r for row in rows if (r := tier_ratio(row, tier, packed)) is not None)


def lost(rows: Iterable[Row], tier: str = "strict") -> list[Row]:
    """The rows that a tier does not win, with packed weights where there are any."""
    return [row for row in rows if (r := tier_ratio(row, tier, True)) is not None and r < 1]


def less_exact(row: Row) -> str:
    """In words how the strict kernel's errors are above the quickest peer's; empty where they are not."""
    own, peer = row["entries"].get("backflip strict", {}), best_peer(row)
    if peer is None or "error_max" not in own:
        return ""
    theirs, found = row["entries"][peer], []
    for kind in ("max", "rms"):
        mine, best = float(own[f"error_{kind}"]), float(theirs[f"error_{kind}"])
        if mine > best:
            found.append(f"{kind} {mine:.1e} over {best:.1e} of {peer}")
    return ", ".join(found)


def reasons(path: Path) -> dict[str, str]:
    """By "case | operation | dtype" why a row is lost and what was tried, from a TOML file of such keys."""
    if not path.exists():
        return {}
    return {str(k): str(v) for k, v in tomllib.loads(path.read_text(encoding="utf-8")).items()}


def reason_of(row: Row, known: dict[str, str]) -> str:
    """The published reason: of the row's threads and batch where the file has one, else of all of them."""
    short = f"{row['case']} | {row['operation']} | {row['dtype']}"
    long = f"{short} | batch {row['batch']} | {row['threads']} thread{'s' * (row['threads'] > 1)}"
    return known.get(long, known.get(short, ""))
