"""Owns one row of the coverage table, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SIZE, OPEN = "THIS SIZE", "NOT PROVED"
LAYER, BETWEEN, GIVEN = "layer", "between layers", "given at a size"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        part: LAYER, BETWEEN or GIVEN.
        title: a class, the name of a theorem, or what is given.
        label: LABEL, SIZE or OPEN.
        reason: why not for all sizes; of a proved row, what it supposes of the values.
        choices: how many combinations of discrete choices were proved; of, how many there are.
        theorems, steps, certificates: what was replayed and verified.
        sizes: the sizes, every one a symbol of the theorems.
        meanings: what sizes mean there, in words.
        proved: the choices of each combination that was proved.
    """

    part: str
    title: str
    label: str
    reason: str = ""
    choices: int = 0
    of: int = 0
    theorems: int = 0
    steps: int = 0
    certificates: int = 0
    sizes: tuple[str, ...] = ()
    meanings: Mapping[str, str] = field(default_factory=dict)
    proved: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    @property
    def ok(self) -> bool:
        return self.label != OPEN
