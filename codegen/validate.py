"""Owns the verdict on a compiled artefact: which checks run at which level, and what each establishes.

The shipped binary and the class builds are compiled from one C file. The trace build decides, with no
chance in it, that every entry of every result is the sum of exactly the definition's terms; the shipped
binary itself is run on numbers that cannot round. What is trusted: backflip_ops.h and the headers it
includes, gcc, Cython, and that a C file means the same in every build, which the gate on the text, the
branch marks and the run of the shipped binary each support. Not claimed: that nothing is read out of
bounds (buffers have poisoned margins, no more; `codegen.audit` looks for that) or computed needlessly.

That is the class of kernels that are sums of products ("multilinear"). A kernel with functions, coefficients
or indicators is checked in three parts: its skeleton over a prime field with unknown functions ("field", as
are the other kernels of its module, since the trace does not compile functions), its functions by their
measured error, and the shipped binary on real operands within the bound that both allow ("bounded"). A kernel
that selects entries is run on the weak orders of its windows ("selection"). A kernel whose own text has
rational constants is compared over the prime field, and its shipped binary within its roundings ("rational");
so is a binary given the tables of its layer, after the checks that hold for tables of any values.

Scratch: at every level each kernel is run from poison and then, on other operands, on what that run left.
Of a sum of products these are the ten draws of whole numbers, which alternate; its traced run at "fast" is
one, from poison, which decides it for every later run, since no address depends on data. Runs over the field
and modulo 2^64 are two, and the run on real operands is repeated on what a run on others left, to the bit.

Branch marks are compared at "exact" alone: the shipped binary has none, so that the shipped element has to be
compiled once more, which takes as long as the shipping did. What stands for them at "fast" is the gate:
control flow on whole numbers that the text itself holds, with no word in it that differs between elements.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from codegen.accuracy import BOUNDS
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.blas import one_thread
from codegen.bounded import check_bounded
from codegen.cache import file_digest
from codegen.errors import BuildError, Untraceable
from codegen.facts import NOTHING, Facts, facts_of, linear
from codegen.field import ELEMENT, check_field, check_sums, functions_of
from codegen.lexical import gate
from codegen.literals import rational_kernels
from codegen.marked import Sequences, check_marks
from codegen.numeric import check_integers, check_uint64, degree
from codegen.packed import check_packed
from codegen.permitted import check_permitted
from codegen.plan import Plan, plan_of
from codegen.rational import check_rational_classes, check_rational_shipped
from codegen.rational_tables import check_tables
from codegen.real import check_reals
from codegen.record import Check, ValidationRecord
from codegen.relation import Relation, relation_of
from codegen.rig import KeptRig, Marks, Rig
from codegen.selection import check_selection
from codegen.shared import check_threads, threads_of
from codegen.traced import check_trace as check_trace
from codegen.traced import check_traces
from codegen.variants import Watched
from derive.numbers_reals import ULPS

LEVELS = ("fast", "exact")


def validate(artefact: Artefact, level: str = "fast", seed: int | None = None) -> ValidationRecord:
    """Checks an artefact; returns what was established or raises at the first refusal.

    Args:
        level: "fast" is the gate on the text, the shipped binary on small whole numbers and one traced run
            a kernel; a kernel whose definition the trace cannot follow (more than two factors, or a product
            that is a term of several entries) is run on numbers modulo 2^64 instead. "exact" adds a second
            traced run on left-over workspace, numbers modulo 2^64 and modulo 2^61 - 1, real numbers and the
            branch marks.
        seed: of the random operands; fresh where None. The record holds it.

    Raises:
        BuildError: a check refused; names the kernel, the entry, what it is and what it should be.
        LimitError: the definition is too large to trace.
    """
    if level not in LEVELS:
        raise BuildError(
            "no such level of validation", where="level", expected=" or ".join(LEVELS), got=repr(level)
        )
    start, at = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    watched = Watched(artefact)
    artefact = replace(artefact, load_variant=watched)
    seed = secrets.randbits(64) if seed is None else seed
    rng = np.random.default_rng(seed)
    marks: Sequences = {kernel: [] for kernel in artefact.equations}
    exactly = products(artefact)
    checks = [_lexical(artefact, exactly)]
    rational = rational_kernels(artefact.pyx_text, exactly)
    with one_thread(), ThreadPoolExecutor(1) as beside:
        others = [kernel for kernel in artefact.equations if kernel not in rational]
        first, second = rng.spawn(2)
        classes = beside.submit(_class_builds, artefact, level, first, marks, others, exactly)
        formulas = beside.submit(_rational_classes, artefact, level, second, marks, rational)
        checks += _shipped(artefact, level, rng, rational)
        rounded = {kernel: check_rational_shipped(artefact, kernel, rng) for kernel in rational}
        checks += classes.result()
        for kernel, found in formulas.result().items():
            checks += [rounded[kernel], *found]
    checks += _ways(artefact, rng)
    if level == "exact":
        checks += check_marks(artefact, marks)
    seconds = round(time.perf_counter() - start, 3)
    c_digest, element = file_digest(artefact.c_path), (artefact.dtype, artefact.lanes)
    return ValidationRecord(level, *element, seed, seconds, tuple(checks), at, c_digest, watched.listed)


def _class_builds(
    artefact: Artefact,
    level: str,
    rng: np.random.Generator,
    marks: Sequences,
    kernels: Sequence[str],
    exactly: Sequence[str],
) -> list[Check]:
    """The kernels as other elements run them; `exactly` are those of the module that are sums of products.

    This goes on beside the runs of the shipped binary: it compiles and calls, which holds no lock, and draws
    from a generator of its own. What the shipped binary is refused for is reported first.
    """
    plain = kernels if len(exactly) == len(artefact.equations) else []
    plans = {kernel: traceable(relation_of(artefact.equations[kernel])) for kernel in plain}
    modular = [k for k, plan in plans.items() if plan is None or level == "exact"]
    over_field = [k for k in kernels if level == "exact" or k not in plain]
    return [
        *_traced(artefact, level, marks, plans),
        *_modular(artefact, rng, marks, modular),
        *_over_field(artefact, rng, marks, over_field, exactly),
    ]


def _rational_classes(
    artefact: Artefact, level: str, rng: np.random.Generator, marks: Sequences, kernels: Sequence[str]
) -> dict[str, list[Check]]:
    """The kernels with rational constants as other elements run them, in modules that the others leave."""
    return {kernel: list(check_rational_classes(artefact, kernel, level, rng, marks)) for kernel in kernels}


def _lexical(artefact: Artefact, exactly: Sequence[str]) -> Check:
    functions = gate(artefact.pyx_text)
    tables = {name for own in artefact.constants.values() for name in own}
    tables |= artefact.layer.tables(artefact.shape).keys() if artefact.layer is not None else set()
    of_layer = _facts(artefact), artefact.operand_order, tables
    check_permitted(artefact.pyx_text, artefact.equations, exactly, *of_layer)
    return Check(
        "text",
        "lexical",
        "kernels are written with the element operations that their equations need, whole numbers, for and "
        "if on whole numbers alone, and read no variable before it has a value; around them stands nothing "
        "but the declarations and entries of the template",
        "deterministic",
        {"functions": list(functions)},
    )


def _shipped(
    artefact: Artefact, level: str, rng: np.random.Generator, rational: Sequence[str]
) -> Iterator[Check]:
    """Every kernel but the `rational` ones of the binary that ships."""
    module = artefact.load_variant((SHIPPED_ELEMENT[artefact.dtype],))
    plain = products(artefact)
    for kernel in (k for k in artefact.equations if k not in rational):
        rig = Rig(artefact, kernel, module, artefact.dtype)
        if kernel not in plain:
            yield check_bounded(artefact, rig, rng, measured(artefact.dtype))
            yield from _functions(artefact.dtype, kernel, functions_of(rig.claim))
            yield from _selected(artefact, rig, level, rng)
            continue
        yield check_integers(rig, rng)
        yield from check_tables(artefact, rig, rng)
        if level == "exact":
            yield check_reals(rig, rng)


def _ways(artefact: Artefact, rng: np.random.Generator) -> Iterator[Check]:
    """The other ways to run kernels: with the weight packed beforehand, on several threads."""
    for kernel in artefact.equations:
        packs, shares = artefact.packed.get(kernel, 0) > 0, threads_of(artefact.pyx_text, kernel) > 1
        if packs or shares:
            module = artefact.load_variant((SHIPPED_ELEMENT[artefact.dtype],))
            rig = Rig(artefact, kernel, module, artefact.dtype)
            yield from [check_packed(artefact, rig, rng)] if packs else []
            yield from [check_threads(artefact, rig, rng)] if shares else []


def _selected(artefact: Artefact, rig: Rig, level: str, rng: np.random.Generator) -> Iterator[Check]:
    """The weak orders of a selecting kernel's windows: what it gives, and the codes that it keeps."""
    layer = artefact.layer
    codes = layer.codes(artefact.shape) if layer is not None else {}
    first = {name: code for name, code in codes.items() if code.first}
    if not first:
        return
    kept = artefact.kept.get(rig.kernel, {})
    rigs = [rig, *(KeptRig(artefact, rig.kernel, rig.module, rig.dtype, operand) for operand in kept)]
    for each in rigs:
        check = check_selection(each, first, level, rng=rng)
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
    facts = _facts(artefact)
    special = {*facts.codes, *facts.shifts}
    return [
        kernel
        for kernel, claim in artefact.equations.items()
        if linear(claim, facts) and not special & {t.name for t in relation_of(claim).operands}
    ]


def _facts(artefact: Artefact) -> Facts:
    return facts_of(artefact.layer, artefact.shape) if artefact.layer is not None else NOTHING


def _over_field(
    artefact: Artefact,
    rng: np.random.Generator,
    marks: Sequences,
    kernels: Sequence[str],
    exactly: Sequence[str],
) -> Iterator[Check]:
    """Kernels over the prime field; `exactly` are those that are sums of products."""
    if not kernels:
        return
    module = artefact.load_variant((ELEMENT,))
    recorder = Marks(module)
    for kernel in kernels:
        recorder.reset()
        rig = Rig(artefact, kernel, module, np.uint64)
        pairs = kernel in exactly and degree(rig.relation) <= 2
        check = check_sums(rig, rng) if pairs else check_field(artefact, rig, rng)
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
) -> Sequence[Check]:
    kernels = {kernel: plan for kernel, plan in plans.items() if plan is not None}
    return check_traces(artefact, kernels, marks, 2 if level == "exact" else 1) if kernels else []
