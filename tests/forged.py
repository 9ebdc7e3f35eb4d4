"""Certificates changed on purpose and sealed again: named forgeries, and random changes at random places."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from derive import checker
from derive.certificate import digest, load
from derive.check import check
from derive.errors import BackflipError

Theorem = dict[str, Any]
REFUSALS = (checker.Refused, checker.NotACertificate)


def body_of(text: str) -> dict[str, Any]:
    return dict(json.loads(text)["body"])


def one_of(text: str, key: str) -> dict[str, Any]:
    """The body of a file with one of its theorems only."""
    body = body_of(text)
    return {**body, "theorems": {key: body["theorems"][key]}}


def accepted(text: str) -> bool:
    """The checker's verdict."""
    try:
        return bool(checker.check_text(text).theorems)
    except REFUSALS:
        return False


def core_accepts(text: str) -> bool:
    """The verdict of the files that make Theorem objects."""
    try:
        for argument in load(text, "file")[2].values():
            check(argument)
    except BackflipError:
        return False
    return True


def sealed(body: Any) -> str:
    """The file of that body, with its digest made right, as a forger would."""
    return json.dumps({"digest": digest(body), "body": body})


def _facts(t: Theorem) -> list[str]:
    return t["claim"]["facts"]


def _fact(t: Theorem, text: str) -> int:
    return _facts(t).index(text)


def _right(t: Theorem) -> dict[str, Any]:
    return t["claim"]["right"]["body"][0]


def _step(t: Theorem, rule: str) -> dict[str, Any]:
    return next(s for s in (*t["definition side"], *t["closed-form side"]) if s["rule"] == rule)


def dropped(t: Theorem) -> None:
    del _facts(t)[_fact(t, "q_h >= 0")]


def weakened(t: Theorem) -> None:
    _facts(t)[_fact(t, "s_h - 1 >= 0")] = "s_h >= 0"


def strengthened(t: Theorem) -> None:
    _facts(t).insert(0, "N - 2 >= 0")


def contradicted(t: Theorem) -> None:
    _facts(t).append("-1 >= 0")


def swapped(t: Theorem) -> None:
    steps = t["definition side"]
    steps[2], steps[3] = steps[3], steps[2]


def missing(t: Theorem) -> None:
    del t["closed-form side"][2]


def no_steps(t: Theorem) -> None:
    t["definition side"], t["closed-form side"] = [], []


def certificate_number(t: Theorem) -> None:
    t["reads and shapes"][0]["products"][0][0] += "0"


def certificate_negative(t: Theorem) -> None:
    products = t["reads and shapes"][0]["products"]
    products.append(["-1", products[0][1]])


def certificate_missing(t: Theorem) -> None:
    t["reads and shapes"].pop()


def certificate_more(t: Theorem) -> None:
    t["reads and shapes"].append(t["reads and shapes"][-1])


def other_equation(t: Theorem) -> None:
    multiples = next(c["multiples"] for c in t["reads and shapes"] if c["multiples"])
    multiples[0][0] = 0


def extent(t: Theorem) -> None:
    _right(t)["sum"][0][1] += " + 1"


def shape(t: Theorem) -> None:
    t["claim"]["right"]["tensor"]["shape"][-1] = "W + 1"
    t["claim"]["right"]["indices"][-1][1] = "W + 1"


def sign(t: Theorem) -> None:
    _right(t)["coefficient"] = "-1"


def not_flipped(t: Theorem) -> None:
    flipped = next(d for d in t["claim"]["definitions"] if d["tensor"]["name"] == "flipped")
    flipped["body"][0]["factors"][0][1][-1] = "b_w"


def condition(t: Theorem) -> None:
    bordered = next(d for d in t["claim"]["definitions"] if d["tensor"]["name"] == "bordered")
    bordered["body"][0]["where"].pop()


def guard(t: Theorem) -> None:
    _step(t, "guard")["arguments"]["conditions"].pop()


def captured(t: Theorem) -> None:
    _right(t)["sum"][1][0] = "i_h"


def captured_in_a_step(t: Theorem) -> None:
    _step(t, "chain")["arguments"]["fresh"][0][0] = t["claim"]["right"]["indices"][0][0]


def after(t: Theorem) -> None:
    t["definition side"][-1]["after"][0]["coefficient"] = "2"


def witness(t: Theorem) -> None:
    t["witness"]["o_h"] = 5


def witness_open(t: Theorem) -> None:
    del t["witness"]["s_h"]


def defined_twice(t: Theorem) -> None:
    t["claim"]["definitions"].append(t["claim"]["definitions"][-1])


def read_before(t: Theorem) -> None:
    t["claim"]["definitions"].reverse()


def half_the_derivative(t: Theorem) -> None:
    t["claim"]["left"][0]["coefficient"] = "1/2"


def other_target(t: Theorem) -> None:
    t["claim"]["target"] = "weight"


def unknown_function(t: Theorem) -> None:
    _right(t)["factors"][0].insert(0, "sine")


def layout(t: Theorem) -> None:
    t["claim"]["right"]["tensor"]["layout"].reverse()


def not_inverse(t: Theorem) -> None:
    _step(t, "reindex")["arguments"]["backward"]["form"] = "-b_h + k_h"


FORGERIES: dict[str, tuple[Callable[[Theorem], None], str]] = {
    "hypothesis dropped": (dropped, "certificate"),
    "hypothesis weakened": (weakened, "certificate"),
    "hypothesis strengthened": (strengthened, "certificate|multiple"),
    "hypotheses contradict": (contradicted, "certificate|multiple|witness"),
    "steps swapped": (swapped, "definition side|step"),
    "step missing": (missing, "step"),
    "no steps": (no_steps, "do not end in the same sum"),
    "number of a certificate": (certificate_number, "does not show"),
    "negative coefficient": (certificate_negative, "negative coefficient"),
    "certificate missing": (certificate_missing, "certificates where"),
    "certificate more": (certificate_more, "certificates where"),
    "no equation": (other_equation, "equation"),
    "extent": (extent, "certificate|step"),
    "shape": (shape, "certificate"),
    "sign": (sign, "step"),
    "kernel not flipped": (not_flipped, "step"),
    "condition dropped": (condition, "certificate"),
    "guard dropped": (guard, "step"),
    "captured index": (captured, "captured"),
    "captured in a step": (captured_in_a_step, "captured"),
    "result of a step": (after, "not what its rule gives"),
    "witness": (witness, "at the witness"),
    "witness open": (witness_open, "leaves open"),
    "defined twice": (defined_twice, "defined twice"),
    "read before": (read_before, "no such entry"),
    "half the derivative": (half_the_derivative, "left side"),
    "another target": (other_target, "axes|left side|laid out"),
    "unknown function": (unknown_function, "no such function"),
    "layout": (layout, "laid out"),
    "not an inverse": (not_inverse, "undo"),
}
"""What is done to the theorem of the input of Conv2d, and a word of the checker's refusal."""

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 7, 1.0, float("nan"), 10**30, "", "0", "1", "-1", "N", "a*b", "b*a"),
    *([], {}, ["x"], [["N"]], "N >= 0", "recip", "exp", "2/4", {"form": "N"}),
)


def mutated(body: dict[str, Any], rng: random.Random) -> tuple[dict[str, Any], str]:
    """One random change somewhere in a body (a copy), and where; parts are picked before places in them."""
    while True:
        forged = deepcopy(body)
        path: list[Any] = ["theorems", rng.choice(list(body["theorems"]))]
        parts = ["claim", "claim", "definition side", "closed-form side", "reads and shapes", "witness"]
        path.append(rng.choice(parts))
        while (below := _at(forged, path)) and isinstance(below, (dict, list)) and rng.random() < 0.9:
            path.append(rng.choice(list(below) if isinstance(below, dict) else range(len(below))))
        _change(_at(forged, path[:-1]), path[-1], rng)
        if json.dumps(forged) != json.dumps(body):
            return forged, "/".join(map(str, path))


def _at(data: Any, path: list[Any]) -> Any:
    for key in path:
        data = data[key]
    return data


def _change(parent: Any, key: Any, rng: random.Random) -> None:
    old, kind = parent[key], rng.choice(("junk", "tweak", "tweak", "tweak", "delete", "double", "swap"))
    if kind == "junk":
        parent[key] = deepcopy(rng.choice(JUNK))
    elif kind == "delete":
        del parent[key]
    elif kind == "double" and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), deepcopy(old))
    elif kind == "swap" and isinstance(parent, list):
        other = rng.randrange(len(parent))
        parent[key], parent[other] = parent[other], parent[key]
    else:
        parent[key] = _tweaked(old, rng)


def _tweaked(old: Any, rng: random.Random) -> Any:
    if isinstance(old, bool) or old is None:
        return not old
    if isinstance(old, int):
        return old + rng.choice((-1, 1, 2))
    if isinstance(old, str):
        pairs = (
            (" - ", " + "),
            (" + ", " - "),
            ("_w", "_h"),
            (" = 0", " >= 0"),
            (" - 1 >= 0", " >= 0"),
            ("1", "2"),
        )
        kept = [old.replace(a, b, 1) for a, b in pairs] + [
            f"{old} + 1",
            f"2*{old}",
            f"-{old}",
            f"{old}'",
            "N",
            "0",
        ]
        return rng.choice([new for new in kept if new != old])
    return old[::-1] if isinstance(old, list) else rng.choice(JUNK)
