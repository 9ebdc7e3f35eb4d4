"""Owns the page of what passes the usual tolerance tests: its rows, its totals, its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from benchmarks import tolerances_planted as planted
from derive.museum import exhibits

ABOUT = """\
# What passes the usual tolerance tests

Written by `{command}`. The bugs are those of the museum
(`derive/museum`) as NumPy functions; `backflip verify` refutes and names each of them. Two of compiled text
stand beside them (`planted`). Here the wrong result
is compared with the right one, both in float32, in {draws} draws of each kind of data: {kinds}.
A buffer that is not set to zero is measured on the second call; at the blind shapes on the first.
Dense operands are standard normal; sparse inputs and gradients have 95 to 99 % zeros, as after ReLU;
mean-scaled gradients are divided by the number of outputs, as after a mean loss, and weights by the root of
their fan-in.

The tests with their defaults: `numpy.allclose` and `torch.allclose` (rtol 1e-5, atol 1e-8),
`torch.testing.assert_close` (rtol 1.3e-6, atol 1e-5), and a relative L2 distance below 1e-3.
*Differs, passed*: in how many draws the wrong result passes although it is not the right one, to the bit, by
these four tests. *Right, refused*: in how many the right float32 result does not pass against itself in
float64, by the same.
"""
COMMAND = "python -m benchmarks.tolerances -o benchmarks/tolerances.md"
TITLES = {
    "moderate": "Layers of some size at a training batch, the bug live",
    "small": "Shapes of a unit test, the bug live",
    "planted": "Bugs of compiled text: a few outputs of many",
    "blind": "Shapes that hide bugs: stride 1, square, one channel, one image, lengths that divide",
}


@dataclass(frozen=True)
class Row:
    """One bug in one setting.

    Attributes:
        key: the bug.
        layer: the layer at its shape, as text.
        passed: by test, in how many draws of each kind of data the wrong result passes.
        loose: by test, in how many of all draws the wrong result passes although it differs.
        refused: by test, in how many of all draws the right float32 result does not pass against float64.
        equal: in how many of all draws the wrong result is the right one, to the bit.
        draws: of all kinds together.
    """

    key: str
    layer: str
    passed: Mapping[str, tuple[int, ...]]
    loose: Mapping[str, int]
    refused: Mapping[str, int]
    equal: int
    draws: int


def page(found: Mapping[str, Sequence[Row]], kinds: Sequence[str]) -> str:
    """The whole page as Markdown."""
    found = {setting: rows for setting, rows in found.items() if rows}
    first = next(iter(found.values()))[0]
    each = first.draws // len(kinds)
    about = ABOUT.format(command=COMMAND, draws=each, kinds=words(kinds))
    lines = [about, *totals(found, kinds)]
    for setting, rows in found.items():
        lines += ["", f"## {TITLES[setting]}", "", *table(rows, kinds)]
    return "\n".join(lines) + "\n"


@cache
def names() -> Mapping[str, str]:
    """What each bug is called."""
    return {**{exhibit.key: exhibit.name for exhibit in exhibits()}, **planted.NAMES}


def words(titles: Sequence[str]) -> str:
    return f"{', '.join(titles[:-1])} and {titles[-1]}"


def totals(found: Mapping[str, Sequence[Row]], kinds: Sequence[str]) -> Iterator[str]:
    """How many bugs pass, by setting and test."""
    first = next(iter(found.values()))
    tests, each = first[0].passed, first[0].draws // len(kinds)
    yield f"| setting | kind of data | {' | '.join(tests)} |"
    yield f"| --- | --- |{' ---: |' * len(tests)}"
    for setting, rows in found.items():
        title = f"{setting}, {len(rows)} bugs"
        for n, kind in enumerate(kinds):
            cells = (_passing([row.passed[test][n] for row in rows], each) for test in tests)
            yield f"| {title} | {kind} | {' | '.join(cells)} |"
        loose = (f"{sum(row.loose[test] for row in rows):,}" for test in tests)
        differs = sum(row.draws - row.equal for row in rows)
        yield f"| {title} | differs, passed (of {differs:,}) | {' | '.join(loose)} |"
        refused = (f"{sum(row.refused[test] for row in rows):,}" for test in tests)
        every = sum(row.draws for row in rows)
        yield f"| {title} | right, refused (of {every:,}) | {' | '.join(refused)} |"
    yield ""
    yield "A pair says how many bugs pass in every draw, and how many in some draw; other cells count draws."
    blind = found.get("blind", ())
    unseen = [row.key for row in blind if row.equal == row.draws]
    some = [row.key for row in blind if 0 < row.equal < row.draws]
    told = f"{len(unseen)} of {len(blind)} bugs give the right result in every draw, to the bit"
    yield f"At the blind shapes {told}, and {len(some)} more in some"
    yield "draws: no tolerance can see them there."


def _passing(passed: Sequence[int], draws: int) -> str:
    return f"{sum(n == draws for n in passed)}, {sum(n > 0 for n in passed)}"


def table(rows: Sequence[Row], kinds: Sequence[str]) -> Iterator[str]:
    """One line a bug: draws passed of each kind, by test."""
    tests = list(rows[0].passed)
    yield f"Draws that pass: {', '.join(kinds)}. In the last columns out of {rows[0].draws}."
    yield ""
    yield f"| bug | at | {' | '.join(tests)} | differs, passed | right, refused | exactly right |"
    yield f"| --- | --- |{' ---: |' * (len(tests) + 3)}"
    for row in rows:
        yield line(row)


def line(row: Row) -> str:
    """A row of a table."""
    cells = [" ".join(map(str, row.passed[test])) for test in row.passed]
    loose, refused = (" ".join(map(str, counts.values())) for counts in (row.loose, row.refused))
    title = f"`{row.key}`: {names()[row.key]}"
    return f"| {title} | `{row.layer}` | {' | '.join(cells)} | {loose} | {refused} | {row.equal} |"
