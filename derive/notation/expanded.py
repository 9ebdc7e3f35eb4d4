"""Owns expanded entries: a sum of products of entries, and of functions of entries, in a readable order."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from derive.notation.functions import multiplied
from derive.notation.symbols import FACTOR_ORDER, KNOWN, PRIME
from derive.notation.tree import Elided, Entry, Node, Number, Plus, Product

if TYPE_CHECKING:
    import sympy

Place = tuple[int, ...]
Applied = tuple[str, tuple[str, Place]]
"""A function and the entry that it is of."""

Factor = tuple[str, Place] | Applied
"""An entry as (tensor, index), or a function of one."""

Monic = tuple[Fraction, tuple[Factor, ...]]
"""A coefficient and the entries multiplied: (tensor, index), in the order in which they are written."""


def monomials(polynomial: sympy.Expr) -> list[Monic]:
    """The terms of an expanded entry, by the index of grad_output, then by the other entries' indices."""
    terms = polynomial.args if polynomial.is_Add else (polynomial,)
    found = [_monic(term) for term in terms if term != 0]
    return sorted(found, key=lambda m: (sorted((f[0] != "grad_output", *_order(f)) for f in m[1]), m[0]))


def _monic(term: sympy.Expr) -> Monic:
    """One product of entries and a rational number; raises TypeError on anything else."""
    coefficient, factors = Fraction(1), []
    for factor in term.args if term.is_Mul else (term,):
        base, power = factor.as_base_exp()
        if factor.is_Rational:
            coefficient *= Fraction(int(factor.p), int(factor.q))
        else:
            found = _factor(base)
            if found is None or not (power.is_Integer and power > 0):
                raise TypeError(f"{factor} is not a tensor entry: add it in derive/notation/expanded.py")
            factors += [found] * int(power)
    return coefficient, tuple(sorted(factors, key=_order))


def _factor(node: sympy.Expr) -> Factor | None:
    """An entry (a symbol is a scalar tensor), or an unknown function of one; else None."""
    if hasattr(node, "indices"):
        return str(node.base.label), tuple(int(i) for i in node.indices)
    if node.is_Symbol:
        return str(node), ()
    known = node.is_Function and node.func.__name__.removesuffix(PRIME) in KNOWN
    if known and len(node.args) == 1 and not node.args[0].is_Function:
        inner = _factor(node.args[0])
        return None if inner is None else (node.func.__name__, inner)  # type: ignore[return-value]
    return None


def _applied(factor: Factor) -> bool:
    return len(factor[1]) > 0 and isinstance(factor[1][0], str)


def _order(factor: Factor) -> tuple[Any, ...]:
    """Entries in the order of their tensors, then functions of entries."""
    name, where = factor
    return (_applied(factor), _place(name), name, where)


def _named(factor: Factor) -> tuple[str, Node]:
    """A function ("" for none) and its argument."""
    match factor:
        case (str() as function, (str() as tensor, tuple() as index)):
            return function, entry(tensor, index)
        case (tensor, index):
            return "", entry(tensor, index)


def _place(tensor: str) -> int:
    return FACTOR_ORDER.index(tensor) if tensor in FACTOR_ORDER else len(FACTOR_ORDER)


def entry(tensor: str, index: Sequence[int]) -> Entry:
    return Entry(tensor, tuple(Number(str(i)) for i in index))


def rational(value: Fraction) -> Node:
    """A rational number, its sign in front."""
    return Plus(((True, Number(str(-value))),)) if value < 0 else Number(str(value))


def polynomial(terms: Sequence[Monic], most: int) -> Node:
    """The first `most` terms written out, the others counted."""
    if not terms:
        return Number("0")
    shown: list[tuple[bool, Node]] = []
    for coefficient, factors in terms[:most]:
        written = multiplied([_named(f) for f in factors])
        if abs(coefficient) != 1 or not written:
            written.insert(0, Number(str(abs(coefficient))))
        shown.append((coefficient < 0, written[0] if len(written) == 1 else Product(tuple(written))))
    if len(terms) > most:
        shown.append((False, Elided(len(terms) - most)))
    return shown[0][1] if len(shown) == 1 and not shown[0][0] else Plus(tuple(shown))
