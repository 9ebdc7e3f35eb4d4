"""Owns where the museum's bugs are measured: layers of some size, and shapes at which many are not seen.

`MODERATE` has each bug live in a layer of some size. `BLIND` is what the public instances were tested on, or
the like: stride 1, square, one channel, a batch of one, lengths that divide, targets that add up to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

Case = tuple[str, tuple[int, ...]]

IMAGES, SMALLER, MAPS = (128, 4, 28, 28), (128, 4, 14, 14), (64, 16, 28, 28)
STRIDED: Case = ("Conv2d(4, 8, 3, stride=2, padding=1)", IMAGES)
PLAIN: Case = ("Conv2d(4, 4, 3, padding=1)", SMALLER)
TURNED: Case = ("ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1)", SMALLER)

MODERATE: Mapping[str, Case] = {
    "conv-dx-stride-dropped": STRIDED,
    "conv-dw-stride-dropped": STRIDED,
    "conv-dx-stride-dilation-swapped": STRIDED,
    "conv-dx-not-flipped": STRIDED,
    "conv-dx-flipped-one-axis": STRIDED,
    "conv-dx-channels-not-swapped": PLAIN,
    "conv-dx-tail-dropped": STRIDED,
    "conv-dx-dilation-dropped": ("Conv2d(4, 4, 3, dilation=2)", SMALLER),
    "conv-dx-padding-off-by-one": PLAIN,
    "conv-dx-columns-by-rows": ("Conv2d(4, 4, 3)", (128, 4, 12, 20)),
    "conv-dx-overwritten": PLAIN,
    "conv-dx-groups-mixed": ("Conv2d(4, 8, 3, padding=1, groups=2)", SMALLER),
    "conv-dw-not-zeroed": STRIDED,
    "conv-dw-batch-averaged": STRIDED,
    "conv-same-wrong-side": ("Conv2d(4, 4, 4, padding=same)", SMALLER),
    "conv-bias-wrong-axes": ("Conv2d(4, 16, 3, padding=1)", (16, 4, 28, 28)),
    "conv-forward-flipped": STRIDED,
    "transposed-output-padding-missing": TURNED,
    "transposed-kernel-flipped": TURNED,
    "pool-width-two": ("AvgPool2d(3, stride=2)", MAPS),
    "avgpool-ceil-divisor": ("AvgPool2d(3, stride=2, ceil_mode=True)", MAPS),
    "avgpool-include-pad": ("AvgPool2d(3, stride=2, padding=1, count_include_pad=False)", MAPS),
    "avgpool-overwritten": ("AvgPool2d(3, stride=2)", MAPS),
    "avgpool-tail-dropped": ("AvgPool2d(3, stride=2, padding=1)", MAPS),
    "maxpool-overwritten": ("MaxPool2d(3, stride=2)", MAPS),
    "maxpool-every-tie": ("MaxPool2d(2)", MAPS),
    "maxpool-padding-zero-wins": ("MaxPool2d(3, stride=2, padding=1)", MAPS),
    "adaptive-equal-windows": ("AdaptiveAvgPool2d(6)", MAPS),
    "nearest-mean": ("Upsample(scale_factor=2)", (64, 16, 14, 14)),
    "linear-corners": ("Upsample(scale_factor=2, mode=bilinear)", (64, 16, 14, 14)),
    "reflect-border-twice": ("ReflectionPad2d(3)", MAPS),
    "shuffle-depth-to-space": ("PixelShuffle(2)", (64, 64, 14, 14)),
    "dense-weight-transposed": ("Linear(256, 256)", (128, 256)),
    "softmax-diagonal": ("Softmax(1)", (64, 10)),
    "cross-entropy-p-minus-y": ("CrossEntropyLoss(target=probabilities)", (64, 10)),
    "batchnorm-statistics-constant": ("BatchNorm2d(16, training=True)", (64, 16, 14, 14)),
    "dropout-scale-forgotten": ("Dropout(0.25, training=True)", (128, 1024)),
    "relu-gates-gradient": ("ReLU()", MAPS),
    "mse-batch-averaged-twice": ("MSELoss()", (64, 10)),
}

SQUARE: Case = ("Conv2d(1, 1, 3, padding=1)", (1, 1, 6, 6))
HALVES = (1, 1, 6, 6)
MEANS: Case = ("AvgPool2d(2)", HALVES)
LARGEST: Case = ("MaxPool2d(2)", HALVES)

BLIND: Mapping[str, Case] = {
    **dict.fromkeys((key for key in MODERATE if key.startswith("conv-")), SQUARE),
    **dict.fromkeys((key for key in MODERATE if key.startswith("avgpool-")), MEANS),
    **dict.fromkeys((key for key in MODERATE if key.startswith("maxpool-")), LARGEST),
    **dict.fromkeys(
        (key for key in MODERATE if key.startswith("transposed-")), ("ConvTranspose2d(1, 1, 3)", (1, 1, 4, 4))
    ),
    "conv-same-wrong-side": ("Conv2d(1, 1, 3, padding=same)", (1, 1, 6, 6)),
    "pool-width-two": MEANS,
    "adaptive-equal-windows": ("AdaptiveAvgPool2d(3)", HALVES),
    "nearest-mean": ("Upsample(scale_factor=2)", (1, 1, 3, 3)),
    "linear-corners": ("Upsample(scale_factor=2, mode=bilinear)", (1, 1, 3, 3)),
    "reflect-border-twice": ("ReflectionPad2d(1)", (1, 1, 4, 4)),
    "shuffle-depth-to-space": ("PixelShuffle(2)", (1, 4, 3, 3)),
    "dense-weight-transposed": ("Linear(4, 4)", (1, 4)),
    "softmax-diagonal": ("Softmax(1)", (1, 4)),
    "cross-entropy-p-minus-y": ("CrossEntropyLoss(target=probabilities)", (1, 4)),
    "batchnorm-statistics-constant": ("BatchNorm2d(1, training=True)", (1, 1, 4, 4)),
    "dropout-scale-forgotten": ("Dropout(0.25, training=True)", (1, 4)),
    "relu-gates-gradient": ("ReLU()", (1, 4)),
    "mse-batch-averaged-twice": ("MSELoss()", (1, 4)),
}
