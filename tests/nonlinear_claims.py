"""The claims of a non-linear case at its sizes, and their two sides as numbers with an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from layer_text import Case
from nonlinear_given import Array, operands
from nonlinear_peers import grad_output

from derive.claim import Claim
from derive.evaluate import Evaluator
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.numbers_reals import Reals
from derive.spelling import parse_layer


@dataclass(frozen=True)
class Found:
    """One side of a claim: its values in long double, and how far a computation may be off."""

    value: Array
    error: Array


@cache
def claims(case: Case) -> tuple[Layer, dict[str, Claim]]:
    """The layer that backflip reads, and its claims at the case's sizes."""
    layer = parse_layer(case.text)
    sizes = layer.sizes(case.shape)
    found = layer.claims(**layer.choices(case.shape))
    return layer, {key: claim_at(claim, sizes) for key, claim in found.items()}


def inputs(case: Case, given: Mapping[str, Array] | None = None) -> dict[str, Array]:
    """The case's operands (or others) with grad_output; a target to ignore is the code of no class, -1."""
    found = {**operands(case), "grad_output": grad_output(case)} if given is None else dict(given)
    if "ignore_index" in case.arguments and found["target"].dtype.kind == "i":
        found["target"] = np.where(found["target"] == case.arguments["ignore_index"], -1, found["target"])
    return found


def side(
    case: Case, key: str, which: str, dtype: str = "longdouble", given: Mapping[str, Array] | None = None
) -> Found:
    """The "left" side of a claim (its definition, differentiated in reverse) or its "right" side.

    Args:
        dtype: whose computation the error is of; the values are long doubles all the same.
    """
    layer, found = claims(case)
    claim, numbers = found[key], Reals(dtype)
    evaluator = Evaluator(
        claim.setting,
        numbers,
        tables=layer.tables(case.shape),
        parameters=layer.parameters(),
        codes=layer.codes(case.shape),
        shifts=layer.shifts(case.shape),
    )
    values = evaluator.at(inputs(case, given))
    result: Any = values.right(claim) if which == "right" else values.left(claim)
    return Found(np.asarray(numbers.plain(result)), np.asarray(numbers.error(result)))
