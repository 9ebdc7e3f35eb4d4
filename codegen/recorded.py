"""Owns what is written down of a build: the head of its text, its proof record, what callers must know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from codegen import compile
from codegen.loops import Kernel, calls
from derive.claim import Claim
from derive.layers.base import Layer

if TYPE_CHECKING:
    from codegen.produce import Request
    from codegen.tuning import Choice


def head_said(request: Request, chosen: Sequence[Choice]) -> tuple[str, ...]:
    """What the head of the text says: proof, build, constants, assumptions, choices."""
    from codegen.tables import digest, shown
    from derive.theorems import LABEL

    layer, isa, dtype = request.layer, request.isa, request.dtype
    flags = compile.flags_shipped(isa, request.threads)
    tables = layer.tables(request.shape)
    constants = [(c.kernel.name, n, v) for c in chosen for n, v in c.kernel.constants.items()]
    return (
        f"proof: {LABEL}, certificate sha256 {certificates(layer, request.shape)}",
        f"build: {isa.name}, {isa.lanes(dtype)} lanes, gcc {' '.join(flags)}",
        *(f"constants {n}: {len(v)} rationals, sha256 {digest(v)}" for n, v in tables.items()),
        *(f"{kernel}: {n} = {shown(v)}" for kernel, n, v in constants),
        *(f"assumed: {said}" for said in layer.assumptions()),
        *(f"chosen {c.said}" for c in chosen if len(c.tried) > 1),
    )


def proof_begun(request: Request, claims: Mapping[str, Claim], chosen: Sequence[Choice]) -> dict[str, Any]:
    """The first half of the proof record: what was proved, and which schedules were chosen among which."""
    from codegen.lower import kernel_name
    from codegen.tables import described
    from derive.theorems import LABEL

    layer, shape = request.layer, request.shape
    kernels = [c.kernel for c in chosen]
    return {
        "layer": repr(layer),
        "input_shape": list(shape),
        "dtype": request.dtype,
        "threads": request.threads,
        "accuracy": request.accuracy,
        "tune": request.tune,
        "label": LABEL,
        "certificate_sha256": certificates(layer, shape),
        "theorem": {kernel_name(key): f"{c.left} = {c.right}" for key, c in claims.items()},
        "sizes": layer.sizes(shape),
        "tables": described(layer.tables(shape)),
        "constants": {k.name: described(k.constants) for k in kernels if k.constants},
        "assumptions": list(layer.assumptions()),
        "functions": {k.name: sorted(functions_of(k)) for k in kernels if functions_of(k)},
        "schedule": {k.name: list(k.notes) for k in kernels},
        "candidates": {c.kernel.name: [asdict(t) for t in c.tried] for c in chosen},
    }


def certificates(layer: Layer, shape: tuple[int, ...]) -> str:
    """The digests of the certificates of the theorems behind a layer's kernels."""
    from codegen.fused import parts
    from derive.theorems import certificate_digest

    return ", ".join(certificate_digest(kind, choices) for kind, choices in parts(layer, shape))


def functions_of(kernel: Kernel) -> set[str]:
    """The functions that a kernel applies, by name."""
    marks = ("e_fn_", "v_fn_")
    return {c.operation[len(marks[0]) :] for c in calls(kernel.body) if c.operation.startswith(marks)}


def kernels_told(known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By kernel what its caller must know: operands after `out`, workspace, numbers, parts kept."""
    return {
        k: {
            "operands": list(order),
            "workspace": known["workspace_elements"][k],
            "constants": {n: [str(v) for v in values] for n, values in known["constants"][k].items()},
            "kept": {n: list(part) for n, part in known["kept"][k].items()},
            "packed": known["packed"][k],
        }
        for k, order in known["operand_order"].items()
    }
