"""Owns operands drawn for a kernel whose equation is no sum of products: what it and the definition get.

The definition side sees tensors of the claim by their names, and codes under the name of their operand; the
kernel takes the same numbers as elements, its own constants rounded once, and codes as whole numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.relation import entries, shape_of
from derive.claim import Claim
from derive.evaluate import Evaluator, Values
from derive.layers.codes import Code
from derive.numbers_system import Numbers

Array = NDArray[Any]
Draw = Callable[[str, int], Array]
"""(name of a tensor, number of entries) -> its entries."""


@dataclass(frozen=True, eq=False)
class Drawn:
    """Operands of one run: the definition's values at them, and by name what the kernel is given (flat)."""

    values: Values
    elements: Mapping[str, Array]


def drawn(
    artefact: Artefact,
    kernel: str,
    numbers: Numbers,
    draw: Draw,
    rounded: Callable[[tuple[Fraction, ...]], Array],
    rng: np.random.Generator,
    chosen: bool = True,
) -> Drawn:
    """Operands for a kernel and its definition.

    Args:
        numbers: in which the definition is evaluated.
        draw: entries of operands, as elements of the kernel's that `numbers.given` takes.
        rounded: constants and codes as elements.
        chosen: whether computed codes are those of the operands' values; else they name any tap of a window
            (a gradient holds for any choice).
    """
    claim, own = artefact.equations[kernel], artefact.constants.get(kernel, {})
    evaluator = evaluator_of(artefact, claim, numbers)
    wanted = artefact.operand_order[kernel]
    inputs: dict[str, Array] = {}
    for tensor in claim.setting.inputs:
        if tensor.name in evaluator.codes:
            code = evaluator.codes[tensor.name]
            if not code.first or (not chosen and code.operand in wanted):
                inputs[code.operand] = any_codes(shape_of(tensor), code, rng)
        elif tensor.name not in evaluator.tables and tensor.name not in evaluator.shifts:
            inputs[tensor.name] = draw(tensor.name, entries(tensor))
    values = evaluator.at(inputs)
    elements: dict[str, Array] = {}
    indicators = {c.operand: n for n, c in evaluator.codes.items()}
    for name in wanted:
        if name in own or name in evaluator.tables:
            elements[name] = rounded(tuple(own[name] if name in own else evaluator.tables[name]))
        elif name in indicators:
            codes = values.code(evaluator.tensors[indicators[name]])
            some, each = np.unique(codes, return_inverse=True)
            elements[name] = rounded(tuple(map(Fraction, some.tolist())))[each.reshape(-1)]
        else:
            elements[name] = inputs[name]
    return Drawn(values, elements)


def evaluator_of(artefact: Artefact, claim: Claim, numbers: Numbers) -> Evaluator:
    """The definitions of a claim with the tables, parameters, codes and shifts of the artefact's layer."""
    layer, shape = artefact.layer, artefact.shape
    if layer is None:
        return Evaluator(claim.setting, numbers)
    return Evaluator(
        claim.setting,
        numbers,
        tables=layer.tables(shape),
        parameters=layer.parameters(),
        codes=layer.codes(shape),
        shifts=layer.shifts(shape),
    )


def any_codes(shape: tuple[int, ...], code: Code, rng: np.random.Generator) -> NDArray[np.int64]:
    """Codes each of which names some place of its lead, or none (-1) in one of eight; shape of the lead."""
    places = tuple(shape[axis] for axis in code.lead)
    lead = dict(zip((f"x{axis}" for axis in code.lead), np.indices(places), strict=True))
    taps = {f"x{a}": rng.integers(0, n, places) for a, n in enumerate(shape) if a not in code.lead}
    found = np.broadcast_to(code.value.evaluate({**lead, **taps}), places)
    return np.where(rng.random(places) < 1 / 8, -1, found).astype(np.int64)
