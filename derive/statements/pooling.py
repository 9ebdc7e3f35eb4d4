"""Owns mean pooling and weighted pooling of any rank: a window sum on each channel, and its adjoint.

Source: torch.nn.AvgPool2d. On an axis h the symbols are H, H_out, k_h, s_h, p_h and q_h (places before and
after), r_h (what the stride leaves over): H + p + q - k = s (H_out - 1) + r with 0 <= r < s. A window that
hangs over the end (ceil_mode) has its overhang in q. Places outside the input add nothing. What a window is
divided by is a table: `share` is one number for all windows; share_h, share_w depend on the place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Form, Index, Within, name
from derive.statements.model import Image, Model, Spatial, at_least, forms, own_axes, ranged
from derive.statements.zeros import Around, Between, around, between

SHARES = ("one", "counted", "learned")
"""Every window divided by one number; by its own number of entries; weighted by a learned kernel."""


class Axis(Spatial):
    """The symbolic sizes of one spatial axis; `tag` ends their names."""

    @property
    def padded(self) -> Form:
        return self.length + self.size("p") + self.size("q")

    @property
    def stuffed(self) -> Form:
        return self.size("s") * (self.out - 1) + 1

    @property
    def border(self) -> Form:
        """Zeros put before the spread gradient; a negative border crops."""
        return self.size("k") - 1 - self.size("p")

    @property
    def bordered(self) -> Form:
        return self.stuffed + self.border + (self.size("k") - 1 - self.size("q")) + self.size("r")

    def spot(self) -> Form:
        """Where window o has its entry a, before the padding is taken off."""
        return self.size("s") * name(f"o_{self.tag}") + name(f"a_{self.tag}")

    def facts(self) -> tuple[Fact, ...]:
        upper = self.tag.upper()
        left = self.padded - self.size("k") - self.size("s") * (self.out - 1) - self.size("r")
        return (
            *at_least(1, upper, f"{upper}_out", f"k_{self.tag}", f"s_{self.tag}"),
            *at_least(0, *(f"{x}_{self.tag}" for x in "pqr")),
            Fact(self.size("s") - 1 - self.size("r")),
            Fact(left, equal=True),
        )


@dataclass(frozen=True)
class Pooling:
    """Definition and closed forms over the given axes; `share` is one of SHARES."""

    axes: tuple[Axis, ...]
    share: str
    batched: bool

    @property
    def image(self) -> Image:
        return Image(self.batched)

    @property
    def lead(self) -> tuple[Index, Index]:
        return (self.image.n, self.image.c)

    def along(self, letter: str, extents: Sequence[Form]) -> tuple[Index, ...]:
        return ranged(letter, [a.tag for a in self.axes], extents)

    @property
    def places(self) -> tuple[Index, ...]:
        return self.along("o", [a.out for a in self.axes])

    @property
    def window(self) -> tuple[Index, ...]:
        return self.along("a", [a.size("k") for a in self.axes])

    @property
    def x(self) -> Tensor:
        return self.image.tensor("input", [a.length for a in self.axes])

    @property
    def tables(self) -> tuple[Tensor, ...]:
        """What windows are divided by (nothing for learned weights)."""
        if self.share == "one":
            return (Tensor("share", ()),)
        if self.share == "counted":
            return tuple(Tensor(f"share_{a.tag}", (a.out,), ((0,),)) for a in self.axes)
        return ()

    @property
    def w(self) -> Tensor:
        shape = tuple(a.size("k") for a in self.axes)
        return Tensor("weight", shape, own_axes(len(shape)))

    def weights(self) -> tuple[Factor, ...]:
        """The factors in front of an entry: the window's share, or the tap's learned weight."""
        if self.share == "learned":
            return (Read(self.w, forms(*self.window)),)
        if self.share == "one":
            return (Read(self.tables[0], ()),)
        return tuple(Read(t, (o.form,)) for t, o in zip(self.tables, self.places, strict=True))

    def output(self) -> Definition:
        """The layer itself; what lies outside the input adds nothing."""
        spots = tuple(a.spot() - a.size("p") for a in self.axes)
        inside = tuple(Within(s, a.length) for s, a in zip(spots, self.axes, strict=True))
        read = Read(self.x, (*forms(*self.lead), *spots))
        body = Expr((Sum(self.window, inside, (*self.weights(), read)),))
        tensor = self.image.tensor("output", [a.out for a in self.axes])
        return Definition(tensor, (*self.lead, *self.places), body, "the layer")

    @property
    def model(self) -> Model:
        facts = self.image.facts() + tuple(f for a in self.axes for f in a.facts())
        learned = (self.w,) if self.share == "learned" else ()
        return Model(facts, (self.x, *learned, *self.tables), self.output())

    def padded(self) -> Definition:
        """The input with its padding written out as zeros."""
        axes = [Around(a.tag, a.size("p"), a.length, a.padded) for a in self.axes]
        return around("padded_input", self.x, self.lead, axes, "zero padding")

    def shared(self) -> Definition:
        """grad_output, divided among the entries of its window."""
        tensor = self.image.tensor("shared_grad", [a.out for a in self.axes])
        read = Read(self.model.grad_output, forms(*self.lead, *self.places))
        where = (*self.lead, *self.places)
        return Definition(tensor, where, single(*self.weights(), read), "each window's share")

    def spread(self, source: Tensor) -> Definition:
        """The gradient with stride - 1 zeros inserted between neighbours."""
        axes = [Between(a.tag, a.size("s"), o) for a, o in zip(self.axes, self.places, strict=True)]
        return between("spread", source, self.lead, axes, "zero-insertion by the stride")

    def bordered(self) -> Definition:
        """The spread gradient with its border of zeros; the leftover rows come at the end."""
        axes = [Around(a.tag, a.border, a.stuffed, a.bordered) for a in self.axes]
        source = self.image.tensor("spread", [a.stuffed for a in self.axes])
        return around("bordered", source, self.lead, axes, "border of zeros")

    def flipped(self) -> Definition:
        b = self.along("b", [a.size("k") for a in self.axes])
        turned = tuple(a.size("k") - 1 - i.form for i, a in zip(b, self.axes, strict=True))
        tensor = Tensor("flipped", self.w.shape, self.w.layout)
        return Definition(tensor, b, single(Read(self.w, turned)), "flip")

    def forward_claim(self) -> Claim:
        """output = the window sums of the padded input, read at every stride-th place."""
        padded = self.padded()
        read = Read(padded.tensor, (*forms(*self.lead), *(a.spot() for a in self.axes)))
        body = Expr((Sum(self.window, (), (*self.weights(), read)),))
        tensor = self.image.tensor("pooled", [a.out for a in self.axes])
        right = Definition(tensor, self.output().indices, body, "window sums")
        return self.model.forward(right, padded)

    def input_claim(self) -> Claim:
        """grad_input = window sums (stride 1) of the bordered, zero-inserted, shared-out grad_output."""
        learned = self.share == "learned"
        helpers = () if learned else (self.shared(),)
        spread = self.spread(helpers[0].tensor if helpers else self.model.grad_output)
        bordered = self.bordered()
        where = (*self.lead, *self.along("i", [a.length for a in self.axes]))
        b = self.along("b", [a.size("k") for a in self.axes])
        spots = tuple(i.form + j.form for i, j in zip(where[2:], b, strict=True))
        image = Read(bordered.tensor, (*forms(*self.lead), *spots))
        flipped = self.flipped()
        kernel: tuple[Factor, ...] = (Read(flipped.tensor, forms(*b)),) if learned else ()
        tensor = self.image.tensor("grad_input", [a.bordered - a.size("k") + 1 for a in self.axes])
        right = Definition(tensor, where, Expr((Sum(b, (), (image, *kernel)),)), "window sums")
        helpers = (*helpers, spread, bordered, *((flipped,) if learned else ()))
        return self.model.gradient(self.x, right, *helpers)

    def weight_claim(self) -> Claim:
        """grad_weight = correlation of the padded input with the spread grad_output, over all channels."""
        padded, spread = self.padded(), self.spread(self.model.grad_output)
        z = self.along("z", [a.stuffed for a in self.axes])
        spots = tuple(a.form + i.form for a, i in zip(self.window, z, strict=True))
        image = Read(padded.tensor, (*forms(*self.lead), *spots))
        kernel = Read(spread.tensor, forms(*self.lead, *z))
        body = Expr((Sum((*self.lead, *z), (), (image, kernel)),))
        tensor = Tensor("grad_weight", self.w.shape, self.w.layout)
        right = Definition(tensor, self.window, body, "correlation")
        return self.model.gradient(self.w, right, padded, spread)

    def claims(self) -> dict[str, Claim]:
        found = {"output": self.forward_claim(), "input": self.input_claim()}
        return found | ({"weight": self.weight_claim()} if self.share == "learned" else {})
