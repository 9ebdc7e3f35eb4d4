"""Owns bad input over the linear layers as commands: code 2; what, where, expected, got; no traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command import Said, backflip
from test_bad_input import refused

from codegen.cli import main

BAD: dict[tuple[str, str], tuple[str, ...]] = {
    # pools
    ("AvgPool2d(0)", "1,1,4,4"): ("size out of range", "kernel_size", "at least 1"),
    ("AvgPool2d(2.0)", "1,1,4,4"): ("not a whole number", "2.0 (float)"),
    ("AvgPool2d((2, 2, 2))", "1,1,4,4"): ("wrong number of values", "kernel_size"),
    ("AvgPool2d()", "1,1,4,4"): ("kernel_size missing",),
    ("AvgPool2d(2, stride=0)", "1,1,4,4"): ("size out of range", "stride"),
    ("AvgPool2d(2, padding=2)", "1,1,4,4"): ("padding larger than half the kernel", "at most 1"),
    ("AvgPool2d(2, padding=same)", "1,1,4,4"): ("a name where a literal belongs", "same"),
    ("AvgPool2d(2, padding='same')", "1,1,4,4"): ("no padding by name here", "'same'"),
    ("AvgPool2d(2, ceil_mode=1)", "1,1,4,4"): ("not a truth value", "ceil_mode"),
    ("AvgPool2d(2, divisor_override=0)", "1,1,4,4"): ("divisor_override", "0"),
    ("AvgPool1d(2, divisor_override=3)", "1,1,4"): ("AvgPool1d has no argument divisor_override",),
    ("AvgPool2d(2, dilation=2)", "1,1,4,4"): ("AvgPool2d has no argument dilation",),
    ("AvgPool2d(5)", "1,1,4,4"): ("kernel larger than the padded input", "H"),
    ("AvgPool2d(2)", "4,4"): ("wrong number of axes", "2 axes"),
    ("AvgPool3d(2)", "1,1,1,2,4,4"): ("wrong number of axes", "6 axes"),
    ("WeightedPool2d(3)", "1,1,2,4"): ("kernel larger than the padded input", "H"),
    ("WeightedPool2d(2, ceil_mode=True)", "1,1,4,4"): ("WeightedPool2d has no argument ceil_mode",),
    ("AdaptiveAvgPool2d(0)", "1,1,4,4"): ("size out of range", "output_size"),
    ("AdaptiveAvgPool2d((1, 2, 3))", "1,1,4,4"): ("wrong number of values", "output_size"),
    ("AdaptiveAvgPool2d((2, -1))", "1,1,4,4"): ("size out of range", "output_size[1]"),
    ("AdaptiveAvgPool1d(2)", "1,1,4,4"): ("wrong number of axes",),
    # transposed convolutions
    ("ConvTranspose2d(1, 1, 2, output_padding=1)", "1,1,4,4"): ("output_padding too large", "stride 1"),
    ("ConvTranspose2d(1, 1, 1, padding=2)", "1,1,4,4"): ("nothing left of the output", "= 0"),
    ("ConvTranspose2d(1, 1, 2, padding=same)", "1,1,4,4"): ("literal", "same"),
    ("ConvTranspose2d(1, 1, 2, padding='same')", "1,1,4,4"): ("no padding by name here",),
    ("ConvTranspose2d(3, 4, 2, groups=2)", "1,3,4,4"): ("in_channels not divisible by groups",),
    ("ConvTranspose2d(2, 4, 2)", "1,3,4,4"): ("wrong number of channels", "in_channels=2", "3"),
    ("ConvTranspose2d(1, 1, 2, output_padding=-1)", "1,1,4,4"): ("size out of range", "output_padding"),
    ("ConvTranspose1d(1, 1, 2)", "1,1,4,4"): ("wrong number of axes",),
    ("ConvTranspose2d(1, 1, 2, padding_mode=reflect)", "1,1,4,4"): ("pads with zeros", "reflect"),
    # convolutions of other ranks and padding modes
    ("Conv1d(1, 1, (2, 2))", "1,1,4"): ("wrong number of values", "kernel_size"),
    ("Conv3d(1, 1, 2)", "1,1,4"): ("wrong number of axes",),
    ("Conv3d(1, 1, 2)", "1,1,4,4"): ("kernel larger than the padded input", "axis 0 (D)", "1 + 0 + 0"),
    ("Conv1d(1, 1, 3, padding_mode=mirror)", "1,1,4"): ("unknown padding_mode", "reflect", "'mirror'"),
    ("Conv1d(1, 1, 3, padding=4, padding_mode=reflect)", "1,1,4"): ("padding too wide", "at most 3"),
    ("Conv1d(1, 1, 3, padding=5, padding_mode=circular)", "1,1,4"): ("padding too wide", "at most 4"),
    ("Conv1d(1, 1, 3, padding_mode=1)", "1,1,4"): ("unknown padding_mode", "1"),
    # padding layers
    ("ReflectionPad1d(4)", "1,1,4"): ("padding too wide", "at most 3"),
    ("ReflectionPad2d((1, 1))", "1,1,4,4"): ("wrong number of values", "padding", "2"),
    ("ReflectionPad2d(-1)", "1,1,4,4"): ("size out of range", "padding", "-1"),
    ("ReplicationPad1d(1.5)", "1,1,4"): ("not a whole number", "1.5"),
    ("CircularPad1d((0, 5))", "1,1,4"): ("padding too wide", "at most 4"),
    ("ZeroPad1d((-2, -2))", "1,1,4"): ("nothing left of the input", "4 + -2 + -2"),
    ("ZeroPad2d(mode)", "1,1,4,4"): ("a name where a literal belongs", "mode"),
    ("ZeroPad2d(1, 2)", "1,1,4,4"): ("too many arguments",),
    ("ReplicationPad3d(1)", "1,1,4"): ("wrong number of axes",),
    # resampling
    ("Downsample(0)", "1,1,4,4"): ("size out of range", "factor"),
    ("Downsample(2)", "4,4"): ("wrong number of axes", "batch axis"),
    ("Downsample((2, 2))", "1,1,4"): ("wrong number of values", "factor"),
    ("Downsample(2.0)", "1,1,4"): ("not a whole number", "2.0"),
    ("UpsampleZeros(2, output_padding=2)", "1,1,4"): ("output_padding too large", "less than the factor 2"),
    ("UpsampleZeros()", "1,1,4"): ("factor missing",),
    ("Upsample()", "1,1,4"): ("either size or scale_factor", "neither"),
    ("Upsample(2, 2)", "1,1,4"): ("either size or scale_factor", "both"),
    ("Upsample(scale_factor=0)", "1,1,4"): ("not a scale", "0"),
    ("Upsample(scale_factor=1e999)", "1,1,4"): ("not a scale", "inf"),
    ("Upsample(scale_factor=0.1)", "1,1,4"): ("nothing left of the output", "4 * 0.1"),
    ("Upsample(scale_factor=2, mode=bicubic)", "1,1,4,4"): ("unknown mode", "'bicubic'", "bilinear"),
    ("Upsample(scale_factor=2, mode=bilinear)", "1,1,4"): ("does not fit the input", "mode=linear"),
    ("Upsample(scale_factor=2, align_corners=True)", "1,1,4"): ("align_corners goes with the linear modes",),
    ("Upsample(size=(2, 3))", "1,1,4"): ("wrong number of values", "size"),
    ("Upsample(size=3, recompute_scale_factor=True)", "1,1,4"): ("recompute_scale_factor goes with",),
    ("Upsample(scale_factor=2)", "1,4"): ("wrong number of axes", "batch axis"),
    # the rest
    ("PixelShuffle(2)", "1,3,4,4"): ("not divisible", "upscale_factor", "3"),
    ("PixelUnshuffle(3)", "1,1,4,3"): ("not divisible", "downscale_factor", "4"),
    ("PixelShuffle(0)", "1,4,4,4"): ("size out of range", "upscale_factor"),
    ("Linear(3)", "2,3"): ("out_features missing",),
    ("Linear(3, 2)", "2,4"): ("wrong number of features", "in_features=3", "4"),
    ("Linear(3, 2, bias=None)", "2,3"): ("not a truth value", "bias"),
    ("Linear(3, 2)", "1,1,1,1,3"): ("wrong number of axes",),
    ("Flatten(3)", "2,3"): ("no such axis", "start_dim", "-2 to 1"),
    ("Flatten(1, 0)", "2,3"): ("start_dim comes after end_dim", "1, 0"),
    ("Flatten()", "1,1,1,1,1,1,1"): ("wrong number of axes", "7"),
    ("Concat(4)", "1,1,4,4"): ("no such axis", "dim", "4"),
    ("Concat(other_shape=(1, 1, 5, 4))", "1,1,4,4"): ("shapes do not join", "axis 1"),
    ("Concat(other_shape=3)", "1,1,4,4"): ("not a shape", "other_shape", "3"),
    ("Add(1)", "2,3"): ("too many arguments",),
    ("Add()", "1,1,1,1,1,1"): ("wrong number of axes",),
    ("Bias()", "2,3"): ("missing",),
    ("Downsample", "1,1,4"): ("Downsample without arguments",),
    ("AvgPol2d(2)", "1,1,4,4"): ("unknown layer", "did you mean AvgPool2d"),
    ("GlobalAvgPool(2)", "1,1,4,4"): ("unknown layer", "GlobalAvgPool"),
}


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> Said:
    """`backflip WORDS` in this process: the exit code and what it said."""
    monkeypatch.setattr(sys, "argv", ["backflip", *words])
    monkeypatch.setattr("codegen.cli.signal.signal", lambda *_: None)
    with pytest.raises(SystemExit) as left:
        main()
    assert isinstance(left.value.code, int)
    told = capsys.readouterr()
    return Said(left.value.code, told.out, told.err)


@pytest.mark.parametrize(("layer", "shape"), BAD, ids=lambda v: v)
def test_refused(
    layer: str, shape: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verb = ("derive", "prove", "build")[len(layer) % 3 if "(" in layer else 0]
    said = command(capsys, monkeypatch, verb, layer, "--input", shape)
    refused(said, 2, *BAD[layer, shape])
    assert all(f"\n  {field}:" in said.err for field in ("where", "expected", "got")), said.err


def test_there_are_enough() -> None:
    assert len(BAD) >= 60
    assert len({layer.partition("(")[0] for layer, _ in BAD}) >= 24


SABOTAGED = {"wrong code": Said(1, "", "error: x\n  got:      y\n"), "no field": Said(2, "", "error: x\n"),
             "printed": Said(2, "text", "error: x\n  got:      y\n"),
             "traceback": Said(2, "", "Traceback\nerror: x\n  got:      y\n")}  # fmt: skip


@pytest.mark.parametrize("said", SABOTAGED.values(), ids=SABOTAGED)
def test_the_check_itself_can_fail(said: Said) -> None:
    with pytest.raises(AssertionError):
        refused(said, 2)
    refused(Said(2, "", "error: x\n  got:      y\n"), 2)


FUNCTIONS = """
def unknown(dout, alpha): return dout
def nothing(dout): return None
def empty(kernel_size): return kernel_size
"""
UNFIT = {
    ("theirs:unknown", "AvgPool2d(2)"): ("parameter not understood", "alpha", "kernel_size"),
    ("theirs:nothing", "Downsample(2)"): ("no gradient returned", "NoneType"),
    ("theirs:empty", "AvgPool2d(2)"): ("no parameter for an operand", "kernel_size"),
    ("theirs:FUNCTIONS", "AvgPool2d(2)"): ("theirs:FUNCTIONS",),
    ("theirs:nothing", "AvgPool2d(9)"): ("kernel larger than the padded input",),
}


@pytest.mark.parametrize(("function", "layer"), UNFIT, ids=lambda v: v)
def test_functions_that_cannot_be_judged(function: str, layer: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(FUNCTIONS)
    said = backflip("verify", function, layer, "--input", "1,1,4,4", cwd=tmp_path)
    refused(said, 2, *UNFIT[function, layer])
