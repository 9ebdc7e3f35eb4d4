"""Owns the document of a graph: its tensors, the forward equations, then the backward pass in its order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from derive.document import checked, expanded
from derive.entries import MOST_EXPANDED, MOST_WRITTEN, Row
from derive.expr import Apply, Definition
from derive.graph_derivation import GraphDerivation, Pass
from derive.graph_language import entries_bound
from derive.graph_legend import choices, constants, functions_said, letters_said, stages_said
from derive.graph_numbers import Exact, Worked, places
from derive.graph_proof import assumptions
from derive.graph_setting import Composed, Use
from derive.graph_shapes import Placed
from derive.instance import tidy_definition
from derive.notation.build import Builder, entry, monomials, rational
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
    Span,
    Strong,
)

INDICES = "Indices count from 0; a bracket is 1 where its condition holds and 0 elsewhere."


def page(derivations: Mapping[str, GraphDerivation]) -> Page:
    """The document of some gradients of one graph: what they stand on, in the order of the backward pass."""
    some = next(iter(derivations.values()))
    whole, composed = some.whole, some.whole.composed
    needed = {n for wrt in derivations for n in whole.leading_to(wrt)}
    order = [n for n in whole.order if n in needed]
    builder = Builder()
    blocks: list[Block] = [*_head(whole, order), *_tensors(composed), *_forward(composed, builder)]
    blocks += [Heading(("The backward pass",), 2), Paragraph(_course(composed))]
    for number, name in enumerate(order, 1):
        blocks += _gradient(whole, name, str(number), builder)
    blocks += _entries({w: d for w, d in derivations.items() if w in needed})
    if some.worked is not None:
        blocks += _numbers(some.worked, composed, order)
    kind, count = type(composed.plan.graph).__name__, len(composed.plan.placed)
    layers = "1 layer" if count == 1 else f"{count} layers"
    return Page((f"The backward pass of a {kind} of {layers}",), tuple(blocks))


def _head(whole: Pass, order: Sequence[str]) -> list[Block]:
    """The label and what is assumed."""
    made = whole.composed.plan
    told = "Each numbered line below is a gradient of the composed loss; definitions are marked by :=."
    supposed = "; ".join(s for s in assumptions(made) if not s.startswith("shapes: "))
    blocks: list[Block] = [
        Paragraph(
            (Strong("Proof:"), f" {whole.label if order else 'the gradient by an output is given'}. {told}")
        ),
        Paragraph((Strong("Assumed:"), f" {supposed}.")),
    ]
    if whole.composed.shared:
        names = ", ".join(whole.composed.shared)
        said = f" layers differ in {names}; the composition was compared with one unknown function for them."
        blocks.append(Paragraph((Strong("Parameters:"), said)))
    return blocks


def _tensors(composed: Composed) -> list[Block]:
    """The nodes in the order in which they run, and every tensor's shape."""
    made = composed.plan
    given = [f"{t.name} {_shape(t.shape)}" for t in made.tensors.values() if t.kind == "input"]
    own = [f"{t.name} {_shape(t.shape)}" for t in made.tensors.values() if t.kind == "given"]
    rows: list[Block] = [
        Heading(("The graph",), 2),
        Paragraph((Strong("Inputs:"), f" {', '.join(given)}.")),
        *([Paragraph((Strong("Of the layers:"), f" {', '.join(own)}."))] if own else []),
    ]
    for placed in made.placed:
        rows.append(Paragraph(_node_said(placed, made.shape(placed.name))))
    return rows


def _node_said(placed: Placed, shape: tuple[int, ...]) -> Inline:
    node = placed.node
    shared = f", with the weights of {node.owner}" if node.shares else ""
    return (
        *(Strong(f"{node.name}:"), " ", Code(repr(placed.layer)), f" of {' and '.join(node.arguments)}"),
        f"{shared}; {f'shape {_shape(shape)}' if shape else 'a scalar'}.",
    )


def _forward(composed: Composed, builder: Builder) -> list[Block]:
    """The definitions of every node, and what is differentiated."""
    rows: list[Block] = [
        Heading(("The forward pass",), 2),
        Paragraph(letters_said(composed)),
        *stages_said(composed),
        Paragraph((INDICES,)),
    ]
    for placed in composed.plan.placed:
        said: Inline = (f"Node {placed.name}, ", Code(repr(placed.layer)), ":")
        rows += [Paragraph(said), Displays(tuple(defined(d, builder) for d in composed.forward[placed.name]))]
        rows += [*choices(placed, composed, builder), *constants(placed, composed)]
    rows += functions_said(composed)
    scalar: Inline = ("What is differentiated, the sum of each output times what is given for it:",)
    return [*rows, Paragraph(scalar), Displays((defined(composed.scalar, builder, said=False),))]


def _course(composed: Composed) -> Inline:
    """What is given at the start."""
    out: list[Span] = [
        "Each gradient stands on those before it; where a tensor is used several times, what comes back ",
        "from its uses is added. Given: ",
    ]
    for name, title in composed.plan.cotangents().items():
        alone = composed.plan.shape(name) == ()
        tensor = Array(composed.tensor(name).name)
        out += [Array(title), ", the derivative of L by each entry of ", tensor, " (usually 1)" * alone, "; "]
    return (*out[:-1], ".")


def _gradient(whole: Pass, name: str, number: str, builder: Builder) -> list[Block]:
    """One tensor: the checked line, then the definitions of what comes back."""
    line = whole.line(name)
    composed = whole.composed
    blocks: list[Block] = [
        Heading((f"{number}. The gradient by ", Called(composed.tensor(name).name)), 3),
        Displays((Display(builder.expr(line.lhs), (checked(line, builder, number),)),)),
    ]
    total = composed.sums.get(name)
    if total is not None:
        blocks.append(Displays((defined(total, builder, said=False),)))
    for use in composed.uses.get(name, ()):
        blocks += [Paragraph(_theorem_said(use, composed)), Displays(_rows(use, builder))]
    return blocks


def _theorem_said(use: Use, composed: Composed) -> Inline:
    """Which theorem a definition is an instance of."""
    back = composed.gradients[use.node.name].name
    placed: Inline = () if back == "grad_output" else (" with ", Array(back), " as its grad_output")
    layer = Code(repr(use.node.layer))
    return (f"Node {use.node.name}, the theorem of ", layer, f" by its {use.operand}", *placed, ":")


def _rows(use: Use, builder: Builder) -> tuple[Display, ...]:
    return tuple(defined(d, builder) for d in (*use.helpers, use.gradient))


def defined(definition: Definition, builder: Builder, said: bool = True) -> Display:
    reason: Inline = (definition.role,) if said and definition.role else ()
    link = Link(Relation.DEFINED, builder.expr(tidy_definition(definition).body), reason)
    return Display(builder.left(definition), (link,))


def _entries(derivations: Mapping[str, GraphDerivation]) -> list[Block]:
    """Every entry of the gradients, expanded to inputs, weights and grad_output, where that is short."""
    blocks: list[Block] = []
    for wrt, derivation in derivations.items():
        rows = _expanded(derivation)
        if rows is not None:
            title = derivation.whole.composed.gradients[wrt].name
            said: Inline = ("Every entry of the gradient by ", Called(wrt))
            blocks += [
                Heading(said, 3),
                Displays(tuple(expanded(title, row, MOST_WRITTEN) for row in rows)),
            ]
    return [Heading(("Entries",), 2), *blocks] if blocks else []


def _expanded(derivation: GraphDerivation) -> list[Row] | None:
    """The rows of a small gradient without functions, or None."""
    composed = derivation.whole.composed
    claim = composed.claim(derivation.wrt)
    if any(
        isinstance(f, Apply) for d in composed.setting.definitions for t in d.body.terms for f in t.factors
    ):
        return None
    if prod(derivation.shape) * entries_bound(claim.right, claim.setting) > MOST_EXPANDED:
        return None
    rows, written = [], 0
    for index in product(*map(range, derivation.shape)):
        rows.append(Row("", index, tuple(monomials(derivation.element(index).expand()))))
        written += max(1, len(rows[-1].terms))
        if written > MOST_WRITTEN:
            return None
    return rows


def _numbers(worked: Worked, composed: Composed, order: Sequence[str]) -> list[Block]:
    """The pass with numbers, as long as they are not too many."""
    every = (*worked.given.values(), *worked.values.values(), *(worked.gradients[n] for n in order))
    if sum(map(len, every)) > MOST_WRITTEN:
        return []
    made, given = composed.plan, composed.plan.cotangents()
    shapes = {t.name: t.shape for t in made.tensors.values()} | {t: made.shape(n) for n, t in given.items()}
    chosen = [row for name, values in worked.given.items() for row in _chosen(name, shapes[name], values)]
    found = [(composed.tensor(name).name, shapes[name], values) for name, values in worked.values.items()]
    back = [(composed.gradients[name].name, shapes[name], worked.gradients[name]) for name in order]
    shown = [row for title, shape, values in (*found, *back) for row in _shown(title, shape, values)]
    said = (
        "Exact; the gradients were computed both by the pass above and by reverse differentiation of the "
        "forward definitions:"
    )
    return [
        Heading(("With numbers",), 2),
        Displays(tuple(chosen)),
        Paragraph((said,)),
        Displays(tuple(shown)),
    ]


def _chosen(title: str, shape: tuple[int, ...], values: Exact) -> list[Display]:
    """entry := its number."""
    return [
        Display(entry(title, place), (Link(Relation.DEFINED, rational(value)),))
        for place, value in zip(places(shape), values, strict=True)
    ]


def _shown(title: str, shape: tuple[int, ...], values: Exact) -> list[Display]:
    rows = zip(places(shape), values, strict=True)
    return [expanded(title, Row("", place, ((value, ()),) if value else ()), 1) for place, value in rows]


def statement_lines(composed: Composed) -> Iterator[str]:
    """dL/dT = gradient as plain text, in the order of the pass, each followed by its definitions."""
    from derive.notation import text

    builder = Builder()
    whole = Pass(composed, composed.plan.wanted)
    for name in whole.order:
        claim = composed.claim(name)
        yield f"{text.written(builder.expr(claim.left))} = {text.written(builder.left(claim.right))}"
        uses = composed.uses.get(name, ())
        total = [composed.sums[name]] if name in composed.sums else []
        for definition in (*total, *(d for u in uses for d in (*u.helpers, u.gradient))):
            body = builder.expr(tidy_definition(definition).body)
            yield f"  {text.written(builder.left(definition))} := {text.written(body)}"


def _shape(shape: Sequence[int]) -> str:
    return f"({', '.join(map(str, shape))}{',' * (len(shape) == 1)})"
