"""Owns the options of `build`: which values they take."""

from __future__ import annotations

import os

from derive.errors import LayerError
from derive.layers.base import Layer

DTYPES = ("float32", "float64")
LEVELS = ("fast", "exact")
TIERS = ("strict", "balanced", "relaxed")
MOST_THREADS = 256
"""More than this machine has processors are allowed: results are the same, only later."""
SWITCH = "BACKFLIP_TUNE"
"""Environment variable; "0" makes every build take the model's choice, as tune=False does."""


def tunes(asked: bool) -> bool:
    """Whether schedules are timed: where it was asked for and the environment does not forbid it."""
    return asked and os.environ.get(SWITCH, "1") != "0"


def check_options(layer: object, *, dtype: str, validate: str, accuracy: str, threads: int) -> None:
    """Raises LayerError on an option out of range or what is no layer."""
    for title, value, allowed in (
        ("dtype", dtype, DTYPES),
        ("validate", validate, LEVELS),
        ("accuracy", accuracy, TIERS),
    ):
        if value not in allowed:
            raise LayerError("unknown option", where=title, expected=" or ".join(allowed), got=repr(value))
    if type(threads) is not int or not 1 <= threads <= MOST_THREADS:
        most = f"1 to {MOST_THREADS}"
        raise LayerError("threads out of range", where="threads", expected=most, got=repr(threads))
    if not isinstance(layer, Layer):
        raise LayerError(
            "not a layer",
            where="build",
            expected="a layer such as Conv2d(3, 8, 3)",
            got=repr(layer)[:60],
            mend="derive.parse_layer(text)",
        )
