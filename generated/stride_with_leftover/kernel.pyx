# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(1, 2, 3, stride=2) at input 1,1,6,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
# chosen output: the least of 4 by the model, 90.7 cycles
# chosen grad_input: the least of 3 by the model, 382 cycles
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


cdef void bf_grad_input_zeros(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef Py_ssize_t c, g, i_0, n, origin, to, turn
    cdef V moved, none
    for turn in range(first, last):
        n = 0
        g = 0
        c = turn
        none = v_zero()
        v_store(padded + 40*c + 80*g + 80*n, none)
        for i_0 in range(2):
            to = 40*c + 80*g + 4*i_0 + 80*n + 5
            origin = 4*c + 2*i_0
            moved = v_load_part(grad_output + origin, 2)
            v_store(padded + to, moved)
        v_store(padded + 40*c + 80*g + 80*n + 13, none)


cdef void bf_grad_input_tiles_0(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef E* sums = workspace + 96 + thread * 32
    cdef Py_ssize_t at_image, at_out, at_w, at_x, band, block, c, c_first, c_last, g, k, n, part, q, r, t_0
    cdef Py_ssize_t t_1, to, turn
    cdef V before, w, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0
    for turn in range(first, last):
        n = 0
        g = 0
        block = 0
        band = 0
        at_image = 12*band + 80*g + 80*n
        at_out = 30*band
        k = 0
        r = 0
        q = 0
        bf_branch(1)
        y_0_0_0 = v_zero()
        y_0_1_0 = v_zero()
        y_0_2_0 = v_zero()
        for part in range(2):
            c_first = part
            c_last = c_first + 1
            if c_last > 2:
                c_last = 2
            for c in range(c_first, c_last):
                at_x = at_image + 40*c + q + 4*r
                at_w = 9*c + 8
                for t_0 in range(2):
                    for t_1 in range(2):
                        x_0_0 = v_load(padded + at_x + 4*t_0 + t_1)
                        x_0_0 = v_held(x_0_0)
                        x_1_0 = v_load(padded + at_x + 4*t_0 + t_1 + 4)
                        x_1_0 = v_held(x_1_0)
                        x_2_0 = v_load(padded + at_x + 4*t_0 + t_1 + 8)
                        x_2_0 = v_held(x_2_0)
                        w = v_splat(weight + at_w - 6*t_0 - 2*t_1)
                        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                        y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                        y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
            if 0 <= part - 1 < 1:
                before = v_load(sums)
                y_0_0_0 = v_add(y_0_0_0, before)
                before = v_load(sums + 8)
                y_0_1_0 = v_add(y_0_1_0, before)
                before = v_load(sums + 16)
                y_0_2_0 = v_add(y_0_2_0, before)
            if 0 <= part < 1:
                v_store(sums, y_0_0_0)
                v_store(sums + 8, y_0_1_0)
                v_store(sums + 16, y_0_2_0)
                y_0_0_0 = v_zero()
                y_0_1_0 = v_zero()
                y_0_2_0 = v_zero()
        to = at_out + 2*q + 10*r
        v_store_strided(out + to, y_0_0_0, 3, 2)
        v_store_strided(out + to + 10, y_0_1_0, 3, 2)
        v_store_strided(out + to + 20, y_0_2_0, 3, 2)
        k = 0
        r = 0
        q = 0
        bf_branch(2)
        y_0_0_0 = v_zero()
        y_0_1_0 = v_zero()
        y_0_2_0 = v_zero()
        for part in range(2):
            c_first = part
            c_last = c_first + 1
            if c_last > 2:
                c_last = 2
            for c in range(c_first, c_last):
                at_x = at_image + 40*c + q + 4*r + 1
                at_w = 9*c + 7
                for t_0 in range(2):
                    t_1 = 0
                    x_0_0 = v_load(padded + at_x + 4*t_0 + t_1)
                    x_0_0 = v_held(x_0_0)
                    x_1_0 = v_load(padded + at_x + 4*t_0 + t_1 + 4)
                    x_1_0 = v_held(x_1_0)
                    x_2_0 = v_load(padded + at_x + 4*t_0 + t_1 + 8)
                    x_2_0 = v_held(x_2_0)
                    w = v_splat(weight + at_w - 6*t_0 - 2*t_1)
                    y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                    y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                    y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
            if 0 <= part - 1 < 1:
                before = v_load(sums)
                y_0_0_0 = v_add(y_0_0_0, before)
                before = v_load(sums + 8)
                y_0_1_0 = v_add(y_0_1_0, before)
                before = v_load(sums + 16)
                y_0_2_0 = v_add(y_0_2_0, before)
            if 0 <= part < 1:
                v_store(sums, y_0_0_0)
                v_store(sums + 8, y_0_1_0)
                v_store(sums + 16, y_0_2_0)
                y_0_0_0 = v_zero()
                y_0_1_0 = v_zero()
                y_0_2_0 = v_zero()
        to = at_out + 2*q + 10*r + 1
        v_store_strided(out + to, y_0_0_0, 2, 2)
        v_store_strided(out + to + 10, y_0_1_0, 2, 2)
        v_store_strided(out + to + 20, y_0_2_0, 2, 2)


cdef void bf_grad_input_tiles_1(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef E* padded = workspace + 0
    cdef E* sums = workspace + 96 + thread * 32
    cdef Py_ssize_t at_image, at_out, at_w, at_x, band, block, c, c_first, c_last, g, k, n, part, q, r, t_0
    cdef Py_ssize_t t_1, to, turn
    cdef V before, w, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0
    for turn in range(first, last):
        n = 0
        g = 0
        block = 0
        band = 0
        at_image = 12*band + 80*g + 80*n
        at_out = 30*band + 5
        k = 0
        r = 0
        q = 0
        bf_branch(3)
        y_0_0_0 = v_zero()
        y_0_1_0 = v_zero()
        y_0_2_0 = v_zero()
        for part in range(2):
            c_first = part
            c_last = c_first + 1
            if c_last > 2:
                c_last = 2
            for c in range(c_first, c_last):
                at_x = at_image + 40*c + q + 4*r + 4
                at_w = 9*c + 5
                t_0 = 0
                for t_1 in range(2):
                    x_0_0 = v_load(padded + at_x + 4*t_0 + t_1)
                    x_0_0 = v_held(x_0_0)
                    x_1_0 = v_load(padded + at_x + 4*t_0 + t_1 + 4)
                    x_1_0 = v_held(x_1_0)
                    x_2_0 = v_load(padded + at_x + 4*t_0 + t_1 + 8)
                    x_2_0 = v_held(x_2_0)
                    w = v_splat(weight + at_w - 6*t_0 - 2*t_1)
                    y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                    y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                    y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
            if 0 <= part - 1 < 1:
                before = v_load(sums)
                y_0_0_0 = v_add(y_0_0_0, before)
                before = v_load(sums + 8)
                y_0_1_0 = v_add(y_0_1_0, before)
                before = v_load(sums + 16)
                y_0_2_0 = v_add(y_0_2_0, before)
            if 0 <= part < 1:
                v_store(sums, y_0_0_0)
                v_store(sums + 8, y_0_1_0)
                v_store(sums + 16, y_0_2_0)
                y_0_0_0 = v_zero()
                y_0_1_0 = v_zero()
                y_0_2_0 = v_zero()
        to = at_out + 2*q + 10*r
        v_store_strided(out + to, y_0_0_0, 3, 2)
        v_store_strided(out + to + 10, y_0_1_0, 3, 2)
        v_store_strided(out + to + 20, y_0_2_0, 3, 2)
        k = 0
        r = 0
        q = 0
        bf_branch(4)
        y_0_0_0 = v_zero()
        y_0_1_0 = v_zero()
        y_0_2_0 = v_zero()
        for part in range(2):
            c_first = part
            c_last = c_first + 1
            if c_last > 2:
                c_last = 2
            for c in range(c_first, c_last):
                at_x = at_image + 40*c + q + 4*r + 5
                at_w = 9*c + 4
                t_0 = 0
                t_1 = 0
                x_0_0 = v_load(padded + at_x + 4*t_0 + t_1)
                x_0_0 = v_held(x_0_0)
                x_1_0 = v_load(padded + at_x + 4*t_0 + t_1 + 4)
                x_1_0 = v_held(x_1_0)
                x_2_0 = v_load(padded + at_x + 4*t_0 + t_1 + 8)
                x_2_0 = v_held(x_2_0)
                w = v_splat(weight + at_w - 6*t_0 - 2*t_1)
                y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
            if 0 <= part - 1 < 1:
                before = v_load(sums)
                y_0_0_0 = v_add(y_0_0_0, before)
                before = v_load(sums + 8)
                y_0_1_0 = v_add(y_0_1_0, before)
                before = v_load(sums + 16)
                y_0_2_0 = v_add(y_0_2_0, before)
            if 0 <= part < 1:
                v_store(sums, y_0_0_0)
                v_store(sums + 8, y_0_1_0)
                v_store(sums + 16, y_0_2_0)
                y_0_0_0 = v_zero()
                y_0_1_0 = v_zero()
                y_0_2_0 = v_zero()
        to = at_out + 2*q + 10*r + 1
        v_store_strided(out + to, y_0_0_0, 2, 2)
        v_store_strided(out + to + 10, y_0_1_0, 2, 2)
        v_store_strided(out + to + 20, y_0_2_0, 2, 2)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{k<2} sum_{b_h<3} sum_{b_w<3}
    #   bordered[0, 0, k, b_h + i_h, b_w + i_w] flipped[0, 0, k, b_h, b_w]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-2*o_h + z_h = 0][-2*o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    #   where bordered[0, 0, k, e_h, e_w] := [0 <= e_h - 2 < 3][0 <= e_w - 2 < 3] spread[0, 0, k, e_h - 2, e_w
    #     - 2]
    #   where flipped[0, 0, k, b_h, b_w] := weight[0, k, 0, -b_h + 2, -b_w + 2]
    # FLAT tile: 1 channels x 3 lines x 1 vectors of 8 places, sums of 1 channels at a time
    
    # FLAT tile: 1 channels x 3 lines x 1 vectors of 8 places, sums of 1 channels at a time
    bf_grad_input_zeros(out, grad_output, weight, workspace, 0, 0, 2)
    bf_grad_input_tiles_0(out, grad_output, weight, workspace, 0, 0, 1)
    bf_grad_input_tiles_1(out, grad_output, weight, workspace, 0, 0, 1)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 30, grad_output 8, weight 18, workspace 128; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 30, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        bf_take(&taken, weight, b"weight", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 128, 1, 1)
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
    # LANES tile: vectors of 8 along o_w, 2 values of k
    cdef Py_ssize_t at_a, at_out, k, o_w
    cdef E total
    cdef V a_0, a_1, s_0_0, s_1_0
    # LANES tile: vectors of 8 along o_w, 2 values of k
    k = 0
    bf_branch(1)
    s_0_0 = v_zero()
    s_1_0 = v_zero()
    o_w = 0
    at_a = 4*k + o_w
    a_0 = v_load_part(grad_output + at_a, 4)
    a_1 = v_load_part(grad_output + at_a + 4, 4)
    s_0_0 = v_add(s_0_0, a_0)
    s_1_0 = v_add(s_1_0, a_1)
    at_out = k
    total = v_sum(s_0_0)
    e_store(out + at_out, total)
    total = v_sum(s_1_0)
    e_store(out + at_out + 1, total)


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
    return "27b8dd1ab2711f5d5e078b27848321d35f309b63a194d98fcb396238d5bcfbd0"
