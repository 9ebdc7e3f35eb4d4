"""Owns the checks of the plot of a training run: its numbers, words and axes, and that grey will do."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from digits_parts import parts

SVG = "{http://www.w3.org/2000/svg}"

digits = pytest.fixture(scope="module")(parts)


@pytest.fixture
def history(digits: SimpleNamespace) -> Any:
    """Three epochs of four steps."""
    losses = [2.3, 2.0, 1.0, 0.5, 0.4, 0.2, 0.3, 0.1, 0.05, 0.0, 0.02, 0.01]
    return digits.train.History(4, losses, [0.5, 0.91, 1.0], [0.45, 0.9, 0.975])


def curves(text: str) -> list[list[tuple[float, float]]]:
    """The points of every polyline."""
    lines = ElementTree.fromstring(text).iter(f"{SVG}polyline")
    return [[tuple(map(float, p.split(","))) for p in line.get("points").split()] for line in lines]


def test_the_plot_says_in_words_what_it_shows(digits: SimpleNamespace, history: Any) -> None:
    root = ElementTree.fromstring(digits.report.picture(history))
    title, words = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None and words is not None
    assert root.get("role") == "img" and root.get("aria-labelledby") == f"{title.get('id')} {words.get('id')}"
    for said in ("3 epochs", "1.45", "0.02", "45.0 %", "97.5 %", "50.0 %", "100.0 %"):
        assert said in (words.text or ""), said
    shown = [t.text for t in root.iter(f"{SVG}text")]
    for label in ("epochs", "cross entropy, logarithmic", "images read right, %", "97 %", "10⁻²", "100"):
        assert label in shown, label


def test_points_of_the_plot_are_the_numbers_of_the_run(digits: SimpleNamespace, history: Any) -> None:
    """Places in the picture back to values, by the ticks that a reader would use."""
    p = digits.plot
    steps, _, means, _, training, _, test, _ = ordered(curves(digits.report.picture(history)))
    bottom = p.TOP + p.PANEL
    for (x, y), (k, loss) in zip(steps, enumerate(history.losses), strict=True):
        assert x == pytest.approx(p.LEFT + (k + 1) / 12 * (p.WIDTH - p.LEFT - p.RIGHT), abs=0.05)
        exponent = -2 + (bottom - y) / p.PANEL * 3
        assert exponent == pytest.approx(np.log10(max(loss, 0.01)), abs=0.05 * 3 / p.PANEL + 1e-9)
    assert len(means) == 3
    bottom += p.PANEL + p.GAP
    for curve, shares in ((training, history.training), (test, history.test)):
        for (_, y), share in zip(curve, shares, strict=True):
            percent = 40 + (bottom - y) / p.PANEL * 60
            assert percent == pytest.approx(100 * share, abs=0.05 * 60 / p.PANEL + 1e-9)
    other = replace(history, test=[0.45, 0.9, 0.99])
    assert curves(digits.report.picture(other)) != curves(digits.report.picture(history))


def ordered(found: list[Any]) -> list[Any]:
    """Curves of the first panel, its key, curves of the second, its key; each key sample after its curve."""
    a, b, key_a, key_b, c, d, key_c, key_d = found
    return [a, key_a, b, key_b, c, key_c, d, key_d]


def test_the_plot_can_be_read_in_grey(digits: SimpleNamespace, history: Any) -> None:
    """Curves of one panel differ in more than colour, and only Okabe and Ito's colours are used for them."""
    root = ElementTree.fromstring(digits.report.picture(history))
    kinds = [(c.get("stroke-dasharray"), c.get("stroke-width")) for c in root.iter(f"{SVG}polyline")]
    assert kinds[0] != kinds[1] and kinds[4] != kinds[5]
    colours = {c.get("stroke") for c in root.iter(f"{SVG}polyline")}
    assert colours == {digits.plot.BLUE, digits.plot.ORANGE, digits.plot.SKY}


@pytest.mark.parametrize(
    ("low", "high"), [(0, 30), (45, 100), (97, 100), (0.2, 0.9), (-3, 1), (99.7, 100), (1, 1)]
)
def test_an_axis_ends_on_round_ticks(digits: SimpleNamespace, low: float, high: float) -> None:
    axis = digits.plot.plain("x", low, high)
    places = [place for place, _ in axis.ticks]
    assert axis.low <= low and axis.high >= high and axis.low < axis.high
    assert (places[0], places[-1]) == (axis.low, axis.high) and 2 <= len(places) <= 8
    assert all(float(label) == pytest.approx(place) for place, label in axis.ticks)
    assert len({label for _, label in axis.ticks}) == len(places)


@pytest.mark.parametrize(("low", "high"), [(1e-5, 2.3), (1, 10), (1, 1), (0.02, 0.03)])
def test_a_logarithmic_axis_ends_on_powers(digits: SimpleNamespace, low: float, high: float) -> None:
    axis = digits.plot.logarithmic("x", low, high)
    assert axis.low <= low and axis.high >= high and axis.low < axis.high
    assert axis.share(axis.low) == 0 and axis.share(axis.high) == 1
    if axis.high > 10 * axis.low:
        assert axis.share(10 * axis.low) == pytest.approx(1 / round(np.log10(axis.high / axis.low)))


def test_words_in_the_plot_are_escaped(digits: SimpleNamespace) -> None:
    p = digits.plot
    axis = p.plain("a < b & c", 0, 1)
    text = p.svg("<script>", '"&', axis, [p.Panel(axis, (p.Curve("<b>", [(0, 0), (1, 1)], p.BLUE),))])
    root = ElementTree.fromstring(text)
    assert "<script>" not in text and "<b>" not in [e.tag for e in root.iter()]
    assert "a < b & c" in [t.text for t in root.iter(f"{SVG}text")]
