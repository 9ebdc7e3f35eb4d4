"""Owns what a kernel may compare and choose by: codes with codes, entries in order, never an entry's value.

A text that asks whether an entry is 12345 is right at nearly all operands, and no check would draw that one.
So what may be found equal are places and classes (whole numbers of the text, or operands that hold codes),
and what is chosen by is the outcome of a comparison. Which entry is larger is then all that data can decide;
the weak orders of the check "selection" go through that. What is compared in order are copies of operands'
entries, which no operation has changed and no number of the text or of the layer can be among.

Copies go through memory as well: by what loads and stores may meet (`codegen.reach`), wherever in the text
they stand and whichever runs first, since a workspace keeps what another kernel left there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property

from codegen.lexical import Function
from codegen.logical import Line, Words, call_of, calls, refusal
from codegen.loops import OPERATIONS
from codegen.reach import ANYWHERE, Reach, Region
from codegen.reaching import Reaching

_COMPARED = {"same", "larger", "smaller"}
_LOADED = {"load", "load_part", "load_strided", "load_span", "splat"}
_STORED = {"store", "store_part", "store_strided", "transpose"}
_TURNED = {"held", "even", "odd", "zip_low", "zip_high"}
_MOVED = _LOADED | _TURNED | {"choose", "transpose", "zero"}
"""What gives no other entries than it is given, but zeros: in lanes that are not used, and to begin with."""
_NUMBERS = {"index", "rational"}
"""What makes a number of the text an element."""
WORKSPACE = "workspace"
_LOADS = {o for o in OPERATIONS if o[2:] in _LOADED | {"transpose"}}
_STORES = {o for o in OPERATIONS if o[2:] in _STORED}
_JUDGED = {o for o in OPERATIONS if o[2:] in _COMPARED | {"choose"}}


At = tuple[str, int]
"""A function and the number of one of its lines."""


def check_choices(
    functions: Mapping[str, Function],
    arrays: Mapping[str, Sequence[str]],
    codes: Set[str],
    tables: Set[str],
) -> None:
    """Raises BuildError at the first comparison or choice that could hang on an entry's own value.

    Args:
        functions: all of the text, by name.
        arrays: by function that Python calls the arrays that it passes, in order.
        codes: names of those that hold codes.
        tables: names of those that the layer fills with numbers.
    """
    flow = _Flow(functions, arrays, codes, tables)
    for at, line in flow.lines:
        for operation, passed in calls(line.words, _JUDGED):
            _check(line, operation[2:], passed, flow, at)


def _check(line: Line, operation: str, passed: Sequence[Words], flow: _Flow, at: At) -> None:
    choice = operation == "choose"
    flags = passed[:1] if choice else []
    numbers = [] if choice else passed if operation == "same" else passed[:1]
    entries = passed[1:] if choice or operation in {"larger", "smaller"} else []
    if choice and all(flow.code(at, words) for words in entries):
        entries = []
    for words in passed:
        refused = words in flags and not flow.flag(at, words)
        refused |= words in numbers and not flow.code(at, words)
        if refused or (words in entries and (len(words) != 1 or flow.marked(at, words, not choice))):
            expected = (
                "codes compared with codes, entries with entries, choices by what that gave, all of names"
            )
            raise refusal(line, " ".join(words), expected)


@dataclass(frozen=True)
class _Store:
    """A store at a line: what it may write to, and the words of what it writes."""

    at: At
    region: Region
    value: Words


@dataclass
class _Flow:
    """What may come to stand in the names of functions, by assignments and through memory."""

    functions: Mapping[str, Function]
    arrays: Mapping[str, Sequence[str]]
    codes: Set[str]
    tables: Set[str]
    _met: dict[Region, list[_Store]] = field(default_factory=dict)
    _unmarked: dict[bool, set[tuple[At, Words]]] = field(default_factory=lambda: {False: set(), True: set()})

    @cached_property
    def lines(self) -> list[tuple[At, Line]]:
        every = self.functions.items()
        return [((name, number), line) for name, f in every for number, line in enumerate(f.lines) if number]

    @cached_property
    def _reach(self) -> Reach:
        return Reach(self.functions, self.arrays)

    @cached_property
    def _assigned(self) -> dict[str, Reaching]:
        return {name: Reaching(function.lines) for name, function in self.functions.items()}

    @cached_property
    def _stores(self) -> list[_Store]:
        """Every store of the text."""
        found = []
        for at, line in self.lines:
            for operation, passed in calls(line.words, _STORES):
                value = line.words if operation == "v_transpose" else passed[1]
                for region in self._reach.regions(at[0], operation, passed):
                    found.append(_Store(at, region, value))
        return found

    def _loaded(self, at: At, words: Words) -> Iterator[tuple[Region, list[_Store]]]:
        """What the loads in a value may reach, with the stores that may have written there."""
        for operation, passed in calls(words, _LOADS):
            number = 1 if operation == "v_transpose" else 0
            for region in self._reach.regions(at[0], operation, passed, number):
                if region not in self._met:
                    self._met[region] = [store for store in self._stores if region.meets(store.region)]
                yield region, self._met[region]

    def flag(self, at: At, words: Words) -> bool:
        """Whether it is the outcome of a comparison, whatever way it was given its value."""
        return all(call_of(value)[0][2:] in _COMPARED for _, value in self._values(at, words))

    def code(self, at: At, words: Words, within: frozenset[tuple[At, Words]] = frozenset()) -> bool:
        """Whether it is a whole number of the text, an operand's code, or chosen, copied or less by such."""
        if (at, words) in within:
            return True
        inner = within | {(at, words)}
        return all(self._coded(there, value, inner) for there, value in self._values(at, words))

    def _coded(self, at: At, value: Words, within: frozenset[tuple[At, Words]]) -> bool:
        operation, passed = call_of(value)
        if operation[2:] in _TURNED | {"choose", "sub"}:
            chosen = passed[1:] if operation[2:] == "choose" else passed
            return all(self.code(at, words, within) for words in chosen)
        if operation[2:] not in _LOADED:
            return operation[2:] in {"index", "zero"}
        for region, stores in self._loaded(at, value):
            held = region.array in self.codes or (region.array == WORKSPACE and stores)
            if not held or not all(self.code(s.at, s.value, within) for s in stores):
                return False
        return True

    def marked(self, at: At, words: Words, copied: bool) -> bool:
        """Whether a number of the text or a code may be in it, however it came there.

        Args:
            copied: whether it must be copies of operands' entries as well, which the layer does not fill.
        """
        refused = self.codes | {ANYWHERE} | (self.tables if copied else set())
        seen, pending = set(self._unmarked[copied]), [(at, words)]
        while pending:
            at, value = pending.pop()
            if (at, value) in seen:
                continue
            seen.add((at, value))
            operation, passed = call_of(value)
            if operation[2:] == "choose":
                pending += [(at, words) for words in passed[1:]]
                continue
            used = {word[2:] for word in value if word in OPERATIONS}
            if used & _NUMBERS or (copied and not used <= _MOVED):
                return True
            for region, stores in self._loaded(at, value):
                if region.array in refused:
                    return True
                pending += [(store.at, store.value) for store in stores]
            pending += [found for word in value for found in self._values(at, (word,))]
        self._unmarked[copied] = seen
        return False

    def _values(self, at: At, words: Words) -> list[tuple[At, Words]]:
        """The values of a name where a line reads it, with their lines; of anything else nothing."""
        found = self._assigned[at[0]].values(words[0], at[1]) if len(words) == 1 else []
        return [((at[0], number), value) for number, value in found] or [(at, ("",))]
