"""Matrix products: every tile, layout and block gives the contraction's own sums, and planted faults show."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from contraction_values import whole
from planned_kernels import contraction_of, drawn, kernel_of, wrong

from codegen import compile
from codegen.assembly import expected, looked_at
from codegen.compile import ISAS
from codegen.run import run
from codegen.schedules import gemm, gemm_store
from codegen.schedules.gemm import LAYOUTS, Gemm
from codegen.schedules.gemm_problem import products
from codegen.schedules.gemm_tile import most_rows, shapes
from codegen.schedules.nest import Function, Target
from codegen.schedules.pointwise import candidates, plans
from codegen.schedules.problem import Contraction
from codegen.targets.cython.printer import module_text
from codegen.variants import Variants

SMALL = Target(4, 12, 16)
EVERYTHING = 10**6
LAYERS = [
    ("Conv2d(3, 5, 1)", (1, 3, 4, 5)),
    ("Conv2d(8, 12, 1)", (2, 8, 5, 5)),
    ("Conv2d(6, 10, 1, groups=2)", (2, 6, 5, 6)),
    ("Conv2d(9, 7, 1, stride=2)", (2, 9, 3, 9)),
    ("Conv2d(5, 9, 1, stride=2)", (1, 5, 8, 8)),
    ("Conv2d(9, 13, 1, bias=False)", (1, 9, 4, 4)),
    ("Conv3d(4, 6, 1, stride=(1, 2, 1))", (1, 4, 2, 5, 3)),
    ("ConvTranspose1d(5, 6, 1, stride=3)", (2, 5, 7)),
    ("Linear(7, 9)", (1, 7)),
    ("Linear(16, 9)", (5, 16)),
    ("Linear(13, 21)", (11, 13)),
]
KEYS = ("output", "input", "weight")


def every(problem: Contraction, target: Target) -> Iterator[Gemm]:
    """Every product, layout, tile, block and chunk."""
    for product in products(problem):
        tiles = [*shapes(target, -(-product.columns.extent // target.lanes)), (3, 1)]
        for layout in LAYOUTS:
            if layout == "direct" and product.columns.right != 1:
                continue
            for rows, vectors in tiles:
                for block in (3, 7, EVERYTHING):
                    for chunk in {EVERYTHING} if layout == "panel" else {6, EVERYTHING}:
                        yield Gemm(product, target, rows, vectors, layout, block, chunk)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_some_plans_are_right(layer: str, shape: tuple[int, ...], key: str) -> None:
    problem = contraction_of(layer, shape, key)
    every_plan = list(every(problem, SMALL))
    assert len(every_plan) > 20
    for plan in random.Random(f"{layer} {key}").sample(every_plan, 4):
        assert wrong(plan, problem, SMALL.lanes) == [], (plan.note(), plan)


@pytest.mark.sweep
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize(("layer", "shape"), LAYERS)
def test_every_plan_is_right(layer: str, shape: tuple[int, ...], key: str) -> None:
    problem = contraction_of(layer, shape, key)
    for lanes in (2, 4):
        for plan in every(problem, replace(SMALL, lanes=lanes)):
            assert wrong(plan, problem, lanes) == [], (plan.note(), plan)


def test_offered_plans_are_right_and_have_a_cost() -> None:
    for layer, shape in LAYERS[:4] + LAYERS[-1:]:
        for key in KEYS:
            problem = contraction_of(layer, shape, key)
            offered = list(plans(problem, SMALL))
            strided = key == "weight" and problem.axes and problem.axes[0].stride > 1
            tier = "relaxed" if strided else "strict"
            assert offered and all(p.accuracy == tier and p.note() for p in offered)
            assert all(p.cost() >= problem.products / SMALL.lanes / 2 for p in offered)
            assert wrong(min(offered, key=lambda p: p.cost()), problem, SMALL.lanes) == []


def test_transposed_results_are_offered_in_chunks_of_whole_vectors() -> None:
    """Tiles whose rows make up a vector, transposed as soon as they are there; nowhere else."""
    target = Target(16, 28, 32)
    problem = contraction_of("Linear(512, 1000)", (64, 512), "output")
    upright, turned = sorted(products(problem), key=lambda p: p.columns.into)
    found = list(candidates(turned, target, "whole"))
    assert (4, 4, 16) in {(g.rows, g.vectors, g.chunk_rows) for g in found}
    best = min(found, key=Gemm.cost)
    assert best.chunk_rows % best.rows == best.chunk_rows % target.lanes == 0
    apart = replace(best, chunk_rows=turned.height)
    assert apart.cost() > best.cost()
    assert {g.shape for g in candidates(upright, target, "whole")} == set(shapes(target, 63))
    small = contraction_of("Linear(13, 37)", (11, 13), "output")
    (product,) = (p for p in products(small) if p.columns.into != 1)
    plans_of_chunks = [g for g in candidates(product, SMALL, "whole", 5) if 0 < g.chunk_rows < 37]
    assert plans_of_chunks
    for plan in random.Random(2).sample(plans_of_chunks, 3):
        assert wrong(plan, small, SMALL.lanes) == [], plan


def test_a_factor_with_gaps_that_leaves_the_caches_is_not_the_broadcast_one() -> None:
    """Each panel would read all of it again; where it stays near, that costs nothing."""
    target = Target(16, 28, 32, accuracy="relaxed")
    for batch, near in ((1, True), (8, False)):
        problem = contraction_of("Conv2d(256, 512, 1, stride=2)", (batch, 256, 56, 56), "weight")
        best = min(plans(problem, target), key=lambda p: p.cost())
        assert isinstance(best, Gemm)
        assert (best.product.left.buffer is problem.image.buffer) == near


def test_what_is_no_matrix_product_has_no_plan() -> None:
    for layer in ("Conv2d(2, 3, 3)", "Conv2d(2, 3, 1, padding=1)"):
        assert list(plans(contraction_of(layer, (1, 2, 6, 6), "output"), SMALL)) == []


PROBLEM = ("Conv2d(8, 12, 1)", (2, 8, 5, 5))


def blocks_apart() -> Gemm:
    """A plan whose sums are made in three blocks."""
    return Gemm(next(products(contraction_of(*PROBLEM, "output"))), SMALL, 6, 2, "panel", 3, EVERYTHING)


def sabotaged(plan: Gemm) -> list[int]:
    return wrong(plan, contraction_of(*PROBLEM, "output"), SMALL.lanes)


def test_blocks_that_forget_the_ones_before_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert blocks_apart().rounds == 3 and sabotaged(blocks_apart()) == []
    monkeypatch.setattr(gemm_store.Finish, "earlier", lambda *_: iter(()))
    assert len(sabotaged(blocks_apart())) > 12 * 25


def test_a_bias_added_in_every_block_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemm_store, "Zero", lambda form: gemm_store.Within(form + 9, gemm_store.Form.of(99)))
    assert sabotaged(blocks_apart())


def test_rows_that_are_left_out_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Gemm, "split", lambda *_: iter([(0, 6, 6)]))
    assert len(sabotaged(blocks_apart())) == 2 * 6 * 25


def test_a_panel_laid_out_from_the_wrong_column_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gemm.Panel
    monkeypatch.setattr(gemm, "Panel", lambda *a: right(*a[:5], a[5] + 1, *a[6:]))
    with pytest.raises(IndexError):
        sabotaged(blocks_apart())


def test_tiles_leave_room_for_what_they_read() -> None:
    for isa in ISAS.values():
        for dtype, element in (("float32", 4), ("float64", 8)):
            target = Target(isa.lanes(dtype), isa.accumulators, isa.registers, element)
            for wide in range(1, 7):
                rows = most_rows(target, wide)
                assert rows * wide <= isa.accumulators and rows * wide + wide + 1 <= isa.registers


COMPILED = [
    ("Conv2d(24, 40, 1)", (2, 24, 9, 9), "output"),
    ("Conv2d(24, 40, 1, stride=2)", (1, 24, 9, 9), "input"),
    ("Conv2d(24, 40, 1, stride=2)", (2, 24, 9, 9), "weight"),
    ("Linear(50, 60)", (40, 50), "output"),
]


def test_compiled_products(tmp_path: Path) -> None:
    """Whole numbers come out exactly, and the tiles stay in registers."""
    chosen = compile.chosen_isa("native")
    target = Target(chosen.lanes("float64"), chosen.accumulators, chosen.registers, 8)
    problems = [contraction_of(*case) for case in COMPILED]
    taken = [min(plans(p, target), key=lambda plan: plan.cost()) for p in problems]
    kernels = [kernel_of(t, p, f"k{i}") for i, (t, p) in enumerate(zip(taken, problems, strict=True))]
    text = module_text("products", (), kernels)
    (tmp_path / "kernel.pyx").write_text(text)
    c_path = compile.to_c(tmp_path / "kernel.pyx", "backflip_products")
    variants = Variants("backflip_products", c_path, chosen, target.lanes)
    module = variants(("BF_ELEMENT_DOUBLE",))
    for kernel, problem in zip(kernels, problems, strict=True):
        exact = drawn(kernel)
        right = whole((problem,), exact)
        arrays = {n: np.array(v, np.float64) for n, v in exact.items()}
        out, workspace = np.zeros(kernel.out.count), np.full(kernel.workspace + 1, np.nan)
        getattr(module, f"call_{kernel.name}")(out, *(arrays[b.name] for b in kernel.operands), workspace)
        assert np.array_equal(out, right)
    if shutil.which("objdump"):
        wanted = {k.name: expected(k) for k in kernels}
        found = looked_at(variants.path(("BF_ELEMENT_DOUBLE",)), wanted, bool(chosen.needs))
        assert all(not f.spills and not f.crowded for f in found.values()) or not chosen.needs, found


@pytest.mark.parametrize("block", [3, EVERYTHING])
def test_a_function_of_the_whole_sum_is_applied_once(block: int) -> None:
    problem = contraction_of(*PROBLEM, "output")
    curved = replace(problem, after=Function("exp"))
    plan = Gemm(next(products(curved)), SMALL, 6, 2, "direct", block, EVERYTHING)
    kernel = kernel_of(plan, curved)
    arrays = drawn(kernel)
    got = run(kernel, arrays, SMALL.lanes, functions={"exp": lambda x: 3 * x + 1}).tolist()
    assert got == [3 * x + 1 for x in whole((problem,), arrays).tolist()]
