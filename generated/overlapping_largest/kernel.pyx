# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# MaxPool2d(2, stride=1) at input 1,1,3,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   c7260d89fb626b17ad7f47144c4410cb6d3bc1c07dfa1c32897c0e4e16ecba91
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# assumed: each window's largest entry is unique; at ties the first is taken (PyTorch's convention)
# assumed: a NaN wins over every number, and of several NaN the last is taken
"""Kernels of MaxPool2d(2, stride=1) at input 1,1,3,3, float32."""

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
    V v_choose(V, V, V)
    V v_index(Py_ssize_t, Py_ssize_t)
    V v_larger(V, V, V)
    V v_load_span(const E*, Py_ssize_t, Py_ssize_t)
    V v_same(V, V)
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


cdef void bf_output(E* out, const E* input, E* workspace) noexcept nogil:
    # output[0, 0, o_h, o_w] = selected[0, 0, o_h, o_w] := sum_{a_h<2} sum_{a_w<2} pick[0, 0, o_h, o_w, a_h,
    #   a_w] padded_input[0, 0, a_h + o_h, a_w + o_w]
    #   where padded_input[0, 0, e_h, e_w] := [0 <= e_h < 3][0 <= e_w < 3] input[0, 0, e_h, e_w]
    # WOVEN: vectors of 8 along o_w
    cdef E* indices = workspace + 0
    cdef Py_ssize_t o_h, o_w
    cdef V v1_0, v1_1, v1_10, v1_11, v1_12, v1_13, v1_14, v1_15, v1_16, v1_17, v1_18, v1_2, v1_3, v1_4, v1_5
    cdef V v1_6, v1_7, v1_8, v1_9
    # WOVEN: vectors of 8 along o_w
    v1_0 = v_index(0, 0)
    v1_2 = v_index(1, 0)
    v1_7 = v_index(3, 0)
    v1_12 = v_index(4, 0)
    for o_h in range(2):
        o_w = 0
        bf_branch(1)
        v1_1 = v_load_part(input + 3*o_h + o_w, 2)
        v1_3 = v_load_part(input + 3*o_h + o_w + 1, 2)
        v1_4 = v_larger(v1_0, v1_1, v1_3)
        v1_5 = v_choose(v1_4, v1_3, v1_1)
        v1_6 = v_choose(v1_4, v1_2, v1_0)
        v1_8 = v_load_part(input + 3*o_h + o_w + 3, 2)
        v1_9 = v_larger(v1_0, v1_5, v1_8)
        v1_10 = v_choose(v1_9, v1_8, v1_5)
        v1_11 = v_choose(v1_9, v1_7, v1_6)
        v1_13 = v_load_part(input + 3*o_h + o_w + 4, 2)
        v1_14 = v_larger(v1_0, v1_10, v1_13)
        v1_15 = v_choose(v1_14, v1_13, v1_10)
        v1_16 = v_choose(v1_14, v1_12, v1_11)
        v1_17 = v_index(3*o_h + o_w, 1)
        v1_18 = v_add(v1_16, v1_17)
        v_store_part(out + 2*o_h + o_w, v1_15, 2)
        v_store_part(indices + 2*o_h + o_w, v1_18, 2)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2])


def call_output(out, input, workspace):
    """output into out, element counts out 4, input 9, workspace 4; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4, 1, 0)
        bf_take(&taken, input, b"input", 9, 0, 0)
        bf_take(&taken, workspace, b"workspace", 4, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 3)


cdef void bf_grad_input(E* out, const E* grad_output, const E* indices, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, i_h, i_w] = grad_input[0, 0, i_h, i_w] := sum_{o_h<2} sum_{o_w<2} sum_{a_h<2}
    #   sum_{a_w<2} [a_h - i_h + o_h = 0][a_w - i_w + o_w = 0] routed[0, 0, o_h, o_w, a_h, a_w]
    #   where routed[0, 0, o_h, o_w, a_h, a_w] := pick[0, 0, o_h, o_w, a_h, a_w] grad_output[0, 0, o_h, o_w]
    # 3 boxes
    # WOVEN: vectors of 8 along i_w
    cdef Py_ssize_t i_w
    cdef V v1_0, v1_1, v1_10, v1_11, v1_2, v1_3, v1_4, v1_5, v1_6, v1_7, v1_8, v1_9, v2_0, v2_1, v2_10, v2_11
    cdef V v2_12, v2_13, v2_14, v2_15, v2_16, v2_17, v2_18, v2_19, v2_2, v2_20, v2_21, v2_3, v2_4, v2_5, v2_6
    cdef V v2_7, v2_8, v2_9, v3_0, v3_1, v3_10, v3_11, v3_2, v3_3, v3_4, v3_5, v3_6, v3_7, v3_8, v3_9
    # WOVEN: vectors of 8 along i_w
    v1_0 = v_zero()
    i_w = 0
    bf_branch(1)
    v1_1 = v_load_part(grad_output + i_w, 2)
    v1_2 = v_load_part(indices + i_w, 2)
    v1_3 = v_index(i_w, 1)
    v1_4 = v_same(v1_2, v1_3)
    v1_5 = v_choose(v1_4, v1_1, v1_0)
    v1_6 = v_add(v1_0, v1_5)
    v1_7 = v_load_span(grad_output + i_w, 1, 2)
    v1_8 = v_load_span(indices + i_w, 1, 2)
    v1_9 = v_same(v1_8, v1_3)
    v1_10 = v_choose(v1_9, v1_7, v1_0)
    v1_11 = v_add(v1_6, v1_10)
    v_store_part(out + i_w, v1_11, 3)
    # WOVEN: vectors of 8 along i_w
    v2_0 = v_zero()
    i_w = 0
    bf_branch(2)
    v2_1 = v_load_part(grad_output + i_w + 2, 2)
    v2_2 = v_load_part(indices + i_w + 2, 2)
    v2_3 = v_index(i_w + 3, 1)
    v2_4 = v_same(v2_2, v2_3)
    v2_5 = v_choose(v2_4, v2_1, v2_0)
    v2_6 = v_add(v2_0, v2_5)
    v2_7 = v_load_span(grad_output + i_w + 2, 1, 2)
    v2_8 = v_load_span(indices + i_w + 2, 1, 2)
    v2_9 = v_same(v2_8, v2_3)
    v2_10 = v_choose(v2_9, v2_7, v2_0)
    v2_11 = v_add(v2_6, v2_10)
    v2_12 = v_load_part(grad_output + i_w, 2)
    v2_13 = v_load_part(indices + i_w, 2)
    v2_14 = v_same(v2_13, v2_3)
    v2_15 = v_choose(v2_14, v2_12, v2_0)
    v2_16 = v_add(v2_11, v2_15)
    v2_17 = v_load_span(grad_output + i_w, 1, 2)
    v2_18 = v_load_span(indices + i_w, 1, 2)
    v2_19 = v_same(v2_18, v2_3)
    v2_20 = v_choose(v2_19, v2_17, v2_0)
    v2_21 = v_add(v2_16, v2_20)
    v_store_part(out + i_w + 3, v2_21, 3)
    # WOVEN: vectors of 8 along i_w
    v3_0 = v_zero()
    i_w = 0
    bf_branch(3)
    v3_1 = v_load_part(grad_output + i_w + 2, 2)
    v3_2 = v_load_part(indices + i_w + 2, 2)
    v3_3 = v_index(i_w + 6, 1)
    v3_4 = v_same(v3_2, v3_3)
    v3_5 = v_choose(v3_4, v3_1, v3_0)
    v3_6 = v_add(v3_0, v3_5)
    v3_7 = v_load_span(grad_output + i_w + 2, 1, 2)
    v3_8 = v_load_span(indices + i_w + 2, 1, 2)
    v3_9 = v_same(v3_8, v3_3)
    v3_10 = v_choose(v3_9, v3_7, v3_0)
    v3_11 = v_add(v3_6, v3_10)
    v_store_part(out + i_w + 6, v3_11, 3)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, indices, workspace):
    """grad_input into out, element counts out 9, grad_output 4, indices 4, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 9, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 4, 0, 0)
        bf_take(&taken, indices, b"indices", 4, 0, 0)
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
    return "68add907cb873fa3661ad991b95460c506a0a20aaa88fccacb5f1dbeddc7c63a"
