"""Owns the compiling of one C file for several elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from codegen import compile
from codegen.compile import Isa


@dataclass(frozen=True)
class Variants:
    """One C file compiled with other definitions; each once, beside the file."""

    name: str
    c_path: Path
    isa: Isa
    lanes: int

    def definitions(self, given: Sequence[str]) -> tuple[str, ...]:
        return (*given, f"BF_LANES={self.lanes}")

    def path(self, given: Sequence[str]) -> Path:
        return self.c_path.with_name("_".join(("variant", *given)) + ".so")

    def __call__(self, given: tuple[str, ...]) -> ModuleType:
        target = self.path(given)
        if not target.exists():
            compile.to_binary(self.c_path, target, self.isa, self.definitions(given))
        return compile.load(self.name, target)
