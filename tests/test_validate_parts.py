"""The parts of the validator by themselves: the operations header, relations, tables and values."""

from __future__ import annotations

import ctypes
import subprocess
from collections import Counter
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from plain_kernels import OPS

from codegen.errors import BuildError, Untraceable
from codegen.factorise import factorised
from codegen.factorise import listed as listed_values
from codegen.numeric import missed, small_bound
from codegen.plan import CPlan, plan_of
from codegen.reference import evaluate, term_count, terms_of
from codegen.relation import Family, Relation, entries, pinned, relation_of, shape_of
from derive.claim import Claim
from derive.errors import LimitError
from derive.expr import Read, Tensor
from derive.index import Form, Index, Within, Zero, name
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.layers.conv import Conv2d
from derive.spelling import parse_layer

CONFORMANCE = """
#include "backflip_ops.h"
/* one block of L results an operation: see expected_blocks */
void ops(E *out, const E *a, const E *b, const E *c, int n) {
    V x = v_load(a + 1), y = v_load(b), z = v_load(c);
    v_store(out, x), out += BF_LANES;
    v_store(out, v_load_part(a, n)), out += BF_LANES;
    v_store(out, v_load_part(a, BF_LANES)), out += BF_LANES;
    v_store_part(out, y, n), out += BF_LANES;
    v_store(out, v_load_strided(a, 3)), out += BF_LANES;
    v_store(out, v_load_strided(a + BF_LANES, -1)), out += BF_LANES;
    v_store(out, v_splat(b + 1)), out += BF_LANES;
    v_store(out, v_zero()), out += BF_LANES;
    v_store(out, v_fma(z, x, y)), out += BF_LANES;
    v_store(out, v_add(y, z)), out += BF_LANES;
    v_store_strided(out, y, n, 2), out += 2 * BF_LANES;
    e_store(out++, v_sum(y));
    e_store(out++, e_fma(e_load(c), e_load(a), e_load(b)));
    e_store(out++, e_add(e_load(a), e_load(b)));
    e_store(out++, e_zero());
}
"""
PROBE = """
#include "backflip_ops.h"
int64_t probe(uint64_t a, uint64_t b, int64_t *result, int64_t *rank) {
    trace_term term = {0, 0};
    int64_t found = trace_product(a, b, &term);
    *result = term.result, *rank = term.rank;
    return found;
}
"""
LAYERS = (
    (Conv2d(4, 6, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2), (2, 4, 5, 4)),
    (Conv2d(2, 3, 2, stride=3, padding=2, dilation=2), (1, 2, 4, 5)),
    (Conv2d(1, 2, 1, padding=1, bias=False), (1, 2, 3)),
)


def compiled(tmp_path: Path, source: str, *definitions: str) -> ctypes.CDLL:
    path = tmp_path / "probe.c"
    path.write_text(source)
    target = tmp_path / ("_".join(definitions).replace("=", "") + ".so")
    flags = [
        "-O2",
        "-std=gnu11",
        "-ffp-contract=fast",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-psabi",
        "-fPIC",
        "-shared",
    ]
    subprocess.run(
        ["gcc", *flags, f"-I{OPS}", *(f"-D{d}" for d in definitions), str(path), "-o", str(target)],
        check=True,
    )
    return ctypes.CDLL(str(target))


@pytest.mark.parametrize("lanes", [1, 2, 4, 8, 16, 32])
@pytest.mark.parametrize("element", ["FLOAT", "DOUBLE", "UINT64"])
def test_each_operation_on_each_lane(tmp_path: Path, element: str, lanes: int) -> None:
    dtype = {"FLOAT": np.float32, "DOUBLE": np.float64, "UINT64": np.uint64}[element]
    library = compiled(tmp_path, CONFORMANCE, f"BF_ELEMENT_{element}", f"BF_LANES={lanes}")
    a, b, c = (np.random.default_rng(i).permutation(4 * lanes + 4).astype(dtype) for i in range(3))
    if element != "UINT64":
        b[1] = -0.0
    for n in range(lanes + 1):
        out = np.full(12 * lanes + 4, 77, dtype)
        library.ops(*(ctypes.c_void_p(t.ctypes.data) for t in (out, a, b, c)), n)
        assert np.array_equal(out, expected_blocks(a, b, c, n, lanes))
        assert element == "UINT64" or np.signbit(out[6 * lanes : 7 * lanes]).all()


def expected_blocks(a: np.ndarray, b: np.ndarray, c: np.ndarray, n: int, lanes: int) -> np.ndarray:
    """What `ops` writes, lane by lane in plain Python."""
    lane = range(lanes)
    blocks = [
        [a[1 + i] for i in lane],
        [a[i] if i < n else 0 for i in lane],
        [a[i] for i in lane],
        [b[i] if i < n else 77 for i in lane],
        [a[3 * i] for i in lane],
        [a[lanes - i] for i in lane],
        [b[1] for _ in lane],
        [0 for _ in lane],
        [int(c[i]) + int(a[1 + i]) * int(b[i]) for i in lane],
        [int(b[i]) + int(c[i]) for i in lane],
        [b[i // 2] if i % 2 == 0 and i // 2 < n else 77 for i in range(2 * lanes)],
        [sum(int(b[i]) for i in lane), int(c[0]) + int(a[0]) * int(b[0]), int(a[0]) + int(b[0]), 0],
    ]
    return np.array([x for block in blocks for x in block], a.dtype)


@pytest.mark.parametrize("lanes", [1, 4, 16])
def test_tracing_moves_each_word_to_its_lane(tmp_path: Path, lanes: int) -> None:
    """Moves carry whole words; every combination of words that are no leaves of a plan is BAD or a zero."""
    library = compiled(tmp_path, CONFORMANCE, "BF_ELEMENT_TRACE", f"BF_LANES={lanes}")
    plan = plan_of(relation_of(claims(*LAYERS[0])["output"]))
    library.bf_trace_begin(ctypes.byref(plan.c_plan), 1)
    zero, leaf = np.uint64(1 << 62), np.uint64(2 << 62 | 1 << 56)
    a = leaf + np.arange(4 * lanes + 4, dtype=np.uint64)
    out = np.zeros(12 * lanes + 4, np.uint64)
    n = lanes // 2
    library.ops(*(ctypes.c_void_p(t.ctypes.data) for t in (out, a, a, a)), n)
    blocks = out[: 10 * lanes].reshape(10, lanes)
    assert (blocks[0] == a[1 : lanes + 1]).all() and (blocks[2] == a[:lanes]).all()
    assert (blocks[1] == np.where(np.arange(lanes) < n, a[:lanes], zero)).all()
    assert (blocks[3][:n] == a[:n]).all() and (blocks[3][n:] == 0).all()
    assert (blocks[4] == a[: 3 * lanes : 3]).all() and (blocks[6] == a[1]).all() and (blocks[7] == zero).all()
    assert (blocks[8:] >> np.uint64(62) == 0).all() and out[-1] == zero
    strided = out[10 * lanes : 12 * lanes]
    assert (strided[: 2 * n : 2] == a[:n]).all() and not strided[1::2].any() and not strided[2 * n :].any()


def claims(layer: Layer, shape: tuple[int, ...]) -> dict[str, Claim]:
    found = layer.claims(**layer.choices(shape))
    return {k: claim_at(c, layer.sizes(shape)) for k, c in found.items()}


def listed(family: Family, result: Tensor) -> Counter[tuple[int, ...]]:
    """Brute force: for every value of all indices, the flat entries of the result and of the factors."""
    found: Counter[tuple[int, ...]] = Counter()
    names, extents = list(family.extents), list(family.extents.values())
    for values in product(*map(range, extents)):
        at = dict(zip(names, values, strict=True))
        if all(c.holds(at) for c in family.conditions):
            spots = [(result, family.result), *((f.tensor, f.index) for f in family.factors)]
            found[tuple(flat(t, tuple(int(x.evaluate(at)) for x in index)) for t, index in spots)] += 1
    return found


def flat(tensor: Tensor, index: tuple[int, ...]) -> int:
    return int(np.ravel_multi_index(index, shape_of(tensor)))


@pytest.mark.parametrize("layer, shape", LAYERS)
@pytest.mark.parametrize("key", ["output", "input", "weight", "bias"])
def test_components_list_what_the_definition_says(layer: Conv2d, shape: tuple[int, ...], key: str) -> None:
    if key not in claims(layer, shape):
        return
    relation = relation_of(claims(layer, shape)[key])
    for part in factorised(relation):
        terms = listed(part.family, relation.result)
        assert set(terms.values()) == {1}
        found = Counter(
            (r, *(flat(t, i) for t, i in zip(part.tensors[1:], part.term(r, rank), strict=True)))
            for r in range(entries(relation.result))
            for rank in range(part.ranks)
            if part.has(r, rank)
        )
        assert found == terms
        assert part.expected().tolist() == [
            sum(t[0] == r for t in terms) for r in range(entries(relation.result))
        ]
        some = next(iter(terms))
        assert part.term_with(some[0], 1, some[1]) is not None


@pytest.mark.parametrize("layer, shape", LAYERS)
@pytest.mark.parametrize("key", ["output", "input", "weight"])
def test_every_pair_is_looked_up_as_the_definition_says(
    tmp_path: Path, layer: Conv2d, shape: tuple[int, ...], key: str
) -> None:
    """All pairs of entries of the two factors, in both orders, and their ranks all different."""
    relation = relation_of(claims(layer, shape)[key])
    plan = plan_of(relation)
    library = compiled(tmp_path, PROBE, "BF_ELEMENT_TRACE", "BF_LANES=1")
    library.bf_trace_begin.argtypes = (ctypes.POINTER(CPlan), ctypes.c_int64)
    library.bf_trace_begin(ctypes.byref(plan.c_plan), 1)
    library.probe.argtypes = (ctypes.c_uint64, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_void_p)
    family = next(f for f in plan.families if len(f.tensors) == 3)
    owner = {t[1:]: t[0] for t in listed(family.family, relation.result)}
    first, second = family.tensors[1:]
    leaves = [
        [2 << 62 | 1 << 56 | plan.operands.index(t.name) << 48 | i for i in range(entries(t))]
        for t in (first, second)
    ]
    result, rank, seen = ctypes.c_int64(), ctypes.c_int64(), set()
    for (i, a), (j, b) in product(enumerate(leaves[0]), enumerate(leaves[1])):
        pair = (a, b) if (i + j) % 2 else (b, a)
        if library.probe(*pair, ctypes.byref(result), ctypes.byref(rank)):
            assert owner.get((i, j)) == result.value
            seen.add((result.value, rank.value))
        else:
            assert (i, j) not in owner
    assert len(seen) == len(owner)


@pytest.mark.parametrize("layer, shape", LAYERS)
def test_values_are_the_definitions(layer: Conv2d, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    for claim in claims(layer, shape).values():
        relation = relation_of(claim)
        data = {t.name: rng.integers(-9, 10, entries(t)) for t in relation.operands}
        expected = np.zeros(entries(relation.result), np.int64)
        for family in relation.families:
            for spots, times in listed(family, relation.result).items():
                values = [data[f.tensor.name][s] for f, s in zip(family.factors, spots[1:], strict=True)]
                expected[spots[0]] += times * int(np.prod(values))
        for dtype in (np.int64, np.uint64, np.float64, np.longdouble):
            found = evaluate(relation, {n: d.astype(dtype) for n, d in data.items()})
            assert found.dtype == dtype and found.shape == relation.shape
            assert np.array_equal(found.reshape(-1).astype(np.int64), expected)


def test_terms_that_a_trace_cannot_tell_apart_are_refused() -> None:
    """A square, a pair in two entries, a pair twice in one entry, a read outside its tensor."""
    x, w, y = (Tensor(n, (Form.of(3),), ((0,),)) for n in "xwy")
    i, j = Index("i", Form.of(3)), Index("j", Form.of(3))
    at, of = name("i"), name("j")
    cases = (
        (Family((i,), (), (at,), (Read(x, (at,)), Read(x, (at,)))), "cannot follow"),
        (Family((i, j), (), (of,), (Read(x, (at,)), Read(w, (at,)))), "cannot tell"),
        (Family((i, j), (), (at,), (Read(x, (at,)), Read(w, (at,)))), "cannot tell"),
        (Family((i,), (), (at,), (Read(x, (at + 1,)), Read(w, (at,)))), "outside a tensor"),
    )
    for family, message in cases:
        with pytest.raises(BuildError, match=message):
            plan_of(Relation(y, (family,)))


def test_small_numbers_stay_exact_and_as_large_as_that_allows() -> None:
    relation = relation_of(claims(Conv2d(64, 1, 3, padding=1), (1, 64, 4, 4))["output"])
    bound = small_bound(relation, "float32")
    assert bound == 170
    assert 576 * bound**2 + bound <= 2**24 < 576 * (bound + 1) ** 2 + bound + 1
    x, y = (Tensor(n, (Form.of(size),), ((0,),)) for n, size in (("x", 2**25), ("y", 1)))
    with pytest.raises(LimitError, match=r"too (many terms|large)|list"):
        small_bound(
            Relation(y, (Family((Index("i", Form.of(2**25)),), (), (Form(),), (Read(x, (name("i"),)),)),)),
            "float32",
        )


BANDED = (
    ("Upsample(size=(5, 4), mode='bilinear', align_corners=True)", (1, 2, 3, 2)),
    ("AdaptiveAvgPool2d((2, 3))", (1, 1, 5, 4)),
    ("AvgPool2d(3, stride=2, padding=1, ceil_mode=True)", (1, 1, 4, 5)),
    ("ReflectionPad2d((1, 2, 2, 0))", (1, 1, 3, 4)),
    ("ReplicationPad1d((2, 3))", (2, 1, 3)),
    ("UpsampleZeros(3)", (1, 1, 2, 3)),
    ("ConvTranspose1d(2, 3, 4, stride=2, padding=1)", (1, 2, 5)),
    ("Concat()", (1, 2, 3)),
)


def by_hand(relation: Relation, data: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Values and numbers of terms, one term after another."""
    values, count = (np.zeros(entries(relation.result), np.int64) for _ in range(2))
    for family in relation.families:
        for spots, times in listed(family, relation.result).items():
            found = [data[f.tensor.name][s] for f, s in zip(family.factors, spots[1:], strict=True)]
            values[spots[0]] += times * int(np.prod(found))
            count[spots[0]] += times
    return values, count


@pytest.mark.parametrize(("text", "shape"), BANDED, ids=[t for t, _ in BANDED])
def test_values_and_counts_under_brackets_of_two_names(text: str, shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(6)
    for claim in claims(parse_layer(text), shape).values():
        relation = relation_of(claim)
        data = {t.name: rng.integers(-9, 10, entries(t)) for t in relation.operands}
        values, count = by_hand(relation, data)
        assert terms_of(relation).tolist() == count.tolist()
        assert sum(map(term_count, relation.families)) == count.sum()
        for dtype in (np.int64, np.uint64, np.float64, np.longdouble):
            found = evaluate(relation, {n: d.astype(dtype) for n, d in data.items()})
            assert np.array_equal(found.reshape(-1).astype(np.int64), values)
        for family in relation.families:
            names = frozenset(family.extents)
            held, number = listed_values(family, names)
            assert number == listed(family, relation.result).total()
            assert all(c.holds(held).all() for c in family.conditions)


def test_masks_too_large_are_taken_value_by_value(monkeypatch: pytest.MonkeyPatch) -> None:
    relation = relation_of(claims(parse_layer("Upsample(scale_factor=2)"), (1, 1, 3, 4))["output"])
    data = {"input": np.arange(12)}
    whole = evaluate(relation, data)
    monkeypatch.setattr("codegen.reference.MASK_CELLS", 10)
    assert (evaluate(relation, data) == whole).all() and whole[0, 0, 5, 7] == 11
    assert sum(map(term_count, relation.families)) == 4 * 3 * 8 * 6 > terms_of(relation).sum()


def test_the_reference_of_a_large_resampling_is_fast() -> None:
    """Never the product of both axes' lengths: 30 thousand million terms would take minutes."""
    import time

    relation = relation_of(
        claims(parse_layer("Upsample(scale_factor=2, mode='bilinear')"), (1, 3, 224, 224))["output"]
    )
    data = {t.name: np.ones(entries(t)) for t in relation.operands}
    start = time.perf_counter()
    assert evaluate(relation, data).max() == 4
    assert time.perf_counter() - start < 5


def test_an_entry_that_two_families_use_has_no_only_place() -> None:
    """A leaf of both could be a term of either entry; each alone names its own."""
    x, y = (Tensor(n, (Form.of(3),), ((0,),)) for n in "xy")
    i, at = Index("i", Form.of(3)), name("i")
    straight = Family((i,), (), (at,), (Read(x, (at,)),))
    turned = Family((i,), (Within(at, Form.of(2)),), (at,), (Read(x, (1 - at,)),))
    assert plan_of(Relation(y, (straight,))).single[0].only.tolist() == [0, 1, 2]
    plan = plan_of(Relation(y, (straight, turned)))
    assert [s.only.tolist() for s in plan.single] == [[-1, -1, 2], [-1, -1, -1]]
    assert plan.expected.tolist() == [2, 2, 1]


def test_products_in_several_sums_are_refused() -> None:
    x, w, y = (Tensor(n, (Form.of(3),), ((0,),)) for n in "xwy")
    i, at = Index("i", Form.of(3)), name("i")
    one = Family((i,), (), (at,), (Read(x, (at,)), Read(w, (at,))))
    two = Family((i,), (Zero(at),), (at,), (Read(w, (at + 1,)), Read(x, (at,))))
    assert plan_of(Relation(y, (one,)))
    with pytest.raises(Untraceable, match="2 sums of such products"):
        plan_of(Relation(y, (one, two)))
    with pytest.raises(Untraceable, match="cannot follow"):
        plan_of(Relation(y, (Family((i,), (), (at,), (Read(x, (at,)), Read(w, (at,)), Read(y, (at,)))),)))


def test_small_numbers_of_any_degree() -> None:
    """Four terms of three factors: 4 B^3 <= 2^24 < 4 (B + 1)^3."""
    relation = relation_of(
        claims(parse_layer("Upsample(size=(5, 9), mode='bilinear')"), (1, 2, 3, 4))["output"]
    )
    bound = small_bound(relation, "float32")
    assert 4 * bound**3 <= 2**24 < 4 * (bound + 1) ** 3


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_the_chance_to_miss_a_difference_is_what_counting_gives(degree: int) -> None:
    """Over 3 bits one product of `degree` entries vanishes as often as the bound says, or less."""
    bits, values = 3, np.arange(8)
    grids = np.meshgrid(*([values] * degree), indexing="ij")
    chance = float((np.prod(grids, axis=0) % 2**bits == 0).mean())
    assert chance <= float(missed(degree, bits)) / 2**bits
    assert chance == float(missed(degree, bits)) / 2**bits


def test_equations_give_an_index_and_leave_the_terms_alone() -> None:
    """What the trace, the values and the count see of a transposed convolution: no index for its places."""
    relation = relation_of(claims(parse_layer("ConvTranspose1d(1, 2, 3, stride=2)"), (1, 1, 4))["output"])
    family = next(f for f in relation.families if f.conditions)
    fewer = pinned(family)
    assert isinstance(family.conditions[0], Zero) and isinstance(fewer.conditions[0], Within)
    assert len(fewer.indices) == len(family.indices) - 1 and pinned(fewer) == fewer
    assert listed(fewer, relation.result) == listed(family, relation.result)
    cropped = replace(family, conditions=(family.conditions[0].mapped(lambda f: f + 1),))
    assert listed(pinned(cropped), relation.result) == listed(cropped, relation.result)
    assert term_count(pinned(cropped)) == listed(cropped, relation.result).total() < term_count(family)


def test_a_long_line_is_counted_and_planned() -> None:
    """Its two lengths are never multiplied: 1,800 million pairs of place and entry."""
    claim = claims(parse_layer("ConvTranspose1d(1, 1, 4, stride=2, bias=False)"), (1, 1, 30000))["output"]
    relation = relation_of(claim)
    assert sum(map(term_count, relation.families)) == 4 * 30000
    assert plan_of(relation).expected.sum() == 4 * 30000
    assert evaluate(relation, {"input": np.ones(30000), "weight": np.arange(4)}).sum() == 6 * 30000
