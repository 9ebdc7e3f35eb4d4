"""A plan of a specialised schedule as a kernel of its own, and its result by the interpreter, for tests."""

from __future__ import annotations

import random
from itertools import count
from typing import Any

from contraction_values import whole

from codegen.contraction import contractions
from codegen.loops import Buffer, Kernel
from codegen.produce import claims_of
from codegen.run import UNWRITTEN, run
from codegen.schedules.planned import Plan, Room
from codegen.schedules.problem import Contraction
from derive.spelling import parse_layer

LINE = 16


def contraction_of(layer: str, shape: tuple[int, ...], key: str) -> Contraction:
    """The first contraction of a layer's result or gradient."""
    parsed = parse_layer(layer)
    claim = claims_of(parsed, shape, [key])[key]
    return contractions(key, claim, {d.tensor.name: d for d in claim.setting.definitions})[0]


def kernel_of(plan: Plan, problem: Contraction, title: str = "output", threads: int = 1) -> Kernel:
    """The plan's parts with its scratch, packed weights first."""
    held: dict[str, Buffer] = {}
    end = 0
    for s in sorted(plan.scratch(), key=lambda s: not s.packed):
        size = -(-s.count // LINE) * LINE
        held[s.name] = Buffer(s.name, size if s.own else s.count, end, s.copied, s.own, s.packed)
        end += size * (threads if s.own else 1)
    body = plan.statements(Room(held, count(1)))
    result = getattr(problem, problem.result)
    given = [o for o in (problem.image, problem.weight, problem.out, problem.bias) if o and o is not result]
    operands = tuple(o.buffer for o in given)
    return Kernel(title, result.buffer, operands, tuple(held.values()), body, threads=threads)


def drawn(kernel: Kernel, seed: int = 1) -> dict[str, Any]:
    """Small whole numbers for the operands."""
    draw = random.Random(seed)
    return {b.name: [draw.randint(-9, 9) for _ in range(b.count)] for b in kernel.operands}


def wrong(plan: Plan, problem: Contraction, lanes: int) -> list[int]:
    """The entries that the plan gets wrong, those it should leave alone included; by the interpreter."""
    kernel = kernel_of(plan, problem)
    arrays = drawn(kernel)
    got, expected = run(kernel, arrays, lanes).tolist(), whole((problem,), arrays).tolist()
    mine = computed(problem)
    return [
        i
        for i, (a, b) in enumerate(zip(got, expected, strict=True))
        if (a is not UNWRITTEN if i not in mine else a is UNWRITTEN or a != b)
    ]


def computed(problem: Contraction) -> set[int]:
    """The entries of the result that the contraction has: those that meet operands of ones."""
    kernel_operands = [problem.image, problem.weight, problem.out]
    ones = {o.buffer.name: [1] * o.buffer.count for o in kernel_operands}
    if problem.bias is not None:
        ones[problem.bias.buffer.name] = [1] * problem.bias.buffer.count
    return {i for i, v in enumerate(whole((problem,), ones).tolist()) if v}
