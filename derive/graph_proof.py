"""Owns the verdict on a graph at its shapes: each layer's theorems, the composition by two judges."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from derive.errors import ProofError
from derive.graph import Graph
from derive.graph_setting import Composed, compose
from derive.graph_shapes import Plan, plan
from derive.theorems import LABEL, certificate_digest

if TYPE_CHECKING:
    from derive.api import ProofResult


@dataclass(frozen=True)
class Verdict:
    """What the judges found of a composition.

    Attributes:
        label: "THIS SIZE, n identities, exhaustive" where SymPy compared all, else "CHECKED, miss probability
        ..". identities: entries compared; lines: one a judge.
    """

    label: str
    identities: int
    lines: tuple[str, ...]


def judged(composed: Composed, names: Sequence[str], whole: bool = True, seed: int | None = None) -> Verdict:
    """Both judges on the gradients of the named tensors; `whole` False leaves SymPy out.

    Raises ProofError where one refutes, LimitError where the graph is too large even for the numbers.
    """
    from derive import graph_field, graph_sympy

    identities, label, said = graph_field.judge(composed, tuple(names), seed)
    lines = [said]
    if composed.shared:
        lines.append(
            f"layers differ in {', '.join(composed.shared)}: their functions were compared as one unknown"
        )
    if whole:
        exact, said = graph_sympy.judge(composed, names)
        lines.insert(0, said)
        if exact:
            identities, label = exact, f"THIS SIZE, {exact:,} identities, exhaustive"
    return Verdict(label, identities, tuple(lines))


def prove_graph(graph: Graph, shapes: Any, *, training: bool = False) -> ProofResult:
    """Every gradient of a graph's inputs and weights at its shapes.

    Each layer's part is its theorem for all sizes; that the parts compose is compared at these shapes:
    exactly with SymPy's derivative of the whole composed loss where that is small, and with reverse
    differentiation of the definitions over numbers modulo a prime. Raises LayerError on shapes that do not
    fit.
    """
    from derive.api import ProofResult

    made = plan(graph, shapes, training)
    composed = compose(made, made.wanted)
    digest, theorem = digests(made), statements(composed)
    try:
        verdict = judged(composed, made.wanted)
    except ProofError as refusal:
        report = (*layers_said(made), f"REFUTED: {refusal}")
        return ProofResult(False, "REFUTED", 0, theorem, assumptions(made), report, digest)
    report = (*layers_said(made), *verdict.lines)
    return ProofResult(True, verdict.label, verdict.identities, theorem, assumptions(made), report, digest)


def layers_said(made: Plan) -> tuple[str, ...]:
    """A line a node: which theorems it stands on."""
    return tuple(
        f"{p.node}: gradients by {', '.join(o for o, _ in p.differentiable)}: {LABEL}, hypotheses hold here"
        for p in made.placed
        if p.differentiable
    )


def assumptions(made: Plan) -> tuple[str, ...]:
    """What is supposed: the domains of the layers, and the shapes."""
    domains = [f"node {p.name}: {said}" for p in made.placed for said in p.layer.assumptions()]
    shapes = ", ".join(f"{t.name} {t.shape}" for t in made.tensors.values() if t.kind != "node")
    open_ones = made.graph.left_open()
    return (
        *domains,
        "the loss depends on the inputs through the outputs alone",
        *([f"arguments left at their defaults: {'; '.join(open_ones)}"] if open_ones else []),
        f"shapes: {shapes}",
    )


def statements(composed: Composed) -> str:
    """The gradients as lines of plain text, each with its definition and what it stands on."""
    from derive.graph_document import statement_lines

    return "\n".join(statement_lines(composed))


def digests(made: Plan) -> str:
    """One digest of the certificates of all layers, in order."""
    each = (certificate_digest(type(p.layer), p.layer.choices(p.shape)) for p in made.placed)
    return hashlib.sha256("\n".join(each).encode()).hexdigest()
