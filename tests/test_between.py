"""Theorems between layers: proved from stored certificates, judged at sizes; false versions are refused."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from between_mutants import mutants
from between_sizes import sizes_at
from command import backflip

from derive.api import check_file
from derive.between import theorem_between, theorems_between
from derive.between.base import RANKS
from derive.between_proof import page, prove_theorem, render_theorem
from derive.certificate import digest
from derive.claim import Claim
from derive.errors import BackflipError, LayerError, ProofError
from derive.exhaust import compare
from derive.expr import Expr, Sum
from derive.index import Form, Index, Zero
from derive.instance import claim_at
from derive.judge import applies, judge_at_size
from derive.judge_field import judge_with_field
from derive.layers import registry
from derive.oracle import Oracle, stored_oracle
from derive.proof import theorem
from derive.recheck import recheck
from derive.rules import guard, shear
from derive.search import search
from derive.steps import Context, replay, sizes_of
from derive.strategy import argue
from derive.theorems import LABEL, between_certificate, proved_between

NAMED = (
    "strided-convolution", "transposed-convolution", "fractional-stride", "downsample-gradient",
    "upsample-gradient", "mean-pooling", "mean-pooling-gradient", "nearest-adjoint",
    "convolution-input-gradient", "pointwise", "flipped-kernel", "stacked", "multichannel",
    "bilinear-adjoint", "adjoint", "full-correlation", "gradient-is-a-convolution", "softmax-cross-entropy",
    "mean-pooling-inside", "mean-pooling-padded", "adaptive-mean-pooling", "adaptive-selection",
    "linear-upsampling", "linear-upsampling-corners", "toom-cook-F(2,3)", "toom-cook-gradient-F(3,2)",
)  # fmt: skip
ALL = sorted(theorems_between())
PARTS = [(name, rank, part) for name in ALL for rank in RANKS for part in theorem_between(name).claims(rank)]
TWO = [(name, part) for name, rank, part in PARTS if rank == 2]
LONG = [(name, part) for name, part in TWO if name.startswith(("linear-upsampling", "toom-cook"))]


def claim_of(name: str, rank: int, part: str) -> Claim:
    return theorem_between(name).claims(rank)[part]


def at_sizes(claim: Claim, seed: str, rank: int) -> Claim:
    """The claim at drawn sizes at which it says something: some monomials are compared."""
    draw = random.Random(seed)
    for _ in range(200):
        found = claim_at(claim, sizes_at(claim, draw, 2 if rank == 3 else 3))
        if applies(found) or compare(found).terms:
            return found
    raise AssertionError(f"{claim.name} says nothing at any size that was drawn")


def holds(claim: Claim, seed: int = 3) -> bool:
    """Every entry of both sides at sizes: unrolled, or over a prime field where functions occur."""
    if applies(claim):
        found = judge_with_field(claim, np.random.default_rng(seed))
        return found.difference is None and found.entries > 0
    exact = compare(claim)
    return exact.ok and exact.identities > 0


def test_every_theorem_that_was_asked_for_is_there() -> None:
    assert set(NAMED) <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_proved_for_one_two_and_three_axes(name: str) -> None:
    proved = proved_between(name)
    assert {part.rpartition(", ")[2] for part in proved} == {"1 axis", "2 axes", "3 axes"}
    assert [t.claim for t in proved.values()] == list(theorem_between(name).everything().values())


@pytest.mark.parametrize(("name", "rank", "part"), PARTS)
def test_holds_at_sizes(name: str, rank: int, part: str) -> None:
    """Every entry, both sides unrolled; 3 draws on one and two axes, 1 on three."""
    for number in range(3 if rank < 3 else 1):
        assert holds(at_sizes(claim_of(name, rank, part), f"{name} {part} {number}", rank), number)


@pytest.mark.parametrize(("name", "part"), TWO)
def test_sympy_agrees_at_a_size(name: str, part: str) -> None:
    verdict = judge_at_size(at_sizes(claim_of(name, 2, part), f"sympy {name} {part}", 3), seed=1)
    assert verdict.ok and any("SymPy" in line for line in verdict.lines)


@cache
def searching() -> Oracle:
    """The stored certificates, and a search for others; what it does not find is not searched for again."""
    return Oracle(dict(stored_oracle().stored), search)


def refuse_false_versions(name: str, part: str, most: int = 1000) -> None:
    """Whatever change of the right side the judge finds false at some size, the prover must refuse."""
    claim = claim_of(name, 1, part)
    refused, damaged = 0, list(mutants(claim))
    for said, mutant in (d for first in range(7) for d in damaged[first::7]):
        if refused == most:
            break
        if false_somewhere(mutant, claim):
            with pytest.raises(ProofError):
                theorem(argue(mutant, searching()))
                pytest.fail(f"{name}, {part}: a false version was proved: {said}")
            refused += 1
    assert refused >= 2, f"only {refused} false versions tried"


@pytest.mark.parametrize(("name", "part"), TWO)
def test_false_versions_are_refused(name: str, part: str) -> None:
    """Every false version; of those whose proofs take long to fail, some."""
    refuse_false_versions(name, part, 3 if (name, part) in LONG else 1000)


@pytest.mark.sweep
@pytest.mark.parametrize(("name", "part"), LONG)
def test_all_false_versions_are_refused(name: str, part: str) -> None:
    refuse_false_versions(name, part)


def false_somewhere(mutant: Claim, claim: Claim) -> bool:
    """Whether the two sides differ at one of 5 drawn sizes, or a read leaves its tensor."""
    draw = random.Random(7)
    for _ in range(5):
        sizes = sizes_at(claim, draw)
        try:
            if not holds(claim_at(mutant, sizes)):
                return True
        except ProofError:
            return True
    return False


def test_a_true_change_is_still_proved() -> None:
    """The refusals above are not for the form: the same claim with its factors exchanged is proved."""
    claim = claim_of("convolution-input-gradient", 1, "input")
    term = claim.right.body.terms[0]
    turned = replace(term, factors=term.factors[::-1])
    body = claim.right.body.with_term(0, (turned,))
    assert theorem(argue(replace(claim, right=replace(claim.right, body=body)), stored_oracle()))


def test_downsampling_without_its_leftover_is_refused() -> None:
    """The notes' version: the gradient as long as the zero-insertion alone, s (H_out - 1) + 1."""
    claim = claim_of("downsample-gradient", 1, "input")
    short = replace(claim.right.tensor, shape=(*claim.right.tensor.shape[:2], stuffed := _stuffed(claim)))
    indices = (*claim.right.indices[:2], replace(claim.right.indices[2], extent=stuffed))
    with pytest.raises(ProofError, match="shapes of the two sides differ"):
        argue(replace(claim, right=replace(claim.right, tensor=short, indices=indices)), stored_oracle())


def _stuffed(claim: Claim):  # type: ignore[no-untyped-def]
    from derive.statements.resampling import out, stuffed

    return stuffed("w", out("w"))


# ---- results, documents, certificates ------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_the_certificate_checks(name: str, tmp_path: Path) -> None:
    file = tmp_path / "theorem.json"
    file.write_text(between_certificate(name))
    report = check_file(file)
    assert report.ok and report.lines[0].startswith(f"theorem {name}: ")
    assert sum(LABEL in line for line in report.lines) == len(theorem_between(name).everything())


def resealed(text: str, change) -> str:  # type: ignore[no-untyped-def]
    body = json.loads(text)["body"]
    change(body)
    return json.dumps({"digest": digest(body), "body": body})


FORGERIES = {
    "another theorem's title": lambda b: b.update(layer="theorem upsample-gradient"),
    "no such theorem": lambda b: b.update(layer="theorem of everything"),
    "a layer's title": lambda b: b.update(layer="Conv2d"),
    "choices": lambda b: b.update(choices={"bias": True}),
    "a part missing": lambda b: b["theorems"].popitem(),
    "a hypothesis more": lambda b: b["theorems"]["input, 2 axes"]["claim"]["facts"].append("r_h = 0"),
    "a step missing": lambda b: b["theorems"]["input, 1 axis"]["definition side"].pop(),
}


@pytest.mark.parametrize("title", FORGERIES)
def test_forged_certificates_are_refused(title: str) -> None:
    text = between_certificate("downsample-gradient")
    with pytest.raises(BackflipError):
        recheck(resealed(text, FORGERIES[title]), "file")
    assert recheck(resealed(text, lambda b: None), "file")


@pytest.mark.parametrize("name", ALL)
def test_documents(name: str) -> None:
    """Definitions, chain with consecutive numbers, hypotheses; every '=' of the chain is a checked line."""
    text, latex = render_theorem(name), render_theorem(name, "latex")
    for part in theorem_between(name).claims():
        assert f"\n{part}\n" in text and rf"\textbf{{{part}}}" in latex
    count = text.count("Hypotheses:")
    assert count == text.count("Definitions:") == text.count("Chain:") == len(theorem_between(name).claims())
    numbers = [int(line.strip()[1:].split(")")[0]) for line in text.splitlines() if _numbered(line)]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) >= count
    assert page(name).blocks


def _numbered(line: str) -> bool:
    head = line.strip().split(")")[0]
    return head.startswith("(") and head[1:].isdigit()


def test_an_unknown_name() -> None:
    with pytest.raises(LayerError) as refusal:
        prove_theorem("strided-conv")
    assert refusal.value.where == "--theorem" and "strided-convolution" in refusal.value.mend
    with pytest.raises(LayerError):
        theorem_between("pointwise").claims(4)
    with pytest.raises(LayerError):
        render_theorem("pointwise", "pdf")


@pytest.mark.tex
@pytest.mark.parametrize(
    "name",
    [
        name if name in ("multichannel", "pointwise") else pytest.param(name, marks=pytest.mark.sweep)
        for name in ALL
    ],
)
def test_the_latex_fits_its_page(name: str, tmp_path: Path) -> None:
    if not shutil.which("pdflatex"):
        pytest.skip("no pdflatex on PATH: the LaTeX is not compiled here")
    (tmp_path / "t.tex").write_text(render_theorem(name, "latex", "standalone"))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    log = (tmp_path / "t.log").read_text(errors="replace")
    assert done.returncode == 0 and "Overfull" not in log, log[-1500:]


@pytest.mark.parametrize("name", ALL)
def test_every_size_is_said(name: str) -> None:
    """Each size of a part stands in its list of sizes, with words."""
    text = " ".join(render_theorem(name).split())
    for claim, said in zip(theorem_between(name).claims().values(), text.split("Sizes: ")[1:], strict=True):
        listed = said.split(" Definitions: ")[0]
        names = {word.strip(",:;.") for word in listed.split()}
        assert sizes_of(claim.setting) <= names and ": ;" not in listed


# ---- the rules that came with them ----------------------------------------------------------------


def test_ranges_change_places_only_together_with_the_bracket() -> None:
    """sum over j of [0 <= i + p - j < k] f(j): the new variable alone would forget 0 <= j < H_out."""
    claim = claim_of("gradient-is-a-convolution", 1, "input")
    context, start = Context(claim.setting, claim.indices), claim.right.body
    alone, together = shear.propose(context, start)
    assert (alone.rule, together.rule, together.then) == ("reindex", "guard", alone)
    oracle = Oracle(dict(stored_oracle().stored), search)
    assert oracle.certificates(replay(context, start, alone.rule, alone.arguments)[1]) is None
    widened, needed = replay(context, start, together.rule, together.arguments)
    assert oracle.certificates(needed) is not None
    after, needed = replay(context, widened, alone.rule, alone.arguments)
    assert oracle.certificates(needed) is not None and len(after.terms[0].conditions) == 2


def test_a_summed_index_of_one_value_is_pinned() -> None:
    one = Index("a", Form.of(1))
    claim = claim_of("pointwise", 1, "output")
    context = Context(claim.setting, claim.indices)
    (proposal,) = guard.pin(context, Expr((Sum((one,), (), ()),)))
    after, needed = replay(context, Expr((Sum((one,), (), ()),)), proposal.rule, proposal.arguments)
    assert after.terms[0].conditions == (Zero(one.form),)
    assert stored_oracle().certificates(needed) is not None
    assert not list(guard.pin(context, Expr((Sum((Index("a", Form.of(2)),), (), ()),))))


def test_no_theorem_has_a_layers_name() -> None:
    assert not {f"theorem {name}" for name in ALL} & registry().keys()


# ---- the command ---------------------------------------------------------------------------------


def test_the_command(tmp_path: Path) -> None:
    said = backflip("prove", "--theorem", "pointwise", "--certificate", "p.json", cwd=tmp_path)
    assert said.code == 0 and said.out.startswith(f"theorem pointwise: {LABEL}")
    assert backflip("check", "p.json", cwd=tmp_path).code == 0
    data = json.loads(backflip("prove", "--theorem", "pointwise", "--json", cwd=tmp_path).out)
    assert data["ok"] and data["identities"] == 9
    text = backflip("prove", "--theorem", "pointwise", "--format", "text", cwd=tmp_path).out
    assert "matrix product" in text and "Hypotheses:" in text


def test_the_list(tmp_path: Path) -> None:
    said = backflip("prove", "--list", cwd=tmp_path)
    assert said.code == 0
    assert all(any(line.startswith(f"  {name}: ") for line in said.out.splitlines()) for name in ALL)


@pytest.mark.parametrize(
    "args",
    [
        ("--theorem", "pointwis"),
        ("--theorem", "pointwise", "Conv2d"),
        ("--theorem", "pointwise", "--input", "1,1,3,3"),
        ("--theorem", "pointwise", "--json", "--format", "text"),
        ("Conv2d", "--format", "text"),
    ],
)
def test_what_does_not_go_together(args: tuple[str, ...], tmp_path: Path) -> None:
    said = backflip("prove", *args, cwd=tmp_path)
    assert said.code == 2 and "error: " in said.err and "Traceback" not in said.err
