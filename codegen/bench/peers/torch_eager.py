"""PyTorch as it is called: contiguous tensors, and channels_last with and without the conversions."""

from __future__ import annotations

from typing import Any

from codegen.bench.candidate import Candidate, Peer
from codegen.bench.peers.torch_calls import calls, torch_module
from codegen.bench.task import Array, NotOffered, Task


def tensors(operands: dict[str, Array]) -> dict[str, Any]:
    """The operands as PyTorch's own tensors, which begin at multiples of 64 bytes."""
    torch = torch_module()
    return {name: torch.from_numpy(array).clone() for name, array in operands.items()}


def arrays(found: Any) -> list[Array]:
    several = found if isinstance(found, tuple) else (found,)
    return [one.contiguous().numpy() for one in several]


def contiguous(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    torch = torch_module()
    call = calls(task, tensors(operands))
    return [Candidate("torch", call, arrays, torch.inference_mode)]


def channels_last(task: Task, operands: dict[str, Array]) -> list[Candidate]:
    """Two candidates: channels first in and out, conversions counted, and channels last throughout."""
    torch, rank = torch_module(), len(task.shape) - 2
    form = {2: "channels_last", 3: "channels_last_3d"}.get(rank)
    if form is None or task.kind in ("linear", "cross entropy"):
        raise NotOffered("no channels_last format for these tensors")
    plain, layout = tensors(operands), getattr(torch, form)
    kept = {n: t.contiguous(memory_format=layout) if t.ndim == rank + 2 else t for n, t in plain.items()}
    inside = calls(task, kept)
    names = [] if task.operation == "forward" else ["grad_output"]
    names += ["input"] if task.operation != "grad input" or task.kind == "max pooling" else []

    def converting() -> Any:
        for name in names:
            kept[name].copy_(plain[name])
        return inside().contiguous()

    note = "channels first in and out, both conversions counted; weights converted before"
    bare = "tensors stay channels last: another layout, not counted as won or lost"
    return [
        Candidate("torch channels_last", converting, arrays, torch.inference_mode, note=note),
        Candidate("torch NHWC in and out", inside, arrays, torch.inference_mode, counted=False, note=bare),
    ]


PEERS = (
    Peer("torch", ("torch",), contiguous, "torch"),
    Peer("channels_last", ("torch",), channels_last, "torch"),
)
