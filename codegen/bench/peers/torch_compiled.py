"""torch.compile of the forward pass, weights frozen, so that they are packed once."""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from typing import Any

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.peers.torch_calls import torch_module
from codegen.bench.peers.torch_eager import arrays, tensors
from codegen.bench.task import Array, NotOffered, Task


def compiled(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    if task.operation != "forward":
        raise NotOffered("freezing is for inference: forward only")
    torch = torch_module()
    configuration: Any = import_module("torch._inductor.config")
    configuration.freezing = frozen = task.dtype == "float32"
    configuration.cpp.threads = task.threads
    several: Any = import_module("torch._dynamo.config")
    several.recompile_limit = several.accumulated_recompile_limit = 10_000
    t = tensors(operands)
    module = frozen_module(task, t)
    call = torch.compile(module, dynamic=False)
    x = t["input"]
    with torch.inference_mode():
        call(x)
    state = "frozen" if frozen else "not frozen, which fails in float64"
    note = f"weights {state}; the first call, which compiles, is not counted"
    return [Candidate("torch.compile", lambda: call(x), arrays, torch.inference_mode, note=note)]


def frozen_module(task: Task, t: dict[str, Any]) -> Any:
    """The layer as PyTorch's own module in evaluation mode, with the operands as its parameters."""
    torch = torch_module()
    if task.kind == "cross entropy":
        raise NotOffered("freezing is for inference: forward only")
    given = {f.name: getattr(task.layer, f.name) for f in fields(task.layer)}
    if task.kind not in ("linear", "resampling"):
        given["padding"] = task.geometry().padding
    module = getattr(torch.nn, type(task.layer).__name__)(**given).eval()
    for name, parameter in module.named_parameters():
        parameter.requires_grad_(False)
        parameter.data = t[name]
    return module


PEERS = (Peer("torch.compile", ("torch",), compiled, "torch"),)
