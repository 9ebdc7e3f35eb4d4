"""Layer lists of known networks: every distinct layer axis by axis, and the numbers of what is compared."""

from __future__ import annotations

import argparse
import json
from math import prod
from pathlib import Path
from typing import Any

import pytest

from benchmarks.exhaustive import NETWORKS, checked, run
from benchmarks.exhaustive import main as benchmark
from derive import Conv1d, Conv2d
from derive.errors import LayerError, LimitError
from derive.exhaust import estimate
from derive.instance import claim_at
from derive.judge import FACTORISED
from derive.networks import prove_many
from derive.spelling import parse_layer


def inside(length: int, kernel: int, stride: int, padding: int) -> int:
    """Pairs of a place and a tap that reads an entry rather than padding, on one axis."""
    places = range((length + 2 * padding - kernel) // stride + 1)
    return sum(0 <= o * stride + a - padding < length for o in places for a in range(kernel))


def products_of(layer: Any, shape: tuple[int, ...]) -> int:
    """How many products the forward pass sums, counted from the arguments alone."""
    match type(layer).__name__:
        case "Conv2d":
            axes = zip(shape[2:], layer.kernel, layer.strides, layer.paddings, strict=True)
            taps = [inside(n, k, s, before) for n, k, s, (before, _) in axes]
            return prod(taps) * layer.in_channels * layer.out_channels // layer.groups
        case "ConvTranspose2d":
            return prod(shape[1:]) * layer.out_channels * layer.kernel_size**2
        case "Linear":
            return int(layer.in_features * layer.out_features)
    return prod(shape)


@pytest.mark.parametrize(
    ("network", "layers"),
    [("lenet5", 7), ("resnet50", 23), ("mobilenetv2", 32), ("unet", 19), ("vgg16", 12)],
)
def test_layers_of_networks(network: str, layers: int) -> None:
    """Every distinct layer of the benchmark's lists axis by axis; what is compared has the right number."""
    items = [(parse_layer(text), shape) for text, shape in dict.fromkeys(NETWORKS[network]())]
    assert len(items) == layers
    found = prove_many(items, factorised=True)
    assert all(result.ok and result.label == FACTORISED for result in found)
    claims = [claim_at(layer.claims(**layer.choices(s))["input"], layer.sizes(s)) for layer, s in items]
    counted = [products_of(layer, shape) for layer, shape in items]
    assert [estimate(claim)[0] // 2 for claim in claims] == counted
    assert network != "resnet50" or sum(counted) == 1_907_084_032


def test_benchmark_prints_a_table_and_refuses_other_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.json"
    words = ["exhaustive", "--network", "lenet5", "--only", "Linear(84", "--jobs", "1", "--json", str(rows)]
    monkeypatch.setattr("sys.argv", words)
    benchmark()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split()[:2] == ["layer", "input"] and printed[1].startswith("Linear(84, 10)")
    assert [row["monomials"] for row in json.loads(rows.read_text())] == [5080] * 3
    options = argparse.Namespace(only="Linear(84", jobs=None, factorised=True, together=False)
    assert [row.entries for row in run("lenet5", options)] == [944, 944]
    with pytest.raises(SystemExit, match="not proved: THIS SIZE"):
        checked(prove_many([(parse_layer("Linear(2, 3)"), (1, 2))]), factorised=True)


@pytest.mark.parametrize(
    "item", [Conv2d, (Conv2d, (1, 1, 3, 3)), (Conv2d(1, 1, 2), None), ("Conv2d", (1,)), ()]
)
def test_what_is_no_layer_with_a_shape_is_named(item: object) -> None:
    with pytest.raises(LayerError, match=r"(?s)not a layer with its input shape.*prove_many, item 1"):
        prove_many([(Conv2d(1, 1, 2), (1, 1, 3, 3)), item])  # type: ignore[list-item]


def test_sizes_beyond_whole_number_arithmetic_are_refused() -> None:
    layer = Conv1d(1, 1, 1, stride=2**40)
    with pytest.raises(LimitError, match="size too large to compare entries"):
        prove_many([(layer, (1, 1, 5))])
    assert prove_many([(Conv1d(1, 1, 1, stride=2**40 - 1), (1, 1, 5))])[0].ok
