"""Owns the true values of the functions in extended precision, and between which points each is monotone.

Formulas and the choices at kinks are those of `functions_formulas.py` (PyTorch's); here they are computed
with NumPy's long double, in the form that loses no digits. `TURNS` lists the points at which a function turns
or jumps, so that its largest change over an interval is found at finitely many points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.errors import ProofError

Long: Any = np.longdouble
Reals = NDArray[Any]
EPS = float(np.finfo(np.longdouble).eps)
ULPS = 2.0**9
"""Error of a value here, in units of the last place of a long double: erfc by series loses the most."""

PI = Long("3.14159265358979323846264338327950288")
ROOT_TWO = np.sqrt(Long(2))
BEND = np.sqrt(Long(2) / PI)
CUBE = Long(44715) / Long(10**6)
SERIES, FRACTION = 90, 80
NEGLIGIBLE = Long(2) ** -70


def erfc(x: Reals) -> Reals:
    """1 - erf(x): a series of positive terms up to 2, a continued fraction beyond, erfc(-x) = 2 - erfc(x)."""
    x = np.asarray(x, Long)
    size, found = np.abs(x), np.full(x.shape, np.nan, Long)
    near, far = size <= 2, size > 2
    found[near], found[far] = _erfc_near(size[near]), _erfc_far(size[far])
    return np.asarray(np.where(np.isnan(x), x, np.where(x >= 0, found, 2 - found)))


def _erfc_near(x: Reals) -> Reals:
    """The series, at 0 to 2; it ends where every further term is negligible, for each is less than half."""
    term, total, twice = x.copy(), x.copy(), 2 * x * x
    for n in range(1, SERIES):
        term *= twice / (2 * n + 1)
        total += term
        if n > 16 and not (term > NEGLIGIBLE * total).any():
            break
    return np.asarray(1 - 2 / np.sqrt(PI) * np.exp(-x * x) * total)


def _erfc_far(x: Reals) -> Reals:
    """The continued fraction, beyond 2."""
    below = x.copy()
    for n in range(FRACTION, 0, -1):
        below = x + Long(n) / 2 / below
    return np.asarray(np.exp(-x * x) / np.sqrt(PI) / below)


def logistic(x: Reals) -> Reals:
    """1 / (1 + exp(-x)), with the exponential that is at most 1."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + e), e / (1 + e)))


def _bell(x: Reals) -> Reals:
    return np.asarray(np.exp(-x * x / 2) / np.sqrt(2 * PI))


def _normal(x: Reals) -> Reals:
    return erfc(-x / ROOT_TWO) / 2


def _logistic_slope(x: Reals) -> Reals:
    return logistic(x) * logistic(-x)


def _bent(x: Reals) -> Reals:
    return np.asarray(BEND * (x + CUBE * x * x * x))


def _gelu_tanh_prime(x: Reals) -> Reals:
    """(1 + tanh b)/2 + x (1 - tanh^2 b) b'/2, by the logistic function of 2 b."""
    slope = BEND * (1 + 3 * CUBE * x * x)
    found = logistic(2 * _bent(x)) + 2 * x * slope * _logistic_slope(2 * _bent(x))
    return _zero_at_infinity(x, found, 0, 1)


def _zero_at_infinity(x: Reals, value: Reals, low: Any, high: Any) -> Reals:
    """The value, with its limits where x is infinite."""
    return np.asarray(np.where(x == -np.inf, Long(low), np.where(x == np.inf, Long(high), value)))


def _log1p_exp(x: Reals) -> Reals:
    """log(1 + exp(x))."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _kept(x: Reals, value: Reals) -> Reals:
    """The value, with NaN where x is NaN (a comparison forgets it)."""
    return np.asarray(np.where(np.isnan(x), x, value))


def _step(x: Reals, low: Any) -> Reals:
    return np.asarray(np.where(x > 0, Long(1), Long(low)))


def _inside(x: Reals, low: Any, high: Any) -> Reals:
    return np.asarray(np.where((x > low) & (x < high), Long(1), Long(0)))


def _softplus(x: Reals, beta: Any, threshold: Any) -> Reals:
    return np.asarray(np.where(beta * x > threshold, x, _log1p_exp(beta * x) / beta))


def _softplus_prime(x: Reals, beta: Any, threshold: Any) -> Reals:
    return np.asarray(np.where(beta * x > threshold, Long(1), logistic(beta * x)))


def _log_clamped(value: Reals) -> Reals:
    return np.asarray(np.maximum(value, Long(-100)))


VALUES: Mapping[str, Callable[..., Any]] = {
    "exp": np.exp,
    "log": np.log,
    "recip": lambda x: 1 / x,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "relu": lambda x: _kept(x, np.maximum(x, 0)),
    "relu_prime": lambda x: _step(x, 0),
    "leaky_relu": lambda x, slope: np.where(x > 0, x, slope * x),
    "leaky_relu_prime": _step,
    "sigmoid": logistic,
    "sigmoid_prime": _logistic_slope,
    "tanh": np.tanh,
    "tanh_prime": lambda x: 4 * _logistic_slope(2 * x),
    "softplus": _softplus,
    "softplus_prime": _softplus_prime,
    "gelu": lambda x: _zero_at_infinity(x, x * _normal(x), 0, np.inf),
    "gelu_prime": lambda x: _zero_at_infinity(x, _normal(x) + x * _bell(x), 0, 1),
    "gelu_tanh": lambda x: _zero_at_infinity(x, x * logistic(2 * _bent(x)), 0, np.inf),
    "gelu_tanh_prime": _gelu_tanh_prime,
    "silu": lambda x: _zero_at_infinity(x, x * logistic(x), 0, np.inf),
    "silu_prime": lambda x: _zero_at_infinity(x, logistic(x) + x * _logistic_slope(x), 0, 1),
    "elu": lambda x, alpha: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "elu_prime": lambda x, alpha: np.where(x > 0, Long(1), alpha * np.exp(np.minimum(x, 0))),
    "hardtanh": lambda x, low, high: _kept(x, np.minimum(np.maximum(x, low), high)),
    "hardtanh_prime": _inside,
    "power": np.power,
    "power_prime": lambda x, p: p * np.power(x, p - 1),
    "root": lambda x, p: np.power(x, 1 / p),
    "root_prime": lambda x, p: np.where(x == 0, Long(0), np.power(x, 1 / p - 1) / p),
    "log_sigmoid": lambda x: -_log1p_exp(-x),
    "log_clamped": lambda x: _log_clamped(np.log(x)),
    "log_rest_clamped": lambda x: _log_clamped(np.log1p(-x)),
    "bce_weight": lambda x: 1 / np.maximum(x * (1 - x), Long("1e-12")),
}
"""Each function of an array of long doubles and its parameters; the unknown f has no values."""

CANCELS: Mapping[str, float] = {"gelu_prime": 0.3, "gelu_tanh_prime": 0.3, "silu_prime": 0.3}
"""Functions with a zero at which two summands of this magnitude cancel: an error there is one of those."""

_GELU_LOW = (-0.7517915246935645,)
_GELU_TANH_LOW = (-0.7524614220710162,)
_SILU_LOW = (-1.2784645427610738,)
_EDGE = 1.0e-12

TURNS: Mapping[str, Callable[..., tuple[Any, ...]]] = {
    "recip": lambda: (0,),
    "rsqrt": lambda: (0,),
    "relu": lambda: (0,),
    "relu_prime": lambda: (0,),
    "leaky_relu": lambda slope: (0,),
    "leaky_relu_prime": lambda slope: (0,),
    "sigmoid_prime": lambda: (0,),
    "tanh_prime": lambda: (0,),
    "softplus": lambda beta, threshold: (threshold / beta,),
    "softplus_prime": lambda beta, threshold: (threshold / beta,),
    "gelu": lambda: _GELU_LOW,
    "gelu_prime": lambda: (-float(ROOT_TWO), float(ROOT_TWO)),
    "gelu_tanh": lambda: _GELU_TANH_LOW,
    "gelu_tanh_prime": lambda: (-1.418504008790829, 1.418504008790829),
    "silu": lambda: _SILU_LOW,
    "silu_prime": lambda: (-2.3993572805154, 2.3993572805154),
    "elu": lambda alpha: (0,),
    "elu_prime": lambda alpha: (0,),
    "hardtanh": lambda low, high: (low, high),
    "hardtanh_prime": lambda low, high: (low, high),
    "power": lambda p: (0,),
    "power_prime": lambda p: (0,),
    "root_prime": lambda p: (0,),
    "bce_weight": lambda: (_EDGE, 0.5, 1 - _EDGE),
}
"""Where a function turns or jumps; between two such points, and where none is listed, it is monotone."""


def value(name: str, x: Reals, parameters: Sequence[Any]) -> Reals:
    """A function at long doubles; what is no number comes out NaN or infinite, without warnings."""
    if name not in VALUES:
        raise ProofError("no values of this function", where=name, mend="a function with a name has values")
    with np.errstate(all="ignore"):
        return np.asarray(VALUES[name](np.asarray(x, Long), *parameters), Long)


def spread(name: str, x: Reals, error: Reals, parameters: Sequence[Any]) -> Reals:
    """The largest |f(y) - f(x)| over |y - x| <= error; infinite where f is not a number somewhere there.

    f is monotone between the points of TURNS, so its values over the interval lie between its values at the
    two ends, at those points and next to them.
    """
    here = value(name, x, parameters)
    found = np.zeros_like(here)
    with np.errstate(all="ignore"):
        for end in (x - error, x + error):
            found = np.fmax(found, _change(value(name, end, parameters), here))
        for turn in TURNS[name](*parameters) if name in TURNS else ():
            spot = Long(turn)
            inside = np.abs(spot - x) <= error
            points = [spot, np.nextafter(spot, Long(np.inf)), np.nextafter(spot, Long(-np.inf))]
            for there in value(name, np.array(points), parameters):
                found[inside] = np.fmax(found[inside], _change(there, here[inside]))
    return np.asarray(np.where(error == 0, Long(0), found))


def _change(there: Any, here: Reals) -> Reals:
    """|there - here|, infinite where it is not a number."""
    change = np.abs(there - here)
    return np.asarray(np.where(np.isnan(change), Long(np.inf), change))
