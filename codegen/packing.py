"""Owns packed weights as Python holds them: laid out anew once, for one kernel object."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from codegen.operands import Array

ALIGNMENT = 64
"""Workspaces and packed weights begin at a multiple of so many bytes, for speed alone."""


def aligned(elements: int, dtype: Any) -> Array:
    """A new flat array, not filled, that begins at a multiple of `ALIGNMENT` bytes."""
    size = elements * np.dtype(dtype).itemsize
    whole = np.empty(size + ALIGNMENT, np.uint8)
    start = -whole.ctypes.data % ALIGNMENT
    return whole[start : start + size].view(dtype)


class Packed(tuple[Any, ...]):
    """A weight for one kernel object: (the kernel, a snapshot of the weight, the packed arrays by position).

    Made by `Kernel.pack_weights`; later changes of the array it was made from do not show, and its own arrays
    are read only: kernels that pack and kernels that do not see one weight.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<Packed weight of {self.kernel!r}>"

    @property
    def kernel(self) -> Any:
        return self[0]

    @property
    def array(self) -> Array:
        """The weight as it was given."""
        found: Array = self[1]
        return found


def positions(kernels: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """Where in a `Packed` the packed weight of each kernel lies; kernels that do not pack are left out."""
    packing = [name for name, known in kernels.items() if known.get("packed", 0)]
    return {name: 2 + i for i, name in enumerate(packing)}


def pack(
    owner: Any, module: ModuleType, kernels: Mapping[str, Mapping[str, Any]], weight: Array, scratch: Array
) -> Packed:
    """The weight, copied, and as each kernel of a module packs it."""
    snapshot, packed = weight.copy(), []
    for name in positions(kernels):
        packed.append(aligned(int(kernels[name]["packed"]), weight.dtype))
        getattr(module, f"call_pack_{name}")(packed[-1], snapshot, scratch)
    for array in (snapshot, *packed):
        array.flags.writeable = False
    return Packed((owner, snapshot, *packed))
