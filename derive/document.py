"""Owns a derivation as a document: what is said in which order, and every '=' that is printed.

A relation EQUAL is made in two places here, `checked` (a line of the derivation with its label) and
`expanded` (an entry that the derivation evaluates); everything else that has two sides is a definition
and prints ':='. A test keeps the other files from making one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from derive.chain import joined, reason, right_side
from derive.claim import Claim
from derive.entries import Entries, Row, entries
from derive.equations import living
from derive.errors import LayerError, ProofError
from derive.expr import Definition, Expr
from derive.family import family, given, helper_definitions
from derive.identity import Folding, Identity
from derive.instance import tidy, tidy_definition, unit_values
from derive.legend import CONVENTIONS, channels, hypotheses, letters, sizes_listed, tables_shown
from derive.legend_nonlinear import Slope, applied_functions, domain, indicators, internal, results, shifts
from derive.notation.build import Builder, entry, polynomial
from derive.notation.tree import (
    Array,
    Block,
    Called,
    Code,
    Display,
    Displays,
    Heading,
    Inline,
    Link,
    Page,
    Paragraph,
    Relation,
    Strong,
)
from derive.numbered import Numbered
from derive.remarks import COUNTS, remarks
from derive.steps import sizes_of
from derive.writing import SUFFIXES, printed, save_page

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.equations import Line

__all__ = ["SUFFIXES", "checked", "defined", "expanded", "page", "printed", "render", "save", "save_page"]


def checked(line: Line | Slope | Identity | Folding, builder: Builder, number: str) -> Link:
    """'= right side' of a checked line, its reason and number; refuses a line without a label."""
    if not getattr(line, "label", ""):
        raise ProofError(
            "a line that no judge has checked is not printed",
            where=f"equation ({number}), rule {line.rule}",
            expected="a line with a proof label",
            got=f"{line.lhs} -> {line.rhs}",
        )
    if isinstance(line, Slope | Identity | Folding):
        return Link(Relation.EQUAL, line.rhs, (line.reason,), number)
    right = right_side(line.lhs, line.rhs, builder)
    return Link(Relation.EQUAL, right, reason([line], builder), number)


def together(lines: Sequence[Line], numbers: Sequence[str], builder: Builder) -> Link:
    """Consecutive checked lines as one link: from the first one's left side to the last one's right."""
    *_, last = [checked(line, builder, number) for line, number in zip(lines, numbers, strict=True)]
    if len(lines) == 1:
        return last
    right = right_side(lines[0].lhs, lines[-1].rhs, builder)
    return replace(last, right=right, reason=reason(lines, builder), number=f"{numbers[0]} to {numbers[-1]}")


def expanded(tensor: str, row: Row, most: int) -> Display:
    """'entry = its products'."""
    place: Inline = (row.place,) if row.place else ()
    return Display(entry(tensor, row.index), (Link(Relation.EQUAL, polynomial(row.terms, most), place),))


def defined(definition: Definition, builder: Builder, said: bool = True) -> Display:
    reason: Inline = (definition.role,) if said and definition.role else ()
    body = builder.expr(living(definition.body))
    return Display(builder.left(definition), (Link(Relation.DEFINED, body, reason),))


def page(derivations: Mapping[str, Derivation]) -> Page:
    """The document of one layer at one shape, one section an operand."""
    if not derivations:
        raise LayerError("nothing to print", where="render", expected="at least one derivation")
    some = next(iter(derivations.values()))
    more = internal(some) if "input" in derivations else {}
    numbered = number({**derivations, **more})
    ordered = list(derivations.values())
    functions = applied_functions(ordered)
    head = _head(some, ordered, bool(functions[1]))
    blocks: list[Block] = [*head, *_questions(numbered), *_setting(some), *_functions(*functions)]
    for item in numbered.values():
        blocks += section(item)
    if "input" in derivations:
        blocks += _matrix(some)
    blocks += all_sizes(ordered)
    title = ("Gradients of ", Code(repr(some.layer)), " at input ", Code(_shape(some.input_shape)))
    return Page(title, tuple(blocks))


def number(derivations: Mapping[str, Derivation]) -> dict[str, Numbered]:
    """Equation numbers, running through all derivations."""
    count, found = 0, {}
    for wrt, derivation in derivations.items():
        length = len(derivation.steps)
        found[wrt] = Numbered(derivation, tuple(str(count + i + 1) for i in range(length)))
        count += length
    return found


def _head(some: Derivation, every: Sequence[Derivation], slopes: bool) -> list[Block]:
    """Shapes, the label of the proof, what is assumed."""
    shapes = [f"{o.name} {_shape(o.shape)}" for o in some.layer.operands(some.input_shape)]
    labels = list(dict.fromkeys(d.label for d in every))
    told = "Every equality below is a checked step at these sizes, or an entry expanded from the last step"
    told += ", or a derivative of a printed formula with its own label." if slopes else "."
    proof: Inline = (Strong("Proof:"), f" {'; '.join(labels)}. {told}")
    said = some.layer.assumptions()
    supposed = list(dict.fromkeys(a for d in every for a in d.assumptions if a not in said))
    supposed = [a for a in supposed if not a.startswith("sizes:")]
    assumed: Inline = (Strong("Assumed:"), f" {'; '.join(supposed)}.")
    shown = Paragraph((Strong("Shapes:"), f" {', '.join(shapes)}."))
    return [shown, Paragraph(proof), *domain(some), Paragraph(assumed)]


def _questions(numbered: Mapping[str, Numbered]) -> list[Block]:
    answers = remarks(numbered)
    return [Heading((COUNTS[len(answers)],), 2), *(Paragraph(a) for a in answers)] if answers else []


def _functions(about: list[Block], slopes: Sequence[Slope]) -> list[Block]:
    """The functions applied, with their derivatives."""
    rows = tuple(Display(s.lhs, (checked(s, Builder(), ""),)) for s in slopes)
    return [*about, *([Displays(rows)] * bool(rows))]


def _setting(some: Derivation) -> list[Block]:
    """Symbols, sizes, the definition of the layer and of the loss, and what fills or explains them."""
    builder = Builder(some.sizes)
    kind, layer = family(some), (*given(some.claim), *results(some))
    names = [t.name for t in some.general.setting.inputs] + [d.tensor.name for d in layer]
    return [
        Heading(("The layer",), 2),
        Paragraph((*letters(names, kind), CONVENTIONS, *channels(some.sizes, builder))),
        Paragraph((Strong("Sizes:"), " ", *sizes_listed(some.sizes, kind, len(layer) > 2), ".")),
        Displays(tuple(defined(d, builder) for d in layer)),
        *tables_shown(some.layer.tables(some.input_shape), some.claim.setting.inputs),
        *indicators(some, builder),
        *shifts(some),
    ]


def section(item: Numbered) -> list[Block]:
    """One operand: theorem, helper definitions, chain, entries."""
    derivation = item.derivation
    builder = Builder(derivation.sizes)
    helpers = helper_definitions(derivation.claim)
    links = chain(item, builder)
    blocks: list[Block] = [Heading(("The gradient by ", Called(derivation.wrt)), 2), *_theorem(item, builder)]
    if helpers:
        blocks += [Paragraph(("where",)), Displays(tuple(defined(d, builder) for d in helpers))]
    blocks += [Heading(("Derivation",), 3), Displays((Display(builder.expr(derivation.claim.left), links),))]
    return [*blocks, *_entries(item)] if derivation.claim.right.body.terms else blocks


def chain(item: Numbered, builder: Builder) -> tuple[Link, ...]:
    """The links of a derivation; refuses one whose lines do not lead from the claim's left side on."""
    return linked(item.derivation.claim.left, item.derivation.steps, item.numbers, builder)


def linked(start: Expr, lines: Sequence[Line], numbers: Sequence[str], builder: Builder) -> tuple[Link, ...]:
    """Lines with their numbers as the links of one chain from `start` on; refuses one with a gap."""
    reached = start
    for line, place in zip(lines, numbers, strict=True):
        if line.lhs != reached:
            raise ProofError(
                "the chain has a gap: a line does not start where the one before ended",
                where=f"equation ({place}), rule {line.rule}",
                expected=str(reached),
                got=str(line.lhs),
            )
        reached = line.rhs
    return tuple(together(lines[a:b], numbers[a:b], builder) for a, b in joined(lines))


def _theorem(item: Numbered, builder: Builder) -> list[Block]:
    """What the chain arrives at: the formula for all sizes, and with these sizes put in."""
    derivation = item.derivation
    first, last = item.numbers[0], item.numbers[-1]
    result, general = derivation.claim.right, derivation.general.right
    said: Inline = (
        Strong("Theorem."),
        " For all sizes, the derivative of the loss by each entry of ",
        Array(derivation.wrt),
        " is the entry of ",
        Called(result.tensor.name),
        " with the same index:",
    )
    shape = f"Here, with the sizes put in, its shape is {_shape(derivation.shape)}"
    return [
        Paragraph(said),
        Displays((defined(general, builder, said=False),)),
        Paragraph((f"{shape} and equations ({first}) to ({last}) show it:",)),
        Displays((defined(result, builder, said=False),)),
    ]


def _entries(item: Numbered) -> list[Block]:
    """The entries of a small gradient, or a few of a large one and how many are not shown."""
    derivation = item.derivation
    tensor = derivation.claim.right.tensor.name
    found: Entries = entries(derivation)
    blocks: list[Block] = [Heading(("Entries" if found.elided else "Every entry",), 3)]
    if standing := found.standing:
        listed = [span for name in standing for span in (Array(name), ", ")][:-1]
        blocks.append(Paragraph(("Entries of ", *listed, " stand for themselves.")))
    if found.rows:
        blocks.append(Displays(tuple(expanded(tensor, row, found.most) for row in found.rows)))
    if found.elided:
        further = " further" if found.rows else ""
        noun = "entry" if found.elided == 1 else "entries"
        long = "" if found.rows else f", each a sum of up to {found.bound:,} products"
        last = item.numbers[-1]
        blocks.append(Paragraph((f"… {found.elided:,}{further} {noun} elided{long}; ({last}) gives each.",)))
    return blocks


def _matrix(some: Derivation) -> list[Block]:
    """A small linear layer as a matrix; one that chooses entries is none."""
    if some.layer.codes(some.input_shape):
        return []
    from derive.matrix import section as matrix_section

    found = matrix_section(some.layer, some.input_shape)
    return [Heading(("The layer as a matrix",), 2), *found] if found else []


def all_sizes(every: Sequence[Derivation]) -> list[Block]:
    """The helpers over symbolic sizes, each once, and the hypotheses of the theorems."""
    builder = Builder(every[0].sizes)
    helpers = {d.tensor.name: d for e in every for d in helper_definitions(e.general)}
    layer = [d for d in given(every[0].general) if d.tensor.name != "loss"]
    rows = tuple(defined(d, builder, said=False) for d in (*layer, *helpers.values()))
    return [
        Heading(("For all sizes",), 2),
        Paragraph(("The theorems for all sizes stand on the same definitions with symbols for the sizes:",)),
        Displays(rows),
        Paragraph((Strong("Hypotheses:"), " ", *hypotheses(every[0].general.setting.facts, builder), ".")),
    ]


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"


def statement(claim: Claim) -> str:
    """A proved claim and the helpers it stands on as lines of plain text, in the user's axes."""
    from derive.notation import text

    builder = Builder(sizes_of(claim.setting))
    left_side = tidy(claim.left, unit_values(claim.indices))
    right = builder.left(tidy_definition(claim.right))
    shown = [f"{text.written(builder.expr(left_side))} = {text.written(right)}"]
    stages = (d for d in given(claim) if d.tensor.name not in ("output", "loss"))
    for definition in map(tidy_definition, (claim.right, *stages, *helper_definitions(claim))):
        left, body = builder.left(definition), builder.expr(definition.body)
        shown.append(f"  {text.written(left)} := {text.written(body)}")
    return "\n".join(shown)


def render(derivations: Mapping[str, Derivation], format: str = "text", style: str = "fragment") -> str:
    """The document as text.

    Args:
        derivations: operand -> Derivation, all of one layer at one input shape.
        format: "text", "latex", "md" or "html".
        style: for LaTeX: "fragment" (needs only amsmath) or "standalone".

    Raises LayerError on an unknown format or style, ProofError on a line without a label.
    """
    return printed(page(derivations), format, style)


def save(derivations: Mapping[str, Derivation], path: str | Path) -> None:
    """Write the document to a file, whole or not at all; the suffix decides the format.

    Raises LayerError on a suffix that is not .tex (standalone), .pdf, .md, .txt or .html, and LimitError
    where the file cannot be written or, for .pdf, where there is no TeX.
    """
    save_page(page(derivations), path)
