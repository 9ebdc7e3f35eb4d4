"""Owns what a convolution of any rank is: its definition with its padding explicit, and its closed forms.

Source of the definition: torch.nn.Conv2d. Rank lives in `axes` alone, so one statement serves every
rank. Sizes: C and K are channels *per group*; on an axis h the symbols are H (input), H_out, k_h, s_h
(stride), d_h (dilation), p_h and q_h (padding before and after) and r_h, the rows that the stride
leaves over: H + p_h + q_h - d_h (k_h - 1) - 1 = s_h (H_out - 1) + r_h with 0 <= r_h < s_h. Zeros stand
in the definition as brackets; another padding mode is a stage of its own in front of it (`padding.py`),
and its folding back the last step of the input gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from derive.claim import Claim, Fact, Setting
from derive.expr import Definition, Expr, Factor, Partial, Read, Sum, Tensor, single
from derive.index import ZERO, Form, Index, Within, name
from derive.statements import padding
from derive.statements.model import forms
from derive.statements.zeros import Around, Between, around, between

N, GROUPS, C, K = name("N"), name("groups"), name("C"), name("K")


@dataclass(frozen=True)
class Axis:
    """The symbolic sizes of one spatial axis; `tag` ends their names, `zeros` where zeros are its padding."""

    tag: str
    zeros: bool = True

    def __post_init__(self) -> None:
        sized = {"kernel": "k", "stride": "s", "dilation": "d", "before": "p", "after": "q", "leftover": "r"}
        for attribute, letter in sized.items():
            object.__setattr__(self, attribute, name(f"{letter}_{self.tag}"))

    kernel: Form = field(init=False)
    stride: Form = field(init=False)
    dilation: Form = field(init=False)
    before: Form = field(init=False)
    after: Form = field(init=False)
    leftover: Form = field(init=False)

    @property
    def length(self) -> Form:
        return name(self.tag.upper())

    @property
    def out(self) -> Form:
        return name(f"{self.tag.upper()}_out")

    @property
    def reach(self) -> Form:
        """dilation * (kernel - 1): the receptive field less one."""
        return self.dilation * (self.kernel - 1)

    @property
    def stuffed(self) -> Form:
        """Length of grad_output with stride - 1 zeros inserted between its entries."""
        return self.stride * (self.out - 1) + 1

    @property
    def border(self) -> Form:
        """Zeros put before the stuffed grad_output; a negative border crops."""
        return self.reach - (self.before if self.zeros else ZERO)

    @property
    def bordered(self) -> Form:
        """Length after both borders and the leftover rows at the end."""
        behind = self.reach - (self.after if self.zeros else ZERO)
        return self.stuffed + self.border + behind + self.leftover

    @property
    def padded(self) -> Form:
        return self.length + self.before + self.after

    @property
    def seen(self) -> Form:
        """Length of what the kernel slides over before any zeros: the input, or its padded stage."""
        return self.length if self.zeros else self.padded

    def facts(self) -> tuple[Fact, ...]:
        whole = self.length + self.before + self.after - self.reach - 1
        positive = (self.length, self.out, self.kernel, self.stride, self.dilation)
        return (
            *(Fact(size - 1) for size in positive),
            *(Fact(size) for size in (self.before, self.after, self.leftover)),
            Fact(self.stride - 1 - self.leftover),
            Fact(whole - self.stride * (self.out - 1) - self.leftover, equal=True),
        )


@dataclass(frozen=True)
class Statement:
    """Definition and closed forms of a convolution over the given axes, all sizes symbolic."""

    axes: tuple[Axis, ...]
    bias: bool
    batched: bool
    mode: str = "zeros"

    @staticmethod
    def of(tags: tuple[str, ...], bias: bool, batched: bool, mode: str) -> Statement:
        return Statement(tuple(Axis(t, mode == "zeros") for t in tags), bias, batched, mode)

    def along(self, letter: str, extent: str) -> tuple[Index, ...]:
        """One index an axis: `letter`_h, `letter`_w running over that size of the axis."""
        return tuple(Index(f"{letter}_{a.tag}", getattr(a, extent)) for a in self.axes)

    def tensor(self, title: str, channels: Form, extent: str) -> Tensor:
        """An image-like tensor (batch, group, channel in group, spatial axes)."""
        shape = (N, GROUPS, channels, *(getattr(a, extent) for a in self.axes))
        spatial = tuple((i,) for i in range(3, len(shape)))
        return Tensor(title, shape, (((0,),) if self.batched else ()) + ((1, 2), *spatial))

    def kernel(self, title: str, first: Form, second: Form) -> Tensor:
        shape = (GROUPS, first, second, *(a.kernel for a in self.axes))
        return Tensor(title, shape, ((0, 1), *((i,) for i in range(2, len(shape)))))

    def __post_init__(self) -> None:
        tensors = {
            "x": self.tensor("input", C, "length"),
            "w": self.kernel("weight", K, C),
            "b": Tensor("bias", (GROUPS, K), ((0, 1),)),
            "y": self.tensor("output", K, "out"),
            "g": self.tensor("grad_output", K, "out"),
        }
        for attribute, tensor in tensors.items():
            object.__setattr__(self, attribute, tensor)

    x: Tensor = field(init=False)
    w: Tensor = field(init=False)
    b: Tensor = field(init=False)
    y: Tensor = field(init=False)
    g: Tensor = field(init=False)

    n: ClassVar[Index] = Index("n", N)
    group: ClassVar[Index] = Index("g", GROUPS)
    c: ClassVar[Index] = Index("c", C)
    k: ClassVar[Index] = Index("k", K)

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        return (self.x, self.w, *((self.b,) if self.bias else ()), self.g)

    @property
    def facts(self) -> tuple[Fact, ...]:
        found = tuple(Fact(size - 1) for size in (N, GROUPS, C, K))
        found += tuple(f for a in self.axes for f in a.facts())
        more = (f for a in self.axes for f in padding.Padded(a.tag).facts(self.mode))
        return found if self.mode == "zeros" else found + tuple(f for f in more if f not in found)

    @property
    def stages(self) -> tuple[Definition, ...]:
        """The padding of a mode other than zeros; the last one is the padded input."""
        if self.mode == "zeros":
            return ()
        lead, axes = (self.n, self.group, self.c), [padding.Padded(a.tag) for a in self.axes]
        return padding.stages(self.x, lead, axes, self.mode, "padded_input")

    def bias_terms(self) -> tuple[Sum, ...]:
        read = Read(self.b, (self.group.form, self.k.form))
        return (Sum((), (), (read,)),) if self.bias else ()

    def taps(self) -> tuple[Form, ...]:
        """Where output row o meets tap a: stride * o + dilation * a, before the padding is taken off."""
        return tuple(a.stride * name(f"o_{a.tag}") + a.dilation * name(f"a_{a.tag}") for a in self.axes)

    def output(self) -> Definition:
        """The layer itself, zero padding as explicit brackets."""
        o, a = self.along("o", "out"), self.along("a", "kernel")
        if self.stages:
            return Definition(self.y, (self.n, self.group, self.k, *o), self.correlation(), "the layer")
        seen = tuple(t - axis.before for t, axis in zip(self.taps(), self.axes, strict=True))
        inside = tuple(Within(s, axis.length) for s, axis in zip(seen, self.axes, strict=True))
        weight = Read(self.w, forms(self.group, self.k, self.c, *a))
        pixel = Read(self.x, (*forms(self.n, self.group, self.c), *seen))
        body = Expr((Sum((self.c, *a), inside, (weight, pixel)), *self.bias_terms()))
        return Definition(self.y, (self.n, self.group, self.k, *o), body, "the layer")

    def loss(self) -> Definition:
        """A loss whose derivative by the output is grad_output: the pairing of the two."""
        where = (self.n, self.group, self.k, *self.along("o", "out"))
        body = Expr((Sum(where, (), (Read(self.g, forms(*where)), Read(self.y, forms(*where)))),))
        return Definition(Tensor("loss", ()), (), body, "the loss, linear in the output")

    def correlation(self) -> Expr:
        """The sum over taps and channels of the weight times the padded input."""
        taps = self.along("a", "kernel")
        weight = Read(self.w, forms(self.group, self.k, self.c, *taps))
        pixel = Read(self.padded().tensor, (*forms(self.n, self.group, self.c), *self.taps()))
        return Expr((Sum((self.c, *taps), (), (weight, pixel)), *self.bias_terms()))

    def padded(self) -> Definition:
        """The input with its padding written out."""
        if self.stages:
            return self.stages[-1]
        axes = [Around(a.tag, a.before, a.length, a.padded) for a in self.axes]
        return around("padded_input", self.x, (self.n, self.group, self.c), axes, "zero padding")

    def spread(self) -> Definition:
        """grad_output with stride - 1 zeros inserted between neighbours."""
        axes = [Between(a.tag, a.stride, Index(f"o_{a.tag}", a.out)) for a in self.axes]
        lead = (self.n, self.group, self.k)
        return between("spread", self.g, lead, axes, "zero-insertion by the stride")

    def bordered(self) -> Definition:
        """The spread grad_output with its border of zeros; the leftover rows come at the end."""
        axes = [Around(a.tag, a.border, a.stuffed, a.bordered) for a in self.axes]
        lead = (self.n, self.group, self.k)
        return around("bordered", self.spread().tensor, lead, axes, "border of zeros")

    def flipped(self) -> Definition:
        """The kernel reversed on every spatial axis, channel axes exchanged."""
        b = self.along("b", "kernel")
        where = (self.group, self.c, self.k, *b)
        turned = tuple(a.kernel - 1 - i.form for i, a in zip(b, self.axes, strict=True))
        read = Read(self.w, (*forms(self.group, self.k, self.c), *turned))
        return Definition(self.kernel("flipped", C, K), where, single(read), "flip and channel exchange")

    def settings(self, *helpers: Definition) -> Setting:
        fresh = tuple(h for h in helpers if h not in self.stages)
        return Setting(self.facts, self.inputs, (*self.stages, self.output(), self.loss(), *fresh))

    def gradient(
        self, target: Tensor, where: tuple[Index, ...], right: Definition, *helpers: Definition
    ) -> Claim:
        left = single(Partial(Read(self.loss().tensor, ()), Read(target, forms(*where))))
        return Claim(right.tensor.name, self.settings(*helpers), left, right, target)

    def forward_claim(self) -> Claim:
        """output = correlation of the zero-padded input with the weight, read at every stride-th place."""
        padded, definition, body = self.padded(), self.output(), self.correlation()
        right = Definition(self.tensor("correlated", K, "out"), definition.indices, body, "correlation")
        left = single(Read(self.y, forms(*definition.indices)))
        return Claim("output", self.settings(padded), left, right, self.y)

    def input_claim(self) -> Claim:
        """grad_input = correlation (stride 1, same dilation) of bordered with the flipped kernel."""
        bordered, flipped = self.bordered(), self.flipped()
        lead = (self.n, self.group, self.c)
        places = self.along("e", "seen") if self.stages else self.along("i", "length")
        b = self.along("b", "kernel")
        spots = tuple(i.form + a.dilation * j.form for i, j, a in zip(places, b, self.axes, strict=True))
        image = Read(bordered.tensor, (*forms(self.n, self.group, self.k), *spots))
        kernel = Read(flipped.tensor, forms(self.group, self.c, self.k, *b))
        shape = (N, GROUPS, C, *(a.bordered - a.reach for a in self.axes))
        body = Expr((Sum((self.k, *b), (), (image, kernel)),))
        title = "grad_padded" if self.stages else "grad_input"
        right = Definition(Tensor(title, shape, self.x.layout), (*lead, *places), body, "correlation")
        helpers = (self.spread(), bordered, flipped)
        if not self.stages:
            return self.gradient(self.x, right.indices, right, *helpers)
        axes = [padding.Padded(a.tag) for a in self.axes]
        *folded, grad = padding.folds(right.tensor, lead, axes, self.mode, "grad_input")
        return self.gradient(self.x, grad.indices, grad, *helpers, right, *folded)

    def weight_claim(self) -> Claim:
        """grad_weight = correlation of the padded input with spread; tap a is read at dilation * a."""
        padded, spread = self.padded(), self.spread()
        z = self.along("z", "stuffed")
        where = (self.group, self.k, self.c, *self.along("a", "kernel"))
        spots = tuple(a.dilation * name(f"a_{a.tag}") + i.form for i, a in zip(z, self.axes, strict=True))
        image = Read(padded.tensor, (*forms(self.n, self.group, self.c), *spots))
        kernel = Read(spread.tensor, forms(self.n, self.group, self.k, *z))
        body = Expr((Sum((self.n, *z), (), (image, kernel)),))
        right = Definition(self.kernel("grad_weight", K, C), where, body, "correlation")
        return self.gradient(self.w, where, right, padded, spread)

    def bias_claim(self) -> Claim:
        """grad_bias = the plain sum of grad_output over batch and places."""
        o = self.along("o", "out")
        where = (self.group, self.k)
        read: Factor = Read(self.g, forms(self.n, self.group, self.k, *o))
        right = Definition(
            Tensor("grad_bias", (GROUPS, K), ((0, 1),)),
            where,
            Expr((Sum((self.n, *o), (), (read,)),)),
            "plain sum",
        )
        return self.gradient(self.b, where, right)

    def claims(self) -> dict[str, Claim]:
        found = {"output": self.forward_claim(), "input": self.input_claim(), "weight": self.weight_claim()}
        return found | ({"bias": self.bias_claim()} if self.bias else {})
