"""Forged scripts: other statements under a title, sentences that no script has, files that are no scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from command import backflip
from rocq_cases import HEAD, bench, rocq, usual
from rocq_sentences import SENTENCES

from derive.api import check_file
from derive.errors import LayerError, LimitError
from derive.expr import Expr
from derive.layers import registry
from derive.oracle import stored_oracle
from derive.rocq import script
from derive.rocq.export import HEADER, claimed
from derive.rocq.modules import modules
from derive.rocq.run import judged
from derive.rocq.sentences import unexpected
from derive.strategy import argue

# ---- forged text ------------------------------------------------------------------------------------------


@cache
def linear() -> str:
    return usual("Linear")


def verdict(folder: Path, text: str, title: str = "Linear") -> list[str]:
    """What is said against a script of a class; coqchk is not reached where there is anything."""
    _, _, arguments = claimed(text, title)
    return judged(bench(folder), text, arguments)


def changed(old: str, new: str, count: int = 1) -> Callable[[str], str]:
    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new, count)

    return change


def in_the_theorem(old: str, new: str) -> Callable[[str], str]:
    """A change after the first `Theorem theorem`."""

    def change(text: str) -> str:
        head, mark, rest = text.partition("Theorem theorem :")
        assert old in rest, old
        return head + mark + rest.replace(old, new, 1)

    return change


def more_supposed(text: str) -> str:
    """One more hypothesis, and a proof that Rocq accepts."""
    own = "R N_0 C K input weight bias grad_output"
    weaker = in_the_theorem("  0 <= C - 1 ->", "  0 <= C - 1 ->\n  C = 1 ->")(text)
    return in_the_theorem(
        "Proof. exact holds. Qed.", f"Proof. intros {own}. intros. apply (holds {own}); assumption. Qed."
    )(weaker)


def by_magic(text: str) -> str:
    """A theorem proved by a hypothesis that stands outside of all sections, which makes it an axiom."""
    text = changed("Module Claim_output.", "Variable magic : forall P : Prop, P.\nModule Claim_output.")(text)
    return in_the_theorem("Proof. exact holds. Qed.", "Proof. exact (magic _). Qed.")(text)


def another_layer(text: str) -> str:
    return text.partition("\n")[0] + "\n" + usual("Bias").partition("\n")[2]


def other_choices(text: str) -> str:
    kind = registry()["Linear"]
    return text.partition("\n")[0] + "\n" + script(kind, {"bias": False}).partition("\n")[2]


def true_of_another_layer(text: str) -> str:
    """Definition and gradients of the negated layer: every theorem of it is true and proved."""
    kind = registry()["Linear"]
    arguments = {}
    for key, claim in kind.claims(**kind.chosen({})).items():
        definitions = tuple(
            replace(d, body=negative(d.body)) if d.tensor.name == "output" else d
            for d in claim.setting.definitions
        )
        right = replace(claim.right, body=negative(claim.right.body))
        new = replace(claim, setting=replace(claim.setting, definitions=definitions), right=right)
        arguments[key] = argue(new, stored_oracle())
    plain = {key: ([""] * len(a.left_steps), [""] * len(a.right_steps)) for key, a in arguments.items()}
    return "\n".join([text.partition("\n")[0], HEAD, *modules(arguments, plain), ""])


def negative(expr: Expr) -> Expr:
    return Expr(tuple(replace(t, coefficient=-t.coefficient) for t in expr.terms))


OWN_EPS = "Definition eps {R : ring} (x : dual R) : R := val x."

FORGED: dict[str, tuple[Callable[[str], str], str]] = {
    "a product for a sum": (changed(" +! (((bias k))).\nProof.", " *! (((bias k))).\nProof."), "Script"),
    "a shorter range in the theorem": (in_the_theorem("0 <= K - k - 1", "0 <= K - k - 2"), "Script"),
    "an index shifted": (in_the_theorem("weight bias n_0 k =", "weight bias n_0 (k + 1) ="), "Script"),
    "more is supposed": (more_supposed, "Expected"),
    "the theorem has another name": (changed("Theorem theorem :", "Theorem main :"), "Expected"),
    "lemma on reads left out": (changed("Lemma reads_output_1 :", "Lemma reads_0 :"), "Expected"),
    "an axiom": (by_magic, "axiom"),
    "a script of another layer": (another_layer, "Expected"),
    "a script for other choices": (other_choices, "Expected"),
    "true, but of another layer": (true_of_another_layer, "Expected"),
    "eps means the value": (
        lambda text: text.replace("Theorem theorem :", f"{OWN_EPS}\nTheorem theorem :"),
        "Script",
    ),
    "a proof by nothing": (in_the_theorem("Proof. exact holds.", "Proof. reflexivity."), "Script"),
}  # fmt: skip
"""What is forged -> (how, what finds it: the script itself, the statements again, the axioms)."""

FOUND_BY = {
    "Script": "Script.v",
    "Expected": "does not state what backflip's claim of that name states",
    "axiom": "stands on an axiom",
}


LATER = (
    "a shorter range in the theorem",
    "an index shifted",
    "a script of another layer",
    "a proof by nothing",
)
"""Forged in ways that another case has too: for the sweep."""


@rocq
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.sweep] * (n in LATER)) for n in FORGED])
def test_a_forged_script_is_rejected(name: str, tmp_path: Path) -> None:
    change, found_by = FORGED[name]
    text = change(linear())
    assert text != linear() and unexpected(text.partition("\n")[2]) == ""
    said = "\n".join(verdict(tmp_path, text))
    assert FOUND_BY[found_by] in said, said


@rocq
def test_the_layout_of_pytorch_is_checked_too(tmp_path: Path) -> None:
    """A corollary about one group alone: the script compiles, and is not accepted."""
    text = usual("Bias")
    assert "theorem_in_pytorch_layout" not in text
    text = usual("PixelShuffle")
    head, mark, rest = text.partition("Theorem theorem_in_pytorch_layout :")
    assert mark, "the class has merged axes"
    forged = head + "Theorem another :" + rest
    assert FOUND_BY["Expected"] in "\n".join(verdict(tmp_path, forged, "PixelShuffle"))


# ---- sentences ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_no_script_has_is_refused_before_rocq_sees_it(
    sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("derive.rocq.run.judged", lambda *_: pytest.fail("it was handed to Rocq"))
    monkeypatch.setattr("derive.rocq.run.program_version", lambda: pytest.fail("it was handed to Rocq"))
    file = tmp_path / "a.v"
    for place in ("Module Claim_output.\n", "Proof.\n", "End Claim_bias.\n"):
        head, mark, rest = linear().partition(place)
        file.write_bytes(f"{head}{mark}{sentence}\n{rest}".encode())
        report = check_file(file)
        assert not report.ok and report.lines[0].startswith("REFUSED: ")


@pytest.mark.parametrize(
    "head",
    [
        '{"title": "Linear", "choices": {}}',
        '{"choices": {"bias": true, "lead": 1}, "title": "Linear"}',
        '{"title": "Bias", "title": "Linear", "choices": {"bias": true, "lead": 1}}',
        '{"a": "\\" *) Axiom a : False. (* \\"", "title": "Linear", "choices": {"bias": true, "lead": 1}}',
        '{"title": "Linear",  "choices": {"bias": true, "lead": 1}}',
    ],
)
def test_a_first_line_in_other_words_is_refused(head: str, tmp_path: Path) -> None:
    file = tmp_path / "a.v"
    file.write_text(f"{HEADER}{head} *)\n{linear().partition(chr(10))[2]}")
    report = check_file(file)
    assert not report.ok and report.lines[0].startswith("REFUSED: ")


NO_SCRIPT = {
    "empty": b"",
    "binary": bytes(range(256)) * 40,
    "text": b"Theorem a : True.\nProof. exact I. Qed.\n",
    "a null byte": b"(* backflip theorems {\0} *)\n",
    "no JSON": b"(* backflip theorems {'title'} *)\n",
    "a list": b"(* backflip theorems [1] *)\n",
    "no title": b'(* backflip theorems {"choices": {}} *)\n',
    "another title": b'(* backflip theorems {"title": "Conv9d", "choices": {}} *)\n',
    "another choice": b'(* backflip theorems {"title": "Linear", "choices": {"bias": 7}} *)\n',
    "choices that are no choices": b'(* backflip theorems {"title": "Linear", "choices": 3} *)\n',
    "deep": b"(* backflip theorems " + b"[" * 100_000 + b" *)\n",
    "a certificate": b'{"digest": "", "body": {}}',
}


@pytest.mark.parametrize("name", NO_SCRIPT)
def test_what_is_no_script(name: str, tmp_path: Path) -> None:
    file = tmp_path / "a.v"
    file.write_bytes(NO_SCRIPT[name])
    with pytest.raises(LayerError):
        check_file(file)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.v"
    with huge.open("wb") as file:
        file.truncate(1_000_000_000)
    (tmp_path / "folder.v").mkdir()
    for place in (huge, tmp_path / "folder.v", tmp_path / "nothing.v"):
        with pytest.raises(LayerError):
            check_file(place)


def test_without_rocq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.v"
    file.write_text(linear())
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LimitError, match="apt-get install"):
        check_file(file)


@rocq
def test_a_rocq_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("derive.rocq.run.SECONDS", 0.2)
    with pytest.raises(LimitError, match="did not finish"):
        verdict(tmp_path, linear())


def test_the_commands_exit_codes(tmp_path: Path) -> None:
    (tmp_path / "forged.v").write_text(linear() + "Axiom a : False.\n")
    (tmp_path / "none.v").write_text("")
    (tmp_path / "good.v").write_text(linear())
    forged, none = (backflip("check", f"{name}.v", cwd=tmp_path) for name in ("forged", "none"))
    lost = backflip("check", "good.v", cwd=tmp_path, env={"PATH": str(tmp_path)})
    assert (forged.code, none.code, lost.code) == (1, 2, 3)
    assert "REFUSED" in forged.out + forged.err
    for said in (forged, none, lost):
        assert "Traceback" not in said.err
