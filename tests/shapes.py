"""Random convolution cases: non-square, non-divisible, kernel above and below the stride, groups."""

from __future__ import annotations

import random

from derive.layers.conv import Conv2d


def random_case(draw: random.Random, most: int = 7) -> tuple[Conv2d, tuple[int, ...]]:
    """A layer and an input shape that fits it; small enough for plain loops."""
    while True:
        groups = draw.choice((1, 1, 2))
        kernel = draw.randint(1, 3), draw.randint(1, 3)
        stride = draw.randint(1, 4), draw.randint(1, 3)
        dilation = draw.randint(1, 3), draw.randint(1, 2)
        padding = tuple((draw.randint(0, 3), draw.randint(0, 3)) for _ in range(2))
        shape = draw.randint(1, most), draw.randint(1, most)
        channels = groups * draw.randint(1, 2)
        fits = all(
            n + sum(p) >= d * (k - 1) + 1 for n, p, d, k in zip(shape, padding, dilation, kernel, strict=True)
        )
        if fits:
            layer = Conv2d(
                channels, groups * draw.randint(1, 2), kernel, stride=stride, padding=padding,
                dilation=dilation, groups=groups, bias=draw.random() < 0.7,
            )  # fmt: skip
            batch = () if draw.random() < 0.2 else (draw.randint(1, 2),)
            return layer, (*batch, channels, *shape)
