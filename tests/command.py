"""Owns how tests start the command: a fresh process, its own folder, everything it said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str


def backflip(*args: str, cwd: Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> Said:
    """`backflip ARGS` in `cwd`; `env` is added to the environment, an empty value takes a name away."""
    merged = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"} | dict(env or {})
    merged = {key: value for key, value in merged.items() if value}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "codegen.cli", *args],
        cwd=cwd,
        env=merged,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)
