"""Kernels of one Winograd plan, laid out by a few lines of their own, for tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import count
from pathlib import Path

from codegen import compile
from codegen.artefact import Artefact
from codegen.compile import ISAS, Isa
from codegen.contraction import contractions
from codegen.loops import Buffer, Kernel
from codegen.lower import kernel_name
from codegen.schedules.nest import Target
from codegen.schedules.planned import Room
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd_forward import Winograd
from codegen.schedules.winograd_gradient import Gradient
from codegen.targets.cython.parts import packed_count
from codegen.targets.cython.printer import digest, module_text
from codegen.variants import Variants
from derive.claim import Claim
from derive.instance import claim_at
from derive.layers.conv import Conv2d
from derive.toom import Transform

Plan = Winograd | Gradient
Maker = Callable[[Contraction], Plan]


def claim_of(layer: Conv2d, shape: tuple[int, ...], key: str) -> Claim:
    return claim_at(layer.claims(**layer.choices(shape))[key], layer.sizes(shape))


def contraction_of(layer: Conv2d, shape: tuple[int, ...], key: str) -> Contraction:
    claim = claim_of(layer, shape, key)
    (found,) = contractions(key, claim, {d.tensor.name: d for d in claim.setting.definitions})
    return found


def kernel_of(layer: Conv2d, shape: tuple[int, ...], key: str, make: Maker) -> Kernel:
    """The kernel of a layer's claim by one plan; scratch one after another, each at 16 elements."""
    contraction = contraction_of(layer, shape, key)
    plan = make(contraction)
    assert plan.fits, plan
    scratch, end = dict[str, Buffer](), 0
    for s in sorted(plan.scratch(), key=lambda s: not s.packed):
        size = -(-s.count // 16) * 16
        held = size if s.own else s.count
        scratch[s.name] = Buffer(s.name, held, end, s.copied, s.own, s.packed, s.turn)
        end += (s.turn or size) * (plan.target.threads if s.own or s.turn else 1)
    of = (contraction.out, contraction.image, contraction.weight, contraction.bias)
    buffers = {o.buffer.name: o.buffer for o in of if o is not None}
    operands = sorted((b for b in buffers.values() if b.name != "out"), key=lambda b: b.name != "grad_output")
    body = plan.statements(Room(scratch, count(1)))
    given = (tuple(operands), tuple(scratch.values()), body)
    return Kernel(kernel_name(key), buffers["out"], *given, threads=plan.target.threads)


def artefact_of(
    folder: Path,
    layer: Conv2d,
    shape: tuple[int, ...],
    makers: dict[str, Maker],
    target: Target,
    dtype: str = "float32",
    edits: tuple[tuple[str, str], ...] = (),
    isa: Isa = ISAS["portable"],
) -> Artefact:
    """A module of one kernel for each claim, made into C; pieces of its text put in others' place."""
    kernels = [kernel_of(layer, shape, key, make) for key, make in makers.items()]
    text = module_text("winograd", (), kernels)
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    if edits:
        bare = re.sub(r'"[0-9a-f]{64}"', '""', text)
        text = bare.replace('return ""', f'return "{digest(bare)}"')
    folder.mkdir(parents=True, exist_ok=True)
    pyx = folder / "winograd.pyx"
    pyx.write_text(text)
    variants = Variants("winograd", compile.to_c(pyx, "winograd"), isa, target.lanes)
    return Artefact(
        pyx_text=text,
        c_path=variants.c_path,
        lanes=target.lanes,
        dtype=dtype,
        equations={k.name: claim_of(layer, shape, key) for key, k in zip(makers, kernels, strict=True)},
        operand_order={k.name: tuple(b.name for b in k.operands) for k in kernels},
        workspace_elements={k.name: k.workspace for k in kernels},
        packed={k.name: packed_count(k) for k in kernels},
        load_variant=variants,
    )


def wrong(over: Transform, matrix: str, row: int, column: int) -> Transform:
    """The transform with one entry off by a little."""
    rows = [list(r) for r in getattr(over, matrix)]
    rows[row][column] += Fraction(1, 1024)
    changed = replace(over)
    object.__setattr__(changed, matrix, tuple(map(tuple, rows)))
    return changed
