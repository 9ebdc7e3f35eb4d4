"""Some four hundred small cases of the non-linear layers: drawn with a fixed seed, and by hand."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from math import prod

from layer_cases import batch, shown, some
from layer_text import Case, Shape

Draw = Callable[[random.Random], Case | None]


def called(kind: str, *words: str) -> str:
    return f"{kind}({', '.join(w for w in words if w)})"


def any_shape(draw: random.Random, low: int = 1, high: int = 5) -> Shape:
    rank = draw.randint(low, high)
    return tuple(some(draw, rank, 1, 4 if rank < 4 else 2))


PLAIN = ("ReLU", "Sigmoid", "Tanh", "SiLU", "Identity")


def function(draw: random.Random, kind: str) -> Case:
    """An activation with its parameters, on any number of axes."""
    words = {
        "LeakyReLU": lambda: [draw.choice(["", "0.2", "-0.5", "negative_slope=0.125", "0", "1.7"])],
        "ELU": lambda: [draw.choice(["", "0.5", "alpha=1.67326", "-0.3", "2"])],
        "GELU": lambda: [draw.choice(["", "approximate='tanh'", "'none'", "'tanh'"])],
        "Softplus": lambda: [
            draw.choice(["", "2", "beta=0.5", "1.5, 1.25", "threshold=0.5", "3, threshold=2"])
        ],
        "Hardtanh": lambda: [
            draw.choice(["", "-0.5, 0.25", "0, 6", "min_val=-2.0, max_val=0.1", "0.1, 0.9"])
        ],
    }
    return Case(called(kind, *words.get(kind, lambda: [""])()), any_shape(draw))


def soft(draw: random.Random, kind: str) -> Case:
    shape = any_shape(draw, high=4)
    dim = draw.randrange(-len(shape), len(shape))
    return Case(called(kind, draw.choice([f"dim={dim}", str(dim)])), shape)


def classes(draw: random.Random) -> Shape:
    """Shapes of logits: one sample, a batch, places on one, two or three axes."""
    c, n = draw.randint(1, 5), draw.randint(1, 4)
    return draw.choice(
        [
            (c,),
            (n, c),
            (n, c),
            (n, c, draw.randint(1, 4)),
            (n, c, *some(draw, 2, 1, 3)),
            (draw.randint(1, 2), c, *some(draw, 3, 1, 2)),
        ]
    )


def reduced(draw: random.Random) -> str:
    return draw.choice(["", "reduction='sum'", "reduction='none'", "reduction='mean'"])


def ignored(draw: random.Random, shape: Shape) -> str:
    """Some class that is left out, or a number that is none; never the only class."""
    some_class = ["ignore_index=0", "ignore_index=2"] if shape[len(shape) > 1] > 1 else []
    return draw.choice(["", "", "ignore_index=-1", *some_class])


def entropy(draw: random.Random, target: str) -> Case:
    shape = classes(draw)
    words = [draw.choice(["", "weighted=True"])]
    words += [ignored(draw, shape)] * (target == "indices") + [reduced(draw)]
    words += [draw.choice(["", "", "label_smoothing=0.1", "label_smoothing=0.375", "label_smoothing=1.0"])]
    words += ["target='probabilities'"] * (target != "indices")
    return Case(called("CrossEntropyLoss", *words), shape)


def likelihood(draw: random.Random) -> Case:
    shape = classes(draw)
    words = draw.choice(["", "weighted=True"]), ignored(draw, shape), reduced(draw)
    return Case(called("NLLLoss", *words), shape)


def measured(draw: random.Random, kind: str) -> Case:
    """A loss of two arrays of one shape."""
    words = [reduced(draw)] + [draw.choice(["", "", "weighted=True"])] * kind.startswith("BCE")
    words += [draw.choice(["", "positive_weighted=True"])] * (kind == "BCEWithLogitsLoss")
    return Case(called(kind, *words), any_shape(draw, high=4))


def penalty(draw: random.Random) -> Case:
    return Case(
        f"L2Penalty({draw.choice(['0.5', '1', 'weight_decay=0.0005', '2.5'])})", any_shape(draw, high=4)
    )


def normalised(draw: random.Random, rank: int) -> Case:
    c, training = draw.randint(1, 4), draw.random() < 0.6
    lengths = some(draw, rank, 1, {1: 4, 2: 3, 3: 2}[rank])
    shape = (draw.randint(1, 4), c, *lengths)
    if rank == 1 and draw.random() < 0.5:
        shape = (draw.randint(1, 5), c)
    words = [str(c), draw.choice(["", "", "eps=0.001", "1e-3", "eps=0.5"])]
    words += [
        draw.choice(["", "", "momentum=0.25", "momentum=1.0"]),
        draw.choice(["", "", "affine=False", "bias=False"]),
    ]
    words += [draw.choice(["", "", "track_running_stats=False"])] + ["training=True"] * training
    entries = shape[0] * prod(shape[2:])
    statistics = training or "track_running_stats" in words[-2 if training else -1]
    return None if entries == 1 and statistics else Case(called(f"BatchNorm{rank}d", *words), shape)


def dropped(draw: random.Random) -> Case:
    words = (
        draw.choice(["", "0.25", "p=0.1", "0", "0.9"]),
        draw.choice(["", "training=True", "training=True"]),
    )
    return Case(called("Dropout", *words), any_shape(draw))


def multiplied(draw: random.Random) -> Case:
    return Case("Mul()", any_shape(draw))


def largest(draw: random.Random, rank: int, kind: str) -> Case | None:
    lengths = some(draw, rank, 1, {1: 10, 2: 7, 3: 4}[rank])
    kernel = some(draw, rank, 1, 4 if rank < 3 else 3)
    padding, dilation = [draw.randint(0, k // 2) for k in kernel], some(draw, rank, 1, 2)
    if draw.random() < 0.5:
        dilation = [1] * rank
    stride, ceil = some(draw, rank, 1, 4 if rank < 3 else 2), draw.random() < 0.4
    given = draw.random() < 0.7
    words = [shown(kernel)] + [f"stride={shown(stride)}"] * given
    words += [f"padding={shown(padding)}"] * (max(padding) > 0) + [f"dilation={shown(dilation)}"] * (
        max(dilation) > 1
    )
    words += ["return_indices=True"] * (draw.random() < 0.2) + ["ceil_mode=True"] * ceil
    steps = stride if given else kernel
    for n, k, s, p, d in zip(lengths, kernel, steps, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1 + (s - 1 if ceil else 0)
        if room < 0:
            return None
        windows = room // s + 1
        windows -= ceil and (windows - 1) * s >= n + p
        # a window all of whose taps lie in the padding has no largest entry (PyTorch says -inf)
        if any(not any(0 <= s * o + d * a - p < n for a in range(k)) for o in range(windows)):
            return None
    return Case(called(f"{kind}Pool{rank}d", *words), (*batch(draw), draw.randint(1, 2), *lengths))


def adaptive(draw: random.Random, rank: int) -> Case:
    high = {1: 9, 2: 6, 3: 4}[rank]
    size = some(draw, rank, 1, high)
    words = [shown(size)] + ["return_indices=True"] * (draw.random() < 0.2)
    shape = (*batch(draw), draw.randint(1, 2), *some(draw, rank, 1, high))
    return Case(called(f"AdaptiveMaxPool{rank}d", *words), shape)


def unpooled(draw: random.Random, rank: int) -> Case | None:
    lengths = some(draw, rank, 1, {1: 5, 2: 4, 3: 2}[rank])
    kernel, stride = some(draw, rank, 1, 3), some(draw, rank, 1, 3)
    padding, given = [draw.randint(0, k // 2) for k in kernel], draw.random() < 0.6
    steps = stride if given else kernel
    sides = [(n - 1) * s + k - 2 * p for n, k, s, p in zip(lengths, kernel, steps, padding, strict=True)]
    words = [shown(kernel)] + [f"stride={shown(stride)}"] * given
    words += [f"padding={shown(padding)}"] * (max(padding) > 0)
    if draw.random() < 0.4:
        sides = [n + draw.randint(1 - s, s - 1) for n, s in zip(sides, steps, strict=True)]
        words.append(f"output_size={tuple(sides)}")
    # every entry needs a place of its own
    if min(sides) < 1 or prod(sides) < prod(lengths):
        return None
    return Case(called(f"MaxUnpool{rank}d", *words), (*batch(draw), draw.randint(1, 2), *lengths))


def normed(draw: random.Random, rank: int) -> Case | None:
    lengths, kernel = some(draw, rank, 1, {1: 9, 2: 6, 3: 4}[rank]), some(draw, rank, 1, 3)
    stride, given, ceil = some(draw, rank, 1, 3), draw.random() < 0.6, draw.random() < 0.4
    steps = stride if given else kernel
    words = [draw.choice(["2", "1", "3", "2.5", "1.5", "4", "norm_type=2.0"])]
    named = "=" in words[0]
    words += [f"kernel_size={shown(kernel)}" if named else shown(kernel)]
    words += [f"stride={shown(stride)}"] * given + ["ceil_mode=True"] * ceil
    if any(n < k for n, k in zip(lengths, kernel, strict=True)):
        return None
    assert all(s > 0 for s in steps)
    return Case(called(f"LPPool{rank}d", *words), (*batch(draw), draw.randint(1, 2), *lengths))


DRAWS: tuple[tuple[int, Draw], ...] = (
    *((5, partial(function, kind=k)) for k in PLAIN),
    *((8, partial(function, kind=k)) for k in ("LeakyReLU", "ELU", "GELU", "Softplus", "Hardtanh")),
    *((10, partial(soft, kind=k)) for k in ("Softmax", "LogSoftmax")),
    (32, partial(entropy, target="indices")),
    (20, partial(entropy, target="probabilities")),
    (16, likelihood),
    *(
        (n, partial(measured, kind=k))
        for k, n in (("BCELoss", 10), ("BCEWithLogitsLoss", 14), ("MSELoss", 8))
    ),
    (4, penalty),
    *((n, partial(normalised, rank=r)) for r, n in ((1, 14), (2, 12), (3, 8))),
    (10, dropped),
    (5, multiplied),
    *((n, partial(largest, rank=r, kind="Max")) for r, n in ((1, 16), (2, 26), (3, 8))),
    *((n, partial(largest, rank=r, kind="Min")) for r, n in ((1, 6), (2, 8), (3, 3))),
    *((n, partial(adaptive, rank=r)) for r, n in ((1, 8), (2, 10), (3, 5))),
    *((n, partial(unpooled, rank=r)) for r, n in ((1, 7), (2, 9), (3, 4))),
    *((n, partial(normed, rank=r)) for r, n in ((1, 10), (2, 12), (3, 4))),
)
"""How many cases of each kind are drawn; a draw that fits no layer is drawn again."""

BY_HAND = (
    Case("ReLU()", (1,)),
    Case("Identity()", (2, 3, 2)),
    # entries on both sides of the threshold
    Case("Softplus(threshold=0.5)", (2, 3)),
    Case("Softplus(3, threshold=2)", (3, 3)),
    # one class, one entry: softmax is 1 and its gradient 0
    Case("Softmax(dim=0)", (1,)),
    Case("LogSoftmax(dim=1)", (1, 1)),
    Case("Softmax(dim=1)", (2, 7, 3, 2)),
    Case("CrossEntropyLoss()", (3, 4)),
    Case("CrossEntropyLoss()", (1, 1)),
    # every extra at once
    Case("CrossEntropyLoss(weighted=True, ignore_index=1, label_smoothing=0.2)", (4, 3, 2, 2)),
    Case("CrossEntropyLoss(weighted=True, ignore_index=1, reduction='none', label_smoothing=0.2)", (3, 3, 2)),
    Case("CrossEntropyLoss(weighted=True, label_smoothing=0.2, target='probabilities')", (3, 4)),
    Case("CrossEntropyLoss(reduction='sum', target='probabilities')", (2, 3, 2, 2)),
    Case("CrossEntropyLoss(target='probabilities')", (4,)),
    Case("CrossEntropyLoss(reduction='none')", (5,)),
    Case("NLLLoss()", (4,)),
    Case("NLLLoss(weighted=True, ignore_index=0)", (2, 3, 2, 2)),
    Case("BCELoss()", (1,)),
    Case("BCEWithLogitsLoss()", (2, 3)),
    Case("BCEWithLogitsLoss(positive_weighted=True, reduction='none')", (3, 2)),
    Case("MSELoss()", (2, 3)),
    Case("L2Penalty(1)", (4,)),
    Case("BatchNorm1d(3, training=True)", (4, 3)),
    Case("BatchNorm1d(3)", (1, 3)),
    Case("BatchNorm1d(2, training=True)", (1, 2, 5)),
    Case("BatchNorm2d(3, training=True)", (2, 3, 2, 2)),
    Case("BatchNorm2d(3)", (2, 3, 2, 2)),
    Case("BatchNorm2d(2, affine=False, training=True, track_running_stats=False)", (2, 2, 2, 3)),
    Case("BatchNorm2d(2, track_running_stats=False)", (2, 2, 2, 3)),
    Case("BatchNorm3d(2, 0.01, 0.5, True, True, training=True)", (2, 2, 1, 2, 2)),
    # two entries a channel: the normalised ones are +-1 nearly, whatever they were
    Case("BatchNorm1d(1, training=True)", (2, 1)),
    Case("Dropout(0.5, training=True)", (2, 3)),
    Case("Dropout(1, training=True)", (2, 3)),
    Case("Mul()", (2, 3, 2, 2)),
    # one entry, one tap
    Case("MaxPool2d(1)", (1, 1, 1, 1)),
    # windows that overlap, do not meet, hang over the end
    Case("MaxPool2d(3, stride=1)", (1, 1, 5, 5)),
    Case("MaxPool2d(2, stride=3)", (1, 2, 8, 7)),
    Case("MaxPool2d(3, stride=2, ceil_mode=True)", (1, 1, 6, 6)),
    Case("MaxPool2d(3, stride=2, padding=1, ceil_mode=True)", (2, 1, 4, 6)),
    Case("MaxPool2d((3, 2), stride=(1, 2), padding=(1, 1), dilation=(2, 1))", (1, 1, 7, 5)),
    Case("MaxPool2d(3, 2, 1, 1, True, False)", (1, 2, 5, 5)),
    # the window is the whole input
    Case("MaxPool2d((4, 3))", (1, 2, 4, 3)),
    Case("MaxPool1d(5, stride=1, padding=2)", (1, 1, 6)),
    Case("MaxPool1d(2, stride=3, padding=1, ceil_mode=True)", (1, 1, 5)),
    Case("MaxPool3d(2, stride=1)", (1, 1, 3, 3, 2)),
    Case("MinPool2d(3, stride=2, padding=1)", (1, 1, 5, 5)),
    Case("MinPool1d(2)", (3, 6)),
    Case("AdaptiveMaxPool2d(1)", (1, 2, 4, 5)),
    Case("AdaptiveMaxPool2d((None, 2))", (1, 1, 3, 5)),
    Case("AdaptiveMaxPool1d(7)", (1, 1, 3)),
    Case("AdaptiveMaxPool3d((2, None, 1))", (1, 3, 2, 2)),
    Case("MaxUnpool2d(2)", (1, 1, 2, 2)),
    Case("MaxUnpool2d(2, output_size=(5, 5))", (1, 1, 2, 2)),
    Case("MaxUnpool2d(3, stride=2, padding=1)", (1, 2, 3, 3)),
    Case("MaxUnpool1d(2, stride=1)", (1, 1, 4)),
    Case("LPPool2d(2, 3, stride=2)", (1, 1, 7, 5)),
    Case("LPPool2d(2, 2, ceil_mode=True)", (1, 1, 5, 3)),
    Case("LPPool1d(1, 3, stride=1)", (1, 1, 6)),
    Case("LPPool3d(2, 2)", (1, 1, 2, 4, 2)),
)


def drawn(seed: int = 11) -> list[Case]:
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
