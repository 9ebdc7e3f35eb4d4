"""One line of data/bad_nonlinear.txt: a layer at a shape, maybe with an operand, as either side takes it.

"Layer(...) at 2,3", "... with target of 3" (an operand of this shape), "... with target = 0,4" (its entries).
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from layer_text import Case, Shape, literal
from nonlinear_given import Array, operands

from derive.spelling import parse_layer

OURS = ("training", "weighted", "positive_weighted", "target", "output_size")
"""Arguments of backflip that torch.nn takes at the call, or as a mode."""

LINE = re.compile(r"(?P<text>.*\)) at (?P<shape>[\d,]*)(?: with (?P<name>\w+) (?P<how>of|=) (?P<what>\S+))?")


@dataclass(frozen=True)
class Line:
    """A layer text at a shape; an operand given in another shape, or with other entries."""

    text: str
    shape: Shape
    name: str = ""
    other: Shape | None = None
    entries: tuple[float, ...] | None = None

    @property
    def kind(self) -> str:
        return self.text.partition("(")[0]


def line(written: str) -> Line:
    found = LINE.fullmatch(written)
    assert found, written
    plain = Line(found["text"], whole(found["shape"]))
    if found["name"] is None:
        return plain
    if found["how"] == "of":
        return replace(plain, name=found["name"], other=whole(found["what"]))
    return replace(plain, name=found["name"], entries=tuple(float(v) for v in found["what"].split(",")))


def whole(text: str) -> Shape:
    return tuple(int(n) for n in text.split(",") if n)


def given(bad: Line) -> dict[str, Array]:
    """Good operands of the layer with the bad one among them."""
    found = dict(operands(Case(bad.text, bad.shape)))
    if bad.name:
        old = found[bad.name]
        new = np.zeros(bad.other, old.dtype) if bad.other is not None else np.array(bad.entries, old.dtype)
        found[bad.name] = new if bad.other is not None else new.reshape(old.shape)
    return found


def usual(bad: Line) -> dict[str, Array]:
    """Operands for a call of PyTorch; only an input where the text itself does not say what more there is."""
    try:
        return given(bad)
    except (AssertionError, ArithmeticError, ValueError, TypeError, AttributeError, IndexError, KeyError):
        return {"input": np.zeros(bad.shape)}


# PyTorch.


def in_torch(bad: Line) -> Any:
    """The layer as torch.nn builds it, called; a layer that torch.nn lacks by the same operation."""
    import torch

    call = ast.parse(bad.text, mode="eval").body
    assert isinstance(call, ast.Call)
    kind, tensors = bad.kind.replace("Min", "Max"), {n: torch.tensor(v) for n, v in usual(bad).items()}
    arguments = list(map(literal, call.args))
    named = {str(k.arg): literal(k.value) for k in call.keywords}
    if kind == "L2Penalty":
        return torch.optim.SGD([tensors["input"]], 0.1, weight_decay=_only(*arguments, **named))
    if kind == "Mul":
        return tensors["input"] * tensors["other"]
    return _module(kind, arguments, named, tensors)


def _only(weight_decay: float) -> float:
    """The one argument of L2Penalty."""
    return weight_decay


def _module(kind: str, arguments: list[Any], named: dict[str, Any], tensors: dict[str, Any]) -> Any:
    import torch

    own = {n: named.pop(n) for n in OURS if n in named and not (n == "weighted" and kind == "MSELoss")}
    if kind.endswith("Loss") and any("weighted" in n for n in own):
        weights = {"class_weight": "weight", "weight": "weight", "pos_weight": "pos_weight"}
        named |= {weights[n]: t for n, t in tensors.items() if n in weights}
    module = getattr(torch.nn, kind)(*arguments, **named).double()
    module.train(own.get("training", False))
    x = tensors["input"]
    if kind.startswith("BatchNorm"):
        for name in ("weight", "bias", "running_mean", "running_var"):
            if name in tensors:
                value = tensors[name]
                setattr(module, name, torch.nn.Parameter(value) if name in ("weight", "bias") else value)
    if kind.endswith("Loss"):
        return module(x, tensors.get("target", x))
    if kind.startswith("MaxUnpool"):
        indices = tensors.get("indices", torch.zeros(x.shape, dtype=torch.int64))
        return module(x, indices, own.get("output_size"))
    if kind == "Dropout" and "mask" in tensors:
        return x * tensors["mask"]
    return module(x)


# backflip.


@cache
def kernel(text: str, shape: Shape) -> Any:
    from codegen import build

    return build(parse_layer(text), shape, dtype="float64")


def in_backflip(bad: Line) -> Any:
    """The operands table of the layer at its shapes; for bad entries the compiled kernel's answer."""
    layer = parse_layer(bad.text)
    if bad.entries is not None:
        return kernel(bad.text, bad.shape).forward(**given(bad))
    return layer.operands(bad.shape, **({bad.name: bad.other} if bad.other is not None else {}))
