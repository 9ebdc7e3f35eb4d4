"""Owns the options of `build`: which values they take."""

from __future__ import annotations

import os

from codegen.errors import BuildError
from derive.errors import LayerError
from derive.layers.base import Layer

DTYPES = ("float32", "float64")
LEVELS = ("fast", "exact")
TIERS = ("strict", "balanced", "relaxed")
SWITCH = "BACKFLIP_TUNE"
"""Environment variable; "0" makes every build take the model's choice, as tune=False does."""


def tunes(asked: bool) -> bool:
    """Whether schedules are timed: where it was asked for and the environment does not forbid it."""
    return asked and os.environ.get(SWITCH, "1") != "0"


def check_options(layer: object, *, dtype: str, validate: str, accuracy: str, threads: int) -> None:
    """Raises LayerError on an option out of range or what is no layer, BuildError on several threads."""
    for title, value, allowed in (
        ("dtype", dtype, DTYPES),
        ("validate", validate, LEVELS),
        ("accuracy", accuracy, TIERS),
    ):
        if value not in allowed:
            raise LayerError("unknown option", where=title, expected=" or ".join(allowed), got=repr(value))
    if type(threads) is not int or threads < 1:
        raise LayerError("threads out of range", where="threads", expected="at least 1", got=repr(threads))
    if threads != 1:
        raise BuildError(
            "kernels run on one thread in this version",
            where="threads",
            expected="1",
            got=repr(threads),
            mend="call kernels from several Python threads: the interpreter lock is released while one runs",
        )
    if not isinstance(layer, Layer):
        raise LayerError(
            "not a layer",
            where="build",
            expected="a layer such as Conv2d(3, 8, 3)",
            got=repr(layer)[:60],
            mend="derive.parse_layer(text)",
        )
