"""Direct convolution: exact on whole numbers by the interpreter, within its bound when compiled."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from contraction_values import whole
from direct_problems import Backwards, differing, drawn_problem, products
from planned_kernels import drawn, kernel_of

from codegen import compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.contraction import contractions
from codegen.lexical import gate
from codegen.loops import Kernel, Part
from codegen.produce import claims_of
from codegen.schedules import direct, direct_bands, direct_chan, direct_flat, direct_image, direct_sums, peers
from codegen.schedules.direct_bands import Band
from codegen.schedules.direct_image import Image
from codegen.schedules.direct_pack import Packing
from codegen.schedules.direct_sums import Blocks
from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction
from codegen.targets.cython.printer import module_text
from derive.index import Form, Within, name
from derive.spelling import parse_layer

Kind = Callable[[tuple[Contraction, ...], Target], Iterator[Plan]]
TARGETS = (Target(4, 12, 16), Target(2, 6, 9, 8, threads=2))
PHASES = (
    ("Conv2d(3, 5, 3, stride=2, padding=1)", (1, 3, 6, 9), "input"),
    ("Conv2d(2, 4, (3, 2), stride=(3, 2), padding=(2, 1), dilation=(2, 3))", (1, 2, 8, 9), "input"),
    ("Conv2d(4, 2, 2, stride=3, groups=2)", (2, 4, 9, 8), "input"),
    ("ConvTranspose2d(2, 6, 4, stride=2, padding=1)", (1, 2, 3, 5), "output"),
    ("ConvTranspose1d(4, 2, 3, stride=3, groups=2, output_padding=1)", (2, 4, 5), "output"),
)


def phases_of(layer: str, shape: tuple[int, ...], key: str) -> tuple[Contraction, ...]:
    claim = claims_of(parse_layer(layer), shape, [key])[key]
    return contractions(key, claim, {d.tensor.name: d for d in claim.setting.definitions})


def some(problems: tuple[Contraction, ...], target: Target, seed: int, most: int = 2) -> list[Plan]:
    """A few tiles of each kind."""
    found: list[Plan] = []
    for kind in (direct_chan.plans, direct_flat.plans):
        every: list[Plan] = list(kind(problems, target))
        found += random.Random(seed).sample(every, min(most, len(every)))
    return found


def in_blocks(monkeypatch: pytest.MonkeyPatch, by_taps: bool) -> None:
    """Blocks of one tap or of one channel."""

    def cut(problems: tuple[Contraction, ...], element: int) -> Blocks:
        taps = tuple(a.taps for a in problems[0].axes) if by_taps and problems[0].taps > 1 else ()
        return Blocks(problems[0].ins, problems[0].ins if taps else 1, taps)

    for module in (direct_bands, direct_flat):
        monkeypatch.setattr(module, "blocks_of", cut)


@pytest.mark.parametrize("seed", range(36))
def test_every_kind_of_contraction_is_exact(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ranks, strides, dilations, pads, groups, taps in reverse, bias, a function after, blocks of sums."""
    target = TARGETS[seed % 2]
    if seed % 3 == 0:
        in_blocks(monkeypatch, seed % 2 == 0)
    if seed % 5 == 0:
        monkeypatch.setattr(direct_bands, "BAND", 16 * target.lanes * target.element)
        monkeypatch.setattr(direct_flat, "PIECE", 2 * target.lanes)
    problem = drawn_problem(seed, target.lanes)
    found = some((problem,), target, seed)
    assert found
    for plan in found:
        assert differing(plan, (problem,), target.lanes) == 0, (plan.note(), problem)


@pytest.mark.parametrize(("layer", "shape", "key"), PHASES)
def test_phases_together_are_exact(layer: str, shape: tuple[int, ...], key: str) -> None:
    problems = phases_of(layer, shape, key)
    assert len(problems) > 1
    for target in TARGETS:
        for plan in some(problems, target, 1):
            assert differing(plan, problems, target.lanes) == 0, plan.note()


def test_lines_of_all_phases_are_stored_as_one() -> None:
    problems = phases_of("ConvTranspose2d(2, 6, 4, stride=2, padding=1)", (1, 2, 3, 5), "output")
    chan = next(direct_chan.plans(problems, TARGETS[0]))
    assert [(len(job.lines), job.width, job.dense) for job in chan.jobs] == [(2, 10, True)] * 2
    lone = next(direct_chan.plans(problems[:1], TARGETS[0]))
    assert [(len(job.lines), job.width, job.col) for job in lone.jobs] == [(1, 5, 2)]


@pytest.mark.parametrize("seed", [0, 1, 4, 7])
def test_turns_of_a_part_do_not_depend_on_each_other(seed: int) -> None:
    target = TARGETS[1]
    problem = drawn_problem(seed, target.lanes)
    for plan in some((problem,), target, seed):
        assert sum(s.count for s in kernel_of(plan, problem).body if isinstance(s, Part)) > 1
        assert differing(plan, (problem,), target.lanes, Backwards) == 0, plan.note()


def test_the_best_come_first_and_none_far_behind() -> None:
    (problem,) = phases_of("Conv2d(6, 16, 5)", (1, 6, 14, 14), "output")
    costs = [p.cost() for p in direct.plans(problem, Target(16, 28, 32))]
    assert costs == sorted(costs)
    assert len(costs) > 1
    assert costs[-1] <= direct.NEAR * costs[0]


def test_what_is_no_direct_convolution_has_no_plan() -> None:
    (problem,) = phases_of("Conv2d(2, 3, 3)", (1, 2, 6, 6), "output")
    assert list(direct.plans(problem, TARGETS[0]))
    assert not list(direct.plans(replace(problem, result="weight"), TARGETS[0]))
    assert not list(direct.plans(replace(problem, axes=()), TARGETS[0]))
    other = replace(problem, ins=1)
    assert not list(direct.plans_of_phases((problem, other), TARGETS[0]))
    assert not list(direct.plans_of_phases((), TARGETS[0]))


def test_a_long_line_is_cut_into_pieces() -> None:
    (problem,) = phases_of("Conv1d(2, 5, 9, padding=4)", (1, 2, 16000), "input")
    assert [(a.out, a.pad, a.tap_step) for a in problem.axes] == [(16000, 4, -1)]
    chan = next(direct_chan.plans((problem,), TARGETS[0]))
    assert sum(job.rows.count * job.width for job in chan.jobs) == 16000
    assert max(job.width for job in chan.jobs) == chan.chunk < 16000


def test_long_sums_are_added_in_blocks() -> None:
    (problem,) = phases_of("Conv1d(2, 64, 9)", (1, 2, 20), "input")
    plan = next(direct_chan.plans((problem,), TARGETS[0]))
    assert plan.blocks == Blocks(64, 64, (9,))
    assert plan.blocks.count == 9
    assert cut("Conv1d(1, 2, 9)", (1, 1, 12), "output").count == 1
    assert cut("Conv2d(6, 16, 5)", (1, 6, 14, 14), "output") == Blocks(6, 1)
    assert cut("Conv2d(16, 16, 3)", (1, 16, 8, 8), "input") == Blocks(16, 16, (3, 3))
    assert cut("Conv2d(256, 8, 3)", (1, 256, 8, 8), "output") == Blocks(256, 16)


def test_sums_of_a_forward_pass_from_many_channels_are_cut_as_peers_cut_them() -> None:
    layer, shape = "Conv3d(16, 32, 3, padding=1)", (1, 16, 4, 4, 4)
    assert cut(layer, shape, "output") == Blocks(16, 4)
    (problem,) = phases_of(layer, shape, "output")
    assert peers.keeps(problem, 4, (4 * 27,))
    assert cut("Conv3d(15, 32, 3, padding=1)", (1, 15, 4, 4, 4), "output") == Blocks(15, 1)
    assert cut("Conv3d(32, 16, 3, padding=1)", (1, 32, 4, 4, 4), "input") == Blocks(16, 1)


def cut(layer: str, shape: tuple[int, ...], key: str) -> Blocks:
    return direct_sums.blocks_of(phases_of(layer, shape, key), 4)


def off_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Image.offset
    monkeypatch.setattr(Image, "offset", lambda self, c: right(self, c) + 1)


def taps_packed_in_reverse(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Packing.way
    monkeypatch.setattr(Packing, "way", property(lambda self: -right.__get__(self)))


def last_block_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Band._transposed
    monkeypatch.setattr(Band, "_transposed", lambda *a: right(*a)[:-1])


def channels_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = vars(Blocks)["count"]
    monkeypatch.setattr(Blocks, "count", property(lambda self: right.__get__(self) - 1))


def earlier_blocks_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    never = Within(name("part") - 1, Form())
    for module in (direct_bands, direct_flat):
        monkeypatch.setattr(module, "not_first", lambda blocks: never)


def whole_vectors_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    right = direct_flat._put
    monkeypatch.setattr(
        direct_flat, "_put", lambda out, to, y, count, lanes, by: right(out, to, y, lanes, lanes, by)
    )


def zeros_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_image, "zeros", lambda *a: ())


MISTAKES = (
    (off_by_one, direct_chan.plans),
    (off_by_one, direct_flat.plans),
    (taps_packed_in_reverse, direct_chan.plans),
    (last_block_left_out, direct_chan.plans),
    (channels_left_out, direct_chan.plans),
    (channels_left_out, direct_flat.plans),
    (earlier_blocks_left_out, direct_chan.plans),
    (earlier_blocks_left_out, direct_flat.plans),
    (whole_vectors_stored, direct_flat.plans),
    (zeros_left_out, direct_flat.plans),
)


@pytest.mark.parametrize(("mistake", "kind"), MISTAKES)
def test_a_mistake_is_seen(
    mistake: Callable[[pytest.MonkeyPatch], None], kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    problems = phases_of("Conv2d(5, 3, (2, 3), padding=1)", (1, 5, 4, 7), "input")
    assert differing(next(iter(kind(problems, TARGETS[0]))), problems, 4) == 0
    mistake(monkeypatch)
    try:
        assert differing(next(iter(kind(problems, TARGETS[0]))), problems, 4) > 0
    except (IndexError, ValueError) as fault:
        assert "outside" in str(fault)


def test_products_of_arrays_are_those_of_the_plain_loops() -> None:
    for seed in range(12):
        problem = replace(drawn_problem(seed, 2), after=None)
        arrays = drawn(kernel_of(next(direct_chan.plans((problem,), TARGETS[0])), problem))
        assert products((problem,), arrays).tolist() == whole((problem,), arrays).tolist()


LAYERS = (
    ("Conv2d(5, 19, 3, padding=1)", (1, 5, 9, 20), "output"),
    ("Conv2d(20, 18, 3, padding=1)", (2, 20, 7, 7), "input"),
    ("Conv2d(3, 17, 5, stride=2, padding=2)", (1, 3, 15, 36), "input"),
)


@pytest.mark.parametrize("dtype", [pytest.param("float32", marks=pytest.mark.sweep), "float64"])
def test_compiled_kernels_are_within_the_bound_of_their_sums(dtype: str, tmp_path: Path) -> None:
    isa = compile.chosen_isa("native")
    target = Target(isa.lanes(dtype), isa.accumulators, isa.registers, np.dtype(dtype).itemsize)
    made = []
    for number, which in enumerate(LAYERS):
        problems = phases_of(*which)
        for letter, kind in (("c", direct_chan.plans), ("f", direct_flat.plans)):
            plan: Plan = min(kind(problems, target), key=lambda p: p.cost())
            made.append((problems, kernel_of(plan, problems[0], f"{letter}{number}")))
    module = compiled([k for _, k in made], dtype, isa, tmp_path)
    for problems, kernel in made:
        draw = np.random.default_rng(3)
        arrays = {b.name: draw.standard_normal(b.count).astype(dtype) for b in kernel.operands}
        out = np.full(kernel.out.count, np.nan, dtype)
        workspace = np.full(kernel.workspace + 16, np.nan, dtype)
        getattr(module, f"call_{kernel.name}")(out, *arrays.values(), workspace)
        exact = products(problems, arrays, np.longdouble)
        size = products(problems, {n: abs(a) for n, a in arrays.items()}, np.longdouble)
        terms = 2 + problems[0].ins * max(p.taps for p in problems)
        assert (abs(out - exact) <= terms * np.finfo(dtype).eps * size).all(), kernel.name


def compiled(kernels: list[Kernel], dtype: str, isa: compile.Isa, folder: Path) -> ModuleType:
    """The kernels as a module, their text past the gate."""
    text, title = module_text("direct", (), kernels), f"direct_{dtype}"
    gate(text)
    source, binary = folder / f"{title}.pyx", folder / f"{title}.so"
    source.write_text(text, encoding="utf-8")
    given = (SHIPPED_ELEMENT[dtype], f"BF_LANES={isa.lanes(dtype)}")
    compile.to_binary(compile.to_c(source, title), binary, isa, given)
    return compile.load(title, binary)
