"""What the evaluator computes in a quicker way, against the plain one; and the table of its benchmark."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from benchmarks import validation
from derive import evaluate_places
from derive.evaluate_places import by_place, first_of
from derive.numbers_field import FEW, PRIME, _power, inverse, times
from derive.numbers_functions import TURNS, erfc, spread, value

Long = np.longdouble


@pytest.mark.parametrize("count", [1, 2, FEW, FEW + 1, 4 * FEW + 3])
def test_many_inverses_are_powers(count: int) -> None:
    rng = np.random.default_rng(count)
    x = rng.integers(0, PRIME, count, np.uint64)
    x[rng.integers(0, count, 1 + count // 9)] = 0
    found = inverse(x)
    assert (found == _power(x)).all() and found.dtype == np.uint64
    assert (times(found, x) == (x != 0)).all()


def test_inverses_of_one_product_taken_for_the_other_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: pairs whose second factor is forgotten."""
    x = np.random.default_rng(1).integers(1, PRIME, 3 * FEW, np.uint64)
    plain = _power(x)
    monkeypatch.setattr("derive.numbers_field.times", lambda a, b: a if len(a) > FEW else times(a, b))
    assert (inverse(x) != plain).any()


def test_erfc_on_both_sides_of_where_its_formula_changes() -> None:
    """Against the C library's, to its own error; alone and among others; NaN and infinities."""
    x = np.concatenate([np.linspace(-6, 6, 4001), [2, -2, np.nextafter(2, 3), 0, 1e-300, 20]]).astype(Long)
    exact = np.array([math.erfc(float(v)) for v in x])
    assert np.allclose(erfc(x).astype(float), exact, rtol=1e-14, atol=0)
    each = np.array([erfc(np.array([v]))[0] for v in x[::7]])
    assert (np.abs(each - erfc(x)[::7]) <= 8 * np.finfo(Long).eps * each).all()
    special = erfc(np.array([np.nan, np.inf, -np.inf], Long))
    assert np.isnan(special[0]) and special[1:].tolist() == [0, 2]


@pytest.mark.parametrize("name", ["gelu", "gelu_prime", "silu_prime", "relu_prime", "recip", "exp"])
def test_the_spread_holds_every_value_in_its_interval(name: str) -> None:
    """No value at a sample of the interval is farther away; the bound is one of them, where finite."""
    rng = np.random.default_rng(8)
    turns = np.array(TURNS[name]() if name in TURNS else (), Long)
    x = np.concatenate([rng.normal(0, 2, 60), turns, turns + Long(1e-3)]).astype(Long)
    error = np.append(np.abs(rng.normal(0, 0.3, len(x) - 1)), 0).astype(Long)
    found, here = spread(name, x, error, ()), value(name, x, ())
    farthest = np.zeros(len(x), Long)
    for step in np.linspace(-1, 1, 401):
        with np.errstate(invalid="ignore"):
            farthest = np.fmax(farthest, np.abs(value(name, x + Long(step) * error, ()) - here))
    assert (found >= farthest * (1 - 1e-12)).all() and (found[-1] == 0 or np.isnan(here[-1]))
    finite = np.isfinite(found)
    assert (found[finite] <= farthest[finite] * 1.05 + 1).all() and finite.sum() > 20


def test_order_by_counting_is_order_by_sorting(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(9)
    for places in (rng.permutation(500), rng.permutation(5000)[:600], rng.integers(0, 9, 100), np.arange(0)):
        assert (by_place(places) == np.argsort(places, kind="stable")).all()
    lead, tap = (a.reshape(-1) for a in np.meshgrid(np.arange(40), np.arange(6), indexing="ij"))
    key, nan = rng.integers(0, 3, 240).astype(float), rng.random(240) < 0.1
    shuffled = rng.permutation(240)
    given = [a[shuffled] for a in (lead, tap, lead * 6 + tap, key, nan)]
    quick = first_of(41, *given, False)
    monkeypatch.setattr(evaluate_places, "by_place", lambda places: np.argsort(places, kind="stable"))
    assert (quick == first_of(41, *given, False)).all() and quick[40] == -1
    monkeypatch.setattr(evaluate_places, "by_place", lambda places: np.argsort(-places, kind="stable"))
    assert (quick != first_of(41, *given, False)).any(), "sabotage: taps backwards"


def test_the_benchmark_prints_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BACKFLIP_CACHE", str(tmp_path))
    page = tmp_path / "page.md"
    validation.main(["--only", "Conv2d(1, 6", "--samples", "1", "-o", str(page)])
    lines = page.read_text(encoding="utf-8").splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    (row,) = (line for line in lines if line.startswith("| `"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:3] == ["`Conv2d(1, 6, 5, padding=2)`", "1x1x28x28", "integers, trace"]
    assert 0 < float(cells[3]) < float(cells[4]) and len(cells) == lines[0].count("|") - 1
    listed = [item for item, _ in validation.items()]
    assert len(listed) == len(set(listed)) == 2 + 23 + len(validation.OTHERS)
