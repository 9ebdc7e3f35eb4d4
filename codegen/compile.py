"""Owns the way from Cython text to a loaded module: tools, flags, subprocesses; no setuptools."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.machinery import ExtensionFileLoader
from importlib.metadata import PackageNotFoundError, version
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from codegen.cache import file_digest
from codegen.errors import BuildError
from codegen.forked import watch

HEADERS = Path(__file__).resolve().parent / "targets" / "cython"
PACKAGES = "install gcc, python3-dev and python3-venv (Debian, Ubuntu) or your system's equivalents"
BASE_FLAGS = (
    *("-std=gnu11", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
    *("-fno-predictive-commoning", "-fPIC", "-shared", "-fno-strict-aliasing", "-Wno-psabi"),
    "-fno-inline-functions-called-once",
)
"""The last one leaves each part of a kernel a function: inlined into its only caller, its loops would share
registers with the constants and addresses of all other parts, and put vectors on the stack."""
INLINED_CLASS = "BF_ELEMENT_UINT64"
"""The class element whose operations are inlined; those of the others stay functions (backflip_ops.h)."""
TAIL_OF_OUTPUT = 4000


@dataclass(frozen=True)
class Isa:
    """An instruction set: the compiler's flags, the CPU features it needs, vector bytes, registers."""

    name: str
    flags: tuple[str, ...]
    needs: frozenset[str]
    vector_bytes: int
    registers: int
    accumulators: int

    def lanes(self, dtype: str) -> int:
        return self.vector_bytes // {"float32": 4, "float64": 8}[dtype]


_AVX512 = ("avx512f", "avx512vl", "avx512bw", "avx512dq", "avx2", "fma")
ISAS = {
    "avx512": Isa(
        "avx512", (*(f"-m{f}" for f in _AVX512), "-mprefer-vector-width=512"), frozenset(_AVX512), 64, 32, 28
    ),
    "avx2": Isa("avx2", ("-mavx2", "-mfma"), frozenset({"avx2", "fma"}), 32, 16, 12),
    "portable": Isa("portable", (), frozenset(), 16, 16, 12),
}


def chosen_isa(wanted: str) -> Isa:
    """The instruction set by name; "native" is the widest that this CPU has.

    Raises BuildError on an unknown name or one this CPU cannot run.
    """
    if wanted == "native":
        return next(i for i in ISAS.values() if i.needs <= cpu_features())
    if wanted not in ISAS:
        raise BuildError(
            "no such instruction set", where="isa", expected=f"native, {', '.join(ISAS)}", got=wanted
        )
    missing = ISAS[wanted].needs - cpu_features()
    if missing:
        raise BuildError(
            "this CPU cannot run such a kernel, and a build ends with running it",
            where="isa",
            got=f"{wanted}: the CPU lacks {', '.join(sorted(missing))}",
            mend="use isa='native'",
        )
    return ISAS[wanted]


@cache
def cpu_features() -> frozenset[str]:
    """Feature flags as Linux lists them; empty elsewhere, which leaves "portable"."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    line = next((t for t in text.splitlines() if t.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def compiler() -> str:
    """Path of gcc. Raises BuildError where there is none."""
    found = shutil.which("gcc")
    if found is None:
        raise BuildError("no C compiler", where="gcc on PATH", expected="gcc", got="nothing", mend=PACKAGES)
    return found


def compiler_identity() -> str | None:
    """Path, size and time of the compiler's file; None where there is no compiler."""
    found = shutil.which("gcc")
    if found is None:
        return None
    status = Path(found).resolve().stat()
    return f"{Path(found).resolve()} {status.st_size} {status.st_mtime_ns}"


def compiler_version() -> str:
    shown = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False)
    return shown.stdout.splitlines()[0] if shown.stdout else "unknown"


def cython_version() -> str | None:
    """The installed Cython's version, without importing it."""
    try:
        return version("Cython")
    except PackageNotFoundError:
        return None


def abi() -> dict[str, str]:
    """What a binary depends on beside its flags."""
    suffix = str(sysconfig.get_config_var("EXT_SUFFIX"))
    return {"python": platform.python_version(), "suffix": suffix, "machine": platform.machine()}


def headers_digest() -> dict[str, str]:
    return {p.name: file_digest(p) for p in sorted(HEADERS.glob("*.h"))}


def to_c(pyx: Path, module_name: str) -> Path:
    """The C file Cython makes of a text, beside it. Raises BuildError with Cython's own words."""
    if cython_version() is None:
        raise BuildError("Cython is not installed", where=sys.executable, mend="pip install cython")
    target = pyx.with_suffix(".c")
    command = [sys.executable, "-W", "ignore", "-m", "cython", "-3", "--module-name", module_name]
    run_tool("Cython", [*command, str(pyx), "-o", str(target)], pyx.parent)
    return target


def to_binary(
    c_path: Path, target: Path, isa: Isa, definitions: Sequence[str], further: Sequence[str] = ()
) -> None:
    """One shared object of the C file, with `further` flags last. Raises BuildError with gcc's own words.

    The C file is named without its folder, so that the same text gives the same bytes wherever it lies.
    """
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").exists():
        raise BuildError("Python's C headers are missing", where=include, expected="Python.h", mend=PACKAGES)
    macros = [f"-D{d}" for d in definitions]
    flags = [*flags_of(isa, definitions), *further, f"-I{HEADERS}", f"-I{include}"]
    run_tool("gcc", [compiler(), *flags, *macros, c_path.name, "-lm", "-o", str(target)], c_path.parent)


def flags_shipped(isa: Isa, threads: int) -> list[str]:
    """The flags of the binary that ships; of every other build those of one thread, `flags_of`."""
    return [*flags_of(isa, ()), *further_of(threads)]


def further_of(threads: int) -> tuple[str, ...]:
    """What sharing the parts of kernels among threads takes."""
    return ("-fopenmp",) if threads > 1 else ()


def flags_of(isa: Isa, definitions: Sequence[str]) -> list[str]:
    """The build's flags; at -O1 for the class build in which gcc has much to inline and little to gain."""
    slow = INLINED_CLASS in definitions
    return [("-O1" if slow and f == "-O2" else f) for f in (*BASE_FLAGS, *isa.flags)]


def run_tool(title: str, command: Sequence[str], where: Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=where, check=False)
    if done.returncode:
        words = (done.stdout + done.stderr).strip()[-TAIL_OF_OUTPUT:]
        raise BuildError(
            f"{title} failed with status {done.returncode}",
            where=Path(command[-1]).name,
            got=words,
            mend=f"if something is missing: {PACKAGES}",
        )


def load(name: str, path: Path) -> ModuleType:
    """The module in a shared object. Raises BuildError where it cannot be loaded."""
    loader = ExtensionFileLoader(name, str(path))
    spec = spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    try:
        module = module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as fault:
        raise BuildError("the built module does not load", where=path.name, got=str(fault)) from None
    watch(module)
    return module
