"""Owns how the results of somebody's function are told apart: by dict keys, by order, or by shape."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from derive.errors import LayerError
from derive.verify_names import RESULTS, lookup


def once(found: Mapping[str, Any], role: str, title: str) -> str:
    """The role; LayerError where something was given for it already."""
    if role in found:
        raise LayerError(
            "two results for one gradient", where=title, expected=f"one grad_{role}", got=f"{title} as well"
        )
    return role


def _nested(returned: Any, shapes: Mapping[str, Sequence[int]]) -> bool:
    """Whether a list is one array written as nested lists, and no sequence of results."""
    try:
        return isinstance(returned, list) and np.shape(returned) in [tuple(s) for s in shapes.values()]
    except ValueError:
        return False


def results(returned: Any, shapes: Mapping[str, Sequence[int]], title: str) -> dict[str, Any]:
    """Which result is which: by dict keys, by order, or by shape; raises LayerError where unclear."""
    if isinstance(returned, Mapping):
        found: dict[str, Any] = {}
        for key, value in returned.items():
            role = lookup(RESULTS, str(key), shapes)
            if role is not None:
                found[once(found, role, str(key))] = value
    elif isinstance(returned, (tuple, list)) and not _nested(returned, shapes):
        found = dict(zip(_order(shapes), returned, strict=False))
    elif returned is None:
        found = {}
    else:
        fits = [key for key, shape in shapes.items() if tuple(np.shape(returned)) == tuple(shape)]
        hinted = [
            key
            for key in fits
            if any(word in title.lower() for word in RESULTS[key].split() if len(word) > 1)
        ]
        found = {(hinted or fits or list(shapes))[0]: returned}
    found = {key: value for key, value in found.items() if value is not None and key in shapes}
    if not found:
        raise LayerError(
            "no output returned" if "output" in shapes else "no gradient returned",
            where=title,
            expected=f"a dict by names, a tuple ({', '.join(_order(shapes))}), or one array",
            got=type(returned).__name__,
        )
    return found


def _order(shapes: Iterable[str]) -> tuple[str, ...]:
    """The order of a tuple of results: a place for the bias also where the layer has none."""
    names = tuple(shapes)
    if "weight" in names and "bias" not in names:
        at = names.index("weight") + 1
        return (*names[:at], "bias", *names[at:])
    return names
