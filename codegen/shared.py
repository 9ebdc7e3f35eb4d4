"""Owns the check of kernels whose parts are shared among threads: the bits are those of one thread."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.forked import forked
from codegen.literals import reached
from codegen.record import Check
from codegen.rig import Rig, check_bits

Array = NDArray[Any]
RUNS = 8
_SHARED = re.compile(r"prange \( (\d+) ,")


def threads_of(pyx_text: str, kernel: str) -> int:
    """The most threads that share a part of a kernel, as its text says; 1 where none is shared."""
    lines = (" ".join(line.words) for function in reached(pyx_text, kernel) for line in function.lines)
    return max((int(m[1]) for line in lines if (m := _SHARED.search(line))), default=1)


def check_threads(artefact: Artefact, rig: Rig, rng: np.random.Generator) -> Check:
    """The shipped binary on several threads against itself on one, on random operands, to the bit.

    Raises BuildError at the first entry that differs.
    """
    count = 1 if forked() else threads_of(artefact.pyx_text, rig.kernel)
    data = {n: rng.standard_normal(size).astype(rig.dtype) for n, size in rig.counts.items()}
    alone = _alone(rig, data)
    for _ in range(RUNS):
        rig.poison()
        check_bits(f"kernel {rig.kernel} gives another result on several threads", alone, rig.run(data))
    return Check(
        rig.kernel,
        "threads",
        f"the shipped binary gives on {count} threads the bits that it gives on one, from poison each time",
        f"{RUNS} runs on one set of random operands; how threads meet in others is not decided by these",
        {"threads": count, "runs": RUNS},
    )


def _alone(rig: Rig, data: dict[str, Array]) -> Array:
    """The result on one thread."""
    rig.module.on_one_thread(True)
    try:
        rig.poison()
        return rig.run(data).copy()
    finally:
        rig.module.on_one_thread(forked())
