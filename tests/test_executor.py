"""Work over executors: the same comparisons whoever does them, in order, and nothing left running."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mutants import MUTANTS, mutant_claim

import derive.exhaust_plan as planning
import derive.exhaust_spread as spread
from derive import prove
from derive.claim import Claim
from derive.errors import LayerError, LimitError, ProofError
from derive.exhaust import Tally, compare
from derive.exhaust_plan import plan
from derive.exhaust_spread import compare_chunks, compare_many, jobs_of
from derive.instance import claim_at
from derive.judge import NOT_ASKED
from derive.layers.conv import Conv2d
from derive.layers.linear import Linear
from derive.networks import prove_many

LAYER, SHAPE = Conv2d(4, 6, (3, 2), stride=(2, 3), padding=1, groups=2), (2, 4, 8, 7)


def right() -> list[Claim]:
    sizes = LAYER.sizes(SHAPE)
    return [claim_at(claim, sizes) for claim in LAYER.claims(**LAYER.choices(SHAPE)).values()]


def wrong() -> Claim:
    return claim_at(mutant_claim(MUTANTS[0]), LAYER.sizes(SHAPE))


@pytest.fixture
def small_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks and many jobs of a small claim."""
    monkeypatch.setattr(planning, "CHUNK", 200)
    monkeypatch.setattr(spread, "JOB_TERMS", 900)


def check_executor(executor: Executor) -> None:
    claims = [*right(), wrong(), right()[1]]
    seen: list[tuple[int, int]] = []
    found = compare_many(claims, executor=executor, progress=lambda done, of: seen.append((done, of)))
    assert found == [compare(claim) for claim in claims]
    assert [f.ok for f in found] == [True, True, True, True, False, True]
    total = sum(len(plan(claim).chunks) for claim in claims)
    assert seen == sorted(seen) and seen[-1] == (total, total)
    assert len(seen) == len(list(jobs_of([plan(claim) for claim in claims]))) > len(claims)


@pytest.mark.parametrize("make", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_finds_what_one_process_finds(make: Callable[[int], Executor], small_jobs: None) -> None:
    with make(2) as executor:
        check_executor(executor)
        assert executor.submit(len, "still open").result() == 10


def test_dask_finds_what_one_process_finds(small_jobs: None) -> None:
    """The executor of a cluster of two processes of dask.distributed on this machine."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        check_executor(client.get_executor())
        small = Conv2d(1, 2, 3), (1, 1, 6, 6)
        results = prove_many([small, (LAYER, SHAPE)], executor=client.get_executor())
    assert [r.label for r in results] == [r.label for r in prove_many([small, (LAYER, SHAPE)], jobs=1)]


def test_layers_come_back_in_order_and_as_alone() -> None:
    small = Conv2d(2, 2, 2, stride=2, groups=2), (1, 2, 5, 4)
    items = [small, (Linear(3, 4), (2, 3)), (Conv2d(1, 1, 2), (1, 1, 3, 3))]
    together = prove_many(items, jobs=2)
    for (layer, shape), found in zip(items, together, strict=True):
        alone = prove(layer, shape, jobs=1)
        assert (found.ok, found.label, found.theorem) == (True, alone.label, alone.theorem)
        assert found.certificate_digest == alone.certificate_digest
        compared = {line for line in found.report if not line.endswith(NOT_ASKED)}
        assert len(found.report) == 2 * len(compared) and compared < set(alone.report)
        assert any("SymPy" in line for line in alone.report) and NOT_ASKED not in "".join(alone.report)


def test_the_usual_number_of_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One a core for work of seconds; this process for less, where forking is not safe, in a daemon."""
    started: list[int] = []

    class Counting(ThreadPoolExecutor):
        def __init__(self, number: int, *rest: object) -> None:
            started.append(number)
            super().__init__(number)

    monkeypatch.setattr(spread, "ProcessPoolExecutor", Counting)
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    compare_many(right())
    assert started == []
    monkeypatch.setattr(spread, "WORTH", 0.0)
    monkeypatch.setattr(spread, "FORKS", True)
    compare_many(right())
    assert started == [5]
    with monkeypatch.context() as daemon:
        daemon.setattr(spread.multiprocessing, "current_process", lambda: SimpleNamespace(daemon=True))
        compare_many(right())
    monkeypatch.setattr(spread, "FORKS", False)
    compare_many(right())
    assert started == [5]
    compare_many(right(), jobs=3)
    assert started == [5, 3]


class Replacing(Executor):
    """An executor that does something else with each job."""

    def __init__(self, own: Executor, job: Callable[..., Any]) -> None:
        self.own, self.job = own, job

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        assert call is compare_chunks
        return self.own.submit(self.job, *args)


def nothing(claim: Claim, chunks: object) -> Tally:
    return Tally(0)


def half(claim: Claim, chunks: tuple[object, ...]) -> Tally:
    return compare_chunks(claim, chunks[::2])


def broken(claim: Claim, chunks: object) -> Tally:
    raise ZeroDivisionError("a fault of the worker")


def refusing(claim: Claim, chunks: object) -> Tally:
    raise LimitError("refused", where="in the worker")


def dying(claim: Claim, chunks: object) -> Tally:
    os._exit(3)


@pytest.mark.parametrize("job", [nothing, half])
def test_a_worker_that_leaves_work_out_is_found_out(job: Callable[..., Tally], small_jobs: None) -> None:
    with ThreadPoolExecutor(1) as own, pytest.raises(ProofError, match="do not hold all monomials"):
        compare_many(right(), executor=Replacing(own, job))


@pytest.mark.parametrize("job", [broken, dying])
def test_a_fault_of_a_worker_is_a_clear_error(job: Callable[..., Tally]) -> None:
    with ProcessPoolExecutor(1) as own, pytest.raises(LimitError) as refusal:
        compare_many(right(), executor=Replacing(own, job))
    assert refusal.value.what == "a worker could not compare its part"
    assert refusal.value.where == "output" and "jobs=1" in refusal.value.mend


def test_a_refusal_of_a_worker_arrives_as_it_was_said() -> None:
    with ProcessPoolExecutor(1) as own, pytest.raises(LimitError, match="refused") as refusal:
        compare_many(right(), executor=Replacing(own, refusing))
    assert refusal.value.where == "in the worker"


@pytest.mark.parametrize("jobs", [0, -1, True, 1.5, "2"])
def test_odd_numbers_of_workers_are_refused(jobs: Any) -> None:
    with pytest.raises(LayerError, match="number of worker"):
        prove(LAYER, SHAPE, jobs=jobs)


def test_options_that_contradict_are_refused() -> None:
    with ThreadPoolExecutor(1) as own:
        for options in ({"executor": own, "jobs": 2}, {"factorised": True, "jobs": 2}):
            with pytest.raises(LayerError):
                prove(LAYER, SHAPE, **options)
    for wrong_use in ({"factorised": True}, {"jobs": 2}):
        with pytest.raises(LayerError, match="go with a layer at a shape"):
            prove(Conv2d, **wrong_use)


def test_what_travels_is_small() -> None:
    layer, shape = Conv2d(512, 512, 3, padding=1, bias=False), (1, 512, 14, 14)
    sizes = layer.sizes(shape)
    claims = [claim_at(claim, sizes) for claim in layer.claims(**layer.choices(shape)).values()]
    sent = [pickle.dumps((claims[j.number], j.chunks)) for j in jobs_of([plan(c) for c in claims])]
    assert len(sent) > 10 and max(map(len, sent)) < 60_000


LONG = """
import sys
from derive.exhaust_spread import compare_many
from derive.instance import claim_at
from derive.judge import NOT_ASKED
from derive.layers.conv import Conv2d
layer, shape = Conv2d(512, 512, 3, padding=1, bias=False), (8, 512, 28, 28)
claim = claim_at(layer.claims(**layer.choices(shape))["weight"], layer.sizes(shape))
compare_many([claim], jobs=2, max_terms=10**12, progress=lambda done, of: print(done, of, flush=True))
"""


def children(parent: int) -> list[int]:
    tasks = Path(f"/proc/{parent}/task")
    return [int(n) for task in tasks.iterdir() for n in (task / "children").read_text().split()]


def gone(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to list processes")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_proof_leaves_no_process(how: signal.Signals) -> None:
    """Ctrl-C, as a terminal sends it to the whole group; and an end of the parent that it cannot handle."""
    with subprocess.Popen(
        [sys.executable, "-c", LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background
    ) as run:  # fmt: skip
        assert run.stdout is not None and run.stderr is not None
        assert run.stdout.readline().endswith(b"\n"), run.stderr.read()
        workers = children(run.pid)
        assert len(workers) == 2
        if how is signal.SIGINT:
            os.killpg(run.pid, how)
        else:
            run.send_signal(how)
        run.wait(30)
        assert run.returncode != 0
        deadline = time.monotonic() + 20
        while not all(map(gone, workers)):
            assert time.monotonic() < deadline, "a worker outlived the proof"
            time.sleep(0.05)
        said = run.stderr.read().decode()
    assert said.count("Traceback") == (how is signal.SIGINT), said
