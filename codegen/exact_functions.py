"""Owns what every function of `derive.functions` is, as a number to any precision (mpmath, when asked).

These are the definitions by their plain formulas, at a precision at which cancellation does not matter;
they share nothing with the C text, whose stable forms are compared with them. At kinks the derivatives
are PyTorch's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

BITS = 1500
"""Of precision: 1 - tanh(u), 1 + exp(-u), exp(u) - 1 keep 400 of them wherever they are doubles at all."""
FEWER = 300
"""The same where the plain formula does not cancel that far, and more would be slow."""

Number = Any
"""An mpmath number."""


def exact(name: str, x: float, parameters: tuple[float, ...] = ()) -> Number | None:
    """The function at x for the given parameters, all taken as the exact numbers they are.

    Args:
        x: finite. parameters: in the order of `derive.functions.PARAMETERS[name]`, finite.

    Returns:
        An mpmath number, exact to far more bits than a double has; None where the function has no finite
        real value (the log of a number below zero, a pole).
    """
    import mpmath

    with mpmath.workprec(FEWER if name in ("gelu", "gelu_prime") else BITS):
        try:
            found = formulas()[name](mpmath.mpf(x), *map(mpmath.mpf, parameters))
        except (ZeroDivisionError, ValueError):
            return None
        return found if isinstance(found, mpmath.mpf) and mpmath.isfinite(found) else None


@cache
def formulas() -> Mapping[str, Callable[..., Number]]:
    """The formula by name, over mpmath numbers, at the precision that is set."""
    return {**_stepwise(), **_sigmoids(), **_gelus(), **_powers(), **_logarithms()}


def _stepwise() -> dict[str, Callable[..., Number]]:
    from mpmath import exp, mpf

    return {
        "relu": lambda x: max(x, mpf(0)),
        "relu_prime": lambda x: mpf(x > 0),
        "leaky_relu": lambda x, slope: x if x > 0 else slope * x,
        "leaky_relu_prime": lambda x, slope: mpf(1) if x > 0 else slope,
        "hardtanh": lambda x, low, high: min(max(x, low), high),
        "hardtanh_prime": lambda x, low, high: mpf(low < x < high),
        "elu": lambda x, alpha: x if x > 0 else alpha * (exp(x) - 1),
        "elu_prime": lambda x, alpha: mpf(1) if x > 0 else alpha * exp(x),
    }


def _sigmoids() -> dict[str, Callable[..., Number]]:
    from mpmath import exp, log, mpf

    def sigmoid(x: Number) -> Number:
        return 1 / (1 + exp(-x))

    def tanh(x: Number) -> Number:
        return 1 - 2 / (exp(2 * x) + 1)

    return {
        "sigmoid": sigmoid,
        "sigmoid_prime": lambda x: exp(x) / (1 + exp(x)) ** 2,
        "tanh": tanh,
        "tanh_prime": lambda x: 4 * exp(2 * x) / (exp(2 * x) + 1) ** 2,
        "silu": lambda x: x * sigmoid(x),
        "silu_prime": lambda x: sigmoid(x) + x * exp(x) / (1 + exp(x)) ** 2,
        "softplus": lambda x, beta, threshold: x if beta * x > threshold else log(1 + exp(beta * x)) / beta,
        "softplus_prime": lambda x, beta, threshold: mpf(1) if beta * x > threshold else sigmoid(beta * x),
    }


def _gelus() -> dict[str, Callable[..., Number]]:
    from mpmath import erfc, exp, mpf, pi, sqrt

    def share(x: Number) -> Number:
        """The normal distribution; beyond 10,000 it is 0 or 1 to more digits than any double has."""
        return erfc(max(min(-x / sqrt(2), mpf(10000)), mpf(-10000))) / 2

    def slope(x: Number) -> Number:
        return 2 * sqrt(2 / pi) * (x + mpf(44715) / 1000000 * x**3)

    def rising(x: Number) -> Number:
        """(1 + tanh(u)) / 2 at u = x / 2; beyond 100,000 it is 0 or 1 to more digits than any double has."""
        return 1 / (1 + exp(-max(min(x, mpf(100000)), mpf(-100000))))

    def gelu_tanh_prime(x: Number) -> Number:
        y = slope(x)
        inner = 2 * sqrt(2 / pi) * (1 + 3 * mpf(44715) / 1000000 * x**2)
        return rising(y) + x * inner * rising(y) * rising(-y)

    return {
        "gelu": lambda x: x * share(x),
        "gelu_prime": lambda x: share(x) + x * exp(-(x**2) / 2) / sqrt(2 * pi),
        "gelu_tanh": lambda x: x * rising(slope(x)),
        "gelu_tanh_prime": gelu_tanh_prime,
    }


def _powers() -> dict[str, Callable[..., Number]]:
    from mpmath import exp, mpf, sqrt

    return {
        "exp": exp,
        "recip": lambda x: 1 / x,
        "rsqrt": lambda x: 1 / sqrt(x),
        "power": lambda x, p: x**p,
        "power_prime": lambda x, p: p * x ** (p - 1),
        "root": lambda x, p: x ** (1 / p),
        "root_prime": lambda x, p: mpf(0) if x == 0 else x ** (1 / p - 1) / p,
    }


def _logarithms() -> dict[str, Callable[..., Number]]:
    from mpmath import exp, log, mpf

    return {
        "log": log,
        "log_sigmoid": lambda x: -log(1 + exp(-x)),
        "log_clamped": lambda x: max(log(x), mpf(-100)) if x > 0 else mpf(-100) if x == 0 else log(x),
        "log_rest_clamped": lambda x: (
            max(log(1 - x), mpf(-100)) if x < 1 else mpf(-100) if x == 1 else log(1 - x)
        ),
        "bce_weight": lambda x: 1 / max(x * (1 - x), mpf(1) / 10**12),
    }
