# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(2, 4, (3, 2), stride=(2, 1), padding=((1, 0), (0, 2)), dilation=(1, 2), groups=2) at input 2,2,6,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# chosen output: the least of 3 by the model, 412 cycles
# chosen grad_input: the least of 4 by the model, 781 cycles
# chosen grad_weight: the least of 2 by the model, 560 cycles
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
    V v_held(V)
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


cdef void bf_output_images(E* out, const E* input, const E* weight, const E* bias, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0 + thread * 160
    cdef Py_ssize_t at_bias, at_image, at_out, at_w, at_x, band, block, c, g, i_0, k, n, origin, q, r, t_0
    cdef Py_ssize_t t_1, to
    cdef V moved, none, w, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0, y_1_0_0, y_1_1_0, y_1_2_0
    for n in range(first, last):
        for g in range(2):
            for c in range(1):
                none = v_zero()
                v_store(padded + 72*c + 72*g, none)
                for i_0 in range(6):
                    to = 72*c + 72*g + 7*i_0 + 7
                    origin = 30*g + 5*i_0 + 60*n
                    moved = v_load_part(input + origin, 5)
                    v_store(padded + to, moved)
        for g in range(2):
            for block in range(1):
                for band in range(1):
                    at_image = 42*band + 72*g
                    at_out = 15*band + 30*g + 60*n
                    k = 0
                    r = 0
                    q = 0
                    bf_branch(1)
                    at_bias = 2*g + k
                    y_0_0_0 = v_splat(bias + at_bias)
                    y_0_1_0 = v_splat(bias + at_bias)
                    y_0_2_0 = v_splat(bias + at_bias)
                    y_1_0_0 = v_splat(bias + at_bias + 1)
                    y_1_1_0 = v_splat(bias + at_bias + 1)
                    y_1_2_0 = v_splat(bias + at_bias + 1)
                    for c in range(1):
                        at_x = at_image + 72*c + q + 14*r
                        at_w = 12*g + 6*k
                        for t_0 in range(3):
                            for t_1 in range(2):
                                x_0_0 = v_load(padded + at_x + 7*t_0 + 2*t_1)
                                x_0_0 = v_held(x_0_0)
                                x_1_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 14)
                                x_1_0 = v_held(x_1_0)
                                x_2_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 28)
                                x_2_0 = v_held(x_2_0)
                                w = v_splat(weight + at_w + 2*t_0 + t_1)
                                y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                                y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                                y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
                                w = v_splat(weight + at_w + 2*t_0 + t_1 + 6)
                                y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
                                y_1_1_0 = v_fma(y_1_1_0, w, x_1_0)
                                y_1_2_0 = v_fma(y_1_2_0, w, x_2_0)
                    to = at_out + 15*k + q + 5*r
                    v_store_part(out + to, y_0_0_0, 5)
                    v_store_part(out + to + 5, y_0_1_0, 5)
                    v_store_part(out + to + 10, y_0_2_0, 5)
                    v_store_part(out + to + 15, y_1_0_0, 5)
                    v_store_part(out + to + 20, y_1_1_0, 5)
                    v_store_part(out + to + 25, y_1_2_0, 5)


cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    # output[n, g, k, o_h, o_w] = correlated[n, g, k, o_h, o_w] := sum_{a_h<3} sum_{a_w<2} weight[g, k, 0,
    #   a_h, a_w] padded_input[n, g, 0, a_h + 2*o_h, 2*a_w + o_w] + bias[g, k]
    #   where padded_input[n, g, 0, e_h, e_w] := [0 <= e_h - 1 < 6][0 <= e_w < 5] input[n, g, 0, e_h - 1, e_w]
    # FLAT tile: 2 channels x 3 lines x 1 vectors of 8 places
    
    # FLAT tile: 2 channels x 3 lines x 1 vectors of 8 places
    bf_output_images(out, input, weight, bias, workspace, 0, 0, 2)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 120, input 120, weight 24, bias 4, workspace 160; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 120, 1, 0)
        bf_take(&taken, input, b"input", 120, 0, 0)
        bf_take(&taken, weight, b"weight", 24, 0, 0)
        bf_take(&taken, bias, b"bias", 4, 0, 0)
        bf_take(&taken, workspace, b"workspace", 160, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input_images(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0 + thread * 176
    cdef Py_ssize_t at_image, at_out, at_w, at_x, band, block, c, c_first, c_last, g, i_0, k, n, origin, part
    cdef Py_ssize_t q, r, t_0, t_1, to
    cdef V moved, none, total_y_0_0_0, total_y_0_1_0, total_y_0_2_0, w, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0
    cdef V y_0_2_0
    for n in range(first, last):
        for g in range(2):
            for c in range(2):
                none = v_zero()
                v_store(padded + 40*c + 80*g, none)
                for i_0 in range(3):
                    to = 40*c + 80*g + 7*i_0 + 2
                    origin = 15*c + 30*g + 5*i_0 + 60*n
                    moved = v_load_part(grad_output + origin, 5)
                    v_store(padded + to, moved)
                v_store(padded + 40*c + 80*g + 23, none)
        for g in range(2):
            for block in range(1):
                for band in range(1):
                    at_image = 21*band + 80*g
                    at_out = 30*band + 30*g + 60*n
                    k = 0
                    r = 0
                    q = 0
                    bf_branch(1)
                    total_y_0_0_0 = v_zero()
                    total_y_0_1_0 = v_zero()
                    total_y_0_2_0 = v_zero()
                    for part in range(2):
                        c_first = part
                        c_last = c_first + 1
                        if c_last > 2:
                            c_last = 2
                        y_0_0_0 = v_zero()
                        y_0_1_0 = v_zero()
                        y_0_2_0 = v_zero()
                        for c in range(c_first, c_last):
                            at_x = at_image + 40*c + q + 7*r
                            at_w = 6*c + 12*g + 3
                            t_0 = 0
                            for t_1 in range(2):
                                x_0_0 = v_load(padded + at_x + 7*t_0 + 2*t_1)
                                x_0_0 = v_held(x_0_0)
                                x_1_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 7)
                                x_1_0 = v_held(x_1_0)
                                x_2_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 14)
                                x_2_0 = v_held(x_2_0)
                                w = v_splat(weight + at_w - 4*t_0 - t_1)
                                y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                                y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                                y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
                        total_y_0_0_0 = v_add(total_y_0_0_0, y_0_0_0)
                        total_y_0_1_0 = v_add(total_y_0_1_0, y_0_1_0)
                        total_y_0_2_0 = v_add(total_y_0_2_0, y_0_2_0)
                    to = at_out + q + 10*r
                    v_store_part(out + to, total_y_0_0_0, 5)
                    v_store_part(out + to + 10, total_y_0_1_0, 5)
                    v_store_part(out + to + 20, total_y_0_2_0, 5)
        for g in range(2):
            for block in range(1):
                for band in range(1):
                    at_image = 21*band + 80*g
                    at_out = 30*band + 30*g + 60*n + 5
                    k = 0
                    r = 0
                    q = 0
                    bf_branch(2)
                    total_y_0_0_0 = v_zero()
                    total_y_0_1_0 = v_zero()
                    total_y_0_2_0 = v_zero()
                    for part in range(2):
                        c_first = part
                        c_last = c_first + 1
                        if c_last > 2:
                            c_last = 2
                        y_0_0_0 = v_zero()
                        y_0_1_0 = v_zero()
                        y_0_2_0 = v_zero()
                        for c in range(c_first, c_last):
                            at_x = at_image + 40*c + q + 7*r
                            at_w = 6*c + 12*g + 5
                            for t_0 in range(2):
                                for t_1 in range(2):
                                    x_0_0 = v_load(padded + at_x + 7*t_0 + 2*t_1)
                                    x_0_0 = v_held(x_0_0)
                                    x_1_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 7)
                                    x_1_0 = v_held(x_1_0)
                                    x_2_0 = v_load(padded + at_x + 7*t_0 + 2*t_1 + 14)
                                    x_2_0 = v_held(x_2_0)
                                    w = v_splat(weight + at_w - 4*t_0 - t_1)
                                    y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                                    y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                                    y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
                        total_y_0_0_0 = v_add(total_y_0_0_0, y_0_0_0)
                        total_y_0_1_0 = v_add(total_y_0_1_0, y_0_1_0)
                        total_y_0_2_0 = v_add(total_y_0_2_0, y_0_2_0)
                    to = at_out + q + 10*r
                    v_store_part(out + to, total_y_0_0_0, 5)
                    v_store_part(out + to + 10, total_y_0_1_0, 5)
                    v_store_part(out + to + 20, total_y_0_2_0, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[n, g, 0, i_h, i_w] = grad_input[n, g, 0, i_h, i_w] := sum_{k<2} sum_{b_h<3} sum_{b_w<2}
    #   bordered[n, g, k, b_h + i_h, 2*b_w + i_w] flipped[g, 0, k, b_h, b_w]
    #   where spread[n, g, k, z_h, z_w] := sum_{o_h<3} sum_{o_w<5} [-2*o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[n, g, k, o_h, o_w]
    #   where bordered[n, g, k, e_h, e_w] := [0 <= e_h - 1 < 5][0 <= e_w - 2 < 5] spread[n, g, k, e_h - 1, e_w
    #     - 2]
    #   where flipped[g, 0, k, b_h, b_w] := weight[g, k, 0, -b_h + 2, -b_w + 1]
    # FLAT tile: 1 channels x 3 lines x 1 vectors of 8 places, sums of 1 channels at a time, added up in
    #   registers
    
    # FLAT tile: 1 channels x 3 lines x 1 vectors of 8 places, sums of 1 channels at a time, added up in registers
    bf_grad_input_images(out, grad_output, weight, workspace, 0, 0, 2)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 120, grad_output 120, weight 24, workspace 176; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 120, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
        bf_take(&taken, weight, b"weight", 24, 0, 0)
        bf_take(&taken, workspace, b"workspace", 176, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 4)


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


cdef void run_grad_weight(E** at) noexcept nogil:
    bf_grad_weight(at[0], at[1], at[2], at[3])


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 24, grad_output 120, input 120, workspace 232; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 24, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
        bf_take(&taken, input, b"input", 120, 0, 0)
        bf_take(&taken, workspace, b"workspace", 232, 1, 1)
        bf_run(&taken, run_grad_weight)
    finally:
        bf_release(&taken)


def runner_grad_weight():
    """What a plan runs for grad_weight."""
    return bf_runner(run_grad_weight, 4)


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


cdef void run_grad_bias(E** at) noexcept nogil:
    bf_grad_bias(at[0], at[1], at[2])


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 4, grad_output 120, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 120, 0, 0)
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
    return "9a79a9c312f0f3517d1520d467676b347d407731ed8d32c1f0ad87d0bec0a7ae"
