"""Owns the theorems between resampling layers: each one's gradient is another's forward pass."""

from __future__ import annotations

from dataclasses import replace

from derive.between.base import (
    Between,
    Parts,
    Tags,
    equation,
    every,
    extended,
    gradient,
    inserted,
    output_of,
    special,
    tensor_of,
)  # fmt: skip
from derive.claim import Setting
from derive.expr import Definition, Expr, Factor, Read, Sum, Tensor
from derive.index import Condition, Form, Zero, name
from derive.statements.model import Image, at_least, forms, own_axes, ranged
from derive.statements.resampling import Banded, Downsampling, ZeroInsertion

LEAD = (Image.n, Image.c)


def lengths(tags: Tags) -> list[Form]:
    return [name(t.upper()) for t in tags]


def downsample(tags: Tags) -> Parts:
    own = Downsampling(tags).claims()["output"].setting
    right = inserted("grad_input", tensor_of(own, "grad_output"), LEAD, tags, lengths(tags), "io")
    return {"input": gradient("grad_input", own, tensor_of(own, "input"), right)}


def upsample(tags: Tags) -> Parts:
    own = ZeroInsertion(tags).claims()["output"].setting
    right = every("grad_input", tensor_of(own, "grad_output"), LEAD, tags, lengths(tags), "i")
    return {"input": gradient("grad_input", own, tensor_of(own, "input"), right)}


def nearest_setting(tags: Tags) -> Setting:
    """Nearest upsampling by a whole factor s: place o holds entry i where 0 <= o - s i < s."""
    values: dict[str, Form | int] = {}
    for t in tags:
        s = name(f"s_{t}")
        values |= {
            f"u_{t}": 1,
            f"t_{t}": 0,
            f"v_{t}": s,
            f"w_{t}": s,
            f"{t.upper()}_out": s * name(t.upper()),
        }
    own = special(Banded(tags).claims()["output"].setting, values)
    return replace(own, facts=own.facts + at_least(1, *(f"s_{t}" for t in tags)))


def nearest(tags: Tags) -> Parts:
    own = nearest_setting(tags)
    x, g = tensor_of(own, "input"), tensor_of(own, "grad_output")
    i, o = ranged("i", tags, lengths(tags)), ranged("o", tags, g.shape[2:])
    a = ranged("a", tags, [name(f"s_{t}") for t in tags])
    s = [name(f"s_{t}") for t in tags]
    spots = tuple(si * ii.form + ai.form for si, ii, ai in zip(s, i, a, strict=True))
    summed = Expr((Sum(a, (), (Read(g, (*forms(*LEAD), *spots)),)),))
    pooled = Definition(Tensor("grad_input", x.shape, x.layout), (*LEAD, *i), summed, "sum pooling")
    hits: tuple[Condition, ...] = tuple(Zero(oi.form - spot) for oi, spot in zip(o, spots, strict=True))
    boxes = Expr((Sum((*i, *a), hits, (Read(x, forms(*LEAD, *i)),)),))
    boxed = Definition(Tensor("resampled", g.shape, x.layout), (*LEAD, *o), boxes, "kernel of ones")
    return {
        "output": equation("output", own, output_of(own), boxed),
        "input": gradient("grad_input", own, x, pooled),
    }


def bilinear(tags: Tags) -> Parts:
    banded = Banded(tags, weight="table")
    own = banded.claims()["output"].setting
    x, g = tensor_of(own, "input"), tensor_of(own, "grad_output")
    o, i = ranged("o", tags, g.shape[2:]), ranged("i", tags, lengths(tags))
    dense = [
        Definition(
            Tensor(f"turned_{t}", (ii.extent, oi.extent), own_axes(2)),
            (ii, oi),
            Expr((Sum((), (condition,), (Read(table, forms(oi, ii)),)),)),
            "the table transposed",
        )
        for t, oi, ii, condition, table in zip(tags, o, i, banded.band(), banded.tables, strict=True)
    ]
    weights: tuple[Factor, ...] = tuple(
        Read(d.tensor, forms(ii, oi)) for d, ii, oi in zip(dense, i, o, strict=True)
    )
    body = Expr((Sum(o, (), (*weights, Read(g, forms(*LEAD, *o)))),))
    right = Definition(Tensor("grad_input", x.shape, x.layout), (*LEAD, *i), body, "transposed tables")
    return {"input": gradient("grad_input", extended(own, *dense), x, right)}


THEOREMS = (
    Between(
        "downsample-gradient",
        "The gradient of downsampling by s is zero-insertion by s followed by as many zeros as the "
        "downsampling left over.",
        downsample,
    ),
    Between(
        "upsample-gradient",
        "The gradient of zero-insertion by s is downsampling by s.",
        upsample,
    ),
    Between(
        "nearest-adjoint",
        "Nearest upsampling by s is the transposed convolution of stride s with s ones as kernel; its "
        "gradient is sum pooling with kernel s and stride s.",
        nearest,
    ),
    Between(
        "bilinear-adjoint",
        "The gradient of linear, bilinear or trilinear resampling multiplies grad_output by the transposed "
        "interpolation table on each axis.",
        bilinear,
    ),
)
