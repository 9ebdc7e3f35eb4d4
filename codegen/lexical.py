"""Owns the gate on generated text: what a kernel may be written with, so that every build runs the same text.

A kernel is a top-level `cdef` function marked nogil. It may use the element type E, the vector type V,
pointers to E, whole numbers, `for` and `if` on whole numbers, `+ - * // %`, and the operations of
backflip_ops.h, among them constants, `e_rational(n, d)` of two whole literals. Blocks stand on lines of their
own, and elements pass from one kernel to another in arrays alone. Whatever could tell one
element type from another (sizeof, casts, literals with a point, comparisons of elements or addresses,
indexing, strings, the preprocessor) is refused by name and line. What stands around kernels is judged by
`codegen.outline`, that variables have a value before they are read by `codegen.assigned`.
"""

from __future__ import annotations

import re
import tokenize
from dataclasses import dataclass, field

from codegen.assigned import check_assigned
from codegen.errors import BuildError
from codegen.logical import Line, blocks, logical_lines, refusal, split
from codegen.loops import LARGEST_LITERAL, RATIONAL, is_rational
from codegen.outline import OPS, check_around, is_kernel

WORDS = {
    *("cdef", "const", "E", "V", "Py_ssize_t", "int", "void", "inline", "noexcept", "nogil"),
    *("for", "in", "range", "if", "elif", "else", "and", "or", "not", "return", "pass"),
}
COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
GIVES = {"=", "+=", "-=", "*="}
SIGNS = {"+", "-", "*", "//", "%", "+=", "-=", "*=", "=", "(", ")", ",", ":"} | COMPARISONS
TYPES = {"E", "V", "Py_ssize_t", "int", "void", "const"}


@dataclass
class Function:
    """A kernel function as read so far: the kinds of its names ("whole", "element" or "address")."""

    name: str
    lines: list[Line] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)


def gate(pyx_text: str) -> tuple[str, ...]:
    """The names of the kernels of the text; raises BuildError at the first thing a kernel may not say."""
    functions = functions_of(pyx_text)
    names = {f.name for f in functions}
    if not names:
        raise BuildError(
            "the generated text holds no kernel", where="text", expected="cdef ... noexcept nogil"
        )
    for function in functions:
        for line in function.lines:
            _check_line(function, line, names)
        check_assigned(function.lines, function.kinds)
        _, entry, entries = pyx_text.partition(f"\ndef call_{function.name.removeprefix('bf_')}(")
        if entry:
            _check_operands(function.lines[0], entries.partition(")")[0].count(",") + 1)
    return tuple(f.name for f in functions)


def functions_of(pyx_text: str) -> list[Function]:
    """The kernel functions of a text, their lines not looked at yet; BuildError on what may not be there."""
    functions: list[Function] = []
    for head, body in blocks(logical_lines(pyx_text)):
        if is_kernel(head):
            functions.append(_function(head, body, {f.name for f in functions}))
        else:
            check_around(head, body)
    return functions


def _function(head: Line, body: list[Line], others: set[str]) -> Function:
    name = head.words[head.words.index("(") - 1]
    if not name.startswith("bf_") or name in OPS | others:
        raise refusal(head, name, "kernels of names that begin with bf_, each its own")
    if head.words[:2] != ("cdef", "void") or any(_element(g) for g in split(head.words[4:-4])):
        raise refusal(head, name, "kernels that give nothing back and take arrays and whole numbers")
    return Function(name, [head, *body])


def _element(parameter: tuple[str, ...]) -> bool:
    return bool({"E", "V"} & set(parameter)) and "*" not in parameter


SHARED = re.compile(r'for thread in prange \( (\d+) , num_threads = (\d+) , schedule = "static" \) :')
"""The one way to share the turns of a part out among threads."""


def _check_line(function: Function, line: Line, kernels: set[str]) -> None:
    words = line.words
    shared = SHARED.fullmatch(" ".join(words))
    if shared and shared[1] == shared[2] and function.kinds.get("thread") == "whole":
        return
    if words[0] == "cdef":
        _declare(function, line)
        if taken := (OPS | WORDS | kernels) & set(function.kinds):
            raise refusal(line, min(taken), "names of its own, not those of operations and kernels")
    if line.said:
        return
    _check_given(line)
    for before, token in zip((None, *line.tokens), line.tokens, strict=False):
        if token.type == tokenize.NUMBER:
            if not token.string.isdecimal():
                raise refusal(line, token.string, "whole decimal numbers only")
        elif token.type == tokenize.NAME:
            if token.string not in WORDS | OPS | kernels and token.string not in function.kinds:
                raise refusal(line, token.string, "names declared in the kernel and the operations only")
        elif token.string not in SIGNS:
            raise refusal(line, token.string, "the signs + - * // % and comparisons only")
        elif token.string == "*" and before is not None and before.string in {"(", ",", "=", ":"}:
            raise refusal(line, "*", "elements read and written through the operations only")
    _check_casts(line)
    for spot, word in enumerate(words):
        if word in RATIONAL and constant_at(words, spot) is None:
            expected = f"{word}(n, d) with whole literals up to {LARGEST_LITERAL}, d above 0"
            raise refusal(line, " ".join(words[spot : spot + 7]), expected)
    if _decides(function, line):
        _check_whole(function, line)
    if ":" in words[:-1] or {"if", "else"} & set(words[1:-1]):
        raise refusal(line, " ".join(words), "blocks on lines of their own, and no choice within a line")


def _check_given(line: Line) -> None:
    """A line gives one name a value, a declaration each of its own: what follows values reads no more."""
    words = line.words
    declares = words[0] == "cdef" and words[-1] != ":"
    for group in split(words[1:]) if declares else [words]:
        signs = [spot for spot, word in enumerate(group) if word in GIVES]
        named = group[: signs[0]] if signs else group[:1]
        types = set(named[:-1]) <= TYPES | {"*"} if declares else len(named) == 1
        if signs and not (types and signs[1:] == [] and len(split(group)) == 1):
            raise refusal(line, group[signs[0]], "a value for one name, with nothing around the name")
    if words[0] == "for" and words[2] != "in":
        raise refusal(line, words[1], "one name for the turns of a loop")


def _check_operands(head: Line, given: int) -> None:
    """What Python passes between result and workspace is read only: it may be shared, or not be writable."""
    words = head.words
    groups = split(words[words.index("(") + 1 : -4])
    if len(groups) != given:
        raise refusal(head, f"{len(groups)} arrays", f"the {given} that its entry takes")
    for group in groups[1:-1]:
        if group[0] != "const":
            raise refusal(head, " ".join(group), "operands declared const")


def constant_at(words: tuple[str, ...], spot: int) -> tuple[int, int] | None:
    """The (n, d) of the constant that a line calls for at a place; None where it is not of two literals."""
    open_, *rest = words[spot + 1 : spot + 7] or ("",)
    sign, rest = (-1, rest[1:]) if rest[:1] == ["-"] else (1, rest)
    if open_ != "(" or len(rest) < 4 or rest[1] != "," or rest[3] != ")":
        return None
    if not (rest[0].isdecimal() and rest[2].isdecimal()):
        return None
    numerator, denominator = sign * int(rest[0]), int(rest[2])
    return (numerator, denominator) if is_rational(numerator, denominator) else None


def _check_casts(line: Line) -> None:
    for one, two in zip(line.words, line.words[1:], strict=False):
        if one == "<" and two in TYPES:
            raise refusal(line, f"<{two}", "no cast")
        if one in {"E", "V"} and two == "(":
            raise refusal(line, f"{one}(", "no conversion to an element")


def _decides(function: Function, line: Line) -> bool:
    """Whether a line branches, compares, or gives a whole number its value."""
    words = line.words
    target = words[words.index("=") - 1] if "=" in words else words[0]
    return bool({"if", "elif", "for", *COMPARISONS} & set(words)) or function.kinds.get(target) == "whole"


def _check_whole(function: Function, line: Line) -> None:
    """Control flow depends on whole numbers alone."""
    for word in line.words:
        if word in OPS - {"bf_branch"} or function.kinds.get(word, "whole") != "whole":
            raise refusal(line, word, "control flow on whole numbers only, not on elements or addresses")


def _declare(function: Function, line: Line) -> None:
    """Notes the names that a cdef line declares, its parameters included."""
    words = line.words
    if words[-1] == ":" and "(" in words:
        groups = split(words[words.index("(") + 1 : len(words) - 1 - words[::-1].index(")")])
        for group in groups:
            if group:
                function.kinds[group[-1]] = _kind(group[:-1])
        return
    base = next((w for w in words[1:] if w not in {"const", "inline"}), "")
    for number, group in enumerate(split(words[1:])):
        left = group[: group.index("=")] if "=" in group else group
        kind = _kind(left[:-1] if number == 0 else (base, *left[:-1]))
        function.kinds[left[-1]] = kind


def _kind(type_words: tuple[str, ...]) -> str:
    if "*" in type_words:
        return "address"
    return "element" if {"E", "V"} & set(type_words) else "whole"
