"""Owns the public names of `codegen`: `build`, for layers and graphs, and `load`, imported on first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codegen.errors import BuildError
    from codegen.graph import build
    from codegen.restored import load

__all__ = ["BuildError", "build", "load"]

_HOMES = {"BuildError": "codegen.errors", "build": "codegen.graph", "load": "codegen.restored"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'codegen' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
