"""Owns what a formula is read into: entries by their letters, and products as terms of the language.

What is read from where:

- sums, brackets, coefficients, factors, derivatives and the names of indices and sizes: from the formula;
- the tensor behind a letter, its accent and the axis above it: from the legend, given as an `Alphabet`;
- the extent of a summed index: one more than the upper limit; that of a free index: the tensor's shape;
- two axes that a user sees as one (a group and a channel in it): from the one index printed, by division
  by the extent of the second; an axis of extent 1 that no formula shows is read at 0;
- x^n, 1/x, x^(3/2) and x^p: as n factors, `recip`, three times `rsqrt`, `power`; a factor p with x^(p - 1) is
  the derivative of a power.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from derive.expr import Apply, Expr, Factor, Read, Sum, Tensor
from derive.index import ONE, ZERO, Condition, Form, Index
from derive.notation.symbols import symbol

Mark = tuple[str, str, str]
"""What is seen of a tensor: letter, accent, axis above."""


class Unreadable(Exception):
    """A formula that no reading fits."""


@dataclass(frozen=True)
class Alphabet:
    """The legend: which tensor each letter is."""

    tensors: dict[Mark, Tensor]

    @staticmethod
    def of(tensors: Sequence[Tensor]) -> Alphabet:
        """Raises Unreadable where two tensors are written alike."""
        found: dict[Mark, Tensor] = {}
        for tensor in tensors:
            sign = symbol(tensor.name)
            mark = (sign.letter, sign.accent, sign.axis)
            if found.setdefault(mark, tensor) != tensor:
                raise Unreadable(f"{tensor} and {found[mark]} have one letter")
        return Alphabet(found)

    def read(self, mark: Mark, indices: Sequence[Form]) -> Read:
        """The entry of the tensor with that letter at the indices as printed."""
        if mark not in self.tensors:
            raise Unreadable(f"no tensor is written {mark}")
        tensor = self.tensors[mark]
        shown = axes_shown(tensor)
        if len(shown) != len(indices):
            raise Unreadable(f"{tensor} has {len(shown)} indices, not {len(indices)}")
        full = [ZERO] * len(tensor.shape)
        for group, flat in zip(shown, indices, strict=True):
            for axis, form in zip(group, parted(flat, [tensor.shape[a] for a in group]), strict=True):
                full[axis] = form
        return Read(tensor, tuple(full))


def axes_shown(tensor: Tensor) -> list[tuple[int, ...]]:
    """The axes behind each printed index: the user's, and those of no user's axis that are longer than 1."""
    used = {axis for group in tensor.layout for axis in group}
    hidden = [(a,) for a, extent in enumerate(tensor.shape) if a not in used and extent != ONE]
    return sorted([*tensor.layout, *hidden])


def parted(flat: Form, extents: Sequence[Form]) -> list[Form]:
    """The indices of several axes from one, row-major: terms that an extent divides belong further left."""
    found: list[Form] = []
    for extent in reversed(extents[1:]):
        flat, rest = divided(flat, extent)
        found.insert(0, rest)
    return [flat, *found]


def divided(form: Form, by: Form) -> tuple[Form, Form]:
    """Quotient and rest, term by term; of a number as whole numbers are divided."""
    if len(by.terms) != 1:
        raise Unreadable(f"an axis of extent {by} is merged")
    ((names, scale),) = by.terms
    quotient, rest = [], []
    for monomial, coefficient in form.terms:
        left = list(monomial)
        for n in names:
            if n in left:
                left.remove(n)
        if len(left) + len(names) == len(monomial) and coefficient % scale == 0:
            quotient.append((tuple(left), coefficient // scale))
        elif monomial == names == ():
            quotient.append(((), coefficient // scale))
            rest.append(((), coefficient % scale))
        else:
            rest.append((monomial, coefficient))
    return Form.collect(quotient), Form.collect(rest)


Exponent = tuple[int, int, Fraction]
"""a p + b/p + c as (a, b, c)."""

FIRST: Exponent = (0, 0, Fraction(1))
RAISED = {(1, 0, 0): ("power", 0), (1, 0, -1): ("power_prime", 1),
          (0, 1, 0): ("root", 0), (0, 1, -1): ("root_prime", -1)}  # fmt: skip
"""x^p and the like as functions, with the factors p (or 1/p: -1) that belong to them."""


@dataclass
class Term:
    """A product while it is read."""

    coefficient: Fraction = Fraction(1)
    indices: tuple[Index, ...] = ()
    conditions: tuple[Condition, ...] = ()
    factors: tuple[tuple[Factor, Exponent], ...] = ()
    letters: tuple[int, ...] = ()
    """+1 for a factor p, -1 for a factor 1/p."""

    def times(self, other: Term) -> Term:
        return Term(
            self.coefficient * other.coefficient,
            self.indices + other.indices,
            self.conditions + other.conditions,
            self.factors + other.factors,
            self.letters + other.letters,
        )

    def inverse(self) -> Term:
        if self.indices or self.conditions:
            raise Unreadable("a sum or a bracket below a fraction's stroke")
        turned = tuple((factor, (-a, -b, -c)) for factor, (a, b, c) in self.factors)
        return Term(1 / self.coefficient, (), (), turned, tuple(-x for x in self.letters))

    def sum(self) -> Sum:
        """The term of the language; powers become repeated factors, inverses functions."""
        factors: list[Factor] = []
        wanted: list[int] = []
        for factor, exponent in self.factors:
            found, used = raised(factor, exponent)
            factors += found
            wanted += used
        if sorted(wanted) != sorted(self.letters):
            raise Unreadable("the letter p stands alone")
        return Sum(self.indices, self.conditions, tuple(factors), self.coefficient)


def raised(factor: Factor, exponent: Exponent) -> tuple[list[Factor], list[int]]:
    """A power as factors, and the factors p or 1/p that must stand beside it."""
    a, b, c = exponent
    if (a, b) == (0, 0) and c.denominator == 1 and c > 0:
        return [factor] * int(c), []
    if not isinstance(factor, Read):
        raise Unreadable(f"{factor} to {exponent}")
    if (a, b) == (0, 0) and c < 0:
        inverse, count = ("recip", -c) if c.denominator == 1 else ("rsqrt", -2 * c)
        return [Apply(inverse, factor)] * int(count), []
    if exponent not in RAISED:
        raise Unreadable(f"{factor} to {exponent}")
    function, letter = RAISED[exponent]
    return [Apply(function, factor)], [letter] * bool(letter)


def canonical(expr: Expr) -> Hashable:
    """The expression up to the order of its terms, and of the factors of each; nothing else is forgotten."""
    return frozenset(Counter(map(_canonical, expr.terms)).items())


def _canonical(term: Sum) -> Hashable:
    return term.indices, term.conditions, frozenset(Counter(term.factors).items()), term.coefficient
