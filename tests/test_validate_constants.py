"""The constants that a binary ships with: wrong by one rounding or in the sixth digit; what refuses them."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from curved_kernels import artefact

from codegen import rational_tables, tables
from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.rational_tables import Exact, check_nearest, check_tables
from codegen.reference import evaluate
from codegen.relation import entries, relation_of
from codegen.rig import Rig
from codegen.validate import validate
from derive.instance import claim_at
from derive.spelling import parse_layer

BILINEAR, SHAPE = "Upsample(size=(5, 9), mode='bilinear')", (1, 2, 3, 4)
WRONG = Fraction(3, 5)
"""A weight of the five rows."""
Rounding = Callable[[Fraction, str], float]
true_rounding = tables.rounded


def off(value: Fraction, dtype: str) -> float:
    """One value of the table off by 1e-5."""
    return true_rounding(value + (Fraction(1, 10**5) if value == WRONG else 0), dtype)


def cut(value: Fraction, dtype: str) -> float:
    """Rounded towards zero."""
    near = np.dtype(dtype).type(true_rounding(value, dtype))
    return float(np.nextafter(near, near.dtype.type(0)) if abs(Fraction(float(near))) > abs(value) else near)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    assert WRONG in parse_layer(BILINEAR).tables(SHAPE)["table_h"]
    return artefact(BILINEAR, SHAPE, tmp_path_factory.mktemp("bilinear"))


def shipped(art: Artefact) -> Rig:
    return Rig(art, "output", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)


def test_sound_tables_pass_and_the_claim_says_so(built: Artefact) -> None:
    checks = validate(built, seed=1).of("rational")
    assert [c.kernel for c in checks] == ["output", "grad_input"]
    for check in checks:
        assert check.facts["whole"] and 0 < check.facts["worst_fraction_of_bound"] < 1
        assert "table_h, table_w is the number of float32 nearest" in check.claim


@pytest.mark.parametrize("rounding", [off, cut])
def test_a_wrong_constant_is_refused(
    built: Artefact, monkeypatch: pytest.MonkeyPatch, rounding: Rounding
) -> None:
    """By its own value; every check for tables of any values is content with it."""
    monkeypatch.setattr(tables, "rounded", rounding)
    with pytest.raises(BuildError, match=r"constant of table_h is not the nearest[\s\S]*expected: \d/5"):
        validate(built, seed=1)
    monkeypatch.setattr("codegen.validate.check_tables", lambda artefact, rig, rng: ())
    assert validate(built, seed=1).of("uint64")


def test_the_run_itself_refuses_a_constant_off_in_the_sixth_digit(
    built: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody looked at the values; the usual tolerance, relative L2 below 1e-3, passes it."""
    monkeypatch.setattr(tables, "rounded", off)
    monkeypatch.setattr(rational_tables, "check_nearest", lambda name, values, given: None)
    for seed in range(3):
        with pytest.raises(BuildError, match=r"output is further .*\n[\s\S]*with the layer's constants"):
            list(check_tables(built, shipped(built), np.random.default_rng(seed)))
    rig, layer = shipped(built), parse_layer(BILINEAR)
    data = {"input": np.random.default_rng(1).standard_normal(24)}
    given = tables.arrays(layer.tables(SHAPE), "float32")
    exact = {n: np.array([float(v) for v in values]) for n, values in layer.tables(SHAPE).items()}
    wrong = rig.run({**data, **given}) - evaluate(rig.relation, {**data, **exact}).reshape(-1)
    size = np.linalg.norm(evaluate(rig.relation, {**data, **exact}))
    assert 1e-6 < np.linalg.norm(wrong) / size < 1e-3


def test_a_bound_that_is_too_narrow_refuses_sound_tables(
    built: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Exact, "roundings", property(lambda self: np.full(entries(self.relation.result), 0.3))
    )
    with pytest.raises(BuildError, match="further from its equation than rounding explains"):
        list(check_tables(built, shipped(built), np.random.default_rng(1)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nearest_is_nearest(dtype: str) -> None:
    values = [Fraction(1, 3), Fraction(-2, 7), Fraction(0), Fraction(5), Fraction(1, 3)]
    right = np.array([true_rounding(v, dtype) for v in values], dtype)
    check_nearest("share", values, right)
    for place in range(len(values)):
        for side in (-np.inf, np.inf):
            wrong = right.copy()
            wrong[place] = np.nextafter(right[place], np.dtype(dtype).type(side))
            with pytest.raises(BuildError, match=f"share, entry {place}"):
                check_nearest("share", values, wrong)


MANY_DIGITS = "Upsample(scale_factor=(1.23456789012, 1.4242424242), mode='bilinear')"


@pytest.mark.parametrize(
    ("text", "shape", "noise"),
    [
        (BILINEAR, SHAPE, False),
        ("AvgPool2d(3, stride=2, padding=1, ceil_mode=True, count_include_pad=False)", (1, 2, 7, 9), False),
        (MANY_DIGITS, (1, 1, 5, 4), True),
    ],
)
def test_exact_values_are_the_definitions(text: str, shape: tuple[int, ...], noise: bool) -> None:
    """Against rationals, entry by entry: whole numbers exactly, long doubles to their last digits."""
    layer = parse_layer(text)
    relation = relation_of(claim_at(layer.claims(**layer.choices(shape))["output"], layer.sizes(shape)))
    known = {n: v for n, v in layer.tables(shape).items() if n in {t.name for t in relation.operands}}
    exact = Exact.of(relation, known)
    assert bool(exact.noise) == noise and exact.linear
    count = int(np.prod(shape))
    found = exact.values({"input": np.arange(1.0, 1 + count)})
    operands = {**known, "input": [Fraction(n) for n in range(1, 1 + count)]}
    rational = {n: np.array(list(v), object) for n, v in operands.items()}
    for value, entry in zip(found, evaluate(relation, rational).reshape(-1), strict=True):
        whole = Fraction(float(value)) + Fraction(float(value - np.longdouble(float(value))))
        error = abs(whole - entry * exact.denominator)
        assert error <= Fraction(40 * exact.noise) * abs(entry)
