"""Conv2d, with torch.nn.Conv2d's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer, Operand, user_shape
from derive.layers.shapes import (
    Pair,
    axis_tuple,
    check_entries,
    check_input,
    flag,
    padding_pairs,
    positive_int,
)
from derive.statements.convolution import Axis, Statement


@dataclass(frozen=True, repr=False)
class Conv2d(Layer):
    """Two-dimensional cross-correlation with zero padding, as torch.nn.Conv2d.

    output[n, k, y, x] = bias[k] + sum over c, a, b of
    weight[k, c, a, b] * input[n, c, stride*y + dilation*a - padding, stride*x + dilation*b - padding],
    where an entry outside the input counts as zero; channels c run within the group of k.

    Args:
        in_channels, out_channels: divisible by `groups`.
        kernel_size, stride, dilation: an int, or one an axis.
        padding: an int, one int an axis, ((before, after), (before, after)), 'same' (stride 1; the odd
            zero at the end), 'valid' or 'full' (dilation * (kernel_size - 1) on both sides).
        groups: number of groups that channels are split into.
        bias: whether a bias is added.

    Shapes: input (N, in_channels, H, W) or (in_channels, H, W); weight (out_channels,
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

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"bias": (True, False), "batched": (True, False)}
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("Conv2d(1, 1, 2)", (1, 1, 3, 3)),
        ("Conv2d(1, 2, 3, stride=2)", (1, 1, 6, 5)),
        ("Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (2, 2, 6, 5)),
        ("Conv2d(1, 1, 2, padding=1, dilation=(2, 1), bias=False)", (1, 4, 3)),
        ("Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)),
    )

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
            object.__setattr__(self, where, _as_tuples(getattr(self, where)))
        _ = self.kernel, self.paddings

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

        Choices: bias (True or False), batched (True or False).
        """
        return Statement(tuple(Axis(t) for t in cls.tags), **cls.chosen(choices)).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"bias": self.bias, "batched": len(input_shape) == self.rank + 2}

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
        shape = check_input(input_shape, self.rank, "(N, C, H, W) or (C, H, W)")
        if shape[-self.rank - 1] != self.in_channels:
            raise LayerError(
                "wrong number of channels",
                where=f"input_shape[{len(shape) - self.rank - 1}]",
                expected=f"in_channels={self.in_channels}",
                got=str(shape[-self.rank - 1]),
            )
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
        return shape

    def operands(self, input_shape: Sequence[int], training: bool = False) -> tuple[Operand, ...]:
        """input, weight, bias (where there is one), output, grad_output; dtype "floating"."""
        sizes, statement = self.sizes(input_shape), self.statement(input_shape)
        listed = [("input", statement.x, True), ("weight", statement.w, True)]
        listed += [("bias", statement.b, False)] if self.bias else []
        shaped = [
            Operand(title, user_shape(tensor, sizes), differentiable=True, saved=saved)
            for title, tensor, saved in listed
        ]
        shaped += [Operand(t, user_shape(statement.y, sizes)) for t in ("output", "grad_output")]
        for operand in shaped:
            check_entries(operand.name, operand.shape)
        return tuple(shaped)

    def array_program(self, wrt: str, input_shape: Sequence[int]) -> Any:
        """Zero-insert, pad, flip and slide windows, for the gradients; see `derive.program`."""
        from derive.program import convolution_program

        shapes = {o.name: o.shape for o in self.operands(input_shape)}
        if wrt not in ("input", "weight", "bias"):
            return None
        return convolution_program(self, shapes["input"], shapes["output"], shapes["weight"], wrt)

    def statement(self, input_shape: Sequence[int]) -> Statement:
        return Statement(tuple(Axis(t) for t in self.tags), self.bias, len(input_shape) == self.rank + 2)


def _as_tuples(value: Any) -> Any:
    """Lists become tuples, NumPy's whole numbers ints: layers compare, hash and print by value."""
    if isinstance(value, (list, tuple)):
        return tuple(_as_tuples(v) for v in value)
    return value.__index__() if hasattr(value, "__index__") and not isinstance(value, bool) else value
