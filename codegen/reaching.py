"""Owns which assignments a name may have its value from at a line of a kernel, loops and branches considered.

Of all that is assigned to a name, what counts at a line is the last that stands before it in its own block or
one around it, what stands between the two, and what a loop around the line alone brings back from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from codegen.logical import Line, Words, given


class Reaching:
    """The assignments of one function.

    Args:
        lines: the function's, its head first.
    """

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines

    @cached_property
    def _given(self) -> dict[str, list[tuple[int, Words]]]:
        """By name the lines that assign to it, in order, with the values."""
        found: dict[str, list[tuple[int, Words]]] = {}
        for number, line in enumerate(self.lines):
            for name, value in given(line.words):
                found.setdefault(name, []).append((number, value))
        return found

    @cached_property
    def _around(self) -> list[tuple[int, ...]]:
        """By line the heads of the blocks around it, outer ones first."""
        found, open_ = [], list[int]()
        for number, line in enumerate(self.lines):
            open_ = [head for head in open_ if self.lines[head].indent < line.indent]
            found.append(tuple(open_))
            if line.words[-1] == ":":
                open_.append(number)
        return found

    def values(self, name: str, at: int) -> list[tuple[int, Words]]:
        """The lines whose values a name may have where line `at` reads it, with the words of these."""
        every = self._given.get(name, [])
        here = self._around[at]
        last = max(
            (n for n, _ in every if n < at and self._around[n] == here[: len(self._around[n])]), default=-1
        )
        found = {n for n, _ in every if last <= n < at}
        for loop in (h for h in here if h > last and self.lines[h].words[0] == "for"):
            found |= self._left(loop, [n for n, _ in every if loop in self._around[n]])
        return [(n, value) for n, value in every if n in found]

    def _left(self, loop: int, inside: Sequence[int]) -> set[int]:
        """Of a loop's lines that assign to a name those whose value is there at the end of a turn."""
        last = max((n for n in inside if self._around[n][-1] == loop), default=loop)
        return {n for n in inside if n >= last}
