"""The Rocq scripts: what every text has, what Rocq says of a sample, what `check FILE.v` reports."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from command import ROOT
from rocq_cases import LONG, TITLES, bench, compiled, rejected, rocq, several, usual, workshop

from derive.api import check_file
from derive.between import theorems_between
from derive.between_proof import numbers as between_numbers
from derive.claim import Argument, Claim, Fact, Setting, Step
from derive.equations import Numbers
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.index import ONE, Index, name
from derive.layers import registry
from derive.layers.base import Layer
from derive.oracle import stored_oracle
from derive.proof import theorem
from derive.rocq import library, script
from derive.rocq.export import HEADER, header
from derive.rocq.modules import module, words
from derive.rocq.run import axioms, judged
from derive.rocq.sentences import QUOTED, sentences, unexpected
from derive.strategy import argue
from derive.symbolic import derivations, numbers
from derive.symbolic_document import page
from derive.theorems import proved_between, theorems
from derive.writing import printed

SUPPOSED = re.compile(r"\b(Axioms?|Admitted|Parameters?|Conjectures?|admit|give_up)\b")

DEFAULT = (
    "Conv2d", "Conv1d", "ConvTranspose2d", "AvgPool2d", "AdaptiveAvgPool2d", "ReflectionPad1d",
    "PixelShuffle", "MaxPool2d", "Softmax", "CrossEntropyLoss", "mean-pooling", "downsample-gradient",
    "upsample-gradient", "bilinear-adjoint",
)  # fmt: skip
OTHER_CHOICES = (
    ("Upsample", {"mode": "nearest"}),
    ("Upsample", {"mode": "linear"}),
    ("BatchNorm1d", {"training": True}),
)


def sampled(titles: tuple[str, ...]) -> list[object]:
    """All titles; those with long scripts or three axes wait for the sweep."""
    return [pytest.param(t, marks=[pytest.mark.sweep] * (t in LONG or "3d" in t), id=t) for t in titles]


# ---- the text ----------------------------------------------------------------------------------------


def lemmas(text: str) -> Iterator[tuple[str, str, str, str]]:
    """(side, place, number, rule and reason) of every lemma of a step, in the order of the text."""
    found = re.findall(r"^\(\* \((.*?)\) (.*?) \*\)\nLemma (left|right)_(\d+) :$", text, re.MULTILINE)
    return ((side, place, number, said) for number, said, side, place in found)


def parts(title: str) -> dict[str, tuple[Argument, Numbers | None]]:
    """The arguments behind a script, with the numbers of the printed document."""
    if title in theorems_between():
        places = between_numbers(title)
        return {key: (t.argument, places.get(key)) for key, t in proved_between(title).items()}
    kind = registry()[title]
    found = numbers(kind, {})
    return {key: (t.argument, found[key]) for key, t in theorems(kind, kind.chosen({})).items()}


def said(step: Step) -> str:
    return f"{step.rule}: {words(step.reason)}" if step.reason else step.rule


def due(argument: Argument, own: Numbers | None) -> list[tuple[str, str, str, str]]:
    """What `lemmas` has to find in the module of an argument."""
    found = []
    for side, steps in (("left", argument.left_steps), ("right", argument.right_steps)):
        places = [f"not printed, {n}" for n, _ in enumerate(steps, 1)]
        numbered = list(map(str, getattr(own, side))) if own else places
        pairs = enumerate(zip(numbered, steps, strict=True), 1)
        found += [(side, str(n), number, said(step)) for n, (number, step) in pairs]
    return found


def wrong(title: str, text: str) -> str:
    """The first module of a script that has not one lemma for each step, in order and numbered, or ""."""
    modules = re.split(r"^Module (Claim_\w+)\.$", text, flags=re.MULTILINE)
    arguments = parts(title)
    if modules[1::2] != [module(key) for key in arguments]:
        return "modules"
    for name_, body, (argument, own) in zip(modules[1::2], modules[2::2], arguments.values(), strict=True):
        ends = body.count("\nTheorem theorem :"), body.count("\nLemma sides_meet :")
        if list(lemmas(body)) != due(argument, own) or ends != (1, 1):
            return name_
    return ""


@pytest.mark.parametrize("title", sampled(TITLES))
def test_a_script_has_one_lemma_for_each_step_and_supposes_nothing(title: str) -> None:
    text = usual(title)
    assert text.startswith(HEADER) and unexpected(text.partition("\n")[2]) == ""
    assert not SUPPOSED.search(text)
    assert wrong(title, text) == ""


def test_a_lemma_missing_moved_or_misnumbered_is_seen() -> None:
    text = usual("Conv1d")
    second, third = (re.search(rf"^\(\*.*\*\)\nLemma left_{n} :$", text, re.MULTILINE) for n in (2, 3))
    assert second and third
    for old, new in ((second[0], ""), (second[0], third[0]), (second[0], second[0].replace("(* (", "(* (1"))):
        assert wrong("Conv1d", text.replace(old, new, 1)) != ""
    assert wrong("Conv1d", text.replace("Module Claim_bias.", "Module Claim_other.")) == "modules"


def test_the_library_supposes_nothing() -> None:
    ((name, text),) = library().items()
    assert name == "Backflip.v" and not SUPPOSED.search(text)
    assert not re.search(r"^\s*(Variable|Hypothesis|Context)", text.partition("Section")[0], re.MULTILINE)


@pytest.mark.parametrize("kind", [k for t, k in registry().items() if t not in LONG and "3d" not in t])
def test_the_number_of_a_lemma_is_that_of_its_printed_equation(kind: type[Layer]) -> None:
    chains, places = derivations(kind, {}), numbers(kind, {})
    for key, proved in theorems(kind, kind.chosen({})).items():
        chain, own = chains[key].steps, places[key]
        first = own.last - len(chain) + 1
        for backwards, steps in enumerate((proved.argument.left_steps, proved.argument.right_steps)):
            for step, number in zip(steps, (own.left, own.right)[backwards], strict=True):
                line = chain[number - first]
                assert line.rule == step.rule
                # read backwards an equation says what it does there; a change of variable names its axes
                if step.rule != "reindex" and not (backwards and step.rule in ("delta", "guard")):
                    assert line.reason == step.reason


@pytest.mark.parametrize("title", ["Conv2d", "AvgPool1d", "Softmax"])
def test_every_lemma_is_in_the_printed_text(title: str) -> None:
    shown = " ".join(printed(page(derivations(registry()[title], {})), "text").split())
    for side, _, number, spelled in lemmas(usual(title)):
        assert re.search(rf"\({number}\) |\(\d+ to {number}\) ", shown), number
        reason = spelled.partition(": ")[2]
        if side == "left" and not spelled.startswith("reindex"):
            assert f"({number}) {reason}" in shown


def test_a_script_is_the_same_in_another_process() -> None:
    program = (
        "import hashlib; from derive.layers import registry; from derive.rocq import between_script, script\n"
        "texts = [script(registry()[t], {}) for t in ('Conv1d', 'BatchNorm1d', 'Softmax')]\n"
        "for t in *texts, between_script('adjoint'): print(hashlib.sha256(t.encode()).hexdigest())"
    )
    found = set()
    for seed in ("0", "4711"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1 and len(found.pop().split()) == 4
    assert script(registry()["Conv1d"], {}) == script(registry()["Conv1d"], {})


def test_sentences_are_read_as_rocq_reads_them() -> None:
    text = f"(* (1) a. B *)\nLemma a : x = 1.\n{QUOTED}\nProof.\n- intros x_range. {{ exact (f 1). }}\nQed.\n"
    assert sentences(text) == ["Lemma a : x = 1", "Proof", "intros x_range", "exact (f 1)", "Qed"]


# ---- names -------------------------------------------------------------------------------------------


@cache
def named(size: str, index: str, tensor: str) -> Claim:
    """One row read backwards, its loss and its gradient."""
    length, place = name(size), name(index)
    row, out = Tensor(tensor, (length,)), Tensor("output", (length,))
    sent = Tensor("grad_output", (length,))
    turned = length - ONE - place
    summed = Index(index, length)
    forward = Definition(out, (Index(index, length),), single(Read(row, (turned,))), "the row backwards")
    total = Tensor("loss", ())
    body = Sum((summed,), (), (Read(sent, (place,)), Read(out, (place,))))
    loss = Definition(total, (), Expr((body,)), "the loss")
    back = single(Read(sent, (turned,)))
    right = Definition(Tensor(f"grad_{tensor}", (length,)), (Index(index, length),), back, "backwards")
    setting = Setting((Fact(length - ONE),), (row, sent), (forward, loss))
    left = single(Partial(Read(total, ()), Read(row, (place,))))
    return Claim("backwards", setting, left, right, row)


HARD = [
    ("Z", "in", "fun"), ("R", "I", "eq"), ("fact_0", "n_low", "d_x"), ("half", "x", "chain_loss"),
    ("Definitions", "d_output", "R"), ("O", "S", "val_input"), ("n_range", "n", "match"),
    ("zero", "sum", "holds"), ("left_1", "i", "theorem"), ("eps_output", "dual_x", "x"),
    ("Backflip", "Proof", "Sizes"), ("algebra", "output_", "Section"),
]  # fmt: skip
"""A size, an index and a tensor each: words of Rocq, of the support library, of the scripts."""


@rocq
def test_no_name_is_captured(tmp_path: Path) -> None:
    """Sizes, indices and tensors called like words of Rocq and of the scripts themselves."""
    proved = {"".join(h): theorem(argue(named(*h), stored_oracle())).argument for h in HARD}
    assert rejected(tmp_path, several(proved)) == ""


# ---- what Rocq says ----------------------------------------------------------------------------------


def sample() -> dict[str, str]:
    """Name -> script of what is compiled by default."""
    found = {title: usual(title) for title in DEFAULT}
    for title, choices in OTHER_CHOICES:
        kind = registry()[title]
        found[f"{title} {choices}"] = script(kind, kind.chosen(choices))
    return found


@rocq
@pytest.mark.parametrize("title", DEFAULT)
def test_rocq_accepts(title: str) -> None:
    assert compiled(title, usual(title))


@rocq
@pytest.mark.parametrize(("title", "choices"), OTHER_CHOICES)
def test_rocq_accepts_other_choices(title: str, choices: dict[str, object]) -> None:
    kind = registry()[title]
    assert compiled(f"{title} {choices}", script(kind, kind.chosen(choices)))


@rocq
@pytest.mark.sweep
def test_the_theorems_of_the_sample_stand_on_nothing(tmp_path: Path) -> None:
    """coqchk goes through every module of the sample and Rocq's own library: nothing is supposed."""
    modules = [f"Backflip.{compiled(title, text)}" for title, text in sample().items()]
    assert axioms(workshop(), modules) == []


@rocq
@pytest.mark.slow
def test_check_of_a_script_reports_what_was_checked(tmp_path: Path) -> None:
    file = tmp_path / "linear.v"
    file.write_text(usual("Linear"))
    report = check_file(file)
    assert report.ok
    first, *rest = report.lines
    assert re.fullmatch(
        r"Linear: ALL SIZES \(Rocq\), 4 theorems accepted by the kernel of Rocq \(Coq\) [\d.]+", first
    )
    assert rest[0] == "choices: bias=True, lead=1"
    states = "states what backflip's claim of that name states; closed under the global context"
    assert rest[1:5] == [f"{key}: {states}" for key in ("output", "input", "weight", "bias")]
    assert re.fullmatch(r"\d+ lemmas; coqchk: no axioms", rest[-1]) and len(rest) == 7


# ---- the sweep ---------------------------------------------------------------------------------------


@rocq
@pytest.mark.sweep
@pytest.mark.parametrize("title", TITLES)
def test_rocq_accepts_every_class_and_theorem(title: str) -> None:
    """The usual choices of every class and every theorem, and that each states what its claim states."""
    assert compiled(title, usual(title))


def every_choice() -> list[object]:
    """Every choice but the usual one of every class; some of those with very long scripts."""
    found = []
    for title, kind in registry().items():
        others = [c for c in kind.variants() if c != kind.chosen({})]
        large = [c for c in others if title == "Conv3d" and c["padding_mode"] != "zeros"]
        others = [c for c in others if c not in large][:: 4 if title in LONG else 1] + large[:1]
        found += [pytest.param(kind, c, id=header(title, c)[21:-3]) for c in others]
    return found


@rocq
@pytest.mark.sweep
@pytest.mark.parametrize(("kind", "choices"), every_choice())
def test_rocq_accepts_every_choice(kind: type[Layer], choices: dict[str, object]) -> None:
    assert compiled(f"{kind.__name__} {choices}", script(kind, choices))


@rocq
@pytest.mark.sweep
@pytest.mark.parametrize("title", [t for t in TITLES if t not in LONG])
def test_every_theorem_states_its_claim(title: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of `check FILE.v` but coqchk, which the sample has had."""
    monkeypatch.setattr("derive.rocq.run.axioms", lambda folder, modules: [])
    arguments = {key: argument for key, (argument, _) in parts(title).items()}
    assert judged(bench(tmp_path), usual(title), arguments) == []
