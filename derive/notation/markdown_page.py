"""Owns a page as Markdown with $ and $$ mathematics, as GitHub, Jupyter and pandoc read it."""

from __future__ import annotations

import re

from derive.notation import latex, latex_page
from derive.notation.tree import (
    Block,
    Called,
    Code,
    Displays,
    Grid,
    Heading,
    Inline,
    Page,
    Paragraph,
    Span,
    Strong,
)


def page(document: Page) -> str:
    """The whole document."""
    return "\n\n".join([f"# {inline(document.title)}", *map(block, document.blocks)]) + "\n"


def block(item: Block) -> str:
    match item:
        case Heading(text, level):
            return f"{'#' * level} {inline(text)}"
        case Paragraph(text):
            return inline(text)
        case Displays(rows):
            return f"$$\n{latex_page.aligned(rows, latex_page.WEB)}\n$$"
        case Grid():
            return f"$$\n{latex_page.gridded(item, latex_page.WEB)}\n$$"
    raise TypeError(f"{type(item).__name__} has no Markdown: add it in derive/notation/markdown_page.py")


def inline(parts: Inline) -> str:
    return "".join(map(_span, parts))


def _span(span: Span) -> str:
    match span:
        case str():
            return re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", span)
        case Code(text):
            ticks = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
            return f"{ticks}{text}{ticks}"
        case Strong(text):
            return f"**{_span(text)}**"
        case Called(tensor):
            return f"${latex.letter(tensor)}$ (`{tensor}`)"
    return latex.inline((span,))
