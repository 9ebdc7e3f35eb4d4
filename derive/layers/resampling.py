"""Downsample and UpsampleZeros: every factor-th entry, and its adjoint, zeros between neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import TAGS, as_tuples, axis_tuple, batched_images, positive_int
from derive.statements.resampling import Downsampling, ZeroInsertion


@dataclass(frozen=True, repr=False)
class _Resample(Layer):
    """Base of the resampling layers: input (N, C, *lengths) with one, two or three spatial axes."""

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (2, 1, 3)}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"rank": len(batched_images(input_shape)) - 2}


@dataclass(frozen=True, repr=False)
class Downsample(_Resample):
    """Every factor-th entry of each spatial axis, the first one first: output[o] = input[factor * o].

    Args:
        factor: an int, or one an axis.

    Shapes: input (N, C, *lengths); output lengths floor((length - 1) / factor) + 1.
    """

    factor: int | tuple[int, ...] = field(metadata={"positional": True})

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Downsample(2)", (1, 1, 3, 3)),
        ("Downsample((2, 3))", (1, 2, 4, 5)),
        ("Downsample(3)", (2, 1, 9)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", _factors(self.factor))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: rank."""
        return Downsampling(TAGS[cls.chosen(choices)["rank"]]).claims()

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = batched_images(input_shape)
        rank = len(shape) - 2
        sizes = {"N": shape[0], "C": shape[1]}
        for tag, length, factor in zip(
            TAGS[rank], shape[2:], axis_tuple("factor", self.factor, rank), strict=True
        ):
            last, left = divmod(length - 1, factor)
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": last + 1, f"s_{tag}": factor}
            sizes |= {f"r_{tag}": left}
        return sizes


@dataclass(frozen=True, repr=False)
class UpsampleZeros(_Resample):
    """factor - 1 zeros between neighbours, output_padding zeros at the end of each spatial axis.

    Args:
        factor: an int, or one an axis.
        output_padding: less than the factor; an int, or one an axis.

    Shapes: input (N, C, *lengths); output lengths factor * (length - 1) + 1 + output_padding.
    """

    factor: int | tuple[int, ...] = field(metadata={"positional": True})
    output_padding: int | tuple[int, ...] = 0

    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("UpsampleZeros(2)", (1, 1, 2, 2)),
        ("UpsampleZeros((3, 2), output_padding=(2, 0))", (1, 2, 2, 3)),
        ("UpsampleZeros(2, output_padding=1)", (2, 1, 4)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", _factors(self.factor))
        object.__setattr__(self, "output_padding", as_tuples(self.output_padding))
        rank = len(self.factor) if isinstance(self.factor, tuple) else 1
        if isinstance(self.output_padding, tuple):
            rank = len(self.output_padding)
        pairs = zip(
            axis_tuple("factor", self.factor, rank),
            axis_tuple("output_padding", self.output_padding, rank, least=0),
            strict=True,
        )
        for factor, more in pairs:
            if more >= factor:
                raise LayerError(
                    "output_padding too large",
                    where="output_padding",
                    expected=f"less than the factor {factor}",
                    got=str(more),
                )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: rank."""
        return ZeroInsertion(TAGS[cls.chosen(choices)["rank"]]).claims()

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = batched_images(input_shape)
        rank = len(shape) - 2
        sizes = {"N": shape[0], "C": shape[1]}
        factors = axis_tuple("factor", self.factor, rank)
        more = axis_tuple("output_padding", self.output_padding, rank, least=0)
        for tag, length, factor, left in zip(TAGS[rank], shape[2:], factors, more, strict=True):
            out = factor * (length - 1) + 1 + left
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": out, f"s_{tag}": factor, f"r_{tag}": left}
        return sizes


def _factors(given: Any) -> Any:
    """A factor, or one an axis, each at least 1."""
    value = as_tuples(given)
    return (
        axis_tuple("factor", value, len(value)) if isinstance(value, tuple) else positive_int("factor", value)
    )
