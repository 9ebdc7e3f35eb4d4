"""The machine code of our kernels: every product of the text, no vector spilled, loops of bounded size."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from codegen import build, compile
from codegen.artefact import SHIPPED_ELEMENT, Expected
from codegen.assembly import Found, expected, looked_at, said
from codegen.compile import ISAS
from codegen.loops import Assign, Buffer, Call, Do, Kernel, Loop, Pointer
from codegen.produce import Request, module_source
from codegen.schedules import winograd_output
from codegen.targets.cython.printer import module_text
from derive.index import Form, name
from derive.layers.base import Layer
from derive.spelling import parse_layer

pytestmark = pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump here")
STEPS = 8


@dataclass(frozen=True)
class Relaxed:
    """A kernel of a tier that may be Winograd's, and the form that its text must name."""

    layer: str
    shape: tuple[int, ...]
    wanted: str
    form: str
    isa: str = "avx512"
    dtype: str = "float32"
    accuracy: str = "relaxed"


CASES = [
    ("Conv2d(16, 16, 3, padding=1)", (1, 16, 14, 28), "avx512", "float32"),
    ("Conv2d(16, 16, 3, padding=1)", (1, 16, 14, 28), "avx2", "float64"),
]
MORE = [
    (layer, shape, isa, dtype)
    for layer, shape in (
        ("Conv2d(1, 6, 5, padding=2)", (1, 1, 28, 28)),
        ("Conv2d(16, 16, 3, padding=1)", (1, 16, 14, 28)),
        ("Conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56)),
        ("Conv2d(8, 16, 3, stride=2, padding=1)", (1, 8, 15, 16)),
        ("Conv2d(3, 64, 7, stride=2, padding=3)", (1, 3, 56, 56)),
        ("Conv2d(64, 256, 1)", (1, 64, 28, 28)),
        ("Conv2d(32, 32, 3, padding=1, groups=32)", (1, 32, 56, 56)),
        ("ConvTranspose2d(16, 16, 4, stride=2, padding=1)", (1, 16, 14, 14)),
        ("Conv1d(32, 32, 9, padding=4)", (1, 32, 400)),
        ("Conv3d(8, 16, 3, padding=1)", (1, 8, 8, 14, 14)),
        ("Linear(256, 512)", (32, 256)),
    )
    for isa in ("avx512", "avx2")
    for dtype in ("float32", "float64")
]
TIERS = [
    (spelled + bias, shape, isa, dtype, accuracy)
    for spelled, shape in (
        ("Conv2d(3, 16, 3, padding=1", (1, 3, 32, 32)),
        ("Conv2d(16, 16, 3, padding=1", (1, 16, 14, 28)),
        ("Conv2d(64, 64, 3, padding=1", (1, 64, 56, 56)),
        ("Conv2d(64, 64, 3, padding=1", (4, 64, 28, 28)),
        ("Conv2d(256, 256, 3, padding=1", (1, 256, 14, 14)),
        ("Conv2d(256, 256, 3, padding=1", (1, 256, 7, 7)),
        ("Conv2d(64, 64, 5, padding=2", (1, 64, 28, 28)),
        ("Conv1d(64, 64, 9, padding=4", (1, 64, 997)),
    )
    for bias in (")", ", bias=False)")
    for isa in ("avx512", "avx2")
    for dtype in ("float32", "float64")
    for accuracy in ("balanced", "relaxed")
]
"""Layers that these tiers have Winograd's transforms for."""


Wanted = Mapping[str, Expected]


def compiled(text: str, wanted: Wanted, folder: Path, isa: str, dtype: str) -> dict[str, Found]:
    """The machine code of a text's kernels; it is not run, so that any instruction set will do."""
    (folder / "kernel.pyx").write_text(text)
    return of_c(compile.to_c(folder / "kernel.pyx", "backflip_looked_at"), wanted, isa, dtype)


def of_c(c_path: Path, wanted: Wanted, isa: str, dtype: str = "float32") -> dict[str, Found]:
    target = c_path.with_name("module.so")
    lanes = ISAS[isa].lanes(dtype)
    compile.to_binary(c_path, target, ISAS[isa], (SHIPPED_ELEMENT[dtype], f"BF_LANES={lanes}"))
    return looked_at(target, wanted, "fma" in ISAS[isa].needs)


def of_layer(
    spelled: str, shape: tuple[int, ...], isa: str, dtype: str, folder: Path, accuracy: str = "strict"
) -> dict[str, Found]:
    layer = parse_layer(spelled)
    assert isinstance(layer, Layer)
    wanted = ("output", *(o.name for o in layer.operands(shape) if o.differentiable))
    request = Request(layer, shape, dtype, wanted, "fast", ISAS[isa], accuracy=accuracy)
    text, known, _ = module_source(request)
    return compiled(text, known["expected"], folder, isa, dtype)


def of_one(case: Relaxed, folder: Path, leave: str = "") -> Found:
    """One kernel of a layer; what is to be left out of its text must be there."""
    layer = parse_layer(case.layer)
    assert isinstance(layer, Layer)
    isa, dtype = ISAS[case.isa], case.dtype
    request = Request(layer, case.shape, dtype, (case.wanted,), "fast", isa, accuracy=case.accuracy)
    text, known, _ = module_source(request)
    assert case.form in text and leave in text
    folder.mkdir()
    lines = "".join(line for line in text.splitlines(True) if not leave or leave not in line)
    return next(iter(compiled(lines, known["expected"], folder, case.isa, dtype).values()))


def hold(found: dict[str, Found]) -> None:
    """What every kernel of ours keeps to."""
    for kernel, each in found.items():
        assert not each.faults, (kernel, each)
        assert all(machine for _, machine in each.hot), (kernel, each)
    assert found["output"].written >= 8 and found["output"].hot and found["output"].largest_loop


@pytest.mark.parametrize(("layer", "shape", "isa", "dtype"), CASES)
def test_our_kernels(layer: str, shape: tuple[int, ...], isa: str, dtype: str, tmp_path: Path) -> None:
    hold(of_layer(layer, shape, isa, dtype, tmp_path))


@pytest.mark.sweep
@pytest.mark.parametrize(("layer", "shape", "isa", "dtype"), MORE)
def test_all_our_kernels(layer: str, shape: tuple[int, ...], isa: str, dtype: str, tmp_path: Path) -> None:
    hold(of_layer(layer, shape, isa, dtype, tmp_path))


@pytest.mark.sweep
@pytest.mark.parametrize(("layer", "shape", "isa", "dtype", "accuracy"), TIERS)
def test_our_kernels_of_other_tiers(
    layer: str, shape: tuple[int, ...], isa: str, dtype: str, accuracy: str, tmp_path: Path
) -> None:
    hold(of_layer(layer, shape, isa, dtype, tmp_path, accuracy))


def test_a_bias_leaves_the_way_back_of_winograd_its_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F(4,3) holds 24 half transformed products; with a bias beside them all at once are too many."""
    case = Relaxed("Conv2d(256, 256, 3, padding=1)", (1, 256, 7, 7), "output", "F(4,3)xF(4,3)")
    assert not of_one(case, tmp_path / "counted").faults
    monkeypatch.setattr(winograd_output, "BIASED", 0)
    assert of_one(case, tmp_path / "not counted").spills


def test_sums_that_stay_in_their_registers(tmp_path: Path) -> None:
    """Without `v_kept` gcc moves the 24 sums of a tile about, and has no register for one of them."""
    case = Relaxed("Conv2d(256, 256, 3, padding=1)", (1, 256, 14, 14), "weight", "F(3,4)xF(3,4)")
    assert not of_one(case, tmp_path / "kept").faults
    assert of_one(case, tmp_path / "moved", leave="v_kept(entry)").spills


def test_few_registers_are_left_to_the_sums(tmp_path: Path) -> None:
    """Without `e_apart` constants of the loops around stay in 5 of 16 registers."""
    case = Relaxed(
        "Conv2d(64, 64, 3, padding=1)", (4, 64, 28, 28), "weight", "F(3,4)xF(3,4)", "avx2", "float64"
    )
    assert not of_one(case, tmp_path / "apart").faults
    assert of_one(case, tmp_path / "beside", leave="e_apart()").spills


def test_few_registers_take_the_rows_of_a_tile_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each reads the products again: kept for the next row (no `e_anew`) they are too many as well."""
    layer = "Conv2d(64, 64, 3, padding=1, bias=False)"
    case = Relaxed(layer, (1, 64, 56, 56), "output", "F(4,3)xF(2,3)", "avx2", accuracy="balanced")
    assert not of_one(case, tmp_path / "apart").faults
    assert of_one(case, tmp_path / "kept", leave="e_anew()").spills
    case = Relaxed("Conv2d(256, 256, 3, padding=1)", (1, 256, 7, 7), "output", "F(4,3)xF(4,3)", "avx2")
    assert not of_one(case, tmp_path / "one by one").faults
    monkeypatch.setattr(winograd_output, "SPARE", -8)
    assert of_one(case, tmp_path / "together").spills


def many(accumulators: int, lanes: int, title: str) -> Kernel:
    """So many sums of products at once, each in a vector with a name."""
    x, w, out = (Buffer(n, accumulators * lanes * STEPS) for n in ("input", "weight", "out"))
    names = [f"y_{i}" for i in range(accumulators)]
    start = tuple(Assign(n, Call("v_zero")) for n in names)
    line = accumulators * lanes
    loads = (Assign("each", Call("v_splat", (Pointer(w, name("t")),))),)
    sums = tuple(Assign(n, Call("v_fma", (n, "each", f"x_{i}"))) for i, n in enumerate(names))
    reads = tuple(
        Assign(f"x_{i}", Call("v_load", (Pointer(x, name("t") * line + Form.of(i * lanes)),)))
        for i in range(accumulators)
    )
    stores = tuple(Do(Call("v_store", (Pointer(out, Form.of(i * lanes)), n))) for i, n in enumerate(names))
    both = tuple(s for pair in zip(reads, sums, strict=True) for s in pair)
    return Kernel(title, out, (x, w), (), (*start, Loop("t", 0, STEPS, 1, (*loads, *both)), *stores))


Sums = tuple[Path, Wanted, str]
FITS, TOO_MANY = {"avx512": 28, "avx2": 12}, {"avx512": 40, "avx2": 20}


@pytest.fixture(scope="module", params=["avx512", "avx2"])
def sums(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sums:
    """The C file of two kernels, one with sums for all registers and one with more; they; the set."""
    isa = request.param
    lanes = ISAS[isa].lanes("float32")
    kernels = [many(FITS[isa], lanes, "fits"), many(TOO_MANY[isa], lanes, "spills")]
    folder = tmp_path_factory.mktemp(isa)
    (folder / "kernel.pyx").write_text(module_text("sums", (), kernels))
    c_path = compile.to_c(folder / "kernel.pyx", "backflip_sums")
    return c_path, {k.name: expected(k) for k in kernels}, isa


def test_too_many_accumulators_spill(sums: Sums, monkeypatch: pytest.MonkeyPatch) -> None:
    c_path, wanted, isa = sums
    found = of_c(c_path, wanted, isa)
    fits, spills = found["fits"], found["spills"]
    assert fits.products == fits.written == FITS[isa] and fits.hot == ((FITS[isa], FITS[isa]),)
    assert not fits.faults and not fits.spills
    assert spills.products == spills.written == TOO_MANY[isa] and spills.spills > 0
    assert any("put on the stack" in fault for fault in spills.faults)
    monkeypatch.setattr("codegen.assembly.LARGEST_BODY", fits.largest_loop - 1)
    assert fits.faults == [f"a loop of {fits.largest_loop:,} bytes"]


def test_products_that_are_missing(sums: Sums, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the C standard's letter gcc fuses nothing; the text is the same."""
    c_path, wanted, isa = sums
    flags = ["-std=c11" if f == "-std=gnu11" else f for f in compile.BASE_FLAGS if "contract" not in f]
    monkeypatch.setattr(compile, "BASE_FLAGS", tuple(flags))
    found = of_c(c_path, wanted, isa)["fits"]
    assert (found.products, found.written) == (0, FITS[isa])
    assert found.faults == [f"0 products of {FITS[isa]}"]


def test_a_function_that_two_kernels_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of equal functions gcc keeps one, which the other kernel calls: both have its products."""
    lanes = ISAS["avx512"].lanes("float32")
    kernels = [many(FITS["avx512"], lanes, title) for title in ("one", "two")]
    wanted = {k.name: expected(k) for k in kernels}
    (tmp_path / "kernel.pyx").write_text(module_text("twins", (), kernels))
    found = of_c(compile.to_c(tmp_path / "kernel.pyx", "backflip_twins"), wanted, "avx512")
    assert not found["one"].faults and not found["two"].faults
    assert found["one"].hot == found["two"].hot == ((FITS["avx512"], FITS["avx512"]),)
    monkeypatch.setattr("codegen.assembly._KERNEL", re.compile("nothing is called so"))
    alone = looked_at(tmp_path / "module.so", wanted, True)
    assert [f.products for f in alone.values()].count(0) == 1


def test_what_is_expected_is_counted_in_the_loops() -> None:
    """A text that lost products is not what sets the count: the kernel's own loops do."""
    whole = expected(many(6, 16, "whole"))
    assert whole == Expected(frozenset({"bf_whole", "run_whole"}), 6, (6,))
    assert expected(many(7, 16, "whole")).products == 7


def test_text_that_lost_a_product(tmp_path: Path) -> None:
    """One product left out where the text was written is missed in the machine code."""
    kernel = many(FITS["avx512"], 16, "whole")
    text = module_text("lost", (), [kernel])
    line = next(line for line in text.splitlines(True) if "y_3 = v_fma(" in line)
    found = compiled(text.replace(line, ""), {"whole": expected(kernel)}, tmp_path, "avx512", "float32")
    assert found["whole"].faults == [f"{FITS['avx512'] - 1} products of {FITS['avx512']}"]


def test_without_objdump_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert looked_at(Path("none"), {}, True) == {}
    assert "was not looked at" in said({}, 1000)


def test_it_is_in_the_proof_and_in_the_summary() -> None:
    from codegen.cli import summary

    kernel: Any = build(parse_layer("Conv2d(1, 2, 3)"), (1, 1, 6, 5), wrt=())
    found = json.loads(kernel.proof)["assembly"]["output"]
    assert found["products"] >= found["written"] > 0 and found["spills"] == 0
    line = next(line for line in summary(kernel) if line.startswith("  object"))
    assert (
        f"output {found['products']} products for {found['written']}" in line and "no vector spilled" in line
    )


def test_products_by_constants_are_not_counted(tmp_path: Path) -> None:
    """a + x / 2 and a - x / 2 are one product and two sums to gcc; the others are still counted."""
    x, w, out = (Buffer(n, 64) for n in ("input", "weight", "out"))
    half, minus = Call("v_rational", (1, 2)), Call("v_rational", (-1, 2))
    loads = (
        Assign("a", Call("v_load", (Pointer(x, Form()),))),
        Assign("b", Call("v_load", (Pointer(w, Form()),))),
    )
    sums = tuple(Assign(y, Call("v_fma", ("a", c, "b"))) for y, c in (("y_0", "half"), ("y_1", "minus")))
    real = Assign("y_2", Call("v_fma", ("y_0", "y_1", "b")))
    stores = tuple(Do(Call("v_store", (Pointer(out, Form.of(16 * i)), f"y_{i}"))) for i in range(3))
    body = (Assign("half", half), Assign("minus", minus), *loads, *sums, real, *stores)
    kernel = Kernel("output", out, (x, w), (), body)
    text = module_text("halves", (), [kernel])
    found = compiled(text, {"output": expected(kernel)}, tmp_path, "avx512", "float32")["output"]
    assert text.count("v_fma(") == 4 and found.written == 1 <= found.products and not found.faults
