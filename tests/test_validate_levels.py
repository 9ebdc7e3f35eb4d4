"""What each level runs for each class of kernels, the field's reference, and runs on left-over workspace."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from plain_kernels import Edits, artefact

from codegen import compile
from codegen.artefact import Artefact
from codegen.errors import BuildError
from codegen.field import ELEMENT, check_sums, modulo_prime
from codegen.numeric import check_integers
from codegen.produce import Request, module_source, prepared
from codegen.record import Check, ValidationRecord
from codegen.relation import Family, Relation, entries, relation_of, shape_of
from codegen.rig import Rig
from codegen.trace import Tracer
from codegen.validate import check_trace, validate
from derive.expr import Tensor
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.layers.conv import Conv2d
from derive.numbers_field import PRIME
from derive.spelling import parse_layer

LAYER, SHAPE = Conv2d(1, 2, 2), (1, 1, 3, 4)
SUMS = {"lexical", "integers", "trace"}
TABLES = {"lexical", "integers", "rational", "uint64"}
EXACT = {"lexical", "integers", "real", "trace", "uint64", "field", "marks"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("levels")


def generated(folder: Path, text: str, shape: tuple[int, ...], *wanted: str) -> Artefact:
    """The kernels that a build of the layer would validate."""
    layer = parse_layer(text)
    request = Request(layer, shape, "float32", wanted, "fast", compile.chosen_isa("native"))
    source, known, _ = module_source(request)
    place = folder / text.replace(" ", "")
    place.mkdir()
    return prepared(request, source, known, place)[0]


def methods(record: ValidationRecord, kernel: str) -> set[str]:
    return {c.method for c in record.checks if c.kernel in (kernel, "text")}


CLASSES = (
    pytest.param("Conv1d(1, 1, 2)", (1, 1, 5), SUMS, EXACT, marks=pytest.mark.sweep),
    pytest.param("AvgPool1d(2, stride=1)", (1, 1, 4), TABLES, EXACT - {"trace"} | TABLES),
    pytest.param("GELU()", (2, 3), {"lexical", "bounded", "functions", "field"}, set()),
    pytest.param(
        "MaxPool1d(2)",
        (1, 1, 4),
        {"lexical", "bounded", "selection", "field"},
        set(),
        marks=pytest.mark.sweep,
    ),
)


@pytest.mark.parametrize(("text", "shape", "fast", "exact"), CLASSES)
def test_what_runs_at_which_level(
    text: str, shape: tuple[int, ...], fast: set[str], exact: set[str], folder: Path
) -> None:
    """At "exact" every class goes over the field and has its branch marks compared."""
    made = generated(folder, text, shape, "output")
    assert methods(validate(made), "output") == fast
    found = methods(validate(made, "exact"), "output")
    assert found == (exact or fast | {"marks"}) and "field" in found


# ---------------------------------------------------------------- the sum of products modulo a prime

RELATIONS = (
    ("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), groups=2)", (2, 4, 5, 4)),
    ("Upsample(size=(5, 4), mode='bilinear', align_corners=True)", (1, 1, 3, 2)),
    ("Concat()", (1, 2, 3)),
)


def relations(layer: Layer, shape: tuple[int, ...]) -> list[Relation]:
    found = layer.claims(**layer.choices(shape))
    return [relation_of(claim_at(c, layer.sizes(shape))) for c in found.values()]


def by_hand(relation: Relation, data: dict[str, np.ndarray]) -> list[int]:
    """The same with Python's whole numbers, one term after another."""
    totals = [0] * entries(relation.result)
    for family in relation.families:
        for values in product(*map(range, family.extents.values())):
            at = dict(zip(family.extents, values, strict=True))
            if all(c.holds(at) for c in family.conditions):
                term = family.coefficient.numerator * pow(family.coefficient.denominator, -1, PRIME)
                for factor in family.factors:
                    term *= int(data[factor.tensor.name][flat(factor.tensor, factor.index, at)])
                totals[flat(relation.result, family.result, at)] += term
    return [t % PRIME for t in totals]


def flat(tensor: Tensor, index: tuple, at: dict[str, int]) -> int:
    return int(np.ravel_multi_index([int(f.evaluate(at)) for f in index], shape_of(tensor)))


@pytest.mark.parametrize(("text", "shape"), RELATIONS, ids=[t for t, _ in RELATIONS])
def test_the_reference_of_the_field_is_the_sum_of_terms(text: str, shape: tuple[int, ...]) -> None:
    """Numbers as large as they may be, and random ones; a coefficient that is no whole number as well."""
    rng = np.random.default_rng(8)
    for relation in relations(parse_layer(text), shape):
        for least in (PRIME - 1, 0):
            data = {t.name: rng.integers(least, PRIME, entries(t), np.uint64) for t in relation.operands}
            assert modulo_prime(relation, data).tolist() == by_hand(relation, data)
        halved = replace(
            relation, families=tuple(replace(f, coefficient=Fraction(-1, 2)) for f in relation.families)
        )
        assert modulo_prime(halved, data).tolist() == by_hand(halved, data)


def test_limbs_that_are_too_long_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the number of terms taken to be less than it is, sums would wrap, and the comparison shows it."""
    (relation, *_) = relations(Conv2d(8, 1, 3, bias=False), (1, 8, 3, 3))
    data = {t.name: np.full(entries(t), PRIME - 1, np.uint64) for t in relation.operands}
    assert modulo_prime(relation, data).tolist() == by_hand(relation, data)
    monkeypatch.setattr("codegen.field.terms_of", lambda relation: np.ones(1, np.int64))
    assert modulo_prime(relation, data).tolist() != by_hand(relation, data)


def test_one_family_may_read_one_tensor_twice() -> None:
    (relation, *_) = relations(Conv2d(1, 1, 2, bias=False), (1, 1, 3, 3))
    (family,) = relation.families
    squared = replace(family, factors=(family.factors[0], family.factors[0]))
    both: Family = replace(squared, coefficient=Fraction(3))
    data = {t.name: np.arange(PRIME - entries(t), PRIME, dtype=np.uint64) for t in relation.operands}
    relation = Relation(relation.result, (both,))
    assert modulo_prime(relation, data).tolist() == by_hand(relation, data)


def built(tmp_path: Path, kernel: str, edits: Edits) -> Artefact:
    return artefact(tmp_path, LAYER, SHAPE, (kernel,), edits, 4)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return built(tmp_path_factory.mktemp("sound"), "grad_bias", ())


def over_field(art: Artefact) -> Check:
    rig = Rig(art, "grad_bias", art.load_variant((ELEMENT,)), np.uint64)
    return check_sums(rig, np.random.default_rng(1))


def test_the_field_refuses_a_term_too_few(sound: Artefact, tmp_path: Path) -> None:
    assert over_field(sound).facts["runs"] == 2 and over_field(sound).bound.endswith("at most 1/p")
    short = built(tmp_path, "grad_bias", (("range(@OH@ * @OW@)", "range(@OH@ * @OW@ - 1)"),))
    with pytest.raises(BuildError, match=r"bias\[0\] \(numbers modulo 2\^61 - 1, run 1; 2 of 2 entries"):
        over_field(short)


# ---------------------------------------------------------------- on what an earlier run left

STALE: Edits = (
    (
        "cdef void bf_grad_bias",
        'cdef extern from "backflip_ops.h" nogil:\n'
        "    E e_same(E, E)\n    E e_choose(E, E, E)\n\n"
        "cdef void bf_grad_bias",
    ),
    ("cdef E acc", "cdef E acc, old"),
    ("acc = e_zero()", "old = e_load(workspace)\n        acc = e_choose(e_same(old, old), old, e_zero())"),
    ("e_store(out + k, acc)", "e_store(out + k, acc)\n    e_store(workspace, e_load(grad_output))"),
)
"""What an earlier call left is added unless it is NaN, as poison is: the first call from poison is right."""


def test_two_runs_see_what_poison_alone_does_not(tmp_path: Path) -> None:
    art = built(tmp_path, "grad_bias", STALE)
    rng = np.random.default_rng(3)
    rig = Rig(art, "grad_bias", art.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    data = {"grad_output": rng.integers(1, 9, rig.counts["grad_output"]).astype(np.float32)}
    rig.poison()
    found = rig.run(data).copy()
    assert (found == data["grad_output"].reshape(2, -1).sum(1)).all(), "right when it starts from poison"
    with pytest.raises(BuildError, match="depends on what an earlier run left in its workspace"):
        rig.repeat(data, found)
    with pytest.raises(BuildError, match=r"whole numbers, draw 2"):
        check_integers(rig, rng)
    module = art.load_variant(("BF_ELEMENT_TRACE",))
    with pytest.raises(BuildError, match="traced run 1"):
        check_trace(Rig(art, "grad_bias", module, np.uint64), Tracer(module))


def test_a_kernel_that_starts_anew_repeats_itself(sound: Artefact) -> None:
    rig = Rig(sound, "grad_bias", sound.load_variant(("BF_ELEMENT_FLOAT",)), np.float32)
    rng = np.random.default_rng(3)
    data = {"grad_output": rng.standard_normal(rig.counts["grad_output"]).astype(np.float32)}
    rig.poison()
    rig.repeat(data, rig.run(data).copy())
