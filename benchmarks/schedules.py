"""Times the candidate schedules of each kernel and compares the model's choice with the quickest.

    python -m benchmarks.schedules [--only TEXT] [--most N] [--dtype float32] [--accuracy strict]
        [-o FILE] [--json FILE]

For every layer and each of its kernels the best N candidates by the model are compiled and timed in one
module, interleaved, warm, one thread. Regret is the time of the model's first over that of the quickest: 1.00
where the model alone (`--no-tune`) chooses as well as timing does. Candidates beyond the N are not looked at.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from codegen.bench.machine import processor
from codegen.compile import chosen_isa, compiler_version
from codegen.facts import facts_of
from codegen.lower import ranked
from codegen.produce import claims_of
from codegen.schedules.nest import Target
from codegen.tuning import timed
from derive.spelling import parse_layer

ROWS = (
    ("Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)),
    ("Conv2d(6, 16, 5)", (1, 6, 14, 14)),
    ("Conv2d(3, 16, 3, padding=1)", (1, 3, 32, 32)),
    ("Conv2d(16, 16, 3, padding=1)", (1, 16, 32, 32)),
    ("Conv2d(64, 64, 3, padding=1)", (1, 64, 8, 8)),
    ("Conv2d(3, 64, 7, stride=2, padding=3)", (1, 3, 224, 224)),
    ("Conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56)),
    ("Conv2d(128, 128, 3, padding=1)", (1, 128, 28, 28)),
    ("Conv2d(256, 256, 3, padding=1)", (1, 256, 14, 14)),
    ("Conv2d(512, 512, 3, padding=1)", (1, 512, 7, 7)),
    ("Conv2d(64, 256, 1)", (1, 64, 56, 56)),
    ("Conv2d(1024, 256, 1)", (1, 1024, 14, 14)),
    ("Conv2d(256, 512, 1, stride=2)", (1, 256, 56, 56)),
    ("Conv2d(32, 32, 3, padding=1, groups=32)", (1, 32, 112, 112)),
    ("Conv2d(144, 144, 3, stride=2, padding=1, groups=144)", (1, 144, 56, 56)),
    ("Conv1d(64, 64, 9, padding=4)", (1, 64, 16000)),
    ("Conv3d(16, 32, 3, padding=1)", (1, 16, 16, 28, 28)),
    ("ConvTranspose2d(64, 32, 4, stride=2, padding=1)", (1, 64, 28, 28)),
    ("Linear(512, 1000)", (64, 512)),
)


@dataclass(frozen=True)
class Timed:
    """One kernel: what the model put first, what was quickest, microseconds of both, how many were timed."""

    layer: str
    shape: tuple[int, ...]
    kernel: str
    first: str
    first_us: float
    best: str
    best_us: float
    candidates: int

    @property
    def regret(self) -> float:
        return self.first_us / self.best_us


def rows(only: str, most: int, dtype: str, accuracy: str) -> Iterator[Timed]:
    isa = chosen_isa("native")
    size = {"float32": 4, "float64": 8}[dtype]
    target = Target(isa.lanes(dtype), isa.accumulators, isa.registers, size, 1, accuracy)
    for text, shape in ROWS:
        if only not in text:
            continue
        layer = parse_layer(text)
        keys = ["output", *(o.name for o in layer.operands(shape) if o.differentiable and o.name != "bias")]
        for key, claim in claims_of(layer, shape, keys).items():
            found = ranked(key, claim, target, facts_of(layer, shape))[:most]
            seconds = timed(found, isa, dtype)
            best = min(range(len(found)), key=seconds.__getitem__)
            notes = ["; ".join(c.kernel.notes) for c in found]
            yield Timed(
                text,
                shape,
                found[0].kernel.name,
                notes[0],
                seconds[0] * 1e6,
                notes[best],
                seconds[best] * 1e6,
                len(found),
            )


def page(found: list[Timed], accuracy: str, dtype: str) -> str:
    """A Markdown table, and the geometric mean of regrets."""
    mean = math.exp(sum(math.log(t.regret) for t in found) / len(found))
    worst = max(found, key=lambda t: t.regret)
    lines = [
        "# The model's choice of schedule against the quickest of the timed",
        "",
        f"{processor()}, {dtype}, {accuracy}, {compiler_version()}; geometric mean of regrets {mean:.3f},"
        f" worst {worst.regret:.2f} ({worst.layer}, {worst.kernel}).",
        "",
        "| layer | input | kernel | timed | model's first, us | quickest, us | regret | quickest schedule |",
        "|---|---|---|---:|---:|---:|---:|---|",
    ]
    for t in found:
        shape = ",".join(map(str, t.shape))
        best = "the same" if t.best == t.first else t.best
        lines.append(
            f"| `{t.layer}` | {shape} | {t.kernel} | {t.candidates} | {t.first_us:.1f} | {t.best_us:.1f} "
            f"| {t.regret:.2f} | {best} |"
        )
    return "\n".join([*lines, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", default="")
    parser.add_argument("--most", type=int, default=6)
    parser.add_argument("--dtype", default="float32", choices=["float32", "float64"])
    parser.add_argument("--accuracy", default="strict", choices=["strict", "balanced", "relaxed"])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = []
    for row in rows(given.only, given.most, given.dtype, given.accuracy):
        found.append(row)
        print(f"{row.layer} {row.kernel}: {row.first_us:.1f} -> {row.best_us:.1f} us, {row.best}", flush=True)
    text = page(found, given.accuracy, given.dtype)
    if given.output:
        given.output.write_text(text, encoding="utf-8")
    if given.json:
        given.json.write_text(json.dumps([asdict(t) for t in found], indent=1), encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
