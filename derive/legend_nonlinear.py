"""Owns what a document says of a layer besides its equations: its domain, indicators, shifts and functions.

Indicators and shifts are inputs of the theorems and may hold anything there; here stands what fills them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from derive.claim import Claim
from derive.domain import domain as needed
from derive.domain import functions
from derive.expr import Definition, Read, entry_of
from derive.instance import claim_at
from derive.layers.base import claims_of, flat_index
from derive.layers.codes import Code
from derive.notation.build import Builder
from derive.notation.tree import (
    Array,
    Block,
    Bracket,
    Called,
    Display,
    Displays,
    Entry,
    Inline,
    Link,
    Name,
    Node,
    Paragraph,
    Plus,
    Relation,
    Span,
    Strong,
)
from derive.theorems import theorems

if TYPE_CHECKING:
    from derive.derivation import Derivation


@dataclass(frozen=True)
class Slope:
    """f'(x) = a formula, with the label of the check that it is the derivative of f's formula.

    `where` says on which part of the line it is; elsewhere it is PyTorch's choice. "" is everywhere.
    """

    label: str
    lhs: Node
    rhs: Node
    where: str = ""

    rule: ClassVar[str] = "slope"

    @property
    def reason(self) -> str:
        return f"the derivative of each piece of the formula above{self.where}, {self.label}"


FILLED = {
    "largest": " is computed from the values: the place of the first largest entry of each window, "
    "never one of the padding; a NaN wins, and of several NaN the last is taken",
    "smallest": " is computed from the values: the place of the first smallest entry of each window, "
    "never one of the padding; a NaN wins, and of several NaN the last is taken",
    "": " is given",
}
"""Where the codes of an indicator come from."""


def domain(derivation: Derivation) -> list[Block]:
    """Where the layer is differentiable and what is done elsewhere."""
    said = derivation.layer.assumptions() or needed([derivation.general])
    return [Paragraph((Strong("Domain:"), f" {'; '.join(said)}."))] if said else []


def internal(derivation: Derivation) -> dict[str, Derivation]:
    """The derivations by tensors that may hold anything: that they drop out."""
    proved = theorems(type(derivation.layer), derivation.layer.choices(derivation.input_shape))
    shifts = [name for name in derivation.layer.shifts(derivation.input_shape) if name in proved]
    return {name: replace(derivation, wrt=name, theorem=proved[name]) for name in shifts}


def results(derivation: Derivation) -> tuple[Definition, ...]:
    """The definitions of what the layer gives besides its output, at the sizes."""
    claims = claims_of(type(derivation.layer), derivation.layer.choices(derivation.input_shape))
    found = (claim_at(c, derivation.sizes).setting.definition(key) for key, c in claims.items())
    return tuple(d for d in found if d is not None and d.tensor.name.startswith("new_"))


def indicators(derivation: Derivation, builder: Builder) -> list[Block]:
    """What fills each indicator: one where a whole number names the place."""
    found: list[Block] = []
    for name, code in derivation.layer.codes(derivation.input_shape).items():
        read = _read(derivation.claim, name)
        if read is None:
            continue
        codes = Array(code.operand)
        whole = Called(code.operand)
        given: Inline = (Strong("Choice:"), " ", Array(name), " is 1 where the whole number ", whole)
        rest = " names the place and 0 elsewhere; a term in which it is 0 is absent. "
        said = (*given, rest, codes, f"{FILLED[code.first]}.")
        found += [Paragraph(said), Displays(indicator_rows(read, code, builder))]
    return found


def _read(claim: Claim, name: str) -> Read | None:
    """How the layer's definitions read a tensor, with letters for its indices."""
    for definition in claim.setting.definitions:
        for term in definition.body.terms:
            for entry in map(entry_of, term.factors):
                if entry is not None and entry.tensor.name == name:
                    return entry
    return None


PLACE = Name("v")
"""The number of a place, where it is longer than a letter."""


def indicator_rows(read: Read, code: Code, builder: Builder) -> tuple[Display, ...]:
    """indicator := [codes at the leading indices = the place's number], a long number in a row of its own."""
    letters = {f"x{axis}": form for axis, form in enumerate(read.index)}
    value = builder.form(code.value.substitute(letters))
    layout = tuple(group for group in read.tensor.layout if set(group) <= set(code.lead))
    index = flat_index(replace(read.tensor, layout=layout), read.index)
    long = isinstance(value, Plus)
    bracket = Bracket(
        (Entry(code.operand, tuple(map(builder.form, index))), PLACE if long else value), ("==",)
    )
    whole = Display(builder.read(read), (Link(Relation.DEFINED, bracket),))
    counted = Link(Relation.DEFINED, value, ("the number of the place in its plane, row by row",))
    return (Display(PLACE, (counted,)), whole) if long else (whole,)


def shifts(derivation: Derivation) -> list[Block]:
    """What fills a tensor that may hold anything."""
    out: list[Span] = []
    for name, shift in derivation.layer.shifts(derivation.input_shape).items():
        out += [" ", Array(name), " may hold anything: the gradient by it is 0. Kernels put the largest "]
        out += ["entry of each row of ", Array(shift.source), " there, so that no exponential overflows."]
    return [Paragraph((Strong("Free choice:"), *out))] if out else []


def applied_functions(every: Sequence[Derivation]) -> tuple[list[Block], tuple[Slope, ...]]:
    """The formulas of the functions applied, and what f' is of each, to be checked and printed."""
    names = functions(d.general for d in every)
    if not names:
        return [], ()
    from derive.functions_shown import definitions, kinks, slopes, told

    layer = every[0].layer
    parameters = layer.parameters()
    rows, found = definitions(names, parameters), tuple(slopes(names, parameters))
    said = told(names, parameters)
    if not (rows or said):
        return [], ()
    blocks: list[Block] = [Paragraph((Strong("Functions:"), *([" "] * bool(said)), *said))]
    blocks += [Displays(tuple(rows))] if rows else []
    if not layer.assumptions():
        blocks += [Paragraph((f"{text[0].upper()}{text[1:]}.",)) for text in kinks(names)]
    return blocks, found
