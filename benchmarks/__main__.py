"""Measures every kernel against every peer, and writes the results as JSON, a Markdown table and an SVG plot.

    python -m benchmarks [--quick] [--only TEXT] [--threads 1,2] [--peers all] [--json FILE] ...

Rows that the JSON has already are not measured again (--again does), so a run that --seconds or anything
else ended goes on where it stopped. What is measured and how: benchmarks/kernels/cases.py and
codegen/bench/timing.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "results"


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--quick", action="store_true", help="batch 1, one thread, warm, 8 samples of a row")
    add("--only", action="append", default=[], metavar="TEXT", help="rows whose key has TEXT; all of several")
    add("--threads", default=None, metavar="1,2", help="numbers of threads, each in a process of its own")
    add("--peers", default=None, metavar="NAMES", help="all, best (those of the JSON), none, or names")
    add(
        "--tiers",
        default="strict,balanced,relaxed",
        help="of our kernels; none measures peers alone",
    )
    add("--no-tune", action="store_true", help="schedules by the model alone, which is quicker to build")
    add("--ours-only", action="store_true", help="rows without ours, beside the JSON's best peers")
    add("--again", action="store_true", help="measure rows again that the JSON has")
    add("--samples", type=int, default=None, help="of each implementation (20; 8 with --quick)")
    add("--seconds", type=float, default=None, metavar="N", help="begin no row after N seconds")
    add("--lock", type=Path, default=None, metavar="FILE", help="a file locked while the clock runs")
    add("--together", type=int, default=1, metavar="N", help="rows timed under one lock")
    add("--json", type=Path, default=RESULTS / "kernels.json")
    add("--markdown", type=Path, default=None, help="default: beside the JSON")
    add("--svg", type=Path, default=None, help="default: beside the JSON")
    add("--summary", action="store_true", help="print the means of what the JSON has, and end")
    add("--list", action="store_true", help="print the rows' keys and end")
    options = parser.parse_args(given)
    options.threads = [int(t) for t in (options.threads or ("1" if options.quick else "1,2")).split(",")]
    options.peers = options.peers or ("best" if options.ours_only else "all")
    options.samples = options.samples or (8 if options.quick else 20)
    return options


def main() -> None:
    options = arguments()
    began = time.monotonic()
    if len(options.threads) > 1 and not (options.list or options.summary):
        codes = [_in_process(threads, options, began) for threads in options.threads]
        sys.exit(max(codes))
    from codegen.bench.threads import confine

    if not (options.list or options.summary):
        confine(options.threads[0])
    from benchmarks.kernels.run import run

    sys.exit(run(options, began))


def _in_process(threads: int, options: argparse.Namespace, began: float) -> int:
    """The rows at one number of threads; the last option of a name is the one that counts."""
    further: list[Any] = ["--threads", threads]
    if options.seconds is not None:
        further += ["--seconds", max(0, options.seconds - (time.monotonic() - began))]
    command = [sys.executable, "-m", "benchmarks", *sys.argv[1:], *map(str, further)]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    main()
