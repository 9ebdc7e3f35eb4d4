"""BatchNorm1d, BatchNorm2d, BatchNorm3d, with torch.nn's arguments and the mode they are in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import check_channels, check_shape, exact, flag, positive_int
from derive.statements.normalisation import Normal


@dataclass(frozen=True, repr=False)
class _BatchNorm(Layer):
    """Each channel less its mean, over its deviation, times weight, plus bias.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: the new batch's part of the running statistics (a number; PyTorch's None is not taken).
        affine: whether there are weight and bias, each of shape (num_features,).
        track_running_stats: whether running statistics are kept: operands running_mean and running_var.
        training: normalise by the batch's statistics, and return new running statistics.
        bias: whether there is a bias beside the weight; without `affine` there is neither.

    In evaluation the running statistics are needed; without any PyTorch normalises by the batch's, as here.
    The variance that divides is the one over count, the running one over count - 1.
    Raises LayerError on a wrong shape, and where a training batch has one entry a channel.
    """

    num_features: int = field(metadata={"positional": True})
    eps: float = 1e-5
    momentum: float = 0.1
    affine: bool = True
    track_running_stats: bool = True
    training: bool = field(default=False, kw_only=True)
    bias: bool = field(default=True, kw_only=True)

    ranks: ClassVar[tuple[int, ...]] = ()
    layout: ClassVar[str] = ""
    unprinted: ClassVar[tuple[str, ...]] = ("training",)
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        "training": (True, False),
        "affine": (True, False),
        "bias": (True, False),
        "track_running_stats": (True, False),
    }

    def __post_init__(self) -> None:
        positive_int("num_features", self.num_features)
        for where in ("affine", "track_running_stats", "training", "bias"):
            flag(where, getattr(self, where))
        batch = self.training or not self.track_running_stats
        if exact("eps", self.eps) < 0 or (batch and exact("eps", self.eps) == 0):
            raise LayerError(
                "eps does not steady the variance",
                where="eps",
                expected="more than 0 with the batch's variance, 0 or more with the running one",
                got=str(self.eps),
            )
        if self.momentum is None:
            raise LayerError(
                "a cumulative average is not supported",
                where="momentum",
                expected="a number",
                got="None",
                mend="give 1 / (number of batches seen) yourself",
            )
        exact("momentum", self.momentum)

    @classmethod
    def spatial(cls, choices: dict[str, Any]) -> int:
        """Spatial axes."""
        return cls.ranks[0] - 2

    @classmethod
    def chosen(cls, choices: Mapping[str, Any]) -> dict[str, Any]:
        """Every discrete choice; no bias without `affine`."""
        found = super().chosen(choices)
        return found | {"bias": found["bias"] and found["affine"]}

    @classmethod
    def variants(cls) -> Iterator[dict[str, Any]]:
        """Every combination of discrete choices, each once."""
        return (choices for choices in super().variants() if cls.chosen(choices) == choices)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form, gradients, new statistics; choices: training, affine, bias, track_running_stats."""
        chosen = cls.chosen(choices)
        tracked = chosen["track_running_stats"]
        batch = chosen["training"] or not tracked
        return Normal(cls.spatial(chosen), batch, chosen["affine"], tracked, chosen["bias"]).claims()

    def own_choices(self) -> dict[str, Any]:
        """The discrete choices; no bias without `affine`."""
        found = super().own_choices()
        return found | {"bias": self.bias and self.affine}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices()

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        least, most = min(self.ranks), max(self.ranks)
        shape = check_shape(input_shape, least, most)
        check_channels(shape, len(shape) - 2, self.num_features, "num_features")
        if (self.training or not self.track_running_stats) and shape[0] * prod(shape[2:]) == 1:
            raise LayerError(
                "one entry a channel has no variance",
                where="input_shape",
                expected="more than 1 value a channel when training",
                got=str(tuple(shape)),
                mend="a larger batch, or training=False",
            )
        return {"N": shape[0], "C": shape[1]} | {f"L_{i}": n for i, n in enumerate(shape[2:])}

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """eps, and the parts of old and new statistics."""
        found: dict[str, tuple[Fraction, ...]] = {"eps": (exact("eps", self.eps),)}
        if self.training and self.track_running_stats:
            part = exact("momentum", self.momentum)
            count = input_shape[0] * prod(input_shape[2:])
            found |= {
                "kept": (1 - part,),
                "renewed": (part,),
                "unbiased": (part * Fraction(count, count - 1),),
            }
        return found

    def assumptions(self) -> tuple[str, ...]:
        """Where the inverse of the deviation exists."""
        return ("every variance plus eps is more than 0",)


class BatchNorm1d(_BatchNorm):
    """Batch normalisation of (N, C) or (N, C, L), as torch.nn.BatchNorm1d."""

    ranks: ClassVar[tuple[int, ...]] = (2, 3)
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {**_BatchNorm.discrete, "places": (0, 1)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("BatchNorm1d(2, training=True)", (3, 2)),
        ("BatchNorm1d(2)", (2, 2, 3)),
    )

    @classmethod
    def spatial(cls, choices: dict[str, Any]) -> int:
        """Spatial axes: none or one."""
        return int(choices["places"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {"places": len(input_shape) - 2}


class BatchNorm2d(_BatchNorm):
    """Batch normalisation of (N, C, H, W), as torch.nn.BatchNorm2d."""

    ranks: ClassVar[tuple[int, ...]] = (4,)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("BatchNorm2d(2, training=True)", (2, 2, 2, 2)),
        ("BatchNorm2d(3, affine=False)", (1, 3, 2, 2)),
    )


class BatchNorm3d(_BatchNorm):
    """Batch normalisation of (N, C, D, H, W), as torch.nn.BatchNorm3d."""

    ranks: ClassVar[tuple[int, ...]] = (5,)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("BatchNorm3d(2, training=True, track_running_stats=False)", (1, 2, 2, 1, 2)),
    )
