"""Owns the comparison of every non-linear layer with PyTorch, results and every gradient, in float64.

Two things are compared: the proved right side of each claim, evaluated at the case's sizes, and (for a
sample; all with -m sweep) the compiled kernel. Nothing is compared with a tolerance from thin air.

The bound. What PyTorch computes is within the radius that `taped` follows along PyTorch's documented formula
and its derivative in reverse: every operation and every sum in any order rounded, every function off by one
unit in the last place (SLEEF's and MKL's bound). Three forms of PyTorch are rounded where the textbook's is
not, and the loops have them: batch normalisation as x * scale + shift, the sigmoid's derivative y (1 - y),
and that of the log softmax by exp of its result. The right side is evaluated in long double with its own
bound; a kernel is within the bound that `derive.numbers_reals` follows for float64 along the closed form.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from layer_text import NONLINEAR, Case
from nonlinear_cases import CASES
from nonlinear_claims import Found, claims, side
from nonlinear_given import Array, operands
from nonlinear_peers import away, grad_output, plain_all, radii
from nonlinear_torch import torch_all, torch_gradients
from taped import Real

from derive.spelling import parse_layer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

SAMPLE = 42


def sample() -> list[Case]:
    """SAMPLE cases in an order that a hash gives: the first of every layer, then the first of the rest."""
    ordered = sorted(CASES, key=Case.hashed)
    first = {case.kind: case for case in reversed(ordered)}
    rest = [case for case in ordered if case is not first[case.kind]]
    return [*first.values(), *rest[: SAMPLE - len(first)]]


def apart(found: Array, errors: Array, wanted: Array, allowed: Array) -> str:
    """What is wrong, or nothing; `found` is off by its errors, `wanted` by what is allowed to it."""
    assert found.size == wanted.size, f"{found.size} entries, not {wanted.size}"
    off = np.abs(found.reshape(-1).astype(Real) - wanted.reshape(-1))
    within = off <= errors.reshape(-1) + allowed.reshape(-1)
    if np.all(within):
        return ""
    i = int(np.argmin(within))
    return f"entry {i}: {found.reshape(-1)[i]} and {wanted.reshape(-1)[i]}, off {off[i]}"


def keys(case: Case) -> list[str]:
    return sorted(torch_all(case).keys() & claims(case)[1].keys())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pytorch_is_within_the_radius_of_the_loops(case: Case) -> None:
    wanted, found = plain_all(case), torch_all(case)
    assert wanted.keys() == found.keys()
    for key, array in found.items():
        if key == "indices":
            assert np.array_equal(array, wanted[key])
        else:
            assert not (said := away(wanted[key], array)), f"{key}: {said}"


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_proved_right_side_is_what_pytorch_computes(case: Case) -> None:
    found, balls = torch_all(case), plain_all(case)
    assert keys(case) == sorted(found.keys() - {"indices"})
    for key in keys(case):
        right = side(case, key, "right")
        assert not (said := apart(right.value, right.error, found[key], radii(balls[key]))), f"{key}: {said}"


def of_kernel(case: Case) -> dict[str, Array]:
    """What the compiled kernel computes: results by their names, gradients by their operand's."""
    from codegen import build

    kernel, given = build(parse_layer(case.text), case.shape, dtype="float64"), operands(case)
    results = kernel.forward(**given)
    names = [n for n in plain_all(case) if n not in given and n != "indices"]
    if case.arguments.get("return_indices"):
        names.append("indices")
    found = dict(zip(names, results if isinstance(results, tuple) else (results,), strict=True))
    return found | kernel.backward(grad_output(case), **given)


def kernel_bound(case: Case, key: str) -> Found:
    return side(case, key, "right", "float64")


def compare_kernel(case: Case) -> None:
    found, balls, wanted = of_kernel(case), plain_all(case), torch_all(case)
    assert found.keys() - {"indices"} == set(keys(case))
    if "indices" in found:
        assert found["indices"].dtype == np.int64 and np.array_equal(found["indices"], wanted["indices"])
    for key in keys(case):
        assert found[key].shape == wanted[key].shape and found[key].dtype == np.float64
        bound = kernel_bound(case, key)
        said = apart(found[key], bound.error, wanted[key], radii(balls[key]))
        assert not said, f"{key}: {said}"


@pytest.mark.parametrize("case", sample(), ids=str)
def test_the_compiled_kernel_is_what_pytorch_computes(case: Case) -> None:
    compare_kernel(case)


@pytest.mark.sweep
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_compiled_kernel_is_what_pytorch_computes(case: Case) -> None:
    compare_kernel(case)


@pytest.mark.parametrize("case", sample()[:8], ids=str)
def test_a_kernel_in_single_is_within_its_own_bound(case: Case) -> None:
    """float32 operands, and the bound that `derive.numbers_reals` follows for float32."""
    from codegen import build

    kernel = build(parse_layer(case.text), case.shape, dtype="float32")
    given = {n: v.astype(np.float32) if v.dtype.kind == "f" else v for n, v in operands(case).items()}
    sent = np.asarray(grad_output(case), np.float32)
    results = kernel.forward(**given)
    found = {
        "output": results[0] if isinstance(results, tuple) else results,
        **kernel.backward(sent, **given),
    }
    for key, array in found.items():
        right = side(case, key, "right", "float32", given | {"grad_output": sent})
        assert array.dtype == np.float32
        assert not (said := apart(array, right.error, right.value, np.zeros(1))), f"{key}: {said}"


def test_the_sample_meets_every_layer() -> None:
    assert len(set(sample())) == SAMPLE
    assert {c.kind for c in sample()} == NONLINEAR.keys() - {"Activation"} == {c.kind for c in CASES}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_radius_is_narrow(case: Case) -> None:
    """Sabotage: a float32 anywhere is seen: the largest entry, rounded to single, is outside of its ball.

    An entry whose 53 digits end in 29 zeros is the same in single; constants (1, 0) are such.
    """
    for key, balls in plain_all(case).items():
        if key == "indices" or not balls.size:
            continue
        array = torch_all(case)[key].copy()
        i = int(np.argmax(np.abs(array)))
        array.reshape(-1)[i] = single = np.float32(array.reshape(-1)[i])
        digits = abs(float(single) - float(torch_all(case)[key].reshape(-1)[i])) > 2.0**-40 * abs(
            float(single)
        )
        assert not digits or away(balls, array), key


SABOTAGED: Mapping[str, tuple[str, tuple[int, ...]]] = {
    "LeakyReLU(0.2)": ("LeakyReLU(0.25)", (2, 3)),
    "GELU()": ("GELU('tanh')", (2, 3)),
    "ELU()": ("ELU(0.999999)", (2, 3)),
    "Softplus()": ("Softplus(beta=1.000001)", (2, 3)),
    "Softmax(dim=0)": ("Softmax(dim=1)", (3, 3)),
    "LogSoftmax(dim=0)": ("LogSoftmax(dim=-1)", (3, 3)),
    "CrossEntropyLoss()": ("CrossEntropyLoss(label_smoothing=0.0001)", (3, 4)),
    "CrossEntropyLoss(reduction='sum')": ("CrossEntropyLoss()", (3, 4)),
    "CrossEntropyLoss(ignore_index=1)": ("CrossEntropyLoss()", (3, 4)),
    "MSELoss()": ("MSELoss(reduction='sum')", (2, 3)),
    "BatchNorm1d(3, training=True)": ("BatchNorm1d(3)", (4, 3)),
    "BatchNorm1d(3)": ("BatchNorm1d(3, eps=0.00002)", (4, 3)),
    "Dropout(0.5, training=True)": ("Dropout(0.25, training=True)", (2, 3)),
    "MaxPool2d(2, stride=1)": ("MinPool2d(2, stride=1)", (1, 1, 3, 3)),
    "MaxPool2d(2, stride=1, dilation=2)": ("MaxPool2d(3, stride=1)", (1, 1, 4, 4)),
    "LPPool2d(2, 2)": ("LPPool2d(4, 2)", (1, 1, 4, 4)),
    "LPPool1d(2, 2, ceil_mode=True)": ("AvgPool1d(2, ceil_mode=True)", (1, 1, 5)),
}


@pytest.mark.parametrize("text", SABOTAGED)
def test_a_small_mistake_in_the_claim_is_seen(text: str) -> None:
    """Sabotage: another layer's claim is not PyTorch's answer, in the output or in the gradient."""
    other, shape = SABOTAGED[text]
    case, wrong = Case(text, shape), Case(other, shape)
    given = operands(case) | {"grad_output": grad_output(case)}
    found, balls = torch_gradients(case, operands(case), grad_output(case)), plain_all(case)
    for name, array in operands(wrong).items():
        given.setdefault(name, array)
    seen = []
    for key in ("output", "input"):
        right = side(wrong, key, "right", given=given)
        fits = right.value.size == found[key].size
        seen.append(not fits or apart(right.value, right.error, found[key], radii(balls[key])))
    assert all(seen) if "LPPool1d" not in text else any(seen)


def test_a_nan_is_apart() -> None:
    one = np.zeros(1)
    assert apart(np.array([np.nan]), one, one, one) and apart(one, one, np.array([np.nan]), one)


UNPRINTED = ("weighted", "probabilities", "training", "return_indices", "ceil_mode", "reduction")


def printable(case: Case) -> dict[str, object] | None:
    """The arguments for torch.nn; None where its print would not say what the case does."""
    left = ["training", "weighted", "positive_weighted", "target"]
    left += ["output_size"] * ("Unpool" in case.kind)
    silent = [*UNPRINTED, *left, *(["="] * case.kind.endswith("Loss"))]
    if any(word in case.text for word in silent):
        return None
    return {n: v for n, v in case.arguments.items() if n not in left}


@pytest.mark.parametrize("kind", sorted({c.kind for c in CASES if hasattr(torch.nn, c.kind)}))
def test_what_pytorch_prints_is_read_as_the_same_layer(kind: str) -> None:
    """Where the text says nothing that torch.nn refuses or does not print (of a loss it prints nothing)."""
    texts = {}
    for case in (c for c in CASES if c.kind == kind):
        given, layer = printable(case), claims(case)[0]
        assert parse_layer(repr(layer)) == layer
        if given is not None:
            texts[case] = str(getattr(torch.nn, kind)(**given))
    for case, text in texts.items():
        printed, layer = parse_layer(text), claims(case)[0]
        assert printed.sizes(case.shape) == layer.sizes(case.shape), text
        assert printed.choices(case.shape) == layer.choices(case.shape), text
        assert printed.tables(case.shape) == layer.tables(case.shape), text
        assert printed.parameters() == layer.parameters(), text
    assert texts
