# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(1, 2, 3, stride=2) at input 1,1,6,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# chosen output: the least of 6 by the model, 90.7 cycles
# chosen grad_input: the least of 4 by the model, 207 cycles
# chosen grad_weight: the least of 2 by the model, 278 cycles
"""Kernels of Conv2d(1, 2, 3, stride=2) at input 1,1,6,5, float32."""

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
    V v_even(V, V)
    V v_load_span(const E*, Py_ssize_t, Py_ssize_t)
    V v_odd(V, V)
    V v_zip_low(V, V)
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


cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    # output[0, 0, k, o_h, o_w] = correlated[0, 0, k, o_h, o_w] := sum_{a_h<3} sum_{a_w<3} weight[0, k, 0,
    #   a_h, a_w] padded_input[0, 0, 0, a_h + 2*o_h, a_w + 2*o_w] + bias[0, k]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h < 6][0 <= e_w < 5] input[0, 0, 0, e_h, e_w]
    # FLAT tile: 1 vectors of 8 along o_w, 2 values of o_h, 2 values of k
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_b, at_out, at_w, at_x, e_h, k, o_h, o_w, t
    cdef E one
    cdef V each, line, x_0_0, x_1_0, y_0_0_0, y_0_1_0, y_1_0_0, y_1_1_0
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 40, 8):
        v_store(padded_input + t, line)
    v_store_part(padded_input + 40, line, 4)
    for e_h in range(6):
        for t in range(3):
            one = e_load(input + 5*e_h + 2*t)
            e_store(padded_input + 6*e_h + t, one)
        for t in range(2):
            one = e_load(input + 5*e_h + 2*t + 1)
            e_store(padded_input + 6*e_h + t + 3, one)
    # FLAT tile: 1 vectors of 8 along o_w, 2 values of o_h, 2 values of k
    o_h = 0
    k = 0
    o_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    y_1_0_0 = v_zero()
    y_1_1_0 = v_zero()
    for a_h in range(3):
        a_w = 0
        at_x = 6*a_h + 12*o_h + o_w
        at_w = 3*a_h + a_w + 9*k
        x_0_0 = v_load(padded_input + at_x)
        x_1_0 = v_load(padded_input + at_x + 12)
        each = v_splat(weight + at_w)
        y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
        each = v_splat(weight + at_w + 9)
        y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
        x_0_0 = v_load(padded_input + at_x + 3)
        x_1_0 = v_load(padded_input + at_x + 15)
        each = v_splat(weight + at_w + 1)
        y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
        each = v_splat(weight + at_w + 10)
        y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
        x_0_0 = v_load(padded_input + at_x + 1)
        x_1_0 = v_load(padded_input + at_x + 13)
        each = v_splat(weight + at_w + 2)
        y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
        each = v_splat(weight + at_w + 11)
        y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
    at_b = k
    each = v_splat(bias + at_b)
    y_0_0_0 = v_add(y_0_0_0, each)
    y_0_1_0 = v_add(y_0_1_0, each)
    each = v_splat(bias + at_b + 1)
    y_1_0_0 = v_add(y_1_0_0, each)
    y_1_1_0 = v_add(y_1_1_0, each)
    at_out = 4*k + 2*o_h + o_w
    v_store_part(out + at_out, y_0_0_0, 2)
    v_store_part(out + at_out + 2, y_0_1_0, 2)
    v_store_part(out + at_out + 4, y_1_0_0, 2)
    v_store_part(out + at_out + 6, y_1_1_0, 2)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 8, input 30, weight 18, bias 2, workspace 44; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 8, 1, 0)
        bf_take(&taken, input, b"input", 30, 0, 0)
        bf_take(&taken, weight, b"weight", 18, 0, 0)
        bf_take(&taken, bias, b"bias", 2, 0, 0)
        bf_take(&taken, workspace, b"workspace", 44, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{k<2} sum_{b_h<3} sum_{b_w<3}
    #   bordered[0, 0, k, b_h + i_h, b_w + i_w] flipped[0, 0, k, b_h, b_w]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-2*o_h + z_h = 0][-2*o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    #   where bordered[0, 0, k, e_h, e_w] := [0 <= e_h - 2 < 3][0 <= e_w - 2 < 3] spread[0, 0, k, e_h - 2, e_w
    #     - 2]
    #   where flipped[0, 0, k, b_h, b_w] := weight[0, k, 0, -b_h + 2, -b_w + 2]
    # 10 boxes
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    # WOVEN: single elements
    # CLIP: single elements
    cdef Py_ssize_t i_h, i_w
    cdef E e6_0, e6_1, e6_2, e6_3, e6_4, e6_5, e6_6, e7_0, e7_1, e7_2, e7_3, e7_4, e7_5, e7_6, e8_0, e8_1
    cdef E e8_10, e8_11, e8_12, e8_2, e8_3, e8_4, e8_5, e8_6, e8_7, e8_8, e8_9, e9_0, e9_1, e9_2, e9_3, e9_4
    cdef E e9_5, e9_6, e_total
    cdef V v1_0, v1_1, v1_10, v1_11, v1_12, v1_13, v1_14, v1_15, v1_16, v1_17, v1_18, v1_19, v1_2, v1_20
    cdef V v1_21, v1_22, v1_23, v1_3, v1_4, v1_5, v1_6, v1_7, v1_8, v1_9, v2_0, v2_1, v2_10, v2_11, v2_12
    cdef V v2_13, v2_14, v2_15, v2_16, v2_17, v2_18, v2_19, v2_2, v2_20, v2_21, v2_22, v2_23, v2_3, v2_4, v2_5
    cdef V v2_6, v2_7, v2_8, v2_9, v3_0, v3_1, v3_10, v3_11, v3_12, v3_13, v3_14, v3_15, v3_16, v3_17, v3_18
    cdef V v3_19, v3_2, v3_20, v3_21, v3_22, v3_23, v3_24, v3_25, v3_26, v3_27, v3_28, v3_29, v3_3, v3_30
    cdef V v3_31, v3_32, v3_33, v3_34, v3_35, v3_36, v3_37, v3_38, v3_39, v3_4, v3_40, v3_41, v3_42, v3_43
    cdef V v3_44, v3_45, v3_5, v3_6, v3_7, v3_8, v3_9, v4_0, v4_1, v4_10, v4_11, v4_12, v4_13, v4_14, v4_15
    cdef V v4_16, v4_17, v4_18, v4_19, v4_2, v4_20, v4_21, v4_22, v4_23, v4_3, v4_4, v4_5, v4_6, v4_7, v4_8
    cdef V v4_9, v5_0, v5_1
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    v1_0 = v_zero()
    v1_1 = v_splat(grad_output)
    v1_5 = v_splat(grad_output + 1)
    v1_9 = v_splat(grad_output + 4)
    v1_13 = v_splat(grad_output + 5)
    v1_18 = v_splat(weight + 1)
    v1_21 = v_splat(weight + 10)
    i_w = 0
    bf_branch(1)
    v1_2 = v_load_part(weight + 2*i_w, 3)
    v1_3 = v_even(v1_2, v1_0)
    v1_4 = v_fma(v1_0, v1_1, v1_3)
    v1_6 = v_load_span(weight + 2*i_w, 2, 1)
    v1_7 = v_even(v1_6, v1_0)
    v1_8 = v_fma(v1_4, v1_5, v1_7)
    v1_10 = v_load_part(weight + 2*i_w + 9, 3)
    v1_11 = v_even(v1_10, v1_0)
    v1_12 = v_fma(v1_8, v1_9, v1_11)
    v1_14 = v_load_span(weight + 2*i_w + 9, 2, 1)
    v1_15 = v_even(v1_14, v1_0)
    v1_16 = v_fma(v1_12, v1_13, v1_15)
    v1_17 = v_load_part(grad_output + i_w, 2)
    v1_19 = v_fma(v1_0, v1_17, v1_18)
    v1_20 = v_load_part(grad_output + i_w + 4, 2)
    v1_22 = v_fma(v1_19, v1_20, v1_21)
    v1_23 = v_zip_low(v1_16, v1_22)
    v_store_part(out + 2*i_w, v1_23, 4)
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    v2_0 = v_zero()
    v2_18 = v_splat(weight + 4)
    v2_21 = v_splat(weight + 13)
    for i_h in range(2):
        v2_1 = v_splat(grad_output + 2*i_h)
        v2_5 = v_splat(grad_output + 2*i_h + 1)
        v2_9 = v_splat(grad_output + 2*i_h + 4)
        v2_13 = v_splat(grad_output + 2*i_h + 5)
        i_w = 0
        bf_branch(2)
        v2_2 = v_load_part(weight + 2*i_w + 3, 3)
        v2_3 = v_even(v2_2, v2_0)
        v2_4 = v_fma(v2_0, v2_1, v2_3)
        v2_6 = v_load_span(weight + 2*i_w + 3, 2, 1)
        v2_7 = v_even(v2_6, v2_0)
        v2_8 = v_fma(v2_4, v2_5, v2_7)
        v2_10 = v_load_part(weight + 2*i_w + 12, 3)
        v2_11 = v_even(v2_10, v2_0)
        v2_12 = v_fma(v2_8, v2_9, v2_11)
        v2_14 = v_load_span(weight + 2*i_w + 12, 2, 1)
        v2_15 = v_even(v2_14, v2_0)
        v2_16 = v_fma(v2_12, v2_13, v2_15)
        v2_17 = v_load_part(grad_output + 2*i_h + i_w, 2)
        v2_19 = v_fma(v2_0, v2_17, v2_18)
        v2_20 = v_load_part(grad_output + 2*i_h + i_w + 4, 2)
        v2_22 = v_fma(v2_19, v2_20, v2_21)
        v2_23 = v_zip_low(v2_16, v2_22)
        v_store_part(out + 10*i_h + 2*i_w + 5, v2_23, 4)
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    v3_0 = v_zero()
    v3_1 = v_splat(grad_output)
    v3_5 = v_splat(grad_output + 2)
    v3_9 = v_splat(grad_output + 1)
    v3_13 = v_splat(grad_output + 3)
    v3_17 = v_splat(grad_output + 4)
    v3_21 = v_splat(grad_output + 6)
    v3_25 = v_splat(grad_output + 5)
    v3_29 = v_splat(grad_output + 7)
    v3_34 = v_splat(weight + 7)
    v3_37 = v_splat(weight + 1)
    v3_40 = v_splat(weight + 16)
    v3_43 = v_splat(weight + 10)
    i_w = 0
    bf_branch(3)
    v3_2 = v_load_part(weight + 2*i_w + 6, 3)
    v3_3 = v_even(v3_2, v3_0)
    v3_4 = v_fma(v3_0, v3_1, v3_3)
    v3_6 = v_load_part(weight + 2*i_w, 3)
    v3_7 = v_even(v3_6, v3_0)
    v3_8 = v_fma(v3_4, v3_5, v3_7)
    v3_10 = v_load_span(weight + 2*i_w + 6, 2, 1)
    v3_11 = v_even(v3_10, v3_0)
    v3_12 = v_fma(v3_8, v3_9, v3_11)
    v3_14 = v_load_span(weight + 2*i_w, 2, 1)
    v3_15 = v_even(v3_14, v3_0)
    v3_16 = v_fma(v3_12, v3_13, v3_15)
    v3_18 = v_load_part(weight + 2*i_w + 15, 3)
    v3_19 = v_even(v3_18, v3_0)
    v3_20 = v_fma(v3_16, v3_17, v3_19)
    v3_22 = v_load_part(weight + 2*i_w + 9, 3)
    v3_23 = v_even(v3_22, v3_0)
    v3_24 = v_fma(v3_20, v3_21, v3_23)
    v3_26 = v_load_span(weight + 2*i_w + 15, 2, 1)
    v3_27 = v_even(v3_26, v3_0)
    v3_28 = v_fma(v3_24, v3_25, v3_27)
    v3_30 = v_load_span(weight + 2*i_w + 9, 3, 1)
    v3_31 = v_odd(v3_30, v3_0)
    v3_32 = v_fma(v3_28, v3_29, v3_31)
    v3_33 = v_load_part(grad_output + i_w, 2)
    v3_35 = v_fma(v3_0, v3_33, v3_34)
    v3_36 = v_load_part(grad_output + i_w + 2, 2)
    v3_38 = v_fma(v3_35, v3_36, v3_37)
    v3_39 = v_load_part(grad_output + i_w + 4, 2)
    v3_41 = v_fma(v3_38, v3_39, v3_40)
    v3_42 = v_load_part(grad_output + i_w + 6, 2)
    v3_44 = v_fma(v3_41, v3_42, v3_43)
    v3_45 = v_zip_low(v3_32, v3_44)
    v_store_part(out + 2*i_w + 10, v3_45, 4)
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    v4_0 = v_zero()
    v4_1 = v_splat(grad_output + 2)
    v4_5 = v_splat(grad_output + 3)
    v4_9 = v_splat(grad_output + 6)
    v4_13 = v_splat(grad_output + 7)
    v4_18 = v_splat(weight + 7)
    v4_21 = v_splat(weight + 16)
    i_w = 0
    bf_branch(4)
    v4_2 = v_load_part(weight + 2*i_w + 6, 3)
    v4_3 = v_even(v4_2, v4_0)
    v4_4 = v_fma(v4_0, v4_1, v4_3)
    v4_6 = v_load_span(weight + 2*i_w + 6, 2, 1)
    v4_7 = v_even(v4_6, v4_0)
    v4_8 = v_fma(v4_4, v4_5, v4_7)
    v4_10 = v_load_part(weight + 2*i_w + 15, 3)
    v4_11 = v_even(v4_10, v4_0)
    v4_12 = v_fma(v4_8, v4_9, v4_11)
    v4_14 = v_load_span(weight + 2*i_w + 15, 2, 1)
    v4_15 = v_even(v4_14, v4_0)
    v4_16 = v_fma(v4_12, v4_13, v4_15)
    v4_17 = v_load_part(grad_output + i_w + 2, 2)
    v4_19 = v_fma(v4_0, v4_17, v4_18)
    v4_20 = v_load_part(grad_output + i_w + 6, 2)
    v4_22 = v_fma(v4_19, v4_20, v4_21)
    v4_23 = v_zip_low(v4_16, v4_22)
    v_store_part(out + 2*i_w + 20, v4_23, 4)
    # WOVEN: vectors of 8 along i_w, i_w_in woven
    v5_0 = v_zero()
    v5_1 = v_zip_low(v5_0, v5_0)
    i_w = 0
    bf_branch(5)
    v_store_part(out + 2*i_w + 25, v5_1, 4)
    # WOVEN: single elements
    bf_branch(6)
    e6_0 = e_zero()
    e6_1 = e_load(grad_output + 1)
    e6_2 = e_load(weight + 2)
    e6_3 = e_fma(e6_0, e6_1, e6_2)
    e6_4 = e_load(grad_output + 5)
    e6_5 = e_load(weight + 11)
    e6_6 = e_fma(e6_3, e6_4, e6_5)
    e_store(out + 4, e6_6)
    # WOVEN: single elements
    e7_0 = e_zero()
    e7_2 = e_load(weight + 5)
    e7_5 = e_load(weight + 14)
    for i_h in range(2):
        bf_branch(7)
        e7_1 = e_load(grad_output + 2*i_h + 1)
        e7_3 = e_fma(e7_0, e7_1, e7_2)
        e7_4 = e_load(grad_output + 2*i_h + 5)
        e7_6 = e_fma(e7_3, e7_4, e7_5)
        e_store(out + 10*i_h + 9, e7_6)
    # WOVEN: single elements
    bf_branch(8)
    e8_0 = e_zero()
    e8_1 = e_load(grad_output + 1)
    e8_2 = e_load(weight + 8)
    e8_3 = e_fma(e8_0, e8_1, e8_2)
    e8_4 = e_load(grad_output + 3)
    e8_5 = e_load(weight + 2)
    e8_6 = e_fma(e8_3, e8_4, e8_5)
    e8_7 = e_load(grad_output + 5)
    e8_8 = e_load(weight + 17)
    e8_9 = e_fma(e8_6, e8_7, e8_8)
    e8_10 = e_load(grad_output + 7)
    e8_11 = e_load(weight + 11)
    e8_12 = e_fma(e8_9, e8_10, e8_11)
    e_store(out + 14, e8_12)
    # WOVEN: single elements
    bf_branch(9)
    e9_0 = e_zero()
    e9_1 = e_load(grad_output + 3)
    e9_2 = e_load(weight + 8)
    e9_3 = e_fma(e9_0, e9_1, e9_2)
    e9_4 = e_load(grad_output + 7)
    e9_5 = e_load(weight + 17)
    e9_6 = e_fma(e9_3, e9_4, e9_5)
    e_store(out + 24, e9_6)
    # CLIP: single elements
    bf_branch(10)
    e_total = e_zero()
    e_store(out + 29, e_total)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 30, grad_output 8, weight 18, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 30, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        bf_take(&taken, weight, b"weight", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 4)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, k, 0, a_h, a_w] = grad_weight[0, k, 0, a_h, a_w] := sum_{z_h<3} sum_{z_w<3}
    #   padded_input[0, 0, 0, a_h + z_h, a_w + z_w] spread[0, 0, k, z_h, z_w]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h < 6][0 <= e_w < 5] input[0, 0, 0, e_h, e_w]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-2*o_h + z_h = 0][-2*o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    # LANES tile: vectors of 8 along o_w, 3 values of a_w, 2 values of k
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_a, at_b, at_out, e_h, k, o_h, o_w, t
    cdef E one, total
    cdef V a_0, a_1, a_2, b_0, line, s_0_0, s_0_1, s_1_0, s_1_1, s_2_0, s_2_1
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 40, 8):
        v_store(padded_input + t, line)
    v_store_part(padded_input + 40, line, 4)
    for e_h in range(6):
        for t in range(3):
            one = e_load(input + 5*e_h + 2*t)
            e_store(padded_input + 6*e_h + t, one)
        for t in range(2):
            one = e_load(input + 5*e_h + 2*t + 1)
            e_store(padded_input + 6*e_h + t + 3, one)
    # LANES tile: vectors of 8 along o_w, 3 values of a_w, 2 values of k
    for a_h in range(3):
        a_w = 0
        k = 0
        bf_branch(1)
        s_0_0 = v_zero()
        s_0_1 = v_zero()
        s_1_0 = v_zero()
        s_1_1 = v_zero()
        s_2_0 = v_zero()
        s_2_1 = v_zero()
        for o_h in range(2):
            o_w = 0
            at_a = 6*a_h + 12*o_h + o_w
            a_0 = v_load_part(padded_input + at_a, 2)
            a_1 = v_load_part(padded_input + at_a + 3, 2)
            a_2 = v_load_part(padded_input + at_a + 1, 2)
            at_b = 4*k + 2*o_h + o_w
            b_0 = v_load_part(grad_output + at_b, 2)
            s_0_0 = v_fma(s_0_0, a_0, b_0)
            s_1_0 = v_fma(s_1_0, a_1, b_0)
            s_2_0 = v_fma(s_2_0, a_2, b_0)
            b_0 = v_load_part(grad_output + at_b + 4, 2)
            s_0_1 = v_fma(s_0_1, a_0, b_0)
            s_1_1 = v_fma(s_1_1, a_1, b_0)
            s_2_1 = v_fma(s_2_1, a_2, b_0)
        at_out = 3*a_h + a_w + 9*k
        total = v_sum(s_0_0)
        e_store(out + at_out, total)
        total = v_sum(s_0_1)
        e_store(out + at_out + 9, total)
        total = v_sum(s_1_0)
        e_store(out + at_out + 1, total)
        total = v_sum(s_1_1)
        e_store(out + at_out + 10, total)
        total = v_sum(s_2_0)
        e_store(out + at_out + 2, total)
        total = v_sum(s_2_1)
        e_store(out + at_out + 11, total)


cdef void run_grad_weight(E** at) noexcept nogil:
    bf_grad_weight(at[0], at[1], at[2], at[3])


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 18, grad_output 8, input 30, workspace 44; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 18, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        bf_take(&taken, input, b"input", 30, 0, 0)
        bf_take(&taken, workspace, b"workspace", 44, 1, 1)
        bf_run(&taken, run_grad_weight)
    finally:
        bf_release(&taken)


def runner_grad_weight():
    """What a plan runs for grad_weight."""
    return bf_runner(run_grad_weight, 4)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[0, k] = grad_bias[0, k] := sum_{o_h<2} sum_{o_w<2} grad_output[0, 0, k, o_h, o_w]
    # WOVEN: single elements
    cdef Py_ssize_t k
    cdef E e1_0, e1_1, e1_2, e1_3, e1_4, e1_5, e1_6, e1_7, e1_8
    # WOVEN: single elements
    e1_0 = e_zero()
    for k in range(2):
        bf_branch(1)
        e1_1 = e_load(grad_output + 4*k)
        e1_2 = e_add(e1_0, e1_1)
        e1_3 = e_load(grad_output + 4*k + 1)
        e1_4 = e_add(e1_2, e1_3)
        e1_5 = e_load(grad_output + 4*k + 2)
        e1_6 = e_add(e1_4, e1_5)
        e1_7 = e_load(grad_output + 4*k + 3)
        e1_8 = e_add(e1_6, e1_7)
        e_store(out + k, e1_8)


cdef void run_grad_bias(E** at) noexcept nogil:
    bf_grad_bias(at[0], at[1], at[2])


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 2, grad_output 8, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 2, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_bias)
    finally:
        bf_release(&taken)


def runner_grad_bias():
    """What a plan runs for grad_bias."""
    return bf_runner(run_grad_bias, 3)


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
    return "484cb5d5a9aafef231678610b402c9c26262990c9f7935e8c0770cb7abefa101"
