"""Constants in kernel text, on every element and every lane count; the element that computes bounds."""

from __future__ import annotations

import ctypes
import subprocess
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from field_elements import Residue
from plain_kernels import OPS
from test_lexical import text_of_everything

from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.literals import constants_of, rational_kernels
from codegen.loops import Assign, Buffer, Call, Do, Kernel, Pointer
from codegen.rational_shipped import bound_element
from codegen.run import run
from codegen.tables import rounded
from codegen.targets.cython.printer import module_text
from derive.index import Form
from derive.numbers_field import PRIME

MOST = 2**24
VALUES = (
    (1, 3),
    (-5, 24),
    (7, 1),
    (0, 9),
    (-MOST, 3),
    (1, MOST),
    (MOST - 1, MOST),
    (24, 24),
    (-1, 6),
    (10, 48),
)
"""Literals as they are written: numerator, denominator."""
LANES = (1, 2, 4, 8, 16, 32)
DTYPES = {"FLOAT": np.float32, "DOUBLE": np.float64, "UINT64": np.uint64, "FIELD": np.uint64}
BOUND = {"float32": "BF_DIGITS=24", "float64": "BF_DIGITS=53"}


def compiled(folder: Path, source: str, *definitions: str) -> ctypes.CDLL:
    """A shared object of C text that includes the operations; raises CalledProcessError with gcc's words."""
    path, target = folder / "probe.c", folder / ("_".join(definitions).replace("=", "") + ".so")
    path.write_text('#include "backflip_ops.h"\n' + source)
    strict = ["-Wall", "-Wextra", "-Werror", "-Wno-psabi"]
    flags = ["-O1", "-std=gnu11", "-ffp-contract=fast", *strict, "-fPIC", "-shared", f"-I{OPS}"]
    command = ["gcc", *flags, *(f"-D{d}" for d in definitions), str(path), "-o", str(target), "-lm"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return ctypes.CDLL(str(target))


def constants(folder: Path, lanes: int, dtype: Any, *definitions: str) -> np.ndarray:
    """One row a constant: the element, then each lane of the vector."""
    stores = "".join(
        f"e_store(out++, e_rational({n}, {d})); v_store(out, v_rational({n}, {d})); out += BF_LANES;\n"
        for n, d in VALUES
    )
    library = compiled(folder, f"void all(E *out) {{\n{stores}}}\n", *definitions, f"BF_LANES={lanes}")
    out = np.full((len(VALUES), lanes + 1), 77, dtype)
    library.all(ctypes.c_void_p(out.ctypes.data))
    return out


def meant(element: str, numerator: int, denominator: int) -> Any:
    if element in ("FLOAT", "DOUBLE"):
        return rounded(Fraction(numerator, denominator), np.dtype(DTYPES[element]).name)
    if element == "UINT64":
        return numerator % 2**64
    return numerator * pow(denominator, -1, PRIME) % PRIME


@pytest.mark.parametrize("element", DTYPES)
@pytest.mark.parametrize("lanes", LANES)
def test_a_constant_is_what_the_element_makes_of_it(tmp_path: Path, element: str, lanes: int) -> None:
    found = constants(tmp_path, lanes, DTYPES[element], f"BF_ELEMENT_{element}")
    for row, value in zip(found, VALUES, strict=True):
        assert (row == DTYPES[element](meant(element, *value))).all(), value


@pytest.mark.parametrize("lanes", [1, 8])
def test_the_trace_follows_no_constant(tmp_path: Path, lanes: int) -> None:
    found = constants(tmp_path, lanes, np.uint64, "BF_ELEMENT_TRACE")
    assert (found >> np.uint64(62) == 0).all()


def test_denominators_can_be_left_out_of_the_field(tmp_path: Path) -> None:
    source = "void one(E *out) { e_store(out, e_rational(-5, 24)); }"
    library = compiled(tmp_path, source, "BF_ELEMENT_FIELD", "BF_LANES=2")
    out = np.zeros(1, np.uint64)
    for alone, value in ((0, meant("FIELD", -5, 24)), (1, PRIME - 5), (0, meant("FIELD", -5, 24))):
        library.bf_numerators(alone)
        library.one(ctypes.c_void_p(out.ctypes.data))
        assert out[0] == value


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ("1, 0", "denominator"),
        ("1, -3", "denominator"),
        (f"1, {MOST + 1}", "denominator"),
        (f"{MOST + 1}, 1", "numerator"),
        (f"-{MOST + 1}, 1", "numerator"),
        ("n, 3", "constant"),
        ("0.5, 3", "whole numbers"),
    ],
)
def test_what_is_no_constant_does_not_compile(tmp_path: Path, arguments: str, word: str) -> None:
    source = f"E one(ptrdiff_t n) {{ return (void)n, e_rational({arguments}); }}"
    for element in ("FLOAT", "FIELD"):
        with pytest.raises(subprocess.CalledProcessError) as refused:
            compiled(tmp_path, source, f"BF_ELEMENT_{element}", "BF_LANES=1")
        assert word in refused.value.stderr


@pytest.mark.parametrize("dtype", BOUND)
def test_the_bound_of_a_constant_is_its_rounding(tmp_path: Path, dtype: str) -> None:
    assert bound_element(dtype) == ("BF_ELEMENT_BOUND", BOUND[dtype])
    found = constants(tmp_path, 4, np.complex128, *bound_element(dtype))
    for row, (n, d) in zip(found, VALUES, strict=True):
        exact = abs(Fraction(n, d))
        off = abs(Fraction(rounded(Fraction(n, d), dtype)) - Fraction(n, d))
        for entry in row:
            assert exact <= Fraction(entry.real) <= exact * (1 + Fraction(1, 2**40))
            assert off <= Fraction(entry.imag) <= exact * Fraction(1001, 1000) / 2 ** int(BOUND[dtype][-2:])


OPERATIONS = """
void all(E *out, const E *a, const E *b, const E *c) {
    V x = v_load(a), y = v_load(b), z = v_load(c);
    v_store(out, v_add(x, y)), out += BF_LANES;
    v_store(out, v_sub(x, y)), out += BF_LANES;
    v_store(out, v_mul(x, y)), out += BF_LANES;
    v_store(out, v_fma(z, x, y)), out += BF_LANES;
    v_store(out, v_fma(v_zero(), x, y)), out += BF_LANES;
    v_store(out, v_splat(a + 1)), out += BF_LANES;
    v_store(out, v_load_strided(a + BF_LANES - 1, -1)), out += BF_LANES;
    v_store(out, v_load_part(a, 2)), out += BF_LANES;
    v_store_part(out, v_zero(), 3), out += BF_LANES;
    v_store_strided(out, x, 2, 2), out += BF_LANES;
    e_store(out++, v_sum(x));
    e_store(out++, e_fma(e_load(c), e_load(a), e_load(b)));
    e_store(out++, e_index(-7));
    e_store(out++, e_gate(e_load(a), e_load(b)));
}
"""


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """The operations on float32 numbers of every kind, exact zeros among them, and the bounds of them."""
    folder, rng = tmp_path_factory.mktemp("bound"), np.random.default_rng(4)
    shipped = compiled(folder, OPERATIONS, "BF_ELEMENT_FLOAT", "BF_LANES=4")
    bound = compiled(folder, OPERATIONS, *bound_element("float32"), "BF_LANES=4")
    runs, floats, bounds = 200, [], []
    operands = [rng.standard_normal((3, 4)) * 10.0 ** rng.integers(-4, 5, (3, 4)) for _ in range(runs)]
    for given in operands:
        given *= rng.random((3, 4)) > 0.2
        a = given.astype(np.float32)
        for kind, library, into in ((np.float32, shipped, floats), (np.complex128, bound, bounds)):
            data = np.abs(a).astype(kind) if kind is np.complex128 else a
            out = np.full(44, 77, kind)
            rows = [np.ascontiguousarray(row) for row in data]
            library.all(ctypes.c_void_p(out.ctypes.data), *(ctypes.c_void_p(r.ctypes.data) for r in rows))
            into.append(out)
    return np.array(floats), np.array(bounds), [g.astype(np.float32) for g in operands]


def exactly(a: np.ndarray) -> list[Fraction | None]:
    """What the operations are without rounding; None where nothing is stored."""
    x, y, z = ([Fraction(float(v)) for v in row] for row in a)
    found: list[Fraction | None] = [p + q for p, q in zip(x, y, strict=True)]
    found += [p - q for p, q in zip(x, y, strict=True)]
    found += [p * q for p, q in zip(x, y, strict=True)]
    found += [r + p * q for p, q, r in zip(x, y, z, strict=True)]
    found += [p * q for p, q in zip(x, y, strict=True)]
    found += [x[1]] * 4 + x[::-1] + [x[0], x[1], Fraction(0), Fraction(0)]
    found += [Fraction(0)] * 3 + [None] + [x[0], None, x[1], None]
    return [*found, sum(x, Fraction(0)), z[0] + x[0] * y[0], Fraction(-7)]


def test_every_operation_stays_within_its_bound(computed: Any) -> None:
    floats, bounds, operands = computed
    tight = 0
    for values, sized, given in zip(floats, bounds, operands, strict=True):
        for value, entry, exact in zip(values, sized, exactly(given), strict=False):
            if exact is None:
                assert value == 77 and entry == 77
                continue
            size, error = Fraction(entry.real), Fraction(entry.imag)
            assert abs(exact) <= size and abs(Fraction(float(value)) - exact) <= error
            tight += error > 0 and abs(Fraction(float(value)) - exact) * 3 > error
    assert tight > 200
    assert np.isnan(bounds[:, 43]).all()


def test_exact_zeros_round_nothing(computed: Any) -> None:
    """Moves and sums with an exact zero have no error; whatever is left out is a zero without error."""
    _, bounds, operands = computed
    for sized, given in zip(bounds, operands, strict=True):
        assert (sized[20:32].imag == 0).all()
        lonely = (given[0] == 0) | (given[1] == 0)
        assert (sized[:4][lonely].imag == 0).all() and (sized[8:12][lonely] == 0).all()


@pytest.mark.parametrize("digits", ["", "BF_DIGITS=11"])
def test_the_bound_needs_the_digits_of_an_element(tmp_path: Path, digits: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        compiled(tmp_path, "", "BF_ELEMENT_BOUND", "BF_LANES=1", *([digits] if digits else []))
    assert "needs the digits" in refused.value.stderr


# ---- the loop language, the printer and the gate -----------------------------------------------------


def third() -> Kernel:
    """out = (-1/3, and in vectors 5/4)."""
    out, place = Buffer("out", 5), Form()
    body = (
        Assign("x", Call("e_rational", (-1, 3))),
        Do(Call("e_store", (Pointer(out, place), "x"))),
        Assign("y", Call("v_rational", (5, 4))),
        Do(Call("v_store", (Pointer(out, place + 1), "y"))),
    )
    return Kernel("output", out, (), (), body, "output[] := a third")


def test_constants_are_interpreted_and_printed() -> None:
    exact = [Fraction(-1, 3), *[Fraction(5, 4)] * 4]
    assert run(third(), {}, 4).tolist() == exact
    assert run(third(), {}, 4, 0.0).tolist() == [float(v) for v in exact]
    residues = run(third(), {}, 4, Residue(0))
    assert [r.value for r in residues] == [meant("FIELD", v.numerator, v.denominator) for v in exact]
    text = module_text("a constant", (), (third(),))
    assert "x = e_rational(-1, 3)" in text and "V v_rational(Py_ssize_t, Py_ssize_t)" in text
    assert gate(text) == ("bf_output",) and constants_of(text, "output") == {(-1, 3), (5, 4)}


@pytest.mark.parametrize("literals", [(1, 0), (1, -3), (MOST + 1, 1), (1, MOST + 1)])
def test_the_loop_language_refuses_what_is_no_constant(literals: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="numbers up to 2"):
        Call("e_rational", literals)
    with pytest.raises(ValueError, match="takes"):
        Call("v_rational", ("x", 3))


GOOD = ("e_rational(1, 3)", "e_rational(-5, 24)", f"v_rational({MOST}, 1)", "e_rational(0, 1)")
BAD = (
    "e_rational(k, 3)",
    "e_rational(1, k)",
    "e_rational(1, 0)",
    "e_rational(1, -3)",
    "e_rational(--1, 3)",
    f"e_rational(1, {MOST + 1})",
    f"v_rational({MOST + 1}, 1)",
    "e_rational(1 + 1, 3)",
    "e_rational(1, 3 * 2)",
    "e_rational(1)",
    "e_rational(1, 3, 5)",
    "e_rational((1), 3)",
    "e_rational",
)


@pytest.mark.parametrize(("said", "fine"), [*product(GOOD, [True]), *product(BAD, [False])])
def test_the_gate_passes_literals_alone(said: str, fine: bool) -> None:
    text = text_of_everything().replace("acc = e_zero()", f"acc = {said}", 1)
    if fine:
        assert gate(text)
    else:
        with pytest.raises(BuildError, match=r"rational[\s\S]*whole literals up to 16777216, d above 0"):
            gate(text)


def test_the_text_says_which_kernels_have_constants() -> None:
    """By the functions that a kernel calls; of a kernel that the text does not name, by the whole text."""
    text, kernels = text_of_everything(), ("output", "grad_input", "grad_weight", "grad_bias")
    assert rational_kernels(text, kernels) == []
    own = text.replace("cdef E acc\n", "cdef E acc\n    acc = e_rational(1, 3)\n", 1)
    assert rational_kernels(own, kernels) == ["grad_input"]
    called = text.replace("e_zero())\n", "e_rational(0, 1))\n", 1)
    assert rational_kernels(called, kernels) == ["output", "grad_weight"]
    assert rational_kernels(own, ("other",)) == ["other"] and rational_kernels(text, ("other",)) == []
