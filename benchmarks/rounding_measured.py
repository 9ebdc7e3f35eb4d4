"""Owns the measuring of rounding: operands of four kinds, our kernel and its peers on them, their errors."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.kernels.cases import APART, CASES, Case
from codegen.bench.candidate import Candidate, PeersCode
from codegen.bench.ours import candidate
from codegen.bench.peers import chosen
from codegen.bench.plain import reference
from codegen.bench.row import errors
from codegen.bench.task import Array, NotOffered, Task, drawn, operations, work
from derive.layers.base import Layer
from derive.spelling import parse_layer

KINDS = ("normal", "ReLU-like", "heavy-tailed", "all-positive")
LAYERS = ("convolution", "transposed convolution", "linear")
PEERS = "torch,channels_last,onnxruntime,openvino"
DRAWS = ((5_000_000, 16), (300_000_000, 8), (1_000_000_000, 4))
"""Draws of a kind, by the most operations of a row; 2 beyond."""
OURS = "backflip"


def tasks(only: Sequence[str] = ()) -> Iterator[tuple[Case, Task]]:
    """Every pass of the convolutions and linear layers at batch 1 whose name has all the given texts."""
    for case in (c for c in CASES if c.kind not in APART):
        layer = parse_layer(case.layer)
        assert isinstance(layer, Layer)
        task = Task(layer, case.shape, case.dtype)
        if task.kind in LAYERS:
            for operation in operations(layer, case.shape):
                if all(text in named(case, operation) for text in only):
                    yield case, replace(task, operation=operation)


def named(case: Case, operation: str) -> str:
    return f"{case.title} | {operation} | {case.dtype}"


def of_kind(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Standard normal numbers, what a ReLU leaves of them, Student's t of 3 degrees, uniform ones from 0."""
    if kind == "heavy-tailed":
        return np.asarray(rng.standard_t(3, shape))
    if kind == "all-positive":
        return np.asarray(rng.random(shape))
    normal = rng.standard_normal(shape)
    return np.maximum(normal, 0) if kind == "ReLU-like" else normal


def operands(task: Task, kind: str, draw: int) -> dict[str, Array]:
    """A layer's operands of a kind; what stands beside an input that is like a ReLU's is normal."""
    rng = np.random.default_rng((zlib.crc32(repr((task.layer, task.shape)).encode()), draw))
    beside = "normal" if kind == "ReLU-like" else kind
    found = drawn(task)
    for name, array in found.items():
        array[...] = of_kind(kind if name == "input" else beside, array.shape, rng)
    return found


def draws(task: Task) -> int:
    return next((count for most, count in DRAWS if work(task)[0] <= most), 2)


def contestants(task: Task, given: dict[str, Array], kernel: Any, peers: str = PEERS) -> Iterator[Candidate]:
    """Our kernel and whichever peers are installed and have the pass."""
    yield candidate(task, given, kernel, OURS)
    for peer in chosen(peers):
        if peer.missing() is None:
            try:
                with PeersCode():
                    yield from (c for c in peer.make(task, given) if c.counted)
            except NotOffered:
                continue


def measured(task: Task, kernel: Any, count: int, peers: str = PEERS) -> dict[str, dict[str, list[Any]]]:
    """By kind and contestant the largest and the root mean square error of each draw."""
    found: dict[str, dict[str, list[Any]]] = {kind: {} for kind in KINDS}
    for kind in KINDS:
        for draw in range(count):
            given = operands(task, kind, draw)
            (exact,) = reference(task, given)
            for one in contestants(task, given, kernel, peers):
                with one.around():
                    (result,) = one.arrays(one.call())
                found[kind].setdefault(one.name, []).append(
                    [float(f"{e:.4g}") for e in errors(result, exact)]
                )
    return found


def built(task: Task, tier: str, tune: bool) -> tuple[Any, list[str]]:
    """The kernels of a layer, and how the pass at hand is computed."""
    from codegen import build

    kernel: Any = build(
        task.layer, task.shape, dtype=task.dtype, accuracy=tier, tune=tune, wrt=("input", "weight")
    )
    notes = json.loads(kernel.proof)["schedule"]["output" if task.wrt is None else f"grad_{task.wrt}"]
    return kernel, [str(n) for n in (notes if isinstance(notes, list) else [notes])]


def versions() -> dict[str, str]:
    return {p.name: p.version() for p in chosen(PEERS)}
