# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# CrossEntropyLoss() at input 2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   a9c12a1c0332896c6817efb1593e3b172dad0cd0ca6b2d105a3185e0c68f22d1
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fPIC -shared
#   -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
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
    E* bf_take(bf_arguments*, object, const char*, Py_ssize_t, int, int) except NULL
    int bf_apart(const bf_arguments*) except -1
    void bf_release(bf_arguments*)
    int bf_spoil(object) except -1


cdef void bf_output(E* out, const E* input, const E* target, const E* constants, E* workspace) noexcept nogil:
    # output[] = reduced[] := sum_{n<2} recip(norm[]) loss_each[n]
    #   where shifted[n, c] := input[n, c] + -1 shift[n]
    #   where loss_each[n] := -1 sum_{c<3} chosen[n, c] shifted[n, c] + sum_{c<3} chosen[n, c] log(total[n])
    # CLIP: single elements
    # CLIP: vectors of 8 along c
    # CLIP: vectors of 8 along e_1
    # FLAT tile: single elements, 2 values of n
    # CLIP: vectors of 8 along n
    cdef E* shifted = workspace + 0
    cdef E* shift = workspace + 16
    cdef E* exp_of_shifted = workspace + 32
    cdef E* totals = workspace + 48
    cdef E* sum = workspace + 64
    cdef E* sum_1 = workspace + 80
    cdef E* loss_each = workspace + 96
    cdef E* sum_2 = workspace + 112
    cdef E* norm = workspace + 128
    cdef E* sum_3 = workspace + 144
    cdef Py_ssize_t at_out, at_x, c, e_0, e_1, n
    cdef E e_0_0, e_0_0_raw, e_0_1, e_0_code0, e_0_flag0, e_0_here0, e_0_kept0, e_best, e_code, e_flag, e_here
    cdef E e_nought, e_total, one_x_0_0, one_x_1_0, one_y_0_0_0, one_y_0_1_0
    cdef V v_0_0, v_0_0_raw, v_0_1, v_0_code0, v_0_flag0, v_0_here0, v_0_kept0, v_1_0, v_nought, v_total
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
    # FLAT tile: single elements, 2 values of n
    n = 0
    bf_branch(4)
    one_y_0_0_0 = e_zero()
    one_y_0_1_0 = e_zero()
    for c in range(3):
        at_x = c + 3*n
        one_x_0_0 = e_load(exp_of_shifted + at_x)
        one_x_1_0 = e_load(exp_of_shifted + at_x + 3)
        one_y_0_0_0 = e_add(one_y_0_0_0, one_x_0_0)
        one_y_0_1_0 = e_add(one_y_0_1_0, one_x_1_0)
    at_out = n
    e_store(totals + at_out, one_y_0_0_0)
    e_store(totals + at_out + 1, one_y_0_1_0)
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
    # CLIP: vectors of 8 along n
    v_0_0 = v_splat(constants)
    v_nought = v_zero()
    n = 0
    v_0_code0 = v_load_part(target + n, 2)
    bf_branch(6)
    v_total = v_zero()
    for c in range(3):
        v_0_here0 = v_index(c, 0)
        v_0_flag0 = v_same(v_0_code0, v_0_here0)
        v_0_kept0 = v_choose(v_0_flag0, v_0_0, v_nought)
        v_total = v_add(v_total, v_0_kept0)
    v_store_part(sum_1 + n, v_total, 2)
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
    # sum_2: a part of it
    # CLIP: vectors of 8 along n
    v_0_0 = v_splat(constants)
    v_nought = v_zero()
    n = 0
    v_0_code0 = v_load_part(target + n, 2)
    bf_branch(8)
    v_total = v_zero()
    for c in range(3):
        v_0_here0 = v_index(c, 0)
        v_0_flag0 = v_same(v_0_code0, v_0_here0)
        v_0_kept0 = v_choose(v_0_flag0, v_0_0, v_nought)
        v_total = v_add(v_total, v_0_kept0)
    v_store_part(sum_2 + n, v_total, 2)
    # norm: what the mean divides by
    # CLIP: single elements
    bf_branch(9)
    e_total = e_zero()
    for n in range(2):
        e_0_0 = e_load(sum_2 + n)
        e_total = e_add(e_total, e_0_0)
    e_store(norm, e_total)
    # sum_3: a part of it
    # CLIP: single elements
    bf_branch(10)
    e_total = e_zero()
    for n in range(2):
        e_0_0 = e_load(loss_each + n)
        e_total = e_add(e_total, e_0_0)
    e_store(sum_3, e_total)
    # CLIP: single elements
    bf_branch(11)
    e_0_0_raw = e_load(norm)
    e_0_0 = e_fn_recip(e_0_0_raw)
    e_0_1 = e_load(sum_3)
    e_total = e_mul(e_0_0, e_0_1)
    e_store(out, e_total)


def call_output(out, input, target, constants, workspace):
    """output into out, element counts out 1, input 6, target 2, constants 1, workspace 145; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* input_at
    cdef E* target_at
    cdef E* constants_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 1, 1, 0)
        input_at = bf_take(&taken, input, b"input", 6, 0, 0)
        target_at = bf_take(&taken, target, b"target", 2, 0, 0)
        constants_at = bf_take(&taken, constants, b"constants", 1, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 145, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_output(out_at, input_at, target_at, constants_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_input(E* out, const E* grad_output, const E* input, const E* target, const E* constants, E* workspace) noexcept nogil:
    # d loss[]/d input[n, c] = grad_input[n, c] := handed[n] whole[n] probability[n, c] + -1 handed[n] mass[n,
    #   c]
    #   where probability[n, c] := exp(shifted[n, c]) recip(total[n])
    #   where mass[n, c] := chosen[n, c]
    #   where handed[n] := grad_output[] recip(norm[])
    #   where whole[n] := sum_{c<3} mass[n, c]
    # CLIP: single elements
    # CLIP: vectors of 8 along c
    # FLAT tile: single elements, 2 values of n
    # CLIP: vectors of 8 along n
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
    cdef Py_ssize_t at_out, at_x, c, e_0, e_1, n
    cdef E e_0_0, e_0_0_raw, e_best, e_code, e_flag, e_here, e_total, one_x_0_0, one_x_1_0, one_y_0_0_0
    cdef E one_y_0_1_0
    cdef V v_0_0, v_0_0_raw, v_0_1, v_0_2, v_0_3, v_0_code0, v_0_flag0, v_0_here0, v_0_kept0, v_0_p1, v_0_p3
    cdef V v_1_0, v_1_1, v_1_p1, v_nought, v_total
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
    # FLAT tile: single elements, 2 values of n
    n = 0
    bf_branch(3)
    one_y_0_0_0 = e_zero()
    one_y_0_1_0 = e_zero()
    for c in range(3):
        at_x = c + 3*n
        one_x_0_0 = e_load(shifted + at_x)
        one_x_1_0 = e_load(shifted + at_x + 3)
        one_y_0_0_0 = e_add(one_y_0_0_0, one_x_0_0)
        one_y_0_1_0 = e_add(one_y_0_1_0, one_x_1_0)
    at_out = n
    e_store(totals + at_out, one_y_0_0_0)
    e_store(totals + at_out + 1, one_y_0_1_0)
    # sum: a part of it
    # CLIP: vectors of 8 along n
    v_0_0 = v_splat(constants)
    v_nought = v_zero()
    n = 0
    v_0_code0 = v_load_part(target + n, 2)
    bf_branch(4)
    v_total = v_zero()
    for c in range(3):
        v_0_here0 = v_index(c, 0)
        v_0_flag0 = v_same(v_0_code0, v_0_here0)
        v_0_kept0 = v_choose(v_0_flag0, v_0_0, v_nought)
        v_total = v_add(v_total, v_0_kept0)
    v_store_part(sum + n, v_total, 2)
    # norm: what the mean divides by
    # CLIP: single elements
    bf_branch(5)
    e_total = e_zero()
    for n in range(2):
        e_0_0 = e_load(sum + n)
        e_total = e_add(e_total, e_0_0)
    e_store(norm, e_total)
    # mass: weighted target
    # CLIP: vectors of 8 along c
    v_0_0 = v_splat(constants)
    v_nought = v_zero()
    for n in range(2):
        v_0_code0 = v_splat(target + n)
        c = 0
        bf_branch(6)
        v_0_here0 = v_index(c, 1)
        v_0_flag0 = v_same(v_0_code0, v_0_here0)
        v_0_kept0 = v_choose(v_0_flag0, v_0_0, v_nought)
        v_total = v_add(v_nought, v_0_kept0)
        v_store_part(mass + c + 3*n, v_total, 3)
    # recip_of_norm: recip of each entry
    # CLIP: single elements
    bf_branch(7)
    e_0_0_raw = e_load(norm)
    e_total = e_fn_recip(e_0_0_raw)
    e_store(recip_of_norm, e_total)
    # handed: grad_output of each place
    # CLIP: vectors of 8 along n
    v_0_0 = v_splat(grad_output)
    v_0_1 = v_splat(recip_of_norm)
    n = 0
    bf_branch(8)
    v_total = v_mul(v_0_0, v_0_1)
    v_store_part(handed + n, v_total, 2)
    # whole: the target's sum
    # FLAT tile: single elements, 2 values of n
    n = 0
    bf_branch(9)
    one_y_0_0_0 = e_zero()
    one_y_0_1_0 = e_zero()
    for c in range(3):
        at_x = c + 3*n
        one_x_0_0 = e_load(mass + at_x)
        one_x_1_0 = e_load(mass + at_x + 3)
        one_y_0_0_0 = e_add(one_y_0_0_0, one_x_0_0)
        one_y_0_1_0 = e_add(one_y_0_1_0, one_x_1_0)
    at_out = n
    e_store(whole + at_out, one_y_0_0_0)
    e_store(whole + at_out + 1, one_y_0_1_0)
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


def call_grad_input(out, grad_output, input, target, constants, workspace):
    """grad_input into out, element counts out 6, grad_output 1, input 6, target 2, constants 1, workspace 146; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* input_at
    cdef E* target_at
    cdef E* constants_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 6, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 1, 0, 0)
        input_at = bf_take(&taken, input, b"input", 6, 0, 0)
        target_at = bf_take(&taken, target, b"target", 2, 0, 0)
        constants_at = bf_take(&taken, constants, b"constants", 1, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 146, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_input(out_at, grad_output_at, input_at, target_at, constants_at, workspace_at)
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
    return "b70b7eb5a2bdfe41a88939cf9e76aab1584889e8f8037a0fce6a6ef2022d914b"
