"""Owns the museum's mistakes in means over windows, in padding, and in moves of entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from math import prod
from typing import Any

from numpy.typing import NDArray

from derive.layers.base import Layer
from derive.layers.shapes import exact
from derive.verify_hits import (
    ONE,
    Arrays,
    Place,
    Spots,
    Wrong,
    dropped,
    gathered,
    inside,
    lengths_of,
    mapped,
    places,
    planes,
    singly,
)


def _pool_spots(
    outs: Sequence[int], kernel: Sequence[int], stride: Sequence[int], before: Sequence[int],
    lengths: Sequence[int], share: Callable[[Place, list[Place]], Fraction],
) -> Spots:  # fmt: skip
    """The mean over windows; `share` is what an entry counts, from the place and the window's entries."""
    for o in places(outs):
        corner = tuple(s * y - p for s, y, p in zip(stride, o, before, strict=True))
        window = [tuple(c + t for c, t in zip(corner, a, strict=True)) for a in places(kernel)]
        held = [spot for spot in window if inside(spot, lengths)]
        for spot in held:
            yield o, share(o, held), spot


def mean_pool(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in mean pooling: the divisor, the stride, what overlaps and what is left over."""
    lengths, outs = lengths_of(arrays)
    kernel, stride, pads = layer.kernel, layer.strides, layer.paddings
    before, after = zip(*pads, strict=True)
    size, zero = prod(kernel), (0,) * len(kernel)
    own = _shares(layer, arrays)
    shares: list[tuple[str, Callable[[Place, list[Place]], Fraction]]] = [
        ("divisor forgotten", lambda o, held: ONE),
        ("divisor counts only entries inside the input", lambda o, held: Fraction(1, len(held))),
        ("divisor is always the size of the kernel", lambda o, held: Fraction(1, size)),
        ("divisor is one side of the kernel", lambda o, held: Fraction(1, kernel[0])),
        ("divided twice", lambda o, held: own(o, held) ** 2),
    ]
    if key == "output":
        shares.append(("divided by the number of windows", lambda o, held: Fraction(1, prod(outs))))
    for title, share in shares:
        yield title, mapped(key, _pool_spots(outs, kernel, stride, before, lengths, share), arrays, right)
    moves = [
        ("stride taken as kernel_size", kernel, kernel, before),
        ("stride taken as 1", kernel, (1,) * len(kernel), before),
        ("stride swapped between the axes", kernel, stride[::-1], before),
        ("kernel_size swapped between the axes", kernel[::-1], stride, before),
        ("padding ignored", kernel, stride, zero),
        ("padding on the wrong side", kernel, stride, after),
        ("gradient put on one entry of the window only", (1,) * len(kernel), stride, before),
    ]
    for title, window, step, pad in moves:
        yield title, mapped(key, _pool_spots(outs, window, step, pad, lengths, own), arrays, right)
    for narrow in ((*kernel[:-1], 2), (2,) * len(kernel)):
        for share in (own, _all_of(narrow)):
            spots = _pool_spots(outs, narrow, stride, before, lengths, share)
            yield "pool width taken as 2", mapped(key, spots, arrays, right)
    if key == "input":
        spots = _pool_spots(outs, kernel, stride, before, lengths, own)
        title = "overlapping windows overwritten instead of summed"
        yield title, mapped(key, spots, arrays, right, overwrite=True)
        axes = zip(lengths, pads, outs, kernel, stride, strict=True)
        left = [max(0, n + b + a - k - s * (o - 1)) for n, (b, a), o, k, s in axes]
        yield from dropped("leftover rows of a non-divisible stride dropped", right, left)


def _all_of(kernel: Sequence[int]) -> Callable[[Place, list[Place]], Fraction]:
    """One over the size of a window."""
    return lambda o, held: Fraction(1, prod(kernel))


def _shares(layer: Layer, arrays: Arrays) -> Callable[[Place, list[Place]], Fraction]:
    """What the layer itself divides by, from its tables."""
    lengths = (*arrays["input"].shape[:2], *arrays["input"].shape[2:])
    tables = layer.tables(lengths)
    if "share" in tables:
        return lambda o, held: tables["share"][0]
    rows = [tables[name] for name in sorted(tables)]
    return lambda o, held: prod((row[y] for row, y in zip(rows, o, strict=True)), start=ONE)


def adaptive(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in adaptive means: windows of one length, a divisor forgotten, overlaps overwritten."""
    lengths, outs = lengths_of(arrays)

    def spots(fixed: bool, share: Callable[[int], Fraction]) -> Spots:
        for o in places(outs):
            axes = list(zip(o, lengths, outs, strict=True))
            if fixed:
                window = [range(y * (n // m), (y + 1) * (n // m)) for y, n, m in axes]
            else:
                window = [range(y * n // m, -(-(y + 1) * n // m)) for y, n, m in axes]
            for i in places(tuple(map(len, window))):
                at = tuple(w[j] for w, j in zip(window, i, strict=True))
                yield o, share(prod(map(len, window))), at

    mean, even = (lambda count: Fraction(1, count)), Fraction(prod(outs), prod(lengths))
    yield "divisor forgotten", mapped(key, spots(False, lambda count: ONE), arrays, right)
    yield "windows all of one length", mapped(key, spots(True, mean), arrays, right)
    yield "one divisor for all windows", mapped(key, spots(False, lambda count: even), arrays, right)
    if key == "input":
        title = "overlapping windows overwritten instead of summed"
        yield title, mapped(key, spots(False, mean), arrays, right, overwrite=True)


def padded(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in padding layers: another mode, the border twice, sides or axes exchanged."""
    lengths, outs = lengths_of(arrays)
    pairs = layer.pairs
    before = [b for b, _ in pairs]
    right_mode = layer.mode
    for mode, title in PAD_MODES.items():
        if mode != right_mode:
            spots = singly(outs, lengths, _border(mode, before, lengths))
            yield title, mapped(key, spots, arrays, right)
    after, flipped = [a for _, a in pairs], before[::-1]
    yield (
        "sides exchanged (before and after)",
        mapped(key, singly(outs, lengths, _border(right_mode, after, lengths)), arrays, right),
    )
    inner = tuple(n - b - a for n, (b, a) in zip(outs, reversed(pairs), strict=True))
    if key == "input" and min(inner) >= 1:
        shape = (*right.shape[:2], *inner)
        hits = planes(arrays, singly(outs, inner, _border(right_mode, flipped, inner)))
        yield "axes exchanged (PyTorch gives the last axis first)", gathered(key, hits, arrays, shape)
    if key == "input":
        spots = singly(outs, lengths, _border(right_mode, before, lengths))
        title = "border entries overwritten instead of summed"
        yield title, mapped(key, spots, arrays, right, overwrite=True)


PAD_MODES = {
    "zeros": "gradient of the border dropped, as if padded with zeros",
    "reflect": "reflected",
    "symmetric": "reflected with the border twice",
    "replicate": "border repeated (replicate)",
    "circular": "wrapped around (circular)",
}


def _border(mode: str, before: Sequence[int], lengths: Sequence[int]) -> Callable[[int, int], int]:
    """The input place that a padded place shows; outside the input where it shows none."""

    def source(axis: int, y: int) -> int:
        i, n = y - before[axis], lengths[axis]
        if 0 <= i < n or mode == "zeros":
            return i
        if mode == "reflect":
            return -i if i < 0 else 2 * (n - 1) - i
        if mode == "symmetric":
            return -i - 1 if i < 0 else 2 * n - 1 - i
        return min(max(i, 0), n - 1) if mode == "replicate" else i % n

    return source


def shuffled(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in pixel shuffles: the order in which a channel's number is read."""
    up = hasattr(layer, "upscale_factor")
    r = layer.upscale_factor if up else layer.downscale_factor
    source = arrays["input"] if key == "output" else arrays["grad_output"]
    turned = _shuffle if (key == "output") == up else _unshuffle
    yield "the two offsets exchanged", turned(source, r, False)
    yield "offsets before channels (depth to space)", turned(source, r, True)


def _shuffle(array: NDArray[Any], r: int, offsets_first: bool) -> NDArray[Any]:
    n, c, h, w = array.shape
    if offsets_first:
        split = array.reshape(n, r, r, c // (r * r), h, w).transpose(0, 3, 4, 1, 5, 2)
    else:
        split = array.reshape(n, c // (r * r), r, r, h, w).transpose(0, 1, 4, 3, 5, 2)
    return split.reshape(n, c // (r * r), h * r, w * r)


def _unshuffle(array: NDArray[Any], r: int, offsets_first: bool) -> NDArray[Any]:
    n, c, h, w = array.shape
    split = array.reshape(n, c, h // r, r, w // r, r)
    turned = split.transpose(0, 3, 5, 1, 2, 4) if offsets_first else split.transpose(0, 1, 5, 3, 2, 4)
    return turned.reshape(n, c * r * r, h // r, w // r)


def masked(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Mistakes in dropout with a given mask."""
    source = arrays["input" if key == "output" else "grad_output"]
    if "mask" in arrays:
        yield "the scale 1/(1 - p) forgotten", source * arrays["mask"]
        yield "the scale without the mask", source * (1 / (1 - exact("p", layer.p)))
    yield "the mask forgotten", source


def flattened(key: str, layer: Any, arrays: Arrays, right: NDArray[Any]) -> Iterator[Wrong]:
    """Entries in column-major order."""
    source = arrays["input"] if key == "output" else arrays["grad_output"]
    if min(right.ndim, source.ndim) > 1 and source.shape[:1] == right.shape[:1]:
        rows = [row.reshape(right.shape[1:], order="F") for row in source]
        found = right.copy()
        for number, row in enumerate(rows):
            found[number] = row
        yield "column-major order", found
