"""Owns the watch over somebody's function: which operands it overwrites while it runs.

Results are compared with the right ones at the operands as they were; a function that overwrites its own is
told so, for the caller's arrays would be overwritten too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.verify_call import Arrays, Subject
from derive.verify_poly import Poly


@dataclass
class Watch:
    """The operands that were overwritten in any run so far."""

    touched: dict[str, None] = field(default_factory=dict)

    def over(self, tried: Subject) -> Subject:
        """The same function; what it does to its operands is noted, also where it raises."""

        def run(arrays: Arrays, numbers: Mapping[str, Any]) -> Any:
            before = {name: array.copy() for name, array in arrays.items()}
            try:
                return tried.run(arrays, numbers)
            finally:
                self._note(before, arrays)

        return replace(tried, run=run)

    def _note(self, before: Arrays, after: Arrays) -> None:
        for name, old in before.items():
            if not name.startswith("running_") and not _equal(old, after[name]):
                self.touched[name] = None

    def lines(self) -> list[str]:
        """What is said; running statistics are there to be overwritten."""
        names = ", ".join(self.touched)
        return [f"overwrites its operands: {names} (compared with copies made before)"] if names else []


def _equal(old: NDArray[Any], new: NDArray[Any]) -> bool:
    if old.shape != new.shape or old.dtype != new.dtype:
        return False
    if old.dtype != object:
        return bool(np.array_equal(old, new, equal_nan=old.dtype.kind == "f"))
    return all(a is b or _alike(a, b) for a, b in zip(old.ravel(), new.ravel(), strict=True))


def _alike(one: object, other: object) -> bool:
    left, right = Poly.of(one), Poly.of(other)
    return left is not None and right is not None and left.same(right)
