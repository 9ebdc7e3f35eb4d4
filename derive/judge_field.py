"""Owns the judge with unknown functions: both sides of a claim at a size over a large prime field.

The left side is reverse differentiation of the definitions, the right side the closed form as it is printed;
inputs, indicators and shifts are uniform in GF(2^61 - 1), every function but the inverse is drawn at random.
Two sides that agree at an entry are equal there as formulas in unknown functions, up to the miss probability:

Let the atoms be the inputs' entries and the values of functions at formally distinct arguments. As long as
no two formally distinct arguments of one function get the same number, atoms are independent and uniform. An
entry's difference is a polynomial of degree d in atoms and inverses 1/T; multiplied by the d-th power of
each entry T that is inverted (K entries, of degree t) it is a polynomial of degree D = d + d K t in what is
left, tensor after tensor, so a difference that is not zero formally vanishes with probability at most D / p
(Schwartz, Zippel). The same counts for every pair of arguments and for every T that could be 0.

"Formally" is meant with coefficients modulo p: each coefficient of a claim is below p, and a sum of them is
not told from one that differs by a multiple of p.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb, prod
from typing import Any

import numpy as np

from derive.claim import Claim
from derive.errors import LimitError
from derive.evaluate import Evaluator
from derive.exhaust import Difference, as_user
from derive.exhaust_rows import sizes
from derive.expr import Apply, Definition, Expr, Partial, Read, entry_of
from derive.functions import DERIVATIVE, IDENTITY, INVERSE, PARAMETERS
from derive.numbers_field import PRIME, RandomField

WANTED = Fraction(1, 2**40)
"""The miss probability that a verdict may have."""
MOST_RUNS = 4


@dataclass(frozen=True)
class FieldVerdict:
    """What the runs found: entries compared, the bound of the miss probability, the first difference."""

    entries: int
    runs: int
    missed: Fraction
    difference: Difference | None = None

    @property
    def power(self) -> int:
        """The largest k with miss probability <= 2^-k."""
        return (self.missed.denominator // self.missed.numerator).bit_length() - 1


def judge_with_field(
    claim: Claim, rng: np.random.Generator, parameters: Mapping[str, Fraction] | None = None
) -> FieldVerdict:
    """Both sides of a claim at given sizes, at every entry, in as many runs as the wanted bound needs.

    Functions' parameters that are not given are numbers of their own: the functions are unknown anyway.
    Raises LimitError where functions have too many arguments for a bound.
    """
    single = missed(claim)
    runs = next((r for r in range(1, MOST_RUNS + 1) if single**r <= WANTED), None)
    if runs is None:
        raise LimitError(
            "too large for a bound of the miss probability",
            where=claim.name,
            expected=f"at most {float(WANTED):.2g} in {MOST_RUNS} runs",
            got=f"{float(single):.2g} a run",
            mend="use a smaller shape, or the theorem for all sizes",
        )
    shape = sizes(claim.target)
    named = sorted({p for own in PARAMETERS.values() for p in own})
    known = {p: Fraction(number) for number, p in enumerate(named, start=1)} | dict(parameters or {})
    for _ in range(runs):
        field = RandomField(rng)
        inputs = {t.name: field.random(prod(sizes(t))) for t in claim.setting.inputs}
        values = Evaluator(claim.setting, field, parameters=known).at(inputs)
        left, right = values.left(claim), values.right(claim)
        wrong = np.flatnonzero(left != right)
        if len(wrong):
            where = tuple(int(i) for i in np.unravel_index(int(wrong[0]), shape)) if shape else ()
            texts = (f"{int(side[wrong[0]])} mod 2^61 - 1" for side in (left, right))
            told = Difference(as_user(claim.target, where), claim.right.tensor.name, *texts)
            return FieldVerdict(prod(shape), runs, single**runs, told)
    return FieldVerdict(prod(shape), runs, single**runs)


def missed(claim: Claim) -> Fraction:
    """A bound of the probability that one run lets a claim pass whose sides differ formally.

    Raises LimitError for a coefficient that is not below the prime.
    """
    bodies = (*(d.body for d in claim.setting.definitions), claim.right.body)
    for c in (t.coefficient for body in bodies for t in body.terms):
        if max(abs(c.numerator), c.denominator) >= PRIME:
            raise LimitError("coefficient too large", where=claim.name, expected="below 2^61 - 1", got=str(c))
    degrees = _Degrees(claim)
    total = Fraction(degrees.cleared(degrees.sides()))
    for function, arguments in degrees.arguments.items():
        count = sum(count for count, _ in arguments)
        highest = max(degrees.cleared(2 * degree) for _, degree in arguments)
        pairs = count if function == INVERSE else comb(count, 2)
        total += pairs * highest
    return max(total, Fraction(1)) / PRIME


class _Degrees:
    """Degrees in atoms and inverses of every tensor of a claim, and the arguments of its functions."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.of = {t.name: 1 for t in claim.setting.inputs}
        self.arguments: dict[str, list[tuple[int, int]]] = {}
        self.inverted: dict[str, tuple[int, int]] = {}
        for definition in (*claim.setting.definitions, claim.right):
            self.of[definition.tensor.name] = self.body(definition.body)

    def body(self, expr: Expr) -> int:
        """The degree of an expression; notes the arguments of its functions and of their derivatives."""
        degrees = [0]
        for term in expr.terms:
            for factor in term.factors:
                if isinstance(factor, Apply):
                    self.note(factor)
            degrees.append(sum(self.factor(f) for f in term.factors))
        return max(degrees)

    def factor(self, factor: Any) -> int:
        match factor:
            case Apply(function="id"):
                return self.of[factor.of.tensor.name]
            case Apply(function="recip"):
                return 1 if self.of[factor.of.tensor.name] else 0
            case Apply():
                return 1
        read = entry_of(factor)
        return 0 if read is None else self.of[read.tensor.name]

    def note(self, factor: Apply) -> None:
        """The function's arguments, and those of the functions that its derivative is made of."""
        title = factor.of.tensor.name
        degree = self.of[title]
        number = (prod(sizes(factor.of.tensor)), degree)
        names = {factor.function, *(n for _, names in DERIVATIVE.get(factor.function, ()) for n in names)}
        for name in names - ({IDENTITY} if degree else {IDENTITY, INVERSE}):
            self.arguments.setdefault(name, []).append(number)
            if name == INVERSE:
                self.inverted[title] = number

    def sides(self) -> int:
        """The degree of the difference of the two sides."""
        right = self.of[self.claim.right.tensor.name]
        (term,) = self.claim.left.terms
        match term.factors:
            case (Partial() as partial,):
                return max(right, self.slope(partial.of.tensor.name))
            case (Read() as read,):
                return max(right, self.of[read.tensor.name])
        return right

    def slope(self, loss: str) -> int:
        """A bound of the degree of any derivative of the loss: each stage multiplies by a factor's slope."""
        degree = 0
        for definition in self.claim.setting.definitions:
            degree += self.of[definition.tensor.name] + self.steepest(definition)
        return degree + self.of[loss]

    def steepest(self, definition: Definition) -> int:
        """The largest degree of a derivative of a function that a definition applies."""
        found = [0]
        for factor in (f for t in definition.body.terms for f in t.factors if isinstance(f, Apply)):
            degree = self.of[factor.of.tensor.name]
            for _, names in DERIVATIVE.get(factor.function, ()):
                found.append(sum(degree if n == IDENTITY else 1 for n in names))
        return max(found)

    def cleared(self, degree: int) -> int:
        """The degree after the inverses are multiplied away, the latest first."""
        for count, own in reversed(self.inverted.values()):
            degree += degree * count * own
        return degree
