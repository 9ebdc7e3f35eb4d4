"""Kernels of every family for other instruction sets: AVX2 and portable ones here, ARM under an emulator."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from neon import MISSING, Emulated, emulated

from codegen import build, compile
from codegen.artefact import Artefact
from codegen.bounded import check_bounded
from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.literals import rational_kernels
from codegen.numeric import check_integers
from codegen.produce import Request, module_source, prepared
from codegen.rational_shipped import bound_element, check_rounded
from codegen.rig import Rig
from codegen.validate import measured, products
from derive.layers.base import Layer
from derive.spelling import parse_layer

FAMILIES = {
    "a convolution": ("Conv2d(4, 8, 3, padding=1)", (2, 4, 9, 11)),
    "few channels": ("Conv2d(1, 6, 5, padding=2)", (1, 1, 12, 12)),
    "strides": ("Conv2d(5, 7, 3, stride=2, padding=1)", (1, 5, 11, 13)),
    "dilation and groups": ("Conv2d(4, 6, 3, dilation=2, groups=2)", (1, 4, 9, 10)),
    "one by one": ("Conv2d(16, 24, 1)", (1, 16, 6, 7)),
    "depthwise": ("Conv2d(6, 6, 3, padding=1, groups=6)", (1, 6, 9, 12)),
    "transposed": ("ConvTranspose2d(4, 5, 4, stride=2, padding=1)", (1, 4, 6, 7)),
    "one axis": ("Conv1d(4, 6, 9, padding=4)", (1, 4, 40)),
    "one axis folded": ("Conv1d(16, 16, 9, padding=4)", (1, 16, 70)),
    "three axes": ("Conv3d(2, 4, 3, padding=1)", (1, 2, 4, 6, 7)),
    "linear": ("Linear(24, 20)", (9, 24)),
    "mean pooling": ("AvgPool2d(2)", (1, 3, 8, 10)),
    "resampling": ('Upsample(scale_factor=2, mode="bilinear")', (1, 2, 5, 6)),
    "functions": ("GELU()", (3, 37)),
    "softmax": ("Softmax(1)", (3, 19)),
    "cross entropy": ("CrossEntropyLoss()", (9, 20)),
    "max pooling": ("MaxPool2d(2)", (1, 3, 8, 10)),
    "few taps, many channels": ("Conv2d(16, 16, 3, padding=1)", (1, 16, 12, 13)),
}
RELAXED = ("few taps, many channels",)
"""Asked for with accuracy "relaxed", for which the model takes Winograd's transforms at any size."""
SAMPLE = ("a convolution", "functions")


def wanted_of(layer: Layer, shape: tuple[int, ...]) -> tuple[str, ...]:
    return ("output", *(o.name for o in layer.operands(shape) if o.differentiable))


def accuracy_of(family: str) -> str:
    return "relaxed" if family in RELAXED else "strict"


def layer_of(family: str) -> tuple[Layer, tuple[int, ...]]:
    spelled, shape = FAMILIES[family]
    layer = parse_layer(spelled)
    assert isinstance(layer, Layer)
    return layer, shape


@pytest.mark.sweep
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("isa", ["avx2", "portable"])
@pytest.mark.parametrize("family", FAMILIES)
def test_here(family: str, isa: str, dtype: str) -> None:
    """Building ends with running the binary that ships; a CPU without the set skips."""
    if not ISAS[isa].needs <= compile.cpu_features():
        pytest.skip(f"this CPU has no {isa}")
    layer, shape = layer_of(family)
    assert build(layer, shape, isa=isa, dtype=dtype, accuracy=accuracy_of(family), tune=False).wrt


def on_arm(family: str, dtype: str, folder: Path) -> tuple[Artefact, Emulated]:
    layer, shape = layer_of(family)
    isa, accuracy = ISAS["portable"], accuracy_of(family)
    request = Request(layer, shape, dtype, wanted_of(layer, shape), "fast", isa, accuracy=accuracy)
    text, known, _ = module_source(request)
    artefact, variants = prepared(request, text, known, folder)
    return artefact, emulated(variants.c_path, dtype, variants.lanes)


def check_on_arm(artefact: Artefact, module: Emulated, kernel: str) -> None:
    """Sums of products on whole numbers, to the bit or within their roundings; the others on real numbers."""
    rig, rng = Rig(artefact, kernel, module, artefact.dtype), np.random.default_rng(0)  # type: ignore[arg-type]
    if rational_kernels(artefact.pyx_text, [kernel]):
        sized = artefact.load_variant(bound_element(artefact.dtype))
        assert check_rounded(rig, Rig(artefact, kernel, sized, np.complex128), rng)
    elif kernel in products(artefact):
        assert check_integers(rig, rng, 2)
    else:
        assert check_bounded(artefact, rig, rng, measured(artefact.dtype))


@pytest.mark.sweep
@pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", FAMILIES)
def test_on_arm(family: str, dtype: str, tmp_path: Path) -> None:
    artefact, module = on_arm(family, dtype, tmp_path)
    for kernel in artefact.equations:
        check_on_arm(artefact, module, kernel)


@pytest.mark.sweep
@pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} here")
def test_a_wrong_kernel_on_arm(tmp_path: Path) -> None:
    """The same program with one product less, and with a store beside its result; the sound one uses NEON."""
    artefact, module = on_arm("a convolution", "float32", tmp_path)
    assert module.fused >= 8
    check_on_arm(artefact, module, "output")
    text = artefact.c_path.read_text()
    product = re.search(r"(__pyx_v_y\w*) = v_fma\(.*\);", text)
    mark = text.index("    bf_branch(1);")
    assert product is not None
    artefact.c_path.write_text(text.replace(product[0], f"{product[1]} = {product[1]};", 1))
    with pytest.raises(BuildError, match="kernel output"):
        check_on_arm(artefact, emulated(artefact.c_path, "float32", artefact.lanes), "output")
    artefact.c_path.write_text(f"{text[:mark]} e_store(__pyx_v_out - 1, e_zero());\n{text[mark:]}")
    with pytest.raises(AssertionError, match="3"):
        check_on_arm(artefact, emulated(artefact.c_path, "float32", artefact.lanes), "output")
