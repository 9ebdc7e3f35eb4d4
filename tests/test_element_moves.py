"""Vectors parted, woven and read from the middle on: headers and interpreter against plain indexing."""

from __future__ import annotations

import ctypes
import shutil
from pathlib import Path

import numpy as np
import pytest

from codegen import compile as compiling
from codegen.compile import chosen_isa, to_binary
from codegen.errors import BuildError
from codegen.harness import ELEMENTS
from codegen.loops import Assign, Buffer, Call, Do, Kernel, Pointer
from codegen.run import run
from derive.index import Form

SOURCE = """
#include "backflip_ops.h"
#define SHOWN __attribute__((visibility("default"))) void
SHOWN moves(E *to, const E *a, const E *b) {
    v_store(to, v_even(v_load(a), v_load(b)));
    v_store(to + BF_LANES, v_odd(v_load(a), v_load(b)));
    v_store(to + 2 * BF_LANES, v_zip_low(v_load(a), v_load(b)));
    v_store(to + 3 * BF_LANES, v_zip_high(v_load(a), v_load(b)));
}
SHOWN spans(E *to, const E *a) {
#pragma GCC unroll 40
    for (int first = 0; first < BF_LANES; first++)
#pragma GCC unroll 40
        for (int n = 0; n <= BF_LANES - first; n++, to += BF_LANES)
            v_store(to, v_load_span(a + first, first, n));
}
SHOWN second(E *to, const E *a) { v_store(to, v_load_strided(a, 2)); }
SHOWN apart(E *to, const E *a) {
#pragma GCC unroll 40
    for (int n = 0; n <= BF_LANES; n++, to += 2 * BF_LANES) v_store_strided(to, v_load(a), n, 2);
}
"""
CASES = [
    *(("float32", isa) for isa in ("native", "avx2", "portable")),
    *(("float64", isa) for isa in ("native", "avx2")),
    *(("uint64", "portable"), ("field", "portable")),
]


def library(folder: Path, element: str, isa: str) -> tuple[ctypes.CDLL, int, np.dtype]:
    """The operations compiled; skipped nowhere: what this machine lacks is replaced by the portable build."""
    try:
        chosen = chosen_isa(isa)
    except BuildError:
        chosen = chosen_isa("portable")
    dtype = np.dtype("uint64" if element == "field" else element)
    lanes = chosen.lanes("float32" if element == "float32" else "float64")
    source, target = folder / "moves.c", folder / "moves.so"
    source.write_text(SOURCE)
    to_binary(source, target, chosen, (ELEMENTS[element], f"BF_LANES={lanes}"))
    return ctypes.CDLL(str(target)), lanes, dtype


def called(library: ctypes.CDLL, name: str, count: int, *arrays: np.ndarray) -> np.ndarray:
    out = np.full(count, 99, arrays[0].dtype)
    getattr(library, name)(*(ctypes.c_void_p(a.ctypes.data) for a in (out, *arrays)))
    return out


def check(made: ctypes.CDLL, lanes: int, dtype: np.dtype) -> None:
    """Raises AssertionError where an operation is not what its sentence says."""
    both = np.arange(1, 2 * lanes + 1).astype(dtype)
    a, b = both[:lanes].copy(), both[lanes:].copy()
    woven = np.stack([a, b], 1).reshape(-1)
    assert (called(made, "moves", 4 * lanes, a, b) == [*both[::2], *both[1::2], *woven]).all()
    wanted = [
        [0] * f + list(a[f : f + n]) + [0] * (lanes - f - n)
        for f in range(lanes)
        for n in range(lanes - f + 1)
    ]
    assert (called(made, "spans", len(wanted) * lanes, a).reshape(-1, lanes) == wanted).all()
    exact = both[: 2 * lanes - 1].copy()
    assert (called(made, "second", lanes, exact) == both[::2]).all()
    stored = called(made, "apart", 2 * lanes * (lanes + 1), a).reshape(lanes + 1, lanes, 2)
    for n, pairs in enumerate(stored):
        assert (pairs[:n, 0] == a[:n]).all() and (pairs[n:, 0] == 99).all() and (pairs[:, 1] == 99).all()


@pytest.mark.parametrize("element, isa", CASES)
def test_moves_are_what_their_sentences_say(element: str, isa: str, tmp_path: Path) -> None:
    check(*library(tmp_path, element, isa))


@pytest.mark.parametrize(
    "file, right, wrong",
    [
        ("elem_order.h", "2 * bf_iota() + 1)", "2 * bf_iota())"),
        ("elem_order.h", "bf_woven(bf_iota() + BF_LANES)", "bf_woven(bf_iota())"),
        ("elem_order.h", "2 * iota - late", "2 * iota"),
        ("elem_part.h", "(size_t)first * sizeof(E), p,", "(size_t)first * sizeof(E), p - 1,"),
    ],
)
def test_a_wrong_move_is_seen(
    file: str, right: str, wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = tmp_path / "headers"
    shutil.copytree(compiling.HEADERS, headers)
    text = (headers / file).read_text()
    assert right in text
    (headers / file).write_text(text.replace(right, wrong))
    monkeypatch.setattr(compiling, "HEADERS", headers)
    with pytest.raises(AssertionError):
        check(*library(tmp_path, "float32", "portable"))


def test_classes_have_the_moves_and_lose_nothing(tmp_path: Path) -> None:
    """The trace and the bound know them as well: the same text compiles there."""
    source = tmp_path / "moves.c"
    source.write_text(SOURCE)
    for number, macros in enumerate((("BF_ELEMENT_TRACE",), ("BF_ELEMENT_BOUND", "BF_DIGITS=24"))):
        target = tmp_path / f"{number}.so"
        to_binary(source, target, chosen_isa("portable"), (*macros, "BF_LANES=4"))
        assert target.stat().st_size > 0


def test_the_interpreter_moves_lanes() -> None:
    a, out = Buffer("a", 8), Buffer("out", 20)
    body = [
        Assign("x", Call("v_load", (Pointer(a, Form()),))),
        Assign("y", Call("v_load", (Pointer(a, Form.of(4)),))),
    ]
    for k, how in enumerate(("even", "odd", "zip_low", "zip_high")):
        body += [
            Assign(how, Call(f"v_{how}", ("x", "y"))),
            Do(Call("v_store", (Pointer(out, Form.of(4 * k)), how))),
        ]
    body.append(Assign("z", Call("v_load_span", (Pointer(a, Form.of(6)), 1, 2))))
    body.append(Do(Call("v_store", (Pointer(out, Form.of(16)), "z"))))
    found = run(Kernel("output", out, (a,), (), tuple(body)), {"a": list(range(1, 9))}, 4).tolist()
    assert found == [1, 3, 5, 7, 2, 4, 6, 8, 1, 5, 2, 6, 3, 7, 4, 8, 0, 7, 8, 0]
    beyond = Call("v_load_span", (Pointer(a, Form.of(6)), 1, 3))
    with pytest.raises(IndexError, match="outside"):
        run(Kernel("output", out, (a,), (), (Assign("z", beyond),)), {"a": list(range(8))}, 4)
