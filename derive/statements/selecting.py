"""Owns pooling by selection of any rank: one entry of each window is taken, the gradient goes to it alone.

Source: torch.nn.MaxPool2d, torch.nn.AdaptiveMaxPool2d and torch.nn.MaxUnpool2d. Which entry is taken is an
input of the statement: `pick` is 1 at one tap of each window and 0 at the others. The theorems hold for every
`pick`, so for the largest entry as well as for the smallest; as a function of the input `pick` is constant
wherever each window has only one such entry, and that is the domain of the derivative. On an axis h the
symbols are those of a convolution (H, H_out, k_h, s_h, d_h, p_h, q_h, r_h); for windows between brackets, and
for the way back, they are H and H_out alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Condition, Form, Index, Within, Zero, name
from derive.statements.convolution import Axis
from derive.statements.model import Image, Model, at_least, forms, ranged
from derive.statements.zeros import Around, around


@dataclass(frozen=True)
class _Selecting:
    """Shared by the statements below: (N, C, lengths) to (N, C, out lengths)."""

    tags: tuple[str, ...]
    batched: bool = True

    @property
    def image(self) -> Image:
        return Image(self.batched)

    @property
    def lead(self) -> tuple[Index, Index]:
        return (self.image.n, self.image.c)

    @property
    def lengths(self) -> tuple[Form, ...]:
        return tuple(name(t.upper()) for t in self.tags)

    @property
    def outs(self) -> tuple[Form, ...]:
        return tuple(name(f"{t.upper()}_out") for t in self.tags)

    @property
    def entries(self) -> tuple[Index, ...]:
        return ranged("i", self.tags, self.lengths)

    @property
    def places(self) -> tuple[Index, ...]:
        return ranged("o", self.tags, self.outs)

    @property
    def x(self) -> Tensor:
        return self.image.tensor("input", self.lengths)

    def defined(self, title: str, where: Sequence[Index], body: Expr, role: str) -> Definition:
        tensor = self.image.tensor(title, [i.extent for i in where])
        return Definition(tensor, (*self.lead, *where), body, role)

    def facts(self) -> tuple[Fact, ...]:
        sizes = (size for t in self.tags for size in (t.upper(), f"{t.upper()}_out"))
        return (*self.image.facts(), *at_least(1, *sizes))

    def routed(self, pick: Tensor, where: Sequence[Index], model: Model) -> Definition:
        """The gradient of each window at the entry it took, and 0 at its others."""
        grad = Read(model.grad_output, forms(*self.lead, *self.places))
        body = single(Read(pick, forms(*self.lead, *where)), grad)
        return self.defined("routed", where, body, "each window's gradient, at its selected entry")


@dataclass(frozen=True)
class Selection(_Selecting):
    """Windows of given kernel, stride, dilation and padding; an entry outside the input is never taken."""

    @property
    def axes(self) -> tuple[Axis, ...]:
        return tuple(Axis(t) for t in self.tags)

    @property
    def taps(self) -> tuple[Index, ...]:
        return ranged("a", self.tags, [a.kernel for a in self.axes])

    @property
    def pick(self) -> Tensor:
        return self.image.tensor("pick", [*self.outs, *(a.kernel for a in self.axes)])

    def spots(self) -> tuple[Form, ...]:
        """Where window o has its tap a, in the padded input."""
        triples = zip(self.axes, self.places, self.taps, strict=True)
        return tuple(axis.stride * o.form + axis.dilation * a.form for axis, o, a in triples)

    def seen(self) -> tuple[Form, ...]:
        """The same place in the input."""
        return tuple(s - a.before for s, a in zip(self.spots(), self.axes, strict=True))

    def taken(self) -> Read:
        return Read(self.pick, forms(*self.lead, *self.places, *self.taps))

    def output(self) -> Definition:
        """The layer itself: the entry that each window takes, among those inside the input."""
        inside = tuple(Within(s, a.length) for s, a in zip(self.seen(), self.axes, strict=True))
        read = Read(self.x, (*forms(*self.lead), *self.seen()))
        body = Expr((Sum(self.taps, inside, (self.taken(), read)),))
        return self.defined("output", self.places, body, "the layer")

    @property
    def model(self) -> Model:
        facts = self.image.facts() + tuple(f for a in self.axes for f in a.facts())
        return Model(facts, (self.x, self.pick), self.output())

    def forward_claim(self) -> Claim:
        """output = the selected entry of the padded input; what was put around it is never selected."""
        axes = [Around(a.tag, a.before, a.length, a.padded) for a in self.axes]
        padded = around("padded_input", self.x, self.lead, axes, "a border that is never selected")
        read = Read(padded.tensor, (*forms(*self.lead), *self.spots()))
        body = Expr((Sum(self.taps, (), (self.taken(), read)),))
        right = self.defined("selected", self.places, body, "the selected entry of each window")
        return self.model.forward(right, padded)

    def input_claim(self) -> Claim:
        """grad_input = the sum of the gradients of all windows that took the entry."""
        routed = self.routed(self.pick, (*self.places, *self.taps), self.model)
        hits = tuple(Zero(s - i.form) for s, i in zip(self.seen(), self.entries, strict=True))
        where = (*self.places, *self.taps)
        body = Expr((Sum(where, hits, (Read(routed.tensor, forms(*self.lead, *where)),)),))
        grad = self.defined("grad_input", self.entries, body, "sum over the windows that took the entry")
        return self.model.gradient(self.x, grad, routed)

    def claims(self) -> dict[str, Claim]:
        """output: the selected entries; input: what the windows that took an entry send back."""
        return {"output": self.forward_claim(), "input": self.input_claim()}


@dataclass(frozen=True)
class Bracketed(_Selecting):
    """Window o holds the entries floor(o H / H_out) <= i < ceil((o + 1) H / H_out) of an axis."""

    @property
    def pick(self) -> Tensor:
        return self.image.tensor("pick", [*self.outs, *self.lengths])

    def band(self) -> tuple[Condition, ...]:
        """[entry i is in window o], without a division."""
        pairs = zip(self.lengths, self.outs, self.places, self.entries, strict=True)
        return tuple(Within(h * o.form - k * i.form + h - 1, h + k - 1) for h, k, o, i in pairs)

    def claims(self) -> dict[str, Claim]:
        """output: the selected entries; input: what the windows that took an entry send back."""
        where = (*self.places, *self.entries)
        taken = Read(self.pick, forms(*self.lead, *where))
        read = Read(self.x, forms(*self.lead, *self.entries))
        body = Expr((Sum(self.entries, self.band(), (taken, read)),))
        output = self.defined("output", self.places, body, "the layer")
        model = Model(self.facts(), (self.x, self.pick), output)
        right = self.defined("selected", self.places, body, "the selected entry of each window")
        routed = self.routed(self.pick, where, model)
        back = Read(routed.tensor, forms(*self.lead, *where))
        summed = Expr((Sum(self.places, self.band(), (back,)),))
        grad = self.defined("grad_input", self.entries, summed, "sum over the windows that took the entry")
        return {"output": model.forward(right), "input": model.gradient(self.x, grad, routed)}


@dataclass(frozen=True)
class Unpooling(_Selecting):
    """Every entry is put at its own place of the output: `spot` is 1 there; 0 stands where none is put."""

    @property
    def goals(self) -> tuple[Index, ...]:
        return ranged("q", self.tags, self.outs)

    @property
    def spot(self) -> Tensor:
        return self.image.tensor("spot", [*self.lengths, *self.outs])

    def claims(self) -> dict[str, Claim]:
        """output: entries put at their places; input: the gradient read at that place."""
        at = Read(self.spot, forms(*self.lead, *self.entries, *self.goals))
        read = Read(self.x, forms(*self.lead, *self.entries))
        body = Expr((Sum(self.entries, (), (at, read)),))
        output = self.defined("output", self.goals, body, "the layer")
        model = Model(self.facts(), (self.x, self.spot), output)
        right = self.defined("placed", self.goals, body, "the entries put at their places")
        back = Read(model.grad_output, forms(*self.lead, *self.goals))
        grad = self.defined("grad_input", self.entries, Expr((Sum(self.goals, (), (at, back)),)), "read back")
        return {"output": model.forward(right), "input": model.gradient(self.x, grad)}
