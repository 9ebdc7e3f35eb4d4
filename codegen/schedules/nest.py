"""Owns the contraction as schedules see it: flat accesses, free and bound indices, and the machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from codegen.algebra import slope
from codegen.loops import Assign, Branch, Buffer, Call, Do, Loop, Place, Pointer, Statement
from derive.index import Condition, Form, name

LOAD = 0.56
"""Cycles of a load. Two ports would make it a half; on Zen 5 tiles bound by loads take an eighth longer."""


@dataclass(frozen=True)
class Target:
    """What a schedule may use: lanes of a vector, registers, and how many of them may be accumulators.

    Attributes:
        element: bytes of an element.
        threads: that share the parts of a kernel.
        accuracy: "strict", "balanced" or "relaxed": what rounding a schedule may do (README, accuracy).
    """

    lanes: int
    accumulators: int
    registers: int
    element: int = 4
    threads: int = 1
    accuracy: str = "strict"


@dataclass(frozen=True)
class Function:
    """A function of an element and the places of its parameters."""

    name: str
    parameters: tuple[Pointer, ...] = ()


@dataclass(frozen=True)
class Access:
    """An element of a flat buffer; a tabled index adds table[value] instead of slope * value.

    `sure` says that the entry lies in its tensor whatever the conditions of its term say; `function` is
    applied to the element that was read.
    """

    buffer: Buffer
    at: Form
    tables: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sure: bool = True
    function: Function | None = None

    def slope(self, index: str) -> int:
        """Elements from one value of the index to the next (not for a tabled index)."""
        return slope(self.at, index) if index else 0

    def meets(self, index: str) -> bool:
        return index in self.tables or self.slope(index) != 0

    def moved(self, index: str, start: int | None, by: int) -> int:
        """Elements from the block's first value of an index to `by` further on; `start` where tabled."""
        if index in self.tables:
            assert start is not None
            return self.tables[index][start + by]
        return self.slope(index) * by

    def merged(self, fast: str, slow: str) -> Access:
        """The access with two indices made one, called `fast`."""
        return self.at_values({slow: Form()})

    def at_values(self, values: Mapping[str, Form]) -> Access:
        """The access with indices replaced."""
        return replace(self, at=self.at.substitute(values))


@dataclass(frozen=True)
class Choice:
    """An indicator: the product counts where the code that is read is the value."""

    code: Access
    value: Form

    def at_values(self, values: Mapping[str, Form]) -> Choice:
        return Choice(self.code.at_values(values), self.value.substitute(values))


@dataclass(frozen=True)
class Term:
    """sum over bound of [conditions] product of factors, where all choices are met; taken away if `minus`."""

    bound: Mapping[str, int]
    conditions: tuple[Condition, ...]
    factors: tuple[Access, ...]
    choices: tuple[Choice, ...] = ()
    minus: bool = False

    @property
    def plain(self) -> bool:
        """Whether it is a sum of products and nothing else."""
        return not self.choices and not self.minus and not any(a.function for a in self.factors)

    def at_values(self, values: Mapping[str, Form]) -> Term:
        """The term with indices replaced in what it reads; ranges and conditions stay."""
        factors = tuple(a.at_values(values) for a in self.factors)
        return replace(self, factors=factors, choices=tuple(c.at_values(values) for c in self.choices))


@dataclass(frozen=True)
class Ending:
    """What is done beside a sum of products.

    Attributes:
        curved: the claim has functions, choices or differences, so products need not begin with a zero.
        after: a function of the whole sum.
        first: "largest" or "smallest": the first such entry is taken instead of a sum, a NaN before others.
        codes: where the value of the choice that was taken is stored.
    """

    curved: bool = False
    after: Function | None = None
    first: str = ""
    codes: Access | None = None

    def at_values(self, values: Mapping[str, Form]) -> Ending:
        return self if self.codes is None else replace(self, codes=self.codes.at_values(values))


SUM = Ending()


@dataclass(frozen=True)
class Nest:
    """out[free] = sum over bound of the product of factors (one or two) + the added entries.

    Every index has at least two values.
    """

    out: Access
    free: Mapping[str, int]
    bound: Mapping[str, int]
    factors: tuple[Access, ...]
    added: tuple[Access, ...] = ()

    @property
    def accesses(self) -> tuple[Access, ...]:
        return (self.out, *self.factors, *self.added)

    @property
    def copies(self) -> bool:
        """Whether each result is one entry."""
        return not self.bound and len(self.factors) == 1 and not self.added

    def collapsed(self) -> Nest:
        """Indices that always run as one long line made one."""
        for group in ("free", "bound"):
            sizes = getattr(self, group)
            for slow in sizes:
                for fast in sizes:
                    if slow != fast and self._one_line(slow, fast, sizes[fast]):
                        merged = {
                            n: e * (sizes[slow] if n == fast else 1) for n, e in sizes.items() if n != slow
                        }
                        return self._with(group, merged, fast, slow).collapsed()
        return self

    def _one_line(self, slow: str, fast: str, extent: int) -> bool:
        return all(
            not {slow, fast} & set(a.tables) and a.slope(slow) == extent * a.slope(fast)
            for a in self.accesses
        )

    def _with(self, group: str, sizes: Mapping[str, int], fast: str, slow: str) -> Nest:
        moved = [a.merged(fast, slow) for a in self.accesses]
        count = len(self.factors)
        nest = replace(
            self, out=moved[0], factors=tuple(moved[1 : 1 + count]), added=tuple(moved[1 + count :])
        )
        return replace(nest, free=sizes) if group == "free" else replace(nest, bound=sizes)


@dataclass(frozen=True)
class Block:
    """Values start, start + width, ... < stop of an index, `width` of them at a time."""

    index: str
    start: int
    stop: int
    width: int
    fixed: bool = False

    def around(self, body: tuple[Statement, ...]) -> tuple[Statement, ...]:
        """The loop over the block's steps; one step is no loop."""
        if not self.index:
            return body
        if self.fixed or self.stop - self.start == self.width:
            return (Place(self.index, Form.of(self.start)), *body)
        return (Loop(self.index, self.start, self.stop, self.width, body),)


NO_INDEX = Block("", 0, 1, 1)


def blocks(index: str, extent: int, width: int, tabled: bool = False) -> list[Block]:
    """An index cut into whole blocks and a rest; a tabled one into blocks at fixed places."""
    if not index:
        return [NO_INDEX]
    if tabled:
        return [
            Block(index, i, min(i + width, extent), min(width, extent - i), True)
            for i in range(0, extent, width)
        ]
    whole = extent // width * width
    found = [Block(index, 0, whole, width)] if whole else []
    return found + ([Block(index, whole, extent, extent - whole)] if extent > whole else [])


class Writer:
    """Small words for the statements of a body; `kind` is "v" for vectors, "e" for single elements."""

    def __init__(self, kind: str, lanes: int) -> None:
        self.kind, self.lanes = kind, lanes if kind == "v" else 1

    def zero(self, value: str) -> Statement:
        return Assign(value, Call(f"{self.kind}_zero"))

    def load(self, value: str, buffer: Buffer, at: Form, count: int) -> Statement:
        pointer = Pointer(buffer, at)
        if count < self.lanes:
            return Assign(value, Call("v_load_part", (pointer, count)))
        return Assign(value, Call(f"{self.kind}_load", (pointer,)))

    def splat(self, value: str, buffer: Buffer, at: Form) -> Statement:
        return Assign(value, Call("v_splat" if self.kind == "v" else "e_load", (Pointer(buffer, at),)))

    def fma(self, value: str, *factors: str) -> Statement:
        operation = "fma" if len(factors) == 2 else "add"
        return Assign(value, Call(f"{self.kind}_{operation}", (value, *factors)))

    def store(self, buffer: Buffer, at: Form, value: str, count: int) -> Statement:
        pointer = Pointer(buffer, at)
        if count < self.lanes:
            return Do(Call("v_store_part", (pointer, value, count)))
        return Do(Call(f"{self.kind}_store", (pointer, value)))

    def spread(self, out: Access, at: Form, value: str, count: int, line: str) -> tuple[Statement, ...]:
        """A vector stored along the line of a result whose step need not be one element."""
        by = out.slope(line) if self.kind == "v" else 1
        if by == 1:
            return (self.store(out.buffer, at, value, count),)
        return (Do(Call("v_store_strided", (Pointer(out.buffer, at), value, count, by))),)


def place(access: Access, role: str) -> tuple[Statement, Form]:
    """The address of an access put into an integer, and the form that is that integer."""
    return Place(f"at_{role}", access.at), name(f"at_{role}")


def mark(number: int) -> Statement:
    return Branch(number)


def summed(sizes: Mapping[str, int], body: tuple[Statement, ...]) -> tuple[Statement, ...]:
    """The body inside a loop over each index, the first outermost."""
    for index, extent in reversed(list(sizes.items())):
        body = (Loop(index, 0, extent, 1, body),) if body else ()
    return body
