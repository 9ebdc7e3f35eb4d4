"""Owns what a solver answers to "is there a counterexample?", and the message where it is not installed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from derive.errors import LimitError


@dataclass(frozen=True)
class Answer:
    """There is none (`none`), there is this one (`point`), or neither is known; `said` tells how or why.

    `places` counts the values of fixed names at which the question was asked (1 where none was fixed).
    """

    none: bool
    said: str
    point: dict[str, int] | None = None
    places: int = 0


def installed(module: str, package: str) -> Any:
    """The imported module; LimitError with the command to install it where it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise LimitError(
            "the solver for a second opinion is not installed",
            where=package,
            expected=f"the Python package {package}; no proof needs it",
            got="nothing to import",
            mend=f"pip install {package}, or pip install 'backflip[opinions]' for both solvers",
        ) from None
