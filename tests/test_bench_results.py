"""Owns the results of `python -m benchmarks`: the plan of rows, the file, means, the page, the plot."""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks.__main__ import arguments
from benchmarks.kernels import run as runs
from benchmarks.kernels.aims import BY_CASE, BY_CLASS, aim_of, missed
from benchmarks.kernels.cases import CASES, plan
from benchmarks.kernels.pages import lines, losses, table, write_pages
from benchmarks.kernels.roofline import HIGH, WIDE, picture
from benchmarks.kernels.store import Store, best_peers
from benchmarks.kernels.summary import Mean, less_exact, lost, passes, reason_of, reasons, tier_ratio
from codegen.bench.task import KINDS, Task
from derive import parse_layer

RESULTS = Path(sys.modules["benchmarks"].__path__[0]) / "results"
MACHINES = ("zen4", "zen5")
MACHINE = {"machine": {"processor": "one", "peak": {"float32": 100.0}, "read": {"L2": 50.0, "memory": 10.0}},
           "versions": {"torch": "1"}}  # fmt: skip


def row(
    case: str = "64@56", operation: str = "forward", kind: str = "dense 3x3", **times: Any
) -> dict[str, Any]:
    """A stored row; times by name, `a` and `b` are peers."""
    entries: dict[str, Any] = {}
    for name, least in times.items():
        own = name.startswith("backflip")
        entries[name.replace("_", " ")] = {
            "own": own, "counted": True, "least": least, "median": least, "spread": 0.1, "samples": 20,
            "error_max": 1e-6, "error_rms": 1e-7, **({} if own else {"peer": name}),
        }  # fmt: skip
    return {
        "case": case, "class": kind, "operation": operation, "dtype": "float32", "threads": 1, "batch": 1,
        "mode": "warm", "date": "2026-01-01", "flops": 10**8, "bytes": 10**6, "peaks": [100.0],
        "entries": entries,
    }  # fmt: skip


# ---- the plan ----------------------------------------------------------------------------------------


def test_every_case_can_be_measured() -> None:
    for case in CASES:
        task = Task(parse_layer(case.layer), case.shape, case.dtype)
        assert task.kind in KINDS and len(task.layer.output_shape(case.shape)) in (0, 2, 3, 4, 5)


def test_the_plan_has_each_row_once() -> None:
    listed = [row.key for threads in (1, 2) for row in plan(threads)]
    assert len(set(listed)) == len(listed) > 200
    said = "\n".join(listed)
    for part in ("float64", "batch 8", "2 threads", "cold", "grad weight", "forward and gradient"):
        assert part in said
    assert {c.kind for c in CASES} >= {"conv1d", "conv3d", "transposed", "pooling", "resampling", "depthwise"}


def test_options() -> None:
    options = arguments(["--ours-only", "--quick"])
    assert (options.peers, options.again, options.threads, options.samples) == ("best", False, [1], 8)
    assert arguments([]).threads == [1, 2] and arguments([]).peers == "all"
    keys = [r.key for r in runs.wanted(arguments(["--quick", "--only", "64@56 |", "--only", "grad weight"]))]
    assert keys == [f"64@56 | grad weight | {d} | batch 1 | 1 thread | warm" for d in ("float32", "float64")]


# ---- the file ----------------------------------------------------------------------------------------


def test_a_file_of_results_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "results" / "kernels.json"
    Store(path).put("one", row(backflip_strict=5.0, a=10.0, b=20.0), MACHINE)
    again = Store(path)
    assert again.rows == {"one": row(backflip_strict=5.0, a=10.0, b=20.0)}
    again.put("two", row(a=1.0), MACHINE)
    assert set(Store(path).rows) == {"one", "two"} and Store(path).data["machine"] == MACHINE["machine"]
    assert [p.name for p in path.parent.iterdir()] == ["kernels.json"]
    path.write_text("[]")
    with pytest.raises(ValueError, match="not a file of results"):
        Store(path)


def test_peers_that_are_left_out_are_kept_apart(tmp_path: Path) -> None:
    store = Store(tmp_path / "kernels.json")
    store.put("one", row(backflip_strict=9.0, a=10.0, b=20.0, torch=30.0), MACHINE)
    assert best_peers(store.rows["one"]) == ["a", "b", "torch"]
    store.put("one", row(backflip_strict=4.0, a=11.0), MACHINE)
    found = store.rows["one"]
    assert found["entries"]["backflip strict"]["least"] == 4.0 and set(found["earlier"]) == {"b", "torch"}
    assert best_peers(found) == ["a", "b", "torch"]
    assert tier_ratio(found, "strict") == 11 / 4  # of one run, not of two


def test_a_run_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rows that are there are not measured again; a row that fails is said, and the others are measured."""
    asked: list[str] = []

    def ready(planned: Any, store: Store, options: Any) -> Any:
        asked.append(planned.key)
        if "grad weight" in planned.key:
            raise ZeroDivisionError("broken")
        return planned

    monkeypatch.setattr(runs, "ready_row", ready)
    monkeypatch.setattr(runs, "finished", lambda planned: row(planned.case.title, planned.operation, a=1.0))
    monkeypatch.setattr(runs, "described", lambda peers: MACHINE)
    monkeypatch.setattr(runs, "processor", lambda: "one")
    path = tmp_path / "kernels.json"
    options = arguments(["--quick", "--only", "128@28", "--json", str(path)])
    assert runs.run(options, 0.0) == 3 and len(asked) == 3
    assert "broken" in capsys.readouterr().err and len(Store(path).rows) == 2
    assert runs.run(options, 0.0) == 3 and len(asked) == 4  # the one that failed
    assert path.with_suffix(".md").exists() and path.with_suffix(".svg").exists()
    before = path.read_bytes()
    monkeypatch.setattr(runs, "processor", lambda: "two")
    assert runs.run(options, 0.0) == 3 and len(asked) == 4 and path.read_bytes() == before
    assert "results are of another processor" in (said := capsys.readouterr().err) and "--json" in said
    monkeypatch.setattr(runs, "processor", lambda: "one")
    ours = arguments(["--quick", "--only", "128@28", "--ours-only", "--json", str(path)])
    assert runs.run(ours, 0.0) == 3 and len(asked) == 7  # none of the rows has ours yet
    stopped = arguments(["--quick", "--json", str(path), "--seconds", "0"])
    assert runs.run(stopped, -1.0) == 0 and len(asked) == 7
    assert "out of time" in capsys.readouterr().err


# ---- means and losses --------------------------------------------------------------------------------


def test_geometric_means() -> None:
    assert str(Mean.of([2.0, 8.0])) == "4.00× (2 rows)" and Mean.of([]) is None
    assert str(Mean.of([0.5])) == "0.50× (1 row, 1 below 1)"


def test_a_tier_of_the_same_text_counts_as_that_one() -> None:
    found = row(backflip_strict=5.0, backflip_strict_packed=4.0, a=10.0)
    found["entries"]["backflip relaxed"] = {"absent": "same", "same": "backflip strict", "own": True}
    assert tier_ratio(found, "relaxed") == 2 and tier_ratio(found, "relaxed", packed=True) == 2.5
    assert tier_ratio(found, "balanced") is None


def test_aims_are_of_rows_that_there_are() -> None:
    listed = {r.case.title: {p.operation for p in plan(1) if p.case == r.case} for r in plan(1)}
    assert set(BY_CASE) <= set(listed) and set(BY_CLASS) <= {case.kind for case in CASES}
    for case, known in BY_CASE.items():
        assert set(known) - {"gradients"} <= listed[case]


def test_a_missed_aim_is_told() -> None:
    found = row(backflip_strict=8.0, backflip_relaxed=3.0, a=10.0)
    assert aim_of(found)["strict"] == 1.5 and aim_of({**found, "threads": 2}) == {"strict": 1.0}
    ratios = {tier: tier_ratio(found, tier) for tier in ("strict", "balanced", "relaxed")}
    assert missed(found, ratios) == ["strict 1.25 of 1.5"]
    assert "strict 1.25 of 1.5" in list(table([found], {}))[2]


def test_the_smallest_call_enters_no_mean() -> None:
    listed = passes([row(), row(kind="overhead"), row(operation="grad input"), row(kind="denormal")])
    assert [len(rows) for rows in listed.values()] == [1, 1]


def test_a_loss_is_shown_with_its_reason(tmp_path: Path) -> None:
    losing, winning = row(backflip_strict=20.0, a=10.0), row("128@28", backflip_strict=5.0, a=10.0)
    assert lost([losing, winning]) == [losing]
    bare = list(table([losing, winning], {}))
    assert "**0.50×**" in bare[2] and "not given yet" in bare[2]
    assert "2.00×" in bare[3] and "not given yet" not in bare[3]
    file = tmp_path / "reasons.toml"
    file.write_text('"64@56 | forward | float32" = "the peer is at the peak"\n')
    assert reason_of(losing, reasons(file)) == "the peer is at the peak"
    assert "the peer is at the peak" in list(table([losing], reasons(file)))[2]
    page = "\n".join(lines({"rows": {"x": losing}, **MACHINE}, "x.svg", {}))
    assert "1 rows are below 1 in strict mode, 1 of them without a reason." in page


def test_an_error_above_the_quickest_peers_is_told() -> None:
    found = row(backflip_strict=8.0, a=10.0, b=20.0)
    assert less_exact(found) == ""
    found["entries"]["backflip strict"]["error_max"] = 2e-6
    found["entries"]["b"]["error_max"] = 3e-6  # slower, so it is not the measure
    assert less_exact(found) == "max 2.0e-06 over 1.0e-06 of a"
    assert f"64@56, forward, float32, batch 1, 1 thread: {less_exact(found)}" in "\n".join(
        losses([found], {})
    )


@pytest.mark.parametrize("machine", MACHINES)
def test_reasons_name_rows_that_there_are(machine: str) -> None:
    known = {(f"{r.case.title} | {r.operation} | {r.case.dtype}", r.key) for t in (1, 2) for r in plan(t)}
    for key in reasons(RESULTS / machine / "reasons.toml"):
        assert any(key == short or long.startswith(key) for short, long in known), key


def test_the_page_tells_everything(tmp_path: Path) -> None:
    store = Store(tmp_path / "kernels.json")
    found = row(backflip_strict=5.0, backflip_strict_packed=4.0, a=10.0)
    found["entries"] |= {
        "b": {"absent": "not installed: b"},
        "backflip relaxed": {"refused": "wrong", "own": True},
    }
    store.put("one", found, MACHINE)
    write_pages(store, None, None)
    page = store.path.with_suffix(".md").read_text(encoding="utf-8")
    for said in (
        "one",
        "torch 1",
        "2.00×",
        "5.0, 2.00×; packed 4.0, 2.50×",
        "- b: not installed: b (1 row)",
        "wrong",
    ):
        assert said in page
    cells = {line.count("|") for line in page.splitlines() if line.startswith("|")}
    assert len(cells) == 2  # two tables, each with lines of one length


# ---- the plot ----------------------------------------------------------------------------------------


def test_the_plot_is_well_formed_and_says_what_it_shows() -> None:
    rows = {
        "one": row(backflip_strict=500.0, a=1000.0, backflip_relaxed=300.0),
        "two": row(backflip_strict=2e5, a=1e5),
    }
    text = picture({"rows": rows, **MACHINE})
    tree = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    assert tree.find(f"{space}title") is not None and "100 GFLOP/s" in (tree.find(f"{space}desc").text or "")
    marks = [m for m in tree.iter() if m.find(f"{space}title") is not None and m is not tree]
    assert len(marks) == 5 + 4  # two rows, and the legend
    numbers = [float(n) for m in tree.iter(f"{space}circle") for n in (m.get("cx"), m.get("cy"))]
    assert all(0 < n < max(WIDE, HIGH) for n in numbers)
    assert not re.search(r"nan|inf|href|script", text)


def test_faster_is_higher() -> None:
    rows = {"one": row(backflip_strict=500.0, a=1000.0)}
    tree = ElementTree.fromstring(picture({"rows": rows, **MACHINE}))
    space = "{http://www.w3.org/2000/svg}"
    titled = {m.findtext(f"{space}title"): m for m in tree.iter() if m is not tree}
    peer = titled["64@56, forward: a, 100 GFLOP/s"]
    own = titled["64@56, forward: backflip strict, 200 GFLOP/s"]
    lowest = max(float(point.split(",")[1]) for point in str(own.get("points")).split())
    assert lowest < float(str(peer.get("cy")))


@pytest.mark.parametrize("machine", MACHINES)
def test_the_stored_results_are_those_of_the_page(machine: str) -> None:
    """The committed page is made of the committed JSON."""
    folder = RESULTS / machine
    file = folder / "kernels.json"
    data = json.loads(file.read_text(encoding="utf-8"))
    page = "\n".join(lines(data, "kernels.svg", reasons(folder / "reasons.toml"))) + "\n"
    assert (folder / "kernels.md").read_text(encoding="utf-8") == page
    assert (folder / "kernels.svg").read_text(encoding="utf-8") == picture(data)
