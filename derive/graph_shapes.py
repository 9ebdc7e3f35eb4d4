"""Owns the shapes of a graph: every tensor with shape and dtype, every node with its layer at its shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from derive.errors import BackflipError, LayerError
from derive.graph import Graph, Node
from derive.graph_order import PLACES
from derive.layers.base import Layer, Operand

Shape = tuple[int, ...]

STATE = ("weight", "bias", "class_weight", "pos_weight", "running_mean", "running_var")
"""Operands that no argument of a node stands for: what training changes."""


def is_result(operand: str) -> bool:
    """Whether a row of the operands table is given by the layer or for its output, not read by it."""
    return operand in ("output", "grad_output") or operand.startswith("new_")


@dataclass(frozen=True)
class GraphTensor:
    """A tensor of a graph.

    Attributes:
        name: "x", "a", "a.weight".
        shape: the user's shape.
        dtype: "floating" or a NumPy dtype name ("int64").
        kind: "input" (of the graph), "given" (needed by a node besides) or "node" (computed).
        differentiable: whether the backward pass has a gradient for it.
    """

    name: str
    shape: Shape
    dtype: str = "floating"
    kind: str = "given"
    differentiable: bool = True


@dataclass(frozen=True)
class Placed:
    """A node at its shape.

    Attributes:
        layer: in its mode, told the shapes that it leaves open.
        shape: of its input.
        operands: the layer's operands table.
        reads: operand -> the tensor that it is, results left out.
    """

    node: Node
    layer: Layer
    shape: Shape
    operands: tuple[Operand, ...]
    reads: Mapping[str, str]

    @property
    def name(self) -> str:
        return self.node.name

    @property
    def differentiable(self) -> tuple[tuple[str, str], ...]:
        """(operand, tensor) of each gradient that the layer has."""
        return tuple((o.name, self.reads[o.name]) for o in self.operands if o.differentiable)


@dataclass(frozen=True)
class Plan:
    """A graph with all its shapes: nodes in the order in which they run, tensors by name."""

    graph: Graph
    placed: tuple[Placed, ...]
    tensors: Mapping[str, GraphTensor]
    training: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """What is differentiated by unless one says: inputs, then weights, as they are read."""
        return tuple(t.name for t in self.tensors.values() if t.kind != "node" and t.differentiable)

    def cotangents(self) -> dict[str, str]:
        """Each output with the name of what the loss's derivative by it is called."""
        outputs = self.graph.outputs
        return {o: "grad_output" if len(outputs) == 1 else f"grad_output.{o}" for o in outputs}

    def shape(self, name: str) -> Shape:
        return self.tensors[name].shape


def plan(graph: Graph, shapes: Any, training: bool = False) -> Plan:
    """Infer the shapes of all tensors.

    Args:
        graph: a Graph or Sequential.
        shapes: name -> shape of the graph's inputs, or one shape where it has one input. An input that a
            layer reads as something other than its `input` (a target, the second summand) may be left out.
        training: the mode of layers that have modes.

    Raises LayerError where a shape is missing, not an input's, or does not fit a node; it names the node.
    """
    found = {n: GraphTensor(n, s, "", "input") for n, s in given_shapes(graph, shapes).items()}
    placed = []
    for node in graph.order:
        placed.append(_place(node, found, training))
    ordered = {n: found[n] for n in graph.inputs} | found
    reached = live(graph, placed)
    tensors = {n: replace(t, differentiable=n in reached) for n, t in ordered.items()}
    return Plan(graph, tuple(placed), tensors, training)


def given_shapes(graph: Graph, shapes: Any) -> dict[str, Shape]:
    """The given shapes by input; one shape alone goes to the first input."""
    if not isinstance(shapes, Mapping):
        if isinstance(shapes, (str, bytes)) or not isinstance(shapes, Sequence):
            raise LayerError(
                "not a shape", where="input", expected="a tuple of sizes, or a dict", got=repr(shapes)
            )
        shapes = {graph.inputs[0]: shapes}
    for name in shapes:
        if name not in graph.inputs:
            listed = ", ".join(graph.inputs)
            raise LayerError("no such input", where="input shapes", expected=listed, got=repr(name))
    return {name: tuple(shape) for name, shape in shapes.items()}


def _place(node: Node, found: dict[str, GraphTensor], training: bool) -> Placed:
    """The node at the shapes found so far; what it needs and gives is added to them."""
    first = found.get(node.arguments[0])
    if first is None:
        name = node.arguments[0]
        raise LayerError(
            "an input without a shape",
            where=str(node),
            expected=f"the shape of {name}",
            got="none",
            mend=f"{{{name!r}: (1, 3, 8, 8)}}, or --input {name}=1,3,8,8",
        )
    layer = node.layer.in_mode(training)
    try:
        names = _arguments(node, layer, first.shape, training)
        _check_places(names, found)
        known = {operand: found[t].shape for operand, t in names.items() if t in found}
        layer = told(layer, first.shape, {o: s for o, s in known.items() if o != "input"})
        operands = layer.operands(first.shape, training)
    except BackflipError as fault:
        raise _located(fault, node, first) from None
    reads = {o.name: names.get(o.name, f"{node.owner}.{o.name}") for o in operands if not is_result(o.name)}
    for operand in operands:
        if operand.name in reads:
            _join(node, operand, reads[operand.name], found)
    output = next(o for o in operands if o.name == "output")
    found[node.name] = GraphTensor(node.name, output.shape, kind="node")
    if getattr(layer, "return_indices", False):
        places = f"{node.name}{PLACES}"
        found[places] = GraphTensor(places, output.shape, "int64", "node")
    return Placed(node, layer, first.shape, operands, reads)


def _arguments(node: Node, layer: Layer, shape: Shape, training: bool) -> dict[str, str]:
    """Operand -> tensor for the node's arguments, in the order of the layer's operands table."""
    places = [
        o.name for o in layer.operands(shape, training) if o.name not in STATE and not is_result(o.name)
    ]
    needed = "other" if "other" in places else "input"
    if not places.index(needed) < len(node.arguments) <= len(places):
        many = len(node.arguments) > len(places)
        raise LayerError(
            "too many tensors" if many else "a layer of two tensors with one",
            where="arguments",
            expected=", ".join(places),
            got=", ".join(node.arguments),
            mend="" if many else "a Graph, whose node reads both: {'s': (Add(), 'a', 'x')}",
        )
    return dict(zip(places, node.arguments, strict=False))


def _check_places(names: Mapping[str, str], found: Mapping[str, GraphTensor]) -> None:
    """The places of a pooling that gives none."""
    for operand, tensor in names.items():
        if tensor.endswith(PLACES) and tensor not in found:
            raise LayerError(
                "no such tensor",
                where=operand,
                expected=f"{tensor}, from a pooling with return_indices=True",
                got="a node that does not give it",
            )


def _join(node: Node, operand: Operand, name: str, found: dict[str, GraphTensor]) -> None:
    """Remember a tensor, or compare it with what is known of it."""
    own = name == f"{node.owner}.{operand.name}"
    known = found.setdefault(
        name, GraphTensor(name, operand.shape, operand.dtype, "given" if own else "input")
    )
    if known.shape != operand.shape:
        raise LayerError(
            "shapes do not fit",
            where=f"{node}, {operand.name}",
            expected=str(operand.shape),
            got=f"{name} of shape {known.shape}",
        )
    if known.dtype not in ("", operand.dtype):
        raise LayerError(
            "one tensor of two kinds",
            where=f"{node}, {operand.name}",
            expected=operand.dtype,
            got=f"{name}, which is {known.dtype}",
        )
    found[name] = replace(known, dtype=operand.dtype)


def _located(fault: BackflipError, node: Node, first: GraphTensor) -> BackflipError:
    """The same refusal, said of the node."""
    where = f"{node}, whose input {first.name} has shape {first.shape}"
    return type(fault)(
        fault.what,
        where=f"{where}: {fault.where}" if fault.where else where,
        expected=fault.expected,
        got=fault.got,
        mend=fault.mend,
    )


def told(layer: Layer, shape: Shape, shapes: Mapping[str, Shape]) -> Layer:
    """The layer with the shapes of operands that it leaves open (the other part of a Concat)."""
    if "other" in shapes and getattr(layer, "other_shape", ()) is None:
        return replace(layer, other_shape=shapes["other"])  # type: ignore[call-arg]
    return layer.told(shape, **shapes)


def live(graph: Graph, placed: Sequence[Placed]) -> frozenset[str]:
    """The tensors that an output depends on through operands that layers are differentiated by."""
    found = set(graph.outputs)
    for node in reversed(placed):
        if node.name in found:
            found.update(tensor for _, tensor in node.differentiable)
    return frozenset(found)
