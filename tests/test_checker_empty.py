"""Right sides without terms: what is asked of indices is asked of them too."""

from __future__ import annotations

from typing import Any

import pytest

from derive import checker
from tests.forged import core_accepts, sealed

Data = dict[str, Any]


def tensor(name: str, *shape: str) -> Data:
    return {"name": name, "shape": list(shape), "layout": [[axis] for axis in range(len(shape))]}


def term(*factors: Any, where: Any = (), coefficient: str = "1") -> Data:
    return {"sum": [], "where": list(where), "coefficient": coefficient, "factors": list(factors)}


def defined(name: str, indices: list[list[str]], *body: Data) -> Data:
    extents = [extent for _, extent in indices]
    return {"tensor": tensor(name, *extents), "indices": indices, "body": list(body), "role": ""}


def step(rule: str, arguments: Data, *after: Data) -> Data:
    return {"rule": rule, "arguments": arguments, "certificates": [], "after": list(after), "reason": ""}


def claimed(facts: list[str], y: Data, left: Data, right: Data, steps: list[Data], witness: Data) -> str:
    claim = {"name": "y", "facts": facts, "inputs": [tensor("x", "N")], "definitions": [y], "left": [left]}
    theorem = {
        "claim": {**claim, "right": right, "target": "y"},
        "definition side": steps,
        "closed-form side": [],
        "reads and shapes": [],
        "witness": witness,
    }
    body = {"format": checker.FORMAT, "layer": "X", "choices": {}, "theorems": {"y": theorem}}
    return sealed(body)


def difference(indices: list[list[str]]) -> str:
    """y[a,b] := x[a] - x[b] is 0: true on the diagonal only."""
    y = defined("y", [["a", "N"], ["b", "N"]], term(["x", ["a"]]), term(["x", ["b"]], coefficient="-1"))
    names = [name for name, _ in indices]
    opened = [term(["x", [names[0]]]), term(["x", [names[1]]], coefficient="-1")]
    steps = [step("unfold", {"term": 0, "factor": 0, "fresh": [[], []]}, *opened)]
    steps += [step("collect", {"term": 0, "other": 1})]
    witness = {"N": 2, **dict.fromkeys(names, 0)}
    return claimed(["N - 2 >= 0"], y, term(["y", names]), defined("z", indices), steps, witness)


def only_at_zero() -> str:
    """y[a] := [a = 0] x[a] - x[a] is 0, the free index being called as a size that is 0."""
    y = defined("y", [["a", "N"]], term(["x", ["a"]], where=[["a"]]), term(["x", ["a"]], coefficient="-1"))
    here, less = term(["x", ["M"]]), term(["x", ["M"]], coefficient="-1")
    steps = [
        step("unfold", {"term": 0, "factor": 0, "fresh": [[], []]}, term(["x", ["M"]], where=[["M"]]), less),
        step("guard", {"term": 0, "conditions": []}, here, less),
        step("collect", {"term": 0, "other": 1}),
    ]
    left, right = term(["y", ["M"]]), defined("z", [["M", "N"]])
    return claimed(["N - 2 >= 0", "M = 0"], y, left, right, steps, {"N": 2, "M": 0})


@pytest.mark.parametrize("text", [difference([["i", "N"], ["i", "N"]]), only_at_zero()])
def test_a_false_theorem_with_an_empty_right_side_is_refused(text: str) -> None:
    with pytest.raises(checker.Refused, match="captured index name in z"):
        checker.check_text(text)
    assert not core_accepts(text)


def test_the_same_with_its_own_indices_fails_where_it_is_false() -> None:
    """What the forgeries differ in is the name alone: with distinct indices the step itself is refused."""
    with pytest.raises(checker.Refused, match="not like terms"):
        checker.check_text(difference([["i", "N"], ["j", "N"]]))


def test_what_is_divided_by_is_printed() -> None:
    from derive.layers import registry
    from derive.theorems import certificate_text

    kind = registry()["Softmax"]
    said = [t.statement for t in checker.check_text(certificate_text(kind, kind.chosen({}))).theorems]
    assert all("supposing that no entry of total is 0" in lines for lines in said)
