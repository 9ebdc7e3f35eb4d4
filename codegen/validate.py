"""Owns the verdict on a compiled artefact: which checks run at which level, and what each establishes.

The shipped binary and the class builds are compiled from one C file. The trace build decides, with no
chance in it, that every entry of every result is the sum of exactly the definition's terms; the shipped
binary itself is run on numbers that cannot round. What is trusted: backflip_ops.h and the headers it
includes, gcc, Cython, and that a C file means the same in every build, which the gate on the text, the
branch marks and the run of the shipped binary each support. Not claimed: that nothing is read out of
bounds (buffers have poisoned margins, no more) or computed needlessly.

That is the class of kernels that are sums of products ("multilinear"). A kernel with functions, coefficients
or indicators is checked in three parts: its skeleton over a prime field with unknown functions ("field", as
are the other kernels of its module, since the trace does not compile functions), its functions by their
measured error, and the shipped binary on real operands within the bound that both allow ("bounded"). A kernel
that selects entries is run on the weak orders of its windows ("selection").
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from codegen.accuracy import BOUNDS
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.bounded import check_bounded
from codegen.errors import BuildError, Untraceable
from codegen.facts import NOTHING, facts_of, linear
from codegen.field import ELEMENT, check_field, functions_of
from codegen.lexical import gate
from codegen.numeric import check_integers, check_uint64
from codegen.plan import Plan, plan_of
from codegen.real import check_reals
from codegen.record import Check, ValidationRecord
from codegen.relation import Relation, relation_of
from codegen.rig import KeptRig, Marks, Rig
from codegen.selection import check_selection
from codegen.trace import Tracer
from derive.errors import LimitError
from derive.numbers_reals import ULPS

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
    exactly = products(artefact)
    plain = exactly if len(exactly) == len(artefact.equations) else []
    plans = {kernel: traceable(relation_of(artefact.equations[kernel])) for kernel in plain}
    checks += _traced(artefact, level, marks, plans)
    modular = [k for k, plan in plans.items() if plan is None or level == "exact"]
    checks += _modular(artefact, rng, marks, modular)
    checks += _over_field(artefact, rng, marks, [] if plain else list(artefact.equations))
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
    plain = products(artefact)
    for kernel in artefact.equations:
        rig = Rig(artefact, kernel, module, artefact.dtype)
        if kernel not in plain:
            yield check_bounded(artefact, rig, rng, measured(artefact.dtype))
            yield from _functions(artefact.dtype, kernel, functions_of(rig.claim))
            yield from _selected(artefact, rig, level)
            continue
        yield check_integers(rig, rng)
        if level == "exact":
            yield check_reals(rig, rng)


def _selected(artefact: Artefact, rig: Rig, level: str) -> Iterator[Check]:
    """The weak orders of a selecting kernel's windows: what it gives, and the codes that it keeps."""
    layer = artefact.layer
    codes = layer.codes(artefact.shape) if layer is not None else {}
    first = {name: code for name, code in codes.items() if code.first}
    if not first:
        return
    kept = artefact.kept.get(rig.kernel, {})
    rigs = [rig, *(KeptRig(artefact, rig.kernel, rig.module, rig.dtype, operand) for operand in kept)]
    for each in rigs:
        check = check_selection(each, first, level)
        if check is not None:
            yield check


def _functions(dtype: str, kernel: str, names: Sequence[str]) -> Iterator[Check]:
    """What the bound of the shipped binary takes the error of each function to be."""
    if not names:
        return
    known, usual = measured(dtype), ULPS[dtype]
    listed = ", ".join(f"{n} {known[n]:g}" if n in known else f"{n} {usual:g} (assumed)" for n in names)
    yield Check(
        kernel,
        "functions",
        "the bound of real operands takes its functions to be off by at most so many units in the last place "
        f"of {dtype}: {listed}",
        "measured against mpmath at many points over the whole range (codegen.accuracy), where not assumed; "
        "not proved",
        {"ulps": {n: known.get(n, usual) for n in names}},
    )


def measured(dtype: str) -> Mapping[str, float]:
    """The published bounds of functions in units in the last place."""
    return BOUNDS.get(dtype, {})


def products(artefact: Artefact) -> list[str]:
    """The kernels that are sums of products; the others have functions, coefficients or indicators."""
    layer = artefact.layer
    facts = facts_of(layer, artefact.shape) if layer is not None else NOTHING
    special = {*facts.codes, *facts.shifts}
    return [
        kernel
        for kernel, claim in artefact.equations.items()
        if linear(claim, facts) and not special & {t.name for t in relation_of(claim).operands}
    ]


def _over_field(
    artefact: Artefact, rng: np.random.Generator, marks: Sequences, kernels: Sequence[str]
) -> Iterator[Check]:
    if not kernels:
        return
    module = artefact.load_variant((ELEMENT,))
    recorder = Marks(module)
    for kernel in kernels:
        recorder.reset()
        check = check_field(artefact, Rig(artefact, kernel, module, np.uint64), rng)
        yield check
        marks[kernel].append((ELEMENT, check.facts["runs"], recorder.sequence()))


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
        rig.run({name: np.zeros(count, rig.dtype) for name, count in rig.counts.items()})
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
