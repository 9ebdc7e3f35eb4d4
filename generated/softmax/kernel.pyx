# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Softmax(1) at input 2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   ceeddd2cd8541b4ae35cda2486978f77b764986d2bd5be48c75456cddd7cccbc
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
"""Kernels of Softmax(1) at input 2,3, float32."""

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
    E e_choose(E, E, E)
    E e_index(Py_ssize_t)
    E e_larger(E, E, E)
    V v_fn_exp(V)
    V v_fn_recip(V)
    V v_mul(V, V)
    V v_sub(V, V)
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
    # output[n_0, n_1] = normalised[n_0, n_1] := probability[n_0, n_1]
    #   where probability[n_0, n_1] := exp(shifted[n_0, n_1]) recip(total[n_0])
    # CLIP: single elements
    # CLIP: vectors of 8 along n_1
    # WOVEN: single elements
    # CLIP: vectors of 8 along e_0
    cdef E* shifted = workspace + 0
    cdef E* shift = workspace + 16
    cdef E* totals = workspace + 32
    cdef E* recip_of_total = workspace + 48
    cdef Py_ssize_t e_0, e_1, n_0, n_1
    cdef E e3_0, e3_1, e3_2, e3_3, e3_4, e3_5, e3_6, e_0_0, e_best, e_code, e_flag, e_here
    cdef V v_0_0, v_0_0_raw, v_0_1, v_1_0, v_total
    # shift: the largest entry of input along axis 1
    # CLIP: single elements
    for e_0 in range(2):
        bf_branch(1)
        e_best = e_zero()
        e_code = e_index(-1)
        for e_1 in range(3):
            e_0_0 = e_load(input + 3*e_0 + e_1)
            e_flag = e_larger(e_code, e_best, e_0_0)
            e_here = e_index(e_1)
            e_best = e_choose(e_flag, e_0_0, e_best)
            e_code = e_choose(e_flag, e_here, e_code)
        e_store(shift + e_0, e_best)
    # shifted: exp of it, the input moved by any shift
    # CLIP: vectors of 8 along n_1
    for n_0 in range(2):
        v_1_0 = v_splat(shift + n_0)
        n_1 = 0
        bf_branch(2)
        v_total = v_load_part(input + 3*n_0 + n_1, 3)
        v_total = v_sub(v_total, v_1_0)
        v_total = v_fn_exp(v_total)
        v_store_part(shifted + 3*n_0 + n_1, v_total, 3)
    # total: the sum of a row's exponentials
    # WOVEN: single elements
    e3_0 = e_zero()
    for n_0 in range(2):
        bf_branch(3)
        e3_1 = e_load(shifted + 3*n_0)
        e3_2 = e_add(e3_0, e3_1)
        e3_3 = e_load(shifted + 3*n_0 + 1)
        e3_4 = e_add(e3_2, e3_3)
        e3_5 = e_load(shifted + 3*n_0 + 2)
        e3_6 = e_add(e3_4, e3_5)
        e_store(totals + n_0, e3_6)
    # recip_of_total: recip of each entry
    # CLIP: vectors of 8 along e_0
    e_0 = 0
    bf_branch(4)
    v_0_0_raw = v_load_part(totals + e_0, 2)
    v_total = v_fn_recip(v_0_0_raw)
    v_store_part(recip_of_total + e_0, v_total, 2)
    # CLIP: vectors of 8 along n_1
    for n_0 in range(2):
        v_0_1 = v_splat(recip_of_total + n_0)
        n_1 = 0
        bf_branch(5)
        v_0_0 = v_load_part(shifted + 3*n_0 + n_1, 3)
        v_total = v_mul(v_0_1, v_0_0)
        v_store_part(out + 3*n_0 + n_1, v_total, 3)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2])


def call_output(out, input, workspace):
    """output into out, element counts out 6, input 6, workspace 50; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, workspace, b"workspace", 50, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 3)


cdef void bf_grad_input(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d input[n_0, n_1] = grad_input[n_0, n_1] := probability[n_0, n_1] grad_output[n_0, n_1] + -1
    #   probability[n_0, n_1] expected[n_0]
    #   where probability[n_0, n_1] := exp(shifted[n_0, n_1]) recip(total[n_0])
    #   where expected[n_0] := sum_{n_1<3} grad_output[n_0, n_1] probability[n_0, n_1]
    # CLIP: single elements
    # CLIP: vectors of 8 along n_1
    # WOVEN: single elements
    # CLIP: vectors of 8 along e_0
    cdef E* shifted = workspace + 0
    cdef E* shift = workspace + 16
    cdef E* totals = workspace + 32
    cdef E* recip_of_total = workspace + 48
    cdef E* probability = workspace + 64
    cdef E* expected = workspace + 80
    cdef Py_ssize_t e_0, e_1, n_0, n_1
    cdef E e3_0, e3_1, e3_2, e3_3, e3_4, e3_5, e3_6, e6_0, e6_1, e6_2, e6_3, e6_4, e6_5, e6_6, e6_7, e6_8
    cdef E e6_9, e_0_0, e_best, e_code, e_flag, e_here
    cdef V v_0_0, v_0_0_raw, v_0_1, v_1_0, v_1_1, v_1_p0, v_total
    # shift: the largest entry of input along axis 1
    # CLIP: single elements
    for e_0 in range(2):
        bf_branch(1)
        e_best = e_zero()
        e_code = e_index(-1)
        for e_1 in range(3):
            e_0_0 = e_load(input + 3*e_0 + e_1)
            e_flag = e_larger(e_code, e_best, e_0_0)
            e_here = e_index(e_1)
            e_best = e_choose(e_flag, e_0_0, e_best)
            e_code = e_choose(e_flag, e_here, e_code)
        e_store(shift + e_0, e_best)
    # shifted: exp of it, the input moved by any shift
    # CLIP: vectors of 8 along n_1
    for n_0 in range(2):
        v_1_0 = v_splat(shift + n_0)
        n_1 = 0
        bf_branch(2)
        v_total = v_load_part(input + 3*n_0 + n_1, 3)
        v_total = v_sub(v_total, v_1_0)
        v_total = v_fn_exp(v_total)
        v_store_part(shifted + 3*n_0 + n_1, v_total, 3)
    # total: the sum of a row's exponentials
    # WOVEN: single elements
    e3_0 = e_zero()
    for n_0 in range(2):
        bf_branch(3)
        e3_1 = e_load(shifted + 3*n_0)
        e3_2 = e_add(e3_0, e3_1)
        e3_3 = e_load(shifted + 3*n_0 + 1)
        e3_4 = e_add(e3_2, e3_3)
        e3_5 = e_load(shifted + 3*n_0 + 2)
        e3_6 = e_add(e3_4, e3_5)
        e_store(totals + n_0, e3_6)
    # recip_of_total: recip of each entry
    # CLIP: vectors of 8 along e_0
    e_0 = 0
    bf_branch(4)
    v_0_0_raw = v_load_part(totals + e_0, 2)
    v_total = v_fn_recip(v_0_0_raw)
    v_store_part(recip_of_total + e_0, v_total, 2)
    # probability: softmax
    # CLIP: vectors of 8 along n_1
    for n_0 in range(2):
        v_0_1 = v_splat(recip_of_total + n_0)
        n_1 = 0
        bf_branch(5)
        v_0_0 = v_load_part(shifted + 3*n_0 + n_1, 3)
        v_total = v_mul(v_0_1, v_0_0)
        v_store_part(probability + 3*n_0 + n_1, v_total, 3)
    # expected: the expectation of grad_output
    # WOVEN: single elements
    e6_0 = e_zero()
    for n_0 in range(2):
        bf_branch(6)
        e6_1 = e_load(grad_output + 3*n_0)
        e6_2 = e_load(probability + 3*n_0)
        e6_3 = e_fma(e6_0, e6_1, e6_2)
        e6_4 = e_load(grad_output + 3*n_0 + 1)
        e6_5 = e_load(probability + 3*n_0 + 1)
        e6_6 = e_fma(e6_3, e6_4, e6_5)
        e6_7 = e_load(grad_output + 3*n_0 + 2)
        e6_8 = e_load(probability + 3*n_0 + 2)
        e6_9 = e_fma(e6_6, e6_7, e6_8)
        e_store(expected + n_0, e6_9)
    # CLIP: vectors of 8 along n_1
    for n_0 in range(2):
        v_1_1 = v_splat(expected + n_0)
        n_1 = 0
        bf_branch(7)
        v_0_0 = v_load_part(probability + 3*n_0 + n_1, 3)
        v_0_1 = v_load_part(grad_output + 3*n_0 + n_1, 3)
        v_total = v_mul(v_0_0, v_0_1)
        v_1_0 = v_load_part(probability + 3*n_0 + n_1, 3)
        v_1_p0 = v_mul(v_1_1, v_1_0)
        v_total = v_sub(v_total, v_1_p0)
        v_store_part(out + 3*n_0 + n_1, v_total, 3)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, input, workspace):
    """grad_input into out, element counts out 6, grad_output 6, input 6, workspace 82; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, workspace, b"workspace", 82, 1, 1)
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
    return "4824ea8e0b5719985d732456bb5e848dae556071bf176566fc6fd4d790c1eef8"
