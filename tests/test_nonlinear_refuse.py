"""Owns bad non-linear layers, shapes, targets and places: where PyTorch raises backflip raises a LayerError.

Every line of data/bad_nonlinear.txt is shown to raise in PyTorch too, in the constructor or in the call.
Where the two differ on purpose, the case stands in STRICTER or WIDER with the reason, and both behaviours are
tested. A bad shape is refused by `operands`, before anything is compiled; bad entries by the kernel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layer_text import NONLINEAR
from nonlinear_refused import given, in_backflip, in_torch, kernel, line

from derive.errors import LayerError
from derive.spelling import parse_layer

BAD = (Path(__file__).parent / "data" / "bad_nonlinear.txt").read_text().splitlines()

BATCH = "an empty batch: every tensor has an entry, so that a proof is about something"
EMPTY = "a result or operand without entries, for the same reason"
NUMBER = "a number where a number is meant, not its text, a shape or a flag"
FLAG = "True or False, not whatever counts as true"
AXES = "one value an axis; PyTorch repeats a single one or looks at the first ones only"
RANK = "four axes at most (activations five, losses over classes three beside batch and classes)"
SCALAR = "an axis at least"
WIDE = "operands of the shape of the input; PyTorch repeats them, and warns where it is a target"
IMPLICIT = "PyTorch guesses the axis, and warns that it will not for long"
INFINITE = "the largest magnitude is a choice, not a power; MaxPool of the magnitudes says it"
PLACE = "inplace says where a result is stored; it is taken by name and ignored with a note"
STEP = "a kernel, stride or padding that no pooling has, so there is nothing to undo"
STRICTER: dict[str, str] = {
    "ReLU() at 0,3": BATCH,
    "MaxPool1d(2) at 0,1,4": BATCH,
    "LPPool1d(2, 2) at 0,1,4": BATCH,
    "AdaptiveMaxPool1d(2) at 0,1,4": BATCH,
    "BatchNorm1d(3) at 0,3": BATCH,
    "CrossEntropyLoss() at 0,3": BATCH,
    "Softmax(1) at 2,0": EMPTY,
    "BatchNorm2d(3) at 2,3,0,4": EMPTY,
    "AdaptiveMaxPool1d(0) at 1,1,4": EMPTY,
    "AdaptiveMaxPool2d((2, 0)) at 1,1,4,4": EMPTY,
    "ReLU() at ": SCALAR,
    "Softmax(0) at ": SCALAR,
    "ReLU() at 1,1,1,1,1,1": RANK,
    "Softmax(0) at 1,2,1,1,1": RANK,
    "MSELoss() at 1,1,1,1,1": RANK,
    "CrossEntropyLoss() at 1,2,1,1,1,1": RANK,
    "LPPool1d('2', 2) at 1,1,4": NUMBER,
    "BatchNorm1d((3,)) at 2,3": NUMBER,
    "Dropout(True) at 2,3": NUMBER,
    "LeakyReLU(True) at 2,3": NUMBER,
    "CrossEntropyLoss(label_smoothing=True) at 2,3": NUMBER,
    "MaxPool2d(2, return_indices=1) at 1,1,4,4": FLAG,
    "AdaptiveMaxPool2d(2, return_indices=1) at 1,1,4,4": FLAG,
    "BatchNorm1d(3, affine=2) at 2,3": FLAG,
    "BatchNorm1d(3, bias=1) at 2,3": FLAG,
    "MaxPool2d(2, padding=(1,)) at 1,1,4,4": AXES,
    "MaxPool2d((2,)) at 1,1,4,4": AXES,
    "MaxUnpool2d(2, stride=(1, 1, 1)) at 1,1,2,2": AXES,
    "MaxUnpool2d(2, padding=(1, 1, 1)) at 1,1,2,2": AXES,
    "MSELoss() at 2,3 with target of 3": WIDE,
    "MSELoss() at 2,3 with target of 1": WIDE,
    "BCELoss(weighted=True) at 2,3 with weight of 3": WIDE,
    "BCEWithLogitsLoss(weighted=True) at 2,3 with weight of 3": WIDE,
    "BCEWithLogitsLoss(positive_weighted=True) at 2,3 with pos_weight of 2,3": "one weight a class",
    "CrossEntropyLoss() at 3 with target of 1": "one sample has one target, without an axis",
    "NLLLoss() at 3 with target of 1": "one sample has one target, without an axis",
    "Mul() at 2,3 with other of 3": WIDE,
    "Mul() at 2,3 with other of 2,1": WIDE,
    "Softmax() at 2,3": IMPLICIT,
    "LogSoftmax() at 2,3": IMPLICIT,
    "LPPool1d(1e999, 2) at 1,1,4": INFINITE,
    "LPPool2d(-1e999, 2) at 1,1,4,4": INFINITE,
    "Softplus(0) at 2,3": "a division by beta = 0; PyTorch gives inf",
    "CrossEntropyLoss(label_smoothing=-0.1) at 2,3": "a part of one; PyTorch looks only whether it is above",
    "BatchNorm1d(3, momentum=None, training=True) at 2,3": "a cumulative average needs a count of batches",
    "MaxPool1d(2, padding=1, dilation=5) at 1,1,4": "a window without an entry: PyTorch gives -inf",
    "MaxPool2d(2, padding=1, dilation=5) at 1,1,4,4": "a window without an entry, as above",
    "ReLU(True) at 2,3": PLACE,
    "Dropout(0.5, True) at 2,3": PLACE,
    "Hardtanh(0, 6, True) at 2,3": PLACE,
    "Identity(3) at 2,3": "no arguments; PyTorch takes and forgets any",
    "MaxUnpool1d(2, 0) at 1,1,2": STEP,
    "MaxUnpool1d(2, padding=-1) at 1,1,2": STEP,
    "MaxUnpool2d(0) at 1,1,2,2": STEP,
}
"""PyTorch accepts these; backflip refuses them, and why."""

WIDER: dict[str, str] = {
    "MaxPool2d(2, padding=((1, 0), (0, 1))) at 1,1,4,4": "padding of one side",
    "MinPool1d(3, padding=((1, 0),)) at 1,1,4": "padding of one side",
}
"""PyTorch refuses these; backflip accepts them, and why."""

OWN = (
    "CrossEntropyLoss(weighted=1) at 2,3",
    "CrossEntropyLoss(weighted='yes') at 2,3",
    "CrossEntropyLoss(target='shares') at 2,3",
    "CrossEntropyLoss(target=3) at 2,3",
    "NLLLoss(weighted=None) at 2,3",
    "NLLLoss(target='probabilities') at 2,3",
    "BCELoss(weighted=0) at 2,3",
    "BCEWithLogitsLoss(positive_weighted=1) at 2,3",
    "BatchNorm1d(3, training=1) at 2,3",
    "BatchNorm2d(3, training='yes') at 1,3,2,2",
    "Dropout(0.5, training=None) at 2,3",
    "Dropout(0.5, training=True) at 2,3 with mask of 2",
    "Dropout(0.5) at 2,3 with mask of 2,3",
    "Activation('relu') at 2,3",
    "Activation(f='relu') at 2,3",
    "MaxUnpool2d(2, output_size=4) at 1,1,2,2",
    "MaxUnpool2d(2, output_size=(None, 4)) at 1,1,2,2",
    "CrossEntropyLoss() at 2,3 with class_weight of 3",
    "BatchNorm1d(3, affine=False) at 2,3 with weight of 3",
    "MaxPool2d(2) at 1,1,4,4 with weight of 2,2",
    "ReLU() at 2,3 with other of 2,3",
)
"""Arguments and operands that are backflip's own: PyTorch has no word for them."""

REFUSALS = (RuntimeError, TypeError, ValueError, IndexError, AssertionError, ZeroDivisionError)


def refused(written: str) -> LayerError:
    with pytest.raises(LayerError) as caught:
        in_backflip(line(written))
    return caught.value


@pytest.mark.parametrize("written", [*BAD, *STRICTER, *OWN])
def test_backflip_says_what_is_wrong(written: str) -> None:
    error = refused(written)
    assert error.what and error.where and error.expected and error.got, str(error)
    assert error.what not in error.expected and len(error.what) < 90


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("written", [*BAD, *WIDER])
def test_pytorch_raises(written: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    with pytest.raises(REFUSALS):
        in_torch(line(written))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("written", STRICTER)
def test_pytorch_accepts_what_backflip_refuses_on_purpose(written: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert in_torch(line(written)) is not None


@pytest.mark.parametrize("written", WIDER)
def test_backflip_accepts_more(written: str) -> None:
    bad = line(written)
    assert parse_layer(bad.text).output_shape(bad.shape)


KINDS = {
    ("CrossEntropyLoss() at 3,4", "target", "float64"): True,
    ("CrossEntropyLoss() at 3,4", "target", "int32"): True,
    ("CrossEntropyLoss() at 3,4 with target = 0,3,1", "target", "uint8"): False,
    ("MaxUnpool1d(2) at 1,1,2", "indices", "int32"): True,
    ("MaxUnpool1d(2) at 1,1,2", "indices", "float64"): True,
    ("BCELoss() at 3", "target", "int64"): True,
    ("BCELoss() at 3", "input", "float32"): True,
    ("CrossEntropyLoss() at 3,4", "input", "int64"): True,
}
"""An operand of another dtype, and whether PyTorch refuses it too: no copy is made behind the user's back."""


@pytest.mark.parametrize(("written", "name", "dtype"), KINDS)
def test_an_operand_of_another_dtype(written: str, name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    bad = line(written)
    found: dict[str, Any] = {n: v.astype(dtype) if n == name else v for n, v in given(bad).items()}
    with pytest.raises(LayerError) as caught:
        kernel(bad.text, bad.shape).forward(**found)
    error = caught.value
    assert error.what and name in error.where and error.expected and error.got
    module = getattr(torch.nn, bad.kind)(*([2] if "Unpool" in bad.kind else []))
    tensors = [torch.tensor(v) for v in found.values()]
    if KINDS[written, name, dtype]:
        with pytest.raises(REFUSALS):
            module(*tensors)
    else:
        assert module(*tensors) is not None


def test_a_first_bad_place_is_named() -> None:
    """A target of no class: the message says where, in the target's own index."""
    bad = line("CrossEntropyLoss() at 3,4")
    target = np.array([0, 1, 4])
    with pytest.raises(LayerError) as caught:
        kernel(bad.text, bad.shape).forward(given(bad)["input"], target=target)
    assert "2" in caught.value.where + caught.value.got and "4" in caught.value.got


def test_a_good_layer_is_not_refused() -> None:
    """The harness sees the difference: a good line makes neither side raise."""
    for written in ("MaxPool2d(2) at 1,1,4,4", "CrossEntropyLoss() at 3,4 with target = 0,3,1"):
        if pytest.importorskip("torch"):
            assert in_torch(line(written)) is not None
        with pytest.raises(pytest.fail.Exception):
            refused(written)


def test_there_are_enough() -> None:
    assert len(BAD) == len(set(BAD)) >= 300
    assert {w.partition("(")[0] for w in BAD} == NONLINEAR.keys() - {"Activation", "Identity"}
