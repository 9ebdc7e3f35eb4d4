"""Loops of kernels with functions, coefficients, codes and shifts: exact over GF(2^61 - 1), and sabotage."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from field_elements import computed, exact, lowered, operands_of

from codegen import fusing
from codegen.errors import BuildError
from codegen.facts import facts_of, linear
from codegen.folding import folded
from codegen.loops import Assign, Call, Do, If, Kernel, Loop, Statement, calls
from codegen.lower import lower
from codegen.rewrite import program
from codegen.run import Machine
from codegen.schedules.nest import Target
from derive.expr import Apply, Definition, Expr, Read, Sum, Tensor
from derive.index import Form, Index, Within, name
from derive.instance import claim_at
from derive.layers.base import Layer, claims_of
from derive.spelling import parse_layer, registry

SMALL = Target(4, 12, 16)


def cases() -> list[tuple[str, tuple[int, ...]]]:
    """Every example of a layer that has a kernel that is no contraction; the unknown f has none."""
    found = []
    for kind in registry().values():
        for text, shape in getattr(kind, "examples", ()):
            layer = parse_layer(text)
            if isinstance(layer, Layer) and text != "Activation()" and curved(layer, shape):
                found.append((text, shape))
    return found


def curved(layer: Layer, shape: tuple[int, ...]) -> bool:
    sizes, facts = layer.sizes(shape), facts_of(layer, shape)
    claims = claims_of(type(layer), layer.choices(shape)).values()
    return not all(linear(claim_at(c, sizes), facts) for c in claims)


def agree(text: str, shape: tuple[int, ...], target: Target, seed: int) -> dict[str, Kernel]:
    layer = parse_layer(text)
    assert isinstance(layer, Layer)
    kernels, artefact = lowered(layer, shape, target)
    for key, kernel in kernels.items():
        given = operands_of(artefact, kernel, seed)
        found = computed(kernel, given.elements, target.lanes)
        assert found == exact(artefact, kernel, given), (text, shape, key, kernel.notes)
    return kernels


@pytest.mark.parametrize(("text", "shape"), cases())
def test_loops_give_what_the_definition_gives(text: str, shape: tuple[int, ...]) -> None:
    for seed, lanes in enumerate((2, 8)):
        agree(text, shape, Target(lanes, 12, 16), seed)


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("ReLU()", (1,)),
        ("GELU('tanh')", (2, 3, 1, 5, 2)),
        ("Softmax(1)", (3, 37)),
        ("Softmax(0)", (1, 1)),
        ("LogSoftmax(-2)", (2, 3, 9)),
        ("CrossEntropyLoss(weighted=True, label_smoothing=0.2)", (3, 5, 2, 2)),
        ("CrossEntropyLoss(reduction='none')", (2, 19)),
        ("NLLLoss(weighted=True)", (5, 3)),
        ("BatchNorm2d(3, training=True)", (2, 3, 2, 9)),
        ("MaxPool1d(3, stride=1, padding=1)", (2, 2, 21)),
        ("MaxPool2d(1)", (1, 1, 1, 1)),
        ("MaxPool2d(2)", (1, 2, 4, 17)),
        ("MaxPool2d((3, 2), stride=(2, 1), dilation=(1, 2), padding=1)", (1, 2, 7, 9)),
        ("MinPool2d(3, stride=2, ceil_mode=True)", (2, 6, 8)),
        ("AdaptiveMaxPool2d((3, 2))", (1, 2, 5, 7)),
        ("LPPool2d(2, 3, stride=1)", (1, 2, 5, 11)),
        ("MaxUnpool2d(2)", (1, 2, 3, 4)),
    ],
)
def test_other_shapes(text: str, shape: tuple[int, ...]) -> None:
    for lanes in (4, 16):
        agree(text, shape, Target(lanes, 28, 32), lanes)


def test_random_windows() -> None:
    """Max pooling in one to three axes, with everything that PyTorch lets windows do."""
    done = 0
    for seed in range(60):
        rng = random.Random(seed)
        rank = rng.choice([1, 1, 2, 2, 2, 3])
        kernel = [rng.randint(1, 3) for _ in range(rank)]
        stride = [rng.randint(1, 3) for _ in range(rank)]
        padding = [rng.randint(0, k // 2) for k in kernel]
        dilation = [rng.choice([1, 1, 2]) for _ in range(rank)]
        reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        lengths = [max(1, r + rng.randint(0, 9 if rank < 3 else 2)) for r in reach]
        text = f"MaxPool{rank}d({tuple(kernel)}, stride={tuple(stride)}, padding={tuple(padding)}, "
        text += f"dilation={tuple(dilation)}, ceil_mode={rng.random() < 0.4})"
        agree(text, (rng.randint(1, 2), rng.randint(1, 3), *lengths), SMALL, seed)
        done += 1
    assert done == 60


@pytest.mark.parametrize(("text", "shape"), cases())
def test_rows_one_after_another_give_the_same(
    text: str, shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stages done for one value of a shared index at a time, at sizes where that is usually not worth it."""
    monkeypatch.setattr(fusing, "WORTH", 1)
    monkeypatch.setattr(fusing, "LEAST", 1)
    agree(text, shape, SMALL, 3)


def test_a_softmax_keeps_one_row(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = kernel_of("Softmax(1)", (64, 256), "output")
    assert kernel.notes[0] == "stage after stage for each of 64 rows" and kernel.workspace < 4 * 256
    assert isinstance(kernel.body[-1], Loop) and kernel.body[-1].stop == 64
    monkeypatch.setattr(fusing, "WORTH", 10**9)
    assert kernel_of("Softmax(1)", (64, 256), "output").workspace > 64 * 256


def test_channels_are_the_rows_of_a_normalisation() -> None:
    kernel = kernel_of("BatchNorm2d(3, training=True)", (4, 3, 16, 32), "input")
    assert kernel.notes[0] == "stage after stage for each of 3 rows"


def test_the_rows_of_a_loss_end_before_its_mean() -> None:
    """The row by row part gives each place's loss; the mean over places comes after it."""
    kernel = kernel_of("CrossEntropyLoss()", (64, 256), "output")
    assert kernel.notes[0] == "stage after stage for each of 64 rows"
    assert "PICKED: vectors of 4 along c" in kernel.notes and kernel.workspace < 8 * 256
    agree("CrossEntropyLoss()", (40, 130), SMALL, 0)


# ---------------------------------------------------------------- which entry is taken


def first_largest(x: Any, kernel: int, stride: int, padding: int) -> tuple[Any, Any]:
    """Plain loops: row-major over the taps inside; a larger one or a NaN is taken, so the last NaN."""
    high, wide = ((n + 2 * padding - kernel) // stride + 1 for n in x.shape)
    best, code = np.zeros((high, wide)), np.full((high, wide), -1)
    for oh, ow, a, b in product(range(high), range(wide), range(kernel), range(kernel)):
        i, j = stride * oh + a - padding, stride * ow + b - padding
        if 0 <= i < x.shape[0] and 0 <= j < x.shape[1]:
            here = x[i, j]
            if code[oh, ow] < 0 or here > best[oh, ow] or here != here:
                best[oh, ow], code[oh, ow] = here, i * x.shape[1] + j
    return best, code


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 2, 1), (2, 2, 0), (3, 1, 1), (2, 1, 1)])
@pytest.mark.parametrize("lanes", [2, 4])
def test_of_equal_entries_the_first_and_of_nans_the_last(
    kernel: int, stride: int, padding: int, lanes: int
) -> None:
    text = f"MaxPool2d({kernel}, stride={stride}, padding={padding})"
    made = kernel_of(text, (1, 1, 7, 11), "output", Target(lanes, 12, 16))
    (codes,) = made.kept
    for seed in range(12):
        values = [0.0, 1.0, float("nan"), 2.0][: 1 + seed % 4]
        x = np.random.default_rng(seed).choice(values, (7, 11))
        machine = Machine(made, {"input": x}, lanes, 0.0)
        best, code = first_largest(x, kernel, stride, padding)
        assert np.array_equal(machine.result().astype(float), best.reshape(-1), equal_nan=True)
        assert machine.buffers[codes.name] == code.reshape(-1).tolist()


# ---------------------------------------------------------------- how it is computed


def kernel_of(text: str, shape: tuple[int, ...], key: str, target: Target = SMALL) -> Kernel:
    layer = parse_layer(text)
    assert isinstance(layer, Layer)
    return lowered(layer, shape, target)[0][key]


def operations(kernel: Kernel) -> set[str]:
    return {c.operation for c in calls(kernel.body)}


@pytest.mark.parametrize("key", ["output", "input"])
def test_an_indicator_is_never_multiplied(key: str) -> None:
    kernel = kernel_of("MaxPool2d(3, stride=2, padding=1)", (1, 1, 9, 20), key)
    assert not {o for o in operations(kernel) if o[2:] in {"mul", "fma"}}
    assert operations(kernel) & {"v_choose", "e_choose"}


def test_an_activation_is_one_loop_over_the_whole_array() -> None:
    for key in ("output", "input"):
        kernel = kernel_of("GELU()", (2, 3, 4, 8), key)
        loops = [s for s in kernel.body if isinstance(s, Loop)]
        assert len(loops) == 1 and loops[0].stop == 2 * 3 * 4 * 8 and not kernel.scratch
        assert not any(isinstance(s, Loop) for s in loops[0].body)


def test_every_exponential_is_computed_once() -> None:
    """exp occurs in the sum and in the numerator; it is applied where the shifted input is stored."""
    kernel = kernel_of("Softmax(1)", (4, 64), "input")
    applied = [s for s in loops_with(kernel.body, "v_fn_exp")]
    assert len(applied) == 1 and "e_fn_exp" not in operations(kernel)


def loops_with(body: tuple[Statement, ...], operation: str) -> list[Statement]:
    found: list[Statement] = []
    for statement in body:
        if isinstance(statement, Loop | If):
            found += loops_with(statement.body, operation)
        elif isinstance(statement, Assign) and statement.value.operation == operation:
            found.append(statement)
    return found


def test_counts_are_folded_to_exact_constants() -> None:
    kernel = kernel_of("MSELoss()", (3, 7), "input")
    assert Fraction(2, 21) in kernel.constants["constants"]


def test_numbers_are_an_operand_and_no_literals() -> None:
    kernel = kernel_of("LeakyReLU(0.2)", (2, 9), "output")
    assert kernel.constants == {"constants": (Fraction(1, 5),)}
    assert [b.name for b in kernel.operands] == ["input", "constants"]


def test_constants_that_differ_by_place_are_folded_too() -> None:
    """count[o] := sum over i of [0 <= i - o < 3], an array of rationals; its inverse is taken exactly."""
    where = (Index("o", Form.of(4)),)
    body = Expr((Sum((Index("i", Form.of(5)),), (Within(name("i") - name("o"), Form.of(3)),), ()),))
    count = Definition(Tensor("count", (Form.of(4),)), where, body)
    known = {"count": folded(count, {})}
    assert known["count"] is not None and list(known["count"]) == [3, 3, 3, 2]
    inverse = Expr((Sum((), (), (Apply("recip", Read(count.tensor, (name("o"),))),), Fraction(1, 2)),))
    halves = folded(Definition(Tensor("halves", (Form.of(4),)), where, inverse), known)
    assert list(halves) == [Fraction(1, 6), Fraction(1, 6), Fraction(1, 6), Fraction(1, 4)]
    roots = Expr((Sum((), (), (Apply("rsqrt", Read(count.tensor, (name("o"),))),)),))
    assert folded(Definition(Tensor("roots", (Form.of(4),)), where, roots), known) is None


def test_a_sum_is_a_bare_contraction_with_its_factors_in_front() -> None:
    layer = parse_layer("BatchNorm2d(3, training=True)")
    assert isinstance(layer, Layer)
    shape = (2, 3, 4, 5)
    claim = claims_of(type(layer), layer.choices(shape))["input"]
    made = program(claim_at(claim, layer.sizes(shape)), facts_of(layer, shape))
    for stage in made.stages:
        for term in stage.definition.body.terms:
            assert not term.indices or (term.coefficient == 1 and len(term.factors) <= 2)


def test_the_unknown_function_has_no_kernel() -> None:
    layer = parse_layer("Activation()")
    assert isinstance(layer, Layer)
    claim = claim_at(claims_of(type(layer), layer.choices((2, 3)))["output"], layer.sizes((2, 3)))
    with pytest.raises(BuildError, match="cannot be compiled") as refused:
        lower("output", claim, SMALL, facts_of(layer, (2, 3)))
    assert "GELU()" in refused.value.mend


# ---------------------------------------------------------------- sabotage


def changed(body: tuple[Statement, ...], change: Callable[[Call], Call]) -> tuple[Statement, ...]:
    done: list[Statement] = []
    for s in body:
        if isinstance(s, Loop | If):
            done.append(replace(s, body=changed(s.body, change)))
        elif isinstance(s, Assign):
            done.append(replace(s, value=change(s.value)))
        else:
            done.append(Do(change(s.call)) if isinstance(s, Do) else s)
    return tuple(done)


def renamed(old: str, new: str) -> Callable[[Call], Call]:
    """One operation in place of another, in both kinds of value."""

    def change(call: Call) -> Call:
        kind, _, word = call.operation.partition("_")
        return replace(call, operation=f"{kind}_{new}") if word == old else call

    return change


def moved_code(call: Call) -> Call:
    """A tap's number off by one."""
    if call.operation[2:] == "index" and call.arguments[0] != Form.of(-1):
        first = Form.of(call.arguments[0]) + 1  # type: ignore[arg-type]
        return replace(call, arguments=(first, *call.arguments[1:]))
    return call


@pytest.mark.parametrize(
    ("text", "shape", "key", "change"),
    [
        ("GELU()", (2, 7), "output", renamed("fn_gelu", "fn_silu")),
        ("ReLU()", (2, 7), "input", renamed("fn_relu_prime", "fn_relu")),
        ("Softmax(1)", (2, 9), "output", renamed("sub", "add")),
        ("Softmax(1)", (2, 9), "input", renamed("sub", "add")),
        ("MaxPool2d(2)", (1, 1, 4, 8), "output", renamed("larger", "smaller")),
        ("MaxPool2d(2)", (1, 1, 4, 8), "input", moved_code),
        ("CrossEntropyLoss()", (3, 4), "input", moved_code),
        ("BatchNorm2d(2, training=True)", (2, 2, 2, 2), "input", renamed("sub", "add")),
    ],
)
def test_a_wrong_kernel_is_seen(
    text: str, shape: tuple[int, ...], key: str, change: Callable[[Call], Call]
) -> None:
    layer = parse_layer(text)
    assert isinstance(layer, Layer)
    kernels, artefact = lowered(layer, shape, SMALL)
    kernel = kernels[key]
    wrong = replace(kernel, body=changed(kernel.body, change))
    given = operands_of(artefact, kernel, 0)
    assert wrong != kernel
    assert computed(kernel, given.elements, 4) == exact(artefact, kernel, given)
    assert computed(wrong, given.elements, 4) != exact(artefact, kernel, given)


def test_a_wrong_constant_is_seen() -> None:
    layer = parse_layer("MSELoss()")
    assert isinstance(layer, Layer)
    kernels, artefact = lowered(layer, (3, 7), SMALL)
    given = operands_of(artefact, kernels["input"], 1)
    elements = {**given.elements, "constants": np.asarray(given.elements["constants"]) + np.uint64(1)}
    assert computed(kernels["input"], elements, 4) != exact(artefact, kernels["input"], given)
