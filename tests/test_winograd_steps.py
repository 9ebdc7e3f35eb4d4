"""Taps transformed in steps right before they are used: the bits of taps transformed ahead, and less room."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conv_reference import operands, reference
from winograd_parts import artefact_of, contraction_of, kernel_of

from codegen.compile import ISAS
from codegen.errors import BuildError
from codegen.forked import forked
from codegen.loops import If, Kernel, Loop, Part
from codegen.packed import check_packed
from codegen.rig import Rig
from codegen.run import run
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd import MOST_STEPPED, plans
from codegen.schedules.winograd_forward import Winograd
from codegen.schedules.winograd_output import Back
from codegen.schedules.winograd_product import Levels
from codegen.schedules.winograd_tiles import Tiles
from codegen.specialised import _cheapest
from codegen.targets.cython.parts import packed_count
from codegen.tuning import _compiled
from codegen.validate import validate
from derive.layers.conv import Conv2d
from derive.toom import transform

LAYER, SHAPE = Conv2d(16, 8, 3, padding=1), (1, 16, 7, 9)
TARGET = Target(4, 12, 16)
LARGE = Target(16, 28, 32, 4, accuracy="relaxed")
CUT = Levels(2, 2, True)


def stepped(steps: int, threads: int, contraction: Contraction) -> Winograd:
    """All tiles of all images in one band."""
    over = (transform(2, 3), transform(2, 3))
    tall = -(-contraction.axes[0].out // 2)
    plan = Winograd(contraction, replace(TARGET, threads=threads), over, tall, 3, 1, CUT, steps=steps)
    return replace(plan, images=contraction.batch)


def cut_otherwise(levels: Levels, contraction: Contraction) -> Winograd:
    """The same with sums that are added in another order."""
    return replace(stepped(2, 2, contraction), levels=levels)


@pytest.mark.parametrize("key", ["output", "input"])
@pytest.mark.parametrize(("steps", "threads"), [(1, 1), (2, 2), (4, 1)])
def test_loops_in_steps_equal_plain_numpy_exactly(key: str, steps: int, threads: int) -> None:
    layer = LAYER if key == "output" else Conv2d(8, 16, 3, padding=1)
    shape = (1, layer.in_channels, *SHAPE[2:])
    data = operands(layer, shape, steps, object, 99)
    kernel = kernel_of(layer, shape, key, partial(stepped, steps, threads))
    assert (run(kernel, data, 4, Fraction(0)) == reference(layer, data)[key]).all()
    held = next(b for b in kernel.scratch if b.packed)
    outs = layer.out_channels if key == "output" else layer.in_channels
    assert held.turn * steps * (outs // 4) == held.count
    assert kernel.workspace < kernel_of(layer, shape, key, partial(stepped, 0, threads)).workspace


BATCH = (3, *SHAPE[1:])


@pytest.mark.parametrize("key", ["output", "input"])
@pytest.mark.parametrize(("steps", "threads"), [(0, 2), (1, 1), (2, 2)])
def test_loops_over_all_images_equal_plain_numpy_exactly(key: str, steps: int, threads: int) -> None:
    layer = LAYER if key == "output" else Conv2d(8, 16, 3, padding=1)
    shape = (BATCH[0], layer.in_channels, *BATCH[2:])
    data = operands(layer, shape, steps, object, 99)
    kernel = kernel_of(layer, shape, key, partial(stepped, steps, threads))
    assert (run(kernel, data, 4, Fraction(0)) == reference(layer, data)[key]).all()


@pytest.mark.parametrize("of", [Tiles, Back])
def test_images_in_one_place_are_seen(of: type, monkeypatch: pytest.MonkeyPatch) -> None:
    data = operands(LAYER, BATCH, 5, object, 99)
    monkeypatch.setattr(of, "plane", 9999)
    right = reference(LAYER, data)["output"]
    for place, equal in ((None, True), (0, False)):
        if place is not None:
            monkeypatch.setattr(of, "image", place)
        found = run(kernel_of(LAYER, BATCH, "output", partial(stepped, 1, 1)), data, 4, Fraction(0))
        assert (found == right).all() == equal


def test_all_images_are_one_band_where_a_block_has_them_near() -> None:
    for batch, groups, worth in ((1, 1, True), (8, 1, True), (512, 1, False), (8, 2, False)):
        layer = Conv2d(512, 512, 3, padding=1, groups=groups)
        found = list(plans(contraction_of(layer, (batch, 512, 7, 7), "output"), LARGE))
        wanted = [p for p in found if isinstance(p, Winograd) and p.steps and p.images == batch]
        assert bool(wanted) == worth
        assert not worth or min(found, key=lambda p: p.cost()) in wanted


def changed(kernel: Kernel, name: str, body: Any) -> Kernel:
    parts = [
        replace(s, body=body(s.body)) if isinstance(s, Part) and s.name == name else s for s in kernel.body
    ]
    return replace(kernel, body=tuple(parts))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param(
            "outputs", lambda b: tuple(s for s in b if not isinstance(s, If)), id="no first or last"
        ),
        pytest.param("outputs", lambda b: tuple(s for s in b if not isinstance(s, Loop)), id="products"),
        pytest.param("pack_taps", lambda b: (), id="taps"),
    ],
)
def test_a_step_that_is_left_out_is_seen(name: str, body: Any) -> None:
    data = operands(LAYER, SHAPE, 2, object, 99)
    kernel = kernel_of(LAYER, SHAPE, "output", partial(stepped, 2, 1))
    found = run(changed(kernel, name, body), data, 4, Fraction(0))
    assert not (found == reference(LAYER, data)["output"]).all()


def compiled(folder: Path, *edits: tuple[str, str], shape: tuple[int, ...] = SHAPE) -> Any:
    return artefact_of(folder, LAYER, shape, {"output": partial(stepped, 2, 2)}, TARGET, edits=edits)


@pytest.mark.parametrize("shape", [SHAPE, BATCH])
def test_texts_in_steps_pass_validation_packed_and_on_two_threads(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    checked = {(c.kernel, c.method) for c in validate(compiled(tmp_path, shape=shape)).checks}
    assert {("output", m) for m in ("field", "rational", "packed", "threads")} <= checked


TURN = "workspace, thread, turn, turn + 1, step, step + 1"
FIRST = "workspace, thread, turn, turn + 1, 0, 1"


WRONG = [
    pytest.param(f"(room, weight, {TURN})", f"(room, weight, {FIRST})", id="first taps again"),
    pytest.param("pack_taps(packed + thread * 2 // 2 * ", "pack_taps(packed + 0 * ", id="packed elsewhere"),
    pytest.param(f"bias, {TURN})", f"bias, {FIRST})", id="never last", marks=pytest.mark.sweep),
]


@pytest.mark.parametrize(("old", "new"), WRONG)
def test_steps_that_do_not_meet_are_seen_beside_packed_weights(tmp_path: Path, old: str, new: str) -> None:
    made = compiled(tmp_path, (old, new))
    rig = Rig(made, "output", made.load_variant(("BF_ELEMENT_FLOAT",)), "float32")
    with pytest.raises(BuildError, match="packed beforehand"):
        check_packed(made, rig, np.random.default_rng(1))


@pytest.mark.sweep
@pytest.mark.parametrize(("old", "new"), WRONG)
def test_steps_that_do_not_meet_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(BuildError, match="output"):
        validate(compiled(tmp_path, (old, new)))


def test_steps_are_taken_where_transformed_taps_would_leave_the_cache() -> None:
    for outs, places, worth in ((512, 7, True), (64, 28, False)):
        layer, shape = Conv2d(outs, outs, 3, padding=1), (1, outs, places, places)
        for key in ("output", "input"):
            found = list(plans(contraction_of(layer, shape, key), LARGE))
            assert any(p.steps for p in found if isinstance(p, Winograd)) == worth
            best = min(found, key=lambda p: p.cost())
            assert isinstance(best, Winograd) and bool(best.steps) == worth
            assert not worth or best.filter.piece * 4 <= MOST_STEPPED < best.filter.count * 4


def test_one_of_several_plans_packs_whole() -> None:
    contraction = contraction_of(Conv2d(512, 512, 3, padding=1), (1, 512, 7, 7), "output")
    found = _cheapest(contraction, LARGE, True)
    assert found is not None and not any(s.turn for s in found.scratch())
    assert any(s.packed for s in found.scratch())


def test_bits_do_not_depend_on_steps_threads_or_packing(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    data = {n: rng.standard_normal(v.shape).astype("f4") for n, v in operands(LAYER, SHAPE, 7, float).items()}
    kernels = [
        replace(kernel_of(LAYER, SHAPE, "output", partial(stepped, steps, 2)), name=f"by_{steps}")
        for steps in (0, 2, 4)
    ]
    chain = partial(cut_otherwise, Levels(2, 4, False))
    kernels.append(replace(kernel_of(LAYER, SHAPE, "output", chain), name="otherwise"))
    module = _compiled(kernels, "steps", tmp_path / "steps", ISAS["portable"], "float32")
    found = list[bytes]()
    for alone in (False, True):
        module.on_one_thread(alone or forked())
        found += [bits for kernel in kernels for bits in results(module, kernel, data)]
    assert [len(set(found[i::8])) for i in range(8)] == [1] * 8
    assert found[0] == found[2] == found[4] and found[1] == found[0] != found[6]


def results(module: Any, kernel: Kernel, data: dict[str, Any]) -> list[bytes]:
    """The bits of the result, the weight packed in the call and before it."""
    out, room = np.zeros(kernel.out.count, "f4"), np.zeros(kernel.workspace, "f4")
    held = np.zeros(packed_count(kernel), "f4")
    given = {b.name: np.ascontiguousarray(data[b.name]) for b in kernel.operands}
    getattr(module, f"call_{kernel.name}")(out, *given.values(), room)
    bits = [out.tobytes()]
    getattr(module, f"call_pack_{kernel.name}")(held, given["weight"], room)
    given["weight"] = held
    getattr(module, f"call_packed_{kernel.name}")(out, *given.values(), room)
    return [*bits, out.tobytes()]
