"""Theorems between layers against PyTorch: both sides computed there, on whole numbers, exactly.

Operands are small whole numbers, so that float64 rounds nothing and equality is equality; a pool's share is a
whole number too (the theorems hold for every value), and PyTorch divides by 1 through divisor_override.
"""

from __future__ import annotations

import random
from math import prod
from typing import Any

import pytest
from between_cases import BILINEAR, CASES
from between_torch import Sized, Sizes, Tensors, torch
from evaluate import Evaluator, draw

from derive.between import theorem_between, theorems_between
from derive.instance import claim_at
from derive.layers.base import user_shape


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


def test_every_part_has_a_case() -> None:
    assert set(CASES) == {(n, part) for n, t in theorems_between().items() for part in t.claims(2)}
