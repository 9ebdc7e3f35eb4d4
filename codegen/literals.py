"""Owns what kernel text multiplies by of its own: the rational constants of each function, read off the text.

A kernel whose text has such constants (Winograd's transforms) computes its equation by another formula, which
no trace can follow term by term and which rounds on whole numbers: it belongs to the class "rational"
(`codegen.rational`). The text alone decides that, not what a kernel says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from codegen.lexical import Function, constant_at, functions_of
from codegen.loops import RATIONAL


@lru_cache(maxsize=32)
def constants_of(pyx_text: str, kernel: str) -> frozenset[tuple[int, int]]:
    """The constants n / d in the text of a kernel and of all functions it calls, as they are written.

    Where the text has no function of that name (`bf_<kernel>`), those of the whole text.
    """
    if not any(operation in pyx_text for operation in RATIONAL):
        return frozenset()
    return frozenset(c for function in reached(pyx_text, kernel) for c in _constants(function))


def words_of(pyx_text: str, kernel: str) -> set[str]:
    """The words in the text of a kernel and of all functions it calls."""
    return {word for function in reached(pyx_text, kernel) for word in _words(function)}


@lru_cache(maxsize=4)
def by_name(pyx_text: str) -> dict[str, Function]:
    """The kernel functions of a text, as read."""
    return {f.name: f for f in functions_of(pyx_text)}


def reached(pyx_text: str, kernel: str) -> list[Function]:
    """The function of a kernel and all that it calls, as read, in order of their names.

    Where the text has no function of that name (`bf_<kernel>`), all of them.
    """
    functions = by_name(pyx_text)
    start = f"bf_{kernel}"
    names, pending = set[str](), [start] if start in functions else list(functions)
    while pending:
        name = pending.pop()
        if name not in names:
            names.add(name)
            pending += [n for n in _words(functions[name]) if n in functions]
    return [functions[name] for name in sorted(names)]


def rational_kernels(pyx_text: str, kernels: Iterable[str]) -> list[str]:
    """The kernels whose text has rational constants, in the order given."""
    return [kernel for kernel in kernels if constants_of(pyx_text, kernel)]


def _words(function: Function) -> set[str]:
    return {word for line in function.lines for word in line.words}


def _constants(function: Function) -> list[tuple[int, int]]:
    """The constants of one function; a call that is none (the gate refuses it) counts as 0 / 1."""
    found = []
    for line in function.lines:
        for spot, word in enumerate(line.words):
            if word in RATIONAL:
                found.append(constant_at(line.words, spot) or (0, 1))
    return found
