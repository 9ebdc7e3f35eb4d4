"""Owns how the number of a turn is taken apart into indices, and what is done at some of them alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from codegen.loops import If, Limit, Place, Statement
from derive.index import Condition, Form, Within, Zero, name


def decoded(turn: str, order: Sequence[tuple[str, int]]) -> tuple[tuple[Statement, ...], dict[str, Form]]:
    """Statements and forms for the values of indices (name, extent; the last one fastest) at a turn."""
    last = next((n for n, extent in reversed(order) if extent > 1), "")
    rest, spots = name(turn), {n: Form() for n, _ in order}
    size = prod(extent for _, extent in order)
    body: list[Statement] = []
    for index, extent in order:
        size //= extent
        if index == last:
            spots[index] = rest
        elif extent > 1:
            body.append(Limit(f"at_{index}", rest, size, 0, True))
            spots[index] = name(f"at_{index}")
            rest = rest - name(f"at_{index}") * size
    return tuple(body), spots


def parted(index: str, kinds: Sequence[tuple[str, int]]) -> tuple[Statement, ...]:
    """The values of several names, the last the fastest, from one index over all of them."""
    body: list[Statement] = []
    left, rest = name(index), prod(count for _, count in kinds)
    for kind, count in kinds:
        rest //= count
        if count == 1:
            body.append(Place(kind, Form()))
        elif rest == 1:
            body.append(Place(kind, left))
        else:
            body.append(Limit(kind, left, rest, 0, True))
            left = left - name(kind) * rest
    return tuple(body)


def only(
    index: Form, first: int, count: int, total: int, body: tuple[Statement, ...]
) -> tuple[Statement, ...]:
    """The body where first <= index < first + count; `total` is how many values the index has."""
    if count == total:
        return body
    condition: Condition = Zero(index - first) if count == 1 else Within(index - first, Form.of(count))
    return (If((condition,), body),)
