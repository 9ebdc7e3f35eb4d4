# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(1, 6, 5, padding=2) at input 1,1,28,28, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# chosen output: the least of 4 by the model, 1.18e+04 cycles
# chosen grad_input: the least of 7 by the model, 2.58e+04 cycles
# chosen grad_weight: the least of 3 by the model, 1.75e+04 cycles
"""Kernels of Conv2d(1, 6, 5, padding=2) at input 1,1,28,28, float32."""

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


cdef void bf_output_zeros(E* out, const E* input, const E* weight, const E* bias, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef Py_ssize_t c, g, i_0, n, origin, to, turn, z, z_0
    cdef V moved, none
    for turn in range(first, last):
        n = 0
        g = 0
        c = 0
        none = v_zero()
        for z in range(0, 72, 8):
            v_store(padded + 1048*c + 1048*g + 1048*n + z, none)
        for i_0 in range(28):
            to = 1048*c + 1048*g + 32*i_0 + 1048*n + 66
            origin = 28*i_0
            moved = v_load(input + origin)
            v_store(padded + to, moved)
            moved = v_load(input + origin + 8)
            v_store(padded + to + 8, moved)
            moved = v_load(input + origin + 16)
            v_store(padded + to + 16, moved)
            moved = v_load_part(input + origin + 24, 4)
            v_store(padded + to + 24, moved)
        for z_0 in range(0, 64, 8):
            v_store(padded + 1048*c + 1048*g + 1048*n + z_0 + 962, none)


cdef void bf_output_tiles_0(E* out, const E* input, const E* weight, const E* bias, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef Py_ssize_t at_bias, at_image, at_out, at_w, at_x, band, block, c, g, k, n, q, r, t_0, t_1, to, turn
    cdef V w, x_0_0, x_0_1, y_0_0_0, y_0_0_1, y_1_0_0, y_1_0_1, y_2_0_0, y_2_0_1, y_3_0_0, y_3_0_1, y_4_0_0
    cdef V y_4_0_1, y_5_0_0, y_5_0_1
    for turn in range(first, last):
        n = 0
        g = 0
        block = 0
        band = turn
        at_image = 128*band + 1048*g + 1048*n
        at_out = 112*band
        k = 0
        for r in range(4):
            q = 0
            bf_branch(1)
            at_bias = k
            y_0_0_0 = v_splat(bias + at_bias)
            y_0_0_1 = v_splat(bias + at_bias)
            y_1_0_0 = v_splat(bias + at_bias + 1)
            y_1_0_1 = v_splat(bias + at_bias + 1)
            y_2_0_0 = v_splat(bias + at_bias + 2)
            y_2_0_1 = v_splat(bias + at_bias + 2)
            y_3_0_0 = v_splat(bias + at_bias + 3)
            y_3_0_1 = v_splat(bias + at_bias + 3)
            y_4_0_0 = v_splat(bias + at_bias + 4)
            y_4_0_1 = v_splat(bias + at_bias + 4)
            y_5_0_0 = v_splat(bias + at_bias + 5)
            y_5_0_1 = v_splat(bias + at_bias + 5)
            for c in range(1):
                at_x = at_image + 1048*c + q + 32*r
                at_w = 25*k
                for t_0 in range(5):
                    for t_1 in range(5):
                        x_0_0 = v_load(padded + at_x + 32*t_0 + t_1)
                        x_0_0 = v_held(x_0_0)
                        x_0_1 = v_load(padded + at_x + 32*t_0 + t_1 + 8)
                        x_0_1 = v_held(x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1)
                        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                        y_0_0_1 = v_fma(y_0_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 25)
                        y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
                        y_1_0_1 = v_fma(y_1_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 50)
                        y_2_0_0 = v_fma(y_2_0_0, w, x_0_0)
                        y_2_0_1 = v_fma(y_2_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 75)
                        y_3_0_0 = v_fma(y_3_0_0, w, x_0_0)
                        y_3_0_1 = v_fma(y_3_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 100)
                        y_4_0_0 = v_fma(y_4_0_0, w, x_0_0)
                        y_4_0_1 = v_fma(y_4_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 125)
                        y_5_0_0 = v_fma(y_5_0_0, w, x_0_0)
                        y_5_0_1 = v_fma(y_5_0_1, w, x_0_1)
            to = at_out + 784*k + q + 28*r
            v_store(out + to, y_0_0_0)
            v_store(out + to + 8, y_0_0_1)
            v_store(out + to + 784, y_1_0_0)
            v_store(out + to + 792, y_1_0_1)
            v_store(out + to + 1568, y_2_0_0)
            v_store(out + to + 1576, y_2_0_1)
            v_store(out + to + 2352, y_3_0_0)
            v_store(out + to + 2360, y_3_0_1)
            v_store(out + to + 3136, y_4_0_0)
            v_store(out + to + 3144, y_4_0_1)
            v_store(out + to + 3920, y_5_0_0)
            v_store(out + to + 3928, y_5_0_1)
            q = 16
            bf_branch(2)
            at_bias = k
            y_0_0_0 = v_splat(bias + at_bias)
            y_0_0_1 = v_splat(bias + at_bias)
            y_1_0_0 = v_splat(bias + at_bias + 1)
            y_1_0_1 = v_splat(bias + at_bias + 1)
            y_2_0_0 = v_splat(bias + at_bias + 2)
            y_2_0_1 = v_splat(bias + at_bias + 2)
            y_3_0_0 = v_splat(bias + at_bias + 3)
            y_3_0_1 = v_splat(bias + at_bias + 3)
            y_4_0_0 = v_splat(bias + at_bias + 4)
            y_4_0_1 = v_splat(bias + at_bias + 4)
            y_5_0_0 = v_splat(bias + at_bias + 5)
            y_5_0_1 = v_splat(bias + at_bias + 5)
            for c in range(1):
                at_x = at_image + 1048*c + q + 32*r
                at_w = 25*k
                for t_0 in range(5):
                    for t_1 in range(5):
                        x_0_0 = v_load(padded + at_x + 32*t_0 + t_1)
                        x_0_0 = v_held(x_0_0)
                        x_0_1 = v_load(padded + at_x + 32*t_0 + t_1 + 8)
                        x_0_1 = v_held(x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1)
                        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                        y_0_0_1 = v_fma(y_0_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 25)
                        y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
                        y_1_0_1 = v_fma(y_1_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 50)
                        y_2_0_0 = v_fma(y_2_0_0, w, x_0_0)
                        y_2_0_1 = v_fma(y_2_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 75)
                        y_3_0_0 = v_fma(y_3_0_0, w, x_0_0)
                        y_3_0_1 = v_fma(y_3_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 100)
                        y_4_0_0 = v_fma(y_4_0_0, w, x_0_0)
                        y_4_0_1 = v_fma(y_4_0_1, w, x_0_1)
                        w = v_splat(weight + at_w + 5*t_0 + t_1 + 125)
                        y_5_0_0 = v_fma(y_5_0_0, w, x_0_0)
                        y_5_0_1 = v_fma(y_5_0_1, w, x_0_1)
            to = at_out + 784*k + q + 28*r
            v_store(out + to, y_0_0_0)
            v_store_part(out + to + 8, y_0_0_1, 4)
            v_store(out + to + 784, y_1_0_0)
            v_store_part(out + to + 792, y_1_0_1, 4)
            v_store(out + to + 1568, y_2_0_0)
            v_store_part(out + to + 1576, y_2_0_1, 4)
            v_store(out + to + 2352, y_3_0_0)
            v_store_part(out + to + 2360, y_3_0_1, 4)
            v_store(out + to + 3136, y_4_0_0)
            v_store_part(out + to + 3144, y_4_0_1, 4)
            v_store(out + to + 3920, y_5_0_0)
            v_store_part(out + to + 3928, y_5_0_1, 4)


cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    # output[0, 0, k, o_h, o_w] = correlated[0, 0, k, o_h, o_w] := sum_{a_h<5} sum_{a_w<5} weight[0, k, 0,
    #   a_h, a_w] padded_input[0, 0, 0, a_h + o_h, a_w + o_w] + bias[0, k]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h - 2 < 28][0 <= e_w - 2 < 28] input[0, 0, 0, e_h -
    #     2, e_w - 2]
    # FLAT tile: 6 channels x 1 lines x 2 vectors of 8 places
    
    # FLAT tile: 6 channels x 1 lines x 2 vectors of 8 places
    bf_output_zeros(out, input, weight, bias, workspace, 0, 0, 1)
    bf_output_tiles_0(out, input, weight, bias, workspace, 0, 0, 7)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 4704, input 784, weight 150, bias 6, workspace 1064; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4704, 1, 0)
        bf_take(&taken, input, b"input", 784, 0, 0)
        bf_take(&taken, weight, b"weight", 150, 0, 0)
        bf_take(&taken, bias, b"bias", 6, 0, 0)
        bf_take(&taken, workspace, b"workspace", 1064, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input_zeros(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef Py_ssize_t c, g, i_0, n, origin, to, turn, z, z_0
    cdef V moved, none
    for turn in range(first, last):
        n = 0
        g = 0
        c = turn
        none = v_zero()
        for z in range(0, 72, 8):
            v_store(padded + 1048*c + 6288*g + 6288*n + z, none)
        for i_0 in range(28):
            to = 1048*c + 6288*g + 32*i_0 + 6288*n + 66
            origin = 784*c + 28*i_0
            moved = v_load(grad_output + origin)
            v_store(padded + to, moved)
            moved = v_load(grad_output + origin + 8)
            v_store(padded + to + 8, moved)
            moved = v_load(grad_output + origin + 16)
            v_store(padded + to + 16, moved)
            moved = v_load_part(grad_output + origin + 24, 4)
            v_store(padded + to + 24, moved)
        for z_0 in range(0, 64, 8):
            v_store(padded + 1048*c + 6288*g + 6288*n + z_0 + 962, none)


cdef void bf_grad_input_tiles_0(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef Py_ssize_t at_image, at_out, at_w, at_x, band, block, c, c_first, c_last, g, k, n, part, q, r, t_0
    cdef Py_ssize_t t_1, to, turn
    cdef V total_y_0_0_0, total_y_0_0_1, total_y_0_0_2, total_y_0_0_3, w, x_0_0, x_0_1, x_0_2, x_0_3, y_0_0_0
    cdef V y_0_0_1, y_0_0_2, y_0_0_3
    for turn in range(first, last):
        n = 0
        g = 0
        block = 0
        band = turn
        at_image = 128*band + 6288*g + 6288*n
        at_out = 112*band
        k = 0
        for r in range(4):
            q = 0
            bf_branch(1)
            total_y_0_0_0 = v_zero()
            total_y_0_0_1 = v_zero()
            total_y_0_0_2 = v_zero()
            total_y_0_0_3 = v_zero()
            for part in range(6):
                c_first = part
                c_last = c_first + 1
                if c_last > 6:
                    c_last = 6
                y_0_0_0 = v_zero()
                y_0_0_1 = v_zero()
                y_0_0_2 = v_zero()
                y_0_0_3 = v_zero()
                for c in range(c_first, c_last):
                    at_x = at_image + 1048*c + q + 32*r
                    at_w = 25*c + 24
                    for t_0 in range(5):
                        for t_1 in range(5):
                            x_0_0 = v_load(padded + at_x + 32*t_0 + t_1)
                            x_0_0 = v_held(x_0_0)
                            x_0_1 = v_load(padded + at_x + 32*t_0 + t_1 + 8)
                            x_0_1 = v_held(x_0_1)
                            x_0_2 = v_load(padded + at_x + 32*t_0 + t_1 + 16)
                            x_0_2 = v_held(x_0_2)
                            x_0_3 = v_load(padded + at_x + 32*t_0 + t_1 + 24)
                            x_0_3 = v_held(x_0_3)
                            w = v_splat(weight + at_w - 5*t_0 - t_1)
                            y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                            y_0_0_1 = v_fma(y_0_0_1, w, x_0_1)
                            y_0_0_2 = v_fma(y_0_0_2, w, x_0_2)
                            y_0_0_3 = v_fma(y_0_0_3, w, x_0_3)
                total_y_0_0_0 = v_add(total_y_0_0_0, y_0_0_0)
                total_y_0_0_1 = v_add(total_y_0_0_1, y_0_0_1)
                total_y_0_0_2 = v_add(total_y_0_0_2, y_0_0_2)
                total_y_0_0_3 = v_add(total_y_0_0_3, y_0_0_3)
            to = at_out + q + 28*r
            v_store(out + to, total_y_0_0_0)
            v_store(out + to + 8, total_y_0_0_1)
            v_store(out + to + 16, total_y_0_0_2)
            v_store_part(out + to + 24, total_y_0_0_3, 4)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{k<6} sum_{b_h<5} sum_{b_w<5}
    #   bordered[0, 0, k, b_h + i_h, b_w + i_w] flipped[0, 0, k, b_h, b_w]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<28} sum_{o_w<28} [-o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    #   where bordered[0, 0, k, e_h, e_w] := [0 <= e_h - 2 < 28][0 <= e_w - 2 < 28] spread[0, 0, k, e_h - 2,
    #     e_w - 2]
    #   where flipped[0, 0, k, b_h, b_w] := weight[0, k, 0, -b_h + 4, -b_w + 4]
    # FLAT tile: 1 channels x 1 lines x 4 vectors of 8 places, sums of 1 channels at a time, added up in
    #   registers
    
    # FLAT tile: 1 channels x 1 lines x 4 vectors of 8 places, sums of 1 channels at a time, added up in registers
    bf_grad_input_zeros(out, grad_output, weight, workspace, 0, 0, 6)
    bf_grad_input_tiles_0(out, grad_output, weight, workspace, 0, 0, 7)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 784, grad_output 4704, weight 150, workspace 6304; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 784, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4704, 0, 0)
        bf_take(&taken, weight, b"weight", 150, 0, 0)
        bf_take(&taken, workspace, b"workspace", 6304, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 4)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, k, 0, a_h, a_w] = grad_weight[0, k, 0, a_h, a_w] := sum_{z_h<28} sum_{z_w<28}
    #   padded_input[0, 0, 0, a_h + z_h, a_w + z_w] spread[0, 0, k, z_h, z_w]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h - 2 < 28][0 <= e_w - 2 < 28] input[0, 0, 0, e_h -
    #     2, e_w - 2]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<28} sum_{o_w<28} [-o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    # LANES tile: vectors of 8 along o_w, 5 values of a_h, 2 values of k
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_a, at_b, at_out, e_h, e_w, k, o_h, o_w, t
    cdef E total
    cdef V a_0, a_1, a_2, a_3, a_4, b_0, line, s_0_0, s_0_1, s_1_0, s_1_1, s_2_0, s_2_1, s_3_0, s_3_1, s_4_0
    cdef V s_4_1
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 1032, 8):
        v_store(padded_input + t, line)
    for e_h in range(2, 30):
        for e_w in range(2, 26, 8):
            line = v_load(input + 28*e_h + e_w - 58)
            v_store(padded_input + 32*e_h + e_w, line)
        e_w = 26
        line = v_load_part(input + 28*e_h + e_w - 58, 4)
        v_store_part(padded_input + 32*e_h + e_w, line, 4)
    # LANES tile: vectors of 8 along o_w, 5 values of a_h, 2 values of k
    for a_w in range(5):
        a_h = 0
        for k in range(0, 6, 2):
            bf_branch(1)
            s_0_0 = v_zero()
            s_0_1 = v_zero()
            s_1_0 = v_zero()
            s_1_1 = v_zero()
            s_2_0 = v_zero()
            s_2_1 = v_zero()
            s_3_0 = v_zero()
            s_3_1 = v_zero()
            s_4_0 = v_zero()
            s_4_1 = v_zero()
            for o_h in range(28):
                for o_w in range(0, 24, 8):
                    at_a = 32*a_h + a_w + 32*o_h + o_w
                    a_0 = v_load(padded_input + at_a)
                    a_1 = v_load(padded_input + at_a + 32)
                    a_2 = v_load(padded_input + at_a + 64)
                    a_3 = v_load(padded_input + at_a + 96)
                    a_4 = v_load(padded_input + at_a + 128)
                    at_b = 784*k + 28*o_h + o_w
                    b_0 = v_load(grad_output + at_b)
                    s_0_0 = v_fma(s_0_0, a_0, b_0)
                    s_1_0 = v_fma(s_1_0, a_1, b_0)
                    s_2_0 = v_fma(s_2_0, a_2, b_0)
                    s_3_0 = v_fma(s_3_0, a_3, b_0)
                    s_4_0 = v_fma(s_4_0, a_4, b_0)
                    b_0 = v_load(grad_output + at_b + 784)
                    s_0_1 = v_fma(s_0_1, a_0, b_0)
                    s_1_1 = v_fma(s_1_1, a_1, b_0)
                    s_2_1 = v_fma(s_2_1, a_2, b_0)
                    s_3_1 = v_fma(s_3_1, a_3, b_0)
                    s_4_1 = v_fma(s_4_1, a_4, b_0)
                o_w = 24
                at_a = 32*a_h + a_w + 32*o_h + o_w
                a_0 = v_load_part(padded_input + at_a, 4)
                a_1 = v_load_part(padded_input + at_a + 32, 4)
                a_2 = v_load_part(padded_input + at_a + 64, 4)
                a_3 = v_load_part(padded_input + at_a + 96, 4)
                a_4 = v_load_part(padded_input + at_a + 128, 4)
                at_b = 784*k + 28*o_h + o_w
                b_0 = v_load_part(grad_output + at_b, 4)
                s_0_0 = v_fma(s_0_0, a_0, b_0)
                s_1_0 = v_fma(s_1_0, a_1, b_0)
                s_2_0 = v_fma(s_2_0, a_2, b_0)
                s_3_0 = v_fma(s_3_0, a_3, b_0)
                s_4_0 = v_fma(s_4_0, a_4, b_0)
                b_0 = v_load_part(grad_output + at_b + 784, 4)
                s_0_1 = v_fma(s_0_1, a_0, b_0)
                s_1_1 = v_fma(s_1_1, a_1, b_0)
                s_2_1 = v_fma(s_2_1, a_2, b_0)
                s_3_1 = v_fma(s_3_1, a_3, b_0)
                s_4_1 = v_fma(s_4_1, a_4, b_0)
            at_out = 5*a_h + a_w + 25*k
            total = v_sum(s_0_0)
            e_store(out + at_out, total)
            total = v_sum(s_0_1)
            e_store(out + at_out + 25, total)
            total = v_sum(s_1_0)
            e_store(out + at_out + 5, total)
            total = v_sum(s_1_1)
            e_store(out + at_out + 30, total)
            total = v_sum(s_2_0)
            e_store(out + at_out + 10, total)
            total = v_sum(s_2_1)
            e_store(out + at_out + 35, total)
            total = v_sum(s_3_0)
            e_store(out + at_out + 15, total)
            total = v_sum(s_3_1)
            e_store(out + at_out + 40, total)
            total = v_sum(s_4_0)
            e_store(out + at_out + 20, total)
            total = v_sum(s_4_1)
            e_store(out + at_out + 45, total)


cdef void run_grad_weight(E** at) noexcept nogil:
    bf_grad_weight(at[0], at[1], at[2], at[3])


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 150, grad_output 4704, input 784, workspace 1032; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 150, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4704, 0, 0)
        bf_take(&taken, input, b"input", 784, 0, 0)
        bf_take(&taken, workspace, b"workspace", 1032, 1, 1)
        bf_run(&taken, run_grad_weight)
    finally:
        bf_release(&taken)


def runner_grad_weight():
    """What a plan runs for grad_weight."""
    return bf_runner(run_grad_weight, 4)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[0, k] = grad_bias[0, k] := sum_{o_h<28} sum_{o_w<28} grad_output[0, 0, k, o_h, o_w]
    # LANES tile: vectors of 8 along o_w, 6 values of k
    cdef Py_ssize_t at_a, at_out, k, o_w
    cdef E total
    cdef V a_0, a_1, a_2, a_3, a_4, a_5, s_0_0, s_1_0, s_2_0, s_3_0, s_4_0, s_5_0
    # LANES tile: vectors of 8 along o_w, 6 values of k
    k = 0
    bf_branch(1)
    s_0_0 = v_zero()
    s_1_0 = v_zero()
    s_2_0 = v_zero()
    s_3_0 = v_zero()
    s_4_0 = v_zero()
    s_5_0 = v_zero()
    for o_w in range(0, 784, 8):
        at_a = 784*k + o_w
        a_0 = v_load(grad_output + at_a)
        a_1 = v_load(grad_output + at_a + 784)
        a_2 = v_load(grad_output + at_a + 1568)
        a_3 = v_load(grad_output + at_a + 2352)
        a_4 = v_load(grad_output + at_a + 3136)
        a_5 = v_load(grad_output + at_a + 3920)
        s_0_0 = v_add(s_0_0, a_0)
        s_1_0 = v_add(s_1_0, a_1)
        s_2_0 = v_add(s_2_0, a_2)
        s_3_0 = v_add(s_3_0, a_3)
        s_4_0 = v_add(s_4_0, a_4)
        s_5_0 = v_add(s_5_0, a_5)
    at_out = k
    total = v_sum(s_0_0)
    e_store(out + at_out, total)
    total = v_sum(s_1_0)
    e_store(out + at_out + 1, total)
    total = v_sum(s_2_0)
    e_store(out + at_out + 2, total)
    total = v_sum(s_3_0)
    e_store(out + at_out + 3, total)
    total = v_sum(s_4_0)
    e_store(out + at_out + 4, total)
    total = v_sum(s_5_0)
    e_store(out + at_out + 5, total)


cdef void run_grad_bias(E** at) noexcept nogil:
    bf_grad_bias(at[0], at[1], at[2])


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 6, grad_output 4704, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4704, 0, 0)
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
    return "fdd6d58d73a0473b847deaba353d661ff79a61f606b3a09ffb36ef9ce92d2fa9"
