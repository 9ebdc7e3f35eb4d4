"""Owns the choice among candidate kernels: the model's order, or the shortest of a few timed runs.

Candidates of one right side are different texts of the same equation; whichever is taken is validated
afterwards as if it were the only one. A timed choice differs from machine to machine and from run to run; the
model's does not. Times are of the compiled kernels alone, warm, on random normal operands.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen import compile
from codegen.artefact import SHIPPED_ELEMENT
from codegen.compile import Isa
from codegen.loops import Kernel
from codegen.specialised import Candidate
from codegen.targets.cython.parts import packed_count
from codegen.targets.cython.printer import module_text

MOST_TIMED = 4
"""Candidates of one kernel that are timed."""
WORTH_A_TRY = 3.0
"""How many times the cost of the cheapest a candidate may have by the model to be timed."""
SECONDS = 0.03
"""Time spent on one candidate."""
ROUNDS = 3
BUILDERS = 2
"""Modules of candidates that are compiled side by side, before any is timed."""


@dataclass(frozen=True)
class Tried:
    """One candidate: what it says of itself, cycles by the model, and seconds where it was timed."""

    note: str
    cost: float
    seconds: float | None


@dataclass(frozen=True)
class Choice:
    """A kernel, why it was taken, and the others.

    Attributes:
        number: of the candidate, in the order of the model.
        order: of its additions.
    """

    kernel: Kernel
    tried: tuple[Tried, ...]
    number: int = 0
    order: tuple[object, ...] = ()

    @property
    def said(self) -> str:
        """For the text of the module."""
        first, *others = self.tried
        if first.seconds is None:
            return f"{self.kernel.name}: the least of {len(self.tried)} by the model, {first.cost:.3g} cycles"
        listed = "; ".join(f"{t.note} {_microseconds(t)}" for t in others)
        return f"{self.kernel.name}: the quickest when built, {_microseconds(first)}; before {listed}"


def _microseconds(tried: Tried) -> str:
    return f"{(tried.seconds or 0) * 1e6:.3g} us (model {tried.cost:.3g} cycles)"


def choose(ranked: Mapping[str, Sequence[Candidate]], isa: Isa, dtype: str, *, tune: bool) -> list[Choice]:
    """One kernel for every key, in order.

    Args:
        ranked: by key its candidates, cheapest first by the model.
        tune: whether the best few are compiled and timed.

    Raises BuildError where a tool fails.
    """
    tried = {key: _worth(found) if tune else list(found[:1]) for key, found in ranked.items()}
    several = {key: found for key, found in tried.items() if len(found) > 1}
    seconds = timed([c for found in several.values() for c in found], isa, dtype) if several else []
    choices, at = [], 0
    for key, found in tried.items():
        if key in several:
            own = seconds[at : at + len(found)]
            at += len(found)
            order = sorted(range(len(found)), key=own.__getitem__)
            listed = [Tried(_note(found[i]), found[i].cost, own[i]) for i in order]
            choices.append(_taken(found, order[0], listed))
        else:
            listed = [Tried(_note(c), c.cost, None) for c in ranked[key]]
            choices.append(_taken(found, 0, listed))
    return choices


def _taken(found: Sequence[Candidate], number: int, listed: Sequence[Tried]) -> Choice:
    return Choice(found[number].kernel, tuple(listed), number, found[number].order)


def again(found: Sequence[Candidate], number: int, listed: Sequence[Tried]) -> Choice | None:
    """An earlier choice among the same candidates; None where they are not the same."""
    notes = {_note(c) for c in found}
    same = number < len(found) and listed and _note(found[number]) == listed[0].note
    return _taken(found, number, listed) if same and all(t.note in notes for t in listed) else None


def shared(choice: Choice, found: Sequence[Candidate]) -> Choice:
    """The choice for several threads: of the candidates that add in its order the cheapest.

    A schedule is chosen without regard to threads, so that a result has the same bits on any number of them.
    Where no candidate adds in that order, the kernel stays on one thread.
    """
    same = [c for c in found if c.order == choice.order]
    return replace(choice, kernel=min(same, key=lambda c: c.cost).kernel) if same else choice


def _note(candidate: Candidate) -> str:
    return "; ".join(candidate.kernel.notes)


def _worth(found: Sequence[Candidate]) -> list[Candidate]:
    """The cheapest few, each with another schedule."""
    kept = [c for c in found if c.cost <= WORTH_A_TRY * found[0].cost]
    return kept[:MOST_TIMED]


def timed(found: Sequence[Candidate], isa: Isa, dtype: str) -> list[float]:
    """Seconds of one call of each candidate, the least of several rounds.

    Of a kernel that packs its weight it is the mean of a call that does and one that need not.
    """
    kernels = [replace(c.kernel, name=f"try_{i}", equation="", definitions=()) for i, c in enumerate(found)]
    with tempfile.TemporaryDirectory(prefix="backflip-") as work, ThreadPoolExecutor(BUILDERS) as pool:
        parts = [kernels[i::BUILDERS] for i in range(min(BUILDERS, len(kernels)))]
        names = [f"candidates_{i}" for i in range(len(parts))]
        folders = [Path(work) / name for name in names]
        modules = list(pool.map(_compiled, parts, names, folders, repeat(isa), repeat(dtype)))
        calls = [_calls(modules[i % BUILDERS], kernel, dtype) for i, kernel in enumerate(kernels)]
        rounds = [[sum(map(_seconds, own)) / len(own) for own in calls] for _ in range(ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def _compiled(kernels: Sequence[Kernel], name: str, folder: Path, isa: Isa, dtype: str) -> ModuleType:
    """A module of some of the candidates, made in a folder of its own."""
    folder.mkdir()
    pyx, target = folder / "kernel.pyx", folder / "module.so"
    pyx.write_text(module_text("candidates", (), kernels), encoding="utf-8")
    defined = (SHIPPED_ELEMENT[dtype], f"BF_LANES={isa.lanes(dtype)}")
    compile.to_binary(compile.to_c(pyx, name), target, isa, defined)
    return compile.load(name, target)


def _calls(module: ModuleType, kernel: Kernel, dtype: str) -> list[Callable[[], Any]]:
    """A call on operands of its own; where the weight is packed, one that does so and one that need not."""
    rng = np.random.default_rng(0)
    given = {b.name: _aligned(b.count, dtype, rng) for b in kernel.operands}
    out = _aligned(kernel.out.count, dtype)
    scratch = _aligned(kernel.workspace, dtype)
    plain = getattr(module, f"call_{kernel.name}")
    if not packed_count(kernel):
        return [lambda: plain(out, *given.values(), scratch)]
    held = _aligned(packed_count(kernel), dtype)
    getattr(module, f"call_pack_{kernel.name}")(held, given["weight"], scratch)
    packed = getattr(module, f"call_packed_{kernel.name}")
    other = [held if n == "weight" else a for n, a in given.items()]
    return [lambda: plain(out, *given.values(), scratch), lambda: packed(out, *other, scratch)]


def _aligned(count: int, dtype: str, rng: np.random.Generator | None = None) -> NDArray[Any]:
    """Elements at a cache line, normal or zero."""
    size = np.dtype(dtype).itemsize
    raw = np.zeros(count * size + 64, np.uint8)
    start = -raw.ctypes.data % 64
    found = raw[start : start + count * size].view(dtype)
    if rng is not None:
        found[:] = rng.standard_normal(count, dtype=found.dtype.type)
    return found


def _seconds(call: Callable[[], Any]) -> float:
    """Of one call: the least of batches of at least a millisecond, in a share of `SECONDS`."""
    call()
    start = time.perf_counter()
    call()
    once = max(time.perf_counter() - start, 1e-7)
    batch = max(1, int(1e-3 / once))
    best, end = once, time.perf_counter() + SECONDS / ROUNDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        for _ in range(batch):
            call()
        best = min(best, (time.perf_counter() - start) / batch)
    return best
