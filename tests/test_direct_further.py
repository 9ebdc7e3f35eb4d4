"""Direct convolution: blocks added up in registers, and the halves of lines that a stride of two reads."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from math import prod

import pytest
from direct_problems import differing
from test_direct import TARGETS, Kind, in_blocks, phases_of

from codegen.schedules import direct_bands, direct_chan, direct_flat, direct_halves, direct_lines, direct_sums
from codegen.schedules.direct_halves import Halves
from codegen.schedules.direct_image import Image
from codegen.schedules.nest import Function


@pytest.mark.parametrize("kind", [direct_chan.plans, direct_flat.plans])
@pytest.mark.parametrize("by_taps", [False, True])
def test_blocks_are_added_up_in_registers(kind: Kind, by_taps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exact; and what is not added to the totals is seen."""
    in_blocks(monkeypatch, by_taps)
    layer, shape = "Conv2d(3, 6, (2, 3), stride=(2, 1), padding=1)", (1, 3, 4, 9)
    problems = tuple(replace(p, after=Function("relu")) for p in phases_of(layer, shape, "output"))
    for target in TARGETS:
        found = [p for p in kind(problems, target) if "registers" in p.note()]
        for plan in random.Random(1).sample(found, 2):
            assert differing(plan, problems, target.lanes) == 0, plan.note()
    right = direct_sums.totalled
    for module in (direct_bands, direct_flat):
        monkeypatch.setattr(module, "totalled", lambda *a: replace(r := right(*a), body=r.body[:-1]))
    assert differing(found[0], problems, target.lanes) > 0


STRIDED = (
    ("Conv2d(2, 3, 5, stride=2, padding=2)", (1, 2, 7, 18)),
    ("Conv2d(2, 3, (2, 3), stride=(3, 2), padding=(1, 2), dilation=(1, 3))", (2, 2, 7, 19)),
    ("Conv1d(2, 3, 4, stride=2, dilation=2)", (1, 2, 27)),
    ("Conv3d(1, 2, (1, 2, 1), stride=2, padding=(0, 1, 0))", (1, 1, 3, 4, 11)),
)


@pytest.mark.parametrize(("layer", "shape"), STRIDED)
def test_a_stride_of_two_reads_even_and_odd_places_apart(layer: str, shape: tuple[int, ...]) -> None:
    problems = phases_of(layer, shape, "output")
    for target in TARGETS:
        found = list(direct_flat.plans(problems, target))
        assert all(plan.image.split == 2 for plan in found)
        for plan in random.Random(4).sample(found, 3):
            assert differing(plan, problems, target.lanes) == 0, plan.note()


def test_other_strides_are_not_read_in_halves() -> None:
    by_three = phases_of("Conv1d(2, 3, 4, stride=3)", (1, 2, 27), "output")
    assert not list(direct_flat.plans(by_three, TARGETS[0]))
    by_two = phases_of("Conv1d(2, 8, 3, stride=2)", (1, 2, 9), "output")
    assert list(direct_flat.plans(by_two, TARGETS[0]))


def halves_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Halves._pair
    monkeypatch.setattr(
        Halves, "_pair", lambda self, into, pair, firsts: right(self, into, pair, firsts[::-1])
    )


def zeros_of_halves_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_halves, "zeros", lambda *a: ())


def second_group_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    right = direct_lines._groups
    monkeypatch.setattr(direct_lines, "_groups", lambda taps, image: list(right(taps, image))[:1])


def second_group_from_the_first_tap(monkeypatch: pytest.MonkeyPatch) -> None:
    right = direct_lines._groups
    monkeypatch.setattr(
        direct_lines, "_groups", lambda taps, image: [replace(g, weight=0) for g in right(taps, image)]
    )


@pytest.mark.parametrize(
    "mistake",
    [halves_changed, zeros_of_halves_left_out, second_group_left_out, second_group_from_the_first_tap],
)
def test_a_mistake_in_halves_is_seen(
    mistake: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake(monkeypatch)
    problems = phases_of(*STRIDED[0], "output")
    assert differing(next(direct_flat.plans(problems, TARGETS[0])), problems, 4) > 0


@pytest.mark.parametrize("kind", [direct_chan.plans, direct_flat.plans])
def test_zeros_before_inner_lines_stay_inside_the_copy(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing behind the outermost axis, much before the next one; with the planes cut short it is seen."""
    strides = (3, 3, 3) if kind is direct_chan.plans else (3, 3, 1)
    layer = f"Conv3d(2, 2, (2, 3, 3), stride={strides}, padding=(1, 2, 2))"
    problems = phases_of(layer, (1, 2, 4, 4, 9), "output")
    assert differing(next(iter(kind(problems, TARGETS[0]))), problems, 4) == 0
    monkeypatch.setattr(Image, "plane", property(lambda self: prod(s.length for s in self.spans)))
    try:
        assert differing(next(iter(kind(problems, TARGETS[0]))), problems, 4) > 0
    except IndexError as fault:
        assert "outside" in str(fault)
