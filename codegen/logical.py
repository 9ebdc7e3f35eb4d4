"""Owns how a generated text is read: its characters, its logical lines, what a refusal of one says.

Python's tokens and Cython's must be the same: a character that ends a line for one of them alone, or another
encoding, would hide text in a comment.
"""

from __future__ import annotations

import re
import tokenize
from collections.abc import Iterator, Set
from dataclasses import dataclass
from io import StringIO

from codegen.errors import BuildError

Words = tuple[str, ...]
DIRECTIVES = {"language_level", "boundscheck", "wraparound", "cdivision", "binding", "emit_code_comments"}
"""What the first line may say to Cython."""
_SPEAKS = re.compile(r"(cython|distutils|coding)\s*[:=]")
_LAYOUT = {
    *(tokenize.NL, tokenize.COMMENT, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
}


@dataclass(frozen=True)
class Line:
    """One logical line of the text: its number and its tokens, without layout and comments."""

    number: int
    indent: int
    tokens: tuple[tokenize.TokenInfo, ...]

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(t.string for t in self.tokens)

    @property
    def said(self) -> bool:
        """Whether it is a plain string and nothing else, as a docstring is."""
        return len(self.tokens) == 1 and self.tokens[0].string.startswith(('"', "'"))


def logical_lines(text: str) -> list[Line]:
    """The text as logical lines; raises BuildError where it is not even made of tokens."""
    _check_characters(text)
    lines: list[Line] = []
    current: list[tokenize.TokenInfo] = []
    try:
        for token in tokenize.generate_tokens(StringIO(text).readline):
            if token.type == tokenize.NEWLINE:
                if current:
                    lines.append(Line(current[0].start[0], current[0].start[1], tuple(current)))
                current = []
            elif token.type not in _LAYOUT:
                current.append(token)
    except (tokenize.TokenError, IndentationError) as fault:
        raise BuildError("the generated text is not made of tokens", where="text", got=str(fault)) from fault
    return lines


def blocks(lines: list[Line]) -> Iterator[tuple[Line, list[Line]]]:
    """Top-level lines with what is indented under them."""
    starts = [i for i, line in enumerate(lines) if line.indent == 0]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        yield lines[start], lines[start + 1 : end]


def arguments(words: Words) -> list[Words]:
    """The arguments of the call whose bracket opens here."""
    groups = split(words[1 : _closing(words)])
    return [] if groups == [()] else groups


def calls(words: Words, names: Set[str]) -> Iterator[tuple[str, list[Words]]]:
    """The calls of these names, with their arguments; outer ones first."""
    for spot, word in enumerate(words):
        if word in names and words[spot + 1 : spot + 2] == ("(",):
            yield word, arguments(words[spot + 1 :])


def call_of(words: Words) -> tuple[str, list[Words]]:
    """The call that these words are and nothing beside; ("", []) where they are none."""
    whole = words[1:2] == ("(",) and _closing(words[1:]) == len(words) - 2
    return (words[0], arguments(words[1:])) if whole else ("", [])


def given(words: Words) -> Iterator[tuple[str, Words]]:
    """The names that a line assigns to, each with the words of its value, up to a comma outside brackets."""
    for spot, word in enumerate(words):
        if word in {"=", "+=", "-=", "*="} and spot:
            value = split(words[spot + 1 :])[0]
            yield words[spot - 1], value if word == "=" else (word, *value)


def split(words: Words) -> list[Words]:
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


def _closing(words: Words) -> int:
    """Where the bracket closes that the first word opens."""
    depth = 0
    for spot, word in enumerate(words):
        depth += (word == "(") - (word == ")")
        if depth == 0:
            return spot
    return len(words)


def refusal(line: Line, got: str, expected: str) -> BuildError:
    return _refused(line.number, got, expected, " ".join(line.words))


def _refused(number: int, got: str, expected: str, whole: str) -> BuildError:
    return BuildError(
        f"the generated text says {got!r}, which a kernel may not",
        where=f"line {number}",
        expected=expected,
        got=whole,
        mend="mend the schedule or the printer that wrote the line",
    )


def _check_characters(text: str) -> None:
    """Printable ASCII and line feeds; to Cython nothing but the first line speaks, of what is listed."""
    for number, line in enumerate(text.split("\n"), start=1):
        strange = next((c for c in line if not " " <= c <= "~"), None)
        if strange is not None:
            raise _refused(number, strange, "printable ASCII and line feeds only", ascii(line))
        mark, spoken = _SPEAKS.search(line), line.removeprefix("# cython: ")
        if mark and not (number == 1 and spoken != line and _listed(spoken)):
            raise _refused(number, mark[0], f"a first line with {', '.join(sorted(DIRECTIVES))} only", line)


def _listed(spoken: str) -> bool:
    pairs = [part.partition("=") for part in spoken.split(",")]
    return all(name.strip() in DIRECTIVES and value.strip().isalnum() for name, _, value in pairs)
