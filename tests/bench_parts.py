"""Owns what tests of measurements share: a kernel that gives what it is told, a peer that is NumPy, rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.plain import called
from codegen.bench.task import Task, drawn


@dataclass
class FakeKernel:
    """A kernel whose text is given; its results are NumPy's plus `off`."""

    task: Task
    source: str = "a = 1"
    off: float = 0.0
    proof: str = '{"schedule": {"output": ["chosen"]}}'
    cached: bool = True
    workspace_bytes: int = 64

    def _result(self, operation: str) -> Any:
        task = Task(self.task.layer, self.task.shape, self.task.dtype, operation)
        return called(task, drawn(task))()[0] + self.off

    def forward(self, *operands: Any, out: Any) -> Any:
        out[...] = self._result("forward")
        return out

    def backward(self, grad_output: Any, *, out: Any, **operands: Any) -> Any:
        for wrt, array in out.items():
            array[...] = self._result(f"grad {wrt}")
        return out

    def pack_weights(self, weight: Any) -> Any:
        return weight


def fake(name: str, change: Callable[[Any], Any] = lambda y: y, **more: Any) -> Peer:
    """A peer that gives NumPy's result, changed."""

    def make(task: Task, operands: dict[str, Any]) -> list[Candidate]:
        call = called(task, operands)
        return [Candidate(name, lambda: [change(a) for a in call()], list, **more)]

    return Peer(name, ("numpy",), make, "numpy")


def row_of(**times: Any) -> dict[str, Any]:
    """A row of made-up times; `ours` and what begins with it are ours, `other` has another layout."""
    entries = {
        name: {"least": t, "own": name.startswith("ours"), "counted": name != "other", "error_max": 0,
               "error_rms": 0, "median": t, "spread": 0.0}
        for name, t in times.items()
    }  # fmt: skip
    return {"entries": entries, "flops": 2_000_000, "peaks": [90.0, 100.0]}
