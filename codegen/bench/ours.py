"""Owns backflip's own contestants: a kernel for each accuracy tier, with plain and with packed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.bench.candidate import Candidate
from codegen.bench.plain import taken
from codegen.bench.task import Array, Task, aligned
from derive.errors import BackflipError

TIERS = ("strict", "balanced", "relaxed")
TEXTS_SAME = "its kernel text is that of {}: measured there"


@dataclass
class Own:
    """The kernels of a task.

    Attributes:
        candidates: to be timed.
        absent: by name why there is none, and of which other name the text is the `same`.
        facts: by tier the build's seconds, whether the cache had it, the schedule's notes, workspace bytes.
    """

    candidates: list[Candidate] = field(default_factory=list)
    absent: dict[str, dict[str, str]] = field(default_factory=dict)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)


def own(task: Task, operands: dict[str, Array], tiers: Sequence[str] = TIERS, **options: Any) -> Own:
    """Kernels of each tier, built; a tier whose text equals that of one before it is not measured again.

    A build that is refused (BackflipError) is told in `absent`; `options` go to `codegen.build`.
    """
    found = Own()
    texts: dict[str, str] = {}
    for tier in tiers:
        name = f"backflip {tier}"
        try:
            kernel, found.facts[tier] = _built(task, tier, options)
        except BackflipError as fault:
            found.absent[name] = {"absent": f"{fault.what}: {fault.got}" if fault.got else fault.what}
            continue
        same = texts.setdefault(_text(kernel), tier)
        if same != tier:
            found.absent[name] = {"absent": TEXTS_SAME.format(same), "same": f"backflip {same}"}
            continue
        found.candidates.append(candidate(task, operands, kernel, name))
        if "weight" in operands and packing(task, kernel):
            packed: dict[str, Any] = {**operands, "weight": kernel.pack_weights(operands["weight"])}
            found.candidates.append(candidate(task, packed, kernel, f"{name} packed"))
    return found


def _built(task: Task, tier: str, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The kernel, and what is published of it."""
    import json
    import time

    from codegen import build

    wrt = {"grad weight": "weight", "forward": ()}.get(task.operation, "input")
    start = time.perf_counter()
    kernel: Any = build(
        task.layer, task.shape, dtype=task.dtype, threads=task.threads, accuracy=tier, wrt=wrt, **options
    )
    seconds = time.perf_counter() - start
    notes = json.loads(kernel.proof).get("schedule", {})
    return kernel, {
        "seconds": round(seconds, 3),
        "cached": kernel.cached,
        "workspace": kernel.workspace_bytes,
        "schedule": notes.get(_written(task), notes),
    }


def _text(kernel: Any) -> str:
    """The kernel's text without comments, which may name the tier."""
    lines = (line.partition("#")[0].rstrip() for line in kernel.source.splitlines())
    return "\n".join(line for line in lines if line)


def packing(task: Task, kernel: Any) -> bool:
    """Whether the operation's kernel has a part that packs weights before the call."""
    return f"bf_pack_{_written(task)}(" in kernel.source


def _written(task: Task) -> str:
    """The name of the operation's kernel in its text."""
    return "output" if task.wrt is None else f"grad_{task.wrt}"


def candidate(task: Task, operands: dict[str, Any], kernel: Any, name: str) -> Candidate:
    """The public call, with `out=`, as a contestant."""
    given = {n: a for n, a in operands.items() if n != "grad_output"}
    if task.operation == "forward":
        return Candidate(name, *_forward(task, given, kernel), own=True)
    if task.operation == "forward and gradient":
        return Candidate(name, *_both(task, given, kernel, operands["grad_output"]), own=True)
    return Candidate(name, *_gradient(task, given, kernel, operands["grad_output"]), own=True)


def _forward(task: Task, given: dict[str, Any], kernel: Any) -> tuple[Any, Any]:
    out, forward = aligned(task.layer.output_shape(task.shape), task.dtype), kernel.forward
    positional = [given.pop(n) for n in ("input", "weight", "bias") if n in given]

    def call() -> Any:
        return forward(*positional, out=out, **given)

    return call, lambda _: [out]


def _gradient(task: Task, given: dict[str, Any], kernel: Any, grad_output: Array) -> tuple[Any, Any]:
    wrt, backward = str(task.wrt), kernel.backward
    shape = next(o.shape for o in task.layer.operands(task.shape) if o.name == wrt)
    outs = {wrt: aligned(shape, task.dtype)}
    needed = {n: a for n, a in given.items() if n != "bias"}
    if task.kind == "max pooling":
        needed["saved"] = taken(task, given)

    def call() -> Any:
        return backward(grad_output, out=outs, **needed)

    return call, lambda _: [outs[wrt]]


def _both(task: Task, given: dict[str, Any], kernel: Any, grad_output: Array) -> tuple[Any, Any]:
    loss = aligned(task.layer.output_shape(task.shape), task.dtype)
    outs = {"input": aligned(task.shape, task.dtype)}
    forward, backward = kernel.forward, kernel.backward

    def call() -> Any:
        forward(**given, out=loss)
        return backward(grad_output, out=outs, **given)

    return call, lambda _: [loss, outs["input"]]
