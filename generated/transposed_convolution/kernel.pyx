# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# ConvTranspose2d(1, 1, 2, stride=2) at input 1,1,2,2, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   0c0940200b5a01d61ce9473f1a60127d366ee97ba71df06de6aa53e893419620
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
# chosen output: the least of 5 by the model, 17.5 cycles
# chosen grad_input: the least of 4 by the model, 14.7 cycles
# chosen grad_weight: the least of 3 by the model, 18.2 cycles
"""Kernels of ConvTranspose2d(1, 1, 2, stride=2) at input 1,1,2,2, float32."""

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
    V v_even(V, V)
    V v_held(V)
    V v_odd(V, V)
    V v_zip_low(V, V)
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


cdef void bf_output_rolling(E* out, const E* input, const E* weight, const E* bias, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t group, image
    cdef V v_0, v_1, v_10, v_11, v_12, v_13, v_2, v_3, v_4, v_5, v_6, v_7, v_8, v_9
    for group in range(first, last):
        v_0 = v_splat(bias)
        v_1 = v_splat(weight)
        v_2 = v_splat(weight + 1)
        v_3 = v_zero()
        image = 0
        bf_branch(1)
        v_4 = v_load_part(input, 2)
        v_5 = v_held(v_4)
        v_6 = v_fma(v_0, v_1, v_5)
        v_7 = v_load_part(input + 2, 2)
        v_8 = v_held(v_7)
        v_9 = v_fma(v_0, v_1, v_8)
        v_10 = v_fma(v_0, v_2, v_5)
        v_11 = v_fma(v_0, v_2, v_8)
        v_12 = v_zip_low(v_6, v_10)
        v_store_part(out, v_12, 4)
        v_13 = v_zip_low(v_9, v_11)
        v_store_part(out + 8, v_13, 4)
        v_0 = v_splat(bias)
        v_1 = v_splat(weight + 2)
        v_2 = v_splat(weight + 3)
        v_3 = v_zero()
        image = 0
        bf_branch(2)
        v_4 = v_load_part(input, 2)
        v_5 = v_held(v_4)
        v_6 = v_fma(v_0, v_1, v_5)
        v_7 = v_load_part(input + 2, 2)
        v_8 = v_held(v_7)
        v_9 = v_fma(v_0, v_1, v_8)
        v_10 = v_fma(v_0, v_2, v_5)
        v_11 = v_fma(v_0, v_2, v_8)
        v_12 = v_zip_low(v_6, v_10)
        v_store_part(out + 4, v_12, 4)
        v_13 = v_zip_low(v_9, v_11)
        v_store_part(out + 12, v_13, 4)


cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    # output[0, 0, 0, o_h, o_w] = correlated[0, 0, 0, o_h, o_w] := sum_{b_h<2} sum_{b_w<2} bordered_input[0,
    #   0, 0, b_h + o_h, b_w + o_w] flipped[0, 0, 0, b_h, b_w] + bias[0, 0]
    #   where spread_input[0, 0, 0, z_h, z_w] := sum_{i_h<2} sum_{i_w<2} [-2*i_h + z_h = 0][-2*i_w + z_w = 0]
    #     input[0, 0, 0, i_h, i_w]
    #   where bordered_input[0, 0, 0, e_h, e_w] := [0 <= e_h - 1 < 3][0 <= e_w - 1 < 3] spread_input[0, 0, 0,
    #     e_h - 1, e_w - 1]
    #   where flipped[0, 0, 0, b_h, b_w] := weight[0, 0, 0, -b_h + 1, -b_w + 1]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_output_rolling(out, input, weight, bias, workspace, 0, 0, 1)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2], at[3], at[4])


def call_output(out, input, weight, bias, workspace):
    """output into out, element counts out 16, input 4, weight 4, bias 1, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 16, 1, 0)
        bf_take(&taken, input, b"input", 4, 0, 0)
        bf_take(&taken, weight, b"weight", 4, 0, 0)
        bf_take(&taken, bias, b"bias", 1, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 5)


cdef void bf_grad_input_rolling(E* out, const E* grad_output, const E* weight, E* workspace, Py_ssize_t thread, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef Py_ssize_t group, image
    cdef V v_0, v_1, v_10, v_11, v_12, v_13, v_14, v_15, v_16, v_17, v_18, v_19, v_2, v_20, v_21, v_22, v_23
    cdef V v_24, v_3, v_4, v_5, v_6, v_7, v_8, v_9
    for group in range(first, last):
        v_0 = v_zero()
        v_1 = v_splat(weight)
        v_2 = v_splat(weight + 1)
        v_3 = v_splat(weight + 2)
        v_4 = v_splat(weight + 3)
        image = 0
        bf_branch(1)
        v_5 = v_load_part(grad_output, 4)
        v_6 = v_even(v_5, v_0)
        v_7 = v_fma(v_0, v_1, v_6)
        v_8 = v_odd(v_5, v_0)
        v_9 = v_fma(v_7, v_2, v_8)
        v_10 = v_load_part(grad_output + 4, 4)
        v_11 = v_even(v_10, v_0)
        v_12 = v_fma(v_9, v_3, v_11)
        v_13 = v_odd(v_10, v_0)
        v_14 = v_fma(v_12, v_4, v_13)
        v_15 = v_load_part(grad_output + 8, 4)
        v_16 = v_even(v_15, v_0)
        v_17 = v_fma(v_0, v_1, v_16)
        v_18 = v_odd(v_15, v_0)
        v_19 = v_fma(v_17, v_2, v_18)
        v_20 = v_load_part(grad_output + 12, 4)
        v_21 = v_even(v_20, v_0)
        v_22 = v_fma(v_19, v_3, v_21)
        v_23 = v_odd(v_20, v_0)
        v_24 = v_fma(v_22, v_4, v_23)
        v_store_part(out, v_14, 2)
        v_store_part(out + 2, v_24, 2)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_h, i_w] = grad_input[0, 0, 0, i_h, i_w] := sum_{a_h<2} sum_{a_w<2}
    #   padded_grad[0, 0, 0, a_h + 2*i_h, a_w + 2*i_w] weight[0, 0, 0, a_h, a_w]
    #   where padded_grad[0, 0, 0, e_h, e_w] := [0 <= e_h < 4][0 <= e_w < 4] grad_output[0, 0, 0, e_h, e_w]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_grad_input_rolling(out, grad_output, weight, workspace, 0, 0, 1)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 4, grad_output 16, weight 4, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 16, 0, 0)
        bf_take(&taken, weight, b"weight", 4, 0, 0)
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
    cdef V s_0_0, s_0_1, s_1_0, s_1_1, v_0, v_1, v_10, v_11, v_12, v_13, v_14, v_2, v_3, v_4, v_5, v_6, v_7
    cdef V v_8, v_9
    for group in range(first, last):
        s_0_0 = v_zero()
        s_0_1 = v_zero()
        s_1_0 = v_zero()
        s_1_1 = v_zero()
        v_0 = v_zero()
        image = 0
        bf_branch(1)
        v_1 = v_load_part(input, 2)
        v_2 = v_load_part(grad_output, 4)
        v_3 = v_even(v_2, v_0)
        s_0_0 = v_fma(s_0_0, v_1, v_3)
        v_4 = v_odd(v_2, v_0)
        s_0_1 = v_fma(s_0_1, v_1, v_4)
        v_5 = v_load_part(grad_output + 4, 4)
        v_6 = v_even(v_5, v_0)
        s_1_0 = v_fma(s_1_0, v_1, v_6)
        v_7 = v_odd(v_5, v_0)
        s_1_1 = v_fma(s_1_1, v_1, v_7)
        v_8 = v_load_part(input + 2, 2)
        v_9 = v_load_part(grad_output + 8, 4)
        v_10 = v_even(v_9, v_0)
        s_0_0 = v_fma(s_0_0, v_8, v_10)
        v_11 = v_odd(v_9, v_0)
        s_0_1 = v_fma(s_0_1, v_8, v_11)
        v_12 = v_load_part(grad_output + 12, 4)
        v_13 = v_even(v_12, v_0)
        s_1_0 = v_fma(s_1_0, v_8, v_13)
        v_14 = v_odd(v_12, v_0)
        s_1_1 = v_fma(s_1_1, v_8, v_14)
        total = v_sum(s_0_0)
        e_store(out, total)
        total = v_sum(s_0_1)
        e_store(out + 1, total)
        total = v_sum(s_1_0)
        e_store(out + 2, total)
        total = v_sum(s_1_1)
        e_store(out + 3, total)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, 0, 0, a_h, a_w] = grad_weight[0, 0, 0, a_h, a_w] := sum_{i_h<2} sum_{i_w<2}
    #   padded_grad[0, 0, 0, a_h + 2*i_h, a_w + 2*i_w] input[0, 0, 0, i_h, i_w]
    #   where padded_grad[0, 0, 0, e_h, e_w] := [0 <= e_h < 4][0 <= e_w < 4] grad_output[0, 0, 0, e_h, e_w]
    # ROLLING: vectors of 8 along the line, 2 rows
    
    # ROLLING: vectors of 8 along the line, 2 rows
    bf_grad_weight_rolling(out, grad_output, input, workspace, 0, 0, 1)


cdef void run_grad_weight(E** at) noexcept nogil:
    bf_grad_weight(at[0], at[1], at[2], at[3])


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 4, grad_output 16, input 4, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 4, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 16, 0, 0)
        bf_take(&taken, input, b"input", 4, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_weight)
    finally:
        bf_release(&taken)


def runner_grad_weight():
    """What a plan runs for grad_weight."""
    return bf_runner(run_grad_weight, 4)


cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    # d loss[]/d bias[0, 0] = grad_bias[0, 0] := sum_{o_h<4} sum_{o_w<4} grad_output[0, 0, 0, o_h, o_w]
    # WOVEN: single elements
    cdef E e1_0, e1_1, e1_10, e1_11, e1_12, e1_13, e1_14, e1_15, e1_16, e1_17, e1_18, e1_19, e1_2, e1_20
    cdef E e1_21, e1_22, e1_23, e1_24, e1_25, e1_26, e1_27, e1_28, e1_29, e1_3, e1_30, e1_31, e1_32, e1_4
    cdef E e1_5, e1_6, e1_7, e1_8, e1_9
    # WOVEN: single elements
    bf_branch(1)
    e1_0 = e_zero()
    e1_1 = e_load(grad_output)
    e1_2 = e_add(e1_0, e1_1)
    e1_3 = e_load(grad_output + 1)
    e1_4 = e_add(e1_2, e1_3)
    e1_5 = e_load(grad_output + 2)
    e1_6 = e_add(e1_4, e1_5)
    e1_7 = e_load(grad_output + 3)
    e1_8 = e_add(e1_6, e1_7)
    e1_9 = e_load(grad_output + 4)
    e1_10 = e_add(e1_8, e1_9)
    e1_11 = e_load(grad_output + 5)
    e1_12 = e_add(e1_10, e1_11)
    e1_13 = e_load(grad_output + 6)
    e1_14 = e_add(e1_12, e1_13)
    e1_15 = e_load(grad_output + 7)
    e1_16 = e_add(e1_14, e1_15)
    e1_17 = e_load(grad_output + 8)
    e1_18 = e_add(e1_16, e1_17)
    e1_19 = e_load(grad_output + 9)
    e1_20 = e_add(e1_18, e1_19)
    e1_21 = e_load(grad_output + 10)
    e1_22 = e_add(e1_20, e1_21)
    e1_23 = e_load(grad_output + 11)
    e1_24 = e_add(e1_22, e1_23)
    e1_25 = e_load(grad_output + 12)
    e1_26 = e_add(e1_24, e1_25)
    e1_27 = e_load(grad_output + 13)
    e1_28 = e_add(e1_26, e1_27)
    e1_29 = e_load(grad_output + 14)
    e1_30 = e_add(e1_28, e1_29)
    e1_31 = e_load(grad_output + 15)
    e1_32 = e_add(e1_30, e1_31)
    e_store(out, e1_32)


cdef void run_grad_bias(E** at) noexcept nogil:
    bf_grad_bias(at[0], at[1], at[2])


def call_grad_bias(out, grad_output, workspace):
    """grad_bias into out, element counts out 1, grad_output 16, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 1, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 16, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_grad_bias)
    finally:
        bf_release(&taken)


def runner_grad_bias():
    """What a plan runs for grad_bias."""
    return bf_runner(run_grad_bias, 3)


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
    return "65af89d1b066996d7662c381880ba20eec51c3020bd9ef63d8bafeb4a02cfdef"
