"""Owns the document of a layer's fast forms: matrices, the identity of each, and the layer cut into tiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import prod

from derive.claim import Claim
from derive.document import checked, defined
from derive.expr import Read
from derive.fast_claim import LEAD, Axis, entry_named
from derive.fast_fold import FoldedForm, line
from derive.fast_form import OPERANDS, FastForm
from derive.identity import identity_of
from derive.legend import CONVENTIONS, channels, letters
from derive.notation.build import Builder, rational
from derive.notation.tree import (
    Block,
    Called,
    Code,
    Display,
    Displays,
    Grid,
    Heading,
    Inline,
    Link,
    Name,
    Node,
    Number,
    Page,
    Paragraph,
    Plus,
    Relation,
    Span,
    Strong,
)
from derive.toom import Matrix, Transform

MEANT = {
    "output": "The output",
    "input": "The gradient by the input",
    "weight": "The gradient by the weight",
}

NESTED = (
    " nest: in the sum over the numbers of all axes, the coefficient of a product of a tap and an entry "
    "is the product of the axes' coefficients: 1 where on every axis the entry's place is the output's plus "
    "the tap's, else 0."
)
TERMS = (
    "Columns are not transformed: the taps of a row are further terms of the sums over channels, "
    "output s of a row with tap b at entry s + b."
)
FOLDED = " That an axis may be folded is checked at this size alone, in every coefficient."
POINTS = (
    "and infinity. Row i of A holds the i-th powers of the points, row k of G the powers of the k-th point "
    "over the product of its differences from the others, row k of B the coefficients of the product of x "
    "less each other point; at infinity stands the leading coefficient. Signs are such that G divides by "
    "positive numbers."
)


def page(forms: Sequence[FastForm], operands: Sequence[str] = OPERANDS) -> Page:
    """The document of some fast forms of one layer at one shape, for some of its operands."""
    some = forms[0]
    shape = ", ".join(map(str, some.input_shape))
    blocks: list[Block] = [*_head(forms)]
    number = 1
    said = [(f, o) for f in forms for o in operands if o in f.operands]
    for by in dict.fromkeys(a.by for f, o in said for a in f.axes(o)):
        blocks += transform_blocks(by, number)
        number += by.m
    for folded in {(f.pitch, f.forms[0]): f for f in forms if isinstance(f, FoldedForm)}.values():
        blocks += folding_blocks(folded, number)
        number += 1
    for form, operand in said:
        blocks += form_blocks(form, operand)
    return Page(("Fast forms of ", Code(repr(some.layer)), " at input ", Code(f"({shape})")), tuple(blocks))


def _head(forms: Sequence[FastForm]) -> list[Block]:
    """What is proved, and by what."""
    told: Inline = (
        " each numbered equality compares two polynomials in taps and entries, coefficient by coefficient, "
        "and of the nested forms every coefficient was computed as well. What the tiles give was then "
        "compared with the layer's own definition, and with its reverse differentiation, over a prime field. "
        "That an axis may be cut into tiles so at any size is a theorem of its own, ",
        Code("toom-cook-F(2,3)"),
        " and those of its kind: ",
        Code("prove --theorem"),
        "." + FOLDED * any(isinstance(f, FoldedForm) for f in forms),
    )
    return [
        Paragraph((Strong("Forms:"), f" {', '.join(f.name for f in forms)}.")),
        Paragraph((Strong("Proof:"), *told)),
    ]


def transform_blocks(by: Transform, number: int) -> list[Block]:
    """A transform: its points, its matrices, the identity of each output, numbered from `number` on."""
    points: list[Span] = [span for p in by.points for span in (rational(p), ", ")]
    said: Inline = (f"{by.m} outputs of {by.r} taps from {by.n} products. Points: ", *points, POINTS)
    grids = [_grid(title, matrix) for title, matrix in (("A", by.a), ("G", by.g), ("B", by.b))]
    rows = []
    for output in range(by.m):
        line = identity_of(by, output)
        links = (Link(Relation.DEFINED, line.lhs), checked(line, Builder(), str(number + output)))
        rows.append(Display(Name(f"y_{output}"), links))
    told = "The outputs of a tile, taps g, entries d: a row of A times the products of rows of G and B."
    return [
        Heading((by.name,), 2),
        Paragraph(said),
        *grids,
        Paragraph((told,)),
        Displays(tuple(rows)),
    ]


def _grid(title: str, matrix: Matrix) -> Grid:
    columns = tuple(Number(str(j)) for j in range(len(matrix[0])))
    rows = tuple((Number(str(i)), tuple(_number(v) for v in row)) for i, row in enumerate(matrix))
    return Grid(Name(title), columns, rows)


def _number(value: Fraction) -> Node:
    return Plus(((True, rational(-value)),)) if value < 0 else rational(value)


def folding_blocks(form: FoldedForm, number: int) -> list[Block]:
    """How an axis is folded: the equation of a tile, checked."""
    rows, pitch, folding = form.forms[0], form.pitch, form.folding
    p, s = (index.form for index in folding.outputs)
    builder = Builder()
    left = builder.read(Read(line("y", pitch * rows.m), (pitch * p + s,)))
    links = (Link(Relation.DEFINED, folding.lhs), checked(folding, builder, str(number)))
    said: Inline = (
        f"Column s of row p is place {pitch} p + s of the axis; so it is with taps g, entries d and outputs "
        f"y. The correlation with {folding.taps} taps is then one of rows with {rows.r} taps, each term of "
        f"which is one of columns with {pitch}. A tile of {rows.m} rows reads {2 * pitch - 1} columns of "
        f"each of {rows.n} rows: those from {pitch} on are the first ones of the next row. At every place "
        "of a tile:",
    )
    title = f"{folding.taps} taps folded into rows of {pitch}, {rows.m} rows a tile"
    return [Heading((title,), 2), Paragraph(said), Displays((Display(left, links),))]


def form_blocks(form: FastForm, operand: str) -> list[Block]:
    """One operand by tiles: the axes, the definitions, what was compared, how many products."""
    from derive.judge_fast import judge_fast

    claim = form.claim(operand)
    name = form.name if isinstance(form, FoldedForm) else " x ".join(a.by.name for a in form.axes(operand))
    builder = Builder(form.sizes)
    helpers = tuple(d for d in claim.setting.definitions if d.tensor.name.startswith("fast_"))
    shown = (*helpers, claim.right)
    read = [f.tensor.name for d in shown for t in d.body.terms for f in t.factors if isinstance(f, Read)]
    names = dict.fromkeys((*read, claim.right.tensor.name))
    found = judge_fast(form, operand)
    compared = (
        f" the definitions below and the layer's own, {found.entries:,} entries at these lengths of one "
        f"channel, over GF(2^61 - 1): {found.label}, seed {found.seed}."
    )
    return [
        Heading((f"{MEANT[operand]} by {name}",), 2),
        Paragraph((*letters(list(names)), CONVENTIONS, *channels(form.sizes, builder))),
        *(Paragraph(said) for said in _tiled(form, operand)),
        Paragraph((Strong("Compared:"), compared)),
        Paragraph(_theorem(operand, claim, builder)),
        Displays(tuple(defined(d, builder) for d in shown)),
        Paragraph((Strong("Products:"), f" {_counted(form, operand)}")),
    ]


def _tiled(form: FastForm, operand: str) -> Iterator[Inline]:
    """How each axis is cut into tiles, and how transforms nest."""
    axes = form.axes(operand)
    if isinstance(form, FoldedForm):
        yield _cut(axes[0], operand, form.tags[0], form.folding.entries)
        yield ("Rows and columns" + NESTED,) if len(axes) > 1 else (TERMS,)
        return
    yield from (_cut(axis, operand, axis.tag, axis.by.n) for axis in axes)
    if len(axes) > 1:
        yield ("Axes" + NESTED,)


def _cut(axis: Axis, operand: str, tag: str, reads: int) -> Inline:
    """How an axis is cut into tiles, what hangs over, and what a tile reads."""
    beyond = axis.tiles * axis.step - axis.out
    what = {"output": "output", "input": "input's gradient", "weight": "output's gradient"}[operand]
    lost = "what stands there is 0" if operand == "weight" else "what it gives there is not kept"
    rest = f"the last one hangs over by {beyond}, and {lost}" if beyond else "none hangs over"
    start = f"{axis.step} j {'+' if axis.before < 0 else '-'} {abs(axis.before)}"
    return (
        Strong(f"Axis {tag}:"),
        f" {axis.out} entries of the {what} in {axis.tiles} tiles of {axis.step}; {rest}. Tile j reads "
        f"{reads} entries from {start} on, 0 for one that is not among the {axis.length}.",
    )


def _theorem(operand: str, claim: Claim, builder: Builder) -> Inline:
    """What the definitions that follow are."""
    if operand == "weight":
        said = " is, with the matrices above as its tables and tiles of the output's gradient as taps:"
        return (Strong("Theorem."), " The entry of ", Called("grad_weight"), said)
    places: list[Span] = []
    for place in entry_named(claim).index[LEAD:]:
        places += [builder.form(place), ", "]
    back = ", the kernel read backwards and its channels exchanged" if operand == "input" else ""
    return (
        Strong("Theorem."),
        " The entry of ",
        Called("output" if operand == "output" else "grad_input"),
        " at place ",
        *places[:-1],
        f" is the last of these, with the matrices above as its tables{back}:",
    )


def _counted(form: FastForm, operand: str) -> str:
    """Products of a tile, by the definition and here."""
    plain, here = form.products(operand)
    computed = prod(a.by.m * a.by.r * a.by.n for a in form.axes(operand))
    return (
        f"{here} for a tile and a pair of channels instead of {plain}, {plain / here:.2f} times fewer, "
        f"transforms not counted; {computed:,} coefficients of the nested form were computed."
    )
