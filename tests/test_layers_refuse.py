"""Owns bad layers and shapes: where PyTorch raises backflip raises a LayerError that says what is wrong.

Every line of data/bad_layers.txt is shown to raise in PyTorch too, in the constructor or in the forward
call. Where the two differ on purpose, the case stands in STRICTER or WIDER with the reason, and both
behaviours are tested.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from kinds import linear_layers
from layer_peers import torch_forward
from layer_text import Case, Shape, literal

from derive.errors import LayerError
from derive.spelling import parse_layer

BAD = (Path(__file__).parent / "data" / "bad_layers.txt").read_text().splitlines()
"""One a line: text at input shape. A layer that torch.nn lacks is compared with PyTorch's same operation."""

BATCH = "an empty batch: every tensor has an entry, so that a proof is about something"
EMPTY = "a result or operand without entries, for the same reason"
FLAGS = "True or False, not whatever counts as true"
MODE = "a mode that backflip has no derivation for, refused by name"
CROP = "negative padding crops; ZeroPad alone crops"
RANK = "the layer says its rank; PyTorch pads the last axes of anything"
STRICTER: dict[str, str] = {
    "Conv1d(0, 1, 2) at 1,0,4": EMPTY,
    "Conv1d(1, 1, 2) at 0,1,4": BATCH,
    "AvgPool2d(2) at 0,1,4,4": BATCH,
    "Upsample(scale_factor=2) at 0,1,4": BATCH,
    "Linear(3, 2) at 0,3": BATCH,
    "Linear(0, 2) at 2,0": EMPTY,
    "Linear(3, 0) at 2,3": EMPTY,
    "Flatten() at 2,0,3": EMPTY,
    "AdaptiveAvgPool1d(0) at 1,1,4": EMPTY,
    "AdaptiveAvgPool2d((1, 0)) at 1,1,4,4": EMPTY,
    "ZeroPad1d((-2, -2)) at 1,1,4": EMPTY,
    "ZeroPad2d((0, 0, -4, 0)) at 1,1,4,4": EMPTY,
    "CircularPad1d(-2) at 1,1,4": EMPTY,
    "Conv2d(1, 1, 3, bias=2) at 1,1,4,4": FLAGS,
    "Linear(3, 2, bias=None) at 2,3": FLAGS,
    "Conv2d(1, 1, 3, padding=(1,)) at 1,1,4,4": "one value an axis; PyTorch repeats a single one",
    "Upsample(scale_factor='2') at 1,1,4": "a number, not its text",
    "Upsample(scale_factor=2, mode='bicubic') at 1,1,4,4": MODE,
    "Upsample(scale_factor=2, mode='area') at 1,1,4,4": MODE,
    "Upsample(scale_factor=2, mode='nearest-exact') at 1,1,4,4": MODE,
    "ReflectionPad1d(-1) at 1,1,4": CROP,
    "ReplicationPad1d(-1) at 1,1,4": CROP,
    "CircularPad1d(-1) at 1,1,4": CROP,
    "ZeroPad1d(1) at 4": RANK,
    "ZeroPad1d(1) at 1,1,4,4": RANK,
    "ZeroPad2d((1, 2)) at 1,1,4,4": RANK,
    "ZeroPad2d(1) at 4,4": RANK,
    "ZeroPad3d((1, 1, 1, 1)) at 1,1,2,2,2": RANK,
    "ZeroPad3d(1) at 1,2,2": RANK,
    "PixelShuffle(2) at 1,1,4,2,2": "one batch axis at most",
    "Linear(3, 2) at 1,1,1,1,3": "three leading axes at most",
}
"""PyTorch accepts these; backflip refuses them, and why."""

WIDER: dict[str, str] = {
    "Conv2d(1, 1, 3, padding='full') at 1,1,4,4": "the padding that a gradient needs has a name",
    "Conv2d(1, 1, 3, padding=((1, 0), (0, 2))) at 1,1,4,4": "padding of one side",
    "AvgPool2d(2, padding=((1, 0), (0, 1))) at 1,1,4,4": "padding of one side",
    "ConvTranspose1d(1, 1, 2, padding=((0, 1),)) at 1,1,4": "padding of one side",
}
"""PyTorch refuses these; backflip accepts them, and why."""


def split(line: str) -> tuple[str, Shape]:
    text, _, shape = line.partition(" at ")
    return text, tuple(int(n) for n in shape.split(",") if n)


def in_torch(line: str) -> Any:
    """The layer as torch.nn builds it, called on zeros; skips where there is no PyTorch."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    text, shape = split(line)
    call = ast.parse(text, mode="eval").body
    assert isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
    if not hasattr(torch.nn, call.func.id):
        case = Case(text, shape)
        return torch_forward(case, {n: torch.zeros(s) for n, s in case.operands.items()})
    given = {str(k.arg): literal(k.value) for k in call.keywords}
    return getattr(torch.nn, call.func.id)(*map(literal, call.args), **given)(torch.zeros(shape))


REFUSALS = (RuntimeError, TypeError, ValueError, IndexError)


def refused(line: str) -> LayerError:
    text, shape = split(line)
    with pytest.raises(LayerError) as caught:
        parse_layer(text).operands(shape)
    return caught.value


@pytest.mark.parametrize("line", [*BAD, *STRICTER])
def test_backflip_says_what_is_wrong(line: str) -> None:
    error = refused(line)
    assert error.what and error.where and error.expected and error.got, str(error)
    assert error.what not in error.expected and len(error.what) < 90


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", [*BAD, *WIDER])
def test_pytorch_raises(line: str) -> None:
    with pytest.raises(REFUSALS):
        in_torch(line)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("line", STRICTER)
def test_pytorch_accepts_what_backflip_refuses_on_purpose(line: str) -> None:
    assert in_torch(line) is not None


@pytest.mark.parametrize("line", WIDER)
def test_backflip_accepts_more(line: str) -> None:
    text, shape = split(line)
    assert parse_layer(text).output_shape(shape)


OTHERS = {
    ("Add()", (2, 4)): True,
    ("Add()", (2, 3, 1)): True,
    ("Add()", (1, 3)): False,
    ("Add()", (3,)): False,
    ("Concat(0)", (2, 4)): True,
    ("Concat()", (2,)): True,
    ("Concat()", (1, 3)): True,
}
"""Shapes of `other` that do not fit an input (2, 3), and whether PyTorch says so: it adds by repeating."""


@pytest.mark.parametrize(("text", "other"), OTHERS)
def test_operands_that_do_not_fit_each_other(text: str, other: Shape) -> None:
    with pytest.raises(LayerError) as caught:
        parse_layer(text).operands((2, 3), other=other)
    error = caught.value
    assert error.what and "other" in error.where and error.expected and error.got
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    given = {"input": torch.zeros(2, 3), "other": torch.zeros(other)}
    if OTHERS[text, other]:
        with pytest.raises(REFUSALS):
            torch_forward(Case(text, (2, 3)), given)
    else:
        assert torch_forward(Case(text, (2, 3)), given) is not None


def test_a_good_layer_is_not_refused() -> None:
    """The harness sees the difference: a good line makes neither side raise."""
    line = "Conv2d(1, 1, 3) at 1,1,4,4"
    assert in_torch(line).shape == (1, 1, 2, 2)
    with pytest.raises(pytest.fail.Exception):
        refused(line)


def test_there_are_enough() -> None:
    assert len(BAD) == len(set(BAD)) >= 250
    assert {line.partition("(")[0] for line in BAD} == linear_layers().keys() - {"Add"}
