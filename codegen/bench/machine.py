"""Owns what is said of the machine and the versions beside every result."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from codegen.bench.candidate import Peer
from codegen.compile import chosen_isa, compiler_version


def described(peers: Mapping[str, Peer]) -> dict[str, Any]:
    """Processor, its instruction set, CPUs, the speeds measured, and the versions of all that took part."""
    return {
        "machine": _machine(),
        "versions": {"python": platform.python_version(), **{n: p.version() for n, p in peers.items()}},
    }


@cache
def _machine() -> dict[str, Any]:
    from codegen.bench.peak import peak_loop, read_speeds

    return {
        "processor": processor(),
        "cpus": os.cpu_count(),
        "isa": chosen_isa("native").name,
        "compiler": compiler_version(),
        "peak": {d: round(max(peak_loop(d)() for _ in range(20)), 1) for d in ("float32", "float64")},
        "read": {level: round(speed, 1) for level, speed in read_speeds().items()},
    }


def processor() -> str:
    """The processor as Linux names it, with family and model, which tell designs of one name apart."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return platform.processor() or platform.machine()
    parts = [line.partition(":") for line in text.splitlines() if ":" in line]
    fields = {name.strip(): value.strip() for name, _, value in parts}
    return f"{fields.get('model name', '?')} (family {fields.get('cpu family')}, model {fields.get('model')})"
