"""Owns the rules of a measurement: refusals, who won, turns, threads; each with one that breaks it."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from bench_parts import FakeKernel, fake, row_of

from codegen.bench import ours, timing
from codegen.bench.candidate import Candidate, Peer
from codegen.bench.ours import own
from codegen.bench.peak import peak_loop
from codegen.bench.peers import chosen, peers
from codegen.bench.row import Setup, errors, limit, measured_row
from codegen.bench.shown import best_peer, ratio, share_of_peak, table, verdict
from codegen.bench.task import NotOffered, Task, aligned, drawn, operations, work
from codegen.bench.threads import confine, environment
from derive import parse_layer
from derive.errors import BackflipError, LayerError, LimitError

CONV = Task(parse_layer("Conv2d(2, 3, 3, padding=1)"), (2, 2, 5, 4))


def quick(*contestants: Peer) -> Setup:
    return Setup(contestants, (), samples=2, least=1e-6)


# ---- refusals ----------------------------------------------------------------------------------------


def one_entry_off(y: Any) -> Any:
    y.flat[7] += 0.01 * np.sqrt(np.mean(y * y))
    return y


@pytest.mark.parametrize("operation", ["forward", "grad input", "grad weight"])
def test_a_wrong_result_is_refused_and_not_timed(operation: str) -> None:
    wrong = (
        fake("off", one_entry_off),
        fake("turned", lambda y: np.ascontiguousarray(y[::-1])),
        fake("nothing", lambda y: y * np.nan),
        fake("short", lambda y: y[:1]),
    )
    row = measured_row(replace(CONV, operation=operation), quick(fake("right"), *wrong))
    assert best_peer(row) == "right" and "least" in row["entries"]["right"]
    for peer in wrong:
        entry = row["entries"][peer.name]
        assert "refused" in entry and "least" not in entry
    said = "\n".join(table(row))
    assert "off" in said and "wrong: largest error 1.0e-02" in said


def test_who_is_absent_is_said_with_the_reason() -> None:
    def broken(task: Task, operands: dict[str, Any]) -> list[Candidate]:
        raise ZeroDivisionError("its own bug\nand more")

    def without(task: Task, operands: dict[str, Any]) -> list[Candidate]:
        raise NotOffered("forward only")

    absent = Peer("absent", ("numpy", "no_such_module_"), broken, "numpy")
    row = measured_row(
        CONV, quick(absent, Peer("bug", (), broken, "numpy"), Peer("none", (), without, "numpy"))
    )
    said = {name: entry["absent"] for name, entry in row["entries"].items()}
    assert said == {
        "absent": "not installed: no_such_module_",
        "bug": "failed: ZeroDivisionError: its own bug",
        "none": "forward only",
    }
    assert all(reason in "\n".join(table(row)) for reason in said.values())
    assert best_peer(row) is None and row["peaks"] == []


def test_a_peer_that_is_not_installed_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    reasons = {name: peer.missing() for name, peer in peers().items()}
    assert reasons["onnxruntime"] == "not installed: onnxruntime, onnx"
    assert all(reason is not None and reason.startswith("not installed: ") for reason in reasons.values())


def test_chosen_peers() -> None:
    assert [p.name for p in chosen("torch, numpy")] == ["torch", "numpy"]
    assert [p.name for p in chosen("all")] == list(peers())
    with pytest.raises(LayerError, match="no such peer"):
        chosen("torch,tensor")


def test_denormal_results_may_be_a_few_spacings_off() -> None:
    exact = [np.full(4, 1e-40)]
    off = errors(np.full(4, 1e-40 + 2e-45), exact[0])[0]
    assert off < limit(CONV, exact) and off < limit(CONV, [np.ones(4)])
    flushed = errors(np.zeros(4, np.float32), exact[0])[0]
    assert flushed == pytest.approx(1) and flushed > limit(CONV, exact)


# ---- who won -----------------------------------------------------------------------------------------


def test_a_slower_implementation_is_no_win() -> None:
    row = row_of(ours=10.0, ours_slow=40.0, peer=20.0, slowest=80.0)
    assert best_peer(row) == "peer"
    assert ratio(row, "ours") == 2 and ratio(row, "ours_slow") == 0.5
    assert verdict(row) == [
        "ours: 2.00 times as fast as peer",
        "ours_slow: slower than peer, 2.00 times its time",
    ]


def test_another_layout_is_neither_won_nor_lost_against() -> None:
    row = row_of(ours=10.0, other=1.0, peer=20.0)
    assert best_peer(row) == "peer" and "not counted" in "\n".join(table(row))
    alone = row_of(ours=10.0, other=1.0)
    assert best_peer(alone) is None and verdict(alone) == ["ours: nothing to compare with"]


def test_share_of_the_peak_is_of_the_best_peak() -> None:
    assert share_of_peak(row_of(ours=40.0), "ours") == pytest.approx(0.5)  # 2e6 / 40e-6 / 1e9 of 100


# ---- the clock ---------------------------------------------------------------------------------------


@dataclass
class Clock:
    """A clock that only calls move, and the order of the calls."""

    now: float = 0.0
    order: str = ""

    def contestant(self, name: str, cost: float) -> Candidate:
        def call() -> None:
            self.now += cost
            self.order += name

        return Candidate(name, call, lambda _: [])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(timing.time, "perf_counter", lambda: found.now)
    return found


def turns(order: str) -> list[str]:
    """Runs of one contestant's calls."""
    return [name for at, name in enumerate(order) if at == 0 or order[at - 1] != name]


def test_implementations_take_turns(clock: Clock) -> None:
    two = [clock.contestant("a", 1e-4), clock.contestant("b", 3e-4)]
    measured = timing.warm(two, lambda: 1.0, samples=20)
    assert measured.times["a"].least == pytest.approx(100) and measured.times["b"].median == pytest.approx(
        300
    )
    assert all(len(t.microseconds) == 20 for t in measured.times.values()) and len(measured.peaks) == 20
    after = turns(clock.order)
    assert len(after) >= 20 and abs(after.count("a") - after.count("b")) <= 1


def test_a_sample_takes_a_millisecond(clock: Clock) -> None:
    one = clock.contestant("a", 3e-6)
    count = timing.repeats_for(one, 1e-3)
    assert count * 3e-6 >= 1e-3 > (count - 2) * 3e-6
    assert timing.repeats_for(clock.contestant("b", 5e-3), 1e-3) == 1


def test_spread_sees_a_disturbed_run() -> None:
    calm, disturbed = timing.Times([10.0] * 20), timing.Times([10.0] * 10 + [30.0] * 10)
    assert calm.spread == 0 and disturbed.spread > 0.5 and disturbed.least == 10


def test_cold_samples_are_single_calls(clock: Clock) -> None:
    one = clock.contestant("a", 1e-6)
    measured = timing.cold([one], lambda: 1.0, [np.ones(3)], samples=3)
    assert clock.order == "aaa" and len(measured.times["a"].microseconds) == 3


def test_the_lock_keeps_two_clocks_apart(tmp_path: Any) -> None:
    lock, seen = tmp_path / "lock", []

    def second() -> None:
        with timing.held(lock):
            seen.append("second")

    other = threading.Thread(target=second)
    with timing.held(lock):
        other.start()
        other.join(0.2)
        seen.append("first")
    other.join(5)
    assert seen == ["first", "second"]


def test_peak_is_measured() -> None:
    single, double = (max(peak_loop(d)() for _ in range(5)) for d in ("float32", "float64"))
    assert single > 1.3 * double > 0
    assert peak_loop("float32", 2)() > 0


# ---- threads -----------------------------------------------------------------------------------------


def test_threads_are_set_before_libraries_load(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitError, match="loaded already"):
        confine(1, {})  # NumPy is loaded here
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {3, 5})
    kept: list[Sequence[int]] = []
    monkeypatch.setattr("os.sched_setaffinity", lambda pid, cpus: kept.append(cpus))
    assert confine(1, environment(1)) == [5] and kept == [[5]]
    with pytest.raises(LimitError, match="more threads than CPUs"):
        confine(3, environment(3))
    assert environment(2)["OMP_NUM_THREADS"] == "2" and environment(1)["OMP_PROC_BIND"] == "close"


# ---- our own -----------------------------------------------------------------------------------------


def test_a_tier_of_the_same_text_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"strict": "a = 1  # strict", "balanced": "a = 1  # balanced", "relaxed": "bf_pack_output(p)"}
    kernels = {tier: FakeKernel(CONV, text) for tier, text in texts.items()}
    monkeypatch.setattr("codegen.build", lambda *a, accuracy, **k: kernels[accuracy], raising=False)
    found = own(CONV, drawn(CONV))
    assert [c.name for c in found.candidates] == [
        "backflip strict", "backflip relaxed", "backflip relaxed packed"
    ]  # fmt: skip
    assert found.absent == {
        "backflip balanced": {"absent": ours.TEXTS_SAME.format("strict"), "same": "backflip strict"}
    }
    assert found.facts["strict"]["schedule"] == ["chosen"]


def test_a_build_that_is_refused_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **options: Any) -> None:
        raise BackflipError("no such kernel", got="this")

    monkeypatch.setattr("codegen.build", refuse, raising=False)
    found = own(CONV, drawn(CONV), ("strict",))
    assert found.absent == {"backflip strict": {"absent": "no such kernel: this"}} and not found.candidates


# ---- work and operands -------------------------------------------------------------------------------


def test_useful_work_is_counted_from_the_definition() -> None:
    grouped = Task(parse_layer("Conv2d(4, 6, (3, 2), groups=2, bias=False)"), (2, 4, 7, 5))
    outputs, weights = 2 * 6 * 5 * 4, 6 * 2 * 3 * 2
    assert work(grouped) == (2 * outputs * (weights // 6), 4 * (2 * 4 * 7 * 5 + weights + outputs))
    turned = Task(parse_layer("ConvTranspose2d(3, 2, 4, stride=2, padding=1)"), (1, 3, 5, 5))
    assert work(turned)[0] == 2 * 3 * 25 * 2 * 16
    assert work(Task(parse_layer("MaxPool2d(2)"), (1, 1, 4, 4), "float64"))[:2] == (0, 8 * 20)


def test_operands_begin_at_whole_cache_lines() -> None:
    found = drawn(replace(CONV, scale=1e-20))
    assert all(a.ctypes.data % 64 == 0 for a in found.values())
    assert set(found) == {"input", "weight", "bias", "grad_output"}
    assert 0 < float(np.abs(found["input"]).max()) < 1e-18
    assert aligned((0,), "float32").size == 0
    assert operations(CONV.layer, CONV.shape) == ("forward", "grad input", "grad weight")
