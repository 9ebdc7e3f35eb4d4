"""PixelShuffle, PixelUnshuffle and Flatten, with torch.nn's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import check_input, check_shape, divisible, positive_int, spatial_layout, whole
from derive.statements import rearranging
from derive.statements.rearranging import axis_sizes

MOST_AXES = 6
"""Axes that a tensor to flatten may have."""


@dataclass(frozen=True, repr=False)
class PixelShuffle(Layer):
    """Channels laid out as places, as torch.nn.PixelShuffle: (N, C*r*r, H, W) to (N, C, H*r, W*r).

    Args:
        upscale_factor: r.
    """

    upscale_factor: int = field(metadata={"positional": True})

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("PixelShuffle(2)", (1, 4, 2, 2)),
        ("PixelShuffle(3)", (9, 1, 2)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "upscale_factor", positive_int("upscale_factor", self.upscale_factor))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return rearranging.shuffle(cls.chosen(choices)["batched"], up=True)

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == 4}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape, r = check_input(input_shape, 2, spatial_layout(("h", "w"))), self.upscale_factor
        divisible(f"input_shape[{len(shape) - 3}]", shape[-3], "upscale_factor**2", r * r)
        batch = shape[0] if len(shape) == 4 else 1
        return {"N": batch, "C": shape[-3] // (r * r), "r": r, "H": shape[-2], "W": shape[-1]}


@dataclass(frozen=True, repr=False)
class PixelUnshuffle(Layer):
    """Places laid out as channels, as torch.nn.PixelUnshuffle: (N, C, H*r, W*r) to (N, C*r*r, H, W).

    Args:
        downscale_factor: r.
    """

    downscale_factor: int = field(metadata={"positional": True})

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("PixelUnshuffle(2)", (1, 1, 4, 2)),
        ("PixelUnshuffle(3)", (2, 3, 3)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "downscale_factor", positive_int("downscale_factor", self.downscale_factor))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return rearranging.shuffle(cls.chosen(choices)["batched"], up=False)

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == 4}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape, r = check_input(input_shape, 2, spatial_layout(("h", "w"))), self.downscale_factor
        for axis in (-2, -1):
            divisible(f"input_shape[{len(shape) + axis}]", shape[axis], "downscale_factor", r)
        batch = shape[0] if len(shape) == 4 else 1
        return {"N": batch, "C": shape[-3], "r": r, "H": shape[-2] // r, "W": shape[-1] // r}


@dataclass(frozen=True, repr=False)
class Flatten(Layer):
    """Axes start_dim to end_dim as one, in row-major order, as torch.nn.Flatten."""

    start_dim: int = 1
    end_dim: int = -1

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        "rank": (4, 1, 2, 3, 5, 6),
        "start": (1, 0, 2, 3, 4, 5),
        "end": (3, 0, 1, 2, 4, 5),
    }
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Flatten()", (2, 2, 1, 3)),
        ("Flatten(0, 1)", (2, 3, 2)),
    )

    def __post_init__(self) -> None:
        for where in ("start_dim", "end_dim"):
            object.__setattr__(self, where, whole(where, getattr(self, where)))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic lengths; choices: rank, and the axes start to end."""
        chosen = cls.chosen(choices)
        if not 0 <= chosen["start"] <= chosen["end"] < chosen["rank"]:
            raise LayerError(
                "no such axes",
                where="Flatten",
                expected="start <= end < rank",
                got=", ".join(f"{k}={v}" for k, v in chosen.items()),
            )
        return rearranging.flatten(chosen["rank"], chosen["start"], chosen["end"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        rank = len(check_shape(input_shape, 1, MOST_AXES))
        ends = {}
        for key, where in (("start", "start_dim"), ("end", "end_dim")):
            value = getattr(self, where)
            if not -rank <= value < rank:
                raise LayerError(
                    "no such axis", where=where, expected=f"{-rank} to {rank - 1}", got=str(value)
                )
            ends[key] = value % rank
        if ends["start"] > ends["end"]:
            raise LayerError(
                "start_dim comes after end_dim",
                where="start_dim, end_dim",
                expected="start_dim <= end_dim",
                got=f"{self.start_dim}, {self.end_dim} of {rank} axes",
            )
        return {"rank": rank, **ends}

    def own_choices(self) -> dict[str, Any]:
        """For images with batch and channels, as the first example."""
        return self.choices((1, 1, 1, 1))

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_AXES)
        return dict(zip(axis_sizes(len(shape)), shape, strict=True))
