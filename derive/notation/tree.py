"""Owns the typeset nodes (formulas) and blocks (pages) that every output format prints.

A node says what is seen, not what is meant: the index language is turned into nodes by `build.py`, and
no printer ever looks at the language. Which glyph a name gets is each printer's choice (`symbols.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Number:
    """A rational number as written: "3" or "1/2"."""

    text: str


@dataclass(frozen=True)
class Name:
    """An index or a size: "H_out", "s_h", "n'"."""

    text: str


@dataclass(frozen=True)
class Array:
    """A tensor as a whole: "weight"."""

    name: str


@dataclass(frozen=True)
class Entry:
    """One entry of a tensor; no indices is a scalar."""

    array: str
    indices: tuple[Node, ...]


@dataclass(frozen=True)
class Derivative:
    """The partial derivative of one entry by another."""

    of: Node
    wrt: Node


@dataclass(frozen=True)
class Total:
    """Summation signs: each limit is (index, number of values), running from 0."""

    limits: tuple[tuple[Name, Limit], ...]


@dataclass(frozen=True)
class Limit:
    """How many values an index takes, and the last of them (both written out)."""

    count: Node
    last: Node


@dataclass(frozen=True)
class Bracket:
    """An Iverson bracket: 1 where the relations hold, else 0. `signs` are "<=", "<" or "=="."""

    parts: tuple[Node, ...]
    signs: tuple[str, ...]


@dataclass(frozen=True)
class Product:
    """Factors side by side."""

    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Plus:
    """Signed terms; a True sign is a minus."""

    terms: tuple[tuple[bool, Node], ...]


@dataclass(frozen=True)
class Group:
    """A parenthesised node."""

    body: Node


@dataclass(frozen=True)
class Elided:
    """What is counted but not written: "... (3 further terms)"."""

    count: int
    what: str = "further terms"

    @property
    def words(self) -> str:
        """Several things are counted; of one thing the noun loses its s."""
        said = self.what if self.count != 1 else self.what.replace("terms", "term").replace("values", "value")
        return f"{self.count:,} {said}"


@dataclass(frozen=True)
class Values:
    """Numbers side by side in parentheses."""

    items: tuple[Node, ...]


@dataclass(frozen=True)
class Function:
    """A function of `derive.functions` at an argument: exp(x), ReLU'(x)."""

    name: str
    argument: Node


@dataclass(frozen=True)
class Over:
    """A fraction of formulas."""

    top: Node
    bottom: Node


@dataclass(frozen=True)
class Power:
    """base to an exponent."""

    base: Node
    exponent: Node


@dataclass(frozen=True)
class Root:
    """The square root."""

    body: Node


@dataclass(frozen=True)
class Cases:
    """A value for each condition, tried in order; a condition is a relation in `parts` and `signs`, or none.

    The last row holds everywhere else: its relation is None.
    """

    rows: tuple[tuple[Node, Compared | None], ...]


@dataclass(frozen=True)
class Compared:
    """left < right and the like, without brackets; `sign` is one of "<", "<=", ">", ">=", "=="."""

    left: Node
    sign: str
    right: Node


Node = (
    Number | Name | Array | Entry | Derivative | Total | Bracket | Product | Plus | Group | Elided | Values
    | Function | Over | Power | Root | Cases | Compared
)  # fmt: skip


@dataclass(frozen=True)
class Piece:
    """A part of a formula that a line may start with; `sign` is "", "+" or "-"."""

    node: Node
    sign: str = ""


def pieces(node: Node) -> tuple[Piece, ...]:
    """A right-hand side cut where a line may break: between terms, and between factors of a product."""
    match node:
        case Plus(terms):
            cut: list[Piece] = []
            for position, (minus, term) in enumerate(terms):
                sign = "-" if minus else "+" if position else ""
                first, *rest = pieces(term)
                cut += [Piece(first.node, sign), *rest]
            return tuple(cut)
        case Product(factors) if any(isinstance(f, Total | Bracket) for f in factors):
            return tuple(Piece(f) for f in factors)
    return (Piece(node),)


class Relation(Enum):
    """What stands between two sides. EQUAL is written by `document.py` alone."""

    EQUAL = "="
    DEFINED = ":="


@dataclass(frozen=True)
class Sign:
    """An operator within running text: "+", "-", ":="."""

    text: str


@dataclass(frozen=True)
class Code:
    """What a user types."""

    text: str


@dataclass(frozen=True)
class Strong:
    """Words that catch the eye."""

    text: str


@dataclass(frozen=True)
class Called:
    """A tensor by its letter and, where that differs, by the name that a user types."""

    name: str


Span = str | Node | Sign | Code | Strong | Called
Inline = tuple[Span, ...]
"""Running text with formulas in it."""


@dataclass(frozen=True)
class Heading:
    text: Inline
    level: int


@dataclass(frozen=True)
class Paragraph:
    text: Inline


@dataclass(frozen=True)
class Link:
    """One relation of a chain, its right side, why it holds, and its number ("" for none)."""

    relation: Relation
    right: Node
    reason: Inline = ()
    number: str = ""


@dataclass(frozen=True)
class Display:
    """left relation right relation right ..., aligned at the relations."""

    left: Node
    links: tuple[Link, ...]


@dataclass(frozen=True)
class Displays:
    """Several displays aligned with one another."""

    rows: tuple[Display, ...]


@dataclass(frozen=True)
class Grid:
    """A table of nodes with a label for each row and column; `corner` stands over the row labels."""

    corner: Node | None
    columns: tuple[Node, ...]
    rows: tuple[tuple[Node, tuple[Node, ...]], ...]

    def part(self, rows: slice, columns: slice) -> Grid:
        """Some rows and columns of it, with their labels."""
        kept = tuple((label, cells[columns]) for label, cells in self.rows[rows])
        return Grid(self.corner, self.columns[columns], kept)


Block = Heading | Paragraph | Displays | Grid


@dataclass(frozen=True)
class Page:
    """A document: its title and its blocks in order."""

    title: Inline
    blocks: tuple[Block, ...]
