"""Owns the judge of a layer's fast form: both sides at the layer's lengths over GF(2^61 - 1).

The left side is the layer's own definition, or reverse differentiation of it; the right side evaluates the
form's definitions with the numbers of its tables. Channels, groups and batch are one: a form is the same sum
for each of them. The difference of two sides that are not the same polynomial, coefficients taken modulo the
prime, is a polynomial of degree at most 2 in uniform inputs: missed with probability at most 2 / p (Schwartz,
Zippel).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from derive.claim import Claim
from derive.errors import ProofError
from derive.evaluate import Evaluator
from derive.exhaust_rows import sizes
from derive.fast_claim import entry_named
from derive.fast_form import FastForm
from derive.numbers_field import RandomField, generator

LABEL = "CHECKED, miss probability <= 2^-60"
ONE = ("N", "groups", "C", "K")
"""Sizes that are 1 for the judge."""


@dataclass(frozen=True)
class FastVerdict:
    """What was compared: entries of the output or of the gradient."""

    entries: int
    seed: int
    label: str = LABEL


def judge_fast(form: FastForm, operand: str, seed: int = 0) -> FastVerdict:
    """Both sides of a form's claim at every entry; ProofError at the first entry at which they differ."""
    at = {**form.sizes, **dict.fromkeys(ONE, 1)}
    own, claim = form.own(operand, at), form.claim(operand, at)
    field = RandomField(generator(seed))
    inputs = {t.name: field.random(prod(sizes(t))) for t in own.setting.inputs}
    left = Evaluator(own.setting, field).at(inputs).left(own)
    right = Evaluator(claim.setting, field, tables=form.tables(operand)).at(inputs).right(claim)
    shape = sizes(own.target)
    found = untiled(right, claim, shape)
    wrong = np.flatnonzero(np.asarray(left) != found)
    if len(wrong):
        place = tuple(int(i) for i in np.unravel_index(int(wrong[0]), shape))
        raise ProofError(
            "the fast form is not the layer",
            where=f"{own.target.name}{list(place)} of {form!r}",
            expected=f"{int(left[wrong[0]])} mod 2^61 - 1",
            got=f"{int(found[wrong[0]])} mod 2^61 - 1",
        )
    return FastVerdict(prod(shape), seed)


def untiled(values: Any, claim: Claim, shape: tuple[int, ...]) -> Any:
    """Entries of the right side at the places that the left side names; what is beyond the tensor is cut off.

    ProofError where they are not each entry of the tensor once.
    """
    right = sizes(claim.right.tensor)
    grid = np.indices(right).reshape(len(right), -1)
    at = {index.name: row for index, row in zip(claim.right.indices, grid, strict=True)}
    places = [np.broadcast_to(f.evaluate(at), grid.shape[1:]) for f in entry_named(claim).index]
    inside = np.logical_and.reduce([p < extent for p, extent in zip(places, shape, strict=True)])
    flat = np.ravel_multi_index([p[inside] for p in places], shape)
    if not np.array_equal(np.sort(flat), np.arange(prod(shape))):
        raise ProofError("tiles do not give each entry once", where=str(claim.left), expected=str(shape))
    return np.asarray(values).reshape(-1)[inside][np.argsort(flat)]
