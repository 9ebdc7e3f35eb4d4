"""Some four hundred small cases of the linear layers: drawn with a fixed seed, and corner cases by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from math import floor
from typing import Any

from layer_text import Case, Shape


def shown(values: Sequence[Any]) -> str:
    """One value an axis, written as an int where all are the same and there are several."""
    return repr(values[0]) if len(set(values)) == 1 else repr(tuple(values))


def some(draw: random.Random, rank: int, low: int, high: int) -> list[int]:
    return [draw.randint(low, high) for _ in range(rank)]


def batch(draw: random.Random) -> Shape:
    return draw.choice([(), (1,), (2,), (2,)])


def convolution(draw: random.Random, rank: int, modes: Sequence[str] = ("zeros",)) -> Case | None:
    high = {1: 8, 2: 6, 3: 4}[rank]
    lengths, kernel = some(draw, rank, 1, high), some(draw, rank, 1, 4 if rank == 1 else 3)
    stride, dilation = some(draw, rank, 1, 3), some(draw, rank, 1, 2)
    groups, mode = draw.choice([1, 1, 2, 3]), draw.choice(list(modes))
    into, out = groups * draw.randint(1, 2), groups * draw.randint(1, 2)
    pairs = [(draw.randint(0, 2), draw.randint(0, 2)) for _ in range(rank)]
    padding: Any = draw.choice([tuple(pairs), tuple(p for p, _ in pairs), "same", "valid", "full", 1, 0])
    if isinstance(padding, str) and padding == "same":
        stride = [1] * rank
    words = [str(into), str(out), shown(kernel), f"stride={shown(stride)}", f"padding={padding!r}"]
    words += [f"dilation={shown(dilation)}"] * (max(dilation) > 1) + [f"groups={groups}"] * (groups > 1)
    words += ["bias=False"] * (draw.random() < 0.3) + [f"padding_mode={mode!r}"] * (mode != "zeros")
    case = Case(f"Conv{rank}d({', '.join(words)})", (*batch(draw), into, *lengths))
    for n, (p, q), k, d in zip(lengths, case.pairs, kernel, dilation, strict=True):
        room = {"reflect": n - 1, "circular": n}.get(mode, p + q)
        if n + p + q < d * (k - 1) + 1 or max(p, q) > room:
            return None
    return case


def transposed(draw: random.Random, rank: int) -> Case | None:
    high = {1: 6, 2: 4, 3: 3}[rank]
    lengths, kernel = some(draw, rank, 1, high), some(draw, rank, 1, 4 if rank == 1 else 3)
    stride, dilation, padding = some(draw, rank, 1, 3), some(draw, rank, 1, 2), some(draw, rank, 0, 2)
    extra = [draw.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)]
    groups = draw.choice([1, 1, 2, 3])
    into, out = groups * draw.randint(1, 2), groups * draw.randint(1, 2)
    words = [str(into), str(out), shown(kernel), f"stride={shown(stride)}", f"padding={shown(padding)}"]
    words += [f"output_padding={shown(extra)}"] * (max(extra) > 0) + [f"groups={groups}"] * (groups > 1)
    words += ["bias=False"] * (draw.random() < 0.3) + [f"dilation={shown(dilation)}"] * (max(dilation) > 1)
    axes = zip(lengths, stride, padding, dilation, kernel, extra, strict=True)
    if min((n - 1) * s - 2 * p + d * (k - 1) + e + 1 for n, s, p, d, k, e in axes) < 1:
        return None
    return Case(f"ConvTranspose{rank}d({', '.join(words)})", (*batch(draw), into, *lengths))


def mean(draw: random.Random, rank: int) -> Case | None:
    lengths, kernel = some(draw, rank, 1, {1: 9, 2: 7, 3: 5}[rank]), some(draw, rank, 1, 4)
    padding, stride = [draw.randint(0, k // 2) for k in kernel], some(draw, rank, 1, 4)
    ceil = draw.random() < 0.5
    words = [shown(kernel)] + [f"stride={shown(stride)}"] * (draw.random() < 0.7)
    words += [f"padding={shown(padding)}"] + ["ceil_mode=True"] * ceil
    words += ["count_include_pad=False"] * (draw.random() < 0.4)
    words += [f"divisor_override={draw.randint(1, 5)}"] * (rank > 1 and draw.random() < 0.3)
    case = Case(f"AvgPool{rank}d({', '.join(words)})", (*batch(draw), draw.randint(1, 2), *lengths))
    steps = case.per_axis("stride", tuple(kernel))
    axes = zip(lengths, kernel, padding, steps, strict=True)
    # PyTorch refuses three axes where one is shorter than the kernel, whatever the padding
    fits = all(
        n + 2 * p - k + (s - 1 if ceil else 0) >= 0 and n >= (k if rank == 3 else 1) for n, k, p, s in axes
    )
    return case if fits else None


def weighted(draw: random.Random, rank: int) -> Case | None:
    lengths, kernel, stride = some(draw, 2, 1, 7), some(draw, 2, 1, 3), some(draw, 2, 1, 3)
    padding = [draw.randint(0, k // 2) for k in kernel]
    words = [shown(kernel)] + [f"stride={shown(stride)}"] * (draw.random() < 0.6)
    words += [f"padding={shown(padding)}"] * (max(padding) > 0)
    if any(n + 2 * p < k for n, p, k in zip(lengths, padding, kernel, strict=True)):
        return None
    return Case(f"WeightedPool2d({', '.join(words)})", (*batch(draw), draw.randint(1, 3), *lengths))


def adaptive(draw: random.Random, rank: int) -> Case:
    high = {1: 9, 2: 7, 3: 5}[rank]
    size = some(draw, rank, 1, high)
    return Case(
        f"AdaptiveAvgPool{rank}d({shown(size)})",
        (*batch(draw), draw.randint(1, 2), *some(draw, rank, 1, high)),
    )


def resampled(draw: random.Random, rank: int, mode: str) -> Case | None:
    lengths = some(draw, rank, 1, {1: 8, 2: 5, 3: 3}[rank])
    words = [f"mode={mode!r}"] if mode != "nearest" or draw.random() < 0.3 else []
    if mode != "nearest" and draw.random() < 0.7:
        words.append(f"align_corners={draw.random() < 0.5}")
    if draw.random() < 0.4:
        words.insert(0, f"size={shown(some(draw, rank, 1, 7))}")
    else:
        scales = [draw.choice([2, 3, 2.0, 0.5, 1.5, 2.5, 1.2, 0.7, 1.25, 0.4, 2.3, 1]) for _ in range(rank)]
        if min(floor(n * float(s)) for n, s in zip(lengths, scales, strict=True)) < 1:
            return None
        words.insert(0, f"scale_factor={shown(scales)}")
        words += [f"recompute_scale_factor={draw.random() < 0.7}"] * (draw.random() < 0.4)
    return Case(f"Upsample({', '.join(words)})", (draw.randint(1, 2), draw.randint(1, 2), *lengths))


def pads(draw: random.Random, rank: int, kind: str) -> Case | None:
    lengths = some(draw, rank, 1, {1: 6, 2: 5, 3: 4}[rank])
    low = -2 if kind == "Zero" and draw.random() < 0.5 else 0
    flat = some(draw, 2 * rank, low, 3 if rank < 3 else 2)
    case = Case(f"{kind}Pad{rank}d({shown(flat)})", (*batch(draw), draw.randint(1, 2), *lengths))
    for n, (p, q) in zip(lengths, case.pairs, strict=True):
        room = {"Reflection": n - 1, "Circular": n}.get(kind, 9)
        # PyTorch crops one side after the other, so neither may take more than there is
        if max(p, q) > room or n + p + q < 1 or n + min(p, 0) < 1 or n + min(q, 0) < 1:
            return None
    return case


def thinned(draw: random.Random, rank: int) -> Case:
    factor = some(draw, rank, 1, 4)
    shape = (draw.randint(1, 2), draw.randint(1, 2), *some(draw, rank, 1, {1: 9, 2: 7, 3: 4}[rank]))
    return Case(f"Downsample({shown(factor)})", shape)


def spread(draw: random.Random, rank: int) -> Case:
    factor = some(draw, rank, 1, 3)
    extra = [draw.randint(0, f - 1) for f in factor]
    shape = (draw.randint(1, 2), draw.randint(1, 2), *some(draw, rank, 1, {1: 6, 2: 4, 3: 3}[rank]))
    words = [shown(factor)] + [f"output_padding={shown(extra)}"] * (max(extra) > 0)
    return Case(f"UpsampleZeros({', '.join(words)})", shape)


def shuffled(draw: random.Random, rank: int, kind: str) -> Case:
    r, lead = draw.randint(1, 3), batch(draw)
    c, h, w = draw.randint(1, 2), draw.randint(1, 3), draw.randint(1, 3)
    sides = (c * r * r, h, w) if kind == "PixelShuffle" else (c, h * r, w * r)
    return Case(f"{kind}({r})", (*lead, *sides))


def dense(draw: random.Random, rank: int) -> Case:
    into, out = draw.randint(1, 6), draw.randint(1, 6)
    words = [str(into), str(out)] + ["bias=False"] * (draw.random() < 0.4)
    return Case(f"Linear({', '.join(words)})", (*some(draw, rank, 1, 4), into))


def flat(draw: random.Random, rank: int) -> Case:
    first = draw.randrange(rank)
    last = draw.randrange(first, rank)
    first, last = draw.choice([first, first - rank]), draw.choice([last, last - rank])
    words = [f"start_dim={first}"] * (first != 1) + [f"end_dim={last}"] * (last != -1)
    return Case(f"Flatten({', '.join(words)})", tuple(some(draw, rank, 1, 4)))


def joined(draw: random.Random, rank: int) -> Case:
    shape, dim = some(draw, rank, 1, 4), draw.randrange(-rank, rank)
    other = list(shape)
    other[dim] = draw.randint(1, 4)
    words = [f"dim={dim}"] * (dim != 1) + [f"other_shape={tuple(other)}"] * (other != shape)
    return Case(f"Concat({', '.join(words)})", tuple(shape))


def added(draw: random.Random, rank: int) -> Case:
    return Case("Add()", tuple(some(draw, rank, 1, 4)))


def biased(draw: random.Random, rank: int) -> Case:
    shape = some(draw, rank, 1, 4)
    return Case(f"Bias({shape[1]})", tuple(shape))


Draw = Callable[[random.Random], Case | None]

DRAWS: tuple[tuple[int, Draw], ...] = (
    *((n, partial(convolution, rank=r)) for r, n in ((1, 14), (2, 24), (3, 8))),
    *(
        (n, partial(convolution, rank=r, modes=(m,)))
        for r, n in ((1, 4), (2, 5), (3, 2))
        for m in ("reflect", "replicate", "circular")
    ),
    *((n, partial(transposed, rank=r)) for r, n in ((1, 12), (2, 20), (3, 6))),
    *((n, partial(mean, rank=r)) for r, n in ((1, 14), (2, 22), (3, 8))),
    (8, partial(weighted, rank=2)),
    *((n, partial(adaptive, rank=r)) for r, n in ((1, 8), (2, 12), (3, 5))),
    *((n, partial(resampled, rank=r, mode="nearest")) for r, n in ((1, 8), (2, 10), (3, 4))),
    *(
        (n, partial(resampled, rank=r, mode=m))
        for r, m, n in ((1, "linear", 12), (2, "bilinear", 16), (3, "trilinear", 6))
    ),
    *(
        (n, partial(pads, rank=r, kind=kind))
        for kind in ("Zero", "Reflection", "Replication", "Circular")
        for r, n in ((1, 4), (2, 5), (3, 2))
    ),
    *((n, partial(thinned, rank=r)) for r, n in ((1, 4), (2, 6), (3, 3))),
    *((n, partial(spread, rank=r)) for r, n in ((1, 4), (2, 6), (3, 3))),
    *((6, partial(shuffled, rank=2, kind=kind)) for kind in ("PixelShuffle", "PixelUnshuffle")),
    *((3, partial(dense, rank=r)) for r in (0, 1, 2)),
    *((3, partial(flat, rank=r)) for r in (1, 3, 4, 5)),
    *((3, partial(joined, rank=r)) for r in (1, 2, 4)),
    *((1, partial(added, rank=r)) for r in (1, 2, 3, 4)),
    *((1, partial(biased, rank=r)) for r in (2, 3, 4, 5)),
)
"""How many cases of each kind are drawn; a draw that fits no layer is drawn again."""

BY_HAND = (
    # one entry, one tap
    Case("Conv2d(1, 1, 1)", (1, 1, 1, 1)),
    # a stride over the kernel, entries left over on both axes
    Case("Conv2d(1, 2, 2, stride=(4, 3))", (1, 1, 9, 7)),
    # more padding than kernel
    Case("Conv2d(1, 1, 2, padding=((3, 0), (0, 4)))", (1, 1, 2, 2)),
    Case("Conv1d(2, 2, 4, padding='same', dilation=3, padding_mode='replicate')", (2, 2, 9)),
    Case("Conv2d(2, 2, 3, padding=2, padding_mode='circular')", (1, 2, 2, 5)),
    Case("Conv2d(1, 1, 3, padding=2, padding_mode='reflect', stride=2)", (1, 3, 4)),
    Case("Conv1d(1, 1, 2, padding=((1, 3),), padding_mode='reflect')", (1, 1, 4)),
    # a transposed convolution that crops more than its kernel reaches
    Case("ConvTranspose2d(1, 1, 2, stride=2, padding=1)", (1, 1, 3, 2)),
    Case("ConvTranspose1d(1, 1, 2, stride=3, padding=2, output_padding=2)", (1, 1, 4)),
    Case("ConvTranspose1d(2, 2, 3, output_padding=1, dilation=2, groups=2)", (2, 3)),
    # output_padding below the dilation but not below the stride
    Case("ConvTranspose2d(1, 2, (1, 3), stride=1, output_padding=(0, 2), dilation=(1, 3))", (1, 1, 2, 2)),
    # the last window hangs over the end; it would start in the padding; it lies over all there is
    Case("AvgPool1d(3, stride=2, ceil_mode=True)", (1, 1, 6)),
    Case("AvgPool1d(2, stride=3, padding=1, ceil_mode=True)", (1, 1, 5)),
    Case("AvgPool1d(3, stride=2, ceil_mode=True)", (1, 1, 2)),
    Case("AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)", (1, 1, 4, 5)),
    Case("AvgPool2d(3, stride=2, padding=1, ceil_mode=True)", (1, 1, 4, 5)),
    Case("AvgPool2d((3, 2), stride=(2, 5), padding=(1, 0), divisor_override=7)", (2, 2, 5, 7)),
    Case("AvgPool2d(2, stride=5)", (1, 1, 9, 8)),
    Case("AvgPool3d((1, 2, 3), padding=(0, 1, 1), ceil_mode=True, divisor_override=2)", (1, 2, 3, 4)),
    # padding of one side, which PyTorch knows for no pool and no transposed convolution
    Case("AvgPool2d((3, 2), stride=2, padding=((1, 0), (0, 1)))", (1, 1, 5, 4)),
    Case("AvgPool1d(4, padding=((0, 2),), stride=3)", (2, 1, 7)),
    Case("WeightedPool2d(2, padding=((1, 0), (0, 1)))", (1, 2, 4, 3)),
    Case("ConvTranspose2d(2, 1, (2, 3), stride=2, padding=((1, 0), (0, 2)), output_padding=1)", (1, 2, 3, 2)),
    Case("WeightedPool2d((2, 3), stride=(3, 1), padding=(1, 1))", (2, 4, 5)),
    # adaptive: nothing changes, everything at once, windows that overlap and repeat
    Case("AdaptiveAvgPool2d((4, 3))", (1, 1, 4, 3)),
    Case("AdaptiveAvgPool2d(1)", (1, 2, 4, 5)),
    Case("AdaptiveAvgPool1d(7)", (1, 1, 3)),
    Case("AdaptiveAvgPool2d((None, 2))", (1, 1, 3, 5)),
    Case("AdaptiveAvgPool3d((2, None, 1))", (1, 3, 2, 2)),
    # equal lengths with a fractional scale are copied by interpolation, not by nearest
    Case("Upsample(scale_factor=1.2, mode='linear')", (1, 1, 3)),
    Case("Upsample(scale_factor=1.2, mode='linear', align_corners=True)", (1, 1, 3)),
    Case("Upsample(scale_factor=1.2)", (1, 1, 3)),
    Case("Upsample(scale_factor=(1.4, 2.3), mode='bilinear')", (1, 1, 2, 3)),
    # positions beyond the last entry
    Case("Upsample(scale_factor=1.9, mode='linear')", (1, 1, 4)),
    Case("Upsample(scale_factor=0.6, mode='linear')", (1, 1, 7)),
    # the double product falls short of the decimal one, or does not
    Case("Upsample(scale_factor=0.29)", (1, 1, 100)),
    Case("Upsample(scale_factor=0.29, mode='linear', recompute_scale_factor=True)", (1, 1, 100)),
    Case("Upsample(scale_factor=1.1, mode='linear', align_corners=False)", (1, 1, 10)),
    # one place, one entry, with corners aligned
    Case("Upsample(size=1, mode='linear', align_corners=True)", (1, 1, 5)),
    Case("Upsample(size=(4, 1), mode='bilinear', align_corners=True)", (1, 1, 1, 3)),
    Case("Upsample(size=(2, 3, 2), mode='trilinear', align_corners=True)", (1, 1, 2, 2, 3)),
    Case("Upsample((5, 2))", (1, 1, 2, 4)),
    Case("Upsample(None, (2, 3))", (1, 2, 2, 3)),
    Case("ZeroPad1d((-1, -2))", (1, 1, 4)),
    Case("ZeroPad2d((-2, 3, 1, -1))", (2, 3, 4)),
    Case("ZeroPad3d(0)", (1, 1, 2, 1, 2)),
    Case("ReflectionPad1d(3)", (1, 4)),
    Case("ReplicationPad1d((7, 0))", (1, 1, 1)),
    Case("CircularPad1d((3, 3))", (1, 1, 3)),
    Case("CircularPad2d((0, 2, 3, 0))", (1, 1, 3, 2)),
    Case("ReflectionPad3d((1, 0, 0, 1, 1, 1))", (1, 2, 2, 2)),
    Case("ReplicationPad3d((0, 1, 1, 0, 2, 0))", (1, 1, 1, 2, 1)),
    Case("CircularPad3d((0, 1, 1, 0, 1, 1))", (1, 1, 2, 1)),
    Case("Downsample(3)", (1, 1, 9)),
    Case("Downsample((2, 5))", (1, 2, 6, 4)),
    Case("UpsampleZeros(4, output_padding=3)", (1, 1, 3)),
    Case("UpsampleZeros((1, 2, 3))", (1, 1, 2, 2, 1)),
    Case("PixelShuffle(3)", (1, 9, 2, 1)),
    Case("PixelUnshuffle(3)", (1, 1, 3, 6)),
    Case("Linear(3, 2)", (3,)),
    Case("Flatten()", (2, 3, 2, 2)),
    Case("Flatten(2, 3)", (2, 2, 3, 2, 2)),
    Case("Flatten(1, 1)", (2, 3, 2)),
    Case("Add()", (2, 3, 2, 2)),
    Case("Concat()", (2, 2, 3, 3)),
    Case("Concat(dim=-1, other_shape=(1, 2, 3, 5))", (1, 2, 3, 2)),
)


def drawn(seed: int = 7) -> list[Case]:
    """The cases of DRAWS, each once."""
    found: dict[Case, None] = {}
    for number, (count, draw) in enumerate(DRAWS):
        source, wanted = random.Random(1000 * seed + number), len(found) + count
        while len(found) < wanted:
            case = draw(source)
            if case is not None:
                found[case] = None
    return list(found)


CASES = tuple(dict.fromkeys((*BY_HAND, *drawn())))
