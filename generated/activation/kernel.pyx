# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# GELU() at input 2,3, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   c6f0b79d29fb365c51e19dc526b394967555bbcd1220036e10f19885a265eac2
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math
#   -fno-predictive-commoning -fPIC -shared -fno-strict-aliasing -Wno-psabi -fno-inline-functions-called-once
#   -mavx2 -mfma
"""Kernels of GELU() at input 2,3, float32."""

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
    V v_fn_gelu(V)
    V v_fn_gelu_prime(V)
    V v_mul(V, V)
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
    # output[n_0, n_1] = applied[n_0, n_1] := gelu(input[n_0, n_1])
    # CLIP: vectors of 8 along n_1
    cdef Py_ssize_t n_1
    cdef V v_0_0_raw, v_total
    # CLIP: vectors of 8 along n_1
    n_1 = 0
    bf_branch(1)
    v_0_0_raw = v_load_part(input + n_1, 6)
    v_total = v_fn_gelu(v_0_0_raw)
    v_store_part(out + n_1, v_total, 6)


cdef void run_output(E** at) noexcept nogil:
    bf_output(at[0], at[1], at[2])


def call_output(out, input, workspace):
    """output into out, element counts out 6, input 6, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
        bf_take(&taken, workspace, b"workspace", 0, 1, 1)
        bf_run(&taken, run_output)
    finally:
        bf_release(&taken)


def runner_output():
    """What a plan runs for output."""
    return bf_runner(run_output, 3)


cdef void bf_grad_input(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d input[n_0, n_1] = grad_input[n_0, n_1] := grad_output[n_0, n_1] gelu_prime(input[n_0, n_1])
    # CLIP: vectors of 8 along n_1
    cdef Py_ssize_t n_1
    cdef V v_0_0, v_0_1, v_0_1_raw, v_total
    # CLIP: vectors of 8 along n_1
    n_1 = 0
    bf_branch(1)
    v_0_0 = v_load_part(grad_output + n_1, 6)
    v_0_1_raw = v_load_part(input + n_1, 6)
    v_0_1 = v_fn_gelu_prime(v_0_1_raw)
    v_total = v_mul(v_0_0, v_0_1)
    v_store_part(out + n_1, v_total, 6)


cdef void run_grad_input(E** at) noexcept nogil:
    bf_grad_input(at[0], at[1], at[2], at[3])


def call_grad_input(out, grad_output, input, workspace):
    """grad_input into out, element counts out 6, grad_output 6, input 6, workspace 0; the workspace may be larger."""
    cdef bf_arguments taken
    taken.count = 0
    try:
        bf_take(&taken, out, b"out", 6, 1, 0)
        bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        bf_take(&taken, input, b"input", 6, 0, 0)
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
    return "9c6a3601e03c76f4fef19211c677c890be713bc6db565736a923c68b82963b32"
