"""Theorems between layers against PyTorch: both sides computed there, on whole numbers, exactly.

Operands are small whole numbers, so that float64 rounds nothing and equality is equality; a pool's share is a
whole number too (the theorems hold for every value), and PyTorch divides by 1 through divisor_override.
"""

from __future__ import annotations

import random
from math import prod
from typing import Any

import numpy as np
import pytest
from between_cases import BILINEAR, CASES
from between_defined import DEFINED
from between_torch import Sized, Sizes, Tensors, torch
from evaluate import Evaluator, draw

from derive.between import theorem_between, theorems_between
from derive.evaluate import Evaluator as Stages
from derive.instance import claim_at
from derive.layers.base import user_shape
from derive.numbers_reals import Reals


def values(title: str, part: str, sizes: Sizes) -> tuple[Tensors, Any]:
    """Drawn operands as PyTorch tensors, and our right side evaluated on them by plain loops."""
    claim = claim_at(theorem_between(title).claims(2)[part], sizes)
    arrays = draw(claim, random.Random(f"{title} {part}"))
    if title == "bilinear-adjoint":
        for name, entries in BILINEAR.tables((1, 2, 3, 2)).items():
            # four times the weights, which are multiples of 1/4 here: plain loops on whole numbers
            arrays[name] = {i: int(4 * v) for i, v in zip(arrays[name], entries, strict=True)}
    tensors: Tensors = {}
    for tensor in claim.setting.inputs:
        shape = user_shape(tensor, sizes)
        listed = [arrays[tensor.name][i] for i in sorted(arrays[tensor.name])]
        tensors[tensor.name] = torch.tensor(listed, dtype=torch.float64).reshape(shape or ())
    right = Evaluator(claim, arrays).right()
    ours = torch.tensor([right[i] for i in sorted(right)], dtype=torch.float64)
    return tensors, ours.reshape(user_shape(claim.target, sizes) or ())


@pytest.mark.parametrize(("title", "part"), CASES)
def test_both_sides_in_torch(title: str, part: str) -> None:
    sizes, left, right = CASES[title, part]
    tensors, ours = values(title, part, sizes)
    at = Sized(sizes)
    one, two = left(tensors, at), right(tensors, at)
    if title == "bilinear-adjoint":
        one = one * 16
    assert one.shape == two.shape == ours.shape and prod(one.shape)
    assert one.abs().sum() > 0, "the case says nothing"
    assert torch.equal(one, two) and torch.equal(one, ours)


ENTROPY = theorem_between("softmax-cross-entropy").claims(2)
SIZES = {"N": 2, "C": 4, "H": 2, "W": 3}


def entropy_in_torch(part: str, given: Tensors) -> Any:
    """The gradient that the part is about, by PyTorch's autograd of its own softmax and logarithm."""
    x = given["input"].requires_grad_(True)
    y = given["portions"] / given["portions"].sum(1, keepdim=True) if part == "sum 1" else given["target"]
    p = torch.log(torch.softmax(x, 1)) if part == "layers" else torch.log_softmax(x, 1)
    (found,) = torch.autograd.grad(-(y * p).sum(), x)
    return found


@pytest.mark.parametrize("part", [p for p in ENTROPY if p != "shift"])
@pytest.mark.parametrize("wrong", [False, True])
def test_softmax_and_cross_entropy_in_torch(part: str, wrong: bool) -> None:
    """Our right side with its derived bound, which PyTorch's computation may be off by as well.

    Sabotage: the same with one target entry changed in its last digits is outside of the bound.
    """
    claim = claim_at(ENTROPY[part], SIZES)
    rng = np.random.default_rng(5)
    arrays = {
        t.name: rng.uniform(0.1, 2, [int(n.constant or 0) for n in t.shape]) for t in claim.setting.inputs
    }
    at = Stages(claim.setting, reals := Reals("float64")).at(arrays)
    ours = at.right(claim)
    given = {n: torch.tensor(a) for n, a in arrays.items()}
    if wrong:
        given["portions" if part == "sum 1" else "target"][0, 1, 0, 0] *= 1 + 1e-11
    theirs = entropy_in_torch(part, given).numpy().reshape(-1)
    apart = np.abs(theirs - reals.plain(ours)) <= 2 * reals.error(ours)
    assert not apart.all() if wrong else apart.all()


def test_every_part_has_a_case() -> None:
    cases = {*CASES, *DEFINED, *(("softmax-cross-entropy", part) for part in ENTROPY)}
    assert cases == {(n, part) for n, t in theorems_between().items() for part in t.claims(2)}
