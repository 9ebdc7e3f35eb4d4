"""Owns the compiling of one C file for several elements, and the watch on what of it is loaded."""

from __future__ import annotations

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from types import ModuleType

from codegen import cache, compile
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.compile import Isa
from codegen.errors import BuildError


@dataclass(frozen=True)
class Variants:
    """One C file compiled with other definitions; each once, beside the file.

    Attributes:
        threads: of the variant that ships; all others, which count and mark, run on one.
    """

    name: str
    c_path: Path
    isa: Isa
    lanes: int
    threads: int = 1

    def definitions(self, given: Sequence[str]) -> tuple[str, ...]:
        return (*given, f"BF_LANES={self.lanes}")

    def path(self, given: Sequence[str]) -> Path:
        return self.c_path.with_name("_".join(("variant", *given)) + ".so")

    def make(self, given: tuple[str, ...], target: Path) -> None:
        """The variant as a shared object at `target`."""
        ships = len(given) == 1 and given[0] in SHIPPED_ELEMENT.values()
        further = compile.further_of(self.threads if ships else 1)
        compile.to_binary(self.c_path, target, self.isa, self.definitions(given), further)

    def __call__(self, given: tuple[str, ...]) -> ModuleType:
        target = self.path(given)
        if not target.exists():
            self.make(given, target)
        return compile.load(self.name, target)


@dataclass(frozen=True)
class Watched:
    """An artefact's `load_variant` that refuses a module of another text and notes the files it loaded.

    Attributes:
        files: by variant the sha256 of the file that was loaded.
        turn: who compiles and loads a variant does so alone; different ones are compiled side by side.
    """

    artefact: Artefact
    files: dict[str, str] = field(default_factory=dict)
    turn: defaultdict[tuple[str, ...], Lock] = field(default_factory=lambda: defaultdict(Lock))

    @property
    def listed(self) -> dict[str, str]:
        """`files` in the order of their names."""
        return dict(sorted(self.files.items()))

    def __call__(self, given: tuple[str, ...]) -> ModuleType:
        """The variant's module. Raises BuildError where it says it is of another text or vector length."""
        with self.turn[given]:
            module = self.artefact.load_variant(given)
        if "def source_digest():" in self.artefact.pyx_text:
            text = cache.text_digest(self.artefact.pyx_text)
            agree(" ".join(given), module, {"source_digest": text, "lanes": self.artefact.lanes})
        assert module.__file__ is not None
        self.files["_".join(given)] = cache.file_digest(Path(module.__file__))
        return module


def agree(where: str, module: ModuleType, wanted: dict[str, object]) -> None:
    """Raises BuildError where a function of a module, called without arguments, returns something else."""
    for name, value in wanted.items():
        said = getattr(module, name)() if hasattr(module, name) else "nothing"
        if said != value:
            raise BuildError(
                f"a module's {name}() is not that of the text it stands for",
                where=where,
                expected=str(value),
                got=str(said),
                mend="build it again",
            )


def copied(module: ModuleType) -> ModuleType:
    """The same compiled file loaded once more, with a state of its own, to be run beside the first."""
    assert module.__file__ is not None
    with tempfile.TemporaryDirectory(prefix="backflip-") as folder:
        there = Path(folder) / Path(module.__file__).name
        shutil.copyfile(module.__file__, there)
        return compile.load(module.__name__, there)
