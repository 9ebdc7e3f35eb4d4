"""A plain-loop evaluator of the index language on whole numbers; shares no code with the judges."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

from derive.claim import Claim
from derive.expr import Expr, Partial, Read
from derive.index import Zero

Arrays = dict[str, dict[tuple[int, ...], int]]


class OutOfBounds(Exception):
    """A read outside its tensor's shape."""


def draw(claim: Claim, rng: Any) -> Arrays:
    """Random whole numbers for every input tensor of a claim at sizes, by internal index."""
    return {
        t.name: {i: rng.randint(-9, 9) for i in product(*(range(f.constant) for f in t.shape))}
        for t in claim.setting.inputs
    }


class Evaluator:
    """Values at given inputs; derivatives by differences (the loss is linear in each operand)."""

    def __init__(self, claim: Claim, arrays: Arrays) -> None:
        self.claim, self.arrays, self.memory = claim, arrays, {}

    def right(self) -> dict[tuple[int, ...], int]:
        return self.entries(self.claim.right.body)

    def left(self) -> dict[tuple[int, ...], int]:
        return self.entries(self.claim.left)

    def entries(self, expr: Expr) -> dict[tuple[int, ...], int]:
        names = [i.name for i in self.claim.indices]
        ranges = [range(i.extent.constant) for i in self.claim.indices]
        return {where: self.value(expr, dict(zip(names, where, strict=True))) for where in product(*ranges)}

    def value(self, expr: Expr, at: dict[str, int]) -> int | Fraction:
        total = Fraction(0)
        for term in expr.terms:
            names = [i.name for i in term.indices]
            for chosen in product(*(range(i.extent.evaluate(at)) for i in term.indices)):
                here = at | dict(zip(names, chosen, strict=True))
                if all(self.holds(c, here) for c in term.conditions):
                    value = term.coefficient
                    for factor in term.factors:
                        value = value * self.factor(factor, here)
                    total += value
        return total.numerator if total.denominator == 1 else total

    @staticmethod
    def holds(condition: Any, at: dict[str, int]) -> bool:
        value = condition.form.evaluate(at)
        return value == 0 if isinstance(condition, Zero) else 0 <= value < condition.high.evaluate(at)

    def factor(self, factor: Any, at: dict[str, int]) -> int:
        if isinstance(factor, Partial):
            return self.difference(factor, at)
        return self.read(factor, tuple(f.evaluate(at) for f in factor.index))

    def read(self, read: Read, where: tuple[int, ...]) -> int:
        shape = [f.constant for f in read.tensor.shape]
        if not all(0 <= i < n for i, n in zip(where, shape, strict=True)):
            raise OutOfBounds(f"{read.tensor.name}{where} of {shape}")
        if read.tensor.name in self.arrays:
            return self.arrays[read.tensor.name][where]
        key = (read.tensor.name, where)
        if key not in self.memory:
            definition = self.claim.setting.definition(read.tensor.name)
            at = dict(zip([i.name for i in definition.indices], where, strict=True))
            self.memory[key] = self.value(definition.body, at)
        return self.memory[key]

    def difference(self, partial: Partial, at: dict[str, int]) -> int:
        of = tuple(f.evaluate(at) for f in partial.of.index)
        wrt = tuple(f.evaluate(at) for f in partial.wrt.index)
        title = partial.wrt.tensor.name
        moved = {**self.arrays, title: {**self.arrays[title], wrt: self.arrays[title][wrt] + 1}}
        return Evaluator(self.claim, moved).read(partial.of, of) - self.read(partial.of, of)
