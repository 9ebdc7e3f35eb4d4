"""Owns how many threads the whole process may use: environment and CPUs, set before any library is loaded."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

from derive.errors import LimitError

_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(threads: int) -> dict[str, str]:
    """What OpenMP, OpenBLAS, MKL and XLA read when they are loaded."""
    several = "true" if threads > 1 else "false"
    xla = f"--xla_cpu_multi_thread_eigen={several} intra_op_parallelism_threads={threads}"
    return {
        **dict.fromkeys(_COUNTS, str(threads)),
        "OMP_PROC_BIND": "close",
        "XLA_FLAGS": xla,
        "JAX_PLATFORMS": "cpu",
    }


def confine(threads: int, values: MutableMapping[str, str] | None = None) -> list[int]:
    """Set the environment and keep the process on as many CPUs as threads; gives the CPUs.

    Raises LimitError where there are fewer CPUs, or where NumPy was loaded with another number already.
    """
    values = os.environ if values is None else values
    wanted = environment(threads)
    late = "numpy" in sys.modules and any(values.get(k) != v for k, v in wanted.items())
    if late:
        raise LimitError(
            "libraries that count their threads are loaded already",
            where="threads",
            expected="a process of its own",
            mend="set " + ", ".join(f"{k}={v}" for k, v in wanted.items()),
        )
    values.update(wanted)
    available = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if available and len(available) < threads:
        raise LimitError(
            "more threads than CPUs", where="threads", expected=f"at most {len(available)}", got=str(threads)
        )
    chosen = available[-threads:]
    if chosen:
        os.sched_setaffinity(0, chosen)
    return chosen
