"""Owns the fully connected layer: output = input times the transposed weight, plus bias.

Source: torch.nn.Linear. The input may have any number of leading axes N_0, N_1, ...; C and K are the
numbers of input and output features.
"""

from __future__ import annotations

from derive.claim import Claim
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Index, name
from derive.statements.model import Model, at_least, forms, own_axes

IN, OUT = Index("c", name("C")), Index("k", name("K"))


def claims(lead: int, bias: bool) -> dict[str, Claim]:
    """Forward form and gradients for `lead` leading axes."""
    rows = tuple(Index(f"n_{i}", name(f"N_{i}")) for i in range(lead))

    def tensor(title: str, *where: Index) -> Tensor:
        return Tensor(title, tuple(i.extent for i in where), own_axes(len(where)))

    x, w, b = tensor("input", *rows, IN), tensor("weight", OUT, IN), tensor("bias", OUT)
    added = (Sum((), (), (Read(b, (OUT.form,)),)),) if bias else ()
    body = Expr((Sum((IN,), (), (Read(w, forms(OUT, IN)), Read(x, forms(*rows, IN)))), *added))
    output = Definition(tensor("output", *rows, OUT), (*rows, OUT), body, "the layer")
    facts = at_least(1, *(f"N_{i}" for i in range(lead)), "C", "K")
    model = Model(facts, (x, w, *((b,) if bias else ())), output)
    g = model.grad_output

    turned = Definition(
        tensor("transposed", IN, OUT), (IN, OUT), single(Read(w, forms(OUT, IN))), "transpose"
    )
    product = Sum((IN,), (), (Read(x, forms(*rows, IN)), Read(turned.tensor, forms(IN, OUT))))
    right = Definition(
        tensor("multiplied", *rows, OUT), (*rows, OUT), Expr((product, *added)), "matrix product"
    )
    back = Sum((OUT,), (), (Read(g, forms(*rows, OUT)), Read(w, forms(OUT, IN))))
    grad_x = Definition(tensor("grad_input", *rows, IN), (*rows, IN), Expr((back,)), "matrix product")
    outer = Sum(rows, (), (Read(g, forms(*rows, OUT)), Read(x, forms(*rows, IN))))
    grad_w = Definition(tensor("grad_weight", OUT, IN), (OUT, IN), Expr((outer,)), "matrix product")
    total = Sum(rows, (), (Read(g, forms(*rows, OUT)),))
    grad_b = Definition(tensor("grad_bias", OUT), (OUT,), Expr((total,)), "plain sum")
    found = {
        "output": model.forward(right, turned),
        "input": model.gradient(x, grad_x),
        "weight": model.gradient(w, grad_w),
    }
    return found | ({"bias": model.gradient(b, grad_b)} if bias else {})
