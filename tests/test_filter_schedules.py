"""The direct gradient by the weight is exact on whole numbers, interpreted and compiled; damage is seen."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from contraction_values import whole
from planned_kernels import contraction_of, drawn, kernel_of, wrong

from codegen.assembly import expected, looked_at
from codegen.compile import chosen_isa, to_c
from codegen.loops import Assign, Call, Kernel, Limit, Part, Place, Pointer, Statement, calls, statements
from codegen.run import run
from codegen.schedules import filter
from codegen.schedules.filter import SUMMED, Filter, best_tile, mirrored, plans
from codegen.schedules.filter_lines import Lines
from codegen.schedules.filter_tiles import cut, cut_places, tiles
from codegen.schedules.nest import Target
from codegen.targets.cython.printer import module_text
from codegen.variants import Variants
from derive.index import Form, name

COMPILED = (
    ("Conv2d(5, 19, 3, padding=1)", (1, 5, 9, 21)),
    ("Conv2d(6, 16, (3, 2), stride=2, groups=2)", (3, 6, 17, 10)),
)
TARGETS = (Target(2, 12, 16), Target(4, 12, 16), Target(8, 28, 32, 8))
CASES = (
    ("Conv2d(2, 5, 3, padding=1)", (2, 2, 4, 5)),
    ("Conv2d(3, 4, (2, 3), stride=(2, 1), padding=(1, 0), dilation=(1, 2))", (1, 3, 7, 9)),
    ("Conv2d(4, 6, 3, groups=2, stride=2, padding=2)", (3, 4, 6, 5)),
    ("Conv2d(1, 9, 5, padding=((0, 3), (4, 1)))", (1, 1, 5, 4)),
    ("Conv2d(7, 3, 3)", (1, 7, 5, 5)),
    ("Conv2d(5, 4, 1, stride=2)", (2, 5, 5, 4)),
    ("Conv2d(2, 3, 2, stride=3, padding=1)", (1, 2, 4, 5)),
    ("Conv1d(2, 17, 3, stride=2, padding=2)", (2, 2, 21)),
    ("Conv3d(2, 4, 2, stride=(1, 2, 1), padding=1)", (1, 2, 2, 3, 4)),
    ("ConvTranspose2d(3, 2, 4, stride=2, padding=1)", (1, 3, 3, 4)),
    ("ConvTranspose1d(4, 6, 3, stride=3, groups=2, output_padding=1)", (2, 4, 5)),
)


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_plans_are_exact_on_whole_numbers(layer: str, shape: tuple[int, ...]) -> None:
    problem = contraction_of(layer, shape, "weight")
    for target in TARGETS:
        found = list(plans(problem, target))
        assert found
        costs = [p.cost() for p in found]
        assert all(0 < a <= b for a, b in pairwise(costs)) or len(costs) == 1
        for plan in found:
            assert wrong(plan, problem, target.lanes) == [], plan.note()


@pytest.mark.parametrize("ins", [1, 2, 3])
@pytest.mark.parametrize("vectors", [1, 2, 3])
def test_every_rest_of_channels_and_vectors_is_computed(vectors: int, ins: int) -> None:
    """7 vectors of channels k and a part of one, 5 channels c: groups and turns that do not divide them."""
    problem = contraction_of("Conv1d(5, 15, 2, padding=1)", (1, 5, 6), "weight")
    lines = Lines(problem, TARGETS[0])
    tile = best_tile(lines, vectors, ins)
    assert tile is not None
    assert wrong(Filter(lines, vectors, ins, tile), problem, 2) == []


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        ("Conv2d(5, 2, 3, padding=1)", (2, 5, 4, 5)),
        ("Conv2d(6, 4, (2, 3), padding=((1, 0), (0, 3)), dilation=(1, 2), groups=2)", (1, 6, 4, 5)),
        ("ConvTranspose2d(3, 5, 2)", (1, 3, 3, 4)),
        ("Conv1d(9, 2, 3, padding=4)", (1, 9, 11)),
    ],
)
def test_image_and_out_change_places(layer: str, shape: tuple[int, ...]) -> None:
    problem = contraction_of(layer, shape, "weight")
    (other,) = mirrored(problem)
    assert (other.outs, other.ins) == (problem.ins, problem.outs)
    lines = Lines(other, TARGETS[1])
    for vectors in (1, 2):
        tile = best_tile(lines, vectors, other.ins)
        assert tile is not None
        assert wrong(Filter(lines, vectors, other.ins, tile, "ck"), problem, 4) == []
        axis = replace(other.axes[0], pad=other.axes[0].pad + 1)
        moved = Lines(replace(other, axes=(axis, *other.axes[1:])), TARGETS[1])
        assert wrong(Filter(moved, vectors, other.ins, tile, "ck"), problem, 4)


PICKED = (
    ("Conv2d(5, 4, 1, stride=2)", (2, 5, 5, 6)),
    ("Conv2d(3, 6, 1, stride=(3, 2), groups=3)", (1, 3, 5, 26)),
    ("Conv3d(2, 5, 1, stride=(1, 2, 3))", (1, 2, 2, 5, 14)),
)


@pytest.mark.parametrize(("layer", "shape"), PICKED)
def test_places_that_a_stride_leaves_out_are_not_copied(layer: str, shape: tuple[int, ...]) -> None:
    """Whole vectors, vectors that overlap, and rows shorter than one; another column is seen."""
    problem = contraction_of(layer, shape, "weight")
    assert problem.axes[-1].padded < problem.axes[-1].image
    for target in TARGETS:
        tile = best_tile(Lines(problem, target), 1, problem.ins)
        assert tile is not None
        for moved in (0, 1):
            last = replace(problem.axes[-1], pad=-moved)
            lines = Lines(replace(problem, axes=(*problem.axes[:-1], last)), target, True)
            assert lines.copied and lines.plane <= problem.places + 2 * target.lanes
            found = wrong(Filter(lines, 1, problem.ins, tile), problem, target.lanes)
            assert bool(found) == bool(moved)


def test_places_are_picked_where_an_image_is_larger_than_the_caches() -> None:
    for batch, worth in ((1, False), (8, True)):
        problem = contraction_of("Conv2d(256, 512, 1, stride=2)", (batch, 256, 56, 56), "weight")
        best = next(iter(plans(problem, Target(16, 28, 32))))
        assert best.lines.picked == worth == ("places that are read copied" in best.note())
        asked = [c for c in calls(kernel_of(best, problem).body) if c.operation == "e_prefetch"]
        assert bool(asked) == worth


def test_strided_ones_are_not_mirrored_and_few_channels_are() -> None:
    strided = contraction_of("Conv2d(5, 2, 3, stride=2)", (1, 5, 7, 7), "weight")
    assert not list(mirrored(strided))
    few = contraction_of("Conv2d(32, 3, 3, padding=1)", (1, 32, 8, 8), "weight")
    assert "vectors of 16 channels c, " in next(iter(plans(few, Target(16, 28, 32)))).note()


def test_blocks_of_places_are_added_up() -> None:
    """More places than one block: the last block is shorter, and sums of earlier ones are kept."""
    problem = contraction_of("Conv2d(1, 2, 2)", (1, 1, 42, 8), "weight")
    plan = next(p for p in plans(problem, Target(2, 12, 16)) if p.names == "kc")
    assert (plan.cut.places, plan.cut.count, plan.cut.even) == (63, 5, False)
    assert wrong(plan, problem, 2) == []


@pytest.mark.parametrize(
    ("layer", "shape"), [("Conv2d(1, 2, 2)", (2, 1, 42, 8)), ("Conv1d(3, 5, 2)", (1, 3, 300))]
)
def test_many_blocks_are_added_up_in_groups(
    layer: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last group is shorter; totals that groups are not added to, or sums that go on, are seen."""
    monkeypatch.setattr(filter, "LONGEST", 7)
    problem = contraction_of(layer, shape, "weight")

    def grouped() -> list[Filter]:
        return [p for p in plans(problem, Target(2, 12, 16)) if p.cut.group][:1]

    found = grouped()
    assert found and all(p.cut.cut == (p.cut.places, p.cut.group) for p in found)
    assert any(-(-p.cut.blocked.extent // p.cut.rows) % p.cut.group for p in found)
    assert [wrong(p, problem, 2) for p in found] == [[]] * len(found)
    joined, cleared = filter.joined, filter.cleared
    monkeypatch.setattr(filter, "joined", lambda *_: ())
    assert all(wrong(p, problem, 2) for p in grouped())
    monkeypatch.setattr(filter, "joined", joined)
    monkeypatch.setattr(
        filter, "cleared", lambda *given: cleared(*given) if given[0].name == "totals" else ()
    )
    assert all(wrong(p, problem, 2) for p in grouped())


def mended(kernel: Kernel, change: dict[int, Statement]) -> Kernel:
    """The kernel with statements replaced by their identity."""

    def deep(body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        found = []
        for s in body:
            inner = getattr(s, "body", None)
            found.append(change.get(id(s), s if inner is None else replace(s, body=deep(inner))))
        return tuple(found)

    return replace(kernel, body=deep(kernel.body))


def spoiled(kernel: Kernel) -> list[Kernel]:
    """The kernel with a limit less, a sum not continued, and an entry of the image beside its own."""
    every = list(statements(kernel.body))
    limit = next(s for s in every if isinstance(s, Limit) and s.name == "rows")
    total = next(s for s in every if isinstance(s, Assign) and s.value.operation == "v_add")
    splat = next(s for s in every if isinstance(s, Assign) and s.value.operation == "v_splat")
    (at,) = splat.value.arguments
    assert isinstance(at, Pointer)
    beside = Assign(splat.name, Call("v_splat", (Pointer(at.buffer, at.at + 1),)))
    alone = Assign(total.name, Call("v_add", (total.value.arguments[1], total.value.arguments[1])))
    fewer = replace(limit, edge=(limit.edge or 0) - 1)
    return [mended(kernel, {id(s): t}) for s, t in ((limit, fewer), (total, alone), (splat, beside))]


def test_wrong_schedules_are_seen() -> None:
    problem = contraction_of("Conv2d(1, 2, 2)", (1, 1, 42, 8), "weight")
    plan = next(p for p in plans(problem, Target(2, 12, 16)) if p.names == "kc")
    kernel = kernel_of(plan, problem)
    arrays = drawn(kernel)
    expected = whole((problem,), arrays)
    assert (run(kernel, arrays, 2) == expected).all()
    for other in spoiled(kernel):
        assert not (run(other, arrays, 2) == expected).all()


def test_parts_write_apart_and_read_what_earlier_ones_wrote() -> None:
    """Turns of a part in any order give the same: each entry belongs to one turn."""
    problem = contraction_of("Conv2d(3, 5, 3, padding=1)", (2, 3, 4, 5), "weight")
    for plan in plans(problem, Target(2, 12, 16)):
        kernel = kernel_of(plan, problem)
        arrays = drawn(kernel)
        parts = [s for s in kernel.body if isinstance(s, Part)]
        assert len(parts) == len(kernel.body)
        backwards = tuple(replace(p, body=(_last_first(p), *p.body)) for p in parts)
        assert (run(replace(kernel, body=backwards), arrays, 2) == run(kernel, arrays, 2)).all()


def _last_first(part: Part) -> Statement:
    return Place(part.index, Form.of(part.count - 1) - name(part.index))


def test_compiled_kernels_are_exact_and_threads_change_no_bit(tmp_path: Path) -> None:
    """Whole numbers to the bit; of numbers that round, the same bits from one thread and from two."""
    isa = chosen_isa("native")
    target = Target(isa.lanes("float64"), isa.accumulators, isa.registers, 8)
    problems = [contraction_of(*case, "weight") for case in COMPILED]
    kernels = [
        kernel_of(next(iter(plans(p, target))), p, f"grad_weight_{i}_{threads}", threads)
        for i, p in enumerate(problems)
        for threads in (1, 2)
    ]
    pyx = tmp_path / "kernel.pyx"
    pyx.write_text(module_text("tests", (), kernels), encoding="utf-8")
    variants = Variants("filters", to_c(pyx, "filters"), isa, target.lanes, 2)
    module = variants(("BF_ELEMENT_DOUBLE",))
    wanted = {k.name: expected(k) for k in kernels}
    code = looked_at(variants.path(("BF_ELEMENT_DOUBLE",)), wanted, "fma" in isa.needs)
    assert not [f.faults for f in code.values() if f.faults]
    rng = np.random.default_rng(5)
    for problem, one, two in zip(problems, kernels[::2], kernels[1::2], strict=True):
        numbers = {n: np.array(v) for n, v in drawn(one).items()}
        got = _called(module, one, {n: v.astype("float64") for n, v in numbers.items()})
        assert got.tolist() == whole((problem,), numbers).tolist()
        rounded = {b.name: rng.standard_normal(b.count) for b in one.operands}
        assert _called(module, one, rounded).tobytes() == _called(module, two, rounded).tobytes()


def _called(module: ModuleType, kernel: Kernel, arrays: dict[str, np.ndarray]) -> np.ndarray:
    out, workspace = np.full(kernel.out.count, np.nan), np.full(kernel.workspace, np.nan)
    getattr(module, f"call_{kernel.name}")(out, *(arrays[b.name] for b in kernel.operands), workspace)
    return out


def test_tiles_fit_the_registers_and_bodies_the_cache() -> None:
    for target in (Target(16, 28, 32), Target(8, 12, 16), Target(4, 12, 16)):
        for vectors, ins, taps in ((1, 8, 9), (2, 4, 25), (3, 1, 49), (4, 2, 3)):
            for tile in tiles(vectors, ins, taps, target):
                widest = max(map(len, tile.groups)) * tile.ins
                assert widest * vectors <= target.accumulators
                assert widest * vectors + vectors + (vectors > 1) < target.registers
                assert [t for g in tile.groups for t in g] == list(range(taps))
    assert [len(r) for r in cut(9, 4)] == [2, 2, 2, 3]
    for shape in ((1, 64, 224, 224), (1, 64, 7, 7), (8, 64, 14, 14)):
        problem = contraction_of("Conv2d(64, 64, 3, padding=1)", shape, "weight")
        lines = Lines(problem, Target(16, 28, 32))
        assert cut_places(lines.levels, 128).places <= 128
        for plan in plans(problem, Target(16, 28, 32)):
            sums = next(s.count for s in plan.scratch() if s.name == "sums")
            assert sums * 4 <= 2 * SUMMED


def test_nothing_for_what_it_is_not() -> None:
    forward = contraction_of("Conv2d(2, 3, 3)", (1, 2, 5, 5), "output")
    rows = contraction_of("Linear(3, 4)", (2, 3), "weight")
    many = contraction_of("Conv1d(1, 1, 1025, padding=600)", (1, 1, 40), "weight")
    assert not any(list(plans(p, TARGETS[0])) for p in (forward, rows, many))
