"""Owns which layers of the registry are linear: the others are listed in `layer_text.NONLINEAR`."""

from __future__ import annotations

from layer_text import NONLINEAR

from derive.layers import registry
from derive.layers.base import Layer


def linear_layers() -> dict[str, type[Layer]]:
    """The layers whose gradients are sums of products of operands, without functions and selection."""
    return {name: kind for name, kind in registry().items() if name not in NONLINEAR}
