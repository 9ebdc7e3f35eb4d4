"""Owns the verdict on a compiled artefact: which checks run at which level, and what each establishes.

The shipped binary and the class builds are compiled from one C file. The trace build decides, with no
chance in it, that every entry of every result is the sum of exactly the definition's terms; the shipped
binary itself is run on numbers that cannot round. What is trusted: backflip_ops.h and the headers it
includes, gcc, Cython, and that a C file means the same in every build, which the gate on the text, the
branch marks and the run of the shipped binary each support. Not claimed: that nothing is read out of
bounds (buffers have poisoned margins, no more) or computed needlessly.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.errors import BuildError, Untraceable
from codegen.lexical import gate
from codegen.numeric import check_integers, check_uint64
from codegen.plan import Plan, plan_of
from codegen.real import check_reals
from codegen.record import Check, ValidationRecord
from codegen.relation import Relation, entries, relation_of
from codegen.rig import Marks, Rig
from codegen.trace import Tracer
from derive.errors import LimitError

LEVELS = ("fast", "exact")
Sequences = dict[str, list[tuple[str, int, NDArray[np.int32]]]]
"""By kernel what the class builds left: element, number of runs, all their branch marks."""


def validate(artefact: Artefact, level: str = "fast", seed: int | None = None) -> ValidationRecord:
    """Checks an artefact; returns what was established or raises at the first refusal.

    Args:
        level: "fast" is the gate on the text, the shipped binary on small whole numbers and one traced run
            a kernel; a kernel whose definition the trace cannot follow (more than two factors, or a product
            that is a term of several entries) is run on numbers modulo 2^64 instead. "exact" adds a second
            traced run on left-over workspace, numbers modulo 2^64, real numbers and the branch marks.
        seed: of the random operands; fresh where None. The record holds it.

    Raises:
        BuildError: a check refused; names the kernel, the entry, what it is and what it should be.
        LimitError: the definition is too large to trace.
    """
    if level not in LEVELS:
        raise BuildError(
            "no such level of validation", where="level", expected=" or ".join(LEVELS), got=repr(level)
        )
    start = time.perf_counter()
    seed = secrets.randbits(64) if seed is None else seed
    rng = np.random.default_rng(seed)
    marks: Sequences = {kernel: [] for kernel in artefact.equations}
    checks = [_lexical(artefact), *_shipped(artefact, level, rng)]
    plans = {kernel: traceable(relation_of(claim)) for kernel, claim in artefact.equations.items()}
    checks += _traced(artefact, level, marks, plans)
    modular = [k for k, plan in plans.items() if plan is None or level == "exact"]
    checks += _modular(artefact, rng, marks, modular)
    if level == "exact":
        checks += _marked(artefact, marks)
    seconds = round(time.perf_counter() - start, 3)
    return ValidationRecord(level, artefact.dtype, artefact.lanes, seed, seconds, tuple(checks))


def _lexical(artefact: Artefact) -> Check:
    functions = gate(artefact.pyx_text)
    return Check(
        "text",
        "lexical",
        "kernels are written with the element operations, whole numbers, for and if on whole numbers alone",
        "deterministic",
        {"functions": list(functions)},
    )


def _shipped(artefact: Artefact, level: str, rng: np.random.Generator) -> Iterator[Check]:
    module = artefact.load_variant((SHIPPED_ELEMENT[artefact.dtype],))
    for kernel in artefact.equations:
        rig = Rig(artefact, kernel, module, artefact.dtype)
        yield check_integers(rig, rng)
        if level == "exact":
            yield check_reals(rig, rng)


def traceable(relation: Relation) -> Plan | None:
    """The plan of a relation, or None where its terms cannot be told apart by their factors."""
    try:
        return plan_of(relation)
    except Untraceable:
        return None


def _modular(
    artefact: Artefact, rng: np.random.Generator, marks: Sequences, kernels: Sequence[str]
) -> Iterator[Check]:
    if not kernels:
        return
    element, runs = "BF_ELEMENT_UINT64", 2
    module = artefact.load_variant((element,))
    recorder = Marks(module)
    for kernel in kernels:
        recorder.reset()
        yield check_uint64(Rig(artefact, kernel, module, np.uint64), rng, runs)
        marks[kernel].append((element, runs, recorder.sequence()))


def _traced(
    artefact: Artefact, level: str, marks: Sequences, plans: Mapping[str, Plan | None]
) -> Iterator[Check]:
    kernels = {kernel: plan for kernel, plan in plans.items() if plan is not None}
    if not kernels:
        return
    element, runs = "BF_ELEMENT_TRACE", 2 if level == "exact" else 1
    module = artefact.load_variant((element,))
    tracer, recorder = Tracer(module), Marks(module)
    for kernel in kernels:
        recorder.reset()
        yield check_trace(Rig(artefact, kernel, module, np.uint64), tracer, runs)
        marks[kernel].append((element, runs, recorder.sequence()))
    tracer.release()


def check_trace(rig: Rig, tracer: Tracer, runs: int = 1) -> Check:
    """Traced runs of one kernel, the first from poison, the next on what that left behind."""
    plan = plan_of(rig.relation)
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


def _marked(artefact: Artefact, marks: Sequences) -> Iterator[Check]:
    """The branch marks of the shipped element type against those that the class builds left."""
    element = SHIPPED_ELEMENT[artefact.dtype]
    module = artefact.load_variant((element, "BF_MARKS"))
    recorder = Marks(module)
    for kernel in artefact.equations:
        rig = Rig(artefact, kernel, module, artefact.dtype)
        recorder.reset()
        rig.run({t.name: np.zeros(entries(t), rig.dtype) for t in rig.operands})
        yield compare_marks(kernel, element, recorder.sequence(), marks[kernel])


def compare_marks(
    kernel: str, element: str, shipped: NDArray[np.int32], others: list[tuple[str, int, NDArray[np.int32]]]
) -> Check:
    """Raises BuildError where a class build took other branches; `others`: (element, runs, all its marks)."""
    for name, runs, sequence in others:
        if not np.array_equal(np.tile(shipped, runs), sequence):
            raise BuildError(
                f"kernel {kernel} takes other branches for another element type",
                where=f"{element} and {name}",
                expected=f"{len(shipped)} marks, the same in every run",
                got=f"{len(sequence)} marks in {runs} runs",
            )
    return Check(
        kernel,
        "marks",
        f"{element} takes the same {len(shipped)} marked branches as "
        + " and ".join(n for n, _, _ in others),
        "deterministic; of the text compiled with marks on",
        {"marks": len(shipped)},
    )
