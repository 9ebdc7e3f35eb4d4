"""The domain that is printed with a claim: what functions need, less what is so for all operands."""

from __future__ import annotations

from dataclasses import replace

from derive.claim import Claim
from derive.domain import domain, functions
from derive.expr import Expr, single
from derive.layers import registry
from derive.statements.losses import Likelihood
from derive.statements.normalisation import Normal
from derive.statements.softmax import softmax


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


def test_linear_layers_have_no_domain() -> None:
    for title in ("Conv2d", "AvgPool2d", "Upsample", "Linear"):
        assert domain(registry()[title].claims().values()) == ()
