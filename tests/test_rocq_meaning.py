"""What the exported definitions mean: numbers against plain loops, and hypotheses that can be fulfilled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pytest
from plain_layers import conv
from rocq_cases import HEAD, accepted, bench, compiled, rocq, usual, workshop

from derive.between import theorems_between
from derive.claim import Argument
from derive.layers import registry
from derive.rocq.definitions import Listing, arrow
from derive.rocq.layout import groups
from derive.rocq.statement import Statement, inverted
from derive.theorems import proved_between, theorems

INTEGERS = "Definition R : ring := Ring Z 0 1 Z.add Z.mul Z.sub Z.opp Zth."
RATIONALS = "Definition R : ring := Ring Qc 0%Qc 1%Qc Qcplus Qcmult Qcminus Qcopp Qcrt."

OUTSIDE = 1_000_003
"""What an array has outside of itself: a read there would be seen."""

SIZES = {
    "N": 2, "groups": 2, "C": 2, "K": 3,
    "H": 4, "H_out": 2, "k_h": 2, "s_h": 2, "d_h": 1, "p_h": 1, "q_h": 0, "r_h": 1,
    "W": 3, "W_out": 2, "k_w": 2, "s_w": 1, "d_w": 2, "p_w": 0, "q_w": 1, "r_w": 0,
}  # fmt: skip
"""A convolution with a stride, a leftover, a dilation, padding of unequal sides, and groups."""


def written(number: int) -> str:
    return f"({number})" if number < 0 else str(number)


def array(name: str, values: np.ndarray, axes: Sequence[tuple[int, ...]], extents: Sequence[str]) -> str:
    """A tensor of the language that reads a user's array, axes of the language merged as PyTorch has them."""
    places = [f"i{n}" for n in range(len(extents))]
    merged = []
    for group in axes:
        text = places[group[0]]
        for axis in group[1:]:
            text = f"({text} * {extents[axis]} + {places[axis]})"
        merged.append(text)
    flat = "0"
    for text, length in zip(merged, values.shape, strict=True):
        flat = f"({flat} * {length} + {text})"
    entries = listed(written(int(v)) for v in values.ravel())
    inside = " && ".join(f"inside {m} {n}" for m, n in zip(merged, values.shape, strict=True))
    return (
        f"Definition {name} ({' '.join(places)} : Z) : R := "
        f"if {inside} then nth (Z.to_nat {flat}) {entries} {OUTSIDE} else {OUTSIDE}."
    )


def evaluated(folder: Path, lines: Sequence[str]) -> list[int]:
    """The whole numbers that Rocq prints for one list."""
    code, output = accepted(folder, "Numbers", "\n".join([*lines, ""]))
    assert code == 0, output
    return [int(v) for v in re.findall(r"-?\d+", output.partition(" nil")[0])]


def listed(entries: Iterable[str]) -> str:
    """A list; square brackets are the library's own notation."""
    return f"({' :: '.join([*entries, 'nil'])})"


def operands() -> dict[str, np.ndarray]:
    draw = np.random.default_rng(5)
    s = SIZES
    shapes = {
        "input": (s["N"], s["groups"] * s["C"], s["H"], s["W"]),
        "weight": (s["groups"] * s["K"], s["C"], s["k_h"], s["k_w"]),
        "bias": (s["groups"] * s["K"],),
        "grad_output": (s["N"], s["groups"] * s["K"], s["H_out"], s["W_out"]),
    }
    return {name: draw.integers(-9, 10, shape) for name, shape in shapes.items()}


def plain(image: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    s = SIZES
    padding = [(s["p_h"], s["q_h"]), (s["p_w"], s["q_w"])]
    return conv(image, weight, bias, (s["s_h"], s["s_w"]), padding, (s["d_h"], s["d_w"]), s["groups"])


def slopes(values: dict[str, np.ndarray], wrt: str) -> list[int]:
    """The derivative of the loss by every entry: the loss with one more there, less the loss."""

    def loss(**moved: np.ndarray) -> int:
        at = {**values, **moved}
        return int((at["grad_output"] * plain(at["input"], at["weight"], at["bias"])).sum())

    found = []
    for place in np.ndindex(values[wrt].shape):
        more = values[wrt].copy()
        more[place] += 1
        found.append(loss(**{wrt: more}) - loss())
    return found


@rocq
@pytest.mark.parametrize("key", ["output", "input", "weight", "bias"])
def test_the_convolution_is_the_one_of_plain_loops(key: str, tmp_path: Path) -> None:
    """Both sides of the theorem over the whole numbers: the eps part of the loss, and the closed form."""
    kind = registry()["Conv2d"]
    argument = theorems(kind, kind.chosen({}))[key].argument
    listing, values = Listing(argument.claim), operands()
    stated = Statement(listing, ())
    name = compiled("Conv2d", usual("Conv2d"))
    lines = [
        HEAD,
        f"From Backflip Require {name}.",
        "Require Import List InitialRing.",
        "Import ListNotations.",
    ]
    lines += ["Open Scope Z_scope.", INTEGERS, *(f"Definition {n} := {v}." for n, v in SIZES.items())]
    for tensor in listing.claim.setting.inputs:
        extents = [str(f.evaluate(SIZES)) for f in tensor.shape]
        lines.append(array(tensor.name, values[tensor.name], groups(tensor), extents))
    target = listing.claim.target
    lengths = [f.evaluate(SIZES) for f in target.shape]
    head = f"{name}.Claim_{key}.Definitions."
    indices = " ".join(i.name for i in listing.claim.indices)
    both = [side.replace("Definitions.", head) for side in (stated.left(), stated.right())]
    places = list(product(*map(range, lengths)))
    for title, side in zip(("left", "right"), both, strict=True):
        lines.append(f"Definition {title}_side ({indices} : Z) : Z := {side}.")
    entries = [f"{t}_side {' '.join(map(str, p))}" for t in ("left", "right") for p in places]
    lines.append(f"Eval vm_compute in {listed(entries)}.")
    found = evaluated(_beside(name, tmp_path), lines)
    wanted = (
        plain(values["input"], values["weight"], values["bias"]).ravel().tolist()
        if key == "output"
        else slopes(values, key)
    )
    assert len(wanted) == prod(lengths) and found == wanted * 2
    assert len({*wanted}) > 4


def _beside(name: str, folder: Path) -> Path:
    """The test's own folder with the library and a compiled script."""
    bench(folder)
    for end in (".v", ".vo"):
        (folder / f"{name}{end}").write_bytes((workshop() / f"{name}{end}").read_bytes())
    return folder


def test_a_theorem_is_about_every_entry_of_its_target() -> None:
    """Rocq knows no shapes: what a theorem quantifies over has to be the target's shape."""
    claims = [c for k in registry().values() for c in k.claims(**k.chosen({})).values()]
    claims += [c for theorem in theorems_between().values() for c in theorem.everything().values()]
    assert len(claims) > 300
    assert all(tuple(i.extent for i in c.indices) == c.target.shape for c in claims)


# ---- hypotheses that can be fulfilled -------------------------------------------------------------------


def fulfilled(argument: Argument) -> str:
    """That all hypotheses of a theorem hold somewhere in the rationals: sizes, 1/2, what is divided by."""
    listing = Listing(argument.claim)
    stated, names = Statement(listing, inverted(argument)), listing.names
    values, kinds = ["(Q2Qc (Qmake 1 2))"] * listing.halves, ["(half : R)"] * listing.halves
    for function in listing.functions:
        values.append("Qcinv" if function == "recip" else "(fun _ => 1%Qc)")
        kinds.append(f"({names.function(function)} : R -> R)")
    for size in listing.sizes:
        values.append(f"({argument.witness[size]})")
        kinds.append(f"({names.variable(size)} : Z)")
    for tensor in listing.claim.setting.inputs:
        rank = len(tensor.shape)
        values.append(f"(fun {'_ ' * rank}=> 1%Qc)" if rank else "1%Qc")
        kinds.append(f"({names.tensor(tensor.name)} : {arrow(rank)}R)")
    said = [f"({text})" for _, text in (*stated.sizes(), *stated.laws())]
    lines = [HEAD, "Require Import QArith Qcanon Lia.", "Open Scope Z_scope.", RATIONALS, *listing.section()]
    lines.append(
        "Lemma fulfilled : " + " ".join(f"exists {k}," for k in kinds) + " " + " /\\ ".join(said) + "."
    )
    lines += [f"Proof. exists {v}." if n == 0 else f"exists {v}." for n, v in enumerate(values)]
    lines += [
        "repeat apply conj; intros;",
        "  repeat match goal with H : 0 <= ?i < _ |- _ => assert (i = 0) by (cbn in H; lia); subst i end;",
        "  first [reflexivity | apply Z.leb_le; reflexivity | apply Qc_is_canon; vm_compute; reflexivity].",
        "Qed.",
        "",
    ]
    return "\n".join(lines)


def with_laws() -> dict[str, Argument]:
    found = {}
    for title, key in (
        ("BatchNorm1d", "input"), ("Softmax", "shift"), ("CrossEntropyLoss", "shift"), ("L2Penalty", "input"),
    ):  # fmt: skip
        kind = registry()[title]
        found[f"{title} {key}"] = theorems(kind, kind.chosen({}))[key].argument
    for title, key in (
        ("mean-pooling-inside", "shares, 1 axis"),
        ("softmax-cross-entropy", "layers, 1 axis"),
    ):
        found[f"{title} {key}"] = proved_between(title)[key].argument
    return found


@rocq
@pytest.mark.parametrize("title", ["BatchNorm1d input", "softmax-cross-entropy layers, 1 axis"])
def test_what_a_theorem_supposes_can_be_fulfilled(title: str, tmp_path: Path) -> None:
    code, output = accepted(bench(tmp_path), "Fulfilled", fulfilled(with_laws()[title]))
    assert code == 0, output


@rocq
@pytest.mark.sweep
def test_what_every_theorem_supposes_can_be_fulfilled(tmp_path: Path) -> None:
    for title, argument in with_laws().items():
        code, output = accepted(bench(tmp_path), "Fulfilled", fulfilled(argument))
        assert code == 0, (title, output)


@rocq
def test_what_cannot_be_fulfilled_is_seen(tmp_path: Path) -> None:
    """The same with 1/2 taken to be 1: no proof."""
    text = fulfilled(with_laws()["BatchNorm1d input"])
    assert "Qmake 1 2" in text
    code, output = accepted(bench(tmp_path), "Fulfilled", text.replace("Qmake 1 2", "Qmake 1 1"))
    assert code != 0 and "No applicable tactic" in output, output


def test_every_claim_with_laws_has_them_in_its_statement() -> None:
    for argument in with_laws().values():
        stated = Statement(Listing(argument.claim), inverted(argument))
        laws = [text for _, text in stated.laws()]
        assert laws and all(f"({law}) ->" in stated.text() for law in laws)
