"""Owns what every layer of the registry must offer, whatever it computes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

import pytest
from kinds import linear_layers

from derive.api import differentiate, prove
from derive.errors import LayerError
from derive.instance import claim_at
from derive.layers import registry
from derive.layers.base import Layer
from derive.spelling import parse_layer
from derive.steps import sizes_of
from derive.theorems import LABEL, theorems

KINDS = registry()
EXAMPLES = [(name, text, shape) for name, kind in KINDS.items() for text, shape in kind.examples]
LINEAR = [example for example in EXAMPLES if example[0] in linear_layers()]
NAMES = ("input", "weight", "bias", "other")
OWN = (
    *("Add", "Bias", "Concat", "Downsample", "UpsampleZeros", "WeightedPool2d", "Mul", "Activation"),
    *("MinPool1d", "MinPool2d", "MinPool3d", "L2Penalty"),
)
SHARES = {"share", "share_d", "share_h", "share_w"}
WEIGHTS = {"table_d", "table_h", "table_w"}


@pytest.mark.parametrize("name", KINDS)
def test_a_layer_has_examples_and_says_what_it_is(name: str) -> None:
    kind = KINDS[name]
    assert kind.examples and kind.__doc__ and not kind.__doc__.startswith(f"{name}(")
    assert all(text.startswith(f"{name}(") for text, _ in kind.examples)
    assert all(len(set(values)) == len(values) > 1 for values in kind.discrete.values())


@pytest.mark.parametrize(("name", "text", "shape"), EXAMPLES)
def test_an_example_is_read_and_written_back(name: str, text: str, shape: tuple[int, ...]) -> None:
    layer = parse_layer(text)
    assert type(layer) is KINDS[name]
    again = parse_layer(repr(layer))
    assert again == layer and hash(again) == hash(layer) and repr(again) == repr(layer)
    assert name in OWN or parse_layer(f"torch.nn.{text}") == layer


@pytest.mark.parametrize(("name", "text", "shape"), LINEAR)
def test_operands_claims_and_sizes_agree(name: str, text: str, shape: tuple[int, ...]) -> None:
    layer = parse_layer(text)
    found = {o.name: o for o in layer.operands(shape)}
    *operands, output, grad = found
    assert (output, grad) == ("output", "grad_output") and tuple(operands) == tuple(
        n for n in NAMES if n in operands
    )
    assert found["input"].shape == shape and found["grad_output"].shape == found["output"].shape
    assert layer.output_shape(shape) == found["output"].shape
    assert all(o.dtype == "floating" and all(n >= 1 for n in o.shape) for o in found.values())
    assert {n for n, o in found.items() if o.differentiable} == set(operands)
    claims = layer.claims(**layer.choices(shape))
    assert set(claims) == {"output", *operands}
    tables = layer.tables(shape)
    for key, claim in claims.items():
        exact = claim_at(claim, layer.sizes(shape))
        assert claim.target.name == key
        assert prod(f.constant for f in exact.target.shape) == prod(found[key].shape)
        assert {t.name for t in claim.setting.inputs} == {*operands, *tables, "grad_output"}
        assert all(f.holds(layer.sizes(shape)) for f in claim.setting.facts)


@pytest.mark.parametrize(("name", "text", "shape"), LINEAR)
def test_tables_are_rationals_of_the_right_length(name: str, text: str, shape: tuple[int, ...]) -> None:
    layer = parse_layer(text)
    claim = claim_at(layer.claims(**layer.choices(shape))["output"], layer.sizes(shape))
    extents = {t.name: tuple(f.constant for f in t.shape) for t in claim.setting.inputs}
    for title, values in layer.tables(shape).items():
        assert title in SHARES | WEIGHTS and not title.startswith(NAMES)
        assert isinstance(values, tuple) and all(type(v) is Fraction for v in values)
        assert len(values) == prod(extents[title])
        if title in SHARES:
            assert all(0 < v <= 1 and v.numerator == 1 for v in values)
        else:
            rows, width = extents[title]
            assert all(sum(values[o * width : (o + 1) * width]) == 1 for o in range(rows))


@pytest.mark.parametrize("name", linear_layers())
def test_the_first_example_is_proved_at_its_size(name: str) -> None:
    text, shape = KINDS[name].examples[0]
    layer = parse_layer(text)
    found = prove(layer, shape)
    entries = sum(prod(o.shape) for o in layer.operands(shape) if o.name != "grad_output")
    assert found.ok and found.identities == entries and "REFUTED" not in "\n".join(found.report)
    assert f"{entries:,} identities" in found.label and found.certificate_digest


@pytest.mark.parametrize("name", KINDS)
def test_its_derivation_is_written_in_every_format(name: str) -> None:
    text, shape = KINDS[name].examples[0]
    layer = parse_layer(text)
    found = differentiate(layer, shape)
    operands = {o.name: o.shape for o in layer.operands(shape) if o.differentiable}
    assert set(found) == set(operands)
    for wrt, d in found.items():
        assert d.shape == operands[wrt] and d.steps and d.general_steps
        for step, after in zip(d.steps, d.steps[1:], strict=False):
            assert step.rhs == after.lhs
        written = {"text": d.to_text(), "latex": d.to_latex(), "md": d.to_markdown(), "html": d.to_html()}
        for format, page in written.items():
            assert len(page) > 200 and "None" not in page and "Form(" not in page, format
        assert f"grad_{wrt}" in written["text"] and repr(layer) in written["text"]
        assert "quation ()" not in written["text"] and "quations ()" not in written["text"]
        said = set(re.findall(r"[A-Za-z_]\w*", written["text"]))
        assert said >= {*layer.tables(shape), *sizes_of(d.general.setting)}
        assert written["html"].count("<math") == written["html"].count("</math>") > 0
        assert written["latex"].count("{") == written["latex"].count("}")
        last = tuple(n - 1 for n in d.shape)
        assert d.element(last).free_symbols or d.element(last).is_number
        with pytest.raises(LayerError):
            d.element(d.shape)


def settled(kind: type[Layer]) -> Iterator[dict[str, Any]]:
    """Every combination of the discrete choices that the layer's claims take."""
    for values in product(*kind.discrete.values()):
        choices = dict(zip(kind.discrete, values, strict=True))
        try:
            kind.claims(**choices)
        except LayerError:
            continue
        if kind.chosen(choices) == choices:
            yield choices


def costly(name: str, choices: dict[str, Any]) -> bool:
    """Padded volumes take seconds each."""
    return name == "Conv3d" and choices["padding_mode"] != "zeros"


def hold(name: str, choices: dict[str, Any]) -> None:
    kind = KINDS[name]
    proved = theorems(kind, kind.chosen(choices))
    assert proved.keys() == kind.claims(**choices).keys()
    for key, theorem in proved.items():
        assert theorem.claim == kind.claims(**choices)[key]


@pytest.mark.parametrize("name", KINDS)
def test_the_theorems_for_all_sizes_hold_for_every_choice(name: str) -> None:
    every = list(settled(KINDS[name]))
    assert every and every == list(KINDS[name].variants())
    for choices in every:
        if not costly(name, choices):
            hold(name, choices)


@pytest.mark.sweep
def test_the_costly_choices_hold() -> None:
    for name, kind in KINDS.items():
        for choices in settled(kind):
            hold(name, choices)


@pytest.mark.parametrize("name", KINDS)
def test_the_class_alone_is_proved_for_all_sizes(name: str) -> None:
    kind = KINDS[name]
    found = prove(kind)
    assert found.ok and found.label == LABEL and found.identities == len(kind.claims())
    with pytest.raises(LayerError):
        prove(kind, nonsense=True)


@pytest.mark.parametrize("name", KINDS)
def test_a_layer_without_a_shape_is_proved_by_its_own_choices(name: str) -> None:
    for text, shape in KINDS[name].examples[:2]:
        layer = parse_layer(text)
        own, there = layer.own_choices(), layer.choices(shape)
        assert own.keys() == there.keys() == KINDS[name].discrete.keys()
        assert prove(layer).ok


@pytest.mark.parametrize(("name", "text", "shape"), EXAMPLES)
def test_wrong_shapes_are_refused(name: str, text: str, shape: tuple[int, ...]) -> None:
    layer = parse_layer(text)
    for wrong in ((), (0, *shape[1:]), (*shape[:-1], -1), (1,) * 9, (*shape[:-1], 2.5), "12", 3):
        with pytest.raises(LayerError) as caught:
            layer.operands(wrong)  # type: ignore[arg-type]
        assert caught.value.what and caught.value.where
    with pytest.raises(LayerError):
        layer.operands(shape, nonsense=(1,))
    with pytest.raises(LayerError):
        layer.operands(shape, output=(99,))


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("factor", [0.3333333333333333, 1.2345678, 2 / 3, 0.1428571428571428])
def test_a_long_decimal_has_a_short_band_that_reads_the_same_entries(mode: str, factor: float) -> None:
    """Every entry that the exact band or the table gives weight is read; nearest reads exactly one."""
    layer, shape = parse_layer(f"Upsample(scale_factor={factor!r}, mode={mode})"), (1, 1, 61, 1000)
    sizes, tables = layer.sizes(shape), layer.tables(shape)
    for tag, length in (("h", 61), ("w", 1000)):
        u, v, t, w = (sizes[f"{x}_{tag}"] for x in "uvtw")
        out = sizes[f"{tag.upper()}_out"]
        assert max(u, v, t, w) < 10**7
        for o in range(out):
            read = {i for i in range(length) if 0 <= u * o - v * i + t < w}
            if mode == "nearest":
                assert read == {min(int(o / Fraction(str(factor))), length - 1)}
            else:
                row = tables[f"table_{tag}"][o * length : (o + 1) * length]
                assert {i for i, weight in enumerate(row) if weight} <= read and len(read) <= 3
