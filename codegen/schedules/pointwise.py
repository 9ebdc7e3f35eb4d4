"""POINTWISE: contractions that are matrix products, with nothing copied that need not be.

A 1x1 convolution, its gradients, and linear layers: which factor is in vectors, how the tile is shaped, what
is laid out beforehand and where the sums are cut is tried by the model, and the best few are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from math import lcm

from codegen.schedules import peers
from codegen.schedules.gemm import LAYOUTS, Gemm
from codegen.schedules.gemm_problem import Product, products
from codegen.schedules.gemm_tile import shapes
from codegen.schedules.nest import Target
from codegen.schedules.planned import Plan
from codegen.schedules.problem import Contraction

KEPT = 2
"""Tiles of each layout of each product that are offered, each with its best blocks."""
NEAREST = (8192, 16384, 32768)
"""Bytes of the factor in vectors that a block of the depth may have."""
LONGEST = 128
"""Turns of the depth that are added up one after another before their sum joins the others."""
CHUNK = 112
"""About how many rows a chunk has."""


def plans(contraction: Contraction, target: Target) -> Iterator[Plan]:
    """The best few tiles of every product and layout; none where the contraction is no matrix product.

    The gradient by a strided weight is of the last tier: peers add up line by line, which on data of one sign
    rounds less than two levels of sums do (FILTER has three).
    """
    strided = contraction.result == "weight" and any(a.stride > 1 for a in contraction.axes)
    longest = LONGEST if strided else longest_of(contraction, target.element)
    for each in products(contraction):
        for layout in LAYOUTS:
            if layout == "direct" and each.columns.right != 1:
                continue
            found = sorted(candidates(each, target, layout, longest), key=Gemm.cost, reverse=True)
            best = sorted({g.shape: g for g in found}.values(), key=Gemm.cost)[:KEPT]
            yield from (replace(g, accuracy="relaxed" if strided else "strict") for g in best)


def longest_of(contraction: Contraction, element: int) -> int:
    """How many turns of the depth may be added up one after another, for errors no larger than peers'."""
    if contraction.result != "weight":
        return LONGEST
    return next(n for n in range(LONGEST, 0, -1) if n == 1 or peers.keeps(contraction, element, (n,)))


def candidates(product_: Product, target: Target, layout: str, longest: int = LONGEST) -> Iterator[Gemm]:
    """Every tile with its blocks.

    Where results are transposed there are tiles whose rows make up vectors, and chunks of one vector of rows,
    which are transposed as soon as they are there and read the rows' factor in long runs.
    """
    across, whole = -(-product_.columns.extent // target.lanes), product_.height
    turned = product_.columns.into != 1
    tiles = dict.fromkeys(shapes(target, across))
    if turned:
        tiles |= dict.fromkeys((1 << rows.bit_length() - 1, vectors) for rows, vectors in tiles)
    for (rows, vectors), near in product(tiles, NEAREST):
        block = min(max(8, near // (vectors * target.lanes * target.element)), longest)
        chunks = {whole, min(whole, max(1, round(CHUNK / rows)) * rows)}
        if turned:
            chunks.add(min(whole, lcm(rows, target.lanes)))
        for size in {whole} if layout == "panel" else chunks:
            yield Gemm(product_, target, min(rows, whole), vectors, layout, block, size)
