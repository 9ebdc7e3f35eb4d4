"""Owns power-average pooling of any rank: the root of the sum of powers over each window.

Source: torch.nn.LPPool2d. total[o] is the sum of input^p over window o, output[o] its p-th root. On an axis h
the symbols are H, H_out, k_h, s_h, q_h (how far the last window hangs over the end) and r_h (what the stride
leaves over): H + q - k = s (H_out - 1) + r with 0 <= r < s. Where windows may hang over, the sum is
scaled by the tables scale_h, scale_w: the window's places over those of them that are inside, as PyTorch's
mean times the size of the kernel comes out there.
"""

from __future__ import annotations

from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import ZERO, Form, Index, Within, Zero
from derive.statements.model import Image, Model, at_least, forms, ranged
from derive.statements.pooling import Axis


class Unpadded(Axis):
    """The symbolic sizes of one spatial axis without padding before."""

    def size(self, letter: str) -> Form:
        return ZERO if letter == "p" else super().size(letter)

    def facts(self) -> tuple[Fact, ...]:
        upper = self.tag.upper()
        left = self.padded - self.size("k") - self.size("s") * (self.out - 1) - self.size("r")
        return (
            *at_least(1, upper, f"{upper}_out", f"k_{self.tag}", f"s_{self.tag}"),
            *at_least(0, f"q_{self.tag}", f"r_{self.tag}"),
            Fact(self.size("s") - 1 - self.size("r")),
            Fact(left, equal=True),
        )


@dataclass(frozen=True)
class Powers:
    """Definition and closed forms over the given axes; `scaled` where windows may hang over the end."""

    tags: tuple[str, ...]
    scaled: bool = False
    batched: bool = True

    @property
    def axes(self) -> tuple[Unpadded, ...]:
        return tuple(Unpadded(t) for t in self.tags)

    @property
    def image(self) -> Image:
        return Image(self.batched)

    @property
    def lead(self) -> tuple[Index, Index]:
        return (self.image.n, self.image.c)

    @property
    def places(self) -> tuple[Index, ...]:
        return ranged("o", self.tags, [a.out for a in self.axes])

    @property
    def window(self) -> tuple[Index, ...]:
        return ranged("a", self.tags, [a.size("k") for a in self.axes])

    @property
    def entries(self) -> tuple[Index, ...]:
        return ranged("i", self.tags, [a.length for a in self.axes])

    @property
    def x(self) -> Tensor:
        return self.image.tensor("input", [a.length for a in self.axes])

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """What the sum over a window is multiplied by."""
        if not self.scaled:
            return ()
        return tuple(Tensor(f"scale_{a.tag}", (a.out,), ((0,),)) for a in self.axes)

    def scale(self) -> tuple[Factor, ...]:
        return (
            tuple(Read(t, (o.form,)) for t, o in zip(self.tables, self.places, strict=True))
            if self.scaled
            else ()
        )

    def spots(self) -> tuple[Form, ...]:
        """Where window o has its entry a."""
        return tuple(a.spot() for a in self.axes)

    def placed(self, title: str, body: Expr, role: str) -> Definition:
        """A definition of one entry for each window."""
        tensor = self.image.tensor(title, [a.out for a in self.axes])
        return Definition(tensor, (*self.lead, *self.places), body, role)

    def total(self) -> Definition:
        """The sum of powers over each window."""
        inside = tuple(Within(s, a.length) for s, a in zip(self.spots(), self.axes, strict=True))
        power = Apply("power", Read(self.x, (*forms(*self.lead), *self.spots())))
        body = Expr((Sum(self.window, inside, (*self.scale(), power)),))
        return self.placed("total", body, "the sum of powers over each window")

    def at(self) -> Read:
        return Read(self.total().tensor, forms(*self.lead, *self.places))

    @property
    def model(self) -> Model:
        facts = self.image.facts() + tuple(f for a in self.axes for f in a.facts())
        output = self.placed("output", single(Apply("root", self.at())), "the layer")
        return Model(facts, (self.x, *self.tables), output, (self.total(),))

    def forward_claim(self) -> Claim:
        """output = the root of each window's sum of powers."""
        return self.model.forward(self.placed("rooted", single(Apply("root", self.at())), "the root"))

    def input_claim(self) -> Claim:
        """grad_input = the derivative of the power, times what every window that holds the entry hands on."""
        grad = Read(self.model.grad_output, forms(*self.lead, *self.places))
        handed = single(*self.scale(), grad, Apply("root_prime", self.at()))
        slope = self.placed("handed", handed, "grad_output times the derivative of the root")
        where = (*self.places, *self.window)
        hits = tuple(Zero(s - i.form) for s, i in zip(self.spots(), self.entries, strict=True))
        back = Read(slope.tensor, forms(*self.lead, *self.places))
        own = Apply("power_prime", Read(self.x, forms(*self.lead, *self.entries)))
        body = Expr((Sum(where, hits, (back, own)),))
        tensor = self.image.tensor("grad_input", [a.length for a in self.axes])
        right = Definition(tensor, (*self.lead, *self.entries), body, "sum over the windows with the entry")
        return self.model.gradient(self.x, right, slope)

    def claims(self) -> dict[str, Claim]:
        """output: roots of sums of powers; input: by the chain rule through both."""
        return {"output": self.forward_claim(), "input": self.input_claim()}
