"""Selections and functions in the loop language: a small kernel, interpreted, printed, compiled, refused."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from codegen.compile import HEADERS, chosen_isa, to_binary, to_c
from codegen.errors import BuildError
from codegen.harness import ELEMENTS, LANEWISE
from codegen.lexical import gate
from codegen.loops import OPERATIONS, Assign, Buffer, Call, Do, Kernel, Loop, Pointer
from codegen.run import UNWRITTEN, run
from codegen.targets.cython.printer import module_text
from derive.functions import PARAMETERS
from derive.index import name

TAPS = 5
INPUT, OUT = Buffer("input", TAPS), Buffer("out", 3)


def at(buffer: Buffer, place: object = 0) -> Pointer:
    return Pointer(buffer, name("t") - name("t") + place)  # type: ignore[arg-type]


def selecting(larger: str = "e_larger") -> Kernel:
    """out = (the entry taken, its code 10 t + 3, exp of it)."""
    t = name("t")
    body = (
        Assign("best", Call("e_zero")),
        Assign("code", Call("e_index", (-1,))),
        Loop(
            "t",
            0,
            TAPS,
            1,
            (
                Assign("x", Call("e_load", (Pointer(INPUT, t),))),
                Assign("flag", Call(larger, ("code", "best", "x"))),
                Assign("best", Call("e_choose", ("flag", "x", "best"))),
                Assign("here", Call("e_index", (10 * t + 3,))),
                Assign("code", Call("e_choose", ("flag", "here", "code"))),
            ),
        ),
        Do(Call("e_store", (at(OUT), "best"))),
        Do(Call("e_store", (at(OUT, 1), "code"))),
        Assign("value", Call("e_fn_exp", ("best",))),
        Do(Call("e_store", (at(OUT, 2), "value"))),
    )
    return Kernel("output", OUT, (INPUT,), (), body, "output[] := the largest")


@pytest.mark.parametrize(
    "values, taken",
    [
        ([1, 3, 2, 3, 0], 1),
        ([-5, -7, -4, -9, -4], 2),
        ([1, math.nan, 9, math.nan, 2], 3),
        ([-math.inf] * 5, 0),
    ],
)
def test_the_interpreter_selects(values: list[float], taken: int) -> None:
    best, code, after = run(selecting(), {"input": values}, 4, 0.0, {"exp": lambda x: ("exp", x)})
    assert (best == values[taken] or math.isnan(best)) and code == 10 * taken + 3 and after[0] == "exp"
    low, code, _ = run(selecting("e_smaller"), {"input": values}, 4, 0.0, {"exp": lambda x: x})
    assert math.isnan(low) or low == min(values)


def test_the_interpreter_wants_the_functions_it_meets() -> None:
    with pytest.raises(KeyError, match="exp"):
        run(selecting(), {"input": [0.0] * TAPS}, 4, 0.0)


def test_what_was_never_written_spoils_a_choice() -> None:
    scratch = Buffer("kept", 1, 0)
    body = (
        Assign("x", Call("e_load", (at(scratch),))),
        Assign("zero", Call("e_zero")),
        Assign("y", Call("e_choose", ("zero", "x", "zero"))),
        Do(Call("e_store", (at(Buffer("out", 1)), "y"))),
    )
    assert run(Kernel("output", Buffer("out", 1), (), (scratch,), body), {}, 4)[0] is UNWRITTEN


def test_vectors_are_interpreted_lane_by_lane() -> None:
    body = (
        Assign("x", Call("v_load", (at(INPUT),))),
        Assign("n", Call("v_index", (2, 3))),
        Assign("d", Call("v_sub", ("x", "n"))),
        Assign("f", Call("v_same", ("x", "n"))),
        Assign("y", Call("v_choose", ("f", "n", "d"))),
        Do(Call("v_store_part", (at(OUT), "y", 3))),
    )
    found = run(Kernel("output", OUT, (INPUT,), (), body), {"input": [2, 7, 8, 0, 0]}, 4)
    assert found.tolist() == [2, 2, 8]


def test_an_index_takes_whole_numbers_and_forms_alone() -> None:
    assert Call("e_index", (3 * name("t"),)).kind == "E"
    with pytest.raises(ValueError, match="takes"):
        Call("e_index", ("x",))
    with pytest.raises(ValueError, match="takes"):
        Call("e_fn_exp", (name("t"),))


def test_every_function_is_an_operation_and_passes_the_gate() -> None:
    for function, parameters in PARAMETERS.items():
        assert OPERATIONS[f"e_fn_{function}"] == ("E", "e" * (1 + len(parameters)))
        assert OPERATIONS[f"v_fn_{function}"] == ("V", "v" * (1 + len(parameters)))
    text = module_text("a selection", (), (selecting(),))
    assert gate(text) == ("bf_output",)
    with pytest.raises(BuildError, match="e_fn_sine"):
        gate(text.replace("e_fn_exp(best)", "e_fn_sine(best)"))
    block = re.sub(r"( *)flag = e_larger\(code, best, x\)", r"\1if x > best:\n\1    flag = best", text)
    with pytest.raises(BuildError, match="whole numbers only"):
        gate(block)
    with pytest.raises(BuildError, match="a value for one name"):
        gate(text.replace("flag = e_larger(code, best, x)", "if x > best: flag = best"))


@pytest.mark.parametrize("element", ["float32", "float64", "field"])
def test_the_text_of_a_selection_compiles_for_the_elements_that_know_it(element: str, tmp_path: Path) -> None:
    c_path = compiled(tmp_path)
    to_binary(c_path, tmp_path / "k.so", chosen_isa("portable"), (ELEMENTS[element], "BF_LANES=2"))
    assert (tmp_path / "k.so").exists()


def test_selections_and_functions_are_no_operations_of_whole_numbers(tmp_path: Path) -> None:
    """Over numbers modulo 2^64 they do not compile; in the trace they are never right."""
    c_path = compiled(tmp_path)
    with pytest.raises(BuildError, match="e_larger"):
        to_binary(c_path, tmp_path / "k.so", chosen_isa("portable"), ("BF_ELEMENT_UINT64", "BF_LANES=2"))
    to_binary(c_path, tmp_path / "t.so", chosen_isa("portable"), ("BF_ELEMENT_TRACE", "BF_LANES=2"))
    text = (HEADERS / "elem_trace.h").read_text()
    for operation in {n for n in LANEWISE if not n.startswith("fn_")} - {"add", "fma"}:
        assert f"BF_LOST_{len(OPERATIONS[f'e_{operation}'][1])}({operation})" in text


def compiled(folder: Path) -> Path:
    pyx = folder / "kernel.pyx"
    pyx.write_text(module_text("a selection", (), (selecting(),)))
    return to_c(pyx, "kernel")


def test_operations_meant_for_all_elements_are_declared_by_the_template() -> None:
    text = module_text("a selection", (), (selecting(),))
    for operation in ("e_larger", "e_choose", "e_index", "e_fn_exp"):
        assert f" {operation}(" in text.partition("cdef void")[0], operation
    assert np.unique(list(OPERATIONS)).size == len(OPERATIONS)
