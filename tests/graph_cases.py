"""Graphs that tests share: each as text, with input shapes and as a PyTorch function of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]
RESIDUAL = (
    "Graph(inputs=('x',), nodes={'a': (Conv2d(2, 2, 3, padding=1), 'x'), 's': (Add(), 'a', 'x')}, "
    "outputs=('s',))"
)
REFRESHER = (
    "Graph(inputs=('x', 'y', 'z'), nodes={'q': (Add(), 'x', 'y'), 'f': (Mul(), 'q', 'z')}, outputs=('f',))"
)
BRANCHES = (
    "Graph(inputs=('x',), nodes={'a': (Conv2d(2, 4, 1, groups=2), 'x'), 'r': (ReLU(), 'a'), "
    "'b': (MaxPool2d((3, 1), stride=1, padding=(1, 0)), 'x'), 'c': (Concat(), 'r', 'b'), "
    "'d': (Conv2d(6, 2, 1), 'c')}, outputs=('d',))"
)
SHARED = (
    "Graph(inputs=('x',), nodes={'a': (Conv2d(2, 2, (1, 3), padding=(0, 1)), 'x'), 't': (Tanh(), 'a'), "
    "'b': ('a', 't'), 's': (Add(), 'b', 't')}, outputs=('s', 't'))"
)
TWICE = "Graph(inputs='x', nodes={'d': (Add(), 'x', 'x'), 'm': (Mul(), 'd', 'x')}, outputs='m')"
PLACES = (
    "Graph(inputs='x', nodes={'p': (MaxPool2d(2, return_indices=True), 'x'), "
    "'u': (MaxUnpool2d(2), 'p', 'p.indices'), 'm': (Mul(), 'u', 'x')}, outputs='m')"
)
CNN = "Sequential(Conv2d(1, 2, 2), ReLU(), MaxPool2d(2), Flatten(), Linear(2, 3), CrossEntropyLoss())"
SOFT = "Sequential(Flatten(), Linear(4, 3), Sigmoid(), Linear(3, 3), Softmax(1))"


@dataclass(frozen=True)
class Case:
    """A graph with shapes, and the same in PyTorch: tensors by name -> outputs by name."""

    text: str
    shapes: Shapes
    run: Callable[[Mapping[str, Any]], dict[str, Any]]


def convolved(t: Mapping[str, Any], name: str, x: Any, **options: Any) -> Any:
    from torch.nn import functional

    return functional.conv2d(x, t[f"{name}.weight"], t[f"{name}.bias"], **options)


def dense(t: Mapping[str, Any], name: str, x: Any) -> Any:
    from torch.nn import functional

    return functional.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])


def residual(t: Mapping[str, Any]) -> dict[str, Any]:
    return {"s": convolved(t, "a", t["x"], padding=1) + t["x"]}


def refresher(t: Mapping[str, Any]) -> dict[str, Any]:
    return {"f": (t["x"] + t["y"]) * t["z"]}


def branches(t: Mapping[str, Any]) -> dict[str, Any]:
    import torch
    from torch.nn import functional

    left = functional.relu(convolved(t, "a", t["x"], groups=2))
    both = torch.cat((left, functional.max_pool2d(t["x"], (3, 1), 1, (1, 0))), 1)
    return {"d": convolved(t, "d", both)}


def shared(t: Mapping[str, Any]) -> dict[str, Any]:
    once = convolved(t, "a", t["x"], padding=(0, 1)).tanh()
    return {"s": convolved(t, "a", once, padding=(0, 1)) + once, "t": once}


def twice(t: Mapping[str, Any]) -> dict[str, Any]:
    return {"m": (t["x"] + t["x"]) * t["x"]}


def places(t: Mapping[str, Any]) -> dict[str, Any]:
    from torch.nn import functional

    pooled, indices = functional.max_pool2d(t["x"], 2, return_indices=True)
    return {"m": functional.max_unpool2d(pooled, indices, 2) * t["x"]}


def cnn(t: Mapping[str, Any]) -> dict[str, Any]:
    from torch.nn import functional

    pooled = functional.max_pool2d(convolved(t, "0", t["input"]).relu(), 2)
    return {"5": functional.cross_entropy(dense(t, "4", pooled.flatten(1)), t["5.target"])}


def soft(t: Mapping[str, Any]) -> dict[str, Any]:
    return {"4": dense(t, "3", dense(t, "1", t["input"].flatten(1)).sigmoid()).softmax(1)}


CASES = {
    "refresher": Case(REFRESHER, {"x": (1,), "z": (1,)}, refresher),
    "residual": Case(RESIDUAL, {"x": (1, 2, 3, 2)}, residual),
    "branches": Case(BRANCHES, {"x": (1, 2, 3, 2)}, branches),
    "shared": Case(SHARED, {"x": (1, 2, 1, 3)}, shared),
    "twice": Case(TWICE, {"x": (2, 3)}, twice),
    "places": Case(PLACES, {"x": (1, 2, 4, 4)}, places),
    "cnn": Case(CNN, {"input": (2, 1, 3, 3)}, cnn),
    "soft": Case(SOFT, {"input": (2, 1, 2, 2)}, soft),
}
