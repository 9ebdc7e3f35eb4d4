"""Owns what a transposed convolution of any rank is: its definition by scattering, and its closed forms.

Source of the definition: torch.nn.ConvTranspose2d. Every input entry i sends weight * input to the output
places o = s*i + d*a - p. C and K are input and output channels *per group*; on an axis h the input has
length H, the output H_out, and H_out + p_h + q_h - d_h (k_h - 1) - 1 = s_h (H - 1) + r_h, where r_h is
PyTorch's output_padding: the same equation as for a convolution from H_out to H, read backwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Condition, Form, Index, Zero, name
from derive.statements.model import Model, Spatial, at_least, forms, ranged
from derive.statements.zeros import Around, Between, around, between

N, GROUPS, C, K = name("N"), name("groups"), name("C"), name("K")
BATCH, GROUP, IN, OUT = Index("n", N), Index("g", GROUPS), Index("c", C), Index("k", K)


class Axis(Spatial):
    """The symbolic sizes of one spatial axis; `tag` ends their names."""

    @property
    def reach(self) -> Form:
        """dilation * (kernel - 1)."""
        return self.size("d") * (self.size("k") - 1)

    @property
    def stuffed(self) -> Form:
        """Length of the input with stride - 1 zeros inserted between its entries."""
        return self.size("s") * (self.length - 1) + 1

    @property
    def border(self) -> Form:
        """Zeros put before the stuffed input; a negative border crops."""
        return self.reach - self.size("p")

    @property
    def bordered(self) -> Form:
        return self.stuffed + self.border + (self.reach - self.size("q")) + self.size("r")

    @property
    def padded(self) -> Form:
        return self.out + self.size("p") + self.size("q")

    def tap(self) -> Form:
        """Where input entry i sends tap a, before the padding is taken off."""
        return self.size("s") * name(f"i_{self.tag}") + self.size("d") * name(f"a_{self.tag}")

    def facts(self) -> tuple[Fact, ...]:
        positive = (self.tag.upper(), f"{self.tag.upper()}_out", *(f"{x}_{self.tag}" for x in "ksd"))
        whole = self.out + self.size("p") + self.size("q") - self.reach - 1
        return (
            *at_least(1, *positive),
            *at_least(0, *(f"{x}_{self.tag}" for x in "pqr")),
            Fact(whole - self.size("s") * (self.length - 1) - self.size("r"), equal=True),
        )


@dataclass(frozen=True)
class Transposed:
    """Definition and closed forms over the given axes, all sizes symbolic."""

    axes: tuple[Axis, ...]
    bias: bool
    batched: bool

    def along(self, letter: str, extents: Sequence[Form]) -> tuple[Index, ...]:
        return ranged(letter, [a.tag for a in self.axes], extents)

    @property
    def taps(self) -> tuple[Index, ...]:
        return self.along("a", [a.size("k") for a in self.axes])

    @property
    def inner(self) -> tuple[Index, ...]:
        return self.along("i", [a.length for a in self.axes])

    @property
    def outer(self) -> tuple[Index, ...]:
        return self.along("o", [a.out for a in self.axes])

    def image(self, title: str, channels: Form, lengths: Sequence[Form]) -> Tensor:
        """A tensor (batch, group, channel in group, spatial axes)."""
        shape = (N, GROUPS, channels, *lengths)
        spatial = tuple((i,) for i in range(3, len(shape)))
        return Tensor(title, shape, (((0,),) if self.batched else ()) + ((1, 2), *spatial))

    @property
    def x(self) -> Tensor:
        return self.image("input", C, [a.length for a in self.axes])

    @property
    def w(self) -> Tensor:
        """(in_channels, out_channels // groups, kernel): the group belongs to the first axis."""
        shape = (GROUPS, C, K, *(a.size("k") for a in self.axes))
        return Tensor("weight", shape, ((0, 1), *((i,) for i in range(2, len(shape)))))

    @property
    def b(self) -> Tensor:
        return Tensor("bias", (GROUPS, K), ((0, 1),))

    def bias_terms(self) -> tuple[Sum, ...]:
        return (Sum((), (), (Read(self.b, forms(GROUP, OUT)),)),) if self.bias else ()

    def output(self) -> Definition:
        """The layer itself: every input entry scattered."""
        places = zip(self.outer, self.axes, strict=True)
        hits: tuple[Condition, ...] = tuple(Zero(o.form - a.tap() + a.size("p")) for o, a in places)
        weight = Read(self.w, forms(GROUP, IN, OUT, *self.taps))
        pixel = Read(self.x, forms(BATCH, GROUP, IN, *self.inner))
        body = Expr((Sum((IN, *self.inner, *self.taps), hits, (weight, pixel)), *self.bias_terms()))
        tensor = self.image("output", K, [a.out for a in self.axes])
        return Definition(tensor, (BATCH, GROUP, OUT, *self.outer), body, "the layer")

    @property
    def model(self) -> Model:
        facts = at_least(1, "N", "groups", "C", "K") + tuple(f for a in self.axes for f in a.facts())
        operands = (self.x, self.w, *((self.b,) if self.bias else ()))
        return Model(facts, operands, self.output())

    def spread(self) -> Definition:
        """The input with stride - 1 zeros inserted between neighbours."""
        pairs = zip(self.axes, self.inner, strict=True)
        axes = [Between(a.tag, a.size("s"), i) for a, i in pairs]
        return between("spread_input", self.x, (BATCH, GROUP, IN), axes, "zero-insertion by the stride")

    def bordered(self) -> Definition:
        """The spread input with its border of zeros; the output padding comes at the end."""
        axes = [Around(a.tag, a.border, a.stuffed, a.bordered) for a in self.axes]
        lead = (BATCH, GROUP, IN)
        return around("bordered_input", self.spread().tensor, lead, axes, "border of zeros")

    def flipped(self) -> Definition:
        """The kernel reversed on every spatial axis, channel axes exchanged."""
        b = self.along("b", [a.size("k") for a in self.axes])
        turned = tuple(a.size("k") - 1 - i.form for i, a in zip(b, self.axes, strict=True))
        read = Read(self.w, (*forms(GROUP, IN, OUT), *turned))
        shape = (GROUPS, K, C, *(a.size("k") for a in self.axes))
        tensor = Tensor("flipped", shape, ((0, 1), *((i,) for i in range(2, len(shape)))))
        return Definition(tensor, (GROUP, OUT, IN, *b), single(read), "flip and channel exchange")

    def padded(self) -> Definition:
        """grad_output with the padding that the layer takes off put back, as zeros."""
        axes = [Around(a.tag, a.size("p"), a.out, a.padded) for a in self.axes]
        return around("padded_grad", self.model.grad_output, (BATCH, GROUP, OUT), axes, "zero padding")

    def forward_claim(self) -> Claim:
        """output = correlation (stride 1) of the bordered, zero-inserted input with the flipped kernel."""
        bordered, flipped = self.bordered(), self.flipped()
        b = self.along("b", [a.size("k") for a in self.axes])
        places = zip(self.outer, b, self.axes, strict=True)
        spots = tuple(o.form + a.size("d") * i.form for o, i, a in places)
        image = Read(bordered.tensor, (*forms(BATCH, GROUP, IN), *spots))
        kernel = Read(flipped.tensor, forms(GROUP, OUT, IN, *b))
        body = Expr((Sum((IN, *b), (), (image, kernel)), *self.bias_terms()))
        tensor = self.image("correlated", K, [a.bordered - a.reach for a in self.axes])
        right = Definition(tensor, self.output().indices, body, "correlation")
        return self.model.forward(right, self.spread(), bordered, flipped)

    def input_claim(self) -> Claim:
        """grad_input = correlation of the padded grad_output with the same kernel, at the same stride."""
        padded = self.padded()
        image = Read(padded.tensor, (*forms(BATCH, GROUP, OUT), *(a.tap() for a in self.axes)))
        kernel = Read(self.w, forms(GROUP, IN, OUT, *self.taps))
        body = Expr((Sum((OUT, *self.taps), (), (image, kernel)),))
        tensor = self.image("grad_input", C, [a.length for a in self.axes])
        right = Definition(tensor, (BATCH, GROUP, IN, *self.inner), body, "strided correlation")
        return self.model.gradient(self.x, right, padded)

    def weight_claim(self) -> Claim:
        """grad_weight = correlation of the padded grad_output with the input, read at the stride."""
        padded = self.padded()
        image = Read(padded.tensor, (*forms(BATCH, GROUP, OUT), *(a.tap() for a in self.axes)))
        pixel = Read(self.x, forms(BATCH, GROUP, IN, *self.inner))
        body = Expr((Sum((BATCH, *self.inner), (), (image, pixel)),))
        tensor = Tensor("grad_weight", self.w.shape, self.w.layout)
        right = Definition(tensor, (GROUP, IN, OUT, *self.taps), body, "correlation")
        return self.model.gradient(self.w, right, padded)

    def bias_claim(self) -> Claim:
        """grad_bias = the plain sum of grad_output over batch and places."""
        read = Read(self.model.grad_output, forms(BATCH, GROUP, OUT, *self.outer))
        body = Expr((Sum((BATCH, *self.outer), (), (read,)),))
        right = Definition(Tensor("grad_bias", (GROUPS, K), ((0, 1),)), (GROUP, OUT), body, "plain sum")
        return self.model.gradient(self.b, right)

    def claims(self) -> dict[str, Claim]:
        found = {"output": self.forward_claim(), "input": self.input_claim(), "weight": self.weight_claim()}
        return found | ({"bias": self.bias_claim()} if self.bias else {})
