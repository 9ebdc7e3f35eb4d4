"""Contractions drawn at random with all that may differ, and what direct plans make of them, for tests."""

from __future__ import annotations

import random
from math import prod
from typing import Any

import numpy as np
from contraction_values import whole
from planned_kernels import drawn, kernel_of

from codegen.loops import Buffer, Kernel, Part
from codegen.run import Machine
from codegen.schedules.nest import Function
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Axis, Contraction, Operand

MARGIN = 3
"""Elements of buffers before the first entry and behind the last one."""


def drawn_problem(seed: int, lanes: int) -> Contraction:
    """A contraction of dense tensors, taps in either direction, pads of either sign."""
    draw = random.Random(seed)
    rank = draw.choice((1, 2, 2, 2, 3))
    batch, groups = draw.choice((1, 2)), draw.choice((1, 1, 2))
    outs, ins = draw.randint(1, 2 * lanes + 1), draw.randint(1, 3)
    sizes = [_sizes(draw, rank) for _ in range(rank)]
    out = _dense((batch, groups, outs, *(s["out"] for s in sizes)), "out", ("n", "g", "k"))
    image = _dense((batch, groups, ins, *(s["image"] for s in sizes)), "image", ("n", "g", "c"))
    order = draw.choice((("g", "k", "c"), ("g", "c", "k")))
    counts = {"g": groups, "k": outs, "c": ins}
    weight = _dense((*(counts[k] for k in order), *(s["taps"] for s in sizes)), "weight", order)
    axes, base = [], MARGIN
    for number, size in enumerate(sizes):
        down = draw.random() < 0.5
        step = weight[1][number]
        base += step * (size["taps"] - 1) if down else 0
        axes.append(
            Axis(
                **size, out_step=out[1][number], tap_step=-step if down else step, image_step=image[1][number]
            )
        )
    held = Operand(weight[0].buffer, base, weight[0].steps)
    bias = Operand(Buffer("bias", groups * outs), 0, {"g": outs, "k": 1}) if draw.random() < 0.5 else None
    after = Function("relu") if draw.random() < 0.3 else None
    return Contraction(batch, groups, outs, ins, tuple(axes), out[0], image[0], held, "out", bias, after)


def _sizes(draw: random.Random, rank: int) -> dict[str, int]:
    """One axis, of which some result reads the image."""
    most = {1: 23, 2: 9, 3: 4}[rank]
    while True:
        image, taps = draw.randint(1, most), draw.randint(1, 4)
        stride, dilation, pad = draw.randint(1, 3), draw.randint(1, 2), draw.randint(-1, 3)
        out = draw.randint(1, max(1, (image + 2 * max(pad, 0)) // stride))
        if -pad < image and stride * (out - 1) + dilation * (taps - 1) - pad >= 0:
            return {
                "out": out,
                "taps": taps,
                "image": image,
                "stride": stride,
                "dilation": dilation,
                "pad": pad,
            }


def _dense(shape: tuple[int, ...], title: str, kinds: tuple[str, ...]) -> tuple[Operand, list[int]]:
    """A tensor in C order with elements of no use around it: the operand and the steps of its axes."""
    steps = [prod(shape[i + 1 :]) for i in range(len(shape))]
    named = {k: s for k, s, n in zip(kinds, steps, shape, strict=False) if n > 1}
    return Operand(Buffer(title, prod(shape) + 2 * MARGIN), MARGIN, named), steps[len(kinds) :]


class Backwards(Machine):
    """A machine that takes the turns of every part from the last to the first."""

    def execute(self, body: tuple[Any, ...]) -> None:
        for statement in body:
            if isinstance(statement, Part):
                for value in reversed(range(statement.count)):
                    self.integers[statement.index] = value
                    self.execute(statement.body)
            else:
                super().execute((statement,))


def computed(
    kernel: Kernel, arrays: dict[str, Any], lanes: int, machine: type[Machine] = Machine
) -> list[Any]:
    """The kernel's flat result; what it does not write is 0, as `whole` has it."""
    found = machine(kernel, arrays, lanes, 0, {"relu": lambda x: max(x, 0)}).result().tolist()
    return [v if isinstance(v, int) else 0 for v in found]


def expected(problems: tuple[Contraction, ...], arrays: dict[str, Any]) -> list[int]:
    values = [int(v) for v in whole(problems, arrays)]
    return [max(v, 0) for v in values] if problems[0].after else values


def differing(
    plan: Plan, problems: tuple[Contraction, ...], lanes: int, machine: type[Machine] = Machine
) -> int:
    """How many entries of the result are wrong."""
    kernel = kernel_of(plan, problems[0])
    arrays = drawn(kernel)
    got, right = computed(kernel, arrays, lanes, machine), expected(problems, arrays)
    return sum(a != b for a, b in zip(got, right, strict=True))


def products(problems: tuple[Contraction, ...], arrays: dict[str, Any], kind: type[Any] = np.int64) -> Any:
    """The same as `contraction_values.whole`, all places and channels of a tap at once."""
    out = np.zeros(problems[0].out.buffer.count, kind)
    given = {n: np.asarray(a, kind) for n, a in arrays.items()}
    for c in problems:
        n, g, k, i, *q = np.ogrid[
            tuple(map(slice, (c.batch, c.groups, c.outs, c.ins, *(a.out for a in c.axes))))
        ]
        at = {"n": n, "g": g, "k": k, "c": i}
        to = _address(c.out, at, [a.out_step * o for a, o in zip(c.axes, q, strict=True)])
        total = np.zeros(np.broadcast_shapes(to.shape), kind)
        if c.bias is not None:
            total = total + given[c.bias.buffer.name][_address(c.bias, at, [])]
        for t in np.ndindex(*(a.taps for a in c.axes)):
            x = [a.stride * o + a.dilation * j - a.pad for a, o, j in zip(c.axes, q, t, strict=True)]
            inside = np.asarray(True)
            for a, v in zip(c.axes, x, strict=True):
                inside = inside & (v >= 0) & (v < a.image)
            read = _address(c.image, at, [a.image_step * v for a, v in zip(c.axes, x, strict=True)])
            weight = _address(c.weight, at, [a.tap_step * j for a, j in zip(c.axes, t, strict=True)])
            values = given[c.image.buffer.name][np.where(inside, read, 0)] * inside
            total = total + (values * given[c.weight.buffer.name][weight]).sum(axis=3, keepdims=True)
        out[to] = total
    return out


def _address(operand: Operand, at: dict[str, Any], further: list[Any]) -> Any:
    return operand.base + sum(operand.step(kind) * value for kind, value in at.items()) + sum(further)
