"""Owns PyTorch as a contestant: its candidates give the reference's result, in each operation they have."""

from __future__ import annotations

from dataclasses import replace

import pytest

from codegen.bench.peers import chosen
from codegen.bench.row import Setup, prepared
from codegen.bench.task import Task, operations
from derive import parse_layer

pytest.importorskip("torch")

TASKS = (
    ("Conv1d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2)", (2, 4, 11)),
    ("Conv2d(2, 3, (2, 3), stride=(2, 1), padding=(1, 0))", (2, 2, 6, 5)),
    ("Conv3d(1, 2, 2, padding=1, bias=False)", (1, 1, 3, 2, 4)),
    ("ConvTranspose2d(3, 2, 4, stride=2, padding=1)", (2, 3, 3, 4)),
    ("ConvTranspose1d(4, 2, 3, stride=3, output_padding=1, dilation=2, groups=2)", (1, 4, 5)),
    ("AvgPool2d(3, stride=2, padding=1)", (1, 2, 7, 6)),
    ("MaxPool2d(3, stride=2, padding=1)", (1, 2, 7, 6)),
    ("Upsample(scale_factor=2)", (1, 2, 3, 4)),
    ("Upsample(scale_factor=3, mode='bilinear')", (1, 2, 3, 4)),
    ("Linear(3, 4)", (5, 3)),
    ("CrossEntropyLoss()", (6, 5)),
)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("text", "shape"), TASKS)
def test_torch_agrees_with_the_reference(text: str, shape: tuple[int, ...], dtype: str) -> None:
    task = Task(parse_layer(text), shape, dtype)
    setup = Setup(chosen("torch,channels_last"), ())
    for operation in operations(task.layer, shape):
        row = prepared(replace(task, operation=operation), setup)
        assert "torch" in {c.name for c in row.candidates}, row.entries
        assert not any("refused" in e or "failed" in e.get("absent", "") for e in row.entries.values()), row
        if len(shape) == 4:
            assert len(row.candidates) == 3, row.entries
