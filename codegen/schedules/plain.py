"""PLAIN: one element at a time, conditions tested as they stand; right for every expression, and slow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.loops import Assign, Buffer, Call, Do, If, Pointer, Statement
from codegen.schedules.nest import Access, mark, summed
from derive.index import Condition, Form


@dataclass(frozen=True)
class Term:
    """sum over bound of [conditions] product of one or two factors."""

    bound: Mapping[str, int]
    conditions: tuple[Condition, ...]
    factors: tuple[Access, ...]


def statements(
    buffer: Buffer, at: Form, free: Mapping[str, int], terms: Sequence[Term], numbers: Iterator[int]
) -> tuple[Statement, ...]:
    """buffer[at] = the sum of the terms, for every value of the free indices."""
    body: list[Statement] = [mark(next(numbers)), Assign("total", Call("e_zero"))]
    for term in terms:
        inner: list[Statement] = []
        for i, factor in enumerate(term.factors):
            inner.append(Assign(f"f_{i}", Call("e_load", (Pointer(factor.buffer, factor.at),))))
        names = tuple(f"f_{i}" for i in range(len(term.factors)))
        inner.append(Assign("total", Call("e_fma" if len(names) == 2 else "e_add", ("total", *names))))
        guarded: tuple[Statement, ...] = (
            (If(term.conditions, tuple(inner)),) if term.conditions else tuple(inner)
        )
        body += summed(term.bound, guarded)
    body.append(Do(Call("e_store", (Pointer(buffer, at), "total"))))
    return summed(free, tuple(body))
