"""LPPool1d to LPPool3d, with torch.nn's arguments: the root of the sum of powers over each window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import as_tuples, check_input, exact, flag, spatial_layout, whole
from derive.layers.windows import Windowed, count_windows
from derive.statements.powers import Powers


@dataclass(frozen=True, repr=False)
class _LPPool(Windowed, Layer):
    """(sum over the window of input^norm_type)^(1/norm_type).

    Args:
        norm_type: the power p, a number other than 0; its decimal is taken as written. For p = inf PyTorch
            takes the largest magnitude: that is MaxPool of the magnitudes, and not a layer here.
        kernel_size, stride: an int, or one an axis; stride None is kernel_size.
        ceil_mode: also a last window that hangs over the end; its sum is multiplied by the kernel's size over
            the number of its entries, as PyTorch does.

    Shapes: input (N, C, *lengths) or (C, *lengths). Raises LayerError.
    """

    norm_type: float = field(metadata={"positional": True})
    kernel_size: int | tuple[int, ...] = field(metadata={"positional": True})
    stride: int | tuple[int, ...] | None = None
    ceil_mode: bool = False

    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"scaled": (False, True), "batched": (True, False)}

    def __post_init__(self) -> None:
        for where in ("kernel_size", "stride"):
            object.__setattr__(self, where, as_tuples(getattr(self, where)))
        flag("ceil_mode", self.ceil_mode)
        if self.norm_type in (float("inf"), float("-inf")):
            raise LayerError(
                "no largest magnitude here",
                where="norm_type",
                expected="a finite number other than 0",
                got=str(self.norm_type),
                mend="pool the magnitudes with MaxPool",
            )
        if exact("norm_type", self.norm_type) == 0:
            raise LayerError(
                "division by zero", where="norm_type", expected="a finite number other than 0", got="0"
            )
        _ = self.kernel, self.strides

    @property
    def scaled(self) -> bool:
        return self.ceil_mode

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choices: scaled (ceil_mode), batched."""
        return Powers(cls.tags, **cls.chosen(choices)).claims()

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"scaled": self.scaled, "batched": len(input_shape) == self.rank + 2}

    def lengths(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The spatial lengths of the input, checked."""
        return check_input(input_shape, self.rank, spatial_layout(self.tags))[-self.rank :]

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        lengths = self.lengths(input_shape)
        batch = input_shape[0] if len(input_shape) == self.rank + 2 else 1
        sizes = {"N": int(batch), "C": int(input_shape[-self.rank - 1])}
        for tag, length, kernel, stride in zip(self.tags, lengths, self.kernel, self.strides, strict=True):
            count = count_windows(tag, length, kernel, stride, (0, 0), self.ceil_mode)
            left = length - kernel - stride * (count - 1)
            sizes |= {tag.upper(): length, f"{tag.upper()}_out": count, f"k_{tag}": kernel}
            sizes |= {f"s_{tag}": stride, f"q_{tag}": max(0, -left), f"r_{tag}": max(0, left)}
        return sizes

    def parameters(self) -> dict[str, Fraction]:
        """The power."""
        return {"norm_type": exact("norm_type", self.norm_type)}

    def tables(self, input_shape: Sequence[int]) -> dict[str, tuple[Fraction, ...]]:
        """The kernel's length over the number of entries of each window, where windows may hang over."""
        if not self.scaled:
            return {}
        sizes, found = self.sizes(input_shape), {}
        for tag, kernel, stride in zip(self.tags, self.kernel, self.strides, strict=True):
            begins = (stride * o for o in range(sizes[f"{tag.upper()}_out"]))
            held = (min(kernel, sizes[tag.upper()] - begin) for begin in begins)
            found[f"scale_{tag}"] = tuple(Fraction(kernel, count) for count in held)
        return found

    def assumptions(self) -> tuple[str, ...]:
        """Where powers and roots are differentiable, and what is done elsewhere."""
        p = exact("norm_type", self.norm_type)
        said = ["no window's sum of powers is 0; where it is, the gradient is set to 0, as in PyTorch"]
        if p.denominator != 1:
            said.append("no entry is negative: a power that is no whole number is NaN there")
        elif p % 2 and p != 1:
            said.append("no window's sum of powers is negative: its root is NaN, as in PyTorch")
        if p < 1:
            said.append("no entry is 0: the power or its derivative is infinite there")
        return tuple(said)


class LPPool1d(_LPPool):
    """The root of the sum of powers over windows of one axis; kernel_size an int, as torch.nn.LPPool1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("LPPool1d(2, 3, stride=2)", (1, 1, 5)),
        ("LPPool1d(1.5, 3, stride=2, ceil_mode=True)", (2, 1, 6)),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        whole("kernel_size", self.kernel_size)


class LPPool2d(_LPPool):
    """The p-th root of the sum of p-th powers over windows of two axes, as torch.nn.LPPool2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("LPPool2d(2, 2, stride=1)", (1, 1, 3, 3)),
        ("LPPool2d(3, (3, 2), stride=(2, 1), ceil_mode=True)", (2, 4, 3)),
    )


class LPPool3d(_LPPool):
    """The p-th root of the sum of p-th powers over windows of three axes; no axis shorter than the kernel."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("LPPool3d(2, 2, stride=(1, 2, 2))", (1, 1, 3, 4, 2)),
    )

    def lengths(self, input_shape: Sequence[int]) -> tuple[int, ...]:
        """The spatial lengths of the input, each at least the kernel's."""
        found = super().lengths(input_shape)
        for tag, length, kernel in zip(self.tags, found, self.kernel, strict=True):
            if length < kernel:
                raise LayerError(
                    "kernel larger than the input",
                    where=f"spatial axis {tag.upper()}",
                    expected=f"a length of at least kernel_size = {kernel}, as in PyTorch",
                    got=str(length),
                )
        return found
