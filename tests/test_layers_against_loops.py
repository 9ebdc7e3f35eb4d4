"""Owns the exact comparison of every linear layer with plain nested loops, on whole numbers and Fractions.

Both sides of every claim are looked at: the definition side by a plain-loop evaluator (gradients as
differences of the loss, which is affine in each operand), the proved right side by another evaluator.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
import pytest
from claim_values import Values, shape
from evaluate import Evaluator
from kinds import linear_layers
from layer_cases import CASES
from layer_peers import plain_forward, plain_gradient
from layer_text import Case
from numpy.typing import NDArray

from derive.claim import Claim
from derive.expr import Expr
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.spelling import parse_layer

Array = NDArray[Any]


class Exact(Evaluator):
    """The plain-loop evaluator on Fractions, tables among the inputs; derivatives by differences as there."""

    def value(self, expr: Expr, at: dict[str, int]) -> Any:
        total = Fraction(0)
        for term in expr.terms:
            names = [i.name for i in term.indices]
            for chosen in product(*(range(i.extent.evaluate(at)) for i in term.indices)):
                here = at | dict(zip(names, chosen, strict=True))
                if all(self.holds(c, here) for c in term.conditions):
                    value = Fraction(term.coefficient)
                    for factor in term.factors:
                        value *= self.factor(factor, here)
                    total += value
        return total

    def difference(self, partial: Any, at: dict[str, int]) -> Any:
        of = tuple(f.evaluate(at) for f in partial.of.index)
        wrt = tuple(f.evaluate(at) for f in partial.wrt.index)
        title = partial.wrt.tensor.name
        moved = {**self.arrays, title: {**self.arrays[title], wrt: self.arrays[title][wrt] + 1}}
        return Exact(self.claim, moved).read(partial.of, of) - self.read(partial.of, of)


@cache
def claims(case: Case) -> tuple[Layer, dict[str, Claim]]:
    layer = parse_layer(case.text)
    sizes = layer.sizes(case.shape)
    found = layer.claims(**layer.choices(case.shape))
    return layer, {key: claim_at(claim, sizes) for key, claim in found.items()}


def whole(draw: random.Random, wanted: tuple[int, ...]) -> Array:
    """Whole numbers as Python ints, so that nothing wraps."""
    found = np.empty(wanted, object)
    for where in np.ndindex(wanted):
        found[where] = draw.randint(-9, 9)
    return found


@cache
def exact_case(case: Case) -> tuple[dict[str, Array], Array]:
    """Operands with grad_output, and the output by nested loops."""
    draw = random.Random(case.hashed())
    given = {name: whole(draw, wanted) for name, wanted in case.operands.items()}
    output = plain_forward(case, given)
    return given | {"grad_output": whole(draw, output.shape)}, output


def tables(case: Case, layer: Layer) -> dict[str, Array]:
    return {name: np.array(values, object) for name, values in layer.tables(case.shape).items()}


def by_index(claim: Claim, given: Mapping[str, Array]) -> dict[str, dict[tuple[int, ...], Any]]:
    """Arrays as the plain evaluator takes them: every entry by its internal index."""
    found = {}
    for tensor in claim.setting.inputs:
        array = given[tensor.name].reshape(shape(tensor.shape))
        found[tensor.name] = {where: array[where] for where in np.ndindex(array.shape)}
    return found


def same(found: Any, wanted: Array) -> bool:
    return list(found) == list(wanted.reshape(-1))


def work(case: Case) -> int:
    """About how many products the definition side's gradients take."""
    _, output = exact_case(case)
    window = prod(case.operands.get("weight", (2,) * len(case.shape)))
    return sum(map(prod, case.operands.values())) * output.size * window


def smallest(count: int) -> list[Case]:
    """Of every layer the cheapest cases that are not trivial (more than a few products)."""
    seen: Counter[str] = Counter()
    found = []
    for case in sorted(CASES, key=lambda c: (work(c), c.hashed())):
        if 150 < work(case) < 30_000 and seen[case.kind] < count:
            seen[case.kind] += 1
            found.append(case)
    return found


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_right_side_of_the_forward_form(case: Case) -> None:
    layer, found = claims(case)
    given, output = exact_case(case)
    right = Values(found["output"], given | tables(case, layer)).right()
    assert same(right.reshape(-1), output)


@pytest.mark.parametrize("case", [c for c in CASES if work(c) < 20_000], ids=str)
def test_the_right_side_of_every_gradient(case: Case) -> None:
    layer, found = claims(case)
    given, _ = exact_case(case)
    for key in found.keys() - {"output"}:
        right = Values(found[key], given | tables(case, layer)).right()
        assert same(right.reshape(-1), plain_gradient(case, key, given)), key


@pytest.mark.parametrize("case", smallest(3), ids=str)
def test_the_definition_side(case: Case) -> None:
    layer, found = claims(case)
    given, output = exact_case(case)
    for key, claim in found.items():
        left = Exact(claim, by_index(claim, given | tables(case, layer))).left()
        assert same(left.values(), output if key == "output" else plain_gradient(case, key, given)), key


def test_every_layer_is_met() -> None:
    assert Counter(c.kind for c in smallest(3)).keys() == linear_layers().keys()
    assert sum(work(c) < 20_000 for c in CASES) > 300


@pytest.mark.parametrize("kind", linear_layers())
def test_a_wrong_operand_or_side_is_seen(kind: str) -> None:
    """Sabotage: an entry that is read moved by a thousandth shows on both sides."""
    for case in (c for c in smallest(3) if c.kind == kind):
        layer, found = claims(case)
        given, output = exact_case(case)
        read = np.flatnonzero(plain_gradient(case, "input", given | {"grad_output": output * 0 + 1}))
        if read.size:
            break
    moved = given["input"].copy()
    moved.reshape(-1)[read[0]] += Fraction(1, 1000)
    given = given | tables(case, layer) | {"input": moved}
    assert not same(Values(found["output"], given).right().reshape(-1), output)
    assert not same(Exact(found["output"], by_index(found["output"], given)).left().values(), output)
