"""Owns what measured rounding says: ratios to the best peer with their spread, a verdict, and the page.

A ratio is the geometric mean over draws of our error over a peer's in the same draw; the best peer is the one
with the largest ratio. Its logarithm's standard error is from the scatter of draws about their kind's mean,
all kinds of a row together. A row is above where a ratio less three standard errors exceeds 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

OURS = "backflip"
MEASURES = ("max", "rms")
SIGMAS = 3.0
"""Standard errors by which a ratio exceeds 1 where luck is not to be blamed."""
ABOVE = f"above the best peer by more than {SIGMAS:g} standard errors"
ALL = "all kinds"

HEAD = f"""# Rounding of the strict kernels beside their peers

Written by `python -m benchmarks.rounding`; nothing here is timed. A cell has geometric means over draws of
our error over the best peer's in the same draw, root mean square first, then largest: at most 1 is what
`accuracy="strict"` promises. Errors are against the next wider dtype, relative to the root mean square of
the result. A ratio above 1 by more than {SIGMAS:g} standard errors (of the scatter of draws about the mean of
their kind) stands in bold, and its row is named; other ratios above 1 cannot be told from 1.
Schedules are the model's first (untuned), one thread, batch 1.

"""


@dataclass(frozen=True)
class Ratio:
    """Our error over the best peer's.

    Attributes:
        value: geometric mean over draws.
        error: standard error of its logarithm.
        peer: who is best.
    """

    value: float
    error: float
    peer: str

    @property
    def above(self) -> bool:
        return float(np.log(self.value)) > SIGMAS * self.error

    @property
    def text(self) -> str:
        return f"**{self.value:.2f}**" if self.above else f"{self.value:.2f}"


def ratios(row: Mapping[str, Any]) -> dict[tuple[str, str], Ratio]:
    """By kind (and all of them together) and measure our error over that of the best peer."""
    errors, found = row["errors"], dict[tuple[str, str], Ratio]()
    kinds = list(errors)
    peers = [n for n in errors[kinds[0]] if n != OURS]
    for number, measure in enumerate(MEASURES):
        options: dict[str, list[Ratio]] = {kind: [] for kind in (*kinds, ALL)}
        for peer in peers:
            logs = [_logs(errors[kind], peer, number) for kind in kinds]
            scatter = _scatter(logs)
            for kind, values in zip(kinds, logs, strict=True):
                options[kind].append(_ratio(values, max(scatter, _scatter([values])), peer))
            options[ALL].append(_ratio(np.concatenate(logs), scatter, peer))
        found |= {(kind, measure): max(best, key=lambda r: r.value) for kind, best in options.items()}
    return found


def _logs(errors: Mapping[str, Any], peer: str, number: int) -> Any:
    """The logarithm of our error over a peer's for each draw; a result without error counts as the least."""
    ours, theirs = (np.array(errors[name])[:, number] for name in (OURS, peer))
    least = min([e for e in (*ours, *theirs) if e > 0], default=1.0)
    return np.log(np.maximum(ours, least) / np.maximum(theirs, least))


def _scatter(logs: list[Any]) -> float:
    """Standard deviation of a draw about the mean of its kind."""
    degrees = sum(len(values) - 1 for values in logs)
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in logs)
    return float(np.sqrt(squares / degrees)) if degrees else float("inf")


def _ratio(values: Any, scatter: float, peer: str) -> Ratio:
    return Ratio(float(np.exp(values.mean())), scatter / float(np.sqrt(len(values))), peer)


def above(row: Mapping[str, Any]) -> bool:
    """Whether some kind of data, or all together, is above the best peer beyond luck."""
    return any(r.above for r in ratios(row).values())


def spoken(key: str, row: Mapping[str, Any]) -> Iterator[str]:
    """A row as lines of plain text."""
    found = ratios(row)
    yield f"{key}: {'; '.join(row['schedule'])}"
    for kind in dict.fromkeys(kind for kind, _ in found):
        told = (f"{m} {found[kind, m].text} +-{found[kind, m].error:.3f}" for m in reversed(MEASURES))
        yield f"    {kind:<13} {'  '.join(told)}  ({found[kind, 'rms'].peer}, {found[kind, 'max'].peer})"


def page(data: Mapping[str, Any]) -> str:
    """The whole page."""
    rows = data["rows"]
    over = [key for key, row in rows.items() if above(row)]
    kinds = [*next(iter(rows.values()))["errors"], ALL]
    heads = ["layer", "pass", "dtype", "draws", "schedule", *kinds]
    lines = [_line(heads), _line(["---"] * len(heads))]
    lines += [_line(_cells(key, row, kinds)) for key, row in rows.items()]
    versions = ", ".join(f"{name} {version}" for name, version in data["versions"].items())
    said = f"{len(over)} of {len(rows)} rows are {ABOVE}" + (": " if over else "")
    named = "; ".join(key.replace(" | ", ", ") for key in over)
    return f"{HEAD}Peers: {versions}.\n\n{said}{named}.\n\n" + "\n".join(lines) + "\n"


def _cells(key: str, row: Mapping[str, Any], kinds: list[str]) -> list[str]:
    found = ratios(row)
    draws = len(next(iter(row["errors"].values()))[OURS])
    schedule = row["schedule"][0].split(":")[0].removesuffix(" tile")
    cells = [f"{found[kind, 'rms'].text} {found[kind, 'max'].text}" for kind in kinds]
    return [*key.split(" | "), str(draws), schedule, *cells]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
