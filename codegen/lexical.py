"""Owns the gate on generated text: what a kernel may be written with, so that every build runs the same text.

A kernel is a top-level `cdef` function marked nogil. It may use the element type E, the vector type V,
pointers to E, whole numbers, `for` and `if` on whole numbers, `+ - * // %`, and the operations of
backflip_ops.h, among them constants, `e_rational(n, d)` of two whole literals. Whatever could tell one
element type from another (sizeof, casts, literals with a point, comparisons of elements or addresses,
indexing, strings, the preprocessor) is refused by name and line.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import StringIO

from codegen.errors import BuildError
from codegen.loops import LARGEST_LITERAL, OPERATIONS, RATIONAL, is_rational

OPS = {*OPERATIONS, "bf_branch"}
WORDS = {
    *("cdef", "const", "E", "V", "Py_ssize_t", "int", "void", "inline", "noexcept", "nogil"),
    *("for", "in", "range", "if", "elif", "else", "and", "or", "not", "return", "pass"),
}
COMPARISONS = {"<", "<=", ">", ">=", "==", "!="}
SIGNS = {"+", "-", "*", "//", "%", "+=", "-=", "*=", "=", "(", ")", ",", ":"} | COMPARISONS
TYPES = {"E", "V", "Py_ssize_t", "int", "void", "const"}
EXTERN_NAMES = OPS | {"e_poison", "BF_ELEMENT_BYTES", "BF_LANES"}
HEADER = "backflip_ops.h"
HEADERS = (HEADER, "backflip_entry.h")


@dataclass(frozen=True)
class Line:
    """One logical line of the text: its number and its tokens, without layout and comments."""

    number: int
    indent: int
    tokens: tuple[tokenize.TokenInfo, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(t.string for t in self.tokens)


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
    return tuple(f.name for f in functions)


def functions_of(pyx_text: str) -> list[Function]:
    """The kernel functions of a text, their lines not looked at yet; BuildError on what may not be there."""
    functions: list[Function] = []
    for head, body in _blocks(logical_lines(pyx_text)):
        words = head.words
        _check_import(head)
        if words[:3] == ("cdef", "extern", "from"):
            _check_extern(head, body)
        elif words[0] in {"DEF", "IF", "include"}:
            raise refusal(head, words[0], "no compile-time switch")
        elif words[0] == "cdef" and "nogil" in words and "(" in words:
            functions.append(Function(words[words.index("(") - 1], [head, *body]))
    return functions


def logical_lines(text: str) -> list[Line]:
    """The text as logical lines; raises BuildError where it is not even made of tokens."""
    lines: list[Line] = []
    current: list[tokenize.TokenInfo] = []
    layout = {
        tokenize.NL,
        tokenize.COMMENT,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.ENDMARKER,
    }
    try:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            if token.type == tokenize.NEWLINE:
                if current:
                    lines.append(Line(current[0].start[0], current[0].start[1], tuple(current)))
                current = []
            elif token.type not in layout:
                current.append(token)
    except (tokenize.TokenError, IndentationError) as fault:
        raise BuildError("the generated text is not made of tokens", where="text", got=str(fault)) from fault
    return lines


def _blocks(lines: list[Line]) -> Iterator[tuple[Line, list[Line]]]:
    """Top-level lines with what is indented under them."""
    starts = [i for i, line in enumerate(lines) if line.indent == 0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start], lines[start + 1 : end]


def _check_extern(head: Line, body: list[Line]) -> None:
    """No header but ours, which could bring macros, and no C; the ops are declared as what they are."""
    header = next((t.string.strip("\"'") for t in head.tokens if t.type == tokenize.STRING), "*")
    if header not in HEADERS:
        raise refusal(head, header, f"declarations of {' and '.join(HEADERS)} only")
    for line in body:
        names = [t.string for t in line.tokens if t.type == tokenize.NAME]
        declared = [n for n in names if re.match(r"(e|v|bf|BF)_", n)]
        if any(t.type == tokenize.STRING for t in line.tokens):
            raise refusal(line, " ".join(line.words)[:60], "no C, and no other name for an operation")
        if header != HEADER:
            if EXTERN_NAMES & set(declared):
                raise refusal(line, " ".join(line.words), f"operations declared of {HEADER} only")
            continue
        structs = line.words[:3] in {("ctypedef", "struct", "E"), ("ctypedef", "struct", "V")}
        known = len(declared) == 1 and declared[0] in EXTERN_NAMES
        if not (structs or line.words == ("pass",) or known):
            raise refusal(line, " ".join(line.words), f"declarations of the operations of {HEADER} only")


def _check_import(line: Line) -> None:
    """Python's own buffers may be imported from Cython; anything else could bring a header."""
    if "cimport" in line.words and (line.words[0] != "from" or line.words[1] != "cpython"):
        raise refusal(line, "cimport", "cimport from cpython only")
    if "cimport" in line.words and (EXTERN_NAMES | {"*"}) & set(line.words):
        raise refusal(line, "cimport", f"operations of {HEADER} only")


def _check_line(function: Function, line: Line, kernels: set[str]) -> None:
    words = line.words
    if words[0] == "cdef":
        _declare(function, line)
    if len(line.tokens) == 1 and line.tokens[0].type == tokenize.STRING:
        return
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
        groups = _split(words[words.index("(") + 1 : len(words) - 1 - words[::-1].index(")")])
        for group in groups:
            if group:
                function.kinds[group[-1]] = _kind(group[:-1])
        return
    base = next((w for w in words[1:] if w not in {"const", "inline"}), "")
    for number, group in enumerate(_split(words[1:])):
        left = group[: group.index("=")] if "=" in group else group
        kind = _kind(left[:-1] if number == 0 else (base, *left[:-1]))
        function.kinds[left[-1]] = kind


def _kind(type_words: tuple[str, ...]) -> str:
    if "*" in type_words:
        return "address"
    return "element" if {"E", "V"} & set(type_words) else "whole"


def _split(words: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Words parted at commas outside brackets."""
    groups: list[list[str]] = [[]]
    depth = 0
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            groups.append([])
        else:
            groups[-1].append(word)
    return [tuple(g) for g in groups]


def refusal(line: Line, got: str, expected: str) -> BuildError:
    return BuildError(
        f"the generated text says {got!r}, which a kernel may not",
        where=f"line {line.number}",
        expected=expected,
        got=" ".join(line.words),
        mend="mend the schedule or the printer that wrote the line",
    )
