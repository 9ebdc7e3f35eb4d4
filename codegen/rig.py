"""Owns the running of one kernel of one compiled variant between guard margins, poisoned or not."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.relation import Relation, entries, relation_of
from derive.claim import Claim
from derive.expr import Tensor

Array = NDArray[Any]
MARGIN = 64
"""Elements of poison on either side of every buffer: a read there spoils, a write there is noticed."""


@dataclass(frozen=True, eq=False)
class Guarded:
    """A buffer with margins; `inner` is what the kernel is given."""

    whole: Array
    margins: bytes

    @staticmethod
    def of(module: ModuleType, elements: int, dtype: Any) -> Guarded:
        whole = np.zeros(elements + 2 * MARGIN, dtype)
        module.poison(whole)
        return Guarded(whole, _margins(whole))

    @property
    def inner(self) -> Array:
        return self.whole[MARGIN:-MARGIN]

    @property
    def intact(self) -> bool:
        return _margins(self.whole) == self.margins


def _margins(whole: Array) -> bytes:
    return whole[:MARGIN].tobytes() + whole[-MARGIN:].tobytes()


class Rig:
    """One kernel of one variant with its result and workspace, which live from run to run.

    Args:
        kernel: "output", "grad_input", ...
        dtype: of the arrays: the artefact's for shipped elements, uint64 for class builds.
    """

    def __init__(self, artefact: Artefact, kernel: str, module: ModuleType, dtype: Any) -> None:
        self.kernel, self.module, self.dtype = kernel, module, np.dtype(dtype)
        self.claim: Claim = artefact.equations[kernel]
        self.relation: Relation = relation_of(self.claim)
        self.operands: tuple[Tensor, ...] = tuple(self._tensor(n) for n in artefact.operand_order[kernel])
        unread = (t for t in self.relation.operands if t not in self.operands)
        self.inputs: tuple[Tensor, ...] = (*self.operands, *unread)
        """Operands of kernel and definition: a kernel takes none that no window of it reads."""
        self.out = Guarded.of(module, entries(self.relation.result), self.dtype)
        self.workspace = Guarded.of(module, artefact.workspace_elements[kernel], self.dtype)

    def _tensor(self, name: str) -> Tensor:
        found = next((t for t in self.claim.setting.inputs if t.name == name), None)
        if found is None:
            raise BuildError(f"kernel {self.kernel} takes an operand its equation does not know", where=name)
        return found

    def poison(self) -> None:
        """Fills result and workspace with what no kernel may use."""
        self.module.poison(self.out.inner)
        self.module.poison(self.workspace.inner)

    def run(self, data: Mapping[str, Array]) -> Array:
        """The result for the given operands (flat, kernel's dtype); the array is overwritten by the next run.

        Raises BuildError where the kernel writes to an operand or beside a buffer.
        """
        given = {t.name: Guarded.of(self.module, entries(t), self.dtype) for t in self.operands}
        for name, buffer in given.items():
            buffer.inner[:] = data[name].reshape(-1)
        before = {name: buffer.whole.tobytes() for name, buffer in given.items()}
        call = getattr(self.module, f"call_{self.kernel}")
        call(self.out.inner, *(b.inner for b in given.values()), self.workspace.inner)
        for name, buffer in given.items():
            if buffer.whole.tobytes() != before[name]:
                raise BuildError(f"kernel {self.kernel} writes to its operand", where=name)
        for name, buffer in (("out", self.out), ("workspace", self.workspace)):
            if not buffer.intact:
                raise BuildError(f"kernel {self.kernel} writes beside a buffer", where=name)
        return self.out.inner


class Marks:
    """The branch marks that a recording variant leaves."""

    def __init__(self, module: ModuleType) -> None:
        assert module.__file__ is not None
        library = ctypes.CDLL(module.__file__)
        self._reset, self._marks = library.bf_marks_reset, library.bf_marks
        self._reset.argtypes, self._reset.restype = (), None
        self._marks.argtypes = (ctypes.POINTER(ctypes.c_int64),)
        self._marks.restype = ctypes.POINTER(ctypes.c_int32)

    def reset(self) -> None:
        self._reset()

    def sequence(self) -> NDArray[np.int32]:
        """The ids since the last reset, in order."""
        count = ctypes.c_int64()
        pointer = self._marks(ctypes.byref(count))
        if not count.value:
            return np.zeros(0, np.int32)
        return np.ctypeslib.as_array(pointer, (count.value,)).copy()
