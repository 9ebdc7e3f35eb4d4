"""Owns cross entropy and the negative log likelihood over classes, with weights, smoothing and reductions.

Source: torch.nn.CrossEntropyLoss, torch.nn.NLLLoss. The input is (N, C, D_0, ...): classes on axis C. What
each class weighs at a place is `mass[n,c,d]`: the target there (an indicator of the class index, or a
probability), smoothed, times the class's weight. Softmax and cross entropy together have the gradient
(sum of mass) p - mass, times what the reduction hands down.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor, single
from derive.index import Index, name
from derive.statements.model import Model, at_least, forms, own_axes
from derive.statements.softmax import Rows

MINUS = Fraction(-1)
REDUCTIONS = ("mean", "sum", "none")
CLASS = Index("c", name("C"))


@dataclass(frozen=True)
class Likelihood:
    """One kind of loss over classes.

    Args:
        places: spatial axes behind the classes; batched: whether there is a batch axis before them.
        logits: whether the input are logits (cross entropy) or logarithms of probabilities (NLL).
        indices: whether the target is a class index a place, or a probability a class.
        weighted: whether classes have weights; smoothed: whether the target is smoothed.
    """

    places: int
    batched: bool
    reduction: str
    logits: bool = True
    indices: bool = True
    weighted: bool = False
    smoothed: bool = False

    @property
    def spots(self) -> tuple[Index, ...]:
        """Where a loss is taken: batch and places."""
        batch = (Index("n", name("N")),) if self.batched else ()
        return (*batch, *(Index(f"d_{i}", name(f"D_{i}")) for i in range(self.places)))

    @property
    def where(self) -> tuple[Index, ...]:
        """Batch, class, places."""
        lead = int(self.batched)
        return (*self.spots[:lead], CLASS, *self.spots[lead:])

    @property
    def rows(self) -> Rows:
        return Rows(self.where, int(self.batched))

    @property
    def y(self) -> Tensor:
        return self.tensor("chosen" if self.indices else "target", self.where)

    @property
    def weight(self) -> Tensor:
        return self.tensor("class_weight", (CLASS,))

    @property
    def tables(self) -> tuple[Tensor, ...]:
        return (Tensor("kept", ()), Tensor("smooth", ())) if self.smoothed else ()

    @staticmethod
    def tensor(title: str, where: tuple[Index, ...]) -> Tensor:
        return Tensor(title, tuple(i.extent for i in where), own_axes(len(where)))

    def at(self, tensor: Tensor, *where: Index) -> Read:
        return Read(tensor, forms(*where))

    @property
    def weights(self) -> tuple[Factor, ...]:
        """The weight of a class, where classes have one."""
        return (self.at(self.weight, CLASS),) if self.weighted else ()

    def present(self) -> Definition:
        """1 at a place with a class, 0 at one that is ignored."""
        body = Expr((Sum((CLASS,), (), (self.at(self.y, *self.where),)),))
        return Definition(self.tensor("present", self.spots), self.spots, body, "not ignored")

    def target(self) -> tuple[tuple[Factor, ...], ...]:
        """The products that a class's weight at a place is the sum of."""
        y = self.at(self.y, *self.where)
        if not self.smoothed:
            return ((*self.weights, y),)
        kept, smooth = (Read(t, ()) for t in self.tables)
        there = (self.at(self.present().tensor, *self.spots),) if self.indices else ()
        return (*self.weights, kept, y), (*self.weights, smooth, *there)

    def mass(self) -> Definition:
        """How much a class weighs at a place."""
        body = Expr(tuple(Sum((), (), product) for product in self.target()))
        return Definition(self.tensor("mass", self.where), self.where, body, "weighted target")

    def norm(self) -> Definition:
        """What a mean divides by: the weights of the classes that occur, or the number of places."""
        if self.indices:
            body = Sum(self.where, (), (*self.weights, self.at(self.y, *self.where)))
        else:
            body = Sum(self.spots, (), ())
        return Definition(Tensor("norm", ()), (), Expr((body,)), "what the mean divides by")

    def logarithms(self) -> tuple[tuple[Factor, Fraction], ...]:
        """The terms of log p of a class: entries with their signs."""
        if not self.logits:
            return ((self.at(self.rows.x, *self.where), Fraction(1)),)
        moved, logarithm = self.rows.log_share()
        return ((moved.factors[0], Fraction(1)), (logarithm.factors[0], MINUS))

    def each(self) -> Definition:
        """The loss of each place."""
        pairs = [(product, f, sign) for product in self.target() for f, sign in self.logarithms()]
        terms = tuple(Sum((CLASS,), (), (*product, f), -sign) for product, f, sign in pairs)
        return Definition(self.tensor("loss_each", self.spots), self.spots, Expr(terms), "a place's loss")

    def output(self) -> Definition:
        """The losses reduced."""
        there = self.at(self.each().tensor, *self.spots)
        if self.reduction == "none":
            return Definition(self.tensor("output", self.spots), self.spots, single(there), "the layer")
        inverse = (Apply("recip", Read(Tensor("norm", ()), ())),) if self.reduction == "mean" else ()
        body = Expr((Sum(self.spots, (), (*inverse, there)),))
        return Definition(Tensor("output", ()), (), body, "the layer")

    @property
    def stages(self) -> tuple[Definition, ...]:
        rows = (self.rows.shifted(), self.rows.total()) if self.logits else ()
        norm = (self.norm(),) if self.reduction == "mean" else ()
        present = (self.present(),) if self.smoothed and self.indices else ()
        return (*rows, *present, self.each(), *norm)

    @property
    def model(self) -> Model:
        shift = (self.rows.shift,) if self.logits else ()
        weight = (self.weight,) if self.weighted else ()
        operands = (self.rows.x, self.y, *weight, *shift, *self.tables)
        sizes = [str(i.extent) for i in self.where]
        return Model(at_least(1, *sizes), operands, self.output(), self.stages)

    def handed(self) -> Definition:
        """What reaches the loss of each place."""
        spots = self.spots if self.reduction == "none" else ()
        g: tuple[Factor, ...] = (self.at(self.model.grad_output, *spots),)
        if self.reduction == "mean":
            g = (*g, Apply("recip", Read(Tensor("norm", ()), ())))
        return Definition(
            self.tensor("handed", self.spots), self.spots, single(*g), "grad_output of each place"
        )

    def input_claim(self) -> Claim:
        """grad_input = handed ((sum of mass) p - mass), or -handed mass for logarithms."""
        handed, mass = self.handed(), self.mass()
        factors = (self.at(handed.tensor, *self.spots), self.at(mass.tensor, *self.where))
        less = Sum((), (), factors, MINUS)
        title = self.tensor("grad_input", self.where)
        if not self.logits:
            right = Definition(title, self.where, Expr((less,)), "weighted target")
            return self.model.gradient(self.rows.x, right, mass, handed)
        p = self.rows.probability()
        summed = Expr((Sum((CLASS,), (), (factors[1],)),))
        total = Definition(self.tensor("whole", self.spots), self.spots, summed, "the target's sum")
        product = (factors[0], self.at(total.tensor, *self.spots), self.at(p.tensor, *self.where))
        right = Definition(title, self.where, Expr((Sum((), (), product), less)), "p less the target")
        return self.model.gradient(self.rows.x, right, p, mass, handed, total)

    def shift_claim(self) -> Claim:
        """d loss/d shift = 0."""
        rest = self.rows.rest
        right = Definition(self.tensor("grad_shift", rest), rest, Expr(()), "the shift drops out")
        return self.model.gradient(self.rows.shift, right)

    def forward_claim(self) -> Claim:
        """output = the same, place by place."""
        there = self.output()
        title = "reduced"
        right = Definition(
            Tensor(title, there.tensor.shape, there.tensor.layout), there.indices, there.body, "the loss"
        )
        return self.model.forward(right)

    def claims(self) -> dict[str, Claim]:
        found = {"output": self.forward_claim(), "input": self.input_claim()}
        return found | ({"shift": self.shift_claim()} if self.logits else {})
