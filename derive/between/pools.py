"""Owns the theorems between mean pooling and convolution with a constant kernel, one channel at a time."""

from __future__ import annotations

from derive.between.base import Between, Parts, Tags, equation, extended, gradient, special
from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import ONE, ZERO, Condition, Form, Index, Within, Zero, name
from derive.statements.model import forms, own_axes
from derive.statements.pooling import Axis, Pooling


def layer(tags: Tags) -> Pooling:
    """Mean pooling, every window divided by one number."""
    return Pooling(tuple(Axis(t) for t in tags), "one", True)


def constant(own: Pooling) -> Definition:
    """The depthwise kernel (C, 1, kernel) whose entries are all the window's share."""
    where = (own.image.c, Index("m", ONE), *own.window)
    tensor = Tensor("weight", tuple(i.extent for i in where), own_axes(len(where)))
    return Definition(tensor, where, single(Read(own.tables[0], ())), "the constant kernel")


def pooling(tags: Tags) -> Parts:
    own = layer(tags)
    kernel, setting = constant(own), own.model.setting()
    n, c = own.lead
    spots = tuple(a.spot() - a.size("p") for a in own.axes)
    inside = tuple(Within(s, a.length) for s, a in zip(spots, own.axes, strict=True))
    weight = Read(kernel.tensor, (c.form, ZERO, *forms(*own.window)))
    body = Expr((Sum(own.window, inside, (weight, Read(own.x, (n.form, c.form, *spots)))),))
    tensor = own.image.tensor("correlated", [a.out for a in own.axes])
    right = Definition(tensor, (n, c, *own.places), body, "depthwise convolution")
    return {"output": equation("output", extended(setting, kernel), own.output(), right)}


def pooling_gradient(tags: Tags) -> Parts:
    own = layer(tags)
    kernel, setting = constant(own), own.model.setting()
    n, c = own.lead
    i = own.along("i", [a.length for a in own.axes])
    hits: tuple[Condition, ...] = tuple(
        Zero(ii.form - a.spot() + a.size("p")) for ii, a in zip(i, own.axes, strict=True)
    )
    reads = (
        Read(kernel.tensor, (c.form, ZERO, *forms(*own.window))),
        Read(own.model.grad_output, forms(n, c, *own.places)),
    )
    body = Expr((Sum((*own.places, *own.window), hits, reads),))
    tensor = own.image.tensor("grad_input", [a.length for a in own.axes])
    right = Definition(tensor, (n, c, *i), body, "transposed depthwise convolution")
    return {
        "input": gradient("grad_input", extended(setting, kernel), own.x, right),
        "separate": _separate(own, tags),
    }


def _separate(own: Pooling, tags: Tags) -> Claim:
    """Windows side by side (stride k, no padding): nearest upsampling by k of the shares."""
    values: dict[str, Form | int] = {}
    for t in tags:
        values |= {f"s_{t}": name(f"k_{t}"), f"p_{t}": 0, f"q_{t}": 0}
    setting = special(own.model.setting(), values)
    n, c = own.lead
    i = own.along("i", [a.length for a in own.axes])
    band = tuple(
        Within(ii.form - a.size("k") * o.form, a.size("k"))
        for ii, a, o in zip(i, own.axes, own.places, strict=True)
    )
    reads = (Read(own.tables[0], ()), Read(own.model.grad_output, forms(n, c, *own.places)))
    tensor = own.image.tensor("grad_input", [a.length for a in own.axes])
    right = Definition(tensor, (n, c, *i), Expr((Sum(own.places, band, reads),)), "nearest upsampling")
    return gradient("grad_input", setting, own.x, right)


THEOREMS = (
    Between(
        "mean-pooling",
        "Mean pooling that divides every window by one number is the depthwise convolution whose kernel is "
        "constant, one over that number.",
        pooling,
    ),
    Between(
        "mean-pooling-gradient",
        "The gradient of mean pooling is the transposed depthwise convolution with the constant kernel: "
        "every window sends its share to each of its entries; where windows stand side by side this is "
        "nearest upsampling of the shares, with zeros for entries that no window reaches.",
        pooling_gradient,
    ),
)
