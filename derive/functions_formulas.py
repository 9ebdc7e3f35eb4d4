"""Owns what each function of `functions.py` is: its formula piece by piece, its domain, what holds at kinks.

Formulas are SymPy expressions; at the points between two pieces they are PyTorch's. `derivative_label` is
the only source of the label under which a document may write that f' is a formula: it differentiates the
formulas in a differential field (`functions_field.py`) and compares, piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy

from derive.errors import ProofError
from derive.functions import DERIVATIVE, IDENTITY, PARAMETERS, Polynomial
from derive.functions_field import Tower

LABEL = "DERIVATIVE (differential field)"
"""Of a printed formula of f': differentiated and compared exactly on every piece."""

EVERYWHERE = ""
INSIDE = "where x(1 - x) is at least 1e-12"

Parameters = Mapping[str, Any]


@dataclass(frozen=True)
class Piece:
    """A formula on one part of the line.

    Attributes:
        where: what the part is called; functions with pieces of the same names are compared piece by piece.
        condition: SymPy's, over x and the parameters; `sympy.true` on the last piece: everywhere else.
        value: the formula there.
        derived: whether f' is the derivative there; elsewhere it is PyTorch's choice.
    """

    where: str
    condition: Any
    value: sympy.Expr
    derived: bool = True


def _whole(value: Callable[..., Any]) -> Callable[..., tuple[Piece, ...]]:
    """One formula everywhere."""
    return lambda x, **own: (Piece(EVERYWHERE, sympy.true, sympy.sympify(value(x, **own))),)


def _sides(
    edge: Callable[..., Any], above: Callable[..., Any], below: Callable[..., Any], scale: str = ""
) -> Any:
    """One formula where x (times a parameter) is larger than an edge, another elsewhere."""

    def pieces(x: Any, **own: Any) -> tuple[Piece, ...]:
        high = (own[scale] if scale else 1) * x > edge(**own)
        first = Piece("above", high, sympy.sympify(above(x, **own)))
        return (first, Piece("below", sympy.true, sympy.sympify(below(x, **own))))

    return pieces


def _clipped(below: Callable[..., Any], inside: Callable[..., Any], above: Callable[..., Any]) -> Any:
    """Three formulas: up to min_val, strictly between, from max_val on."""

    def pieces(x: Any, min_val: Any, max_val: Any) -> tuple[Piece, ...]:
        parts = (
            ("below", x <= min_val, below),
            ("above", x >= max_val, above),
            ("inside", sympy.true, inside),
        )
        return tuple(Piece(w, c, sympy.sympify(value(x, min_val, max_val))) for w, c, value in parts)

    return pieces


def _zero_at_zero(value: Callable[..., Any]) -> Any:
    """A formula, and 0 at 0, where it is none."""

    def pieces(x: Any, **own: Any) -> tuple[Piece, ...]:
        at_zero = Piece("at 0", sympy.Eq(x, 0), sympy.Integer(0), derived=False)
        return (at_zero, Piece(EVERYWHERE, sympy.true, value(x, **own)))

    return pieces


def _bounded(inside: Callable[[Any], Any], outside: Callable[[Any], tuple[tuple[Any, Any], ...]]) -> Any:
    """Formulas of the binary cross entropy, which PyTorch bounds near 0 and 1."""

    def pieces(x: Any) -> tuple[Piece, ...]:
        near = x * (1 - x) >= sympy.Rational(1, 10**12)
        rest = (Piece(f"elsewhere {n}", c, value, derived=False) for n, (c, value) in enumerate(outside(x)))
        return (Piece(INSIDE, near, inside(x)), *rest)

    return pieces


def _log_of(part: Callable[[Any], Any]) -> Any:
    """max(log(part of x), -100)."""

    def outside(x: Any) -> tuple[tuple[Any, Any], ...]:
        below = part(x) <= sympy.exp(-100)
        return ((below, sympy.Integer(-100)), (sympy.true, sympy.log(part(x))))

    return _bounded(lambda x: sympy.log(part(x)), outside)


def _root(value: int) -> Any:
    return sympy.sqrt(sympy.Integer(value))


def _logistic(x: Any) -> Any:
    return 1 / (1 + sympy.exp(-x))


def _bell(x: Any) -> Any:
    """The normal density."""
    return sympy.exp(-(x**2) / 2) / (_root(2) * sympy.sqrt(sympy.pi))


def _normal(x: Any) -> Any:
    """The normal distribution function."""
    return (1 + sympy.erf(x * _root(2) / 2)) / 2


CUBE = sympy.Rational(44715, 10**6)
"""PyTorch's constant of GELU's approximation by tanh."""


def _bent(x: Any) -> Any:
    return _root(2) / sympy.sqrt(sympy.pi) * (x + CUBE * x**3)


def _slope(x: Any) -> Any:
    """The derivative of `_bent`."""
    return _root(2) / sympy.sqrt(sympy.pi) * (1 + 3 * CUBE * x**2)


def _unknown(x: Any) -> Any:
    return sympy.Function("f")(x)


def _unknown_prime(x: Any) -> Any:
    spot = sympy.Dummy("x")
    if isinstance(x, sympy.Symbol):
        return sympy.Derivative(_unknown(x), x)
    return sympy.Subs(sympy.Derivative(_unknown(spot), spot), spot, x)


def _zero(*_: Any, **__: Any) -> Any:
    return sympy.Integer(0)


def _one(*_: Any, **__: Any) -> Any:
    return sympy.Integer(1)


def _same(x: Any, *_: Any, **__: Any) -> Any:
    return x


FORMULAS: Mapping[str, Callable[..., tuple[Piece, ...]]] = {
    "exp": _whole(sympy.exp),
    "log": _whole(sympy.log),
    "recip": _whole(lambda x: 1 / x),
    "rsqrt": _whole(lambda x: 1 / sympy.sqrt(x)),
    "relu": _sides(_zero, _same, _zero),
    "relu_prime": _sides(_zero, _one, _zero),
    "leaky_relu": _sides(_zero, _same, lambda x, negative_slope: negative_slope * x),
    "leaky_relu_prime": _sides(_zero, _one, lambda x, negative_slope: negative_slope),
    "sigmoid": _whole(_logistic),
    "sigmoid_prime": _whole(lambda x: sympy.exp(-x) / (1 + sympy.exp(-x)) ** 2),
    "tanh": _whole(sympy.tanh),
    "tanh_prime": _whole(lambda x: 1 - sympy.tanh(x) ** 2),
    "softplus": _sides(
        lambda beta, threshold: threshold,
        _same,
        lambda x, beta, threshold: sympy.log(1 + sympy.exp(beta * x)) / beta,
        scale="beta",
    ),
    "softplus_prime": _sides(
        lambda beta, threshold: threshold, _one, lambda x, beta, threshold: _logistic(beta * x), scale="beta"
    ),
    "gelu": _whole(lambda x: x * _normal(x)),
    "gelu_prime": _whole(lambda x: _normal(x) + x * _bell(x)),
    "gelu_tanh": _whole(lambda x: x * (1 + sympy.tanh(_bent(x))) / 2),
    "gelu_tanh_prime": _whole(
        lambda x: (1 + sympy.tanh(_bent(x))) / 2 + x * (1 - sympy.tanh(_bent(x)) ** 2) * _slope(x) / 2
    ),
    "silu": _whole(lambda x: x * _logistic(x)),
    "silu_prime": _whole(lambda x: _logistic(x) + x * sympy.exp(-x) / (1 + sympy.exp(-x)) ** 2),
    "elu": _sides(_zero, _same, lambda x, alpha: alpha * (sympy.exp(x) - 1)),
    "elu_prime": _sides(_zero, _one, lambda x, alpha: alpha * sympy.exp(x)),
    "hardtanh": _clipped(lambda x, a, b: a, _same, lambda x, a, b: b),
    "hardtanh_prime": _clipped(_zero, _one, _zero),
    "power": _whole(lambda x, norm_type: x**norm_type),
    "power_prime": _whole(lambda x, norm_type: norm_type * x ** (norm_type - 1)),
    "root": _whole(lambda x, norm_type: x ** (1 / norm_type)),
    "root_prime": _zero_at_zero(lambda x, norm_type: x ** (1 / norm_type - 1) / norm_type),
    "f": _whole(_unknown),
    "f_prime": _whole(_unknown_prime),
    "log_sigmoid": _whole(lambda x: -sympy.log(1 + sympy.exp(-x))),
    "log_clamped": _log_of(_same),
    "log_rest_clamped": _log_of(lambda x: 1 - x),
    "bce_weight": _bounded(lambda x: 1 / (x * (1 - x)), lambda x: ((sympy.true, sympy.Integer(10**12)),)),
    IDENTITY: _whole(_same),
}  # fmt: skip

DOMAIN: Mapping[str, str] = {
    "log": "x > 0",
    "recip": "x is not 0",
    "rsqrt": "x > 0",
    "power": "x > 0, or any x where norm_type is a whole number",
    "root": "x > 0",
    "log_clamped": "0 <= x <= 1",
    "log_rest_clamped": "0 <= x <= 1",
    "bce_weight": "0 <= x <= 1",
}
"""Where a function is used; the others are defined for every x."""

_FROM_THE_LEFT = "at 0 the derivative is taken as the one from the left, as PyTorch does"
KINKS: Mapping[str, str] = {
    "relu": "at 0 the derivative is taken as 0, as PyTorch does",
    "leaky_relu": _FROM_THE_LEFT,
    "elu": _FROM_THE_LEFT,
    "hardtanh": "at min_val and max_val the derivative is taken as 0, as PyTorch does",
    "root": "at 0 the derivative is taken as 0, as PyTorch's lp_pool does",
    "softplus": "where beta x is above the threshold PyTorch takes x itself, and 1 as the derivative; the "
    "formula jumps there by log(1 + exp(-threshold)) / beta",
    "log_clamped": "nearer to 0 or 1 than x(1 - x) = 1e-12 the weight is 1e12 in place of the derivative, as "
    "PyTorch does",
}
"""Where f' is not the derivative, and what it is there."""


def pieces(name: str, x: Any, parameters: Parameters | None = None) -> tuple[Piece, ...]:
    """The pieces of a function at a SymPy expression; parameters that are not given stay symbols."""
    if name not in FORMULAS:
        raise ProofError("no formula of this function", where=name, expected=", ".join(FORMULAS))
    given = parameters or {}
    own = {p: _number(given.get(p, sympy.Symbol(p, real=True))) for p in PARAMETERS.get(name, ())}
    return FORMULAS[name](sympy.sympify(x), **own)


def _number(value: Any) -> Any:
    return (
        sympy.Rational(value.numerator, value.denominator)
        if isinstance(value, Fraction)
        else sympy.sympify(value)
    )


def formula(name: str, x: Any, parameters: Parameters | None = None) -> sympy.Expr:
    """A function of `functions.py` as SymPy: an expression, or a Piecewise with PyTorch's choice at kinks.

    Args:
        x: the argument, a SymPy expression.
        parameters: name -> Fraction, number or SymPy expression; those missing stay symbols of their names.

    Raises ProofError for a name that is no function.
    """
    found = pieces(name, x, parameters)
    if len(found) == 1:
        return found[0].value
    return sympy.Piecewise(*((p.value, p.condition) for p in found))


def derivative_label(name: str, derivative: Polynomial | None = None) -> str:
    """LABEL, if `functions.DERIVATIVE` of the function is the derivative of its formula, on every piece.

    Args:
        derivative: another polynomial to be checked in its place.

    Raises ProofError with the piece at which they differ.
    """
    x = sympy.Symbol("x", real=True)
    terms = DERIVATIVE[name] if derivative is None else derivative
    checked = 0
    for piece in pieces(name, x):
        if not piece.derived:
            continue
        reach = _reach(pieces(name, x), piece.where)
        right = sympy.Add(*(_product(c, names, x, piece.where, reach) for c, names in terms))
        tower = Tower(x, (piece.value, right))
        left = tower.derivative(tower.element(piece.value))
        if not tower.equal(left, tower.element(right)):
            raise ProofError(
                "not the derivative of the formula",
                where=f"{name} {piece.where}".strip(),
                expected=str(tower.shown(left)),
                got=str(right),
            )
        checked += 1
    if not checked:
        raise ProofError("no piece on which there is a derivative", where=name)
    return LABEL


def _product(scale: Fraction, names: tuple[str, ...], x: Any, where: str, reach: tuple[Any, ...]) -> Any:
    """A term of f' on one piece."""
    return sympy.Mul(_number(scale), *(_at(name, x, where, reach) for name in names))


def _at(name: str, x: Any, where: str, reach: tuple[Any, ...]) -> Any:
    """The formula of a function on the piece of that name, which must be the same part of the line."""
    parts = pieces(name, x)
    found = {p.where: p for p in parts}
    own = found.get(where) or found.get(EVERYWHERE)
    if own is None or (own.where != EVERYWHERE and _reach(parts, own.where) != reach):
        raise ProofError("pieces do not fit", where=name, expected=where, got=", ".join(found))
    return own.value


def _reach(parts: tuple[Piece, ...], where: str) -> tuple[Any, ...]:
    """What says where a piece is: its condition after those before it, single points left aside."""
    place = next(i for i, p in enumerate(parts) if p.where == where)
    return tuple(p.condition for p in parts[: place + 1] if not isinstance(p.condition, sympy.Eq))
