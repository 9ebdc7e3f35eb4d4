"""Owns exact differentiation of formulas: a differential field built for the formulas at hand.

Each exp, log, erf, tanh, root and symbolic power in a formula becomes an indeterminate with a known
derivative; what remains is rational functions with whole-number coefficients. These are differentiated by
the chain rule over indeterminates and compared by cross-multiplying, modulo g^n = base for roots. Nothing
is simplified, and SymPy's own derivative is not asked. Indeterminates are taken as independent: what is
found equal is equal; two writings of one function that this does not see as one are refused, never passed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sympy
from sympy.core.function import AppliedUndef
from sympy.polys.fields import FracElement, FracField

from derive.errors import ProofError


class Tower:
    """The field of rational functions in x, the other symbols, and one indeterminate for each kernel.

    Args:
        x: the variable; every other symbol is constant.
        formulas: all formulas that will be asked about.
    """

    def __init__(self, x: sympy.Symbol, formulas: Sequence[Any]) -> None:
        self.x = x
        self.kernels: dict[sympy.Expr, sympy.Symbol] = {}
        symbols: set[sympy.Symbol] = {x}
        for formula in formulas:
            symbols |= set(formula.free_symbols)
            self._gather(sympy.sympify(formula))
        ordered = [*self.kernels.values(), *sorted(symbols, key=str)]
        self.field = FracField(ordered, sympy.QQ, sympy.lex)
        self._generator = dict(zip(ordered, self.field.gens, strict=True))

    # ---- which indeterminates there are ----------------------------------------------------------

    def _gather(self, formula: sympy.Expr) -> None:
        """An indeterminate for every kernel in the formula and in the derivatives of its kernels."""
        for kernel, _ in self._factors(formula) if formula.is_Pow or formula.func is sympy.exp else ():
            self._register(kernel)
        if formula.func in (sympy.log, sympy.tanh, sympy.erf) or formula == sympy.pi:
            self._register(formula)
        if formula.func is sympy.erf:
            self._gather(sympy.exp(-(formula.args[0] ** 2)))
            self._gather(sympy.sqrt(sympy.pi))
        if _unknown(formula):
            self._register(formula)
            self._register(sympy.Derivative(formula, self.x))
            return
        for part in formula.args if not isinstance(formula, sympy.Derivative) else ():
            self._gather(part)

    def _register(self, kernel: sympy.Expr) -> None:
        if not kernel.is_Symbol:
            self.kernels.setdefault(kernel, sympy.Symbol(f"_{len(self.kernels)}"))

    def _factors(self, formula: sympy.Expr) -> list[tuple[sympy.Expr, int]]:
        """A power or an exponential as kernels with whole exponents: e^(-3u), x^(p-1), x^(-3/2)."""
        if formula.func is sympy.exp:
            content, primitive = formula.args[0].as_coeff_Mul()
            if content.is_Integer:
                return [(sympy.exp(primitive), int(content))]
            sign = -1 if content < 0 else 1
            return [(sympy.exp(sign * content * primitive), sign)]
        base, power = formula.args
        whole, rest = power.as_coeff_Add()
        if not whole.is_Integer:
            fraction = sympy.Rational(1, whole.q)
            return [(base**fraction, int(whole.p)), *([(base**rest, 1)] if rest != 0 else [])]
        return [(base**rest, 1)] if rest != 0 else []

    # ---- formulas as elements --------------------------------------------------------------------

    def element(self, formula: Any) -> FracElement:
        """A formula as a rational function; ProofError where it has a part that is not known here."""
        if formula in self.kernels:
            return self._generator[self.kernels[formula]]
        if formula.is_Symbol and formula in self._generator:
            return self._generator[formula]
        if formula.is_Rational:
            return self.field(sympy.QQ(int(formula.p), int(formula.q)))
        if formula.is_Add or formula.is_Mul:
            total = self.field.zero if formula.is_Add else self.field.one
            for part in formula.args:
                total = total + self.element(part) if formula.is_Add else total * self.element(part)
            return total
        if formula.is_Pow or formula.func is sympy.exp:
            return self._power(formula)
        raise ProofError("a formula that the differential field does not know", where=str(formula))

    def _power(self, formula: sympy.Expr) -> FracElement:
        total = self.field.one
        for kernel, exponent in self._factors(formula):
            total *= self.element(kernel) ** exponent
        if formula.is_Pow:
            whole, _ = formula.args[1].as_coeff_Add()
            if whole.is_Integer and whole != 0:
                total *= self.element(formula.args[0]) ** int(whole)
        return total

    # ---- differentiation and comparison ----------------------------------------------------------

    def derivative(self, element: FracElement) -> FracElement:
        """d/dx, by the chain rule over the indeterminates."""
        total = element.diff(self._generator[self.x])
        for kernel, symbol in self.kernels.items():
            generator = self._generator[symbol]
            slope = element.diff(generator)
            if slope != 0:
                total += slope * self._of_kernel(kernel, generator)
        return total

    def _of_kernel(self, kernel: sympy.Expr, own: FracElement) -> FracElement:
        """The derivative of one kernel; it is `own` as an element."""
        if kernel == sympy.pi:
            return self.field.zero
        if _unknown(kernel):
            return self.element(sympy.Derivative(kernel, self.x))
        inner = self.element(kernel.args[0])
        inside = self.derivative(inner)
        if kernel.func is sympy.exp:
            return own * inside
        if kernel.func is sympy.log:
            return inside / inner
        if kernel.func is sympy.tanh:
            return (1 - own**2) * inside
        if kernel.func is sympy.erf:
            bell = self.element(sympy.exp(-(kernel.args[0] ** 2)))
            return 2 * bell / self.element(sympy.sqrt(sympy.pi)) * inside
        exponent = kernel.args[1]
        if self.x in exponent.free_symbols:
            raise ProofError("a power whose exponent depends on x", where=str(kernel))
        return self.element(exponent) * own * inside / inner

    def equal(self, left: FracElement, right: FracElement) -> bool:
        """Whether the two are one element, by cross-multiplying, modulo what roots satisfy."""
        relations = self._relations()
        if any(e.denom.rem(relations) == 0 for e in (left, right)):
            raise ProofError("a denominator that is 0", where=str(self.shown(left)))
        difference = left.numer * right.denom - right.numer * left.denom
        return bool(difference.rem(relations) == 0)

    def _relations(self) -> list[Any]:
        """g^n * (denominator of base) - (numerator of base) for each root g of base."""
        found = []
        for kernel, symbol in self.kernels.items():
            if kernel.is_Pow and kernel.args[1].is_Rational:
                base, generator = self.element(kernel.args[0]), self._generator[symbol].numer
                found.append(generator ** int(kernel.args[1].q) * base.denom - base.numer)
        return found

    def shown(self, element: FracElement) -> sympy.Expr:
        """An element with its kernels put back, for messages."""
        return element.as_expr().xreplace({symbol: kernel for kernel, symbol in self.kernels.items()})


def _unknown(formula: Any) -> bool:
    """Whether this is a function of x that nothing is known of."""
    return isinstance(formula, AppliedUndef) and formula.args[0].is_Symbol
