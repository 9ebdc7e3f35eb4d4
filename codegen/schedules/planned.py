"""Owns what a specialised schedule hands over: a plan with its cost, its scratch and its statements."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from codegen.loops import Buffer, Statement
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction


@dataclass(frozen=True)
class Scratch:
    """A part of the workspace that a plan asks for; see `codegen.loops.Buffer`."""

    name: str
    count: int
    copied: bool = False
    own: bool = False
    packed: bool = False
    turn: int = 0


@dataclass(frozen=True)
class Room:
    """Where a plan's statements go: its scratch by the names it asked for, marks, names of parts."""

    scratch: Mapping[str, Buffer]
    numbers: Iterator[int]
    prefix: str = ""

    def mark(self) -> int:
        return next(self.numbers)

    def part(self, name: str) -> str:
        """A name for a part, its own in the kernel; "pack" stays in front."""
        head, rest = ("pack", name[4:]) if name.startswith("pack") else ("", name)
        return f"{head}{self.prefix}{rest}"


PACKED = 0.5
"""Share of the packing of a weight that counts: the mean of a call that packs and one with packed weights."""


class Plan(Protocol):
    """One way to compute a contraction.

    Statements are parts, those that pack the weight first; they run one after another, and every entry of the
    result is stored by exactly one of them.
    """

    @property
    def accuracy(self) -> str:
        """The strictest tier whose promise its rounding keeps."""
        ...

    def cost(self) -> float:
        """Cycles on one thread by the model, with `PACKED` times those that packing the weight takes."""
        ...

    def note(self) -> str:
        """One sentence: name, tile, blocks."""
        ...

    def scratch(self) -> tuple[Scratch, ...]: ...

    def statements(self, room: Room) -> tuple[Statement, ...]: ...


def order_of(plan: Plan) -> object:
    """What decides the order in which an entry's terms are added, for any number of threads.

    Plans of one contraction for which it is equal give the same bits. What a plan
    does not say (`order`) is the name of its schedule with all that it notes.
    """
    return type(plan).__name__, getattr(plan, "order", None) or plan.note()


Family = Callable[[Contraction, Target], Iterator[Plan]]
"""The plans of one kind of schedule for a contraction; none where it does not fit."""
