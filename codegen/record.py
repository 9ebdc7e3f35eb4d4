"""Owns what a validation says it did: checks with their exact claims and bounds, as plain data."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from codegen.artefact import SHIPPED_ELEMENT


@dataclass(frozen=True)
class Check:
    """One passed check of one kernel.

    Attributes:
        kernel: its name, or "text" for the gate on the whole text.
        method: "lexical", "integers", "trace", "uint64", "real", "field", "functions", "bounded",
            "selection", "rational", "packed", "threads", "marks"; of an audit also "rebuild" and "asan".
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
    """Every check that one artefact passed; a failed one raises instead.

    Attributes:
        level: "fast", "exact" or "audit".
        dtype, lanes: element of the shipped binary, elements in a vector.
        seed: of the random operands.
        seconds: how long it took.
        checks: in the order in which they were made.
        at: when it began, UTC, to the second (ISO 8601).
        c_sha256: of the C file that every variant was compiled from.
        loaded: by variant ("BF_ELEMENT_FLOAT", "BF_ELEMENT_TRACE", ...) the sha256 of the file that was run.
    """

    level: str
    dtype: str
    lanes: int
    seed: int
    seconds: float
    checks: tuple[Check, ...]
    at: str = ""
    c_sha256: str = ""
    loaded: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @staticmethod
    def from_json(text: str) -> ValidationRecord:
        plain = json.loads(text)
        return ValidationRecord(**{**plain, "checks": tuple(Check(**c) for c in plain["checks"])})

    def of(self, method: str) -> tuple[Check, ...]:
        return tuple(c for c in self.checks if c.method == method)

    @property
    def shipped(self) -> str:
        """The sha256 of the binary that ships, as it was loaded and run."""
        return self.loaded[SHIPPED_ELEMENT[self.dtype]]

    @property
    def report(self) -> str:
        """One line a check, for a log."""
        return "\n".join(f"{c.kernel:<12} {c.method:<9} {c.claim} [{c.bound}]" for c in self.checks)

    def lines(self, width: int = 110) -> list[str]:
        """Every check with its claim and its bound, for a terminal; alike checks of several kernels together.

        Where a number differs between these it stands for each of them, in their order, as 3|5|7.
        """
        head = f"checked at level {self.level}, {self.at}, in {self.seconds:g} s, random seed {self.seed}:"
        return [head, *(line for group in groups(self.checks) for line in _wrapped(group, width))]


def groups(checks: Sequence[Check]) -> list[list[Check]]:
    """Checks of one method whose claims and bounds are the same words, some words apart; in order."""
    found: dict[tuple[str, int, int], list[Check]] = {}
    for check in checks:
        key = (check.method, len(check.claim.split()), len(check.bound.split()))
        found.setdefault(key, []).append(check)
    order = list(dict.fromkeys(c.method for c in checks))
    return sorted(found.values(), key=lambda group: order.index(group[0].method))


def _wrapped(group: Sequence[Check], width: int) -> list[str]:
    indent = " " * 12
    said = (_together([c.claim for c in group]), f"bound: {_together([c.bound for c in group])}")
    kernels = ", ".join(c.kernel for c in group)
    return [
        f"  {group[0].method:<9} {kernels}",
        *(
            line
            for text in said
            for line in textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)
        ),
    ]


def _together(texts: Sequence[str]) -> str:
    """Texts of equally many words as one; a word that is not the same in all of them is given for each."""
    words = zip(*(text.split() for text in texts), strict=True)
    return " ".join(each[0] if len(set(each)) == 1 else _each(each) for each in words)


def _each(words: tuple[str, ...]) -> str:
    """Words that differ, with brackets and stops that they share around them once: (3|5)."""
    opens = "(" if all(w.startswith("(") and ")" not in w for w in words) else ""
    bare = [w.removeprefix(opens) for w in words]
    closing = ("),", ")") if not any("(" in w for w in bare) else ()
    ends = next((e for e in (*closing, ",") if all(w.endswith(e) for w in bare)), "")
    return opens + "|".join(w.removesuffix(ends) for w in bare) + ends
