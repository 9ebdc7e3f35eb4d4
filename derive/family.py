"""Owns what kind of layer a derivation is about, and which definitions are the layer: read off its claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from derive.claim import Claim
from derive.entries import reads
from derive.expr import Definition
from derive.layers.base import Layer, claims_of

if TYPE_CHECKING:
    from derive.derivation import Derivation

FORMS = {
    "correlated": "convolution",
    "pooled": "pooling",
    "resampled": "resampling",
    "downsampled": "downsampling",
    "inserted": "insertion",
    "padded_input": "padding",
    "moved": "moving",
    "added": "adding",
    "joined": "adding",
    "multiplied": "product",
    "applied": "activation",
    "copied": "copying",
    "scaled": "entrywise",
    "product": "entrywise",
    "normalised": "softmax",
    "reduced": "loss",
    "selected": "selection",
    "placed": "unpooling",
    "rooted": "powers",
}
"""What the forward form is called, and which family of layers has it."""


def family_of(layer: Layer, input_shape: Sequence[int]) -> str:
    """The family of a layer at a shape; see `family_of_class`."""
    return family_of_class(type(layer), layer.choices(input_shape))


def family_of_class(kind: type[Layer], choices: Mapping[str, Any]) -> str:
    """One of the values of FORMS, "transposed", "normalisation", or "" for a layer of no family here."""
    claim = claims_of(kind, choices)["output"]
    if claim.setting.definition("spread_input") is not None:
        return "transposed"
    if claim.setting.definition("centred") is not None:
        return "normalisation"
    return FORMS.get(claim.right.tensor.name, "")


def family(derivation: Derivation) -> str:
    """The family of the layer that a derivation is about."""
    return family_of(derivation.layer, derivation.input_shape)


def given(claim: Claim) -> tuple[Definition, ...]:
    """What says what the layer is: the output, the definitions that it reads, and the loss."""
    needed, pending = {"output", "loss"}, ["output"]
    while pending:
        found = claim.setting.definition(pending.pop())
        fresh = reads(found.body) - needed if found is not None else frozenset()
        needed |= fresh
        pending += sorted(fresh)
    return tuple(d for d in claim.setting.definitions if d.tensor.name in needed)


def helper_definitions(claim: Claim) -> tuple[Definition, ...]:
    """The definitions that the closed form stands on, without the layer and the loss."""
    layer = given(claim)
    return tuple(d for d in claim.setting.definitions if d not in layer)
