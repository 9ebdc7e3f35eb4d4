"""Owns the roofline plot: rows by operations a byte and a second, under the limits that were measured.

Hand-written SVG: shapes as well as colours (Okabe and Ito's) tell the marks apart, so that it reads in grey.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape
from typing import Any

from benchmarks.kernels.summary import chosen
from codegen.bench.shown import best_peer, timed

WIDE, HIGH, LEFT, TOP, RIGHT, BOTTOM = 860, 560, 70, 60, 20, 60
STYLES = {
    "best peer": ("#000000", "circle"),
    "strict": ("#0072B2", "square"),
    "balanced": ("#E69F00", "diamond"),
    "relaxed": ("#D55E00", "triangle"),
}
Row = dict[str, Any]
Point = tuple[float, float, str]


def points(rows: list[Row]) -> dict[str, list[Point]]:
    """By mark: operations a byte, GFLOP/s, and the row's name. Rows without products are left out."""
    found: dict[str, list[Point]] = {title: [] for title in STYLES}
    for row in rows:
        if not row["flops"] or row["class"] in ("overhead", "denormal") or row["dtype"] != "float32":
            continue
        for title in STYLES:
            name = best_peer(row) if title == "best peer" else _own(row, title)
            if name is None:
                continue
            speed = row["flops"] / timed(row)[name]["least"] / 1e3
            said = f"{row['case']}, {row['operation']}: {name}, {speed:.0f} GFLOP/s"
            found[title].append((row["flops"] / row["bytes"], speed, said))
    return found


def _own(row: Row, tier: str) -> str | None:
    return next((n for n in (f"backflip {tier} packed", f"backflip {tier}") if n in timed(row)), None)


class Axes:
    """Logarithmic axes over what is to be shown."""

    def __init__(self, marks: list[Point], peak: float) -> None:
        xs, ys = [x for x, _, _ in marks] or [1.0], [y for _, y, _ in marks] or [peak]
        self.x = 10 ** math.floor(math.log10(min(xs))), 10 ** math.ceil(math.log10(max(xs) * 1.01))
        top = max(*ys, peak) * 1.3
        self.y = 10 ** math.floor(math.log10(min(ys))), top

    def at(self, x: float, y: float) -> tuple[float, float]:
        across = math.log(x / self.x[0]) / math.log(self.x[1] / self.x[0])
        up = math.log(y / self.y[0]) / math.log(self.y[1] / self.y[0])
        return LEFT + across * (WIDE - LEFT - RIGHT), HIGH - BOTTOM - up * (HIGH - TOP - BOTTOM)


def picture(data: dict[str, Any]) -> str:
    """The plot as SVG text, of the warm rows at one thread and batch 1."""
    machine = data.get("machine", {})
    peak, read = machine.get("peak", {}).get("float32", 1.0), machine.get("read", {})
    marks = points(list(chosen(data["rows"].values())))
    axes = Axes([p for listed in marks.values() for p in listed], peak)
    counts = ", ".join(f"{len(listed)} of {title}" for title, listed in marks.items())
    body = [*grid(axes), *roofs(axes, peak, read)]
    for title, listed in marks.items():
        body += [mark(*axes.at(x, y), STYLES[title], said) for x, y, said in listed]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {HIGH}" role="img" '
            'aria-labelledby="title desc" font-family="sans-serif" font-size="12">',
            '<title id="title">Roofline: kernels and their best peers, float32, one thread, batch 1</title>',
            f'<desc id="desc">Useful operations a second over operations a byte, both logarithmic. Lines: '
            f"the measured peak of {peak:.0f} GFLOP/s and reading from {escape(_levels(read))}. "
            f"Marks: {counts}. Winograd kernels may lie above the peak, as the useful operations are "
            "the definition's.</desc>",
            f'<rect width="{WIDE}" height="{HIGH}" fill="#ffffff"/>',
            *body,
            *legend(),
            "</svg>\n",
        ]
    )


def _levels(read: dict[str, float]) -> str:
    return ", ".join(f"{level} at {speed:.0f} GB/s" for level, speed in read.items()) or "memory"


def grid(axes: Axes) -> Iterator[str]:
    """Lines and numbers at powers of ten, and what the axes are."""
    for low, high, across in ((*axes.x, True), (*axes.y, False)):
        for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1):
            value = 10.0**power
            x, y = axes.at(value, axes.y[0]) if across else axes.at(axes.x[0], value)
            ends = (x, TOP) if across else (WIDE - RIGHT, y)
            yield f'<path d="M{x:.1f},{y:.1f}L{ends[0]:.1f},{ends[1]:.1f}" stroke="#dddddd"/>'
            place = f'x="{x:.1f}" y="{y + 18:.1f}"' if across else f'x="{x - 8:.1f}" y="{y + 4:.1f}"'
            yield f'<text {place} text-anchor="{"middle" if across else "end"}">{value:g}</text>'
    yield f'<text x="{WIDE / 2}" y="{HIGH - 16}" text-anchor="middle">useful operations a byte</text>'
    yield (
        f'<text x="18" y="{HIGH / 2}" text-anchor="middle" transform="rotate(-90 18 {HIGH / 2})">'
        "useful GFLOP/s</text>"
    )


def roofs(axes: Axes, peak: float, read: dict[str, float]) -> Iterator[str]:
    """The peak as a flat line, each memory level as a slope up to it."""
    dashes = {"L2": "", "L3": "6 4", "memory": "2 3"}
    for above, (level, speed) in zip(range(len(read), 0, -1), read.items(), strict=True):
        low = max(axes.x[0], axes.y[0] / speed)
        high = min(axes.x[1], peak / speed)
        if low >= high:
            continue
        (x0, y0), (x1, y1) = axes.at(low, low * speed), axes.at(high, high * speed)
        yield (
            f'<path d="M{x0:.1f},{y0:.1f}L{x1:.1f},{y1:.1f}" stroke="#555555" stroke-width="1.5" '
            f'stroke-dasharray="{dashes.get(level, "")}" fill="none"/>'
        )
        yield f'<text x="{x0 + 6:.1f}" y="{y0 + 6 - 14 * above:.1f}">{escape(level)} {speed:.0f} GB/s</text>'
    (x0, y0), (x1, _) = axes.at(axes.x[0], peak), axes.at(axes.x[1], peak)
    yield f'<path d="M{x0:.1f},{y0:.1f}L{x1:.1f},{y0:.1f}" stroke="#000000" stroke-width="1.5"/>'
    yield f'<text x="{x1:.1f}" y="{y0 - 6:.1f}" text-anchor="end">peak {peak:.0f} GFLOP/s</text>'


def mark(x: float, y: float, style: tuple[str, str], said: str) -> str:
    """One mark with its words as a tooltip."""
    colour, shape = style
    title = f"<title>{escape(said)}</title>"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="none" stroke="{colour}">{title}</circle>'
    corners = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "diamond": ((0, -6), (5, 0), (0, 6), (-5, 0)),
        "triangle": ((0, -6), (5, 4), (-5, 4)),
    }[shape]
    path = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{path}" fill="{colour}" fill-opacity="0.8">{title}</polygon>'


def legend() -> Iterator[str]:
    for at, (title, style) in enumerate(STYLES.items()):
        x = LEFT + 10 + 130 * at
        yield mark(x, 30, style, title)
        yield f'<text x="{x + 10}" y="34">{"backflip " * (title != "best peer")}{title}</text>'
