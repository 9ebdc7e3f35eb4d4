"""AdaptiveAvgPool1d to AdaptiveAvgPool3d, with torch.nn's arguments; the global mean at output size 1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import as_tuples, check_input, positive_int, spatial_layout
from derive.statements.resampling import Banded


@dataclass(frozen=True, repr=False)
class _AdaptiveAvgPool(Layer):
    """Means over output_size windows of nearly equal length: floor(o H / H_out) to ceil((o+1) H / H_out).

    Args:
        output_size: an int, or one an axis; None keeps an axis as it is. 1 is the global mean.

    Shapes: input (N, C, *lengths) or (C, *lengths); output the same with lengths output_size.
    """

    output_size: int | tuple[int | None, ...] | None = field(metadata={"positional": True})

    tags: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        given = as_tuples(self.output_size) if self.output_size is not None else None
        object.__setattr__(self, "output_size", given)
        values = given if isinstance(given, tuple) else (given,)
        if isinstance(given, tuple) and len(given) != len(self.tags):
            raise LayerError(
                "wrong number of values",
                where="output_size",
                expected=f"one value, or {len(self.tags)} of them",
                got=f"{len(given)}: {given!r}",
            )
        for i, value in enumerate(values):
            if value is not None:
                positive_int("output_size" if len(values) == 1 else f"output_size[{i}]", value)

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return Banded(cls.tags, weight="share", **cls.chosen(choices)).claims()

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
