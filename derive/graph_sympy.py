"""Owns the judge of small graphs: SymPy's derivative of the whole composed L against each printed gradient.

L is composed from the forward definitions alone into one expression in the entries of the inputs; a function
is a SymPy function whose derivative is the table's (`functions.py`), 1/x and x^(-1/2) are SymPy's own powers.
What SymPy's diff gives and what the backward pass gives are then compared exactly: as polynomials where both
are, else as rational functions in the entries and in one indeterminate for each function of an argument.
Indeterminates count as independent, so that two writings that are equal for a deeper reason are refused,
never passed. Indicators and shifts are entries like others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from math import prod
from typing import Any

import sympy
from sympy.polys.fields import FracElement, FracField
from sympy.polys.rings import PolyElement, PolyRing

from derive.claim import Claim
from derive.errors import ProofError
from derive.expr import Apply, Definition, Factor, entry_of
from derive.functions import DERIVATIVE, IDENTITY, INVERSE
from derive.graph_setting import Composed
from derive.meaning import Meaning, ScalarMeaning

MOST_PRODUCTS = 4_000
"""Products of all forward definitions of a graph that is composed whole."""

MOST_OPERATIONS = 300_000
"""Operations in L times entries to differentiate by (some ten seconds of SymPy)."""

ROOT = "rsqrt"


@cache
def function(name: str) -> Any:
    """A function of the table as a SymPy function that SymPy differentiates by the table."""

    def fdiff(self: Any, argindex: int = 1) -> sympy.Expr:
        return sympy.Add(
            *(
                sympy.Mul(
                    sympy.Rational(c.numerator, c.denominator), *(applied(n, self.args[0]) for n in names)
                )
                for c, names in DERIVATIVE[name]
            )
        )

    return type(name, (sympy.Function,), {"fdiff": fdiff})


def applied(name: str, argument: sympy.Expr) -> sympy.Expr:
    """A function of the table at an argument, multiplied out so that equal arguments look equal."""
    if name == IDENTITY:
        return argument
    if name == INVERSE:
        return 1 / argument
    if name == ROOT:
        return argument ** sympy.Rational(-1, 2)
    return function(name)(sympy.expand(argument))


class _Functions(Meaning):
    """The meaning of entries in which a function is applied."""

    def factor(self, factor: Factor, values: Mapping[str, int]) -> sympy.Expr:
        if isinstance(factor, Apply):
            entry = entry_of(factor)
            assert entry is not None
            return applied(factor.function, self.entry(entry.tensor, self.index(entry, values)))
        return super().factor(factor, values)


class IndexedMeaning(_Functions):
    """Entries over IndexedBase("x")[...], for readers."""


class ComposedMeaning(_Functions, ScalarMeaning):
    """Entries over plain symbols, which SymPy differentiates faster."""


def products(composed: Composed) -> int:
    """Products of the forward definitions, conditions not looked at."""
    forward = [d for part in composed.forward.values() for d in part]
    return sum(_products(d) for d in (*forward, composed.scalar))


def _products(definition: Definition) -> int:
    cells = prod(int(i.extent.evaluate({})) for i in definition.indices)
    return cells * sum(prod(int(i.extent.evaluate({})) for i in t.indices) for t in definition.body.terms)


def judge(composed: Composed, names: Sequence[str]) -> tuple[int, str]:
    """Every entry of the gradients of the named tensors; how many, and a line on what was done.

    Of a graph that is too large for SymPy, 0 and a line that says so. Raises ProofError at the first entry
    that differs.
    """
    if (count := products(composed)) > MOST_PRODUCTS:
        return 0, f"SymPy: the loss was not composed, it has {count:,} products"
    means = ComposedMeaning(composed.setting, tables=composed.tables)
    loss = means.entry(composed.scalar.tensor, ())
    entries = sum(prod(composed.plan.shape(name)) for name in names)
    if entries * loss.count_ops() > MOST_OPERATIONS:
        return (
            0,
            f"SymPy: the loss was not differentiated, {loss.count_ops():,} operations by {entries:,} entries",
        )
    rational = 0
    for name in names:
        rational += _compared(composed, name, means, loss)
    deep = f", {rational:,} of them as rational functions" if rational else ""
    return entries, f"SymPy diff of the whole composed loss: {entries:,} entries agree exactly{deep}"


def _compared(composed: Composed, name: str, means: ComposedMeaning, loss: sympy.Expr) -> int:
    """Every entry of one gradient; how many needed fractions."""
    claim = composed.claim(name)
    pairs = [
        (symbol, loss.diff(symbol), means.expr(claim.right.body, values))
        for values, symbol in _entries(claim, means)
    ]
    ring = Polynomials([side for _, left, right in pairs for side in (left, right)])
    rational = 0
    for symbol, left, right in pairs:
        equal, as_fractions = agree(left, right, ring)
        rational += as_fractions
        if not equal:
            raise ProofError(
                "the gradient is not the derivative of the composed loss",
                where=f"d L/d {symbol}",
                expected=f"SymPy: {_short(left)}",
                got=f"{composed.gradients[name].name}: {_short(right)}",
            )
    return rational


def _entries(claim: Claim, means: ComposedMeaning) -> Iterator[tuple[Mapping[str, int], sympy.Expr]]:
    shape = means.shape(claim.target)
    for at in product(*map(range, shape)):
        yield {i.name: v for i, v in zip(claim.indices, at, strict=True)}, means.symbol(claim.target, at)


def agree(left: sympy.Expr, right: sympy.Expr, ring: Polynomials | None = None) -> tuple[bool, bool]:
    """Whether the two are equal, and whether fractions had to be compared."""
    made = ring or Polynomials((left, right))
    if made.element(left) == made.element(right):
        return True, False
    return Fractions((left, right)).equal(left, right), True


class Polynomials:
    """The ring of polynomials in the entries, function values, inverses and roots of some expressions.

    What is equal here is equal; inverses and roots count as independent of what they are made from.
    """

    def __init__(self, expressions: Sequence[sympy.Expr]) -> None:
        self.kernels: dict[sympy.Expr, None] = {}
        self.known: dict[sympy.Expr, Any] = {}
        for expression in expressions:
            self._gather(expression)
        self.known = {}
        names = [sympy.Symbol(f"_{i}") for i in range(len(self.kernels))]
        self.ring = PolyRing(names or [sympy.Symbol("_")], sympy.QQ, sympy.lex)
        self.generator = dict(zip(self.kernels, self.ring.gens, strict=False))

    def _gather(self, expression: sympy.Expr) -> None:
        if expression in self.known:
            return
        self.known[expression] = None
        if expression.is_Symbol or isinstance(expression, sympy.Function):
            self.kernels.setdefault(expression)
        elif expression.is_Pow and not _natural(expression.args[1]):
            self.kernels.setdefault(_unit(expression)[0])
        else:
            for part in expression.args:
                self._gather(part)

    def element(self, expression: sympy.Expr) -> PolyElement:
        if expression not in self.known:
            self.known[expression] = self._found(expression)
        return self.known[expression]

    def _found(self, expression: sympy.Expr) -> PolyElement:
        if expression in self.generator:
            return self.generator[expression]
        if expression.is_Rational:
            return self.ring(sympy.QQ(int(expression.p), int(expression.q)))
        if expression.is_Add or expression.is_Mul:
            total = self.ring.zero if expression.is_Add else self.ring.one
            for part in expression.args:
                total = total + self.element(part) if expression.is_Add else total * self.element(part)
            return total
        if expression.is_Pow and _natural(expression.args[1]):
            return self.element(expression.args[0]) ** int(expression.args[1])
        if expression.is_Pow and expression.args[1].is_Rational:
            kernel, power = _unit(expression)
            return self.generator[kernel] ** power
        raise ProofError("an expression that is not compared here", where=_short(expression))


def _natural(power: sympy.Expr) -> bool:
    return bool(power.is_Integer and power > 0)


def _unit(expression: sympy.Expr) -> tuple[sympy.Expr, int]:
    """x^(-3) as (1/x)^3, x^(-3/2) as (x^(-1/2))^3."""
    base, power = expression.args
    times = abs(int(power.p))
    return base ** sympy.Rational(1 if power > 0 else -1, int(power.q)), times


class Fractions:
    """The field of rational functions in the entries, function values and roots of some expressions."""

    def __init__(self, expressions: Sequence[sympy.Expr]) -> None:
        self.kernels: dict[sympy.Expr, None] = {}
        for expression in expressions:
            self._gather(expression)
        names = [sympy.Symbol(f"_{i}") for i in range(len(self.kernels))]
        self.field = FracField(names or [sympy.Symbol("_")], sympy.QQ, sympy.lex)
        self.generator = dict(zip(self.kernels, self.field.gens, strict=False))

    def _gather(self, expression: sympy.Expr) -> None:
        """Roots first, so that they are the leading indeterminates of what they satisfy."""
        if _is_root(expression):
            self.kernels.setdefault(sympy.sqrt(expression.args[0]))
        if expression.is_Symbol or isinstance(expression, sympy.Function):
            self.kernels.setdefault(expression)
            return
        for part in expression.args:
            self._gather(part)

    def element(self, expression: sympy.Expr) -> FracElement:
        if expression in self.generator:
            return self.generator[expression]
        if expression.is_Rational:
            return self.field(sympy.QQ(int(expression.p), int(expression.q)))
        if expression.is_Add or expression.is_Mul:
            total = self.field.zero if expression.is_Add else self.field.one
            for part in expression.args:
                total = total + self.element(part) if expression.is_Add else total * self.element(part)
            return total
        if _is_root(expression):
            base, power = expression.args
            return self.element(sympy.sqrt(base)) ** int(2 * power)
        if expression.is_Pow and expression.args[1].is_Integer:
            return self.element(expression.args[0]) ** int(expression.args[1])
        raise ProofError("an expression that is not compared here", where=_short(expression))

    def equal(self, left: sympy.Expr, right: sympy.Expr) -> bool:
        """By cross-multiplying, modulo what roots satisfy."""
        one, other = self.element(left), self.element(right)
        difference = one.numer * other.denom - other.numer * one.denom
        return bool(difference == 0 or difference.rem(self._relations()) == 0)

    def _relations(self) -> list[Any]:
        found = []
        for kernel, generator in self.generator.items():
            if _is_root(kernel):
                base = self.element(kernel.args[0])
                found.append(generator.numer**2 * base.denom - base.numer)
        return found


def _is_root(expression: sympy.Expr) -> bool:
    return bool(expression.is_Pow and expression.args[1].is_Rational and expression.args[1].q == 2)


def _short(expression: sympy.Expr) -> str:
    text = str(expression)
    return text if len(text) < 300 else text[:300] + " ..."
