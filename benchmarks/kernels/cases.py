"""Owns the list of what is measured: layers at shapes, their classes, and the rows that a run has of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MODES = ("warm", "cold")


@dataclass(frozen=True)
class Case:
    """A layer at a shape.

    Attributes:
        title: short name, unique with the dtype.
        kind: the class whose geometric mean it enters.
        layer: as `derive.parse_layer` reads it.
        shape: of the input, batch 1 first.
        operations: those measured; all that the layer has where empty.
        batches: the batch sizes it is measured at.
        cold: whether it is measured with cold caches besides.
        scale: of the operands.
    """

    title: str
    kind: str
    layer: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    operations: tuple[str, ...] = ()
    batches: tuple[int, ...] = (1, 8)
    cold: bool = False
    scale: float = 1.0


def _conv(k: int, n: int, size: int, rest: str = ", padding=1", bias: bool = False) -> str:
    return f"Conv2d({k}, {n}, {size}{rest}{'' if bias else ', bias=False'})"


def _square(channels: int, length: int) -> tuple[int, ...]:
    return (1, channels, length, length)


ONCE = (1,)
CASES = (
    Case("LeNet c1", "first and tiny", _conv(1, 6, 5, ", padding=2", True), _square(1, 28), cold=True),
    Case("LeNet c2", "first and tiny", _conv(6, 16, 5, "", True), _square(6, 14)),
    Case("3-16@32", "first and tiny", _conv(3, 16, 3), _square(3, 32)),
    Case("16-32@16", "small", _conv(16, 32, 3), _square(16, 16)),
    Case("16@32", "small", _conv(16, 16, 3), _square(16, 32)),
    Case("64@8", "small", _conv(64, 64, 3), _square(64, 8)),
    Case("7x7 s2 3-64@224", "7x7 stride 2", _conv(3, 64, 7, ", stride=2, padding=3"), _square(3, 224)),
    Case("64@56", "dense 3x3", _conv(64, 64, 3), _square(64, 56), cold=True),
    Case("128@28", "dense 3x3", _conv(128, 128, 3), _square(128, 28)),
    Case("256@14", "dense 3x3", _conv(256, 256, 3), _square(256, 14)),
    Case("512@7", "dense 3x3", _conv(512, 512, 3), _square(512, 7), cold=True),
    Case("VGG 64@224", "VGG", _conv(64, 64, 3), _square(64, 224), batches=ONCE),
    Case("1x1 64-256@56", "1x1", _conv(64, 256, 1, ""), _square(64, 56)),
    Case("1x1 1024-256@14", "1x1", _conv(1024, 256, 1, ""), _square(1024, 14), cold=True),
    Case("1x1 s2 256-512@56", "1x1", _conv(256, 512, 1, ", stride=2"), _square(256, 56)),
    Case("depthwise 32@112", "depthwise", _conv(32, 32, 3, ", padding=1, groups=32"), _square(32, 112)),
    Case(
        "depthwise s2 144@56",
        "depthwise",
        _conv(144, 144, 3, ", stride=2, padding=1, groups=144"),
        _square(144, 56),
    ),
    Case(
        "conv1d 64@16000", "conv1d", "Conv1d(64, 64, 9, padding=4, bias=False)", (1, 64, 16000), batches=ONCE
    ),
    Case("conv3d 16-32@16x28x28", "conv3d", "Conv3d(16, 32, 3, padding=1, bias=False)", (1, 16, 16, 28, 28)),
    Case(
        "transposed 64-32@28",
        "transposed",
        "ConvTranspose2d(64, 32, 4, stride=2, padding=1, bias=False)",
        _square(64, 28),
    ),
    Case("max pool 64@112", "pooling", "MaxPool2d(2)", _square(64, 112)),
    Case("mean pool 64@112", "pooling", "AvgPool2d(2)", _square(64, 112)),
    Case("nearest x2 64@56", "resampling", "Upsample(scale_factor=2)", _square(64, 56)),
    Case("bilinear x2 64@56", "resampling", "Upsample(scale_factor=2, mode='bilinear')", _square(64, 56)),
    Case("linear 512-1000, 64 rows", "linear", "Linear(512, 1000)", (64, 512), batches=ONCE, cold=True),
    Case("cross entropy 1000, 64 rows", "cross entropy", "CrossEntropyLoss()", (64, 1000), batches=ONCE),
    Case("LeNet c2", "float64", _conv(6, 16, 5, "", True), _square(6, 14), "float64", batches=ONCE),
    Case("64@56", "float64", _conv(64, 64, 3), _square(64, 56), "float64", batches=ONCE),
    Case("1x1 1024-256@14", "float64", _conv(1024, 256, 1, ""), _square(1024, 14), "float64", batches=ONCE),
    Case(
        "depthwise 32@112",
        "float64",
        _conv(32, 32, 3, ", padding=1, groups=32"),
        _square(32, 112),
        "float64",
        batches=ONCE,
    ),
    Case("smallest call", "overhead", _conv(1, 1, 1, ""), _square(1, 1), batches=ONCE),
    Case("denormal 16@32", "denormal", _conv(16, 16, 3), _square(16, 32), batches=ONCE, scale=1e-20),
)
APART = ("overhead", "denormal")
"""Classes that no geometric mean over all rows counts."""


@dataclass(frozen=True)
class Planned:
    """One row to measure."""

    case: Case
    operation: str
    batch: int
    threads: int
    mode: str

    @property
    def key(self) -> str:
        """The row's name in a file of results."""
        case = self.case
        said = f"batch {self.batch}", f"{self.threads} thread{'s' * (self.threads > 1)}", self.mode
        return " | ".join((case.title, self.operation, case.dtype, *said))

    @property
    def shape(self) -> tuple[int, ...]:
        first = self.case.shape[0]
        return (self.batch if first == 1 else first, *self.case.shape[1:])


def plan(
    threads: int, batches: tuple[int, ...] = (1, 8), modes: tuple[str, ...] = MODES
) -> Iterator[Planned]:
    """The rows at a number of threads: batch 1 first, then cold ones, then batch 8.

    Cold caches are measured for the forward pass at batch 1 on one thread.
    """
    named = {case: case.operations or _operations(case) for case in CASES}
    for batch in batches:
        for mode in modes:
            for case in CASES:
                if batch not in case.batches:
                    continue
                if mode == "warm":
                    yield from (Planned(case, o, batch, threads, mode) for o in named[case])
                elif case.cold and batch == threads == 1:
                    yield Planned(case, "forward", batch, threads, mode)


def _operations(case: Case) -> tuple[str, ...]:
    from codegen.bench.task import operations
    from derive.layers.base import Layer
    from derive.spelling import parse_layer

    layer = parse_layer(case.layer)
    assert isinstance(layer, Layer)
    return operations(layer, case.shape)
