"""Owns integer forms (polynomials in sizes and indices), indices, and the two predicates on forms.

A form is a polynomial with integer coefficients over names; a name is a size ("s_h") or an index
("o_h"). There is no division, floor or modulo: what those would say is said by a predicate,
``[form = 0]`` (`Zero`) or ``[0 <= form < high]`` (`Within`). Nothing here knows about tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from derive.errors import LimitError

Monomial = tuple[str, ...]
"""Names in ascending order, repeated for powers; () is the constant monomial."""

MOST_PRODUCTS = 50_000
"""Products of terms that one multiplication of forms may take."""


@dataclass(frozen=True, order=True)
class Form:
    """An integer polynomial; `terms` is sorted and holds no zero coefficient.

    >>> s, o, p = name("s"), name("o"), name("p")
    >>> print(s * o - p + 1)
    o*s - p + 1
    >>> print((s * o - p).substitute({"s": Form.of(2), "p": Form.of(0)}))
    2*o
    """

    terms: tuple[tuple[Monomial, int], ...] = ()

    @staticmethod
    def of(value: Form | int) -> Form:
        if isinstance(value, Form):
            return value
        return Form((((), int(value)),)) if value else ZERO

    @staticmethod
    def collect(pairs: Iterable[tuple[Monomial, int]]) -> Form:
        """The sum of the given monomials, like terms added, zeros dropped."""
        total: dict[Monomial, int] = {}
        for monomial, coefficient in pairs:
            total[monomial] = total.get(monomial, 0) + coefficient
        return Form(tuple(sorted((m, c) for m, c in total.items() if c)))

    def __add__(self, other: Form | int) -> Form:
        return Form.collect(self.terms + Form.of(other).terms)

    def __radd__(self, other: int) -> Form:
        return self + other

    def __neg__(self) -> Form:
        return Form(tuple((m, -c) for m, c in self.terms))

    def __sub__(self, other: Form | int) -> Form:
        return self + (-Form.of(other))

    def __rsub__(self, other: int) -> Form:
        return Form.of(other) - self

    def __mul__(self, other: Form | int) -> Form:
        right = Form.of(other).terms
        if len(self.terms) * len(right) > MOST_PRODUCTS:
            raise LimitError("polynomial too large", expected=f"at most {MOST_PRODUCTS:,} products of terms")
        return Form.collect((tuple(sorted(m + n)), c * k) for m, c in self.terms for n, k in right)

    def __rmul__(self, other: int) -> Form:
        return self * other

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(n for monomial, _ in self.terms for n in monomial)

    @property
    def constant(self) -> int | None:
        """The value, where the form names nothing; else None."""
        if not self.terms:
            return 0
        return self.terms[0][1] if self.terms[0][0] == () and len(self.terms) == 1 else None

    def substitute(self, values: Mapping[str, Form]) -> Form:
        """Every given name replaced, all at once."""
        if not any(n in values for n in self.names):
            return self
        total = ZERO
        for monomial, coefficient in self.terms:
            product = Form(((tuple(n for n in monomial if n not in values), coefficient),))
            for n in monomial:
                if n in values:
                    product = product * values[n]
            total = total + product
        return total

    def coefficient(self, index: str) -> Form | None:
        """The factor of `index`, or None where the form is not affine in it."""
        picked = [(m, c) for m, c in self.terms if index in m]
        if any(m.count(index) > 1 for m, _ in picked):
            return None
        return Form.collect((tuple(n for n in m if n != index), c) for m, c in picked)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """The value at whole numbers, or at NumPy arrays of them (broadcast as NumPy does)."""
        total: Any = 0
        for monomial, coefficient in self.terms:
            product: Any = coefficient
            for n in monomial:
                product = product * values[n]
            total = total + product
        return total

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        ordered = sorted(self.terms, key=lambda t: (-len(t[0]), t[0]))
        text = " + ".join(_term_text(m, c) for m, c in ordered)
        return text.replace("+ -", "- ")


def _term_text(monomial: Monomial, coefficient: int) -> str:
    if not monomial:
        return str(coefficient)
    body = "*".join(monomial)
    return {1: body, -1: f"-{body}"}.get(coefficient, f"{coefficient}*{body}")


ZERO = Form()
ONE = Form((((), 1),))


def name(text: str) -> Form:
    """The form that is one name."""
    return Form((((text,), 1),))


@dataclass(frozen=True, order=True)
class Index:
    """A name that runs over 0 <= name < extent."""

    name: str
    extent: Form

    @property
    def form(self) -> Form:
        return name(self.name)

    def mapped(self, function: Callable[[Form], Form]) -> Index:
        return Index(self.name, function(self.extent))


@dataclass(frozen=True, order=True)
class Zero:
    """The predicate [form = 0]; `form` and `-form` are the same predicate, stored one way."""

    form: Form

    def __post_init__(self) -> None:
        if self.form.terms and self.form.terms[-1][1] < 0:
            object.__setattr__(self, "form", -self.form)

    @property
    def names(self) -> frozenset[str]:
        return self.form.names

    def mapped(self, function: Callable[[Form], Form]) -> Zero:
        return Zero(function(self.form))

    def holds(self, values: Mapping[str, Any]) -> Any:
        return self.form.evaluate(values) == 0

    def __str__(self) -> str:
        return f"[{self.form} = 0]"


@dataclass(frozen=True, order=True)
class Within:
    """The predicate [0 <= form < high]."""

    form: Form
    high: Form

    @property
    def names(self) -> frozenset[str]:
        return self.form.names | self.high.names

    def mapped(self, function: Callable[[Form], Form]) -> Within:
        return Within(function(self.form), function(self.high))

    def holds(self, values: Mapping[str, Any]) -> Any:
        value = self.form.evaluate(values)
        return (value >= 0) & (value < self.high.evaluate(values))

    def __str__(self) -> str:
        return f"[0 <= {self.form} < {self.high}]"


Condition = Zero | Within
