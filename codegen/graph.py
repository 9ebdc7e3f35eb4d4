"""Owns compiled graphs: one kernel a node, buffers handed on, gradients of several uses added; `build`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, overload

import numpy as np

from codegen.call import Kernel
from codegen.call import build as build_layer
from codegen.fused import joined
from codegen.operands import Array, Wanted
from derive.errors import LayerError
from derive.graph import Graph
from derive.graph_order import PLACES
from derive.graph_shapes import Placed, Plan, plan
from derive.layers.base import Layer


@overload
def build(layer: Layer, input_shape: Sequence[int], **options: Any) -> Kernel: ...
@overload
def build(layer: Graph, input_shape: Any, **options: Any) -> GraphKernel: ...
def build(layer: Layer | Graph, input_shape: Any, **options: Any) -> Kernel | GraphKernel:
    """Compile, validate and load the kernels of a layer, or of every layer of a Graph or Sequential.

    Args:
        layer: any layer that `derive` has, a Graph or a Sequential.
        input_shape: PyTorch's; of a graph with several inputs a dict, input -> shape.
        options: those of `codegen.call.build` (dtype, wrt, training, validate, isa, threads, accuracy, tune);
            `wrt` of a graph names tensors ("input", "0.weight"), usually all that have a gradient.

    Raises LayerError on a wrong layer, shape or option, BuildError where a kernel cannot be made.
    """
    if isinstance(layer, Graph):
        return build_graph(layer, input_shape, **options)
    return build_layer(layer, input_shape, **options)


def build_graph(
    graph: Graph,
    shapes: Any,
    *,
    dtype: str = "float32",
    wrt: str | Sequence[str] = "all",
    training: bool = False,
    **options: Any,
) -> GraphKernel:
    """The kernels of a graph's nodes; equal layers at equal shapes are compiled once.

    Without gradients (wrt=()) an activation that alone reads a layer's output is in that layer's kernel.
    """
    made = plan(graph, shapes, training)
    names = wanted(made, wrt)
    if not names and not training:
        made = joined(made)
    needed = behind(made, names)
    kernels: dict[str, Kernel] = {}
    known: dict[tuple[Any, ...], Kernel] = {}
    for node in made.placed:
        operands = tuple(operand for operand, tensor in node.differentiable if tensor in needed)
        layer = telling_places(node.layer) if operands else node.layer
        key = (layer, node.shape, operands)
        if key not in known:
            known[key] = build_layer(layer, node.shape, dtype=dtype, wrt=operands, **options)
        kernels[node.name] = known[key]
    return GraphKernel(made, dtype, names, needed, kernels)


def telling_places(layer: Layer) -> Layer:
    """A pooling that also gives the places of what it takes, which backward then need not find again."""
    if getattr(layer, "return_indices", True):
        return layer
    return replace(layer, return_indices=True)  # type: ignore[call-arg]


def wanted(made: Plan, wrt: str | Sequence[str]) -> tuple[str, ...]:
    """The tensors asked for, in the plan's order. Raises LayerError on one without a gradient."""
    every = tuple(t.name for t in made.tensors.values() if t.differentiable)
    names = made.wanted if wrt == "all" else (wrt,) if isinstance(wrt, str) else tuple(wrt)
    for name in names:
        if name not in every:
            raise LayerError(
                "no such gradient", where="wrt", expected=f"all, {', '.join(every)}", got=repr(name)
            )
    return tuple(n for n in every if n in names)


def behind(made: Plan, names: Sequence[str]) -> frozenset[str]:
    """The tensors whose gradients lead to those named: themselves, and nodes that depend on them."""
    found = set(names)
    for node in made.placed:
        reads = (tensor for _, tensor in node.differentiable)
        if made.tensors[node.name].differentiable and not found.isdisjoint(reads):
            found.add(node.name)
    return frozenset(found)


class Saved:
    """What a forward call leaves for backward: each node's tensor, and the arrays that it was given.

    A GraphKernel's `saved()` makes one; it may be used again, its arrays are then written anew. The given
    arrays are kept as they are, not copied: weights may only be changed after backward. saved["a"] is the
    tensor of node a, saved["p.indices"] the places that a pooling took, `updates` the new values of running
    statistics in training.
    """

    def __init__(self, kernel: GraphKernel) -> None:
        self.kernel = kernel
        self.values: dict[str, Array] = {
            node.name: np.empty(kernel.plan.shape(node.name), kernel.dtype) for node in kernel.plan.placed
        }
        self.given: dict[str, Array] = {}
        self.updates: dict[str, Array] = {}
        self.places: dict[str, Array] = {}

    def __getitem__(self, name: str) -> Array:
        found = self.values.get(name, self.given.get(name))
        if name.endswith(PLACES):
            found = self.places.get(name.removesuffix(PLACES), found)
        if found is None:
            listed = ", ".join((*self.values, *self.given))
            raise LayerError("no such tensor", where="saved", expected=listed, got=repr(name))
        return found


class GraphKernel:
    """Compiled forward and backward passes of a graph at its shapes.

    Attributes:
        graph, plan, dtype: what it was built for; plan.tensors has every tensor with its shape.
        wrt: tensors whose gradients `backward` returns.
        kernels: node -> its Kernel, with generated text and proof record.
        proof: JSON text: the proof record of each node.

    Nothing is kept between calls but in a `Saved` object, which the caller holds. Where several nodes read a
    tensor, or one reads it twice, what they send back is added, last reader first, one rounding each.
    """

    def __init__(
        self,
        made: Plan,
        dtype: str,
        wrt: tuple[str, ...],
        needed: frozenset[str],
        kernels: Mapping[str, Kernel],
    ) -> None:
        self.graph, self.plan, self.dtype, self.wrt = made.graph, made, dtype, wrt
        self.kernels = dict(kernels)
        self._needed = needed
        self._given = {
            t.name: Wanted(t.name, t.shape, np.dtype(dtype if t.dtype == "floating" else t.dtype))
            for t in made.tensors.values()
            if t.kind != "node"
        }

    def __repr__(self) -> str:
        listed = ", ".join(self.wrt) or "none"
        return f"<GraphKernel of {self.graph!r}, {self.dtype}, gradients: {listed}>"

    @property
    def proof(self) -> str:
        return json.dumps({name: json.loads(k.proof) for name, k in self.kernels.items()}, indent=1)

    def saved(self) -> Saved:
        """Buffers for the tensors of one forward call."""
        return Saved(self)

    def forward(
        self, tensors: Mapping[str, Any] | None = None, *, saved: Saved | None = None, **named: Any
    ) -> Any:
        """The graph's outputs.

        Args:
            tensors, named: every input and every tensor that nodes need besides, by name ("x", "a.weight");
                floating ones of the kernel's dtype, C-contiguous.
            saved: receives all tensors, for `backward`; the results are then arrays of it.

        Returns the output's array, or a dict of them where the graph has several outputs. Raises LayerError
        on a tensor that is missing, not known, or does not fit.
        """
        kept = self.saved() if saved is None else self._own(saved)
        self._run(self._taken(self._by_name(tensors, named)), kept)
        outputs = {name: kept.values[name] for name in self.graph.outputs}
        return outputs if len(outputs) > 1 else next(iter(outputs.values()))

    def backward(
        self,
        grad_output: Any = None,
        tensors: Mapping[str, Any] | None = None,
        *,
        saved: Saved | None = None,
        **named: Any,
    ) -> dict[str, Array]:
        """The gradients of a loss by the tensors named in `wrt`.

        Args:
            grad_output: the loss's derivative by the output (a dict by output where there are several); 1 for
                an output that is a scalar, where it is left out.
            saved: what `forward` filled; without it the forward pass is computed anew from the tensors.
            tensors, named: as in `forward`, where `saved` is not given.

        Returns a dict with the keys of `wrt`. Raises LayerError as `forward`.
        """
        if saved is None:
            saved = self.saved()
            self._run(self._taken(self._by_name(tensors, named)), saved)
        elif tensors is not None or named:
            raise LayerError("tensors twice", where="backward", expected="saved, or tensors", got="both")
        elif not self._own(saved).given:
            raise LayerError("nothing saved", where="saved", mend="forward(..., saved=saved) first")
        totals = self._seeds(grad_output)
        for node in reversed(self.plan.placed):
            if node.name in self._needed:
                self._send_back(node, totals, saved)
        return {name: totals[name] for name in self.wrt}

    def _own(self, saved: Saved) -> Saved:
        if not isinstance(saved, Saved) or saved.kernel is not self:
            raise LayerError("saved by another kernel", where="saved", mend="saved = kernel.saved()")
        return saved

    def _by_name(self, tensors: Any, named: Mapping[str, Any]) -> dict[str, Any]:
        """All given tensors by name; an array by position has none."""
        if tensors is not None and not isinstance(tensors, Mapping):
            raise LayerError(
                "a tensor without its name",
                where="tensors",
                expected=f"a dict with {', '.join(self._given)}",
                got=type(tensors).__name__,
                mend=f"give each by name: {{{', '.join(f'{n!r}: ...' for n in self._given)}}}",
            )
        return {**(tensors or {}), **named}

    def _taken(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """Every tensor that is needed, checked."""
        for name in given:
            if name not in self._given:
                raise LayerError("no such tensor", where=name, expected=", ".join(self._given), got=name)
        found = {}
        for name, kind in self._given.items():
            if given.get(name) is None:
                raise LayerError(
                    "missing tensor", where=name, expected=f"an array of shape {kind.shape}", got="None"
                )
            found[name] = kind.taken(given[name])
        return found

    def _run(self, given: dict[str, Array], saved: Saved) -> None:
        saved.given, saved.updates, saved.places = given, {}, {}
        for node in self.plan.placed:
            operands = {operand: saved[tensor] for operand, tensor in node.reads.items()}
            result = self.kernels[node.name].forward(**operands, out=saved.values[node.name])
            self._keep(node, result, saved)

    def _keep(self, node: Placed, result: Any, saved: Saved) -> None:
        """What a kernel returned: the output; a pooling's places; new values of what training changes."""
        first, *rest = result if isinstance(result, tuple) else (result,)
        saved.values[node.name] = first
        if getattr(self.kernels[node.name].layer, "return_indices", False):
            saved.places[node.name] = rest.pop(0)
        new = [o.name.removeprefix("new_") for o in node.operands if o.name.startswith("new_")]
        for name, array in zip(new, rest, strict=False):
            saved.updates[node.reads[name]] = array

    def _send_back(self, node: Placed, totals: dict[str, Array], saved: Saved) -> None:
        """Add the node's gradients to the totals of what it reads."""
        kernel = self.kernels[node.name]
        operands = {operand: saved[tensor] for operand, tensor in node.reads.items()}
        found = kernel.backward(totals[node.name], saved=saved.places.get(node.name), **operands)
        for operand, gradient in found.items():
            tensor = node.reads[operand]
            totals[tensor] = totals[tensor] + gradient if tensor in totals else gradient

    def _seeds(self, grad_output: Any) -> dict[str, Array]:
        """The loss's derivative by each output."""
        names = self.graph.outputs
        given = grad_output if isinstance(grad_output, Mapping) else {}
        if len(names) == 1 and not isinstance(grad_output, Mapping):
            given = {names[0]: grad_output}
        elif grad_output is not None and not isinstance(grad_output, Mapping):
            raise LayerError("one array for several outputs", where="grad_output", expected=", ".join(names))
        for name in given:
            if name not in names:
                raise LayerError("no such output", where="grad_output", expected=", ".join(names), got=name)
        found = {}
        for name, title in self.plan.cotangents().items():
            shape, value = self.plan.shape(name), given.get(name)
            if value is None and shape != ():
                raise LayerError(
                    "missing operand", where=title, expected=f"an array of shape {shape}", got="None"
                )
            kind = Wanted(title, shape, np.dtype(self.dtype))
            found[name] = np.ones((), self.dtype) if value is None else kind.taken(value)
        return found
