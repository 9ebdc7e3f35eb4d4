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
from derive.expr import Definition, Expr, Read, single
from derive.index import ONE, Condition, Form, Within
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
    chain = [(r[0], r[1], _reason(r, instantiate, False), r[2][0].rule) for r in forward]
    chain += [(r[1], r[0], _reason(r, instantiate, True), r[2][0].rule) for r in reversed(backward)]
    pictured = [(rewrite(a), rewrite(b), reason, rule) for a, b, reason, rule in chain]
    body = [Line(a, b, reason, rule, LABEL, claim) for a, b, reason, rule in pictured if a != b]
    if body:
        named = f"closed form: {claim.right.role}"
        body.append(Line(body[-1].rhs, single(claim.right.left), named, "definition", LABEL, claim))
    return tuple(body)


def living(expr: Expr) -> Expr:
    """The expression without terms that have a bracket [0 <= form < 0]: they are 0."""
    return Expr(tuple(t for t in expr.terms if not any(map(_empty, t.conditions))))


def _empty(condition: Condition) -> bool:
    """Whether no number can meet the condition."""
    high = condition.high.constant if isinstance(condition, Within) else None
    return high is not None and high <= 0


Run = tuple[Expr, Expr, tuple[Step, ...]]

FLIPPED = "the kernel is read backwards (flipped)"
NARROWED = "the bracket's own range"


def _merged(start: Expr, steps: Sequence[Step]) -> list[Run]:
    """Runs of one rule with one reason as one line: (before, after, the steps)."""
    runs: list[Run] = []
    befores = (start, *(s.after for s in steps[:-1]))
    pairs = zip(befores, steps, strict=False)
    for _, group in groupby(pairs, key=lambda pair: (pair[1].rule, _kind(*pair))):
        members = tuple(group)
        runs.append((members[0][0], members[-1][1].after, tuple(step for _, step in members)))
    return runs


def _kind(before: Expr, step: Step) -> str:
    """The reason of a step; of a change of variable what it does, in words."""
    if step.rule != "reindex":
        return step.reason
    if step.reason.endswith(NARROWED):
        return NARROWED
    index = step.arguments["index"]
    if step.arguments["backward"].coefficient(index) != -ONE:
        return ""
    factors = before.terms[step.arguments["term"]].factors
    kernels = [f for f in factors if isinstance(f, Read) and f.tensor.name == "weight" and index in f.names]
    return FLIPPED if kernels else "read in the other direction"


def _backwards(run: Run) -> str:
    """What is said of a run that is read from its result to its start, where its own words would mislead."""
    before, after, steps = run
    if steps[0].rule == "delta":
        return "one value written as a sum with a delta"
    if steps[0].rule != "guard":
        return steps[0].reason
    more = _brackets(before) - _brackets(after)
    if more > 0:
        return "the brackets that the equation implies are written out"
    return "brackets that the others imply are left out" if more < 0 else "brackets in another form"


def _brackets(expr: Expr) -> int:
    return sum(len(term.conditions) for term in expr.terms)


def _reason(run: Run, instantiate: Instantiate, backwards: bool) -> str:
    """What is said of a run; a change of variable is spelled out with the sizes in it."""
    before, _, steps = run
    rule = steps[0].rule
    if rule != "reindex":
        return _backwards(run) if backwards else steps[0].reason
    real = [s for s in steps if instantiate(s.arguments["extent"]) != ONE] or list(steps)
    changes = dict.fromkeys(f"{s.arguments['new']} = {instantiate(s.arguments['backward'])}" for s in real)
    kind = _kind(before, steps[0])
    return f"change of variable {', '.join(changes)}" + (f": {kind}" if kind else "")


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
