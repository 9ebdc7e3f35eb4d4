"""Owns the number of threads of NumPy's matrix products while the cores are taken by others."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads", "openblas_{}_num_threads")


@contextmanager
def one_thread() -> Iterator[None]:
    """Products of matrices on one thread meanwhile, in the whole process; no change without OpenBLAS.

    Its threads wait for one another by spinning: beside traced runs on every core they only take turns.
    """
    found = threads()
    if found is None:
        yield
        return
    get, put = found
    before = int(get())
    put(1)
    try:
        yield
    finally:
        put(before)


@cache
def threads() -> tuple[Any, Any] | None:
    """How to ask for and to set the number of threads of the OpenBLAS that NumPy brought along."""
    for path in sorted(Path(np.__file__).parent.parent.glob("numpy.libs/*openblas*")):
        library = ctypes.CDLL(str(path))
        for name in NAMES:
            if hasattr(library, name.format("get")) and hasattr(library, name.format("set")):
                return getattr(library, name.format("get")), getattr(library, name.format("set"))
    return None
