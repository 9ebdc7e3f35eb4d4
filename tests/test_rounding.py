"""The estimate of rounding beside sums that are really rounded, and which plans the first tier has by it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from random import Random
from typing import Any

import numpy as np
import pytest

from codegen.contraction import contractions
from codegen.produce import claims_of
from codegen.schedules import peers, winograd
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.rounding import (
    HALF,
    KINDS,
    NORMAL,
    UNIFORM,
    Kind,
    Sizes,
    of_sum,
    of_winograd,
    partial_sums,
)
from codegen.winograd_emulated import Rounding, fast, summed
from derive.spelling import parse_layer
from derive.toom import transform
from derive.toom_nested import Nested

Array = np.ndarray[Any, Any]
TARGET = Target(16, 28, 32)
TWO = transform(2, 3)
NORMAL_SUM = KINDS[0]
NEAR = 1.08
"""Times the estimate's root that draws of this size stay within."""


def counted(terms: int, levels: tuple[int, ...]) -> tuple[Sizes, Sizes]:
    """The same as `partial_sums`, addition by addition."""
    unit, found = 1, list[list[int]]()
    for level in (*levels, terms):
        size, ends = min(unit * level, terms), list[int]()
        for start in range(0, terms, size):
            stop = min(start + size, terms)
            ends += [min(end, stop - start) for end in range(unit, stop - start + unit, unit)][unit > 1 :]
        found.append(ends)
        unit = size
    return Sizes.of(*found[0]), Sizes.of(*(n for ends in found[1:] for n in ends))


def test_partial_sums_are_those_of_adding() -> None:
    draw = Random(5)
    for _ in range(500):
        terms, levels = draw.randint(1, 150), tuple(draw.randint(1, 15) for _ in range(draw.randint(0, 3)))
        assert partial_sums(terms, *levels) == counted(terms, levels), (terms, levels)


def drawn(of: object, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    normal = rng.standard_normal(shape)
    kinds = {NORMAL: normal, HALF: np.maximum(normal, 0), UNIFORM: rng.random(shape)}
    return next(values for kind, values in kinds.items() if kind == of).astype(np.float32)


def error(found: Array, wanted: Array) -> float:
    return float(np.sqrt(((found - wanted) ** 2).mean() / (wanted**2).mean()))


def summed_error(kind: Kind, terms: int, block: int) -> float:
    """The root mean square of what a sum in blocks errs."""
    rng = np.random.default_rng(3)
    u, v = (drawn(of, (terms, 48), rng) for of in kind)
    found = summed(u, v, Rounding(), (block, terms))
    return error(found, u.astype(np.float64).T @ v.astype(np.float64))


def fast_error(kind: Kind, channels: int) -> float:
    """The same of the outputs of F(2,3) nested, channels in blocks of 8 and groups of 4 blocks."""
    rng, form = np.random.default_rng(4), Nested((TWO, TWO))
    filters, tiles = (
        drawn(of, s, rng) for of, s in zip(kind, ((3, 3, channels, 24), (4, 4, channels, 40)), strict=True)
    )
    wide = [x.astype(np.float64) for x in (filters, tiles)]
    wanted = np.stack(
        [
            np.stack([np.einsum("abck,abct->kt", wide[0], wide[1][i : i + 3, j : j + 3]) for j in range(2)])
            for i in range(2)
        ]
    )
    return error(fast(form, filters, tiles, Rounding(), (8, 4)), wanted)


@pytest.mark.parametrize("kind", KINDS, ids=("normal", "relu", "positive"))
def test_sums_in_blocks_err_as_estimated(kind: Kind) -> None:
    unit = summed_error(NORMAL_SUM, 288, 288) / np.sqrt(of_sum(288, (288,), NORMAL_SUM))
    for terms, block in ((288, 16), (288, 48), (144, 144)):
        found, expected = summed_error(kind, terms, block), unit * np.sqrt(of_sum(terms, (block,), kind))
        assert expected / NEAR < found < expected * NEAR, (terms, block, found, expected)


@pytest.mark.parametrize("kind", KINDS, ids=("normal", "relu", "positive"))
def test_transforms_err_as_estimated(kind: Kind) -> None:
    unit = summed_error(NORMAL_SUM, 288, 288) / np.sqrt(of_sum(288, (288,), NORMAL_SUM))
    for channels in (16, 64):
        found = fast_error(kind, channels)
        expected = unit * np.sqrt(of_winograd((TWO, TWO), channels, (8, 4), kind))
        assert expected / 1.2 < found < expected * 1.2, (channels, found, expected)


def problem_of(layer: str, shape: tuple[int, ...], key: str) -> Contraction:
    claim = claims_of(parse_layer(layer), shape, [key])[key]
    (found,) = contractions(key, claim, {d.tensor.name: d for d in claim.setting.definitions})
    return found


def tiers(layer: str, shape: tuple[int, ...], key: str) -> set[str]:
    """Of the plans with F(2,3) for rows and columns."""
    found = winograd.plans(problem_of(layer, shape, key), replace(TARGET, accuracy="relaxed"))
    return {p.accuracy for p in found if p.note().startswith("WINOGRAD F(2,3)xF(2,3)")}


def dense(channels: int) -> str:
    return f"Conv2d({channels}, {channels}, 3, padding=1, bias=False)"


def test_the_first_tier_has_transforms_where_peers_sums_are_longer() -> None:
    assert tiers(dense(16), (1, 16, 32, 32), "output") == {"strict"}
    assert tiers(dense(64), (1, 64, 56, 56), "input") == {"strict"}
    assert tiers(dense(128), (1, 128, 8, 8), "input") == {"strict"}
    for channels, size in ((16, 32), (32, 16), (64, 8)):
        assert tiers(dense(channels), (1, channels, size, size), "input") == {"relaxed"}


def test_the_first_tier_without_the_estimate_would_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "keeps_fast", lambda *_: True)
    assert tiers(dense(16), (1, 16, 32, 32), "input") == {"strict"}


def ways(layer: str, shape: tuple[int, ...], key: str, element: int = 4) -> tuple[tuple[int, ...], ...]:
    return peers.cuts(problem_of(layer, shape, key), element)


def test_what_peers_do() -> None:
    small, large = (1, 16, 32, 32), (1, 16, 40, 40)
    assert ways(dense(16), small, "output") == ways(dense(16), large, "input") == ((144,),)
    assert ways(dense(16), small, "input") == ((144,), (16,))
    assert ways(dense(16), small, "weight") == ((128,),)
    assert ways(dense(16), large, "weight") == ((40,),)
    assert ways(dense(16), (2, 16, 32, 32), "weight") == ((32,),)
    assert ways(dense(16), large, "input", 8) == ((16,),)
    assert ways(dense(16), large, "output", 8) == ((144,),)
    assert ways("Conv2d(6, 16, 5)", (1, 6, 14, 14), "weight") == ((10,),)
    assert ways("Conv2d(256, 64, 1, bias=False)", (1, 256, 14, 14), "output") == ((128,),)
    assert ways("Conv2d(256, 64, 1, stride=2, bias=False)", (1, 256, 14, 14), "weight") == ((7,),)


def test_sums_no_longer_than_peers_keep_the_promise() -> None:
    problem = problem_of("Conv2d(128, 128, 3, padding=1, bias=False)", (1, 128, 28, 28), "weight")
    found = {n: peers.keeps(problem, 4, n) for n in ((28,), (28, 5), (14, 7), (56,), (56, 4), (784,))}
    assert found == {(28,): True, (28, 5): True, (14, 7): True, (56,): False, (56, 4): False, (784,): False}


def test_estimates_are_of_problems_as_large_as_they_come() -> None:
    for terms, levels in product((1, 7, 12_544, 10**7), ((1,), (112,), (112, 10), (10**8,))):
        assert all(of_sum(terms, levels, kind) > 0 for kind in KINDS)
