"""Owns the command line's contract: stdout and stderr, exit codes, files, what is imported."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import click
import pytest
from command import ROOT, backflip

import codegen
import derive
from derive.errors import LimitError, ProofError
from derive.explain import LABELS, explain
from derive.progress import Progress
from derive.terminal import Exits, parse_shape

SMALL = ("Conv2d(1, 1, 2)", "--input", "1,1,3,3")


def test_help_begins_with_examples(tmp_path: Path) -> None:
    said = backflip("--help", cwd=tmp_path)
    assert said.code == 0 and not said.err
    assert said.out.index("Examples:") < said.out.index("Options:")
    verbs = ["derive", "prove", "check", "explain", "build", "bench", "verify", "cache"]
    assert all(f"\n  {verb} " in said.out for verb in verbs)
    for verb in verbs:
        said = backflip(verb, "--help", cwd=tmp_path)
        assert said.code == 0 and f"backflip {verb}" in said.out.split("Options:")[0]


def test_derive_prints_the_derivation(tmp_path: Path) -> None:
    said = backflip("derive", *SMALL, cwd=tmp_path)
    assert said.code == 0 and not said.err
    assert "ALL SIZES (certificate)" in said.out
    for tensor in ("input", "weight", "bias"):
        assert f"gradient by {tensor}" in said.out
    assert not list(tmp_path.iterdir())


def test_derive_one_operand_as_latex(tmp_path: Path) -> None:
    said = backflip("derive", *SMALL, "--wrt", "weight", "--format", "latex", cwd=tmp_path)
    assert said.code == 0 and r"\begin{" in said.out and r"\documentclass" not in said.out
    whole = backflip("derive", *SMALL, "--format", "latex", "--latex-style", "standalone", cwd=tmp_path)
    assert whole.code == 0 and r"\documentclass" in whole.out


@pytest.mark.parametrize(
    ("name", "style", "begins"),
    [("a.tex", (), True), ("b.tex", ("--latex-style", "fragment"), False), ("c.md", (), False)],
)
def test_derive_writes_a_file(name: str, style: tuple[str, ...], begins: bool, tmp_path: Path) -> None:
    said = backflip("derive", *SMALL, *style, "-o", name, cwd=tmp_path)
    assert said.code == 0 and not said.out and f"wrote {name}" in said.err
    text = (tmp_path / name).read_text()
    assert (r"\documentclass" in text) == begins and len(text) > 500
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_storage_arguments_leave_a_note_on_stderr(tmp_path: Path) -> None:
    said = backflip("derive", "nn.Conv2d(1, 1, 2, device=cuda)", "--input", "1,1,3,3", cwd=tmp_path)
    assert said.code == 0 and "note: device is ignored" in said.err and "note" not in said.out


def test_prove_at_a_size(tmp_path: Path) -> None:
    said = backflip("prove", *SMALL, cwd=tmp_path)
    assert said.code == 0
    assert "THIS SIZE, 18 identities, exhaustive" in said.out  # 4 outputs, 9 inputs, 4 weights, 1 bias
    data = json.loads(backflip("prove", *SMALL, "--json", cwd=tmp_path).out)
    assert data["ok"] is True and data["identities"] == 18 and len(data["certificate_digest"]) == 64


@pytest.mark.parametrize("which", [("Conv2d", "--all-sizes"), ("Conv2d(1, 2, 3, bias=False)",)])
def test_prove_all_sizes_and_check(which: tuple[str, ...], tmp_path: Path) -> None:
    said = backflip("prove", *which, "--certificate", "proof.json", cwd=tmp_path)
    assert said.code == 0 and "ALL SIZES (certificate)" in said.out
    said = backflip("check", "proof.json", cwd=tmp_path)
    assert said.code == 0 and "grad_input: ALL SIZES (certificate)" in said.out


def test_check_refuses_a_changed_certificate(tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    assert backflip("prove", "Conv2d", "--all-sizes", "--certificate", "proof.json", cwd=tmp_path).code == 0
    text = proof.read_text()
    proof.write_text(text.replace("k_h - 1", "k_h - 2", 1))
    assert proof.read_text() != text
    said = backflip("check", "proof.json", cwd=tmp_path)
    assert said.code in (1, 2) and "holds" not in said.out and "Traceback" not in said.err


def test_prove_list(tmp_path: Path) -> None:
    said = backflip("prove", "--list", cwd=tmp_path)
    assert said.code == 0 and "  strided-convolution: A convolution with stride s is " in said.out
    listed = [line.split(": ")[1] for line in said.out.splitlines() if line.startswith("  Conv2d: ")]
    assert listed[0].startswith("output, grad_input, grad_weight, grad_bias (bias True or False; batched")
    from derive.layers import registry

    assert all(f"\n  {title}: output, grad_input" in said.out for title in registry())


def test_explain_knows_every_label_that_is_printed() -> None:
    from derive.theorems import LABEL

    printed = derive.prove(derive.Conv2d(1, 1, 2), (1, 1, 3, 3)).label
    assert explain(printed).startswith("THIS SIZE, n identities, exhaustive")
    assert explain(LABEL).startswith(LABEL)
    for label in LABELS:
        assert explain(label).startswith(label)
    both = explain("THIS SIZE")
    assert "\n\nTHIS SIZE, exhaustive modulo factorisation\n\n" in both and both.startswith("THIS SIZE, n")
    with pytest.raises(derive.LayerError, match="did you mean"):
        explain("ALL SIZE (certificates)")


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    heavy = "['sympy', 'numpy', 'torch', 'jinja2', 'Cython', 'scipy', 'tqdm', 'hypothesis']"
    for begin in (
        "import derive; derive.LayerError",
        "import derive; derive.parse_layer('Conv2d(1, 1, 2)')",
        "import codegen",
        "import codegen.cli; codegen.cli.backflip(['--help'], standalone_mode=False)",
    ):
        script = f"import sys\n{begin}\nsys.exit(', '.join(m for m in {heavy} if m in sys.modules) or 0)"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (begin, done.stderr)


def test_public_names() -> None:
    from derive.layers import registry

    assert set(registry()) <= set(derive.__all__)
    assert all(getattr(derive, name) is not None for name in derive.__all__)
    assert callable(derive.verify) and callable(derive.prove)
    assert set(dir(derive)) == set(derive.__all__)
    with pytest.raises(AttributeError):
        _ = derive.Conv9d


@pytest.mark.parametrize("package", [derive, codegen], ids=["derive", "codegen"])
def test_no_file_is_named_as_a_public_function(package: ModuleType) -> None:
    """Python puts a submodule over the attribute of the same name as soon as anybody imports it."""
    names = [n for n in package.__all__ if find_spec(f"{package.__name__}.{n}") is not None]
    assert names == []


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (derive.LayerError("wrong", where="here"), 2, "error: wrong"),
        (ProofError("refused"), 1, "error: refused"),
        (LimitError("too large"), 3, "error: too large"),
        (click.UsageError("what?"), 2, "error: what?"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (MemoryError(), 3, "out of memory"),
        (SystemExit(1), 1, ""),
        (ZeroDivisionError("1/0"), 70, "bug of backflip, not yours: ZeroDivisionError: 1/0"),
    ],
)
def test_exit_codes(fault: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with Exits() as exits:
        raise fault
    assert exits.code == code
    err = capsys.readouterr().err
    assert said in err and "Traceback" not in err


def test_a_bug_shows_its_traceback_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKFLIP_DEBUG", "1")
    with pytest.raises(ZeroDivisionError), Exits():
        raise ZeroDivisionError


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "codegen.cli", "prove", "Conv2d(16, 32, 3)", "--input", "16,16,64,64"]
    child = subprocess.Popen(
        [*command, "--certificate", "proof.json"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # ignored in the background
    )  # fmt: skip
    time.sleep(2.5)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert child.returncode == (130 if number == signal.SIGINT else 128 + number), (out, err)
    assert "Traceback" not in err and not list(tmp_path.iterdir())


def test_a_function_that_never_ends_is_ended_from_outside(tmp_path: Path) -> None:
    """Being told to end is no fault of the function, which may catch whatever it raises itself."""
    body = "    print('on', flush=True)\n    while True: pass\n"
    (tmp_path / "mine.py").write_text(f"def f(grad_output, input, weight):\n{body}")
    child = subprocess.Popen(
        [sys.executable, "-m", "codegen.cli", "verify", "mine:f", "Conv2d(1, 1, 2)", "--input", "1,1,3,3"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "on\n"
    child.terminate()
    out, err = child.communicate(timeout=20)
    assert child.returncode == 128 + signal.SIGTERM and "REFUTED" not in out and "Traceback" not in err


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m codegen.cli derive 'Conv2d(1, 1, 2)' --input 1,1,5,5 | head -n 1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("Gradients of") and not done.stderr


def test_a_reader_that_left_is_told_apart_from_a_refutation(tmp_path: Path) -> None:
    command = f"{sys.executable} -m codegen.cli prove --list | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "141\n" and not done.stderr


def test_shapes() -> None:
    assert parse_shape("1,1,3,3") == parse_shape(" (1, 1, 3, 3,) ") == (1, 1, 3, 3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_for_long_stages_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    for stream, barred in ((Terminal(), True), (io.StringIO(), False)):
        with Progress(stream) as progress:
            progress("sorting", 0, 100)
            clock[0] += 0.5
            progress("sorting", 50, 100)
            assert stream.getvalue() == ""
            progress("comparing", 1, 100)
            clock[0] += 2
            progress("comparing", 4, 100)
        assert "comparing: about 50 s" in stream.getvalue()
        assert ("%" in stream.getvalue()) == barred
