"""A small kernel that packs its weight, written as loops by hand, as an artefact and as a kernel object."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.cache import stated_digest, text_digest
from codegen.call import Kernel as Called
from codegen.call import kernel_of
from codegen.compile import chosen_isa
from codegen.loops import Assign, Buffer, Call, Do, Kernel, Loop, Part, Pointer
from codegen.produce import Built, Request, claims_of, prepared
from codegen.targets.cython.parts import packed_count
from codegen.targets.cython.printer import module_text
from derive.index import Form, name
from derive.layers.base import Layer
from derive.spelling import parse_layer

BATCH, INS, OUTS, TURNS = 6, 300, 4, 3
HELD, ROW = 16, 16 + 1200
SHAPE = (BATCH, INS)


def layer() -> Layer:
    found = parse_layer(f"Linear({INS}, {OUTS}, bias=False)")
    assert isinstance(found, Layer)
    return found


def at(**steps: int) -> Form:
    return sum((name(title) * step for title, step in steps.items()), Form())


def kernel(threads: int = 1) -> Kernel:
    """output[n, k] = sum_c weight[k, c] input[n, c], from the transposed weight; two rows n to a turn."""
    out, x, w = Buffer("out", BATCH * OUTS), Buffer("input", BATCH * INS), Buffer("weight", OUTS * INS)
    held = Buffer("held", OUTS * INS, HELD, packed=True)
    row = Buffer("row", INS, ROW, own=True)
    move = Do(Call("e_store", (Pointer(held, at(c=OUTS, k=1)), "each")))
    read = Assign("each", Call("e_load", (Pointer(w, at(k=INS, c=1)),)))
    pack = Part("pack", "k", OUTS, (Loop("c", 0, INS, 1, (read, move)),))
    copy = (
        Assign("each", Call("e_load", (Pointer(x, at(turn=2 * INS, n=INS, c=1)),))),
        Do(Call("e_store", (Pointer(row, at(c=1)), "each"))),
    )
    add = (
        Assign("each", Call("e_load", (Pointer(row, at(c=1)),))),
        Assign("one", Call("e_load", (Pointer(held, at(c=OUTS, k=1)),))),
        Assign("y", Call("e_fma", ("y", "one", "each"))),
    )
    store = Do(Call("e_store", (Pointer(out, at(turn=2 * OUTS, n=OUTS, k=1)), "y")))
    one = (Assign("y", Call("e_zero")), Loop("c", 0, INS, 1, add), store)
    rows = Loop("n", 0, 2, 1, (Loop("c", 0, INS, 1, copy), Loop("k", 0, OUTS, 1, one)))
    body = (pack, Part("rows", "turn", TURNS, (rows,)))
    return Kernel("output", out, (x, w), (held, row), body, threads=threads)


def known(made: Kernel) -> dict[str, Any]:
    """What a build knows of the kernel."""
    return {
        "equations": {"output": claims_of(layer(), SHAPE, ("output",))["output"]},
        "operand_order": {"output": ("input", "weight")},
        "workspace_elements": {"output": made.workspace},
        "constants": {"output": {}},
        "kept": {"output": {}},
        "packed": {"output": packed_count(made)},
    }


def artefact(folder: Path, edits: tuple[tuple[str, str], ...] = (), threads: int = 1) -> Artefact:
    """The kernel compiled in a folder, its text changed (each first occurrence) or not."""
    made = kernel(threads)
    text = module_text("Linear", (), [made])
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    text = text.replace(stated_digest(text), text_digest(text))
    request = Request(layer(), SHAPE, "float32", ("output",), "fast", chosen_isa("native"), threads=threads)
    return prepared(request, text, known(made), folder)[0]


def called(art: Artefact) -> Called:
    """The kernel object of an artefact."""
    module = art.load_variant((SHIPPED_ELEMENT["float32"],))
    return of_module(module, art.pyx_text, 2 if "prange(2" in art.pyx_text else 1)


def of_module(module: ModuleType, text: str = "", threads: int = 1) -> Called:
    """The kernel object of a loaded module."""
    made = kernel(threads)
    facts = {
        "operands": ["input", "weight"],
        "workspace": made.workspace,
        "constants": {},
        "kept": {},
        "packed": packed_count(made),
    }
    return kernel_of(layer(), SHAPE, "float32", Built(module, text, "{}", {"output": facts}, Path(), False))
