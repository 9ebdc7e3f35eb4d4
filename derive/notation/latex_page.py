"""Owns a page as LaTeX: a fragment that needs only amsmath, or a standalone article."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from derive.notation import latex
from derive.notation.breaking import broken
from derive.notation.grid import parts
from derive.notation.tree import (
    Block,
    Display,
    Displays,
    Grid,
    Heading,
    Inline,
    Link,
    Page,
    Paragraph,
    Relation,
    pieces,
)

TEXT_WIDTH = 464.0
"""Points used between the margins: A4 with 22 mm on either side leaves 472."""

ARTICLE_WIDTH = 338.0
"""Points used in somebody's own text: \\documentclass{article} leaves 345 at 10 pt."""

NUMBER_WIDTH = 34.0
"""Room kept for an equation number."""

INDENT = 22.0
RELATION_WIDTH = 14.0
SIGNS = {Relation.EQUAL: "=", Relation.DEFINED: latex.DEFINED}

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage{amsmath}
\usepackage[margin=22mm]{geometry}
\setlength{\parindent}{0pt}
\setlength{\parskip}{5pt plus 1pt}
\setlength{\emergencystretch}{4em}
\setlength{\jot}{4pt}
\allowdisplaybreaks
\begin{document}
\setlength{\abovedisplayskip}{5pt}\setlength{\belowdisplayskip}{5pt}
\setlength{\abovedisplayshortskip}{5pt}\setlength{\belowdisplayshortskip}{5pt}
"""


@dataclass(frozen=True)
class Dialect:
    """What may stand in a display: amsmath's align*, or what MathJax and KaTeX know of it."""

    environment: str
    number: str
    reason: str
    width: float = TEXT_WIDTH


PAPER = Dialect("align*", r" \tag{%s}", r"\parbox[t]{%dpt}{\raggedright\footnotesize\itshape %s}")
INSIDE = replace(PAPER, width=ARTICLE_WIDTH)
WEB = Dialect("aligned", r" \qquad \text{(%s)}", r"%.0s\text{%s}")

HEADINGS = {
    "standalone": (r"\section*{%s}", r"\subsection*{%s}", r"\subsubsection*{%s}"),
    "fragment": (
        r"\par\medskip{\noindent\raggedright\textbf{\large %s}\par}",
        r"\par\medskip\noindent\textbf{%s}\par",
        r"\par\smallskip\noindent\textit{%s}\par",
    ),
}


def standalone(document: Page) -> str:
    """A complete article that pdflatex, lualatex and tectonic compile."""
    body = _joined(document.blocks, "standalone")
    title = rf"{{\LARGE\bfseries\raggedright {latex.inline(document.title)}\par}}"
    return f"{PREAMBLE}{title}\n\n{body}\n\\end{{document}}\n"


def fragment(document: Page) -> str:
    """What goes between \\begin{document} and \\end{document} of somebody's own text."""
    title = HEADINGS["fragment"][0] % latex.inline(document.title)
    head = r"\allowdisplaybreaks\setlength{\emergencystretch}{4em}"
    return f"{{{head}\n{title}\n\n{_joined(document.blocks, 'fragment')}\n\\par}}\n"


def _joined(blocks: Sequence[Block], style: str) -> str:
    """Blocks apart by an empty line; a display belongs to the paragraph before it."""
    text = ""
    for position, item in enumerate(blocks):
        close = isinstance(item, Displays) and isinstance(blocks[position - 1], Paragraph)
        text += ("\n" if close else "\n\n") * bool(position) + block(item, style)
    return text


def block(item: Block, style: str) -> str:
    match item:
        case Heading(text, level):
            return HEADINGS[style][level - 1] % latex.inline(text)
        case Paragraph(text):
            return ("\\noindent " if style == "fragment" else "") + latex.inline(text)
        case Displays(rows):
            return aligned(rows, PAPER if style == "standalone" else INSIDE)
        case Grid():
            return gridded(item, PAPER if style == "standalone" else INSIDE)
    raise TypeError(f"{type(item).__name__} has no LaTeX: add it in derive/notation/latex_page.py")


def aligned(rows: tuple[Display, ...], dialect: Dialect = PAPER) -> str:
    """One environment with all rows, aligned at their relations."""
    left = max((latex.width(row.left) for row in rows if not _hanging(row)), default=0.0)
    lines = [line for row in rows for line in _display(row, left, dialect)]
    return f"\\begin{{{dialect.environment}}}\n" + " \\\\\n".join(lines) + f"\n\\end{{{dialect.environment}}}"


SMALL = 0.78
"""The size of a grid relative to the text: script size is 7/10, its indices are wider in proportion."""

GAP = 5.0
"""Points between two columns of a grid."""


def gridded(item: Grid, dialect: Dialect = PAPER) -> str:
    """A grid in small type; where it is wider than the text, its parts below one another."""
    arrays = [_array(p) for p in parts(item, lambda n: latex.width(n, SMALL), dialect.width, GAP)]
    if dialect is WEB:
        return " \\qquad\n".join(arrays)
    shown = "\n".join(f"\\[\n{array}\n\\]" for array in arrays)
    spaced = r"\setlength{\arraycolsep}{2.5pt}\renewcommand{\arraystretch}{1.3}"
    return f"{{\\scriptsize{spaced}\n{shown}\n}}"


def _array(item: Grid) -> str:
    head = [latex.written(item.corner) if item.corner else "", *map(latex.written, item.columns)]
    rows = [[latex.written(label), *map(latex.written, cells)] for label, cells in item.rows]
    body = " \\\\\n".join(" & ".join(row) for row in rows)
    layout = f"r|{'c' * len(item.columns)}"
    return f"\\begin{{array}}{{{layout}}}\n{' & '.join(head)} \\\\ \\hline\n{body}\n\\end{{array}}"


def _hanging(row: Display) -> bool:
    """Whether the left side has a line of its own and the relations hang below it."""
    return len(row.links) > 1


def _display(row: Display, left: float, dialect: Dialect) -> list[str]:
    if _hanging(row):
        lines = [f"&{latex.written(row.left)}"]
        for link in row.links:
            lines += _link("&\\quad ", link, INDENT, dialect)
        return lines
    return _link(f"{latex.written(row.left)} &", row.links[0], left, dialect)


def _link(lead: str, link: Link, left: float, dialect: Dialect) -> list[str]:
    """The lines of one relation: its right side broken to the width, then the reason (beside it if short)."""
    number = max(NUMBER_WIDTH, 14.0 + 5.0 * len(link.number)) if link.number else 0.0
    room = dialect.width - left - RELATION_WIDTH - number
    parts = broken(pieces(link.right), latex.piece_width, room, room - INDENT)
    hang = lead[lead.index("&") :]
    out = [f"{lead}{SIGNS[link.relation]} {latex.joined(parts[0])}"]
    if link.number:
        out[0] += dialect.number % link.number
    out += [rf"{hang}\qquad {latex.joined(part)}" for part in parts[1:]]
    if not link.reason:
        return out
    used = INDENT * (len(parts) > 1) + sum(map(latex.piece_width, parts[-1]))
    if not link.number and used + INDENT + latex.text_width(link.reason) < room:
        return [*out[:-1], rf"{out[-1]} \qquad {_reason(link.reason, 0.0, dialect)}"]
    return [*out, rf"{hang}\quad {_reason(link.reason, dialect.width - left - 2 * INDENT, dialect)}"]


def _reason(reason: Inline, room: float, dialect: Dialect) -> str:
    """In a box of the given width, or on one line where `room` is 0."""
    said = latex.inline(reason)
    if dialect is not WEB and not room:
        return rf"\text{{\footnotesize\itshape {said}}}"
    return dialect.reason % (room, said)
