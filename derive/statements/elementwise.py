"""Owns what is done to each entry by itself: a function of it, and products of entries.

Source: torch.nn.ReLU and the other activations; the theorem grad_input = grad_output * f'(input) holds for
every differentiable f, which is why one statement serves all of them. Axes are N_0, N_1, ... for any rank.
"""

from __future__ import annotations

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, Read, Tensor, single
from derive.index import Index, name
from derive.statements.model import Model, at_least, forms, own_axes


def axes(rank: int) -> tuple[Index, ...]:
    """One index an axis."""
    return tuple(Index(f"n_{i}", name(f"N_{i}")) for i in range(rank))


def tensor(title: str, where: tuple[Index, ...]) -> Tensor:
    return Tensor(title, tuple(i.extent for i in where), own_axes(len(where)))


def _model(rank: int, operands: tuple[Tensor, ...], body: Expr) -> Model:
    where = axes(rank)
    output = Definition(tensor("output", where), where, body, "the layer")
    return Model(at_least(1, *(f"N_{i}" for i in range(rank))), operands, output)


def applied(function: str, rank: int) -> dict[str, Claim]:
    """output = f(input): forward form, and grad_input = grad_output * f'(input)."""
    where = axes(rank)
    x = tensor("input", where)
    here = Read(x, forms(*where))
    model = _model(rank, (x,), single(Apply(function, here)))
    right = Definition(tensor("applied", where), where, single(Apply(function, here)), "at each entry")
    factors: tuple[Factor, ...] = (Read(model.grad_output, forms(*where)), Apply(f"{function}_prime", here))
    back = Definition(tensor("grad_input", where), where, single(*factors), "the local derivative")
    return {"output": model.forward(right), "input": model.gradient(x, back)}


def identity(rank: int) -> dict[str, Claim]:
    """output = input."""
    where = axes(rank)
    x = tensor("input", where)
    model = _model(rank, (x,), single(Read(x, forms(*where))))
    right = Definition(tensor("copied", where), where, single(Read(x, forms(*where))), "a copy")
    passed = single(Read(model.grad_output, forms(*where)))
    back = Definition(tensor("grad_input", where), where, passed, "passed on")
    return {"output": model.forward(right), "input": model.gradient(x, back)}


def multiplied(rank: int, masked: bool = False) -> dict[str, Claim]:
    """output = input * other; masked: output = scale * input * mask, with a gradient by the input alone."""
    where = axes(rank)
    x, other = tensor("input", where), tensor("mask" if masked else "other", where)
    scale: tuple[Factor, ...] = (Read(Tensor("scale", ()), ()),) if masked else ()
    reads = [Read(t, forms(*where)) for t in (x, other)]
    tables = (Tensor("scale", ()),) if masked else ()
    model = _model(rank, (x, other, *tables), single(*scale, *reads))
    g = Read(model.grad_output, forms(*where))
    right = Definition(
        tensor("scaled" if masked else "product", where), where, single(*scale, *reads), "products"
    )
    found = {"output": model.forward(right)}
    for target, factor in ((x, reads[1]), (other, reads[0]))[: 1 if masked else 2]:
        title = f"grad_{target.name}"
        back = Definition(tensor(title, where), where, single(*scale, g, factor), "the other factor")
        found[target.name] = model.gradient(target, back)
    return found
