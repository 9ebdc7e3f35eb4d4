"""Owns fractional stride: zero-insertion by s followed by a convolution moves on the input by 1/s a place."""

from __future__ import annotations

from derive.between.base import (
    BATCH,
    GROUP,
    GROUPS,
    IN,
    OUT,
    Between,
    C,
    K,
    N,
    Parts,
    Slide,
    Tags,
    convolved,
    equation,
    every,
    extended,
    gradient,
    inserted,
    paired,
    scattered,
    special,
    turned,
)  # fmt: skip
from derive.claim import Fact, Setting
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import ONE, Form, Zero, name
from derive.statements.model import at_least, forms, ranged

LEAD, BACK = (BATCH, GROUP, OUT), (BATCH, GROUP, IN)


def _size(letter: str, tag: str) -> Form:
    return name(f"{letter}_{tag}")


def _long(tag: str) -> Form:
    """The length after zero-insertion and r zeros at the end."""
    return _size("s", tag) * (name(tag.upper()) - 1) + 1 + _size("r", tag)


def _facts(tag: str) -> tuple[Fact, ...]:
    upper = tag.upper()
    reach = _size("d", tag) * (_size("k", tag) - 1)
    whole = _long(tag) + _size("p", tag) + _size("q", tag) - reach - 1
    return (
        *at_least(1, upper, f"{upper}_out", *(f"{x}_{tag}" for x in "ksdt")),
        *at_least(0, *(f"{x}_{tag}" for x in "pqru")),
        Fact(_size("t", tag) - 1 - _size("u", tag)),
        Fact(whole - _size("t", tag) * (name(f"{upper}_out") - 1) - _size("u", tag), equal=True),
    )


def setting(tags: Tags) -> Setting:
    """Zero-insertion by s, then a convolution with stride t (which leaves u over), as one chain."""
    images = tuple((i,) for i in range(3, 3 + len(tags)))
    layout = ((0,), (1, 2), *images)
    x = Tensor("input", (N, GROUPS, C, *(name(t.upper()) for t in tags)), layout)
    w = Tensor("weight", (GROUPS, K, C, *(_size("k", t) for t in tags)), ((0, 1), (2,), *images))
    up = inserted("spread_input", x, BACK, tags, [_long(t) for t in tags], "zi")
    slides = [
        Slide(_long(t), name(f"{t.upper()}_out"), _size("k", t), _size("p", t), _size("t", t), _size("d", t))
        for t in tags
    ]
    output = convolved("output", up.tensor, w, LEAD, IN, tags, slides, "convolution of the upsampled input")
    g, loss = paired(output)
    facts = at_least(1, "N", "groups", "C", "K") + tuple(f for t in tags for f in _facts(t))
    return Setting(facts, (x, w, g), (up, output, loss))


def parts(tags: Tags) -> Parts:
    any_stride = setting(tags)
    once = special(any_stride, {f"{x}_{t}": v for t in tags for x, v in (("t", 1), ("u", 0))})
    x, w, g = any_stride.inputs
    flip = turned("flipped", w, (GROUP, IN, OUT), tags)
    lengths, outs = [name(t.upper()) for t in tags], [name(f"{t.upper()}_out") for t in tags]
    borders = [_size("d", t) * (_size("k", t) - 1) - _size("p", t) for t in tags]
    down = [
        Slide(o, n, _size("k", t), b, _size("s", t), _size("d", t))
        for t, n, o, b in zip(tags, lengths, outs, borders, strict=True)
    ]
    sent = scattered("correlated", x, flip.tensor, LEAD, IN, tags, down, "transposed convolution")
    back = [
        Slide(o, _long(t), _size("k", t), b, ONE, _size("d", t))
        for t, o, b in zip(tags, outs, borders, strict=True)
    ]
    plain = convolved("grad_spread", g, flip.tensor, BACK, OUT, tags, back, "stride-1 backward", letter="z")
    kept = every("grad_input", plain.tensor, BACK, tags, lengths, "i")
    return {
        "fractional": equation("output", any_stride, any_stride.definitions[1], _moving(any_stride, tags)),
        "output": equation("output", extended(once, flip), once.definitions[1], sent),
        "input": gradient("grad_input", extended(once, flip, plain), x, kept),
    }


def _moving(own: Setting, tags: Tags) -> Definition:
    """Output o meets input i at tap a where t o + d a - p = s i: each place moves on by t/s."""
    x, w, _ = own.inputs
    o = ranged("o", tags, [name(f"{t.upper()}_out") for t in tags])
    a, i = ranged("a", tags, w.shape[3:]), ranged("i", tags, x.shape[3:])
    hits = tuple(
        Zero(_size("t", t) * oi.form + _size("d", t) * ai.form - _size("p", t) - _size("s", t) * ii.form)
        for t, oi, ai, ii in zip(tags, o, a, i, strict=True)
    )
    reads = (Read(w, forms(GROUP, OUT, IN, *a)), Read(x, forms(*BACK, *i)))
    tensor = Tensor("correlated", (N, GROUPS, K, *(y.extent for y in o)), x.layout)
    return Definition(tensor, (*LEAD, *o), Expr((Sum((IN, *a, *i), hits, reads),)), "stride t/s")


THEOREMS = (
    Between(
        "fractional-stride",
        "Zero-insertion by s followed by a convolution with stride t is a convolution with the fractional "
        "stride t/s; for t = 1 it is a transposed convolution with stride s, the flipped kernel and padding "
        "d (k - 1) - p, and its input gradient is the stride-1 backward followed by downsampling by s.",
        parts,
    ),
)
