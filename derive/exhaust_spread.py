"""Owns how exhaustive comparisons are spread over the workers of an executor.

A job is a claim at sizes and some of its chunks: plain data of a few kilobytes. A worker plans the claim
itself, compares its two sides in those chunks and answers with a tally; the tallies are added up in the
order of the chunks, so that a comparison says the same whoever carried it out. Any
`concurrent.futures.Executor` will do: our own processes, threads, or the executor of a cluster.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from derive.claim import Claim
from derive.errors import BackflipError, LayerError, LimitError
from derive.exhaust import (
    MAX_TERMS,
    SECONDS_PER_TERM,
    Comparison,
    Progress,
    Tally,
    finish,
    refuse_large,
    run_chunks,
)
from derive.exhaust_claim import check_claim
from derive.exhaust_plan import Chunk, Plan, plan

FORKS = sys.platform == "linux"
"""Whether worker processes are forked; elsewhere that is not safe, and they are spawned."""
WORTH = 2.0
"""Seconds of work above which processes are started where nothing was asked for."""
JOB_TERMS = 100_000_000
"""Monomials of both sides in one job: a quarter of a second."""


@dataclass(frozen=True)
class Job:
    """Some chunks of one of the claims; `number` says which."""

    number: int
    chunks: tuple[Chunk, ...]


def compare_many(
    claims: Sequence[Claim],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    max_terms: int = MAX_TERMS,
) -> list[Comparison]:
    """Whether each claim (at given sizes) holds at every entry of its target; in order, as `exhaust.compare`.

    Args:
        executor: who does it; it is not shut down. None: processes of our own, or this process.
        jobs: how many such processes; 1 is this process. None: one a core where the work is over `WORTH`
            seconds and processes can be forked.
        progress: called with (chunks done, chunks of all claims).
        max_terms: monomials that one claim may have.

    Raises what `compare` raises, LayerError where `jobs` is no count, LimitError where a worker ended or
    failed. Interrupted, it leaves no process behind: what runs is a job of a fraction of a second.
    """
    for claim in claims:
        check_claim(claim)
    plans = [plan(claim) for claim in claims]
    for work in plans:
        refuse_large(work.terms, max_terms)
    with _workers(executor, jobs, sum(work.terms for work in plans)) as chosen:
        found = _here(plans, progress) if chosen is None else _there(chosen, claims, plans, progress)
    return [finish(work, tally) for work, tally in zip(plans, found, strict=True)]


def compare_chunks(claim: Claim, chunks: Sequence[Chunk]) -> Tally:
    """The work of one job, in a worker."""
    return run_chunks(plan(claim), chunks)


def _here(plans: Sequence[Plan], progress: Progress | None) -> list[Tally]:
    done, total = 0, sum(len(work.chunks) for work in plans)
    found = []
    for work in plans:
        before = done

        def step(chunks: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + chunks, total)

        found.append(run_chunks(work, work.chunks, step))
        done += len(work.chunks)
    return found


def _there(
    executor: Executor, claims: Sequence[Claim], plans: Sequence[Plan], progress: Progress | None
) -> list[Tally]:
    """The tallies of the claims, each the sum of its jobs' up to the first that found a difference."""
    found = [Tally(0)] * len(plans)
    total, done = sum(len(work.chunks) for work in plans), 0
    sent: list[tuple[Job, Future[Tally]]] = []
    try:
        for job in jobs_of(plans):
            with warnings.catch_warnings():
                # Python 3.12 warns of a fork beside threads; NumPy's own, which only wait, are all there are.
                warnings.simplefilter("ignore", DeprecationWarning)
                sent.append((job, executor.submit(compare_chunks, claims[job.number], job.chunks)))
        for job, future in sent:
            so_far = found[job.number]
            if so_far.failed is None:
                answer = _answer(future, claims[job.number])
                found[job.number] = Tally(so_far.terms + answer.terms, answer.failed)
            else:
                future.cancel()
            done += len(job.chunks)
            if progress is not None:
                progress(done, total)
    finally:
        for _, future in sent:
            future.cancel()
    return found


def jobs_of(plans: Sequence[Plan]) -> Iterator[Job]:
    """The chunks of all plans in order, about JOB_TERMS monomials a job."""
    for number, work in enumerate(plans):
        each = max(1, work.terms // len(work.chunks))
        step = max(1, JOB_TERMS // each)
        for first in range(0, len(work.chunks), step):
            yield Job(number, work.chunks[first : first + step])


def _answer(future: Future[Tally], claim: Claim) -> Tally:
    fault = future.exception()
    if fault is None:
        return future.result()
    if isinstance(fault, BackflipError):
        raise fault
    raise LimitError(
        "a worker could not compare its part",
        where=claim.name,
        expected="a tally of its chunks",
        got=f"{type(fault).__name__}: {fault}",
        mend="jobs=1 compares in this process",
    ) from fault


@contextmanager
def _workers(executor: Executor | None, jobs: int | None, terms: int) -> Iterator[Executor | None]:
    """The executor given, or one of our own that ends with the block, or None for this process."""
    if executor is not None and jobs is not None:
        raise LayerError("an executor has its own workers", where="jobs", expected="None", got=str(jobs))
    if jobs is not None and (isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 1):
        raise LayerError(
            "not a number of worker processes", where="jobs", expected="1, 2, ...", got=repr(jobs)
        )
    number = jobs or (_usual() if terms * SECONDS_PER_TERM > WORTH else 1)
    if executor is not None or number == 1:
        yield executor
        return
    way = multiprocessing.get_context("fork" if FORKS else "spawn")
    own = ProcessPoolExecutor(number, way, _begin_worker)
    try:
        yield own
    finally:
        own.shutdown(wait=True, cancel_futures=True)


def _usual() -> int:
    """Processes where nobody asked for a number: one a core, but for this one alone where they would disturb.

    A spawned process runs the user's script again, which must then be guarded by `__name__ == "__main__"`: a
    forked one does not. A daemonic process may have no children.
    """
    return (os.cpu_count() or 1) if FORKS and not multiprocessing.current_process().daemon else 1


def _begin_worker() -> None:
    """A worker leaves Ctrl-C to its parent, and ends when the parent has ended, however that was."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
