"""Owns how a page becomes text in a format, and a file: whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from derive.errors import LayerError
from derive.notation.tree import Page


def printed(document: Page, format: str, style: str = "fragment") -> str:
    """A page as text; the formats and styles are those of `render`."""
    writer = _writers().get((format, style if format == "latex" else ""))
    if writer is None:
        raise LayerError(
            "unknown format",
            where="format, style",
            expected="text, latex (fragment, standalone), md, html",
            got=f"{format!r}, {style!r}",
        )
    return writer(document)


def _writers() -> dict[tuple[str, str], Callable[[Page], str]]:
    from derive.notation import html_page, latex_page, markdown_page, text

    return {
        ("text", ""): text.page,
        ("latex", "fragment"): latex_page.fragment,
        ("latex", "standalone"): latex_page.standalone,
        ("md", ""): markdown_page.page,
        ("html", ""): html_page.page,
    }


SUFFIXES = {
    ".tex": ("latex", "standalone"),
    ".pdf": ("latex", "standalone"),
    ".md": ("md", "fragment"),
    ".txt": ("text", "fragment"),
    ".html": ("html", "fragment"),
}


def save_page(document: Page, path: str | Path, style: str = "") -> None:
    """The same for a page; `style` is what a .tex is written as where that is not standalone."""
    from derive.pdf import compile_pdf, write_whole

    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise LayerError(
            "unknown kind of file",
            where=str(path),
            expected=", ".join(SUFFIXES),
            got=target.suffix or "no suffix",
        )
    format, usual = SUFFIXES[target.suffix]
    text = printed(document, format, style or usual)
    write_whole(target, compile_pdf(text) if target.suffix == ".pdf" else text.encode())


class Shown:
    """What has a document: its text in every format, its file, and what a notebook shows of it."""

    def to_text(self) -> str:
        return printed(self._page(), "text")

    def to_latex(self, style: str = "fragment") -> str:
        return printed(self._page(), "latex", style)

    def to_html(self) -> str:
        return printed(self._page(), "html")

    def to_markdown(self) -> str:
        return printed(self._page(), "md")

    def save(self, path: str | Path) -> None:
        """Write the document; the suffix decides the format (.tex standalone, .pdf, .html, .md, .txt)."""
        save_page(self._page(), path)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """What a notebook shows: HTML, else LaTeX, else plain text."""
        return {
            "text/latex": self.to_latex(),
            "text/html": self.to_html(),
            "text/plain": self.to_text(),
        }

    def _page(self) -> Page:
        raise NotImplementedError(f"{type(self).__name__}: say what its page is")
