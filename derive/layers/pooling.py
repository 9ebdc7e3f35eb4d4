"""AvgPool1d, AvgPool2d, AvgPool3d with torch.nn's arguments, and WeightedPool2d with learned weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import (
    Pair,
    as_tuples,
    check_input,
    flag,
    padding_pairs,
    spatial_layout,
    whole,
)
from derive.layers.windows import Windowed, check_half, count_windows
from derive.statements.pooling import Axis, Pooling


@dataclass(frozen=True, repr=False)
class _Pool(Windowed, Layer):
    """Base of the pools: a window of kernel_size, moved by stride (kernel_size where None), over padding.

    Shapes: input (N, C, *lengths) or (C, *lengths). Raises LayerError on anything else.
    """

    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] | None = None
    padding: int | tuple[int, ...] | tuple[Pair, ...] = 0

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        for where in ("kernel_size", "stride", "padding"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        if isinstance(self.padding, str):
            raise LayerError(
                "no padding by name here", where="padding", expected="ints or pairs", got=repr(self.padding)
            )
        check_half(self.kernel, self.paddings)

    @property
    def paddings(self) -> tuple[Pair, ...]:
        return padding_pairs(self.padding, (0,) * self.rank, self.strides)

    @property
    def ceil(self) -> bool:
        return bool(getattr(self, "ceil_mode", False))

    def lengths(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The spatial lengths of the input, checked."""
        return check_input(input_shape, self.rank, spatial_layout(self.tags))[-self.rank :]

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        lengths = self.lengths(input_shape)
        batch = input_shape[0] if len(input_shape) == self.rank + 2 else 1
        sizes = {"N": int(batch), "C": int(input_shape[-self.rank - 1])}
        axes = zip(self.tags, lengths, self.kernel, self.strides, self.paddings, strict=True)
        for tag, length, kernel, stride, (before, after) in axes:
            count = count_windows(tag, length, kernel, stride, (before, after), self.ceil)
            left = length + before + after - kernel - stride * (count - 1)
            sizes |= {
                tag.upper(): length,
                f"{tag.upper()}_out": count,
                f"k_{tag}": kernel,
                f"s_{tag}": stride,
            }
            sizes |= {f"p_{tag}": before, f"q_{tag}": after + max(0, -left), f"r_{tag}": max(0, left)}
        return sizes

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {"batched": len(input_shape) == self.rank + 2}


@dataclass(frozen=True, repr=False)
class _AvgPool(_Pool):
    """The mean over each window.

    Args:
        kernel_size, stride, padding: an int, or one an axis; padding at most half the kernel, or
            ((before, after), ...).
        ceil_mode: also a last window that hangs over the end, where it begins inside input or padding.
        count_include_pad: divide by the window's places in input and padding; else by those in the input.
        divisor_override: divide by this number instead (two and three axes).
    """

    ceil_mode: bool = False
    count_include_pad: bool = True

    unprinted: ClassVar[tuple[str, ...]] = ("ceil_mode", "count_include_pad", "divisor_override")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"share": ("one", "counted"), "batched": (True, False)}

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("ceil_mode", self.ceil_mode)
        flag("count_include_pad", self.count_include_pad)

    @property
    def divisor(self) -> int | None:
        return getattr(self, "divisor_override", None)

    @property
    def share(self) -> str:
        """Whether windows may have different numbers of entries, at some input."""
        even = self.divisor is not None or (
            not self.ceil_mode and (self.count_include_pad or not any(sum(p) for p in self.paddings))
        )
        return "one" if even else "counted"

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: share (one number, or counted), batched."""
        return Pooling(tuple(Axis(t) for t in cls.tags), **cls.chosen(choices)).claims()

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """What windows are divided by, as factors."""
        if self.share == "one":
            divisor = prod(self.kernel) if self.divisor is None else self.divisor
            return {"share": (Fraction(1, divisor),)}
        sizes, found = self.sizes(input_shape), {}
        for tag, (_, after) in zip(self.tags, self.paddings, strict=True):
            end = sizes[tag.upper()] + (after if self.count_include_pad else 0)
            start = -sizes[f"p_{tag}"] if self.count_include_pad else 0
            first = [s * sizes[f"s_{tag}"] - sizes[f"p_{tag}"] for s in range(sizes[f"{tag.upper()}_out"])]
            counts = [min(f + sizes[f"k_{tag}"], end) - max(f, start) for f in first]
            found[f"share_{tag}"] = tuple(Fraction(1, c) if c > 0 else Fraction(0) for c in counts)
        return found


@dataclass(frozen=True, repr=False)
class _AvgPoolOverride(_AvgPool):
    divisor_override: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.divisor_override is not None and whole("divisor_override", self.divisor_override) == 0:
            raise LayerError(
                "division by zero", where="divisor_override", expected="a whole number other than 0", got="0"
            )


class AvgPool1d(_AvgPool):
    """The mean over windows of one axis, as torch.nn.AvgPool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AvgPool1d(2)", (1, 1, 5)),
        ("AvgPool1d(3, stride=2, padding=1, ceil_mode=True)", (2, 1, 6)),
    )


class AvgPool2d(_AvgPoolOverride):
    """The mean over windows of two axes, as torch.nn.AvgPool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AvgPool2d(2, stride=1)", (1, 1, 3, 3)),
        ("AvgPool2d((3, 2), stride=2, padding=(1, 0), count_include_pad=False)", (1, 2, 5, 4)),
        ("AvgPool2d(2, divisor_override=3)", (2, 4, 4)),
    )


class AvgPool3d(_AvgPoolOverride):
    """The mean over windows of three axes, as torch.nn.AvgPool3d; no axis shorter than the kernel."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AvgPool3d(2, stride=(1, 2, 2))", (1, 1, 3, 4, 2)),
    )

    def lengths(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The spatial lengths of the input, each at least the kernel's."""
        found = super().lengths(input_shape)
        for tag, length, kernel in zip(self.tags, found, self.kernel, strict=True):
            if length < kernel:
                raise LayerError(
                    "kernel larger than the input",
                    where=f"spatial axis {tag.upper()}",
                    expected=f"a length of at least kernel_size = {kernel}, whatever the padding",
                    got=str(length),
                )
        return found


class WeightedPool2d(_Pool):
    """A weighted sum over windows, the same learned weights for every channel.

    output[n, c, y, x] = sum over a, b of weight[a, b] * input[n, c, stride*y + a - padding, ...], where an
    entry outside the input counts as zero. weight has the shape of kernel_size.
    """

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("WeightedPool2d(2)", (1, 1, 4, 4)),
        ("WeightedPool2d((2, 3), stride=1, padding=(1, 0))", (2, 3, 4)),
    )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes; choice: batched."""
        return Pooling(tuple(Axis(t) for t in cls.tags), "learned", **cls.chosen(choices)).claims()
