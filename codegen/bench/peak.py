"""Owns the limits that times are held against: operations and bytes a second, of this machine now.

The loop of multiply-adds has as many independent sums as the instruction set has accumulators, and no memory;
reading sums a buffer. Both are compiled with the flags of the kernels.
"""

from __future__ import annotations

import ctypes
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from codegen.compile import Isa, chosen_isa, compiler, flags_of, run_tool

STEPS = 1 << 14
TURNS = 8
TEXT = r"""
typedef {element} v __attribute__((vector_size({bytes})));
double peak(long steps) {{
  v a = {{0}}, b = a + ({element})0.999999, c = a + ({element})1e-6;
  {declared}
  for (long i = 0; i < steps; i++) {{
    {multiplied}
    __asm__ volatile("" : "+v"(b));
  }}
  v t = {total};
  double s = 0;
  for (int i = 0; i < (int)(sizeof(v) / sizeof({element})); i++) s += t[i];
  return s;
}}
double sweep(const {element} *from, long count) {{
  const long lanes = sizeof(v) / sizeof({element});
  v t0 = {{0}}, t1 = t0, t2 = t0, t3 = t0;
  for (long i = 0; i + 4 * lanes <= count; i += 4 * lanes) {{
    const v *p = (const v *)(from + i);
    t0 += p[0]; t1 += p[1]; t2 += p[2]; t3 += p[3];
  }}
  v t = (t0 + t1) + (t2 + t3);
  double s = 0;
  for (int i = 0; i < (int)lanes; i++) s += t[i];
  return s;
}}
"""
LEVELS = {"L2": 512 << 10, "L3": 8 << 20, "memory": 256 << 20}
"""Bytes of the buffers that are read to measure each level."""


def text_of(isa: Isa, dtype: str) -> str:
    """The C text of the two loops."""
    names = [f"s{i}" for i in range(min(isa.accumulators, 14) - isa.accumulators % 2)]
    return TEXT.format(
        element={"float32": "float", "float64": "double"}[dtype],
        bytes=isa.vector_bytes,
        declared=" ".join(f"v {n} = a + {i};" for i, n in enumerate(names)),
        multiplied=" ".join(f"{n} = {n} * b + c;" for n in names),
        total=" + ".join(names),
    )


@cache
def _library(isa_name: str, dtype: str) -> tuple[ctypes.CDLL, int]:
    isa = chosen_isa(isa_name)
    with tempfile.TemporaryDirectory(prefix="backflip-peak-") as folder:
        text, binary = Path(folder, "peak.c"), Path(folder, "peak.so")
        text.write_text(text_of(isa, dtype), encoding="utf-8")
        run_tool("gcc", [compiler(), *flags_of(isa, ()), text.name, "-o", str(binary)], text.parent)
        library = ctypes.CDLL(str(binary))
    library.peak.restype = library.sweep.restype = ctypes.c_double
    library.peak.argtypes, library.sweep.argtypes = [ctypes.c_long], [ctypes.c_void_p, ctypes.c_long]
    sums = min(isa.accumulators, 14) - isa.accumulators % 2
    return library, 2 * sums * isa.lanes(dtype)


def peak_loop(dtype: str, threads: int = 1, isa: str = "native") -> Callable[[], float]:
    """A call that runs the loop some times on every thread: the best in GFLOP/s, added over the threads."""
    library, flops = _library(isa, dtype)

    def once() -> float:
        start = time.perf_counter()
        library.peak(STEPS)
        return flops * STEPS / (time.perf_counter() - start) / 1e9

    def alone() -> float:
        return max(once() for _ in range(TURNS))

    return alone if threads == 1 else lambda: _together(alone, threads)


def _together(alone: Callable[[], float], threads: int) -> float:
    found: list[float] = []
    gate = threading.Barrier(threads)

    def work() -> None:
        gate.wait()
        found.append(alone())

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return sum(found)


def read_speeds(dtype: str = "float32", isa: str = "native") -> dict[str, float]:
    """By level GB/s that one thread reads, the best of some sweeps."""
    library, _ = _library(isa, dtype)
    found = {}
    for level, size in LEVELS.items():
        buffer = np.ones(size + 64, np.uint8)
        start = buffer.ctypes.data + -buffer.ctypes.data % 64
        count = size // np.dtype(dtype).itemsize
        buffer[:] = 0
        times = []
        for _ in range(max(3, (64 << 20) // size)):
            begun = time.perf_counter()
            library.sweep(start, count)
            times.append(time.perf_counter() - begun)
        found[level] = size / min(times) / 1e9
    return found
