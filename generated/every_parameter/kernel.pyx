# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2) at input 2,2,6,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fPIC -shared
#   -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
"""Kernels of Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2) at input 2,2,6,5, float32."""

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
    E* bf_take(bf_arguments*, object, const char*, Py_ssize_t, int, int) except NULL
    int bf_apart(const bf_arguments*) except -1
    void bf_release(bf_arguments*)
    int bf_spoil(object) except -1


cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    # output[n, g, k, o_h, o_w] = correlated[n, g, k, o_h, o_w] := sum_{a_h<3} sum_{a_w<2} weight[g, k, 0,
    #   a_h, a_w] padded_input[n, g, 0, a_h + 2*o_h, 2*a_w + o_w] + bias[g, k]
    #   where padded_input[n, g, 0, e_h, e_w] := [0 <= e_h - 1 < 6][0 <= e_w < 5] input[n, g, 0, e_h - 1, e_w]
    # LANES tile: vectors of 8 along a_w, 2 values of k, 5 values of o_w
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_a, at_b, at_out, e_h, g, k, n, o_h, o_w, t
    cdef E more, one, total
    cdef V a_0, a_1, b_0, line, s_0_0, s_0_1, s_0_2, s_0_3, s_0_4, s_1_0, s_1_1, s_1_2, s_1_3, s_1_4
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 232, 8):
        v_store(padded_input + t, line)
    for n in range(2):
        for g in range(2):
            for e_h in range(1, 7):
                for t in range(3):
                    one = e_load(input + 5*e_h + 30*g + 60*n + 2*t - 5)
                    e_store(padded_input + 8*e_h + 56*g + 112*n + t, one)
                for t in range(2):
                    one = e_load(input + 5*e_h + 30*g + 60*n + 2*t - 4)
                    e_store(padded_input + 8*e_h + 56*g + 112*n + t + 4, one)
    # LANES tile: vectors of 8 along a_w, 2 values of k, 5 values of o_w
    for n in range(2):
        for g in range(2):
            for o_h in range(3):
                k = 0
                o_w = 0
                bf_branch(1)
                s_0_0 = v_zero()
                s_0_1 = v_zero()
                s_0_2 = v_zero()
                s_0_3 = v_zero()
                s_0_4 = v_zero()
                s_1_0 = v_zero()
                s_1_1 = v_zero()
                s_1_2 = v_zero()
                s_1_3 = v_zero()
                s_1_4 = v_zero()
                for a_h in range(3):
                    a_w = 0
                    at_a = 2*a_h + a_w + 12*g + 6*k
                    a_0 = v_load_part(weight + at_a, 2)
                    a_1 = v_load_part(weight + at_a + 6, 2)
                    at_b = 8*a_h + a_w + 56*g + 112*n + 16*o_h
                    b_0 = v_load_part(padded_input + at_b, 2)
                    s_0_0 = v_fma(s_0_0, a_0, b_0)
                    s_1_0 = v_fma(s_1_0, a_1, b_0)
                    b_0 = v_load_part(padded_input + at_b + 4, 2)
                    s_0_1 = v_fma(s_0_1, a_0, b_0)
                    s_1_1 = v_fma(s_1_1, a_1, b_0)
                    b_0 = v_load_part(padded_input + at_b + 1, 2)
                    s_0_2 = v_fma(s_0_2, a_0, b_0)
                    s_1_2 = v_fma(s_1_2, a_1, b_0)
                    b_0 = v_load_part(padded_input + at_b + 5, 2)
                    s_0_3 = v_fma(s_0_3, a_0, b_0)
                    s_1_3 = v_fma(s_1_3, a_1, b_0)
                    b_0 = v_load_part(padded_input + at_b + 2, 2)
                    s_0_4 = v_fma(s_0_4, a_0, b_0)
                    s_1_4 = v_fma(s_1_4, a_1, b_0)
                at_out = 30*g + 15*k + 60*n + 5*o_h + o_w
                total = v_sum(s_0_0)
                at_b = 2*g + k
                more = e_load(bias + at_b)
                total = e_add(total, more)
                e_store(out + at_out, total)
                total = v_sum(s_0_1)
                at_b = 2*g + k
                more = e_load(bias + at_b)
                total = e_add(total, more)
                e_store(out + at_out + 1, total)
                total = v_sum(s_0_2)
                at_b = 2*g + k
                more = e_load(bias + at_b)
                total = e_add(total, more)
                e_store(out + at_out + 2, total)
                total = v_sum(s_0_3)
                at_b = 2*g + k
                more = e_load(bias + at_b)
                total = e_add(total, more)
                e_store(out + at_out + 3, total)
                total = v_sum(s_0_4)
                at_b = 2*g + k
                more = e_load(bias + at_b)
                total = e_add(total, more)
                e_store(out + at_out + 4, total)
                total = v_sum(s_1_0)
                at_b = 2*g + k
                more = e_load(bias + at_b + 1)
                total = e_add(total, more)
                e_store(out + at_out + 15, total)
                total = v_sum(s_1_1)
                at_b = 2*g + k
                more = e_load(bias + at_b + 1)
                total = e_add(total, more)
                e_store(out + at_out + 16, total)
                total = v_sum(s_1_2)
                at_b = 2*g + k
                more = e_load(bias + at_b + 1)
                total = e_add(total, more)
                e_store(out + at_out + 17, total)
                total = v_sum(s_1_3)
                at_b = 2*g + k
                more = e_load(bias + at_b + 1)
                total = e_add(total, more)
                e_store(out + at_out + 18, total)
                total = v_sum(s_1_4)
                at_b = 2*g + k
                more = e_load(bias + at_b + 1)
                total = e_add(total, more)
                e_store(out + at_out + 19, total)


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 120, input 120, weight 24, bias 4, workspace 232; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* input_at
    cdef E* weight_at
    cdef E* bias_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 120, 1, 0)
        input_at = bf_take(&taken, input, b"input", 120, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 24, 0, 0)
        bias_at = bf_take(&taken, bias, b"bias", 4, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 232, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_output(out_at, input_at, weight_at, bias_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[n, g, 0, i_h, i_w] = grad_input[n, g, 0, i_h, i_w] := sum_{k<2} sum_{b_h<3} sum_{b_w<2}
    #   bordered[n, g, k, b_h + i_h, 2*b_w + i_w] flipped[g, 0, k, b_h, b_w]
    #   where spread[n, g, k, z_h, z_w] := sum_{o_h<3} sum_{o_w<5} [-2*o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[n, g, k, o_h, o_w]
    #   where bordered[n, g, k, e_h, e_w] := [0 <= e_h - 1 < 5][0 <= e_w - 2 < 5] spread[n, g, k, e_h - 1, e_w
    #     - 2]
    #   where flipped[g, 0, k, b_h, b_w] := weight[g, k, 0, -b_h + 2, -b_w + 1]
    # 15 boxes
    # FLAT tile: single elements, 3 values of i_h
    # FLAT tile: single elements, 2 values of i_h
    # FLAT tile: single elements, 2 values of n
    cdef Py_ssize_t at_out, at_w, at_x, b_w, g, i_h, k, n, o_h
    cdef E one, one_x_0_0, one_x_1_0, one_x_2_0, one_y_0_0_0, one_y_0_1_0, one_y_0_2_0
    # FLAT tile: single elements, 3 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(1)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            one_y_0_2_0 = e_zero()
            for k in range(2):
                at_x = 30*g + 5*i_h + 15*k + 60*n
                at_w = 12*g + 6*k + 2
                one_x_0_0 = e_load(grad_output + at_x)
                one_x_1_0 = e_load(grad_output + at_x + 5)
                one_x_2_0 = e_load(grad_output + at_x + 10)
                one = e_load(weight + at_w)
                one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
                one_y_0_2_0 = e_fma(one_y_0_2_0, one, one_x_2_0)
            at_out = 30*g + 10*i_h + 60*n
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
            e_store(out + at_out + 20, one_y_0_2_0)
    # FLAT tile: single elements, 3 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(2)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            one_y_0_2_0 = e_zero()
            for k in range(2):
                at_x = 30*g + 5*i_h + 15*k + 60*n + 1
                at_w = 12*g + 6*k + 2
                one_x_0_0 = e_load(grad_output + at_x)
                one_x_1_0 = e_load(grad_output + at_x + 5)
                one_x_2_0 = e_load(grad_output + at_x + 10)
                one = e_load(weight + at_w)
                one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
                one_y_0_2_0 = e_fma(one_y_0_2_0, one, one_x_2_0)
            at_out = 30*g + 10*i_h + 60*n + 1
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
            e_store(out + at_out + 20, one_y_0_2_0)
    # FLAT tile: single elements, 3 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(3)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            one_y_0_2_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n
                    at_w = -b_w + 12*g + 6*k + 3
                    one_x_0_0 = e_load(grad_output + at_x)
                    one_x_1_0 = e_load(grad_output + at_x + 5)
                    one_x_2_0 = e_load(grad_output + at_x + 10)
                    one = e_load(weight + at_w)
                    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                    one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
                    one_y_0_2_0 = e_fma(one_y_0_2_0, one, one_x_2_0)
            at_out = 30*g + 10*i_h + 60*n + 2
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
            e_store(out + at_out + 20, one_y_0_2_0)
    # FLAT tile: single elements, 3 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(4)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            one_y_0_2_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n + 1
                    at_w = -b_w + 12*g + 6*k + 3
                    one_x_0_0 = e_load(grad_output + at_x)
                    one_x_1_0 = e_load(grad_output + at_x + 5)
                    one_x_2_0 = e_load(grad_output + at_x + 10)
                    one = e_load(weight + at_w)
                    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                    one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
                    one_y_0_2_0 = e_fma(one_y_0_2_0, one, one_x_2_0)
            at_out = 30*g + 10*i_h + 60*n + 3
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
            e_store(out + at_out + 20, one_y_0_2_0)
    # FLAT tile: single elements, 3 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(5)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            one_y_0_2_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n + 2
                    at_w = -b_w + 12*g + 6*k + 3
                    one_x_0_0 = e_load(grad_output + at_x)
                    one_x_1_0 = e_load(grad_output + at_x + 5)
                    one_x_2_0 = e_load(grad_output + at_x + 10)
                    one = e_load(weight + at_w)
                    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                    one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
                    one_y_0_2_0 = e_fma(one_y_0_2_0, one, one_x_2_0)
            at_out = 30*g + 10*i_h + 60*n + 4
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
            e_store(out + at_out + 20, one_y_0_2_0)
    # FLAT tile: single elements, 2 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(6)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            for k in range(2):
                for o_h in range(2):
                    at_x = 30*g + 5*i_h + 15*k + 60*n + 5*o_h
                    at_w = 12*g + 6*k - 4*o_h + 4
                    one_x_0_0 = e_load(grad_output + at_x)
                    one_x_1_0 = e_load(grad_output + at_x + 5)
                    one = e_load(weight + at_w)
                    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                    one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            at_out = 30*g + 10*i_h + 60*n + 5
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(7)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            for k in range(2):
                for o_h in range(2):
                    at_x = 30*g + 5*i_h + 15*k + 60*n + 5*o_h + 1
                    at_w = 12*g + 6*k - 4*o_h + 4
                    one_x_0_0 = e_load(grad_output + at_x)
                    one_x_1_0 = e_load(grad_output + at_x + 5)
                    one = e_load(weight + at_w)
                    one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                    one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            at_out = 30*g + 10*i_h + 60*n + 6
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(8)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    for o_h in range(2):
                        at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n + 5*o_h
                        at_w = -b_w + 12*g + 6*k - 4*o_h + 5
                        one_x_0_0 = e_load(grad_output + at_x)
                        one_x_1_0 = e_load(grad_output + at_x + 5)
                        one = e_load(weight + at_w)
                        one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                        one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            at_out = 30*g + 10*i_h + 60*n + 7
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(9)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    for o_h in range(2):
                        at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n + 5*o_h + 1
                        at_w = -b_w + 12*g + 6*k - 4*o_h + 5
                        one_x_0_0 = e_load(grad_output + at_x)
                        one_x_1_0 = e_load(grad_output + at_x + 5)
                        one = e_load(weight + at_w)
                        one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                        one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            at_out = 30*g + 10*i_h + 60*n + 8
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of i_h
    for n in range(2):
        for g in range(2):
            i_h = 0
            bf_branch(10)
            one_y_0_0_0 = e_zero()
            one_y_0_1_0 = e_zero()
            for k in range(2):
                for b_w in range(2):
                    for o_h in range(2):
                        at_x = 2*b_w + 30*g + 5*i_h + 15*k + 60*n + 5*o_h + 2
                        at_w = -b_w + 12*g + 6*k - 4*o_h + 5
                        one_x_0_0 = e_load(grad_output + at_x)
                        one_x_1_0 = e_load(grad_output + at_x + 5)
                        one = e_load(weight + at_w)
                        one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                        one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
            at_out = 30*g + 10*i_h + 60*n + 9
            e_store(out + at_out, one_y_0_0_0)
            e_store(out + at_out + 10, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of n
    for g in range(2):
        n = 0
        bf_branch(11)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        for k in range(2):
            at_x = 30*g + 15*k + 60*n + 10
            at_w = 12*g + 6*k + 4
            one_x_0_0 = e_load(grad_output + at_x)
            one_x_1_0 = e_load(grad_output + at_x + 60)
            one = e_load(weight + at_w)
            one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
            one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
        at_out = 30*g + 60*n + 25
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 60, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of n
    for g in range(2):
        n = 0
        bf_branch(12)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        for k in range(2):
            at_x = 30*g + 15*k + 60*n + 11
            at_w = 12*g + 6*k + 4
            one_x_0_0 = e_load(grad_output + at_x)
            one_x_1_0 = e_load(grad_output + at_x + 60)
            one = e_load(weight + at_w)
            one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
            one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
        at_out = 30*g + 60*n + 26
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 60, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of n
    for g in range(2):
        n = 0
        bf_branch(13)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        for k in range(2):
            for b_w in range(2):
                at_x = 2*b_w + 30*g + 15*k + 60*n + 10
                at_w = -b_w + 12*g + 6*k + 5
                one_x_0_0 = e_load(grad_output + at_x)
                one_x_1_0 = e_load(grad_output + at_x + 60)
                one = e_load(weight + at_w)
                one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
        at_out = 30*g + 60*n + 27
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 60, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of n
    for g in range(2):
        n = 0
        bf_branch(14)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        for k in range(2):
            for b_w in range(2):
                at_x = 2*b_w + 30*g + 15*k + 60*n + 11
                at_w = -b_w + 12*g + 6*k + 5
                one_x_0_0 = e_load(grad_output + at_x)
                one_x_1_0 = e_load(grad_output + at_x + 60)
                one = e_load(weight + at_w)
                one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
        at_out = 30*g + 60*n + 28
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 60, one_y_0_1_0)
    # FLAT tile: single elements, 2 values of n
    for g in range(2):
        n = 0
        bf_branch(15)
        one_y_0_0_0 = e_zero()
        one_y_0_1_0 = e_zero()
        for k in range(2):
            for b_w in range(2):
                at_x = 2*b_w + 30*g + 15*k + 60*n + 12
                at_w = -b_w + 12*g + 6*k + 5
                one_x_0_0 = e_load(grad_output + at_x)
                one_x_1_0 = e_load(grad_output + at_x + 60)
                one = e_load(weight + at_w)
                one_y_0_0_0 = e_fma(one_y_0_0_0, one, one_x_0_0)
                one_y_0_1_0 = e_fma(one_y_0_1_0, one, one_x_1_0)
        at_out = 30*g + 60*n + 29
        e_store(out + at_out, one_y_0_0_0)
        e_store(out + at_out + 60, one_y_0_1_0)


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 120, grad_output 120, weight 24, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* weight_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 120, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 24, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_input(out_at, grad_output_at, weight_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[g, k, 0, a_h, a_w] = grad_weight[g, k, 0, a_h, a_w] := sum_{n<2} sum_{z_h<5}
    #   sum_{z_w<5} padded_input[n, g, 0, a_h + z_h, 2*a_w + z_w] spread[n, g, k, z_h, z_w]
    #   where padded_input[n, g, 0, e_h, e_w] := [0 <= e_h - 1 < 6][0 <= e_w < 5] input[n, g, 0, e_h - 1, e_w]
    #   where spread[n, g, k, z_h, z_w] := sum_{o_h<3} sum_{o_w<5} [-2*o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[n, g, k, o_h, o_w]
    # FLAT tile: 1 vectors of 8 along a_w, 3 values of a_h, 2 values of k
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_out, at_w, at_x, e_h, g, k, n, o_h, o_w, t
    cdef E one
    cdef V each, line, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0, y_1_0_0, y_1_1_0, y_1_2_0
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 232, 8):
        v_store(padded_input + t, line)
    for n in range(2):
        for g in range(2):
            for e_h in range(1, 7):
                for t in range(3):
                    one = e_load(input + 5*e_h + 30*g + 60*n + 2*t - 5)
                    e_store(padded_input + 8*e_h + 56*g + 112*n + t, one)
                for t in range(2):
                    one = e_load(input + 5*e_h + 30*g + 60*n + 2*t - 4)
                    e_store(padded_input + 8*e_h + 56*g + 112*n + t + 4, one)
    # FLAT tile: 1 vectors of 8 along a_w, 3 values of a_h, 2 values of k
    for g in range(2):
        a_h = 0
        k = 0
        a_w = 0
        bf_branch(1)
        y_0_0_0 = v_zero()
        y_0_1_0 = v_zero()
        y_0_2_0 = v_zero()
        y_1_0_0 = v_zero()
        y_1_1_0 = v_zero()
        y_1_2_0 = v_zero()
        for n in range(2):
            for o_h in range(3):
                o_w = 0
                at_x = 8*a_h + a_w + 56*g + 112*n + 16*o_h
                at_w = 30*g + 15*k + 60*n + 5*o_h + o_w
                x_0_0 = v_load(padded_input + at_x)
                x_1_0 = v_load(padded_input + at_x + 8)
                x_2_0 = v_load(padded_input + at_x + 16)
                each = v_splat(grad_output + at_w)
                y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
                each = v_splat(grad_output + at_w + 15)
                y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
                y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
                y_1_2_0 = v_fma(y_1_2_0, each, x_2_0)
                x_0_0 = v_load(padded_input + at_x + 4)
                x_1_0 = v_load(padded_input + at_x + 12)
                x_2_0 = v_load(padded_input + at_x + 20)
                each = v_splat(grad_output + at_w + 1)
                y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
                each = v_splat(grad_output + at_w + 16)
                y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
                y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
                y_1_2_0 = v_fma(y_1_2_0, each, x_2_0)
                x_0_0 = v_load(padded_input + at_x + 1)
                x_1_0 = v_load(padded_input + at_x + 9)
                x_2_0 = v_load(padded_input + at_x + 17)
                each = v_splat(grad_output + at_w + 2)
                y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
                each = v_splat(grad_output + at_w + 17)
                y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
                y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
                y_1_2_0 = v_fma(y_1_2_0, each, x_2_0)
                x_0_0 = v_load(padded_input + at_x + 5)
                x_1_0 = v_load(padded_input + at_x + 13)
                x_2_0 = v_load(padded_input + at_x + 21)
                each = v_splat(grad_output + at_w + 3)
                y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
                each = v_splat(grad_output + at_w + 18)
                y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
                y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
                y_1_2_0 = v_fma(y_1_2_0, each, x_2_0)
                x_0_0 = v_load(padded_input + at_x + 2)
                x_1_0 = v_load(padded_input + at_x + 10)
                x_2_0 = v_load(padded_input + at_x + 18)
                each = v_splat(grad_output + at_w + 4)
                y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
                each = v_splat(grad_output + at_w + 19)
                y_1_0_0 = v_fma(y_1_0_0, each, x_0_0)
                y_1_1_0 = v_fma(y_1_1_0, each, x_1_0)
                y_1_2_0 = v_fma(y_1_2_0, each, x_2_0)
        at_out = 2*a_h + a_w + 12*g + 6*k
        v_store_part(out + at_out, y_0_0_0, 2)
        v_store_part(out + at_out + 2, y_0_1_0, 2)
        v_store_part(out + at_out + 4, y_0_2_0, 2)
        v_store_part(out + at_out + 6, y_1_0_0, 2)
        v_store_part(out + at_out + 8, y_1_1_0, 2)
        v_store_part(out + at_out + 10, y_1_2_0, 2)


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 24, grad_output 120, input 120, workspace 232; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* input_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 24, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
        input_at = bf_take(&taken, input, b"input", 120, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 232, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_weight(out_at, grad_output_at, input_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[g, k] = grad_bias[g, k] := sum_{n<2} sum_{o_h<3} sum_{o_w<5} grad_output[n, g, k, o_h,
    #   o_w]
    # LANES tile: vectors of 8 along o_w, 4 values of k
    cdef Py_ssize_t at_a, at_out, k, n, o_w
    cdef E total
    cdef V a_0, a_1, a_2, a_3, s_0_0, s_1_0, s_2_0, s_3_0
    # LANES tile: vectors of 8 along o_w, 4 values of k
    k = 0
    bf_branch(1)
    s_0_0 = v_zero()
    s_1_0 = v_zero()
    s_2_0 = v_zero()
    s_3_0 = v_zero()
    for n in range(2):
        for o_w in range(0, 8, 8):
            at_a = 15*k + 60*n + o_w
            a_0 = v_load(grad_output + at_a)
            a_1 = v_load(grad_output + at_a + 15)
            a_2 = v_load(grad_output + at_a + 30)
            a_3 = v_load(grad_output + at_a + 45)
            s_0_0 = v_add(s_0_0, a_0)
            s_1_0 = v_add(s_1_0, a_1)
            s_2_0 = v_add(s_2_0, a_2)
            s_3_0 = v_add(s_3_0, a_3)
        o_w = 8
        at_a = 15*k + 60*n + o_w
        a_0 = v_load_part(grad_output + at_a, 7)
        a_1 = v_load_part(grad_output + at_a + 15, 7)
        a_2 = v_load_part(grad_output + at_a + 30, 7)
        a_3 = v_load_part(grad_output + at_a + 45, 7)
        s_0_0 = v_add(s_0_0, a_0)
        s_1_0 = v_add(s_1_0, a_1)
        s_2_0 = v_add(s_2_0, a_2)
        s_3_0 = v_add(s_3_0, a_3)
    at_out = k
    total = v_sum(s_0_0)
    e_store(out + at_out, total)
    total = v_sum(s_1_0)
    e_store(out + at_out + 1, total)
    total = v_sum(s_2_0)
    e_store(out + at_out + 2, total)
    total = v_sum(s_3_0)
    e_store(out + at_out + 3, total)


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 4, grad_output 120, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 4, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_bias(out_at, grad_output_at, workspace_at)
    finally:
        bf_release(&taken)


def element_bytes():
    """Bytes of one element of this build."""
    return BF_ELEMENT_BYTES


def lanes():
    """Elements of one vector."""
    return BF_LANES


def poison(buffer):
    """Fills a writable buffer with what no kernel may use."""
    bf_spoil(buffer)


def source_digest():
    """sha256 of this text with the digest itself left empty."""
    return "0db232988cea06af4cd9e6c6a7f77aa0517e6f6aaf1dfb9398d50c3de2f5d357"
