"""Owns the reading of what needs no legend: signs, names, integer forms and brackets, from LaTeX."""

from __future__ import annotations

import re
from collections.abc import Sequence

from latex_parser_terms import Unreadable

from derive.index import ZERO, Condition, Form, Within, Zero, name
from derive.notation.symbols import GREEK

TOKEN = re.compile(
    r"\\(?:mathrm|operatorname|text)\{[^{}]*\}|\\[A-Za-z]+|\\.|\d+|[A-Za-z]|\S", re.DOTALL | re.ASCII
)
SPACE = {r"\,", r"\ ", r"\\", "&", r"\quad", r"\qquad", r"\left", r"\right"}
"""Spaces, line breaks and the heights of parentheses say nothing."""

GREEKS = {f"\\{letter}": letter for letter in GREEK}


def tokens(formula: str) -> list[str]:
    """What stands in a formula, one token a sign.

    >>> tokens(r"-\\tfrac{1}{2}\\,G_{n}'")
    ['-', '\\\\frac', '{', '1', '}', '{', '2', '}', 'G', '_', '{', 'n', '}', "'"]
    """
    found = TOKEN.findall(formula)
    return [r"\frac" if t == r"\tfrac" else t for t in found if t not in SPACE]


class Forms:
    """One formula, read from left to right: names, numbers, forms and brackets.

    >>> print(Forms("2\\\\,o_{h} - 1").form())
    2*o_h - 1
    """

    def __init__(self, formula: str | Sequence[str]) -> None:
        self.tokens = tokens(formula) if isinstance(formula, str) else list(formula)
        self.at = 0

    def peek(self, further: int = 0) -> str:
        place = self.at + further
        return self.tokens[place] if place < len(self.tokens) else ""

    def met(self, *wanted: str) -> bool:
        """Whether these tokens come next; they are then taken."""
        if tuple(self.tokens[self.at : self.at + len(wanted)]) != wanted:
            return False
        self.at += len(wanted)
        return True

    def take(self, *wanted: str) -> None:
        if not self.met(*wanted):
            near = " ".join(self.tokens[self.at : self.at + 8])
            raise Unreadable(f"expected {' '.join(wanted)}, found {near or 'the end'}")

    def end(self) -> None:
        if self.at != len(self.tokens):
            raise Unreadable(f"more follows: {' '.join(self.tokens[self.at : self.at + 8])}")

    def number(self) -> int:
        if not self.peek().isdigit():
            raise Unreadable(f"expected a number, found {self.peek() or 'the end'}")
        self.at += 1
        return int(self.tokens[self.at - 1])

    def word(self) -> str:
        """A letter, a Greek letter, a word in upright type, or digits."""
        token = self.peek()
        upright = re.fullmatch(r"\\mathrm\{(.*)\}", token)
        if not (upright or token in GREEKS or token.isalnum()):
            raise Unreadable(f"expected a letter, found {token or 'the end'}")
        self.at += 1
        return upright[1].replace(r"\_", "_") if upright else GREEKS.get(token, token)

    def name(self) -> str:
        """H_out, a_h'."""
        found = self.word()
        if self.met("_", "{"):
            found += "_" + self.word()
            self.take("}")
        while self.met("'"):
            found += "'"
        return found

    def form(self) -> Form:
        total = -self.product() if self.met("-") else self.product()
        while self.peek() in ("+", "-"):
            total = total + self.product() if self.met("+") else total - self.part("-")
        return total

    def part(self, sign: str) -> Form:
        self.take(sign)
        return self.product()

    def product(self) -> Form:
        total = self.atom()
        while self.peek() in ("(", *GREEKS) or self.peek().isalnum() or self.peek().startswith(r"\mathrm"):
            total = total * self.atom()
        return total

    def atom(self) -> Form:
        if self.met("("):
            inside = self.form()
            self.take(")")
            return inside
        return Form.of(self.number()) if self.peek().isdigit() else name(self.name())

    def bracket(self) -> Condition:
        """[0 <= form < high] or [form = form]."""
        left = self.form()
        if self.met("="):
            found: Condition = Zero(left - self.form())
        else:
            self.take(r"\le")
            form = self.form()
            self.take("<")
            found = Within(form, self.form())
            if left != ZERO:
                raise Unreadable(f"a bracket from {left}")
        self.take("]")
        return found


def form(formula: str | Sequence[str]) -> Form:
    """The form that a formula is."""
    formula_ = Forms(formula)
    found = formula_.form()
    formula_.end()
    return found


def condition(formula: str | Sequence[str]) -> Condition:
    """The bracket that a formula is."""
    formula_ = Forms(formula)
    formula_.take("[")
    found = formula_.bracket()
    formula_.end()
    return found
