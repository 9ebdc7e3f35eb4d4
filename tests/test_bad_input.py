"""Owns bad input as whole commands: exit code, message, no traceback, nothing left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from command import Said, backflip

SMALL = ("Conv2d(1, 1, 2)", "--input", "1,1,3,3")
KERNEL = "Conv2d(1, 6, 5)"


def refused(said: Said, code: int, *words: str) -> None:
    assert said.code == code, (said.code, said.out, said.err)
    assert "Traceback" not in said.err + said.out and "bug of backflip" not in said.err
    assert said.err.count("error: ") == 1, said.err
    assert any(f"\n  {field}:" in said.err for field in ("where", "expected", "got", "mend")), said.err
    assert not said.out, said.out
    for word in words:
        assert word in said.err, (word, said.err)


SHAPES = {
    "1,1,4,4": ("kernel larger than the padded input", "H", "5"),
    "1,1,0,8": ("not a size", "axis 2", "'0'"),
    "1,1,-8,8": ("not a size", "axis 2", "'-8'"),
    "1,1,8.0,8": ("not a size", "axis 2", "'8.0'"),
    "1,1,eight,8": ("not a size", "'eight'"),
    "1,1,,8": ("not a size", "axis 2", "nothing"),
    "": ("not a size", "nothing"),
    "1,1,8,8,8,8,8,8,8,8": ("too many axes",),
    "1,1,1e3,8": ("not a size",),
    "1,1,²,8": ("not a size",),
    "x=1,1,8,8": ("not a size", "'x=1'"),
    "8,8": ("wrong number of axes", "2 axes"),
    "1,1,1,8,8": ("wrong number of axes",),
    "1,3,8,8": ("wrong number of channels", "in_channels=1", "3", "mend: ", "(1, 1, 8, 8)"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape: str, tmp_path: Path) -> None:
    refused(backflip("derive", KERNEL, f"--input={shape}", cwd=tmp_path), 2, *SHAPES[shape])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("verb", ["derive", "prove", "build"])
def test_every_verb_refuses_the_same(verb: str, tmp_path: Path) -> None:
    refused(
        backflip(verb, KERNEL, "--input", "1,1,4,4", cwd=tmp_path), 2, "kernel larger than the padded input"
    )
    refused(
        backflip(verb, "Conv2d(1, 6, n)", "--input", "1,1,8,8", cwd=tmp_path), 2, "literal", "column 14", "n"
    )
    refused(backflip(verb, "Conv2D(1, 6, 5)", "--input", "1,1,8,8", cwd=tmp_path), 2, "did you mean Conv2d?")
    assert not list(tmp_path.iterdir())


LAYERS = {
    "Conv2d(3, 4, 2, groups=2)": ("in_channels not divisible by groups", "multiple of groups=2"),
    "Conv2d(0, 4, 2)": ("size out of range", "in_channels", "at least 1"),
    "Conv2d(1, 4, -2)": ("size out of range", "kernel_size"),
    "Conv2d(1, 4, 2, padding=-1)": ("size out of range", "padding"),
    "Conv2d(1, 4, 2, stride=0)": ("size out of range", "stride"),
    "Conv2d(1, 4, 2.5)": ("not a whole number", "2.5 (float)"),
    "Conv2d(1, 4, (2, 2, 2))": ("wrong number of values", "kernel_size"),
    "Conv2d(1, 4, 2, stride=2, padding=same)": ("padding='same' needs stride 1",),
    "Conv2d(1, 4, 2, padding=circular)": ("unknown padding", "'circular'"),
    "__import__('os').mkdir('planted')": ("not a layer's name",),
    "Conv2d(1, 4, open('planted', 'w'))": ("nested call",),
    "Softmin(1)": ("unknown layer", "Softmin", "Softmax"),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str, tmp_path: Path) -> None:
    refused(backflip("prove", layer, "--input", "1,1,8,8", cwd=tmp_path), 2, *LAYERS[layer])
    assert not list(tmp_path.iterdir())


USAGE = [
    ("derive", KERNEL),
    ("derive",),
    ("figure", *SMALL),
    ("prove", *SMALL, "--all-sizes"),
    ("prove", *SMALL, "--theorem", "x"),
    ("prove", "Conv2d"),
    ("derive", *SMALL, "--format", "doc"),
    ("derive", *SMALL, "--notation", "cmu"),
    ("derive", *SMALL, "-o", "x.md", "--format", "latex"),
    ("build", *SMALL, "--dtype", "float16"),
    ("build", *SMALL, "--package", "there"),
]


@pytest.mark.parametrize("words", USAGE, ids=" ".join)
def test_usage(words: tuple[str, ...], tmp_path: Path) -> None:
    refused(backflip(*words, cwd=tmp_path), 2, "--help")
    assert not list(tmp_path.iterdir())


OTHER = {
    ("derive", *SMALL, "--wrt", "wieght"): (2, "no such operand", "weight"),
    ("derive", *SMALL, "-o", "x.docx"): (2, ".tex"),
    ("derive", *SMALL, "-o", "x"): (2, ".tex"),
    ("derive", *SMALL, "-o", "no/such/folder/x.tex"): (3, "cannot write", "no folder"),
    ("derive", *SMALL, "-o", "."): (3, "cannot write", "a folder"),
    ("prove", *SMALL, "--certificate", "no/x.json"): (3, "cannot write"),
    ("check", "missing.json"): (2, "missing.json"),
    ("explain", "nonsense"): (2, "unknown label"),
    ("verify", "nonsense", *SMALL): (2, "mymodule:conv_backward"),
    ("verify", "no_such_module:f", *SMALL): (2, "no_such_module"),
    ("verify", "json:no_such_function", *SMALL): (2, "no_such_function"),
    ("verify", "os.path:sep", *SMALL): (2,),
}


@pytest.mark.parametrize("words", OTHER, ids=" ".join)
def test_other(words: tuple[str, ...], tmp_path: Path) -> None:
    code, *said = OTHER[words]
    refused(backflip(*words, cwd=tmp_path), int(code), *map(str, said))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"layer": "Conv2d"}', "\x00\x01", "null"])
def test_check_of_a_file_that_is_no_certificate(content: str, tmp_path: Path) -> None:
    (tmp_path / "proof.json").write_text(content)
    refused(backflip("check", "proof.json", cwd=tmp_path), 2, "proof.json")


HUGE = {
    "whole machine": ("Conv2d(3, 8, 3)", "1,3,9999999,9999999"),
    "many channels": ("Conv2d(4096, 4096, 3)", "64,4096,512,512"),
    "eighteen digits": ("Conv2d(3, 8, 3)", "1,3,999999999999999999,9"),
}


@pytest.mark.parametrize("verb", ["prove", "build"])
@pytest.mark.parametrize("name", HUGE)
def test_huge_sizes_are_refused_at_once(verb: str, name: str, tmp_path: Path) -> None:
    layer, shape = HUGE[name]
    said = backflip(verb, layer, "--input", shape, cwd=tmp_path, timeout=30)
    refused(said, 3, "expected:", "got:", "mend:")
    assert not list(tmp_path.iterdir())


def test_a_big_layer_is_still_derived(tmp_path: Path) -> None:
    said = backflip(
        "derive", "Conv2d(512, 512, 3, padding=1)", "--input", "64,512,64,64", cwd=tmp_path, timeout=60
    )
    assert said.code == 0 and "elided" in said.out


def test_an_output_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("here before")
    refused(backflip("derive", *SMALL, "-o", "file/x.tex", cwd=tmp_path), 3, "cannot write")
    assert (tmp_path / "file").read_text() == "here before"


def test_no_tex_says_what_to_install(tmp_path: Path) -> None:
    said = backflip("derive", *SMALL, "-o", "x.pdf", cwd=tmp_path, env={"PATH": str(tmp_path)})
    refused(said, 3, "no TeX", "texlive")
    assert not list(tmp_path.iterdir())


def without_compiler(folder: Path) -> dict[str, str]:
    """A PATH without any C compiler; the shell's own tools stay."""
    tools = folder / "tools"
    tools.mkdir()
    for tool in ("sh", "env", "uname"):
        if found := shutil.which(tool):
            (tools / tool).symlink_to(found)
    return {"PATH": str(tools), "CC": "", "BACKFLIP_CACHE": str(folder / "cache")}


def test_without_a_compiler_derivation_works_and_build_says_what_to_install(tmp_path: Path) -> None:
    env = without_compiler(tmp_path)
    assert backflip("derive", *SMALL, cwd=tmp_path, env=env).code == 0
    said = backflip("build", *SMALL, cwd=tmp_path, env=env)
    refused(said, 3, "compiler", "gcc")
    left = [p for p in (tmp_path / "cache").rglob("*") if p.suffix in (".so", ".o")]
    assert not left


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file, not a folder")
    said = backflip("build", *SMALL, cwd=tmp_path, env={"BACKFLIP_CACHE": str(blocked)})
    refused(said, 3, str(blocked), "BACKFLIP_CACHE")
    assert blocked.read_text() == "a file, not a folder" and os.listdir(tmp_path) == ["cache"]
