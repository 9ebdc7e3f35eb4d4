"""Owns the check of a kernel's skeleton: the same text over a prime field, every function unknown.

The C file that ships is compiled with elements of GF(2^61 - 1) behind the same names: sums, products and
inverses are exact, every other function is a fixed mixing of bits. Every entry of the result is compared
with reverse differentiation of the layer's definition over the same field; no closed form and no helper of
the proof enters. What remains open are the functions themselves, which are measured, and rounding.
"""

from __future__ import annotations

import numpy as np

from codegen.artefact import Artefact
from codegen.draws import Array, Draw, drawn
from codegen.facts import reached
from codegen.numeric import compare
from codegen.record import Check
from codegen.rig import Rig
from derive.claim import Claim
from derive.expr import Apply
from derive.judge_field import missed
from derive.numbers_field import PRIME, Field

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
    said = f"{', '.join(unknown)} unknown functions" if unknown else "without unknown functions"
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
