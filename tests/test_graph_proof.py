"""Derivations of graphs: proved, compared with PyTorch's autograd, and refused where damaged."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from graph_cases import CASES, REFRESHER, Case

from derive import Graph, Sequential, differentiate, parse_layer, prove
from derive.errors import LayerError, LimitError, ProofError
from derive.evaluate import Evaluator
from derive.expr import Definition, Expr
from derive.graph_field import bound
from derive.graph_field import judge as judge_field
from derive.graph_numbers import places_taken, worked
from derive.graph_setting import Composed, compose
from derive.graph_shapes import plan
from derive.graph_sympy import agree, function
from derive.graph_sympy import judge as judge_sympy
from derive.layers import registry
from derive.numbers_reals import Reals

LAYERS = registry()


def composed(case: Case) -> Composed:
    made = plan(parse_layer(case.text), case.shapes)
    return compose(made, made.wanted)


@pytest.mark.parametrize("name", CASES)
def test_every_gradient_is_proved(name: str) -> None:
    case = CASES[name]
    result = prove(parse_layer(case.text), case.shapes)
    made = plan(parse_layer(case.text), case.shapes)
    entries = sum(int(np.prod(made.shape(t))) for t in made.wanted)
    assert result.ok and result.label == f"THIS SIZE, {entries:,} identities, exhaustive", result.report
    assert result.identities == entries
    assert sum("ALL SIZES (certificate)" in line for line in result.report) == len(made.placed)


def drawn(made: Any, rng: np.random.Generator) -> dict[str, Any]:
    """Values for everything that a user gives; class indices for whole numbers."""
    return {
        t.name: rng.normal(size=t.shape) if t.dtype == "floating" else rng.integers(0, 3, t.shape)
        for t in made.tensors.values()
        if t.kind != "node"
    }


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_autograd(name: str) -> None:
    """The printed backward pass, within the bound that is derived for a float64 computation of it."""
    torch = pytest.importorskip("torch")
    case, rng = CASES[name], np.random.default_rng(7)
    part = composed(case)
    made, values = part.plan, drawn(part.plan, rng)
    seeds = {title: rng.normal(size=made.shape(o)) for o, title in made.cotangents().items()}
    tensors = {n: torch.tensor(v, requires_grad=v.dtype.kind == "f") for n, v in values.items()}
    outputs = case.run(tensors)
    sum((outputs[o] * torch.tensor(seeds[t])).sum() for o, t in made.cotangents().items()).backward()
    numbers = Reals("float64")
    judge, given = evaluator(part, numbers), {**values, **seeds}
    found = judge.at(given | places_taken(part, judge, given))
    for wrt in made.wanted:
        exact = found.tensor(part.gradients[wrt].name)
        theirs = tensors[wrt].grad.numpy().reshape(-1)
        assert np.all(np.abs(numbers.plain(exact) - theirs) <= numbers.error(exact)), wrt
        assert numbers.error(exact).max() < 1e-9, "a bound that says something"


def evaluator(part: Composed, numbers: Any) -> Evaluator:
    return Evaluator(
        part.setting,
        numbers,
        tables=part.tables,
        parameters=part.parameters,
        codes=part.codes,
        shifts=part.shifts,
    )


def test_the_chain_rule_refresher(seed_cases: dict[str, Any]) -> None:
    case = seed_cases["chain-rule-refresher"]
    q, z = case["at"]["q"], case["at"]["z"]
    made = worked(composed(CASES["refresher"]), {"x": [q - 5], "y": [5], "z": [z]})
    assert made.values == {"q": (q,), "f": (q * z,)}
    assert {name: made.gradients[name] for name in case["grads"]} == {
        name: (value,) for name, value in case["grads"].items()
    }
    grads = differentiate(parse_layer(REFRESHER), CASES["refresher"].shapes)
    seed = sympy.IndexedBase("grad_output")[0]
    x, y, z_entry = (sympy.IndexedBase(name)[0] for name in "xyz")
    assert grads["x"].element((0,)) == grads["y"].element((0,)) == seed * z_entry
    assert sympy.expand(grads["z"].element((0,)) - seed * (x + y)) == 0


def test_numbers_are_exact_or_refused() -> None:
    relu = differentiate(Sequential(LAYERS["Linear"](2, 1), LAYERS["ReLU"]()), (1, 2))
    numbers = {"input": [[1, -2]], "0.weight": [[Fraction(1, 3), Fraction(1, 7)]], "0.bias": 1}
    made = relu["input"].with_numbers(numbers).worked
    assert made is not None and made.scalar == Fraction(1) + Fraction(1, 3) - Fraction(2, 7)
    assert made.gradients["input"] == (Fraction(1, 3), Fraction(1, 7))
    with pytest.raises(LayerError, match="numbers do not fit"):
        relu["input"].with_numbers({**numbers, "0.bias": [1, 2]})
    with pytest.raises(LayerError, match="numbers do not fit"):
        relu["input"].with_numbers({"input": [[1, 2]]})
    with pytest.raises(LayerError, match="no such tensor"):
        relu["input"].with_numbers({**numbers, "bias": 1})
    soft = differentiate(Sequential(LAYERS["Softmax"](1)), (1, 2))["input"]
    with pytest.raises(LayerError, match="no fractions"):
        soft.with_numbers({"input": [[1, 2]]})


Damage = Callable[[Composed], Composed]


def changed(part: Composed, name: str, change: Callable[[Definition], Definition]) -> Composed:
    """The composition with one definition of the backward pass changed."""
    old = part.setting.definition(name)
    assert old is not None, f"no definition {name}"
    definitions = tuple(change(d) if d is old else d for d in part.setting.definitions)
    assert definitions != part.setting.definitions, "nothing was damaged"
    return replace(part, setting=replace(part.setting, definitions=definitions))


def with_terms(name: str, choose: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Damage:
    return lambda part: changed(part, name, lambda d: replace(d, body=Expr(choose(d.body.terms))))


def reading(name: str, old: str, new: str) -> Damage:
    """The definition reads another tensor of the same shape."""

    def swap(part: Composed, definition: Definition) -> Definition:
        tensors = {d.tensor.name: d.tensor for d in part.setting.definitions}
        tensors |= {t.name: t for t in part.setting.inputs}
        terms = []
        for term in definition.body.terms:
            factors = [
                replace(f, tensor=tensors[new]) if getattr(f, "tensor", None) == tensors[old] else f
                for f in term.factors
            ]
            terms.append(replace(term, factors=tuple(factors)))
        return replace(definition, body=Expr(tuple(terms)))

    return lambda part: changed(part, name, lambda d: swap(part, d))


DAMAGED: dict[str, tuple[str, Damage]] = {
    "a dropped branch": ("residual", with_terms("grad_x", lambda terms: terms[1:])),
    "overwritten, not summed": ("residual", with_terms("grad_x", lambda terms: terms[-1:])),
    "counted twice": ("residual", with_terms("grad_x", lambda terms: (*terms, terms[0]))),
    "a shared weight's second use dropped": ("shared", with_terms("grad_a.weight", lambda terms: terms[:1])),
    "sent on before all uses are added": ("shared", reading("grad_a", "grad_t", "b.grad_input")),
    "an output that is also read, its own part dropped": ("shared", with_terms("grad_t", lambda t: t[1:])),
    "a branch of the wrong node": ("branches", reading("grad_r", "grad_c", "c")),
    "the other part of a concat": (
        "branches",
        with_terms("grad_b", lambda t: (replace(t[0], factors=(replace(t[0].factors[0], index=tuple(
            f - 4 * (i == 1) + 3 * (i == 1) for i, f in enumerate(t[0].factors[0].index))),)),)),
    ),
    "a wrong sign": (
        "soft", with_terms("grad_3.output", lambda t: (replace(t[0], coefficient=Fraction(-1)),)),
    ),
    "a lost factor": ("cnn", lambda part: changed(part, "grad_0.output", lambda d: replace(
        d, body=Expr((replace(d.body.terms[0], factors=d.body.terms[0].factors[:1]),))))),
    "twice the same factor": ("twice", with_terms("grad_d", lambda t: (*t, *t))),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGED)
def test_damaged_passes_are_refused_by_both_judges(damage: str) -> None:
    name, spoil = DAMAGED[damage]
    part = composed(CASES[name])
    names = part.plan.wanted
    spoiled = spoil(part)
    with pytest.raises(ProofError):
        judge_field(spoiled, names, seed=1)
    with pytest.raises(ProofError):
        judge_sympy(spoiled, names)


def random_graph(draw: random.Random) -> Graph:
    """Sums, products, functions and shared weights on tensors of one shape, every tensor used."""
    kinds = [LAYERS["ReLU"](), LAYERS["Tanh"](), LAYERS["Linear"](2, 2), LAYERS["Add"](), LAYERS["Mul"]()]
    nodes: dict[str, tuple[Any, ...]] = {}
    loose = ["x", "y"]
    while len(loose) > 1 or len(nodes) < 8:
        known = ["x", "y", *nodes]
        layer: Any = draw.choice(kinds if len(nodes) < 10 else kinds[3:4])
        owners = [n for n, made in nodes.items() if repr(made[0]) == "Linear(2, 2)"]
        first = draw.choice(loose)
        others = [n for n in loose if n != first] if draw.random() < 0.5 or len(nodes) >= 10 else []
        more = [draw.choice(others or known)] if type(layer) in (LAYERS["Add"], LAYERS["Mul"]) else []
        if type(layer) is LAYERS["Linear"] and owners and draw.random() < 0.5:
            layer = draw.choice(owners)
        name = f"n{len(nodes)}"
        nodes[name] = (layer, first, *more)
        loose = [n for n in loose if n not in (first, *more)] + [name]
    return Graph(("x", "y"), nodes, loose)


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs(seed: int) -> None:
    """Composed right; with any term of any sum over uses dropped, refused."""
    draw = random.Random(seed)
    made = plan(random_graph(draw), {"x": (2, 2), "y": (2, 2)})
    part = compose(made, made.wanted)
    judge_field(part, made.wanted, seed)
    for name, total in part.sums.items():
        position = draw.randrange(len(total.body.terms))
        spoil = with_terms(total.tensor.name, lambda t, p=position: (*t[:p], *t[p + 1 :]))  # type: ignore[misc]
        with pytest.raises(ProofError):
            judge_field(spoil(part), [name, *made.wanted], seed)  # type: ignore[arg-type]


def test_random_graphs_have_sums() -> None:
    """The property above is about something."""
    graphs = (random_graph(random.Random(seed)) for seed in range(25))
    parts = [compose(plan(g, {"x": (2, 2), "y": (2, 2)})) for g in graphs]
    assert sum(len(part.sums) for part in parts) > 40
    assert any(node.node.shares for part in parts for node in part.plan.placed)


def test_the_bound_says_what_it_stands_on() -> None:
    """One layer by hand: L = sum G relu(sum w x + b); the derivative by w is G relu'(..) x."""
    text = "Sequential(Linear(2, 1), ReLU())"
    made = plan(parse_layer(text), (1, 2))
    found = bound(compose(made, made.wanted))
    # the largest degree: grad_input of the closed form and of the reverse pass, G relu' w
    assert (found.degree, found.arguments, found.inverted) == (3, 2, 0)
    soft = plan(parse_layer("Sequential(Softmax(1))"), (1, 3))
    assert bound(compose(soft)).inverted == 1
    with pytest.raises(LimitError, match="too large"):
        large = plan(parse_layer("Sequential(Linear(4096, 4096))"), (64, 4096))
        judge_field(compose(large), large.wanted)


def test_functions_are_compared_as_unknown_ones() -> None:
    """A wrong derivative of one function is refused, and no identity of the real functions is used."""
    x, y = sympy.symbols("x y")
    assert function("tanh")(x).diff(x) == function("tanh_prime")(x)
    assert function("exp")(x + y).diff(x) == function("exp")(x + y)
    assert agree(function("tanh")(x) * 2, function("tanh")(x) + function("tanh")(x)) == (True, False)
    assert agree((x + y) / (x * y), 1 / x + 1 / y) == (True, True)
    root = (x + y) ** sympy.Rational(-1, 2)
    assert agree(root**3 * x + root**3 * y, root) == (True, True)
    assert not agree(root**3 * x - root**3 * y, root)[0]
    assert not agree(function("tanh")(x), function("tanh_prime")(x))[0]
    assert not agree(function("tanh")(x), function("tanh")(y))[0]


def test_one_gradient_of_two_slopes_is_said() -> None:
    report = prove(parse_layer("Sequential(LeakyReLU(0.5), LeakyReLU(0.25))"), (2,)).report
    assert any("layers differ in negative_slope" in line for line in report)


def test_a_proof_needs_shapes() -> None:
    with pytest.raises(LayerError, match="given shapes"):
        prove(parse_layer(REFRESHER))
    with pytest.raises(LayerError, match="no such option"):
        prove(parse_layer(REFRESHER), {"x": (1,), "z": (1,)}, bias=True)
