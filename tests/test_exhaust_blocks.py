"""Chunks of an comparison: they partition the work, their codes fit, and what is amiss is found out."""

from __future__ import annotations

import random

import pytest
from mutants import MUTANTS, mutant_claim
from test_exhaust import HARD, HARD_SHAPE, at

import derive.exhaust_codes as coding
import derive.exhaust_plan as planning
from derive.errors import LimitError, ProofError
from derive.exhaust import compare, finish, run_chunks
from derive.exhaust_plan import Chunk, plan
from derive.index import Form
from derive.instance import claim_at, numbers
from derive.layers.upsampling import Upsample


def test_codes_of_a_block_are_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where codes of the whole do not fit, blocks are cut until theirs do; the verdicts stay the same."""
    wrong = claim_at(mutant_claim(MUTANTS[0]), HARD.sizes(HARD_SHAPE))
    claims = [*at(HARD, HARD_SHAPE).values(), wrong]
    usual = [compare(claim) for claim in claims]
    bits = max(plan(claim).layout.within(Chunk()).size for claim in claims).bit_length()
    for limit in (2 ** (bits - 1), 2 ** (bits - 6)):
        monkeypatch.setattr(coding, "CODE_LIMIT", limit)
        monkeypatch.setattr(planning, "CODE_LIMIT", limit)
        works = [plan(claim) for claim in claims]
        with pytest.raises(LimitError, match="fit 62 bits"):
            for work in works:
                work.layout.within(Chunk())
        assert max(len(work.chunks) for work in works) > 1
        assert [compare(claim) for claim in claims] == usual


def test_bilinear_resampling_of_a_real_layer_fits() -> None:
    layer, shape = Upsample(scale_factor=2, mode="bilinear"), (1, 64, 56, 56)
    claim = at(layer, shape)["input"]
    assert plan(claim).layout.parts() > 1, "once refused: more than 62 bits"
    assert compare(claim).ok


def test_a_monomial_outside_its_chunk_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: chunks that forget their ranges give codes that are none of the block's."""
    monkeypatch.setattr(planning, "CHUNK", 200)
    monkeypatch.setattr(planning.Chunk, "conditions", lambda self, term: [])
    with pytest.raises(ProofError, match="outside its chunk"):
        compare(at(HARD, HARD_SHAPE)["input"])


def test_chunks_that_overlap_or_leave_out_are_found_out() -> None:
    work = plan(at(HARD, HARD_SHAPE)["input"])
    whole = run_chunks(work, work.chunks)
    assert finish(work, whole).ok
    for chunks in ((), work.chunks * 2):
        with pytest.raises(ProofError, match="do not hold all monomials"):
            finish(work, run_chunks(work, chunks))


def test_numbers_for_sizes_are_what_substituting_them_gives() -> None:
    draw = random.Random(3)
    names = ["s", "o", "p", "k"]
    for _ in range(200):
        picks = [(draw.choices(names, k=draw.randint(0, 3)), draw.randint(-4, 4)) for _ in range(4)]
        form = Form.collect((tuple(sorted(chosen)), scale) for chosen, scale in picks)
        values = {n: draw.randint(-2, 3) for n in draw.sample(names, 2)}
        want = form.substitute({n: Form.of(v) for n, v in values.items()})
        instantiate = numbers(values)
        assert instantiate(form) == want == instantiate(form)
