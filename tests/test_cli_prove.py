"""The command line for all sizes: choices, documents, exports, and which options contradict each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from command import ROOT, backflip
from test_bad_input import refused

from codegen.cli import backflip as command
from derive import Conv2d, prove
from derive.cli_prove import Asked, contradictions
from derive.cli_shared import read_choices
from derive.errors import BackflipError, LayerError
from derive.layers import registry
from derive.theorems import LABEL

SMALL = ("Conv2d(1, 1, 2)", "--input", "1,1,3,3")


def said(*words: str) -> str:
    """What a command prints, within this process; exceptions go through."""
    done = CliRunner().invoke(command, words, catch_exceptions=False, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


# ---- choices --------------------------------------------------------------------------------------


def test_choices_reach_the_theorem() -> None:
    out = said("prove", "Conv2d", "--all-sizes", "--choice", "bias=False", "--choice", "padding_mode=reflect")
    assert (
        out.startswith(f"Conv2d: {LABEL}")
        and "choices: bias=False, batched=True, padding_mode=reflect" in out
    )
    assert "grad_bias" not in out and "folded_w" in out
    assert "n_2" in said("prove", "ReLU", "--all-sizes", "--choice", "rank=3")
    assert "n_2" not in said("prove", "ReLU", "--all-sizes")


def test_a_layer_has_its_own_choices() -> None:
    own = said("prove", "Conv2d(1, 2, 3, bias=False)", "--all-sizes")
    assert "choices: bias=False, batched=True, padding_mode=zeros" in own


def test_json_has_the_choices() -> None:
    data = json.loads(said("prove", "Conv2d", "--all-sizes", "--json", "--choice", "batched=False"))
    assert data["choices"] == {"bias": True, "batched": False, "padding_mode": "zeros"}
    assert data["label"] == LABEL and data["choices"] == prove(Conv2d, batched=False).choices


@pytest.mark.parametrize("kind", list(registry().values()), ids=list(registry()))
def test_every_choice_of_every_class_is_read_as_itself(kind: type) -> None:
    for key, values in kind.discrete.items():
        for value in values:
            assert [*read_choices(kind, [f"{key}={value}"]).items()] == [(key, value)]
            assert type(read_choices(kind, [f" {key} = {value} "])[key]) is type(value)


@pytest.mark.parametrize(
    "text", ["bias=1", "bias=false", "bias", "bias=", "=True", "bios=True", "bias=True=1"]
)
def test_other_choices_are_refused_and_the_allowed_ones_named(text: str) -> None:
    with pytest.raises(LayerError, match="no such discrete choice") as refusal:
        read_choices(Conv2d, [text])
    assert "bias=True or False; batched=True or False; padding_mode=zeros or reflect" in str(refusal.value)
    assert text in str(refusal.value)


def test_wrong_choices_as_whole_commands(tmp_path: Path) -> None:
    words = ("prove", "Conv2d", "--all-sizes", "--choice")
    refused(
        backflip(*words, "rank=3", cwd=tmp_path), 2, "no such discrete choice", "rank=3", "padding_mode=zeros"
    )
    twice = backflip(*words, "bias=True", "--choice", "bias=False", cwd=tmp_path)
    refused(twice, 2, "a choice given twice", "bias=False")
    refused(backflip("derive", "Flatten", "--choice", "rank=2", cwd=tmp_path), 2, "start <= end < rank")
    refused(backflip("derive", *SMALL, "--choice", "bias=False", cwd=tmp_path), 2, "--help", "--choice")
    own = backflip("derive", SMALL[0], "--all-sizes", "--choice", "bias=False", cwd=tmp_path)
    refused(own, 2, "--help", "a layer has its own")


# ---- documents ------------------------------------------------------------------------------------


def test_derive_prints_a_class_for_all_sizes(tmp_path: Path) -> None:
    done = backflip("derive", "Linear", cwd=tmp_path)
    assert done.code == 0 and not done.err and not list(tmp_path.iterdir())
    assert done.out.startswith("The derivatives of Linear for all sizes")
    assert done.out.rstrip("\n") == said("prove", "Linear", "--all-sizes", "--format", "text").rstrip("\n")
    assert said("derive", "Linear(3, 2)", "--all-sizes") == said("derive", "Linear")
    forward = said("derive", "Linear", "--format", "latex", "--wrt", "output")
    assert r"\begin{align*}" in forward and r"\tag{1}" in forward and "The gradient" not in forward
    gradient = said("derive", "Linear", "--wrt", "input")
    assert "(4)" in gradient and "(1)" not in gradient


@pytest.mark.parametrize("suffix", ["tex", "md", "html", "txt"])
def test_derive_writes_a_class_for_all_sizes(suffix: str, tmp_path: Path) -> None:
    place = tmp_path / f"linear.{suffix}"
    assert not said("derive", "Linear", "--choice", "bias=False", "-o", str(place))
    text = place.read_text()
    assert "for all sizes" in text and "grad\\_bias" not in text and "grad_bias" not in text
    assert [p.name for p in tmp_path.iterdir()] == [place.name]


def test_derive_refuses(tmp_path: Path) -> None:
    for words in (
        ("Conv2d", "--matrix"),
        ("Conv2d(1, 1, 2)",),
        (*SMALL, "--all-sizes"),
        ("Sequential(ReLU())", "--all-sizes"),
    ):
        refused(backflip("derive", *words, cwd=tmp_path), 2, "--help")
    refused(backflip("derive", "Conv2d", "--wrt", "other", cwd=tmp_path), 2, "no such claim", "output, input")
    refused(backflip("derive", "Conv2D", "--all-sizes", cwd=tmp_path), 2, "Conv2D")


# ---- exports --------------------------------------------------------------------------------------


class Scripts:
    """Stands for `derive.rocq` where only the writing of files matters."""

    def script(self, kind: type, choices: dict[str, object]) -> str:
        return f"(* {kind.__name__} {choices} *)\n"

    def between_script(self, name: str) -> str:
        return f"(* {name} *)\n"

    def library(self) -> dict[str, str]:
        return {"Support.v": "Lemma one.\n", "More.v": "Lemma two.\n"}


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("script", "between_script", "library"):
        monkeypatch.setattr(f"derive.rocq.{name}", getattr(Scripts(), name), raising=False)


@pytest.mark.usefixtures("scripts")
def test_an_export_writes_the_script_and_its_library_once(tmp_path: Path) -> None:
    place = tmp_path / "conv.v"
    words = ("--all-sizes", "--choice", "bias=False", "--export", "rocq", "-o", str(place))
    assert said("prove", "Conv2d", *words).startswith("Conv2d: ")
    assert place.read_text() == "(* Conv2d {'bias': False} *)\n"
    assert (tmp_path / "Support.v").read_text() == "Lemma one.\n"
    before = (tmp_path / "More.v").stat().st_mtime_ns
    said("prove", "--theorem", "strided-convolution", "--export", "rocq", "-o", str(place))
    assert place.read_text() == "(* strided-convolution *)\n"
    assert (tmp_path / "More.v").stat().st_mtime_ns == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["More.v", "Support.v", "conv.v"]


@pytest.mark.usefixtures("scripts")
def test_an_export_overwrites_no_other_file_of_the_librarys_name(tmp_path: Path) -> None:
    (tmp_path / "More.v").write_text("mine")
    words = ("prove", "Linear", "--all-sizes", "--export", "rocq", "-o")
    with pytest.raises(LayerError, match="something else"):
        said(*words, str(tmp_path / "linear.v"))
    with pytest.raises(LayerError, match="own name"):
        said(*words, str(tmp_path / "Support.v"))
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("More.v", "mine")]


# ---- what contradicts what ------------------------------------------------------------------------

NOTHING = Asked(None, None, False, (), False, False, False, None, None, False, None, None, None, False, None)
CONTRADICTORY = {
    ("--coverage", "Conv2d"): "--coverage is the table",
    ("--coverage", "--format", "text"): "--format goes with",
    ("Conv2d", "--all-sizes", "--full"): "--full goes with --coverage",
    ("--coverage", "--theorem", "x"): "--coverage is the table",
    ("--theorem", "x", "--choice", "bias=True"): "no --choice",
    ("--theorem", "x", "Conv2d"): "no LAYER",
    (): "Missing argument 'LAYER'",
    (*SMALL, "--choice", "bias=True"): "at --input the layer says its choices",
    (*SMALL, "--format", "text"): "backflip derive",
    ("Conv2d", "--all-sizes", "--format", "text", "--json"): "give one of them",
    (*SMALL, "--export", "rocq", "-o", "x.v"): "--export writes the theorems for all sizes",
    ("Conv2d", "--all-sizes", "--export", "rocq"): "go together",
    ("Conv2d", "--all-sizes", "-o", "x.v"): "go together",
    ("Conv2d", "--all-sizes", "--export", "rocq", "-o", "x.txt"): "ends in .v, not x.txt",
    ("Conv2d", "--all-sizes", "--export", "lean", "-o", "x.v"): "'lean'",
    ("Conv2d", "--all-sizes", "--factorised"): "are about one size",
    ("Conv2d", "--all-sizes", "--jobs", "2"): "are about one size",
    (*SMALL, "--jobs", "0"): "--jobs",
    (*SMALL, "--jobs", "2", "--factorised"): "no --jobs",
    ("Sequential(ReLU())", "--input", "2,3", "--factorised"): "about one layer",
}


@pytest.mark.parametrize("words", CONTRADICTORY, ids=" ".join)
def test_options_that_contradict_each_other(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(command, ["prove", *words])
    assert done.exit_code == 2 and CONTRADICTORY[words] in done.stderr and not done.stdout
    assert not list(tmp_path.iterdir())


def test_what_does_not_contradict() -> None:
    from dataclasses import replace

    fine = [
        replace(NOTHING, coverage=True, as_json=True, full=True),
        replace(NOTHING, layer="Conv2d", all_sizes=True, choices=("bias=True",), form="text"),
        replace(NOTHING, layer="Conv2d", all_sizes=True, export="rocq", output=Path("x.v"), as_json=True),
        replace(NOTHING, theorem="x", export="rocq", output=Path("x.v")),
        replace(NOTHING, layer="Conv2d(1, 1, 2)", shape=(1, 1, 3, 3), jobs=3),
        replace(NOTHING, layer="Conv2d(1, 1, 2)"),
    ]
    assert [list(contradictions(asked)) for asked in fine] == [[]] * len(fine)


# ---- the parts of others --------------------------------------------------------------------------


def test_check_with_opinions(tmp_path: Path) -> None:
    place = tmp_path / "pad.json"
    said("prove", "ZeroPad1d", "--all-sizes", "--certificate", str(place))
    plain = said("check", str(place))
    told = said("check", str(place), "--opinion", "isl", "--opinion", "z3")
    assert told.startswith(plain.rstrip("\n")) and "agrees" in told and "islpy" in told and "z3" in told
    with pytest.raises((BackflipError, Exception), match="--opinion is about certificates"):
        said("check", str(tmp_path / "x.v"), "--opinion", "z3")


def test_factorised_and_jobs_reach_the_proof() -> None:
    assert "exhaustive modulo factorisation" in said("prove", *SMALL, "--factorised")
    assert "THIS SIZE, 18 identities, exhaustive" in said("prove", *SMALL, "--jobs", "1")


class Table:
    """Stands for `derive.coverage` where only the printing matters."""

    def coverage(self, progress: object = None, full: bool = False) -> list[str]:
        return ["a row", "another"] + ["a third"] * full

    def coverage_lines(self, rows: list[str]) -> list[str]:
        return [f"line of {row}" for row in rows]

    def coverage_json(self, rows: list[str]) -> str:
        return json.dumps(rows)


def test_coverage_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "derive.coverage", Table())  # type: ignore[arg-type]
    assert said("prove", "--coverage") == "line of a row\nline of another\n"
    assert said("prove", "--coverage", "--json", "--full") == '["a row", "another", "a third"]\n'


@pytest.mark.parametrize(("typed", "offered"), [("prove --ch", "--choice"), ("derive --all", "--all-sizes")])
def test_the_shell_completes_options(typed: str, offered: str, tmp_path: Path) -> None:
    words = f"backflip {typed}"
    asked = {"_BACKFLIP_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "2"}
    script = "from codegen.cli import backflip; backflip(prog_name='backflip')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"plain,{offered}" in done.stdout.split()
