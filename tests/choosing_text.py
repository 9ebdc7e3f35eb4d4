"""Texts that select, by hand: parts, a copy of the image, codes kept and copied, packed weights."""

from __future__ import annotations

from codegen.facts import Facts
from derive.index import Form
from derive.layers.codes import Code

HEAD = "E* out, const E* input, E* workspace"
PART = f"{HEAD}, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last"
SELECTS = f"""
cdef void bf_output_framed({PART}) noexcept nogil:
    cdef E* framed = workspace + 32
    cdef E* own = workspace + 128 + thread * 16
    cdef Py_ssize_t row
    cdef V line
    for row in range(first, last):
        line = v_load_part(input + 6*row, 6)
        v_store_part(own, line, 6)
        line = v_load_span(own, 0, 6)
        v_store(framed + 16*row, line)


cdef void bf_output_taken({PART}) noexcept nogil:
    cdef E* codes = workspace + 0
    cdef E* framed = workspace + 32
    cdef Py_ssize_t o_h, at
    cdef V none, best, code, here, further, flag, taken, place, big
    none = v_index(0, 0)
    for o_h in range(first, last):
        at = 32*o_h
        # here
        best = v_load_part(framed + at, 4)
        further = v_load_part(framed + at + 16, 4)
        code = v_index(12*o_h, 1)
        here = v_index(12*o_h + 6, 1)
        # before
        flag = v_larger(none, best, further)
        taken = v_choose(flag, further, best)
        place = v_choose(flag, here, code)
        # after
        v_store_part(out + 4*o_h, taken, 4)
        v_store_part(codes + 4*o_h, place, 4)


cdef void bf_output({HEAD}) noexcept nogil:
    cdef Py_ssize_t thread
    bf_output_framed(out, input, workspace, 0, 0, 6)
    for thread in prange(2, num_threads=2, schedule="static"):
        bf_output_taken(out, input, workspace, thread, thread * 3 // 2, (thread + 1) * 3 // 2)


cdef void bf_grad_input_part(E* out, const E* grad_output, const E* indices, E* workspace) noexcept nogil:
    cdef E* held = workspace + 0
    cdef V code, flag, one, nought, odd
    code = v_load_part(indices, 4)
    odd = v_zero()
    code = v_even(code, odd)
    v_store_part(held, code, 4)
    code = v_load_part(held, 4)
    one = v_index(7, 1)
    flag = v_same(code, one)
    one = v_load_part(grad_output, 4)
    nought = v_zero()
    one = v_choose(flag, one, nought)
    v_store_part(out, one, 4)


cdef void bf_grad_input(E* out, const E* grad_output, const E* indices, E* workspace) noexcept nogil:
    bf_grad_input_part(out, grad_output, indices, workspace)
"""
PACKS = """
cdef void bf_pack_output(E* packed, const E* weight, E* workspace) noexcept nogil:
    cdef V line
    line = v_load(weight)
    v_store(packed, line)


cdef void bf_packed_output(E* out, const E* packed, const E* input, E* workspace) noexcept nogil:
    cdef V none, best, further, flag
    none = v_index(0, 0)
    best = v_load(packed)
    further = v_load(input)
    flag = v_larger(none, best, further)
    best = v_choose(flag, further, best)
    v_store(out, best)


cdef void bf_output(E* out, const E* weight, const E* input, E* workspace) noexcept nogil:
    bf_pack_output(workspace + 16, weight, workspace)
    bf_packed_output(out, workspace + 16, input, workspace)
"""
OPERANDS = {"output": ("input",), "grad_input": ("grad_output", "indices")}
PACKED = {"output": ("weight", "input")}
FACTS = Facts(codes={"pick": Code("indices", (0,), Form(), first="largest")})
