# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Upsample(scale_factor=2, mode='bilinear', align_corners=False) at input 1,1,2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   d076a2114c4deb7813a181db1ac50ee15a65259d2f490fa8111ffceaa271db48
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# constants table_h: 8 rationals, sha256 495b29f69bd92a9ec43f09d20559acfb3db12e2988cef7b0ce17c538b548f120
# constants table_w: 18 rationals, sha256 7f7b5a7932ae3ee7b879b50f59568b7c0ac90cd0d097e0551112ccdf4d3abc46
# chosen output: the least of 2 by the model, 108 cycles
# chosen grad_input: the least of 2 by the model, 78 cycles
"""Kernels of Upsample(scale_factor=2, mode='bilinear', align_corners=False) at input 1,1,2,3, float32."""

cdef extern from "backflip_ops.h" nogil:
    ctypedef struct E:
        pass
    ctypedef struct V:
        pass
    const Py_ssize_t BF_ELEMENT_BYTES
    const int BF_LANES
    E e_zero()
    E e_load(const E*)
    void e_store(E*, E)
    E e_fma(E, E, E)
    E e_add(E, E)
    V v_zero()
    V v_load(const E*)
    void v_store(E*, V)
    V v_load_part(const E*, int)
    void v_store_part(E*, V, int)
    void v_store_strided(E*, V, int, Py_ssize_t)
    V v_load_strided(const E*, Py_ssize_t)
    V v_splat(const E*)
    V v_fma(V, V, V)
    V v_add(V, V)
    E v_sum(V)
    void bf_branch(int)

cdef extern from "backflip_entry.h":
    ctypedef struct bf_arguments:
        int count
    ctypedef void (*bf_work)(E**) noexcept nogil
    E* bf_take(bf_arguments*, object, const char*, Py_ssize_t, int, int) except NULL
    int bf_run(const bf_arguments*, bf_work) except -1
    void bf_release(bf_arguments*)
    int bf_spoil(object) except -1
    object bf_runner(bf_work, int)
    object bf_fast(object, object)
    void bf_on_one_thread(int)


cdef void bf_output(E* out, const E* table_h, const E* input, const E* table_w, E* workspace) noexcept nogil:
    # output[0, 0, o_h, o_w] = resampled[0, 0, o_h, o_w] := sum_{i_h<2} sum_{i_w<3} [0 <= -4*i_h + 2*o_h + 2 <
    #   7][0 <= -4*i_w + 2*o_w + 2 < 7] table_h[o_h, i_h] table_w[o_w, i_w] input[0, 0, i_h, i_w]
    # 4 boxes
    # WOVEN: vectors of 8 along i_w
    # 3 boxes
    # FLAT tile: single elements, 4 values of o_h
    # FLAT tile: single elements, 2 values of o_w_in, 4 values of o_h
    cdef E* inner_sum = workspace + 0
    cdef Py_ssize_t at_out, at_w, at_x, i_w, o_h, o_w, o_w_in
    cdef E one, one_x_0_0, one_x_1_0, one_y_0_0_0, one_y_0_1_0, one_y_1_0_0, one_y_1_1_0, one_y_2_0_0
    cdef E one_y_2_1_0, one_y_3_0_0, one_y_3_1_0
    cdef V v1_0, v1_1, v1_2, v1_3, v2_0, v2_1, v2_2, v2_3, v2_4, v2_5, v2_6, v3_0, v3_1, v3_2, v3_3, v3_4
    cdef V v3_5, v3_6, v4_0, v4_1, v4_2, v4_3
    # inner_sum: the sum over i_h
    # WOVEN: vectors of 8 along i_w
    v1_0 = v_zero()
    v1_1 = v_splat(table_h)
    i_w = 0
    bf_branch(1)
    v1_2 = v_load_part(input + i_w, 3)
    v1_3 = v_fma(v1_0, v1_1, v1_2)
    v_store_part(inner_sum + i_w, v1_3, 3)
    # WOVEN: vectors of 8 along i_w
    v2_0 = v_zero()
    v2_1 = v_splat(table_h + 2)
    v2_4 = v_splat(table_h + 3)
    i_w = 0
    bf_branch(2)
    v2_2 = v_load_part(input + i_w, 3)
    v2_3 = v_fma(v2_0, v2_1, v2_2)
    v2_5 = v_load_part(input + i_w + 3, 3)
    v2_6 = v_fma(v2_3, v2_4, v2_5)
    v_store_part(inner_sum + i_w + 3, v2_6, 3)
    # WOVEN: vectors of 8 along i_w
    v3_0 = v_zero()
    v3_1 = v_splat(table_h + 4)
    v3_4 = v_splat(table_h + 5)
    i_w = 0
    bf_branch(3)
    v3_2 = v_load_part(input + i_w, 3)
    v3_3 = v_fma(v3_0, v3_1, v3_2)
    v3_5 = v_load_part(input + i_w + 3, 3)
    v3_6 = v_fma(v3_3, v3_4, v3_5)
    v_store_part(inner_sum + i_w + 6, v3_6, 3)
    # WOVEN: vectors of 8 along i_w
    v4_0 = v_zero()
    v4_1 = v_splat(table_h + 7)
    i_w = 0
    bf_branch(4)
    v4_2 = v_load_part(input + i_w + 3, 3)
    v4_3 = v_fma(v4_0, v4_1, v4_2)
    v_store_part(inner_sum + i_w + 9, v4_3, 3)
    # FLAT tile: single elements, 4 values of o_h
    o_h = 0
    bf_branch(5)
    one_y_0_0_0 = e_zero()
    one_y_1_0_0 = e_zero()
    one_y_2_0_0 = e_zero()
    one_y_3_0_0 = e_zero()
    at_x = 0
    at_w = 3*o_h
    one_x_0_0 = e_load(table_w + at_x)
    one = e_load(inner_sum + at_w)
    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 3)
    one_y_1_0_0 = e_fma(one_y_1_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 6)
    one_y_2_0_0 = e_fma(one_y_2_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 9)
    one_y_3_0_0 = e_fma(one_y_3_0_0, one, one_x_0_0)
    at_out = 6*o_h
    e_store(out + at_out, one_y_0_0_0)
    e_store(out + at_out + 6, one_y_1_0_0)
    e_store(out + at_out + 12, one_y_2_0_0)
    e_store(out + at_out + 18, one_y_3_0_0)
    # FLAT tile: single elements, 2 values of o_w_in, 4 values of o_h
    for o_w in range(2):
        o_w_in = 0
        o_h = 0
        bf_branch(6)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        one_y_1_0_0 = e_zero()
        one_y_1_1_0 = e_zero()
        one_y_2_0_0 = e_zero()
        one_y_2_1_0 = e_zero()
        one_y_3_0_0 = e_zero()
        one_y_3_1_0 = e_zero()
        for i_w in range(2):
            at_x = i_w + 7*o_w + 3*o_w_in + 3
            at_w = i_w + 3*o_h + o_w
            one_x_0_0 = e_load(table_w + at_x)
            one_x_1_0 = e_load(table_w + at_x + 3)
            one = e_load(inner_sum + at_w)
            one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
            one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            one = e_load(inner_sum + at_w + 3)
            one_y_1_0_0 = e_fma(one_y_1_0_0, one, one_x_0_0)
            one_y_1_1_0 = e_fma(one_y_1_1_0, one, one_x_1_0)
            one = e_load(inner_sum + at_w + 6)
            one_y_2_0_0 = e_fma(one_y_2_0_0, one, one_x_0_0)
            one_y_2_1_0 = e_fma(one_y_2_1_0, one, one_x_1_0)
            one = e_load(inner_sum + at_w + 9)
            one_y_3_0_0 = e_fma(one_y_3_0_0, one, one_x_0_0)
            one_y_3_1_0 = e_fma(one_y_3_1_0, one, one_x_1_0)
        at_out = 6*o_h + 2*o_w + o_w_in + 1
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 1, one_y_0_1_0)
        e_store(out + at_out + 6, one_y_1_0_0)
        e_store(out + at_out + 7, one_y_1_1_0)
        e_store(out + at_out + 12, one_y_2_0_0)
        e_store(out + at_out + 13, one_y_2_1_0)
        e_store(out + at_out + 18, one_y_3_0_0)
        e_store(out + at_out + 19, one_y_3_1_0)
    # FLAT tile: single elements, 4 values of o_h
    o_h = 0
    bf_branch(7)
    one_y_0_0_0 = e_zero()
    one_y_1_0_0 = e_zero()
    one_y_2_0_0 = e_zero()
    one_y_3_0_0 = e_zero()
    at_x = 17
    at_w = 3*o_h + 2
    one_x_0_0 = e_load(table_w + at_x)
    one = e_load(inner_sum + at_w)
    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 3)
    one_y_1_0_0 = e_fma(one_y_1_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 6)
    one_y_2_0_0 = e_fma(one_y_2_0_0, one, one_x_0_0)
    one = e_load(inner_sum + at_w + 9)
    one_y_3_0_0 = e_fma(one_y_3_0_0, one, one_x_0_0)
    at_out = 6*o_h + 5
    e_store(out + at_out, one_y_0_0_0)
    e_store(out + at_out + 6, one_y_1_0_0)
    e_store(out + at_out + 12, one_y_2_0_0)
    e_store(out + at_out + 18, one_y_3_0_0)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, table_h, input, table_w, workspace):
    """output into out, element counts out 24, table_h 8, input 6, table_w 18, workspace 12; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 24, 1, 0)
        bf_take(&taken, table_h, b"table_h", 8, 0, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, table_w, b"table_w", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 12, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* table_h, const E* table_w, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, i_h, i_w] = grad_input[0, 0, i_h, i_w] := sum_{o_h<4} sum_{o_w<6} [0 <= -4*i_h +
    #   2*o_h + 2 < 7][0 <= -4*i_w + 2*o_w + 2 < 7] table_h[o_h, i_h] table_w[o_w, i_w] grad_output[0, 0, o_h,
    #   o_w]
    # 2 boxes
    # WOVEN: vectors of 8 along o_w
    # 3 boxes
    # WOVEN: single elements
    cdef E* inner_sum = workspace + 0
    cdef Py_ssize_t i_h, o_w
    cdef E e3_0, e3_1, e3_2, e3_3, e3_4, e3_5, e3_6, e3_7, e3_8, e3_9, e4_0, e4_1, e4_10, e4_11, e4_12, e4_2
    cdef E e4_3, e4_4, e4_5, e4_6, e4_7, e4_8, e4_9, e5_0, e5_1, e5_2, e5_3, e5_4, e5_5, e5_6, e5_7, e5_8
    cdef E e5_9
    cdef V v1_0, v1_1, v1_2, v1_3, v1_4, v1_5, v1_6, v1_7, v1_8, v1_9, v2_0, v2_1, v2_2, v2_3, v2_4, v2_5
    cdef V v2_6, v2_7, v2_8, v2_9
    # inner_sum: the sum over o_h
    # WOVEN: vectors of 8 along o_w
    v1_0 = v_zero()
    v1_1 = v_splat(table_h)
    v1_4 = v_splat(table_h + 2)
    v1_7 = v_splat(table_h + 4)
    o_w = 0
    bf_branch(1)
    v1_2 = v_load_part(grad_output + o_w, 6)
    v1_3 = v_fma(v1_0, v1_1, v1_2)
    v1_5 = v_load_part(grad_output + o_w + 6, 6)
    v1_6 = v_fma(v1_3, v1_4, v1_5)
    v1_8 = v_load_part(grad_output + o_w + 12, 6)
    v1_9 = v_fma(v1_6, v1_7, v1_8)
    v_store_part(inner_sum + o_w, v1_9, 6)
    # WOVEN: vectors of 8 along o_w
    v2_0 = v_zero()
    v2_1 = v_splat(table_h + 3)
    v2_4 = v_splat(table_h + 5)
    v2_7 = v_splat(table_h + 7)
    o_w = 0
    bf_branch(2)
    v2_2 = v_load_part(grad_output + o_w + 6, 6)
    v2_3 = v_fma(v2_0, v2_1, v2_2)
    v2_5 = v_load_part(grad_output + o_w + 12, 6)
    v2_6 = v_fma(v2_3, v2_4, v2_5)
    v2_8 = v_load_part(grad_output + o_w + 18, 6)
    v2_9 = v_fma(v2_6, v2_7, v2_8)
    v_store_part(inner_sum + o_w + 6, v2_9, 6)
    # WOVEN: single elements
    e3_0 = e_zero()
    e3_1 = e_load(table_w)
    e3_4 = e_load(table_w + 3)
    e3_7 = e_load(table_w + 6)
    for i_h in range(2):
        bf_branch(3)
        e3_2 = e_load(inner_sum + 6*i_h)
        e3_3 = e_fma(e3_0, e3_1, e3_2)
        e3_5 = e_load(inner_sum + 6*i_h + 1)
        e3_6 = e_fma(e3_3, e3_4, e3_5)
        e3_8 = e_load(inner_sum + 6*i_h + 2)
        e3_9 = e_fma(e3_6, e3_7, e3_8)
        e_store(out + 3*i_h, e3_9)
    # WOVEN: single elements
    e4_0 = e_zero()
    e4_1 = e_load(table_w + 4)
    e4_4 = e_load(table_w + 7)
    e4_7 = e_load(table_w + 10)
    e4_10 = e_load(table_w + 13)
    for i_h in range(2):
        bf_branch(4)
        e4_2 = e_load(inner_sum + 6*i_h + 1)
        e4_3 = e_fma(e4_0, e4_1, e4_2)
        e4_5 = e_load(inner_sum + 6*i_h + 2)
        e4_6 = e_fma(e4_3, e4_4, e4_5)
        e4_8 = e_load(inner_sum + 6*i_h + 3)
        e4_9 = e_fma(e4_6, e4_7, e4_8)
        e4_11 = e_load(inner_sum + 6*i_h + 4)
        e4_12 = e_fma(e4_9, e4_10, e4_11)
        e_store(out + 3*i_h + 1, e4_12)
    # WOVEN: single elements
    e5_0 = e_zero()
    e5_1 = e_load(table_w + 11)
    e5_4 = e_load(table_w + 14)
    e5_7 = e_load(table_w + 17)
    for i_h in range(2):
        bf_branch(5)
        e5_2 = e_load(inner_sum + 6*i_h + 3)
        e5_3 = e_fma(e5_0, e5_1, e5_2)
        e5_5 = e_load(inner_sum + 6*i_h + 4)
        e5_6 = e_fma(e5_3, e5_4, e5_5)
        e5_8 = e_load(inner_sum + 6*i_h + 5)
        e5_9 = e_fma(e5_6, e5_7, e5_8)
        e_store(out + 3*i_h + 2, e5_9)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3], at[4])


def call_grad_input(out, grad_output, table_h, table_w, workspace):
    """grad_input into out, element counts out 6, grad_output 24, table_h 8, table_w 18, workspace 12; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 24, 0, 0)
        bf_take(&taken, table_h, b"table_h", 8, 0, 0)
        bf_take(&taken, table_w, b"table_w", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 12, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 5)


def element_bytes():
    """Bytes of one element of this build."""
    return BF_ELEMENT_BYTES


def lanes():
    """Elements of one vector."""
    return BF_LANES


def poison(buffer):
    """Fills a writable buffer with what no kernel may use."""
    bf_spoil(buffer)


def fast(plan, slow):
    """A callable of the kernels of a plan; a call that it does not take as it is goes to slow."""
    return bf_fast(plan, slow)


def on_one_thread(yes):
    """Whether kernels run on one thread from here on, whatever they were built for."""
    bf_on_one_thread(yes)


def source_digest():
    """sha256 of this text with the digest itself left empty."""
    return "8e596d157f59917e0fec642b31fba2de2db430da405208468cc6dce75765f6ad"
