"""Owns one row of a table: implementations of a task checked against the reference, then timed in turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from codegen.bench import timing
from codegen.bench.candidate import Candidate, Peer, PeersCode
from codegen.bench.ours import TIERS, own
from codegen.bench.peak import peak_loop
from codegen.bench.plain import reference
from codegen.bench.task import Array, NotOffered, Task, drawn, work
from derive.errors import LimitError

REFUSED_ABOVE = {"float32": 1e-3, "float64": 1e-11}
"""Largest error over the root mean square of the result; far above the rounding of every tier, and below one
product too few: that is at least 1 / sqrt(n) of n, and no row has 10^6."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Setup:
    """How rows are measured.

    Attributes:
        peers: who takes part.
        tiers: of our kernels; none where peers alone are measured.
        samples: a candidate.
        least: seconds a sample.
        cold: whether samples are single calls after the caches were emptied.
        lock: a file that is locked while the clock runs.
        say: takes lines of progress.
        options: of `codegen.build`.
    """

    peers: Sequence[Peer]
    tiers: Sequence[str] = TIERS
    samples: int = timing.SAMPLES
    least: float = timing.LEAST
    cold: bool = False
    lock: Path | None = None
    say: Say = lambda line: None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Prepared:
    """A row whose implementations are built and checked, and not timed yet."""

    task: Task
    setup: Setup
    operands: dict[str, Array]
    entries: dict[str, dict[str, Any]]
    candidates: list[Candidate]
    facts: dict[str, Any]


def prepared(task: Task, setup: Setup) -> Prepared:
    """Every implementation of a task, built and checked.

    Raises LayerError on a layer that no peer is known for, LimitError where nothing is to check against.
    """
    operands = drawn(task)
    try:
        exact = reference(task, operands)
    except NotOffered as reason:
        raise LimitError("no reference for this layer", where=repr(task.layer), got=str(reason)) from None
    entries, candidates, facts = contestants(task, operands, setup)
    found = Prepared(task, setup, operands, entries, [], facts)
    for candidate in candidates:
        entries[candidate.name] = entry = check(task, candidate, exact)
        if "refused" not in entry:
            found.candidates.append(candidate)
    return found


def finished(row: Prepared) -> dict[str, Any]:
    """The row as plain data: what was measured, and by name each implementation or why it is absent."""
    row.setup.say(f"timing {', '.join(c.name for c in row.candidates)}")
    peaks: list[float] = []
    if row.candidates:
        measured = timed(row.task, row.candidates, row.operands, row.setup)
        peaks = sorted(measured.peaks)
        for name, times in measured.times.items():
            row.entries[name] |= told(times)
    flops, moved = work(row.task)
    return {
        **described(row.task),
        "cold": row.setup.cold,
        "flops": flops,
        "bytes": moved,
        "peaks": [round(p, 1) for p in peaks],
        "built": row.facts,
        "entries": row.entries,
    }


def measured_row(task: Task, setup: Setup) -> dict[str, Any]:
    """A row prepared and timed, the latter under the setup's lock."""
    row = prepared(task, setup)
    with timing.held(setup.lock):
        return finished(row)


def described(task: Task) -> dict[str, Any]:
    return {
        "layer": repr(task.layer),
        "shape": list(task.shape),
        "dtype": task.dtype,
        "operation": task.operation,
        "threads": task.threads,
        "scale": task.scale,
    }


def contestants(
    task: Task, operands: dict[str, Array], setup: Setup
) -> tuple[dict[str, dict[str, Any]], list[Candidate], dict[str, Any]]:
    """Who is absent and why, who takes part, and what is known of our builds."""
    entries: dict[str, dict[str, Any]] = {}
    setup.say("building")
    ours = own(task, operands, setup.tiers, **setup.options)
    entries |= {name: {**reason, "own": True} for name, reason in ours.absent.items()}
    candidates = list(ours.candidates)
    for peer in setup.peers:
        reason = peer.missing()
        if reason is None:
            setup.say(f"preparing {peer.name}")
            try:
                with PeersCode():
                    candidates += [replace(c, peer=peer.name) for c in peer.make(task, operands)]
            except NotOffered as fault:
                reason = str(fault)
        if reason is not None:
            entries[peer.name] = {"absent": reason, "peer": peer.name}
    return entries, candidates, ours.facts


def check(task: Task, candidate: Candidate, exact: Sequence[Array]) -> dict[str, Any]:
    """One call's errors relative to the root mean square of the result; refused where too large."""
    entry: dict[str, Any] = {"own": candidate.own, "counted": candidate.counted}
    entry |= {"note": candidate.note} if candidate.note else {}
    entry |= {"peer": candidate.peer} if candidate.peer else {}
    with candidate.around():
        found = candidate.arrays(candidate.call())
    worst, middle = 0.0, 0.0
    for one, right in zip(found, exact, strict=True):
        if one.shape != right.shape:
            return entry | {"refused": f"a result of shape {one.shape}, not {right.shape}"}
        largest, mean = errors(one, right)
        worst, middle = max(worst, largest), max(middle, mean)
    entry |= {"error_max": worst, "error_rms": middle}
    if not worst <= limit(task, exact):
        entry["refused"] = f"wrong: largest error {worst:.1e} of the result's root mean square"
    return entry


def limit(task: Task, exact: Sequence[Array]) -> float:
    """REFUSED_ABOVE, and where results are denormal the spacing of their numbers besides."""
    least = min(float(np.sqrt(np.mean(np.square(np.asarray(e, np.longdouble))))) for e in exact)
    spacing = float(np.finfo(task.dtype).smallest_subnormal)
    return REFUSED_ABOVE[task.dtype] + 1e4 * spacing / max(least, 1e-300)


def errors(found: Array, right: Array) -> tuple[float, float]:
    """Largest and root mean square of the error, both over the root mean square of the right result."""
    wide = right.astype(np.longdouble)
    size = float(np.sqrt(np.mean(wide * wide))) or 1.0
    off = np.abs(found.astype(np.longdouble) - wide)
    if not np.all(np.isfinite(off)):
        return float("inf"), float("inf")
    return float(off.max()) / size, float(np.sqrt(np.mean(off * off))) / size


def timed(
    task: Task, candidates: list[Candidate], operands: dict[str, Array], setup: Setup
) -> timing.Measured:
    """The candidates' times in turns."""
    peak = peak_loop(task.dtype, task.threads)
    peak()
    if setup.cold:
        touched = [operands[n] for n in ("input", "grad_output") if n in operands]
        return timing.cold(candidates, peak, touched, samples=setup.samples)
    pause = 0.003 if task.threads > 1 else 0.0
    return timing.warm(candidates, peak, samples=setup.samples, least=setup.least, pause=pause)


def told(times: timing.Times) -> dict[str, Any]:
    return {
        "least": round(times.least, 3),
        "median": round(times.median, 3),
        "spread": round(times.spread, 3),
        "samples": len(times.microseconds),
    }
