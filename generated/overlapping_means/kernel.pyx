# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# AvgPool2d(2, stride=1) at input 1,1,3,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   99c22cfc639a86e542d60e4e3b7e0da605890610161e68d766d5d5000e940232
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
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
    # 9 boxes
    # WOVEN: single elements
    cdef E e1_0, e1_1, e1_2, e1_3, e2_0, e2_1, e2_2, e2_3, e2_4, e2_5, e3_0, e3_1, e3_2, e3_3, e4_0, e4_1
    cdef E e4_2, e4_3, e4_4, e4_5, e5_0, e5_1, e5_2, e5_3, e5_4, e5_5, e5_6, e5_7, e5_8, e5_9, e6_0, e6_1
    cdef E e6_2, e6_3, e6_4, e6_5, e7_0, e7_1, e7_2, e7_3, e8_0, e8_1, e8_2, e8_3, e8_4, e8_5, e9_0, e9_1
    cdef E e9_2, e9_3
    # WOVEN: single elements
    bf_branch(1)
    e1_0 = e_zero()
    e1_1 = e_load(share)
    e1_2 = e_load(grad_output)
    e1_3 = e_fma(e1_0, e1_1, e1_2)
    e_store(out, e1_3)
    # WOVEN: single elements
    bf_branch(2)
    e2_0 = e_zero()
    e2_1 = e_load(share)
    e2_2 = e_load(grad_output)
    e2_3 = e_fma(e2_0, e2_1, e2_2)
    e2_4 = e_load(grad_output + 1)
    e2_5 = e_fma(e2_3, e2_1, e2_4)
    e_store(out + 1, e2_5)
    # WOVEN: single elements
    bf_branch(3)
    e3_0 = e_zero()
    e3_1 = e_load(share)
    e3_2 = e_load(grad_output + 1)
    e3_3 = e_fma(e3_0, e3_1, e3_2)
    e_store(out + 2, e3_3)
    # WOVEN: single elements
    bf_branch(4)
    e4_0 = e_zero()
    e4_1 = e_load(share)
    e4_2 = e_load(grad_output)
    e4_3 = e_fma(e4_0, e4_1, e4_2)
    e4_4 = e_load(grad_output + 2)
    e4_5 = e_fma(e4_3, e4_1, e4_4)
    e_store(out + 3, e4_5)
    # WOVEN: single elements
    bf_branch(5)
    e5_0 = e_zero()
    e5_1 = e_load(share)
    e5_2 = e_load(grad_output)
    e5_3 = e_fma(e5_0, e5_1, e5_2)
    e5_4 = e_load(grad_output + 1)
    e5_5 = e_fma(e5_3, e5_1, e5_4)
    e5_6 = e_load(grad_output + 2)
    e5_7 = e_fma(e5_5, e5_1, e5_6)
    e5_8 = e_load(grad_output + 3)
    e5_9 = e_fma(e5_7, e5_1, e5_8)
    e_store(out + 4, e5_9)
    # WOVEN: single elements
    bf_branch(6)
    e6_0 = e_zero()
    e6_1 = e_load(share)
    e6_2 = e_load(grad_output + 1)
    e6_3 = e_fma(e6_0, e6_1, e6_2)
    e6_4 = e_load(grad_output + 3)
    e6_5 = e_fma(e6_3, e6_1, e6_4)
    e_store(out + 5, e6_5)
    # WOVEN: single elements
    bf_branch(7)
    e7_0 = e_zero()
    e7_1 = e_load(share)
    e7_2 = e_load(grad_output + 2)
    e7_3 = e_fma(e7_0, e7_1, e7_2)
    e_store(out + 6, e7_3)
    # WOVEN: single elements
    bf_branch(8)
    e8_0 = e_zero()
    e8_1 = e_load(share)
    e8_2 = e_load(grad_output + 2)
    e8_3 = e_fma(e8_0, e8_1, e8_2)
    e8_4 = e_load(grad_output + 3)
    e8_5 = e_fma(e8_3, e8_1, e8_4)
    e_store(out + 7, e8_5)
    # WOVEN: single elements
    bf_branch(9)
    e9_0 = e_zero()
    e9_1 = e_load(share)
    e9_2 = e_load(grad_output + 3)
    e9_3 = e_fma(e9_0, e9_1, e9_2)
    e_store(out + 8, e9_3)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, share, workspace):
    """grad_input into out, element counts out 9, grad_output 4, share 1, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 9, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
        bf_take(&taken, share, b"share", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
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
    return "3f4280478bd36035ae1eff02db426dc1a0826ae168ad450f261f87edfbd25d96"
