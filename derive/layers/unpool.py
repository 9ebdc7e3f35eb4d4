"""MaxUnpool1d to MaxUnpool3d, with torch.nn's arguments: entries put back where they were taken from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.codes import Code
from derive.layers.shapes import Pair, as_tuples, axis_tuple, check_input, spatial_layout
from derive.layers.windows import Windowed, flat_place, letters, output_lengths
from derive.statements.selecting import Unpooling


@dataclass(frozen=True, repr=False)
class _MaxUnpool(Windowed, Layer):
    """Every entry at the flat place of its plane that `indices` says, and zeros elsewhere.

    Args:
        kernel_size, stride, padding: of the pooling undone: an int, or one an axis; stride None: kernel_size.
        output_size: the spatial lengths of the output, or all of its axes; PyTorch takes it at the call. None
            is (length - 1)*stride - 2*padding + kernel_size, and it may differ from that by less than stride.

    Shapes: input and indices (N, C, *lengths) or (C, *lengths), indices int64, each a place of the output's
    plane. Where a plane names a place twice, both entries are added there: that is the adjoint of reading one
    place twice; PyTorch leaves open which one it keeps. Raises LayerError.
    """

    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] | None = None
    padding: int | tuple[int, ...] = 0
    output_size: tuple[int, ...] | None = field(default=None, kw_only=True)

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        for where in ("kernel_size", "stride", "padding"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        _ = self.kernel, self.strides, self.paddings
        if self.stride == ():
            axis_tuple("stride", self.stride, self.rank)
        given = as_tuples(self.output_size)
        if given is None:
            return
        if not isinstance(given, tuple) or None in given:
            raise LayerError(
                "not a shape",
                where="output_size",
                expected=f"{self.rank} lengths, or the whole shape",
                got=repr(given),
            )
        whole = len(given) == self.rank + 2
        output_lengths("output_size", given, len(given) if whole else self.rank)
        object.__setattr__(self, "output_size", given)

    @property
    def paddings(self) -> tuple[Pair, ...]:
        return tuple((p, p) for p in axis_tuple("padding", self.padding, self.rank, least=0))

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return Unpooling(cls.tags, **cls.chosen(choices)).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == self.rank + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        shape = check_input(input_shape, self.rank, spatial_layout(self.tags))
        sizes = {"N": shape[0] if len(shape) == self.rank + 2 else 1, "C": shape[-self.rank - 1]}
        asked = self.output_size[-self.rank :] if self.output_size is not None else (None,) * self.rank
        axes = zip(
            self.tags, shape[-self.rank :], self.kernel, self.strides, self.paddings, asked, strict=True
        )
        for tag, length, kernel, stride, (before, after), out in axes:
            usual = (length - 1) * stride - before - after + kernel
            found = usual if out is None else out
            if abs(found - usual) >= stride or found < 1:
                raise LayerError(
                    "no such output length",
                    where=f"output_size, spatial axis {tag.upper()}",
                    expected=f"{max(1, usual - stride + 1)} to {usual + stride - 1}",
                    got=str(found),
                )
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": found}
        return sizes

    def codes(self, input_shape: Sequence[int]) -> dict[str, Code]:
        """spot: the flat place of the output's plane that each entry is put at."""
        sizes, rank = self.sizes(input_shape), self.rank
        value = flat_place(letters(2 + rank, rank), [sizes[f"{t.upper()}_out"] for t in self.tags])
        return {"spot": Code("indices", tuple(range(2 + rank)), value)}

    def assumptions(self) -> tuple[str, ...]:
        """What indices are taken to be, and what is done with others."""
        return (
            "every index is a place of the output's plane; entries with equal indices are added "
            "(PyTorch leaves open which one it keeps)",
        )


class MaxUnpool1d(_MaxUnpool):
    """Entries of one axis put back, as torch.nn.MaxUnpool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("MaxUnpool1d(2)", (1, 1, 3)),)


class MaxUnpool2d(_MaxUnpool):
    """Entries of two axes put back, as torch.nn.MaxUnpool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("MaxUnpool2d(2)", (1, 2, 2, 2)),
        ("MaxUnpool2d((3, 2), stride=2, padding=(1, 0), output_size=(4, 5))", (1, 2, 2)),
    )


class MaxUnpool3d(_MaxUnpool):
    """Entries of three axes put back, as torch.nn.MaxUnpool3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("MaxUnpool3d(2)", (1, 1, 1, 2, 2)),)
