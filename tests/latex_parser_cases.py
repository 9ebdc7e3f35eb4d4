"""Owns what the tests of reading back share: a claim's formulas printed and read, and what is compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from latex_parser import entry, expression
from latex_parser_mathml import signs
from latex_parser_terms import Alphabet, canonical
from latex_parser_text import PlainFormula

from derive.claim import Claim
from derive.expr import Definition, Expr, Tensor
from derive.index import ONE, ZERO
from derive.notation import latex, mathml, text
from derive.notation.build import Builder
from derive.proof import Theorem
from derive.steps import sizes_of

SLOW = (
    *("BatchNorm2d", "BatchNorm3d", "Conv3d", "ConvTranspose3d", "ZeroPad3d"),
    *("CircularPad2d", "CircularPad3d", "ReflectionPad2d", "ReflectionPad3d"),
    *("ReplicationPad2d", "ReplicationPad3d"),
)
"""Classes whose arguments or pages take a second or more; their steps are read with -m sweep."""


def tensors(claim: Claim) -> tuple[Tensor, ...]:
    """Every tensor that a claim's formulas may name."""
    defined = (d.tensor for d in (*claim.setting.definitions, claim.right))
    return tuple({t.name: t for t in (*claim.setting.inputs, *defined)}.values())


READ: set[tuple[object, frozenset[str], bool]] = set()
"""Expressions and definitions that were read back, the names that are sizes, and whether in all notations."""


class Page:
    """A claim's letters and how its formulas are printed and read back."""

    def __init__(self, claim: Claim) -> None:
        self.sizes = sizes_of(claim.setting)
        self.tensors = tensors(claim)
        self.alphabet = Alphabet.of(self.tensors)
        self.builder = Builder(self.sizes)

    def expression(self, expr: Expr, bound: frozenset[str], every: bool = False) -> None:
        """LaTeX says the expression (MathML and plain text too with `every`); its names are sizes or bound.

        An expression that was printed and read before is not printed again.
        """
        for term in expr.terms:
            assert term.names - term.bound <= self.sizes | bound, term
        if (expr, self.sizes, every) in READ:
            return
        node = self.builder.expr(expr)
        written = latex.written(node)
        read = expression(written, self.alphabet)
        assert canonical(read) == canonical(expr), f"{written}\nsays  {read}\nnot   {expr}"
        if every:
            drawn = expression(signs(mathml.written(node)), self.alphabet)
            assert canonical(drawn) == canonical(expr), f"MathML of {written}"
            plain = text.written(node)
            said = PlainFormula(plain, self.tensors).expression()
            assert canonical(said) == canonical(expr), f"{plain}\nsays  {said}\nnot   {expr}"
        READ.add((expr, self.sizes, every))

    def definition(self, definition: Definition) -> None:
        """The defined entry, an index of extent 1 that the body does not name at 0, and its body.

        One that was printed and read before is not printed again.
        """
        key = (definition, self.sizes, True)
        if key in READ:
            return
        left = latex.written(self.builder.left(definition))
        read = entry(left, self.alphabet)
        fixed = {i.name: ZERO for i in definition.indices if i.extent == ONE}
        assert read.mapped(lambda f: f.substitute(fixed)) == definition.left, left
        self.expression(definition.body, read.names, every=True)
        READ.add(key)


def check_claim(claim: Claim) -> None:
    """What a claim states: its definitions and its two sides."""
    page = Page(claim)
    for definition in (*claim.setting.definitions, claim.right):
        page.definition(definition)
    page.expression(claim.left, frozenset(i.name for i in claim.indices), every=True)


def check_steps(proved: Theorem) -> None:
    """Every expression that the two chains of an argument reach."""
    page = Page(proved.claim)
    named = frozenset(i.name for i in proved.claim.indices)
    for step in (*proved.argument.left_steps, *proved.argument.right_steps):
        page.expression(step.after, named)


def few(variants: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The usual choices and the last ones, without padding modes, whose cases are many."""
    plain = [v for v in variants if v.get("padding_mode", "zeros") == "zeros"]
    return plain[:1] + plain[1:][-1:]
