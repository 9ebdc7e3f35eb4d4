"""Owns the kernels of a layer for one thread and for several, compiled as one module and not validated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np

from codegen import compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.audit import request_of
from codegen.loops import Kernel
from codegen.produce import Request, claims_of, scheduled
from codegen.targets.cython.printer import module_text
from codegen.variants import Variants
from derive.spelling import parse_layer


@dataclass(frozen=True)
class Case:
    """A layer at a shape, and how its kernels are asked for."""

    layer: str
    shape: tuple[int, ...]
    dtype: str = "float32"
    accuracy: str = "strict"
    isa: str = "native"

    def request(self, threads: int = 1) -> Request:
        layer = parse_layer(self.layer)
        return request_of(layer, self.shape, self.dtype, self.isa, "fast", threads, self.accuracy)


def pairs(case: Case, threads: int = 2) -> list[tuple[Kernel, Kernel]]:
    """The kernels as they are built for one thread and for several."""
    one, many = case.request(), case.request(threads)
    claims = claims_of(one.layer, one.shape, one.wanted)
    both = scheduled(one, claims), scheduled(many, claims)
    return [(a.kernel, b.kernel) for a, b in zip(*both, strict=True)]


def differing(case: Case, made: Sequence[tuple[Kernel, Kernel]], folder: Path, threads: int = 2) -> list[int]:
    """The pairs whose second text gives other bits on its threads than the first, on normal operands."""
    named = [
        tuple(replace(k, name=f"{k.name}_{i}_{n}", equation="", definitions=()) for n, k in enumerate(pair))
        for i, pair in enumerate(made)
    ]
    module = _module([k for pair in named for k in pair], case, folder, threads)
    rng = np.random.default_rng(0)
    found = []
    for number, (one, many) in enumerate(named):
        given = [rng.standard_normal(b.count).astype(case.dtype) for b in one.operands]
        assert [b.name for b in one.operands] == [b.name for b in many.operands]
        alone = _bits(module, one, given, case.dtype)
        if any(_bits(module, many, given, case.dtype) != alone for _ in range(3)):
            found.append(number)
    return found


def _module(kernels: Sequence[Kernel], case: Case, folder: Path, threads: int) -> ModuleType:
    isa = compile.chosen_isa(case.isa)
    folder.mkdir(parents=True, exist_ok=True)
    pyx = folder / "kernel.pyx"
    pyx.write_text(module_text("tests", (), kernels), encoding="utf-8")
    title = f"bits_{folder.name}"
    made = Variants(title, compile.to_c(pyx, title), isa, isa.lanes(case.dtype), threads)
    return made((SHIPPED_ELEMENT[case.dtype],))


def _bits(module: ModuleType, kernel: Kernel, given: Sequence[np.ndarray], dtype: str) -> bytes:
    out, workspace = np.full(kernel.out.count, np.nan, dtype), np.full(kernel.workspace, np.nan, dtype)
    getattr(module, f"call_{kernel.name}")(out, *given, workspace)
    assert np.isfinite(out).all()
    return out.tobytes()
