"""Owns the right results of a non-linear layer on numbers, and the comparison with somebody's results.

The right values are those of the definitions, and of their reverse differentiation (`evaluate.py`), in
extended precision, with the bound of the rounding that a computation in float64 may commit; the same for
float32 tells what rounding could explain from what it could not. The bound is that of the definition's own
formula; usual ones such as s (1 - s) for the derivative of s cancel, and round at the scale of what they
cancel from. Where functions are applied, so much is allowed besides: ROOM of the largest magnitude among the
result and what it is computed from. A mistake smaller than that is not seen, and the report says so.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from derive.claim import Claim
from derive.errors import BackflipError, LayerError
from derive.evaluate import Evaluator
from derive.expr import Apply
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.numbers_reals import Reals
from derive.verify_draws import Arrays, drawn

STEEP = ("exp", "log", "sigmoid", "log_sigmoid", "silu", "softplus", "tanh")
"""Functions whose usual formulas overflow, or lose all digits, at large arguments."""
ROOM = 2.0**-47
"""64 roundings of float64, as a part of the largest magnitude (of float32: 2^29 times as much)."""
BENT = ("relu", "leaky_relu", "elu", "hardtanh", "softplus", "power", "root")
"""Functions without a derivative at some place."""
MOST_SHOWN = 12
"""Entries up to which an operand is shown beside a wrong entry."""


@dataclass(frozen=True)
class Near:
    """The right values of one result, and how far a floating-point computation may be from them."""

    value: NDArray[Any]
    bound: NDArray[Any]

    def wrong(self, got: NDArray[Any]) -> NDArray[np.bool_]:
        """Where a result is further off than the bound; NaN and infinities have to be where they should."""
        with np.errstate(all="ignore"):
            same = (got == self.value) | (np.isnan(got) & np.isnan(self.value))
            found: NDArray[np.bool_] = ~(same | (np.abs(got - self.value) <= self.bound))
        return found


@dataclass(frozen=True)
class Judge:
    """The definitions of a layer at a shape, evaluated."""

    layer: Layer
    shape: tuple[int, ...]

    @cached_property
    def claim(self) -> Claim:
        claims = claims_of(type(self.layer), self.layer.choices(self.shape))
        return claim_at(claims["output"], self.layer.sizes(self.shape))

    def functions(self) -> set[str]:
        """The functions that the layer applies."""
        terms = (t for d in self.claim.setting.definitions for t in d.body.terms)
        return {f.function for t in terms for f in t.factors if isinstance(f, Apply)}

    @property
    def real(self) -> bool:
        """Whether results are more than polynomials of the operands with a gradient to scale them."""
        own = self.layer
        scalar = not self.claim.target.shape
        return bool(scalar or own.codes(self.shape) or own.shifts(self.shape) or self.functions())

    def evaluator(self, numbers: Any) -> Evaluator:
        own, shape = self.layer, self.shape
        return Evaluator(
            self.claim.setting,
            numbers,
            tables=own.tables(shape),
            parameters=own.parameters(),
            codes=own.codes(shape),
            shifts=own.shifts(shape),
        )

    def values(
        self, key: str, arrays: Mapping[str, NDArray[Any]], shape: tuple[int, ...], dtype: str = "float64"
    ) -> Near:
        """One result in the user's shape: "output", "indices", or an operand's name for its gradient."""
        numbers = Reals(dtype)
        values = self.evaluator(numbers).at(self._codes(arrays))
        if key == "indices":
            (title,) = self.layer.codes(self.shape)
            codes = values.code(values.evaluator.tensors[title]).reshape(shape)
            return Near(codes.astype(np.longdouble), np.zeros(shape, np.longdouble))
        bounded = values.tensor(key) if key == "output" else values.gradient("loss", key)
        value, error = bounded.value, numbers.error(bounded)
        if self.functions():
            scale = _largest(arrays["input" if key == "output" else "grad_output"])
            error = error + ROOM * max(_largest(value), scale) * (1 if dtype == "float64" else 2**29)
        return Near(value.reshape(shape), error.reshape(shape))

    def _codes(self, arrays: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The operands, a target that is ignored as the code of no class."""
        ignored = getattr(self.layer, "ignore_index", None)
        if ignored is None or arrays["target"].dtype.kind != "i":
            return arrays
        target = arrays["target"]
        return {**arrays, "target": np.where(target == ignored, -1, target)}

    def bends(self) -> bool:
        """Whether there are places at which a convention stands for the derivative."""
        first = any(code.first for code in self.layer.codes(self.shape).values())
        return first or bool(self.functions() & set(BENT))


def _largest(array: NDArray[Any]) -> float:
    """The largest finite magnitude, at least 1: functions such as exp are near 1 in between."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=1.0))


def known(layer: Layer, shape: tuple[int, ...]) -> None:
    """LayerError where a function of the layer is not known, so that no number can be compared."""
    if "f" in Judge(layer, shape).functions():
        raise LayerError(
            "f is not known",
            where=repr(layer),
            expected="a layer whose function is one, such as Tanh()",
            got="the unknown f",
            mend="verify against ReLU(), Sigmoid(), GELU(), ...",
        )


def operands(layer: Layer, shape: tuple[int, ...], how: str, takes_grad: bool) -> Arrays:
    """Operands of one run; the gradient of a loss is 1 where the function takes none."""
    seed = random.SystemRandom().getrandbits(64)
    arrays = drawn(layer, shape, how, np.random.default_rng(seed))
    if not takes_grad:
        arrays["grad_output"] = np.ones_like(arrays["grad_output"])
    return arrays


@dataclass(frozen=True)
class Fault:
    """What was wrong in one result of a run; `near` where float32 rounding would explain it."""

    key: str
    text: str
    arrays: Arrays
    got: NDArray[Any] | None = None
    right: NDArray[Any] | None = None
    near: bool = False


def compared(
    judge: Judge, key: str, title: str, value: object, arrays: Arrays, shape: tuple[int, ...]
) -> Fault | None:
    """One result against the right one; None where it is within the bound of float64."""
    if np.ma.isMaskedArray(value):
        return Fault(key, f"{title} is a masked array", arrays)
    try:
        got = np.asarray(value).astype(np.float64)
    except (TypeError, ValueError):
        return Fault(key, f"{title} is not made of numbers", arrays)
    right = judge.values(key, arrays, shape)
    plain = right.value.astype(np.float64)
    if got.shape != shape:
        return Fault(key, f"{title} has shape {got.shape}, expected {shape}", arrays, got, plain)
    wrong = right.wrong(got)
    if not wrong.any():
        return None
    worse = judge.values(key, arrays, shape, "float32").wrong(got)
    at = tuple(int(i) for i in np.unravel_index(int(np.argmax(worse if worse.any() else wrong)), shape))
    text = f"{title}{list(at) or ''}: got {got[at]:.17g}, expected {plain[at]:.17g}"
    return Fault(key, text, arrays, got, plain, not worse.any())


def shown(fault: Fault) -> Iterator[str]:
    """The operands of a wrong entry, where they are few."""
    idle = ("grad_output",) if fault.key in ("output", "indices") else ()
    for name, array in fault.arrays.items():
        if array.size <= MOST_SHOWN and name not in idle and not name.startswith("running_"):
            yield f"at {name} = {array.tolist()}"


def steep(judge: Judge) -> bool:
    """Whether large inputs are worth a run."""
    return bool(judge.functions() & set(STEEP))


def other_results(layer: Layer, shape: tuple[int, ...], **changes: Any) -> Judge | None:
    """The layer with other arguments, where it takes this shape."""
    try:
        other: Any = replace(layer, **changes)
        other.operands(shape)
    except (BackflipError, TypeError):
        return None
    return Judge(other, shape)
