"""The exhaustive judge: right claims pass at every entry, each wrong one is live and refused by name."""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from mutants import MUTANTS, mutant_claim
from reference import conv2d, gradient
from shapes import random_case

from derive.claim import Claim, Setting
from derive.errors import LimitError, ProofError
from derive.exhaust import compare, compare_expressions, estimate
from derive.exhaust_plan import plan
from derive.expr import Definition, Expr, Partial, Read, Sum, Tensor, single
from derive.index import Form, Index, Within, Zero, name
from derive.instance import claim_at
from derive.judge import judge_at_size, sample
from derive.layers.conv import Conv2d
from derive.program import compare_program, side_pairs

HARD = Conv2d(4, 6, (3, 2), stride=(2, 3), padding=((2, 0), (1, 3)), dilation=(2, 1), groups=2)
HARD_SHAPE = (2, 4, 8, 7)


def at(layer: Conv2d, shape: tuple[int, ...]) -> dict[str, Claim]:
    claims = layer.claims(**layer.choices(shape))
    return {key: claim_at(claim, layer.sizes(shape)) for key, claim in claims.items()}


@pytest.mark.parametrize("key", ["output", "input", "weight", "bias"])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(Conv2d(1, 1, 2), (1, 1, 3, 3)), (HARD, HARD_SHAPE), (Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28))],
)
def test_every_entry_of_a_right_claim(layer: Conv2d, shape: tuple[int, ...], key: str) -> None:
    verdict = judge_at_size(at(layer, shape)[key], layer, key=key, shape=shape, seed=1)
    entries = np.prod({o.name: o.shape for o in layer.operands(shape)}[key])
    assert verdict.ok and verdict.identities == entries
    assert verdict.label == f"THIS SIZE, {entries:,} identities, exhaustive"
    assert len(verdict.lines) == (2 if key == "output" else 3)


def test_number_of_monomials_is_the_measured_one() -> None:
    found = compare(at(Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28))["weight"])
    assert found.ok and found.terms == 2 * 107_736


SHAPES = (
    (HARD, HARD_SHAPE),
    (Conv2d(2, 3, 3, stride=3, dilation=2, padding=1), (2, 2, 9, 10)),
    (Conv2d(3, 2, 2, padding=1), (2, 3, 4, 3)),
)


@pytest.mark.parametrize("kind", MUTANTS, ids=lambda kind: kind.__name__)
def test_mutant_is_refused_at_a_size(kind: type) -> None:
    """At each size where the mutant changes anything it is refused; and at one of the sizes it does."""
    refused = 0
    for layer, shape in SHAPES:
        claim = claim_at(mutant_claim(kind), layer.sizes(shape))
        try:
            found = compare(claim)
        except ProofError as refusal:
            assert any(words in refusal.what for words in ("outside its tensor", "shape", "do not cover"))
            refused += 1
            continue
        if found.ok:
            continue
        assert found.difference is not None and found.difference.left != found.difference.right
        assert f"{claim.right.tensor.name}[" in str(found.difference)
        refused += 1
    assert refused, f"{kind.__name__} was accepted everywhere"


def test_a_condition_that_names_nothing_counts() -> None:
    layer, shape = Conv2d(1, 1, 1, stride=3, padding=((2, 0), (2, 3))), (2, 1, 1, 5)
    claim = at(layer, shape)["output"]
    assert compare(claim).ok
    (term, *_) = claim.right.body.terms
    small = at(Conv2d(1, 1, 2), (1, 1, 3, 3))["output"]
    never = replace(small.right.body.terms[0], conditions=(Zero(Form.of(1)),))
    assert not compare(changed(small, small.right.body.with_term(0, (never,)))).ok
    unbound = replace(term, conditions=(Zero(name("nowhere")),))
    with pytest.raises(ProofError, match="unbound"):
        compare(changed(claim, Expr((unbound,))))


def test_first_wrong_entry_is_named_with_both_sides() -> None:
    sizes = Conv2d(1, 1, 2).sizes((1, 1, 3, 3))
    found = compare(claim_at(mutant_claim(MUTANTS[0]), sizes))
    assert found.difference is not None and found.difference.entry == (0, 0, 0, 0)
    assert found.difference.left == "grad_output[0, 0, 0, 0]*weight[0, 0, 0, 0]"
    assert found.difference.right == "grad_output[0, 0, 0, 0]*weight[0, 0, 1, 1]"


def changed(claim: Claim, body: Expr) -> Claim:
    return replace(claim, right=replace(claim.right, body=body))


def test_multiplicity_missing_terms_and_coefficients_are_seen() -> None:
    claim = at(Conv2d(1, 2, 2), (1, 1, 3, 3))["input"]
    (term,) = claim.right.body.terms
    half = replace(term, coefficient=Fraction(1, 2))
    assert compare(changed(claim, Expr((half, half)))).ok
    for wrong in ((), (term, term), (half,), (term, half), (replace(term, coefficient=Fraction(-1)),)):
        assert not compare(changed(claim, Expr(wrong))).ok
    third = replace(term, coefficient=Fraction(4, 3))
    assert compare(changed(claim, Expr((third, replace(term, coefficient=Fraction(-1, 3)))))).ok


def test_equal_factors_under_other_conditions_are_refused() -> None:
    claim = at(Conv2d(1, 2, 2), (1, 1, 3, 3))["input"]
    (term,) = claim.right.body.terms
    kept = replace(term, conditions=(Within(name("k"), Form.of(1)),))
    assert not compare(changed(claim, Expr((kept,)))).ok


def test_read_outside_a_helper_or_an_input_is_refused_and_named() -> None:
    claim = at(Conv2d(1, 1, 2, padding=1), (1, 1, 3, 3))["weight"]
    padded = claim.setting.definition("padded_input")
    assert padded is not None
    (term,) = padded.body.terms
    bare = replace(padded, body=Expr((replace(term, conditions=()),)))
    broken = tuple(bare if d is padded else d for d in claim.setting.definitions)
    with pytest.raises(ProofError, match="outside its tensor"):
        compare(replace(claim, setting=replace(claim.setting, definitions=broken)))
    (product_,) = claim.right.body.terms
    image, kernel = product_.factors
    moved = replace(image, index=(*image.index[:-1], image.index[-1] + 1))
    with pytest.raises(ProofError, match=r"padded_input.*\n.*|axis 4"):
        compare(changed(claim, Expr((replace(product_, factors=(moved, kernel)),))))


def test_fewer_entries_circles_and_redefinitions_are_refused() -> None:
    claim = at(Conv2d(1, 1, 2), (1, 1, 3, 3))["input"]
    short = replace(claim.right.tensor, shape=(*claim.right.tensor.shape[:-1], Form.of(2)))
    indices = (*claim.right.indices[:-1], Index("i_w", Form.of(2)))
    with pytest.raises(ProofError, match="another shape"):
        compare(replace(claim, right=replace(claim.right, tensor=short, indices=indices)))
    with pytest.raises(ProofError, match="do not cover"):
        compare(replace(claim, right=replace(claim.right, indices=indices)))
    backwards = replace(claim.setting, definitions=claim.setting.definitions[::-1])
    with pytest.raises(ProofError, match="not defined before"):
        compare(replace(claim, setting=backwards))
    flipped = claim.setting.definition("flipped")
    assert flipped is not None
    again = replace(flipped, tensor=replace(flipped.tensor, name="weight"))
    with pytest.raises(ProofError, match="defined twice"):
        compare(
            replace(claim, setting=replace(claim.setting, definitions=(*claim.setting.definitions, again)))
        )
    (factor,) = claim.left.terms[0].factors
    fixed = Read(claim.target, tuple(Form() for _ in claim.target.shape))
    other = replace(claim, left=single(replace(factor, wrt=fixed)))
    with pytest.raises(ProofError, match="not about the target"):
        compare(other)


def test_captured_index_name_is_refused() -> None:
    claim = at(Conv2d(1, 2, 2), (1, 1, 3, 3))["input"]
    (term,) = claim.right.body.terms
    captured = replace(term, indices=(*term.indices, Index("i_h", Form.of(3))))
    with pytest.raises(ProofError, match="bound twice"):
        compare(changed(claim, Expr((captured,))))


def test_repeated_reads_are_multisets_and_the_product_rule_sums_all_occurrences() -> None:
    x = Tensor("x", (Form.of(3),), ((0,),))
    i, j = Index("i", Form.of(3)), Index("j", Form.of(3))
    setting = Setting((), (x,), ())
    here, there = Read(x, (name("i"),)), Read(x, (name("j"),))
    square = Definition(Tensor("square", ()), (), Expr((Sum((i, j), (), (here, there)),)))
    with_square = replace(setting, definitions=(square,))
    derivative = single(Partial(Read(square.tensor, ()), here))
    twice = Expr((Sum((j,), (), (there,), Fraction(2)),))
    assert compare_expressions(with_square, (i,), derivative, twice, x).ok
    assert not compare_expressions(with_square, (i,), derivative, Expr((Sum((j,), (), (there,)),)), x).ok
    assert compare_expressions(
        setting, (i, j), single(here, there), single(there, here), Tensor("m", (Form.of(3),) * 2)
    ).ok
    low = Expr((Sum((), (Within(name("i") - name("j"), Form.of(3)),), (here, there)),))
    assert not compare_expressions(
        setting, (i, j), single(there, here), low, Tensor("m", (Form.of(3),) * 2)
    ).ok


def test_a_condition_with_a_factor_is_solved_over_the_integers() -> None:
    x = Tensor("x", (Form.of(4),), ((0,),))
    t, p = Index("t", Form.of(7)), Index("p", Form.of(4))
    spread = Expr((Sum((p,), (Zero(name("t") - 2 * name("p")),), (Read(x, (name("p"),)),)),))
    found = plan_rows(spread, x, t)
    assert found == [(0, 0), (2, 1), (4, 2), (6, 3)]


def plan_rows(expr: Expr, x: Tensor, free: Index) -> list[tuple[int, int]]:
    from derive.exhaust_plan import plan_equation

    shown = Tensor("row", (free.extent,), ((0,),))
    work = plan_equation(Setting((), (x,), ()), (free,), expr, expr, shown)
    return [tuple(r) for r in side_pairs(work, work.left, ("x",), None).tolist()]


def test_codes_that_would_overflow_and_work_that_would_not_end_are_refused() -> None:
    layer, shape = Conv2d(512, 512, 3, padding=1), (64, 512, 512, 512)
    with pytest.raises(LimitError):
        compare(at(layer, shape)["input"])
    claim = at(Conv2d(1, 6, 5, padding=2), (1, 1, 28, 28))["input"]
    with pytest.raises(LimitError, match="too many monomials"):
        compare(claim, max_terms=1000)
    terms, seconds = estimate(claim)
    assert terms == 2 * 107_736 and 0 < seconds < 1


def test_chunks_partition_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    import derive.exhaust_plan as planning

    for limit in (50, 3):
        monkeypatch.setattr(planning, "CHUNK", limit)
        seen: list[tuple[int, int]] = []
        for claim in at(HARD, HARD_SHAPE).values():
            assert compare(claim, progress=lambda done, of, seen=seen: seen.append((done, of))).ok
            work = plan(claim)
            for side in (work.left, work.right):
                counts = [rows.count for chunk in work.chunks for rows, _ in side.rows(chunk)]
                assert 2 * sum(counts) == work.terms
        assert max(of for _, of in seen) > 10
        sizes = HARD.sizes(HARD_SHAPE)
        assert not compare(claim_at(mutant_claim(MUTANTS[0]), sizes)).ok


def test_array_program_refuses_a_wrong_closed_form() -> None:
    layer, shape = Conv2d(1, 2, 2, padding=1), (1, 1, 3, 4)
    program = layer.array_program("input", shape)
    right = plan(at(layer, shape)["input"])
    assert compare_program(program, right, random.Random(0))[2]
    wrong = plan(claim_at(mutant_claim(MUTANTS[0]), layer.sizes(shape)))
    with pytest.raises(ProofError, match="array program disagrees"):
        compare_program(program, wrong, random.Random(0))


def test_sympy_judge_refuses_a_wrong_closed_form() -> None:
    from derive.exhaust import Comparison
    from derive.judge import judge_with_sympy

    for layer, shape in ((Conv2d(1, 2, 2), (1, 1, 3, 3)), (Conv2d(3, 8, 3, padding=1), (2, 3, 12, 12))):
        terms = estimate(at(layer, shape)["input"])[0]
        found = Comparison(True, int(np.prod(shape)), terms)
        assert "agree" in judge_with_sympy(at(layer, shape)["input"], found, random.Random(3), 3)
        wrong = claim_at(mutant_claim(MUTANTS[0]), layer.sizes(shape))
        with pytest.raises(ProofError, match="judges disagree"):
            judge_with_sympy(wrong, found, random.Random(3), 3)


def test_sample_has_corner_edge_and_interior() -> None:
    cells = sample((1, 3, 9, 9), 8, random.Random(0))
    assert {(0, 0, 0, 0), (0, 1, 4, 4), (0, 1, 4, 0)} <= set(cells) and len(cells) == len(set(cells)) == 8
    assert sample((1,), 4, random.Random(0)) == [(0,)]


def check_case(layer: Conv2d, shape: tuple[int, ...], draw: random.Random) -> None:
    """Claims against plain loops on whole numbers, the judges on every entry, torch where there is one."""
    numbers = np.random.default_rng(draw.randrange(2**32))
    shapes = {o.name: o.shape for o in layer.operands(shape)}
    arrays = {n: numbers.integers(-9, 10, s) for n, s in shapes.items() if n != "output"}
    settings = {
        "stride": layer.strides,
        "padding": layer.paddings,
        "dilation": layer.dilations,
        "groups": layer.groups,
    }
    batch = {n: a if len(shape) == 4 or a.ndim != 3 else a[None] for n, a in arrays.items()}
    forward = conv2d(batch["input"], batch["weight"], batch.get("bias"), **settings)
    for key, claim in at(layer, shape).items():
        verdict = judge_at_size(claim, layer, key=key, shape=shape, seed=5)
        assert verdict.ok, f"{layer!r} at {shape}: {verdict.difference}"
        got = evaluate(claim, arrays, shapes[key])
        want = forward if key == "output" else gradient(key, batch["grad_output"], batch, **settings)
        assert np.array_equal(got, want.reshape(shapes[key])), f"{layer!r} at {shape}: {key}"
    check_torch(layer, batch, forward, settings)


def evaluate(claim: Claim, arrays: dict[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The right side of a claim at integer arrays, from its monomials."""
    work = plan(claim)
    found = np.zeros(int(np.prod(shape)), np.int64)
    for term in work.right.terms:
        operands = tuple(f.tensor.name for f in term.factors if isinstance(f, Read))
        side = replace(work.right, terms=(term,))
        rows = side_pairs(work, side, operands, None)
        values = np.ones(len(rows), np.int64)
        for column, operand in enumerate(operands, 1):
            values = values * arrays[operand].ravel()[rows[:, column]]
        np.add.at(found, rows[:, 0], values)
    return found.reshape(shape)


def check_torch(layer: Conv2d, arrays: dict[str, np.ndarray], forward: np.ndarray, numbers: dict) -> None:
    """PyTorch in float64 gives the same whole numbers, forward and backward."""
    torch = pytest.importorskip("torch")
    tensors = {n: torch.tensor(a, dtype=torch.float64, requires_grad=True) for n, a in arrays.items()}
    (top, bottom), (left, right) = numbers["padding"]
    padded = torch.nn.functional.pad(tensors["input"], (left, right, top, bottom))
    output = torch.nn.functional.conv2d(
        padded,
        tensors["weight"],
        tensors.get("bias"),
        numbers["stride"],
        0,
        numbers["dilation"],
        numbers["groups"],
    )
    assert np.array_equal(output.detach().numpy(), forward)
    output.backward(tensors["grad_output"].detach())
    for key in ("input", "weight", *(("bias",) if "bias" in arrays else ())):
        want = gradient(key, arrays["grad_output"], arrays, **numbers)
        assert np.array_equal(tensors[key].grad.numpy(), want), key


@pytest.mark.parametrize("seed", range(40))
def test_random_shapes(seed: int) -> None:
    draw = random.Random(seed)
    check_case(*random_case(draw, 5), draw)


@pytest.mark.sweep
@pytest.mark.parametrize("block", range(20))
def test_full_sweep(block: int) -> None:
    draw = random.Random(1000 + block)
    for _ in range(30):
        check_case(*random_case(draw), draw)


def test_numbers_of_a_reference_entry() -> None:
    image, weight = np.arange(9).reshape(1, 1, 3, 3), np.array([[[[1, 2], [3, 4]]]])
    assert conv2d(image, weight).tolist() == [[[[27, 37], [57, 67]]]]


BIG = """
import resource
from derive.exhaust import compare
from derive.instance import claim_at
from derive.layers.conv import Conv2d
layer, shape = Conv2d(64, 64, 3, padding=1), (1, 64, 56, 56)
for key, claim in layer.claims(**layer.choices(shape)).items():
    assert compare(claim_at(claim, layer.sizes(shape))).ok, key
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_a_real_layer_stays_in_memory() -> None:
    run = subprocess.run([sys.executable, "-c", BIG], capture_output=True, text=True, check=True, timeout=120)
    assert int(run.stdout) < 900


def test_terms_of_different_tensors_share_no_code() -> None:
    """weight*input and bias are codes of their own: equal digits of two signatures do not cancel."""
    from derive.exhaust_codes import ENTRY, Encoding, signature_of

    lengths = {ENTRY: 2, ("weight", 0): 3, ("input", 0): 2, ("bias", 0): 3}
    shapes = {slot: ((0, length),) for slot, length in lengths.items()}
    order = [(slot, 0) for slot in shapes]
    signatures = [signature_of(["weight", "input"]), signature_of(["bias"]), signature_of([])]
    encoding = Encoding.build(order, shapes, signatures)
    assert encoding.base == 12, "the largest signature alone decides how many bits a code takes"
    numbers = {signature: list(encoding.digits).index(signature) for signature in signatures}
    assert sorted(numbers.values()) == [0, 1, 2]
    assert encoding.decode(numbers[signatures[1]] * encoding.base + 2) == {("bias", 0): (2,)}
    first = encoding.decode(numbers[signatures[0]] * encoding.base + 2)
    assert first.keys() == {("weight", 0), ("input", 0)}
