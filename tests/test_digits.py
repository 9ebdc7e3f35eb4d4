"""Owns the checks of the trained network: what it reads, PyTorch's steps, kernels alone, its documents."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from command import ROOT, Said
from digits_parts import parts

EXACT_RATE = 0.25
"""A power of two: to scale by it rounds nothing, so that a step can be compared bit for bit."""


digits = pytest.fixture(scope="module")(parts)


@pytest.fixture(scope="module")
def compiled(digits: SimpleNamespace) -> Any:
    """The float64 network with the weights of seed 0; tests take a fresh copy with `fresh`."""
    return digits.network.Network("float64", digits.network.initial(0))


def fresh(digits: SimpleNamespace, compiled: Any, seed: int = 0) -> Any:
    """The compiled kernels with new weights."""
    network = object.__new__(type(compiled))
    network.__dict__ |= compiled.__dict__
    weights = digits.network.initial(seed)
    network.vector = np.concatenate([w.reshape(-1) for w in weights.values()])
    network.named = network._views(network.vector)
    return network


# The data


def test_every_image_is_in_one_part_of_the_split(digits: SimpleNamespace) -> None:
    training, test = digits.data.load("float32")
    assert (len(training), len(test)) == (1437, 360)
    assert sorted([*training.places, *test.places]) == list(range(1797))
    assert training.pictures.shape == (1437, 1, 8, 8) and training.pictures.dtype == np.float32
    assert test.places[:5].tolist() == [360, 1773, 1482, 600, 850], "the split is another one"
    from sklearn.datasets import load_digits

    found = load_digits()
    for part in (training, test):
        assert (part.pictures[:, 0] * 16 == found.images[part.places]).all()
        assert (part.digits == found.target[part.places]).all()


def test_an_epoch_has_whole_batches_and_no_image_twice(digits: SimpleNamespace) -> None:
    batches = list(digits.data.shuffled(50, 12, np.random.default_rng(3)))
    assert [len(b) for b in batches] == [12] * 4
    assert len(set(np.concatenate(batches))) == 48
    again = list(digits.data.shuffled(50, 12, np.random.default_rng(4)))
    assert any((a != b).any() for a, b in zip(batches, again, strict=True))


@pytest.mark.parametrize("count", [1, 12, 13, 36])
def test_reading_in_order_reaches_every_image(digits: SimpleNamespace, count: int) -> None:
    batches = list(digits.data.in_order(count, 12))
    assert {len(b) for b in batches} == {12}
    assert np.concatenate(batches)[:count].tolist() == list(range(count))


# The step


def test_every_kernel_is_built_once(compiled: Any) -> None:
    """What is built ahead, several kernels at a time, is what the graphs then ask for."""
    kernels = [*compiled.trained.kernels.values(), *compiled.reading.kernels.values(), compiled.step]
    assert len(kernels) == 19 and all(kernel.cached for kernel in kernels)
    assert compiled.trained.wrt == tuple(compiled.shapes) and len(compiled.shapes) == 6


def test_a_step_is_w_minus_rate_times_gradient(digits: SimpleNamespace, compiled: Any) -> None:
    network = fresh(digits, compiled)
    images, _ = digits.data.load("float64")
    pictures, target = images.pictures[:24], images.digits[:24]
    before = network.vector.copy()
    tensors = {"input": pictures, digits.network.TARGET: target, **network.named}
    gradient = network.trained.backward(tensors=tensors)
    flat = np.concatenate([gradient[name].reshape(-1) for name in network.shapes])
    network.learn(pictures, target, EXACT_RATE)
    assert np.count_nonzero(flat) > 1000
    assert (network.vector == before - EXACT_RATE * flat).all()
    assert (network.vector != before - 2 * EXACT_RATE * flat).any()


def arithmetic(text: str) -> list[str]:
    """What a text computes by itself in the methods that learn and read."""
    moves = ("np.full", "np.concatenate")
    functions = [n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.FunctionDef)]
    found = []
    for function in functions:
        for node in ast.walk(function) if function.name in ("learn", "probabilities") else ():
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if isinstance(node, (ast.BinOp, ast.AugAssign)) or (called[:3] == "np." and called not in moves):
                found.append(ast.unparse(node))
    return found


def test_the_network_computes_nothing_beside_its_kernels() -> None:
    text = (ROOT / "examples/digits/network.py").read_text()
    assert "def learn" in text and "def probabilities" in text and arithmetic(text) == []
    planted = text.replace(
        "self.vector = self.step.forward(self.vector, other=change)", "self.vector = self.vector + change"
    )
    assert planted != text and arithmetic(planted) == ["self.vector + change"]


# PyTorch


@pytest.fixture(scope="module")
def theirs(digits: SimpleNamespace) -> Any:
    """PyTorch's losses of the first steps."""
    pytest.importorskip("torch")
    images, _ = digits.data.load("float64")
    places = digits.peer.batches(len(images), 0)
    return digits.peer.torch_losses(digits.network.initial(0), images, places, digits.train.RATE)


def run_apart(digits: SimpleNamespace, network: Any, theirs: Any, rate: float) -> float:
    """The largest relative difference of a network's losses to PyTorch's."""
    images, _ = digits.data.load("float64")
    places = digits.peer.batches(len(images), 0)
    ours = np.array([network.learn(images.pictures[p], images.digits[p], rate) for p in places])
    assert len(ours) == len(theirs) == digits.peer.CHECKED == 100
    return digits.peer.apart(ours, theirs)


def test_a_hundred_losses_are_pytorchs(digits: SimpleNamespace, compiled: Any, theirs: Any) -> None:
    assert run_apart(digits, fresh(digits, compiled), theirs, digits.train.RATE) <= 1e-9
    assert theirs[-10:].mean() < theirs[:10].mean() / 2, "nothing was learned, so nothing was compared"


@pytest.mark.parametrize("mistake", ["rate", "bias", "order"])
def test_a_small_mistake_shows(digits: SimpleNamespace, compiled: Any, theirs: Any, mistake: str) -> None:
    network, rate = fresh(digits, compiled), digits.train.RATE
    if mistake == "rate":
        rate *= 1 + 1e-6
    else:
        real = network.trained
        network.trained = SimpleNamespace(forward=real.forward, backward=partial(wrong, real, mistake))
    assert run_apart(digits, network, theirs, rate) > 1e-9


def wrong(real: Any, mistake: str, *args: Any, **named: Any) -> Any:
    """Gradients with one bias forgotten, or with one weight's last two axes in the wrong order."""
    found = real.backward(*args, **named)
    if mistake == "bias":
        return found | {"0.bias": np.zeros_like(found["0.bias"])}
    return found | {"3.weight": found["3.weight"].swapaxes(2, 3)}


def test_a_difference_is_relative_and_a_nan_is_one(digits: SimpleNamespace) -> None:
    assert digits.peer.apart(np.array([2.0, 4.0]), np.array([2.0, 5.0])) == pytest.approx(0.2)
    assert not digits.peer.apart(np.array([np.nan]), np.array([1.0])) <= 1e-9


# The whole run


def module(name: str, *args: str, timeout: float = 600) -> Said:
    """`python -m NAME ARGS` from the tree's root, as the README says it."""
    done = subprocess.run(
        [sys.executable, "-m", name, *args],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """The README's command."""
    folder = tmp_path_factory.mktemp("digits")
    return module("examples.digits", "--out", str(folder)), folder


@pytest.mark.slow
def test_the_command_learns_the_digits(whole: tuple[Said, Path]) -> None:
    said, folder = whole
    assert said.code == 0, said.err
    assert "the network reads the digits" in said.out
    (line,) = [x for x in said.out.splitlines() if x.startswith("  tested")]
    right, count = (int(w) for w in line.split() if w.isdigit())
    assert count == 360 and right / count >= 0.97
    assert "\r" not in said.err, "a bar is for terminals alone"
    written = {f.name for f in folder.iterdir()}
    assert {"training.svg", "network.html", "network.tex"} <= written
    ElementTree.fromstring((folder / "training.svg").read_text())


@pytest.mark.parametrize(
    ("right", "agrees", "code"), [(349, True, 1), (350, True, 0), (350, False, 1), (360, True, 0)]
)
def test_the_exit_code_says_whether_it_was_enough(
    digits: SimpleNamespace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    right: int,
    agrees: bool,
    code: int,
) -> None:
    """97 % of 360 are 349.2; and the losses must be PyTorch's. The run itself is played."""
    from examples.digits import __main__ as command

    _, test = digits.data.load("float32")
    shown = np.where(np.arange(360) < right, test.digits, (test.digits + 1) % 10)
    history = digits.train.History(1, [2.0, 1.0], [0.5, 0.9], [0.5, right / 360])
    monkeypatch.setattr(command, "trained", lambda options, progress: (None, history, test))
    monkeypatch.setattr(command, "answers", lambda network, images: np.eye(10)[shown])
    monkeypatch.setattr(command, "checked", lambda seed, progress: agrees)
    monkeypatch.setattr(command, "derived", lambda folder: ("proved", []))
    monkeypatch.setattr(sys, "argv", ["digits", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        command.main()
    assert left.value.code == code


def test_a_wrong_option_is_the_users_mistake(tmp_path: Path) -> None:
    said = module("examples.digits", "--epochs", "0", "--out", str(tmp_path / "none"))
    assert said.code == 2 and "--epochs" in said.err and not (tmp_path / "none").exists()


# What was misread


def test_misread_images_are_listed_surest_first(digits: SimpleNamespace) -> None:
    likely = np.array([[0.1, 0.9], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8]])
    images = digits.data.Images(np.zeros((4, 1, 8, 8)), np.array([1, 1, 0, 0]), np.array([40, 41, 42, 43]))
    assert list(digits.report.misread(images, likely)) == [
        "image 43: a 0, read as 1 with probability 0.80",
        "image 42: a 0, read as 1 with probability 0.70",
        "image 41: a 1, read as 0 with probability 0.60",
    ]


# The derivation


def test_the_document_derives_every_parameter(digits: SimpleNamespace, tmp_path: Path) -> None:
    label, files = digits.report.derived(tmp_path)
    assert [f.name for f in files] == ["network.html", "network.tex", "network.txt"]
    text = (tmp_path / "network.txt").read_text()
    assert label.startswith("ALL SIZES") and label in " ".join(text.split())
    names = list(digits.network.parameters())
    assert names == ["0.weight", "0.bias", "3.weight", "3.bias", "7.weight", "7.bias"]
    for name in names:
        assert f"∂L/∂{name}[" in text and f"grad_{name}[" in text, name
    places = [text.index(f"∂L/∂{name}[") for name in ("7.weight", "3.weight", "0.weight")]
    assert places == sorted(places), "the pass runs from the loss to the first layer"
    assert "∂L/∂input[" not in text, "nobody asked for it"
