"""Owns batch normalisation: by the statistics of the batch (training) or by given ones (evaluation).

Source: torch.nn.BatchNorm2d. Axes are N, C and places L_0, L_1, ...; the statistics of a channel are taken
over batch and places, and carry gradient in training. The inverse of `count` is the exact 1/count, and the
sum over a channel's entries of 1/count is 1: that is where the mean of the centred entries vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Index, name
from derive.statements.model import Model, at_least, forms, own_axes

MINUS = Fraction(-1)
BATCH, CHANNEL = Index("n", name("N")), Index("c", name("C"))


@dataclass(frozen=True)
class Normal:
    """One kind of batch normalisation.

    Args:
        places: spatial axes.
        training: whether the statistics are the batch's.
        affine: whether there is a weight; biased: and a bias.
        tracked: whether running statistics are renewed.
    """

    places: int
    training: bool
    affine: bool = True
    tracked: bool = True
    biased: bool = True

    @property
    def where(self) -> tuple[Index, ...]:
        return (BATCH, CHANNEL, *(Index(f"l_{i}", name(f"L_{i}")) for i in range(self.places)))

    @property
    def summed(self) -> tuple[Index, ...]:
        """What the statistics of a channel are taken over."""
        return tuple(i for i in self.where if i != CHANNEL)

    def tensor(self, title: str, *where: Index) -> Tensor:
        return Tensor(title, tuple(i.extent for i in where), own_axes(len(where)))

    def full(self, title: str) -> Read:
        return Read(self.tensor(title, *self.where), forms(*self.where))

    def channel(self, title: str) -> Read:
        return Read(self.tensor(title, CHANNEL), forms(CHANNEL))

    def defined(self, read: Read, body: Expr, role: str) -> Definition:
        where = self.where if len(read.index) > 1 else (CHANNEL,) if read.index else ()
        return Definition(read.tensor, where, body, role)

    @property
    def inverse(self) -> Apply:
        return Apply("recip", Read(Tensor("count", ()), ()))

    @property
    def scale(self) -> tuple[Factor, ...]:
        return (self.channel("weight"),) if self.affine else ()

    @property
    def learned(self) -> tuple[str, ...]:
        """The operands that are learned."""
        return ("weight", "bias")[: self.affine + (self.affine and self.biased)]

    @property
    def root(self) -> Apply:
        """One over the standard deviation of a channel."""
        return Apply("rsqrt", self.channel("steadied"))

    def mean(self, title: str, *factors: Factor, role: str = "a channel's mean") -> Definition:
        """The mean over a channel's entries of a product."""
        body = Expr((Sum(self.summed, (), (self.inverse, *factors)),))
        return self.defined(self.channel(title), body, role)

    def statistics(self) -> tuple[Definition, ...]:
        """count, mean, centred entries, variance, and the variance made safe by eps."""
        steadied = Expr(tuple(single(r).terms[0] for r in (self.channel(self.variance), Read(self.eps, ()))))
        terms = (
            Sum((), (), (self.full("input"),)),
            Sum((), (), (self.channel("mean" if self.training else "running_mean"),), MINUS),
        )
        centred = self.defined(self.full("centred"), Expr(terms), "the input less the mean")
        steady = self.defined(self.channel("steadied"), steadied, "the variance plus eps")
        if not self.training:
            return centred, steady
        count = Definition(Tensor("count", ()), (), Expr((Sum(self.summed, (), ()),)), "a channel's entries")
        centre = self.full("centred")
        spread = self.mean("variance", centre, centre, role="a channel's variance")
        return count, self.mean("mean", self.full("input")), centred, spread, steady

    @property
    def variance(self) -> str:
        return "variance" if self.training else "running_var"

    @property
    def eps(self) -> Tensor:
        return Tensor("eps", ())

    def body(self) -> Expr:
        """weight * centred / deviation + bias."""
        bias = (Sum((), (), (self.channel("bias"),)),) if "bias" in self.learned else ()
        return Expr((Sum((), (), (*self.scale, self.full("centred"), self.root)), *bias))

    @property
    def running(self) -> bool:
        """Whether the layer reads running statistics."""
        return self.tracked or not self.training

    @property
    def model(self) -> Model:
        output = self.defined(self.full("output"), self.body(), "the layer")
        operands = [self.full("input").tensor]
        operands += [self.channel(t).tensor for t in self.learned]
        operands += [self.channel(t).tensor for t in ("running_mean", "running_var") if self.running]
        operands.append(self.eps)
        if self.training and self.tracked:
            operands += [Tensor(t, ()) for t in ("kept", "renewed", "unbiased")]
        facts = at_least(1, *(str(i.extent) for i in self.where))
        return Model(facts, tuple(operands), output, self.statistics())

    def renewals(self) -> tuple[Definition, Definition]:
        """The running statistics after this batch; the variance is the unbiased one."""
        kept = Read(Tensor("kept", ()), ())
        found = []
        for title, source, share in (("mean", "mean", "renewed"), ("var", "variance", "unbiased")):
            terms = (
                Sum((), (), (kept, self.channel(f"running_{title}"))),
                Sum((), (), (Read(Tensor(share, ()), ()), self.channel(source))),
            )
            entry = self.channel(f"new_running_{title}")
            found.append(self.defined(entry, Expr(terms), "moved towards this batch"))
        return found[0], found[1]

    def claims(self) -> dict[str, Claim]:
        """Forward form, gradients, and the new running statistics."""
        model = self.model
        right = self.defined(self.full("normalised"), self.body(), "centred, divided, scaled")
        found = {"output": model.forward(right), "input": self.input_claim(model)}
        g = self.full("grad_output")
        factors = {"weight": (g, self.full("centred"), self.root), "bias": (g,)}
        for title in self.learned:
            body = Expr((Sum(self.summed, (), factors[title]),))
            back = self.defined(self.channel(f"grad_{title}"), body, "a channel's sum")
            found[title] = model.gradient(self.channel(title).tensor, back)
        if self.training and self.tracked:
            for definition in self.renewals():
                title = definition.tensor.name
                renamed = Definition(
                    self.tensor(f"{title}_form", CHANNEL), (CHANNEL,), definition.body, definition.role
                )
                left = single(Read(definition.tensor, forms(CHANNEL)))
                found[title] = Claim(title, model.setting(definition), left, renamed, definition.tensor)
        return found

    def input_claim(self, model: Model) -> Claim:
        """weight / deviation (g - mean of g - centred / variance * mean of (g centred)) in training."""
        g, target = self.full("grad_output"), self.full("input").tensor
        lead = (*self.scale, self.root)
        back = self.full("grad_input")
        if not self.training:
            return model.gradient(target, self.defined(back, single(*lead, g), "scaled"))
        slope = "a channel's mean of grad_output times centred"
        helpers = (
            self.mean("mean_grad", g, role="a channel's mean of grad_output"),
            self.mean("slope_grad", g, self.full("centred"), role=slope),
        )
        terms = (
            Sum((), (), (*lead, g)),
            Sum((), (), (*lead, self.channel("mean_grad")), MINUS),
            Sum(
                (),
                (),
                (*lead, self.root, self.root, self.full("centred"), self.channel("slope_grad")),
                MINUS,
            ),
        )
        said = "what is left after mean and slope"
        return model.gradient(target, self.defined(back, Expr(terms), said), *helpers)
