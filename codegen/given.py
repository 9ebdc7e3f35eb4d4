"""Owns the operands of one kernel object: which a call needs, which are checked arrays, which are its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from codegen.coded import Coded
from codegen.operands import Array, Wanted
from codegen.tables import arrays
from derive.errors import LayerError


class Given:
    """What the calls of a kernel object are given, checked by name.

    Args:
        wanted: floating operands, with the result and its gradient.
        coded: operands of codes.
        tables: constants of the layer.
        kernels: by kernel name the operands it takes, and the numbers of its own.
    """

    def __init__(
        self,
        wanted: Mapping[str, Wanted],
        coded: Mapping[str, Coded],
        tables: Mapping[str, Sequence[Fraction]],
        kernels: Mapping[str, Mapping[str, Any]],
        dtype: str,
    ) -> None:
        self.wanted, self.coded, self.tables = wanted, coded, arrays(tables, dtype)
        self.order = {name: tuple(k["operands"]) for name, k in kernels.items()}
        self._needs: dict[tuple[str, ...], tuple[str, ...]] = {}
        self.own = {
            name: arrays({n: tuple(map(Fraction, v)) for n, v in k.get("constants", {}).items()}, dtype)
            for name, k in kernels.items()
        }

    @property
    def listed(self) -> str:
        """The operands that a user gives, for a message."""
        codes = (n for n, c in self.coded.items() if not c.computed)
        return ", ".join((*(n for n in self.wanted if n != "output" and n[:4] != "new_"), *codes))

    def arguments(self, kernel: str, read: Mapping[str, Array]) -> tuple[Array, ...]:
        """The operands of a kernel in its order."""
        own = self.own[kernel]
        return tuple(own[n] if n in own else read[n] for n in self.order[kernel])

    def needs(self, *kernels: str) -> tuple[str, ...]:
        """The operands that kernels take from outside, each once."""
        found = self._needs.get(kernels)
        if found is None:
            outside = (n for k in kernels for n in self.order[k] if n not in self.own[k])
            found = self._needs[kernels] = tuple(dict.fromkeys(outside))
        return found

    def read(self, needed: Sequence[str], given: Mapping[str, Any]) -> dict[str, Array]:
        """The needed operands, checked; others are looked at only to refuse a name the layer lacks."""
        for name, value in given.items():
            known = name in self.wanted or (name in self.coded and not self.coded[name].computed)
            if value is not None and (name == "output" or not known):
                said = "by position only input, weight, bias; the others by name: forward(x, target=...)"
                mend = said if name in ("weight", "bias") else ""
                raise LayerError(
                    "the layer has no such operand", where=name, expected=self.listed, got=name, mend=mend
                )
        return {n: self.tables[n] if n in self.tables else self._taken(n, given.get(n)) for n in needed}

    def _taken(self, name: str, value: Any) -> Array:
        if value is None:
            known = self.coded.get(name) or self.wanted[name]
            kind = "an int64 array" if name in self.coded else "an array"
            raise LayerError(
                "missing operand",
                where=name,
                expected=f"{kind} of shape {known.shape}",
                got="None",
                mend=f"{name}=an array, by its name",
            )
        return self.coded[name].taken(value) if name in self.coded else self.wanted[name].taken(value)

    def out(self, operand: str, title: str, value: Any) -> Array:
        """The array that receives a result: the given one, checked, or a new one."""
        wanted = self.wanted[operand]
        return np.empty(wanted.shape, wanted.dtype) if value is None else wanted.written(value, title)
