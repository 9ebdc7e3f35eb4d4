"""Owns the list of implementations that kernels are measured against; one file a peer."""

from __future__ import annotations

from codegen.bench.candidate import Peer
from codegen.bench.peers import (
    jax_jit,
    numpy_im2col,
    onnxruntime_bound,
    openvino_request,
    torch_compiled,
    torch_eager,
)
from derive.errors import LayerError

_FILES = (torch_eager, torch_compiled, onnxruntime_bound, openvino_request, jax_jit, numpy_im2col)


def peers() -> dict[str, Peer]:
    """By name, in the order of the tables."""
    return {peer.name: peer for file in _FILES for peer in file.PEERS}


def chosen(names: str) -> list[Peer]:
    """The peers of a comma-separated list, or "all". Raises LayerError on a name that is none."""
    known = peers()
    wanted = list(known) if names == "all" else [n.strip() for n in names.split(",") if n.strip()]
    for name in wanted:
        if name not in known:
            raise LayerError("no such peer", where="--against", expected=f"all, {', '.join(known)}", got=name)
    return [known[n] for n in wanted]
