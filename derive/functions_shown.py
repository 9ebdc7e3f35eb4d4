"""Owns what a document says of the functions that a layer applies: their formulas and their derivatives.

A `Slope` is an equality between f'(x) and a formula; it exists only with the label that the comparison in the
differential field gives, and `document.checked` alone prints it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import sympy

from derive.functions import DERIVATIVE
from derive.functions_formulas import KINKS, derivative_label, pieces
from derive.legend_nonlinear import Slope
from derive.notation.functions import applied, multiplied
from derive.notation.tree import (
    Cases,
    Compared,
    Derivative,
    Display,
    Function,
    Group,
    Inline,
    Link,
    Name,
    Node,
    Number,
    Over,
    Plus,
    Power,
    Product,
    Relation,
    Root,
)

EVIDENT = ("exp", "log", "recip", "rsqrt", "power", "root")
"""Functions that need no formula beside their own notation."""

X = Name("x")
Parameters = Mapping[str, Fraction]


def shown(function: str, parameters: Parameters) -> Node:
    """The formula of a function of x as a node, with numbers for its parameters."""
    spot = sympy.Symbol("x", real=True)
    found = pieces(function, spot, parameters)
    if len(found) == 1:
        return node(found[0].value)
    *others, (rest, _) = [(node(p.value), p.condition) for p in found]
    # where a row says what the last one says, its part of the line overlaps no other row's: it is not written
    rows = [(value, _compared(condition)) for value, condition in others if value != rest]
    return Cases((*rows, (rest, None)))


def definitions(names: Sequence[str], parameters: Parameters) -> list[Display]:
    """f(x) := its formula, for every function named or needed by a derivative; evident ones left out."""
    rows = []
    for name in bases(names):
        if name in EVIDENT or name == "f":
            continue
        rows.append(Display(applied(name, X), (Link(Relation.DEFINED, shown(name, parameters)),)))
    return rows


def slopes(names: Sequence[str], parameters: Parameters) -> list[Slope]:
    """f'(x) = its formula, checked; ProofError where the table of derivatives does not fit the formulas."""
    found = []
    for name in bases(names):
        if name in EVIDENT or name == "f" or name not in DERIVATIVE:
            continue
        label = derivative_label(name)
        prime = f"{name}_prime"
        if DERIVATIVE[name] == ((Fraction(1), (prime,)),):
            found.append(Slope(label, Function(prime, X), shown(prime, parameters)))
        else:
            found.append(Slope(label, Derivative(applied(name, X), X), _polynomial(name), _part(name)))
    return found


def _part(name: str) -> str:
    """Where the derivative is one, if not everywhere."""
    found = pieces(name, sympy.Symbol("x", real=True))
    if all(p.derived for p in found):
        return ""
    return f" {' and '.join(p.where for p in found if p.derived)} (elsewhere PyTorch's choice)"


def bases(names: Sequence[str]) -> tuple[str, ...]:
    """The functions without primes, and those that their derivatives are polynomials in, each once."""
    found: dict[str, None] = {}
    for name in names:
        base = name.removesuffix("_prime")
        found[base] = None
        if base in DERIVATIVE:
            more = (g for _, factors in DERIVATIVE[base] for g in factors)
            found |= dict.fromkeys(g for g in more if g != "id" and not g.endswith("_prime"))
    return tuple(found)


def kinks(names: Sequence[str]) -> list[str]:
    """What is said of points where a function has no derivative."""
    return list(dict.fromkeys(KINKS[n] for n in bases(names) if n in KINKS))


def told(names: Sequence[str], parameters: Parameters) -> Inline:
    """What is said of the unknown function, and of the exponent of powers."""
    out: Inline = ()
    if "f" in bases(names):
        prime = Function("f_prime", X)
        out += (applied("f", X), " stands for any differentiable function, ", prime, " for its derivative. ")
    if "norm_type" in parameters:
        out += (Name("p"), " is norm_type, here ", Number(str(parameters["norm_type"])), ". ")
    return out


def _polynomial(name: str) -> Node:
    """The derivative as the table has it: a polynomial in functions of x."""
    terms: list[tuple[bool, Node]] = []
    for scale, names in DERIVATIVE[name]:
        factors = multiplied([("" if n == "id" else n, X) for n in names])
        if abs(scale) != 1 or not factors:
            factors.insert(0, Number(str(abs(scale))))
        terms.append((scale < 0, factors[0] if len(factors) == 1 else Product(tuple(factors))))
    return terms[0][1] if len(terms) == 1 and not terms[0][0] else Plus(tuple(terms))


# ---- SymPy formulas as nodes -------------------------------------------------------------------------

CALLS = (sympy.exp, sympy.log, sympy.tanh, sympy.erf)


def node(expression: sympy.Expr) -> Node:
    """A formula as a node; raises TypeError on what the formulas do not contain."""
    if expression.is_Add:
        return _sum(expression)
    if expression.is_Rational and expression >= 0:
        return _ten(expression) or _number(expression)
    if expression.is_Mul or expression.is_Rational:
        minus, body = _signed(expression)
        return Plus(((True, body),)) if minus else body
    if expression.is_Symbol or expression == sympy.pi:
        return Name(str(expression))
    if expression.func in CALLS:
        return Function(expression.func.__name__, node(expression.args[0]))
    if expression.is_Pow:
        base, exponent = expression.args
        if exponent.could_extract_minus_sign():
            return Over(Number("1"), node(1 / expression))
        if exponent == sympy.Rational(1, 2):
            return Root(node(base))
        return Power(node(base), node(exponent))
    raise TypeError(f"{expression} is in no formula: add it in derive/functions_shown.py")


def _sum(expression: sympy.Expr) -> Node:
    """Terms from simple to long, a positive one in front."""
    ordered = sorted(expression.args, key=lambda t: (t.count_ops(), str(t)))
    front = next((t for t in ordered if not t.could_extract_minus_sign()), ordered[0])
    return Plus(tuple(_signed(t) for t in (front, *(t for t in ordered if t is not front))))


def _signed(term: sympy.Expr) -> tuple[bool, Node]:
    """Whether a minus stands in front, and the rest as one fraction where it has a denominator."""
    minus = term.could_extract_minus_sign() and not term.is_Add
    scale, rest = (-term if minus else term).as_coeff_Mul()
    above, below = [], []
    for factor in sorted(sympy.Mul.make_args(rest), key=lambda f: (f.count_ops(), str(f))):
        root = factor.is_Pow and factor.args[1] == sympy.Rational(1, 2) and factor.args[0].is_Integer
        if root and scale.q % factor.args[0] == 0:
            scale *= factor.args[0]
            below.append(factor)
        elif factor.is_Pow and factor.args[1].could_extract_minus_sign():
            below.append(1 / factor)
        elif factor != 1:
            above.append(factor)
    whole = isinstance(_number(scale), Number) and "/" not in _number(scale).text
    top, bottom = (scale, 1) if whole else (scale.p, scale.q)
    return minus, _fraction(_factors(top, above), _factors(bottom, below))


def _fraction(top: list[Node], bottom: list[Node]) -> Node:
    if not bottom:
        return _one(top)
    return Over(_bare(_one(top)), _bare(_one(bottom)))


def _bare(side: Node) -> Node:
    return side.body if isinstance(side, Group) else side


def _one(factors: list[Node]) -> Node:
    return Product(tuple(factors)) if len(factors) > 1 else factors[0] if factors else Number("1")


def _factors(scale: Any, rest: list[Any]) -> list[Node]:
    """A number where it is not 1, and factors; sums are in parentheses."""
    first: list[Node] = [] if scale == 1 else [_number(sympy.sympify(scale))]
    return [*first, *(Group(node(f)) if f.is_Add else node(f) for f in rest)]


def _ten(value: sympy.Rational) -> Node | None:
    """A large or small power of ten."""
    digits = len(str(max(value.p, value.q))) - 1
    if digits < 6 or {value.p, value.q} != {1, 10**digits}:
        return None
    exponent = Number(str(digits))
    return Power(Number("10"), Plus(((True, exponent),)) if value.q > 1 else exponent)


def _number(value: sympy.Rational) -> Number:
    """A short fraction, or a decimal where the denominator is long and divides a power of ten."""
    fraction = Fraction(int(value.p), int(value.q))
    if fraction.denominator > 1000 and 10**12 % fraction.denominator == 0:
        return Number(f"{float(fraction):.12f}".rstrip("0"))
    return Number(str(fraction))


SIGNS = {"<": "<", "<=": "<=", ">": ">", ">=": ">=", "==": "=="}


def _compared(relation: Any) -> Compared:
    return Compared(node(relation.lhs), SIGNS[relation.rel_op], node(relation.rhs))
