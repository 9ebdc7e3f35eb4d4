"""Tests that printed formulas say what was proved: LaTeX and MathML read back to the same expression.

Over the whole registry: every definition and both sides of every claim with all discrete choices, every step
of the proofs of some choices (of all with -m sweep), and the theorems between layers. `latex_parser` reads;
it is given the formula and the tensors, and what it reads from where stands in `latex_parser_terms`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from latex_parser_cases import SLOW, Page, check_claim, check_steps, few
from latex_parser_forms import condition, form
from latex_parser_terms import Alphabet, Unreadable

from derive.between import theorem_between, theorems_between
from derive.claim import Claim
from derive.expr import Expr, Tensor
from derive.index import Form, Within, Zero
from derive.layers import registry
from derive.layers.base import claims_of
from derive.notation import latex
from derive.notation.build import Builder
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.strategy import argue
from derive.theorems import theorems


@pytest.mark.parametrize("title", registry())
def test_every_statement_reads_back(title: str) -> None:
    for choices in registry()[title].variants():
        for claim in claims_of(registry()[title], choices).values():
            check_claim(claim)


@pytest.mark.parametrize("title", [t for t in registry() if t not in SLOW])
def test_every_step_reads_back(title: str) -> None:
    kind = registry()[title]
    for choices in few(list(kind.variants())):
        for proved in theorems(kind, choices).values():
            check_steps(proved)


@pytest.mark.sweep
@pytest.mark.parametrize("title", registry())
def test_every_step_with_every_choice_reads_back(title: str) -> None:
    kind = registry()[title]
    for choices in kind.variants():
        for proved in theorems(kind, choices).values():
            check_steps(proved)


@pytest.mark.parametrize("title", theorems_between())
def test_theorems_between_layers_read_back(title: str) -> None:
    for claim in theorem_between(title).everything().values():
        check_claim(claim)


@pytest.mark.parametrize("rank", [1, *(pytest.param(r, marks=pytest.mark.sweep) for r in (2, 3))])
@pytest.mark.parametrize("title", theorems_between())
def test_steps_between_layers_read_back(title: str, rank: int) -> None:
    for claim in theorem_between(title).claims(rank).values():
        check_steps(theorem(argue(claim, stored_oracle())))


SIZES = frozenset({"H", "H_out", "C", "groups", "k_h", "s_h", "d_h"})
names = st.sampled_from(["o_h", "a_h'", "i_0", "n''", "g", *sorted(SIZES)])
forms = st.lists(
    st.tuples(st.lists(names, max_size=3).map(sorted).map(tuple), st.integers(-4, 4)), max_size=6
).map(Form.collect)


@given(forms, forms)
@settings(max_examples=200, deadline=None)
def test_any_form_and_any_bracket_read_back(one: Form, other: Form) -> None:
    builder = Builder(SIZES)
    assert form(latex.written(builder.form(one))) == one
    for bracket in (Zero(one), Within(one, other)):
        assert condition(latex.written(builder.condition(bracket))) == bracket


def mixed(claim: Claim) -> Iterator[Expr]:
    """Sums of the terms of a claim's definitions with other coefficients, which no layer has."""
    terms = [t for d in claim.setting.definitions for t in d.body.terms]
    for place, scale in enumerate((Fraction(-1, 2), Fraction(7), Fraction(-3, 16))):
        chosen = terms[place:] + terms[:place]
        yield Expr(tuple(replace(t, coefficient=scale * t.coefficient) for t in chosen))
        yield Expr(tuple(replace(t, factors=t.factors * 2, coefficient=scale) for t in chosen))


@pytest.mark.parametrize("title", ["BatchNorm1d", "Conv1d", "CrossEntropyLoss", "LPPool1d"])
def test_other_coefficients_and_repeated_factors_read_back(title: str) -> None:
    for claim in claims_of(registry()[title], registry()[title].chosen({})).values():
        page = Page(claim)
        for expr in mixed(claim):
            page.expression(
                expr, frozenset(i.name for d in claim.setting.definitions for i in d.indices), True
            )


def test_two_tensors_of_one_letter_are_refused() -> None:
    pair = [Tensor("norm", (), ()), Tensor("other", (), ())]
    with pytest.raises(Unreadable, match="one letter"):
        Alphabet.of(pair)


def test_an_unbatched_layer_shows_the_axis_that_its_sums_run_over() -> None:
    """Sum over n < N of a product without n would be read as N times the product."""
    claims = claims_of(registry()["Conv1d"], registry()["Conv1d"].chosen({"batched": False}))
    loss = next(d for d in claims["weight"].setting.definitions if d.tensor.name == "loss")
    written = latex.written(Page(claims["weight"]).builder.expr(loss.body))
    assert r"\sum_{n=0}^{N - 1}" in written and "G_{n," in written
