"""What passes the usual tolerance tests: the libraries' formulas, and the published rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import tolerances_planted as planted
from benchmarks.tolerances import DRAWS, KINDS, MEASURED, SETTINGS, TESTS, drawn, main, measured, pairs
from benchmarks.tolerances_page import Row, line, names, page
from derive.museum.functions import WRITTEN
from derive.spelling import parse_layer
from derive.verification import verify
from derive.verify_run import Case

PAGE = Path(__file__).parent.parent / "benchmarks" / "tolerances.md"
CHEAP = ("avgpool-ceil-divisor", "conv-dx-stride-dropped")


def published(setting: str) -> dict[str, str]:
    """Key -> line of the page, of one setting."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## ")[1:]
    rows = parts[list(SETTINGS).index(setting)].splitlines()
    return {row.split("`")[1]: row for row in rows if row.startswith("| `")}


@pytest.mark.parametrize("setting", SETTINGS)
def test_each_bug_has_a_row(setting: str) -> None:
    rows = published(setting)
    assert list(rows) == [key for key in MEASURED if key in SETTINGS[setting]]
    assert setting == "planted" or list(rows) == list(WRITTEN)
    for key, row in rows.items():
        text, shape = SETTINGS[setting][key]
        assert f"`{text} at {','.join(map(str, shape))}`" in row and names()[key] in row


def rows_of(setting: str) -> list[Row]:
    """The rows of the page, read back from its lines."""
    found = []
    for key, text in published(setting).items():
        cells = [cell.strip() for cell in text.strip("| ").split(" | ")]
        numbers = [[int(n) for n in cell.split()] for cell in cells[2:]]
        loose, refused, (equal,) = numbers[len(TESTS) :]
        passed = dict(zip(TESTS, map(tuple, numbers), strict=False))
        every = (dict(zip(TESTS, counts, strict=True)) for counts in (loose, refused))
        found.append(Row(key, cells[1].strip("`"), passed, *every, equal, DRAWS * len(KINDS)))
    return found


def test_totals_and_words_are_those_of_the_rows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    rows = {setting: rows_of(setting) for setting in SETTINGS}
    assert page(rows, KINDS) == text
    changed = replace(rows["small"][0], equal=rows["small"][0].equal + 1)
    assert page({**rows, "small": [changed, *rows["small"][1:]]}, KINDS) != text


@pytest.mark.parametrize("key", CHEAP)
def test_a_row_is_measured_again(key: str) -> None:
    """Fixed seeds, sums in a fixed order: the same numbers as on the page."""
    for setting in ("small", "blind"):
        assert line(measured(key, setting)) == published(setting)[key]


ROUNDED = ("dense-", "softmax-", "cross-entropy-", "batchnorm-", "relu-", "mse-", "dropout-")
"""Where BLAS, exp or sums over whole arrays may round otherwise on another machine."""


@pytest.mark.sweep
@pytest.mark.parametrize("key", MEASURED)
def test_every_row_is_measured_again(key: str) -> None:
    for setting in (setting for setting, cases in SETTINGS.items() if key in cases):
        again, told = line(measured(key, setting)).split("|"), published(setting)[key].split("|")
        if key.startswith(ROUNDED):
            del again[-3], told[-3]  # how often the right result is refused
        assert again == told


def test_an_edited_row_is_seen() -> None:
    """Sabotage: one number of a row changed."""
    key = CHEAP[0]
    row = published("small")[key]
    assert line(measured(key, "small")) != row.replace(" 0 |", " 1 |", 1) != row


@pytest.mark.parametrize("key", WRITTEN)
def test_the_bug_is_live_where_it_is_said_to_be(key: str) -> None:
    """Some draw of some kind of data shows it, or the row would say nothing."""
    draws = 8 if "every-tie" in key else 1
    seen = [not np.array_equal(wrong, right) for _, wrong, right, _ in pairs(key, "small", draws)]
    assert any(seen)
    for setting in ("moderate", "small"):
        assert int(published(setting)[key].split("|")[-2]) < DRAWS * len(KINDS)


@pytest.mark.parametrize("key", ["dense-weight-transposed", "conv-dx-not-flipped"])
def test_draws_are_what_the_page_says(key: str) -> None:
    text, shape = SETTINGS["moderate"][key]
    case = Case.of(parse_layer(text), shape, "backward")
    draw = np.random.default_rng(1)
    dense, sparse, scaled = (drawn(case, kind, draw, False) for kind in KINDS)
    assert 0.9 < dense["input"].std() < 1.1 and 0.9 < dense["grad_output"].std() < 1.1
    for name in ("input", "grad_output"):
        assert 0.945 < (sparse[name] == 0).mean() < 0.995
    assert (sparse["input"] >= 0).all() and (sparse["grad_output"] < 0).any() and sparse["weight"].all()
    outputs = scaled["grad_output"].size
    assert 0.9 < scaled["grad_output"].std() * outputs < 1.1
    assert 0.9 < scaled["weight"].std() * np.sqrt(scaled["weight"][0].size) < 1.1
    assert all(array.dtype == np.float32 for array in (*dense.values(), *sparse.values(), *scaled.values()))


EDGES = np.array([0, 1e-8, 9.9e-6, 1e-5, 1.01e-5, 1, 1.0000013, 1.0000012, 3, np.inf, -1e-5], np.float32)


def test_the_formulas_are_those_of_pytorch() -> None:
    """torch.allclose and assert_close themselves on pairs about their bounds."""
    torch = pytest.importorskip("torch")

    def accepts(one: np.ndarray, other: np.ndarray) -> bool:
        try:
            torch.testing.assert_close(torch.from_numpy(one), torch.from_numpy(other))
        except AssertionError:
            return False
        return True

    draw, seen = np.random.default_rng(1), set()
    near = [np.float32(r * (1 + draw.uniform(-3e-5, 3e-5))) for r in draw.standard_normal(200)]
    for one in [*EDGES, *near]:
        for other in [*EDGES, np.float32(one) * np.float32(1 + 1e-5), np.float32(one) + np.float32(1e-6)]:
            pair = np.array([one], np.float32), np.array([other], np.float32)
            by_torch = torch.allclose(torch.from_numpy(pair[0]), torch.from_numpy(pair[1]))
            with np.errstate(invalid="ignore"):
                assert TESTS["torch.allclose"](*pair) == by_torch, pair
                assert TESTS["assert_close"](*pair) == accepts(*pair), pair
            seen |= {(by_torch, accepts(*pair))}
    assert len(seen) >= 3, "the pairs tell the tests apart"


def test_relative_distance() -> None:
    right = np.full(4, 2, np.float32)
    for factor, passes in ((0, True), (0.9e-3, True), (1.1e-3, False)):
        assert TESTS["relative L2"](right * np.float32(1 + factor), right) == passes
    zero = np.zeros(4, np.float32)
    assert TESTS["relative L2"](zero, zero) and not TESTS["relative L2"](right, zero)


def test_the_command_writes_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", "mse", "-o", str(tmp_path / "page.md")])
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == text and text.count("| `mse-batch-averaged-twice`: ") == 3
    assert "# What passes the usual tolerance tests" in text


@pytest.mark.parametrize("key", planted.PLANTED)
def test_the_planted_bugs_are_refuted_too(key: str) -> None:
    """By `verify`, at a shape of a unit test; the right twin passes."""
    layer, shape = parse_layer("Conv2d(2, 2, 3, padding=1)"), (2, 2, 3, 4)
    assert not verify(planted.PLANTED[key].wrong(), layer, shape).ok
    assert verify(planted.PLANTED[key].right(), layer, shape).ok
