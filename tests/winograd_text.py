"""Winograd convolutions as kernel text, written by a small program from exact matrices, for tests.

On two axes the transforms are nested; an axis that is not there has the transform of one output and one tap.
The text has what a generated one will have: padded lines, weights transformed once into the workspace, lanes
over channels with a remainder, whole tiles and a tile of its own for what is left over.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from plain_kernels import HEAD, KERNELS, TAIL, entry
from winograd_matrices import Matrix, Transform

from codegen import compile
from codegen.artefact import Artefact
from codegen.compile import ISAS
from codegen.variants import Variants
from derive.claim import Claim
from derive.instance import claim_at
from derive.layers.base import Layer
from derive.spelling import parse_layer

Edits = tuple[tuple[str, str], ...]
OPERANDS = ("input", "weight", "bias")


def constant(value: Fraction, common: int) -> str:
    """A constant over the common denominator of its table, or over its own where that does not fit."""
    if common % value.denominator == 0:
        return f"e_rational({value * common}, {common})"
    return f"e_rational({value.numerator}, {value.denominator})"


def applied(rows: Matrix, source: str, target: str, common: int = 1, start: str = "e_zero()") -> list[str]:
    """Lines that store rows @ source: both are patterns with {} for the place along the transformed axis."""
    lines = []
    for i, row in enumerate(rows):
        lines.append(f"acc = {start}")
        for j, value in enumerate(row):
            if value:
                lines.append(f"acc = e_fma(acc, {constant(value, common)}, e_load({source.format(j)}))")
        lines.append(f"e_store({target.format(i)}, acc)")
    return lines


def nested(name: str, over: tuple[Matrix, Matrix], reach: tuple[int, int], common: tuple[int, int]) -> str:
    """A function that transforms a patch: rows then columns; `reach` is what it reads along each axis."""
    (rows, columns), width = over, len(over[1])
    first = applied(rows, "patch + {} * down + j", f"half + {{}} * {reach[1]} + j", common[0])
    second = applied(columns, f"half + i * {reach[1]} + {{}}", f"to + (i * {width} + {{}}) * step", common[1])
    return "\n".join(
        [
            f"\ncdef void bf_{name}(E* to, Py_ssize_t step, const E* patch, Py_ssize_t down, E* half) "
            "noexcept nogil:",
            "    cdef Py_ssize_t i, j",
            "    cdef E acc",
            f"    for j in range({reach[1]}):",
            *(f"        {line}" for line in first),
            f"    for i in range({len(rows)}):",
            *(f"        {line}" for line in second),
            "",
        ]
    )


BODY = """
cdef void bf_pad(const E* input, E* lines) noexcept nogil:
    cdef Py_ssize_t c, i, j
    for c in range(@C@):
        for i in range(@HP@):
            for j in range(@WP@):
                if @PH@ <= i < @PH@ + @H@ and @PW@ <= j < @PW@ + @W@:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j,
                            e_load(input + (c * @H@ + i - @PH@) * @W@ + j - @PW@))
                else:
                    e_store(lines + (c * @HP@ + i) * @WP@ + j, e_zero())

cdef void bf_products(E* tile, const E* weights, const E* data, Py_ssize_t k) noexcept nogil:
    cdef Py_ssize_t x, c
    cdef V acc
    for x in range(@X@):
        acc = v_zero()
        for c in range(0, @C@ - @L@ + 1, @L@):
            acc = v_fma(acc, v_load(weights + (k * @X@ + x) * @C@ + c), v_load(data + x * @C@ + c))
        for c in range(@C@ - @C@ % @L@, @C@, @L@):
            acc = v_fma(acc, v_load_part(weights + (k * @X@ + x) * @C@ + c, @C@ % @L@),
                        v_load_part(data + x * @C@ + c, @C@ % @L@))
        e_store(tile + x, v_sum(acc))

cdef void bf_output(E* out, const E* input, const E* weight, const E* bias, E* workspace) noexcept nogil:
    cdef Py_ssize_t k, c, i, j, u, v
    cdef E* lines = workspace
    cdef E* weights = workspace + @AT_WEIGHTS@
    cdef E* data = workspace + @AT_DATA@
    cdef E* tile = workspace + @AT_TILE@
    cdef E* half = workspace + @AT_HALF@
    cdef E* entries = workspace + @AT_ENTRIES@
    bf_pad(input, lines)
    for k in range(@K@):
        for c in range(@C@):
            bf_taps(weights + k * @X@ * @C@ + c, @C@, weight + (k * @C@ + c) * @R@, @RW@, half)
    for i in range(0, @OH@, @MH@):
        for j in range(0, @OW@, @MW@):
            for c in range(@C@):
                bf_data(data + c, @C@, lines + (c * @HP@ + i) * @WP@ + j, @WP@, half)
            for k in range(@K@):
                bf_products(tile, weights, data, k)
                bf_back(entries, 1, tile, @NW@, half)
                if i + @MH@ <= @OH@ and j + @MW@ <= @OW@:
                    bf_branch(1)
                    for u in range(@MH@):
                        for v in range(@MW@):
                            e_store(out + (k * @OH@ + i + u) * @OW@ + j + v,
                                    e_fma(e_load(entries + u * @MW@ + v), @ONE@, e_load(bias + k)))
                else:
                    bf_branch(2)
                    for u in range(@MH@):
                        for v in range(@MW@):
                            if i + u < @OH@ and j + v < @OW@:
                                e_store(out + (k * @OH@ + i + u) * @OW@ + j + v,
                                        e_fma(e_load(entries + u * @MW@ + v), @ONE@, e_load(bias + k)))
"""


@dataclass(frozen=True)
class Part:
    """One kernel of a module: the forward convolution of a layer with a transform for each axis.

    Attributes:
        layer: batch 1, stride 1, one group, with a bias.
        edits: pieces of the text put in others' place (the first occurrence, sizes still open as @X@).
    """

    layer: str
    shape: tuple[int, ...]
    over: tuple[Transform, Transform]
    edits: Edits = ()
    operands = OPERANDS

    def text(self, name: str, lanes: int) -> str:
        """The functions of the kernel, all named after it."""
        rows, columns = self.over
        grades = (rows.grade, columns.grade)
        text = (
            nested("taps", (rows.g, columns.g), (rows.r, columns.r), grades)
            + nested("data", (rows.b, columns.b), (rows.n, columns.n), (1, 1))
            + nested("back", (rows.a, columns.a), (rows.n, columns.n), (1, 1))
            + BODY
        )
        for old, new in self.edits:
            assert old in text, old
            text = text.replace(old, new, 1)
        for key, value in self.sizes(lanes).items():
            text = text.replace(f"@{key}@", str(value))
        one = grades[0] * grades[1]
        text = text.replace("@ONE@", f"e_rational({one}, {one})").replace("bf_output(", f"bf_{name}(")
        for function in ("pad", "taps", "data", "back", "products"):
            text = text.replace(f"bf_{function}(", f"bf_{function}_of_{name}(")
        return text

    def sizes(self, lanes: int) -> dict[str, int]:
        return sizes_of(parse_layer(self.layer), self.shape, self.over, lanes)

    @property
    def claim(self) -> Claim:
        layer = parse_layer(self.layer)
        return claim_at(layer.claims(**layer.choices(self.shape))["output"], layer.sizes(self.shape))


@dataclass(frozen=True)
class Bias:
    """A kernel without constants: the gradient of a part's bias, element by element."""

    layer: str
    shape: tuple[int, ...]
    operands = ("grad_output",)

    def text(self, name: str, lanes: int) -> str:
        text = KERNELS["grad_bias"].replace("bf_grad_bias(", f"bf_{name}(")
        for key, value in self.sizes(lanes).items():
            text = text.replace(f"@{key}@", str(value))
        return text

    def sizes(self, lanes: int) -> dict[str, int]:
        known = parse_layer(self.layer).sizes(self.shape)
        return {"GK": known["K"], "OH": known.get("H_out", 1), "OW": known["W_out"], "WS": 1}

    @property
    def claim(self) -> Claim:
        layer = parse_layer(self.layer)
        return claim_at(layer.claims(**layer.choices(self.shape))["bias"], layer.sizes(self.shape))


def module_text(parts: Mapping[str, Part | Bias], lanes: int) -> str:
    marks = "    void bf_branch(int)"
    text = HEAD.replace(marks, "    E e_rational(Py_ssize_t, Py_ssize_t)\n" + marks)
    for name, part in parts.items():
        text += part.text(name, lanes) + entry(name, part.operands)
    return text + TAIL


def sizes_of(
    layer: Layer, shape: tuple[int, ...], over: tuple[Transform, Transform], lanes: int
) -> dict[str, int]:
    """What the text calls @X@; a layer of one axis has one row."""
    known, (rows, columns) = layer.sizes(shape), over
    out_h, out_w = known.get("H_out", 1), known["W_out"]
    tall = -(-out_h // rows.m) * rows.m + rows.r - 1
    wide = -(-out_w // columns.m) * columns.m + columns.r - 1
    taps, points = rows.r * columns.r, rows.n * columns.n
    found = {"C": known["C"], "K": known["K"], "H": known.get("H", 1), "W": known["W"], "L": lanes}
    found |= {"OH": out_h, "OW": out_w, "PH": known.get("p_h", 0), "PW": known["p_w"], "HP": tall, "WP": wide}
    found |= {"MH": rows.m, "MW": columns.m, "NW": columns.n, "RW": columns.r, "R": taps, "X": points}
    parts = {
        "LINES": known["C"] * tall * wide,
        "WEIGHTS": known["K"] * points * known["C"],
        "DATA": points * known["C"],
        "TILE": points,
        "HALF": points,
        "ENTRIES": rows.m * columns.m,
    }
    start = 0
    for name, count in parts.items():
        found[f"AT_{name}"] = start
        start += count
    return {**found, "WS": start}


def artefact(
    folder: Path, parts: Mapping[str, Part | Bias], lanes: int = 4, dtype: str = "float32"
) -> Artefact:
    """A module of kernels by name, made into C in `folder`; variants are compiled when asked for."""
    source = module_text(parts, lanes)
    folder.mkdir(parents=True, exist_ok=True)
    pyx = folder / "winograd.pyx"
    pyx.write_text(source)
    variants = Variants("winograd", compile.to_c(pyx, "winograd"), ISAS["portable"], lanes)
    return Artefact(
        pyx_text=source,
        c_path=variants.c_path,
        lanes=lanes,
        dtype=dtype,
        equations={name: part.claim for name, part in parts.items()},
        operand_order={name: part.operands for name, part in parts.items()},
        workspace_elements={name: part.sizes(lanes)["WS"] for name, part in parts.items()},
        load_variant=variants,
    )


def only(found: Artefact, *kernels: str) -> Artefact:
    """The same module with some of its kernels to validate."""
    return replace(
        found,
        equations={k: found.equations[k] for k in kernels},
        operand_order={k: found.operand_order[k] for k in kernels},
        workspace_elements={k: found.workspace_elements[k] for k in kernels},
    )
