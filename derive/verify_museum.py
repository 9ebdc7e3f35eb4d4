"""Owns the museum: it finds the recurring mistake, if it is one, that gives exactly somebody's wrong result.

Never the truth that a function is judged by (that comes from the claims); only a wrong result is looked
up here. A layer without an entry in FAMILIES has no museum of its own and is judged all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.layers.base import Layer
from derive.verify_bugs import convolution, fully_connected, joined, transposed, weighted_pool
from derive.verify_bugs_maps import adaptive, flattened, masked, mean_pool, padded, shuffled
from derive.verify_bugs_resampling import downsampled, inserted, resampled
from derive.verify_hits import Arrays, Wrong, divided
from derive.verify_poly import Poly

FAMILIES: Mapping[str, Callable[[str, Layer, Arrays, NDArray[Any]], Iterator[Wrong]]] = {
    "Conv": convolution,
    "ConvTranspose": transposed,
    "WeightedPool": weighted_pool,
    "Linear": fully_connected,
    "Concat": joined,
    "AvgPool": mean_pool,
    "AdaptiveAvgPool": adaptive,
    "Downsample": downsampled,
    "UpsampleZeros": inserted,
    "Upsample": resampled,
    "ZeroPad": padded,
    "ReflectionPad": padded,
    "ReplicationPad": padded,
    "CircularPad": padded,
    "PixelShuffle": shuffled,
    "PixelUnshuffle": shuffled,
    "Flatten": flattened,
    "Dropout": masked,
}
IMAGES = ("input", "output", "grad_output")


def named_bugs(
    layer: Layer,
    shape: tuple[int, ...],
    key: str,
    got: NDArray[Any],
    right: NDArray[Any],
    arrays: Mapping[str, NDArray[Any]],
) -> list[str]:
    """Names of the known mistakes that give exactly this result for `key` at these operands."""
    rank = _spatial_axes(layer)
    lead = rank is not None and len(shape) == rank + 1
    given = {n: exact(a[None] if lead and n in IMAGES else a) for n, a in arrays.items()}
    seen, wanted = (a[None] if lead and key in IMAGES else a for a in (got, exact(right)))
    found: dict[str, None] = {}
    for title, wrong in _mistakes(key, layer, given, wanted):
        result = np.asarray(wrong, object)
        if title not in found and same(result, seen) and not same(result, wanted):
            found[title] = None
    return list(found)


def _mistakes(key: str, layer: Layer, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    family = re.sub(r"\d+d$", "", type(layer).__name__)
    if family in FAMILIES:
        yield from FAMILIES[family](key, layer, arrays, right)
    images, places = arrays["grad_output"].shape[0], prod(arrays["grad_output"].shape[2:])
    if key != "output":
        yield "averaged over the batch", divided(right, images)
        yield "averaged over batch and places", divided(right, images * places)
    yield f"{'output' if key == 'output' else 'gradient'} doubled", right * 2
    yield "sign turned", right * -1


def _spatial_axes(layer: Layer) -> int | None:
    """How many axes follow batch and channels, where the layer knows unbatched inputs."""
    tags = getattr(layer, "tags", None)
    if tags is not None:
        return len(tags)
    return 2 if type(layer).__name__ in ("PixelShuffle", "PixelUnshuffle") else None


def exact(array: NDArray[Any]) -> NDArray[Any]:
    """Floats as whole numbers or fractions, as objects; symbols as they are."""
    if array.dtype == object:
        return array
    found = np.empty(array.size, object)
    values = (Fraction(x) for x in array.ravel().tolist())
    found[:] = [int(v) if v.denominator == 1 else v for v in values]
    return found.reshape(array.shape)


def same(wrong: NDArray[Any], got: NDArray[Any]) -> bool:
    """Equal arrays: as polynomials, or as the floats nearest to exact numbers."""
    if wrong.shape != got.shape:
        return False
    pairs = zip(wrong.ravel().tolist(), got.ravel().tolist(), strict=True)
    if got.dtype != object:
        return all(float(left) == right for left, right in pairs)
    polynomials = ((Poly.of(left), Poly.of(right)) for left, right in pairs)
    return all(a is not None and b is not None and a.same(b) for a, b in polynomials)
