"""Weak orders of windows: counted, complete, seen by compiled selections; planted selections are refused."""

from __future__ import annotations

from itertools import product
from math import isnan
from pathlib import Path

import numpy as np
import pytest
from pool_kernel import PoolRig, lanes, library

from codegen.errors import BuildError
from codegen.orders import (
    NAN,
    VIEWS,
    all_orders,
    check_orders,
    count_of_orders,
    count_of_some,
    floats,
    neighbours,
    orders_of_some,
    taken,
)
from codegen.selection import ALL, check_selection, disjoint, streams
from codegen.windows import windows_of
from derive.instance import claim_at
from derive.layers.maxpool import MaxPool1d, MaxPool2d, MinPool2d

LARGER = "e_larger(c, b, x)"
PLANTED = {
    ">= for >": "(E)((x >= b) | (x != x) | (c < 0))",
    "NaN is never taken": "(E)((x > b) | (c < 0))",
    "the first NaN": "(E)(!(b != b) & ((x > b) | (x != x) | (c < 0)))",
    "nothing is taken from negative entries": "(E)((x > b) | (x != x))",
    "the smallest": "e_smaller(c, b, x)",
    "a NaN is replaced by what follows": "(E)((b != b) | (x > b) | (x != x) | (c < 0))",
}


def of_one(values: list[float], largest: bool = True) -> int:
    """The place taken, as PyTorch's loop over a window says it."""
    place = -1
    for at, x in enumerate(values):
        if place < 0 or isnan(x) or (x > values[place] if largest else x < values[place]):
            place = at
    return place


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_orders_are_all_there_are(n: int) -> None:
    listed = {tuple(row) for chunk in all_orders(n) for row in chunk.tolist()}
    brute = set()
    for values in product([*range(n), NAN], repeat=n):
        levels = sorted({v for v in values if v != NAN})
        brute.add(tuple(NAN if v == NAN else levels.index(v) for v in values))
    assert listed == brute and len(listed) == count_of_orders(n)
    assert sum(len(chunk) for chunk in all_orders(n)) == count_of_orders(n), "one comes twice"


def test_nine_entries_have_fourteen_million_orders() -> None:
    assert count_of_orders(9) == 14_174_522 == sum(len(chunk) for chunk in all_orders(9))


@pytest.mark.parametrize("some", [2, 3])
def test_orders_of_some_entries_show_every_order_of_those(some: int) -> None:
    rows = np.concatenate(list(orders_of_some(5, some)))
    assert len(rows) == count_of_some(5, some)
    few = {tuple(r) for c in all_orders(some) for r in c.tolist()}
    spots = [0, 2, 4][:some]
    others = [i for i in range(5) if i not in spots]
    alone = rows[(rows[:, others] == 0).all(axis=1) & (rows[:, spots] != 0).all(axis=1)][:, spots]
    assert {tuple(np.where(r == NAN, NAN, r - 1).tolist()) for r in alone} == few


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_floats_are_in_the_order_of_their_ranks(dtype: str) -> None:
    ranks = np.concatenate(list(all_orders(4)))
    for view in range(VIEWS):
        values = floats(ranks, dtype, view)
        for a, b in product(range(4), repeat=2):
            known = (ranks[:, a] != NAN) & (ranks[:, b] != NAN)
            assert ((values[:, a] < values[:, b]) == (ranks[:, a] < ranks[:, b]))[known].all()
        assert (np.isnan(values) == (ranks == NAN)).all()
        nans = values[np.isnan(values).all(axis=1)][0].view(f"u{values.itemsize}")
        assert len(set(nans.tolist())) == 4, "NaNs are told apart by their bits"
    everything = np.arange(9, dtype=np.int8)[None, :]
    for view, ends in enumerate([(-np.inf, 0), (0, np.inf), (-np.inf, np.inf)]):
        values = floats(everything, dtype, view)[0]
        assert (np.diff(values) > 0).all() and (values[0], values[-1]) == ends
    tied = floats(np.zeros((1, 2), np.int8), dtype)[0]
    assert (tied == 0).all() and np.signbit(tied).tolist() == [False, True]


def test_the_definition_is_the_plain_loop() -> None:
    for chunk in all_orders(4):
        values = floats(chunk, "float64")
        assert taken(values, "largest").tolist() == [of_one(v) for v in values.tolist()]
        assert taken(values, "smallest").tolist() == [of_one(v, False) for v in values.tolist()]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors_select_as_the_definition_says(dtype: str, tmp_path: Path) -> None:
    assert check_orders(lanes(library(tmp_path, dtype), dtype), 6, "largest", dtype) == count_of_orders(6)
    smallest = library(tmp_path, dtype, LANES_TAKEN="v_smaller(c, b, x)")
    assert check_orders(lanes(smallest, dtype), 5, "smallest", dtype) == count_of_orders(5)


@pytest.mark.parametrize(
    "planted",
    [
        "v_flag((x >= b) | (x != x) | (c < 0))",
        "v_flag((x > b) | (c < 0))",
        "v_flag(~(b != b) & ((x > b) | (x != x) | (c < 0)))",
        "v_flag((x > b) | (x != x))",
    ],
)
def test_wrong_vectors_are_refused(planted: str, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="another entry than its definition"):
        check_orders(
            lanes(library(tmp_path, "float32", LANES_TAKEN=planted), "float32"), 3, "largest", "float32"
        )


CASES = [
    (MaxPool2d(2), (1, 2, 6, 6)),
    (MaxPool2d(2, stride=1, padding=1), (2, 1, 4, 5)),
    (MaxPool1d(3, stride=2, padding=1, ceil_mode=True), (2, 9)),
    (MaxPool2d((1, 3), dilation=2), (1, 1, 2, 9)),
]


@pytest.mark.parametrize("layer, shape", CASES)
@pytest.mark.parametrize("kernel", ["output", "indices", "grad_input"])
def test_selections_see_every_order(
    layer: MaxPool2d, shape: tuple[int, ...], kernel: str, tmp_path: Path
) -> None:
    rig = PoolRig(library(tmp_path, "float32"), layer, shape, kernel, "float32")
    check = check_selection(rig, layer.codes(shape), "fast")
    assert check is not None and check.method == "selection" and "first largest" in check.claim
    for n in np.unique(rig.windows.counts).tolist():
        assert check.facts[f"orders of {n}"] >= count_of_orders(n)
        assert f"{ALL} of {n} entries ({count_of_orders(n):,})" in check.claim


@pytest.mark.parametrize("kernel", ["output", "indices", "grad_input"])
@pytest.mark.parametrize("planted", PLANTED)
def test_planted_selections_are_refused(kernel: str, planted: str, tmp_path: Path) -> None:
    layer, shape = CASES[0]
    rig = PoolRig(library(tmp_path, "float32", TAKEN=PLANTED[planted]), layer, shape, kernel, "float32")
    with pytest.raises(BuildError, match="does not take the first largest entry"):
        check_selection(rig, layer.codes(shape), "fast")


def test_gradients_of_overlapping_windows_are_added(tmp_path: Path) -> None:
    layer, shape = MaxPool1d(3, stride=1), (2, 9)
    overwritten = library(tmp_path, "float64", GATHER="(hit ? x : sum)")
    rig = PoolRig(overwritten, layer, shape, "grad_input", "float64")
    with pytest.raises(BuildError, match="grad_input"):
        check_selection(rig, layer.codes(shape), "fast")
    good = PoolRig(library(tmp_path, "float64"), layer, shape, "grad_input", "float64")
    assert check_selection(good, layer.codes(shape), "fast")


def test_one_wrong_window_is_found(tmp_path: Path) -> None:
    layer, shape = MaxPool2d(2), (1, 2, 6, 6)
    rig = PoolRig(library(tmp_path, "float32"), layer, shape, "output", "float32")
    run = rig.run

    def wrong(data):  # type: ignore[no-untyped-def]
        found = run(data)
        last = data["input"].reshape(2, 6, 6)[1, 4:, 4:].reshape(-1)
        if last[3] == last[0] and not np.isnan(last).any():
            found[-1] = last[3]
        return found

    rig.run = wrong  # type: ignore[method-assign]
    with pytest.raises(BuildError, match=r"entry 17 of the flat result, a window that sees \["):
        check_selection(rig, layer.codes(shape), "fast")


def test_large_windows_say_what_they_were_shown(tmp_path: Path) -> None:
    layer, shape = MaxPool2d(4, stride=2), (1, 1, 8, 8)
    rig = PoolRig(library(tmp_path, "float64"), layer, shape, "output", "float64")
    check = check_selection(rig, layer.codes(shape), "fast")
    assert check is not None and "of 16 entries" in check.claim and ALL not in check.claim
    assert "not all orders are shown" in check.bound


def test_smallest_entries_are_checked_as_such(tmp_path: Path) -> None:
    layer, shape = MinPool2d(2), (1, 1, 4, 4)
    largest = PoolRig(library(tmp_path, "float64"), layer, shape, "output", "float64")
    with pytest.raises(BuildError, match="first smallest"):
        check_selection(largest, layer.codes(shape), "fast")
    smallest = library(tmp_path, "float64", TAKEN="e_smaller(c, b, x)")
    assert check_selection(PoolRig(smallest, layer, shape, "output", "float64"), layer.codes(shape), "fast")


def test_windows_are_read_off_the_definition() -> None:
    layer, shape = MaxPool2d((2, 3), stride=(2, 1), padding=(0, 1)), (1, 2, 4, 5)
    (code,) = layer.codes(shape).values()
    setting = claim_at(layer.claims(**layer.choices(shape))["output"], layer.sizes(shape)).setting
    windows = windows_of(setting, "pick", code)
    assert windows.source == "input" and windows.shape == (1, 2, 2, 5) and windows.absent == 40
    for row, (c, i, j) in enumerate(product(range(2), range(2), range(5))):
        taps = [(2 * i + a, j + b - 1) for a in range(2) for b in range(3) if 0 <= j + b - 1 < 5]
        assert windows.counts[row] == len(taps)
        assert windows.entries[row, : len(taps)].tolist() == [c * 20 + y * 5 + x for y, x in taps]
        assert windows.values[row, : len(taps)].tolist() == [y * 5 + x for y, x in taps]
        assert (windows.entries[row, len(taps) :] == 40).all()
    sets = disjoint(windows)
    assert len(sets) == 3
    assert set(np.concatenate(sets).tolist()) == set(range(20))
    for chosen in sets:
        seen = windows.entries[chosen]
        seen = seen[seen < windows.absent]
        assert len(set(seen.tolist())) == seen.size


def test_kernels_that_compute_no_code_are_left_alone(tmp_path: Path) -> None:
    layer, shape = MaxPool2d(2), (1, 1, 4, 4)
    rig = PoolRig(library(tmp_path, "float32"), layer, shape, "output", "float32")
    assert check_selection(rig, {}, "fast") is None


def test_windows_of_many_entries_are_shown_pairs_of_neighbours() -> None:
    """Few orders even of thousands of entries, both ends among them; every pair where they are few."""
    assert neighbours(4, 10) == ((0, 1), (1, 2), (2, 3))
    found = neighbours(3136, 48)
    assert len(found) == 48 and found[0] == (0, 1) and found[-1] == (3134, 3135)
    least = list(streams(3136))[-1]
    assert least.total == 48 * count_of_orders(2) and "48 pairs of neighbours" in least.title
    shown = next(least.make())
    assert shown.shape == (count_of_orders(2), 3136) and (shown[:, 2:] == 0).all()
    assert next(streams(4)).title == "all weak orders"
