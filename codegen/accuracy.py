"""Owns how exact the functions of the element headers are: measured against mpmath, and the published bounds.

`python -m codegen.accuracy` measures and prints a table; `BOUNDS` is what no measurement may exceed and
what validation and documents cite. An error is counted in units of the last place (ulp) of the true
value; below the least normal number the unit is the step of the subnormal numbers, and below a function's
`FLOOR` (a derivative near its zero, where two terms of ordinary size cancel) it is the unit of the floor.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.compile import chosen_isa
from codegen.exact_functions import exact
from codegen.harness import UNKNOWN, Harness
from derive.functions import PARAMETERS

Array = NDArray[Any]
DTYPES = ("float32", "float64")

_EXACT = dict.fromkeys(("relu", "relu_prime", "leaky_relu_prime", "hardtanh", "hardtanh_prime"), 0.0)
_ROUNDED = dict.fromkeys(("leaky_relu", "recip"), 0.5)
_NARROW = dict.fromkeys((n for n in PARAMETERS if n not in UNKNOWN), 0.6)
_WIDE = {
    **dict.fromkeys(("softplus", "softplus_prime", "silu_prime", "power", "power_prime"), 0.6),
    **dict.fromkeys(("gelu_prime", "gelu_tanh_prime"), 0.6),
    **{"gelu": 1.0, "gelu_tanh": 1.0, "root": 0.8, "root_prime": 0.8},
    **{"exp": 0.9, "log": 0.9, "log_clamped": 0.9, "log_rest_clamped": 1.2, "bce_weight": 1.5},
    **{"sigmoid": 1.3, "sigmoid_prime": 1.9, "log_sigmoid": 1.7},
    **{"tanh": 1.5, "tanh_prime": 1.9, "silu": 1.8, "elu": 1.7, "elu_prime": 1.7},
}
BOUNDS: Mapping[str, Mapping[str, float]] = {
    "float32": {**_NARROW, **_EXACT, **_ROUNDED, "rsqrt": 1.5, "exp": 1.1},
    "float64": {**_WIDE, **_EXACT, **_ROUNDED, "rsqrt": 1.5},
}
"""Published errors in ulp, by dtype and function, that are not exceeded at any of many points.

Measured, with gcc 12.2 and glibc 2.36, and not proved but where they are 0 or 0.5. Nothing here is of f.
"""

FLOOR: Mapping[str, Mapping[str, float]] = {
    "float64": {"gelu_prime": 2.0**-9, "gelu_tanh_prime": 2.0**-9, "silu_prime": 2.0**-9},
    "float32": {},
}

PARAMETER_SETS: Mapping[tuple[str, ...], Sequence[tuple[float, ...]]] = {
    (): ((),),
    ("negative_slope",): ((0.01,), (0.2,), (-0.3,)),
    ("beta", "threshold"): ((1.0, 20.0), (0.7, 5.0), (3.0, 20.0), (2.5, 800.0)),
    ("alpha",): ((1.0,), (0.7,), (1.67326,)),
    ("min_val", "max_val"): ((-1.0, 1.0), (0.0, 6.0)),
    ("norm_type",): ((1.0,), (2.0,), (3.0,), (2.5,), (0.7,), (4.0,), (7.3,)),
}
"""Parameters with which functions are measured, by the names of the parameters."""

TURNS = (0, 0.25, 0.5, 0.55, 0.625, 0.7517916, 0.7524614, 1, 1.2784645, 2, 5, 7.1428571, 20, 28.571428)
EDGES = (38.6, 87, 88.72, 100, 103.97, 320, 709, 709.78, 745.1, 1e-12, 1e12)
"""Places where a function turns, switches, overflows or vanishes."""


@dataclass(frozen=True)
class Measured:
    """The worst error of one function: in ulps, where, with which parameters, over how many points."""

    name: str
    dtype: str
    ulps: float
    at: float
    parameters: tuple[float, ...]
    points: int

    @property
    def line(self) -> str:
        inside = ", ".join(f"{v:g}" for v in (self.at, *self.parameters))
        return f"{self.name:<18} {self.dtype}  {self.ulps:7.3f} ulp  at ({inside}), {self.points} points"


def points(dtype: str, count: int, seed: int) -> Array:
    """Numbers of the dtype: all exponents and both signs, ordinary sizes, and close around every turn.

    Returns an array of about count elements, finite, the same for the same seed.
    """
    rng, info = np.random.default_rng(seed), np.finfo(dtype)
    share = count // 4
    exponents = rng.uniform(info.minexp - info.nmant, info.maxexp, share)
    with np.errstate(over="ignore"):
        everywhere = np.exp2(exponents).astype(dtype)
    ordinary = np.concatenate([rng.uniform(0, 4, share), rng.uniform(0, 45, share // 2)])
    tail = rng.uniform(0, 110 if dtype == "float32" else 760, share // 2)
    turns = np.array(TURNS + EDGES, dtype)
    apart = np.exp2(-rng.uniform(1, 24, (share // len(turns), len(turns))))
    near = turns * (1 + rng.choice([-1, 1], apart.shape) * apart)
    steps = [turns, *(np.nextafter(turns, end, dtype=dtype) for end in (np.inf, 0))]
    found = np.concatenate([everywhere, ordinary, tail, near.reshape(-1), *steps]).astype(dtype)
    both = np.concatenate([found, -found])
    return np.asarray(both[np.isfinite(both)])


def error_in_ulps(found: float, true: Any, dtype: str, floor: float = 0.0) -> float:
    """|found - true| in units of the last place of the larger of |true| and floor.

    A true value beyond the largest number counts as one step above it, where infinity is found.
    """
    import mpmath

    info = np.finfo(dtype)
    size = max(abs(true), mpmath.mpf(floor), mpmath.mpf(float(info.tiny)))
    exponent = min(mpmath.frexp(size)[1], info.maxexp)
    unit = mpmath.ldexp(1, int(exponent) - info.nmant - 1)
    top = mpmath.ldexp(1, info.maxexp)
    if math.isinf(found) and abs(true) <= top:
        return float((top - abs(true)) / unit) if (true > 0) == (found > 0) else math.inf
    if math.isinf(found):
        return 0.0 if (true > 0) == (found > 0) else math.inf
    if abs(true) > top:
        true = top if true > 0 else -top
    return float(abs(mpmath.mpf(found) - true) / unit)


def measure(harness: Harness, name: str, x: Array, vectors: bool = True) -> Measured:
    """The worst error of a function at x over its sets of parameters; NaN where there is no value."""
    dtype = harness.dtype.name
    worst, count = Measured(name, dtype, 0.0, 0.0, (), 0), 0
    floor = FLOOR[dtype].get(name, 0.0)
    for wanted in PARAMETER_SETS[PARAMETERS[name]]:
        parameters = tuple(float(harness.dtype.type(q)) for q in wanted)
        for at, found in zip(x.tolist(), harness(name, x, parameters, vectors).tolist(), strict=True):
            true = exact(name, at, parameters)
            if true is None:
                continue
            count += 1
            ulps = math.inf if math.isnan(found) else error_in_ulps(found, true, dtype, floor)
            if ulps > worst.ulps:
                worst = Measured(name, dtype, ulps, at, parameters, 0)
    return Measured(name, dtype, worst.ulps, worst.at, worst.parameters, count)


def measured(
    dtype: str, count: int, seed: int, names: Sequence[str] = (), isa: str = "native"
) -> Iterator[Measured]:
    """Every function (or the named ones) of one dtype at about `count` points for each set of parameters."""
    harness = Harness(dtype, chosen_isa(isa))
    x = points(dtype, count, seed)
    for name in names or [n for n in PARAMETERS if n not in UNKNOWN]:
        yield measure(harness, name, x)


def main(arguments: Sequence[str]) -> int:
    """Prints the table: [points [function ...]]; status 1 where a published bound is exceeded."""
    count = int(arguments[0]) if arguments else 4000
    over = 0
    for dtype in DTYPES:
        for found in measured(dtype, count, 1, arguments[1:]):
            exceeds = found.ulps > BOUNDS[dtype][found.name]
            over += exceeds
            print(found.line + ("  EXCEEDS its bound" if exceeds else ""), flush=True)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
