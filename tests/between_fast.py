"""Owns how PyTorch computes both sides of the theorems of fast convolution: transforms as sums of arrays."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any

from between_torch import F, Sized, Tensors, grad, padded, torch

from derive.toom import transform

FAST_AT = {
    "N": 2, "groups": 2, "C": 2, "K": 2, "H": 5, "W": 6, "k_h": 2, "s_h": 2, "d_h": 1, "p_h": 1, "q_h": 0,
    "r_h": 0, "H_out": 3, "p_w": 1, "q_w": 2, "W_out": 7, "T_w": 3,
}  # fmt: skip
"""Seven outputs: three tiles of two and one left over."""


def convolved(x: Any, kernel: Any, at: Sized) -> Any:
    """The layer without padding; the last axis has stride and dilation 1."""
    sizes = at.sizes
    return F.conv2d(x, kernel, None, (sizes["s_h"], 1), 0, (sizes["d_h"], 1), sizes["groups"])


def around(t: Tensors, at: Sized) -> Any:
    sizes = at.sizes
    return padded(t["input"], (sizes["p_h"], sizes["p_w"]), (sizes["q_h"], sizes["q_w"]))


def mixed(row: Sequence[Fraction], arrays: Sequence[Any]) -> Any:
    return sum(float(v) * a for v, a in zip(row, arrays, strict=True))


def tiled(x: Any, m: int, n: int, tiles: int) -> list[Any]:
    """Entry e of every tile, for e < n."""
    return [x[..., e:][..., ::m][..., :tiles] for e in range(n)]


def taps_of(t: Tensors, r: int) -> list[Any]:
    return [t[f"tap_{a}"] for a in range(r)]


def tile_left(u: int, t: Tensors, at: Sized) -> Any:
    """Output u of each tile of 2, by PyTorch's convolution."""
    return convolved(around(t, at), torch.stack(taps_of(t, 3), -1), at)[..., u::2][..., : at.sizes["T_w"]]


def tile_right(u: int, t: Tensors, at: Sized) -> Any:
    """The same from products of transformed arrays."""
    by = transform(2, 3)
    entries = tiled(around(t, at), by.m, by.n, at.sizes["T_w"])
    met = [
        convolved(mixed(b, entries), mixed(g, taps_of(t, 3))[..., None], at)
        for b, g in zip(by.b, by.g, strict=True)
    ]
    return mixed(by.a[u], met)


def spread_columns(t: Tensors, at: Sized) -> Any:
    """grad_output from its columns, 0 beyond the tiles."""
    whole = torch.zeros((*t["column_0"].shape[:-1], at.sizes["W_out"]), dtype=torch.float64)
    for j in range(2):
        whole[..., j::2][..., : at.sizes["T_w"]] = t[f"column_{j}"]
    return whole


def tap_left(a: int, t: Tensors, at: Sized) -> Any:
    """The gradient by tap a, by autograd."""
    taps = taps_of(t, 3)

    def layer(tap: Any) -> Any:
        return convolved(around(t, at), torch.stack([*taps[:a], tap, *taps[a + 1 :]], -1), at)

    return grad(layer, taps[a], spread_columns(t, at))


def tap_right(a: int, t: Tensors, at: Sized) -> Any:
    """The same from products of transformed tiles."""
    by = transform(3, 2)
    entries = tiled(around(t, at), by.r, by.n, at.sizes["T_w"])
    columns = [t["column_0"], t["column_1"]]
    kernel = torch.zeros_like(t["tap_0"])[..., None]
    met = [
        grad(partial(convolved, mixed(b, entries), at=at), kernel, mixed(g, columns))[..., 0]
        for b, g in zip(by.b, by.g, strict=True)
    ]
    return mixed(by.a[a], met)


FAST: dict[tuple[str, str], Any] = {
    ("toom-cook-F(2,3)", f"output {u}"): (FAST_AT, partial(tile_left, u), partial(tile_right, u))
    for u in range(2)
} | {
    ("toom-cook-gradient-F(3,2)", f"tap {a}"): (FAST_AT, partial(tap_left, a), partial(tap_right, a))
    for a in range(3)
}
