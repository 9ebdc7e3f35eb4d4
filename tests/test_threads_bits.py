"""Two threads give the bits of one: schedules are chosen for one thread, timed or not, and are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from thread_kernels import Case, differing, pairs

from codegen import cache, tuning
from codegen.audit import request_of
from codegen.lower import ranked
from codegen.options import SWITCH
from codegen.produce import claims_of, scheduled
from codegen.schedules.nest import Target
from codegen.specialised import Candidate
from codegen.tuning import shared
from derive.spelling import parse_layer

WINOGRAD = Case("Conv2d(64, 64, 3, padding=1)", (1, 64, 28, 28), "float64")
"""Its candidates for two threads are ranked otherwise than those for one, and add in another order."""
LINEAR = Case("Linear(256, 128)", (64, 256))
SHAPES: tuple[tuple[str, tuple[int, ...]], ...] = (
    ("Conv2d(16, 32, 3, padding=1)", (1, 16, 32, 32)),
    ("Conv2d(16, 32, 3, padding=1)", (3, 16, 30, 30)),
    ("Conv2d(64, 64, 3, padding=1)", (1, 64, 56, 56)),
    ("Conv2d(64, 64, 3, padding=1)", (2, 64, 14, 14)),
    ("Conv2d(128, 128, 3, padding=1)", (1, 128, 7, 7)),
    ("Conv2d(256, 256, 3, padding=1)", (4, 256, 7, 7)),
    ("Conv2d(3, 32, 7, stride=2, padding=3)", (1, 3, 64, 64)),
    ("Conv2d(16, 24, 5, padding=2, dilation=2)", (2, 16, 20, 20)),
    ("Conv2d(64, 128, 1)", (1, 64, 28, 28)),
    ("Conv2d(64, 128, 1, stride=2)", (2, 64, 56, 56)),
    ("Conv2d(96, 96, 3, padding=1, groups=96)", (4, 96, 56, 56)),
    ("Conv2d(32, 32, 3, padding=1, groups=4)", (2, 32, 28, 28)),
    ("Linear(300, 200)", (64, 300)),
    ("ConvTranspose2d(32, 16, 4, stride=2, padding=1)", (2, 32, 20, 20)),
    ("Conv1d(32, 32, 9, padding=4)", (2, 32, 600)),
    ("Conv3d(8, 16, 3, padding=1)", (1, 8, 10, 14, 14)),
    ("AvgPool2d(2)", (2, 16, 32, 32)),
    ("Upsample(scale_factor=2, mode='bilinear')", (2, 8, 20, 20)),
)
KINDS = (
    ("float32", "strict", "native"),
    ("float32", "balanced", "native"),
    ("float32", "relaxed", "native"),
    ("float64", "strict", "native"),
    ("float32", "strict", "avx2"),
    ("float64", "strict", "avx2"),
    ("float32", "relaxed", "portable"),
)


def test_two_threads_give_the_bits_of_one(tmp_path: Path) -> None:
    made = pairs(LINEAR)[:2]
    assert all(many.threads == 2 for _, many in made)
    assert not differing(LINEAR, made, tmp_path / "sampled")


@pytest.mark.sweep
@pytest.mark.parametrize("kind", KINDS, ids=" ".join)
@pytest.mark.parametrize(("layer", "shape"), SHAPES, ids=str)
def test_every_family_gives_the_bits_of_one_thread(
    layer: str, shape: tuple[int, ...], kind: tuple[str, str, str], tmp_path: Path
) -> None:
    """On two threads, and on three, which share no part evenly."""
    case = Case(layer, shape, *kind)
    for threads in (2, 3):
        assert not differing(case, pairs(case, threads), tmp_path / f"of_{threads}", threads)


def test_candidates_of_another_order_have_other_bits(tmp_path: Path) -> None:
    """What the rule is for: another order has other bits; one of the right order can be shared."""
    request = WINOGRAD.request()
    claim = claims_of(request.layer, request.shape, ["output"])["output"]
    isa = request.isa
    one = Target(isa.lanes("float64"), isa.accumulators, isa.registers, 8)
    alone, several = (ranked("output", claim, replace(one, threads=n)) for n in (1, 2))
    choice = tuning.choose({"output": alone}, isa, "float64", tune=False)[0]
    other = next(c for c in several if c.order != choice.order)
    taken = shared(choice, several)
    assert taken.kernel.threads == 2
    made = [(choice.kernel, other.kernel), (choice.kernel, taken.kernel)]
    assert differing(WINOGRAD, made, tmp_path / "orders") == [0]


def test_where_no_candidate_adds_alike_one_thread_stays() -> None:
    request = LINEAR.request()
    found = [Candidate(k, 1.0, (k.name,)) for k, _ in pairs(LINEAR)]
    choice = tuning.choose({"output": found[:1]}, request.isa, "float32", tune=False)[0]
    assert shared(choice, found[1:]) == choice
    assert shared(choice, [replace(found[1], order=choice.order)]).kernel is found[1].kernel


@pytest.fixture
def timings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """Timed candidates: one of another order is the quickest the first time, the first one from then on."""
    calls: list[int] = []

    def timed(found: Sequence[Candidate], *_: object) -> list[float]:
        calls.append(len(found))
        others = [i for i, c in enumerate(found) if c.order != found[0].order]
        best = others[-1] if len(calls) == 1 else 0
        return [1.0 + abs(i - best) / 100 for i in range(len(found))]

    monkeypatch.setattr(tuning, "timed", timed)
    monkeypatch.setenv(SWITCH, "1")
    monkeypatch.setenv("BACKFLIP_CACHE", str(tmp_path / "cache"))
    return calls


def test_a_timed_choice_is_kept_for_any_number_of_threads(timings: list[int]) -> None:
    """Timed once; without what the cache keeps, the same request is answered otherwise."""
    one = replace(WINOGRAD.request(), tune=True, wanted=("output",))
    claims = claims_of(one.layer, one.shape, one.wanted)
    first = scheduled(one, claims)[0]
    assert len(timings) == 1 and first.number > 0
    for threads in (1, 2, 3):
        again = scheduled(replace(one, threads=threads, level="exact"), claims)[0]
        assert (again.order, again.tried) == (first.order, first.tried)
    assert len(timings) == 1
    cache.clear()
    other = scheduled(replace(one, threads=2), claims)[0]
    assert len(timings) == 2 and other.order != first.order


def test_a_kept_choice_among_other_candidates_is_made_anew(timings: list[int]) -> None:
    one = replace(WINOGRAD.request(), tune=True, wanted=("output",))
    claims = claims_of(one.layer, one.shape, one.wanted)
    scheduled(one, claims)
    for record in (cache.folder() / "choices").glob(f"*/{cache.RECORD}"):
        text = record.read_text(encoding="utf-8")
        record.write_text(text.replace("WINOGRAD", "WINOGRAB"), encoding="utf-8")
    scheduled(one, claims)
    assert len(timings) == 2


def test_an_audit_asks_for_threads() -> None:
    layer, shape = parse_layer("Linear(256, 128)"), (64, 256)
    request = request_of(layer, shape, "float32", "portable", "fast", 2, "relaxed")
    assert (request.threads, request.accuracy, request.tune) == (2, "relaxed", False)
    assert scheduled(request, claims_of(layer, shape, ["output"]))[0].kernel.threads == 2


def test_three_threads_for_a_schedule_that_only_two_share() -> None:
    """The gradient by the weight is cut into even turns; it is not shared where there are none."""
    case = Case("Conv2d(16, 32, 3, padding=1)", (1, 16, 64, 64), "float32", "relaxed", "portable")
    assert [many.threads for _, many in pairs(case, 3)] == [3, 3, 1, 1]
