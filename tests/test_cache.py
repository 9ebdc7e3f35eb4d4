"""The build cache: hits without heavy imports, nothing broken loaded, clear errors, nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codegen import build, cache, compile
from codegen.errors import BuildError
from codegen.produce import Request
from derive.layers.conv import Conv2d
from derive.spelling import parse_layer

LAYER, SHAPE = Conv2d(1, 1, 2), (1, 1, 3, 3)
EIGHT = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one small inference kernel in it; tests copy it."""
    place = tmp_path_factory.mktemp("stock") / "cache"
    before = os.environ["BACKFLIP_CACHE"]
    os.environ["BACKFLIP_CACHE"] = str(place)
    try:
        assert not build(LAYER, SHAPE, wrt=()).cached
    finally:
        os.environ["BACKFLIP_CACHE"] = before
    return place


@pytest.fixture
def copied(stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "cache"
    shutil.copytree(stocked, place)
    monkeypatch.setenv("BACKFLIP_CACHE", str(place))
    return place


def binary(place: Path) -> Path:
    (found,) = place.glob("binaries/*/module.so")
    return found


def entries() -> list[cache.Entry]:
    """The binaries that are whole."""
    return [e for path in cache.folders() if (e := cache.find("binaries", path.name)) is not None]


def right() -> bool:
    kernel = build(LAYER, SHAPE, wrt=())
    y = kernel.forward(EIGHT, np.ones((1, 1, 2, 2), np.float32), np.zeros(1, np.float32))
    return bool((y.reshape(-1) == [8, 12, 20, 24]).all())


def test_a_second_build_is_a_hit(copied: Path) -> None:
    assert build(LAYER, SHAPE, wrt=()).cached
    assert right()


def test_a_warm_build_imports_nothing_heavy(copied: Path) -> None:
    code = (
        "import numpy, time, sys; start = time.perf_counter()\n"
        "from codegen import build; from derive.layers.conv import Conv2d\n"
        "k = build(Conv2d(1, 1, 2), (1, 1, 3, 3), wrt=()); took = time.perf_counter() - start\n"
        "print(k.cached, [m for m in ('sympy', 'Cython', 'jinja2') if m in sys.modules], took)"
    )
    root = str(Path(cache.__file__).parent.parent)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    hit, rest = done.stdout.split(" ", 1)
    modules, took = rest.rsplit(" ", 1)
    assert (hit, modules) == ("True", "[]")
    assert float(took) < 1.0


def test_a_hit_needs_no_compiler(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert build(LAYER, SHAPE, wrt=()).cached


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def test_a_broken_binary_is_never_loaded_and_built_again(copied: Path) -> None:
    for spoil in (flip_a_byte, truncate):
        spoil(binary(copied))
        key = binary(copied).parent.name
        assert cache.find("binaries", key) is None
        assert entries() == []
    kernel = build(LAYER, SHAPE, wrt=())
    assert not kernel.cached and right()
    assert build(LAYER, SHAPE, wrt=()).cached


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"key": 1, "files": 3}'])
def test_a_broken_record_is_a_miss(copied: Path, text: str) -> None:
    folder = binary(copied).parent
    (folder / cache.RECORD).write_text(text)
    assert cache.find("binaries", folder.name) is None


def test_an_entry_under_another_key_is_a_miss(copied: Path) -> None:
    folder = binary(copied).parent
    shutil.copytree(folder, folder.with_name("0" * 64))
    assert cache.find("binaries", "0" * 64) is None
    assert len(entries()) == 1


def test_another_compiler_is_a_miss(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.produce import _cached

    (key,) = (p.name for p in (copied / "requests").iterdir())
    request = Request(LAYER, SHAPE, "float32", ("output",), "fast", compile.chosen_isa("native"))
    assert _cached(request, key) is not None
    for other in (
        {"shape": (9, *SHAPE[1:])},
        {"dtype": "float64"},
        {"threads": 2},
        {"accuracy": "relaxed"},
        {"tune": True},
    ):
        said = "a record that points at another request's binary is not followed"
        assert _cached(replace(request, **other), key) is None, said  # type: ignore[arg-type]
    monkeypatch.setattr(compile, "compiler_identity", lambda: "/usr/bin/othercc 1 2")
    assert _cached(request, key) is None


def test_the_key_depends_on_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    portable = compile.ISAS["portable"]
    base: dict[str, Any] = {
        "layer": LAYER,
        "shape": SHAPE,
        "dtype": "float32",
        "wanted": ("output",),
        "level": "fast",
        "isa": portable,
    }
    other = {
        "layer": Conv2d(1, 1, 2, bias=False),
        "shape": (2, 1, 3, 3),
        "dtype": "float64",
        "wanted": ("output", "input"),
        "level": "exact",
        "isa": compile.ISAS["avx2"],
        "threads": 2,
        "accuracy": "relaxed",
        "tune": True,
    }
    keys = {Request(**base).key(), *(Request(**{**base, n: v}).key() for n, v in other.items())}
    monkeypatch.setattr(cache, "own_digest", lambda: "changed")
    keys.add(Request(**base).key())
    assert len(keys) == 2 + len(other)


def test_one_text_for_two_requests_is_two_entries(copied: Path) -> None:
    """Where accuracy changes nothing in a text, the entries still tell what each was made for."""
    layer, shape = parse_layer("ReLU()"), (2, 3)
    strict, relaxed = (build(layer, shape, wrt=(), accuracy=a) for a in ("strict", "relaxed"))
    assert strict.source == relaxed.source and strict.path != relaxed.path
    told = [json.loads((k.path / cache.RECORD).read_text())["accuracy"] for k in (strict, relaxed)]
    assert told == ["strict", "relaxed"]
    assert all(build(layer, shape, wrt=(), accuracy=a).cached for a in ("strict", "relaxed"))


def test_clear_and_list(copied: Path) -> None:
    assert [e.record["layer"] for e in entries()] == ["Conv2d(1, 1, 2)"]
    assert cache.clear() == 1
    assert entries() == [] and not copied.exists() and cache.clear() == 0


def test_clear_leaves_what_is_not_backflips(copied: Path) -> None:
    (copied / "mine").write_text("x")
    cache.clear()
    assert (copied / "mine").read_text() == "x"


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BACKFLIP_CACHE", str(tmp_path / "a"))
    assert cache.folder() == tmp_path / "a"
    monkeypatch.delenv("BACKFLIP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache.folder() == tmp_path / "x" / "backflip"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "h"))
    assert cache.folder() == tmp_path / "h" / ".cache" / "backflip"


# ---------------------------------------------------------------- what cannot be done, and what is said


def refused(words: str) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(LAYER, SHAPE, wrt=())
    assert words in str(caught.value) and caught.value.exit_code == 3
    return caught.value


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "empty"
    monkeypatch.setenv("BACKFLIP_CACHE", str(place))
    return place


def leftovers(place: Path) -> list[str]:
    return [p.name for p in place.rglob("*") if p.is_file() and p.parent.name != "locks"]


def test_no_compiler(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert "python3-dev" in str(refused("no C compiler"))
    assert leftovers(empty) == []


def test_no_headers(empty: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": str(tmp_path)})
    assert "python3-dev" in str(refused("C headers are missing"))
    assert leftovers(empty) == []


def test_no_cython(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compile, "cython_version", lambda: None)
    assert "pip install cython" in str(refused("Cython is not installed"))


def test_a_compiler_that_fails_is_quoted(
    empty: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = tmp_path / "bin" / "gcc"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/bin:/usr/bin")
    assert "the disk is full" in str(refused("gcc failed with status 1"))
    assert leftovers(empty) == []


def test_an_unwritable_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("BACKFLIP_CACHE", str(tmp_path / "file" / "cache"))
    assert "BACKFLIP_CACHE" in str(refused("cannot write to the build cache"))


def test_a_failed_validation_stores_nothing(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import codegen.validate

    def refuse(artefact: object, level: str) -> None:
        raise BuildError("kernel output does not compute its equation")

    monkeypatch.setattr(codegen.validate, "validate", refuse)
    refused("does not compute")
    assert leftovers(empty) == []


def test_a_wrong_kernel_is_refused_by_validation(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: a text that differs from its equation does not become a kernel."""
    real = compile.to_c

    def tampered(pyx: Path, name: str) -> Path:
        text = pyx.read_text()
        assert "v_splat(weight + 1)" in text
        pyx.write_text(text.replace("v_splat(weight + 1)", "v_splat(weight + 2)", 1))
        return real(pyx, name)

    monkeypatch.setattr(compile, "to_c", tampered)
    refused("kernel output")
    assert leftovers(empty) == []


def test_store_replaces_whole_entries(empty: Path, tmp_path: Path) -> None:
    file = tmp_path / "f"
    for words in ("one", "two"):
        file.write_text(words)
        entry = cache.store("binaries", "k", {"f": file}, {"n": words})
        assert (entry.path / "f").read_text() == words == entry.record["n"]
    assert [p.name for p in (empty / "binaries").iterdir()] == ["k"]
    assert json.loads((entry.path / cache.RECORD).read_text())["key"] == "k"
