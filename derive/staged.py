"""Owns entries of a gradient in which stages stay symbols: what a function is applied to is not expanded.

An entry of softmax's gradient is short in the probabilities and unreadable in the inputs. So every tensor
whose definition applies a function, and every tensor that a function is applied to, stands for itself here;
the others are expanded as ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

from derive.claim import Claim
from derive.expr import Apply, Definition, Expr, Factor, entry_of

if TYPE_CHECKING:
    import sympy

    from derive.layers.base import Layer

Tables = Mapping[str, Sequence[Fraction]]


def tensors(expr: Expr) -> frozenset[str]:
    """The names of the tensors of which entries, or functions of entries, stand in an expression."""
    found = (entry_of(f) for t in expr.terms for f in t.factors)
    return frozenset(e.tensor.name for e in found if e is not None)


def stages(claim: Claim, tables: Tables) -> frozenset[str]:
    """The tensors that stay symbols in the entries of a claim's right side; none for a polynomial."""
    found: set[str] = set()
    for definition in (*_needed(claim), claim.right):
        functions = [f for t in definition.body.terms for f in t.factors if isinstance(f, Apply)]
        living = [f for f in functions if not _constant(claim, f.of.tensor.name, tables)]
        if living:
            found |= {definition.tensor.name, *(f.of.tensor.name for f in living)}
    return frozenset(found & {d.tensor.name for d in claim.setting.definitions})


def applies(claim: Claim) -> bool:
    """Whether a function of entries occurs in a claim's right side, directly or through definitions."""
    return any(
        isinstance(f, Apply) for d in (*_needed(claim), claim.right) for t in d.body.terms for f in t.factors
    )


def _needed(claim: Claim) -> tuple[Definition, ...]:
    """The definitions that the right side reads, directly or through others."""
    names: set[str] = set()
    pending = list(tensors(claim.right.body))
    while pending:
        name = pending.pop()
        found = claim.setting.definition(name)
        if found is not None and name not in names:
            names.add(name)
            pending += tensors(found.body)
    return tuple(d for d in claim.setting.definitions if d.tensor.name in names)


def _constant(claim: Claim, name: str, tables: Tables) -> bool:
    """Whether a tensor depends on no operand: a table, or defined from such alone."""
    if name in tables:
        return True
    found = claim.setting.definition(name)
    return found is not None and all(_constant(claim, n, tables) for n in tensors(found.body))


def constants(layer: Layer, claim: Claim, shape: Sequence[int]) -> Tables:
    """The layer's tables at a shape, and zeros for the tensors that may hold anything."""
    counts = {t.name: prod(int(f.evaluate({})) for f in t.shape) for t in claim.setting.inputs}
    return {**layer.tables(shape), **{n: (Fraction(),) * counts[n] for n in layer.shifts(shape)}}


def entry(claim: Claim, values: Mapping[str, int], kept: frozenset[str], tables: Tables) -> sympy.Expr:
    """The right side at index values, over entries of inputs and of `kept`; functions as SymPy functions.

    A function is `sympy.Function(its name)` of an entry; the inverse of a number is that number's.
    """
    import sympy

    return sympy.expand(_meaning()(claim.setting, kept, tables).expr(claim.right.body, values))


def _meaning() -> Any:
    import sympy

    from derive.meaning import Meaning

    class Staged(Meaning):
        """Functions stand for themselves."""

        def factor(self, factor: Factor, values: Mapping[str, int]) -> sympy.Expr:
            if not isinstance(factor, Apply):
                return super().factor(factor, values)
            inner = super().factor(factor.of, values)
            if factor.function == "recip" and inner.is_Rational and inner != 0:
                return 1 / inner
            return sympy.Function(factor.function)(inner)

    return Staged
