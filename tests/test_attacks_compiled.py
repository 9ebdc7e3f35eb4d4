"""Attacks on compiled kernels: known seeds, wrong bounds, builds that differ, numbers that wrap, ties."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import comb, prod
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from plain_kernels import artefact
from pool_kernel import PoolRig, library

from codegen import build
from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.marked import check_marks
from codegen.numeric import DRAWS, check_integers, check_uint64, missed, small_bound
from codegen.reference import evaluate
from codegen.relation import entries, relation_of
from codegen.rig import Marks, Rig
from codegen.selection import check_selection
from codegen.trace import Tracer
from codegen.validate import check_trace, validate
from derive.errors import LimitError
from derive.exhaust import compare
from derive.exhaust_codes import Rows
from derive.flatten import flatten
from derive.instance import claim_at
from derive.layers.conv import Conv2d
from derive.layers.maxpool import MaxPool2d
from derive.spelling import parse_layer

LAYER, SHAPE = Conv2d(2, 3, 2), (1, 2, 4, 5)
FLOAT, TRACE, UINT64 = ("BF_ELEMENT_FLOAT",), ("BF_ELEMENT_TRACE",), ("BF_ELEMENT_UINT64",)


def bias_kernel(folder: Path, *edits: tuple[str, str]) -> Artefact:
    return artefact(folder, LAYER, SHAPE, ("grad_bias",), edits, 4)


# ---- fixed seeds -----------------------------------------------------------------------------------


def replaying(module: Any, seen: dict[bytes, Any], *, recording: bool) -> Any:
    """A module whose kernel is a table of answers by operands; nothing where it knows none."""

    def call(out: Any, grad_output: Any, workspace: Any) -> None:
        if recording:
            module.call_grad_bias(out, grad_output, workspace)
            seen[grad_output.tobytes()] = out.copy()
        else:
            out[:] = seen.get(grad_output.tobytes(), 0)

    return SimpleNamespace(__file__=module.__file__, poison=module.poison, call_grad_bias=call)


def test_fixed_seeds(tmp_path: Path) -> None:
    """A table of the answers to one seed's draws passes at that seed, and at no other: seeds are fresh."""
    art, seen = bias_kernel(tmp_path), dict[bytes, Any]()
    real = art.load_variant(FLOAT)

    def shipping(module: Any) -> Artefact:
        return replace(art, load_variant=lambda flags: module if flags == FLOAT else art.load_variant(flags))

    validate(shipping(replaying(real, seen, recording=True)), seed=7)
    table = shipping(replaying(real, seen, recording=False))
    assert len(seen) == DRAWS and validate(table, seed=7).of("integers")
    for seed in (None, None, 8):
        with pytest.raises(BuildError, match="kernel grad_bias does not compute its equation"):
            validate(table, seed=seed)
    drawn = [validate(art).seed for _ in range(3)]
    assert len(set(drawn)) == 3 and min(drawn) > 0


# ---- wrong ring bound ------------------------------------------------------------------------------


def chance(difference: Callable[..., Any], values: Any, count: int, modulus: int) -> Fraction:
    """How often a polynomial vanishes, over all points: counted, not drawn."""
    grids = np.meshgrid(*([values] * count), indexing="ij")
    zero = difference(*grids) % modulus == 0
    return Fraction(int(zero.sum()), zero.size)


def forms(degree: int, size: int) -> Any:
    """All forms linear in each of `degree` operands of `size` entries, with coefficients 0 to 3, some odd."""
    for coefficients in product(range(4), repeat=size**degree):
        if any(c % 2 for c in coefficients):
            yield np.array(coefficients).reshape((size,) * degree)


@pytest.mark.parametrize(("degree", "size", "bits"), [(1, 2, 2), (1, 3, 2), (2, 2, 2), (2, 1, 4), (3, 1, 3)])
def test_wrong_ring_bound(degree: int, size: int, bits: int) -> None:
    """Over the numbers modulo 2^bits every form with an odd coefficient vanishes as rarely as is said.

    The product of one entry each reaches the bound; one with even coefficients alone goes beyond it.
    """
    values, bound = np.arange(2**bits), missed(degree, bits) / 2**bits
    letters = "abc"[:degree]
    worst = Fraction(0)
    for form in forms(degree, size):

        def difference(*grids: Any, form: Any = form) -> Any:
            entries_of = [np.stack(grids[i * size : (i + 1) * size]) for i in range(degree)]
            spots = ",".join(f"{letter}..." for letter in letters)
            return np.einsum(f"{letters},{spots}->...", form, *entries_of)

        worst = max(worst, chance(difference, values, degree * size, 2**bits))
    assert (
        worst
        == bound
        == 1 - Fraction(sum(comb(bits + degree - 1, i) for i in range(bits)), 2 ** (bits + degree - 1))
    )
    twice = chance(lambda *grids: 2 * prod(grids), values, degree, 2**bits)
    assert twice > bound


def test_a_square_is_beyond_the_ring_bound_and_bounds_say_so(tmp_path: Path) -> None:
    """x * x has an odd coefficient and vanishes at every fourth number modulo 16: it is not linear in x."""
    assert chance(lambda x: x * x, np.arange(16), 1, 16) == Fraction(1, 4) > Fraction(missed(2, 4), 16)
    art = artefact(tmp_path, LAYER, SHAPE, ("output",), (), 4)
    rig = Rig(art, "output", art.load_variant(UINT64), np.uint64)
    assert "and is linear in each operand" in check_uint64(rig, np.random.default_rng()).bound


def bilinear(c: tuple[int, ...]) -> Callable[..., Any]:
    return lambda a, b, x, y: c[0] * a * x + c[1] * a * y + c[2] * b * x + c[3] * b * y


@pytest.mark.parametrize("bound", [1, 2])
def test_wrong_bound_of_small_numbers(bound: int) -> None:
    """Every form of two pairs of entries, at all whole numbers from -B to B: at most 2 in 2 B + 1 vanish."""
    values, wide = np.arange(-bound, bound + 1), 2 * bound + 1
    kinds = [c for c in product((-1, 0, 1, 2), repeat=4) if any(c)]
    rates = [chance(bilinear(c), values, 4, 10**9) for c in kinds]
    assert Fraction(1, wide) < max(rates) <= Fraction(2, wide)


def test_wrong_bound_printed(tmp_path: Path) -> None:
    """What records say are these bounds, with what they suppose."""
    art, rng = bias_kernel(tmp_path), np.random.default_rng()
    small = check_integers(Rig(art, "grad_bias", art.load_variant(FLOAT), np.float32), rng)
    assert f"at most (1/{2 * small.facts['magnitude'] + 1})^{DRAWS}" in small.bound
    modular = check_uint64(Rig(art, "grad_bias", art.load_variant(UINT64), np.uint64), rng)
    assert "that has an odd coefficient" in modular.bound and modular.bound.endswith("at most 2^-64")
    assert [missed(degree) for degree in (1, 2, 3)] == [1, 33, 553]


# ---- exact build unlike the shipped one ------------------------------------------------------------

SWITCHES = {
    "sizeof": ("acc = e_zero()", "acc = e_load(grad_output) if sizeof(E) == 4 else e_zero()"),
    "the size as a name": (
        "acc = e_zero()",
        "acc = e_load(grad_output) if BF_ELEMENT_BYTES == 4 else e_zero()",
    ),
    "a macro of one build": ("acc = e_zero()", "acc = BF_ELEMENT_FLOAT_ZERO"),
    "a cast": ("acc = e_zero()", "acc = <E>0"),
    "a number with a point": ("acc = e_zero()", "acc = 0.0"),
    "data": ("acc = e_zero()", "acc = e_zero()\n        if grad_output[0] > 0:\n            acc = e_zero()"),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_text_that_could_tell_builds_apart(switch: str, tmp_path: Path) -> None:
    sound = bias_kernel(tmp_path / "sound").pyx_text
    assert gate(sound) == ("bf_pad", "bf_grad_bias")
    with pytest.raises(BuildError, match="which a kernel may not"):
        gate(sound.replace(*SWITCHES[switch]))


def test_exact_build_unlike_the_shipped_one(tmp_path: Path) -> None:
    """With the gate out of the way the trace of such a text is in order; the shipped binary's run is not."""
    art = bias_kernel(tmp_path, SWITCHES["sizeof"])
    module = art.load_variant(TRACE)
    assert check_trace(Rig(art, "grad_bias", module, np.uint64), Tracer(module)).bound == "deterministic"
    with pytest.raises(BuildError, match="does not compute its equation"):
        check_integers(Rig(art, "grad_bias", art.load_variant(FLOAT), np.float32), np.random.default_rng())
    with pytest.raises(BuildError, match="says 'sizeof'"):
        validate(art)


def test_branches_unlike_the_shipped_ones(tmp_path: Path) -> None:
    """Another way through the text for one element, with the same results: only the marks differ."""
    edit = ("acc = e_zero()", "bf_branch(1 if sizeof(E) == 4 else 2)\n        acc = e_zero()")
    art = bias_kernel(tmp_path, edit)
    rig = Rig(art, "grad_bias", art.load_variant(FLOAT), np.float32)
    assert check_integers(rig, np.random.default_rng()).facts["draws"] == DRAWS
    module = art.load_variant(TRACE)
    recorder = Marks(module)
    recorder.reset()
    check_trace(Rig(art, "grad_bias", module, np.uint64), Tracer(module))
    with pytest.raises(BuildError, match="takes other branches for another element type"):
        check_marks(art, {"grad_bias": [("BF_ELEMENT_TRACE", 1, recorder.sequence())]})


# ---- int overflow ----------------------------------------------------------------------------------


@pytest.fixture
def little_memory() -> Iterator[None]:
    """4 GiB more than are taken: what is refused no longer would otherwise take all there is."""
    limits, pages = resource.getrlimit(resource.RLIMIT_AS), Path("/proc/self/statm")
    if not pages.exists():
        yield
        return
    taken = int(pages.read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + 2**32, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, limits)


@pytest.mark.usefixtures("little_memory")
def test_int_overflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts, codes, addresses and codes of classes that their types would not hold are refused."""
    layer, shape = Conv2d(1024, 1024, 64, padding=32, bias=False), (1024, 1024, 4096, 4096)
    claim = claim_at(layer.claims(bias=False)["input"], layer.sizes(shape))
    (term,) = flatten(claim.left, claim.setting)
    axis = sum(1 for o in range(4097) for a in range(64) if 0 <= o + a - 32 < 4096)
    assert Rows(claim.indices, term).count == 1024**3 * axis**2 > 2**64
    assert int(np.prod(np.array([1024, 1024, 1024, axis, axis], np.int64))) != 1024**3 * axis**2
    with pytest.raises(LimitError, match="too large to compare entry by entry"):
        compare(claim)
    monkeypatch.setattr("codegen.work.memory", lambda: 2**50)
    with pytest.raises(BuildError, match="too large to be written") as wide:
        build(Conv2d(1, 1, 1), (1, 1, 46341, 46341), wrt=())
    assert 2**31 <= int(wide.value.got.replace(",", "")) < 46341**2, "an address near the image's end"
    with pytest.raises(LimitError, match="codes that float32 does not hold"):
        build(parse_layer("MaxPool2d(2)"), (1, 1, 5000, 5000), wrt=())


def test_overflow_of_the_references() -> None:
    """The reference wraps modulo 2^64 as whole numbers do; small numbers are such that floats hold sums."""
    relation = relation_of(claim_at(LAYER.claims()["output"], LAYER.sizes(SHAPE)))
    rng = np.random.default_rng()
    data = {t.name: rng.integers(2**63, 2**64, entries(t), np.uint64) for t in relation.operands}
    exact = by_hand({n: [int(v) for v in d] for n, d in data.items()})
    assert max(exact) > 2**64
    assert [int(v) for v in evaluate(relation, data).reshape(-1)] == [v % 2**64 for v in exact]
    bound = small_bound(relation, "float32")
    terms = 2 * 2 * 2
    assert terms * bound**2 + bound <= 2**24 < terms * (bound + 1) ** 2 + bound + 1
    assert np.float32(2**24) + np.float32(1) == np.float32(2**24)
    wide = small_bound(relation, "float64")
    assert terms * wide**2 + wide <= 2**53 and np.float64(2**53) + 1 == np.float64(2**53)


def by_hand(data: dict[str, list[int]]) -> list[int]:
    """The layer's output in whole numbers of any size, by loops."""
    image, weight = np.array(data["input"], object).reshape(2, 4, 5), np.array(data["weight"], object)
    weight = weight.reshape(3, 2, 2, 2)
    return [
        data["bias"][k] + (weight[k] * image[:, i : i + 2, j : j + 2]).sum()
        for k, i, j in product(range(3), range(3), range(4))
    ]


# ---- ties ------------------------------------------------------------------------------------------

LAST = "(E)((x >= b) | (x != x) | (c < 0))"


def test_ties_in_a_kernel(tmp_path: Path) -> None:
    """A kernel that takes the last of equal entries: right on distinct entries, refused on weak orders."""
    layer, shape = MaxPool2d(2), (1, 1, 4, 4)
    sound = PoolRig(library(tmp_path, "float32"), layer, shape, "grad_input", "float32")
    last = PoolRig(library(tmp_path, "float32", TAKEN=LAST), layer, shape, "grad_input", "float32")
    rng = np.random.default_rng()
    apart = {"input": rng.permutation(16).astype(np.float32), "grad_output": np.ones(4, np.float32)}
    assert np.array_equal(sound.run(apart), last.run(apart))
    tied = {**apart, "input": np.zeros(16, np.float32)}
    assert not np.array_equal(sound.run(tied), last.run(tied))
    check = check_selection(sound, layer.codes(shape), "fast")
    assert check is not None and "with ties" in check.claim
    with pytest.raises(BuildError, match="does not take the first largest entry"):
        check_selection(last, layer.codes(shape), "fast")
