"""Owns the matrix of a layer that is linear in its input: output = M input + constant, entries in a row.

M is read off the layer's definition, its transpose off the proved closed form of the input gradient, and a
MatrixForm exists only where the two agree exactly, entry by entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from math import prod
from typing import Any

import sympy

from derive.derivation import Derivation, differentiate
from derive.domain import functions
from derive.errors import LayerError, LimitError, ProofError
from derive.family import family_of
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of, inputs_read, internal_index
from derive.meaning import Meaning
from derive.notation import grid, latex, latex_page
from derive.notation.build import entry, monomials, polynomial
from derive.notation.tree import (
    Array,
    Block,
    Called,
    Code,
    Grid,
    Inline,
    Node,
    Page,
    Paragraph,
    Span,
)

MOST_ENTRIES = 10_000
"""Entries of a matrix that is made at all."""

MOST_PRINTED = 400
"""Entries of a matrix that is printed."""

MOST_SIDE = 20
"""Rows and columns of a matrix that a document shows unasked."""

Index = tuple[int, ...]
Matrix = Any
"""A sympy.ImmutableDenseMatrix."""


@dataclass(frozen=True, repr=False)
class MatrixForm:
    """A layer at an input shape as a matrix; refuses a matrix that is not the transpose of its transpose.

    Attributes:
        layer, input_shape: what it is the matrix of.
        matrix: a row for each output entry, a column for each input entry; exact SymPy expressions.
        transpose: the matrix of the input gradient: a row for each input entry.
        constant: what each output entry has besides, in the order of the rows (zeros where nothing).
        rows, columns: the indices of output and input entries, in row-major order.
    """

    layer: Layer
    input_shape: Index
    matrix: Matrix
    transpose: Matrix
    constant: tuple[sympy.Expr, ...]
    rows: tuple[Index, ...]
    columns: tuple[Index, ...]

    def __post_init__(self) -> None:
        for r, c in product(range(len(self.rows)), range(len(self.columns))):
            if self.matrix[r, c] != self.transpose[c, r]:
                raise ProofError(
                    "the matrix of the gradient is not the transpose of the layer's",
                    where=f"output{list(self.rows[r])}, input{list(self.columns[c])} of {self.layer!r}",
                    expected=str(self.matrix[r, c]),
                    got=str(self.transpose[c, r]),
                )

    def __repr__(self) -> str:
        high, wide = self.matrix.shape
        return f"<MatrixForm of {self.layer!r} at {','.join(map(str, self.input_shape))}: {high} x {wide}>"

    def to_text(self) -> str:
        return self.rendered("text")

    def to_latex(self, style: str = "fragment") -> str:
        return self.rendered("latex", style)

    def to_markdown(self) -> str:
        return self.rendered("md")

    def to_html(self) -> str:
        return self.rendered("html")

    def page(self) -> Page:
        """The matrix as a document; LimitError where it has more than MOST_PRINTED entries."""
        high, wide = self.matrix.shape
        if high * wide > MOST_PRINTED:
            raise LimitError(
                "matrix too large to print",
                where=f"{self.layer!r} at input {self.input_shape}",
                expected=f"at most {MOST_PRINTED} entries",
                got=f"{high} x {wide} = {high * wide:,}",
                mend="use a smaller input; in Python matrix_form(...).matrix has every entry",
            )
        shape = f"({', '.join(map(str, self.input_shape))}{',' * (len(self.input_shape) == 1)})"
        return Page((Code(repr(self.layer)), " at input ", Code(shape), " as a matrix"), tuple(blocks(self)))

    def rendered(self, format: str, style: str = "fragment") -> str:
        """The page in one of the formats of `derive.document.render`."""
        from derive.document import printed

        return printed(self.page(), format, style)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: the matrix where it is small enough, else its size."""
        if prod(self.matrix.shape) > MOST_PRINTED:
            return {"text/plain": repr(self)}
        return {
            "text/latex": self.to_latex(),
            "text/html": self.to_html(),
            "text/plain": self.to_text(),
        }


def matrix_form(layer: Layer, input_shape: Sequence[int]) -> MatrixForm:
    """The matrix of a layer at an input shape.

    Raises LayerError where the layer is not linear in its input or the shape does not fit, LimitError where
    the matrix has more than MOST_ENTRIES entries, ProofError where definition and gradient disagree.
    """
    shapes = {o.name: o.shape for o in layer.operands(tuple(input_shape))}
    rows, columns = ((tuple(product(*map(range, shapes[n])))) for n in ("output", "input"))
    if len(rows) * len(columns) > MOST_ENTRIES:
        raise LimitError(
            "matrix too large",
            where=f"matrix_form of {layer!r}",
            expected=f"at most {MOST_ENTRIES:,} entries",
            got=f"{len(rows):,} x {len(columns):,}",
            mend="use a smaller input",
        )
    derivation = differentiate(layer, input_shape, "input")["input"]
    forward = [_linear(e, "input", layer) for e in outputs(derivation, rows)]
    backward = [_linear(derivation.element(index), "grad_output", layer) for index in columns]
    matrix = [[row.get(index, sympy.S.Zero) for index in columns] for row, _ in forward]
    transpose = [[row.get(index, sympy.S.Zero) for index in rows] for row, _ in backward]
    constant = tuple(rest for _, rest in forward)
    return MatrixForm(
        layer,
        derivation.input_shape,
        sympy.ImmutableDenseMatrix(matrix),
        sympy.ImmutableDenseMatrix(transpose),
        constant,
        rows,
        columns,
    )


def outputs(derivation: Derivation, rows: Sequence[Index]) -> Iterator[sympy.Expr]:
    """The output's entries, what its definition means."""
    layer, shape = derivation.layer, derivation.input_shape
    claim = claim_at(layer.claims(**layer.choices(shape))["output"], layer.sizes(shape))
    means = Meaning(claim.setting, tables=layer.tables(shape))
    for index in rows:
        yield means.entry(claim.target, internal_index(claim.target, index, {}))


def _linear(value: sympy.Expr, operand: str, layer: Layer) -> tuple[dict[Index, sympy.Expr], sympy.Expr]:
    """What each entry of the operand is multiplied by, and the terms without one; both expanded."""
    parts: dict[Index, list[sympy.Expr]] = {}
    rest: list[sympy.Expr] = []
    for term in sympy.Add.make_args(sympy.expand(value)):
        own = [s for s in term.atoms(sympy.Indexed) if str(s.base.label) == operand]
        if not own:
            rest.append(term)
            continue
        factor = term / own[0]
        if len(own) > 1 or factor.has(own[0]) or not factor.is_polynomial():
            raise LayerError(
                "the layer is not linear",
                where=f"matrix_form of {layer!r}",
                expected=f"each term with one entry of {operand}",
                got=str(term),
            )
        parts.setdefault(tuple(int(i) for i in own[0].indices), []).append(factor)
    return {index: sympy.expand(sympy.Add(*factors)) for index, factors in parts.items()}, sympy.Add(*rest)


def blocks(form: MatrixForm) -> list[Block]:
    """The matrix with its labels, the constants, and what is known of it."""
    count = f"{len(form.rows) * len(form.columns):,}"
    more = ", plus a constant" if any(form.constant) else ""
    head: Inline = (
        *("A row for each entry of ", Called("output"), " and a column for each entry of ", Called("input")),
        f", both in row-major order: an output entry is the sum of its row times the input{more}.",
    )
    tail: Inline = (
        *("The gradient by ", Array("input"), " is the transposed matrix times ", Array("grad_output")),
        f": all {count} entries of the two, one read off the definition and one off the proved closed form, ",
        *("were compared exactly.", *_said(form)),
    )
    constants = [Paragraph(("Constants, from the first row on: ", *_constants(form), "."))] * bool(more)
    return [Paragraph(head), drawn(form), *constants, Paragraph(tail)]


def _constants(form: MatrixForm) -> list[Span]:
    """The constants in the order of the rows; how often where one stands in several rows on end."""
    out: list[Span] = []
    for value, run in groupby(form.constant):
        count = len(list(run))
        out += [_cell(value), f" ({count} rows)" * (count > 1), ", "]
    return out[:-1]


def _said(form: MatrixForm) -> Inline:
    """What is worth seeing in the matrix of a convolution."""
    if family_of(form.layer, form.input_shape) != "convolution":
        return ()
    choices, sizes = form.layer.choices(form.input_shape), form.layer.sizes(form.input_shape)
    flipped = " Down each column the taps of a kernel stand last first: the flipped kernel."
    told = (
        "H" not in sizes
        and sizes["k_w"] > 1
        and sizes["W_out"] > sizes["k_w"]
        and choices.get("padding_mode", "zeros") == "zeros"
    )
    if sizes["groups"] > 1:
        return (flipped,) if told else ()
    return (
        flipped * told,
        " im2col arranges the same products the other way: the kernels are the rows of a small matrix and ",
        "the windows of the input the columns of a large one; col2im, its backward pass, adds what comes ",
        "back to the places that were read, as the transposed matrix does here.",
    )


def drawn(form: MatrixForm) -> Grid:
    """The matrix as a labelled grid."""
    titles = tuple(entry("input", index) for index in form.columns)
    rows = (
        (entry("output", index), tuple(_cell(form.matrix[r, c]) for c in range(len(form.columns))))
        for r, index in enumerate(form.rows)
    )
    return Grid(None, titles, tuple(rows))


def _cell(value: sympy.Expr) -> Node:
    terms = monomials(value)
    return polynomial(terms, len(terms))


def is_linear(layer: Layer, input_shape: Sequence[int]) -> bool:
    """Whether the gradient by the input reads no input, and no function of anything."""
    claims = claims_of(type(layer), layer.choices(tuple(input_shape)))
    return "input" not in inputs_read(claims["input"]) and not functions(claims.values())


def section(layer: Layer, input_shape: Sequence[int]) -> list[Block]:
    """The blocks for a document of a small linear layer; none where the matrix does not fit in one piece."""
    if not is_linear(layer, input_shape):
        return []
    shapes = {o.name: prod(o.shape) for o in layer.operands(tuple(input_shape))}
    if max(shapes["input"], shapes["output"]) > MOST_SIDE:
        return []
    form = matrix_form(layer, input_shape)
    room, small = latex_page.ARTICLE_WIDTH, latex_page.SMALL
    whole = grid.parts(drawn(form), lambda n: latex.width(n, small), room, latex_page.GAP)
    return blocks(form) if len(whole) == 1 else []
