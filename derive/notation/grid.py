"""Owns how a grid too wide for its page is laid out: parts side by side, and short names in plain text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence

from derive.notation.tree import Entry, Grid, Node, Number

MOST_ROWS = 40
"""Rows of a grid that stand on one page."""

TIE = "\N{NO-BREAK SPACE}"

Write = Callable[[Node], str]


def parts(item: Grid, width: Callable[[Node], float], room: float, gap: float) -> list[Grid]:
    """The grid cut so that each part is at most `room` wide and MOST_ROWS high; every cell is in one part."""
    lead = max([width(label) for label, _ in item.rows] + [width(item.corner) if item.corner else 0.0])
    cuts, used = [0], lead
    for place, title in enumerate(item.columns):
        need = gap + max([width(title), *(width(cells[place]) for _, cells in item.rows)])
        if used + need > room and place > cuts[-1]:
            cuts.append(place)
            used = lead
        used += need
    ends = [*cuts[1:], len(item.columns)]
    return [
        item.part(slice(top, top + MOST_ROWS), slice(start, end))
        for top in range(0, len(item.rows), MOST_ROWS)
        for start, end in zip(cuts, ends, strict=True)
    ]


def lines(item: Grid, written: Write, room: int) -> list[str]:
    """A grid in plain text: with its own labels where it fits, else with numbers and short names."""
    if len(parts(item, lambda n: len(written(n)), room - 2, 2)) == 1:
        return _drawn(item, written)
    short, names = _shortened(item, written)
    drawn = [
        line
        for part in parts(short, lambda n: len(written(n)), room - 2, 2)
        for line in [*_drawn(part, written), ""]
    ]
    return [*drawn[:-1], *_legend(item, names, written, room)]


def _shortened(item: Grid, written: Write) -> tuple[Grid, dict[str, str]]:
    """The grid with numbers for labels and w0, w1, ... for cells that are formulas, and what those mean."""
    every = [written(c) for _, cells in item.rows for c in cells if not isinstance(c, Number)]
    names: dict[str, str] = {}
    for text in dict.fromkeys(every):
        letter = next((c for c in text if c.isalpha()), "m")
        names[text] = f"{letter}{sum(n[0] == letter for n in names.values())}"

    def cell(node: Node) -> Node:
        return node if isinstance(node, Number) else Entry(names[written(node)], ())

    rows = tuple((Number(str(i)), tuple(map(cell, cells))) for i, (_, cells) in enumerate(item.rows))
    return Grid(None, tuple(Number(str(i)) for i in range(len(item.columns))), rows), names


def _legend(item: Grid, names: dict[str, str], written: Write, room: int) -> list[str]:
    """What the numbers and the short names stand for."""
    said = [
        _counted("row", [written(label) for label, _ in item.rows]),
        _counted("column", [written(title) for title in item.columns]),
        ", ".join(f"{name} := {text}".replace(" ", TIE) for text, name in names.items()),
    ]
    options = {"initial_indent": "  ", "subsequent_indent": "      ", "break_long_words": False}
    return [
        line.replace(TIE, " ")
        for text in said
        if text
        for line in textwrap.wrap(text, room, break_on_hyphens=False, **options)  # type: ignore[arg-type]
    ]


def _counted(noun: str, labels: Sequence[str]) -> str:
    many = f"{noun}s 0 to {len(labels) - 1}" if len(labels) > 1 else f"{noun} 0"
    return f"{many}: {', '.join(labels)}"


def _drawn(item: Grid, written: Write) -> list[str]:
    """Right-aligned columns under their titles, a rule between labels and cells."""
    head = [written(item.corner) if item.corner else "", *map(written, item.columns)]
    body = [[written(label), *map(written, cells)] for label, cells in item.rows]
    widths = [max(map(len, column)) for column in zip(head, *body, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (cell.rjust(w) for cell, w in zip(cells, widths, strict=True))
        return f"  {first} │ {'  '.join(rest)}"

    rule = f"  {'─' * widths[0]}─┼─{'─' * (sum(widths[1:]) + 2 * (len(widths) - 2))}"
    return [line(head), rule, *map(line, body)]
