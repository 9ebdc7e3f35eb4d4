# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# AvgPool2d(2, stride=1) at input 1,1,3,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   99c22cfc639a86e542d60e4e3b7e0da605890610161e68d766d5d5000e940232
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
# constants share: 1 rationals, sha256 f70b94aeb67de2a5eb4bd8c2ea85128f13776cb545a661abe422b378a6cf3099
"""Kernels of AvgPool2d(2, stride=1) at input 1,1,3,3, float32."""

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


cdef void bf_output(E* out, const E* input, const E* share, E* workspace) noexcept nogil:
    # output[0, 0, o_h, o_w] = pooled[0, 0, o_h, o_w] := sum_{a_h<2} sum_{a_w<2} share[] padded_input[0, 0,
    #   a_h + o_h, a_w + o_w]
    #   where padded_input[0, 0, e_h, e_w] := [0 <= e_h < 3][0 <= e_w < 3] input[0, 0, e_h, e_w]
    # WOVEN: vectors of 8 along o_w
    cdef Py_ssize_t o_h, o_w
    cdef V v1_0, v1_1, v1_2, v1_3, v1_4, v1_5, v1_6, v1_7, v1_8, v1_9
    # WOVEN: vectors of 8 along o_w
    v1_0 = v_zero()
    v1_1 = v_splat(share)
    for o_h in range(2):
        o_w = 0
        bf_branch(1)
        v1_2 = v_load_part(input + 3*o_h + o_w, 2)
        v1_3 = v_fma(v1_0, v1_1, v1_2)
        v1_4 = v_load_part(input + 3*o_h + o_w + 1, 2)
        v1_5 = v_fma(v1_3, v1_1, v1_4)
        v1_6 = v_load_part(input + 3*o_h + o_w + 3, 2)
        v1_7 = v_fma(v1_5, v1_1, v1_6)
        v1_8 = v_load_part(input + 3*o_h + o_w + 4, 2)
        v1_9 = v_fma(v1_7, v1_1, v1_8)
        v_store_part(out + 2*o_h + o_w, v1_9, 2)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3])


def call_output(out, input, share, workspace):
    """output into out, element counts out 4, input 9, share 1, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4, 1, 0)
        bf_take(&taken, input, b"input", 9, 0, 0)
        bf_take(&taken, share, b"share", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 4)


cdef void bf_grad_input(E* out, const E* grad_output, const E* share, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, i_h, i_w] = grad_input[0, 0, i_h, i_w] := sum_{b_h<2} sum_{b_w<2} bordered[0, 0,
    #   b_h + i_h, b_w + i_w]
    #   where shared_grad[0, 0, o_h, o_w] := share[] grad_output[0, 0, o_h, o_w]
    #   where spread[0, 0, z_h, z_w] := sum_{o_h<2} sum_{o_w<2} [-o_h + z_h = 0][-o_w + z_w = 0]
    #     shared_grad[0, 0, o_h, o_w]
    #   where bordered[0, 0, e_h, e_w] := [0 <= e_h - 1 < 2][0 <= e_w - 1 < 2] spread[0, 0, e_h - 1, e_w - 1]
    # FLAT tile: 1 vectors of 8 along i_w, 3 values of i_h
    cdef E* bordered = workspace + 0
    cdef Py_ssize_t at_out, at_w, at_x, b_h, b_w, e_h, e_w, i_h, i_w, t
    cdef V each, line, x_0_0, x_1_0, x_2_0, y_0_0_0, y_0_1_0, y_0_2_0
    # bordered: border of zeros
    line = v_zero()
    for t in range(0, 24, 8):
        v_store(bordered + t, line)
    # FLAT tile: 1 vectors of 8 along e_w, 2 values of e_h
    e_h = 0
    e_w = 0
    bf_branch(1)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    at_x = 2*e_h + e_w
    at_w = 0
    x_0_0 = v_load_part(grad_output + at_x, 2)
    x_1_0 = v_load_part(grad_output + at_x + 2, 2)
    each = v_splat(share + at_w)
    y_0_0_0 = v_fma(y_0_0_0, each, x_0_0)
    y_0_1_0 = v_fma(y_0_1_0, each, x_1_0)
    at_out = 4*e_h + e_w + 5
    v_store_part(bordered + at_out, y_0_0_0, 2)
    v_store_part(bordered + at_out + 4, y_0_1_0, 2)
    # FLAT tile: 1 vectors of 8 along i_w, 3 values of i_h
    i_h = 0
    i_w = 0
    bf_branch(2)
    y_0_0_0 = v_zero()
    y_0_1_0 = v_zero()
    y_0_2_0 = v_zero()
    for b_h in range(2):
        for b_w in range(2):
            at_x = 4*b_h + b_w + 4*i_h + i_w
            x_0_0 = v_load_part(bordered + at_x, 3)
            x_1_0 = v_load_part(bordered + at_x + 4, 3)
            x_2_0 = v_load_part(bordered + at_x + 8, 3)
            y_0_0_0 = v_add(y_0_0_0, x_0_0)
            y_0_1_0 = v_add(y_0_1_0, x_1_0)
            y_0_2_0 = v_add(y_0_2_0, x_2_0)
    at_out = 3*i_h + i_w
    v_store_part(out + at_out, y_0_0_0, 3)
    v_store_part(out + at_out + 3, y_0_1_0, 3)
    v_store_part(out + at_out + 6, y_0_2_0, 3)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, share, workspace):
    """grad_input into out, element counts out 9, grad_output 4, share 1, workspace 24; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 9, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
        bf_take(&taken, share, b"share", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 24, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 4)


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
    return "70be6633c16c6185c6d6037b431387908a366f7b22bf9da0de50d4c403727d15"
