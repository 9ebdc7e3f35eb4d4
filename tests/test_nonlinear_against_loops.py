"""Owns the comparison of every non-linear layer with plain nested loops, at long double precision.

Both sides of every claim are looked at: the definitions, differentiated in reverse, and the proved right
side. The loops are written from PyTorch's documentation and differentiate themselves (`taped`).

The bound. `taped` follows how far a float64 computation may be off, every part of it a multiple of 2^-53. The
loops run in long double, whose unit is 2^-64, with library functions within two units in the last place where
one was reckoned: they are within 2^-10 of the radius. The claims are evaluated in long double with a
running bound of their own (`derive.numbers_reals`), which is added.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from layer_cases import CASES as LINEAR
from layer_text import NONLINEAR, Case
from nonlinear_cases import CASES
from nonlinear_claims import Found, claims, inputs, side
from nonlinear_given import Array, fixed, operands
from nonlinear_peers import plain_all
from taped import Real

from derive.layers import registry

LONG = Real(2) ** -10
"""The share of a radius that the loops themselves may be off."""

SIDES = ("left", "right")


def apart(found: Found, balls: Array) -> str:
    """What is wrong, or nothing."""
    assert found.value.size == balls.size, f"{found.value.size} entries, not {balls.size}"
    for i, (value, error, ball) in enumerate(zip(found.value, found.error, balls.reshape(-1), strict=True)):
        off, allowed = abs(value - ball.value), error + LONG * Real(ball.radius)
        if not off <= allowed:
            return f"entry {i}: {value} and {ball.value}, off {off}, allowed {allowed}"
    return ""


def compared(case: Case) -> list[str]:
    """The claims that the loops have an answer to; a claim of a constant or of a shift is a theorem only."""
    _, found = claims(case)
    wanted = plain_all(case).keys() - {"indices"}
    assert wanted <= found.keys(), f"{case} has no claim about {', '.join(wanted - found.keys())}"
    left = found.keys() - wanted - {"shift", *fixed(case)}
    assert not left, f"the loops say nothing about {', '.join(left)}"
    return sorted(wanted)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_both_sides_of_every_claim(case: Case) -> None:
    wanted = plain_all(case)
    for key in compared(case):
        for which in SIDES:
            assert not (said := apart(side(case, key, which), wanted[key])), f"{which} of {key}: {said}"


def test_operands_are_those_of_the_layer() -> None:
    for case in CASES:
        layer, _ = claims(case)
        told = {o.name: o for o in layer.operands(case.shape)}
        given = operands(case)
        results = {"grad_output", *(n for n in plain_all(case) if n not in given)}
        assert told.keys() - results == given.keys(), str(case)
        for name, array in given.items():
            kind = "int64" if array.dtype.kind == "i" else "floating"
            assert (told[name].shape, told[name].dtype) == (array.shape, kind), f"{case}: {name}"
            assert told[name].differentiable == (name in plain_all(case)), f"{case}: {name}"
        for name in results & told.keys() & plain_all(case).keys():
            assert told[name].shape == plain_all(case)[name].shape, f"{case}: {name}"


def test_every_layer_is_met() -> None:
    linear = {c.kind for c in LINEAR}
    met = Counter(c.kind for c in CASES)
    assert met.keys() | linear | {"Activation"} == registry().keys() and not met.keys() & linear
    assert met.keys() == NONLINEAR.keys() - {"Activation"}
    assert len(CASES) == len(set(map(str, CASES))) >= 300 and min(met.values()) >= 3


FEATURES = (
    "ceil_mode=True", "dilation=(", "dilation=2", "padding=(", "stride=(", "return_indices=True", "None",
    "reduction='none'", "reduction='sum'", "reduction='mean'", "weighted=True", "positive_weighted=True",
    "label_smoothing=", "ignore_index=", "target='probabilities'", "training=True", "affine=False",
    "bias=False", "track_running_stats=False", "momentum=", "eps=", "output_size=", "2.5",
    "'tanh'", "threshold=",
)  # fmt: skip


@pytest.mark.parametrize("word", FEATURES)
def test_every_argument_is_met(word: str) -> None:
    assert sum(word in case.text for case in CASES) >= 2


def test_shapes_of_every_kind_are_met() -> None:
    """Unbatched, one, several; overlapping windows; ignored targets and places behind classes."""
    pools = [c for c in CASES if c.family in ("MaxPool", "MinPool")]
    assert {len(c.shape) - c.rank for c in pools} == {1, 2} and any(c.shape[0] == 2 for c in pools)
    steps = [(c.per_axis("kernel_size"), c.per_axis("stride", c.per_axis("kernel_size"))) for c in pools]
    assert sum(any(k > s for k, s in zip(*pair, strict=True)) for pair in steps) > 10
    losses = [c for c in CASES if c.family in ("CrossEntropyLoss", "NLLLoss")]
    assert {len(c.shape) for c in losses} == {1, 2, 3, 4, 5}
    ignoring = [c for c in losses if "indices" in c.arguments.get("target", "indices")]
    assert sum(bool((operands(c)["target"] == c.arguments["ignore_index"]).any()) for c in ignoring) > 20


SHIFTED = [c for c in CASES if "Softmax" in c.kind or c.kind == "CrossEntropyLoss"]


@pytest.mark.parametrize("case", SHIFTED, ids=str)
def test_results_do_not_depend_on_the_shift(case: Case) -> None:
    """Its derivative is 0 within its error, and a shift of other numbers gives the same results."""
    slope = side(case, "shift", "left")
    assert np.all(np.abs(slope.value) <= slope.error) and not side(case, "shift", "right").value.any()
    shift = np.random.default_rng(case.hashed()).uniform(-3, 3, slope.value.size)
    for key in ("output", "input"):
        usual, other = (
            side(case, key, "right", given=given) for given in (None, {**inputs(case), "shift": shift})
        )
        assert np.all(np.abs(usual.value - other.value) <= usual.error + other.error), key


def simplest(kind: str) -> Case:
    return min(
        (c for c in CASES if c.kind == kind), key=lambda c: (abs(operands(c)["input"].size - 24), str(c))
    )


@pytest.mark.parametrize("kind", sorted(NONLINEAR.keys() - {"Activation"}))
def test_a_wrong_operand_is_seen(kind: str) -> None:
    """Sabotage: one part in 10^13 more on the largest entry shows on both sides."""
    case = simplest(kind)
    wanted = plain_all(case)
    i = int(np.argmax([abs(float(b.value)) for b in wanted["input"].reshape(-1)]))
    given = inputs(case)
    moved = given["input"].copy()
    moved.reshape(-1)[i] *= 1 + 1e-13
    for which in SIDES:
        said = [
            apart(side(case, key, which, given=given | {"input": moved}), wanted[key])
            for key in ("output", "input")
        ]
        assert any(said), which
