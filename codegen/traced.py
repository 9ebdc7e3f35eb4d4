"""Owns the traced runs of a module's kernels: each alone, large ones two at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.marked import Sequences
from codegen.plan import Plan, plan_of
from codegen.record import Check
from codegen.rig import Marks, Rig
from codegen.trace import Tracer
from codegen.variants import copied
from derive.errors import LimitError

ELEMENT = "BF_ELEMENT_TRACE"
LARGE = 2**24
"""Terms of all kernels from which on two are traced at a time."""


def check_traces(
    artefact: Artefact, plans: Mapping[str, Plan], marks: Sequences, runs: int = 1
) -> list[Check]:
    """The traced runs of kernels, in their order; the branch marks go to `marks`.

    A traced run is a call of compiled code that holds no lock, with all of its state in the module; a copy
    of the module's file is another module, so two kernels are run at a time. What is reported is what one
    after the other would report.

    Raises BuildError of the first kernel, in order, that is not traced to its terms.
    """
    module = artefact.load_variant((ELEMENT,))
    lanes = _lanes(plans)
    modules = [module, *(copied(module) for _ in lanes[1:])]
    with ThreadPoolExecutor(len(lanes)) as pool:
        jobs = [
            pool.submit(_lane, artefact, m, {k: plans[k] for k in lane}, runs)
            for m, lane in zip(modules, lanes, strict=True)
        ]
    found = {kernel: each for job in jobs for kernel, each in job.result().items()}
    checks = []
    for kernel in (k for k in plans if k in found):
        check, sequence, fault = found[kernel]
        if fault is not None:
            raise fault
        assert check is not None
        checks.append(check)
        marks[kernel].append((ELEMENT, runs, sequence))
    return checks


Traced = tuple[Check | None, NDArray[np.int32], Exception | None]
"""What a kernel's traced runs gave: a check or a refusal, and the branch marks."""


def _lanes(plans: Mapping[str, Plan]) -> list[list[str]]:
    """The kernels that run after one another, in order: one list, or two of about equal work."""
    work = {kernel: int(plan.expected.sum()) for kernel, plan in plans.items()}
    if sum(work.values()) < LARGE or (os.cpu_count() or 1) < 2:
        return [list(plans)]
    lanes: list[list[str]] = [[], []]
    for kernel in sorted(work, key=lambda k: -work[k]):
        min(lanes, key=lambda lane: sum(work[k] for k in lane)).append(kernel)
    return [sorted(lane, key=list(plans).index) for lane in lanes if lane]


def _lane(artefact: Artefact, module: ModuleType, plans: Mapping[str, Plan], runs: int) -> dict[str, Traced]:
    """Kernels one after another, up to the first that is refused."""
    tracer, recorder = Tracer(module), Marks(module)
    found: dict[str, Traced] = {}
    for kernel, plan in plans.items():
        recorder.reset()
        check: Check | None = None
        fault: Exception | None = None
        try:
            check = check_trace(Rig(artefact, kernel, module, np.uint64), tracer, runs, plan)
        except (BuildError, LimitError) as refused:
            fault = refused
        found[kernel] = check, recorder.sequence(), fault
        if fault is not None:
            break
    tracer.release()
    return found


def check_trace(rig: Rig, tracer: Tracer, runs: int = 1, plan: Plan | None = None) -> Check:
    """Traced runs of one kernel, the first from poison, the next on what that left behind.

    Args:
        plan: of the kernel's relation, where it is made already.
    """
    plan = plan_of(rig.relation) if plan is None else plan
    facts: dict[str, int] = {}
    rig.poison()
    for run in range(runs):
        tracer.begin(plan)
        verdict = tracer.judge(plan, rig.run({t.name: tracer.leaves(plan, t) for t in rig.operands}))
        if verdict.exhausted:
            raise LimitError(
                f"kernel {rig.kernel} is too large to trace", expected=f"{plan.c_plan.limit_bytes} bytes"
            )
        if verdict.wrong:
            raise BuildError(
                f"kernel {rig.kernel} does not compute its equation",
                where=f"traced run {run + 1}, {verdict.wrong} of {verdict.entries} entries wrong",
                expected=verdict.expected,
                got=verdict.story,
            )
        facts = {"runs": runs, "entries": verdict.entries, "terms": verdict.terms, **verdict.counts}
    stale = " and again on the workspace that run left" if runs > 1 else ""
    return Check(
        rig.kernel,
        "trace",
        f"from poisoned memory{stale}, the expression that reaches each of the {facts['entries']} entries is "
        f"exactly the sum of the definition's terms ({facts['terms']} in all), each once, at this shape, "
        "products with zeros of the padding left aside",
        "deterministic",
        facts,
    )
