"""How much the kernels of a tier round, beside their peers: every convolution and linear layer, each pass.

    python -m benchmarks.rounding [--only TEXT] [--accuracy strict] [--draws N] [--seconds N] [--tune]

Nothing is timed. Operands are drawn as four kinds of data, several times each; an error is against float64
(float64 rows: long double), relative to the root mean square of the result. Rows are stored one by one; the
same command goes on with those that the file has not, and --again measures them anew. The page is written
from the file: benchmarks/results/rounding.md. Exit code 1 where a row is above its best peer.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "rounding.json"


def stored(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"rows": {}}
    return found


def put(path: Path, data: Mapping[str, Any]) -> None:
    """The file and the page beside it."""
    from benchmarks.rounding_measured import named, tasks
    from benchmarks.rounding_page import page
    from derive.pdf import write_whole

    order = [named(case, task.operation) for case, task in tasks()]
    rows = dict(sorted(data["rows"].items(), key=lambda row: order.index(row[0])))
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in rows.items())
    versions = json.dumps(data["versions"])
    write_whole(path, f'{{"versions": {versions},\n"rows": {{\n{lines}\n}}}}\n'.encode())
    path.with_suffix(".md").write_text(page({**data, "rows": rows}))


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.rounding", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add(
        "--only", action="append", default=[], metavar="TEXT", help="rows whose name has TEXT; all of several"
    )
    add("--accuracy", choices=("strict", "balanced", "relaxed"), default="strict")
    add("--draws", type=int, default=None, metavar="N", help="of each kind (2 to 16, by the row's size)")
    add("--seconds", type=float, default=None, metavar="N", help="begin no row after N seconds")
    add("--again", action="store_true", help="measure rows that the file has")
    add("--tune", action="store_true", help="the kernel that timing chooses, not the model's first")
    add("--json", type=Path, default=RESULTS)
    return parser.parse_args(given)


def main() -> int:
    options, began = arguments(), time.monotonic()
    from codegen.bench.threads import confine

    confine(1)
    from benchmarks.rounding_measured import built, draws, measured, named, tasks, versions
    from benchmarks.rounding_page import ABOVE, above, spoken

    data = stored(options.json)
    for case, task in tasks(options.only):
        key = named(case, task.operation)
        late = options.seconds is not None and time.monotonic() - began > options.seconds
        if late or (key in data["rows"] and not options.again):
            continue
        kernel, notes = built(task, options.accuracy, options.tune)
        errors = measured(task, kernel, options.draws or draws(task))
        data["rows"][key] = {"schedule": notes, "accuracy": options.accuracy, "errors": errors}
        data["versions"] = versions()
        print("\n".join(spoken(key, data["rows"][key])), flush=True)
        put(options.json, data)
    over = [key for key, row in data["rows"].items() if above(row)]
    print(f"{len(over)} of {len(data['rows'])} rows {ABOVE}", *over, sep="\n  ")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
