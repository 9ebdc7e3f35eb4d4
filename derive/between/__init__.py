"""Owns the list of theorems between layers: every `Between` in a THEOREMS of a file of this folder."""

from __future__ import annotations

import difflib
import importlib
import pkgutil

from derive.between.base import Between
from derive.between.fast import MORE, asked
from derive.errors import LayerError


def theorems_between() -> dict[str, Between]:
    """The theorems by name."""
    found: dict[str, Between] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name != "base":
            loaded = importlib.import_module(f"{__name__}.{module.name}")
            found |= {t.name: t for t in loaded.THEOREMS}
    return dict(sorted(found.items()))


def known_between(name: str) -> Between | None:
    """The theorem of that name, listed or one of a fast form with other numbers; None where there is none."""
    return theorems_between().get(name) or asked(name)


def theorem_between(name: str) -> Between:
    """The theorem of that name; LayerError with the nearest name where there is none."""
    if found := known_between(name):
        return found
    known = (*theorems_between(), *MORE)
    near = difflib.get_close_matches(name, known, 1, 0.0)
    raise LayerError(
        "no such theorem",
        where="--theorem",
        expected=", ".join(known),
        got=repr(name),
        mend=f"did you mean {near[0]}? `backflip prove --list` lists all",
    )
