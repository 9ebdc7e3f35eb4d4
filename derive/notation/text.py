"""Owns plain text: nodes as monospaced Unicode whose entries can be pasted into Python."""

from __future__ import annotations

import re
import textwrap
from itertools import pairwise

from derive.notation import grid
from derive.notation.breaking import broken
from derive.notation.functions import based
from derive.notation.symbols import PRIME
from derive.notation.tree import (
    Array,
    Block,
    Bracket,
    Called,
    Cases,
    Code,
    Compared,
    Derivative,
    Display,
    Displays,
    Elided,
    Entry,
    Function,
    Grid,
    Group,
    Heading,
    Inline,
    Link,
    Name,
    Node,
    Number,
    Over,
    Page,
    Paragraph,
    Piece,
    Plus,
    Power,
    Product,
    Root,
    Sign,
    Span,
    Strong,
    Total,
    Values,
    pieces,
)

WIDTH = 100
SIGNS = {"<=": " ≤ ", "<": " < ", "==": " = ", ">": " > ", ">=": " ≥ "}


def written(node: Node) -> str:
    """One node on one line."""
    match node:
        case Number(text) | Name(text):
            return text
        case Array(name):
            return name
        case Entry(array, indices):
            name = "L" if array == "loss" else array
            return f"{name}[{', '.join(map(written, indices))}]".replace(", ", ",") if indices else name
        case Derivative(of, wrt):
            return f"∂{written(of)}/∂{written(wrt)}"
        case Total(limits):
            return f"Σ_{{{', '.join(f'{i.text}<{written(limit.count)}' for i, limit in limits)}}}"
        case Bracket(parts, signs):
            more = "".join(SIGNS[s] + written(p) for s, p in zip(signs, parts[1:], strict=True))
            return f"[{written(parts[0])}{more}]"
        case Product(factors):
            return _product(factors)
        case Plus(terms):
            text = "".join((" - " if minus else " + ") + written(term) for minus, term in terms)
            return f"-{text[3:]}" if terms[0][0] else text[3:]
        case Group(body):
            return f"({written(body)})"
        case Elided():
            return f"… ({node.words})"
        case Values(items):
            return f"({', '.join(map(written, items))})"
        case Function(name, argument):
            return f"{name.removesuffix(PRIME)}{chr(39) * name.endswith(PRIME)}({written(argument)})"
        case Over(top, bottom):
            return f"{_side(top)}/{_side(bottom, isinstance(bottom, Product))}"
        case Power(base, exponent):
            return f"{written(based(base))}^{_side(exponent, isinstance(exponent, Over))}"
        case Root(body):
            return f"sqrt({written(body)})"
        case Compared(left, sign, right):
            return f"{written(left)}{SIGNS[sign]}{written(right)}"
        case Cases(rows):
            return "; ".join(f"{written(v)} {f'where {written(c)}' if c else 'elsewhere'}" for v, c in rows)
    raise TypeError(f"{type(node).__name__} has no plain text: add it in derive/notation/text.py")


def _side(node: Node, enclosed: bool = False) -> str:
    """A side of a stroke or an exponent, in parentheses where it is a sum, a fraction below, or a product."""
    return f"({written(node)})" if enclosed or isinstance(node, Plus) else written(node)


def _product(factors: tuple[Node, ...]) -> str:
    text = written(factors[0])
    for previous, factor in pairwise(factors):
        text += _between(previous, factor) + written(factor)
    return text


def inline(parts: Inline) -> str:
    return "".join(map(_span, parts))


def _span(span: Span) -> str:
    match span:
        case str():
            return span
        case Sign(text) | Code(text) | Strong(text):
            return text
        case Called(name):
            return written(Array(name))
    return written(span)


def page(document: Page) -> str:
    """The whole document, at most 100 columns wide where its formulas allow."""
    return "\n\n".join([_underlined(document.title, "═"), *map(block, document.blocks)]) + "\n"


def _underlined(text: Inline, line: str) -> str:
    words = _wrapped(inline(text))
    return f"{words}\n{line * max(map(len, words.splitlines()))}"


def block(item: Block) -> str:
    match item:
        case Heading(text, level):
            return _underlined(text, "═─·"[level - 1])
        case Paragraph(text):
            return _wrapped(inline(text))
        case Displays(rows):
            return "\n".join(line for row in rows for line in display(row))
        case Grid():
            return "\n".join(grid.lines(item, written, WIDTH))
    raise TypeError(f"{type(item).__name__} has no plain text: add it in derive/notation/text.py")


def _wrapped(text: str, first: str = "", rest: str = "") -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def display(row: Display) -> list[str]:
    """One relation stays on the left side's line; a chain starts a line at every relation."""
    left = "  " + written(row.left)
    if len(row.links) > 1:
        return [left, *(line for link in row.links for line in _link("    ", link, 8))]
    return _link(left + " ", row.links[0], 6)


def _link(lead: str, link: Link, indent: int) -> list[str]:
    """The right side, broken to the width, and the reason: beside it where it is one short line."""
    head = f"{lead}{link.relation.value} "
    lines = broken(pieces(link.right), lambda p: len(_piece(p)) + 1, WIDTH - len(head) + 1, WIDTH - indent)
    out = [head + _joined(lines[0], None).lstrip()]
    out += [" " * indent + _joined(b, a[-1]).lstrip() for a, b in pairwise(lines)]
    out = [part for line in out for part in _cut(line, indent + 4)]
    said = inline(link.reason)
    if link.number:
        return [*out, _wrapped(f"({link.number}) {said}", "          ", "              ")]
    if not said:
        return out
    beside = f"{out[-1]}   — {said}"
    if len(beside) <= WIDTH:
        return [*out[:-1], beside]
    return [*out, _wrapped(said, " " * indent + "— ", " " * indent)]


def _cut(line: str, indent: int) -> list[str]:
    """A line that is still too wide, cut between factors, else after the commas between indices."""
    if len(line) <= WIDTH:
        return [line]
    between = [
        m.start() for m in re.finditer(r"(?<=[\])])[*/](?=[\w(])", line) if indent < m.start() <= WIDTH
    ]
    place = between[-1] if between else line.rfind(",", indent, WIDTH) + 1
    if place <= 0:
        return [line]
    return [line[:place], *_cut(" " * indent + line[place:].lstrip(), indent)]


def _piece(piece: Piece) -> str:
    return f"{piece.sign} {written(piece.node)}" if piece.sign else written(piece.node)


def _joined(line: tuple[Piece, ...], last: Piece | None) -> str:
    """Pieces of one line, spaced as one formula would be; `last` is the piece before the line."""
    text = ""
    for piece in line:
        if piece.sign and (text or last):
            text += f" {_piece(piece)}"
        elif piece.sign:
            text += piece.sign + written(piece.node)
        else:
            text += (_between(last.node, piece.node) if last else "") + written(piece.node)
        last = piece
    return text


def _between(previous: Node, factor: Node) -> str:
    """Sums and brackets stand beside what follows, numbers and entries are multiplied."""
    if isinstance(factor, Bracket) and isinstance(previous, Bracket):
        return ""
    return " " if isinstance(factor, Total | Bracket) or isinstance(previous, Total | Bracket) else "*"
