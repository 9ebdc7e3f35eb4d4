"""The cutting of a result into boxes: every entry in one of them, runs that follow strides and pads."""

from __future__ import annotations

import numpy as np
import pytest
from random_claims import random_claim

from codegen.loops import Buffer
from codegen.pieces import MOST_BOXES, Run, boxes, ends
from codegen.schedules.nest import Access, Term
from derive.index import Condition, Form, Within, Zero, name


@pytest.mark.parametrize(
    "condition", [Within(name("f") - name("q") * 3 + 1, Form.of(2)), Zero(name("f") - name("q") * 2)]
)
def test_ends_are_the_values_that_a_condition_lets_through(condition: Condition) -> None:
    for f in range(-20, 20):
        allowed = [q for q in range(-30, 30) if condition.holds({"f": f, "q": q})]
        (low, below, _), (high, above, _) = ends(condition, "q")
        first, last = low.evaluate({"f": f}) // below, high.evaluate({"f": f}) // above
        assert allowed == list(range(first, last))


def test_boxes_cover_every_entry_once() -> None:
    for seed in range(60):
        claim = random_claim(seed)
        free = {i.name: int(i.extent.constant or 0) for i in claim.indices}
        at = Form()
        for n, e in free.items():
            at = at * e + name(n)
        size = int(np.prod(list(free.values())))
        terms = [
            Term({i.name: int(i.extent.constant or 0) for i in t.indices}, t.conditions, ())
            for t in claim.right.body.terms
        ]
        cut = boxes(Access(Buffer("out", size), at), free, terms)
        assert len(cut) <= MOST_BOXES
        places = [int(v) for box in cut for v in np.ravel(listed(box.out.at, box.free))]
        assert sorted(places) == list(range(size)), seed


def listed(form: Form, ranges: dict[str, int]) -> np.ndarray:
    grid = dict(zip(ranges, np.ix_(*(np.arange(e) for e in ranges.values())), strict=True)) if ranges else {}
    return np.asarray(form.evaluate(grid)) + np.zeros(tuple(ranges.values()), np.int64)


def test_a_stride_is_cut_into_phases_and_a_pad_into_ranges() -> None:
    bracket = Within(name("f") - name("q") * 2 + 1, Form.of(3))
    out = Access(Buffer("out", 20), name("f"))
    cut = boxes(out, {"f": 20}, [Term({"q": 10}, (bracket,), ())])
    inner = [b for b in cut if b.free.get("f", 1) > 4]
    assert [b.terms[0].bound for b in inner] == [{}, {"q": 2}] and all(b.out.slope("f") == 2 for b in inner)
    assert not any(t.conditions for b in cut for t in b.terms)
    pad = [
        Term({}, (Within(name("f") - 3, Form.of(14)),), ()),
        Term({}, (Within(name("f"), Form.of(3)),), ()),
    ]
    assert [(b.free["f"], len(b.terms)) for b in boxes(out, {"f": 20}, pad)] == [(3, 1), (14, 1), (3, 0)]
    assert Run(2, 3, 4).form("f") == name("f") * 3 + 2 and Run(2, 3, 1).form("f") == Form.of(2)


def test_phases_that_are_the_same_sum_are_one_run() -> None:
    """Nearest by 3: three places side by side hold one entry; the place within a step has its own index."""
    bracket = Within(name("f") - name("q") * 3, Form.of(3))
    (box,) = boxes(Access(Buffer("out", 30), name("f")), {"f": 30}, [Term({"q": 10}, (bracket,), ())])
    assert box.free == {"f": 10, "f_in": 3} and box.out.at == name("f") * 3 + name("f_in")
    assert not box.terms[0].bound and not box.terms[0].conditions
    assert sorted(Run(1, 4, 3, width=2).values()) == [1, 2, 5, 6, 9, 10]
