"""Owns what a kernel may compare and choose by: codes with codes, entries in order, never an entry's value.

A text that asks whether an entry is 12345 is right at nearly all operands, and no check would draw that one.
So what may be found equal are places and classes (whole numbers of the text, or operands that hold codes),
and what is chosen by is the outcome of a comparison. Which entry is larger is then all that data can decide;
the weak orders of the check "selection" go through that. Codes and entries do not mix on the way there: a
code that a choice, a sum or a second assignment made look like an entry would be a number to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from itertools import pairwise

from codegen.lexical import Function
from codegen.logical import Line, refusal

Words = tuple[str, ...]
_COMPARED = {"same", "larger", "smaller"}
_LOADED = {"load", "load_part", "load_strided", "splat"}
_STORED = {"store", "store_part", "store_strided", "transpose"}
_NUMBERS = {"index", "rational"}
"""What makes a number of the text an element."""


def check_choices(functions: Iterable[Function], codes: Set[str]) -> None:
    """Raises BuildError at the first comparison or choice that could hang on an entry's own value.

    Args:
        codes: names of operands that hold codes.
    """
    for function in functions:
        sorts = _Sorts.of(function, codes)
        for line in function.lines:
            for spot, word in enumerate(line.words):
                if word[1:2] == "_" and word[2:] in _COMPARED | {"choose"}:
                    _check(line, word[2:], _arguments(line.words[spot + 1 :]), sorts)


def _check(line: Line, operation: str, arguments: Sequence[Words], sorts: _Sorts) -> None:
    choice = operation == "choose"
    flags = arguments[:1] if choice else []
    numbers = [] if choice else arguments if operation == "same" else arguments[:1]
    entries = arguments[1:] if choice or operation in {"larger", "smaller"} else []
    if choice and all(map(sorts.code, entries)):
        entries = []
    for words in arguments:
        refused = words in flags and not sorts.flag(words)
        refused |= words in numbers and not sorts.code(words)
        if refused or (words in entries and (len(words) != 1 or sorts.touched(words))):
            expected = (
                "codes compared with codes, entries with entries, choices by what that gave, all of names"
            )
            raise refusal(line, " ".join(words), expected)


@dataclass
class _Sorts:
    """What names of a function stand for, by everything that is assigned to them."""

    values: dict[str, list[Words]] = field(default_factory=dict)
    codes: Set[str] = frozenset()

    @staticmethod
    def of(function: Function, codes: Set[str]) -> _Sorts:
        head = function.lines[0].words
        found = _Sorts({name: [("",)] for name in head})
        for line in function.lines[1:]:
            whole = line.words[1:2] == ("=",)
            for name in line.words[:1] if whole else [n for n, s in pairwise(line.words) if s == "="]:
                found.values.setdefault(name, []).append(line.words[2:] if whole else ("",))
            if line.words[0][2:] in _STORED:
                to, *stored = _arguments(line.words[1:])
                found.values.setdefault(to[0], []).extend(stored[:1])
        operands = {name for star, name in pairwise(head) if star == "*"}
        found.codes = {name for name in operands & codes if len(found.values[name]) == 1}
        return found

    def flag(self, words: Words) -> bool:
        """Whether it is the outcome of a comparison, whatever way it was given its value."""
        return all(value[0][2:] in _COMPARED for value in self._of(words))

    def code(self, words: Words, within: frozenset[str] = frozenset()) -> bool:
        """Whether it is a whole number of the text, a code of an operand, or chosen among such."""
        return words[0] in within or all(self._coded(value, within | {words[0]}) for value in self._of(words))

    def _coded(self, value: Words, within: frozenset[str]) -> bool:
        operation, arguments = value[0][2:], _arguments(value[1:])
        if operation == "choose":
            return all(self.code(a, within) for a in arguments[1:])
        return operation == "index" or (operation in _LOADED and arguments[0][0] in self.codes)

    def touched(self, words: Words) -> bool:
        """Whether a number of the text or a code may be in it, however it came there within the function."""
        seen, pending = set[str](), [words]
        while pending:
            value = pending.pop()
            if value[0][2:] == "choose":
                value = tuple(w for argument in _arguments(value[1:])[1:] for w in argument)
            if any(w in self.codes or w[2:] in _NUMBERS for w in value):
                return True
            new = {w for w in value if w in self.values} - seen
            seen |= new
            pending += (further for name in new for further in self.values[name])
        return False

    def _of(self, words: Words) -> list[Words]:
        """The values of a name; of anything else one that is nothing."""
        return self.values.get(words[0], [("",)]) if len(words) == 1 else [("",)]


def _arguments(words: Words) -> list[Words]:
    """The arguments of the call whose bracket opens here."""
    found: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if depth == 0:
            break
        if word == "," and depth == 1:
            found.append([])
        elif not (word == "(" and depth == 1 and found == [[]]):
            found[-1].append(word)
    return [tuple(f) for f in found]
