"""Owns how names of the language are spelled in Rocq, and how forms, conditions and terms read there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from derive.claim import Fact
from derive.errors import LayerError
from derive.expr import Apply, Expr, Factor, Partial, Read, Sum
from derive.index import Condition, Form, Within, Zero

_WORDS = (
    "R Z as at by cofix else end exists exists2 fix for forall fun if in let match mod return rem "
    "Prop Set SProp Type then using where with nat bool true false fst snd eq_refl car zero one add mul sub "
    "opp laws brk nsum sum inside linear dual val eps fixed seeded lift half ring certificate proj1 proj2 "
    "same nonnegative andb orb"
)
RESERVED = frozenset(_WORDS.split())
"""Words that a variable must not take: keywords, and what scripts or the support library name."""

OURS = re.compile(
    r"(equation|fact|side|term|left|right)_[0-9]+|(reads|length|ext)_.*|.*_(low|high|range|side)|"
    r"sides_meet|holds|theorem|not_empty|agree|algebra|Definitions|Sizes"
)
"""How scripts name lemmas, hypotheses and sections."""

MADE = ("d_", "val_", "eps_", "chain_", "dual_", "inv_")
"""What scripts put before the name of a tensor or function."""

OTHER, APART = "'_", "'__"
"""What is put after a name that is taken, and after an index that has to differ from all of the claim.

No name of the language has a prime before another character, so that neither is a name of it.
"""

ZERO, ONE = "(zero : R)", "(one : R)"
"""The empty sum and the empty product."""


@dataclass(frozen=True)
class Names:
    """The spelling of sizes, indices, tensors and functions of one claim."""

    tensors: frozenset[str]
    functions: frozenset[str]

    @cached_property
    def made(self) -> frozenset[str]:
        """What scripts make of the tensors' names."""
        return frozenset(prefix + t for t in self.tensors for prefix in MADE)

    @cached_property
    def taken(self) -> frozenset[str]:
        """What a size or an index must not be called."""
        return frozenset(map(self.tensor, self.tensors)) | self.functions

    def variable(self, name: str) -> str:
        """A size or an index; no tensor, function or word of Rocq is captured."""
        spelled = self.tensor(name)
        return spelled + OTHER if spelled in self.taken else spelled

    def tensor(self, name: str) -> str:
        free = name not in RESERVED and name not in self.made and not OURS.fullmatch(name)
        return name if free else name + OTHER

    def function(self, name: str) -> str:
        return f"fn_{name}"

    def form(self, form: Form) -> str:
        """The polynomial, terms in the order in which the language prints them."""
        ordered = sorted(form.terms, key=lambda t: (-len(t[0]), t[0]))
        text = ""
        for monomial, coefficient in ordered:
            names = [self.variable(n) for n in monomial]
            size = [] if abs(coefficient) == 1 and names else [str(abs(coefficient))]
            product = " * ".join([*size, *names])
            sign = "-" if coefficient < 0 else "+"
            text = f"{text} {sign} {product}" if text else (_negative(product) if sign == "-" else product)
        return text or "0"

    def atom(self, form: Form) -> str:
        """The polynomial as an argument."""
        text = self.form(form)
        return text if re.fullmatch(r"\w[\w']*", text) else f"({text})"

    def fact(self, fact: Fact) -> str:
        return f"{self.form(fact.form)} = 0" if fact.equal else f"0 <= {self.form(fact.form)}"

    def condition(self, condition: Condition) -> str:
        match condition:
            case Zero(form):
                return f"({self.form(form)} =? 0)"
            case Within(form, high):
                return f"inside {self.atom(form)} {self.atom(high)}"

    def conditions(self, conditions: Sequence[Condition]) -> str:
        return " && ".join(map(self.condition, conditions)) or "true"

    def read(self, read: Read) -> str:
        return " ".join([self.tensor(read.tensor.name), *map(self.atom, read.index)])

    def factor(self, factor: Factor) -> str:
        match factor:
            case Read(_, index):
                return f"({self.read(factor)})" if index else self.read(factor)
            case Apply(function, of):
                return f"({self.function(function)} {self.factor(of)})"
            case Partial(of, _):
                entry = self.read(of)
                return f"(d_{entry})" if of.index else f"d_{entry}"

    def product(self, coefficient: Fraction, factors: Iterable[str]) -> str:
        scale = number(coefficient)
        return " *! ".join([*([scale] if scale else []), *factors]) or ONE

    def body(self, term: Sum, hole: int | None = None, mark: str = "_x") -> str:
        """The term without its sums; factor number `hole` written as `mark`."""
        factors = [mark if j == hole else self.factor(f) for j, f in enumerate(term.factors)]
        guard = f"[{self.conditions(term.conditions)}] " if term.conditions else ""
        return f"{guard}({self.product(term.coefficient, factors)})"

    def sums(self, term: Sum) -> str:
        return "".join(f"Σ {self.variable(i.name)} < {self.atom(i.extent)}, " for i in term.indices)

    def term(self, term: Sum) -> str:
        return f"({self.sums(term)}{self.body(term)})"

    def expr(self, expr: Expr | Sequence[Sum]) -> str:
        terms = expr.terms if isinstance(expr, Expr) else expr
        return " +! ".join(map(self.term, terms)) or ZERO


def _negative(product: str) -> str:
    return f"- ({product})" if "*" in product else f"- {product}"


NUMBERS = {
    Fraction(1): "",
    Fraction(-1): "(-! (one : R))",
    Fraction(2): "((one : R) +! one)",
    Fraction(-2): "(-! ((one : R) +! one))",
    Fraction(1, 2): "half",
    Fraction(-1, 2): "(-! half)",
}


def number(coefficient: Fraction) -> str:
    """A coefficient as an element of the ring; "" is one."""
    if coefficient not in NUMBERS:
        raise LayerError(
            "this coefficient is not exported",
            where="Rocq script",
            expected="1, -1, 2, -2, 1/2, -1/2",
            got=str(coefficient),
        )
    return NUMBERS[coefficient]
