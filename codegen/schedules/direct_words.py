"""Owns small words of direct schedules: sums of forms, vectors of elements."""

from __future__ import annotations

from collections.abc import Mapping

from codegen.loops import Assign, Buffer, Call, Do, Loop, Place, Pointer, Statement
from derive.index import Form, name


def spread(steps: Mapping[str, int], base: int = 0) -> Form:
    """base + the sum of name * step."""
    total = Form.of(base)
    for kind, step in steps.items():
        total = total + name(kind) * step
    return total


def around(
    index: str, first: int, stop: int, width: int, body: tuple[Statement, ...]
) -> tuple[Statement, ...]:
    """The loop over tiles; one tile is no loop."""
    if stop - first == width:
        return (Place(index, Form.of(first)), *body)
    return (Loop(index, first, stop, width, body),)


def load(value: str, buffer: Buffer, at: Form, count: int, lanes: int) -> Statement:
    pointer = Pointer(buffer, at)
    if count < lanes:
        return Assign(value, Call("v_load_part", (pointer, count)))
    return Assign(value, Call("v_load", (pointer,)))


def store(buffer: Buffer, at: Form, value: str, count: int, lanes: int) -> Statement:
    pointer = Pointer(buffer, at)
    if count < lanes:
        return Do(Call("v_store_part", (pointer, value, count)))
    return Do(Call("v_store", (pointer, value)))


def splat(value: str, buffer: Buffer, at: Form) -> Statement:
    return Assign(value, Call("v_splat", (Pointer(buffer, at),)))


def zero(value: str) -> Statement:
    return Assign(value, Call("v_zero"))


def fma(value: str, one: str, other: str) -> Statement:
    return Assign(value, Call("v_fma", (value, one, other)))


def add(value: str, other: str) -> Statement:
    return Assign(value, Call("v_add", (value, other)))
