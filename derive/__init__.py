"""Owns the public names of `derive`: every layer class, compositions, and the questions asked of them.

>>> from derive import Conv2d, differentiate
>>> sorted(differentiate(Conv2d(1, 1, 2), (1, 1, 3, 3)))
['bias', 'input', 'weight']

Names are imported on first use, so that `import derive` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from derive.api import differentiate as differentiate
    from derive.api import prove as prove
    from derive.errors import BackflipError as BackflipError
    from derive.errors import LayerError as LayerError
    from derive.errors import LimitError as LimitError
    from derive.errors import ProofError as ProofError
    from derive.graph import Graph as Graph
    from derive.graph import Sequential as Sequential
    from derive.layers.conv import Conv2d as Conv2d
    from derive.matrix import matrix_form as matrix_form
    from derive.networks import prove_many as prove_many
    from derive.spelling import parse_layer as parse_layer
    from derive.verification import verify as verify

_HOMES = {
    "BackflipError": "derive.errors",
    "LayerError": "derive.errors",
    "Graph": "derive.graph",
    "LimitError": "derive.errors",
    "ProofError": "derive.errors",
    "Sequential": "derive.graph",
    "differentiate": "derive.api",
    "matrix_form": "derive.matrix",
    "parse_layer": "derive.spelling",
    "prove": "derive.api",
    "prove_many": "derive.networks",
    "verify": "derive.verification",
}


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return names()
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name[:1].isupper():
        from derive.layers import registry

        if (kind := registry().get(name)) is not None:
            return kind
    raise AttributeError(f"module 'derive' has no attribute {name!r}")


def names() -> list[str]:
    """The public names: the questions above, compositions, and every layer class that the registry finds."""
    from derive.layers import registry

    return sorted([*_HOMES, *registry()])


def __dir__() -> list[str]:
    return names()
