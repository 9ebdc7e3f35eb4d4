"""Owns what a validation says it did: checks with their exact claims and bounds, as plain data."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Check:
    """One passed check of one kernel.

    Attributes:
        kernel: its name, or "text" for the gate on the whole text.
        method: "lexical", "integers", "trace", "uint64", "real", "field", "functions", "bounded",
            "selection" or "marks".
        claim: what was established, with nothing left out that it rests on.
        bound: the probability or the error that the claim allows; "deterministic" where it allows none.
        facts: numbers of this run (counts, seeds, worst error).
    """

    kernel: str
    method: str
    claim: str
    bound: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ValidationRecord:
    """Every check that one artefact passed; a failed one raises instead."""

    level: str
    dtype: str
    lanes: int
    seed: int
    seconds: float
    checks: tuple[Check, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> ValidationRecord:
        plain = json.loads(text)
        return ValidationRecord(**{**plain, "checks": tuple(Check(**c) for c in plain["checks"])})

    def of(self, method: str) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.method == method)

    @property
    def report(self) -> str:
        """One line a check, for a terminal."""
        return "\n".join(f"{c.kernel:<12} {c.method:<9} {c.claim} [{c.bound}]" for c in self.checks)
