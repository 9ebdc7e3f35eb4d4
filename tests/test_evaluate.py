"""The evaluator: number systems against plain arithmetic, definitions against loops, bounds that hold."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from derive.claim import Claim
from derive.errors import LimitError, ProofError
from derive.evaluate import Evaluator, Values
from derive.exhaust_rows import sizes
from derive.functions import NUMBER, PARAMETERS
from derive.instance import claim_at
from derive.layers import registry
from derive.layers.base import Layer, claims_of
from derive.numbers_exact import Rationals
from derive.numbers_field import PRIME, Field, RandomField, inverse, mixed, residue, times
from derive.numbers_functions import EPS, TURNS, ULPS, VALUES, spread, value
from derive.numbers_reals import Reals
from derive.spelling import parse_layer

Long = np.longdouble
RNG = np.random.default_rng(5)


def claims(text: str, shape: tuple[int, ...]) -> tuple[Layer, dict[str, Claim]]:
    layer = parse_layer(text)
    found = claims_of(type(layer), layer.choices(shape))
    return layer, {key: claim_at(claim, layer.sizes(shape)) for key, claim in found.items()}


def evaluated(layer: Layer, shape: tuple[int, ...], claim: Claim, numbers: Any, inputs: Any) -> Values:
    return Evaluator(
        claim.setting,
        numbers,
        tables=layer.tables(shape),
        parameters=layer.parameters(),
        codes=layer.codes(shape),
        shifts=layer.shifts(shape),
    ).at(inputs)


# ---- the field ----------------------------------------------------------------------------------------

HARD = np.array([0, 1, 2, 2**31 - 1, 2**31, 2**60, PRIME - 2, PRIME - 1], np.uint64)


def test_field_products_and_inverses_are_those_of_whole_numbers() -> None:
    a = np.concatenate([np.repeat(HARD, 8), RNG.integers(0, PRIME, 500, np.uint64)])
    b = np.concatenate([np.tile(HARD, 8), RNG.integers(0, PRIME, 500, np.uint64)])
    assert times(a, b).tolist() == [x * y % PRIME for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    assert inverse(a).tolist() == [pow(x, PRIME - 2, PRIME) for x in a.tolist()]
    assert times(a, inverse(a)).tolist() == [int(x != 0) for x in a.tolist()]


def test_field_takes_numbers_of_any_kind_and_adds_them_up_exactly() -> None:
    field = Field()
    assert field.given(np.array([-1, 0, 7])).tolist() == [PRIME - 1, 0, 7]
    assert field.given(np.array([0.5])).tolist() == field.constants([Fraction(1, 2)]).tolist()
    assert residue(Fraction(-3, 4)) * 4 % PRIME == PRIME - 3
    values, places = RNG.integers(0, PRIME, 5000, np.uint64), RNG.integers(0, 7, 5000)
    total = field.zeros(7)
    field.add(total, places, values)
    wanted = [
        sum(v for v, p in zip(values.tolist(), places.tolist(), strict=True) if p == k) for k in range(7)
    ]
    assert total.tolist() == [w % PRIME for w in wanted]


def plain_mix(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_unknown_functions_mix_as_they_are_written_down() -> None:
    x = RNG.integers(0, PRIME, 20, np.uint64)
    assert mixed(x).tolist() == [plain_mix(v) for v in x.tolist()]
    third, two = residue(Fraction(1, 3)), 2
    for name, parameters in (("exp", []), ("softplus", [Fraction(1, 3), Fraction(2)])):
        keys = [third, two][: len(parameters)]
        wanted = []
        for v in x.tolist():
            h = plain_mix(v ^ plain_mix(NUMBER[name]))
            for key in keys:
                h = plain_mix(h ^ key)
            wanted.append(h % PRIME)
        assert Field().apply(name, x, parameters).tolist() == wanted


def test_random_functions_are_functions_and_differ() -> None:
    field = RandomField(np.random.default_rng(3))
    x = field.random(50)
    first = field.apply("exp", x, [])
    assert (field.apply("exp", x[::-1], [])[::-1] == first).all() and field.arguments == 50
    assert (field.apply("tanh", x, []) != first).all()
    assert (field.apply("elu", x, [Fraction(1)]) != field.apply("elu", x, [Fraction(2)])).all()


# ---- definitions --------------------------------------------------------------------------------------

FUNCTIONS = (
    ("Softmax(1)", (2, 3)),
    ("LogSoftmax(0)", (3, 2)),
    ("CrossEntropyLoss(weighted=True, label_smoothing=0.1)", (3, 4)),
    ("BatchNorm1d(2, training=True)", (3, 2)),
    ("GELU()", (5,)),
    ("LeakyReLU(0.2)", (5,)),
    ("LPPool1d(2, 2)", (1, 1, 6)),
    ("BCEWithLogitsLoss()", (2, 2)),
)


def numbers_for(
    layer: Layer, shape: tuple[int, ...], claim: Claim, rng: np.random.Generator
) -> dict[str, Any]:
    known = {*layer.tables(shape), *layer.shifts(shape), *layer.codes(shape)}
    plain = [t for t in claim.setting.inputs if t.name not in known]
    drawn: dict[str, Any] = {t.name: rng.uniform(0.1, 0.9, sizes(t)) for t in plain}
    for title, code in layer.codes(shape).items():
        if not code.first:
            tensor = next(t for t in claim.setting.inputs if t.name == title)
            lead = [sizes(tensor)[axis] for axis in code.lead]
            drawn[code.operand] = rng.integers(0, sizes(tensor)[1], lead)
    return drawn


@pytest.mark.parametrize(("text", "shape"), FUNCTIONS)
def test_the_two_sides_agree_in_long_double_far_below_a_double(text: str, shape: tuple[int, ...]) -> None:
    layer, found = claims(text, shape)
    for claim in found.values():
        numbers = Reals("longdouble")
        values = evaluated(layer, shape, claim, numbers, numbers_for(layer, shape, claim, RNG))
        left, right = values.left(claim), values.right(claim)
        bound = numbers.error(left) + numbers.error(right)
        assert (np.abs(left.value - right.value) <= bound).all()
        assert bound.max() <= 1e-12 * max(1.0, float(np.abs(left.value).max()))


def test_reverse_differentiation_is_the_difference_quotient() -> None:
    """The loss of softmax at x + h e against the gradient: the remainder is of the order h^2."""
    layer, found = claims("Softmax(1)", (2, 3))
    claim, step = found["input"], 1e-4
    inputs = numbers_for(layer, (2, 3), claim, RNG)
    gradient = evaluated(layer, (2, 3), claim, Reals("longdouble"), inputs).left(claim).value
    for place in range(6):
        sides = []
        for sign in (1, -1):
            moved = inputs["input"].astype(Long).reshape(-1).copy()
            moved[place] += sign * Long(step)
            values = evaluated(layer, (2, 3), claim, Reals("longdouble"), {**inputs, "input": moved})
            sides.append(values.tensor("loss").value[0])
        assert abs((sides[0] - sides[1]) / (2 * step) - gradient[place]) < step**2


def test_exact_rationals_multiply_and_add_without_rounding() -> None:
    layer, found = claims("MSELoss(reduction='sum')", (3,))
    x, y = [Fraction(1, 3), Fraction(-2, 7), Fraction(5)], [Fraction(1, 2), Fraction(0), Fraction(1, 11)]
    inputs = {"input": np.array(x, object), "target": np.array(y, object), "grad_output": np.array(3)}
    values = evaluated(layer, (3,), found["input"], Rationals(), inputs)
    assert values.right(found["input"]).tolist() == [6 * (a - b) for a, b in zip(x, y, strict=True)]
    assert values.left(found["input"]).tolist() == values.right(found["input"]).tolist()
    with pytest.raises(ProofError, match="not a rational function"):
        Rationals().apply("exp", np.array([Fraction(1)], object), [])


# ---- indicators and shifts ----------------------------------------------------------------------------


def torch_like(window: list[float], smallest: bool = False) -> int:
    """Which place a loop over a window keeps: strictly beyond the best, NaN, or nothing yet."""
    best, at = 0.0, -1
    for place, x in enumerate(window):
        if at < 0 or (x < best if smallest else x > best) or x != x:
            best, at = x, place
    return at


@pytest.mark.parametrize("kind", ["MaxPool1d", "MinPool1d"])
def test_computed_codes_are_those_of_the_loop_at_ties_nan_and_infinities(kind: str) -> None:
    shape, nan, inf = (1, 1, 4), float("nan"), float("inf")
    layer, found = claims(f"{kind}(4)", shape)
    tensor = next(t for t in found["output"].setting.inputs if t.name == "pick")
    for window in product((-inf, 0.0, 1.0, inf, nan), repeat=4):
        values = evaluated(layer, shape, found["output"], Reals(), {"input": np.array(window)})
        place = torch_like(list(window), kind.startswith("Min"))
        assert values.code(tensor).tolist() == [place]
        chosen = values.tensor("output").value[0]
        assert chosen == window[place] or (np.isnan(chosen) and np.isnan(window[place]))


def test_an_absent_term_is_absent_whatever_it_would_multiply() -> None:
    layer, found = claims("NLLLoss(reduction='sum')", (2, 3))
    x = np.array([[np.inf, -1.0, np.nan], [-2.0, np.inf, np.nan]])
    inputs = {"input": x, "target": np.array([1, 0])}
    assert evaluated(layer, (2, 3), found["output"], Reals(), inputs).tensor("output").value.tolist() == [3.0]
    ignored = {**inputs, "target": np.array([1, -1])}
    assert evaluated(layer, (2, 3), found["output"], Reals(), ignored).tensor("output").value.tolist() == [
        1.0
    ]


def test_a_shift_is_the_largest_entry_of_its_row_and_may_be_given() -> None:
    layer, found = claims("Softmax(1)", (2, 3))
    x = np.array([[1.0, 5.0, -2.0], [np.nan, np.inf, 0.0]])
    values = evaluated(layer, (2, 3), found["output"], Reals(), {"input": x})
    shift = values.tensor("shift").value
    assert shift[0] == 5.0 and np.isnan(shift[1])
    given = evaluated(layer, (2, 3), found["output"], Reals(), {"input": x, "shift": np.array([7.0, 8.0])})
    assert given.tensor("shift").value.tolist() == [7.0, 8.0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": None}, "an input has no value"),
        ({"input": np.zeros(5)}, "wrong number of entries"),
        ({"target": None}, "an indicator has no codes"),
    ],
)
def test_missing_and_misshapen_operands_are_named(change: dict[str, Any], said: str) -> None:
    layer, found = claims("NLLLoss()", (2, 3))
    inputs = {"input": np.zeros((2, 3)), "target": np.array([0, 1])} | change
    values = evaluated(
        layer, (2, 3), found["output"], Reals(), {n: v for n, v in inputs.items() if v is not None}
    )
    with pytest.raises(ProofError, match=said):
        values.tensor("output")


def test_a_read_outside_its_tensor_and_a_missing_parameter_are_named() -> None:
    layer, found = claims("LeakyReLU()", (4,))
    claim = found["output"]
    values = Evaluator(claim.setting, Reals()).at({"input": np.ones(4)})
    with pytest.raises(ProofError, match="parameter has no value"):
        values.tensor("output")
    moved = claim.right.mapped(lambda form: form + 1 if form.names else form)
    right = replace(moved, indices=claim.right.indices, tensor=claim.right.tensor)
    with pytest.raises(ProofError, match="read outside its tensor"):
        evaluated(layer, (4,), claim, Reals(), {"input": np.ones(4)}).define(right)


# ---- bounds -------------------------------------------------------------------------------------------


def narrow_softmax(x: Any, g: Any, dtype: Any) -> Any:
    """The gradient of softmax computed in the dtype alone, stage by stage."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    p = (e * (dtype(1) / e.sum(axis=1, keepdims=True, dtype=dtype))).astype(dtype)
    return p * (g - (p * g).sum(axis=1, keepdims=True, dtype=dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_computation_in_the_dtype_is_within_its_bound_and_the_bound_is_tight(dtype: Any) -> None:
    layer, found = claims("Softmax(1)", (6, 50))
    for scale in (1.0, 30.0, 1e4):
        x = (RNG.standard_normal((6, 50)) * scale).astype(dtype)
        g = RNG.standard_normal((6, 50)).astype(dtype)
        claim, inputs = found["input"], {"input": x, "grad_output": g}
        numbers = Reals(np.dtype(dtype).name)
        bound = numbers.error(evaluated(layer, (6, 50), claim, numbers, inputs).right(claim))
        exact = evaluated(layer, (6, 50), claim, Reals("longdouble"), inputs).left(claim).value
        error = np.abs(narrow_softmax(x, g, dtype).reshape(-1) - exact)
        assert (error <= bound).all()
        if scale == 1.0:
            assert bound.max() < 400 * np.finfo(dtype).eps


def test_what_is_less_accurate_than_the_dtype_allows_is_beyond_the_bound() -> None:
    """Half precision for a float32 bound, and a bound that forgets the function's error."""
    layer, found = claims("Sigmoid()", (400,))
    x = RNG.standard_normal(400).astype(np.float32)
    claim, numbers = found["output"], Reals("float32")
    right = evaluated(layer, (400,), claim, numbers, {"input": x}).right(claim)
    half = 1 / (1 + np.exp(-x.astype(np.float16)))
    assert (np.abs(half.astype(Long) - right.value) > numbers.error(right)).any()
    forgets = Reals("float32", {"sigmoid": 0.0})
    tight = evaluated(layer, (400,), claim, forgets, {"input": x}).right(claim)
    single = (1 / (1 + np.exp(-x))).astype(Long)
    assert (np.abs(single - right.value) <= numbers.error(right)).all()
    assert (np.abs(single - tight.value) > forgets.error(tight)).any()


def test_long_sums_are_bounded_and_too_long_ones_refused() -> None:
    numbers = Reals("float32")
    x = numbers.given(RNG.standard_normal(20_000).astype(np.float32))
    total = numbers.zeros(1)
    numbers.add(total, np.zeros(20_000, np.int64), x)
    running = np.float32(0)
    for v in x.value.astype(np.float32):
        running += v
    assert abs(Long(running) - total.value[0]) <= numbers.error(total)[0]
    long = replace(total, terms=total.terms * 2000)
    with pytest.raises(LimitError, match="too many terms"):
        numbers.error(long)


# ---- functions ----------------------------------------------------------------------------------------

GIVEN = {
    "negative_slope": Fraction(1, 100),
    "beta": Fraction(2),
    "threshold": Fraction(20),
    "alpha": Fraction(1, 2),
    "min_val": Fraction(-1),
    "max_val": Fraction(1),
    "norm_type": Fraction(3),
}


def own(name: str) -> list[Any]:
    return [Long(GIVEN[p].numerator) / Long(GIVEN[p].denominator) for p in PARAMETERS[name]]


def domain(name: str) -> tuple[float, float]:
    if "clamped" in name or name == "bce_weight":
        return 0.01, 0.99
    return (0.05, 12.0) if name in ("log", "rsqrt", "root", "root_prime", "recip") else (-12.0, 12.0)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_values_of_functions_are_those_of_mpmath(name: str) -> None:
    mpmath, sympy = pytest.importorskip("mpmath"), pytest.importorskip("sympy")
    from derive.functions_formulas import formula

    x = sympy.Symbol("x")
    written = formula(name, x, {p: GIVEN[p] for p in PARAMETERS[name]})
    points = np.random.default_rng(1).uniform(*domain(name), 12)
    for point, found in zip(points, value(name, points.astype(Long), own(name)), strict=True):
        with mpmath.workprec(120):
            exact = mpmath.mpf(str(sympy.N(written.subs(x, sympy.Rational(float(point))), 40)))
            high = mpmath.mpf(float(found))
            got = high + mpmath.mpf(float(found - Long(float(found))))
            assert abs(got - exact) <= ULPS * EPS * abs(exact)


@pytest.mark.parametrize("name", sorted(VALUES))
def test_the_spread_over_an_interval_is_the_largest_change_there(name: str) -> None:
    low, high = domain(name)
    rng = np.random.default_rng(2)
    x = rng.uniform(low, high, 60).astype(Long)
    width = (10 ** rng.uniform(-3, 0, 60)).astype(Long) * min(1.0, high - low)
    found = spread(name, x, width, own(name))
    here = value(name, x, own(name))
    for part in np.linspace(-1, 1, 201):
        there = value(name, x + Long(part) * width, own(name))
        change = np.abs(there - here)
        assert (np.isnan(there) <= np.isinf(found)).all()
        assert (np.where(np.isnan(change), 0, change) <= found * (1 + 1e-12) + 1e-15).all()
    assert (spread(name, x, np.zeros_like(x), own(name)) == 0).all()


def test_a_pole_left_out_makes_a_spread_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    x, width = np.array([Long(1)]), np.array([Long(3)])
    assert np.isinf(spread("recip", x, width, []))
    monkeypatch.delitem(TURNS, "recip")
    assert np.isfinite(spread("recip", x, width, []))


def test_the_unknown_function_has_no_value() -> None:
    with pytest.raises(ProofError, match="no values of this function"):
        value("f", np.ones(1, Long), [])


def test_indicators_may_be_any_numbers_in_every_layer_with_codes_or_parameters() -> None:
    seen = 0
    for kind in registry().values():
        text, shape = kind.examples[0]
        layer, found = claims(text, shape)
        if not layer.codes(shape) and not layer.parameters():
            continue
        for claim in found.values():
            drawn = {t.name: Field().given(RNG.integers(0, 99, sizes(t))) for t in claim.setting.inputs}
            values = Evaluator(claim.setting, Field(), parameters=layer.parameters()).at(drawn)
            assert (values.left(claim) == values.right(claim)).all(), text
            seen += 1
    assert seen > 20
