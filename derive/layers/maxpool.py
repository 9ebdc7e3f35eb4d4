"""MaxPool1d to MaxPool3d with torch.nn's arguments, and MinPool1d to MinPool3d for the smallest entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.codes import Code
from derive.layers.shapes import (
    Pair,
    as_tuples,
    axis_tuple,
    check_input,
    flag,
    padding_pairs,
    spatial_layout,
)
from derive.layers.windows import Windowed, check_half, count_windows, flat_place, letters, selection_domain
from derive.statements.selecting import Selection


@dataclass(frozen=True, repr=False)
class _Selecting(Windowed, Layer):
    """One entry of each window, and the whole of the window's gradient to it.

    Args:
        kernel_size, stride, dilation: an int, or one an axis; stride None is kernel_size.
        padding: places around the input that are never taken: an int, one an axis, or
            ((before, after), ...); at most half the kernel.
        return_indices: whether the flat places of the taken entries, in their plane, are returned too.
        ceil_mode: also a last window that hangs over the end, where it begins inside input or padding.

    Shapes: input (N, C, *lengths) or (C, *lengths). Raises LayerError on anything else, and where no tap of a
    window is inside the input (a large dilation over a short input; PyTorch gives -inf there).
    """

    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] | None = None
    padding: int | tuple[int, ...] | tuple[Pair, ...] = 0
    dilation: int | tuple[int, ...] = 1
    return_indices: bool = False
    ceil_mode: bool = False

    first: ClassVar[str] = "largest"
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        for where in ("kernel_size", "stride", "padding", "dilation"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        flag("return_indices", self.return_indices)
        flag("ceil_mode", self.ceil_mode)
        if isinstance(self.padding, str):
            raise LayerError(
                "no padding by name here", where="padding", expected="ints or pairs", got=repr(self.padding)
            )
        check_half(self.kernel, self.paddings)
        _ = self.dilations

    @property
    def dilations(self) -> tuple[int, ...]:
        return axis_tuple("dilation", self.dilation, self.rank)

    @property
    def paddings(self) -> tuple[Pair, ...]:
        return padding_pairs(self.padding, (0,) * self.rank, self.strides)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return Selection(cls.tags, **cls.chosen(choices)).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == self.rank + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_input(input_shape, self.rank, spatial_layout(self.tags))
        sizes = {"N": shape[0] if len(shape) == self.rank + 2 else 1, "C": shape[-self.rank - 1]}
        axes = zip(
            self.tags,
            shape[-self.rank :],
            self.kernel,
            self.strides,
            self.dilations,
            self.paddings,
            strict=True,
        )
        for tag, length, kernel, stride, dilation, pads in axes:
            span = dilation * (kernel - 1) + 1
            count = count_windows(tag, length, span, stride, pads, self.ceil_mode)
            left = length + sum(pads) - span - stride * (count - 1)
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": count}
            sizes |= {f"k_{tag}": kernel, f"s_{tag}": stride, f"d_{tag}": dilation}
            sizes |= {f"p_{tag}": pads[0], f"q_{tag}": pads[1] + max(0, -left), f"r_{tag}": max(0, left)}
            _check_entries(tag, length, count, kernel, stride, dilation, pads[0])
        return sizes

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        """pick: the flat place, in the input's plane, of the entry that a window takes."""
        sizes, rank = self.sizes(input_shape), self.rank
        places = [
            sizes[f"s_{t}"] * o + sizes[f"d_{t}"] * a - sizes[f"p_{t}"]
            for t, o, a in zip(self.tags, letters(2, rank), letters(2 + rank, rank), strict=True)
        ]
        value = flat_place(places, [sizes[t.upper()] for t in self.tags])
        return {"pick": Code("indices", tuple(range(2 + rank)), value, self.first)}

    def assumptions(self) -> tuple[str, ...]:
        """Where selecting is differentiable, and what is done elsewhere."""
        return selection_domain(self.first)


def _check_entries(
    tag: str, length: int, count: int, kernel: int, stride: int, dilation: int, before: int
) -> None:
    """Every window of an axis has a tap inside the input."""
    for o in range(count):
        begin = stride * o - before
        skipped = max(0, -(begin // dilation))
        if skipped >= kernel or begin + dilation * skipped >= length:
            raise LayerError(
                "a window without an entry",
                where=f"spatial axis {tag.upper()}, window {o}",
                expected=f"a tap inside the {length} entries; nothing is the largest of none",
                got=f"taps at {begin}, {begin + dilation}, ..., {begin + dilation * (kernel - 1)}",
                mend="a smaller dilation or padding",
            )


class MaxPool1d(_Selecting):
    """The largest entry of each window of one axis, as torch.nn.MaxPool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MaxPool1d(2)", (1, 1, 5)),
        ("MaxPool1d(3, stride=2, padding=1, dilation=2, ceil_mode=True)", (2, 1, 8)),
    )


class MaxPool2d(_Selecting):
    """The largest entry of each window of two axes, as torch.nn.MaxPool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MaxPool2d(2, stride=1)", (1, 1, 3, 3)),
        ("MaxPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True)", (1, 2, 4, 5)),
        ("MaxPool2d(2, dilation=(1, 2), return_indices=True)", (2, 4, 5)),
    )


class MaxPool3d(_Selecting):
    """The largest entry of each window of three axes, as torch.nn.MaxPool3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MaxPool3d(2, stride=(1, 2, 2))", (1, 1, 3, 4, 2)),
    )


class MinPool1d(MaxPool1d):
    """The smallest entry of each window of one axis; PyTorch writes it -MaxPool1d(-input)."""

    first: ClassVar[str] = "smallest"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MinPool1d(3, stride=2, padding=1)", (1, 1, 5)),
    )


class MinPool2d(MaxPool2d):
    """The smallest entry of each window of two axes; PyTorch writes it -MaxPool2d(-input)."""

    first: ClassVar[str] = "smallest"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("MinPool2d(2, stride=1)", (1, 1, 3, 3)),)


class MinPool3d(MaxPool3d):
    """The smallest entry of each window of three axes; PyTorch writes it -MaxPool3d(-input)."""

    first: ClassVar[str] = "smallest"
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MinPool3d(2, stride=1)", (1, 1, 2, 3, 2)),
    )
