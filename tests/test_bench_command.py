"""Owns the command `bench`: what it prints, its exit codes, what it says of peers that are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bench_parts import FakeKernel
from command import Said, backflip

from codegen.bench.task import Task
from codegen.cli_bench import bench_command
from derive import parse_layer

SMALL = ("Conv2d(1, 2, 3)", "--input", "1,1,6,6")


def bench(*args: str, cwd: Path) -> Said:
    return backflip("bench", *args, "--samples", "2", cwd=cwd)


def test_json_of_one_operation(tmp_path: Path) -> None:
    said = bench(*SMALL, "--against", "numpy", "--operation", "grad input", "--dtype", "float64",
                 "--accuracy", "strict", "--json", cwd=tmp_path)  # fmt: skip
    data = json.loads(said.out)
    assert [row["operation"] for row in data["rows"]] == ["grad input"]
    entries = data["rows"][0]["entries"]
    assert entries["backflip strict"]["error_max"] < 1e-13 and entries["numpy"]["samples"] == 2
    assert data["machine"]["peak"]["float64"] > 0 and data["versions"]["numpy"]


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        ((*SMALL, "--against", "tensorflow"), 2, "no such peer"),
        (("GELU()", "--input", "2,3"), 2, "no peer is known for this layer"),
        ((*SMALL, "--operation", "forward and gradient"), 2, "the layer has no such operation"),
        (("Sequential(Conv2d(1, 2, 3), ReLU())", "--input", "1,1,6,6"), 2, "a graph is not timed"),
        (("Conv2d(1, 2, 3)", "--input", "1,2,6,6"), 2, "channels"),
        ((*SMALL, "--threads", "64"), 3, "more threads than CPUs"),
    ],
)
def test_mistakes_and_limits(args: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    answer = bench(*args, cwd=tmp_path)
    assert answer.code == code and said in answer.err, answer.err
    assert "Traceback" not in answer.err and not answer.out


def in_process(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], off: float, *more: str
) -> Said:
    """The command with a kernel that is off by so much, in this process, where NumPy is loaded."""
    task = Task(parse_layer("Conv2d(1, 2, 3)"), (1, 1, 6, 6))
    monkeypatch.setattr("codegen.build", lambda *a, **k: FakeKernel(task, off=off), raising=False)
    monkeypatch.setattr("codegen.bench.threads.confine", lambda threads: [])
    code = bench_command.main([*SMALL, "--samples", "2", *more], standalone_mode=False)
    out, err = capsys.readouterr()
    return Said(code or 0, out, err)


def test_a_table_for_each_operation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = in_process(monkeypatch, capsys, 0.0, "--against", "numpy")
    assert said.code == 0
    for operation in ("forward", "grad input", "grad weight"):
        assert f"{operation} of Conv2d(1, 2, 3) at 1,1,6,6, float32, 1 thread\n" in said.out
    assert said.out.count("\n  numpy ") == 3 and said.out.count("\n  backflip strict: ") == 3
    assert said.out.count("its kernel text is that of strict: measured there") == 6
    assert "preparing numpy" in said.err and "preparing" not in said.out


def test_a_wrong_kernel_of_ours_ends_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = in_process(monkeypatch, capsys, 0.01, "--against", "numpy", "--operation", "forward")
    assert said.code == 1 and "wrong: largest error" in said.out and "times as fast" not in said.out


def test_a_peer_that_is_missing_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = in_process(monkeypatch, capsys, 0.0, "--against", "openvino,jax", "--operation", "forward")
    assert said.code == 0 and "not installed: openvino" in said.out and "not installed: jax" in said.out
    assert "backflip strict: nothing to compare with" in said.out
