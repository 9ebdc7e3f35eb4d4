"""Owns the derivations of a graph's gradients at its shapes: the chain rule over every use of a tensor.

For a tensor that nodes n1, n2, ... read, dL/dT is the sum of what each of them sends back; what a node sends
back is its layer's theorem, with the gradient of the node's own tensor in the place of grad_output. Lines run
from L backwards, so that each gradient stands on gradients that were derived before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from derive.equations import Line
from derive.errors import LayerError
from derive.expr import Definition, single
from derive.graph import Graph
from derive.graph_setting import Composed, compose
from derive.graph_shapes import plan
from derive.theorems import LABEL
from derive.writing import Shown

if TYPE_CHECKING:
    import sympy

    from derive.graph_numbers import Worked
    from derive.notation.tree import Page


class Pass:
    """The whole backward pass of a graph at its shapes: one line a tensor, from the outputs to the inputs.

    Attributes:
        composed: the graph in the index language.
        wanted: the tensors that were asked for.
    """

    def __init__(self, composed: Composed, wanted: Sequence[str]) -> None:
        self.composed, self.wanted = composed, tuple(wanted)

    @cached_property
    def label(self) -> str:
        """What is known of the lines; the composition is compared when this is first read."""
        from derive.graph_proof import judged

        found = judged(self.composed, list(self.order), whole=False)
        return f"{LABEL} for each layer; composed: {found.label}"

    @property
    def order(self) -> tuple[str, ...]:
        """The tensors in the order in which their gradients are known: what nodes read after the nodes.

        Tensors that are nothing but an output are left out: their gradient is given.
        """
        composed = self.composed
        known = {tensor.name: name for name, tensor in composed.gradients.items()}
        placed = [d.tensor.name for d in composed.setting.definitions if d.tensor.name in known]
        return tuple(known[title] for title in placed)

    def line(self, name: str) -> Line:
        """d L/d name = its gradient: every use of it counted."""
        claim = self.composed.claim(name)
        right = single(claim.right.left)
        return Line(claim.left, right, self.reason(name), "graph", self.label, claim)

    def reason(self, name: str) -> str:
        """Which uses a tensor has, in words."""
        uses = self.composed.uses.get(name, ())
        said = [f"{u.operand} of node {u.node.name}, {u.node.node.layer!r}" for u in uses]
        if name in self.composed.plan.graph.outputs:
            said.insert(0, "output of the graph")
        if len(said) == 1:
            return f"used once, as {said[0]}"
        return f"chain rule, a term for each of its {len(said)} uses: as {'; as '.join(said)}"

    def lines(self) -> tuple[Line, ...]:
        return tuple(map(self.line, self.order))

    def leading_to(self, name: str) -> tuple[str, ...]:
        """The tensors whose gradients the named one stands on, itself last."""
        needed, pending = {name}, [name]
        while pending:
            for use in self.composed.uses.get(pending.pop(), ()):
                if use.node.name not in needed:
                    needed.add(use.node.name)
                    pending.append(use.node.name)
        return tuple(n for n in self.order if n in needed)


@dataclass(frozen=True, repr=False)
class GraphDerivation(Shown):
    """The derivation of dL/d `wrt` in a graph.

    Attributes:
        whole: the backward pass that it is a part of.
        wrt: the tensor, for example "x" or "a.weight".
        worked: numbers for everything, where `with_numbers` has given some.
    """

    whole: Pass
    wrt: str
    worked: Worked | None = None

    def __repr__(self) -> str:
        return f"<Derivation of the gradient of {self.wrt} in {self.graph!r}>"

    @property
    def graph(self) -> Graph:
        return self.whole.composed.plan.graph

    @property
    def label(self) -> str:
        return self.whole.label

    @property
    def shape(self) -> tuple[int, ...]:
        return self.whole.composed.plan.shape(self.wrt)

    @property
    def steps(self) -> tuple[Line, ...]:
        """The lines from L to this gradient, in the order of the pass."""
        return tuple(map(self.whole.line, self.whole.leading_to(self.wrt)))

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """All definitions of the pass: forward, L, backward."""
        return self.whole.composed.setting.definitions

    def with_numbers(self, numbers: Mapping[str, Any]) -> GraphDerivation:
        """The same with every tensor worked for given numbers; its document shows them.

        Args:
            numbers: name -> entries of every input and weight, and of grad_output where that is not 1.

        Raises LayerError as `derive.graph_numbers.worked`.
        """
        from derive.graph_numbers import worked

        return replace(self, worked=worked(self.whole.composed, numbers))

    def element(self, index: Sequence[int]) -> sympy.Expr:
        """The gradient's entry at a 0-based, full-rank index, in entries of inputs, weights and grad_output.

        Functions stand for themselves; indicators and shifts are entries of tensors of their own. Raises
        LayerError where the index does not fit.
        """
        where = tuple(index)
        if len(where) != len(self.shape) or not all(
            isinstance(i, int) and 0 <= i < n for i, n in zip(where, self.shape, strict=True)
        ):
            raise LayerError(
                "no such entry",
                where=f"element of the gradient of {self.wrt}",
                expected=f"an index of shape {self.shape}, 0-based",
                got=repr(where),
            )
        from derive.graph_sympy import IndexedMeaning

        claim = self.whole.composed.claim(self.wrt)
        values = {i.name: v for i, v in zip(claim.indices, where, strict=True)}
        means = IndexedMeaning(claim.setting, tables=dict(self.whole.composed.tables))
        return means.expr(claim.right.body, values)

    def _page(self) -> Page:
        from derive.graph_document import page

        return page({self.wrt: self})


def differentiate_graph(
    graph: Graph, shapes: Any, wrt: str | Sequence[str] = "all", *, training: bool = False
) -> dict[str, GraphDerivation]:
    """The derivations of a graph's gradients.

    Args:
        graph: a Graph or Sequential.
        shapes: one shape, or a dict: input -> shape.
        wrt: "all" (inputs and weights), the name of a tensor ("x", "0.weight", a node), or several.

    Returns a mapping from tensor to its GraphDerivation. Raises LayerError where a shape does not fit or a
    tensor has no gradient.
    """
    made = plan(graph, shapes, training)
    wanted = made.wanted if wrt == "all" else (wrt,) if isinstance(wrt, str) else tuple(wrt)
    whole = Pass(compose(made, wanted), wanted)
    return {name: GraphDerivation(whole, name) for name in wanted}
