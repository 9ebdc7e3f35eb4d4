"""Conv1d, Conv2d and Conv3d, with torch.nn's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import (
    Pair,
    as_tuples,
    axis_tuple,
    check_channels,
    check_input,
    check_pad,
    flag,
    padding_pairs,
    positive_int,
    spatial_layout,
)
from derive.statements.convolution import Statement
from derive.statements.padding import MODES


@dataclass(frozen=True, repr=False)
class _Conv(Layer):
    """Cross-correlation of any rank with padding.

    output[n, k, y, ...] = bias[k] + sum over c, a, ... of
    weight[k, c, a, ...] * input[n, c, stride*y + dilation*a - padding, ...],
    where an entry outside the input is what `padding_mode` says; channels c run within the group of k.

    Args:
        in_channels, out_channels: divisible by `groups`.
        kernel_size, stride, dilation: an int, or one an axis.
        padding: an int, one int an axis, ((before, after), (before, after)), 'same' (stride 1; the odd
            zero at the end), 'valid' or 'full' (dilation * (kernel_size - 1) on both sides).
        groups: number of groups that channels are split into.
        bias: whether a bias is added.
        padding_mode: 'zeros', 'reflect', 'replicate' or 'circular'.

    Shapes: input (N, in_channels, *lengths) or (in_channels, *lengths); weight (out_channels,
    in_channels // groups, *kernel_size); bias (out_channels,). Raises LayerError on anything else.
    """

    in_channels: int = field(metadata={"positional": True})
    out_channels: int = field(metadata={"positional": True})
    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] = 1
    padding: int | str | tuple[int, ...] | tuple[Pair, ...] = 0
    dilation: int | tuple[int, ...] = 1
    groups: int = 1
    bias: bool = True
    padding_mode: str = "zeros"

    tags: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {
        "bias": (True, False),
        "batched": (True, False),
        "padding_mode": MODES,
    }

    def __post_init__(self) -> None:
        for where in ("in_channels", "out_channels", "groups"):
            object.__setattr__(self, where, positive_int(where, getattr(self, where)))
        flag("bias", self.bias)
        for where in ("in_channels", "out_channels"):
            if getattr(self, where) % self.groups:
                raise LayerError(
                    f"{where} not divisible by groups",
                    where=where,
                    expected=f"a multiple of groups={self.groups}",
                    got=str(getattr(self, where)),
                )
        for where in ("kernel_size", "stride", "padding", "dilation"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        if self.padding_mode not in MODES:
            raise LayerError(
                "unknown padding_mode",
                where="padding_mode",
                expected=" or ".join(MODES),
                got=repr(self.padding_mode),
            )
        _ = self.kernel, self.paddings, self.strides, self.dilations

    @property
    def rank(self) -> int:
        return len(self.tags)

    @property
    def kernel(self) -> tuple[int, ...]:
        return axis_tuple("kernel_size", self.kernel_size, self.rank)

    @property
    def strides(self) -> tuple[int, ...]:
        return axis_tuple("stride", self.stride, self.rank)

    @property
    def dilations(self) -> tuple[int, ...]:
        return axis_tuple("dilation", self.dilation, self.rank)

    @property
    def reach(self) -> tuple[int, ...]:
        return tuple(d * (k - 1) for d, k in zip(self.dilations, self.kernel, strict=True))

    @property
    def paddings(self) -> tuple[Pair, ...]:
        """Zeros (before, after) on each spatial axis."""
        return padding_pairs(self.padding, self.reach, self.strides)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes: keys 'output', 'input', 'weight', 'bias'.

        Choices: bias (True or False), batched (True or False), padding_mode.
        """
        chosen = cls.chosen(choices)
        return Statement.of(cls.tags, chosen["bias"], chosen["batched"], chosen["padding_mode"]).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return self.own_choices() | {"batched": len(input_shape) == self.rank + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = self._checked(input_shape)
        sizes = {
            "N": shape[0] if len(shape) == self.rank + 2 else 1,
            "groups": self.groups,
            "C": self.in_channels // self.groups,
            "K": self.out_channels // self.groups,
        }
        per_axis = zip(
            self.tags,
            shape[-self.rank :],
            self.kernel,
            self.strides,
            self.dilations,
            self.paddings,
            strict=True,
        )
        for tag, length, kernel, stride, dilation, (before, after) in per_axis:
            out, left = divmod(length + before + after - dilation * (kernel - 1) - 1, stride)
            named = {"k": kernel, "s": stride, "d": dilation, "p": before, "q": after, "r": left}
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": out + 1}
            sizes |= {f"{letter}_{tag}": value for letter, value in named.items()}
        return sizes

    def _checked(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        shape = check_input(input_shape, self.rank, spatial_layout(self.tags))
        check_channels(shape, self.rank, self.in_channels)
        for i, (length, reach, (before, after)) in enumerate(
            zip(shape[-self.rank :], self.reach, self.paddings, strict=True)
        ):
            if length + before + after < reach + 1:
                raise LayerError(
                    "kernel larger than the padded input",
                    where=f"spatial axis {i} ({self.tags[i].upper()})",
                    expected=f"input + padding >= dilation*(kernel_size-1)+1 = {reach + 1}",
                    got=f"{length} + {before} + {after} = {length + before + after}",
                    mend="enlarge the input, use a smaller kernel, or padding of at least "
                    f"{reach + 1 - length} in all",
                )
            check_pad(self.padding_mode, self.tags[i], length, before, after)
        return shape

    def array_program(self, wrt: str, input_shape: Sequence[int]) -> Any:
        """Zero-insert, pad, flip and slide windows, for the gradients; see `derive.program`."""
        from derive.program import convolution_program

        shapes = {o.name: o.shape for o in self.operands(input_shape)}
        if wrt not in ("input", "weight", "bias") or self.padding_mode != "zeros":
            return None
        return convolution_program(self, shapes["input"], shapes["output"], shapes["weight"], wrt)


class Conv1d(_Conv):
    """One-dimensional cross-correlation, as torch.nn.Conv1d; input (N, in_channels, W)."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Conv1d(1, 1, 2, padding=full)", (1, 1, 5)),
        ("Conv1d(2, 3, 3, stride=2, padding=1, padding_mode=circular)", (2, 2, 7)),
    )


class Conv2d(_Conv):
    """Two-dimensional cross-correlation, as torch.nn.Conv2d; input (N, in_channels, H, W)."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Conv2d(1, 1, 2)", (1, 1, 3, 3)),
        ("Conv2d(1, 2, 3, stride=2)", (1, 1, 6, 5)),
        ("Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (2, 2, 6, 5)),
        ("Conv2d(1, 1, 2, padding=1, dilation=(2, 1), bias=False)", (1, 4, 3)),
        ("Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)),
        ("Conv2d(1, 1, 3, padding=1, padding_mode=reflect)", (1, 1, 4, 3)),
    )


class Conv3d(_Conv):
    """Three-dimensional cross-correlation, as torch.nn.Conv3d; input (N, in_channels, D, H, W)."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Conv3d(1, 2, 2)", (1, 1, 3, 3, 3)),
        ("Conv3d(2, 2, (1, 3, 2), stride=(1, 2, 1), padding=(0, 1, 1), groups=2)", (2, 2, 5, 4)),
    )
