"""Wrong statements of the convolution's gradients, each with one mistake that recurs in the field."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, single
from derive.index import ONE, Form, Index, Within, Zero, name
from derive.statements.convolution import Axis, Statement, forms


class NoFlip(Statement):
    """Kernel not flipped."""

    wrong = "input"

    def flipped(self) -> Definition:
        right = super().flipped()
        b = right.indices[3:]
        return replace(right, body=single(Read(self.w, forms(self.group, self.k, self.c, *b))))


class OneAxisFlip(Statement):
    """Kernel flipped on the last axis only."""

    wrong = "input"

    def flipped(self) -> Definition:
        right = super().flipped()
        (read,) = right.body.terms[0].factors
        index = (*read.index[:3], right.indices[3].form, *read.index[4:])
        return replace(right, body=single(Read(self.w, index)))


class DilationLost(Statement):
    """Closed form reads at i + b, not at i + dilation * b."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        (term,) = claim.right.body.terms
        image, kernel = term.factors
        spots = tuple(name(f"i_{a.tag}") + name(f"b_{a.tag}") for a in self.axes)
        body = Expr((replace(term, factors=(replace(image, index=(*image.index[:3], *spots)), kernel)),))
        return replace(claim, right=replace(claim.right, body=body))


class StrideDropped(Statement):
    """grad_output is not spread: row z holds output row z."""

    wrong = "input"

    def spread(self) -> Definition:
        right = super().spread()
        (term,) = right.body.terms
        hits = tuple(Zero(name(f"z_{a.tag}") - name(f"o_{a.tag}")) for a in self.axes)
        return replace(right, body=Expr((replace(term, conditions=hits),)))


class StrideAndDilationSwapped(Statement):
    """grad_output spread by the dilation."""

    wrong = "input"

    def spread(self) -> Definition:
        right = super().spread()
        (term,) = right.body.terms
        hits = tuple(Zero(name(f"z_{a.tag}") - a.dilation * name(f"o_{a.tag}")) for a in self.axes)
        return replace(right, body=Expr((replace(term, conditions=hits),)))


class SumOverInputChannels(Statement):
    """grad_input summed over a second index c' instead of the filters k."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        (term,) = claim.right.body.terms
        moved = tuple(Index("k", self.c.extent) if i.name == "k" else i for i in term.indices)
        return replace(claim, right=replace(claim.right, body=Expr((replace(term, indices=moved),))))


class ShiftedBorder(Statement):
    """Padding of the spread gradient off by one: the border begins one row late."""

    wrong = "input"

    def bordered(self) -> Definition:
        right = super().bordered()
        (term,) = right.body.terms
        (read,) = term.factors
        spots = tuple(f - 1 for f in read.index[3:])
        inside = tuple(Within(s, a.stuffed) for s, a in zip(spots, self.axes, strict=True))
        moved = Sum((), inside, (replace(read, index=(*read.index[:3], *spots)),))
        return replace(right, body=Expr((moved,)))


class Doubled(Statement):
    """Every term counted twice."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        (term,) = claim.right.body.terms
        return replace(
            claim, right=replace(claim.right, body=Expr((replace(term, coefficient=Fraction(2)),)))
        )


class TermTwice(Statement):
    """The same monomials, with another multiplicity: the sum written twice."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        (term,) = claim.right.body.terms
        return replace(claim, right=replace(claim.right, body=Expr((term, term))))


class NoLeftover(Statement):
    """The rows that the stride leaves over are dropped: the right side is too short."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        shape = (
            *claim.right.tensor.shape[:3],
            *(s - a.leftover for s, a in zip(claim.right.tensor.shape[3:], self.axes, strict=True)),
        )
        return replace(claim, right=replace(claim.right, tensor=replace(claim.right.tensor, shape=shape)))


class LeftoverRowsZero(Statement):
    """The rows that the stride leaves over get no gradient although dilation reaches them."""

    wrong = "input"

    def input_claim(self) -> Claim:
        claim = super().input_claim()
        (term,) = claim.right.body.terms
        kept = tuple(Within(name(f"i_{a.tag}"), a.length - a.leftover) for a in self.axes)
        return replace(claim, right=replace(claim.right, body=Expr((replace(term, conditions=kept),))))


class WeightStrideDropped(StrideDropped):
    """grad_weight correlates with an unspread grad_output."""

    wrong = "weight"


class WeightDilationLost(Statement):
    """grad_weight reads tap a at a, not at dilation * a."""

    wrong = "weight"

    def weight_claim(self) -> Claim:
        claim = super().weight_claim()
        (term,) = claim.right.body.terms
        image, kernel = term.factors
        spots = tuple(name(f"a_{a.tag}") + name(f"z_{a.tag}") for a in self.axes)
        body = Expr((replace(term, factors=(replace(image, index=(*image.index[:3], *spots)), kernel)),))
        return replace(claim, right=replace(claim.right, body=body))


class WeightPadForgotten(Statement):
    """grad_weight reads the padded input as if the padding began one row later."""

    wrong = "weight"

    def padded(self) -> Definition:
        right = super().padded()
        (term,) = right.body.terms
        (read,) = term.factors
        spots = tuple(f + 1 for f in read.index[3:])
        inside = tuple(Within(s, a.length) for s, a in zip(spots, self.axes, strict=True))
        moved = Sum((), inside, (replace(read, index=(*read.index[:3], *spots)),))
        return replace(right, body=Expr((moved,)))


class BiasWithoutBatch(Statement):
    """grad_bias takes the first image only."""

    wrong = "bias"

    def bias_claim(self) -> Claim:
        claim = super().bias_claim()
        (term,) = claim.right.body.terms
        (read,) = term.factors
        moved = Sum(term.indices[1:], (), (replace(read, index=(ONE - 1, *read.index[1:])),))
        return replace(claim, right=replace(claim.right, body=Expr((moved,))))


class BiasOverRowsOnly(Statement):
    """grad_bias forgets one spatial axis: only column 0 is summed."""

    wrong = "bias"

    def bias_claim(self) -> Claim:
        claim = super().bias_claim()
        (term,) = claim.right.body.terms
        (read,) = term.factors
        moved = Sum(term.indices[:-1], (), (replace(read, index=(*read.index[:-1], ONE - 1)),))
        return replace(claim, right=replace(claim.right, body=Expr((moved,))))


class LongAxis(Axis):
    """An axis whose spread gradient is taken stride * H_out long."""

    @property
    def stuffed(self) -> Form:
        return self.stride * self.out


class StuffedTooLong(Statement):
    """Stuffed length wrong: zeros also after the last entry."""

    wrong = "input"

    def __post_init__(self) -> None:
        object.__setattr__(self, "axes", tuple(LongAxis(a.tag) for a in self.axes))
        super().__post_init__()


MUTANTS = (
    NoFlip,
    OneAxisFlip,
    DilationLost,
    StrideDropped,
    StrideAndDilationSwapped,
    SumOverInputChannels,
    ShiftedBorder,
    Doubled,
    TermTwice,
    NoLeftover,
    LeftoverRowsZero,
    WeightStrideDropped,
    WeightDilationLost,
    WeightPadForgotten,
    BiasWithoutBatch,
    BiasOverRowsOnly,
    StuffedTooLong,
)

AXES = (Axis("h"), Axis("w"))


def mutant_claim(kind: type[Statement], *, bias: bool = True, batched: bool = True) -> Claim:
    """The claim that the mutant gets wrong, over symbolic sizes."""
    return kind(AXES, bias, batched).claims()[kind.wrong]
