"""Owns a small library of the element operations as the headers define them, to measure and test them."""

from __future__ import annotations

import ctypes
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.compile import Isa, to_binary
from codegen.loops import OPERATIONS
from derive.functions import PARAMETERS

Array = NDArray[Any]
ELEMENTS = {
    "float32": "BF_ELEMENT_FLOAT",
    "float64": "BF_ELEMENT_DOUBLE",
    "field": "BF_ELEMENT_FIELD",
    "uint64": "BF_ELEMENT_UINT64",
}
"""Element macro by a name for it: numbers of that dtype, or uint64 modulo 2^61 - 1 ("field") and 2^64."""
UNKNOWN = ("f", "f_prime")
"""Functions that only the field knows."""
SELECTING = ("larger", "smaller")
LANEWISE = tuple(n[2:] for n, (_, given) in OPERATIONS.items() if n.startswith("e_") and set(given) == {"e"})
"""Operations on elements that vectors do lane by lane, without e_ and v_; functions are fn_<name>."""
ARGUMENTS = ("x", "q", "r", "s")


class Harness:
    """Every lane by lane operation on arrays, element by element and by vectors.

    Args:
        element: one of ELEMENTS.
        isa: instruction set; it sets the lanes of a vector as a build does.
    """

    def __init__(self, element: str, isa: Isa) -> None:
        self.dtype = np.dtype("uint64" if element == "field" else element)
        self.lanes = isa.lanes("float32" if element == "float32" else "float64")
        self.operations = tuple(n for n in LANEWISE if _known(n, element))
        self.names = tuple(n for n in PARAMETERS if f"fn_{n}" in self.operations)
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "harness.c", Path(folder) / "harness.so"
            source.write_text(source_text(self.operations), encoding="utf-8")
            to_binary(source, target, isa, (ELEMENTS[element], f"BF_LANES={self.lanes}"))
            self._library = ctypes.CDLL(str(target))

    def __call__(self, name: str, x: Array, parameters: tuple[Any, ...] = (), vectors: bool = True) -> Array:
        """The function `name` at every element of x; parameters are numbers of this dtype."""
        return self.run(
            f"fn_{name}", x, *(np.full(len(x), q, self.dtype) for q in parameters), vectors=vectors
        )

    def run(self, operation: str, *arrays: Array, vectors: bool = True) -> Array:
        """An operation on equally long arrays; `vectors` takes its vector form, on blocks that cover them.

        "unfused" is not in the headers: the sum of a product of the first two with the third.
        """
        count = len(arrays[0])
        room = -(-count // self.lanes) * self.lanes
        given = [np.resize(np.asarray(a, self.dtype), room) for a in arrays]
        out = np.empty(room, self.dtype)
        run = getattr(self._library, f"run_{'v' if vectors else 'e'}_{operation}")
        run.restype = None
        run(*(ctypes.c_void_p(a.ctypes.data) for a in (out, *given)), ctypes.c_ssize_t(room))
        return out[:count]


def _known(operation: str, element: str) -> bool:
    """Whether an element has the operation."""
    function = operation.removeprefix("fn_")
    if element == "uint64":
        return function == operation and operation not in SELECTING
    return element == "field" or function not in UNKNOWN


def source_text(operations: tuple[str, ...]) -> str:
    """C text with `run_e_<operation>` and `run_v_<operation>` (out, arrays, count) for each operation."""
    lines = ['#include "backflip_ops.h"', '#define SHOWN __attribute__((visibility("default"))) void']
    for name in (*operations, "unfused"):
        used = ARGUMENTS[: 3 if name == "unfused" else len(OPERATIONS[f"e_{name}"][1])]
        head = ", ".join(["E *out", *(f"const E *{a}" for a in used), "ptrdiff_t count"])
        for kind, step in (("e", "1"), ("v", "BF_LANES")):
            loaded = [f"{kind}_load({a} + i)" for a in used]
            value = f"{kind}_{name}({', '.join(loaded)})"
            if name == "unfused":
                value = f"{kind}_add({kind}_mul({loaded[0]}, {loaded[1]}), {loaded[2]})"
            lines += [
                f"SHOWN run_{kind}_{name}({head}) {{",
                f"    for (ptrdiff_t i = 0; i < count; i += {step}) {kind}_store(out + i, {value});",
                "}",
            ]
    return "\n".join(lines) + "\n"
