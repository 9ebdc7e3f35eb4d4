"""Owns what becomes of kernels on several threads in a process that was forked: they run on one there.

GNU OpenMP keeps its threads from one call to the next. A process made by fork has a copy of its parent's
memory, but not of its threads, so that a call there would wait for ever for threads that do not exist.
Kernels therefore run on one thread in every forked process, to the same bits. Processes that start anew (the
methods "spawn" and "forkserver" of multiprocessing) have their own threads.
"""

from __future__ import annotations

import os
from types import ModuleType
from weakref import WeakSet

_MODULES: WeakSet[ModuleType] = WeakSet()
_FORKED: list[int] = []
"""The ids of this process, where it was forked after this file was imported."""


def watch(module: ModuleType) -> None:
    """Has a loaded module run on one thread in processes forked from here, and in this one if it is one."""
    if hasattr(module, "on_one_thread"):
        _MODULES.add(module)
        module.on_one_thread(forked())


def forked() -> bool:
    """Whether this process was forked after this file was imported."""
    return bool(_FORKED)


def _in_child() -> None:
    _FORKED.append(os.getpid())
    for module in list(_MODULES):
        module.on_one_thread(True)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
