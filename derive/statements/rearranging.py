"""Owns the layers that only move entries, or add them: pixel shuffles, flattening, sums, concatenation."""

from __future__ import annotations

from dataclasses import dataclass

from derive.claim import Claim, Fact
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Index, Within, name
from derive.statements.model import Model, at_least, forms, own_axes

Layout = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Side:
    """The indices of a tensor in order, and which of its axes a user sees as one."""

    where: tuple[Index, ...]
    layout: Layout

    def tensor(self, title: str) -> Tensor:
        return Tensor(title, tuple(i.extent for i in self.where), self.layout)


def moved(given: Side, gives: Side, facts: tuple[Fact, ...], role: str) -> dict[str, Claim]:
    """output[gives] = input[given], the same indices in another order or layout; the gradient moves back."""
    x, y = given.tensor("input"), gives.tensor("output")
    output = Definition(y, gives.where, single(Read(x, forms(*given.where))), role)
    model = Model(facts, (x,), output)
    right = Definition(gives.tensor("moved"), gives.where, output.body, role)
    back = single(Read(model.grad_output, forms(*gives.where)))
    grad = Definition(given.tensor("grad_input"), given.where, back, "entries moved back")
    return {"output": model.forward(right), "input": model.gradient(x, grad)}


def shuffle(batched: bool, up: bool) -> dict[str, Claim]:
    """PixelShuffle (up): channel c*r*r + a*r + b at place (y, x) becomes channel c at (y*r + a, x*r + b).

    C and the lengths H, W are those of the side with few channels and few places; PixelUnshuffle goes back.
    """
    n, c, a, b = (Index(x, name(s)) for x, s in (("n", "N"), ("c", "C"), ("a", "r"), ("b", "r")))
    y, x = Index("y", name("H")), Index("x", name("W"))
    lead: Layout = ((0,),) if batched else ()
    deep = Side((n, c, a, b, y, x), (*lead, (1, 2, 3), (4,), (5,)))
    wide = Side((n, c, y, a, x, b), (*lead, (1,), (2, 3), (4, 5)))
    facts = at_least(1, "N", "C", "r", "H", "W")
    if up:
        return moved(deep, wide, facts, "channels laid out as places")
    return moved(wide, deep, facts, "places laid out as channels")


def axis_sizes(rank: int) -> tuple[str, ...]:
    """The lengths of a tensor of any rank: n_0, n_1, ..."""
    return tuple(f"n_{i}" for i in range(rank))


def plain(rank: int) -> tuple[Index, ...]:
    return tuple(Index(f"j_{i}", name(f"n_{i}")) for i in range(rank))


def flatten(rank: int, start: int, end: int) -> dict[str, Claim]:
    """Axes start..end read as one, in row-major order."""
    layout = own_axes(rank)
    merged = (*layout[:start], tuple(range(start, end + 1)), *layout[end + 1 :])
    given, gives = Side(plain(rank), layout), Side(plain(rank), merged)
    return moved(given, gives, at_least(1, *axis_sizes(rank)), "the same entries in the same order")


def add(rank: int) -> dict[str, Claim]:
    """output = input + other, entry by entry."""
    side = Side(plain(rank), own_axes(rank))
    x, other = side.tensor("input"), side.tensor("other")
    reads = tuple(Sum((), (), (Read(t, forms(*side.where)),)) for t in (x, other))
    output = Definition(side.tensor("output"), side.where, Expr(reads), "the sum")
    model = Model(at_least(1, *axis_sizes(rank)), (x, other), output)
    right = Definition(side.tensor("added"), side.where, output.body, "the sum")
    back = single(Read(model.grad_output, forms(*side.where)))
    found = {"output": model.forward(right)}
    for operand in (x, other):
        grad = Definition(side.tensor(f"grad_{operand.name}"), side.where, back, "the same gradient")
        found[operand.name] = model.gradient(operand, grad)
    return found


def concat(rank: int, dim: int) -> dict[str, Claim]:
    """output = input, then other, along axis `dim`; the other axes agree. `m` is other's length there."""
    side, own, more = Side(plain(rank), own_axes(rank)), name(f"n_{dim}"), name("m")
    at = side.where[dim]
    longer = tuple(Index(i.name, own + more) if i is at else i for i in side.where)
    rest = tuple(Index(i.name, more) if i is at else i for i in side.where)
    x, other = side.tensor("input"), Side(rest, side.layout).tensor("other")
    shifted = tuple(i.form - own if i is at else i.form for i in side.where)
    terms = (
        Sum((), (Within(at.form, own),), (Read(x, forms(*side.where)),)),
        Sum((), (Within(at.form - own, more),), (Read(other, shifted),)),
    )
    whole = Side(longer, side.layout)
    output = Definition(whole.tensor("output"), longer, Expr(terms), "one after the other")
    model = Model(at_least(1, *axis_sizes(rank), "m"), (x, other), output)
    right = Definition(whole.tensor("joined"), longer, Expr(terms), "one after the other")
    first = single(Read(model.grad_output, forms(*side.where)))
    later = tuple(i.form + own if i is at else i.form for i in side.where)
    last = single(Read(model.grad_output, later))
    grad_x = Definition(side.tensor("grad_input"), side.where, first, "the first part")
    grad_other = Definition(Side(rest, side.layout).tensor("grad_other"), rest, last, "the second part")
    return {
        "output": model.forward(right),
        "input": model.gradient(x, grad_x),
        "other": model.gradient(other, grad_other),
    }


def bias(rank: int) -> dict[str, Claim]:
    """output = input + bias[channel]; the channel is axis 1."""
    side = Side(plain(rank), own_axes(rank))
    channel = side.where[1]
    x, b = side.tensor("input"), Tensor("bias", (channel.extent,), ((0,),))
    reads = (Sum((), (), (Read(x, forms(*side.where)),)), Sum((), (), (Read(b, (channel.form,)),)))
    output = Definition(side.tensor("output"), side.where, Expr(reads), "the sum")
    model = Model(at_least(1, *axis_sizes(rank)), (x, b), output)
    right = Definition(side.tensor("added"), side.where, output.body, "the sum")
    back = Read(model.grad_output, forms(*side.where))
    grad_x = Definition(side.tensor("grad_input"), side.where, single(back), "the same gradient")
    others = tuple(i for i in side.where if i is not channel)
    total = Expr((Sum(others, (), (back,)),))
    grad_b = Definition(Tensor("grad_bias", b.shape, b.layout), (channel,), total, "plain sum")
    return {
        "output": model.forward(right),
        "input": model.gradient(x, grad_x),
        "bias": model.gradient(b, grad_b),
    }
