"""Tests that a printed page says what it is about: every display of a document read back from its LaTeX.

Read are the legend, the sizes, every definition over symbolic sizes and at sizes, every line of every chain
with its number and its count of terms not written, and every expanded entry. Displays of other things (the
formula of a function, a list of constants, an indicator by its codes) are told by the words above them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import pytest
from latex_parser import entry, expression
from latex_parser_cases import SLOW, few, tensors
from latex_parser_page import DEFINED, Display, Right, displays, elision, legend, sizes
from latex_parser_terms import Alphabet, Unreadable, canonical

from derive.between import theorems_between
from derive.between_proof import SHOWN, general_lines, render_theorem
from derive.claim import Claim
from derive.derivation import Derivation, differentiate
from derive.document import render
from derive.entries import Row, entries
from derive.equations import Line, living
from derive.expr import Apply, Definition, Expr, Factor, Read, Sum, Tensor
from derive.index import ONE, ZERO, Form
from derive.layers import registry
from derive.layers.base import internal_index
from derive.legend_nonlinear import internal, results
from derive.notation.symbols import symbol
from derive.spelling import parse_layer
from derive.symbolic import derivations
from derive.symbolic_document import page
from derive.theorems import proved_between
from derive.writing import printed

OTHER = (r"\textbf{Functions:}", r"\textbf{Constants:}", r"\textbf{Choice:}")
"""The words above displays that are not of the index language."""

Equation = tuple[Read, Hashable]


def letters(claims: Iterable[Claim]) -> Alphabet:
    """The alphabet of all tensors of a page; one name has one shape."""
    return Alphabet.of(tuple(dict.fromkeys(t for claim in claims for t in tensors(claim))))


def said(definition: Definition) -> Equation:
    return definition.left, canonical(living(definition.body))


@dataclass
class Expected:
    """What a page has to say; what was read is taken off."""

    alphabets: Sequence[Alphabet]
    definitions: set[Equation]
    chains: list[tuple[Alphabet, Expr, Sequence[Line]]] = field(default_factory=list)
    rows: dict[Read, tuple[Expr, int]] = field(default_factory=dict)
    met: set[Equation] = field(default_factory=set)
    lines: int = 0
    terms_elided: int = 0

    def page(self, page: str) -> None:
        for display in displays(page):
            if not display.before.removeprefix(r"\noindent ").startswith(OTHER):
                self.display(display)
        assert not self.chains, "a chain is not printed"
        assert not self.rows, "an entry is not printed"
        assert self.met == self.definitions, "a definition is not printed"

    def display(self, display: Display) -> None:
        first = display.rights[0]
        if first.relation == DEFINED:
            assert len(display.rights) == 1
            self.met.add(self.defined(display.left, first.formula))
        elif first.number:
            self.chain(display)
        else:
            self.row(display.left, first.formula)

    def defined(self, left: str, right: str) -> Equation:
        """The definition that the two sides are, symbolic or at sizes; one not met before, if any."""
        fitting = [e for a in self.alphabets if (e := _equation(left, right, a)) in self.definitions]
        assert fitting, f"not a definition: {left} := {right}"
        return next((e for e in fitting if e not in self.met), fitting[0])

    def chain(self, display: Display) -> None:
        """A left side and the lines of a derivation: no line is missing, none is another."""
        alphabet, start, steps = self.chains.pop(0)
        assert canonical(expression(display.left, alphabet)) == canonical(start)
        done = 0
        for right in display.rights:
            first, _, last = right.number.partition(" to ")
            assert int(first) == self.lines + 1
            count = int(last or first) - self.lines
            self.line(right, steps[done].lhs, steps[done + count - 1].rhs, alphabet)
            done, self.lines = done + count, self.lines + count
        assert done == len(steps)

    def line(self, right: Right, before: Expr, after: Expr, alphabet: Alphabet) -> None:
        """A right side: whole, or its written terms and how many there are besides."""
        read = elision(right.formula, alphabet)
        if not read.further and not read.kept:
            assert canonical(read.written) == canonical(after), right.formula
            return
        every, changed = Counter(_terms(after)), Counter(_terms(after)) - Counter(_terms(before))
        assert Counter(_terms(read.written)) <= changed <= every, right.formula
        assert len(read.written.terms) + read.further == changed.total(), right.formula
        assert read.kept == every.total() - changed.total(), right.formula
        self.terms_elided += read.further + read.kept

    def row(self, left: str, right: str) -> None:
        read = elision(right, self.alphabets[1])
        wanted, count = self.rows.pop(entry(left, self.alphabets[1]))
        assert canonical(read.written) == canonical(wanted), f"{left} = {right}"
        assert len(read.written.terms) + read.further == count


def _equation(left: str, right: str, alphabet: Alphabet) -> Equation | None:
    try:
        return _at_units(entry(left, alphabet)), canonical(expression(right, alphabet))
    except Unreadable:
        return None


def _terms(expr: Expr) -> list[Hashable]:
    return [canonical(Expr((term,))) for term in expr.terms]


def _at_units(read: Read) -> Read:
    """Where an axis has one place, the entry at it."""
    index = (ZERO if extent == ONE else f for f, extent in zip(read.index, read.tensor.shape, strict=True))
    return Read(read.tensor, tuple(index))


def rows(derivation: Derivation, by_name: dict[str, Tensor]) -> dict[Read, tuple[Expr, int]]:
    """The entries written: their first terms, and how many terms they have."""
    if not derivation.claim.right.body.terms:
        return {}
    found = entries(derivation)
    own = derivation.claim.right.tensor
    return {place(own, row.index): _row(row, found.most, by_name) for row in found.rows}


def _row(row: Row, most: int, by_name: dict[str, Tensor]) -> tuple[Expr, int]:
    def factor(name: str, where: tuple[object, ...]) -> Factor:
        if where and isinstance(where[0], str):
            inner, index = where
            return Apply(name, place(by_name[inner], index))  # type: ignore[index, arg-type]
        return place(by_name[name], where)  # type: ignore[arg-type]

    products = (Sum((), (), tuple(factor(*f) for f in factors), scale) for scale, factors in row.terms[:most])
    return Expr(tuple(products)), len(row.terms)


def place(tensor: Tensor, index: Sequence[int]) -> Read:
    """The entry that a user calls `index`."""
    return Read(tensor, tuple(map(Form.of, internal_index(tensor, index, {}))))


def of_layer(found: dict[str, Derivation]) -> Expected:
    """What the page of a layer at a shape has to say."""
    some = next(iter(found.values()))
    every = {**found, **(internal(some) if "input" in found else {})}
    at_sizes, general = ([getattr(d, which) for d in every.values()] for which in ("claim", "general"))
    here, everywhere = letters(at_sizes), letters(general)
    defined = [d for c in at_sizes for d in (*c.setting.definitions, c.right)]
    defined += [d for c in general for d in (*c.setting.definitions, c.right) if d.tensor.name != "loss"]
    extra = [Alphabet.of([d.tensor, *here.tensors.values()]) for d in results(some)]
    by_name = {t.name: t for t in here.tensors.values()}
    return Expected(
        (everywhere, here, *extra),
        {said(d) for d in (*defined, *results(some))},
        [(here, d.claim.left, d.steps) for d in every.values()],
        {read: row for d in every.values() for read, row in rows(d, by_name).items()},
    )


def check_layer(text: str, shape: tuple[int, ...], style: str) -> Expected:
    found = differentiate(parse_layer(text), shape)
    page = render(found, "latex", style)
    expected = of_layer(found)
    expected.page(page)
    some = next(iter(found.values()))
    assert sizes(page) == some.sizes
    told = legend(page)
    assert {t.name for d in found.values() for t in d.claim.setting.inputs} <= told.keys()
    for title, marks in told.items():
        sign = symbol(title)
        assert marks == {(sign.letter, sign.accent, sign.axis)}, title
    return expected


@pytest.mark.parametrize("title", [t for t in registry() if t not in SLOW])
def test_the_first_page_of_every_class_reads_back(title: str) -> None:
    text, shape = registry()[title].examples[0]
    assert check_layer(text, shape, "standalone").lines > 0


@pytest.mark.sweep
@pytest.mark.parametrize("style", ["standalone", "fragment"])
@pytest.mark.parametrize(("text", "shape"), [e for kind in registry().values() for e in kind.examples])
def test_every_page_reads_back(text: str, shape: tuple[int, ...], style: str) -> None:
    assert check_layer(text, shape, style).lines > 0


def test_terms_that_are_only_counted_are_counted_right() -> None:
    text, shape = registry()["ReflectionPad2d"].examples[0]
    assert check_layer(text, shape, "standalone").terms_elided > 0


def of_theorem(title: str) -> Expected:
    """What the page of a theorem between layers has to say: the parts that are shown, one after the other."""
    shown = [t for part, t in proved_between(title).items() if part.endswith(SHOWN)]
    alphabets = [Alphabet.of(tensors(t.claim)) for t in shown]
    definitions = {said(d) for t in shown for d in (*t.claim.setting.definitions, t.claim.right)}
    chains = [(a, t.claim.left, general_lines(t)) for a, t in zip(alphabets, shown, strict=True)]
    return Expected(alphabets, definitions, chains)


SOME = ("nearest-adjoint", "softmax-cross-entropy")


@pytest.mark.parametrize(
    "title", [t if t in SOME else pytest.param(t, marks=pytest.mark.sweep) for t in theorems_between()]
)
def test_pages_of_theorems_between_layers_read_back(title: str) -> None:
    of_theorem(title).page(render_theorem(title, "latex", "standalone"))


def check_class(title: str, choices: dict[str, object]) -> Expected:
    """The page of a class for all sizes."""
    found = derivations(registry()[title], choices)
    whole = letters(d.claim for d in found.values())
    definitions = {said(d) for f in found.values() for d in (*f.claim.setting.definitions, f.claim.right)}
    chains = [(whole, d.claim.left, d.steps) for d in found.values()]
    expected = Expected([whole], definitions, chains)
    expected.page(printed(page(found), "latex", "standalone"))
    return expected


FEW = ("AvgPool1d", "BatchNorm1d", "Conv1d", "Flatten", "LPPool1d", "MaxPool1d", "Softmax", "Upsample")


@pytest.mark.parametrize("title", FEW)
def test_pages_for_all_sizes_read_back(title: str) -> None:
    kind = registry()[title]
    for choices in few(list(kind.variants())):
        assert check_class(title, choices).lines > 0


@pytest.mark.sweep
@pytest.mark.parametrize("title", registry())
def test_every_page_for_all_sizes_reads_back(title: str) -> None:
    for choices in registry()[title].variants():
        assert check_class(title, choices).lines > 0
