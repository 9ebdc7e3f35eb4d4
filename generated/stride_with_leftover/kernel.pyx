# cython: language_level=3, boundscheck=False, wraparound=False, binding=False, emit_code_comments=True
# Conv2d(1, 2, 3, stride=2) at input 1,1,6,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   c31448d56cfc8a0b4c6a38ea9af2113552e3674fcaa1b4b1b679d25a3a219246
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fPIC -shared
#   -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
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
    # output[0, 0, k, o_h, o_w] = correlated[0, 0, k, o_h, o_w] := sum_{a_h<3} sum_{a_w<3} weight[0, k, 0,
    #   a_h, a_w] padded_input[0, 0, 0, a_h + 2*o_h, a_w + 2*o_w] + bias[0, k]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h < 6][0 <= e_w < 5] input[0, 0, 0, e_h, e_w]
    # FLAT tile: 1 vectors of 8 along o_w, 2 values of o_h, 2 values of k
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_h, a_w, at_b, at_out, at_w, at_x, e_h, k, o_h, o_w, t
    cdef E one
    cdef V b, line, w, x_0_0, x_1_0, y_0_0_0, y_0_1_0, y_1_0_0, y_1_1_0
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
        w = v_splat(weight + at_w)
        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
        w = v_splat(weight + at_w + 9)
        y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, w, x_1_0)
        x_0_0 = v_load(padded_input + at_x + 3)
        x_1_0 = v_load(padded_input + at_x + 15)
        w = v_splat(weight + at_w + 1)
        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
        w = v_splat(weight + at_w + 10)
        y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, w, x_1_0)
        x_0_0 = v_load(padded_input + at_x + 1)
        x_1_0 = v_load(padded_input + at_x + 13)
        w = v_splat(weight + at_w + 2)
        y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
        y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
        w = v_splat(weight + at_w + 11)
        y_1_0_0 = v_fma(y_1_0_0, w, x_0_0)
        y_1_1_0 = v_fma(y_1_1_0, w, x_1_0)
    at_b = k
    b = v_splat(bias + at_b)
    y_0_0_0 = v_add(y_0_0_0, b)
    y_0_1_0 = v_add(y_0_1_0, b)
    b = v_splat(bias + at_b + 1)
    y_1_0_0 = v_add(y_1_0_0, b)
    y_1_1_0 = v_add(y_1_1_0, b)
    at_out = 4*k + 2*o_h + o_w
    v_store_part(out + at_out, y_0_0_0, 2)
    v_store_part(out + at_out + 2, y_0_1_0, 2)
    v_store_part(out + at_out + 4, y_1_0_0, 2)
    v_store_part(out + at_out + 6, y_1_1_0, 2)


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 8, input 30, weight 18, bias 2, workspace 44; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* input_at
    cdef E* weight_at
    cdef E* bias_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 8, 1, 0)
        input_at = bf_take(&taken, input, b"input", 30, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 18, 0, 0)
        bias_at = bf_take(&taken, bias, b"bias", 2, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 44, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_output(out_at, input_at, weight_at, bias_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{k<2} sum_{b_h<3} sum_{b_w<3}
    #   bordered[0, 0, k, b_h + i_h, b_w + i_w] flipped[0, 0, k, b_h, b_w]
    #   where spread[0, 0, k, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-2*o_h + z_h = 0][-2*o_w + z_w = 0]
    #     grad_output[0, 0, k, o_h, o_w]
    #   where bordered[0, 0, k, e_h, e_w] := [0 <= e_h - 2 < 3][0 <= e_w - 2 < 3] spread[0, 0, k, e_h - 2, e_w
    #     - 2]
    #   where flipped[0, 0, k, b_h, b_w] := weight[0, k, 0, -b_h + 2, -b_w + 2]
    # FLAT tile: 1 vectors of 8 along i_w, 6 values of i_h
    cdef E* bordered = workspace + 0
    cdef Py_ssize_t at_out, at_w, at_x, b_h, b_w, i_h, i_w, k, o_h, o_w, t
    cdef E one
    cdef V line, w, x_0_0, x_1_0, x_2_0, x_3_0, x_4_0, x_5_0, y_0_0_0, y_0_1_0, y_0_2_0, y_0_3_0, y_0_4_0
    cdef V y_0_5_0
    # bordered: border of zeros
    line = v_zero()
    for t in range(0, 120, 8):
        v_store(bordered + t, line)
    for k in range(2):
        for o_h in range(2):
            for o_w in range(2):
                one = e_load(grad_output + 4*k + 2*o_h + o_w)
                e_store(bordered + 56*k + 14*o_h + 2*o_w + 16, one)
    # FLAT tile: 1 vectors of 8 along i_w, 6 values of i_h
    i_h = 0
    i_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    y_0_2_0 = v_zero()
    y_0_3_0 = v_zero()
    y_0_4_0 = v_zero()
    y_0_5_0 = v_zero()
    for k in range(2):
        for b_h in range(3):
            for b_w in range(3):
                at_x = 7*b_h + b_w + 7*i_h + i_w + 56*k
                at_w = -3*b_h - b_w + 9*k + 8
                x_0_0 = v_load(bordered + at_x)
                x_1_0 = v_load(bordered + at_x + 7)
                x_2_0 = v_load(bordered + at_x + 14)
                x_3_0 = v_load(bordered + at_x + 21)
                x_4_0 = v_load(bordered + at_x + 28)
                x_5_0 = v_load(bordered + at_x + 35)
                w = v_splat(weight + at_w)
                y_0_0_0 = v_fma(y_0_0_0, w, x_0_0)
                y_0_1_0 = v_fma(y_0_1_0, w, x_1_0)
                y_0_2_0 = v_fma(y_0_2_0, w, x_2_0)
                y_0_3_0 = v_fma(y_0_3_0, w, x_3_0)
                y_0_4_0 = v_fma(y_0_4_0, w, x_4_0)
                y_0_5_0 = v_fma(y_0_5_0, w, x_5_0)
    at_out = 5*i_h + i_w
    v_store_part(out + at_out, y_0_0_0, 5)
    v_store_part(out + at_out + 5, y_0_1_0, 5)
    v_store_part(out + at_out + 10, y_0_2_0, 5)
    v_store_part(out + at_out + 15, y_0_3_0, 5)
    v_store_part(out + at_out + 20, y_0_4_0, 5)
    v_store_part(out + at_out + 25, y_0_5_0, 5)


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 30, grad_output 8, weight 18, workspace 120; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* weight_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 30, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 18, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 120, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_input(out_at, grad_output_at, weight_at, workspace_at)
    finally:
        bf_release(&taken)


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
    cdef V a_0, a_1, a_2, b, line, s_0_0, s_0_1, s_1_0, s_1_1, s_2_0, s_2_1
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
            b = v_load_part(grad_output + at_b, 2)
            s_0_0 = v_fma(s_0_0, a_0, b)
            s_1_0 = v_fma(s_1_0, a_1, b)
            s_2_0 = v_fma(s_2_0, a_2, b)
            b = v_load_part(grad_output + at_b + 4, 2)
            s_0_1 = v_fma(s_0_1, a_0, b)
            s_1_1 = v_fma(s_1_1, a_1, b)
            s_2_1 = v_fma(s_2_1, a_2, b)
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


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 18, grad_output 8, input 30, workspace 44; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* input_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 18, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
        input_at = bf_take(&taken, input, b"input", 30, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 44, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_weight(out_at, grad_output_at, input_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[0, k] = grad_bias[0, k] := sum_{o_h<2} sum_{o_w<2} grad_output[0, 0, k, o_h, o_w]
    # FLAT tile: single elements, 2 values of k
    cdef Py_ssize_t at_out, at_x, k, o_w
    cdef E x_0_0, x_1_0, y_0_0_0, y_0_1_0
    # FLAT tile: single elements, 2 values of k
    k = 0
    bf_branch(1)
    y_0_0_0 = e_zero()
    y_0_1_0 = e_zero()
    for o_w in range(4):
        at_x = 4*k + o_w
        x_0_0 = e_load(grad_output + at_x)
        x_1_0 = e_load(grad_output + at_x + 4)
        y_0_0_0 = e_add(y_0_0_0, x_0_0)
        y_0_1_0 = e_add(y_0_1_0, x_1_0)
    at_out = k
    e_store(out + at_out, y_0_0_0)
    e_store(out + at_out + 1, y_0_1_0)


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 2, grad_output 8, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 2, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 8, 0, 0)
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
    return "6f6cfacdb75cd07b2f0bc12d459fb594f39983ad841387f08830c907d23944cd"
