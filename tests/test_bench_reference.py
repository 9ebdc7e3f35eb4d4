"""Owns the reference that contestants are compared with: adjoints, the layer's definition, differences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codegen.bench.plain import called, matrices, reference, taken
from codegen.bench.task import NotOffered, Task, drawn
from derive import parse_layer
from derive.errors import LayerError

LINEAR_TASKS = (
    ("Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2, bias=False)", (2, 4, 11)),
    ("Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 0), bias=False)", (2, 2, 6, 5)),
    ("Conv3d(1, 2, 2, padding=1, bias=False)", (1, 1, 3, 2, 4)),
    ("ConvTranspose2d(3, 2, 4, stride=2, padding=1, bias=False)", (2, 3, 3, 4)),
    ("ConvTranspose1d(4, 2, 3, stride=3, output_padding=1, dilation=2, groups=2, bias=False)", (1, 4, 5)),
    ("AvgPool2d(3, stride=2, padding=1)", (1, 2, 7, 6)),
    ("Upsample(scale_factor=2)", (1, 2, 3, 4)),
    ("Upsample(scale_factor=3, mode='bilinear')", (1, 2, 3, 4)),
    ("Linear(3, 4, bias=False)", (5, 3)),
)


def wide(text: str, shape: tuple[int, ...], operation: str) -> tuple[Task, dict[str, Any]]:
    task = Task(parse_layer(text), shape, "float64", operation)
    return task, drawn(task)


@pytest.mark.parametrize(("text", "shape"), LINEAR_TASKS)
def test_reference_gradients_are_adjoints(text: str, shape: tuple[int, ...]) -> None:
    """<A x, g> = <x, A' g>, and the same by the weight."""
    task, d = wide(text, shape, "forward")
    y = reference(task, d)[0]
    assert y.dtype == np.longdouble and y.shape == task.layer.output_shape(shape)
    inner = float((y * d["grad_output"]).sum())
    for name in ("input", "weight"):
        if name in d:
            gradient = reference(replace(task, operation=f"grad {name}"), d)[0]
            assert gradient.shape == d[name].shape
            assert float((gradient * d[name]).sum()) == pytest.approx(inner, rel=1e-12)


@pytest.mark.parametrize(("text", "shape"), [t for t in LINEAR_TASKS if t[0].startswith("Conv")])
def test_reference_forward_is_the_definition(text: str, shape: tuple[int, ...]) -> None:
    """Against the layer's own claim, evaluated by code that shares nothing with it."""
    from codegen import reference as definitions
    from codegen.produce import claims_of
    from codegen.relation import relation_of

    task, d = wide(text, shape, "forward")
    claim = claims_of(task.layer, shape, ("output",))["output"]
    whole = {n: np.rint(4 * a) for n, a in d.items()}
    found = definitions.evaluate(relation_of(claim), whole)
    assert np.array_equal(called(task, whole)()[0].ravel(), np.asarray(found).ravel())


def test_reference_of_max_pooling_takes_the_first_largest() -> None:
    task = Task(parse_layer("MaxPool2d(2, stride=1)"), (1, 1, 3, 3), "float64", "grad input")
    x = np.array([[[[1.0, 5, 5], [5, 2, 0], [0, 0, 0]]]])
    d = {"input": x, "grad_output": np.array([[[[1.0, 10], [100, 1000]]]])}
    assert called(replace(task, operation="forward"), d)()[0].ravel().tolist() == [5, 5, 5, 2]
    assert called(task, d)()[0].ravel().tolist() == [0, 11, 0, 100, 1000, 0, 0, 0, 0]
    assert taken(task, d).ravel().tolist() == [1, 1, 3, 4]


def test_reference_of_cross_entropy_by_differences() -> None:
    task, d = wide("CrossEntropyLoss()", (3, 4), "forward and gradient")
    loss, gradient = reference(task, d)
    for at in np.ndindex(3, 4):
        moved = {**d, "input": d["input"].astype(np.longdouble)}
        moved["input"][at] += 1e-6
        slope = (reference(task, moved)[0] - loss) / np.longdouble(1e-6)
        assert float(slope) == pytest.approx(float(gradient[at]), abs=1e-6)


def test_what_is_not_compared_is_said() -> None:
    for text, shape in (
        ("Conv2d(1, 1, 3, padding='full', padding_mode='reflect')", (1, 1, 5, 5)),
        ("Conv2d(1, 1, 2, padding='same')", (1, 1, 5, 5)),
    ):
        with pytest.raises(NotOffered, match="padding"):
            Task(parse_layer(text), shape).geometry()
    corners = Task(parse_layer("Upsample(scale_factor=2, mode='bilinear', align_corners=True)"), (1, 1, 2, 2))
    with pytest.raises(NotOffered, match="corners"):
        matrices(corners)
    with pytest.raises(LayerError, match="no peer is known"):
        _ = Task(parse_layer("GELU()"), (1, 2)).kind
