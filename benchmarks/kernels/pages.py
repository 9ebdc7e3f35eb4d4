"""Owns the Markdown page of results: summary, tables, losses, who was absent, how it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.kernels.aims import ALL, missed
from benchmarks.kernels.cases import CASES
from benchmarks.kernels.roofline import picture
from benchmarks.kernels.store import Store
from benchmarks.kernels.summary import (
    TIERS,
    chosen,
    less_exact,
    lost,
    mean,
    passes,
    reason_of,
    reasons,
    tier_ratio,
)
from codegen.bench.shown import best_peer, share_of_peak, timed
from codegen.bench.task import OPERATIONS

Row = dict[str, Any]
METHOD = """\
Times are the least of the samples, in microseconds, called from Python; a ratio is the best peer's time
over ours, both of one process, so above 1 is won. Implementations take turns, 20 samples of at least 1 ms
each, the machine's peak beside each round. Operands are drawn once (normal, seed 1); every result is
compared with NumPy in the next wider dtype before it is timed, and a wrong one is refused. Errors are over
the root mean square of the result. Our kernels are called through `forward` and `backward` with `out=`;
packed means `pack_weights()` before, as ONNX Runtime, OpenVINO and a frozen torch.compile pack theirs.
Conversions between layouts are counted. Useful operations are the definition's, 2 a product, so an
algorithm with fewer products may exceed the peak. Cold: one call after 64 MB of other memory were written
and the input was read again."""
TITLES = (
    *("layer", "pass", "best peer", "µs", "strict", "of peak", "balanced", "relaxed"),
    *("error max / rms: ours", "peer", "aims missed", "why"),
)


def write_pages(store: Store, markdown: Path | None, svg: Path | None) -> None:
    """The page and the plot of a file of results, beside it where no place is given, with reasons.toml."""
    page, plot = markdown or store.path.with_suffix(".md"), svg or store.path.with_suffix(".svg")
    known = reasons(store.path.with_name("reasons.toml"))
    page.write_text("\n".join(lines(store.data, plot.name, known)) + "\n", encoding="utf-8")
    plot.write_text(picture(store.data), encoding="utf-8")


def short(data: dict[str, Any]) -> str:
    """Machine, versions and the geometric means alone, for another page."""
    return "\n".join([*header(data), "", *summary(ordered(data["rows"].values()))])


def ordered(rows: Iterable[Row]) -> list[Row]:
    """The rows in the order of the plan, whenever they were measured; others last."""
    cases = [(case.title, case.dtype) for case in CASES]

    def place(row: Row) -> tuple[int, int]:
        named, operation = (row["case"], row["dtype"]), row["operation"]
        first = cases.index(named) if named in cases else len(cases)
        return first, OPERATIONS.index(operation)

    return sorted(rows, key=place)


def lines(data: dict[str, Any], plot: str, known: dict[str, str]) -> Iterator[str]:
    rows = ordered(data["rows"].values())
    yield from ("# Kernels against their peers", "")
    yield from header(data)
    yield from ("", METHOD, "", f"![Roofline of the rows at one thread]({plot})", "")
    yield from summary(rows)
    for threads, batch, mode in sorted({(r["threads"], r["batch"], r["mode"]) for r in rows}, key=_order):
        part = list(chosen(rows, threads=threads, batch=batch, mode=mode))
        yield from ("", f"## {_said(threads)}, batch {batch}, {mode} caches", "")
        yield from table(part, known)
    yield from losses(rows, known)
    yield from absent(rows)


def _order(key: tuple[int, int, str]) -> tuple[bool, int, int]:
    return key[2] != "warm", key[0], key[1]


def _said(threads: int) -> str:
    return f"{threads} thread{'s' * (threads > 1)}"


def header(data: dict[str, Any]) -> Iterator[str]:
    machine, versions = data.get("machine", {}), data.get("versions", {})
    dates = sorted({r["date"] for r in data["rows"].values()})
    yield ", ".join(str(machine.get(n)) for n in ("processor", "isa", "compiler")) + ";"
    peaks = ", ".join(f"{speed:.0f} GFLOP/s in {dtype}" for dtype, speed in machine.get("peak", {}).items())
    reads = ", ".join(f"{speed:.0f} GB/s from {level}" for level, speed in machine.get("read", {}).items())
    yield f"a core at most {peaks}, reading {reads};"
    yield f"measured {' to '.join(sorted({dates[0], dates[-1]}))}."
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."


def summary(rows: list[Row]) -> Iterator[str]:
    """Geometric means of the ratios over all rows and by class, one thread, batch 1, warm."""
    part = list(chosen(rows))
    yield from ("## Geometric means, 1 thread, batch 1", "")
    yield "| rows | " + " | ".join(f"{t} | {t} packed" for t in TIERS) + " |"
    yield "| --- |" + " ---: |" * 2 * len(TIERS)
    for title, listed in passes(part).items():
        yield f"| **all, {title}** | {_means(listed)} |"
        aims = [f"≥ {ALL[title][tier]:g}" if tier in ALL[title] else "" for tier in TIERS]
        yield f"| aim, {title} | " + " | ".join(aim for aim in aims for _ in range(2)) + " |"
    for kind in dict.fromkeys(r["class"] for r in part):
        for title, listed in passes(r for r in part if r["class"] == kind).items():
            if listed:
                yield f"| {kind}, {title} | {_means(listed)} |"


def _means(rows: list[Row]) -> str:
    found = (mean(rows, tier, packed) for tier in TIERS for packed in (False, True))
    return " | ".join("–" if m is None else str(m) for m in found)


def table(rows: list[Row], known: dict[str, str]) -> Iterator[str]:
    """One line a row: best peer, our tiers as µs and ratio, share of peak, errors, the reason of a loss."""
    yield "| " + " | ".join(TITLES) + " |"
    yield "| --- | --- | --- |" + " ---: |" * 7 + " --- | --- |"
    for row in rows:
        peer = best_peer(row)
        mine, theirs = _errors(row, "backflip strict"), _errors(row, peer)
        share = share_of_peak(row, _best_own(row, "strict"))
        cells = [row["case"] + (" f64" if row["dtype"] == "float64" else ""), row["operation"], peer or "–"]
        cells += [f"{timed(row)[peer]['least']:.1f}" if peer else "–"]
        strict, *others = (_cell(row, tier) for tier in TIERS)
        below = missed(row, {tier: tier_ratio(row, tier, True) for tier in TIERS})
        why = reason_of(row, known) if below else ""
        why = why or ("not given yet" if _losing(row) else "")
        cells += [strict, "–" if share is None else f"{share:.0%}", *others, mine, theirs]
        cells += ["; ".join(below), why]
        yield "| " + " | ".join(cells) + " |"


def _losing(row: Row) -> bool:
    return row in lost([row])


def _best_own(row: Row, tier: str) -> str:
    return f"backflip {tier} packed" if f"backflip {tier} packed" in timed(row) else f"backflip {tier}"


def _cell(row: Row, tier: str) -> str:
    """Microseconds and ratio, then the same with packed weights; bold where lost."""
    entry = row["entries"].get(f"backflip {tier}", {})
    if "same" in entry:
        return f"= {entry['same'].removeprefix('backflip ')}"
    if "least" not in entry:
        return str(entry.get("refused") or entry.get("absent") or "–")
    found = []
    for name, packed in ((f"backflip {tier}", False), (f"backflip {tier} packed", True)):
        times = tier_ratio(row, tier, packed)
        if name in timed(row):
            shown = "–" if times is None else f"{times:.2f}×" if times >= 1 else f"**{times:.2f}×**"
            found.append(f"{timed(row)[name]['least']:.1f}, {shown}")
    return "; packed ".join(found)


def _errors(row: Row, name: str | None) -> str:
    entry = row["entries"].get(name or "", {})
    return f"{entry['error_max']:.1e} / {entry['error_rms']:.1e}" if "error_max" in entry else "–"


def losses(rows: list[Row], known: dict[str, str]) -> Iterator[str]:
    """How many strict rows are lost, and how many of these have no reason."""
    listed = lost(r for r in rows if r["class"] not in ("overhead", "denormal"))
    bare = [r for r in listed if not reason_of(r, known)]
    yield from ("", "## Lost", "")
    yield f"{len(listed)} rows are below 1 in strict mode, {len(bare)} of them without a reason."
    above = [(row, said) for row in rows if (said := less_exact(row))]
    yield f"In {len(above)} rows an error of the strict kernel is above the quickest peer's:"
    yield from ("", *(f"- {_named(row)}: {said}" for row, said in above))


def _named(row: Row) -> str:
    return f"{row['case']}, {row['operation']}, {row['dtype']}, batch {row['batch']}, {_said(row['threads'])}"


def absent(rows: list[Row]) -> Iterator[str]:
    """Who did not take part in a row, and why, with the number of rows."""
    found: dict[str, int] = {}
    for row in rows:
        for name, entry in row["entries"].items():
            said = entry.get("refused") or ("" if "same" in entry else entry.get("absent"))
            if said:
                line = f"{name}: {said}"
                found[line] = found.get(line, 0) + 1
    yield from ("", "## Absent or refused", "")
    yield from (f"- {line} ({count} row{'s' * (count > 1)})" for line, count in found.items())
