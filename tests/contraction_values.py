"""The equations of `codegen.schedules.problem` as plain loops over flat arrays, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from codegen.schedules.problem import Contraction, Operand


def place(operand: Operand, **at: int) -> int:
    return operand.base + sum(operand.step(kind) * value for kind, value in at.items())


def add(problem: Contraction, arrays: dict[str, Any], out: Any) -> None:
    """Adds every product of a contraction to the flat result."""
    counts = (problem.batch, problem.groups, problem.outs, problem.ins)
    places = [range(a.out) for a in problem.axes]
    taps = [range(a.taps) for a in problem.axes]
    if problem.bias is not None and problem.result == "out":
        for to, g, k in results(problem):
            out[to] += arrays[problem.bias.buffer.name][place(problem.bias, g=g, k=k)]
    for n, g, k, c in product(*map(range, counts)):
        for q, t in product(product(*places), product(*taps)):
            x = [a.stride * i + a.dilation * j - a.pad for a, i, j in zip(problem.axes, q, t, strict=True)]
            if not all(0 <= v < a.image for v, a in zip(x, problem.axes, strict=True)):
                continue
            at = {
                "out": place(problem.out, n=n, g=g, k=k)
                + sum(a.out_step * i for a, i in zip(problem.axes, q, strict=True)),
                "image": place(problem.image, n=n, g=g, c=c)
                + sum(a.image_step * v for a, v in zip(problem.axes, x, strict=True)),
                "weight": place(problem.weight, g=g, k=k, c=c)
                + sum(a.tap_step * j for a, j in zip(problem.axes, t, strict=True)),
            }
            names = {n: getattr(problem, n).buffer.name for n in at}
            factors = [n for n in at if n != problem.result]
            assert min(at.values()) >= 0
            value = arrays[names[factors[0]]][at[factors[0]]] * arrays[names[factors[1]]][at[factors[1]]]
            out[at[problem.result]] += value


def results(problem: Contraction) -> Iterator[tuple[int, int, int]]:
    """The flat entries of out that a contraction computes, each with its group and channel."""
    counts = (problem.batch, problem.groups, problem.outs)
    for (n, g, k), q in product(product(*map(range, counts)), product(*(range(a.out) for a in problem.axes))):
        steps = sum(a.out_step * i for a, i in zip(problem.axes, q, strict=True))
        yield place(problem.out, n=n, g=g, k=k) + steps, g, k


def whole(problems: tuple[Contraction, ...], arrays: dict[str, Any]) -> Any:
    """The result of contractions together, as whole numbers."""
    buffer = getattr(problems[0], problems[0].result).buffer
    out = np.zeros(buffer.count, dtype=np.int64)
    for problem in problems:
        add(problem, arrays, out)
    return out


def complete(problems: tuple[Contraction, ...], arrays: dict[str, Any]) -> Any:
    """The same of all that a layer's result has, the bias where no contraction computes an entry."""
    out, bias = whole(problems, arrays), problems[0].bias
    if bias is None or problems[0].result != "out":
        return out
    left = np.ones(len(out), bool)
    left[[to for problem in problems for to, _, _ in results(problem)]] = False
    counts = (problems[0].batch, problems[0].groups, problems[0].outs)
    added = [
        arrays[bias.buffer.name][place(bias, g=g, k=k)] for _, g, k in product(*(range(c) for c in counts))
    ]
    return out + left * np.repeat(added, len(out) // len(added))
