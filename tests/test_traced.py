"""Traced runs of several kernels at a time: the same checks, and the same refusal first."""

from __future__ import annotations

from dataclasses import asdict
from threading import Barrier, BrokenBarrierError
from typing import Any

import pytest
from plain_kernels import artefact

from codegen import traced
from codegen.artefact import Artefact
from codegen.blas import one_thread
from codegen.errors import BuildError
from codegen.relation import relation_of
from codegen.traced import check_traces
from codegen.validate import traceable, validate
from derive.layers.conv import Conv2d

LAYER, SHAPE, LANES = Conv2d(4, 6, 3, padding=1, groups=2), (1, 4, 5, 6), 4


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    return artefact(tmp_path_factory.mktemp("sound"), LAYER, SHAPE, lanes=LANES)


def checked(art: Artefact, runs: int = 1) -> tuple[list[dict[str, Any]], dict[str, list[Any]]]:
    plans = {kernel: traceable(relation_of(claim)) for kernel, claim in art.equations.items()}
    marks: dict[str, list[Any]] = {kernel: [] for kernel in plans}
    checks = check_traces(art, {k: p for k, p in plans.items() if p is not None}, marks, runs)
    left = {k: [(element, n, sequence.tolist()) for element, n, sequence in v] for k, v in marks.items()}
    return [asdict(c) for c in checks], left


@pytest.mark.parametrize("runs", [1, 2])
def test_two_at_a_time_give_what_one_after_another_gives(
    sound: Artefact, monkeypatch: pytest.MonkeyPatch, runs: int
) -> None:
    alone = checked(sound, runs)
    monkeypatch.setattr(traced, "LARGE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert checked(sound, runs) == alone and len(alone[0]) == 4
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    assert checked(sound, runs) == alone


def test_two_kernels_are_under_way_at_once(sound: Artefact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A meeting place that the second kernel reaches while the first waits in it; alone, none comes."""
    true, meeting = traced.check_trace, Barrier(2, timeout=20)

    def met(*given: Any) -> Any:
        meeting.wait()
        return true(*given)

    monkeypatch.setattr(traced, "check_trace", met)
    monkeypatch.setattr(traced, "LARGE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(traced, "_lanes", lambda plans: [list(plans)[:1], list(plans)[1:2]])
    assert len(checked(sound)[0]) == 2
    meeting = Barrier(2, timeout=0.2)
    monkeypatch.setattr(traced, "_lanes", lambda plans: [list(plans)[:2]])
    with pytest.raises(BrokenBarrierError):
        checked(sound)


def test_the_first_kernel_in_order_is_the_one_refused(
    sound: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is done first: every second kernel is refused, at once or late, and the first is reported."""
    monkeypatch.setattr(traced, "LARGE", 0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    order, true = list(sound.equations), traced.check_trace
    for wrong in (order[1::2], order[::2], order[2:]):

        def refuse(rig: Any, *given: Any, wrong: list[str] = wrong) -> Any:
            if rig.kernel in wrong:
                raise BuildError(f"refused {rig.kernel}", where="here")
            return true(rig, *given)

        with monkeypatch.context() as patch:
            patch.setattr(traced, "check_trace", refuse)
            with pytest.raises(BuildError, match=f"refused {wrong[0]}"):
                checked(sound)


def test_a_refusal_of_the_shipped_binary_comes_before_one_of_a_class_build(
    sound: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*given: Any) -> Any:
        raise BuildError("of the class build", where="here")

    def first(*given: Any) -> Any:
        raise BuildError("of the shipped binary", where="here")

    monkeypatch.setattr("codegen.validate._traced", late)
    with pytest.raises(BuildError, match="of the class build"):
        validate(sound)
    monkeypatch.setattr("codegen.validate.check_integers", first)
    with pytest.raises(BuildError, match="of the shipped binary"):
        validate(sound)


def test_products_of_matrices_keep_to_one_thread_meanwhile(
    sound: Artefact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And to as many as before afterwards, also where a check refuses; without OpenBLAS nothing is set."""
    seen: list[int] = [2]

    def refuse(*given: Any) -> Any:
        assert seen == [2, 1]
        raise BuildError("refused", where="here")

    monkeypatch.setattr("codegen.blas.threads", lambda: (lambda: seen[-1], seen.append))
    monkeypatch.setattr("codegen.validate.check_integers", refuse)
    with pytest.raises(BuildError, match="refused"):
        validate(sound)
    assert seen == [2, 1, 2]
    monkeypatch.setattr("codegen.blas.threads", lambda: None)
    with one_thread():
        assert seen == [2, 1, 2]


def test_a_seed_gives_the_same_record_however_the_threads_run(sound: Artefact) -> None:
    one, two = (asdict(validate(sound, "exact", seed=5)) for _ in range(2))
    for record in (one, two):
        record.pop("seconds")
        record.pop("at", None)
    assert one == two
