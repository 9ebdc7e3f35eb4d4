"""Owns the losses that compare entry with entry, and the penalty on squares.

Source: torch.nn.MSELoss, torch.nn.BCELoss, torch.nn.BCEWithLogitsLoss. Axes are N_0, N_1, ... for any rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Index
from derive.statements.elementwise import axes, tensor
from derive.statements.model import Model, at_least, forms

MINUS = Fraction(-1)
Products = Sequence[tuple[Fraction, tuple[Factor, ...]]]
"""A sum of products of entries at one place: coefficients and factors."""


@dataclass(frozen=True)
class Pairs:
    """A loss that is the mean, the sum or the list of what each place costs.

    Args:
        rank: axes of the input.
        reduction: "mean", "sum" or "none".
        weighted: whether places have weights; positive: whether the last axis has weights of the target 1.
    """

    rank: int
    reduction: str
    weighted: bool = False
    positive: bool = False

    @property
    def where(self) -> tuple[Index, ...]:
        return axes(self.rank)

    def here(self, title: str) -> Read:
        return Read(tensor(title, self.where), forms(*self.where))

    @property
    def x(self) -> Read:
        return self.here("input")

    @property
    def y(self) -> Read:
        return self.here("target")

    @property
    def scale(self) -> tuple[Factor, ...]:
        return (self.here("weight"),) if self.weighted else ()

    @property
    def pos(self) -> Read:
        last = self.where[-1:]
        return Read(tensor("pos_weight", last), forms(*last))

    def count(self) -> Definition:
        """How many places there are."""
        return Definition(Tensor("count", ()), (), Expr((Sum(self.where, (), ()),)), "the number of entries")

    def each(self, products: Products) -> Definition:
        terms = tuple(Sum((), (), (*self.scale, *factors), c) for c, factors in products)
        return Definition(tensor("loss_each", self.where), self.where, Expr(terms), "a place's loss")

    def reduced(self, title: str) -> Definition:
        """The losses of the places, reduced."""
        there = self.here("loss_each")
        if self.reduction == "none":
            return Definition(tensor(title, self.where), self.where, single(there), "the layer")
        inverse = (Apply("recip", Read(Tensor("count", ()), ())),) if self.reduction == "mean" else ()
        return Definition(Tensor(title, ()), (), Expr((Sum(self.where, (), (*inverse, there)),)), "the layer")

    def model(self, products: Products, operands: Sequence[Tensor], *stages: Definition) -> Model:
        facts = at_least(1, *(f"N_{i}" for i in range(self.rank)))
        count = (self.count(),) if self.reduction == "mean" else ()
        stages = (*stages, self.each(products), *count)
        return Model(facts, tuple(operands), self.reduced("output"), stages)

    def handed(self, model: Model) -> Definition:
        """What reaches the loss of each place."""
        where = self.where if self.reduction == "none" else ()
        inverse = (Apply("recip", Read(Tensor("count", ()), ())),) if self.reduction == "mean" else ()
        body = single(Read(model.grad_output, forms(*where)), *inverse, *self.scale)
        return Definition(tensor("handed", self.where), self.where, body, "grad_output of each place")

    def back(self, model: Model, target: Tensor, products: Products, *helpers: Definition) -> Claim:
        """d loss/d target = handed times a sum of products."""
        there = self.here("handed")
        terms = tuple(Sum((), (), (there, *factors), c) for c, factors in products)
        title = tensor(f"grad_{target.name}", self.where)
        right = Definition(title, self.where, Expr(terms), "the derivative of a place's loss")
        return model.gradient(target, right, self.handed(model), *helpers)

    def forward(self, model: Model) -> Claim:
        return model.forward(self.reduced("reduced"))

    def squares(self) -> dict[str, Claim]:
        """(input - target)^2: gradients 2 (input - target) and its negative."""
        terms = (Sum((), (), (self.x,)), Sum((), (), (self.y,), MINUS))
        apart = Definition(tensor("difference", self.where), self.where, Expr(terms), "input less target")
        d = self.here("difference")
        model = self.model([(Fraction(1), (d, d))], (self.x.tensor, self.y.tensor), apart)
        return {
            "output": self.forward(model),
            "input": self.back(model, self.x.tensor, [(Fraction(2), (d,))]),
            "target": self.back(model, self.y.tensor, [(Fraction(-2), (d,))]),
        }

    def entropy(self) -> dict[str, Claim]:
        """-(y log x + (1 - y) log(1 - x)): gradient (x - y) / (x (1 - x))."""
        log, rest = Apply("log_clamped", self.x), Apply("log_rest_clamped", self.x)
        terms = (Sum((), (), ()), Sum((), (), (self.y,), MINUS))
        other = Definition(tensor("other_share", self.where), self.where, Expr(terms), "one less target")
        products = [(MINUS, (self.y, log)), (MINUS, (self.here("other_share"), rest))]
        weight = (tensor("weight", self.where),) if self.weighted else ()
        model = self.model(products, (self.x.tensor, self.y.tensor, *weight), other)
        inverse = Apply("bce_weight", self.x)
        slope = [(Fraction(1), (inverse, self.x)), (MINUS, (inverse, self.y))]
        return {"output": self.forward(model), "input": self.back(model, self.x.tensor, slope)}

    def entropy_of_logits(self) -> dict[str, Claim]:
        """(1 - y) x - (1 + (w - 1) y) log sigmoid(x); without weights the gradient is sigmoid(x) - y."""
        operands = [self.x.tensor, self.y.tensor]
        operands += [tensor("weight", self.where)] if self.weighted else []
        log = Apply("log_sigmoid", self.x)
        products: list[tuple[Fraction, tuple[Factor, ...]]] = [
            (Fraction(1), (self.x,)),
            (MINUS, (self.y, self.x)),
            (MINUS, (log,)),
        ]
        squash = Apply("sigmoid", self.x)
        slope: list[tuple[Fraction, tuple[Factor, ...]]] = [(Fraction(1), (squash,)), (MINUS, (self.y,))]
        if self.positive:
            operands.append(self.pos.tensor)
            products += [(Fraction(1), (self.y, log)), (MINUS, (self.pos, self.y, log))]
            slope = [
                (Fraction(1), (squash,)),
                (MINUS, (self.y, squash)),
                (MINUS, (self.pos, self.y)),
                (Fraction(1), (self.pos, self.y, squash)),
            ]
        model = self.model(products, operands)
        return {"output": self.forward(model), "input": self.back(model, self.x.tensor, slope)}


def penalty(rank: int) -> dict[str, Claim]:
    """half weight_decay * sum of squares: gradient weight_decay * input."""
    where = axes(rank)
    x, scale = tensor("input", where), Read(Tensor("weight_decay", ()), ())
    here = Read(x, forms(*where))
    half = Expr((Sum(where, (), (scale, here, here), Fraction(1, 2)),))
    output = Definition(Tensor("output", ()), (), half, "the layer")
    model = Model(at_least(1, *(f"N_{i}" for i in range(rank))), (x, scale.tensor), output)
    right = Definition(Tensor("reduced", ()), (), half, "the penalty")
    g = Read(model.grad_output, ())
    back = Definition(tensor("grad_input", where), where, single(g, scale, here), "in proportion")
    return {"output": model.forward(right), "input": model.gradient(x, back)}
