"""Kernel objects that count the calls which their Python methods get, and what they are called with."""

from __future__ import annotations

from typing import Any

import numpy as np

from codegen.call import Kernel
from codegen.produce import Built
from derive.layers.conv import Conv2d

Array = np.ndarray[Any, Any]
LAYER, SHAPE = Conv2d(1, 2, 2), (1, 1, 4, 4)
FORWARD = ("input", "weight", "bias")


class Slow(Kernel):
    """A kernel object that counts the calls which its methods get."""

    calls = 0

    def forward(self, *args: Any, **named: Any) -> Any:
        self.calls += 1
        return super().forward(*args, **named)

    def backward(self, *args: Any, **named: Any) -> Any:
        self.calls += 1
        return super().backward(*args, **named)


def counting(k: Kernel) -> Slow:
    return Slow(k.layer, k.input_shape, k.dtype, k.wrt, k._given, built(k))


def built(k: Kernel) -> Built:
    return Built(k._module, k.source, k.proof, k._known, k.path, True)


def drawn() -> dict[str, Array]:
    rng = np.random.default_rng(0)
    shapes = {"input": SHAPE, "weight": (2, 1, 2, 2), "bias": (2,), "grad_output": (1, 2, 3, 3)}
    return {n: rng.standard_normal(s).astype(np.float32) for n, s in shapes.items()}


def fixed(a: Array) -> Array:
    a = a.copy()
    a.flags.writeable = False
    return a
