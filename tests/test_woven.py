"""WOVEN against plain sums on whole numbers: steps of two, pairs, tables, selections; a slip is seen."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from itertools import count, product
from typing import Any

import pytest

from codegen.loops import Assign, Buffer, Call, Kernel, Loop, Statement
from codegen.run import run
from codegen.schedules.nest import SUM, Access, Choice, Ending, Target, Term
from codegen.schedules.picked import picked
from codegen.schedules.woven import Woven, woven
from derive.index import Form, name

TARGET = Target(4, 12, 16)
OUT = Buffer("out", 3 * 2 * 64)


def access(title: str, steps: Mapping[str, int], base: int = 0, size: int = 4096) -> Access:
    at = Form.of(base)
    for index, step in steps.items():
        at = at + name(index) * step
    return Access(Buffer(title, size), at)


def computed(
    out: Access, free: Mapping[str, int], terms: tuple[Term, ...], data: dict[str, list[int]]
) -> list[Any]:
    """The sums by plain loops."""
    found: list[Any] = [None] * out.buffer.count
    for values in product(*(range(e) for e in free.values())):
        at = dict(zip(free, values, strict=True))
        total = 0
        for term in terms:
            for inner in product(*(range(e) for e in term.bound.values())):
                here = {**at, **dict(zip(term.bound, inner, strict=True))}
                one = 1
                for a in term.factors:
                    one *= data[a.buffer.name][a.at.evaluate(here)]
                codes = (data[c.code.buffer.name][c.code.at.evaluate(here)] for c in term.choices)
                wanted = (c.value.evaluate(here) for c in term.choices)
                total += one if all(a == b for a, b in zip(codes, wanted, strict=True)) else 0
        found[out.at.evaluate(at)] = total
    return found


def ran(made: Woven, body: tuple[Statement, ...], data: dict[str, list[int]]) -> list[Any]:
    buffers = {a.buffer.name: a.buffer for a in made.reads}
    kernel = Kernel("output", made.out.buffer, tuple(buffers.values()), (), body)
    return [v if isinstance(v, int) else None for v in run(kernel, data, TARGET.lanes).tolist()]


def box(rng: random.Random) -> tuple[Access, dict[str, int], tuple[Term, ...]]:
    """A random box: a line of entries one or two apart, a pair or none, factors along it or not."""
    paired = rng.random() < 0.5
    line, rows = rng.randint(4, 19), rng.randint(2, 3)
    free = {"r": rows, "f": line, **({"p": 2} if paired else {})}
    steps = {"r": 64, "f": 2, "p": 1} if paired else {"r": 64, "f": 1}
    bound = {n: rng.randint(2, 3) for n in rng.sample(["a", "b"], rng.randint(0, 2))}
    factors = []
    for number in range(rng.randint(1, 3)):
        own = {"r": rng.choice([0, 50]), "f": rng.choice([0, 1, 1, 2, 2, 7]), "p": rng.choice([0, 1, 3])}
        own |= {n: rng.choice([0, 1, 2, 40]) for n in bound}
        factors.append(
            access(f"x{number}", {n: s for n, s in own.items() if n in (*free, *bound)}, rng.randint(0, 9))
        )
    return access("out", steps, size=OUT.count), free, (Term(bound, (), tuple(factors)),)


def test_random_boxes_are_plain_sums() -> None:
    seen: set[str] = set()
    for seed in range(100):
        rng = random.Random(seed)
        out, free, terms = box(rng)
        made = woven(out, free, terms, TARGET)
        if made is None:
            assert any(a.slope("f") > 2 for a in terms[0].factors) or terms[0].bound, seed
            continue
        body = made.statements(count(1))
        data = {a.buffer.name: [rng.randint(-9, 9) for _ in range(4096)] for a in made.reads}
        assert ran(made, body, data) == computed(out, free, terms, data), seed
        seen |= {s.value.operation for s in walked(body) if isinstance(s, Assign)}
        seen |= {"far"} if made.far else set()
    assert {"v_even", "v_odd", "v_zip_low", "v_zip_high", "v_load_strided", "v_load_part", "far"} <= seen


@pytest.mark.parametrize("line", [4, 7, 12])
def test_entries_chosen_by_codes_are_woven(line: int) -> None:
    free = {"r": 2, "f": line, "p": 2}
    out = access("out", {"r": 64, "f": 2, "p": 1}, size=OUT.count)
    code = access("code", {"r": 20, "f": 1})
    choice = Choice(code, name("f") * 2 + name("p") + name("r") * 5)
    terms = (Term({}, (), (access("x", {"r": 20, "f": 1}),), (choice,)),)
    made = woven(out, free, terms, TARGET)
    assert made is not None and made.pair == "p"
    rng = random.Random(line)
    data = {"x": [rng.randint(1, 9) for _ in range(4096)], "code": [-1] * 4096}
    for r, f in product(range(2), range(line)):
        data["code"][20 * r + f] = 2 * f + 5 * r + rng.randint(0, 2)
    body = made.statements(count(1))
    found = ran(made, body, data)
    assert found == computed(out, free, terms, data) and any(found[:10])
    left = [s for s in walked(body) if isinstance(s, Assign) and s.value.operation == "v_sub"]
    sames = [s for s in walked(body) if isinstance(s, Assign) and s.value.operation == "v_same"]
    assert 2 * len(left) <= len(sames) and all(s.value.arguments[0] in {v.name for v in left} for s in sames)


def test_rows_that_share_codes_are_done_side_by_side() -> None:
    free = {"r": 3, "q": 2, "f": 8, "p": 2}
    out = access("out", {"r": 32, "q": 16, "f": 2, "p": 1}, size=OUT.count)
    choice = Choice(access("code", {"r": 8, "f": 1}), name("f") * 2 + name("p") + name("q") * 16)
    terms = (Term({}, (), (access("x", {"r": 8, "f": 1}),), (choice,)),)
    made = woven(out, free, terms, TARGET)
    assert made is not None and made.rows == "q" and "q side by side" in made.note()
    rng = random.Random(3)
    data = {"x": [rng.randint(1, 9) for _ in range(4096)], "code": [rng.randint(-1, 33) for _ in range(4096)]}
    for r, f in product(range(3), range(8)):
        data["code"][8 * r + f] = 2 * f + rng.choice([0, 1, 16, 17, 2])
    body = made.statements(count(1))
    assert ran(made, body, data) == computed(out, free, terms, data)
    assert sum(ran(made, body, data)[:96]) > 0


@pytest.mark.parametrize("extent", [4, 15, 16, 37, 64])
@pytest.mark.parametrize("by", [1, -1])
def test_what_a_code_picks_along_a_row(extent: int, by: int) -> None:
    """The last place of every chain and of the rest is picked once, others give nothing."""
    out, x, code = (
        access("out", {"n": 1}, size=OUT.count),
        access("x", {"n": 64, "c": 1}),
        access("code", {"n": 1}),
    )
    term = Term({"c": extent}, (), (x,), (Choice(code, name("c") * by),))
    made = picked(out, {"n": 70}, term, TARGET)
    assert made is not None
    data = {"x": [3 + i for i in range(70 * 64)], "code": [by * (i - 2) for i in range(70)]}
    buffers = (Buffer("x", 70 * 64), Buffer("code", 70))
    kernel = Kernel("output", Buffer("out", 70), buffers, (), made.statements(count(1)))
    wanted = [data["x"][64 * n + n - 2] if 0 <= n - 2 < extent else 0 for n in range(70)]
    assert run(kernel, data, TARGET.lanes).tolist() == wanted
    wrong = made.statements(count(1))
    slip = [replace(s, value=Call("v_index", (Form.of(1), 0))) if _far(s) else s for s in wrong]
    if extent >= 16:
        moved = run(replace(kernel, body=tuple(slip)), data, TARGET.lanes).tolist()
        assert moved != wanted


def _far(statement: Statement) -> bool:
    return isinstance(statement, Assign) and statement.name == "v_on0_3"


def test_the_first_largest_is_taken_with_its_code() -> None:
    codes = access("codes", {"r": 64, "f": 1}, size=OUT.count)
    out = access("out", {"r": 64, "f": 1}, size=OUT.count)
    window = access("x", {"r": 40, "f": 2, "a": 20, "b": 1})
    term = Term({"a": 2, "b": 2}, (), (window,), (Choice(codes, name("a") * 7 + name("b")),))
    made = woven(out, {"r": 2, "f": 9}, (term,), TARGET, Ending(True, first="largest", codes=codes))
    assert made is not None
    rng = random.Random(1)
    data = [rng.randint(0, 3) for _ in range(4096)]
    held = replace(codes.buffer, offset=0)
    kernel = Kernel("output", out.buffer, (window.buffer,), (held,), made.statements(count(1)))
    found = run(kernel, {"x": data}, TARGET.lanes)
    for r, f in product(range(2), range(9)):
        window_of = [data[40 * r + 2 * f + 20 * a + b] for a in (0, 1) for b in (0, 1)]
        assert found[64 * r + f] == max(window_of)
    assert "codes" in {b.name for b in kernel.scratch}


def test_what_does_not_fit_has_no_such_schedule() -> None:
    out, free = access("out", {"r": 64, "f": 1}, size=OUT.count), {"r": 2, "f": 9}
    term = Term({}, (), (access("x", {"r": 20, "f": 1}),))
    assert woven(out, free, (term,), TARGET) is not None
    assert woven(out, free, (replace(term, minus=True),), TARGET) is None
    assert woven(out, free, (replace(term, bound={"a": 99}),), TARGET) is None
    apart = woven(access("out", {"r": 64, "f": 3}), free, (term,), TARGET)
    assert apart is not None and apart.line == "" and "single elements" in apart.note()
    assert woven(out, free, (term,), Target(1, 12, 16)) is None and SUM.first == ""


def test_a_slip_is_seen() -> None:
    """Even places for odd ones, one half for the other, a product left out."""
    seen = 0
    for seed in range(60):
        rng = random.Random(seed)
        out, free, terms = box(rng)
        made = woven(out, free, terms, TARGET)
        if made is None or not any(a.slope("f") for a in terms[0].factors):
            continue
        body = made.statements(count(1))
        data = {a.buffer.name: [rng.randint(1, 10**6) for _ in range(4096)] for a in made.reads}
        right = computed(out, free, terms, data)
        for old, new in (("v_odd", "v_even"), ("v_zip_high", "v_zip_low"), ("v_even", "v_odd")):
            if any(isinstance(s, Assign) and s.value.operation == old for s in walked(body)):
                assert ran(made, swapped(body, old, new), data) != right, (seed, old)
                seen += 1
    assert seen > 20


def walked(body: tuple[Statement, ...]) -> list[Statement]:
    return [t for s in body for t in (s, *(walked(s.body) if isinstance(s, Loop) else ()))]


def swapped(body: tuple[Statement, ...], old: str, new: str) -> tuple[Statement, ...]:
    """A body with an operation replaced by another."""
    found: list[Statement] = []
    for s in body:
        if isinstance(s, Loop):
            found.append(replace(s, body=swapped(s.body, old, new)))
        elif isinstance(s, Assign) and s.value.operation == old:
            found.append(Assign(s.name, Call(new, s.value.arguments)))
        else:
            found.append(s)
    return tuple(found)
