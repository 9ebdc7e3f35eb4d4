"""Owns the theorems about kernels: 1x1, flipped, stacked, one channel at a time, padding taken apart."""

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
    extended,
    gradient,
    paired,
    scattered,
    special,
    turned,
)  # fmt: skip
from derive.between.convolutions import BACK, LEAD, layer, slides
from derive.claim import Fact, Setting
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import ONE, ZERO, Form, Index, Within, name
from derive.statements.model import at_least, forms, ranged

Sizes = dict[str, Form | int]


def pointwise(tags: Tags) -> Parts:
    """A matrix as a kernel of size 1: stride 1, no padding, one group."""
    x = Tensor("input", (N, ONE, C, *(name(t.upper()) for t in tags)), layer(tags).x.layout)
    group, ones = Index("g", ONE), (ONE,) * len(tags)
    matrix = Tensor("matrix", (K, C), ((0,), (1,)))
    read = Read(matrix, forms(OUT, IN))
    a, o = ranged("a", tags, ones), ranged("o", tags, x.shape[3:])
    kernel = Tensor("weight", (ONE, K, C, *ones), layer(tags).w.layout)
    weight = Definition(kernel, (group, OUT, IN, *a), single(read), "the matrix as a kernel of size 1")
    over = [Slide(length, length, ONE, ZERO) for length in x.shape[3:]]
    output = convolved("output", x, kernel, (BATCH, group, OUT), IN, tags, over, "the layer")
    g, loss = paired(output)
    facts = at_least(1, "N", "C", "K", *(t.upper() for t in tags))
    setting = Setting(facts, (x, matrix, g), (weight, output, loss))
    pixel, arrived = Read(x, forms(BATCH, group, IN, *o)), Read(g, forms(BATCH, group, OUT, *o))

    def product(title: str, like: Tensor, where: tuple[Index, ...], body: Sum) -> Definition:
        return Definition(Tensor(title, like.shape, like.layout), where, Expr((body,)), "matrix product")

    y = product("multiplied", g, (BATCH, group, OUT, *o), Sum((IN,), (), (read, pixel)))
    dx = product("grad_input", x, (BATCH, group, IN, *o), Sum((OUT,), (), (read, arrived)))
    only = tuple(Read(r.tensor, (r.index[0], ZERO, *r.index[2:])) for r in (arrived, pixel))
    dm = product("grad_matrix", matrix, (OUT, IN), Sum((BATCH, *o), (), only))
    return {
        "output": equation("output", setting, output, y),
        "input": gradient("grad_input", setting, x, dx),
        "matrix": gradient("grad_matrix", setting, matrix, dm),
    }


def flipped(tags: Tags) -> Parts:
    """Stride and dilation 1: with the flipped kernel the layer is the textbook's sum of x[j] f[o - j]."""
    own = layer(tags)
    kernel = Tensor("filter", own.w.shape, own.w.layout)
    flip = turned("weight", kernel, (GROUP, OUT, IN), tags, exchange=False)
    over = [Slide(a.length, a.out, a.kernel, a.before) for a in own.axes]
    output = convolved(
        "output", own.x, flip.tensor, LEAD, IN, tags, over, "the layer with the flipped kernel"
    )
    g, loss = paired(output)
    general = Setting(own.facts, (own.x, kernel, g), (flip, output, loss))
    values: Sizes = {f"{x}_{t}": v for t in tags for x, v in (("s", 1), ("d", 1), ("r", 0))}
    setting = special(general, values)
    o, j = own.along("o", "out"), ranged("j", tags, [a.length for a in own.axes])
    ahead = [a.kernel - 1 - a.before for a in own.axes]
    taps = tuple(x.form + s - y.form for x, s, y in zip(o, ahead, j, strict=True))
    inside = tuple(Within(tap, a.kernel) for tap, a in zip(taps, own.axes, strict=True))
    reads = (Read(own.x, forms(*BACK, *j)), Read(kernel, (*forms(GROUP, OUT, IN), *taps)))
    body = Expr((Sum((IN, *j), inside, reads),))
    right = Definition(
        Tensor("correlated", g.shape, g.layout), (*LEAD, *o), body, "the textbook's definition"
    )
    ends: Sizes = {f"{x}_{a.tag}": a.kernel - 1 for a in own.axes for x in "pq"}
    ends |= {f"{a.tag.upper()}_out": a.length + a.kernel - 1 for a in own.axes}
    padded = equation("output", setting, setting.definitions[1], right)
    move = {size: Form.of(value) for size, value in ends.items()}
    grown = right.mapped(lambda form: form.substitute(move))
    long = special(setting, ends)
    return {"padded": padded, "full": equation("output", long, long.definitions[1], grown)}


def stacked(tags: Tags) -> Parts:
    """Two convolutions of stride 1, the second without padding, and the one that they make together."""
    own = layer(tags)
    mid = Index("m", name("M"))
    second = [name(f"l_{t}") for t in tags]
    between = [a.padded - a.kernel + 1 for a in own.axes]
    first = Tensor("first", (GROUPS, mid.extent, C, *(a.kernel for a in own.axes)), own.w.layout)
    last = Tensor("second", (GROUPS, K, mid.extent, *second), own.w.layout)
    one = [Slide(a.length, m, a.kernel, a.before) for a, m in zip(own.axes, between, strict=True)]
    two = [Slide(m, a.out, length, ZERO) for a, m, length in zip(own.axes, between, second, strict=True)]
    hidden = convolved(
        "hidden", own.x, first, (BATCH, GROUP, mid), IN, tags, one, "first convolution", letter="z"
    )
    output = convolved("output", hidden.tensor, last, LEAD, mid, tags, two, "second convolution")
    g, loss = paired(output)
    facts = at_least(1, "N", "groups", "C", "M", "K")
    for a, length in zip(own.axes, second, strict=True):
        facts += at_least(1, a.tag.upper(), f"{a.tag.upper()}_out", f"k_{a.tag}", f"l_{a.tag}")
        facts += at_least(0, f"p_{a.tag}", f"q_{a.tag}")
        facts += (Fact(a.padded - a.kernel - length + 2 - a.out, equal=True),)
    long = [a.kernel + length - 1 for a, length in zip(own.axes, second, strict=True)]
    kernel = _combined(tags, first, last, mid, long)
    whole = [Slide(a.length, a.out, e, a.before) for a, e in zip(own.axes, long, strict=True)]
    right = convolved("correlated", own.x, kernel.tensor, LEAD, IN, tags, whole, "one convolution")
    setting = Setting(facts, (own.x, first, last, g), (hidden, output, loss, kernel))
    return {"output": equation("output", setting, output, right)}


def _combined(tags: Tags, first: Tensor, last: Tensor, mid: Index, long: list[Form]) -> Definition:
    """The kernels convolved with each other: entry e is the sum of second[e - a] first[a]."""
    e, a = ranged("e", tags, long), ranged("a", tags, first.shape[3:])
    taps = tuple(x.form - y.form for x, y in zip(e, a, strict=True))
    inside = tuple(Within(tap, extent) for tap, extent in zip(taps, last.shape[3:], strict=True))
    reads = (Read(last, (*forms(GROUP, OUT, mid), *taps)), Read(first, forms(GROUP, mid, IN, *a)))
    tensor = Tensor("combined", (GROUPS, K, C, *long), first.layout)
    body = Expr((Sum((mid, *a), inside, reads),))
    return Definition(tensor, (GROUP, OUT, IN, *e), body, "the kernels convolved")


def multichannel(tags: Tags) -> Parts:
    """Every map of a many-channel convolution as a sum of maps between one channel and another."""
    own = layer(tags)
    setting = own.settings()
    o, i, a = own.along("o", "out"), own.along("i", "length"), own.along("a", "kernel")
    over = slides(own.axes)
    pair = (BATCH, GROUP, OUT, IN)
    spots = tuple(s.spot(oi, ai) for s, oi, ai in zip(over, o, a, strict=True))
    inside = tuple(Within(spot, s.length) for spot, s in zip(spots, over, strict=True))
    weight = Read(own.w, forms(GROUP, OUT, IN, *a))
    pixel, arrived = Read(own.x, (*forms(*BACK), *spots)), Read(own.g, forms(*LEAD, *o))

    def single_map(title: str, where: tuple[Index, ...], body: Sum, role: str) -> Definition:
        layout = tuple((axis,) for axis in range(len(where)))
        return Definition(Tensor(title, tuple(x.extent for x in where), layout), where, Expr((body,)), role)

    one = single_map("maps", (*pair, *o), Sum(a, inside, (weight, pixel)), "channel c under filter k")
    b = own.along("b", "kernel")
    steps = tuple(x.form + axis.dilation * y.form for x, y, axis in zip(i, b, own.axes, strict=True))
    helpers = (own.spread(), own.bordered(), own.flipped())
    image = Read(helpers[1].tensor, (*forms(*LEAD), *steps))
    filtered = Sum(b, (), (image, Read(helpers[2].tensor, forms(GROUP, IN, OUT, *b))))
    back = single_map("backs", (*pair, *i), filtered, "output channel k under channel c of filter k, flipped")
    meet = single_map(
        "meets", (*pair, *a), Sum(o, inside, (arrived, pixel)), "channel c with output channel k"
    )
    total = Expr((Sum((IN,), (), (Read(one.tensor, forms(*pair, *o)),)),))
    into = Expr((Sum((OUT,), (), (Read(back.tensor, forms(*pair, *i)),)),))
    over_batch = Expr((Sum((BATCH,), (), (Read(meet.tensor, forms(*pair, *a)),)),))
    y = Definition(own.tensor("correlated", K, "out"), (*LEAD, *o), total, "sum over input channels")
    dx = Definition(own.tensor("grad_input", C, "length"), (*BACK, *i), into, "sum over filters")
    where = (GROUP, OUT, IN, *a)
    dw = Definition(own.kernel("grad_weight", K, C), where, over_batch, "sum over the batch")
    return {
        "output": equation("output", extended(setting, one), own.output(), y),
        "input": gradient("grad_input", extended(setting, *helpers, back), own.x, dx),
        "weight": gradient("grad_weight", extended(setting, meet), own.w, dw),
    }


def padding(tags: Tags) -> Parts:
    """The padding taken out of the layer: zeros first, then a convolution without padding."""
    own = layer(tags)
    padded = own.padded()
    bare = [Slide(a.padded, a.out, a.kernel, ZERO, a.stride, a.dilation) for a in own.axes]
    right = convolved("correlated", padded.tensor, own.w, LEAD, IN, tags, bare, "convolution without padding")
    back = scattered(
        "grad_padded", own.g, own.w, BACK, OUT, tags, bare, "input gradient of the unpadded layer", "oe"
    )
    i = own.along("i", "length")
    spots = tuple(x.form + a.before for x, a in zip(i, own.axes, strict=True))
    body = single(Read(back.tensor, (*forms(*BACK), *spots)))
    cropped = Definition(own.tensor("grad_input", C, "length"), (*BACK, *i), body, "the padding cropped")
    return {
        "output": equation("output", extended(own.settings(), padded), own.output(), right),
        "input": gradient("grad_input", extended(own.settings(), back), own.x, cropped),
    }


THEOREMS = (
    Between(
        "pointwise",
        "A convolution of stride 1 with a kernel of size 1, one group and no padding is a matrix product "
        "over the channels at every place.",
        pointwise,
    ),
    Between(
        "flipped-kernel",
        "The layer of stride 1 and dilation 1 with the flipped kernel is convolution as textbooks define it, "
        "the sum of x[j] f[o - j] over j; with padding k - 1 it gives all of it, with less its middle.",
        flipped,
    ),
    Between(
        "stacked",
        "Two stacked convolutions of stride 1, the second without padding, are one convolution whose kernel, "
        "of size k + l - 1, is the two kernels convolved with each other.",
        stacked,
    ),
    Between(
        "multichannel",
        "Output channel k is the sum over c of channel c under channel c of filter k; channel c of the input "
        "gradient is the sum over k of output gradient k under the flipped channel c of filter k; the "
        "gradient of channel c of filter k is channel c of the input met with channel k of the gradient.",
        multichannel,
    ),
    Between(
        "padding",
        "A convolution with zero padding is zero padding followed by the convolution without; the input "
        "gradient is that of the unpadded convolution, cropped.",
        padding,
    ),
)
