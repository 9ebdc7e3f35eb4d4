"""Numbers that know how far a float64 computation of theirs may be off, and what they came from.

A `Ball` is a value in extended precision and a radius: every float64 evaluation of the same formula, in any
order of its additions and with functions of PyTorch's accuracy, is within the radius. A `Taped` number also
keeps its operands with the derivative by each, so that `gradients` differentiates whatever loops computed it,
in reverse, and the gradients are balls again.

The radius. With u = 2^-53 one operation adds u times its magnitude; a sum of n numbers in any order adds
(n - 1) u times the sum of magnitudes (Higham, Accuracy and Stability, section 4.2); a function adds 2 u (one
unit in the last place) times its magnitude and carries the radius of its argument by its slope. UNIT is u
enlarged by 2^-8, which pays for the terms in u^2 and for the rounding of the value itself, done with
2^-63. A slope is taken at the value: radii are so small that its change is inside the same 2^-8, and
`slope` refuses where they are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np

Real = np.longdouble
UNIT = 2.0**-53 * (1 + 2.0**-8)
PI = Real("3.14159265358979323846264338327950288")
LEAST = 2.0**-1022
"""What an operation loses where its result is too small for float64; functions may give 0 there."""

ULP = 2
"""Roundings that one value of a library function costs: its error is below one unit in the last place."""


@dataclass(frozen=True)
class Ball:
    """A value, and how far a float64 computation of it may be from it."""

    value: Any
    radius: float = 0.0

    def rounded(self, times: int = 1) -> Ball:
        """The same after so many roundings, any of which may underflow."""
        size = abs(float(self.value)) + self.radius
        return Ball(self.value, self.radius + times * (UNIT * size + LEAST))

    def __add__(self, other: Ball) -> Ball:
        return Ball(self.value + other.value, self.radius + other.radius).rounded()

    def __mul__(self, other: Ball) -> Ball:
        one, two = abs(float(self.value)), abs(float(other.value))
        spread = one * other.radius + two * self.radius + self.radius * other.radius
        return Ball(self.value * other.value, spread).rounded()

    def __neg__(self) -> Ball:
        return Ball(-self.value, self.radius)


def exact(value: Any) -> Ball:
    return value if isinstance(value, Ball) else Ball(Real(value))


def constant(value: Fraction | float) -> Ball:
    """A decimal, rounded once by whoever computes in float64; whole numbers and halves are exact there."""
    share = Fraction(value)
    found = Ball(Real(share.numerator) / Real(share.denominator))
    return found if float(share) == share else found.rounded()


ONE = Ball(Real(1))


def summed(balls: Sequence[Ball]) -> Ball:
    """The sum in any order."""
    if not balls:
        return Ball(Real(0))
    size = sum(abs(float(b.value)) + b.radius for b in balls)
    return Ball(
        sum((b.value for b in balls), Real(0)), sum(b.radius for b in balls) + (len(balls) - 1) * UNIT * size
    )


def slope(ball: Ball, size: float, curve: float) -> float:
    """The radius carried by a function of this slope, which changes by less than 2^-8 (curve: f''/f')."""
    assert ball.radius * curve < 2.0**-8, f"a radius of {ball.radius} is no rounding error"
    return ball.radius * size * (1 + 2.0**-8)


def exp_ball(x: Ball) -> Ball:
    value = np.exp(x.value)
    return Ball(value, slope(x, float(value), 1.0)).rounded(ULP)


def log_ball(x: Ball) -> Ball:
    size = float(1 / x.value) if x.value else math.inf
    return Ball(np.log(x.value), slope(x, size, size) if x.radius else 0.0).rounded(ULP)


def recip_ball(x: Ball) -> Ball:
    value = 1 / x.value
    return Ball(value, slope(x, float(value * value), abs(float(value)))).rounded()


def sqrt_ball(x: Ball) -> Ball:
    value = np.sqrt(x.value)
    if not x.radius:
        return Ball(value).rounded()
    return Ball(value, slope(x, float(1 / (2 * value)), float(1 / x.value))).rounded()


def sigmoid_ball(x: Ball) -> Ball:
    """1 / (1 + exp(-x)), by the exponential that is at most 1."""
    if x.value > 0:
        return recip_ball(ONE + exp_ball(-x))
    e = exp_ball(x)
    return e * recip_ball(ONE + e)


def power_ball(x: Ball, p: Fraction) -> Ball:
    """x^p as a library's pow: zero and negative numbers where p allows them."""
    value = real_power(x.value, p)
    carried = 0.0
    if x.radius:
        change = abs(float(p) / float(x.value))
        carried = slope(x, change * abs(float(value)), change)
    if float(p) != p:  # the exponent is rounded too
        carried += UNIT * abs(float(p) * float(value) * math.log(float(x.value)))
    return Ball(value, carried).rounded(ULP)


def real_power(x: Any, p: Fraction) -> Any:
    if p.denominator == 1:
        return x ** int(p)
    return np.power(x, Real(p.numerator) / Real(p.denominator))


def log1p_ball(x: Ball) -> Ball:
    size = float(1 / (1 + x.value))
    return Ball(np.log1p(x.value), slope(x, size, size)).rounded(ULP)


def erf_ball(x: Ball) -> Ball:
    with mpmath.workdps(30):
        value = Real(mpmath.nstr(mpmath.erf(mpmath.mpf(str(x.value))), 25))
    size = 2 / math.sqrt(math.pi) * math.exp(-(float(x.value) ** 2))
    return Ball(value, slope(x, size, 2 * abs(float(x.value)))).rounded(ULP)


def tanh_ball(x: Ball) -> Ball:
    value = np.tanh(x.value)
    return Ball(value, slope(x, float(1 - value * value), 2.0)).rounded(ULP)


@dataclass(eq=False)
class Taped:
    """A ball with the operands it was computed from, and its derivative by each."""

    ball: Ball
    parents: tuple[tuple[Taped, Ball], ...] = ()
    sent: list[Ball] = field(default_factory=list)

    @property
    def value(self) -> Any:
        return self.ball.value

    def __add__(self, other: Any) -> Taped:
        other = taped(other)
        one = Ball(Real(1))
        return Taped(self.ball + other.ball, ((self, one), (other, one)))

    def __neg__(self) -> Taped:
        return Taped(-self.ball, ((self, Ball(Real(-1))),))

    def __sub__(self, other: Any) -> Taped:
        return self + -taped(other)

    def __rsub__(self, other: Any) -> Taped:
        return taped(other) - self

    def __mul__(self, other: Any) -> Taped:
        other = taped(other)
        return Taped(self.ball * other.ball, ((self, other.ball), (other, self.ball)))

    def __truediv__(self, other: Any) -> Taped:
        return self * recip(taped(other))

    def __rtruediv__(self, other: Any) -> Taped:
        return taped(other) * recip(self)

    __radd__ = __add__
    __rmul__ = __mul__

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < taped(other).value)

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > taped(other).value)


def taped(value: Any) -> Taped:
    """A number as it is: a float64 or whole number exactly, a Fraction as the decimal that stands for it."""
    if isinstance(value, Taped):
        return value
    if isinstance(value, Fraction):
        return Taped(constant(value))
    return Taped(exact(value))


def constant_of(value: Fraction) -> Taped:
    return Taped(constant(value))


def root_two_over_pi() -> Taped:
    return Taped(Ball(np.sqrt(2 / PI)).rounded())


def total(numbers: Iterable[Any]) -> Taped:
    """The sum, in whatever order the other side adds."""
    parts = [taped(n) for n in numbers]
    one = Ball(Real(1))
    return Taped(summed([p.ball for p in parts]), tuple((p, one) for p in parts))


def applied(x: Any, value: Callable[[Ball], Ball], slope_at: Callable[[Ball, Ball], Ball]) -> Taped:
    """A function of one number: its ball, and the ball of its derivative from argument and value."""
    x = taped(x)
    found = value(x.ball)
    return Taped(found, ((x, slope_at(x.ball, found)),))


def exp(x: Any) -> Taped:
    return applied(x, exp_ball, lambda _, y: y)


def log(x: Any) -> Taped:
    return applied(x, log_ball, lambda x, _: recip_ball(x))


def recip(x: Any) -> Taped:
    return applied(x, recip_ball, lambda _, y: -(y * y))


def log1p(x: Any) -> Taped:
    return applied(x, log1p_ball, lambda x, _: recip_ball(ONE + x))


def sqrt(x: Any) -> Taped:
    return applied(x, sqrt_ball, lambda _, y: recip_ball(y + y))


def tanh(x: Any) -> Taped:
    return applied(x, tanh_ball, lambda _, y: ONE + -(y * y))


def erf(x: Any) -> Taped:
    return applied(
        x,
        erf_ball,
        lambda x, _: exp_ball(-(x * x)) * Ball(2 / np.sqrt(PI)).rounded(),
    )


def power(x: Any, p: Fraction) -> Taped:
    """x^p; the derivative p x^(p-1), 0 for p = 0."""
    return applied(x, lambda x: power_ball(x, p), lambda x, _: constant(p) * power_ball(x, p - 1))


def gradients(results: Iterable[tuple[Taped, float]], wrt: Sequence[Taped]) -> list[Ball]:
    """d sum(weight * result) by each number of `wrt`, every contribution added in any order."""
    order: list[Taped] = []
    seen: set[int] = set()
    pairs = [(taped(r), exact(w)) for r, w in results]
    stack: list[tuple[Taped, bool]] = [(r, False) for r, _ in pairs]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack += [(node, True), *((p, False) for p, _ in node.parents)]
    for node in order:
        node.sent = []
    for node, weight in pairs:
        node.sent.append(weight)
    for node in reversed(order):
        arrived = summed(node.sent)
        node.sent = [arrived]
        for parent, by in node.parents:
            parent.sent.append(arrived * by)
    return [summed(w.sent) if id(w) in seen else Ball(Real(0)) for w in wrt]
