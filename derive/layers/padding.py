"""ZeroPad, ReflectionPad, ReplicationPad and CircularPad of one to three axes, with torch.nn's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from derive.claim import Claim
from derive.errors import LayerError
from derive.layers.base import Layer
from derive.layers.shapes import Pair, as_tuples, check_input, check_pad, spatial_layout, whole
from derive.statements import padding as statement


@dataclass(frozen=True, repr=False)
class _Pad(Layer):
    """Base of the padding layers.

    Args:
        padding: an int for every side, or PyTorch's (left, right, top, bottom, front, back): the last
            axis first, before and after of each.

    Shapes: input (N, C, *lengths) or (C, *lengths); every padded axis grows by before + after.
    Raises LayerError where a reflection or a wrap needs more entries than the axis has.
    """

    padding: int | tuple[int, ...] = field(metadata={"positional": True})

    mode: ClassVar[str] = ""
    tags: ClassVar[tuple[str, ...]] = ()
    discrete: ClassVar[dict[str, tuple[Any, ...]]] = {"batched": (True, False)}

    def __post_init__(self) -> None:
        object.__setattr__(self, "padding", as_tuples(self.padding))
        _ = self.pairs

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Entries (before, after) on each spatial axis, the first axis first."""
        given = self.padding
        rank = len(self.tags)
        if isinstance(given, tuple):
            if len(given) != 2 * rank:
                raise LayerError(
                    "wrong number of values",
                    where="padding",
                    expected=f"one int, or {2 * rank}: before and after, the last axis first",
                    got=f"{len(given)}: {given!r}",
                )
            numbers = [self._number(f"padding[{i}]", v) for i, v in enumerate(given)]
        else:
            numbers = [self._number("padding", given)] * 2 * rank
        pairs = [(numbers[2 * i], numbers[2 * i + 1]) for i in range(rank)]
        return tuple(reversed(pairs))

    def _number(self, where: str, value: Any) -> int:
        number = whole(where, value)
        if number < 0 and self.mode != "zeros":
            raise LayerError(
                "size out of range",
                where=where,
                expected="at least 0",
                got=str(number),
                mend="crop with a negative ZeroPad",
            )
        return number

    @classmethod
    def claims(cls, **choices: Any) -> dict[str, Claim]:
        """Forward form and gradient over symbolic sizes; choice: batched."""
        return statement.claims(cls.tags, cls.mode, **cls.chosen(choices))

    def choices(self, input_shape: Sequence[int]) -> dict[str, Any]:
        return {"batched": len(input_shape) == len(self.tags) + 2}

    def sizes(self, input_shape: Sequence[int]) -> dict[str, int]:
        rank = len(self.tags)
        shape = check_input(input_shape, rank, spatial_layout(self.tags))
        sizes = {"N": shape[0] if len(shape) == rank + 2 else 1, "C": shape[-rank - 1]}
        for tag, length, (before, after) in zip(self.tags, shape[-rank:], self.pairs, strict=True):
            self._fits(tag, length, before, after)
            sizes |= {tag.upper(): length, f"p_{tag}": before, f"q_{tag}": after}
        return sizes

    def _fits(self, tag: str, length: int, before: int, after: int) -> None:
        """Refuse a pad that the axis has no entries for, and an axis cropped to nothing."""
        check_pad(self.mode, tag, length, before, after)
        if length + before + after < 1 or min(before, after) < -length:
            raise LayerError(
                "nothing left of the input",
                where=f"spatial axis {tag.upper()}",
                expected=f"input + padding >= 1, and at most {length} cropped on a side",
                got=f"{length} + {before} + {after}",
            )


class _Zero(_Pad):
    mode: ClassVar[str] = "zeros"


class _Reflection(_Pad):
    mode: ClassVar[str] = "reflect"


class _Replication(_Pad):
    mode: ClassVar[str] = "replicate"


class _Circular(_Pad):
    mode: ClassVar[str] = "circular"


class ZeroPad1d(_Zero):
    """Zeros before and after the last axis, as torch.nn.ZeroPad1d; negative numbers crop."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ZeroPad1d((1, 2))", (1, 1, 4)),)


class ZeroPad2d(_Zero):
    """Zeros around images, as torch.nn.ZeroPad2d; negative numbers crop."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ZeroPad2d((1, 0, 2, 1))", (1, 1, 2, 3)),
        ("ZeroPad2d((-1, 1, 0, -1))", (2, 3, 4)),
    )


class ZeroPad3d(_Zero):
    """Zeros around volumes, as torch.nn.ZeroPad3d; negative numbers crop."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ZeroPad3d(1)", (1, 1, 2, 2, 2)),)


class ReflectionPad1d(_Reflection):
    """The axis mirrored about its border entries, as torch.nn.ReflectionPad1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ReflectionPad1d((1, 2))", (1, 1, 4)),)


class ReflectionPad2d(_Reflection):
    """The axis mirrored about its border entries, as torch.nn.ReflectionPad2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ReflectionPad2d((1, 2, 0, 1))", (1, 1, 3, 4)),
    )


class ReflectionPad3d(_Reflection):
    """The axis mirrored about its border entries, as torch.nn.ReflectionPad3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ReflectionPad3d(1)", (1, 2, 2, 2)),)


class ReplicationPad1d(_Replication):
    """The border entry repeated, as torch.nn.ReplicationPad1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ReplicationPad1d((1, 2))", (1, 1, 4)),)


class ReplicationPad2d(_Replication):
    """The border entry repeated, as torch.nn.ReplicationPad2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("ReplicationPad2d((1, 2, 0, 1))", (1, 1, 3, 4)),
    )


class ReplicationPad3d(_Replication):
    """The border entry repeated, as torch.nn.ReplicationPad3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("ReplicationPad3d(1)", (1, 2, 2, 2)),)


class CircularPad1d(_Circular):
    """The axis wrapped around, as torch.nn.CircularPad1d."""

    tags: ClassVar[tuple[str, ...]] = ("w",)
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("CircularPad1d((1, 2))", (1, 1, 4)),)


class CircularPad2d(_Circular):
    """The axis wrapped around, as torch.nn.CircularPad2d."""

    tags: ClassVar[tuple[str, ...]] = ("h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (
        ("CircularPad2d((1, 2, 0, 1))", (1, 1, 3, 4)),
    )


class CircularPad3d(_Circular):
    """The axis wrapped around, as torch.nn.CircularPad3d."""

    tags: ClassVar[tuple[str, ...]] = ("d", "h", "w")
    examples: ClassVar[tuple[tuple[str, tuple[int, ...]], ...]] = (("CircularPad3d(1)", (1, 2, 2, 2)),)
