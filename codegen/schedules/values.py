"""Owns values that are computed once each, in the outermost loop where all they need is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from codegen.loops import Argument, Assign, Call, Do, Loop, Part, Pointer, Statement, statements
from derive.index import Form

CYCLES: Mapping[str, float] = {
    **dict.fromkeys(("load", "splat", "fma", "add", "sub", "mul", "choose"), 0.5),
    **dict.fromkeys(("even", "odd", "zip_low", "zip_high", "same", "load_part", "load_span", "store"), 1.0),
    **dict.fromkeys(("index", "store_part"), 1.5),
    **dict.fromkeys(("larger", "smaller"), 2.0),
    "zero": 0.0,
}
"""Cycles of an operation among others, by its name without v_ and e_."""
STRIDED = 1.5
"""Cycles for each lane of a strided load or store."""
PAIRED = {"load_strided": 2.0, "store_strided": 4.0}
"""The same for a whole vector where the step is two elements."""
TURN = 1.0
"""Cycles of a loop for each of its turns."""


@dataclass
class Values:
    """Statements by how many of the loops `order` are around them; a value is named when it is asked for."""

    order: Sequence[str]
    levels: list[list[Statement]] = field(default_factory=list)
    known: dict[Call, tuple[str, int]] = field(default_factory=dict)
    at: dict[str, int] = field(default_factory=dict)
    prefix: str = "v_"
    least: int = 0
    """How many loops are around whatever is new."""

    def __post_init__(self) -> None:
        self.levels = self.levels or [[] for _ in range(len(self.order) + 1)]

    def inside(self, depth: int) -> Values:
        """The same outside of `depth` loops, and as yet nothing inside of them."""
        levels = [*self.levels[: depth + 1], *([] for _ in self.levels[depth + 1 :])]
        known = {call: found for call, found in self.known.items() if found[1] <= depth}
        return Values(self.order, levels, known, dict(self.at), self.prefix)

    def innermost(self) -> Values:
        """The same, to which nothing is added but inside of all loops."""
        found = self.inside(len(self.order) - 1)
        found.least = len(self.order)
        return found

    def level(self, names: Iterable[str]) -> int:
        """The number of loops after which all the indices are known."""
        wanted = set(names)
        return max((k + 1 for k, n in enumerate(self.order) if n in wanted), default=0)

    def __call__(self, operation: str, *arguments: Argument) -> str:
        """The name of the value that an operation gives."""
        call = Call(operation, arguments)
        if call not in self.known:
            title, level = f"{self.prefix}{len(self.at)}", max(self.needs(call), self.least)
            self.known[call], self.at[title] = (title, level), level
            self.levels[level].append(Assign(title, call))
        return self.known[call][0]

    def needs(self, call: Call) -> int:
        """The level at which the arguments of a call are known."""
        return max((self._needs(a) for a in call.arguments), default=0)

    def _needs(self, argument: Argument) -> int:
        match argument:
            case str():
                return self.at[argument]
            case Pointer(_, at):
                return self.level(at.names)
            case Form():
                return self.level(argument.names)
            case _:
                return 0


def cycles(body: Sequence[Statement], lanes: int) -> float:
    """What statements cost by the table, turns of loops counted; nothing waits for memory."""
    total = 0.0
    for statement in body:
        match statement:
            case Loop(_, int(start), int(stop), step, inner):
                total += len(range(start, stop, step)) * (cycles(inner, lanes) + TURN)
            case Part(_, _, count, inner):
                total += count * cycles(inner, lanes)
            case Assign(_, call) | Do(call):
                total += _cost(call, lanes)
    return total


def _cost(call: Call, lanes: int) -> float:
    title = call.operation[2:]
    if title not in PAIRED:
        return CYCLES.get(title, 1.0)
    step = call.literals[-1]
    return PAIRED[title] * max(lanes, 4) / 16 if step == 2 else STRIDED * lanes


def size(body: Sequence[Statement]) -> int:
    """How many statements there are."""
    return sum(1 for _ in statements(tuple(body)))
