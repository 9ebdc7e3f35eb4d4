"""The one-file checker on hostile files: a refusal in words, never a traceback, never a long wait."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from copy import deepcopy
from fractions import Fraction
from typing import Any

import pytest
from forged import JUNK, REFUSALS, accepted, core_accepts, one_of, sealed

from derive import checker
from derive.layers.conv import Conv1d
from derive.theorems import certificate_text


@pytest.fixture(autouse=True)
def no_work_done() -> None:
    checker.WORK.set(0)


@pytest.fixture(scope="module")
def conv() -> str:
    return certificate_text(Conv1d, Conv1d.chosen({}))


def refusal(text: str) -> str:
    """The checker's words; a traceback of another kind fails the test, as does a long wait."""
    start = time.process_time()
    with pytest.raises(REFUSALS) as refused:
        checker.check_text(text)
    assert time.process_time() - start < 20
    return str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "null", "{}", "[1]", "\x00", "[" * 200_000, '{"a":' * 200_000, "1" * 5000, "NaN"),
        '{"body": {}, "digest": ""}',
        '{"digest": "x", "digest": "x", "body": {}}',
        '{"digest": "\\ud800", "body": {"format": "backflip certificate 1"}}',
    ],
)
def test_not_a_certificate(text: str) -> None:
    with pytest.raises(checker.NotACertificate):
        checker.check_text(text)


def test_a_key_said_twice(conv: str) -> None:
    doubled = conv.replace('"choices"', '"layer": "Conv9d",\n  "choices"', 1)
    assert "twice" in refusal(doubled)


def hostile_body(change: Callable[[dict[str, Any]], Any], conv: str) -> str:
    body = one_of(conv, "output")
    change(body["theorems"]["output"])
    return sealed(body)


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "huge number": lambda t: t["claim"]["facts"].append("9" * 5000 + " >= 0"),
    "huge coefficient": lambda t: t["claim"]["facts"].append("9" * 60 + "*" + "9" * 60 + " >= 0"),
    "huge degree": lambda t: t["claim"]["facts"].append("*".join(["N"] * 100_000) + " >= 0"),
    "many terms": lambda t: t["claim"]["facts"].append(" + ".join(["N"] * 100_000) + " >= 0"),
    "exponent": lambda t: t["claim"]["right"]["body"][0].update(coefficient="1e1000000000"),
    "over zero": lambda t: t["claim"]["right"]["body"][0].update(coefficient="1/0"),
    "long name": lambda t: t["claim"]["inputs"][0].update(name="x" * 100_000),
    "other digits": lambda t: t["claim"]["facts"].append("\u0663*N >= 0"),
    "bool as place": lambda t: t["definition side"][0]["arguments"].update(term=False),
    "float as place": lambda t: t["definition side"][0]["arguments"].update(term=0.0),
    "negative place": lambda t: t["definition side"][0]["arguments"].update(term=-1),
    "far place": lambda t: t["definition side"][0]["arguments"].update(term=10**30),
    "bool as witness": lambda t: t["witness"].update(N=True),
    "infinite witness": lambda t: t["witness"].update(N=float("inf")),
    "no number": lambda t: t["witness"].update(N=float("nan")),
    "a rule that is a shape": lambda t: t["definition side"][0].update(rule="claim"),
    "rule unhashable": lambda t: t["definition side"][0].update(rule=["chain"]),
    "one argument more": lambda t: t["definition side"][0]["arguments"].update(claim={}),
    "nested": lambda t: t["claim"].update(name=nested(900)),
    "nested argument": lambda t: t["definition side"][0].update(arguments=nested(900)),
    "product of degree 60": lambda t: t["reads and shapes"][0]["products"].append(["1", [0] * 60]),
    "many products": lambda t: t["reads and shapes"][0]["products"].extend([["0", [0]]] * 10_000),
}


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_values_are_refused_in_words(name: str, conv: str) -> None:
    text = hostile_body(HOSTILE[name], conv)
    assert refusal(text).isascii()
    assert not core_accepts(text)


def test_wrong_types_everywhere(conv: str) -> None:
    """Junk of every kind at places all over a theorem: accepted or refused in printable words."""
    body, rng = one_of(conv, "output"), random.Random(1)
    theorem = body["theorems"]["output"]
    theorem["claim"]["inputs"] = theorem["claim"]["inputs"][:1]
    for path in rng.sample(list(places(theorem)), 300):
        forged = deepcopy(body)
        place: Any = forged["theorems"]
        for key in ("output", *path)[:-1]:
            place = place[key]
        place[("output", *path)[-1]] = rng.choice((*JUNK, "\ud800", "\x1b[2J\n"))
        try:
            checker.check_text(sealed(forged))
        except REFUSALS as refused:
            assert str(refused).isascii() and str(refused).isprintable()


def places(data: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    keys = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
    for key in keys:
        yield from places(data[key], (*path, key))


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine summed indices of one extent have 9! renamings: the wait ends in a refusal."""
    monkeypatch.setattr(checker, "MOST_WORK", checker.MOST_WORK // 10)
    read = [["x", [f"i{j}"]] for j in range(9)]
    index = [[f"i{j}", "N"] for j in range(9)]
    one, other = (
        {"sum": index, "where": where, "coefficient": "1", "factors": read}
        for where in ([["i0 - i1"], ["i0 - i2"]], [["i1 - i2"], ["i3 - i4"]])
    )
    checker.WORK.set(0)
    with pytest.raises(checker.Refused, match="more work"):
        checker.alike(one, other)


def wide(terms: int) -> str:
    """A proof that a sum of many terms is the same sum the other way round."""
    entry = ["x", ["0"]]
    body = [{"sum": [], "where": [], "coefficient": str(j + 1), "factors": [entry]} for j in range(terms)]
    scalar = {"shape": [], "layout": []}
    sides = {
        title: {"tensor": {"name": title, **scalar}, "indices": [], "body": side, "role": ""}
        for title, side in (("y", body), ("z", body[::-1]))
    }
    left = [{"sum": [], "where": [], "coefficient": "1", "factors": [["y", []]]}]
    inputs = [{"name": "x", "shape": ["N"], "layout": [[0]]}]
    given = {"term": 0, "factor": 0, "fresh": [[]] * terms}
    claim = {"name": "wide", "facts": ["N - 1 >= 0"], "inputs": inputs, "definitions": [sides["y"]]}
    theorem = {
        "claim": {**claim, "left": left, "right": sides["z"], "target": "y"},
        "definition side": [
            {"rule": "unfold", "arguments": given, "certificates": [], "after": body, "reason": ""}
        ],
        **{"closed-form side": [], "reads and shapes": [], "witness": {"N": 1}},
    }
    choices: dict[str, Any] = {}
    body_of_file = {"format": checker.FORMAT, "layer": "Wide", "choices": choices, "theorems": {"y": theorem}}
    return sealed(body_of_file)


def changed_wide(change: Callable[[dict[str, Any]], Any]) -> str:
    """The proof of the sum of one term, changed."""
    body = json.loads(wide(1))["body"]
    change(body["theorems"]["y"])
    return sealed(body)


def by_its_entry(function: str) -> Callable[[dict[str, Any]], None]:
    """The claim about y = function(x[0]) made one about dy/dx[i]."""

    def change(t: dict[str, Any]) -> None:
        t["claim"]["definitions"][0]["body"][0]["factors"] = [[function, "x", ["0"]]]
        t["claim"]["left"][0]["factors"] = [["y", [], "x", ["i"]]]
        tensor = {"name": "z", "shape": ["N"], "layout": [[0]]}
        after = {
            "sum": [],
            "where": [["i"]],
            "coefficient": "1",
            "factors": [[f"{function}_prime", "x", ["0"]]],
        }
        t["claim"]["right"].update(tensor=tensor, indices=[["i", "N"]], body=[after])
        t["claim"]["target"] = "x"
        t["definition side"][0].update(rule="chain", after=[after])
        t["witness"]["i"] = 0

    return change


def test_a_function_without_a_derivative() -> None:
    text = changed_wide(by_its_entry("tanh"))
    assert accepted(text) and core_accepts(text)
    text = changed_wide(by_its_entry("tanh_prime"))
    assert "no such function" in refusal(text) and not core_accepts(text)


def no_derivative(t: dict[str, Any]) -> None:
    by_its_entry("tanh_prime")(t)
    t["claim"]["right"]["body"] = t["definition side"][0]["after"] = []


def unknown_shape(t: dict[str, Any]) -> None:
    t["claim"]["definitions"][0].update(body=[], indices=[["i", "Q"]])
    t["claim"]["definitions"][0]["tensor"]["shape"] = ["Q"]


UNKNOWN: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "derivative": (no_derivative, "no derivative is known"),
    "shape": (unknown_shape, "extent is not over sizes"),
    "extent": (
        lambda t: t["claim"]["right"]["body"][0]["sum"].append(["j", "Q"]),
        "extent is not over sizes",
    ),
    "name": (lambda t: t["claim"]["right"]["body"][0].update(where=[["j"]]), "unknown name"),
    "name bound elsewhere": (lambda t: t["claim"]["right"]["body"][0].update(where=[["i"]]), "unknown name"),
    "tensor": (lambda t: t["claim"]["right"]["body"][0].update(factors=[["q", []]]), "no such entry"),
    "axes": (lambda t: t["claim"]["right"]["body"][0].update(factors=[["x", []]]), "no such entry"),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_there(name: str) -> None:
    change, reason = UNKNOWN[name]
    text = changed_wide(change)
    assert reason in refusal(text) and not core_accepts(text)


def squared() -> tuple[checker.Claim, dict[str, Any], list[Any]]:
    """y := x[0] x[0], the term 1/y x[0] x[0] and its second factor."""
    claim = json.loads(wide(1))["body"]["theorems"]["y"]["claim"]
    x = ["x", ["0"]]
    claim["definitions"][0]["body"][0]["factors"] = [x, x]
    term = {"sum": [], "where": [], "coefficient": "1", "factors": [["recip", "y", []], x, x]}
    return checker.Claim(claim), term, x


def test_a_factor_cancels_once() -> None:
    claim, term, x = squared()
    assert checker.cancel(claim, term, 0, [1, 2], [])[0] == [{**term, "factors": []}]
    for factors, spare in (([*term["factors"][:2]], [1, 1]), ([term["factors"][0], x, x], [1, 1])):
        with pytest.raises(checker.Refused, match="taken twice"):
            checker.cancel(claim, {**term, "factors": factors}, 0, spare, [])


def test_a_guard_names_what_is_there() -> None:
    claim, term, _ = squared()
    assert checker.guard(claim, term, [{"condition": ["N"]}])[1]
    with pytest.raises(checker.Refused, match="unknown name"):
        checker.guard(claim, term, [{"condition": ["q"]}])


def test_comparing_wide_sums_is_bounded() -> None:
    assert accepted(wide(100)) and core_accepts(wide(100))
    assert "more work" in refusal(wide(4000))


def test_products_of_forms_are_bounded() -> None:
    wide = checker.parse(" + ".join(f"x{j:03d}" for j in range(300)))
    with pytest.raises(checker.Refused, match="too large"):
        checker.times(wide, wide)


def test_forms_and_coefficients_are_bounded() -> None:
    """What steps make is held to what a file may say: terms, degree, digits."""
    with pytest.raises(checker.Refused, match="too large"):
        checker.put("a*a*a*a*a", {"a": "b*b"})
    with pytest.raises(checker.Refused, match="too large"):
        checker.combine((10**60, "a"))
    with pytest.raises(checker.Refused, match="too many terms"):
        checker.spell({(f"x{j}",): 1 for j in range(checker.MOST_TERMS + 1)})
    with pytest.raises(checker.Refused, match="too many digits"):
        checker.scale({"coefficient": "3"}, Fraction(1, 10**40))


@pytest.mark.parametrize(
    "form", ["b*a", "a + a", "1*a", "--a", "a - -1", "0*a", "00", "a ", "", "+1", "a+1", "-0"]
)
def test_forms_have_one_spelling(form: str) -> None:
    with pytest.raises(checker.Refused):
        checker.parse(form)


@pytest.mark.parametrize("form", ["0", "1", "-a", "2*a*a - b + 1", "-3*a*b + a - 7"])
def test_spelling_and_parsing(form: str) -> None:
    assert checker.spell(checker.parse(form)) == form
