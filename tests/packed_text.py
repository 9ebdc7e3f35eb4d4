"""A convolution as packed, padded, tiled and vectorised kernel text, written by hand to test the validator.

The forward kernel packs its weights into blocks of output channels (lanes, the last block padded with zeros),
copies its input between pads, and keeps a tile of columns in named vectors; what is left of a row is a tile
of its own, and blocks of input channels hand their sums on through the workspace. The gradient by the weight
keeps one vector for each tap of a row and adds lanes at the end. Tests plant bugs in copies of these texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from plain_kernels import HEAD, TAIL, entry
from plain_kernels import OPERANDS as ORDER

from codegen import compile
from codegen.artefact import Artefact
from codegen.compile import ISAS
from codegen.variants import Variants
from derive.claim import Claim
from derive.instance import claim_at
from derive.layers.conv import Conv2d

LAYER, SHAPE = Conv2d(5, 6, 3, padding=1), (1, 5, 5, 7)
CLAIMS = {"output": "output", "grad_weight": "weight"}
Edits = tuple[tuple[str, str], ...]

PAD = """
cdef void bf_pad(const E* input, E* lines) noexcept nogil:
    cdef Py_ssize_t c, i, j
    for c in range(@C@):
        for i in range(@HP@):
            for j in range(@WP@):
                if @P@ <= i < @P@ + @H@ and @P@ <= j < @P@ + @W@:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j,
                            e_load(input + (c * @H@ + i - @P@) * @W@ + j - @P@))
                else:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j, e_zero())
"""

OUTPUT = """
cdef void bf_pack(const E* weight, const E* bias, E* packed, E* start) noexcept nogil:
    cdef Py_ssize_t k, c, t, lane
    for k in range(@KB@):
        for lane in range(@L@):
            if k * @L@ + lane < @K@:
                e_store(start + k * @L@ + lane, e_load(bias + k * @L@ + lane))
            else:
                e_store(start + k * @L@ + lane, e_zero())
            for c in range(@C@):
                for t in range(@T@):
                    if k * @L@ + lane < @K@:
                        e_store(packed + ((k * @C@ + c) * @T@ + t) * @L@ + lane,
                                e_load(weight + ((k * @L@ + lane) * @C@ + c) * @T@ + t))
                    else:
                        e_store(packed + ((k * @C@ + c) * @T@ + t) * @L@ + lane, e_zero())

cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    cdef Py_ssize_t first, last, k, c, a, b, i, j, at, row
    cdef E* lines = workspace
    cdef E* packed = workspace + @AT_PACKED@
    cdef E* start = workspace + @AT_START@
    cdef E* part = workspace + @AT_PART@
    cdef V taps, acc0, acc1, acc2
    bf_pad(input, lines)
    bf_pack(weight, bias, packed, start)
    for first in range(0, @C@, @CB@):
        last = first + @CB@
        if last > @C@:
            last = @C@
        for k in range(@KB@):
            for i in range(@OH@):
                for j in range(0, @OW@ - 2, 3):
                    bf_branch(1)
                    at = (k * @OH@ + i) * @OW@ + j
                    if first == 0:
                        acc0 = v_load(start + k * @L@)
                        acc1 = v_load(start + k * @L@)
                        acc2 = v_load(start + k * @L@)
                    else:
                        acc0 = v_load(part + at * @L@)
                        acc1 = v_load(part + (at + 1) * @L@)
                        acc2 = v_load(part + (at + 2) * @L@)
                    for c in range(first, last):
                        for a in range(@KH@):
                            row = (c * @HP@ + i + a) * @WP@
                            for b in range(@KW@):
                                taps = v_load(packed + ((k * @C@ + c) * @T@ + a * @KW@ + b) * @L@)
                                acc0 = v_fma(acc0, taps, v_splat(lines + row + j + b))
                                acc1 = v_fma(acc1, taps, v_splat(lines + row + j + b + 1))
                                acc2 = v_fma(acc2, taps, v_splat(lines + row + j + b + 2))
                    v_store(part + at * @L@, acc0)
                    v_store(part + (at + 1) * @L@, acc1)
                    v_store(part + (at + 2) * @L@, acc2)
                for j in range(@OW@ - @OW@ % 3, @OW@):
                    bf_branch(2)
                    at = (k * @OH@ + i) * @OW@ + j
                    if first == 0:
                        acc0 = v_load(start + k * @L@)
                    else:
                        acc0 = v_load(part + at * @L@)
                    for c in range(first, last):
                        for a in range(@KH@):
                            row = (c * @HP@ + i + a) * @WP@
                            for b in range(@KW@):
                                taps = v_load(packed + ((k * @C@ + c) * @T@ + a * @KW@ + b) * @L@)
                                acc0 = v_fma(acc0, taps, v_splat(lines + row + j + b))
                    v_store(part + at * @L@, acc0)
    for k in range(@KB@):
        for i in range(@Q@):
            if k * @L@ + @L@ <= @K@:
                v_store_strided(out + k * @L@ * @Q@ + i, v_load(part + (k * @Q@ + i) * @L@), @L@, @Q@)
            else:
                v_store_strided(out + k * @L@ * @Q@ + i, v_load(part + (k * @Q@ + i) * @L@), @K@ % @L@, @Q@)
"""

GRAD_WEIGHT = """
cdef void bf_grad_weight(E* out, const E* grad_output, const E* input, E* workspace) noexcept nogil:
    cdef Py_ssize_t k, c, a, i, j, row, at
    cdef V some, acc0, acc1, acc2
    bf_pad(input, workspace)
    for k in range(@K@):
        for c in range(@C@):
            for a in range(@KH@):
                acc0 = v_zero()
                acc1 = v_zero()
                acc2 = v_zero()
                for i in range(@OH@):
                    row = (c * @HP@ + i + a) * @WP@
                    at = (k * @OH@ + i) * @OW@
                    for j in range(0, @OW@ - @L@ + 1, @L@):
                        some = v_load(grad_output + at + j)
                        acc0 = v_fma(acc0, some, v_load(workspace + row + j))
                        acc1 = v_fma(acc1, some, v_load(workspace + row + j + 1))
                        acc2 = v_fma(acc2, some, v_load(workspace + row + j + 2))
                    for j in range(@OW@ - @OW@ % @L@, @OW@, @L@):
                        some = v_load_part(grad_output + at + j, @OW@ % @L@)
                        acc0 = v_fma(acc0, some, v_load_part(workspace + row + j, @OW@ % @L@))
                        acc1 = v_fma(acc1, some, v_load_part(workspace + row + j + 1, @OW@ % @L@))
                        acc2 = v_fma(acc2, some, v_load_part(workspace + row + j + 2, @OW@ % @L@))
                e_store(out + ((k * @C@ + c) * @KH@ + a) * @KW@, v_sum(acc0))
                e_store(out + ((k * @C@ + c) * @KH@ + a) * @KW@ + 1, v_sum(acc1))
                e_store(out + ((k * @C@ + c) * @KH@ + a) * @KW@ + 2, v_sum(acc2))
"""

KERNELS = {"output": PAD + OUTPUT, "grad_weight": PAD + GRAD_WEIGHT}


@dataclass(frozen=True)
class Part:
    """One kernel of a module: "output" or "grad_weight", its text edited (first occurrences) or not."""

    kind: str
    edits: Edits = ()

    def text(self, name: str, lanes: int) -> str:
        """The functions of the kernel, all named after it."""
        text = KERNELS[self.kind]
        for old, new in self.edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        for key, value in sizes_of(lanes).items():
            text = text.replace(f"@{key}@", str(value))
        for function in ("pad", "pack"):
            text = text.replace(f"bf_{function}(", f"bf_{function}_of_{name}(")
        return text.replace(f"bf_{self.kind}(", f"bf_{name}(")

    @property
    def claim(self) -> Claim:
        return claim_at(LAYER.claims(**LAYER.choices(SHAPE))[CLAIMS[self.kind]], LAYER.sizes(SHAPE))


def sizes_of(lanes: int) -> dict[str, int]:
    """What the text calls @X@; WS is the workspace."""
    s = LAYER.sizes(SHAPE)
    found = {"C": s["C"], "K": s["K"], "H": s["H"], "W": s["W"], "OH": s["H_out"], "OW": s["W_out"]}
    found |= {"P": s["p_h"], "KH": s["k_h"], "KW": s["k_w"], "T": s["k_h"] * s["k_w"], "L": lanes, "CB": 3}
    found |= {"HP": s["H"] + 2 * s["p_h"], "WP": s["W"] + 2 * s["p_h"], "KB": -(-s["K"] // lanes)}
    found["Q"] = found["OH"] * found["OW"]
    found["AT_PACKED"] = found["C"] * found["HP"] * found["WP"]
    found["AT_START"] = found["AT_PACKED"] + found["KB"] * found["C"] * found["T"] * lanes
    found["AT_PART"] = found["AT_START"] + found["KB"] * lanes
    return {**found, "WS": found["AT_PART"] + found["KB"] * found["Q"] * lanes}


def artefact(folder: Path, parts: Mapping[str, Part], lanes: int = 4, dtype: str = "float32") -> Artefact:
    """A module of kernels by name, made into C in `folder`; variants are compiled when asked for."""
    text = HEAD.replace(
        "    V v_load_strided", "    void v_store_strided(E*, V, int, Py_ssize_t)\n    V v_load_strided"
    )
    for name, part in parts.items():
        operands = ORDER[part.kind]
        text += part.text(name, lanes) + entry(name, operands)
    text += TAIL
    folder.mkdir(parents=True, exist_ok=True)
    pyx = folder / "packed.pyx"
    pyx.write_text(text)
    variants = Variants("packed", compile.to_c(pyx, "packed"), ISAS["portable"], lanes)
    return Artefact(
        pyx_text=text,
        c_path=variants.c_path,
        lanes=lanes,
        dtype=dtype,
        equations={name: part.claim for name, part in parts.items()},
        operand_order={name: ORDER[part.kind] for name, part in parts.items()},
        workspace_elements={name: sizes_of(lanes)["WS"] for name in parts},
        load_variant=variants,
    )
