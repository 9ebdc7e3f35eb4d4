"""Winograd's gradient by the weight with the tiles of all images as terms of one sum."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conv_reference import operands, reference
from winograd_parts import artefact_of, contraction_of, kernel_of

from codegen.errors import BuildError
from codegen.run import run
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd import plans
from codegen.schedules.winograd_gradient import Gradient
from codegen.schedules.winograd_product import Levels
from codegen.schedules.winograd_tiles import Tiles
from codegen.validate import validate
from derive.layers.conv import Conv2d
from derive.toom import transform

LAYER = Conv2d(8, 8, 3, padding=((0, 2), (2, 1)), bias=False)
NARROW, WIDE = (3, 8, 7, 2), (3, 8, 5, 9)
TARGET = Target(4, 12, 16)
LARGE = Target(16, 28, 32, 4, accuracy="relaxed")
HELD, CHAIN = Levels(2, 2, True), Levels(3, 1, False)


def joined(span: int, levels: Levels, threads: int, contraction: Contraction) -> Gradient:
    """All tiles of all images in one band; a register tile is smaller than all channels."""
    over = (transform(3, 2), transform(3, 4))
    tall, target = -(-contraction.axes[0].out // 2), replace(TARGET, threads=threads)
    return Gradient(contraction, target, over, tall, span, 3, 1, levels, images=contraction.batch)


@pytest.mark.parametrize("shape", [NARROW, WIDE])
@pytest.mark.parametrize(("span", "levels"), [(4, HELD), (8, CHAIN)])
def test_loops_equal_plain_numpy_exactly(span: int, levels: Levels, shape: tuple[int, ...]) -> None:
    data = operands(LAYER, shape, span, object, 99)
    kernel = kernel_of(LAYER, shape, "weight", partial(joined, span, levels, 1))
    assert (run(kernel, data, 4, Fraction(0)) == reference(LAYER, data)["weight"]).all()


@pytest.mark.parametrize("shape", [NARROW, WIDE])
def test_images_in_one_place_are_seen(shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    data = operands(LAYER, shape, 5, object, 99)
    right = reference(LAYER, data)["weight"]
    monkeypatch.setattr(Tiles, "plane", 9999)
    for together in (False, True):
        if together:
            monkeypatch.setattr(Tiles, "image", 0)
        found = run(kernel_of(LAYER, shape, "weight", partial(joined, 4, HELD, 1)), data, 4, Fraction(0))
        assert (found == right).all() != together


def compiled(folder: Path, *edits: tuple[str, str]) -> Any:
    return artefact_of(folder, LAYER, WIDE, {"weight": partial(joined, 4, HELD, 2)}, TARGET, edits=edits)


def test_its_text_passes_validation_by_its_class_and_on_two_threads(tmp_path: Path) -> None:
    checked = {(c.kernel, c.method) for c in validate(compiled(tmp_path)).checks}
    assert {("grad_weight", m) for m in ("field", "rational", "threads")} <= checked


def test_an_image_that_is_left_out_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="grad_weight"):
        validate(compiled(tmp_path, ("for n in range(3):", "for n in range(2):")))


def test_it_is_chosen_where_a_batch_of_small_images_stays_near() -> None:
    for batch, groups, worth in ((8, 1, True), (512, 1, False), (8, 2, False)):
        layer = Conv2d(512, 512, 3, padding=1, groups=groups)
        found = list(plans(contraction_of(layer, (batch, 512, 7, 7), "weight"), LARGE))
        wanted = [p for p in found if isinstance(p, Gradient) and p.images == batch]
        assert bool(wanted) == worth
        assert not worth or min(found, key=lambda p: p.cost()) in wanted


def test_two_threads_add_in_the_order_of_one() -> None:
    contraction = contraction_of(Conv2d(256, 256, 3, padding=1), (8, 256, 14, 14), "weight")
    orders = []
    for threads in (1, 2):
        made = [p for p in plans(contraction, replace(LARGE, threads=threads)) if isinstance(p, Gradient)]
        orders.append(list(dict.fromkeys(p.order for p in made)))
        assert any(p.images == 8 for p in made)
    assert orders[0] == orders[1]
    one = joined(4, HELD, 1, contraction)
    assert one.order != replace(one, images=1).order
