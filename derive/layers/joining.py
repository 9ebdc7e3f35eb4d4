"""Add and Concat, layers of two inputs `input` and `other`; Bias, which adds a number to each channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer, Operand
from derive.layers.shapes import as_tuples, check_channels, check_shape, positive_int, whole
from derive.statements import rearranging
from derive.statements.rearranging import axis_sizes

MOST_AXES = 5
"""Axes that joined tensors may have."""


@dataclass(frozen=True, repr=False)
class Add(Layer):
    """output = input + other, entry by entry; both of one shape."""

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (4, 1, 2, 3, 5)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("Add()", (1, 2, 2, 2)), ("Add()", (3,)))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and both gradients over symbolic lengths; choice: rank."""
        return rearranging.add(cls.chosen(choices)["rank"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"rank": len(check_shape(input_shape, 1, MOST_AXES))}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_AXES)
        return dict(zip(axis_sizes(len(shape)), shape, strict=True))


@dataclass(frozen=True, repr=False)
class Bias(Layer):
    """output = input + bias[channel]; the channel is axis 1.

    Args:
        num_features: number of channels, the length of `bias`.

    Shapes: input (N, num_features, ...) with two to five axes. Not a layer of torch.nn: it is the bias that
    the notes add after a convolution without one.
    """

    num_features: int = field(metadata={"positional": True})

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (4, 2, 3, 5)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Bias(2)", (2, 2, 1, 3)),
        ("Bias(3)", (2, 3)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "num_features", positive_int("num_features", self.num_features))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and both gradients over symbolic lengths; choice: rank."""
        return rearranging.bias(cls.chosen(choices)["rank"])

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"rank": len(check_shape(input_shape, 2, MOST_AXES))}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 2, MOST_AXES)
        check_channels(shape, len(shape) - 2, self.num_features, "num_features")
        return dict(zip(axis_sizes(len(shape)), shape, strict=True))


@dataclass(frozen=True, repr=False)
class Concat(Layer):
    """input, then other, along axis `dim`, as torch.cat((input, other), dim).

    Args:
        dim: the axis; counted from the end where negative.
        other_shape: the shape of `other`; None where it is that of `input`. The other axes agree.
    """

    dim: int = 1
    other_shape: tuple[int, ...] | None = None

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"rank": (4, 1, 2, 3, 5), "dim": (1, 0, 2, 3, 4)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Concat()", (1, 2, 2, 2)),
        ("Concat(-1, other_shape=(2, 1))", (2, 3)),
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", whole("dim", self.dim))
        if self.other_shape is not None:
            object.__setattr__(self, "other_shape", as_tuples(self.other_shape))
            check_shape(self.other_shape, 1, MOST_AXES, "other_shape")

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and both gradients over symbolic lengths; choices: rank, dim."""
        chosen = cls.chosen(choices)
        if chosen["dim"] >= chosen["rank"]:
            raise LayerError(
                "no such axis",
                where="Concat",
                expected=f"dim below rank={chosen['rank']}",
                got=f"dim={chosen['dim']}",
            )
        return rearranging.concat(chosen["rank"], chosen["dim"])

    def own_choices(self) -> dict[str, Any]:
        """For images with batch and channels, as the first example."""
        return {"rank": 4, "dim": self.dim % 4}

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        rank = len(check_shape(input_shape, 1, MOST_AXES))
        if not -rank <= self.dim < rank:
            raise LayerError(
                "no such axis", where="dim", expected=f"{-rank} to {rank - 1}", got=str(self.dim)
            )
        return {"rank": rank, "dim": self.dim % rank}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_shape(input_shape, 1, MOST_AXES)
        dim = self.choices(shape)["dim"]
        other = shape if self.other_shape is None else self.other_shape
        if len(other) != len(shape) or any(
            a != b for i, (a, b) in enumerate(zip(shape, other, strict=True)) if i != dim
        ):
            raise LayerError(
                "shapes do not join",
                where="other_shape",
                expected=f"{shape} but for axis {dim}",
                got=str(tuple(other)),
            )
        return dict(zip(axis_sizes(len(shape)), shape, strict=True)) | {"m": other[dim]}

    def operands(
        self, input_shape: Sequence[int], training: bool = False, **shapes: Sequence[int]
    ) -> tuple[Operand, ...]:
        """input, other, output, grad_output; `other=` gives other's shape where other_shape does not."""
        given = shapes.pop("other", None)
        if given is not None and self.other_shape is None:
            return replace(self, other_shape=tuple(given)).operands(input_shape, training, **shapes)
        more = {} if given is None else {"other": given}
        return super().operands(input_shape, training, **shapes, **more)
