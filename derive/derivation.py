"""Owns the derivation of one gradient at given sizes: the theorem for all sizes as a chain of lines.

The chain runs from the derivative of the loss through the steps of the definition side to the normal
form, and from there through the steps of the closed-form side, read backwards, to the closed form. Every
line is a checked step (or a run of checked steps of one rule) of the theorem at these sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from derive.claim import Argument, Claim, Step
from derive.errors import LayerError, ProofError
from derive.expr import Definition, Expr, single
from derive.index import ONE, Form
from derive.instance import claim_at, expr_at, numbers
from derive.layers.base import Layer, internal_index, user_shape
from derive.proof import Theorem
from derive.theorems import LABEL, theorems

if TYPE_CHECKING:
    import sympy


@dataclass(frozen=True)
class Line:
    """One checked equality of a derivation: lhs = rhs, why, by which rule, with which label."""

    lhs: Expr
    rhs: Expr
    reason: str
    rule: str
    label: str
    claim: Claim

    def to_sympy(self) -> sympy.Basic:
        """Eq(lhs, rhs), unevaluated, both sides as SymPy sums; see `derive.meaning.to_sympy`."""
        from derive.meaning import equation

        return equation(self.claim, self.lhs, self.rhs)


@dataclass(frozen=True, repr=False)
class Derivation:
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
        return lines(
            self.theorem.argument, self.claim, lambda e: expr_at(e, self.sizes, self.general.indices), setting
        )

    @cached_property
    def general_steps(self) -> tuple[Line, ...]:
        """The chain over symbolic sizes."""
        return lines(self.theorem.argument, self.general, lambda e: e, lambda f: f)

    @property
    def assumptions(self) -> tuple[str, ...]:
        """What the theorem supposes, in words, and that it holds here."""
        return (
            "entries outside a tensor count as zero only where a bracket says so",
            "the loss depends on the operands through the output alone",
            f"sizes: {', '.join(f'{n} = {v}' for n, v in self.sizes.items())} (hypotheses checked at these)",
        )

    def element(self, index: Sequence[int]) -> sympy.Expr:
        """The closed form's entry at a 0-based, full-rank index of the user's shape.

        Returns a SymPy expression over IndexedBase("grad_output"), IndexedBase("weight"), ...
        Raises LayerError where the index does not fit the shape.
        """
        where = tuple(index)
        fits = len(where) == len(self.shape) and all(
            isinstance(i, int) and 0 <= i < n for i, n in zip(where, self.shape, strict=True)
        )
        if not fits:
            raise LayerError(
                "no such entry", where=f"element of {self.claim.right.tensor.name}",
                expected=f"an index of shape {self.shape}, 0-based", got=repr(where),
            )  # fmt: skip
        from derive.meaning import entry

        inner = internal_index(self.general.target, where, self.sizes)
        values = {i.name: v for i, v in zip(self.claim.indices, inner, strict=True)}
        tables = self.layer.tables(self.input_shape)
        return entry(self.claim.setting, self.claim.right.body, values, tables)

    def to_text(self) -> str:
        return self._rendered("text")

    def to_latex(self, style: str = "fragment") -> str:
        return self._rendered("latex", style)

    def to_html(self) -> str:
        return self._rendered("html")

    def to_markdown(self) -> str:
        return self._rendered("md")

    def _rendered(self, format: str, style: str = "fragment") -> str:
        from derive.document import render

        return render({self.wrt: self}, format, style)

    def save(self, path: str | Path) -> None:
        """Write the document; the suffix decides the format (.tex standalone, .pdf, .html, .md, .txt)."""
        from derive.document import save

        save({self.wrt: self}, path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: HTML, else LaTeX, else plain text."""
        return {
            "text/latex": self.to_latex(),
            "text/html": self.to_html(),
            "text/plain": self.to_text(),
        }


Rewrite = Callable[[Expr], Expr]
Instantiate = Callable[[Form], Form]


def lines(argument: Argument, claim: Claim, rewrite: Rewrite, instantiate: Instantiate) -> tuple[Line, ...]:
    """The argument as one chain: left steps forwards, right steps backwards, joined at the normal form."""
    forward = _merged(argument.claim.left, argument.left_steps)
    normal = forward[-1][1] if forward else argument.claim.left
    backward = _merged(argument.claim.right.body, argument.right_steps)
    if backward:
        # the two normal forms are the same up to names and order, which the checker has compared
        backward[-1] = (backward[-1][0], normal, backward[-1][2])
    chain = [(a, b, _reason(s, instantiate, False), s[0].rule) for a, b, s in forward]
    chain += [(b, a, _reason(s, instantiate, True), s[0].rule) for a, b, s in reversed(backward)]
    pictured = [(rewrite(a), rewrite(b), reason, rule) for a, b, reason, rule in chain]
    body = [Line(a, b, reason, rule, LABEL, claim) for a, b, reason, rule in pictured if a != b]
    if body:
        named = f"closed form: {claim.right.role}"
        body.append(Line(body[-1].rhs, single(claim.right.left), named, "definition", LABEL, claim))
    return tuple(body)


Run = tuple[Expr, Expr, tuple[Step, ...]]


def _merged(start: Expr, steps: Sequence[Step]) -> list[Run]:
    """Runs of one rule with one reason as one line: (before, after, the steps)."""
    runs: list[Run] = []
    current = start
    for _, group in groupby(steps, key=lambda s: (s.rule, s.reason if s.rule not in ("reindex",) else "")):
        members = tuple(group)
        runs.append((current, members[-1].after, members))
        current = members[-1].after
    return runs


BACKWARDS: Mapping[str, str] = {
    "guard": "the brackets that the equation implies are written out",
    "delta": "one value written as a sum with a delta",
}
"""What is said of a step that is read from its result to its start, where its own words would mislead."""


def _reason(steps: Sequence[Step], instantiate: Instantiate, backwards: bool) -> str:
    """What is said of a run; a change of variable is spelled out with the sizes in it."""
    rule = steps[0].rule
    if rule != "reindex":
        return BACKWARDS.get(rule, steps[0].reason) if backwards else steps[0].reason
    changes = ", ".join(f"{s.arguments['new']} = {instantiate(s.arguments['backward'])}" for s in steps)
    turned = all(s.arguments["backward"].coefficient(s.arguments["index"]) == -ONE for s in steps)
    return f"change of variable {changes}" + ": the kernel is read backwards (flipped)" * turned


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
