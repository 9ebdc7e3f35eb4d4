"""Constants of layers: rounding, where they are kept, what is said of them; kernels right for any table."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen import build
from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.cache import stated_digest, text_digest
from codegen.compile import ISAS, cpu_features, to_c
from codegen.errors import BuildError
from codegen.produce import Request, Variants, module_source
from codegen.real import check_real
from codegen.rig import Rig
from codegen.tables import MOST_SHOWN, arrays, described, digest, rounded
from codegen.validate import validate
from derive.errors import LayerError
from derive.spelling import parse_layer

BILINEAR, SHAPE = "Upsample(size=(5, 9), mode='bilinear')", (1, 2, 3, 4)


def neighbours(value: float, dtype: str) -> list[Fraction]:
    """The numbers of the dtype next to a value, and itself, exactly."""
    kind = np.dtype(dtype).type
    near = (np.nextafter(kind(value), kind(-np.inf)), kind(value), np.nextafter(kind(value), kind(np.inf)))
    return [Fraction(float(x)) for x in near]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_number_of_the_dtype_is_nearer(dtype: str) -> None:
    rng = np.random.default_rng(1)
    tiny = Fraction(float(np.finfo(dtype).smallest_subnormal))
    cases = [Fraction(int(a), int(b)) for a, b in rng.integers(1, 10**6, (300, 2))]
    cases += [tiny * Fraction(k, 7) for k in range(1, 40)] + [
        Fraction(2) ** -k for k in (10, 126, 127, 149, 150, 151)
    ]
    cases += [
        c * Fraction(2) ** int(s) for c, s in zip(cases[:100], rng.integers(-140, 100, 100), strict=True)
    ]
    for case in [*cases, *(-c for c in cases)]:
        value = rounded(case, dtype)
        assert float(np.dtype(dtype).type(value)) == value
        gaps = [abs(n - case) for n in neighbours(value, dtype)]
        assert gaps[1] == min(gaps)


def test_ties_go_to_the_even_number() -> None:
    for k in range(1, 40, 2):
        half = Fraction(2**23 + k) + Fraction(1, 2)
        assert rounded(half, "float32") == 2**23 + k + 1
        assert rounded(half - 1, "float32") == 2**23 + k - 1


def test_float32_is_not_rounded_twice() -> None:
    """Just above a tie of float32, nearer to it than float64 can tell: by way of float64 it would go down."""
    value = 1 + Fraction(1, 2**24) + Fraction(1, 2**80)
    assert rounded(value, "float32") == 1 + 2.0**-23
    assert float(np.float32(value.numerator / value.denominator)) == 1.0


def test_too_large_is_refused() -> None:
    assert rounded(Fraction(2**128 - 2**103 - 1), "float32") == float(np.finfo(np.float32).max)
    for value in (Fraction(2**128 - 2**103), Fraction(-(2**130))):
        with pytest.raises(BuildError, match="too large"):
            rounded(value, "float32")


def test_what_a_record_says() -> None:
    short, long = (Fraction(1, 3), Fraction(2)), (Fraction(1, 7),) * (MOST_SHOWN + 1)
    said = described({"share": short, "table_h": long})
    assert said == {"share": ["1/3", "2/1"], "table_h": {"count": MOST_SHOWN + 1, "sha256": digest(long)}}
    assert digest(short) != digest(short[::-1]) and digest((Fraction(12), Fraction(3))) != digest(
        (Fraction(1), Fraction(23))
    )
    found = arrays({"share": short}, "float32")["share"]
    assert found.dtype == np.float32 and found.tolist() == [float(np.float32(1 / 3)), 2.0]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1


@pytest.fixture(scope="module")
def kernel() -> Any:
    return build(parse_layer(BILINEAR), SHAPE, dtype="float64")


def test_the_kernel_holds_the_tables_and_callers_never_see_them(kernel: Any) -> None:
    layer = parse_layer(BILINEAR)
    tables = {n: np.array(v, dtype=object) for n, v in layer.tables(SHAPE).items()}
    x = np.random.default_rng(1).integers(-9, 10, SHAPE)
    exact = np.einsum(
        "yi,xj,ncij->ncyx", tables["table_h"].reshape(5, 3), tables["table_w"].reshape(9, 4), x.astype(object)
    )
    found = kernel.forward(x.astype(float))
    assert np.abs(found - exact.astype(float)).max() < 1e-14 and found.shape == (1, 2, 5, 9)
    with pytest.raises(LayerError, match="no such operand") as refused:
        kernel.forward(x.astype(float), table_h=np.zeros((5, 3)))
    assert refused.value.where == "table_h" and "table" not in refused.value.expected
    with pytest.raises(LayerError, match="no such operand"):
        kernel.backward(np.zeros((1, 2, 5, 9)), table_w=np.zeros((9, 4)))


def test_the_proof_holds_the_exact_constants(kernel: Any) -> None:
    proof, layer = json.loads(kernel.proof), parse_layer(BILINEAR)
    assert proof["tables"] == described(layer.tables(SHAPE))
    assert [Fraction(t) for t in proof["tables"]["table_h"]] == list(layer.tables(SHAPE)["table_h"])
    assert digest(layer.tables(SHAPE)["table_w"]) in kernel.source
    methods = {c["method"] for c in proof["validation"]["checks"]}
    assert "uint64" in methods and "trace" not in methods
    assert any("553 * 2^-64" in c["bound"] for c in proof["validation"]["checks"] if c["kernel"] == "output")


def test_a_layer_without_tables_says_so() -> None:
    proof = json.loads(build(parse_layer("Add()"), (3,)).proof)
    assert proof["tables"] == {} and {c["method"] for c in proof["validation"]["checks"]} >= {"trace"}


def planted(
    tmp_path: Path, text: str, shape: tuple[int, ...], pattern: str, instead: str, isa: str = "portable"
) -> Artefact:
    """The artefact of a layer's kernels with one line of its text changed."""
    layer = parse_layer(text)
    wanted = ("output", *(o.name for o in layer.operands(shape) if o.differentiable))
    request = Request(layer, shape, "float32", wanted, "fast", ISAS[isa])
    source, known, _ = module_source(request)
    changed = re.sub(pattern, instead, source, count=1)
    assert (changed != source) == bool(pattern)
    changed = changed.replace(stated_digest(changed), text_digest(changed))
    pyx = tmp_path / "kernel.pyx"
    pyx.write_text(changed)
    lanes = request.isa.lanes("float32")
    c_path = to_c(pyx, "kernel")
    return Artefact(
        changed,
        c_path,
        lanes,
        "float32",
        load_variant=Variants("kernel", c_path, request.isa, lanes),
        **known,
    )


BUGS = [
    (
        "AvgPool2d(3, stride=2, padding=1)",
        (1, 2, 7, 9),
        r"= v_fma\((\w+), \w+, \w+\)",
        r"= v_add(\1, v_zero())",
        "output",
    ),
    (BILINEAR, SHAPE, r"(e_load|v_load\w*|v_splat)\(table_w \+ ", r"\1(table_w + 1 + ", "output"),
    (
        "Upsample(size=(31, 33), mode='bilinear', align_corners=True)",
        (1, 1, 9, 10),
        r"i_w_to_0 = \(",
        "i_w_to_0 = (-32 + ",
        "output",
    ),
]


@pytest.mark.parametrize(("text", "shape", "pattern", "instead", "kernel_name"), BUGS)
@pytest.mark.parametrize("blind", [False, True])
def test_a_wrong_kernel_is_refused_where_no_trace_can_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    shape: tuple[int, ...],
    pattern: str,
    instead: str,
    kernel_name: str,
    blind: bool,
) -> None:
    """By the whole numbers, and, were those blind, by numbers modulo 2^64."""
    art = planted(tmp_path, text, shape, pattern, instead)
    if blind:
        monkeypatch.setattr("codegen.validate.check_integers", lambda rig, rng: None)
    with pytest.raises(BuildError, match=rf"{kernel_name} does not compute") as refused:
        validate(art, seed=3)
    assert ("2^64" in refused.value.where) == blind


def test_sums_in_the_workspace_are_read_by_no_idle_lane(tmp_path: Path) -> None:
    """Found by a random build: lanes past the end of a row merged the sums of the next one."""
    for isa in (i for i in ISAS if ISAS[i].needs <= cpu_features()):
        (tmp_path / isa).mkdir()
        art = planted(tmp_path / isa, "ReplicationPad2d((2, 3, 4, 3))", (1, 2, 5, 11), "", "", isa)
        assert {c.kernel for c in validate(art, seed=1).of("trace")} == {"output", "grad_input"}


def test_a_sound_artefact_passes_both_levels(tmp_path: Path) -> None:
    art = planted(tmp_path, *BUGS[0][:2], "", "")
    fast, exact = validate(art, "fast", seed=1), validate(art, "exact", seed=1)
    assert not fast.of("trace") and {c.kernel for c in fast.of("uint64")} == {"output", "grad_input"}
    assert {c.kernel for c in exact.of("uint64")} == {"output", "grad_input"}
    assert len(exact.of("marks")) == len(exact.of("real")) == 2 and "uint64" in str(asdict(fast))


def test_real_numbers_of_three_factors_stay_within_their_bound_and_no_further(tmp_path: Path) -> None:
    art = planted(tmp_path, BILINEAR, SHAPE, "", "")
    rig = Rig(art, "output", art.load_variant((SHIPPED_ELEMENT["float32"],)), np.float32)
    rng = np.random.default_rng(2)
    data = {
        t.name: rng.standard_normal([int(f.constant or 0) for f in t.shape]).astype(np.float32)
        for t in rig.inputs
    }
    good = rig.run(data).copy()
    found = check_real(rig.claim, data, good)
    assert found.ok and 0 < found.worst_ratio < 1 and found.terms == 4
    for i in range(0, good.size, 7):
        bad = good.copy()
        bad[i] += 16 * np.finfo(np.float32).eps * max(1, abs(bad[i])) * 8
        assert not check_real(rig.claim, data, bad).ok


def test_products_that_underflow_are_allowed_for(tmp_path: Path) -> None:
    """Weights whose product is below the least float32 while the entry is large."""
    art = planted(tmp_path, BILINEAR, SHAPE, "", "")
    rig = Rig(art, "output", art.load_variant((SHIPPED_ELEMENT["float32"],)), np.float32)
    sizes = {t.name: [int(f.constant or 0) for f in t.shape] for t in rig.inputs}
    data = {n: np.full(s, 3e30 if n == "input" else 7e-24, np.float32) for n, s in sizes.items()}
    assert check_real(rig.claim, data, rig.run(data).copy()).ok
