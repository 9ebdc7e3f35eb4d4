"""Random operands of the non-linear cases, as PyTorch takes them: float64, targets and places int64."""

from __future__ import annotations

from functools import cache
from math import prod
from typing import Any

import numpy as np
from layer_text import Case, Shape
from numpy.typing import NDArray

Array = NDArray[Any]

FIXED = {
    "CrossEntropyLoss": ("target", "class_weight"),
    "NLLLoss": ("target", "class_weight"),
    "BCELoss": ("target", "weight"),
    "BCEWithLogitsLoss": ("target", "weight", "pos_weight"),
    "BatchNorm": ("running_mean", "running_var"),
    "Dropout": ("mask",),
    "MaxUnpool": ("indices",),
}
"""Operands that no gradient is derived by. PyTorch has one by target shares (cross entropy, BCE) only."""


def shares_given(case: Case) -> bool:
    return case.arguments.get("target") == "probabilities"


def fixed(case: Case) -> tuple[str, ...]:
    return FIXED.get(case.family, ())


def tracked(case: Case) -> bool:
    """Whether running statistics are operands."""
    return bool(case.arguments["track_running_stats"])


def losses_given(case: Case, rng: np.random.Generator) -> dict[str, Array]:
    """Operands of a loss; targets that are ignored are among them, never all."""
    kind, a, shape = case.family, case.arguments, case.shape
    if kind in ("BCELoss", "BCEWithLogitsLoss", "MSELoss"):
        first = rng.uniform(0.02, 0.98, shape) if kind == "BCELoss" else 2 * rng.standard_normal(shape)
        second = rng.standard_normal(shape) if kind == "MSELoss" else rng.uniform(0, 1, shape)
        found = {"input": first, "target": second}
        found |= {"weight": rng.uniform(0.2, 2, shape)} if a.get("weighted") else {}
        return found | ({"pos_weight": rng.uniform(0.2, 3, shape[-1:])} if a.get("positive_weighted") else {})
    count, places = shape[0 if len(shape) == 1 else 1], shape[:1] * (len(shape) > 1) + shape[2:]
    found = {"input": 2 * rng.standard_normal(shape)}
    if shares_given(case):
        found["target"] = rng.uniform(0, 1, shape)
    else:
        found["target"] = targets(rng, places, count, a["ignore_index"])
    return found | ({"class_weight": rng.uniform(0.2, 2, (count,))} if a["weighted"] else {})


def targets(rng: np.random.Generator, places: Shape, count: int, ignore: int) -> Array:
    """Classes, a third of them ignored where there are several; at least one is not."""
    found = rng.integers(0, count, places)
    kept = [c for c in range(count) if c != ignore] or [0]
    found[found == ignore] = kept[0]
    flat = found.reshape(-1)
    if flat.size > 1:
        flat[1::3] = ignore
    return np.asarray(found)


def normalised_given(case: Case, rng: np.random.Generator) -> dict[str, Array]:
    width = (case.arguments["num_features"],)
    found = {"input": rng.standard_normal(case.shape) + 0.5}
    if case.arguments["affine"]:
        found |= {"weight": rng.uniform(-2, 2, width), "bias": rng.standard_normal(width)}
        if not case.arguments["bias"]:
            del found["bias"]
    if tracked(case):
        found |= {"running_mean": rng.standard_normal(width), "running_var": rng.uniform(0.3, 2, width)}
    return found


def unpooled_sides(case: Case) -> Shape:
    """The lengths of an unpooled plane."""
    kernel = case.per_axis("kernel_size")
    axes = zip(
        case.shape[-case.rank :],
        kernel,
        case.per_axis("stride", kernel),
        case.per_axis("padding"),
        strict=True,
    )
    usual = tuple((n - 1) * s + k - 2 * p for n, k, s, p in axes)
    return tuple(case.arguments["output_size"] or usual)[-case.rank :]


def unpooled_given(case: Case, rng: np.random.Generator) -> dict[str, Array]:
    """Flat places of the output plane, each once a plane: what comes twice PyTorch leaves open."""
    lead, window = case.shape[: -case.rank], case.shape[-case.rank :]
    size = prod(unpooled_sides(case))
    rows = [rng.permutation(size)[: prod(window)] for _ in range(prod(lead))]
    return {"input": rng.standard_normal(case.shape), "indices": np.array(rows).reshape(case.shape)}


@cache
def operands(case: Case) -> dict[str, Array]:
    """Random operands; float64, targets and indices int64."""
    rng, kind = np.random.default_rng(case.hashed()), case.family
    if kind.endswith("Loss"):
        return losses_given(case, rng)
    if kind == "BatchNorm":
        return normalised_given(case, rng)
    if kind == "MaxUnpool":
        return unpooled_given(case, rng)
    found = {"input": 1.5 * rng.standard_normal(case.shape)}
    if kind == "LPPool" and float(case.arguments["norm_type"]) not in (1, 2, 4):
        found["input"] = np.abs(found["input"])  # a root of a negative sum is no number
    if kind == "Dropout" and case.arguments["training"]:
        found["mask"] = (rng.uniform(0, 1, case.shape) < 0.6) * 1.0
    if kind == "Mul":
        found["other"] = rng.standard_normal(case.shape)
    return found
