"""Owns what a graph's document says besides equations: letters, functions, indicators, shifts, constants."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from derive.document import checked
from derive.domain import functions
from derive.expr import Read, entry_of
from derive.family import family_of
from derive.functions_shown import definitions, slopes, told
from derive.graph_setting import Composed
from derive.graph_shapes import Placed
from derive.layers.codes import Code
from derive.legend import MEANINGS, tables_shown
from derive.legend_nonlinear import FILLED, indicator_rows
from derive.notation.build import Builder
from derive.notation.symbols import TENSORS
from derive.notation.tree import (
    Array,
    Block,
    Called,
    Display,
    Displays,
    Inline,
    Paragraph,
    Span,
    Strong,
)
from derive.notation.tree import Code as Typed


def letters_said(composed: Composed) -> Inline:
    """How tensors are written; a letter with a node above it, or a name."""
    made = composed.plan
    shown: list[Span] = [
        "A tensor of a node carries the node's name (above its letter, where it is a letter); d or grad_ "
        "in front is the gradient by it: "
    ]
    titles = [composed.tensor(t.name).name for t in made.tensors.values()]
    for title in titles:
        shown += [Called(title), ", "]
    return (*shown[:-1], ".")


USUAL = ("input", "other", "weight", "bias", "output")
"""Tensors that the graph's own list shows."""


def stages_said(composed: Composed) -> list[Block]:
    """What the letters of stages mean in the nodes that have them, each meaning once."""
    helpers = (d for uses in composed.uses.values() for u in uses for d in u.helpers)
    tensors = (*composed.setting.inputs, *(d.tensor for d in (*composed.setting.definitions, *helpers)))
    own = {p.name: MEANINGS.get(family_of(p.layer, p.shape), {}) for p in composed.plan.placed}
    said: dict[tuple[str, str], None] = {}
    for node, _, name in (t.name.rpartition(".") for t in tensors):
        if node in own and name in TENSORS and name not in USUAL:
            said[name, own[node].get(name, TENSORS[name].meaning)] = None
    out = [span for name, meaning in said for span in (Called(name), f": {meaning}", "; ")]
    return [Paragraph((Strong("Stages of nodes:"), " ", *out[:-1], "."))] if out else []


def choices(placed: Placed, composed: Composed, builder: Builder) -> list[Block]:
    """What fills the indicators and shifts of a node."""
    found: list[Block] = []
    prefix = f"{placed.name}."
    for name, code in composed.codes.items():
        read = next(_reads(composed, name), None) if name.startswith(prefix) else None
        if read is not None:
            found += [Paragraph(_choice(name, code)), Displays(indicator_rows(read, code, builder))]
    free = " may hold anything: no gradient and no output depends on it. Kernels put the largest entry of "
    for name, shift in composed.shifts.items():
        if name.startswith(prefix):
            found.append(Paragraph((Array(name), free, "each row of ", Array(shift.source), " there.")))
    return found


def _choice(name: str, code: Code) -> Inline:
    """An indicator in words."""
    rest = " names the place and 0 elsewhere; a term in which it is 0 is absent. "
    filled = f"{FILLED[code.first]}."
    return (
        Array(name),
        " is 1 where the whole number ",
        Typed(code.operand),
        rest,
        Typed(code.operand),
        filled,
    )


def _reads(composed: Composed, name: str) -> Iterator[Read]:
    """How the definitions read a tensor."""
    for definition in composed.setting.definitions:
        for term in definition.body.terms:
            for entry in map(entry_of, term.factors):
                if entry is not None and entry.tensor.name == name:
                    yield entry


def constants(placed: Placed, composed: Composed) -> list[Block]:
    """The node's constants with their values."""
    own = {t: v for t, v in composed.tables.items() if t.startswith(f"{placed.name}.")}
    return tables_shown(own, composed.setting.inputs) if own else []


def functions_said(composed: Composed) -> list[Block]:
    """The formulas of the functions applied, each once, and what their derivatives are."""
    blocks: list[Block] = []
    known: set[tuple[tuple[str, ...], tuple[tuple[str, Fraction], ...]]] = set()
    for placed in composed.plan.placed:
        names = functions(
            u.theorem.claim for uses in composed.uses.values() for u in uses if u.node == placed
        )
        parameters = placed.layer.parameters()
        key = (names, tuple(sorted(parameters.items())))
        if not names or key in known:
            continue
        known.add(key)
        rows = definitions(names, parameters)
        derived = [Display(s.lhs, (checked(s, Builder(), ""),)) for s in slopes(names, parameters)]
        said = told(names, parameters)
        if rows or said:
            blocks.append(
                Paragraph((Strong(f"Functions of node {placed.name}:"), *([" "] * bool(said)), *said))
            )
        blocks += [Displays((*rows, *derived))] if rows or derived else []
    return blocks
