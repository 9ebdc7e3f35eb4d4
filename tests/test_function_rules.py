"""The trusted rules for functions of an entry: what chain, cancel and collect give, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from derive.certificate import dump, load
from derive.check import check, upkeep
from derive.claim import Argument, Claim, Fact, Setting
from derive.errors import ProofError
from derive.expr import Apply, Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.functions import DERIVATIVE, NUMBER, PARAMETERS
from derive.index import Form, Index, Within, name
from derive.layers import registry
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.statements.losses import Likelihood
from derive.statements.normalisation import Normal
from derive.statements.pairwise import Pairs
from derive.statements.softmax import log_softmax, softmax
from derive.steps import Context, replay
from derive.strategy import argue

N, C = name("N"), name("C")
ROW, COLUMN, OTHER = Index("n", N), Index("c", C), Index("b", C)
X, E = Tensor("input", (N, C), ((0,), (1,))), Tensor("raised", (N, C), ((0,), (1,)))
TOTAL = Tensor("total", (N,), ((0,),))
SQUARE = Tensor("square", (C, C), ((0,), (1,)))


def here(tensor: Tensor, *where: Index) -> Read:
    return Read(tensor, tuple(i.form for i in where))


RAISED = Definition(E, (ROW, COLUMN), single(Apply("exp", here(X, ROW, COLUMN))))
SUM = Definition(TOTAL, (ROW,), Expr((Sum((COLUMN,), (), (here(E, ROW, COLUMN),)),)))


def context(*definitions: Definition) -> Context:
    facts = (Fact(N - 1), Fact(C - 1))
    return Context(Setting(facts, (X, SQUARE), definitions), (ROW,))


def cancelled(term: Sum, *definitions: Definition, **arguments: Any) -> Expr:
    given = {"term": 0, "factor": 0, "spare": (1,), "indices": ("c",)} | arguments
    return replay(context(*definitions), Expr((term,)), "cancel", given)[0]


WHOLE = Sum((COLUMN,), (), (Apply("recip", here(TOTAL, ROW)), here(E, ROW, COLUMN)))


def test_a_sum_times_its_inverse_is_one() -> None:
    assert cancelled(WHOLE, RAISED, SUM) == Expr((Sum((), (), ()),))


def test_the_factor_of_the_body_is_divided_by() -> None:
    double = replace(SUM, body=Expr((replace(SUM.body.terms[0], coefficient=Fraction(2)),)))
    assert cancelled(WHOLE, RAISED, double) == Expr((Sum((), (), (), Fraction(1, 2)),))


def test_a_count_of_ones_times_its_inverse_is_one() -> None:
    count = Definition(Tensor("count", ()), (), Expr((Sum((ROW, COLUMN), (), ()),)))
    term = Sum((ROW, COLUMN), (), (Apply("recip", Read(count.tensor, ())),))
    free = Context(Setting((Fact(N - 1), Fact(C - 1)), (X,), (count,)), ())
    arguments = {"term": 0, "factor": 0, "spare": (), "indices": ("n", "c")}
    assert replay(free, Expr((term,)), "cancel", arguments)[0] == Expr((Sum((), (), ()),))
    with pytest.raises(ProofError, match="range"):
        replay(free, Expr((term,)), "cancel", {**arguments, "indices": ("c", "n")})


def captured() -> Sum:
    """sum over c of S[c, c] / T[c], where T[c] = sum over b of S[c, b]: not 1, whatever the names say."""
    return Sum(
        (COLUMN,),
        (),
        (Apply("recip", here(Tensor("over", (C,), ((0,),)), COLUMN)), here(SQUARE, COLUMN, COLUMN)),
    )


OVER = Definition(
    Tensor("over", (C,), ((0,),)), (OTHER,), Expr((Sum((COLUMN,), (), (here(SQUARE, OTHER, COLUMN),)),))
)

WRONG: dict[str, Callable[[], Expr]] = {
    "the summed index stands in what is inverted": lambda: cancelled(captured(), OVER),
    "not an inverse": lambda: cancelled(
        replace(WHOLE, factors=(Apply("log", here(TOTAL, ROW)), here(E, ROW, COLUMN))), RAISED, SUM
    ),
    "another factor": lambda: cancelled(
        replace(WHOLE, factors=(WHOLE.factors[0], here(X, ROW, COLUMN))), RAISED, SUM
    ),
    "another row": lambda: cancelled(
        replace(WHOLE, factors=(WHOLE.factors[0], Read(E, (Form.of(0), COLUMN.form)))), RAISED, SUM
    ),
    "the sum reaches over a further factor": lambda: cancelled(
        replace(WHOLE, factors=(*WHOLE.factors, here(X, ROW, COLUMN))), RAISED, SUM
    ),
    "the sum has a condition": lambda: cancelled(
        replace(WHOLE, conditions=(Within(COLUMN.form, C - 1),)), RAISED, SUM
    ),
    "the body has a condition": lambda: cancelled(
        WHOLE,
        RAISED,
        replace(SUM, body=Expr((replace(SUM.body.terms[0], conditions=(Within(COLUMN.form, C),)),))),
    ),
    "the body has two terms": lambda: cancelled(
        WHOLE, RAISED, replace(SUM, body=Expr((SUM.body.terms[0], SUM.body.terms[0])))
    ),
    "a factor used twice": lambda: cancelled(WHOLE, RAISED, SUM, spare=(1, 1)),
    "the inverse itself as a factor of the body": lambda: cancelled(WHOLE, RAISED, SUM, spare=(0,)),
    "no such index": lambda: cancelled(WHOLE, RAISED, SUM, indices=("n",)),
    "a place beyond the factors": lambda: cancelled(WHOLE, RAISED, SUM, spare=(7,)),
    "an input is inverted": lambda: cancelled(
        Sum((COLUMN,), (), (Apply("recip", here(X, ROW, COLUMN)), here(E, ROW, COLUMN))), RAISED, SUM
    ),
    "other terms collected": lambda: replay(
        context(RAISED, SUM),
        Expr((WHOLE, replace(WHOLE, factors=WHOLE.factors[:1]))),
        "collect",
        {"term": 0, "other": 1},
    )[0],
    "a term collected with itself": lambda: replay(
        context(RAISED, SUM), Expr((WHOLE, WHOLE)), "collect", {"term": 1, "other": 1}
    )[0],
    "a function without a derivative": lambda: replay(
        context(replace(RAISED, body=single(Apply("relu_prime", here(X, ROW, COLUMN)))), SUM),
        single(Partial(here(E, ROW, COLUMN), Read(X, (ROW.form, COLUMN.form)))),
        "chain",
        {"term": 0, "factor": 0, "fresh": ((),)},
    )[0],
}


@pytest.mark.parametrize("wrong", WRONG)
def test_refused(wrong: str) -> None:
    with pytest.raises(ProofError):
        WRONG[wrong]()


def test_like_terms() -> None:
    both = Expr((WHOLE, replace(WHOLE, coefficient=Fraction(-1, 2))))
    given = {"term": 0, "other": 1}
    assert replay(context(RAISED, SUM), both, "collect", given)[0] == Expr(
        (replace(WHOLE, coefficient=Fraction(1, 2)),)
    )
    none = Expr((WHOLE, replace(WHOLE, coefficient=Fraction(-1))))
    assert replay(context(RAISED, SUM), none, "collect", given)[0] == Expr(())


def test_chain_goes_through_a_function_and_its_powers() -> None:
    """d raised[n,c] rsqrt(total[n]) / d input[u,v]: each occurrence with its own derivative."""
    output = Definition(
        Tensor("output", (N, C), ((0,), (1,))),
        (ROW, COLUMN),
        single(Apply("exp", here(X, ROW, COLUMN)), Apply("rsqrt", here(TOTAL, ROW))),
    )
    at = Read(X, (name("u"), name("v")))
    free = Context(context(RAISED, SUM, output).setting, (ROW, COLUMN, Index("u", N), Index("v", C)))
    start = single(Partial(here(output.tensor, ROW, COLUMN), at))
    after, needed = replay(free, start, "chain", {"term": 0, "factor": 0, "fresh": ((),)})
    assert needed == [] and len(after.terms) == 2
    assert str(after.terms[0]) == "[-n + u = 0][-c + v = 0] rsqrt(total[n]) exp(input[n, c])" or (
        str(after.terms[0]) == "[n - u = 0][c - v = 0] rsqrt(total[n]) exp(input[n, c])"
    )
    second = after.terms[1]
    assert second.coefficient == Fraction(-1, 2)
    assert second.factors == (
        Apply("exp", here(X, ROW, COLUMN)),
        *[Apply("rsqrt", here(TOTAL, ROW))] * 3,
        Partial(here(TOTAL, ROW), at),
    )


def test_an_unknown_function_is_not_well_formed() -> None:
    claim = softmax(2, 1)["output"]
    wrong = replace(claim, right=replace(claim.right, body=single(Apply("sine", here(X, *claim.indices)))))
    with pytest.raises(ProofError, match="no such function"):
        upkeep(wrong)


def test_tables_of_functions_fit_together() -> None:
    assert set(DERIVATIVE) <= set(PARAMETERS) and len(set(NUMBER.values())) == len(PARAMETERS)
    for function, polynomial in DERIVATIVE.items():
        used = {n for _, names in polynomial for n in names} - {"id"}
        assert used <= set(PARAMETERS)
        assert all(PARAMETERS[n] == PARAMETERS[function] for n in used if n.endswith("_prime"))


CLAIMS: dict[str, dict[str, Claim]] = {
    "softmax": softmax(2, 1),
    "log softmax": log_softmax(2, 0),
    "cross entropy": Likelihood(1, True, "mean", weighted=True, smoothed=True).claims(),
    "probabilities": Likelihood(0, True, "none", indices=False, smoothed=True).claims(),
    "batch normalisation": Normal(0, True).claims(),
    "binary cross entropy": Pairs(2, "mean", True).entropy(),
    "logits": Pairs(2, "sum", False, True).entropy_of_logits(),
    "squares": Pairs(2, "mean").squares(),
    "relu": registry()["ReLU"].claims(rank=2),
}


def damaged(expr: Expr) -> list[Expr]:
    """The expression with a term lost, doubled, its sign changed, a factor lost, or another function."""
    found = []
    for i, term in enumerate(expr.terms):
        others = expr.terms[:i], expr.terms[i + 1 :]
        wrong = [
            replace(term, coefficient=-term.coefficient),
            replace(term, coefficient=2 * term.coefficient),
        ]
        for j, factor in enumerate(term.factors):
            rest = term.factors[:j], term.factors[j + 1 :]
            wrong.append(replace(term, factors=(*rest[0], *rest[1])))
            if isinstance(factor, Apply):
                other = Apply("log" if factor.function == "exp" else "exp", factor.of)
                wrong.append(replace(term, factors=(*rest[0], other, *rest[1])))
                wrong.append(replace(term, factors=(*rest[0], factor.of, *rest[1])))
        found += [Expr((*others[0], w, *others[1])) for w in wrong]
        found += [Expr((*others[0], *others[1])), Expr((*expr.terms, term))]
    return found


def wrong_claims(claim: Claim) -> list[Claim]:
    given = [d.tensor.name for d in claim.setting.definitions].index("loss")
    found = [replace(claim, right=replace(claim.right, body=b)) for b in damaged(claim.right.body)]
    for i, helper in enumerate(claim.setting.definitions):
        if i > given:
            for body in damaged(helper.body):
                definitions = list(claim.setting.definitions)
                definitions[i] = replace(helper, body=body)
                found.append(replace(claim, setting=replace(claim.setting, definitions=tuple(definitions))))
    return found


@pytest.mark.parametrize("title", CLAIMS)
def test_damaged_closed_forms_are_refused(title: str) -> None:
    """A lost term, a changed sign, a lost factor, another function: none is proved."""
    count = 0
    for claim in CLAIMS[title].values():
        theorem(argue(claim, stored_oracle()))
        for wrong in wrong_claims(claim):
            count += 1
            with pytest.raises(ProofError):
                theorem(argue(wrong, stored_oracle()))
    assert count >= 10


@pytest.mark.parametrize("title", CLAIMS)
def test_certificates_are_read_back(title: str) -> None:
    arguments = {k: argue(c, stored_oracle()) for k, c in CLAIMS[title].items()}
    _, _, back, _ = load(dump("Softmax", {}, arguments), "here")
    assert back == arguments
    for argument in back.values():
        check(argument)


@pytest.mark.parametrize("rule", ["cancel", "collect", "chain"])
def test_a_step_that_says_something_else_is_refused(rule: str) -> None:
    """Every step of these rules, its result changed in a sign, is refused."""
    found = 0
    for claims in CLAIMS.values():
        for claim in claims.values():
            argument = argue(claim, stored_oracle())
            for i, step in enumerate(argument.left_steps):
                if step.rule != rule or not step.after.terms:
                    continue
                first = step.after.terms[0]
                after = step.after.with_term(0, (replace(first, coefficient=-first.coefficient),))
                steps = (*argument.left_steps[:i], replace(step, after=after), *argument.left_steps[i + 1 :])
                found += 1
                with pytest.raises(ProofError):
                    check(Argument(claim, steps, argument.right_steps, argument.upkeep, argument.witness))
    assert found >= 2
