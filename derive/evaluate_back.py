"""Owns reverse differentiation of definitions over numbers: every factor passes its share back."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from derive.errors import ProofError
from derive.evaluate_places import flat_places
from derive.exhaust_rows import sizes
from derive.expr import Apply, Definition, Sum, entry_of
from derive.functions import DERIVATIVE

if TYPE_CHECKING:
    from derive.evaluate import Values


def gradient(values: Values, loss: str, wrt: str) -> Any:
    """d loss / d wrt, the definitions after `wrt` passed backwards; ProofError where loss is no scalar."""
    tensors, numbers = values.evaluator.tensors, values.numbers
    if loss not in tensors or wrt not in tensors or tensors[loss].shape != ():
        raise ProofError("not a derivative of a scalar by a tensor", where=f"d {loss}/d {wrt}")
    active = _active(values, wrt) & _feeding(values, loss) | {wrt}
    bars = {title: numbers.zeros(prod(sizes(tensors[title]))) for title in active}
    if loss not in bars:
        return numbers.settle(bars[wrt], True)
    numbers.add(bars[loss], np.zeros(1, np.int64), numbers.constants([Fraction(1)]))
    for definition in reversed(values.evaluator.setting.definitions):
        title = definition.tensor.name
        if title in active and title != wrt:
            bars[title] = numbers.settle(bars[title], True)
            for term in definition.body.terms:
                _pull(values, definition, term, bars)
    return numbers.settle(bars[wrt], True)


def _active(values: Values, wrt: str) -> set[str]:
    """The tensors that depend on `wrt`, itself included."""
    found = {wrt}
    for definition in values.evaluator.setting.definitions:
        reads = (entry_of(f) for t in definition.body.terms for f in t.factors)
        if any(r is not None and r.tensor.name in found for r in reads):
            found.add(definition.tensor.name)
    return found


def _feeding(values: Values, loss: str) -> set[str]:
    """The tensors that the loss is computed from, itself included: no helper of a closed form."""
    found = {loss}
    for definition in reversed(values.evaluator.setting.definitions):
        if definition.tensor.name in found:
            reads = (entry_of(f) for t in definition.body.terms for f in t.factors)
            found |= {r.tensor.name for r in reads if r is not None}
    return found


def _pull(values: Values, definition: Definition, term: Sum, bars: dict[str, Any]) -> None:
    """What one term hands from its tensor's derivative on to every factor that depends on `wrt`."""
    reads = [None if values.indicator(f) else entry_of(f) for f in term.factors]
    places = [i for i, r in enumerate(reads) if r is not None and r.tensor.name in bars]
    own, shape = tuple(i.form for i in definition.indices), sizes(definition.tensor)
    for columns, rows in values.rows(term, definition.indices) if places else ():
        spots = flat_places(own, shape, columns, rows)
        incoming = values.numbers.take(bars[definition.tensor.name], spots)
        for position in places:
            read, factor = reads[position], term.factors[position]
            assert read is not None
            part = values.product(term, columns, rows, without=position)
            part = values.numbers.multiply(incoming, part)
            if isinstance(factor, Apply):
                slope = derivative(values, factor.function, values.factor(read, columns, rows), rows)
                part = values.numbers.multiply(part, slope)
            values.numbers.add(bars[read.tensor.name], values.places(read, columns, rows), part)


def derivative(values: Values, function: str, x: Any, rows: int) -> Any:
    """f' at x, by the table."""
    numbers, total = values.numbers, None
    for coefficient, names in DERIVATIVE.get(function, ()):
        part = numbers.ones(rows)
        for place, name in enumerate(names):
            value = values.function(name, x)
            part = numbers.multiply(part, value) if place else value
        part = numbers.scale(part, coefficient)
        total = part if total is None else numbers.plus(total, part)
    if total is None:
        raise ProofError("no derivative of this function is known", where=function)
    return total
