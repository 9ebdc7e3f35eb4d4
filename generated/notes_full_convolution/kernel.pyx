# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv1d(1, 1, 2, padding='full', bias=False) at input 1,1,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   a86aab7a0ebada2726b5888b4c78cf94af9b3857c0dd71ee11dbc7957148e316
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# chosen output: the least of 3 by the model, 5.25 cycles
# chosen grad_input: the least of 3 by the model, 5.25 cycles
# chosen grad_weight: the least of 4 by the model, 7 cycles
"""Kernels of Conv1d(1, 1, 2, padding='full', bias=False) at input 1,1,5, float32."""

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
    V v_load_span(const E*, Py_ssize_t, Py_ssize_t)
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


cdef void bf_output_rolling(E* out, const E* input, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t group, image
    cdef V v_0, v_1, v_2, v_3, v_4, v_5, v_6, v_7, v_8
    for group in range(first, last):
        v_0 = v_zero()
        v_1 = v_splat(weight)
        v_2 = v_splat(weight + 1)
        image = 0
        bf_branch(1)
        v_3 = v_load_span(input, 1, 5)
        v_4 = v_held(v_3)
        v_5 = v_fma(v_0, v_1, v_4)
        v_6 = v_load_part(input, 5)
        v_7 = v_held(v_6)
        v_8 = v_fma(v_5, v_2, v_7)
        v_store_part(out, v_8, 6)


cdef void bf_output(E* out, const E* input, const E* weight, E* workspace) noexcept nogil:
    # output[0, 0, 0, o_w] = correlated[0, 0, 0, o_w] := sum_{a_w<2} weight[0, 0, 0, a_w] padded_input[0, 0,
    #   0, a_w + o_w]
    #   where padded_input[0, 0, 0, e_w] := [0 <= e_w - 1 < 5] input[0, 0, 0, e_w - 1]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_output_rolling(out, input, weight, workspace, 0, 0, 1)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3])


def call_output(out, input, weight, workspace):
    """output into out, element counts out 6, input 5, weight 2, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, input, b"input", 5, 0, 0)
        bf_take(&taken, weight, b"weight", 2, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 4)


cdef void bf_grad_input_rolling(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t group, image
    cdef V v_0, v_1, v_2, v_3, v_4, v_5, v_6, v_7, v_8
    for group in range(first, last):
        v_0 = v_zero()
        v_1 = v_splat(weight + 1)
        v_2 = v_splat(weight)
        image = 0
        bf_branch(1)
        v_3 = v_load_part(grad_output, 5)
        v_4 = v_held(v_3)
        v_5 = v_fma(v_0, v_1, v_4)
        v_6 = v_load_part(grad_output + 1, 5)
        v_7 = v_held(v_6)
        v_8 = v_fma(v_5, v_2, v_7)
        v_store_part(out, v_8, 5)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_w] = grad_input[0, 0, 0, i_w] := sum_{b_w<2} bordered[0, 0, 0, b_w + i_w]
    #   flipped[0, 0, 0, b_w]
    #   where spread[0, 0, 0, z_w] := sum_{o_w<6} [-o_w + z_w = 0] grad_output[0, 0, 0, o_w]
    #   where bordered[0, 0, 0, e_w] := [0 <= e_w < 6] spread[0, 0, 0, e_w]
    #   where flipped[0, 0, 0, b_w] := weight[0, 0, 0, -b_w + 1]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_grad_input_rolling(out, grad_output, weight, workspace, 0, 0, 1)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 5, grad_output 6, weight 2, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 5, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        bf_take(&taken, weight, b"weight", 2, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_input)
    finally:
        bf_release(&taken)


def runner_grad_input():
    """What a plan runs for grad_input."""
    return bf_runner(run_grad_input, 4)


cdef void bf_grad_weight_rolling(E* out, const E* grad_output, const E* input, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t group, image
    cdef E total
    cdef V s_0_0, s_0_1, v_0, v_1, v_2, v_3, v_4, v_5
    for group in range(first, last):
        s_0_0 = v_zero()
        s_0_1 = v_zero()
        v_0 = v_zero()
        image = 0
        bf_branch(1)
        v_1 = v_load_part(grad_output, 6)
        v_2 = v_load_span(input, 1, 5)
        v_3 = v_held(v_2)
        s_0_0 = v_fma(s_0_0, v_1, v_3)
        v_4 = v_load_part(input, 5)
        v_5 = v_held(v_4)
        s_0_1 = v_fma(s_0_1, v_1, v_5)
        total = v_sum(s_0_0)
        e_store(out, total)
        total = v_sum(s_0_1)
        e_store(out + 1, total)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, 0, 0, a_w] = grad_weight[0, 0, 0, a_w] := sum_{z_w<6} padded_input[0, 0, 0, a_w +
    #   z_w] spread[0, 0, 0, z_w]
    #   where padded_input[0, 0, 0, e_w] := [0 <= e_w - 1 < 5] input[0, 0, 0, e_w - 1]
    #   where spread[0, 0, 0, z_w] := sum_{o_w<6} [-o_w + z_w = 0] grad_output[0, 0, 0, o_w]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_grad_weight_rolling(out, grad_output, input, workspace, 0, 0, 1)


cdef void run_grad_weight(E** at) noexcept nogil:
    bf_grad_weight(at[0], at[1], at[2], at[3])


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 2, grad_output 6, input 5, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 2, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        bf_take(&taken, input, b"input", 5, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_weight)
    finally:
        bf_release(&taken)


def runner_grad_weight():
    """What a plan runs for grad_weight."""
    return bf_runner(run_grad_weight, 4)


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
    return "2501489047826bfcb817d96099324f6f3665b83ea1b3c591d1ad285fa1a502f8"
