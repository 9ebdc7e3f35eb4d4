"""The functions that a factor may apply to an entry, and what their derivatives are. Trusted.

A derivative is a polynomial in functions of the same argument: coefficients with the names multiplied, where
"id" is the argument itself. `functions_formulas.py` says what each function is and checks this table
against it; the proofs use nothing but the table, so they hold for the unknown f as they do for exp.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

Polynomial = tuple[tuple[Fraction, tuple[str, ...]], ...]

IDENTITY = "id"
INVERSE = "recip"

_PARAMETRIC: Mapping[str, tuple[str, ...]] = {
    "relu": (),
    "leaky_relu": ("negative_slope",),
    "sigmoid": (),
    "tanh": (),
    "softplus": ("beta", "threshold"),
    "gelu": (),
    "gelu_tanh": (),
    "silu": (),
    "elu": ("alpha",),
    "hardtanh": ("min_val", "max_val"),
    "power": ("norm_type",),
    "root": ("norm_type",),
    "f": (),
}
"""Functions whose derivative is a function of its own, `<name>_prime`, with the same parameters."""

_CLOSED: Mapping[str, Polynomial] = {
    "exp": ((Fraction(1), ("exp",)),),
    "log": ((Fraction(1), (INVERSE,)),),
    INVERSE: ((Fraction(-1), (INVERSE, INVERSE)),),
    "rsqrt": ((Fraction(-1, 2), ("rsqrt", "rsqrt", "rsqrt")),),
    "log_sigmoid": ((Fraction(1), ()), (Fraction(-1), ("sigmoid",))),
    "log_clamped": ((Fraction(1), ("bce_weight",)), (Fraction(-1), ("bce_weight", IDENTITY))),
    "log_rest_clamped": ((Fraction(-1), ("bce_weight", IDENTITY)),),
}
"""Functions whose derivative is a polynomial in known ones; bce_weight is 1/(x(1 - x))."""

DERIVATIVE: Mapping[str, Polynomial] = {
    **{name: ((Fraction(1), (f"{name}_prime",)),) for name in _PARAMETRIC},
    **_CLOSED,
}

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    **_PARAMETRIC,
    **{f"{name}_prime": parameters for name, parameters in _PARAMETRIC.items()},
    **{name: () for name in _CLOSED},
    "bce_weight": (),
}
"""Every function with the names of its parameters, which are numbers that a layer gives."""

NUMBER: Mapping[str, int] = {name: place for place, name in enumerate(sorted(PARAMETERS), start=1)}
"""A number for each function, by which checks with unknown functions tell them apart."""
