"""Owns the inside of a sanitized run: buffers of exactly their size, filled, and calls of each kernel.

Run as a program by `codegen.audit_memory`, in a process of its own under the sanitizers' runtime; it imports
the standard library alone. It is given the module's name, its file and a JSON file of calls, and says where
each buffer lies before the call, so that a report's addresses can be named.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Mapping
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

VALUES = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)
"""What buffers are filled with, over and over; no address depends on them."""
KINDS: Mapping[int, Any] = {4: ctypes.c_float, 8: ctypes.c_double}
"""C's element by its size."""


def buffer(elements: int, itemsize: int, moved: int) -> tuple[int, Any]:
    """Address and object of a block from the C allocator that ends where its last element ends.

    Args:
        moved: elements by which it starts after the block does; 0, or 1 for the least alignment.
    """
    allocate = ctypes.CDLL(None).malloc
    allocate.restype, allocate.argtypes = ctypes.c_void_p, (ctypes.c_size_t,)
    start = allocate((elements + moved) * itemsize) + moved * itemsize
    pattern = bytes((KINDS[itemsize] * len(VALUES))(*VALUES))
    ctypes.memmove(start, pattern * (elements // len(VALUES) + 1), elements * itemsize)
    return start, (KINDS[itemsize] * elements).from_address(start)


def called(module: ModuleType, call: Mapping[str, Any], itemsize: int, moved: int) -> None:
    """One call of a kernel; `call` names its buffers in order with their numbers of elements."""
    made = {name: buffer(count, itemsize, moved) for name, count in call["buffers"]}
    for name, (start, _) in made.items():
        print(call["kernel"], name, hex(start), moved, flush=True)
    getattr(module, f"call_{call['kernel']}")(*(block for _, block in made.values()))


def main(name: str, path: str, calls: str) -> None:
    spec = spec_from_file_location(name, path, loader=ExtensionFileLoader(name, path))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    given = json.loads(Path(calls).read_text(encoding="utf-8"))
    for call in given["calls"]:
        for moved in (0, 1):
            called(module, call, given["itemsize"], moved)
    print("done")


if __name__ == "__main__":
    main(*sys.argv[1:])
