"""Owns definitions that read no operand: their entries are rationals, known when a kernel is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.algebra import ranges_of
from codegen.stage import extents
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum
from derive.functions import INVERSE

Rationals = NDArray[Any]
"""An object array of fractions."""

Folded = Mapping[str, Rationals]


def folded(definition: Definition, known: Folded) -> Rationals | None:
    """The entries of a definition over constants alone; None where it reads anything else."""
    factors = [f for t in definition.body.terms for f in t.factors]
    if not all(_constant(f, known) for f in factors):
        return None
    total = np.full(extents(definition.tensor), Fraction(), object)
    for term in definition.body.terms:
        total = total + _term(definition, term, known)
    return np.asarray(total, object).reshape(extents(definition.tensor))


def _constant(factor: Factor, known: Folded) -> bool:
    """Whether a factor is a rational: a constant's entry, or the inverse of one that is never 0."""
    match factor:
        case Read(tensor):
            return tensor.name in known
        case Apply(function, Read(tensor)):
            return function == INVERSE and tensor.name in known and all(known[tensor.name].reshape(-1))
        case _:
            return False


def _term(definition: Definition, term: Sum, known: Folded) -> Rationals:
    """What one term adds to every entry; an index that nothing names only counts."""
    free, bound = ranges_of(definition.indices), ranges_of(term.indices)
    named = frozenset().union(*(c.names for c in term.conditions), *(f.names for f in term.factors))
    counted = prod(n for i, n in bound.items() if i not in named)
    sizes = [*free.values(), *(n if i in named else 1 for i, n in bound.items())]
    grid = dict(zip([*free, *bound], np.ix_(*map(np.arange, sizes)) if sizes else (), strict=True))
    admitted = np.ones(sizes, bool)
    for condition in term.conditions:
        admitted = admitted & condition.holds(grid)
    summed = tuple(range(len(free), len(sizes)))
    if not term.factors:
        counts = admitted.sum(axis=summed)
        return _each(counts, lambda n: term.coefficient * (int(n) * counted))
    here = term.coefficient * counted
    value: Any = _each(admitted, lambda inside: here if inside else Fraction())
    for factor in term.factors:
        value = value * _entries(factor, grid, known)
    return np.asarray(value.sum(axis=summed) if summed else value, object)


def _entries(factor: Factor, grid: Mapping[str, Any], known: Folded) -> Any:
    read = factor.of if isinstance(factor, Apply) else factor
    assert isinstance(read, Read)
    found = known[read.tensor.name][tuple(f.evaluate(grid) for f in read.index)]
    return _each(found, lambda v: 1 / v) if isinstance(factor, Apply) else found


def _each(values: Any, function: Any) -> Rationals:
    array = np.asarray(values, object)
    found = np.empty(array.shape, object)
    found.reshape(-1)[:] = [function(v) for v in array.reshape(-1)]
    return found


def uniform(values: Rationals) -> Fraction | None:
    """The one value of all entries; None where they differ."""
    flat = values.reshape(-1)
    return Fraction(flat[0]) if flat.size and all(v == flat[0] for v in flat) else None


def without_constants(body: Expr, known: Folded) -> Expr:
    """The body with constants that have one value taken into the coefficients; zero terms left out."""
    terms = []
    for term in body.terms:
        coefficient = term.coefficient
        kept: list[Factor] = []
        for factor in term.factors:
            value = _value(factor, known)
            if value is None:
                kept.append(factor)
            else:
                coefficient *= value
        if coefficient:
            terms.append(replace(term, coefficient=coefficient, factors=tuple(kept)))
    return Expr(tuple(terms))


def _value(factor: Factor, known: Folded) -> Fraction | None:
    if not _constant(factor, known):
        return None
    read = factor.of if isinstance(factor, Apply) else factor
    assert isinstance(read, Read)
    value = uniform(known[read.tensor.name])
    return value if value is None or isinstance(factor, Read) else 1 / value


def without_folded(
    listed: Mapping[str, Definition],
) -> tuple[dict[str, Definition], dict[str, tuple[Fraction, ...]]]:
    """The definitions that read operands, and the values of the others (but not of the last one)."""
    known: dict[str, Rationals] = {}
    kept: dict[str, Definition] = {}
    for title, definition in listed.items():
        values = folded(definition, known) if title != list(listed)[-1] else None
        if values is None:
            kept[title] = replace(definition, body=without_constants(definition.body, known))
        else:
            known[title] = values
    return kept, {n: tuple(v.reshape(-1)) for n, v in known.items()}
