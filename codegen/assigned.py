"""Owns that a kernel reads no variable of its own before it has a value.

C leaves in such a variable whatever the stack held: data of an earlier call, or another thing in every build.
A value counts where it was given before, in this block or in one around it, whichever way was taken since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from codegen.logical import Line, refusal


def check_assigned(lines: Sequence[Line], kinds: Mapping[str, str]) -> None:
    """A function's lines, head first, and its names; raises BuildError at one that may have no value yet."""
    head, *body = lines
    known = Known([(0, word) for word in head.words if word in kinds])
    for line in body:
        known.arrive(line)
        given, read = _given(line.words, kinds)
        missing = next((word for word in read if word not in known.names), None)
        if missing is not None:
            raise refusal(line, missing, "names that were given a value on every way to here")
        inner = line.indent + (line.words[0] == "for")
        known.given += [(inner, name) for name in given]


@dataclass
class Known:
    """The names that have a value, each with the indent of the block that gave it.

    Attributes:
        ways: by the indent of an `if` what each of its blocks gave, and whether there was an `else`.
    """

    given: list[tuple[int, str]]
    ways: dict[int, tuple[list[set[str]], bool]] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        return {name for _, name in self.given}

    def arrive(self, line: Line) -> None:
        """Leaves the blocks that end before a line; what all blocks of an `if` with an `else` gave stays."""
        word = line.words[0]
        for indent in sorted((i for i in self.ways if i >= line.indent), reverse=True):
            blocks, whole = self.ways.pop(indent)
            blocks.append({name for at, name in self.given if at > indent})
            self.given = [(at, name) for at, name in self.given if at <= indent]
            if indent == line.indent and word in {"elif", "else"}:
                self.ways[indent] = blocks, whole or word == "else"
            elif whole:
                self.given += [(indent, name) for name in set.intersection(*blocks)]
        self.given = [(at, name) for at, name in self.given if at <= line.indent]
        if word == "if":
            self.ways[line.indent] = [], False


def _given(words: tuple[str, ...], kinds: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """The names that a line gives a value, and those that it reads to do so."""
    names = [word for word in words if word in kinds]
    if words[0] == "cdef":
        given = [word for word, after in pairwise(words) if after == "="]
        return given, _read_of(words, kinds) if given else []
    if words[0] == "for":
        return [words[1]], [word for word in words[2:] if word in kinds]
    if words[1:2] == ("=",):
        return [words[0]], names[1:]
    return [], names


def _read_of(words: tuple[str, ...], kinds: Mapping[str, str]) -> list[str]:
    """What the values of a declaration read: names that do not stand before a sign of assignment or alone."""
    read, value, depth = [], False, 0
    for word, after in zip(words, (*words[1:], ""), strict=True):
        depth += (word == "(") - (word == ")")
        value = (value and not (word == "," and depth == 0)) or word == "="
        if value and word in kinds and after != "=":
            read.append(word)
    return read
