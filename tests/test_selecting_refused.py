"""Wrong statements of pooling by selection find no proof; what is refused, and what is said of the domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import torch

from derive.claim import Claim
from derive.errors import BackflipError, LayerError
from derive.expr import Apply, Definition, Expr, Read
from derive.index import Within, Zero
from derive.layers import registry
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.spelling import parse_layer
from derive.statements.powers import Powers
from derive.statements.selecting import Bracketed, Selection, Unpooling
from derive.strategy import argue

# ---------------------------------------------------------------- wrong statements find no proof


def refused(claim: Claim) -> bool:
    try:
        theorem(argue(claim, stored_oracle()))
    except BackflipError:
        return True
    return False


def moved(definition: Definition, **changes: Any) -> Definition:
    """The definition with parts of its only term replaced."""
    (term,) = definition.body.terms
    return replace(definition, body=Expr((replace(term, **changes),)))


def helper(claim: Claim, wrong: Definition) -> Claim:
    definitions = tuple(wrong if d.tensor == wrong.tensor else d for d in claim.setting.definitions)
    return replace(claim, setting=replace(claim.setting, definitions=definitions))


def wrong_selections() -> Iterator[tuple[str, Claim]]:
    """Mistakes of max-pooling code, stated for all sizes on two axes."""
    right = Selection(("h", "w"))
    forward, back = right.claims()["output"], right.claims()["input"]
    routed = next(d for d in back.setting.definitions if d.tensor.name == "routed")
    (term,) = back.right.body.terms
    (shared,) = routed.body.terms
    yield "every entry of a window", helper(back, moved(routed, factors=shared.factors[1:]))
    yield "counted twice", helper(back, moved(routed, coefficient=Fraction(2)))
    yield "grad_output forgotten", helper(back, moved(routed, factors=shared.factors[:1]))
    for title, size in (("stride", "s_h"), ("dilation", "d_w"), ("padding", "p_h")):
        conditions = tuple(Zero(c.form.substitute({size: c.form.of(1)})) for c in term.conditions)
        yield f"{title} taken as 1", replace(back, right=moved(back.right, conditions=conditions))
    yield "one axis only", replace(back, right=moved(back.right, conditions=term.conditions[:1]))
    cut = (*term.conditions, *(Zero(o.form) for o in right.places))
    yield "overwritten: one window alone", replace(back, right=moved(back.right, conditions=cut))
    (read,) = [f for f in forward.right.body.terms[0].factors if isinstance(f, Read)][1:]
    spots = (*read.index[:2], *(f + 1 for f in read.index[2:]))
    factors = (forward.right.body.terms[0].factors[0], replace(read, index=spots))
    yield "one place further", replace(forward, right=moved(forward.right, factors=factors))


def wrong_others() -> Iterator[tuple[str, Claim]]:
    bracketed = Bracketed(("h", "w")).claims()["input"]
    (term,) = bracketed.right.body.terms
    first, second = term.conditions
    assert isinstance(second, Within)
    shifted = (first, Within(second.form + 1, second.high))
    yield "a bracket moved", replace(bracketed, right=moved(bracketed.right, conditions=shifted))
    yield "a bracket lost", replace(bracketed, right=moved(bracketed.right, conditions=(first,)))
    unpooled = Unpooling(("h", "w")).claims()["input"]
    (term,) = unpooled.right.body.terms
    yield "read everywhere", replace(unpooled, right=moved(unpooled.right, factors=term.factors[1:]))
    powers = Powers(("h", "w"), scaled=True).claims()["input"]
    (term,) = powers.right.body.terms
    spread, own = term.factors
    assert isinstance(own, Apply)
    for function in ("power", "root_prime", "f_prime"):
        factors = (spread, Apply(function, own.of))
        yield f"{function} in place of power'", replace(powers, right=moved(powers.right, factors=factors))
    handed = next(d for d in powers.setting.definitions if d.tensor.name == "handed")
    (shared,) = handed.body.terms
    yield "the root's derivative forgotten", helper(powers, moved(handed, factors=shared.factors[:-1]))
    yield "the scale forgotten", helper(powers, moved(handed, factors=shared.factors[1:]))


WRONG = [*wrong_selections(), *wrong_others()]


@pytest.mark.parametrize(("title", "claim"), WRONG, ids=[title for title, _ in WRONG])
def test_a_wrong_statement_is_refused(title: str, claim: Claim) -> None:
    assert refused(claim), title


def test_the_right_statements_are_not_refused() -> None:
    for statement in (Selection(("h", "w")), Bracketed(("h", "w")), Unpooling(("w",)), Powers(("h",), True)):
        assert not any(refused(claim) for claim in statement.claims().values())


# ---------------------------------------------------------------- what is said, and what is refused


@pytest.mark.parametrize(
    ("text", "shape", "where"),
    [
        ("MaxPool2d(2, padding=2)", (1, 1, 4, 4), "padding"),
        ("MaxPool2d(3, padding=2, dilation=3)", (1, 1, 9, 9), "padding"),
        ("MaxPool2d(0)", (1, 1, 4, 4), "kernel_size"),
        ("MaxPool1d(2, stride=0)", (1, 1, 4), "stride"),
        ("MaxPool3d(2, dilation=0)", (1, 1, 4, 4, 4), "dilation"),
        ("MaxPool2d(2, padding=-1)", (1, 1, 4, 4), "padding"),
        ("MaxPool2d(5)", (1, 1, 4, 4), "axis H"),
        ("MaxPool2d(2, dilation=4)", (1, 1, 4, 5), "axis H"),
        ("MaxPool1d(12, stride=3, ceil_mode=True)", (1, 1, 9), "axis W"),
        ("MaxPool2d(2, ceil_mode=1)", (1, 1, 4, 4), "ceil_mode"),
        ("MaxPool2d(2.0)", (1, 1, 4, 4), "kernel_size"),
        ("MaxPool2d(2, padding='same')", (1, 1, 4, 4), "padding"),
        ("MaxPool1d(2)", (1, 1, 4, 4), "input_shape"),
        ("AdaptiveMaxPool1d(None)", (1, 1, 4), "output_size"),
        ("AdaptiveMaxPool2d(None)", (1, 1, 4, 4), "output_size"),
        ("AdaptiveMaxPool2d((3,))", (1, 1, 4, 4), "output_size"),
        ("AdaptiveMaxPool2d(-1)", (1, 1, 4, 4), "output_size"),
        ("LPPool2d(0, 2)", (1, 1, 4, 4), "norm_type"),
        ("LPPool2d(2, 5)", (1, 1, 4, 4), "axis H"),
        ("LPPool3d(2, 5, stride=2, ceil_mode=True)", (1, 1, 4, 4, 4), "axis D"),
        ("LPPool2d(2, 2, ceil_mode=1)", (1, 1, 4, 4), "ceil_mode"),
        ("LPPool1d(2, (2,))", (1, 1, 4), "kernel_size"),
    ],
)
def test_what_pytorch_refuses_is_refused(text: str, shape: tuple[int, ...], where: str) -> None:
    with pytest.raises((RuntimeError, TypeError, ZeroDivisionError, ValueError)):
        eval(f"torch.nn.{text}")(torch.zeros(shape))
    with pytest.raises(LayerError) as fault:
        parse_layer(text).operands(shape)
    assert where in fault.value.where


@pytest.mark.parametrize("size", [(6, 7), (2, 6), (4,), (4, 6, 1), 5])
def test_an_output_size_that_unpooling_has_not_is_refused(size: Any) -> None:
    x, indices = torch.zeros(1, 1, 2, 3), torch.zeros(1, 1, 2, 3, dtype=torch.int64)
    with pytest.raises((ValueError, TypeError)):
        torch.nn.MaxUnpool2d(2)(x, indices, output_size=size)
    with pytest.raises(LayerError) as fault:
        registry()["MaxUnpool2d"](2, output_size=size).operands((1, 1, 2, 3))
    assert "output_size" in fault.value.where


def test_a_window_without_an_entry_is_refused() -> None:
    """Where PyTorch says -inf and an index that no entry has: nothing is the largest of none."""
    _, places = torch.nn.MaxPool1d(2, 1, 1, 3, return_indices=True)(torch.ones(1, 1, 2))
    assert places.item() == 2
    with pytest.raises(LayerError, match="a window without an entry"):
        parse_layer("MaxPool1d(2, stride=1, padding=1, dilation=3)").operands((1, 1, 2))
    assert parse_layer("MaxPool1d(2, stride=1, padding=1, dilation=2)").output_shape((1, 1, 2)) == (1, 1, 2)


@pytest.mark.parametrize("name", ["MaxPool2d", "MinPool2d", "AdaptiveMaxPool2d", "MaxUnpool2d"])
def test_domain_and_conventions_are_said(name: str) -> None:
    said = " ".join(registry()[name](2).assumptions())
    words = {"MaxUnpool2d": ("added",), "MinPool2d": ("smallest", "unique", "first", "NaN")}
    assert all(word in said for word in words.get(name, ("largest", "unique", "first", "NaN")))


@pytest.mark.parametrize(
    ("power", "word"),
    [(2, "is 0"), (1.5, "negative: a power"), (3, "sum of powers is negative"), (1, "is 0")],
)
def test_domain_of_power_pooling(power: float, word: str) -> None:
    said = registry()["LPPool2d"](power, 2).assumptions()
    assert word in " ".join(said) and len(said) == (1 if word == "is 0" else 2)
