"""Owns how long a matrix product takes by the model: tiles, copies and stores in cycles of one thread.

Two multiplications a cycle, nearly two loads, one store; a block of lanes x lanes is transposed by
lanes * log2(lanes) exchanges, one a cycle. Where rows of the broadcast factor lie a power of two apart they
share few sets of the nearest cache and are fetched again and again.
"""

from __future__ import annotations

from math import gcd, log2, prod
from typing import TYPE_CHECKING

from codegen.schedules.gemm_pack import turned
from codegen.schedules.gemm_problem import Product
from codegen.schedules.nest import LOAD
from codegen.schedules.planned import PACKED

if TYPE_CHECKING:
    from codegen.schedules.gemm import Gemm

LATENCY = 4.0
"""Cycles from one multiplication to the next on the same accumulator."""
STRIDED = 1.5
"""Cycles for each lane of a vector gathered or stored lane by lane."""
OVERHEAD = 0.4
"""Cycles of a turn of the innermost loop beside its arithmetic."""
ENTRY = 12.0
"""Cycles of a tile or a copied line beside its loads, multiplications and stores."""
SETS, WAYS, LINE = 4096, 8, 64
"""Bytes after which places of the nearest cache repeat, lines that share one, bytes of a line."""
SECOND, SEGMENT = 2**20, 4.0
"""Bytes of the second cache, and cycles for each stretch of a larger result that a tile begins to write."""
MISSED, FAR = 0.6, 0.5
"""Cycles that a broadcast and a vector from the second cache add."""
FARTHEST, MEMORY = 20 * 2**20, 14.0
"""Bytes that the last cache keeps from one panel to the next; bytes a cycle from behind it."""
NEAREST = 20480
"""Bytes of the factor in vectors that stay in the nearest cache from one tile to the next."""


KEPT = 8192
"""Bytes of sums to be transposed that stay there too; others come from the second cache, block by block."""


def cycles(gemm: Gemm) -> float:
    """Cycles of the whole product, what is laid out beforehand included."""
    total = sum(n * _rows_of_panel(gemm, used) for _, n, used in gemm.panels)
    if gemm.layout == "panel":
        total += sum(n * _panel(gemm, used) for _, n, used in gemm.panels)
    total *= gemm.product.times
    total += gemm.panel_count * _spread(gemm)
    if gemm.layout == "whole":
        times = float(prod(r.extent for r in gemm.packed_outer))
        times *= PACKED if gemm.product.right.weight else 1.0
        total += times * sum(n * (_panel(gemm, used) + _written(gemm)) for _, n, used in gemm.panels)
    threads = min(gemm.target.threads, gemm.turns)
    return total * -(-gemm.turns // threads) * gemm.target.threads / gemm.turns


def _spread(gemm: Gemm) -> float:
    """The broadcast factor read from memory, where a stride leaves gaps in each line of it."""
    product = gemm.product
    runs = [r for r in (*product.outer, *product.rows, *product.depth) if r.left]
    if any(r.left == 1 for r in runs):
        return 0.0
    size = gemm.target.element * (1 + sum((r.extent - 1) * r.left for r in runs))
    return size / MEMORY if size > FARTHEST else 0.0


def _rows_of_panel(gemm: Gemm, used: int) -> float:
    """All tiles of one panel, and the transposing of what they give."""
    return sum(n * _chunk(gemm, used, values) for _, n, values in gemm.chunks)


def _chunk(gemm: Gemm, used: int, values: int) -> float:
    lines, height = gemm.lines_of(values)
    across = -(-used // gemm.lanes)
    total = 0.0
    for start, stop, rows in gemm.split(height, across):
        turns = (stop - start) // rows * lines
        total += turns * (
            gemm.product.length * _step(gemm, rows, across)
            + gemm.rounds * _ending(gemm, rows * across, across)
        )
    return total + (_placed(gemm, used, lines * height) if gemm.turned else 0.0)


def _step(gemm: Gemm, rows: int, across: int) -> float:
    """One turn of the depth of a tile."""
    apart = 1.0 if gemm.layout != "direct" or _aligned(gemm) else 2.0
    loads = rows + across * apart
    missed = MISSED * rows if crowded(gemm.product, rows, gemm.target.element) else 0.0
    beyond = FAR * across if gemm.block_bytes > NEAREST else 0.0
    return max(rows * across / 2, LOAD * loads, LATENCY) + OVERHEAD + missed + beyond


def _aligned(gemm: Gemm) -> bool:
    """Whether vectors read as they lie begin at cache lines, if their buffer does."""
    product, line = gemm.product, gemm.lanes
    runs = (*product.depth, *product.outer)
    return all(r.right % line == 0 for r in runs) and product.right.base % line == 0


def crowded(product: Product, rows: int, element: int) -> bool:
    """Whether the rows of a tile, walked along, share so few sets that their lines push each other out."""
    apart, along = product.rows[-1].left * element, product.depth[-1].left * element
    if apart < LINE or along >= LINE or product.length * along <= LINE:
        return False
    return rows > (WAYS - 2) * (SETS // max(gcd(apart, SETS), LINE))


def _ending(gemm: Gemm, cells: int, across: int) -> float:
    """A tile begun and stored once."""
    product = gemm.product
    store = 1.0 if gemm.turned or product.columns.into == 1 else STRIDED * gemm.lanes
    apart = gemm.turned and gemm.chunk_height * gemm.width * gemm.target.element > KEPT
    earlier = (1.0 + apart) if gemm.rounds > 1 else 0.0
    added = 0.5 if product.bias is not None and gemm.rounds > 1 else 0.0
    written = gemm.product.times * gemm.product.height * gemm.product.columns.extent * gemm.target.element
    lines = SEGMENT * cells / across if not gemm.turned and written > SECOND else 0.0
    return cells * (0.25 + store + earlier + added) + lines + ENTRY


def _placed(gemm: Gemm, used: int, height: int) -> float:
    """The rows of the scratch transposed into the result."""
    lanes, step = gemm.lanes, gemm.product.rows[-1].into
    rows = -(-height // lanes)
    if step == 1:
        narrow = (lanes * 2.0) * (rows - height // lanes) * -(-used // lanes)
        return rows * -(-used // lanes) * transposed(lanes) + narrow
    return rows * -(-used // lanes) * (transposed(lanes) + lanes * lanes * STRIDED)


def transposed(lanes: int) -> float:
    """Cycles of one block."""
    return lanes * (log2(lanes) + 1.5)


def _panel(gemm: Gemm, used: int) -> float:
    """A panel laid out."""
    product, lanes = gemm.product, gemm.lanes
    across = -(-used // lanes)
    if turned(product, lanes):
        return (
            across
            * -(-product.length // lanes)
            * (transposed(lanes) + (2.0 * lanes if used % lanes else 0.0))
        )
    if product.columns.right == 1:
        return product.length * (across * 2.0 + 2.0)
    whole, rest = divmod(used, lanes)
    return product.length * (whole * STRIDED * lanes + 2.0 * rest + 2.0)


def _written(gemm: Gemm) -> float:
    """A panel written to the second cache and read from there."""
    return gemm.panel_size * gemm.target.element / 32
