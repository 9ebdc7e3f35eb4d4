"""Owns the registry: every Layer subclass defined in a file of this folder, found by scanning it."""

from __future__ import annotations

import importlib
import pkgutil

from derive.layers.base import Layer


def registry() -> dict[str, type[Layer]]:
    """Public layer classes by name; a class is public when its claims are its own (not Layer's)."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found: dict[str, type[Layer]] = {}
    pending = list(Layer.__subclasses__())
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        if not kind.__name__.startswith("_"):
            found[kind.__name__] = kind
    return dict(sorted(found.items()))
