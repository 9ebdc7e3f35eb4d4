"""Codes on the quick way of a call: converted as the slow way converts them, or handed to it."""

from __future__ import annotations

import ctypes
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_parts import Slow, built, counting

import codegen.compile as compiling
from codegen import build
from codegen.call import Kernel
from codegen.coded import NO_CODE, Coded
from codegen.compile import ISAS, chosen_isa, to_binary
from codegen.fast import APART, LARGEST, laid_out, plan_of
from derive.errors import LayerError
from derive.spelling import parse_layer

Array = np.ndarray[Any, Any]
SOURCE = """
#include <Python.h>
#include "backflip_ops.h"
#include "backflip_codes.h"
__attribute__((visibility("default")))
int converted(const int64_t *codes, E *to, int64_t count, int64_t low, int64_t high, int64_t ignored,
              int64_t instead) {
    const bf_range range = {0, low, high, ignored, instead};
    return bf_convert(&range, codes, to, count);
}
"""
ODD = (-(2**63), -(2**31) - 1, -101, -100, -2, -1, 0, 1, 6, 7, 8, 2**31, 2**32 + 3, 2**53 + 1, 2**63 - 1)
"""Codes around the range 0 to 7, and such as are in range by their lower half alone."""


def library(folder: Path, isa: str, element: str) -> ctypes.CDLL:
    source, target = folder / "codes.c", folder / f"{isa}_{element}.so"
    source.write_text(SOURCE)
    own = chosen_isa(isa)
    name = {"float32": "FLOAT", "float64": "DOUBLE"}[element]
    to_binary(source, target, own, (f"BF_ELEMENT_{name}", f"BF_LANES={own.lanes(element)}"))
    return ctypes.CDLL(str(target))


def check(made: ctypes.CDLL, element: str) -> None:
    """Every odd code at every place of a few lengths is taken, or refused, as the slow way does."""
    for ignored in (None, -100, 3):
        known = Coded("target", (), np.dtype(element), 0, 7, ignored, False)
        for length in (1, 8, 19):
            for place in range(length):
                for odd in ODD:
                    codes = np.arange(length, dtype=np.int64) % 8
                    codes[place] = odd
                    one(made, known, codes)


def one(made: ctypes.CDLL, known: Coded, codes: Array) -> None:
    to = np.full(len(codes) + 1, 99, known.dtype)
    own = Coded(known.name, codes.shape, known.dtype, known.low, known.high, known.ignored, False)
    long = (ctypes.c_int64(n) for n in (len(codes), *own.limits))
    done = made.converted(codes.ctypes.data_as(ctypes.c_void_p), to.ctypes.data_as(ctypes.c_void_p), *long)
    try:
        wanted = own.taken(codes)
    except LayerError:
        assert not done, codes
        return
    assert done and (to[:-1] == wanted).all() and to[-1] == 99, codes


CASES = [("avx512", "float32"), ("avx2", "float64"), ("portable", "float32")]


@pytest.mark.parametrize(("isa", "element"), CASES)
def test_codes_are_converted_as_the_slow_way_does(isa: str, element: str, tmp_path: Path) -> None:
    """Where this machine lacks an instruction set, its widest one is looked at instead."""
    if not chosen_isa("native").needs >= ISAS[isa].needs:
        isa = "native"
    check(library(tmp_path, isa, element), element)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("(int64_t)outside[k] < 0", "(int32_t)outside[k] < 0"),
        ("(((bf_code_bits)code - low) | ", "("),
        ("(span - ((bf_code_bits)code - low))", "((bf_code_bits)code - low)"),
        ("if (ignoring) code =", "if (0) code ="),
        ("(bf_code_bits)~off", "~(bf_code_bits)none"),
        ("wrong |= !off &&", "wrong |= 0 &&"),
        ("off ? range->instead : codes[i]", "codes[i]"),
    ],
)
def test_a_wrong_conversion_is_seen(
    right: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = tmp_path / "headers"
    shutil.copytree(compiling.HEADERS, headers)
    text = (headers / "backflip_codes.h").read_text()
    assert text.count(right) == 1
    (headers / "backflip_codes.h").write_text(text.replace(right, wrong))
    monkeypatch.setattr(compiling, "HEADERS", headers)
    with pytest.raises(AssertionError):
        check(library(tmp_path, "portable", "float32"), "float32")


# ---------------------------------------------------------------- calls


def kernel_of(text: str, shape: tuple[int, ...], **options: Any) -> Slow:
    made = build(parse_layer(text), shape, wrt="input", tune=False, **options)
    assert isinstance(made, Kernel)
    return counting(made)


@pytest.fixture(scope="module")
def loss() -> Slow:
    return kernel_of("CrossEntropyLoss(ignore_index=2)", (11, 5))


@pytest.fixture(scope="module")
def pool() -> Slow:
    return kernel_of("MaxPool2d(2, return_indices=True)", (1, 3, 8, 6))


def losses(kernel: Any, target: Any, way: type[Kernel] | None = None) -> tuple[Array, Array]:
    x = np.random.default_rng(0).standard_normal((11, 5)).astype(np.float32)
    forward, backward = kernel.forward, kernel.backward
    if way is not None:
        forward, backward = (getattr(way, n).__get__(kernel) for n in ("forward", "backward"))
    return forward(x, target=target), backward(input=x, target=target)["input"]


def test_classes_pass_through_no_python(loss: Slow) -> None:
    """Ignored ones too, and a gradient of the loss that is left out is 1."""
    target = np.random.default_rng(1).integers(0, 5, 11)
    assert (target == 2).any() and (target != 2).any()
    calls = loss.calls
    found = losses(loss, target)
    assert loss.calls == calls
    wanted = losses(loss, target, Kernel)
    assert all(a.tobytes() == b.tobytes() for a, b in zip(found, wanted, strict=True))
    other = np.where(target == 2, 3, target)
    assert losses(loss, other)[0] != found[0]


def test_indices_pass_through_no_python(pool: Slow) -> None:
    x = np.random.default_rng(0).standard_normal((1, 3, 8, 6)).astype(np.float32)
    _, indices = Kernel.forward(pool, x)
    grad, calls = np.ones((1, 3, 4, 3), np.float32), pool.calls
    flat = np.full(pool.workspace_bytes + 64, 77, np.uint8)
    found = pool.backward(grad, saved=indices, workspace=flat[: pool.workspace_bytes])["input"]
    assert pool.calls == calls and (flat[pool.workspace_bytes :] == 77).all()
    assert found.sum() == grad.sum() and (found == Kernel.backward(pool, grad, input=x)["input"]).all()
    moved = indices.copy()
    moved[0, 1, 2, 1] += 1
    assert (pool.backward(grad, saved=moved)["input"] != found).sum() == 2 and pool.calls == calls


MISFITS: dict[str, Callable[[Array], Any]] = {
    "too large": lambda t: np.where(np.arange(11) == 7, 5, t),
    "too small": lambda t: np.where(np.arange(11) == 10, -1, t),
    "right by the lower half": lambda t: np.where(np.arange(11) == 3, 2**32 + 1, t),
    "32 bits": lambda t: t.astype(np.int32),
    "no sign": lambda t: t.astype(np.uint64),
    "floating": lambda t: t.astype(np.float32),
    "another shape": lambda t: t[:10],
    "as many": lambda t: t.reshape(1, 11),
    "gaps": lambda t: np.repeat(t, 2)[::2],
    "a list": lambda t: t.tolist(),
    "nothing": lambda t: None,
}


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return [a.tobytes() for a in call()]
    except Exception as fault:
        return type(fault), str(fault)


@pytest.mark.parametrize("what", MISFITS)
def test_codes_that_do_not_fit_go_the_slow_way(loss: Slow, what: str) -> None:
    target, calls = MISFITS[what](np.arange(11, dtype=np.int64) % 5), loss.calls
    found = outcome(lambda: losses(loss, target))
    assert loss.calls > calls and found == outcome(lambda: losses(loss, target, Kernel))


def test_a_code_out_of_range_leaves_results_as_they_were(loss: Slow) -> None:
    out, x = np.full((), 7, np.float32), np.zeros((11, 5), np.float32)
    with pytest.raises(LayerError, match="out of range"):
        loss.forward(x, target=np.full(11, 5), out=out)
    assert out == 7


def test_plans_of_codes_that_are_none(loss: Slow) -> None:
    """Codes without room, without a range, or that 32 bits do not hold."""
    made = loss._known
    plan = plan_of(loss, built(loss), loss._given, ["output"], ())
    assert plan is not None
    numbers, known, places, jobs, tried = plan
    at = next(i for i, p in enumerate(places) if p[0] == "target")
    start, low, high, ignored, instead = places[at][3]
    assert (low, high, ignored, instead) == (0, 4, 2, NO_CODE) and start % APART == 0
    room = numbers[-1] // 4 - 11
    assert laid_out(made, loss._given, ["output"]) == ({"target": start}, start + 11) and start <= room
    for wrong in (
        (room + 1, low, high, ignored, instead),
        (-1, low, high, ignored, instead),
        (start, low, LARGEST + 1, ignored, instead),
        (start, -(2**31) - 1, high, ignored, instead),
        (start, low, high),
        None,
    ):
        other = (*places[:at], (*places[at][:3], wrong), *places[at + 1 :])
        with pytest.raises((TypeError, ValueError)):
            loss._module.fast((numbers, known, other, jobs, tried), print)
