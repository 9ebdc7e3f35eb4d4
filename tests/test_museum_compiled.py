"""The museum in machine code: wrong equations and wrong loops compiled, and refused by the validator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.museum import (
    Cabinet,
    first_wrong,
    loop_mutants,
    looped,
    right_kernel,
    specimen,
    with_loops,
)
from codegen.museum_loops import KERNELS, LOOPS, mutants
from codegen.museum_words import SEED, cabinets, followed, on_show, recorded, said, traced
from derive.museum import Exhibit, exhibits

CLOSED = [e for e in exhibits() if e.closed is not None]
LOOPED = [e for e in exhibits() if e.loops]
CONTROLS = ("conv-dx-stride-dropped", "transposed-kernel-flipped", "softmax-diagonal", "relu-gates-gradient")
"""Exhibits whose right kernels are compiled beside the wrong ones; all of them in the sweep."""


@pytest.fixture(autouse=True, scope="module")
def each_text_gated_once() -> Iterator[None]:
    """Many kernels share a text: what the gate says of it is kept. It looks at nothing else."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("codegen.validate.gate", cache(gate), raising=False)
        yield


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Cabinet]:
    """The wrong equations, the exhibits' loops, one kernel of every loop bug, and a few right kernels."""
    found = on_show()
    found += [specimen(e, "right") for e in CLOSED if e.key in CONTROLS]
    found += dict((title, s) for title, s in reversed(list(loop_mutants()))).values()
    return cabinets(found, tmp_path_factory.mktemp("museum"))


def names(prefix: str, compiled: dict[str, Cabinet]) -> list[str]:
    return [n for n in compiled if n.startswith(prefix)]


def refusal(name: str, compiled: dict[str, Cabinet]) -> str:
    return compiled[name].refusal(name, seed=SEED)


def killed(name: str, compiled: dict[str, Cabinet]) -> str:
    """The words of the refusal; AssertionError where the kernel passes."""
    words = refusal(name, compiled)
    assert words, f"{name} passes validation"
    return words


# ---- equations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exhibit", CLOSED, ids=lambda e: e.key)
def test_a_wrong_equation_is_refused(exhibit: Exhibit, compiled: dict[str, Cabinet]) -> None:
    refused = killed(f"{exhibit.key}-closed".replace("-", "_"), compiled)
    assert f"{exhibit.result}[" in refused and "expected:" in refused and "got:" in refused


@pytest.mark.parametrize("key", CONTROLS)
def test_the_right_equation_is_accepted(key: str, compiled: dict[str, Cabinet]) -> None:
    assert refusal(f"{key}-right".replace("-", "_"), compiled) == ""


@pytest.mark.parametrize("name", recorded())
def test_the_words_are_those_on_the_page(name: str, compiled: dict[str, Cabinet]) -> None:
    """The check that refuses first, and what the trace says of the first wrong entry, as recorded."""
    assert said(name, compiled[name]) == recorded()[name], (
        "python -m codegen.museum_words, then codegen.gallery"
    )


def test_the_record_is_of_what_is_on_show() -> None:
    assert list(recorded()) == [s.name for s in on_show()]


def test_the_trace_refuses_every_product_that_it_can_follow(compiled: dict[str, Cabinet]) -> None:
    """No chance in it: each of them, by the one check that is deterministic."""
    own = {name: compiled[name].specimens[name] for name in recorded()}
    can = [name for name, s in own.items() if s.products and followed(s)]
    assert len(can) >= 20
    assert all(recorded()[name].get("trace") for name in can)


def test_a_right_kernel_has_no_words(compiled: dict[str, Cabinet]) -> None:
    name = "conv_dx_stride_dropped_right"
    assert traced(name, compiled[name]) == {}
    with pytest.raises(BuildError, match="not refused as expected"):
        said(name, compiled[name])


# ---- loops ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exhibit", LOOPED, ids=lambda e: e.key)
def test_an_exhibit_s_loops_are_live_and_refused(exhibit: Exhibit, compiled: dict[str, Cabinet]) -> None:
    own = list(looped(exhibit))
    assert len(own) == len(exhibit.loops)
    for each in own:
        assert first_wrong(each)
        assert killed(each.name, compiled)


@pytest.mark.parametrize("title", LOOPS)
def test_a_loop_bug_is_live_and_refused(title: str, compiled: dict[str, Cabinet]) -> None:
    (name,) = [n for n in names("loops_", compiled) if n.endswith(f"_{title}")]
    fault = first_wrong(compiled[name].specimens[name])
    got, _, wanted = fault.partition("got ")[2].partition(", expected ")
    assert got and wanted and got != wanted
    assert killed(name, compiled)


def test_every_loop_bug_is_made_on_several_kernels() -> None:
    made = [title for title, _ in loop_mutants()]
    assert set(made) == set(LOOPS) and len(made) >= 40
    assert all(made.count(title) >= 3 for title in LOOPS if title != "zero_wins")


@pytest.mark.sweep
def test_every_loop_mutant_is_refused(tmp_path: Path) -> None:
    found = cabinets([s for _, s in loop_mutants()], tmp_path)
    assert all(killed(name, found) for name in found)


@pytest.mark.sweep
def test_every_right_kernel_is_accepted(tmp_path: Path) -> None:
    right = [specimen(e, "right") for e in CLOSED]
    right += [right_kernel(*k, f"right_{n}") for n, k in enumerate(KERNELS)]
    found = cabinets(right, tmp_path)
    assert [refusal(name, found) for name in found if refusal(name, found)] == []


# ---- sabotage ------------------------------------------------------------------------------------------


def test_a_right_kernel_passed_off_as_a_mutant_is_not_killed(compiled: dict[str, Cabinet]) -> None:
    with pytest.raises(AssertionError, match="passes validation"):
        killed("conv_dx_stride_dropped_right", compiled)


def test_a_right_kernel_is_not_live() -> None:
    assert first_wrong(right_kernel(*KERNELS[0])) == ""


def test_an_edit_that_finds_nothing_says_so() -> None:
    with pytest.raises(BuildError, match="changes nothing"):
        with_loops(right_kernel(*KERNELS[0]), "zero_wins")


def test_an_edit_changes_nothing_but_the_loops() -> None:
    kernel = right_kernel(*KERNELS[0]).kernel
    for title, changed in mutants(kernel):
        assert changed.body != kernel.body, title
        assert replace(changed, body=kernel.body) == kernel, title


def test_two_kernels_of_one_name_are_refused(tmp_path: Path) -> None:
    own = right_kernel(*KERNELS[0])
    with pytest.raises(BuildError, match="two kernels of one name"):
        Cabinet.of([own, own], tmp_path)
