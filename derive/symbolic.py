"""Owns the derivations of a layer class for all sizes: its claims with symbols for every size, as a document.

What is printed is the theorem itself: its setting, its steps with their numbers and reasons, its closed
form. A size's derivation (`derive.derivation`) is the same chain with numbers put in by `derive.instance`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from derive.claim import Claim
from derive.equations import Line, Numbers, lines
from derive.equations import numbers as numbers_after
from derive.errors import LayerError
from derive.expr import Definition
from derive.layers.base import Layer, is_gradient
from derive.proof import Theorem
from derive.theorems import LABEL, theorems
from derive.writing import Shown

if TYPE_CHECKING:
    from derive.derivation import Derivation
    from derive.notation.tree import Page


@dataclass(frozen=True, repr=False)
class SymbolicDerivation(Shown):
    """The derivation of one claim of a layer class for all sizes.

    Attributes:
        kind, choices: the class, and every discrete choice.
        name: what the claim is about: "output", or the operand of a gradient.
        theorem: what was proved.
        numbers: the equation that each of its steps is in.
    """

    kind: type[Layer]
    choices: Mapping[str, Any]
    name: str
    theorem: Theorem
    numbers: Numbers

    def __repr__(self) -> str:
        said = f"{self.name} of {self.kind.__name__}({said_choices(self.choices)})"
        return f"<Derivation of {self.claim.name} for {said}: {self.label}>"

    @property
    def label(self) -> str:
        """What is known of every line: it is a checked step of the theorem."""
        return LABEL

    @property
    def claim(self) -> Claim:
        """The claim over symbolic sizes."""
        return self.theorem.claim

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Definitions over symbolic sizes: the layer, the loss, the helpers of the closed form."""
        return self.claim.setting.definitions

    @cached_property
    def steps(self) -> tuple[Line, ...]:
        """The chain over symbolic sizes; its equations have the numbers up to `numbers.last`."""
        return lines(self.theorem.argument, self.claim, lambda e: e, lambda f: f)

    @property
    def conventions(self) -> tuple[str, ...]:
        """The domain and the conventions outside of it, in the words of the class's layers."""
        return usual(self.kind, self.choices)

    def at(self, layer: Layer, input_shape: Sequence[int]) -> Derivation:
        """The same chain with numbers for the sizes that a layer of the class has at a shape.

        Raises LayerError where the layer is of another class, makes other choices there, or the shape does
        not fit; and where this is no gradient.
        """
        from derive.derivation import Derivation

        shape = tuple(int(n) for n in input_shape)
        layer.operands(shape)
        fits = type(layer) is self.kind and layer.choices(shape) == self.choices
        if not (fits and is_gradient(self.name)):
            raise LayerError(
                "not an instance of this derivation",
                where=repr(layer),
                expected=f"a gradient of {self.kind.__name__} with {said_choices(self.choices)}",
                got=f"{self.name} of {type(layer).__name__} with {said_choices(layer.choices(shape))}",
            )
        return Derivation(layer, shape, self.name, self.theorem, layer.sizes(shape))

    def _page(self) -> Page:
        from derive.symbolic_document import page

        return page({self.name: self})


def said_choices(choices: Mapping[str, Any]) -> str:
    """bias=True, batched=True."""
    return ", ".join(f"{key}={value}" for key, value in choices.items())


def numbers(kind: type[Layer], choices: Mapping[str, Any]) -> dict[str, Numbers]:
    """The equation of the all-sizes document that each step of each theorem of a class is in.

    Returns claim key ("output", "input", ...) -> Numbers; `choices` may leave the usual ones out. Equations
    are numbered through the whole document, in the order of the claims.
    """
    found: dict[str, Numbers] = {}
    before = 0
    for key, theorem in theorems(kind, kind.chosen(choices)).items():
        found[key] = numbers_after(theorem.argument, before)
        before = found[key].last
    return found


def derivations(
    kind: type[Layer], choices: Mapping[str, Any], wrt: str | Sequence[str] = "all"
) -> dict[str, SymbolicDerivation]:
    """The derivations of a class for all sizes.

    Args:
        kind, choices: for example Conv2d, {"padding_mode": "reflect"}; the usual choices for the rest.
        wrt: "all" (every claim, the forward form among them), one claim's key ("input"), or several.

    Raises LayerError where there is no such choice or claim.
    """
    full = kind.chosen(choices)
    proved, places = theorems(kind, full), numbers(kind, full)
    wanted = list(proved) if wrt == "all" else [wrt] if isinstance(wrt, str) else list(wrt)
    for key in wanted:
        if key not in proved:
            raise LayerError(
                "no such claim of this class",
                where="wrt",
                expected=f"all, {', '.join(proved)}",
                got=repr(key),
            )
    return {key: SymbolicDerivation(kind, full, key, proved[key], places[key]) for key in wanted}


def operands(kind: type[Layer], choices: Mapping[str, Any]) -> tuple[str, ...]:
    """The operands of a class that gradients are derived by."""
    from derive.spelling import parse_layer

    layers = ((parse_layer(text), shape) for text, shape in kind.examples)
    free = {name for layer, shape in layers for name in layer.shifts(shape)}
    proved = theorems(kind, kind.chosen(choices))
    return tuple(key for key in proved if is_gradient(key) and key not in free)


def usual(kind: type[Layer], choices: Mapping[str, Any]) -> tuple[str, ...]:
    """What the layers of a class suppose: of its examples, those with the most of these choices."""
    from derive.spelling import parse_layer

    ranked: dict[int, dict[str, None]] = {}
    for text, shape in kind.examples:
        layer = parse_layer(text)
        own = layer.choices(shape)
        fit = sum(own.get(key) == choice for key, choice in choices.items())
        ranked.setdefault(fit, {}).update(dict.fromkeys(layer.assumptions()))
    return tuple(ranked[max(ranked)]) if ranked else ()
