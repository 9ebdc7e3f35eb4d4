"""Owns the museum's NumPy functions by the keys of its bugs: wrong, right, and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from derive.museum import functions_conv as conv
from derive.museum import functions_other as other
from derive.museum import functions_pool as pool
from derive.museum.functions_shared import Function

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """A bug as people write it.

    Attributes:
        maker: makes the function, with a bug or right.
        bug: what the maker calls it.
        result: what comes out wrong: "output", or the operand whose gradient does.
        layer, shape: text of a layer, and shape of its input, at which the bug is live.
    """

    maker: Callable[[str], Function]
    bug: str
    result: str
    layer: str
    shape: Shape

    def wrong(self) -> Function:
        """A new function with the bug; one that keeps a buffer begins with none."""
        return self.maker(self.bug)

    def right(self) -> Function:
        """A new right one, in the same style."""
        return self.maker("")


STRIDED = ("Conv2d(2, 3, 3, stride=2, padding=1)", (2, 2, 7, 6))
PLAIN = ("Conv2d(2, 2, 3, padding=1)", (2, 2, 5, 6))

WRITTEN: Mapping[str, Written] = {
    "conv-dx-stride-dropped": Written(conv.conv_backward, "stride", "input", *STRIDED),
    "conv-dw-stride-dropped": Written(conv.conv_backward, "weight stride", "weight", *STRIDED),
    "conv-dx-stride-dilation-swapped": Written(conv.conv_backward, "swapped", "input", *STRIDED),
    "conv-dx-not-flipped": Written(conv.conv_input_gradient, "noflip", "input", *STRIDED),
    "conv-dx-flipped-one-axis": Written(conv.conv_input_gradient, "oneflip", "input", *STRIDED),
    "conv-dx-channels-not-swapped": Written(conv.conv_input_gradient, "channels", "input", *PLAIN),
    "conv-dx-tail-dropped": Written(
        conv.conv_backward, "tail", "input", "Conv2d(2, 3, 3, stride=2, padding=1)", (2, 2, 6, 8)
    ),
    "conv-dx-dilation-dropped": Written(
        conv.conv_input_gradient, "dilation", "input", "Conv2d(2, 3, 2, dilation=2)", (2, 2, 5, 6)
    ),
    "conv-dx-padding-off-by-one": Written(conv.conv_input_gradient, "padding", "input", *PLAIN),
    "conv-dx-columns-by-rows": Written(
        conv.conv_backward, "columns", "input", "Conv2d(2, 3, 3)", (2, 2, 5, 8)
    ),
    "conv-dx-overwritten": Written(conv.conv_backward, "overwritten", "input", *PLAIN),
    "conv-dx-groups-mixed": Written(
        conv.conv_backward, "groups", "input", "Conv2d(4, 4, 3, groups=2)", (2, 4, 5, 4)
    ),
    "conv-dw-not-zeroed": Written(conv.conv_backward, "kept", "weight", *STRIDED),
    "conv-dw-batch-averaged": Written(conv.conv_backward, "average", "weight", *STRIDED),
    "conv-same-wrong-side": Written(
        conv.conv_backward, "side", "input", "Conv2d(2, 3, 4, padding=same)", (2, 2, 5, 6)
    ),
    "conv-bias-wrong-axes": Written(conv.conv_backward, "bias", "bias", *PLAIN),
    "conv-forward-flipped": Written(conv.conv_forward, "flipped", "output", *STRIDED),
    "transposed-output-padding-missing": Written(
        conv.conv_transpose_backward, "output_padding", "input",
        "ConvTranspose2d(2, 3, 3, stride=2, padding=1, output_padding=1)", (2, 2, 4, 3),
    ),
    "transposed-kernel-flipped": Written(
        conv.conv_transpose_forward, "flipped", "output", "ConvTranspose2d(2, 3, 3, stride=2)", (2, 2, 4, 3)
    ),
    "pool-width-two": Written(
        pool.avg_pool_backward, "width", "input", "AvgPool2d(3, stride=2)", (2, 2, 7, 9)
    ),
    "avgpool-ceil-divisor": Written(
        pool.avg_pool_backward, "kernel", "input", "AvgPool2d(3, stride=2, ceil_mode=True)", (2, 2, 6, 8)
    ),
    "avgpool-include-pad": Written(
        pool.avg_pool_backward, "kernel", "input",
        "AvgPool2d(3, stride=2, padding=1, count_include_pad=False)", (2, 2, 5, 7),
    ),
    "avgpool-overwritten": Written(
        pool.avg_pool_backward, "overwritten", "input", "AvgPool2d(3, stride=2)", (2, 2, 7, 5)
    ),
    "avgpool-tail-dropped": Written(
        pool.avg_pool_backward, "tail", "input", "AvgPool2d(3, stride=2, padding=1)", (2, 2, 6, 8)
    ),
    "maxpool-overwritten": Written(
        pool.max_pool_backward, "overwritten", "input", "MaxPool2d(3, stride=2)", (2, 2, 7, 7)
    ),
    "maxpool-every-tie": Written(pool.max_pool_backward, "every", "input", "MaxPool2d(2)", (2, 2, 6, 4)),
    "maxpool-padding-zero-wins": Written(
        pool.max_pool_forward, "zeros", "output", "MaxPool2d(3, stride=2, padding=1)", (2, 2, 5, 6)
    ),
    "adaptive-equal-windows": Written(
        pool.adaptive_pool_backward, "equal", "input", "AdaptiveAvgPool2d((2, 3))", (2, 2, 5, 7)
    ),
    "nearest-mean": Written(
        other.nearest_backward, "mean", "input", "Upsample(scale_factor=2)", (2, 2, 3, 4)
    ),
    "linear-corners": Written(
        other.bilinear_backward, "corners", "input", "Upsample(scale_factor=2, mode=bilinear)", (2, 2, 3, 4)
    ),
    "reflect-border-twice": Written(
        other.reflect_pad_backward, "twice", "input", "ReflectionPad2d(2)", (2, 2, 4, 5)
    ),
    "shuffle-depth-to-space": Written(
        other.pixel_shuffle_backward, "offsets", "input", "PixelShuffle(2)", (2, 12, 2, 3)
    ),
    "dense-weight-transposed": Written(
        other.dense_backward, "transposed", "input", "Linear(3, 3)", (4, 3)
    ),
    "softmax-diagonal": Written(other.softmax_backward, "diagonal", "input", "Softmax(1)", (3, 4)),
    "cross-entropy-p-minus-y": Written(
        other.cross_entropy_gradient, "p - y", "input", "CrossEntropyLoss(target=probabilities)", (4, 3)
    ),
    "batchnorm-statistics-constant": Written(
        other.batchnorm_backward, "constant", "input", "BatchNorm2d(2, training=True)", (3, 2, 2, 3)
    ),
    "dropout-scale-forgotten": Written(
        other.dropout_backward, "scale", "input", "Dropout(0.25, training=True)", (3, 4)
    ),
    "relu-gates-gradient": Written(other.relu_backward, "gradient", "input", "ReLU()", (3, 4)),
    "mse-batch-averaged-twice": Written(other.mse_gradient, "twice", "input", "MSELoss()", (4, 3)),
}  # fmt: skip

FUNCTIONS: Mapping[str, Function] = {key: written.wrong() for key, written in WRITTEN.items()}
RIGHT: Mapping[str, Function] = {key: written.right() for key, written in WRITTEN.items()}
CASES: Mapping[str, tuple[str, Shape]] = {key: (w.layer, w.shape) for key, w in WRITTEN.items()}
"""Where each bug is live."""
