"""The values of a definition by one product over strided views, against one term after another."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from conv_reference import random_layer
from test_validate_parts import by_hand, claims

from codegen.errors import BuildError
from codegen.reference import evaluate
from codegen.relation import Family, Relation, entries, pinned, relation_of
from codegen.strided import Placed, strided
from derive.expr import Read, Tensor
from derive.index import Form, Index, Within, name
from derive.spelling import parse_layer

LAYERS = (
    ("Conv1d(2, 3, 4, stride=3, padding=2, dilation=2)", (2, 2, 11)),
    ("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (2, 4, 5, 4)),
    ("Conv2d(3, 3, 2, stride=3, groups=3)", (1, 3, 7, 6)),
    ("Conv3d(2, 2, 2, padding=1)", (1, 2, 2, 3, 2)),
    ("ConvTranspose1d(2, 3, 4, stride=2, padding=1, output_padding=1)", (1, 2, 5)),
    ("ConvTranspose2d(2, 2, (2, 3), stride=(3, 1), dilation=2)", (1, 2, 3, 2)),
    ("ConvTranspose2d(4, 2, 2, stride=2, groups=2, bias=False)", (2, 4, 3, 2)),
    ("Linear(5, 4)", (3, 5)),
    ("Add()", (2, 3)),
)


def whole(relation: Relation, magnitude: int = 9) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    return {t.name: rng.integers(-magnitude, magnitude + 1, entries(t)) for t in relation.operands}


def same(relation: Relation) -> int:
    """Compares both ways with the terms by hand; returns how many families went over views."""
    data = whole(relation)
    exact = by_hand(relation, data)[0]
    for dtype in (np.float64, np.float32, np.longdouble):
        found = evaluate(relation, {n: d.astype(dtype) for n, d in data.items()})
        assert found.dtype == dtype and np.array_equal(found.reshape(-1).astype(np.int64), exact)
    return sum(strided(pinned(f), relation.shape) is not None for f in relation.families)


@pytest.mark.parametrize(("text", "shape"), LAYERS, ids=[t for t, _ in LAYERS])
def test_values_over_views_are_those_of_the_terms(text: str, shape: tuple[int, ...]) -> None:
    relations = [relation_of(c) for c in claims(parse_layer(text), shape).values()]
    assert sum(map(same, relations)) == sum(len(r.families) for r in relations), "every family is seen so"


@pytest.mark.parametrize("seed", range(12))
def test_values_of_random_convolutions(seed: int) -> None:
    """Groups, strides over kernels, dilation, lopsided padding, what a stride leaves over."""
    layer, shape = random_layer(random.Random(seed), 7)
    shape = shape if len(shape) == 4 else (1, *shape)
    assert all([same(relation_of(c)) for c in claims(layer, shape).values()])


def test_brackets_that_are_no_edges_go_the_long_way() -> None:
    """A bracket over other places than those read has to be looked at; so has an equation."""
    relation = relation_of(claims(parse_layer("Upsample(scale_factor=2)"), (1, 1, 3, 4))["output"])
    assert same(relation) == 0
    conv = relation_of(claims(parse_layer("Conv1d(1, 1, 3, padding=1, bias=False)"), (1, 1, 5))["output"])
    (family,) = map(pinned, conv.families)
    (bracket,) = (c for c in family.conditions if isinstance(c, Within))
    narrow = replace(family, conditions=(Within(bracket.form, Form.of(4)),))
    assert strided(family, conv.shape) is not None and strided(narrow, conv.shape) is None
    data = {n: d.astype(float) for n, d in whole(conv).items()}
    cut = evaluate(conv, data | {"input": np.append(data["input"][:4], 0)})
    assert (evaluate(Relation(conv.result, (narrow,)), data) == cut).all()


def test_a_read_outside_is_an_error_not_a_zero() -> None:
    """With the bracket gone, what it kept out is not taken for padding."""
    conv = relation_of(claims(parse_layer("Conv1d(1, 1, 3, padding=1, bias=False)"), (1, 1, 5))["output"])
    (family,) = map(pinned, conv.families)
    bare = replace(family, conditions=())
    assert strided(bare, conv.shape) is None
    with pytest.raises(BuildError, match="outside a tensor"):
        evaluate(Relation(conv.result, (bare,)), {n: d.astype(float) for n, d in whole(conv).items()})


def test_an_entry_outside_the_result_is_an_error() -> None:
    x, y = Tensor("x", (Form.of(3),), ((0,),)), Tensor("y", (Form.of(3),), ((0,),))
    for shift in (1, -1):
        family = Family((Index("i", Form.of(3)),), (), (name("i") + shift,), (Read(x, (name("i"),)),))
        assert strided(family, (3,)) is None
        with pytest.raises(BuildError, match="outside its result"):
            evaluate(Relation(y, (family,)), {"x": np.ones(3)})


def test_names_that_nothing_reads_count_and_spread() -> None:
    """A summed name of no factor multiplies; a name of the result alone repeats; places may run backwards."""
    x, y = Tensor("x", (Form.of(4),), ((0,),)), Tensor("y", (Form.of(4), Form.of(2)), ((0,), (1,)))
    i, j, k = (Index(n, Form.of(size)) for n, size in (("i", 4), ("j", 2), ("k", 3)))
    back = Family((i, j, k), (), (name("i"), name("j")), (Read(x, (3 - name("i"),)),))
    values = np.array([1.0, 2, 3, 4])
    assert strided(back, (4, 2)) is not None
    assert evaluate(Relation(y, (back,)), {"x": values}).tolist() == [[v * 3, v * 3] for v in values[::-1]]


def test_a_name_along_two_axes_of_the_result_goes_the_long_way() -> None:
    x = Tensor("x", (Form.of(3),), ((0,),))
    both = Family((Index("i", Form.of(3)),), (), (name("i"), name("i")), (Read(x, (name("i"),)),))
    assert strided(both, (3, 3)) is None


def test_a_wrong_view_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: padding on the other side, or one place off, changes the values of a convolution."""
    relation = relation_of(claims(parse_layer("Conv1d(2, 2, 3, padding=((2, 0),))"), (1, 2, 6))["output"])
    true = Placed.view
    assert same(relation)
    monkeypatch.setattr(Placed, "view", lambda s, p, e, n, start=0: true(s, p[..., ::-1].copy(), e, n, start))
    with pytest.raises(AssertionError):
        same(relation)
    monkeypatch.setattr(Placed, "view", lambda s, p, e, n, start=0: true(s, np.roll(p, 1), e, n, start))
    with pytest.raises(AssertionError):
        same(relation)
