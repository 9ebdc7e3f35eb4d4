"""Owns the running of one kernel of one compiled variant between guard margins, poisoned or not."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.relation import Relation, entries, relation_of, shape_of
from derive.claim import Claim
from derive.expr import Tensor
from derive.index import Form

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


def counts_of(artefact: Artefact, kernel: str) -> dict[str, int]:
    """A kernel's operands after `out`, in order, with their numbers of elements."""
    return {name: _entries(artefact, kernel, name) for name in artefact.operand_order[kernel]}


def _entries(artefact: Artefact, kernel: str, name: str) -> int:
    """Elements of an operand: a number of the kernel's own, a tensor of the claim, or codes."""
    own = artefact.constants.get(kernel, {})
    if name in own:
        return len(own[name])
    layer, shape = artefact.layer, artefact.shape
    for indicator, code in layer.codes(shape).items() if layer is not None else ():
        if code.operand == name:
            extents = shape_of(_tensor(artefact, kernel, indicator))
            return prod(extents[axis] for axis in code.lead)
    return entries(_tensor(artefact, kernel, name))


def _tensor(artefact: Artefact, kernel: str, name: str) -> Tensor:
    found = next((t for t in artefact.equations[kernel].setting.inputs if t.name == name), None)
    if found is None:
        raise BuildError(f"kernel {kernel} takes an operand its equation does not know", where=name)
    return found


class Rig:
    """One kernel of one variant with its result and workspace, which live from run to run.

    Args:
        kernel: "output", "grad_input", ...
        dtype: of the arrays: the artefact's for shipped elements, uint64 for class builds.
    """

    def __init__(self, artefact: Artefact, kernel: str, module: ModuleType, dtype: Any) -> None:
        self.called = self.kernel = kernel
        self.module, self.dtype = module, np.dtype(dtype)
        self.artefact = artefact
        self.claim: Claim = artefact.equations[kernel]
        self.counts = counts_of(artefact, kernel)
        self.out = Guarded.of(module, entries(self.claim.target), self.dtype)
        self.workspace = Guarded.of(module, artefact.workspace_elements[kernel], self.dtype)

    @cached_property
    def relation(self) -> Relation:
        """The terms of the definition; BuildError where it is not sums of products."""
        return relation_of(self.claim)

    @cached_property
    def operands(self) -> tuple[Tensor, ...]:
        """The tensors that the kernel takes; numbers of its own and codes as flat ones."""
        known = {t.name: t for t in self.claim.setting.inputs}
        return tuple(known.get(n, Tensor(n, (Form.of(count),))) for n, count in self.counts.items())

    @cached_property
    def inputs(self) -> tuple[Tensor, ...]:
        """Operands of kernel and definition: a kernel takes none that no window of it reads."""
        unread = (t for t in self.relation.operands if t not in self.operands)
        return (*self.operands, *unread)

    def poison(self) -> None:
        """Fills result and workspace with what no kernel may use."""
        self.module.poison(self.out.inner)
        self.module.poison(self.workspace.inner)

    def run(self, data: Mapping[str, Array]) -> Array:
        """The result for the given operands (flat, kernel's dtype); the array is overwritten by the next run.

        Raises BuildError where the kernel writes to an operand or beside a buffer.
        """
        given = {n: Guarded.of(self.module, count, self.dtype) for n, count in self.counts.items()}
        for name, buffer in given.items():
            buffer.inner[:] = data[name].reshape(-1)
        before = {name: buffer.whole.tobytes() for name, buffer in given.items()}
        call = getattr(self.module, f"call_{self.called}")
        call(self.out.inner, *(b.inner for b in given.values()), self.workspace.inner)
        for name, buffer in given.items():
            if buffer.whole.tobytes() != before[name]:
                raise BuildError(f"kernel {self.kernel} writes to its operand", where=name)
        for name, buffer in (("out", self.out), ("workspace", self.workspace)):
            if not buffer.intact:
                raise BuildError(f"kernel {self.kernel} writes beside a buffer", where=name)
        return self.out.inner

    def repeat(self, data: Mapping[str, Array], found: Array) -> None:
        """Runs on other operands, then on `data` again, on the workspace that this left.

        Raises BuildError where the result then is not `found` (a copy of that of the run before) to the bit.
        """
        self.run({name: values[::-1] + values.dtype.type(1) for name, values in data.items()})
        again = self.run(data)
        check_bits(f"kernel {self.kernel} depends on what an earlier run left in its workspace", found, again)


def check_bits(refused: str, wanted: Array, found: Array) -> None:
    """Raises BuildError with these words where two results are not the same to the bit."""
    bits = [a.view(f"u{a.itemsize}") for a in (wanted, np.ascontiguousarray(found))]
    wrong = np.flatnonzero(bits[0] != bits[1])
    if wrong.size:
        first = int(wrong[0])
        raise BuildError(
            refused,
            where=f"entry {first} ({wrong.size} of {wanted.size} entries differ)",
            expected=str(wanted[first]),
            got=str(found[first]),
        )


class KeptRig(Rig):
    """A kernel run for the codes that it keeps in its workspace; `kernel` is the name of their operand."""

    def __init__(self, artefact: Artefact, kernel: str, module: ModuleType, dtype: Any, operand: str) -> None:
        super().__init__(artefact, kernel, module, dtype)
        self.kernel = operand
        self.start, self.length = artefact.kept[kernel][operand]

    def run(self, data: Mapping[str, Array]) -> Array:
        """The codes as elements, flat; overwritten by the next run."""
        super().run(data)
        return self.workspace.inner[self.start : self.start + self.length]


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
