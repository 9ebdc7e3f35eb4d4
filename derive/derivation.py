"""Owns the derivation of one gradient at given sizes: the theorem for all sizes as a chain of lines.

Every line is a checked step (or a run of checked steps of one rule) of the theorem at these sizes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from derive.claim import Claim
from derive.equations import Line, lines, living
from derive.errors import LayerError, ProofError
from derive.expr import Definition
from derive.instance import claim_at, expr_at, numbers
from derive.layers.base import Layer, internal_index, user_shape
from derive.proof import Theorem
from derive.theorems import LABEL, theorems
from derive.writing import Shown

if TYPE_CHECKING:
    import sympy

    from derive.notation.tree import Page


@dataclass(frozen=True, repr=False)
class Derivation(Shown):
    """The derivation of the gradient with respect to `wrt` at `input_shape`.

    Attributes:
        layer, input_shape, wrt: what is derived ("input", "weight" or "bias").
        theorem: the theorem for all sizes that this is an instance of.
        sizes: the value of every symbolic size.
    """

    layer: Layer
    input_shape: tuple[int, ...]
    wrt: str
    theorem: Theorem
    sizes: Mapping[str, int]

    def __post_init__(self) -> None:
        if self.general.target.name != self.wrt:
            raise ProofError("a theorem about another operand", where=self.wrt, got=self.general.target.name)
        _ = self.claim

    def __repr__(self) -> str:
        where = ",".join(map(str, self.input_shape))
        return f"<Derivation of grad_{self.wrt} for {self.layer!r} at {where}: {self.label}>"

    @property
    def label(self) -> str:
        """What is known of every line: it is an instance of a theorem for all sizes."""
        return LABEL

    @property
    def general(self) -> Claim:
        """The claim over symbolic sizes."""
        return self.theorem.claim

    @cached_property
    def claim(self) -> Claim:
        """The claim at these sizes."""
        return claim_at(self.general, self.sizes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The user's shape of the gradient."""
        return user_shape(self.general.target, self.sizes)

    @property
    def definitions(self) -> tuple[Definition, ...]:
        """Definitions at these sizes: the layer, the loss, the helpers of the closed form."""
        return self.claim.setting.definitions

    @cached_property
    def steps(self) -> tuple[Line, ...]:
        """The chain at these sizes; steps that change nothing here (a sum over one value) are left out."""
        setting = numbers(self.sizes)
        free = self.general.indices
        return lines(
            self.theorem.argument, self.claim, lambda e: living(expr_at(e, self.sizes, free)), setting
        )

    @cached_property
    def general_steps(self) -> tuple[Line, ...]:
        """The chain over symbolic sizes."""
        return lines(self.theorem.argument, self.general, lambda e: e, lambda f: f)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the theorem supposes, in words, and that it holds here."""
        open_ones = self.layer.left_open()
        return (
            "entries outside a tensor count as zero only where a bracket says so",
            "the loss depends on the operands through the output alone",
            *self.layer.assumptions(),
            *([f"arguments left at their defaults: {', '.join(open_ones)}"] if open_ones else []),
            f"sizes: {', '.join(f'{n} = {v}' for n, v in self.sizes.items())} (hypotheses checked at these)",
        )

    def element(self, index: Sequence[int]) -> sympy.Expr:
        """The closed form's entry at a 0-based, full-rank index of the user's shape.

        Returns a SymPy expression over IndexedBase("grad_output"), IndexedBase("weight"), ...; functions are
        their formulas with the layer's parameters, and tensors that may hold anything are 0.
        Raises LayerError where the index does not fit the shape.
        """
        from derive.meaning import Meaning
        from derive.staged import constants

        values = self._values(index)
        tables = constants(self.layer, self.claim, self.input_shape)
        means = Meaning(self.claim.setting, tables=tables, parameters=self.layer.parameters())
        return means.expr(self.claim.right.body, values)

    def staged_element(self, index: Sequence[int], kept: frozenset[str]) -> sympy.Expr:
        """The same entry with the tensors of `kept` as symbols and functions standing for themselves."""
        from derive.staged import entry

        return entry(self.claim, self._values(index), kept, self.layer.tables(self.input_shape))

    def _values(self, index: Sequence[int]) -> dict[str, int]:
        """The claim's indices at an entry; LayerError where it is none."""
        where = tuple(index)
        fits = len(where) == len(self.shape) and all(
            isinstance(i, int) and 0 <= i < n for i, n in zip(where, self.shape, strict=True)
        )
        if not fits:
            raise LayerError(
                "no such entry", where=f"element of {self.claim.right.tensor.name}",
                expected=f"an index of shape {self.shape}, 0-based", got=repr(where),
            )  # fmt: skip
        inner = internal_index(self.general.target, where, self.sizes)
        return {i.name: v for i, v in zip(self.claim.indices, inner, strict=True)}

    def _page(self) -> Page:
        from derive.document import page

        return page({self.wrt: self})


def differentiate(
    layer: Layer, input_shape: Sequence[int], wrt: str | Sequence[str] = "all"
) -> dict[str, Derivation]:
    """The derivations of a layer's gradients at an input shape.

    Args:
        layer: for example Conv2d(3, 8, 3, stride=2).
        input_shape: PyTorch's shape, with or without the batch axis.
        wrt: "all", one of the layer's differentiable operands, or several.

    Returns a mapping from operand ("input", "weight", "bias") to its Derivation. Raises LayerError where
    the layer has no such operand or the shape does not fit.
    """
    shape = tuple(input_shape)
    operands = [o.name for o in layer.operands(shape) if o.differentiable]
    wanted = operands if wrt == "all" else [wrt] if isinstance(wrt, str) else list(wrt)
    for title in wanted:
        if title not in operands:
            raise LayerError(
                "no such operand to differentiate by",
                where="wrt",
                expected=f"all, {', '.join(operands)}",
                got=repr(title),
            )
    shape, sizes = tuple(int(n) for n in shape), layer.sizes(shape)
    proved = theorems(type(layer), layer.choices(shape))
    return {title: Derivation(layer, shape, title, proved[title], sizes) for title in wanted}
