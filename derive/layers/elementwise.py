"""The activations, with torch.nn's arguments, and Activation for a function that nobody names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import check_shape, exact, flag
from derive.statements import elementwise

MOST_RANK = 5
"""Axes that an input may have."""


@dataclass(frozen=True, repr=False)
class _Elementwise(Layer):
    """Base: something done to each entry; input and output have the same shape, of up to five axes."""

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (2, 1, 3, 4, 5)}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {"rank": len(input_shape)}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        return {f"N_{i}": n for i, n in enumerate(check_shape(input_shape, 1, MOST_RANK))}


@dataclass(frozen=True, repr=False)
class _Activation(_Elementwise):
    """output = f(input), entry by entry. Raises LayerError on a wrong argument or shape."""

    function: ClassVar[str] = "f"
    kinks: ClassVar[tuple[str, ...]] = ()
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = ()

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: rank."""
        return elementwise.applied(cls.function, cls.chosen(choices)["rank"])

    def assumptions(self) -> tuple[str, ...]:
        """Where the function has a derivative, and what is taken where it has none."""
        return self.kinks


@dataclass(frozen=True, repr=False)
class Activation(_Activation):
    """The theorem for any differentiable function f: grad_input = grad_output * f'(input)."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Activation()", (2, 3)),)
    kinks: ClassVar[tuple[str, ...]] = ("f is differentiable at every entry of the input",)


@dataclass(frozen=True, repr=False)
class ReLU(_Activation):
    """max(input, 0), as torch.nn.ReLU; its derivative at 0 is taken as 0."""

    function: ClassVar[str] = "relu"
    kinks: ClassVar[tuple[str, ...]] = ("no entry of the input is 0; there the derivative is taken as 0",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ReLU()", (2, 3)),
        ("ReLU()", (1, 2, 3, 2)),
    )


@dataclass(frozen=True, repr=False)
class LeakyReLU(_Activation):
    """input where it is positive, else negative_slope * input, as torch.nn.LeakyReLU.

    Its derivative at 0 is taken as negative_slope.
    """

    negative_slope: float = 0.01

    function: ClassVar[str] = "leaky_relu"
    kinks: ClassVar[tuple[str, ...]] = (
        "no entry of the input is 0; there the derivative is taken as negative_slope",
    )
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("LeakyReLU()", (2, 3)),
        ("LeakyReLU(0.2)", (4,)),
    )

    def __post_init__(self) -> None:
        exact("negative_slope", self.negative_slope)

    def parameters(self) -> dict[str, Fraction]:
        """The slope below 0."""
        return {"negative_slope": exact("negative_slope", self.negative_slope)}


@dataclass(frozen=True, repr=False)
class Sigmoid(_Activation):
    """1 / (1 + exp(-input)), as torch.nn.Sigmoid."""

    function: ClassVar[str] = "sigmoid"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Sigmoid()", (2, 3)),)


@dataclass(frozen=True, repr=False)
class Tanh(_Activation):
    """The hyperbolic tangent, as torch.nn.Tanh."""

    function: ClassVar[str] = "tanh"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Tanh()", (2, 3)),)


@dataclass(frozen=True, repr=False)
class Softplus(_Activation):
    """log(1 + exp(beta * input)) / beta, and the input itself where beta * input > threshold.

    Source: torch.nn.Softplus.
    """

    beta: float = 1.0
    threshold: float = 20.0

    function: ClassVar[str] = "softplus"
    kinks: ClassVar[tuple[str, ...]] = (
        "beta * input is not the threshold anywhere; above it the function is the input itself",
    )
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Softplus()", (2, 3)),
        ("Softplus(beta=2.0, threshold=5.0)", (4,)),
    )

    def __post_init__(self) -> None:
        if exact("beta", self.beta) == 0:
            raise LayerError("division by zero", where="beta", expected="a number other than 0", got="0")
        exact("threshold", self.threshold)

    def parameters(self) -> dict[str, Fraction]:
        """beta and threshold."""
        return {t: exact(t, getattr(self, t)) for t in ("beta", "threshold")}


@dataclass(frozen=True, repr=False)
class GELU(_Activation):
    """input * Phi(input), or its tanh approximation, as torch.nn.GELU; approximate is 'none' or 'tanh'."""

    approximate: str = "none"

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        "approximate": ("none", "tanh"),
        "rank": (2, 1, 3, 4, 5),
    }
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("GELU()", (2, 3)),
        ("GELU('tanh')", (4,)),
    )

    def __post_init__(self) -> None:
        if self.approximate not in self.discrete["approximate"]:
            raise LayerError(
                "no such approximation",
                where="approximate",
                expected="'none' or 'tanh'",
                got=repr(self.approximate),
            )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: approximate, rank."""
        chosen = cls.chosen(choices)
        function = "gelu" if chosen["approximate"] == "none" else "gelu_tanh"
        return elementwise.applied(function, chosen["rank"])


@dataclass(frozen=True, repr=False)
class SiLU(_Activation):
    """input * sigmoid(input), as torch.nn.SiLU."""

    function: ClassVar[str] = "silu"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("SiLU()", (2, 3)),)


@dataclass(frozen=True, repr=False)
class ELU(_Activation):
    """input where it is positive, else alpha * (exp(input) - 1), as torch.nn.ELU."""

    alpha: float = 1.0

    function: ClassVar[str] = "elu"
    kinks: ClassVar[tuple[str, ...]] = (
        "alpha = 1, or no entry of the input is 0; there the derivative is taken as alpha",
    )
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ELU()", (2, 3)), ("ELU(0.5)", (4,)))

    def __post_init__(self) -> None:
        exact("alpha", self.alpha)

    def parameters(self) -> dict[str, Fraction]:
        """alpha."""
        return {"alpha": exact("alpha", self.alpha)}


@dataclass(frozen=True, repr=False)
class Hardtanh(_Activation):
    """The input, cut off below min_val and above max_val, as torch.nn.Hardtanh."""

    min_val: float = -1.0
    max_val: float = 1.0

    function: ClassVar[str] = "hardtanh"
    kinks: ClassVar[tuple[str, ...]] = (
        "no entry of the input is min_val or max_val; there the derivative is taken as 0",
    )
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Hardtanh()", (2, 3)),
        ("Hardtanh(-2.0, 0.5)", (4,)),
    )

    def __post_init__(self) -> None:
        if exact("min_val", self.min_val) >= exact("max_val", self.max_val):
            raise LayerError(
                "empty range",
                where="min_val, max_val",
                expected="min_val < max_val",
                got=f"{self.min_val}, {self.max_val}",
            )

    def parameters(self) -> dict[str, Fraction]:
        """The two ends."""
        return {t: exact(t, getattr(self, t)) for t in ("min_val", "max_val")}


@dataclass(frozen=True, repr=False)
class Identity(_Elementwise):
    """The input itself, as torch.nn.Identity."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Identity()", (2, 3)),)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: rank."""
        return elementwise.identity(cls.chosen(choices)["rank"])


@dataclass(frozen=True, repr=False)
class Mul(_Elementwise):
    """input * other, entry by entry; both have the same shape."""

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Mul()", (2, 3)),)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes; choice: rank."""
        return elementwise.multiplied(cls.chosen(choices)["rank"])


@dataclass(frozen=True, repr=False)
class Dropout(_Elementwise):
    """In training input * mask / (1 - p), with a mask of 0 and 1 that the caller draws; else the input.

    Args:
        p: the probability of a 0, from 0 to 1; at 1 everything is 0.
        training: the mode.

    Shapes: input, mask and output alike. Source: torch.nn.Dropout, whose mask is drawn inside.
    """

    p: float = 0.5
    training: bool = field(default=False, kw_only=True)

    unprinted: ClassVar[tuple[str, ...]] = ("p", "training")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"training": (True, False), "rank": (2, 1, 3, 4, 5)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Dropout(0.25, training=True)", (2, 3)),
        ("Dropout()", (2, 2)),
    )

    def __post_init__(self) -> None:
        flag("training", self.training)
        if not 0 <= exact("p", self.p) <= 1:
            raise LayerError("not a probability", where="p", expected="0 <= p <= 1", got=str(self.p))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: training, rank."""
        chosen = cls.chosen(choices)
        if not chosen["training"]:
            return elementwise.identity(chosen["rank"])
        return elementwise.multiplied(chosen["rank"], masked=True)

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """What an entry that stays is multiplied by."""
        if not self.training:
            return {}
        kept = 1 - exact("p", self.p)
        return {"scale": (1 / kept if kept else Fraction(0),)}
