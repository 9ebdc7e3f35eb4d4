"""Owns an exhibit as somebody's function: the wrong claim evaluated, so that `derive.verify` can judge it.

Symbols go in and symbols come out, as in a NumPy function that handles object arrays; layers with functions
or choices are evaluated in long double.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim
from derive.errors import ProofError
from derive.evaluate import Evaluator
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.museum.exhibit import Exhibit
from derive.numbers_exact import Rationals
from derive.numbers_reals import Reals
from derive.verify_names import given, passed

Array = NDArray[Any]


class Objects(Rationals):
    """Arrays of anything that adds and multiplies."""

    def given(self, array: Any) -> Array:
        return np.asarray(array, object).reshape(-1)


def as_function(exhibit: Exhibit, kind: str = "closed") -> Callable[..., Mapping[str, Array]]:
    """A function of the operands and the layer's numbers, by PyTorch's names, that has the exhibit's bug.

    Args:
        kind: "closed" or "tables", the exhibit's result from its wrong right side or constants; "defined",
            the forward pass by the wrong definition; "right", the result from the right claim.
    """
    layer, shape = exhibit.parsed, exhibit.shape
    result = "output" if kind == "defined" else exhibit.result
    numbers = tuple(passed(layer, shape))
    names = [o.name for o in layer.operands(shape) if given(o.name)]
    if result == "output":
        names.remove("grad_output")

    def function(**values: Any) -> dict[str, Array]:
        arrays = {name: values[name] for name in names}
        own = _layer(layer, {name: values[name] for name in numbers})
        at = tuple(values["input"].shape)
        claim = _claim(exhibit, kind, own, at)
        try:
            found = _evaluated(exhibit, kind, own, at, claim, arrays)
        except ProofError as outside:
            raise IndexError(str(outside)) from None
        return {result: found.reshape(next(o.shape for o in own.operands(at) if o.name == result))}

    kinds = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(n, kinds) for n in dict.fromkeys((*names, *numbers))]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__name__ = exhibit.key.replace("-", "_")
    return function


def _layer(layer: Layer, numbers: Mapping[str, Any]) -> Layer:
    """The layer of these numbers; an argument that no number gives stays."""
    changes: dict[str, Any] = {f.name: numbers[f.name] for f in fields(layer) if f.name in numbers}
    return replace(layer, **changes)


def _claim(exhibit: Exhibit, kind: str, layer: Layer, shape: tuple[int, ...]) -> Claim:
    """The claim to evaluate at sizes; for "defined" the output's, whose left side is the definition."""
    sizes = layer.sizes(shape)
    if kind == "defined":
        right = claims_of(type(layer), layer.choices(shape))["output"]
    else:
        right = exhibit.right(layer, shape)
    wrong = exhibit.edit(kind)(right, sizes) if kind in ("closed", "defined") else right
    return claim_at(wrong, sizes)


def _evaluated(
    exhibit: Exhibit,
    kind: str,
    layer: Layer,
    shape: tuple[int, ...],
    claim: Claim,
    arrays: Mapping[str, Array],
) -> Array:
    """The claim's result at the operands, flat."""
    symbolic = any(a.dtype == object for a in arrays.values())
    numbers: Any = Objects() if symbolic else Reals("float64")
    tables = exhibit.constants(layer, shape) if kind == "tables" else layer.tables(shape)
    evaluator = Evaluator(
        claim.setting,
        numbers,
        tables=tables,
        parameters=layer.parameters(),
        codes=layer.codes(shape),
        shifts=layer.shifts(shape),
    )
    values = evaluator.at(arrays)
    found = values.left(claim) if kind == "defined" else values.right(claim)
    plain: Array = np.asarray(numbers.plain(found))
    return plain if symbolic else plain.astype(np.float64)
