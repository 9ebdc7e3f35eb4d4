"""Owns the theorems between convolutions: strided, transposed, fractional, and each other's gradients."""

from __future__ import annotations

from derive.between.base import (
    BATCH,
    GROUP,
    IN,
    OUT,
    Between,
    C,
    K,
    Parts,
    Slide,
    Tags,
    convolved,
    equation,
    every,
    extended,
    gradient,
    inserted,
    scattered,
    special,
    turned,
)  # fmt: skip
from derive.expr import Definition, Expr, Read, Sum, Tensor
from derive.index import ONE, Form, Within
from derive.statements import transposed
from derive.statements.convolution import Axis, Statement
from derive.statements.model import forms, ranged

LEAD, BACK = (BATCH, GROUP, OUT), (BATCH, GROUP, IN)


def layer(tags: Tags, bias: bool = False) -> Statement:
    """The convolution layer with zero padding and a batch."""
    return Statement.of(tags, bias, True, "zeros")


def slides(axes: tuple[Axis, ...]) -> list[Slide]:
    """The layer's own slides."""
    return [Slide(a.length, a.out, a.kernel, a.before, a.stride, a.dilation) for a in axes]


def unstrided(axes: tuple[Axis, ...]) -> list[Slide]:
    """The same layer with stride 1: s (H_out - 1) + 1 + r places."""
    return [Slide(a.length, a.stuffed + a.leftover, a.kernel, a.before, ONE, a.dilation) for a in axes]


def backwards(forward: list[Slide]) -> list[Slide]:
    """The slides of the flipped kernel over the gradient of a stride-1 convolution."""
    found = []
    for s in forward:
        border = s.dilation * (s.kernel - 1) - s.before
        found.append(Slide(s.out, s.length, s.kernel, border, ONE, s.dilation))
    return found


def strided(tags: Tags) -> Parts:
    own = layer(tags, bias=True)
    flat, places = unstrided(own.axes), [a.out for a in own.axes]
    plain = convolved(
        "plain", own.x, own.w, LEAD, IN, tags, flat, "convolution with stride 1", own.bias_terms(), "z"
    )
    setting = own.settings()
    chosen = every("downsampled", plain.tensor, LEAD, tags, places)
    up = inserted("spread", own.g, LEAD, tags, [s.out for s in flat])
    flip = turned("flipped", own.w, (GROUP, IN, OUT), tags)
    back = convolved(
        "grad_input",
        up.tensor,
        flip.tensor,
        BACK,
        OUT,
        tags,
        backwards(flat),
        "stride-1 backward",
        letter="i",
    )
    z = up.indices[3:]
    a = own.along("a", "kernel")
    spots = tuple(s.spot(zi, ai) for s, zi, ai in zip(flat, z, a, strict=True))
    inside = tuple(Within(spot, s.length) for spot, s in zip(spots, flat, strict=True))
    reads = (Read(up.tensor, forms(*LEAD, *z)), Read(own.x, (*forms(*BACK), *spots)))
    by_weight = Definition(
        own.kernel("grad_weight", K, C), (GROUP, OUT, IN, *a),
        Expr((Sum((BATCH, *z), inside, reads),)), "stride-1 backward",
    )  # fmt: skip
    return {
        "output": equation("output", extended(setting, plain), own.output(), chosen),
        "input": gradient("grad_input", extended(setting, up, flip), own.x, back),
        "weight": gradient("grad_weight", extended(setting, up), own.w, by_weight),
    }


def transposed_convolution(tags: Tags) -> Parts:
    own = transposed.Transposed(tuple(transposed.Axis(t) for t in tags), False, True)
    setting = own.model.setting()
    up = inserted("spread_input", own.x, BACK, tags, [a.stuffed + a.size("r") for a in own.axes], "zi")
    flip = turned("flipped", own.w, (GROUP, OUT, IN), tags)
    over = [Slide(a.stuffed + a.size("r"), a.out, a.size("k"), a.border, ONE, a.size("d")) for a in own.axes]
    right = convolved("correlated", up.tensor, flip.tensor, LEAD, IN, tags, over, "convolution with stride 1")
    return {"output": equation("output", extended(setting, up, flip), own.output(), right)}


def transposed_gradient(tags: Tags) -> Parts:
    own = transposed.Transposed(tuple(transposed.Axis(t) for t in tags), False, True)
    over = [Slide(a.out, a.length, a.size("k"), a.size("p"), a.size("s"), a.size("d")) for a in own.axes]
    g = own.model.grad_output
    right = convolved("grad_input", g, own.w, BACK, OUT, tags, over, "convolution of grad_output", letter="i")
    return {"input": gradient("grad_input", own.model.setting(), own.x, right)}


def convolution_gradient(tags: Tags) -> Parts:
    own = layer(tags)
    right = scattered(
        "grad_input", own.g, own.w, BACK, OUT, tags, slides(own.axes), "transposed convolution", "oi"
    )
    return {"input": gradient("grad_input", own.settings(), own.x, right)}


def adjoint(tags: Tags) -> Parts:
    own = layer(tags)
    back = scattered("back", own.g, own.w, BACK, OUT, tags, slides(own.axes), "transposed convolution", "oi")
    i = own.along("i", "length")
    reads = (Read(own.x, forms(*BACK, *i)), Read(back.tensor, forms(*BACK, *i)))
    body = Expr((Sum((*BACK, *i), (), reads),))
    right = Definition(Tensor("pairing", ()), (), body, "the input paired with what comes back")
    return {"loss": equation("loss", extended(own.settings(), back), own.loss(), right)}


def textbook(tags: Tags) -> Parts:
    """At stride 1 and dilation 1: sum over j of G[j] W[i + p - j], the definition of convolution itself."""
    own = layer(tags)
    values: dict[str, Form | int] = {f"{x}_{t}": v for t in tags for x, v in (("s", 1), ("d", 1), ("r", 0))}
    i, j = own.along("i", "length"), ranged("j", tags, [a.out for a in own.axes])
    taps = tuple(x.form + a.before - y.form for x, y, a in zip(i, j, own.axes, strict=True))
    inside = tuple(Within(tap, a.kernel) for tap, a in zip(taps, own.axes, strict=True))
    reads = (Read(own.g, forms(*LEAD, *j)), Read(own.w, (*forms(GROUP, OUT, IN), *taps)))
    body = Expr((Sum((OUT, *j), inside, reads),))
    right = Definition(
        own.tensor("grad_input", C, "length"), (*BACK, *i), body, "convolution, unflipped kernel"
    )
    setting = special(own.settings(), values)
    return {"input": gradient("grad_input", setting, own.x, right)}


def full(tags: Tags) -> Parts:
    """At stride 1: the convolution layer with d (k - 1) - p zeros and the flipped kernel."""
    own = layer(tags)
    values: dict[str, Form | int] = {f"{x}_{t}": v for t in tags for x, v in (("s", 1), ("r", 0))}
    flip = turned("flipped", own.w, (GROUP, IN, OUT), tags)
    over = backwards([Slide(a.length, a.out, a.kernel, a.before, ONE, a.dilation) for a in own.axes])
    right = convolved("grad_input", own.g, flip.tensor, BACK, OUT, tags, over, "full correlation", letter="i")
    setting = extended(special(own.settings(), values), flip)
    return {"input": gradient("grad_input", setting, own.x, right)}


THEOREMS = (
    Between(
        "strided-convolution",
        "A convolution with stride s is the convolution with stride 1 followed by downsampling by s; "
        "backward, the gradient is upsampled by s, the leftover zeros follow, then the stride-1 backward.",
        strided,
    ),
    Between(
        "transposed-convolution",
        "A transposed convolution is zero-insertion by its stride, output_padding zeros at the end, then the "
        "stride-1 convolution with the flipped kernel and d (k - 1) - p zeros of padding (a negative number "
        "crops).",
        transposed_convolution,
    ),
    Between(
        "transposed-convolution-gradient",
        "The input gradient of a transposed convolution is the convolution of grad_output with the same "
        "weight, stride, padding and dilation.",
        transposed_gradient,
    ),
    Between(
        "convolution-input-gradient",
        "The input gradient of a convolution is the transposed convolution of grad_output with the same "
        "weight, stride, padding and dilation; output_padding is what the stride left over.",
        convolution_gradient,
    ),
    Between(
        "adjoint",
        "The transposed convolution is the adjoint of the convolution with the same parameters: the output "
        "paired with g is the input paired with the transposed convolution of g.",
        adjoint,
    ),
    Between(
        "gradient-is-a-convolution",
        "At stride 1 the input gradient is the convolution, in the strict sense, of grad_output with the "
        "kernel as it is: the sum of G[j] W[i + p - j] over j.",
        textbook,
    ),
    Between(
        "full-correlation",
        "At stride 1 the input gradient is the correlation of grad_output with the flipped kernel, with "
        "d (k - 1) - p zeros around grad_output (a negative number crops).",
        full,
    ),
)
