# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# CrossEntropyLoss() at input 2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   a9c12a1c0332896c6817efb1593e3b172dad0cd0ca6b2d105a3185e0c68f22d1
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# output: constants = 1
# grad_input: constants = 1
# assumed: what the mean divides by is not 0 (a target that is not ignored, a weight that is not 0)
"""Kernels of CrossEntropyLoss() at input 2,3, float32."""

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
    E e_fn_recip(E)
    E e_index(Py_ssize_t)
    E e_larger(E, E, E)
    E e_mul(E, E)
    E e_same(E, E)
    V v_choose(V, V, V)
    V v_fn_exp(V)
    V v_fn_log(V)
    V v_fn_recip(V)
    V v_index(Py_ssize_t, Py_ssize_t)
    V v_mul(V, V)
    V v_same(V, V)
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


cdef void bf_output(E* out, const E* input, const E* target, const E* constants, E* workspace) noexcept nogil:
    # output[] = reduced[] := sum_{n<2} recip(norm[]) loss_each[n]
    #   where shifted[n, c] := input[n, c] + -1 shift[n]
    #   where loss_each[n] := -1 sum_{c<3} chosen[n, c] shifted[n, c] + sum_{c<3} chosen[n, c] log(total[n])
    # CLIP: single elements
    # CLIP: vectors of 8 along c
    # CLIP: vectors of 8 along e_1
    # WOVEN: single elements
    # WOVEN: vectors of 8 along n
    # CLIP: vectors of 8 along n
    cdef E* shifted = workspace + 0
    cdef E* shift = workspace + 16
    cdef E* exp_of_shifted = workspace + 32
    cdef E* totals = workspace + 48
    cdef E* sum = workspace + 64
    cdef E* sum_1 = workspace + 80
    cdef E* loss_each = workspace + 96
    cdef E* norm = workspace + 112
    cdef E* sum_2 = workspace + 128
    cdef Py_ssize_t c, e_0, e_1, n
    cdef E e4_0, e4_1, e4_2, e4_3, e4_4, e4_5, e4_6, e8_0, e8_1, e8_2, e8_3, e8_4, e9_0, e9_1, e9_2, e9_3
    cdef E e9_4, e_0_0, e_0_0_raw, e_0_1, e_0_code0, e_0_flag0, e_0_here0, e_0_kept0, e_best, e_code, e_flag
    cdef E e_here, e_nought, e_total
    cdef V v6_0, v6_1, v6_10, v6_11, v6_12, v6_13, v6_14, v6_2, v6_3, v6_4, v6_5, v6_6, v6_7, v6_8, v6_9
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
    # shifted: the input moved by any shift
    # CLIP: vectors of 8 along c
    for n in range(2):
        v_1_0 = v_splat(shift + n)
        c = 0
        bf_branch(2)
        v_total = v_load_part(input + c + 3*n, 3)
        v_total = v_sub(v_total, v_1_0)
        v_store_part(shifted + c + 3*n, v_total, 3)
    # exp_of_shifted: exp of each entry
    # CLIP: vectors of 8 along e_1
    e_1 = 0
    bf_branch(3)
    v_0_0_raw = v_load_part(shifted + e_1, 6)
    v_total = v_fn_exp(v_0_0_raw)
    v_store_part(exp_of_shifted + e_1, v_total, 6)
    # total: the sum of a row's exponentials
    # WOVEN: single elements
    e4_0 = e_zero()
    for n in range(2):
        bf_branch(4)
        e4_1 = e_load(exp_of_shifted + 3*n)
        e4_2 = e_add(e4_0, e4_1)
        e4_3 = e_load(exp_of_shifted + 3*n + 1)
        e4_4 = e_add(e4_2, e4_3)
        e4_5 = e_load(exp_of_shifted + 3*n + 2)
        e4_6 = e_add(e4_4, e4_5)
        e_store(totals + n, e4_6)
    # sum: a part of it
    # CLIP: single elements
    e_nought = e_zero()
    for n in range(2):
        e_0_code0 = e_load(target + n)
        bf_branch(5)
        e_total = e_zero()
        for c in range(3):
            e_0_0 = e_load(shifted + c + 3*n)
            e_0_here0 = e_index(c)
            e_0_flag0 = e_same(e_0_code0, e_0_here0)
            e_0_kept0 = e_choose(e_0_flag0, e_0_0, e_nought)
            e_total = e_add(e_total, e_0_kept0)
        e_store(sum + n, e_total)
    # sum_1: a part of it
    # WOVEN: vectors of 8 along n
    v6_0 = v_zero()
    v6_1 = v_splat(constants)
    v6_3 = v_index(0, 0)
    v6_7 = v_index(1, 0)
    v6_11 = v_index(2, 0)
    n = 0
    bf_branch(6)
    v6_2 = v_load_part(target + n, 2)
    v6_4 = v_same(v6_2, v6_3)
    v6_5 = v_choose(v6_4, v6_1, v6_0)
    v6_6 = v_add(v6_0, v6_5)
    v6_8 = v_same(v6_2, v6_7)
    v6_9 = v_choose(v6_8, v6_1, v6_0)
    v6_10 = v_add(v6_6, v6_9)
    v6_12 = v_same(v6_2, v6_11)
    v6_13 = v_choose(v6_12, v6_1, v6_0)
    v6_14 = v_add(v6_10, v6_13)
    v_store_part(sum_1 + n, v6_14, 2)
    # loss_each: a place's loss
    # CLIP: vectors of 8 along n
    n = 0
    bf_branch(7)
    v_0_0_raw = v_load_part(totals + n, 2)
    v_0_0 = v_fn_log(v_0_0_raw)
    v_0_1 = v_load_part(sum_1 + n, 2)
    v_total = v_mul(v_0_0, v_0_1)
    v_1_0 = v_load_part(sum + n, 2)
    v_total = v_sub(v_total, v_1_0)
    v_store_part(loss_each + n, v_total, 2)
    # norm: what the mean divides by
    # WOVEN: single elements
    bf_branch(8)
    e8_0 = e_zero()
    e8_1 = e_load(sum_1)
    e8_2 = e_add(e8_0, e8_1)
    e8_3 = e_load(sum_1 + 1)
    e8_4 = e_add(e8_2, e8_3)
    e_store(norm, e8_4)
    # sum_2: a part of it
    # WOVEN: single elements
    bf_branch(9)
    e9_0 = e_zero()
    e9_1 = e_load(loss_each)
    e9_2 = e_add(e9_0, e9_1)
    e9_3 = e_load(loss_each + 1)
    e9_4 = e_add(e9_2, e9_3)
    e_store(sum_2, e9_4)
    # CLIP: single elements
    bf_branch(10)
    e_0_0_raw = e_load(norm)
    e_0_0 = e_fn_recip(e_0_0_raw)
    e_0_1 = e_load(sum_2)
    e_total = e_mul(e_0_0, e_0_1)
    e_store(out, e_total)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, target, constants, workspace):
    """output into out, element counts out 1, input 6, target 2, constants 1, workspace 129; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 1, 1, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, target, b"target", 2, 0, 0)
        bf_take(&taken, constants, b"constants", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 129, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* input, const E* target, const E* constants, E* workspace) noexcept nogil:
    # d loss[]/d input[n, c] = grad_input[n, c] := handed[n] whole[n] probability[n, c] + -1 handed[n] mass[n,
    #   c]
    #   where probability[n, c] := exp(shifted[n, c]) recip(total[n])
    #   where mass[n, c] := chosen[n, c]
    #   where handed[n] := grad_output[] recip(norm[])
    #   where whole[n] := sum_{c<3} mass[n, c]
    # CLIP: single elements
    # CLIP: vectors of 8 along c
    # WOVEN: single elements
    # WOVEN: vectors of 8 along n
    # WOVEN: vectors of 8 along c, n side by side
    # CLIP: vectors of 8 along e_0
    cdef E* shifted = workspace + 0
    cdef E* shift = workspace + 16
    cdef E* totals = workspace + 32
    cdef E* sum = workspace + 48
    cdef E* norm = workspace + 64
    cdef E* mass = workspace + 80
    cdef E* recip_of_norm = workspace + 96
    cdef E* handed = workspace + 112
    cdef E* whole = workspace + 128
    cdef E* recip_of_total = workspace + 144
    cdef Py_ssize_t c, e_0, e_1, n
    cdef E e3_0, e3_1, e3_2, e3_3, e3_4, e3_5, e3_6, e5_0, e5_1, e5_2, e5_3, e5_4, e9_0, e9_1, e9_2, e9_3
    cdef E e9_4, e9_5, e9_6, e_0_0, e_0_0_raw, e_best, e_code, e_flag, e_here, e_total
    cdef V v4_0, v4_1, v4_10, v4_11, v4_12, v4_13, v4_14, v4_2, v4_3, v4_4, v4_5, v4_6, v4_7, v4_8, v4_9, v6_0
    cdef V v6_1, v6_10, v6_2, v6_3, v6_4, v6_5, v6_6, v6_7, v6_8, v6_9, v8_0, v8_1, v8_2, v8_3, v_0_0
    cdef V v_0_0_raw, v_0_1, v_0_2, v_0_3, v_0_p1, v_0_p3, v_1_0, v_1_1, v_1_p1, v_total
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
    # CLIP: vectors of 8 along c
    for n in range(2):
        v_1_0 = v_splat(shift + n)
        c = 0
        bf_branch(2)
        v_total = v_load_part(input + c + 3*n, 3)
        v_total = v_sub(v_total, v_1_0)
        v_total = v_fn_exp(v_total)
        v_store_part(shifted + c + 3*n, v_total, 3)
    # total: the sum of a row's exponentials
    # WOVEN: single elements
    e3_0 = e_zero()
    for n in range(2):
        bf_branch(3)
        e3_1 = e_load(shifted + 3*n)
        e3_2 = e_add(e3_0, e3_1)
        e3_3 = e_load(shifted + 3*n + 1)
        e3_4 = e_add(e3_2, e3_3)
        e3_5 = e_load(shifted + 3*n + 2)
        e3_6 = e_add(e3_4, e3_5)
        e_store(totals + n, e3_6)
    # sum: a part of it
    # WOVEN: vectors of 8 along n
    v4_0 = v_zero()
    v4_1 = v_splat(constants)
    v4_3 = v_index(0, 0)
    v4_7 = v_index(1, 0)
    v4_11 = v_index(2, 0)
    n = 0
    bf_branch(4)
    v4_2 = v_load_part(target + n, 2)
    v4_4 = v_same(v4_2, v4_3)
    v4_5 = v_choose(v4_4, v4_1, v4_0)
    v4_6 = v_add(v4_0, v4_5)
    v4_8 = v_same(v4_2, v4_7)
    v4_9 = v_choose(v4_8, v4_1, v4_0)
    v4_10 = v_add(v4_6, v4_9)
    v4_12 = v_same(v4_2, v4_11)
    v4_13 = v_choose(v4_12, v4_1, v4_0)
    v4_14 = v_add(v4_10, v4_13)
    v_store_part(sum + n, v4_14, 2)
    # norm: what the mean divides by
    # WOVEN: single elements
    bf_branch(5)
    e5_0 = e_zero()
    e5_1 = e_load(sum)
    e5_2 = e_add(e5_0, e5_1)
    e5_3 = e_load(sum + 1)
    e5_4 = e_add(e5_2, e5_3)
    e_store(norm, e5_4)
    # mass: weighted target
    # WOVEN: vectors of 8 along c, n side by side
    v6_0 = v_zero()
    v6_1 = v_splat(constants)
    v6_2 = v_splat(target)
    v6_7 = v_splat(target + 1)
    c = 0
    bf_branch(6)
    v6_3 = v_index(c, 1)
    v6_4 = v_same(v6_2, v6_3)
    v6_5 = v_choose(v6_4, v6_1, v6_0)
    v6_6 = v_add(v6_0, v6_5)
    v_store_part(mass + c, v6_6, 3)
    v6_8 = v_same(v6_7, v6_3)
    v6_9 = v_choose(v6_8, v6_1, v6_0)
    v6_10 = v_add(v6_0, v6_9)
    v_store_part(mass + c + 3, v6_10, 3)
    # recip_of_norm: recip of each entry
    # CLIP: single elements
    bf_branch(7)
    e_0_0_raw = e_load(norm)
    e_total = e_fn_recip(e_0_0_raw)
    e_store(recip_of_norm, e_total)
    # handed: grad_output of each place
    # WOVEN: vectors of 8 along n
    v8_0 = v_zero()
    v8_1 = v_splat(grad_output)
    v8_2 = v_splat(recip_of_norm)
    v8_3 = v_fma(v8_0, v8_1, v8_2)
    n = 0
    bf_branch(8)
    v_store_part(handed + n, v8_3, 2)
    # whole: the target's sum
    # WOVEN: single elements
    e9_0 = e_zero()
    for n in range(2):
        bf_branch(9)
        e9_1 = e_load(mass + 3*n)
        e9_2 = e_add(e9_0, e9_1)
        e9_3 = e_load(mass + 3*n + 1)
        e9_4 = e_add(e9_2, e9_3)
        e9_5 = e_load(mass + 3*n + 2)
        e9_6 = e_add(e9_4, e9_5)
        e_store(whole + n, e9_6)
    # recip_of_total: recip of each entry
    # CLIP: vectors of 8 along e_0
    e_0 = 0
    bf_branch(10)
    v_0_0_raw = v_load_part(totals + e_0, 2)
    v_total = v_fn_recip(v_0_0_raw)
    v_store_part(recip_of_total + e_0, v_total, 2)
    # CLIP: vectors of 8 along c
    for n in range(2):
        v_0_0 = v_splat(handed + n)
        v_0_1 = v_splat(whole + n)
        v_0_p1 = v_mul(v_0_0, v_0_1)
        v_0_3 = v_splat(recip_of_total + n)
        v_0_p3 = v_mul(v_0_p1, v_0_3)
        v_1_0 = v_splat(handed + n)
        c = 0
        bf_branch(11)
        v_0_2 = v_load_part(shifted + c + 3*n, 3)
        v_total = v_mul(v_0_p3, v_0_2)
        v_1_1 = v_load_part(mass + c + 3*n, 3)
        v_1_p1 = v_mul(v_1_0, v_1_1)
        v_total = v_sub(v_total, v_1_p1)
        v_store_part(out + c + 3*n, v_total, 3)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3], at[4], at[5])


def call_grad_input(out, grad_output, input, target, constants, workspace):
    """grad_input into out, element counts out 6, grad_output 1, input 6, target 2, constants 1, workspace 146; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 1, 0, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, target, b"target", 2, 0, 0)
        bf_take(&taken, constants, b"constants", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 146, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 6)


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
    return "ef12f0408776319397049365302ede152482078a57261d1fd4f978aa11b79a5a"
