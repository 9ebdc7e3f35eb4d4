"""Owns the reading of printed formulas: LaTeX to values of the index language, as a person reads a page.

Nothing here looks at how formulas are printed. What is read from where stands in `latex_parser_terms`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache

from latex_parser_forms import Forms, tokens
from latex_parser_terms import FIRST, Alphabet, Exponent, Mark, Term, Unreadable

from derive.expr import Apply, Expr, Partial, Read
from derive.index import Form, Index
from derive.notation.symbols import FUNCTIONS

ACCENTS = {r"\tilde": "tilde", r"\hat": "hat", r"\overline": "bar"}


@cache
def called() -> tuple[tuple[tuple[str, ...], str], ...]:
    """How functions are written, the longest names first."""
    names = [(tuple(tokens(written)), function) for function, (written, _) in FUNCTIONS.items()]
    return tuple(sorted(names, key=lambda n: -len(n[0])))


def to_power(base: Term, exponent: Exponent) -> Term:
    """An entry or a function to any exponent, a product to a whole number."""
    if len(base.factors) == 1 and not base.letters and base.factors[0][1] == FIRST:
        return replace(base, factors=((base.factors[0][0], exponent),))
    a, b, c = exponent
    if (a, b) != (0, 0) or c.denominator != 1 or c < 1:
        raise Unreadable("a product to a power that is no whole number")
    found = Term()
    for _ in range(int(c)):
        found = found.times(base)
    return found


class Formula(Forms):
    """One formula with entries, functions, sums and fractions."""

    def __init__(self, formula: str | Sequence[str], alphabet: Alphabet) -> None:
        super().__init__(formula)
        self.alphabet = alphabet

    def mark(self) -> Mark:
        """A tensor's letter with its accent and the axis above it."""
        accent = "d" if self.met(r"\mathrm{d}") else ""
        if self.peek() in ACCENTS:
            accent += ACCENTS[self.peek()]
            self.at += 1
            self.take("{")
            letter = self.word()
            self.take("}")
        else:
            letter = self.word()
        axis = ""
        if self.met("^", "{", "("):
            axis = self.word()
            self.take(")", "}")
        return letter, accent, axis

    def entry(self) -> Read:
        mark = self.mark()
        indices: list[Form] = []
        if self.met("_", "{"):
            indices.append(self.form())
            while self.met(","):
                indices.append(self.form())
            self.take("}")
        return self.alphabet.read(mark, indices)

    def function(self) -> Apply | None:
        """A function at an entry, where one comes next."""
        for written, function in called():
            after = len(written)
            prime = self.peek(after) == "'"
            if tuple(self.tokens[self.at : self.at + after]) == written and self.peek(after + prime) == "(":
                self.at += after + prime + 1
                entry = self.entry()
                self.take(")")
                return Apply(function + "_prime" * prime, entry)
        return None

    def derivative(self) -> Partial:
        """What follows a fraction whose upper side starts with a derivative's d."""
        of = self.entry()
        self.take("}", "{", r"\partial")
        by = self.entry()
        self.take("}")
        return Partial(of, by)

    def limits(self) -> Index:
        """What stands below and above a sum sign."""
        self.take("_", "{")
        index = self.name()
        self.take("=", "0", "}", "^", "{")
        last = self.form()
        self.take("}")
        return Index(index, last + 1)

    def fraction(self) -> Term:
        if self.met("{", r"\partial"):
            return Term(factors=((self.derivative(), FIRST),))
        sides = []
        for _ in range(2):
            self.take("{")
            sides.append(self.term())
            self.take("}")
        return sides[0].times(sides[1].inverse())

    def exponent(self) -> Exponent:
        a, b, c = self.stroke()
        if self.met("-"):
            c -= self.number()
        return a, b, c

    def stroke(self) -> Exponent:
        """p, 1/p, 3 or 3/2, the fractions with a stroke or one above the other."""
        framed = self.met(r"\frac", "{")
        if not framed and self.met("p"):
            return 1, 0, Fraction(0)
        above = self.number()
        if framed:
            self.take("}", "{")
        elif not self.met("/"):
            return 0, 0, Fraction(above)
        found: Exponent = (0, above, Fraction(0))
        if not self.met("p"):
            found = (0, 0, Fraction(above, self.number()))
        if framed:
            self.take("}")
        return found

    def power(self) -> Term:
        """{base}^{exponent}; the opening brace is taken."""
        base = self.grouped() if self.met("(") else self.factor()
        self.take("}", "^", "{")
        exponent = self.exponent()
        self.take("}")
        return to_power(base, exponent)

    def grouped(self) -> Term:
        inside = self.term()
        self.take(")")
        return inside

    def factor(self) -> Term:
        """One factor of a product."""
        if self.peek().isdigit():
            return Term(Fraction(self.number()))
        if self.met(r"\sum"):
            return Term(indices=(self.limits(),))
        if self.met("["):
            return Term(conditions=(self.bracket(),))
        if self.met(r"\frac"):
            return self.fraction()
        if self.met("{"):
            return self.power()
        if self.met(r"\sqrt", "{"):
            inside = self.entry()
            self.take("}")
            return Term(factors=((inside, (0, 0, Fraction(1, 2))),))
        if (applied := self.function()) is not None:
            return Term(factors=((applied, FIRST),))
        if self.peek() == "p" and self.peek(1) not in ("_", "^"):
            self.at += 1
            return Term(letters=(1,))
        return Term(factors=((self.entry(), FIRST),))

    def term(self) -> Term:
        """Factors side by side."""
        found = self.factor()
        while self.peek() not in ("", "+", "-", "}", ")"):
            found = found.times(self.factor())
        return found

    def expression(self) -> Expr:
        """The whole formula as an expression; 0 has no terms."""
        minus, terms = self.met("-"), []
        while True:
            term = self.term().sum()
            terms.append(replace(term, coefficient=-term.coefficient) if minus else term)
            if self.peek() not in ("+", "-"):
                break
            minus = self.met("-") or not self.met("+")
        self.end()
        return Expr(tuple(t for t in terms if t.coefficient))


def expression(formula: str | Sequence[str], alphabet: Alphabet) -> Expr:
    """The expression that a formula, or its tokens, says; Unreadable where it says none."""
    return Formula(formula, alphabet).expression()


def entry(formula: str | Sequence[str], alphabet: Alphabet) -> Read:
    """The one entry that a formula is."""
    formula_ = Formula(formula, alphabet)
    found = formula_.entry()
    formula_.end()
    return found
