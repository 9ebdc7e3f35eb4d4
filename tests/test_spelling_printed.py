"""Owns the reading of what PyTorch prints of a model: every layer, and what print leaves out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from command import backflip

from derive.errors import LayerError
from derive.layers import registry
from derive.spelling import parse_layer

Made = tuple[str, tuple[Any, ...], dict[str, Any]]


def pools() -> Iterator[Made]:
    for rank in (1, 2, 3):
        for kernel, stride, padding in product((2, (3,) * rank), (None, 1, (2,) * rank), (0, (1,) * rank)):
            yield f"AvgPool{rank}d", (kernel, stride, padding), {}
    yield "AvgPool2d", ((2, 3), (1, 4), (0, 1)), {}
    for size in (1, 3, (2, 3), (None, 3), (4, None)):
        yield "AdaptiveAvgPool2d", (size,), {}
    yield "AdaptiveAvgPool1d", (5,), {}
    yield "AdaptiveAvgPool3d", ((1, None, 2),), {}


def convolutions() -> Iterator[Made]:
    for rank in (1, 2, 3):
        for mode in ("zeros", "reflect", "replicate", "circular"):
            yield f"Conv{rank}d", (2, 4, 3), {"padding": 1, "padding_mode": mode, "groups": 2}
        yield f"Conv{rank}d", (1, 1, 3), {"padding": "same", "bias": False, "dilation": 2}
        yield f"Conv{rank}d", (1, 1, 2), {"padding": "valid", "stride": 2}
        yield f"ConvTranspose{rank}d", (2, 4, 3), {"stride": 2, "output_padding": 1, "groups": 2}
        yield f"ConvTranspose{rank}d", (2, 4, 3), {"padding": 1, "dilation": 2, "bias": False}
    yield "ConvTranspose2d", (1, 1, (2, 3)), {"stride": (1, 2), "padding": (0, 1), "output_padding": (0, 1)}


def others() -> Iterator[Made]:
    for rank, kind in product((1, 2, 3), ("Zero", "Reflection", "Replication", "Circular")):
        yield f"{kind}Pad{rank}d", (1,), {}
        yield f"{kind}Pad{rank}d", (tuple(range(2 * rank)),), {}
    yield "ZeroPad2d", ((-1, 1, 0, -2),), {}
    for scale in (2, 2.0, 1.5, 0.5, (2, 1.5)):
        yield "Upsample", (), {"scale_factor": scale}
        yield "Upsample", (), {"scale_factor": scale, "mode": "bilinear"}
    yield "Upsample", (), {"size": (2, 3), "mode": "bilinear"}
    yield "Upsample", (), {"size": 4, "mode": "linear"}
    yield "Upsample", (), {"size": (2, 3, 4), "mode": "trilinear"}
    yield "Linear", (3, 2), {}
    yield "Linear", (3, 2), {"bias": False}
    yield from (("Flatten", given, {}) for given in ((), (0,), (2, 3), (-3, -2)))
    yield from ((f"Pixel{kind}", (r,), {}) for kind, r in product(("Shuffle", "Unshuffle"), (1, 2, 3)))


def nonlinear() -> Iterator[Made]:
    for rank in (1, 2, 3):
        yield f"MaxPool{rank}d", (2,), {}
        yield f"MaxPool{rank}d", (3, 2, 1), {"dilation": 2, "ceil_mode": True}
        yield f"AdaptiveMaxPool{rank}d", (2,), {}
        yield f"MaxUnpool{rank}d", (3,), {"stride": 2, "padding": 1}
        yield f"LPPool{rank}d", (2, 3), {"stride": 2, "ceil_mode": True}
        yield f"BatchNorm{rank}d", (4,), {"eps": 1e-3, "momentum": 0.2, "affine": False}
    yield "BatchNorm2d", (3,), {"track_running_stats": False}
    for name in (
        "ReLU",
        "Sigmoid",
        "Tanh",
        "SiLU",
        "Identity",
        "ELU",
        "Hardtanh",
        "LeakyReLU",
        "Softplus",
        "GELU",
    ):
        yield name, (), {}
    yield "LeakyReLU", (0.2,), {}
    yield "ELU", (), {"alpha": 0.5}
    yield "Hardtanh", (-2.0, 0.5), {}
    yield "Softplus", (2, 10), {}
    yield "GELU", ("tanh",), {}
    yield "Softmax", (1,), {}
    yield "LogSoftmax", (-1,), {}
    yield "Dropout", (0.25,), {}
    for name in ("CrossEntropyLoss", "NLLLoss", "BCELoss", "BCEWithLogitsLoss", "MSELoss"):
        yield name, (), {}


MADE = [*pools(), *convolutions(), *others(), *nonlinear()]


def said(made: Made) -> str:
    name, given, named = made
    return f"{name}({', '.join([*map(repr, given), *(f'{k}={v!r}' for k, v in named.items())])})"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("made", MADE, ids=said)
def test_what_torch_prints_is_the_layer_that_was_made(made: Made) -> None:
    torch = pytest.importorskip("torch")
    name, given, named = made
    read = parse_layer(str(getattr(torch.nn, name)(*given, **named)))
    here = registry()[name](*given, **named)
    rank = int(name[-2]) if name[-2].isdigit() else None
    assert type(read) is type(here)
    assert meaning(read, rank) == meaning(here, rank)


def meaning(layer: Any, rank: int | None) -> dict[str, Any]:
    """The arguments, one value an axis: print writes (2, 2) where 2 was given."""
    found = {}
    for key, value in vars(layer).items():
        if key == "stride" and value is None:
            value = layer.strides
        flat = isinstance(value, int) and not isinstance(value, bool) and rank and "channels" not in key
        pads = 2 if rank and "Pad" in type(layer).__name__ and key == "padding" else 1
        if key == "bias" and not getattr(layer, "affine", True):
            value = False
        found[key] = (value,) * rank * pads if flat and key != "groups" else value
        if key == "scale_factor" and value is not None:
            found[key] = tuple(map(float, value)) if isinstance(value, tuple) else float(value)
    return found


def test_every_layer_that_torch_has_is_tried() -> None:
    own = {"Add", "Bias", "Concat", "Downsample", "UpsampleZeros", "WeightedPool2d", "Mul", "Activation"}
    own |= {"MinPool1d", "MinPool2d", "MinPool3d", "L2Penalty"}
    assert {name for name, _, _ in MADE} == registry().keys() - own


NOTES = {
    "AvgPool2d(kernel_size=2, stride=2, padding=0)": ["ceil_mode", "count_include_pad", "divisor_override"],
    "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))": ["ceil_mode", "count_include_pad"],
    "Upsample(scale_factor=2.0, mode='nearest')": ["recompute_scale_factor"],
    "Upsample(scale_factor=2.0, mode=bilinear)": ["align_corners", "recompute_scale_factor"],
    "Upsample(size=(2, 3), mode='bilinear')": ["align_corners"],
    "Upsample(size=3, mode='nearest')": [],
    "AvgPool2d(2)": [],
    "AvgPool2d(2, stride=2, padding=0)": [],
    "AvgPool2d(kernel_size=2, stride=2, padding=0, ceil_mode=True)": [],
    "Upsample(scale_factor=2)": [],
    "Upsample(None, 2.0, 'nearest')": [],
    "WeightedPool2d(kernel_size=2, stride=2, padding=0)": [],
    "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))": [],
    "Linear(in_features=3, out_features=2, bias=True)": [],
}
USUAL = {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
USUAL |= {"align_corners": False, "recompute_scale_factor": False}


@pytest.mark.parametrize("text", NOTES)
def test_what_print_leaves_out_is_said(text: str) -> None:
    notes: list[str] = []
    parse_layer(text, notes)
    assert notes == [f"{name} is not in the text; assumed {name}={USUAL[name]}" for name in NOTES[text]]


@pytest.mark.parametrize(("text", "full"), [
    ("AvgPool2d(kernel_size=2, stride=2, padding=0)",
     "AvgPool2d(2, stride=2, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)"),
    ("Upsample(scale_factor=2.5, mode='bilinear')",
     "Upsample(scale_factor=2.5, mode='bilinear', align_corners=False, recompute_scale_factor=False)"),
])  # fmt: skip
def test_what_is_assumed_is_what_is_computed(text: str, full: str) -> None:
    short, long, shape = parse_layer(text), parse_layer(full), (1, 1, 5, 4)
    assert short.sizes(shape) == long.sizes(shape) and short.tables(shape) == long.tables(shape)


def test_the_note_stands_on_stderr(tmp_path: Path) -> None:
    text = "AvgPool2d(kernel_size=2, stride=2, padding=0)"
    done = backflip("derive", text, "--input", "1,1,4,4", cwd=tmp_path)
    assert done.code == 0 and "note: ceil_mode is not in the text; assumed ceil_mode=False\n" in done.err
    assert "not in the text" not in done.out


REFUSED = {
    "LSTM(3, 4)": ("LSTM", "one of"),
    "Linaer(in_features=3, out_features=2, bias=True)": ("Linaer", "did you mean Linear?"),
    "PixelShufle(upscale_factor=2)": ("PixelShufle", "did you mean PixelShuffle"),
    "UpsamplingNearest2d(scale_factor=2.0, mode='nearest')": ("UpsamplingNearest2d", "write Upsample("),
    "UpsamplingBilinear2d(size=3, mode='bilinear')": ("UpsamplingBilinear2d", "align_corners=True"),
    "FractionalMaxPool2d(kernel_size=2)": ("FractionalMaxPool2d", "one of"),
    "LeNet(\n  (conv1): Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))\n)": ("LeNet", "Sequential", "Graph"),
    "ConvTranspose2d(1, 1, 2, padding_mode='circular')": ("pads with zeros", "'circular'"),
}


@pytest.mark.parametrize("text", REFUSED)
def test_other_modules_are_refused_by_name(text: str) -> None:
    with pytest.raises(LayerError) as caught:
        parse_layer(text)
    message = str(caught.value)
    assert all(word in message for word in REFUSED[text]), message
    assert caught.value.where and caught.value.expected and caught.value.got


def test_bare_words_are_read() -> None:
    bare = "Conv2d(1, 1, 3, padding=1, padding_mode=circular)"
    assert parse_layer(bare) == parse_layer(bare.replace("circular", "'circular'"))
    assert parse_layer("Upsample(scale_factor=2, mode=nearest)") == parse_layer("Upsample(scale_factor=2)")
    assert parse_layer("ConvTranspose1d(1, 1, 2, padding_mode=zeros)") == parse_layer(
        "ConvTranspose1d(1, 1, 2)"
    )
