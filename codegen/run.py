"""Owns the reference interpreter: what a kernel of the loop language means, on any element type.

Elements may be NumPy floats, Python integers, `fractions.Fraction`s or symbols (object arrays): the
interpreter adds, multiplies, compares where the text selects, and calls the functions it is given. It
checks what compiled code does not: every address lies inside its buffer, and no element of the workspace
is read before it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from codegen.loops import (
    Argument,
    Assign,
    Branch,
    Call,
    Comment,
    Do,
    If,
    Kernel,
    Limit,
    Loop,
    Part,
    Place,
    Pointer,
    Statement,
)
from derive.index import Form


class Unwritten:
    """What a workspace element holds before the kernel writes it; it spoils whatever it meets."""

    def __add__(self, other: Any) -> Unwritten:
        return self

    __radd__ = __mul__ = __rmul__ = __sub__ = __rsub__ = __add__


UNWRITTEN = Unwritten()

Functions = Mapping[str, Callable[..., Any]]
"""By name of `derive.functions`: the value for an element and the parameters."""

ELEMENTWISE: Functions = {
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "gate": lambda a, b: a * b if b != 0 else b,
    "same": lambda a, b: int(a == b),
    "larger": lambda code, best, x: int(bool(x > best or x != x or code < 0)),
    "smaller": lambda code, best, x: int(bool(x < best or x != x or code < 0)),
    "choose": lambda flag, a, b: a if flag else b,
}
"""The lane by lane operations of the loop language that are no functions; a flag is 1 or 0."""


def run(
    kernel: Kernel,
    operands: Mapping[str, Any],
    lanes: int,
    zero: Any = 0,
    functions: Functions | None = None,
) -> np.ndarray[Any, Any]:
    """The flat result of a kernel.

    Args:
        operands: array by name, any shape, C order, as many elements as the kernel's operand.
        lanes: elements of a vector.
        zero: the zero of the element type; zero + n is the whole number n, zero + Fraction(n, d) is n / d.
        functions: what the kernel's functions are, by name; needed where it applies any.

    Returns:
        An object array of `kernel.out.count` elements; an element never stored is UNWRITTEN.

    Raises:
        IndexError: an address outside its buffer.
        KeyError: a function that is not given.
        ValueError: an operand with the wrong number of elements.
    """
    return Machine(kernel, operands, lanes, zero, functions or {}).result()


class Machine:
    """The state of one run: buffers, integers, values."""

    def __init__(
        self,
        kernel: Kernel,
        operands: Mapping[str, Any],
        lanes: int,
        zero: Any,
        functions: Functions | None = None,
    ) -> None:
        self.kernel, self.lanes, self.zero, self.functions = kernel, lanes, zero, functions or {}
        self.integers: dict[str, int] = {}
        self.values: dict[str, Any] = {}
        self.marks: list[int] = []
        self.buffers: dict[str, list[Any]] = {kernel.out.name: [UNWRITTEN] * kernel.out.count}
        for buffer in kernel.operands:
            flat = np.asarray(operands[buffer.name]).reshape(-1).tolist()
            if len(flat) != buffer.count:
                raise ValueError(f"{buffer.name}: expected {buffer.count} elements, got {len(flat)}")
            self.buffers[buffer.name] = flat
        for buffer in kernel.scratch:
            self.buffers[buffer.name] = [UNWRITTEN] * (buffer.turn or buffer.count)

    def result(self) -> np.ndarray[Any, Any]:
        self.execute(self.kernel.body)
        out = np.empty(self.kernel.out.count, dtype=object)
        out[:] = self.buffers[self.kernel.out.name]
        return out

    def execute(self, body: tuple[Statement, ...]) -> None:
        for statement in body:
            match statement:
                case Assign(name, call):
                    self.values[name] = self.call(call)
                case Do(call):
                    self.call(call)
                case Place(name, at):
                    self.integers[name] = at.evaluate(self.integers)
                case Limit():
                    self.integers[statement.name] = self.limit(statement)
                case Loop(name, start, stop, step, inner):
                    for value in range(self.end(start), self.end(stop), step):
                        self.integers[name] = value
                        self.execute(inner)
                case Part(_, name, count, inner) if not statement.steps:
                    for value in range(count):
                        self.integers[name] = value
                        self.execute(inner)
                case Part():
                    self.stepped(statement)
                case If(conditions, inner):
                    if all(c.holds(self.integers) for c in conditions):
                        self.execute(inner)
                case Branch(number):
                    self.marks.append(number)
                case Comment():
                    pass

    def stepped(self, part: Part) -> None:
        """The steps of a part, each after the same step of the part that packs for it, into an empty room."""
        ahead = [p for p in self.kernel.body if isinstance(p, Part) and p.name == part.ahead]
        for turn, step in product(range(part.count if ahead else 0), range(part.steps)):
            for buffer in (b for b in self.kernel.scratch if b.turn):
                self.buffers[buffer.name] = [UNWRITTEN] * buffer.turn
            for each in (*ahead, part):
                self.integers |= {each.index: turn, "first": turn, "step": step, "start": step}
                self.execute(each.body)

    def end(self, value: int | str) -> int:
        return self.integers[value] if isinstance(value, str) else value

    def limit(self, limit: Limit) -> int:
        """The end of a loop; ValueError where the numerator could be rounded another way."""
        value = limit.form.evaluate(self.integers)
        if limit.divisor != 1 and value + limit.lift * limit.divisor < 0:
            raise ValueError(f"{limit.name}: {limit.form} = {value} is below -{limit.lift} * {limit.divisor}")
        found = (value // limit.divisor, *map(self.end, limit.ends))
        return int(min(found) if limit.upper else max(found))

    def call(self, call: Call) -> Any:
        arguments = [self.argument(a) for a in call.arguments]
        method = getattr(self, call.operation, None)
        if method is not None:
            return method(*arguments)
        operation = partial(self.element, call.operation[2:])
        return operation(*arguments) if call.operation[0] == "e" else list(map(operation, *arguments))

    def element(self, operation: str, *values: Any) -> Any:
        """An operation on elements that vectors do lane by lane; what was never written spoils it."""
        if any(v is UNWRITTEN for v in values):
            return UNWRITTEN
        if operation.startswith("fn_"):
            return self.functions[operation[3:]](*values)
        return ELEMENTWISE[operation](*values)

    def argument(self, argument: Argument) -> Any:
        match argument:
            case Form():
                return argument.evaluate(self.integers)
            case Pointer(buffer, at):
                return self.buffers[buffer.name], buffer.name, at.evaluate(self.integers)
            case str():
                return self.values[argument]
            case _:
                return argument

    def read(self, pointer: Any, count: int, step: int = 1) -> list[Any]:
        data, name, at = pointer
        if at < 0 or at + (count - 1) * step >= len(data):
            raise IndexError(f"{name}: read of {count} at {at} step {step}, outside its {len(data)} elements")
        return [data[at + i * step] for i in range(count)]

    def write(self, pointer: Any, values: list[Any]) -> None:
        data, name, at = pointer
        if at < 0 or at + len(values) > len(data):
            raise IndexError(f"{name}: write of {len(values)} at {at}, outside its {len(data)} elements")
        data[at : at + len(values)] = values

    def e_zero(self) -> Any:
        return self.zero

    def e_index(self, number: int) -> Any:
        return self.zero + number

    def v_index(self, first: int, second: int) -> list[Any]:
        return [self.zero + first + lane * second for lane in range(self.lanes)]

    def e_rational(self, numerator: int, denominator: int) -> Any:
        return self.zero + Fraction(numerator, denominator)

    def v_rational(self, numerator: int, denominator: int) -> list[Any]:
        return [self.e_rational(numerator, denominator)] * self.lanes

    def e_load(self, pointer: Any) -> Any:
        return self.read(pointer, 1)[0]

    def e_store(self, pointer: Any, value: Any) -> None:
        self.write(pointer, [value])

    def e_fma(self, total: Any, left: Any, right: Any) -> Any:
        return total + left * right

    def e_add(self, left: Any, right: Any) -> Any:
        return left + right

    def v_zero(self) -> list[Any]:
        return [self.zero] * self.lanes

    def v_load(self, pointer: Any) -> list[Any]:
        return self.read(pointer, self.lanes)

    def v_store(self, pointer: Any, value: list[Any]) -> None:
        self.write(pointer, value)

    def v_load_part(self, pointer: Any, count: int) -> list[Any]:
        return self.read(pointer, count) + [self.zero] * (self.lanes - count)

    def v_store_part(self, pointer: Any, value: list[Any], count: int) -> None:
        self.write(pointer, value[:count])

    def v_store_strided(self, pointer: Any, value: list[Any], count: int, step: int) -> None:
        data, name, at = pointer
        for lane, one in enumerate(value[:count]):
            self.write((data, name, at + lane * step), [one])

    def v_load_strided(self, pointer: Any, step: int) -> list[Any]:
        return self.read(pointer, self.lanes, step)

    def v_splat(self, pointer: Any) -> list[Any]:
        return self.read(pointer, 1) * self.lanes

    def v_fma(self, total: list[Any], left: list[Any], right: list[Any]) -> list[Any]:
        return [t + a * b for t, a, b in zip(total, left, right, strict=True)]

    def v_add(self, left: list[Any], right: list[Any]) -> list[Any]:
        return [a + b for a, b in zip(left, right, strict=True)]

    def v_load_span(self, pointer: Any, first: int, count: int) -> list[Any]:
        after = self.lanes - first - count
        return [self.zero] * first + self.read(pointer, count) + [self.zero] * after

    def v_even(self, one: list[Any], two: list[Any]) -> list[Any]:
        return [*one, *two][::2]

    def v_odd(self, one: list[Any], two: list[Any]) -> list[Any]:
        return [*one, *two][1::2]

    def v_zip_low(self, one: list[Any], two: list[Any]) -> list[Any]:
        return [x for pair in zip(one, two, strict=True) for x in pair][: self.lanes]

    def v_zip_high(self, one: list[Any], two: list[Any]) -> list[Any]:
        return [x for pair in zip(one, two, strict=True) for x in pair][self.lanes :]

    def v_held(self, value: list[Any]) -> list[Any]:
        return value

    def v_kept(self, value: list[Any]) -> None:
        pass

    def v_transpose(self, into: Any, origin: Any, rows: int, columns: int) -> None:
        data, name, at = origin
        for i in range(self.lanes):
            line = self.read((data, name, at + i), self.lanes, columns)
            self.write((into[0], into[1], into[2] + i * rows), line)

    def e_apart(self) -> None:
        pass

    def e_anew(self) -> None:
        pass

    def e_prefetch(self, pointer: Any) -> None:
        pass

    def v_sum(self, value: list[Any]) -> Any:
        total = value[0]
        for lane in value[1:]:
            total = total + lane
        return total
