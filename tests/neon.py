"""Kernels compiled for 64-bit ARM and run under an emulator: the functions of the C file, without Python."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codegen.artefact import SHIPPED_ELEMENT
from codegen.compile import HEADERS, ISAS, flags_of

COMPILER, EMULATOR, DISASSEMBLER = "aarch64-linux-gnu-gcc", "qemu-aarch64", "aarch64-linux-gnu-objdump"
MISSING = [tool for tool in (COMPILER, EMULATOR, DISASSEMBLER) if shutil.which(tool) is None]
FUNCTION = re.compile(
    r"^static [^\n]*__pyx_f_\w*?_((?:bf|run)_\w+)\([^;{]*\) \{.*?^\}", re.MULTILINE | re.DOTALL
)
MARGIN = 64
"""Bytes of a pattern on either side of every array; at a multiple of so many bytes arrays begin."""

HEAD = """
#include <stdio.h>
#include <sys/types.h>
typedef ssize_t Py_ssize_t;
#define CYTHON_UNUSED __attribute__((unused))
#define CYTHON_INLINE inline
#include "backflip_ops.h"
"""

MAIN = """
#define MARGIN %d
static char *take(long bytes) {
    long whole = (bytes + 2 * MARGIN + 63) / 64 * 64;
    char *start = aligned_alloc(64, whole);
    memset(start, 0xa5, whole);
    return start + MARGIN;
}
static int spoilt(const char *start, long bytes) {
    for (int i = 0; i < MARGIN; i++)
        if (start[-1 - i] != (char)0xa5 || start[bytes + i] != (char)0xa5) return 1;
    return 0;
}
int main(int argc, char **argv) {
    long count, bytes[32];
    E *at[32];
    (void)argc;
    if (fread(&count, sizeof count, 1, stdin) != 1 || count > 32) return 2;
    for (long i = 0; i < count; i++) {
        if (fread(bytes + i, sizeof *bytes, 1, stdin) != 1) return 2;
        at[i] = (E *)take(bytes[i]);
        if (bytes[i] && fread(at[i], bytes[i], 1, stdin) != 1) return 2;
    }
%s
    for (long i = 0; i < count; i++) {
        if (spoilt((char *)at[i], bytes[i])) return 3;
        if (bytes[i] && fwrite(at[i], bytes[i], 1, stdout) != 1) return 2;
    }
    return 0;
}
"""


def driver(c_text: str) -> str:
    """A program of the kernels in a C file: arrays in, one kernel by name, arrays out."""
    found = [(m[1], m[0]) for m in FUNCTION.finditer(c_text)]
    heads = [body.partition(" {")[0] + ";" for _, body in found]
    calls = []
    for name, head in zip((n for n, _ in found), heads, strict=True):
        if name.startswith("run_"):
            symbol = re.search(r"(__pyx_f_\w+)\(", head)
            assert symbol is not None
            calls.append(f'    if (!strcmp(argv[1], "{name.removeprefix("run_")}")) {symbol[1]}(at);')
    assert calls, "no kernel found"
    return "\n".join((HEAD, *heads, *(body for _, body in found), MAIN % (MARGIN, "\n".join(calls))))


@dataclass(frozen=True)
class Emulated:
    """A program of kernels as the module that a rig calls."""

    program: Path

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not name.startswith("call_"):
            raise AttributeError(name)
        return lambda *arrays: self._call(name.removeprefix("call_"), arrays)

    def _call(self, kernel: str, arrays: tuple[np.ndarray[Any, Any], ...]) -> None:
        data = struct.pack("<q", len(arrays))
        data += b"".join(struct.pack("<q", a.nbytes) + a.tobytes() for a in arrays)
        done = subprocess.run(
            [EMULATOR, str(self.program), kernel], input=data, capture_output=True, check=False
        )
        assert done.returncode == 0, (done.returncode, done.stderr[-400:])
        at = 0
        for array in arrays:
            back = np.frombuffer(done.stdout, array.dtype, array.size, at).reshape(array.shape)
            if back.tobytes() != array.tobytes():
                array[...] = back
            at += array.nbytes
        assert at == len(done.stdout)

    def poison(self, array: np.ndarray[Any, Any]) -> None:
        array.view(np.uint8)[...] = 0xFF

    @property
    def fused(self) -> int:
        """Instructions that multiply and add vectors."""
        shown = subprocess.run(
            [DISASSEMBLER, "-d", str(self.program)], capture_output=True, text=True, check=True
        )
        return len(re.findall(r"\tfml[as]\tv", shown.stdout))


def emulated(c_path: Path, dtype: str, lanes: int) -> Emulated:
    """The kernels of a C file as a program for 64-bit ARM, with the flags of the portable build."""
    source, program = c_path.with_name("driver.c"), c_path.with_name("driver")
    source.write_text(driver(c_path.read_text()))
    flags = [f for f in flags_of(ISAS["portable"], ()) if f not in ("-shared", "-fPIC")]
    macros = [f"-D{SHIPPED_ELEMENT[dtype]}", f"-DBF_LANES={lanes}"]
    command = [
        COMPILER,
        *flags,
        "-static",
        "-Werror",
        *macros,
        f"-I{HEADERS}",
        str(source),
        "-lm",
        "-o",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return Emulated(program)
