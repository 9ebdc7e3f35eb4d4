"""POINTWISE: contractions that are matrix products, with nothing copied that need not be.

A 1x1 convolution, its gradients, and linear layers: which factor is in vectors, how the tile is shaped, what
is laid out beforehand and where the sums are cut is tried by the model, and the best few are kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

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
    """The best few tiles of every product and layout; none where the contraction is no matrix product."""
    for each in products(contraction):
        for layout in LAYOUTS:
            if layout == "direct" and each.columns.right != 1:
                continue
            found = sorted(candidates(each, target, layout), key=Gemm.cost, reverse=True)
            yield from sorted({g.shape: g for g in found}.values(), key=Gemm.cost)[:KEPT]


def candidates(product_: Product, target: Target, layout: str) -> Iterator[Gemm]:
    """Every tile with its blocks."""
    across = -(-product_.columns.extent // target.lanes)
    for (rows, vectors), near in product(shapes(target, across), NEAREST):
        block = min(max(8, near // (vectors * target.lanes * target.element)), LONGEST)
        whole = product_.height
        chunk = max(1, round(CHUNK / rows)) * rows
        for size in {whole} if layout == "panel" else {whole, min(whole, chunk)}:
            yield Gemm(product_, target, min(rows, whole), vectors, layout, block, size)
