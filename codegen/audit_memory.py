"""Owns the search for accesses outside buffers: the same C file under AddressSanitizer and UBSan.

The class builds and guard margins cannot see a read beside a buffer whose value is dropped afterwards (a
vector that reaches past the scratch it belongs to). Here every buffer is a block of its own from the C
allocator, of exactly the size that the kernel asks for, so that the first byte beside it is a fault. A second
call moves every buffer by one element, the least alignment that a caller may give. It is the same C file, for
the element that ships, compiled another time: the sanitizers' checks are in the code, so the binary cannot be
the shipped one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from codegen import audit_child, compile
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.compile import Isa
from codegen.errors import BuildError
from codegen.record import Check
from codegen.relation import entries
from codegen.rig import counts_of

FLAGS = ("-O1", "-g1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0:exitcode=86:abort_on_error=0:symbolize=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "PYTHONMALLOC": "malloc",
}
SECONDS = 600


@dataclass(frozen=True)
class Buffer:
    """Where a buffer of a sanitized run lay: kernel, name, first byte, the elements by which it was moved."""

    kernel: str
    name: str
    start: int
    moved: int


def check_memory(artefact: Artefact, isa: Isa) -> list[Check]:
    """Every kernel of an artefact's C file, compiled with sanitizers, on buffers of exactly their sizes.

    Raises BuildError naming the kernel and the buffer at the first access outside a buffer, the first
    misaligned one, and the first other operation that C leaves undefined; or where there are no sanitizers.
    """
    element = SHIPPED_ELEMENT[artefact.dtype]
    with tempfile.TemporaryDirectory(prefix="backflip-") as folder:
        target, calls = Path(folder) / "sanitized.so", Path(folder) / "calls.json"
        defined = (element, f"BF_LANES={artefact.lanes}")
        compile.to_binary(artefact.c_path, target, isa, defined, FLAGS)
        given = {k: _buffers(artefact, k) for k in artefact.equations}
        itemsize = {"float32": 4, "float64": 8}[artefact.dtype]
        listed = [{"kernel": k, "buffers": b} for k, b in given.items()]
        calls.write_text(json.dumps({"itemsize": itemsize, "calls": listed}), encoding="utf-8")
        command = [sys.executable, "-I", audit_child.__file__, module_name(artefact.c_path)]
        _run([*command, str(target), str(calls)])
    return [_passed(kernel, element) for kernel in given]


def _run(command: list[str]) -> None:
    """The calls in a process under the sanitizers. Raises BuildError with what they report, if anything."""
    given = os.environ | OPTIONS | {"LD_PRELOAD": runtime()}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=SECONDS, env=given
        )
    except subprocess.TimeoutExpired:
        raise BuildError("the sanitized run did not end", expected=f"an end in {SECONDS} s") from None
    if done.returncode or not done.stdout.endswith("done\n"):
        raise fault(done.stdout, done.stderr, done.returncode)


def _buffers(artefact: Artefact, kernel: str) -> list[tuple[str, int]]:
    """The arguments of a kernel's call in order, with their numbers of elements."""
    out = entries(artefact.equations[kernel].target)
    return [
        ("out", out),
        *counts_of(artefact, kernel).items(),
        ("workspace", artefact.workspace_elements[kernel]),
    ]


def _passed(kernel: str, element: str) -> Check:
    return Check(
        kernel,
        "asan",
        f"the same C file for {element}, compiled with AddressSanitizer and UBSan, called on buffers of "
        "exactly their sizes, once as allocated and once moved by one element, accesses nothing outside "
        "them, nothing at a lower alignment than its type's, and does nothing else that UBSan knows to be "
        "undefined",
        "deterministic, and for all operands, since no address depends on data (lexical); of the C file "
        "compiled once more, at -O1, with parts of vectors copied instead of masked",
        {"calls": 2, "flags": list(FLAGS)},
    )


def module_name(c_path: Path) -> str:
    """The name under which a C file of Cython's is imported."""
    found = re.search(r"PyInit_(\w+)\(void\)", c_path.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def runtime() -> str:
    """The sanitizers' library, the first that a process loads. Raises BuildError where there is none."""
    shown = subprocess.run(
        [compile.compiler(), "-print-file-name=libasan.so"], capture_output=True, text=True, check=False
    )
    path = Path(shown.stdout.strip())
    if not path.is_absolute() or not path.exists():
        raise BuildError(
            "gcc has no AddressSanitizer", where="libasan.so", expected="a file", got=str(path),
            mend="install gcc's sanitizers (libasan and libubsan of its version)",
        )  # fmt: skip
    return str(path)


def fault(said: str, report: str, status: int) -> BuildError:
    """What a sanitizer's report says, with the kernel and the buffer that the address belongs to."""
    lines = (line.split() for line in said.splitlines() if line.count(" ") == 3)
    buffers = [Buffer(k, n, int(start, 16), int(moved)) for k, n, start, moved in lines]
    kernel = buffers[-1].kernel if buffers else "(none was called)"
    undefined = re.search(r"runtime error: (.*)", report)
    if undefined:
        return BuildError(
            f"kernel {kernel} does what C leaves undefined",
            where=_place(report),
            expected="no misaligned access, no overflow of whole numbers, no address past its block",
            got=undefined[1],
        )
    kind = re.search(r"ERROR: AddressSanitizer: (\S+)", report)
    if kind is None:
        words = report.strip()[-compile.TAIL_OF_OUTPUT :]
        return BuildError("the sanitized run ended without a report", where=kernel, got=f"{status}: {words}")
    access = re.search(r"^(READ|WRITE) of size (\d+)", report, re.M)
    beside = re.search(r"is located (\d+ bytes .*?) of (\d+)-byte region \[(0x[0-9a-f]+)", report)
    got = f"{kind[1]}: {access[0].lower()}" if access else kind[1]
    if beside:
        got += f", {beside[1]} of {_named(buffers, int(beside[3], 16))} ({beside[2]} bytes)"
    return BuildError(
        f"kernel {kernel} accesses memory outside its buffers",
        where=_place(report),
        expected="reads and writes inside out, operands and workspace alone",
        got=got,
    )


def _named(buffers: list[Buffer], start: int) -> str:
    """The buffer whose block begins at an address."""
    kernel = buffers[-1].kernel if buffers else ""
    own = [b for b in buffers if b.kernel == kernel and 0 <= b.start - start <= 8 * b.moved]
    return own[-1].name if own else "a block"


def _place(report: str) -> str:
    """The kernel's function and line of C in a report's first frames."""
    frame = re.search(r"#\d+ 0x[0-9a-f]+ in (\w*bf_\w+) (\S+?)(:\d+)?$", report, re.M)
    return f"{frame[1]}, {Path(frame[2]).name}{frame[3] or ''}" if frame else "the sanitized build"
