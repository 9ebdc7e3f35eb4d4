"""Theorems whose tables are definitions: their values are the layers' own tables, and PyTorch's, exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from between_defined import ADAPTIVE, DEFINED, chosen, pool_sizes
from between_torch import Tensors, torch

from derive import AdaptiveAvgPool1d, AvgPool2d, Upsample, strategy
from derive.between import theorem_between
from derive.claim import Claim, Setting
from derive.errors import LayerError, ProofError
from derive.evaluate import Evaluator
from derive.expr import Expr, Sum
from derive.index import Within
from derive.instance import claim_at
from derive.layers.base import user_shape
from derive.numbers_exact import Rationals
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.rules import divide
from derive.steps import Context

# ---- against PyTorch -----------------------------------------------------------------------------


def drawn(claim: Claim, sizes: Any, part: str) -> Tensors:
    """Whole numbers for every input tensor, no two of the image alike; a choice is PyTorch's."""
    rng = np.random.default_rng(len(part))
    found: Tensors = {}
    for tensor in claim.setting.inputs:
        shape = user_shape(tensor, sizes)
        count = int(np.prod(shape))
        found[tensor.name] = torch.tensor(rng.permutation(count) - count // 2).double().reshape(shape)
    if "pick" in found:
        found["pick"] = chosen(found)
    return found


@pytest.mark.parametrize(("title", "part"), DEFINED)
def test_both_sides_are_what_torch_computes(title: str, part: str) -> None:
    sizes, sides = DEFINED[title, part]
    claim = claim_at(theorem_between(title).claims(2)[part], sizes)
    given = drawn(claim, sizes, part)
    values = Evaluator(claim.setting, Rationals()).at({n: a.numpy() for n, a in given.items()})
    ours, other = values.right(claim), values.left(claim)
    assert ours.tolist() == other.tolist() and any(ours)
    for side in sides:
        theirs = side(given)
        assert tuple(theirs.shape) == user_shape(claim.target, sizes)
        assert [Fraction(v) for v in theirs.flatten().tolist()] == ours.tolist()


def test_a_wrong_weight_is_seen() -> None:
    """Sabotage: the same comparison with the phase's part taken one count too small."""
    sizes, (side,) = DEFINED["linear-upsampling", "output"]
    claim = claim_at(theorem_between("linear-upsampling").claims(2)["output"], sizes)
    damaged = replace(claim, setting=damage(claim.setting, "part_h"))
    given = drawn(claim, sizes, "output")
    ours = Evaluator(damaged.setting, Rationals()).at({n: a.numpy() for n, a in given.items()}).right(damaged)
    assert [Fraction(v) for v in side(given).flatten().tolist()] != ours.tolist()


def damage(setting: Setting, title: str) -> Setting:
    """The setting with the brackets of one definition moved by one."""

    def moved(term: Sum) -> Sum:
        conditions = tuple(
            replace(c, form=c.form - 1) if isinstance(c, Within) else c for c in term.conditions
        )
        return replace(term, conditions=conditions)

    definitions = tuple(
        replace(d, body=Expr(tuple(map(moved, d.body.terms)))) if d.tensor.name == title else d
        for d in setting.definitions
    )
    assert definitions != setting.definitions
    return replace(setting, definitions=definitions)


# ---- against the layers' own tables ------------------------------------------------------------------


def table(claim: Claim, sizes: dict[str, int], title: str) -> list[Fraction]:
    """A defined table at sizes; ProofError where the theorem's hypotheses fail there."""
    named = {"N": 1, "C": 1} | sizes
    setting = claim_at(claim, named).setting
    return list(Evaluator(setting, Rationals()).values(title, {}).tolist())


def upsampled(corners: bool) -> Iterator[tuple[dict[str, int], list[Fraction]]]:
    for length, s in product(range(1, 5), range(1, 7)):
        out = s * (length - 1) + 1 if corners else s * length
        layer = Upsample(size=out, mode="linear", align_corners=corners)
        sizes = {"W": length, "s_w": s} | ({} if corners else {"m_w": s // 2, "b_w": 1 - s % 2})
        yield sizes, list(layer.tables((1, 1, length))["table_w"])


@pytest.mark.parametrize("corners", [False, True])
@pytest.mark.parametrize("damaged", [False, True])
def test_the_weights_are_the_layers_table(corners: bool, damaged: bool) -> None:
    """Entry by entry at 4 lengths and 6 factors; sabotage: with a damaged definition they are not."""
    title = "linear-upsampling-corners" if corners else "linear-upsampling"
    claim = theorem_between(title).claims(1)["output"]
    claim = replace(claim, setting=damage(claim.setting, "part_w")) if damaged else claim
    found = [table(claim, sizes, "weights_w") == wanted for sizes, wanted in upsampled(corners)]
    assert len(found) == 24 and (not all(found) if damaged else all(found))


COUNTED = {False: theorem_between("mean-pooling-inside"), True: theorem_between("mean-pooling-padded")}


def pools(include: bool) -> Iterator[tuple[dict[str, int], list[Fraction]]]:
    """Every layer with windows of up to 4 over up to 6 entries; its sizes on one axis, and its table."""
    for length, k, s, p, ceil in product(range(1, 7), range(1, 5), range(1, 4), range(3), (False, True)):
        try:
            layer = AvgPool2d((k, 1), (s, 1), (p, 0), ceil_mode=ceil, count_include_pad=include)
            sizes = pool_sizes(layer, (1, 1, length, 1))
        except LayerError:
            continue
        shares = layer.tables((1, 1, length, 1)).get("share_h")
        if shares is None:
            shares = (Fraction(1, k),) * sizes["H_out"]
        yield (
            {n.replace("_h", "_w").replace("H", "W"): v for n, v in sizes.items() if "w" not in n.lower()},
            list(shares),
        )


@pytest.mark.parametrize("include", [False, True])
def test_the_counts_are_what_the_layer_divides_by(include: bool) -> None:
    """At every such size the hypotheses hold, no count is 0, and one over it is the layer's share.

    Sabotage: the counts of the other convention are others.
    """
    mine, other = (COUNTED[flag].claims(1)["output"] for flag in (include, not include))
    cases = list(pools(include))
    found = [[1 / count for count in table(mine, sizes, "count_w")] for sizes, _ in cases]
    assert found == [shares for _, shares in cases] and len(found) > 150
    assert any(len(set(counts)) > 1 for counts in found)
    assert found != [[1 / count for count in table(other, sizes, "count_w")] for sizes, _ in cases]


def test_adaptive_windows_are_as_long_as_counted() -> None:
    claim = theorem_between("adaptive-mean-pooling").claims(1)["count"]
    for k, out in product(range(1, 5), range(1, 5)):
        counts = table(claim, {"W_out": out, "k_w": k}, "count")
        assert counts == [k] * out
        assert [1 / c for c in counts] == list(AdaptiveAvgPool1d(out).tables((1, 1, k * out))["share_w"])
    uneven = AdaptiveAvgPool1d(2).tables((1, 1, 5))["share_w"]
    assert set(uneven) == {Fraction(1, 3)}, "5 entries in 2 windows of 3, that overlap: no kernel = stride"
    assert ADAPTIVE["k_h"] * ADAPTIVE["H_out"] == 6


# ---- the proposals that came with them -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("title", "part", "read"),
    [("adaptive-mean-pooling", "count", divide.FACTOR), ("linear-upsampling", "sum 1", divide.REMAINDER)],
)
def test_what_is_divided_out_is_needed_and_certified(
    title: str, part: str, read: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proof says it; without the proposal there is none; a bracket with nothing to divide gives none."""
    claim = theorem_between(title).claims(1)[part]
    proved = theorem(strategy.argue(claim, stored_oracle())).argument
    assert any(s.reason == read and s.rule == "guard" for s in (*proved.left_steps, *proved.right_steps))
    without = {
        side: tuple(r for r in rules if r is not divide.propose) for side, rules in strategy.SIDES.items()
    }
    monkeypatch.setattr(strategy, "SIDES", without)
    with pytest.raises(ProofError, match="do not meet"):
        theorem(strategy.argue(claim, stored_oracle()))
    context = Context(claim.setting, claim.indices)
    assert not list(divide.propose(context, claim.left))


def test_an_inverse_is_tried_before_its_sum_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shares sum to 1 only where the places of a window are not unfolded first."""
    claim = theorem_between("mean-pooling-inside").claims(2)["shares"]
    proved = theorem(strategy.argue(claim, stored_oracle())).argument
    assert [s.rule for s in proved.left_steps] == ["unfold", "cancel", "cancel"]
    monkeypatch.setattr(strategy, "_inverses_first", lambda claim: (False,))
    with pytest.raises(ProofError, match="do not meet"):
        theorem(strategy.argue(claim, stored_oracle()))


def test_a_witness_may_need_the_last_of_a_range() -> None:
    """The first step of centres has no output place at the smallest sizes; the checker refuses it there."""
    argument = theorem(
        strategy.argue(theorem_between("linear-upsampling").claims(1)["sum 1"], stored_oracle())
    ).argument
    assert argument.witness["y"] == 1 and argument.witness["f"] == 0
    with pytest.raises(ProofError, match="fail at the witness"):
        theorem(replace(argument, witness={**argument.witness, "y": 0}))
