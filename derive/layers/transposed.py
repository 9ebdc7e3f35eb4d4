"""ConvTranspose1d, ConvTranspose2d and ConvTranspose3d, with torch.nn's arguments."""

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
    divisible,
    flag,
    padding_pairs,
    positive_int,
    spatial_layout,
)
from derive.statements.transposed import Axis, Transposed


@dataclass(frozen=True, repr=False)
class _ConvTranspose(Layer):
    """Transposed convolution of any rank: the adjoint of a convolution with the same parameters.

    Input entry i sends weight[c, k, a] * input[n, c, i] to output place stride*i + dilation*a - padding;
    what falls outside the output is dropped.

    Args:
        in_channels, out_channels: divisible by `groups`.
        kernel_size, stride, dilation: an int, or one an axis.
        padding: places taken off the output: an int, one an axis, or ((before, after), ...).
        output_padding: further places at the end of the output; less than stride or dilation.
        groups: number of groups that channels are split into.
        bias: whether a bias is added.

    Shapes: input (N, in_channels, *lengths) or (in_channels, *lengths); weight (in_channels,
    out_channels // groups, *kernel_size); bias (out_channels,); output lengths
    (length - 1)*stride - 2*padding + dilation*(kernel_size - 1) + output_padding + 1. Raises LayerError.
    """

    in_channels: int = field(metadata={"positional": True})
    out_channels: int = field(metadata={"positional": True})
    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] = 1
    padding: int | tuple[int, ...] | tuple[Pair, ...] = 0
    output_padding: int | tuple[int, ...] = 0
    groups: int = 1
    bias: bool = True
    dilation: int | tuple[int, ...] = 1

    tags: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"bias": (True, False), "batched": (True, False)}

    def __post_init__(self) -> None:
        for where in ("in_channels", "out_channels", "groups"):
            object.__setattr__(self, where, positive_int(where, getattr(self, where)))
        flag("bias", self.bias)
        for where in ("in_channels", "out_channels"):
            divisible(where, getattr(self, where), "groups", self.groups)
        for where in ("kernel_size", "stride", "padding", "output_padding", "dilation"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        if isinstance(self.padding, str):
            raise LayerError(
                "no padding by name here",
                where="padding",
                expected="ints or pairs: places taken off the output",
                got=repr(self.padding),
            )
        _ = self.numbers

    @property
    def numbers(self) -> tuple[dict[str, int], ...]:
        """For each axis its kernel k, stride s, dilation d, padding p and q, output padding r."""
        rank = len(self.tags)
        kernel, stride, dilation = (
            axis_tuple(where, getattr(self, where), rank) for where in ("kernel_size", "stride", "dilation")
        )
        more = axis_tuple("output_padding", self.output_padding, rank, least=0)
        pads = padding_pairs(self.padding, (0,) * rank, stride)
        per_axis = zip(kernel, stride, dilation, more, pads, strict=True)
        return tuple({"k": k, "s": s, "d": d, "p": p, "q": q, "r": r} for k, s, d, r, (p, q) in per_axis)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradients over symbolic sizes; choices: bias, batched."""
        return Transposed(tuple(Axis(t) for t in cls.tags), **cls.chosen(choices)).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"bias": self.bias, "batched": len(input_shape) == len(self.tags) + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        rank = len(self.tags)
        shape = check_input(input_shape, rank, spatial_layout(self.tags))
        check_channels(shape, rank, self.in_channels)
        sizes = {
            "N": shape[0] if len(shape) == rank + 2 else 1,
            "groups": self.groups,
            "C": self.in_channels // self.groups,
            "K": self.out_channels // self.groups,
        }
        for tag, length, own in zip(self.tags, shape[-rank:], self.numbers, strict=True):
            self._check_extra(tag, own)
            whole = (length - 1) * own["s"] + own["d"] * (own["k"] - 1) + 1 + own["r"]
            out = whole - own["p"] - own["q"]
            if out < 1:
                raise LayerError(
                    "nothing left of the output",
                    where=f"spatial axis {tag.upper()}",
                    expected="an output length of at least 1",
                    got=f"{whole} - padding {own['p']} - padding {own['q']} = {out}",
                    mend="a smaller padding, or a larger kernel or input",
                )
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": out}
            sizes |= {f"{letter}_{tag}": value for letter, value in own.items()}
        return sizes

    def _check_extra(self, tag: str, own: dict[str, int]) -> None:
        if own["r"] and own["r"] >= max(own["s"], own["d"]):
            raise LayerError(
                "output_padding too large",
                where=f"output_padding, spatial axis {tag.upper()}",
                expected=f"less than stride {own['s']} or dilation {own['d']}",
                got=str(own["r"]),
            )


class ConvTranspose1d(_ConvTranspose):
    """One-dimensional transposed convolution, as torch.nn.ConvTranspose1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ConvTranspose1d(1, 1, 3, stride=2)", (1, 1, 3)),
        ("ConvTranspose1d(2, 4, 2, stride=3, padding=1, output_padding=2, groups=2)", (2, 2, 4)),
    )


class ConvTranspose2d(_ConvTranspose):
    """Two-dimensional transposed convolution, as torch.nn.ConvTranspose2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ConvTranspose2d(1, 1, 2, stride=2)", (1, 1, 2, 2)),
        ("ConvTranspose2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), output_padding=(1, 0))", (2, 2, 3, 4)),
    )


class ConvTranspose3d(_ConvTranspose):
    """Three-dimensional transposed convolution, as torch.nn.ConvTranspose3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ConvTranspose3d(1, 1, 2, stride=(1, 2, 1), bias=False)", (1, 1, 2, 2, 2)),
    )
