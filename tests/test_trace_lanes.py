"""Whole vectors of the tracing element against one lane after another, and the runs that they rest on."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from test_validate_parts import claims, compiled

from codegen.factorise import Factorised
from codegen.plan import CPlan, Plan, _runs, plan_of
from codegen.relation import relation_of, shape_of
from derive.spelling import parse_layer

STEPS = """
#include "backflip_ops.h"
void whole(E *acc, const E *a, const E *b) { v_store(acc, v_fma(v_load(acc), v_load(a), v_load(b))); }
void singly(E *acc, const E *a, const E *b) {
    for (int i = 0; i < BF_LANES; i++) acc[i].word = trace_fma(acc[i].word, a[i].word, b[i].word);
}
/* kind, reason or entry, terms missing, a mix of the terms it has */
void told(const E *x, int64_t *out) {
    const trace_slot *slot = trace_kind(x->word) == TRACE_SUM ? trace_live(x->word) : NULL;
    out[0] = trace_kind(x->word), out[1] = (int64_t)((x->word >> 48) & 255), out[2] = 0, out[3] = 0;
    if (!slot) return;
    out[1] = slot->result, out[2] = slot->missing;
    for (int64_t i = 0; slot->set >= 0 && i < trace.set_words; i++)
        out[3] = out[3] * 0x9E3779B9 + (int64_t)trace_bits(slot->set, 0)[i];
}
"""
CASES = (
    ("Conv2d(2, 3, 3, padding=1)", (1, 2, 7, 19)),
    ("Conv2d(4, 4, (3, 2), stride=2, dilation=(1, 2), groups=2)", (2, 4, 7, 33)),
    ("Conv1d(2, 2, 4, stride=3, padding=2)", (2, 2, 50)),
    ("Linear(20, 19)", (3, 20)),
)
LANES = 16


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    found = compiled(tmp_path_factory.mktemp("steps"), STEPS, "BF_ELEMENT_TRACE", f"BF_LANES={LANES}")
    found.bf_trace_begin.argtypes = (ctypes.POINTER(CPlan), ctypes.c_int64)
    return found


def leaf(operand: int, entry: int) -> int:
    return 2 << 62 | 1 << 56 | operand << 48 | entry


def steps(plan: Plan, family: Factorised, rng: np.random.Generator) -> list[tuple[int, Any, Any]]:
    """Products in vectors: terms of entries side by side, some moved, repeated, zero, stale or of no term."""
    shapes = [shape_of(t) for t in family.tensors]
    numbers = [plan.operands.index(t.name) for t in family.tensors[1:]]
    results, found = int(np.prod(shapes[0])), []
    for start in range(0, results, LANES):
        ranks = [r for r in range(family.ranks) if family.has(start, r)]
        for rank in rng.permutation(ranks + ranks[: int(rng.random() < 0.1)]):
            rows = [np.zeros(LANES, np.uint64), np.zeros(LANES, np.uint64)]
            for lane in range(min(LANES, results - start)):
                here = start + lane
                spots = family.term(here, int(rank)) if family.has(here, int(rank)) else None
                for row, number, shape, spot in zip(
                    rows, numbers, shapes[1:], spots or ((), ()), strict=True
                ):
                    entry = int(np.ravel_multi_index(spot, shape)) if spots else 0
                    row[lane] = leaf(number, entry) if spots else 1 << 62
            found.append((start // LANES, *_disturbed(rows, rng)))
    return found


def _disturbed(rows: list[Any], rng: np.random.Generator) -> list[Any]:
    """The factors in either order; now and then a lane that is zero, spoiled, stale or another operand's."""
    rows = rows[:: rng.choice([1, -1])]
    if rng.random() < 0.03:
        row, lane = rows[rng.integers(2)], rng.integers(LANES)
        other = (
            1 << 62,
            0,
            leaf(0, 0) ^ 3 << 56,
            int(row[rng.integers(LANES)]),
            leaf(7, 1),
            3 << 62 | 1 << 56,
        )
        row[lane] = other[rng.integers(len(other))]
    return rows


def outcome(
    library: ctypes.CDLL, plan: Plan, name: str, moves: list[tuple[int, Any, Any]]
) -> list[list[int]]:
    """What every accumulator is after all moves, which `name` makes; and the counts of products."""
    library.bf_trace_begin(ctypes.byref(plan.c_plan), 1)
    number = max(spot for spot, _, _ in moves) + 1
    sums = np.full((number, LANES), 1 << 62, np.uint64)
    for spot, a, b in moves:
        getattr(library, name)(*(ctypes.c_void_p(x.ctypes.data) for x in (sums[spot], a, b)))
    told = np.zeros((sums.size, 4), np.int64)
    for word, row in zip(sums.reshape(-1, 1), told, strict=True):
        library.told(ctypes.c_void_p(word.ctypes.data), ctypes.c_void_p(row.ctypes.data))
    counts = np.zeros(8, np.int64)
    library.bf_trace_counts(ctypes.c_void_p(counts.ctypes.data))
    return [*told.tolist(), counts[:3].tolist()]


@pytest.mark.parametrize("text, shape", CASES)
@pytest.mark.parametrize("key", ["output", "input", "weight"])
def test_a_vector_is_what_its_lanes_are_one_by_one(
    library: ctypes.CDLL, text: str, shape: tuple[int, ...], key: str
) -> None:
    relation = relation_of(claims(parse_layer(text), shape)[key])
    plan = plan_of(relation)
    family = next(f for f in plan.families if len(f.tensors) == 3)
    moves = steps(plan, family, np.random.default_rng(len(text)))
    singly = outcome(library, plan, "singly", moves)
    assert outcome(library, plan, "whole", moves) == singly
    kinds = [row[0] for row in singly[:-1]]
    assert kinds.count(3) > 5 and (kinds.count(0) > 5 or len(moves) < 100), "some are spoiled, some sums"


@pytest.mark.parametrize("name", ["whole", "singly"])
@pytest.mark.parametrize("beyond", [0, 1, 60, 10**5, 2**40])
def test_a_leaf_of_no_entry_is_no_term_and_no_crash(library: ctypes.CDLL, name: str, beyond: int) -> None:
    """What a kernel reads beside a buffer may be a word of an earlier, larger run: no table is read there."""
    plan = plan_of(relation_of(claims(parse_layer("Conv2d(1, 2, 3)"), (1, 1, 6, 5))["output"]))
    shapes = {t.name: shape_of(t) for t in plan.relation.operands}
    number = plan.operands.index("input")
    entry = int(np.prod(shapes["input"])) - 1 + beyond
    a, b = (np.full(LANES, leaf(n, e), np.uint64) for n, e in ((number, entry), (1 - number, 8)))
    for x, y in ((a, b), (b, a)):
        told = outcome(library, plan, name, [(0, x, y)])
        assert [row[0] for row in told[:-1]] == [0 if beyond else 3] * LANES


def test_runs_are_what_the_rows_are() -> None:
    """Every run by brute force: the rows go on alike for so long and no longer."""
    rng = np.random.default_rng(2)
    length = []
    for _ in range(40):
        width, last = int(rng.integers(1, 4)), rng.choice([0, 1, 1, 2, -1], 60).cumsum()
        places = np.stack([*(rng.random((width - 1, 60)) < 0.1).cumsum(axis=1), last])
        part = (rng.choice([0, 2**32, 2**32, 2**32 + 1], 60)).cumsum()
        rows = np.empty((60, 2 + width), np.int32)
        rows[:, :2] = part.view(np.int32).reshape(-1, 2)
        rows[:, 2:] = places.T
        length += [_alike(rows, start, int(run)) for start, run in enumerate(_runs(rows))]
    assert max(length) > 4


def _alike(rows: Any, start: int, run: int) -> int:
    """Checks one run; returns its length."""
    part = np.ascontiguousarray(rows[:, :2]).view(np.int64)[:, 0]
    whole = np.column_stack([part, rows[:, 2:].astype(np.int64)])
    moves = np.diff(whole, axis=0)
    fits = [
        n
        for n in range(1, len(rows) - start + 1)
        if n == 1
        or (
            (moves[start : start + n - 1] == moves[start]).all()
            and not moves[start, 1:-1].any()
            and moves[start, -1] in (0, 1)
        )
    ]
    assert run == max(fits)
    return run


def test_a_run_too_long_would_take_a_product_for_a_term(
    library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: past the end of a channel, input[0, 1, 0] * weight[0, 0, 0] is no term of output[0, 1, 0]."""
    relation = relation_of(claims(parse_layer("Conv1d(2, 2, 1, bias=False)"), (1, 2, 5))["output"])
    plan = plan_of(relation)
    x, w = (plan.operands.index(name) for name in ("input", "weight"))
    rows = np.full((4, LANES), 1 << 62, np.uint64)
    rows[0, :6] = [leaf(x, 5 + lane % 5) for lane in range(6)]
    rows[1, :6] = [leaf(w, 1 if lane < 5 else 3) for lane in range(6)]
    rows[2, :10], rows[3] = [leaf(x, i) for i in range(10)], leaf(w, 0)
    moves = [(0, rows[0], rows[1]), (0, rows[2], rows[3])]
    for name in ("singly", "whole"):
        assert outcome(library, plan, name, moves)[5][:2] == [0, 2], "no term of the definition"
    monkeypatch.setattr(
        "codegen.plan._runs", lambda r: np.append(np.full(len(r) - 1, 255), 1).astype(np.uint8)
    )
    assert outcome(library, plan_of(relation), "whole", moves)[5] == [3, 5, 0, 0]
