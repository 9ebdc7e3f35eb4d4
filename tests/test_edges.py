"""Lines left whole, lanes of edges that read nothing, sums in two passes; and slips that are seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from field_elements import computed, exact, lowered, operands_of

from codegen.edges import _pattern
from codegen.facts import facts_of
from codegen.loops import Assign, Call, If, Kernel, Loop, Part, Pointer, Statement, calls
from codegen.lower import lower
from codegen.run import run
from codegen.schedules.nest import Target
from derive.index import Form
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.spelling import parse_layer

LINES = [
    ("AvgPool2d(3, stride=2, padding=1)", (1, 1, 5, 19)),
    ("AvgPool2d(3, stride=2, padding=1)", (2, 1, 4, 20)),
    ("AvgPool2d(3, stride=1, padding=1)", (1, 1, 3, 21)),
    ("AvgPool1d(4, stride=2, padding=2)", (1, 3, 23)),
    ("AvgPool1d(5, stride=1, padding=2, count_include_pad=False)", (1, 2, 18)),
    ("MaxPool2d(3, stride=2, padding=1)", (1, 1, 5, 20)),
    ("MaxPool1d(3, stride=2)", (1, 3, 24)),
]
PASSES = [
    ("Upsample(scale_factor=2, mode='bilinear')", (1, 2, 4, 9)),
    ("Upsample(scale_factor=2, mode='bilinear', align_corners=True)", (1, 2, 4, 9)),
    ("Upsample(size=(5, 17), mode='bilinear')", (1, 1, 4, 9)),
    ("Upsample(scale_factor=2, mode='trilinear')", (1, 1, 2, 2, 6)),
    ("AdaptiveAvgPool2d(1)", (1, 3, 6, 7)),
]


def layer_of(text: str) -> Layer:
    layer = parse_layer(text)
    assert isinstance(layer, Layer)
    return layer


def changed(body: Sequence[Statement], change: Callable[[Call], Call]) -> tuple[Statement, ...]:
    """A body with every assigned call changed."""
    found: list[Statement] = []
    for s in body:
        if isinstance(s, Loop | Part | If):
            found.append(replace(s, body=changed(s.body, change)))
        else:
            found.append(Assign(s.name, change(s.value)) if isinstance(s, Assign) else s)
    return tuple(found)


def slips(kernel: Kernel, operation: str, change: Callable[[Call], Call]) -> list[Kernel]:
    """The kernel with each call of an operation changed, one at a time."""
    total = sum(c.operation == operation for c in calls(kernel.body))

    def only(number: int) -> Callable[[Call], Call]:
        seen = iter(range(total))
        return lambda c: change(c) if c.operation == operation and next(seen) == number else c

    return [replace(kernel, body=changed(kernel.body, only(n))) for n in range(total)]


def moved(call: Call) -> Call:
    """A read one element further back."""
    where, *rest = call.arguments
    assert isinstance(where, Pointer)
    return Call(call.operation, (replace(where, at=where.at - 1), *rest))


@pytest.mark.parametrize(("text", "shape"), [*LINES, *PASSES])
def test_kernels_give_what_the_definition_gives(text: str, shape: tuple[int, ...]) -> None:
    kernels, artefact = lowered(layer_of(text), shape, Target(4, 12, 16))
    for key, kernel in kernels.items():
        given = operands_of(artefact, kernel, 4)
        if not (key == "output" and "Max" in text):  # selected by order, which these numbers have not
            assert computed(kernel, given.elements, 4) == exact(artefact, kernel, given), key


def test_edges_of_a_line_are_lanes_that_read_nothing() -> None:
    for text, shape in LINES[:6]:
        kernels, _ = lowered(layer_of(text), shape, Target(4, 12, 16))
        for kernel in kernels.values():
            used = {c.operation for c in calls(kernel.body)}
            assert "v_load_span" in used or "v_load_part" in used, (text, kernel.notes)
            assert any("WOVEN: vectors" in n for n in kernel.notes), (text, kernel.notes)
            assert not any(b.name.startswith(("padded", "bordered")) for b in kernel.scratch), text


def test_every_slip_at_an_edge_is_seen() -> None:
    """A read of an edge from its neighbour's place gives another result, or leaves its array."""
    kernels, artefact = lowered(
        layer_of("AvgPool2d(3, stride=1, padding=1)"), (1, 1, 3, 21), Target(8, 12, 16)
    )
    for kernel in kernels.values():
        given = operands_of(artefact, kernel, 3)
        wanted = exact(artefact, kernel, given)
        made = [*slips(kernel, "v_load_span", moved), *slips(kernel, "v_load_part", moved)]
        assert len(made) > 6
        for wrong in made:
            try:
                assert computed(wrong, given.elements, 8) != wanted
            except IndexError:
                continue


def maximum(x: list[int], width: int, step: int, pad: int) -> tuple[list[int], list[int]]:
    """Largest entries of windows of a line and the first place of each."""
    found = []
    for start in range(-pad, len(x) + pad - width + 1, step):
        inside = range(max(start, 0), min(start + width, len(x)))
        found.append(max(inside, key=lambda i: x[i]))
    return [x[i] for i in found], found


def pooled(width: int, step: int, pad: int, length: int, keeps: bool) -> Kernel:
    layer, shape = layer_of(f"MaxPool1d({width}, stride={step}, padding={pad})"), (1, 1, length)
    claim = claim_at(claims_of(type(layer), layer.choices(shape))["output"], layer.sizes(shape))
    return lower("output", claim, Target(4, 12, 16), replace(facts_of(layer, shape), keeps=keeps))


@pytest.mark.parametrize(("width", "step", "pad"), [(3, 2, 1), (3, 1, 1), (2, 2, 1), (5, 2, 2), (4, 1, 2)])
def test_the_largest_of_windows_over_edges(width: int, step: int, pad: int) -> None:
    """Of negative entries: a lane that takes part with a zero would win."""
    rng = np.random.default_rng(width * 10 + step)
    for length, keeps in product((16, 21, 24), (True, False)):
        kernel = pooled(width, step, pad, length, keeps)
        x = (-rng.integers(1, 9, length)).tolist()
        found = run(kernel, {"input": x}, 4).tolist()
        assert found == maximum(x, width, step, pad)[0], (length, kernel.notes)
        assert any("WOVEN: vectors" in n for n in kernel.notes)


def test_a_lane_that_takes_part_in_vain_is_seen() -> None:
    kernel = pooled(3, 2, 1, 21, True)
    x = [-5] * 21
    wrong = slips(kernel, "v_same", lambda c: Call("v_same", ("v_never", c.arguments[1])))
    never = Assign("v_never", Call("v_index", (Form.of(-7), 0)))
    assert wrong
    for one in wrong:
        found = run(replace(one, body=(never, *one.body)), {"input": x}, 4).tolist()
        assert found != maximum(x, 3, 2, 1)[0]


def test_codes_that_nobody_reads_are_not_found() -> None:
    kept, bare = (pooled(2, 2, 0, 24, keeps) for keeps in (True, False))
    assert kept.kept and kept.workspace and not bare.kept and not bare.workspace
    assert "v_add" in {c.operation for c in calls(kept.body)}
    chosen = [sum(c.operation == "v_choose" for c in calls(k.body)) for k in (kept, bare)]
    assert chosen[1] * 2 == chosen[0]


def test_codes_are_the_places_taken() -> None:
    for width, step, pad in ((3, 2, 1), (4, 1, 2)):
        kernel = pooled(width, step, pad, 21, True)
        (codes,) = kernel.kept
        stored = replace(kernel, out=replace(codes, name="out", offset=None))
        swapped = replace(stored, scratch=(replace(kernel.out, name=codes.name, offset=0),))
        x = [int(v) for v in np.random.default_rng(5).integers(-4, 4, 21)]
        body = kernel.body
        found = run(replace(swapped, body=_exchanged(body, kernel, codes.name)), {"input": x}, 4).tolist()
        assert found == maximum(x, width, step, pad)[1]


def _exchanged(body: Sequence[Statement], kernel: Kernel, codes: str) -> tuple[Statement, ...]:
    """The result stored where the codes were, and the other way round."""
    names = {kernel.out.name: codes, codes: kernel.out.name}
    found: list[Statement] = []
    for s in body:
        if isinstance(s, Loop | If | Part):
            found.append(replace(s, body=_exchanged(s.body, kernel, codes)))
        elif hasattr(s, "call"):
            where, *rest = s.call.arguments
            to = names[where.buffer.name]
            buffer = replace(where.buffer, name=to, offset=0 if to == codes else None)
            found.append(replace(s, call=Call(s.call.operation, (replace(where, buffer=buffer), *rest))))
        else:
            found.append(s)
    return tuple(found)


def test_interpolation_is_done_in_two_passes_and_a_slip_is_seen() -> None:
    for text, shape in PASSES[:2]:
        kernels, artefact = lowered(layer_of(text), shape, Target(4, 12, 16))
        for kernel in kernels.values():
            assert "inner_sum" in {b.name for b in kernel.scratch}, (text, kernel.notes)
        kernel = kernels["output"]
        given = operands_of(artefact, kernel, 1)
        wanted = exact(artefact, kernel, given)
        for wrong in slips(kernel, "v_load", moved)[:6]:
            try:
                assert computed(wrong, given.elements, 4) != wanted
            except IndexError:
                continue


def test_patterns_of_ranges() -> None:
    still = [(1, 3), (0, 3), (0, 3), (0, 2)]
    assert _pattern(still, Fraction(-2)) == (0, 0, 3)
    moving = [(0, 1), (0, 2), (1, 3), (2, 3)]
    assert _pattern(moving, Fraction(1)) == (-1, 1, 2)
    assert _pattern([(0, 2), (2, 4), (3, 5)], Fraction(1)) is None
    assert _pattern([(0, 2), (1, 3), (2, 4)], Fraction(1, 2)) is None
    assert _pattern([(0, 0), (0, 0)], Fraction(1)) == (0, 0, 1)
