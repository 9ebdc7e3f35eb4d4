"""Owns the estimate of a Winograd plan: cycles of its stages on one thread, by ports and bytes moved."""

from __future__ import annotations

from functools import lru_cache
from math import inf

from codegen.schedules.planned import PACKED
from codegen.schedules.winograd_apply import Applied, Matrix
from codegen.schedules.winograd_filter import Filter
from codegen.schedules.winograd_output import Back
from codegen.schedules.winograd_product import Levels
from codegen.schedules.winograd_tiles import Tiles

FAR = ((700 * 2**10, 0.5), (4 * 2**20, 1.0), (12 * 2**20, 2.5), (inf, 6.5))
"""Cycles for each stored vector of transformed taps, by the bytes of all of them."""
TURN = 2.5
"""Cycles for each vector of a turned block."""
NEAR, MIDDLE = 24 * 2**10, 700 * 2**10
"""Bytes that stay in the first cache and in the second one beside everything else."""
SETTLED = 640 * 2**10
"""Bytes of a band and its taps beyond which one drives the other out of the second cache."""
SECOND, THIRD, MEMORY = 40.0, 20.0, 14.0
"""Bytes a cycle from the second and third cache and from memory."""
AGAIN = ((700 * 2**10, inf), (8 * 2**20, 25.0), (inf, 14.0))
"""Bytes a cycle of tiles that are asked for in advance, by the bytes of all of them."""
FARTHEST = 28 * 2**20
"""Bytes that stay in the third cache."""


@lru_cache(maxsize=64)
def operations(matrix: Matrix) -> int:
    """Vector operations that applying a matrix takes."""
    work = Applied("d")
    work.apply(matrix, [f"x{i}" for i in range(len(matrix[0]))])
    return len(work.body)


def applied(matrix: Matrix) -> float:
    """Cycles of one application: loads and operations two a cycle, stores one."""
    return max(float(len(matrix)), (len(matrix[0]) + operations(matrix)) / 2) + 1.0


def of_tiles(tiles: Tiles, element: int) -> float:
    """Cycles for all bands of one batch and group: turning, both transforms, what is stored."""
    rows, columns, blocks = tiles.rows, tiles.columns, tiles.channels // tiles.lanes
    bands = -(-rows.tiles // tiles.band)
    lines = tiles.reach if tiles.narrow else bands * rows.places(tiles.band)
    turned = lines * columns.extent * (TURN + 0.5)
    down = rows.tiles * columns.extent * applied(rows.matrix)
    along = rows.tiles * columns.tiles * rows.n * applied(columns.matrix)
    stored = rows.tiles * columns.tiles * tiles.products * tiles.lanes * element / SECOND
    return blocks * (turned + down + along + stored)


def of_back(back: Back, tile_rows: int) -> float:
    """Cycles of the way back of one vector of outputs, all bands."""
    down, along = back.matrices
    tile = (back.products + len(along[0]) * operations(down) + len(down) * operations(along)) / 2
    tile = max(tile, back.products * 0.75) + len(down) * len(along) + 4.0
    return tile_rows * back.tiles * tile + back.size[0] * back.size[1] * (TURN + 0.5)


def of_products(rows: int, levels: Levels, taps: Filter, tiles: int, element: int) -> float:
    """Cycles of all products of so many tiles for one block of outputs, tile by register tile."""
    line = taps.vectors * taps.lanes * element
    moved = line / SECOND if taps.ins * line > NEAR else 0.0
    total = 0.0
    for count, many in ((rows, tiles // rows), (tiles % rows, 1)):
        if count:
            cycles = levels.cycles(count, taps.vectors, taps.ins)
            total += many * max(cycles, taps.ins * moved)
    return max(1, taps.steps) * taps.products * total


def of_filter(taps: Filter, element: int) -> float:
    """Cycles of the transform of all taps."""
    tall, wide = taps.matrices
    turns = -(-taps.size // taps.lanes) * taps.lanes * TURN
    work = (len(wide[0]) * operations(tall) + len(tall) * operations(wide) + taps.size) / 2
    size = (taps.piece if taps.steps else taps.count) * element
    far = next(cycles for most, cycles in FAR if size <= most)
    each = turns + work + taps.products * far
    return taps.pieces * taps.vectors * taps.ins * each


def streamed(taps: Filter, bands: int, element: int) -> float:
    """Cycles that bands wait for taps outside the second cache; in steps only where they are packed."""
    size = taps.count * element
    share = 1 - PACKED if taps.steps else 1.0
    speed = MEMORY if size > FARTHEST else 2 * THIRD
    return share * bands * size / speed if size > MIDDLE else 0.0


def again(tiles: Tiles, back: Back, blocks: int, element: int) -> float:
    """Cycles that so many blocks of outputs wait for all tiles and their sums outside the second cache."""
    sums = back.products * back.plane * element
    return blocks * (all_of(tiles, element) + (2 * sums / THIRD if sums > MIDDLE else 0.0))


def all_of(tiles: Tiles, element: int) -> float:
    """Cycles that reading all tiles of a band waits for them outside the second cache."""
    size = tiles.products * tiles.plane * element
    return size / next(speed for most, speed in AGAIN if size <= most)


def spilled(taps: Filter, band: int, element: int) -> float:
    """Cycles that one band waits for what of its elements and the taps leaves the second cache."""
    near = taps.piece if taps.steps else taps.count
    taken = band * element + min(near * element, MIDDLE)
    return 2 * max(0.0, taken - SETTLED) / THIRD
