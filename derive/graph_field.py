"""Owns the judge of larger graphs: reverse differentiation of the definitions against the backward pass.

Both are evaluated at random inputs over the numbers modulo 2^61 - 1, where every function is a random one
(`numbers_field.RandomField`), at every entry of every gradient. Reverse differentiation (`evaluate.py`) sees
the forward definitions and the table of derivatives, no closed form and no chain of layers.

**What a miss costs.** Take the input entries, and the value of each function at each argument, as
indeterminates. Say the two sides differ as rational functions. They still agree at a random point only if (a)
the difference vanishes there, or (b) two arguments of a function that differ as rational functions meet
there, or (c) something that is inverted vanishes. Each of these is a rational function whose numerator has at
most degree D, so each happens with probability at most D/p (Schwartz, Zippel); with A arguments of functions
and R inverted entries there are fewer than A^2 + R + 1 of them. A miss in each of n independent trials has
the n-th power of the sum. Chosen places of a selection come from other values, drawn before, so that they do
not depend on the point.

**The degree.** An entry of an input has degree 1, a product the sum of its factors' degrees, a sum the
largest of its terms', a function value 1; reverse differentiation adds the degrees of the other factors and
of f'. With r = 1/T an entry is a polynomial in r; clearing all R_T denominators of degree d_T multiplies a
degree D by at most 1 + R_T d_T, for each inverted tensor T in turn.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor, log2, prod
from typing import Any

import numpy as np

from derive.errors import LimitError, ProofError
from derive.evaluate import Evaluator
from derive.exhaust_rows import sizes
from derive.expr import Apply, Definition, Factor, Tensor, entry_of
from derive.functions import DERIVATIVE, IDENTITY, INVERSE
from derive.graph_numbers import places_taken
from derive.graph_setting import Composed
from derive.numbers_field import PRIME, RandomField

BITS = 40
"""A miss has at most probability 2^-BITS."""

MOST_PRODUCTS = 100_000_000
"""Products of all definitions, forward and backward, of a graph that is evaluated (some minutes)."""

MOST_TRIALS = 8


@dataclass(frozen=True)
class Bound:
    """What the probability of a miss is made of."""

    degree: int
    arguments: int
    inverted: int

    @property
    def trials(self) -> int:
        return ceil(BITS / self.bits)

    @property
    def bits(self) -> float:
        """-log2 of the probability that one trial misses."""
        cases = self.arguments**2 + self.inverted + 1
        return log2(PRIME) - log2(self.degree * cases)


def bound(composed: Composed) -> Bound:
    """Degree of what is compared, and how many arguments functions and inverses have."""
    degree = degrees(composed)
    backward = derivative_degrees(composed, degree)
    uses = {(f.function, f.of.tensor) for f in applications(composed)}
    inverted = {tensor for name, tensor in uses if name == INVERSE}
    cleared = prod(1 + entries(t) * max(1, degree[t.name]) for t in inverted)
    most = max(1, *degree.values(), *backward.values()) * cleared
    named = {(n, t) for f, t in uses for n in (f, *(g for _, names in DERIVATIVE.get(f, ()) for g in names))}
    arguments = sum(entries(t) for n, t in named if n not in (INVERSE, IDENTITY))
    return Bound(most, arguments, sum(map(entries, inverted)))


def degrees(composed: Composed) -> dict[str, int]:
    """The degree of each tensor's entries; a function's value has degree 1."""
    found = {t.name: 0 if t.name in composed.tables else 1 for t in composed.setting.inputs}
    for definition in composed.setting.definitions:
        terms = [sum(_degree(f, found) for f in t.factors) for t in definition.body.terms]
        found[definition.tensor.name] = max(terms, default=0)
    return found


def _degree(factor: Factor, known: Mapping[str, int]) -> int:
    entry = entry_of(factor)
    assert entry is not None, "a definition holds no derivative"
    return 1 if isinstance(factor, Apply) else known[entry.tensor.name]


def derivative_degrees(composed: Composed, known: Mapping[str, int]) -> dict[str, int]:
    """The degree of d L/d T for each tensor, as reverse differentiation adds it up."""
    found = {composed.scalar.tensor.name: 0}
    for definition in reversed(composed.setting.definitions):
        incoming = found.get(definition.tensor.name)
        if incoming is None:
            continue
        for term in definition.body.terms:
            total = incoming + sum(_degree(f, known) for f in term.factors)
            for factor in term.factors:
                entry = entry_of(factor)
                assert entry is not None, "a definition holds no derivative"
                name = entry.tensor.name
                passed = total - _degree(factor, known) + _slope(factor, known[name])
                found[name] = max(found.get(name, 0), passed)
    return found


def _slope(factor: Factor, argument: int) -> int:
    """The degree of the derivative of a factor by its own entry."""
    if not isinstance(factor, Apply):
        return 0
    terms = (sum(argument if n == IDENTITY else 1 for n in names) for _, names in DERIVATIVE[factor.function])
    return max(terms, default=0)


def applications(composed: Composed) -> list[Apply]:
    """Every function of an entry in the definitions."""
    terms = [t for d in composed.setting.definitions for t in d.body.terms]
    return [f for t in terms for f in t.factors if isinstance(f, Apply)]


def entries(tensor: Tensor) -> int:
    return prod(sizes(tensor))


def work(composed: Composed) -> int:
    """Products of all definitions, conditions not looked at."""
    return sum(_products(d) for d in composed.setting.definitions)


def _products(definition: Definition) -> int:
    cells = prod(int(i.extent.evaluate({})) for i in definition.indices)
    return cells * sum(prod(int(i.extent.evaluate({})) for i in t.indices) for t in definition.body.terms)


def judge(composed: Composed, names: tuple[str, ...], seed: int | None = None) -> tuple[int, str, str]:
    """Every entry of the named gradients: how many, the label, and a line on what was done.

    Raises ProofError at the first entry that differs, LimitError where the work or the bound is too large.
    """
    if work(composed) > MOST_PRODUCTS:
        raise LimitError(
            "graph too large to evaluate",
            where="prove",
            expected=f"at most {MOST_PRODUCTS:,} products in all definitions",
            got=f"{work(composed):,}",
            mend="use a smaller batch or image; what is composed does not depend on the size",
        )
    limit = bound(composed)
    if limit.bits <= BITS / MOST_TRIALS:
        raise LimitError(
            "graph too deep for a useful bound", where="prove", got=f"2^-{max(0.0, limit.bits):.1f} a trial"
        )
    seed = int.from_bytes(os.urandom(4)) if seed is None else seed
    compared = 0
    for child in np.random.SeedSequence(seed).spawn(limit.trials):
        compared = _trial(composed, names, np.random.default_rng(child))
    label = f"CHECKED, miss probability <= 2^-{floor(limit.bits * limit.trials)}"
    said = (
        f"reverse differentiation of the composed definitions, numbers modulo 2^61 - 1, functions at random: "
        f"{compared:,} entries agree in {limit.trials} trials, seed {seed}"
    )
    return compared, label, said


def _trial(composed: Composed, names: tuple[str, ...], rng: np.random.Generator) -> int:
    numbers = RandomField(rng)
    evaluator = Evaluator(
        composed.setting,
        numbers,
        tables=composed.tables,
        parameters=composed.parameters,
        codes=composed.codes,
    )
    chosen = _choices(composed, evaluator, numbers)
    values = evaluator.at(_inputs(composed, numbers) | chosen)
    compared = 0
    for name in names:
        claim = composed.claim(name)
        left, right = values.left(claim), values.right(claim)
        if differing := np.flatnonzero(left != right).tolist():
            at = np.unravel_index(differing[0], sizes(claim.target) or (1,))
            raise ProofError(
                "the gradient is not the derivative of the composed loss",
                where=f"d L/d {name}{[int(i) for i in at]}",
                expected=f"{int(left[differing[0]])} modulo 2^61 - 1, by reverse differentiation",
                got=f"{int(right[differing[0]])}",
            )
        compared += len(left)
    return compared


def _inputs(composed: Composed, numbers: RandomField) -> dict[str, Any]:
    """Random entries for every input; tables and indicators get theirs elsewhere."""
    skipped = {*composed.tables, *composed.codes}
    given = [t for t in composed.setting.inputs if t.name not in skipped]
    return {t.name: numbers.random(entries(t)) for t in given}


def _choices(composed: Composed, evaluator: Evaluator, numbers: RandomField) -> dict[str, Any]:
    """The codes of every indicator, from values of their own."""
    found: dict[str, Any] = {}
    computed = {code.operand for code in composed.codes.values() if code.first}
    for name, code in composed.codes.items():
        if code.operand not in computed:
            shape = sizes(evaluator.tensors[name])
            entries_of_codes = prod(shape[axis] for axis in code.lead)
            found[code.operand] = numbers.rng.integers(0, code_range(composed, name), entries_of_codes)
    return found | places_taken(composed, evaluator, _inputs(composed, numbers) | found)


def code_range(composed: Composed, name: str) -> int:
    """One more than the largest code that an indicator's value can be."""
    code = composed.codes[name]
    shape = sizes(next(t for t in composed.setting.inputs if t.name == name))
    corner = {f"x{i}": n - 1 for i, n in enumerate(shape)}
    return int(code.value.evaluate(corner)) + 1
