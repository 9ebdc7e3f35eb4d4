"""Kernels with rational constants of their own: planted bugs in Winograd text, and the checks that refuse."""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from winograd_matrices import F23, F43, WHOLE, Transform
from winograd_text import Bias, Part, artefact, only

from codegen import rational_shipped
from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.rational import check_graded, check_rational_field
from codegen.rational_shipped import bound_element, check_rounded
from codegen.record import ValidationRecord
from codegen.reference import evaluate
from codegen.relation import entries
from codegen.rig import Rig
from codegen.validate import validate

CONV, SHAPE = "Conv2d(6, 2, 3, padding=1)", (1, 6, 7, 9)
LINE, LINE_SHAPE = "Conv1d(6, 2, 3, padding=1)", (1, 6, 9)
SMALL = (WHOLE, F23)
OFF = Fraction(1, 100_000)


def changed(base: Transform, name: str, i: int, j: int, value: Fraction) -> Transform:
    return Transform(base.m, base.r, base.points, {(name, i, j): value})


WRONG = changed(F43, "G", 3, 0, F43.g[3][0] + OFF)
SOUND = {
    "output_line": Part(LINE, LINE_SHAPE, SMALL),
    "output_small": Part(CONV, SHAPE, (F23, F23)),
    "output_large": Part(CONV, SHAPE, (F43, F43)),
    "output_single": Part("Conv1d(1, 1, 3)", (1, 1, 3), (WHOLE, F43)),
}


def on_a_line(*edits: tuple[str, str], transform: Transform = F23) -> Part:
    return Part(LINE, LINE_SHAPE, (WHOLE, transform), edits)


REMAINDER = """if i + u < @OH@ and j + v < @OW@:
                                e_store(out + (k * @OH@ + i + u) * @OW@ + j + v,
                                        e_fma(e_load(entries + """
LEAKS = (
    (f"v_load_part({address}, @C@ % @L@)", f"v_load({address})")
    for address in ("weights + (k * @X@ + x) * @C@ + c", "data + x * @C@ + c")
)
UNGRADED = (
    f"e_fma({(entry := 'e_load(entries + u * @MW@ + v)')}, @ONE@, e_load(bias + k))",
    f"e_add({entry}, e_load(bias + k))",
)
CANCELS = {
    "cancels": "e_fma(e_fma({}, e_rational(16384, 1), {}), e_rational(-16384, 1), {})",
    "cancels_alone": "e_fma(e_fma({}, e_rational(16, 1), {}), e_rational(-16, 1), {})",
}
"""Text that adds much and takes it away again: the bias, or a constant of its own."""


def cancelling(name: str, term: str) -> Part:
    sum_ = f"e_fma({entry}, @ONE@, e_load(bias + k))"
    return on_a_line(*[(sum_, CANCELS[name].format("SUM", term, term))] * 2, ("SUM", sum_), ("SUM", sum_))


BUGS = {
    "one entry of G off by 1e-5": Part(CONV, SHAPE, (WRONG, WRONG)),
    "one sign": on_a_line(transform=changed(F23, "A", 1, 2, -F23.a[1][2])),
    "one address": on_a_line(("data + x * @C@ + c, @C@ %", "data + x * @C@ + c - 1, @C@ %")),
    "remainder tile one place off": on_a_line((REMAINDER + "u", REMAINDER + "1 + u")),
    "stale scratch": on_a_line(("range(@C@):\n            bf_taps", "range(1, @C@):\n            bf_taps")),
    "stale scratch that cancels": Part(
        CONV, (1, 6, 6, 9), (F43, F23), (("for i in range(@HP@):", "for i in range(@HP@ - 2):"),)
    ),
    "gap lane leaks into a sum": on_a_line(*LEAKS),
}
"""Each in one place of sound text. What cancels are rows below the picture that no entry needs: exactly
they go out again, in floating point they spoil the tile."""
KERNELS = {bug: f"bug_{number}" for number, bug in enumerate(BUGS)}
OFF_BY_LITTLE = KERNELS["one entry of G off by 1e-5"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """Every kernel, sound or not, in one module, so that each element is compiled once."""
    parts = SOUND | {KERNELS[bug]: part for bug, part in BUGS.items()}
    parts |= {
        "cancels": cancelling("cancels", "e_load(bias + k)"),
        "cancels_alone": cancelling("cancels_alone", "e_rational(1, 1)"),
    }
    others = {"ungraded": on_a_line(UNGRADED), "grad_bias": Bias(CONV, SHAPE)}
    return artefact(tmp_path_factory.mktemp("winograd"), parts | others)


@pytest.mark.parametrize(
    "transform", [F23, F43, Transform(3, 2, (Fraction(1, 2), Fraction(-3), Fraction(7)))]
)
def test_the_trilinear_identity_holds_over_the_rationals(transform: Transform) -> None:
    """sum over k of A[i,k] G[k,a] B[k,j] is 1 where j = i + a and else 0; a change of any entry breaks it."""

    def identity(t: Transform) -> bool:
        return all(
            sum(t.a[i][k] * t.g[k][a] * t.b[k][j] for k in range(t.n)) == (j == i + a)
            for i, a, j in product(range(t.m), range(t.r), range(t.n))
        )

    assert identity(transform)
    for name, rows in (("A", transform.a), ("G", transform.g), ("B", transform.b)):
        for i, j in product(range(len(rows)), range(len(rows[0]))):
            assert not identity(changed(transform, name, i, j, rows[i][j] + OFF))


def rigs(art: Artefact, kernel: str) -> tuple[Rig, Rig, Rig]:
    """The kernel's shipped build, its bound, and its build over the field."""
    kinds = (
        (("BF_ELEMENT_FLOAT",), "float32"),
        (bound_element("float32"), "complex128"),
        (
            ("BF_ELEMENT_FIELD",),
            "uint64",
        ),
    )
    shipped, bound, field = (Rig(art, kernel, art.load_variant(v), dtype) for v, dtype in kinds)
    return shipped, bound, field


def refused(art: Artefact, kernel: str, seed: int = 7) -> dict[str, str]:
    """What each check says of a kernel; a check that passes is not there."""
    shipped, bound, field = rigs(art, kernel)
    found = {}
    for method in ("rational", "field"):
        rng = np.random.default_rng(seed)
        try:
            if method == "rational":
                check_rounded(shipped, bound, rng)
            else:
                check_rational_field(art, field, rng)
        except BuildError as refusal:
            found[method] = str(refusal)
    return found


def relative_l2(art: Artefact, kernel: str, left: float) -> float:
    """How far the shipped build is from the definition on normal random numbers, over what `left` fills."""
    rig, rng = rigs(art, kernel)[0], np.random.default_rng(3)
    data = {t.name: rng.standard_normal(entries(t)).astype(np.float32) for t in rig.operands}
    rig.workspace.inner[:] = left
    found = rig.run(data).astype(float)
    exact = evaluate(rig.relation, {n: d.astype(float) for n, d in data.items()}).reshape(-1)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_live_and_refused(built: Artefact, bug: str) -> None:
    kernel = KERNELS[bug]
    assert relative_l2(built, kernel, 1e30) > 1e-5
    said = refused(built, kernel)
    assert set(said) == {"rational"} | ({"field"} if "cancels" not in bug else set())
    for words in said.values():
        assert re.search(rf"kernel {kernel} does not compute[\s\S]*where:[\s\S]*expected:[\s\S]*got:", words)
    with pytest.raises(BuildError, match=f"kernel {kernel} does not compute"):
        validate(only(built, kernel), seed=7)


def test_the_usual_tolerance_passes_a_wrong_constant(built: Artefact) -> None:
    """Relative L2 below 1e-3, and yet beyond the error of the sound text by a factor of a hundred."""
    wrong, right = relative_l2(built, OFF_BY_LITTLE, 0), relative_l2(built, "output_large", 0)
    assert right < 3e-6 and 30 * right < wrong < 1e-3
    for seed in range(5):
        said = refused(built, OFF_BY_LITTLE, seed)
        assert "beyond the error that the text's roundings can make" in said["rational"]
        assert "2^61 - 1" in said["field"]


def test_without_draws_of_few_entries_the_wrong_constant_passes(
    built: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound of dense operands is the worst case of thousands of roundings: too wide for one constant."""
    monkeypatch.setattr(rational_shipped, "SPARSE", ())
    assert "loses too many digits" in refused(built, OFF_BY_LITTLE)["rational"]
    monkeypatch.setattr(rational_shipped, "ROUGHEST", 10**6)
    assert set(refused(built, OFF_BY_LITTLE)) == {"field"}


def test_text_that_adds_much_and_takes_it_away(built: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exactly it is right, and the bound that its own text gives grows with what it loses."""
    assert relative_l2(built, "cancels", 0) > 1e-5
    assert "loses too many digits" in refused(built, "cancels")["rational"]
    assert "rounds where every operand is 0" in refused(built, "cancels_alone")["rational"]
    monkeypatch.setattr(rational_shipped, "ROUGHEST", 10**6)
    assert refused(built, "cancels") == {}


def test_a_bound_that_is_too_narrow_refuses_sound_text(
    built: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped build does use up to a tenth of its bound: a twentieth of it is exceeded."""
    whole = rational_shipped._errors
    assert refused(built, "output_large") == {}
    monkeypatch.setattr(rational_shipped, "_errors", lambda *given: whole(*given) / 20)
    assert "beyond the error" in refused(built, "output_large")["rational"]


@pytest.mark.parametrize("level", ["fast", "exact"])
def test_sound_text_passes_and_says_what_was_checked(built: Artefact, level: str) -> None:
    """A kernel of the module without constants is traced as ever."""
    names, exact = tuple(SOUND), level == "exact"
    record = validate(only(built, "grad_bias", *names), level, seed=1)
    assert [c.kernel for c in record.of("rational")] == list(names)
    assert (
        [c.kernel for c in record.of("trace")] == [c.kernel for c in record.of("integers")] == ["grad_bias"]
    )
    graded = {"output_line": 2, "output_small": 4, "output_large": 576, "output_single": 24}
    assert {c.kernel: c.facts["grade"] for c in record.of("field") if c.kernel in names} == graded
    whole = {c.kernel: c.facts["grade"] for c in record.of("uint64") if c.kernel in names}
    assert whole == (graded if exact else {}) and len(record.of("marks")) == (5 if exact else 0)
    for check in record.of("rational"):
        facts = check.facts
        assert facts["worst_fraction_of_bound"] < 0.5 and facts["relative_l2"] < facts["relative_l2_bound"]
        assert facts["relative_l2_bound_of_few"] < 3e-4 or check.kernel == "output_single"
    assert ValidationRecord.from_json(record.to_json()) == record


def test_numbers_modulo_a_power_of_two_refuse_what_is_wrong(built: Artefact) -> None:
    module = built.load_variant(("BF_ELEMENT_UINT64",))
    rng = np.random.default_rng(5)
    assert check_graded(Rig(built, "output_line", module, np.uint64), 2, rng).facts["grade"] == 2
    for bug in BUGS:
        if "cancels" in bug or "off by" in bug:
            continue
        kernel = KERNELS[bug]
        with pytest.raises(BuildError, match=rf"{kernel} does not compute[\s\S]*numerators modulo 2\^64"):
            check_graded(Rig(built, kernel, module, np.uint64), 2, rng)
    with pytest.raises(BuildError, match="numerators"):
        check_graded(Rig(built, "output_line", module, np.uint64), 4, rng)


def test_text_whose_paths_pass_different_denominators_is_not_graded(built: Artefact) -> None:
    """The bias is added without the constant 4/4 that the products pass: right, and without a grade."""
    record = validate(only(built, "ungraded"), "exact", seed=2)
    assert record.of("field")[0].facts["grade"] == 0 and not record.of("uint64")
    assert record.of("rational") and len(record.of("marks")) == 1


@pytest.mark.sweep
@pytest.mark.parametrize("lanes", [1, 2, 8, 16])
def test_every_lane_count_and_float64(tmp_path: Path, lanes: int) -> None:
    record = validate(artefact(tmp_path, SOUND, lanes, "float64"), "exact", seed=3)
    assert all(c.facts["magnitude"] > 1000 for c in record.of("rational"))
    assert len(record.of("uint64")) == len(record.of("rational")) == len(SOUND)


POINTS = tuple(map(Fraction, ("0", "1", "-1", "2", "-2", "1/2", "-1/2", "3", "-3/2")))


def drawn_part(rng: np.random.Generator) -> Part:
    """A convolution of any small size with transforms of any tile and any points."""

    def transform(taps: int) -> Transform:
        m = int(rng.integers(1, 5))
        return Transform(m, taps, tuple(POINTS[i] for i in rng.permutation(len(POINTS))[: m + taps - 2]))

    a, b, c, k = (int(n) for n in rng.integers(1, (4, 4, 6, 4)))
    p, q = int(rng.integers(0, a)), int(rng.integers(0, b))
    h, w = int(rng.integers(a, 9)), int(rng.integers(b, 9))
    text = f"Conv2d({c}, {k}, ({a}, {b}), padding=({p}, {q}))"
    return Part(text, (1, c, h, w), (transform(a), transform(b)))


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(6))
def test_sound_text_of_any_points_is_never_refused(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = {f"output_{i}": drawn_part(rng) for i in range(5)}
    art = artefact(tmp_path, parts, 2 ** int(rng.integers(0, 4)), ("float32", "float64")[seed % 2])
    for again in range(5):
        assert len(validate(art, seed=again).of("rational")) == len(parts)
