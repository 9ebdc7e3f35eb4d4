"""Owns what pooling layers share: how many windows an axis has, flat places, and lengths asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from derive.errors import LayerError
from derive.index import Form, name
from derive.layers.shapes import Pair, as_tuples, axis_tuple, positive_int


class Windowed:
    """What a layer with the fields kernel_size and stride has of them, one value an axis."""

    kernel_size: int | tuple[int, ...]
    stride: int | tuple[int, ...] | None

    tags: ClassVar[tuple[str, ...]] = ()

    @property
    def rank(self) -> int:
        return len(self.tags)

    @property
    def kernel(self) -> tuple[int, ...]:
        return axis_tuple("kernel_size", self.kernel_size, self.rank)

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride; the kernel's size where it is left out."""
        if self.stride is None or self.stride == ():
            return self.kernel
        return axis_tuple("stride", self.stride, self.rank)


def count_windows(tag: str, length: int, span: int, stride: int, pads: Pair, ceil: bool) -> int:
    """How many windows an axis has; with `ceil` the last may hang over, but must begin inside.

    Args:
        span: from the first place of a window to its last, both counted.
        pads: places before and after the input.

    Raises LayerError where there is none.
    """
    before, after = pads
    room = length + before + after - span
    if ceil:
        count = -(-room // stride) + 1
        if (count - 1) * stride >= length + before:
            count -= 1
    else:
        count = room // stride + 1
    if room < 0 and not (ceil and count >= 1):
        raise LayerError(
            "kernel larger than the padded input",
            where=f"spatial axis {tag.upper()}",
            expected=f"input + padding >= the window's {span} places",
            got=f"{length} + {before} + {after} = {length + before + after}",
            mend="enlarge the input or use a smaller kernel",
        )
    return count


def check_half(kernel: Sequence[int], paddings: Sequence[Pair]) -> None:
    """Padding is at most half the kernel, whatever its dilation, as PyTorch wants it."""
    for i, (size, (before, after)) in enumerate(zip(kernel, paddings, strict=True)):
        if 2 * max(before, after) > size:
            raise LayerError(
                "padding larger than half the kernel",
                where=f"padding, spatial axis {i}",
                expected=f"at most {size // 2} of kernel_size={size}",
                got=f"{before} before, {after} after",
            )


def flat_place(places: Sequence[Form], lengths: Sequence[int]) -> Form:
    """The row-major number of a place in a plane or volume of the given lengths."""
    flat = Form()
    for place, length in zip(places, lengths, strict=True):
        flat = flat * length + place
    return flat


def letters(first: int, count: int) -> tuple[Form, ...]:
    """The names x<first>, ... of an indicator's axes (`codes.Code`)."""
    return tuple(name(f"x{first + i}") for i in range(count))


def output_lengths(where: str, given: Any, rank: int) -> Any:
    """An output_size argument, checked: an int, or one an axis; None keeps an axis as it is."""
    given = as_tuples(given) if given is not None else None
    values = given if isinstance(given, tuple) else (given,)
    if isinstance(given, tuple) and len(given) != rank:
        raise LayerError(
            "wrong number of values",
            where=where,
            expected=f"one value, or {rank} of them",
            got=f"{len(given)}: {given!r}",
        )
    for i, value in enumerate(values):
        if value is not None:
            positive_int(where if len(values) == 1 else f"{where}[{i}]", value)
    return given


def selection_domain(first: str) -> tuple[str, ...]:
    """The assumptions of pooling by selection: the domain, and the conventions at ties and for NaN."""
    return (
        f"each window's {first} entry is unique; at ties the first is taken (PyTorch's convention)",
        "a NaN wins over every number, and of several NaN the last is taken",
    )
