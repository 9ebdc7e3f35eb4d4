"""What is loaded: a folder whose record, proof, text and binary agree; each disagreement is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from command import backflip

from codegen import build, cache, compile, load
from codegen.errors import BuildError
from codegen.produce import Request, produce
from codegen.record import ValidationRecord
from codegen.variants import agree
from derive.layers.conv import Conv2d
from derive.layers.normalisation import BatchNorm1d

LAYER, SHAPE = Conv2d(1, 1, 2), (1, 1, 3, 3)
OTHER = Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3)
EIGHT = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)


@pytest.fixture(scope="module")
def kept() -> Path:
    return build(LAYER, SHAPE, wrt=()).path


@pytest.fixture(scope="module")
def other() -> Path:
    return build(*OTHER, wrt=()).path


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "kernel"))


def right(kernel: Any) -> bool:
    y = kernel.forward(EIGHT, np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.float32))
    return bool((y.reshape(-1) == [8, 12, 20, 24]).all())


def edit(path: Path, change: Callable[[Any], None]) -> None:
    """A JSON file with something in it changed."""
    data = json.loads(path.read_text())
    before = json.dumps(data)
    change(data)
    assert json.dumps(data) != before
    path.write_text(json.dumps(data))


def resign(folder: Path) -> None:
    """The record's digests put right for whatever the files are now."""
    record = json.loads((folder / cache.RECORD).read_text())
    record["files"] = {name: cache.file_digest(folder / name) for name in record["files"]}
    (folder / cache.RECORD).write_text(json.dumps(record))


def in_proof(change: Callable[[Any], None]) -> Callable[[Path, Path], None]:
    return lambda folder, other: edit(folder / "proof.json", change)


def in_record(change: Callable[[Any], None]) -> Callable[[Path, Path], None]:
    return lambda folder, other: edit(folder / cache.RECORD, change)


def put(source: Path, target: Path) -> None:
    """A file in another's place; a file that is loaded is never written to."""
    target.unlink()
    shutil.copyfile(source, target)


def copied(name: str) -> Callable[[Path, Path], None]:
    return lambda folder, other: put(other / name, folder / name)


def one_more_comment(folder: Path, other: Path) -> None:
    (folder / "kernel.pyx").write_text((folder / "kernel.pyx").read_text() + "# more\n")


def unsaid_digest(folder: Path, other: Path) -> None:
    """The text changed and its own digest not; the proof names the new text."""
    one_more_comment(folder, other)
    digest = cache.text_digest((folder / "kernel.pyx").read_text())
    edit(folder / "proof.json", lambda proof: proof.update(source_sha256=digest))


def swapped_and_named(folder: Path, other: Path) -> None:
    """Another kernel's binary, and a proof that names it wherever it names a binary."""
    put(other / "module.so", folder / "module.so")
    name_binary(folder)


def name_binary(folder: Path) -> None:
    """The proof names whatever the binary is now."""
    digest = cache.file_digest(folder / "module.so")

    def named(proof: Any) -> None:
        proof["binary_sha256"] = proof["validation"]["loaded"][BINARY] = digest

    edit(folder / "proof.json", named)


BINARY = "BF_ELEMENT_FLOAT"
EDITS: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "swapped binary": (copied("module.so"), "binary_sha256"),
    "another kernel's proof": (copied("proof.json"), "layer: Conv2d"),
    "another kernel's text": (copied("kernel.pyx"), "source_sha256"),
    "another C file": (copied("kernel.c"), "c_sha256"),
    "a comment more in the text": (one_more_comment, "source_sha256"),
    "a text that does not say its digest": (unsaid_digest, "a text of digest"),
    "theorem": (
        in_proof(lambda p: p["theorem"].update(output=p["theorem"]["output"] + " for all data")),
        "a text that says: output",
    ),
    "certificate": (in_proof(lambda p: p.update(certificate_sha256="0" * 64)), "certificate sha256 000"),
    "digest of the text": (in_proof(lambda p: p.update(source_sha256="0" * 64)), "source_sha256"),
    "digest of the binary": (in_proof(lambda p: p.update(binary_sha256="0" * 64)), "binary_sha256"),
    "validated another binary": (
        in_proof(lambda p: p["validation"]["loaded"].update({BINARY: "0" * 64})),
        "validated: ",
    ),
    "a kernel without a check": (
        in_proof(lambda p: p["validation"].update(checks=p["validation"]["checks"][:1])),
        "checked kernels",
    ),
    "no validation": (in_proof(lambda p: p.pop("validation")), "KeyError 'validation'"),
    "no Python named": (in_proof(lambda p: p.pop("abi")), "KeyError 'abi'"),
    "a theorem that is a list": (in_proof(lambda p: p.update(theorem=["output"])), "AttributeError"),
    "a smaller workspace": (
        in_record(lambda r: r["kernels"]["output"].update(workspace=0, operands=["weight", "input", "bias"])),
        "kernels: ",
    ),
    "another dtype": (in_record(lambda r: r.update(dtype="float64")), "dtype: float64"),
    "other threads": (in_record(lambda r: r.update(threads=2)), "threads: 2"),
    "another accuracy": (in_record(lambda r: r.update(accuracy="relaxed")), "accuracy: relaxed"),
    "another tuning": (in_record(lambda r: r.update(tune=True)), "tune: True"),
    "no tuning named": (in_record(lambda r: r.pop("tune")), "KeyError 'tune'"),
    "fewer files in the record": (in_record(lambda r: r["files"].pop("module.so")), "none of module.so"),
    "another Python": (in_proof(lambda p: p["abi"].update(python="2.7.18")), "one for {'python': '2.7.18'"),
    "another's binary, named": (swapped_and_named, "the built module does not load"),
}  # fmt: skip


@pytest.mark.parametrize("name", EDITS)
def test_what_does_not_agree_is_refused(
    name: str, folder: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, words = EDITS[name]
    opened: list[Path] = []
    real = compile.load
    monkeypatch.setattr(compile, "load", lambda title, path: (opened.append(path), real(title, path))[1])
    change(folder, other)
    for again in (lambda: None, lambda: resign(folder)):
        again()
        with pytest.raises(BuildError) as caught:
            load(folder)
        said = str(caught.value)
    assert words in said, said
    assert len(opened) == (name == "another's binary, named"), "a binary that does not agree was loaded"


def test_a_folder_as_it_was_written_is_loaded(folder: Path) -> None:
    assert right(load(folder)) and right(load(folder))


def test_a_second_binary_from_one_place_is_refused(folder: Path) -> None:
    """The same kernel with a byte more, and every record put right: the linker would give the first again."""
    assert right(load(folder))
    data = (folder / "module.so").read_bytes()
    (folder / "module.so").unlink()
    (folder / "module.so").write_bytes(data + b"\0")
    name_binary(folder)
    resign(folder)
    with pytest.raises(BuildError, match="which this process loaded from there"):
        load(folder)
    moved = shutil.copytree(folder, folder.with_name("moved"))
    assert right(load(moved))


def test_an_edited_claim_of_a_check_is_refused_by_the_record(folder: Path) -> None:
    """The loader cannot judge the claim's words; they are the record's, as long as that is not made anew."""
    edit(folder / "proof.json", lambda p: p["validation"]["checks"][1].update(claim="right for all data"))
    with pytest.raises(BuildError, match=r"proof\.json\n  expected: sha256"):
        load(folder)


def test_a_module_that_says_otherwise_of_itself_is_refused() -> None:
    module = SimpleNamespace(source_digest=lambda: "a", lanes=lambda: 8)
    agree("here", module, {"source_digest": "a", "lanes": 8})
    for wanted in ({"source_digest": "b"}, {"lanes": 16}, {"element_bytes": 4}):
        with pytest.raises(BuildError, match=r"is not that of the text it stands for\n  where:    here"):
            agree("here", module, wanted)


def test_what_is_damaged_in_the_cache_is_listed_and_built_anew(
    kept: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, names = tmp_path / "cache", (kept.name, other.name)
    for path in (kept, other):
        shutil.copytree(path, place / "binaries" / path.name)
    for path in (cache.folder() / "requests").glob(f"[!.]*/{cache.RECORD}"):
        if json.loads(path.read_text())["binary"] in names:
            shutil.copytree(path.parent, place / "requests" / path.parent.name)
    monkeypatch.setenv("BACKFLIP_CACHE", str(place))
    assert build(LAYER, SHAPE, wrt=()).cached
    spoilt = place / "binaries" / kept.name
    put(other / "module.so", spoilt / "module.so")
    resign(spoilt)
    assert cache.find("binaries", kept.name) is not None, "the record alone does not tell"
    said = backflip("cache", "list", cwd=tmp_path, env={"BACKFLIP_CACHE": str(place)}).out.splitlines()
    lines = {line[:16]: line for line in said}
    assert "not used, built anew when asked for: proof.json: expected binary_sha256" in lines[kept.name[:16]]
    assert "Conv2d(1, 1, 2, bias=False) at [1, 1, 3, 3]" in lines[other.name[:16]] and len(lines) == 2
    kernel = build(LAYER, SHAPE, wrt=())
    assert not kernel.cached and right(kernel) and build(LAYER, SHAPE, wrt=()).cached


def test_a_kernel_is_written_to_a_folder_and_read_back(tmp_path: Path) -> None:
    said = backflip(
        "build", "Conv2d(1, 1, 2)", "--input", "1,1,3,3", "--wrt", "none", "-o", "there", cwd=tmp_path
    )  # fmt: skip
    assert said.code == 0, said.err
    kernel = load(tmp_path / "there")
    assert right(kernel) and kernel.layer == LAYER and kernel.input_shape == SHAPE and kernel.wrt == ()
    proof = json.loads(kernel.proof)
    record = ValidationRecord.from_json(json.dumps(proof["validation"]))
    shown = " ".join(said.out.split())
    for check in record.checks:
        assert " ".join(check.claim.split()) in shown and f"bound: {check.bound}" in shown
    with pytest.raises(BuildError, match=r"a folder with record\.json"):
        load(tmp_path)


def test_results_come_in_one_order_from_the_cache_too() -> None:
    """Several results of one call: the record keeps the kernels' order."""
    x, one = np.arange(8, dtype=np.float32).reshape(4, 2), np.ones(2, np.float32)
    found = []
    for _ in range(2):
        kernel = build(BatchNorm1d(2), (4, 2), training=True, wrt=())
        found.append(kernel.forward(x, one, one, running_mean=one, running_var=one))
    assert kernel.cached and [a.shape for a in found[0]] == [(4, 2), (2,), (2,)]
    assert all((a == b).all() for a, b in zip(*found, strict=True))


def test_the_time_is_told_and_enters_no_key(kept: Path) -> None:
    proof = json.loads((kept / "proof.json").read_text())
    at, seconds = proof["validation"]["at"], proof["validation"]["seconds"]
    assert at.endswith("+00:00") and 0 < seconds < 600
    made = {
        "theorem",
        "certificate_sha256",
        "source_sha256",
        "c_sha256",
        "binary_sha256",
        "compiler",
        "flags",
    }
    assert made <= set(proof) and all(c["claim"] and c["bound"] for c in proof["validation"]["checks"])
    request = Request(LAYER, SHAPE, "float32", ("output",), "fast", compile.chosen_isa("native"))
    assert produce(request).path == kept and at not in (kept / cache.RECORD).read_text()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "record.json").unlink(), "no record.json there"),
        (lambda folder: (folder / "kernel.c").unlink(), "no kernel.c there"),
        (lambda folder: (folder / "record.json").write_text("{}"), "a record without 'files'"),
        (lambda folder: (folder / "record.json").write_text("{"), "a record that cannot be read"),
    ],
)
def test_what_is_missing_is_named(damage: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    for title, text in (("record.json", '{"files": {"kernel.c": "0"}, "key": "k"}'), ("kernel.c", "")):
        (tmp_path / title).write_text(text)
    damage(tmp_path)
    with pytest.raises(BuildError) as refusal:
        load(tmp_path)
    assert said in str(refusal.value)


def test_a_folder_is_a_path() -> None:
    with pytest.raises(BuildError, match="not a folder"):
        load(None)  # type: ignore[arg-type]
