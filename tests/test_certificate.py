"""Certificate files: they come back as they went, and every change to one is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from derive.api import check_file, prove
from derive.certificate import decode, digest, encode, load, parse_form
from derive.errors import LayerError, ProofError
from derive.layers.conv import Conv2d
from derive.recheck import recheck
from derive.theorems import certificate_text, theorems

CHOICES = {"bias": True, "batched": True}


@pytest.fixture(scope="module")
def text() -> str:
    return certificate_text(Conv2d, CHOICES)


def resealed(data: dict[str, Any]) -> str:
    """The file with its digest made right again, as a forger would."""
    return json.dumps({"digest": digest(data["body"]), "body": data["body"]})


def test_round_trip() -> None:
    for theorem in theorems(Conv2d, CHOICES).values():
        back = decode(json.loads(json.dumps(encode(theorem.argument))))
        assert back == theorem.argument


def test_forms_come_back() -> None:
    for theorem in theorems(Conv2d, CHOICES).values():
        for fact in theorem.claim.setting.facts:
            assert parse_form(str(fact.form)) == fact.form


def test_recheck(text: str, tmp_path: Path) -> None:
    title, lines = recheck(text, "file")
    assert title == "Conv2d" and sum("ALL SIZES (certificate)" in line for line in lines) == 4
    file = tmp_path / "c.json"
    file.write_text(text)
    assert check_file(file).ok


def test_every_kind_of_byte_matters(text: str) -> None:
    """A digit, a letter, a sign somewhere in the body: the digest refuses it."""
    start = text.index('"body"')
    for at in range(start + 40, len(text), len(text) // 60):
        if text[at].isalnum():
            forged = text[:at] + ("7" if text[at] != "7" else "8") + text[at + 1 :]
            with pytest.raises((LayerError, ProofError)):
                recheck(forged, "file")


def forgeries() -> list[tuple[str, Any]]:
    def weaker(d: dict[str, Any]) -> None:
        d["body"]["theorems"]["bias"]["claim"]["facts"].append("r_h - r_w = 0")

    def no_fact(d: dict[str, Any]) -> None:
        del d["body"]["theorems"]["input"]["claim"]["facts"][5]

    def missing(d: dict[str, Any]) -> None:
        del d["body"]["theorems"]["weight"]

    def step(d: dict[str, Any]) -> None:
        del d["body"]["theorems"]["input"]["closed-form side"][2]

    def swapped(d: dict[str, Any]) -> None:
        steps = d["body"]["theorems"]["input"]["definition side"]
        steps[2], steps[3] = steps[3], steps[2]

    def other_theorem(d: dict[str, Any]) -> None:
        d["body"]["theorems"]["bias"] = deepcopy(d["body"]["theorems"]["weight"])

    def scaled(d: dict[str, Any]) -> None:
        d["body"]["theorems"]["bias"]["claim"]["left"][0]["coefficient"] = "2"

    return [(f.__name__, f) for f in (weaker, no_fact, missing, step, swapped, other_theorem, scaled)]


@pytest.mark.parametrize("forge", [f for _, f in forgeries()], ids=[n for n, _ in forgeries()])
def test_resealed_forgeries_are_refused(text: str, forge: Any, tmp_path: Path) -> None:
    """With the digest made right again the checker itself must refuse."""
    data = json.loads(text)
    forge(data)
    with pytest.raises(ProofError):
        recheck(resealed(data), "file")
    file = tmp_path / "c.json"
    file.write_text(resealed(data))
    report = check_file(file)
    assert not report.ok and "REFUSED" in report.lines[0]


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"body": {"format": "x"}, "digest": ""}', "\x00"])
def test_not_a_certificate(text: str) -> None:
    with pytest.raises(LayerError):
        load(text, "file")


@pytest.mark.parametrize("fact", ["N - 1*1 >= 0", "-1 + N >= 0", "N + 1 - 2 >= 0", "1*N - 1 >= 0"])
def test_one_spelling(text: str, fact: str) -> None:
    """What reads as the same but is spelled otherwise is refused, so equal text is equal meaning."""
    data = json.loads(text)
    facts = data["body"]["theorems"]["bias"]["claim"]["facts"]
    assert facts[0] == "N - 1 >= 0" and load(resealed(data), "file")
    facts[0] = fact
    with pytest.raises(LayerError, match="not spelled"):
        load(resealed(data), "file")


def test_nothing_beside_the_body(text: str) -> None:
    data = json.loads(text)
    for forged in ({**data, "more": 1}, {**data, "body": {**data["body"], "more": 1}}):
        forged["digest"] = digest(forged["body"])
        with pytest.raises(LayerError):
            load(json.dumps(forged), "file")
        with pytest.raises(LayerError):
            recheck(json.dumps(forged), "file")


def test_unreadable_file(tmp_path: Path) -> None:
    with pytest.raises(LayerError):
        check_file(tmp_path / "absent.json")


def test_prove_a_class() -> None:
    result = prove(Conv2d, bias=False)
    assert result.ok and result.label == "ALL SIZES (certificate)" and result.identities == 3
    assert recheck(result.certificate_json(), "memory")[0] == "Conv2d"
    assert json.loads(result.to_json())["ok"] is True
    with pytest.raises(LayerError):
        prove(Conv2d, bias=3)
    with pytest.raises(LayerError):
        prove(Conv2d, colour="red")


def hostile() -> list[tuple[str, Any]]:
    """Values that crash or stall a careless reader: (where in the body, value)."""
    output = ("theorems", "output")
    step = (*output, "definition side", 0)
    coefficient = (*output, "claim", "right", "body", 0, "coefficient")
    return [
        *(
            ("/".join(map(str, coefficient)) + f"={v}", (coefficient, v))
            for v in ("1/0", "1e300000000", "nan", 0.5)
        ),
        ("rule", ((*step, "rule"), ["chain"])),
        ("negative term", ((*step, "arguments", "term"), -1)),
        ("witness", ((*output, "witness", "N"), float("inf"))),
        ("title", ((*output, "claim", "right", "tensor", "name"), ["x"])),
        ("shape", ((*output, "claim", "right", "tensor", "shape", 0), "9" * 5000)),
        ("degree", ((*output, "claim", "right", "tensor", "shape", 0), "*".join(["N"] * 5000))),
        ("terms", ((*output, "claim", "right", "tensor", "shape", 0), " + ".join(["N"] * 50_000))),
        ("scale", ((*output, "reads and shapes", 0, "products", 0, 0), "1e300000000")),
        ("degree of product", ((*output, "reads and shapes", 0, "products", 0, 1), [0] * 60)),
        ("choice", (("choices",), {"cls": 1})),
        ("choices", (("choices",), [[1, 2]])),
        ("layer", (("layer",), "Layer")),
    ]


@pytest.mark.parametrize("attack", [a for _, a in hostile()], ids=[n for n, _ in hostile()])
def test_hostile_values_are_refused_in_words(text: str, attack: Any, tmp_path: Path) -> None:
    data = json.loads(text)
    (*path, last), value = attack
    place = data["body"]
    for key in path:
        place = place[key]
    place[last] = value
    file = tmp_path / "c.json"
    file.write_text(resealed(data))
    try:
        assert not check_file(file).ok
    except LayerError as refusal:
        assert refusal.what


def test_deep_nesting(tmp_path: Path) -> None:
    file = tmp_path / "c.json"
    file.write_text("[" * 200_000)
    with pytest.raises(LayerError):
        check_file(file)
