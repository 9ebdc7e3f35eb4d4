"""The meaning of expressions as SymPy, entry by entry, and the picture of a step."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import sympy
from reference import conv2d

from derive.claim import Claim
from derive.errors import LimitError, ProofError
from derive.expr import Expr
from derive.index import Form
from derive.instance import claim_at
from derive.layers.base import internal_index
from derive.layers.conv import Conv2d
from derive.meaning import Meaning, ScalarMeaning, entry, equation, symbolic_layer, to_sympy

CASES = [
    (Conv2d(1, 1, 2), (1, 1, 3, 3)),
    (Conv2d(1, 2, (2, 1), stride=2, padding=1), (1, 1, 4, 3)),
    (Conv2d(2, 2, (1, 2), stride=(3, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2), (2, 4, 2)),
]


def at(layer: Conv2d, shape: tuple[int, ...]) -> dict[str, Claim]:
    claims = layer.claims(**layer.choices(shape))
    return {key: claim_at(claim, layer.sizes(shape)) for key, claim in claims.items()}


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_both_sides_and_sympy_of_the_whole_loss_agree(layer: Conv2d, shape: tuple[int, ...]) -> None:
    symbolic = symbolic_layer(layer, shape)
    for key, claim in at(layer, shape).items():
        means = Meaning(claim.setting)
        want = symbolic.output if key == "output" else symbolic.gradient(key)
        for user in product(*map(range, want.shape)):
            values = {
                i.name: v for i, v in zip(claim.indices, internal_index(claim.target, user, {}), strict=True)
            }
            left, right = means.expr(claim.left, values), means.expr(claim.right.body, values)
            assert sympy.expand(left - right) == 0 and sympy.expand(right - want[user]) == 0
            assert entry(claim.setting, claim.right.body, values) == right


def test_layer_to_sympy_is_the_layer() -> None:
    layer, shape = CASES[1]
    symbolic = layer.to_sympy(input_shape=shape)
    numbers = np.random.default_rng(0)
    arrays = {n: numbers.integers(-5, 6, s) for n, s in symbolic.shapes.items() if n != "output"}
    symbols = {
        symbolic.operands[n][where]: int(a[where])
        for n, a in arrays.items()
        for where in product(*map(range, a.shape))
    }
    got = np.array([int(e.xreplace(symbols)) for e in sympy.flatten(symbolic.output)])
    want = conv2d(arrays["input"], arrays["weight"], arrays["bias"], layer.strides, layer.paddings)
    assert got.tolist() == want.ravel().tolist()
    assert int(symbolic.loss.xreplace(symbols)) == int((want * arrays["grad_output"]).sum())


def test_whole_loss_diff_is_the_gradient_by_monomials() -> None:
    symbolic = symbolic_layer(*CASES[0])
    for where in product(range(1), range(1), range(3), range(3)):
        assert symbolic.loss.diff(symbolic.operands["input"][where]) == symbolic.partial("input", where)


def explicit(picture: sympy.Expr, values: dict[str, int], means: Meaning, tensors: dict) -> sympy.Expr:
    """A picture expanded: bound symbols replaced by each value, reads of helpers by their meaning."""
    here = picture.xreplace({sympy.Symbol(n, integer=True): sympy.Integer(v) for n, v in values.items()})

    def spread(node: sympy.Expr) -> sympy.Expr:
        if isinstance(node, sympy.Sum):
            body, (symbol, low, high), rest = node.function, node.limits[-1], node.limits[:-1]
            cells = [body.xreplace({symbol: sympy.Integer(v)}) for v in range(int(low), int(high) + 1)]
            return sympy.Add(*(spread(sympy.Sum(c, *rest) if rest else c) for c in cells))
        if isinstance(node, sympy.Indexed) and str(node.base) in tensors:
            user = tuple(int(i) for i in node.indices)
            tensor = tensors[str(node.base)]
            return means.entry(tensor, internal_index(tensor, user, {}))
        return (
            node if not node.args or isinstance(node, sympy.Indexed) else node.func(*map(spread, node.args))
        )

    return sympy.expand(spread(here))


@pytest.mark.parametrize(("layer", "shape"), CASES)
def test_picture_expands_to_the_meaning(layer: Conv2d, shape: tuple[int, ...]) -> None:
    for claim in at(layer, shape).values():
        means = Meaning(claim.setting)
        tensors = {d.tensor.name: d.tensor for d in claim.setting.definitions}
        for definition in (claim.right, *claim.setting.definitions):
            picture = to_sympy(definition.body)
            for cell in list(product(*(range(i.extent.evaluate({})) for i in definition.indices)))[:60]:
                values = {i.name: v for i, v in zip(definition.indices, cell, strict=True)}
                want = sympy.expand(means.expr(definition.body, values))
                assert explicit(picture, values, means, tensors) == want


def test_equation_stays_unevaluated() -> None:
    claim = at(*CASES[0])["input"]
    shown = equation(claim, claim.left, claim.left)
    assert isinstance(shown, sympy.Eq) and shown.lhs.has(sympy.Derivative)
    general = Conv2d.claims()["input"]
    assert equation(general, general.left, general.right.body).rhs.has(sympy.Sum)


def test_read_outside_its_tensor_is_refused() -> None:
    claim = at(*CASES[1])["weight"]
    (term,) = claim.right.body.terms
    image, kernel = term.factors
    moved = Expr((replace(term, factors=(replace(image, index=(*image.index[:-1], Form.of(99))), kernel)),))
    with pytest.raises(ProofError, match="outside its tensor"):
        entry(claim.setting, moved, {i.name: 0 for i in claim.indices})


def test_scalar_symbols_mean_the_same() -> None:
    claim = at(*CASES[0])["input"]
    values = {i.name: 0 for i in claim.indices}
    assert str(ScalarMeaning(claim.setting).expr(claim.left, values)) == str(
        Meaning(claim.setting).expr(claim.left, values)
    )


def test_a_loss_too_large_is_refused_with_a_way_on() -> None:
    with pytest.raises(LimitError, match="loss too large"):
        Conv2d(16, 32, 3, padding=1).to_sympy((1, 16, 32, 32))


def test_an_entry_too_long_for_sympy_is_said_not_to_be_expanded() -> None:
    """The label stands on the exhaustive comparison alone there, and the report says so."""
    from derive.api import prove
    from derive.judge import MOST_EACH
    from derive.spelling import parse_layer

    report = prove(parse_layer("WeightedPool2d(3)"), (1, 16, 56, 56)).report
    said = [line for line in report if "no entry expanded" in line]
    assert len(said) == 1 and said[0].startswith("grad_weight: SymPy: no entry expanded")
    assert int(said[0].split("over ")[1].split(" ")[0].replace(",", "")) > MOST_EACH
    assert any("grad_weight" in line and "compared exhaustively" in line for line in report)
