"""AdaptiveAvgPool1d to 3d and AdaptiveMaxPool1d to 3d, with torch.nn's arguments; global at output size 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.codes import Code
from derive.layers.shapes import check_input, flag, spatial_layout
from derive.layers.windows import flat_place, letters, output_lengths, selection_domain
from derive.statements.resampling import Banded
from derive.statements.selecting import Bracketed


@dataclass(frozen=True, repr=False)
class _Adaptive(Layer):
    """Output_size windows of nearly equal length: floor(o H / H_out) to ceil((o+1) H / H_out).

    Args:
        output_size: an int, or one an axis; None keeps an axis as it is. 1 is one window over everything.

    Shapes: input (N, C, *lengths) or (C, *lengths); output the same with lengths output_size.
    """

    output_size: int | tuple[int | None, ...] | None = field(metadata={"positional": True})

    tags: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        given = output_lengths("output_size", self.output_size, len(self.tags))
        object.__setattr__(self, "output_size", given)

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == len(self.tags) + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        rank = len(self.tags)
        shape = check_input(input_shape, rank, spatial_layout(self.tags))
        given = self.output_size
        wanted = given if isinstance(given, tuple) else (given,) * rank
        sizes = {"N": shape[0] if len(shape) == rank + 2 else 1, "C": shape[-rank - 1]}
        for tag, length, out in zip(self.tags, shape[-rank:], wanted, strict=True):
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": length if out is None else out}
        return sizes


@dataclass(frozen=True, repr=False)
class _AdaptiveAvgPool(_Adaptive):
    """Means over the windows."""

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return Banded(cls.tags, weight="share", **cls.chosen(choices)).claims()

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """One over the number of entries of each window."""
        sizes, found = self.sizes(input_shape), {}
        for tag in self.tags:
            length, out = sizes[tag.upper()], sizes[f"{tag.upper()}_out"]
            counts = (-(-(o + 1) * length // out) - o * length // out for o in range(out))
            found[f"share_{tag}"] = tuple(Fraction(1, c) for c in counts)
        return found


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over windows of one axis, as torch.nn.AdaptiveAvgPool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("AdaptiveAvgPool1d(2)", (1, 1, 5)),)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.output_size in (None, (None,)):
            raise LayerError(
                "not a whole number", where="output_size", expected="an int, as in PyTorch", got="None"
            )


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over windows of two axes, as torch.nn.AdaptiveAvgPool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AdaptiveAvgPool2d((2, 3))", (1, 1, 3, 4)),
        ("AdaptiveAvgPool2d(1)", (2, 2, 3, 3)),
        ("AdaptiveAvgPool2d((None, 5))", (2, 3, 3)),
    )


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """Means over windows of three axes, as torch.nn.AdaptiveAvgPool3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AdaptiveAvgPool3d((1, 2, 2))", (1, 1, 2, 3, 2)),
    )


@dataclass(frozen=True, repr=False)
class _AdaptiveMaxPool(_Adaptive):
    """The largest entry of each window, and the whole of the window's gradient to it.

    Args:
        output_size: an int, or one an axis (None, in a tuple, keeps an axis); 1 is the largest of everything.
        return_indices: whether the flat places of the largest entries, in their plane, are returned too.
    """

    return_indices: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        flag("return_indices", self.return_indices)
        keeps = isinstance(self.output_size, tuple) and len(self.tags) > 1
        if not keeps and self.output_size in (None, (None,)):
            raise LayerError(
                "not a whole number",
                where="output_size",
                expected="an int, or one an axis, as in PyTorch",
                got=repr(self.output_size),
            )

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return Bracketed(cls.tags, **cls.chosen(choices)).claims()

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        """pick: the flat place, in the input's plane, of the entry that a window takes."""
        sizes, rank = self.sizes(input_shape), len(self.tags)
        value = flat_place(letters(2 + rank, rank), [sizes[t.upper()] for t in self.tags])
        return {"pick": Code("indices", tuple(range(2 + rank)), value, "largest")}

    def assumptions(self) -> tuple[str, ...]:
        """Where selecting is differentiable, and what is done elsewhere."""
        return selection_domain("largest")


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest entries of windows of one axis, as torch.nn.AdaptiveMaxPool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("AdaptiveMaxPool1d(2)", (1, 1, 5)),)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest entries of windows of two axes, as torch.nn.AdaptiveMaxPool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AdaptiveMaxPool2d((2, 3))", (1, 1, 3, 4)),
        ("AdaptiveMaxPool2d(1)", (2, 2, 3, 3)),
        ("AdaptiveMaxPool2d((None, 2), return_indices=True)", (2, 3, 3)),
    )


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest entries of windows of three axes, as torch.nn.AdaptiveMaxPool3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("AdaptiveMaxPool3d((1, 2, 2))", (1, 1, 2, 3, 2)),
    )
