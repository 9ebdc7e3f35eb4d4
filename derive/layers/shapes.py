"""Owns the checks that constructor arguments and shapes go through, and the errors they raise."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import isfinite, prod
from typing import Any

from derive.errors import LayerError, LimitError

MAX_ENTRIES = 2**40
"""Largest number of entries that any one tensor of a layer may have."""

Pair = tuple[int, int]


def whole(where: str, value: Any) -> int:
    """The value as an int; bool and float are refused, NumPy integers accepted."""
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise LayerError(
            "not a whole number",
            where=where,
            expected="an int",
            got=f"{value!r} ({type(value).__name__})",
            mend=f"write {where} as a whole number without a point",
        ) from None


def positive_int(where: str, value: Any, least: int = 1) -> int:
    number = whole(where, value)
    if number < least:
        raise LayerError("size out of range", where=where, expected=f"at least {least}", got=str(number))
    return number


def flag(where: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise LayerError("not a truth value", where=where, expected="True or False", got=repr(value))
    return value


def exact(where: str, value: Any) -> Fraction:
    """The rational that a finite number is written as: 0.01 is 1/100."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise LayerError("not a number", where=where, expected="a finite number", got=repr(value)[:60])
    return Fraction(str(value))


def one_of(where: str, value: Any, allowed: Sequence[str]) -> str:
    """One of the given words."""
    if value not in allowed:
        raise LayerError(
            "no such choice", where=where, expected=" or ".join(map(repr, allowed)), got=repr(value)[:60]
        )
    return str(value)


def axis_tuple(where: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """An int for every axis, or one int an axis (PyTorch's int-or-tuple)."""
    if isinstance(value, (list, tuple)):
        if len(value) != rank:
            raise LayerError(
                "wrong number of values",
                where=where,
                expected=f"one int, or {rank} of them",
                got=f"{len(value)}: {tuple(value)!r}",
                mend=f"give one value for each of the {rank} spatial axes",
            )
        return tuple(positive_int(f"{where}[{i}]", v, least) for i, v in enumerate(value))
    return (positive_int(where, value, least),) * rank


def padding_pairs(value: Any, reach: Sequence[int], stride: Sequence[int]) -> tuple[Pair, ...]:
    """Zeros (before, after) each axis, from any form of PyTorch's `padding` and ((before, after), ...).

    Args:
        reach: dilation * (kernel_size - 1) of each axis.
        stride: of each axis; 'same' needs stride 1, as in PyTorch.
    """
    rank = len(reach)
    if isinstance(value, str):
        return _named_padding(value, reach, stride)
    if isinstance(value, (list, tuple)) and any(isinstance(v, (list, tuple)) for v in value):
        if len(value) != rank or not all(isinstance(v, (list, tuple)) and len(v) == 2 for v in value):
            raise LayerError(
                "malformed padding pairs",
                where="padding",
                expected=f"{rank} pairs (before, after)",
                got=repr(value),
            )
        return tuple(
            (positive_int(f"padding[{i}][0]", v[0], 0), positive_int(f"padding[{i}][1]", v[1], 0))
            for i, v in enumerate(value)
        )
    return tuple((p, p) for p in axis_tuple("padding", value, rank, least=0))


def _named_padding(value: str, reach: Sequence[int], stride: Sequence[int]) -> tuple[Pair, ...]:
    if value == "valid":
        return ((0, 0),) * len(reach)
    if value == "full":
        return tuple((e, e) for e in reach)
    if value != "same":
        raise LayerError(
            "unknown padding",
            where="padding",
            expected="'same', 'valid', 'full', ints or pairs",
            got=repr(value),
        )
    if any(s != 1 for s in stride):
        raise LayerError(
            "padding='same' needs stride 1",
            where="padding, stride",
            expected="stride=1",
            got=f"stride={tuple(stride)}",
            mend="give the padding as ((before, after), ...) instead",
        )
    return tuple((e // 2, e - e // 2) for e in reach)


def check_input(input_shape: Sequence[Any], rank: int, layout: str) -> tuple[int, ...]:
    """The input shape as ints; `rank` spatial axes after the channels, batch optional."""
    if isinstance(input_shape, (str, bytes)) or not isinstance(input_shape, Sequence):
        raise LayerError("not a shape", where="input_shape", expected=layout, got=repr(input_shape))
    if len(input_shape) not in (rank + 1, rank + 2):
        raise LayerError(
            "wrong number of axes",
            where="input_shape",
            expected=f"{layout}: {rank + 2} axes, or {rank + 1} without a batch",
            got=f"{len(input_shape)} axes: {tuple(input_shape)!r}",
        )
    return tuple(positive_int(f"input_shape[{i}]", v) for i, v in enumerate(input_shape))


def check_entries(where: str, shape: Sequence[int]) -> None:
    """Refuse a tensor that no machine would hold."""
    if prod(shape) > MAX_ENTRIES:
        raise LimitError(
            "tensor too large",
            where=where,
            expected=f"at most 2^40 entries, {MAX_ENTRIES * 4 / 1e12:.1f} TB as float32",
            got=f"{tuple(shape)}: {prod(shape):,} entries",
            mend="use a smaller batch, image or channel count; the gradients of larger ones follow the "
            "theorem for all sizes (backflip prove Conv2d --all-sizes)",
        )


def as_tuples(value: Any) -> Any:
    """Lists become tuples, NumPy's whole numbers ints: layers compare, hash and print by value."""
    if isinstance(value, (list, tuple)):
        return tuple(as_tuples(v) for v in value)
    return value.__index__() if hasattr(value, "__index__") and not isinstance(value, bool) else value


def spatial_layout(tags: Sequence[str]) -> str:
    """What an input's axes are: "(N, C, H, W) or (C, H, W)"."""
    lengths = ", ".join(t.upper() for t in tags)
    return f"(N, C, {lengths}) or (C, {lengths})"


def check_pad(mode: str, tag: str, length: int, before: int, after: int) -> None:
    """Refuse a reflection or a wrap that needs more entries than the axis has, as PyTorch does."""
    most = {"reflect": length - 1, "circular": length}.get(mode)
    if most is not None and max(before, after) > most:
        raise LayerError(
            "padding too wide for the input",
            where=f"spatial axis {tag.upper()}",
            expected=f"at most {most} on either side of {length} entries",
            got=f"{before} before, {after} after",
            mend="a smaller padding, or mode replicate",
        )


def check_channels(shape: Sequence[int], rank: int, wanted: int, title: str = "in_channels") -> None:
    """The channel axis, before `rank` spatial ones, has the wanted length."""
    axis = len(shape) - rank - 1
    if shape[axis] != wanted:
        fitting = tuple(wanted if i == axis else n for i, n in enumerate(shape))
        raise LayerError(
            "wrong number of channels",
            where=f"input_shape[{axis}]",
            expected=f"{title}={wanted}",
            got=str(shape[axis]),
            mend=f"the input shape {fitting}, or a layer with {title}={shape[axis]}",
        )


def divisible(where: str, number: int, by: str, divisor: int) -> None:
    if number % divisor:
        raise LayerError(
            f"{where} not divisible by {by}",
            where=where,
            expected=f"a multiple of {by}={divisor}",
            got=str(number),
        )


def check_shape(shape: Any, least: int, most: int, where: str = "input_shape") -> tuple[int, ...]:
    """A shape of `least` to `most` axes as ints."""
    if isinstance(shape, (str, bytes)) or not isinstance(shape, Sequence):
        raise LayerError("not a shape", where=where, expected="whole numbers", got=repr(shape))
    if not least <= len(shape) <= most:
        raise LayerError(
            "wrong number of axes",
            where=where,
            expected=f"{least} axes" if least == most else f"{least} to {most} axes",
            got=f"{len(shape)}: {tuple(shape)!r}",
        )
    return tuple(positive_int(f"{where}[{i}]", v) for i, v in enumerate(shape))


TAGS: Mapping[int, tuple[str, ...]] = {1: ("w",), 2: ("h", "w"), 3: ("d", "h", "w")}
"""The names of spatial axes by their number."""


def batched_images(input_shape: Any) -> tuple[int, ...]:
    """A shape with batch, channels and one to three spatial axes."""
    try:
        return check_shape(input_shape, 3, 5)
    except LayerError as fault:
        layout = "(N, C, W), (N, C, H, W) or (N, C, D, H, W), always with a batch axis"
        raise LayerError(fault.what, where=fault.where, expected=layout, got=fault.got) from None
