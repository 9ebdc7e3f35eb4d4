"""Owns the network and one step of its training; every number of both is computed by generated kernels.

The step w - rate * dL/dw needs no arithmetic of its own: a gradient is linear in the gradient it starts
from, so the backward pass starts from -rate instead of 1 and gives -rate * dL/dw, which the kernel of Add
adds to w. All parameters lie in one vector, so that this is one call; NumPy only moves numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import build
from derive import Add, Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential, Softmax
from derive.graph_shapes import plan
from derive.layers.base import Layer

Array = NDArray[Any]
Shape = tuple[int, ...]
Told = Callable[[str, int, int], None]
"""Hears (stage, done, total) as work goes on."""

BATCH = 24
SHAPE = (BATCH, 1, 8, 8)
LAYERS = (
    Conv2d(1, 16, 3, padding=1),
    ReLU(),
    MaxPool2d(2),
    Conv2d(16, 32, 3, padding=1),
    ReLU(),
    MaxPool2d(2),
    Flatten(),
    Linear(128, 10),
)
TRAINED = Sequential(*LAYERS, CrossEntropyLoss())
READING = Sequential(*LAYERS, Softmax(1))
TARGET = f"{len(LAYERS)}.target"
"""What the loss compares with, as the graph calls it."""


def parameters() -> dict[str, Shape]:
    """The shape of each weight and bias, under its name in the graph ("0.weight")."""
    tensors = plan(TRAINED, SHAPE).tensors.values()
    return {t.name: t.shape for t in tensors if t.kind == "given" and t.differentiable}


def initial(seed: int) -> dict[str, Array]:
    """PyTorch's distribution in float64: uniform within 1/sqrt(input entries that one output reads)."""
    rng = np.random.default_rng(seed)
    found, reach = {}, 1.0
    for name, shape in parameters().items():
        if name.endswith("weight"):
            reach = 1 / sqrt(prod(shape[1:]))
        found[name] = rng.uniform(-reach, reach, shape)
    return found


def compiled(dtype: str, step: Shape, told: Told | None = None) -> None:
    """Build every kernel of a Network, several at a time; the network then finds them in the build cache.

    Each layer is built as a graph of its own, differentiated by what it is in the whole. Most of the work is
    that of compilers, which are processes of their own, so threads are enough.
    """
    needed: dict[tuple[Layer | Sequential, Shape], tuple[str, ...]] = {(Add(), step): ()}
    for node in (node for graph in (TRAINED, READING) for node in plan(graph, SHAPE).placed):
        operands = (o for o, tensor in node.differentiable if tensor != "input")
        wrt = tuple(o if o == "input" else f"0.{o}" for o in operands)
        needed[Sequential(node.layer), node.shape] = wrt
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        jobs = [pool.submit(build, *place, dtype=dtype, wrt=wrt) for place, wrt in needed.items()]
        for done, job in enumerate(as_completed(jobs)):
            if told is not None:
                told(f"building {dtype} kernels", done, len(jobs))
            job.result()
    finally:
        pool.shutdown(cancel_futures=True)


class Network:
    """The compiled network for batches of BATCH pictures, and its parameters.

    Args:
        dtype: "float32" or "float64".
        weights: the parameters to begin with, by name, rounded to the dtype.
        told: hears which kernel is being built.

    Attributes:
        trained: from pictures and digits to the mean cross entropy, with the gradients of the parameters.
        reading: from pictures to how likely each digit is.
        step: adds two vectors as long as all parameters.
        vector: all parameters; `named` has each of them as a view of it.
    """

    def __init__(self, dtype: str, weights: dict[str, Array], told: Told | None = None) -> None:
        self.dtype = dtype
        self.shapes = {name: array.shape for name, array in weights.items()}
        self.vector = np.concatenate([array.reshape(-1) for array in weights.values()]).astype(dtype)
        self.named = self._views(self.vector)
        compiled(dtype, self.vector.shape, told)
        wrt = tuple(self.shapes)
        self.trained = build(TRAINED, SHAPE, dtype=dtype, tune=False, wrt=wrt)
        self.reading = build(READING, SHAPE, dtype=dtype, tune=False, wrt=wrt)
        self.step = build(Add(), self.vector.shape, dtype=dtype, tune=False, wrt=())
        self.saved = self.trained.saved()

    def _views(self, vector: Array) -> dict[str, Array]:
        """Each parameter as a part of the vector."""
        found, begin = {}, 0
        for name, shape in self.shapes.items():
            found[name] = vector[begin : begin + prod(shape)].reshape(shape)
            begin += prod(shape)
        return found

    def learn(self, pictures: Array, digits: Array, rate: float) -> float:
        """One step of gradient descent, w becomes w - rate * dL/dw; the loss before the step.

        Args:
            pictures: (BATCH, 1, 8, 8) of the dtype.
            digits: int64 (BATCH,).
        """
        tensors = {"input": pictures, TARGET: digits, **self.named}
        loss = float(self.trained.forward(tensors, saved=self.saved))
        found = self.trained.backward(np.full((), -rate, self.dtype), saved=self.saved)
        change = np.concatenate([found[name].reshape(-1) for name in self.shapes])
        self.vector = self.step.forward(self.vector, other=change)
        self.named = self._views(self.vector)
        return loss

    def probabilities(self, pictures: Array) -> Array:
        """How likely each digit is, (BATCH, 10)."""
        found: Array = self.reading.forward({"input": pictures, **self.named})
        return found
