"""Owns a run: the rows that are wanted and not there yet, one after another, each stored as it is done."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from benchmarks.kernels.cases import Planned, plan
from benchmarks.kernels.store import Store, best_peers
from codegen.bench.machine import described, processor
from codegen.bench.peers import chosen, peers
from codegen.bench.row import Prepared, Setup, finished, prepared
from codegen.bench.task import Task
from codegen.bench.timing import held
from derive.errors import BackflipError
from derive.layers.base import Layer
from derive.spelling import parse_layer


def run(options: argparse.Namespace, began: float) -> int:
    """Measure, store, write the pages; 0, or 3 where a row or all could not be measured."""
    from benchmarks.kernels.pages import short, write_pages

    planned = list(wanted(options))
    if options.list:
        print("\n".join(p.key for p in planned))
        return 0
    store, failed = Store(options.json), 0
    if options.summary:
        print(short(store.data))
        return 0
    try:
        store.check_machine(processor())
    except BackflipError as fault:
        say(str(fault))
        return fault.exit_code
    todo = [p for p in planned if options.again or _lacking(store.rows.get(p.key), options.ours_only)]
    say(f"{len(todo)} of {len(planned)} rows to measure, {options.threads[0]} thread(s)")
    for at in range(0, len(todo), options.together):
        if options.seconds is not None and time.monotonic() - began > options.seconds:
            say(f"out of time, {len(todo) - at} rows left; the same command goes on with them")
            break
        group = todo[at : at + options.together]
        say(f"[{at + 1}/{len(todo)}]")
        failed += len(group) - _done(group, store, options)
    if store.rows:
        write_pages(store, options.markdown, options.svg)
    return 3 if failed else 0


def _lacking(row: dict[str, Any] | None, ours: bool) -> bool:
    """Whether a row is not there, or is without kernels of ours where these are wanted."""
    return row is None or (ours and not any(e.get("own") and "least" in e for e in row["entries"].values()))


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def wanted(options: argparse.Namespace) -> Iterator[Planned]:
    """The rows that --quick, --threads and --only leave."""
    for threads in options.threads:
        rows = plan(threads, (1,), ("warm",)) if options.quick else plan(threads)
        yield from (r for r in rows if all(text in r.key for text in options.only))


def _done(group: list[Planned], store: Store, options: argparse.Namespace) -> int:
    """Prepare some rows, then time them under one lock; how many were measured."""
    ready = [(row, found) for row in group if (found := _tried(ready_row, row, store, options)) is not None]
    with held(options.lock):
        results = [(row, _tried(finished, found)) for row, found in ready]
    measured = [(row, result) for row, result in results if result is not None]
    for row, result in measured:
        case = row.case
        title = {"case": case.title, "class": case.kind, "batch": row.batch, "mode": row.mode}
        whole = {**title, **result, "date": date.today().isoformat()}
        print("\n".join(lines(row, whole)), flush=True)
        store.put(row.key, whole, described({p.name: p for p in peers().values()}))
    return len(measured)


def _tried(call: Callable[..., Any], *given: Any) -> Any:
    """What a call gives; None where it fails, with the reason said.

    Of other people's libraries any exception may come. It costs the row and the exit code, not the hours
    of the rows after it; interrupts and exits pass.
    """
    try:
        return call(*given)
    except BackflipError as fault:
        say(f"not measured: {fault}")
    except Exception:
        say(f"not measured:\n{traceback.format_exc()}")
    return None


def ready_row(row: Planned, store: Store, options: argparse.Namespace) -> Prepared:
    """The row's implementations, built and checked."""
    say(f"  {row.key}")
    layer = parse_layer(row.case.layer)
    assert isinstance(layer, Layer)
    task = Task(layer, row.shape, row.case.dtype, row.operation, row.threads, row.case.scale)
    names = options.peers
    if names == "best":
        known = store.rows.get(row.key)
        names = ",".join(best_peers(known)) if known else "all"
    setup = Setup(
        peers=[] if names == "none" else chosen(names),
        tiers=[t for t in options.tiers.split(",") if t != "none"],
        samples=options.samples,
        cold=row.mode == "cold",
        options={"tune": False} if options.no_tune else {},
        say=lambda line: say(f"    {line}"),
    )
    return prepared(task, setup)


def lines(row: Planned, found: dict[str, Any]) -> Iterator[str]:
    """The row as text: least and median microseconds, share of the peak, errors, ratios to the best peer."""
    from codegen.bench.shown import table

    yield row.key
    yield from table(found)
