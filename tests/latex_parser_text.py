"""Owns the reading of plain text formulas: the grammar of `latex_parser` in the signs of a keyboard.

Tensors have their names here; a stroke divides by the one factor after it, and `Σ_{i<n, j<m}` gives lengths.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction

from latex_parser import Formula, to_power
from latex_parser_terms import FIRST, Alphabet, Exponent, Term, Unreadable

from derive.expr import Apply, Partial, Read, Tensor
from derive.index import Condition, Form, Index, Within, Zero

TOKEN = re.compile(r"Σ_\{|[A-Za-z][\w.]*'*|\d+|\S", re.ASCII)
NAME = re.compile(r"[A-Za-z][\w.]*'*", re.ASCII)


class PlainFormula(Formula):
    """One formula in plain text."""

    def __init__(self, formula: str, tensors: Sequence[Tensor]) -> None:
        named = {("L" if t.name == "loss" else t.name, "", ""): t for t in tensors}
        super().__init__(TOKEN.findall(formula), Alphabet(named))

    def name(self) -> str:
        if not NAME.fullmatch(self.peek()):
            raise Unreadable(f"expected a name, found {self.peek() or 'the end'}")
        self.at += 1
        return self.tokens[self.at - 1]

    def product(self) -> Form:
        total = self.atom()
        while self.met("*"):
            total = total * self.atom()
        return total

    def entry(self) -> Read:
        title, indices = self.name(), list[Form]()
        if self.met("["):
            indices.append(self.form())
            while self.met(","):
                indices.append(self.form())
            self.take("]")
        return self.alphabet.read((title, "", ""), indices)

    def bracket(self) -> Condition:
        left = self.form()
        if self.met("="):
            found: Condition = Zero(left - self.form())
        else:
            self.take("≤")
            form = self.form()
            self.take("<")
            found = Within(form, self.form())
            if left.terms:
                raise Unreadable(f"a bracket from {left}")
        self.take("]")
        return found

    def lengths(self) -> Term:
        """The indices of a sum with how many values each has."""
        indices = []
        while not indices or self.met(","):
            index = self.name()
            self.take("<")
            indices.append(Index(index, self.form()))
        self.take("}")
        return Term(indices=tuple(indices))

    def exponent(self) -> Exponent:
        """A number or p alone, anything else in parentheses."""
        if self.met("p"):
            return 1, 0, Fraction(0)
        if self.peek() != "(":
            return 0, 0, Fraction(self.number())
        self.take("(")
        found = super().exponent()
        self.take(")")
        return found

    def factor(self) -> Term:
        found = self.plain()
        return to_power(found, self.exponent()) if self.met("^") else found

    def plain(self) -> Term:
        """A factor without its exponent."""
        if self.met("Σ_{"):
            return self.lengths()
        if self.met("["):
            return Term(conditions=(self.bracket(),))
        if self.met("("):
            return self.grouped()
        if self.met("∂"):
            of = self.entry()
            self.take("/", "∂")
            return Term(factors=((Partial(of, self.entry()), FIRST),))
        if self.peek().isdigit():
            return Term(Fraction(self.number()))
        if self.peek(1) == "(":
            return self.applied()
        if self.met("p"):
            return Term(letters=(1,))
        return Term(factors=((self.entry(), FIRST),))

    def applied(self) -> Term:
        """A function at an entry; a square root is a power."""
        called = self.name()
        self.take("(")
        inside = self.entry()
        self.take(")")
        if called == "sqrt":
            return to_power(Term(factors=((inside, FIRST),)), (0, 0, Fraction(1, 2)))
        function = called.replace("'", "_prime")
        return Term(factors=((Apply(function, inside), FIRST),))

    def term(self) -> Term:
        found = self.factor()
        while self.peek() not in ("", "+", "-", ")"):
            if self.met("/"):
                found = found.times(self.factor().inverse())
            else:
                self.met("*")
                found = found.times(self.factor())
        return found
