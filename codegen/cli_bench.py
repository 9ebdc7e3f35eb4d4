"""Owns the command `bench`: a layer's kernels timed beside other implementations in one process."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from derive.cli_shared import needed_shape, read_layer
from derive.errors import LayerError, LimitError
from derive.graph import Graph
from derive.terminal import Verb, examples, one_shape

WRONG = 1
"""The exit code where one of our own results was refused."""


@examples(
    'bench "Conv2d(3, 8, 3)" --input 1,3,32,32',
    'bench "Conv2d(64, 64, 3, padding=1)" --input 1,64,56,56 --against torch,onnxruntime --operation forward',
    'bench "MaxPool2d(2)" --input 8,64,56,56 --threads 2',
    'bench "Conv2d(3, 8, 3)" --input 1,3,32,32 --dtype float64 --accuracy strict --json',
)
@click.command("bench", cls=Verb)
@click.argument("layer")
@needed_shape
@click.option(
    "--against",
    default="all",
    show_default=True,
    help="torch, channels_last, torch.compile, onnxruntime, openvino, jax, numpy; all, or none.",
)
@click.option(
    "--operation",
    "wanted",
    multiple=True,
    type=click.Choice(["forward", "grad input", "grad weight", "forward and gradient"]),
    help="Once for each; all that the layer has where left out.",
)
@click.option(
    "--threads", type=click.IntRange(1, 64), default=1, show_default=True, help="Of every contestant."
)
@click.option("--dtype", type=click.Choice(["float32", "float64"]), default="float32", show_default=True)
@click.option(
    "--accuracy",
    type=click.Choice(["strict", "balanced", "relaxed", "all"]),
    default="all",
    show_default=True,
    help="Tiers of our kernels.",
)
@click.option(
    "--samples", type=click.IntRange(2, 1000), default=20, show_default=True, help="Of each contestant."
)
@click.option(
    "--cold", is_flag=True, help="Single calls after the caches were emptied, instead of warm ones."
)
@click.option(
    "--lock", type=click.Path(path_type=Path, dir_okay=False), help="Lock this file while the clock runs."
)
@click.option("--no-tune", is_flag=True, help="Choose schedules by the model alone.")
@click.option("--json", "as_json", is_flag=True, help="Print all that was measured as JSON instead.")
def bench_command(
    layer: str,
    shape: Any,
    against: str,
    wanted: tuple[str, ...],
    threads: int,
    dtype: str,
    accuracy: str,
    no_tune: bool,
    as_json: bool,
    **rest: Any,
) -> None:
    """Time LAYER beside PyTorch, ONNX Runtime, OpenVINO, JAX, NumPy, after their results were compared."""
    from codegen.bench.threads import confine

    read = read_layer(layer)
    if isinstance(read, Graph):
        raise LayerError("a graph is not timed", where="LAYER", expected="a layer", got="a graph")
    confine(threads)
    from codegen.bench.ours import TIERS
    from codegen.bench.peers import chosen
    from codegen.bench.row import Setup

    tiers = TIERS if accuracy == "all" else (accuracy,)
    peers = [] if against == "none" else chosen(against)
    setup = Setup(peers, tiers, say=partial(click.echo, err=True), options={"tune": not no_tune}, **rest)
    rows = list(_rows(read, one_shape(shape), dtype, threads, wanted, setup))
    click.echo(as_data(rows, peers) if as_json else "\n\n".join("\n".join(shown(row)) for row in rows))
    if any("refused" in e and e.get("own") for row in rows for e in row["entries"].values()):
        raise click.exceptions.Exit(WRONG)


def _rows(
    layer: Any, shape: tuple[int, ...], dtype: str, threads: int, wanted: tuple[str, ...], setup: Any
) -> Iterator[dict[str, Any]]:
    """Each operation measured.

    Raises LayerError on a layer without peers, LimitError where none of our kernels could be built.
    """
    from codegen.bench.row import measured_row
    from codegen.bench.task import Task, operations

    known = operations(layer, shape)
    for operation in wanted or known:
        if operation not in known:
            raise LayerError("the layer has no such operation", where="--operation",
                             expected=", ".join(known), got=operation)  # fmt: skip
    for operation in wanted or known:
        setup.say(f"{operation}:")
        row = measured_row(Task(layer, shape, dtype, operation, threads), setup)
        own = [e for e in row["entries"].values() if e.get("own")]
        if not any("least" in e or "refused" in e for e in own):
            raise LimitError("no kernel to time", where=operation, got=str(own[0]["absent"]))
        yield row


def shown(row: dict[str, Any]) -> Iterator[str]:
    """A row as a table, and what follows from it."""
    from codegen.bench.shown import table, verdict

    shape = ",".join(map(str, row["shape"]))
    threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
    yield f"{row['operation']} of {row['layer']} at {shape}, {row['dtype']}, {threads}"
    yield from table(row)
    yield from (f"  {line}" for line in verdict(row))


def as_data(rows: list[dict[str, Any]], peers: Sequence[Any]) -> str:
    from codegen.bench.machine import described

    return json.dumps({**described({p.name: p for p in peers}), "rows": rows}, indent=1)
