# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv2d(1, 1, 2) at input 1,1,3,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   e85ce21a22d1c942590d1bb1d1a0829fa8aeb88e95bf4429861b3d278fef8503
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fPIC -shared
#   -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
"""Kernels of Conv2d(1, 1, 2) at input 1,1,3,3, float32."""

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
    # output[0, 0, 0, o_h, o_w] = correlated[0, 0, 0, o_h, o_w] := sum_{a_h<2} sum_{a_w<2} weight[0, 0, 0,
    #   a_h, a_w] padded_input[0, 0, 0, a_h + o_h, a_w + o_w] + bias[0, 0]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h < 3][0 <= e_w < 3] input[0, 0, 0, e_h, e_w]
    # FLAT tile: 1 vectors of 8 along o_w, 2 values of o_h
    cdef Py_ssize_t a_h, a_w, at_b, at_out, at_w, at_x, o_h, o_w
    cdef V each, x_0_0, x_1_0, y_0_0_0, y_0_1_0
    # FLAT tile: 1 vectors of 8 along o_w, 2 values of o_h
    o_h = 0
    o_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    for a_h in range(2):
        for a_w in range(2):
            at_x = 3*a_h + a_w + 3*o_h + o_w
            at_w = 2*a_h + a_w
            x_0_0 = v_load_part(input + at_x, 2)
            x_1_0 = v_load_part(input + at_x + 3, 2)
            each = v_splat(weight + at_w)
            y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
            y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
    at_b = 0
    each = v_splat(bias + at_b)
    y_0_0_0 = v_add(y_0_0_0, each)
    y_0_1_0 = v_add(y_0_1_0, each)
    at_out = 2*o_h + o_w
    v_store_part(out + at_out, y_0_0_0, 2)
    v_store_part(out + at_out + 2, y_0_1_0, 2)


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 4, input 9, weight 4, bias 1, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* input_at
    cdef E* weight_at
    cdef E* bias_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 4, 1, 0)
        input_at = bf_take(&taken, input, b"input", 9, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 4, 0, 0)
        bias_at = bf_take(&taken, bias, b"bias", 1, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_output(out_at, input_at, weight_at, bias_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{b_h<2} sum_{b_w<2}
    #   bordered[0, 0, 0, b_h + i_h, b_w + i_w] flipped[0, 0, 0, b_h, b_w]
    #   where spread[0, 0, 0, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[0, 0, 0, o_h, o_w]
    #   where bordered[0, 0, 0, e_h, e_w] := [0 <= e_h - 1 < 2][0 <= e_w - 1 < 2] spread[0, 0, 0, e_h - 1, e_w
    #     - 1]
    #   where flipped[0, 0, 0, b_h, b_w] := weight[0, 0, 0, -b_h + 1, -b_w + 1]
    # FLAT tile: 1 vectors of 8 along i_w, 3 values of i_h
    cdef E* bordered = workspace + 0
    cdef Py_ssize_t at_out, at_w, at_x, b_h, b_w, e_h, e_w, i_h, i_w, t
    cdef V each, line, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0
    # bordered: border of zeros
    line = v_zero()
    for t in range(0, 24, 8):
        v_store(bordered + t, line)
    for e_h in range(1, 3):
        e_w = 1
        line = v_load_part(grad_output + 2*e_h + e_w - 3, 2)
        v_store_part(bordered + 4*e_h + e_w, line, 2)
    # FLAT tile: 1 vectors of 8 along i_w, 3 values of i_h
    i_h = 0
    i_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    y_0_2_0 = v_zero()
    for b_h in range(2):
        for b_w in range(2):
            at_x = 4*b_h + b_w + 4*i_h + i_w
            at_w = -2*b_h - b_w + 3
            x_0_0 = v_load(bordered + at_x)
            x_1_0 = v_load(bordered + at_x + 4)
            x_2_0 = v_load(bordered + at_x + 8)
            each = v_splat(weight + at_w)
            y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
            y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
            y_0_2_0 = v_fma(y_0_2_0, each, x_2_0)
    at_out = 3*i_h + i_w
    v_store_part(out + at_out, y_0_0_0, 3)
    v_store_part(out + at_out + 3, y_0_1_0, 3)
    v_store_part(out + at_out + 6, y_0_2_0, 3)


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 9, grad_output 4, weight 4, workspace 24; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* weight_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 9, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 4, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 24, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_input(out_at, grad_output_at, weight_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, 0, 0, a_h, a_w] = grad_weight[0, 0, 0, a_h, a_w] := sum_{z_h<2} sum_{z_w<2}
    #   padded_input[0, 0, 0, a_h + z_h, a_w + z_w] spread[0, 0, 0, z_h, z_w]
    #   where padded_input[0, 0, 0, e_h, e_w] := [0 <= e_h < 3][0 <= e_w < 3] input[0, 0, 0, e_h, e_w]
    #   where spread[0, 0, 0, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-o_h + z_h = 0][-o_w + z_w = 0]
    #     grad_output[0, 0, 0, o_h, o_w]
    # FLAT tile: 1 vectors of 8 along a_w, 2 values of a_h
    cdef Py_ssize_t a_h, a_w, at_out, at_w, at_x, o_h, o_w
    cdef V each, x_0_0, x_1_0, y_0_0_0, y_0_1_0
    # FLAT tile: 1 vectors of 8 along a_w, 2 values of a_h
    a_h = 0
    a_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    for o_h in range(2):
        for o_w in range(2):
            at_x = 3*a_h + a_w + 3*o_h + o_w
            at_w = 2*o_h + o_w
            x_0_0 = v_load_part(input + at_x, 2)
            x_1_0 = v_load_part(input + at_x + 3, 2)
            each = v_splat(grad_output + at_w)
            y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
            y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
    at_out = 2*a_h + a_w
    v_store_part(out + at_out, y_0_0_0, 2)
    v_store_part(out + at_out + 2, y_0_1_0, 2)


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 4, grad_output 4, input 9, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* input_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 4, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
        input_at = bf_take(&taken, input, b"input", 9, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_weight(out_at, grad_output_at, input_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[0, 0] = grad_bias[0, 0] := sum_{o_h<2} sum_{o_w<2} grad_output[0, 0, 0, o_h, o_w]
    # LANES tile: vectors of 8 along o_w
    cdef Py_ssize_t at_a, at_out, o_w
    cdef E total
    cdef V a_0, s_0_0
    # LANES tile: vectors of 8 along o_w
    bf_branch(1)
    s_0_0 = v_zero()
    o_w = 0
    at_a = o_w
    a_0 = v_load_part(grad_output + at_a, 4)
    s_0_0 = v_add(s_0_0, a_0)
    at_out = 0
    total = v_sum(s_0_0)
    e_store(out + at_out, total)


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 1, grad_output 4, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 1, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
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
    return "2e0a1a6e6cc7384e14be132a974be55ec114f7baffeef6c9c72fd5f80aba0ff7"
