"""Owns softmax and log-softmax along one axis of a tensor of any rank.

Source: torch.nn.Softmax, torch.nn.LogSoftmax. The exponentials are those of input - shift, where shift may
hold anything: the claim "shift" says that the derivative by it is 0, so a kernel may put the largest entry
of the row there without changing what is computed or its gradient.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Read, Sum, Tensor, single
from derive.index import Index
from derive.statements.elementwise import axes, tensor
from derive.statements.model import Model, at_least, forms

MINUS = Fraction(-1)


@dataclass(frozen=True)
class Rows:
    """The input of given axes, its rows along `axis`, and the stages that exponentials stand on."""

    where: tuple[Index, ...]
    axis: int

    @property
    def rest(self) -> tuple[Index, ...]:
        """The axes without the one that is summed over."""
        return tuple(i for i in self.where if i != self.along)

    @property
    def along(self) -> Index:
        return self.where[self.axis]

    @property
    def x(self) -> Tensor:
        return tensor("input", self.where)

    @property
    def shift(self) -> Tensor:
        return tensor("shift", self.rest)

    def shifted(self) -> Definition:
        """The input moved by any amount a row."""
        terms = (
            Sum((), (), (Read(self.x, forms(*self.where)),)),
            Sum((), (), (Read(self.shift, forms(*self.rest)),), MINUS),
        )
        said = "the input moved by any shift"
        return Definition(tensor("shifted", self.where), self.where, Expr(terms), said)

    def total(self) -> Definition:
        """The sum of the exponentials of a row."""
        body = Expr((Sum((self.along,), (), (self.exponential(),)),))
        return Definition(tensor("total", self.rest), self.rest, body, "the sum of a row's exponentials")

    def exponential(self) -> Apply:
        return Apply("exp", Read(self.shifted().tensor, forms(*self.where)))

    def share(self) -> tuple[Apply, Apply]:
        """The factors of a probability: exponential and inverse of the row's sum."""
        return self.exponential(), Apply("recip", Read(self.total().tensor, forms(*self.rest)))

    def log_share(self) -> tuple[Sum, Sum]:
        """The terms of the logarithm of a probability."""
        moved = Read(self.shifted().tensor, forms(*self.where))
        logarithm = Apply("log", Read(self.total().tensor, forms(*self.rest)))
        return Sum((), (), (moved,)), Sum((), (), (logarithm,), MINUS)

    def probability(self) -> Definition:
        body = single(*self.share())
        return Definition(tensor("probability", self.where), self.where, body, "softmax")


def no_shift(model: Model, rows: Rows) -> Claim:
    """d loss/d shift = 0."""
    right = Definition(tensor("grad_shift", rows.rest), rows.rest, Expr(()), "the shift drops out")
    return model.gradient(rows.shift, right)


def _model(rows: Rows, body: Expr) -> Model:
    facts = at_least(1, *(f"N_{i}" for i in range(len(rows.where))))
    output = Definition(tensor("output", rows.where), rows.where, body, "the layer")
    return Model(facts, (rows.x, rows.shift), output, (rows.shifted(), rows.total()))


def softmax(rank: int, axis: int) -> dict[str, Claim]:
    """output = p; grad_input = p (grad_output - sum of grad_output p along the axis)."""
    rows = Rows(axes(rank), axis)
    model = _model(rows, single(*rows.share()))
    p = rows.probability()
    here = Read(p.tensor, forms(*rows.where))
    right = Definition(tensor("normalised", rows.where), rows.where, single(here), "probabilities")
    g = Read(model.grad_output, forms(*rows.where))
    mean = Definition(
        tensor("expected", rows.rest),
        rows.rest,
        Expr((Sum((rows.along,), (), (g, here)),)),
        "the expectation of grad_output",
    )
    terms = (
        Sum((), (), (here, g)),
        Sum((), (), (here, Read(mean.tensor, forms(*rows.rest))), MINUS),
    )
    back = Definition(tensor("grad_input", rows.where), rows.where, Expr(terms), "p times the deviation")
    return {
        "output": model.forward(right, p),
        "input": model.gradient(rows.x, back, p, mean),
        "shift": no_shift(model, rows),
    }


def log_softmax(rank: int, axis: int) -> dict[str, Claim]:
    """output = log p; grad_input = grad_output - p times the sum of grad_output along the axis."""
    rows = Rows(axes(rank), axis)
    model = _model(rows, Expr(rows.log_share()))
    right = Definition(
        tensor("normalised", rows.where), rows.where, Expr(rows.log_share()), "logarithms of probabilities"
    )
    p = rows.probability()
    g = Read(model.grad_output, forms(*rows.where))
    mass = Definition(
        tensor("mass", rows.rest), rows.rest, Expr((Sum((rows.along,), (), (g,)),)), "the sum of grad_output"
    )
    pair = (Read(p.tensor, forms(*rows.where)), Read(mass.tensor, forms(*rows.rest)))
    terms = (Sum((), (), (g,)), Sum((), (), pair, MINUS))
    back = Definition(tensor("grad_input", rows.where), rows.where, Expr(terms), "less its share of the sum")
    return {
        "output": model.forward(right),
        "input": model.gradient(rows.x, back, p, mass),
        "shift": no_shift(model, rows),
    }
