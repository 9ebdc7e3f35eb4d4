# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Upsample(scale_factor=2, mode='bilinear', align_corners=False) at input 1,1,2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   d076a2114c4deb7813a181db1ac50ee15a65259d2f490fa8111ffceaa271db48
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
# constants table_h: 8 rationals, sha256 495b29f69bd92a9ec43f09d20559acfb3db12e2988cef7b0ce17c538b548f120
# constants table_w: 18 rationals, sha256 7f7b5a7932ae3ee7b879b50f59568b7c0ac90cd0d097e0551112ccdf4d3abc46
"""Kernels of Upsample(scale_factor=2, mode='bilinear', align_corners=False) at input 1,1,2,3, float32."""

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


cdef void bf_output(E* out, const E* input, const E* table_h, const E* table_w, E* workspace) noexcept nogil:
    # output[0, 0, o_h, o_w] = resampled[0, 0, o_h, o_w] := sum_{i_h<2} sum_{i_w<3} [0 <= -4*i_h + 2*o_h + 2 <
    #   7][0 <= -4*i_w + 2*o_w + 2 < 7] table_h[o_h, i_h] table_w[o_w, i_w] input[0, 0, i_h, i_w]
    # 12 boxes
    # CLIP: single elements
    cdef Py_ssize_t i_h, i_w, o_w, o_w_in
    cdef E e_0_0, e_0_1, e_0_2, e_0_p1, e_nought, e_total
    # CLIP: single elements
    bf_branch(1)
    e_total = e_zero()
    e_0_0 = e_load(table_h)
    e_0_1 = e_load(table_w)
    e_nought = e_zero()
    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
    e_0_2 = e_load(input)
    e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out, e_total)
    # CLIP: single elements
    e_0_0 = e_load(table_h)
    for o_w in range(2):
        for o_w_in in range(2):
            bf_branch(2)
            e_total = e_zero()
            for i_w in range(2):
                e_0_1 = e_load(table_w + i_w + 7*o_w + 3*o_w_in + 3)
                e_nought = e_zero()
                e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
                e_0_2 = e_load(input + i_w + o_w)
                e_total = e_fma(e_total, e_0_p1, e_0_2)
            e_store(out + 2*o_w + o_w_in + 1, e_total)
    # CLIP: single elements
    bf_branch(3)
    e_total = e_zero()
    e_0_0 = e_load(table_h)
    e_0_1 = e_load(table_w + 17)
    e_nought = e_zero()
    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
    e_0_2 = e_load(input + 2)
    e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 5, e_total)
    # CLIP: single elements
    e_0_1 = e_load(table_w)
    bf_branch(4)
    e_total = e_zero()
    for i_h in range(2):
        e_0_0 = e_load(table_h + i_h + 2)
        e_nought = e_zero()
        e_0_p1 = e_fma(e_nought, e_0_1, e_0_0)
        e_0_2 = e_load(input + 3*i_h)
        e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 6, e_total)
    # CLIP: single elements
    for o_w in range(2):
        for o_w_in in range(2):
            bf_branch(5)
            e_total = e_zero()
            for i_h in range(2):
                e_0_0 = e_load(table_h + i_h + 2)
                for i_w in range(2):
                    e_0_1 = e_load(table_w + i_w + 7*o_w + 3*o_w_in + 3)
                    e_nought = e_zero()
                    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
                    e_0_2 = e_load(input + 3*i_h + i_w + o_w)
                    e_total = e_fma(e_total, e_0_p1, e_0_2)
            e_store(out + 2*o_w + o_w_in + 7, e_total)
    # CLIP: single elements
    e_0_1 = e_load(table_w + 17)
    bf_branch(6)
    e_total = e_zero()
    for i_h in range(2):
        e_0_0 = e_load(table_h + i_h + 2)
        e_nought = e_zero()
        e_0_p1 = e_fma(e_nought, e_0_1, e_0_0)
        e_0_2 = e_load(input + 3*i_h + 2)
        e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 11, e_total)
    # CLIP: single elements
    e_0_1 = e_load(table_w)
    bf_branch(7)
    e_total = e_zero()
    for i_h in range(2):
        e_0_0 = e_load(table_h + i_h + 4)
        e_nought = e_zero()
        e_0_p1 = e_fma(e_nought, e_0_1, e_0_0)
        e_0_2 = e_load(input + 3*i_h)
        e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 12, e_total)
    # CLIP: single elements
    for o_w in range(2):
        for o_w_in in range(2):
            bf_branch(8)
            e_total = e_zero()
            for i_h in range(2):
                e_0_0 = e_load(table_h + i_h + 4)
                for i_w in range(2):
                    e_0_1 = e_load(table_w + i_w + 7*o_w + 3*o_w_in + 3)
                    e_nought = e_zero()
                    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
                    e_0_2 = e_load(input + 3*i_h + i_w + o_w)
                    e_total = e_fma(e_total, e_0_p1, e_0_2)
            e_store(out + 2*o_w + o_w_in + 13, e_total)
    # CLIP: single elements
    e_0_1 = e_load(table_w + 17)
    bf_branch(9)
    e_total = e_zero()
    for i_h in range(2):
        e_0_0 = e_load(table_h + i_h + 4)
        e_nought = e_zero()
        e_0_p1 = e_fma(e_nought, e_0_1, e_0_0)
        e_0_2 = e_load(input + 3*i_h + 2)
        e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 17, e_total)
    # CLIP: single elements
    bf_branch(10)
    e_total = e_zero()
    e_0_0 = e_load(table_h + 7)
    e_0_1 = e_load(table_w)
    e_nought = e_zero()
    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
    e_0_2 = e_load(input + 3)
    e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 18, e_total)
    # CLIP: single elements
    e_0_0 = e_load(table_h + 7)
    for o_w in range(2):
        for o_w_in in range(2):
            bf_branch(11)
            e_total = e_zero()
            for i_w in range(2):
                e_0_1 = e_load(table_w + i_w + 7*o_w + 3*o_w_in + 3)
                e_nought = e_zero()
                e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
                e_0_2 = e_load(input + i_w + o_w + 3)
                e_total = e_fma(e_total, e_0_p1, e_0_2)
            e_store(out + 2*o_w + o_w_in + 19, e_total)
    # CLIP: single elements
    bf_branch(12)
    e_total = e_zero()
    e_0_0 = e_load(table_h + 7)
    e_0_1 = e_load(table_w + 17)
    e_nought = e_zero()
    e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
    e_0_2 = e_load(input + 5)
    e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 23, e_total)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, table_h, table_w, workspace):
    """output into out, element counts out 24, input 6, table_h 8, table_w 18, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 24, 1, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, table_h, b"table_h", 8, 0, 0)
        bf_take(&taken, table_w, b"table_w", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* table_h, const E* table_w, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, i_h, i_w] = grad_input[0, 0, i_h, i_w] := sum_{o_h<4} sum_{o_w<6} [0 <= -4*i_h +
    #   2*o_h + 2 < 7][0 <= -4*i_w + 2*o_w + 2 < 7] table_h[o_h, i_h] table_w[o_w, i_w] grad_output[0, 0, o_h,
    #   o_w]
    # 6 boxes
    # CLIP: single elements
    cdef Py_ssize_t o_h, o_w
    cdef E e_0_0, e_0_1, e_0_2, e_0_p1, e_nought, e_total
    # CLIP: single elements
    bf_branch(1)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h)
        for o_w in range(3):
            e_0_1 = e_load(table_w + 3*o_w)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out, e_total)
    # CLIP: single elements
    bf_branch(2)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h)
        for o_w in range(4):
            e_0_1 = e_load(table_w + 3*o_w + 4)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w + 1)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 1, e_total)
    # CLIP: single elements
    bf_branch(3)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h)
        for o_w in range(3):
            e_0_1 = e_load(table_w + 3*o_w + 11)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w + 3)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 2, e_total)
    # CLIP: single elements
    bf_branch(4)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h + 3)
        for o_w in range(3):
            e_0_1 = e_load(table_w + 3*o_w)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w + 6)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 3, e_total)
    # CLIP: single elements
    bf_branch(5)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h + 3)
        for o_w in range(4):
            e_0_1 = e_load(table_w + 3*o_w + 4)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w + 7)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 4, e_total)
    # CLIP: single elements
    bf_branch(6)
    e_total = e_zero()
    for o_h in range(3):
        e_0_0 = e_load(table_h + 2*o_h + 3)
        for o_w in range(3):
            e_0_1 = e_load(table_w + 3*o_w + 11)
            e_nought = e_zero()
            e_0_p1 = e_fma(e_nought, e_0_0, e_0_1)
            e_0_2 = e_load(grad_output + 6*o_h + o_w + 9)
            e_total = e_fma(e_total, e_0_p1, e_0_2)
    e_store(out + 5, e_total)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3], at[4])


def call_grad_input(out, grad_output, table_h, table_w, workspace):
    """grad_input into out, element counts out 6, grad_output 24, table_h 8, table_w 18, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 24, 0, 0)
        bf_take(&taken, table_h, b"table_h", 8, 0, 0)
        bf_take(&taken, table_w, b"table_w", 18, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 5)


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
    return "05a8df56411362e68de51421e9265fcc8e16970c65ae67b2e053c5d54ae20cf0"
