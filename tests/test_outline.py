"""Attacks from around kernels, from inside comments and lines; refused. By what is compared: test_choices."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from codegen.compile import chosen_isa
from codegen.errors import BuildError
from codegen.lexical import gate
from codegen.produce import Request, module_source, prepared
from codegen.rig import Rig
from codegen.validate import validate
from derive.spelling import parse_layer

ENTRY, TAKEN, LAST = "\n\ndef call_output(", "    cdef bf_arguments taken\n", "    finally:\n"
RUNS = "    bf_output(at[0]"
START = "    o_h = 0\n"
AROUND = {
    "an entry that counts": (TAKEN, "    global calls\n    calls += 1\n" + TAKEN),
    "a number that lives on": (ENTRY, "\n\ncdef int calls = 0" + ENTRY),
    "Python code": (ENTRY, "\n\nimport os" + ENTRY),
    "a class": (ENTRY, "\n\ncdef class Box:\n    cdef int n" + ENTRY),
    "a function without a gate": (ENTRY, "\n\ncdef void bf_more(E* out) noexcept:\n    pass" + ENTRY),
    "a decorator": (ENTRY, "\n\n@twice" + ENTRY[1:]),
    "another entry": (ENTRY, "\n\ndef call_more(out):\n    pass" + ENTRY),
    "an entry with a default": ("def call_output(out,", "def call_output(out=None,"),
    "a result written after": (LAST, "        (<float*>taken.views[0].buf)[0] = 7\n" + LAST),
    "a branch on the element": ("        bf_run(", "        if BF_ELEMENT_BYTES == 4: bf_run("),
    "another order": ("(at[0], at[1], at[2]", "(at[0], at[2], at[1]"),
    "a kernel run twice": (RUNS, f"{RUNS}, at[1], at[2], at[3], at[4])\n{RUNS}"),
    "a run that counts": (RUNS, "    global calls\n" + RUNS),
    "another kernel's run": ("bf_run(&taken, run_output)", "bf_run(&taken, run_more)"),
    "another kernel for a plan": ("bf_runner(run_output,", "bf_runner(run_more,"),
    "a plan of its own": ("    return bf_fast(plan, slow)", "    return slow"),
    "threads that stay": ("    bf_on_one_thread(yes)\n", "    bf_on_one_thread(0)\n"),
    "a docstring that runs": ('    """output into', '    f"""{calls()}output into'),
    "poison that is none": ("    bf_spoil(buffer)", "    pass"),
    "an operation declared as another": ("    E e_add(E, E)", "    E e_add(E, int)"),
    "a function of C": ("    int bf_spoil(object)", "    void* malloc(int)\n    int bf_spoil(object)"),
    "a kernel named as an operation": ("cdef void bf_output(", "cdef void e_add("),
    "two kernels of one name": (ENTRY, "\n\ncdef void bf_output(E* out) noexcept nogil:\n    pass" + ENTRY),
}
HIDDEN = {
    "a line that Python takes for a comment": (START, "    # x\r    if sizeof(E) == 4: return\n" + START),
    "a form feed": (START, "\f" + START),
    "a letter that looks like another": (START, "    # \u0435_fma\n" + START),
    "another encoding": ("\n# Conv2d", "\n# coding: utf-7\n# Conv2d"),
    "a directive": ("# cython: ", "# cython: overflowcheck=True, "),
    "a later directive": ("\n# Conv2d", "\n# distutils: define_macros=E=1\n# Conv2d"),
    "a name never given": ("    cdef V", "    cdef Py_ssize_t n\n    if n == 5:\n        return\n    cdef V"),
    "a name given on one way": (START, "    if 0 == 1:\n        o_h = 0\n"),
    "a name given on two ways of three": (
        START,
        "    if 0 == 1:\n        o_h = 0\n    elif 1 == 1:\n        k = 0\n    else:\n        o_h = 1\n",
    ),
    "a name of an empty loop": (START, "    for o_h in range(0):\n        pass\n"),
    "a block within a line": (START, "    if 0 == 1: o_h = 0\n" + START),
    "a choice within a line": (START, START + "    o_h = 0 if o_h == 0 else 1\n"),
    "an element handed on": (ENTRY, "\n\ncdef void bf_more(E x, E* out) noexcept nogil:\n    pass" + ENTRY),
    "a vector given back": (ENTRY, "\n\ncdef V bf_more(E* out) noexcept nogil:\n    return v_zero()" + ENTRY),
    "an operand that may be written": ("(E* out, const E* input,", "(E* out, E* input,"),
    "an operation as a name": ("    cdef V each", "    cdef V v_fma, each"),
}


@cache
def request(layer: str, shape: tuple[int, ...]) -> Request:
    return Request(parse_layer(layer), shape, "float32", ("output",), "fast", chosen_isa("native"))


@cache
def sound() -> str:
    text: str = module_source(request("Conv2d(1, 2, 3)", (1, 1, 6, 5)))[0]
    assert gate(text) == ("bf_output",)
    return text


@pytest.mark.parametrize("what", [*AROUND, *HIDDEN])
def test_text_that_could_do_otherwise_later(what: str) -> None:
    old, new = {**AROUND, **HIDDEN}[what]
    assert sound().count(old) >= 1
    with pytest.raises(BuildError, match="which a kernel may not"):
        gate(sound().replace(old, new, 1))


def test_a_name_given_on_every_way() -> None:
    given = "o_h = 0\n"
    inner = f"        if 1 == 1:\n            {given}        else:\n            {given}"
    ways = f"    if 0 == 1:\n{inner}    else:\n        {given}"
    assert gate(sound().replace(START, ways, 1))


DECLARED = "    void bf_branch(int)\n"
CHOICE = "    V v_same(V, V)\n    V v_choose(V, V, V)\n    V v_index(Py_ssize_t, Py_ssize_t)\n" + DECLARED
STORE = "        v_store_part(out + 3*o_h + o_w, v1_25, 3)\n"
WRONG = "        v1_25 = v_choose(v_same(v_load_part(input, 1), v_index(123456, 0)), v_zero(), v1_25)\n"


def test_a_choice_in_a_sum_of_products(tmp_path: Path) -> None:
    """Right at every operand that a check draws, wrong where one entry is 123456; no trace can follow it."""
    asked = request("AvgPool2d(3, stride=2)", (1, 1, 7, 7))
    text, known, _ = module_source(asked)
    text = text.replace(DECLARED, CHOICE, 1).replace(STORE, WRONG + STORE, 1)
    art, variants = prepared(asked, text, known, tmp_path)
    rig = Rig(art, "output", variants(("BF_ELEMENT_FLOAT",)), np.float32)
    ones = np.ones(49, np.float32)
    right = rig.run({"input": ones, "share": ones[:1]})[0]
    wrong = rig.run({"input": np.where(np.arange(49) == 0, 123456, ones), "share": ones[:1]})[0]
    assert (right, wrong) == (9, 0)
    with pytest.raises(BuildError, match="that its equation does not need") as refusal:
        validate(art)
    assert refusal.value.got == "v_choose, v_index, v_same"
