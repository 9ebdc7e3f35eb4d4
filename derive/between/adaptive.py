"""Owns the theorems about adaptive pooling whose output divides its input: pooling with kernel = stride."""

from __future__ import annotations

from dataclasses import replace

from derive.between.base import (
    Between,
    Parts,
    Tags,
    equation,
    extended,
    gradient,
    output_of,
    special,
    tensor_of,
)  # fmt: skip
from derive.claim import Claim, Setting
from derive.expr import Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.statements.model import Image, at_least, forms, own_axes, ranged
from derive.statements.resampling import Banded, out
from derive.statements.selecting import Bracketed

LEAD = (Image.n, Image.c)


def kernel(tag: str) -> Form:
    return name(f"k_{tag}")


def whole(claim: Claim, tags: Tags) -> Setting:
    """The setting with every length k times the output's."""
    values: dict[str, Form | int] = {t.upper(): kernel(t) * out(t) for t in tags}
    own = special(claim.setting, values)
    return replace(own, facts=own.facts + at_least(1, *(f"k_{t}" for t in tags)))


def places(tags: Tags) -> tuple[Index, ...]:
    return ranged("o", tags, [out(t) for t in tags])


def taps(tags: Tags) -> tuple[Index, ...]:
    return ranged("a", tags, [kernel(t) for t in tags])


def entries(tags: Tags) -> tuple[Index, ...]:
    return ranged("i", tags, [kernel(t) * out(t) for t in tags])


def spots(tags: Tags) -> tuple[Form, ...]:
    """Where window o has its tap a: k o + a."""
    return tuple(kernel(t) * o.form + a.form for t, o, a in zip(tags, places(tags), taps(tags), strict=True))


def mean(tags: Tags) -> Parts:
    """Adaptive mean pooling, any shares: windows side by side, and nearest upsampling of the shares back."""
    banded = Banded(tags, weight="share")
    setting = whole(banded.claims()["output"], tags)
    x, g = tensor_of(setting, "input"), tensor_of(setting, "grad_output")
    where = (*LEAD, *places(tags))
    shares: tuple[Factor, ...] = tuple(
        Read(tensor_of(setting, f"share_{t}"), forms(o)) for t, o in zip(tags, places(tags), strict=True)
    )
    taken = Expr((Sum(taps(tags), (), (*shares, Read(x, (*forms(*LEAD), *spots(tags))))),))
    pooled = Definition(Tensor("pooled", g.shape, g.layout), where, taken, "mean pooling, stride k")
    band: tuple[Condition, ...] = tuple(
        Within(i.form - kernel(t) * o.form, kernel(t))
        for t, o, i in zip(tags, places(tags), entries(tags), strict=True)
    )
    sent = Expr((Sum(places(tags), band, (*shares, Read(g, forms(*where)))),))
    grad = Definition(
        Tensor("grad_input", x.shape, x.layout), (*LEAD, *entries(tags)), sent, "nearest upsampling"
    )
    return {
        "output": equation("output", setting, output_of(setting), pooled),
        "input": gradient("grad_input", setting, x, grad),
        "count": _count(setting, banded, tags),
    }


def _count(setting: Setting, banded: Banded, tags: Tags) -> Claim:
    """How many entries a window of the adaptive layer has: one for each tap."""
    where, shape = places(tags), tuple(out(t) for t in tags)
    values = {t.upper(): kernel(t) * out(t) for t in tags}
    band = tuple(c.mapped(lambda f: f.substitute(values)) for c in banded.band())
    tensor = Tensor("count", shape, own_axes(len(shape)))
    counted = Definition(tensor, where, Expr((Sum(entries(tags), band, ()),)), "entries of a window")
    ones = Expr((Sum(taps(tags), (), ()),))
    right = Definition(Tensor("taps", shape, tensor.layout), where, ones, "one for each tap")
    return equation("count", extended(setting, counted), counted, right)


def selection(tags: Tags) -> Parts:
    """Adaptive pooling by selection, any choice in each window: windows side by side."""
    claims = Bracketed(tags).claims()
    setting = whole(claims["output"], tags)
    x, g, pick = (tensor_of(setting, t) for t in ("input", "grad_output", "pick"))
    where = (*LEAD, *places(tags), *taps(tags))
    at = Read(pick, (*forms(*LEAD, *places(tags)), *spots(tags)))
    tensor = Tensor("tapped", tuple(i.extent for i in where), own_axes(len(where)))
    tapped = Definition(tensor, where, single(at), "the same choice, by taps")
    mark = Read(tensor, forms(*where))
    body = Expr((Sum(taps(tags), (), (mark, Read(x, (*forms(*LEAD), *spots(tags))))),))
    lead = (*LEAD, *places(tags))
    right = Definition(Tensor("selected", g.shape, g.layout), lead, body, "pooling by selection, stride k")
    own = extended(setting, tapped)
    return {
        "output": equation("output", own, output_of(setting), right),
        "input": gradient("grad_input", own, x, _routed(x, mark, Read(g, forms(*lead)), tags)),
    }


def _routed(x: Tensor, mark: Read, given: Read, tags: Tags) -> Definition:
    """Each window's gradient to the entry that it took."""
    pairs = zip(spots(tags), entries(tags), strict=True)
    hits: tuple[Condition, ...] = tuple(Zero(spot - i.form) for spot, i in pairs)
    body = Expr((Sum((*places(tags), *taps(tags)), hits, (mark, given)),))
    return Definition(
        Tensor("grad_input", x.shape, x.layout), (*LEAD, *entries(tags)), body, "to the entries taken"
    )


THEOREMS = (
    Between(
        "adaptive-mean-pooling",
        "Adaptive mean pooling whose output length divides the input's is mean pooling with kernel = stride "
        "= input length / output length: every window has that many entries, and its gradient is nearest "
        "upsampling of the shares.",
        mean,
    ),
    Between(
        "adaptive-selection",
        "Adaptive max pooling whose output length divides the input's is max pooling with kernel = stride = "
        "input length / output length, forward and backward, whatever entry of a window is taken.",
        selection,
    ),
)
