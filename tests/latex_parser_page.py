"""Owns the reading of a printed page: its legend, and its displays with relations, numbers and elided terms.

A display is read in the order of its lines: what stands before the alignment mark is a left side, `=` or `:=`
after it starts a right side, any other line goes on with the one before. Reasons are words and left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from latex_parser import Formula, expression
from latex_parser_forms import Forms
from latex_parser_terms import Alphabet, Mark, Unreadable

from derive.expr import Expr

DEFINED = r"\mathrel{:=}"
REASON = re.compile(r" ?\\q?quad \\(?:text\{\\footnotesize|parbox\[t\]).*$")
TAG = re.compile(r" \\tag\{([^{}]*)\}")
ELIDED = re.compile(r"\+?\s*\\ldots\\ \(\\text\{([\d{},]+) (further|terms?)( terms?| as before)\}\)")


@dataclass(frozen=True)
class Right:
    """A right side: its relation, its formula, the number of its equation ("" for none)."""

    relation: str
    formula: str
    number: str


@dataclass
class Display:
    """A left side and its right sides; `before` is the paragraph above, `place` where on the page it is."""

    left: str
    before: str
    place: int
    rights: list[Right] = field(default_factory=list)


@dataclass(frozen=True)
class Elision:
    """The terms of a right side that are written, and how many further and unchanged ones there are."""

    written: Expr
    further: int
    kept: int


def displays(page: str) -> Iterator[Display]:
    """The displays of a page in order."""
    for found in re.finditer(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", page, re.DOTALL):
        before = page[: found.start()].rstrip().rpartition("\n\n")[2]
        yield from _rows(found[1].split(" \\\\\n"), before, found.start())


def _rows(lines: list[str], before: str, place: int) -> Iterator[Display]:
    shown: Display | None = None
    for line in lines:
        number = TAG.search(line)
        left, mark, rest = REASON.sub("", TAG.sub("", line)).partition("&")
        if not mark:
            raise Unreadable(f"a line without an alignment mark: {line}")
        body = re.sub(r"^\\quad( |$)", "", rest).strip()
        relation = next((r for r in ("=", DEFINED) if body.startswith(r)), "")
        hanging = not left and not relation and not rest.startswith((r"\quad", r"\qquad"))
        if left or (hanging and body):
            if shown is not None:
                yield shown
            shown = Display(left.strip() or body, before, place)
        if shown is None:
            raise Unreadable(f"a line before any left side: {line}")
        if relation:
            formula = body.removeprefix(relation)
            shown.rights.append(Right(relation, formula, number[1] if number else ""))
        elif shown.rights and body:
            last = shown.rights[-1]
            shown.rights[-1] = Right(last.relation, f"{last.formula} {body}", last.number)
    if shown is not None:
        yield shown


def elision(formula: str, alphabet: Alphabet) -> Elision:
    """A right side of which some terms may only be counted."""
    counts = {"further": 0, "as before": 0}
    for number, first, second in ELIDED.findall(formula):
        counts["further" if first == "further" else second.strip()] += int(number.replace("{,}", ""))
    left = ELIDED.sub("", formula).strip()
    written = expression(left, alphabet) if left else Expr(())
    return Elision(written, counts["further"], counts["as before"])


def legend(page: str) -> dict[str, set[Mark]]:
    """What the page says of letters: the names of tensors, each with the letters it is given."""
    found: dict[str, set[Mark]] = {}
    for letter, title in re.findall(r"\$([^$]*)\$ \(\\texttt\{([^{}]*)\}\)", page):
        formula = Formula(letter, Alphabet({}))
        found.setdefault(title.replace(r"\_", "_"), set()).add(formula.mark())
        formula.end()
    return found


def sizes(page: str) -> dict[str, int]:
    """The values of the sizes that the page lists."""
    listed = re.search(r"\\textbf\{Sizes:\} (.*)", page)
    found: dict[str, int] = {}
    for item in listed[1].split("; ") if listed else []:
        names, _, values = item.partition(DEFINED)
        numbers = [int(n) for n in re.findall(r"-?\d+", values.partition(" (")[0])]
        listed_names = [Forms(f.strip("$ ")) for f in names.split(", ")]
        found |= dict(zip((f.name() for f in listed_names), numbers, strict=True))
    return found
