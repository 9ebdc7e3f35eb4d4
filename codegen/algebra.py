"""Owns the algebra done on a proved right side before it becomes loops: helpers unfolded, deltas solved.

Only three rewrites, each an identity for every value of the tensors: a condition that the index ranges
decide is left out; a delta [z - f = 0] with unit coefficient on a bound index fixes that index; the
read of a helper is replaced by the helper's definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from derive.expr import Definition, Expr, Read, Sum, substitute
from derive.index import Condition, Form, Index, Within, Zero, name

Ranges = Mapping[str, int]


def extent(index: Index) -> int:
    """The number of values of an index at sizes. Raises ValueError where a size is still symbolic."""
    value = index.extent.constant
    if value is None:
        raise ValueError(f"index {index.name} has the symbolic extent {index.extent}")
    return value


def ranges_of(indices: tuple[Index, ...]) -> dict[str, int]:
    return {i.name: extent(i) for i in indices}


def slope(form: Form, index: str) -> int:
    """The whole-number coefficient of an index in an affine form at sizes."""
    factor = form.coefficient(index)
    if factor is None or factor.constant is None:
        raise ValueError(f"{form} is not affine in {index}")
    return factor.constant


def span(form: Form, ranges: Ranges) -> tuple[int, int]:
    """Least and greatest value of an affine form while each index runs over its range."""
    low = high = int(form.substitute({n: Form() for n in form.names}).constant or 0)
    for index in form.names:
        reach = slope(form, index) * (ranges[index] - 1)
        low, high = low + min(reach, 0), high + max(reach, 0)
    return low, high


def decided(condition: Condition, ranges: Ranges) -> bool | None:
    """True or False where the ranges alone decide; None where the indices matter."""
    low, high = span(condition.form, ranges)
    if isinstance(condition, Zero):
        return False if low > 0 or high < 0 else (True if low == high == 0 else None)
    bound = span(condition.high, ranges)[0]
    if low >= 0 and high < bound:
        return True
    return False if high < 0 or low >= bound else None


def settle(term: Sum, free: Ranges) -> Sum | None:
    """The term with deltas on bound indices solved and decided conditions dropped; None where it is zero."""
    while (solution := _solution(term)) is not None:
        delta, index, value = solution
        kept = (*(c for c in term.conditions if c != delta), Within(value, index.extent))
        rest = tuple(i for i in term.indices if i != index)
        term = substitute(replace(term, indices=rest, conditions=kept), {index.name: value})
    ranges = {**free, **ranges_of(term.indices)}
    open_conditions = []
    for condition in dict.fromkeys(term.conditions):
        verdict = decided(condition, ranges)
        if verdict is False:
            return None
        if verdict is None:
            open_conditions.append(condition)
    return replace(term, conditions=tuple(open_conditions))


def _solution(term: Sum) -> tuple[Zero, Index, Form] | None:
    """A delta, the bound index it fixes, and the index's value."""
    for condition in term.conditions:
        if isinstance(condition, Zero):
            for index in term.indices:
                factor = condition.form.coefficient(index.name)
                if factor is not None and factor.constant in (1, -1):
                    sign = factor.constant
                    return condition, index, (condition.form - sign * index.form) * -sign
    return None


MOST_TERMS = 81
"""Terms that unfolding may make of one expression (three cases on each of four axes)."""


@dataclass(frozen=True)
class Book:
    """The definitions that may be unfolded, and the names of those that must stay arrays."""

    definitions: Mapping[str, Definition]
    keep: frozenset[str] = frozenset()

    def unfolded(self, term: Sum, free: Ranges, *, guards: bool) -> list[Sum]:
        """The terms that a term is, helpers replaced by their definitions as far as possible.

        Args:
            free: ranges of the indices the term does not bind.
            guards: whether unfolding may leave new conditions, terms and factors behind (an array about to
                be filled may have them, an inner loop should not).
        """
        done: list[Sum] = []
        waiting = [(settle(term, free), 0)]
        while waiting:
            current, position = waiting.pop(0)
            if current is None:
                continue
            if position == len(current.factors):
                done.append(current)
                continue
            opened = self._opened(current, position, free, guards, len(done) + len(waiting))
            waiting[:0] = [(current, position + 1)] if opened is None else [(t, 0) for t in opened]
        return done

    def _opened(self, term: Sum, position: int, free: Ranges, guards: bool, others: int) -> list[Sum] | None:
        """The terms with one helper unfolded and settled; None where it stays."""
        bodies = self._bodies(term, position)
        if bodies is None or others + len(bodies) > MOST_TERMS:
            return None
        settled = [settle(self._spliced(term, position, body, free), free) for body in bodies]
        kept = [t for t in settled if t is not None]
        if guards or not kept:
            return kept
        plain = len(bodies) == len(kept) == 1 == len(bodies[0].factors)
        return kept if plain and set(kept[0].conditions) <= set(term.conditions) else None

    def _bodies(self, term: Sum, position: int) -> tuple[Sum, ...] | None:
        """The terms of the helper that a factor reads; None where it reads no helper, or one that stays."""
        read = term.factors[position]
        if not isinstance(read, Read) or read.tensor.name in self.keep:
            return None
        helper = self.definitions.get(read.tensor.name)
        return None if helper is None else helper.body.terms

    def _spliced(self, term: Sum, position: int, inner: Sum, free: Ranges) -> Sum:
        read = term.factors[position]
        assert isinstance(read, Read)
        helper = self.definitions[read.tensor.name]
        taken = set(free) | {i.name for i in term.indices} | term.names
        fresh = {i.name: _fresh(i.name, taken) for i in inner.indices}
        values = {i.name: form for i, form in zip(helper.indices, read.index, strict=True)}
        moved = substitute(inner, {**values, **{old: name(new) for old, new in fresh.items()}})
        indices = tuple(replace(i, name=fresh[i.name]) for i in inner.indices)
        return Sum(
            term.indices + indices,
            term.conditions + moved.conditions,
            term.factors[:position] + moved.factors + term.factors[position + 1 :],
            term.coefficient * moved.coefficient,
        )

    def expression(self, definition: Definition, *, guards: bool) -> Expr:
        free = ranges_of(definition.indices)
        return Expr(tuple(u for t in definition.body.terms for u in self.unfolded(t, free, guards=guards)))


def _fresh(wanted: str, taken: set[str]) -> str:
    candidate, number = wanted, 1
    while candidate in taken:
        candidate, number = f"{wanted}_{number}", number + 1
    return candidate
