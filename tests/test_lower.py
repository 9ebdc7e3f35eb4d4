"""Lowered loops against plain NumPy on exact numbers, and that a wrong loop is seen."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from conv_reference import operands, random_layer, reference

from codegen.algebra import settle
from codegen.errors import BuildError
from codegen.loops import Assign, Buffer, Call, Kernel, Loop, Place, Pointer, Statement
from codegen.lower import by_nests, lower, ranked
from codegen.run import UNWRITTEN, run
from codegen.schedules.nest import Target
from codegen.stage import Layout
from derive.expr import Expr, Read, Sum, Tensor
from derive.index import Form, Index, Zero, name
from derive.instance import claim_at
from derive.layers.conv import Conv2d
from derive.layers.upsampling import Upsample

SMALL = Target(4, 12, 16)


def kernels_of(layer: Conv2d, shape: tuple[int, ...], target: Target = SMALL) -> dict[str, Kernel]:
    claims = layer.claims(**layer.choices(shape))
    return {key: by_nests(key, claim_at(c, layer.sizes(shape)), target).kernel for key, c in claims.items()}


def candidates_of(
    layer: Conv2d, shape: tuple[int, ...], target: Target, most: int
) -> Iterator[tuple[str, Kernel]]:
    """The kernel by nests of each claim, and some of specialised schedules, taken from all over the list."""
    for key, claim in layer.claims(**layer.choices(shape)).items():
        at_sizes = claim_at(claim, layer.sizes(shape))
        yield key, by_nests(key, at_sizes, target).kernel
        found = [c.kernel for c in ranked(key, at_sizes, target)]
        for kernel in found[:: max(1, -(-len(found) // most))]:
            yield key, kernel


def agree(layer: Conv2d, shape: tuple[int, ...], target: Target, seed: int) -> Counter[tuple[str, str]]:
    data = operands(layer, shape, seed, object, 99)
    exact = reference(layer, data)
    chosen: Counter[tuple[str, str]] = Counter()
    for key, kernel in candidates_of(layer, shape, target, 3):
        found = run(kernel, data, target.lanes)
        assert (found == exact[key]).all(), (layer, shape, key, kernel.notes)
        chosen.update((key, note.split()[0]) for note in kernel.notes)
    return chosen


def sweep(first: int, count: int) -> Counter[tuple[str, str]]:
    chosen: Counter[tuple[str, str]] = Counter()
    for seed in range(first, first + count):
        rng = random.Random(seed)
        layer, shape = random_layer(rng)
        chosen += agree(layer, shape, Target(rng.choice([2, 4, 8]), 12, 16), seed)
    return chosen


def test_loops_equal_plain_numpy_on_random_layers() -> None:
    chosen = sweep(0, 60)
    met = {"output": ("FLAT", "LANES"), "input": ("FLAT",), "weight": ("FILTER", "LANES"), "bias": ("LANES",)}
    assert all(chosen[key, title] for key, titles in met.items() for title in titles), chosen


@pytest.mark.sweep
def test_loops_equal_plain_numpy_on_many_layers() -> None:
    sweep(1000, 600)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv2d(1, 1, 1), (1, 1, 1, 1)),
        (Conv2d(1, 1, 1, padding=6, stride=5), (1, 1, 1, 1)),
        (Conv2d(1, 1, 1, stride=4), (2, 1, 7, 9)),
        (Conv2d(2, 2, 2, padding="full", dilation=3, groups=2), (2, 5, 5)),
        (Conv2d(1, 2, (1, 17), stride=2), (1, 1, 1, 40)),
        (Conv2d(1, 2, (1, 3), stride=(1, 2), dilation=(1, 2)), (1, 1, 2, 23)),
        (Conv2d(1, 1, 1, padding=((0, 3), (5, 0)), stride=3, bias=False), (1, 1, 2, 2)),
        (Conv2d(3, 5, 2, padding=1), (2, 3, 6, 5)),
        (Conv2d(2, 3, 1), (1, 2, 4, 6)),
    ],
)
def test_corner_shapes(layer: Conv2d, shape: tuple[int, ...]) -> None:
    for lanes in (2, 8):
        agree(layer, shape, Target(lanes, 12, 16), 7)


def test_fractions_are_elements_too() -> None:
    layer, shape = Conv2d(1, 2, 2, stride=2, padding=1), (1, 1, 4, 5)
    data = {n: a * Fraction(1, 3) for n, a in operands(layer, shape, 3, object).items()}
    for key, kernel in kernels_of(layer, shape).items():
        assert (run(kernel, data, 4) == reference(layer, data)[key]).all()


def test_inserted_zeros_are_not_multiplied_in_the_weight_gradient() -> None:
    kernel = kernels_of(Conv2d(1, 1, 3, stride=2), (1, 1, 9, 33))["weight"]
    assert [b.name for b in kernel.scratch] == ["padded_input"]


def test_flip_is_index_arithmetic() -> None:
    kernel = kernels_of(Conv2d(1, 1, 3, padding=1), (1, 1, 8, 8))["input"]
    assert [b.name for b in kernel.scratch] == ["bordered"]
    assert "- b_w" in "".join(str(s.at) for s in flat(kernel.body) if isinstance(s, Place))


def flat(body: tuple[Statement, ...]) -> list[Statement]:
    from codegen.loops import statements

    return list(statements(body))


# ---------------------------------------------------------------- sabotage: what the comparison must see


def mapped(body: tuple[Statement, ...], change: Callable[[Statement], Statement]) -> tuple[Statement, ...]:
    done = []
    for statement in body:
        new = change(statement)
        done.append(replace(new, body=mapped(new.body, change)) if isinstance(new, Loop) else new)
    return tuple(done)


def unflipped(statement: Statement) -> Statement:
    """The weight read forwards on b_w, from the other end of its row."""
    if isinstance(statement, Place) and statement.name == "at_w":
        return replace(statement, at=statement.at.substitute({"b_w": -name("b_w") + 2}))
    return statement


def tap_off(statement: Statement) -> Statement:
    if isinstance(statement, Place) and statement.name == "at_x":
        return replace(statement, at=statement.at + 1)
    return statement


def short_sum(statement: Statement) -> Statement:
    if isinstance(statement, Loop) and statement.name == "b_h":
        return replace(statement, stop=statement.stop - 1)
    return statement


def stale_pads(statement: Statement) -> Statement:
    """Scratch that is not set to zero first."""
    if isinstance(statement, Loop) and statement.name == "t":
        return replace(statement, start=statement.stop)
    return statement


@pytest.mark.parametrize("change", [unflipped, tap_off, short_sum, stale_pads])
def test_a_wrong_loop_is_seen(change: Callable[[Statement], Statement]) -> None:
    layer, shape = Conv2d(1, 2, 3, padding=1), (1, 1, 6, 7)
    kernel = kernels_of(layer, shape)["input"]
    data = operands(layer, shape, 1, object)
    exact = reference(layer, data)["input"]
    assert (run(kernel, data, 4) == exact).all()
    broken = replace(kernel, body=mapped(kernel.body, change))
    assert broken != kernel
    try:
        wrong = run(broken, data, 4) != exact
    except IndexError:
        return
    assert wrong.any()


def test_addresses_outside_a_buffer_are_refused() -> None:
    kernel = kernels_of(Conv2d(1, 1, 2), (1, 1, 3, 9))["output"]
    body = mapped(
        kernel.body, lambda s: replace(s, at=s.at + 30) if isinstance(s, Place) and s.name == "at_x" else s
    )
    with pytest.raises(IndexError, match="outside"):
        run(replace(kernel, body=body), operands(Conv2d(1, 1, 2), (1, 1, 3, 9), 0, object), 4)


def test_what_is_never_stored_shows() -> None:
    out = Buffer("out", 2)
    found = run(Kernel("output", out, (), (), (Assign("a", Call("e_zero")),)), {}, 4)
    assert all(v is UNWRITTEN for v in found)
    assert UNWRITTEN + 1 is UNWRITTEN and 2 * UNWRITTEN is UNWRITTEN


def test_operands_of_the_wrong_size_are_refused() -> None:
    kernel = kernels_of(Conv2d(1, 1, 2), (1, 1, 3, 3))["output"]
    with pytest.raises(ValueError, match="weight: expected 4"):
        run(kernel, {"input": np.zeros(9), "weight": np.zeros(5), "bias": np.zeros(1)}, 4)


# ---------------------------------------------------------------- the pieces


def test_calls_are_checked_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="takes"):
        Call("v_load_part", (Pointer(Buffer("x", 4), Form()),))
    with pytest.raises(KeyError):
        Call("e_divide", ("a", "b"))


def test_an_impossible_delta_empties_a_sum() -> None:
    o = Index("o", Form.of(3))
    x = Tensor("x", (Form.of(3),))
    read = Read(x, (o.form,))
    assert settle(Sum((o,), (Zero(o.form - 7),), (read,)), {}) is None
    kept = settle(Sum((o,), (Zero(o.form - name("z")),), (read,)), {"z": 3})
    assert kept is not None and kept.factors == (Read(x, (name("z"),)),) and not kept.conditions
    guarded = settle(Sum((o,), (Zero(o.form - name("z")),), (read,)), {"z": 5})
    assert guarded is not None and len(guarded.conditions) == 1


def test_dealt_rows_hold_every_entry_once() -> None:
    layout = Layout((2, 7), phases=3)
    assert layout.row == 9 and layout.count == 18
    assert len({layout.within(x) for x in range(7)}) == 7
    assert [layout.within(x) for x in (1, 4)] == [3, 4]


def test_what_no_schedule_takes_is_refused_by_name() -> None:
    layer, shape = Conv2d(1, 1, 2), (1, 1, 3, 3)
    claim = claim_at(layer.claims(**layer.choices(shape))["output"], layer.sizes(shape))
    term = claim.right.body.terms[0]
    many = replace(term, factors=term.factors * 4)
    with pytest.raises(BuildError, match="no schedule"):
        lower("output", replace(claim, right=replace(claim.right, body=Expr((many,)))), SMALL)


def test_numbers_too_large_to_write_are_refused() -> None:
    """Sixteen digits of a third: Cython would take them for Python objects."""
    layer, shape = Upsample(scale_factor=(0.5, 0.5)), (1, 1, 24, 25)
    digits = {"u_w": 10**16, "v_w": 3333333333333333, "t_w": 0, "w_w": 3333333333333333, "W_out": 8}
    for key, claim in layer.claims(**layer.choices(shape)).items():
        lower(key, claim_at(claim, layer.sizes(shape)), SMALL)
        with pytest.raises(BuildError, match="too large to be written") as refused:
            lower(key, claim_at(claim, layer.sizes(shape) | digits), SMALL)
        assert "recompute_scale_factor" in str(refused.value)
