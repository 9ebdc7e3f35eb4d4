"""Tests that reading back notices: changed formulas, and printers that lose or change something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import latex_parser_cases
import pytest
from latex_parser import expression
from latex_parser_cases import Page, check_claim, check_steps
from latex_parser_terms import Unreadable, canonical
from test_latex_roundtrip_pages import check_layer

from derive import chain, document
from derive.claim import Claim
from derive.expr import Expr
from derive.layers import registry
from derive.layers.base import claims_of
from derive.notation import build, latex, latex_page, mathml, text
from derive.notation.build import Builder
from derive.notation.tree import Group, Node
from derive.theorems import theorems

CLASSES = ("AvgPool2d", "Conv2d", "CrossEntropyLoss", "GELU", "LPPool1d", "PixelShuffle", "ZeroPad2d")


def claims(title: str, **choices: Any) -> list[Claim]:
    kind = registry()[title]
    return list(claims_of(kind, kind.chosen(choices)).values())


@cache
def formulas(title: str) -> list[tuple[Page, Expr, str]]:
    """What the claims of a class state; of two classes the steps too."""
    found = []
    for claim in claims(title):
        page = Page(claim)
        exprs = [claim.left, claim.right.body, *(d.body for d in claim.setting.definitions)]
        found += [(page, expr, latex.written(page.builder.expr(expr))) for expr in exprs]
    return found


def stepped(title: str) -> list[tuple[Page, Expr, str]]:
    """What one proof of a class reaches."""
    kind = registry()[title]
    proved = theorems(kind, kind.chosen({}))["bias"]
    page, steps = Page(proved.claim), (*proved.argument.left_steps, *proved.argument.right_steps)
    return [(page, s.after, latex.written(page.builder.expr(s.after))) for s in steps]


def everywhere(pattern: str, new: str | Callable[[re.Match[str]], str]) -> Callable[[str], Iterator[str]]:
    """The formula with one match replaced, for each match."""

    def mutants(formula: str) -> Iterator[str]:
        for found in re.finditer(pattern, formula):
            put = found.expand(new) if isinstance(new, str) else new(found)
            yield formula[: found.start()] + put + formula[found.end() :]

    return mutants


INDEX = r"[^{},]*(?:\{[^{}]*\}[^{},]*)*"
"""One index of an entry, with subscripts of its own."""

INSIDE = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"
"""What stands in braces, with braces in it."""

MUTATIONS: dict[str, Callable[[str], Iterator[str]]] = {
    "a bracket dropped": everywhere(r"\[[^\]]*\](?:\\,)?", ""),
    "a plus made a minus": everywhere(r" \+ ", " - "),
    "a minus made a plus": everywhere(r" - ", " + "),
    "a leading minus lost": everywhere(r"^-", ""),
    "two indices exchanged": everywhere(rf"_\{{({INDEX}),({INDEX})(?=[,}}])", r"_{\2,\1"),
    "an index lost": everywhere(rf"(?<=_\{{){INDEX},", ""),
    "another axis": everywhere(r"_\{h\}", "_{w}"),
    "another size": everywhere(r"\bs_", "d_"),
    "another tensor": everywhere(r"G(?=_)", "X"),
    "an accent lost": everywhere(r"\\(?:hat|tilde|overline)\{(\w)\}", r"\1"),
    "an axis above a letter lost": everywhere(r"\^\{\(\w\)\}", ""),
    "a prime lost": everywhere(r"'", ""),
    "parentheses lost": everywhere(r"(?<!\^\{)(?:\\left)?\(([^()]*?)(?:\\right)?\)", r"\1"),
    "a sum lost": everywhere(
        r"\\sum_\{[^=]*=0\}\^\{(?:[^{}]|\{[^{}]*(?:\{[^{}]*\})?[^{}]*\})*\}(?:\\,)?", ""
    ),
    "a sum one longer": everywhere(r" - 1\}(?=\\,)", "}"),
    "a sum from 1": everywhere(r"=0\}", "=1}"),
    "a bracket's end included": everywhere(r" < ", r" \\le "),
    "an equation reversed into a bound": everywhere(r" = ", " < "),
    "a power lost": everywhere(r"\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}\^\{[^{}]*\}", r"\1"),
    "a root lost": everywhere(r"\\sqrt", ""),
    "a fraction turned over": everywhere(rf"\\frac\{{({INSIDE})\}}\{{({INSIDE})\}}", r"\\frac{\2}{\1}"),
    "another function": everywhere(r"\\exp|\\operatorname\{GELU\}", r"\\tanh"),
    "a coefficient changed": everywhere(r"\\tfrac\{1\}\{2\}", r"\\tfrac{1}{3}"),
}


def noticed(page: Page, expr: Expr, mutant: str) -> bool:
    try:
        return canonical(expression(mutant, page.alphabet)) != canonical(expr)
    except Unreadable:
        return True


@pytest.mark.parametrize("what", MUTATIONS)
def test_a_changed_formula_is_noticed(what: str) -> None:
    count = 0
    for page, expr, formula in [f for title in CLASSES for f in formulas(title)] + stepped("BatchNorm1d"):
        for mutant in MUTATIONS[what](formula):
            assert mutant == formula or noticed(page, expr, mutant), f"{formula}\n{mutant}"
            count += mutant != formula
    assert count > 0


def without_parentheses(body: Node) -> str:
    return latex.written(body)


def first_index_only(self: Builder, indices: Any) -> Any:
    return TOTAL(self, indices[:1])


def no_sign(self: Builder, term: Any) -> Any:
    return False, TERM(self, term)[1]


def no_coefficient(self: Builder, term: Any) -> Any:
    return TERM(self, replace(term, coefficient=abs(term.coefficient) / term.coefficient))


def one_bracket(self: Builder, term: Any) -> Any:
    return TERM(self, replace(term, conditions=term.conditions[:1]))


def each_factor_once(given: Any) -> Any:
    return MULTIPLIED(tuple(dict.fromkeys(given)))


def all_positive(terms: Any) -> Any:
    return PLUS([(node, False, rank) for node, _, rank in terms])


def last_index_is_the_length(self: Builder, indices: Any) -> Any:
    return TOTAL(self, [replace(i, extent=i.extent + 1) for i in indices])


def without_primes(text: str) -> str:
    return NAME(text.rstrip("'"))


def no_inside(node: Node) -> str:
    return DRAWN(node.body if isinstance(node, Group) else node)


TOTAL, TERM = Builder.total, Builder.term
MULTIPLIED, PLUS, NAME, DRAWN = build.multiplied, build._plus, latex.name, mathml.written

PLANTED: dict[str, tuple[Any, str, Any]] = {
    "parentheses lost": (latex, "_enclosed", without_parentheses),
    "parentheses lost in MathML": (mathml, "written", no_inside),
    "parentheses lost in plain text": (text, "_side", lambda node, enclosed=False: text.written(node)),
    "the second index of a double sum lost": (Builder, "total", first_index_only),
    "a sum one longer": (Builder, "total", last_index_is_the_length),
    "signs of terms lost": (Builder, "term", no_sign),
    "coefficients lost": (Builder, "term", no_coefficient),
    "the second bracket lost": (Builder, "term", one_bracket),
    "equal factors written once": (build, "multiplied", each_factor_once),
    "signs in forms lost": (build, "_plus", all_positive),
    "primes lost": (latex, "name", without_primes),
    "a hidden axis not written": (build, "unhidden", lambda tensor: tensor),
}


def read_back() -> None:
    """A few statements and steps, as the tests of the whole registry read them."""
    for title in ("AvgPool2d", "Conv1d", "LPPool1d"):
        for batched in (True, False):
            for claim in claims(title, batched=batched):
                check_claim(claim)
    kind = registry()["BatchNorm1d"]
    for proved in theorems(kind, kind.chosen({})).values():
        check_steps(proved)


def test_what_is_planted_into_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latex_parser_cases, "READ", set())
    read_back()


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_fault_of_a_printer_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latex_parser_cases, "READ", set())
    where, name, fault = PLANTED[what]
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, Unreadable)):
        read_back()


def miscounted(count: int, *more: str) -> Any:
    return ELIDED(count + 1, *more)


def cut_line(parts: Any, *widths: Any) -> Any:
    lines = BROKEN(parts, *widths)
    return [lines[0], *lines[2:]]


ELIDED, BROKEN = chain.Elided, latex_page.broken
PAGES: dict[str, tuple[Any, str, Any]] = {
    "terms that are not written miscounted": (chain, "Elided", miscounted),
    "the second line of a formula lost": (latex_page, "broken", cut_line),
    "a line of the chain left out": (document, "joined", lambda steps: [(0, len(steps) - 1)]),
    "a helper not printed": (document, "helper_definitions", lambda claim: ()),
    "sizes wrong": (document, "sizes_listed", lambda sizes, *more: LISTED(dict.fromkeys(sizes, 1), *more)),
    "a letter not said": (
        document,
        "letters",
        lambda names, kind: LETTERS(set(names) - {"grad_output"}, kind),
    ),
    "a letter of another tensor said": (latex, "letter", lambda name: LETTER(ANOTHER.get(name, name))),
    "an entry not printed": (document, "_entries", lambda item: []),
}
LISTED, LETTERS, LETTER = document.sizes_listed, document.letters, latex.letter
ANOTHER = {"grad_output": "grad_input", "grad_input": "grad_output"}


@pytest.mark.parametrize("what", [None, *PAGES])
def test_a_planted_fault_of_a_page_is_noticed(what: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    example = ("ReflectionPad2d(1)", (1, 1, 3, 4), "fragment")
    if what is None:
        assert check_layer(*example).terms_elided > 0
        return
    where, name, fault = PAGES[what]
    monkeypatch.setattr(where, name, fault)
    with pytest.raises((AssertionError, Unreadable)):
        check_layer(*example)
