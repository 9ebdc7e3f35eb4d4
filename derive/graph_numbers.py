"""Owns a graph worked with given numbers: every tensor and every gradient as exact fractions.

Gradients are computed twice, by the printed backward pass and by reverse differentiation of the definitions;
they must be the same. Only functions that take fractions to fractions can be worked (ReLU, products, means;
not exp).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from derive.errors import LayerError, ProofError
from derive.evaluate import Evaluator, Values
from derive.expr import Apply
from derive.graph_setting import Composed
from derive.numbers_exact import FUNCTIONS, Rationals

Exact = tuple[Fraction, ...]


@dataclass(frozen=True)
class Worked:
    """The numbers of one forward and backward pass, each tensor flat and row-major.

    Attributes:
        given: inputs, weights, and what is given for the outputs ("grad_output").
        values: what the nodes give.
        gradients: the derivative of L by each tensor of the pass.
        scalar: L.
    """

    given: Mapping[str, Exact]
    values: Mapping[str, Exact]
    gradients: Mapping[str, Exact]
    scalar: Fraction


def worked(composed: Composed, numbers: Mapping[str, Any]) -> Worked:
    """Work a graph.

    Args:
        composed: the graph with its backward pass.
        numbers: name -> the entries of every input and weight, and of grad_output (1 where it is left out): a
            number, nested lists or an array, of whole numbers or Fractions.

    Raises LayerError where a tensor is missing, has another number of entries, or a function gives no
    fractions; ProofError where the two ways to the gradients differ.
    """
    given = _given(composed, numbers)
    evaluator = Evaluator(
        composed.setting,
        Rationals(),
        tables=composed.tables,
        parameters=composed.parameters,
        codes=composed.codes,
    )
    _check_functions(composed)
    inputs = {name: list(entries) for name, entries in given.items()} | _shifts(composed)
    values = evaluator.at(inputs | places_taken(composed, evaluator, inputs))
    nodes = {p.name: _flat(values.tensor(composed.tensor(p.name).name)) for p in composed.plan.placed}
    scalar = composed.scalar.tensor.name
    gradients = {}
    for name, tensor in composed.gradients.items():
        gradients[name] = _both_ways(values, scalar, composed.tensor(name).name, tensor.name)
    return Worked(given, nodes, gradients, _flat(values.tensor(scalar))[0])


def places_taken(composed: Composed, evaluator: Evaluator, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The places that poolings take at these inputs, by the name that others read them under."""
    found: dict[str, Any] = {}
    for name, code in composed.codes.items():
        if code.first:
            found[code.operand] = evaluator.at({**inputs, **found}).code(evaluator.tensors[name])
    return found


def _both_ways(values: Values, scalar: str, tensor: str, gradient: str) -> Exact:
    """The closed form's numbers, compared with those of reverse differentiation."""
    closed, back = _flat(values.tensor(gradient)), _flat(values.gradient(scalar, tensor))
    if closed != back:
        raise ProofError(
            "the gradient is not the derivative",
            where=tensor,
            expected=str(back)[:200],
            got=str(closed)[:200],
        )
    return closed


def _given(composed: Composed, numbers: Mapping[str, Any]) -> dict[str, Exact]:
    made = composed.plan
    wanted = {t.name: t.shape for t in made.tensors.values() if t.kind != "node"}
    cotangents = {title: made.shape(name) for name, title in made.cotangents().items()}
    for name in numbers:
        if name not in wanted | cotangents:
            raise LayerError("no such tensor", where=name, expected=", ".join(wanted | cotangents), got=name)
    found = {}
    for name, shape in (wanted | cotangents).items():
        usual = [1] * prod(shape) if name in cotangents else None
        entries = flattened(numbers.get(name, usual))
        if len(entries) != prod(shape):
            raise LayerError(
                "numbers do not fit",
                where=name,
                expected=f"{prod(shape)}, shape {shape}",
                got=str(len(entries)),
            )
        found[name] = entries
    return found


def flattened(given: Any) -> Exact:
    """A number, nested sequences or an array as fractions in row-major order; nothing of None."""
    if given is None:
        return ()
    if hasattr(given, "tolist"):
        given = given.tolist()
    if isinstance(given, (list, tuple)):
        return tuple(entry for part in given for entry in flattened(part))
    try:
        return (Fraction(given),)
    except (TypeError, ValueError):
        raise LayerError(
            "not a number", where="numbers", expected="whole numbers, Fractions", got=repr(given)
        ) from None


def _check_functions(composed: Composed) -> None:
    terms = [t for d in composed.setting.definitions for t in d.body.terms]
    applied = {f.function for t in terms for f in t.factors if isinstance(f, Apply)}
    if strange := sorted(applied - FUNCTIONS.keys()):
        raise LayerError(
            "numbers that are no fractions",
            where="numbers",
            expected=f"layers with {', '.join(FUNCTIONS)}",
            got=", ".join(strange),
        )


def _shifts(composed: Composed) -> dict[str, list[int]]:
    """No shift is needed where nothing overflows."""
    inputs = {t.name: t for t in composed.setting.inputs}
    return {n: [0] * prod(int(f.evaluate({})) for f in inputs[n].shape) for n in composed.shifts}


def _flat(array: Any) -> Exact:
    return tuple(Fraction(v) for v in array)


def places(shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """The indices of a tensor's entries, row-major."""
    return list(product(*map(range, shape)))
