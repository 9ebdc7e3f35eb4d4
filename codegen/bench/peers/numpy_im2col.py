"""Plain NumPy: patches as a matrix, one product by its BLAS; windows as strided views for pooling."""

from __future__ import annotations

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.plain import called
from codegen.bench.task import Array, Task


def patched(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    return [Candidate("numpy", called(task, operands), list)]


PEERS = (Peer("numpy", ("numpy",), patched, "numpy"),)
