"""Attacks on verdicts: not knowing, blocks instead of entries, ties, a condition on the target."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from attack_parts import searching

from derive import differentiate, opinions_isl, opinions_z3, prove
from derive.between.entropy import _claim, facts, logarithm, rows, with_loss
from derive.certify import settled
from derive.claim import Claim, Setting
from derive.errors import LimitError, ProofError
from derive.exhaust import compare
from derive.exhaust_factorised import compare_factorised
from derive.explain import explain
from derive.expr import Definition, Expr, Read, Sum, Tensor, single
from derive.index import Form, Index, Zero
from derive.judge import FACTORISED, judge_by_axes
from derive.layers.conv import Conv1d, Conv2d
from derive.opinions import UNKNOWN, obligations, opinion, opinions_of
from derive.opinions_answer import Answer
from derive.oracle import Oracle
from derive.proof import theorem
from derive.spelling import parse_layer
from derive.statements.elementwise import tensor
from derive.strategy import argue
from derive.theorems import theorems
from derive.verification import verify

Function = Callable[..., Any]

# ---- unknown counted as proved ---------------------------------------------------------------------


def test_unknown_counted_as_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever cannot decide says so: a solver, the search for certificates, the limits, the trace."""
    argument = theorems(Conv1d, {"bias": True, "batched": True})["input"].argument
    asked = obligations(argument)
    assert asked and not any(map(settled, asked))
    for solver, module in (("z3", opinions_z3), ("isl", opinions_isl)):
        assert opinions_of({"input": argument}, [solver]).ok
        monkeypatch.setattr(module, "refute", lambda _: Answer(False, "gave up"))
        said = opinions_of({"input": argument}, [solver])
        assert not said.ok and not said.contradicted
        assert opinion(asked[0], solver).verdict == UNKNOWN != "agrees"
    claim = Conv2d.claims()["input"]
    with pytest.raises(ProofError, match=r"cannot be shown inside its tensor[^$]*not shown"):
        argue(claim, Oracle({}, None))
    layer, shape = Conv2d(64, 64, 3, padding=1), (1, 64, 512, 512)
    with pytest.raises(LimitError, match=r"too many monomials to compare[^$]*got: +[0-9,]{14,}"):
        prove(layer, shape, jobs=1)
    with pytest.raises(LimitError, match="does not fall into axes"):
        prove(parse_layer("GELU()"), (2, 3), factorised=True)


def test_rounded_counted_as_right() -> None:
    """A function whose results differ by what rounding explains is neither right nor wrong."""

    def nearly(dout: Any, x: Any, w: Any) -> dict[str, Any]:
        return {"bias": (dout.astype(float) * (1 + 2.0**-52)).sum((0, 2, 3))}

    found = verify(nearly, Conv2d(1, 1, 2), (1, 1, 5, 6))
    assert not found.ok and found.label == "NOT CHECKED" and "rounding" in found.report


# ---- factorised called exhaustive ------------------------------------------------------------------


def plane(n: int, *, diagonal: bool) -> Claim:
    """y = the sum of x over an n by n plane; or, said instead, n times the sum over its diagonal."""
    size = Form.of(n)
    a, b = Index("a", size), Index("b", size)
    x, y = Tensor("x", (size, size), ((0,), (1,))), Tensor("y", ())
    whole = Sum((a, b), (), (Read(x, (a.form, b.form)),))
    lined = Sum((a, b), (Zero(a.form - b.form),), whole.factors, Fraction(n))
    stated = Definition(Tensor("stated", ()), (), Expr((lined if diagonal else whole,)))
    setting = Setting((), (x,), (Definition(y, (), Expr((whole,))),))
    return Claim("stated", setting, single(Read(y, ())), stated, y)


def axis_by_axis(claim: Claim) -> bool:
    """What a careless comparison does: how often each coordinate occurs, one axis at a time."""
    counts = []
    for body in (claim.setting.definitions[0].body, claim.right.body):
        (term,) = body.terms
        n = int(term.indices[0].extent.evaluate({}))
        pairs = [(i, j) for i in range(n) for j in range(n) if not term.conditions or i == j]
        seen = [np.bincount([p[axis] for p in pairs], minlength=n) * int(term.coefficient) for axis in (0, 1)]
        counts.append(np.array(seen))
    return np.array_equal(*counts)


def test_factorised_called_exhaustive() -> None:
    """Two sides that agree on each axis and not on the plane; and the label, which never says exhaustive."""
    false, right = plane(3, diagonal=True), plane(3, diagonal=False)
    assert axis_by_axis(false) and axis_by_axis(right)
    assert compare(right).ok and compare_factorised(right).found.ok
    assert not compare(false).ok and not compare_factorised(false).found.ok
    assert judge_by_axes(false).label == "REFUTED" and judge_by_axes(right).label == FACTORISED
    layer, shape = Conv2d(1, 2, 2), (1, 1, 3, 4)
    fast, whole = prove(layer, shape, factorised=True), prove(layer, shape)
    assert fast.label == "THIS SIZE, exhaustive modulo factorisation"
    assert whole.label == f"THIS SIZE, {whole.identities:,} identities, exhaustive"
    assert "exhaustively" not in "\n".join(fast.report) and "lemma" in fast.report[-1]
    assert fast.label in fast.to_json() and "identities, exhaustive" not in fast.to_json()


# ---- ties ------------------------------------------------------------------------------------------


def windows(x: Any) -> Any:
    """Pairs of neighbours of the last axis."""
    return x.reshape(*x.shape[:-1], -1, 2)


def last(dout: Any, x: Any) -> Any:
    """Max pooling's gradient sent to the last largest entry of a window."""
    pair = windows(x)
    hit = pair[..., 0] > pair[..., 1]
    return np.stack([dout * hit, dout * ~hit], -1).reshape(x.shape)


def every(dout: Any, x: Any) -> Any:
    """Sent to every largest entry."""
    pair = windows(x)
    return (dout[..., None] * (pair == pair.max(-1, keepdims=True))).reshape(x.shape)


def test_ties() -> None:
    """Right wherever maxima are unique; at ties another entry than PyTorch's first, which the report says."""
    layer, shape = parse_layer("MaxPool1d(2)"), (2, 2, 6)
    x, dout, first = np.zeros(shape), np.ones((2, 2, 3)), np.tile([1.0, 0.0], 3)
    assert not np.array_equal(last(dout, x)[0, 0], first) and every(dout, x).sum() == 2 * dout.sum()
    found = verify(last, layer, shape)
    assert (
        found.label.startswith("TESTED, ")
        and "assumed: each window's largest entry is unique" in found.report
    )
    assert "with ties or zeros, outside the domain, it does not do as PyTorch" in found.report
    found = verify(every, layer, shape)
    assert (
        found.label == "REFUTED" and "the gradient to every entry equal to the selected one" in found.report
    )
    said = prove(layer, shape)
    assert any("largest entry is unique; at ties the first is taken" in line for line in said.assumptions)


# ---- p - y without sum y = 1 -----------------------------------------------------------------------


def test_p_minus_y_without_sum_1() -> None:
    """p - y is proved where the target is divided by its sum, and for no other target."""
    own = rows(("w",))
    y = tensor("target", own.where)
    setting = with_loss(facts(own), y, terms=logarithm(own), own=own)
    assert theorem(argue(_claim(own, setting, y), searching()))
    with pytest.raises(ProofError, match="the two sides do not meet"):
        theorem(argue(_claim(own, setting, y, summed=False), searching()))
    p = np.exp([0.3, -1.0, 0.5]) / np.exp([0.3, -1.0, 0.5]).sum()
    for target in (np.array([0.0, 1, 0]), np.array([1.0, 1, 0])):
        same = np.allclose(target.sum() * p - target, p - target)
        assert same == (target.sum() == 1)


def share(x: Any) -> Any:
    """Softmax over the second axis."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def by_index(logits: Any, labels: Any) -> Any:
    return (share(logits) - np.eye(logits.shape[1])[labels]) / len(logits)


def by_share(logits: Any, y: Any) -> Any:
    return (share(logits) - y) / len(logits)


def test_p_minus_y_of_somebody_else() -> None:
    """Right for class indices, refuted for portions: where they add up to 2 the derivative is another."""
    assert verify(by_index, parse_layer("CrossEntropyLoss()"), (4, 3)).ok
    found = verify(by_share, parse_layer("CrossEntropyLoss(target=probabilities)"), (4, 3))
    assert found.label == "REFUTED" and "with targets that do not add up to 1" in found.report
    logits, y = np.array([[0.25, -1.0, 0.5]]), np.array([[1.0, 0.5, 0.5]])

    def loss(x: Any) -> float:
        return float(-(y * np.log(share(x))).sum())

    steps = np.eye(3)[:, None] * 1e-6
    slopes = np.array([(loss(logits + e) - loss(logits - e)) / 2e-6 for e in steps])
    assert np.abs(slopes - (y.sum() * share(logits) - y)).max() < 1e-8
    assert np.abs(slopes - (share(logits) - y)).max() > 0.1
    page = differentiate(parse_layer("CrossEntropyLoss()"), (2, 3))["input"].to_text()
    assert "Is the gradient p - y? It is (sum of y) p - y" in " ".join(page.split())


# ---- stride 1 only ---------------------------------------------------------------------------------


def unstrided(dout: Any, x: Any, w: Any) -> dict[str, Any]:
    """A convolution's input gradient as it is at stride 1, whatever the stride."""
    found = np.zeros(x.shape, object)
    for row, column in np.ndindex(dout.shape[2:]):
        part = np.tensordot(dout[:, :, row, column], w, (1, 0))
        found[:, :, row : row + w.shape[2], column : column + w.shape[3]] += part
    return {"input": found}


def test_stride_1_only_of_somebody_else() -> None:
    """Asked at stride 1 it is right, and what was covered is said; at stride 2 it is refuted and named."""
    found = verify(unstrided, Conv2d(2, 2, 2), (1, 2, 4, 3))
    assert found.label == "THIS SIZE, 24 identities, exhaustive"
    assert "covered: input\n" in found.report and "not covered: weight, bias" in found.report
    assert "Says nothing of other sizes" in " ".join(explain(found.label).split())
    found = verify(unstrided, Conv2d(2, 2, 2, stride=2), (1, 2, 4, 5))
    assert not found.ok and found.label == "REFUTED" and "stride dropped" in found.report
