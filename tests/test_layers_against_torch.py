"""Owns the comparison of every linear layer with PyTorch, forward and every gradient, in float64.

Two things are compared: the proved right side of each claim, evaluated at the case's sizes, and (for a
sample; all with -m sweep) the compiled kernel. Nothing is compared with a tolerance from thin air.

The bound. With u = 2^-53 and gamma(k) = k u / (1 - k u), an entry is a sum of n products, each of at most
one entry of each of the m input tensors (tables among them). Whatever the order of the additions, fused
or not, a term meets at most n - 1 additions, m - 1 products and m roundings of a constant (a table's
value, a division), so a result is within gamma(n + 2m) S of the exact one, S the sum of magnitudes
(Higham, Accuracy and Stability, section 3.1). Zero terms are exact and do not count.

PyTorch computes an interpolation weight from a rounded source place: scale * (o + 1/2) - 1/2 is at most
the axis's length L, its scale has a relative error of at most 3u (the decimal, the quotient, the
reciprocal), product and differences add u each, so place and weight are off by less than 8 u (L + 2): a
weight is a function of the place with slope at most 1. A place that slips over a whole number uses
neighbours with as small a weight. So S is taken with E = 8 u (L + 2) added to the weights around each
place, and the two sides may differ by 4 gamma S_E (two results, and S_E and S themselves) + S_E - S.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest
from claim_values import Values
from kinds import linear_layers
from layer_cases import CASES
from layer_peers import nearest_differs, torch_forward, torch_gradients, weights
from layer_text import Case
from numpy.typing import NDArray

from derive.claim import Claim
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.spelling import parse_layer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")

Array = NDArray[Any]
UNIT = 2.0**-53

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")

COMPARED = tuple(c for c in CASES if not nearest_differs(c))
SAMPLE = 36


def sample() -> list[Case]:
    """SAMPLE cases in an order that a hash gives: the first of every layer, then the first of the rest."""
    ordered = sorted(COMPARED, key=Case.hashed)
    first = {case.kind: case for case in reversed(ordered)}
    rest = [case for case in ordered if case is not first[case.kind]]
    return [*first.values(), *rest[: SAMPLE - len(first)]]


def operands(case: Case) -> dict[str, Array]:
    """Random operands and grad_output."""
    rng = np.random.default_rng(case.hashed())
    given = {name: rng.standard_normal(shape) for name, shape in case.operands.items()}
    output = torch_forward(case, {n: torch.tensor(v) for n, v in given.items()})
    return given | {"grad_output": rng.standard_normal(tuple(output.shape))}


@cache
def claims(case: Case) -> tuple[Layer, dict[str, Claim]]:
    """The layer that backflip reads, and its claims at the case's sizes."""
    layer = parse_layer(case.text)
    sizes = layer.sizes(case.shape)
    found = layer.claims(**layer.choices(case.shape))
    return layer, {key: claim_at(claim, sizes) for key, claim in found.items()}


def slack(case: Case, name: str, values: Array) -> Array:
    """By how much PyTorch's interpolation weights may be off; zero for other tables."""
    found = np.zeros_like(values)
    if case.kind == "Upsample" and name.startswith("table_"):
        axis = "dhw".index(name[-1]) - 3 + case.rank
        length = case.shape[2 + axis]
        around = found.reshape(-1, length)
        for o, row in enumerate(weights(case)[axis]):
            low = row[0][0]
            around[o, max(low - 1, 0) : low + 3] = 8 * UNIT * (length + 2)
    return found


def constants(layer: Layer, case: Case) -> dict[str, Array]:
    return {n: np.array([float(v) for v in row]) for n, row in layer.tables(case.shape).items()}


def bound(claim: Claim, case: Case, given: Mapping[str, Array], tables: Mapping[str, Array]) -> Array:
    """How far two results may be apart, entry by entry."""
    wider = {n: np.abs(t) + slack(case, n, t) for n, t in tables.items()}
    sizes = {n: np.abs(v) for n, v in given.items()}
    wide = Values(claim, sizes | wider).right()
    narrow = Values(claim, sizes | {n: np.abs(t) for n, t in tables.items()}).right()
    ones = {n: np.ones_like(v) for n, v in given.items()} | {n: (t != 0) * 1.0 for n, t in wider.items()}
    most = (Values(claim, ones).right() + 2 * len(claim.setting.inputs)) * UNIT
    return 4 * most / (1 - most) * wide + np.maximum(wide - narrow, 0)


def apart(found: Array, wanted: Array, allowed: Array) -> str:
    """What is wrong, or nothing."""
    off = np.abs(found.reshape(-1) - wanted.reshape(-1))
    worst = off - allowed.reshape(-1)
    if not off.size or np.all(worst <= 0):
        return ""
    i = int(np.argmax(np.where(np.isnan(worst), np.inf, worst)))
    return f"entry {i}: {found.reshape(-1)[i]} and {wanted.reshape(-1)[i]}, allowed {allowed.reshape(-1)[i]}"


@pytest.mark.parametrize("case", COMPARED, ids=str)
def test_the_proved_right_side_is_what_pytorch_computes(case: Case) -> None:
    layer, found = claims(case)
    given, tables = operands(case), constants(layer, case)
    wanted = torch_gradients(case, given)
    assert found.keys() == wanted.keys()
    assert {o.name: o.shape for o in layer.operands(case.shape)} == {
        **{n: v.shape for n, v in given.items()},
        "output": wanted["output"].shape,
    }
    for key, claim in found.items():
        right = Values(claim, given | tables).right()
        assert not (said := apart(right, wanted[key], bound(claim, case, given, tables))), f"{key}: {said}"


def compare_kernel(case: Case) -> None:
    from codegen import build

    layer, found = claims(case)
    given, tables = operands(case), constants(layer, case)
    wanted = torch_gradients(case, given)
    kernel = build(layer, case.shape, dtype="float64")
    own = {n: v for n, v in given.items() if n != "grad_output"}
    got = {"output": kernel.forward(**own), **kernel.backward(**given)}
    assert got.keys() == wanted.keys()
    for key, claim in found.items():
        assert got[key].shape == wanted[key].shape and got[key].dtype == np.float64
        said = apart(got[key], wanted[key], bound(claim, case, given, tables))
        assert not said, f"{key}: {said}"


@pytest.mark.parametrize("case", sample(), ids=str)
def test_the_compiled_kernel_is_what_pytorch_computes(case: Case) -> None:
    compare_kernel(case)


@pytest.mark.sweep
@pytest.mark.parametrize("case", COMPARED, ids=str)
def test_every_compiled_kernel_is_what_pytorch_computes(case: Case) -> None:
    compare_kernel(case)


def test_cases_cover_every_layer_and_the_sample_too() -> None:
    by_kind = defaultdict(list)
    for case in CASES:
        by_kind[case.kind].append(case)
    assert len(CASES) >= 300 and by_kind.keys() == linear_layers().keys() == {c.kind for c in sample()}
    assert len(set(map(str, CASES))) == len(CASES) and len(set(sample())) == SAMPLE


UNPRINTED = ("ceil_mode", "count_include_pad", "divisor_override", "align_corners", "recompute_scale_factor")


@pytest.mark.parametrize("kind", sorted({c.kind for c in CASES if hasattr(torch.nn, c.kind)}))
def test_what_pytorch_prints_is_read_as_the_same_layer(kind: str) -> None:
    """Where the text says nothing that torch.nn refuses or does not print."""
    count = 0
    for case in (c for c in CASES if c.kind == kind):
        pairs = case.arguments.get("padding")
        if any(word in case.text for word in UNPRINTED) or "full" in case.text or "((" in repr(pairs):
            continue
        module = getattr(torch.nn, kind)(**case.arguments)
        printed, layer = parse_layer(str(module)), claims(case)[0]
        assert printed.sizes(case.shape) == layer.sizes(case.shape), str(module)
        assert printed.choices(case.shape) == layer.choices(case.shape), str(module)
        assert printed.tables(case.shape) == layer.tables(case.shape), str(module)
        count += 1
    assert count


SABOTAGED = {
    "Conv2d(1, 1, 2, stride=2)": ("Conv2d(1, 1, 2, stride=2, padding=((1, 0), (0, 0)))", (1, 1, 4, 4)),
    "Upsample(size=5, mode='linear')": ("Upsample(size=5, mode='linear', align_corners=True)", (1, 1, 3)),
    "AvgPool1d(2, padding=1)": ("AvgPool1d(2, padding=1, count_include_pad=False)", (1, 1, 4)),
    "ReflectionPad1d(1)": ("ReplicationPad1d(1)", (1, 1, 3)),
}


@pytest.mark.parametrize("text", SABOTAGED)
def test_another_layer_is_not_within_the_bound(text: str) -> None:
    wrong, shape = SABOTAGED[text]
    case, other = Case(text, shape), Case(wrong, shape)
    layer, found = claims(case)
    given, tables = operands(case), constants(layer, case)
    with torch.no_grad():
        output = torch_forward(other, {n: torch.tensor(v) for n, v in given.items()}).numpy()
    right = Values(found["output"], given | tables).right()
    allowed = bound(found["output"], case, given, tables)
    assert right.size == output.size and apart(right, output, allowed)
    assert not apart(right, torch_gradients(case, given)["output"], allowed)


@pytest.mark.parametrize("case", sample(), ids=str)
def test_the_bound_is_narrow(case: Case) -> None:
    """One part in 10^11 of the largest term is outside it, so a float32 anywhere is seen."""
    layer, found = claims(case)
    given, tables = operands(case), constants(layer, case)
    for claim in found.values():
        right = Values(claim, given | tables).right()
        allowed = bound(claim, case, given, tables)
        i = int(np.argmax(np.abs(right)))
        moved = right.reshape(-1).copy()
        moved[i] *= 1 + 1e-11
        assert right.size == 0 or not moved[i] or apart(moved, right, allowed)


def test_a_nan_is_apart() -> None:
    assert apart(np.array([np.nan]), np.zeros(1), np.ones(1))


NEAREST = "Upsample(scale_factor=1.2)"


def nearest(text: str, shape: tuple[int, ...]) -> tuple[list[float], list[float]]:
    """PyTorch's output on 0, 1, 2, ... and its gradient of the output's sum."""
    ramp = torch.arange(float(np.prod(shape)), dtype=torch.float64).reshape(shape).requires_grad_()
    output = torch_forward(Case(text, shape), {"input": ramp})
    output.sum().backward()
    assert ramp.grad is not None
    return output.reshape(-1).tolist(), ramp.grad.reshape(-1).tolist()


def test_nearest_cases_are_left_out_only_where_pytorch_contradicts_itself() -> None:
    """Documented difference: nearest with a fractional scale that leaves a length as it is, or doubles it.

    PyTorch's gradient, and in two dimensions its output, then copy or double entries whatever the scale;
    its output in one dimension is entry floor(o / scale), and so is backflip's in all.
    """
    assert all(c.arguments["scale_factor"] is not None for c in CASES if nearest_differs(c))
    assert len(CASES) - len(COMPARED) == 2 and nearest_differs(Case(NEAREST, (1, 1, 3)))
    output, gradient = nearest(NEAREST, (1, 1, 3))
    assert output == [0, 0, 1] and gradient == [1, 1, 1] != [2, 1, 0]
    assert nearest("Upsample(scale_factor=(1, 1.2))", (1, 1, 1, 3)) == ([0, 1, 2], [1, 1, 1])
    layer, found = claims(Case(NEAREST, (1, 1, 3)))
    assert Values(found["output"], {"input": np.arange(3)}).right().reshape(-1).tolist() == output
    grad = Values(found["input"], {"input": np.arange(3), "grad_output": np.ones(3, int)}).right()
    assert not layer.tables((1, 1, 3)) and grad.reshape(-1).tolist() == [2, 1, 0]
