"""Owns the checks of kernels whose text multiplies by rational constants of its own (class "rational").

Such a text (Winograd's transforms) reaches its equation by another formula: no trace can follow it, and its
results on whole numbers are rounded. What decides is the same text over GF(2^61 - 1), where n / d is n times
the inverse of d, compared with the definition's terms at every entry; how far the shipped binary may be from
the exact value is not a tolerance but computed, by the same text on magnitudes (elem_bound.h). Operands with
few entries that are not zero make that bound so small that a constant off in its sixth digit is beyond it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.field import ELEMENT, modulo_prime
from codegen.literals import constants_of
from codegen.marked import Sequences
from codegen.numeric import compare, degree, missed
from codegen.rational_shipped import bound_element, check_rounded
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import entries
from codegen.rig import Marks, Rig
from codegen.traced import LARGE
from codegen.variants import copied
from derive.numbers_field import PRIME, times

Array = NDArray[Any]
RUNS = 2
LARGEST_GRADE = 2**40


def check_rational_shipped(artefact: Artefact, kernel: str, rng: np.random.Generator) -> Check:
    """The shipped binary on whole numbers, within what its own roundings can do. Raises BuildError."""
    shipped = artefact.load_variant((SHIPPED_ELEMENT[artefact.dtype],))
    sized = artefact.load_variant(bound_element(artefact.dtype))
    rig = Rig(artefact, kernel, shipped, artefact.dtype)
    large = int(terms_of(rig.relation).sum()) >= LARGE
    bound = Rig(artefact, kernel, sized, np.complex128)
    return check_rounded(
        rig, bound, rng, Rig(artefact, kernel, copied(sized), np.complex128) if large else None
    )


def check_rational_classes(
    artefact: Artefact, kernel: str, level: str, rng: np.random.Generator, marks: Sequences
) -> Iterator[Check]:
    """The text over the field, at "exact" also over whole numbers modulo 2^64 where it is graded.

    Appends the branch marks of these builds. Raises BuildError at the first refusal.
    """
    with_field = artefact.load_variant((ELEMENT,))
    recorder = Marks(with_field)
    recorder.reset()
    found = check_rational_field(artefact, Rig(artefact, kernel, with_field, np.uint64), rng)
    marks[kernel].append((ELEMENT, RUNS + 1, recorder.sequence()))
    yield found.check
    if level == "exact" and found.grade is not None:
        element = "BF_ELEMENT_UINT64"
        whole = artefact.load_variant((element,))
        recorder = Marks(whole)
        recorder.reset()
        yield check_graded(Rig(artefact, kernel, whole, np.uint64), found.grade, rng, RUNS)
        marks[kernel].append((element, RUNS, recorder.sequence()))


@dataclass(frozen=True)
class OverField:
    """What the runs over the field established.

    Attributes:
        grade: K where the text with its denominators left out gives K times the result, else None: paths to
            an entry pass denominators of other products.
    """

    check: Check
    grade: int | None


def check_rational_field(artefact: Artefact, rig: Rig, rng: np.random.Generator) -> OverField:
    """The text over GF(2^61 - 1) against the definition, from poison and then on what that left.

    A third run leaves all denominators out. If it gives one number K times the result at every entry, and K
    is made of the text's denominators, the text is graded: it also has a meaning over whole numbers.

    Raises BuildError naming the first entry that differs.
    """
    for run in range(RUNS):
        data = {t.name: rng.integers(0, PRIME, entries(t), np.uint64) for t in rig.inputs}
        if run == 0:
            rig.poison()
        found = rig.run(data)
        exact = modulo_prime(rig.relation, data)
        compare(rig, found, exact, f"numbers modulo 2^61 - 1, run {run + 1}")
    constants = constants_of(artefact.pyx_text, rig.called)
    grade = _grade(exact, _numerators(rig, data), constants)
    power = degree(rig.relation)
    said = f"; with the denominators left out it gives {grade} times that" if grade else ""
    check = Check(
        rig.kernel,
        "field",
        f"the text over numbers modulo p = 2^61 - 1, its {len(constants)} constants n/d as n times "
        f"the inverse of d, gives the sum of the definition's terms at each of {len(exact)} entries in "
        f"{RUNS} runs on random operands, the first from poison, the next on what that left{said}",
        f"a run misses a difference of degree {power} that has a coefficient not divisible by p, constants "
        f"multiplied out, with probability at most {power}/p",
        {"runs": RUNS, "entries": len(exact), "constants": len(constants), "grade": grade or 0},
    )
    return OverField(check, grade)


def _numerators(rig: Rig, data: dict[str, Array]) -> Array:
    """The result with every constant n/d taken for n; branches are marked in the other runs."""
    assert rig.module.__file__ is not None
    library = ctypes.CDLL(rig.module.__file__)
    library.bf_numerators.argtypes, library.bf_numerators.restype = (ctypes.c_int,), None
    library.bf_numerators(1)
    try:
        return rig.run(data).copy()
    finally:
        library.bf_numerators(0)


def _grade(exact: Array, bare: Array, constants: frozenset[tuple[int, int]]) -> int | None:
    """K with bare = K * exact modulo p, made of primes of the denominators; None where there is none."""
    live = np.flatnonzero(exact)
    if not live.size:
        return None
    first = int(live[0])
    grade = int(bare[first]) * pow(int(exact[first]), -1, PRIME) % PRIME
    if not np.array_equal(times(exact, np.full_like(exact, grade)), bare):
        return None
    return grade if 0 < grade < LARGEST_GRADE and _made_of(grade, constants) else None


def _made_of(grade: int, constants: frozenset[tuple[int, int]]) -> bool:
    """Whether a number is a product of primes of the denominators as they are written."""
    return pow(lcm(*(d for _, d in constants)), grade.bit_length(), grade) == 0


def check_graded(rig: Rig, grade: int, rng: np.random.Generator, draws: int = 2) -> Check:
    """The text over whole numbers modulo 2^64, each constant its numerator: `grade` times the definition."""
    for draw in range(draws):
        data = {t.name: rng.integers(0, 2**64, entries(t), np.uint64) for t in rig.inputs}
        if draw == 0:
            rig.poison()
        exact = evaluate(rig.relation, data) * np.uint64(grade)
        compare(rig, rig.run(data), exact, f"numerators modulo 2^64, draw {draw + 1}")
    power, even = degree(rig.relation), (grade & -grade).bit_length() - 1
    chance = f"{float(missed(power)):.6g} * 2^-{64 - even}"
    return Check(
        rig.kernel,
        "uint64",
        f"the text over numbers modulo 2^64, each constant n/d its numerator n, gives {grade} times the "
        f"definition on {draws} random draws, the first from poison",
        f"a draw misses a difference of degree {power}, times {grade}, that has a coefficient not divisible "
        f"by 2^{even + 1} and is linear in each operand with probability at most {chance}",
        {"draws": draws, "entries": entries(rig.relation.result), "grade": grade},
    )
