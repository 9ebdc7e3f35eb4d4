"""What generated kernel text may not say: each refusal names the word and the line."""

from __future__ import annotations

import pytest
from plain_kernels import OPERANDS, module_text

from codegen.errors import BuildError
from codegen.lexical import gate

GATE = (
    ("acc = e_zero()", "acc = e_load(out) if sizeof(E) == 4 else e_zero()", "'sizeof'"),
    ("acc = v_zero()", "acc = <V>acc", "'<V'"),
    ("bf_pad(input, lines)", "bf_pad(<E*>input, lines)", "'<E'"),
    ("acc = v_zero()", "if acc < acc: pass", "'acc'"),
    ("bf_pad(input, lines)", "if lines < flat: bf_pad(input, lines)", "'lines'"),
    ("bf_pad(input, lines)", "c = flat - lines", "'flat'"),
    ("bf_pad(input, lines)", "c = lines < flat", "'lines'"),
    ("acc = e_zero()", "acc = 0.5", "'0.5'"),
    ("acc = e_zero()", "acc = 0x10", "'0x10'"),
    ("acc = e_zero()", "acc = out[0]", r"'\['"),
    ("acc = e_zero()", "acc = *out", r"'\*'"),
    ("acc = e_zero()", "acc = e_zero_fast()", "'e_zero_fast'"),
    ("acc = e_zero()", "acc = e_zero() # sizeof(E)\n        e_poison(out, 1)", "'e_poison'"),
    ("acc = e_zero()", "print('float')", "'print'"),
    ("bf_pad(input, lines)", "lines, flat = flat + 3, lines", "'='"),
    ("bf_pad(input, lines)", "(lines) = flat", "'='"),
    ("bf_pad(input, lines)", "lines = flat = workspace", "'='"),
    ("bf_pad(input, lines)", "lines = workspace,", "'='"),
    ("bf_pad(input, lines)", "bf_pad(input, lines=flat)", "'='"),
    ("bf_pad(input, lines)", "k = 0\n    for (k) in range(3):\n        pass", "'\\('"),
    ("cdef E acc", "cdef double acc", "'double'"),
    ("ctypedef struct E:", "int memcmp(const void*, const void*)\n    ctypedef struct E:", "memcmp"),
    ("ctypedef struct E:\n        pass", "ctypedef float E", "ctypedef float E"),
    (
        'cdef extern from "backflip_ops.h" nogil:',
        'DEF SIZE = 4\ncdef extern from "backflip_ops.h" nogil:',
        "'DEF'",
    ),
)


def test_the_gate_passes_kernel_text() -> None:
    text = text_of_everything()
    assert gate(text) == ("bf_pad", *(f"bf_{k}" for k in OPERANDS))
    assert gate(text.replace("acc = e_zero()", "acc = e_zero()  # a comment may say sizeof(E) == 4"))


@pytest.mark.parametrize("old, new, named", GATE)
def test_the_gate_refuses_by_name_and_line(old: str, new: str, named: str) -> None:
    text = text_of_everything()
    assert old in text
    edited = text.replace(old, new, 1)
    with pytest.raises(BuildError, match=rf"{named}[\s\S]*line \d+") as refusal:
        gate(edited)
    line = edited[: edited.index(new)].count("\n") + 1
    assert line <= int(refusal.value.where.split()[1]) <= line + new.count("\n")


def test_the_gate_wants_kernels() -> None:
    with pytest.raises(BuildError, match="no kernel"):
        gate('"""Nothing."""\n')
    with pytest.raises(BuildError, match="not made of tokens"):
        gate("x = (1\n")


def text_of_everything() -> str:
    text = module_text(tuple(OPERANDS))
    for key in sorted({p for p in text.split("@") if p.isupper()}, key=len, reverse=True):
        text = text.replace(f"@{key}@", "3")
    return text
