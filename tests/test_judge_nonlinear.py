"""Judges at a size for claims with functions and selections: true ones pass, every damaged one is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sympy

from derive import prove
from derive.claim import Claim
from derive.errors import ProofError
from derive.evaluate_places import first_of
from derive.expr import Apply, Definition, Expr, Read, Sum
from derive.functions import DERIVATIVE
from derive.instance import claim_at
from derive.judge import applies, judge_at_size
from derive.judge_field import judge_with_field, missed
from derive.judge_opaque import judge_opaque, opaque
from derive.judge_selection import judge_selection, orders, windows_of
from derive.layers import registry
from derive.layers.base import Layer, claims_of
from derive.layers.codes import Code
from derive.numbers_field import PRIME
from derive.spelling import parse_layer


def claim(text: str, shape: tuple[int, ...], key: str = "input") -> Claim:
    layer = parse_layer(text)
    return claim_at(claims_of(type(layer), layer.choices(shape))[key], layer.sizes(shape))


def field(of: Claim) -> bool:
    """Whether the judge over the field lets a claim pass."""
    return judge_with_field(of, np.random.default_rng(1)).difference is None


def sympy_agrees(of: Claim) -> bool:
    try:
        judge_opaque(of, random.Random(1), 1)
    except ProofError as refusal:
        assert "the judges disagree" in str(refusal)
        return False
    return True


# ---- true claims --------------------------------------------------------------------------------------

NONLINEAR = sorted(
    title
    for title, kind in registry().items()
    if any(
        applies(c) or kind.__name__.startswith(("Max", "Min", "AdaptiveMax"))
        for text, shape in kind.examples[:1]
        for c in claims_of(kind, parse_layer(text).choices(shape)).values()
    )
)


def test_the_layers_judged_here_are_there() -> None:
    assert {"Softmax", "CrossEntropyLoss", "BatchNorm2d", "GELU", "MaxPool2d", "LPPool1d"} <= set(NONLINEAR)


@pytest.mark.parametrize("title", NONLINEAR)
def test_every_claim_of_a_layer_passes_all_judges(title: str) -> None:
    text, shape = registry()[title].examples[0]
    layer = parse_layer(text)
    for key, of in claims_of(type(layer), layer.choices(shape)).items():
        found = judge_at_size(claim_at(of, layer.sizes(shape)), layer, key=key, shape=shape, seed=7)
        assert found.ok and found.identities > 0
        if applies(of):
            assert found.power >= 40 and f"<= 2^-{found.power}" in found.label
            assert any("SymPy" in line for line in found.lines)
        else:
            assert "exhaustive" in found.label and found.power == 0
        chosen = any(code.first for code in layer.codes(shape).values())
        assert sum(line.startswith("selection:") for line in found.lines) == (2 if chosen else 0)


def test_proofs_at_a_size_carry_the_label_that_was_earned() -> None:
    shown = prove(parse_layer("Softmax(1)"), (2, 3))
    assert shown.ok and shown.label.startswith("CHECKED, miss probability <= 2^-")
    assert int(shown.label.rpartition("-")[2]) >= 40
    assert prove(parse_layer("MaxPool1d(2)"), (1, 1, 4)).label.startswith("THIS SIZE")


def test_a_claim_for_many_entries_is_judged_too() -> None:
    of = claim("BatchNorm2d(8, training=True)", (8, 8, 6, 6))
    found = judge_with_field(of, np.random.default_rng(0))
    assert found.difference is None and found.power >= 40 and found.entries == 8 * 8 * 36
    assert "no loss composed" in judge_opaque(of, random.Random(0), 0)


# ---- damaged closed forms -----------------------------------------------------------------------------


def body(of: Claim, change: dict[int, Sum | None]) -> Claim:
    """The claim with terms of its right side replaced or left out."""
    terms = [change.get(place, term) for place, term in enumerate(of.right.body.terms)]
    return replace(of, right=replace(of.right, body=Expr(tuple(t for t in terms if t is not None))))


def negated(of: Claim, place: int) -> Claim:
    term = of.right.body.terms[place]
    return body(of, {place: replace(term, coefficient=-term.coefficient)})


def scaled(of: Claim, place: int) -> Claim:
    term = of.right.body.terms[place]
    return body(of, {place: replace(term, coefficient=term.coefficient * Fraction(3, 2))})


def helper(of: Claim, title: str, change: Definition) -> Claim:
    definitions = tuple(change if d.tensor.name == title else d for d in of.setting.definitions)
    return replace(of, setting=replace(of.setting, definitions=definitions))


def swapped(of: Claim, old: str, new: str) -> Claim:
    """One function for another in the right side and in the definitions that are not the layer's own."""

    def other(term: Sum) -> Sum:
        factors = (
            Apply(new, f.of) if isinstance(f, Apply) and f.function == old else f for f in term.factors
        )
        return replace(term, factors=tuple(factors))

    return body(of, dict(enumerate(map(other, of.right.body.terms))))


def unsummed(of: Claim, title: str) -> Claim:
    """A helper's sum over the wrong thing: one factor squared."""
    definition = of.setting.definition(title)
    assert definition is not None
    (term,) = definition.body.terms
    damaged = replace(term, factors=(*term.factors, term.factors[0]))
    return helper(of, title, replace(definition, body=Expr((damaged,))))


DAMAGED = {
    "softmax: sign": lambda: negated(claim("Softmax(1)", (2, 3)), 1),
    "softmax: the deviation lost": lambda: body(claim("Softmax(1)", (2, 3)), {1: None}),
    "softmax: factor": lambda: scaled(claim("Softmax(1)", (2, 3)), 0),
    "softmax: expectation of a square": lambda: unsummed(claim("Softmax(1)", (2, 3)), "expected"),
    "log-softmax: sign": lambda: negated(claim("LogSoftmax(1)", (2, 3)), 1),
    "cross entropy: term lost": lambda: body(claim("CrossEntropyLoss()", (2, 3)), {0: None}),
    "cross entropy: sign": lambda: negated(claim("CrossEntropyLoss()", (2, 3)), 0),
    "batch norm: through the mean lost": lambda: body(
        claim("BatchNorm1d(2, training=True)", (3, 2)), {1: None}
    ),
    "batch norm: sign": lambda: negated(claim("BatchNorm1d(2, training=True)", (3, 2)), 0),
    "activation: f for f'": lambda: swapped(claim("GELU()", (4,)), "gelu_prime", "gelu"),
    "activation: f' of another": lambda: swapped(claim("Tanh()", (4,)), "tanh_prime", "sigmoid_prime"),
    "activation: factor": lambda: scaled(claim("ReLU()", (4,)), 0),
    "LPPool: sign": lambda: negated(claim("LPPool1d(2, 2)", (1, 1, 6)), 0),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_closed_form_is_refused_by_both_judges(damage: str) -> None:
    of = DAMAGED[damage]()
    assert not field(of), "the field let it pass"
    assert not sympy_agrees(of), "SymPy let it pass"
    verdict = judge_at_size(of, seed=3)
    assert not verdict.ok and verdict.label == "REFUTED" and verdict.difference is not None


def test_the_damages_are_damages_of_claims_that_pass() -> None:
    for text, shape in (("Softmax(1)", (2, 3)), ("CrossEntropyLoss()", (2, 3)), ("Tanh()", (4,))):
        assert field(claim(text, shape)) and sympy_agrees(claim(text, shape))


def test_a_wrong_derivative_in_the_table_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """exp' = 2 exp: the left side follows the table, the closed form of softmax does not."""
    monkeypatch.setitem(DERIVATIVE, "exp", ((Fraction(2), ("exp",)),))
    assert not field(claim("Softmax(1)", (2, 3)))


# ---- the bound ----------------------------------------------------------------------------------------


def test_the_miss_probability_grows_with_arguments_and_degrees() -> None:
    few, many = missed(claim("Softmax(1)", (2, 3))), missed(claim("Softmax(1)", (20, 30)))
    assert 0 < few < many < Fraction(1, 2**30)
    assert missed(claim("ReLU()", (4,))) >= Fraction(6, PRIME)


def test_a_claim_wrong_in_one_factor_is_refused_with_every_seed() -> None:
    """A miss among 200 draws has probability below 200 * 2^-40."""
    of = DAMAGED["softmax: factor"]()
    refused = [judge_with_field(of, np.random.default_rng(seed)).difference for seed in range(200)]
    assert all(d is not None for d in refused)


# ---- SymPy --------------------------------------------------------------------------------------------


def test_an_opaque_function_knows_its_derivative_and_nothing_else() -> None:
    x = sympy.Symbol("x")
    assert opaque("exp")(2 * x).diff(x) == 2 * opaque("exp")(2 * x)
    assert opaque("relu")(x).diff(x) == opaque("relu_prime")(x)
    assert opaque("rsqrt")(x).diff(x) == -(opaque("rsqrt")(x) ** 3) / 2
    with pytest.raises(ProofError, match="no derivative"):
        opaque("relu_prime")(x).diff(x)


def test_to_sympy_of_layers_with_functions() -> None:
    relu = parse_layer("ReLU()").to_sympy((2,))
    x, g = relu.operands["input"], relu.operands["grad_output"]
    assert relu.partial("input", (0,)).subs(x[0], 0) == 0
    assert relu.partial("input", (0,)).subs(x[0], 2) == g[0]
    soft = parse_layer("Softmax(1)").to_sympy((1, 2))
    x = soft.operands["input"]
    assert soft.output[0, 0] == sympy.exp(x[0, 0]) / (sympy.exp(x[0, 0]) + sympy.exp(x[0, 1]))
    unknown = parse_layer("Activation()").to_sympy((1,))
    f, x = sympy.Function("f"), unknown.operands["input"]
    assert unknown.partial("input", (0,)) == unknown.operands["grad_output"][0] * f(x[0]).diff(x[0])
    loss = parse_layer("CrossEntropyLoss()").to_sympy((1, 2))
    assert loss.output.shape == () and loss.shapes["target"] == (1,)


# ---- selection ----------------------------------------------------------------------------------------


def layer_and_codes(text: str, shape: tuple[int, ...]) -> tuple[Layer, dict[str, Code]]:
    layer = parse_layer(text)
    return layer, layer.codes(shape)


POOL, PLANE = "MaxPool2d(2, stride=1, padding=1)", (1, 1, 3, 4)


def selected(of: Claim, codes: dict[str, Code]) -> None:
    judge_selection(of, codes, np.random.default_rng(2), 2)


def test_windows_are_the_taps_inside_the_input_in_order() -> None:
    _, codes = layer_and_codes(POOL, PLANE)
    windows = windows_of(claim(POOL, PLANE, "output"), "pick", codes["pick"])
    assert windows.places.shape == (20, 4)
    assert windows.places[0].tolist() == [-1, -1, -1, 0] and windows.places[6].tolist() == [0, 1, 4, 5]
    assert (windows.codes[6] == windows.places[6]).all()


def test_orders_of_small_windows_are_all_and_of_large_ones_all_pairs() -> None:
    assert len(set(orders(4))) == 24
    pairs = {(o.index(8), o.index(7)) for o in orders(9)}
    assert len(pairs) == 72 and all(sorted(o) == list(range(9)) for o in orders(9))


@pytest.mark.parametrize("key", ["output", "input"])
def test_a_closed_form_that_counts_an_entry_twice_is_refused(key: str) -> None:
    _, codes = layer_and_codes(POOL, PLANE)
    of = claim(POOL, PLANE, key)
    selected(of, codes)
    with pytest.raises(ProofError, match="plain maximum"):
        selected(scaled(of, 0), codes)


def test_a_pick_that_names_the_neighbour_is_refused() -> None:
    """The indicator's code is the place of the next entry, in the closed form alone."""
    _, codes = layer_and_codes(POOL, PLANE)
    of = claim(POOL, PLANE)
    routed = of.setting.definition("routed")
    assert routed is not None
    (term,) = routed.body.terms
    pick = next(f for f in term.factors if isinstance(f, Read) and f.tensor.name == "pick")
    flipped = replace(pick, index=(*pick.index[:-1], 1 - pick.index[-1]))
    factors = tuple(flipped if f == pick else f for f in term.factors)
    moved = replace(routed, body=Expr((replace(term, factors=factors),)))
    with pytest.raises(ProofError, match="plain maximum"):
        selected(helper(of, "routed", moved), codes)


def test_a_gradient_that_goes_to_every_entry_of_the_window_is_refused() -> None:
    _, codes = layer_and_codes(POOL, PLANE)
    of = claim(POOL, PLANE)
    routed = of.setting.definition("routed")
    assert routed is not None
    (term,) = routed.body.terms
    kept = tuple(f for f in term.factors if not (isinstance(f, Read) and f.tensor.name == "pick"))
    everywhere = replace(routed, body=Expr((replace(term, factors=kept),)))
    with pytest.raises(ProofError, match="plain maximum"):
        selected(helper(of, "routed", everywhere), codes)
    doubled = replace(routed, body=Expr((replace(term, coefficient=Fraction(2)),)))
    with pytest.raises(ProofError, match="plain maximum"):
        selected(helper(of, "routed", doubled), codes)


def test_the_last_largest_entry_or_the_first_nan_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _, codes = layer_and_codes(POOL, PLANE)
    true = first_of

    def last_largest(leads, lead, tap, value, key, nan, smallest):  # type: ignore[no-untyped-def]
        return true(leads, lead, -tap, value, key, nan, smallest)

    monkeypatch.setattr("derive.evaluate.first_of", last_largest)
    with pytest.raises(ProofError, match="another entry is chosen at ties"):
        selected(claim(POOL, PLANE), codes)


def test_min_pooling_is_judged_by_minima() -> None:
    text, shape = "MinPool1d(3, stride=2, padding=1)", (1, 1, 5)
    _, codes = layer_and_codes(text, shape)
    selected(claim(text, shape), codes)
    windows = windows_of(claim(text, shape), "pick", codes["pick"])
    x = np.array([3, 1, 4, 0, 5])
    assert windows.best(x, True).tolist() == [1, 0, 0] and windows.best(x, False).tolist() == [3, 4, 5]
