"""Owns the check of kernels that pack their weight: called apart, packing and the rest give the same bits.

Such a kernel is three entries (`targets.cython.parts`): call_pack_NAME writes the packed weight,
call_packed_NAME reads it, call_NAME is both with the packed weight in the workspace. The other checks are of
call_NAME; this one says of the shipped binary that the two others give what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.record import Check
from codegen.rig import Guarded, Rig, check_bits

Array = NDArray[Any]
WEIGHT = "weight"
RUNS = 2


def check_packed(artefact: Artefact, rig: Rig, rng: np.random.Generator) -> Check:
    """The two entries of a kernel that packs, against its plain one, to the bit.

    Raises BuildError where they give something else, or write beside what is theirs.
    """
    count = artefact.packed[rig.kernel]
    for _ in range(RUNS):
        data = {n: rng.standard_normal(size).astype(rig.dtype) for n, size in rig.counts.items()}
        rig.poison()
        plain = rig.run(data).copy()
        said = f"kernel {rig.kernel} gives another result with the weight packed beforehand"
        check_bits(said, plain, _apart(rig, data, count))
    return Check(
        rig.kernel,
        "packed",
        "the shipped binary gives the same bits with the weight packed beforehand: packed into a poisoned "
        "array of its own, then run on a poisoned workspace; that array is not written to, nor beside it",
        f"deterministic for the {RUNS} sets of random operands that were run",
        {"runs": RUNS, "elements": count},
    )


def _apart(rig: Rig, data: Mapping[str, Array], count: int) -> Array:
    """The result by packing first; the workspace is poisoned before each call."""
    held, weight = Guarded.of(rig.module, count, rig.dtype), np.ascontiguousarray(data[WEIGHT])
    rig.module.poison(held.inner)
    rig.poison()
    getattr(rig.module, f"call_pack_{rig.called}")(held.inner, weight, rig.workspace.inner)
    before = held.whole.tobytes()
    rig.poison()
    given = (held.inner if n == WEIGHT else np.ascontiguousarray(data[n]) for n in rig.counts)
    getattr(rig.module, f"call_packed_{rig.called}")(rig.out.inner, *given, rig.workspace.inner)
    if held.whole.tobytes() != before or not (held.intact and rig.workspace.intact and rig.out.intact):
        raise BuildError(
            f"kernel {rig.kernel} writes to its packed weight, or beside a buffer", where="packed"
        )
    return rig.out.inner
