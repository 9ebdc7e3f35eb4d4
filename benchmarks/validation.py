"""Times the validation of compiled kernels: all kernels of a layer, forward and every gradient.

    python -m benchmarks.validation [--exact] [--only TEXT] [--samples N] [-o FILE]

LeNet's two convolutions, the distinct convolutions of ResNet-50 at 224 x 224, and a layer of each other kind.
Every layer is built anew in a cache of its own, with fresh random operands; of several samples the quickest
is shown. "fast" is what `build` does by default, in seconds of the clock as `k.proof` has them, the compiling
of class builds included; "build" is all of the call, theorems argued and texts compiled. The processor's
seconds are of this process and of the compilers it waited for. The bar is a second for LeNet's layers and
five for others, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.exhaustive import NETWORKS, Item
from codegen import build
from codegen.compile import compiler_version, cpu_features
from derive.spelling import parse_layer

SMALL, LARGE = 1.0, 5.0
"""Seconds that the default validation may take: of LeNet's layers, and of layers like ResNet's."""
OTHERS: tuple[Item, ...] = (
    ("AvgPool2d(3, stride=2, padding=1)", (1, 64, 56, 56)),
    ("MaxPool2d(3, stride=2, padding=1)", (1, 64, 112, 112)),
    ("Upsample(scale_factor=2, mode='bilinear')", (1, 32, 28, 28)),
    ("BatchNorm2d(64, training=True)", (1, 64, 56, 56)),
    ("GELU()", (64, 1024)),
    ("CrossEntropyLoss()", (64, 1000)),
    ("Linear(512, 512)", (64, 512)),
)


@dataclass(frozen=True)
class Row:
    """One layer; seconds, `exact` None where it was not asked for."""

    text: str
    shape: tuple[int, ...]
    methods: tuple[str, ...]
    fast: float
    built: float
    processor: float
    exact: float | None
    bar: float

    @property
    def cells(self) -> list[str]:
        exact = [] if self.exact is None else [f"{self.exact:.2f}"]
        verdict = "yes" if self.fast < self.bar else "**no**"
        shape, methods = "x".join(map(str, self.shape)), ", ".join(self.methods)
        times = [f"{self.fast:.2f}", *exact, f"{self.built:.2f}", f"{self.processor:.2f}"]
        return [f"`{self.text}`", shape, methods, *times, f"{self.bar:g}", verdict]


def items() -> Iterator[tuple[Item, float]]:
    """The layers and the bar of each."""
    for item in NETWORKS["lenet5"]():
        if item[0].startswith("Conv2d") and item[1][2] > 5:
            yield item, SMALL
    for item in dict.fromkeys(NETWORKS["resnet50"]()):
        yield item, LARGE
    for item in OTHERS:
        yield item, LARGE


def processor() -> float:
    """Seconds that this process and the programs it waited for were computing."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def timed(item: Item, level: str) -> tuple[float, float, float, dict[str, Any]]:
    """One build in an empty cache: seconds of validation, of the whole, of the processor; the record."""
    with tempfile.TemporaryDirectory(prefix="backflip-") as folder:
        os.environ["BACKFLIP_CACHE"] = folder
        begin, before = time.perf_counter(), processor()
        kernel = build(parse_layer(item[0]), item[1], validate=level, tune=False)
        took, used = time.perf_counter() - begin, processor() - before
    record = json.loads(kernel.proof) if isinstance(kernel.proof, str) else kernel.proof
    validation: dict[str, Any] = record["validation"]
    if validation["level"] != level or not validation["checks"]:
        raise SystemExit(f"not validated: {item[0]}")
    return float(validation["seconds"]), took, used, validation


def measure(item: Item, bar: float, exact: bool, samples: int) -> Row:
    """The quickest of several builds."""
    runs = [timed(item, "fast") for _ in range(samples)]
    fast, built, used, validation = min(runs, key=lambda run: run[0])
    methods = tuple(dict.fromkeys(c["method"] for c in validation["checks"] if c["method"] != "lexical"))
    slow = min(timed(item, "exact")[0] for _ in range(samples)) if exact else None
    return Row(item[0], item[1], methods, fast, built, used, slow, bar)


def head(exact: bool) -> list[str]:
    titles = [
        "layer",
        "input",
        "checks",
        "fast s",
        *["exact s"] * exact,
        "build s",
        "processor s",
        "bar s",
        "under",
    ]
    return [table_line(titles), table_line(["---"] * len(titles))]


def table_line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--exact", action="store_true", help='also validate="exact"')
    parser.add_argument("--only", default="", help="layers whose text holds this")
    parser.add_argument("--samples", type=int, default=2, help="builds of each; the quickest is shown")
    parser.add_argument("-o", "--output", type=Path, help="also write the table there")
    options = parser.parse_args(arguments)
    if not any(options.only in item[0] for item, _ in items()):
        parser.error(f"--only {options.only}: no layer measured here is spelled so")
    if options.samples < 1:
        parser.error("--samples is at least 1")
    if options.output and not options.output.parent.is_dir():
        parser.error(f"-o {options.output}: no such folder")
    lines = head(options.exact)
    print("\n".join(lines), flush=True)
    met = []
    for item, bar in items():
        if options.only in item[0]:
            row = measure(item, bar, options.exact, options.samples)
            lines.append(table_line(row.cells))
            met.append(row.fast < row.bar)
            print(lines[-1], flush=True)
    vectors = "AVX-512" if "avx512f" in cpu_features() else "AVX2" if "avx2" in cpu_features() else "no AVX2"
    lines += [
        "",
        f"{sum(met)} of {len(met)} under their bar; {os.cpu_count()} cores, {vectors}, {compiler_version()}.",
    ]
    print("\n".join(lines[-2:]))
    if options.output:
        options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
