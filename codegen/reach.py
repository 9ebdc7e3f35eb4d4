"""Owns which elements a kernel's loads and stores may meet: arrays of a call, and ranges of elements in them.

A pointer is followed to the arrays that Python passes, through parts and everything that is assigned to it;
a whole number is a range, over all turns of its loops and all calls of its function. Nothing is guessed: what
is not understood may be any number, or point anywhere. Arrays of one call lie apart (`codegen.operands`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from codegen.lexical import Function
from codegen.logical import Words, call_of, calls, given, split

MOST_LANES = 16
LARGE = 2**31
Span = tuple[int, int]
ANY: Span = (-(2**80), 2**80)
"""A whole number that is not known, or that C might not hold on the way to it."""
NUMBER, ANYWHERE = "#", ""
Value = Mapping[str, Span]
"""What an expression may be: a whole number, or by array the elements that it points to."""
ANYTHING: Value = {NUMBER: ANY, ANYWHERE: ANY}


@dataclass(frozen=True)
class Region:
    """Elements of an array, or of any array."""

    array: str
    span: Span

    def meets(self, other: Region) -> bool:
        apart = self.span[1] < other.span[0] or other.span[1] < self.span[0]
        return not apart and (self.array == other.array or ANYWHERE in {self.array, other.array})


@dataclass
class Reach:
    """The functions of a text by name, and by function the arrays that Python passes to it, in order."""

    functions: Mapping[str, Function]
    arrays: Mapping[str, Sequence[str]]
    _sources: dict[tuple[str, str], list[tuple[str, Words]]] = field(default_factory=dict)
    _known: dict[tuple[str, str], Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for caller, function in self.functions.items():
            for line in function.lines[1:]:
                for name, value in given(line.words):
                    self._add(caller, name, caller, value)
                if line.words[0] == "for":
                    self._add(caller, line.words[1], caller, line.words[3:-1])
                for called, passed in calls(line.words, self.functions.keys()):
                    for name, value in zip(parameters(self.functions[called]), passed, strict=True):
                        self._add(called, name, caller, value)

    def _add(self, function: str, name: str, at: str, value: Words) -> None:
        self._sources.setdefault((function, name), []).append((at, value))

    def regions(
        self, function: str, operation: str, passed: Sequence[Words], number: int = 0
    ) -> list[Region]:
        """The elements that a load or store of a function reaches by one of its arguments, in all lanes."""
        found = _plus(
            self._value(function, passed[number]), {NUMBER: self._lanes(function, operation, passed, number)}
        )
        whole = {ANYWHERE: ANY} if NUMBER in found else found
        return [Region(array, span) for array, span in whole.items()]

    def _lanes(self, function: str, operation: str, passed: Sequence[Words], number: int) -> Span:
        """How far from its address an operation reaches."""
        last, wholes = MOST_LANES - 1, [self._whole(function, words) for words in passed]
        match operation[2:]:
            case "load_part":
                return _first(wholes[1])
            case "load_span" | "store_part":
                return _first(wholes[2])
            case "load_strided" | "store_strided":
                return _hull([(0, 0), _product((last, last), wholes[-1])])
            case "transpose":
                low, high = _hull([(0, 0), _product((last, last), wholes[2 + number])])
                return low, high + last
        return 0, last if operation[:2] == "v_" and operation != "v_splat" else 0

    def _whole(self, function: str, words: Words) -> Span:
        return _number(self._value(function, words))

    def _value(self, function: str, words: Words) -> Value:
        loop, ends = call_of(words)
        if loop in {"range", "prange"}:
            return {
                NUMBER: _turns([self._whole(function, e) for e in (ends[:1] if loop == "prange" else ends)])
            }
        return _Sum(self, function, list(words)).read()

    def named(self, function: str, name: str) -> Value:
        """All that a name of a function stands for; while that is sought, anything."""
        key = function, name
        if key not in self._known:
            self._known[key] = ANYTHING
            own = zip(parameters(self.functions[function]), self.arrays.get(function, ()), strict=False)
            found = [{array: (0, 0)} if array else ANYTHING for title, array in own if title == name]
            found += [self._value(at, value) for at, value in self._sources.get(key, ())]
            self._known[key] = _joined(found) if found else ANYTHING
        return self._known[key]


def parameters(function: Function) -> list[str]:
    """The names of a function's parameters, in order."""
    head = function.lines[0].words
    return [group[-1] for group in split(head[head.index("(") + 1 : -4]) if group]


@dataclass
class _Sum:
    """An expression of whole numbers and an address, being read from its first word on."""

    reach: Reach
    function: str
    words: list[str]

    def read(self) -> Value:
        found = self._sum()
        return ANYTHING if self.words else found

    def _sum(self) -> Value:
        found = self._term()
        while self.words[:1] in (["+"], ["-"]):
            sign, right = self.words.pop(0), self._term()
            found = _plus(found, right if sign == "+" else _negative(right))
        return found

    def _term(self) -> Value:
        found = self._factor()
        while self.words[:1] in (["*"], ["//"], ["%"]):
            work = {"*": _product, "//": _quotient, "%": _rest}[self.words.pop(0)]
            found = {NUMBER: work(_number(found), _number(self._factor()))}
        return found

    def _factor(self) -> Value:
        word = self.words.pop(0) if self.words else ""
        if word == "-":
            return _negative(self._factor())
        if word == "(":
            found = self._sum()
            return found if self.words and self.words.pop(0) == ")" else ANYTHING
        if word.isdecimal():
            return {NUMBER: _held((int(word), int(word)))}
        return self.reach.named(self.function, word) if word.isidentifier() else ANYTHING


def _joined(values: Iterable[Value]) -> Value:
    found: dict[str, Span] = {}
    for value in values:
        for array, span in value.items():
            found[array] = _hull([found.get(array, span), span])
    return found


def _plus(left: Value, right: Value) -> Value:
    """A sum, of which one at most is an address."""
    pairs = list(product(left.items(), right.items()))
    if any(NUMBER not in {one, two} for (one, _), (two, _) in pairs):
        return ANYTHING
    return _joined(
        {two if one == NUMBER else one: _held((a[0] + b[0], a[1] + b[1]))} for (one, a), (two, b) in pairs
    )


def _negative(value: Value) -> Value:
    low, high = _number(value)
    return {NUMBER: (-high, -low)} if value.keys() == {NUMBER} else ANYTHING


def _number(value: Value) -> Span:
    return value[NUMBER] if value.keys() == {NUMBER} else ANY


def _hull(spans: Iterable[Span]) -> Span:
    lows, highs = zip(*spans, strict=True)
    return min(lows), max(highs)


def _held(span: Span) -> Span:
    """The span where C holds all of it in the shortest type that it may have chosen."""
    return span if span[0] > -LARGE and span[1] < LARGE else ANY


def _first(count: Span) -> Span:
    """The elements of a masked load or store: those of a whole vector where the mask may be no count."""
    return 0, max(count[1], MOST_LANES if count[0] < 0 or count[1] > MOST_LANES else 1) - 1


def _turns(ends: Sequence[Span]) -> Span:
    """The values that a loop's name takes."""
    start, stop = (ends[0], ends[1]) if ends[1:] else ((0, 0), ends[0])
    forward = not ends[2:] or ends[2][0] > 0
    return _held((start[0], max(start[1], stop[1] - 1))) if forward else ANY


def _product(one: Span, two: Span) -> Span:
    return _held(_hull([(a * b, a * b) for a, b in product(one, two)]))


def _quotient(one: Span, two: Span) -> Span:
    """By a positive number, rounded in either way."""
    if two[0] <= 0:
        return ANY
    ends = [a // b for a, b in product(one, two)]
    return _held((min(ends), max(ends) + (one[0] < 0)))


def _rest(one: Span, two: Span) -> Span:
    """By a positive number, of either sign: C's has that of what is divided, Python's is not negative."""
    if two[0] <= 0:
        return ANY
    return (0, min(two[1] - 1, one[1])) if one[0] >= 0 else (1 - two[1], two[1] - 1)
