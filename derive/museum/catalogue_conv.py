"""Owns the museum's exhibits of convolutions, both ways: strides, flips, padding, groups, what is left."""

from __future__ import annotations

from fractions import Fraction

from derive.index import ZERO, Condition, Form, Within, Zero, name
from derive.museum.edits import (
    RIGHT,
    Change,
    cases,
    direct,
    exchanged,
    fixed,
    on,
    only,
    scaled,
    sized,
    turned,
)
from derive.museum.exhibit import Exhibit

AXES = ("h", "w")


def letters(**values: str | int) -> dict[str, Form]:
    """A size's letter replaced on both axes: by another letter, or by a number."""
    return {
        f"{letter}_{tag}": Form.of(to) if isinstance(to, int) else name(f"{to}_{tag}")
        for letter, to in values.items()
        for tag in AXES
    }


def size(letter: str, tag: str) -> Form:
    return name(f"{letter}_{tag}")


def kept_rows() -> Change:
    """The rows that the stride leaves over get nothing."""
    return only(*(Within(size("i", t), name(t.upper()) - size("r", t)) for t in AXES))


def last_window(*further: Condition) -> Change:
    """Of the windows that hold an entry the last one alone: its neighbour is past the entry, or is none."""

    def on_axis(tag: str) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
        tap, stride = size("a", tag), size("s", tag)
        end = Zero(size("o", tag) - name(f"{tag.upper()}_out") + 1)
        return (Within(tap, stride),), (end, Within(tap - stride, size("k", tag)))

    pairs = [(rows, columns) for rows in on_axis("h") for columns in on_axis("w")]
    return cases(*(only(*rows, *columns, *further) for rows, columns in pairs))


P_MORE = {f"p_{t}": size("p", t) + 1 for t in AXES}
SWAPPED = letters(s="d", d="s")
ROWS_FOR_COLUMNS = only(Within(size("o", "w"), name("H_out")))
CROPPED = tuple(Within(size("o", t), name(f"{t.upper()}_out") - size("r", t)) for t in AXES)
GRAD_CROPPED = tuple(
    Within(size("e", t) - size("p", t), name(f"{t.upper()}_out") - size("r", t)) for t in AXES
)
BACK = turned("weight", "b_h", "b_w")
FORTH = turned("weight", "a_h", "a_w")

INPUT_GRADIENTS = (
    Exhibit(
        "conv-dx-stride-dropped",
        "stride dropped",
        "grad_output is not spread by the stride before it is correlated",
        "input",
        "Conv2d(1, 1, 3, stride=2)",
        (1, 1, 5, 5),
        on("spread", sized(letters(s=1))),
        on("output", sized(letters(s=1))),
        sources=("Kulbear/deep-learning-coursera#34", "enggen/Deep-Learning-Coursera#7"),
    ),
    Exhibit(
        "conv-dx-stride-dilation-swapped",
        "stride and dilation swapped",
        "the stride stands where the dilation belongs, and the other way round",
        "input",
        "Conv2d(1, 1, 2, stride=2)",
        (1, 1, 4, 4),
        direct(sized(SWAPPED)),
        on("output", sized(SWAPPED)),
        sources=("huggingface/candle#2337", "iree-org/iree-turbine#1223"),
    ),
    Exhibit(
        "conv-dx-not-flipped",
        "kernel not flipped",
        "grad_output is correlated with the kernel as it is",
        "input",
        "Conv2d(1, 1, 2)",
        (1, 1, 3, 3),
        on("flipped", BACK),
        sources=("llvm/torch-mlir#4437",),
    ),
    Exhibit(
        "conv-dx-flipped-one-axis",
        "kernel flipped on one axis only",
        "the kernel is reversed left to right, and not up to down",
        "input",
        "Conv2d(1, 1, 2)",
        (1, 1, 3, 3),
        on("flipped", turned("weight", "b_h")),
        on("output", turned("weight", "a_h")),
    ),
    Exhibit(
        "conv-dx-channels-not-swapped",
        "channel axes not exchanged",
        "the kernel keeps its filters first, which fits where there are as many channels as filters",
        "input",
        "Conv2d(2, 2, 2)",
        (1, 2, 3, 3),
        on("flipped", exchanged("weight", 1, 2)),
        on("output", exchanged("weight", 1, 2)),
    ),
    Exhibit(
        "conv-dx-tail-dropped",
        "leftover rows of a non-divisible stride dropped",
        "the rows that the stride leaves over get no gradient, although padding lets windows reach them",
        "input",
        "Conv2d(1, 1, 3, stride=2, padding=1)",
        (1, 1, 6, 6),
        direct(kept_rows()),
        sources=(
            *("torch/DEPRECEATED-torch7-distro#20", "f-dangel/backpack#30"),
            *("flagos-ai/FlagGems#1576", "meta-pytorch/opacus#245"),
        ),
    ),
    Exhibit(
        "conv-dx-dilation-dropped",
        "dilation dropped",
        "the kernel's entries are taken for neighbours",
        "input",
        "Conv2d(1, 1, 2, dilation=2)",
        (1, 1, 4, 4),
        direct(sized(letters(d=1))),
        on("output", sized(letters(d=1))),
        sources=("Theano/Theano#4729", "pytorch/pytorch#13008"),
    ),
    Exhibit(
        "conv-dx-padding-off-by-one",
        "padding off by one (too much)",
        "the border of the spread gradient begins one row early",
        "input",
        "Conv2d(1, 1, 3, padding=1)",
        (1, 1, 3, 3),
        on("bordered", sized(P_MORE)),
        on("output", sized(P_MORE)),
    ),
    Exhibit(
        "conv-dx-columns-by-rows",
        "columns bounded by the row extent",
        "the loop over output columns runs to the number of output rows: right on squares",
        "input",
        "Conv2d(1, 1, 2)",
        (1, 1, 3, 5),
        direct(ROWS_FOR_COLUMNS),
        on("output", ROWS_FOR_COLUMNS),
        sources=("Maratyszcza/NNPACK#15", "intel/torch-xpu-ops#4380"),
    ),
    Exhibit(
        "conv-dx-overwritten",
        "overlapping windows overwritten instead of summed",
        "each window stores what it sends back, so that the last one stays",
        "input",
        "Conv2d(1, 2, 2)",
        (1, 1, 3, 3),
        direct(last_window(Zero(name("k") - name("K") + 1))),
        loops=("overwritten",),
    ),
    Exhibit(
        "conv-dx-groups-mixed",
        "the first group's inputs in every group",
        "the group is left out of the address of the input",
        "input",
        "Conv2d(2, 2, 2, groups=2)",
        (1, 2, 3, 3),
        direct(fixed("input", 1, ZERO)),
        on("output", fixed("input", 1, ZERO)),
        sources=("pytorch/pytorch#51430",),
    ),
)

OTHER_GRADIENTS = (
    Exhibit(
        "conv-dw-stride-dropped",
        "stride dropped",
        "the weight's gradient reads the input at every place, not at every stride-th",
        "weight",
        "Conv2d(1, 1, 2, stride=2)",
        (1, 1, 4, 4),
        on("spread", sized(letters(s=1))),
        on("output", sized(letters(s=1))),
        sources=("Kulbear/deep-learning-coursera#34",),
    ),
    Exhibit(
        "conv-dw-not-zeroed",
        "gradient added to what the buffer held",
        "the buffer of the weight's gradient is not set to zero before it is added to",
        "weight",
        "Conv2d(1, 1, 2)",
        (1, 1, 3, 3),
        loops=("added",),
        sources=("ooples/AiDotNet.Tensors#760", "karpathy/micrograd#102"),
    ),
    Exhibit(
        "conv-dw-batch-averaged",
        "averaged over the batch",
        "the weight's gradient is divided by the batch size although the loss is a sum",
        "weight",
        "Conv2d(1, 1, 2)",
        (2, 1, 3, 3),
        on(RIGHT, scaled(lambda sizes: Fraction(1, sizes["N"]))),
        sources=("sebgao/cTensor#3",),
    ),
    Exhibit(
        "conv-bias-wrong-axes",
        "bias gradient summed over the wrong axes",
        "the filter takes the place of the image: as many images as filters, so that the shape is right",
        "bias",
        "Conv2d(1, 2, 2)",
        (2, 1, 3, 4),
        on(RIGHT, exchanged("grad_output", 0, 2)),
    ),
)

FORWARD = (
    Exhibit(
        "conv-same-wrong-side",
        "padding on the wrong side",
        "an even kernel's odd zero is put before the input, not behind it",
        "input",
        "Conv2d(1, 1, 2, padding=same)",
        (1, 1, 3, 3),
        direct(sized(letters(p="q", q="p"))),
        on("output", sized(letters(p="q", q="p"))),
        sources=("ARM-software/ComputeLibrary#208",),
    ),
    Exhibit(
        "conv-forward-flipped",
        "kernel flipped (not a cross-correlation)",
        "the forward pass convolves in the strict sense",
        "output",
        "Conv2d(1, 1, 2)",
        (1, 1, 3, 3),
        on(RIGHT, FORTH),
        on("output", FORTH),
    ),
    Exhibit(
        "transposed-output-padding-missing",
        "output_padding ignored",
        "grad_output's last rows, which output_padding adds, are left out",
        "input",
        "ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1)",
        (1, 1, 2, 2),
        on("padded_grad", only(*GRAD_CROPPED)),
        on("output", only(*CROPPED)),
        sources=("pytorch/xla#2333",),
    ),
    Exhibit(
        "transposed-kernel-flipped",
        "kernel flipped",
        "the transposed convolution's kernel is not turned before the spread input is correlated with it",
        "output",
        "ConvTranspose2d(1, 1, 2)",
        (1, 1, 2, 2),
        on("flipped", BACK),
        on("output", FORTH),
    ),
)

EXHIBITS = (*INPUT_GRADIENTS, *OTHER_GRADIENTS, *FORWARD)
