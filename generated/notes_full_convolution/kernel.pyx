# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, binding=False, emit_code_comments=True
# Conv1d(1, 1, 2, padding='full', bias=False) at input 1,1,5, float32
#
# Written by backflip; do not edit. Each kernel computes the right side of a proved equation.
# proof: ALL SIZES (certificate), certificate sha256
#   a86aab7a0ebada2726b5888b4c78cf94af9b3857c0dd71ee11dbc7957148e316
# build: avx2, 8 lanes, gcc -std=gnu11 -O2 -ffp-contract=fast -fno-math-errno -fno-trapping-math -fPIC -shared
#   -fno-strict-aliasing -Wno-psabi -mavx2 -mfma
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
    void bf_branch(int)

cdef extern from "backflip_entry.h":
    ctypedef struct bf_arguments:
        int count
    E* bf_take(bf_arguments*, object, const char*, Py_ssize_t, int, int) except NULL
    int bf_apart(const bf_arguments*) except -1
    void bf_release(bf_arguments*)
    int bf_spoil(object) except -1


cdef void bf_output(E* out, const E* input, const E* weight, E* workspace) noexcept nogil:
    # output[0, 0, 0, o_w] = correlated[0, 0, 0, o_w] := sum_{a_w<2} weight[0, 0, 0, a_w] padded_input[0, 0,
    #   0, a_w + o_w]
    #   where padded_input[0, 0, 0, e_w] := [0 <= e_w - 1 < 5] input[0, 0, 0, e_w - 1]
    # CLIP: vectors of 8 along o_w
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_w, e_w, o_w, t
    cdef V line, v_0_0, v_0_1, v_total
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 8, 8):
        v_store(padded_input + t, line)
    v_store_part(padded_input + 8, line, 7)
    e_w = 1
    line = v_load_part(input + e_w - 1, 5)
    v_store_part(padded_input + e_w, line, 5)
    # CLIP: vectors of 8 along o_w
    o_w = 0
    bf_branch(1)
    v_total = v_zero()
    for a_w in range(2):
        v_0_0 = v_splat(weight + a_w)
        v_0_1 = v_load_part(padded_input + a_w + o_w, 6)
        v_total = v_fma(v_total, v_0_0, v_0_1)
    v_store_part(out + o_w, v_total, 6)


def call_output(out, input, weight, workspace):
    """output into out, element counts out 6, input 5, weight 2, workspace 15; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* input_at
    cdef E* weight_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 6, 1, 0)
        input_at = bf_take(&taken, input, b"input", 5, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 2, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 15, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_output(out_at, input_at, weight_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    # d loss[]/d input[0, 0, 0, i_w] = grad_input[0, 0, 0, i_w] := sum_{b_w<2} bordered[0, 0, 0, b_w + i_w]
    #   flipped[0, 0, 0, b_w]
    #   where spread[0, 0, 0, z_w] := sum_{o_w<6} [-o_w + z_w = 0] grad_output[0, 0, 0, o_w]
    #   where bordered[0, 0, 0, e_w] := [0 <= e_w < 6] spread[0, 0, 0, e_w]
    #   where flipped[0, 0, 0, b_w] := weight[0, 0, 0, -b_w + 1]
    # CLIP: vectors of 8 along i_w
    cdef E* spread = workspace + 0
    cdef Py_ssize_t b_w, i_w, t, z_w
    cdef V line, v_0_0, v_0_1, v_total
    # spread: zero-insertion by the stride
    line = v_zero()
    for t in range(0, 8, 8):
        v_store(spread + t, line)
    v_store_part(spread + 8, line, 6)
    z_w = 0
    line = v_load_part(grad_output + z_w, 6)
    v_store_part(spread + z_w, line, 6)
    # CLIP: vectors of 8 along i_w
    i_w = 0
    bf_branch(1)
    v_total = v_zero()
    for b_w in range(2):
        v_0_0 = v_load_part(spread + b_w + i_w, 5)
        v_0_1 = v_splat(weight + (-b_w + 1))
        v_total = v_fma(v_total, v_0_0, v_0_1)
    v_store_part(out + i_w, v_total, 5)


def call_grad_input(out, grad_output, weight, workspace):
    """grad_input into out, element counts out 5, grad_output 6, weight 2, workspace 14; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* weight_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 5, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        weight_at = bf_take(&taken, weight, b"weight", 2, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 14, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_input(out_at, grad_output_at, weight_at, workspace_at)
    finally:
        bf_release(&taken)


cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    # d loss[]/d weight[0, 0, 0, a_w] = grad_weight[0, 0, 0, a_w] := sum_{z_w<6} padded_input[0, 0, 0, a_w +
    #   z_w] spread[0, 0, 0, z_w]
    #   where padded_input[0, 0, 0, e_w] := [0 <= e_w - 1 < 5] input[0, 0, 0, e_w - 1]
    #   where spread[0, 0, 0, z_w] := sum_{o_w<6} [-o_w + z_w = 0] grad_output[0, 0, 0, o_w]
    # CLIP: vectors of 8 along a_w
    cdef E* padded_input = workspace + 0
    cdef Py_ssize_t a_w, e_w, o_w, t
    cdef V line, v_0_0, v_0_1, v_total
    # padded_input: zero padding
    line = v_zero()
    for t in range(0, 8, 8):
        v_store(padded_input + t, line)
    v_store_part(padded_input + 8, line, 7)
    e_w = 1
    line = v_load_part(input + e_w - 1, 5)
    v_store_part(padded_input + e_w, line, 5)
    # CLIP: vectors of 8 along a_w
    a_w = 0
    bf_branch(1)
    v_total = v_zero()
    for o_w in range(6):
        v_0_0 = v_load_part(padded_input + a_w + o_w, 2)
        v_0_1 = v_splat(grad_output + o_w)
        v_total = v_fma(v_total, v_0_0, v_0_1)
    v_store_part(out + a_w, v_total, 2)


def call_grad_weight(out, grad_output, input, workspace):
    """grad_weight into out, element counts out 2, grad_output 6, input 5, workspace 15; the workspace may be larger."""
    cdef bf_arguments taken
    cdef E* out_at
    cdef E* grad_output_at
    cdef E* input_at
    cdef E* workspace_at
    taken.count = 0
    try:
        out_at = bf_take(&taken, out, b"out", 2, 1, 0)
        grad_output_at = bf_take(&taken, grad_output, b"grad_output", 6, 0, 0)
        input_at = bf_take(&taken, input, b"input", 5, 0, 0)
        workspace_at = bf_take(&taken, workspace, b"workspace", 15, 1, 1)
        bf_apart(&taken)
        with nogil:
            bf_grad_weight(out_at, grad_output_at, input_at, workspace_at)
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
    return "e0f8db47ef000bdb596ada741558a41705bba25241260c57f0af54e6e51615b2"
