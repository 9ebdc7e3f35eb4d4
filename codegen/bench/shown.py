"""Owns the text of a row: who took how long, who won, who was absent and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]


def timed(row: Row) -> dict[str, dict[str, Any]]:
    """The implementations that were timed, by name."""
    return {n: e for n, e in row["entries"].items() if "least" in e}


def best_peer(row: Row) -> str | None:
    """The quickest peer whose arrays are laid out as ours; None where there is none."""
    peers = {n: e for n, e in timed(row).items() if not e["own"] and e["counted"]}
    ordered = sorted(peers, key=lambda n: float(peers[n]["least"]))
    return ordered[0] if ordered else None


def ratio(row: Row, name: str) -> float | None:
    """How many times as long as an own kernel of that name the best peer takes, by least times.

    Of a kernel whose text is another's, that one's ratio. None where either was not measured.
    """
    entries: Mapping[str, Mapping[str, Any]] = row["entries"]
    entry = entries.get(entries.get(name, {}).get("same", name), {})
    peer: str | None = best_peer(row)
    if peer is None or "least" not in entry:
        return None
    return float(entries[peer]["least"]) / float(entry["least"])


def share_of_peak(row: Row, name: str) -> float | None:
    """Useful operations a second over the best peak found beside the row."""
    if not row["flops"] or not row["peaks"] or name not in timed(row):
        return None
    return float(row["flops"]) / float(timed(row)[name]["least"]) / 1e3 / float(max(row["peaks"]))


def table(row: Row) -> Iterator[str]:
    """Lines of a table, the quickest first; then who is absent."""
    widths = {"least µs": 10, "median": 10, "spread": 8, "of peak": 9, "error max": 11, "rms": 10, "ratio": 8}
    yield f"  {'':<26}{''.join(title.rjust(width) for title, width in widths.items())}"
    entries = timed(row)
    for name in sorted(entries, key=lambda n: float(entries[n]["least"])):
        yield f"  {name:<26}{_numbers(row, name)}"
    for name, entry in row["entries"].items():
        if "least" not in entry:
            yield f"  {name:<26} {entry.get('refused') or entry.get('absent')}"


def _numbers(row: Row, name: str) -> str:
    entry = timed(row)[name]
    share = share_of_peak(row, name)
    wins = ratio(row, name) if entry["own"] else None
    return (
        f"{entry['least']:>10.1f}{entry['median']:>10.1f}{entry['spread']:>8.0%}"
        f"{'' if share is None else f'{share:.0%}':>9}{entry['error_max']:>11.1e}{entry['error_rms']:>10.1e}"
        f"{'' if wins is None else f'{wins:.2f}x':>8}"
        f"{'' if entry['counted'] else '  not counted'}"
    )


def verdict(row: Row) -> list[str]:
    """A line for each of our kernels: won or lost, by how much, against whom."""
    peer, found = best_peer(row), []
    for name, entry in timed(row).items():
        times = ratio(row, name)
        if not entry["own"]:
            continue
        if times is None:
            found.append(f"{name}: nothing to compare with")
        elif times >= 1:
            found.append(f"{name}: {times:.2f} times as fast as {peer}")
        else:
            found.append(f"{name}: slower than {peer}, {1 / times:.2f} times its time")
    return found
