"""The museum's NumPy functions: right twins pass; wrong ones are refuted, shrunk and named by their words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from derive.museum import exhibits
from derive.museum.functions import CASES, FUNCTIONS, RIGHT, WRITTEN
from derive.spelling import parse_layer
from derive.verification import VerifyResult, verify
from derive.verify_run import Case

Function = Callable[..., Any]
EXHIBITS = {exhibit.key: exhibit for exhibit in exhibits()}


def judged(key: str, functions: Mapping[str, Function]) -> VerifyResult:
    """What `verify` says of a key's function where the bug is live."""
    text, shape = CASES[key]
    return verify(functions[key], parse_layer(text), shape)


def is_killed(key: str, functions: Mapping[str, Function]) -> None:
    """Refuted, in few lines, with the smallest failing shape, both terms, and the words of the exhibit."""
    found = judged(key, functions)
    assert not found.ok and found.label == "REFUTED", found.report
    lines = found.report.splitlines()
    assert len(lines) < 20
    small = next(n for n, line in enumerate(lines) if line.startswith("smallest failing shape found ("))
    result = "output" if WRITTEN[key].result == "output" else f"grad_{WRITTEN[key].result}"
    assert result in lines[small + 1] and ": got " in lines[small + 1] and ", expected " in lines[small + 1]
    named = found.report.partition("equals the right answer with this known bug: ")[2].splitlines()[0]
    assert EXHIBITS[key].name in named.split("; "), named


def test_every_exhibit_is_written_as_a_function() -> None:
    assert FUNCTIONS.keys() == RIGHT.keys() == CASES.keys() == EXHIBITS.keys()
    assert len(FUNCTIONS) >= 25
    assert {key: written.result for key, written in WRITTEN.items()} == {
        key: exhibit.result for key, exhibit in EXHIBITS.items()
    }


@pytest.mark.parametrize("key", FUNCTIONS)
def test_the_wrong_function_is_refuted_and_named(key: str) -> None:
    is_killed(key, FUNCTIONS)


@pytest.mark.parametrize("key", RIGHT)
def test_the_right_function_passes(key: str) -> None:
    """On symbols where results are polynomials, as numbers otherwise; the exhibit's result is covered."""
    found = judged(key, RIGHT)
    text, shape = CASES[key]
    real = Case.of(parse_layer(text), shape, "backward").real
    assert found.ok and found.label.startswith("TESTED, " if real else "THIS SIZE, "), found.report
    covered = next(line for line in found.report.splitlines() if line.startswith("covered: "))
    assert WRITTEN[key].result in covered.removeprefix("covered: ").split(", ")


@pytest.mark.parametrize("key", ["conv-dx-stride-dropped", "maxpool-every-tie", "conv-dw-not-zeroed"])
def test_a_right_function_among_the_wrong_ones_is_seen(key: str) -> None:
    """Sabotage: the test of the wrong functions fails on the right one, on both kinds of layers."""
    with pytest.raises(AssertionError):
        is_killed(key, {**FUNCTIONS, key: RIGHT[key]})


def test_a_wrong_function_under_another_name_is_seen() -> None:
    """Sabotage: refuted is not enough, the words must be those of the exhibit."""
    key, other = "conv-dx-not-flipped", "conv-dx-flipped-one-axis"
    with pytest.raises(AssertionError):
        is_killed(key, {**FUNCTIONS, key: FUNCTIONS[other]})


def test_a_kept_buffer_is_right_once() -> None:
    """The first call of a new function is right; the second adds to it, whatever was given."""
    wrong, right = WRITTEN["conv-dw-not-zeroed"].wrong(), RIGHT["conv-dw-not-zeroed"]
    draw = np.random.default_rng(1)
    calls = [
        (draw.integers(-4, 5, (1, 1, 2, 2)), draw.integers(-4, 5, (1, 1, 3, 3)), np.ones((1, 1, 2, 2), int))
        for _ in range(2)
    ]
    wanted = [right(*call, None, 1, 0, 1, 1)["dw"] for call in calls]
    assert np.array_equal(wrong(*calls[0], None, 1, 0, 1, 1)["dw"], wanted[0])
    assert np.array_equal(wrong(*calls[1], None, 1, 0, 1, 1)["dw"], wanted[0] + wanted[1])


def grouped(how: str) -> Function:
    """A grouped convolution of one tap with a group's number taken from elsewhere."""

    def forward(x: Any, w: Any, groups: int) -> Any:
        per, filters = w.shape[1], w.shape[0] // groups
        out = []
        for k in range(w.shape[0]):
            group = k % groups if how == "modulo" else k // filters
            weight = w[k % filters] if how == "weights" else w[k]
            part = x[:, group * per : (group + 1) * per]
            out.append((part * weight[:, 0, 0, None, None]).sum(1))
        return np.stack(out, 1)

    return forward


ALSO: dict[str, tuple[Function, str, tuple[int, ...], str]] = {
    "the first group's weights": (
        grouped("weights"), "Conv2d(4, 4, 1, groups=2, bias=False)", (1, 4, 2, 2),
        "the first group's weights in every group",
    ),
    "modulo groups": (
        grouped("modulo"), "Conv2d(4, 4, 1, groups=2, bias=False)", (1, 4, 2, 2),
        "filter k put into group k modulo groups",
    ),
    "no mask": (
        lambda dout, mask, p: dout, "Dropout(0.25, training=True)", (2, 3), "the mask forgotten",
    ),
    "scale alone": (
        lambda dout, mask, p: dout / (1 - p), "Dropout(0.25, training=True)", (2, 3),
        "the scale without the mask",
    ),
    "width of a max pool": (
        lambda x: x[..., 0:2].max((2, 3), keepdims=True), "MaxPool2d((1, 3))", (2, 1, 1, 3),
        "pool width taken as 2",
    ),
    "weighted cross entropy": (
        lambda x, y, class_weight: {
            "dx": (np.exp(x) / np.exp(x).sum(1, keepdims=True) - class_weight * y) / len(x)
        },
        "CrossEntropyLoss(weighted=True, target=probabilities)", (3, 2),
        "p - y: the sum of the target taken for 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("title", ALSO)
def test_the_same_mistakes_in_other_ways(title: str) -> None:
    function, text, shape, name = ALSO[title]
    found = verify(function, parse_layer(text), shape)
    assert found.label == "REFUTED", found.report
    assert name in found.report.partition("with this known bug: ")[2], found.report


def test_targets_that_do_not_add_up_are_said() -> None:
    """p - y is right as long as they do; the fault says where it is not."""
    found = judged("cross-entropy-p-minus-y", FUNCTIONS)
    assert "with targets that do not add up to 1: grad_input[" in found.report
    assert (
        "a run with targets that do not add up to 1 agrees too"
        in judged("cross-entropy-p-minus-y", RIGHT).report
    )
