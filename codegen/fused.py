"""Owns forward passes that end with an activation: a layer's proved output with a function of each entry.

The claim of such a pass is the layer's forward claim with the function put around both sides: what is equal
stays equal when the same function is applied to it. The function is applied to sums while they are in
registers, where a schedule can; the sum before it is nowhere stored, so there are no gradients.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Read, Sum, Tensor
from derive.graph_shapes import Placed, Plan
from derive.index import name
from derive.layers.base import Layer, Operand, claims_of
from derive.layers.conv import Conv1d, Conv2d, Conv3d
from derive.layers.elementwise import _Activation
from derive.layers.linear import Linear
from derive.layers.transposed import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d

FIRST = (Conv1d, Conv2d, Conv3d, ConvTranspose1d, ConvTranspose2d, ConvTranspose3d, Linear)
"""Layers whose sums an activation may be applied to at once."""


@dataclass(frozen=True, repr=False)
class _Fused(Layer):
    """`first`, then `then` of each entry; forward only."""

    first: Layer
    then: _Activation

    def __repr__(self) -> str:
        return f"{self.first!r} then {self.then!r}"

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """The forward claim of the layer with the function around it; choices: those of the layer."""
        rest = dict(choices)
        kind, function = rest.pop("layer_kind"), rest.pop("layer_function")
        return {"output": around(kind.claims(**rest)["output"], function)}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        between = self.first.output_shape(input_shape)
        own = {"layer_kind": type(self.first), "layer_function": function_of(self.then, between)}
        return self.first.choices(input_shape) | own

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        return self.first.sizes(input_shape)

    def parameters(self) -> dict[str, Fraction]:
        """Those of the function."""
        return self.then.parameters()

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        return self.first.tables(input_shape)

    def operands(
        self, input_shape: Sequence[int], training: bool = False, **shapes: Sequence[int]
    ) -> tuple[Operand, ...]:
        """The layer's, none of which has a gradient here."""
        found = self.first.operands(input_shape, training, **shapes)
        return tuple(replace(o, differentiable=False, saved=False) for o in found)


def around(claim: Claim, function: str) -> Claim:
    """A forward claim with a function put around both of its sides."""
    right, output = claim.right, claim.target
    before = Definition(right.tensor, right.indices, right.body)
    told = Tensor("activated", output.shape, output.layout)
    index = tuple(name(i.name) for i in right.indices)
    here = Read(told, index)
    left = Definition(told, right.indices, _applied(function, output, index))
    made = Tensor("result", right.tensor.shape, right.tensor.layout)
    setting = replace(claim.setting, definitions=(*claim.setting.definitions, left, before))
    return replace(
        claim,
        setting=setting,
        left=Expr((Sum((), (), (here,)),)),
        right=Definition(made, right.indices, _applied(function, right.tensor, index)),
    )


def _applied(function: str, tensor: Tensor, index: tuple[Any, ...]) -> Expr:
    return Expr((Sum((), (), (Apply(function, Read(tensor, index)),)),))


def joined(made: Plan) -> Plan:
    """A plan for inference alone: a layer and the activation that is all that reads it made one node."""
    readers: dict[str, list[str]] = {}
    for node in made.placed:
        for tensor in node.reads.values():
            readers.setdefault(tensor, []).append(node.name)
    placed: dict[str, Placed] = {}
    results = made.graph.outputs
    for node in made.placed:
        source = placed.get(node.reads.get("input", ""))
        then = None if source is None else following(source, node)
        if source is None or then is None or readers[source.name] != [node.name] or source.name in results:
            placed[node.name] = node
            continue
        layer = _Fused(source.layer, then)
        del placed[source.name]
        operands = layer.operands(source.shape)
        placed[node.name] = replace(
            node, layer=layer, shape=source.shape, operands=operands, reads=source.reads
        )
    kept = {n: t for n, t in made.tensors.items() if t.kind != "node" or n in placed}
    return replace(made, placed=tuple(placed.values()), tensors=kept)


def following(source: Placed, node: Placed) -> _Activation | None:
    """The layer of the second of two nodes, where it is a function of each sum of the first."""
    then = node.layer
    if not isinstance(then, _Activation) or type(source.layer) not in FIRST:
        return None
    return then if function_of(then, node.shape) else None


def function_of(layer: Layer, shape: Sequence[int]) -> str:
    """The one function that an activation applies to each entry; empty where it does more."""
    terms = claims_of(type(layer), layer.choices(shape))["output"].right.body.terms
    factors = terms[0].factors if len(terms) == 1 and terms[0].coefficient == 1 else ()
    alone = len(factors) == 1 and isinstance(factors[0], Apply) and not terms[0].indices
    return factors[0].function if alone and isinstance(factors[0], Apply) else ""


def is_fused(layer: Layer) -> bool:
    return isinstance(layer, _Fused)


def parts(layer: Layer, shape: Sequence[int]) -> list[tuple[type[Layer], Mapping[str, Any]]]:
    """The classes and choices whose theorems stand behind a layer's kernels."""
    if not isinstance(layer, _Fused):
        return [(type(layer), layer.choices(shape))]
    between = layer.first.output_shape(shape)
    return [
        (type(layer.first), layer.first.choices(shape)),
        (type(layer.then), layer.then.choices(between)),
    ]
