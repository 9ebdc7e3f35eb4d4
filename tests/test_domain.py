"""The domain that is printed with a claim: what functions need, less what is so for all operands."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from derive.api import prove_all_sizes
from derive.between_proof import prove_theorem
from derive.claim import Claim
from derive.domain import domain, functions
from derive.expr import Expr, single
from derive.layers import registry
from derive.layers.normalisation import BatchNorm1d
from derive.numbers_functions import value
from derive.recheck import recheck
from derive.spelling import parse_layer
from derive.statements.losses import Likelihood
from derive.statements.normalisation import Normal
from derive.statements.softmax import softmax
from derive.theorems import certificate_text


def test_a_sum_of_exponentials_needs_no_word() -> None:
    assert domain(softmax(2, 1).values()) == ()
    assert functions(softmax(2, 1).values())[:2] == ("exp", "recip")


def test_a_variance_does() -> None:
    assert domain(Normal(2, True).claims().values()) == ("steadied is more than 0 at every entry",)


def test_the_weights_that_occur_may_be_none() -> None:
    assert domain(Likelihood(0, True, "mean").claims().values()) == ("norm is not 0",)
    assert domain(Likelihood(0, True, "sum").claims().values()) == ()
    assert domain(Likelihood(0, True, "mean", indices=False).claims().values()) == ()


def test_a_sum_with_a_negative_term_is_not_known_to_be_positive() -> None:
    claim = softmax(2, 1)["output"]
    total = next(d for d in claim.setting.definitions if d.tensor.name == "total")
    for wrong in (
        replace(total, body=Expr(tuple(replace(t, coefficient=-t.coefficient) for t in total.body.terms))),
        replace(total, body=Expr(())),
        replace(total, body=single(*(f.of for t in total.body.terms for f in t.factors if hasattr(f, "of")))),
    ):
        assert domain([_with(claim, wrong)]) == ("total is not 0 at every entry",)


def _with(claim: Claim, definition: object) -> Claim:
    title = definition.tensor.name  # type: ignore[attr-defined]
    changed = tuple(definition if d.tensor.name == title else d for d in claim.setting.definitions)
    return replace(claim, setting=replace(claim.setting, definitions=changed))  # type: ignore[arg-type]


def test_a_sum_that_may_be_empty_is_not_known_to_be_positive() -> None:
    claim = softmax(2, 1)["output"]
    empty = tuple(f for f in claim.setting.facts if "N_1" not in f.form.names)
    assert domain([replace(claim, setting=replace(claim.setting, facts=empty))]) == (
        "total is not 0 at every entry",
    )


def test_what_a_theorem_for_all_sizes_supposes_is_printed() -> None:
    def said(title: str) -> str:
        kind = registry()[title]
        return "\n".join(prove_all_sizes(kind, {}).assumptions)

    assert "each window's largest entry is unique" in said("MaxPool1d")
    assert "no entry of the input is 0" in said("ReLU")
    assert "0 < input < 1" in said("BCELoss")
    assert "total is more than 0" in said("LPPool1d") and "no positive whole number" in said("LPPool1d")
    assert "all_portions is not 0 at every entry" in "\n".join(
        prove_theorem("softmax-cross-entropy").assumptions
    )


def test_checking_a_file_says_what_is_supposed() -> None:
    _, lines = recheck(certificate_text(BatchNorm1d, BatchNorm1d.chosen({})), "here")
    assert "domain: steadied is more than 0 at every entry" in lines


def test_the_slope_of_a_root_at_0_is_what_the_formula_says() -> None:
    for power in (1, 2, 3):
        assert value("root_prime", np.zeros(1, np.longdouble), [np.longdouble(power)])[0] == 0


def test_a_power_below_one_needs_entries_other_than_0() -> None:
    assert any("no entry is 0" in said for said in parse_layer("LPPool1d(0.5, 2)").assumptions())
    assert not any("no entry is 0" in said for said in parse_layer("LPPool1d(1, 2)").assumptions())


def test_linear_layers_have_no_domain() -> None:
    for title in ("Conv2d", "AvgPool2d", "Upsample", "Linear"):
        assert domain(registry()[title].claims().values()) == ()
