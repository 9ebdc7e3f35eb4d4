"""ROLLING against plain loops on whole numbers: edges, strides, phases, short lines; a slip is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count, product

import numpy as np
import pytest

from codegen.loops import Assign, Buffer, Call, Kernel, Loop, Part, Statement
from codegen.run import run
from codegen.schedules import rolling
from codegen.schedules.nest import Target
from codegen.schedules.planned import Room
from codegen.schedules.problem import Axis, Contraction, Operand

WIDE, NARROW = Target(8, 28, 32), Target(4, 12, 16)
SIZES = [
    # image, taps, stride, dilation, pad of rows and line
    (((9, 3, 1, 1, 1), (37, 3, 1, 1, 1)), 2, 1),
    (((11, 3, 2, 1, 1), (41, 3, 2, 1, 1)), 1, 2),
    (((7, 5, 2, 1, 2), (38, 3, 2, 1, 1)), 1, 1),
    (((9, 3, 1, 2, 2), (21, 3, 1, 2, 2)), 1, 1),
    (((5, 1, 2, 1, 0), (18, 1, 2, 1, 0)), 1, 1),
    (((4, 3, 1, 1, 5), (7, 3, 1, 1, 4)), 1, 1),
    (((9, 4, 2, 1, 1), (35, 4, 1, 1, 1)), 1, 1),
    (((19, 5, 2, 1, 3),), 2, 3),
]


def problem(sizes: tuple[tuple[int, ...], ...], batch: int, groups: int, result: str) -> Contraction:
    """A depthwise contraction over dense arrays."""
    outs = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, d, p in sizes]
    axes = []
    for i, (n, k, s, d, p) in enumerate(sizes):
        steps = [
            int(np.prod(whole[i + 1 :])) for whole in (outs, [x[1] for x in sizes], [x[0] for x in sizes])
        ]
        axes.append(Axis(outs[i], k, n, s, d, p, *steps))
    image, out, taps = (int(np.prod(v)) for v in ([x[0] for x in sizes], outs, [x[1] for x in sizes]))

    def operand(title: str, size: int, both: bool) -> Operand:
        counts = batch * groups if both else groups
        steps = {"g": size, "n": groups * size} if both else {"g": size}
        return Operand(Buffer(title, counts * size), 0, steps)

    bias = Operand(Buffer("bias", groups), 0, {"g": 1}) if result == "out" else None
    title = "out" if result == "out" else "grad_output"
    weight = operand("out" if result == "weight" else "weight", taps, False)
    return Contraction(
        batch, groups, 1, 1, tuple(axes), operand(title, out, True), operand("image", image, True), weight,
        result, bias,
    )  # fmt: skip


def kernel(problems: tuple[Contraction, ...], target: Target) -> Kernel:
    """The kernel of the one plan that there is."""
    (plan,) = rolling.plans_of_phases(problems, target)
    first = problems[0]
    operands = (first.image, first.out if first.result == "weight" else first.weight, first.bias)
    out = first.weight.buffer if first.result == "weight" else first.out.buffer
    body = plan.statements(Room({}, count(1)))
    return Kernel("output", out, tuple(o.buffer for o in operands if o is not None), (), body)


def products(one: Contraction) -> Iterator[tuple[int, int, int, int]]:
    """Group and addresses of every product inside the image."""
    for n, g in product(range(one.batch), range(one.groups)):
        for q, t in product(
            product(*(range(a.out) for a in one.axes)), product(*(range(a.taps) for a in one.axes))
        ):
            x = [a.stride * i + a.dilation * j - a.pad for a, i, j in zip(one.axes, q, t, strict=True)]
            if all(0 <= i < a.image for i, a in zip(x, one.axes, strict=True)):
                yield g, *(
                    o.base + n * o.step("n") + g * o.step("g") + int(np.dot(v, steps))
                    for o, v, steps in (
                        (one.out, q, [a.out_step for a in one.axes]),
                        (one.image, x, [a.image_step for a in one.axes]),
                        (one.weight, t, [a.tap_step for a in one.axes]),
                    )
                )  # fmt: skip


def expected(problems: tuple[Contraction, ...], data: dict[str, list[int]]) -> list[int]:
    """The result by plain loops."""
    first = problems[0]
    if first.result == "weight":
        total = [0] * first.weight.buffer.count
        for _, out, image, weight in products(first):
            total[weight] += data["grad_output"][out] * data["image"][image]
        return total
    total = [0] * first.out.buffer.count
    for one in problems:
        for _, out, image, weight in products(one):
            total[out] += data["weight"][weight] * data["image"][image]
    if first.bias is not None:
        size = first.out.step("g")
        total = [v + data["bias"][i // size % first.groups] for i, v in enumerate(total)]
    return total


def drawn(made: Kernel, seed: int) -> dict[str, list[int]]:
    rng = np.random.default_rng(seed)
    return {b.name: rng.integers(-50, 50, b.count).tolist() for b in made.operands}


@pytest.mark.parametrize("target", [WIDE, NARROW])
@pytest.mark.parametrize("result", ["out", "weight"])
@pytest.mark.parametrize("number", range(len(SIZES)))
def test_results_are_those_of_plain_loops(number: int, result: str, target: Target) -> None:
    one = problem(*SIZES[number], result)
    if result == "weight" and one.taps > target.accumulators:
        assert not list(rolling.plans(one, target))
        return
    made = kernel((one,), target)
    data = drawn(made, number)
    assert run(made, data, target.lanes).tolist() == expected((one,), data)


def phases(extents: tuple[int, int]) -> tuple[Contraction, ...]:
    """The four phases of the gradient of a 3 by 3 filter at stride 2, pad 1, over an image."""
    rows, line = extents
    outs = [(n + 1) // 2 for n in extents]
    image = Operand(Buffer("image", 3 * outs[0] * outs[1]), 0, {"g": outs[0] * outs[1]})
    found = []
    for i, j in product((0, 1), repeat=2):
        axes = []
        for axis, phase in enumerate((i, j)):
            step, tap = ((line, 3), (1, 1))[axis]
            counts = -(-(extents[axis] - phase) // 2), 1 + phase, outs[axis]
            axes.append(Axis(*counts, 1, 1, 0, 2 * step, -2 * tap, (outs[1], 1)[axis]))
        last = (1 + i) * 3 + (1 + j)
        weight = Operand(Buffer("weight", 27), last, {"g": 9})
        out = Operand(Buffer("out", 3 * rows * line), i * line + j, {"g": rows * line})
        found.append(Contraction(1, 3, 1, 1, tuple(axes), out, image, weight))
    return tuple(found)


@pytest.mark.parametrize("target", [WIDE, NARROW])
@pytest.mark.parametrize("extents", [(8, 40), (9, 39), (3, 5)])
def test_phases_side_by_side_are_woven(extents: tuple[int, int], target: Target) -> None:
    problems = phases(extents)
    made = kernel(problems, target)
    assert "v_zip_low" in {s.value.operation for s in walked(made.body) if isinstance(s, Assign)}
    data = drawn(made, 5)
    assert run(made, data, target.lanes).tolist() == expected(problems, data)


def walked(body: tuple[Statement, ...]) -> Iterator[Statement]:
    for statement in body:
        yield statement
        if isinstance(statement, Loop | Part):
            yield from walked(statement.body)


def test_a_product_that_is_left_out_is_seen() -> None:
    one = problem(*SIZES[0], "out")
    made = kernel((one,), WIDE)
    sums = [s for s in walked(made.body) if isinstance(s, Assign) and s.value.operation == "v_fma"]
    data = drawn(made, 1)
    right = expected((one,), data)
    zero = next(s for s in walked(made.body) if isinstance(s, Assign) and s.value.operation == "v_zero")
    for chosen in sums[:: max(1, len(sums) // 5)]:
        kept = Assign(chosen.name, Call("v_add", (chosen.value.arguments[0], zero.name)))
        wrong = replace(made, body=swapped(made.body, chosen, kept))
        assert run(wrong, data, WIDE.lanes).tolist() != right


def swapped(body: tuple[Statement, ...], old: Statement, new: Statement) -> tuple[Statement, ...]:
    """A body with a statement replaced by another, wherever it stands."""
    return tuple(
        new if s is old else replace(s, body=swapped(s.body, old, new)) if isinstance(s, Loop | Part) else s
        for s in body
    )


def test_what_is_not_depthwise_has_no_plan() -> None:
    one = problem(*SIZES[0], "out")
    assert not list(rolling.plans(replace(one, ins=2), WIDE))
    far = replace(one, axes=(one.axes[0], replace(one.axes[1], image_step=2)))
    assert not list(rolling.plans(far, WIDE)) and not list(rolling.plans(one, Target(1, 12, 16)))
