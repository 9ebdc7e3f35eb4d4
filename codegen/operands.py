"""Owns the check of what a kernel is called with: shape, dtype, layout, alignment, overlap; no copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import LayerError

Array = NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """What one operand must be; entries between the two bounds, where there are bounds."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    bounds: tuple[int, int] | None = None

    def taken(self, value: Any) -> Array:
        """The operand as an array on the same memory. Raises LayerError, which names the mend."""
        array = value if type(value) is np.ndarray else viewed(self.name, value)
        if array.dtype != self.dtype:
            mend = f"{self.name}.astype(np.{self.dtype.name})"
            raise LayerError(
                "wrong dtype", where=self.name, expected=self.dtype.name, got=str(array.dtype), mend=mend
            )
        if array.shape != self.shape:
            raise wrong_shape(self.name, self.shape, array)
        if not array.flags.c_contiguous:
            raise LayerError(
                "not C-contiguous",
                where=self.name,
                expected="row-major elements without gaps",
                got=f"strides {array.strides}",
                mend=f"np.ascontiguousarray({self.name})",
            )
        if not array.flags.aligned:
            raise LayerError("not aligned to its elements", where=self.name, mend=f"{self.name}.copy()")
        if self.bounds is not None:
            self._bounded(array, *self.bounds)
        return array

    def _bounded(self, array: Array, low: int, high: int) -> None:
        """Raises LayerError where an entry is not between the bounds (a NaN is not)."""
        inside = (array >= low) & (array <= high)
        if inside.all():
            return
        spot = tuple(map(int, np.argwhere(~inside)[0]))
        raise LayerError(
            "out of range",
            where=f"{self.name}{list(spot)}",
            expected=f"{low} to {high}",
            got=f"{array[spot]} ({int((~inside).sum())} of {array.size} out of range)",
        )

    def written(self, value: Any, title: str) -> Array:
        """An array that the kernel may write to; a copy of one that does not fit would stay unfilled."""
        try:
            array = Wanted(title, self.shape, self.dtype).taken(value)
        except LayerError as fault:
            fresh = f"{title} = np.empty({self.shape}, np.{self.dtype.name})"
            raise LayerError(
                fault.what, where=title, expected=fault.expected, got=fault.got, mend=fresh
            ) from None
        if not array.flags.writeable:
            raise LayerError(
                "read-only",
                where=title,
                expected="an array that may be written to",
                got="read-only",
                mend=f"{title} = {title}.copy()",
            )
        return array


def wrong_shape(title: str, wanted: tuple[int, ...], array: Array) -> LayerError:
    """What is said of an array of another shape; one of as many entries may only lie differently."""
    as_many = array.size == np.prod(wanted, dtype=np.int64)
    mend = f"{title}.reshape{wanted}" if as_many else "an array of that shape; a kernel is of one shape"
    return LayerError("wrong shape", where=title, expected=str(wanted), got=str(array.shape), mend=mend)


def viewed(title: str, value: Any) -> Array:
    """A NumPy view of a DLPack or buffer object."""
    if np.ma.isMaskedArray(value):
        raise LayerError("masked array", where=title, expected="plain numbers", mend=f"{title}.filled(0)")
    try:
        if isinstance(value, np.ndarray):
            return np.asarray(value)
        if hasattr(value, "__dlpack__"):
            return np.asarray(np.from_dlpack(value))
        return np.asarray(memoryview(value))
    except (TypeError, ValueError, BufferError, RuntimeError) as fault:
        raise LayerError(
            "not an array",
            where=title,
            expected="a NumPy array, or an object with DLPack or the buffer protocol, on the CPU",
            got=f"{type(value).__name__}: {fault}",
            mend=f"np.asarray({title}, dtype=...)",
        ) from None


def check_apart(written: Mapping[str, Array], read: Mapping[str, Array]) -> None:
    """No written array shares memory with another one. Raises LayerError."""
    names = list(written)
    for position, title in enumerate(names):
        others = {**{n: written[n] for n in names[position + 1 :]}, **read}
        for other, array in others.items():
            if np.may_share_memory(written[title], array):
                raise LayerError(
                    f"{title} overlaps {other}",
                    where=title,
                    expected="memory of its own",
                    mend=f"give {title} another array, or copy {other} first",
                )


def check_workspace(value: Any, wanted_bytes: int, itemsize: int) -> Array:
    """A workspace as it is given: writable, contiguous, aligned, large enough. Raises LayerError."""
    array = viewed("workspace", value)
    kind = f"{'' if array.flags.writeable else 'read-only, '}strides {array.strides}"
    fit = array.flags.c_contiguous and array.flags.writeable and array.ctypes.data % itemsize == 0
    if not fit or array.nbytes < wanted_bytes:
        raise LayerError(
            "unfit workspace",
            where="workspace",
            expected=f"a writable C-contiguous aligned array of workspace_bytes = {wanted_bytes} or more",
            got=f"{array.nbytes} bytes, {kind}",
            mend=f"np.empty({wanted_bytes}, np.uint8)",
        )
    return array
