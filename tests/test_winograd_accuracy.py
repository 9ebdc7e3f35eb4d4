"""What a tier promises of Winograd's rounding, over kinds of data, against PyTorch on one thread.

Errors are against float64, relative to the root of the mean square of the result; a kind counts by the mean
of a few draws. What stands beside the entries that are like ReLU's is normal.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from winograd_parts import Maker, Plan, artefact_of

from codegen.artefact import SHIPPED_ELEMENT, Artefact
from codegen.compile import chosen_isa
from codegen.rig import Rig
from codegen.schedules.nest import Target
from codegen.schedules.problem import Contraction
from codegen.schedules.winograd import plans
from codegen.schedules.winograd_forward import Winograd
from codegen.schedules.winograd_gradient import Gradient
from codegen.schedules.winograd_product import Levels
from derive.layers.conv import Conv2d
from derive.toom import transform

torch: Any = pytest.importorskip("torch")
Array = np.ndarray[Any, Any]
Errors = dict[str, tuple[float, float]]
CHANNELS, PLACES, GRADIENT_PLACES, DRAWS = 64, 22, 56, 2
ISA = chosen_isa("native")
TARGET = Target(ISA.lanes("float32"), ISA.accumulators, ISA.registers)
KINDS = ("normal", "relu", "heavy", "positive")
LONG = Levels(4096, 1, False)
"""No blocks at all: what the promise of the first tier must not be taken for."""


def planned(tier: str, contraction: Contraction) -> Plan:
    """The first plan of a tier that has none of the tiers above it."""
    found = plans(contraction, replace(TARGET, accuracy=tier))
    return next(p for p in found if p.accuracy == tier and isinstance(p, Winograd | Gradient))


def chained(contraction: Contraction) -> Plan:
    over = (transform(2, 3), transform(2, 3))
    return Winograd(contraction, TARGET, over, 2, 4, 2, LONG, "strict")


def drawn(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    normal = rng.standard_normal(shape)
    other = {"relu": np.maximum(normal, 0), "heavy": rng.standard_t(3, shape), "positive": rng.random(shape)}
    return other.get(kind, normal).astype(np.float32)


def torch_runs(x: Any, w: Any, g: Any, key: str) -> Iterator[tuple[str, Array]]:
    """PyTorch's results by layout."""
    for name in ("contiguous", "channels_last"):
        given = [
            t.to(memory_format=getattr(torch, f"{name}_format" if name == "contiguous" else name))
            for t in (g, x, w)
        ]
        mask = [key == "input", key == "weight", False]
        if key == "output":
            found = torch.nn.functional.conv2d(given[1], given[2], padding=1)
        else:
            back = torch.ops.aten.convolution_backward(
                *given, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask
            )
            found = back[mask.index(True)]
        yield name, found.contiguous().numpy()


def exact(x: Any, w: Any, g: Any, key: str) -> Array:
    double = [t.double() for t in (x, w, g)]
    (found,) = (r for n, r in torch_runs(*double, key) if n == "contiguous")
    return found


def rounded(runs: list[tuple[str, Array]], wanted: Array) -> Errors:
    """By name the largest and the root of the mean square error."""
    scale = np.sqrt((wanted**2).mean())
    off = {name: (found.reshape(-1).astype(np.float64) - wanted.reshape(-1)) / scale for name, found in runs}
    return {name: (float(abs(d).max()), float(np.sqrt((d**2).mean()))) for name, d in off.items()}


def measured(rigs: dict[str, Rig], key: str, places: int, kind: str) -> dict[str, Array]:
    """By name the mean of largest and root mean square errors over the draws."""
    rng, found, beside = np.random.default_rng(11), list[Errors](), "normal" if kind == "relu" else kind
    size = (1, CHANNELS, places, places)
    for _ in range(DRAWS):
        x = torch.from_numpy(drawn(kind, size, rng))
        w = torch.from_numpy(drawn(beside, (CHANNELS, CHANNELS, 3, 3), rng))
        g = torch.from_numpy(drawn(beside, size, rng))
        data = {"input": x, "weight": w, "grad_output": g}
        flat = {n: t.numpy().reshape(-1) for n, t in data.items()}
        runs = [(name, rig.run(flat).copy()) for name, rig in rigs.items()]
        found.append(rounded([*runs, *torch_runs(x, w, g, key)], exact(x, w, g, key)))
    return {name: np.mean([f[name] for f in found], axis=0) for name in found[0]}


def rigs_of(folder: Path, key: str, places: int, makers: dict[str, Maker]) -> dict[str, Rig]:
    """By name the compiled kernels of one layer."""
    layer, shape = Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False), (1, CHANNELS, places, places)
    found = {}
    for name, make in makers.items():
        made: Artefact = artefact_of(folder / name, layer, shape, {key: make}, TARGET, isa=ISA)
        (kernel,) = made.equations
        found[name] = Rig(made, kernel, made.load_variant((SHIPPED_ELEMENT["float32"],)), "float32")
    return found


@pytest.fixture(scope="module")
def single() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def keeps(tier: str, found: dict[str, Array], name: str) -> bool:
    """Whether errors keep a tier's promise; a hundredth is for the draw."""
    peers = [found["contiguous"], found["channels_last"]]
    largest, root = found[name]
    if tier == "strict":
        return bool(largest <= 1.01 * min(p[0] for p in peers) and root <= 1.01 * min(p[1] for p in peers))
    if tier == "balanced":
        return bool(root <= 1.01 * found["channels_last"][1])
    return bool(largest <= 8 * found["contiguous"][0] and root <= 3.5 * found["contiguous"][1])


def test_the_tiers_of_the_forward_pass_keep_their_promises(tmp_path: Path, single: None) -> None:
    makers: dict[str, Maker] = {t: partial(planned, t) for t in ("strict", "balanced", "relaxed")}
    rigs, refused = rigs_of(tmp_path, "output", PLACES, makers), set[str]()
    for kind in KINDS:
        found = measured(rigs, "output", PLACES, kind)
        for tier in makers:
            assert keeps(tier, found, tier), (kind, tier, found)
        refused |= {tier for tier in ("balanced", "relaxed") if not keeps("strict", found, tier)}
    assert refused == {"balanced", "relaxed"}


@pytest.mark.sweep
def test_the_tiers_of_the_gradients_keep_their_promises(tmp_path: Path, single: None) -> None:
    tiers: dict[str, Maker] = {t: partial(planned, t) for t in ("strict", "relaxed")}
    for key in ("weight", "input"):
        places = GRADIENT_PLACES if key == "weight" else PLACES
        rigs = rigs_of(tmp_path / key, key, places, tiers)
        for kind in KINDS:
            found = measured(rigs, key, places, kind)
            for tier in tiers:
                assert keeps(tier, found, tier), (key, kind, tier, found)


@pytest.mark.sweep
def test_sums_in_one_chain_would_break_the_first_promise(tmp_path: Path, single: None) -> None:
    makers: dict[str, Maker] = {"chain": chained}
    rigs = rigs_of(tmp_path, "output", PLACES, makers)
    found = {kind: measured(rigs, "output", PLACES, kind) for kind in KINDS}
    assert not all(keeps("strict", f, "chain") for f in found.values()), found
