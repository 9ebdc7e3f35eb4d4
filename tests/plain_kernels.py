"""A hand-written convolution module in the kernel language, small enough to read, for tests of the validator.

It has what generated text has: a padded copy in the workspace, flat vectors with gap lanes, a remainder
tile, horizontal sums, all four kernels. Tests plant bugs in its text.
"""

from __future__ import annotations

import subprocess
import sysconfig
from collections.abc import Sequence
from importlib.machinery import ExtensionFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from codegen.artefact import Artefact
from derive.instance import claim_at
from derive.layers.conv import Conv2d

OPS = Path(__file__).resolve().parent.parent / "codegen" / "targets" / "cython"

HEAD = """# cython: language_level=3, boundscheck=False

cdef extern from "backflip_ops.h" nogil:
    ctypedef struct E:
        pass
    ctypedef struct V:
        pass
    const Py_ssize_t BF_ELEMENT_BYTES
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
    ctypedef void (*bf_work)(E**) noexcept nogil
    int bf_run(const bf_arguments*, bf_work) except -1
    void bf_release(bf_arguments*)
    int bf_spoil(object) except -1
"""

KERNELS = {
    "pad": """
cdef void bf_pad(const E* input, E* lines) noexcept nogil:
    cdef Py_ssize_t c, i, j
    for c in range(@GC@):
        for i in range(@HP@):
            for j in range(@WP@):
                if @P@ <= i < @P@ + @H@ and @P@ <= j < @P@ + @W@:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j,
                            e_load(input + (c * @H@ + i - @P@) * @W@ + j - @P@))
                else:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j, e_zero())
""",
    "output": """
cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    cdef Py_ssize_t k, c, a, b, q, i, j
    cdef E* lines = workspace
    cdef E* flat = workspace + @LINES@
    cdef V acc
    bf_pad(input, lines)
    for k in range(@GK@):
        for q in range(0, @Q@ - @L@ + 1, @L@):
            bf_branch(1)
            acc = v_splat(bias + k)
            for c in range(@C@):
                for a in range(@KH@):
                    for b in range(@KW@):
                        acc = v_fma(acc, v_splat(weight + ((k * @C@ + c) * @KH@ + a) * @KW@ + b),
                                    v_load(lines + ((k // @K@ * @C@ + c) * @HP@ + a) * @WP@ + q + b))
            v_store(flat + q, acc)
        for q in range(@Q@ - @Q@ % @L@, @Q@, @L@):
            bf_branch(2)
            acc = v_splat(bias + k)
            for c in range(@C@):
                for a in range(@KH@):
                    for b in range(@KW@):
                        acc = v_fma(acc, v_splat(weight + ((k * @C@ + c) * @KH@ + a) * @KW@ + b),
                                    v_load_part(lines + ((k // @K@ * @C@ + c) * @HP@ + a) * @WP@ + q + b,
                                                @Q@ % @L@))
            v_store_part(flat + q, acc, @Q@ % @L@)
        for i in range(@OH@):
            for j in range(@OW@):
                e_store(out + (k * @OH@ + i) * @OW@ + j, e_load(flat + i * @WP@ + j))
""",
    "grad_input": """
cdef void bf_grad_input(E* out, const E* grad_output, const E* weight, E* workspace) noexcept nogil:
    cdef Py_ssize_t c, k, i, j, a, b, o, w
    cdef E acc
    for c in range(@GC@):
        for i in range(@H@):
            for j in range(@W@):
                acc = e_zero()
                for k in range(@K@):
                    for a in range(@KH@):
                        for b in range(@KW@):
                            if 0 <= i + @P@ - a < @OH@ and 0 <= j + @P@ - b < @OW@:
                                o = (c // @C@ * @K@ + k) * @OH@ + i + @P@ - a
                                w = ((c // @C@ * @K@ + k) * @C@ + c % @C@) * @KH@ + a
                                acc = e_fma(acc, e_load(grad_output + o * @OW@ + j + @P@ - b),
                                            e_load(weight + w * @KW@ + b))
                e_store(out + (c * @H@ + i) * @W@ + j, acc)
""",
    "grad_weight": """
cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    cdef Py_ssize_t k, c, a, b, i, j, row
    cdef V acc
    bf_pad(input, workspace)
    for k in range(@GK@):
        for c in range(@C@):
            for a in range(@KH@):
                for b in range(@KW@):
                    acc = v_zero()
                    for i in range(@OH@):
                        row = ((k // @K@ * @C@ + c) * @HP@ + i + a) * @WP@ + b
                        for j in range(0, @OW@ - @L@ + 1, @L@):
                            acc = v_fma(acc, v_load(grad_output + (k * @OH@ + i) * @OW@ + j),
                                        v_load(workspace + row + j))
                        for j in range(@OW@ - @OW@ % @L@, @OW@, @L@):
                            acc = v_fma(acc, v_load_part(grad_output + (k * @OH@ + i) * @OW@ + j, @OW@ % @L@),
                                        v_load_part(workspace + row + j, @OW@ % @L@))
                    e_store(out + ((k * @C@ + c) * @KH@ + a) * @KW@ + b, v_sum(acc))
""",
    "grad_bias": """
cdef void bf_grad_bias(E* out, const E* grad_output, E* workspace) noexcept nogil:
    cdef Py_ssize_t k, q
    cdef E acc
    for k in range(@GK@):
        acc = e_zero()
        for q in range(@OH@ * @OW@):
            acc = e_add(acc, e_load(grad_output + k * @OH@ * @OW@ + q))
        e_store(out + k, acc)
""",
}

ENTRY = """
cdef void run_@NAME@(E** at) noexcept nogil:
    bf_@NAME@(@PASSED@)

def call_@NAME@(@ALL@):
    cdef bf_arguments taken
    taken.count = 0
    try:
@TAKEN@
        bf_run(&taken, run_@NAME@)
    finally:
        bf_release(&taken)
"""

TAIL = """
def element_bytes():
    return BF_ELEMENT_BYTES

def poison(buffer):
    bf_spoil(buffer)
"""

OPERANDS = {
    "output": ("input", "weight", "bias"),
    "grad_input": ("grad_output", "weight"),
    "grad_weight": ("grad_output", "input"),
    "grad_bias": ("grad_output",),
}
CLAIMS = {"output": "output", "grad_input": "input", "grad_weight": "weight", "grad_bias": "bias"}
Edits = tuple[tuple[str, str], ...]


def entry(name: str, operands: Sequence[str]) -> str:
    """The function that Python calls, of arrays of any length."""
    arrays = ["out", *operands, "workspace"]
    written = ("out", "workspace")
    taken = (f'        bf_take(&taken, {a}, b"{a}", 0, {int(a in written)}, 1)' for a in arrays)
    parts = {
        "@NAME@": name,
        "@ALL@": ", ".join(arrays),
        "@TAKEN@": "\n".join(taken),
        "@PASSED@": ", ".join(f"at[{i}]" for i in range(len(arrays))),
    }
    text = ENTRY
    for mark, value in parts.items():
        text = text.replace(mark, value)
    return text


def module_text(kernels: Sequence[str], edits: Edits = ()) -> str:
    """A module of the named kernels, sizes still open, with pieces of text replaced (first occurrence)."""
    text = "".join(KERNELS[k] for k in ("pad", *kernels))
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    for kernel in kernels:
        text += entry(kernel, OPERANDS[kernel])
    return HEAD + text + TAIL


def sizes_of(layer: Conv2d, shape: tuple[int, ...], lanes: int) -> dict[str, int]:
    """What the text calls @X@ (batch 1, stride 1, dilation 1, equal padding); WS is the workspace."""
    s = layer.sizes(shape)
    padded = {"HP": s["H"] + 2 * s["p_h"], "WP": s["W"] + 2 * s["p_h"]}
    lines = s["groups"] * s["C"] * padded["HP"] * padded["WP"] + 2 * lanes
    return {
        **{"H": s["H"], "W": s["W"], "P": s["p_h"], "C": s["C"], "K": s["K"], "KH": s["k_h"], "KW": s["k_w"]},
        **{"GC": s["groups"] * s["C"], "GK": s["groups"] * s["K"], "OH": s["H_out"], "OW": s["W_out"]},
        **{"Q": (s["H_out"] - 1) * padded["WP"] + s["W_out"], "L": lanes, "LINES": lines, **padded},
        "WS": lines + s["H_out"] * padded["WP"] + 2 * lanes,
    }


def artefact(
    folder: Path,
    layer: Conv2d,
    shape: tuple[int, ...],
    kernels: Sequence[str] = tuple(OPERANDS),
    edits: Edits = (),
    lanes: int = 8,
    dtype: str = "float32",
) -> Artefact:
    """The module made into C by Cython in `folder`; variants are compiled when they are asked for."""
    sizes = sizes_of(layer, shape, lanes)
    text = module_text(kernels, edits)
    for key, value in sizes.items():
        text = text.replace(f"@{key}@", str(value))
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "plain.pyx"
    source.write_text(text)
    c_path = cythonised(source)
    claims = layer.claims(**layer.choices(shape))
    return Artefact(
        pyx_text=text,
        c_path=c_path,
        lanes=lanes,
        dtype=dtype,
        equations={k: claim_at(claims[CLAIMS[k]], layer.sizes(shape)) for k in kernels},
        operand_order={k: OPERANDS[k] for k in kernels},
        workspace_elements={k: sizes["WS"] for k in kernels},
        load_variant=lambda flags: load(c_path, (*flags, f"BF_LANES={lanes}")),
    )


def cythonised(source: Path) -> Path:
    from Cython.Compiler.Main import CompilationOptions, compile_single
    from Cython.Compiler.Options import default_options

    result = compile_single(str(source), CompilationOptions(defaults=default_options), "plain")
    assert result.num_errors == 0
    return Path(result.c_file)


def load(c_path: Path, definitions: tuple[str, ...]) -> ModuleType:
    """One variant of a C file, compiled and imported."""
    stem = c_path.stem
    target = c_path.with_name("_".join(d.replace("=", "") for d in definitions) + ".so")
    level = "-O1" if {"BF_ELEMENT_TRACE", "BF_ELEMENT_UINT64"} & set(definitions) else "-O2"
    if not target.exists():
        flags = [
            "-std=gnu11",
            "-ffp-contract=fast",
            "-mavx2",
            "-mfma",
            "-fPIC",
            "-shared",
            "-Wall",
            "-Wno-psabi",
        ]
        include = [f"-I{OPS}", f"-I{sysconfig.get_paths()['include']}"]
        macros = [f"-D{d}" for d in definitions]
        subprocess.run(["gcc", level, *flags, *include, *macros, str(c_path), "-o", str(target)], check=True)
    loader = ExtensionFileLoader(stem, str(target))
    spec = spec_from_file_location(stem, target, loader=loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module
