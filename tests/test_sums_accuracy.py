"""What the strict tier promises of direct kernels, gradients by the weight and products, against PyTorch.

Errors are against float64, relative to the root of the mean square of the result. A kernel and the layouts of
PyTorch draw their luck apart, so what counts is the mean over kinds of data and draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from codegen import compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.compile import chosen_isa
from codegen.loops import Kernel
from codegen.produce import claims_of
from codegen.schedules import direct_bands, direct_flat, filter, peers, pointwise
from codegen.schedules.direct_sums import Blocks
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.specialised import candidates
from codegen.targets.cython.printer import module_text
from derive.layers.base import Layer
from derive.spelling import parse_layer

torch: Any = pytest.importorskip("torch")
Array = np.ndarray[Any, Any]
Case = tuple[str, str, tuple[int, ...], str]
KINDS = ("normal", "relu", "heavy", "positive")
DRAWS = 8
ISA = chosen_isa("native")
TARGET = Target(ISA.lanes("float32"), ISA.accumulators, ISA.registers)
LUCK = (1.1, 1.05)
"""Largest errors, and roots of the mean square, that count as equal: a few draws do not tell them apart."""
DIRECT: tuple[Case, ...] = (
    ("FLAT", "Conv2d(3, 16, 3, padding=1, bias=False)", (1, 3, 32, 32), "output"),
    ("FLAT", "Conv2d(3, 16, 3, padding=1, bias=False)", (1, 3, 32, 32), "input"),
    ("CHAN", "Conv2d(6, 16, 5)", (1, 6, 14, 14), "output"),
    ("CHAN", "Conv2d(16, 16, 3, padding=1, bias=False)", (1, 16, 20, 20), "input"),
)
FILTER: Case = ("FILTER", "Conv2d(3, 16, 3, padding=1, bias=False)", (1, 3, 32, 32), "weight")
GEMM: Case = ("GEMM", "Conv2d(512, 48, 1, bias=False)", (1, 512, 8, 8), "output")
TAP_BY_TAP: Case = ("", "Conv2d(16, 16, 3, padding=1, bias=False)", (1, 16, 32, 32), "input")
"""The first plan of all: PyTorch adds up tap by tap, of which Winograd's F(2,3) is no match."""
LINE_BY_LINE: Case = ("FILTER", "Conv2d(112, 16, 3, padding=1, bias=False)", (1, 112, 14, 14), "weight")
"""PyTorch adds up line by line."""
FURTHER: tuple[Case, ...] = (
    ("FLAT", "Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28), "output"),
    ("FLAT", "Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28), "input"),
    ("FLAT", "Conv2d(6, 16, 5)", (1, 6, 14, 14), "input"),
    ("CHAN", "Conv2d(3, 64, 7, stride=2, padding=3, bias=False)", (1, 3, 64, 64), "output"),
    ("CHAN", "Conv2d(16, 32, 3, padding=1, bias=False)", (1, 16, 16, 16), "input"),
    ("CHAN", "Conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 8, 8), "input"),
    ("CHAN", "Conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 8, 8), "output"),
    ("FILTER", "Conv2d(6, 16, 5)", (1, 6, 14, 14), "weight"),
    ("FILTER", "Conv2d(64, 64, 3, padding=1, bias=False)", (1, 64, 8, 8), "weight"),
    ("GEMM", "Conv2d(256, 64, 1, bias=False)", (1, 256, 14, 14), "input"),
    ("GEMM", "Conv2d(64, 64, 1, bias=False)", (1, 64, 28, 28), "weight"),
)


def kernel_of(number: int, case: Case) -> Kernel:
    """The cheapest kernel of a family."""
    family, layer, shape, key = case
    claim = claims_of(parse_layer(layer), shape, [key])[key]
    found = candidates("k", key, claim, {d.tensor.name: d for d in claim.setting.definitions}, TARGET)
    kernel = next(c.kernel for c in found if c.kernel.notes[0].startswith(family))
    return replace(kernel, name=f"case_{number}", equation="", definitions=())


def compiled(kernels: Sequence[Kernel], folder: Path) -> ModuleType:
    pyx, target = folder / "sums.pyx", folder / "module.so"
    pyx.write_text(module_text("sums", (), kernels))
    defined = (SHIPPED_ELEMENT["float32"], f"BF_LANES={TARGET.lanes}")
    compile.to_binary(compile.to_c(pyx, "sums"), target, ISA, defined)
    return compile.load("sums", target)


def drawn(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    normal = rng.standard_normal(shape)
    other = {"relu": np.maximum(normal, 0), "heavy": rng.standard_t(3, shape), "positive": rng.random(shape)}
    return other.get(kind, normal).astype(np.float32)


def operands_of(layer: Layer, shape: tuple[int, ...], kind: str, rng: np.random.Generator) -> dict[str, Any]:
    """What stands beside entries that are like ReLU's is normal."""
    shapes = {o.name: o.shape for o in layer.operands(shape) if o.name != "output"}
    shapes["grad_output"] = layer.output_shape(shape)
    beside = "normal" if kind == "relu" else kind
    return {n: torch.from_numpy(drawn(kind if n == "input" else beside, s, rng)) for n, s in shapes.items()}


def torch_result(layer: Any, data: dict[str, Any], key: str, layout: Any) -> Array:
    x, w, g = (data[n].to(memory_format=layout) for n in ("input", "weight", "grad_output"))
    window = ([layer.stride] * 2, [layer.padding] * 2, [1, 1], False, [0, 0], 1)
    if key == "output":
        found = torch.ops.aten.convolution(x, w, data.get("bias"), *window)
    else:
        mask = [key == "input", key == "weight", False]
        found = torch.ops.aten.convolution_backward(g, x, w, None, *window, mask)[mask.index(True)]
    result: Array = found.contiguous().numpy().reshape(-1)
    return result


def errors(found: Array, wanted: Array) -> tuple[float, float]:
    """The largest, and the root of the mean square."""
    off = (found - wanted) / np.sqrt((wanted**2).mean())
    return float(abs(off).max()), float(np.sqrt((off**2).mean()))


def measured(case: Case, kernel: Kernel, module: ModuleType) -> Iterator[Array]:
    """For each kind and draw: errors of the kernel over those of PyTorch in each layout."""
    _, text, shape, key = case
    layer, rng = parse_layer(text), np.random.default_rng(11)
    for kind in KINDS:
        for _ in range(DRAWS):
            data = operands_of(layer, shape, kind, rng)
            double = {n: t.double() for n, t in data.items()}
            wanted = torch_result(layer, double, key, torch.contiguous_format)
            out, room = (np.zeros(n, np.float32) for n in (kernel.out.count, kernel.workspace))
            given = [data[b.name].numpy().reshape(-1) for b in kernel.operands]
            getattr(module, f"call_{kernel.name}")(out, *given, room)
            layouts = (torch.contiguous_format, torch.channels_last)
            peers = [errors(torch_result(layer, data, key, layout), wanted) for layout in layouts]
            yield np.array(errors(out, wanted)) / np.array(peers)


def keeps(case: Case, kernel: Kernel, module: ModuleType) -> bool:
    """Whether on the mean no error is above that of either layout."""
    ratios = np.exp(np.log(list(measured(case, kernel, module))).mean(axis=0))
    return bool((ratios <= np.array(LUCK)).all())


@pytest.fixture(scope="module")
def single() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def kept(cases: Sequence[Case], folder: Path) -> list[Case]:
    kernels = [kernel_of(i, case) for i, case in enumerate(cases)]
    module = compiled(kernels, folder)
    return [c for c, k in zip(cases, kernels, strict=True) if keeps(c, k, module)]


def test_strict_kernels_round_no_more_than_pytorch(tmp_path: Path, single: None) -> None:
    cases = [*DIRECT, FILTER, GEMM, TAP_BY_TAP, LINE_BY_LINE]
    assert kept(cases, tmp_path) == cases


def test_one_long_sum_would_break_the_promise(
    tmp_path: Path, single: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def whole(problems: Sequence[Contraction], element: int) -> Blocks:
        return Blocks(problems[0].ins, problems[0].ins)

    for module in (direct_bands, direct_flat):
        monkeypatch.setattr(module, "blocks_of", whole)
    monkeypatch.setattr(filter, "LONGEST", 1024)
    monkeypatch.setattr(filter, "NEAR", 2**20)
    monkeypatch.setattr(pointwise, "LONGEST", 4096)
    monkeypatch.setattr(pointwise, "NEAREST", (2**20,))
    for name in ("keeps", "keeps_fast"):
        monkeypatch.setattr(peers, name, lambda *_: True)
    assert kept([DIRECT[1], DIRECT[3], FILTER, GEMM, TAP_BY_TAP, LINE_BY_LINE], tmp_path) == []


@pytest.mark.sweep
def test_more_strict_kernels_round_no_more_than_pytorch(tmp_path: Path, single: None) -> None:
    assert kept(FURTHER, tmp_path) == list(FURTHER)
