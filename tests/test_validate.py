"""Planted bugs in a hand-written kernel module: each changes results, each is refused by the checks named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from plain_kernels import Edits, artefact

from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.marked import compare_marks
from codegen.numeric import check_integers, check_uint64
from codegen.plan import plan_of
from codegen.real import check_real, check_reals
from codegen.record import ValidationRecord
from codegen.reference import evaluate
from codegen.relation import entries
from codegen.rig import Rig
from codegen.trace import Tracer
from codegen.validate import check_trace, validate
from derive.errors import LimitError
from derive.layers.conv import Conv2d

LAYER, SHAPE, LANES = Conv2d(4, 6, 3, padding=1, groups=2), (1, 4, 7, 9), 4

# name: kernel, edits of the text, checks that must refuse, what the trace says of it
BUGS: dict[str, tuple[str, Edits, set[str], str]] = {
    "remainder tile one tap off": (
        "output",
        (("+ q + b,\n", "+ q + b + 1,\n"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 0, 6, 6\] holds the sum that belongs to another entry: output\[0, 0, 6, 7\]",
    ),
    "stale scratch: last padded row never written": (
        "output",
        (("for i in range(@HP@):", "for i in range(@HP@ - 1):"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 0, 6, 0\] was never written",
    ),
    "one pad element of one channel not zeroed": (
        "output",
        (("                else:\n", "                elif c != 1 or i != 0 or j != 2:\n"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 0, 0, 0\] was never written",
    ),
    "wrong pad in one channel": (
        "output",
        (("@WP@ + j, e_zero())", "@WP@ + j, e_load(input + c // 3 * 100) if c == 3 else e_zero())"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 3, 0, 0\] .*weight\[3, 1, 0, 0\] \* input\[0, 1, 4, 1\]",
    ),
    "gap lane leaks into a horizontal sum": (
        "grad_weight",
        (
            ("v_load_part(grad_output + (k * @OH@ + i) * @OW@ + j, @OW@ % @L@)",
             "v_load(grad_output + (k * @OH@ + i) * @OW@ + j)"),
            ("v_load_part(workspace + row + j, @OW@ % @L@)",
             "v_load(workspace + row + j)"),
        ),
        {"integers", "uint64", "trace"},
        r"weight\[0, 0, 0, 0\] .*grad_output\[0, 0, 2, 0\] \* input\[0, 0, 0, 8\]",
    ),
    "term counted twice": (
        "grad_bias",
        (("acc = e_zero()", "acc = e_load(grad_output + k * @OH@ * @OW@ + 5)"),),
        {"integers", "uint64", "trace"},
        r"bias\[0\] has a term twice: grad_output\[0, 0, 0, 5\]",
    ),
    "product counted twice": (
        "grad_input",
        (("@W@ + j, acc)", "@W@ + j, e_fma(acc, e_load(grad_output + i * @OW@ + j), e_load(weight + 4)))"),),
        {"integers", "uint64", "trace"},
        r"input\[0, 0, 0, 0\] has a term twice: grad_output\[0, 0, 0, 0\] \* weight\[0, 0, 1, 1\]",
    ),
    "bias added twice": (
        "output",
        (("acc = v_splat(bias + k)", "acc = v_add(v_splat(bias + k), v_splat(bias + k))"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 0, 0, 0\] adds an operand entry that is no term of it: bias\[0\]",
    ),
    "term missing": (
        "grad_bias",
        (("range(@OH@ * @OW@)", "range(@OH@ * @OW@ - 1)"),),
        {"integers", "uint64", "trace"},
        r"bias\[0\] has 62 of its 63 terms, not grad_output\[0, 0, 6, 8\]",
    ),
    "one channel missing": (
        "output",
        (("for c in range(@C@):", "for c in range(1, @C@):"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 0, 0, 0\] has 5 of its 9 terms, not weight\[0, 0, 1, 1\] \* input\[0, 0, 0, 0\]",
    ),
    "wrong group's channels": (
        "output",
        (("v_load(lines + ((k // @K@ * @C@ + c)", "v_load(lines + ((c)"),),
        {"integers", "uint64", "trace"},
        r"output\[0, 3, 0, 0\] has a product that is no term.*: weight\[3, 0, 1, 1\] \* input\[0, 0,",
    ),
    "result added to what was there": (
        "grad_bias",
        (("e_store(out + k, acc)", "e_store(out + k, e_add(e_load(out + k), acc))"),),
        {"integers", "uint64", "trace"},
        r"bias\[0\] was never written",
    ),
    "entry written from the wrong place": (
        "grad_bias",
        (("e_store(out + k, acc)", "e_store(out + k + (2 * (k == 0) - 2 * (k == 2)), acc)"),),
        {"integers", "uint64", "trace"},
        r"bias\[0\] holds the sum that belongs to another entry: bias\[2\]",
    ),
    "partial sum used twice": (
        "grad_input",
        (("@W@ + j, acc)", "@W@ + j, e_add(acc, acc))"),),
        {"integers", "uint64", "trace"},
        r"input\[0, 0, 0, 0\] uses a partial sum that was continued elsewhere",
    ),
    "element-size branch": (
        "grad_bias",
        (("acc = e_zero()", "acc = e_load(grad_output) if sizeof(E) == 4 else e_zero()"),),
        {"integers", "lexical"},
        "",
    ),
}  # fmt: skip


def built(tmp_path: Path, kernel: str, edits: Edits) -> Artefact:
    return artefact(tmp_path, LAYER, SHAPE, (kernel,), edits, LANES)


def refused(method: str, art: Artefact, kernel: str) -> str:
    """The message of the check's refusal, or ""."""
    rng = np.random.default_rng(7)
    try:
        if method == "lexical":
            gate(art.pyx_text)
        elif method == "trace":
            module = art.load_variant(("BF_ELEMENT_TRACE",))
            check_trace(Rig(art, kernel, module, np.uint64), Tracer(module))
        elif method == "uint64":
            check_uint64(Rig(art, kernel, art.load_variant(("BF_ELEMENT_UINT64",)), np.uint64), rng)
        else:
            check_integers(Rig(art, kernel, art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32), rng)
    except BuildError as refusal:
        return str(refusal)
    return ""


def changes_results(art: Artefact, kernel: str) -> bool:
    """Whether the shipped build differs from the definition for some data and some left-over workspace."""
    rig = Rig(art, kernel, art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    rng = np.random.default_rng(3)
    data = {t.name: rng.integers(-9, 10, entries(t)).astype(np.float64) for t in rig.operands}
    for buffer in (rig.workspace.inner, rig.out.inner):
        buffer[:] = rng.integers(1, 9, buffer.size)
    return not np.array_equal(rig.run(data).reshape(-1), evaluate(rig.relation, data).reshape(-1))


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_live_and_refused(bug: str, tmp_path: Path) -> None:
    kernel, edits, methods, story = BUGS[bug]
    art = built(tmp_path, kernel, edits)
    assert changes_results(art, kernel)
    said = {m: refused(m, art, kernel) for m in ("integers", "uint64", "trace", "lexical")}
    assert {m for m, text in said.items() if text} - {"lexical"} == methods - {"lexical"}
    assert "lexical" not in methods or said["lexical"]
    assert re.search(story, said["trace"]), said["trace"]
    for method in methods - {"lexical"}:
        assert re.search(rf"kernel {kernel} does not compute.*where:.*expected:.*got:", said[method], re.S)


def test_validate_refuses_before_it_loads_what_the_gate_refuses(tmp_path: Path) -> None:
    art = built(tmp_path, "grad_bias", BUGS["element-size branch"][1])
    with pytest.raises(BuildError, match=r"says 'sizeof'[^$]*line \d+"):
        validate(art)
    assert not list(tmp_path.glob("*.so"))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return artefact(tmp_path_factory.mktemp("sound"), LAYER, SHAPE, lanes=LANES)


@pytest.mark.parametrize("level", ["fast", "exact"])
def test_a_sound_module_passes_and_says_what_was_checked(sound: Artefact, level: str) -> None:
    record = validate(sound, level, seed=1)
    traced = {c.kernel: c for c in record.of("trace")}
    assert set(traced) == {"output", "grad_input", "grad_weight", "grad_bias"}
    assert all(c.bound == "deterministic" and c.facts["terms"] >= c.facts["entries"] for c in traced.values())
    assert [c.kernel for c in record.of("lexical")] == ["text"]
    assert len(record.of("integers")) == 4
    for method in ("uint64", "field", "real", "marks"):
        assert len(record.of(method)) == (4 if level == "exact" else 0)
    assert ValidationRecord.from_json(record.to_json()) == record
    assert record.report.count("\n") == len(record.checks) - 1
    with pytest.raises(BuildError, match="no such level"):
        validate(sound, "thorough")


@pytest.mark.parametrize("lanes", [1, 2, 8, 16])
def test_every_lane_count_and_float64(tmp_path: Path, lanes: int) -> None:
    art = artefact(tmp_path, Conv2d(2, 2, (2, 3), padding=1), (1, 2, 5, 8), lanes=lanes, dtype="float64")
    assert len(validate(art).of("trace")) == 4


def test_padding_alone_leaves_the_bias(tmp_path: Path) -> None:
    """Entries whose only term is the bias, and gradients with fewer terms than the kernel has taps."""
    assert validate(artefact(tmp_path, Conv2d(1, 2, 1, padding=1), (1, 1, 2, 3), lanes=4)).of("trace")


def test_values_of_an_earlier_run_are_stale(sound: Artefact) -> None:
    """What run one left is refused in run two, and so are its operands."""
    module = sound.load_variant(("BF_ELEMENT_TRACE",))
    rig, tracer = Rig(sound, "output", module, np.uint64), Tracer(module)
    check = check_trace(rig, tracer, runs=2)
    assert check.facts["runs"] == 2
    plan = plan_of(rig.relation)
    tracer.begin(plan)
    old = {t.name: tracer.leaves(plan, t) for t in rig.operands}
    kept = rig.run(old).copy()
    assert tracer.judge(plan, kept).wrong == 0
    tracer.begin(plan)
    assert "earlier run" in tracer.judge(plan, kept).story
    assert "operand of an earlier run" in tracer.judge(plan, rig.run(old)).story
    tracer.release()


def test_a_write_beside_a_buffer_or_into_an_operand_is_refused(tmp_path: Path) -> None:
    edits = (("e_store(out + k, acc)", "e_store(out + k, acc)\n        e_store(out + @GK@, acc)"),)
    assert "beside a buffer" in refused("integers", built(tmp_path / "a", "grad_bias", edits), "grad_bias")
    edits = (
        ("const E* grad_output", "E* grad_output"),
        ("acc = e_zero()", "acc = e_zero()\n        e_store(grad_output, e_zero())"),
    )
    assert "writes to its operand" in refused(
        "integers", built(tmp_path / "b", "grad_bias", edits), "grad_bias"
    )


def test_too_little_memory_is_said(sound: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen import traced as room

    module = sound.load_variant(("BF_ELEMENT_TRACE",))
    monkeypatch.setattr(room, "plan_of", lambda relation: plan_of(relation, limit_bytes=20_000))
    with pytest.raises(LimitError, match="too large to trace"):
        check_trace(Rig(sound, "output", module, np.uint64), Tracer(module))


def test_other_branches_in_another_build_are_refused() -> None:
    one, two = np.array([1, 1, 2], np.int32), np.array([1, 2, 2], np.int32)
    assert compare_marks("output", "f", one, [("t", 2, np.tile(one, 2))]).facts["marks"] == 3
    for other in ([("t", 1, two)], [("t", 2, one)], [("t", 1, one[:2])]):
        with pytest.raises(BuildError, match="other branches"):
            compare_marks("output", "f", one, other)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_real_numbers_within_their_bound_and_no_further(sound: Artefact, tmp_path: Path, dtype: str) -> None:
    art = sound if dtype == "float32" else artefact(tmp_path, LAYER, SHAPE, lanes=LANES, dtype=dtype)
    element = {"float32": "BF_ELEMENT_FLOAT", "float64": "BF_ELEMENT_DOUBLE"}[dtype]
    rig = Rig(art, "output", art.load_variant((element,)), dtype)
    assert check_reals(rig, np.random.default_rng(1)).facts["worst_fraction_of_bound"] <= 1
    rng = np.random.default_rng(2)
    data = {t.name: rng.standard_normal(entries(t)).astype(dtype) for t in rig.operands}
    good = rig.run(data).copy()
    found = check_real(rig.claim, data, good)
    assert found.ok and 0 < found.worst_ratio < 1 and found.terms == 19
    for value in (good[5] * (1 + 64 * np.finfo(dtype).eps) + 64 * np.finfo(dtype).eps, np.nan, np.inf):
        bad = good.copy()
        bad[5] = value
        again = check_real(rig.claim, data, bad)
        assert not again.ok and again.entry == "output[0, 0, 0, 5]"
