"""The points of fast forms: the emulation they were measured with, the stored table, and what was chosen."""

from __future__ import annotations

import copy
import json
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from codegen import winograd_points
from codegen.winograd_emulated import (
    KINDS,
    Rounding,
    by_columns,
    by_rows,
    direct,
    drawn,
    error,
    exact,
    fast,
    measured,
    squared,
)
from codegen.winograd_points import (
    SEARCHED,
    Tried,
    candidates,
    chosen_in,
    form_named,
    main,
    preferred,
    report,
    shown,
    stored,
    tried,
)
from derive.errors import LayerError
from derive.toom import CHOSEN, at_points, transform
from derive.toom_nested import nested

TOLERANCE = 0.01
"""The table has three digits; sums in another order change less than that."""


def whole(shape: tuple[int, ...], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(np.float32)


# ---- the emulation -------------------------------------------------------------------------------


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize(("m", "r"), [(2, 3), (3, 2)])
def test_whole_numbers_are_not_rounded(m: int, r: int, fused: bool) -> None:
    """With constants that are halves at most, small whole numbers pass exactly: fast, direct, definition."""
    form = nested(transform(m, r), transform(m, r))
    n = m + r - 1
    taps, tiles = whole((r, r, 19, 3), 1), whole((n, n, 19, 5), 2)
    right = exact(form, taps, tiles)
    assert right.any()
    for way in (fast, direct):
        assert np.array_equal(way(form, taps, tiles, Rounding(fused)), right)


@pytest.mark.parametrize(("m", "r"), sorted(CHOSEN))
def test_transforms_are_the_matrices(m: int, r: int) -> None:
    """Shared sums and differences, within n + 2 roundings of each row's magnitudes, constants included."""
    by = transform(m, r)
    for step, matrix in ((by_rows, by.b), (by_rows, by.g), (by_columns, by.a)):
        values = np.random.default_rng(3).standard_normal((len(matrix[0]), 11)).astype(np.float32)
        dense = np.array([[float(v) for v in row] for row in matrix])
        found = step(matrix, values, Rounding(True)).astype(np.float64)
        room = (by.n + 2) * 2.0**-24 * 2 * (np.abs(dense) @ np.abs(values.astype(np.float64)))
        assert (np.abs(found - dense @ values) <= room).all()


def test_fused_products_are_rounded_once() -> None:
    one = np.float32(1 + 2.0**-12)
    assert Rounding(True).into(np.float32(-1), one, one) == np.float32(2.0**-11 + 2.0**-24)
    assert Rounding(False).into(np.float32(-1), one, one) == np.float32(2.0**-11)


def test_blocks_of_channels_lessen_the_error() -> None:
    form = squared(transform(2, 3))
    blocked, plain = (
        measured(form, "all-positive", 256, seed=5, blocks=blocks).rms for blocks in ((8, 8), (256, 1))
    )
    assert 1.5 * blocked < plain


def test_the_error_of_forms_grows_with_their_products() -> None:
    errors = [measured(squared(transform(m, 3)), "normal", seed=4).rms for m in (2, 4, 6)]
    assert errors[0] < errors[1] < errors[2]
    usual = at_points(4, 3, tuple(map(Fraction, (0, 1, -1, 2, -2))))
    assert measured(squared(usual), "normal", seed=4).rms > 1.5 * errors[1]


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_data(kind: str) -> None:
    taps, tiles = drawn(squared(transform(2, 3)), kind, 8, 1)
    assert taps.dtype == tiles.dtype == np.float32
    assert taps.shape == (3, 3, 8, 4) and tiles.shape[:3] == (4, 4, 8)
    assert (tiles.min() >= 0) == (kind in ("ReLU-like", "all-positive"))
    assert (tiles == 0).mean() > 0.4 if kind == "ReLU-like" else not (tiles == 0).any()
    assert error(tiles, tiles.astype(np.float64)).max == 0


# ---- the table -----------------------------------------------------------------------------------


def drift(table: dict[str, Any]) -> list[str]:
    """Where the table, the rule of choice and `derive.toom` disagree."""
    found = []
    for m, r in SEARCHED:
        row = table[f"F({m},{r})"]
        if row["chosen"] != CHOSEN[m, r]:
            found.append(f"F({m},{r}): chosen {row['chosen']}, used {CHOSEN[m, r]}")
        if row["chosen"] != by_scores(row["best"]):
            found.append(f"F({m},{r}): {row['chosen']} is not what the scores say")
    return found


def by_scores(best: dict[str, Any]) -> str:
    """The rule of choice on the stored scores."""
    listed = sorted(best, key=lambda points: float(best[points]["score"]))
    dyadic = [
        p for p in listed if all(d & (d - 1) == 0 for d in (Fraction(v).denominator for v in p.split()))
    ]
    top = float(best[listed[0]]["score"])
    return next((p for p in dyadic if float(best[p]["score"]) <= winograd_points.NEAR * top), listed[0])


def test_what_is_used_is_what_the_table_chose() -> None:
    table = stored()
    assert set(table) == {f"F({m},{r})" for m, r in SEARCHED} and drift(table) == []
    assert {(m, r): t.points for (m, r), t in chosen_in(table).items()} == {
        key: transform(*key).points for key in SEARCHED
    }
    assert all(len(row["best"]) == winograd_points.KEPT for row in table.values())


def test_drift_is_seen() -> None:
    """Sabotage: another choice, and a better score for a set that was not chosen."""
    other = copy.deepcopy(stored())
    other["F(4,3)"]["chosen"] = "0 1 -1 2 -2"
    assert len(drift(other)) == 2
    better = copy.deepcopy(stored())
    last = list(better["F(4,3)"]["best"])[-1]
    better["F(4,3)"]["best"][last]["score"] = "1e-09"
    assert len(drift(better)) == 1


def agrees(said: dict[str, str], row: dict[str, str]) -> bool:
    """Whether errors agree with stored ones in every number."""
    ours, theirs = ([float(v) for v in re.findall(r"[\d.e-]+", ", ".join(x.values()))] for x in (said, row))
    return len(ours) == len(theirs) and np.allclose(ours, theirs, rtol=TOLERANCE, atol=0)


CHEAP = ((2, 3), (3, 2), (2, 2))


def anew(m: int, r: int, points: str) -> dict[str, str]:
    given = tuple(map(Fraction, points.split()))
    return shown(tried(squared(at_points(m, r, given)), given))


@pytest.mark.parametrize(("m", "r"), [*CHEAP, *(pytest.param(*f, marks=pytest.mark.sweep) for f in SEARCHED)])
def test_errors_are_measured_again(m: int, r: int) -> None:
    row = stored()[f"F({m},{r})"]
    assert agrees(anew(m, r, row["chosen"]), row["best"][row["chosen"]])


def test_another_error_is_seen() -> None:
    """Sabotage: the stored errors of another set of points, and one number changed by 3 %."""
    best = stored()["F(2,3)"]["best"]
    ours = anew(2, 3, "0 1 -1")
    assert not agrees(ours, best[list(best)[1]])
    changed = {key: text for key, text in best["0 1 -1"].items()}
    changed["score"] = f"{float(changed['score']) * 1.03:.3g}"
    assert agrees(ours, best["0 1 -1"]) and not agrees(ours, changed)


@pytest.mark.sweep
@pytest.mark.parametrize(("m", "r"), SEARCHED)
def test_the_search_finds_the_table_again(m: int, r: int) -> None:
    found, row = winograd_points.entry(m, r), stored()[f"F({m},{r})"]
    assert found["chosen"] == row["chosen"] and set(found["best"]) == set(row["best"])


# ---- the search ----------------------------------------------------------------------------------


@pytest.mark.parametrize("n", range(3, 9))
def test_candidates_interpolate(n: int) -> None:
    found = list(candidates(n))
    assert len(found) == len(set(found)) > 30
    assert all(len(set(points)) == len(points) == n - 1 for points in found)


def test_a_search_among_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """0, 1, -1 is found among larger sets, whatever their order."""
    few = [tuple(map(Fraction, p)) for p in (("0", "4", "-3"), ("0", "1/4", "-4"), ("0", "1", "-1"))]
    monkeypatch.setattr(winograd_points, "candidates", lambda n: iter(few))
    monkeypatch.setattr(winograd_points, "SEEDS", (1,))
    best = winograd_points.search(2, 3)
    assert best[0].text == "0 1 -1" and preferred(best) is best[0]
    assert [t.score for t in best] == sorted(t.score for t in best)


def test_dyadic_points_are_preferred_where_they_are_near() -> None:
    def made(text: str, rms: float) -> Tried:
        points = tuple(map(Fraction, text.split()))
        return Tried(points, {(True, "normal"): error_of(rms)})

    thirds, near, far = made("0 2/3", 1e-7), made("0 3/4", 1.04e-7), made("0 5/8", 1.2e-7)
    assert preferred([thirds, near, far]) is near
    assert preferred([thirds, far]) is thirds


def error_of(rms: float) -> Any:
    from codegen.winograd_emulated import Error

    return Error(rms, rms)


# ---- the command ---------------------------------------------------------------------------------


def test_a_report() -> None:
    found = report(form_named("F(2,3)xF(4,3)"), 16, seeds=(1,))
    assert list(found) == ["F(2,3) x F(4,3)", "definition"]
    assert all(0 < e.rms < e.max < 1e-4 for kinds in found.values() for e in kinds.values())


@pytest.mark.parametrize("text", ["", "F(2,3)x", "winograd", "F(2,3)xF(2,3)xF(2,3)", "F(9,3)"])
def test_forms_that_are_none(text: str) -> None:
    with pytest.raises(LayerError):
        form_named(text)


def test_the_command_prints_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    said = capsys.readouterr().out
    assert all(f"F({m},{r}): " in said for m, r in SEARCHED) and said.count("  * ") == len(SEARCHED)
    main(["--measure", "F(2,3)", "--channels", "8"])
    assert "definition" in capsys.readouterr().out


def test_a_search_is_written(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(winograd_points, "TABLE", tmp_path / "table.json")
    monkeypatch.setattr(winograd_points, "SEARCHED", ((2, 3),))
    monkeypatch.setattr(winograd_points, "entry", lambda m, r: stored_row)
    stored_row = {
        "chosen": "0",
        "definition": {"score": "1"},
        "best": {"0": {"score": "1", "normal": "1 2, 3 4"}},
    }
    main(["--search", "--write"])
    assert json.loads((tmp_path / "table.json").read_text()) == {"F(2,3)": stored_row}
    assert "* 0" in capsys.readouterr().out
