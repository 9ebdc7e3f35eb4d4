"""Owns the operands on which a function of a non-linear layer is run: numbers of its domain, apart or equal.

`apart`: no two entries of a plane are equal, no entry is at a bend of an activation. `edges`: small whole
numbers, so that ties, zeros and bends occur. `large`: inputs of about 10^4, where unstable formulas overflow.
`nan`: a third of the entries that a layer compares are NaN. `fine`: inputs whose variance is about the
layer's eps, where it matters how that is added. `ignored`: some targets are ignore_index, not all of several.
`loose`: targets that are given as portions of the classes, and do not add up to 1.
All are multiples of 2^-7 (targets of 2^-6, fine ones of less), which float64 and float32 hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from math import frexp, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.layers.base import Layer, Operand, claims_of
from derive.layers.codes import Code
from derive.verify_names import given

Arrays = dict[str, NDArray[Any]]
HOW = ("apart", "edges", "large", "nan", "fine", "ignored", "loose")
POSITIVE = ("running_var", "class_weight", "pos_weight")
LARGE = 2**13


def drawn(layer: Layer, shape: tuple[int, ...], how: str, draw: np.random.Generator) -> Arrays:
    """Operands by name, grad_output first; floating ones float64, codes int64."""
    found: Arrays = {}
    for operand in layer.operands(shape):
        if not given(operand.name):
            continue
        if operand.dtype == "int64":
            found[operand.name] = _codes(layer, shape, operand, how, draw)
        else:
            found[operand.name] = np.asarray(_numbers(layer, operand, how, draw), np.float64)
    if how == "fine" and has_eps(layer):
        powers = {"input": 1, "running_mean": 1, "running_var": 2}
        unit = 2.0 ** (frexp(float(getattr(layer, "eps", 1)))[1] // 2 - 1)
        found |= {name: found[name] * unit ** powers[name] for name in powers if name in found}
    return {"grad_output": found.pop("grad_output"), **found}


def has_eps(layer: Layer) -> bool:
    """Whether something is added to a variance."""
    return getattr(layer, "eps", 0) > 0


def portions(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether targets are portions of the classes, of which a formula may suppose that they add up to 1."""
    told = next((o for o in layer.operands(shape) if o.name == "target"), None)
    return type(layer).__name__ == "CrossEntropyLoss" and told is not None and told.dtype != "int64"


def ignores(layer: Layer, shape: tuple[int, ...]) -> bool:
    """Whether there can be ignored targets: not where a mean would be left with none."""
    codes = {code.operand for code in layer.codes(shape).values()}
    if not hasattr(layer, "ignore_index") or "target" not in codes:
        return False
    size = next(prod(o.shape) for o in layer.operands(shape) if o.name == "target")
    return size > 1 or (size == 1 and getattr(layer, "reduction", "") != "mean")


def _numbers(layer: Layer, operand: Operand, how: str, draw: np.random.Generator) -> NDArray[Any]:
    """Entries of a floating operand."""
    name, shape, family = operand.name, operand.shape, type(layer).__name__
    if name == "grad_output":
        return _apart_from_zero(draw.integers(-9, 9, shape))
    if name == "mask":
        return draw.integers(0, 2, shape)
    if name == "target" and family != "MSELoss":
        portions = family == "CrossEntropyLoss" and how != "loose"
        return _shares(shape, draw) if portions else draw.integers(0, 65, shape) / 64
    if name in POSITIVE or (name == "weight" and family.endswith("Loss")):
        return draw.integers(16, 256, shape) / 128
    if name == "input" and family == "BCELoss":
        return (
            draw.integers(1, 4, shape) / 4 if how == "edges" else (2 * draw.integers(8, 56, shape) + 1) / 128
        )
    positive = name == "input" and not _takes_negative(layer)
    if how == "edges":
        return draw.integers(1 if positive else -2, 3, shape)
    if name == "input" and _selects(layer):
        ranks = draw.permutation(prod(shape)).reshape(shape) - (0 if positive else prod(shape) // 2)
        return np.where(draw.integers(0, 3, shape) == 0, np.nan, ranks) if how == "nan" else ranks
    found = (2 * draw.integers(0 if positive else -192, 192, shape) + 1) / 128
    return found * LARGE if how == "large" and name == "input" else found


def _apart_from_zero(values: Any) -> NDArray[Any]:
    return np.asarray(values) + (np.asarray(values) >= 0)


def _takes_negative(layer: Layer) -> bool:
    """Whether negative entries are in the domain: not where a power, or a root of a sum, would be NaN."""
    power = layer.parameters().get("norm_type")
    return power is None or (power.denominator == 1 and power % 2 == 0)


def _selects(layer: Layer) -> bool:
    """Whether the layer selects entries of windows, or puts them back."""
    name = type(layer).__name__.lower()
    return "pool" in name and not name.startswith("lp")


def _shares(shape: tuple[int, ...], draw: np.random.Generator) -> NDArray[Any]:
    """Probabilities over the class axis, multiples of 1/64 that add up to 1."""
    axis = min(1, len(shape) - 1)
    cuts = np.sort(draw.integers(0, 65, (*shape[:axis], shape[axis] - 1, *shape[axis + 1 :])), axis)
    return np.diff(cuts, axis=axis, prepend=0, append=64) / 64


def _codes(
    layer: Layer, shape: tuple[int, ...], operand: Operand, how: str, draw: np.random.Generator
) -> NDArray[Any]:
    """Codes that name a place; in a plane of places to put entries at, each place once."""
    title, code = next((t, c) for t, c in layer.codes(shape).items() if c.operand == operand.name)
    extents = _extents(layer, shape, title)
    allowed = np.array(sorted(set(_values(code, extents))), np.int64)
    ignored = getattr(layer, "ignore_index", None)
    if ignored is not None and len(allowed) > 1:
        allowed = allowed[allowed != ignored]
    if not _selects(layer):
        found = np.asarray(draw.choice(allowed, operand.shape), np.int64)
        if ignored is not None and how == "ignored" and ignores(layer, shape):
            count = max(1, found.size // 3)
            found.reshape(-1)[draw.permutation(found.size)[:count]] = ignored
        return found
    lead = [extents[axis] for axis in code.lead]
    planes, size = prod(lead[:2]), prod(lead[2:])
    if size > len(allowed):
        return np.asarray(draw.choice(allowed, operand.shape), np.int64)
    rows = [draw.permutation(allowed)[:size] for _ in range(planes)]
    return np.array(rows, np.int64).reshape(operand.shape)


def _extents(layer: Layer, shape: tuple[int, ...], title: str) -> tuple[int, ...]:
    """The indicator's language shape at these sizes."""
    claim = claims_of(type(layer), layer.choices(shape))["output"]
    tensor = next(t for t in claim.setting.inputs if t.name == title)
    sizes: Mapping[str, int] = layer.sizes(shape)
    return tuple(int(form.evaluate(sizes)) for form in tensor.shape)


def _values(code: Code, extents: tuple[int, ...]) -> list[int]:
    """The codes of the first lead's places."""
    others = [axis for axis in range(len(extents)) if axis not in code.lead]
    start = {f"x{axis}": 0 for axis in code.lead}
    spots = product(*(range(extents[axis]) for axis in others))
    named = (dict(zip((f"x{axis}" for axis in others), spot, strict=True)) for spot in spots)
    return [int(code.value.evaluate(start | places)) for places in named]
