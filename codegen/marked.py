"""Owns the comparison of branch marks: those of the class builds with those of the shipped element."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.errors import BuildError
from codegen.record import Check
from codegen.rig import Marks, Rig

Sequences = dict[str, list[tuple[str, int, NDArray[np.int32]]]]
"""By kernel what the class builds left: element, number of runs, all their branch marks."""


def check_marks(artefact: Artefact, marks: Sequences) -> list[Check]:
    """Every kernel's branch marks of the shipped element type against those that the class builds left.

    The shipped binary itself leaves none: this is the same C file compiled once more, with marks on.
    """
    element = SHIPPED_ELEMENT[artefact.dtype]
    module = artefact.load_variant((element, "BF_MARKS"))
    recorder = Marks(module)
    found = []
    for kernel in artefact.equations:
        rig = Rig(artefact, kernel, module, artefact.dtype)
        recorder.reset()
        rig.run({name: np.zeros(count, rig.dtype) for name, count in rig.counts.items()})
        found.append(compare_marks(kernel, element, recorder.sequence(), marks[kernel]))
    return found


def compare_marks(
    kernel: str, element: str, shipped: NDArray[np.int32], others: list[tuple[str, int, NDArray[np.int32]]]
) -> Check:
    """Raises BuildError where a class build took other branches; `others`: (element, runs, all its marks)."""
    for name, runs, sequence in others:
        if not np.array_equal(np.tile(shipped, runs), sequence):
            raise BuildError(
                f"kernel {kernel} takes other branches for another element type",
                where=f"{element} and {name}",
                expected=f"{len(shipped)} marks, the same in every run",
                got=f"{len(sequence)} marks in {runs} runs",
            )
    return Check(
        kernel,
        "marks",
        f"{element} takes the same {len(shipped)} marked branches as "
        + " and ".join(n for n, _, _ in others),
        "deterministic; of the text compiled with marks on",
        {"marks": len(shipped)},
    )
