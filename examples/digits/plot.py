"""Owns the picture of a training run: panels of curves over a common axis, as SVG without any library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

BLUE, ORANGE, SKY = "#0072B2", "#D55E00", "#56B4E9"
"""Okabe and Ito's colours; curves also differ by dashes and marks, so that a grey print can be read."""

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP, BOTTOM = 720, 240, 78, 24, 40, 46, 58

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Curve:
    """Points of one colour. `mark` is "", "circle" or "square"; `dash` an SVG dash pattern; `wide` in px."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: str
    mark: str = ""
    dash: str = ""
    wide: float = 2


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` with labelled ticks; `scale` makes equal steps of equal differences."""

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    scale: Callable[[float], float] = float

    def share(self, value: float) -> float:
        """Where a value lies between low (0) and high (1)."""
        low, high = self.scale(self.low), self.scale(self.high)
        return (self.scale(value) - low) / (high - low)


@dataclass(frozen=True)
class Panel:
    """Curves over one vertical axis; `lines` are labelled heights."""

    axis: Axis
    curves: tuple[Curve, ...]
    lines: tuple[tuple[float, str], ...] = ()


def plain(title: str, low: float, high: float, most: int = 6) -> Axis:
    """An axis of equal differences with at most `most` steps between round ticks; it ends on ticks."""
    if not low < high:
        low, high = low - 0.5, low + 0.5
    power = 10.0 ** floor(log10((high - low) / most))
    step = next(power * m for m in (1, 2, 5, 10, 20) if (high - low) / (power * m) <= most)
    first, last = floor(low / step + 1e-9), ceil(high / step - 1e-9)
    ticks = tuple((k * step, f"{k * step:g}") for k in range(first, last + 1))
    return Axis(title, first * step, last * step, ticks)


def logarithmic(title: str, low: float, high: float) -> Axis:
    """An axis of equal ratios with a tick at each power of ten; it ends on ticks."""
    first, last = floor(log10(low)), ceil(log10(high))
    last += first == last
    ticks = tuple((10.0**k, "10" + str(k).translate(RAISED)) for k in range(first, last + 1))
    return Axis(title, 10.0**first, 10.0**last, ticks, log10)


def svg(title: str, words: str, across: Axis, panels: Sequence[Panel]) -> str:
    """The picture: one panel under another over the axis `across`.

    `title` is also shown; `words` say in a sentence or two what there is to see, for whoever cannot.
    """
    height = TOP + len(panels) * (PANEL + GAP) - GAP + BOTTOM
    body = [f'<text x="{WIDTH / 2}" y="22" class="middle title">{escape(title)}</text>']
    for place, panel in enumerate(panels):
        body += _panel(panel, across, TOP + place * (PANEL + GAP))
    body.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 14, across.title, "middle"))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
            f'height="{height}" role="img" aria-labelledby="title desc">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(words)}</desc>',
            "<style>text{font:13px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}"
            ".middle{text-anchor:middle}.end{text-anchor:end}</style>",
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
            *body,
            "</svg>\n",
        ]
    )


def _panel(panel: Panel, across: Axis, top: float) -> list[str]:
    """Frame, ticks, grid, labelled lines, curves and the key of one panel."""

    def at(x: float, y: float) -> tuple[float, float]:
        return LEFT + across.share(x) * (WIDTH - LEFT - RIGHT), top + (1 - panel.axis.share(y)) * PANEL

    parts = []
    for value, label in panel.axis.ticks:
        x, y = at(across.low, value)
        parts += [_line((x, y), (WIDTH - RIGHT, y), "#ddd"), _text(x - 8, y + 4.5, label, "end")]
    for value, label in across.ticks:
        x, y = at(value, panel.axis.low)
        parts += [_line((x, y), (x, y + 5), "#222"), _text(x, y + 19, label, "middle")]
    for value, label in panel.lines:
        x, y = at(across.high, value)
        parts += [_line((LEFT, y), (x, y), "#222", "2 4"), _text(x - 6, y + 15, label, "end")]
    for curve in panel.curves:
        parts += _curve(curve, [at(*p) for p in curve.points])
    parts.append(
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH - LEFT - RIGHT}" height="{PANEL}" fill="none" '
        'stroke="#222"/>'
    )
    middle = top + PANEL / 2
    parts.append(
        f'<text x="20" y="{middle:g}" class="middle" transform="rotate(-90 20 {middle:g})">'
        f"{escape(panel.axis.title)}</text>"
    )
    return parts + _key(panel, top)


def _key(panel: Panel, top: float) -> list[str]:
    """Names of the curves beside a sample of each, in the corner that its last point leaves free."""
    ends = [panel.axis.share(c.points[-1][1]) for c in panel.curves]
    begin = top + 18 if sum(ends) < len(ends) / 2 else top + PANEL - 20 * len(panel.curves) + 4
    parts = []
    for row, curve in enumerate(panel.curves):
        y = begin + 20 * row
        x = WIDTH - RIGHT - 250
        parts += _curve(curve, [(x, y), (x + 17, y), (x + 34, y)])
        parts.append(_text(x + 42, y + 4.5, curve.name))
    return parts


def _curve(curve: Curve, places: Sequence[tuple[float, float]]) -> list[str]:
    dash = f' stroke-dasharray="{curve.dash}"' if curve.dash else ""
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [
        f'<polyline points="{points}" fill="none" stroke="{curve.colour}" stroke-width="{curve.wide:g}"'
        f'{dash} stroke-linejoin="round"/>'
    ]
    for x, y in places if curve.mark else ():
        if curve.mark == "circle":
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{curve.colour}"/>')
        else:
            parts.append(
                f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" fill="white" '
                f'stroke="{curve.colour}" stroke-width="1.5"/>'
            )
    return parts


def _line(a: tuple[float, float], b: tuple[float, float], colour: str, dash: str = "") -> str:
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'<path d="M{a[0]:.1f} {a[1]:.1f}L{b[0]:.1f} {b[1]:.1f}" stroke="{colour}"{dashes}/>'


def _text(x: float, y: float, text: str, anchor: str = "") -> str:
    kind = f' class="{anchor}"' if anchor else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{kind}>{escape(text)}</text>'
