"""Owns the check of a kernel's skeleton: the same text over a prime field, every function unknown.

The C file that ships is compiled with elements of GF(2^61 - 1) behind the same names: sums, products and
inverses are exact, every other function is a fixed mixing of bits. Every entry of the result is compared
with the definition over the same field: of a sum of products its terms, of anything else its reverse
differentiation; no closed form and no helper of the proof enters. What remains open are the functions
themselves, which are measured, and rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np

from codegen.artefact import Artefact
from codegen.draws import Array, Draw, drawn
from codegen.facts import reached
from codegen.numeric import compare, degree
from codegen.record import Check
from codegen.reference import evaluate, terms_of
from codegen.relation import Family, Relation, entries
from codegen.rig import Rig
from derive.claim import Claim
from derive.expr import Apply, Read
from derive.judge_field import missed
from derive.numbers_field import PRIME, Elements, Field, reduced, residue, times

ELEMENT = "BF_ELEMENT_FIELD"
RUNS = 2


def check_field(artefact: Artefact, rig: Rig, rng: np.random.Generator, runs: int = RUNS) -> Check:
    """A kernel over the field against its definition, from poison and then on left-over workspace.

    Args:
        rig: of the variant compiled with ELEMENT, of dtype uint64.

    Raises BuildError naming the first entry that differs.
    """
    field, functions = Field(), functions_of(rig.claim)
    for run in range(runs):
        given = drawn(artefact, rig.kernel, field, _uniform(rng), field.constants, rng, chosen=run == 0)
        if run == 0:
            rig.poison()
        found = rig.run(given.elements)
        compare(rig, found, given.values.left(rig.claim), f"numbers modulo 2^61 - 1, run {run + 1}")
    chance = missed(rig.claim)
    power = (chance.denominator // chance.numerator).bit_length() - 1
    unknown = [f for f in functions if f != "recip"]
    said = f"with {', '.join(unknown)} as unknown functions" if unknown else "without unknown functions"
    return Check(
        rig.kernel,
        "field",
        f"the text over numbers modulo 2^61 - 1, {said}, gives what reverse differentiation of the "
        f"definition gives, at each of {len(found)} entries in {runs} runs, the first from poison, the next "
        "on the workspace that run left",
        "deterministic for these operands; if the mixing of bits is as good as random functions, a formula "
        f"of the equation's degree that differs passes a run with probability at most 2^-{power}",
        {"runs": runs, "entries": len(found), "functions": functions},
    )


def _uniform(rng: np.random.Generator) -> Draw:
    def draw(name: str, count: int) -> Array:
        return rng.integers(0, PRIME, count, np.uint64)

    return draw


def functions_of(claim: Claim) -> list[str]:
    """The functions that a claim's right side applies, by name."""
    bodies = [*(d.body for d in reached(claim)), claim.right.body]
    return sorted({f.function for b in bodies for t in b.terms for f in t.factors if isinstance(f, Apply)})


def check_sums(rig: Rig, rng: np.random.Generator, runs: int = RUNS) -> Check:
    """A sum of products over the field against its terms; rig, runs and errors are those of `check_field`."""
    for run in range(runs):
        data = {t.name: rng.integers(0, PRIME, entries(t), np.uint64) for t in rig.inputs}
        if run == 0:
            rig.poison()
        found = rig.run(data)
        compare(rig, found, modulo_prime(rig.relation, data), f"numbers modulo 2^61 - 1, run {run + 1}")
    return Check(
        rig.kernel,
        "field",
        f"the text over numbers modulo 2^61 - 1 gives the sum of the definition's terms at each of "
        f"{len(found)} entries in {runs} runs on random operands, the first from poison, the next on the "
        "workspace that run left",
        f"a run misses a difference of degree {degree(rig.relation)} that has a coefficient not divisible by "
        f"p = 2^61 - 1 with probability at most {degree(rig.relation)}/p",
        {"runs": runs, "entries": len(found), "functions": []},
    )


def modulo_prime(relation: Relation, data: Mapping[str, Array]) -> Elements:
    """The relation's values modulo 2^61 - 1, flat; `data` by operand name, every number below the prime."""
    total = np.zeros(entries(relation.result), np.uint64)
    for family in relation.families:
        total = reduced(total + _family_modulo_prime(Relation(relation.result, (family,)), data))
    return total


def _family_modulo_prime(relation: Relation, data: Mapping[str, Array]) -> Elements:
    """The values of one family: factors cut into limbs so short that every sum of their products is exact.

    One or two factors are multiplied as doubles, whose products of matrices are quick, more as whole numbers.
    """
    (family,) = relation.families
    count, most = len(family.factors), int(terms_of(relation).max(initial=0))
    dtype, room = (np.float64, 53) if count <= 2 else (np.uint64, 64)
    apart = _apart(family)
    bits = min(61, (room - most.bit_length()) // max(count, 1))
    sums: dict[int, Elements] = {}
    for places in product(range(-(-61 // bits)), repeat=count):
        limbs = {
            part.tensor.name: _limb(data[whole.tensor.name], bits, place).astype(dtype)
            for part, whole, place in zip(apart.factors, family.factors, places, strict=True)
        }
        summed = evaluate(Relation(relation.result, (apart,)), limbs).reshape(-1).astype(np.uint64)
        at = sum(places)
        sums[at] = reduced(sums[at] + reduced(summed)) if at in sums else reduced(summed)
    total = np.zeros(entries(relation.result), np.uint64)
    for at, summed in sums.items():
        total = reduced(total + times(summed, _number(2 ** (bits * at % 61))))
    return times(total, _number(residue(family.coefficient)))


def _limb(numbers: Array, bits: int, place: int) -> Array:
    """The digits of numbers to base 2^bits at one place."""
    return (numbers >> np.uint64(bits * place)) & np.uint64(2**bits - 1)


def _number(value: int) -> Elements:
    return np.array([value], np.uint64)


def _apart(family: Family) -> Family:
    """The family without its coefficient, its factors tensors of different names."""
    reads = (Read(replace(f.tensor, name=f"{i}"), f.index) for i, f in enumerate(family.factors))
    return replace(family, factors=tuple(reads), coefficient=Fraction(1))
