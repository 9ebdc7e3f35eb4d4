"""The audit: sound kernels pass all of it; each planted bug that builds do not see is seen by its part."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_kernels import Edits, artefact, sizes_of

from codegen import audit_child, audit_memory, cache, compile, load
from codegen.artefact import Artefact
from codegen.audit import audit, check_rebuilt, request_of
from codegen.audit_memory import check_memory, fault, module_name, runtime
from codegen.cache import text_digest
from codegen.errors import BuildError
from codegen.produce import Request, module_source, prepared, produce
from codegen.validate import validate
from codegen.variants import Variants
from derive.layers import registry
from derive.layers.base import Layer
from derive.layers.conv import Conv2d
from derive.spelling import parse_layer

AVX2, PORTABLE = compile.ISAS["avx2"], compile.ISAS["portable"]
ROOT = Path(cache.__file__).parent.parent
LAYER, SHAPE = Conv2d(2, 2, 3, padding=1), (1, 2, 5, 8)
SHIPPED = ("BF_ELEMENT_FLOAT",)
METHODS = {"rebuild", "lexical", "integers", "trace", "uint64", "field", "real", "marks", "asan"}
SELECTING = {"rebuild", "lexical", "bounded", "selection", "field", "marks", "asan"}
SMALL = Conv2d(1, 1, 2, bias=False), (1, 1, 3, 5)


def asked(layer: Layer, shape: tuple[int, ...]) -> Request:
    return request_of(layer, shape, "float32", "native", "fast")


def test_a_sound_kernel_passes_every_part() -> None:
    request = asked(parse_layer("MaxPool2d(2)"), (1, 1, 2, 4))
    record = audit(request)
    assert {c.method for c in record.checks} == SELECTING and record.level == "audit"
    assert [c.kernel for c in record.of("asan")] == ["output", "grad_input"]
    assert record.shipped == cache.file_digest(produce(request).path / "module.so")
    assert all(c.claim and c.bound for c in record.checks)


def test_the_command() -> None:
    """The other class of kernels, through `python -m codegen.audit`; and what it says of a wrong shape."""
    command = [sys.executable, "-W", "error", "-m", "codegen.audit", "Conv2d(1, 1, 2, bias=False)"]
    said = [
        subprocess.run([*command, *more], capture_output=True, text=True, check=False, cwd=ROOT)
        for more in (
            ("--input", "1,1"),
            ("--input", "1,1,3,5", "--json"),
            ("--input", "1,1,3,5", "--isa", "vax"),
        )
    ]
    assert [s.returncode for s in said] == [2, 0, 3], [s.stderr for s in said]
    assert "wrong number of axes" in said[0].stderr and "no such instruction set" in said[2].stderr
    assert {c["method"] for c in json.loads(said[1].stdout)["checks"]} == METHODS


# ---------------------------------------------------------------- outside of buffers


def built(folder: Path, kernel: str, edits: Edits, lanes: int = 8) -> Artefact:
    return artefact(folder, LAYER, SHAPE, (kernel,), edits, lanes)


def said_of(art: Artefact, isa: compile.Isa = AVX2) -> str:
    """The refusal of the sanitizers, or ""."""
    try:
        check_memory(art, isa)
    except BuildError as refusal:
        return str(refusal)
    return ""


SHORT: Edits = (
    ("cdef E* lines = workspace", "cdef E* lines = workspace + @Q@"),
    ("cdef E* flat = workspace + @LINES@", "cdef E* flat = workspace"),
    (
        "v_load_part(lines + ((k // @K@ * @C@ + c) * @HP@ + a) * @WP@ + q + b,\n"
        "                                                @Q@ % @L@))",
        "v_load(lines + ((k // @K@ * @C@ + c) * @HP@ + a) * @WP@ + q + b))",
    ),
)


def test_scratch_16_elements_short_is_seen_by_the_sanitizer_alone(tmp_path: Path) -> None:
    """The remainder tile loads whole vectors and drops the lanes beyond: right values, wrong memory."""
    lanes = 32
    sizes = sizes_of(LAYER, SHAPE, lanes)
    used = sizes["Q"] + sizes["GC"] * sizes["HP"] * sizes["WP"]
    reached = used + lanes - sizes["Q"] % lanes
    assert used <= reached - 16
    art = replace(built(tmp_path, "output", SHORT, lanes), workspace_elements={"output": reached})
    assert said_of(art) == ""
    short = replace(art, workspace_elements={"output": reached - 16})
    assert validate(short).of("trace"), "builds see nothing of it: the margins are read, never written"
    said = said_of(short)
    assert "kernel output accesses memory outside its buffers" in said
    assert f"read of size {4 * lanes}" in said and "of workspace" in said and "bf_output" in said


BEFORE = "v_store(workspace, v_load(grad_output - 1))"
MASKED = "v_store(workspace, v_load_part(grad_output + @GK@ * @OH@ * @OW@ - 3, 4))"


def at_the_start(line: str) -> Edits:
    """A line put before the loop of the bias gradient; what it stores is never read."""
    return (
        ("    for k in range(@GK@):\n        acc =", f"    {line}\n    for k in range(@GK@):\n        acc ="),
    )


def test_a_read_before_an_operand_is_seen_by_the_sanitizer_alone(tmp_path: Path) -> None:
    art = built(tmp_path, "grad_bias", at_the_start(BEFORE))
    assert validate(art).of("trace")
    assert "kernel grad_bias accesses memory" in (said := said_of(art)) and "of grad_output (" in said


def test_a_write_beside_the_result_is_seen(tmp_path: Path) -> None:
    edits = (("e_store(out + k, acc)", "e_store(out + k, acc)\n        e_store(out + @GK@, acc)"),)
    assert (
        "write of size 4, 0 bytes" in (said := said_of(built(tmp_path, "grad_bias", edits)))
        and " of out" in said
    )


def test_masked_parts_are_looked_at(tmp_path: Path) -> None:
    """One element more than there are, in an instruction into which sanitizers do not look by themselves."""
    assert "of grad_output" in said_of(built(tmp_path, "grad_bias", at_the_start(MASKED)))


def test_a_misaligned_vector_access_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Operations that take an operand to be aligned as a vector is: the plain build of them crashes."""
    headers = tmp_path / "headers"
    shutil.copytree(compile.HEADERS, headers)
    text = (headers / "elem_number.h").read_text()
    assert text.count("*(const bf_loose *)p") == 1
    (headers / "elem_number.h").write_text(text.replace("*(const bf_loose *)p", "*(const V *)p"))
    monkeypatch.setattr(compile, "HEADERS", headers)
    art = built(tmp_path / "k", "output", (), 4)
    said = said_of(art, PORTABLE)
    assert "kernel output does what C leaves undefined" in said and "misaligned address" in said
    assert crashes(art, tmp_path)
    monkeypatch.undo()
    assert not crashes(art, tmp_path)


def crashes(art: Artefact, folder: Path) -> bool:
    """Whether the same calls end the process where the C file is compiled as it ships."""
    target, calls = folder / "plain.so", folder / "calls.json"
    compile.to_binary(art.c_path, target, PORTABLE, ("BF_ELEMENT_FLOAT", f"BF_LANES={art.lanes}"))
    names = art.operand_order["output"]
    sizes = {"out": 80, "input": 80, "weight": 36, "bias": 2, "workspace": art.workspace_elements["output"]}
    listed = [{"kernel": "output", "buffers": [(n, sizes[n]) for n in ("out", *names, "workspace")]}]
    calls.write_text(json.dumps({"itemsize": 4, "calls": listed}))
    command = [sys.executable, "-I", audit_child.__file__, module_name(art.c_path), str(target), str(calls)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode < 0 or done.stdout.endswith("done\n"), done.stderr
    return done.returncode < 0


def test_reports_that_are_not_understood_are_not_passed_off() -> None:
    said = str(fault("output input 0x10 0\n", "Segmentation fault", -11))
    assert "ended without a report" in said and "-11: Segmentation fault" in said
    assert "(none was called)" in str(fault("", "x.c:1:2: runtime error: shift exponent 70", 1))


def test_a_run_without_an_end_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_memory, "SECONDS", 0.5)
    with pytest.raises(BuildError, match="the sanitized run did not end"):
        audit_memory._run(["sleep", "20"])


def test_no_sanitizer_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Path(runtime()).exists()
    fake = tmp_path / "gcc"
    fake.write_text("#!/bin/sh\necho libasan.so\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    with pytest.raises(BuildError, match="gcc has no AddressSanitizer"):
        runtime()


# ---------------------------------------------------------------- built again


def resigned(folder: Path, binary: Path) -> None:
    """A stored binary replaced by another, and every digest that is written down put right for it."""
    shutil.copyfile(binary, folder / "module.so")
    proof = json.loads((folder / "proof.json").read_text())
    proof["binary_sha256"] = proof["validation"]["loaded"]["BF_ELEMENT_FLOAT"] = cache.file_digest(binary)
    (folder / "proof.json").write_text(json.dumps(proof))
    record = json.loads((folder / cache.RECORD).read_text())
    record["files"] |= {n: cache.file_digest(folder / n) for n in ("module.so", "proof.json")}
    (folder / cache.RECORD).write_text(json.dumps(record))


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> tuple[Request, str, Variants]:
    """A small request, its text, and what `audit` makes of it anew."""
    request = asked(*SMALL)
    text, known, _ = module_source(request)
    return request, text, prepared(request, text, known, tmp_path_factory.mktemp("again"))[1]


LAST_PRODUCT = re.compile(r"(?s)(.*)\b(\w+) = ([ve])_fma\((\w+), \w+, \w+\)")
"""With everything before it: the sum, its kind, what the product is added to."""


def spoiled(text: str) -> str:
    """The first kernel's last product left out, the digest left as it was."""
    first, mark, others = text.partition("\ndef call_output(")
    changed = LAST_PRODUCT.sub(r"\1\2 = \3_add(\4, \3_zero())", first, count=1)
    assert mark and changed != first, text
    return f"{changed}{mark}{others}"


def test_a_forged_digest_is_seen_by_building_again(
    tmp_path: Path, again: tuple[Request, str, Variants]
) -> None:
    """A binary of another text that says it is of the right one, with every record put right: it loads."""
    request, text, variants = again
    folder = tmp_path / "entry"
    shutil.copytree(produce(request).path, folder)
    assert f'return "{text_digest(text)}"' in spoiled(text)
    pyx = tmp_path / "kernel.pyx"
    pyx.write_text(spoiled(text))
    forged = replace(variants, c_path=compile.to_c(pyx, variants.name))
    forged(SHIPPED)
    resigned(folder, forged.path(SHIPPED))
    x, w = np.ones((1, 1, 3, 5), np.float32), np.arange(4, dtype=np.float32).reshape(1, 1, 2, 2)
    assert (load(folder).forward(x, w) != 6).any(), "a wrong kernel that the loader takes for the right one"
    with pytest.raises(BuildError, match=r"module\.so is not what its source gives"):
        check_rebuilt(cache.entry_in(folder), text, variants, "float32")


def test_another_text_or_c_file_is_seen(tmp_path: Path, again: tuple[Request, str, Variants]) -> None:
    """Built again in another folder everything is the same to the byte; a byte more in either is seen."""
    request, text, variants = again
    folder = tmp_path / "entry"
    shutil.copytree(produce(request).path, folder)
    entry = cache.entry_in(folder)
    assert check_rebuilt(entry, text, variants, "float32").method == "rebuild"
    for title in ("kernel.pyx", "kernel.c"):
        kept = (folder / title).read_bytes()
        (folder / title).write_bytes(kept + b"\n")
        with pytest.raises(BuildError, match=f"{title} is not what its source gives"):
            check_rebuilt(entry, text, variants, "float32")
        (folder / title).write_bytes(kept)


# ---------------------------------------------------------------- every layer


def examples() -> list[tuple[str, tuple[int, ...]]]:
    """A layer of each class; an unknown function has no kernel."""
    return [kind.examples[0] for name, kind in registry().items() if kind.examples and name != "Activation"]


@pytest.mark.sweep
@pytest.mark.parametrize("number", range(len(examples())), ids=[text for text, _ in examples()])
def test_every_layer(number: int) -> None:
    """Every other one for the instruction set that every machine of the kind has."""
    text, shape = examples()[number]
    record = audit(
        request_of(parse_layer(text), shape, "float32", ("native", "portable")[number % 2], "fast")
    )
    assert {"rebuild", "asan", "field", "marks"} <= {c.method for c in record.checks}


SHARED = (
    ("Conv2d(96, 96, 3, padding=1, groups=96)", (1, 96, 56, 56), "strict"),
    ("Conv2d(96, 96, 3, stride=2, padding=1, groups=96)", (4, 96, 56, 56), "strict"),
    ("Conv2d(16, 32, 3, padding=1)", (1, 16, 32, 32), "relaxed"),
    ("Conv2d(16, 32, 3, padding=1)", (2, 16, 30, 30), "strict"),
    ("Linear(256, 128)", (64, 256), "strict"),
)
"""Layers of so many products that threads share them: ROLLING, WINOGRAD, direct, matrix products."""


@pytest.mark.sweep
@pytest.mark.parametrize(("text", "shape", "accuracy"), SHARED, ids=str)
def test_kernels_that_threads_share(text: str, shape: tuple[int, ...], accuracy: str) -> None:
    record = audit(request_of(parse_layer(text), shape, "float32", "native", "fast", 2, accuracy))
    assert {"rebuild", "asan", "threads"} <= {c.method for c in record.checks}
    assert {c.facts["threads"] for c in record.checks if c.method == "threads"} == {2}
