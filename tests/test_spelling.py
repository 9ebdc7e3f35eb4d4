"""Owns the reading of layer texts: what is accepted, the round trip, and what is refused and how."""

from __future__ import annotations

import dataclasses
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import derive
from derive import Conv2d, LayerError, parse_layer
from derive.layers import registry
from derive.spelling import MAX_TEXT

ACCEPTED = {
    "Conv2d(1, 6, 5, padding=2)": Conv2d(1, 6, 5, padding=2),
    "  nn.Conv2d( 1,6, 5 )\n": Conv2d(1, 6, 5),
    "torch.nn.Conv2d(1, 6, 5,)": Conv2d(1, 6, 5),
    "Conv2d(in_channels=1, out_channels=6, kernel_size=5)": Conv2d(1, 6, 5),
    "Conv2d(1, 6, kernel_size=(5, 5), stride=(1, 1))": Conv2d(1, 6, (5, 5), stride=(1, 1)),
    "Conv2d(4, 4, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), groups=2, bias=False)": Conv2d(
        4, 4, (3, 3), stride=(2, 2), padding=(1, 1), groups=2, bias=False
    ),
    "Conv2d(1, 6, 5, padding=same)": Conv2d(1, 6, 5, padding="same"),
    "Conv2d(1, 6, 5, padding='valid')": Conv2d(1, 6, 5, padding="valid"),
    "Conv2d(1, 6, 5, 2, 1, 1, 1, False)": Conv2d(1, 6, 5, 2, 1, 1, 1, False),
    "Conv2d(1, 6, [5, 3], padding=[[1, 0], (0, 1)])": Conv2d(1, 6, (5, 3), padding=((1, 0), (0, 1))),
    "Conv2d(1,\n  6, 5)": Conv2d(1, 6, 5),
    "Conv2d(+1, 6, 0x5)": Conv2d(1, 6, 5),
}


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted(text: str) -> None:
    assert parse_layer(text) == ACCEPTED[text]


@pytest.mark.parametrize("extra", ["device='cuda'", "dtype=torch.float32", "inplace=True"])
def test_storage_arguments_are_ignored_with_a_note(extra: str) -> None:
    notes: list[str] = []
    assert parse_layer(f"Conv2d(1, 6, 5, {extra})", notes) == Conv2d(1, 6, 5)
    assert len(notes) == 1 and notes[0].startswith(f"{extra.partition('=')[0]} is ignored")


pair = st.tuples(st.integers(0, 3), st.integers(0, 3))
sizes = st.one_of(st.integers(1, 5), st.tuples(st.integers(1, 5), st.integers(1, 5)))


@st.composite
def layers(draw: st.DrawFn) -> derive.layers.base.Layer:
    groups = draw(st.integers(1, 3))
    padding = st.one_of(
        st.integers(0, 4), pair, st.tuples(pair, pair), st.sampled_from(["valid", "full", "same"])
    )
    chosen: dict[str, Any] = {"padding": draw(padding), "dilation": draw(sizes), "bias": draw(st.booleans())}
    chosen["stride"] = 1 if chosen["padding"] == "same" else draw(sizes)
    in_channels, out_channels = groups * draw(st.integers(1, 4)), groups * draw(st.integers(1, 4))
    return Conv2d(in_channels, out_channels, draw(sizes), groups=groups, **chosen)


@given(layers())
def test_round_trip(layer: Any) -> None:
    assert parse_layer(repr(layer)) == layer


@pytest.mark.parametrize("kind", registry().values(), ids=registry())
def test_every_layers_examples_read_and_fit(kind: Any) -> None:
    assert kind.examples
    for text, shape in kind.examples:
        layer = parse_layer(text)
        assert type(layer) is kind and parse_layer(repr(layer)) == layer
        assert layer.operands(shape)


def test_torch_prints_what_is_read() -> None:
    torch = pytest.importorskip("torch")
    module = torch.nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
    expected = Conv2d(4, 6, (3, 2), stride=(2, 2), padding=(1, 0), dilation=(1, 2), groups=2, bias=False)
    assert parse_layer(str(module)) == expected
    same = parse_layer(str(torch.nn.Conv2d(1, 1, 3, padding="same")))
    assert same == Conv2d(1, 1, (3, 3), stride=(1, 1), padding="same")


REFUSED = {
    "": "no layer given",
    "   ": "no layer given",
    "Conv2d": "without arguments",
    "Conv2d(1, 6": "never closed",
    "Conv2D(1, 6, 5)": "did you mean Conv2d?",
    "Conv3x(1)": "unknown layer",
    "LSTM(1, 2)": "Conv2d",
    "os.Conv2d(1, 1, 1)": "not a layer's name",
    "__import__('os').system('true')": "not a layer's name",
    "Conv2d(1, 6, 5, kernal_size=3)": "did you mean kernel_size?",
    "Conv2d(1, 6, 5, strid=3)": "did you mean stride?",
    "Conv2d(1, 6)": "kernel_size missing",
    "Conv2d()": "in_channels, out_channels, kernel_size missing",
    "Conv2d(1, 6, 5, kernel_size=5)": "given twice",
    "Conv2d(1, 6, 5, stride=1, stride=1)": "given twice",
    "Conv2d(1, 6, 5, 1, 0, 1, 1, True, 'zeros', None)": "too many arguments",
    "Conv2d(*[1, 6, 5])": "not literal",
    "Conv2d(1, 6, **{'kernel_size': 5})": "not literal",
    "Conv2d(1, 6, 2 + 3)": "2 + 3",
    "Conv2d(1, 6, 10**9)": "not a literal",
    "Conv2d(1, 6, n)": "a name where a literal belongs",
    "Conv2d(1, 6, 5, bias=false)": "a name where a literal belongs",
    "Conv2d(1, 6, int('5'))": "nested call",
    "Conv2d(1, 6, f'{5}')": "not a literal",
    "Conv2d(1, 6, {5})": "not a literal",
    "Conv2d(1, 6, b'5')": "not a literal",
    "Conv2d(1, 6, [5 for _ in '1'])": "not a literal",
    "Conv2d(1, 6, (lambda: 5)())": "nested call",
    "Conv2d(1, 6, -True)": "not a literal",
    "Conv2d(1, 6, -5)": "at least 1",
    "Conv2d(1, 6, 5.0)": "5.0 (float)",
    "Conv2d(1, 6, '5')": "not a whole number",
    "Conv2d(1, 6, 5, padding=sme)": "'sme'",
    "Conv2d(1, 6, 5, stride=(1, 0))": "stride[1]",
    "Conv2d(1, 6, 5, bias=1)": "True or False",
    "Conv2d(3, 4, 2, groups=2)": "multiple of groups=2",
    "Conv2d(1, 6, 5); 1": "not a layer constructor",
    "x = Conv2d(1, 6, 5)": "not a layer constructor",
    "Conv2d(1, 6, 5) if 1 else 2": "not a layer constructor",
    "Conv2d(1, 6, '\\d')": "not a whole number",
    "Conv2d(1, 6, \x1b[31m5)": "control characters",
    "Conv2d(1, 6, 5\0)": "control characters",
    "(" * 500: "too many nested",
    "Conv2d(1, 6, " + "-" * 900 + "1)": "literal",
    "Conv2d(1, 6, " + "9" * MAX_TEXT + ")": "too long",
}


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text: str) -> None:
    with pytest.raises(LayerError) as refusal:
        parse_layer(text)
    message = str(refusal.value)
    assert REFUSED[text] in message
    assert refusal.value.where and (refusal.value.expected or refusal.value.got)
    assert len(message) < 1200


@pytest.mark.parametrize(
    ("text", "under"),
    [
        ("Conv2d(1, 6, 5, kernal_size=3)", "kernal_size"),
        ("Conv2d(1, 6, n)", "n)"),
        ("Conv2d(1, 6, 5, stride=(1, 0))", "(1, 0)"),
        ("Conv2d(3, 4, 2, groups=2)", "3, 4"),
        ("nn.Linaer(3, 4)", "nn.Linaer"),
    ],
)
def test_the_caret_stands_under_the_fault(text: str, under: str) -> None:
    with pytest.raises(LayerError) as refusal:
        parse_layer(text)
    _, shown, caret = refusal.value.where.split("\n")
    assert shown[caret.index("^") :].startswith(under)


def test_a_caret_counts_characters_not_bytes() -> None:
    with pytest.raises(LayerError) as refusal:
        parse_layer("Conv2d(1, 6, 'ééé', bais=1)")
    _, shown, caret = refusal.value.where.split("\n")
    assert shown[caret.index("^") :].startswith("bais")


@given(st.text(alphabet=string.printable, max_size=60))
def test_any_text_is_a_layer_or_a_layer_error(text: str) -> None:
    for candidate in (text, f"Conv2d({text})", f"Conv2d(1, 1, {text})"):
        try:
            layer = parse_layer(candidate)
        except LayerError:
            continue
        assert dataclasses.is_dataclass(layer)


def test_not_a_string() -> None:
    with pytest.raises(LayerError, match="not a layer text"):
        parse_layer(5)  # type: ignore[arg-type]
