"""Owns the clock: implementations take turns, samples of at least a millisecond, the peak beside each.

Minimum and median of the samples are kept. Before each sample one call is made that is not timed, because
the contestant before has left other data in the caches. In cold mode every sample is one call after
64 MB of other memory were written, with all operands but the weights read again.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path

import numpy as np

from codegen.bench.candidate import Candidate
from codegen.bench.task import Array

SAMPLES = 20
LEAST = 1e-3
COLD_BYTES = 64 << 20
LONG_CALL = 0.02
"""Seconds of a call beyond which it evicts enough itself that no call before it is made."""


@dataclass
class Times:
    """Microseconds a call, one entry a sample."""

    microseconds: list[float] = field(default_factory=list)

    @property
    def least(self) -> float:
        return min(self.microseconds)

    @property
    def median(self) -> float:
        return statistics.median(self.microseconds)

    @property
    def spread(self) -> float:
        """The distance between the quartiles over the median."""
        if len(self.microseconds) < 4:
            return (max(self.microseconds) - self.least) / self.median
        low, _, high = statistics.quantiles(self.microseconds, n=4)
        return (high - low) / self.median


@dataclass
class Measured:
    """The times of each implementation, and the peaks found beside them in GFLOP/s."""

    times: dict[str, Times]
    peaks: list[float]


def one_sample(candidate: Candidate, repeats: int) -> float:
    """Seconds a call."""
    call = candidate.call
    with candidate.around():
        start = time.perf_counter()
        for _ in repeat(None, repeats):
            call()
        return (time.perf_counter() - start) / repeats


def repeats_for(candidate: Candidate, least: float) -> int:
    """Calls that take at least `least` seconds together."""
    one_sample(candidate, 1)
    once = min(one_sample(candidate, 1) for _ in range(3))
    count = max(1, int(least / max(once, 1e-8)))
    if count > 1:
        count = max(1, int(np.ceil(least / one_sample(candidate, count))))
    return count


def warm(
    candidates: Sequence[Candidate],
    peak: Callable[[], float],
    *,
    samples: int = SAMPLES,
    least: float = LEAST,
    pause: float = 0.0,
) -> Measured:
    """Samples of every candidate in turns; `pause` seconds before each let another's threads fall asleep."""
    counts = {c.name: repeats_for(c, least) for c in candidates}
    measured = Measured({c.name: Times() for c in candidates}, [])
    with collecting_off():
        for turn in range(samples):
            measured.peaks.append(peak())
            for candidate in rotated(candidates, turn):
                if pause:
                    time.sleep(pause)
                times = measured.times[candidate.name].microseconds
                if not times or times[-1] < LONG_CALL * 1e6:
                    one_sample(candidate, 1)
                times.append(one_sample(candidate, counts[candidate.name]) * 1e6)
    return measured


def cold(
    candidates: Sequence[Candidate], peak: Callable[[], float], touched: Sequence[Array], *, samples: int
) -> Measured:
    """Samples of one call each after the caches were emptied; `touched` arrays are read again before it."""
    measured = Measured({c.name: Times() for c in candidates}, [])
    other = np.zeros(COLD_BYTES, np.uint8)
    with collecting_off():
        for turn in range(samples):
            measured.peaks.append(peak())
            for candidate in rotated(candidates, turn):
                other += 1
                for array in touched:
                    array.max()
                measured.times[candidate.name].microseconds.append(one_sample(candidate, 1) * 1e6)
    return measured


def rotated(candidates: Sequence[Candidate], turn: int) -> list[Candidate]:
    """Every turn another one begins."""
    first = turn % max(1, len(candidates))
    return [*candidates[first:], *candidates[:first]]


@contextmanager
def collecting_off() -> Iterator[None]:
    """No garbage collection while the clock runs."""
    was = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@contextmanager
def held(lock: Path | None) -> Iterator[None]:
    """Holds a lock file, so that two benchmarks of one machine do not run at once; nothing where None."""
    if lock is None:
        yield
        return
    import fcntl

    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
