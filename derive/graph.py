"""Owns what a composition of layers is: named nodes, the tensors each one reads, whose weights it has.

A `Graph` names its tensors: its inputs ("x"), what its nodes give ("a"), and what a node needs besides what
it is connected to ("a.weight", "a.bias", "loss.target"). A `Sequential` is the graph in which each layer
reads the one before; its input is "input" and its nodes are "0", "1", ...

Shared weights: a node that stands for another node's layer once more is written with that node's name in the
place of the layer, {"a": (Linear(3, 3), "x"), "b": ("a", "a")}; it has no tensors of its own but reads
a.weight and a.bias. Two nodes with equal layers have weights of their own each.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from derive.errors import LayerError
from derive.graph_order import PLACES, in_order, resolved
from derive.layers.base import Layer

NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
"""What a tensor or node may be called; a dot only joins the names of nested Sequentials."""

TAKEN = re.compile(r"L|grad_.*")
"""Names that mean something else in every derivation: the scalar that is differentiated, and gradients."""


@dataclass(frozen=True)
class Node:
    """One layer in its place.

    Attributes:
        name: of the node and of the tensor that it gives.
        layer: what it computes.
        arguments: the tensors it reads: the layer's input first, then its further operands (other, target).
        owner: the node whose weights it reads; its own name unless they are shared.
    """

    name: str
    layer: Layer
    arguments: tuple[str, ...]
    owner: str

    @property
    def shares(self) -> bool:
        return self.owner != self.name

    def __str__(self) -> str:
        return f"node {self.name} ({self.layer!r})"


class Graph:
    """A composition of layers without cycles.

    Args:
        inputs: names of the tensors that a user gives; one name or several.
        nodes: name -> (layer, tensor, ...): the layer with the tensors it reads, in the order of its operands
            (input; other, target, mask, indices where it has one). The name of another node in the place of
            the layer means that node's layer and weights again. A MaxPool with return_indices=True at node
            p also gives "p.indices", for a MaxUnpool.
        outputs: names of the nodes whose tensors are the result; one name or several.

    Attributes:
        inputs, outputs: tuples of names.
        order: the nodes in an order in which they can be run (the given one where that is such an order).

    Raises LayerError on a name that is not known or given twice, a cycle, a node or input that no output
    needs. Shapes are looked at by `derive.graph_shapes.plan`.

    >>> from derive import Add, Conv2d
    >>> block = Graph(("x",), {"a": (Conv2d(3, 3, 3, padding=1), "x"), "s": (Add(), "a", "x")}, ("s",))
    >>> [node.name for node in block.order]
    ['a', 's']
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    order: tuple[Node, ...]

    def __init__(
        self,
        inputs: str | Sequence[str] = ("x",),
        nodes: Mapping[str, tuple[Any, ...]] | None = None,
        outputs: str | Sequence[str] = (),
    ) -> None:
        self.inputs = _names("inputs", inputs)
        self.outputs = _names("outputs", outputs)
        given = _nodes(nodes)
        for name in given:
            if name in self.inputs:
                _refuse("one name for two tensors", f"node {name}", "a name that no input has", name)
        self.order = in_order(_resolve(given, self.inputs), self.inputs, self.outputs)

    def __repr__(self) -> str:
        said = ", ".join(f"{n.name!r}: ({', '.join(_parts(n))})" for n in self.order)
        return f"Graph(inputs={self.inputs!r}, nodes={{{said}}}, outputs={self.outputs!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Graph) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def _key(self) -> tuple[Any, ...]:
        return self.inputs, self.order, self.outputs

    def node(self, name: str) -> Node:
        """The node of that name; LayerError where there is none."""
        found = next((n for n in self.order if n.name == name), None)
        if found is None:
            listed = ", ".join(n.name for n in self.order)
            raise LayerError("no such node", where=repr(self)[:80], expected=listed, got=repr(name))
        return found

    def left_open(self) -> list[str]:
        """The arguments that the text of a layer leaves open, by node."""
        return [f"{n.name}: {said}" for n in self.order if not n.shares for said in n.layer.left_open()]


class Sequential(Graph):
    """Layers one after another, as torch.nn.Sequential: tensors input, 0, 0.weight, 1, ...

    Args:
        layers: layers, or Sequentials (their nodes are named 2.0, 2.1, ... as PyTorch names them).

    Raises LayerError where there is no layer, or something that is none.

    >>> from derive import Conv2d, Flatten, Linear
    >>> [node.name for node in Sequential(Conv2d(1, 2, 3), Flatten(), Linear(8, 3)).order]
    ['0', '1', '2']
    """

    layers: tuple[tuple[str, Layer | Sequential], ...]

    def __init__(self, *layers: Layer | Sequential) -> None:
        self._made(tuple((str(place), layer) for place, layer in enumerate(layers)))

    @classmethod
    def named(cls, layers: Iterable[tuple[str, Layer | Sequential]]) -> Sequential:
        """The same with names of one's own, as print(model) shows a Sequential made from an OrderedDict."""
        found = cls.__new__(cls)
        found._made(tuple(layers))
        return found

    def _made(self, layers: tuple[tuple[str, Layer | Sequential], ...]) -> None:
        if not layers:
            raise LayerError("no layers", where="Sequential", expected="at least one layer", got="none")
        self.layers = layers
        nodes: dict[str, tuple[Any, ...]] = {}
        last = "input"
        for name, layer in flattened(layers):
            if name in nodes:
                _refuse("one name for two layers", "Sequential", "names that differ", name)
            nodes[name] = (layer, last)
            last = name
        super().__init__(("input",), nodes, (last,))

    def __repr__(self) -> str:
        if all(name == str(place) for place, (name, _) in enumerate(self.layers)):
            return f"Sequential({', '.join(repr(layer) for _, layer in self.layers)})"
        return f"Sequential({' '.join(f'({name}): {layer!r}' for name, layer in self.layers)})"


def flattened(layers: Iterable[tuple[str, Any]], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested Sequentials laid out, their names joined by dots."""
    found: list[tuple[str, Any]] = []
    for name, layer in layers:
        if isinstance(layer, Sequential):
            found += flattened(layer.layers, f"{prefix}{name}.")
        else:
            found.append((f"{prefix}{name}", layer))
    return found


def _parts(node: Node) -> list[str]:
    return [repr(node.owner) if node.shares else repr(node.layer), *map(repr, node.arguments)]


def _names(where: str, given: str | Sequence[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, (tuple, list)) or not names:
        raise LayerError("no names", where=where, expected=f"for example {where}=('x',)", got=repr(given))
    for name in names:
        _checked(where, name)
    if len(set(names)) != len(names):
        _refuse("a name given twice", where, "names that differ", ", ".join(names))
    return tuple(names)


def _checked(where: str, name: Any) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise LayerError(
            "not a name", where=where, expected="letters, digits and underscores", got=repr(name)
        )
    if TAKEN.fullmatch(name):
        _refuse("a name that means something else", where, "a name other than L and grad_...", name)


def _nodes(nodes: Any) -> dict[str, tuple[Any, ...]]:
    """The nodes as given, each a tuple that begins with a layer or a name."""
    if not isinstance(nodes, Mapping) or not nodes:
        expected = "a dict such as {'a': (Conv2d(3, 3, 3), 'x')}"
        raise LayerError("no nodes", where="nodes", expected=expected, got=repr(nodes)[:60])
    for name, made in nodes.items():
        _checked("nodes", name)
        fits = isinstance(made, (tuple, list)) and len(made) > 1 and isinstance(made[0], (Layer, str))
        if not fits or not all(isinstance(argument, str) for argument in made[1:]):
            expected = "(layer, name of the tensor it reads, ...)"
            mend = "a Sequential inside a Graph: give its layers as nodes" if _composed(made) else ""
            raise LayerError(
                "not a node", where=f"node {name}", expected=expected, got=repr(made)[:80], mend=mend
            )
    return {name: tuple(made) for name, made in nodes.items()}


def _composed(made: Any) -> bool:
    return isinstance(made, (tuple, list)) and bool(made) and isinstance(made[0], Graph)


def _resolve(given: Mapping[str, tuple[Any, ...]], inputs: Sequence[str]) -> dict[str, Node]:
    """Every node with its layer, that of another node where only a name is given."""
    owners = resolved({name: made[0] for name, made in given.items() if isinstance(made[0], str)}, given)
    found = {}
    for name, (_, *arguments) in given.items():
        owner = owners.get(name, name)
        found[name] = Node(name, given[owner][0], tuple(arguments), owner)
        for argument in arguments:
            if argument.removesuffix(PLACES) not in given and argument not in inputs:
                others = [title for title in (*inputs, *given) if title != name]
                raise LayerError(
                    "no such tensor",
                    where=f"node {name}",
                    expected=f"an input or another node: {', '.join(others)}",
                    got=argument,
                    mend=_meant(argument, others),
                )
    return found


def _meant(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else ""


def _refuse(what: str, where: str, expected: str, got: str) -> None:
    raise LayerError(what, where=where, expected=expected, got=got)
