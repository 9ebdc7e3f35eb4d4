"""Owns how PyTorch computes the sides of theorems between layers; on whole numbers, so nothing rounds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

Tensors = dict[str, Any]
Sizes = Mapping[str, int]


class Sized:
    """The sizes of a case as PyTorch's pairs: at.s is (s_h, s_w)."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = dict(sizes)

    def __getattr__(self, letter: str) -> tuple[int, int]:
        return self.sizes[f"{letter}_h"], self.sizes[f"{letter}_w"]

    @property
    def groups(self) -> int:
        return self.sizes["groups"]

    @property
    def border(self) -> tuple[int, int]:
        """d (k - 1) - p on each axis."""
        return tuple(d * (k - 1) - p for d, k, p in zip(self.d, self.k, self.p, strict=True))  # type: ignore[return-value]


def conv(x: Any, w: Any, at: Sized, stride: Any = None, bias: Any = None) -> Any:
    return F.conv2d(padded(x, at.p, at.q), w, bias, at.s if stride is None else stride, 0, at.d, at.groups)


def padded(x: Any, before: tuple[int, int], after: tuple[int, int] | None = None) -> Any:
    after = before if after is None else after
    return F.pad(x, (before[1], after[1], before[0], after[0]))


def insert(x: Any, s: tuple[int, int], r: tuple[int, int]) -> Any:
    long = [si * (n - 1) + 1 + ri for si, n, ri in zip(s, x.shape[2:], r, strict=True)]
    z = torch.zeros((*x.shape[:2], *long), dtype=x.dtype)
    z[:, :, :: s[0], :: s[1]][:, :, : x.shape[2], : x.shape[3]] = x
    return z


def exchanged(w: Any, groups: int) -> Any:
    """Channel axes exchanged within each group."""
    return w.unflatten(0, (groups, -1)).transpose(1, 2).flatten(0, 1)


def flipped(w: Any, groups: int) -> Any:
    return exchanged(w, groups).flip(2, 3)


def grad(function: Callable[[Any], Any], at: Any, given: Any) -> Any:
    point = at.clone().requires_grad_()
    return torch.autograd.grad(function(point), point, given)[0]


def textbook(x: Any, f: Any) -> Any:
    """Full convolution by its definition, one product after another: the product of two polynomials."""
    out = torch.zeros((x.shape[0] + f.shape[0] - 1, x.shape[1] + f.shape[1] - 1), dtype=x.dtype)
    for i, j in np.ndindex(*f.shape):
        out[i : i + x.shape[0], j : j + x.shape[1]] += f[i, j] * x
    return out


def each_pair(x: Any, f: Any, groups: int, back: bool = False) -> Any:
    """Textbook convolution of image channels with filter channels, summed over the inner channel."""
    rows = []
    for image in x.unflatten(1, (groups, -1)):
        for own, weights in zip(image, f.unflatten(0, (groups, -1)), strict=True):
            for kernels in weights.transpose(0, 1) if back else weights:
                rows.append(sum(textbook(a, b) for a, b in zip(own, kernels, strict=True)))
    return torch.stack(rows).unflatten(0, (x.shape[0], -1))


def strided_right(t: Tensors, at: Sized) -> Any:
    return conv(t["input"], t["weight"], at, (1, 1), t["bias"])[:, :, :: at.s[0], :: at.s[1]]


def strided_grad(wrt: str) -> Callable[[Tensors, Sized], Any]:
    other = "weight" if wrt == "input" else "input"

    def right(t: Tensors, at: Sized) -> Any:
        given = insert(t["grad_output"], at.s, at.r)
        return grad(lambda v: conv(*order(wrt, v, t[other]), at, (1, 1)), t[wrt], given)

    return right


def conv_grad(wrt: str) -> Callable[[Tensors, Sized], Any]:
    other = "weight" if wrt == "input" else "input"
    return lambda t, at: grad(lambda v: conv(*order(wrt, v, t[other]), at), t[wrt], t["grad_output"])


def order(wrt: str, mine: Any, other: Any) -> tuple[Any, Any]:
    return (mine, other) if wrt == "input" else (other, mine)


def sent(x: Any, w: Any, at: Sized, shape: tuple[int, ...]) -> Any:
    """The transposed convolution with zeros after cut or added so that the result has the given lengths."""
    whole = F.conv_transpose2d(x, w, None, at.s, 0, 0, at.groups, at.d)
    more = [max(0, p + n - m) for p, n, m in zip(at.p, shape, whole.shape[2:], strict=True)]
    whole = padded(whole, (0, 0), (more[0], more[1]))
    return whole[:, :, at.p[0] :, at.p[1] :][:, :, : shape[0], : shape[1]]


def transposed(x: Any, w: Any, at: Sized) -> Any:
    return F.conv_transpose2d(x, w, None, at.s, at.p, at.r, at.groups, at.d)


def upsampled_conv(x: Any, w: Any, at: Sized, stride: tuple[int, int] = (1, 1)) -> Any:
    return conv(insert(x, at.s, at.r), w, at, stride)


def back_then_down(t: Tensors, at: Sized) -> Any:
    long = insert(t["input"], at.s, at.r)
    back = grad(lambda z: conv(z, t["weight"], at, (1, 1)), long, t["grad_output"])
    return back[:, :, :: at.s[0], :: at.s[1]][:, :, : t["input"].shape[2], : t["input"].shape[3]]


def pooled(x: Any, t: Tensors, at: Sized) -> Any:
    lost = tuple(q - p for p, q in zip(at.p, at.q, strict=True))
    assert lost == (0, 0), "a symmetric case"
    return F.avg_pool2d(x, at.k, at.s, at.p, divisor_override=1) * t["share"]


def constant(t: Tensors, at: Sized) -> Any:
    return torch.ones((t["input"].shape[1], 1, *at.k), dtype=torch.float64) * t["share"]


def shares_upsampled(t: Tensors, at: Sized) -> Any:
    big = t["grad_output"].repeat_interleave(at.k[0], 2).repeat_interleave(at.k[1], 3) * t["share"]
    more = [n - m for n, m in zip(t["input"].shape[2:], big.shape[2:], strict=True)]
    return padded(big, (0, 0), (more[0], more[1]))


def table_product(t: Tensors, at: Sized) -> Any:
    return torch.einsum("ah,bw,ncab->nchw", t["table_h"], t["table_w"], t["grad_output"])


def merged(t: Tensors, at: Sized) -> Any:
    """One convolution with the kernels convolved: entry e is the sum of second[e - a] first[a]."""
    kernel = torch.zeros((2, 2, 4, 4), dtype=torch.float64)
    for k, m, c in np.ndindex(2, 3, 2):
        kernel[k, c] += textbook(t["second"][k, m], t["first"][m, c])
    return F.conv2d(padded(t["input"], at.p, at.q), kernel)


def one_by_one(x: Any, matrix: Any) -> Any:
    return F.conv2d(x, matrix[:, :, None, None])


def maps_summed(t: Tensors, at: Sized) -> Any:
    """One convolution for each pair of channels."""
    x, w = t["input"].unflatten(1, (at.groups, -1)), t["weight"].unflatten(0, (at.groups, -1))
    found = []
    for g, k in np.ndindex(w.shape[0], w.shape[1]):
        single = Sized(at.sizes | {"groups": 1})
        maps = [conv(x[:, g, c, None], w[g, k, c][None, None], single) for c in range(w.shape[2])]
        found.append(sum(maps))
    return torch.cat(found, 1)


def backs_summed(wrt: str) -> Callable[[Tensors, Sized], Any]:
    other = "weight" if wrt == "input" else "input"
    return lambda t, at: grad(
        lambda v: maps_summed(t | {wrt: v, other: t[other]}, at), t[wrt], t["grad_output"]
    )
