"""Functions of the element headers: as exact as published, PyTorch's at special values; wrong ones seen."""

from __future__ import annotations

import re
import shutil
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
from function_peers import peers, value

from codegen import compile as compiling
from codegen.accuracy import BOUNDS, DTYPES, FLOOR, PARAMETER_SETS, error_in_ulps, main, measure, points
from codegen.compile import chosen_isa
from codegen.exact_functions import exact, formulas
from codegen.harness import UNKNOWN, Harness
from derive.functions import DERIVATIVE, NUMBER, PARAMETERS

KNOWN = [n for n in PARAMETERS if n not in UNKNOWN]
P = 2**61 - 1


@pytest.fixture(scope="module")
def harnesses() -> dict[str, Harness]:
    return {element: Harness(element, chosen_isa("native")) for element in (*DTYPES, "field", "uint64")}


def test_the_list_in_the_headers_is_the_list_of_the_functions() -> None:
    text = (compiling.HEADERS / "elem_function_list.h").read_text()
    listed = re.findall(r"^BF_(\w+)\((\w+), (\d+)\)$", text, re.M)
    assert {name: int(number) for _, name, number in listed} == dict(NUMBER) and len(listed) == len(NUMBER)
    for kind, name, _ in listed:
        if kind not in ("UNKNOWN", "INVERSE"):
            assert int(kind[-1]) == 1 + len(PARAMETERS[name]), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", KNOWN)
def test_errors_stay_below_the_published_bounds(harnesses: dict[str, Harness], dtype: str, name: str) -> None:
    found = measure(harnesses[dtype], name, points(dtype, 120, 7))
    assert found.points > 60 and found.ulps <= BOUNDS[dtype][name], found.line


def test_bounds_are_small_and_of_every_function() -> None:
    assert all(set(BOUNDS[d]) == set(KNOWN) for d in DTYPES)
    assert max(BOUNDS["float32"].values()) <= 1.5 and max(BOUNDS["float64"].values()) <= 2
    assert {n for d in DTYPES for n in FLOOR[d]} <= set(KNOWN)


def test_the_table_is_printed_and_a_bound_exceeded_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["40", "recip", "exp"]) == 0
    assert re.search(r"^exp +float64 +0\.\d+ ulp +at \(.*\), \d+ points$", capsys.readouterr().out, re.M)
    monkeypatch.setitem(BOUNDS["float64"], "exp", 0.4)  # type: ignore[arg-type]
    assert main(["40", "exp"]) == 1 and "EXCEEDS" in capsys.readouterr().out


def test_ulps_are_counted_in_the_units_of_the_true_value() -> None:
    with mpmath.workprec(200):
        assert error_in_ulps(1.0, mpmath.mpf(1) + mpmath.mpf(2) ** -53, "float64") == 0.5
        assert error_in_ulps(1.0, mpmath.mpf(1) - mpmath.mpf(2) ** -54, "float64") == 0.5
        assert error_in_ulps(0.0, mpmath.mpf(2) ** -1075, "float64") == 0.5
        assert error_in_ulps(2.0**-9, mpmath.mpf(2) ** -9 + mpmath.mpf(2) ** -62, "float64", 1.0) == 2.0**-10
        assert error_in_ulps(np.inf, mpmath.mpf(2) ** 1030, "float64") == 0
        assert error_in_ulps(np.inf, mpmath.mpf(1), "float64") > 1e9
        assert error_in_ulps(-np.inf, mpmath.mpf(2) ** 1030, "float64") == np.inf


NARROW = "__builtin_convertvector(__builtin_convertvector({}, bf_narrow), D)"
NARROW_TYPE = "typedef float bf_narrow __attribute__((vector_size(BF_CORE_LANES * 4)));\n"
SABOTAGE = {
    "a wrong coefficient of exp": ("float64", "exp", "1.0 / 5040", "1.0 / 5041"),
    "a wrong digit of log 2": ("float64", "exp", "0x1.a39ef35793c76p-33", "0x1.a39ef35793c76p-32"),
    "a wrong term of log": ("float64", "log", "2.857142874366239149e-01", "2.8571428e-01"),
    "a wrong cube of gelu_tanh": ("float32", "gelu_tanh", "0.044715 * (x", "0.04471 * (x"),
    "a wrong coefficient of gelu": ("float32", "gelu", "0.03103036842596338", "0.03103"),
    "an inaccurate slope of gelu": ("float32", "gelu_prime", "0.39894228040143267794", "0.3989423"),
    "tanh by a difference near 0": ("float64", "tanh", "d_abs(x) < 0.625", "d_abs(x) < 0.01"),
    "sigmoid by one formula": (
        "float64",
        "sigmoid",
        "d_pick(falling, e.value, d_of(1)) / e.more",
        "(1 - e.value / e.more)",
    ),
    "elu by exp - 1": ("float64", "elu", "alpha * d_expm1(x)", "alpha * (d_exp(x) - 1)"),
    "a subnormal factor": ("float64", "silu", "d_scaled(falling, parts)", "x * e.value / e.more"),
    "log1p without its rest": ("float64", "log_rest_clamped", "lost / y", "d_of(0)"),
    "exp in single": ("float64", "exp", "d_scaled(1 + e.rest, e)", NARROW.format("d_scaled(1 + e.rest, e)")),
    "exp of floats, a term less": ("float32", "exp", "v_zero() + 1.0f / 5040", "v_zero()"),
    "exp of floats, log 2 in one part": ("float32", "exp", " - times * 0x1.7f7d1cp-20f", ""),
    "sigmoid in single": ("float32", "silu", "x / e.more)", NARROW.format("1 / e.more") + " * x)"),
    "softplus in double": ("float64", "softplus", "bf_wide y = beta * x;", "bf_wide y = (double)(beta * x);"),
}


@pytest.mark.parametrize("planted", SABOTAGE)
def test_a_wrong_or_coarse_function_exceeds_its_bound(
    planted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtype, name, old, new = SABOTAGE[planted]
    folder = tmp_path / "headers"
    shutil.copytree(compiling.HEADERS, folder)
    hits = [p for p in folder.glob("elem_*.h") if old in p.read_text()]
    assert len(hits) == 1, hits
    text = hits[0].read_text().replace(old, new)
    hits[0].write_text(text.replace("#define BF_CORE static", NARROW_TYPE + "#define BF_CORE static"))
    monkeypatch.setattr(compiling, "HEADERS", folder)
    found = measure(Harness(dtype, chosen_isa("portable")), name, points(dtype, 300, 3))
    assert found.ulps > BOUNDS[dtype][name], found.line


@pytest.mark.parametrize("isa", ["native", "portable"])
@pytest.mark.parametrize("element", [*DTYPES, "field"])
def test_an_element_alone_has_the_value_that_it_has_in_a_vector(element: str, isa: str) -> None:
    harness = Harness(element, chosen_isa(isa))
    x = points("float32", 200, 5) if element != "field" else np.arange(200, dtype=np.uint64) ** 7 % P
    for name in harness.names:
        parameters = (
            PARAMETER_SETS[PARAMETERS[name]][0] if element != "field" else (3, 5)[: len(PARAMETERS[name])]
        )
        alone = harness(name, x, parameters, vectors=False)
        assert harness(name, x, parameters).tobytes() == alone.tobytes(), name


SPECIAL = (-np.inf, -3e38, -1.0, -0.0, 0.0, 1.0, 6.0, 20.0, 3e38, np.inf, np.nan)
DIFFERENT = {
    ("gelu", 3e38): "PyTorch's vectors overflow before they halve",
    ("gelu", np.inf): "as above",
    ("gelu_tanh_prime", -3e38): "PyTorch: 0 * inf; the derivative is 0",
    ("gelu_tanh_prime", 3e38): "PyTorch: 0 * inf; the derivative is 1",
    ("root_prime", np.nan): "PyTorch stops it at relu(|x|)",
    ("sigmoid_prime", 6.0): "PyTorch: 1 - sigmoid(x) loses digits",
    ("sigmoid_prime", 20.0): "as above",
    ("tanh_prime", 6.0): "PyTorch: 1 - tanh(x)^2 loses the digits",
    ("tanh_prime", 20.0): "as above",
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [n for n in KNOWN if n != "bce_weight"])
def test_special_values_are_those_of_pytorch(harnesses: dict[str, Harness], dtype: str, name: str) -> None:
    pytest.importorskip("torch")
    x = np.array(SPECIAL, dtype)
    for parameters in PARAMETER_SETS[PARAMETERS[name]]:
        ours, theirs = harnesses[dtype](name, x, parameters), value(name, x, parameters)
        exactly = (ours == theirs) & (np.signbit(ours) == np.signbit(theirs)) | np.isnan(ours) & np.isnan(
            theirs
        )
        nearly = (theirs != 0) & np.isfinite(theirs) & np.isclose(ours, theirs, rtol=1e-5, atol=0)
        for at in np.flatnonzero(~(exactly | nearly)).tolist():
            known = any(
                n == name and np.array_equal(dtype_of(dtype, s), x[at], equal_nan=True) for n, s in DIFFERENT
            )
            assert known, (name, parameters, x[at], ours[at], theirs[at])


def dtype_of(dtype: str, number: float) -> np.floating:
    return np.dtype(dtype).type(number)


def test_every_function_is_compared_with_pytorch() -> None:
    pytest.importorskip("torch")
    assert set(peers()) == {n.removesuffix("_prime") for n in KNOWN} - {"bce_weight"}


@pytest.mark.parametrize("name", [n for n in DERIVATIVE if n not in UNKNOWN])
def test_exact_functions_have_the_derivatives_of_the_table(name: str) -> None:
    """The table is what the proofs use; here its functions are numbers, with a difference quotient."""
    step = mpmath.mpf(2) ** -200
    for parameters in PARAMETER_SETS[PARAMETERS[name]]:
        for x in (0.3, 0.71, -0.4, 1.7):
            if exact(name, x, parameters) is None or ("clamped" in name and not 0 < x < 1):
                continue
            with mpmath.workprec(1500):
                given = [mpmath.mpf(q) for q in parameters]
                ends = [formulas()[name](mpmath.mpf(x) + s, *given) for s in (step, -step)]
                slope = (ends[0] - ends[1]) / (2 * step)
                said = sum(
                    (
                        _number(c) * mpmath.fprod(_factor(n, x, given) for n in names)
                        for c, names in DERIVATIVE[name]
                    ),
                    mpmath.mpf(0),
                )
                assert abs(slope - said) <= abs(said) * mpmath.mpf(2) ** -200 + mpmath.mpf(2) ** -200, (
                    name,
                    x,
                )


def _number(rational: Fraction) -> mpmath.mpf:
    return mpmath.mpf(rational.numerator) / rational.denominator


def _factor(name: str, x: float, parameters: list[mpmath.mpf]) -> mpmath.mpf:
    return (
        mpmath.mpf(x)
        if name == "id"
        else formulas()[name](mpmath.mpf(x), *parameters[: len(PARAMETERS[name])])
    )


def _mix(z: int) -> int:
    z = (z + 0x9E3779B97F4A7C15) % 2**64
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def test_functions_of_the_field_are_mixings_keyed_by_number(harnesses: dict[str, Harness]) -> None:
    x = [0, 1, 2, P - 1, 12345678901234567]
    for name, parameters in PARAMETERS.items():
        given = (7, P - 3)[: len(parameters)]
        for at, found in zip(
            x, harnesses["field"](name, np.array(x, np.uint64), given).tolist(), strict=True
        ):
            if name == "recip":
                assert found == pow(at, P - 2, P) and (at == 0 or at * found % P == 1)
                continue
            mixed = _mix(at ^ _mix(NUMBER[name]))
            for q in given:
                mixed = _mix(mixed ^ q)
            assert found == mixed % P, name


def test_operations_of_the_field_are_arithmetic_modulo_p(harnesses: dict[str, Harness]) -> None:
    rng = np.random.default_rng(1)
    special = np.array([0, 1, 2, P - 1, P - 2, 2**60], np.uint64)
    a, b, c = (
        np.concatenate([special, rng.integers(0, P, 50, np.uint64)])[rng.permutation(56)] for _ in range(3)
    )
    triples = list(zip(a.tolist(), b.tolist(), c.tolist(), strict=True))
    exact_values = {
        "add": [(x + y) % P for x, y, _ in triples],
        "sub": [(x - y) % P for x, y, _ in triples],
        "mul": [x * y % P for x, y, _ in triples],
        "gate": [x * y % P for x, y, _ in triples],
        "same": [int(x == y) for x, y, _ in triples],
        "fma": [(x + y * z) % P for x, y, z in triples],
        "choose": [y if x else z for x, y, z in triples],
        "larger": [int(z > y or x == P - 1) for x, y, z in triples],
        "smaller": [int(z < y or x == P - 1) for x, y, z in triples],
    }
    for operation, exact_value in exact_values.items():
        arrays = (a, b, c)[: 2 if operation in ("add", "sub", "mul", "gate", "same") else 3]
        for vectors in (False, True):
            assert harnesses["field"].run(operation, *arrays, vectors=vectors).tolist() == exact_value, (
                operation
            )


def test_operations_modulo_two_to_the_64(harnesses: dict[str, Harness]) -> None:
    a = np.random.default_rng(2).integers(0, 2**64, 40, np.uint64)
    b, flag = a[::-1].copy(), np.arange(40, dtype=np.uint64) % 2
    for vectors in (False, True):
        run = harnesses["uint64"].run
        assert (run("sub", a, b, vectors=vectors) == a - b).all()
        assert (run("mul", a, b, vectors=vectors) == a * b).all()
        assert (run("same", a, a, vectors=vectors) == 1).all() and not run(
            "same", a, b, vectors=vectors
        ).any()
        assert (run("choose", flag, a, b, vectors=vectors) == np.where(flag, a, b)).all()


@pytest.mark.parametrize("isa", ["native", "portable"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_choices_copy_and_products_are_not_fused(dtype: str, isa: str) -> None:
    harness = Harness(dtype, chosen_isa(isa))
    x = np.array([*SPECIAL, 2.5, -2.5], dtype)
    y, flags = x[::-1].copy(), (np.arange(len(x)) % 2).astype(dtype)
    a, b = (np.random.default_rng(s).normal(size=200).astype(dtype) for s in (3, 4))
    for vectors in (False, True):
        assert (
            harness.run("choose", flags, x, y, vectors=vectors).tobytes() == np.where(flags, x, y).tobytes()
        )
        assert (harness.run("same", x, x, vectors=vectors) == ~np.isnan(x)).all()
        for code in (-1, 0):
            for operation, beyond in (("larger", y > x), ("smaller", y < x)):
                found = harness.run(operation, np.full_like(x, code), x, y, vectors=vectors)
                assert (found == (beyond | np.isnan(y) | (code < 0))).all()
        assert (harness.run("unfused", a, b, -(a * b), vectors=vectors) == 0).all(), "rounded between"
