"""Owns the choices of a class worth proving, what theorems take as given, and what is proved at shapes alone.

Tables and sizes that a rule computes are read off the class's claims; indicators, and what they suppose, off
the class at its examples.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from derive.coverage_row import GIVEN, SIZE, Row
from derive.errors import LayerError
from derive.layers.base import Layer, claims_of
from derive.notation.symbols import AXES, CONSTANTS, TABLES, split
from derive.spelling import parse_layer
from derive.steps import sizes_of

VALUES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "AvgPool": (
        "share",
        "one over the entries of a window; as counts for all sizes",
        ("mean-pooling-inside", "mean-pooling-padded"),
    ),
    "AdaptiveAvgPool": (
        "share",
        "one over the entries of a window; for all sizes where the output divides the input",
        ("adaptive-mean-pooling",),
    ),
    "Upsample": (
        "table",
        "interpolation weights; for all sizes where the factor is whole",
        ("linear-upsampling", "linear-upsampling-corners"),
    ),
    "LPPool": ("scale", "the kernel's number of entries over a window's", ()),
}
"""Class -> the kind of table that its places need, in words, and the theorems that say it for all sizes."""

INDICATED = "1 at the place that a code names; the theorem holds for any entries"


def each_choice(kind: type[Layer]) -> Iterator[dict[str, Any]]:
    """The usual choices, then every other choice with as few others as it allows, each combination once."""
    every, usual = list(kind.variants()), kind.chosen({})
    found = [usual]
    for key, values in kind.discrete.items():
        for value in values[1:]:
            fitting = (c for c in every if c[key] == value)
            found.append(min(fitting, key=lambda c: sum(c[k] != usual[k] for k in c), default=usual))
    yield from (c for place, c in enumerate(found) if c not in found[:place])


def given_rows(title: str, kind: type[Layer]) -> Iterator[Row]:
    """What a layer's theorems take as input tensors with any entries, and what fills them at a size."""
    inputs = {t.name: None for c in each_choice(kind) for t in claims_of(kind, c)["output"].setting.inputs}
    tables = [name for name in inputs if name in TABLES and name not in (*CONSTANTS, "share")]
    if tables:
        said, named = _values(title, tables)
        more = f" ({', '.join(named)})" if named else ""
        yield _given(title, tables, f"{said}{more}; else computed at the size")
    indicators: dict[str, None] = {}
    domains: dict[str, None] = {}
    for text, shape in kind.examples:
        layer: Any = parse_layer(text)
        indicators |= dict.fromkeys(name for name in layer.codes(shape) if name in inputs)
        domains |= dict.fromkeys(layer.assumptions())
    if indicators:
        yield _given(title, indicators, "; ".join((INDICATED, *domains)))
    sizes = sizes_of(claims_of(kind, kind.chosen({}))["output"].setting)
    if bands := sorted(size for size in sizes if split(size)[0] in "uvtw"):
        reason = "whole numbers of the scale as PyTorch rounds it; the theorem holds for any"
        yield _given(title, bands, reason)


def _given(title: str, names: Iterable[str], reason: str) -> Row:
    """A row; what differs between axes is named once."""
    axes = tuple(f"_{tag}" for tag in AXES)
    bare = dict.fromkeys(n[: -len(a)] if (a := n[-2:]) in axes else n for n in names)
    return Row(GIVEN, f"{title}: {', '.join(bare)}", SIZE, reason)


def _values(title: str, tables: list[str]) -> tuple[str, tuple[str, ...]]:
    """What a class's tables hold, and which theorems between layers say so for all sizes."""
    base, said, names = VALUES.get(title.rstrip("123d"), ("", "constants by place", ()))
    if base and any(split(t)[0] != base for t in tables):
        raise LayerError("another table than the one described", where=title, expected=base, got=str(tables))
    return said, names


def size_rows() -> Iterator[Row]:
    """What is proved at given shapes only, and up to which limit."""
    from derive.api import prove
    from derive.exhaust_codes import CODE_LIMIT

    try:
        prove(parse_layer("Sequential(ReLU(), ReLU())"))
    except LayerError as refused:
        yield Row(GIVEN, "Graph, Sequential", SIZE, f"{refused.what}; their layers for all sizes, each")
    bits = CODE_LIMIT.bit_length() - 1
    reason = f"an entry with its monomial is one whole number below 2^{bits}; what does not fit is refused"
    yield Row(GIVEN, "a proof at a size, exhaustive", SIZE, reason)
